//! The functions of the contract: `wit/lifecycle.wit` in Rust.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::types::{
    Answer, ContractError, Document, Field, Identification, Report, Request, Settings, Situation,
    Step,
};

/// One step on the way to a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Segment {
    /// The member of this name, letter case ignored.
    Member(String),
    /// Each element of an array.
    Each,
    /// Each element whose member `name` is the text `value`, letter case ignored.
    Where(Field),
}

/// A resource type, as the host needs it to build and recognise URLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Endpoint {
    /// The name of the resource type.
    pub resource_type: String,
    /// Its path segment, without slash, for example `Users`.
    pub path: String,
}

/// What the target says about itself, reduced to what decisions need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schema {
    /// For `settings.schema`.
    pub document: Document,
    /// The resource types; `User` and `Group` always.
    pub endpoints: Vec<Endpoint>,
    /// What discovery says about the target, for `settings.profile`.
    pub declared: Vec<Field>,
}

/// What became of reading a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// It can be provisioned.
    Readable(Identification),
    /// It breaks a rule of form.
    Unreadable(Answer),
}

fn pending() -> ContractError {
    ContractError { code: "unknown-function".into(), detail: "under construction".into() }
}

/// See `lifecycle.secret-paths`.
pub fn secret_paths(_: &str, _: &Settings) -> Result<Vec<Vec<Segment>>, ContractError> { Err(pending()) }
/// See `lifecycle.read-schema`.
pub fn read_schema(_: Option<&str>, _: Option<&str>, _: Option<&str>) -> Schema {
    Schema { document: "{}".into(), endpoints: Vec::new(), declared: Vec::new() }
}
/// See `lifecycle.check-policy`.
pub fn check_policy(_: &str) -> Result<Document, ContractError> { Err(pending()) }
/// See `lifecycle.identify`.
pub fn identify(_: &Request, _: &Settings) -> Result<Reading, ContractError> { Err(pending()) }
/// See `lifecycle.matches`.
pub fn matches(_: &Request, _: &[Document], _: &Settings) -> Result<Vec<u32>, ContractError> { Err(pending()) }
/// See `lifecycle.admit`.
pub fn admit(_: &Situation) -> Result<Step, ContractError> { Err(pending()) }
/// See `lifecycle.decide`.
pub fn decide(_: &Situation) -> Result<Step, ContractError> { Err(pending()) }
/// See `lifecycle.settle`.
pub fn settle(_: &Situation, _: Option<&Report>) -> Result<Step, ContractError> { Err(pending()) }
/// See `lifecycle.entry-request`.
pub fn entry_request(_: &str) -> Result<Request, ContractError> { Err(pending()) }
/// See `json.call`.
#[must_use]
pub fn call(_: &str, _: &str) -> String { String::new() }
