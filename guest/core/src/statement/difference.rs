//! What would a request change on an observed resource, and what of it is to be sent (S25, S27)?

use alloc::{format, string::String, vec::Vec};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Object, Value, canonical, sort_by};

use super::{
    Allowance, Body, Difference, Operation, PathKey, Statement,
    apply::{Rules, State, alike},
    body::{self, Extra, Keep},
    form::{edge_key, edge_value},
    group::{Atom, Group, groups},
    list::{List, elements, text},
    omitted::omitted,
    read::{Op, Source},
};
use crate::{
    schema::Schema,
    spelling::{Verb, unassigned},
};

/// Up to how many operations on one attribute each is tried to be left out: the rest of the work grows with the square.
const TRIED: usize = 32;

pub(super) fn against(
    of: &Statement,
    resource: &Value,
    schema: &Schema,
    allow: &Allowance,
) -> Difference {
    let mut difference = Difference {
        satisfied: false,
        nothing_left: true,
        opaque: of.opaque(),
        body: Body::AsSent,
        gives: BTreeSet::new(),
        takes: BTreeSet::new(),
        names: Vec::new(),
        left_out: BTreeSet::new(),
        states_secret: of.states_secret(),
    };
    if of.operation == Operation::Delete {
        difference.takes.insert(PathKey("*".into()));
        difference.nothing_left = false;
        return difference;
    }
    let rules = of.rules(schema);
    let mut keeps = opaque_keeps(of, allow, &mut difference);
    let mut extra = Extra::default();
    for group in &groups(of, resource, &rules, &allow.unshown) {
        difference.add(of, group, &rules, allow, &mut keeps, &mut extra.operations);
        difference.nothing_left &= !is_sent(group, &keeps);
    }
    difference.nothing_left &= extra.operations.is_empty();
    extra.stays_off = difference.leave_out(of, resource, schema, allow);
    sort_by(&mut difference.names, Ord::cmp);
    difference.names.dedup();
    let stated_secret = difference.states_secret && of.operation != Operation::Create;
    difference.satisfied = difference.names.is_empty() && !difference.opaque && !stated_secret;
    let whole = difference.opaque && difference.left_out.is_empty();
    if !whole {
        difference.body = body::write(of, resource, &keeps, extra);
    }
    difference
}

/// What cannot be read goes out as it came, unless only what takes access away may.
fn opaque_keeps(
    of: &Statement,
    allow: &Allowance,
    difference: &mut Difference,
) -> BTreeMap<usize, Keep> {
    let mut keeps = BTreeMap::new();
    for (position, op) in of.ops.iter().enumerate().filter(|(_, op)| op.place.is_none()) {
        let whole = PathKey("*".into());
        // What it does cannot be said: only a removal is sure to give nothing.
        let held = (!allow.withheld.is_empty() || allow.only_taking) && op.verb != Verb::Remove;
        if held {
            difference.left_out.insert(whole);
        }
        difference.nothing_left &= held;
        keeps.insert(position, if held { Keep::Nothing } else { Keep::All });
    }
    keeps
}

/// Whether a group makes a difference and something of it goes out.
fn is_sent(group: &Group<'_>, keeps: &BTreeMap<usize, Keep>) -> bool {
    let mut kept = group.ops.iter().filter_map(|(position, _)| keeps.get(position));
    makes_difference(group)
        && kept.any(|keep| match keep {
            Keep::Nothing | Keep::Restored => false,
            Keep::All | Keep::Elements { .. } | Keep::Value(_) => true,
        })
}

fn makes_difference(group: &Group<'_>) -> bool {
    group.differs() || group.is_opaque() || group.is_forced()
}

/// What a group's net change is made of.
struct Net {
    gives: BTreeSet<PathKey>,
    takes: BTreeSet<PathKey>,
    /// The key of each slot that changes.
    slots: BTreeMap<usize, Change>,
}

struct Change {
    key: PathKey,
    taking: bool,
    /// An edge becomes another: one is taken, one is given.
    exchange: bool,
}

impl Difference {
    fn add(
        &mut self,
        of: &Statement,
        group: &Group<'_>,
        rules: &Rules<'_>,
        allow: &Allowance,
        keeps: &mut BTreeMap<usize, Keep>,
        more: &mut Vec<Value>,
    ) {
        if group.is_opaque() {
            self.opaque = true;
        }
        if makes_difference(group) {
            self.names.push(of.name_of(&group.place));
        }
        let net = net(group);
        self.gives.extend(net.gives.iter().cloned());
        self.takes.extend(net.takes.iter().cloned());
        let held = Held { allow, key: group.place.attribute_key() };
        if let (State::List(before), State::List(after)) = (&group.before, &group.after) {
            let slots = net.slots.iter().filter(|(_, change)| held.holds(change));
            let slots: BTreeSet<usize> = slots.map(|(slot, _)| *slot).collect();
            // What it gives cannot be said.
            let guesses = held.anything()
                && group.atoms.iter().any(|atom| atom.outcome.opaque && !group.removes(atom));
            if !slots.is_empty() || guesses {
                let left = slots.iter().filter_map(|slot| net.slots.get(slot));
                self.left_out.extend(left.map(|change| change.key.clone()));
                self.left_out.extend(guesses.then(|| PathKey(held.key.clone())));
                let held = HeldList { of, group, before, after, slots: &slots, net: &net };
                held.keep(rules, keeps, more);
                return;
            }
        } else if self.hold_single(group, &held, &net, keeps) {
            return;
        }
        if let Some(others) = one_by_one(of, group, &net, &held) {
            keeps.extend(group.ops.iter().map(|(position, _)| (*position, Keep::Nothing)));
            more.extend(others);
            return;
        }
        keep(of, group, rules, keeps);
    }

    /// What a PUT leaves out is to go (S26), unless only what takes access away may be sent, as members, roles and entitlements are by that. Gives whether `active` must be said to stay off: where a PUT says nothing of it, some targets switch it on.
    fn leave_out(
        &mut self,
        of: &Statement,
        resource: &Value,
        schema: &Schema,
        allow: &Allowance,
    ) -> bool {
        let mut stays_off = false;
        if of.operation != Operation::Replace {
            return stays_off;
        }
        for (place, value) in omitted(of, resource, schema) {
            self.names.push(of.name_of(&place));
            let held = Held { allow, key: place.attribute_key() };
            let taken = crate::spelling::is_edge(&place);
            if taken || !allow.only_taking && !held.named(&held.key) {
                self.nothing_left = false;
                continue;
            }
            stays_off |= held.key == "active" && value == Value::Bool(false);
            self.left_out.insert(PathKey(held.key));
        }
        stays_off
    }

    /// Leaves out what a single value must keep; gives whether it did.
    fn hold_single(
        &mut self,
        group: &Group<'_>,
        held: &Held<'_>,
        net: &Net,
        keeps: &mut BTreeMap<usize, Keep>,
    ) -> bool {
        if !group.differs() && !group.is_forced() {
            return false;
        }
        if !net.takes.is_empty() {
            return false;
        }
        let keys: BTreeSet<String> =
            group.ops.iter().filter_map(|(_, op)| Some(op.place.as_ref()?.key())).collect();
        let named = keys.iter().chain([&held.key]).any(|key| held.named(key));
        if !named && !held.allow.only_taking {
            return false;
        }
        self.left_out.extend(keys.into_iter().map(PathKey));
        keeps.extend(group.ops.iter().map(|(position, _)| (*position, Keep::Restored)));
        true
    }
}

struct Held<'a> {
    allow: &'a Allowance,
    key: String,
}

impl Held<'_> {
    fn named(&self, key: &str) -> bool {
        let withheld = &self.allow.withheld;
        withheld.contains(&PathKey(key.into())) || withheld.contains(&PathKey("*".into()))
    }

    /// Nothing holds back what takes access away (S2a, S14c).
    fn holds(&self, change: &Change) -> bool {
        let named = self.named(&change.key.0) || self.named(&self.key);
        !change.taking && (named || self.allow.only_taking)
    }

    fn anything(&self) -> bool {
        let within = |path: &PathKey| {
            path.0.strip_prefix(&self.key).is_some_and(|rest| rest.starts_with('/'))
        };
        self.allow.only_taking || self.named(&self.key) || self.allow.withheld.iter().any(within)
    }
}

fn net(group: &Group<'_>) -> Net {
    let mut net = Net { gives: BTreeSet::new(), takes: BTreeSet::new(), slots: BTreeMap::new() };
    match (&group.before, &group.after) {
        (State::List(before), State::List(after)) => net_of_list(&mut net, group, before, after),
        (State::Single(before), State::Single(after)) => {
            if group.place.attribute_key() != "active" || before == after {
                return net;
            }
            let key = PathKey("active".into());
            match (before, after) {
                (_, Some(Value::Bool(false))) => net.takes.insert(key),
                (_, Some(Value::Bool(true))) | (Some(Value::Bool(false)), _) => {
                    net.gives.insert(key)
                }
                _ => false,
            };
        }
        (State::List(_), State::Single(_)) | (State::Single(_), State::List(_)) => {}
    }
    net
}

fn net_of_list(net: &mut Net, group: &Group<'_>, before: &List, after: &List) {
    let attribute = group.place.attribute_key();
    let edge = before.kind().is_edge();
    let key = |item: &Value| match edge_value(item).filter(|_| edge) {
        Some(value) => edge_key(&attribute, &value),
        None => PathKey(attribute.clone()),
    };
    for slot in &group.net {
        let (was, is) = (before.items().get(slot).map(key), after.items().get(slot).map(key));
        let taking = edge && is.is_none();
        let renamed = was != is;
        if let Some(was) = was.clone().filter(|_| edge && renamed) {
            net.takes.insert(was);
        }
        if let Some(is) = is.clone().filter(|_| edge && renamed) {
            net.gives.insert(is);
        }
        let exchange = edge && renamed && was.is_some() && is.is_some();
        let key = is.or(was).unwrap_or_else(|| PathKey(attribute.clone()));
        net.slots.insert(*slot, Change { key, taking, exchange });
    }
    // What one slot loses another may have.
    let keys = |list: &List| list.items().values().map(key).collect::<BTreeSet<PathKey>>();
    if !net.takes.is_empty() && !net.gives.is_empty() {
        let (before, after) = (keys(before), keys(after));
        net.takes.retain(|path| !after.contains(path));
        net.gives.retain(|path| !before.contains(path));
    }
}

/// A list that this target does not replace as it is told: what is left to be taken away, else the list with its path; none where it goes out as it came.
fn one_by_one(of: &Statement, group: &Group<'_>, net: &Net, held: &Held<'_>) -> Option<Vec<Value>> {
    let appended = &held.allow.appended;
    let told = appended.contains(&held.key) || appended.contains("*");
    let [(_, op)] = group.ops.as_slice() else { return None };
    let (State::List(before), State::List(after)) = (&group.before, &group.after) else {
        return None;
    };
    let plain = op.states_all() && group.differs() && !group.is_forced();
    if of.operation != Operation::Patch || !told || !plain {
        return None;
    }
    let list = HeldList { of, group, before, after, slots: &BTreeSet::new(), net };
    let taken = |slot: &usize| {
        let item = before.items().get(slot).filter(|item| after.same(item).is_empty())?;
        list.removal(item).filter(|_| before.kind().is_edge())
    };
    // What is sent once more and has been doubled is stated as a whole.
    let doubled = appended.contains("*") && before.set().len() < before.items().len();
    let removals: Option<Vec<Value>> = group.net.iter().map(taken).collect();
    let pathless = matches!(op.source, Source::Member { .. });
    if removals.is_some() && !(doubled && pathless) {
        return removals;
    }
    if !pathless {
        return None;
    }
    let path = of.name_of(&group.place);
    let members =
        [("op", of.op_text(op.wire)?.into()), ("path", path.into()), ("value", op.raw.clone()?)];
    Some(alloc::vec![Value::Object(members.into_iter().collect())])
}

/// Nothing is held: what is satisfied, repeated or cancelled goes, the rest goes out as it came.
fn keep(of: &Statement, group: &Group<'_>, rules: &Rules<'_>, keeps: &mut BTreeMap<usize, Keep>) {
    if of.operation == Operation::Patch && !makes_difference(group) {
        keeps.extend(group.ops.iter().map(|(position, _)| (*position, Keep::Nothing)));
        return;
    }
    // What a filter makes is the target's affair: RFC 7644 §3.5.2.3 has it refuse.
    let made = group.atoms.iter().any(|atom| atom.outcome.made);
    let as_sent = made || group.is_opaque() || of.operation != Operation::Patch;
    if as_sent || group.is_clean() {
        keeps.extend(group.ops.iter().map(|(position, _)| (*position, Keep::All)));
        return;
    }
    by_atoms(group, &effective(group, rules), keeps);
}

/// The atoms that are needed to end where all of them end. A value with parts of which a later one sets a part is needed: the target may have none to set a part of (S25).
fn effective(group: &Group<'_>, rules: &Rules<'_>) -> Vec<bool> {
    // What a list that is replaced leaves of a value is the target's affair (RFC 7644 §3.5.2.3): what follows may be needed.
    let replaces = |atom: &Atom| {
        let first = atom.outcome.changed && atom.op + 1 < group.ops.len();
        first && group.op(atom).is_some_and(Op::states_all)
    };
    // An edge that is added is there, whatever else is said of it.
    let is_set = matches!(&group.before, State::List(list) if !list.kind().is_edge());
    let states_more = is_set || group.ops.iter().skip(1).any(|(_, op)| op.verb == Verb::Replace);
    if states_more && group.atoms.iter().any(replaces) {
        return group.atoms.iter().map(|_| true).collect();
    }
    let reaches = |kept: &[bool]| {
        group.simulate(kept, rules).is_some_and(|reached| alike(&reached, &group.after))
    };
    let last = last_touching(group, &group.net);
    if matches!(group.before, State::List(_)) && reaches(&last) {
        return last;
    }
    let changing = group.atoms.iter().map(|atom| atom.outcome.changed || atom.forced);
    let mut kept: Vec<bool> = changing.collect();
    if TRIED < kept.len() || !reaches(&kept) {
        return if reaches(&kept) { kept } else { group.atoms.iter().map(|_| true).collect() };
    }
    for position in 0..kept.len() {
        let mut fewer = kept.clone();
        let needed = group.atoms.get(position).is_some_and(|atom| {
            let has_parts = |op: &Op| {
                op.is_whole() && op.value.as_ref().is_some_and(|of| of.as_object().is_some())
            };
            atom.forced || group.op(atom).is_some_and(has_parts)
        });
        if let Some(flag) = fewer.get_mut(position).filter(|flag| **flag && !needed) {
            *flag = false;
            if reaches(&fewer) {
                kept = fewer;
            }
        }
    }
    kept
}

/// Of each slot that is to change, the atoms of the operation that changes it last; and what is forced.
fn last_touching(group: &Group<'_>, slots: &BTreeSet<usize>) -> Vec<bool> {
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    let mut kept: Vec<bool> = Vec::new();
    for atom in group.atoms.iter().rev() {
        let mut needed = false;
        for slot in atom.outcome.slots.iter().filter(|slot| slots.contains(*slot)) {
            needed |= *last.entry(*slot).or_insert_with(|| atom.op) == atom.op;
        }
        kept.push(needed || atom.forced);
    }
    kept.reverse();
    kept
}

/// Says of each operation of a group what is kept of it.
fn by_atoms(group: &Group<'_>, kept: &[bool], keeps: &mut BTreeMap<usize, Keep>) {
    let mut rest = group.atoms.iter().zip(kept).peekable();
    for (index, (position, op)) in group.ops.iter().enumerate() {
        // The atoms are in the order of the operations.
        let mut own: Vec<(Option<usize>, bool)> = Vec::new();
        while let Some((atom, kept)) = rest.next_if(|(atom, _)| atom.op == index) {
            own.push((atom.element, *kept));
        }
        let mut some: Vec<usize> =
            own.iter().filter(|(_, kept)| *kept).filter_map(|(element, _)| *element).collect();
        sort_by(&mut some, Ord::cmp);
        let keep = if own.iter().all(|(_, kept)| !kept) {
            Keep::Nothing
        } else if own.iter().all(|(_, kept)| *kept) {
            Keep::All
        } else {
            let apart = op.place.as_ref().is_some_and(crate::spelling::is_edge);
            Keep::Elements { positions: some, apart }
        };
        keeps.insert(*position, keep);
    }
}

/// A list of which some slots must not change; of an edge that becomes another, what is taken goes all the same.
struct HeldList<'a> {
    of: &'a Statement,
    group: &'a Group<'a>,
    before: &'a List,
    after: &'a List,
    slots: &'a BTreeSet<usize>,
    net: &'a Net,
}

impl HeldList<'_> {
    fn keep(&self, rules: &Rules<'_>, keeps: &mut BTreeMap<usize, Keep>, more: &mut Vec<Value>) {
        let wanted: BTreeSet<String> = self.wanted().into_values().map(text).collect();
        let all = || self.group.ops.iter().map(|(position, _)| *position);
        if wanted == self.before.set() && !self.group.atoms.iter().any(|atom| self.is_needed(atom))
        {
            keeps.extend(all().map(|position| (position, Keep::Restored)));
            return;
        }
        if let Some((position, op)) = self.group.ops.iter().rev().find(|(_, op)| op.states_all()) {
            keeps.extend(all().map(|position| (position, Keep::Nothing)));
            let needed = self.group.atoms.iter().filter(|atom| self.is_needed(atom));
            let needed = needed.filter_map(|atom| self.group.ops.get(atom.op));
            keeps.extend(needed.map(|(position, _)| (*position, Keep::All)));
            keeps.insert(*position, Keep::Value(Value::Array(self.list(op))));
            return;
        }
        let changing = last_touching(self.group, &self.net.slots.keys().copied().collect());
        let atoms = || self.group.atoms.iter();
        let least: Vec<bool> = atoms()
            .zip(&changing)
            .map(|(atom, needed)| self.is_needed(atom) || *needed && self.is_free(atom))
            .collect();
        let most: Vec<bool> = atoms().map(|atom| self.is_free(atom)).collect();
        for kept in [&least, &most] {
            if self.reached(kept, rules).is_some_and(|reached| reached == wanted) {
                by_atoms(self.group, kept, keeps);
                return;
            }
        }
        // What is said of single elements goes out as it came; what else is to be taken goes out as a removal of its own.
        let single: Vec<bool> = atoms()
            .zip(&least)
            .map(|(atom, kept)| *kept && (self.is_single(atom) || self.is_needed(atom)))
            .collect();
        let before = self.before.set();
        let known = |kept: &[bool]| {
            let reached = self.reached(kept, rules)?;
            let known = reached.iter().all(|item| wanted.contains(item) || before.contains(item));
            known.then_some(reached)
        };
        let needed: Vec<bool> = atoms().map(|atom| self.is_needed(atom)).collect();
        let (kept, reached) = match known(&single) {
            Some(reached) => (single, reached),
            None => {
                let reached = self.reached(&needed, rules).unwrap_or_else(|| self.before.set());
                (needed, reached)
            }
        };
        by_atoms(self.group, &kept, keeps);
        let gone = self.before.items().values();
        let gone = gone.filter(|item| {
            let item = text(item);
            self.before.kind().is_edge() && reached.contains(&item) && !wanted.contains(&item)
        });
        more.extend(gone.filter_map(|item| self.removal(item)));
    }

    /// What some of the atoms make of the list.
    fn reached(&self, kept: &[bool], rules: &Rules<'_>) -> Option<BTreeSet<String>> {
        match self.group.simulate(kept, rules)? {
            State::List(list) => Some(list.set()),
            State::Single(_) => None,
        }
    }

    /// The list as it is to be, by slot.
    fn wanted(&self) -> BTreeMap<usize, &Value> {
        let mut wanted =
            self.after.items().iter().map(|(slot, item)| (*slot, item)).collect::<BTreeMap<_, _>>();
        for slot in self.slots {
            let exchanged = self.net.slots.get(slot).is_some_and(|change| change.exchange);
            match self.before.items().get(slot).filter(|_| !exchanged) {
                Some(item) => wanted.insert(*slot, item),
                None => wanted.remove(slot),
            };
        }
        wanted
    }

    /// One list says it all: what is wanted as it is stated, what is held as it is observed.
    fn list(&self, op: &Op) -> Vec<Value> {
        let raw = op.raw.as_ref().map(elements).unwrap_or_default();
        let stated = op.value.as_ref().map(elements).unwrap_or_default();
        let mut spelled: BTreeMap<usize, &Value> = BTreeMap::new();
        for (element, raw) in stated.iter().zip(raw) {
            spelled.extend(self.after.same(element).into_iter().map(|slot| (slot, raw)));
        }
        let wanted = self.wanted().into_iter();
        let items = wanted.map(|(slot, item)| {
            let spelled = spelled.get(&slot).filter(|_| !self.slots.contains(&slot));
            spelled.map_or_else(|| bare(item), |raw| (*raw).clone())
        });
        items.collect()
    }

    /// What takes away and goes out whatever is observed: what it takes cannot be seen.
    fn is_needed(&self, atom: &Atom) -> bool {
        let empties = |op: &Op| op.states_all() && op.value.as_ref().is_none_or(unassigned);
        let empties = atom.forced && self.group.op(atom).is_some_and(empties);
        empties || self.group.removes(atom) && (atom.forced || atom.outcome.opaque)
    }

    /// It changes nothing that is held.
    fn is_free(&self, atom: &Atom) -> bool {
        let held = atom.outcome.slots.iter().any(|slot| self.slots.contains(slot));
        self.group.removes(atom) || !held && !atom.outcome.opaque && !atom.forced
    }

    /// It is about one element.
    fn is_single(&self, atom: &Atom) -> bool {
        let place = self.group.op(atom).and_then(|op| op.place.as_ref());
        let filter = place.filter(|place| place.sub.is_none()).and_then(|of| of.filter.as_ref());
        atom.element.is_some() || filter.is_some_and(|filter| filter.value().is_some())
    }

    /// The removal of one edge; of two of one value, of the one of its type.
    fn removal(&self, item: &Value) -> Option<Value> {
        let value = edge_value(item)?;
        let mut removals = self.group.ops.iter().filter(|(_, op)| op.verb == Verb::Remove);
        let spelled = removals.find_map(|(_, op)| self.of.op_text(op.wire)).unwrap_or("remove");
        let twin = |other: &&&Value| edge_value(other).as_ref() == Some(&value) && **other != item;
        let kind = item.find("type").filter(|_| self.wanted().values().any(|other| twin(&other)));
        let kind = kind.map(|kind| format!(" and type eq {}", canonical(kind))).unwrap_or_default();
        let name = &self.group.place.name;
        let path = format!("{name}[value eq {}{kind}]", canonical(&Value::from(value.as_str())));
        let members = [("op", Value::from(spelled)), ("path", Value::from(path))];
        Some(Value::Object(members.into_iter().collect::<Object>()))
    }
}

/// What an observed edge is known by.
fn bare(item: &Value) -> Value {
    if edge_value(item).is_none() {
        return item.clone();
    }
    let known_by = ["value", "type"];
    let members = known_by.iter().filter_map(|name| Some((*name, item.find(name)?.clone())));
    Value::Object(members.collect())
}
