//! What is asked, as one text: do two requests ask the same (S3)?
//!
//! The text is made by the request and the schema alone. It is the host that makes a keyed digest of it.

use alloc::{format, string::String, vec::Vec};

use replaysafe_json::{Object, Value, canonical, sort_by};

use super::{
    Operation, Statement,
    list::is_simple,
    names::fold,
    read::{self, Op},
};
use crate::{
    path::Place,
    spelling::{self, Verb},
};

/// Of this algorithm: a fingerprint that another one made is never compared.
const VERSION: u64 = 1;

pub(super) fn fingerprint(of: &Statement) -> String {
    let mut asks = Object::new();
    asks.insert("version", VERSION);
    asks.insert("operation", operation_name(of.operation));
    asks.insert("type", of.resource_type.as_str());
    if let Some(id) = &of.id {
        asks.insert("id", id.as_str());
    }
    if let Some(if_match) = &of.if_match {
        asks.insert("if-match", if_match.as_str());
    }
    match of.operation {
        Operation::Create | Operation::Replace => {
            asks.insert("states", resource(of));
        }
        Operation::Patch => {
            asks.insert("operations", operations(of));
        }
        Operation::Delete => {}
    }
    canonical(&Value::Object(asks))
}

fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Replace => "replace",
        Operation::Patch => "patch",
        Operation::Delete => "delete",
    }
}

fn resource(of: &Statement) -> Value {
    let creates = of.operation == Operation::Create;
    let mut states = Object::new();
    for op in &of.ops {
        let place = op.place.as_ref().or(op.said.as_ref());
        let (Some(place), Some(value)) = (place, &op.value) else { continue };
        if left_out(place, of) || creates && op.is_secret(&of.resource_type, &of.schema) {
            continue;
        }
        let value = meaning(value, place, creates);
        if creates && spelling::unassigned(&value) {
            continue;
        }
        states.insert(place.key(), value);
    }
    Value::Object(states)
}

/// `schemas` is what the resource is; the rest that is echoed says nothing.
fn left_out(place: &Place, of: &Statement) -> bool {
    spelling::echoed(place, &of.resource_type) && !place.name.eq_ignore_ascii_case("schemas")
}

fn operations(of: &Statement) -> Value {
    let mut texts: Vec<Value> = Vec::new();
    let mut rest = of.ops.as_slice();
    while let Some(first) = rest.first() {
        let end = rest.iter().position(|op| op.wire != first.wire).unwrap_or(rest.len());
        let (together, behind) = rest.split_at(end);
        rest = behind;
        // The members of one value have no order.
        let asked = together.iter().filter(|op| !op.ignored).map(operation);
        let mut asked: Vec<(String, Value)> = asked.map(|text| (canonical(&text), text)).collect();
        sort_by(&mut asked, |(one, _), (other, _)| one.cmp(other));
        texts.extend(asked.into_iter().map(|(_, text)| text));
    }
    Value::Array(texts)
}

fn operation(op: &Op) -> Value {
    let verb = match op.verb {
        Verb::Add => "add",
        Verb::Replace => "replace",
        Verb::Remove => "remove",
    };
    let mut text = alloc::vec![Value::from(verb)];
    match op.place.as_ref().or(op.said.as_ref()) {
        Some(place) => {
            text.push(Value::String(path(place)));
            text.extend(op.value.as_ref().map(|value| value_of(op, place, value)));
        }
        None => {
            // What cannot be read means what its text says.
            text.push(Value::from("opaque"));
            match &op.source {
                read::Source::Path { path, .. } => text.extend(path.clone()),
                read::Source::Member { holder, name } => {
                    text.extend(holder.as_deref().map(Value::from));
                    text.push(Value::from(name.as_str()));
                }
            }
            text.extend(op.raw.clone());
        }
    }
    Value::Array(text)
}

fn path(place: &Place) -> String {
    let filter = place.filter.as_ref().map(|filter| format!("[{filter}]")).unwrap_or_default();
    let sub = place.sub.as_ref().map(|sub| format!(".{}", sub.to_ascii_lowercase()));
    format!("{}{filter}{}", place.attribute_key(), sub.unwrap_or_default())
}

/// An edge that is added or removed is its value, and a grant's type: S27 compares nothing else.
fn value_of(op: &Op, place: &Place, value: &Value) -> Value {
    let plain = place.filter.is_none() && place.sub.is_none();
    let Some(elements) = value.as_array() else { return meaning(value, place, false) };
    if op.verb == Verb::Replace || !plain || !spelling::is_edge(place) {
        return meaning(value, place, false);
    }
    let typed = !place.name.eq_ignore_ascii_case("members");
    let known_by = |element: &Value| {
        let Some(object) = element.as_object().filter(|object| object.find("value").is_some())
        else {
            return element.clone();
        };
        let keeps = |name: &str| {
            name.eq_ignore_ascii_case("value") || typed && name.eq_ignore_ascii_case("type")
        };
        let kept = object.iter().filter(|(name, _)| keeps(name));
        Value::Object(kept.map(|(name, value)| (name, value.clone())).collect())
    };
    meaning(&Value::Array(elements.iter().map(known_by).collect()), place, false)
}

/// A value with names in lower case, sets sorted, each element once; `userName` of a create folded: another
/// letter case is a change to an update (S3).
fn meaning(value: &Value, place: &Place, creates: bool) -> Value {
    let user_name = creates && place.urn.is_none() && place.name.eq_ignore_ascii_case("userName");
    match value.as_str().filter(|_| user_name) {
        Some(text) => Value::String(fold(text)),
        None => sorted(value, creates),
    }
}

fn sorted(value: &Value, creates: bool) -> Value {
    match value {
        Value::Array(items) => {
            let items = items.iter().map(|item| sorted(item, creates));
            let kept = items.filter(|item| !(creates && spelling::unassigned(item)));
            let mut set: Vec<(String, Value)> = kept.map(|item| (canonical(&item), item)).collect();
            sort_by(&mut set, |(one, _), (other, _)| one.cmp(other));
            set.dedup_by(|(one, _), (other, _)| one == other);
            set.into_iter().map(|(_, item)| item).collect()
        }
        Value::Object(object) if !is_simple(object) => {
            let members = object.iter().map(|(name, member)| {
                let name = if name.starts_with('$') {
                    String::from(name)
                } else {
                    name.to_ascii_lowercase()
                };
                (name, sorted(member, creates))
            });
            let kept = members.filter(|(_, member)| {
                !creates || !spelling::unassigned(member) && !read::holds_secret(member)
            });
            Value::Object(kept.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            value.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::tests::{json, patch, put, statement};

    #[test]
    fn the_text_is_canonical_and_says_everything() {
        assert_eq!(
            patch(r#"{"op":"Replace","path":"Active","value":"False"}"#).fingerprint(),
            r#"{"id":"1","operation":"patch","operations":[["replace","active",false]],"type":"User","version":1}"#
        );
        assert_eq!(
            put(
                r#"{"Title":null,"userName":"Ann","id":"1","roles":[{"value":"b"},{"value":"a"}]}"#
            )
            .fingerprint(),
            r#"{"id":"1","operation":"replace","states":{"roles":[{"value":"a"},{"value":"b"}],"title":null,"username":"Ann"},"type":"User","version":1}"#
        );
    }

    /// S3, S3a, S24; peers.md §5, nos 6 and 16.
    #[test]
    fn creates_that_mean_the_same_have_one_fingerprint() {
        let same = |left, right| assert_eq!(create(left), create(right), "{left} {right}");
        same(r#"{"userName":"a","title":"T"}"#, r#"{"TITLE":"T","username":"A"}"#);
        same(
            r#"{"userName":"a"}"#,
            r#"{"userName":"a","id":"9","meta":{"x":1},"groups":[],"roles":[],"title":null}"#,
        );
        same(r#"{"password":{"$secret":"1"}}"#, r#"{"password":{"$secret":"2"}}"#);
        same(r#"{"active":"True"}"#, r#"{"active":true}"#);
        same(r#"{"emails":{"value":"a"}}"#, r#"{"emails":[{"value":"a"}]}"#);
        same(r#"{"schemas":["b","a"]}"#, r#"{"schemas":["a","b"]}"#);
        same(
            r#"{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"Department":"d"}}"#,
            r#"{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user:department":"d"}"#,
        );
    }

    #[test]
    fn creates_that_differ_in_meaning_have_two() {
        let other = |left, right| assert_ne!(create(left), create(right), "{left} {right}");
        other(r#"{"displayName":"mcdonald"}"#, r#"{"displayName":"McDonald"}"#);
        other(r#"{"active":true}"#, r#"{"active":false}"#);
        other(r#"{"externalId":"a"}"#, r#"{"externalId":"A"}"#);
        other(r#"{"title":"a"}"#, r#"{"title":""}"#);
    }

    #[test]
    fn patches_that_mean_the_same_have_one_fingerprint() {
        let same = |left, right| {
            assert_eq!(patch(left).fingerprint(), patch(right).fingerprint(), "{left} {right}");
        };
        same(
            r#"{"op":"replace","value":{"active":false}}"#,
            r#"{"op":"Replace","path":"active","value":"False"}"#,
        );
        same(
            r#"{"op":"replace","value":{"id":"1","title":"x"}}"#,
            r#"{"op":"replace","value":{"title":"x"}}"#,
        );
        same(
            r#"{"op":"add","path":"members","value":[{"value":"a","$ref":null,"display":"A"},{"value":"b"}]}"#,
            r#"{"op":"Add","path":"Members","value":[{"value":"b"},{"value":"a"}]}"#,
        );
        same(
            r#"{"op":"remove","path":"members[VALUE EQ \"a\"]"}"#,
            r#"{"op":"remove","path":"members[value eq \"a\"]"}"#,
        );
        same(
            r#"{"op":"replace","value":{"a":1,"b":2}}"#,
            r#"{"op":"replace","value":{"B":2,"A":1}}"#,
        );
    }

    #[test]
    fn patches_that_differ_in_meaning_have_two() {
        let other = |left: &str, right: &str| {
            assert_ne!(patch(left).fingerprint(), patch(right).fingerprint(), "{left} {right}");
        };
        let (one, two) =
            (r#"{"op":"add","path":"title","value":"a"}"#, r#"{"op":"remove","path":"title"}"#);
        other(&format!("{one},{two}"), &format!("{two},{one}"));
        other(
            r#"{"op":"replace","path":"a b","value":1}"#,
            r#"{"op":"replace","path":"a c","value":1}"#,
        );
        other(
            r#"{"op":"replace","path":"password","value":{"$secret":"1"}}"#,
            r#"{"op":"replace","path":"password","value":{"$secret":"2"}}"#,
        );
        other(
            r#"{"op":"replace","path":"roles","value":[]}"#,
            r#"{"op":"replace","path":"roles","value":null}"#,
        );
        other(
            r#"{"op":"add","path":"roles","value":[{"value":"a","type":"x"}]}"#,
            r#"{"op":"add","path":"roles","value":[{"value":"a"}]}"#,
        );
    }

    #[test]
    fn if_match_counts() {
        let of = |if_match| {
            let body = json(r#"{"title":"x"}"#);
            let schema = crate::schema::Schema::default();
            Statement::read(Operation::Replace, "User", Some("1"), Some(&body), if_match, &schema)
                .expect("well-formed")
                .fingerprint()
        };
        assert_ne!(of(None), of(Some("W/\"1\"")));
        assert_ne!(of(Some("W/\"2\"")), of(Some("W/\"1\"")));
    }

    fn create(body: &str) -> String {
        statement(Operation::Create, "User", Some(body)).fingerprint()
    }
}
