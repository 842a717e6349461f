//! How the program ends: one stable exit code for each kind of end.

use std::process::ExitCode;

use replaysafe::{keys::KeyError, ledger::LedgerError};
use replaysafe_gateway::ServeError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is as it should be.
    Good = 0,
    /// The command did its work, and its result is negative.
    Negative = 1,
    /// The command line or a file named by it cannot be understood.
    Usage = 2,
    /// Something that is needed is missing here: a file, a port, a permission.
    Environment = 3,
    /// The ledger cannot be used: broken, in use by another process, written with another key, or that of another service.
    Ledger = 4,
    /// A defect of the program.
    Defect = 5,
}

impl Exit {
    /// The exit that an error leads to.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        if let Some(because) = error.downcast_ref::<Because>() {
            return because.exit;
        }
        let cut_off = |cause: &ServeError| matches!(cause, ServeError::Drain { .. });
        if error.chain().any(|cause| cause.downcast_ref().is_some_and(cut_off)) {
            return Self::Negative;
        }
        if error.chain().any(|cause| cause.is::<KeyError>()) {
            return Self::Environment;
        }
        if error.chain().any(|cause| cause.is::<LedgerError>()) {
            return Self::Ledger;
        }
        if error.chain().any(|cause| cause.is::<std::io::Error>()) {
            return Self::Environment;
        }
        Self::Defect
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do its work, with the exit that it leads to.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Because {
    exit: Exit,
    message: String,
}

/// The command line, or a file named by it, cannot be understood.
#[must_use]
pub(crate) fn usage(message: impl Into<String>) -> Because {
    Because { exit: Exit::Usage, message: message.into() }
}

/// The command did its work as far as it could, and its result is negative.
#[must_use]
pub(crate) fn negative(message: impl Into<String>) -> Because {
    Because { exit: Exit::Negative, message: message.into() }
}

/// Something that is needed is missing here.
#[must_use]
pub(crate) fn environment(message: impl Into<String>) -> Because {
    Because { exit: Exit::Environment, message: message.into() }
}

/// What `--help` says about exit codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0  all is as it should be
  1  the command did its work, and its result is negative:
     demo           a case is wrong through the gateway
     decide         the request is refused, or breaks the contract
     explain        other bytes than those that are recorded
     ledger audit   a law is broken
     component inspect   it imports something
     approve, resolve   there is nothing to approve or to resolve
     apply          an effect is neither done nor satisfied: see the result
     plan --detailed-exitcode   there is an error; 2 is that there is something to do
     audit --detailed-exitcode   there is an error; 2 is that something is wrong
     gateway        requests that did not end in time were cut off at its end
     probe          stopped, or what it made could not be deleted
  2  the command line, or a file named by it, cannot be understood
  3  something is missing here: a file, a key, a port, a permission, a decision
  4  the ledger cannot be used: broken, in use, written with another key, or
     that of another service
  5  a defect of the program: please report it with what it printed";

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn an_error_keeps_its_exit_under_any_context() {
        check(Err::<(), _>(usage("x")).context("reading `f`"), Exit::Usage);
        check(
            Err::<(), _>(LedgerError::InUse { path: "l".to_owned() }).context("opening"),
            Exit::Ledger,
        );
        check(Err::<(), _>(std::io::Error::other("x")).context("reading"), Exit::Environment);
        check(Err(anyhow::anyhow!("the component trapped")), Exit::Defect);
    }

    fn check(result: anyhow::Result<()>, expected: Exit) {
        assert_eq!(Exit::of(&result.unwrap_err()), expected);
    }
}
