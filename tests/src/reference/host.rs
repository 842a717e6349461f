//! The smallest host: it knows nothing yet, and stops before the first effect.

use std::collections::BTreeMap;

use replaysafe_core::{
    lifecycle::Reading,
    types::{
        Action, Answer, Effect, EffectBody, Field, Found, Identification, Method, Name,
        Observation, Question, Request, Scope, Settings, Sight, Situation, Tags, TargetAnswer,
    },
};
use serde_json::Value;

use super::{oracle, server::Members};
use crate::sim::decider::{Decider, Function};

/// A host and its target.
#[derive(Clone, Debug)]
pub struct Host {
    /// What the target has, by id; one type.
    pub resources: BTreeMap<String, Members>,
    settings: Settings,
}

/// What becomes of a request that is the first of all.
#[derive(Clone, Debug)]
pub enum End {
    /// This is sent first.
    Sends(Box<Effect>),
    /// Nothing is sent.
    Answers(Box<Answer>),
}

impl Host {
    /// A host without history. `shows_edges`: the target is known to show edges under their value (S11).
    #[must_use]
    pub fn new(shows_edges: bool) -> Self {
        let edges = [("User", "roles"), ("User", "entitlements"), ("Group", "members")];
        let known = edges.iter().map(|(kind, name)| Field {
            name: format!("shows-edges/{kind}/{name}"),
            value: "true".into(),
        });
        Self {
            resources: BTreeMap::new(),
            settings: Settings {
                policy: "{}".into(),
                schema: "{}".into(),
                profile: if shows_edges { known.collect() } else { Vec::new() },
            },
        }
    }

    /// What must be known of a request before the ledger is read.
    ///
    /// # Errors
    ///
    /// The answer to a request that breaks a rule of form.
    pub fn identify(
        &self,
        request: &Request,
        core: &mut Decider,
    ) -> Result<Identification, Box<Answer>> {
        match core.identify(request, &self.settings).expect("the contract holds") {
            Reading::Readable(identified) => Ok(identified),
            Reading::Unreadable(answer) => Err(Box::new(answer)),
        }
    }

    /// Makes a request.
    ///
    /// # Panics
    ///
    /// Where the core breaks its contract or comes to no end.
    #[must_use]
    pub fn request(
        &self,
        request: &Request,
        identified: &Identification,
        core: &mut Decider,
    ) -> End {
        let mut claimed: Vec<Name> = Vec::new();
        'again: for _ in 0..STEPS_MOST {
            let mut situation = self.situation(request, identified, &claimed);
            loop {
                let function = match situation.observed.as_slice() {
                    [] => Function::Admit,
                    _ => Function::Decide,
                };
                match core.step(function, &situation, None).expect("the contract holds").action {
                    Action::Answer(answer) => return End::Answers(Box::new(answer)),
                    Action::Apply(effect) => return End::Sends(Box::new(effect)),
                    Action::Claim(names) => {
                        claimed.extend(names);
                        continue 'again;
                    }
                    Action::Ask(questions) => self.look(questions, &mut situation.observed),
                    Action::Resolve(_) | Action::Wait(_) => {
                        panic!("nothing went wrong, so nothing waits (S14): {request:?}")
                    }
                }
            }
        }
        panic!("no answer after {STEPS_MOST} steps: {request:?}");
    }

    fn situation(
        &self,
        request: &Request,
        identified: &Identification,
        claimed: &[Name],
    ) -> Situation {
        let field = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
        let claims = claimed.iter().map(|name| field("claimed", &name.material));
        // The client's own bytes are at hand until the first effect.
        let held = request.body.as_ref().map(|_| field("body-held", "true"));
        Situation {
            request: request.clone(),
            // The material itself is the tag: nothing secret is in a test.
            tags: Tags {
                key: identified.key_material.clone(),
                statement: identified.statement_material.clone(),
                names: identified.names.iter().map(|name| name.material.clone()).collect(),
            },
            found: Found {
                by_key: None,
                by_statement: None,
                open: Vec::new(),
                holders: Vec::new(),
            },
            observed: Vec::new(),
            settings: self.settings.clone(),
            now: NOW,
            new_entry: "e1".into(),
            new_identity: "i1".into(),
            extra: claims.chain(held).collect(),
        }
    }

    fn look(&self, questions: Vec<Question>, observed: &mut Vec<Observation>) {
        for question in questions {
            let document = |(id, members): (&String, &Members), kind: &str| {
                Value::Object(oracle::as_resource(kind, id, members)).to_string()
            };
            let sight = match &question {
                Question::ById(by) => Sight::Answered(match self.resources.get_key_value(&by.id) {
                    Some(found) => answer(200, Some(document(found, &by.resource_type))),
                    None => answer(404, None),
                }),
                Question::Search(search) => {
                    let exact = search.attribute == "externalId";
                    let found = |(_, members): &(&String, &Members)| {
                        let shown = members.get(&search.attribute).and_then(Value::as_str);
                        shown.is_some_and(|shown| match exact {
                            true => shown == search.value,
                            false => shown.eq_ignore_ascii_case(&search.value),
                        })
                    };
                    let found = self.resources.iter().filter(found);
                    Sight::Listed(found.map(|one| document(one, &search.resource_type)).collect())
                }
                Question::All(kind) => {
                    Sight::Listed(self.resources.iter().map(|one| document(one, kind)).collect())
                }
            };
            let (asked_at, seen_at) = (NOW, NOW);
            observed.push(Observation { question, asked_at, seen_at, sight });
        }
    }
}

/// The body of an effect, read.
///
/// # Panics
///
/// Where it is no JSON.
#[must_use]
pub fn effect_body(request: &Request, effect: &Effect) -> Value {
    match &effect.body {
        EffectBody::Empty => Value::Null,
        EffectBody::AsSent => {
            let sent = request.body.as_deref().unwrap_or("null");
            serde_json::from_str(sent).expect("the request was read")
        }
        EffectBody::Document(document) => serde_json::from_str(document).expect("a document"),
    }
}

/// A request without key and version.
#[must_use]
pub fn request(
    resource_type: &str,
    method: Method,
    id: Option<&str>,
    body: Option<String>,
) -> Request {
    Request {
        scope: Scope {
            tenant: "t".into(),
            target: "x".into(),
            source: "default".into(),
            principal: "p".into(),
        },
        method,
        resource_type: resource_type.into(),
        id: id.map(str::to_owned),
        body,
        key: None,
        version: None,
        if_match: None,
        received_at: NOW,
        extra: Vec::new(),
    }
}

fn answer(status: u16, body: Option<String>) -> TargetAnswer {
    TargetAnswer {
        status,
        location: None,
        etag: None,
        content_type: Some("application/scim+json".into()),
        retry_after: None,
        body,
        extra: Vec::new(),
    }
}

/// Milliseconds since 1970.
const NOW: u64 = 1_000_000;

/// No request needs more steps; one that does is stuck.
const STEPS_MOST: usize = 40;
