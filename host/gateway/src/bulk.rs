//! `/Bulk`: what does a bulk request ask, and what is told of it?
//!
//! Form only. Each of its operations is a request of its own (S31); which refers to which is the component's affair.
//!
//! Source: RFC 7644 section 3.7.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use replaysafe::contract::{Answer, Endpoint, Method, Verdict};
use replaysafe::target::path::percent_encode;
use replaysafe_json::{Limits, Object, Value, parse};

use crate::answer::{Asked, Refused, SCIM_JSON, respond, verdict_word};
use crate::form::unreadable;
use crate::route::{Route, route};

/// What a bulk request asks.
#[derive(Debug)]
pub(crate) struct Bulk {
    /// After so many errors nothing else is begun.
    pub(crate) fail_on_errors: Option<u64>,
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
        Some(Value::Number(number)) if let Ok(most @ 1..) = number.as_str().parse() => Some(most),
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
            version: text("version")?.map(str::to_owned),
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

/// The `BulkResponse`: what is told of each operation that was begun.
///
/// `base` is the service's, as the client sees it.
pub(crate) async fn answer(
    operations: &[Operation],
    answers: &[Option<Answer>],
    base: &str,
    with_key: bool,
) -> Response<Body> {
    let mut told = Vec::new();
    for (operation, answer) in operations.iter().zip(answers) {
        let Some(answer) = answer else { continue };
        told.push(tell(operation, answer, base, with_key).await);
    }
    let mut body = Object::new();
    let schema = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
    body.insert("schemas", Value::from(vec![schema]));
    body.insert("Operations", Value::Array(told));
    let mut response = Response::new(Body::from(Value::Object(body).to_string()));
    let json = HeaderValue::from_static(SCIM_JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

async fn tell(operation: &Operation, answer: &Answer, base: &str, with_key: bool) -> Value {
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
    // It is known where a resource is but for a create that has failed (RFC 7644 section 3.7.3).
    let known =
        || Some(format!("{}/{}", asked.collection, percent_encode(operation.id.as_deref()?)));
    if let Some(location) = location.or_else(known) {
        told.insert("location", location);
    }
    if let Some(version) = said(response.headers(), &header::ETAG) {
        told.insert("version", version);
    }
    told.insert("status", status.as_str());
    told.insert(
        "replaysafe",
        Object::from_iter([
            ("verdict", Value::from(verdict_word(answer.verdict))),
            ("decision", Value::from(answer.decision.as_str())),
            ("changed", Value::from(answer.changed)),
            ("replayed", Value::from(answer.replayed)),
        ]),
    );
    if !status.is_success() {
        // It is in memory: nothing can fail, and nothing is waited for.
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
        if let Ok(error) = parse(&body, &Limits::answer()) {
            told.insert("response", error);
        }
    }
    Value::Object(told)
}

fn said(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn wrong(detail: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refused::body(Verdict::Malformed, "invalidSyntax", detail)
}

/// 1,000: as many as a service that takes some thirty a second can do before the patience of its client is over; the work goes on then, and the same request again finds out.
pub(crate) const OPERATIONS_MOST: usize = 1_000;
