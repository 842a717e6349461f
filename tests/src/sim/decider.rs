//! Who decides: the functions that ship, called with their own types.
//!
//! They are pure, so an answer that was given once may be given again from memory.

use replaysafe_core::{
    lifecycle::{self, Reading},
    types::{ContractError, Report, Request, Settings, Situation, Step},
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

/// Calls the core and counts.
#[derive(Debug, Default)]
pub struct Decider {
    /// How many calls were made.
    pub calls: u64,
}

impl Decider {
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
        self.calls += 1;
        match function {
            Function::Admit => lifecycle::admit(situation),
            Function::Decide => lifecycle::decide(situation),
            Function::Settle => lifecycle::settle(situation, report),
        }
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
        self.calls += 1;
        lifecycle::identify(request, settings)
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
