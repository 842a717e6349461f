//! `replaysafe resolve DECISION`: say what became of a parked request.

use replaysafe::{
    contract::EntryId,
    provisioner::operator::{Resolution, Resolved},
};
use serde_json::json;

use crate::{
    command::{LedgerArguments, runtime},
    exit::{self, Exit},
    output::Output,
    wiring,
};

/// Say what became of a request that is parked, because nothing proves whether it took effect.
///
/// Look at the target first. With `--made ID` the gateway looks at this resource as soon as it has a credential to do so (docs/rules.md S41): if the request can have made it, that is its end; else it stays parked, and nothing has changed.
/// With `--nothing` your word is the proof: the request ends as refused, and its client's next attempt is decided anew. Say so if the resource is not there, or was deleted since: a wrong word may lead to a second account.
/// What waits behind it goes on by either. It may run beside the gateway, and both are recorded: `replaysafe explain` shows them.
/// Ends with 1 where there is nothing to resolve: the decision is not parked, what was sent may still take effect (15 s and the lag of the target's search), or the id cannot be one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  $ replaysafe list parked --ledger sqlite:replaysafe.db
  7f3c9a52d0b14e6c8a1f02b7c4d95e30  parked       User  looked at 4 min ago
  $ replaysafe resolve 7f3c9a52d0b14e6c8a1f02b7c4d95e30 --made 2819c223 \\
        --ledger sqlite:replaysafe.db")]
pub(super) struct Arguments {
    /// The decision, as `replaysafe list parked`, or an answer's `Replaysafe-Decision`, names it
    #[arg(value_name = "DECISION")]
    decision: EntryId,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    ledger: LedgerArguments,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// It has made the resource with this id of the target
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    made: Option<String>,
    /// It has made nothing
    #[arg(long)]
    nothing: bool,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    arguments.ledger.must_exist()?;
    let guest = wiring::guest()?;
    let (path, key) = (&arguments.ledger.ledger.0, arguments.ledger.key_file());
    let decision = &arguments.decision;
    let resolution = match &arguments.what.made {
        Some(id) => Resolution::Made(id.clone()),
        None => Resolution::Nothing,
    };
    let resolved =
        runtime()?.block_on(wiring::resolve(&guest, path, &key, decision, &resolution))?;
    let (word, text) = match resolved {
        Resolved::Looks => (
            "looks",
            "the gateway looks at it as soon as it has a credential to do so; if the request cannot have made it, it stays parked",
        ),
        Resolved::Ended => ("ended", "ended: the same request, sent again, is decided anew"),
        Resolved::NotParked => (
            "not-parked",
            "nothing to resolve: it is not parked, what was sent may still take effect, or the id cannot be one",
        ),
        Resolved::Unknown => {
            return Err(exit::environment(format!(
                "the ledger has no entry of the decision `{decision}`: it is another ledger's, or of a request that was answered without one"
            ))
            .into());
        }
    };
    output.result(text, &json!({"decision": decision, "resolution": word}))?;
    Ok(if resolved == Resolved::NotParked { Exit::Negative } else { Exit::Good })
}
