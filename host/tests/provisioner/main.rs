//! The loop with its real component and its real ledger, in front of a service in memory.
//!
//! Time is virtual: nothing here waits.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail with their test"
)]

mod applier;
#[path = "../support/compiled.rs"]
mod compiled;
mod contended;
mod crash;
mod discovery;
mod others;
mod principal;
mod service;
mod sizes;
#[expect(dead_code, reason = "what the suite of crash points needs beside")]
mod stop;
mod unrecorded;
#[expect(dead_code, reason = "what the suite of crash points needs beside")]
mod world;
