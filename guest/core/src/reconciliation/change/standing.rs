//! What of a desired resource stands as it is stated, seen at a glance?
//!
//! Most of a population is as it should be. What is said here to stand is no difference to a PATCH; of what is not
//! said to stand nothing is told, and it is compared as a PATCH would be.

use replaysafe_json::{Object, Value};

use super::{Pair, all_references, value_of};
use crate::{
    ordered::BTreeSet,
    path::Place,
    spelling::{echoed, unassigned},
    statement::holds_secret,
};

impl Pair<'_> {
    /// A desired resource without what stands.
    pub(super) fn left_of(self, desired: &Value, observed: &Value) -> Value {
        let (Some(stated), Some(there)) = (desired.as_object(), observed.as_object()) else {
            return desired.clone();
        };
        // An attribute may be stated in two places only where one of them is named by a URN that is no extension's.
        let schema = &self.ground.schema;
        let extension = |name: &str| schema.is_extension(self.resource_type, name);
        if stated.names().any(|name| name.contains(':') && !extension(name)) {
            return desired.clone();
        }
        let mut left = Object::new();
        for (name, value) in stated {
            if !name.contains(':') {
                if !self.stands(None, name, value, there) {
                    left.insert(name, value.clone());
                }
                continue;
            }
            match (value.as_object(), there.find(name).and_then(Value::as_object)) {
                (Some(inner), Some(there)) => {
                    let inner = inner.iter();
                    let inner =
                        inner.filter(|(part, value)| !self.stands(Some(name), part, value, there));
                    let inner: Object = inner.map(|(part, value)| (part, value.clone())).collect();
                    if !inner.is_empty() {
                        left.insert(name, inner);
                    }
                }
                (Some(_), None) | (None, _) => {
                    left.insert(name, value.clone());
                }
            }
        }
        Value::Object(left)
    }

    /// Whether an attribute that is stated holds in `there`, the object that would have it.
    fn stands(self, urn: Option<&str>, name: &str, stated: &Value, there: &Object) -> bool {
        let place = Place::of(urn, name);
        if echoed(&place, self.resource_type) {
            return true;
        }
        let is = self.is(&place);
        // What is behind a name that no path can have is the target's affair.
        let can_be_named = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is.known || is.secret || !can_be_named || holds_secret(stated) || refers(name, stated) {
            return false;
        }
        let Some((there_name, there)) = there.find_entry(name) else { return false };
        if there_name != name {
            return false;
        }
        match stated {
            Value::Bool(_) => !is.multi_valued && !is.complex && stated == there,
            Value::Number(_) | Value::String(_) => {
                !is.multi_valued && !is.complex && place.key() != "active" && stated == there
            }
            Value::Object(parts) => {
                let holds = there.as_object().is_some_and(|there| contains(there, parts));
                is.complex && !is.multi_valued && holds
            }
            Value::Array(items) => {
                is.multi_valued && there.as_array().is_some_and(|there| agree(items, there))
            }
            Value::Null => false,
        }
    }
}

/// Whether it names another resource by its external id.
fn refers(name: &str, value: &Value) -> bool {
    let within: Object = [(name, value.clone())].into_iter().collect();
    !all_references(&Value::Object(within)).is_empty()
}

/// Whether a list has these elements, in this order, and no others: each known by a value of its own.
fn agree(stated: &[Value], there: &[Value]) -> bool {
    let mut seen = BTreeSet::new();
    let mut known = |element: &Value| match value_of(element) {
        Some(value) => seen.insert(value),
        None => false,
    };
    let alike = |(stated, there): (&Value, &Value)| match (stated, there) {
        (Value::Object(stated), Value::Object(there)) => contains(there, stated),
        (stated, there) => stated == there,
    };
    !stated.is_empty()
        && stated.len() == there.len()
        && stated.iter().zip(there).all(alike)
        && (stated.len() == 1 && !unassigned_in(stated) || there.iter().all(&mut known))
}

fn unassigned_in(items: &[Value]) -> bool {
    items.iter().any(unassigned)
}

/// Whether an object has all parts that are stated, and there are some: `$ref` is none (S24).
fn contains(there: &Object, stated: &Object) -> bool {
    let has = |(name, value): (&str, &Value)| {
        let plain = matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
        plain && there.find_entry(name) == Some((name, value))
    };
    stated.names().any(|name| !name.eq_ignore_ascii_case("$ref")) && stated.iter().all(has)
}

#[cfg(test)]
mod tests {
    use alloc::{
        string::{String, ToString as _},
        vec::Vec,
    };

    use proptest::prelude::*;

    use super::*;
    use crate::{
        case::Ground,
        statement::{Operation, Statement},
        types::Settings,
    };

    /// Without a look at what stands the changes are the same, whatever the spelling of either side.
    fn check(desired: &Value, observed: &Value) {
        let settings = Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() };
        let ground = Ground::read(&settings).unwrap();
        for resource_type in ["User", "Group"] {
            let pair = Pair { ground: &ground, resource_type, referred: &[] };
            for (adopts, held) in [(false, None), (true, None), (false, Some("title"))] {
                let whole = pair.changes_of(desired, observed, "1", adopts, held);
                let seen = pair.changes(desired, observed, "1", adopts, held);
                assert_eq!(seen, whole, "{desired}\n{observed}");
            }
            let read = Statement::read(
                Operation::Create,
                resource_type,
                None,
                Some(desired),
                None,
                &ground.schema,
            );
            assert_eq!(pair.leaves_secret(desired), read.unwrap().states_secret(), "{desired}");
        }
    }

    fn json(text: &str) -> Value {
        replaysafe_json::parse(text.as_bytes(), &replaysafe_json::Limits::default()).unwrap()
    }

    /// What is equal is not compared as a PATCH would be: nothing is left of it.
    #[test]
    fn what_is_equal_stands() {
        let settings = Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() };
        let ground = Ground::read(&settings).unwrap();
        let pair = Pair { ground: &ground, resource_type: "User", referred: &[] };
        let desired = json(
            r#"{"schemas":["x"],"externalId":"e","userName":"a","active":true,"name":{"givenName":"A"},
                "emails":[{"value":"a","type":"work"},{"value":"b"}],"addresses":[{"locality":"L"}],
                "roles":[{"value":"r"}],"title":"t",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D","manager":{"value":"m"}}}"#,
        );
        let observed = json(
            r#"{"id":"1","externalId":"e","userName":"a","active":true,"name":{"givenName":"A","formatted":"A B"},
                "emails":[{"value":"a","type":"work","display":"A"},{"value":"b"}],"addresses":[{"locality":"L"}],
                "roles":[{"value":"r","display":"R"}],"title":"u",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"E","manager":{"value":"m"}}}"#,
        );
        let left = pair.left_of(&desired, &observed).to_string();
        let rest = r#"{"title":"t","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"D"}}"#;
        assert_eq!(left, rest);
        check(&desired, &observed);
    }

    /// Of what is stated in two places the last word counts: that it stands is no reason to leave it out.
    #[test]
    fn what_is_stated_in_two_places_is_compared() {
        let both = json(
            r#"{"id":"1","title":"a","urn:ietf:params:scim:schemas:core:2.0:User":{"title":"b"}}"#,
        );
        check(&both, &both);
    }

    /// What cannot be read takes with it what is stated beside it, also where that stands.
    #[test]
    fn what_cannot_be_read_is_sent_with_all_that_is_stated() {
        check(&json(r#"{"odd name":1,"title":"t"}"#), &json(r#"{"id":"1","title":"t"}"#));
    }

    /// Without its `$ref` nothing is left of such an element, and of what means nothing nothing is told.
    #[test]
    fn a_reference_alone_does_not_stand() {
        let roles = json(r#"{"id":"1","roles":[{"$ref":true}]}"#);
        check(&roles, &roles);
    }

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    /// Values that mean the same, nearly the same, and nothing.
    fn value() -> impl Strategy<Value = Value> {
        let plain = prop::sample::select(alloc::vec![
            "null",
            "true",
            "false",
            "\"True\"",
            "\"a\"",
            "\"b\"",
            "\"\"",
            "1",
            "1.0",
            "[]",
            "{}",
            "\"externalId:x\"",
            "{\"$secret\":\"\"}",
            "{\"$secret\":\"s\"}",
        ])
        .prop_map(json);
        plain.prop_recursive(3, 12, 4, |inner| {
            let part = prop::sample::select(alloc::vec![
                "value",
                "Value",
                "type",
                "display",
                "primary",
                "givenName",
                "formatted",
                "$ref",
                "a.b",
                "department",
                "active",
            ]);
            let object = prop::collection::vec((part, inner.clone()), 0..4)
                .prop_map(|parts| Value::Object(parts.into_iter().collect()));
            prop_oneof![
                3 => object,
                2 => prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            ]
        })
    }

    fn member() -> impl Strategy<Value = (String, Value)> {
        let name = prop::sample::select(alloc::vec![
            "id",
            "schemas",
            "externalId",
            "userName",
            "title",
            "Title",
            "active",
            "name",
            "emails",
            "roles",
            "members",
            "groups",
            "addresses",
            "password",
            "odd",
            "odd name",
            "manager",
            "urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:core:2.0:User:title",
            "urn:scim:schemas:core:1.0",
            ENTERPRISE,
            "urn:x:2.0:Y",
        ]);
        (name.prop_map(String::from), value())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Both sides alike but for some members, and for what a target adds to each value.
        #[test]
        fn what_stands_is_no_difference(
            both in prop::collection::vec(member(), 0..8),
            desired in prop::collection::vec(member(), 0..3),
            observed in prop::collection::vec(member(), 0..3),
            adds in any::<bool>(),
        ) {
            let with = |more: &[(String, Value)]| -> Value {
                Value::Object(both.iter().chain(more).cloned().collect())
            };
            let (desired, mut observed) = (with(&desired), with(&observed));
            if adds && let Some(object) = observed.as_object_mut() {
                object.iter_mut().for_each(|(_, value)| add_to(value));
            }
            check(&desired, &observed);
        }
    }

    fn add_to(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(add_to),
            Value::Object(object) => {
                object.insert("display", "D");
                object.insert("familyName", "F");
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
