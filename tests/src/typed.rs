//! Do the component's typed functions say what its JSON door says (the law `convert-round-trips`)?
//!
//! What crosses is read and written by one description of the types (`replaysafe_core::shape`), and the
//! host's side is generated from `wit/`: they agree where every call gives the same through both doors.
//! The JSON door spells names as the contract does, the host's own types as Rust does.

use std::fmt::Debug;

use replaysafe::{
    contract::{Reading, Request, Schema, Segment, Settings, Situation, Step},
    guest::{Guest, GuestError},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Makes a call through the typed door, and compares what it gives with what the JSON door gave.
///
/// # Panics
///
/// If they differ.
pub fn check(component: &Guest, function: &str, input: &Value, output: &str) {
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let given = |name: &str| input.get(name).expect("the parameter");
    let settings = || read::<Settings>("settings", given("settings"));
    let request = || read::<Request>("request", given("request"));
    let situation = || read::<Situation>("situation", given("situation"));
    let output: Value = serde_json::from_str(output).expect("the door gives JSON");
    match function {
        "secret-paths" => {
            let kind = text("resource-type").expect("a type");
            same::<Vec<Vec<Segment>>>(
                "segment",
                component.secret_paths(kind, &settings()),
                &output,
            );
        }
        "read-schema" => {
            let [one, two, three] =
                ["resource-types", "schemas", "service-provider-config"].map(text);
            same::<Schema>("schema", component.read_schema(one, two, three), &output);
        }
        "check-policy" => {
            let policy = text("policy").expect("a policy");
            same::<String>("policy", component.check_policy(policy), &output);
        }
        "identify" => {
            same::<Reading>("reading", component.identify(&request(), &settings()), &output);
        }
        "matches" => {
            let page: Vec<String> = read("page", given("page"));
            let found = component.matches(&request(), &page, &settings());
            same::<Vec<u32>>("page", found, &output);
        }
        "admit" => same::<Step>("step", component.admit(&situation()), &output),
        "decide" => same::<Step>("step", component.decide(&situation()), &output),
        "settle" => {
            let report = input.get("report").map(|report| read("report", report));
            let step = component.settle(&situation(), Option::as_ref(&report.flatten()));
            same::<Step>("step", step, &output);
        }
        "entry-request" => {
            let state = text("state").expect("a record");
            same::<Request>("request", component.entry_request(state), &output);
        }
        _ => panic!("`{function}` is no function of `lifecycle`"),
    }
}

/// Both doors gave the same.
fn same<T: DeserializeOwned + Debug + PartialEq>(
    place: &str,
    typed: Result<T, GuestError>,
    output: &Value,
) {
    match typed {
        Ok(typed) => {
            let other: T = read(place, output.get("ok").expect("the JSON door gives a result"));
            assert_eq!(typed, other, "convert-round-trips");
        }
        Err(GuestError::Contract(error)) => {
            let code = output.pointer("/err/code").and_then(Value::as_str);
            let detail = output.pointer("/err/detail").and_then(Value::as_str);
            assert_eq!((Some(error.code.as_str()), Some(error.detail.as_str())), (code, detail));
        }
        Err(error) => panic!("the component fails: {error}"),
    }
}

/// A value that the JSON door takes or gives, as the host has it; `place` is the name that it stands under.
///
/// # Panics
///
/// If it is no value of that type.
pub fn read<T: DeserializeOwned>(place: &str, value: &Value) -> T {
    serde_json::from_value(respelled(value, place)).expect("the contract's form")
}

/// The same value as the host's types spell it; `place` is the name that it stands under.
fn respelled(value: &Value, place: &str) -> Value {
    match value {
        Value::Object(members) if CASES.contains(&place) => {
            members.iter().map(|(case, held)| (pascal(case), respelled(held, case))).collect()
        }
        Value::Object(members) => {
            let below = |name: &str| match (place, name) {
                ("apply", "body") => "effect-body".to_owned(),
                _ => name.to_owned(),
            };
            let mut record: Map<String, Value> = members
                .iter()
                .map(|(name, held)| (name.replace('-', "_"), respelled(held, &below(name))))
                .collect();
            for list in LISTS {
                record.entry(list).or_insert_with(|| Value::Array(Vec::new()));
            }
            Value::Object(record)
        }
        Value::Array(items) => items.iter().map(|item| respelled(item, place)).collect(),
        Value::String(word) if CASES.contains(&place) || WORDS.contains(&place) => {
            pascal(word).into()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn pascal(word: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
    };
    word.split('-').map(|part| -> String { capital(part) }).collect()
}

/// Under these names stands one of several cases.
const CASES: [&str; 9] =
    ["action", "ask", "effect-body", "outcome", "proof", "question", "reading", "segment", "sight"];

/// Under these names stands a word of a closed list.
const WORDS: [&str; 7] = ["diverged", "evidence", "kind", "method", "retry", "stage", "verdict"];

/// The door leaves these out where they are empty.
const LISTS: [&str; 4] = ["attributes", "extra", "learned", "notes"];
