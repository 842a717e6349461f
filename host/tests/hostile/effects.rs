//! What if the component fails once the effect was sent (catalogue no 51)? The record stays, and whoever comes next
//! ends the request as one user.

use std::time::Duration;

use replaysafe::{
    contract::{Stage, Verdict},
    ledger::Ledger as _,
};
use serde_json::json;

use crate::{
    compiled::guest as honest,
    limits::{grows, is_trapped, loops, recurses},
    tricks::{Act, Trick, guest, length},
    world::{Faults, World, create, insist, with_key},
};

#[tokio::test(start_paused = true)]
async fn what_fails_after_the_effect_ends_as_one_user() {
    for trick in AFTER_THE_EFFECT {
        let world = World::new().with_guest(guest());
        let process = world.start(&Faults::default());
        let call = with_key(create("ada"), &"k".repeat(length(trick.name)));
        let answer = process.provision(call.clone()).await;
        assert_eq!((answer.verdict, answer.changed), (Verdict::Unavailable, false), "{trick:?}");
        assert_eq!(world.service.sent(), ["POST"], "{trick:?}");
        // Neither the client that asks again nor the scan gets further, and neither sends anything.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let answer = process.provision(call.clone()).await;
        assert_eq!(answer.verdict, Verdict::Unavailable, "{trick:?}");
        process.recover().await.expect_err(trick.name);
        assert_eq!(world.service.sent(), ["POST"], "{trick:?}");
        let open = process.ledger().due(u64::MAX, None, 100).await.unwrap();
        let stages: Vec<Stage> = open.iter().map(|entry| entry.stage).collect();
        assert_eq!(stages, [Stage::Dispatched], "{trick:?}");
        // It does not hold up the others.
        let other = insist(&process, &with_key(create("eve"), "other")).await;
        assert_eq!(other.verdict, Verdict::Done, "{trick:?}");
        drop(process);

        let world = world.with_guest(honest());
        let process = world.start(&Faults::default());
        let answer = insist(&process, &call).await;
        // S18: nobody saw the answer to the effect; what is there is what was asked for.
        let good = matches!(answer.verdict, Verdict::Done | Verdict::Adopted);
        assert!(good && answer.changed, "{trick:?}: {answer:?}");
        assert_eq!(world.service.sent(), ["POST", "POST"], "{trick:?}");
        let users = world.service.users("userName");
        assert_eq!(users, [("u1".into(), json!("ada")), ("u2".into(), json!("eve"))], "{trick:?}");
        assert_eq!(process.ledger().due(u64::MAX, None, 100).await.unwrap(), [], "{trick:?}");
        assert_eq!(process.ledger().audit().await.unwrap(), [], "{trick:?}");
    }
}

/// Two workers, and more requests than that which do not end: others are answered before these are given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_answered_while_calls_do_not_end() {
    let (hostile, honest) = (World::new().with_guest(guest()), World::new().with_guest(honest()));
    let (process, other) = (hostile.start(&Faults::default()), honest.start(&Faults::default()));
    let length = length(LOOPS.name);
    let stuck: Vec<_> = (0..STUCK)
        .map(|number| {
            let (process, call) = (process.clone(), create(&format!("stuck{number}")));
            let call = with_key(call, &format!("{number:0>length$}"));
            tokio::spawn(async move { process.provision(call).await })
        })
        .collect();
    while hostile.service.sent().len() < STUCK {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let others = tokio::spawn(async move {
        for number in 0..OTHERS {
            let answer = other.provision(create(&format!("user{number}"))).await;
            assert_eq!(answer.verdict, Verdict::Done);
        }
    });
    others.await.unwrap();
    let ended = stuck.iter().filter(|stuck| stuck.is_finished()).count();
    assert_eq!(ended, 0, "the others were held up");
    for stuck in stuck {
        assert_eq!(stuck.await.unwrap().verdict, Verdict::Unavailable);
    }
    assert_eq!(honest.service.users("userName").len(), OTHERS);
}

pub(crate) const AFTER_THE_EFFECT: &[Trick] = &[
    Trick { name: "settle traps", function: "settle", act: Act::Instead(is_trapped) },
    LOOPS,
    Trick { name: "settle recurses", function: "settle", act: Act::Instead(recurses) },
    Trick { name: "settle grows", function: "settle", act: Act::Instead(grows) },
];

const LOOPS: Trick = Trick { name: "settle loops", function: "settle", act: Act::Instead(loops) };

/// Twice the workers.
const STUCK: usize = 4;

/// A request takes hundredths of a second, and a call that does not end takes two seconds.
const OTHERS: usize = 3;
