//! Requests as large as they may be: each has its answer (S44).

use replaysafe::{
    call::Call,
    contract::{Evidence, Verdict},
    target::Body,
};
use serde_json::json;

use crate::world::{Faults, World, create_with, patch};

/// Nothing identifies it but all that it states (S2).
#[tokio::test(start_paused = true)]
async fn a_large_weak_create_is_done_once() {
    let world = World::new();
    let process = world.start(&Faults::default());
    let call = create_with(&json!({"title": "x".repeat(500_000)}));
    for replayed in [false, true] {
        let answer = process.provision(call.clone()).await;
        assert_eq!(
            (answer.verdict, answer.replayed),
            (Verdict::Done, replayed),
            "{}",
            answer.detail
        );
    }
    assert_eq!(world.service.sent(), ["POST"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_too_long_to_be_searched_for_is_refused_as_such() {
    let world = World::new();
    let process = world.start(&Faults::default());
    let answer = process.provision(create_with(&json!({"userName": "x".repeat(17_000)}))).await;
    assert_eq!(answer.verdict, Verdict::Malformed, "{}", answer.detail);
    assert!(world.service.sent().is_empty());
}

/// S44: what is read long has as much longer, and is not given up after 2 s for good.
#[tokio::test(start_paused = true)]
async fn forty_thousand_grants_are_made_and_one_is_added() {
    let world = World::new();
    let process = world.start(&Faults::default());
    let roles: Vec<_> = (0..40_000).map(|n| json!({"value": format!("r{n}")})).collect();
    let body = json!({"userName": "ada", "externalId": "x", "roles": roles});
    let made = process.provision(create_with(&body)).await;
    assert_eq!((made.verdict, made.changed), (Verdict::Done, true), "{}", made.detail);
    let added = json!([{"value": "one more"}]);
    let call = patch("u1", "roles", &added);
    let body = call.body.clone().unwrap();
    let text = String::from_utf8(body.bytes.to_vec()).unwrap().replace("replace", "add");
    let call = Call { body: Some(Body { bytes: text.into(), ..body }), ..call };
    let added = process.provision(call).await;
    assert_eq!((added.verdict, added.changed), (Verdict::Done, true), "{}", added.detail);
    assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
}

/// S44: for single values a resource of more than 4 MiB is not read, and the target's word is the evidence.
#[tokio::test(start_paused = true)]
async fn single_grants_on_what_is_too_large_to_be_read_are_sent() {
    let world = World::new();
    let process = world.start(&Faults::default());
    let role = |n: usize| json!({"value": format!("{n:0100}")});
    let roles: Vec<_> = (0..42_000).map(role).collect();
    world.service.set("u9", &json!({"id": "u9", "userName": "ada", "roles": roles}));
    for (verb, verdict) in [("add", Verdict::AcceptedUnverified), ("remove", Verdict::Done)] {
        let call = patch("u9", "roles", &json!([role(50_000)]));
        let body = call.body.clone().unwrap();
        let text = String::from_utf8(body.bytes.to_vec()).unwrap().replace("replace", verb);
        let call = Call { body: Some(Body { bytes: text.into(), ..body }), ..call };
        let answer = process.provision(call).await;
        assert_eq!((answer.verdict, answer.evidence), (verdict, Evidence::Response), "{verb}");
    }
    assert_eq!(world.service.sent(), ["PATCH u9", "PATCH u9"]);
    // What states the list is compared with it.
    let whole = process.provision(patch("u9", "roles", &json!(roles))).await;
    assert_eq!((whole.verdict, whole.changed), (Verdict::AlreadySatisfied, false));
}

/// Each e-mail is a name by this policy, and each name is a question.
#[tokio::test(start_paused = true)]
async fn twenty_names_are_searched_for_and_forty_refused() {
    for (count, expected) in [(20, Verdict::Done), (40, Verdict::Malformed)] {
        let mut world = World::new();
        world.policy = POLICY.into();
        let process = world.start(&Faults::default());
        let emails: Vec<_> = (0..count).map(|n| json!({"value": format!("{n}@x.test")})).collect();
        let body = json!({"userName": "ada", "emails": emails});
        let answer = process.provision(create_with(&body)).await;
        assert_eq!(answer.verdict, expected, "{count}: {}", answer.detail);
    }
}

const POLICY: &str = r#"{"correlation":{"User":["emails.value"]}}"#;
