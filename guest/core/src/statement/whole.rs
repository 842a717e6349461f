//! How are edges sent to a target whose `add` replaces the list (S11)?

use alloc::{string::String, vec::Vec};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Object, Value};

use super::{Statement, apply::State, group::groups};
use crate::{
    path::{self, PatchPath},
    spelling::{self, Verb},
};

pub(super) fn adds(
    of: &Statement,
    body: &Value,
    resource: &Value,
    edges: &[String],
) -> Option<Value> {
    let lists = after(of, resource, edges);
    let mut changed = false;
    let operations = body.find("Operations")?.as_array()?.iter();
    let operations: Vec<Value> = operations
        .map(|operation| match carrying(of, operation, &lists) {
            Some(whole) => {
                changed = true;
                whole
            }
            None => operation.clone(),
        })
        .collect();
    let mut body = body.as_object().filter(|_| changed)?.clone();
    body.insert("Operations", Value::Array(operations));
    Some(Value::Object(body))
}

pub(super) fn restoring(of: &Statement, resource: &Value, edges: &[String]) -> Option<Value> {
    let adds = after(of, resource, edges).into_iter().map(|(attribute, list)| {
        let path = of.schema.spelled(&of.resource_type, None, &attribute);
        let members = [("op", Value::from("add")), ("path", Value::from(path)), ("value", list)];
        Value::Object(members.into_iter().collect())
    });
    let operations = Value::Array(adds.collect());
    let mut body = of.body.as_ref()?.as_object()?.clone();
    body.insert("Operations", operations);
    Some(Value::Object(body))
}

/// The lists as they are after the request, by attribute.
fn after(of: &Statement, resource: &Value, edges: &[String]) -> BTreeMap<String, Value> {
    if edges.is_empty() {
        return BTreeMap::new();
    }
    let rules = of.rules(&of.schema);
    let groups = groups(of, resource, &rules, &BTreeSet::new()).into_iter();
    let lists = groups.filter_map(|group| {
        let attribute = group.place.attribute_key();
        let State::List(list) = &group.after else { return None };
        let items = list.items().values().cloned().collect();
        edges.contains(&attribute).then_some((attribute, Value::Array(items)))
    });
    lists.collect()
}

/// An `add` to one of these attributes, with the whole list as its value.
fn carrying(of: &Statement, operation: &Value, lists: &BTreeMap<String, Value>) -> Option<Value> {
    let verb = operation.find("op").and_then(Value::as_str).and_then(spelling::verb)?;
    let mut operation = operation.as_object().filter(|_| verb == Verb::Add)?.clone();
    let Some(path) = operation.find("path").and_then(Value::as_str) else {
        let value = in_value(operation.find("value")?.as_object()?, lists)?;
        operation.insert("value", Value::Object(value));
        return Some(Value::Object(operation));
    };
    let PatchPath::Place(place) = path::read(path, &of.resource_type, &of.schema) else {
        return None;
    };
    if place.filter.is_some() || place.sub.is_some() {
        return None;
    }
    operation.insert("value", lists.get(&place.attribute_key())?.clone());
    Some(Value::Object(operation))
}

fn in_value(value: &Object, lists: &BTreeMap<String, Value>) -> Option<Object> {
    let mut changed = false;
    let mut whole = value.clone();
    for (name, _) in value.iter() {
        if let Some(list) = lists.get(&name.to_ascii_lowercase()) {
            whole.insert(name, list.clone());
            changed = true;
        }
    }
    changed.then_some(whole)
}
