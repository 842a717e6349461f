//! All that a request does to one attribute, in order (S27).

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::Value;

use super::{
    Operation, Statement,
    apply::{Outcome, Rules, State, alike, changed_slots},
    form::edge_value,
    list::{List, elements, in_order, text},
    read::Op,
};
use crate::{path::Place, spelling::Verb, unicode::lower};

/// The operations on one attribute, applied to what is observed.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    pub(super) place: Place,
    /// With their position among all operations.
    pub(super) ops: Vec<(usize, &'a Op)>,
    pub(super) atoms: Vec<Atom>,
    pub(super) before: State,
    pub(super) after: State,
    /// The slots of a list that differ in the end.
    pub(super) net: BTreeSet<usize>,
}

/// An operation, or of its value one element: what is kept or left out as one.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    /// The position in [`Group::ops`].
    pub(super) op: usize,
    pub(super) element: Option<usize>,
    pub(super) outcome: Outcome,
    /// It is sent whatever is observed: it states a secret, or its absence proves nothing.
    pub(super) forced: bool,
}

/// Groups what a statement states by attribute, in the order of the first mention.
pub(super) fn groups<'a>(
    of: &'a Statement,
    resource: &Value,
    rules: &Rules<'_>,
    unshown: &BTreeSet<String>,
) -> Vec<Group<'a>> {
    let mut order: Vec<String> = Vec::new();
    let mut together: BTreeMap<String, Vec<(usize, &'a Op)>> = BTreeMap::new();
    for (position, op) in of.ops.iter().enumerate() {
        let Some(place) = op.place.as_ref().filter(|_| !op.ignored) else { continue };
        if of.operation == Operation::Create && op.is_secret(&of.resource_type, rules.schema) {
            continue;
        }
        let key = place.attribute_key();
        if !together.contains_key(&key) {
            order.push(key.clone());
        }
        together.entry(key).or_default().push((position, op));
    }
    let ops = order.into_iter().filter_map(|key| together.remove(&key));
    ops.filter_map(|ops| group(ops, resource, rules, unshown)).collect()
}

fn group<'a>(
    ops: Vec<(usize, &'a Op)>,
    resource: &Value,
    rules: &Rules<'_>,
    unshown: &BTreeSet<String>,
) -> Option<Group<'a>> {
    let place = ops.first().and_then(|(_, op)| op.place.as_ref())?;
    let place = Place::of(place.urn.as_deref(), &place.name);
    let only: Vec<&Op> = ops.iter().map(|(_, op)| *op).collect();
    let before = State::observe(resource, &place, &only, rules);
    let unproved = unshown.contains(&place.attribute_key());
    let mut after = before.clone();
    let mut folded = Folded::default();
    let mut atoms = Vec::new();
    for (position, op) in only.iter().enumerate() {
        let forced = op.is_secret(rules.resource_type, rules.schema)
            || unproved && (op.verb == Verb::Remove || empties(op, &before));
        let mut together = Together::of(op, &after);
        for element in atoms_of(op, &after) {
            let outcome = after.apply(op, element, rules);
            let outcome = together.outcome(outcome, op, element, &after);
            let forced = forced
                || op.verb == Verb::Remove
                    && !outcome.changed
                    && folded.holds(op, element, &before);
            atoms.push(Atom { op: position, element, outcome, forced });
        }
    }
    if let (State::List(before), State::List(after)) = (&before, &mut after) {
        after.settle_on(before);
    }
    let net = changed_slots(&before, &after);
    Some(Group { place, ops, atoms, before, after, net })
}

/// The elements of one `add`: each is measured against what was there before all of them, so that none is left out for what another one states. Two edges of one value are one.
#[derive(Default)]
struct Together {
    start: Option<List>,
    read: BTreeSet<String>,
}

impl Together {
    fn of(op: &Op, state: &State) -> Self {
        let several =
            op.verb == Verb::Add && 1 < op.value.as_ref().map_or(0, |of| elements(of).len());
        match state {
            State::List(list) if several && !list.kind().is_edge() => {
                Self { start: Some(list.clone()), read: BTreeSet::new() }
            }
            State::List(_) | State::Single(_) => Self::default(),
        }
    }

    fn outcome(
        &mut self,
        outcome: Outcome,
        op: &Op,
        element: Option<usize>,
        after: &State,
    ) -> Outcome {
        let (Some(start), State::List(after), Some(position)) = (&self.start, after, element)
        else {
            return outcome;
        };
        let Some(stated) = op.value.as_ref().and_then(|value| elements(value).get(position)) else {
            return outcome;
        };
        let repeats = !self.read.insert(text(stated));
        if repeats || outcome.changed || start.holding(stated).is_some() {
            return outcome;
        }
        after.holding(stated).map_or(outcome, |slot| Outcome::of_slots(alloc::vec![slot]))
    }
}

/// The values of a list's edges in lower case, once they are asked for.
#[derive(Default)]
struct Folded(Option<BTreeSet<String>>);

impl Folded {
    /// Whether an edge whose value differs in letter case only is there, where none is as stated.
    ///
    /// RFC 7643 §8.7.1 says of `members.value` that letter case does not matter, §3.1 says of an `id`, which it holds, that it does; the servers that were asked take the latter. So
    /// they are two members, but the target may mean the one that is there: its removal is no repeat.
    fn holds(&mut self, op: &Op, element: Option<usize>, before: &State) -> bool {
        let State::List(list) = before else { return false };
        let Some(place) = op.place.as_ref().filter(|_| list.kind().is_edge()) else { return false };
        let items = || list.items().values();
        let stated = match (&place.filter, element) {
            (Some(filter), _) => match filter.value() {
                Some(text) => text.to_owned(),
                None => {
                    let any =
                        |exact| items().any(|item| filter.matches(item, &|_| exact) == Some(true));
                    return !any(true) && any(false);
                }
            },
            (None, Some(position)) => {
                let element = op.value.as_ref().and_then(|value| elements(value).get(position));
                let Some(value) = element.and_then(edge_value) else { return false };
                value
            }
            (None, None) => return false,
        };
        if !list.of_value(&stated).is_empty() {
            return false;
        }
        let values = self.0.get_or_insert_with(|| {
            let mut values = BTreeSet::new();
            values.extend(items().filter_map(edge_value).map(|value| lower(&value)));
            values
        });
        values.contains(&lower(&stated))
    }
}

/// A whole list is to be empty and shows nothing: it may be that this target shows none (S11).
fn empties(op: &Op, before: &State) -> bool {
    let State::List(list) = before else { return false };
    let whole =
        op.place.as_ref().is_some_and(|place| place.filter.is_none() && place.sub.is_none());
    let nothing = op.value.as_ref().is_none_or(crate::spelling::unassigned);
    op.verb == Verb::Replace && whole && nothing && list.items().is_empty()
}

/// The elements of an operation that gives or takes single elements of a list; else itself.
fn atoms_of(op: &Op, state: &State) -> Vec<Option<usize>> {
    let plain =
        op.place.as_ref().is_some_and(|place| place.filter.is_none() && place.sub.is_none());
    match (state, &op.value, op.verb) {
        (State::List(_), Some(value), Verb::Add | Verb::Remove) if plain => {
            in_order(elements(value)).into_iter().map(Some).collect()
        }
        _ => alloc::vec![None],
    }
}

impl<'a> Group<'a> {
    /// The operation of an atom.
    pub(super) fn op(&self, atom: &Atom) -> Option<&'a Op> {
        self.ops.get(atom.op).map(|(_, op)| *op)
    }

    /// Whether an atom is a removal.
    pub(super) fn removes(&self, atom: &Atom) -> bool {
        self.op(atom).is_some_and(|op| op.verb == Verb::Remove)
    }

    /// What some of the atoms would make of what is observed; none where one would do what it did not do among all: what its filter describes was there then.
    pub(super) fn simulate(&self, kept: &[bool], rules: &Rules<'_>) -> Option<State> {
        let mut state = self.before.clone();
        for (atom, _) in self.atoms.iter().zip(kept).filter(|(_, kept)| **kept) {
            let outcome = state.apply(self.op(atom)?, atom.element, rules);
            let other = outcome.made && !atom.outcome.made;
            if other || outcome.opaque && !atom.outcome.opaque {
                return None;
            }
        }
        Some(state)
    }

    /// Whether the attribute would end as another than it is.
    pub(super) fn differs(&self) -> bool {
        match (&self.before, &self.after) {
            (State::List(_), State::List(_)) => !self.net.is_empty(),
            (before, after) => !alike(before, after),
        }
    }

    pub(super) fn is_opaque(&self) -> bool {
        self.atoms.iter().any(|atom| atom.outcome.opaque)
    }

    pub(super) fn is_forced(&self) -> bool {
        self.atoms.iter().any(|atom| atom.forced)
    }

    /// Whether each atom changes something, and none what another has changed.
    pub(super) fn is_clean(&self) -> bool {
        let mut seen = BTreeSet::new();
        let single = self.atoms.len() < 2 || matches!(self.before, State::List(_));
        self.atoms.iter().all(|atom| {
            (atom.outcome.changed || atom.forced)
                && atom.outcome.slots.iter().all(|slot| seen.insert(*slot))
        }) && (single || self.subs_once())
    }

    /// Whether no two operations set the same part of a single value.
    fn subs_once(&self) -> bool {
        let mut seen = BTreeSet::new();
        self.ops.iter().all(|(_, op)| {
            op.place.as_ref().is_some_and(|place| place.sub.is_some() && seen.insert(place.key()))
        })
    }
}
