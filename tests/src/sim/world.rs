//! A simulated world: clients, a network, gateways, one ledger, one target, one clock, and what can happen next.
//!
//! It is a state machine: [`World::enabled`] lists the actions that may come next, [`World::act`] does one.
//! Nothing is left to chance here; who chooses the next action is the scheduler or the model checker.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    rc::Rc,
};

use replaysafe_core::types::{
    Answer, Effect, Entry, Field, Outcome, Question, Report, Settings, Tag, TargetAnswer,
    UnixMillis, Verdict,
};

mod matters;
mod numbers;

pub use numbers::Numbering;

use super::{
    canary::Secrets,
    decider::Decider,
    gateway::{At, Run},
    ledger::{Leases, Ledger, Refusal, Written},
    rule::Rule,
    shared::Shared,
    target::{self, APPLY_BOUND_MS, Change, Profile, Target},
    workload::{Intent, Subject},
};

/// What does not change in a world.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The target's behaviour.
    pub profile: Profile,
    /// The policy document.
    pub policy: String,
    /// What clients want.
    pub intents: Vec<Intent>,
    /// How many gateways share the ledger. The host that ships opens its ledger in one process: more than one stands for a ledger with leases that lapse.
    pub gateways: usize,
    /// The rule that is switched off.
    pub off: Option<Rule>,
    /// Of this the ids are made that a host draws at random.
    pub salt: u64,
    /// How what is made gets its number.
    pub numbering: Numbering,
    /// Once everything is at rest an operator sees to what is parked.
    pub operated: bool,
    /// What clients keep secret, where that is looked for.
    pub secrets: Option<Secrets>,
}

impl Setup {
    /// Whether this rule is switched off.
    #[must_use]
    pub fn lacks(&self, rule: Rule) -> bool {
        self.off == Some(rule)
    }

    /// Whether a wish states a password.
    #[must_use]
    pub fn states_passwords(&self) -> bool {
        self.intents.iter().any(|intent| intent.password.is_some())
    }

    /// An id as a host draws it: its place in the order of ids is chance.
    #[must_use]
    pub fn id(&self, prefix: &str, number: u32) -> String {
        let mut random = super::random::Random::new(self.salt ^ u64::from(number));
        format!("{prefix}{:04x}{}", random.below(0x1_0000), Self::suffix(number))
    }

    /// By what an id of this number is known.
    fn suffix(number: u32) -> String {
        format!("-{number}")
    }
}

/// How many faults may yet strike, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// A gateway crashes.
    pub crashes: u8,
    /// A lease lapses although its holder lives.
    pub expiries: u8,
    /// A message between client and gateway is lost, or comes twice.
    pub network: u8,
    /// An answer of the target is lost, or a call on its way to it.
    pub calls: u8,
    /// The target refuses although it could do it.
    pub refusals: u8,
    /// The target says that it did, and did not.
    pub lies: u8,
    /// A look fails.
    pub looks: u8,
    /// A janitor forgets what was settled (only where [`Rule::NeverForget`] is off).
    pub forgets: u8,
}

/// What can happen to a call on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It takes effect, and the answer arrives.
    Complete,
    /// It takes effect; the answer is on its way.
    Land,
    /// The answer arrives.
    Receive,
    /// The connection breaks: whoever waits hears nothing, the call goes on.
    Cut,
    /// It never takes effect.
    Vanish,
    /// It takes no effect, and the target says so with this status.
    Refuse(u16),
    /// It takes effect, and the target answers with this status.
    Break(u16),
    /// It takes no effect, and the target says that it did.
    Lie,
    /// No byte of it was written.
    NotSent,
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A client sends its next request, or the same again.
    Send(usize),
    /// A client looks its subject up at the target.
    LookUp(usize),
    /// A client hears nothing for so long that it will send the same again.
    TimeOut(usize),
    /// A client turns to its next wish, and comes back to this one later.
    MoveOn(usize),
    /// A request arrives at a gateway.
    Deliver(u32, usize),
    /// A request arrives at a gateway and will arrive once more.
    Duplicate(u32, usize),
    /// A request is lost.
    Lose(u32),
    /// A request's work goes on to its next point of waiting.
    Step(u32),
    /// Like `Step`, and the look that it makes fails.
    Blind(u32),
    /// A call's fate.
    Call(u32, Fate),
    /// An answer reaches its client.
    Reply(u32),
    /// An answer is lost.
    Unheard(u32),
    /// The target's search catches up with one change.
    CatchUp,
    /// Time passes until somebody waits no longer.
    Wake,
    /// Time passes.
    Pass(u32),
    /// A gateway crashes and is started again.
    Crash(usize),
    /// A lease lapses although its holder lives.
    Expire(u32, u64),
    /// A gateway takes up what is due.
    Scan(usize, u32),
    /// What was settled is forgotten.
    Forget,
    /// An operator says what each parked entry has made: at first the one resource that is there.
    Operate(bool),
}

/// A request on its way to a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Of which wish.
    pub intent: usize,
    /// Which sending of it: who waits for the answer knows it by this.
    pub number: u32,
}

/// A client: it sends its wishes one after the other, and each until it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// What is not answered yet, in order.
    pub wishes: VecDeque<usize>,
    /// The message that it waits for an answer to.
    pub waiting: Option<u32>,
    /// It does not send before.
    pub not_before: UnixMillis,
    /// How often the first wish was sent.
    pub tries: u32,
}

/// A call on its way to the target, or its answer on the way back.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which one.
    pub number: u32,
    /// Who waits for the answer.
    pub run: Option<u32>,
    /// Of which entry.
    pub entry: String,
    /// What is to be done.
    pub effect: Rc<Effect>,
    /// The bytes.
    pub body: Rc<str>,
    /// When it was sent.
    pub sent_at: UnixMillis,
    /// It takes effect before this time or never.
    pub until: UnixMillis,
    /// The answer, once it has taken effect.
    pub answer: Option<TargetAnswer>,
}

/// What an auditor may see of an action.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request has arrived.
    Arrived {
        /// The work on it.
        run: u32,
        /// Of which wish.
        intent: usize,
    },
    /// A question was answered, or not.
    Looked {
        /// For which work.
        run: u32,
        /// The question.
        question: Question,
        /// It was answered.
        answered: bool,
    },
    /// An operator has seen all that the target has.
    Oversaw {
        /// For which work.
        run: u32,
    },
    /// The ledger was written.
    Wrote {
        /// By which work.
        run: u32,
        /// The entry as it is now.
        entry: Rc<Entry>,
        /// What changed.
        written: Written,
        /// What is told when it has been written.
        answer: Option<Rc<Answer>>,
    },
    /// The ledger refused a write.
    Refused {
        /// Of which work.
        run: u32,
        /// Why.
        refusal: Refusal,
    },
    /// A call has left.
    Sent {
        /// Which one.
        call: u32,
        /// By which work.
        run: u32,
        /// Of which entry.
        entry: String,
        /// What is to be done.
        effect: Rc<Effect>,
    },
    /// A call has reached the target.
    Landed {
        /// Which one.
        call: u32,
        /// Of which entry.
        entry: String,
        /// What became of it.
        change: Change,
        /// What it said.
        body: Rc<str>,
    },
    /// What the sender was told of its call.
    Heard {
        /// Of which call.
        call: u32,
        /// Its status; none: nothing was heard, 0: no byte was written.
        status: Option<u16>,
    },
    /// A request has its answer.
    Answered {
        /// The work on it.
        run: u32,
        /// Of which wish.
        intent: usize,
        /// The answer.
        answer: Rc<Answer>,
    },
    /// The core broke its contract, or a request came to no end.
    Broken {
        /// Of which work.
        run: u32,
        /// How.
        how: String,
    },
}

/// Everything there is.
#[derive(Clone, Debug)]
pub struct World {
    /// What does not change.
    pub setup: Rc<Setup>,
    /// The time.
    pub now: UnixMillis,
    /// The ledger.
    pub ledger: Shared<Ledger>,
    /// Who works on which names.
    pub leases: Shared<Leases>,
    /// The target.
    pub target: Shared<Target>,
    /// Until when a gateway takes the clients' credential for accepted (S1).
    pub accepted_until: Vec<UnixMillis>,
    /// When a gateway took up an entry that was due.
    pub scanned: BTreeMap<(usize, String), UnixMillis>,
    /// Work under way.
    pub runs: BTreeMap<u32, Run>,
    /// The clients.
    pub clients: Vec<Client>,
    /// Requests on their way.
    pub messages: Vec<Message>,
    /// Calls on their way.
    pub calls: Vec<Call>,
    /// The target's id of each subject, as clients know it.
    pub known: BTreeMap<Subject, u32>,
    /// The id for which a wish was first sent: its repeats are the same request.
    pub pinned: BTreeMap<usize, u32>,
    /// Statement and key of each wish that has arrived.
    pub asked: Shared<BTreeMap<(Tag, Option<Tag>), usize>>,
    /// What may yet go wrong.
    pub budget: Budget,
    /// What has happened since they were taken.
    pub events: Vec<Event>,
    /// The number of the next run, message or call, where they are counted.
    pub next: u32,
    /// How many calls each run has sent, where they are not.
    pub sent: BTreeMap<u32, u32>,
}

impl World {
    /// A world before anything has happened.
    #[must_use]
    pub fn new(setup: Setup, target: Target, budget: Budget) -> Self {
        let clients = setup.intents.iter().map(|intent| intent.client + 1).max().unwrap_or(0);
        let clients = (0..clients).map(|client| {
            let own = setup.intents.iter().enumerate().filter(|(_, one)| one.client == client);
            Client {
                wishes: own.map(|(number, _)| number).collect(),
                waiting: None,
                not_before: 0,
                tries: 0,
            }
        });
        Self {
            clients: clients.collect(),
            accepted_until: vec![0; setup.gateways],
            scanned: BTreeMap::new(),
            setup: Rc::new(setup),
            now: BEGIN,
            ledger: Shared::default(),
            leases: Shared::default(),
            target: Shared::new(target),
            runs: BTreeMap::new(),
            messages: Vec::new(),
            calls: Vec::new(),
            known: BTreeMap::new(),
            pinned: BTreeMap::new(),
            asked: Shared::default(),
            budget,
            events: Vec::new(),
            next: 1,
            sent: BTreeMap::new(),
        }
    }

    /// What may come next. `time`: how far time may pass at once, beside passing to the next wake-up.
    pub fn enabled(&self, time: &[u32], actions: &mut Vec<Action>) {
        actions.clear();
        self.client_actions(actions);
        for message in &self.messages {
            for gateway in 0..self.setup.gateways {
                actions.push(Action::Deliver(message.number, gateway));
                if 0 < self.budget.network {
                    actions.push(Action::Duplicate(message.number, gateway));
                }
            }
            if 0 < self.budget.network {
                actions.push(Action::Lose(message.number));
            }
        }
        for (number, run) in &self.runs {
            self.run_actions(*number, run, actions);
        }
        for call in &self.calls {
            self.call_actions(call, actions);
        }
        if self.target.index_due().is_some() {
            actions.push(Action::CatchUp);
        }
        for gateway in 0..self.setup.gateways {
            if 0 < self.budget.crashes && self.runs.values().any(|run| run.gateway == gateway) {
                actions.push(Action::Crash(gateway));
            }
            self.scan_actions(gateway, actions);
        }
        if 0 < self.budget.forgets && self.setup.lacks(Rule::NeverForget) {
            actions.push(Action::Forget);
        }
        let limit = self.limit();
        if self.next_wake().is_some_and(|wake| wake < limit) {
            actions.push(Action::Wake);
        }
        for passes in time {
            if self.now + UnixMillis::from(*passes) < limit {
                actions.push(Action::Pass(*passes));
            }
        }
    }

    fn client_actions(&self, actions: &mut Vec<Action>) {
        for (number, client) in self.clients.iter().enumerate() {
            if client.waiting.is_some() {
                actions.push(Action::TimeOut(number));
                continue;
            }
            let Some(wish) = client.wishes.front() else { continue };
            if self.now < client.not_before {
                continue;
            }
            if self.id_for(*wish).is_some() {
                actions.push(Action::Send(number));
            } else {
                actions.push(Action::LookUp(number));
            }
            if 1 < client.wishes.len() {
                actions.push(Action::MoveOn(number));
            }
        }
    }

    fn run_actions(&self, number: u32, run: &Run, actions: &mut Vec<Action>) {
        if matches!(run.at, At::Reply(_)) {
            actions.push(Action::Reply(number));
            if 0 < self.budget.network {
                actions.push(Action::Unheard(number));
            }
            return;
        }
        if run.ready(self) {
            actions.push(Action::Step(number));
            if 0 < self.budget.looks && matches!(run.at, At::Look { .. } | At::Prove) {
                actions.push(Action::Blind(number));
            }
        }
        if 0 < self.budget.expiries && 1 < self.setup.gateways {
            for ticket in &run.tickets {
                if self.leases.held(*ticket) {
                    actions.push(Action::Expire(number, *ticket));
                }
            }
        }
    }

    fn call_actions(&self, call: &Call, actions: &mut Vec<Action>) {
        let mut push = |fate| actions.push(Action::Call(call.number, fate));
        let waits = call.run.is_some();
        if call.answer.is_some() {
            push(Fate::Receive);
            if 0 < self.budget.calls {
                push(Fate::Cut);
            }
            return;
        }
        if !waits {
            push(Fate::Land);
            push(Fate::Vanish);
            return;
        }
        push(Fate::Complete);
        push(Fate::Land);
        if 0 < self.budget.calls {
            push(Fate::Vanish);
            push(Fate::NotSent);
            push(Fate::Break(500));
            push(Fate::Break(502));
            if self.setup.profile.late {
                push(Fate::Cut);
            }
        }
        if 0 < self.budget.refusals {
            for status in [400, 403, 500, 503] {
                push(Fate::Refuse(status));
            }
        }
        if 0 < self.budget.lies {
            push(Fate::Lie);
        }
    }

    fn scan_actions(&self, gateway: usize, actions: &mut Vec<Action>) {
        if self.is_scanning(gateway) || self.setup.lacks(Rule::Scan) {
            return;
        }
        for (position, entry) in self.ledger.entries.iter().enumerate() {
            let due = self.scans_from(gateway, entry).is_some_and(|from| from <= self.now);
            if due && !self.passed_over(entry) {
                actions.push(Action::Scan(gateway, u32::try_from(position).unwrap_or(0)));
            }
        }
    }

    /// Whether a gateway has taken up what is due, and has not come to an end with it.
    #[must_use]
    pub fn is_scanning(&self, gateway: usize) -> bool {
        self.runs.values().any(|run| run.gateway == gateway && run.message.is_none())
    }

    /// Without the watch, nobody looks after what was answered.
    #[must_use]
    pub fn passed_over(&self, entry: &Entry) -> bool {
        self.setup.lacks(Rule::Watch) && !entry.state.contains("\"receipt\":null")
    }

    /// Does what comes next.
    pub fn act(&mut self, action: Action, core: &mut Decider) {
        match action {
            Action::Send(client) => self.send(client),
            Action::LookUp(client) => self.look_up(client),
            Action::TimeOut(client) => {
                if let Some(client) = self.clients.get_mut(client) {
                    client.waiting = None;
                }
            }
            Action::MoveOn(client) => {
                if let Some(client) = self.clients.get_mut(client) {
                    client.wishes.rotate_left(1);
                    client.tries = 0;
                }
            }
            Action::Deliver(message, gateway) => self.deliver(message, gateway, false, core),
            Action::Duplicate(message, gateway) => {
                self.budget.network -= 1;
                self.deliver(message, gateway, true, core);
            }
            Action::Lose(message) => {
                self.budget.network -= 1;
                self.messages.retain(|one| one.number != message);
            }
            Action::Step(run) => self.step(run, false, core),
            Action::Blind(run) => {
                self.budget.looks -= 1;
                self.step(run, true, core);
            }
            Action::Call(call, fate) => self.call(call, fate),
            Action::Reply(run) => self.reply(run, true),
            Action::Unheard(run) => {
                self.budget.network -= 1;
                self.reply(run, false);
            }
            Action::CatchUp => self.target.change().catch_up(),
            Action::Wake => self.now = self.next_wake().unwrap_or(self.now),
            Action::Pass(passes) => self.now += UnixMillis::from(passes),
            Action::Crash(gateway) => {
                self.crash(gateway);
                if let Some(witness) = &mut core.witness {
                    witness.crashed();
                }
            }
            Action::Expire(_, ticket) => {
                self.budget.expiries -= 1;
                self.leases.change().leave(ticket);
            }
            Action::Scan(gateway, position) => self.scan(gateway, position, core),
            Action::Operate(first) => self.operate(first, core),
            Action::Forget => {
                self.budget.forgets -= 1;
                self.ledger.change().forget();
            }
        }
    }

    // ---- clients ------------------------------------------------------------------------------

    /// The id for a wish: `Some(None)` for a create, none where it is not known.
    fn id_for(&self, wish: usize) -> Option<Option<u32>> {
        let intent = self.setup.intents.get(wish)?;
        if intent.ask.creates() {
            return Some(None);
        }
        let known = self.pinned.get(&wish).or_else(|| self.known.get(&intent.subject));
        known.map(|id| Some(*id))
    }

    fn send(&mut self, number: usize) {
        let Some(client) = self.clients.get(number) else { return };
        let Some(wish) = client.wishes.front().copied() else { return };
        let Some(id) = self.id_for(wish) else { return };
        if let Some(id) = id {
            self.pinned.entry(wish).or_insert(id);
        }
        let message = self.number(Some(wish), None);
        self.messages.push(Message { intent: wish, number: message });
        if let Some(client) = self.clients.get_mut(number) {
            client.waiting = Some(message);
            client.tries += 1;
        }
    }

    /// A client finds the id by a search of its own; where there is nothing, the wish is given up.
    fn look_up(&mut self, number: usize) {
        let Some(wish) = self.clients.get(number).and_then(|one| one.wishes.front().copied())
        else {
            return;
        };
        let Some(subject) = self.setup.intents.get(wish).map(|intent| intent.subject) else {
            return;
        };
        if let Some(id) = self.target.shown(subject) {
            self.known.insert(subject, id);
        } else if let Some(client) = self.clients.get_mut(number) {
            client.wishes.pop_front();
            let creates = |wish: &usize| {
                self.setup
                    .intents
                    .get(*wish)
                    .is_some_and(|one| one.subject == subject && one.ask.creates())
            };
            // Somebody is still going to create it: it is asked for later.
            if client.wishes.iter().any(creates) {
                client.wishes.push_back(wish);
            }
        }
    }

    fn deliver(&mut self, number: u32, gateway: usize, again: bool, core: &mut Decider) {
        let Some(at) = self.messages.iter().position(|one| one.number == number) else { return };
        let Some(message) = self.messages.get(at).cloned() else { return };
        if !again {
            self.messages.remove(at);
        }
        self.arrive(&message, gateway, core);
    }

    fn reply(&mut self, number: u32, heard: bool) {
        let Some(mut run) = self.runs.remove(&number) else { return };
        let At::Reply(answer) = std::mem::replace(&mut run.at, At::Begin) else { return };
        let Some(message) = run.message.clone() else { return };
        let intent = message.intent;
        self.events.push(Event::Answered { run: number, intent, answer: Rc::clone(&answer) });
        if heard {
            self.hear(&message, &answer);
        }
        if run.unwritten.is_some() {
            run.at = At::WriteLate;
            self.runs.insert(number, run);
            return;
        }
        self.release(&mut run);
    }

    fn hear(&mut self, message: &Message, answer: &Answer) {
        let waits = |client: &&mut Client| client.waiting == Some(message.number);
        let now = self.now;
        let Some(client) = self.clients.iter_mut().find(waits) else { return };
        client.waiting = None;
        if !is_final(answer) {
            let seconds = UnixMillis::from(answer.retry_after.unwrap_or(1).max(1));
            client.not_before = now + seconds * 1_000;
            return;
        }
        client.wishes.retain(|wish| *wish != message.intent);
        client.tries = 0;
        client.not_before = now;
        let body = answer.target.as_ref().and_then(|target| target.body.as_deref());
        let Some(intent) = self.setup.intents.get(message.intent) else { return };
        if !intent.ask.creates() || !is_success(answer.verdict) {
            return;
        }
        let id = body.and_then(|body| {
            let body: serde_json::Value = serde_json::from_str(body).ok()?;
            target::number(body["id"].as_str()?)
        });
        if let Some(id) = id {
            self.known.insert(intent.subject, id);
        }
    }

    // ---- calls --------------------------------------------------------------------------------

    fn call(&mut self, number: u32, fate: Fate) {
        let Some(at) = self.calls.iter().position(|call| call.number == number) else { return };
        let mut call = self.calls.remove(at);
        match fate {
            Fate::Complete => {
                let answer = self.land(&call);
                self.hear_outcome(&call, Outcome::Answered(answer));
            }
            Fate::Land => {
                let answer = self.land(&call);
                if call.run.is_some() {
                    call.answer = Some(answer);
                    self.calls.push(call);
                }
            }
            Fate::Receive => {
                let answer = call.answer.take().unwrap_or_else(|| target::bare(500, None));
                self.hear_outcome(&call, Outcome::Answered(answer));
            }
            Fate::Cut => {
                self.budget.calls -= 1;
                self.hear_outcome(&call, Outcome::Unknown("cut".into()));
                if call.answer.is_none() {
                    self.calls.push(Call { run: None, ..call });
                }
            }
            Fate::Vanish => {
                if call.run.is_some() {
                    self.budget.calls -= 1;
                    self.hear_outcome(&call, Outcome::Unknown("vanished".into()));
                }
            }
            Fate::Refuse(status) => {
                self.budget.refusals -= 1;
                let retry_after = (status == 503).then_some(1);
                let answer = target::bare(status, retry_after);
                self.hear_outcome(&call, Outcome::Answered(answer));
            }
            Fate::Break(status) => {
                self.budget.calls -= 1;
                self.land(&call);
                self.hear_outcome(&call, Outcome::Answered(target::bare(status, None)));
            }
            Fate::Lie => {
                self.budget.lies -= 1;
                let setup = Rc::clone(&self.setup);
                let Setup { profile, .. } = &*setup;
                let answer =
                    target::pretend(self.target.change(), &call.effect, &call.body, profile);
                self.hear_outcome(&call, Outcome::Answered(answer));
            }
            Fate::NotSent => {
                self.budget.calls -= 1;
                self.hear_outcome(&call, Outcome::NotSent("refused".into()));
            }
        }
    }

    fn land(&mut self, call: &Call) -> TargetAnswer {
        let setup = Rc::clone(&self.setup);
        let target = self.target.change();
        let (answer, change) = target.make(&call.effect, &call.body, self.now, &setup.profile);
        let (entry, body) = (call.entry.clone(), Rc::clone(&call.body));
        self.events.push(Event::Landed { call: call.number, entry, change, body });
        answer
    }

    /// Whoever sent the call is told what became of it.
    fn hear_outcome(&mut self, call: &Call, outcome: Outcome) {
        let status = match &outcome {
            Outcome::Answered(answer) => Some(answer.status),
            Outcome::NotSent(_) => Some(0),
            Outcome::Unknown(_) => None,
        };
        self.events.push(Event::Heard { call: call.number, status });
        let Some(run) = call.run.and_then(|run| self.runs.get_mut(&run)) else { return };
        let unknown = matches!(outcome, Outcome::Unknown(_));
        if unknown && self.setup.lacks(Rule::LookFirst) && !run.resent {
            run.resent = true;
            run.at = At::Send(Effect::clone(&call.effect));
            return;
        }
        run.hear(Report { sent_at: call.sent_at, ended_at: self.now, outcome });
    }

    /// A run sends its effect.
    pub(super) fn send_call(&mut self, number: u32, run: &Run, effect: &Effect) -> At {
        let call = self.call_number(number);
        let entry = run.settling.as_ref().map(|settling| settling.entry.clone());
        let entry = entry.unwrap_or_default();
        let effect = Rc::new(effect.clone());
        let body: Rc<str> = run.bytes(&effect).into();
        // Where nothing comes late, a call has landed or is lost before anybody stops waiting for it.
        let bound = if self.setup.profile.late { APPLY_BOUND_MS } else { APPLY_BOUND_MS / 2 };
        let from = if self.setup.lacks(Rule::NoZombie) { self.now } else { run.recorded_at };
        let bounded = !self.setup.profile.unbounded;
        let until = if bounded { from + bound } else { UnixMillis::MAX };
        self.events.push(Event::Sent {
            call,
            run: number,
            entry: entry.clone(),
            effect: Rc::clone(&effect),
        });
        self.calls.push(Call {
            number: call,
            run: Some(number),
            entry,
            effect,
            body,
            sent_at: self.now,
            until,
            answer: None,
        });
        At::Await(call)
    }

    // ---- time and crashes ---------------------------------------------------------------------

    /// Time may pass up to here, and no further: what is bounded has to happen first.
    #[must_use]
    pub fn limit(&self) -> UnixMillis {
        let calls = self.calls.iter().filter(|call| call.answer.is_none()).map(|call| call.until);
        let zombies = self.setup.lacks(Rule::NoZombie) || self.setup.profile.unbounded;
        let sends = self
            .runs
            .values()
            .filter(|run| matches!(run.at, At::Send(_)) && !zombies)
            .map(|run| run.recorded_at + APPLY_BOUND_MS / 2);
        calls.chain(sends).chain(self.target.index_due()).min().unwrap_or(UnixMillis::MAX)
    }

    /// When somebody next waits no longer.
    #[must_use]
    pub fn next_wake(&self) -> Option<UnixMillis> {
        let runs = self.runs.values().filter_map(|run| run.wakes(self));
        let clients = self
            .clients
            .iter()
            .filter(|client| client.waiting.is_none() && !client.wishes.is_empty())
            .map(|client| client.not_before);
        let scans = |entry: &&Rc<Entry>| !self.passed_over(entry) && !self.setup.lacks(Rule::Scan);
        let due = self.ledger.entries.iter().filter(scans);
        let due = due.flat_map(|entry| {
            (0..self.setup.gateways).filter_map(|gateway| self.scans_from(gateway, entry))
        });
        runs.chain(clients).chain(due).filter(|at| self.now < *at).min()
    }

    fn crash(&mut self, gateway: usize) {
        self.budget.crashes -= 1;
        let dead: Vec<u32> = self
            .runs
            .iter()
            .filter(|(_, run)| run.gateway == gateway)
            .map(|(number, _)| *number)
            .collect();
        for number in dead {
            if let Some(mut run) = self.runs.remove(&number) {
                self.release(&mut run);
            }
            for call in self.calls.iter_mut().filter(|call| call.run == Some(number)) {
                call.run = None;
            }
            self.calls.retain(|call| call.run.is_some() || call.answer.is_none());
        }
        if !self.setup.profile.late {
            // What nobody waits for has either landed or is lost; both were possible before.
            self.calls.retain(|call| call.run.is_some());
        }
        if let Some(until) = self.accepted_until.get_mut(gateway) {
            *until = 0;
        }
        // Started again, it scans at once.
        self.scanned.retain(|(of, _), _| *of != gateway);
    }

    // ---- small things -------------------------------------------------------------------------

    pub(super) fn release(&mut self, run: &mut Run) {
        for ticket in run.tickets.drain(..) {
            self.leases.change().leave(ticket);
        }
    }

    /// Policy, schema and profile as a gateway reads them when a request arrives.
    pub(super) fn settings(&self) -> Settings {
        let Setup { profile, policy, .. } = &*self.setup;
        let field = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
        let mut fields = Vec::new();
        if profile.etag != target::Etag::None {
            fields.push(field("etag.supported", "true"));
        }
        if profile.unique && profile.unique_declared {
            fields.push(field("unique/User/userName", "server"));
        }
        if self.setup.lacks(Rule::WaitForCalls) {
            fields.push(field("apply-bound-ms", "0"));
        }
        if self.setup.lacks(Rule::WaitForSearch) {
            fields.push(field("search-lag-ms", "0"));
        }
        fields.extend(self.ledger.facts.iter().cloned());
        Settings { policy: policy.clone(), schema: "{}".into(), profile: fields }
    }

    /// Entries that have not ended.
    pub fn open(&self) -> impl Iterator<Item = &Rc<Entry>> {
        use replaysafe_core::types::Stage;
        let open = |entry: &&Rc<Entry>| matches!(entry.stage, Stage::Dispatched | Stage::Parked);
        self.ledger.entries.iter().filter(open)
    }
}

/// An answer after which a client does not ask again.
#[must_use]
pub fn is_final(answer: &Answer) -> bool {
    match answer.verdict {
        Verdict::InFlight | Verdict::Unresolved | Verdict::Unavailable | Verdict::Irrevocable => {
            false
        }
        Verdict::Refused => {
            let status = answer.target.as_ref().map_or(503, |target| target.status);
            !matches!(status, 401 | 403 | 429) && (status < 500 || status == 501)
        }
        _ => true,
    }
}

/// A verdict that says that what was asked is so.
#[must_use]
pub fn is_success(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Done
            | Verdict::AlreadySatisfied
            | Verdict::Adopted
            | Verdict::Reactivated
            | Verdict::AcceptedUnverified
            | Verdict::Opaque
    )
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrived { run, intent } => write!(f, "run {run}: wish {intent} has arrived"),
            Self::Looked { run, question, answered } => {
                write!(f, "run {run} looks at {question:?}")?;
                if *answered { Ok(()) } else { f.write_str(", and hears nothing") }
            }
            Self::Oversaw { run } => write!(f, "run {run} is an operator's, who sees all there is"),
            Self::Wrote { run, entry, written, answer } => {
                let Entry { id, identity, stage, wake_at, .. } = &**entry;
                write!(f, "run {run} writes {id}: {:?} -> {stage:?}", written.stage_before)?;
                write!(f, " of {identity:?}, wakes {wake_at:?}, fences {:?}", written.fences)?;
                match answer {
                    Some(answer) => write!(f, ", {}", brief(answer)),
                    None => Ok(()),
                }
            }
            Self::Refused { run, refusal } => write!(f, "run {run}: not written: {refusal:?}"),
            Self::Sent { call, run, entry, effect } => {
                let Effect { method, id, body, if_match, .. } = &**effect;
                write!(
                    f,
                    "run {run} sends call {call} of {entry}: {method:?} {id:?} {body:?} {if_match:?}"
                )
            }
            Self::Landed { call, entry, change, body: _ } => {
                let Change { id, before, after } = change;
                write!(f, "call {call} of {entry} lands on {id:?}: {before:?} -> {after:?}")
            }
            Self::Heard { call, status } => write!(f, "call {call} is heard of: {status:?}"),
            Self::Answered { run, intent, answer } => {
                write!(f, "run {run} answers wish {intent}: {}", brief(answer))
            }
            Self::Broken { run, how } => write!(f, "run {run} is broken: {how}"),
        }
    }
}

/// An answer in a few words.
fn brief(answer: &Answer) -> String {
    let Answer { verdict, decision, changed, replayed, diverged, evidence, .. } = answer;
    let status = answer.status.or(answer.target.as_ref().map(|target| target.status));
    format!(
        "{verdict:?} {status:?} as {decision}, changed {changed}, replayed {replayed}, diverged {diverged:?}, evidence {evidence:?} {:?}",
        answer.notes
    )
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Long after 1970, so that nothing counts from 0.
pub const BEGIN: UnixMillis = 1_000_000;
