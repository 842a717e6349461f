//! Enums by the number of their case, as the canonical ABI has them: `wit-bindgen` asks a type for that by a
//! function of its own making, which the core's types do not have.

#![expect(unreachable_pub, reason = "named in generated code")]

use core::arch::wasm32;

#[cfg(feature = "planning")]
use replaysafe_core::reconciliation;
use replaysafe_core::types;

macro_rules! cases {
    ($module:ident: $($name:ident),*) => {$(
        /// Stands for the core's type of this name.
        #[derive(Clone, Debug)]
        pub enum $name {}

        impl $name {
            /// The case of this number. The host has checked that there is one.
            pub fn _lift(number: u8) -> $module::$name {
                match $module::$name::CASES.get(usize::from(number)) {
                    Some(case) => *case,
                    None => wasm32::unreachable(),
                }
            }
        }
    )*};
}

cases!(types: Method);
#[cfg(feature = "planning")]
cases!(reconciliation: Class);
#[cfg(not(feature = "planning"))]
cases!(types: NameKind, Stage, Verdict, Retry, Evidence, Divergence);
