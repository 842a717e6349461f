//! What a provisioner keeps in memory: what the target says about itself, and who was accepted of late.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::{
    HeaderValue,
    header::{AUTHORIZATION, COOKIE},
};

use crate::{contract::Schema, target::Caller};

/// What the target says about itself.
pub(super) struct Known(Mutex<State>);

struct State {
    schema: Schema,
    complete: bool,
    asked_at: Option<u64>,
    recovers: bool,
}

impl Known {
    pub(super) fn new(schema: Schema) -> Self {
        Self(Mutex::new(State { schema, complete: false, asked_at: None, recovers: true }))
    }

    pub(super) fn schema(&self) -> Schema {
        held(&self.0).schema.clone()
    }

    /// Whether the target is to be asked now; whoever is told so asks.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let mut state = held(&self.0);
        let every = if state.complete { KNOWN_MS } else { UNKNOWN_MS };
        let due = state.asked_at.is_none_or(|asked_at| asked_at + every <= now);
        if due {
            state.asked_at = Some(now);
        }
        due
    }

    pub(super) fn learn(&self, schema: Schema, complete: bool, now: u64) {
        let mut state = held(&self.0);
        state.asked_at = Some(now);
        // A target that is down for a moment does not unsay what it said.
        if complete || !state.complete {
            state.schema = schema;
            state.complete = complete;
        }
    }

    pub(super) fn note_recovery(&self, works: bool) {
        held(&self.0).recovers = works;
    }

    pub(super) fn recovers(&self) -> bool {
        held(&self.0).recovers
    }
}

/// Whose credential the target has accepted of late (S1), for as long as it may be relied on.
#[derive(Default)]
pub(super) struct Callers(Mutex<BTreeMap<String, (Caller, u64)>>);

impl Callers {
    /// Whether this very credential was accepted: a principal may have several, and wrong ones.
    pub(super) fn accepted(&self, principal: &str, caller: &Caller, now: u64) -> bool {
        let callers = held(&self.0);
        callers
            .get(principal)
            .is_some_and(|(known, at)| same_credential(known, caller) && now < at + ACCEPTED_MS)
    }

    pub(super) fn accept(&self, principal: &str, caller: &Caller, now: u64) {
        let mut callers = held(&self.0);
        callers.retain(|_, (_, at)| now < *at + LENT_MS);
        if CALLERS_MOST <= callers.len() && !callers.contains_key(principal) {
            let oldest = callers.iter().min_by_key(|(_, (_, at))| *at);
            if let Some(oldest) = oldest.map(|(principal, _)| principal.clone()) {
                callers.remove(&oldest);
            }
        }
        // What proves the credential is a look; a call within the minute does not prolong it.
        match callers.get_mut(principal) {
            Some((known, at)) if same_credential(known, caller) && now < *at + ACCEPTED_MS => {}
            Some(entry) => *entry = (caller.clone(), now),
            None => {
                callers.insert(principal.into(), (caller.clone(), now));
            }
        }
    }

    /// The credential of a client that has touched what is to be recovered (S41).
    pub(super) fn of(&self, principal: &str, now: u64) -> Option<Caller> {
        let callers = held(&self.0);
        callers
            .get(principal)
            .filter(|(_, at)| now < at + LENT_MS)
            .map(|(caller, _)| caller.clone())
    }

    pub(super) fn any(&self, now: u64) -> bool {
        held(&self.0).values().any(|(_, at)| now < at + LENT_MS)
    }
}

/// RFC 7644 section 2: what proves a client to the target is in one of these.
fn same_credential(one: &Caller, other: &Caller) -> bool {
    let of = |caller: &Caller| -> Vec<HeaderValue> {
        let named =
            caller.headers.iter().filter(|(name, _)| *name == AUTHORIZATION || *name == COOKIE);
        named.map(|(_, value)| value.clone()).collect()
    };
    of(one) == of(other)
}

/// A lock whose holder panicked still guards whole values: each write is one assignment.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// S1: a credential is relied on for one minute after the target accepted it.
const ACCEPTED_MS: u64 = 60_000;

/// 10 minutes: as long as a client's credential may be used to finish what it began.
const LENT_MS: u64 = 600_000;

/// 1,000 credentials at once: a gateway has a handful of clients.
const CALLERS_MOST: usize = 1_000;

/// 10 minutes between two looks at what the target says about itself.
const KNOWN_MS: u64 = 600_000;

/// 30 seconds where it has not said all.
const UNKNOWN_MS: u64 = 30_000;
