//! How a world comes to rest once faults stop: who goes on, when it is over, and what it means that it is not.

use replaysafe_core::types::Stage;

use super::{
    auditor::{Auditor, Violation},
    gateway::At,
    world::{Action, Fate, World},
};

/// Whether an action goes on without a fault.
#[must_use]
pub fn heals(world: &World, action: Action) -> bool {
    match action {
        Action::Send(_)
        | Action::LookUp(_)
        | Action::Deliver(..)
        | Action::Step(_)
        | Action::Reply(_)
        | Action::CatchUp
        | Action::Scan(..) => true,
        Action::Call(number, fate) => {
            let waits = world.calls.iter().any(|call| call.number == number && call.run.is_some());
            match fate {
                Fate::Complete | Fate::Receive => true,
                Fate::Land | Fate::Vanish => !waits,
                _ => false,
            }
        }
        // A client repeats itself where nobody is left to answer it.
        Action::TimeOut(client) => is_forgotten(world, client),
        _ => false,
    }
}

/// Whether a client waits for an answer that nobody is left to give.
#[must_use]
pub fn is_forgotten(world: &World, client: usize) -> bool {
    let waiting = world.clients.get(client).and_then(|client| client.waiting);
    waiting.is_some_and(|number| {
        !world.messages.iter().any(|message| message.number == number)
            && !world
                .runs
                .values()
                .any(|run| run.message.as_ref().is_some_and(|message| message.number == number))
    })
}

/// Whether everything is at rest, but for what is parked and looked at from time to time.
#[must_use]
pub fn settled(world: &World) -> bool {
    world.runs.is_empty()
        && world.messages.is_empty()
        && world.calls.is_empty()
        && world.clients.iter().all(|client| client.wishes.is_empty())
        && world.target.index_due().is_none()
        && world.open().all(|entry| entry.stage == Stage::Parked || world.passed_over(entry))
}

/// What an operator does who has spoken so often: says what is parked has made the one resource that is there, and where
/// that was a mistake, or there are several or none, that it has made none.
#[must_use]
pub fn operates(world: &World, spoken: u8) -> Option<Action> {
    let parked = world.open().any(|entry| entry.stage == Stage::Parked);
    (world.setup.operated && parked).then_some(Action::Operate(spoken == 0))
}

/// After so many words of an operator nothing is parked.
pub const WORDS_MOST: u8 = 2;

/// The wishes with a key that were settled: asked once more they must be answered as before, and nothing may be sent.
#[must_use]
pub fn repeats(world: &World) -> Vec<usize> {
    if world.open().any(|entry| entry.stage == Stage::Parked) {
        return Vec::new();
    }
    let entries = world.ledger.entries.iter();
    entries
        .filter(|entry| entry.key.is_some() && entry.stage == Stage::Settled)
        .filter_map(|entry| world.asked.get(&(entry.statement.clone(), entry.key.clone())).copied())
        .collect()
}

/// It does not come to rest.
#[must_use]
pub fn stuck(world: &World, auditor: &Auditor) -> Violation {
    let wish = auditor.unanswered(world);
    let intent = wish.and_then(|wish| world.setup.intents.get(wish));
    let open: Vec<String> =
        world.open().map(|entry| format!("{} {:?}", entry.id, entry.stage)).collect();
    let intent = intent.map(ToString::to_string);
    let at: Vec<&At> = world.runs.values().map(|run| &run.at).collect();
    Violation {
        law: "everything-is-answered",
        detail: format!("{intent:?} is never answered; open: {open:?}; at {at:?}"),
    }
}
