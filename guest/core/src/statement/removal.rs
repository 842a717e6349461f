//! How is a removal of edges spelled?
//!
//! Some targets refuse `members[value eq "a"]`, some a `remove` with values (S25). Both say the same.

use alloc::vec::Vec;

use replaysafe_json::{Object, Value};

use crate::{
    path::{self, PatchPath, Place},
    schema::Schema,
    spelling::{self, Verb},
};

use super::list::elements;

/// A spelling of a removal of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// `"path": "members[value eq \"a\"]"`: RFC 7644 §3.5.2.2.
    Filter,
    /// `"path": "members", "value": [{"value": "a"}]`: Entra's.
    Values,
}

/// A `PatchOp` with its removals of edges in this spelling; none where they are, or where there are none.
pub(super) fn spelled(body: &Value, to: Removal, kind: &str, schema: &Schema) -> Option<Value> {
    let operations = body.find("Operations")?.as_array()?;
    let mut changed = false;
    let mut written = Vec::new();
    for operation in operations {
        match respelled(operation, to, kind, schema) {
            Some(others) => {
                changed = true;
                written.extend(others);
            }
            None => written.push(operation.clone()),
        }
    }
    let mut body = body.as_object().filter(|_| changed)?.clone();
    body.insert("Operations", Value::Array(written));
    Some(Value::Object(body))
}

fn respelled(operation: &Value, to: Removal, kind: &str, schema: &Schema) -> Option<Vec<Value>> {
    let verb = operation.find("op").and_then(Value::as_str).and_then(spelling::verb)?;
    let path = operation.find("path")?.as_str()?;
    let PatchPath::Place(place) = path::read(path, kind, schema) else { return None };
    if verb != Verb::Remove || place.sub.is_some() || !spelling::is_edge(&place) {
        return None;
    }
    let value = operation.find("value").filter(|value| !spelling::unassigned(value));
    match (to, &place.filter, value) {
        (Removal::Values, Some(filter), None) => {
            let edge: Object = [("value", Value::from(filter.value()?))].into_iter().collect();
            let edges = Value::Array(alloc::vec![Value::Object(edge)]);
            Some(alloc::vec![with(operation, &place.name, Some(edges))?])
        }
        (Removal::Filter, None, Some(value)) => {
            elements(value).iter().map(|element| by_filter(operation, &place, element)).collect()
        }
        (Removal::Filter | Removal::Values, _, _) => None,
    }
}

fn by_filter(operation: &Value, place: &Place, element: &Value) -> Option<Value> {
    let value = element.find("value").unwrap_or(element).as_str()?;
    let path = alloc::format!("{}[value eq {}]", place.name, Value::from(value));
    with(operation, &path, None)
}

fn with(operation: &Value, path: &str, value: Option<Value>) -> Option<Value> {
    let op = operation.find("op")?.clone();
    let members = [("op", op), ("path", Value::from(path))];
    Some(Value::Object(members.into_iter().chain(value.map(|value| ("value", value))).collect()))
}

#[cfg(test)]
mod tests {
    use replaysafe_json::{Limits, parse};

    use super::*;

    /// RFC 7644 §3.5.2.2 has the first, Entra's documentation the second; the id holds a quote.
    #[test]
    fn each_spelling_says_the_same() {
        let filter = r#"{"Operations":[{"op":"Remove","path":"members[value eq \"a\\\"b\"]"},{"op":"add","path":"title","value":"x"}]}"#;
        let values = r#"{"Operations":[{"op":"Remove","path":"members","value":[{"value":"a\"b"}]},{"op":"add","path":"title","value":"x"}]}"#;
        check(filter, Removal::Values, Some(values));
        check(values, Removal::Filter, Some(filter));
        check(filter, Removal::Filter, None);
        check(values, Removal::Values, None);
    }

    #[test]
    fn several_values_are_several_removals() {
        check(
            r#"{"Operations":[{"op":"remove","path":"roles","value":["a",{"value":"b"}]}]}"#,
            Removal::Filter,
            Some(
                r#"{"Operations":[{"op":"remove","path":"roles[value eq \"a\"]"},{"op":"remove","path":"roles[value eq \"b\"]"}]}"#,
            ),
        );
    }

    /// A whole list, another filter and another attribute stay as they are.
    #[test]
    fn nothing_else_is_touched() {
        for operation in [
            r#"{"op":"remove","path":"members"}"#,
            r#"{"op":"remove","path":"members[type eq \"User\"]"}"#,
            r#"{"op":"remove","path":"emails[value eq \"a\"]"}"#,
            r#"{"op":"replace","path":"members","value":[{"value":"a"}]}"#,
        ] {
            let body = alloc::format!(r#"{{"Operations":[{operation}]}}"#);
            check(&body, Removal::Values, None);
            check(&body, Removal::Filter, None);
        }
    }

    #[track_caller]
    fn check(body: &str, to: Removal, expected: Option<&str>) {
        let json = |text: &str| parse(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(spelled(&json(body), to, "Group", &Schema::default()), expected.map(json));
    }
}
