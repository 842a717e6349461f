//! What the checks of `make prove` have measured: a file for each check, and one table of all.
//!
//! A check notes its figures when it has ended, where `REPLAYSAFE_FIGURES` is set, as `make prove` does; what was not noted
//! counts as not met, so that a check that did not run, or fails, is seen.

use std::{
    collections::BTreeMap,
    env,
    fmt::{self, Write as _},
    fs, io,
    path::PathBuf,
};

use serde_json::{Value, json};

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This or more.
    AtLeast(u64),
    /// This or less.
    AtMost(u64),
}

impl Wanted {
    fn met(self, figure: u64) -> bool {
        match self {
            Self::AtLeast(least) => least <= figure,
            Self::AtMost(most) => figure <= most,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
        }
    }
}

/// A figure that `make prove` has to give.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The check, as `scripts/test.sh` names it.
    pub check: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// What is wanted of it.
    pub wanted: Wanted,
}

/// All of them, in the order of the table.
pub const EXPECTED: &[Expected] = &[
    at_least("check", "states of scenes seen whole", 5_000_000),
    none("check", "scenes cut short"),
    none("check", "laws broken or requests stuck"),
    none("check-power", "rules that no scene misses"),
    none("ablation", "rows that changed"),
    at_least("schedules", "schedules", 10_000_000),
    none("schedules", "schedules that break a law"),
    at_least("shared", "schedules on a shared ledger", 1_000_000),
    none("shared", "schedules that break a law"),
    at_least("real", "schedules through component and SQLite", 200_000),
    none("power", "rules not missed within 500000 schedules"),
    at_least("differential", "cases", 10_000_000),
    none("differential", "differences"),
    at_least("crash", "stops, pairs, faults; nothing is broken", 10_000),
    at_least("fuzz", "inputs; none breaks a target", 1_000_000),
    at_least("mutants", "viable mutants", 1_000),
    none("mutants", "mutants that survive unexplained"),
];

const fn at_least(check: &'static str, unit: &'static str, least: u64) -> Expected {
    Expected { check, unit, wanted: Wanted::AtLeast(least) }
}

const fn none(check: &'static str, unit: &'static str) -> Expected {
    Expected { check, unit, wanted: Wanted::AtMost(0) }
}

/// Notes what a check has found: each figure under its unit. Does nothing where `REPLAYSAFE_FIGURES` is not set.
///
/// # Errors
///
/// Where a figure is none of [`EXPECTED`], or cannot be written.
pub fn note(check: &str, seconds: f64, figures: &[(&str, u64)]) -> io::Result<()> {
    if env::var_os("REPLAYSAFE_FIGURES").is_none() {
        return Ok(());
    }
    let known = |unit: &str| EXPECTED.iter().any(|one| one.check == check && one.unit == unit);
    if let Some((unit, _)) = figures.iter().find(|(unit, _)| !known(unit)) {
        return Err(io::Error::other(format!("`{check}` has no figure `{unit}`")));
    }
    let figures: BTreeMap<&str, u64> = figures.iter().copied().collect();
    let folder = folder().join("figures");
    fs::create_dir_all(&folder)?;
    let noted = json!({ "seconds": seconds, "figures": figures });
    fs::write(folder.join(format!("{check}.json")), format!("{noted:#}\n"))
}

/// The table of what was noted, which is also written to `target/prove/report.json`; and whether all is as wanted.
///
/// # Errors
///
/// Where it cannot be written.
pub fn report() -> io::Result<(String, bool)> {
    let mut all = Vec::new();
    let mut table = String::new();
    let mut every = true;
    for Expected { check, unit, wanted } in EXPECTED {
        let noted = noted(check);
        let figure =
            noted.as_ref().and_then(|noted| noted.pointer("/figures")?.get(unit)?.as_u64());
        let seconds = noted.as_ref().and_then(|noted| noted.get("seconds")?.as_f64());
        let met = figure.is_some_and(|figure| wanted.met(figure));
        every &= met;
        let shown = figure.map_or("not run".into(), |figure| figure.to_string());
        let word = if met { "met" } else { "NOT MET" };
        let line = format!("{check:<13} {shown:>12} {unit:<42} {wanted:<14} {word}");
        writeln!(table, "{line}").map_err(io::Error::other)?;
        all.push(json!({
            "check": check, "figure": figure, "unit": unit, "wanted": wanted.to_string(),
            "met": met, "seconds": seconds,
        }));
    }
    let path = folder().join("report.json");
    fs::create_dir_all(folder())?;
    fs::write(&path, format!("{:#}\n", Value::Array(all)))?;
    Ok((table, every))
}

fn noted(check: &str) -> Option<Value> {
    let text = fs::read_to_string(folder().join("figures").join(format!("{check}.json"))).ok()?;
    serde_json::from_str(&text).ok()
}

/// `target/prove`.
fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "target", "prove"].iter().collect()
}
