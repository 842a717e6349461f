//! The way to the target: how is one HTTP request sent, and was any byte of it written?
//!
//! Nothing is repeated that could change the target, no redirect is followed, no proxy variable is read.

use std::fmt;
use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;
use tower_service::Service;

use crate::target::path::segments;
use crate::target::wire::{Counted, Written};

/// What a body may fail with.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A body of any origin, on its way to the target.
pub type SendBody = UnsyncBoxBody<Bytes, BodyError>;

/// Makes a body of bytes: sent with `Content-Length`, never in chunks, because some servers break on chunks.
#[must_use]
pub fn whole(bytes: Bytes) -> SendBody {
    if bytes.is_empty() {
        return Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A server, reached over HTTP/1.1.
///
/// Requests that change nothing share connections, which are kept for [`IDLE_MAX`] at most. Any other request
/// has a connection of its own: a pooled connection that the server closes at the wrong moment leaves an
/// outcome unknown, and to find out costs seconds, while a handshake costs milliseconds.
#[derive(Clone)]
pub struct Upstream {
    base: Base,
    on_failure: fn(&str),
    connector: HttpsConnector<HttpConnector>,
    pooled: Client<HttpsConnector<HttpConnector>, SendBody>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Whom to trust when the server shows its certificate.
#[derive(Clone, Debug)]
pub enum Roots {
    /// The system's certificates.
    System,
    /// These certificates and no others, as PEM text.
    Pem(Vec<u8>),
}

impl Upstream {
    /// Makes the way to the server at `base`, for example `https://target.example/scim/v2`. Connects to nothing.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`]: `base` is no http or https URL without query, or `roots` cannot be read.
    pub fn new(base: &str, roots: &Roots) -> Result<Self, UpstreamError> {
        let base = Base::parse(base)?;
        let store = match roots {
            Roots::Pem(pem) => pem_roots(pem)?,
            Roots::System if base.scheme == Scheme::HTTPS => system_roots()?,
            Roots::System => RootCertStore::empty(),
        };
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| UpstreamError::Tls { source })?
            .with_root_certificates(store)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let pooled = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .pool_idle_timeout(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_buf_size(ANSWER_HEAD_MAX)
            .http1_title_case_headers(true)
            .http1_preserve_header_case(true)
            .build(connector.clone());
        Ok(Self { base, on_failure: |_| {}, connector, pooled })
    }

    /// The same way, which tells `on_failure` in one line why the server was not reached: no address, no connection, a TLS
    /// handshake that failed. For the operator's log; the line holds no personal data and no secret.
    #[must_use]
    pub fn telling(self, on_failure: fn(&str)) -> Self {
        Self { on_failure, ..self }
    }

    /// Where the server is.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Sends `request` once and gives its answer, whose body is still to come.
    ///
    /// The URI of `request` is a path with an optional query, counted from the root of the server, not from the base;
    /// scheme and authority are the base's. `Host` is added where `request` has none.
    ///
    /// GET, HEAD and OPTIONS without a body are sent a second time if a pooled connection turns out to be dead.
    /// Nothing else is ever sent twice.
    ///
    /// # Errors
    ///
    /// [`SendError`] says whether a byte of the request was written.
    pub async fn send(&self, request: Request<SendBody>) -> Result<Response<Incoming>, SendError> {
        let sent = self.send_noting(request, &Written::default()).await;
        sent.inspect_err(|why| self.tell(why))
    }

    fn tell(&self, why: &SendError) {
        if let SendError::NotSent(reason) = why {
            (self.on_failure)(&format!("the service was not reached: {reason}"));
        }
    }

    /// Sends `request` like [`Upstream::send`] and gives the whole answer, no later than after [`DEADLINE`].
    ///
    /// # Errors
    ///
    /// [`SendError`]: additionally, `Unknown` for an answer that is cut short, too large or too late.
    pub async fn collect(&self, request: Request<SendBody>) -> Result<Response<Bytes>, SendError> {
        let written = Written::default();
        let work = async {
            let (parts, body) = self.send_noting(request, &written).await?.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(|e| SendError::Unknown(describe(e.as_ref())))?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        let answer = match tokio::time::timeout(DEADLINE, work).await {
            Ok(answer) => answer,
            Err(_) if written.nothing() => Err(SendError::NotSent("no connection in time".into())),
            Err(_) => Err(SendError::Unknown("no complete answer in time".into())),
        };
        answer.inspect_err(|why| self.tell(why))
    }

    /// Sends, and notes in `written` what the connection took.
    async fn send_noting(
        &self,
        request: Request<SendBody>,
        written: &Written,
    ) -> Result<Response<Incoming>, SendError> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().cloned();
        let path = path.unwrap_or(PathAndQuery::from_static("/"));
        if !parts.headers.contains_key(header::HOST) {
            parts.headers.insert(header::HOST, self.base.host.clone());
        }
        parts.version = Version::HTTP_11;
        let safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if !(safe && body.is_end_stream()) {
            parts.uri = Uri::from(path);
            return self.send_on_its_own(Request::from_parts(parts, body), written).await;
        }
        let mut again = parts.clone();
        again.uri = Uri::from(path.clone());
        parts.uri = self.base.uri(path)?;
        match self.pooled.request(Request::from_parts(parts, whole(Bytes::new()))).await {
            Ok(answer) => Ok(answer),
            Err(error) if error.is_connect() => Err(SendError::not_sent(&error)),
            Err(_) => {
                let request = Request::from_parts(again, whole(Bytes::new()));
                self.send_on_its_own(request, written).await
            }
        }
    }

    /// Sends over a connection that is used for nothing else, and that ends with the answer.
    async fn send_on_its_own(
        &self,
        request: Request<SendBody>,
        written: &Written,
    ) -> Result<Response<Incoming>, SendError> {
        let uri = self.base.uri(PathAndQuery::from_static("/"))?;
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx))
            .await
            .map_err(|e| SendError::not_sent(e.as_ref()))?;
        let stream = connector.call(uri).await.map_err(|e| SendError::not_sent(e.as_ref()))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(ANSWER_HEAD_MAX)
            .title_case_headers(true)
            .preserve_header_case(true)
            .handshake(Counted::new(stream, written.clone()))
            .await
            .map_err(|e| SendError::not_sent(&e))?;
        // The task ends with the answer's body, or when the answer or this future is dropped.
        drop(tokio::spawn(connection));
        sender.send_request(request).await.map_err(|error| {
            if written.nothing() {
                return SendError::not_sent(&error);
            }
            SendError::Unknown(describe(&error))
        })
    }
}

/// Where a server is: scheme, authority and the prefix of every path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    prefix: String,
}

impl Base {
    /// Reads a base URL. A slash at its end does not matter.
    fn parse(text: &str) -> Result<Self, UpstreamError> {
        let wrong = |reason| UpstreamError::Base { base: text.to_owned(), reason };
        // It would be dropped without a word.
        if text.contains('#') {
            return Err(wrong("a base has no fragment"));
        }
        let uri: Uri = text.parse().map_err(|_invalid: http::uri::InvalidUri| wrong("no URL"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or_else(|| wrong("no scheme"))?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(wrong("neither http nor https"));
        }
        let authority = parts.authority.ok_or_else(|| wrong("no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("credentials in a URL end up in logs"));
        }
        let path = parts.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(wrong("a base has no query"));
        }
        let host = HeaderValue::from_str(authority.as_str());
        let host = host.map_err(|_invalid: header::InvalidHeaderValue| wrong("no host"))?;
        let prefix = path.path().strip_suffix('/').unwrap_or(path.path()).to_owned();
        // Every path below it has the readings that it has.
        if !prefix.is_empty() && segments(&prefix).is_err() {
            return Err(wrong(
                "its path can be read in two ways; leave out dot-segments, empty segments, semicolons, and encoded slashes",
            ));
        }
        Ok(Self { scheme, authority, host, prefix })
    }

    /// The path that every path of the service begins with, without slash at its end; empty for a service at the root.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The server speaks TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The base URL without slash at its end, as the server's own absolute URLs begin.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.prefix)
    }

    /// Where the server is, in one spelling: letter case of the host and the port that a scheme has anyway do not count.
    ///
    /// Source: RFC 3986 sections 6.2.2.1 and 6.2.3.
    #[must_use]
    pub fn place(&self) -> String {
        let port = if self.is_https() { ":443" } else { ":80" };
        let authority = self.authority.as_str().to_ascii_lowercase();
        let authority = authority.strip_suffix(port).unwrap_or(&authority);
        format!("{}://{authority}{}", self.scheme, self.prefix)
    }

    fn uri(&self, path: PathAndQuery) -> Result<Uri, SendError> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
            .map_err(|e| SendError::not_sent(&e))
    }
}

/// Why no complete answer came.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// No byte of the request was written: nothing has happened
    #[error("not sent: {0}")]
    NotSent(String),
    /// Bytes were written: it may have happened
    #[error("no complete answer: {0}")]
    Unknown(String),
}

impl SendError {
    fn not_sent(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::NotSent(describe(error))
    }
}

/// Why there is no way to a server
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The base URL cannot be used
    #[error("`{base}` is no base URL: {reason}")]
    Base {
        /// What was given
        base: String,
        /// What is wrong with it
        reason: &'static str,
    },
    /// The certificates to trust cannot be read
    #[error("no certificates to trust: {reason}")]
    Roots {
        /// What is wrong with them
        reason: String,
    },
    /// TLS cannot be set up
    #[error("cannot set up TLS")]
    Tls {
        /// Why
        #[source]
        source: rustls::Error,
    },
}

/// How long a name look-up and a TCP connection may take: S40's deadline leaves half for the answer.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a call of our own may take in all (S40).
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next look. Servers close idle connections after 2 s (gunicorn) to 75 s
/// (nginx): shorter than the shortest, so that hardly any look meets a connection that is just being closed.
pub const IDLE_MAX: Duration = Duration::from_millis(1500);
/// How many idle connections are kept: as many as peers' clients have open at once.
pub const IDLE_CONNECTIONS_MAX: usize = 32;
/// The largest answer that is read (S44): a list of 10,000 users with a few kilobytes each.
pub const ANSWER_MAX: usize = 64 << 20;
/// The largest head of an answer: four times what servers commonly allow for a request's.
pub const ANSWER_HEAD_MAX: usize = 64 << 10;

fn pem_roots(pem: &[u8]) -> Result<RootCertStore, UpstreamError> {
    let wrong = |reason: String| UpstreamError::Roots { reason };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        store.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if store.is_empty() {
        return Err(wrong("the PEM text holds none".to_owned()));
    }
    Ok(store)
}

fn system_roots() -> Result<RootCertStore, UpstreamError> {
    let mut store = RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(loaded.certs);
    if store.is_empty() {
        return Err(UpstreamError::Roots { reason: "the system has none".to_owned() });
    }
    Ok(store)
}

/// The causes of an error in one line.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, expected: Option<(&str, &str)>) {
        let base = Base::parse(base).ok();
        let given = base.map(|base| (base.url(), base.prefix().to_owned()));
        assert_eq!(given, expected.map(|(url, prefix)| (url.to_owned(), prefix.to_owned())));
    }

    #[test]
    fn a_base_is_a_url_with_or_without_a_path() {
        check("http://up/scim/v2", Some(("http://up/scim/v2", "/scim/v2")));
        check("https://up:8443/", Some(("https://up:8443", "")));
        let place = |base: &str| Base::parse(base).unwrap().place();
        assert_eq!(place("HTTP://Up:80/V2/"), "http://up/V2");
        assert_eq!(place("https://up:443"), "https://up");
        assert_eq!(place("https://up:80"), "https://up:80");
        check("http://up?x=1", None);
        check("http://up#f", None);
        check("http://up/v2#f", None);
        for path in ["/a/../b", "/./b", "//v2", "/v2//", "/v2;x", "/v%2f2", "/v2/%2e%2E", "/%zz"] {
            check(&format!("http://up{path}"), None);
        }
        check("http://up/v%202/", Some(("http://up/v%202", "/v%202")));
        check("http://name:word@up", None);
        check("ftp://up", None);
        check("/scim", None);
    }
}
