//! The world `provisioning`: single requests.

mod bindings;
mod cases;
mod exports;
