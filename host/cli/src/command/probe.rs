//! `replaysafe probe`: how does a SCIM service behave, and what can be promised in front of it?

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use replaysafe::clock::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{
    command::{
        gateway::{Stop, read_credential},
        runtime,
    },
    exit::{self, Exit},
    output::Output,
    probe::{Halt, Left},
    profile::{
        Facts, Profile,
        theorems::{self, THEOREMS, Theorem},
    },
    wiring,
};

/// Measure how a SCIM service behaves, on users and groups made for that, and tell what can be promised in front of it.
///
/// It makes some 15 users and groups whose names begin with `replaysafe-probe-`, changes them, and deletes them at the end, also after an error, SIGINT or SIGTERM.
/// What cannot be deleted is told by its id, and the exit code is 1; what the service switches off instead of deleting it is told too.
/// It sends at most 600 requests, and ends within 5 minutes and one more for deleting.
/// It tells which theorems hold (docs/rules.md, S40), and by which rule. That a call takes effect within 15 seconds of being recorded (D) or never cannot be measured, and is assumed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  replaysafe probe --target https://scim.example.com/v2 \\
      --target-credential token.txt --output profile.toml
  replaysafe gateway --upstream https://scim.example.com/v2 \\
      --listen 127.0.0.1:8080 --ledger sqlite:replaysafe.db \\
      --profile profile.toml")]
pub(super) struct Arguments {
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
    /// Write the profile to this file, for `replaysafe gateway --profile`
    #[arg(long, value_name = "FILE.toml")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    let credential = read_credential(arguments.target_credential.as_deref())?;
    if let Some(file) = &arguments.output {
        can_be_written(file)?;
    }
    let (target, measured) = runtime()?.block_on(async {
        let (end, ended) = watch::channel(false);
        let mut stop = Stop::listen()?;
        let told = |what: &str| output.progress(what);
        let ca = arguments.target_ca.as_deref();
        let measuring = wiring::measure(&arguments.target, ca, credential.as_deref(), ended, &told);
        tokio::pin!(measuring);
        loop {
            tokio::select! {
                measured = &mut measuring => break measured,
                () = stop.wait() => {
                    output.progress("stopping");
                    end.send_replace(true);
                }
            }
        }
    })?;
    let (off, left): (Vec<Left>, Vec<Left>) =
        measured.left.into_iter().partition(|one| one.deactivated);
    if let Some(halt) = measured.halt {
        let said = format!("measuring {target}: {halt}; {}", end(&left, &off));
        let stopped = matches!(halt, Halt::Stopped | Halt::Requests | Halt::Time);
        let negative = stopped || !left.is_empty();
        return Err(if negative { exit::negative(said) } else { exit::environment(said) }.into());
    }
    let profile = Profile {
        target,
        measured_at: time(SystemClock.now()),
        measured: measured.facts,
        figures: measured.figures,
        declared: Facts::new(),
    };
    let requests = measured.requests;
    let mut text = text(&profile, output);
    text.push_str(&format!("\n\n{requests} requests; {}", end(&left, &off)));
    // Before the file is written: what is left behind is told also where that fails.
    output.result(&text, &document(&profile, requests, &left, &off))?;
    if let Some(file) = &arguments.output {
        std::fs::write(file, profile.to_toml())
            .with_context(|| format!("writing the profile `{}`", file.display()))?;
    }
    Ok(if left.is_empty() { Exit::Good } else { Exit::Negative })
}

/// Fails where there is no folder for the file: before anything is made for it.
fn can_be_written(file: &Path) -> Result<(), exit::Because> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) || file.is_dir() {
        let file = file.display();
        return Err(exit::environment(format!(
            "--output: `{file}` is not in a folder that exists"
        )));
    }
    Ok(())
}

/// What has become of the canaries.
fn end(left: &[Left], off: &[Left]) -> String {
    let named = |one: &Left| {
        let id = one.id.as_deref().map_or_else(|| format!("named {}", one.name), str::to_owned);
        format!("{} {id}", one.resource_type)
    };
    let why = |one: &Left| format!("{} ({})", named(one), one.why);
    let left: Vec<String> = left.iter().map(why).collect();
    let off: Vec<String> = off.iter().map(named).collect();
    let mut said = match left.as_slice() {
        [] => "what was made for this is deleted".to_owned(),
        left => format!("could not be deleted, delete by hand: {}", left.join(", ")),
    };
    if !off.is_empty() {
        said.push_str(&format!("; the service keeps, switched off: {}", off.join(", ")));
    }
    said
}

/// What holds of a theorem.
struct Verdict {
    theorem: &'static Theorem,
    holds: &'static str,
    by: String,
    rule: &'static str,
}

fn verdicts(profile: &Profile) -> Vec<Verdict> {
    let traits = theorems::traits(profile);
    let verdict = |theorem: &'static Theorem| match theorem.way(&traits) {
        Some(way) => {
            let also = if theorem.also.is_empty() { "" } else { ", " };
            let by = format!("{}{also}{}", way.words(), theorem.also);
            let holds = if theorem.also.is_empty() { "yes" } else { "with versions" };
            Verdict { theorem, holds, by, rule: way.rule }
        }
        None => {
            Verdict { theorem, holds: "no", by: format!("needs: {}", theorem.needs()), rule: "" }
        }
    };
    THEOREMS.iter().map(verdict).collect()
}

fn text(profile: &Profile, output: Output) -> String {
    let width = profile.measured.keys().map(String::len).max().unwrap_or_default();
    let mut lines = vec![format!("{}, {}", output.strong(&profile.target), profile.measured_at)];
    for (name, value) in &profile.measured {
        let says = crate::profile::known_fact(name).map_or("", |known| known.says);
        lines.push(format!("  {name:width$}  {value:10}  {says}"));
    }
    lines.push(format!("\n{}", output.strong("counted")));
    for (name, count) in &profile.figures {
        lines.push(format!("  {name:width$}  {count}"));
    }
    lines.push(format!("\n{}", output.strong("what holds in front of it")));
    for Verdict { theorem, holds, by, rule } in verdicts(profile) {
        let told = output.judged(&format!("{holds:13}"), holds != "no");
        let rule = if rule.is_empty() { String::new() } else { format!(" ({rule})") };
        lines.push(format!("  {:3}  {told}  {}: {by}{rule}", theorem.name, theorem.says));
    }
    let rows = profile.rows();
    lines.push(match rows.as_slice() {
        [] => {
            "\nof no kind that is shown to be safe: the gateway asks for `on-unknown` in the policy"
                .to_owned()
        }
        rows => format!("\nof these kinds that are shown to be safe: {}", rows.join(", ")),
    });
    lines.join("\n")
}

fn document(profile: &Profile, requests: usize, left: &[Left], off: &[Left]) -> Value {
    let facts: Map<String, Value> =
        profile.measured.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let verdict = |Verdict { theorem, holds, by, rule }| json!({"theorem": theorem.name, "says": theorem.says, "holds": holds, "by": by, "rule": rule});
    let there = |one: &Left| {
        let id = one.id.clone().unwrap_or_default();
        json!({"resource-type": one.resource_type, "id": id, "name": one.name, "why": one.why})
    };
    json!({
        "target": profile.target,
        "measured-at": profile.measured_at,
        "requests": requests,
        "facts": facts,
        "figures": profile.figures,
        "rows": profile.rows(),
        "theorems": verdicts(profile).into_iter().map(verdict).collect::<Vec<_>>(),
        "left": left.iter().map(there).collect::<Vec<_>>(),
        "deactivated": off.iter().map(there).collect::<Vec<_>>(),
    })
}

/// Milliseconds since 1970 as RFC 3339 has them, in UTC.
fn time(millis: u64) -> String {
    let (days, of_day) = (millis / 86_400_000, millis / 1_000 % 86_400);
    // Years that begin in March end with the day that some lack; 400 of them have 146,097 days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + later;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_has_it() {
        // As `date -u -d @SECONDS +%FT%TZ` tells.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(seconds * 1_000 + 999), expected);
        }
    }

    #[test]
    fn what_is_left_is_told_by_its_id() {
        let left = |id: Option<&str>, deactivated| Left {
            resource_type: "User",
            id: id.map(str::to_owned),
            name: "replaysafe-probe-1-1".to_owned(),
            why: "DELETE was answered by 500".to_owned(),
            deactivated,
        };
        assert_eq!(end(&[], &[]), "what was made for this is deleted");
        assert_eq!(
            end(&[left(Some("7"), false), left(None, false)], &[left(Some("8"), true)]),
            "could not be deleted, delete by hand: User 7 (DELETE was answered by 500), \
             User named replaysafe-probe-1-1 (DELETE was answered by 500); \
             the service keeps, switched off: User 8"
        );
    }
}
