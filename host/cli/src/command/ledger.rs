//! `replaysafe ledger`: is a ledger as it should be?

use clap::Subcommand;
use replaysafe::ledger::{Ledger as _, Note};
use serde_json::json;

use crate::{
    command::{LedgerArguments, runtime},
    exit::Exit,
    output::Output,
    wiring,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check every law of a ledger: each row opens, no stage and no fence has moved back, no name has two owners
    ///
    /// Reads only, and may run beside the gateway. Each law that is broken is a note: the law's name, the record's id, one sentence without personal data.
    /// Ends with 1 if there is any note.
    #[command(after_help = "Example:
  replaysafe ledger audit --ledger sqlite:replaysafe.db")]
    Audit(LedgerArguments),
}

pub(super) fn run(command: &Command, output: Output) -> anyhow::Result<Exit> {
    let Command::Audit(arguments) = command;
    arguments.must_exist()?;
    let notes = runtime()?.block_on(async {
        let ledger = wiring::open_ledger(&arguments.ledger.0, &arguments.key_file())?;
        anyhow::Ok(ledger.audit().await?)
    })?;
    output.result(&text(&notes), &json!({"clean": notes.is_empty(), "notes": notes}))?;
    Ok(if notes.is_empty() { Exit::Good } else { Exit::Negative })
}

fn text(notes: &[Note]) -> String {
    if notes.is_empty() {
        return "the ledger is clean: every law holds".to_owned();
    }
    let lines: Vec<String> =
        notes.iter().map(|note| format!("{}  {}  {}", note.law, note.id, note.detail)).collect();
    format!(
        "{}\n\n{} broken: keep a copy of the ledger and of its key, and do not serve from it",
        lines.join("\n"),
        lines.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_law_and_record() {
        let note = Note {
            law: "fence-never-shrinks".to_owned(),
            id: "i-1".to_owned(),
            detail: "the fence went from 4 to 3".to_owned(),
        };
        assert!(
            text(&[note]).starts_with("fence-never-shrinks  i-1  the fence went from 4 to 3\n")
        );
        assert_eq!(text(&[]), "the ledger is clean: every law holds");
    }
}
