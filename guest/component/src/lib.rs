//! The component: the contract's functions, each called in the core.
//!
//! No meaning lives here, and nothing is built for another machine than WebAssembly.

#![cfg(target_arch = "wasm32")]
#![no_std]

extern crate alloc;

mod bindings;
mod cases;
mod exports;
mod memory;
