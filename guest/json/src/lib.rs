//! JSON for everybody in the project: what does this text say, and how is it written canonically?
//!
//! - [`parse`] reads bytes strictly and within [`Limits`]; nobody else in the project parses,
//! - [`canonical`] writes a [`Value`] by RFC 8785, so that equal documents have equal bytes,
//! - [`lift`] takes secrets out of a document by [`Path`], and [`put_back`] returns them.
//!
//! Deliberately absent: what an attribute means. Nothing here knows of SCIM but the habit that
//! names are compared ignoring ASCII case. Nothing here sees a clock or a log, and no
//! float leaves it.
//!
//! ```
//! use replaysafe_json::{Limits, canonical, parse};
//!
//! let user = parse(br#"{ "userName": "bj", "active": true, "level": 1.0 }"#, &Limits::request())?;
//! assert_eq!(canonical(&user), r#"{"active":true,"level":1,"userName":"bj"}"#);
//!
//! let twice = parse(br#"{"active":true,"ACTIVE":false}"#, &Limits::request());
//! assert_eq!(twice.unwrap_err().code(), "duplicate-member");
//! # Ok::<(), replaysafe_json::JsonError>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub use crate::canonical::{canonical, canonical_into};
pub use crate::error::JsonError;
pub use crate::lift::{Path, Segment, lift, put_back, split_filter};
pub use crate::limits::Limits;
pub use crate::number::Number;
pub use crate::object::{Iter, IterMut, Object};
pub use crate::parse::{parse, parse_ours};
pub use crate::sort::sort_by;
pub use crate::value::Value;

mod canonical;
mod de;
mod error;
#[cfg(test)]
mod laws;
mod lift;
mod limits;
mod number;
mod object;
mod parse;
mod sort;
mod value;
