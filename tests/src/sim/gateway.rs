//! The host's loop as a step machine: `host/src/provisioner.rs`, cut at each of its points of waiting.
//!
//! Whatever may happen while the host waits, for its ledger, for the target, for names or for time, happens
//! in the simulated world between two steps. Read it beside `carry`, `decide`, `settle` and `recover_one`.

use std::{collections::BTreeSet, mem, rc::Rc};

use replaysafe_core::{
    lifecycle::Reading,
    types::{
        Action, Answer, Divergence, Effect, EffectBody, Entry, EntryId, Evidence, Field, Found,
        IdentityWrite, Name, NameKind, Observation, Outcome, Question, Report, Request, Retry,
        Settings, Sight, Situation, Stage, Step, Tag, Tags, UnixMillis, Verdict, Write,
    },
};

mod lifted;
mod matters;

use lifted::Lifted;

use super::{
    decider::{Decider, Function},
    ledger::Refusal,
    rule::Rule,
    target,
    world::{Event, Message, World},
};

/// Whose leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Those of the request's names.
    Names,
    /// Those of the identities that the names led to.
    People,
}

/// Where the work on a request waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// Before anything.
    Begin,
    /// Before the look that proves the credential (S1).
    Prove,
    /// Before names are asked for.
    Enter(Whose),
    /// For names.
    Queued {
        /// Whose.
        whose: Whose,
        /// The place in the queues.
        ticket: u64,
        /// Since when.
        since: UnixMillis,
        /// How long at most.
        wait: UnixMillis,
    },
    /// For the ledger; `again` once the identities are leased.
    Find {
        /// Once the identities are leased.
        again: bool,
    },
    /// For a decision, and for the ledger to write it.
    Decide,
    /// For the target to answer these questions.
    Look(Vec<Question>),
    /// Before an effect leaves.
    Send(Effect),
    /// For the answer to a call.
    Await(u32),
    /// For the ledger, to settle.
    Settle,
    /// For the settlement, and for the ledger to write it.
    Judge,
    /// For time to pass, the names held.
    Near(UnixMillis),
    /// For time to pass, the names let go.
    Far(UnixMillis),
    /// For the client to take its answer.
    Reply(Rc<Answer>),
    /// For the ledger, after the answer (only where [`Rule::CommitFirst`] is off).
    WriteLate,
}

/// The request that is settled: the run's own, or another that has to end first.
#[derive(Clone, Debug)]
pub struct Settling {
    /// The entry.
    pub entry: EntryId,
    /// The other request; none for the run's own.
    other: Option<Rc<Other>>,
    report: Option<Report>,
    observed: Vec<Observation>,
    /// Names that lead to an identity beside those of the other request.
    claimed: Vec<Name>,
    found: Option<Rc<Found>>,
    /// It has to end before the run's own request can be decided.
    resolves: bool,
}

/// A request that was asked for earlier, as far as it is remembered: `run_of`.
#[derive(Clone, Debug)]
struct Other {
    request: Rc<Request>,
    tags: Rc<Tags>,
    settings: Rc<Settings>,
    new_identity: String,
    number: u32,
}

/// The work on one request, or on one entry that is due.
#[derive(Clone, Debug)]
pub struct Run {
    /// In which gateway.
    pub gateway: usize,
    /// The message that it answers; none for the scan.
    pub message: Option<Message>,
    /// Where it waits.
    pub at: At,
    /// Names that it holds or waits for.
    pub tickets: Vec<u64>,
    /// What the entry says about when its effect was sent last.
    pub recorded_at: UnixMillis,
    /// What is written later than it should be (only where a rule is off).
    pub unwritten: Option<Rc<Write>>,
    /// It has sent a call twice without looking (only where [`Rule::LookFirst`] is off).
    pub resent: bool,
    /// What is being settled.
    pub settling: Option<Settling>,
    request: Rc<Request>,
    /// The body as the client has sent it; none of what was begun before.
    body: Option<Rc<str>>,
    lifted: Lifted,
    tags: Rc<Tags>,
    safe_way: bool,
    proof: Question,
    settings: Rc<Settings>,
    number: u32,
    new_entry: EntryId,
    new_identity: String,
    deadline: UnixMillis,
    mine: Option<EntryId>,
    claimed: Vec<Name>,
    tried: Vec<Rc<Entry>>,
    passed: bool,
    people: Vec<Tag>,
    steps: u32,
    fenced: u32,
    function: Function,
    found: Option<Rc<Found>>,
    observed: Vec<Observation>,
}

/// What follows a step.
enum Next {
    On(At),
    End,
}

impl Run {
    /// Whether it can go on now.
    #[must_use]
    pub fn ready(&self, world: &World) -> bool {
        match &self.at {
            At::Queued { ticket, .. } => {
                world.leases.held(*ticket) || self.wakes(world).is_none_or(|at| at <= world.now)
            }
            At::Await(_) | At::Near(_) | At::Far(_) => {
                self.wakes(world).is_some_and(|at| at <= world.now)
            }
            At::Reply(_) => false,
            At::Begin
            | At::Prove
            | At::Enter(_)
            | At::Find { .. }
            | At::Decide
            | At::Look(_)
            | At::Send(_)
            | At::Settle
            | At::Judge
            | At::WriteLate => true,
        }
    }

    /// When it waits no longer; none where it does not wait for time.
    #[must_use]
    pub fn wakes(&self, world: &World) -> Option<UnixMillis> {
        match &self.at {
            At::Queued { ticket, since, wait, .. } => {
                let passes =
                    self.safe_way && self.message.is_some() && !world.leases.same_holds(*ticket);
                Some(since + if passes { PASS_AFTER_MS } else { *wait })
            }
            At::Await(call) => {
                let call = world.calls.iter().find(|one| one.number == *call)?;
                Some(call.sent_at + DEADLINE_MS)
            }
            At::Near(until) | At::Far(until) => Some(*until),
            _ => None,
        }
    }

    /// What the sender hears of its call.
    pub fn hear(&mut self, report: Report) {
        let report = Report { outcome: self.lifted.outcome(report.outcome), ..report };
        if let Some(settling) = &mut self.settling {
            settling.report = Some(report);
        }
        self.at = At::Settle;
    }

    /// The bytes of an effect.
    #[must_use]
    pub fn bytes(&self, effect: &Effect) -> String {
        match &effect.body {
            EffectBody::Empty => String::new(),
            EffectBody::AsSent => self.body.as_deref().unwrap_or_default().into(),
            EffectBody::Document(document) => {
                // A request that was begun before is remembered without its secrets.
                let earlier =
                    self.settling.as_ref().is_some_and(|settling| settling.other.is_some());
                if earlier { document.clone() } else { self.lifted.put_back(document) }
            }
        }
    }

    /// The wish whose answer is waited for.
    #[must_use]
    pub fn intent(&self) -> Option<usize> {
        self.message.as_ref().map(|message| message.intent)
    }

    /// Whether this number is that of the work, or of one that it has read.
    #[must_use]
    pub(super) fn uses(&self, number: u32) -> bool {
        let other = self.settling.as_ref().and_then(|settling| settling.other.as_ref());
        self.number == number
            || self.message.as_ref().is_some_and(|message| message.number == number)
            || other.is_some_and(|other| other.number == number)
    }

    fn leased_tags(&self) -> Vec<Tag> {
        let claimed = self.claimed.iter().map(|name| name.material.clone());
        self.tags.names.iter().cloned().chain(claimed).collect()
    }

    fn situation(&self, found: &Found, observed: &[Observation], now: UnixMillis) -> Situation {
        let tried = self.tried.iter().filter(|entry| is_as_it_was(found, entry));
        let mut extra: Vec<Field> = tried.map(|entry| field("tried", &entry.id)).collect();
        extra.extend(self.claimed.iter().map(|name| field("claimed", &name.material)));
        if self.passed {
            extra.push(field("passed", "true"));
        }
        if self.request.body.is_some() && self.message.is_some() {
            extra.push(field("body-held", "true"));
        }
        if self.message.is_some() && now < self.deadline {
            extra.push(field("awaited", "true"));
        }
        Situation {
            request: Request::clone(&self.request),
            tags: Tags::clone(&self.tags),
            found: found.clone(),
            observed: observed.to_vec(),
            settings: Settings::clone(&self.settings),
            now,
            new_entry: self.new_entry.clone(),
            new_identity: self.new_identity.clone(),
            extra,
        }
    }
}

impl World {
    /// A request arrives at a gateway.
    pub(super) fn arrive(&mut self, message: &Message, gateway: usize, core: &mut Decider) {
        let Some(intent) = self.setup.intents.get(message.intent).cloned() else { return };
        let id = self.pinned.get(&message.intent).map(|id| format!("r{id}"));
        let secrets = self.setup.secrets.as_ref();
        let mut request = intent.request(id, self.now, secrets);
        if let Some(secrets) = secrets.filter(|_| self.setup.lacks(Rule::Credential)) {
            request.scope.principal = secrets.credential();
        }
        request.version.take_if(|_| self.setup.lacks(Rule::Versions));
        let number = self.number(Some(message.intent), None);
        self.events.push(Event::Arrived { run: number, intent: message.intent });
        let Some(mut run) = self.run_of(request, gateway, Some(message.clone()), number, core)
        else {
            return;
        };
        let asked = (run.tags.statement.clone(), run.tags.key.clone());
        if !self.asked.contains_key(&asked) {
            self.asked.change().insert(asked, message.intent);
        }
        let proved = self.accepted_until.get(gateway).is_some_and(|until| self.now < *until);
        run.at = if proved { At::Enter(Whose::Names) } else { At::Prove };
        self.runs.insert(number, run);
    }

    /// A gateway takes up an entry that is due.
    pub(super) fn scan(&mut self, gateway: usize, position: u32, core: &mut Decider) {
        let at = usize::try_from(position).unwrap_or(usize::MAX);
        let Some(entry) = self.ledger.entries.get(at).cloned() else { return };
        self.scanned.insert((gateway, entry.id.clone()), self.now);
        let number = self.number(None, None);
        let Ok(request) = core.entry_request(&entry.state) else {
            let how = "an entry's request cannot be read".to_owned();
            self.events.push(Event::Broken { run: number, how });
            return;
        };
        let Some(mut run) = self.run_of(request, gateway, None, number, core) else { return };
        run.at = At::Enter(Whose::Names);
        run.settling = Some(Settling {
            entry: entry.id.clone(),
            other: None,
            report: None,
            observed: Vec::new(),
            claimed: Vec::new(),
            found: None,
            resolves: false,
        });
        self.runs.insert(number, run);
    }

    /// An operator sees to what is parked, beside the gateways.
    pub(super) fn operate(&mut self, first: bool, core: &mut Decider) {
        for entry in self.ledger.entries.clone() {
            if entry.stage != Stage::Parked {
                continue;
            }
            let asked = self.asked.get(&(entry.statement.clone(), entry.key.clone()));
            let intent = asked.and_then(|wish| self.setup.intents.get(*wish));
            let there: Vec<u32> = intent
                .map(|intent| self.target.of(intent.subject).map(|(id, _)| id).collect())
                .unwrap_or_default();
            let made = match there.as_slice() {
                [id] if first => format!("r{id}"),
                _ => String::new(),
            };
            let number = self.number(None, None);
            self.events.push(Event::Oversaw { run: number });
            if let Err(how) = self.says(number, &entry, &made, core) {
                self.events.push(Event::Broken { run: number, how });
            }
        }
    }

    /// What a person says that a parked entry has made is written as the host does it.
    fn says(
        &mut self,
        number: u32,
        entry: &Entry,
        made: &str,
        core: &mut Decider,
    ) -> Result<(), String> {
        let request = core.entry_request(&entry.state).map_err(|error| error.detail)?;
        let run = self.run_of(request, 0, None, number, core).ok_or("it cannot be read")?;
        let mut found = self.find(&run.tags, &run.leased_tags(), core);
        if !known(&found, &entry.id) {
            found.open.push(entry.clone());
        }
        let mut situation = run.situation(&found, &[], self.now);
        situation.new_entry.clone_from(&entry.id);
        situation.extra.push(field("resolve", made));
        let step = core.step(Function::Settle, &situation, None).map_err(|error| error.detail)?;
        let (Some(write), Action::Answer(answer)) = (step.write, step.action) else {
            return Err("an operator's word is not written, or not answered".into());
        };
        let written = self.write(&run, &write, Some(Rc::new(answer)), core);
        written.map_err(|refusal| format!("nobody else is at work: {refusal:?}"))
    }

    /// From when on a gateway takes up an entry that is due: it scans again a second later.
    pub(in crate::sim) fn scans_from(&self, gateway: usize, entry: &Entry) -> Option<UnixMillis> {
        let last = self.scanned.get(&(gateway, entry.id.clone()));
        let rested = last.map_or(0, |last| last + SCAN_EVERY_MS);
        Some(entry.wake_at?.max(rested))
    }

    fn run_of(
        &mut self,
        request: Request,
        gateway: usize,
        message: Option<Message>,
        number: u32,
        core: &mut Decider,
    ) -> Option<Run> {
        let settings = self.settings();
        let mut lifted = self.lifted(&request.resource_type, &settings, core);
        let own = message.is_some();
        let body: Option<Rc<str>> = request.body.as_deref().filter(|_| own).map(Into::into);
        let request = Request { body: request.body.map(|body| lifted.text(body)), ..request };
        let identified = match core.identify(&request, &settings) {
            Ok(Reading::Readable(identified)) => identified,
            Ok(Reading::Unreadable(answer)) => {
                let how = format!("a client's request is unreadable: {}", answer.detail);
                self.events.push(Event::Broken { run: number, how });
                return None;
            }
            Err(error) => {
                self.events.push(Event::Broken { run: number, how: error.detail });
                return None;
            }
        };
        Some(Run {
            gateway,
            message,
            at: At::Begin,
            tickets: Vec::new(),
            recorded_at: self.now,
            unwritten: None,
            resent: false,
            settling: None,
            request: Rc::new(request),
            body,
            lifted,
            tags: Rc::new(Tags {
                key: identified.key_material,
                statement: identified.statement_material,
                names: identified.names.into_iter().map(|name| name.material).collect(),
            }),
            safe_way: identified.safe_way && !self.setup.lacks(Rule::SafeWay),
            proof: identified.proof,
            settings: Rc::new(settings),
            number,
            new_entry: self.setup.id("e", number),
            new_identity: self.setup.id("i", number),
            deadline: self.now + ANSWER_BUDGET_MS,
            mine: None,
            claimed: Vec::new(),
            tried: Vec::new(),
            passed: false,
            people: Vec::new(),
            steps: 0,
            fenced: 0,
            function: Function::Admit,
            found: None,
            observed: Vec::new(),
        })
    }

    /// What lifts the secrets of documents of this type: nothing, where nobody states one.
    fn lifted(&self, resource_type: &str, settings: &Settings, core: &mut Decider) -> Lifted {
        if !self.setup.states_passwords() || self.setup.lacks(Rule::Lift) {
            return Lifted::default();
        }
        Lifted::along(core.secret_paths(resource_type, settings))
    }

    /// The work goes on to its next point of waiting. `blind`: the look that it makes fails.
    pub(super) fn step(&mut self, number: u32, blind: bool, core: &mut Decider) {
        let Some(mut run) = self.runs.remove(&number) else { return };
        let at = mem::replace(&mut run.at, At::Begin);
        let next = match at {
            At::Begin | At::Reply(_) => Next::End,
            At::Prove => self.prove(&run, blind),
            At::Enter(whose) => self.enter(&mut run, whose),
            At::Queued { whose, ticket, since, wait } => {
                self.turn(&mut run, whose, ticket, since, wait)
            }
            At::Find { again } => self.found(&mut run, again, core),
            At::Decide => self.decide(&mut run, core),
            At::Look(questions) => self.look_at(&mut run, questions, blind),
            At::Send(effect) => Next::On(self.send_call(number, &run, &effect)),
            At::Await(call) => self.give_up(&mut run, call),
            At::Settle => self.find_to_settle(&mut run, core),
            At::Judge => self.judge(&mut run, core),
            At::Near(_) => {
                if let Some(settling) = &mut run.settling {
                    settling.report = None;
                    settling.observed = Vec::new();
                }
                Next::On(At::Settle)
            }
            At::Far(_) => Next::On(At::Enter(Whose::Names)),
            At::WriteLate => {
                if let Some(write) = run.unwritten.take() {
                    let _ = self.write(&run, &write, None, core);
                }
                Next::End
            }
        };
        match next {
            Next::On(at) => {
                run.at = at;
                self.runs.insert(number, run);
            }
            Next::End => self.release(&mut run),
        }
    }

    /// A look that proves the credential (S1): `prove`.
    fn prove(&mut self, run: &Run, blind: bool) -> Next {
        let accepted = match self.sight(run, &run.proof, blind) {
            Sight::Listed(_) => true,
            // What is said of the question, not of who asks.
            Sight::Answered(answer) | Sight::Refused(answer) => {
                matches!(answer.status, 200..=299 | 400 | 404 | 405 | 410 | 414 | 422 | 501)
            }
            Sight::Nothing => false,
        };
        if accepted && let Some(until) = self.accepted_until.get_mut(run.gateway) {
            *until = self.now + ACCEPTED_MS;
        }
        if accepted || run.safe_way {
            return Next::On(At::Enter(Whose::Names));
        }
        reply(plain(Verdict::Unavailable))
    }

    /// Takes a place in the queues: `NameLeases::enter`.
    fn enter(&mut self, run: &mut Run, whose: Whose) -> Next {
        let names: BTreeSet<Tag> = match whose {
            Whose::Names => {
                self.release(run);
                run.leased_tags().into_iter().collect()
            }
            // One lock for each request and no more, as idempotency middleware has it.
            Whose::People if self.setup.lacks(Rule::Arbitration) => BTreeSet::new(),
            Whose::People => run.people.iter().cloned().collect(),
        };
        let names = match self.setup.off {
            Some(Rule::Lease) => BTreeSet::new(),
            Some(Rule::Arbitration) if whose == Whose::Names => {
                BTreeSet::from([run.tags.key.clone().unwrap_or(run.tags.statement.clone())])
            }
            _ => names,
        };
        let ticket = self.leases.change().enter(names, &run.tags.statement);
        run.tickets.push(ticket);
        let left = run.deadline.saturating_sub(self.now);
        let wait = if run.message.is_some() { QUEUE_WAIT_MS.min(left) } else { 0 };
        if self.leases.held(ticket) {
            return self.turn(run, whose, ticket, self.now, wait);
        }
        Next::On(At::Queued { whose, ticket, since: self.now, wait })
    }

    /// The names are held, or the wait for them is over: `NameLeases::lease`.
    fn turn(
        &mut self,
        run: &mut Run,
        whose: Whose,
        ticket: u64,
        since: UnixMillis,
        wait: UnixMillis,
    ) -> Next {
        let again = whose == Whose::People;
        if !self.leases.held(ticket) {
            let attaches = self.leases.same_holds(ticket);
            self.leases.change().leave(ticket);
            run.tickets.retain(|one| *one != ticket);
            let Some(_) = run.message else { return Next::End };
            let passes = run.safe_way && !attaches && since + PASS_AFTER_MS <= self.now;
            if !passes {
                assert!(since + wait <= self.now, "the wait is over");
                return reply(in_flight(run));
            }
        }
        let passed = !self.leases.held(ticket);
        run.passed = if again { run.passed || passed } else { passed };
        Next::On(At::Find { again })
    }

    /// What the ledger holds: `find`, before and after the identities are leased.
    fn found(&mut self, run: &mut Run, again: bool, core: &mut Decider) -> Next {
        let mut found = self.find(&run.tags, &run.leased_tags(), core);
        let people: Vec<Tag> =
            found.holders.iter().map(|holder| format!("identity:{}", holder.identity.id)).collect();
        if !again {
            run.people = people;
            return Next::On(At::Enter(Whose::People));
        }
        if let (Some(settling), None) = (&run.settling, &run.message) {
            // It may have come to its end since it was found to be due.
            let open = self.held(&settling.entry, core).is_some_and(|entry| is_open(&entry));
            return if open { Next::On(At::Settle) } else { Next::End };
        }
        if run.people != people {
            return self.fenced(run, At::Enter(Whose::Names));
        }
        // What this run has written is its own request, whoever has asked the same since.
        if let Some(own) = run.mine.as_ref().and_then(|id| self.held(id, core)) {
            found.by_statement = Some(Entry::clone(&own));
        }
        if self.setup.lacks(Rule::PredecessorFirst) {
            found.open.clear();
        }
        if self.setup.lacks(Rule::RememberId) {
            forget_ids(&mut found);
        }
        run.found = Some(Rc::new(found));
        run.observed = Vec::new();
        run.function = Function::Admit;
        Next::On(At::Decide)
    }

    /// From admission to the answer, under the leases: `decide`.
    fn decide(&mut self, run: &mut Run, core: &mut Decider) -> Next {
        run.steps += 1;
        if STEPS_MOST < run.steps {
            return self.broken(run, "the steps come to no end");
        }
        let found = run.found.clone().unwrap_or_default_found();
        let situation = run.situation(&found, &run.observed, self.now);
        let step = match core.step(run.function, &situation, None) {
            Ok(step) => step,
            Err(error) => return self.broken(run, &error.detail),
        };
        let Step { write, action } = step;
        let late = match &action {
            Action::Answer(_) => self.setup.lacks(Rule::CommitFirst),
            Action::Apply(_) => self.setup.lacks(Rule::IntentFirst),
            _ => false,
        };
        let entry = write.as_ref().map(|write| write.entry.id.clone());
        if let Some(write) = write {
            if late {
                run.unwritten = Some(Rc::new(write));
            } else {
                let told = match &action {
                    Action::Answer(answer) => Some(Rc::new(answer.clone())),
                    _ => None,
                };
                match self.write(run, &write, told, core) {
                    Ok(()) => {}
                    Err(Refusal::Fenced) => return self.fenced(run, At::Enter(Whose::Names)),
                    Err(Refusal::Law(_)) => return reply(plain(Verdict::Unavailable)),
                }
            }
        }
        match action {
            Action::Answer(answer) => reply(answer),
            Action::Wait(until) => self.wait_far(run, until),
            Action::Claim(names) => {
                run.claimed.extend(names);
                Next::On(At::Enter(Whose::Names))
            }
            Action::Ask(questions) => {
                run.function = Function::Decide;
                Next::On(At::Look(questions))
            }
            Action::Resolve(id) => self.resolve(run, id, core),
            Action::Apply(effect) => {
                let id = entry.unwrap_or_else(|| run.new_entry.clone());
                run.mine = Some(id.clone());
                run.recorded_at = self.now;
                run.settling = Some(Settling {
                    entry: id,
                    other: None,
                    report: None,
                    observed: Vec::new(),
                    claimed: Vec::new(),
                    found: None,
                    resolves: false,
                });
                Next::On(At::Send(effect))
            }
        }
    }

    /// The names are let go, and everything starts over when the time has come.
    fn wait_far(&mut self, run: &mut Run, until: UnixMillis) -> Next {
        self.release(run);
        run.tried.clear();
        run.settling = None;
        let wait = until.saturating_sub(self.now);
        if run.deadline < self.now + wait {
            return reply(in_flight(run));
        }
        Next::On(At::Far(until))
    }

    /// An earlier entry has to end first: `resolve`.
    fn resolve(&mut self, run: &mut Run, id: EntryId, core: &mut Decider) -> Next {
        let Some(entry) = self.held(&id, core) else {
            return Next::On(At::Enter(Whose::Names));
        };
        let own = entry.statement == run.tags.statement && entry.key == run.tags.key;
        let other = if own {
            None
        } else {
            let Ok(request) = core.entry_request(&entry.state) else {
                return self.broken(run, "an entry's request cannot be read");
            };
            let number = self.number(run.intent(), Some(run));
            let Some(other) = self.run_of(request, run.gateway, None, number, core) else {
                run.tried.push(entry);
                return Next::On(At::Enter(Whose::Names));
            };
            let Run { request, tags, settings, new_identity, .. } = other;
            Some(Rc::new(Other { request, tags, settings, new_identity, number }))
        };
        run.settling = Some(Settling {
            entry: id,
            other,
            report: None,
            observed: Vec::new(),
            claimed: Vec::new(),
            found: None,
            resolves: true,
        });
        Next::On(At::Settle)
    }

    /// What the ledger holds of the request that is settled.
    fn find_to_settle(&mut self, run: &mut Run, core: &mut Decider) -> Next {
        if let Some(write) = run.unwritten.take() {
            match self.write(run, &write, None, core) {
                Ok(()) => {}
                Err(_) => return reply(plain(Verdict::Unavailable)),
            }
        }
        let Some(settling) = &mut run.settling else { return Next::End };
        // What others have learned since: `learn`.
        if settling.observed.is_empty() {
            let settings = Rc::new(self.settings());
            match &mut settling.other {
                Some(other) => Rc::make_mut(other).settings = settings,
                None => run.settings = settings,
            }
        }
        let (tags, names): (_, Vec<Tag>) = match &settling.other {
            Some(other) => {
                let claimed = settling.claimed.iter().map(|name| name.material.clone());
                (&other.tags, other.tags.names.iter().cloned().chain(claimed).collect())
            }
            None => {
                let claimed = run.claimed.iter().map(|name| name.material.clone());
                (&run.tags, run.tags.names.iter().cloned().chain(claimed).collect())
            }
        };
        let mut found = self.find(tags, &names, core);
        if !known(&found, &settling.entry) {
            // A newer one asks the same, or its names lead elsewhere by now.
            match self.held(&settling.entry, core).filter(|entry| is_open(entry)) {
                Some(entry) => found.open.push(Entry::clone(&entry)),
                // Others have brought it to its end: how it ended is looked up anew.
                None if run.message.is_none() => return Next::End,
                None => return self.wait_far(run, self.now),
            }
        }
        settling.found = Some(Rc::new(found));
        Next::On(At::Judge)
    }

    /// What was read is outdated: read again at once, and after some times with a pause: `Run::outdated`.
    fn fenced(&mut self, run: &mut Run, at: At) -> Next {
        run.fenced += 1;
        if run.fenced <= FENCED_MOST {
            return Next::On(at);
        }
        if run.message.is_none() {
            return Next::End;
        }
        self.wait_far(run, self.now + FENCED_PAUSE_MS)
    }

    /// From a sent effect to its end: `settle`.
    fn judge(&mut self, run: &mut Run, core: &mut Decider) -> Next {
        run.steps += 1;
        if STEPS_MOST < run.steps {
            return self.broken(run, "the steps come to no end");
        }
        let Some(mut settling) = run.settling.take() else { return Next::End };
        let found = settling.found.take().unwrap_or_default_found();
        let situation = run.situation_of(&settling, &found, self.now);
        let step = match core.step(Function::Settle, &situation, settling.report.as_ref()) {
            Ok(step) => step,
            Err(error) => {
                run.settling = Some(settling);
                return self.broken(run, &error.detail);
            }
        };
        let late = matches!(step.action, Action::Answer(_)) && self.setup.lacks(Rule::CommitFirst);
        if let Some(write) = step.write {
            if late && run.message.is_some() && !settling.resolves {
                run.unwritten = Some(Rc::new(write));
            } else {
                let told = match &step.action {
                    Action::Answer(answer) => Some(Rc::new(answer.clone())),
                    _ => None,
                };
                match self.write(run, &write, told, core) {
                    Ok(()) => {}
                    // Somebody passed: what was seen before counts no more (S15).
                    Err(Refusal::Fenced) => {
                        claim_ids(run, &mut settling, &write);
                        settling.observed = Vec::new();
                        run.settling = Some(settling);
                        return self.fenced(run, At::Settle);
                    }
                    Err(Refusal::Law(_)) if run.message.is_none() => return Next::End,
                    Err(Refusal::Law(_)) => return reply(plain(Verdict::Unavailable)),
                }
            }
        }
        match step.action {
            Action::Answer(answer) => self.settled(run, &settling, answer, core),
            Action::Ask(questions) => {
                run.settling = Some(settling);
                Next::On(At::Look(questions))
            }
            Action::Apply(effect) => {
                settling.observed = Vec::new();
                run.settling = Some(settling);
                run.recorded_at = self.now;
                Next::On(At::Send(effect))
            }
            Action::Wait(until) if NEAR_MS < until.saturating_sub(self.now) => {
                if run.message.is_none() { Next::End } else { self.wait_far(run, until) }
            }
            Action::Wait(until) => {
                run.settling = Some(settling);
                Next::On(At::Near(until))
            }
            Action::Claim(_) | Action::Resolve(_) => {
                self.broken(run, "the step's action may not follow here")
            }
        }
    }

    /// The settlement has come to an end: the run's own answer, or a predecessor that is out of the way.
    fn settled(
        &mut self,
        run: &mut Run,
        settling: &Settling,
        answer: Answer,
        core: &mut Decider,
    ) -> Next {
        if run.message.is_none() {
            return Next::End;
        }
        let own = run.mine.as_ref() == Some(&settling.entry);
        if !settling.resolves || own {
            return reply(answer);
        }
        // What has ended by that is not tried: if it is open again, others have begun it anew.
        run.tried.extend(self.held(&settling.entry, core).filter(|entry| is_open(entry)));
        Next::On(At::Enter(Whose::Names))
    }

    fn look_at(&mut self, run: &mut Run, mut questions: Vec<Question>, blind: bool) -> Next {
        let settles = run.settling.is_some();
        if questions.is_empty() {
            return Next::On(if settles { At::Settle } else { At::Decide });
        }
        let question = questions.remove(0);
        let sight = self.sight(run, &question, blind);
        let sight = run.lifted.sight(sight);
        let seen = Observation { question, asked_at: self.now, seen_at: self.now, sight };
        match &mut run.settling {
            Some(settling) => settling.observed.push(seen),
            None => run.observed.push(seen),
        }
        if !questions.is_empty() {
            return Next::On(At::Look(questions));
        }
        Next::On(if settles { At::Settle } else { At::Decide })
    }

    fn sight(&mut self, run: &Run, question: &Question, blind: bool) -> Sight {
        let (run_number, question_asked) = (run.number, question.clone());
        self.events.push(Event::Looked {
            run: run_number,
            question: question_asked,
            answered: !blind,
        });
        if blind {
            return Sight::Nothing;
        }
        if self.setup.lacks(Rule::ReadBack)
            && let Some(sight) = believed(run, question)
        {
            return sight;
        }
        self.target.look(question, &self.setup.profile)
    }

    /// No answer for so long that none is waited for.
    fn give_up(&mut self, run: &mut Run, call: u32) -> Next {
        let Some(at) = self.calls.iter().position(|one| one.number == call) else {
            return Next::On(At::Settle);
        };
        let sent_at = self.calls.get(at).map_or(self.now, |call| call.sent_at);
        let landed = self.calls.get(at).is_some_and(|call| call.answer.is_some());
        if landed {
            self.calls.remove(at);
        } else if let Some(call) = self.calls.get_mut(at) {
            call.run = None;
        }
        self.events.push(Event::Heard { call, status: None });
        let outcome = Outcome::Unknown("no answer in time".into());
        run.hear(Report { sent_at, ended_at: self.now, outcome });
        Next::On(At::Settle)
    }

    fn find(&self, tags: &Tags, names: &[Tag], core: &mut Decider) -> Found {
        let found = self.ledger.find(tags.key.as_ref(), &tags.statement, names);
        if let Some(witness) = &mut core.witness {
            witness.found(tags.key.as_ref(), &tags.statement, names, &found);
        }
        found
    }

    fn held(&self, id: &EntryId, core: &mut Decider) -> Option<Rc<Entry>> {
        let entry = self.ledger.entry(id).cloned();
        if let Some(witness) = &mut core.witness {
            witness.entry(id, entry.as_deref());
        }
        entry
    }

    fn write(
        &mut self,
        run: &Run,
        write: &Write,
        answer: Option<Rc<Answer>>,
        core: &mut Decider,
    ) -> Result<(), Refusal> {
        let leased = run.tickets.iter().all(|ticket| self.leases.held(*ticket));
        // A shared ledger must ask this in the transaction that writes: nothing else tells that somebody else
        // has made an identity for the same resource since the lease lapsed.
        let refused = 1 < self.setup.gateways
            && !leased
            && nothing_guards(&write.identities)
            && !self.setup.lacks(Rule::LeasedNew);
        let written = if refused {
            Err(Refusal::Fenced)
        } else {
            if let Some(canary) = &mut core.canary {
                canary.look("what is written", write);
                canary.look("what is told", &answer);
            }
            let written = self.ledger.change().write(write, self.setup.off);
            if let Some(witness) = &mut core.witness {
                witness.wrote(write, self.now, &written, &self.ledger.facts);
            }
            written
        };
        match written {
            Ok(written) => {
                let entry = self.ledger.entry(&write.entry.id).cloned();
                let entry = entry.unwrap_or_else(|| Rc::new(write.entry.clone()));
                self.events.push(Event::Wrote { run: run.number, entry, written, answer });
                Ok(())
            }
            Err(refusal) => {
                self.events.push(Event::Refused { run: run.number, refusal });
                Err(refusal)
            }
        }
    }

    fn broken(&mut self, run: &Run, how: &str) -> Next {
        // The scan notes it, and goes on with the next entry.
        if run.message.is_none() {
            return Next::End;
        }
        self.events.push(Event::Broken { run: run.number, how: how.into() });
        reply(plain(Verdict::Unavailable))
    }
}

/// What a target's success is worth to a host that does not read back.
fn believed(run: &Run, question: &Question) -> Option<Sight> {
    let Question::ById(_) = question else { return None };
    let report = run.settling.as_ref()?.report.as_ref()?;
    let Outcome::Answered(answer) = &report.outcome else { return None };
    match (answer.status, &answer.body) {
        (200..=299, Some(_)) => {
            let answer = replaysafe_core::types::TargetAnswer { status: 200, ..answer.clone() };
            Some(Sight::Answered(answer))
        }
        (204, None) => Some(Sight::Answered(target::bare(404, None))),
        _ => None,
    }
}

/// A ledger that does not remember the target's ids.
fn forget_ids(found: &mut Found) {
    for holder in &mut found.holders {
        let state = &mut holder.identity.state;
        if let Some(at) = state.find("\"target-id\":\"") {
            let rest = at + "\"target-id\":\"".len();
            if let Some(length) = state.get(rest..).and_then(|text| text.find('"')) {
                state.replace_range(at..=rest + length, "\"target-id\":null");
            }
        }
    }
}

/// An identity is new, and no target id tells that somebody else has made it meanwhile: he may know it by another of its names.
fn nothing_guards(identities: &[IdentityWrite]) -> bool {
    let guards = |name: &Name| name.kind == NameKind::TargetId;
    let unguarded =
        |one: &IdentityWrite| one.identity.fence == 0 && !one.names.iter().flatten().any(guards);
    identities.iter().any(unguarded)
}

fn known(found: &Found, id: &EntryId) -> bool {
    let given = found.by_key.iter().chain(&found.by_statement).chain(&found.open);
    given.into_iter().any(|entry| entry.id == *id)
}

fn field(name: &str, value: &str) -> Field {
    Field { name: name.into(), value: value.into() }
}

/// Whoever has an id that could not be given is found by it from now on: `claim_ids`.
fn claim_ids(run: &mut Run, settling: &mut Settling, write: &Write) {
    let (own, claimed) = match &settling.other {
        Some(other) => (&other.tags.names, &mut settling.claimed),
        None => (&run.tags.names, &mut run.claimed),
    };
    let names = write.identities.iter().flat_map(|one| one.names.iter().flatten());
    for name in names.filter(|name| name.kind == NameKind::TargetId) {
        if !own.contains(&name.material) && !claimed.contains(name) {
            claimed.push(name.clone());
        }
    }
}

/// Nobody has moved an entry on since.
fn is_as_it_was(found: &Found, entry: &Entry) -> bool {
    let given = found.by_key.iter().chain(&found.by_statement).chain(&found.open);
    given.into_iter().all(|given| given.id != entry.id || given == entry)
}

/// Its end is still to come, or to be looked after.
fn is_open(entry: &Entry) -> bool {
    matches!(entry.stage, Stage::Dispatched | Stage::Parked)
}

fn reply(answer: Answer) -> Next {
    Next::On(At::Reply(Rc::new(answer)))
}

/// An empty answer of the host's own.
fn plain(verdict: Verdict) -> Answer {
    Answer {
        verdict,
        decision: String::new(),
        changed: false,
        replayed: false,
        diverged: Divergence::No,
        target: None,
        status: None,
        retry: Retry::After,
        retry_after: Some(1),
        evidence: Evidence::None,
        detail: String::new(),
        attributes: Vec::new(),
        notes: Vec::new(),
    }
}

/// The wait is over (S5, S43a).
fn in_flight(run: &Run) -> Answer {
    match &run.mine {
        Some(id) => Answer { decision: id.clone(), ..plain(Verdict::Unresolved) },
        None => plain(Verdict::InFlight),
    }
}

trait OrNothing {
    fn unwrap_or_default_found(self) -> Rc<Found>;
}

impl OrNothing for Option<Rc<Found>> {
    fn unwrap_or_default_found(self) -> Rc<Found> {
        self.unwrap_or_else(|| {
            Rc::new(Found {
                by_key: None,
                by_statement: None,
                holders: Vec::new(),
                open: Vec::new(),
            })
        })
    }
}

/// `PASS_AFTER` of the host.
const PASS_AFTER_MS: UnixMillis = 250;

/// `Options::queue_wait` of the host.
const QUEUE_WAIT_MS: UnixMillis = 30_000;

/// `Options::answer_budget` of the host.
pub const ANSWER_BUDGET_MS: UnixMillis = 50_000;

/// `NEAR` of the host.
const NEAR_MS: UnixMillis = 1_000;

/// `STEPS_MOST` of the host.
const STEPS_MOST: u32 = 1_000;

/// `FENCED_MOST` of the host.
const FENCED_MOST: u32 = 3;

/// `FENCED_PAUSE_MS` of the host.
const FENCED_PAUSE_MS: UnixMillis = 1_000;

/// `SCAN_EVERY` of the host.
const SCAN_EVERY_MS: UnixMillis = 1_000;

/// `ACCEPTED_MS` of the host.
const ACCEPTED_MS: UnixMillis = 60_000;

/// `DEADLINE` of the host: how long an answer of the target is waited for.
pub const DEADLINE_MS: UnixMillis = 10_000;

#[cfg(test)]
mod tests {
    use replaysafe_core::types::Identity;

    use super::*;

    /// Two creates of one account, one of which states an external id, share no exclusive name.
    #[test]
    fn of_a_new_identity_a_target_id_alone_tells_that_it_was_made_meanwhile() {
        check(0, &[NameKind::Correlation], true);
        check(0, &[NameKind::ExternalId, NameKind::Correlation], true);
        check(0, &[NameKind::TargetId, NameKind::Correlation], false);
        check(1, &[NameKind::Correlation], false);
    }

    fn check(fence: u64, kinds: &[NameKind], expected: bool) {
        let identity = Identity { id: "i".into(), fence, incarnation: 1, state: "{}".into() };
        let name = |kind: &NameKind| Name { kind: *kind, material: "n".into() };
        let names = Some(kinds.iter().map(name).collect());
        assert_eq!(nothing_guards(&[IdentityWrite { identity, names }]), expected, "{kinds:?}");
    }
}
