//! Shows what a search through every order of events has seen, and how to see again what it has found.

use std::{
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

use crate::at_once;

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
    for word in words.iter().filter(|word| **word != "deep") {
        match all.iter().find(|scene| scene.name == *word) {
            Some(scene) => scenes.push(scene.clone()),
            None => off = Some(rule(word)?),
        }
    }
    let scenes = if scenes.is_empty() { all } else { scenes };
    let time = if deep { DEEP } else { SHALLOW };
    Some(show(&scenes, off, Limits { states: STATES_MOST, time }))
}

/// Looks into each scene, several at once, and shows what was seen.
fn show(scenes: &[Scene], off: Option<Rule>, limits: Limits) -> bool {
    let began = Instant::now();
    let sum = Mutex::new((0, 0, 0, true));
    at_once(scenes, |scene| {
        let report = check::check(scene, off, limits);
        let line = line(scene.name, &report);
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        let (states, healing, steps, all) = &mut *sum;
        *states += report.states;
        *healing += report.healing;
        *steps += report.steps;
        *all &= report.complete;
        println!("{line}");
        if let Some(found) = report.found {
            tell(scene, off, shorten(scene, off, found));
        }
    });
    let (states, healing, steps, all) = *sum.lock().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{} scenes, {states} states, {healing} more on the way to rest, {steps} steps, {:.1} s{}",
        scenes.len(),
        began.elapsed().as_secs_f64(),
        if all { ": all complete, every law holds" } else { ": NOT all is well" }
    );
    all
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

/// Whether some scene misses each rule, and each scene some rule.
fn power(rules: &[Rule]) -> bool {
    let all = scene::scenes();
    let rules = if rules.is_empty() { &Rule::ALL } else { rules };
    let pairs: Vec<(Rule, &Scene)> =
        rules.iter().flat_map(|rule| all.iter().map(|scene| (*rule, scene))).collect();
    let found = Mutex::new(Vec::new());
    at_once(&pairs, |(rule, scene)| {
        let report = check::check(scene, Some(*rule), POWER);
        if let Some(broken) = report.found {
            println!("FOUND {} {} {} {}", rule.word(), scene.name, broken.violation.law, report.states);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push((*rule, scene.name, broken.violation.law, report.states));
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort();
    let mut well = true;
    for rule in rules {
        let of = found.iter().filter(|(one, ..)| one == rule);
        let of: Vec<String> =
            of.map(|(_, scene, law, states)| format!("{scene} ({law}, {states})")).collect();
        well &= !of.is_empty();
        println!("{:<18} {}", rule.word(), if of.is_empty() { "NOT MISSED".into() } else { of.join(", ") });
    }
    for scene in &all {
        if !found.iter().any(|(_, name, ..)| *name == scene.name) {
            well = false;
            println!("{} MISSES NOTHING", scene.name);
        }
    }
    well
}

/// A scene of `make check` is complete within two minutes.
const SHALLOW: Duration = Duration::from_secs(300);

/// One of `make check-deep` takes hours.
const DEEP: Duration = Duration::from_secs(4 * 3_600);

/// 16 bytes each, twice, with room: some 8 GiB at most.
const STATES_MOST: u64 = 100_000_000;

/// What is missed is missed soon.
const POWER: Limits = Limits { states: 300_000, time: Duration::from_secs(3) };
