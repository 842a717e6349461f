//! The command line of `replaysafe`, and the in-memory SCIM service that its demonstration and the tests use.

pub mod memory;
