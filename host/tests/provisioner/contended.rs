//! What was read is outdated before it is acted on: read again, never for ever, and with pauses (S6, S15).

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use replaysafe::{
    call::Call,
    contract::{Entry, Stage, Verdict},
    ledger::Ledger as _,
    target::Caller,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::world::{Faults, Process, World, create, create_with, insist, patch, with_key};

#[tokio::test(start_paused = true)]
async fn a_write_that_comes_too_late_is_decided_again_at_once_three_times() {
    for (late, pause) in [(3, Duration::ZERO), (4, Duration::from_secs(1))] {
        let (world, faults, process) = hired().await;
        let start = Instant::now();
        faults.writes_come_late(late);
        let answer = process.provision(patch("u1", "displayName", &json!("Ada"))).await;
        assert_eq!(answer.verdict, Verdict::Done);
        assert_eq!(start.elapsed(), pause, "{late} writes too late");
        assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn writes_that_always_come_too_late_do_not_wear_out_the_target() {
    let (world, faults, process) = hired().await;
    let before = world.service.looks();
    faults.writes_come_late(usize::MAX);
    let answer = process.provision(patch("u1", "displayName", &json!("Ada"))).await;
    assert_eq!(answer.verdict, Verdict::InFlight);
    // The budget is 50 s: one look a second, and three at once.
    let looks = world.service.looks() - before;
    assert!((40..=55).contains(&looks), "{looks} looks");
    assert_eq!(world.service.sent(), ["POST"]);
    faults.writes_come_late(0);
    let answer = insist(&process, &patch("u1", "displayName", &json!("Ada"))).await;
    assert_eq!(answer.verdict, Verdict::Done);
    assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
}

#[tokio::test(start_paused = true)]
async fn names_that_always_lead_elsewhere_are_not_followed_for_ever() {
    let (world, faults, process) = hired().await;
    let before = faults.finds();
    faults.names_wander();
    let answer = process.provision(patch("u1", "displayName", &json!("Ada"))).await;
    assert_eq!(answer.verdict, Verdict::InFlight);
    let finds = faults.finds() - before;
    assert!((80..=110).contains(&finds), "{finds} looks into the ledger");
    assert_eq!(world.service.sent(), ["POST"]);
}

/// S14c: names and identity are both held by who does not come to an end; they are waited for together.
#[tokio::test(start_paused = true)]
async fn what_takes_away_waits_a_quarter_of_a_second_for_others() {
    let (world, faults, process) = hired().await;
    faults.next_change_takes(10);
    let slow = tokio::spawn({
        let process = process.clone();
        async move { process.provision(patch("u1", "title", &json!("clerk"))).await }
    });
    faults.change_began().await;
    let answer = process.provision(patch("u1", "active", &json!(false))).await;
    assert_eq!(answer.verdict, Verdict::Done);
    assert_eq!(faults.patience()[..2], [Duration::from_millis(250), Duration::ZERO]);
    assert_eq!(slow.await.unwrap().verdict, Verdict::Done);
    assert_eq!(world.service.sent(), ["POST", "PATCH u1", "PATCH u1"]);
}

/// S14c: what gives and is still looking when it is passed is not sent after what took away; what comes later is.
///
/// In the time of the clock: the runtime's own would not wait for the ledger.
#[tokio::test]
async fn what_was_passed_while_it_looked_is_not_sent() {
    let (world, faults, process) = hired().await;
    let (on, off) = (patch("u1", "active", &json!(true)), patch("u1", "active", &json!(false)));
    let answer = process.provision(with_key(off.clone(), "leave")).await;
    assert_eq!(answer.verdict, Verdict::Done);
    faults.next_look_takes(4);
    let slow = tokio::spawn({
        let (process, on) = (process.clone(), on.clone());
        async move { process.provision(on).await }
    });
    sleep(Duration::from_secs(1)).await;
    let answer = process.provision(with_key(off, "leave-2")).await;
    assert_eq!(answer.verdict, Verdict::AlreadySatisfied);
    assert!(!slow.is_finished());
    assert_eq!(slow.await.unwrap().verdict, Verdict::Superseded);
    assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
    assert_eq!(process.provision(on).await.verdict, Verdict::Done);
}

/// S3a: whoever has hung up, or waited for longer than the budget, was not told of the create.
#[tokio::test(start_paused = true)]
async fn the_secret_of_who_is_not_told_is_written_by_the_next() {
    let with_password =
        |password: &str| create_with(&json!({"userName": "ada", "password": password}));
    for (seconds, awaited, told) in [
        (60, Some(Arc::new(())), false),
        (60, None, false),
        (10, Some(Arc::new(())), true),
        (10, None, true),
    ] {
        let world = World::new();
        let faults = Faults::default();
        let process = world.start(&faults);
        faults.next_change_takes(seconds);
        let first = Call { awaited: awaited.as_ref().map(Arc::downgrade), ..with_password("a") };
        assert_eq!(process.provision(first).await.verdict, Verdict::Done);
        let again = process.provision(with_password("b")).await;
        assert!(again.replayed);
        let sent: &[&str] = if told { &["POST"] } else { &["POST", "PATCH u1"] };
        assert_eq!(world.service.sent(), sent, "{seconds} {awaited:?}");
    }
    let world = World::new();
    let process = world.start(&Faults::default());
    let first = Call { awaited: Some(Weak::new()), ..with_password("a") };
    assert_eq!(process.provision(first).await.verdict, Verdict::Done);
    process.provision(with_password("b")).await;
    assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
}

/// S5: equal revocations at once are one effect, and have one answer. In the time of the clock.
#[tokio::test]
async fn equal_revocations_at_once_have_one_answer() {
    let (world, faults, process) = hired().await;
    faults.next_change_takes(3);
    let off = patch("u1", "active", &json!(false));
    let first = tokio::spawn({
        let (process, off) = (process.clone(), off.clone());
        async move { process.provision(off).await }
    });
    sleep(Duration::from_secs(1)).await;
    let (one, other) = tokio::join!(process.provision(off.clone()), process.provision(off));
    let first = first.await.unwrap();
    for again in [one, other] {
        assert_eq!((again.verdict, again.changed), (Verdict::Done, true));
        assert_eq!((again.decision, again.replayed), (first.decision.clone(), true));
    }
    assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
}

/// S4: whichever is first has the key.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_twice_at_once_is_of_one_request() {
    let world = World::new();
    let process = world.start(&Faults::default());
    let (ada, bob) = (with_key(create("ada"), "hire"), with_key(create("bob"), "hire"));
    let (one, other) = tokio::join!(process.provision(ada), process.provision(bob));
    let mut verdicts = [one.verdict, other.verdict];
    verdicts.sort_by_key(|verdict| *verdict != Verdict::Done);
    assert_eq!(verdicts, [Verdict::Done, Verdict::KeyReused]);
    assert_eq!(world.service.sent(), ["POST"]);
}

/// The law `stage-never-moves-back`: what somebody else has settled is settled.
#[tokio::test(start_paused = true)]
async fn an_entry_that_somebody_else_has_settled_is_left_so() {
    let (world, open) = interrupted().await;
    let faults = Faults::default();
    let process = start(&world, &faults);
    faults.overtake();
    sleep(Duration::from_secs(60)).await;
    process.recover().await.unwrap();
    let ended = process.ledger().entry(&open.id).await.unwrap().unwrap();
    assert_eq!(ended.stage, Stage::Settled);
    assert_eq!(process.ledger().due(u64::MAX, None, 100).await.unwrap(), []);
}

/// The names lead to another identity by then.
#[tokio::test(start_paused = true)]
async fn an_entry_that_no_name_leads_to_is_brought_to_its_end() {
    let (world, open) = interrupted().await;
    let ledger = rusqlite::Connection::open(world.path("ledger")).unwrap();
    assert!(0 < ledger.execute("DELETE FROM name", []).unwrap());
    drop(ledger);
    let process = start(&world, &Faults::default());
    let other = patch("u1", "title", &json!("Dr"));
    assert_eq!(process.provision(other).await.verdict, Verdict::Done);
    let known = process.ledger().entry(&open.id).await.unwrap().unwrap();
    assert_eq!(known.stage, Stage::Dispatched);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(process.recover().await.unwrap(), 1);
    let ended = process.ledger().entry(&open.id).await.unwrap().unwrap();
    assert_eq!(ended.stage, Stage::Settled);
    assert_eq!(process.ledger().due(u64::MAX, None, 100).await.unwrap(), []);
    // It had never been sent: its own effect goes out once (S13).
    assert_eq!(world.service.sent(), ["POST", "PATCH u1", "PATCH u1"]);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_ended_since_it_was_listed_is_left_alone() {
    let (world, open) = interrupted().await;
    let faults = Faults::default();
    let process = start(&world, &faults);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(process.recover().await.unwrap(), 1);
    let ended = process.ledger().entry(&open.id).await.unwrap().unwrap();
    // Nobody has asked since the start: with a credential of our own it is looked at, and not sent again (S41).
    assert_eq!(ended.stage, Stage::Refused);
    let looks = world.service.looks();
    faults.due_is_old();
    assert_eq!(process.recover().await.unwrap(), 0);
    assert_eq!(process.ledger().entry(&open.id).await.unwrap(), Some(ended));
    assert_eq!(world.service.looks(), looks);
}

/// A user `ada` as `u1`.
async fn hired() -> (World, Faults, Process) {
    let world = World::new();
    let faults = Faults::default();
    let process = world.start(&faults);
    let answer = process.provision(with_key(create("ada"), "hire")).await;
    assert_eq!(answer.verdict, Verdict::Done);
    (world, faults, process)
}

/// A process that died between the record of an update and its effect.
async fn interrupted() -> (World, Entry) {
    let mut step = 0;
    loop {
        step += 1;
        let (world, _, process) = hired().await;
        drop(process);
        let faults = Faults::stop_at(step);
        let process = world.start(&faults);
        let work = tokio::spawn({
            let process = process.clone();
            async move { process.provision(patch("u1", "displayName", &json!("Ada"))).await }
        });
        faults.stopped().await;
        work.abort();
        drop(work.await);
        drop(process);
        let open = world.start(&Faults::default()).ledger().due(u64::MAX, None, 100).await.unwrap();
        if let [open] = open.as_slice() {
            assert_eq!(world.service.sent(), ["POST"]);
            return (world, open.clone());
        }
    }
}

/// A process that may recover.
fn start(world: &World, faults: &Faults) -> Process {
    let headers = create("ada").caller.headers;
    world.start_with(faults, Some(Caller { headers, query: None }))
}
