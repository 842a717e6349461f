//! Who decides: the core as it is linked here, or the component in its sandbox, or both against each other.

use std::fmt::Debug;

use replaysafe::guest::Guest;
use replaysafe_core::{door, types::ContractError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{monitored, typed};

/// Answers calls of the contract.
#[derive(Debug)]
pub struct Subject {
    component: Option<Guest>,
    calls: usize,
}

impl Subject {
    /// The core alone.
    #[must_use]
    pub fn native() -> Self {
        Self { component: None, calls: 0 }
    }

    /// The core and the component that ships: every call goes to both.
    ///
    /// # Panics
    ///
    /// If the component cannot be loaded.
    #[must_use]
    pub fn both() -> Self {
        Self { component: Some(Guest::embedded().expect("the component loads")), calls: 0 }
    }

    /// How many calls were compared.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Calls a function of the contract.
    ///
    /// # Panics
    ///
    /// If core and component differ in one byte, the typed functions differ from the JSON door, the host's monitor refuses the step, or the input breaks
    /// the contract.
    pub fn call<O: DeserializeOwned>(&mut self, function: &str, input: &Value) -> O {
        let text = input.to_string();
        let output = door::call(function, &text);
        if let Some(component) = &self.component {
            let other = component.call_json(function, &text).expect("the component answers");
            assert_eq!(output, other, "native-equals-component: {function} of {text}");
            typed::check(component, function, input, &output);
            monitored::check(function, input, &output);
        }
        self.calls += 1;
        read(&output).unwrap_or_else(|error| panic!("{function} of {text}: {error:?}"))
    }
}

/// Reads what the JSON door gives.
fn read<O: DeserializeOwned>(output: &str) -> Result<O, ContractError> {
    let mut output: Value = serde_json::from_str(output).expect("the door gives JSON");
    if let Some(error) = output.get_mut("err") {
        return Err(serde_json::from_value(error.take()).expect("a contract error"));
    }
    let ok = output.get_mut("ok").expect("`ok` or `err`").take();
    Ok(serde_json::from_value(ok).expect("the result has the contract's form"))
}

/// An argument list of one.
#[must_use]
pub fn one(name: &str, value: &(impl Serialize + Debug)) -> Value {
    json!({ name: value })
}
