//! Who earns receipts, and who gets them (S1)?

use replaysafe::contract::{Answer, Verdict};

use crate::world::{Faults, Process, World, create, delete, with_credential, with_key};

/// Header `{"alg":"RS256"}`, claims `{"iss":"i","client_id":"c","jti":"1"}`, `2`, `3`.
const TOKEN_1: &str =
    "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIiwiY2xpZW50X2lkIjoiYyIsImp0aSI6IjEifQ.c2lnbmVk";
const TOKEN_2: &str =
    "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIiwiY2xpZW50X2lkIjoiYyIsImp0aSI6IjIifQ.c2lnbmVk";
const FORGED: &str =
    "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIiwiY2xpZW50X2lkIjoiYyIsImp0aSI6IjMifQ.Zm9yZ2Vk";
/// `ada:right`, `ada:wrong`.
const BASIC: &str = "Basic YWRhOnJpZ2h0";
const WRONG_PASSWORD: &str = "Basic YWRhOndyb25n";

#[tokio::test(start_paused = true)]
async fn a_rotated_token_gets_the_receipts_of_its_predecessor() {
    let (world, process) = start(&[TOKEN_1, TOKEN_2]);
    let first = ask(&process, TOKEN_1).await;
    let again = ask(&process, TOKEN_2).await;
    assert_eq!((first.verdict, first.replayed), (Verdict::Done, false));
    assert_eq!((again.verdict, again.replayed), (Verdict::Done, true));
    assert_eq!(first.decision, again.decision);
    assert_eq!(world.service.sent(), ["POST"]);
}

/// S1: what says nothing of its holder is known by the name that policy gives it. The digests are those of the header's value by `sha256sum`.
#[tokio::test(start_paused = true)]
async fn a_token_that_policy_names_may_rotate() {
    let (old, new, other) = ("Bearer one", "Bearer two", "Bearer three");
    // `hr:x`: who calls himself by that name is somebody else.
    let namesake = "Basic aHI6eA==";
    let mut world = World::new();
    world.policy = r#"{"credentials":{"hr":[
        "0b84d71fd60e2e328bb359ce07a6c57c1c4d6dfa6e643ed16fd27e6f2a941f35",
        "75c6fab9da471973bb94b233d3616c9cf4a642e906860bba3e23705b2ee4e74e"
    ]}}"#
        .into();
    world.service.admit(&[old, new, other, namesake], 401);
    let process = world.start(&Faults::default());
    let first = ask(&process, old).await;
    let again = ask(&process, new).await;
    assert_eq!((first.verdict, first.replayed), (Verdict::Done, false));
    assert_eq!((&again.decision, again.replayed), (&first.decision, true));
    for stranger in [other, namesake] {
        let theirs = ask(&process, stranger).await;
        assert!(!theirs.replayed && theirs.decision != first.decision, "{theirs:?}");
    }
    // A name earns nothing where the target does not accept the token.
    world.service.admit(&[old], 401);
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    assert_eq!(ask(&process, new).await.target.unwrap().status, 401);
    assert_eq!(world.service.sent(), ["POST"]);
}

/// Within the minute of an accepted one: it is the credential that was accepted, not its holder.
#[tokio::test(start_paused = true)]
async fn a_forged_credential_earns_and_gets_nothing() {
    for (good, forged) in [(TOKEN_1, FORGED), (BASIC, WRONG_PASSWORD)] {
        let (world, process) = start(&[good]);
        ask(&process, good).await;
        let answer = ask(&process, forged).await;
        assert_eq!((answer.verdict, answer.replayed), (Verdict::Refused, false));
        assert_eq!(answer.target.unwrap().status, 401);
        assert_eq!(answer.decision, "");
        assert_eq!(world.service.sent(), ["POST"]);
    }
}

/// S14c: it goes to the target, which judges it; no receipt is told to whom nobody knows.
#[tokio::test(start_paused = true)]
async fn a_revocation_of_a_stranger_is_no_replay() {
    let (world, process) = start(&[TOKEN_1]);
    ask(&process, TOKEN_1).await;
    let leave = with_key(delete("u1"), "leave");
    let done = process.provision(with_credential(leave.clone(), TOKEN_1)).await;
    assert_eq!(done.verdict, Verdict::Done);
    world.service.admit(&[TOKEN_1], 403);
    let forged = process.provision(with_credential(leave.clone(), FORGED)).await;
    assert!(!forged.replayed && forged.decision != done.decision, "{forged:?}");
    assert_eq!(forged.target.unwrap().status, 403);
    let again = process.provision(with_credential(leave, TOKEN_1)).await;
    assert!(again.replayed && again.decision == done.decision, "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn another_client_has_keys_of_its_own() {
    let (_world, process) = start(&[TOKEN_1, BASIC]);
    let first = ask(&process, TOKEN_1).await;
    let other = ask(&process, BASIC).await;
    assert!(!other.replayed && other.decision != first.decision, "{other:?}");
    assert_eq!(other.verdict, Verdict::AlreadySatisfied);
}

/// A redirect leads to a login page: it accepts nobody.
#[tokio::test(start_paused = true)]
async fn a_redirect_is_no_acceptance() {
    let (world, process) = start(&[TOKEN_1]);
    ask(&process, TOKEN_1).await;
    world.service.admit(&[TOKEN_1], 302);
    let answer = ask(&process, FORGED).await;
    assert_eq!((answer.verdict, answer.replayed), (Verdict::Refused, false));
}

#[tokio::test(start_paused = true)]
async fn no_credential_is_stored_or_told() {
    let (world, process) = start(&[TOKEN_1, BASIC]);
    let mut told = String::new();
    for credential in [TOKEN_1, BASIC, FORGED, WRONG_PASSWORD] {
        told.push_str(&format!("{:?}", ask(&process, credential).await));
        told.push_str(&format!("{:?}", with_credential(create("ada"), credential)));
    }
    for text in [told, world.files()] {
        for secret in ["c2lnbmVk", "Zm9yZ2Vk", "YWRhOnJpZ2h0", "right", "ada:", "client_id"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

fn start(credentials: &[&str]) -> (World, Process) {
    let world = World::new();
    world.service.admit(credentials, 401);
    let process = world.start(&Faults::default());
    (world, process)
}

async fn ask(process: &Process, credential: &str) -> Answer {
    let call = with_key(create("ada"), "hire");
    process.provision(with_credential(call, credential)).await
}
