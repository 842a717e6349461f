//! The process stops at every step that leaves it, and the disk fails at every step: what was told stays true (A7).
//!
//! The loop, the component, the ledger and SQLite are the shipped ones; the target is a service in memory, the time is
//! virtual. `scripts/test.sh crash` says how much was seen; docs/proof.md says what that means.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests fail with their test, and say what they have seen"
)]

#[path = "../support/canary.rs"]
mod canary;
#[path = "../support/compiled.rs"]
mod compiled;
mod depth;
mod disk;
mod faults;
mod files;
mod flow;
mod killed;
mod life;
mod pairs;
mod points;
mod power;
#[expect(dead_code, reason = "helpers of another suite")]
#[path = "../provisioner/service.rs"]
mod service;
#[path = "../provisioner/stop.rs"]
mod stop;
mod vfs;
#[expect(dead_code, reason = "helpers of another suite")]
#[path = "../provisioner/world.rs"]
mod world;
