//! What a provisioner keeps in memory: what the target says about itself, and who was accepted of late.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Mutex as AsyncMutex;

use crate::{contract::Schema, target::Caller};

/// What the target says about itself: to those whose credential it has accepted, and to nobody else.
///
/// Whoever is not accepted yet is decided for by what was said to them, which nobody else gets to know: a
/// stranger who is told nothing, or something else, changes nothing for others.
pub(super) struct Known(Mutex<State>);

struct State {
    /// What everybody is decided for by.
    schema: Schema,
    /// Since when it is complete.
    complete_at: Option<u64>,
    /// What was said to each credential while the above was not complete, or had to be asked for again.
    said: BTreeMap<String, Said>,
    recovers: bool,
}

/// What was said to one credential. The lock is held while it is asked for: who comes meanwhile waits.
pub(super) type Said = Arc<AsyncMutex<Option<Saying>>>;

/// One time that the target was asked about itself.
pub(super) struct Saying {
    pub(super) schema: Schema,
    /// Asking again may tell more.
    pub(super) complete: bool,
    pub(super) at: u64,
}

impl Saying {
    /// Whether it was so long ago that the target is to be asked again.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let every = if self.complete { KNOWN_MS } else { UNKNOWN_MS };
        self.at + every <= now
    }
}

impl Known {
    pub(super) fn new(schema: Schema) -> Self {
        let said = BTreeMap::new();
        Self(Mutex::new(State { schema, complete_at: None, said, recovers: true }))
    }

    pub(super) fn schema(&self) -> Schema {
        held(&self.0).schema.clone()
    }

    /// What is known, if it is complete; with whether it has to be asked for again.
    pub(super) fn complete(&self, now: u64) -> Option<(Schema, bool)> {
        let state = held(&self.0);
        let complete_at = state.complete_at?;
        Some((state.schema.clone(), complete_at + KNOWN_MS <= now))
    }

    /// What was said to this credential.
    pub(super) fn said(&self, credential: &str) -> Said {
        let mut state = held(&self.0);
        if CALLERS_MOST <= state.said.len() && !state.said.contains_key(credential) {
            state.said.clear();
        }
        Arc::clone(state.said.entry(credential.to_owned()).or_default())
    }

    /// The target has accepted this credential: what was said to it holds for everybody.
    ///
    /// A target that is down for a moment does not unsay what it said.
    pub(super) fn learn(&self, credential: &str) {
        let mut state = held(&self.0);
        let Some(said) = state.said.get(credential).cloned() else { return };
        let Ok(said) = said.try_lock() else { return };
        if let Some(saying) = said.as_ref().filter(|saying| saying.complete) {
            state.schema = saying.schema.clone();
            state.complete_at = Some(saying.at);
            state.said.clear();
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
///
/// Kept under a keyed digest of all that was shown: a credential that only says the same of its holder
/// was not accepted.
#[derive(Default)]
pub(super) struct Callers(Mutex<BTreeMap<String, Accepted>>);

struct Accepted {
    /// Whose it is, and what its holder was called before that was known.
    principals: [String; 2],
    caller: Caller,
    at: u64,
}

impl Callers {
    /// Whether the target accepted this very credential within the last minute.
    pub(super) fn accepted(&self, credential: &str, now: u64) -> bool {
        held(&self.0).get(credential).is_some_and(|one| now < one.at + ACCEPTED_MS)
    }

    /// Notes that the target accepted a credential, and whose it is.
    pub(super) fn accept(
        &self,
        credential: &str,
        principals: [String; 2],
        caller: &Caller,
        now: u64,
    ) {
        let mut callers = held(&self.0);
        callers.retain(|_, one| now < one.at + LENT_MS);
        if CALLERS_MOST <= callers.len() && !callers.contains_key(credential) {
            let oldest = callers.iter().min_by_key(|(_, one)| one.at);
            if let Some(oldest) = oldest.map(|(credential, _)| credential.clone()) {
                callers.remove(&oldest);
            }
        }
        // The query belongs to one request, the headers to whoever sent it.
        let caller = Caller { headers: caller.headers.clone(), query: None };
        callers.insert(credential.into(), Accepted { principals, caller, at: now });
    }

    /// The latest credential of a client that has touched what is to be recovered (S41).
    pub(super) fn of(&self, principal: &str, now: u64) -> Option<Caller> {
        let callers = held(&self.0);
        let lent = callers.values().filter(|one| one.principals.iter().any(|it| it == principal));
        let live = lent.filter(|one| now < one.at + LENT_MS);
        live.max_by_key(|one| one.at).map(|one| one.caller.clone())
    }

    pub(super) fn any(&self, now: u64) -> bool {
        held(&self.0).values().any(|one| now < one.at + LENT_MS)
    }
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

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_credential_is_relied_on_for_a_minute_and_lent_for_ten() {
        let callers = Callers::default();
        callers.accept("digest", principals(), &caller(&[("authorization", "a")]), 1_000);
        let relied = |now| callers.accepted("digest", now);
        assert!(relied(1_000) && relied(60_999) && !relied(61_000));
        let lent = |now| callers.of("p", now).is_some();
        assert!(lent(61_000) && lent(600_999) && !lent(601_000));
        assert!(!callers.accepted("p", 1_000), "a principal is no credential");
        assert!(callers.of("digest", 1_000).is_none());
    }

    /// S41: the latest of a client's tokens is the one that still works.
    #[test]
    fn a_rotated_token_is_lent_in_place_of_its_predecessor() {
        let callers = Callers::default();
        callers.accept("old", principals(), &caller(&[("authorization", "old")]), 1_000);
        callers.accept("new", principals(), &caller(&[("authorization", "new")]), 2_000);
        let lent = callers.of("p", 3_000).unwrap();
        assert_eq!(lent.headers[0].1, "new");
    }

    #[test]
    fn the_oldest_makes_room() {
        let callers = Callers::default();
        for n in 0..=CALLERS_MOST {
            let now = u64::try_from(n).unwrap();
            callers.accept(&format!("c{n}"), principals(), &caller(&[]), now);
        }
        assert_eq!(held(&callers.0).len(), CALLERS_MOST);
        assert!(!callers.accepted("c0", 1_001) && callers.accepted("c1", 1_001));
    }

    fn principals() -> [String; 2] {
        ["p".into(), "unproved".into()]
    }

    fn caller(headers: &[(&'static str, &'static str)]) -> Caller {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Caller { headers: headers.iter().map(header).collect(), query: None }
    }
}
