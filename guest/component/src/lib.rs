//! The component: the contract's functions, each converted, called in the core, and converted back.
//!
//! No meaning lives here, and nothing is built for another machine than WebAssembly.

#![cfg(target_arch = "wasm32")]
#![no_std]

extern crate alloc;

mod bindings;
mod convert;
mod exports;
mod memory;
