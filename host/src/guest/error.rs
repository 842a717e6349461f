//! Why the component gave no result.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

use crate::contract::ContractError;

/// Why the component gave no result. None of these says anything about the request, except
/// [`Contract`](Self::Contract), which is the host's mistake.
///
/// The text of a variant names no value of a request, so it may be logged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuestError {
    /// It imports something
    #[error("the component imports `{name}`; it must import nothing at all")]
    Import {
        /// What it imports
        name: String,
    },
    /// It is not the one that was pinned
    #[error("the component's SHA-256 is {found}, but {pinned} is pinned")]
    Digest {
        /// What was wanted
        pinned: String,
        /// What it is
        found: String,
    },
    /// It is larger than any component of ours
    #[error("the component has {bytes} bytes; at most {most} are loaded")]
    Size {
        /// How many it has
        bytes: usize,
        /// How many it may have
        most: usize,
    },
    /// It is no component of this contract
    #[error("the bytes are no component of `replaysafe:provisioning@0.1.0`")]
    Invalid(#[source] wasmtime::Error),
    /// The sandbox cannot be set up on this machine
    #[error("the sandbox cannot be set up")]
    Sandbox(#[source] wasmtime::Error),
    /// The folder for compiled code is not safe: what lies there would be run as ours
    #[error("the folder `{}` cannot hold compiled code: {reason}", path.display())]
    Cache {
        /// The folder
        path: PathBuf,
        /// What is wrong with it
        reason: String,
    },
    /// It ran for too long
    #[error("the component did not answer within {limit:?}")]
    Deadline {
        /// How long it may take
        limit: Duration,
    },
    /// It burned all its fuel
    #[error("the component burned its {fuel} units of fuel")]
    Fuel {
        /// How much it may burn
        fuel: u64,
    },
    /// It asked for more memory or larger tables than it may have
    #[error("the component asked for more than {bytes} bytes of memory, or for too large a table")]
    Memory {
        /// How many bytes it may have
        bytes: usize,
    },
    /// It trapped: a panic, a stack that is too deep, an access outside its memory
    #[error("the component trapped")]
    Trap(#[source] wasmtime::Error),
    /// It gave what the contract does not allow, or too much of it
    #[error("the component gave what cannot be read")]
    Output(#[source] wasmtime::Error),
    /// The host broke the contract
    #[error("the contract was broken (`{}`): {}", .0.code, .0.detail)]
    Contract(ContractError),
}
