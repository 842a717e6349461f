//! What the program says, and where: results on standard output, everything else on standard error.

use std::{
    io::{self, BufWriter, IsTerminal, Write},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use clap::{
    ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use replaysafe::clock::{Clock as _, SystemClock};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::Exit;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON document, for a program.
    Json,
    /// A JSON object on each line, for a program that takes one after the other.
    Ndjson,
    /// One page for a browser, which loads and runs nothing.
    Html,
}

impl Format {
    /// Reads the name of a format. Told are those that every command writes; for the others see [`Pictured`].
    pub(crate) fn parser() -> impl TypedValueParser<Value = Self> {
        let told = |format: &Self| Some(format.to_possible_value()?.hide(!format.is_common()));
        let values: Vec<PossibleValue> = Self::value_variants().iter().filter_map(told).collect();
        PossibleValuesParser::new(values).try_map(|name| Self::from_str(&name, false))
    }

    /// Whether every command writes it.
    pub(crate) fn is_common(self) -> bool {
        match self {
            Self::Text | Self::Json => true,
            Self::Ndjson | Self::Html => false,
        }
    }

    /// Whether a program reads it.
    fn is_json(self) -> bool {
        match self {
            Self::Json | Self::Ndjson => true,
            Self::Text | Self::Html => false,
        }
    }
}

/// What a command takes that writes lines and pages, too: the same `--format`, which tells of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Pictured {
    /// How the result is written to standard output, and an error to standard error
    #[arg(id = "format", long = "format", value_enum, default_value_t, value_name = "FORMAT", display_order = LAST)]
    _format: Format,
}

/// Behind what a command has of its own.
pub(crate) const LAST: usize = 900;

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

    /// Whether a page for a browser is wanted.
    #[must_use]
    pub(crate) fn is_page(&self) -> bool {
        self.format == Format::Html
    }

    /// Writes a result: `text` for a person, or `json`.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written. A reader that has gone, as `head` does, is no error.
    pub(crate) fn result(&self, text: &str, json: &Value) -> anyhow::Result<()> {
        match self.format {
            Format::Text | Format::Html => write(text.trim_end_matches('\n')),
            Format::Json | Format::Ndjson => write(&format!("{json:#}")),
        }
    }

    /// Writes a result of a command that has lines for it, and a page, which `page` makes of the JSON. Only what is wanted is
    /// made, and JSON is written as it is made.
    ///
    /// # Errors
    ///
    /// As [`result`](Self::result).
    pub(crate) fn pictured<J: Serialize, L: Iterator<Item: Serialize>>(
        &self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> J,
        lines: impl FnOnce() -> L,
        page: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<()> {
        match self.format {
            Format::Text => write(text().trim_end_matches('\n')),
            Format::Json => {
                let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
                let json = serde_json::to_writer_pretty(&mut out, &json()).map_err(io::Error::from);
                heard(json.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
            }
            Format::Ndjson => {
                let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
                let written = lines().try_for_each(|line| {
                    serde_json::to_writer(&mut out, &line).map_err(io::Error::from)?;
                    out.write_all(b"\n")
                });
                heard(written.and_then(|()| out.flush()))
            }
            Format::Html => written(page(&serde_json::to_value(json())?).as_bytes()),
        }
    }

    /// Writes a result as one line, for a program that waits for it.
    ///
    /// # Errors
    ///
    /// As [`result`](Self::result).
    pub(crate) fn line(&self, text: &str, json: &Value) -> anyhow::Result<()> {
        match self.format {
            Format::Text | Format::Html => write(text),
            Format::Json | Format::Ndjson => write(&json.to_string()),
        }
    }

    /// Writes a line that only a person reads; nothing where JSON is wanted.
    ///
    /// # Errors
    ///
    /// As [`result`](Self::result).
    pub(crate) fn narrate(&self, text: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Text | Format::Html => write(text),
            Format::Json | Format::Ndjson => Ok(()),
        }
    }

    /// Says on standard error what is done next, for a person who waits; nothing where JSON is wanted.
    pub(crate) fn progress(&self, text: &str) {
        if !self.format.is_json() {
            remark(text);
        }
    }

    /// Writes bytes as they are, in any format.
    ///
    /// # Errors
    ///
    /// As [`result`](Self::result).
    pub(crate) fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        written(bytes)
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
}

fn write(text: &str) -> anyhow::Result<()> {
    written(format!("{text}\n").as_bytes())
}

fn written(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    // A program that waits for the line `listening on …` must see it at once.
    heard(out.write_all(bytes).and_then(|()| out.flush()))
}

fn heard(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        // The reader has heard enough. What the command found is still its exit code.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("writing to standard output"),
    }
}

/// Says on standard error what went wrong, with its causes.
pub(crate) fn complain(format: Format, exit: Exit, message: &str) {
    let line = match format {
        Format::Text | Format::Html => format!("replaysafe: {message}"),
        Format::Json | Format::Ndjson => {
            json!({"error": {"exit": exit as u8, "message": message}}).to_string()
        }
    };
    remark(&line);
}

/// Says on standard error what broke while serving: one line a second at most, as a broken disk breaks every
/// request. How many were left out is said with the next.
pub(crate) fn note_failure(cause: &str) {
    static SECOND: AtomicU64 = AtomicU64::new(u64::MAX);
    static LEFT_OUT: AtomicU64 = AtomicU64::new(0);
    let second = SystemClock.now() / 1_000;
    if SECOND.swap(second, Ordering::Relaxed) == second {
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let cause: String =
        cause.chars().filter(|one| !one.is_control()).take(CAUSE_CHARS_MOST).collect();
    let left_out = LEFT_OUT.swap(0, Ordering::Relaxed);
    let more = if left_out == 0 { String::new() } else { format!(" (and {left_out} more)") };
    if !remark_aside(format!("replaysafe: failed: {cause}{more}")) {
        LEFT_OUT.fetch_add(left_out + 1, Ordering::Relaxed);
    }
}

/// Says something on standard error while serving, from a thread of its own: who does not read it holds up nobody.
///
/// False where too much is to be said already, so that this is not.
pub(crate) fn remark_aside(text: String) -> bool {
    SPEAKER.try_send(Due::Line(text)).is_ok()
}

/// Waits until what is to be said is said, and no longer than [`SAY_OUT_MAX`].
pub(crate) fn say_out() {
    let (said, all_said) = mpsc::sync_channel(1);
    if SPEAKER.try_send(Due::Said(said)).is_ok() {
        // Nobody reads, where it takes longer.
        let _said_or_not = all_said.recv_timeout(SAY_OUT_MAX);
    }
}

/// What the thread that speaks is to do.
enum Due {
    Line(String),
    /// To tell that it has come so far.
    Said(SyncSender<()>),
}

static SPEAKER: LazyLock<SyncSender<Due>> = LazyLock::new(|| {
    let (speaker, due) = mpsc::sync_channel(LINES_MAX);
    let speak = move || {
        for due in due {
            match due {
                Due::Line(line) => remark(&line),
                Due::Said(said) => drop(said.send(())),
            }
        }
    };
    // Where no thread can be had nothing is said, and the work goes on.
    drop(thread::Builder::new().name("standard-error".into()).spawn(speak));
    speaker
});

/// 64 KiB of JSON are written at once: as much as a pipe takes.
const BUFFER_BYTES: usize = 64 << 10;
/// How many lines wait for whoever reads standard error: a minute of them.
const LINES_MAX: usize = 64;
/// How long the end waits for whoever reads standard error.
const SAY_OUT_MAX: Duration = Duration::from_secs(1);
/// 500 characters: an error with all its causes.
const CAUSE_CHARS_MOST: usize = 500;

/// Says something on standard error that is no result.
pub(crate) fn remark(text: &str) {
    // Nothing is left to be told if standard error is closed.
    drop(writeln!(io::stderr().lock(), "{text}"));
}
/// A line as a terminal may have it: what would steer it is not written.
#[must_use]
pub(crate) fn shown(line: &str) -> String {
    line.chars()
        .map(|one| if one.is_control() { char::REPLACEMENT_CHARACTER } else { one })
        .collect()
}
