//! What the target says about itself: by whom is it asked, and who is decided for by its answer (S3a)?

use replaysafe::contract::{Answer, Verdict};
use serde_json::json;

use crate::{
    service::{BADGE, Strangers},
    world::{Faults, Process, World, create, create_with, delete, with_credential, with_key},
};

const CLIENT: &str = "Bearer client";
const STRANGER: &str = "Bearer stranger";

/// Whatever a stranger is told: a status, or that nothing is there.
#[tokio::test(start_paused = true)]
async fn a_stranger_does_not_hide_what_is_secret() {
    for status in [401, 403, 404, 503] {
        let (_world, process) = start(status);
        let stranger = process.provision(with_credential(create("eve"), STRANGER)).await;
        // S37: a target that fails has refused nothing.
        let told = if status == 503 { Verdict::Unavailable } else { Verdict::Refused };
        assert_eq!(stranger.verdict, told, "{status}");
        // A secret is no part of what a create asks (S3a): another one makes no other request.
        assert_eq!(hire(&process, "one").await.verdict, Verdict::Done, "{status}");
        let again = hire(&process, "two").await;
        assert_eq!((again.verdict, again.replayed), (Verdict::Done, true), "{status}");
    }
}

/// Ten minutes later it is asked anew: a stranger's answer unsays nothing.
#[tokio::test(start_paused = true)]
async fn a_stranger_does_not_unsay_what_is_known() {
    let (_world, process) = start(404);
    hire(&process, "one").await;
    tokio::time::sleep(std::time::Duration::from_secs(601)).await;
    process.provision(with_credential(create("eve"), STRANGER)).await;
    let again = hire(&process, "two").await;
    assert_eq!((again.verdict, again.replayed), (Verdict::Done, true));
}

/// A target that shows strangers nothing has told them nothing about itself, whatever it answers.
#[tokio::test(start_paused = true)]
async fn a_stranger_who_is_shown_nothing_says_nothing_for_others() {
    let (world, process) = start(404);
    world.service.show_strangers(Strangers::ShownNothing);
    let stranger = process.provision(with_credential(delete("u9"), STRANGER)).await;
    assert_eq!(stranger.target.unwrap().status, 404);
    assert_eq!(hire(&process, "one").await.verdict, Verdict::Done);
    let again = hire(&process, "two").await;
    assert_eq!((again.verdict, again.replayed), (Verdict::Done, true), "{}", again.detail);
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_target_is_asked_waits_for_its_answer() {
    let (world, process) = start(401);
    let calls = (0..20).map(|number| {
        let process = process.clone();
        let badge = number.to_string();
        tokio::spawn(async move { hire(&process, &badge).await })
    });
    let mut calls: Vec<_> = calls.collect();
    for call in calls.drain(..) {
        // Virtual time passes while the ledger works, and with it the patience of who queues.
        let answer = call.await.unwrap();
        assert!(matches!(answer.verdict, Verdict::Done | Verdict::InFlight), "{}", answer.detail);
    }
    assert_eq!(world.service.sent(), ["POST"]);
    assert_eq!(world.service.discoveries(), 1);
}

fn start(stranger: u16) -> (World, Process) {
    let world = World::new();
    world.service.admit(&[CLIENT], stranger);
    world.service.declare_badges();
    let process = world.start(&Faults::default());
    (world, process)
}

async fn hire(process: &Process, badge: &str) -> Answer {
    let body = json!({"userName": "ada", "externalId": "x-ada", BADGE: {"badge": badge}});
    let call = with_key(create_with(&body), "hire");
    process.provision(with_credential(call, CLIENT)).await
}
