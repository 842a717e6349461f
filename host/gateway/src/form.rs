//! Form: are the key, the media type and the preconditions of a protected request ones that can be read?

use std::time::UNIX_EPOCH;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use replaysafe::contract::{Field, Method, Verdict};
use replaysafe::target::Caller;
use replaysafe::target::path::percent_decode;
use replaysafe_json::{JsonError, Limits, parse};

use crate::answer::Refused;

/// What the head of a protected request says.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) key: Option<String>,
    /// When the client says to have sent it first, in milliseconds since 1970.
    pub(crate) first_sent: Option<u128>,
    pub(crate) if_match: Option<String>,
    /// None where no body is due.
    pub(crate) media_type: Option<HeaderValue>,
}

/// Reads the head of a protected request.
pub(crate) fn head(headers: &HeaderMap, method: Method) -> Result<Head, Refused> {
    let has_body = method != Method::Delete;
    let media_type = if has_body { Some(media_type(headers)?) } else { None };
    if headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(malformed("Authorization is given more than once; send one."));
    }
    let key = key(headers)?;
    let first_sent = first_sent(headers, key.is_some())?;
    Ok(Head { key, first_sent, if_match: if_match(headers)?, media_type })
}

/// Checks that a body is JSON that can be read in one way, within `limits`. What it means is the component's affair.
pub(crate) fn body(bytes: &[u8], limits: &Limits) -> Result<(), Refused> {
    parse(bytes, limits).map(|_| ()).map_err(|error| unreadable(&error))
}

/// What is told of a body that is no such JSON.
pub(crate) fn unreadable(error: &JsonError) -> Refused {
    let too_large = matches!(error, JsonError::TooLarge { .. });
    let verdict = if too_large { Verdict::TooLarge } else { Verdict::Malformed };
    let detail = format!("The body cannot be read: {error} ({}). Mend it.", error.code());
    Refused::body(verdict, "invalidSyntax", detail)
}

/// Reads the key: `Idempotency-Key`, or the `Repeatability-Request-ID` of OASIS Repeatable Requests.
///
/// Who sends both sends one key twice.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let keys = (idempotency_key(headers)?, repeatability_request_id(headers)?);
    match keys {
        (Some(one), Some(other)) if one != other => Err(malformed(
            "Idempotency-Key and Repeatability-Request-ID are two keys; send one, or the same in both.",
        )),
        (Some(key), _) | (None, Some(key)) => Ok(Some(key)),
        (None, None) => Ok(None),
    }
}

/// Reads the `Idempotency-Key`: quoted, as the draft has it, or bare, as many send it.
///
/// A bare key with a comma is refused: it cannot be told from two keys that somebody on the way has joined. A quoted
/// key may hold one.
///
/// Source: draft-ietf-httpapi-idempotency-key-header-07 section 2.1; RFC 9651 section 3.3.3.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let twice = "Idempotency-Key is given more than once; send one.";
    let Some(value) = once(headers, &IDEMPOTENCY_KEY, twice)? else { return Ok(None) };
    let wrong = || malformed("Idempotency-Key must have 1 to 255 visible ASCII characters.");
    let text = value.to_str().map_err(|_invisible| wrong())?.trim_matches([' ', '\t']);
    let key = if text.starts_with('"') {
        let wrong = || malformed("Idempotency-Key must be one quoted string, or bare.");
        unquote(text).ok_or_else(wrong)?
    } else if text.contains([',', '"']) {
        return Err(malformed("A bare Idempotency-Key has no comma and no quote; quote it."));
    } else {
        text.to_owned()
    };
    if is_key(&key) { Ok(Some(key)) } else { Err(wrong()) }
}

/// Reads the `Repeatability-Request-ID`: an opaque text (OASIS Repeatable Requests 1.0).
fn repeatability_request_id(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let twice = "Repeatability-Request-ID is given more than once; send one.";
    let Some(value) = once(headers, &REPEATABILITY_REQUEST_ID, twice)? else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim_matches([' ', '\t']);
    if !is_key(text) || text.contains([',', '"']) {
        return Err(malformed(
            "Repeatability-Request-ID must have 1 to 255 visible ASCII characters, and no comma and no quote.",
        ));
    }
    Ok(Some(text.to_owned()))
}

/// Reads when a request was sent first, as its client says (OASIS Repeatable Requests 1.0; RFC 9110 section 5.6.7).
///
/// Without a key it is refused: it says when the key was used first (S10).
fn first_sent(headers: &HeaderMap, with_key: bool) -> Result<Option<u128>, Refused> {
    let twice = "Repeatability-First-Sent is given more than once; send one.";
    let Some(value) = once(headers, &REPEATABILITY_FIRST_SENT, twice)? else { return Ok(None) };
    if !with_key {
        return Err(malformed(
            "Repeatability-First-Sent needs a key; send a Repeatability-Request-ID or an Idempotency-Key.",
        ));
    }
    let wrong =
        "Repeatability-First-Sent must be an HTTP date, such as `Sun, 06 Nov 1994 08:49:37 GMT`.";
    let date = value.to_str().ok().and_then(|text| httpdate::parse_http_date(text.trim()).ok());
    let since = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
    since.map(|since| Some(since.as_millis())).ok_or_else(|| malformed(wrong))
}

/// Reads the version that a source gives its request, in the header that policy names (S20).
pub(crate) fn version(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Refused> {
    let wrong = || {
        let detail = format!("{name} must be given once, a whole number from 0 to 2^64 - 1.");
        Refused::new(Verdict::Malformed, detail)
    };
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next(), values.next()) else { return Err(wrong()) };
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(value) = value else { return Ok(None) };
    let text = value.to_str().ok().map(|text| text.trim_matches([' ', '\t'])).filter(digits);
    text.and_then(|text| text.parse().ok()).map(Some).ok_or_else(wrong)
}

fn once<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    twice: &'static str,
) -> Result<Option<&'a HeaderValue>, Refused> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(malformed(twice)) } else { Ok(value) }
}

fn is_key(text: &str) -> bool {
    (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Checks the media type of a protected body: JSON as SCIM has it, in UTF-8, uncompressed.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<HeaderValue, Refused> {
    let wrong = |detail| Err(Refused::new(Verdict::WrongType, detail));
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|v| !is(v, "identity")) {
        return wrong("Content-Encoding must be identity; send the body uncompressed.");
    }
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return wrong("Content-Type must be given once: application/scim+json.");
    };
    let mut parts = value.to_str().unwrap_or_default().split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    if !MEDIA_TYPES.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
        return wrong("Content-Type must be application/scim+json or application/json.");
    }
    for parameter in parts {
        let Some((name, text)) = parameter.split_once('=') else { continue };
        let utf8 = text.trim_matches('"').eq_ignore_ascii_case("utf-8");
        if name.trim().eq_ignore_ascii_case("charset") && !utf8 {
            return wrong("The charset must be utf-8.");
        }
    }
    Ok(value.clone())
}

/// Reads the client's own `If-Match`, as sent. Other preconditions are refused: to drop them would break a promise.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    for name in [header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE] {
        if headers.contains_key(name) {
            return Err(malformed("The only precondition of a change is If-Match; send no other."));
        }
    }
    let mut tags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str();
        let wrong = |_odd| malformed("If-Match must be a list of entity tags, or `*`.");
        tags.push(text.map_err(wrong)?);
    }
    Ok((!tags.is_empty()).then(|| tags.join(", ")))
}

/// What goes with every call to the target: the end-to-end headers but those that belong to body, key or precondition.
pub(crate) fn caller(headers: &HeaderMap, query: Option<&str>) -> Caller {
    let own = [
        header::ACCEPT_ENCODING,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_RANGE,
        header::RANGE,
        IDEMPOTENCY_KEY,
        REPEATABILITY_REQUEST_ID,
        REPEATABILITY_FIRST_SENT,
    ];
    let mut headers = headers.clone();
    drop_hop_by_hop(&mut headers);
    let headers = headers.iter().filter(|(name, _)| !own.contains(name));
    let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
    Caller { headers, query: query.filter(|query| !query.is_empty()).map(str::to_owned) }
}

/// `attributes` and `excludedAttributes` of the query (RFC 7644 section 3.9), and when it was sent first, for
/// `request.extra`.
pub(crate) fn extra(query: Option<&str>, first_sent: Option<u128>) -> Vec<Field> {
    let sent = |millis: u128| Field { name: "first-sent".into(), value: millis.to_string() };
    let mut fields: Vec<Field> = first_sent.map(sent).into_iter().collect();
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = match percent_decode(name).unwrap_or_default().to_ascii_lowercase().as_str() {
            "attributes" => "attributes",
            "excludedattributes" => "excluded-attributes",
            _ => continue,
        };
        let value = percent_decode(&value.replace('+', " ")).unwrap_or_default();
        fields.push(Field { name: name.to_owned(), value });
    }
    fields
}

/// Drops what holds for one connection only, and what [`http`](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)
/// says `Connection` names.
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let mut named: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let names = value.to_str().unwrap_or_default().split(',');
        named.extend(names.filter_map(|name| name.trim().parse().ok()));
    }
    // Who names these would have the next server see another request than we did.
    named.retain(|name| {
        ![header::HOST, header::AUTHORIZATION, header::CONTENT_LENGTH].contains(name)
    });
    for name in named.into_iter().chain(HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The key draft's limit in this contract (`request.key`).
const KEY_MAX: usize = 255;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// OASIS Repeatable Requests 1.0.
pub(crate) const REPEATABILITY_REQUEST_ID: HeaderName =
    HeaderName::from_static("repeatability-request-id");
const REPEATABILITY_FIRST_SENT: HeaderName = HeaderName::from_static("repeatability-first-sent");
const MEDIA_TYPES: [&str; 2] = ["application/scim+json", "application/json"];
/// RFC 9110 section 7.6.1; `Expect` is answered by this server itself.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

fn malformed(detail: &'static str) -> Refused {
    Refused::new(Verdict::Malformed, detail)
}

fn is(value: &HeaderValue, word: &str) -> bool {
    value.to_str().is_ok_and(|text| text.trim().eq_ignore_ascii_case(word))
}

fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?;
    let mut key = String::new();
    let mut characters = inner.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|c| ['"', '\\'].contains(c))?),
            character => key.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_key(values: &[&str], expected: Result<Option<&str>, ()>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
        }
        let given = key(&headers).map_err(|_broken| ());
        assert_eq!(given, expected.map(|key| key.map(str::to_owned)), "{values:?}");
    }

    /// Nos 22 and 23 of the catalogue.
    #[test]
    fn a_key_is_quoted_or_bare_and_given_once() {
        check_key(&[], Ok(None));
        check_key(&["abc"], Ok(Some("abc")));
        check_key(&[r#""abc""#], Ok(Some("abc")));
        check_key(&[r#""a,\"b\\""#], Ok(Some(r#"a,"b\"#)));
        check_key(&[&"k".repeat(255)], Ok(Some(&"k".repeat(255))));
        check_key(&[&"k".repeat(256)], Err(()));
        check_key(&[""], Err(()));
        check_key(&[r#""""#], Err(()));
        check_key(&["a, b"], Err(()));
        check_key(&["a,b"], Err(()));
        check_key(&[r#"a"b"#], Err(()));
        check_key(&[r#""a", "b""#], Err(()));
        check_key(&["a b"], Err(()));
        check_key(&["a\tb"], Err(()));
        check_key(&[r#""a"#], Err(()));
        check_key(&["a", "a"], Err(()));
    }

    /// S20: a whole number of 64 bits, once.
    #[test]
    fn a_version_is_a_whole_number() {
        check_version(&[], Ok(None));
        check_version(&["0"], Ok(Some(0)));
        check_version(&[" 0042 "], Ok(Some(42)));
        check_version(&["18446744073709551615"], Ok(Some(u64::MAX)));
        for wrong in
            ["18446744073709551616", "", "-1", "+1", "1.0", "1e3", "0x1", "1, 2", "\"1\"", "a"]
        {
            check_version(&[wrong], Err(()));
        }
        check_version(&["1", "1"], Err(()));
    }

    fn check_version(given: &[&'static str], expected: Result<Option<u64>, ()>) {
        let name = HeaderName::from_static("x-sequence");
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append(&name, HeaderValue::from_static(value));
        }
        let read = version(&headers, &name).map_err(|refused| {
            let shown = format!("{refused:?}");
            assert!(shown.contains("Malformed") && shown.contains("x-sequence"), "{shown}");
        });
        assert_eq!(read, expected, "{given:?}");
    }

    /// S10: OASIS Repeatable Requests 1.0.
    #[test]
    fn a_repeatable_request_has_an_id_and_a_date() {
        check_repeatable(&[("repeatability-request-id", "a-1")], Some((Some("a-1"), None)));
        let date = ("repeatability-first-sent", "Sun, 06 Nov 1994 08:49:37 GMT");
        // The example of RFC 9110 section 5.6.7: 784,111,777 s after 1970.
        let sent = Some(784_111_777_000);
        check_repeatable(&[("repeatability-request-id", "a"), date], Some((Some("a"), sent)));
        check_repeatable(&[("idempotency-key", "\"a\""), date], Some((Some("a"), sent)));
        let same = [("idempotency-key", "\"a\""), ("repeatability-request-id", "a")];
        check_repeatable(&same, Some((Some("a"), None)));
        check_repeatable(&[], Some((None, None)));
        check_repeatable(&[date], None);
        check_repeatable(&[("idempotency-key", "a"), ("repeatability-request-id", "b")], None);
        for wrong in ["", "a b", "a,b", "\"a\""] {
            check_repeatable(&[("repeatability-request-id", wrong)], None);
        }
        for wrong in ["", "1994", "Sun, 06 Nov 1594 08:49:37 GMT", "784111777"] {
            let date = ("repeatability-first-sent", wrong);
            check_repeatable(&[("idempotency-key", "a"), date], None);
        }
        check_repeatable(&[("idempotency-key", "a"), date, date], None);
        let id = ("repeatability-request-id", "a");
        check_repeatable(&[id, id], None);
    }

    /// `expected` is the key and the time, or none where the request is refused.
    fn check_repeatable(
        given: &[(&'static str, &'static str)],
        expected: Option<(Option<&str>, Option<u128>)>,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let head = head(&headers, Method::Delete).ok();
        let read = head.as_ref().map(|head| (head.key.as_deref(), head.first_sent));
        assert_eq!(read, expected, "{given:?}");
        // They are no part of who asks, and are not the target's to read.
        assert!(caller(&headers, None).headers.is_empty());
    }

    /// No 11 of the catalogue.
    #[test]
    fn a_media_type_is_json_in_utf_8() {
        let check = |value: &str, expected: bool| {
            let value = HeaderValue::from_str(value).unwrap();
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, value.clone())]);
            assert_eq!(media_type(&headers).is_ok(), expected, "{value:?}");
        };
        check("application/scim+json", true);
        check("Application/JSON; Charset=\"UTF-8\"", true);
        check("application/json;charset=utf-16", false);
        check("text/plain", false);
        check("application/json, text/plain", false);
        assert!(media_type(&HeaderMap::new()).is_err());
    }
}
