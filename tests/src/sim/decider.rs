//! Who decides: the functions that ship, called with their own types.
//!
//! They are pure, so an answer that was given once may be given again from memory.

use std::{collections::BTreeMap, hash::Hasher as _};

use replaysafe_core::{
    lifecycle::{self, Reading},
    types::{ContractError, Report, Request, Settings, Situation, Step},
};

use super::digest::Digester;

/// A function of the contract that gives a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// `lifecycle.admit`.
    Admit,
    /// `lifecycle.decide`.
    Decide,
    /// `lifecycle.settle`.
    Settle,
}

/// Calls the core and counts.
#[derive(Debug, Default)]
pub struct Decider {
    /// How many calls were made.
    pub calls: u64,
    memory: Option<Memory>,
}

/// What was answered, by a digest of what was asked.
#[derive(Debug, Default)]
struct Memory {
    steps: BTreeMap<u128, Result<Step, ContractError>>,
    readings: BTreeMap<u128, Result<Reading, ContractError>>,
}

impl Decider {
    /// One that remembers its answers.
    #[must_use]
    pub fn remembering() -> Self {
        Self { calls: 0, memory: Some(Memory::default()) }
    }

    /// A step of a request.
    ///
    /// # Errors
    ///
    /// Where the situation breaks the contract.
    pub fn step(
        &mut self,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
    ) -> Result<Step, ContractError> {
        let Some(memory) = &mut self.memory else {
            self.calls += 1;
            return call(function, situation, report);
        };
        let mut asked = Digester::default();
        asked.write_u8(function as u8);
        asked.take(situation);
        asked.write_u8(u8::from(report.is_some()));
        if let Some(report) = report {
            asked.take(report);
        }
        if REMEMBERED_MOST < memory.steps.len() {
            memory.steps.clear();
        }
        let step = memory.steps.entry(asked.digest()).or_insert_with(|| {
            self.calls += 1;
            call(function, situation, report)
        });
        step.clone()
    }

    /// What must be known of a request before the ledger is looked into.
    ///
    /// # Errors
    ///
    /// Where the settings or the request break the contract.
    pub fn identify(
        &mut self,
        request: &Request,
        settings: &Settings,
    ) -> Result<Reading, ContractError> {
        let Some(memory) = &mut self.memory else {
            self.calls += 1;
            return lifecycle::identify(request, settings);
        };
        let mut asked = Digester::default();
        asked.take(request);
        asked.take(settings);
        if REMEMBERED_MOST < memory.readings.len() {
            memory.readings.clear();
        }
        let reading = memory.readings.entry(asked.digest()).or_insert_with(|| {
            self.calls += 1;
            lifecycle::identify(request, settings)
        });
        reading.clone()
    }

    /// The request that an entry was made of.
    ///
    /// # Errors
    ///
    /// Where the record cannot be read.
    pub fn entry_request(&mut self, state: &str) -> Result<Request, ContractError> {
        self.calls += 1;
        lifecycle::entry_request(state)
    }
}

fn call(
    function: Function,
    situation: &Situation,
    report: Option<&Report>,
) -> Result<Step, ContractError> {
    match function {
        Function::Admit => lifecycle::admit(situation),
        Function::Decide => lifecycle::decide(situation),
        Function::Settle => lifecycle::settle(situation, report),
    }
}

/// A step has some 4 KiB: what is remembered stays below half a gigabyte.
const REMEMBERED_MOST: usize = 100_000;
