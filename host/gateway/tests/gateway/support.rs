//! The real gateway, as the command line puts it together, in front of a small SCIM service that notes every request.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use replaysafe::clock::{Clock, SystemClock};
use replaysafe::contract::{Entry, EntryId, Field, Found, Scope, Tag};
use replaysafe::guest::{GuestOptions, PLANNING_COMPONENT, PlanningGuest};
use replaysafe::keys::LedgerKey;
use replaysafe::ledger::{
    Leased, Ledger, LedgerError, Note, PlanRecord, Record, RecordedStep, SqliteLedger, Waiting,
};
use replaysafe::provisioner::{Options, Provisioner};
use replaysafe::target::scim::ScimTarget;
use replaysafe::target::upstream::{Roots, Upstream};
use replaysafe_gateway::serve::serve;
use replaysafe_gateway::{GatewayOptions, ServeError};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::compiled::guest;

/// The component for batches, compiled once for all test processes of a build.
fn planning_guest() -> PlanningGuest {
    static GUEST: LazyLock<PlanningGuest> = LazyLock::new(|| {
        let cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let options = GuestOptions { cache, ..GuestOptions::default() };
        PlanningGuest::load(PLANNING_COMPONENT, &options).unwrap()
    });
    GUEST.clone()
}

/// The gateway with a ledger in a folder of its own.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<Shifted>,
    /// The ledger's storage fails while this is set.
    pub(crate) down: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Gateway {
    pub(crate) async fn before(service: &Service) -> Self {
        Self::start(&service.base(), &Roots::System, GatewayOptions::default()).await
    }

    pub(crate) async fn start(upstream: &str, roots: &Roots, options: GatewayOptions) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), (upstream, roots), options, "acme").await
    }

    pub(crate) async fn start_in(
        folder: TempDir,
        (upstream, roots): (&str, &Roots),
        options: GatewayOptions,
        tenant: &str,
    ) -> Self {
        let key = Arc::new(LedgerKey::open_or_create(folder.path().join("key")).unwrap());
        let down = Arc::new(AtomicBool::new(false));
        let ledger = Breakable {
            ledger: SqliteLedger::open(folder.path().join("ledger"), Arc::clone(&key)).unwrap(),
            down: Arc::clone(&down),
        };
        let upstream = Upstream::new(upstream, roots).unwrap();
        let clock = Arc::new(Shifted::default());
        let target =
            ScimTarget { upstream: upstream.clone(), clock: Arc::<Shifted>::clone(&clock) };
        let of_provisioner = Options {
            tenant: tenant.into(),
            planning: Some(planning_guest()),
            ..Options::default()
        };
        let provisioner = Provisioner::with_clock(
            guest(),
            ledger,
            target,
            key,
            of_provisioner,
            Arc::<Shifted>::clone(&clock),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let provisioner = Arc::new(provisioner.unwrap());
        let serving = tokio::spawn(serve(provisioner, upstream, listener, options, shutdown));
        Self { address, folder, clock, down, stop: Some(stop), serving: Some(serving) }
    }

    /// Sends a request with a JSON media type, a credential and a length, each unless `headers` has it; gives the answer.
    pub(crate) async fn ask(&self, line: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
        let body = body.as_ref();
        let mut head = format!("{line} HTTP/1.1\r\n{headers}");
        for (name, usual) in [
            ("Host: ", "me"),
            ("Connection: ", "close"),
            ("Authorization: ", ALICE),
            ("Content-Type:", " application/scim+json"),
        ] {
            if !headers.contains(name) {
                head.push_str(&format!("{name}{usual}\r\n"));
            }
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        self.raw([head.as_bytes(), body].concat()).await
    }

    pub(crate) async fn raw(&self, bytes: impl Into<Vec<u8>>) -> Reply {
        Reply::read(&exchange(self.address, bytes.into()).await)
    }

    /// Begins the shutdown.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// How the serving ended.
    pub(crate) async fn ended(&mut self) -> Result<(), ServeError> {
        self.serving.take().unwrap().await.unwrap()
    }

    /// Every byte that the ledger has on the disk, and the names of its files.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(Result::unwrap);
        files
            .map(|file| {
                let name = file.file_name().into_string().unwrap();
                (name, std::fs::read(file.path()).unwrap())
            })
            .collect()
    }
}

pub(crate) const ALICE: &str = "Bearer alice";
pub(crate) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Sends bytes and gives what comes until the end of the connection.
pub(crate) async fn exchange(address: SocketAddr, bytes: Vec<u8>) -> Vec<u8> {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        drop(write.write_all(&bytes).await);
        write
    });
    let mut answer = Vec::new();
    drop(read.read_to_end(&mut answer).await);
    drop(writing.await);
    answer
}

/// A service, and a gateway in front of it.
pub(crate) async fn both() -> (Service, Gateway) {
    let service = Service::start().await;
    let gateway = Gateway::before(&service).await;
    (service, gateway)
}

/// The machine's clock, set forward by hand.
#[derive(Debug, Default)]
pub(crate) struct Shifted(AtomicU64);

impl Shifted {
    pub(crate) fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> u64 {
        SystemClock.now() + self.0.load(Ordering::SeqCst)
    }
}

/// The real ledger, whose storage fails on demand.
pub(crate) struct Breakable {
    ledger: SqliteLedger,
    down: Arc<AtomicBool>,
}

impl Breakable {
    fn up(&self) -> Result<&SqliteLedger, LedgerError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(LedgerError::Storage("no space left on device".into()));
        }
        Ok(&self.ledger)
    }
}

impl Ledger for Breakable {
    async fn lease(
        &self,
        names: &[Tag],
        statement: &Tag,
        waiting: Waiting,
    ) -> Result<Leased, LedgerError> {
        self.ledger.lease(names, statement, waiting).await
    }

    async fn find(
        &self,
        scope: &Scope,
        key: Option<&Tag>,
        statement: &Tag,
        names: &[Tag],
    ) -> Result<Found, LedgerError> {
        self.up()?.find(scope, key, statement, names).await
    }

    async fn write(&self, record: &Record) -> Result<(), LedgerError> {
        self.up()?.write(record).await
    }

    async fn entry(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        self.up()?.entry(id).await
    }

    async fn due(
        &self,
        now: u64,
        after: Option<&Entry>,
        most: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        self.up()?.due(now, after, most).await
    }

    async fn profile(&self, target: &str) -> Result<Vec<Field>, LedgerError> {
        self.up()?.profile(target).await
    }

    async fn note(
        &self,
        tenant: &str,
        decision: &EntryId,
        step: &RecordedStep,
    ) -> Result<(), LedgerError> {
        self.up()?.note(tenant, decision, step).await
    }

    async fn steps(&self, decision: &EntryId) -> Result<Vec<RecordedStep>, LedgerError> {
        self.up()?.steps(decision).await
    }

    async fn waiting_step(&self, decision: &EntryId) -> Result<Option<RecordedStep>, LedgerError> {
        self.up()?.waiting_step(decision).await
    }

    async fn waiting(&self) -> Result<Vec<EntryId>, LedgerError> {
        self.up()?.waiting().await
    }

    async fn forget_steps(&self, before: u64) -> Result<u64, LedgerError> {
        self.up()?.forget_steps(before).await
    }

    async fn plans(&self) -> Result<Vec<PlanRecord>, LedgerError> {
        self.up()?.plans().await
    }

    async fn write_plan(&self, record: &PlanRecord, forget: u64) -> Result<(), LedgerError> {
        self.up()?.write_plan(record, forget).await
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        self.up()?.ready().await
    }

    async fn audit(&self) -> Result<Vec<Note>, LedgerError> {
        self.up()?.audit().await
    }
}

/// An answer on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else { panic!("no answer: {}", String::from_utf8_lossy(bytes)) };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = bytes[end + 4..].to_vec();
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = unchunk(&body);
        }
        Self { status, head, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (given, value) = line.split_once(':')?;
            given.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}\n{}", self.head, String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        format!("{}\n\n{}", self.head, String::from_utf8_lossy(&self.body))
    }

    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// An error as RFC 7644 section 3.12 has it, with the headers that every protected answer has (S37).
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, scim_type: Option<&str>, says: &str) {
        let all = self.text();
        assert_eq!(self.status, status, "{all}");
        assert_eq!(self.header("content-type"), Some("application/scim+json"), "{all}");
        let body = self.json();
        assert_eq!(body["schemas"], json!([ERROR]), "{all}");
        assert_eq!(body["status"], json!(status.to_string()), "{all}");
        assert_eq!(body.get("scimType").and_then(Value::as_str), scim_type, "{all}");
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{says}: {all}");
        assert!(detail.len() < 4096, "{all}");
        assert!(self.header("replaysafe-verdict").is_some(), "{all}");
        assert!(self.header("replaysafe-decision").is_some(), "{all}");
        assert_eq!(self.header("replaysafe-changed"), Some("false"), "{all}");
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}

/// A request as it came to the service.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A SCIM service on loopback: creates, reads, finds, replaces, patches and deletes Users, Groups and Badges.
///
/// It enforces no uniqueness, so that whatever reaches it twice is there twice.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// What would change something waits while this is true: heard, and neither carried out nor answered.
    pub(crate) held: watch::Sender<bool>,
    /// Discovery is answered once so many parts of it are asked for at once.
    pub(crate) together: Arc<OnceLock<Barrier>>,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    resources: BTreeMap<(String, String), Value>,
    made: u64,
    revoked: Vec<String>,
    tls: bool,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts it; with TLS, where `tls` is given.
    pub(crate) async fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { tls: tls.is_some(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let (held, holding) = watch::channel(false);
        let together = Arc::<OnceLock<Barrier>>::default();
        let waits = Arc::clone(&together);
        let shared = Arc::clone(&state);
        let tls = tls.map(TlsAcceptor::from);
        drop(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, tls) = (Arc::clone(&shared), tls.clone());
                let holding = (holding.clone(), Arc::clone(&waits));
                drop(tokio::spawn(async move {
                    let Some(tls) = tls else { return speak(stream, state, holding).await };
                    if let Ok(stream) = tls.accept(stream).await {
                        speak(stream, state, holding).await;
                    }
                }));
            }
        }));
        Self { address, state, held, together }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/scim/v2", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// What it was asked that could have changed something.
    pub(crate) fn changes(&self) -> Vec<Asked> {
        let asked = self.asked().into_iter();
        asked.filter(|asked| asked.method != Method::GET).collect()
    }

    pub(crate) fn resources(&self, endpoint: &str) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        let of = state.resources.iter().filter(|((at, _), _)| at == endpoint);
        of.map(|(_, resource)| resource.clone()).collect()
    }

    /// Puts a resource in behind everybody's back, and gives its id.
    pub(crate) fn put_in(&self, endpoint: &str, resource: Value) -> String {
        self.state.lock().unwrap().add(endpoint, resource)
    }

    /// Refuses a credential from here on.
    pub(crate) fn revoke(&self, authorization: &str) {
        self.state.lock().unwrap().revoked.push(authorization.to_owned());
    }
}

impl State {
    fn add(&mut self, endpoint: &str, mut resource: Value) -> String {
        self.made += 1;
        let id = format!("id-{}", self.made);
        resource["id"] = json!(id);
        if let Some(resource) = resource.as_object_mut() {
            // RFC 7643 section 4.1.1: a password is never returned.
            resource.remove("password");
        }
        self.resources.insert((endpoint.to_owned(), id.clone()), resource);
        id
    }

    fn apply(&mut self, asked: &Asked, host: &str) -> (StatusCode, Value) {
        let authorization = asked.headers.get(header::AUTHORIZATION);
        let authorization = authorization.map_or("", |value| value.to_str().unwrap());
        if self.revoked.iter().any(|revoked| revoked == authorization) {
            return (StatusCode::UNAUTHORIZED, json!({"schemas": [ERROR], "status": "401"}));
        }
        let path = asked.target.strip_prefix("/scim/v2/").unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let not_found = (StatusCode::NOT_FOUND, json!({"schemas": [ERROR], "status": "404"}));
        if asked.method == Method::GET
            && let Some(document) = discovery(path)
        {
            return (StatusCode::OK, document);
        }
        let (endpoint, id) = path.split_once('/').unwrap_or((path, ""));
        if !["Users", "Groups", "Badges"].contains(&endpoint) {
            return not_found;
        }
        let at = (endpoint.to_owned(), id.to_owned());
        let scheme = if self.tls { "https" } else { "http" };
        let located = |id: &str, resource: &Value| {
            let mut resource = resource.clone();
            let location = format!("{scheme}://{host}/scim/v2/{endpoint}/{id}");
            resource["meta"] = json!({"location": location});
            resource
        };
        match (&asked.method, id) {
            (&Method::GET, "") => {
                let query = query.replace("%20", " ").replace("%22", "\"");
                let filter = query.strip_prefix("filter=").and_then(|f| f.split_once(" eq "));
                let found = self.resources.iter().filter(|((at, _), resource)| {
                    at == endpoint
                        && filter.is_none_or(|(name, value)| {
                            resource[name].to_string().eq_ignore_ascii_case(value)
                        })
                });
                let found: Vec<_> = found.map(|((_, id), it)| located(id, it)).collect();
                let document = json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                    "totalResults": found.len(), "startIndex": 1, "itemsPerPage": found.len(),
                    "Resources": found,
                });
                (StatusCode::OK, document)
            }
            (&Method::GET, id) => match self.resources.get(&at) {
                Some(resource) => (StatusCode::OK, located(id, resource)),
                None => not_found,
            },
            (&Method::POST, "") => {
                let id = self.add(endpoint, serde_json::from_slice(&asked.body).unwrap());
                let made = &self.resources[&(endpoint.to_owned(), id.clone())];
                (StatusCode::CREATED, located(&id, made))
            }
            (&Method::DELETE, _) => match self.resources.remove(&at) {
                Some(_) => (StatusCode::NO_CONTENT, Value::Null),
                None => not_found,
            },
            (&Method::PUT, id) if self.resources.contains_key(&at) => {
                let mut resource: Value = serde_json::from_slice(&asked.body).unwrap();
                resource["id"] = json!(id);
                resource.as_object_mut().unwrap().remove("password");
                self.resources.insert(at, resource.clone());
                (StatusCode::OK, located(id, &resource))
            }
            (&Method::PATCH, id) => {
                let Some(resource) = self.resources.get_mut(&at) else { return not_found };
                let patch: Value = serde_json::from_slice(&asked.body).unwrap();
                for operation in patch["Operations"].as_array().unwrap() {
                    if !patch_one(resource, operation) {
                        let refusal = json!({
                            "schemas": [ERROR], "status": "400", "scimType": "invalidPath",
                            "detail": "No such path.",
                        });
                        return (StatusCode::BAD_REQUEST, refusal);
                    }
                }
                (StatusCode::OK, located(id, resource))
            }
            _ => not_found,
        }
    }
}

/// `replace` and `add` of an attribute, and `remove` of a member by its value; false where it is neither.
fn patch_one(resource: &mut Value, operation: &Value) -> bool {
    let path = operation["path"].as_str().unwrap_or_default();
    match (operation["op"].as_str().unwrap(), path.split_once("[value eq \"")) {
        ("remove", Some(("members", value))) => {
            let value = value.trim_end_matches("\"]");
            let values = resource["members"].as_array_mut().unwrap();
            values.retain(|member| member["value"] != value);
            true
        }
        ("replace" | "add", None) => {
            resource[path] = operation["value"].clone();
            resource.as_object_mut().unwrap().remove("password");
            true
        }
        _ => false,
    }
}

fn discovery(path: &str) -> Option<Value> {
    let kind = |name: &str, path: &str, schema: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "name": name, "endpoint": path, "schema": schema,
        })
    };
    Some(match path {
        "ResourceTypes" => json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 3,
            "Resources": [
                kind("User", "/Users", "urn:ietf:params:scim:schemas:core:2.0:User"),
                kind("Group", "/Groups", "urn:ietf:params:scim:schemas:core:2.0:Group"),
                kind("Badge", "/Badges", "urn:example:Badge"),
            ],
        }),
        "Schemas" => json!({"totalResults": 0, "Resources": []}),
        "ServiceProviderConfig" => json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": {"supported": true}, "bulk": {"supported": true, "maxOperations": 10},
            "filter": {"supported": true, "maxResults": 100}, "etag": {"supported": false},
        }),
        _ => return None,
    })
}

/// What lets a request wait.
type Holding = (watch::Receiver<bool>, Arc<OnceLock<Barrier>>);

async fn speak<Io>(io: Io, state: Arc<Mutex<State>>, holding: Holding)
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| handle(request, Arc::clone(&state), holding.clone()));
    let connection = hyper::server::conn::http1::Builder::new();
    // How the gateway ends its connections is its affair.
    drop(connection.serve_connection(TokioIo::new(io), service).await);
}

async fn handle(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
    (mut holding, together): Holding,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (method, target) = (parts.method, parts.uri.to_string());
    let asked = Asked { method, target, headers: parts.headers, body };
    let host = asked.headers[header::HOST].to_str().unwrap().to_owned();
    state.lock().unwrap().asked.push(asked.clone());
    if let Some(together) = together.get()
        && discovery(asked.target.trim_start_matches("/scim/v2/")).is_some()
    {
        together.wait().await;
    }
    if asked.method != Method::GET {
        holding.wait_for(|held| !held).await.unwrap();
    }
    let (status, document) = state.lock().unwrap().apply(&asked, &host);
    let text = if document.is_null() { String::new() } else { document.to_string() };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !document.is_null() {
        headers.insert(header::CONTENT_TYPE, "application/scim+json".parse().unwrap());
    }
    if status == StatusCode::CREATED {
        let location = document["meta"]["location"].as_str().unwrap();
        headers.insert(header::LOCATION, location.parse().unwrap());
        headers.insert(header::CONTENT_LOCATION, location.parse().unwrap());
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, "Bearer realm=\"up\"".parse().unwrap());
    }
    Ok(response)
}
