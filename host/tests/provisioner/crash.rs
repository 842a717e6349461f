//! A process that dies at any step: the next one ends what it began, once (S7, S13; catalogue no 81).

use std::time::Duration;

use replaysafe::{
    call::Call,
    contract::{Answer, Method, Stage, Verdict},
    ledger::Ledger as _,
    provisioner::operator::Approval,
    target::Caller,
};
use serde_json::json;

use crate::{
    service::Service,
    world::{
        Faults, World, call, create, create_unlinked, delete, insist, patch, replace, with_key,
    },
};

#[tokio::test(start_paused = true)]
async fn a_create_ends_as_one_user() {
    let one = |service: &Service| {
        assert_eq!(service.users("userName"), [("u1".into(), json!("ada"))]);
        assert_eq!(service.sent(), ["POST"]);
    };
    check(&[], &create("ada"), &one).await;
    check(&[], &with_key(create("ada"), "hire"), &one).await;
    // Nothing but the ledger can tell that it is ours (S18).
    check(&[], &create_unlinked("ada"), &one).await;
}

#[tokio::test(start_paused = true)]
async fn an_update_ends_as_asked() {
    let named = |service: &Service| {
        assert_eq!(service.users("displayName"), [("u1".into(), json!("Ada"))]);
        assert_eq!(service.sent(), ["POST", "PATCH u1"]);
    };
    let before = [with_key(create("ada"), "hire")];
    check(&before, &patch("u1", "displayName", &json!("Ada")), &named).await;
    check(&before, &with_key(patch("u1", "displayName", &json!("Ada")), "name"), &named).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_ends_as_asked() {
    let named = |service: &Service| {
        assert_eq!(service.users("displayName"), [("u1".into(), json!("Ada"))]);
        assert_eq!(service.sent(), ["POST", "PUT u1"]);
    };
    let before = [with_key(create("ada"), "hire")];
    let whole =
        json!({"userName": "ada", "externalId": "x-ada", "active": true, "displayName": "Ada"});
    check(&before, &replace("u1", &whole), &named).await;
}

#[tokio::test(start_paused = true)]
async fn a_disable_ends_as_asked() {
    let off = |service: &Service| {
        assert_eq!(service.users("active"), [("u1".into(), json!(false))]);
        assert_eq!(service.sent(), ["POST", "PATCH u1"]);
    };
    let before = [with_key(create("ada"), "hire")];
    check(&before, &patch("u1", "active", &json!(false)), &off).await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_ends_as_asked() {
    let gone = |service: &Service| {
        assert_eq!(service.users("userName"), []);
        assert_eq!(service.sent(), ["POST", "DELETE u1"]);
    };
    let before = [with_key(create("ada"), "hire")];
    check(&before, &delete("u1"), &gone).await;
    check(&before, &with_key(delete("u1"), "leave"), &gone).await;
}

/// S21: a return is a new life, and one user.
#[tokio::test(start_paused = true)]
async fn a_return_ends_as_one_user() {
    let one = |service: &Service| {
        assert_eq!(service.users("userName"), [("u2".into(), json!("ada"))]);
        assert_eq!(service.sent(), ["POST", "DELETE u1", "POST"]);
    };
    let before = [with_key(create("ada"), "hire"), with_key(delete("u1"), "leave")];
    check(&before, &with_key(create("ada"), "again"), &one).await;
}

/// S21: what a person let go is sent once, and only then.
#[tokio::test(start_paused = true)]
async fn an_approved_return_ends_as_one_user() {
    for scans in [0, 60] {
        let mut step = 1;
        loop {
            let mut world = World::new();
            world.policy = r#"{"returns":"approve"}"#.into();
            let process = world.start(&Faults::default());
            for call in [with_key(create("ada"), "hire"), with_key(delete("u1"), "leave")] {
                assert!(is_good(insist(&process, &call).await.verdict));
            }
            let call = with_key(create("ada"), "again");
            let staged = process.provision(call.clone()).await;
            assert_eq!(staged.verdict, Verdict::Staged);
            let approved = world.approve(&staged.decision).await;
            assert!(matches!(approved, Approval::Until(_)), "{approved:?}");
            assert_eq!(world.approve(&staged.decision).await, approved, "twice is once");
            let other = with_key(create("ada"), "another");
            assert_eq!(process.provision(other).await.verdict, Verdict::Staged);
            assert_eq!(world.service.sent(), ["POST", "DELETE u1"]);
            drop(process);

            let ended = stopped_at(step, &world, &call).await;
            let answer = told_by_the_next(&world, &call, scans, step).await;
            assert_eq!(answer.decision, staged.decision);
            assert_eq!(world.service.users("userName"), [("u2".into(), json!("ada"))]);
            assert_eq!(world.service.sent(), ["POST", "DELETE u1", "POST"]);
            assert_eq!(world.approve(&staged.decision).await, Approval::Sent);
            if ended {
                break;
            }
            step += 1;
        }
        assert!(20 < step, "only {step} steps were seen");
    }
}

/// S3a: the secret of whoever is told is written, or the answer says that it was not.
#[tokio::test(start_paused = true)]
async fn a_create_leaves_the_secret_that_its_answer_says() {
    let secret = |secret: &str| {
        let body = json!({"userName": "ada", "externalId": "x-ada", "password": secret});
        call(Method::Create, None, Some(&body))
    };
    let mut written = 0;
    for scans in [0, 60] {
        let mut step = 1;
        loop {
            let world = World::new();
            let ended = stopped_at(step, &world, &secret("first")).await;
            let answer = told_by_the_next(&world, &secret("second"), scans, step).await;
            let differs = answer.notes.iter().any(|note| note.name == "secret-differs");
            let left = if differs { "first" } else { "second" };
            assert_eq!(world.service.users("password"), [("u1".into(), json!(left))], "{step}");
            assert!(world.service.sent().iter().filter(|sent| *sent == "POST").count() == 1);
            // Whoever was told has the secret that was sent first.
            assert!(!ended || differs, "{answer:?}");
            written += usize::from(world.service.sent() == ["POST", "PATCH u1"]);
            if ended {
                break;
            }
            step += 1;
        }
        assert!(20 < step, "only {step} steps were seen");
    }
    assert!(5 < written, "the secret was written after {written} stops only");
}

/// Stops a process at each of its steps on the way of `call`, one after the other, until none is left.
///
/// The next process is asked the same again, at once or after its scan had a minute.
async fn check(before: &[Call], call: &Call, holds: &dyn Fn(&Service)) {
    for scans in [0, 60] {
        let mut step = 1;
        while !dies_at(step, before, call, scans, holds).await {
            step += 1;
        }
        // Lease, find, look, write, send, look, write: less would mean that nothing was stopped.
        assert!(20 < step, "only {step} steps were seen");
    }
}

/// Gives whether the call came to its end before the step.
async fn dies_at(
    step: usize,
    before: &[Call],
    call: &Call,
    scans: usize,
    holds: &dyn Fn(&Service),
) -> bool {
    let world = World::new();
    let process = world.start(&Faults::default());
    for call in before {
        assert!(is_good(insist(&process, call).await.verdict));
    }
    drop(process);

    let ended = stopped_at(step, &world, call).await;
    told_by_the_next(&world, call, scans, step).await;
    holds(&world.service);
    ended
}

/// Starts a process that stops at the step, on the way of `call`; gives whether the call came to its end before.
async fn stopped_at(step: usize, world: &World, call: &Call) -> bool {
    let faults = Faults::stop_at(step);
    let process = world.start(&faults);
    let mut work = tokio::spawn({
        let (process, call) = (process.clone(), call.clone());
        async move { process.provision(call).await }
    });
    let ended = tokio::select! {
        answer = &mut work => { assert!(is_good(answer.unwrap().verdict)); true }
        () = faults.stopped() => false,
    };
    if !ended {
        work.abort();
        drop(work.await);
    }
    ended
}

/// The next process is asked until it tells how the call ended, and then once more.
async fn told_by_the_next(world: &World, call: &Call, scans: usize, step: usize) -> Answer {
    let own = Some(Caller { headers: call.caller.headers.clone(), query: None });
    let process = world.start_with(&Faults::default(), own);
    for _ in 0..scans {
        process.recover().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let answer = insist(&process, call).await;
    assert!(is_good(answer.verdict), "step {step}, {scans} scans: {answer:?}");
    let sent = world.service.sent();
    let again = insist(&process, call).await;
    assert!(is_good(again.verdict), "step {step}, {scans} scans: {again:?}");
    assert_eq!(world.service.sent(), sent, "step {step}, {scans} scans");
    for told in [&answer, &again] {
        let entry = process.ledger().entry(&told.decision).await.unwrap().unwrap();
        assert_eq!(entry.stage, Stage::Settled, "step {step}, {scans} scans: {told:?}");
    }
    assert_eq!(process.ledger().audit().await.unwrap(), [], "step {step}, {scans} scans");
    assert_eq!(process.ledger().due(u64::MAX, None, 100).await.unwrap(), [], "nothing is open");
    answer
}

fn is_good(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Done | Verdict::AlreadySatisfied | Verdict::Adopted)
}

/// S14c, S16: who switches it off by its id while nobody knows what the create has made is of the same identity in the end.
#[tokio::test(start_paused = true)]
async fn what_goes_on_by_the_id_of_a_create_in_doubt_is_of_its_identity() {
    let asked = create("ada");
    let world = in_doubt(&asked).await;
    let faults = Faults::default();
    let process = world.start(&faults);
    faults.looks_fail(2);
    let off = process.provision(patch("u1", "active", &json!(false))).await;
    assert!(is_good(off.verdict), "{off:?}");
    let made = insist(&process, &asked).await;
    assert!(is_good(made.verdict), "{made:?}");
    assert_eq!(world.service.sent(), ["POST", "PATCH u1"]);
    assert_eq!(process.ledger().audit().await.unwrap(), []);
    assert_eq!(process.ledger().due(u64::MAX, None, 100).await.unwrap(), [], "nothing is open");
}

/// S14c: what was deleted by an id that nobody read while the run of a create in doubt was waiting, it makes no second time.
#[tokio::test(start_paused = true)]
async fn a_create_that_waits_hears_of_a_deletion_by_an_id_that_nobody_read() {
    let asked = create("ada");
    let world = in_doubt(&asked).await;
    let faults = Faults::default();
    let process = world.start(&faults);
    // Its credential is proved by that.
    assert!(is_good(insist(&process, &create("eve")).await.verdict));
    faults.looks_fail(1_000);
    let deletes = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let gone = process.provision(delete("u1")).await;
        faults.looks_fail(0);
        gone
    };
    let creates = Box::pin(process.provision(asked));
    let (told, gone) = tokio::join!(creates, Box::pin(deletes));
    // Its entry ends as superseded by the deletion; this is a repeat of it, within the window (S2a).
    assert_eq!((gone.verdict, told.verdict), (Verdict::Done, Verdict::Superseded));
    assert_eq!(world.service.sent(), ["POST", "POST", "DELETE u1"]);
}

/// A world in which this create was sent, and its process stopped before it heard what had come of it.
async fn in_doubt(asked: &Call) -> World {
    for step in 1..STEPS_MOST {
        let world = World::new();
        stopped_at(step, &world, asked).await;
        if !world.service.sent().is_empty() {
            return world;
        }
    }
    panic!("nothing was ever sent");
}

/// More than a create takes.
const STEPS_MOST: usize = 100;
