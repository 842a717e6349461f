//! How the parts of the library are put together: the only place of the command line that names them all.
//!
//! In this state of the project the sandbox, the ledger and the gateway are not joined: what needs them says so.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use replaysafe::{
    call::{Call, Readiness, Recovery},
    contract::{Answer, Endpoint},
    keys::LedgerKey,
    ledger::{Ledger as _, Note, RecordedStep, SqliteLedger},
    target::{
        Caller,
        upstream::{Roots, Upstream},
    },
};
use replaysafe_gateway::{
    GatewayOptions, HostMode, Provision, ServeError, serve, serve::tls as gateway_tls,
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{command::gateway::Host, exit};

/// What stands for a part that is not built in.
#[derive(Debug)]
pub(crate) struct Absent;

#[derive(Clone, Debug)]
pub(crate) struct Guest;

pub(crate) const WORLD: &str = "replaysafe:provisioning/provisioning@0.1.0";

pub(crate) fn guest() -> anyhow::Result<Guest> {
    anyhow::bail!("the component is not built into this program")
}

pub(crate) fn guest_with_fuel() -> anyhow::Result<Guest> {
    guest()
}

pub(crate) fn call_json(_guest: &Guest, _function: &str, _input: &str) -> anyhow::Result<String> {
    anyhow::bail!("the component is not built into this program")
}

pub(crate) fn run_again(_guest: &Guest, _step: &RecordedStep) -> anyhow::Result<String> {
    anyhow::bail!("the component is not built into this program")
}

pub(crate) fn component() -> &'static [u8] {
    &[]
}

pub(crate) fn core_module() -> &'static [u8] {
    &[]
}

pub(crate) fn component_digest() -> String {
    String::new()
}

/// What the component imports and exports.
#[derive(Debug)]
pub(crate) struct Surface {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

pub(crate) fn surface() -> anyhow::Result<Surface> {
    anyhow::bail!("the component is not built into this program")
}

/// Opens the ledger in the file `path` for reading, with the key in the file `key`. A gateway may have it open.
pub(crate) fn open_ledger(path: &Path, key: &Path) -> anyhow::Result<SqliteLedger> {
    Ok(SqliteLedger::open_read_only(path, open_key(key)?)?)
}

fn open_key(path: &Path) -> anyhow::Result<Arc<LedgerKey>> {
    let key = LedgerKey::open_or_create(path)
        .map_err(|refusal| exit::environment(refusal.to_string()))?;
    Ok(Arc::new(key))
}

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub(crate) struct GatewaySettings {
    pub(crate) upstream: String,
    pub(crate) listen: SocketAddr,
    pub(crate) ledger: PathBuf,
    pub(crate) ledger_key: PathBuf,
    pub(crate) policy: String,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) upstream_ca: Option<PathBuf>,
    pub(crate) host: Option<Host>,
    pub(crate) pass_unprotected: Vec<String>,
    pub(crate) credential: Option<String>,
    pub(crate) tenant: String,
}

/// A gateway that serves.
#[derive(Debug)]
pub(crate) struct Gateway {
    url: String,
    ledger: (PathBuf, PathBuf),
    end: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl Gateway {
    /// Opens ledger and port, and serves until [`stop`](Self::stop).
    pub(crate) async fn start(guest: Guest, settings: GatewaySettings) -> anyhow::Result<Self> {
        let roots = match &settings.upstream_ca {
            None => Roots::System,
            Some(file) => Roots::Pem(read(file, "the upstream's certificates")?),
        };
        let upstream = Upstream::new(&settings.upstream, &roots)
            .map_err(|refusal| exit::usage(format!("--upstream: {refusal}")))?;
        let tls = match &settings.tls {
            None => None,
            Some((chain, key)) => {
                let (chain, key) = (read(chain, "the certificate")?, read(key, "its key")?);
                let tls = gateway_tls(&chain, &key)
                    .map_err(|refusal| exit::usage(refusal.to_string()))?;
                Some(tls)
            }
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let options = GatewayOptions {
            host: settings.host.map(|host| match host {
                Host::Keep => HostMode::Keep,
                Host::Upstream => HostMode::Upstream,
            }),
            pass_unprotected: settings.pass_unprotected.clone(),
            tls,
            ..GatewayOptions::default()
        };
        let provisioner = provisioner(guest, upstream.clone(), &settings)?;
        let listener = TcpListener::bind(settings.listen).await.map_err(|refusal| {
            exit::environment(format!(
                "cannot listen on {}: {refusal}; name another address with `--listen`",
                settings.listen
            ))
        })?;
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(async move {
            // A sender that is gone ends it too.
            let shutdown = async { ended.await.unwrap_or_default() };
            serve(provisioner, upstream, listener, options, shutdown).await
        });
        Ok(Self { url, ledger: (settings.ledger, settings.ledger_key), end, serving })
    }

    /// Where it serves: scheme, host and port.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Ends it after the requests that are under way, and audits its ledger.
    pub(crate) async fn stop(self) -> anyhow::Result<Vec<Note>> {
        // The receiver is gone only where serving has ended.
        self.end.send(()).unwrap_or_default();
        self.serving.await??;
        let (ledger, key) = self.ledger;
        audit(&ledger, &key).await
    }
}

fn read(file: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("reading {what} from `{}`", file.display()))
}

/// What answers provisioning requests: guest, ledger and target, joined.
fn provisioner(
    _guest: Guest,
    _upstream: Upstream,
    settings: &GatewaySettings,
) -> anyhow::Result<Arc<Absent>> {
    let _ledger = SqliteLedger::open(&settings.ledger, open_key(&settings.ledger_key)?)?;
    let _policy = (&settings.policy, &settings.tenant, &settings.credential);
    anyhow::bail!("the provisioner is not built into this program")
}

impl Provision for Absent {
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

/// Bytes as lower-case hexadecimal text.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens a ledger and audits it.
pub(crate) async fn audit(path: &Path, key: &Path) -> anyhow::Result<Vec<Note>> {
    Ok(open_ledger(path, key)?.audit().await?)
}
