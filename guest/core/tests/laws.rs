//! Laws of statements, on made-up requests and resources.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use replaysafe_core::ordered::BTreeSet;

use proptest::prelude::*;
use replaysafe_core::{
    schema::Schema,
    statement::{Allowance, Body, Operation, PathKey, Statement},
};
use replaysafe_json::{Limits, Object, Value, parse};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The law `decide-is-a-fixpoint` (S25, S34): after what is sent has been applied, nothing is left to be sent.
    #[test]
    fn deciding_is_a_fixpoint(resource in resource(), ops in operations()) {
        let of = patch(&ops);
        let schema = Schema::default();
        let first = of.against(&resource, &schema, &Allowance::default());
        prop_assert!(!first.opaque);
        let sent = match &first.body {
            Body::AsSent => json(&format!("{{\"Operations\":[{}]}}", ops.join(","))),
            Body::Rewritten(body) => body.clone(),
        };
        let mut after = resource.clone();
        apply(&mut after, &sent);
        let holds = of.holds(Some(&resource), &after, &schema);
        prop_assert!(holds.all, "{ops:?}: {sent} on {resource} gave {after}: {holds:?}");
        prop_assert_eq!(holds.collateral, vec![]);
        let mut whole = resource;
        apply(&mut whole, &json(&format!("{{\"Operations\":[{}]}}", ops.join(","))));
        prop_assert_eq!(edges(&after), edges(&whole));
        prop_assert!(of.against(&after, &schema, &Allowance::default()).satisfied, "{ops:?} on {after}");
    }

    /// S25: satisfied is said exactly where nothing changes.
    #[test]
    fn satisfied_means_that_nothing_changes(resource in resource(), ops in operations()) {
        let mut after = resource.clone();
        apply(&mut after, &json(&format!("{{\"Operations\":[{}]}}", ops.join(","))));
        let satisfied = patch(&ops).against(&resource, &Schema::default(), &Allowance::default()).satisfied;
        prop_assert_eq!(satisfied, edges(&resource) == edges(&after));
    }

    /// What is given and what is taken is the difference between before and after.
    #[test]
    fn given_and_taken_are_what_changes(resource in resource(), ops in operations()) {
        let mut after = resource.clone();
        apply(&mut after, &json(&format!("{{\"Operations\":[{}]}}", ops.join(","))));
        let difference = patch(&ops).against(&resource, &Schema::default(), &Allowance::default());
        let (before, after) = (keys(&resource), keys(&after));
        prop_assert_eq!(members_of(&difference.gives), after.difference(&before).cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(members_of(&difference.takes), before.difference(&after).cloned().collect::<BTreeSet<_>>());
    }

    /// S2a: whatever is asked, with only what takes away allowed nothing is given.
    #[test]
    fn a_removal_never_adds(resource in resource(), ops in operations()) {
        let allow = Allowance { only_taking: true, ..Allowance::default() };
        let difference = patch(&ops).against(&resource, &Schema::default(), &allow);
        let mut after = resource.clone();
        match &difference.body {
            Body::AsSent => apply(&mut after, &json(&format!("{{\"Operations\":[{}]}}", ops.join(",")))),
            Body::Rewritten(body) => apply(&mut after, body),
        }
        prop_assert!(keys(&after).is_subset(&keys(&resource)), "{ops:?} on {resource}");
        let expected: BTreeSet<PathKey> = keys(&resource).difference(&difference.takes).cloned().collect();
        prop_assert_eq!(keys(&after), expected, "{:?} on {} sent {:?}", ops, resource, difference.body);
    }

    /// S2a: what is withheld is not given, and the rest is done: nothing holds a removal back.
    #[test]
    fn what_is_withheld_is_not_given(resource in resource(), ops in operations(), value in "[a-d]") {
        let key = PathKey(format!("members/{value}"));
        let allow = Allowance { withheld: BTreeSet::from([key.clone()]), ..Allowance::default() };
        let difference = patch(&ops).against(&resource, &Schema::default(), &allow);
        let mut after = resource.clone();
        match &difference.body {
            Body::AsSent => apply(&mut after, &json(&format!("{{\"Operations\":[{}]}}", ops.join(",")))),
            Body::Rewritten(body) => apply(&mut after, body),
        }
        let mut expected = keys(&resource);
        expected.retain(|of| !difference.takes.contains(of));
        expected.extend(members_of(&difference.gives).iter().filter(|of| **of != key).cloned());
        prop_assert_eq!(keys(&after), expected, "{:?} on {} sent {:?}", ops, resource, difference.body);
    }

    /// S3: order of members, letter case of names and order in sets do not count.
    #[test]
    fn a_fingerprint_ignores_what_means_nothing(resource in resource(), seed in any::<u64>()) {
        let one = create(&resource);
        let other = create(&disguised(&resource, seed));
        prop_assert_eq!(one.fingerprint(), other.fingerprint());
    }

    /// S3: two that differ in meaning have two.
    #[test]
    fn a_fingerprint_tells_what_differs(left in resource(), right in resource()) {
        let same = edges(&left) == edges(&right);
        let fingerprints = (create(&left).fingerprint(), create(&right).fingerprint());
        prop_assert_eq!(same, fingerprints.0 == fingerprints.1);
    }

    /// S3, S24: a client's own spelling (peers.md §5, nos 3 to 7, 18 and 22) changes neither what is asked nor what follows.
    #[test]
    fn a_spelling_means_the_same(resource in resource(), asked in prop::collection::vec(spelled(), 1..4)) {
        let plain: Vec<String> = asked.iter().map(|(plain, _)| plain.clone()).collect();
        let spelled: Vec<String> = asked.into_iter().map(|(_, spelled)| spelled).collect();
        let (plain, spelled) = (read("User", &plain), read("User", &spelled));
        prop_assert_eq!(plain.fingerprint(), spelled.fingerprint());
        prop_assert_eq!((plain.safe_way(), plain.touched(), plain.takes()), (spelled.safe_way(), spelled.touched(), spelled.takes()));
        let schema = Schema::default();
        let seen = |of: &Statement| {
            let difference = of.against(&resource, &schema, &Allowance::default());
            (difference.satisfied, difference.opaque, difference.gives, difference.takes, difference.names)
        };
        prop_assert_eq!(seen(&plain), seen(&spelled));
    }

    /// Whatever comes in, nothing panics, and deciding twice gives the same.
    #[test]
    fn any_operation_can_be_decided_on(path in "[ -~é]{0,20}", value in any_json(), resource in any_json()) {
        let path = Value::from(path.as_str());
        for verb in ["add", "replace", "remove"] {
            let of = patch(&[format!("{{\"op\":\"{verb}\",\"path\":{path},\"value\":{value}}}")]);
            let schema = Schema::default();
            let decide = || of.against(&resource, &schema, &Allowance::default());
            prop_assert_eq!(decide(), decide());
            let said = || (of.holds(None, &resource, &schema), of.fingerprint(), of.touched());
            prop_assert_eq!(said(), said());
        }
    }
}

fn patch(ops: &[String]) -> Statement {
    read("Group", ops)
}

fn read(kind: &str, ops: &[String]) -> Statement {
    let body = json(&format!("{{\"Operations\":[{}]}}", ops.join(",")));
    Statement::read(Operation::Patch, kind, Some("1"), Some(&body), None, &Schema::default())
        .expect("well-formed")
}

fn create(resource: &Value) -> Statement {
    Statement::read(Operation::Create, "User", None, Some(resource), None, &Schema::default())
        .expect("well-formed")
}

fn resource() -> impl Strategy<Value = Value> {
    let title = prop::option::of("[tu]");
    let active = prop::option::of(any::<bool>());
    (prop::collection::btree_set("[a-d]", 0..4), title, active).prop_map(
        |(members, title, active)| {
            let mut object = Object::new();
            let members = members
                .into_iter()
                .map(|value| Value::Object([("value", value)].into_iter().collect()));
            object.insert("members", members.collect::<Vec<_>>());
            if let Some(title) = title {
                object.insert("title", title);
            }
            if let Some(active) = active {
                object.insert("active", active);
            }
            Value::Object(object)
        },
    )
}

/// An operation, and the same in a client's spelling.
fn spelled() -> impl Strategy<Value = (String, String)> {
    const CORE: [&str; 3] =
        ["", "urn:ietf:params:scim:schemas:core:2.0:User:", "URN:scim:schemas:core:1.0:"];
    const ENTERPRISE: [&str; 2] = [
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:scim:schemas:extension:enterprise:1.0",
    ];
    let op = |plain: &str, path: &str, value: &str| {
        format!(r#"{{"op":"{plain}","path":"{path}","value":{value}}}"#)
    };
    let core = prop::sample::select(&CORE[..]);
    let enterprise = prop::sample::select(&ENTERPRISE[..]);
    prop_oneof![
        (any::<bool>(), core.clone()).prop_map(move |(active, urn)| {
            let text = if active { "\"True\"" } else { "\"False\"" };
            let plain = op("replace", "active", &active.to_string());
            (plain, op("Replace", &format!("{urn}Active"), text))
        }),
        any::<bool>().prop_map(move |active| {
            let plain = op("replace", "active", &active.to_string());
            (plain, format!(r#"{{"OP":"Replace","VALUE":{{"ACTIVE":"{active}"}}}}"#))
        }),
        ("[tu]", core).prop_map(move |(title, urn)| {
            let value = format!("\"{title}\"");
            let spelled = format!(r#"{{"op":"ADD","value":{{"{urn}Title":{value}}}}}"#);
            (op("add", "title", &value), spelled)
        }),
        "[A-C]".prop_map(move |name| {
            let value = format!("\"{name}\"");
            let spelled = format!(r#"{{"op":"Replace","value":{{"name.GivenName":{value}}}}}"#);
            (op("replace", "name.givenName", &value), spelled)
        }),
        ("[A-C]", enterprise.clone()).prop_map(move |(name, urn)| {
            let value = format!("\"{name}\"");
            let plain = op("replace", &format!("{}:department", ENTERPRISE[0]), &value);
            (plain, format!(r#"{{"op":"Replace","value":{{"{urn}:Department":{value}}}}}"#))
        }),
        ("[A-C]", enterprise).prop_map(move |(name, urn)| {
            let plain =
                op("replace", &format!("{}:department", ENTERPRISE[0]), &format!("\"{name}\""));
            (plain, op("Replace", urn, &format!(r#"{{"Department":"{name}"}}"#)))
        }),
        "[a-d]".prop_map(move |id| {
            let plain = op("add", "members", &format!(r#"[{{"value":"{id}"}}]"#));
            (
                plain,
                op("Add", "members", &format!(r#"{{"$ref":null,"Value":"{id}","display":"x"}}"#)),
            )
        }),
        "[a-d]".prop_map(move |id| {
            let plain = op("remove", "members", &format!(r#"[{{"value":"{id}"}}]"#));
            (plain, op("Remove", "members", &format!(r#"["{id}"]"#)))
        }),
        "[a-d]".prop_map(move |id| {
            let plain = op("replace", "emails", &format!(r#"[{{"value":"{id}"}}]"#));
            (plain, op("Replace", "emails", &format!(r#"{{"VALUE":"{id}"}}"#)))
        }),
    ]
}

fn operations() -> impl Strategy<Value = Vec<String>> {
    let list = |name: &'static str| {
        prop::collection::vec("[a-d]", 1..4).prop_map(move |values| {
            let values: Vec<String> =
                values.iter().map(|value| format!("{{\"value\":\"{value}\"}}")).collect();
            format!("{{\"op\":\"{name}\",\"path\":\"members\",\"value\":[{}]}}", values.join(","))
        })
    };
    let operation = prop_oneof![
        list("add"),
        list("replace"),
        list("Remove"),
        "[a-d]".prop_map(|value| format!(
            "{{\"op\":\"remove\",\"path\":\"members[value eq \\\"{value}\\\"]\"}}"
        )),
        Just("{\"op\":\"remove\",\"path\":\"members\"}".to_owned()),
        "[tu]".prop_map(|value| format!(
            "{{\"op\":\"add\",\"path\":\"title\",\"value\":\"{value}\"}}"
        )),
        Just("{\"op\":\"remove\",\"path\":\"title\"}".to_owned()),
        any::<bool>()
            .prop_map(|value| format!("{{\"op\":\"replace\",\"value\":{{\"active\":{value}}}}}")),
    ];
    prop::collection::vec(operation, 1..5)
}

/// A small target: just what the operations above need, each as RFC 7644 §3.5.2 says.
fn apply(resource: &mut Value, body: &Value) {
    let Value::Object(object) = resource else { panic!("an object") };
    for operation in body.find("Operations").and_then(Value::as_array).expect("operations") {
        let verb = operation.find("op").and_then(Value::as_str).expect("op").to_lowercase();
        let value = operation.find("value");
        let path = operation.find("path").and_then(Value::as_str);
        match (verb.as_str(), path) {
            (_, None) => {
                for (name, value) in value.and_then(Value::as_object).expect("object") {
                    object.insert(name, value.clone());
                }
            }
            ("remove", Some("title")) => {
                object.remove("title");
            }
            (_, Some("title")) => {
                object.insert("title", value.expect("value").clone());
            }
            (verb, Some(path)) => {
                let mut members = ids(object.find("members"));
                let stated = ids(value);
                let filtered = path
                    .strip_prefix("members[value eq \"")
                    .and_then(|rest| rest.strip_suffix("\"]"));
                match (verb, filtered) {
                    ("remove", Some(id)) => members.retain(|of| of != id),
                    ("remove", None) if value.is_none() => members.clear(),
                    ("remove", None) => members.retain(|of| !stated.contains(of)),
                    ("add", None) => members.extend(stated),
                    ("replace", None) => members = stated,
                    other => panic!("{other:?}"),
                }
                let members = members
                    .into_iter()
                    .map(|id| Value::Object([("value", id)].into_iter().collect()));
                object.insert("members", members.collect::<Vec<_>>());
            }
        }
    }
}

fn ids(list: Option<&Value>) -> BTreeSet<String> {
    let items = list.and_then(Value::as_array).unwrap_or_default();
    items.iter().filter_map(|item| item.find("value")?.as_str()).map(ToOwned::to_owned).collect()
}

/// All that a resource says, as far as it is compared.
fn edges(resource: &Value) -> (BTreeSet<String>, Option<Value>, Option<Value>) {
    (
        ids(resource.find("members")),
        resource.find("title").cloned(),
        resource.find("active").cloned(),
    )
}

fn members_of(paths: &BTreeSet<PathKey>) -> BTreeSet<PathKey> {
    paths.iter().filter(|path| path.0 != "active").cloned().collect()
}

/// The members of a resource.
fn keys(resource: &Value) -> BTreeSet<PathKey> {
    let members =
        ids(resource.find("members")).into_iter().map(|id| PathKey(format!("members/{id}")));
    members.collect()
}

fn disguised(value: &Value, seed: u64) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| disguised(item, seed)).collect();
            if seed.is_multiple_of(2) {
                items.reverse();
            }
            Value::Array(items)
        }
        Value::Object(object) => {
            let members = object.iter().enumerate().map(|(position, (name, member))| {
                let shout = (seed >> position) & 1 == 1;
                let name = if shout { name.to_uppercase() } else { name.to_owned() };
                (name, disguised(member, seed))
            });
            Value::Object(members.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("members"),
        Just("value"),
        Just("type"),
        Just("emails"),
        Just("name"),
        Just("active"),
        Just("urn:x:2.0:Y")
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((names.clone(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn json(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::default()).expect("valid")
}

/// S44: a group may have 200,000 members. The work grows with the list, not with its square.
#[test]
fn a_large_group_is_decided_on() {
    let list = |from: usize, to: usize| {
        let members: Vec<String> = (from..to).map(|id| format!("{{\"value\":\"{id}\"}}")).collect();
        members.join(",")
    };
    let limits = Limits::group();
    let wide = |text: &str| parse(text.as_bytes(), &limits).expect("valid");
    let resource = wide(&format!("{{\"members\":[{}]}}", list(0, 30_000)));
    let replace =
        format!("{{\"op\":\"replace\",\"path\":\"members\",\"value\":[{}]}}", list(10_000, 40_000));
    let single = |op: &str, from, to| {
        let each = (from..to).map(|id: usize| match op {
            "add" => format!(
                "{{\"op\":\"add\",\"path\":\"members\",\"value\":[{{\"value\":\"{id}\"}}]}}"
            ),
            _ => format!("{{\"op\":\"remove\",\"path\":\"members[value eq \\\"{id}\\\"]\"}}"),
        });
        each.collect::<Vec<_>>().join(",")
    };
    let each = format!("{},{}", single("remove", 0, 4_000), single("add", 2_000, 6_000));
    let allow = Allowance {
        withheld: BTreeSet::from([PathKey("members/39999".into())]),
        ..Allowance::default()
    };
    for (ops, gives, takes, left_out) in [(&replace, 10_000, 10_000, 1), (&each, 0, 2_000, 0)] {
        let body = wide(&format!("{{\"Operations\":[{ops}]}}"));
        let schema = Schema::default();
        let of = Statement::read(Operation::Patch, "Group", Some("1"), Some(&body), None, &schema)
            .expect("well-formed");
        let difference = of.against(&resource, &schema, &allow);
        assert_eq!((difference.gives.len(), difference.takes.len()), (gives, takes));
        assert_eq!(difference.left_out.len(), left_out);
        assert_eq!(of.holds(Some(&resource), &resource, &schema).not_kept.len(), gives + takes);
    }
}
