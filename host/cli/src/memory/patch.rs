//! What does a `PatchOp` make of a resource (RFC 7644 §3.5.2), in a service of a given behaviour?

use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    behaviour::{Behaviour, Stacking, ValuedRemove},
    filter::{Filter, member},
    store::Refusal,
};

/// Applies the operations of `body` to `resource`, in order.
pub(super) fn apply(
    resource: &mut Map<String, Value>,
    body: &Value,
    behaviour: &Behaviour,
) -> Result<(), Refusal> {
    let operations = body
        .as_object()
        .and_then(|body| member(body, "Operations"))
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("invalidSyntax", "a PatchOp has an array `Operations`"))?;
    for operation in operations {
        let operation = operation
            .as_object()
            .ok_or_else(|| invalid("invalidSyntax", "an operation is an object"))?;
        one(resource, operation, behaviour)?;
    }
    Ok(())
}

fn one(
    resource: &mut Map<String, Value>,
    operation: &Map<String, Value>,
    behaviour: &Behaviour,
) -> Result<(), Refusal> {
    let verb = member(operation, "op").and_then(Value::as_str).unwrap_or_default();
    let value = member(operation, "value");
    let path = member(operation, "path").and_then(Value::as_str);
    let verb = match verb.to_ascii_lowercase().as_str() {
        "add" => Change::Add,
        "replace" => Change::Replace,
        "remove" => Change::Remove,
        _ => return Err(invalid("invalidSyntax", "`op` is add, replace or remove")),
    };
    if let Some(path) = path {
        let path = Path::parse(path)
            .ok_or_else(|| invalid("invalidPath", "the path is not understood"))?;
        return at(resource, verb, &path, value, behaviour);
    }
    let Some(Value::Object(members)) = value else {
        return Err(invalid("noTarget", "an operation without path states an object"));
    };
    for (name, value) in members {
        let path = Path::parse(name).ok_or_else(|| invalid("invalidPath", "no such attribute"))?;
        at(resource, verb, &path, Some(value), behaviour)?;
    }
    Ok(())
}

/// One change at one path.
fn at(
    resource: &mut Map<String, Value>,
    verb: Change,
    path: &Path,
    value: Option<&Value>,
    behaviour: &Behaviour,
) -> Result<(), Refusal> {
    let container = match &path.extension {
        None => resource,
        Some(urn) => resource
            .entry(spelled(resource, urn))
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()
            .ok_or_else(|| invalid("invalidPath", "the extension is no object"))?,
    };
    let name = spelled(container, &path.attribute);
    match (&path.filter, &path.sub) {
        (None, None) => whole(container, name, verb, value, behaviour),
        (None, Some(sub)) => {
            if verb == Change::Remove && !container.contains_key(&name) {
                return Ok(());
            }
            let held = container.entry(name).or_insert_with(|| Value::Object(Map::new()));
            for object in objects(held) {
                part(object, sub, verb, value);
            }
            Ok(())
        }
        (Some(filter), sub) => {
            let Some(Value::Array(elements)) = container.get_mut(&name) else {
                return if verb == Change::Remove { Ok(()) } else { Err(no_target()) };
            };
            elements_at(elements, filter, sub.as_deref(), verb, value)
        }
    }
}

fn whole(
    container: &mut Map<String, Value>,
    name: String,
    verb: Change,
    value: Option<&Value>,
    behaviour: &Behaviour,
) -> Result<(), Refusal> {
    if verb == Change::Remove {
        return remove(container, &name, value, behaviour);
    }
    let value = value.ok_or_else(|| invalid("invalidValue", "the operation has no `value`"))?;
    let value = known_spelling(&name, value.clone());
    match (container.get_mut(&name), value) {
        (Some(Value::Array(held)), value) if verb == Change::Add => {
            stack(held, value, behaviour.stacking);
        }
        (Some(Value::Object(held)), Value::Object(stated)) => held.extend(stated),
        (None | Some(Value::Null), Value::Array(stated)) if verb == Change::Add => {
            let mut held = Vec::new();
            stack(&mut held, Value::Array(stated), behaviour.stacking);
            container.insert(name, Value::Array(held));
        }
        (_, Value::Null) => {
            container.remove(&name);
        }
        (_, value) => {
            container.insert(name, value);
        }
    }
    Ok(())
}

fn remove(
    container: &mut Map<String, Value>,
    name: &str,
    value: Option<&Value>,
    behaviour: &Behaviour,
) -> Result<(), Refusal> {
    let named: Vec<&Value> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(elements)) => elements.iter().collect(),
        Some(single) => vec![single],
    };
    if named.is_empty() || behaviour.valued_remove == ValuedRemove::ClearAll {
        container.remove(name);
        return Ok(());
    }
    if behaviour.valued_remove == ValuedRemove::Refuse {
        return Err(invalid("invalidSyntax", "a remove has no `value`"));
    }
    if let Some(Value::Array(held)) = container.get_mut(name) {
        held.retain(|element| !named.iter().any(|named| key(named) == key(element)));
    }
    Ok(())
}

/// Adds what is stated to what is held, in the way of this service.
fn stack(held: &mut Vec<Value>, stated: Value, stacking: Stacking) {
    let stated = if let Value::Array(elements) = stated { elements } else { vec![stated] };
    for element in stated {
        let there = match stacking {
            Stacking::Always => false,
            Stacking::ByWholeElement => held.contains(&element),
            Stacking::ByValue => held.iter().any(|other| key(other) == key(&element)),
        };
        if !there {
            held.push(element);
        }
    }
}

fn elements_at(
    elements: &mut Vec<Value>,
    filter: &Filter,
    sub: Option<&str>,
    verb: Change,
    value: Option<&Value>,
) -> Result<(), Refusal> {
    let chosen = |element: &Value| element.as_object().is_some_and(|object| filter.matches(object));
    if verb == Change::Remove && sub.is_none() {
        elements.retain(|element| !chosen(element));
        return Ok(());
    }
    let mut found = false;
    for element in elements.iter_mut().filter(|element| chosen(element)) {
        found = true;
        match (element, sub, value) {
            (Value::Object(object), Some(sub), value) => part(object, sub, verb, value),
            (Value::Object(object), None, Some(Value::Object(stated))) => {
                object.extend(stated.clone());
            }
            _ => {}
        }
    }
    if found || verb == Change::Remove { Ok(()) } else { Err(no_target()) }
}

fn part(object: &mut Map<String, Value>, sub: &str, verb: Change, value: Option<&Value>) {
    let sub = spelled(object, sub);
    match value {
        Some(value) if verb != Change::Remove => {
            object.insert(sub, value.clone());
        }
        _ => {
            object.remove(&sub);
        }
    }
}

fn objects(held: &mut Value) -> Vec<&mut Map<String, Value>> {
    match held {
        Value::Object(object) => vec![object],
        Value::Array(elements) => elements.iter_mut().filter_map(Value::as_object_mut).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// What an element of a set is known by: its `value`, else itself.
fn key(element: &Value) -> &Value {
    element.as_object().and_then(|object| member(object, "value")).unwrap_or(element)
}

/// Entra's `"active": "False"` is a boolean (peers spell it so).
pub(super) fn known_spelling(name: &str, value: Value) -> Value {
    match value.as_str() {
        Some(text) if name == "active" && text.eq_ignore_ascii_case("true") => Value::Bool(true),
        Some(text) if name == "active" && text.eq_ignore_ascii_case("false") => Value::Bool(false),
        _ => value,
    }
}

/// The name as it is spelled in `object`, or as it came.
fn spelled(object: &Map<String, Value>, name: &str) -> String {
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).map_or(name, String::as_str).to_owned()
}

fn invalid(scim_type: &'static str, detail: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, Some(scim_type), detail)
}

fn no_target() -> Refusal {
    invalid("noTarget", "nothing matches the path's filter")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    Replace,
    Remove,
}

/// `[urn:]attribute[filter].sub`
#[derive(Debug)]
struct Path {
    extension: Option<String>,
    attribute: String,
    filter: Option<Filter>,
    sub: Option<String>,
}

impl Path {
    fn parse(text: &str) -> Option<Self> {
        let (head, filter, tail) = match text.split_once('[') {
            None => (text, None, None),
            Some((head, rest)) => {
                let (filter, tail) = rest.rsplit_once(']')?;
                (head, Some(Filter::parse(filter)?), tail.strip_prefix('.'))
            }
        };
        let (extension, name) = match head.rsplit_once(':') {
            None => (None, head),
            Some((urn, name)) if urn.starts_with(CORE) => (None, name),
            // The schema's name follows the last colon: the path is the extension itself.
            Some(_) if head.ends_with(":User") || head.ends_with(":Group") => {
                return Some(Self {
                    extension: None,
                    attribute: head.to_owned(),
                    filter: None,
                    sub: None,
                });
            }
            Some((urn, name)) => (Some(urn.to_owned()), name),
        };
        let (attribute, sub) =
            name.split_once('.').map_or((name, tail), |(attribute, sub)| (attribute, Some(sub)));
        (!attribute.is_empty()).then(|| Self {
            extension,
            attribute: attribute.to_owned(),
            filter,
            sub: sub.map(str::to_owned),
        })
    }
}

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_add_is_stacked_as_the_service_stacks() {
        let twice = json!([
            {"op": "Add", "path": "members", "value": [{"value": "1"}]},
            {"op": "add", "path": "members", "value": [{"value": "1"}]},
            {"op": "add", "path": "members", "value": {"value": "1", "display": "One"}},
        ]);
        for (stacking, expected) in
            [(Stacking::Always, 3), (Stacking::ByWholeElement, 2), (Stacking::ByValue, 1)]
        {
            let after = after(&twice, &Behaviour { stacking, ..Behaviour::lenient() });
            assert_eq!(after["members"].as_array().unwrap().len(), expected, "{stacking:?}");
        }
    }

    #[test]
    fn a_remove_with_values_depends_on_the_service() {
        let operations = json!([
            {"op": "add", "path": "members", "value": [{"value": "1"}, {"value": "2"}]},
            {"op": "Remove", "path": "members", "value": [{"value": "1"}]},
        ]);
        let behaviour = |valued_remove| Behaviour { valued_remove, ..Behaviour::lenient() };
        assert_eq!(after(&operations, &behaviour(ValuedRemove::ClearAll))["members"], Value::Null);
        assert_eq!(
            after(&operations, &behaviour(ValuedRemove::Honour))["members"],
            json!([{"value": "2"}])
        );
    }

    #[test]
    fn paths_reach_into_elements_sub_attributes_and_extensions() {
        check(
            &json!([{"op": "replace", "path": "name.givenName", "value": "Ada"}]),
            "/name/givenName",
            &json!("Ada"),
        );
        check(
            &json!([
                {"op": "add", "path": "emails", "value": [{"type": "work", "value": "a"}]},
                {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b"}
            ]),
            "/emails/0/value",
            &json!("b"),
        );
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        check(
            &json!([{"op": "add", "path": format!("{urn}:department"), "value": "D"}]),
            &format!("/{urn}/department"),
            &json!("D"),
        );
        check(&json!([{"op": "replace", "value": {"active": "False"}}]), "/active", &json!(false));
        check(
            &json!([{"op": "add", "value": {"name.givenName": "B"}}]),
            "/name/givenName",
            &json!("B"),
        );
    }

    #[test]
    fn a_filter_that_chooses_nothing_is_no_target_unless_it_removes() {
        let mut resource = Map::new();
        let patch = |op| json!({"Operations": [{"op": op, "path": "members[value eq \"9\"].display", "value": "x"}]});
        assert!(apply(&mut resource, &patch("replace"), &Behaviour::lenient()).is_err());
        assert!(apply(&mut resource, &patch("remove"), &Behaviour::lenient()).is_ok());
    }

    fn check(operations: &Value, pointer: &str, expected: &Value) {
        assert_eq!(after(operations, &Behaviour::lenient()).pointer(pointer), Some(expected));
    }

    fn after(operations: &Value, behaviour: &Behaviour) -> Value {
        let mut resource = Map::new();
        apply(&mut resource, &json!({ "Operations": operations }), behaviour).unwrap();
        Value::Object(resource)
    }
}
