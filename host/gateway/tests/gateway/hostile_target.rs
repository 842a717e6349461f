//! Targets that lie, stall, break or attack, number by number of the catalogue, before the real gateway.
//!
//! Whatever a target says, it is told as done only if it was seen, it costs a bounded answer, and nothing is made twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use replaysafe::target::upstream::Roots;
use replaysafe_gateway::GatewayOptions;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::mask::{Mask, Way, answer, json_answer};
use crate::support::{ERROR, Gateway, Reply, Service};

const USER: &str = r#"{"userName":"bj"}"#;
const USERS: &str = "POST /scim/v2/Users";

/// The id of what a target has made goes into no URL that leads elsewhere, and into no header (catalogue no 41).
#[tokio::test]
async fn a_hostile_id_leads_nowhere() {
    let large = "i".repeat(1 << 20);
    for id in ["../../admin", "..", "http://169.254.169.254/", &large, "1\r\nX-Evil: 1", "1?x=1#y"]
    {
        let user = json!({"userName": "bj", "id": id, "meta": {"location": id}});
        let list = json!({"totalResults": 1, "Resources": [user.clone()]});
        let (service, mask, gateway) = masked(move |request| match request {
            _ if request.starts_with("POST ") => Way::Instead(json_answer("201 Created", &user)),
            _ if request.starts_with("GET /scim/v2/Users?") => {
                Way::Instead(json_answer("200 OK", &list))
            }
            _ => Way::Through,
        })
        .await;
        for _ in 0..10 {
            let reply = gateway.ask(USERS, "", USER).await;
            assert!(400 <= reply.status, "{}", reply.text());
            assert!(reply.header("x-evil").is_none(), "{}", reply.text());
            gateway.clock.forward(2);
        }
        for request in mask.heard() {
            let (line, headers) = request.split_once("\r\n").unwrap();
            let path = line.split(' ').nth(1).unwrap().split('?').next().unwrap();
            let bare = path.replace("%2F", "/").replace("%2E", ".");
            assert!(path.starts_with("/scim/v2/") && !bare.contains(".."), "{line}");
            assert!(path.len() < 1000 && !headers.contains("X-Evil"), "{line}");
        }
        assert!(service.changes().is_empty());
    }
}

/// A redirect is the target's own answer, told and not followed (catalogue no 42; S12).
#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = format!("http://{}/scim/v2/Users/x", other.local_addr().unwrap());
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let location = format!("Location: {elsewhere}\r\n");
            let (service, mask, gateway) =
                masked(first(method, move || Way::Instead(answer(status, &location, "")))).await;
            let id = service.put_in("Users", json!({"userName": "a", "active": true}));
            let (line, body) = change(method, &id);
            let reply = gateway.ask(&line, "", body).await;
            let told = reply.text();
            assert!(status.starts_with(&reply.status.to_string()), "{told}");
            assert_eq!(reply.header("replaysafe-changed"), Some("false"), "{told}");
            assert_eq!(reply.header("replaysafe-verdict"), Some("refused"), "{told}");
            assert_eq!(mask.count(method), 1);
            assert!(service.changes().is_empty());
        }
    }
    // Nobody has come.
    assert!(tokio::time::timeout(Duration::ZERO, other.accept()).await.is_err());
}

/// What is no answer of SCIM is looked at: a create that was carried out is told, one that was not is sent again, once it
/// can take hold no more (catalogue no 43; S11 to S14).
#[tokio::test]
async fn an_answer_that_says_nothing_is_looked_into() {
    let deep = format!("{{\"id\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    // 10 MiB of spaces are some kilobytes of gzip; its head alone will do, as nothing is unpacked.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03 and so on";
    let scim = "Content-Type: application/scim+json\r\n";
    let packed = format!("{scim}Content-Encoding: gzip\r\n");
    let answers: Vec<Vec<u8>> = vec![
        answer("200 OK", "Content-Type: text/html\r\n", "<html>log in</html>"),
        answer("200 OK", "", ""),
        answer("201 Created", scim, ""),
        b"HTTP/1.1 204 No Content\r\n\r\n{\"id\":\"x\"}".to_vec(),
        answer("201 Created", scim, "[]"),
        answer("201 Created", scim, "\"id\""),
        answer("201 Created", scim, "{\"id\":7}"),
        answer("201 Created", scim, "{\"id\":null}"),
        answer("201 Created", scim, "{\"id\":\"\"}"),
        answer("201 Created", scim, &deep),
        answer("201 Created", &packed, gzip),
        answer("201 Created", scim, gzip),
        answer("299 Odd", scim, "{}"),
        b"HTTP/1.1 201 Created\r\nContent-Length: 1073741824\r\n\r\n{".to_vec(),
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n".to_vec(),
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_vec(),
        b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        Vec::new(),
    ];
    for told in answers {
        for done in [true, false] {
            let bytes = told.clone();
            let way = move || match done {
                true => Way::Told(bytes.clone()),
                false => Way::Instead(bytes.clone()),
            };
            let (service, mask, gateway) = masked(first("POST", way)).await;
            let reply = insist(&gateway, USERS, USER).await;
            let all = format!("{done} {:.80} {}", String::from_utf8_lossy(&told), reply.text());
            assert_eq!(reply.status, 201, "{all}");
            assert_eq!(reply.header("location"), Some("http://me/scim/v2/Users/id-1"), "{all}");
            assert_eq!(reply.header("replaysafe-evidence"), Some("read"), "{all}");
            assert_eq!(service.resources("Users").len(), 1, "{all}");
            assert_eq!(mask.count("POST"), if done { 1 } else { 2 }, "{all}");
        }
    }
}

/// 1 GiB, chunks without end and a head without end are heard up to a limit (catalogue no 43; S44: 64 MiB of an answer).
#[tokio::test]
async fn an_answer_without_end_is_heard_up_to_its_limit() {
    let piece = format!("10000\r\n{}\r\n", " ".repeat(1 << 16)).into_bytes();
    let gigabyte = b"HTTP/1.1 201 Created\r\nContent-Length: 1073741824\r\n\r\n".to_vec();
    let chunks = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let head = b"HTTP/1.1 201 Created\r\n".to_vec();
    for (begin, piece) in [
        (gigabyte, vec![b' '; 1 << 16]),
        (chunks, piece),
        (head, format!("X-A: {}\r\n", "a".repeat(1 << 10)).into_bytes()),
    ] {
        let way = move || Way::Endless(begin.clone(), piece.clone());
        let (service, mask, gateway) = masked(first("POST", way)).await;
        let reply = insist(&gateway, USERS, USER).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(service.resources("Users").len(), 1);
        assert_eq!(mask.count("POST"), 1);
        // What the sockets hold beside it: some MiB each way.
        assert!(mask.told() < 80 << 20, "{}", mask.told());
    }
}

/// What a client calls a user is told and written as text, whatever it does to a terminal or a log (catalogue no 45).
#[tokio::test]
async fn no_header_or_line_is_made_of_a_name() {
    let name = "\u{1b}[31m\r\nX-Evil: 1\r\n\r\n";
    let user = json!({"userName": name, "externalId": name}).to_string();
    let (service, mask, gateway) = masked(|_: &str| Way::Through).await;
    service.put_in("Users", json!({"userName": name, "title": name}));
    for body in [&user, &json!({"userName": name, "title": "x"}).to_string()] {
        let reply = gateway.ask(USERS, "", body).await;
        assert!(reply.header("x-evil").is_none(), "{}", reply.text());
        assert!(!reply.text().contains('\u{1b}'), "{}", reply.text());
    }
    for request in mask.heard() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains('\u{1b}') && !head.contains("\r\nX-Evil"), "{head}");
        assert!(!body.contains('\u{1b}'), "{body}");
    }
}

/// A call that timed out somewhere and takes hold later is found, and is not sent again before it could have
/// (catalogue no 91; S12, S14).
#[tokio::test]
async fn what_takes_hold_after_its_time_out_is_found() {
    let timeout = answer("504 Gateway Timeout", "", "");
    let way = move || Way::Instead(timeout.clone());
    let (service, mask, gateway) = masked(first("POST", way)).await;
    let reply = gateway.ask(USERS, "", USER).await;
    reply.is_error(503, None, "");
    gateway.clock.forward(14);
    service.put_in("Users", json!({"userName": "bj"}));
    let reply = insist(&gateway, USERS, USER).await;
    assert_eq!((reply.status, reply.id().as_str()), (201, "id-1"), "{}", reply.text());
    assert_eq!(mask.count("POST"), 1);
}

/// A search that lags hides nothing: what was made is known by its id (catalogue no 92; S14b).
#[tokio::test]
async fn a_search_that_lags_makes_no_second_user() {
    let (service, mask, gateway) = masked(|request: &str| match request {
        _ if request.starts_with("GET /scim/v2/Users?") => Way::Changed(Box::new(lists_nothing)),
        _ => Way::Through,
    })
    .await;
    let first = insist(&gateway, USERS, USER).await;
    assert_eq!((first.status, first.id().as_str()), (201, "id-1"), "{}", first.text());
    for key in ["", "Idempotency-Key: k\r\n", "Idempotency-Key: l\r\n"] {
        gateway.clock.forward(200);
        let reply = gateway.ask(USERS, key, USER).await;
        assert_eq!((reply.status, reply.id().as_str()), (201, "id-1"), "{}", reply.text());
    }
    assert_eq!((mask.count("POST"), service.resources("Users").len()), (1, 1));
}

/// What a search still shows after its deletion is not taken for alive: its id says 404 (catalogue no 93).
#[tokio::test]
async fn what_was_deleted_and_is_still_listed_is_not_adopted() {
    let stale = json!({"id": "id-1", "userName": "bj", "externalId": "e1"});
    let deleted = Arc::new(AtomicBool::new(false));
    let lists = Arc::clone(&deleted);
    let (service, mask, gateway) = masked(move |request: &str| match request {
        _ if request.starts_with("GET /scim/v2/Users?") && lists.load(Ordering::SeqCst) => {
            let list = json!({"totalResults": 1, "Resources": [stale]});
            Way::Instead(json_answer("200 OK", &list))
        }
        _ => Way::Through,
    })
    .await;
    let user = r#"{"userName":"bj","externalId":"e1"}"#;
    assert_eq!(insist(&gateway, USERS, user).await.status, 201);
    deleted.store(true, Ordering::SeqCst);
    assert_eq!(gateway.ask("DELETE /scim/v2/Users/id-1", "", "").await.status, 204);
    // Another key: somebody wishes the account again, and does not repeat.
    let mut reply = None;
    for _ in 0..60 {
        let again = gateway.ask(USERS, "Idempotency-Key: again\r\n", user).await;
        if again.status != 503 {
            reply = Some(again);
            break;
        }
        gateway.clock.forward(2);
    }
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.id().as_str()), (201, "id-2"), "{}", reply.text());
    assert_eq!((mask.count("POST"), service.resources("Users").len()), (2, 1));
}

/// A busy target is believed for a day at most, and is asked no more often than its client asks (catalogue no 95; S12).
#[tokio::test]
async fn a_busy_target_is_not_stormed() {
    for (status, header, told) in [
        ("429 Too Many", "", None),
        ("429 Too Many", "Retry-After: 7\r\n", Some("7")),
        ("429 Too Many", "Retry-After: 1000000000\r\n", Some("86400")),
        ("429 Too Many", "Retry-After: 99999999999999999999999\r\n", Some("86400")),
        ("429 Too Many", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", None),
        ("429 Too Many", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", Some("86400")),
        ("429 Too Many", "Retry-After: -1\r\n", None),
        ("429 Too Many", "Retry-After: soon\r\n", None),
        ("503 Busy", "Retry-After: 1000000000\r\n", Some("86400")),
    ] {
        let (service, mask, gateway) = masked(move |request: &str| match request {
            _ if request.starts_with("POST ") => Way::Instead(answer(status, header, "")),
            _ => Way::Through,
        })
        .await;
        for asked in 1..=20 {
            let reply = gateway.ask(USERS, "", USER).await;
            assert!(status.starts_with(&reply.status.to_string()), "{}", reply.text());
            if told.is_some() {
                assert_eq!(reply.header("retry-after"), told, "{header}: {}", reply.text());
            }
            assert_eq!(mask.count("POST"), asked, "{}", reply.text());
        }
        assert!(service.changes().is_empty());
    }
}

/// 503 without a word of when is unknown: a storm of it is looked into, and a request is sent once in D and L at most
/// (catalogue no 95; S12, S13).
#[tokio::test]
async fn a_storm_of_503_is_met_by_looks() {
    let (service, mask, gateway) = masked(|request: &str| match request {
        _ if request.starts_with("POST ") => Way::Instead(answer("503 Down", "", "")),
        _ => Way::Through,
    })
    .await;
    for _ in 0..30 {
        let reply = gateway.ask(USERS, "", USER).await;
        assert!(400 <= reply.status, "{}", reply.text());
        gateway.clock.forward(2);
    }
    // A minute and a quarter, and once in D and L, which are 17 s.
    assert!((1..=6).contains(&mask.count("POST")), "{}", mask.count("POST"));
    assert!(service.changes().is_empty());
}

/// 409 on a create is looked into: ours is told as done, and what differs is a conflict (catalogue no 96; S12, S19).
#[tokio::test]
async fn a_409_is_looked_into() {
    let taken = || {
        json_answer(
            "409 Conflict",
            &json!({"schemas": [ERROR], "status": "409", "scimType": "uniqueness"}),
        )
    };
    let user = r#"{"userName":"bj","externalId":"e1"}"#;
    let (service, mask, gateway) = masked(first("POST", move || Way::Told(taken()))).await;
    let ours = insist(&gateway, USERS, user).await;
    assert_eq!((ours.status, ours.id().as_str()), (201, "id-1"), "{}", ours.text());
    assert_eq!((mask.count("POST"), service.resources("Users").len()), (1, 1));

    // Somebody else is faster, and has another title.
    let service = Arc::new(Service::start().await);
    let other = Arc::clone(&service);
    let mask = Mask::before(&service, move |request: &str| {
        if !request.starts_with("POST ") {
            return Way::Through;
        }
        other.put_in("Users", json!({"userName": "bj", "title": "other"}));
        Way::Instead(taken())
    })
    .await;
    let gateway = behind(&mask, Duration::from_millis(500)).await;
    let titled = r#"{"userName":"bj","title":"mine"}"#;
    let foreign = insist(&gateway, USERS, titled).await;
    assert_eq!((foreign.status, foreign.header("replaysafe-changed")), (409, Some("false")));
    assert_eq!(foreign.json()["scimType"], json!("uniqueness"), "{}", foreign.text());
    assert_eq!((mask.count("POST"), service.resources("Users").len()), (1, 1));
}

/// 412 on our own precondition after the change was made is a change that was made (catalogue no 97; S25).
#[tokio::test]
async fn a_412_after_the_change_is_read_again() {
    let told = AtomicBool::new(false);
    let (service, mask, gateway) = masked(move |request: &str| {
        if request.starts_with("PATCH ") && !told.swap(true, Ordering::SeqCst) {
            return Way::Told(json_answer("412 Precondition Failed", &json!({"schemas": [ERROR]})));
        }
        tagged(request, |user| format!("W/\"{}\"", user["title"].as_str().unwrap_or("none")))
    })
    .await;
    let id = service.put_in("Users", json!({"userName": "bj", "title": "a"}));
    let patch = patch(&json!({"op": "replace", "path": "title", "value": "b"}));
    let reply = insist(&gateway, &format!("PATCH /scim/v2/Users/{id}"), &patch).await;
    assert!(reply.status < 300, "{}", reply.text());
    assert_eq!(service.resources("Users")[0]["title"], json!("b"));
    assert_eq!(mask.count("PATCH"), 1);
    let sent = mask.heard().into_iter().find(|request| request.starts_with("PATCH")).unwrap();
    assert!(sent.contains("If-Match: W/\"a\"\r\n"), "{sent}");
}

/// Entity tags of the content, weak ones, none, ones that are no tags, and others at each look: an update is made once
/// (catalogue no 98; S25).
#[tokio::test]
async fn whatever_a_tag_is_an_update_is_made_once() {
    type Tag = fn(&Value) -> String;
    let tags: [Tag; 5] = [
        |user| format!("\"{}\"", user["title"].as_str().unwrap().len()),
        |user| format!("W/\"{}\"", user["title"].as_str().unwrap()),
        |_| String::new(),
        |_| "no tag at all, \u{e9}".to_owned(),
        |_| {
            static LOOKS: AtomicU64 = AtomicU64::new(0);
            format!("\"{}\"", LOOKS.fetch_add(1, Ordering::SeqCst))
        },
    ];
    for tag in tags {
        let (service, mask, gateway) = masked(move |request: &str| tagged(request, tag)).await;
        let id = service.put_in("Users", json!({"userName": "bj", "title": "a"}));
        let patch = patch(&json!({"op": "replace", "path": "title", "value": "b"}));
        for _ in 0..3 {
            let reply = insist(&gateway, &format!("PATCH /scim/v2/Users/{id}"), &patch).await;
            assert!(reply.status < 300, "{}", reply.text());
            gateway.clock.forward(200);
        }
        assert_eq!(service.resources("Users")[0]["title"], json!("b"));
        assert_eq!(mask.count("PATCH"), 1);
    }
}

/// A target that says 200 and does nothing: once, it is sent again; always, it is never told as done
/// (catalogue no 99; S11, S13).
#[tokio::test]
async fn a_lie_is_never_told_as_done() {
    let off = patch(&json!({"op": "replace", "path": "active", "value": false}));
    let lie = json_answer("200 OK", &json!({"id": "id-1", "userName": "bj", "active": false}));
    let once = lie.clone();
    let (service, mask, gateway) = masked(first("PATCH", move || Way::Instead(once.clone()))).await;
    service.put_in("Users", json!({"userName": "bj", "active": true}));
    let path = "PATCH /scim/v2/Users/id-1";
    let reply = insist(&gateway, path, &off).await;
    assert!(reply.status < 300, "{}", reply.text());
    assert_eq!(service.resources("Users")[0]["active"], json!(false));
    assert_eq!(mask.count("PATCH"), 2);

    let (service, _mask, gateway) = masked(move |request: &str| match request {
        _ if request.starts_with("PATCH ") => Way::Instead(lie.clone()),
        _ => Way::Through,
    })
    .await;
    service.put_in("Users", json!({"userName": "bj", "active": true}));
    for _ in 0..40 {
        let reply = gateway.ask(path, "", &off).await;
        assert!(400 <= reply.status, "{}", reply.text());
        assert_ne!(reply.header("replaysafe-verdict"), Some("done"), "{}", reply.text());
        gateway.clock.forward(2);
    }

    // A create that is said to have made what nobody is shown.
    let made = json_answer("201 Created", &json!({"id": "id-9", "userName": "bj"}));
    let (_service, _mask, gateway) = masked(move |request: &str| match request {
        _ if request.starts_with("POST ") => Way::Instead(made.clone()),
        _ => Way::Through,
    })
    .await;
    for _ in 0..40 {
        let reply = gateway.ask(USERS, "", USER).await;
        assert!(400 <= reply.status, "{}", reply.text());
        gateway.clock.forward(2);
    }
}

/// A credential that runs out between the look and the effect, or before the reading back: 401 is told, recorded nowhere,
/// and the same request with a new one ends as one user (catalogue no 115; S1, S9).
#[tokio::test]
async fn a_token_that_runs_out_on_the_way_costs_a_repeat() {
    let refusal = || {
        let headers = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
        answer("401 Unauthorized", headers, "{}")
    };
    // At the effect.
    let (service, mask, gateway) = masked(first("POST", move || Way::Instead(refusal()))).await;
    let reply = gateway.ask(USERS, "", USER).await;
    assert_eq!((reply.status, reply.header("replaysafe-changed")), (401, Some("false")));
    assert_eq!(reply.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    let renewed = gateway.ask(USERS, "Authorization: Bearer new\r\n", USER).await;
    assert_eq!(renewed.status, 201, "{}", renewed.text());
    assert_eq!((mask.count("POST"), service.resources("Users").len()), (2, 1));

    // Once the effect was made.
    let made = Arc::new(AtomicBool::new(false));
    let (service, mask, gateway) = masked(move |request: &str| {
        made.fetch_or(request.starts_with("POST "), Ordering::SeqCst);
        let old = request.contains("Bearer alice") && !request.starts_with("POST ");
        match old && made.load(Ordering::SeqCst) {
            true => Way::Instead(refusal()),
            false => Way::Through,
        }
    })
    .await;
    drop(gateway.ask(USERS, "", USER).await);
    gateway.clock.forward(61);
    let mut status = 503;
    for _ in 0..60 {
        status = gateway.ask(USERS, "Authorization: Bearer new\r\n", USER).await.status;
        if status != 503 {
            break;
        }
        gateway.clock.forward(2);
    }
    assert_eq!(status, 201);
    assert_eq!((mask.count("POST"), service.resources("Users").len()), (1, 1));
}

/// A connection that is reset, or half open, after the request: what became of it is found, and not taken for a failure
/// (catalogue no 116; S12).
#[tokio::test]
async fn a_connection_that_dies_is_no_failure() {
    for silent in [false, true] {
        let way = move || if silent { Way::Silent } else { Way::Reset };
        let (service, mask, gateway) = masked(first("POST", way)).await;
        let reply = insist(&gateway, USERS, USER).await;
        assert_eq!((reply.status, reply.id().as_str()), (201, "id-1"), "{}", reply.text());
        assert_eq!((mask.count("POST"), service.resources("Users").len()), (1, 1));
    }
}

/// A request that is delivered again and again is one effect; one that never works is sent twice at most, and holds up
/// nobody else (catalogue no 117; S5, S13).
#[tokio::test]
async fn a_storm_and_a_poison_message_hold_up_nobody() {
    let (service, mask, gateway) =
        masked_for(Duration::from_secs(20), |request: &str| {
            match request.starts_with("POST ") && request.contains("poison") {
                true => Way::Instead(Vec::new()),
                false => Way::Through,
            }
        })
        .await;
    let gateway = Arc::new(gateway);
    let ask = |name: String| {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move {
            let user = json!({"userName": name}).to_string();
            gateway.ask(USERS, "", user).await
        })
    };
    let poison: Vec<_> = (0..20).map(|_| ask("poison".to_owned())).collect();
    let storm: Vec<_> = (0..100).map(|_| ask("bj".to_owned())).collect();
    let others: Vec<_> = (0..20).map(|at| ask(format!("u{at}"))).collect();
    for one in storm.into_iter().chain(others) {
        let reply = one.await.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
    for one in poison {
        one.await.unwrap().is_error(503, None, "");
    }
    assert_eq!(service.resources("Users").len(), 21);
    let sent = |name: &str| {
        let posts = mask.heard().into_iter().filter(|request| request.starts_with("POST "));
        posts.filter(|request| request.contains(name)).count()
    };
    assert_eq!(sent("\"bj\""), 1);
    assert!((1..=2).contains(&sent("poison")), "{}", sent("poison"));
}

/// The first request that begins so goes another way, and all others go through.
fn first(
    begins: &'static str,
    way: impl Fn() -> Way + Send + Sync + 'static,
) -> impl Fn(&str) -> Way + Send + Sync + 'static {
    let gone = AtomicBool::new(false);
    move |request| match request.starts_with(begins) && !gone.swap(true, Ordering::SeqCst) {
        true => way(),
        false => Way::Through,
    }
}

/// The service has entity tags, made of what a user is; an empty one is left out.
fn tagged(request: &str, tag: impl Fn(&Value) -> String + Send + 'static) -> Way {
    if request.starts_with("GET /scim/v2/ServiceProviderConfig") {
        return Way::Changed(Box::new(|reply: &mut Reply| {
            let mut config = reply.json();
            config["etag"]["supported"] = json!(true);
            reply.body = config.to_string().into_bytes();
        }));
    }
    if !request.contains(" /scim/v2/Users/") {
        return Way::Through;
    }
    Way::Changed(Box::new(move |reply: &mut Reply| {
        let mut user = reply.json();
        let tag = tag(&user);
        if !tag.is_empty() {
            user["meta"]["version"] = json!(tag);
            reply.head.push_str(&format!("\r\nETag: {tag}"));
        }
        reply.body = user.to_string().into_bytes();
    }))
}

fn lists_nothing(reply: &mut Reply) {
    reply.body = json!({"totalResults": 0, "Resources": []}).to_string().into_bytes();
}

fn patch(operation: &Value) -> String {
    let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    json!({"schemas": [schema], "Operations": [operation]}).to_string()
}

/// A change by this method that is none so far.
fn change(method: &str, id: &str) -> (String, String) {
    match method {
        "POST" => (USERS.to_owned(), USER.to_owned()),
        "PUT" => (format!("PUT /scim/v2/Users/{id}"), USER.to_owned()),
        "PATCH" => {
            let title = json!({"op": "replace", "path": "title", "value": "t"});
            (format!("PATCH /scim/v2/Users/{id}"), patch(&title))
        }
        _ => (format!("{method} /scim/v2/Users/{id}"), String::new()),
    }
}

async fn masked(rule: impl Fn(&str) -> Way + Send + Sync + 'static) -> (Service, Mask, Gateway) {
    masked_for(Duration::from_millis(500), rule).await
}

/// The same, where a client waits so long for its answer.
async fn masked_for(
    answer_budget: Duration,
    rule: impl Fn(&str) -> Way + Send + Sync + 'static,
) -> (Service, Mask, Gateway) {
    let service = Service::start().await;
    let mask = Mask::before(&service, rule).await;
    let gateway = behind(&mask, answer_budget).await;
    (service, mask, gateway)
}

async fn behind(mask: &Mask, answer_budget: Duration) -> Gateway {
    let options = GatewayOptions { answer_budget, ..GatewayOptions::default() };
    Gateway::start(&mask.base(), &Roots::System, options).await
}

/// Asks again, and lets time pass between, until it is told what became of it.
async fn insist(gateway: &Gateway, line: &str, body: &str) -> Reply {
    for _ in 0..60 {
        let reply = gateway.ask(line, "", body).await;
        if reply.status != 503 {
            return reply;
        }
        gateway.clock.forward(2);
    }
    panic!("{line} has no end");
}
