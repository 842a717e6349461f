//! The world `planning`: populations.

mod bindings;
mod exports;
