//! What goes out of a request of which part is held back: no removal is lost, and nothing held is given (S2a, S14c).

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select};
use replaysafe_core::{
    schema::Schema,
    statement::{Allowance, Body, Operation, PathKey, Statement},
};
use replaysafe_json::{Limits, Value, parse};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn no_removal_is_lost_and_nothing_held_is_given(before in access(), asked in request(), allow in allowance()) {
        let (operation, text) = asked;
        let body = json(&text);
        let schema = Schema::default();
        let of = Statement::read(operation, "User", Some("1"), Some(&body), None, &schema).expect("well-formed");
        let resource = before.shown();
        let takes = of.against(&resource, &schema, &Allowance::default()).takes;
        let difference = of.against(&resource, &schema, &allow);
        let mut after = before.clone();
        if !difference.nothing_left {
            match &difference.body {
                Body::AsSent => after.apply(operation, &body),
                Body::Rewritten(rewritten) => after.apply(operation, rewritten),
            }
        }
        let context = format!("{text} on {resource} under {allow:?} sent {:?}, gave {after:?}", difference.body);
        let has = |of: &Access, path: &PathKey| match path.0.strip_prefix("roles/") {
            Some(role) => of.roles.contains(role),
            None => of.active != Some(false),
        };
        for path in &takes {
            prop_assert!(!has(&after, path), "kept {path:?}: {context}");
        }
        let held = |role: &str| {
            let names = [format!("roles/{role}"), "roles".into(), "*".into()];
            allow.only_taking || names.into_iter().any(|name| allow.withheld.contains(&PathKey(name)))
        };
        for role in after.roles.difference(&before.roles) {
            prop_assert!(!held(role), "gave {role}: {context}");
        }
        let active = ["active", "*"].iter().any(|name| allow.withheld.contains(&PathKey((*name).into())));
        if allow.only_taking || active {
            prop_assert!(before.active != Some(false) || after.active == Some(false), "switched on: {context}");
        }
    }
}

/// The access that a resource gives.
#[derive(Clone, Debug)]
struct Access {
    roles: BTreeSet<String>,
    active: Option<bool>,
}

impl Access {
    fn shown(&self) -> Value {
        let roles: Vec<String> =
            self.roles.iter().map(|role| format!("{{\"value\":\"{role}\"}}")).collect();
        let active = self.active.map(|active| format!(",\"active\":{active}")).unwrap_or_default();
        json(&format!("{{\"userName\":\"ann\",\"roles\":[{}]{active}}}", roles.join(",")))
    }

    /// A target that gives whatever an operation can be taken to mean, and takes only what it says.
    fn apply(&mut self, operation: Operation, body: &Value) {
        if operation == Operation::Replace {
            // What a PUT says nothing of comes back to its default.
            self.active = Some(body.find("active").and_then(truth).unwrap_or(true));
            self.set("replace", body);
            return;
        }
        for operation in body.find("Operations").and_then(Value::as_array).expect("operations") {
            let verb = operation.find("op").and_then(Value::as_str).expect("op").to_lowercase();
            let value = operation.find("value");
            match operation.find("path").and_then(Value::as_str) {
                None => self.set(&verb, value.expect("value")),
                Some("active") => self.active = value.and_then(truth),
                Some("roles") => self.list(&verb, value),
                Some(path) => self.filtered(&verb, path, value),
            }
        }
    }

    fn set(&mut self, verb: &str, value: &Value) {
        if let Some(roles) = value.find("roles") {
            self.list(verb, Some(roles));
        }
        if let Some(active) = value.find("active").and_then(truth) {
            self.active = Some(active);
        }
    }

    fn list(&mut self, verb: &str, value: Option<&Value>) {
        let stated = values(value);
        match (verb, value) {
            ("add", _) => self.roles.extend(stated),
            ("replace", _) => self.roles = stated,
            ("remove", Some(_)) => self.roles.retain(|role| !stated.contains(role)),
            ("remove", None) => self.roles.clear(),
            other => panic!("{other:?}"),
        }
    }

    fn filtered(&mut self, verb: &str, path: &str, value: Option<&Value>) {
        let role = path.strip_prefix("roles[value eq \"").and_then(|rest| rest.get(..1));
        let found = role.is_some_and(|role| self.roles.remove(role));
        if verb == "remove" {
            return;
        }
        let given = values(value).into_iter().chain(value.and_then(Value::as_str).map(Into::into));
        if !found || path.ends_with(".value") {
            self.roles.extend(given);
        }
    }
}

fn truth(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.to_lowercase().parse().ok())
}

fn values(value: Option<&Value>) -> BTreeSet<String> {
    let items = value.and_then(Value::as_array).unwrap_or_default();
    items.iter().filter_map(|item| item.find("value")?.as_str()).map(ToOwned::to_owned).collect()
}

fn access() -> impl Strategy<Value = Access> {
    let roles = prop::collection::btree_set("[a-d]", 0..4);
    (roles, any::<Option<bool>>()).prop_map(|(roles, active)| Access { roles, active })
}

fn allowance() -> impl Strategy<Value = Allowance> {
    const PATHS: [&str; 7] = ["roles/a", "roles/b", "roles/c", "roles/d", "roles", "active", "*"];
    let some = prop::collection::btree_set(select(&PATHS[..6]), 0..4);
    (some, select(&PATHS[..]), any::<bool>()).prop_map(|(some, one, only_taking)| {
        let mut withheld: BTreeSet<PathKey> =
            some.into_iter().map(|path| PathKey(path.into())).collect();
        // Where nothing of the roles is held, an operation on them goes out as it came.
        withheld.insert(PathKey(if one == "active" { "roles".into() } else { one.into() }));
        Allowance { withheld: withheld.into_iter().collect(), only_taking, ..Allowance::default() }
    })
}

fn request() -> impl Strategy<Value = (Operation, String)> {
    let list = prop::collection::vec("[a-d]", 0..4).prop_map(|values| {
        let values: Vec<String> =
            values.iter().map(|value| format!("{{\"value\":\"{value}\"}}")).collect();
        format!("[{}]", values.join(","))
    });
    let truth = select(&["true", "false", "\"True\"", "\"False\""][..]);
    let operation = prop_oneof![
        (select(&["add", "Replace", "remove"][..]), list.clone())
            .prop_map(|(op, list)| format!(r#"{{"op":"{op}","path":"roles","value":{list}}}"#)),
        "[a-d]"
            .prop_map(|role| format!(r#"{{"op":"Remove","path":"roles[value eq \"{role}\"]"}}"#)),
        Just(r#"{"op":"remove","path":"roles"}"#.to_owned()),
        ("[a-d]", "[a-d]").prop_map(|(old, new)| format!(
            r#"{{"op":"replace","path":"roles[value eq \"{old}\"].value","value":"{new}"}}"#
        )),
        "[a-d]".prop_map(|role| format!(
            r#"{{"op":"replace","path":"roles[primary eq \"True\"].value","value":"{role}"}}"#
        )),
        list.clone().prop_map(|list| format!(r#"{{"op":"add","path":"roles[","value":{list}}}"#)),
        (list.clone(), truth.clone()).prop_map(|(list, active)| format!(
            r#"{{"op":"replace","value":{{"roles":{list},"active":{active}}}}}"#
        )),
        (list.clone(), truth.clone()).prop_map(|(list, active)| format!(
            r#"{{"op":"add","value":{{"roles":{list},"active":{active}}}}}"#
        )),
        truth
            .clone()
            .prop_map(|active| format!(r#"{{"op":"replace","path":"active","value":{active}}}"#)),
    ];
    let patch = prop::collection::vec(operation, 1..5).prop_map(|operations| {
        (Operation::Patch, format!(r#"{{"Operations":[{}]}}"#, operations.join(",")))
    });
    let put = (prop::option::of(list), prop::option::of(truth)).prop_map(|(roles, active)| {
        let roles = roles.map(|roles| format!(r#","roles":{roles}"#)).unwrap_or_default();
        let active = active.map(|active| format!(r#","active":{active}"#)).unwrap_or_default();
        (Operation::Replace, format!(r#"{{"userName":"ann"{roles}{active}}}"#))
    });
    prop_oneof![3 => patch, 1 => put]
}

fn json(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::default()).expect("valid")
}
