//! `replaysafe approve WHAT`: let one return go, or one plan begin, that waits for a person.

use std::time::Duration;

use replaysafe::{
    applier::guard::PlanApproval, contract::EntryId, provisioner::operator::Approval,
};
use serde_json::{Value, json};

use crate::{
    command::{LedgerArguments, apply, runtime},
    exit::{self, Exit},
    output::Output,
    wiring,
};

/// Let a return go, or a plan begin, that waits for an approval.
///
/// With the policy `returns = "approve"` a create of an account that was deleted is answered 503 `staged`, and nothing is sent.
/// An approval names one decision: the same request, repeated by its client before the approval is over, goes through once; no other one does.
/// A plan that does more than policy `guard` lets go is named by its digest: the same plan, given to `replaysafe apply` again before the approval is over, begins if it does no more than what was approved (S33). No other plan does.
/// It may run beside the gateway. Approving twice is one approval: the first stands until it is over.
/// Ends with 1 where there is nothing to approve: the decision does not wait, it was sent already, or the plan has begun.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  $ replaysafe list staged --ledger sqlite:replaysafe.db
  7f3c9a52d0b14e6c8a1f02b7c4d95e30  staged       User  waits for 4 min
  $ replaysafe approve 7f3c9a52d0b14e6c8a1f02b7c4d95e30 \\
        --ledger sqlite:replaysafe.db --hours 8")]
pub(super) struct Arguments {
    /// The decision, as `replaysafe list staged`, or an answer's `Replaysafe-Decision`, names it; or the digest of a plan, as `replaysafe plan`, `apply` and `list staged` name it
    #[arg(value_name = "DECISION|DIGEST")]
    what: EntryId,
    /// How long the approval stands, in hours: 1 to 720
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=HOURS_MOST))]
    hours: u64,
    #[command(flatten)]
    ledger: LedgerArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    arguments.ledger.must_exist()?;
    // A decision has 32 digits.
    if arguments.what.len() == DIGEST_DIGITS {
        return plan(arguments, output);
    }
    let guest = wiring::guest()?;
    let stands = Duration::from_secs(arguments.hours * 3_600);
    let (path, key) = (&arguments.ledger.ledger.0, arguments.ledger.key_file());
    let decision = &arguments.what;
    let approval = runtime()?.block_on(wiring::approve(&guest, path, &key, decision, stands))?;
    let (word, text) = match approval {
        Approval::Until(_) => (
            "approved",
            "approved: the same request, repeated by its client in time, goes through once; `replaysafe list staged` shows until when",
        ),
        Approval::Sent => ("sent", "nothing to approve: it was sent already"),
        Approval::NotStaged => (
            "not-staged",
            "nothing to approve: it does not wait for an approval, or its resource was deleted again since",
        ),
        Approval::Unknown => {
            return Err(exit::environment(format!(
                "the ledger has no entry of the decision `{decision}`: it is another ledger's, or of a request that was answered without one"
            ))
            .into());
        }
    };
    let until = if let Approval::Until(until) = approval { Some(until) } else { None };
    let json = json!({"decision": decision, "approval": word, "approved-until": until});
    output.result(text, &json)?;
    Ok(if until.is_some() { Exit::Good } else { Exit::Negative })
}

fn plan(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    let stands = Duration::from_secs(arguments.hours * 3_600);
    let (path, key) = (&arguments.ledger.ledger.0, arguments.ledger.key_file());
    let digest = &arguments.what;
    let (word, until, excess) = match runtime()?
        .block_on(wiring::approve_plan(path, &key, digest, stands))?
    {
        PlanApproval::Until { until, excess } => ("approved", Some(until), excess),
        PlanApproval::Begun => ("begun", None, Vec::new()),
        PlanApproval::Unknown => {
            return Err(exit::environment(format!(
                    "the ledger knows no plan with the digest `{digest}`: let `replaysafe apply` try it first, with this ledger"
                ))
                .into());
        }
    };
    let mut lines: Vec<String> = excess.iter().map(apply::excess_line).collect();
    lines.push(match until {
        Some(_) => "approved: `replaysafe apply` with this plan begins; `replaysafe list staged` shows until when".to_owned(),
        None => "nothing to approve: it has begun, and may be carried out again".to_owned(),
    });
    let excess: Vec<Value> = excess.iter().map(apply::excess).collect();
    let json = json!({"plan": digest, "approval": word, "approved-until": until, "guard": excess});
    output.result(&lines.join("\n"), &json)?;
    Ok(if until.is_some() { Exit::Good } else { Exit::Negative })
}

/// A SHA-256 in hexadecimal.
const DIGEST_DIGITS: usize = 64;

/// 30 days: what nobody repeats for so long is not waited for.
const HOURS_MOST: u64 = 720;
