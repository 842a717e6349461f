//! What may others do to a request that was interrupted: what counts of what they see, and what is sent with their
//! credential (S14, S41)?

use std::time::Duration;

use replaysafe::{
    call::{Call, Recovery},
    contract::{Answer, Verdict},
    ledger::Ledger as _,
};
use serde_json::json;

use crate::{
    service::Strangers,
    world::{Faults, Process, World, create, delete, insist, patch, with_credential, with_key},
};

/// Header `{"alg":"RS256"}`, claims `{"iss":"i","client_id":"c","sub":"admin","scope":"write","jti":"1"}`, `2`.
const ADMIN_1: &str = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIiwiY2xpZW50X2lkIjoiYyIsInN1YiI6ImFkbWluIiwic2NvcGUiOiJ3cml0ZSIsImp0aSI6IjEifQ.c2lnbmVk";
const ADMIN_2: &str = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIiwiY2xpZW50X2lkIjoiYyIsInN1YiI6ImFkbWluIiwic2NvcGUiOiJ3cml0ZSIsImp0aSI6IjIifQ.c2lnbmVk";
/// The same with `"sub":"reader","scope":"read"`.
const READER: &str = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIiwiY2xpZW50X2lkIjoiYyIsInN1YiI6InJlYWRlciIsInNjb3BlIjoicmVhZCIsImp0aSI6IjMifQ.c2lnbmVk";
/// `ada:right`, `ada:wrong`.
const ADA: &str = "Basic YWRhOnJpZ2h0";
const WRONG_PASSWORD: &str = "Basic YWRhOndyb25n";
const STRANGER: &str = "Bearer stranger";

/// A target that shows strangers nothing: what they do not see ends nobody's deletion as done (S37).
#[tokio::test(start_paused = true)]
async fn what_a_stranger_is_not_shown_is_not_deleted() {
    let leave = with_credential(with_key(delete("u1"), "leave"), ADA);
    for stranger in [
        with_credential(delete("u1"), STRANGER),
        with_credential(patch("u1", "title", &json!("t")), STRANGER),
        // In the name of the client, and under its key.
        with_credential(leave.clone(), WRONG_PASSWORD),
    ] {
        let (world, process) = start(&[ADA], Strangers::ShownNothing);
        assert_eq!(ask(&process, create("ada"), ADA).await.verdict, Verdict::Done);
        drop(process);
        interrupted(&world, &leave).await;
        let process = world.start(&Faults::default());
        let told = insist(&process, &stranger).await;
        assert_eq!((told.verdict, told.changed), (Verdict::Refused, false), "{told:?}");
        assert_eq!(told.target.unwrap().status, 404);
        assert_eq!(world.service.users("userName").len(), 1);
        let answer = insist(&process, &leave).await;
        assert_eq!((answer.verdict, answer.changed), (Verdict::Done, true), "{answer:?}");
        assert_eq!(world.service.users("userName"), []);
        assert_eq!(world.service.sent(), ["POST", "DELETE u1"]);
    }
}

/// S14, S21: nor is it buried for those who know it.
#[tokio::test(start_paused = true)]
async fn what_a_stranger_is_not_shown_is_still_its_clients() {
    let (world, process) = start(&[ADA], Strangers::ShownNothing);
    assert_eq!(ask(&process, create("ada"), ADA).await.verdict, Verdict::Done);
    tokio::time::sleep(Duration::from_secs(300)).await;
    for call in [delete("u1"), patch("u1", "title", &json!("t")), create("ada")] {
        let told = ask(&process, call, STRANGER).await;
        assert_eq!(told.verdict, Verdict::Refused, "{told:?}");
    }
    let again = ask(&process, create("ada"), ADA).await;
    assert_eq!((again.verdict, again.changed), (Verdict::AlreadySatisfied, false), "{again:?}");
    let gone = ask(&process, delete("u1"), ADA).await;
    assert_eq!((gone.verdict, gone.changed), (Verdict::Done, true), "{gone:?}");
    assert_eq!(world.service.sent(), ["POST", "DELETE u1"]);
}

/// S41: a token of the same client with fewer rights gets nothing by one with more, nor a guess at a password.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_with_rights_that_its_sender_has_not() {
    for (guest, owner) in [(READER, ADMIN_1), (WRONG_PASSWORD, ADA)] {
        let (world, process) = start(&[owner], Strangers::ShownAll);
        assert_eq!(ask(&process, create("eve"), owner).await.verdict, Verdict::Done);
        drop(process);
        let wish = with_credential(patch("u1", "title", &json!("admin")), guest);
        interrupted(&world, &wish).await;
        let process = world.start(&Faults::default());
        let named = ask(&process, create("bob"), owner).await;
        assert_eq!(named.verdict, Verdict::Done);
        scan(&process, 60).await;
        assert_eq!(world.service.sent(), ["POST", "POST"], "{guest}");
        assert_eq!(process.ledger().due(u64::MAX, None, 100).await.unwrap(), [], "it has ended");
        let told = insist(&process, &wish).await;
        assert_eq!(told.verdict, Verdict::Refused, "{told:?}");
        assert_eq!(told.target.unwrap().status, 403);
        assert_eq!(world.service.sent(), ["POST", "POST"], "{guest}");
    }
}

/// S41: a token that rotates says the same of its holder: once the target has let it write it goes on for its predecessor.
#[tokio::test(start_paused = true)]
async fn a_rotated_token_goes_on_once_it_was_let_write() {
    let (world, process) = start(&[ADMIN_1, ADMIN_2], Strangers::Refused);
    assert_eq!(ask(&process, create("eve"), ADMIN_1).await.verdict, Verdict::Done);
    drop(process);
    let wish = with_credential(patch("u1", "title", &json!("clerk")), ADMIN_1);
    interrupted(&world, &wish).await;
    let process = world.start(&Faults::default());
    assert_eq!(ask(&process, create("bob"), ADMIN_2).await.verdict, Verdict::Done);
    scan(&process, 60).await;
    assert_eq!(world.service.sent(), ["POST", "POST", "PATCH u1"]);
    assert_eq!(world.service.users("title")[0].1, json!("clerk"));
}

/// S41: what waits for clients that do not come back keeps nobody else from their turn, and `/readyz` counts it.
#[tokio::test(start_paused = true)]
async fn work_without_a_client_starves_nobody() {
    const ORPHANS: usize = 101;
    let (world, process) = start(&["Bearer old", ADA], Strangers::Refused);
    assert_eq!(ask(&process, create("ada"), ADA).await.verdict, Verdict::Done);
    world.service.drop_next(ORPHANS);
    let orphan = |number| {
        let (process, call) = (process.clone(), create(&format!("orphan{number}")));
        tokio::spawn(async move { ask(&process, call, "Bearer old").await })
    };
    let orphans: Vec<_> = (0..ORPHANS).map(orphan).collect();
    until(|| world.service.dropped() == ORPHANS).await;
    for orphan in orphans {
        orphan.abort();
        drop(orphan.await);
    }
    drop(process);
    let wish = with_credential(patch("u1", "title", &json!("clerk")), ADA);
    interrupted(&world, &wish).await;

    let process = world.start(&Faults::default());
    assert_eq!(process.readiness().await.recovery, Recovery::Waiting);
    assert_eq!(ask(&process, create("bob"), ADA).await.verdict, Verdict::Done);
    assert_eq!(process.readiness().await.recovery, Recovery::Borrowed, "nothing was found to wait");
    scan(&process, 25).await;
    assert_eq!(world.service.users("title")[0].1, json!("clerk"));
    let readiness = process.readiness().await;
    assert_eq!(readiness.recovery, Recovery::Waiting);
    let waiting = readiness.details.iter().find(|detail| detail.name == "waiting").unwrap();
    assert_eq!(waiting.value, ORPHANS.to_string());
}

fn start(credentials: &[&str], strangers: Strangers) -> (World, Process) {
    let world = World::new();
    world.service.admit(credentials, 403);
    world.service.show_strangers(strangers);
    let process = world.start(&Faults::default());
    (world, process)
}

async fn ask(process: &Process, call: Call, credential: &str) -> Answer {
    process.provision(with_credential(call, credential)).await
}

/// A process sends the effect of a call, which is lost, and dies.
async fn interrupted(world: &World, call: &Call) {
    let process = world.start(&Faults::default());
    let before = world.service.dropped();
    world.service.drop_next(1);
    let call = call.clone();
    let work = tokio::spawn(async move { process.provision(call).await });
    until(|| before < world.service.dropped()).await;
    work.abort();
    drop(work.await);
}

/// Virtual time passes slowly meanwhile: the ledger works in real time.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn scan(process: &Process, times: usize) {
    for _ in 0..times {
        process.recover().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
