//! A model checker: every order of events of a small scene, the functions that ship deciding at each step.
//!
//! States that agree in all that can still make a difference are one state; what nobody can tell apart is
//! taken in one order. The laws are judged at each step, and from each state faults stop and everything has
//! to come to rest. Deliberately absent: chance, and any drawing of what is checked.

pub mod scene;
pub mod shorten;
pub mod state;

use std::time::{Duration, Instant};

use super::{decider::Decider, digest::Digests, rule::Rule, world::Action};
use scene::Scene;
use state::{Found, Healed, State};

/// When a search gives up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// After so many states.
    pub states: u64,
    /// After so long.
    pub time: Duration,
    /// It does not give up there: from the first so many states everything comes to rest at once, in an order of
    /// its own, so that what breaks is found soon. Later it comes to rest by the states that are met next, which
    /// takes half of the time.
    pub probes: u64,
}

/// What was seen of a scene.
#[derive(Clone, Debug)]
pub struct Report {
    /// States that differ.
    pub states: u64,
    /// Of these, states after which nothing comes but rest.
    pub leaves: u64,
    /// States that differ on the way to rest, once faults have stopped.
    pub healing: u64,
    /// Actions done.
    pub steps: u64,
    /// Decisions that the core was asked for: what was asked before is remembered.
    pub calls: u64,
    /// The most actions from the beginning.
    pub depth: usize,
    /// How long it took.
    pub time: Duration,
    /// Every order of events was seen.
    pub complete: bool,
    /// The first law that does not hold, and how it came to that.
    pub found: Option<Found>,
}

/// Sees every order of events of a scene, or as many as the limits allow; ends with the first law that does not hold.
#[must_use]
pub fn check(scene: &Scene, off: Option<Rule>, limits: Limits) -> Report {
    let mut search = Search {
        core: Decider::remembering(),
        seen: Digests::default(),
        healed: Healed::default(),
        way: Vec::new(),
        probes: limits.probes,
        path: Vec::new(),
        report: Report {
            states: 0,
            leaves: 0,
            healing: 0,
            steps: 0,
            calls: 0,
            depth: 0,
            time: Duration::ZERO,
            complete: false,
            found: None,
        },
    };
    let began = Instant::now();
    let end = search.all(State::begin(scene, off), limits, began);
    let mut report = search.report;
    report.complete = matches!(end, Ok(End::Complete));
    report.found = end.err().map(|found| *found);
    report.states = search.seen.len() as u64;
    report.healing = search.healed.0.len() as u64;
    report.calls = search.core.calls;
    report.time = began.elapsed();
    report
}

struct Search {
    core: Decider,
    seen: Digests,
    healed: Healed,
    /// States that come to rest if the next one does.
    way: Vec<u128>,
    probes: u64,
    /// The actions that led to the state at hand.
    path: Vec<Action>,
    report: Report,
}

/// A state of which some successors are still to be seen.
struct Frame {
    state: Option<State>,
    actions: Vec<Action>,
    /// How many actions had led here.
    depth: usize,
}

enum End {
    Complete,
    Cut,
}

impl Search {
    fn all(&mut self, begin: State, limits: Limits, began: Instant) -> Result<End, Box<Found>> {
        let mut frames = Vec::new();
        frames.extend(self.meet(begin)?);
        while let Some(frame) = frames.last_mut() {
            self.path.truncate(frame.depth);
            let Some(action) = frame.actions.pop() else {
                frames.pop();
                continue;
            };
            // The last successor needs no copy.
            let state =
                if frame.actions.is_empty() { frame.state.take() } else { frame.state.clone() };
            let Some(mut state) = state else { continue };
            self.act(&mut state, action)?;
            frames.extend(self.meet(state)?);
            if limits.states <= self.seen.len() as u64 || limits.time <= began.elapsed() {
                return Ok(End::Cut);
            }
        }
        Ok(End::Complete)
    }

    /// Does what is forced; gives a frame if this is a state that was not seen before.
    fn meet(&mut self, mut state: State) -> Result<Option<Frame>, Box<Found>> {
        let mut actions = Vec::new();
        while let Some(action) = state.forced(&mut self.core, &mut actions) {
            self.act(&mut state, action)?;
        }
        let rest = state.rest();
        let is_new = self.seen.insert(state.digest_with(rest));
        actions.clear();
        if is_new {
            self.report.depth = self.report.depth.max(self.path.len());
            state.choices(&mut actions);
            self.report.leaves += u64::from(actions.is_empty());
        }
        if self.healed.has(rest) {
            self.healed.extend(self.way.drain(..));
        } else if self.probes <= self.seen.len() as u64
            && let Some(first) = state.undisturbed(&actions)
        {
            // It comes to rest if the next state does, which is met at once: the last action is done first.
            self.way.push(rest);
            let action = actions.remove(first);
            actions.push(action);
        } else {
            let healed = state.clone().heal(&mut self.core, &mut self.healed, &mut |_, _, _| {});
            let steps = healed.map_err(|(violation, healing)| {
                Box::new(Found { violation, actions: self.path.clone(), healing })
            })?;
            self.report.steps += steps;
            self.healed.extend(self.way.drain(..));
        }
        let frame = Frame { state: Some(state), actions, depth: self.path.len() };
        Ok(is_new.then_some(frame))
    }

    fn act(&mut self, state: &mut State, action: Action) -> Result<(), Box<Found>> {
        self.report.steps += 1;
        self.path.push(action);
        state.act(action, &mut self.core, &mut |_, _, _| {}).map_err(|violation| {
            Box::new(Found { violation, actions: self.path.clone(), healing: Vec::new() })
        })
    }
}
