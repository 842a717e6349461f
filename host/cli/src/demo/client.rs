//! A provisioning client: sends a request, waits a while, and tells what it got.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// The client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    patience: Duration,
}

impl Client {
    /// A client that waits this long for an answer.
    pub(super) fn new(patience: Duration) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new())
            // A library that repeats on its own would hide what the case is about.
            .retry_canceled_requests(false)
            .pool_max_idle_per_host(0)
            .build(HttpConnector::new());
        Self { http, patience }
    }

    /// Sends one request, once.
    pub(super) async fn send(&self, method: Method, url: &str, body: Option<&Value>) -> Got {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::CONTENT_TYPE, "application/scim+json")
            .body(Full::new(body));
        let Ok(request) = request else { return Got::Nothing("the URL cannot be used") };
        let exchange = async {
            let response = self.http.request(request).await.ok()?;
            let status = response.status();
            let verdict = response
                .headers()
                .get("replaysafe-verdict")
                .and_then(|verdict| verdict.to_str().ok())
                .map(str::to_owned);
            let replayed = response.headers().contains_key("idempotency-replayed");
            let body = response.into_body().collect().await.ok()?.to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            Some(Got::Answer { status, verdict, replayed, body })
        };
        match tokio::time::timeout(self.patience, exchange).await {
            Ok(Some(got)) => got,
            Ok(None) => Got::Nothing("a cut connection"),
            Err(_elapsed) => Got::Nothing("no answer"),
        }
    }
}

/// What the client got.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Got {
    /// A complete answer.
    Answer {
        /// Its status.
        status: StatusCode,
        /// What the gateway said about it.
        verdict: Option<String>,
        /// It is the first answer, given again.
        replayed: bool,
        /// Its body; null if there was none.
        body: Value,
    },
    /// No complete answer, and how that looked.
    Nothing(&'static str),
}

impl Got {
    /// Whether a client takes it for success.
    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Answer { status, .. } if status.is_success())
    }

    /// The resource's id in it.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Answer { body, .. } => body.get("id").and_then(Value::as_str),
            Self::Nothing(_) => None,
        }
    }
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer { status, verdict: Some(verdict), replayed, .. } => {
                let status = status.as_u16();
                let meaning = if *replayed { REPLAYED } else { meaning(verdict) };
                let comma = if *replayed { ", " } else { "" };
                let colon = if *replayed || meaning.is_empty() { "" } else { ": " };
                write!(f, "{status} ({verdict}{comma}{colon}{meaning})")
            }
            Self::Answer { status, verdict: None, .. } => write!(f, "{}", status.as_u16()),
            Self::Nothing(how) => f.write_str(how),
        }
    }
}

/// What a verdict says, in a few words; nothing where the word says it.
fn meaning(verdict: &str) -> &'static str {
    match verdict {
        "adopted" => "what the lost one had made was found",
        "already-satisfied" => "it holds, nothing was sent",
        "superseded" => "it would give back what was taken away",
        _ => "",
    }
}

const REPLAYED: &str = "replayed: the first answer again";

/// The credential that the service wants; the gateway passes it on.
pub(super) const TOKEN: &str = "demo";
