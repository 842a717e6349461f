//! The provisioner as the gateway sees it: what answers a call?

use std::future::Future;

use http::HeaderName;
use replaysafe::call::{Call, Readiness};
use replaysafe::contract::{Answer, Endpoint};
use replaysafe::ledger::Ledger;
use replaysafe::provisioner::Provisioner;
use replaysafe::provisioner::batch::{Batch, BatchAnswer};
use replaysafe::target::{Caller, Target};

/// What answers provisioning requests.
pub trait Provision: Send + Sync + 'static {
    /// Answers `call`. The gateway runs this as a task of its own: it is never dropped before its end.
    fn provision(&self, call: Call) -> impl Future<Output = Answer> + Send;

    /// Whether [`provision_batch`](Self::provision_batch) can answer.
    fn takes_batches(&self) -> bool;

    /// Answers a batch: an answer for each operation that was begun, in their order. Run as a task of its own, too.
    fn provision_batch(
        &self,
        batch: Batch,
    ) -> impl Future<Output = Vec<Option<BatchAnswer>>> + Send;

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

    fn takes_batches(&self) -> bool {
        Self::takes_batches(self)
    }

    async fn provision_batch(&self, batch: Batch) -> Vec<Option<BatchAnswer>> {
        Self::provision_batch(self, &batch).await
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
