//! A set of values: which element is which (S27)?
//!
//! An element keeps its slot for as long as a statement is worked out, so that what cancels out is seen to.

use alloc::{format, rc::Rc, string::String, vec::Vec};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Object, Value, canonical, sort_by};

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
    items: Rc<BTreeMap<usize, Value>>,
    /// What was observed.
    observed: Rc<BTreeMap<usize, Value>>,
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
            items: Rc::default(),
            observed: Rc::default(),
            gone: BTreeMap::new(),
            index: BTreeMap::new(),
            next: 0,
        };
        for element in observed.map(elements).unwrap_or_default() {
            list.push(element.clone());
        }
        list.observed = Rc::clone(&list.items);
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
        // An element that became another stands under its former value too.
        let is = |slot: &&usize| {
            let value = self.items.get(slot).and_then(value_of);
            value.and_then(Value::as_str) == Some(text)
        };
        slots.iter().filter(is).copied().collect()
    }

    /// The slot whose element is the one that `stated` means, and as stated.
    pub(super) fn holding(&self, stated: &Value) -> Option<usize> {
        self.same(stated).into_iter().find(|slot| self.covers(*slot, stated))
    }

    /// Adds an element; gives the slots that changed. An edge that is there satisfies it.
    pub(super) fn add(&mut self, stated: &Value) -> Vec<usize> {
        if unassigned(stated) {
            return Vec::new();
        }
        if let Some(slot) = self.same(stated).first().copied() {
            // RFC 7644 §3.5.2.1: where the value is contained nothing changes, whichever of several it is.
            if self.kind.is_edge() || self.holding(stated).is_some() {
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
            if let Some(item) = Rc::make_mut(&mut self.items).remove(slot) {
                self.gone.insert(*slot, item);
            }
        }
    }

    /// Makes the list the set that is stated; gives the slots that changed.
    ///
    /// It says what the whole list is, so what operations before it did is undone. What is stated is measured against what was observed: what agrees in all first, then what
    /// agrees in what is stated, then what is known by the same; each is taken once.
    pub(super) fn replace(&mut self, stated: &[Value]) -> Vec<usize> {
        let earlier = core::mem::replace(&mut self.items, Rc::clone(&self.observed));
        self.gone = BTreeMap::new();
        let mut matched = BTreeMap::new();
        let mut left: Vec<&Value> = Vec::new();
        left.extend(in_order(stated).into_iter().filter_map(|position| stated.get(position)));
        left.retain(|element| !unassigned(element));
        left.dedup_by(|left, right| alike(left, right));
        self.match_up(&mut left, &mut matched, alike);
        self.match_up(&mut left, &mut matched, covers);
        for element in left {
            let same = self.same(element);
            let free = same.iter().find(|slot| !matched.contains_key(*slot));
            if free.is_none() && self.holding(element).is_some() {
                continue;
            }
            let slot = free.or_else(|| same.iter().find(|slot| self.is_one(**slot, element)));
            let slot = slot.copied().unwrap_or_else(|| self.push(element.clone()));
            self.agree(slot, element);
            matched.insert(slot, element);
        }
        // An edge that stands there twice is one (S27).
        let doubled = |item: &Value| {
            let mut same = self.same(item).into_iter().filter(|slot| matched.contains_key(slot));
            let is = |slot: usize| self.items.get(&slot).is_some_and(|other| alike(item, other));
            self.kind.is_edge() && same.any(is)
        };
        let unstated = self.items.iter().filter(|(slot, _)| !matched.contains_key(slot));
        let unstated: Vec<usize> =
            unstated.filter(|(_, item)| !doubled(item)).map(|(slot, _)| *slot).collect();
        self.drop_all(&unstated);
        if let Some((slot, _)) = matched.iter().find(|(_, element)| is_primary(element)) {
            self.only_primary(*slot);
        }
        changed(&earlier, &self.items).into_iter().collect()
    }

    /// Gives elements that are stated the slots that fit, each slot once; leaves those that none fits.
    fn match_up<'v>(
        &self,
        left: &mut Vec<&'v Value>,
        matched: &mut BTreeMap<usize, &'v Value>,
        fits: impl Fn(&Value, &Value) -> bool,
    ) {
        left.retain(|element| {
            let same = self.same(element).into_iter();
            let mut free = same.filter(|slot| !matched.contains_key(slot));
            let fit =
                free.find(|slot| self.items.get(slot).is_some_and(|item| fits(element, item)));
            if let Some(slot) = fit {
                matched.insert(slot, element);
            }
            fit.is_none()
        });
    }

    /// Makes the element in a slot agree with what is stated; gives the slot if it changed.
    pub(super) fn agree(&mut self, slot: usize, stated: &Value) -> Vec<usize> {
        if self.covers(slot, stated) {
            return Vec::new();
        }
        self.edit(slot, |item| merge(item, stated));
        alloc::vec![slot]
    }

    /// Changes the element in a slot; one of which nothing is left is gone (RFC 7643 §2.5).
    pub(super) fn edit(&mut self, slot: usize, change: impl FnOnce(&mut Value)) {
        let items = Rc::make_mut(&mut self.items);
        let Some(item) = items.get_mut(&slot) else { return };
        change(item);
        if unassigned(item) {
            items.remove(&slot);
            return;
        }
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
        let others = self.items.iter().filter(|(other, item)| **other != slot && is_primary(item));
        let others: Vec<usize> = others.map(|(other, _)| *other).collect();
        for other in &others {
            if let Some(Value::Object(members)) = Rc::make_mut(&mut self.items).get_mut(other) {
                members.remove(PRIMARY);
            }
        }
        others
    }

    /// Gives what came back another way the slot that it had: an edge that became another is that one. Of what became alike one is left: a set has each once.
    pub(super) fn settle_on(&mut self, before: &Self) {
        let lost = before.items.iter().filter(|(slot, _)| !self.items.contains_key(slot));
        let lost: Vec<(usize, &Value)> = lost.map(|(slot, item)| (*slot, item)).collect();
        for (slot, item) in lost {
            let new = self.same(item).into_iter().find(|new| !before.items.contains_key(new));
            let Some(moved) = new.and_then(|new| Rc::make_mut(&mut self.items).remove(&new)) else {
                continue;
            };
            self.gone.remove(&slot);
            let slots = self.index.entry(key(&moved)).or_default();
            if !slots.contains(&slot) {
                slots.push(slot);
            }
            Rc::make_mut(&mut self.items).insert(slot, moved);
        }
        let new = self.items.keys().filter(|slot| !before.items.contains_key(slot));
        for slot in new.copied().collect::<Vec<usize>>() {
            let Some(item) = self.items.get(&slot).filter(|_| !self.kind.is_edge()) else {
                continue;
            };
            let mut others = self.same(item).into_iter().filter(|other| *other != slot);
            if others.any(|other| self.items.get(&other).is_some_and(|other| alike(item, other))) {
                Rc::make_mut(&mut self.items).remove(&slot);
            }
        }
    }

    /// Whether an element is there that is as stated, whatever it is known by.
    pub(super) fn has(&self, stated: &Value) -> bool {
        self.holding(stated).is_some()
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
        Rc::make_mut(&mut self.items).insert(slot, element);
        slot
    }

    /// The slots in which two lists differ that come from one.
    pub(super) fn changed_from(&self, before: &Self) -> BTreeSet<usize> {
        changed(&before.items, &self.items)
    }

    /// The elements as a set, in one order.
    pub(super) fn set(&self) -> BTreeSet<String> {
        self.items.values().map(text).collect()
    }

    fn covers(&self, slot: usize, stated: &Value) -> bool {
        self.items.get(&slot).is_some_and(|item| covers(stated, item))
    }

    /// Whether an element that is stated and what another has become are one by what both state (S27); what states no type may be any, and is not one with each.
    fn is_one(&self, slot: usize, stated: &Value) -> bool {
        let is_kind = |item: &Value| match (kind_of(item), kind_of(stated)) {
            (Some(item), Some(stated)) => item.eq_ignore_ascii_case(stated),
            (item, stated) => item.is_none() && stated.is_none(),
        };
        self.items.get(&slot).is_some_and(|item| self.kind.is_edge() || is_kind(item))
    }

    /// Puts back what was removed: an edge that was observed is its value, anything else must be all the same.
    fn restore(&mut self, stated: &Value) -> Option<usize> {
        let slots = self.index.get(&key(stated))?;
        let fits = |slot: &&usize| {
            let by_value = self.kind.is_edge() && self.observed.contains_key(*slot);
            self.gone.get(slot).is_some_and(|item| {
                self.means(stated, item)
                    && (by_value || covers(stated, item) && covers(item, stated))
            })
        };
        let slot = slots.iter().find(fits).copied()?;
        let item = self.gone.remove(&slot)?;
        Rc::make_mut(&mut self.items).insert(slot, item);
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

/// The order in which the elements of one value are read: a set has none, and what comes out must not depend on how it was written (S3).
///
/// What states less comes first, so that it is measured against what was there and not against another element. What is unassigned states nothing, and so does a `primary` that is false (RFC 7643 §2.4, §2.5).
pub(super) fn in_order(elements: &[Value]) -> Vec<usize> {
    let len = |value: &Value| value.as_object().map_or(0, Object::len);
    let rank = |(position, element): (usize, &Value)| {
        let plain = plain(element);
        let said = (canonical(&plain), len(element));
        (kind_of(element).is_some(), len(&plain), said, position)
    };
    let mut ranks: Vec<(bool, usize, (String, usize), usize)> =
        elements.iter().enumerate().map(rank).collect();
    sort_by(&mut ranks, Ord::cmp);
    ranks.into_iter().map(|(_, _, _, position)| position).collect()
}

/// The slots in which two states of a list differ.
fn changed(before: &BTreeMap<usize, Value>, after: &BTreeMap<usize, Value>) -> BTreeSet<usize> {
    let slots = before.keys().chain(after.keys());
    let differs = |slot: &&usize| match (before.get(slot), after.get(slot)) {
        (Some(before), Some(after)) => !alike(before, after),
        (before, after) => before.is_some() != after.is_some(),
    };
    slots.filter(differs).copied().collect()
}

/// Whether two values are the same, whatever the letter case of names.
pub(super) fn alike(left: &Value, right: &Value) -> bool {
    covers(left, right) && covers(right, left)
}

/// One text for all values that are alike.
pub(super) fn text(value: &Value) -> String {
    canonical(&plain(value))
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Object(object) if !is_simple(object) => {
            let kept = object
                .iter()
                .filter(|(name, value)| !unassigned(value) && !not_primary(name, value))
                .map(|(name, value)| (name.to_ascii_lowercase(), plain(value)));
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            value.clone()
        }
    }
}

/// Whether an object is as it would be written in any case: what most members are.
pub(super) fn is_simple(object: &Object) -> bool {
    object.iter().all(|(name, value)| {
        let says = matches!(value, Value::Bool(true) | Value::Number(_) | Value::String(_));
        says && !name.bytes().any(|byte| byte.is_ascii_uppercase())
    })
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

pub(super) fn is_primary(item: &Value) -> bool {
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
