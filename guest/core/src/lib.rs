//! The semantics of idempotent provisioning, without I/O.
//!
//! Read `lifecycle` first. Everything is a pure function of its arguments: no clock, no randomness,
//! no generated type, no unsafe code.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod lifecycle;
pub mod path;
pub mod schema;
pub mod spelling;
pub mod statement;
pub mod types;
