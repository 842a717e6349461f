//! The functions of the contract: `wit/lifecycle.wit` in Rust.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use replaysafe_json::Limits;

use crate::{
    admit::{Admission, UNRECORDED},
    answers,
    case::{Case, Ground, Wish, read_resource},
    decide::only,
    form::{record, variant},
    frame::frame,
    policy::Policy,
    state::{Progress, read_state},
    statement::Match,
    types::{
        Action, Answer, ById, ContractError, Document, Field, Identification, Question, Report,
        Request, Search, Settings, Situation, Step,
    },
};

/// One step on the way to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// The members of this name, or of a part of it.
    Member(String),
    /// Each element of an array; any other value is its own one element.
    Each,
    /// Each element whose member `path` is a text with this name, or with that of a part of it.
    Path(String),
    /// This text, or this object with a member name, that has a value filter on this name.
    Filter(String),
}

/// A resource type, as the host needs it to build and recognise URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The name of the resource type.
    pub resource_type: String,
    /// Its path segment, without slash, for example `Users`.
    pub path: String,
}

/// What the target says about itself, reduced to what decisions need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// For `settings.schema`.
    pub document: Document,
    /// The resource types; `User` and `Group` always.
    pub endpoints: Vec<Endpoint>,
    /// What discovery says about the target, for `settings.profile`.
    pub declared: Vec<Field>,
}

/// What became of reading a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It can be provisioned.
    Readable(Identification),
    /// It breaks a rule of form.
    Unreadable(Answer),
}

/// See `lifecycle.secret-paths`.
///
/// # Errors
///
/// Where the settings cannot be read.
pub fn secret_paths(
    resource_type: &str,
    settings: &Settings,
) -> Result<Vec<Vec<Segment>>, ContractError> {
    let paths = Ground::read(settings)?.schema.secret_paths(resource_type);
    let segment = |segment| match segment {
        replaysafe_json::Segment::Member(name) => Segment::Member(name),
        replaysafe_json::Segment::Each => Segment::Each,
        replaysafe_json::Segment::Path(name) => Segment::Path(name),
        replaysafe_json::Segment::Filter(name) => Segment::Filter(name),
    };
    Ok(paths.into_iter().map(|path| path.0.into_iter().map(segment).collect()).collect())
}

/// See `lifecycle.read-schema`.
#[must_use]
pub fn read_schema(
    resource_types: Option<&str>,
    schemas: Option<&str>,
    service_provider_config: Option<&str>,
) -> Schema {
    let read = |text: Option<&str>| {
        let text = text?;
        replaysafe_json::parse(text.as_bytes(), &Limits::answer()).ok()
    };
    let schema = crate::schema::Schema::read(
        read(resource_types).as_ref(),
        read(schemas).as_ref(),
        read(service_provider_config).as_ref(),
    );
    let endpoint = |(resource_type, path)| Endpoint { resource_type, path };
    let field = |(name, value)| Field { name, value };
    Schema {
        document: schema.to_document().to_string(),
        endpoints: schema.endpoints().into_iter().map(endpoint).collect(),
        declared: schema.declared().into_iter().map(field).collect(),
    }
}

/// See `lifecycle.check-policy`.
///
/// # Errors
///
/// Where the policy cannot be read: the detail names the member that is wrong.
pub fn check_policy(policy: &str) -> Result<Document, ContractError> {
    Policy::read(policy).map(|policy| policy.document())
}

/// See `lifecycle.identify`.
///
/// # Errors
///
/// Where the settings cannot be read, or the request has an id and should have none.
pub fn identify(request: &Request, settings: &Settings) -> Result<Reading, ContractError> {
    let ground = Ground::read(settings)?;
    let wish = match Wish::read(request, &ground)? {
        Ok(wish) => wish,
        Err(answer) => return Ok(Reading::Unreadable(answer)),
    };
    let scope = &request.scope;
    let key_material = request
        .key
        .as_deref()
        .map(|key| frame("key", &[&scope.tenant, &scope.target, &scope.principal, key]));
    let proof = match (&request.id, wish.searches.first()) {
        (Some(id), _) => {
            Question::ById(ById { resource_type: request.resource_type.clone(), id: id.clone() })
        }
        (None, Some(search)) => search.clone(),
        (None, None) => Question::Search(Search {
            resource_type: request.resource_type.clone(),
            attribute: "id".into(),
            value: "replaysafe".into(),
        }),
    };
    let safe_way = wish.statement.safe_way() && request.id.is_some();
    let passes = safe_way && ground.policy.safe_direction_passes;
    let mut extra = Vec::new();
    for (name, says) in [(UNRECORDED, passes), ("edges", wish.states_edges())] {
        if says {
            extra.push(answers::note(name, "true"));
        }
    }
    Ok(Reading::Readable(Identification {
        key_material,
        statement_material: wish.material,
        safe_way,
        names: wish.names,
        proof,
        extra,
    }))
}

/// See `lifecycle.matches`.
///
/// # Errors
///
/// Where the settings cannot be read.
pub fn matches(
    request: &Request,
    page: &[Document],
    settings: &Settings,
) -> Result<Vec<u32>, ContractError> {
    let ground = Ground::read(settings)?;
    let Ok(wish) = Wish::read(request, &ground)? else { return Ok(Vec::new()) };
    let correlation = ground.policy.correlation(&request.resource_type);
    let could_be = |document: &Document| {
        read_resource(document).is_some_and(|resource| {
            let alike =
                || wish.weak && wish.statement.differs(&resource, &ground.schema).is_empty();
            wish.statement.matches(&resource, correlation) != Match::No || alike()
        })
    };
    let positions = page.iter().enumerate().filter(|(_, document)| could_be(document));
    Ok(positions.filter_map(|(position, _)| u32::try_from(position).ok()).collect())
}

/// See `lifecycle.admit`.
///
/// # Errors
///
/// Where the situation breaks the contract.
pub fn admit(situation: &Situation) -> Result<Step, ContractError> {
    let case = match Case::read(situation)? {
        Ok(case) => case,
        Err(answer) => return Ok(only(Action::Answer(answer))),
    };
    match crate::admit::admit(&case) {
        Admission::Answered(answer) => Ok(only(Action::Answer(answer))),
        Admission::First(action) => Ok(only(action)),
        Admission::Look(_) => Ok(crate::decide::decide(&case)),
    }
}

/// See `lifecycle.decide`.
///
/// # Errors
///
/// Where the situation breaks the contract.
pub fn decide(situation: &Situation) -> Result<Step, ContractError> {
    match Case::read(situation)? {
        Ok(case) => Ok(crate::decide::decide(&case)),
        Err(answer) => Ok(only(Action::Answer(answer))),
    }
}

/// See `lifecycle.settle`.
///
/// # Errors
///
/// Where the situation breaks the contract, or does not hold the entry.
pub fn settle(situation: &Situation, report: Option<&Report>) -> Result<Step, ContractError> {
    match Case::read(situation)? {
        Ok(case) => crate::settle::settle(case, report),
        Err(answer) => Ok(only(Action::Answer(answer))),
    }
}

/// See `lifecycle.entry-request`.
///
/// # Errors
///
/// Where the record cannot be read.
pub fn entry_request(state: &str) -> Result<Request, ContractError> {
    let progress: Progress = read_state(state)?;
    Ok(progress.request)
}

variant!(Segment { Member(name), Each, Path(name), Filter(name) });
record!(Endpoint { resource_type, path });
record!(Schema { document, endpoints, declared });
variant!(Reading { Readable(request), Unreadable(answer) });

#[cfg(test)]
mod tests {
    use crate::types::{Method, Scope};

    use super::*;

    /// S14c: what takes access away by id goes the safe way; S36: it passes where policy says so.
    #[test]
    fn only_what_takes_away_by_its_id_goes_the_safe_way() {
        let off = r#"{"Operations":[{"op":"replace","path":"active","value":false}]}"#;
        let title = r#"{"Operations":[{"op":"replace","path":"title","value":"x"}]}"#;
        safe_way(&update(Method::Delete, None), true);
        safe_way(&update(Method::Patch, Some(off)), true);
        safe_way(&update(Method::Patch, Some(title)), false);
        safe_way(&create(r#"{"userName":"ann","active":false}"#), false);
    }

    #[test]
    fn a_policy_is_written_out_or_refused() {
        assert_eq!(check_policy("{}").map(|of| of.contains("receipt-hours")), Ok(true));
        assert!(check_policy(r#"{"adopts":"never"}"#).is_err());
    }

    /// S16; S2: what nothing identifies is known by all that it states.
    #[test]
    fn of_a_page_what_may_be_meant_is_kept() {
        let page = [
            r#"{"id":"1","userName":"bob","externalId":"e1","title":"x"}"#,
            r#"{"id":"2","userName":"ann","title":"x"}"#,
            r#"{"id":"3","userName":"cat","title":"y"}"#,
        ];
        let check = |body: &str, expected: &[u32]| {
            let page = page.map(String::from);
            assert_eq!(
                matches(&create(body), &page, &settings("{}")),
                Ok(expected.into()),
                "{body}"
            );
        };
        check(r#"{"userName":"ann","externalId":"e1"}"#, &[0, 1]);
        check(r#"{"userName":"dan","externalId":"e9","title":"x"}"#, &[]);
        check(r#"{"title":"x"}"#, &[0, 1]);
    }

    fn safe_way(request: &Request, expected: bool) {
        for (policy, passes) in [("{}", false), (r#"{"safe-direction-passes":true}"#, expected)] {
            let Ok(Reading::Readable(read)) = identify(request, &settings(policy)) else {
                panic!("can be read: {request:?}")
            };
            let passing = read.extra.iter().any(|field| field.name == UNRECORDED);
            assert_eq!((read.safe_way, passing), (expected, passes), "{request:?}");
        }
    }

    fn create(body: &str) -> Request {
        Request { id: None, ..update(Method::Create, Some(body)) }
    }

    fn update(method: Method, body: Option<&str>) -> Request {
        let [tenant, target, source, principal] = ["t", "x", "default", "p"].map(String::from);
        Request {
            scope: Scope { tenant, target, source, principal },
            method,
            resource_type: "User".into(),
            id: Some("u1".into()),
            body: body.map(String::from),
            key: None,
            version: None,
            if_match: None,
            received_at: 1,
            extra: Vec::new(),
        }
    }

    fn settings(policy: &str) -> Settings {
        Settings { policy: policy.into(), schema: "{}".into(), profile: Vec::new() }
    }
}
