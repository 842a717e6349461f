//! The JSON door: the functions of the contract for languages without typed bindings.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    lifecycle,
    types::{ContractError, Document, Report, Request, Settings, Situation},
};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SecretPaths {
    resource_type: String,
    settings: Settings,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ReadSchema {
    resource_types: Option<Document>,
    schemas: Option<Document>,
    service_provider_config: Option<Document>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CheckPolicy {
    policy: Document,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Identify {
    request: Request,
    settings: Settings,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Matches {
    request: Request,
    page: Vec<Document>,
    settings: Settings,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Decide {
    situation: Situation,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settle {
    situation: Situation,
    report: Option<Report>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct EntryRequest {
    state: Document,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome<T> {
    Ok(T),
    Err(ContractError),
}

/// See `json.call`. Gives canonical JSON; never panics.
#[must_use]
pub fn call(function: &str, input: &str) -> String {
    match function {
        "secret-paths" => answer(input, |given: SecretPaths| {
            lifecycle::secret_paths(&given.resource_type, &given.settings)
        }),
        "read-schema" => answer(input, |given: ReadSchema| {
            Ok(lifecycle::read_schema(
                given.resource_types.as_deref(),
                given.schemas.as_deref(),
                given.service_provider_config.as_deref(),
            ))
        }),
        "check-policy" => answer(input, |given: CheckPolicy| lifecycle::check_policy(&given.policy)),
        "identify" => {
            answer(input, |given: Identify| lifecycle::identify(&given.request, &given.settings))
        }
        "matches" => answer(input, |given: Matches| {
            lifecycle::matches(&given.request, &given.page, &given.settings)
        }),
        "admit" => answer(input, |given: Decide| lifecycle::admit(&given.situation)),
        "decide" => answer(input, |given: Decide| lifecycle::decide(&given.situation)),
        "settle" => answer(input, |given: Settle| {
            lifecycle::settle(&given.situation, given.report.as_ref())
        }),
        "entry-request" => {
            answer(input, |given: EntryRequest| lifecycle::entry_request(&given.state))
        }
        _ => write(&Outcome::<()>::Err(ContractError {
            code: "unknown-function".into(),
            detail: "the function is none of `lifecycle`: secret-paths, read-schema, check-policy, identify, matches, admit, decide, settle, entry-request".into(),
        })),
    }
}

fn answer<I: DeserializeOwned, O: Serialize>(
    input: &str,
    function: impl FnOnce(I) -> Result<O, ContractError>,
) -> String {
    let given = serde_json::from_str(input).map_err(|error| ContractError {
        code: "json".into(),
        detail: format!("the input cannot be read: {error}"),
    });
    match given.and_then(function) {
        Ok(output) => write(&Outcome::Ok(output)),
        Err(error) => write(&Outcome::<O>::Err(error)),
    }
}

fn write<T: Serialize>(outcome: &Outcome<T>) -> String {
    let text = serde_json::to_string(outcome).unwrap_or_default();
    let limits = replaysafe_json::Limits { depth: 127, ..replaysafe_json::Limits::answer() };
    replaysafe_json::parse(text.as_bytes(), &limits).map_or(text, |value| value.to_string())
}
