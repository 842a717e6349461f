//! `replaysafe demo`: the same script directly and through the gateway.

use crate::{command::runtime, demo, exit::Exit, output::Output};

/// Show what repeats do to a SCIM service, directly and through the gateway.
///
/// Needs nothing: the SCIM service is in memory, with the faults of real ones; gateway, ledger and component are the real ones, on loopback and in a temporary folder.
/// Takes less than a minute. Ends with 1 if any case through the gateway is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  replaysafe demo
  replaysafe demo --format json | jq '.cases[] | {case, direct: .direct.end}'")]
pub(super) struct Arguments {}

pub(super) fn run(_arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    runtime()?.block_on(demo::run(output))
}
