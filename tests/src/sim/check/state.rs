//! One state of a scene: what may come next, and what becomes of it once faults stop.

use std::collections::BTreeSet;

use super::scene::{Scene, Spare};
use crate::sim::{
    auditor::{Auditor, Violation},
    decider::Decider,
    digest::{self, Digester, Digests},
    gateway::{At, DEADLINE_MS},
    heal,
    rule::Rule,
    world::{Action, Budget, Call, Event, Fate, World},
};
use replaysafe_core::types::{Entry, Stage};

/// The world, who watches it, and how often it may yet do what would never end.
#[derive(Clone, Debug)]
pub struct State {
    /// The world.
    pub world: World,
    /// Who watches it.
    pub auditor: Auditor,
    spare: Spare,
    /// When a gateway crashed last: what it had sent is lost then, or lands some time.
    crashed_at: Option<u64>,
    /// Of the scene.
    statuses: &'static [u16],
}

/// A law that does not hold, and how it came to that.
#[derive(Clone, Debug)]
pub struct Found {
    /// The law.
    pub violation: Violation,
    /// What happened before, from the beginning.
    pub actions: Vec<Action>,
    /// What happened once faults had stopped; none where it did not take that.
    pub healing: Vec<Action>,
}

/// What happened on the way.
pub type Trace<'a> = &'a mut dyn FnMut(&World, Action, &[Event]);

impl State {
    /// The beginning of a scene.
    #[must_use]
    pub fn begin(scene: &Scene, off: Option<Rule>) -> Self {
        let world = scene.world(off);
        let auditor = Auditor::new(&world);
        Self { world, auditor, spare: scene.spare, crashed_at: None, statuses: scene.statuses }
    }

    /// A digest of all that can still make a difference.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest_with(self.rest())
    }

    /// A digest of all that can still make a difference once faults have stopped.
    #[must_use]
    pub fn rest(&self) -> u128 {
        let mut to = Digester::default();
        self.world.matters(&mut to);
        self.auditor.matters(&self.world, &mut to);
        to.digest()
    }

    /// As [`State::digest`], of what [`State::rest`] has given.
    #[must_use]
    pub fn digest_with(&self, rest: u128) -> u128 {
        let crashed = self.crashed_at == Some(self.world.now);
        digest::of(&(rest, self.world.budget, self.spare, crashed))
    }

    /// Does one action.
    ///
    /// # Errors
    ///
    /// The first law that does not hold.
    pub fn act(
        &mut self,
        action: Action,
        core: &mut Decider,
        trace: Trace<'_>,
    ) -> Result<(), Violation> {
        match action {
            Action::TimeOut(client) if !heal::is_forgotten(&self.world, client) => {
                self.spare.repeats = self.spare.repeats.saturating_sub(1);
            }
            Action::Wake => match self.waking() {
                Waking::Free => {}
                Waking::Pauses => self.spare.pauses = self.spare.pauses.saturating_sub(1),
                Waking::GivesUp => {
                    self.world.budget.calls = self.world.budget.calls.saturating_sub(1);
                }
                Waking::LooksOn => self.spare.looks = self.spare.looks.saturating_sub(1),
            },
            Action::Crash(_) => self.crashed_at = Some(self.world.now),
            Action::Pass(_) => self.spare.passes = self.spare.passes.saturating_sub(1),
            _ => {}
        }
        self.world.act(action, core);
        let events = std::mem::take(&mut self.world.events);
        trace(&self.world, action, &events);
        self.auditor.see(&self.world, &events)
    }

    /// What comes next whatever else may: nobody can tell whether it came before or after the rest.
    #[must_use]
    pub fn forced(&self, core: &mut Decider, actions: &mut Vec<Action>) -> Option<Action> {
        let world = &self.world;
        for (number, run) in &world.runs {
            let late = matches!(run.at, At::Send(_)) && 0 < self.spare.pauses;
            if !late && run.steps_alone(world, core) {
                return Some(Action::Step(*number));
            }
        }
        world.enabled(&[], actions);
        let budget = &world.budget;
        actions.iter().copied().find(|action| match action {
            Action::Send(_) => true,
            Action::TimeOut(client) => heal::is_forgotten(world, *client),
            Action::Reply(_) => budget.network == 0 && budget.crashes == 0,
            _ => false,
        })
    }

    /// What may come next, where nothing is forced.
    pub fn choices(&self, actions: &mut Vec<Action>) {
        let world = &self.world;
        if heal::settled(world) {
            actions.clear();
            return;
        }
        let time: &[u32] = if 0 < self.spare.passes { &[PASSES_MS] } else { &[] };
        world.enabled(time, actions);
        if let Some(Action::Reply(run)) =
            actions.iter().copied().find(|action| matches!(action, Action::Reply(_)))
        {
            // Nothing is different after it but for who hears it.
            let gateway = world.runs.get(&run).map(|run| run.gateway);
            actions.retain(|action| match action {
                Action::Reply(one) | Action::Unheard(one) => *one == run,
                Action::Crash(one) => Some(*one) == gateway,
                _ => false,
            });
            return;
        }
        let waking = self.waking();
        let crashed = self.crashed_at == Some(world.now);
        actions.retain(|action| match action {
            Action::MoveOn(_) => false,
            Action::TimeOut(_) => 0 < self.spare.repeats,
            Action::Deliver(_, gateway) | Action::Duplicate(_, gateway) => {
                *gateway == 0 || self.has_worked(gateway - 1)
            }
            // It takes effect and is heard of: one after the other.
            Action::Call(_, Fate::Complete) => false,
            Action::Call(_, Fate::Refuse(status) | Fate::Break(status)) => {
                self.statuses.contains(status)
            }
            // Whoever sent it hears that it is lost; what it has cut off lands.
            Action::Call(call, Fate::Vanish) => {
                crashed || world.calls.iter().any(|one| one.number == *call && one.run.is_some())
            }
            Action::Wake => match waking {
                Waking::Free => true,
                Waking::Pauses => 0 < self.spare.pauses,
                Waking::GivesUp => 0 < world.budget.calls,
                Waking::LooksOn => 0 < self.spare.looks,
            },
            Action::Scan(_, position) => !self.is_worked_on(*position),
            Action::Pass(_) => {
                world.calls.is_empty() && (waking == Waking::Free || waking == Waking::LooksOn)
            }
            _ => true,
        });
    }

    /// Where among these choices stands one that takes no fault and no pause: what comes to rest after it comes to
    /// rest before it, too.
    #[must_use]
    pub fn undisturbed(&self, choices: &[Action]) -> Option<usize> {
        let world = &self.world;
        let goes_on = |action: &Action| {
            heal::heals(world, *action) || matches!(action, Action::Call(_, Fate::Land))
        };
        choices.iter().position(goes_on).or_else(|| {
            let wakes = |action: &Action| *action == Action::Wake;
            choices.iter().position(wakes).filter(|_| self.waking() == Waking::Free)
        })
    }

    /// Faults stop: everybody goes on, in one order, until nothing is left to be done; then every wish with a
    /// key is repeated. Ends where `known` says that it was here before.
    ///
    /// # Errors
    ///
    /// The law that does not hold, and what led to it from here.
    pub fn heal(
        mut self,
        core: &mut Decider,
        known: &mut Healed,
        trace: Trace<'_>,
    ) -> Result<u64, (Violation, Vec<Action>)> {
        self.world.budget = Budget::default();
        self.spare = Spare::default();
        self.world.budget = Budget::default();
        let mut path = Vec::new();
        let mut phase = Phase::BEGIN;
        let mut way = BTreeSet::new();
        let mut actions = Vec::new();
        loop {
            let key = phase.of(self.rest());
            if known.0.contains(&key) {
                break;
            }
            if !way.insert(key) || HEALING_MOST < path.len() {
                return Err((heal::stuck(&self.world, &self.auditor), path));
            }
            match self.next_healing(&mut phase, &mut actions) {
                Ok(Some(action)) => {
                    path.push(action);
                    self.act(action, core, trace).map_err(|found| (found, path.clone()))?;
                }
                Ok(None) => break,
                Err(found) => return Err((found, path)),
            }
        }
        known.0.extend(way);
        Ok(path.len() as u64)
    }

    fn next_healing(
        &mut self,
        phase: &mut Phase,
        actions: &mut Vec<Action>,
    ) -> Result<Option<Action>, Violation> {
        if heal::settled(&self.world) {
            phase.idle += 1;
            // What is parked is looked at again twice before it is believed to stay so.
            if phase.idle < IDLE_MOST && self.world.next_wake().is_some() {
                return Ok(Some(Action::Wake));
            }
            if let Some(action) = heal::operates(&self.world, phase.spoken) {
                if phase.spoken == heal::WORDS_MOST {
                    return Err(heal::stuck(&self.world, &self.auditor));
                }
                *phase = Phase { spoken: phase.spoken + 1, idle: 0, ..*phase };
                return Ok(Some(action));
            }
            if phase.repeats {
                return Ok(None);
            }
            self.auditor.at_the_end(&self.world)?;
            let repeats = heal::repeats(&self.world);
            if repeats.is_empty() {
                return Ok(None);
            }
            self.auditor.rest();
            *phase = Phase { repeats: true, ..Phase::BEGIN };
            if let Some(client) = self.world.clients.first_mut() {
                client.wishes.extend(repeats);
            }
        }
        self.world.enabled(&[], actions);
        let heals = |action: &&Action| heal::heals(&self.world, **action);
        if let Some(action) = actions.iter().find(heals) {
            return Ok(Some(*action));
        }
        if actions.contains(&Action::Wake) {
            return Ok(Some(Action::Wake));
        }
        Err(heal::stuck(&self.world, &self.auditor))
    }

    /// What it takes that time passes to the next wake-up.
    fn waking(&self) -> Waking {
        let world = &self.world;
        if self.is_urgent() {
            return Waking::Pauses;
        }
        let wake = world.next_wake().unwrap_or(world.now);
        let gives_up = |call: &Call| call.run.is_some() && call.sent_at + DEADLINE_MS <= wake;
        if world.calls.iter().any(gives_up) {
            return Waking::GivesUp;
        }
        if self.only_looks_on() { Waking::LooksOn } else { Waking::Free }
    }

    fn is_urgent(&self) -> bool {
        let world = &self.world;
        if world.runs.values().any(|run| matches!(run.at, At::Reply(_)) || run.ready(world)) {
            return true;
        }
        let due = |gateway: usize, entry: &Entry| {
            world.scans_from(gateway, entry).is_some_and(|from| from <= world.now)
                && !world.passed_over(entry)
        };
        (0..world.setup.gateways).filter(|gateway| !world.is_scanning(*gateway)).any(|gateway| {
            let entries = (0..).zip(&world.ledger.entries);
            let mut due = entries.filter(|(_, entry)| due(gateway, entry));
            due.any(|(position, _)| !self.is_worked_on(position))
        })
    }

    /// Whoever brings this entry to its end holds its names: a scan would find them leased and do nothing.
    fn is_worked_on(&self, position: u32) -> bool {
        let world = &self.world;
        let at = usize::try_from(position).unwrap_or(usize::MAX);
        let Some(entry) = world.ledger.entries.get(at) else { return false };
        world.runs.values().any(|run| {
            run.settling.as_ref().is_some_and(|settling| settling.entry == entry.id)
                && !run.tickets.is_empty()
                && run.tickets.iter().all(|ticket| world.leases.held(*ticket))
        })
    }

    /// Nothing wakes but who looks at what is parked, from time to time and for ever.
    fn only_looks_on(&self) -> bool {
        let world = &self.world;
        world.runs.is_empty()
            && world.calls.is_empty()
            && world.target.index_due().is_none()
            && world.open().all(|entry| entry.stage == Stage::Parked)
            && world.clients.iter().all(|client| {
                client.waiting.is_some()
                    || client.wishes.is_empty()
                    || client.not_before <= world.now
            })
    }

    /// Gateways are alike: the first that does anything is the first.
    fn has_worked(&self, gateway: usize) -> bool {
        let world = &self.world;
        world.runs.values().any(|run| run.gateway == gateway)
            || world.accepted_until.get(gateway).is_some_and(|until| 0 < *until)
            || world.scanned.keys().any(|(one, _)| *one == gateway)
    }
}

/// States from which everything came to rest, every law kept.
#[derive(Debug, Default)]
pub struct Healed(pub(super) Digests);

impl Healed {
    /// Whether a state of which [`State::rest`] gives this is one of them.
    #[must_use]
    pub fn has(&self, rest: u128) -> bool {
        self.0.contains(&Phase::BEGIN.of(rest))
    }

    /// States of which [`State::rest`] gives these are such, too.
    pub fn extend(&mut self, rests: impl Iterator<Item = u128>) {
        self.0.extend(rests.map(|rest| Phase::BEGIN.of(rest)));
    }
}

/// What it takes that time passes to the next wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waking {
    /// Nothing.
    Free,
    /// Somebody has something to do at once, and is paused.
    Pauses,
    /// The answer to a call stays away for so long that it is given up.
    GivesUp,
    /// Nothing wakes but who looks at what is parked, from time to time and for ever.
    LooksOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Phase {
    repeats: bool,
    idle: u8,
    /// How often an operator has spoken.
    spoken: u8,
}

impl Phase {
    const BEGIN: Self = Self { repeats: false, idle: 0, spoken: 0 };

    fn of(self, rest: u128) -> u128 {
        digest::of(&(rest, self))
    }
}

/// More than the replay window of two minutes (S2a).
pub(super) const PASSES_MS: u32 = 130_000;

/// More actions than any state that comes to rest has needed.
const HEALING_MOST: usize = 5_000;

/// How often what is parked is looked at again before it is believed to stay so.
const IDLE_MOST: u8 = 3;
