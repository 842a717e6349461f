//! Rewriting: which URLs of a service's answers are its own, and how are they spelled for somebody else?
//!
//! A service makes absolute URLs of where it believes to have been reached: of what it was configured with, or of what
//! the caller said in `Host` and its kin. Both are its own. Whoever reads an answer later said something else.

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use crate::contract::TargetAnswer;
use crate::target::edit::{Change, edit};
use crate::target::upstream::Base;

/// Replaces the base URL of a service, as it spells it, by another.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Scheme and authority of the service, in all spellings.
    origins: Vec<String>,
    /// Authorities that the caller named, without the port that a scheme has anyway.
    named: Vec<String>,
    prefix: String,
    to: String,
}

impl Rewrite {
    /// For answers to a call with these `headers`: their URLs become `to`, the base URL as its reader is to see it, without
    /// slash at its end.
    ///
    /// Without `headers` only what is spelled with the service's own base URL is its own.
    #[must_use]
    pub fn new<'h>(
        upstream: &Base,
        headers: impl IntoIterator<Item = (&'h HeaderName, &'h HeaderValue)>,
        to: String,
    ) -> Self {
        let (url, prefix) = (upstream.url(), upstream.prefix().to_owned());
        let port = if upstream.is_https() { ":443" } else { ":80" };
        let origin = url.strip_suffix(&prefix).unwrap_or(&url).to_owned();
        // A default port may be spelled or not: both are the same server.
        let other = match origin.strip_suffix(port) {
            Some(bare) => bare.to_owned(),
            None => format!("{origin}{port}"),
        };
        Self { origins: vec![origin, other], named: named(headers), prefix, to }
    }

    /// Whether an answer may hold URLs that the caller has named.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !self.named.is_empty()
    }

    /// Rewrites a URL; none if it is not the service's, or stays as it is.
    #[must_use]
    pub fn url(&self, url: &str) -> Option<String> {
        self.made_of_the_base(url).or_else(|| self.made_of_headers(url)).filter(|new| new != url)
    }

    fn made_of_the_base(&self, url: &str) -> Option<String> {
        let rest = self.origins.iter().find_map(|origin| {
            // RFC 3986 section 6.2.2.1: scheme and host are the same in any letter case.
            let (start, path) = url.split_at_checked(origin.len())?;
            path.strip_prefix(&self.prefix).filter(|_| start.eq_ignore_ascii_case(origin))
        })?;
        ends(rest).then(|| format!("{}{rest}", self.to))
    }

    /// What the caller named leads to wherever it likes: nothing of it stays, under whatever path it stands.
    fn made_of_headers(&self, url: &str) -> Option<String> {
        let (scheme, rest) = url.split_once("://")?;
        let http = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let authority = without_port(authority);
        if !http || !self.named.iter().any(|one| one.eq_ignore_ascii_case(authority)) {
            return None;
        }
        // A proxy may have said what stands before the service's own path (`X-Forwarded-Prefix`).
        let mut found = path
            .match_indices(&self.prefix)
            .filter_map(|(at, prefix)| path.get(at + prefix.len()..).filter(|rest| ends(rest)));
        Some(match found.next() {
            Some(rest) => format!("{}{rest}", self.to),
            None => format!("{}{path}", self.to.strip_suffix(&self.prefix).unwrap_or(&self.to)),
        })
    }

    /// Rewrites `Location` and `Content-Location`.
    pub fn headers(&self, headers: &mut HeaderMap) {
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let url = headers.get(&name).and_then(|value| self.url(value.to_str().ok()?));
            if let Some(value) = url.and_then(|url| HeaderValue::from_str(&url).ok()) {
                headers.insert(name, value);
            }
        }
    }

    /// Rewrites a whole answer. A body that is compressed, or no text, stays as it is.
    #[must_use]
    pub fn response(&self, mut answer: Response<bytes::Bytes>) -> Response<bytes::Bytes> {
        self.headers(answer.headers_mut());
        if answer.headers().contains_key(header::CONTENT_ENCODING) {
            return answer;
        }
        answer.map(|body| match std::str::from_utf8(&body) {
            Ok(text) => self.body(text).into(),
            Err(_) => body,
        })
    }

    /// Rewrites an answer as the contract has it.
    pub fn answer(&self, answer: &mut TargetAnswer) {
        let url = |url: String| self.url(&url).unwrap_or(url);
        answer.location = answer.location.take().map(url);
        answer.body = answer.body.take().map(|body| self.body(&body));
        for field in &mut answer.extra {
            if field.name == header::CONTENT_LOCATION.as_str() {
                field.value = url(std::mem::take(&mut field.value));
            }
        }
    }

    /// Rewrites `meta.location`, `$ref` and the endpoints of resource types in a whole text.
    fn body(&self, body: &str) -> String {
        edit(body, self.change())
    }

    /// The same, for a text that comes piece by piece.
    #[must_use]
    pub fn change(&self) -> Change {
        let rewrite = self.clone();
        Box::new(move |names, value| rewrite.value(names, value))
    }

    /// What a value becomes that `names` lead to; none if it stays.
    #[must_use]
    pub fn value(&self, names: &[String], value: &str) -> Option<String> {
        let holds_url = match names {
            [.., meta, location] if is(meta, "meta") && is(location, "location") => true,
            [.., reference] if is(reference, "$ref") => true,
            // A resource type, by itself or in a list.
            [endpoint] => is(endpoint, "endpoint"),
            [resources, endpoint] => is(resources, "Resources") && is(endpoint, "endpoint"),
            _ => false,
        };
        if !holds_url {
            return None;
        }
        let url = self.url(serde_json::from_str::<String>(value).ok()?.as_str())?;
        serde_json::to_string(&url).ok()
    }
}

/// Headers in which a caller says which host it has reached. Services believe one or the other.
const HOSTS: [&str; 6] = [
    "host",
    "x-forwarded-host",
    "x-forwarded-server",
    "x-host",
    "x-http-host-override",
    "x-original-host",
];

/// The authorities that headers name: hosts (RFC 9110 section 7.2, RFC 7239 section 5.3), and each with the port that
/// proxies name by itself.
fn named<'h>(headers: impl IntoIterator<Item = (&'h HeaderName, &'h HeaderValue)>) -> Vec<String> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for (name, value) in headers {
        let values = value.to_str().unwrap_or_default().split([',', ';']).map(str::trim);
        match name.as_str() {
            name if HOSTS.contains(&name) => hosts.extend(values.map(str::to_owned)),
            "x-forwarded-port" => ports.extend(values.map(str::to_owned)),
            "forwarded" => hosts.extend(values.filter_map(|pair| {
                let (name, host) = pair.split_once('=')?;
                let is_host = name.trim().eq_ignore_ascii_case("host");
                is_host.then(|| host.trim().trim_matches('"').to_owned())
            })),
            _ => {}
        }
    }
    let bare = |host: &str| {
        let port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let split = host.rsplit_once(':').filter(|(_, rest)| port(rest));
        split.map_or(host, |(host, _)| host).to_owned()
    };
    let ported = hosts.iter().flat_map(|host| {
        let host = bare(host);
        ports.iter().map(move |port| format!("{host}:{port}"))
    });
    let named = hosts.iter().cloned().chain(ported).filter(|host| !host.is_empty());
    named.map(|authority| without_port(&authority).to_owned()).collect()
}

/// An authority without the port of either scheme.
fn without_port(authority: &str) -> &str {
    let bare = authority.strip_suffix(":80").or_else(|| authority.strip_suffix(":443"));
    bare.unwrap_or(authority)
}

/// Whether a path ends where this rest begins, or goes on with a segment of its own.
fn ends(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?', '#'])
}

fn is(name: &str, expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::upstream::{Roots, Upstream};

    #[test]
    fn the_services_urls_become_others() {
        let rewrite = rewrite("http://up/v2", &[]);
        let check = |url, expected: Option<&str>| {
            assert_eq!(rewrite.url(url), expected.map(str::to_owned), "{url}");
        };
        check("http://up/v2/Users/1", Some("https://me/v2/Users/1"));
        check("http://up:80/v2", Some("https://me/v2"));
        check("HTTP://Up/v2?a", Some("https://me/v2?a"));
        check("https://me/v2/Users/1", None);
        check("http://up/V2/Users", None);
        check("http://up/v20/Users", None);
        check("http://up.evil/v2", None);
        check("/v2/Users/1", None);
    }

    /// No 7 of what a proxy must keep: whichever header a service believes, whatever it makes of it.
    #[test]
    fn a_url_that_is_made_of_what_the_caller_named_is_the_services() {
        let made = |headers: &[(&'static str, &'static str)], url: &str, expected: Option<&str>| {
            let given = rewrite("http://up/v2", headers).url(url);
            assert_eq!(given.as_deref(), expected, "{headers:?} {url}");
        };
        let mine = Some("https://me/v2/Users/1");
        for name in HOSTS {
            made(&[(name, "evil.example")], "http://evil.example/v2/Users/1", mine);
            made(&[(name, "evil.example:8080")], "https://Evil.example:8080/v2/Users/1", mine);
        }
        made(&[("host", "evil:443")], "https://evil/v2/Users/1", mine);
        made(&[("host", "evil")], "https://evil:443/v2/Users/1", mine);
        made(&[("x-forwarded-host", "a, evil")], "http://evil/v2/Users/1", mine);
        made(&[("forwarded", "for=1;Host=\"evil:81\", for=2")], "http://evil:81/v2/Users/1", mine);
        let ported = [("host", "evil:80"), ("x-forwarded-port", "8443")];
        made(&ported, "https://evil:8443/v2/Users/1", mine);
        made(&[("host", "[::1]:80"), ("x-forwarded-port", "81")], "http://[::1]:81/v2", {
            Some("https://me/v2")
        });
        // What stands before the service's own path is a proxy's word; where that is missing, the host goes all the same.
        made(&[("host", "evil")], "http://evil/before/v2/Users/1", mine);
        made(&[("host", "evil")], "http://evil/Users/1", Some("https://me/Users/1"));
        made(&[("host", "evil")], "http://evil", Some("https://me"));
        // Somebody else's.
        made(&[("host", "evil")], "http://evil:81/v2/Users/1", None);
        made(&[("host", "evil")], "http://other/v2/Users/1", None);
        made(&[("host", "evil")], "http://x@evil/v2/Users/1", None);
        made(&[("host", "evil")], "ftp://evil/v2/Users/1", None);
        made(&[("host", "evil")], "/v2/Users/1", None);
        made(&[("x-request-id", "evil")], "http://evil/v2/Users/1", None);
        made(&[("host", "")], "http:///v2/Users/1", None);
    }

    #[test]
    fn a_service_at_the_root_keeps_every_path() {
        let base = Upstream::new("http://up", &Roots::System).unwrap().base().clone();
        let host = (header::HOST, HeaderValue::from_static("evil"));
        let rewrite = Rewrite::new(&base, [(&host.0, &host.1)], "https://me".to_owned());
        assert_eq!(rewrite.url("http://evil/Users/1").as_deref(), Some("https://me/Users/1"));
        assert_eq!(rewrite.url("http://up/Users/1").as_deref(), Some("https://me/Users/1"));
        assert_eq!(rewrite.url("http://evil").as_deref(), Some("https://me"));
    }

    #[test]
    fn only_urls_at_their_places_become_others() {
        let rewrite = rewrite("http://up/v2", &[]);
        for (body, changed) in [
            (r#"{"meta":{"location":"http://up/v2/Users/1"}}"#, true),
            (r#"{"Resources":[{"meta":{"location":"http:\/\/up/v2/Users/1"}}]}"#, true),
            (r#"{"members":[{"$ref":"http://up/v2/Users/1"}]}"#, true),
            (r#"{"endpoint":"http://up/v2/Users"}"#, true),
            (r#"{"Resources":[{"endpoint":"http://up/v2/Users"}]}"#, true),
            (r#"{"displayName":"http://up/v2"}"#, false),
            (r#"{"urn:x":{"endpoint":"http://up/v2"}}"#, false),
            (r#"{"location":"http://up/v2"}"#, false),
            (r#"{"members":[{"$ref":null}]}"#, false),
        ] {
            let expected = body.replace("http:\\/\\/up", "http://up");
            let expected = expected.replace("http://up", "https://me");
            assert_eq!(rewrite.body(body), if changed { &expected } else { body });
        }
    }

    fn rewrite(base: &str, headers: &[(&'static str, &'static str)]) -> Rewrite {
        let base = Upstream::new(base, &Roots::System).unwrap().base().clone();
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let headers = headers.iter().map(|(name, value)| (name, value));
        Rewrite::new(&base, headers, "https://me/v2".to_owned())
    }
}
