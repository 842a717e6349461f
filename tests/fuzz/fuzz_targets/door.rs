//! The JSON door of the component: any function, any input, and an answer in the form that is promised.

#![no_main]

use libfuzzer_sys::fuzz_target;
use replaysafe_core::door;

const FUNCTIONS: [&str; 10] = [
    "secret-paths",
    "read-schema",
    "check-policy",
    "identify",
    "matches",
    "admit",
    "decide",
    "settle",
    "entry-request",
    "none of these",
];

fuzz_target!(|text: &[u8]| {
    let Some((first, rest)) = text.split_first() else { return };
    let Ok(input) = std::str::from_utf8(rest) else { return };
    let function = FUNCTIONS[usize::from(*first) % FUNCTIONS.len()];
    let output = door::call(function, input);
    let read: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    let object = read.as_object().expect("an object");
    assert!(object.len() == 1 && (object.contains_key("ok") || object.contains_key("err")), "{output}");
    assert_eq!(door::call(function, input), output, "equal inputs, equal outputs");
});
