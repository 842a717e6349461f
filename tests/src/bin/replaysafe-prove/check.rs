//! Shows what a search through every order of events has seen, and how to see again what it has found.

use std::{
    cmp::Reverse,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use replaysafe_tests::sim::{
    check::{
        self, Limits, Report,
        scene::{self, Scene},
        shorten::shorten,
        state::{Found, Healed, State},
    },
    decider::Decider,
    rule::Rule,
    world::{Action, Event, World},
};

use crate::{at_once, note};

/// Gives whether everything is as it should be; none if a word is unknown.
pub(crate) fn run(words: &[&str]) -> Option<bool> {
    let rule = |word: &&str| Rule::ALL.into_iter().find(|rule| rule.word() == *word);
    if let ["power", rest @ ..] = words {
        let rules: Option<Vec<Rule>> = rest.iter().map(rule).collect();
        return rules.map(|rules| power(&rules));
    }
    let deep = words.contains(&"deep");
    let all = if deep { scene::deep() } else { scene::scenes() };
    let mut off = None;
    let mut scenes = Vec::new();
    let mut time = if deep { DEEP } else { SHALLOW };
    for word in words.iter().filter(|word| **word != "deep") {
        match (all.iter().find(|scene| scene.name == *word), word.parse()) {
            (Some(scene), _) => scenes.push(scene.clone()),
            (None, Ok(seconds)) => time = Duration::from_secs(seconds),
            (None, Err(_)) => off = Some(rule(word)?),
        }
    }
    let scenes = if scenes.is_empty() { all } else { scenes };
    let sum = show(scenes, off, Limits { states: STATES_MOST, time, probes: PROBES });
    // A scene that is cut short is not as it should be; what `deep` adds is seen as far as it goes.
    Some(sum.broken == 0 && (deep || sum.cut == 0))
}

/// Looks into each scene, several at once, and shows what was seen.
fn show(mut scenes: Vec<Scene>, off: Option<Rule>, limits: Limits) -> Sum {
    let began = Instant::now();
    // The largest first: no core is left with one of them at the end.
    scenes.sort_by_key(|scene| Reverse(scene::states(scene.name)));
    let sum = Mutex::new(Sum::default());
    at_once(&scenes, |scene| {
        let report = check::check(scene, off, limits);
        let line = line(scene.name, &report);
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.states += report.states;
        sum.healing += report.healing;
        sum.steps += report.steps;
        if report.complete {
            sum.whole += 1;
            sum.states_whole += report.states;
        } else if report.found.is_none() {
            sum.cut += 1;
        }
        println!("{line}");
        if let Some(found) = report.found {
            sum.broken += 1;
            tell(scene, off, shorten(scene, off, found));
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} of {} scenes seen whole with {} states; {} states, {} more on the way to rest, {} steps, {seconds:.1} s: a law breaks in {}",
        sum.whole,
        scenes.len(),
        sum.states_whole,
        sum.states,
        sum.healing,
        sum.steps,
        sum.broken
    );
    if off.is_none() && scenes.len() == scene::scenes().len() {
        let figures = [
            (STATES, sum.states_whole),
            ("scenes cut short", sum.cut),
            ("laws broken or requests stuck", sum.broken),
        ];
        note("check", seconds, &figures);
    }
    sum
}

/// What was seen of all scenes.
#[derive(Default)]
struct Sum {
    /// How many were seen to their end, and their states.
    whole: u64,
    states_whole: u64,
    cut: u64,
    states: u64,
    healing: u64,
    steps: u64,
    broken: u64,
}

fn line(name: &str, report: &Report) -> String {
    let end = match (&report.found, report.complete) {
        (Some(found), _) => found.violation.law,
        (None, true) => "complete",
        (None, false) => "CUT",
    };
    format!(
        "{name:<24} {:>8} states {:>6} ends {:>8} to rest {:>9} steps {:>7} calls depth {:>4} {:>6.1} s  {end}",
        report.states,
        report.leaves,
        report.healing,
        report.steps,
        report.calls,
        report.depth,
        report.time.as_secs_f64(),
    )
}

/// The actions that break a law, and all that they bring about.
fn tell(scene: &Scene, off: Option<Rule>, found: Found) {
    println!("{}: {}", scene.name, found.violation);
    println!("{:?} {:?} {:?}", scene.profile, scene.store, scene.policy);
    for (number, intent) in scene.intents.iter().enumerate() {
        println!("wish {number} of client {}: {intent}", intent.client);
    }
    let mut core = Decider::default();
    let mut state = State::begin(scene, off);
    let mut trace = |world: &World, action: Action, events: &[Event]| {
        println!("{:>9} {action}", world.now);
        for event in events {
            println!("            {event}");
        }
    };
    for action in found.actions {
        if state.act(action, &mut core, &mut trace).is_err() {
            return;
        }
    }
    println!("          faults stop");
    drop(state.heal(&mut core, &mut Healed::default(), &mut trace));
}

/// Whether a law breaks in each scene without each of the rules that it is there for.
fn power(rules: &[Rule]) -> bool {
    let began = Instant::now();
    let all = scene::scenes();
    let of = |scene: &Scene| scene.misses.iter().copied();
    let pairs: Vec<(Rule, &Scene)> = all
        .iter()
        .flat_map(|scene| of(scene).map(move |rule| (rule, scene)))
        .filter(|(rule, _)| rules.is_empty() || rules.contains(rule))
        .collect();
    let missed = Mutex::new(Vec::new());
    at_once(&pairs, |(rule, scene)| {
        let report = check::check(scene, Some(*rule), POWER);
        let law = report.found.map(|found| found.violation.law);
        let mut missed = missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.push((rule.word(), scene.name, law, report.states));
    });
    let mut missed = missed.into_inner().unwrap_or_else(PoisonError::into_inner);
    missed.sort_unstable();
    for (rule, scene, law, states) in &missed {
        let law = law.unwrap_or("NOT MISSED");
        println!("without {rule:<18} {scene:<24} {law} after {states} states");
    }
    let not = missed.iter().filter(|(_, _, law, _)| law.is_none()).count();
    if rules.is_empty() {
        let seconds = began.elapsed().as_secs_f64();
        note("check-power", seconds, &[("rules that no scene misses", not as u64)]);
    }
    not == 0
}

const STATES: &str = "states of scenes seen whole";

/// Ten times what the largest scene of `make check` takes of a core that others use too.
const SHALLOW: Duration = Duration::from_secs(3_600);

/// One of `make check-deep` may take hours: with this it ends within a day on two cores.
const DEEP: Duration = Duration::from_secs(3_600);

/// 16 bytes each, twice, with room: some 8 GiB at most.
const STATES_MOST: u64 = 100_000_000;

/// What is missed is missed soon.
const POWER: Limits = Limits { states: 300_000, time: Duration::from_secs(600), probes: u64::MAX };

/// Most laws that break do so within so many states.
const PROBES: u64 = 50_000;
