//! The target: the system that is provisioned into, reached through a connector.
//!
//! A target looks and acts, and tells what it saw. It decides nothing and repeats nothing on its own.

mod list;
pub mod scim;
pub mod upstream;
mod wire;

use std::future::Future;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::contract::{Effect, Endpoint, Field, Outcome, Question, Sight};

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
