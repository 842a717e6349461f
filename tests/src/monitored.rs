//! Would the host's monitor let this step pass (S43)? Every step of an honest component must.

use replaysafe::{
    contract::{Situation, Step},
    monitor::{self, Function},
};
use serde_json::Value;

use crate::typed::read;

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
    let situation: Situation = read("situation", input.get("situation").expect("a situation"));
    let step: Step = read("step", step);
    let checked = monitor::check(function, &situation, &step);
    assert_eq!(checked, Ok(()), "{function:?} of {input} gives {step:?}");
}
