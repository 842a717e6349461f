//! A set of values: which element is which (S27)?
//!
//! An element keeps its slot for as long as a statement is worked out, so that what cancels out is seen to.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};

use replaysafe_json::{Object, Value, canonical};

use super::form::edge_value;
use crate::spelling::{self, unassigned};

/// By what elements are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Members and groups: by `value`.
    Member,
    /// Roles and entitlements: by `value`, and by `type` where both have one.
    Grant,
    /// Others: by `value` and the `type` stated, else as a whole.
    Other,
}

impl Kind {
    pub(super) fn is_edge(self) -> bool {
        match self {
            Self::Member | Self::Grant => true,
            Self::Other => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    kind: Kind,
    items: BTreeMap<usize, Value>,
    /// What was there and was removed.
    gone: BTreeMap<usize, Value>,
    // INVARIANT: every slot of `items` and `gone` stands under the key of its element.
    index: BTreeMap<String, Vec<usize>>,
    next: usize,
}

impl List {
    pub(super) fn new(kind: Kind, observed: Option<&Value>) -> Self {
        let mut list = Self {
            kind,
            items: BTreeMap::new(),
            gone: BTreeMap::new(),
            index: BTreeMap::new(),
            next: 0,
        };
        for element in observed.map(elements).unwrap_or_default() {
            list.push(element.clone());
        }
        list
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn items(&self) -> &BTreeMap<usize, Value> {
        &self.items
    }

    /// The slots whose element is the one that `stated` means.
    pub(super) fn same(&self, stated: &Value) -> Vec<usize> {
        let slots = self.index.get(&key(stated)).map(Vec::as_slice).unwrap_or_default();
        let is = |slot: &&usize| self.items.get(slot).is_some_and(|item| self.means(stated, item));
        slots.iter().filter(is).copied().collect()
    }

    /// The slots whose `value` is this text.
    pub(super) fn of_value(&self, text: &str) -> Vec<usize> {
        let key = canonical(&Value::from(text));
        let slots = self.index.get(&key).map(Vec::as_slice).unwrap_or_default();
        slots.iter().filter(|slot| self.items.contains_key(slot)).copied().collect()
    }

    /// Adds an element; gives the slots that changed. An edge that is there satisfies it.
    pub(super) fn add(&mut self, stated: &Value) -> Vec<usize> {
        if unassigned(stated) {
            return Vec::new();
        }
        if let Some(slot) = self.same(stated).first().copied() {
            if self.kind.is_edge() {
                return Vec::new();
            }
            return self.agree(slot, stated);
        }
        alloc::vec![self.restore(stated).unwrap_or_else(|| self.push(stated.clone()))]
    }

    /// Removes what `stated` means; gives the slots that changed.
    pub(super) fn remove(&mut self, stated: &Value) -> Vec<usize> {
        let slots = self.same(stated);
        self.drop_all(&slots);
        slots
    }

    /// Removes slots.
    pub(super) fn drop_all(&mut self, slots: &[usize]) {
        for slot in slots {
            if let Some(item) = self.items.remove(slot) {
                self.gone.insert(*slot, item);
            }
        }
    }

    /// Makes the list the set that is stated; gives the slots that changed.
    pub(super) fn replace(&mut self, stated: &[Value]) -> Vec<usize> {
        let mut changed = Vec::new();
        let mut matched: BTreeSet<usize> = BTreeSet::new();
        for element in stated.iter().filter(|element| !unassigned(element)) {
            let same = self.same(element);
            if same.iter().any(|slot| matched.contains(slot) && self.covers(*slot, element)) {
                continue;
            }
            let free = || same.iter().filter(|slot| !matched.contains(slot));
            let best = free().find(|slot| self.covers(**slot, element)).or_else(|| free().next());
            let slot = match best.copied() {
                Some(slot) => {
                    changed.extend(self.agree(slot, element));
                    slot
                }
                None => {
                    let slot = self.restore(element);
                    let slot = slot.unwrap_or_else(|| self.push(element.clone()));
                    self.agree(slot, element);
                    changed.push(slot);
                    slot
                }
            };
            matched.insert(slot);
        }
        let left: Vec<usize> =
            self.items.keys().filter(|slot| !matched.contains(slot)).copied().collect();
        self.drop_all(&left);
        changed.extend(left);
        changed
    }

    /// Makes the element in a slot agree with what is stated; gives the slot if it changed.
    pub(super) fn agree(&mut self, slot: usize, stated: &Value) -> Vec<usize> {
        if self.covers(slot, stated) {
            return Vec::new();
        }
        self.edit(slot, |item| merge(item, stated));
        alloc::vec![slot]
    }

    /// Changes the element in a slot.
    pub(super) fn edit(&mut self, slot: usize, change: impl FnOnce(&mut Value)) {
        let Some(item) = self.items.get_mut(&slot) else { return };
        change(item);
        let key = key(item);
        let slots = self.index.entry(key).or_default();
        if !slots.contains(&slot) {
            slots.push(slot);
        }
    }

    /// The one in `slot` is primary: no other is (RFC 7644 §3.5.2). Gives the slots that changed.
    pub(super) fn only_primary(&mut self, slot: usize) -> Vec<usize> {
        if !self.items.get(&slot).is_some_and(is_primary) {
            return Vec::new();
        }
        let others =
            self.items.iter_mut().filter(|(other, item)| **other != slot && is_primary(item));
        let cleared = others.map(|(other, item)| {
            if let Value::Object(members) = item {
                members.remove(PRIMARY);
            }
            *other
        });
        cleared.collect()
    }

    /// Gives what came back another way the slot that it had: an edge that became another is that one.
    pub(super) fn settle_on(&mut self, before: &Self) {
        let lost = before.items.iter().filter(|(slot, _)| !self.items.contains_key(slot));
        let lost: Vec<(usize, &Value)> = lost.map(|(slot, item)| (*slot, item)).collect();
        for (slot, item) in lost {
            let new = self.same(item).into_iter().find(|new| !before.items.contains_key(new));
            let Some(moved) = new.and_then(|new| self.items.remove(&new)) else { continue };
            self.gone.remove(&slot);
            let slots = self.index.entry(key(&moved)).or_default();
            if !slots.contains(&slot) {
                slots.push(slot);
            }
            self.items.insert(slot, moved);
        }
    }

    /// Whether an element is there that is as stated, whatever it is known by.
    pub(super) fn has(&self, stated: &Value) -> bool {
        let mut same = self.same(stated).into_iter();
        same.any(|slot| self.covers(slot, stated))
            || edge_value(stated).is_none() && self.items.values().any(|item| covers(stated, item))
    }

    /// Adds an element that is known to be new; gives its slot.
    pub(super) fn push(&mut self, mut element: Value) -> usize {
        // RFC 7643 §2.4: what is not said to be primary is not.
        if let Value::Object(members) = &mut element
            && members.find(PRIMARY) == Some(&Value::Bool(false))
        {
            members.remove(PRIMARY);
        }
        let slot = self.next;
        self.next += 1;
        self.index.entry(key(&element)).or_default().push(slot);
        self.items.insert(slot, element);
        slot
    }

    /// The slots in which two lists differ that come from one.
    pub(super) fn changed_from(&self, before: &Self) -> BTreeSet<usize> {
        let slots = before.items.keys().chain(self.items.keys());
        let differs = |slot: &&usize| before.items.get(slot) != self.items.get(slot);
        slots.filter(differs).copied().collect()
    }

    /// The elements as a set, in one order.
    pub(super) fn set(&self) -> BTreeSet<String> {
        self.items.values().map(canonical).collect()
    }

    fn covers(&self, slot: usize, stated: &Value) -> bool {
        self.items.get(&slot).is_some_and(|item| covers(stated, item))
    }

    /// Puts back what was removed: an edge is its value, anything else must be all the same.
    fn restore(&mut self, stated: &Value) -> Option<usize> {
        let slots = self.index.get(&key(stated))?;
        let fits = |slot: &&usize| {
            self.gone.get(slot).is_some_and(|item| {
                self.means(stated, item)
                    && (self.kind.is_edge() || covers(stated, item) && covers(item, stated))
            })
        };
        let slot = slots.iter().find(fits).copied()?;
        let item = self.gone.remove(&slot)?;
        self.items.insert(slot, item);
        Some(slot)
    }

    /// Of two elements of one key.
    fn means(&self, stated: &Value, item: &Value) -> bool {
        if !has_value(stated) || !has_value(item) {
            return covers(stated, item);
        }
        if value_of(stated) != value_of(item) {
            return false;
        }
        match (self.kind, kind_of(stated), kind_of(item)) {
            (Kind::Member, _, _)
            | (Kind::Grant | Kind::Other, None, _)
            | (Kind::Grant, _, None) => true,
            (Kind::Other, Some(_), None) => false,
            (Kind::Grant | Kind::Other, Some(stated), Some(item)) => {
                stated.eq_ignore_ascii_case(item)
            }
        }
    }
}

/// The elements of a value: one value is a set of one.
pub(super) fn elements(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        Value::Null => &[],
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            core::slice::from_ref(value)
        }
    }
}

/// Whether what is stated of a value is so. What is not stated is not compared; of a secret nothing is.
pub(super) fn covers(stated: &Value, observed: &Value) -> bool {
    if spelling::secret(stated).is_some() {
        return true;
    }
    match (stated, observed) {
        (Value::Object(stated), Value::Object(observed)) => {
            stated.iter().all(|(name, value)| match observed.find(name) {
                Some(found) if !unassigned(found) => !unassigned(value) && covers(value, found),
                Some(_) | None => {
                    unassigned(value)
                        || spelling::secret(value).is_some()
                        || not_primary(name, value)
                }
            })
        }
        (Value::Array(stated), Value::Array(observed)) => {
            let within = |one: &Value, all: &[Value]| all.iter().any(|other| covers(one, other));
            stated.len() == observed.len() && stated.iter().all(|one| within(one, observed))
        }
        _ => stated == observed,
    }
}

/// Sets in `item` what is stated; `null` takes a member away.
pub(super) fn merge(item: &mut Value, stated: &Value) {
    let (Value::Object(object), Value::Object(members)) = (&mut *item, stated) else {
        *item = stated.clone();
        return;
    };
    set_members(object, members);
}

fn set_members(object: &mut Object, members: &Object) {
    for (name, value) in members {
        if unassigned(value) || not_primary(name, value) {
            object.remove(name);
        } else {
            object.insert(name, value.clone());
        }
    }
}

/// RFC 7643 §2.4: `primary` that is absent is false.
fn not_primary(name: &str, value: &Value) -> bool {
    name.eq_ignore_ascii_case(PRIMARY) && *value == Value::Bool(false)
}

fn is_primary(item: &Value) -> bool {
    item.find(PRIMARY) == Some(&Value::Bool(true))
}

const PRIMARY: &str = "primary";

fn has_value(element: &Value) -> bool {
    edge_value(element).is_some()
}

fn value_of(element: &Value) -> Option<&Value> {
    element.find("value")
}

fn kind_of(element: &Value) -> Option<&str> {
    element.find("type").and_then(Value::as_str)
}

/// Elements of different keys are different.
fn key(element: &Value) -> String {
    match value_of(element).filter(|_| has_value(element)) {
        Some(value) => canonical(value),
        None if element.as_object().is_some() => String::new(),
        None => format!("={}", canonical(element)),
    }
}
