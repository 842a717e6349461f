//! What can be said of a request by its form, before anything is looked at?

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use crate::ordered::BTreeSet;

use replaysafe_json::{Object, Value, sort_by};

use super::{Operation, PathKey, Statement, read::Op};
use crate::{
    path::Place,
    spelling::{self, Verb},
};

/// The attributes that give access.
const ACCESS: [&str; 3] = ["members", "roles", "entitlements"];

/// §1 *safe way*. A create takes nothing away, whatever it states.
pub(super) fn safe_way(of: &Statement) -> bool {
    match of.operation {
        Operation::Create => false,
        Operation::Delete => true,
        Operation::Replace | Operation::Patch => of.ops.iter().any(takes_away),
    }
}

/// Whether an operation takes access away, by its form.
pub(super) fn takes_away(op: &Op) -> bool {
    match op.verb {
        Verb::Add => disables(op),
        Verb::Replace => disables(op) || ACCESS.iter().any(|name| op.is(name)),
        Verb::Remove => ACCESS.iter().any(|name| op.is(name)),
    }
}

/// The paths on which a request takes access away, by its form: edges by value where it names them, else their whole list.
pub(super) fn takes(of: &Statement) -> BTreeSet<PathKey> {
    match of.operation {
        Operation::Create => BTreeSet::new(),
        Operation::Delete => BTreeSet::from([PathKey("*".into())]),
        Operation::Replace | Operation::Patch => {
            let ops = of.ops.iter().filter(|op| !op.ignored && takes_away(op));
            ops.flat_map(|op| op.place.iter().flat_map(|place| touched_by(op, place))).collect()
        }
    }
}

fn disables(op: &Op) -> bool {
    op.is("active") && op.value == Some(Value::Bool(false))
}

/// §1 *touched*.
pub(super) fn touched(of: &Statement) -> BTreeSet<PathKey> {
    let whole = BTreeSet::from([PathKey("*".into())]);
    match of.operation {
        Operation::Create | Operation::Replace | Operation::Delete => whole,
        Operation::Patch if of.opaque() => whole,
        Operation::Patch => {
            let ops = of.ops.iter().filter(|op| !op.ignored);
            ops.flat_map(|op| op.place.iter().flat_map(|place| touched_by(op, place))).collect()
        }
    }
}

fn touched_by(op: &Op, place: &Place) -> Vec<PathKey> {
    if spelling::is_edge(place) {
        return edges(op, place);
    }
    let key = place.key();
    match &op.value {
        Some(Value::Object(object))
            if place.filter.is_none()
                && place.sub.is_none()
                && spelling::secret(&Value::Object(object.clone())).is_none()
                && !object.is_empty() =>
        {
            let parts = object.iter();
            parts.map(|(sub, _)| PathKey(format!("{key}.{}", sub.to_ascii_lowercase()))).collect()
        }
        _ => alloc::vec![PathKey(key)],
    }
}

fn edges(op: &Op, place: &Place) -> Vec<PathKey> {
    let attribute = place.attribute_key();
    let whole = || alloc::vec![PathKey(attribute.clone())];
    if let Some(filter) = &place.filter {
        return filter.value().map_or_else(whole, |value| alloc::vec![edge_key(&attribute, value)]);
    }
    if op.verb == Verb::Replace || place.sub.is_some() {
        return whole();
    }
    let Some(elements) = op.value.as_ref().and_then(Value::as_array) else { return whole() };
    let keys = elements.iter().map(|element| match edge_value(element) {
        Some(value) => edge_key(&attribute, &value),
        None => PathKey(attribute.clone()),
    });
    keys.collect()
}

/// `members/<value>`.
pub(super) fn edge_key(attribute: &str, value: &str) -> PathKey {
    PathKey(format!("{attribute}/{value}"))
}

/// What an edge is known by (S27).
pub(super) fn edge_value(element: &Value) -> Option<String> {
    match element.find("value")? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_str().to_owned()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The attributes that the request states, as the schema spells them, sorted.
pub(super) fn stated(of: &Statement) -> Vec<String> {
    let ops = of.ops.iter().filter(|op| !op.ignored);
    let names: BTreeSet<String> =
        ops.filter_map(|op| op.place.as_ref()).map(|place| of.name_of(place)).collect();
    names.into_iter().collect()
}

/// The digests of the secrets in a body, sorted.
pub(super) fn secret_digests(body: Option<&Value>) -> Vec<String> {
    let mut digests = Vec::new();
    if let Some(body) = body {
        collect(body, &mut digests);
    }
    sort_by(&mut digests, Ord::cmp);
    digests.dedup();
    digests
}

/// A `PatchOp` that replaces each attribute in which a create states a secret.
pub(super) fn secret_update(body: Option<&Value>) -> Value {
    let mut operations = Vec::new();
    each_secret(body, &mut |path, value| {
        operations.push(patch_operation("replace", &path, Some(value.clone())));
    });
    patch_op(operations)
}

/// A `PatchOp` (RFC 7644 §3.5.2).
pub(crate) fn patch_op(operations: Vec<Value>) -> Value {
    let schema = Value::from("urn:ietf:params:scim:api:messages:2.0:PatchOp");
    let members =
        [("schemas", Value::Array([schema].into())), ("Operations", Value::Array(operations))];
    Value::Object(members.into_iter().collect())
}

/// An operation of a `PatchOp`.
pub(crate) fn patch_operation(op: &str, path: &str, value: Option<Value>) -> Value {
    let mut operation: Object =
        [("op", Value::from(op)), ("path", Value::from(path))].into_iter().collect();
    if let Some(value) = value {
        operation.insert("value", value);
    }
    Value::Object(operation)
}

/// The paths of the attributes in which a create states a secret, as [`PathKey`] has them.
pub(super) fn secret_paths(body: Option<&Value>) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    each_secret(body, &mut |path, _| {
        paths.insert(path.to_ascii_lowercase());
    });
    paths
}

fn each_secret(body: Option<&Value>, found: &mut dyn FnMut(String, &Value)) {
    let mut look = |path: &[&str], value: &Value| {
        if !secret_digests(Some(value)).is_empty() {
            found(path.concat(), value);
        }
    };
    for (name, value) in body.and_then(Value::as_object).into_iter().flat_map(Object::iter) {
        match value.as_object().filter(|_| name.contains(':')) {
            Some(extension) => {
                extension.iter().for_each(|(part, value)| look(&[name, ":", part], value));
            }
            None => look(&[name], value),
        }
    }
}

fn collect(value: &Value, digests: &mut Vec<String>) {
    if let Some(digest) = spelling::secret(value) {
        digests.push(digest.to_owned());
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, digests)),
        Value::Object(object) => object.iter().for_each(|(_, member)| collect(member, digests)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::tests::{patch, put, statement};

    /// §1: a remove of, a `replace` of, or a PUT that states members, roles or entitlements; `active=false`; DELETE.
    #[test]
    fn what_takes_access_away_goes_the_safe_way() {
        for operations in [
            r#"{"op":"Replace","path":"active","value":"False"}"#,
            r#"{"op":"replace","value":{"active":false}}"#,
            r#"{"op":"add","path":"active","value":false}"#,
            r#"{"op":"remove","path":"members[value eq \"a\"]"}"#,
            r#"{"op":"Remove","path":"members","value":[{"value":"a"}]}"#,
            r#"{"op":"replace","path":"roles","value":[]}"#,
            r#"{"op":"replace","value":{"entitlements":[{"value":"a"}]}}"#,
            r#"{"op":"remove","path":"members[ value"}"#,
        ] {
            assert!(patch(operations).safe_way(), "{operations}");
        }
        assert!(put(r#"{"userName":"a","roles":[]}"#).safe_way());
        assert!(put(r#"{"active":false}"#).safe_way());
        assert!(statement(Operation::Delete, "User", None).safe_way());
    }

    #[test]
    fn what_gives_or_leaves_access_does_not() {
        for operations in [
            r#"{"op":"replace","path":"active","value":true}"#,
            r#"{"op":"add","path":"members","value":[{"value":"a"}]}"#,
            r#"{"op":"remove","path":"title"}"#,
            r#"{"op":"replace","value":{"id":"1","displayName":"x"}}"#,
        ] {
            assert!(!patch(operations).safe_way(), "{operations}");
        }
        assert!(!put(r#"{"userName":"a"}"#).safe_way());
        assert!(!statement(Operation::Create, "User", Some(r#"{"active":false}"#)).safe_way());
    }

    #[test]
    fn touched_are_the_paths_that_a_patch_states() {
        check(
            r#"{"op":"Add","path":"Members","value":[{"value":"A"},{"value":"b"}]}"#,
            "members/A members/b",
        );
        check(r#"{"op":"remove","path":"roles[value eq \"x\"]"}"#, "roles/x");
        check(r#"{"op":"remove","path":"members"}"#, "members");
        check(r#"{"op":"replace","path":"members","value":[]}"#, "members");
        check(
            r#"{"op":"replace","value":{"id":"1","name":{"givenName":"A"},"name.familyName":"B"}}"#,
            "name.familyname name.givenname",
        );
        check(
            r#"{"op":"replace","path":"emails[type eq \"work\"].value","value":"a"}"#,
            "emails.value",
        );
        check(
            r#"{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:Department","value":"d"}"#,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department",
        );
        check(r#"{"op":"replace","path":"a b","value":1}"#, "*");
    }

    #[test]
    fn a_create_a_put_and_a_deletion_touch_the_whole() {
        let whole = BTreeSet::from([PathKey("*".into())]);
        assert_eq!(put("{}").touched(), whole);
        assert_eq!(statement(Operation::Create, "User", Some("{}")).touched(), whole);
        assert_eq!(statement(Operation::Delete, "User", None).touched(), whole);
    }

    #[test]
    fn stated_are_the_attributes_without_what_is_echoed() {
        let of = put(r#"{"ID":"1","meta":{},"username":"a","Title":"t","urn:x:2.0:Y":{"z":1}}"#);
        assert_eq!(of.stated(), ["title", "urn:x:2.0:y:z", "userName"]);
    }

    #[test]
    fn secrets_are_known_by_their_digests() {
        let of = put(r#"{"password":{"$secret":"b"},"x":[{"pin":{"$secret":"a"}}]}"#);
        assert_eq!(of.secret_digests(), ["a", "b"]);
    }

    /// S3a: each secret under the path that a PATCH has for it; nothing else is stated again.
    #[test]
    fn an_update_of_secrets_states_nothing_else() {
        let body = r#"{"userName":"a","Password":{"$secret":"x"},"keys":[{"type":"t","secret":{"$secret":"y"}}],
            "urn:acme:2.0:Badge":{"no":"1","pin":{"$secret":"z"}}}"#;
        let of = statement(Operation::Create, "User", Some(body));
        assert_eq!(
            replaysafe_json::canonical(&of.secret_update()),
            r#"{"Operations":[{"op":"replace","path":"keys","value":[{"secret":{"$secret":"y"},"type":"t"}]},{"op":"replace","path":"Password","value":{"$secret":"x"}},{"op":"replace","path":"urn:acme:2.0:Badge:pin","value":{"$secret":"z"}}],"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}"#
        );
    }

    fn check(operations: &str, expected: &str) {
        let keys: Vec<String> = patch(operations).touched().into_iter().map(|key| key.0).collect();
        assert_eq!(keys.join(" "), expected, "{operations}");
    }
}
