//! The target: the system that is provisioned into, reached through a connector.
//!
//! A target looks and acts, and tells what it saw. It decides nothing and repeats nothing on its own.

pub mod edit;
mod list;
pub mod path;
pub mod population;
pub mod rewrite;
pub mod scim;
pub mod upstream;
mod wire;

use std::future::Future;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::{
    contract::{Effect, Endpoint, Field, Outcome, Question, Sight},
    keys::frame,
};

/// A system that is provisioned into.
pub trait Target: Send + Sync + 'static {
    /// Looks. Never changes anything, so it may be repeated.
    ///
    /// `keep` reduces one page of a listing to the resources that matter.
    fn observe(
        &self,
        question: &Question,
        endpoints: &[Endpoint],
        caller: &Caller,
        keep: &(dyn Fn(Vec<String>) -> Vec<String> + Send + Sync),
    ) -> impl Future<Output = Sight> + Send;

    /// Makes one effect, once, and tells what was seen of it.
    ///
    /// `body` is the body with its secrets, exactly as it is to be sent.
    fn apply(
        &self,
        effect: &Effect,
        endpoints: &[Endpoint],
        body: Option<Body>,
        caller: &Caller,
    ) -> impl Future<Output = Outcome> + Send;

    /// Asks the target what it says about itself (RFC 7644 section 4).
    fn discover(&self, caller: &Caller) -> impl Future<Output = Discovery> + Send;
}

/// On whose behalf the target is called: the headers to send, credentials among them.
///
/// Its `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Caller {
    /// Headers that go with every call: Authorization, Host, Accept and whatever else the edge passes on.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The raw query that goes with effects (`attributes`, `excludedAttributes`), without `?`.
    pub query: Option<String>,
}

impl Caller {
    /// All that may be a credential, framed: names and values, in the order of the names; empty if there is none.
    ///
    /// Which header is one, only the target knows: each counts, but for those that are known to be none. One
    /// that changes with every request costs a look more, and the receipts of given keys (S1).
    #[must_use]
    pub fn credential(&self) -> Vec<u8> {
        let mut shown: Vec<(&[u8], &[u8])> = Vec::new();
        for (name, value) in &self.headers {
            if !NO_CREDENTIAL.contains(&name.as_str()) {
                shown.push((name.as_str().as_bytes(), value.as_bytes()));
            }
        }
        // A proxy may put them in another order; values of one name keep theirs.
        shown.sort_by_key(|(name, _)| *name);
        let parts: Vec<&[u8]> = shown.into_iter().flat_map(|(name, value)| [name, value]).collect();
        frame(&parts)
    }
}

/// Headers that say nothing of who asks, and that may differ from request to request: those of content
/// negotiation, of proxies, and of tracing (W3C Trace Context and Baggage, B3, AWS, Google, Azure, Cloudflare).
const NO_CREDENTIAL: [&str; 43] = [
    "accept",
    "accept-charset",
    "accept-language",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "b3",
    "baggage",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ray",
    "client-request-id",
    "correlation-id",
    "date",
    "forwarded",
    "host",
    "origin",
    "pragma",
    "prefer",
    "referer",
    "request-id",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-amz-cf-id",
    "x-amzn-trace-id",
    "x-azure-ref",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-envoy-attempt-count",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-ms-client-request-id",
    "x-real-ip",
    "x-request-id",
    "x-retry-count",
];

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

/// A body as it goes on the wire.
///
/// Its `Debug` shows its size only.
#[derive(Clone)]
pub struct Body {
    /// Its bytes. They may hold secrets: never log or store them.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: HeaderValue,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.bytes.len())
    }
}

/// What a target says about itself; each part none if it was not to be had.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// The body of `/ResourceTypes`.
    pub resource_types: Option<String>,
    /// The body of `/Schemas`.
    pub schemas: Option<String>,
    /// The body of `/ServiceProviderConfig`.
    pub service_provider_config: Option<String>,
    /// Whether the answers were complete: false means that asking again later may tell more.
    pub complete: bool,
    /// Room for what a connector knows about its target by itself.
    pub declared: Vec<Field>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S1: the whole credential, wherever the target looks for it.
    #[test]
    fn every_header_that_may_be_a_credential_counts() {
        let one = [("authorization", "a"), ("user-agent", "x"), ("x-request-id", "1")];
        let same = [("authorization", "a"), ("user-agent", "y"), ("x-request-id", "2")];
        assert_eq!(shown(&one), shown(&same));
        for other in [
            [("authorization", "b")].as_slice(),
            &[("authorization", "a"), ("x-api-key", "k")],
            &[("authorization", "a"), ("cookie", "c")],
            &[("x-api-key", "a")],
            &[],
        ] {
            assert_ne!(shown(&one), shown(other), "{other:?}");
        }
    }

    /// The order of names is a proxy's affair (RFC 9110 section 5.3), that of the values of one name is not.
    #[test]
    fn the_order_of_names_does_not_count() {
        assert_eq!(
            shown(&[("cookie", "c"), ("x-key", "k")]),
            shown(&[("x-key", "k"), ("cookie", "c")])
        );
        assert_ne!(
            shown(&[("x-key", "a"), ("x-key", "b")]),
            shown(&[("x-key", "b"), ("x-key", "a")])
        );
        assert_ne!(shown(&[("x-a", "bc")]), shown(&[("x-ab", "c")]));
    }

    fn shown(headers: &[(&'static str, &'static str)]) -> Vec<u8> {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        Caller { headers: headers.iter().map(header).collect(), query: None }.credential()
    }
}
