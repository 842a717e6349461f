//! What does it take at least that a law breaks?

use super::{
    scene::Scene,
    state::{Found, Healed, State},
};
use crate::sim::{decider::Decider, rule::Rule, world::Action};

/// Leaves out what the violation does not need.
#[must_use]
pub fn shorten(scene: &Scene, off: Option<Rule>, found: Found) -> Found {
    let mut core = Decider::remembering();
    let mut best = found;
    let mut length = best.actions.len();
    while 0 < length {
        let mut at = 0;
        while at < best.actions.len() {
            let mut actions = best.actions.clone();
            actions.drain(at..actions.len().min(at + length));
            match replay(scene, off, &actions, &mut core) {
                Some(shorter)
                    if shorter.violation.law == best.violation.law
                        && shorter.actions.len() < best.actions.len() =>
                {
                    best = shorter;
                }
                _ => at += length,
            }
        }
        length /= 2;
    }
    best
}

/// What comes of these actions, of those that can happen, and of rest after them.
fn replay(
    scene: &Scene,
    off: Option<Rule>,
    wanted: &[Action],
    core: &mut Decider,
) -> Option<Found> {
    let mut state = State::begin(scene, off);
    let mut actions = Vec::new();
    let mut done = Vec::new();
    for action in wanted {
        state.world.enabled(&[super::state::PASSES_MS], &mut actions);
        if !actions.contains(action) {
            continue;
        }
        done.push(*action);
        if let Err(violation) = state.act(*action, core, &mut |_, _, _| {}) {
            return Some(Found { violation, actions: done, healing: Vec::new() });
        }
    }
    let healed = state.heal(core, &mut Healed::default(), &mut |_, _, _| {});
    let (violation, healing) = healed.err()?;
    Some(Found { violation, actions: done, healing })
}
