//! What does a plan cost, in time and in memory?
//!
//! Half of what is made here is desired, the other half is what the target has: the same resources in another order, each as the target spells
//! it, and of every hundredth the title differs.

use std::{env, error::Error, fs, hint::black_box, process::Command, time::Duration};

use replaysafe::{
    contract::{Settings, reconciliation::Part},
    guest::{Guest, PlanningGuest},
    planner::{Planner, Population},
};
use replaysafe_core::{reconciliation, types};
use replaysafe_tests::decisions;

use crate::{
    clock,
    rounds::{Ratio, quartiles},
    table::Measure,
};

/// What a plan costs of so many resources on each side.
///
/// # Errors
///
/// Where the sandbox cannot be set up, or the component does not answer.
pub(crate) fn measure(
    planning: &PlanningGuest,
    resources: usize,
) -> Result<Vec<Measure>, Box<dyn Error>> {
    let parts: Vec<Part> = (0..resources / PART).map(part).collect();
    let native: Vec<reconciliation::Part> = parts.iter().map(native).collect();
    let mut rounds = Vec::new();
    for (part, native) in parts.iter().zip(&native) {
        let began = clock::of_thread();
        for side in [&part.desired, &part.observed] {
            black_box(planning.survey(&part.resource_type, side, &part.settings)?);
        }
        black_box(planning.plan(part)?);
        let between = clock::of_thread();
        for side in [&native.desired, &native.observed] {
            drop(black_box(reconciliation::survey(&native.resource_type, side, &native.settings)));
        }
        drop(black_box(reconciliation::plan(native)));
        rounds
            .push(((between - began).as_secs_f64(), (clock::of_thread() - between).as_secs_f64()));
    }
    drop((parts, native));
    let sum = |of: fn(&(f64, f64)) -> f64| rounds.iter().map(of).sum::<f64>();
    let (sandboxed, native) = (sum(|(one, _)| *one), sum(|(_, other)| *other));
    let [low, _, high] = quartiles(rounds.iter().map(|(one, other)| one / other));
    let [first, second] = [sandboxed, native].map(Duration::from_secs_f64);
    let ratio = Ratio { value: sandboxed / native, spread: (low, high), first, second };
    let name = format!("plan, {resources} x 2 resources: component / native");
    let (whole, added) = whole(resources)?;
    Ok(vec![
        Measure::of(name, ratio).at_most(1.7, 1.4),
        Measure::new("the same: the host's planner, all told / native", whole / native),
        Measure::new("memory that a plan adds, bytes for each of its input", added)
            .at_most(1.3, 1.2),
    ])
}

/// Plans in this process, and prints how long it took and how much memory it added.
///
/// # Errors
///
/// As [`measure`].
pub(crate) fn make(resources: usize) -> Result<(), Box<dyn Error>> {
    let settings = settings();
    let planner = Planner {
        planning: PlanningGuest::embedded()?,
        guest: Guest::embedded()?,
        settings,
        complete: true,
        target: None,
    };
    // What the first calls need once is there before.
    planner.plan(&[population(PART)])?;
    let populations = [population(resources)];
    let bytes: usize = populations
        .iter()
        .flat_map(|one| one.desired.iter().chain(&one.observed))
        .map(String::len)
        .sum();
    // The most that was in use is what is in use, from here on.
    fs::write("/proc/self/clear_refs", "5")?;
    let (before, began) = (kilobytes("VmRSS:")?, clock::of_process());
    black_box(planner.plan(&populations)?);
    let seconds = (clock::of_process() - began).as_secs_f64();
    let added = 1024.0 * (kilobytes("VmHWM:")? - before);
    println!("{seconds} {}", added / f64::from(u32::try_from(bytes)?));
    Ok(())
}

/// The same in a process of its own: seconds, and bytes added for each byte of the input.
fn whole(resources: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let output =
        Command::new(env::current_exe()?).args(["populations", &resources.to_string()]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let (seconds, added) = text
        .trim()
        .split_once(' ')
        .ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((seconds.parse()?, added.parse()?))
}

fn kilobytes(name: &str) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A part as the host's planner makes them: 512 KB.
fn part(number: usize) -> Part {
    let (desired, observed) = resources(number * PART..(number + 1) * PART);
    Part {
        resource_type: "User".into(),
        desired,
        observed,
        links: Vec::new(),
        referred: Vec::new(),
        complete: true,
        settings: settings(),
    }
}

fn population(count: usize) -> Population {
    let (desired, observed) = resources(0..count);
    Population { resource_type: "User".into(), desired, observed }
}

fn resources(numbers: std::ops::Range<usize>) -> (Vec<String>, Vec<String>) {
    let desired = numbers.clone().map(|number| decisions::user(number, "Engineer").to_string());
    let observed = numbers.rev().map(|number| {
        let title = if number % 100 == 0 { "Principal" } else { "Engineer" };
        let mut shown = decisions::user(number, title);
        if let Some(members) = shown.as_object_mut() {
            members.insert("id".into(), format!("id{number}").into());
        }
        shown.to_string()
    });
    (desired.collect(), observed.collect())
}

fn settings() -> Settings {
    Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() }
}

fn native(part: &Part) -> reconciliation::Part {
    let settings =
        types::Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() };
    reconciliation::Part {
        resource_type: part.resource_type.clone(),
        desired: part.desired.clone(),
        observed: part.observed.clone(),
        links: Vec::new(),
        referred: Vec::new(),
        complete: part.complete,
        settings,
    }
}

/// Resources on each side of a part.
const PART: usize = 200;
