//! `replaysafe staged`: what waits for an approval?

use replaysafe::provisioner::approval::Staged;
use serde_json::json;

use crate::{
    command::{LedgerArguments, runtime},
    exit::Exit,
    output::Output,
    wiring,
};

/// List the returns that wait for an approval, and those that are approved and were not repeated yet.
///
/// Each has the name of its decision, which `replaysafe approve` takes; `replaysafe explain` shows what was asked, without a value.
/// Lists what was asked or approved within the last 7 days. Reads only, and may run beside the gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  replaysafe staged --ledger sqlite:replaysafe.db")]
pub(super) struct Arguments {
    #[command(flatten)]
    ledger: LedgerArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    arguments.ledger.must_exist()?;
    let (path, key) = (&arguments.ledger.ledger.0, arguments.ledger.key_file());
    let (staged, now) = runtime()?.block_on(wiring::staged(&wiring::guest()?, path, &key))?;
    let one = |staged: &Staged| {
        json!({
            "decision": staged.decision, "resource-type": staged.resource_type,
            "at": staged.at, "approved-until": staged.approved_until,
        })
    };
    output.result(
        &text(&staged, now),
        &json!({"staged": staged.iter().map(one).collect::<Vec<_>>()}),
    )?;
    Ok(Exit::Good)
}

fn text(staged: &[Staged], now: u64) -> String {
    if staged.is_empty() {
        return "nothing waits for an approval".to_owned();
    }
    let line = |one: &Staged| {
        let how = match one.approved_until {
            Some(until) => format!("approved for another {}", span(until.saturating_sub(now))),
            None => format!("waits, asked {} ago", span(now.saturating_sub(one.at))),
        };
        format!("{}  {}  {how}", one.decision, one.resource_type)
    };
    staged.iter().map(line).collect::<Vec<_>>().join("\n")
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
    fn a_line_says_since_when_it_waits_or_how_long_it_is_approved() {
        let one = |approved_until| Staged {
            decision: "d1".to_owned(),
            resource_type: "User".to_owned(),
            at: 60_000,
            approved_until,
        };
        check(&[], "nothing waits for an approval");
        check(&[one(None)], "d1  User  waits, asked 4 min ago");
        check(&[one(Some(300_000 + 3_660_000))], "d1  User  approved for another 1 h 1 min");
    }

    fn check(staged: &[Staged], expected: &str) {
        assert_eq!(text(staged, 300_000), expected);
    }
}
