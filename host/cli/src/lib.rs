//! The command line of `replaysafe`, and the in-memory SCIM service that its demonstration and the tests use.
//!
//! No logic that a user of the library would miss is here: commands read arguments, call the library, and print.

mod command;
mod demo;
mod exit;
pub mod memory;
mod output;
mod page;
mod policy;
mod population;
mod probe;
mod profile;
mod teller;
mod wiring;

use std::ffi::OsString;

use clap::Parser as _;

pub use self::command::CommandLine;
pub use self::exit::{Because, Exit};
pub use self::output::Format;

/// Runs the command line `arguments`, the program's name first, and gives how it ended.
///
/// Prints results on standard output and errors on standard error. Starts a runtime of its own.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // There 2 is that there is something to do.
    let detailed = arguments.iter().any(|argument| argument == "--detailed-exitcode");
    let exit = if detailed { Exit::Negative } else { Exit::Usage };
    let line = match CommandLine::try_parse_from(&arguments) {
        Ok(line) => line,
        Err(refusal) if refusal.use_stderr() && wants_json(&arguments) => {
            output::complain(Format::Json, exit, refusal.to_string().trim_end());
            return exit;
        }
        Err(refusal) => {
            // Printing fails only where nobody listens.
            drop(refusal.print());
            return if refusal.use_stderr() { exit } else { Exit::Good };
        }
    };
    let format = line.format();
    match line.run() {
        Ok(exit) => exit,
        Err(error) => {
            let exit = Exit::of(&error);
            output::complain(format, exit, &format!("{error:#}"));
            exit
        }
    }
}

/// Whether a command line that cannot be understood asks for JSON.
fn wants_json(arguments: &[OsString]) -> bool {
    let of = |format: &str| {
        let follows = arguments
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a == "--format" && b == format));
        follows || arguments.contains(&format!("--format={format}").into())
    };
    of("json") || of("ndjson")
}
