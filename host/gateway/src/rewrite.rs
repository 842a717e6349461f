//! Rewriting: which words of the target's answers are not true in front of a gateway?
//!
//! Two: that bulk is on offer, and, where the target does not see the client's `Host`, its own URL.

use http::{HeaderMap, HeaderValue, header};
use replaysafe::target::upstream::Base;

use crate::edit::edit;

/// Replaces the target's base URL by the gateway's.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    from: Vec<String>,
    to: String,
}

impl Rewrite {
    /// `to` is the base URL as the client sees it, without slash at its end.
    pub(crate) fn new(upstream: &Base, to: String) -> Self {
        let url = upstream.url();
        let port = if upstream.is_https() { ":443" } else { ":80" };
        let origin = url.strip_suffix(upstream.prefix()).unwrap_or(&url);
        // A default port may be spelled or not: both are the same server.
        let other = match origin.strip_suffix(port) {
            Some(bare) => format!("{bare}{}", upstream.prefix()),
            None => format!("{origin}{port}{}", upstream.prefix()),
        };
        Self { from: vec![url, other], to }
    }

    /// Rewrites a URL; none if it is not the target's.
    pub(crate) fn url(&self, url: &str) -> Option<String> {
        let rest = self.from.iter().find_map(|from| url.strip_prefix(from))?;
        let ends = rest.is_empty() || rest.starts_with(['/', '?', '#']);
        ends.then(|| format!("{}{rest}", self.to))
    }

    /// Rewrites `Location` and `Content-Location`.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            let url = headers.get(&name).and_then(|value| self.url(value.to_str().ok()?));
            if let Some(value) = url.and_then(|url| HeaderValue::from_str(&url).ok()) {
                headers.insert(name, value);
            }
        }
    }

    /// Rewrites `meta.location`, `$ref` and the endpoints of resource types; none if nothing changes.
    pub(crate) fn body(&self, body: &[u8]) -> Option<Vec<u8>> {
        edit(body, &mut |names, value| {
            let place = match names {
                [.., meta, last] if is(meta, "meta") => is(last, "location"),
                _ => false,
            };
            let last = names.last()?;
            if !(place || is(last, "$ref") || is(last, "endpoint")) {
                return None;
            }
            let url = self.url(serde_json::from_str::<String>(value).ok()?.as_str())?;
            serde_json::to_string(&url).ok()
        })
    }
}

/// Says in a `ServiceProviderConfig` that bulk is not supported; none if it says so already.
pub(crate) fn without_bulk(body: &[u8]) -> Option<Vec<u8>> {
    edit(body, &mut |names, value| match names {
        [bulk, supported] if is(bulk, "bulk") && is(supported, "supported") && value == "true" => {
            Some("false".to_owned())
        }
        _ => None,
    })
}

fn is(name: &str, expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected)
}

#[cfg(test)]
mod tests {
    use replaysafe::target::upstream::{Roots, Upstream};

    use super::*;

    #[test]
    fn the_targets_urls_become_the_gateways() {
        let roots = Roots::Pem(Vec::new());
        assert!(Upstream::new("https://up/v2", &roots).is_err());
        let upstream = Upstream::new("http://up/v2", &Roots::System).unwrap();
        let rewrite = Rewrite::new(upstream.base(), "https://me/v2".to_owned());
        let check = |url, expected: Option<&str>| {
            assert_eq!(rewrite.url(url), expected.map(str::to_owned), "{url}");
        };
        check("http://up/v2/Users/1", Some("https://me/v2/Users/1"));
        check("http://up:80/v2", Some("https://me/v2"));
        check("http://up/v20/Users", None);
        check("/v2/Users/1", None);
        let body = r#"{"meta":{"location":"http://up/v2/Users/1"},"displayName":"http://up/v2"}"#;
        let expected = body.replacen("http://up", "https://me", 1);
        assert_eq!(rewrite.body(body.as_bytes()).unwrap(), expected.into_bytes());
    }

    #[test]
    fn bulk_is_the_only_word_that_changes() {
        let config = r#"{"patch":{"supported":true},"bulk":{"supported": true,"maxOperations":9}}"#;
        let expected =
            r#"{"patch":{"supported":true},"bulk":{"supported": false,"maxOperations":9}}"#;
        assert_eq!(without_bulk(config.as_bytes()).unwrap(), expected.as_bytes());
        assert_eq!(without_bulk(expected.as_bytes()), None);
    }
}
