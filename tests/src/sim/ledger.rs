//! The ledger of a simulated world: rows, compare-and-set and name leases as `host/src/ledger` has them.
//!
//! Written apart from the host's, on maps instead of tables: `rows.rs` and `lease.rs` are what it must equal.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash as _,
    rc::Rc,
};

use replaysafe_core::types::{
    Entry, Field, Found, Holder, Identity, Name, NameKind, Stage, Tag, UnixMillis, Write,
};

use super::{
    digest::{self, Digester},
    rule::Rule,
};

/// Entries, identities, names and what was learned.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Entries, in the order in which they were made.
    pub entries: Vec<Rc<Entry>>,
    /// Identities, by id.
    pub identities: BTreeMap<String, Rc<Identity>>,
    names: BTreeSet<(String, NameKind, Tag)>,
    /// What was learned about the target.
    pub facts: Vec<Field>,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Somebody else has written the identity, taken one of its names or the key, or moved the entry on since it was read.
    Fenced,
    /// It would break this law.
    Law(&'static str),
}

/// What a write has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The stage before; none for a new entry.
    pub stage_before: Option<Stage>,
    /// Each identity with its fence before and after.
    pub fences: Vec<(String, u64, u64)>,
}

impl Ledger {
    /// What is held under a key, a statement and names.
    #[must_use]
    pub fn find(&self, key: Option<&Tag>, statement: &Tag, names: &[Tag]) -> Found {
        let by_key =
            key.and_then(|key| self.entries.iter().find(|entry| entry.key.as_ref() == Some(key)));
        let by_statement = self.entries.iter().rev().find(|entry| entry.statement == *statement);
        let mut led_to = BTreeMap::<&str, Vec<u32>>::new();
        for (position, name) in (0..).zip(names) {
            let mut holders: Vec<&str> = Vec::new();
            for (identity, _, tag) in &self.names {
                if tag == name && !holders.contains(&identity.as_str()) {
                    holders.push(identity);
                }
            }
            for holder in holders {
                led_to.entry(holder).or_default().push(position);
            }
        }
        // Whatever it is called by now.
        for entry in by_key.into_iter().chain(by_statement) {
            if let Some(identity) = &entry.identity {
                led_to.entry(identity).or_default();
            }
        }
        let open = self.entries.iter().filter(|entry| {
            matches!(entry.stage, Stage::Dispatched | Stage::Parked)
                && entry.identity.as_deref().is_some_and(|identity| led_to.contains_key(identity))
        });
        Found {
            by_key: by_key.map(|entry| Entry::clone(entry)),
            by_statement: by_statement.map(|entry| Entry::clone(entry)),
            open: open.map(|entry| Entry::clone(entry)).collect(),
            holders: led_to
                .into_iter()
                .filter_map(|(id, by)| {
                    let identity = Identity::clone(self.identities.get(id)?);
                    Some(Holder { identity, by })
                })
                .collect(),
        }
    }

    /// The entry with this id.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&Rc<Entry>> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Entries whose `wake_at` is not after `now`, the most overdue first.
    #[must_use]
    pub fn due(&self, now: UnixMillis) -> Vec<&Rc<Entry>> {
        let mut due: Vec<&Rc<Entry>> = self
            .entries
            .iter()
            .filter(|entry| entry.wake_at.is_some_and(|wake_at| wake_at <= now))
            .collect();
        due.sort_by_key(|entry| entry.wake_at);
        due
    }

    /// When the next entry is due.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixMillis> {
        self.entries.iter().filter_map(|entry| entry.wake_at).min()
    }

    /// Writes everything of a step, or nothing.
    ///
    /// # Errors
    ///
    /// See [`Refusal`].
    pub fn write(&mut self, write: &Write, off: Option<Rule>) -> Result<Written, Refusal> {
        let mut next = self.clone();
        let written = next.try_write(write, off)?;
        *self = next;
        Ok(written)
    }

    fn try_write(&mut self, write: &Write, off: Option<Rule>) -> Result<Written, Refusal> {
        let mut fences = Vec::new();
        for one in write.identities.iter().filter(|one| one.names.is_some()) {
            self.names.retain(|(identity, ..)| *identity != one.identity.id);
        }
        for one in &write.identities {
            let identity = &one.identity;
            let prior = self.identities.get(&identity.id);
            let fence = prior.map_or(0, |prior| prior.fence);
            if fence != identity.fence && off != Some(Rule::Fence) && off != Some(Rule::Arbitration)
            {
                return Err(Refusal::Fenced);
            }
            if identity.incarnation < prior.map_or(1, |prior| prior.incarnation) {
                return Err(Refusal::Law("incarnation-never-shrinks"));
            }
            fences.push((identity.id.clone(), fence, fence + 1));
            let row = Identity { fence: fence + 1, ..identity.clone() };
            self.identities.insert(identity.id.clone(), Rc::new(row));
            for Name { kind, material } in one.names.iter().flatten() {
                let exclusive = matches!(kind, NameKind::TargetId | NameKind::ExternalId);
                let taken =
                    self.names.iter().any(|(_, other, tag)| other == kind && tag == material);
                if exclusive && taken && off != Some(Rule::Arbitration) {
                    return Err(Refusal::Fenced);
                }
                self.names.insert((identity.id.clone(), *kind, material.clone()));
            }
        }
        let stage_before = self.write_entry(&write.entry, off)?;
        for fact in &write.learned {
            self.facts.retain(|known| known.name != fact.name);
            self.facts.push(fact.clone());
        }
        self.facts.sort();
        Ok(Written { stage_before, fences })
    }

    fn write_entry(&mut self, entry: &Entry, off: Option<Rule>) -> Result<Option<Stage>, Refusal> {
        let stage_before = self.entry(&entry.id).map(|prior| prior.stage);
        if let Some(prior) = stage_before
            && !may_follow(prior, entry.stage)
        {
            return Err(Refusal::Fenced);
        }
        if let Some(identity) = &entry.identity
            && !self.identities.contains_key(identity)
        {
            return Err(Refusal::Law("identity-is-known"));
        }
        if let Some(key) = &entry.key {
            let other = |row: &&mut Rc<Entry>| row.id != entry.id && row.key.as_ref() == Some(key);
            if let Some(other) = self.entries.iter_mut().find(other) {
                if other.stage != Stage::Refused && off != Some(Rule::Arbitration) {
                    // It was free when it was read: somebody else has used it since (S4).
                    return Err(Refusal::Fenced);
                }
                Rc::make_mut(other).key = None;
            }
        }
        match self.entries.iter_mut().find(|row| row.id == entry.id) {
            Some(row) => *row = Rc::new(entry.clone()),
            None => self.entries.push(Rc::new(entry.clone())),
        }
        Ok(stage_before)
    }

    /// Takes in what can still make a difference: of a fence, only that there is one.
    pub(in crate::sim) fn matters(&self, to: &mut Digester) {
        let Self { entries, identities, names, facts } = self;
        to.take(entries);
        identities.len().hash(to);
        for (id, identity) in identities {
            (id, &identity.state, identity.incarnation).hash(to);
        }
        for (id, kind, tag) in names {
            (id, *kind as u8, tag).hash(to);
        }
        to.take(facts);
    }

    /// What was settled is forgotten, as by a janitor that knows no tombstones.
    pub fn forget(&mut self) {
        let settled: Vec<String> = self
            .entries
            .iter()
            .filter(|entry| matches!(entry.stage, Stage::Settled | Stage::Refused))
            .map(|entry| entry.id.clone())
            .collect();
        self.entries.retain(|entry| !settled.contains(&entry.id));
        let held: BTreeSet<&String> =
            self.entries.iter().filter_map(|entry| entry.identity.as_ref()).collect();
        let keep: BTreeSet<String> = held.into_iter().cloned().collect();
        self.identities.retain(|id, _| keep.contains(id));
        self.names.retain(|(id, ..)| keep.contains(id));
    }
}

/// Whether an entry at `prior` may be written at `next`, as `rows.rs` has it.
#[must_use]
pub fn may_follow(prior: Stage, next: Stage) -> bool {
    match prior {
        Stage::Claimed => true,
        Stage::Dispatched | Stage::Parked => next != Stage::Claimed,
        Stage::Refused => !matches!(next, Stage::Claimed | Stage::Parked),
        Stage::Settled => next == Stage::Settled,
    }
}

/// Who holds names and who waits for them, as `lease.rs` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leases {
    next: u64,
    /// By ticket: tickets ascend, so a smaller one came first in each of its queues.
    places: BTreeMap<u64, Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    names: Rc<BTreeSet<Tag>>,
    statement: Tag,
    held: bool,
    /// A digest of names and statement.
    label: u128,
}

impl Leases {
    /// Takes the last place in the queue of every name.
    pub fn enter(&mut self, names: BTreeSet<Tag>, statement: &Tag) -> u64 {
        let ticket = self.next;
        self.next += 1;
        let label = digest::of(&(&names, statement));
        let place =
            Place { names: Rc::new(names), statement: statement.clone(), held: false, label };
        self.places.insert(ticket, place);
        self.grant();
        ticket
    }

    /// Gives the names, or the place, up.
    pub fn leave(&mut self, ticket: u64) {
        if self.places.remove(&ticket).is_some() {
            self.grant();
        }
    }

    /// Whether the names are held.
    #[must_use]
    pub fn held(&self, ticket: u64) -> bool {
        self.places.get(&ticket).is_some_and(|place| place.held)
    }

    /// Whether one who holds any of the names has the same statement.
    #[must_use]
    pub fn same_holds(&self, ticket: u64) -> bool {
        let Some(own) = self.places.get(&ticket) else { return false };
        self.places.values().any(|place| {
            place.held && place.statement == own.statement && !place.names.is_disjoint(&own.names)
        })
    }

    /// Whose place this is, and who comes before; none if it was lost.
    #[must_use]
    pub fn place(&self, ticket: u64) -> Option<u128> {
        let place = self.places.get(&ticket)?;
        let before = self.places.range(..ticket);
        let before = before.filter(|(_, other)| !other.names.is_disjoint(&place.names)).count();
        Some(digest::of(&(place.label, place.held, before)))
    }

    /// Takes in what can still make a difference: who comes before whom where they want the same, and no number.
    pub(in crate::sim) fn matters(&self, to: &mut Digester) {
        let places: BTreeSet<Option<u128>> =
            self.places.keys().map(|ticket| self.place(*ticket)).collect();
        places.hash(to);
    }

    /// The tickets that hold names.
    pub fn holding(&self) -> impl Iterator<Item = u64> {
        self.places.iter().filter(|(_, place)| place.held).map(|(ticket, _)| *ticket)
    }

    fn grant(&mut self) {
        let mut wanted = BTreeSet::<Tag>::new();
        for place in self.places.values_mut() {
            if place.names.is_disjoint(&wanted) {
                place.held = true;
            }
            wanted.extend(place.names.iter().cloned());
        }
    }
}
