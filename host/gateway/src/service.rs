//! One request: which way does it take through the gateway?
//!
//! A protected request is answered by the provisioner, any other by the target; the rest is refused here.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
};
use hyper::body::Incoming;
use replaysafe::call::{Call, Principal};
use replaysafe::contract::{self, Endpoint, Verdict};
use replaysafe::provisioner::batch::{Batch, BatchCall};
use replaysafe::target::path::percent_decode;
use replaysafe::target::rewrite::Rewrite;
use replaysafe::target::upstream::Upstream;
use replaysafe::target::{Body as CallBody, Caller};
use replaysafe_json::Limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::answer::{Asked, Refused, SCIM_JSON, error, refuse, respond, say_repeatable};
use crate::body::{Unread, read};
use crate::bulk;
use crate::form;
use crate::pass::{Changes, Offer, closing, later, pass};
use crate::provision::Provision;
use crate::route::{Route, named, route};
use crate::serve::{GatewayOptions, HostMode};
use crate::strict::Fault;

/// What answers the requests of all connections.
#[derive(Debug)]
pub(crate) struct Gateway<P> {
    pub(crate) provision: Arc<P>,
    pub(crate) upstream: Upstream,
    pub(crate) options: GatewayOptions,
    /// One permit for each protected request under way, from when its body has come until its work is done.
    pub(crate) requests: Arc<Semaphore>,
    /// One permit for each passed request, until its answer begins.
    pub(crate) passes: Arc<Semaphore>,
    /// Room for bodies.
    pub(crate) room: Arc<Semaphore>,
}

impl<P: Provision> Gateway<P> {
    /// Answers one request, of `principal` where the connection has shown one.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        principal: Option<Principal>,
    ) -> Response<Body> {
        let repeatable = request.headers().contains_key(form::REPEATABILITY_REQUEST_ID);
        let mut response = self.answer_plainly(request, principal).await;
        if repeatable {
            say_repeatable(response.headers_mut());
        }
        response
    }

    async fn answer_plainly(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        principal: Option<Principal>,
    ) -> Response<Body> {
        if let Err(detail) = settle_host(&mut request) {
            return refuse(&Refused::new(Verdict::Malformed, detail));
        }
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::GET | &Method::HEAD, "/healthz") => return Response::new(Body::from("ok\n")),
            (&Method::GET | &Method::HEAD, "/readyz") => return self.readiness().await,
            _ => {}
        }
        // What can be read in two ways is refused before anything else of it is read.
        let first = self.first(&request, &path);
        if let Route::Malformed(detail) = first {
            return refuse(&Refused::new(Verdict::Malformed, detail));
        }
        let query = request.uri().query();
        if OVERRIDES.iter().any(|name| request.headers().contains_key(name)) || overrides(query) {
            let detail = "A method is not overridden by a header or a parameter here; send the method that is meant.";
            return error(StatusCode::NOT_IMPLEMENTED, None, detail);
        }
        // S43a: one budget for all that the client waits for.
        let deadline = Instant::now() + self.options.answer_budget;
        let answered = match self.route(first, &request, &path, deadline).await {
            Ok(route) => self.follow(route, request, principal, deadline).await,
            Err(stop) => Err(stop),
        };
        match answered {
            Ok(response) => response,
            Err(Stop::Refused(refused)) => refuse(&refused),
            Err(Stop::Unread(refused)) => closing(refuse(&refused)),
            Err(Stop::Unprotected) => unprotected(),
        }
    }

    async fn follow(
        &self,
        route: Route,
        request: Request<Incoming>,
        principal: Option<Principal>,
        deadline: Instant,
    ) -> Result<Response<Body>, Stop> {
        match route {
            Route::Pass => Ok(self.pass(request, Offer::AsIs).await),
            Route::PassConfiguration => {
                let bulk = match named("/Bulk", &self.options.pass_unprotected) {
                    true => Offer::AsIs,
                    false if self.provision.takes_batches() => Offer::Ours,
                    false => Offer::No,
                };
                Ok(self.pass(request, bulk).await)
            }
            Route::Bulk => self.bulk(request, principal, deadline).await,
            Route::Protect { method, resource_type, id } => {
                self.protect(request, principal, (method, resource_type, id), deadline).await
            }
            Route::Malformed(detail) => Err(Refused::new(Verdict::Malformed, detail).into()),
            Route::Unprotected => Err(Stop::Unprotected),
            Route::Elsewhere => Ok(error(
                StatusCode::NOT_FOUND,
                None,
                "Outside the base path of the service; look at the URL.",
            )),
        }
    }

    /// Answers what was no request.
    pub(crate) fn answer_fault(fault: Fault) -> Response<Body> {
        let refused = match fault {
            Fault::Malformed => {
                let detail = "This is no strict HTTP, or can be read in two ways: end each line by CRLF, and send one \
                              Content-Length, or one `Transfer-Encoding: chunked`.";
                Refused::new(Verdict::Malformed, detail)
            }
            Fault::TooLarge => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                Refused::malformed_as(
                    status,
                    "The head is too large; send fewer or shorter headers.",
                )
            }
        };
        closing(refuse(&refused))
    }

    /// The way, as far as it can be told without asking anybody.
    ///
    /// What is asked of `/Users` and `/Groups` has to be in form before anybody is asked anything.
    fn first(&self, request: &Request<Incoming>, path: &str) -> Route {
        let prefix = self.upstream.base().prefix();
        let unprotected = &self.options.pass_unprotected;
        route(request.method(), path, prefix, &usual_endpoints(), unprotected)
    }

    /// Finds the way; asks for the resource types only if it depends on them.
    async fn route(
        &self,
        first: Route,
        request: &Request<Incoming>,
        path: &str,
        deadline: Instant,
    ) -> Result<Route, Stop> {
        let (prefix, method) = (self.upstream.base().prefix(), request.method());
        let unprotected = &self.options.pass_unprotected;
        let (Route::Unprotected | Route::Pass) = first else { return Ok(first) };
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(first);
        }
        let caller = self.caller(request.headers(), None);
        let endpoints = self.endpoints(&caller, deadline).await?;
        Ok(route(method, path, prefix, &endpoints, unprotected))
    }

    /// What the target serves, as far as it says so in time.
    async fn endpoints(&self, caller: &Caller, deadline: Instant) -> Result<Vec<Endpoint>, Stop> {
        let late = |_elapsed| {
            let detail =
                "The target did not say in time what it serves; nothing has happened, come again.";
            Refused::new(Verdict::Unavailable, detail).into()
        };
        tokio::time::timeout_at(deadline, self.provision.endpoints(caller)).await.map_err(late)
    }

    async fn pass(&self, request: Request<Incoming>, bulk: Offer) -> Response<Body> {
        let Ok(_permit) = self.passes.try_acquire() else {
            let detail = "Too many requests are under way; come again.";
            return later(StatusCode::SERVICE_UNAVAILABLE, detail);
        };
        let headers = request.headers();
        let base = self.upstream.base();
        let without_host = self.host_mode() == HostMode::Upstream;
        // What a target makes of the client's Host, where that is all there is to say, goes through byte for byte.
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let seen =
            host.filter(|_| !without_host).map(|host| format!("http://{host}{}", base.prefix()));
        let to = self.base(headers).filter(|to| seen.as_ref() != Some(to));
        let rewrite = to.map(|to| Rewrite::new(base, headers, to));
        pass(&self.upstream, request, &Changes { without_host, rewrite, bulk }).await
    }

    async fn protect(
        &self,
        request: Request<Incoming>,
        principal: Option<Principal>,
        (method, usual_type, id): (contract::Method, String, Option<String>),
        deadline: Instant,
    ) -> Result<Response<Body>, Stop> {
        let (parts, body) = request.into_parts();
        let (headers, query) = (&parts.headers, parts.uri.query());
        let form::Head { key, first_sent, if_match, media_type } = form::head(headers, method)?;
        let version_header = self.provision.version_header();
        let version = version_header.map(|name| form::version(headers, name));
        let version = version.transpose()?.flatten();
        let group = usual_type == "Group";
        let bytes_max = if group { Limits::BYTES_GROUP } else { Limits::BYTES_REQUEST };
        let reading = Instant::now();
        let (bytes, room) = read(body, bytes_max, &self.room).await.map_err(unread)?;
        // While its body comes it is the client that is waited for.
        let deadline = deadline + reading.elapsed();
        if media_type.is_some() {
            form::body(&bytes, &Limits { bytes: bytes_max, ..Limits::request() })?;
        }
        let permit = self.permit()?;
        let mut caller = self.caller(headers, query);
        // It differs each time: as a part of the credential it would make another principal of each request (S1).
        caller.headers.retain(|(name, _)| Some(name) != version_header);
        let resource_type = self.resource_type(&parts, &caller, deadline).await?;
        let below = parts.uri.path().split('/').skip(self.depth() + 1).take(1);
        let base = self.base(headers).unwrap_or_else(|| self.upstream.base().url());
        let extra = form::extra(query, first_sent);
        let asked = Asked {
            method,
            resource_type: resource_type.clone(),
            with_key: key.is_some(),
            with_attributes: extra.iter().any(|field| field.name == "attributes"),
            collection: format!("{base}/{}", below.collect::<String>()),
        };
        // Dropped with this future: when the client hangs up, and when the budget is spent.
        let client = Arc::new(());
        let call = Call {
            awaited: Some(Arc::downgrade(&client)),
            method,
            resource_type,
            id,
            body: media_type.map(|content_type| CallBody { bytes, content_type }),
            key,
            version,
            if_match,
            principal: principal.unwrap_or_else(|| Principal::of(&caller)),
            caller,
            extra,
        };
        let provision = Arc::clone(&self.provision);
        // S43a: a client that hangs up, and a budget that is spent, cancel nothing.
        let work = tokio::spawn(async move {
            let answer = provision.provision(call).await;
            drop((permit, room));
            answer
        });
        let mut answer = ended(work, deadline).await?;
        drop(client);
        // It is the target's own base that is kept, and seen by the component: whoever asked first, each gets his own.
        if let (Some(to), Some(target)) = (self.base(headers), &mut answer.target) {
            Rewrite::new(self.upstream.base(), [], to).answer(target);
        }
        Ok(respond(&answer, &asked))
    }

    /// Each operation of a bulk request goes the way of a single one (S31).
    async fn bulk(
        &self,
        request: Request<Incoming>,
        principal: Option<Principal>,
        deadline: Instant,
    ) -> Result<Response<Body>, Stop> {
        if !self.provision.takes_batches() {
            return Err(Stop::Unprotected);
        }
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        let form::Head { key, first_sent, if_match, media_type } =
            form::head(headers, contract::Method::Create)?;
        let version_header = self.provision.version_header();
        if if_match.is_some() || version_header.is_some_and(|name| headers.contains_key(name)) {
            let detail = "A bulk request has no version as a whole: leave If-Match and the version header out, and state \
                          what is true of an operation in it.";
            return Err(Refused::new(Verdict::Malformed, detail).into());
        }
        let reading = Instant::now();
        let (bytes, room) = read(body, Limits::BYTES_GROUP, &self.room).await.map_err(unread)?;
        let deadline = deadline + reading.elapsed();
        let permit = self.permit()?;
        let caller = self.caller(headers, None);
        let asked = bulk::read(&bytes, &self.endpoints(&caller, deadline).await?)?;
        let client = Arc::new(());
        let content_type = media_type.unwrap_or_else(|| HeaderValue::from_static(SCIM_JSON));
        let principal = principal.unwrap_or_else(|| Principal::of(&caller));
        let call = |operation: &bulk::Operation| Call {
            awaited: Some(Arc::downgrade(&client)),
            method: operation.method,
            resource_type: operation.resource_type.clone(),
            id: operation.id.clone(),
            body: operation
                .body
                .clone()
                .map(|bytes| CallBody { bytes, content_type: content_type.clone() }),
            key: None,
            version: None,
            if_match: operation.version.clone(),
            principal: principal.clone(),
            caller: caller.clone(),
            extra: form::extra(None, first_sent),
        };
        let with_key = key.is_some();
        let batch = Batch {
            key,
            fail_on_errors: asked.fail_on_errors,
            operations: asked
                .operations
                .iter()
                .map(|one| BatchCall { bulk_id: one.bulk_id.clone(), call: call(one) })
                .collect(),
        };
        let provision = Arc::clone(&self.provision);
        let work = tokio::spawn(async move {
            let answers = provision.provision_batch(batch).await;
            drop((permit, room));
            answers
        });
        let mut answers = ended(work, deadline).await?;
        drop(client);
        if let Some(to) = self.base(headers) {
            let rewrite = Rewrite::new(self.upstream.base(), [], to);
            let told = answers.iter_mut().flatten().filter_map(|end| end.answer.target.as_mut());
            told.for_each(|target| rewrite.answer(target));
        }
        let base = self.base(headers).unwrap_or_else(|| self.upstream.base().url());
        let repeatable = headers.contains_key(form::REPEATABILITY_REQUEST_ID);
        Ok(bulk::answer(&asked.operations, &answers, &base, (with_key, repeatable)).await)
    }

    /// The right to have one more request under way.
    fn permit(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let busy =
            |_| Refused::new(Verdict::Unavailable, "Too many requests are under way; come again.");
        Arc::clone(&self.requests).try_acquire_owned().map_err(busy)
    }

    /// The resource type that this path is of, by the target's own word.
    async fn resource_type(
        &self,
        parts: &http::request::Parts,
        caller: &Caller,
        deadline: Instant,
    ) -> Result<String, Stop> {
        let endpoints = self.endpoints(caller, deadline).await?;
        let (prefix, path) = (self.upstream.base().prefix(), parts.uri.path());
        match route(&parts.method, path, prefix, &endpoints, &[]) {
            Route::Protect { resource_type, .. } => Ok(resource_type),
            Route::Pass
            | Route::PassConfiguration
            | Route::Bulk
            | Route::Malformed(_)
            | Route::Unprotected
            | Route::Elsewhere => Err(Stop::Unprotected),
        }
    }

    async fn readiness(&self) -> Response<Body> {
        let readiness = self.provision.readiness().await;
        let mut body = serde_json::Map::new();
        body.insert("ready".into(), readiness.ready.into());
        body.insert("recovery".into(), readiness.recovery.word().into());
        for field in readiness.details {
            body.entry(field.name).or_insert_with(|| field.value.into());
        }
        let mut response = Response::new(Body::from(serde_json::Value::from(body).to_string()));
        if !readiness.ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }

    fn caller(&self, headers: &HeaderMap, query: Option<&str>) -> Caller {
        let mut caller = form::caller(headers, query);
        if self.host_mode() == HostMode::Upstream {
            caller.headers.retain(|(name, _)| name != header::HOST);
        }
        caller
    }

    fn host_mode(&self) -> HostMode {
        let https = self.upstream.base().is_https();
        let usual = if https { HostMode::Upstream } else { HostMode::Keep };
        self.options.host.unwrap_or(usual)
    }

    /// The base URL of the service as this client reaches it, without slash at its end; none where it does not say.
    ///
    /// A proxy in front of the gateway says what it was asked in `X-Forwarded-Proto` and `X-Forwarded-Host`. What a client
    /// invents there leads nobody astray but the client.
    fn base(&self, headers: &HeaderMap) -> Option<String> {
        let prefix = self.upstream.base().prefix();
        if let Some(origin) = &self.options.public_origin {
            return Some(format!("{}{prefix}", origin.trim_end_matches('/')));
        }
        let said = |name: HeaderName| {
            let first = headers.get(name)?.to_str().ok()?.split(',').next()?.trim();
            (!first.is_empty()).then(|| first.to_owned())
        };
        let http = |scheme: &String| ["http", "https"].contains(&scheme.as_str());
        let served = if self.options.tls.is_some() { "https" } else { "http" };
        let scheme = said(FORWARDED_PROTO).map(|scheme| scheme.to_ascii_lowercase()).filter(http);
        let host = said(FORWARDED_HOST).or_else(|| said(header::HOST))?;
        Some(format!("{}://{host}{prefix}", scheme.as_deref().unwrap_or(served)))
    }

    fn depth(&self) -> usize {
        self.upstream.base().prefix().matches('/').count()
    }
}

/// What came of work that goes on when the client has waited for as long as it may (S43a).
async fn ended<T>(work: JoinHandle<T>, deadline: Instant) -> Result<T, Stop> {
    let detail = match tokio::time::timeout_at(deadline, work).await {
        Ok(Ok(ended)) => return Ok(ended),
        Ok(Err(_)) => "The decision failed. The same request again finds out how it stands.",
        Err(_) => "The work goes on: the same request again attaches to it.",
    };
    Err(Refused::new(Verdict::Unresolved, detail).into())
}

/// How long a client waits for its answer (S43a): below the 60 s of the impatient.
pub(crate) const ANSWER_BUDGET: Duration = Duration::from_secs(50);

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Headers that make a POST something else in the eyes of some servers, and of none here.
const OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Whether the query makes the method another in the eyes of some frameworks, by `_method` or by the name of a header.
fn overrides(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| {
        let name = pair.split('=').next().and_then(percent_decode).unwrap_or_default();
        let named = |header: &HeaderName| name.eq_ignore_ascii_case(header.as_str());
        name.eq_ignore_ascii_case("_method") || OVERRIDES.iter().any(named)
    })
}

/// Makes sure that a request says once, and only once, which host it is for; in HTTP/2 `:authority` says it.
///
/// Source: RFC 9112 section 3.2; RFC 9113 section 8.3.1. The absolute form of a URL is for proxies, and refused.
fn settle_host(request: &mut Request<Incoming>) -> Result<(), &'static str> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    let authority = request.uri().authority().map(ToString::to_string);
    if request.version() < Version::HTTP_2 {
        return match (hosts, authority) {
            (_, Some(_)) => Err("The request names a URL where a path is due; send the path."),
            (0, None) if request.version() == Version::HTTP_11 => Err("Host is missing; send it."),
            (0 | 1, None) => Ok(()),
            (_, None) => Err("Host is given more than once; send one."),
        };
    }
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    match (hosts, authority) {
        (0, Some(authority)) => {
            let host = HeaderValue::from_str(&authority);
            let host = host.map_err(|_odd| "The authority is no host; send one.")?;
            request.headers_mut().insert(header::HOST, host);
            Ok(())
        }
        (1, Some(authority)) if host == Some(&authority) => Ok(()),
        (1, None) => Ok(()),
        _ => Err("Host and :authority disagree; send one of them."),
    }
}

/// Where the way of a protected request ends before it is provisioned.
enum Stop {
    Refused(Refused),
    /// With some of its body unread.
    Unread(Refused),
    /// The target has no resource type here.
    Unprotected,
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

fn unread(why: Unread) -> Stop {
    Stop::Unread(match why {
        Unread::TooLarge => {
            let detail = "The body is larger than its limit; send less at once.";
            Refused::new(Verdict::TooLarge, detail)
        }
        Unread::TooSlow => {
            let detail = "The body came too slowly; send it again.";
            Refused::malformed_as(StatusCode::REQUEST_TIMEOUT, detail)
        }
        Unread::Broken => {
            let detail = "The body did not come whole; send it again.";
            Refused::new(Verdict::Malformed, detail)
        }
        Unread::NoRoom => {
            Refused::new(Verdict::Unavailable, "Too much is being sent at once; come again.")
        }
    })
}

fn unprotected() -> Response<Body> {
    let detail = "This gateway does not protect this path, and was not told to pass it on; send each change by itself.";
    error(StatusCode::NOT_IMPLEMENTED, None, detail)
}

/// What every SCIM service has, whatever it says (RFC 7644 section 3.2).
fn usual_endpoints() -> [Endpoint; 2] {
    [("User", "Users"), ("Group", "Groups")].map(|(resource_type, path)| Endpoint {
        resource_type: resource_type.to_owned(),
        path: path.to_owned(),
    })
}
