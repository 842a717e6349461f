//! Serving: how do connections come in, and how do they end?
//!
//! HTTP/1.1 without TLS; HTTP/1.1 or, where the client asks for it by ALPN, HTTP/2 with TLS.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::uri::PathAndQuery;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use replaysafe::call::Principal;
use replaysafe::target::upstream::Upstream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::body;
use crate::provision::Provision;
use crate::route::PathBelow;
use crate::service::{ANSWER_BUDGET, Gateway};
use crate::strict::{Fault, Faults, HEADERS_MAX, Strict};

/// Serves SCIM on `listener` until `shutdown` is ready, and then until what was begun has ended.
///
/// Writes on resources are answered by `provision`, everything else by `upstream`. After `shutdown` no connection is
/// accepted; requests under way have `options.drain` to end. Work that goes on longer is left to the next start.
///
/// # Errors
///
/// [`ServeError`]: work was still going on when the drain ended.
pub async fn serve<P: Provision>(
    provision: Arc<P>,
    upstream: Upstream,
    mut listener: impl Listener,
    options: GatewayOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let (drain, room_bytes) = (options.drain, options.room_bytes);
    let tls = options.tls.clone().map(TlsAcceptor::from);
    let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let gateway = Arc::new(Gateway {
        provision,
        upstream,
        options,
        requests: Arc::clone(&requests),
        passes: Arc::new(Semaphore::new(PASSES_MAX)),
        room: body::room(room_bytes),
    });
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let Ok(stream) = accepted else {
            // Out of file descriptors, as a rule: others have to close first.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { continue };
        let work = connection(Arc::clone(&gateway), stream, tls.clone(), graceful.watcher());
        drop(tokio::spawn(async move {
            work.await;
            drop(permit);
        }));
    }
    drop(listener);
    let ended = async {
        graceful.shutdown().await;
        let all = u32::try_from(REQUESTS_MAX).unwrap_or(u32::MAX);
        drop(requests.acquire_many(all).await);
    };
    tokio::time::timeout(drain, ended).await.map_err(|_elapsed| ServeError::Drain {
        after: drain,
        connections: CONNECTIONS_MAX - connections.available_permits(),
        requests: REQUESTS_MAX - requests.available_permits(),
    })
}

/// Where connections come from: TCP, or whatever else carries bytes both ways.
pub trait Listener: Send {
    /// One connection.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Waits for the next connection; dropped before its end it has taken none.
    ///
    /// # Errors
    ///
    /// None can be had now: it is asked again after a pause.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        loop {
            let (stream, _) = Self::accept(self).await?;
            // An answer is written at once or not at all: nothing is gained by waiting for more.
            if stream.set_nodelay(true).is_ok() {
                return Ok(stream);
            }
        }
    }
}

/// How a gateway serves.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Whose `Host` the target sees; none: the client's over http, the target's own over https.
    pub host: Option<HostMode>,
    /// Paths below the base, such as `/Bulk`, that are passed on although they change something unprotected.
    pub pass_unprotected: Vec<PathBelow>,
    /// Scheme and authority under which clients reach this gateway, such as `https://scim.example`; none: what each client
    /// says in `Host`, or a proxy in front of the gateway in `X-Forwarded-Proto` and `X-Forwarded-Host`.
    pub public_origin: Option<String>,
    /// TLS; none: plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    /// How long a client waits for its answer (S43a).
    pub answer_budget: Duration,
    /// How long requests under way may take after the shutdown has begun.
    pub drain: Duration,
    /// How many bytes of the bodies of all protected requests are held at once: at least 16 MiB, the largest body, or larger ones never fit.
    pub room_bytes: usize,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            host: None,
            pass_unprotected: Vec::new(),
            public_origin: None,
            tls: None,
            answer_budget: ANSWER_BUDGET,
            drain: ANSWER_BUDGET + Duration::from_secs(5),
            room_bytes: body::ROOM_MAX,
        }
    }
}

/// Whose `Host` the target sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostMode {
    /// The client's: the target writes URLs that lead to the gateway.
    ///
    /// What is kept of its answers has the target's own URL in place of them, so that a receipt leads whoever gets it to
    /// the gateway, and nobody where another client liked.
    Keep,
    /// The target's own: the gateway rewrites the URLs that the target writes.
    Upstream,
}

/// Makes the TLS side of a gateway of a certificate chain and a key, both PEM text.
///
/// With `clients_pem`, the roots of client certificates, nobody is served who shows none that one of them has issued: its
/// subject, or the URIs that stand for it, is the principal of its requests (S1), whatever else they carry; one with
/// neither leaves that to what they carry. No list of revoked certificates is read.
///
/// # Errors
///
/// [`ServeError::Tls`]: one of them cannot be read, or they do not belong together.
pub fn tls(
    chain_pem: &[u8],
    key_pem: &[u8],
    clients_pem: Option<&[u8]>,
) -> Result<Arc<ServerConfig>, ServeError> {
    let wrong = |reason: String| ServeError::Tls { reason };
    let chain = certificates(chain_pem).map_err(|e| wrong(format!("certificate: {e}")))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|e| wrong(format!("key: {e}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = match clients_pem {
        None => Arc::new(NoClientAuth),
        Some(pem) => {
            let of_clients = |e: &dyn fmt::Display| wrong(format!("roots of clients: {e}"));
            let mut roots = RootCertStore::empty();
            for root in certificates(pem).map_err(|e| of_clients(&e))? {
                roots.add(root).map_err(|e| of_clients(&e))?;
            }
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|e| of_clients(&e))?
        }
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_client_cert_verifier(clients).with_single_cert(chain, key)
        });
    let mut config = config.map_err(|e| wrong(e.to_string()))?;
    config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

/// Whom a certificate that TLS has verified names: its subject, and where that is empty the URIs that stand for it
/// (RFC 5280 section 4.2.1.6); none where it has neither.
fn principal(verified: &CertificateDer<'_>) -> Option<Principal> {
    let certificate = webpki::EndEntityCert::try_from(verified).ok()?;
    let subject: String = certificate.subject().iter().map(|byte| format!("{byte:02x}")).collect();
    let uris: Vec<_> = certificate.valid_uri_names().collect();
    let name = if subject.is_empty() { uris.join(" ") } else { subject };
    (!name.is_empty()).then_some(Principal::Certificate(name))
}

/// Why a gateway ended badly
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Certificate or key cannot be used
    #[error("cannot serve TLS: {reason}")]
    Tls {
        /// What is wrong with them
        reason: String,
    },
    /// Requests were still under way when the drain ended
    ///
    /// Their clients have no answer, or half of one. What was sent of protected requests is in the ledger.
    #[error(
        "{after:?} after the shutdown began {requests} protected requests were still under way, and {connections} connections \
         open: they are cut off; what was sent is in the ledger, and the next start goes on with it"
    )]
    Drain {
        /// How long they had
        after: Duration,
        /// How many connections were open
        connections: usize,
        /// How many protected requests had not ended
        requests: usize,
    },
}

/// How many protected requests are under way at once: ten times what the busiest client sends.
pub const REQUESTS_MAX: usize = 256;
/// How many passed requests wait for the beginning of their answer at once: each takes a connection to the target.
pub const PASSES_MAX: usize = 512;
/// How many connections are open at once: below the 4096 files that many systems allow, with room for the target's.
pub const CONNECTIONS_MAX: usize = 2048;
/// How long a head, or the next request of a connection, may be awaited.
pub const HEAD_READ_MAX: Duration = Duration::from_secs(10);
/// The largest head.
pub const HEAD_MAX: usize = 16 << 10;
/// The largest head that is read over HTTP/2: one that is larger than [`HEAD_MAX`] is to have an answer that says so.
const HEAD_LIST_MAX: u32 = 128 << 10;
/// How many requests one HTTP/2 connection may have under way.
const STREAMS_MAX: u32 = 64;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often a silent HTTP/2 connection is asked if it still lives.
const PING_EVERY: Duration = Duration::from_secs(20);
const H2: &[u8] = b"h2";

async fn connection<P: Provision, Io>(
    gateway: Arc<Gateway<P>>,
    stream: Io,
    tls: Option<TlsAcceptor>,
    watcher: Watcher,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Some(tls) = tls else { return speak_http1(gateway, stream, None, watcher).await };
    let Ok(Ok(stream)) = tokio::time::timeout(HEAD_READ_MAX, tls.accept(stream)).await else {
        return;
    };
    let session = stream.get_ref().1;
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let principal = shown.and_then(principal);
    if session.alpn_protocol() == Some(H2) {
        return speak_http2(gateway, stream, principal, watcher).await;
    }
    speak_http1(gateway, stream, principal, watcher).await;
}

async fn speak_http1<P: Provision, Io>(
    gateway: Arc<Gateway<P>>,
    io: Io,
    principal: Option<Principal>,
    watcher: Watcher,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let faults = Faults::default();
    let io = Strict::new(io, faults.clone());
    let service = service_fn(move |request| {
        let (gateway, fault) = (Arc::clone(&gateway), faults.next());
        let principal = principal.clone();
        async move {
            Ok::<_, Infallible>(match fault {
                Some(fault) => Gateway::<P>::answer_fault(fault),
                None => gateway.answer(request, principal).await,
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_MAX)
        // What a head may have is judged before hyper sees it; its own limits are a little wider.
        .max_buf_size(2 * HEAD_MAX)
        .max_headers(HEADERS_MAX + 1)
        .preserve_header_case(true)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(io), service);
    quietly(watcher.watch(connection).await);
}

async fn speak_http2<P: Provision, Io>(
    gateway: Arc<Gateway<P>>,
    io: Io,
    principal: Option<Principal>,
    watcher: Watcher,
) where
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let (gateway, principal) = (Arc::clone(&gateway), principal.clone());
        async move {
            Ok::<_, Infallible>(match fault(&request) {
                Some(fault) => Gateway::<P>::answer_fault(fault),
                None => gateway.answer(request, principal).await,
            })
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_LIST_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(HEAD_READ_MAX)
        .serve_connection(TokioIo::new(io), service);
    quietly(watcher.watch(connection).await);
}

/// What is wrong with a head that HTTP/2 has brought and HTTP/1.1 might not.
fn fault<B>(request: &Request<B>) -> Option<Fault> {
    let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    if !target.is_ascii() {
        return Some(Fault::Malformed);
    }
    // A colon, a space and the end of the line.
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let too_large = HEAD_MAX < target.len() + lines.sum::<usize>();
    (too_large || HEADERS_MAX < request.headers().len()).then_some(Fault::TooLarge)
}

/// A connection that breaks is the client's affair: its answer, if it had one, can be asked for again.
fn quietly(ended: Result<(), hyper::Error>) {
    drop(ended.map_err(io::Error::other));
}
