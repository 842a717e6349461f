//! The program `replaysafe`: reads the command line, runs one command, ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    replaysafe_cli::run(std::env::args_os()).into()
}
