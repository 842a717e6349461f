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
    // One world with all interfaces, so that each type is there once.
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package replaysafe:host;
            world contract {
                export replaysafe:provisioning/types@0.1.0;
                export replaysafe:provisioning/lifecycle@0.1.0;
                export replaysafe:provisioning/reconciliation@0.1.0;
                export replaysafe:provisioning/audit@0.1.0;
                export replaysafe:provisioning/batch@0.1.0;
            }
        ",
        additional_derives: [Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize],
    });
}

pub use generated::exports::replaysafe::provisioning::{
    audit, batch,
    lifecycle::{Endpoint, Reading, Schema, Segment},
    reconciliation,
    types::*,
};
