//! A situation, read: the arguments of a decision with every document parsed, once.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use crate::ordered::BTreeSet;

use replaysafe_json::{Limits, Value, parse, sort_by};

use crate::{
    answers,
    frame::frame,
    policy::Policy,
    profile::Profile,
    schema::Schema,
    state::{Change, Life, Memory, Person, Progress, Record},
    statement::{Match, NamedKind, Operation, Statement},
    types::{
        Action, Answer, ById, ContractError, Field, Method, Name, NameKind, Observation, Question,
        Request, Search, Settings, Sight, Situation, Step, TargetAnswer, UnixMillis,
    },
};

/// A request, read.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) statement: Statement,
    pub(crate) names: Vec<Name>,
    pub(crate) searches: Vec<Question>,
    pub(crate) weak: bool,
    pub(crate) material: String,
    /// The source's version: as the host gives it, or as the request states it where policy says (S20).
    pub(crate) version: Option<u64>,
}

/// Settings, read.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) policy: Policy,
    pub(crate) schema: Schema,
    pub(crate) profile: Profile<'a>,
}

impl<'a> Ground<'a> {
    pub(crate) fn read(settings: &'a Settings) -> Result<Self, ContractError> {
        let wrong = |detail: String| ContractError { code: "schema".into(), detail };
        let limits = Limits::group();
        let document = parse(settings.schema.as_bytes(), &limits)
            .map_err(|error| wrong(format!("the schema is no JSON document: {error}")))?;
        Ok(Self {
            policy: Policy::read(&settings.policy)?,
            schema: Schema::from_document(&document).map_err(wrong)?,
            profile: Profile::of(settings),
        })
    }
}

/// All that a decision rests on, read.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) given: &'a Situation,
    pub(crate) request: &'a Request,
    pub(crate) ground: Ground<'a>,
    pub(crate) wish: Wish,
    pub(crate) by_key: Option<Record>,
    pub(crate) by_statement: Option<Record>,
    pub(crate) people: Vec<Person>,
    pub(crate) open: Vec<Record>,
}

impl<'a> Case<'a> {
    /// Reads a situation. The inner error is the client's: a request that breaks a rule of form.
    pub(crate) fn read(given: &'a Situation) -> Result<Result<Self, Answer>, ContractError> {
        let ground = Ground::read(&given.settings)?;
        let wish = match Wish::read(&given.request, &ground)? {
            Ok(wish) => wish,
            Err(answer) => return Ok(Err(answer)),
        };
        if wish.names.len() != given.tags.names.len() {
            return Err(ContractError {
                code: "tags".into(),
                detail: "`tags.names` must have one tag for each name of the identification".into(),
            });
        }
        let people: Result<Vec<_>, _> = given
            .found
            .holders
            .iter()
            .map(|holder| Person::read(&holder.identity, &holder.by))
            .collect();
        let people = people?;
        let read = |entry: &Option<_>| {
            let record = entry.as_ref().map(Record::read).transpose()?;
            Ok(record.map(|mut record| {
                record.follow(&people);
                record
            }))
        };
        let open: Result<Vec<_>, _> = given.found.open.iter().map(Record::read).collect();
        Ok(Ok(Self {
            given,
            request: &given.request,
            by_key: read(&given.found.by_key)?,
            by_statement: read(&given.found.by_statement)?,
            people,
            open: open?,
            ground,
            wish,
        }))
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.given.now
    }

    pub(crate) fn says(&self, name: &str) -> Option<&str> {
        let field = self.given.extra.iter().find(|field| field.name == name)?;
        Some(&field.value)
    }

    pub(crate) fn by_id(&self, id: &str) -> Question {
        Question::ById(ById { resource_type: self.request.resource_type.clone(), id: id.into() })
    }

    /// What the latest look for `question` showed.
    pub(crate) fn seen(&self, question: &Question) -> Option<&Observation> {
        self.given.observed.iter().rev().find(|seen| seen.question == *question)
    }

    /// Asks once more where a look by id says that something is gone of which nobody has said so, and it was not asked
    /// often enough: one replica may not have it yet, and another may (S14b).
    pub(crate) fn asks_again(&self, id: &str) -> Option<Step> {
        let question = self.by_id(id);
        let gone = matches!(&self.seen(&question)?.sight, Sight::Answered(answer) if matches!(answer.status, 404 | 410));
        let looks = self.given.observed.iter().filter(|seen| seen.question == question).count();
        let buried = self.people.iter().any(|person| {
            person.memory.life == Life::Deleted && person.memory.target_id.as_deref() == Some(id)
        });
        let again = gone && !buried && looks < GONE_LOOKS;
        again.then(|| crate::decide::only(Action::Ask(vec![question])))
    }

    /// The questions that were not asked yet.
    pub(crate) fn unasked(&self, questions: Vec<Question>) -> Vec<Question> {
        questions.into_iter().filter(|question| self.seen(question).is_none()).collect()
    }

    /// Whether the target is known to answer every search by which the resource would be found (S14).
    pub(crate) fn searches_answered(&self) -> bool {
        let answered = |question: &Question| match question {
            Question::Search(search) => {
                self.ground.profile.answers_filter(&self.request.resource_type, &search.attribute)
            }
            Question::ById(_) | Question::All(_) => false,
        };
        let searches = &self.wish.searches;
        !self.wish.weak && !searches.is_empty() && searches.iter().all(answered)
    }

    /// The identity that a name of this kind led to; the one with the smallest id, if several.
    pub(crate) fn person(&self, kind: NameKind) -> Option<&Person> {
        self.people.iter().find(|person| self.is_led_to(person, kind))
    }

    /// Whether a name of this kind led to an identity.
    pub(crate) fn is_led_to(&self, person: &Person, kind: NameKind) -> bool {
        person.by.iter().any(|position| {
            let name = usize::try_from(*position).ok().and_then(|at| self.wish.names.get(at));
            name.is_some_and(|name| name.kind == kind)
        })
    }

    /// Whether the names of a create lead to an identity: by external id where one is stated, else by any name (S16).
    pub(crate) fn led_to(&self, person: &Person) -> bool {
        let mut names = self.wish.names.iter();
        let states_external_id = names.any(|name| name.kind == NameKind::ExternalId);
        let kinds = [NameKind::Correlation, NameKind::Weak].into_iter();
        self.is_led_to(person, NameKind::ExternalId)
            || !states_external_id && kinds.into_iter().any(|kind| self.is_led_to(person, kind))
    }

    /// The identity that an entry is about.
    pub(crate) fn person_of(&self, record: &Record) -> Option<&Person> {
        let id = record.identity.as_ref()?;
        self.people.iter().find(|person| person.id == *id)
    }

    /// What nobody knows the end of, on an identity.
    pub(crate) fn open_of(&self, person: &Person) -> impl Iterator<Item = &Record> {
        self.open.iter().filter(|open| open.identity.as_ref() == Some(&person.id))
    }

    /// Whether who asks has earned what this entry has of its client: the principals are the same (S1).
    pub(crate) fn earns(&self, record: &Record) -> bool {
        record.progress.request.scope.principal == self.request.scope.principal
    }

    /// Who looks is somebody else than the entry's client: what they are not shown proves nothing (S14).
    pub(crate) fn looks_for_another(&self) -> bool {
        self.says("credential") == Some("other")
    }

    /// Whether a resource is gone that who looks is not shown: they were shown it before, or made it, or are the host itself (S14, S21).
    pub(crate) fn knows_gone(&self, memory: &Memory) -> bool {
        match self.says("credential") {
            None => memory.shown_to.contains(&self.request.scope.principal),
            Some(word) => word == "look",
        }
    }

    /// What the request of an entry states.
    pub(crate) fn statement_of(&self, record: &Record) -> Option<Statement> {
        let wish = Wish::read(&record.progress.request, &self.ground).ok()?;
        wish.ok().map(|wish| wish.statement)
    }

    pub(crate) fn touched(&self) -> BTreeSet<String> {
        self.wish.statement.touched().into_iter().map(|path| path.0).collect()
    }

    pub(crate) fn takes(&self) -> BTreeSet<String> {
        self.wish.statement.takes().into_iter().map(|path| path.0).collect()
    }

    /// Records a change on an identity; `received_at`: when the request had come that made it, if it was one.
    pub(crate) fn changed(
        &self,
        memory: &mut Memory,
        received_at: Option<UnixMillis>,
        touched: BTreeSet<String>,
        taken: BTreeSet<String>,
    ) {
        let version = self.wish.version.filter(|_| received_at.is_some());
        let change = Change { seq: 0, at: self.now(), received_at, version, touched, taken };
        memory.settle(self.ground.policy.window(), self.ground.policy.receipt_life(), change);
    }

    /// The request with its version, wherever that is stated (S20).
    pub(crate) fn numbered(&self) -> Request {
        Request { version: self.wish.version, ..self.request.clone() }
    }

    /// A new record for this request, under the id that the host made for it.
    pub(crate) fn fresh(&self) -> Record {
        let mut progress = Progress::new(&self.numbered());
        // If it is refused, it hides what settled before it (S2a).
        progress.settled_seq = self.by_statement.as_ref().map_or(0, |one| one.progress.settled_seq);
        Record {
            id: self.given.new_entry.clone(),
            identity: None,
            key: self.given.tags.key.clone(),
            statement: self.given.tags.statement.clone(),
            stage: None,
            progress,
        }
    }

    /// The identity that a name leads to: of the request, or claimed beside its own.
    pub(crate) fn holder_of(&self, name: &Name) -> Option<&Person> {
        let at = self.place_of(name)?;
        self.people.iter().find(|person| person.by.contains(&at))
    }

    /// Where a name stands among those that were looked up: of the request, or claimed beside its own.
    pub(crate) fn place_of(&self, name: &Name) -> Option<u32> {
        let own = self.wish.names.iter().map(|name| name.material.as_str());
        let claimed = self.given.extra.iter().filter(|field| field.name == "claimed");
        let at = own
            .chain(claimed.map(|field| field.value.as_str()))
            .position(|material| material == name.material)?;
        u32::try_from(at).ok()
    }

    /// Whether a name is leased: one of the request's own, or claimed.
    pub(crate) fn holds(&self, name: &Name) -> bool {
        let claimed = |field: &Field| field.name == "claimed" && field.value == name.material;
        self.wish.names.contains(name) || self.given.extra.iter().any(claimed)
    }

    /// Which candidates the looks brought, each once, by how they match.
    ///
    /// A resource that was made a moment ago is seen by its id before a search lists it (S14b).
    pub(crate) fn candidates(&self) -> Candidates {
        let correlation = self.ground.policy.correlation(&self.request.resource_type);
        let mut found = Candidates::default();
        for seen in &self.given.observed {
            let documents = match &seen.sight {
                Sight::Listed(documents) => documents.as_slice(),
                Sight::Answered(answer) if (200..300).contains(&answer.status) => {
                    answer.body.as_slice()
                }
                Sight::Answered(_) | Sight::Refused(_) | Sight::Nothing => continue,
            };
            for document in documents {
                let Some(resource) = read_resource(document) else { continue };
                let Some(id) = id_of(&resource) else { continue };
                let list = match self.wish.statement.matches(&resource, correlation) {
                    Match::ExternalId => &mut found.by_external_id,
                    Match::Correlation(_) => &mut found.by_correlation,
                    Match::OtherExternalId(attribute) => {
                        if self.ground.profile.unique(&self.request.resource_type, &attribute) {
                            found.taken = Some(attribute);
                        }
                        continue;
                    }
                    Match::No if self.wish.weak && self.alike(&resource) => &mut found.alike,
                    Match::No => continue,
                };
                list.retain(|(other, _)| *other != id);
                list.push((id, resource));
            }
        }
        found
    }

    /// Nothing identifies it, and it is equal in all that the request states.
    fn alike(&self, resource: &Value) -> bool {
        self.wish.statement.differs(resource, &self.ground.schema).is_empty()
    }
}

/// Three: where two replicas take turns both are asked, and chance has to deceive three times.
const GONE_LOOKS: usize = 3;

/// Whether a look failed, which tells nothing. What the target refuses or does not offer is no failure: it tells no more later.
pub(crate) fn failed(sight: &Sight) -> bool {
    match sight {
        Sight::Nothing => true,
        Sight::Answered(answer) | Sight::Refused(answer) => {
            matches!(answer.status, 401 | 429) || 500 <= answer.status && answer.status != 501
        }
        Sight::Listed(_) => false,
    }
}

/// Resources that could be the one that a create is about.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) by_external_id: Vec<(String, Value)>,
    pub(crate) by_correlation: Vec<(String, Value)>,
    /// A unique attribute that a resource with another external id holds (S16).
    pub(crate) taken: Option<String>,
    /// For a weak identity: equal in all that is stated.
    pub(crate) alike: Vec<(String, Value)>,
}

impl Wish {
    /// Whether it is an update that names each value that it gives or takes, and nothing else (S44).
    pub(crate) fn states_edges(&self) -> bool {
        let touched = self.statement.touched();
        self.statement.operation() == Operation::Patch
            && !touched.is_empty()
            && touched.iter().all(|path| path.0.contains('/'))
    }

    pub(crate) fn read(
        request: &Request,
        ground: &Ground<'_>,
    ) -> Result<Result<Self, Answer>, ContractError> {
        if request.id.is_some() == (request.method == Method::Create) {
            return Err(ContractError {
                code: "id".into(),
                detail: "a create has no id, every other request has one".into(),
            });
        }
        if let Err(detail) = check_form(request) {
            return Ok(Err(answers::malformed(&detail, "invalidValue")));
        }
        let body = match read_body(request) {
            Ok(body) => body,
            Err(answer) => return Ok(Err(answer)),
        };
        let statement = match Statement::read(
            operation(request.method),
            &request.resource_type,
            request.id.as_deref(),
            body.as_ref(),
            request.if_match.as_deref(),
            &ground.schema,
        ) {
            Ok(statement) => statement,
            // RFC 7644 §3.12.
            Err(error) => {
                return Ok(Err(answers::malformed(&error.to_string(), "invalidSyntax")));
            }
        };
        let scope = &request.scope;
        let kind = &request.resource_type;
        let id = request.id.as_deref().unwrap_or_default();
        let material = frame(
            "statement",
            &[
                &scope.tenant,
                &scope.target,
                &scope.source,
                kind,
                method_name(request.method),
                id,
                &statement.fingerprint(),
            ],
        );
        let mut names = Vec::new();
        let mut searches = Vec::new();
        for named in statement.names(ground.policy.correlation(kind)) {
            let (name_kind, label) = match named.kind {
                NamedKind::TargetId => (NameKind::TargetId, "id"),
                NamedKind::ExternalId => (NameKind::ExternalId, "external-id"),
                NamedKind::Correlation => (NameKind::Correlation, named.attribute.as_str()),
            };
            names.push(name(request, name_kind, label, &named.coarse));
            if name_kind != NameKind::TargetId {
                searches.push(search(kind, &named.attribute, &named.exact));
            }
        }
        // S44: what could not be searched for is refused, and not asked for in vain.
        let large = names.iter().any(|name| NAME_BYTES_MOST < name.material.len());
        if large || NAMES_MOST < names.len() {
            let detail = "more than 31 names, or a name of more than 16 KiB";
            return Ok(Err(answers::malformed(detail, "invalidValue")));
        }
        let weak = request.method == Method::Create && names.is_empty();
        if weak {
            if ground.policy.weak_identity == crate::policy::WeakIdentity::Refuse {
                return Ok(Err(answers::weak_identity()));
            }
            names.push(Name { kind: NameKind::Weak, material: frame("weak", &[&material]) });
            let shown =
                body.as_ref().and_then(|body| body.find("displayName")).and_then(Value::as_str);
            let shown = shown.filter(|shown| shown.len() <= NAME_BYTES_MOST);
            searches.extend(shown.map(|shown| search(kind, "displayName", shown)));
        }
        sort_names(&mut names);
        let Some(version) = version(request, &statement, ground) else {
            let detail = "the version must be one whole number from 0 to 2^64 - 1";
            return Ok(Err(answers::malformed(detail, "invalidValue")));
        };
        Ok(Ok(Self { statement, names, searches, weak, material, version }))
    }
}

/// The version of a request (S20); none where it is no whole number, or several.
fn version(request: &Request, statement: &Statement, ground: &Ground<'_>) -> Option<Option<u64>> {
    let attribute = &ground.policy.version_attribute;
    if request.version.is_some() || attribute.is_empty() {
        return Some(request.version);
    }
    match statement.stated_as(attribute).as_slice() {
        [] => Some(None),
        [one] if one.bytes().all(|byte| byte.is_ascii_digit()) => one.parse().ok().map(Some),
        _ => None,
    }
}

/// 31 names, and one question by id: what a resource is known by are a handful.
const NAMES_MOST: usize = 31;

/// 16 KiB of framed text: a value of any attribute that can be searched for.
const NAME_BYTES_MOST: usize = 16 << 10;

/// Puts names in their canonical order, each once. A sort is 5 KB of code: here once for all.
#[inline(never)]
pub(crate) fn sort_names(names: &mut Vec<Name>) {
    sort_by(names, |left, right| (left.kind, &left.material).cmp(&(right.kind, &right.material)));
    names.dedup();
}

/// A name of a resource in the request's scope.
///
/// A target id is the target's own, whatever source asks: it is not scoped by source.
pub(crate) fn name(request: &Request, kind: NameKind, label: &str, value: &str) -> Name {
    let scope = &request.scope;
    let source = if kind == NameKind::TargetId { "" } else { scope.source.as_str() };
    let parts = [&scope.tenant, &scope.target, source, &request.resource_type, label, value];
    Name { kind, material: frame("name", &parts) }
}

/// The name that a target id is.
pub(crate) fn id_name(request: &Request, id: &str) -> Name {
    name(request, NameKind::TargetId, "id", id)
}

fn search(resource_type: &str, attribute: &str, value: &str) -> Question {
    Question::Search(Search {
        resource_type: resource_type.into(),
        attribute: attribute.into(),
        value: value.into(),
    })
}

fn check_form(request: &Request) -> Result<(), String> {
    if request.id.as_ref().is_some_and(|id| !fits_path(id)) {
        return Err(format!(
            "the id must have 1 to {ID_BYTES_MOST} bytes without control characters, and more than dots"
        ));
    }
    if let Some(key) = &request.key {
        let visible = key.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if key.is_empty() || KEY_BYTES_MOST < key.len() || !visible {
            return Err(format!(
                "the idempotency key must have 1 to {KEY_BYTES_MOST} visible ASCII characters"
            ));
        }
    }
    let sent = request.extra.iter().find(|field| field.name == crate::admit::FIRST_SENT);
    if sent.is_some_and(|field| field.value.parse::<UnixMillis>().is_err()) {
        return Err("`first-sent` must be milliseconds since 1970, UTC".into());
    }
    Ok(())
}

#[expect(clippy::result_large_err, reason = "the error is what the client is told")]
fn read_body(request: &Request) -> Result<Option<Value>, Answer> {
    let Some(body) = &request.body else { return Ok(None) };
    let limits = if request.resource_type == "Group" { Limits::group() } else { Limits::default() };
    parse(body.as_bytes(), &limits).map(Some).map_err(|error| {
        if matches!(error, replaysafe_json::JsonError::TooLarge { .. }) {
            return answers::too_large(&error.to_string());
        }
        answers::malformed(&format!("{error} ({})", error.code()), "invalidSyntax")
    })
}

pub(crate) fn operation(method: Method) -> Operation {
    match method {
        Method::Create => Operation::Create,
        Method::Replace => Operation::Replace,
        Method::Patch => Operation::Patch,
        Method::Delete => Operation::Delete,
    }
}

pub(crate) fn method_name(method: Method) -> &'static str {
    match method {
        Method::Create => "create",
        Method::Replace => "replace",
        Method::Patch => "patch",
        Method::Delete => "delete",
    }
}

/// A resource as the target showed it; none if it is no object.
pub(crate) fn read_resource(document: &str) -> Option<Value> {
    let value = parse(document.as_bytes(), &Limits::answer()).ok()?;
    value.as_object()?;
    Some(value)
}

/// The resource in a complete answer with status 200 to 299.
pub(crate) fn resource_in(answer: &TargetAnswer) -> Option<Value> {
    if !(200..300).contains(&answer.status) {
        return None;
    }
    read_resource(answer.body.as_deref()?)
}

/// The target's id of a resource, if it is one that can stand in a path.
pub(crate) fn id_of(resource: &Value) -> Option<String> {
    let id = resource.find("id")?.as_str()?;
    fits_path(id).then(|| id.into())
}

/// Whether an id can stand in a path.
pub(crate) fn fits_path(id: &str) -> bool {
    let dots = id.chars().all(|character| character == '.');
    !id.is_empty() && id.len() <= ID_BYTES_MOST && !dots && !id.chars().any(char::is_control)
}

/// 256 bytes: four times the longest id that was seen at a target.
const ID_BYTES_MOST: usize = 256;

/// 255 bytes: what the Idempotency-Key draft's examples and every client stay below.
const KEY_BYTES_MOST: usize = 255;
