//! `replaysafe list`: what waits for a person?

use clap::ValueEnum;
use replaysafe::{
    ledger::{PlanRecord, PlanStage},
    provisioner::operator::{Concern, Matter},
};
use serde_json::{Value, json};

use crate::{
    command::{LedgerArguments, apply, runtime},
    exit::Exit,
    output::Output,
    wiring,
};

/// List what waits for a person: returns and plans to approve, requests of which nobody can tell what became, and revocations that the target does not carry out.
///
/// Each has the name of its decision; `replaysafe explain` shows what was asked, without a value.
/// `staged` waits for `replaysafe approve`, `parked` for `replaysafe resolve` or for a late proof.
/// `irrevocable` leaves the list when the access is taken away at the target and the same request is sent again, under the same key.
/// Reads only, and may run beside the gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  replaysafe list --ledger sqlite:replaysafe.db
  replaysafe list irrevocable --ledger sqlite:replaysafe.db --format json")]
pub(super) struct Arguments {
    /// What to list [default: all]
    #[arg(value_enum, value_name = "WHAT")]
    what: Option<What>,
    #[command(flatten)]
    ledger: LedgerArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Returns of deleted accounts, and plans over the guard, that wait for an approval, or have one and were not repeated yet
    Staged,
    /// Requests of which nobody can tell whether they took effect
    Parked,
    /// Revocations that the target accepts and does not carry out
    Irrevocable,
}

impl What {
    fn of(concern: &Concern) -> Self {
        match concern {
            Concern::Staged { .. } => Self::Staged,
            Concern::Parked { .. } => Self::Parked,
            Concern::Irrevocable => Self::Irrevocable,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Parked => "parked",
            Self::Irrevocable => "irrevocable",
        }
    }
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    arguments.ledger.must_exist()?;
    let (path, key) = (&arguments.ledger.ledger.0, arguments.ledger.key_file());
    let (mut matters, mut plans, now) =
        runtime()?.block_on(wiring::matters(&wiring::guest()?, path, &key))?;
    matters.retain(|one| arguments.what.is_none_or(|what| what == What::of(&one.concern)));
    if arguments.what.is_some_and(|what| what != What::Staged) {
        plans.clear();
    }
    let json: Vec<Value> = matters.iter().map(json).collect();
    let staged: Vec<Value> = plans.iter().map(|plan| of_plan(plan, now)).collect();
    output.result(&text(&matters, &plans, now), &json!({ "waiting": json, "plans": staged }))?;
    Ok(Exit::Good)
}

fn json(matter: &Matter) -> Value {
    let (until, candidates) = match &matter.concern {
        Concern::Staged { approved_until } => (*approved_until, [].as_slice()),
        Concern::Parked { candidates } => (None, candidates.as_slice()),
        Concern::Irrevocable => (None, [].as_slice()),
    };
    json!({
        "decision": matter.decision, "what": What::of(&matter.concern).word(),
        "resource-type": matter.resource_type, "at": matter.at,
        "approved-until": until, "candidates": candidates,
    })
}

/// Until when a plan is approved, if it is at `now`.
fn approved(plan: &PlanRecord, now: u64) -> Option<u64> {
    match plan.stage {
        PlanStage::Approved { until } if now < until => Some(until),
        PlanStage::Approved { .. } | PlanStage::Staged | PlanStage::Begun => None,
    }
}

fn of_plan(plan: &PlanRecord, now: u64) -> Value {
    json!({
        "plan": plan.digest, "tenant": plan.tenant, "made-at": plan.made_at, "at": plan.at,
        "approved-until": approved(plan, now),
        "guard": plan.excess.iter().map(apply::excess).collect::<Vec<_>>(),
    })
}

fn text(matters: &[Matter], plans: &[PlanRecord], now: u64) -> String {
    if matters.is_empty() && plans.is_empty() {
        return "nothing waits for a person".to_owned();
    }
    let line = |one: &Matter| {
        let ago = span(now.saturating_sub(one.at));
        let how = match &one.concern {
            Concern::Staged { approved_until: Some(until) } => {
                format!("approved for another {}", span(until.saturating_sub(now)))
            }
            Concern::Staged { approved_until: None } => format!("waits for {ago}"),
            Concern::Parked { candidates } if candidates.is_empty() => {
                format!("looked at {ago} ago")
            }
            Concern::Parked { candidates } => {
                format!("looked at {ago} ago, may be {}", candidates.join(" or "))
            }
            Concern::Irrevocable => format!("tried {ago} ago"),
        };
        let what = What::of(&one.concern).word();
        format!("{}  {what:11}  {}  {how}", one.decision, one.resource_type)
    };
    let of_plan = |plan: &PlanRecord| {
        let how = match approved(plan, now) {
            Some(until) => format!("approved for another {}", span(until.saturating_sub(now))),
            None => format!("waits for {}", span(now.saturating_sub(plan.at))),
        };
        let over = plan.excess.iter().map(|one| format!("\n  {}", apply::excess_line(one)));
        format!("{}  staged  plan  {how}{}", plan.digest, over.collect::<String>())
    };
    matters.iter().map(line).chain(plans.iter().map(of_plan)).collect::<Vec<_>>().join("\n")
}

/// Milliseconds, as a person reads them.
fn span(millis: u64) -> String {
    match millis / 60_000 {
        minutes if minutes < 60 => format!("{minutes} min"),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_waits_and_for_how_long() {
        let staged = |approved_until| Concern::Staged { approved_until };
        let parked = |ids: &[&str]| Concern::Parked {
            candidates: ids.iter().map(|id| (*id).to_owned()).collect(),
        };
        for (concern, expected) in [
            (staged(None), "d1  staged       User  waits for 4 min"),
            (
                staged(Some(300_000 + 3_660_000)),
                "d1  staged       User  approved for another 1 h 1 min",
            ),
            (parked(&[]), "d1  parked       User  looked at 4 min ago"),
            (parked(&["7", "8"]), "d1  parked       User  looked at 4 min ago, may be 7 or 8"),
            (Concern::Irrevocable, "d1  irrevocable  User  tried 4 min ago"),
        ] {
            let (decision, resource_type) = ("d1".to_owned(), "User".to_owned());
            let matter = Matter {
                decision,
                resource_type,
                id: None,
                at: 60_000,
                concern,
                tenant: String::new(),
            };
            assert_eq!(text(&[matter], &[], 300_000), expected);
        }
        assert_eq!(text(&[], &[], 300_000), "nothing waits for a person");
    }
}
