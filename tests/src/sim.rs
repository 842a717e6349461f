//! A simulated world around the functions that ship: one seed gives one world, one order of events.
//!
//! `world` is what can happen, `gateway` the host's loop cut at its points of waiting, `ledger` and `target`
//! what it works with, `auditor` the laws, `schedule` who chooses what happens next. Deliberately absent:
//! a clock, threads, and any semantics of provisioning; these are `replaysafe_core`'s, called as it ships.

#![expect(clippy::expect_used, reason = "a test may fail")]

pub mod ablation;
pub mod auditor;
pub mod canary;
pub mod check;
pub mod decider;
pub mod digest;
pub mod gateway;
pub mod heal;
pub mod ledger;
pub mod random;
pub mod rule;
pub mod schedule;
pub mod shared;
pub mod target;
pub mod workload;
pub mod world;
