//! A SCIM service as the target, over real sockets: what is sent, and what is made of the answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail with their test")]

#[path = "support/scripted.rs"]
mod scripted;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use replaysafe::clock::Clock;
use replaysafe::contract::{
    ById, Effect, EffectBody, Endpoint, Method, Outcome, Question, Search, Sight,
};
use replaysafe::target::population::{Paging, Unread};
use replaysafe::target::scim::ScimTarget;
use replaysafe::target::upstream::{Roots, Upstream};
use replaysafe::target::{Body, Caller, Target};
use scripted::{Scripted, answer, page};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_resource_is_read_by_its_id() {
    let headers = "ETag: W/\"1\"\r\nRetry-After: 7\r\n";
    let (server, sight) =
        observe(vec![answer("404 Not Found", headers, "no")], &by_id("a b/c")).await;
    let Sight::Answered(answer) = sight else { panic!("{sight:?}") };
    assert_eq!((answer.status, answer.retry_after), (404, Some(7)));
    assert_eq!(answer.etag.as_deref(), Some("W/\"1\""));
    assert_eq!(server.lines(), ["GET /scim/v2/Users/a%20b%2Fc HTTP/1.1"]);
    let asked = server.asked().concat();
    assert!(asked.contains("Authorization: Bearer secret\r\n"), "{asked}");
    assert!(!asked.to_ascii_lowercase().contains("accept-encoding"), "{asked}");
}

/// S9: what is recorded holds no token of a handshake (RFC 4559 section 5), and a client is told who challenges it.
#[tokio::test]
async fn a_challenge_is_kept_of_a_401_alone() {
    let headers = "WWW-Authenticate: Negotiate b3du\r\nSet-Cookie: a=b\r\n";
    for (status, kept) in
        [("200 OK", None), ("403 Forbidden", None), ("401 Unauthorized", Some("Negotiate b3du"))]
    {
        let (_, sight) = observe(vec![answer(status, headers, "{}")], &by_id("1")).await;
        let (Sight::Answered(answer) | Sight::Refused(answer)) = sight else { panic!("{sight:?}") };
        let values: Vec<&str> = answer.extra.iter().map(|field| field.value.as_str()).collect();
        assert_eq!(values, Vec::from_iter(kept), "{status}");
    }
}

/// No 41 of the catalogue: what would lead elsewhere, however a server undoes it.
#[tokio::test]
async fn a_hostile_id_is_not_asked_for() {
    for id in ["..", ".", "", "a\r\nb", "../../admin", "a/../b", "..\\b", "%2e%2E/a", "..;x=1"] {
        let (server, sight) = observe(vec![answer("200 OK", "", "{}")], &by_id(id)).await;
        assert_eq!(sight, Sight::Nothing);
        assert!(server.asked().is_empty());
    }
}

/// No 43 of the catalogue.
#[tokio::test]
async fn what_is_no_resource_shows_nothing() {
    for script in [
        answer("200 OK", "", "<html>"),
        answer("200 OK", "", ""),
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
    ] {
        let (_, sight) = observe(vec![script.clone(), script.clone()], &by_id("1")).await;
        assert_eq!(sight, Sight::Nothing, "{script}");
    }
}

/// No 43 of the catalogue: what is too long, goes too deep or has too large a head.
#[tokio::test]
async fn a_bomb_shows_nothing_and_leaves_an_effect_unknown() {
    // 65 MiB, of which 64 are read, and 180 KiB of a head, of which 64 and a read more are.
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
    let long = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let long = long + &chunk.repeat(65) + "2\r\n{}\r\n0\r\n\r\n";
    let head = answer("200 OK", &format!("X-A: {}\r\n", "a".repeat(2 << 10)).repeat(90), "{}");
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let deep = answer("200 OK", "", &format!(r#"{{"id":"1","a":{open}{close}}}"#));
    for script in [&long, &head, &deep] {
        let (_, sight) = observe(vec![script.clone(), script.clone()], &by_id("1")).await;
        assert_eq!(sight, Sight::Nothing);
    }
    for script in [long, head] {
        let (server, outcome) = apply(vec![script], Method::Create, None).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        assert_eq!(server.asked().len(), 1);
    }
    // What is packed is not unpacked.
    let packed = answer("200 OK", "Content-Encoding: gzip\r\n", r#"{"id":"1"}"#);
    let (_, sight) = observe(vec![packed], &by_id("1")).await;
    assert!(matches!(sight, Sight::Answered(answer) if answer.body.is_none()));
}

#[tokio::test]
async fn a_search_quotes_its_value() {
    let question = Question::Search(Search {
        resource_type: "User".into(),
        attribute: "userName".into(),
        value: "a\"b\\é&".into(),
    });
    let (server, sight) = observe(vec![page(2, &[1]), page(2, &[2])], &question).await;
    let Sight::Listed(found) = sight else { panic!("{sight:?}") };
    assert_eq!(found, [r#"{"id":"1"}"#, r#"{"id":"2"}"#]);
    // userName eq "a\"b\\é&", RFC 7644 section 3.4.2.2: the value is a JSON string.
    let filter = "userName%20eq%20%22a%5C%22b%5C%5C%C3%A9%26%22";
    assert_eq!(
        server.lines(),
        [
            format!("GET /scim/v2/Users?filter={filter} HTTP/1.1"),
            format!("GET /scim/v2/Users?filter={filter}&startIndex=2&count=100 HTTP/1.1"),
        ]
    );
}

#[tokio::test]
async fn all_resources_are_read_page_by_page() {
    let all = Question::All("User".into());
    let (server, sight) = observe(vec![page(3, &[1, 2]), page(3, &[3])], &all).await;
    // `keep` of these tests keeps resource 3 only.
    assert_eq!(sight, Sight::Listed(vec![r#"{"id":"3"}"#.into()]));
    assert_eq!(
        server.lines(),
        [
            "GET /scim/v2/Users?startIndex=1&count=100 HTTP/1.1",
            "GET /scim/v2/Users?startIndex=3&count=100 HTTP/1.1"
        ]
    );
}

/// For a plan: however many there are, and though the service is busy meanwhile.
#[tokio::test]
async fn a_population_is_read_to_its_end() {
    let busy = answer("503 Service Unavailable", "Retry-After: 0\r\n", "{}");
    let (server, read) =
        read_all(vec![page(3, &[1, 2]), busy, page(3, &[2, 3])], Paging::Index).await;
    assert_eq!(read, Ok(users(&[1, 2, 3])));
    assert_eq!(
        server.lines(),
        [
            "GET /scim/v2/Users?startIndex=1&count=100 HTTP/1.1",
            "GET /scim/v2/Users?startIndex=3&count=100 HTTP/1.1",
            "GET /scim/v2/Users?startIndex=3&count=100 HTTP/1.1",
        ]
    );
    let (server, read) =
        read_all(vec![answer("400 Bad Request", "", "{}"), page(1, &[1])], Paging::Index).await;
    assert_eq!(read, Ok(users(&[1])));
    assert_eq!(server.lines()[1], "GET /scim/v2/Users HTTP/1.1");
    let (_, read) = read_all(vec![page(0, &[])], Paging::Index).await;
    assert_eq!(read, Ok(Vec::new()));
}

/// RFC 9865 section 2: from cursor to cursor, until there is none; the total may be missing.
#[tokio::test]
async fn a_population_is_read_by_cursors() {
    let list =
        |ids: &str, next: &str| answer("200 OK", "", &format!(r#"{{"Resources":[{ids}]{next}}}"#));
    let script = vec![
        list(r#"{"id":"1"}"#, r#","nextCursor":"a/b""#),
        list("", r#","nextCursor":"c""#),
        list(r#"{"id":"2"}"#, r#","totalResults":2"#),
    ];
    let (server, read) = read_all(script, Paging::Cursor).await;
    assert_eq!(read, Ok(users(&[1, 2])));
    assert_eq!(
        server.lines(),
        [
            "GET /scim/v2/Users?cursor&count=100 HTTP/1.1",
            "GET /scim/v2/Users?cursor=a%2Fb&count=100 HTTP/1.1",
            "GET /scim/v2/Users?cursor=c&count=100 HTTP/1.1",
        ]
    );
    // Who says that there are cursors, and gives none, is read by positions; what does not come is missed.
    let (_, read) = read_all(vec![page(2, &[1]), page(2, &[2])], Paging::Cursor).await;
    assert_eq!(read, Ok(users(&[1, 2])));
    let first = list(r#"{"id":"1"}"#, r#","totalResults":3,"nextCursor":"a""#);
    let last = list(r#"{"id":"2"}"#, r#","totalResults":3"#);
    let (_, read) = read_all(vec![first, last], Paging::Cursor).await;
    assert_eq!(read, Err(Unread::Unsteady));
    let circle = list(r#"{"id":"1"}"#, r#","nextCursor":"a""#);
    let (_, read) = read_all(vec![circle.clone(), circle], Paging::Cursor).await;
    assert_eq!(read, Err(Unread::Unsteady));
}

/// What is not all is none.
#[tokio::test]
async fn a_part_of_a_population_is_no_population() {
    let no_list = answer("200 OK", "", "<html>log in</html>");
    let expired = answer("400 Bad Request", "", r#"{"scimType":"expiredCursor"}"#);
    for (script, why) in [
        (vec![page(3, &[1]), page(2, &[2])], Unread::Unsteady),
        (vec![page(2, &[1]), page(2, &[1])], Unread::Unsteady),
        (vec![page(2_000_001, &[1])], Unread::TooMany),
        (vec![no_list], Unread::NoList),
        (vec![answer("401 Unauthorized", "", "{}")], Unread::Refused(401)),
        (vec![page(2, &[1]), expired], Unread::Refused(400)),
        (vec![answer("429 Too Many Requests", "Retry-After: 301\r\n", "{}")], Unread::Refused(429)),
    ] {
        let count = script.len();
        let (server, read) = read_all(script, Paging::Index).await;
        assert_eq!((read, server.asked().len()), (Err(why), count));
    }
}

async fn read_all(script: Vec<String>, paging: Paging) -> (Scripted, Result<Vec<String>, Unread>) {
    let server = Scripted::start(script).await;
    let target = target(&format!("http://{}/scim/v2", server.address));
    let read = target.read_all("User", &endpoints(), &caller(), paging, &|_, _| {}).await;
    (server, read)
}

fn users(ids: &[usize]) -> Vec<String> {
    ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect()
}

/// S14: complete if `totalResults` equals what came.
#[tokio::test]
async fn a_target_that_refuses_paging_is_asked_once_without() {
    let all = Question::All("User".into());
    let refusal = answer("400 Bad Request", "", "{}");
    let (server, sight) = observe(vec![refusal.clone(), page(1, &[3])], &all).await;
    assert_eq!(sight, Sight::Listed(vec![r#"{"id":"3"}"#.into()]));
    assert_eq!(server.lines()[1], "GET /scim/v2/Users HTTP/1.1");
    let (_, sight) = observe(vec![refusal.clone(), refusal], &all).await;
    assert!(matches!(sight, Sight::Refused(answer) if answer.status == 400));
}

/// S1, S14: it was answered to this caller, and no absence is proved.
#[tokio::test]
async fn a_list_that_cannot_be_read_to_its_end_is_told_with_its_answer() {
    let search = Question::Search(Search {
        resource_type: "User".into(),
        attribute: "userName".into(),
        value: "ann".into(),
    });
    let all = Question::All("User".into());
    let no_total = answer("200 OK", "", r#"{"Resources":[]}"#);
    let total_as_text = answer("200 OK", "", r#"{"totalResults":"0","Resources":[]}"#);
    // More than is read to prove an absence, a total that does not come, and pages that are ignored.
    let endless = vec![page(20_001, &[1])];
    let counts_all = vec![page(300, &[])];
    let unpaged = vec![page(3, &[1]), page(3, &[1])];
    for script in [vec![no_total], vec![total_as_text], endless, counts_all, unpaged] {
        for question in [&search, &all] {
            let (server, sight) = observe(script.clone(), question).await;
            let Sight::Refused(answer) = sight else { panic!("{script:?}: {sight:?}") };
            assert_eq!((answer.status, answer.body), (200, None), "{script:?}");
            assert_eq!(server.asked().len(), script.len(), "{script:?}");
        }
    }
    let (_, sight) = observe(vec![answer("200 OK", "", "<html>log in</html>")], &search).await;
    assert_eq!(sight, Sight::Nothing);
}

/// S14: where others work at the same time nothing is known, and it is asked again.
#[tokio::test]
async fn a_list_whose_total_changes_is_no_answer() {
    let all = Question::All("User".into());
    for total in [2, 4] {
        let (server, sight) = observe(vec![page(3, &[1]), page(total, &[2])], &all).await;
        assert_eq!(sight, Sight::Nothing);
        assert_eq!(server.asked().len(), 2);
    }
}

#[tokio::test]
async fn an_effect_has_a_length_and_its_answer_is_kept() {
    let headers = "Location: http://x/Users/1\r\nContent-Type: application/scim+json\r\n";
    let script = vec![answer("201 Created", headers, "{ \"id\":\"1\" }")];
    let (server, outcome) = apply(script, Method::Create, None).await;
    let Outcome::Answered(answer) = outcome else { panic!("{outcome:?}") };
    assert_eq!((answer.status, answer.body.as_deref()), (201, Some("{ \"id\":\"1\" }")));
    assert_eq!(answer.location.as_deref(), Some("http://x/Users/1"));
    let asked = server.asked().concat();
    assert!(asked.starts_with("POST /scim/v2/Users?attributes=id HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("Content-Length: 2\r\n"), "{asked}");
    assert!(asked.contains("Content-Type: application/json\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\n{}"), "{asked}");
    assert!(!asked.to_ascii_lowercase().contains("transfer-encoding"), "{asked}");
}

#[tokio::test]
async fn a_precondition_goes_with_its_effect() {
    let script = vec!["HTTP/1.1 204 No Content\r\n\r\n".to_owned()];
    let (server, outcome) = apply(script, Method::Delete, Some("1")).await;
    assert!(matches!(outcome, Outcome::Answered(answer) if answer.status == 204));
    let asked = server.asked().concat();
    assert!(asked.contains("If-Match: W/\"7\"\r\n"), "{asked}");
}

/// No 42 of the catalogue; S12: a redirect is a definite answer.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Scripted::start(vec![answer("201 Created", "", "{}")]).await;
    let headers = format!("Location: http://{}/Users\r\n", other.address);
    let (_, outcome) =
        apply(vec![answer("307 Temporary Redirect", &headers, "")], Method::Create, None).await;
    assert!(matches!(outcome, Outcome::Answered(answer) if answer.status == 307));
    assert!(other.asked().is_empty());
}

/// No 116 of the catalogue, and: nothing is sent twice.
#[tokio::test]
async fn an_effect_without_a_complete_answer_is_unknown_and_sent_once() {
    for line in [
        String::new(),
        "HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{".to_owned(),
        "HTTP/1.1 201 Crea".to_owned(),
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{".to_owned(),
    ] {
        for (method, id) in [(Method::Create, None), (Method::Delete, Some("1"))] {
            let script = vec![line.clone(), answer("200 OK", "", "{}")];
            let (server, outcome) = apply(script, method, id).await;
            assert!(matches!(outcome, Outcome::Unknown(_)), "{line}: {outcome:?}");
            assert_eq!(server.asked().len(), 1, "{line}");
        }
    }
}

#[tokio::test]
async fn a_refused_connection_means_that_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for base in [format!("http://{address}"), format!("https://{address}")] {
        let outcome = apply_at(&base, Method::Create, None).await;
        assert!(matches!(outcome, Outcome::NotSent(_)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_broken_tls_handshake_means_that_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    }));
    let outcome = apply_at(&format!("https://{address}"), Method::Create, None).await;
    assert!(matches!(outcome, Outcome::NotSent(_)), "{outcome:?}");
}

#[tokio::test]
async fn discovery_is_complete_when_every_part_was_answered() {
    let ok = answer("200 OK", "", "{}");
    let discovery = discover(&ok, answer("404 Not Found", "", "{}")).await;
    assert!(discovery.complete && discovery.schemas.is_none());
    assert_eq!(discovery.resource_types.as_deref(), Some("{}"));
    let discovery = discover(&ok, answer("401 Unauthorized", "", "")).await;
    assert!(!discovery.complete);
}

async fn discover(ok: &str, schemas: String) -> replaysafe::target::Discovery {
    let server = Scripted::start_by_path(vec![
        ("/ResourceTypes", ok.to_owned()),
        ("/Schemas", schemas),
        ("/ServiceProviderConfig", ok.to_owned()),
    ])
    .await;
    target(&format!("http://{}", server.address)).discover(&caller()).await
}

async fn observe(script: Vec<String>, question: &Question) -> (Scripted, Sight) {
    let server = Scripted::start(script).await;
    let target = target(&format!("http://{}/scim/v2", server.address));
    let keep = |page: Vec<String>| page.into_iter().filter(|d| d.contains("\"3\"")).collect();
    let sight = target.observe(question, &endpoints(), &caller(), &keep).await;
    (server, sight)
}

async fn apply(script: Vec<String>, method: Method, id: Option<&str>) -> (Scripted, Outcome) {
    let server = Scripted::start(script).await;
    let outcome = apply_at(&format!("http://{}/scim/v2", server.address), method, id).await;
    (server, outcome)
}

async fn apply_at(base: &str, method: Method, id: Option<&str>) -> Outcome {
    let effect = Effect {
        method,
        resource_type: "User".into(),
        id: id.map(str::to_owned),
        body: EffectBody::AsSent,
        if_match: Some("W/\"7\"".into()),
    };
    let body = Body {
        bytes: Bytes::from_static(b"{}"),
        content_type: HeaderValue::from_static("application/json"),
    };
    let body = (method != Method::Delete).then_some(body);
    target(base).apply(&effect, &endpoints(), body, &caller()).await
}

fn target(base: &str) -> ScimTarget {
    struct Epoch;
    impl Clock for Epoch {
        fn now(&self) -> u64 {
            0
        }
    }
    let upstream = Upstream::new(base, &Roots::System).unwrap();
    ScimTarget { upstream, clock: Arc::new(Epoch) }
}

fn caller() -> Caller {
    let header = |name: &'static str, value| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    Caller {
        headers: vec![
            header("authorization", "Bearer secret"),
            header("accept-encoding", "gzip"),
            header("content-length", "99"),
        ],
        query: Some("attributes=id".into()),
    }
}

fn endpoints() -> Vec<Endpoint> {
    vec![Endpoint { resource_type: "User".into(), path: "Users".into() }]
}

fn by_id(id: &str) -> Question {
    Question::ById(ById { resource_type: "User".into(), id: id.into() })
}
