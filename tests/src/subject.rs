//! Who decides: the core as it is linked here, alone or with the component in its sandbox beside it.

use std::fmt::Debug;

use replaysafe_core::{door, types::ContractError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Answers calls of the contract.
#[derive(Debug)]
pub struct Subject {
    other: Option<Box<dyn Other>>,
    calls: usize,
}

/// Answers as the core does, or stops.
pub trait Other: Debug {
    /// Makes the call that gave `output`, and compares.
    fn compare(&self, function: &str, input: &Value, output: &str);
}

impl Subject {
    /// The core alone.
    #[must_use]
    pub fn native() -> Self {
        Self { other: None, calls: 0 }
    }

    /// The core, and another who answers every call, too.
    #[must_use]
    pub fn beside(other: Box<dyn Other>) -> Self {
        Self { other: Some(other), calls: 0 }
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
        self.try_call(function, input)
            .unwrap_or_else(|error| panic!("{function} of {input}: {error:?}"))
    }

    /// Calls a function of the contract; the error is what it says of a broken contract.
    ///
    /// # Errors
    ///
    /// Where the input breaks the contract.
    ///
    /// # Panics
    ///
    /// If core and component differ in one byte, or the host's monitor refuses the step.
    pub fn try_call<O: DeserializeOwned>(
        &mut self,
        function: &str,
        input: &Value,
    ) -> Result<O, ContractError> {
        read(&self.text(function, input))
    }

    /// Calls a function of the contract, and gives what the JSON door gives.
    ///
    /// # Panics
    ///
    /// If core and component differ in one byte, or the host's monitor refuses the step.
    pub fn text(&mut self, function: &str, input: &Value) -> String {
        let text = input.to_string();
        let output = door::call(&[&door::LIFECYCLE], function, &text);
        if let Some(other) = &self.other {
            other.compare(function, input, &output);
        }
        self.calls += 1;
        output
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
