//! Idempotent provisioning as a SCIM gateway: HTTP in, the host's API out.
//!
//! It turns no outcome into another, and knows neither the component nor the ledger.

pub mod answer;
mod body;
mod bulk;
mod edit;
mod form;
mod pass;
pub mod provision;
pub mod route;
pub mod serve;
mod service;
mod strict;

pub use provision::Provision;
pub use route::PathBelow;
pub use serve::{GatewayOptions, HostMode, Listener, ServeError, serve};
