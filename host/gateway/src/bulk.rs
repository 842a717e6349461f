//! `/Bulk`: what does a bulk request ask, and what is told of it?
//!
//! Form only. Each of its operations is a request of its own (S31); which refers to which is the component's affair.
//!
//! Source: RFC 7644 section 3.7.

use std::num::NonZeroU64;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use replaysafe::contract::{Endpoint, Method, Verdict};
use replaysafe::provisioner::batch::BatchAnswer;
use replaysafe::target::path::percent_encode;
use replaysafe_json::{Limits, Object, Value, parse};

use crate::answer::{Asked, REPEATABILITY_RESULT, Refused, SCIM_JSON, error_body, respond};
use crate::form::unreadable;
use crate::route::{Route, route};

/// What a bulk request asks.
#[derive(Debug)]
pub(crate) struct Bulk {
    /// After so many errors nothing else is begun.
    pub(crate) fail_on_errors: Option<NonZeroU64>,
    pub(crate) operations: Vec<Operation>,
}

/// One of its operations.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) resource_type: String,
    /// Decoded; `bulkId:` and a name for what another one makes.
    pub(crate) id: Option<String>,
    pub(crate) bulk_id: Option<String>,
    /// The entity tag that it is to have (RFC 7644 section 3.14).
    pub(crate) version: Option<String>,
    pub(crate) body: Option<Bytes>,
    /// The path segment of its resource type.
    endpoint: String,
}

/// Reads a bulk request.
///
/// # Errors
///
/// The first that breaks a rule of form: nothing of it is done then.
pub(crate) fn read(bytes: &[u8], endpoints: &[Endpoint]) -> Result<Bulk, Refused> {
    let limits = Limits { bytes: Limits::BYTES_GROUP, ..Limits::request() };
    let document = parse(bytes, &limits).map_err(|error| unreadable(&error))?;
    let Some(stated) = document.find("Operations").and_then(Value::as_array) else {
        return Err(wrong(
            "A bulk request has an array `Operations` (RFC 7644 section 3.7); send one.",
        ));
    };
    if OPERATIONS_MOST < stated.len() {
        let detail = format!("More than {OPERATIONS_MOST} operations at once; send fewer.");
        return Err(Refused::new(Verdict::TooLarge, detail));
    }
    let fail_on_errors = match document.find("failOnErrors") {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) if let Ok(most) = number.as_str().parse() => Some(most),
        Some(_) => return Err(wrong("`failOnErrors` is a whole number from 1; correct it.")),
    };
    let operations = stated.iter().enumerate().map(|(at, operation)| {
        Operation::read(operation, endpoints).map_err(|why| {
            wrong(format!("Operation {} {why}. Nothing of the request was done.", at + 1))
        })
    });
    Ok(Bulk { fail_on_errors, operations: operations.collect::<Result<_, _>>()? })
}

impl Operation {
    /// The error completes a sentence.
    fn read(stated: &Value, endpoints: &[Endpoint]) -> Result<Self, String> {
        let text = |name: &str| match stated.find(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("has a `{name}` that is no text")),
        };
        let missing = |name: &str| format!("has no `{name}`");
        let verb = text("method")?.ok_or_else(|| missing("method"))?.to_ascii_uppercase();
        let verb = http::Method::from_bytes(verb.as_bytes())
            .map_err(|_odd| "has a `method` that is none of POST, PUT, PATCH, DELETE".to_owned())?;
        let path = text("path")?.ok_or_else(|| missing("path"))?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let route = if path.contains(['?', '#']) {
            Route::Unprotected
        } else {
            route(&verb, &path, "", endpoints, &[])
        };
        let Route::Protect { method, resource_type, id } = route else {
            return Err(format!("asks for `{verb}` on a path that is no resource's"));
        };
        let body = match stated.find("data") {
            Some(data) if method != Method::Delete => {
                let body = data.to_string();
                let most = if resource_type == "Group" {
                    Limits::BYTES_GROUP
                } else {
                    Limits::BYTES_REQUEST
                };
                if most < body.len() {
                    return Err("has a `data` that is larger than a request may be".to_owned());
                }
                Some(body.into())
            }
            None if method != Method::Delete => return Err(missing("data")),
            Some(_) | None => None,
        };
        let endpoint = endpoints.iter().find(|one| one.resource_type == resource_type);
        Ok(Self {
            method,
            id,
            bulk_id: text("bulkId")?.map(str::to_owned),
            version: text("version")?.map(version).transpose()?,
            body,
            endpoint: endpoint.map(|one| one.path.clone()).unwrap_or_default(),
            resource_type,
        })
    }

    fn verb(&self) -> &'static str {
        match self.method {
            Method::Create => "POST",
            Method::Replace => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// The entity tag that an operation is to have.
fn version(text: &str) -> Result<String, String> {
    let visible = !text.is_empty() && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    visible
        .then(|| text.to_owned())
        .ok_or_else(|| "has a `version` that is no entity tag".to_owned())
}

/// The `BulkResponse`: what is told of each operation that was begun.
///
/// `base` is the service's, as the client sees it.
pub(crate) async fn answer(
    operations: &[Operation],
    ends: &[Option<BatchAnswer>],
    base: &str,
    (with_key, repeatable): (bool, bool),
) -> Response<Body> {
    let mut told = Vec::new();
    for (operation, end) in operations.iter().zip(ends) {
        let Some(end) = end else { continue };
        told.push(tell(operation, end, base, with_key).await);
    }
    let mut body = Object::new();
    let schema = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
    body.insert("schemas", Value::from(vec![schema]));
    body.insert("Operations", Value::Array(told));
    let mut response = Response::new(Body::from(Value::Object(body).to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM_JSON));
    if repeatable {
        headers.insert(REPEATABILITY_RESULT, HeaderValue::from_static("accepted"));
    }
    response
}

async fn tell(operation: &Operation, end: &BatchAnswer, base: &str, with_key: bool) -> Value {
    let BatchAnswer { answer, id } = end;
    let asked = Asked {
        method: operation.method,
        resource_type: operation.resource_type.clone(),
        with_key,
        with_attributes: false,
        collection: format!("{base}/{}", operation.endpoint),
    };
    let response = respond(answer, &asked);
    let status = response.status();
    let location = said(response.headers(), &header::LOCATION);
    let mut told = Object::new();
    told.insert("method", operation.verb());
    if let Some(name) = &operation.bulk_id {
        told.insert("bulkId", name.as_str());
    }
    // RFC 7644 section 3.7.3: where it is, but for what was not made.
    let known = || Some(format!("{}/{}", asked.collection, percent_encode(id.as_deref()?)));
    if let Some(location) = location.or_else(known) {
        told.insert("location", location);
    }
    if let Some(version) = said(response.headers(), &header::ETAG) {
        told.insert("version", version);
    }
    told.insert("status", status.as_str());
    told.insert("replaysafe", outcome(response.headers()));
    if !status.is_success() {
        // It is in memory: nothing can fail, and nothing is waited for.
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
        told.insert(
            "response",
            parse(&body, &Limits::answer()).unwrap_or_else(|_| {
                // The target's own words are no JSON, or there are none.
                error_body(status, None, &answer.detail)
            }),
        );
    }
    Value::Object(told)
}

/// What the headers of a single answer tell, as members.
fn outcome(headers: &HeaderMap) -> Value {
    let mut told = Object::new();
    for (name, value) in headers {
        let name = match name.as_str() {
            "idempotency-replayed" => "replayed",
            "retry-after" => "retryAfter",
            name => match name.strip_prefix("replaysafe-") {
                Some("not-kept") => "notKept",
                Some("secret-differs") => "secretDiffers",
                Some(name) => name,
                None => continue,
            },
        };
        let Ok(text) = value.to_str() else { continue };
        told.insert(
            name,
            match text {
                "true" => Value::from(true),
                "false" => Value::from(false),
                text if name == "retryAfter" => {
                    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
                }
                text => text.into(),
            },
        );
    }
    if !told.contains("replayed") {
        told.insert("replayed", false);
    }
    Value::Object(told)
}

fn said(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn wrong(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refused::body(Verdict::Malformed, "invalidSyntax", detail)
}

/// 1,000, as in the example of RFC 7643 section 8.5: what has not ended within the budget of an answer goes on, and the same request again finds out.
pub(crate) const OPERATIONS_MOST: usize = 1_000;
