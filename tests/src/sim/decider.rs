//! Who decides: the functions that ship, called with their own types.
//!
//! They are pure, so an answer that was given once may be given again from memory.

use std::{collections::BTreeMap, fmt::Debug, hash::Hasher as _};

use replaysafe_core::{
    lifecycle::{self, Reading},
    types::{
        ContractError, Entry, Field, Found, Report, Request, Settings, Situation, Step, Tag,
        UnixMillis, Write,
    },
};

use super::{
    digest::Digester,
    ledger::{Refusal, Written},
};

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

/// Is told all that core and ledger were asked in a schedule, and what they gave.
///
/// A schedule goes on from these alone: with others that give the same, it is the same schedule.
pub trait Witness: Debug {
    /// `admit`, `decide` or `settle`.
    fn stepped(
        &mut self,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
        step: &Result<Step, ContractError>,
    );

    /// `identify`.
    fn identified(
        &mut self,
        request: &Request,
        settings: &Settings,
        reading: &Result<Reading, ContractError>,
    );

    /// `entry-request`.
    fn recalled(&mut self, state: &str, request: &Result<Request, ContractError>);

    /// What the ledger holds under a key, a statement and names.
    fn found(&mut self, _key: Option<&Tag>, _statement: &Tag, _names: &[Tag], _found: &Found) {}

    /// The entry with an id.
    fn entry(&mut self, _id: &str, _entry: Option<&Entry>) {}

    /// A write, and which facts the ledger knows from then on.
    fn wrote(
        &mut self,
        _write: &Write,
        _now: UnixMillis,
        _written: &Result<Written, Refusal>,
        _facts: &[Field],
    ) {
    }

    /// A gateway has stopped.
    fn crashed(&mut self) {}
}

/// Calls the core and counts.
#[derive(Debug, Default)]
pub struct Decider {
    /// How many calls were made.
    pub calls: u64,
    /// Who is told of them; one that remembers has none.
    pub witness: Option<Box<dyn Witness>>,
    memory: Option<Memory>,
}

/// What was answered, by a digest of what was asked.
#[derive(Debug, Default)]
struct Memory {
    steps: BTreeMap<u128, Result<Step, ContractError>>,
    readings: BTreeMap<u128, Result<Reading, ContractError>>,
}

impl Decider {
    /// One whose calls a witness is told.
    #[must_use]
    pub fn watched(witness: Box<dyn Witness>) -> Self {
        Self { witness: Some(witness), ..Self::default() }
    }

    /// One that remembers its answers.
    #[must_use]
    pub fn remembering() -> Self {
        Self { memory: Some(Memory::default()), ..Self::default() }
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
            let step = call(function, situation, report);
            if let Some(witness) = &mut self.witness {
                witness.stepped(function, situation, report, &step);
            }
            return step;
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
            let reading = lifecycle::identify(request, settings);
            if let Some(witness) = &mut self.witness {
                witness.identified(request, settings, &reading);
            }
            return reading;
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
        let request = lifecycle::entry_request(state);
        if let Some(witness) = &mut self.witness {
            witness.recalled(state, &request);
        }
        request
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
