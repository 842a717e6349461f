//! What would a request change on an observed resource, and what of it is to be sent (S25, S27)?

use alloc::{format, string::String, vec::Vec};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Object, Value, canonical, sort_by};

use super::{
    Allowance, Body, Difference, Operation, PathKey, Statement,
    apply::{Rules, State, alike, changed_slots},
    body::{self, Keep},
    form::{edge_key, edge_value},
    group::{Atom, Group, groups},
    list::{List, elements},
};
use crate::{schema::Schema, spelling::Verb};

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
    for group in &groups(of, resource, &rules, &allow.unshown) {
        difference.add(of, group, &rules, allow, &mut keeps);
        difference.nothing_left &= !is_sent(group, &keeps);
    }
    sort_by(&mut difference.names, Ord::cmp);
    difference.names.dedup();
    let stated_secret = difference.states_secret && of.operation != Operation::Create;
    difference.satisfied = difference.names.is_empty() && !difference.opaque && !stated_secret;
    let whole = difference.opaque && difference.left_out.is_empty();
    if !whole {
        difference.body = body::write(of, resource, &keeps);
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
            Keep::All | Keep::Elements { .. } | Keep::Value(_) | Keep::Ops(_) => true,
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
}

impl Difference {
    fn add(
        &mut self,
        of: &Statement,
        group: &Group<'_>,
        rules: &Rules<'_>,
        allow: &Allowance,
        keeps: &mut BTreeMap<usize, Keep>,
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
        if let State::List(after) = &group.after {
            let slots = net.slots.iter().filter(|(_, change)| held.holds(change));
            let slots: BTreeSet<usize> = slots.map(|(slot, _)| *slot).collect();
            if !slots.is_empty() {
                let left = slots.iter().filter_map(|slot| net.slots.get(slot));
                self.left_out.extend(left.map(|change| change.key.clone()));
                keep_list(of, group, after, &slots, rules, keeps);
                return;
            }
        } else if self.hold_single(group, &held, &net, keeps) {
            return;
        }
        if group.is_opaque() && held.anything() {
            self.left_out.insert(PathKey(held.key.clone()));
            let taking = group.ops.iter().map(|(position, op)| {
                (*position, if op.verb == Verb::Remove { Keep::All } else { Keep::Nothing })
            });
            keeps.extend(taking);
            return;
        }
        keep(of, group, rules, keeps);
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
        let taking = !net.takes.is_empty();
        let keys: BTreeSet<String> =
            group.ops.iter().filter_map(|(_, op)| Some(op.place.as_ref()?.key())).collect();
        let named = keys.iter().chain([&held.key]).any(|key| held.named(key));
        if !named && (taking || !held.allow.only_taking) {
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

    fn holds(&self, change: &Change) -> bool {
        self.named(&change.key.0)
            || self.named(&self.key)
            || self.allow.only_taking && !change.taking
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
        let key = is.or(was).unwrap_or_else(|| PathKey(attribute.clone()));
        net.slots.insert(*slot, Change { key, taking });
    }
}

/// Nothing is held: what is satisfied, repeated or cancelled goes, the rest goes out as it came.
fn keep(of: &Statement, group: &Group<'_>, rules: &Rules<'_>, keeps: &mut BTreeMap<usize, Keep>) {
    if of.operation == Operation::Patch && !makes_difference(group) {
        keeps.extend(group.ops.iter().map(|(position, _)| (*position, Keep::Nothing)));
        return;
    }
    let as_sent = group.is_opaque() || of.operation != Operation::Patch;
    if as_sent || group.is_clean() {
        keeps.extend(group.ops.iter().map(|(position, _)| (*position, Keep::All)));
        return;
    }
    by_atoms(group, &effective(group, rules), keeps);
}

/// The atoms that are needed to end where all of them end.
fn effective(group: &Group<'_>, rules: &Rules<'_>) -> Vec<bool> {
    let reaches = |kept: &[bool]| alike(&group.simulate(kept, rules), &group.after);
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
        let needed = group.atoms.get(position).is_some_and(|atom| atom.forced);
        if let Some(flag) = fewer.get_mut(position).filter(|flag| **flag && !needed) {
            *flag = false;
            if reaches(&fewer) {
                kept = fewer;
            }
        }
    }
    kept
}

/// Of each slot that is to change, the atom that changes it last; and what is forced.
fn last_touching(group: &Group<'_>, slots: &BTreeSet<usize>) -> Vec<bool> {
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut kept: Vec<bool> = Vec::new();
    for atom in group.atoms.iter().rev() {
        let touched = &atom.outcome.slots;
        let needed = touched.iter().any(|slot| slots.contains(slot) && !done.contains(slot));
        done.extend(touched.iter().copied());
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
        let some: Vec<usize> =
            own.iter().filter(|(_, kept)| *kept).filter_map(|(element, _)| *element).collect();
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

/// Some slots of a list must stay as they are observed.
fn keep_list(
    of: &Statement,
    group: &Group<'_>,
    after: &List,
    held: &BTreeSet<usize>,
    rules: &Rules<'_>,
    keeps: &mut BTreeMap<usize, Keep>,
) {
    let State::List(before) = &group.before else { return };
    let wanted: BTreeSet<usize> = group.net.difference(held).copied().collect();
    if wanted.is_empty() {
        let restored = |op: &(usize, _)| (op.0, Keep::Restored);
        keeps.extend(group.ops.iter().map(restored));
        return;
    }
    let whole = |op: &&(usize, &super::read::Op)| {
        let place = op.1.place.as_ref();
        op.1.verb == Verb::Replace
            && place.is_some_and(|place| place.filter.is_none() && place.sub.is_none())
    };
    if let Some((position, op)) = group.ops.iter().rev().find(whole) {
        // One list says it all: what is wanted as stated, what is held as observed.
        let raw = op.raw.as_ref().map(elements).unwrap_or_default();
        let stated = op.value.as_ref().map(elements).unwrap_or_default();
        let mut spelled: BTreeMap<usize, &Value> = BTreeMap::new();
        for (element, raw) in stated.iter().zip(raw) {
            spelled.extend(after.same(element).into_iter().map(|slot| (slot, raw)));
        }
        let slots: BTreeSet<usize> =
            before.items().keys().chain(after.items().keys()).copied().collect();
        let mut list: Vec<Value> = Vec::new();
        for slot in slots {
            let holds = held.contains(&slot);
            let source = if holds { before } else { after };
            let Some(item) = source.items().get(&slot) else { continue };
            let spelled = spelled.get(&slot).filter(|_| !holds);
            list.push(spelled.map_or_else(|| bare(item), |raw| (*raw).clone()));
        }
        keeps.extend(group.ops.iter().map(|(position, _)| (*position, Keep::Nothing)));
        keeps.insert(*position, Keep::Value(Value::Array(list)));
        return;
    }
    let kept = last_touching(group, &wanted);
    let mixed = group.atoms.iter().zip(&kept).any(|(atom, kept)| {
        *kept && !atom.forced && atom.outcome.slots.iter().any(|slot| held.contains(slot))
    });
    let reached = group.simulate(&kept, rules);
    if !mixed && changed_slots(&group.before, &reached) == wanted {
        by_atoms(group, &kept, keeps);
        return;
    }
    apart(of, group, &wanted, keeps);
}

/// Operations that touch what is held and what is not: of a removal of several edges, what is wanted goes out as one removal an edge; what is stated of single ones goes out as it came.
fn apart(
    of: &Statement,
    group: &Group<'_>,
    wanted: &BTreeSet<usize>,
    keeps: &mut BTreeMap<usize, Keep>,
) {
    let State::List(before) = &group.before else { return };
    let of_one = |atom: &Atom| {
        let place = group.op(atom).and_then(|op| op.place.as_ref());
        let filter = place.filter(|place| place.sub.is_none()).and_then(|of| of.filter.as_ref());
        atom.element.is_some() || filter.is_some_and(|filter| filter.value().is_some())
    };
    let last = last_touching(group, wanted);
    let kept: Vec<bool> =
        group.atoms.iter().zip(&last).map(|(atom, kept)| *kept && of_one(atom)).collect();
    by_atoms(group, &kept, keeps);
    for (atom, _) in group.atoms.iter().zip(&last).filter(|(atom, kept)| **kept && !of_one(atom)) {
        let Some((position, op)) = group.ops.get(atom.op) else { continue };
        if op.verb != Verb::Remove {
            continue;
        }
        let slots = atom.outcome.slots.iter().filter(|slot| wanted.contains(slot));
        let values = slots.filter_map(|slot| before.items().get(slot).and_then(edge_value));
        let spelled = of.op_text(op.wire).unwrap_or("remove");
        let removals = values.map(|value| {
            let text = canonical(&Value::from(value));
            let path = format!("{}[value eq {text}]", path_of(group, op));
            let members = [("op", Value::from(spelled)), ("path", Value::from(path))];
            Value::Object(members.into_iter().collect::<Object>())
        });
        keeps.insert(*position, Keep::Ops(removals.collect()));
    }
}

fn path_of(group: &Group<'_>, op: &super::read::Op) -> String {
    op.place.as_ref().map_or_else(|| group.place.name.clone(), |place| place.name.clone())
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
