//! Bad input, number by number of the catalogue: a SCIM error that says what to do, and an upstream that is not touched.
//!
//! What breaks a rule of form on `/Users` and `/Groups` is refused before anybody upstream is asked anything at all.
//! What is well formed and refused for its meaning may be looked into, and changes nothing.

use std::sync::Arc;

use replaysafe::keys::LedgerKey;
use replaysafe::ledger::{Ledger as _, SqliteLedger};
use replaysafe::target::upstream::Roots;
use replaysafe_gateway::GatewayOptions;
use serde_json::{Value, json};

use crate::canary::{found_in, holds};
use crate::support::{ALICE, Gateway, Reply, Service, both, exchange};

/// Depth 33 is one more than S44 allows. No stack grows: the deepest is 100,000 levels.
#[tokio::test]
async fn no_1_a_document_that_is_too_deep() {
    for depth in [33, 1_000, 100_000] {
        let body = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        check_form(&[("", body.as_bytes(), 400, Some("invalidSyntax"), "too-deep")]).await;
    }
}

/// 10^6 items take more than the 1 MiB of a User; 400,000 are more than the 200,000 of S44.
#[tokio::test]
async fn no_2_an_array_that_is_too_long() {
    let array = |items: usize| format!("{{\"emails\":[0{}]}}", ",0".repeat(items - 1));
    let (million, many) = (array(1_000_000), array(400_000));
    check_form(&[
        ("", million.as_bytes(), 413, None, "send less"),
        ("", many.as_bytes(), 400, Some("invalidSyntax"), "too-many-items"),
    ])
    .await;
}

#[tokio::test]
async fn no_3_an_object_with_too_many_members() {
    let members: Vec<_> = (0..80_000).map(|at| format!("\"k{at}\":0")).collect();
    let body = format!("{{{}}}", members.join(","));
    check_form(&[("", body.as_bytes(), 400, Some("invalidSyntax"), "too-many-members")]).await;
}

#[tokio::test]
async fn no_4_to_6_a_member_that_is_given_twice() {
    check_form(&[
        ("", br#"{"active":true,"active":false}"#, 400, Some("invalidSyntax"), "duplicate-member"),
        ("", br#"{"userName":"a","USERNAME":"b"}"#, 400, Some("invalidSyntax"), "duplicate-member"),
        (
            "",
            br#"{"user\u004eame":"a","userName":"b"}"#,
            400,
            Some("invalidSyntax"),
            "duplicate-member",
        ),
    ])
    .await;
}

#[tokio::test]
async fn no_7_text_that_is_no_utf_8() {
    check_form(&[
        ("", b"{\"userName\":\"\xff\"}", 400, Some("invalidSyntax"), "not-utf8"),
        ("", b"{\"userName\":\"\xc0\x80\"}", 400, Some("invalidSyntax"), "not-utf8"),
        ("", br#"{"userName":"\ud800"}"#, 400, Some("invalidSyntax"), "lone-surrogate"),
        ("", b"\xef\xbb\xbf{\"userName\":\"a\"}", 400, Some("invalidSyntax"), "byte-order-mark"),
    ])
    .await;
}

#[tokio::test]
async fn no_8_a_nul() {
    check_form(&[
        ("", br#"{"userName":"a\u0000b"}"#, 400, Some("invalidSyntax"), "nul-character"),
        ("", br#"{"externalId":"\u0000"}"#, 400, Some("invalidSyntax"), "nul-character"),
        ("Idempotency-Key: a\0b\r\n", b"{}", 400, None, "strict"),
    ])
    .await;
}

/// S3, RFC 8785: `1.0` and `1`, `-0` and `0` are one number; 2^53 + 1 is not 2^53.
#[tokio::test]
async fn no_9_numbers_are_exact_or_refused() {
    check_form(&[("", br#"{"level":1e999}"#, 400, Some("invalidSyntax"), "number-range")]).await;
    let service = Service::start().await;
    let gateway = Gateway::before(&service).await;
    for (key, one, other, same) in [
        ("a", "1", "1.0", true),
        ("b", "0", "-0", true),
        ("c", "9007199254740992", "9007199254740993", false),
    ] {
        let user = |level| format!(r#"{{"userName":"{key}","level":{level}}}"#);
        let header = format!("Idempotency-Key: {key}\r\n");
        assert_eq!(gateway.ask("POST /scim/v2/Users", &header, user(one)).await.status, 201);
        let reply = gateway.ask("POST /scim/v2/Users", &header, user(other)).await;
        if same {
            assert_eq!(reply.header("idempotency-replayed"), Some("true"), "{}", reply.text());
        } else {
            reply.is_error(422, None, "differing attributes: level");
        }
    }
    assert_eq!(service.changes().len(), 3);
}

#[tokio::test]
async fn no_10_text_that_is_no_document() {
    for body in ["{\"userName\":", "{} x", "{}{}", "", "{'a':1}"] {
        check_form(&[("", body.as_bytes(), 400, Some("invalidSyntax"), "(syntax)")]).await;
    }
}

#[tokio::test]
async fn no_11_a_media_type_that_is_none_of_scims() {
    for media_type in [
        "Content-Type: text/plain\r\n",
        "Content-Type: application/json; charset=utf-16\r\n",
        "Content-Type:\r\n",
        "Content-Type: application/json\r\nContent-Type: application/json\r\n",
    ] {
        check_form(&[(media_type, b"{}", 415, None, "must be")]).await;
    }
    let (service, gateway) = both().await;
    let head = format!("POST /scim/v2/Users HTTP/1.1\r\nHost: me\r\nAuthorization: {ALICE}\r\n");
    let reply = gateway.raw(format!("{head}Connection: close\r\nContent-Length: 2\r\n\r\n{{}}"));
    reply.await.is_error(415, None, "must be given once");
    assert!(service.asked().is_empty());
}

/// Refused unread: nothing is ever inflated.
#[tokio::test]
async fn no_12_a_compressed_body() {
    // The head of a gzip file; what follows does not matter.
    let bomb = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), &[0; 1000]].concat();
    for encoding in ["gzip", "deflate", "br", "identity, gzip"] {
        let header = format!("Content-Encoding: {encoding}\r\n");
        check_form(&[(&header, &bomb, 415, None, "Content-Encoding must be identity")]).await;
    }
}

#[tokio::test]
async fn no_13_a_body_that_is_too_large_or_has_no_end() {
    let large = vec![b' '; (1 << 20) + 1];
    check_form(&[("", &large, 413, None, "send less")]).await;
    let (service, gateway) = both().await;
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: me\r\nAuthorization: {ALICE}\r\n\
         Content-Type: application/scim+json\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(1 << 16));
    let endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(100));
    gateway.raw(endless).await.is_error(413, None, "send less");
    // What is said to be too large is refused before it is sent, and heard although it is sent.
    let large = " ".repeat(20 << 20);
    let reply = gateway.raw(format!("{head}Content-Length: {}\r\n\r\n{large}", large.len())).await;
    reply.is_error(413, None, "send less");
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(service.asked().is_empty());
}

#[tokio::test]
async fn no_14_the_same_request_in_another_spelling_is_the_same() {
    let (service, gateway) = both().await;
    let first = r#"{"userName":"bj","name":{"givenName":"B","familyName":"J"}}"#;
    let again = r#" { "NAME" : {"familyName":"J", "givenName":"\u0042"}, "userName":"bj" } "#;
    let key = "Idempotency-Key: k\r\n";
    let given = gateway.ask("POST /scim/v2/Users", key, first).await;
    assert_eq!((given.status, given.header("idempotency-replayed")), (201, None));
    let replay = gateway.ask("POST /scim/v2/Users", "Idempotency-Key: \"k\"\r\n", again).await;
    assert_eq!((replay.status, replay.header("idempotency-replayed")), (201, Some("true")));
    for name in ["location", "replaysafe-decision", "replaysafe-changed"] {
        assert_eq!(replay.header(name), given.header(name), "{name}");
    }
    assert_eq!(replay.body, given.body);
    assert_eq!(service.changes().len(), 1);
}

/// The target is asked nothing at all; once a minute has passed, whether it still accepts the credential (S1), by one search
/// for the resource.
#[tokio::test]
async fn no_15_the_same_key_with_another_request() {
    let (service, gateway) = both().await;
    let key = "Idempotency-Key: k\r\n";
    let user = |active: bool| json!({"userName": "bj", "active": active}).to_string();
    let first = gateway.ask("POST /scim/v2/Users", key, user(true)).await;
    let asked = service.asked().len();
    let other = gateway.ask("POST /scim/v2/Users", key, user(false)).await;
    assert_eq!(service.asked().len(), asked);
    other.is_error(422, None, "send a new key");
    assert!(other.text().contains("differing attributes: active"), "{}", other.text());
    assert_eq!(other.header("replaysafe-verdict"), Some("key-reused"));
    gateway.clock.forward(61);
    gateway.ask("POST /scim/v2/Users", key, user(false)).await.is_error(422, None, "a new key");
    let looks: Vec<_> = service.asked().into_iter().skip(asked).collect();
    let looks: Vec<_> = looks.iter().map(|one| format!("{} {}", one.method, one.target)).collect();
    assert_eq!(looks, ["GET /scim/v2/Users?filter=userName%20eq%20%22bj%22"]);
    let again = gateway.ask("POST /scim/v2/Users", key, user(true)).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body, first.body);
    assert_eq!(service.changes().len(), 1);
}

#[tokio::test]
async fn no_16_an_unknown_extension_is_kept_and_counts() {
    let (service, gateway) = both().await;
    let key = "Idempotency-Key: k\r\n";
    let user = |badge: u32| json!({"userName": "bj", "urn:example:x": {"badge": badge}});
    assert_eq!(gateway.ask("POST /scim/v2/Users", key, user(7).to_string()).await.status, 201);
    let changes = service.changes();
    let sent: Value = serde_json::from_slice(&changes[0].body).unwrap();
    assert_eq!(sent, user(7));
    let other = gateway.ask("POST /scim/v2/Users", key, user(8).to_string()).await;
    other.is_error(422, None, "differing attributes: urn:example:x");
    assert_eq!(service.changes().len(), 1);
}

#[tokio::test]
async fn no_17_the_order_of_a_set_does_not_count_and_its_flags_do() {
    let (service, gateway) = both().await;
    let key = "Idempotency-Key: k\r\n";
    let a = |primary: bool| json!({"value": "a@x", "type": "work", "primary": primary});
    let b = |primary: bool| json!({"value": "b@x", "type": "home", "primary": primary});
    let user = |emails: [Value; 2]| json!({"userName": "bj", "emails": emails}).to_string();
    let post = "POST /scim/v2/Users";
    assert_eq!(gateway.ask(post, key, user([a(true), b(false)])).await.status, 201);
    let turned = gateway.ask(post, key, user([b(false), a(true)])).await;
    assert_eq!(turned.header("idempotency-replayed"), Some("true"), "{}", turned.text());
    let moved = gateway.ask(post, key, user([a(false), b(true)])).await;
    moved.is_error(422, None, "differing attributes: emails");
    assert_eq!(service.changes().len(), 1);
}

/// S25: what cannot be interpreted goes out as it came, inside the body and nowhere else, and the target judges it. It
/// never becomes a part of a URL or of another filter.
#[tokio::test]
async fn no_18_a_filter_that_is_more_than_one() {
    let (service, gateway) = both().await;
    let id = service.put_in("Users", json!({"userName": "bj", "emails": [{"value": "x"}]}));
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": "emails[value eq \"x\" or 1 eq 1]"}],
    });
    let reply = gateway.ask(&format!("PATCH /scim/v2/Users/{id}"), "", body.to_string()).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(reply.header("replaysafe-changed"), Some("false"));
    for asked in service.asked() {
        assert!(!asked.target.contains("1%20eq%201"), "{}", asked.target);
        if asked.method == "PATCH" {
            assert_eq!(serde_json::from_slice::<Value>(&asked.body).unwrap(), body);
        }
    }
    assert_eq!(service.resources("Users")[0]["emails"], json!([{"value": "x"}]));
}

/// S11: absence counts where this target has shown members by the value that is stated: the add was read back.
#[tokio::test]
async fn no_19_a_removal_that_already_holds() {
    let (service, gateway) = both().await;
    let id = service.put_in("Groups", json!({"displayName": "g", "members": []}));
    let path = format!("PATCH /scim/v2/Groups/{id}");
    let patch = |operation: Value| {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        json!({"schemas": [schema], "Operations": [operation]}).to_string()
    };
    let add = json!({"op": "add", "path": "members", "value": [{"value": "u1"}]});
    assert_eq!(gateway.ask(&path, "", patch(add)).await.status, 200);
    let remove = |value: &str| {
        patch(json!({"op": "remove", "path": format!("members[value eq \"{value}\"]")}))
    };
    let first = gateway.ask(&path, "", remove("u1")).await;
    assert_eq!(first.header("replaysafe-changed"), Some("true"), "{}", first.text());
    let sent = service.changes().len();
    // The first is a repeat, and has the first decision and the first changed (S37).
    for (value, verdict, changed) in [("u1", "done", "true"), ("u2", "already-satisfied", "false")]
    {
        let reply = gateway.ask(&path, "", remove(value)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("replaysafe-verdict"), Some(verdict), "{}", reply.text());
        assert_eq!(reply.header("replaysafe-changed"), Some(changed));
    }
    assert_eq!(service.changes().len(), sent);
}

/// S3a: in no file of the ledger and in no answer, in any spelling. What the program writes is looked at by `canary.rs`
/// of the command line's tests, as the library writes nothing.
#[tokio::test]
async fn no_20_a_password_is_nowhere() {
    let (service, mut gateway) = both().await;
    let canary = "Canary-7f3e!Qz9";
    let mut replies = Vec::new();
    let user = json!({"userName": "bj", "password": canary}).to_string();
    let key = "Idempotency-Key: k\r\n";
    for (headers, body) in [(key, &user), (key, &user), ("", &user)] {
        replies.push(gateway.ask("POST /scim/v2/Users", headers, body).await);
    }
    let id = replies[0].id();
    let member = format!("/scim/v2/Users/{id}");
    replies.push(gateway.ask(&format!("PUT {member}"), "", &user).await);
    let operation = json!({"op": "replace", "path": "password", "value": format!("{canary}2")});
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [operation]});
    replies.push(gateway.ask(&format!("PATCH {member}"), "", patch.to_string()).await);
    // Refusals quote nothing either.
    replies.push(gateway.ask("POST /scim/v2/Users", key, user.replace("bj", "jb")).await);
    let twice = user.replace("\"userName\"", "\"PASSWORD\":\"x\",\"userName\"");
    replies.push(gateway.ask("POST /scim/v2/Users", "", twice).await);
    let sent = service.changes().iter().filter(|asked| holds(&asked.body, canary)).count();
    assert!(3 <= sent, "the target gets the password with each effect: {sent}");
    for reply in &replies {
        let shown = [reply.head.as_bytes(), &reply.body].concat();
        assert_eq!(found_in(&shown, canary), [""; 0], "{}", reply.text());
    }
    let look = |gateway: &Gateway| {
        let files = gateway.files();
        assert!(files.contains_key("ledger"), "{:?}", files.keys());
        for (name, bytes) in files {
            assert_eq!(found_in(&bytes, canary), [""; 0], "{name}");
        }
    };
    // With the write-ahead log, and after it is written back.
    look(&gateway);
    gateway.stop();
    gateway.ended().await.unwrap();
    look(&gateway);
}

/// S3a: neither in what the component was asked, nor in what it said, nor in what it saw, however a PATCH spells its path.
#[tokio::test]
async fn no_20_a_password_behind_a_pointer_is_nowhere() {
    let (service, gateway) = both().await;
    let canary = "Canary-7f3e!Qz9";
    let id = service.put_in("Users", json!({"userName": "bj"}));
    let key = Arc::new(LedgerKey::open_or_create(gateway.folder.path().join("key")).unwrap());
    let ledger = SqliteLedger::open_read_only(gateway.folder.path().join("ledger"), key).unwrap();
    for path in ["password", "/password", "$.password", "$['password']"] {
        let operation = json!({"op": "replace", "path": path, "value": canary});
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [operation]});
        let line = format!("PATCH /scim/v2/Users/{id}");
        let reply = gateway.ask(&line, "", patch.to_string()).await;
        assert!(holds(&service.changes().pop().unwrap().body, canary), "{path}");
        let decision = reply.header("replaysafe-decision").unwrap().to_owned();
        let steps = ledger.steps(&decision).await.unwrap();
        assert!(!steps.is_empty(), "{path}: {}", reply.text());
        for step in steps {
            assert!(step.input.contains("Operations"), "{path}: {step:?}");
            assert!(!format!("{step:?}").contains(canary), "{path}: {step:?}");
        }
    }
}

/// S2: a key is derived, and a header says so; the decision's id tells that a repeat was known.
#[tokio::test]
async fn no_21_no_key() {
    let (service, gateway) = both().await;
    let user = json!({"userName": "bj"}).to_string();
    let first = gateway.ask("POST /scim/v2/Users", "", &user).await;
    let again = gateway.ask("POST /scim/v2/Users", "", &user).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("replaysafe-decision"), first.header("replaysafe-decision"));
    for reply in [&first, &again] {
        assert_eq!(reply.header("replaysafe-key"), Some("derived"), "{}", reply.text());
    }
    assert_eq!(service.changes().len(), 1);
    let with_key = gateway.ask("POST /scim/v2/Users", "Idempotency-Key: k\r\n", &user).await;
    assert_eq!(with_key.header("replaysafe-key"), None, "{}", with_key.text());
}

/// 64 KiB are more than a head may have: 431, whichever header it is.
#[tokio::test]
async fn no_22_and_23_a_key_that_is_none() {
    let (long, huge) = ("k".repeat(256), "k".repeat(64 << 10));
    for (key, status, says) in [
        ("Idempotency-Key: \r\n", 400, "1 to 255"),
        ("Idempotency-Key: \"\"\r\n", 400, "1 to 255"),
        (&format!("Idempotency-Key: {long}\r\n"), 400, "1 to 255"),
        (&format!("Idempotency-Key: \"{long}\"\r\n"), 400, "1 to 255"),
        (&format!("Idempotency-Key: {huge}\r\n"), 431, "shorter"),
        ("Idempotency-Key: a b\r\n", 400, "1 to 255"),
        ("Idempotency-Key: \"a b\"\r\n", 400, "1 to 255"),
        ("Idempotency-Key: a\tb\r\n", 400, "1 to 255"),
        ("Idempotency-Key: \u{e9}\r\n", 400, "1 to 255"),
        ("Idempotency-Key: a\x01b\r\n", 400, "strict"),
        ("Idempotency-Key: a, b\r\n", 400, "quote it"),
        ("Idempotency-Key: a,b\r\n", 400, "quote it"),
        ("Idempotency-Key: a\"b\r\n", 400, "quote it"),
        ("Idempotency-Key: \"a\", \"b\"\r\n", 400, "quoted"),
        ("Idempotency-Key: \"a\r\n", 400, "quoted"),
        ("Idempotency-Key: a\r\nIdempotency-Key: a\r\n", 400, "send one"),
        ("Idempotency-Key: a\r\nidempotency-key: b\r\n", 400, "send one"),
    ] {
        check_form(&[(key, br#"{"userName":"bj"}"#, status, None, says)]).await;
    }
    let (service, gateway) = both().await;
    let longest = "k".repeat(255);
    for (at, key) in ["k", &longest, "\"a,b\""].iter().enumerate() {
        let header = format!("Idempotency-Key: {key}\r\n");
        let user = json!({"userName": format!("u{at}")}).to_string();
        assert_eq!(gateway.ask("POST /scim/v2/Users", &header, &user).await.status, 201);
    }
    assert_eq!(service.changes().len(), 3);
}

/// One ledger, opened by a gateway of another tenant: the same key is another key.
#[tokio::test]
async fn no_24_the_same_key_of_another_tenant() {
    let (service, mut gateway) = both().await;
    let key = "Idempotency-Key: k\r\n";
    let user = |name: &str| json!({"userName": name}).to_string();
    assert_eq!(gateway.ask("POST /scim/v2/Users", key, user("a")).await.status, 201);
    gateway.stop();
    gateway.ended().await.unwrap();
    let other = Gateway::start_in(
        gateway.folder,
        (&service.base(), &Roots::System),
        GatewayOptions::default(),
        "other",
    )
    .await;
    let reply = other.ask("POST /scim/v2/Users", key, user("b")).await;
    assert_eq!((reply.status, reply.header("idempotency-replayed")), (201, None));
    assert_eq!(service.changes().len(), 2);
}

#[tokio::test]
async fn no_25_the_same_key_of_another_principal() {
    let (service, gateway) = both().await;
    let key = "Idempotency-Key: k\r\n";
    let user = |name: &str| json!({"userName": name}).to_string();
    let first = gateway.ask("POST /scim/v2/Users", key, user("a")).await;
    let bob = format!("{key}Authorization: Bearer bob\r\n");
    let other = gateway.ask("POST /scim/v2/Users", &bob, user("b")).await;
    assert_eq!((other.status, other.header("idempotency-replayed")), (201, None));
    assert_ne!(other.header("replaysafe-decision"), first.header("replaysafe-decision"));
    assert_eq!(service.changes().len(), 2);
}

/// S1: who shows no `Authorization` is known by whatever else may be a credential, not as one anonymous client.
#[tokio::test]
async fn no_25_the_same_key_of_clients_without_authorization() {
    let (service, gateway) = both().await;
    let ask = async |credential: &str, name: &str| {
        let user = json!({"userName": name}).to_string();
        let length = user.len();
        let request = format!(
            "POST /scim/v2/Users HTTP/1.1\r\nHost: me\r\nConnection: close\r\nIdempotency-Key: k\r\n\
             {credential}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{user}"
        );
        gateway.raw(request).await
    };
    let clients = ["X-API-Key: a", "X-API-Key: b", "Cookie: s=a", "Accept: */*"];
    let mut decisions = std::collections::BTreeSet::new();
    for (client, name) in clients.into_iter().zip(["a", "b", "c", "d"]) {
        let first = ask(client, name).await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (201, None), "{client}");
        decisions.insert(first.header("replaysafe-decision").unwrap().to_owned());
        // What says nothing of who asks may differ.
        let again = ask(&format!("X-Request-Id: {name}\r\n{client}"), name).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
        assert_eq!(again.header("replaysafe-decision"), first.header("replaysafe-decision"));
    }
    assert_eq!(decisions.len(), clients.len());
    assert_eq!(service.changes().len(), clients.len());
}

/// S1: a credential is relied on for a minute after the target accepted it. Then the target's refusal is passed on.
#[tokio::test]
async fn no_26_a_replay_after_the_client_was_revoked() {
    let (service, gateway) = both().await;
    let key = "Idempotency-Key: k\r\n";
    let user = json!({"userName": "bj", "title": "Treasure"}).to_string();
    let first = gateway.ask("POST /scim/v2/Users", key, &user).await;
    assert_eq!(first.status, 201);
    service.revoke(ALICE);
    gateway.clock.forward(61);
    for headers in [key, ""] {
        let reply = gateway.ask("POST /scim/v2/Users", headers, &user).await;
        assert_eq!(reply.status, 401, "{}", reply.text());
        assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"up\""));
        assert_eq!(reply.header("idempotency-replayed"), None);
        assert_eq!(reply.header("replaysafe-changed"), Some("false"));
        for secret in
            ["Treasure", first.id().as_str(), first.header("replaysafe-decision").unwrap()]
        {
            assert!(!reply.text().contains(secret), "{secret} in {}", reply.text());
        }
    }
    assert_eq!(service.changes().len(), 1);
}

/// S1: Basic names its principal, and the password proves it: a wrong one earns no receipt, also within the minute.
#[tokio::test]
async fn no_26_a_replay_with_a_wrong_password() {
    let (service, gateway) = both().await;
    // RFC 7617 section 2: "Aladdin:open sesame"; and "Aladdin:wrong".
    let right = "Idempotency-Key: k\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    let wrong = "Idempotency-Key: k\r\nAuthorization: Basic QWxhZGRpbjp3cm9uZw==\r\n";
    service.revoke("Basic QWxhZGRpbjp3cm9uZw==");
    let user = json!({"userName": "bj"}).to_string();
    assert_eq!(gateway.ask("POST /scim/v2/Users", right, &user).await.status, 201);
    let reply = gateway.ask("POST /scim/v2/Users", wrong, &user).await;
    assert_eq!((reply.status, reply.header("idempotency-replayed")), (401, None));
}

#[tokio::test]
async fn no_37_a_request_with_two_readings() {
    let (service, gateway) = both().await;
    let post = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: me\r\nAuthorization: {ALICE}\r\n\
         Content-Type: application/json\r\n"
    );
    let (chunks, chunked) = ("2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n");
    for request in [
        format!("{post}Content-Length: 2\r\n{chunked}\r\n{chunks}"),
        format!("{post}{chunked}Content-Length: 2\r\n\r\n{chunks}"),
        format!("{post}{chunked}{chunked}\r\n{chunks}"),
        format!("{post}{chunked}Transfer-Encoding: identity\r\n\r\n{chunks}"),
        format!("{post}Transfer-Encoding: xchunked\r\n\r\n{chunks}"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n{chunks}"),
        format!("{post}Transfer-Encoding:\x0bchunked\r\n\r\n{chunks}"),
        format!("{post}Transfer-Encoding : chunked\r\n\r\n{chunks}"),
        format!("{post}X: y\r\n Transfer-Encoding: chunked\r\n\r\n{chunks}"),
        format!("{post}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}"),
        format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
        format!("{post}Content-Length: 2, 2\r\n\r\n{{}}"),
        format!("{post}Content-Length: +2\r\n\r\n{{}}"),
        format!("{post}{chunked}\r\n2;\n{{}}\r\n0\r\n\r\n"),
        format!("{post}{chunked}\r\n-2\r\n{{}}\r\n0\r\n\r\n"),
        format!("{post}Content-Length: 2\r\n\r\n{{}}").replace("\r\n", "\n"),
        format!("{post}Content-Length: 2\n\r\n{{}}"),
    ] {
        // What follows on the same connection is not heard.
        let follows = "GET /healthz HTTP/1.1\r\nHost: me\r\n\r\n";
        let bytes = exchange(gateway.address, format!("{request}{follows}").into()).await;
        let reply = Reply::read(&bytes);
        reply.is_error(400, None, "");
        assert_eq!(reply.header("connection"), Some("close"), "{request}");
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{request}: {text}");
    }
    assert!(service.asked().is_empty());
}

/// A request before the one that is wrong is answered as if nothing had come after it.
#[tokio::test]
async fn no_37_only_the_wrong_request_is_refused() {
    let (_service, gateway) = both().await;
    let two = "GET /healthz HTTP/1.1\r\nHost: me\r\n\r\nGET /healthz HTTP/1.1\nHost: me\n\n";
    let bytes = exchange(gateway.address, two.into()).await;
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert_eq!(text.matches("HTTP/1.1 400 ").count(), 1, "{text}");
}

#[tokio::test]
async fn no_40_a_path_with_two_readings() {
    let (service, gateway) = both().await;
    for path in [
        "/scim/v2/Users/../Groups",
        "/scim/v2/Users/%2e%2e/Groups",
        "/scim/v2/Users/.%2E",
        "/scim/v2/Users/%2e",
        "/scim/v2/Users%2f1",
        "/scim/v2/Users/a%2Fb",
        "/scim/v2/Users/a%5cb",
        "/scim/v2//Users",
        "/scim/v2/Users/",
        "//scim/v2/Users",
        "/scim/v2/Users;a=b",
        "/scim/v2/Users/1;a=b",
        "/scim/v2/Users/%00",
        "/scim/v2/Users/%zz",
        "/scim/v2/Users/%ff",
        "/scim/../scim/v2/Users",
        "http://169.254.169.254/scim/v2/Users",
        "http://me/scim/v2/Users",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let reply = gateway.ask(&format!("{method} {path}"), "", "{}").await;
            reply.is_error(400, None, "");
        }
    }
    let wrong_hosts = ["", "Host: me\r\nHost: me\r\n", "Host: me\r\nHost: other\r\n"];
    for hosts in wrong_hosts {
        let head = format!("DELETE /scim/v2/Users/1 HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        gateway.raw(head).await.is_error(400, None, "Host");
    }
    // RFC 9112 section 3.2.3: the authority form is for CONNECT only.
    let reply = gateway.raw("CONNECT up:443 HTTP/1.1\r\nHost: up:443\r\n\r\n").await;
    reply.is_error(400, None, "");
    assert!(service.asked().is_empty());
}

/// A path with two readings is told before whatever else is wrong with its request.
#[tokio::test]
async fn no_40_the_path_comes_first() {
    let (service, gateway) = both().await;
    let large = " ".repeat((1 << 20) + 1);
    let bare = "Host: me\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for path in [
        "/scim/v2/Users/../Groups",
        "/scim/v2/Users%2f1",
        "/scim/v2/Users//1",
        "/scim/v2/Users/1;a",
    ] {
        for (query, headers, body) in [
            ("", "Content-Type: text/plain\r\n", "{}"),
            ("", "Content-Encoding: gzip\r\n", "{}"),
            ("", "Idempotency-Key: \r\n", "{}"),
            ("", "If-None-Match: *\r\n", "{}"),
            ("", "X-HTTP-Method-Override: DELETE\r\n", "{}"),
            ("?_method=DELETE", "", "{}"),
            ("", "", "{"),
            ("", "", large.as_str()),
        ] {
            let reply = gateway.ask(&format!("PUT {path}{query}"), headers, body).await;
            reply.is_error(400, None, "path");
        }
        gateway.raw(format!("PUT {path} HTTP/1.1\r\n{bare}")).await.is_error(400, None, "path");
    }
    assert!(service.asked().is_empty());
}

/// S37: verdict, decision and changed, wherever a protected request ends; the decision is `none` where none was made.
#[tokio::test]
async fn every_refusal_of_a_protected_path_says_what_it_is() {
    let (_service, gateway) = both().await;
    for (line, headers, body, verdict) in [
        ("POST /scim/v2/Users", "Content-Type: text/plain\r\n", "{}", "wrong-type"),
        ("POST /scim/v2/Users", "Idempotency-Key: \r\n", "{}", "malformed"),
        ("POST /scim/v2/Users", "", "{", "malformed"),
        ("POST /scim/v2/Users", "", "[]", "malformed"),
        ("PATCH /scim/v2/Users/1", "", "{}", "malformed"),
        ("DELETE /scim/v2/Users/1", "If-None-Match: *\r\n", "", "malformed"),
        ("POST /scim/v2/Users", "If-None-Match: *\r\n", "{}", "malformed"),
        ("PUT /scim/v2/Users/1", "If-Unmodified-Since: x\r\n", "{}", "malformed"),
        ("PUT /scim/v2/Users/..", "", "{}", "malformed"),
    ] {
        let reply = gateway.ask(line, headers, body).await;
        assert_eq!(reply.header("replaysafe-verdict"), Some(verdict), "{line}: {}", reply.text());
        assert_eq!(reply.header("replaysafe-decision"), Some("none"), "{line}: {}", reply.text());
        assert_eq!(reply.header("replaysafe-changed"), Some("false"), "{line}");
    }
}

/// S16, S19: names and ids, never values; of two that match neither is taken (catalogue no 100).
#[tokio::test]
async fn a_conflict_names_attributes_and_candidates() {
    let (service, gateway) = both().await;
    let user = json!({"userName": "bj", "title": "Wanted", "nickName": "same"}).to_string();
    service.put_in("Users", json!({"userName": "bj", "title": "Present", "nickName": "same"}));
    let reply = gateway.ask("POST /scim/v2/Users", "", &user).await;
    reply.is_error(409, Some("uniqueness"), "differing attributes: title");
    assert!(!reply.text().contains("Wanted") && !reply.text().contains("Present"));
    service.put_in("Users", json!({"userName": "BJ"}));
    let reply = gateway.ask("POST /scim/v2/Users", "", &user).await;
    reply.is_error(409, None, "candidates: id-1, id-2");
    assert_eq!(reply.header("replaysafe-verdict"), Some("ambiguous"));
    assert!(service.changes().is_empty());
}

type Case<'a> = (&'a str, &'a [u8], u16, Option<&'a str>, &'a str);

/// Headers and body of a POST and a PUT of a User, and what they are told. Nothing is asked upstream.
async fn check_form(cases: &[Case<'_>]) {
    let (service, gateway) = both().await;
    for (headers, body, status, scim_type, says) in cases {
        for line in ["POST /scim/v2/Users", "PUT /scim/v2/Users/1", "PATCH /scim/v2/Users/1"] {
            gateway.ask(line, headers, body).await.is_error(*status, *scim_type, says);
        }
    }
    assert!(service.asked().is_empty(), "{:?}", service.asked());
}
