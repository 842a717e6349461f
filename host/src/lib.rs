//! Idempotent provisioning: the host library.

pub mod call;
pub mod clock;
pub mod contract;
pub mod keys;
pub mod ledger;
pub mod target;
