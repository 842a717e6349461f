//! The component: the contract's functions, each converted, called in the core, and converted back.
//!
//! No meaning lives here. On any machine but WebAssembly only the conversions are built, so that they
//! can be tested; the exports and the allocator belong to the sandbox.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod bindings;
mod convert;

#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod memory;
