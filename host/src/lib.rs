//! Idempotent provisioning: the host library.

pub mod call;
pub mod clock;
pub mod contract;
pub mod guest;
pub mod keys;
pub mod ledger;
pub mod monitor;
pub mod provisioner;
pub mod target;
