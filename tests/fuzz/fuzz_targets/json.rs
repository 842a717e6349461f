//! The JSON parser against two others, and its canonical form against itself.
//!
//! `tests/fuzz/README.md` explains each difference that is allowed.

#![no_main]

use jiter::JsonValue;
use libfuzzer_sys::fuzz_target;
use replaysafe_json::{Limits, canonical, parse};

/// What only this parser refuses, and why: see the README.
const STRICTER: [&str; 7] = [
    "too-large",
    "too-deep",
    "too-many-members",
    "too-many-items",
    "duplicate-member",
    "nul-character",
    "number-range",
];

fuzz_target!(|text: &[u8]| {
    let theirs = serde_json::from_slice::<serde_json::Value>(text);
    let others = JsonValue::parse(text, false);
    let ours = match parse(text, &Limits::request()) {
        Ok(ours) => ours,
        Err(error) => {
            let stricter = STRICTER.contains(&error.code());
            assert!(stricter || theirs.is_err(), "serde_json takes it: {error}");
            assert!(stricter || others.is_err(), "jiter takes it: {error}");
            return;
        }
    };
    let theirs = theirs.expect("serde_json refuses what we take");
    assert!(others.is_ok(), "jiter refuses what we take");
    let form = canonical(&ours);
    let again = parse(form.as_bytes(), &Limits::request()).expect("a canonical text is read");
    assert_eq!(canonical(&again), form, "the canonical form of a canonical text is itself");
    assert_eq!(again, ours, "nothing is lost by writing canonically");
    let read: serde_json::Value = serde_json::from_str(&form).expect("it is JSON");
    assert!(same(&read, &theirs), "serde_json reads {theirs}, we wrote {form}");
});

/// Equal but for how a number is written: `1.0` and `1` are one (RFC 8785 §3.2.2.3).
fn same(left: &serde_json::Value, right: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (left, right) {
        (Number(left), Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Array(left), Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Object(left), Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}
