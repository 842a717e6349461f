//! A model checker: every order of events of a small scene, the functions that ship deciding at each step.
//!
//! States that agree in all that can still make a difference are one state; what nobody can tell apart is
//! taken in one order. The laws are judged at each step, and from each state faults stop and everything has
//! to come to rest. Deliberately absent: chance, and any drawing of what is checked.

pub mod scene;
pub mod shorten;
pub mod state;

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
    time::{Duration, Instant},
};

use super::{decider::Decider, rule::Rule, world::Action};
use scene::Scene;
use state::{Found, Healed, State};

/// When a search gives up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// After so many states.
    pub states: u64,
    /// After so long.
    pub time: Duration,
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
        if !self.seen.insert(state.digest()) {
            return Ok(None);
        }
        self.report.depth = self.report.depth.max(self.path.len());
        let healed = state.clone().heal(&mut self.core, &mut self.healed, &mut |_, _, _| {});
        let steps = healed.map_err(|(violation, healing)| {
            Box::new(Found { violation, actions: self.path.clone(), healing })
        })?;
        self.report.steps += steps;
        state.choices(&mut actions);
        self.report.leaves += u64::from(actions.is_empty());
        Ok(Some(Frame { state: Some(state), actions, depth: self.path.len() }))
    }

    fn act(&mut self, state: &mut State, action: Action) -> Result<(), Box<Found>> {
        self.report.steps += 1;
        self.path.push(action);
        state.act(action, &mut self.core, &mut |_, _, _| {}).map_err(|violation| {
            Box::new(Found { violation, actions: self.path.clone(), healing: Vec::new() })
        })
    }
}

/// Digests, which need no other hash.
pub(crate) type Digests = HashSet<u128, BuildHasherDefault<Taken>>;

/// Takes the low half of a digest as it is.
#[derive(Debug, Default)]
pub(crate) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let low = bytes.first_chunk().map_or(0, |low| u64::from_le_bytes(*low));
        self.0 = low;
    }
}
