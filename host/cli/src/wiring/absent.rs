//! What stands for the sandbox and the provisioner where they are not built in: everything says so.

use std::{marker::PhantomData, sync::Arc};

use replaysafe::{
    call::{Call, Readiness, Recovery},
    contract::{Answer, Endpoint, Report, Situation, Step},
    keys::LedgerKey,
    target::Caller,
};
use replaysafe_gateway::Provision;

use super::Surface;

#[derive(Debug, thiserror::Error)]
#[error("the component is not built into this program")]
pub(crate) struct Absent;

#[derive(Clone, Debug)]
pub(crate) struct Guest;

impl Guest {
    pub(crate) fn new() -> Result<Self, Absent> {
        Err(Absent)
    }
    pub(crate) fn with_fuel(_: u64) -> Result<Self, Absent> {
        Err(Absent)
    }
    pub(crate) fn call_json(&self, _: &str, _: &str) -> Result<String, Absent> {
        Err(Absent)
    }
    pub(crate) fn check_policy(&self, _: &str) -> Result<String, Absent> {
        Err(Absent)
    }
    pub(crate) fn admit(&self, _: &Situation) -> Result<Step, Absent> {
        Err(Absent)
    }
    pub(crate) fn decide(&self, _: &Situation) -> Result<Step, Absent> {
        Err(Absent)
    }
    pub(crate) fn settle(&self, _: &Situation, _: Option<&Report>) -> Result<Step, Absent> {
        Err(Absent)
    }
}

pub(crate) const WORLD: &str = "replaysafe:provisioning/provisioning@0.1.0";

pub(crate) fn component() -> &'static [u8] {
    &[]
}

pub(crate) fn core_module() -> &'static [u8] {
    &[]
}

pub(crate) fn component_digest() -> String {
    String::new()
}

pub(crate) fn surface() -> anyhow::Result<Surface> {
    Err(Absent.into())
}

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) tenant: String,
    pub(crate) target: String,
    pub(crate) policy: String,
    pub(crate) credential: Option<Caller>,
}

#[derive(Debug)]
pub(crate) struct Provisioner<L, T>(PhantomData<(L, T)>);

impl<L, T> Clone for Provisioner<L, T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<L, T> Provisioner<L, T> {
    pub(crate) fn new(
        _: Guest,
        _: L,
        _: T,
        _: Arc<LedgerKey>,
        options: Options,
    ) -> Result<Self, Absent> {
        drop((options.tenant, options.target, options.policy, options.credential));
        Err(Absent)
    }

    pub(crate) async fn recover_always(&self) {
        std::future::pending::<()>().await;
    }
}

impl<L: Send + Sync + 'static, T: Send + Sync + 'static> Provision for Provisioner<L, T> {
    async fn provision(&self, _: Call) -> Answer {
        std::future::pending().await
    }
    async fn endpoints(&self, _: &Caller) -> Vec<Endpoint> {
        Vec::new()
    }
    async fn readiness(&self) -> Readiness {
        Readiness { ready: false, recovery: Recovery::Waiting, details: Vec::new() }
    }
}
