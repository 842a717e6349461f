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

pub mod decisions;
pub mod figures;
#[cfg(feature = "component")]
pub mod monitored;
#[cfg(feature = "component")]
pub mod real;
pub mod reference;
pub mod script;
pub mod sim;
pub mod subject;
pub mod target;
#[cfg(feature = "component")]
pub mod typed;
pub mod world;
