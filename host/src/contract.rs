//! The contract's types, as generated from `wit/`: what host and component share, and nothing else.

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated code")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "provisioning",
        additional_derives: [Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize],
    });
}

pub use generated::exports::replaysafe::provisioning::lifecycle::{
    Endpoint, Reading, Schema, Segment,
};
pub use generated::exports::replaysafe::provisioning::types::*;
pub(crate) use generated::{Provisioning, ProvisioningPre};
