//! Schedules: from one seed one world, one order of events, and what became of the laws.
//!
//! Chance is weighted: each run gives every kind of action a weight of its own, so that some runs crash all
//! the time and others never, some deliver late and others at once. Chaos first; then faults stop, clients
//! repeat themselves until they are answered, and everything must come to rest.

use std::collections::BTreeMap;

use super::{
    auditor::{Auditor, EDGES_MOST, Violation},
    canary::{Canary, Secrets},
    decider::Decider,
    heal,
    random::Random,
    rule::Rule,
    target::{Etag, Profile, Resource, Target},
    workload::{Ask, Intent, Kind, Subject},
    world::{Action, Budget, Event, Fate, Numbering, Setup, World},
};

/// Which worlds are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worlds {
    /// The rule that the worlds are made to need: its faults are likely in them.
    pub about: Option<Rule>,
    /// That rule is switched off.
    pub off: bool,
    /// Several gateways share the ledger and leases may lapse. The host that ships opens its ledger in one
    /// process and cannot be such a world: what is found here bears on a ledger that is shared.
    pub shared: bool,
    /// The target; none: one that the seed draws.
    pub profile: Option<Profile>,
}

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// How many actions there were.
    pub steps: u32,
    /// The law that does not hold.
    pub violation: Option<Violation>,
}

/// Runs the schedule of a seed. `trace` is told every action and every event.
pub fn run(
    seed: u64,
    worlds: Worlds,
    core: &mut Decider,
    trace: &mut dyn FnMut(&World, Action, &[Event]),
) -> Outcome {
    let mut random = Random::new(seed);
    let world = make(&mut random, worlds);
    let auditor = Auditor::new(&world);
    core.canary = world.setup.secrets.as_ref().map(Canary::new);
    let weights = Weights::draw(&mut random, worlds.about);
    let mut drive = Drive { world, auditor, random, core, trace, steps: 0, actions: Vec::new() };
    let violation = drive.all(&weights).err();
    Outcome { steps: drive.steps, violation }
}

/// What it took to find out that a rule is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Power {
    /// How many schedules there were until the first that shows it.
    pub first: u64,
    /// How many there were in all.
    pub schedules: u64,
    /// How many of them break one of the rule's laws without it.
    pub without: u64,
    /// How many of them break one of these laws with it.
    pub with: u64,
}

/// Runs each seed with and without a rule until it is clear that its absence breaks its laws: no law is
/// broken as often with it. None if `most` schedules do not show it.
pub fn power(rule: Rule, shared: bool, most: u64, core: &mut Decider) -> Option<Power> {
    let mut power = Power::default();
    for seed in 0..most {
        power.schedules += 1;
        let mut breaks = |off| {
            let worlds = Worlds { about: Some(rule), off, shared, profile: None };
            let outcome = run(seed, worlds, core, &mut |_, _, _| {});
            outcome.violation.is_some_and(|found| rule.kept_by().contains(&found.law))
        };
        let (with, without) = (breaks(false), breaks(true));
        power.with += u64::from(with);
        power.without += u64::from(without);
        if power.first == 0 && without && !with {
            power.first = power.schedules;
        }
        if 3 + 3 * power.with <= power.without {
            return Some(power);
        }
    }
    None
}

/// The world of a seed before anything has happened, for people to read.
#[must_use]
pub fn world(seed: u64, worlds: Worlds) -> World {
    make(&mut Random::new(seed), worlds)
}

struct Drive<'a> {
    world: World,
    auditor: Auditor,
    random: Random,
    core: &'a mut Decider,
    trace: &'a mut dyn FnMut(&World, Action, &[Event]),
    steps: u32,
    actions: Vec<Action>,
}

impl Drive<'_> {
    fn all(&mut self, weights: &Weights) -> Result<(), Violation> {
        let length = 20 + self.random.below(180);
        for _ in 0..length {
            self.world.enabled(&TIME, &mut self.actions);
            let Some(action) = weights.choose(&self.actions, &mut self.random) else { break };
            self.act(action)?;
        }
        self.heal()?;
        self.auditor.at_the_end(&self.world)?;
        self.repeat()
    }

    fn act(&mut self, action: Action) -> Result<(), Violation> {
        self.steps += 1;
        self.world.act(action, self.core);
        let events = std::mem::take(&mut self.world.events);
        (self.trace)(&self.world, action, &events);
        if let Some(detail) = self.core.canary.as_mut().and_then(Canary::found) {
            return Err(Violation { law: "no-secret-is-seen", detail });
        }
        self.auditor.see(&self.world, &events)
    }

    /// Faults stop; everybody goes on until nothing is left to be done.
    fn heal(&mut self) -> Result<(), Violation> {
        self.world.budget = Budget::default();
        let (mut idle, mut spoken) = (0, 0);
        for _ in 0..HEAL_STEPS_MOST {
            if heal::settled(&self.world) {
                idle += 1;
                // What is parked is looked at again twice before it is believed to stay so.
                if idle == 3 || self.world.next_wake().is_none() {
                    let Some(action) = heal::operates(&self.world, spoken) else { return Ok(()) };
                    if spoken == heal::WORDS_MOST {
                        break;
                    }
                    (idle, spoken) = (0, spoken + 1);
                    self.act(action)?;
                    continue;
                }
                self.act(Action::Wake)?;
                continue;
            }
            self.world.enabled(&[], &mut self.actions);
            let heals =
                self.actions.iter().copied().filter(|action| heal::heals(&self.world, *action));
            let heals: Vec<Action> = heals.collect();
            let wake = self.actions.contains(&Action::Wake);
            let action = match (heals.is_empty(), wake) {
                (false, _) => self.random.one_of(&heals),
                (true, true) => Action::Wake,
                (true, false) => break,
            };
            self.act(action)?;
        }
        Err(heal::stuck(&self.world, &self.auditor))
    }

    /// Every wish with a key is asked once more: it must be answered as before, and nothing may be sent.
    fn repeat(&mut self) -> Result<(), Violation> {
        let repeats = heal::repeats(&self.world);
        if repeats.is_empty() {
            return Ok(());
        }
        self.auditor.rest();
        if let Some(client) = self.world.clients.first_mut() {
            client.wishes.extend(repeats);
        }
        self.heal()
    }
}

/// How likely each kind of action is in a run.
#[derive(Clone, Debug)]
struct Weights([usize; KINDS]);

impl Weights {
    fn draw(random: &mut Random, about: Option<Rule>) -> Self {
        const SCALE: [usize; 6] = [1, 1, 3, 10, 30, 100];
        let mut weights = Self([0; KINDS].map(|_| random.one_of(&SCALE)));
        // Time that passes at random drowns everything else.
        for action in [Action::Pass(0), Action::Wake] {
            weights.set(action, random.one_of(&[0, 1, 1, 3, 10]).max(1));
        }
        if about == Some(Rule::Watch) {
            // A call of which nobody hears lands late, after what passes it: by chance alone that comes too seldom.
            let call = |fate| Action::Call(0, fate);
            let often = [Action::Send(0), Action::Deliver(0, 0), Action::Reply(0), call(Fate::Cut)];
            for often in (0..4).map(Action::Step).chain(often) {
                weights.set(often, 100);
            }
            let rare = [Action::TimeOut(0), Action::Crash(0), Action::Pass(0), Action::Scan(0, 0)];
            for rare in rare.into_iter().chain([call(Fate::Land), call(Fate::Vanish)]) {
                weights.set(rare, 1);
            }
        }
        weights
    }

    /// Of all actions of this kind.
    fn set(&mut self, action: Action, weight: usize) {
        if let Some(of) = self.0.get_mut(kind(action)) {
            *of = weight;
        }
    }

    fn choose(&self, actions: &[Action], random: &mut Random) -> Option<Action> {
        let weight = |action: &Action| self.0.get(kind(*action)).copied().unwrap_or(1);
        let sum: usize = actions.iter().map(weight).sum();
        let mut at = random.below(sum);
        for action in actions {
            let weight = weight(action);
            if at < weight {
                return Some(*action);
            }
            at -= weight;
        }
        None
    }
}

fn kind(action: Action) -> usize {
    match action {
        Action::Send(_) => 0,
        Action::LookUp(_) => 1,
        Action::TimeOut(_) => 2,
        Action::MoveOn(_) => 3,
        Action::Deliver(..) => 4,
        Action::Duplicate(..) => 5,
        Action::Lose(_) => 6,
        // Runs have weights of their own: some work is slow throughout.
        Action::Step(run) => 7 + usize::try_from(run % 4).unwrap_or(0),
        Action::Blind(_) => 11,
        Action::Reply(_) => 12,
        Action::Unheard(_) => 13,
        Action::CatchUp => 14,
        Action::Wake => 15,
        Action::Pass(_) => 16,
        Action::Crash(_) => 17,
        Action::Expire(..) => 18,
        Action::Scan(..) => 19,
        // An operator is never drawn: they speak once everything is at rest.
        Action::Forget | Action::Operate(_) => 20,
        Action::Call(_, fate) => match fate {
            Fate::Complete => 21,
            Fate::Land => 22,
            Fate::Receive => 23,
            Fate::Cut => 24,
            Fate::Vanish => 25,
            Fate::Refuse(_) => 26,
            Fate::Break(_) => 27,
            Fate::Lie => 28,
            Fate::NotSent => 29,
        },
    }
}

fn make(random: &mut Random, worlds: Worlds) -> World {
    use Rule as R;
    let about = worlds.about;
    let off = about.filter(|_| worlds.off);
    let is = |rules: &[Rule]| about.is_some_and(|about| rules.contains(&about));
    let unbounded = off == Some(R::BoundedCalls);
    let slow = is(&[R::WaitForCalls, R::WaitForSearch, R::BoundedCalls, R::PredecessorFirst]);
    let lagging = is(&[R::WaitForSearch, R::RememberId, R::IntentFirst, R::LookFirst]);
    let crosses = is(&[R::Watch, R::SafeWay]);
    let stacking = is(&[R::LookFirst, R::IntentFirst]);
    let profile = Profile {
        unique: random.once_in(3) && !lagging && !is(&[R::Lease, R::Arbitration]),
        unique_declared: random.once_in(2),
        deactivates: random.once_in(3),
        etag: random.one_of(&[Etag::None, Etag::None, Etag::Monotonic, Etag::Content]),
        stacks: random.once_in(2) || stacking,
        add_replaces: random.once_in(10),
        drops_title: random.once_in(8),
        refuses_filters: random.once_in(8),
        refuses_lists: random.once_in(8) && !slow,
        lags: random.once_in(2) || lagging,
        late: random.once_in(2) || slow || crosses,
        unbounded,
    };
    let profile = worlds.profile.map_or(profile, |profile| Profile { unbounded, ..profile });
    let subjects = subjects(random);
    let mut store = BTreeMap::new();
    for (position, subject) in subjects.iter().enumerate() {
        if random.once_in(3) || crosses {
            let id = u32::try_from(position).unwrap_or(0) + 1;
            store.insert(id, existing(*subject, random));
        }
    }
    let mut intents = intents(&subjects, random);
    if crosses {
        intents.truncate(2);
        intents.extend(crossing(&mut store));
    }
    let policy = random.one_of(&[
        "{}",
        "{}",
        "{}",
        "{}",
        "{\"replay-window-seconds\":0}",
        "{\"adopt\":\"matching\"}",
        "{\"adopt\":\"equal\"}",
        "{\"on-unknown\":\"retry-and-converge\"}",
    ]);
    let gateways = if worlds.shared { 2 + random.below(2) } else { 1 };
    let salt = random.bits();
    if about == Some(R::Versions) || about.is_none() && salt & 2 == 2 {
        number(&mut intents);
    }
    // Chance of their own, so that nothing else is drawn otherwise.
    let mut apart = Random::new(salt);
    let secrets = Secrets::draw(&mut apart);
    let states = is(&[R::Lift]) || about.is_none() && salt & 4 == 4;
    if states {
        state_passwords(&mut intents, &mut apart);
    }
    let some = |random: &mut Random| u8::try_from(random.below(4)).unwrap_or(0);
    let often = |wanted: bool, random: &mut Random| if wanted { 3 } else { some(random) };
    let lies = random.once_in(4) || is(&[R::ReadBack]);
    let budget = Budget {
        crashes: often(is(&[R::IntentFirst, R::CommitFirst]), random),
        expiries: some(random),
        network: some(random),
        calls: often(slow || crosses || is(&[R::LookFirst, R::NoZombie]), random),
        refusals: if random.once_in(2) || slow { 0 } else { some(random) },
        lies: u8::from(lies),
        looks: if random.once_in(2) || slow { 0 } else { some(random) },
        forgets: 2,
    };
    let setup = Setup {
        profile,
        policy: policy.into(),
        intents,
        gateways,
        off,
        salt,
        numbering: Numbering::Counted,
        operated: salt & 1 == 1,
        secrets: Some(secrets),
    };
    let mut target = Target::new(store);
    if states && setup.secrets.as_ref().is_some_and(|secrets| secrets.shown) {
        target.show_passwords();
    }
    World::new(setup, target, budget)
}

fn subjects(random: &mut Random) -> Vec<Subject> {
    let user = |number| Subject { kind: Kind::User, number };
    let group = Subject { kind: Kind::Group, number: 0 };
    match random.below(8) {
        0 => vec![group],
        1 => vec![user(0), user(1)],
        2 => vec![user(0), group],
        _ => vec![user(0)],
    }
}

fn existing(subject: Subject, random: &mut Random) -> Resource {
    let user = subject.kind == Kind::User;
    Resource {
        subject,
        external: !user || random.once_in(2),
        title: if user { u8::try_from(random.below(2)).unwrap_or(0) } else { 0 },
        active: user.then_some(true),
        edges: if random.once_in(2) { vec![1] } else { Vec::new() },
        version: 1,
    }
}

fn intents(subjects: &[Subject], random: &mut Random) -> Vec<Intent> {
    let count = 1 + random.below(5);
    let clients = 1 + random.below(3);
    let external = !random.once_in(4);
    let mut intents = Vec::new();
    // Runs that ask the same few things meet each other more often.
    let edge = 1 + u8::try_from(random.below(2)).unwrap_or(0);
    assert!(edge <= EDGES_MOST, "the auditor looks at all edges");
    for number in 0..count {
        let subject = random.one_of(subjects);
        let small = |random: &mut Random| 1 + u8::try_from(random.below(2)).unwrap_or(0);
        let ask = match random.below(10) {
            0..=3 => Ask::Create {
                title: if random.once_in(2) { 0 } else { 1 },
                external: if random.once_in(10) { !external } else { external },
            },
            4 | 5 => Ask::Delete,
            6 if subject.kind == Kind::User => Ask::Switch(random.once_in(2)),
            7 if subject.kind == Kind::User => Ask::Title(small(random)),
            8 if subject.kind == Kind::User && external => {
                Ask::Put { title: small(random), active: random.once_in(2) }
            }
            9 | 8 => Ask::Grant(edge),
            _ => Ask::Revoke(edge),
        };
        let own = u8::try_from(number).unwrap_or(0);
        let key = if random.once_in(2) { None } else { Some(own) };
        // Sometimes a client uses a key twice.
        let key = key.map(|key| if random.once_in(20) { key.saturating_sub(1) } else { key });
        let client = random.below(clients);
        intents.push(Intent { subject, ask, key, version: None, password: None, client });
    }
    // Clients without a wish are none.
    let mut used: Vec<usize> = intents.iter().map(|intent| intent.client).collect();
    used.sort_unstable();
    used.dedup();
    for intent in &mut intents {
        intent.client = used.iter().position(|client| *client == intent.client).unwrap_or(0);
    }
    intents
}

/// A source numbers what it asks of each resource, and its clients deliver in an order of their own. What it asks twice
/// is a duplicate.
fn number(intents: &mut [Intent]) {
    let asked: Vec<(Subject, Ask)> =
        intents.iter().map(|intent| (intent.subject, intent.ask)).collect();
    for intent in intents {
        let first = asked.iter().position(|one| *one == (intent.subject, intent.ask));
        intent.version = first.and_then(|first| u64::try_from(first).ok());
    }
}

/// What can state a password mostly does: one of two.
fn state_passwords(intents: &mut [Intent], random: &mut Random) {
    for intent in intents.iter_mut().filter(|intent| intent.has_room_for_a_password()) {
        intent.password = random.one_of(&[None, Some(0), Some(0), Some(1)]);
    }
}

/// Two clients, of whom one gives what the other finds taken away: one may pass the other (S14c).
fn crossing(store: &mut BTreeMap<u32, Resource>) -> Vec<Intent> {
    let mut users = store.values_mut().filter(|resource| resource.subject.kind == Kind::User);
    let Some(user) = users.next() else { return Vec::new() };
    user.active = Some(false);
    let subject = user.subject;
    let asks = [Ask::Switch(true), Ask::Switch(false)].into_iter().enumerate();
    let intent =
        |(client, ask)| Intent { subject, ask, key: None, version: None, password: None, client };
    asks.map(intent).collect()
}

/// How far time may pass at once: from less than a queue's patience to more than the replay window.
const TIME: [u32; 5] = [100, 600, 2_500, 16_000, 130_000];

/// The kinds of action.
const KINDS: usize = 30;

/// More steps than any world that comes to rest has needed.
const HEAL_STEPS_MOST: u32 = 6_000;
