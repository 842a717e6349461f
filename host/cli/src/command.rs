//! The command line: which commands there are. Each has a file of its own below this one.

mod apply;
mod approve;
mod audit;
mod component;
mod decide;
mod demo;
mod explain;
pub(crate) mod gateway;
mod ledger;
mod list;
mod plan;
mod policy;
mod probe;
mod resolve;

use std::{path::PathBuf, str::FromStr};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum as _, builder::PossibleValue};
use clap_complete::Shell;

use crate::{
    exit::{self, Exit},
    output::{Format, LAST, Output},
};

/// Idempotent provisioning: a request that is repeated changes the target once.
///
/// `replaysafe` stands between a client that provisions accounts (an identity provider, a queue, a script) and a SCIM service.
/// A request may be repeated at any time; repeating it yields the first answer, and nothing stands in the way of taking access away.
/// Decisions are made by a sandboxed WebAssembly component; what was asked and what was proved is kept in a ledger.
#[derive(Debug, Parser)]
#[command(
    name = "replaysafe",
    version,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = exit::HELP,
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP)
)]
pub struct CommandLine {
    /// How the result is written to standard output, and an error to standard error
    #[arg(long, global = true, value_parser = Format::parser(), default_value = "text", value_name = "FORMAT", display_order = LAST)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Gateway(Box<gateway::Arguments>),
    Probe(probe::Arguments),
    Demo(demo::Arguments),
    Decide(decide::Arguments),
    /// Look at the component that makes the decisions, or write it to a file
    #[command(subcommand)]
    Component(component::Command),
    Explain(explain::Arguments),
    Plan(plan::Arguments),
    Apply(apply::Arguments),
    Audit(audit::Arguments),
    /// Check a policy file, or tell what each of its members means
    #[command(subcommand)]
    Policy(policy::Command),
    List(list::Arguments),
    Approve(approve::Arguments),
    Resolve(resolve::Arguments),
    /// Check a ledger
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETION)]
    Completion {
        /// The shell that reads it
        shell: Shell,
    },
}

impl Command {
    /// Whether it looks at populations, and so writes lines and pages, too.
    fn is_of_populations(&self) -> bool {
        match self {
            Self::Plan(_) | Self::Audit(_) => true,
            Self::Gateway(_)
            | Self::Probe(_)
            | Self::Demo(_)
            | Self::Decide(_)
            | Self::Component(_)
            | Self::Explain(_)
            | Self::Apply(_)
            | Self::Policy(_)
            | Self::List(_)
            | Self::Approve(_)
            | Self::Resolve(_)
            | Self::Ledger(_)
            | Self::Completion { .. } => false,
        }
    }
}

impl CommandLine {
    /// How results and errors are written.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Runs the command.
    ///
    /// # Errors
    ///
    /// If it could not do its work: [`Exit::of`] gives the exit code for the error.
    pub fn run(self) -> anyhow::Result<Exit> {
        if !self.format.is_common() && !self.command.is_of_populations() {
            let format = self.format.to_possible_value();
            let format = format.as_ref().map_or("", PossibleValue::get_name);
            let why = format!(
                "`--format {format}` is for `plan` and `audit`: all others write `text` and `json`"
            );
            return Err(exit::usage(why).into());
        }
        let output = Output::new(self.format);
        match self.command {
            Command::Gateway(arguments) => gateway::run(&arguments, output),
            Command::Probe(arguments) => probe::run(&arguments, output),
            Command::Demo(arguments) => demo::run(&arguments, output),
            Command::Decide(arguments) => decide::run(&arguments, output),
            Command::Component(command) => component::run(&command, output),
            Command::Explain(arguments) => explain::run(&arguments, output),
            Command::Plan(arguments) => plan::run(&arguments, output),
            Command::Apply(arguments) => apply::run(&arguments, output),
            Command::Audit(arguments) => audit::run(&arguments, output),
            Command::Policy(command) => policy::run(&command, output),
            Command::List(arguments) => list::run(&arguments, output),
            Command::Approve(arguments) => approve::run(&arguments, output),
            Command::Resolve(arguments) => resolve::run(&arguments, output),
            Command::Ledger(command) => ledger::run(&command, output),
            Command::Completion { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "replaysafe", &mut script);
                output.bytes(&script)?;
                Ok(Exit::Good)
            }
        }
    }
}

/// Where the ledger is, and the key that it is written with.
#[derive(Clone, Debug, clap::Args)]
struct LedgerArguments {
    /// The ledger, one file on a local disk: `sqlite:PATH`, for example `sqlite:/var/lib/replaysafe/ledger.db`
    #[arg(long, value_name = "sqlite:PATH")]
    ledger: LedgerAddress,
    /// The file with the ledger's key, 32 bytes that only its owner may read [default: PATH of the ledger with `.key` added]
    #[arg(long, value_name = "FILE")]
    ledger_key: Option<PathBuf>,
}

impl LedgerArguments {
    /// The file with the key.
    fn key_file(&self) -> PathBuf {
        self.ledger_key.clone().unwrap_or_else(|| {
            let mut path = self.ledger.0.clone().into_os_string();
            path.push(".key");
            path.into()
        })
    }

    /// Fails if there is no such ledger: commands that read one must not make one.
    fn must_exist(&self) -> anyhow::Result<()> {
        for (file, what) in [(&self.ledger.0, "ledger"), (&self.key_file(), "ledger's key")] {
            if !file.is_file() {
                return Err(exit::environment(format!(
                    "there is no {what} at `{}`; name it with `--ledger sqlite:PATH` and `--ledger-key FILE`",
                    file.display()
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// `sqlite:PATH`
#[derive(Clone, Debug, PartialEq, Eq)]
struct LedgerAddress(PathBuf);

impl FromStr for LedgerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self(path.into())),
            _ => {
                Err("a ledger is named `sqlite:PATH`, for example `sqlite:replaysafe.db`"
                    .to_owned())
            }
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  replaysafe demo
      What goes wrong without it, and what happens with it, side by side.

  replaysafe gateway --upstream https://scim.example.com/v2 \\
      --listen 127.0.0.1:8080 --ledger sqlite:replaysafe.db
      Then give http://127.0.0.1:8080/v2 to the client as its SCIM base URL.

  replaysafe probe --target https://scim.example.com/v2 --output profile.toml
      How does that service behave, and what can be promised in front of it?

  replaysafe explain DECISION --ledger sqlite:replaysafe.db
      Why was a request answered so? DECISION is its `Replaysafe-Decision`.

  replaysafe component export - | sha256sum
      The component that decides, for a host or a reviewer of your own.

With `--format json` a result is one JSON document on standard output, an error
{\"error\": {\"exit\": CODE, \"message\": TEXT}} on standard error.
With `--format ndjson`, `plan` and `audit` write a JSON object on each line, with
`--format html` one page for a browser.
The shape of each document is in docs/command-line.md.";

const COMPLETION: &str = "\
Examples:
  replaysafe completion bash > ~/.local/share/bash-completion/completions/replaysafe
  replaysafe completion zsh > \"${fpath[1]}/_replaysafe\"
  replaysafe completion fish > ~/.config/fish/completions/replaysafe.fish";

/// A runtime for one command.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_ledger_is_named_by_kind_and_path() {
        check("sqlite:a.db", Some("a.db"));
        check("sqlite:/var/lib/x y.db", Some("/var/lib/x y.db"));
        check("a.db", None);
        check("sqlite:", None);
        check("postgres:x", None);
    }

    #[test]
    fn the_key_lies_beside_the_ledger_unless_it_is_named() {
        let arguments =
            |ledger_key| LedgerArguments { ledger: LedgerAddress("a.db".into()), ledger_key };
        assert_eq!(arguments(None).key_file(), PathBuf::from("a.db.key"));
        assert_eq!(arguments(Some("k".into())).key_file(), PathBuf::from("k"));
    }

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse().ok(), expected.map(|path| LedgerAddress(path.into())));
    }
}
