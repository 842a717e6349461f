//! The components: the contract's functions, each called in the core.
//!
//! No meaning lives here, and nothing is built for another machine than WebAssembly. There are two worlds, and one
//! component for each: `provisioning`, and, with the feature of that name, `planning`.

#![cfg(target_arch = "wasm32")]
#![no_std]

extern crate alloc;

mod cases;
mod memory;
#[cfg(feature = "planning")]
mod planning;
#[cfg(not(feature = "planning"))]
mod provisioning;
