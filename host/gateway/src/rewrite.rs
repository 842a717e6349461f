//! Rewriting: which words of the target's answers are not true in front of a gateway?
//!
//! Two: that bulk is on offer, and, where the target does not see the client's `Host`, its own URL.

use http::{HeaderMap, HeaderValue, header};
use replaysafe::contract::TargetAnswer;
use replaysafe::target::upstream::Base;

use crate::edit::edit;

/// Replaces the target's base URL by the gateway's.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    /// Scheme and authority of the target, in all spellings.
    origins: Vec<String>,
    prefix: String,
    to: String,
}

impl Rewrite {
    /// `to` is the base URL as the client sees it, without slash at its end.
    pub(crate) fn new(upstream: &Base, to: String) -> Self {
        let (url, prefix) = (upstream.url(), upstream.prefix().to_owned());
        let port = if upstream.is_https() { ":443" } else { ":80" };
        let origin = url.strip_suffix(&prefix).unwrap_or(&url).to_owned();
        // A default port may be spelled or not: both are the same server.
        let other = match origin.strip_suffix(port) {
            Some(bare) => bare.to_owned(),
            None => format!("{origin}{port}"),
        };
        Self { origins: vec![origin, other], prefix, to }
    }

    /// Rewrites a URL; none if it is not the target's.
    pub(crate) fn url(&self, url: &str) -> Option<String> {
        let rest = self.origins.iter().find_map(|origin| {
            // RFC 3986 section 6.2.2.1: scheme and host are the same in any letter case.
            let (start, path) = url.split_at_checked(origin.len())?;
            path.strip_prefix(&self.prefix).filter(|_| start.eq_ignore_ascii_case(origin))
        })?;
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

    /// Rewrites the answer to a protected request.
    pub(crate) fn answer(&self, answer: &mut TargetAnswer) {
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
        let rewrite = self.clone();
        edit(body, Box::new(move |names, value| rewrite.value(names, value)))
    }

    /// What a value becomes that `names` lead to; none if it stays.
    pub(crate) fn value(&self, names: &[String], value: &str) -> Option<String> {
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

/// Says in a `ServiceProviderConfig` that bulk is not supported; none if the value is another, or says so already.
pub(crate) fn without_bulk(names: &[String], value: &str) -> Option<String> {
    match names {
        [bulk, supported] if is(bulk, "bulk") && is(supported, "supported") && value == "true" => {
            Some("false".to_owned())
        }
        _ => None,
    }
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
        check("HTTP://Up/v2?a", Some("https://me/v2?a"));
        check("http://up/V2/Users", None);
        check("http://up/v20/Users", None);
        check("http://up.evil/v2", None);
        check("/v2/Users/1", None);
    }

    #[test]
    fn only_urls_at_their_places_become_others() {
        let upstream = Upstream::new("http://up/v2", &Roots::System).unwrap();
        let rewrite = Rewrite::new(upstream.base(), "https://me/v2".to_owned());
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

    #[test]
    fn bulk_is_the_only_word_that_changes() {
        let config = r#"{"patch":{"supported":true},"bulk":{"supported": true,"maxOperations":9}}"#;
        let expected =
            r#"{"patch":{"supported":true},"bulk":{"supported": false,"maxOperations":9}}"#;
        assert_eq!(edit(config, Box::new(without_bulk)), expected);
        assert_eq!(edit(expected, Box::new(without_bulk)), expected);
    }
}
