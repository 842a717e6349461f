//! What a provisioner keeps in memory: what the target says about itself, and who was accepted of late.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Mutex as AsyncMutex;

use crate::{
    contract::{Entry, Schema},
    target::Caller,
};

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
    scan: Scan,
}

/// How far the scan has come: what nobody can look after must not keep it from what comes behind.
#[derive(Clone, Default)]
pub(super) struct Scan {
    /// The last entry that was seen; none: it begins anew.
    pub(super) after: Option<Entry>,
    /// How many of this round have no credential at hand.
    pub(super) waiting: usize,
    /// How many had none in the last whole round.
    pub(super) waited: usize,
}

/// What was said to one credential. The lock is held while it is asked for: who comes meanwhile waits.
pub(super) type Said = Arc<AsyncMutex<Option<Saying>>>;

/// One time that the target was asked about itself.
pub(super) struct Saying {
    pub(super) schema: Schema,
    /// Asking again may tell more.
    pub(super) complete: bool,
    /// The target has said anything at all.
    pub(super) told: bool,
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
        let scan = Scan::default();
        Self(Mutex::new(State { schema, complete_at: None, said, recovers: true, scan }))
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

    /// The target has shown something to this credential: what was said to it holds for everybody, if anything was.
    ///
    /// A target that is down for a moment does not unsay what it said, nor does one that tells nothing to strangers.
    pub(super) fn learn(&self, credential: &str) {
        let mut state = held(&self.0);
        let Some(said) = state.said.get(credential).cloned() else { return };
        let Ok(said) = said.try_lock() else { return };
        if let Some(saying) = said.as_ref().filter(|saying| saying.complete && saying.told) {
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

    pub(super) fn scan(&self) -> Scan {
        held(&self.0).scan.clone()
    }

    pub(super) fn note_scan(&self, scan: Scan) {
        held(&self.0).scan = scan;
    }
}

/// Whose credential the target has accepted of late (S1), for as long as it may be relied on.
///
/// Kept under a keyed digest of all that was shown: a credential that only says the same of its holder
/// was not accepted.
#[derive(Default)]
pub(super) struct Callers(Mutex<BTreeMap<String, Accepted>>);

struct Accepted {
    who: Who,
    caller: Caller,
    at: u64,
    /// The target has shown it a resource, or let it write: whoever made it up is shown nothing.
    shown: bool,
    /// The target has let it write.
    wrote: bool,
}

/// Who asks (S1).
#[derive(Clone)]
pub(super) struct Who {
    /// A keyed digest of the whole credential: what acceptance is remembered by.
    pub(super) credential: String,
    /// Whom it names, believed while the target accepts it.
    pub(super) proved: String,
    /// Whom it names where the target has not said so: nobody but itself.
    pub(super) unproved: String,
    /// A keyed digest of what it lets its holder do: of itself, where it does not say.
    pub(super) rights: String,
    /// Another credential may name the same: one with other rights, or one that is made up.
    pub(super) made_up: bool,
}

impl Who {
    /// Whether nobody else can have the same rights: they are the credential's own.
    fn stands_alone(&self) -> bool {
        self.rights == self.credential
    }
}

/// What a credential may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is the one that the request came with, or stands for it: to look, and to send.
    Own,
    /// To look with, and to send what the target has accepted from its sender.
    Look,
    /// To see with what it is shown: what it is not shown proves nothing.
    Other,
}

impl Callers {
    /// Whether the target accepted this very credential within the last minute.
    pub(super) fn accepted(&self, credential: &str, now: u64) -> bool {
        held(&self.0).get(credential).is_some_and(|one| now < one.at + ACCEPTED_MS)
    }

    /// Notes that the target accepted a credential, and whose it is.
    pub(super) fn accept(&self, who: &Who, caller: &Caller, now: u64) {
        let mut callers = held(&self.0);
        let credential = &who.credential;
        callers.retain(|_, one| now < one.at + LENT_MS);
        if CALLERS_MOST <= callers.len() && !callers.contains_key(credential) {
            let oldest = callers.iter().min_by_key(|(_, one)| one.at);
            if let Some(oldest) = oldest.map(|(credential, _)| credential.clone()) {
                callers.remove(&oldest);
            }
        }
        // The query belongs to one request, the headers to whoever sent it.
        let caller = Caller { headers: caller.headers.clone(), query: None };
        let before = callers.get(credential);
        let (shown, wrote) = before.map_or((false, false), |one| (one.shown, one.wrote));
        let one = Accepted { who: who.clone(), caller, at: now, shown, wrote };
        callers.insert(credential.clone(), one);
    }

    /// Notes that the target has shown a resource to a credential that it accepts, or has let it write.
    pub(super) fn note(&self, credential: &str, wrote: bool) {
        if let Some(one) = held(&self.0).get_mut(credential) {
            one.shown = true;
            one.wrote |= wrote;
        }
    }

    /// Whether the target has shown anything to this very credential.
    pub(super) fn is_shown(&self, credential: &str) -> bool {
        held(&self.0).get(credential).is_some_and(|one| one.shown)
    }

    /// A live credential of a client that has touched what is to be recovered (S41), with its digest: the latest
    /// that may send, else the latest that was shown anything.
    pub(super) fn of(
        &self,
        principal: &str,
        rights: &str,
        now: u64,
    ) -> Option<(String, Caller, Use)> {
        let callers = held(&self.0);
        let lent = callers.values().filter(|one| {
            let who = &one.who;
            now < one.at + LENT_MS && (who.proved == principal || who.unproved == principal)
        });
        let useful = lent.filter_map(|one| {
            let own = one.who.rights == rights && (one.who.stands_alone() || one.wrote);
            let used = if own { Use::Own } else { Use::Look };
            (own || one.shown).then_some((used == Use::Own, one.at, one, used))
        });
        let best = useful.max_by_key(|(own, at, ..)| (*own, *at))?;
        Some((best.2.who.credential.clone(), best.2.caller.clone(), best.3))
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
    use http::{HeaderValue, header::AUTHORIZATION};

    use super::*;

    #[test]
    fn a_credential_is_relied_on_for_a_minute_and_lent_for_ten() {
        let callers = Callers::default();
        callers.accept(&who("digest", "digest"), &caller("a"), 1_000);
        let relied = |now| callers.accepted("digest", now);
        assert!(relied(1_000) && relied(60_999) && !relied(61_000));
        let lent = |now| callers.of("p", "digest", now).is_some();
        assert!(lent(61_000) && lent(600_999) && !lent(601_000));
        assert!(!callers.accepted("p", 1_000), "a principal is no credential");
        assert!(callers.of("digest", "digest", 1_000).is_none());
    }

    /// S41: the latest of a client's tokens is the one that still works, once the target has let it write.
    #[test]
    fn a_rotated_token_is_lent_in_place_of_its_predecessor() {
        let callers = Callers::default();
        callers.accept(&who("old", "rights"), &caller("old"), 1_000);
        callers.accept(&who("new", "rights"), &caller("new"), 2_000);
        check(&callers, "rights", None);
        callers.note("old", true);
        check(&callers, "rights", Some(("old", Use::Own)));
        callers.note("new", false);
        check(&callers, "rights", Some(("old", Use::Own)));
        callers.note("new", true);
        check(&callers, "rights", Some(("new", Use::Own)));
    }

    /// S41: a token of the same client with another scope, or a guess at its password, sends nothing for it.
    #[test]
    fn a_credential_with_other_rights_is_for_looking() {
        let callers = Callers::default();
        callers.accept(&who("admin", "all"), &caller("admin"), 1_000);
        check(&callers, "some", None);
        callers.note("admin", true);
        check(&callers, "some", Some(("admin", Use::Look)));
        callers.accept(&who("password", "password"), &caller("password"), 2_000);
        check(&callers, "guess", Some(("admin", Use::Look)));
        check(&callers, "password", Some(("password", Use::Own)));
    }

    #[test]
    fn what_was_seen_of_a_credential_outlives_its_next_proof() {
        let callers = Callers::default();
        callers.note("digest", true);
        assert!(!callers.is_shown("digest"), "nobody has accepted it");
        callers.accept(&who("digest", "rights"), &caller("a"), 1_000);
        assert!(!callers.is_shown("digest"));
        callers.note("digest", true);
        callers.accept(&who("digest", "rights"), &caller("a"), 61_000);
        assert!(callers.is_shown("digest"));
        check(&callers, "rights", Some(("a", Use::Own)));
    }

    #[test]
    fn the_oldest_makes_room() {
        let callers = Callers::default();
        for n in 0..=CALLERS_MOST {
            let now = u64::try_from(n).unwrap();
            let name = format!("c{n}");
            callers.accept(&who(&name, &name), &caller("a"), now);
        }
        assert_eq!(held(&callers.0).len(), CALLERS_MOST);
        assert!(!callers.accepted("c0", 1_001) && callers.accepted("c1", 1_001));
    }

    /// What is lent for an entry of `p` that came with these rights.
    fn check(callers: &Callers, rights: &str, expected: Option<(&str, Use)>) {
        let lent = callers.of("p", rights, 3_000);
        let lent = lent.map(|(_, caller, used)| (caller.headers[0].1.clone(), used));
        let expected = expected.map(|(shown, used)| (HeaderValue::from_str(shown).unwrap(), used));
        assert_eq!(lent, expected, "{rights}");
    }

    fn who(credential: &str, rights: &str) -> Who {
        Who {
            credential: credential.into(),
            proved: "p".into(),
            unproved: "unproved".into(),
            rights: rights.into(),
            made_up: true,
        }
    }

    fn caller(shown: &str) -> Caller {
        let header = (AUTHORIZATION, HeaderValue::from_str(shown).unwrap());
        Caller { headers: vec![header], query: None }
    }
}
