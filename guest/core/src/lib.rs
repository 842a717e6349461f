//! The semantics of idempotent provisioning, without I/O.
//!
//! Read [`lifecycle`] first, then `admit`, `decide` and `settle`. Everything is a pure function of its
//! arguments: no clock, no randomness, no generated type, no unsafe code.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod audit;
pub mod batch;
pub mod door;
pub mod lifecycle;
pub mod ordered;
pub mod path;
pub mod policy;
pub mod reconciliation;
pub mod schema;
pub mod shape;
pub mod spelling;
pub mod state;
pub mod statement;
pub mod types;

mod absence;
mod admit;
mod answers;
mod case;
mod decide;
mod form;
mod frame;
mod kept;
mod profile;
mod reading;
mod settle;
mod unicode;
