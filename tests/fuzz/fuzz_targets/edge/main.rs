//! The gateway's HTTP edge: the bytes of one connection, and what is answered, provisioned and passed on.
//!
//! The first byte says into how large pieces the rest is cut on its way. The server, the reader of heads and the routes
//! are the shipped ones; what stands behind them notes what it gets. [`wire`] reads the same bytes by itself.

#![no_main]

mod wire;

use std::cell::LazyCell;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use replaysafe::call::{Call, Readiness, Recovery};
use replaysafe::contract::{self, Divergence, Endpoint, Evidence, Retry, TargetAnswer, Verdict};
use replaysafe::target::Caller;
use replaysafe::target::upstream::{Roots, Upstream};
use replaysafe_gateway::{GatewayOptions, Listener, PathBelow, Provision, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use wire::{Answer, End, Request};

fuzz_target!(|input: &[u8]| {
    let Some((first, bytes)) = input.split_first() else { return };
    let piece = match first {
        0 => bytes.len().max(1),
        // Not too many of them.
        _ => usize::from(*first).max(bytes.len() / 32),
    };
    let (requests, end) = wire::requests(bytes);
    let methods: Vec<&str> = requests.iter().map(|request| request.method.as_str()).collect();
    let whole = requests.iter().filter(|request| request.whole).count();
    // Whatever is wrong is told; what is cut off may be.
    let due = whole + usize::from(end == End::Ambiguous);
    let (answer, seen) = EDGE.with(|edge| edge.exchange(bytes, piece, (&methods, due)));
    let (answers, answers_end) = wire::answers(&answer, &methods, true);
    assert_eq!(answers_end, End::Clean, "{}", String::from_utf8_lossy(&answer));
    assert!(
        answers.len() <= due + usize::from(end == End::Cut),
        "more answers than requests: {answers:#?}"
    );
    assert!(whole == 0 || !answers.is_empty(), "a request without an answer");
    for (at, answer) in answers.iter().enumerate() {
        if 400 <= answer.status && methods.get(at) != Some(&"HEAD") {
            scim_error(answer);
        }
    }
    if end == End::Ambiguous && requests.len() == whole && answers.len() == due {
        let status = answers.last().map(|answer| answer.status);
        assert!(matches!(status, Some(400 | 431)), "a head with two readings is told {status:?}");
    }
    // In their order, each once: what is done or passed on was asked for, whole, before anything that has two readings.
    let mut asked = requests.iter().filter(|request| request.whole);
    for seen in &seen {
        assert!(asked.any(|request| seen.is(request)), "nobody has asked for {seen:#?}");
    }
});

/// RFC 7644 section 3.12.
fn scim_error(answer: &Answer) {
    let media_types: Vec<_> = answer.headers.all("content-type").collect();
    assert_eq!(media_types, [b"application/scim+json"], "{answer:?}");
    let body: serde_json::Value =
        serde_json::from_slice(&answer.body).expect("a refusal has a body");
    assert_eq!(body["schemas"], serde_json::json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert_eq!(body["status"], answer.status.to_string());
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
}

/// What came through.
#[derive(Debug)]
enum Seen {
    /// To the provisioner.
    Provisioned(Box<Call>),
    /// To the target.
    Passed(Request),
}

impl Seen {
    /// Whether it is what this request asks for, and fit to be seen.
    fn is(&self, request: &Request) -> bool {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        match self {
            Self::Passed(passed) => {
                if passed.method != request.method
                    || passed.target != request.target
                    || passed.body != request.body
                {
                    return false;
                }
                let reads = ["GET", "HEAD", "OPTIONS"].contains(&passed.method.as_str());
                assert!(
                    below_the_base(path) && (reads || one_reading(path)),
                    "passed on: {passed:?}"
                );
                passed.headers.0.iter().all(|(name, value)| {
                    OF_THE_GATEWAY.contains(&name.as_str())
                        || request.headers.all(name).any(|given| given == value)
                })
            }
            Self::Provisioned(call) => {
                let (method, body) = match call.method {
                    contract::Method::Create => ("POST", true),
                    contract::Method::Replace => ("PUT", true),
                    contract::Method::Patch => ("PATCH", true),
                    contract::Method::Delete => ("DELETE", false),
                };
                let called = call.body.as_ref().map(|body| &body.bytes[..]);
                if method != request.method
                    || called != body.then_some(&request.body[..])
                    || call.caller.query.as_deref().unwrap_or_default() != query
                    || !names(path, &call.resource_type, call.id.as_deref())
                {
                    return false;
                }
                assert!(below_the_base(path) && one_reading(path), "provisioned: {call:?}");
                assert!(called.is_none_or(|body| body.len() <= 4 << 20), "a body without a limit");
                call.caller.headers.iter().all(|(name, value)| {
                    let fit =
                        !value.as_bytes().iter().any(|byte| [b'\r', b'\n', b'\0'].contains(byte));
                    fit && request.headers.all(name.as_str()).any(|given| given == value.as_bytes())
                })
            }
        }
    }
}

/// What the gateway may say to the target by itself: where it is, how long the body is, and that nothing is packed.
const OF_THE_GATEWAY: [&str; 4] =
    ["host", "content-length", "transfer-encoding", "accept-encoding"];

/// Whether a path is that of a collection, or of a member of it with this id.
fn names(path: &str, resource_type: &str, id: Option<&str>) -> bool {
    let collection = if resource_type == "Group" { "Groups" } else { "Users" };
    let expected = ["", "v2", collection].into_iter().chain(id);
    path.split('/').map(decoded).eq(expected.map(|segment| segment.as_bytes().to_vec()))
}

/// Whether a path begins as the base does, and leads nowhere else when it is undone.
fn below_the_base(path: &str) -> bool {
    let below = path.strip_prefix("/v2");
    let dots = decoded(path)
        .split(|byte| b"/\\".contains(byte))
        .any(|segment| matches!(segment.split(|byte| *byte == b';').next(), Some(b"." | b"..")));
    !dots && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether every server finds the same segments in a path.
fn one_reading(path: &str) -> bool {
    path.split('/').skip(1).all(|segment| {
        let odd = |byte: &u8| byte.is_ascii_control() || b"/\\".contains(byte);
        !segment.is_empty() && !segment.contains([';', '\\']) && !decoded(segment).iter().any(odd)
    })
}

/// Undoes what is percent-encoded, once; what is not stays.
fn decoded(text: &str) -> Vec<u8> {
    let (mut rest, mut bytes) = (text.as_bytes(), Vec::new());
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(16 * high + low).unwrap_or_default());
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

thread_local! {
    /// One gateway for all inputs.
    static EDGE: LazyCell<Edge> = LazyCell::new(Edge::start);
}

/// The gateway, what stands before it and what stands behind it, in one thread.
struct Edge {
    runtime: Runtime,
    connections: mpsc::UnboundedSender<DuplexStream>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Edge {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (connections, coming) = mpsc::unbounded_channel();
        let to_target = Arc::clone(&seen);
        let address = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    tokio::spawn(target(stream, Arc::clone(&to_target)));
                }
            });
            address
        });
        let upstream =
            Upstream::new(&format!("http://{address}/v2"), &Roots::System).expect("an upstream");
        let unprotected = PathBelow::new("/Raw", upstream.base()).expect("a path");
        let options =
            GatewayOptions { pass_unprotected: vec![unprotected], ..GatewayOptions::default() };
        let provision = Arc::new(Noting(Arc::clone(&seen)));
        runtime.spawn(serve(provision, upstream, Coming(coming), options, std::future::pending()));
        Self { runtime, connections, seen }
    }

    /// Sends bytes piece by piece; gives what comes until `due` answers have come, or the end, and what came through.
    fn exchange(
        &self,
        bytes: &[u8],
        piece: usize,
        (methods, due): (&[&str], usize),
    ) -> (Vec<u8>, Vec<Seen>) {
        self.seen.lock().expect("no panic before").clear();
        let (mut client, server) = tokio::io::duplex(64 << 10);
        self.connections.send(server).expect("the gateway serves");
        let mut answer = Vec::new();
        let work = async {
            for piece in bytes.chunks(piece) {
                // It may have been told enough.
                if client.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            while wire::answers(&answer, methods, false).0.len() < due {
                if client.read_buf(&mut answer).await.unwrap_or_default() == 0 {
                    return;
                }
            }
            // Time for an answer too many.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            drop(client.shutdown().await);
            drop(client.read_to_end(&mut answer).await);
        };
        let ended = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await });
        let told = String::from_utf8_lossy(&answer);
        assert!(ended.is_ok(), "{due} answers are due, and what came in {PATIENCE:?} is {told}");
        (answer, std::mem::take(&mut *self.seen.lock().expect("no panic before")))
    }
}

/// Whatever is due comes at once. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections of this process.
struct Coming(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Coming {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<DuplexStream> {
        self.0.recv().await.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// A target that notes every request and takes it. What it gets has one reading, and is whole or cut off.
async fn target(mut stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut bytes = Vec::new();
    loop {
        let (mut requests, end) = wire::requests(&bytes);
        assert_ne!(end, End::Ambiguous, "passed on: {:?}", String::from_utf8_lossy(&bytes));
        if end == End::Cut || requests.is_empty() {
            if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
                return;
            }
            continue;
        }
        assert_eq!(requests.len(), 1, "passed on: {:?}", String::from_utf8_lossy(&bytes));
        bytes.clear();
        let Some(request) = requests.pop() else { return };
        let body = if request.method == "HEAD" { "" } else { "{}" };
        seen.lock().expect("no panic before").push(Seen::Passed(request));
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/scim+json\r\nContent-Length: 2\r\n\r\n{body}"
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A provisioner that notes every call and says the same to everybody.
struct Noting(Arc<Mutex<Vec<Seen>>>);

impl Provision for Noting {
    async fn provision(&self, call: Call) -> contract::Answer {
        self.0.lock().expect("no panic before").push(Seen::Provisioned(Box::new(call)));
        contract::Answer {
            verdict: Verdict::Done,
            decision: "d1".into(),
            changed: true,
            replayed: false,
            diverged: Divergence::No,
            target: Some(TargetAnswer {
                status: 201,
                location: None,
                etag: None,
                content_type: Some("application/scim+json".into()),
                retry_after: None,
                body: Some("{\"id\":\"1\"}".into()),
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
