//! Smaller and smaller cases that still fail.

use serde_json::Value;

/// Every value that has one thing less.
#[must_use]
pub fn smaller(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            for name in members.keys().filter(|name| !FORM.contains(&name.as_str())) {
                let mut less = members.clone();
                less.remove(name);
                found.push(Value::Object(less));
            }
            for (name, inner) in members {
                for inner in smaller(inner) {
                    let mut less = members.clone();
                    less.insert(name.clone(), inner);
                    found.push(Value::Object(less));
                }
            }
        }
        Value::Array(items) => {
            for at in 0..items.len() {
                let mut less = items.clone();
                less.remove(at);
                found.push(Value::Array(less));
            }
            for (at, inner) in items.iter().enumerate() {
                for inner in smaller(inner) {
                    let mut less = items.clone();
                    if let Some(place) = less.get_mut(at) {
                        *place = inner;
                    }
                    found.push(Value::Array(less));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

/// Takes away from `case` what `fails` does not need. `steps` gives every smaller case.
pub fn shrink<C: Clone>(case: C, steps: impl Fn(&C) -> Vec<C>, fails: impl Fn(&C) -> bool) -> C {
    let mut case = case;
    while let Some(less) = steps(&case).into_iter().find(|less| fails(less)) {
        case = less;
    }
    case
}

/// Without these a request would be another one, or none.
const FORM: &[&str] = &["schemas", "Operations", "op", "path", "value", "locality"];
