//! Passing on: how does a request that the gateway does not protect reach the target, and its answer the client?

use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use replaysafe::target::edit::Change;
use replaysafe::target::rewrite::Rewrite;
use replaysafe::target::upstream::{SendError, Upstream, whole};
use replaysafe_json::Limits;

use crate::answer::{RETRY_AFTER_SECONDS, error};
use crate::body::{Paced, Unread};
use crate::bulk::OPERATIONS_MOST;
use crate::edit::Edited;
use crate::form::drop_hop_by_hop;

/// What may be changed in an answer on its way back.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    /// The target does not see the client's `Host`.
    pub(crate) without_host: bool,
    /// Its URLs are written as the client reaches them; none: they are that already, or it is not known how.
    pub(crate) rewrite: Option<Rewrite>,
    /// It is a `ServiceProviderConfig`, and this is what it is to say of bulk requests.
    pub(crate) bulk: Offer,
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
    if changes.without_host {
        parts.headers.remove(header::HOST);
    }
    if changes.any() {
        // What is compressed cannot be read.
        parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    let paced = Paced::new(body);
    let failure = paced.failure();
    let body = match paced.is_end_stream() {
        true => whole(bytes::Bytes::new()),
        false => {
            // The body of a read is left out by hyper where nothing says that there is one.
            if !parts.headers.contains_key(header::CONTENT_LENGTH) {
                let chunked = HeaderValue::from_static("chunked");
                parts.headers.insert(header::TRANSFER_ENCODING, chunked);
            }
            paced.boxed_unsync()
        }
    };
    let sent = upstream.send(Request::from_parts(parts, body));
    let answer = match tokio::time::timeout(ANSWER_BEGINS_MAX, sent).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => return unanswered(why, failure.get().copied()),
        Err(_) => {
            return error(StatusCode::GATEWAY_TIMEOUT, None, "The target did not answer in time.");
        }
    };
    let (mut parts, body) = answer.into_parts();
    drop_hop_by_hop(&mut parts.headers);
    parts.version = http::Version::HTTP_11;
    if let Some(rewrite) = &changes.rewrite {
        rewrite.headers(&mut parts.headers);
    }
    if !changes.concern(&parts) {
        return Response::from_parts(parts, Body::new(body));
    }
    // The length of what the client gets is not known before its end.
    parts.headers.remove(header::CONTENT_LENGTH);
    if bodiless {
        return Response::from_parts(parts, Body::new(body));
    }
    let edited = Edited::new(body, changes.change());
    Response::from_parts(parts, Body::new(edited))
}

/// What a client is told whose request got no answer.
fn unanswered(why: SendError, failure: Option<Unread>) -> Response<Body> {
    match (failure, why) {
        (Some(Unread::TooSlow), _) => {
            closing(error(StatusCode::REQUEST_TIMEOUT, None, "The body came too slowly."))
        }
        (Some(Unread::Broken | Unread::TooLarge | Unread::NoRoom), _) => {
            let detail = "The body did not come whole.";
            closing(error(StatusCode::BAD_REQUEST, None, detail))
        }
        (None, SendError::NotSent(reason)) => {
            let detail =
                format!("The target could not be reached, so nothing has happened: {reason}.");
            later(StatusCode::SERVICE_UNAVAILABLE, &detail)
        }
        (None, _) => error(StatusCode::BAD_GATEWAY, None, "The target gave no complete answer."),
    }
}

/// The rest of the body is not read: the connection is of no further use.
pub(crate) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Makes an error that invites to come again.
pub(crate) fn later(status: StatusCode, detail: &str) -> Response<Body> {
    let mut response = error(status, None, detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    response
}

/// What is said of bulk requests (RFC 7643 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// What the target says.
    AsIs,
    /// They are not on offer.
    No,
    /// They are served here, within our limits.
    Ours,
}

impl Changes {
    fn any(&self) -> bool {
        self.rewrite.is_some() || self.bulk != Offer::AsIs
    }

    /// Whether the body of this answer may have to change.
    fn concern(&self, parts: &http::response::Parts) -> bool {
        let plain = !parts.headers.contains_key(header::CONTENT_ENCODING);
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let json = content_type.is_some_and(|v| v.to_str().is_ok_and(|t| t.contains("json")));
        self.any() && plain && json
    }

    fn change(&self) -> Change {
        let Self { rewrite, bulk, .. } = self.clone();
        Box::new(move |names, value| {
            let rewritten = rewrite.as_ref().and_then(|rewrite| rewrite.value(names, value));
            rewritten.or_else(|| bulk.word(names, value))
        })
    }
}

impl Offer {
    /// What a `ServiceProviderConfig` is to say here; none where it may say what it says.
    fn word(self, names: &[String], value: &str) -> Option<String> {
        let [bulk, name] = names else { return None };
        if !bulk.eq_ignore_ascii_case("bulk") {
            return None;
        }
        let ours = match (self, name.to_ascii_lowercase().as_str()) {
            (Self::No, "supported") => "false".to_owned(),
            (Self::Ours, "supported") => "true".to_owned(),
            (Self::Ours, "maxoperations") => OPERATIONS_MOST.to_string(),
            (Self::Ours, "maxpayloadsize") => Limits::BYTES_GROUP.to_string(),
            _ => return None,
        };
        (ours != value).then_some(ours)
    }
}

/// How long a passed request may wait for the beginning of its answer: as long as the impatient client waits.
const ANSWER_BEGINS_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use replaysafe::target::edit::edit;

    use super::*;

    #[test]
    fn bulk_is_all_that_changes() {
        let config =
            |words: &str| format!(r#"{{"patch":{{"supported":true}},"bulk":{{{words}}}}}"#);
        let check = |offer: Offer, said: &str, expected: &str| {
            let change = move |names: &[String], value: &str| offer.word(names, value);
            assert_eq!(edit(&config(said), Box::new(change)), config(expected));
        };
        let target = r#""supported": true,"maxOperations":9,"maxPayloadSize":1"#;
        check(Offer::No, target, r#""supported": false,"maxOperations":9,"maxPayloadSize":1"#);
        let ours = r#""supported": true,"maxOperations":1000,"maxPayloadSize":16777216"#;
        check(Offer::Ours, target, ours);
        check(Offer::Ours, ours, ours);
        check(Offer::Ours, r#""supported":false"#, r#""supported":true"#);
        check(Offer::AsIs, target, target);
    }
}
