//! The model checker itself: it sees what can be counted by hand, finds what is planted, and takes nothing
//! for the same that has another future.

#![expect(clippy::expect_used, reason = "a test may fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use replaysafe_tests::sim::{
    check::{
        self, Limits, Report,
        scene::{self, Scene},
        shorten::shorten,
        state::{Healed, State},
    },
    decider::Decider,
    rule::Rule,
};

/// Nothing goes wrong, so nothing branches. What is not alone is a state: the message on its way; before each
/// of two looks into the ledger, of two searches, and of the decision; the call on its way, and its answer;
/// before the look into the ledger, the look at the resource, the ledger again and the settlement; the end.
#[test]
fn one_create_has_thirteen_states() {
    let report = all(&named("two-keys", 1), None);
    assert_eq!((report.states, report.leaves, report.complete), (13, 1, true));
}

/// Where the call is on its way the target may refuse it. Then there are three more: before the ledger is
/// looked into, before the settlement, and the other end.
#[test]
fn one_create_that_may_be_refused_has_sixteen_states() {
    let mut scene = named("two-keys", 1);
    scene.budget.refusals = 1;
    scene.statuses = &[400];
    let report = all(&scene, None);
    assert_eq!((report.states, report.leaves, report.complete), (16, 2, true));
}

/// `cx_late_apply`: the client gives up, nothing is found, it is sent again, and then the first call lands.
#[test]
fn a_planted_bug_is_found_and_made_short() {
    let scene = named("create-lost", 1);
    let found = all(&scene, Some(Rule::WaitForCalls)).found;
    let found = found.expect("nobody waits for a call that was cut off");
    assert_eq!(found.violation.law, "at-most-one");
    let short = shorten(&scene, Some(Rule::WaitForCalls), found.clone());
    assert_eq!(short.violation.law, "at-most-one");
    assert!(short.actions.len() <= found.actions.len());
    // The same actions break nothing where the rule is on.
    let mut state = State::begin(&scene, None);
    let mut core = Decider::default();
    for action in short.actions {
        let broken = state.act(action, &mut core, &mut |_, _, _| {});
        assert_eq!(broken, Ok(()), "{action}");
    }
}

#[test]
fn a_search_is_the_same_each_time() {
    let scene = named("create-lost", 1);
    let sums = |report: &Report| (report.states, report.healing, report.steps, report.depth);
    let (first, second) = (all(&scene, None), all(&scene, None));
    assert_eq!(sums(&first), sums(&second));
    assert!(first.complete && first.found.is_none());
}

/// Whether everything comes to rest from each state by itself, or by the states that come next.
#[test]
fn what_comes_to_rest_later_comes_to_rest() {
    let check = |name: &str, wishes: usize, off: Option<Rule>, law: Option<&str>| {
        let scene = named(name, wishes);
        for probes in [0, 10, u64::MAX] {
            let report = all_with(&scene, off, probes);
            let found = report.found.map(|found| found.violation.law);
            assert_eq!(found, law, "{name} with {probes} probes");
            assert!(report.complete || law.is_some(), "{name} is seen whole");
        }
    };
    check("create-lost", 1, None, None);
    check("create-delete", 2, None, None);
    check("create-lost", 1, Some(Rule::Scan), None);
    check("switch-twice", 2, Some(Rule::Scan), Some("everything-is-answered"));
}

/// Whatever counts as one state has one set of successors, and breaks the same law or none.
#[test]
fn states_that_are_one_have_one_future() {
    check_futures("create-lost", 1, None);
    check_futures("create-refused", 2, None);
    check_futures("create-forgotten", 1, Some(Rule::NeverForget));
    check_futures("shared-two-names", 2, Some(Rule::Fence));
    check_futures("grant-stacks", 2, None);
    check_futures("create-delete", 2, None);
    check_futures("duplicates", 2, None);
    check_futures("parked", 2, None);
    check_futures("create-delete-crossing", 2, Some(Rule::Fence));
}

#[test]
fn every_scene_says_what_it_is_for() {
    let scenes = scene::scenes();
    let names: BTreeSet<&str> = scenes.iter().map(|scene| scene.name).collect();
    assert_eq!(names.len(), scenes.len(), "two scenes have one name");
    let missed: BTreeSet<Rule> = scenes.iter().flat_map(|scene| scene.misses).copied().collect();
    // That a revocation waits too long takes more requests than a scene has: random schedules find it.
    let mut rules = BTreeSet::from(Rule::ALL);
    rules.remove(&Rule::SafeWay);
    // No scene states a secret; every schedule has some.
    rules.remove(&Rule::Lift);
    rules.remove(&Rule::Credential);
    assert_eq!(missed, rules, "each rule is missed somewhere");
    assert!(scenes.iter().all(|scene| !scene.misses.is_empty()), "each scene can fail");
}

fn named(name: &str, wishes: usize) -> Scene {
    let mut scenes = scene::scenes();
    scenes.retain(|scene| scene.name == name);
    let mut scene = scenes.pop().expect("the scene is known");
    scene.intents.truncate(wishes);
    scene
}

fn all(scene: &Scene, off: Option<Rule>) -> Report {
    all_with(scene, off, u64::MAX)
}

fn all_with(scene: &Scene, off: Option<Rule>, probes: u64) -> Report {
    check::check(scene, off, Limits { states: 300_000, time: Duration::from_secs(600), probes })
}

/// What comes after a state: the successors, or the laws that break on the way to them.
type Future = BTreeSet<Result<u128, &'static str>>;

fn check_futures(name: &str, wishes: usize, off: Option<Rule>) {
    let scene = named(name, wishes);
    let mut core = Decider::remembering();
    let mut futures = BTreeMap::<u128, Future>::new();
    let mut begin = State::begin(&scene, off);
    settle(&mut begin, &mut core).expect("nothing has happened");
    let mut states = vec![begin];
    let mut met_again = 0;
    while let Some(state) = states.pop() {
        let mut actions = Vec::new();
        state.choices(&mut actions);
        let mut future: Future = BTreeSet::new();
        let mut next = Vec::new();
        for action in actions {
            let mut after = state.clone();
            let acted = after
                .act(action, &mut core, &mut |_, _, _| {})
                .and_then(|()| settle(&mut after, &mut core));
            match acted {
                Ok(()) => {
                    future.insert(Ok(after.digest()));
                    next.push(after);
                }
                Err(broken) => {
                    future.insert(Err(broken.law));
                }
            }
        }
        let healed = state.clone().heal(&mut core, &mut Healed::default(), &mut |_, _, _| {});
        future.insert(healed.map(|_| 0).map_err(|(broken, _)| broken.law));
        let digest = state.digest();
        if let Some(known) = futures.get(&digest) {
            assert_eq!(*known, future, "{name}: one state, two futures");
            met_again += 1;
            continue;
        }
        futures.insert(digest, future);
        states.extend(next);
        if STATES_MOST < futures.len() {
            break;
        }
    }
    assert!(0 < met_again, "{name}: nothing was met twice");
}

fn settle(
    state: &mut State,
    core: &mut Decider,
) -> Result<(), replaysafe_tests::sim::auditor::Violation> {
    let mut actions = Vec::new();
    while let Some(action) = state.forced(core, &mut actions) {
        state.act(action, core, &mut |_, _, _| {})?;
    }
    Ok(())
}

/// Enough to meet most states of a scene twice, in seconds.
const STATES_MOST: usize = 3_000;
