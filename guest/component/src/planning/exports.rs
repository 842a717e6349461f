//! The exported functions.

use alloc::{string::String, vec::Vec};

use replaysafe_core::{
    audit::{self, Seen},
    batch::{self, Item, Known, Operation},
    door,
    reconciliation::{self, Excess, Finding, Part, Tally, Trait},
    types::{ContractError, Document, Settings, UnixMillis},
};

use super::bindings::exports::replaysafe::provisioning::{
    audit::Guest as AuditGuest, batch::Guest as BatchGuest, json, reconciliation::Guest,
};

struct Component;

impl Guest for Component {
    fn survey(
        resource_type: String,
        resources: Vec<Document>,
        settings: Settings,
    ) -> Result<Vec<Option<Trait>>, ContractError> {
        reconciliation::survey(&resource_type, &resources, &settings)
    }

    fn plan(part: Part) -> Result<Vec<Finding>, ContractError> {
        reconciliation::plan(&part)
    }

    fn guard(
        tallies: Vec<Tally>,
        now: UnixMillis,
        settings: Settings,
    ) -> Result<Vec<Excess>, ContractError> {
        reconciliation::guard(&tallies, now, &settings)
    }
}

impl AuditGuest for Component {
    fn look(
        resource_type: String,
        resources: Vec<Document>,
        settings: Settings,
    ) -> Result<Vec<Option<Seen>>, ContractError> {
        audit::look(&resource_type, &resources, &settings)
    }

    fn audit(part: audit::Part) -> Result<Vec<audit::Finding>, ContractError> {
        audit::audit(&part)
    }
}

impl BatchGuest for Component {
    fn arrange(operations: Vec<Operation>, settings: Settings) -> Result<Vec<Item>, ContractError> {
        batch::arrange(&operations, &settings)
    }

    fn fill(text: Document, resources: Vec<Known>) -> Document {
        batch::fill(&text, &resources)
    }
}

impl json::Guest for Component {
    fn call(function: String, input: String) -> String {
        door::call(&[&door::RECONCILIATION, &door::AUDIT, &door::BATCH], &function, &input)
    }
}

#[expect(unsafe_code, reason = "the canonical ABI exports functions by name")]
mod export {
    use super::Component;

    super::super::bindings::export!(Component with_types_in super::super::bindings);
}
