//! Long calls of the component, out of the way of others.
//!
//! A call takes microseconds, and runs where it is asked for. One on a large group takes tenths of a second: it runs
//! where it holds up none of the thread's other work.

use crate::{
    contract::{Entry, Sight, Situation},
    guest::aside,
};

/// Calls the component with a situation.
pub(super) fn deciding<R>(situation: &Situation, call: impl FnOnce() -> R) -> R {
    let state = |entry: &Entry| entry.state.len();
    let found = &situation.found;
    let recorded = found.by_key.iter().chain(&found.by_statement).chain(&found.open).map(state);
    let observed = situation.observed.iter().map(|seen| match &seen.sight {
        Sight::Answered(answer) | Sight::Refused(answer) => {
            answer.body.as_ref().map_or(0, String::len)
        }
        Sight::Listed(documents) => documents.iter().map(String::len).sum(),
        Sight::Nothing => 0,
    });
    let body = situation.request.body.as_ref().map_or(0, String::len);
    reading(body + recorded.chain(observed).sum::<usize>(), call)
}

/// Calls the component with so many bytes to read.
pub(super) fn reading<R>(bytes: usize, call: impl FnOnce() -> R) -> R {
    if LONG_BYTES < bytes { aside(call) } else { call() }
}

/// 64 KiB: some milliseconds.
const LONG_BYTES: usize = 64 << 10;
