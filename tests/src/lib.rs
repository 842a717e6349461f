//! What the suites share: a world in which requests are made, retried and lost, without a clock or a network.
//!
//! The semantics are those that ship. The subject is asked through its JSON door, natively and as a
//! component, and both must answer with the same bytes.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_enum_variant,
    clippy::map_err_ignore,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::string_slice,
    clippy::type_complexity,
    clippy::wildcard_enum_match_arm,
    reason = "a world of tests stops at once where it is wrong itself"
)]

#[cfg(feature = "component")]
pub mod monitored;
pub mod reference;
#[cfg(feature = "component")]
pub mod script;
pub mod sim;
#[cfg(feature = "component")]
pub mod subject;
#[cfg(feature = "component")]
pub mod target;
#[cfg(feature = "component")]
pub mod typed;
#[cfg(feature = "component")]
pub mod world;
