//! The contract's types, as generated from `wit/`: what host and component share, and nothing else.
//!
//! They are the host's own types too: nothing is converted on this side.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    unused_qualifications,
    clippy::all,
    clippy::restriction,
    clippy::pedantic,
    reason = "generated code, of which the types are used; the functions are called by `guest`"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "provisioning",
        additional_derives: [Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize],
    });
}

pub use generated::exports::replaysafe::provisioning::{
    lifecycle::{Endpoint, Reading, Schema, Segment},
    types::*,
};
