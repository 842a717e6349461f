//! The world `provisioning`: single requests.

mod bindings;
mod exports;
