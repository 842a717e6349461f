//! What the suites share: a world in which requests are made, retried and lost, without a clock or a network.
//!
//! The semantics are those that ship. The subject is asked through its JSON door, natively and as a
//! component, and both must answer with the same bytes.

pub mod reference;
#[cfg(feature = "component")]
pub mod script;
pub mod sim;
#[cfg(feature = "component")]
pub mod subject;
#[cfg(feature = "component")]
pub mod target;
#[cfg(feature = "component")]
pub mod world;
