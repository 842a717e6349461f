//! What the program says, and where: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// One JSON document, for a program.
    Json,
}

/// Writes results in the wanted format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    colour: bool,
}

impl Output {
    /// Writes in `format`, in colour where a terminal reads and `NO_COLOR` is not set.
    #[must_use]
    pub(crate) fn new(format: Format) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { format, colour }
    }

    /// Writes a result: `text` for a person, or `json`.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub(crate) fn result(&self, text: &str, json: &Value) -> io::Result<()> {
        match self.format {
            Format::Text => self.write(text.trim_end_matches('\n')),
            Format::Json => self.write(&format!("{json:#}")),
        }
    }

    /// Writes a line that only a person reads; nothing where JSON is wanted.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub(crate) fn narrate(&self, text: &str) -> io::Result<()> {
        match self.format {
            Format::Text => self.write(text),
            Format::Json => Ok(()),
        }
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// If standard output is closed.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// The text, green or red where colours are shown.
    #[must_use]
    pub(crate) fn judged(&self, text: &str, good: bool) -> String {
        match (self.colour, good) {
            (false, _) => text.to_owned(),
            (true, true) => format!("\u{1b}[32m{text}\u{1b}[0m"),
            (true, false) => format!("\u{1b}[31m{text}\u{1b}[0m"),
        }
    }

    /// The text, bold where colours are shown.
    #[must_use]
    pub(crate) fn strong(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        // A program that waits for the line `listening on …` must see it at once.
        out.flush()
    }
}

/// Says on standard error what went wrong, with its causes.
pub(crate) fn complain(error: &anyhow::Error) {
    // Nothing is left to be told if standard error is closed.
    drop(writeln!(io::stderr().lock(), "replaysafe: {error:#}"));
}

/// Says something on standard error that is no result.
pub(crate) fn remark(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}
