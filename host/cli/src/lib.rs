//! The command line of `replaysafe`, and the in-memory SCIM service that its demonstration and the tests use.
//!
//! No logic that a user of the library would miss is here: commands read arguments, call the library, and print.

mod command;
mod demo;
mod exit;
pub mod memory;
mod output;
mod policy;
mod wiring;

use std::ffi::OsString;

use clap::Parser as _;

pub use self::command::CommandLine;
pub use self::exit::{Because, Exit};
pub use self::output::Format;
pub use self::policy::{PolicyError, from_toml as policy_from_toml};

/// Runs the command line `arguments`, the program's name first, and gives how it ended.
///
/// Prints results on standard output and errors on standard error. Starts a runtime of its own.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(refusal) => {
            // Printing fails only where nobody listens.
            drop(refusal.print());
            return if refusal.use_stderr() { Exit::Usage } else { Exit::Good };
        }
    };
    match line.run() {
        Ok(exit) => exit,
        Err(error) if is_closed_pipe(&error) => Exit::Good,
        Err(error) => {
            output::complain(&error);
            Exit::of(&error)
        }
    }
}

/// The reader has gone, as `head` does: no error of ours.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
