//! The smallest host: one request at a time, a target that does at once what it is asked.

use std::collections::BTreeMap;

use replaysafe_core::{
    lifecycle::{self, Reading},
    types::{
        Action, Answer, Effect, EffectBody, Entry, Field, Found, Holder, Identification, Identity,
        Method, Name, NameKind, Observation, Outcome, Question, Report, Request, Scope, Settings,
        Sight, Situation, Stage, Step, Tags, TargetAnswer, Write,
    },
};
use serde_json::{Value, json};

use super::{
    oracle,
    server::{self, Members, Style},
};

/// A host, its ledger and its target.
#[derive(Clone, Debug)]
pub struct Host {
    /// What the target has, by id; one type.
    pub resources: BTreeMap<String, Members>,
    /// How the target reads RFC 7644.
    pub style: Style,
    /// The time in milliseconds.
    pub now: u64,
    /// Policy, schema and profile.
    pub settings: Settings,
    /// Each call of the contract, as its JSON door takes it, where it is wanted.
    pub calls: Option<Vec<(&'static str, String)>>,
    entries: Vec<Entry>,
    identities: BTreeMap<String, Identity>,
    names: BTreeMap<String, Vec<(NameKind, String)>>,
    next: u64,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub struct End {
    /// What the client was told; none where the host stopped before the first effect.
    pub answer: Option<Answer>,
    /// What was sent.
    pub effects: Vec<Effect>,
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Up to the first effect, which is not made.
    Effect,
    /// To the end.
    Answer,
}

impl Host {
    /// A host without history.
    #[must_use]
    pub fn new(shows_edges: bool) -> Self {
        let edges = [("User", "roles"), ("User", "entitlements"), ("Group", "members")];
        let known = edges.iter().map(|(kind, name)| Field {
            name: format!("shows-edges/{kind}/{name}"),
            value: "true".into(),
        });
        Self {
            resources: BTreeMap::new(),
            style: Style::STATED,
            now: 1_000_000,
            settings: Settings {
                policy: "{}".into(),
                schema: "{}".into(),
                profile: if shows_edges { known.collect() } else { Vec::new() },
            },
            calls: None,
            entries: Vec::new(),
            identities: BTreeMap::new(),
            names: BTreeMap::new(),
            next: 0,
        }
    }

    /// What must be known of a request before the ledger is read.
    ///
    /// # Errors
    ///
    /// The answer to a request that breaks a rule of form.
    pub fn identify(&mut self, request: &Request) -> Result<Identification, Answer> {
        self.note("identify", &json!({ "request": request, "settings": self.settings }));
        match lifecycle::identify(request, &self.settings).expect("the contract holds") {
            Reading::Readable(identified) => Ok(identified),
            Reading::Unreadable(answer) => Err(answer),
        }
    }

    fn note(&mut self, function: &'static str, input: &Value) {
        if let Some(calls) = &mut self.calls {
            calls.push((function, input.to_string()));
        }
    }

    /// Makes a request.
    ///
    /// # Panics
    ///
    /// Where the core breaks its contract or comes to no end.
    pub fn request(&mut self, request: &Request, until: Until) -> End {
        let identified = match self.identify(request) {
            Ok(identified) => identified,
            Err(answer) => return End { answer: Some(answer), effects: Vec::new() },
        };
        let tags = tags(&identified);
        self.next += 1;
        let ids = (format!("e{}", self.next), format!("i{}", self.next));
        let mut claimed: Vec<Name> = Vec::new();
        'again: for _ in 0..STEPS_MOST {
            let mut situation = self.situation(request, &tags, &ids, &claimed);
            loop {
                let step = if situation.observed.is_empty() {
                    self.step("admit", &situation, None)
                } else {
                    self.step("decide", &situation, None)
                };
                if let (Action::Apply(effect), Until::Effect) = (&step.action, until) {
                    return End { answer: None, effects: vec![effect.clone()] };
                }
                self.write(step.write.as_ref());
                match step.action {
                    Action::Answer(answer) => {
                        return End { answer: Some(answer), effects: Vec::new() };
                    }
                    Action::Claim(names) => {
                        claimed.extend(names);
                        continue 'again;
                    }
                    Action::Ask(questions) => self.look(questions, &mut situation.observed),
                    Action::Apply(effect) => {
                        let entry = step.write.expect("no effect without its record").entry;
                        assert_eq!(entry.stage, Stage::Dispatched, "intent before effect");
                        return self.settle(&entry.id, request, effect);
                    }
                    Action::Resolve(_) | Action::Wait(_) => {
                        panic!("nothing went wrong, so nothing waits (S14): {request:?}")
                    }
                }
            }
        }
        panic!("no answer after {STEPS_MOST} steps: {request:?}");
    }

    fn step(
        &mut self,
        function: &'static str,
        situation: &Situation,
        report: Option<&Report>,
    ) -> Step {
        if self.calls.is_some() {
            let input = match function {
                "settle" => json!({ "situation": situation, "report": report }),
                _ => json!({ "situation": situation }),
            };
            self.note(function, &input);
        }
        let step = match function {
            "admit" => lifecycle::admit(situation),
            "decide" => lifecycle::decide(situation),
            _ => lifecycle::settle(situation, report),
        };
        step.unwrap_or_else(|error| panic!("{function}: {error:?}"))
    }

    fn settle(&mut self, id: &str, request: &Request, effect: Effect) -> End {
        let Ok(identified) = self.identify(request) else { panic!("it was read before") };
        let tags = tags(&identified);
        let mut observed = Vec::new();
        let mut effects = vec![effect.clone()];
        let mut report = Some(self.send(request, &effect));
        for _ in 0..STEPS_MOST {
            let ids = (id.to_owned(), "unused".to_owned());
            let mut situation = self.situation(request, &tags, &ids, &[]);
            situation.observed.clone_from(&observed);
            let step = self.step("settle", &situation, report.as_ref());
            self.write(step.write.as_ref());
            match step.action {
                Action::Answer(answer) => return End { answer: Some(answer), effects },
                Action::Ask(questions) => self.look(questions, &mut observed),
                Action::Apply(effect) => {
                    report = Some(self.send(request, &effect));
                    effects.push(effect);
                    observed.clear();
                }
                // S11: what was kept before and is not kept is read again a little later.
                Action::Wait(until) => {
                    self.now = self.now.max(until);
                    observed.clear();
                }
                Action::Claim(_) | Action::Resolve(_) => panic!("not while settling: {request:?}"),
            }
        }
        panic!("no end after {STEPS_MOST} steps: {request:?}");
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
            let (asked_at, seen_at) = (self.now, self.now);
            observed.push(Observation { question, asked_at, seen_at, sight });
        }
    }

    fn send(&mut self, request: &Request, effect: &Effect) -> Report {
        let body = effect_body(request, effect);
        let kind = effect.resource_type.as_str();
        let answered = match (effect.method, &effect.id) {
            (Method::Create, _) => {
                let made = server::apply(self.style, kind, &Members::new(), Method::Create, &body);
                self.next += 1;
                let id = format!("x{}", self.next);
                let made = made.unwrap_or_default();
                let shown = Value::Object(oracle::as_resource(kind, &id, &made)).to_string();
                self.resources.insert(id, made);
                answer(201, Some(shown))
            }
            (Method::Delete, Some(id)) => match self.resources.remove(id) {
                Some(_) => answer(204, None),
                None => answer(404, None),
            },
            (method, Some(id)) => match self.resources.get_mut(id) {
                None => answer(404, None),
                Some(resource) => match server::apply(self.style, kind, resource, method, &body) {
                    Ok(after) => {
                        *resource = after;
                        let shown = oracle::as_resource(kind, id, resource);
                        answer(200, Some(Value::Object(shown).to_string()))
                    }
                    Err(_) => answer(400, None),
                },
            },
            (_, None) => panic!("an update without an id: {effect:?}"),
        };
        Report { sent_at: self.now, ended_at: self.now, outcome: Outcome::Answered(answered) }
    }

    fn situation(
        &self,
        request: &Request,
        tags: &Tags,
        ids: &(String, String),
        claimed: &[Name],
    ) -> Situation {
        let claim = |name: &Name| Field { name: "claimed".into(), value: name.material.clone() };
        Situation {
            request: request.clone(),
            tags: tags.clone(),
            found: self.find(tags, claimed),
            observed: Vec::new(),
            settings: self.settings.clone(),
            now: self.now,
            new_entry: ids.0.clone(),
            new_identity: ids.1.clone(),
            extra: claimed.iter().map(claim).collect(),
        }
    }

    fn find(&self, tags: &Tags, claimed: &[Name]) -> Found {
        let also = claimed.iter().map(|name| &name.material);
        let wanted: Vec<&String> = tags.names.iter().chain(also).collect();
        let mut holders = Vec::new();
        for (id, identity) in &self.identities {
            let names = self.names.get(id).map_or(&[][..], Vec::as_slice);
            let leads = |tag: &str| names.iter().any(|(_, name)| name == tag);
            let by = (0..).zip(&wanted).filter(|(_, tag)| leads(tag)).map(|(at, _)| at);
            let by: Vec<u32> = by.collect();
            if !by.is_empty() {
                holders.push(Holder { identity: identity.clone(), by });
            }
        }
        let latest = |wanted: &dyn Fn(&Entry) -> bool| {
            self.entries.iter().rev().find(|entry| wanted(entry)).cloned()
        };
        let open = |entry: &&Entry| {
            let of = |holder: &Holder| Some(&holder.identity.id) == entry.identity.as_ref();
            matches!(entry.stage, Stage::Dispatched | Stage::Parked) && holders.iter().any(of)
        };
        let by_key = tags.key.as_ref();
        Found {
            by_key: by_key.and_then(|key| latest(&|entry| entry.key.as_ref() == Some(key))),
            by_statement: latest(&|entry| entry.statement == tags.statement),
            open: self.entries.iter().filter(open).cloned().collect(),
            holders,
        }
    }

    fn write(&mut self, write: Option<&Write>) {
        let Some(write) = write else { return };
        let entry = write.entry.clone();
        match self.entries.iter_mut().find(|known| known.id == entry.id) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
        for identity in &write.identities {
            let mut next = identity.identity.clone();
            next.fence += 1;
            if let Some(names) = &identity.names {
                let tagged = names.iter().map(|name| (name.kind, name.material.clone()));
                self.names.insert(next.id.clone(), tagged.collect());
            }
            self.identities.insert(next.id.clone(), next);
        }
        for learned in &write.learned {
            self.settings.profile.retain(|field| field.name != learned.name);
            self.settings.profile.push(learned.clone());
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
        received_at: 1_000_000,
        extra: Vec::new(),
    }
}

/// The material itself is the tag: nothing secret is in a test.
fn tags(identified: &Identification) -> Tags {
    Tags {
        key: identified.key_material.clone(),
        statement: identified.statement_material.clone(),
        names: identified.names.iter().map(|name| name.material.clone()).collect(),
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

/// No request needs more steps; one that does is stuck.
const STEPS_MOST: usize = 40;
