//! What a proxy must keep, seen from both sides of the real gateway.

use std::sync::Arc;

use replaysafe::target::upstream::{Roots, Upstream};
use replaysafe_gateway::{GatewayOptions, HostMode, PathBelow};
use serde_json::{Value, json};

use crate::support::{ALICE, Gateway, Reply, Service, both, exchange};

/// Percent-encoding and spelling are the client's; neither `/` nor `+` becomes another.
#[tokio::test]
async fn path_and_query_go_out_as_they_came() {
    let (service, gateway) = both().await;
    let query = "filter=userName%20eq%20%22a%2Fb%22&x=%c3%A9+b&&c";
    for line in [
        format!("GET /scim/v2/Users?{query}"),
        "GET /scim/v2/Users/a%2fb//%7e".to_owned(),
        format!("POST /scim/v2/Users/.search?{query}"),
        format!("POST /scim/v2/.search?{query}"),
    ] {
        gateway.ask(&line, "", "{}").await;
        let asked = service.asked().pop().unwrap();
        assert_eq!(format!("{} {}", asked.method, asked.target), line);
    }
    let id = service.put_in("Users", json!({"userName": "bj"}));
    let line = format!("PUT /scim/v2/Users/{id}?attributes=userName%2Ctitle");
    assert_eq!(gateway.ask(&line, "", r#"{"userName":"jb"}"#).await.status, 200);
    let asked = service.changes().pop().unwrap();
    assert_eq!(format!("{} {}", asked.method, asked.target), line);
}

/// The target sees the client's end-to-end headers, and none of the gateway's own.
#[tokio::test]
async fn headers_go_out_as_they_came() {
    let (service, gateway) = both().await;
    let id = service.put_in("Users", json!({"userName": "bj"}));
    let user = r#"{"userName":"jb"}"#;
    for (line, body, media_type) in [
        (format!("GET /scim/v2/Users/{id}"), "", None),
        ("POST /scim/v2/.search".to_owned(), "{ }", Some("application/json; charset=UTF-8")),
        (format!("PUT /scim/v2/Users/{id}"), user, Some("application/json; charset=UTF-8")),
        (format!("DELETE /scim/v2/Users/{id}"), "", None),
    ] {
        let headers = "Content-Type: application/json; charset=UTF-8\r\nX-Trace: a, b\r\n\
                       Accept: application/scim+json;q=0.9\r\nTE: trailers\r\nKeep-Alive: 1\r\n\
                       Connection: close, x-hop\r\nX-Hop: 1\r\n";
        let reply = gateway.ask(&line, headers, body).await;
        let method = line.split(' ').next().unwrap();
        let asked = service.asked().into_iter().rfind(|asked| asked.method == method).unwrap();
        let seen = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(seen("authorization"), Some(ALICE), "{line}: {}", reply.text());
        assert_eq!(seen("x-trace"), Some("a, b"), "{line}");
        assert_eq!(seen("accept"), Some("application/scim+json;q=0.9"), "{line}");
        assert_eq!(seen("host"), Some("me"), "{line}");
        if media_type.is_some() {
            assert_eq!(seen("content-type"), media_type, "{line}");
            assert_eq!(seen("content-length"), Some(body.len().to_string().as_str()), "{line}");
            assert_eq!(asked.body, body, "{line}");
        }
        for name in ["user-agent", "te", "keep-alive", "x-hop", "transfer-encoding", "via"] {
            assert_eq!(seen(name), None, "{line}: {name}");
        }
    }
}

/// Some servers break on chunks: what is protected goes out with its length, however it came.
#[tokio::test]
async fn a_protected_body_has_a_length() {
    let (service, gateway) = both().await;
    let user = r#"{"userName":"bj"}"#;
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: me\r\nAuthorization: {ALICE}\r\nConnection: close\r\n\
         Content-Type: application/scim+json\r\nIdempotency-Key: k\r\n"
    );
    let chunks = format!("{:x}\r\n{user}\r\n0\r\n\r\n", user.len());
    let reply = gateway.raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}")).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let asked = service.changes().pop().unwrap();
    assert_eq!(asked.headers["content-length"], user.len().to_string());
    assert!(!asked.headers.contains_key("transfer-encoding"));
    // The key is the gateway's affair (S13).
    assert!(!asked.headers.contains_key("idempotency-key"));
}

/// A refusal of the target comes back as it is, with what it says in `scimType` and `detail`.
#[tokio::test]
async fn a_refusal_of_the_target_is_passed_on() {
    let (service, gateway) = both().await;
    let id = service.put_in("Users", json!({"userName": "bj"}));
    let patch = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "remove", "path": "emails[value eq \"x\" or 1 eq 1]"}],
    });
    let path = format!("PATCH /scim/v2/Users/{id}");
    let reply = gateway.ask(&path, "", patch.to_string()).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(reply.header("replaysafe-verdict"), Some("refused"));
    let expected = r#"{"detail":"No such path.","schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"invalidPath","status":"400"}"#;
    assert_eq!(String::from_utf8(reply.body).unwrap(), expected);
}

/// What it says of bulk is all of discovery that changes: the gateway serves it itself, within its own limits.
#[tokio::test]
async fn discovery_is_the_targets_own_but_for_bulk() {
    let (service, gateway) = both().await;
    for path in ["Schemas", "ResourceTypes"] {
        let direct = get(service.address, path).await;
        let through = get(gateway.address, path).await;
        assert_eq!(through, direct, "{path}");
    }
    let direct = get(service.address, "ServiceProviderConfig").await;
    assert_eq!(direct["bulk"], json!({"supported": true, "maxOperations": 10}));
    let mut expected = direct.clone();
    expected["bulk"]["maxOperations"] = json!(1000);
    assert_eq!(get(gateway.address, "ServiceProviderConfig").await, expected);
    for (line, headers) in [
        ("PUT /scim/v2/Bulk", ""),
        ("PATCH /scim/v2/Me", ""),
        ("DELETE /scim/v2/Me", ""),
        ("POST /scim/v2/Things", ""),
        ("PUT /scim/v2/Users", ""),
        ("POST /scim/v2/Users/1", ""),
        ("POST /scim/v2/.search", "X-HTTP-Method-Override: DELETE\r\n"),
    ] {
        let reply = gateway.ask(line, headers, "{}").await;
        assert_eq!(reply.status, 501, "{line}: {}", reply.text());
        assert_eq!(reply.json()["status"], json!("501"), "{line}");
    }
    assert!(service.changes().is_empty());
    // Reading oneself is no change.
    assert_eq!(gateway.ask("GET /scim/v2/Me", "", "").await.status, 404);
}

/// `--pass-unprotected /Bulk`: through as it came, and on offer again. The rest stays closed.
#[tokio::test]
async fn what_is_named_is_passed_unprotected() {
    let service = Service::start().await;
    let upstream = Upstream::new(&service.base(), &Roots::System).unwrap();
    let pass_unprotected = vec![PathBelow::new("Bulk", upstream.base()).unwrap()];
    let options = GatewayOptions { pass_unprotected, ..GatewayOptions::default() };
    let gateway = Gateway::start(&service.base(), &Roots::System, options).await;
    let config = get(gateway.address, "ServiceProviderConfig").await;
    assert_eq!(config["bulk"]["supported"], json!(true));
    let reply = gateway.ask("POST /scim/v2/Bulk", "", "{ }").await;
    // This service has none, and says so itself.
    assert_eq!((reply.status, reply.header("replaysafe-verdict")), (404, None));
    assert_eq!(service.changes().pop().unwrap().body, "{ }");
    assert_eq!(gateway.ask("POST /scim/v2/Me", "", "{}").await.status, 501);
    assert_eq!(service.changes().len(), 1);
}

/// `--host keep`: the target sees the client's Host, and writes URLs that lead to the gateway.
#[tokio::test]
async fn a_target_that_sees_the_clients_host_writes_the_gateways_urls() {
    let (service, gateway) = both().await;
    let reply = gateway.ask("POST /scim/v2/Users", "", r#"{"userName":"bj"}"#).await;
    assert_eq!(reply.header("location"), Some("http://me/scim/v2/Users/id-1"), "{}", reply.text());
    assert_eq!(reply.header("content-location"), Some("http://me/scim/v2/Users/id-1"));
    assert_eq!(reply.json()["meta"]["location"], json!("http://me/scim/v2/Users/id-1"));
    assert!(service.asked().iter().all(|asked| asked.headers["host"] == "me"));
}

/// No 7 of what a proxy must keep; S9: whoever asked first, and whatever it called the gateway, each is told where the
/// resource is by the name that it has used itself.
#[tokio::test]
async fn a_receipt_leads_whoever_gets_it_to_the_gateway() {
    for mode in [HostMode::Keep, HostMode::Upstream] {
        let service = Service::start().await;
        let options = GatewayOptions { host: Some(mode), ..GatewayOptions::default() };
        let gateway = Gateway::start(&service.base(), &Roots::System, options).await;
        let user = r#"{"userName":"bj"}"#;
        let path = "/scim/v2/Users/id-1";
        for (headers, mine) in [
            ("Host: evil.example\r\n", "http://evil.example"),
            // The same credential: it is told its receipt.
            ("Host: other.example:8080\r\n", "http://other.example:8080"),
            // Another one: it is told what the target shows to it.
            ("Authorization: Bearer bob\r\n", "http://me"),
            ("X-Forwarded-Proto: https\r\n", "https://me"),
            ("X-Forwarded-Host:front.example, x\r\n", "http://front.example"),
            ("", "http://me"),
        ] {
            let reply = gateway.ask("POST /scim/v2/Users", headers, user).await;
            let all = format!("{mode:?} {headers} {}", reply.text());
            assert_eq!(reply.status, 201, "{all}");
            let expected = format!("{mine}{path}");
            assert_eq!(reply.header("location"), Some(expected.as_str()), "{all}");
            assert_eq!(reply.json()["meta"]["location"], json!(expected), "{all}");
            if let Some(location) = reply.header("content-location") {
                assert_eq!(location, expected, "{all}");
            }
            let read = gateway.ask(&format!("GET {path}"), headers, "").await;
            assert_eq!(read.json()["meta"]["location"], json!(expected), "{}", read.text());
        }
        assert_eq!(service.changes().len(), 1);
    }
}

/// `--public-url` holds for everything, whatever Host the target sees.
#[tokio::test]
async fn a_public_url_is_that_of_every_answer() {
    for mode in [HostMode::Keep, HostMode::Upstream] {
        let service = Service::start().await;
        let public_origin = Some("https://scim.example".to_owned());
        let options =
            GatewayOptions { host: Some(mode), public_origin, ..GatewayOptions::default() };
        let gateway = Gateway::start(&service.base(), &Roots::System, options).await;
        let expected = "https://scim.example/scim/v2/Users/id-1";
        for host in ["me", "other", "me"] {
            let host = format!("Host: {host}\r\nX-Forwarded-Host: {host}\r\n");
            let user = r#"{"userName":"bj"}"#;
            let reply = gateway.ask("POST /scim/v2/Users", &host, user).await;
            assert_eq!(reply.header("location"), Some(expected), "{mode:?} {}", reply.text());
            assert_eq!(reply.json()["meta"]["location"], json!(expected), "{mode:?}");
            let read = gateway.ask("GET /scim/v2/Users/id-1", &host, "").await;
            assert_eq!(read.json()["meta"]["location"], json!(expected), "{mode:?}");
        }
        assert_eq!(service.changes().len(), 1);
    }
}

/// `--host upstream`: the target sees its own Host, and every URL of its answers is rewritten, in what is protected, in
/// its replay, and in what is passed on.
#[tokio::test]
async fn urls_of_a_target_that_sees_its_own_host_are_rewritten() {
    let service = Service::start().await;
    let options = GatewayOptions { host: Some(HostMode::Upstream), ..GatewayOptions::default() };
    let gateway = Gateway::start(&service.base(), &Roots::System, options).await;
    let mine = |path: &str| format!("http://me/scim/v2{path}");
    for _ in 0..2 {
        let reply = gateway.ask("POST /scim/v2/Users", "", r#"{"userName":"bj"}"#).await;
        assert_eq!(
            reply.header("location"),
            Some(mine("/Users/id-1").as_str()),
            "{}",
            reply.text()
        );
        assert_eq!(reply.header("content-location"), Some(mine("/Users/id-1").as_str()));
        assert_eq!(reply.json()["meta"]["location"], json!(mine("/Users/id-1")));
    }
    let theirs = format!("{}/Users/id-1", service.base());
    service.put_in(
        "Groups",
        json!({"displayName": theirs, "members": [{"value": "id-1", "$ref": theirs}]}),
    );
    let list = get(gateway.address, "Groups").await;
    let group = &list["Resources"][0];
    assert_eq!(group["meta"]["location"], json!(mine("/Groups/id-2")), "{list}");
    assert_eq!(group["members"][0]["$ref"], json!(mine("/Users/id-1")), "{list}");
    // A text that looks like a URL is a text.
    assert_eq!(group["displayName"], json!(theirs));
    let host = service.address.to_string();
    assert!(service.asked().iter().all(|asked| asked.headers["host"] == host.as_str()));
}

/// 1 MiB exactly, twenty clients at once, and several requests on one connection.
#[tokio::test]
async fn large_many_and_one_after_another() {
    let (service, gateway) = both().await;
    let frame = r#"{"userName":"large","displayName":""}"#;
    let name = "n".repeat((1 << 20) - frame.len());
    let large = frame.replace("\"\"", &format!("\"{name}\""));
    assert_eq!(gateway.ask("POST /scim/v2/Users", "", &large).await.status, 201);
    assert_eq!(service.changes()[0].body.len(), 1 << 20);
    let gateway = Arc::new(gateway);
    let asking: Vec<_> = (0..20)
        .map(|at| {
            let (gateway, user) = (Arc::clone(&gateway), format!("{{\"userName\":\"u{at}\"}}"));
            tokio::spawn(async move { gateway.ask("POST /scim/v2/Users", "", user).await.status })
        })
        .collect();
    for asking in asking {
        assert_eq!(asking.await.unwrap(), 201);
    }
    assert_eq!(service.resources("Users").len(), 21);
    let get = |close: &str| {
        format!(
            "GET /scim/v2/Users/id-1 HTTP/1.1\r\nHost: me\r\nAuthorization: {ALICE}\r\n{close}\r\n"
        )
    };
    let three = [get(""), get(""), get("Connection: close\r\n")].concat();
    let bytes = exchange(gateway.address, three.into()).await;
    assert_eq!(String::from_utf8(bytes).unwrap().matches("HTTP/1.1 200 OK\r\n").count(), 3);
}

/// What is read at `path`, as JSON.
async fn get(address: std::net::SocketAddr, path: &str) -> Value {
    let head = format!(
        "GET /scim/v2/{path} HTTP/1.1\r\nHost: me\r\nAuthorization: {ALICE}\r\nConnection: close\r\n\r\n"
    );
    Reply::read(&exchange(address, head.into()).await).json()
}
