//! What `wit-bindgen` makes of `wit/`: generated, and used by this crate alone.

#![allow(
    missing_docs,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    clippy::all,
    clippy::restriction,
    clippy::pedantic,
    reason = "generated code"
)]
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "the exports are built for WebAssembly only")
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "provisioning",
    additional_derives: [PartialEq, Eq],
});
