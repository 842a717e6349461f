//! An in-memory SCIM 2.0 service provider with the faults of the real ones.
//!
//! It is what the demonstration provisions into, and the faulty target of the tests. What it does
//! wrong is said by a [`Behaviour`] and a list of [`Fault`]s, and by nothing else: no random number,
//! no clock but the runtime's timer, ids and times are counted. It is no place to keep people in.

mod behaviour;
mod discovery;
mod filter;
mod patch;
mod store;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full, Limited, channel::Channel};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

pub use self::behaviour::{
    Behaviour, Fault, Filtering, Lost, Moment, OnDelete, Stacking, ValuedRemove, Verb,
};
pub use self::store::{Change, ChangeEvent};
use self::store::{Refusal, Reply, Store};

/// An in-memory SCIM service provider on a port of its own; it ends when this is dropped.
///
/// Service base: [`MemoryTarget::base`]. Resource types: `User` and `Group`.
#[derive(Debug)]
pub struct MemoryTarget {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl MemoryTarget {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start(behaviour: Behaviour) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared(Mutex::new(Inner {
            store: Store::new(behaviour),
            faults: Vec::new(),
            seen: Vec::new(),
        })));
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, server })
    }

    /// The service's base URL, for example `http://127.0.0.1:40001/scim/v2`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("http://{}{BASE}", self.address)
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a fault that strikes once.
    ///
    /// Its `after` counts from now. Of several that wait for the same request the first added strikes.
    pub fn strike(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
    }

    /// Replaces how it behaves; resources stay.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.lock().store.behaviour = behaviour;
    }

    /// The resources of an endpoint (`Users`, `Groups`) in order of creation, hidden ones included.
    #[must_use]
    pub fn resources(&self, endpoint: &str) -> Vec<Value> {
        self.shared.lock().store.all(endpoint)
    }

    /// One resource by id.
    #[must_use]
    pub fn resource(&self, endpoint: &str, id: &str) -> Option<Value> {
        self.shared.lock().store.get(endpoint, id)
    }

    /// Puts a resource in without any fault and without counting it, and gives its id.
    ///
    /// It stands for a person who works at the target itself.
    pub fn put_in(&self, endpoint: &str, resource: Value) -> Option<String> {
        self.shared.lock().store.put_in(endpoint, resource)
    }

    /// Changes a resource behind everybody's back, by a `PatchOp`.
    ///
    /// Gives false if there is no such resource or the `PatchOp` cannot be applied.
    pub fn meddle(&self, endpoint: &str, id: &str, patch: &Value) -> bool {
        self.shared.lock().store.patch(endpoint, id, patch, None).is_ok()
    }

    /// What it told its listeners: one event for each write that it took as a change.
    #[must_use]
    pub fn events(&self) -> Vec<ChangeEvent> {
        self.shared.lock().store.events.clone()
    }

    /// The requests that have come, in order: method and path with query.
    #[must_use]
    pub fn requests(&self) -> Vec<(Method, String)> {
        self.shared.lock().seen.clone()
    }

    /// How many requests have come that ask for a change.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.shared.lock().seen.iter().filter(|(method, _)| Verb::of(method).is_write()).count()
    }

    /// Faults that have been added and have not struck.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.shared.lock().faults.len()
    }
}

impl Drop for MemoryTarget {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Debug)]
struct Shared(Mutex<Inner>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A test that panicked while it held the lock has failed already: the data is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Inner {
    store: Store,
    faults: Vec<Fault>,
    seen: Vec<(Method, String)>,
}

impl Inner {
    /// Notes a request, and gives the fault that strikes it.
    fn note(&mut self, method: &Method, target: &str) -> Option<Fault> {
        self.seen.push((method.clone(), target.to_owned()));
        let path = target.strip_prefix(BASE).unwrap_or(target);
        let mut struck = None;
        for (at, fault) in self.faults.iter_mut().enumerate() {
            if !fault.concerns(method, path) {
                continue;
            }
            if 0 < fault.after {
                fault.after -= 1;
            } else if struck.is_none() {
                struck = Some(at);
            }
        }
        struck.map(|at| self.faults.remove(at))
    }
}

/// A connection is cut where an answer was due.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut on purpose")]
struct Cut;

type Answered = Result<Response<Either<Full<Bytes>, Channel<Bytes, Infallible>>>, Cut>;

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Aborting this task drops the set, and every connection with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| handle(request, Arc::clone(&shared)));
            // An error is a connection that was cut, by a fault or by the other side.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

/// One request from end to end: note it, find the fault that strikes, apply, answer or do worse.
async fn handle(request: Request<Incoming>, shared: Arc<Shared>) -> Answered {
    let call = match Call::read(request).await {
        Ok(call) => call,
        Err(refusal) => return Ok(respond(refusal.into())),
    };
    let fault = shared.lock().note(&call.method, &call.target);
    let Some(fault) = fault else {
        return Ok(respond(apply(&call, &shared).await));
    };
    let reply = match fault.moment {
        Moment::InsteadOfCommit => None,
        Moment::AfterCommit => Some(apply(&call, &shared).await),
        Moment::BeforeLateCommit(delay) => {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                apply(&call, &shared).await;
            });
            None
        }
    };
    match fault.lost {
        Lost::Nothing => Ok(respond(reply.unwrap_or_else(|| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, None, "try later").into()
        }))),
        Lost::Status(status) => Ok(respond(
            Refusal::new(
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                None,
                "the answer was lost on purpose",
            )
            .into(),
        )),
        Lost::Slow(delay) => {
            tokio::time::sleep(delay).await;
            reply.map(respond).ok_or(Cut)
        }
        Lost::Silence => std::future::pending().await,
        Lost::Cut => Err(Cut),
        Lost::Half => Ok(half(reply)),
    }
}

/// What a request asks, its body read.
#[derive(Debug)]
struct Call {
    method: Method,
    target: String,
    host: String,
    authorization: Option<String>,
    if_match: Option<String>,
    body: Bytes,
}

impl Call {
    async fn read(request: Request<Incoming>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let call = Self {
            method: parts.method.clone(),
            target: parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
            host: text(header::HOST).unwrap_or("localhost").to_owned(),
            authorization: text(header::AUTHORIZATION).map(str::to_owned),
            if_match: text(header::IF_MATCH).map(str::to_owned),
            body: Bytes::new(),
        };
        let body = Limited::new(body, BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(|_too_long| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, None, "too large"))?
            .to_bytes();
        Ok(Self { body, ..call })
    }

    fn json(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.body).map_err(|_broken| {
            Refusal::new(StatusCode::BAD_REQUEST, Some("invalidSyntax"), "the body is no JSON")
        })
    }
}

/// Does what a request asks, and gives the answer that a service without faults would give.
async fn apply(call: &Call, shared: &Shared) -> Reply {
    let pause = shared.lock().store.behaviour.update_pause;
    // Another request may be served between the read and the write, as in a service that keeps no lock.
    let stale = (call.method == Method::PATCH && !pause.is_zero()).then(|| {
        let inner = shared.lock();
        let (endpoint, id) = inner.store.split(call.target.strip_prefix(BASE).unwrap_or_default());
        id.and_then(|id| inner.store.get(endpoint, id))
    });
    if stale.is_some() {
        tokio::time::sleep(pause).await;
    }
    let outcome = route(call, &mut shared.lock().store, stale.flatten());
    outcome.unwrap_or_else(Reply::from).located(&format!("http://{}{BASE}", call.host))
}

fn route(call: &Call, store: &mut Store, stale: Option<Value>) -> Result<Reply, Refusal> {
    let not_found = || Refusal::new(StatusCode::NOT_FOUND, None, "there is no such resource");
    let wanted = store.behaviour.bearer.as_ref().map(|token| format!("Bearer {token}"));
    if wanted.is_some() && call.authorization != wanted {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, None, "the credential is refused"));
    }
    let rest = call.target.strip_prefix(BASE).ok_or_else(not_found)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some(document) = discovery::document(path, &store.behaviour) {
        if call.method != Method::GET {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, None, "read only"));
        }
        return Ok(Reply::new(StatusCode::OK, document));
    }
    let (endpoint, id) = store.split(path);
    if !store.serves(endpoint) {
        return Err(not_found());
    }
    match (&call.method, id) {
        (&Method::GET, None) => store.list(endpoint, query),
        (&Method::POST, None) => store.create(endpoint, call.json()?),
        (&Method::GET, Some(id)) => store.read(endpoint, id, query),
        (&Method::PUT, Some(id)) => {
            store.replace(endpoint, id, call.json()?, call.if_match.as_deref())
        }
        (&Method::PATCH, Some(id)) => {
            store.check_precondition(endpoint, id, call.if_match.as_deref())?;
            store.patch(endpoint, id, &call.json()?, stale)
        }
        (&Method::DELETE, Some(id)) => store.delete(endpoint, id, call.if_match.as_deref()),
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, None, "not supported here")),
    }
}

fn respond(reply: Reply) -> Response<Either<Full<Bytes>, Channel<Bytes, Infallible>>> {
    let (status, headers, body) = reply.into_parts();
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The head of an answer and the first bytes of its body, of which the rest never comes.
fn half(reply: Option<Reply>) -> Response<Either<Full<Bytes>, Channel<Bytes, Infallible>>> {
    let reply = reply.unwrap_or_else(|| Reply::new(StatusCode::OK, json!({})));
    let (status, mut headers, body) = reply.into_parts();
    let (mut sender, channel) = Channel::new(1);
    let head = Bytes::from(body.into_iter().take(HALF_BYTES).collect::<Vec<_>>());
    tokio::spawn(async move {
        drop(sender.send_data(head).await);
        // Dropping the sender ends the body before its declared length, so hyper cuts the connection.
    });
    headers.insert(header::CONTENT_LENGTH, http::HeaderValue::from_static("4096"));
    let mut response = Response::new(Either::Right(channel));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Where the service is mounted.
const BASE: &str = "/scim/v2";

/// 16 MiB: as much as the largest request that a gateway lets through (S44).
const BODY_BYTES_MAX: usize = 16 << 20;

/// Enough of a body to look like an answer, and less than any whole one.
const HALF_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::Full;
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};

    use super::*;

    #[tokio::test]
    async fn an_answer_that_is_lost_has_been_committed() {
        check(Lost::Status(500), Moment::AfterCommit, Some(500), 1).await;
        check(Lost::Silence, Moment::AfterCommit, None, 1).await;
        check(Lost::Cut, Moment::AfterCommit, None, 1).await;
        check(Lost::Half, Moment::AfterCommit, None, 1).await;
        check(Lost::Slow(Duration::ZERO), Moment::AfterCommit, Some(201), 1).await;
    }

    #[tokio::test]
    async fn an_answer_may_be_lost_without_a_commit() {
        check(Lost::Status(503), Moment::InsteadOfCommit, Some(503), 0).await;
        check(Lost::Cut, Moment::InsteadOfCommit, None, 0).await;
    }

    #[tokio::test]
    async fn a_commit_may_come_late() {
        let target = MemoryTarget::start(Behaviour::lenient()).await.unwrap();
        let late = Moment::BeforeLateCommit(Duration::from_millis(30));
        target.strike(Fault::next(Verb::Post, "/Users", Lost::Status(504)).at(late));
        assert_eq!(post(&target).await, Some(504));
        assert_eq!(target.resources("Users").len(), 0);
        while target.resources("Users").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(target.events().len(), 1);
    }

    #[tokio::test]
    async fn a_fault_lets_pass_what_comes_before_it_and_strikes_once() {
        let target = MemoryTarget::start(Behaviour::lenient()).await.unwrap();
        target.strike(Fault::next(Verb::Write, "/Users", Lost::Status(500)).later(1));
        assert_eq!(post(&target).await, Some(201));
        assert_eq!(post(&target).await, Some(500));
        assert_eq!(post(&target).await, Some(201));
        assert_eq!((target.writes(), target.faults_left()), (3, 0));
    }

    #[tokio::test]
    async fn a_search_that_lags_does_not_show_what_a_read_shows() {
        let index_lag = Duration::from_secs(3600);
        let behaviour = Behaviour { index_lag, ..Behaviour::lenient() };
        let target = MemoryTarget::start(behaviour).await.unwrap();
        post(&target).await;
        let id = target.resources("Users")[0]["id"].as_str().unwrap().to_owned();
        let (status, list) = get(&target, "/Users?filter=userName%20eq%20%22ada%22").await;
        assert_eq!((status, &list["totalResults"]), (200, &json!(0)));
        assert_eq!(get(&target, &format!("/Users/{id}")).await.0, 200);
        target.behave(Behaviour::lenient());
        let (_, list) = get(&target, "/Users?filter=userName%20eq%20%22ADA%22").await;
        assert_eq!(list["totalResults"], json!(1));
    }

    #[tokio::test]
    async fn a_location_names_the_host_that_was_asked() {
        let target = MemoryTarget::start(Behaviour::lenient()).await.unwrap();
        post(&target).await;
        let (_, list) = get(&target, "/Users?startIndex=1&count=1").await;
        let location = list["Resources"][0]["meta"]["location"].as_str().unwrap();
        assert!(location.starts_with(&format!("{}/Users/", target.base())), "{location}");
    }

    async fn check(lost: Lost, moment: Moment, status: Option<u16>, users: usize) {
        let target = MemoryTarget::start(Behaviour::lenient()).await.unwrap();
        target.strike(Fault::next(Verb::Post, "/Users", lost).at(moment));
        assert_eq!(post(&target).await, status, "{lost:?}");
        assert_eq!(target.resources("Users").len(), users, "{lost:?}");
    }

    /// The status, none if no complete answer came.
    async fn post(target: &MemoryTarget) -> Option<u16> {
        let body = json!({"userName": "ada"}).to_string();
        exchange(Method::POST, format!("{}/Users", target.base()), body)
            .await
            .map(|(status, _)| status)
    }

    async fn get(target: &MemoryTarget, path: &str) -> (u16, Value) {
        exchange(Method::GET, format!("{}{path}", target.base()), String::new()).await.unwrap()
    }

    async fn exchange(method: Method, url: String, body: String) -> Option<(u16, Value)> {
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build_http::<Full<Bytes>>();
        let request = Request::builder().method(method).uri(url).body(Full::from(body)).unwrap();
        let answer = async {
            let response = client.request(request).await.ok()?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.ok()?.to_bytes();
            Some((status, serde_json::from_slice(&body).unwrap_or_default()))
        };
        // An answer that never comes is known as such after a moment: a loopback answers in less.
        tokio::time::timeout(Duration::from_millis(500), answer).await.ok().flatten()
    }
}
