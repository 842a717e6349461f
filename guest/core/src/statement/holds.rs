//! Does a resource, read back, show what was stated (S11)?

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Value, canonical};

use super::{
    Holds, NotKept, Operation, PathKey, Statement,
    apply::{Rules, State, matching, observe},
    form::{edge_key, edge_value},
    group::{Atom, Group, groups},
    list::{Kind, List, covers, elements, text as text_of},
    names::fold,
    omitted::omitted,
};
use crate::{
    path::Place,
    schema::Schema,
    spelling::{Verb, secret, unassigned},
};

pub(super) fn holds(
    of: &Statement,
    before: Option<&Value>,
    after: &Value,
    schema: &Schema,
) -> Holds {
    let mut holds = Holds::default();
    if of.operation == Operation::Delete {
        // What is read back is not gone.
        return holds;
    }
    let rules = of.rules(schema);
    let nothing = Value::Object(replaysafe_json::Object::new());
    let base = match of.operation {
        Operation::Create => &nothing,
        Operation::Replace | Operation::Patch | Operation::Delete => before.unwrap_or(after),
    };
    let mut opaque = of.opaque();
    for group in groups(of, base, &rules, &BTreeSet::new()) {
        opaque |= group.is_opaque();
        let reading = Reading { of, group: &group, rules: &rules };
        let observed = observe(after, &group.place, &rules);
        match (&group.before, &group.after) {
            (State::List(_), State::List(expected)) => {
                let shown = List::new(expected.kind(), observed.as_ref());
                reading.list(expected, &shown, before.is_some(), &mut holds);
            }
            (State::Single(_), State::Single(expected)) => {
                reading.single(expected.as_ref(), observed.as_ref(), &mut holds);
            }
            (State::List(_), State::Single(_)) | (State::Single(_), State::List(_)) => {}
        }
    }
    holds.all = !opaque && holds.not_kept.is_empty();
    let filled = omitted(of, after, schema).into_iter().map(|(place, value)| NotKept {
        path: PathKey(place.key()),
        name: of.name_of(&place),
        stated: String::new(),
        observed: canonical(&value),
        taking: false,
        active: false,
    });
    holds.filled = filled.collect();
    holds
}

struct Reading<'a> {
    of: &'a Statement,
    group: &'a Group<'a>,
    rules: &'a Rules<'a>,
}

impl Reading<'_> {
    fn single(&self, expected: Option<&Value>, observed: Option<&Value>, holds: &mut Holds) {
        for sub in self.parts_stated() {
            let part = |whole: Option<&Value>| match &sub {
                None => whole.cloned(),
                Some(sub) => whole.and_then(|whole| whole.find(sub)).cloned(),
            };
            let (expected, observed) = (part(expected), part(observed));
            let expected = expected.filter(|value| !unassigned(value));
            let observed = observed.filter(|value| !unassigned(value));
            if self.agree(expected.as_ref(), observed.as_ref()) {
                continue;
            }
            let place = Place { sub: sub.clone(), ..self.group.place.clone() };
            let active = place.key() == "active";
            holds.not_kept.push(NotKept {
                path: PathKey(place.key()),
                name: self.name(sub.as_deref()),
                stated: text(expected.as_ref()),
                observed: text(observed.as_ref()),
                taking: active && expected == Some(Value::Bool(false)),
                active,
            });
        }
    }

    /// The sub-attributes that are stated of a single value; none stands for the whole.
    fn parts_stated(&self) -> BTreeSet<Option<String>> {
        let mut parts = BTreeSet::new();
        for (_, op) in &self.group.ops {
            if op.is_secret(self.rules.resource_type, self.rules.schema) {
                continue;
            }
            let sub = op.place.as_ref().and_then(|place| place.sub.clone());
            match (&sub, &op.value) {
                (None, Some(Value::Object(object))) if !object.is_empty() => {
                    parts.extend(object.iter().map(|(name, _)| Some(name.to_ascii_lowercase())));
                }
                _ => {
                    parts.insert(sub.map(|sub| sub.to_ascii_lowercase()));
                }
            }
        }
        parts
    }

    fn agree(&self, expected: Option<&Value>, observed: Option<&Value>) -> bool {
        let user_name = self.rules.folds && self.group.place.attribute_key() == "username";
        match (expected, observed) {
            (None, None) => true,
            (Some(Value::String(expected)), Some(Value::String(observed))) if user_name => {
                fold(expected) == fold(observed)
            }
            (Some(expected), Some(observed)) => covers(expected, observed),
            (Some(expected), None) => secret(expected).is_some(),
            (None, Some(_)) => false,
        }
    }

    fn list(&self, expected: &List, shown: &List, from_before: bool, holds: &mut Holds) {
        let edge = expected.kind().is_edge();
        let stated = self.stated_elements(expected);
        let noted = holds.not_kept.len();
        let (fresh, gone) = self.fresh(&stated, shown);
        let found = BTreeSet::new();
        let mut missing = Missing { expected, shown, reading: self, holds, fresh, gone, found };
        let mut any_shown = false;
        for (slot, (by, stated)) in &stated {
            any_shown |= missing.element(*slot, *by, stated.as_ref());
        }
        let complete = missing.holds.not_kept.len() == noted;
        missing.unwanted();
        if complete && noted < holds.not_kept.len() && self.is_appended(shown) {
            holds.appended.push(self.group.place.attribute_key());
        }
        if edge && any_shown {
            holds.edges_shown.push(self.group.place.attribute_key());
        }
        if edge && from_before && self.of.operation == Operation::Patch {
            self.collateral(expected, shown, &stated, holds);
        }
    }

    /// What is stated of which element that is expected to be there; nothing of an edge that is added.
    fn stated_elements(&self, expected: &List) -> BTreeMap<usize, (By, Option<Value>)> {
        let mut stated = BTreeMap::new();
        for atom in &self.group.atoms {
            let Some(op) = self.group.op(atom) else { continue };
            let Some(place) = op.place.as_ref().filter(|_| op.verb != Verb::Remove) else {
                continue;
            };
            if place.filter.is_none() && place.sub.is_none() {
                let creates = self.of.operation == Operation::Create;
                let presence = (op.verb == Verb::Add || creates) && expected.kind().is_edge();
                for element in atom_elements(atom, op.value.as_ref()) {
                    for slot in expected.same(element) {
                        let known = if presence {
                            (By::Item, None)
                        } else {
                            (By::Stated, Some(element.clone()))
                        };
                        stated.insert(slot, known);
                    }
                }
                continue;
            }
            let part = op.value.clone().map(|value| match &place.sub {
                Some(sub) => Value::Object([(sub.as_str(), value)].into_iter().collect()),
                None => value,
            });
            let whole = place.sub.is_none() && op.verb == Verb::Replace;
            let by = if whole { By::Fresh } else { By::Item };
            let mut slots: BTreeSet<usize> = atom.outcome.slots.iter().copied().collect();
            if let Some(filter) = place.filter.as_ref().filter(|_| whole) {
                // What was stated of them before may be gone, also where nothing else is stated.
                slots.extend(matching(expected, filter, place, self.rules).unwrap_or_default());
            }
            slots.retain(|slot| expected.items().contains_key(slot));
            stated.extend(slots.into_iter().map(|slot| (slot, (by, part.clone()))));
        }
        stated
    }

    /// The slots of what was not there before, where it may be what a filter selected; and of what was, the slots that show no more.
    fn fresh(
        &self,
        stated: &BTreeMap<usize, (By, Option<Value>)>,
        shown: &List,
    ) -> (Vec<usize>, BTreeSet<usize>) {
        let State::List(before) = &self.group.before else { return Default::default() };
        if !stated.values().any(|(by, _)| *by == By::Fresh) {
            return Default::default();
        }
        let beside = |list: &List, other: &List| {
            let other = other.set();
            let items = list.items().iter().filter(|(_, item)| !other.contains(&text_of(item)));
            items.map(|(slot, _)| *slot).collect::<Vec<usize>>()
        };
        (beside(shown, before), beside(before, shown).into_iter().collect())
    }

    /// A list that was to be replaced has all that it had, and more.
    fn is_appended(&self, shown: &List) -> bool {
        let State::List(before) = &self.group.before else { return false };
        let stays = |item: &Value| !shown.same(item).is_empty();
        self.of.operation == Operation::Patch
            && self.group.ops.iter().any(|(_, op)| op.states_all())
            && before.items().len() < shown.items().len()
            && before.items().values().all(stays)
    }

    /// Edges that no operation removes, and that are gone.
    fn collateral(
        &self,
        expected: &List,
        shown: &List,
        stated: &BTreeMap<usize, (By, Option<Value>)>,
        holds: &mut Holds,
    ) {
        let State::List(before) = &self.group.before else { return };
        let others = before
            .items()
            .iter()
            .filter(|(slot, _)| expected.items().contains_key(slot) && !stated.contains_key(slot));
        let (lost, left): (Vec<_>, Vec<_>) =
            others.map(|(_, item)| item).partition(|item| shown.same(item).is_empty());
        let adds = self.group.ops.iter().any(|(_, op)| op.verb == Verb::Add);
        if adds && !self.group.is_opaque() && !lost.is_empty() && left.is_empty() {
            holds.swept.push(self.group.place.attribute_key());
        }
        holds.collateral.extend(lost.into_iter().map(|item| self.key(expected.kind(), item)));
    }

    /// The elements that a removal or an exact list means not to be there.
    fn removed(&self, shown: &List) -> BTreeSet<usize> {
        let mut removed = BTreeSet::new();
        for atom in &self.group.atoms {
            let Some(op) = self.group.op(atom) else { continue };
            let Some(place) = &op.place else { continue };
            match (&place.filter, &place.sub, op.verb, &op.value) {
                (None, None, Verb::Replace, _) | (None, None, Verb::Remove, None) => {
                    return shown.items().keys().copied().collect();
                }
                (None, None, Verb::Remove, value) => {
                    let elements = atom_elements(atom, value.as_ref()).into_iter();
                    removed.extend(elements.flat_map(|element| shown.same(element)));
                }
                (Some(filter), None, Verb::Remove, _) => {
                    let slots = matching(shown, filter, place, self.rules);
                    removed.extend(slots.unwrap_or_default());
                }
                (_, Some(_), _, _)
                | (_, None, Verb::Add, _)
                | (Some(_), None, Verb::Replace, _) => {}
            }
        }
        removed
    }

    fn key(&self, kind: Kind, item: &Value) -> PathKey {
        let attribute = self.group.place.attribute_key();
        match edge_value(item).filter(|_| kind.is_edge()) {
            Some(value) => edge_key(&attribute, &value),
            None => PathKey(attribute),
        }
    }

    fn name(&self, sub: Option<&str>) -> String {
        let name = self.of.name_of(&self.group.place);
        let Some(sub) = sub else { return name };
        let urn = self.group.place.urn.as_deref();
        let attribute = &self.group.place.name;
        let parts = self.rules.schema.part_spelled(self.rules.resource_type, urn, attribute, sub);
        alloc::format!("{name}.{parts}")
    }
}

/// By what an element is found that is stated. What a target drops of it, because the request does not state it, is not missed (S27).
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// By what it is in the end.
    Item,
    /// By what is stated: a list that is given, or added to, holds such an element (RFC 7644 §3.5.1, §3.5.2.1).
    Stated,
    /// By what it is, or as one that was not there: what a filter selects is replaced by what is stated, which need not say what it was known by (RFC 7644 §3.5.2.3).
    Fresh,
}

struct Missing<'a> {
    expected: &'a List,
    shown: &'a List,
    reading: &'a Reading<'a>,
    holds: &'a mut Holds,
    fresh: Vec<usize>,
    gone: BTreeSet<usize>,
    /// What is as stated.
    found: BTreeSet<usize>,
}

impl Missing<'_> {
    /// Notes an element that is not there as stated; gives whether it is there at all.
    fn element(&mut self, slot: usize, by: By, stated: Option<&Value>) -> bool {
        let Some(item) = self.expected.items().get(&slot) else { return false };
        let wanted = stated.map(|stated| last_word(stated, item));
        let known = wanted.as_ref().filter(|_| by == By::Stated).unwrap_or(item);
        let same = self.shown.same(known);
        let fresh = self.fresh.iter().filter(|_| by == By::Fresh);
        let shown = |slot: &usize| self.shown.items().get(slot);
        let is = |slot: &&usize| match (&wanted, shown(slot)) {
            (Some(wanted), Some(shown)) => covers(wanted, shown),
            (None, shown) => shown.is_some(),
            (Some(_), None) => false,
        };
        // What was selected is gone, and what is stated stands there: two have become one (S27).
        let one = by == By::Fresh && self.gone.contains(&slot);
        let became = self.shown.items().keys().filter(|_| one);
        let found = same.iter().chain(fresh).chain(became).find(is).copied();
        if found.is_none() {
            let stated = stated.unwrap_or(item);
            self.note(item, canonical(stated), text(same.first().and_then(shown)), false);
        }
        self.found.extend(found);
        found.is_some() || !same.is_empty()
    }

    /// Notes what is there and is not to be.
    fn unwanted(&mut self) {
        let taking = self.expected.kind().is_edge();
        for slot in self.reading.removed(self.shown) {
            let Some(item) = self.shown.items().get(&slot) else { continue };
            if !self.found.contains(&slot) && self.expected.same(item).is_empty() {
                self.note(item, String::new(), canonical(item), taking);
            }
        }
    }

    fn note(&mut self, item: &Value, stated: String, observed: String, taking: bool) {
        self.holds.not_kept.push(NotKept {
            path: self.reading.key(self.expected.kind(), item),
            name: self.reading.name(None),
            stated,
            observed,
            taking,
            active: false,
        });
    }
}

/// What is stated of an element, with the values that it has in the end: a later operation may have changed them.
fn last_word(stated: &Value, item: &Value) -> Value {
    let (Value::Object(members), Value::Object(_)) = (stated, item) else { return stated.clone() };
    let members = members.iter().map(|(name, value)| {
        let kept = secret(value).is_some();
        (name, if kept { value.clone() } else { item.find(name).cloned().unwrap_or_default() })
    });
    Value::Object(members.collect())
}

fn atom_elements<'v>(atom: &Atom, value: Option<&'v Value>) -> Vec<&'v Value> {
    let all = value.map(elements).unwrap_or_default();
    match atom.element {
        None => all.iter().collect(),
        Some(position) => all.get(position).into_iter().collect(),
    }
}

fn text(value: Option<&Value>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
