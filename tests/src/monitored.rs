//! Would the host's monitor let this step pass (S43)? Every step of an honest component must.
//!
//! The JSON door spells names as the contract does, the host's own types as Rust does.

use replaysafe::{
    contract::{Situation, Step},
    monitor::{self, Function},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Checks what `admit`, `decide` or `settle` gave; other functions give no step.
///
/// # Panics
///
/// If the monitor refuses the step.
pub fn check(function: &str, input: &Value, output: &str) {
    let function = match function {
        "admit" => Function::Admit,
        "decide" => Function::Decide,
        "settle" => Function::Settle,
        _ => return,
    };
    let output: Value = serde_json::from_str(output).expect("the door gives JSON");
    let Some(step) = output.get("ok") else { return };
    let situation: Situation = read(input.get("situation").expect("a situation"));
    let step: Step = read(step);
    let checked = monitor::check(function, &situation, &step);
    assert_eq!(checked, Ok(()), "{function:?} of {input} gives {step:?}");
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(respelled(value, "")).expect("the contract's form")
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
const CASES: [&str; 5] = ["action", "ask", "effect-body", "question", "sight"];

/// Under these names stands a word of a closed list.
const WORDS: [&str; 7] = ["diverged", "evidence", "kind", "method", "retry", "stage", "verdict"];

/// The door leaves these out where they are empty.
const LISTS: [&str; 4] = ["attributes", "extra", "learned", "notes"];
