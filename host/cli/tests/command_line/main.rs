//! The program as its user meets it: every command, both formats, every exit code.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail with their test"
)]

mod apply;
mod audit;
mod canary;
mod docs;
mod gateway;
mod ledger;
mod limits;
mod offline;
mod operator;
mod page;
mod plan;
mod probe;
#[path = "../../../tests/support/canary.rs"]
mod spellings;
mod support;
