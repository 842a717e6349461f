//! The one strict JSON parser, the canonical writer, and the lifting of secrets out of a document.
//!
//! Nothing here knows what an attribute means, and nothing shows a float.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod canonical;
mod lift;
mod number;
mod parse;
mod value;

pub use canonical::{canonical, canonical_into};
pub use lift::{Path, Segment, lift, put_back};
pub use number::Number;
pub use parse::{JsonError, Limits, parse};
pub use value::{Object, Value};
