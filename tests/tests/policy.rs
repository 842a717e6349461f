//! The published schema of a policy takes what the component takes, and refuses what it refuses (S45).

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{collections::BTreeSet, fs, path::Path};

use replaysafe_core::policy::Policy;
use serde_json::{Map, Value, json};

/// `{}` is the default policy, written out: the schema's defaults are the component's.
#[test]
fn the_defaults_are_those_of_the_component() {
    let written: Value = serde_json::from_str(&Policy::default().document()).expect("JSON");
    let defaults: Map<String, Value> = members()
        .into_iter()
        .map(|(name, of)| (name, of.get("default").expect("a default").clone()))
        .collect();
    assert_eq!(written, Value::Object(defaults));
    both(&written, true);
    both(&json!({}), true);
}

#[test]
fn every_value_that_a_member_may_have_is_taken_and_its_neighbours_are_not() {
    for (name, of) in members() {
        let set = |value: Value| Value::Object(Map::from_iter([(name.clone(), value)]));
        let (mut good, mut bad) = (Vec::new(), vec![json!(null), json!(true), json!(1.5)]);
        if let Some(cases) = of.get("enum").and_then(Value::as_array) {
            good.extend(cases.clone());
            bad.extend([json!(""), json!("Never"), json!("no"), json!(1), json!([])]);
        } else if let (Some(least), Some(most)) = (of["minimum"].as_i64(), of["maximum"].as_i64()) {
            good.extend([json!(least), json!(most)]);
            bad.extend([json!(least - 1), json!(most + 1), json!(least.to_string()), json!(1e30)]);
        } else if of["type"] == "boolean" {
            good.extend([json!(true), json!(false)]);
            bad = vec![json!(null), json!("true"), json!(0)];
        } else if of["type"] == "array" {
            good.extend([json!([]), json!(["User"]), json!(["User", "Account"])]);
            bad.extend([json!("User"), json!([1]), json!([null]), json!({})]);
        } else if of["type"] == "string" {
            good.extend([json!(""), json!("sequence"), json!("X-Sequence_2.0")]);
            bad.extend([json!(1), json!(["sequence"])]);
            if name == "version-header" {
                bad.extend([json!("a b"), json!("a:b"), json!("\u{e9}")]);
            }
        } else if name == "credentials" {
            let digest = "0123456789abcdef".repeat(4);
            good.extend([json!({}), json!({"hr": []}), json!({"hr": [digest], "it": []})]);
            bad.extend([json!({"hr": digest}), json!({"": [digest]}), json!({"hr": [""]})]);
            bad.extend([
                json!({"hr": [digest.to_uppercase()]}),
                json!({"hr": [format!("{digest}0")]}),
            ]);
        } else if name == "guard" {
            // What is not named has its default; what is named has nothing but what it says.
            good.extend([json!({}), json!({"create": {}}), json!({"delete": {"most": 0}})]);
            good.push(
                json!({"grant": {"most": u32::MAX, "percent": 100}, "revoke": {"percent": 0}}),
            );
            bad.extend([
                json!({"delte": {}}),
                json!({"delete": 5}),
                json!({"delete": {"mots": 1}}),
            ]);
            bad.extend([json!({"delete": {"percent": 101}}), json!({"delete": {"percent": -1}})]);
            bad.extend([
                json!({"delete": {"most": 1.5}}),
                json!({"delete": {"most": 4294967296_u64}}),
            ]);
        } else {
            good.extend([
                json!({}),
                json!({"Group": []}),
                json!({"User": ["emails.value"], "X": ["y"]}),
            ]);
            bad.extend([json!([]), json!({"Group": "displayName"}), json!({"Group": [1]})]);
        }
        good.into_iter().for_each(|value| both(&set(value), true));
        bad.into_iter().for_each(|value| both(&set(value), false));
    }
}

#[test]
fn a_member_that_is_unknown_is_refused_by_both() {
    for name in ["adoptt", "Adopt", "replay_window_seconds", "replayWindowSeconds", "", "$schema"] {
        both(&Value::Object(Map::from_iter([(name.to_owned(), json!("never"))])), false);
    }
    [json!([]), json!("{}"), json!(null)].iter().for_each(|document| both(document, false));
}

/// The table in docs/rules.md has the members of the schema, with their values and defaults.
#[test]
fn the_documentation_has_every_member() {
    let rules = root().join("docs/rules.md");
    let page = fs::read_to_string(rules).expect("the rules");
    let (_, table) = page.split_once("| member | values | default | rule |").expect("the table");
    let rows = table.lines().skip(2).map_while(|line| line.trim().strip_prefix("| `"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    let documented: BTreeSet<&str> =
        rows.iter().filter_map(|row| row.first()?.strip_suffix('`')).collect();
    let schema = members();
    assert_eq!(documented, schema.keys().map(String::as_str).collect());
    for row in rows {
        let [name, values, default, ..] = row.as_slice() else { panic!("{row:?}") };
        let of = &schema[name.trim_end_matches('`')];
        let shown = |value: &Value| match value {
            Value::String(text) if text.is_empty() => "none".to_owned(),
            Value::String(text) => format!("`{text}`"),
            Value::Object(members) if !members.is_empty() => "see S33".to_owned(),
            Value::Array(_) | Value::Object(_) => "none".to_owned(),
            Value::Bool(truth) => format!("`{truth}`"),
            Value::Null | Value::Number(_) => value.to_string(),
        };
        assert_eq!(*default, shown(&of["default"]), "{name}");
        if let Some(cases) = of.get("enum").and_then(Value::as_array) {
            let cases: Vec<String> = cases.iter().map(shown).collect();
            assert_eq!(*values, cases.join(", "), "{name}");
        } else if of.get("maximum").is_some() {
            let bounds = format!("{} to {}", of["minimum"], of["maximum"]);
            assert!(values.starts_with(&bounds), "{name}: {values}");
        }
    }
}

/// The reader of schemas finds what is wrong: it can fail.
#[test]
fn the_reader_of_schemas_refuses() {
    let schema = json!({"type": "object", "additionalProperties": false, "properties": {"a": {"enum": ["x"]}}});
    assert!(validates(&schema, &json!({"a": "x"})));
    assert!(!validates(&schema, &json!({"a": "y"})) && !validates(&schema, &json!({"b": "x"})));
}

#[track_caller]
fn both(document: &Value, taken: bool) {
    assert_eq!(validates(&schema(), document), taken, "the schema on {document}");
    let read = Policy::read(&document.to_string());
    assert_eq!(read.is_ok(), taken, "the component on {document}: {read:?}");
}

/// JSON Schema 2020-12, as far as the policy's schema goes; any other keyword fails.
fn validates(schema: &Value, document: &Value) -> bool {
    let schema = schema.as_object().expect("a schema is an object");
    let number = |value: &Value| value.as_f64().expect("a number");
    schema.iter().all(|(keyword, wanted)| match (keyword.as_str(), document) {
        ("$schema" | "title" | "description" | "default" | "$defs", _) => true,
        ("$ref", _) => validates(&referred(wanted), document),
        ("type", _) => match wanted.as_str().expect("one type") {
            "object" => document.is_object(),
            "array" => document.is_array(),
            "string" => document.is_string(),
            "boolean" => document.is_boolean(),
            "integer" => document.as_f64().is_some_and(|number| number.fract() == 0.0),
            other => panic!("the type `{other}` is not known here"),
        },
        ("enum", _) => wanted.as_array().expect("cases").contains(document),
        ("minimum", Value::Number(_)) => number(wanted) <= number(document),
        ("maximum", Value::Number(_)) => number(document) <= number(wanted),
        ("minLength", Value::String(text)) => {
            let least = wanted.as_u64().expect("a count");
            u64::try_from(text.chars().count()).is_ok_and(|length| least <= length)
        }
        ("pattern", Value::String(text)) if wanted == "^[0-9a-f]{64}$" => {
            text.len() == 64 && text.bytes().all(|one| b"0123456789abcdef".contains(&one))
        }
        // A token (RFC 9110 section 5.6.2), or nothing.
        ("pattern", Value::String(text)) if wanted == "^[!#$%&'*+.^_`|~0-9A-Za-z-]*$" => {
            text.bytes().all(|one| one.is_ascii_alphanumeric() || b"!#$%&'*+.^_`|~-".contains(&one))
        }
        ("propertyNames", Value::Object(members)) => {
            members.keys().all(|name| validates(wanted, &Value::String(name.clone())))
        }
        ("items", Value::Array(items)) => items.iter().all(|item| validates(wanted, item)),
        ("properties", Value::Object(members)) => {
            let known =
                members.iter().filter_map(|(name, member)| Some((wanted.get(name)?, member)));
            known.into_iter().all(|(of, member)| validates(of, member))
        }
        ("additionalProperties", Value::Object(members)) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let mut others = members
                .iter()
                .filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
            if wanted == &Value::Bool(false) {
                others.next().is_none()
            } else {
                others.all(|(_, member)| validates(wanted, member))
            }
        }
        ("minimum" | "maximum" | "items" | "properties" | "additionalProperties", _) => true,
        ("minLength" | "propertyNames" | "pattern", _) => true,
        (other, _) => panic!("the keyword `{other}` is not known here"),
    })
}

/// What `#/$defs/NAME` stands for in the policy's schema.
fn referred(reference: &Value) -> Value {
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a pointer");
    schema().pointer(pointer).expect("it is there").clone()
}

fn schema() -> Value {
    let text = fs::read_to_string(root().join("wit/policy.schema.json")).expect("the schema");
    serde_json::from_str(&text).expect("JSON")
}

fn members() -> Map<String, Value> {
    schema().get("properties").and_then(Value::as_object).expect("members").clone()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
