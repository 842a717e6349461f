//! The JSON door: the functions of the contract for languages without typed bindings.

use alloc::{
    format,
    string::{String, ToString},
};

use replaysafe_json::{Value, parse_ours};

use crate::{
    form::{Fault, Form, Members, write_case},
    lifecycle,
    types::{ContractError, Document, Report, Situation},
};

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
    let given = |names: &[&str]| {
        let value = parse_ours(input).map_err(|error| Fault(error.to_string()))?;
        Members::of(value, names)
    };
    let output = match function {
        "secret-paths" => {
            let mut given = given(&["resource-type", "settings"])?;
            let resource_type: String = given.required("resource-type")?;
            lifecycle::secret_paths(&resource_type, &given.required("settings")?)?.write()
        }
        "read-schema" => {
            let mut given = given(&["resource-types", "schemas", "service-provider-config"])?;
            let resource_types: Option<Document> = given.optional("resource-types")?;
            let schemas: Option<Document> = given.optional("schemas")?;
            let config: Option<Document> = given.optional("service-provider-config")?;
            lifecycle::read_schema(resource_types.as_deref(), schemas.as_deref(), config.as_deref())
                .write()
        }
        "check-policy" => {
            let policy: Document = given(&["policy"])?.required("policy")?;
            lifecycle::check_policy(&policy)?.write()
        }
        "identify" => {
            let mut given = given(&["request", "settings"])?;
            lifecycle::identify(&given.required("request")?, &given.required("settings")?)?.write()
        }
        "matches" => {
            let mut given = given(&["request", "page", "settings"])?;
            let page: alloc::vec::Vec<Document> = given.required("page")?;
            lifecycle::matches(&given.required("request")?, &page, &given.required("settings")?)?
                .write()
        }
        "admit" => lifecycle::admit(&given(&["situation"])?.required("situation")?)?.write(),
        "decide" => lifecycle::decide(&given(&["situation"])?.required("situation")?)?.write(),
        "settle" => {
            let mut given = given(&["situation", "report"])?;
            let situation: Situation = given.required("situation")?;
            let report: Option<Report> = given.optional("report")?;
            lifecycle::settle(&situation, report.as_ref())?.write()
        }
        "entry-request" => {
            let state: Document = given(&["state"])?.required("state")?;
            lifecycle::entry_request(&state)?.write()
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

impl From<Fault> for ContractError {
    fn from(fault: Fault) -> Self {
        Self { code: "json".into(), detail: format!("the input cannot be read: {}", fault.0) }
    }
}
