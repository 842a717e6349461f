//! The gateway over real sockets, byte for byte: what comes in, what goes out, what goes through.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with their test")]

#[expect(dead_code, reason = "shared with tests that use other parts of it")]
#[path = "../../tests/support/scripted.rs"]
mod scripted;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderName;
use hyper_util::rt::{TokioExecutor, TokioIo};
use replaysafe::call::{Call, Principal, Readiness, Recovery};
use replaysafe::contract::{Answer, Divergence, Endpoint, Evidence, Retry, TargetAnswer, Verdict};
use replaysafe::provisioner::batch::{Batch, BatchAnswer};
use replaysafe::target::Caller;
use replaysafe::target::upstream::{Roots, SendError, Upstream, whole};
use replaysafe_gateway::serve::{CONNECTIONS_MAX, PASSES_MAX, REQUESTS_MAX, serve};
use replaysafe_gateway::{GatewayOptions, HostMode, Provision, ServeError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use scripted::{Scripted, answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_write_is_answered_by_the_provisioner() {
    let edge = Edge::start(vec![]).await;
    let head = "Content-Type: application/scim+json; charset=utf-8\r\nIdempotency-Key: \"k,1\"\r\n\
                Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nIf-Match: W/\"1\"\r\nX-A: b\r\n\
                X-Sequence: 7\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nAccept-Encoding: gzip\r\n";
    let got =
        edge.ask("PATCH /v2/Users/a%20b?attributes=id,userName&x=1", head, "{\"a\": 1}").await;
    assert!(got.starts_with("HTTP/1.1 201 Created\r\n"), "{got}");
    for line in [
        "Location: http://me/v2/Users/1",
        "Etag: W/\"1\"",
        "Replaysafe-Verdict: done",
        "Replaysafe-Changed: true",
        "Replaysafe-Decision: d1",
        "Content-Type: application/scim+json",
    ] {
        assert!(got.contains(&format!("{line}\r\n")), "{line} in {got}");
    }
    assert!(got.ends_with("\r\n\r\n{ \"id\": \"1\" }"), "{got}");
    let call = edge.calls().pop().unwrap();
    assert_eq!(call.id.as_deref(), Some("a b"));
    assert_eq!(call.body.unwrap().bytes, "{\"a\": 1}");
    assert_eq!((call.key.as_deref(), call.if_match.as_deref()), (Some("k,1"), Some("W/\"1\"")));
    // S20: it is read, and reaches neither the target nor the principal.
    assert_eq!(call.version, Some(7));
    // S1: `X-A` may be what the target goes by.
    let x_a = call.caller.headers.iter().filter(|(name, _)| name == "x-a").cloned().collect();
    let others = Caller { headers: x_a, query: None }.credential().into();
    let named = Box::new(Principal::Name("Aladdin".into()));
    assert_eq!(call.principal, Principal::Beside { named, others });
    assert_eq!(call.caller.query.as_deref(), Some("attributes=id,userName&x=1"));
    assert_eq!(call.extra[0].value, "id,userName");
    let names: Vec<_> = call.caller.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["host", "authorization", "x-a"]);
}

/// No 13 of the catalogue, and S44: a Group may be larger than a User.
#[tokio::test]
async fn a_body_has_a_limit_by_its_resource_type() {
    let edge = Edge::start(vec![]).await;
    // One byte more than 1 MiB.
    let large = format!("{{\"a\":\"{}\"}}", "a".repeat((1 << 20) - 7));
    let got = edge.ask("POST /v2/Users", JSON, &large).await;
    assert!(got.starts_with("HTTP/1.1 413 "), "{got}");
    let got = edge.ask("POST /v2/Groups", JSON, &large).await;
    assert!(got.starts_with("HTTP/1.1 201 "), "{got}");
    assert_eq!(edge.calls().len(), 1);
}

/// Nos 37 and 40 of the catalogue, at random: whatever comes, nobody is left without an answer, and every refusal is a
/// SCIM error, not hyper's empty body. Who may still send more is waited for.
#[tokio::test]
async fn whatever_comes_is_answered_in_scims_words() {
    let edge = Edge::start(vec![]).await;
    let requests = [
        format!("PUT /v2/Users/1 HTTP/1.1\r\nHost: me\r\n{JSON}Content-Length: 2\r\n\r\n{{}}"),
        format!(
            "PUT /v2/Users/1 HTTP/1.1\r\nHost: me\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n\
             2;a=b\r\n{{}}\r\n0\r\nX: y\r\n\r\n"
        ),
        "DELETE /v2/Users/1 HTTP/1.1\r\nHost: me\r\nIdempotency-Key: \"k\"\r\n\r\n".to_owned(),
    ];
    let pieces = [
        "\r\n",
        "\n",
        "\r",
        "\0",
        " ",
        "\t",
        ":",
        ";",
        ",",
        "%",
        "/",
        "..",
        "\u{e9}",
        "\x7f",
        "\x0b",
        "\x0c",
        "\"",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 1\r\n",
        "Host: other\r\n",
        "HTTP/1.0",
        "HTTP/2.0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "*",
        "http://x",
        "0",
        "f",
        "-",
        "+",
    ];
    let (mut seed, mut asking) = (4711_u64, Vec::new());
    for _ in 0..1500 {
        let mut random = |below: usize| {
            // Marsaglia's xorshift64: any order of the cases does.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % u64::try_from(below).unwrap()).unwrap()
        };
        let mut bytes = requests[random(requests.len())].clone().into_bytes();
        for _ in 0..=random(2) {
            let (at, piece) = (random(bytes.len()), pieces[random(pieces.len())].bytes());
            // Put in, put in the place of another, or left out.
            match random(3) {
                0 => drop(bytes.splice(at..at, piece)),
                1 => drop(bytes.splice(at..=at, piece)),
                _ => drop(bytes.remove(at)),
            }
        }
        let address = edge.address;
        asking.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            drop(stream.write_all(&bytes).await);
            let mut answer = Vec::new();
            let ended =
                tokio::time::timeout(Duration::from_millis(300), stream.read_to_end(&mut answer));
            (ended.await.is_ok(), String::from_utf8_lossy(&answer).into_owned(), bytes)
        }));
        if asking.len() == 100 {
            for asking in asking.drain(..) {
                let (ended, answer, bytes) = asking.await.unwrap();
                let request = String::from_utf8_lossy(&bytes);
                assert!(!ended || answer.starts_with("HTTP/1.1 "), "{request:?}");
                let heads = answer.split("HTTP/1.1 ").skip(1);
                for answer in heads.filter(|answer| answer.starts_with(['4', '5'])) {
                    assert!(
                        answer.contains("Content-Type: application/scim+json\r\n"),
                        "{request:?}: {answer}"
                    );
                    assert!(answer.contains("\"detail\":\""), "{request:?}: {answer}");
                }
            }
        }
    }
}

/// A trailer that is none is told at once, and not when its section has ended.
#[tokio::test]
async fn a_trailer_that_is_none_is_refused_at_once() {
    let edge = Edge::start(vec![]).await;
    for trailer in ["X\r\n", "X: y\r\n z\r\n", "X : y\r\n", "X: \0\r\n"] {
        let head =
            format!("POST /v2/Users HTTP/1.1\r\nHost: me\r\n{JSON}Transfer-Encoding: chunked");
        let got = edge.raw(&format!("{head}\r\n\r\n2\r\n{{}}\r\n0\r\n{trailer}")).await;
        assert!(got.starts_with("HTTP/1.1 400 ") && got.contains("Connection: close\r\n"), "{got}");
    }
    assert!(edge.calls().is_empty());
}

/// RFC 9112 section 7.1.1: an extension of a chunk holds no control character, which some servers end the line at.
#[tokio::test]
async fn a_control_character_in_the_frame_of_a_chunk_is_refused() {
    let edge = Edge::start(vec![]).await;
    for size in ["2;a\0b", "2;a\u{b}", "2\u{c}", "2 \0"] {
        let head =
            format!("POST /v2/Users HTTP/1.1\r\nHost: me\r\n{JSON}Transfer-Encoding: chunked");
        let got = edge.raw(&format!("{head}\r\n\r\n{size}\r\n{{}}\r\n0\r\n\r\n")).await;
        assert!(got.starts_with("HTTP/1.1 400 ") && got.contains("Connection: close\r\n"), "{got}");
        assert!(got.contains("\"detail\":\""), "{got}");
    }
    assert!(edge.calls().is_empty());
}

/// RFC 3986 section 2: a URL is ASCII. RFC 9112 section 3.2: a target has no fragment. Neither is passed on as it
/// stands, or without it.
#[tokio::test]
async fn a_url_that_is_none_is_refused() {
    let edge = Edge::start(vec![]).await;
    for target in ["/v2/Users/\u{e9}", "/v2/Users?filter=\u{e9}", "/v2/\u{2ac}", "/v2/Users#/../x"]
    {
        let got = edge.ask(&format!("GET {target}"), "", "").await;
        assert!(got.starts_with("HTTP/1.1 400 ") && got.contains("\"detail\":\""), "{got}");
    }
    assert!(edge.upstream.asked().is_empty());
}

/// No 38 of the catalogue: a client who sends nothing more is not waited for.
#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_ends_the_connection() {
    let edge = Edge::start(vec![]).await;
    let began = tokio::time::Instant::now();
    for head in ["", "POST /v2/Users HTTP/1.1\r\nHost: me\r\nX-Slow: "] {
        edge.raw(head).await;
    }
    assert!(
        Duration::from_secs(20) <= began.elapsed() && began.elapsed() < Duration::from_secs(25)
    );
    assert!(edge.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408() {
    let edge = Edge::start(vec![answer("200 OK", "", "")]).await;
    for path in ["/v2/Users", "/v2/Users/.search"] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: me\r\n{JSON}Content-Length: 20\r\n\r\n{{");
        let got = edge.raw(&head).await;
        assert!(got.starts_with("HTTP/1.1 408 ") && got.contains("Connection: close\r\n"), "{got}");
        assert!(got.contains("\"status\":\"408\"") && got.contains("too slowly"), "{got}");
    }
    assert!(edge.calls().is_empty());
}

/// Who sends a byte now and then gains no time by it (catalogue no 38).
#[tokio::test(start_paused = true)]
async fn a_head_or_body_that_trickles_is_not_waited_for() {
    let edge = Edge::start(vec![]).await;
    let begun = format!("PUT /v2/Users/1 HTTP/1.1\r\nHost: me\r\n{JSON}Content-Length: 90\r\n\r\n");
    for (begun, told) in [("GET /v2/Users HTTP/1.1\r\nX-A: ", ""), (&begun, "HTTP/1.1 408 ")] {
        let began = tokio::time::Instant::now();
        let (mut read, mut write) = TcpStream::connect(edge.address).await.unwrap().into_split();
        write.write_all(begun.as_bytes()).await.unwrap();
        let trickling = tokio::spawn(async move {
            while write.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        });
        let mut answer = String::new();
        drop(read.read_to_string(&mut answer).await);
        trickling.abort();
        assert!(answer.starts_with(told) && answer.is_empty() == told.is_empty(), "{answer}");
        // Ten seconds, and what is still read of a body that nobody wants.
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
    assert!(edge.calls().is_empty());
}

/// Clients who send nothing, half a head or half a body take nothing from others (catalogue no 38).
#[tokio::test]
async fn who_is_slow_holds_up_nobody() {
    let edge = Edge::start(vec![]).await;
    let body =
        format!("PUT /v2/Users/1 HTTP/1.1\r\nHost: me\r\n{JSON}Content-Length: 90\r\n\r\n{{");
    let mut slow = Vec::new();
    for at in 0..300 {
        let mut stream = TcpStream::connect(edge.address).await.unwrap();
        let begun = ["", "PUT /v2/Users/1 HTTP/1.1\r\nX: ", &body][at % 3];
        stream.write_all(begun.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    for asked in 1..=20 {
        let got = edge.ask("PUT /v2/Users/1", JSON, "{}").await;
        assert!(got.starts_with("HTTP/1.1 201 "), "{got}");
        assert_eq!(edge.calls().len(), asked);
    }
}

/// Who comes when all places are taken is told so at once, and may come again.
#[tokio::test]
async fn requests_under_way_are_bounded() {
    let options =
        GatewayOptions { answer_budget: Duration::from_secs(50), ..GatewayOptions::default() };
    let edge = Edge::start_as(vec![], options, std::future::pending()).await;
    let slow = "DELETE /v2/Users/slow HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n";
    let asking: Vec<_> =
        (0..REQUESTS_MAX).map(|_| tokio::spawn(raw(edge.address, slow.to_owned()))).collect();
    while edge.calls().len() < REQUESTS_MAX {
        tokio::task::yield_now().await;
    }
    let got = edge.ask("DELETE /v2/Users/1", "", "").await;
    assert!(got.starts_with("HTTP/1.1 503 ") && got.contains("Retry-After: 5\r\n"), "{got}");
    assert!(got.contains("Replaysafe-Verdict: unavailable\r\n"), "{got}");
    edge.provision.go.notify_waiters();
    for asking in asking {
        assert!(asking.await.unwrap().starts_with("HTTP/1.1 201 "));
    }
    assert!(edge.ask("DELETE /v2/Users/1", "", "").await.starts_with("HTTP/1.1 201 "));
}

/// The bodies of all requests have a bound together; who needs room when there is none may come again, and others go on.
#[tokio::test]
async fn bodies_that_are_held_are_bounded() {
    let options = GatewayOptions {
        answer_budget: Duration::from_secs(50),
        room_bytes: 8 << 10,
        ..GatewayOptions::default()
    };
    let edge = Edge::start_as(vec![], options, std::future::pending()).await;
    let body = format!("{{\"a\":\"{}\"}}", "a".repeat(5 << 10));
    let put = |id: &str| {
        let head = format!("PUT /v2/Users/{id} HTTP/1.1\r\nHost: me\r\nConnection: close\r\n");
        format!("{head}{JSON}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let asking = tokio::spawn(raw(edge.address, put("slow")));
    while edge.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let got = edge.raw(&put("1")).await;
    assert!(got.starts_with("HTTP/1.1 503 ") && got.contains("Retry-After: 5\r\n"), "{got}");
    assert!(got.contains("Replaysafe-Verdict: unavailable\r\n"), "{got}");
    assert!(got.contains("Too much is being sent at once"), "{got}");
    assert!(edge.ask("PUT /v2/Users/1", JSON, "{}").await.starts_with("HTTP/1.1 201 "));
    edge.provision.go.notify_waiters();
    assert!(asking.await.unwrap().starts_with("HTTP/1.1 201 "));
    assert!(edge.raw(&put("1")).await.starts_with("HTTP/1.1 201 "));
    assert_eq!(edge.calls().len(), 3);
}

/// The same for what is passed on, from when it is sent to when its answer begins.
#[tokio::test]
async fn passed_requests_under_way_are_bounded() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = format!("http://{}/v2", silent.local_addr().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let way = Upstream::new(&way, &Roots::System).unwrap();
    let options = GatewayOptions::default();
    let serving =
        serve(Arc::new(Canned::default()), way, listener, options, std::future::pending());
    drop(tokio::spawn(serving));
    let get = "GET /v2/Users HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n";
    let (mut asking, mut asked) = (Vec::new(), Vec::new());
    for _ in 0..PASSES_MAX {
        asking.push(tokio::spawn(raw(address, get.to_owned())));
        let (mut stream, _) = silent.accept().await.unwrap();
        assert!(
            scripted::read_request(&mut stream).await.starts_with("GET /v2/Users HTTP/1.1\r\n")
        );
        asked.push(stream);
    }
    let got = raw(address, get.to_owned()).await;
    assert!(got.starts_with("HTTP/1.1 503 ") && got.contains("Retry-After: 5\r\n"), "{got}");
    for mut stream in asked {
        stream.write_all(answer("200 OK", "Connection: close\r\n", "").as_bytes()).await.unwrap();
    }
    for asking in asking {
        assert!(asking.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
    let again = tokio::spawn(raw(address, get.to_owned()));
    let (mut stream, _) = silent.accept().await.unwrap();
    scripted::read_request(&mut stream).await;
    stream.write_all(answer("200 OK", "", "").as_bytes()).await.unwrap();
    assert!(again.await.unwrap().starts_with("HTTP/1.1 200 "));
}

/// One connection too many is closed without a word; when another has ended there is room again.
#[tokio::test]
async fn connections_are_bounded() {
    // This process has both ends, and what other tests have: two files for each connection.
    let own = std::process::id().to_string();
    let limit = ["--pid", &own, &format!("--nofile={}:", 4 * CONNECTIONS_MAX)];
    assert!(std::process::Command::new("prlimit").args(limit).status().unwrap().success());
    let edge = Edge::start(vec![]).await;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        open.push(TcpStream::connect(edge.address).await.unwrap());
    }
    let healthy = "GET /healthz HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n";
    assert_eq!(edge.raw(healthy).await, "");
    let mut last = open.pop().unwrap();
    last.write_all(healthy.as_bytes()).await.unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Its place is free once its end was seen.
    while !edge.raw(healthy).await.starts_with("HTTP/1.1 200 ") {}
}

#[tokio::test]
async fn what_is_not_protected_goes_through_as_it_came() {
    let headers = "ETag: W/\"1\"\r\nRetry-After: 3\r\nWWW-Authenticate: Bearer\r\nX-Up: 1\r\n\
                   Connection: close, x-hop\r\nX-Hop: 1\r\nContent-Encoding: gzip\r\n";
    let script = vec![answer("405 Not Really", headers, "\u{1}\u{2}")];
    let edge = Edge::start(script).await;
    let head = "Content-Type: application/scim+json\r\nX-Odd: a,b\r\nTE: x\r\nKeep-Alive: 1\r\n";
    let got = edge.ask("POST /v2/Users/.search?a=%2F+%20b&&c", head, "{ }").await;
    assert!(got.starts_with("HTTP/1.1 405 Not Really\r\n"), "{got}");
    for line in ["ETag: W/\"1\"", "Retry-After: 3", "WWW-Authenticate: Bearer", "X-Up: 1"] {
        assert!(got.contains(&format!("{line}\r\n")), "{line} in {got}");
    }
    assert!(got.contains("Content-Encoding: gzip\r\n") && got.ends_with("\r\n\r\n\u{1}\u{2}"));
    assert!(!got.contains("X-Hop") && !got.contains("Replaysafe"), "{got}");
    let asked = edge.upstream.asked().concat();
    assert!(asked.starts_with("POST /v2/Users/.search?a=%2F+%20b&&c HTTP/1.1\r\n"), "{asked}");
    for line in ["Host: me", "Content-Length: 3", "X-Odd: a,b"] {
        assert!(asked.contains(&format!("{line}\r\n")), "{line} in {asked}");
    }
    assert!(asked.ends_with("\r\n\r\n{ }"), "{asked}");
    assert!(!asked.contains("TE:") && !asked.contains("Keep-Alive"), "{asked}");
}

/// RFC 9110 section 15: to a client, 200 and 204 are two answers, as are 412, 415 and 501.
#[tokio::test]
async fn an_answer_that_is_passed_on_keeps_status_and_body() {
    let body = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"], "status":"0"}"#;
    let all = [
        "200 OK",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "405 Method Not Allowed",
        "409 Conflict",
        "412 Precondition Failed",
        "415 Unsupported Media Type",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "501 Not Implemented",
        "503 Service Unavailable",
    ];
    let json = "Content-Type: application/scim+json\r\n";
    let edge = Edge::start(all.iter().map(|status| answer(status, json, body)).collect()).await;
    for status in all {
        // A connection of its own each time: this server closes after each answer.
        let got = edge.ask("POST /v2/.search", JSON, "{}").await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{status}: {got}");
        assert!(got.ends_with(&format!("\r\n\r\n{body}")), "{status}: {got}");
    }
    assert_eq!(edge.upstream.asked().len(), all.len());
}

/// A search changes nothing, but it has a body: it is not sent a second time.
#[tokio::test]
async fn what_may_have_been_heard_is_not_sent_again() {
    let edge = Edge::start(vec![String::new(), String::new()]).await;
    let got = edge.ask("POST /v2/.search", JSON, "{}").await;
    assert!(got.starts_with("HTTP/1.1 502 ") && got.contains("\"status\":\"502\""), "{got}");
    assert_eq!(edge.upstream.asked().len(), 1);
}

#[tokio::test]
async fn reads_keep_their_status() {
    let script = vec![
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n".to_owned(),
        "HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n".to_owned(),
        String::new(),
        String::new(),
    ];
    let edge = Edge::start(script).await;
    let got = edge.ask("GET /v2/Users/1", "If-None-Match: \"1\"\r\n", "").await;
    assert!(got.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{got}");
    let got = edge.ask("HEAD /v2/Users/.a//1", "", "").await;
    assert!(got.contains("Content-Length: 77\r\n"), "{got}");
    let got = edge.ask("OPTIONS /v2/Users", "", "").await;
    assert!(got.starts_with("HTTP/1.1 204 ") && got.contains("Allow: GET\r\n"), "{got}");
    // A read may be repeated, once.
    let got = edge.ask("GET /v2/Users", "", "").await;
    assert!(got.starts_with("HTTP/1.1 502 "), "{got}");
    assert_eq!(edge.upstream.lines()[1], "HEAD /v2/Users/.a//1 HTTP/1.1");
    assert_eq!(edge.upstream.asked().len(), 5);
}

/// A body of a read that comes in chunks goes out, and one that breaks off, or is wrong behind its last chunk, has no end
/// there either.
#[tokio::test]
async fn a_read_with_a_body_goes_out_with_it() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        let edge = Edge::start(vec![answer("200 OK", "", "")]).await;
        let head = format!("{method} /v2/Users HTTP/1.1\r\nHost: me\r\nConnection: close\r\n");
        let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n");
        let got = edge.raw(&format!("{head}\r\n")).await;
        assert!(got.starts_with("HTTP/1.1 200 "), "{method}: {got}");
        let asked = edge.upstream.asked().concat();
        assert!(asked.contains("Transfer-Encoding: chunked\r\n"), "{method}: {asked}");
        assert!(asked.ends_with("\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "{method}: {asked}");
        for wrong in ["X\r\n\r\n", " X: y\r\n\r\n", "X : y\r\n\r\n"] {
            let edge = Edge::start(vec![String::new()]).await;
            let got = edge.raw(&format!("{head}{wrong}")).await;
            assert!(got.starts_with("HTTP/1.1 400 "), "{method} {wrong:?}: {got}");
            let asked = edge.upstream.asked().concat();
            assert!(!asked.ends_with("0\r\n\r\n"), "{method} {wrong:?}: {asked}");
        }
    }
}

#[tokio::test]
async fn bulk_is_neither_served_nor_on_offer() {
    let config = r#"{"bulk" : {"supported":true}, "patch":{"supported":true}}"#;
    let json = "Content-Type: application/scim+json\r\n";
    let edge = Edge::start(vec![answer("200 OK", json, config)]).await;
    for path in ["/v2/Bulk", "/v2/Me", "/v2/Things", "/v2/Users/1"] {
        let got = edge.ask(&format!("POST {path}"), JSON, "{}").await;
        assert!(got.starts_with("HTTP/1.1 501 "), "{path}: {got}");
    }
    let got = edge.ask("POST /v2/.search", "X-HTTP-Method-Override: DELETE\r\n", "{}").await;
    assert!(got.starts_with("HTTP/1.1 501 "), "{got}");
    for query in ["_method=DELETE", "a=b&%5fMethod", "X-HTTP-Method-Override=PUT"] {
        for line in ["POST /v2/Users", "GET /v2/Users/1", "POST /v2/.search"] {
            let got = edge.ask(&format!("{line}?{query}"), JSON, "{}").await;
            assert!(got.starts_with("HTTP/1.1 501 "), "{line} {query}: {got}");
        }
    }
    let got = edge.ask("GET /v2/ServiceProviderConfig", "", "").await;
    // A chunk of 58 bytes: one more than there were.
    let changed = config.replacen("true", "false", 1);
    assert!(got.ends_with(&format!("3A\r\n{changed}\r\n0\r\n\r\n")), "{got}");
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn where_the_target_has_its_own_host_its_urls_are_rewritten() {
    let edge = Edge::start_with(vec![], Some(HostMode::Upstream), |url| {
        let body = format!(r#"{{"meta":{{"location":"{url}/Users/1"}},"x":"{url}"}}"#);
        vec![answer("200 OK", "Content-Type: application/scim+json\r\n", &body)]
    })
    .await;
    let got = edge.ask("GET /v2/Users/1", "", "").await;
    assert!(
        got.contains(r#"{"meta":{"location":"http://me/v2/Users/1"},"x":"http://127"#),
        "{got}"
    );
    let asked = edge.upstream.asked().concat();
    assert!(asked.contains(&format!("Host: {}\r\n", edge.upstream.address)), "{asked}");
}

#[tokio::test]
async fn a_target_out_of_reach_is_503() {
    let edge = Edge::start_with(vec![], None, |_| vec![]).await;
    let got = edge.ask("GET /v2/Users", "", "").await;
    assert!(got.starts_with("HTTP/1.1 503 ") && got.contains("Retry-After: 5"), "{got}");
}

#[tokio::test]
async fn work_goes_on_when_its_client_has_gone_and_when_its_budget_is_spent() {
    let edge = Edge::start(vec![]).await;
    let slow = "DELETE /v2/Users/slow";
    let got = edge.ask(slow, "", "").await;
    assert!(got.starts_with("HTTP/1.1 503 ") && got.contains("Retry-After: 5\r\n"), "{got}");
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    stream.write_all(format!("{slow} HTTP/1.1\r\nHost: me\r\n\r\n").as_bytes()).await.unwrap();
    while edge.calls().len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    edge.provision.go.notify_waiters();
    edge.provision.go.notify_one();
    while edge.provision.ended.lock().unwrap().len() < 2 {
        edge.provision.go.notify_waiters();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn health_and_readiness_are_told_outside_the_base() {
    let edge = Edge::start(vec![]).await;
    assert!(edge.ask("GET /healthz", "", "").await.starts_with("HTTP/1.1 200 "));
    let got = edge.ask("GET /readyz", "", "").await;
    assert!(got.ends_with(r#"{"ready":true,"recovery":"borrowed"}"#), "{got}");
}

#[tokio::test]
async fn tls_speaks_http_1_and_http_2() {
    let edge = Edge::start_with_tls().await;
    let roots = Roots::Pem(CERTIFICATE.to_vec());
    let base = format!("https://localhost:{}/v2", edge.address.port());
    let http1 = Upstream::new(&base, &roots).unwrap();
    for body in ["{}", ""] {
        let method = if body.is_empty() { "DELETE" } else { "PUT" };
        let request = http::Request::builder().method(method).uri("/v2/Users/1");
        let request = request.header("content-type", "application/json");
        let answer = http1.collect(request.body(whole(body.into())).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 201);
    }
    // A certificate that nobody vouches for ends before a byte of the request.
    let stranger = Upstream::new(&base, &Roots::System).unwrap();
    let request = http::Request::post("/v2/Users").body(whole("{}".into())).unwrap();
    assert!(matches!(stranger.collect(request).await, Err(SendError::NotSent(_))));

    let stream = over_h2(edge.address).await;
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    drop(tokio::spawn(connection));
    let request = http::Request::post(format!("{base}/Users"));
    let request = request.header("content-type", "application/json").body(whole("{}".into()));
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (201, http::Version::HTTP_2));
    // Whatever is too large is told so in SCIM's words, in HTTP/2 too.
    let request = http::Request::post(format!("{base}/Users"));
    let request = request.header("idempotency-key", "k".repeat(64 << 10)).body(whole("{}".into()));
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 431);
    assert_eq!(answer.headers()["content-type"], "application/scim+json");
    // RFC 3986 section 2: a URL is ASCII.
    let request = http::Request::get(format!("{base}/Users/\u{e9}")).body(whole("".into()));
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    // No 40 of the catalogue: two hosts have two readings; the same one twice has one.
    let asked = edge.calls().len();
    let own = format!("localhost:{}", edge.address.port());
    for (host, status) in [("other.example", 400), ("localhost", 400), ("", 400), (&own, 201)] {
        let request = http::Request::post(format!("{base}/Users")).header("host", host);
        let request = request.header("content-type", "application/json").body(whole("{}".into()));
        let answer = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{host}");
        if status == 400 {
            assert_eq!(answer.headers()["replaysafe-verdict"], "malformed");
            let body =
                http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&body).contains("disagree"), "{body:?}");
        }
    }
    assert_eq!(edge.calls().len(), asked + 1);
    let call = edge.calls().pop().unwrap();
    let host = call.caller.headers.iter().find(|(name, _)| name == "host").unwrap();
    assert_eq!(host.1, format!("localhost:{}", edge.address.port()));
}

/// Without TLS there is no HTTP/2, neither from the first byte nor by an upgrade (catalogue no 39).
#[tokio::test]
async fn http_2_without_tls_is_refused() {
    let edge = Edge::start(vec![answer("200 OK", "", "{}")]).await;
    let got = edge.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(got.starts_with("HTTP/1.1 400 ") && got.contains("Connection: close\r\n"), "{got}");
    assert!(got.contains("Content-Type: application/scim+json\r\n"), "{got}");
    let upgrade =
        "Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n";
    let got = edge.ask("GET /v2/Users", upgrade, "").await;
    assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
    let asked = edge.upstream.asked().concat().to_ascii_lowercase();
    assert!(!asked.contains("upgrade") && !asked.contains("http2-settings"), "{asked}");
}

/// Requests that are taken back as soon as they are made end their connection, and not the work of others
/// (catalogue no 39; CVE-2023-44487).
#[tokio::test]
async fn a_rapid_reset_ends_its_connection() {
    let edge = Edge::start_with_tls().await;
    let stream = over_h2(edge.address).await;
    let request = [&[0x82, 0x87, 0x04, 9][..], b"/v2/Users", &[0x01, 2], b"me"].concat();
    let resets = (0..10_000_u32).map(|at| {
        let stream = 2 * at + 1;
        [
            frame(HEADERS, END_STREAM | END_HEADERS, stream, &request),
            frame(RESET, 0, stream, &CANCEL),
        ]
        .concat()
    });
    let (sent, told) = flood(stream, resets).await;
    assert!(sent < 10_000, "{sent} resets were taken");
    assert_eq!(last_word(&told), Some(ENHANCE_YOUR_CALM), "{told:?}");
    edge.is_well().await;
}

/// A head that goes on and on, in frames with something in them or with nothing, ends its connection
/// (catalogue no 39; CVE-2024-24549 and others).
#[tokio::test]
async fn a_flood_of_continuations_ends_its_connection() {
    // A literal header without a name in any table: "x: aaa…".
    let line = [&[0x00, 1, b'x', 100][..], &[b'a'; 100]].concat();
    let edge = Edge::start_with_tls().await;
    for piece in [line.repeat(150), Vec::new()] {
        let stream = over_h2(edge.address).await;
        let first = std::iter::once(frame(HEADERS, END_STREAM, 1, &[0x82, 0x87, 0x84]));
        let (sent, _) =
            flood(stream, first.chain((0..100_000).map(|_| frame(CONTINUATION, 0, 1, &piece))))
                .await;
        assert!(sent < 10_000, "{sent} frames were taken");
    }
    assert!(edge.calls().is_empty());
    edge.is_well().await;
}

/// A head that is small on the wire and large behind the table, and a text that is said to be of 2 GiB, reach nobody
/// (catalogue no 39).
#[tokio::test]
async fn a_head_that_unpacks_to_much_is_refused() {
    let edge = Edge::start_with_tls().await;
    let begun = [0x83, 0x87, 0x04, 9].iter().chain(b"/v2/Users").chain(&[0x01, 2]).chain(b"me");
    let begun: Vec<u8> = begun.copied().collect();
    // Entered in the table: "x: aaa…", of 4,000 bytes, as 127 and 3,873 in two groups of seven bits.
    let entry = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'a'; 4000]].concat();
    let bomb = [&begun[..], &entry, &[0xbe; 12_000]].concat();
    let told = exchange_h2(edge.address, frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb)).await;
    assert_eq!(last_word(&told), Some(ENHANCE_YOUR_CALM), "{told:?}");
    let huge = [&begun[..], &[0x00, 1, b'x', 0x7f, 0xff, 0xff, 0xff, 0xff, 0x07], b"a"].concat();
    let told = exchange_h2(edge.address, frame(HEADERS, END_STREAM | END_HEADERS, 1, &huge)).await;
    assert!(last_word(&told).is_some(), "{told:?}");
    assert!(edge.calls().is_empty());
    edge.is_well().await;
}

#[tokio::test]
async fn a_shutdown_lets_work_end_and_takes_no_more() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let mut edge = Edge::start_as(vec![], GatewayOptions::default(), shutdown).await;
    let address = edge.address;
    let asking =
        tokio::spawn(raw(address, "DELETE /v2/Users/slow HTTP/1.1\r\nHost: a\r\n\r\n".into()));
    while edge.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    edge.provision.go.notify_one();
    assert!(asking.await.unwrap().starts_with("HTTP/1.1 201 "));
    edge.serving.take().unwrap().await.unwrap().unwrap();
}

const JSON: &str = "Content-Type: application/json\r\n";
/// The certificate is its own root; it and its key are for tests only.
const CERTIFICATE: &[u8] = include_bytes!("data/certificate.pem");
const KEY: &[u8] = include_bytes!("data/key.pem");

/// RFC 9113 sections 6 and 7.
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const ENHANCE_YOUR_CALM: u32 = 11;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

type Tls = tokio_rustls::client::TlsStream<TcpStream>;

/// A connection that has agreed on HTTP/2.
async fn over_h2(address: std::net::SocketAddr) -> Tls {
    let mut store = rustls::RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(CERTIFICATE).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Kind, stream and payload of the whole frames in these bytes.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _, s0, s1, s2, s3, rest @ ..] = bytes {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        frames.push((*kind, u32::from_be_bytes([*s0, *s1, *s2, *s3]), payload.to_vec()));
        bytes = rest;
    }
    frames
}

/// The code of a `GOAWAY`.
fn last_word(told: &[(u8, u32, Vec<u8>)]) -> Option<u32> {
    let (_, _, payload) = told.iter().find(|(kind, _, _)| *kind == GO_AWAY)?;
    Some(u32::from_be_bytes(payload.get(4..8)?.try_into().unwrap()))
}

/// Sends frames until nobody takes them any more; gives how many were taken, and what was told.
async fn flood(
    stream: Tls,
    frames_due: impl Iterator<Item = Vec<u8>>,
) -> (usize, Vec<(u8, u32, Vec<u8>)>) {
    let (mut read, mut write) = tokio::io::split(stream);
    let reading = tokio::spawn(async move {
        let mut told = Vec::new();
        drop(read.read_to_end(&mut told).await);
        told
    });
    drop(write.write_all(PREFACE).await);
    let mut sent = 0;
    for due in frames_due {
        if reading.is_finished() || write.write_all(&due).await.is_err() {
            break;
        }
        sent += 1;
        tokio::task::yield_now().await;
    }
    // The connection is the server's to end.
    (sent, frames(&reading.await.unwrap()))
}

/// Sends one frame, and gives what is told until it was answered or the connection ended.
async fn exchange_h2(address: std::net::SocketAddr, due: Vec<u8>) -> Vec<(u8, u32, Vec<u8>)> {
    let mut stream = over_h2(address).await;
    stream.write_all(&[PREFACE, &due].concat()).await.unwrap();
    let mut told = Vec::new();
    loop {
        let ends = |kind: u8, stream: u32| stream == 1 || kind == GO_AWAY;
        if frames(&told).iter().any(|(kind, stream, _)| ends(*kind, *stream))
            || stream.read_buf(&mut told).await.unwrap_or_default() == 0
        {
            return frames(&told);
        }
    }
}

#[derive(Debug)]
struct Edge {
    address: std::net::SocketAddr,
    upstream: Scripted,
    provision: Arc<Canned>,
    serving: Option<tokio::task::JoinHandle<Result<(), ServeError>>>,
}

impl Edge {
    async fn start(script: Vec<String>) -> Self {
        Self::start_with(script, None, |_| vec![]).await
    }

    async fn start_with(
        script: Vec<String>,
        host: Option<HostMode>,
        more: impl Fn(&str) -> Vec<String>,
    ) -> Self {
        let upstream = Scripted::start_with(|url| {
            script.into_iter().chain(more(&format!("{url}/v2"))).collect()
        })
        .await;
        let answer_budget = Duration::from_millis(300);
        let options = GatewayOptions { host, answer_budget, ..GatewayOptions::default() };
        Self::start_before(upstream, options, std::future::pending()).await
    }

    async fn start_as(
        script: Vec<String>,
        options: GatewayOptions,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self::start_before(Scripted::start(script).await, options, shutdown).await
    }

    async fn start_with_tls() -> Self {
        let tls = Some(replaysafe_gateway::serve::tls(CERTIFICATE, KEY, None).unwrap());
        let options = GatewayOptions { tls, ..GatewayOptions::default() };
        Self::start_as(vec![], options, std::future::pending()).await
    }

    /// Others are served, over TLS.
    async fn is_well(&self) {
        let base = format!("https://localhost:{}", self.address.port());
        let client = Upstream::new(&base, &Roots::Pem(CERTIFICATE.to_vec())).unwrap();
        let request = http::Request::get("/healthz").body(whole("".into())).unwrap();
        assert_eq!(client.collect(request).await.unwrap().status(), 200);
    }

    async fn start_before(
        upstream: Scripted,
        options: GatewayOptions,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let way = Upstream::new(&format!("http://{}/v2", upstream.address), &Roots::System);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let provision = Arc::new(Canned::default());
        let serving = serve(Arc::clone(&provision), way.unwrap(), listener, options, shutdown);
        let serving = Some(tokio::spawn(serving));
        Self { address, upstream, provision, serving }
    }

    fn calls(&self) -> Vec<Call> {
        self.provision.calls.lock().unwrap().clone()
    }

    async fn ask(&self, line: &str, head: &str, body: &str) -> String {
        let length = body.len();
        let close = if head.contains("Connection") { "" } else { "Connection: close\r\n" };
        let frame = format!("{head}{close}Content-Length: {length}\r\n\r\n{body}");
        self.raw(&format!("{line} HTTP/1.1\r\nHost: me\r\n{frame}")).await
    }

    async fn raw(&self, bytes: &str) -> String {
        raw(self.address, bytes.to_owned()).await
    }
}

/// Sends bytes and gives what comes until the end of the connection.
async fn raw(address: std::net::SocketAddr, bytes: String) -> String {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        drop(write.write_all(bytes.as_bytes()).await);
        write
    });
    let mut answer = Vec::new();
    // A reset after an early answer is no matter: what came counts.
    drop(read.read_to_end(&mut answer).await);
    drop(writing.await);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The header in which policy has a source give its versions.
static SEQUENCE: HeaderName = HeaderName::from_static("x-sequence");

/// A provisioner that says the same to everybody, and waits for a word where the id is `slow`.
#[derive(Debug, Default)]
struct Canned {
    calls: Mutex<Vec<Call>>,
    ended: Mutex<Vec<()>>,
    go: tokio::sync::Notify,
}

impl Provision for Canned {
    fn takes_batches(&self) -> bool {
        false
    }

    async fn provision_batch(&self, batch: Batch) -> Vec<Option<BatchAnswer>> {
        batch.operations.iter().map(|_| None).collect()
    }

    fn version_header(&self) -> Option<&HeaderName> {
        Some(&SEQUENCE)
    }

    async fn provision(&self, call: Call) -> Answer {
        let slow = call.id.as_deref() == Some("slow");
        self.calls.lock().unwrap().push(call);
        if slow {
            self.go.notified().await;
        }
        self.ended.lock().unwrap().push(());
        Answer {
            verdict: Verdict::Done,
            decision: "d1".into(),
            changed: true,
            replayed: false,
            diverged: Divergence::No,
            target: Some(TargetAnswer {
                status: 201,
                location: Some("http://me/v2/Users/1".into()),
                etag: Some("W/\"1\"".into()),
                content_type: Some("application/scim+json".into()),
                retry_after: None,
                body: Some("{ \"id\": \"1\" }".into()),
                extra: Vec::new(),
            }),
            status: None,
            retry: Retry::None,
            retry_after: None,
            evidence: Evidence::Read,
            detail: String::new(),
            attributes: Vec::new(),
            notes: Vec::new(),
        }
    }

    async fn endpoints(&self, _: &Caller) -> Vec<Endpoint> {
        let endpoint = |resource_type: &str, path: &str| Endpoint {
            resource_type: resource_type.into(),
            path: path.into(),
        };
        vec![endpoint("User", "Users"), endpoint("Group", "Groups")]
    }

    async fn readiness(&self) -> Readiness {
        Readiness { ready: true, recovery: Recovery::Borrowed, details: Vec::new() }
    }
}
