//! What of an auditor's memory a later judgement can still rest on: auditors that agree in it judge alike.
//!
//! Of what was done, only what nothing later has outdated; of when, only what came before what may yet be
//! compared with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash as _,
};

use super::{
    Aspect, Auditor, Done, Known, Removed, Sent, Stated, Tick, Verdict, World, may_have_been,
};
use crate::sim::{
    digest::Digester,
    gateway::{At, Run},
    workload::{Ask, Subject},
};

/// What is kept of one thing that was done: about what, and after which beginnings it ended.
type Kept = (u8, Option<Subject>, Option<(u32, Aspect)>, u8, String);

impl Auditor {
    /// Takes in what a later judgement can still rest on.
    pub(in crate::sim) fn matters(&self, world: &World, to: &mut Digester) {
        let Self {
            setup: _,
            // Only the order of what it is given to matters.
            tick: _,
            work: _,
            past,
            entries,
            calls: _,
            fences,
            stages,
            statements,
            receipts,
            by_key,
            changed,
            done: _,
            read,
            removed: _,
            not_kept,
            lied,
            unlisted,
            at_rest,
        } = self;
        (lied, unlisted, at_rest, not_kept, statements, changed).hash(to);
        for wish in past {
            let takes = self.intent(*wish).is_some_and(|intent| intent.ask.takes());
            (takes.then_some(wish)).hash(to);
        }
        for (decision, answer) in receipts {
            decision.hash(to);
            to.take(answer);
        }
        for (key, answer) in by_key {
            key.hash(to);
            to.take(answer);
        }
        // What the ledger holds has these fences and stages; what it has forgotten may come again.
        for (identity, fence) in fences {
            if !world.ledger.identities.contains_key(identity) {
                (identity, fence).hash(to);
            }
        }
        for (entry, stage) in stages {
            if world.ledger.entry(entry).is_none() {
                (entry, *stage as u8).hash(to);
            }
        }
        for id in read.iter().filter(|id| world.target.store.contains_key(id)) {
            id.hash(to);
        }
        let mut begun: Vec<(Option<Subject>, Tick)> = Vec::new();
        let mut timed = false;
        for (id, known) in entries {
            let Known {
                intent,
                identity,
                statement: _,
                dispatched,
                calls,
                ended,
                parked,
                // No scene states a password.
                proved: _,
            } = known;
            (id, intent, identity, dispatched.is_some(), calls.is_empty(), ended, parked).hash(to);
            let subject = self.intent(*intent).map(|intent| intent.subject);
            begun.extend(dispatched.map(|(tick, _)| (subject, tick)));
            timed |= self.heard_matters(world, known, to);
        }
        begun.extend(self.work_matters(world, timed, to));
        for (kept, tick) in self.kept(world) {
            // What is about somebody else is not compared with it.
            let subject = kept.1;
            let own =
                begun.iter().filter(|(of, _)| of.is_none() || subject.is_none() || *of == subject);
            let after: Vec<bool> = own.map(|(_, begin)| tick < *begin).collect();
            (kept, after).hash(to);
        }
    }

    /// What was heard of the calls of an entry; gives whether it matters when anything was looked at.
    fn heard_matters(&self, world: &World, known: &Known, to: &mut Digester) -> bool {
        let waits = |number: &u32| {
            world.calls.iter().any(|call| call.number == *number && call.run.is_some())
        };
        let mut last_at = None;
        let mut open = Vec::new();
        for number in &known.calls {
            let Some(Sent { at, creates, heard, landed, made: _ }) = self.calls.get(number) else {
                continue;
            };
            if heard.is_none() && waits(number) {
                open.push((at, creates, landed));
            } else if *creates && heard.is_none_or(may_have_been) {
                last_at = last_at.max(Some(at));
            }
        }
        let deletes = self.intent(known.intent).is_some_and(|intent| intent.ask == Ask::Delete);
        let last = known.calls.last().and_then(|call| self.calls.get(call)?.heard);
        let gone = deletes && matches!(last, Some(Some(404 | 410)));
        (gone, last_at, &open, self.made_once(known)).hash(to);
        last_at.is_some() || open.iter().any(|(_, creates, _)| **creates)
    }

    /// What work under way has seen; gives when each saw last.
    fn work_matters(
        &self,
        world: &World,
        timed: bool,
        to: &mut Digester,
    ) -> Vec<(Option<Subject>, Tick)> {
        let mut seen_at = Vec::new();
        for (number, work) in &self.work {
            let over = |run: &Run| matches!(run.at, At::Reply(_)) && run.unwritten.is_none();
            let over = world.runs.get(number).is_none_or(over);
            (number, work.intent, work.lawless, 0 < work.sent, over).hash(to);
            if over {
                continue;
            }
            if timed {
                (work.listed_at, &work.searched_at).hash(to);
            }
            for (id, (_, seen)) in &work.looks {
                (id, seen.as_ref().map(|seen| (seen.subject, seen.external, seen.title))).hash(to);
                seen.as_ref().map(|seen| (seen.active, &seen.edges)).hash(to);
            }
            let subject = work.intent.and_then(|wish| Some(self.intent(wish)?.subject));
            seen_at.extend(work.looks.values().next_back().map(|(tick, _)| (subject, *tick)));
        }
        seen_at
    }

    /// What was done and not outdated since, in an order of its own, with when it ended.
    fn kept(&self, world: &World) -> BTreeSet<(Kept, Tick)> {
        let mut kept = BTreeSet::new();
        for (subject, done) in self.by_subject() {
            self.keep_existence(subject, &done, &mut kept);
        }
        let mut by_id = BTreeMap::<u32, Vec<&Done>>::new();
        for done in &self.done {
            // An id that is gone does not come back.
            if let Some(id) = done.id.filter(|id| world.target.store.contains_key(id)) {
                by_id.entry(id).or_default().push(done);
            }
        }
        for (id, done) in by_id {
            let subject = world.target.store.get(&id).map(|resource| resource.subject);
            for aspect in Aspect::all() {
                self.keep_aspect(subject, (id, aspect), &done, &mut kept);
            }
        }
        for Removed { subject, external, at, by, known } in &self.removed {
            let of = self.entries.get(by).and_then(|known| self.intent(known.intent));
            if of.is_none_or(|intent| intent.ask != Ask::Delete) {
                continue;
            }
            let key = |kind| (kind, Some(*subject), None, u8::from(*external), by.clone());
            kept.insert((key(TOOK), 0));
            if *known {
                kept.insert((key(REMOVED), *at));
            }
        }
        kept
    }

    fn keep_existence(&self, subject: Subject, done: &[&Done], kept: &mut BTreeSet<(Kept, Tick)>) {
        let mut key = |kind, value, entry: &str, end| {
            kept.insert(((kind, Some(subject), None, value, entry.to_owned()), end));
        };
        if done.iter().any(|done| self.switches_on(done)) {
            key(SWITCHED_ON, 0, "", 0);
        }
        let said: Vec<(bool, &&Done)> =
            done.iter().filter_map(|done| Some((self.says_there(done)?, done))).collect();
        // Where it is not certain what was done, nothing is ever claimed again.
        if said.iter().any(|(_, done)| !done.claimed) {
            key(MAYBE, 0, "", 0);
            return;
        }
        let outdated = |one: &Done| said.iter().any(|(_, other)| one.end < other.begin);
        for (there, done) in said.iter().filter(|(_, one)| !outdated(one)) {
            key(EXISTS, u8::from(*there), "", done.end);
        }
        // A deletion that has taken nothing may yet do so.
        for done in done.iter().filter(|done| self.says_there(done).is_none()) {
            let deletes = self.intent(done.intent).is_some_and(|intent| intent.ask == Ask::Delete);
            if deletes && done.verdict == Verdict::Done {
                key(DELETES, u8::from(done.claimed), &done.entry, done.end);
            }
        }
    }

    fn keep_aspect(
        &self,
        subject: Option<Subject>,
        of: (u32, Aspect),
        done: &[&Done],
        kept: &mut BTreeSet<(Kept, Tick)>,
    ) {
        let mut key = |kind, value, order, end| {
            kept.insert(((kind, subject, Some(of), value, order), end));
        };
        let mut certain: Vec<(u8, &Done)> = Vec::new();
        for done in done {
            let Some(intent) = self.intent(done.intent) else { continue };
            match of.1.stated(intent.ask, done.verdict) {
                Stated::Nothing => {}
                Stated::Is(value) if done.claimed => certain.push((value, done)),
                Stated::Is(value) | Stated::Perhaps(value) => {
                    key(POSSIBLE, value, String::new(), 0);
                }
            }
        }
        let outdated = |one: &Done| certain.iter().any(|(_, other)| self.outdates(other, one));
        for (value, done) in certain.iter().filter(|(_, one)| !outdated(one)) {
            key(IS, *value, self.order_of(done), done.end);
        }
    }

    /// The source's order of what was done; empty: it has none.
    fn order_of(&self, done: &Done) -> String {
        let version = self.intent(done.intent).and_then(|intent| intent.version);
        version.map(|version| version.to_string()).unwrap_or_default()
    }
}

const TOOK: u8 = 0;
const REMOVED: u8 = 1;
const SWITCHED_ON: u8 = 2;
const MAYBE: u8 = 3;
const EXISTS: u8 = 4;
const DELETES: u8 = 5;
const POSSIBLE: u8 = 6;
const IS: u8 = 7;
