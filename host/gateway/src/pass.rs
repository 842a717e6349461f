//! Passing on: how does a request that the gateway does not protect reach the target, and its answer the client?

use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use replaysafe::target::upstream::{ANSWER_MAX, SendError, Upstream, whole};

use crate::answer::{RETRY_AFTER_SECONDS, error};
use crate::body::Paced;
use crate::form::drop_hop_by_hop;
use crate::rewrite::{Rewrite, without_bulk};

/// What may be changed in an answer on its way back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// The target does not see the client's `Host`; its URLs are rewritten.
    pub(crate) rewrite: Option<Rewrite>,
    /// It is a `ServiceProviderConfig`, and bulk is not on offer.
    pub(crate) without_bulk: bool,
}

/// Passes `request` on and gives the target's answer.
///
/// Method, raw path and query, end-to-end headers and body go out as they came; status, headers and body come back as
/// they are, but for `changes`.
pub(crate) async fn pass(
    upstream: &Upstream,
    request: Request<Incoming>,
    changes: &Changes,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    drop_hop_by_hop(&mut parts.headers);
    let bodiless = parts.method == Method::HEAD;
    if changes.rewrite.is_some() {
        parts.headers.remove(header::HOST);
    }
    if changes.rewrite.is_some() || changes.without_bulk {
        // What is compressed cannot be read.
        parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    let body = match body.is_end_stream() {
        true => whole(bytes::Bytes::new()),
        false => Paced::new(body).boxed_unsync(),
    };
    let sent = upstream.send(Request::from_parts(parts, body));
    let answer = match tokio::time::timeout(ANSWER_BEGINS_MAX, sent).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(SendError::NotSent(_))) => {
            let detail = "The target could not be reached: nothing has happened.";
            return later(StatusCode::SERVICE_UNAVAILABLE, detail);
        }
        Ok(Err(_)) => {
            let detail = "The target gave no complete answer.";
            return error(StatusCode::BAD_GATEWAY, None, detail);
        }
        Err(_) => {
            return error(StatusCode::GATEWAY_TIMEOUT, None, "The target did not answer in time.");
        }
    };
    let (mut parts, body) = answer.into_parts();
    drop_hop_by_hop(&mut parts.headers);
    parts.version = http::Version::HTTP_11;
    let Some(change) = changes.of(&parts) else {
        return Response::from_parts(parts, Body::new(body));
    };
    if let Some(rewrite) = &changes.rewrite {
        rewrite.headers(&mut parts.headers);
    }
    if change == Change::Headers || bodiless {
        return Response::from_parts(parts, Body::new(body));
    }
    let Ok(whole) = Limited::new(body, ANSWER_MAX).collect().await else {
        let detail = "The target's answer was cut short or is too large.";
        return error(StatusCode::BAD_GATEWAY, None, detail);
    };
    let mut bytes = whole.to_bytes();
    if changes.without_bulk {
        bytes = without_bulk(&bytes).map_or(bytes, Into::into);
    }
    if let Some(rewrite) = &changes.rewrite {
        bytes = rewrite.body(&bytes).map_or(bytes, Into::into);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes))
}

/// Makes an error that invites to come again.
pub(crate) fn later(status: StatusCode, detail: &str) -> Response<Body> {
    let mut response = error(status, None, detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    response
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Headers,
    Body,
}

impl Changes {
    /// What may have to change in this answer.
    fn of(&self, parts: &http::response::Parts) -> Option<Change> {
        let plain = !parts.headers.contains_key(header::CONTENT_ENCODING);
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let json = content_type.is_some_and(|v| v.to_str().is_ok_and(|t| t.contains("json")));
        match (plain && json, &self.rewrite) {
            (true, Some(_)) => Some(Change::Body),
            (true, None) if self.without_bulk && parts.status == StatusCode::OK => {
                Some(Change::Body)
            }
            (_, Some(_)) => Some(Change::Headers),
            (_, None) => None,
        }
    }
}

/// How long a passed request may wait for the beginning of its answer: as long as the impatient client waits.
const ANSWER_BEGINS_MAX: Duration = Duration::from_secs(60);
