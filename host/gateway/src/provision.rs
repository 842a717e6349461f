//! The provisioner as the gateway sees it: what answers a call?

use std::future::Future;

use http::HeaderName;
use replaysafe::call::{Call, Readiness};
use replaysafe::contract::{Answer, Endpoint};
use replaysafe::ledger::Ledger;
use replaysafe::provisioner::Provisioner;
use replaysafe::target::{Caller, Target};

/// What answers provisioning requests.
pub trait Provision: Send + Sync + 'static {
    /// Answers `call`. The gateway runs this as a task of its own: it is never dropped before its end.
    fn provision(&self, call: Call) -> impl Future<Output = Answer> + Send;

    /// The target's resource types, `User` and `Group` always.
    ///
    /// May ask the target, on behalf of `caller`, what it has not said so far.
    fn endpoints(&self, caller: &Caller) -> impl Future<Output = Vec<Endpoint>> + Send;

    /// The header in which a source gives the version of a request (S20): it is for the provisioner, and not passed on.
    fn version_header(&self) -> Option<&HeaderName>;

    /// Whether requests can be served.
    fn readiness(&self) -> impl Future<Output = Readiness> + Send;
}

impl<L: Ledger, T: Target> Provision for Provisioner<L, T> {
    async fn provision(&self, call: Call) -> Answer {
        Self::provision(self, call).await
    }

    async fn endpoints(&self, caller: &Caller) -> Vec<Endpoint> {
        Self::endpoints(self, caller).await
    }

    fn version_header(&self) -> Option<&HeaderName> {
        Self::version_header(self)
    }

    async fn readiness(&self) -> Readiness {
        Self::readiness(self).await
    }
}
