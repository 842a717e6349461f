//! `replaysafe apply`: carries out a plan that `replaysafe plan` has made.

use std::{
    io::Read as _,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use replaysafe::{
    applier::{
        Agenda, CONCURRENCY, CONCURRENCY_MOST, Item, Outcome, PLAN_BYTES_MOST, Pace, Progress,
        Report, Trouble,
    },
    clock::{Clock as _, SystemClock},
    contract::reconciliation::Excess,
    planner::class_name,
};
use replaysafe_gateway::answer::verdict_word;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    command::{
        LedgerArguments,
        gateway::{Stop, read_credential, read_rules},
        runtime,
    },
    exit::{self, Exit},
    output::{Output, shown},
    teller::Teller,
    wiring,
};

/// Carry out a plan that `replaysafe plan` has written with `--format json` or `ndjson`: each of its effects once.
///
/// Effects go in the plan's order: what takes access away first, deletions last; those of one class side by side, each after those that it depends on.
/// What depends on one that has failed is not sent; what takes members, roles or entitlements away, or switches off, always is.
/// Every effect has a key that is made of the plan, and is recorded in the ledger before it is sent: run again, after a crash or an interruption, it does what is not done, and nothing twice. A plan is good for as long as receipts are kept (policy `receipt-hours`), and not once it was changed.
/// A plan that does more than policy `guard` lets go, alone or with what other plans did within `guard-window-hours`, is `staged` (S33): nothing is sent, and `replaysafe approve DIGEST` with the same ledger lets this very plan begin.
/// SIGTERM or SIGINT ends it after the requests that are under way.
/// The ledger belongs to one process at a time: stop the gateway in front of this service if it has the same one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  replaysafe plan --desired hr.ndjson --observed https://scim.example.com/v2 \\
      --target-credential token.txt --format json > plan.json
  replaysafe apply plan.json --target https://scim.example.com/v2 \\
      --target-credential token.txt --ledger sqlite:replaysafe.db")]
pub(super) struct Arguments {
    /// The plan, as `replaysafe plan` has written it with `--format json` or `ndjson`; `-` is standard input
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The service's base URL, http or https, for example `https://scim.example.com/v2`
    #[arg(long, value_name = "URL")]
    target: String,
    /// A file with the value of `Authorization`, for example `Bearer …`
    ///
    /// The variable `REPLAYSAFE_UPSTREAM_CREDENTIAL` may hold the value itself.
    #[arg(long, value_name = "FILE")]
    target_credential: Option<PathBuf>,
    /// Trust these certificates (PEM) for an https service, and no others [default: those of the system]
    #[arg(long, value_name = "FILE")]
    target_ca: Option<PathBuf>,
    #[command(flatten)]
    ledger: LedgerArguments,
    /// The policy, in TOML [default: every member's default]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How the service behaves, as `replaysafe probe` writes it [default: what the service says of itself, and what is learned]
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// How many effects are under way at once
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY, value_parser = concurrency)]
    concurrency: usize,
    /// Begin at most so many effects a second; each asks the service two or three times [default: as many as it answers]
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// The target is the service that the plan was made of, under another name, for example through the gateway
    #[arg(long)]
    same_service: bool,
    /// Whose data this is: keys, names and receipts of one tenant mean nothing under another
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    tenant: String,
}

fn concurrency(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=CONCURRENCY_MOST).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {CONCURRENCY_MOST}"))
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    let agenda = read(&arguments.plan)?;
    let guest = wiring::guest()?;
    let (policy, profile) =
        read_rules(arguments.policy.as_deref(), arguments.profile.as_deref(), &guest)?;
    let credential = read_credential(arguments.target_credential.as_deref())?;
    let settings = wiring::WorkSettings {
        ledger: arguments.ledger.ledger.0.clone(),
        ledger_key: arguments.ledger.key_file(),
        upstream_moved: false,
        policy,
        profile,
        credential: credential.clone(),
        tenant: arguments.tenant.clone(),
    };
    let service = wiring::Service {
        url: &arguments.target,
        ca: arguments.target_ca.as_deref(),
        credential: credential.as_deref(),
    };
    if let Some(made) = agenda.target().filter(|_| !arguments.same_service) {
        let place = wiring::place(&service)?;
        if made != place {
            let made = shown(made);
            let why = format!(
                "the plan was made of {made}, and --target is {place}: make a plan of this service, or say `--same-service` if it is that one under another name"
            );
            return Err(exit::usage(why).into());
        }
    }
    let pace = Pace { concurrency: arguments.concurrency, rate: arguments.rate };
    let report = runtime()?.block_on(async {
        let (end, ended) = watch::channel(false);
        let mut stop = Stop::listen()?;
        let teller = Teller::new(output, "effects");
        let told = |progress: Progress| {
            teller.tell(progress.counts.ended(), Some(progress.total), &troubles(&progress));
        };
        let applying = wiring::apply(guest, &service, &settings, pace, &agenda, &told, ended);
        tokio::pin!(applying);
        loop {
            tokio::select! {
                report = &mut applying => break report,
                () = stop.wait() => {
                    output.progress("stopping: finishing the requests that are under way");
                    end.send_replace(true);
                }
            }
        }
    })?;
    output.result(&text(&agenda, &report), &document(&agenda, &report))?;
    Ok(if report.counts.is_good() { Exit::Good } else { Exit::Negative })
}

/// The plan in a file.
fn read(file: &Path) -> anyhow::Result<Agenda> {
    let name = file.display();
    let reading = || format!("reading the plan `{name}`");
    let mut bytes = Vec::new();
    // One more than it may have, so that it is told from one that was cut.
    let most = u64::try_from(PLAN_BYTES_MOST).unwrap_or(u64::MAX).saturating_add(1);
    if file.as_os_str() == "-" {
        std::io::stdin().take(most).read_to_end(&mut bytes).with_context(reading)?;
    } else {
        let file = std::fs::File::open(file).with_context(reading)?;
        file.take(most).read_to_end(&mut bytes).with_context(reading)?;
    }
    let agenda = Agenda::read(&bytes).map_err(|why| exit::usage(format!("`{name}`: {why}")))?;
    // It would never be too old.
    let now = SystemClock.now();
    if agenda.at().is_some_and(|at| now.saturating_add(AHEAD_MOST_MS) < at) {
        let why = "the plan says that it was made later than now; make it again, or set the clock";
        return Err(exit::usage(format!("`{name}`: {why}")).into());
    }
    Ok(agenda)
}

/// How much of it is not as planned, for who waits.
fn troubles(progress: &Progress) -> String {
    let troubles = progress.counts.ended() - progress.counts.done - progress.counts.satisfied;
    if troubles == 0 { String::new() } else { format!(", {troubles} not as planned") }
}

fn text(agenda: &Agenda, report: &Report) -> String {
    let counts = &report.counts;
    let total = agenda.items().len();
    if !report.staged.is_empty() {
        let mut lines =
            vec!["staged: nothing was sent; a person has to approve it first".to_owned()];
        lines.extend(report.staged.iter().map(excess_line));
        lines.push(format!(
            "to let this very plan begin: replaysafe approve {} with the same ledger; then the same again",
            agenda.digest()
        ));
        return lines.join("\n");
    }
    let mut lines = vec![format!(
        "{total} effects: {} done, {} already satisfied, {} changed, {} refused, {} parked, {} blocked, {} unresolved",
        counts.done,
        counts.satisfied,
        counts.changed,
        counts.refused,
        counts.parked,
        counts.blocked,
        counts.unresolved
    )];
    if !report.troubles.is_empty() {
        lines.push(String::new());
    }
    for trouble in &report.troubles {
        let Some(item) = agenda.items().get(trouble.item) else { continue };
        let (number, what) = (trouble.item + 1, trouble.outcome.name());
        let verdict = trouble.verdict.map(|_| format!("{}: ", verdict(trouble)));
        let verdict = verdict.unwrap_or_default();
        let line = format!("{number:>6}  {what:10}  {}  {verdict}{}", about(item), trouble.detail);
        lines.push(shown(&line));
    }
    let has = |outcome| report.troubles.iter().any(|trouble| trouble.outcome == outcome);
    if has(Outcome::Changed) {
        lines.push(
            "\nchanged: it is no more as it was when the plan was made; make another plan".into(),
        );
    }
    if has(Outcome::Unresolved) {
        lines.push("\nunresolved: run the same again; what was done is not done twice".into());
    }
    lines.join("\n")
}

/// What an item is about, as `replaysafe plan` tells of it.
fn about(item: &Item) -> String {
    let name = item.external_id.as_deref().unwrap_or_default();
    let id = item.id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
    format!("{:7}  {} {name}{id}", class_name(item.class), item.resource_type)
}

fn document(agenda: &Agenda, report: &Report) -> Value {
    let troubles = report.troubles.iter().filter_map(|trouble| {
        let item = agenda.items().get(trouble.item)?;
        Some(json!({
            "effect": trouble.item + 1,
            "op": class_name(item.class),
            "resourceType": item.resource_type,
            "externalId": item.external_id.as_deref().unwrap_or_default(),
            "id": item.id.as_deref().unwrap_or_default(),
            "outcome": trouble.outcome.name(),
            "verdict": verdict(trouble),
            "decision": trouble.decision,
            "detail": trouble.detail,
        }))
    });
    json!({
        "digest": agenda.digest(),
        "effects": agenda.items().len(),
        "counts": report.counts,
        "troubles": troubles.collect::<Vec<_>>(),
        "staged": report.staged.iter().map(excess).collect::<Vec<_>>(),
    })
}

/// What the guard does not let go, in JSON.
pub(super) fn excess(excess: &Excess) -> Value {
    json!({
        "resourceType": excess.resource_type,
        "op": class_name(excess.class),
        "count": excess.count,
        "there": excess.there,
        "limit": excess.limit,
        "detail": excess.detail,
    })
}

/// The same for a person.
pub(super) fn excess_line(excess: &Excess) -> String {
    let Excess { resource_type, class, detail, .. } = excess;
    shown(&format!("over the guard: {} {resource_type}: {detail}", class_name(*class)))
}

/// The verdict on what was sent, in the contract's spelling; empty if nothing was.
fn verdict(trouble: &Trouble) -> &'static str {
    trouble.verdict.map(verdict_word).unwrap_or_default()
}

/// 5 minutes: the clocks of two machines that are looked after differ by less.
const AHEAD_MOST_MS: u64 = 300_000;

#[cfg(test)]
mod tests {
    use replaysafe::applier::Counts;

    use super::*;

    #[test]
    fn progress_tells_what_is_not_as_planned() {
        let told = |counts| troubles(&Progress { counts, total: 1_500 });
        let counts = Counts { done: 280, satisfied: 15, ..Counts::default() };
        assert_eq!(told(counts), "");
        assert_eq!(told(Counts { blocked: 4, changed: 1, ..counts }), ", 5 not as planned");
    }
}
