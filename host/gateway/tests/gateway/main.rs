//! The real gateway, component and ledger in front of a real HTTP service: what comes in, what goes out, what is kept.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail with their test")]
#![expect(clippy::indexing_slicing, reason = "helpers of tests fail with their test")]

mod bad_input;
mod bulk;
#[path = "../../../tests/support/canary.rs"]
mod canary;
#[path = "../../../tests/support/compiled.rs"]
mod compiled;
mod hostile_target;
mod mask;
mod passing;
#[expect(dead_code, reason = "shared with tests that use other parts of it")]
#[path = "../../../tests/support/scripted.rs"]
mod scripted;
mod serving;
mod support;
