//! The exported functions.

use alloc::{string::String, vec::Vec};

use replaysafe_core::{door, lifecycle, types as core};

use crate::{
    bindings::exports::replaysafe::provisioning::{
        json,
        lifecycle::{
            ContractError, Document, Guest, Reading, Report, Request, Schema, Segment, Settings,
            Situation, Step,
        },
    },
    convert::Convert,
};

struct Component;

impl Guest for Component {
    fn secret_paths(
        resource_type: String,
        settings: Settings,
    ) -> Result<Vec<Vec<Segment>>, ContractError> {
        lifecycle::secret_paths(&resource_type, &settings.convert()).convert()
    }

    fn read_schema(
        resource_types: Option<Document>,
        schemas: Option<Document>,
        service_provider_config: Option<Document>,
    ) -> Schema {
        lifecycle::read_schema(
            resource_types.as_deref(),
            schemas.as_deref(),
            service_provider_config.as_deref(),
        )
        .convert()
    }

    fn check_policy(policy: Document) -> Result<Document, ContractError> {
        lifecycle::check_policy(&policy).convert()
    }

    fn identify(request: Request, settings: Settings) -> Result<Reading, ContractError> {
        lifecycle::identify(&request.convert(), &settings.convert()).convert()
    }

    fn matches(
        request: Request,
        page: Vec<Document>,
        settings: Settings,
    ) -> Result<Vec<u32>, ContractError> {
        lifecycle::matches(&request.convert(), &page, &settings.convert()).convert()
    }

    fn admit(situation: Situation) -> Result<Step, ContractError> {
        lifecycle::admit(&situation.convert()).convert()
    }

    fn decide(situation: Situation) -> Result<Step, ContractError> {
        lifecycle::decide(&situation.convert()).convert()
    }

    fn settle(situation: Situation, report: Option<Report>) -> Result<Step, ContractError> {
        let report: Option<core::Report> = report.convert();
        lifecycle::settle(&situation.convert(), report.as_ref()).convert()
    }

    fn entry_request(state: Document) -> Result<Request, ContractError> {
        lifecycle::entry_request(&state).convert()
    }
}

impl json::Guest for Component {
    fn call(function: String, input: String) -> String {
        door::call(&function, &input)
    }
}

#[expect(unsafe_code, reason = "the canonical ABI exports functions by name")]
mod export {
    use super::Component;

    crate::bindings::export!(Component with_types_in crate::bindings);
}
