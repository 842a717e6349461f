//! Answers: which status does a verdict have, and what else is the client told?
//!
//! One total table (S37). Nothing that has not happened is ever a 2xx.

use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use replaysafe::contract::{
    Answer, Divergence, Evidence, Field, Method, Retry, TargetAnswer, Verdict,
};
use replaysafe_json::{Object, Value};

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the status comes from.
    pub status: Status,
    /// The `scimType` of the error body (RFC 7644 table 9), unless the answer names one.
    pub scim_type: Option<&'static str>,
    /// How the client should go on, unless the answer says otherwise.
    pub retry: Retry,
}

/// Where a status comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The target's answer, repeated.
    Target,
    /// The status of the first answer, or what the first answer would have had.
    First,
    /// The resource, with this status.
    Resource(u16),
    /// An error body, with this status.
    Error(u16),
    /// An error body: 409 if a key was given, else 503.
    InFlight,
}

/// The line of `verdict`.
///
/// Source: S37 of the rules.
#[must_use]
pub fn line(verdict: Verdict) -> Line {
    let line = |status, scim_type, retry| Line { status, scim_type, retry };
    let error = |status, retry| line(Status::Error(status), None, retry);
    match verdict {
        Verdict::Malformed => error(400, Retry::FixInput),
        Verdict::TooLarge => error(413, Retry::FixInput),
        Verdict::WrongType => error(415, Retry::FixInput),
        Verdict::KeyReused => error(422, Retry::NewKey),
        Verdict::OutsideWindow => error(412, Retry::NewKey),
        Verdict::InFlight => line(Status::InFlight, None, Retry::After),
        Verdict::Parked => error(423, Retry::Person),
        Verdict::BlockedBy => error(424, Retry::FixInput),
        Verdict::Staged => error(503, Retry::Person),
        Verdict::WeakIdentity | Verdict::Contradiction => {
            line(Status::Error(400), Some("invalidValue"), Retry::FixInput)
        }
        Verdict::PreconditionFailed => error(412, Retry::FixInput),
        Verdict::Stale => error(409, Retry::None),
        Verdict::VersionConflict => error(409, Retry::Person),
        Verdict::Superseded | Verdict::SupersededByDeletion => error(409, Retry::NewKey),
        Verdict::Ambiguous | Verdict::FoundAlreadyLinked => error(409, Retry::Person),
        Verdict::Conflict => line(Status::Error(409), Some("uniqueness"), Retry::FixInput),
        Verdict::WouldWiden => error(409, Retry::NewKey),
        Verdict::HeldBy => error(409, Retry::Person),
        Verdict::Refused => line(Status::Target, None, Retry::FixInput),
        Verdict::Irrevocable => error(503, Retry::After),
        Verdict::Unresolved => error(503, Retry::After),
        Verdict::Unavailable => error(503, Retry::After),
        Verdict::AlreadySatisfied => line(Status::First, None, Retry::None),
        Verdict::Adopted => line(Status::Resource(201), None, Retry::None),
        Verdict::Reactivated => line(Status::Resource(200), None, Retry::None),
        Verdict::AcceptedUnverified | Verdict::Opaque | Verdict::Done => {
            line(Status::Target, None, Retry::None)
        }
    }
}

/// The controls that an answer gives evidence for: what an auditor may show it for. None says that anything complies.
///
/// What rests on a look is evidence for more than what rests on the target's word.
///
/// Source: S39 of the rules; SP 800-53 revision 5, CSF 2.0, OWASP NHI Top 10 2025.
#[must_use]
pub fn controls(verdict: Verdict, evidence: Evidence) -> &'static [&'static str] {
    match verdict {
        // Nothing was decided, and nothing is recorded.
        Verdict::Malformed
        | Verdict::TooLarge
        | Verdict::WrongType
        | Verdict::InFlight
        | Verdict::BlockedBy
        | Verdict::Unavailable => &[],
        // What is not known is not done twice, and somebody is told.
        Verdict::Parked | Verdict::Unresolved => &["AC-2(4)", "AU-12", "IA-4"],
        // A person decides before an account comes back.
        Verdict::Staged => &["AC-2", "AC-2(4)", "AU-12", "PR.AA-05"],
        // One name, one identity.
        Verdict::WeakIdentity
        | Verdict::Ambiguous
        | Verdict::FoundAlreadyLinked
        | Verdict::Conflict => &["AC-2(4)", "AU-12", "IA-4", "NHI9:2025", "PR.AA-01"],
        Verdict::KeyReused
        | Verdict::OutsideWindow
        | Verdict::Contradiction
        | Verdict::PreconditionFailed
        | Verdict::Stale
        | Verdict::VersionConflict
        | Verdict::Refused => &["AC-2(4)", "AU-12"],
        // What was taken away stays away, whatever comes late.
        Verdict::Superseded => &["AC-2(4)", "AC-6", "AU-12", "PR.AA-05"],
        Verdict::SupersededByDeletion => &["AC-2(4)", "AU-12", "NHI1:2025", "PR.AA-05", "PS-4"],
        // Nobody gets more than was asked for.
        Verdict::WouldWiden | Verdict::HeldBy => {
            &["AC-2(4)", "AC-6", "AU-12", "NHI5:2025", "PR.AA-05"]
        }
        // Access that could not be taken away is known, and listed.
        Verdict::Irrevocable => &["AC-2(4)", "AC-6(7)", "AU-12", "PR.AA-05"],
        // Done once, seen, and recorded with what it was decided on.
        Verdict::AlreadySatisfied | Verdict::Adopted | Verdict::Reactivated | Verdict::Done
            if evidence == Evidence::Read =>
        {
            &["AC-2", "AC-2(1)", "AC-2(4)", "AU-3", "AU-12", "IA-4", "PR.AA-01", "PR.PS-04"]
        }
        // The target's word, or a record, and no look at what holds.
        Verdict::AlreadySatisfied
        | Verdict::Adopted
        | Verdict::Reactivated
        | Verdict::Done
        | Verdict::AcceptedUnverified
        | Verdict::Opaque => &["AC-2(1)", "AC-2(4)", "AU-3", "AU-12", "PR.PS-04"],
    }
}

/// What the status depends on besides the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What was asked for.
    pub method: Method,
    /// The name of the resource type.
    pub resource_type: String,
    /// The client gave an `Idempotency-Key`.
    pub with_key: bool,
    /// The client asked for certain attributes, and so for a body.
    pub with_attributes: bool,
    /// The URL of the collection, as the client sees it.
    pub collection: String,
}

/// Makes the HTTP answer to a provisioning request.
///
/// The status is `answer.status` where it is set, else as [`line()`] says. The target's answer is repeated with its body,
/// `Location`, `ETag` and `Content-Type` where its status is, or where the resource is asked for; everywhere else the
/// body is a SCIM error that holds `answer.detail`.
#[must_use]
pub fn respond(answer: &Answer, asked: &Asked) -> Response<Body> {
    let line = line(answer.verdict);
    let target = answer.target.as_ref();
    // Nothing that has not happened is ever a 2xx, whatever the answer says.
    let refused = matches!(line.status, Status::Error(_) | Status::InFlight);
    let stated = answer.status.filter(|status| !refused || !(200..300).contains(status));
    let status = stated.unwrap_or_else(|| match line.status {
        // Without the target's answer nothing is known that could be a success.
        Status::Target => target.map_or(502, |target| target.status),
        Status::First => first_status(asked, target),
        Status::Resource(status) | Status::Error(status) => status,
        Status::InFlight if asked.with_key => 409,
        Status::InFlight => 503,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let repeats = match line.status {
        Status::Target => target.is_some(),
        Status::First | Status::Resource(_) => true,
        Status::Error(_) | Status::InFlight => false,
    };
    // An answer that is replayed with an error status has its first body, if that was the target's.
    let mut response = if repeats && (target.is_some() || status.is_success()) {
        repeat(status, target)
    } else {
        refusal(status, answer)
    };
    let headers = response.headers_mut();
    if status == StatusCode::CREATED && !headers.contains_key(header::LOCATION) {
        let location = target.and_then(|target| location(target, &asked.collection));
        insert(headers, header::LOCATION, location.as_deref());
    }
    describe(headers, answer);
    if !asked.with_key {
        headers.insert(KEY, HeaderValue::from_static("derived"));
    }
    response
}

/// Makes an answer that the edge gives by itself, before or instead of the provisioner's.
#[must_use]
pub(crate) fn refuse(refused: &Refused) -> Response<Body> {
    let note = |scim_type: &str| Field { name: SCIM_TYPE.into(), value: scim_type.into() };
    let answer = Answer {
        verdict: refused.verdict,
        decision: String::new(),
        changed: false,
        replayed: false,
        diverged: Divergence::No,
        target: None,
        status: refused.status,
        retry: line(refused.verdict).retry,
        retry_after: None,
        evidence: Evidence::None,
        detail: refused.detail.clone().into_owned(),
        attributes: Vec::new(),
        notes: refused.scim_type.map(note).into_iter().collect(),
    };
    let status = answer.status.unwrap_or(match line(refused.verdict).status {
        Status::Error(status) => status,
        Status::Target | Status::First | Status::Resource(_) | Status::InFlight => 503,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = refusal(status, &answer);
    describe(response.headers_mut(), &answer);
    response
}

/// Says of an answer to a protected request that it was known by its `Repeatability-Request-ID`, or refused for that (OASIS Repeatable Requests 1.0).
pub(crate) fn say_repeatable(headers: &mut HeaderMap) {
    let Some(verdict) = headers.get(VERDICT) else { return };
    let refused = [
        Verdict::Malformed,
        Verdict::TooLarge,
        Verdict::WrongType,
        Verdict::KeyReused,
        Verdict::OutsideWindow,
    ];
    let refused = refused.into_iter().any(|one| verdict_word(one) == verdict);
    let result = if refused { "rejected" } else { "accepted" };
    headers.insert(REPEATABILITY_RESULT, HeaderValue::from_static(result));
}

/// What the edge refuses by itself. It makes no decision, so there is none to name.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    verdict: Verdict,
    status: Option<u16>,
    scim_type: Option<&'static str>,
    detail: Cow<'static, str>,
}

impl Refused {
    /// With the verdict's own status.
    pub(crate) fn new(verdict: Verdict, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { verdict, status: None, scim_type: None, detail: detail.into() }
    }

    /// A form that HTTP has a status of its own for.
    pub(crate) fn malformed_as(status: StatusCode, detail: &'static str) -> Self {
        let status = Some(status.as_u16());
        Self { status, ..Self::new(Verdict::Malformed, detail) }
    }

    /// A body that is not what RFC 7644 table 9 says by this word.
    pub(crate) fn body(
        verdict: Verdict,
        scim_type: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { scim_type: Some(scim_type), ..Self::new(verdict, detail) }
    }
}

/// The error body of `answer`: what it says, and of which attributes and resources (S4, S16, S19).
fn refusal(status: StatusCode, answer: &Answer) -> Response<Body> {
    let note = |name: &str| answer.notes.iter().find(|note| note.name == name);
    let scim_type = note(SCIM_TYPE).map(|note| note.value.as_str());
    let mut detail = answer.detail.clone();
    let names: Vec<&str> = answer.attributes.iter().map(String::as_str).collect();
    append(&mut detail, "differing attributes", &names);
    let ids: Vec<&str> =
        note("candidates").map(|n| n.value.split(',').collect()).unwrap_or_default();
    append(&mut detail, "candidates", &ids);
    error(status, scim_type.or(line(answer.verdict).scim_type), &detail)
}

/// Adds names or ids to a sentence: the first [`NAMED_MAX`] of them, each cut after [`NAME_CHARS_MAX`] characters.
fn append(detail: &mut String, what: &str, names: &[&str]) {
    let cut = |name: &&str| match name.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => (*name).to_owned(),
    };
    let mut shown: Vec<String> = names.iter().take(NAMED_MAX).map(cut).collect();
    if shown.is_empty() {
        return;
    }
    if NAMED_MAX < names.len() {
        shown.push(format!("and {} more", names.len() - NAMED_MAX));
    }
    detail.push_str(&format!("; {what}: {}", shown.join(", ")));
}

/// Makes a SCIM error (RFC 7644 section 3.12).
#[must_use]
pub(crate) fn error(status: StatusCode, scim_type: Option<&str>, detail: &str) -> Response<Body> {
    let body = error_body(status, scim_type, detail);
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM_JSON));
    response
}

/// The body of a SCIM error.
pub(crate) fn error_body(status: StatusCode, scim_type: Option<&str>, detail: &str) -> Value {
    let mut body = Object::new();
    body.insert("schemas", vec!["urn:ietf:params:scim:api:messages:2.0:Error"]);
    body.insert("status", status.as_str());
    if let Some(scim_type) = scim_type {
        body.insert("scimType", scim_type);
    }
    body.insert("detail", detail);
    Value::Object(body)
}

/// The table as Markdown, as `docs/answers.md` shows it.
#[must_use]
pub fn table_markdown() -> String {
    let mut text = String::from(
        "| verdict | HTTP | scimType | go on | evidence for |\n| --- | --- | --- | --- | --- |\n",
    );
    for verdict in VERDICTS {
        let line = line(verdict);
        let status = match line.status {
            Status::Target => "the target's answer".to_owned(),
            Status::First => "the first answer's status".to_owned(),
            Status::Resource(201) => "201 with Location".to_owned(),
            Status::Error(503) => "503 with Retry-After".to_owned(),
            Status::Resource(status) | Status::Error(status) => status.to_string(),
            Status::InFlight => "409 (key given) or 503 (none), with Retry-After".to_owned(),
        };
        let scim_type = line.scim_type.map_or("–".to_owned(), |word| format!("`{word}`"));
        let (word, retry) = (verdict_word(verdict), retry_word(line.retry));
        let controls = match controls(verdict, Evidence::Read) {
            [] => "–".to_owned(),
            controls => controls.join(", "),
        };
        text.push_str(&format!("| `{word}` | {status} | {scim_type} | `{retry}` | {controls} |\n"));
    }
    text
}

/// All verdicts, in order of precedence.
pub const VERDICTS: [Verdict; 31] = [
    Verdict::Malformed,
    Verdict::TooLarge,
    Verdict::WrongType,
    Verdict::KeyReused,
    Verdict::OutsideWindow,
    Verdict::InFlight,
    Verdict::Parked,
    Verdict::BlockedBy,
    Verdict::Staged,
    Verdict::WeakIdentity,
    Verdict::Contradiction,
    Verdict::PreconditionFailed,
    Verdict::Stale,
    Verdict::VersionConflict,
    Verdict::Superseded,
    Verdict::SupersededByDeletion,
    Verdict::Ambiguous,
    Verdict::FoundAlreadyLinked,
    Verdict::Conflict,
    Verdict::WouldWiden,
    Verdict::HeldBy,
    Verdict::Refused,
    Verdict::Irrevocable,
    Verdict::Unresolved,
    Verdict::Unavailable,
    Verdict::AlreadySatisfied,
    Verdict::Adopted,
    Verdict::Reactivated,
    Verdict::AcceptedUnverified,
    Verdict::Opaque,
    Verdict::Done,
];

/// The word that `Replaysafe-Verdict` uses.
#[must_use]
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Malformed => "malformed",
        Verdict::TooLarge => "too-large",
        Verdict::WrongType => "wrong-type",
        Verdict::KeyReused => "key-reused",
        Verdict::OutsideWindow => "outside-window",
        Verdict::InFlight => "in-flight",
        Verdict::Parked => "parked",
        Verdict::BlockedBy => "blocked-by",
        Verdict::Staged => "staged",
        Verdict::WeakIdentity => "weak-identity",
        Verdict::Contradiction => "contradiction",
        Verdict::PreconditionFailed => "precondition-failed",
        Verdict::Stale => "stale",
        Verdict::VersionConflict => "version-conflict",
        Verdict::Superseded => "superseded",
        Verdict::SupersededByDeletion => "superseded-by-deletion",
        Verdict::Ambiguous => "ambiguous",
        Verdict::FoundAlreadyLinked => "found-already-linked",
        Verdict::Conflict => "conflict",
        Verdict::WouldWiden => "would-widen",
        Verdict::HeldBy => "held-by",
        Verdict::Refused => "refused",
        Verdict::Irrevocable => "irrevocable",
        Verdict::Unresolved => "unresolved",
        Verdict::Unavailable => "unavailable",
        Verdict::AlreadySatisfied => "already-satisfied",
        Verdict::Adopted => "adopted",
        Verdict::Reactivated => "reactivated",
        Verdict::AcceptedUnverified => "accepted-unverified",
        Verdict::Opaque => "opaque",
        Verdict::Done => "done",
    }
}

/// How long a client waits where nothing better is known: longer than D + L of the built-in profile would be
/// overcautious, shorter than a target's answer would be impatient.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 5;
/// How many names or ids an error lists: as many attributes as a User has.
const NAMED_MAX: usize = 24;
/// How much of a name or id an error shows: a URN and an attribute of a standard schema have 70 characters.
const NAME_CHARS_MAX: usize = 80;
pub(crate) const SCIM_JSON: &str = "application/scim+json";
/// The note that names the `scimType`.
const SCIM_TYPE: &str = "scim-type";
/// What `Replaysafe-Decision` says where none was made.
const NO_DECISION: &str = "none";
const VERDICT: HeaderName = HeaderName::from_static("replaysafe-verdict");
const DECISION: HeaderName = HeaderName::from_static("replaysafe-decision");
const KEY: HeaderName = HeaderName::from_static("replaysafe-key");
const CHANGED: HeaderName = HeaderName::from_static("replaysafe-changed");
const EVIDENCE: HeaderName = HeaderName::from_static("replaysafe-evidence");
const DIVERGED: HeaderName = HeaderName::from_static("replaysafe-diverged");
const SECRET_DIFFERS: HeaderName = HeaderName::from_static("replaysafe-secret-differs");
const NOT_KEPT: HeaderName = HeaderName::from_static("replaysafe-not-kept");
pub(crate) const REPEATABILITY_RESULT: HeaderName = HeaderName::from_static("repeatability-result");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

fn retry_word(retry: Retry) -> &'static str {
    match retry {
        Retry::None => "none",
        Retry::SameKey => "retry-same-key",
        Retry::After => "retry-after",
        Retry::NewKey => "new-key",
        Retry::FixInput => "fix-input",
        Retry::Person => "person",
    }
}

/// What the first answer would have had, where nobody knows it.
fn first_status(asked: &Asked, target: Option<&TargetAnswer>) -> u16 {
    let body = target.is_some_and(|target| target.body.is_some());
    match asked.method {
        Method::Create => 201,
        Method::Replace => 200,
        Method::Delete => 204,
        Method::Patch if !body => 204,
        Method::Patch if asked.with_attributes || asked.resource_type != "Group" => 200,
        Method::Patch => 204,
    }
}

fn repeat(status: StatusCode, target: Option<&TargetAnswer>) -> Response<Body> {
    // RFC 9110 section 15.3.5: a 204 has no content.
    let empty = status == StatusCode::NO_CONTENT;
    let body = target.and_then(|target| target.body.as_deref()).filter(|_| !empty);
    let mut response = Response::new(body.map_or_else(Body::empty, |body| body.to_owned().into()));
    *response.status_mut() = status;
    let Some(target) = target else { return response };
    let headers = response.headers_mut();
    if body.is_some() {
        insert(headers, header::CONTENT_TYPE, target.content_type.as_deref());
    }
    insert(headers, header::ETAG, target.etag.as_deref());
    insert(headers, header::LOCATION, target.location.as_deref());
    for name in [header::CONTENT_LOCATION, header::WWW_AUTHENTICATE] {
        for field in target.extra.iter().filter(|field| field.name == name.as_str()) {
            if let Ok(value) = HeaderValue::from_str(&field.value) {
                headers.append(name.clone(), value);
            }
        }
    }
    response
}

/// Where the resource is: what it says of itself, else what its id says.
fn location(target: &TargetAnswer, collection: &str) -> Option<String> {
    let resource: serde_json::Value = serde_json::from_str(target.body.as_deref()?).ok()?;
    let said = resource.pointer("/meta/location").and_then(serde_json::Value::as_str);
    let made = || Some(format!("{collection}/{}", resource.get("id")?.as_str()?));
    said.map(str::to_owned).or_else(made)
}

fn describe(headers: &mut HeaderMap, answer: &Answer) {
    headers.insert(VERDICT, HeaderValue::from_static(verdict_word(answer.verdict)));
    let decision = Some(answer.decision.as_str()).filter(|id| !id.is_empty());
    insert(headers, DECISION, decision.or(Some(NO_DECISION)));
    let changed = if answer.changed { "true" } else { "false" };
    headers.insert(CHANGED, HeaderValue::from_static(changed));
    headers.insert(
        EVIDENCE,
        HeaderValue::from_static(match answer.evidence {
            Evidence::Ledger => "ledger",
            Evidence::Read => "read",
            Evidence::Response => "response",
            Evidence::None => "none",
        }),
    );
    if answer.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    match answer.diverged {
        Divergence::No => {}
        Divergence::Changed => insert(headers, DIVERGED, Some("changed")),
        Divergence::Deleted => insert(headers, DIVERGED, Some("deleted")),
    }
    let not_kept = answer.notes.iter().find(|note| note.name == "not-kept");
    insert(headers, NOT_KEPT, not_kept.map(|note| note.value.as_str()));
    let secret_differs = answer.notes.iter().find(|note| note.name == "secret-differs");
    insert(headers, SECRET_DIFFERS, secret_differs.map(|note| note.value.as_str()));
    let stated = answer.retry_after.or(answer.target.as_ref().and_then(|t| t.retry_after));
    let waits = matches!(line(answer.verdict).status, Status::Error(503) | Status::InFlight);
    if let Some(seconds) = stated.or(waits.then_some(RETRY_AFTER_SECONDS)) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Sets a header, unless its value is none or cannot be one.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
