//! How the real gateway serves: over TLS, while parts fail, and when it is told to stop.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use replaysafe::target::upstream::{Roots, SendError, Upstream, whole};
use replaysafe_gateway::{GatewayOptions, ServeError, serve};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio_rustls::TlsConnector;

use crate::support::{ALICE, Gateway, Reply, Service, both, exchange};

/// The certificate is its own root; it and its key are for tests only. `stranger.pem` is another root for its name.
const CERTIFICATE: &[u8] = include_bytes!("../data/certificate.pem");
const KEY: &[u8] = include_bytes!("../data/key.pem");
const STRANGER: &[u8] = include_bytes!("../data/stranger.pem");

/// The root of the certificates of clients, for tests only as well: two of one subject, one of another, and one of a URI.
const CLIENTS: &[u8] = include_bytes!("../data/clients/root.pem");
const FIRST: &[u8] = include_bytes!("../data/clients/first.pem");
const RENEWED: &[u8] = include_bytes!("../data/clients/renewed.pem");
const OTHER: &[u8] = include_bytes!("../data/clients/other.pem");
const BY_URI: &[u8] = include_bytes!("../data/clients/uri.pem");

/// The target's own Host goes to an https target, and its URLs are rewritten.
#[tokio::test]
async fn tls_on_both_sides() {
    let service = Service::start_with(Some(serve::tls(CERTIFICATE, KEY, None).unwrap())).await;
    let upstream = format!("https://localhost:{}/scim/v2", service.address.port());
    let tls = Some(serve::tls(CERTIFICATE, KEY, None).unwrap());
    let roots = Roots::Pem(CERTIFICATE.to_vec());
    let options = GatewayOptions { tls: tls.clone(), ..GatewayOptions::default() };
    let gateway = Gateway::start(&upstream, &roots, options).await;
    let base = format!("https://localhost:{}/scim/v2", gateway.address.port());
    let post = || {
        let request = http::Request::post("/scim/v2/Users").header("authorization", ALICE);
        let request = request.header("content-type", "application/scim+json");
        request.body(whole(r#"{"userName":"bj"}"#.into())).unwrap()
    };
    let client = Upstream::new(&base, &roots).unwrap();
    for replayed in [None, Some("true")] {
        let answer = client.collect(post()).await.unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["location"], format!("{base}/Users/id-1"));
        let given = answer.headers().get("idempotency-replayed");
        assert_eq!(given.map(|value| value.to_str().unwrap()), replayed);
    }
    assert_eq!(service.changes().len(), 1);
    // Who speaks plain HTTP to it gets no answer, and does no harm.
    let plain =
        exchange(gateway.address, b"GET /healthz HTTP/1.1\r\nHost: me\r\n\r\n".to_vec()).await;
    assert!(!plain.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&plain));
    // A client who does not know the certificate's root sends nothing.
    let client = Upstream::new(&base, &Roots::Pem(STRANGER.to_vec())).unwrap();
    assert!(matches!(client.collect(post()).await, Err(SendError::NotSent(_))));
}

/// S12: TLS failed, so no byte of a request was written: it has not happened, and may be repeated.
#[tokio::test]
async fn a_target_that_nobody_vouches_for_is_not_spoken_to() {
    let service = Service::start_with(Some(serve::tls(CERTIFICATE, KEY, None).unwrap())).await;
    let upstream = format!("https://localhost:{}/scim/v2", service.address.port());
    let roots = Roots::Pem(STRANGER.to_vec());
    let gateway = Gateway::start(&upstream, &roots, GatewayOptions::default()).await;
    let user = r#"{"userName":"bj"}"#;
    let reply = gateway.ask("POST /scim/v2/Users", "", user).await;
    reply.is_error(503, None, "");
    comes_again(&reply);
    let reply = gateway.ask("GET /scim/v2/Users", "", "").await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    comes_again(&reply);
    assert!(service.asked().is_empty());
    // Its operator is told why, once for each try.
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let note = |line: &str| TOLD.lock().unwrap().push(line.to_owned());
    let upstream = Upstream::new(&upstream, &roots).unwrap().telling(note);
    for method in ["GET", "POST"] {
        let request = http::Request::builder().method(method).uri("/scim/v2/Users");
        let sent = upstream.collect(request.body(whole("x".into())).unwrap()).await;
        assert!(matches!(sent, Err(SendError::NotSent(_))), "{sent:?}");
    }
    let told = TOLD.lock().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|line| line.contains("invalid peer certificate")), "{told:?}");
}

/// S1: a client's certificate names its principal: receipts of its keys are its own, whatever certificate and token it shows
/// next, and nobody else's, whatever token he shows.
#[tokio::test]
async fn who_shows_a_certificate_is_known_by_its_subject() {
    let service = Service::start().await;
    let tls = Some(serve::tls(CERTIFICATE, KEY, Some(CLIENTS)).unwrap());
    let options = GatewayOptions { tls, ..GatewayOptions::default() };
    let gateway = Gateway::start(&service.base(), &Roots::System, options).await;
    let create = async |shown: &[u8], token: &str, user: &str| {
        let head = format!("Authorization: Bearer {token}\r\nIdempotency-Key: k\r\n");
        let answer = over_tls(&gateway, Some(shown), &head, user).await;
        let reply = Reply::read(&answer);
        (reply.status, reply.header("idempotency-replayed").is_some())
    };
    let (ann, bob) = (r#"{"userName":"ann"}"#, r#"{"userName":"bob"}"#);
    assert_eq!(create(FIRST, "1", ann).await, (201, false));
    assert_eq!(create(RENEWED, "2", ann).await, (201, true));
    assert_eq!(create(RENEWED, "1", bob).await, (422, false));
    assert_eq!(create(OTHER, "1", bob).await, (201, false));
    assert_eq!(create(FIRST, "1", ann).await, (201, true));
    // Its subject is empty, and a URI stands for it.
    assert_eq!(create(BY_URI, "1", r#"{"userName":"cy"}"#).await, (201, false));
    assert_eq!(service.changes().len(), 3);
    // Whom nobody vouches for is not served.
    let own = [CERTIFICATE, KEY].concat();
    for stranger in [None, Some(own.as_slice())] {
        let answer = over_tls(&gateway, stranger, "", ann).await;
        assert_eq!(String::from_utf8_lossy(&answer), "");
    }
}

/// What the gateway answers to a create of whoever shows this certificate, with its key behind it; nothing where TLS fails.
async fn over_tls(gateway: &Gateway, shown: Option<&[u8]>, head: &str, user: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERTIFICATE).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let client = match shown {
        None => client.with_no_client_auth(),
        Some(pem) => {
            let chain = vec![CertificateDer::from_pem_slice(pem).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pem).unwrap();
            client.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let length = user.len();
    let request = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/scim+json\r\nContent-Length: {length}\r\n{head}\r\n{user}"
    );
    // With TLS 1.3 a server refuses a certificate when its client is done.
    drop(stream.write_all(request.as_bytes()).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    answer
}

#[test]
fn a_certificate_and_another_key_make_no_server() {
    assert!(matches!(serve::tls(STRANGER, KEY, None), Err(ServeError::Tls { .. })));
    assert!(matches!(serve::tls(CERTIFICATE, b"no key", None), Err(ServeError::Tls { .. })));
    assert!(matches!(serve::tls(b"", KEY, None), Err(ServeError::Tls { .. })));
    for roots in [&b""[..], b"no roots", KEY] {
        let none = serve::tls(CERTIFICATE, KEY, Some(roots));
        assert!(matches!(&none, Err(ServeError::Tls { reason }) if reason.contains("clients")));
    }
}

/// What was begun is answered; what was not is not accepted any more.
#[tokio::test]
async fn a_shutdown_answers_what_is_under_way() {
    let (service, mut gateway) = both().await;
    // A connection that has asked, was answered, and waits.
    let mut idle = TcpStream::connect(gateway.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: me\r\n\r\n").await.unwrap();
    assert_ne!(idle.read(&mut [0; 4096]).await.unwrap(), 0);
    service.held.send_replace(true);
    let asking = post(&gateway);
    until(|| !service.changes().is_empty()).await;
    gateway.stop();
    while TcpStream::connect(gateway.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(idle.read(&mut [0; 4096]).await.unwrap(), 0);
    service.held.send_replace(false);
    let answer = asking.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    gateway.ended().await.unwrap();
    assert_eq!(service.resources("Users").len(), 1);
}

/// Work that does not end is left to the next start, and is said to be.
#[tokio::test]
async fn a_shutdown_waits_no_longer_than_it_may() {
    let service = Service::start().await;
    let options = GatewayOptions { drain: Duration::from_millis(100), ..GatewayOptions::default() };
    let mut gateway = Gateway::start(&service.base(), &Roots::System, options).await;
    service.held.send_replace(true);
    drop(post(&gateway));
    until(|| !service.changes().is_empty()).await;
    gateway.stop();
    let ended = gateway.ended().await;
    assert!(
        matches!(ended, Err(ServeError::Drain { connections: 1, requests: 1, .. })),
        "{ended:?}"
    );
}

/// S43a: neither a client that hangs up nor a budget that is spent cancels anything; the repeat gets the first answer.
#[tokio::test]
async fn work_goes_on_without_its_client() {
    let service = Service::start().await;
    let answer_budget = Duration::from_millis(300);
    let options = GatewayOptions { answer_budget, ..GatewayOptions::default() };
    let gateway = Gateway::start(&service.base(), &Roots::System, options).await;
    let user = r#"{"userName":"bj"}"#;
    service.held.send_replace(true);
    let reply = gateway.ask("POST /scim/v2/Users", "", user).await;
    reply.is_error(503, None, "attaches");
    assert_eq!(reply.header("replaysafe-verdict"), Some("unresolved"));
    comes_again(&reply);
    let other = tokio::spawn(exchange(gateway.address, creation("jb").into()));
    until(|| service.changes().len() == 2).await;
    other.abort();
    service.held.send_replace(false);
    until(|| service.resources("Users").len() == 2).await;
    for name in ["bj", "jb"] {
        let bytes = exchange(gateway.address, creation(name).into()).await;
        let answer = String::from_utf8(bytes).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    assert_eq!(service.changes().len(), 2);
}

/// S36: without the ledger nothing is done, whichever way it goes, and `/readyz` says so.
#[tokio::test]
async fn without_its_ledger_the_gateway_changes_nothing() {
    let (service, gateway) = both().await;
    let id = service.put_in("Users", json!({"userName": "bj", "active": true}));
    let path = format!("/scim/v2/Users/{id}");
    let deactivate = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}],
    });
    let deactivate = deactivate.to_string();
    gateway.down.store(true, Ordering::SeqCst);
    for (line, body) in [
        ("POST /scim/v2/Users".to_owned(), r#"{"userName":"jb"}"#),
        (format!("PUT {path}"), r#"{"userName":"jb"}"#),
        (format!("PATCH {path}"), deactivate.as_str()),
        (format!("DELETE {path}"), ""),
    ] {
        let reply = gateway.ask(&line, "", body).await;
        reply.is_error(503, None, "ledger");
        assert_eq!(reply.header("replaysafe-verdict"), Some("unavailable"), "{}", reply.text());
        comes_again(&reply);
    }
    let reply = gateway.ask("GET /readyz", "", "").await;
    assert_eq!((reply.status, &reply.json()["ready"]), (503, &json!(false)));
    // What needs no ledger goes on.
    assert_eq!(gateway.ask(&format!("GET {path}"), "", "").await.status, 200);
    assert_eq!(gateway.ask("GET /healthz", "", "").await.status, 200);
    assert!(service.changes().is_empty());
    gateway.down.store(false, Ordering::SeqCst);
    assert_eq!(gateway.ask(&format!("PATCH {path}"), "", &deactivate).await.status, 200);
    let reply = gateway.ask("GET /readyz", "", "").await;
    assert_eq!((reply.status, &reply.json()["ready"]), (200, &json!(true)));
    assert_eq!(service.changes().len(), 1);
}

/// Sends a create of `bj`; gives what comes.
fn post(gateway: &Gateway) -> tokio::task::JoinHandle<String> {
    let asking = exchange(gateway.address, creation("bj").into());
    tokio::spawn(async move { String::from_utf8(asking.await).unwrap() })
}

fn creation(user_name: &str) -> String {
    let user = json!({"userName": user_name}).to_string();
    format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: me\r\nAuthorization: {ALICE}\r\nConnection: close\r\n\
         Content-Type: application/scim+json\r\nContent-Length: {}\r\n\r\n{user}",
        user.len()
    )
}

/// RFC 9110 section 10.2.3: how many seconds to wait, one at least.
#[track_caller]
fn comes_again(reply: &Reply) {
    let seconds = reply.header("retry-after").and_then(|value| value.parse().ok());
    assert!(seconds.is_some_and(|seconds: u32| 0 < seconds), "{}", reply.text());
}

/// Waits for what others bring about. A test that waits in vain does not end.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// S43a: whatever its type depends on is asked for at once.
#[tokio::test]
async fn discovery_is_asked_for_at_once() {
    let (service, gateway) = both().await;
    assert!(service.together.set(Barrier::new(3)).is_ok());
    let reply = gateway.ask("POST /scim/v2/Badges", "", r#"{"externalId":"b"}"#).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// S43a: a target that does not say what it serves costs its client no more than the budget.
#[tokio::test]
async fn discovery_is_within_the_budget() {
    let service = Service::start().await;
    // A fourth part is never asked for.
    assert!(service.together.set(Barrier::new(4)).is_ok());
    let answer_budget = Duration::from_millis(200);
    let options = GatewayOptions { answer_budget, ..GatewayOptions::default() };
    let gateway = Gateway::start(&service.base(), &Roots::System, options).await;
    for path in ["Users", "Badges"] {
        let begun = Instant::now();
        let line = format!("POST /scim/v2/{path}");
        let reply = gateway.ask(&line, "", r#"{"externalId":"b"}"#).await;
        reply.is_error(503, None, "nothing has happened");
        assert_eq!(reply.header("replaysafe-verdict"), Some("unavailable"));
        assert_eq!(reply.header("retry-after"), Some("5"));
        // A call of our own may take 10 s.
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
    assert!(service.changes().is_empty());
}
