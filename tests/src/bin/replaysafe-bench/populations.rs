//! What does a plan cost, in time and in memory?
//!
//! Half of what is made here is desired, the other half is what the target has: the same resources in another order, each as the target spells
//! it, and of every hundredth the title differs. A resource has 420 bytes: most users of a directory have no more.

use std::{
    env,
    error::Error,
    fs::{self, File},
    hint::black_box,
    io::{BufWriter, Write as _},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use replaysafe::{
    contract::{Settings, reconciliation::Part},
    guest::{Guest, GuestOptions, PLANNING_COMPONENT, PlanningGuest},
    planner::{Planner, Population},
};
use replaysafe_core::{reconciliation, types};

use crate::{
    clock,
    rounds::{Ratio, quartiles},
    table::{Measure, short},
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
    let size = env::var("XPART").map_or(Ok(PART), |t| t.parse())?;
    let parts: Vec<Part> = (0..resources / size).map(|n| part(n, size)).collect();
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
    let [low, value, high] = quartiles(rounds.iter().map(|(one, other)| one / other));
    let [first, second] = [sandboxed, native].map(Duration::from_secs_f64);
    let ratio = Ratio { value, spread: (low, high), first, second };
    let name = format!("plan, {resources} x 2 resources: component / native");
    // Compiled code is kept in a folder of ours alone, or not at all.
    let ours = fs::Permissions::from_mode(0o700);
    let cache = tempfile::Builder::new().permissions(ours).tempdir()?;
    // Who compiles takes a GB, and gives it to whoever asks next.
    Whole::of(PART, cache.path())?;
    let (small, whole) =
        (Whole::of(resources / GROWTH, cache.path())?, Whole::of(resources, cache.path())?);
    let more = f64::from(u32::try_from(GROWTH)?);
    let growth = (whole.seconds / small.seconds).ln() / more.ln();
    // What n log n comes to between the two.
    let count = f64::from(u32::try_from(resources)?);
    let most = 1.0 + (count.ln() / (count / more).ln()).ln() / more.ln();
    let used = whole.seconds / whole.wall;
    let megabytes = format!("{} MB in all", short(whole.megabytes));
    let took = format!("{} s by the clock", short(whole.wall));
    Ok(vec![
        Measure::of(name, ratio).at_most(1.7, 1.4),
        Measure::new("the same: the host's planner, all told / native", whole.seconds / native)
            .detail(took),
        Measure::new(
            format!("growth, {} to {resources} x 2: the power", resources / GROWTH),
            growth,
        )
        .at_most(most, 1.0),
        Measure::new("cores that a plan uses, of those that it is given", used).at_least(1.6, 1.9),
        Measure::new("memory that a plan adds, bytes for each of its input", whole.added)
            .at_most(1.3, 1.2)
            .detail(megabytes),
    ])
}

/// A plan, made in a process of its own.
struct Whole {
    /// The processor's, of all threads.
    seconds: f64,
    /// By the clock on the wall.
    wall: f64,
    /// Bytes that it added for each byte of its input.
    added: f64,
    /// The most that the process had, with its input.
    megabytes: f64,
}

impl Whole {
    fn of(resources: usize, cache: &Path) -> Result<Self, Box<dyn Error>> {
        let mut program = Command::new(env::current_exe()?);
        let output = program.args(["populations", &resources.to_string()]).arg(cache).output()?;
        let text = String::from_utf8(output.stdout)?;
        let numbers: Vec<f64> =
            text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let [seconds, wall, added, megabytes] = numbers.as_slice() else {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        };
        let (seconds, wall, added, megabytes) = (*seconds, *wall, *added, *megabytes);
        Ok(Self { seconds, wall, added, megabytes })
    }
}

/// Plans in this process, and prints how long it took, by the processor and by the clock, how much memory it added for each byte of its input, and how much the process had.
///
/// # Errors
///
/// As [`measure`].
pub(crate) fn make(resources: usize, cache: &Path) -> Result<(), Box<dyn Error>> {
    let settings = settings();
    let options = GuestOptions { cache: Some(cache.to_owned()), ..GuestOptions::default() };
    let planner = Planner {
        planning: PlanningGuest::load(PLANNING_COMPONENT, &options)?,
        guest: Guest::embedded_with(&options)?,
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
    let (before, began, since) = (kilobytes("VmRSS:")?, clock::of_process(), Instant::now());
    black_box(planner.plan(&populations)?);
    let (wall, seconds) = (since.elapsed(), clock::of_process() - began);
    let most = kilobytes("VmHWM:")?;
    let added = 1024.0 * (most - before) / f64::from(u32::try_from(bytes)?);
    println!("{} {} {added} {}", seconds.as_secs_f64(), wall.as_secs_f64(), 1024.0 * most / 1e6);
    Ok(())
}

/// Writes both sides into a folder, for `replaysafe plan`.
///
/// # Errors
///
/// Where they cannot be written.
pub(crate) fn write(resources: usize, folder: &Path) -> Result<(), Box<dyn Error>> {
    for (name, of) in
        [("desired.ndjson", desired as fn(usize) -> String), ("observed.ndjson", observed)]
    {
        let mut file = BufWriter::new(File::create_new(folder.join(name))?);
        for number in 0..resources {
            writeln!(file, "{}", of(number))?;
        }
        file.flush()?;
    }
    Ok(())
}

fn kilobytes(name: &str) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A part as the host's planner makes them.
fn part(number: usize, size: usize) -> Part {
    let (desired, observed) = resources(number * size..(number + 1) * size);
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
    (numbers.clone().map(desired).collect(), numbers.rev().map(observed).collect())
}

fn desired(number: usize) -> String {
    user(number, "Engineer", "")
}

fn observed(number: usize) -> String {
    let title = if number.is_multiple_of(100) { "Principal" } else { "Engineer" };
    user(number, title, &format!(r#""id":"6f1c{number:08x}","#))
}

fn user(number: usize, title: &str, id: &str) -> String {
    format!(
        r#"{{"active":true,"displayName":"Augusta Lovelace {number}","emails":[{{"primary":true,"type":"work","value":"person{number}@example.com"}}],"externalId":"00u{number:017}",{id}"name":{{"familyName":"Lovelace","formatted":"Augusta Lovelace","givenName":"Augusta"}},"preferredLanguage":"en-GB","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"title":"{title}","userName":"person{number}@example.com"}}"#
    )
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

/// Resources on each side of a part: as many as the host's planner puts into one, by their size.
const PART: usize = 150;

/// Growth is told from a hundredth of the population on.
const GROWTH: usize = 100;
