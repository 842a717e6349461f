//! The JSON door: the functions of the contract for languages without typed bindings.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use replaysafe_json::{Value, parse_ours};

use crate::{
    form::{self, Form, record, write_case},
    lifecycle,
    types::{ContractError, Document, Report, Request, Settings, Situation},
};

struct SecretPaths {
    resource_type: String,
    settings: Settings,
}

struct ReadSchema {
    resource_types: Option<Document>,
    schemas: Option<Document>,
    service_provider_config: Option<Document>,
}

struct CheckPolicy {
    policy: Document,
}

struct Identify {
    request: Request,
    settings: Settings,
}

struct Matches {
    request: Request,
    page: Vec<Document>,
    settings: Settings,
}

struct Decide {
    situation: Situation,
}

struct Settle {
    situation: Situation,
    report: Option<Report>,
}

struct EntryRequest {
    state: Document,
}

record!(SecretPaths { resource_type, settings });
record!(ReadSchema {} { resource_types, schemas, service_provider_config });
record!(CheckPolicy { policy });
record!(Identify { request, settings });
record!(Matches { request, page, settings });
record!(Decide { situation });
record!(Settle { situation } { report });
record!(EntryRequest { state });

/// See `json.call`. Gives canonical JSON; never panics.
#[must_use]
pub fn call(function: &str, input: &str) -> String {
    let outcome = match answer(function, input) {
        Ok(output) => write_case("ok", output),
        Err(error) => write_case("err", error.write()),
    };
    outcome.to_string()
}

fn answer(function: &str, input: &str) -> Result<Value, ContractError> {
    let output = match function {
        "secret-paths" => {
            let given: SecretPaths = read(input)?;
            lifecycle::secret_paths(&given.resource_type, &given.settings)?.write()
        }
        "read-schema" => {
            let given: ReadSchema = read(input)?;
            lifecycle::read_schema(
                given.resource_types.as_deref(),
                given.schemas.as_deref(),
                given.service_provider_config.as_deref(),
            )
            .write()
        }
        "check-policy" => {
            let given: CheckPolicy = read(input)?;
            lifecycle::check_policy(&given.policy)?.write()
        }
        "identify" => {
            let given: Identify = read(input)?;
            lifecycle::identify(&given.request, &given.settings)?.write()
        }
        "matches" => {
            let given: Matches = read(input)?;
            lifecycle::matches(&given.request, &given.page, &given.settings)?.write()
        }
        "admit" => {
            let given: Decide = read(input)?;
            lifecycle::admit(&given.situation)?.write()
        }
        "decide" => {
            let given: Decide = read(input)?;
            lifecycle::decide(&given.situation)?.write()
        }
        "settle" => {
            let given: Settle = read(input)?;
            lifecycle::settle(&given.situation, given.report.as_ref())?.write()
        }
        "entry-request" => {
            let given: EntryRequest = read(input)?;
            lifecycle::entry_request(&given.state)?.write()
        }
        _ => {
            return Err(ContractError {
                code: "unknown-function".into(),
                detail: "the function is none of `lifecycle`: secret-paths, read-schema, check-policy, identify, matches, admit, decide, settle, entry-request".into(),
            });
        }
    };
    Ok(output)
}

fn read<T: Form>(input: &str) -> Result<T, ContractError> {
    let value = parse_ours(input).map_err(|error| error.to_string());
    value.and_then(form::read).map_err(|fault| ContractError {
        code: "json".into(),
        detail: format!("the input cannot be read: {fault}"),
    })
}
