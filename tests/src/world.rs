//! A host in a few lines: it keeps what it is told, asks, sends and reports, one request at a time.
//!
//! It checks what any host must: a stage that never moves back, a fence that never shrinks, no effect
//! without its record.

use std::collections::BTreeMap;

use replaysafe_core::{
    lifecycle::Reading,
    types::{
        Action, Answer, ContractError, Entry, Field, Found, Holder, Identification, Identity, Name,
        NameKind, Observation, Report, Request, Settings, Situation, Stage, Step, Tags, Write,
    },
};
use serde_json::json;

use crate::{
    subject::Subject,
    target::{Fault, Target},
};

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// Who decides.
    pub subject: Subject,
    /// The target.
    pub target: Target,
    /// The time in milliseconds.
    pub now: u64,
    /// Policy, schema and profile.
    pub settings: Settings,
    /// Every stage that an entry was written at, in order.
    pub stages: Vec<(String, Stage)>,
    /// Every fence that an identity was written at, in order.
    pub fences: Vec<(String, u64)>,
    entries: Vec<Entry>,
    identities: BTreeMap<String, Identity>,
    names: BTreeMap<String, Vec<(NameKind, String)>>,
    next: u64,
    /// Whose credential is at hand: that of who asked last.
    principal: String,
    /// Who asked last does not wait for the answer.
    pub hung_up: bool,
}

/// What came of a request.
#[derive(Debug)]
pub enum End {
    /// The client was told.
    Told(Answer),
    /// The host was killed after the effect was sent.
    Killed,
    /// What was to be approved or resolved does not wait for it.
    NothingToDo,
    /// Nothing can be said before this time.
    Waits(u64),
}

impl World {
    /// A world without history.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        let settings = Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() };
        Self {
            subject,
            target: Target::default(),
            now: 1_000_000,
            settings,
            stages: Vec::new(),
            fences: Vec::new(),
            entries: Vec::new(),
            identities: BTreeMap::new(),
            names: BTreeMap::new(),
            next: 0,
            principal: "p".into(),
            hung_up: false,
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.target.pass_time(self.now);
    }

    /// Makes a request; `fault` strikes its first effect, `killed` kills the host after it.
    pub fn request(&mut self, request: &Request, fault: Option<Fault>, killed: bool) -> End {
        self.lend(&request.scope.principal);
        let input = json!({ "request": request, "settings": self.settings });
        let identified = match self.subject.call("identify", &input) {
            Reading::Unreadable(answer) => return End::Told(answer),
            Reading::Readable(identified) => identified,
        };
        let tags = tags(&identified);
        self.next += 1;
        let ids = (format!("e{}", self.next), format!("i{}", self.next));
        let mut tried: Vec<String> = Vec::new();
        let mut claimed: Vec<Name> = Vec::new();
        let mut resumed: Option<String> = None;
        let mut fault = fault;
        'again: for _ in 0..STEPS_MOST {
            let mut situation = self.situation(request, &tags, &ids, &tried, &claimed);
            // What this request has ended is its own, whoever has asked the same since.
            if let Some(id) = &resumed {
                let own = self.entries.iter().find(|entry| entry.id == *id).cloned();
                situation.found.by_statement = own;
            }
            if request.body.is_some() {
                let held = Field { name: "body-held".into(), value: "true".into() };
                situation.extra.push(held);
            }
            situation.extra.extend(self.awaited());
            let mut function = "admit";
            loop {
                situation.now = self.now;
                let step: Step = self.subject.call(function, &json!({ "situation": situation }));
                self.write(step.write.as_ref());
                match step.action {
                    Action::Answer(answer) => return End::Told(answer),
                    Action::Wait(until) => return End::Waits(until),
                    Action::Claim(names) => {
                        claimed.extend(names);
                        continue 'again;
                    }
                    Action::Ask(questions) => {
                        for question in questions {
                            let sight = self.target.look(&question);
                            let (asked_at, seen_at) = (self.now, self.now);
                            situation.observed.push(Observation {
                                question,
                                asked_at,
                                seen_at,
                                sight,
                            });
                        }
                        function = "decide";
                    }
                    Action::Resolve(id) => {
                        if self.end_first(&id, request, &tags, &claimed, &mut fault) {
                            resumed = Some(id.clone());
                        }
                        tried.push(id);
                        continue 'again;
                    }
                    Action::Apply(effect) => {
                        let entry = step.write.as_ref().expect("no effect without its record");
                        assert_eq!(entry.entry.stage, Stage::Dispatched, "intent before effect");
                        let body = request.body.clone().unwrap_or_default();
                        let sent_at = self.now;
                        let outcome = self.target.apply(&effect, &body, self.now, fault.take());
                        if killed {
                            return End::Killed;
                        }
                        let report = Report { sent_at, ended_at: self.now, outcome };
                        return self.settle(&entry.entry.id.clone(), Some(report), &claimed);
                    }
                }
            }
        }
        panic!("no answer after {STEPS_MOST} steps");
    }

    /// Looks at everything that is due, as the scan does.
    pub fn scan(&mut self) {
        let due: Vec<String> = self
            .entries
            .iter()
            .filter(|entry| entry.wake_at.is_some_and(|wake_at| wake_at <= self.now))
            .map(|entry| entry.id.clone())
            .collect();
        for id in due {
            self.settle(&id, None, &[]);
        }
    }

    /// Looks at an entry again, as the host does for whoever waits for its end.
    pub fn look_again(&mut self, id: &str) -> End {
        self.settle(id, None, &[])
    }

    /// An operator lets an entry go, for so many milliseconds.
    pub fn approve(&mut self, id: &str, millis: u64) -> End {
        let until = (self.now + millis).to_string();
        self.operate(id, Field { name: "approve".into(), value: until })
    }

    /// An operator says what a parked entry has made: this resource of the target; empty: none.
    pub fn resolve(&mut self, id: &str, made: &str) -> End {
        self.operate(id, Field { name: "resolve".into(), value: made.into() })
    }

    fn operate(&mut self, id: &str, says: Field) -> End {
        let entry = self.entries.iter().find(|entry| entry.id == id).expect("known").clone();
        let request: Request = self.subject.call("entry-request", &json!({ "state": entry.state }));
        let input = json!({ "request": request, "settings": self.settings });
        let Reading::Readable(identified) = self.subject.call("identify", &input) else {
            panic!("what was written can be read")
        };
        let ids = (id.to_owned(), "unused".to_owned());
        let mut situation = self.situation(&request, &tags(&identified), &ids, &[], &[]);
        if !known(&situation.found, id) {
            situation.found.open.push(entry);
        }
        situation.extra.push(says);
        let step: Result<Step, ContractError> =
            self.subject.try_call("settle", &json!({ "situation": situation }));
        let Ok(step) = step else { return End::NothingToDo };
        self.write(step.write.as_ref());
        match step.action {
            Action::Answer(answer) => End::Told(answer),
            other => panic!("an operator is answered, and nothing else: {other:?}"),
        }
    }

    /// How many entries have not come to their end.
    #[must_use]
    pub fn open(&self) -> usize {
        let open = |entry: &&Entry| matches!(entry.stage, Stage::Dispatched | Stage::Parked);
        self.entries.iter().filter(open).count()
    }

    /// Which life of an identity it is.
    #[must_use]
    pub fn life(&self, identity: &str) -> Option<u64> {
        self.identities.get(identity).map(|known| known.incarnation)
    }

    /// The identity that has this id of the target as a name.
    #[must_use]
    pub fn led_to(&self, kind: &str, id: &str) -> Option<&str> {
        // A name is framed: each part with its length before it.
        let ends = format!(":{}:{kind}:2:id:{}:{id}", kind.len(), id.len());
        let has =
            |(tag, name): &(NameKind, String)| *tag == NameKind::TargetId && name.ends_with(&ends);
        let (found, _) = self.names.iter().find(|(_, names)| names.iter().any(has))?;
        Some(found)
    }

    /// Settles an entry; one of the same client that asks the same is settled with this attempt's own request and body. Gives whether it was one.
    fn end_first(
        &mut self,
        id: &str,
        request: &Request,
        tags: &Tags,
        claimed: &[Name],
        fault: &mut Option<Fault>,
    ) -> bool {
        let entry = self.entries.iter().find(|entry| entry.id == id).expect("known");
        let earlier: Request = self.subject.call("entry-request", &json!({ "state": entry.state }));
        let same = entry.statement == tags.statement
            && entry.key == tags.key
            && earlier.scope.principal == request.scope.principal;
        let attempt = same.then(|| request.clone());
        let (claimed, fault) = if same { (claimed, fault.take()) } else { (&[][..], None) };
        self.settle_as(id, attempt, None, claimed, fault);
        same
    }

    /// The credential of this principal is at hand from now on; `gateway` is the host itself.
    pub fn lend(&mut self, principal: &str) {
        self.principal = principal.into();
        self.target.caller = principal.into();
    }

    fn settle(&mut self, id: &str, report: Option<Report>, claimed: &[Name]) -> End {
        self.settle_as(id, None, report, claimed, None)
    }

    fn settle_as(
        &mut self,
        id: &str,
        attempt: Option<Request>,
        mut report: Option<Report>,
        claimed: &[Name],
        mut fault: Option<Fault>,
    ) -> End {
        let held = attempt.is_some() || report.is_some();
        let entry = self.entries.iter().find(|entry| entry.id == id).expect("known").clone();
        let request = attempt.unwrap_or_else(|| {
            self.subject.call("entry-request", &json!({ "state": entry.state }))
        });
        let input = json!({ "request": request, "settings": self.settings });
        let Reading::Readable(identified) = self.subject.call("identify", &input) else {
            panic!("what was dispatched can be read")
        };
        let tags = tags(&identified);
        let mut observed: Vec<Observation> = Vec::new();
        let mut claimed = claimed.to_vec();
        for _ in 0..STEPS_MOST {
            let ids = (id.to_owned(), "unused".to_owned());
            let mut situation = self.situation(&request, &tags, &ids, &[], &claimed);
            situation.observed = observed.clone();
            if held && request.body.is_some() {
                let held = Field { name: "body-held".into(), value: "true".into() };
                situation.extra.push(held);
            }
            if held {
                situation.extra.extend(self.awaited());
            }
            if request.scope.principal != self.principal {
                let used = if self.principal == "gateway" { "look" } else { "other" };
                let used = Field { name: "credential".into(), value: used.into() };
                situation.extra.push(used);
            }
            let input = json!({ "situation": situation, "report": report });
            let step: Step = self.subject.call("settle", &input);
            // Whoever has an id that cannot be given is found by it from now on.
            let held = step.write.as_ref().map(|write| self.held_by_others(write));
            if let Some(held) = held.filter(|held| !held.is_empty()) {
                let new = held.into_iter().filter(|name| !claimed.contains(name));
                let before = claimed.len();
                claimed.extend(new.collect::<Vec<_>>());
                assert!(before < claimed.len(), "one-identity-per-name");
                observed.clear();
                continue;
            }
            self.write(step.write.as_ref());
            match step.action {
                Action::Answer(answer) => return End::Told(answer),
                Action::Wait(until) => return End::Waits(until),
                Action::Ask(questions) => {
                    for question in questions {
                        let sight = self.target.look(&question);
                        let (asked_at, seen_at) = (self.now, self.now);
                        observed.push(Observation { question, asked_at, seen_at, sight });
                    }
                }
                Action::Apply(effect) => {
                    let body = request.body.clone().unwrap_or_default();
                    let sent_at = self.now;
                    let outcome = self.target.apply(&effect, &body, self.now, fault.take());
                    report = Some(Report { sent_at, ended_at: self.now, outcome });
                    observed.clear();
                }
                Action::Claim(_) | Action::Resolve(_) => panic!("not while settling"),
            }
        }
        panic!("no end after {STEPS_MOST} steps");
    }

    /// Whether whoever asks still waits (S3a).
    fn awaited(&self) -> Option<Field> {
        let awaited = Field { name: "awaited".into(), value: "true".into() };
        (!self.hung_up).then_some(awaited)
    }

    fn situation(
        &self,
        request: &Request,
        tags: &Tags,
        ids: &(String, String),
        tried: &[String],
        claimed: &[Name],
    ) -> Situation {
        let field = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
        let mut extra: Vec<Field> = tried.iter().map(|id| field("tried", id)).collect();
        extra.extend(claimed.iter().map(|name| field("claimed", &name.material)));
        let also: Vec<String> = claimed.iter().map(|name| name.material.clone()).collect();
        Situation {
            request: request.clone(),
            tags: tags.clone(),
            found: self.find(tags, &also),
            observed: Vec::new(),
            settings: self.settings.clone(),
            now: self.now,
            new_entry: ids.0.clone(),
            new_identity: ids.1.clone(),
            extra,
        }
    }

    fn find(&self, tags: &Tags, also: &[String]) -> Found {
        let wanted: Vec<&String> = tags.names.iter().chain(also).collect();
        let latest = |wanted: &dyn Fn(&Entry) -> bool| {
            self.entries.iter().rev().find(|entry| wanted(entry)).cloned()
        };
        let by_key =
            tags.key.as_ref().and_then(|key| latest(&|entry| entry.key.as_ref() == Some(key)));
        let by_statement = latest(&|entry| entry.statement == tags.statement);
        let meant: Vec<&String> = by_key
            .iter()
            .chain(&by_statement)
            .filter_map(|entry| entry.identity.as_ref())
            .collect();
        let mut holders = Vec::new();
        for (id, identity) in &self.identities {
            let names = self.names.get(id).map_or(&[][..], Vec::as_slice);
            let by: Vec<u32> = (0..)
                .zip(&wanted)
                .filter(|(_, tag)| names.iter().any(|(_, name)| name == **tag))
                .map(|(position, _)| position)
                .collect();
            if !by.is_empty() || meant.contains(&id) {
                holders.push(Holder { identity: identity.clone(), by });
            }
        }
        let is_of = |entry: &&Entry| {
            holders.iter().any(|holder| Some(&holder.identity.id) == entry.identity.as_ref())
        };
        let open = |entry: &&Entry| matches!(entry.stage, Stage::Dispatched | Stage::Parked);
        Found {
            by_key,
            by_statement,
            open: self.entries.iter().filter(open).filter(is_of).cloned().collect(),
            holders,
        }
    }

    /// The ids of a write that are names of other identities, which do not give them up in it.
    fn held_by_others(&self, write: &Write) -> Vec<Name> {
        let given: Vec<&String> = write
            .identities
            .iter()
            .filter(|one| one.names.is_some())
            .map(|one| &one.identity.id)
            .collect();
        let names = write.identities.iter().flat_map(|one| one.names.iter().flatten());
        let ids = names.filter(|name| name.kind == NameKind::TargetId);
        let is_held = |name: &&Name| {
            let mut others = self.names.iter().filter(|(id, _)| !given.contains(id));
            others.any(|(_, held)| held.contains(&(name.kind, name.material.clone())))
        };
        ids.filter(is_held).cloned().collect()
    }

    fn write(&mut self, write: Option<&Write>) {
        let Some(write) = write else { return };
        let entry = write.entry.clone();
        self.stages.push((entry.id.clone(), entry.stage));
        match self.entries.iter_mut().find(|known| known.id == entry.id) {
            Some(known) => {
                let ended = known.stage == Stage::Settled && entry.stage != Stage::Settled;
                assert!(!ended, "stage-never-moves-back: {:?} to {:?}", known.stage, entry.stage);
                *known = entry;
            }
            None => self.entries.push(entry),
        }
        for identity in &write.identities {
            let mut next = identity.identity.clone();
            let fence = self.identities.get(&next.id).map_or(0, |known| known.fence);
            assert_eq!(next.fence, fence, "fence-never-shrinks");
            next.fence += 1;
            self.fences.push((next.id.clone(), next.fence));
            if let Some(names) = &identity.names {
                let tagged = names.iter().map(|name| (name.kind, name.material.clone()));
                let tagged: Vec<(NameKind, String)> = tagged.collect();
                let exclusive = |kind| matches!(kind, NameKind::TargetId | NameKind::ExternalId);
                let others = self.names.iter().filter(|(id, _)| **id != next.id);
                let mut taken = others.flat_map(|(_, names)| names);
                let taken = taken.any(|name| exclusive(name.0) && tagged.contains(name));
                assert!(!taken, "one-identity-per-name: {tagged:?} of {}", next.id);
                self.names.insert(next.id.clone(), tagged);
            }
            self.identities.insert(next.id.clone(), next);
        }
        for learned in &write.learned {
            self.settings.profile.retain(|field| field.name != learned.name);
            self.settings.profile.push(learned.clone());
        }
    }
}

fn known(found: &Found, id: &str) -> bool {
    found.by_key.iter().chain(&found.by_statement).chain(&found.open).any(|entry| entry.id == id)
}

/// The material itself is the tag: nothing secret is in a test.
fn tags(identified: &Identification) -> Tags {
    Tags {
        key: identified.key_material.clone(),
        statement: identified.statement_material.clone(),
        names: identified.names.iter().map(|name| name.material.clone()).collect(),
    }
}

/// No request needs more steps; one that does is stuck.
const STEPS_MOST: usize = 40;
