//! A SCIM service as the target: which HTTP request is a question or an effect, and what does its answer say?
//!
//! Every method, URL and header is built from typed parts (S43). Nothing here decides.

use std::sync::Arc;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use crate::clock::Clock;
use crate::contract::{
    self, ById, Effect, Endpoint, Field, Outcome, Question, Search, Sight, TargetAnswer,
};
use crate::target::list::{PAGE_SIZE, Pages, Progress, RESOURCES_MAX, is_json, page};
use crate::target::path::{has_dot_segment, percent_encode};
use crate::target::rewrite::Rewrite;
use crate::target::upstream::{SendBody, SendError, Upstream, whole};
use crate::target::{Body, Caller, Discovery, Target};

/// A SCIM service (RFC 7644).
#[derive(Clone)]
pub struct ScimTarget {
    /// The way to it.
    pub upstream: Upstream,
    /// What a `Retry-After` that names a date is counted from.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ScimTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScimTarget").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

impl Target for ScimTarget {
    async fn observe(
        &self,
        question: &Question,
        endpoints: &[Endpoint],
        caller: &Caller,
        keep: &(dyn Fn(Vec<String>) -> Vec<String> + Send + Sync),
    ) -> Sight {
        match question {
            Question::ById(ById { resource_type, id }) => {
                match self.member_path(endpoints, resource_type, id) {
                    Ok(path) => self.read(&path, caller).await,
                    Err(_) => Sight::Nothing,
                }
            }
            Question::Search(Search { resource_type, attribute, value }) => {
                match self.search_path(endpoints, resource_type, attribute, value) {
                    Ok(path) => self.list(&path, Asked::Whole, caller, &|page| page).await,
                    Err(_) => Sight::Nothing,
                }
            }
            Question::All(resource_type) => {
                let Ok(path) = self.collection_path(endpoints, resource_type) else {
                    return Sight::Nothing;
                };
                let paged = self.list(&format!("{path}?"), Asked::Pages, caller, keep).await;
                // S14: a target that refuses paging is asked once without.
                match paged {
                    Sight::Refused(answer) if answer.status != 200 => {
                        self.list(&path, Asked::Whole, caller, keep).await
                    }
                    Sight::Refused(_) | Sight::Listed(_) | Sight::Answered(_) | Sight::Nothing => {
                        paged
                    }
                }
            }
        }
    }

    async fn apply(
        &self,
        effect: &Effect,
        endpoints: &[Endpoint],
        body: Option<Body>,
        caller: &Caller,
    ) -> Outcome {
        let request = match self.effect_request(effect, endpoints, body, caller) {
            Ok(request) => request,
            Err(reason) => return Outcome::NotSent(reason.to_owned()),
        };
        match self.collect(request, caller).await {
            // A status that HTTP does not have says nothing, and 1xx is not the end of an answer.
            Ok(answer) if !(200..600).contains(&answer.status().as_u16()) => {
                Outcome::Unknown("the answer has no final status".to_owned())
            }
            Ok(answer) => Outcome::Answered(self.answer(answer)),
            Err(SendError::NotSent(reason)) => Outcome::NotSent(reason),
            Err(SendError::Unknown(reason)) => Outcome::Unknown(reason),
        }
    }

    async fn discover(&self, caller: &Caller) -> Discovery {
        // At once: a client waits for them, and none needs what another says.
        let ((resource_types, types_known), (schemas, schemas_known), (config, config_known)) = tokio::join!(
            self.discovery("/ResourceTypes", caller),
            self.discovery("/Schemas", caller),
            self.discovery("/ServiceProviderConfig", caller),
        );
        Discovery {
            resource_types,
            schemas,
            service_provider_config: config,
            complete: types_known && schemas_known && config_known,
            declared: Vec::new(),
        }
    }
}

/// How a list is asked for first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Without a word about pages.
    Whole,
    /// From its first page on.
    Pages,
}

impl ScimTarget {
    /// Sends, and gives the answer as the service would have given it to a caller that named no host.
    ///
    /// What is seen is kept, and told to others: a URL that leads where this caller likes must not be in it.
    async fn collect(
        &self,
        request: Request<SendBody>,
        caller: &Caller,
    ) -> Result<Response<Bytes>, SendError> {
        let answer = self.upstream.collect(request).await?;
        let base = self.upstream.base();
        let headers = caller.headers.iter().map(|(name, value)| (name, value));
        let rewrite = Rewrite::new(base, headers, base.url());
        Ok(if rewrite.is_named() { rewrite.response(answer) } else { answer })
    }

    pub(super) async fn get(&self, path: &str, caller: &Caller) -> Option<Response<Bytes>> {
        let mut request = Request::get(path).body(whole(Bytes::new())).ok()?;
        *request.headers_mut() = headers(caller);
        let answer = self.collect(request, caller).await.ok()?;
        (200..600).contains(&answer.status().as_u16()).then_some(answer)
    }

    /// Reads one resource.
    async fn read(&self, path: &str, caller: &Caller) -> Sight {
        let Some(answer) = self.get(path, caller).await else { return Sight::Nothing };
        // A login page or an empty body with 200 shows no resource, and no absence either.
        if answer.status().is_success() && !is_json(answer.body()) {
            return Sight::Nothing;
        }
        Sight::Answered(self.answer(answer))
    }

    /// Reads a list to its end. `path` has a `?` if more may be added to its query.
    ///
    /// A list that is answered and cannot be read to its end is `Refused` with its 200: the caller was let in, and no absence is proved (S1, S14).
    async fn list(
        &self,
        path: &str,
        asked: Asked,
        caller: &Caller,
        keep: &(dyn Fn(Vec<String>) -> Vec<String> + Send + Sync),
    ) -> Sight {
        let work = async {
            let mut pages = Pages::up_to(RESOURCES_MAX);
            let mut kept = Vec::new();
            let mut progress = Progress::Next(1);
            let mut first = true;
            while let Progress::Next(start) = progress {
                let at = match asked {
                    Asked::Whole if first => path.to_owned(),
                    Asked::Whole | Asked::Pages => page_path(path, start),
                };
                let Some(answer) = self.get(&at, caller).await else { return Sight::Nothing };
                if answer.status() != StatusCode::OK {
                    return Sight::Refused(self.answer(answer));
                }
                // A login page tells nothing of who asks.
                if !is_json(answer.body()) {
                    return Sight::Nothing;
                }
                let page = page(answer.body());
                let told = Sight::Refused(TargetAnswer { body: None, ..self.answer(answer) });
                let Some(page) = page else { return told };
                let (new, next) = pages.take(page);
                match next {
                    Progress::Hopeless => return told,
                    // Others work there at the same time: nothing is known, and it is asked again.
                    Progress::Unsteady => return Sight::Nothing,
                    Progress::Next(_) | Progress::Complete => {}
                }
                kept.extend(keep(new));
                progress = next;
                first = false;
            }
            Sight::Listed(kept)
        };
        tokio::time::timeout(LIST_MAX, work).await.unwrap_or(Sight::Nothing)
    }

    /// Reads one discovery endpoint; the flag says that asking again would tell the same.
    async fn discovery(&self, path: &str, caller: &Caller) -> (Option<String>, bool) {
        let path = format!("{}{path}", self.upstream.base().prefix());
        let Some(answer) = self.get(&path, caller).await else { return (None, false) };
        match answer.status().as_u16() {
            200 if is_json(answer.body()) => (text(answer.body()), true),
            // Not served: RFC 7644 section 4 leaves it to the target what it says.
            404 | 405 | 501 => (None, true),
            _ => (None, false),
        }
    }

    fn effect_request(
        &self,
        effect: &Effect,
        endpoints: &[Endpoint],
        body: Option<Body>,
        caller: &Caller,
    ) -> Result<Request<SendBody>, &'static str> {
        let resource_type = &effect.resource_type;
        let (method, mut path) = match (effect.method, &effect.id) {
            (contract::Method::Create, None) => {
                (Method::POST, self.collection_path(endpoints, resource_type)?)
            }
            (contract::Method::Create, Some(_)) => return Err("a create names no id"),
            (_, None) => return Err("no id"),
            (contract::Method::Replace, Some(id)) => {
                (Method::PUT, self.member_path(endpoints, resource_type, id)?)
            }
            (contract::Method::Patch, Some(id)) => {
                (Method::PATCH, self.member_path(endpoints, resource_type, id)?)
            }
            (contract::Method::Delete, Some(id)) => {
                (Method::DELETE, self.member_path(endpoints, resource_type, id)?)
            }
        };
        if let Some(query) = &caller.query {
            path = format!("{path}?{query}");
        }
        let (bytes, content_type) = match (body, effect.method) {
            (None, contract::Method::Delete) => (Bytes::new(), None),
            (Some(body), contract::Method::Create | contract::Method::Replace)
            | (Some(body), contract::Method::Patch) => (body.bytes, Some(body.content_type)),
            (Some(_), contract::Method::Delete) => return Err("a delete has no body"),
            (None, _) => return Err("no body"),
        };
        let mut headers = headers(caller);
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(tag) = &effect.if_match {
            let tag = HeaderValue::from_str(tag);
            headers.insert(header::IF_MATCH, tag.map_err(|_invalid| "no entity tag")?);
        }
        let request = Request::builder().method(method).uri(path).body(whole(bytes));
        let mut request = request.map_err(|_invalid| "no URL")?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    pub(super) fn collection_path(
        &self,
        endpoints: &[Endpoint],
        resource_type: &str,
    ) -> Result<String, &'static str> {
        let endpoint = endpoints.iter().find(|endpoint| endpoint.resource_type == resource_type);
        let endpoint = endpoint.ok_or("no endpoint of this resource type")?;
        Ok(format!("{}/{}", self.upstream.base().prefix(), segment(&endpoint.path)?))
    }

    fn member_path(
        &self,
        endpoints: &[Endpoint],
        resource_type: &str,
        id: &str,
    ) -> Result<String, &'static str> {
        Ok(format!("{}/{}", self.collection_path(endpoints, resource_type)?, segment(id)?))
    }

    fn search_path(
        &self,
        endpoints: &[Endpoint],
        resource_type: &str,
        attribute: &str,
        value: &str,
    ) -> Result<String, &'static str> {
        // RFC 7644 figure 1, `attrPath`: what else it may hold would be another filter.
        let spelled = |c: char| c.is_ascii_alphanumeric() || "_-$.:".contains(c);
        if attribute.is_empty() || !attribute.chars().all(spelled) {
            return Err("no attribute");
        }
        let value = replaysafe_json::canonical(&value.into());
        let filter = percent_encode(&format!("{attribute} eq {value}"));
        Ok(format!("{}?filter={filter}", self.collection_path(endpoints, resource_type)?))
    }

    pub(super) fn answer(&self, answer: Response<Bytes>) -> TargetAnswer {
        let (Parts { status, headers, .. }, body) = answer.into_parts();
        let of = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|v| v != "identity");
        TargetAnswer {
            status: status.as_u16(),
            location: of(header::LOCATION),
            etag: of(header::ETAG),
            content_type: of(header::CONTENT_TYPE),
            retry_after: headers
                .get(header::RETRY_AFTER)
                .and_then(|value| retry_after(value.to_str().ok()?, self.clock.now())),
            body: if encoded { None } else { text(&body) },
            // A challenge belongs to a 401, which is recorded nowhere (S9): elsewhere it may hold a token (RFC 4559).
            extra: [header::CONTENT_LOCATION, header::WWW_AUTHENTICATE]
                .iter()
                .filter(|name| {
                    *name != header::WWW_AUTHENTICATE || status == StatusCode::UNAUTHORIZED
                })
                .flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)))
                .filter_map(|(name, value)| {
                    let value = value.to_str().ok()?.to_owned();
                    Some(Field { name: name.as_str().to_owned(), value })
                })
                .collect(),
        }
    }
}

/// How long reading a list may take: an answer's budget (S43a) with room for the effect and its read.
pub const LIST_MAX: std::time::Duration = std::time::Duration::from_secs(30);
/// The longest `Retry-After` that is believed: a day.
pub const RETRY_AFTER_MAX: u32 = 86_400;
/// The longest id that is put into a path: what SCIM services give is 36 characters long as a rule.
pub const ID_MAX: usize = 256;

/// The caller's headers without those that belong to a body, a precondition or a connection.
fn headers(caller: &Caller) -> HeaderMap {
    let own = [
        header::ACCEPT_ENCODING,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in caller.headers.iter().filter(|(name, _)| !own.contains(name)) {
        headers.append(name.clone(), value.clone());
    }
    headers
}

/// Makes a path segment of text that a client or a target gave.
fn segment(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.len() > ID_MAX {
        return Err("an id has 1 to 256 bytes");
    }
    // An encoded slash is undone by some servers before the dots are.
    if has_dot_segment(text) || text.chars().any(char::is_control) {
        return Err("an id that is no path segment");
    }
    Ok(percent_encode(text))
}

pub(super) fn page_path(path: &str, start: usize) -> String {
    let joint = if path.ends_with('?') { "" } else { "&" };
    let joint = if path.contains('?') { joint } else { "?" };
    format!("{path}{joint}startIndex={start}&count={PAGE_SIZE}")
}

fn text(body: &Bytes) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3). A date that has passed says nothing.
fn retry_after(value: &str, now: u64) -> Option<u32> {
    let value = value.trim();
    let seconds = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().unwrap_or(u64::MAX)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        let at = date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        at.checked_sub(now / 1000)?
    };
    Some(u32::try_from(seconds).unwrap_or(RETRY_AFTER_MAX).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        // 1994-11-06T08:49:37Z, the example of RFC 9110 section 5.6.7, is 784111777 s after the epoch.
        let check = |value, expected| assert_eq!(retry_after(value, 784_111_700_000), expected);
        check("120", Some(120));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(77));
        check("Sun, 06 Nov 1994 08:00:00 GMT", None);
        check("99999999999999999999", Some(86_400));
        check("-1", None);
        check("soon", None);
        check("", None);
    }

    #[test]
    fn an_id_becomes_one_segment_or_nothing() {
        let check = |id, expected: Option<&str>| {
            assert_eq!(segment(id).ok(), expected.map(str::to_owned), "{id}");
        };
        check("2819c223-7f76", Some("2819c223-7f76"));
        check("a b/c?d#e%f;g", Some("a%20b%2Fc%3Fd%23e%25f%3Bg"));
        check("a..b/c", Some("a..b%2Fc"));
        check("../../admin", None);
        check("é", Some("%C3%A9"));
        check("..", None);
        check(".", None);
        check("", None);
        check("a\r\nb", None);
        check(&"a".repeat(257), None);
    }

    #[test]
    fn pages_are_asked_for_in_the_query() {
        assert_eq!(page_path("/Users?", 1), "/Users?startIndex=1&count=100");
        assert_eq!(page_path("/Users", 3), "/Users?startIndex=3&count=100");
        assert_eq!(page_path("/Users?filter=x", 3), "/Users?filter=x&startIndex=3&count=100");
    }
}
