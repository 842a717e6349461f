//! Hostile components (catalogue nos 47 to 56), as files that the shipped host loads and runs: each costs an answer,
//! and nothing else.
//!
//! They are the shipped component with other code behind some of its functions (`module.rs`): code that does not end,
//! takes what it can get, gives what cannot be read, remembers, or changes a true step in one place (`layout.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "helpers of tests fail with their test, and say what they have seen"
)]

use std::cell::RefCell;

#[path = "../support/compiled.rs"]
mod compiled;
mod effects;
mod fresh;
mod layout;
mod limits;
mod load;
#[cfg(target_os = "linux")]
mod memory;
mod module;
#[expect(dead_code, reason = "helpers of another suite")]
#[path = "../provisioner/service.rs"]
mod service;
mod steps;
#[expect(dead_code, reason = "helpers of another suite")]
#[path = "../provisioner/stop.rs"]
mod stop;
mod tricks;
#[expect(dead_code, reason = "helpers of another suite")]
#[path = "../provisioner/world.rs"]
mod world;

thread_local! {
    static FAILURES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what a provisioner says of broken machinery.
fn note_failure(line: &str) {
    FAILURES.with_borrow_mut(|lines| lines.push(line.into()));
}

/// What was said on this thread since this was asked last.
fn failures() -> Vec<String> {
    FAILURES.take()
}
