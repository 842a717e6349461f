//! While the ledger cannot be used: what goes out all the same, and how the ledger comes to know of it (S36)?

use std::time::Duration;

use replaysafe::{
    call::Call,
    contract::{Answer, Stage, Verdict},
    ledger::Ledger as _,
    target::Caller,
};
use serde_json::{Value, json};

use crate::{
    service::Service,
    world::{Faults, Process, World, create, delete, insist, patch, replace, with_key},
};

#[tokio::test(start_paused = true)]
async fn nothing_goes_out_unless_policy_lets_it() {
    let mut world = World::new();
    world.policy = "{}".into();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    faults.ledger_away(true);
    for call in [delete("u1"), patch("u1", "active", &json!(false)), create("ben")] {
        assert_eq!(process.provision(call).await.verdict, Verdict::Unavailable);
    }
    assert_eq!(world.service.sent(), ["POST"]);
    assert_eq!(journal(&process).await, "0");
}

#[tokio::test(start_paused = true)]
async fn what_takes_away_goes_out_once_and_what_gives_does_not() {
    let world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    faults.ledger_away(true);
    let gone = process.provision(delete("u1")).await;
    assert_eq!((gone.verdict, gone.changed), (Verdict::Done, true));
    assert_eq!(gone.target.as_ref().map(|answer| answer.status), Some(204));
    // Once, whoever asks the same, with a key or without.
    for again in [delete("u1"), with_key(delete("u1"), "leave")] {
        let again = process.provision(again).await;
        assert_eq!((again.verdict, again.changed), (Verdict::Unresolved, false));
        assert_eq!(again.decision, gone.decision);
    }
    for call in [
        create("ada"),
        create("ben"),
        patch("u1", "active", &json!(true)),
        patch("u1", "displayName", &json!("Ada")),
        replace("u1", &json!({"userName": "ada", "active": true})),
    ] {
        assert_eq!(process.provision(call).await.verdict, Verdict::Unavailable);
    }
    assert_eq!(world.service.sent(), ["POST", "DELETE u1"]);
    assert_eq!(journal(&process).await, "1");

    faults.ledger_away(false);
    // S14a: the receipt of the create is not told before the deletion has its end, and that is known by then.
    assert_eq!(insist(&process, &create("ada")).await.verdict, Verdict::Superseded);
    let again = insist(&process, &delete("u1")).await;
    assert_eq!((again.verdict, again.status), (Verdict::Done, Some(204)));
    // The change that was told then (S37).
    assert_eq!((again.decision, again.changed), (gone.decision.clone(), true));
    let entry = process.ledger().entry(&gone.decision).await.unwrap().unwrap();
    assert!(matches!(entry.stage, Stage::Dispatched | Stage::Settled), "{entry:?}");
    assert_eq!(world.service.sent(), ["POST", "DELETE u1"]);
    assert_eq!(journal(&process).await, "0");
    ends_clean(&process).await;
}

/// An equal one, under way when the ledger went, has settled before the line is entered: it stands for it.
#[tokio::test(start_paused = true)]
async fn what_went_out_beside_an_equal_one_does_not_stop_the_gateway() {
    let world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    faults.next_change_takes(5);
    let off = || patch("u1", "active", &json!(false));
    let first = tokio::spawn({
        let process = process.clone();
        async move { process.provision(off()).await }
    });
    faults.change_began().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    faults.ledger_away(true);
    assert_eq!(process.provision(off()).await.verdict, Verdict::Done);
    faults.ledger_away(false);
    assert_eq!(first.await.unwrap().verdict, Verdict::Done);
    assert_eq!(insist(&process, &create("ben")).await.verdict, Verdict::Done);
    process.recover().await.unwrap();
    assert_eq!(journal(&process).await, "0");
    ends_clean(&process).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_gets_what_it_was_told_when_the_ledger_is_back() {
    let world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    faults.ledger_away(true);
    let off = with_key(patch("u1", "active", &json!(false)), "leave");
    let first = process.provision(off.clone()).await;
    assert_eq!((first.verdict, first.changed), (Verdict::Done, true));
    faults.ledger_away(false);
    let again = insist(&process, &off).await;
    assert_eq!((again.verdict, again.changed, again.replayed), (Verdict::Done, true, true));
    assert_eq!(again.decision, first.decision);
    assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
    ends_clean(&process).await;
}

/// S4, S9: what a key was used for before stays what it is; what went out under it is entered without it.
#[tokio::test(start_paused = true)]
async fn a_key_that_was_used_before_keeps_its_receipt() {
    let world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    let off = with_key(patch("u1", "active", &json!(false)), "leave");
    let first = process.provision(off.clone()).await;
    assert_eq!(process.provision(patch("u1", "active", &json!(true))).await.verdict, Verdict::Done);
    faults.ledger_away(true);
    // Nobody can tell that it is a repeat: it goes the safe way, and out.
    let passed = process.provision(off.clone()).await;
    assert_eq!(passed.verdict, Verdict::Done);
    let reused = with_key(delete("u1"), "hire");
    assert_eq!(process.provision(reused.clone()).await.verdict, Verdict::Done);
    faults.ledger_away(false);
    let again = insist(&process, &off).await;
    assert_eq!((again.decision, again.replayed), (first.decision, true));
    assert_eq!(insist(&process, &reused).await.verdict, Verdict::KeyReused);
    assert!(process.ledger().entry(&passed.decision).await.unwrap().is_some());
    assert_eq!(world.service.users("userName"), []);
    ends_clean(&process).await;
}

/// What gives is left out where nobody can tell what is under way, and the client is told to come again.
#[tokio::test(start_paused = true)]
async fn of_a_mixed_request_the_part_that_takes_away_goes_out() {
    let world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    faults.ledger_away(true);
    let mut mixed = patch("u1", "active", &json!(false));
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [
            {"op": "replace", "path": "active", "value": false},
            {"op": "replace", "path": "displayName", "value": "Ada"},
        ]
    });
    mixed.body.as_mut().unwrap().bytes = body.to_string().into();
    let told = process.provision(mixed.clone()).await;
    assert_eq!((told.verdict, told.changed), (Verdict::Unresolved, true), "{told:?}");
    assert_eq!(world.service.users("active"), [("u1".into(), json!(false))]);
    assert_eq!(world.service.users("displayName"), [("u1".into(), Value::Null)]);
    faults.ledger_away(false);
    assert!(is_good(&insist(&process, &mixed).await));
    assert_eq!(world.service.users("displayName"), [("u1".into(), json!("Ada"))]);
    ends_clean(&process).await;
}

/// It is so already: nothing has to be sent, and the client can wait for the ledger.
#[tokio::test(start_paused = true)]
async fn what_needs_no_effect_waits_for_the_ledger() {
    let world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    let off = patch("u1", "active", &json!(false));
    assert_eq!(process.provision(off.clone()).await.verdict, Verdict::Done);
    faults.ledger_away(true);
    assert_eq!(process.provision(off).await.verdict, Verdict::Unavailable);
    assert_eq!(process.provision(delete("u9")).await.target.unwrap().status, 404);
    assert_eq!(journal(&process).await, "0");
    assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
}

/// What the target refused had no effect: it is not looked after, and may go out again.
#[tokio::test(start_paused = true)]
async fn what_is_refused_leaves_no_line() {
    let world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    faults.ledger_away(true);
    world.service.admit(&[], 403);
    let refused = process.provision(delete("u1")).await;
    assert_eq!(refused.verdict, Verdict::Refused);
    assert_eq!(refused.target.unwrap().status, 403);
    assert_eq!(journal(&process).await, "0");
    world.service.admit(&["Bearer token"], 403);
    assert_eq!(process.provision(delete("u1")).await.verdict, Verdict::Done);
    faults.ledger_away(false);
    let again = insist(&process, &delete("u1")).await;
    assert_eq!((again.verdict, again.replayed), (Verdict::Done, true));
    ends_clean(&process).await;
}

/// The ledger goes away between a request's record and its end: it was sent, and is not sent again.
#[tokio::test(start_paused = true)]
async fn what_was_recorded_does_not_go_out_again() {
    let world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    faults.ledger_goes_after_writes(1);
    assert_eq!(process.provision(delete("u1")).await.verdict, Verdict::Unavailable);
    assert_eq!(world.service.sent(), ["POST", "DELETE u1"]);
    assert_eq!(journal(&process).await, "0");
    faults.ledger_away(false);
    assert!(is_good(&insist(&process, &delete("u1")).await));
    ends_clean(&process).await;
}

/// A later process that does not let anything out enters what an earlier one has left, at its start.
#[tokio::test(start_paused = true)]
async fn what_is_left_is_entered_at_the_next_start() {
    let mut world = passing();
    let faults = Faults::default();
    let process = begin(&world, &faults).await;
    faults.ledger_away(true);
    let gone = process.provision(delete("u1")).await;
    drop(process);
    world.policy = "{}".into();
    let process = world.start_with(&Faults::default(), own());
    assert_eq!(journal(&process).await, "1");
    process.recover().await.unwrap();
    assert_eq!(journal(&process).await, "0");
    assert!(process.ledger().entry(&gone.decision).await.unwrap().is_some());
    ends_clean(&process).await;
}

/// No 81 of the catalogue: a process that dies at any of its steps while the ledger is away, before its line, between
/// line and effect, or after that; and the next one at any step of entering and looking after it.
#[tokio::test(start_paused = true)]
async fn a_process_that_dies_on_the_way_leaves_one_deletion() {
    let off = patch("u1", "active", &json!(false));
    for call in [delete("u1"), with_key(delete("u1"), "leave"), off] {
        let (mut first, mut left_at) = (1, None);
        loop {
            let died = dies(&call, first, 0).await;
            if died.ended {
                break;
            }
            left_at = left_at.or((died.left == "1").then_some(first));
            first += 1;
        }
        // Before its line, between line and effect, and after it: less would mean that nothing was stopped.
        let left_at = left_at.unwrap();
        assert!(2 < left_at && left_at + 2 < first, "{left_at} of {first}");
        let mut second = 1;
        while !dies(&call, left_at, second).await.recovered {
            second += 1;
        }
        assert!(10 < second, "only {second} steps were seen");
    }
}

struct Died {
    /// The call came to its end before.
    ended: bool,
    /// How many lines the journal had.
    left: String,
    /// The second process has entered them, and brought them to their end.
    recovered: bool,
}

/// The first process stops at step `first` of `call`; the second, which enters and looks after what is left, at step
/// `second` (0: does not stop).
async fn dies(call: &Call, first: usize, second: usize) -> Died {
    let world = passing();
    drop(begin(&world, &Faults::default()).await);
    let faults = Faults::stop_at(first);
    faults.ledger_away(true);
    let process = world.start(&faults);
    let mut work = tokio::spawn({
        let (process, call) = (process.clone(), call.clone());
        async move { process.provision(call).await }
    });
    let ended = tokio::select! {
        answer = &mut work => { assert_eq!(answer.unwrap().verdict, Verdict::Done); true }
        () = faults.stopped() => false,
    };
    if !ended {
        work.abort();
        drop(work.await);
    }
    let left = journal(&process).await;
    drop(process);

    let faults = Faults::stop_at(second);
    let process = world.start_with(&faults, own());
    let recovered = tokio::select! {
        () = async {
            process.recover().await.unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
            process.recover().await.unwrap();
        } => true,
        () = faults.stopped() => false,
    };
    drop(process);

    let process = world.start_with(&Faults::default(), own());
    process.recover().await.unwrap();
    assert_eq!(journal(&process).await, "0");
    let at = format!("{first}, {second}");
    assert!(is_good(&insist(&process, call).await), "{at}");
    assert!(is_good(&insist(&process, call).await), "{at}");
    took_away_once(&world.service, &at);
    ends_clean(&process).await;
    took_away_once(&world.service, &at);
    Died { ended, left, recovered }
}

#[track_caller]
fn took_away_once(service: &Service, at: &str) {
    let active = service.users("active");
    assert!(active.is_empty() || active == [("u1".into(), json!(false))], "{at}: {active:?}");
    assert_eq!(service.sent().len(), 2, "{at}: {:?}", service.sent());
}

/// Everything comes to its end, and the ledger breaks no law.
async fn ends_clean(process: &Process) {
    for _ in 0..60 {
        process.recover().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(process.ledger().due(u64::MAX, None, 100).await.unwrap(), [], "nothing is open");
    assert_eq!(process.ledger().audit().await.unwrap(), []);
}

/// A world whose policy lets out what takes away.
fn passing() -> World {
    let mut world = World::new();
    world.policy = json!({"safe-direction-passes": true}).to_string();
    world
}

/// A process, and the user `u1` that it has made.
async fn begin(world: &World, faults: &Faults) -> Process {
    let process = world.start(faults);
    assert_eq!(process.provision(with_key(create("ada"), "hire")).await.verdict, Verdict::Done);
    // S2a: without a key it is the replay of the create that made the user.
    assert!(is_good(&process.provision(create("ada")).await));
    process
}

fn own() -> Option<Caller> {
    Some(Caller { headers: delete("u1").caller.headers, query: None })
}

/// How many lines the journal has.
async fn journal(process: &Process) -> String {
    let details = process.readiness().await.details;
    details.into_iter().find(|field| field.name == "journal").unwrap().value
}

fn is_good(answer: &Answer) -> bool {
    matches!(answer.verdict, Verdict::Done | Verdict::AlreadySatisfied)
}
