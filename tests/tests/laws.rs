//! Laws of the decisions, on made-up requests and faults: what a case of the corpus says of one holds of any.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use proptest::prelude::*;
use replaysafe_core::types::{Answer, Evidence, Field, Verdict};
use replaysafe_tests::{
    script,
    subject::Subject,
    world::{End, World},
};
use serde_json::json;

/// D and L of the built-in profile (S40).
const D: u64 = 15_000;
const L: u64 = 2_000;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// `decide-is-a-fixpoint`: what was carried out and is asked again, under another key, sends nothing (S19, S25).
    #[test]
    fn deciding_again_sends_nothing(user in user(), ops in operations()) {
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
    fn a_key_acts_once(user in user(), one in operations(), other in operations()) {
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
    fn a_success_is_seen(fault in fault(), rounds in 1_usize..5) {
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
    fn more_lag_never_turns_a_wait_into_an_effect(waited in 0_u64..60_000, lag in 0_u64..40_000) {
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
        let mut end = ask(&mut world, CREATE, &format!("{fault}{}", if killed { " killed" } else { "" }));
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
}

const CREATE: &str = r#"post User {"userName":"ann","externalId":"e1"}"#;

fn with(user: &serde_json::Value) -> World {
    let mut world = World::new(Subject::native());
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
        End::Killed | End::Waits(_) => panic!("nothing was told: {end:?}"),
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
