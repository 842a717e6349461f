//! Simulates: runs schedules, says how fast and which laws do not hold; tells one of them; shows what finds a missing rule.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]

mod ablation;
mod check;
mod memory;

use std::{
    collections::BTreeMap,
    num::NonZero,
    panic::resume_unwind,
    process::ExitCode,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use ablation::Keep;
use replaysafe_tests::{
    figures,
    sim::{
        auditor::Violation,
        decider::Decider,
        rule::Rule,
        schedule::{self, Worlds},
    },
};

const USAGE: &str = "\
usage: replaysafe-prove run FIRST COUNT [shared] [RULE [off]]   schedules of these seeds
       replaysafe-prove trace SEED [shared] [RULE [off]]        one schedule, step by step
       replaysafe-prove power MOST [RULE]                       is each rule missed within MOST schedules?
       replaysafe-prove check [deep] [SECONDS] [SCENE...] [RULE]  every order of events of small scenes; each for so long; without RULE
       replaysafe-prove ablation [COUNT [keep]]                 which law breaks without which rule on which target?
       replaysafe-prove check power [RULE...]                   is each rule missed in some scene?
       replaysafe-prove note CHECK SECONDS FIGURE UNIT...       notes what another program has found, where REPLAYSAFE_FIGURES is set
       replaysafe-prove report                                  the table of all that was noted, and target/prove/report.json
`shared`: several gateways on one ledger, leases lapse. RULE: worlds that need it; `off`: without it.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let done = match words.as_slice() {
        ["run", first, count, rest @ ..] => number(first)
            .zip(number(count))
            .zip(worlds(rest))
            .map(|((first, count), worlds)| run(first, count, worlds)),
        ["trace", seed, rest @ ..] => {
            number(seed).zip(worlds(rest)).map(|(seed, worlds)| trace(seed, worlds))
        }
        ["power", most, rest @ ..] => {
            number(most).zip(worlds(rest)).map(|(most, worlds)| power(most, worlds.about))
        }
        ["check", rest @ ..] => check::run(rest),
        ["note", check, seconds, rest @ ..] => {
            seconds.parse().ok().and_then(|seconds| note_words(check, seconds, rest))
        }
        ["report"] => Some(report()),
        ["ablation"] => Some(ablation::run(ablation::COUNT, Keep::That)),
        ["ablation", count] => number(count).map(|count| ablation::run(count, Keep::That)),
        ["ablation", count, "keep"] => number(count).map(|count| ablation::run(count, Keep::This)),
        _ => None,
    };
    match done {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The words after the numbers; none if one of them is unknown.
fn worlds(words: &[&str]) -> Option<Worlds> {
    let mut worlds = Worlds::default();
    for word in words {
        match *word {
            "shared" => worlds.shared = true,
            "off" => worlds.off = true,
            word => match replaysafe_tests::sim::ablation::profile(word) {
                Some(profile) => worlds.profile = Some(profile),
                None => {
                    worlds.about = Some(Rule::ALL.into_iter().find(|rule| rule.word() == word)?);
                }
            },
        }
    }
    Some(worlds)
}

/// What became of some schedules.
#[derive(Default)]
struct Sum {
    steps: u64,
    calls: u64,
    /// The seeds that break a law, with what they break.
    found: BTreeMap<u64, Violation>,
}

fn run(first: u64, count: u64, worlds: Worlds) -> bool {
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let end = first.saturating_add(count);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let sum = thread::scope(|scope| {
        let work = || {
            let mut core = Decider::default();
            let mut sum = Sum::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if end <= seed {
                    return Sum { calls: core.calls, ..sum };
                }
                let outcome = schedule::run(seed, worlds, &mut core, &mut |_, _, _| {});
                sum.steps += u64::from(outcome.steps);
                sum.found.extend(outcome.violation.map(|violation| (seed, violation)));
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut all = Sum::default();
        for worker in workers {
            let one = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            all.steps += one.steps;
            all.calls += one.calls;
            all.found.extend(one.found);
        }
        all
    });
    let shared = if worlds.shared { " shared" } else { "" };
    let about = worlds.about.map_or(String::new(), |rule| format!(" {}", rule.word()));
    let off = if worlds.off { " off" } else { "" };
    let mut laws = BTreeMap::<&str, u64>::new();
    for (seed, violation) in &sum.found {
        let times = laws.entry(violation.law).or_default();
        *times += 1;
        if *times <= SHOWN_MOST {
            println!("seed {seed}: {violation}\n  {COMMAND} trace {seed}{shared}{about}{off}");
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = u128::from(count) * 1_000 / began.elapsed().as_millis().max(1);
    println!(
        "{count} schedules{shared}, {} steps, {} calls of the core, {seconds:.1} s: {rate} schedules/s",
        sum.steps, sum.calls
    );
    println!("laws that do not hold: {laws:?}");
    let broken = sum.found.len() as u64;
    match (worlds.about, worlds.shared) {
        (Some(_), _) => {}
        (None, false) => note("schedules", seconds, &[("schedules", count), (BROKEN, broken)]),
        (None, true) => {
            note("shared", seconds, &[("schedules on a shared ledger", count), (BROKEN, broken)]);
        }
    }
    sum.found.is_empty()
}

fn trace(seed: u64, worlds: Worlds) -> bool {
    let world = schedule::world(seed, worlds);
    println!("{:?}\n{} {:?}", world.setup.profile, world.setup.policy, world.budget);
    println!("{} gateways; the target has {:?}", world.setup.gateways, world.target.store);
    for (number, intent) in world.setup.intents.iter().enumerate() {
        println!("wish {number} of client {}: {intent}", intent.client);
    }
    let mut core = Decider::default();
    let outcome = schedule::run(seed, worlds, &mut core, &mut |world, action, events| {
        println!("{:>9} {action}", world.now);
        for event in events {
            println!("            {event}");
        }
    });
    match &outcome.violation {
        Some(violation) => println!("{violation}"),
        None => println!("every law holds, after {} steps", outcome.steps),
    }
    outcome.violation.is_none()
}

fn power(most: u64, only: Option<Rule>) -> bool {
    let began = Instant::now();
    let mut missing = 0;
    for rule in Rule::ALL.into_iter().filter(|rule| only.is_none_or(|only| only == *rule)) {
        let mut core = Decider::default();
        match schedule::power(rule, rule.needs_sharing(), most, &mut core) {
            Some(power) => println!(
                "{:<18} missed after {:>5} schedules; {} of {} break {:?} without it, {} with it ({})",
                rule.word(),
                power.first,
                power.without,
                power.schedules,
                rule.kept_by(),
                power.with,
                rule.counterexamples()
            ),
            None => {
                missing += 1;
                println!("{:<18} NOT MISSED in {most} schedules", rule.word());
            }
        }
    }
    if only.is_none() && most <= POWER_MOST {
        let seconds = began.elapsed().as_secs_f64();
        note("power", seconds, &[("rules not missed within 500000 schedules", missing)]);
    }
    missing == 0
}

/// Notes figures for the table; that the table is not whole otherwise is seen there.
pub(crate) fn note(check: &str, seconds: f64, figures: &[(&str, u64)]) {
    if let Err(error) = figures::note(check, seconds, figures) {
        eprintln!("replaysafe-prove: the figures of `{check}` are not noted: {error}");
    }
}

/// Notes the figures that another program has printed.
fn note_words(check: &str, seconds: f64, words: &[&str]) -> Option<bool> {
    let (pairs, rest) = words.as_chunks::<2>();
    let figures: Option<Vec<(&str, u64)>> =
        pairs.iter().map(|[figure, unit]| Some((*unit, figure.parse().ok()?))).collect();
    let figures = figures.filter(|figures| rest.is_empty() && !figures.is_empty())?;
    let noted = figures::note(check, seconds, &figures);
    if let Err(error) = &noted {
        eprintln!("replaysafe-prove: {error}");
    }
    Some(noted.is_ok())
}

fn report() -> bool {
    match figures::report() {
        Ok((table, met)) => {
            print!("{table}");
            met
        }
        Err(error) => {
            eprintln!("replaysafe-prove: the report is not written: {error}");
            false
        }
    }
}

/// Does something to each, on all cores.
pub(crate) fn at_once<T: Sync>(all: &[T], each: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let work = || {
            while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                each(one);
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// What runs this program again, to look at one schedule.
const COMMAND: &str = "cargo run -q --profile prove --locked -p replaysafe-tests --no-default-features --bin replaysafe-prove --";

const BROKEN: &str = "schedules that break a law";

/// A rule has to be missed within so many schedules.
const POWER_MOST: u64 = 500_000;

/// Two schedules of each law that does not hold are shown.
const SHOWN_MOST: u64 = 2;
