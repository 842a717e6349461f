//! What does an operation do to an attribute (RFC 7644 §3.5.2.1 to §3.5.2.3)?

use alloc::vec::Vec;

use crate::ordered::BTreeSet;

use replaysafe_json::{Object, Value};

use super::{
    form::edge_value,
    list::{self, Kind, List, covers, elements, is_primary, merge},
    names::fold,
    read::Op,
};
use crate::{
    path::{Filter, Place},
    schema::Schema,
    spelling::{self, Verb, unassigned},
};

/// By which rules values are compared and changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) resource_type: &'a str,
    pub(super) schema: &'a Schema,
    /// `userName` is compared ignoring case: for a create (S3, S19).
    pub(super) folds: bool,
}

/// An attribute's value while operations are applied to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Single(Option<Value>),
    List(List),
}

/// What an operation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) changed: bool,
    /// What it does cannot be said.
    pub(super) opaque: bool,
    /// It made the element that its filter describes: many targets do not.
    pub(super) made: bool,
    /// The slots of a list that it changed.
    pub(super) slots: Vec<usize>,
}

impl Outcome {
    fn opaque() -> Self {
        Self { opaque: true, ..Self::default() }
    }

    pub(super) fn of_slots(slots: Vec<usize>) -> Self {
        Self { changed: !slots.is_empty(), slots, ..Self::default() }
    }

    fn of_change(changed: bool) -> Self {
        Self { changed, ..Self::default() }
    }
}

impl State {
    /// The value of `place` in a resource, in one spelling; a list if it is one, or is used as one.
    pub(super) fn observe(resource: &Value, place: &Place, ops: &[&Op], rules: &Rules<'_>) -> Self {
        let value = observe(resource, place, rules);
        match kind(place, value.as_ref(), ops, rules) {
            Some(kind) => Self::List(List::new(kind, value.as_ref())),
            None => Self::Single(value),
        }
    }

    /// Applies an operation, or of its value one element.
    pub(super) fn apply(&mut self, op: &Op, element: Option<usize>, rules: &Rules<'_>) -> Outcome {
        let Some(place) = &op.place else { return Outcome::opaque() };
        let value = op.value.as_ref();
        let value = match element {
            None => value,
            Some(position) => value.and_then(|value| elements(value).get(position)),
        };
        match self {
            Self::Single(single) => {
                Outcome::of_change(apply_single(single, op.verb, place, value, rules))
            }
            Self::List(list) => apply_list(list, op.verb, place, value, rules),
        }
    }
}

/// The assigned value of an attribute in a resource, in one spelling.
pub(super) fn observe(resource: &Value, place: &Place, rules: &Rules<'_>) -> Option<Value> {
    let holder = match &place.urn {
        Some(urn) => match resource.find(urn) {
            Some(holder) => holder,
            // No schema knows it: what reads as an attribute is an extension as a whole.
            None => {
                return resource
                    .find(&place.attribute_key())
                    .filter(|value| !unassigned(value))
                    .cloned();
            }
        },
        None => resource,
    };
    if place.name.is_empty() {
        return Some(holder.clone()).filter(|value| !unassigned(value));
    }
    let attribute = Place::of(place.urn.as_deref(), &place.name);
    let value = holder.find(&place.name)?;
    let value = spelling::value(value, &attribute, rules.resource_type, rules.schema);
    Some(value).filter(|value| !unassigned(value))
}

fn kind(place: &Place, observed: Option<&Value>, ops: &[&Op], rules: &Rules<'_>) -> Option<Kind> {
    if spelling::is_edge(place) {
        let by_value = ["members", "groups"];
        let member = by_value.iter().any(|name| place.name.eq_ignore_ascii_case(name));
        return Some(if member { Kind::Member } else { Kind::Grant });
    }
    let urn = place.urn.as_deref();
    let is_array = |value: &Value| value.as_array().is_some();
    let used = |op: &&Op| {
        let place = op.place.as_ref();
        place.is_some_and(|place| {
            place.filter.is_some() || place.sub.is_none() && op.value.as_ref().is_some_and(is_array)
        })
    };
    let listed = rules.schema.find(rules.resource_type, urn, &place.name, None).multi_valued
        || observed.is_some_and(is_array)
        || ops.iter().any(used);
    listed.then_some(Kind::Other)
}

fn apply_single(
    single: &mut Option<Value>,
    verb: Verb,
    place: &Place,
    value: Option<&Value>,
    rules: &Rules<'_>,
) -> bool {
    let null = Value::Null;
    let value = match verb {
        Verb::Add | Verb::Replace => value.unwrap_or(&null),
        Verb::Remove => &null,
    };
    let Some(sub) = &place.sub else {
        return set(single, value, rules.folds && is_user_name(place));
    };
    let mut object = match single {
        Some(Value::Object(object)) => object.clone(),
        Some(_) | None => Object::new(),
    };
    let mut part = object.find(sub).filter(|part| !unassigned(part)).cloned();
    if !set(&mut part, value, false) {
        return false;
    }
    match part {
        Some(part) => object.insert(sub.clone(), part),
        None => object.remove(sub),
    };
    let whole = Value::Object(object);
    *single = Some(whole).filter(|whole| !unassigned(whole));
    true
}

fn is_user_name(place: &Place) -> bool {
    place.urn.is_none() && place.name.eq_ignore_ascii_case("userName")
}

/// Sets a value; gives whether it changed.
fn set(single: &mut Option<Value>, stated: &Value, folds: bool) -> bool {
    if unassigned(stated) && spelling::secret(stated).is_none() {
        let blank = stated.as_object().is_some_and(|object| !object.is_empty());
        if blank && let Some(observed) = single {
            // An object of nulls takes these members away, and nothing else.
            let changed = !covers(stated, observed);
            merge(observed, stated);
            single.take_if(|left| unassigned(left));
            return changed;
        }
        return single.take().is_some();
    }
    match single {
        Some(observed) if covers(stated, observed) => return false,
        Some(Value::String(observed)) if folds => {
            if stated.as_str().is_some_and(|text| fold(text) == fold(observed)) {
                return false;
            }
            *single = Some(stated.clone());
        }
        Some(observed) => merge(observed, stated),
        None => {
            let mut fresh = Value::Object(Object::new());
            merge(&mut fresh, stated);
            *single = Some(fresh);
        }
    }
    true
}

fn apply_list(
    list: &mut List,
    verb: Verb,
    place: &Place,
    given: Option<&Value>,
    rules: &Rules<'_>,
) -> Outcome {
    let value = given;
    if place.filter.is_none() && place.sub.is_none() {
        // Which edge is to go cannot be said without its value.
        let unnamed = |element: &Value| edge_value(element).is_none();
        let edges = list.kind().is_edge() && verb == Verb::Remove;
        if edges && value.is_some_and(|value| elements(value).iter().any(unnamed)) {
            return Outcome::opaque();
        }
        // A create is about presence, as an add is (S27).
        let known_by: Option<Vec<Value>> = (rules.folds && list.kind().is_edge()).then(|| {
            let typed = list.kind() == Kind::Grant;
            let stated = value.map(elements).unwrap_or_default().iter();
            stated.map(|element| known_by(element, typed)).collect()
        });
        let value = known_by.map(Value::Array);
        return Outcome::of_slots(apply_whole(list, verb, value.as_ref().or(given)));
    }
    let slots = match &place.filter {
        Some(filter) => match matching(list, filter, place, rules) {
            Some(slots) => slots,
            None => return Outcome::opaque(),
        },
        None => list.items().keys().copied().collect(),
    };
    let stated = stated_part(verb, place, value);
    if slots.is_empty() {
        return match (verb, stated) {
            (Verb::Remove, _) => Outcome::default(),
            (Verb::Add | Verb::Replace, Some(stated)) => create(list, place, &stated),
            (Verb::Add | Verb::Replace, None) => Outcome::opaque(),
        };
    }
    match stated {
        // RFC 7643 §2.4: one value is primary. Which of several cannot be said.
        Some(stated) if 1 < slots.len() && is_primary(&stated) => Outcome::opaque(),
        Some(stated) => {
            let mut changed = Vec::new();
            for slot in slots {
                let agreed = list.agree(slot, &stated);
                changed.extend(with_primary(list, agreed));
            }
            Outcome::of_slots(changed)
        }
        None if verb == Verb::Remove || value.is_some_and(unassigned) => {
            list.drop_all(&slots);
            Outcome::of_slots(slots)
        }
        None => Outcome::opaque(),
    }
}

fn apply_whole(list: &mut List, verb: Verb, value: Option<&Value>) -> Vec<usize> {
    let stated = value.map(elements);
    match (verb, stated) {
        (Verb::Add, stated) => {
            let stated = stated.unwrap_or_default();
            let mut changed = Vec::new();
            for element in stated {
                let added = list.add(element);
                changed.extend(with_primary(list, added));
            }
            changed
        }
        (Verb::Replace, stated) => list.replace(stated.unwrap_or_default()),
        (Verb::Remove, Some(stated)) => {
            stated.iter().flat_map(|element| list.remove(element)).collect()
        }
        (Verb::Remove, None) => list.replace(&[]),
    }
}

/// What each chosen element is to have; none where it is to go, or where that cannot be said.
fn stated_part(verb: Verb, place: &Place, value: Option<&Value>) -> Option<Value> {
    match (&place.sub, verb) {
        (Some(sub), Verb::Remove) => {
            Some(Value::Object([(sub.as_str(), Value::Null)].into_iter().collect()))
        }
        (Some(sub), Verb::Add | Verb::Replace) => {
            Some(Value::Object([(sub.as_str(), value?.clone())].into_iter().collect()))
        }
        (None, Verb::Remove) => None,
        (None, Verb::Add | Verb::Replace) => {
            value.filter(|value| value.as_object().is_some() && !unassigned(value)).cloned()
        }
    }
}

pub(super) fn matching(
    list: &List,
    filter: &Filter,
    place: &Place,
    rules: &Rules<'_>,
) -> Option<Vec<usize>> {
    let urn = place.urn.as_deref();
    let exact = |sub: &str| {
        rules.schema.find(rules.resource_type, urn, &place.name, Some(sub)).case_exact
            || list.kind().is_edge() && sub.eq_ignore_ascii_case("value")
    };
    if let Some(text) = filter.value().filter(|_| exact("value")) {
        return Some(list.of_value(text));
    }
    let mut slots = Vec::new();
    for (slot, item) in list.items() {
        if filter.matches(item, &exact)? {
            slots.push(*slot);
        }
    }
    Some(slots)
}

/// No element matches. RFC 7644 §3.5.2.3 has the target refuse that; many create the element that the filter describes, and clients count on it. An edge is never made so.
fn create(list: &mut List, place: &Place, stated: &Value) -> Outcome {
    let Some(equalities) = place.filter.as_ref().and_then(Filter::equalities) else {
        return Outcome::opaque();
    };
    let named = equalities.iter().any(|(name, _)| name.eq_ignore_ascii_case("value"));
    let edge = list.kind().is_edge();
    if !edge && unassigned(stated) {
        return Outcome::default();
    }
    let described = equalities.into_iter().map(|(name, value)| (name, value.clone()));
    let mut element = Value::Object(described.collect());
    merge(&mut element, stated);
    // What the filter describes was changed before: it is there as stated.
    if (named || !edge) && !unassigned(&element) && list.has(&element) {
        return Outcome::default();
    }
    if edge {
        return Outcome::opaque();
    }
    let slot = list.push(element);
    Outcome { made: true, ..Outcome::of_slots(with_primary(list, alloc::vec![slot])) }
}

/// The slots that changed, and those that are no longer primary for it.
fn with_primary(list: &mut List, mut changed: Vec<usize>) -> Vec<usize> {
    if let Some(slot) = changed.last().copied() {
        changed.extend(list.only_primary(slot));
    }
    changed
}

/// By what an edge is known: its value, and the type of a grant that has one (S27).
fn known_by(element: &Value, typed: bool) -> Value {
    if edge_value(element).is_none() {
        return element.clone();
    }
    let members = ["value", "type"].into_iter().take(if typed { 2 } else { 1 });
    let members = members.filter_map(|name| Some((name, element.find(name)?.clone())));
    Value::Object(members.collect())
}

/// Whether two states hold the same.
pub(super) fn alike(left: &State, right: &State) -> bool {
    match (left, right) {
        (State::List(left), State::List(right)) => left.set() == right.set(),
        (State::Single(Some(left)), State::Single(Some(right))) => list::alike(left, right),
        (State::Single(left), State::Single(right)) => left.is_none() && right.is_none(),
        (State::List(_), State::Single(_)) | (State::Single(_), State::List(_)) => false,
    }
}

/// The slots in which a list changed.
pub(super) fn changed_slots(before: &State, after: &State) -> BTreeSet<usize> {
    match (before, after) {
        (State::List(before), State::List(after)) => after.changed_from(before),
        _ => BTreeSet::new(),
    }
}
