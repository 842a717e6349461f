//! How is what is kept of a request written (S25)?

use alloc::{string::String, vec::Vec};

use crate::ordered::BTreeMap;

use replaysafe_json::{Object, Value};

use super::{
    Body, Operation, Statement,
    list::elements,
    read::{Op, Source},
};

/// What is kept of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It goes out as it came.
    All,
    /// It does not go out.
    Nothing,
    /// It does not go out; in a resource, the attribute stands there as it is observed.
    Restored,
    /// These elements of its value; `apart`: each in an operation of its own.
    Elements { positions: Vec<usize>, apart: bool },
    /// It goes out with another value.
    Value(Value),
}

/// What goes out that the request does not state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extra {
    /// Operations that go out last.
    pub(super) operations: Vec<Value>,
    /// A PUT that says nothing of `active` says that it stays off.
    pub(super) stays_off: bool,
}

/// Writes what is kept; an operation that nothing is said of is left out where something else is.
pub(super) fn write(
    of: &Statement,
    resource: &Value,
    keeps: &BTreeMap<usize, Keep>,
    extra: Extra,
) -> Body {
    if extra == Extra::default() && keeps.values().all(|keep| *keep == Keep::All) {
        return Body::AsSent;
    }
    let Some(Value::Object(body)) = &of.body else { return Body::AsSent };
    match of.operation {
        Operation::Create | Operation::Delete => Body::AsSent,
        Operation::Replace => {
            let mut body = write_resource(of, body, resource, keeps);
            if extra.stays_off {
                body.insert("active", false);
            }
            Body::Rewritten(Value::Object(body))
        }
        Operation::Patch => {
            let mut operations = write_operations(of, body, keeps);
            operations.extend(extra.operations);
            let mut body = body.clone();
            body.insert("Operations", operations);
            Body::Rewritten(Value::Object(body))
        }
    }
}

fn write_resource(
    of: &Statement,
    body: &Object,
    resource: &Value,
    keeps: &BTreeMap<usize, Keep>,
) -> Object {
    let mut body = body.clone();
    for (position, keep) in keeps {
        let Some(op) = of.ops.get(*position) else { continue };
        let Source::Member { holder, name } = &op.source else { continue };
        let value = match keep {
            Keep::Value(value) => Some(value.clone()),
            Keep::Restored | Keep::Nothing => observed(resource, op),
            Keep::All | Keep::Elements { .. } => continue,
        };
        set(&mut body, holder.as_deref(), name, value);
    }
    body
}

fn observed(resource: &Value, op: &Op) -> Option<Value> {
    let place = op.place.as_ref()?;
    let holder = match &place.urn {
        Some(urn) => resource.find(urn)?,
        None => resource,
    };
    if place.name.is_empty() { Some(holder.clone()) } else { holder.find(&place.name).cloned() }
}

fn set(body: &mut Object, holder: Option<&str>, name: &str, value: Option<Value>) {
    let inner = match holder {
        Some(holder) => match body.find_mut(holder) {
            Some(Value::Object(inner)) => inner,
            _ => return,
        },
        None => body,
    };
    match value {
        Some(value) => inner.insert(name, value),
        None => inner.remove(name),
    };
}

fn write_operations(of: &Statement, body: &Object, keeps: &BTreeMap<usize, Keep>) -> Vec<Value> {
    let sent = body.find("Operations").and_then(Value::as_array).unwrap_or_default();
    let mut written = Vec::new();
    let mut rest = of.ops.iter().enumerate().peekable();
    for (wire, operation) in sent.iter().enumerate() {
        let mut own: Vec<(&Op, &Keep)> = Vec::new();
        while let Some((position, op)) = rest.next_if(|(_, op)| op.wire == wire) {
            if !op.ignored {
                own.push((op, keeps.get(&position).unwrap_or(&Keep::Nothing)));
            }
        }
        if own.is_empty() {
            continue;
        }
        if own.iter().all(|(_, keep)| **keep == Keep::All) {
            written.push(operation.clone());
            continue;
        }
        match own.as_slice() {
            [(op, keep)] if matches!(op.source, Source::Path { .. }) => {
                write_operation(operation, op, keep, &mut written);
            }
            _ => write_members(operation, &own, &mut written),
        }
    }
    written
}

fn write_operation(operation: &Value, op: &Op, keep: &Keep, written: &mut Vec<Value>) {
    match keep {
        Keep::All => written.push(operation.clone()),
        Keep::Nothing | Keep::Restored => {}
        Keep::Value(value) => written.push(with_value(operation, value.clone())),
        Keep::Elements { positions, apart } => {
            let chosen = chosen(op, positions);
            if *apart {
                let each = chosen.into_iter().map(|element| alloc::vec![element]);
                written.extend(each.map(|value| with_value(operation, Value::Array(value))));
            } else {
                written.push(with_value(operation, Value::Array(chosen)));
            }
        }
    }
}

/// An operation without path, or on an extension: its value holds what is kept.
fn write_members(operation: &Value, own: &[(&Op, &Keep)], written: &mut Vec<Value>) {
    let Some(sent) = operation.find("value").and_then(Value::as_object) else { return };
    let mut value = Object::new();
    for (op, keep) in own {
        let Source::Member { holder, name } = &op.source else { continue };
        let member = match keep {
            Keep::All => op.raw.clone(),
            Keep::Value(value) => Some(value.clone()),
            Keep::Elements { positions, .. } => Some(Value::Array(chosen(op, positions))),
            Keep::Nothing | Keep::Restored => None,
        };
        let Some(member) = member else { continue };
        match holder.as_deref().and_then(|holder| sent.find_entry(holder)) {
            Some((spelled, _)) => insert_in(&mut value, spelled, name, member),
            None => {
                value.insert(name.clone(), member);
            }
        }
    }
    if !value.is_empty() {
        written.push(with_value(operation, Value::Object(value)));
    }
}

fn insert_in(value: &mut Object, holder: &str, name: &str, member: Value) {
    if let Some(Value::Object(inner)) = value.find_mut(holder) {
        inner.insert(name, member);
        return;
    }
    value.insert(holder, [(String::from(name), member)].into_iter().collect::<Object>());
}

fn chosen(op: &Op, positions: &[usize]) -> Vec<Value> {
    let sent = op.raw.as_ref().map(elements).unwrap_or_default();
    positions.iter().filter_map(|position| sent.get(*position).cloned()).collect()
}

/// An operation with another value. What it had is not copied: a list that goes out in many operations would be, with each.
fn with_value(operation: &Value, value: Value) -> Value {
    let Value::Object(members) = operation else { return operation.clone() };
    let others = members.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("value"));
    let spelled = members.find_entry("value").map_or("value", |(name, _)| name);
    let all = others.map(|(name, member)| (name, member.clone())).chain([(spelled, value)]);
    Value::Object(all.collect())
}
