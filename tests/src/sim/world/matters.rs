//! What of a world can still make a difference: worlds that agree in it have one future.
//!
//! Absolute times stay: the core's records hold them.

use std::{collections::BTreeMap, hash::Hash as _};

use super::{Budget, Call, Client, World};
use crate::sim::{
    digest::Digester,
    ledger::{Leases, Ledger},
    target::Etag,
};

impl World {
    /// Takes in what can still make a difference where nothing goes wrong any more: all but what may yet go wrong.
    pub(in crate::sim) fn matters(&self, to: &mut Digester) {
        let Self {
            setup,
            now,
            ledger,
            leases,
            target,
            accepted_until,
            scanned,
            runs,
            clients,
            messages,
            calls,
            known,
            pinned,
            asked,
            // Who asks what may yet go wrong takes it in himself.
            budget: _,
            // Taken by whoever watches.
            events: _,
            // The numbers are canonical.
            next: _,
            sent: _,
        } = self;
        now.hash(to);
        ledger.digest(Ledger::matters).hash(to);
        leases.digest(Leases::matters).hash(to);
        let versions = setup.profile.etag == Etag::Monotonic;
        target.digest(|target, to| target.matters(versions, to)).hash(to);
        for until in accepted_until {
            (until.max(now) - now).hash(to);
        }
        for ((gateway, id), at) in scanned {
            let rests = ledger.entry(id).is_some_and(|entry| {
                self.scans_from(*gateway, entry) > entry.wake_at.max(Some(*now))
            });
            if rests {
                (gateway, id, at).hash(to);
            }
        }
        to_each(runs.iter(), to, |(number, run), to| {
            number.hash(to);
            run.matters(self, to);
        });
        for Client { wishes, waiting, not_before, tries: _ } in clients {
            (wishes, waiting, not_before.max(now)).hash(to);
        }
        let mut messages: Vec<(usize, u32)> =
            messages.iter().map(|message| (message.intent, message.number)).collect();
        messages.sort_unstable();
        messages.hash(to);
        to_each(ordered(calls).into_iter(), to, |call, to| call.matters(to));
        (known, pinned).hash(to);
        asked.digest(BTreeMap::hash).hash(to);
    }
}

impl Call {
    fn matters(&self, to: &mut Digester) {
        // Its number is a label: who waits for it waits for no other.
        let Self { number: _, run, entry, effect, body, sent_at, until, answer } = self;
        (run, entry, body, until).hash(to);
        run.map(|_| *sent_at).hash(to);
        to.take(effect);
        to.take(answer);
    }
}

/// The calls of each entry, in the order in which they left.
fn ordered(calls: &[Call]) -> Vec<&Call> {
    let mut ordered: Vec<&Call> = calls.iter().collect();
    ordered.sort_by(|one, other| (&one.entry, one.sent_at).cmp(&(&other.entry, other.sent_at)));
    ordered
}

fn to_each<T>(
    all: impl ExactSizeIterator<Item = T>,
    to: &mut Digester,
    mut each: impl FnMut(T, &mut Digester),
) {
    all.len().hash(to);
    for one in all {
        each(one, to);
    }
}

impl Budget {
    /// Nothing goes wrong any more.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        *self == Self::default()
    }
}
