//! Laws of the decisions, on made-up requests and faults: what a case of the corpus says of one holds of any.
//!
//! Each law has one name wherever it is checked; [`LAWS`] says where that is.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use proptest::prelude::*;
use replaysafe_core::types::{Answer, Divergence, Evidence, Field, Stage, Verdict};
use replaysafe_tests::{
    script,
    subject::Subject,
    world::{End, World},
};
use serde_json::json;

/// The laws, and the files that check them.
const LAWS: [(&str, &[&str]); 18] = [
    ("replay-is-identical", &["tests/tests/laws.rs", "tests/src/sim/auditor.rs"]),
    ("one-effect-per-key", &["tests/tests/laws.rs", "tests/src/sim/auditor.rs"]),
    ("nothing-blocks-a-revocation", &["tests/tests/laws.rs", "tests/src/sim/auditor.rs"]),
    ("mismatch-never-acts", &["tests/tests/laws.rs", "tests/src/sim/auditor.rs"]),
    (
        "stage-never-moves-back",
        &["tests/tests/laws.rs", "tests/src/sim/auditor.rs", "host/src/ledger/sqlite/tests.rs"],
    ),
    (
        "fence-never-shrinks",
        &["tests/tests/laws.rs", "tests/src/sim/auditor.rs", "host/src/ledger/sqlite/tests.rs"],
    ),
    ("absence-needs-proof", &["tests/tests/laws.rs", "tests/src/sim/auditor.rs"]),
    ("no-success-without-evidence", &["tests/tests/laws.rs", "tests/src/sim/auditor.rs"]),
    ("decide-is-a-fixpoint", &["tests/tests/laws.rs", "guest/core/tests/laws.rs"]),
    ("deleted-stays-deleted", &["tests/tests/laws.rs", "tests/src/sim/auditor.rs"]),
    ("later-version-wins", &["tests/tests/laws.rs", "tests/src/sim/auditor.rs"]),
    ("one-writer-per-name", &["tests/src/sim/auditor.rs", "host/src/ledger/lease.rs"]),
    ("plan-is-a-fixpoint", &["tests/tests/plan.rs"]),
    ("plan-ignores-order", &["tests/tests/plan.rs"]),
    (
        "native-equals-component",
        &["tests/tests/laws.rs", "tests/tests/corpus.rs", "tests/tests/plan.rs"],
    ),
    ("convert-round-trips", &["tests/src/typed.rs", "tests/tests/shapes.rs"]),
    ("honest-ledgers-audit-clean", &["host/src/ledger/sqlite/tests.rs"]),
    ("every-tampering-is-noted", &["host/src/ledger/sqlite/tests.rs"]),
];

#[test]
fn each_law_is_checked_where_it_is_said() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent");
    for (law, files) in LAWS {
        for file in files {
            let text = fs::read_to_string(root.join(file)).expect(file);
            let name = law.replace('-', "_");
            let checked = match *file {
                "tests/tests/laws.rs" => text.contains(&format!("fn {name}(")),
                _ => text.contains(law) || text.contains(&name),
            };
            assert!(checked, "{file} does not check {law}");
        }
    }
}

/// D and L of the built-in profile (S40).
const D: u64 = 15_000;
const L: u64 = 2_000;

/// The replay window of the default policy (S2a).
const WINDOW: u64 = 120_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// `decide-is-a-fixpoint`: what was carried out and is asked again, under another key, sends nothing (S19, S25).
    #[test]
    fn decide_is_a_fixpoint(user in user(), ops in operations()) {
        let mut world = with(&user);
        let first = told(ask(&mut world, &patch(&ops, "k1"), ""));
        prop_assert!(matches!(first.verdict, Verdict::Done | Verdict::AlreadySatisfied), "{:?}", first);
        let effects = world.target.effects;
        prop_assert_eq!(first.changed, effects == 1);
        let second = told(ask(&mut world, &patch(&ops, "k2"), ""));
        prop_assert_eq!(second.verdict, Verdict::AlreadySatisfied);
        prop_assert_eq!(world.target.effects, effects);
    }

    /// `mismatch-never-acts` (S4, S9): under a key that was used nothing is sent, whatever is asked.
    #[test]
    fn mismatch_never_acts(user in user(), one in operations(), other in operations()) {
        let mut world = with(&user);
        ask(&mut world, &patch(&one, "k1"), "");
        let effects = world.target.effects;
        let second = told(ask(&mut world, &patch(&other, "k1"), ""));
        prop_assert!(second.replayed || second.verdict == Verdict::KeyReused, "{:?}", second);
        prop_assert!(one != other || second.replayed);
        if let ([one], [other]) = (one.as_slice(), other.as_slice()) {
            prop_assert_eq!(one == other, second.replayed);
        }
        prop_assert_eq!(world.target.effects, effects);
    }

    /// `no-success-without-evidence` (S11): who is told that it is so, finds it so.
    #[test]
    fn no_success_without_evidence(fault in fault(), rounds in 1_usize..5) {
        let mut world = with(&json!({ "userName": "ann", "title": "old" }));
        let body = patch(&[r#"{"op":"replace","path":"title","value":"new"}"#.into()], "k1");
        let mut end = ask(&mut world, &body, &fault);
        for _ in 0..rounds {
            if let End::Told(answer) = &end
                && is_success(answer.verdict)
            {
                prop_assert_ne!(answer.evidence, Evidence::None);
                let read = answer.evidence == Evidence::Read;
                prop_assert!(!read || shown(&world, "title") == "new", "{} {:?}", fault, answer);
                prop_assert!(read || answer.verdict == Verdict::AcceptedUnverified);
            }
            world.pass(D / 2);
            world.scan();
            end = ask(&mut world, &body, "");
        }
    }

    /// `absence-needs-proof` (S14): a create is sent again once D and L have passed, and not before; a longer lag never lets it go sooner.
    #[test]
    fn absence_needs_proof(waited in 0_u64..60_000, lag in 0_u64..40_000) {
        let mut world = World::new(Subject::native());
        let lag_ms = Field { name: "search-lag-ms".into(), value: lag.to_string() };
        world.settings.profile.push(lag_ms);
        ask(&mut world, CREATE, "dropped");
        world.pass(waited);
        world.scan();
        let again = D + lag <= waited;
        prop_assert_eq!(world.target.effects, if again { 2 } else { 1 });
    }

    /// `absence-needs-proof` (S14): what is there is found at once, at any time, and never made again.
    #[test]
    fn a_positive_look_never_turns_into_a_create(late in 0_u64..D, waits in prop::collection::vec(0_u64..20_000, 1..6)) {
        let mut world = World::new(Subject::native());
        ask(&mut world, CREATE, &format!("late={late}"));
        for wait in waits {
            world.pass(wait);
            world.scan();
            ask(&mut world, CREATE, "");
            prop_assert_eq!(world.target.effects, 1);
        }
        world.pass(D + L);
        world.scan();
        let end = told(ask(&mut world, CREATE, ""));
        prop_assert_eq!(end.verdict, Verdict::Adopted);
        prop_assert_eq!(world.target.of("User").count(), 1);
    }

    /// S12, S13: whatever befalls a create, there is one account at most, and exactly one where success is told.
    #[test]
    fn a_create_makes_one(fault in fault(), killed in any::<bool>(), waits in prop::collection::vec(0_u64..20_000, 1..6)) {
        let mut world = World::new(Subject::native());
        let mut end = ask(&mut world, CREATE, &with_kill(&fault, killed));
        for wait in waits {
            let count = world.target.of("User").count();
            prop_assert!(count <= 1, "{} accounts after {}", count, fault);
            if let End::Told(answer) = &end
                && is_success(answer.verdict)
                && answer.verdict != Verdict::AcceptedUnverified
            {
                prop_assert_eq!(count, 1, "{:?}", answer);
            }
            world.pass(wait);
            world.scan();
            end = ask(&mut world, CREATE, "");
        }
    }

    /// `replay-is-identical` (S9): a receipt is told again as it was, whatever has changed since, and nothing is sent.
    #[test]
    fn replay_is_identical(wish in wish(), fault in fault(), waits in waits(), meddled in any::<bool>()) {
        let mut world = with(&json!({ "userName": "bob", "active": true }));
        let mut end = ask(&mut world, &wish, &fault);
        let mut receipt: Option<Answer> = None;
        for wait in waits {
            if let End::Told(answer) = end
                && (answer.replayed || is_success(answer.verdict))
            {
                let answer = Answer { replayed: false, diverged: Divergence::No, ..answer };
                let first = receipt.get_or_insert_with(|| answer.clone());
                prop_assert_eq!(&answer, &*first);
            }
            let effects = world.target.effects;
            world.pass(wait);
            world.scan();
            if meddled {
                ask(&mut world, &patch(&[r#"{"op":"add","path":"roles","value":[{"value":"z"}]}"#.into()], "k9"), "");
            }
            let before = world.target.effects;
            end = ask(&mut world, &wish, "");
            if receipt.is_some() {
                prop_assert_eq!(world.target.effects, before);
                prop_assert!(meddled || effects == before, "what is settled was sent by the scan");
            }
        }
    }

    /// `one-effect-per-key` (S9, S12, S13): an edge is given once, on a target that stacks, however often it is asked for.
    #[test]
    fn one_effect_per_key(fault in fault(), killed in any::<bool>(), waits in waits()) {
        let mut world = with(&json!({ "userName": "ann", "roles": [{ "value": "a" }] }));
        let body = patch(&[r#"{"op":"add","path":"roles","value":[{"value":"b"}]}"#.into()], "k1");
        let mut changed = BTreeSet::new();
        let mut end = ask(&mut world, &body, &with_kill(&fault, killed));
        for wait in waits {
            if let End::Told(answer) = end
                && answer.changed
            {
                changed.insert(answer.decision);
            }
            world.pass(wait);
            world.scan();
            end = ask(&mut world, &body, "");
            prop_assert!(edges(&world, "b") <= 1, "stacked after {}", fault);
            prop_assert!(changed.len() <= 1, "changed as {:?}", changed);
        }
    }

    /// `nothing-blocks-a-revocation` (S14c): it is told as done at once, and stays so, whatever is on its way before it.
    #[test]
    fn nothing_blocks_a_revocation(before in before(), taken in taking(), late in 0_u64..D) {
        let mut world = with(&json!({ "userName": "ann", "active": true, "roles": [{ "value": "a" }] }));
        if before.starts_with("post") {
            world.target.refuses_lists = true;
            world.target.silent_filters.push("userName".into());
        }
        let fault = if before.starts_with("post") { "dropped".to_owned() } else { format!("late={late}") };
        ask(&mut world, &before, &fault);
        if before.starts_with("post") {
            world.pass(D + L);
            world.scan();
            prop_assert_eq!(world.open(), 1, "it is parked");
        }
        let answer = told(ask(&mut world, &taken, ""));
        prop_assert!(matches!(answer.verdict, Verdict::Done | Verdict::AlreadySatisfied), "{:?}", answer);
        prop_assert!(!gives_access(&world, &taken), "at once");
        for _ in 0..12 {
            world.pass(2_000);
            world.scan();
        }
        prop_assert!(!gives_access(&world, &taken), "after D");
    }

    /// `deleted-stays-deleted` (S21): a repeat brings nobody back, nor does what was on its way.
    #[test]
    fn deleted_stays_deleted(fault in fault(), keyed in any::<bool>(), wait in 0_u64..40_000, waits in waits()) {
        let mut world = World::new(Subject::native());
        let create = format!("{CREATE}{}", if keyed { " key=k1" } else { "" });
        ask(&mut world, &create, &fault);
        world.pass(wait);
        world.scan();
        ask(&mut world, &create, "");
        prop_assume!(world.target.of("User").count() == 1);
        let id = world.target.of("User").next().expect("one")["id"].as_str().expect("text").to_owned();
        let answer = told(ask(&mut world, &format!("delete User/{id}"), ""));
        prop_assert_eq!(answer.verdict, Verdict::Done);
        // Without a key it is a new wish once the window has passed (S2a).
        let mut left = if keyed { u64::MAX } else { WINDOW };
        for wait in waits {
            left = left.saturating_sub(wait);
            if left == 0 {
                break;
            }
            world.pass(wait);
            world.scan();
            ask(&mut world, &create, "");
            prop_assert_eq!(world.target.of("User").count(), 0);
        }
    }

    /// `later-version-wins` (S20): of what a source numbers, and asks one value at a time, each value is as its latest version says, in whatever
    /// order, however often and however late its queue delivers. (Not where the target puts off what it has accepted: it may
    /// take the later first.)
    #[test]
    fn later_version_wins(wishes in prop::collection::vec(value(), 1..6), order in prop::collection::vec(any::<prop::sample::Index>(), 1..10), fault in fault_at_once(), waits in waits()) {
        let mut world = with(&json!({ "userName": "ann", "active": true, "roles": [{ "value": "a" }] }));
        let mut waits = waits.into_iter().cycle();
        let numbered = |at: usize| format!(r#"patch User/u9 {{"Operations":[{}]}} version={}"#, wishes[at].operation(), at + 1);
        let mut told = BTreeSet::new();
        for (first, at) in order.iter().enumerate() {
            let at = at.index(wishes.len());
            let end = ask(&mut world, &numbered(at), if first == 0 { &fault } else { "" });
            told.extend(is_told(&end).then_some(at));
            go_on(&mut world, waits.next().unwrap_or_default());
        }
        // The queue delivers what nobody was told the end of.
        for at in (0..wishes.len()).rev().filter(|at| !told.contains(at)) {
            go_on(&mut world, D + L);
            let end = ask(&mut world, &numbered(at), "");
            prop_assert!(is_told(&end), "{:?}", end);
        }
        go_on(&mut world, D + L);
        for wish in &wishes {
            let last = wishes.iter().rev().find(|other| other.path() == wish.path());
            let holds = last.is_some_and(|last| last.holds(&world));
            prop_assert!(holds, "{:?} of {:?}: {:?}", last, wishes, world.target.resources);
        }
    }

    /// `stage-never-moves-back`: but for a refused request, which is decided anew (S9).
    #[test]
    fn stage_never_moves_back(history in history()) {
        let mut world = with(&json!({ "userName": "ann", "active": true }));
        live(&mut world, &history);
        let mut last = BTreeMap::<&String, Stage>::new();
        for (entry, stage) in &world.stages {
            if let Some(before) = last.insert(entry, *stage) {
                let anew = before == Stage::Refused && *stage == Stage::Dispatched;
                let sent_again = before == Stage::Parked && *stage == Stage::Dispatched;
                prop_assert!(before <= *stage || anew || sent_again, "{}: {:?}, then {:?}", entry, before, stage);
            }
        }
    }

    /// `fence-never-shrinks`: each write of an identity outdates all who read it before.
    #[test]
    fn fence_never_shrinks(history in history()) {
        let mut world = with(&json!({ "userName": "ann", "active": true }));
        live(&mut world, &history);
        let mut last = BTreeMap::<&String, u64>::new();
        for (identity, fence) in &world.fences {
            let before = last.insert(identity, *fence).unwrap_or(0);
            prop_assert!(before < *fence, "{}: {}, then {}", identity, before, fence);
        }
    }
}

const CREATE: &str = r#"post User {"userName":"ann","externalId":"e1"}"#;

fn with(user: &serde_json::Value) -> World {
    having(Subject::native(), user)
}

fn having(subject: Subject, user: &serde_json::Value) -> World {
    let mut world = World::new(subject);
    let members = user.as_object().cloned().expect("an object");
    let id = ("id".to_owned(), json!("u9"));
    let place = ("User".to_owned(), "u9".to_owned());
    world.target.resources.insert(place, members.into_iter().chain([id]).collect());
    let shows = Field { name: "shows-edges/User/roles".into(), value: "true".into() };
    world.settings.profile.push(shows);
    world
}

fn patch(ops: &[String], key: &str) -> String {
    format!(r#"patch User/u9 {{"Operations":[{}]}} key={key}"#, ops.join(","))
}

fn ask(world: &mut World, line: &str, fault: &str) -> End {
    let (verb, rest) = line.split_once(' ').expect("a verb");
    let request = script::request(verb, &format!("{rest} {fault}"), world.now);
    let (request, fault, killed) = request.expect("a request");
    world.request(&request, fault, killed)
}

fn told(end: End) -> Answer {
    match end {
        End::Told(answer) => answer,
        End::Killed | End::Waits(_) | End::NothingToDo => panic!("nothing was told: {end:?}"),
    }
}

fn shown(world: &World, attribute: &str) -> String {
    let place = ("User".to_owned(), "u9".to_owned());
    let shown =
        world.target.resources.get(&place).and_then(|resource| resource[attribute].as_str());
    shown.unwrap_or_default().to_owned()
}

fn is_success(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Done
            | Verdict::AlreadySatisfied
            | Verdict::Adopted
            | Verdict::Reactivated
            | Verdict::AcceptedUnverified
    )
}

fn user() -> impl Strategy<Value = serde_json::Value> {
    let roles = prop::collection::btree_set("[abc]", 0..3);
    (roles, any::<bool>(), "[xy]?").prop_map(|(roles, active, title)| {
        let roles: Vec<_> = roles.into_iter().map(|value| json!({ "value": value })).collect();
        json!({ "userName": "ann", "active": active, "title": title, "roles": roles })
    })
}

fn operations() -> impl Strategy<Value = Vec<String>> {
    let value = "[abc]";
    let one = prop_oneof![
        "[xy]".prop_map(|text| json!({ "op": "replace", "path": "title", "value": text })),
        Just(json!({ "op": "remove", "path": "title" })),
        any::<bool>().prop_map(|on| json!({ "op": "replace", "path": "active", "value": on })),
        value.prop_map(
            |value| json!({ "op": "add", "path": "roles", "value": [{ "value": value }] })
        ),
        value.prop_map(
            |value| json!({ "op": "remove", "path": format!("roles[value eq \"{value}\"]") })
        ),
    ];
    prop::collection::vec(one.prop_map(|operation| operation.to_string()), 1..4)
}

/// Whether a queue takes a request from its list: it was done, or will not be.
fn is_told(end: &End) -> bool {
    let End::Told(answer) = end else { return false };
    is_success(answer.verdict) || answer.verdict == Verdict::Stale
}

/// What may befall an effect, all of it within D.
fn fault() -> impl Strategy<Value = String> {
    let status = prop_oneof![Just(400_u16), Just(404), Just(408), Just(409), Just(412), Just(429)];
    let broken = prop_oneof![Just(500_u16), Just(502), Just(503), Just(504)];
    prop_oneof![
        Just(String::new()),
        Just("lost".into()),
        Just("dropped".into()),
        Just("unsent".into()),
        Just("broken".into()),
        prop_oneof![Just(429), Just(503)].prop_map(|status| format!("busy={status}")),
        status.prop_map(|status| format!("refused={status}")),
        broken.clone().prop_map(|status| format!("refused={status}")),
        broken.prop_map(|status| format!("made={status}")),
        (0..D).prop_map(|late| format!("late={late}")),
        (0..D).prop_map(|late| format!("accepted={late}")),
    ]
}

/// The same, but that nothing is put off by a target that has accepted it.
fn fault_at_once() -> impl Strategy<Value = String> {
    fault().prop_map(|fault| if fault.starts_with("accepted") { String::new() } else { fault })
}

/// What asks for something under a key.
fn wish() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(format!("{CREATE} key=k1")),
        Just("delete User/u9 key=k1".into()),
        Just(r#"put User/u9 {"userName":"bob","title":"x"} key=k1"#.into()),
        operations().prop_map(|ops| patch(&ops, "k1")),
    ]
}

/// One value that is asked for.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Title(String),
    Active(bool),
    Role(String, bool),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        "[xyz]".prop_map(Value::Title),
        any::<bool>().prop_map(Value::Active),
        ("[ab]", any::<bool>()).prop_map(|(role, held)| Value::Role(role, held)),
    ]
}

impl Value {
    fn operation(&self) -> serde_json::Value {
        match self {
            Self::Title(title) => json!({ "op": "replace", "path": "title", "value": title }),
            Self::Active(active) => json!({ "op": "replace", "path": "active", "value": active }),
            Self::Role(role, true) => {
                json!({ "op": "add", "path": "roles", "value": [{ "value": role }] })
            }
            Self::Role(role, false) => {
                json!({ "op": "remove", "path": format!("roles[value eq \"{role}\"]") })
            }
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Title(_) => "title",
            Self::Active(_) => "active",
            Self::Role(role, _) => role,
        }
    }

    fn holds(&self, world: &World) -> bool {
        match self {
            Self::Title(title) => shown(world, "title") == *title,
            Self::Active(active) => {
                let place = ("User".to_owned(), "u9".to_owned());
                let resource = world.target.resources.get(&place);
                resource.and_then(|it| it.get("active")) == Some(&json!(active))
            }
            Self::Role(role, held) => edges(world, role) == usize::from(*held),
        }
    }
}

/// What gives access, and is on its way or parked when it is taken away.
fn before() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#"post User {"userName":"ann"}"#.to_owned()),
        Just(patch(&[r#"{"op":"add","path":"roles","value":[{"value":"b"}]}"#.into()], "k1")),
        Just(patch(&[r#"{"op":"replace","path":"active","value":true}"#.into()], "k1")),
        Just(r#"put User/u9 {"userName":"ann","active":true} key=k1"#.into()),
    ]
}

fn taking() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("delete User/u9".to_owned()),
        Just(patch(&[r#"{"op":"remove","path":"roles[value eq \"a\"]"}"#.into()], "k2")),
        Just(patch(&[r#"{"op":"replace","path":"active","value":false}"#.into()], "k2")),
    ]
}

/// Requests under keys of their own or shared ones, what befalls them, and how long nothing is asked.
fn history() -> impl Strategy<Value = Vec<(String, String, bool, u64)>> {
    let key =
        (0_u8..4).prop_map(|key| if key == 0 { String::new() } else { format!(" key=k{key}") });
    let request = prop_oneof![
        Just(CREATE.to_owned()),
        Just("delete User/u9".into()),
        Just("delete User/user1".into()),
        Just(r#"put User/u9 {"userName":"ann","title":"x"}"#.into()),
        operations()
            .prop_map(|ops| format!(r#"patch User/u9 {{"Operations":[{}]}}"#, ops.join(","))),
    ];
    let request = (request, key).prop_map(|(request, key)| request + &key);
    prop::collection::vec((request, fault(), any::<bool>(), 0_u64..20_000), 1..8)
}

fn live(world: &mut World, history: &[(String, String, bool, u64)]) {
    for (request, fault, killed, wait) in history {
        ask(world, request, &with_kill(fault, *killed));
        world.pass(*wait);
        world.scan();
    }
}

/// Time goes by, and what is due is looked at in time.
fn go_on(world: &mut World, millis: u64) {
    for _ in 0..millis.div_ceil(5_000) {
        world.pass(5_000);
        world.scan();
    }
}

fn waits() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0_u64..40_000, 1..6)
}

fn with_kill(fault: &str, killed: bool) -> String {
    format!("{fault}{}", if killed { " killed" } else { "" })
}

/// How often a role is there.
fn edges(world: &World, value: &str) -> usize {
    let place = ("User".to_owned(), "u9".to_owned());
    let roles = world.target.resources.get(&place).and_then(|resource| resource.get("roles"));
    let roles = roles.and_then(|roles| roles.as_array()).into_iter().flatten();
    roles.filter(|role| role["value"] == value).count()
}

/// Whether there still is what a revocation has taken away.
fn gives_access(world: &World, taken: &str) -> bool {
    let place = ("User".to_owned(), "u9".to_owned());
    let Some(resource) = world.target.resources.get(&place) else { return false };
    if taken.starts_with("delete") {
        return true;
    }
    if taken.contains("active") {
        resource.get("active") != Some(&json!(false))
    } else {
        edges(world, "a") != 0
    }
}

#[cfg(feature = "component")]
mod component {
    use proptest::{
        strategy::{Strategy as _, ValueTree as _},
        test_runner::{Config, TestRunner},
    };
    use replaysafe_tests::subject::Subject;
    use serde_json::json;

    use super::{having, history, live};

    /// `native-equals-component`: the same bytes for made-up histories too. [`Subject::both`] compares each call.
    #[test]
    fn native_equals_component() {
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let mut subject = Some(Subject::both());
        for _ in 0..HISTORIES {
            let history = history().new_tree(&mut runner).expect("a history").current();
            let subject_of = subject.take().expect("one");
            let mut world = having(subject_of, &json!({ "userName": "ann" }));
            live(&mut world, &history);
            subject = Some(world.subject);
        }
        assert!(100 < subject.expect("one").calls(), "calls were compared");
    }

    /// How many histories are compared with the component.
    const HISTORIES: usize = 24;
}
