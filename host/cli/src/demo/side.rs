//! One side of the table: a faulty service, and perhaps a gateway in front of it.

use std::{
    io::BufRead as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use http::Method;
use serde_json::Value;

use super::{
    client::{Client, Got, TOKEN},
    script::{Case, Runs},
};
use crate::{
    memory::{Behaviour, MemoryTarget},
    wiring::{self, Gateway, GatewaySettings, Guest},
};

/// Where sides are made: one component, and one temporary folder for all ledgers.
#[derive(Clone, Debug)]
pub(super) struct Lab {
    guest: Guest,
    folder: Arc<Folder>,
}

impl Lab {
    pub(super) fn new(guest: Guest) -> anyhow::Result<Self> {
        Ok(Self { guest, folder: Arc::new(Folder::new()?) })
    }

    /// The service alone.
    pub(super) async fn direct(case: &Case) -> anyhow::Result<Side> {
        let target = service(case.behaviour()).await?;
        let base = target.base();
        Ok(Side { target, base, client: Client::new(PATIENCE_DIRECT), front: Front::None })
    }

    /// The service behind a gateway.
    pub(super) async fn through(&self, case: &Case) -> anyhow::Result<Side> {
        let target = service(case.behaviour()).await?;
        let ledger = self.folder.0.join(format!("{}.db", case.letter));
        let (front, url) = match case.runs {
            Runs::Within => {
                let gateway = Gateway::start(
                    self.guest.clone(),
                    GatewaySettings::local(&target.base(), ledger),
                )
                .await?;
                let url = gateway.url();
                (Front::Within(gateway), url)
            }
            Runs::Apart => {
                let (process, url) = Process::start(&target.base(), ledger).await?;
                (Front::Apart(process), url)
            }
        };
        let base = format!("{url}{PATH}");
        Ok(Side { target, base, client: Client::new(PATIENCE_THROUGH), front })
    }
}

/// One side.
#[derive(Debug)]
pub(super) struct Side {
    /// The service: what is true in the end.
    pub(super) target: MemoryTarget,
    base: String,
    client: Client,
    front: Front,
}

impl Side {
    /// What the right side is called.
    pub(super) const THROUGH: &str = "through replaysafe";

    /// Sends one request as the client.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Got {
        self.client.send(method, &format!("{}{path}", self.base), body).await
    }

    /// A sender that can be used beside others.
    pub(super) fn sender(&self) -> (Client, String) {
        (self.client.clone(), self.base.clone())
    }

    /// Kills the gateway as `kill -9` does and starts it again on its ledger; gives false without a gateway.
    pub(super) async fn kill(&mut self) -> anyhow::Result<bool> {
        if let Front::Apart(process) = &mut self.front {
            process.kill()?;
            let (next, url) = Process::start(&self.target.base(), process.ledger.clone()).await?;
            *process = next;
            self.base = format!("{url}{PATH}");
            return Ok(true);
        }
        Ok(false)
    }

    /// Ends the gateway and audits its ledger: gives what is wrong with it.
    pub(super) async fn close(self) -> anyhow::Result<Option<String>> {
        let notes = match self.front {
            Front::None => Vec::new(),
            Front::Within(gateway) => gateway.stop().await?,
            Front::Apart(mut process) => {
                process.kill()?;
                wiring::audit(&process.ledger, &key_of(&process.ledger)).await?
            }
        };
        let laws: Vec<String> = notes.into_iter().map(|note| note.law).collect();
        Ok((!laws.is_empty()).then(|| format!("; the ledger breaks {}", laws.join(", "))))
    }
}

#[derive(Debug)]
enum Front {
    None,
    Within(Gateway),
    Apart(Process),
}

/// A gateway in a process of its own, which can be killed.
#[derive(Debug)]
struct Process {
    child: Child,
    ledger: PathBuf,
}

impl Process {
    async fn start(upstream: &str, ledger: PathBuf) -> anyhow::Result<(Self, String)> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut child = Command::new(program)
            .args(["gateway", "--listen", "127.0.0.1:0", "--upstream", upstream, "--ledger"])
            .arg(format!("sqlite:{}", ledger.display()))
            .arg("--ledger-key")
            .arg(key_of(&ledger))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the gateway")?;
        let stdout = child.stdout.take().context("the gateway has no standard output")?;
        let process = Self { child, ledger };
        let line = tokio::task::spawn_blocking(move || {
            std::io::BufReader::new(stdout).lines().next().unwrap_or(Ok(String::new()))
        })
        .await??;
        let url = line.strip_prefix("listening on ").context("the gateway did not start")?;
        Ok((process, url.to_owned()))
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where this fails.
        drop(self.kill());
    }
}

/// A temporary folder, removed in the end.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("replaysafe-demo-{}", std::process::id()));
        // Not `create_dir_all`: a folder that somebody else has made here is not ours to write keys into.
        std::fs::create_dir(&path)
            .with_context(|| format!("making the temporary folder `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is no reason to fail.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

async fn service(behaviour: Behaviour) -> anyhow::Result<MemoryTarget> {
    let behaviour = Behaviour { bearer: Some(TOKEN.to_owned()), ..behaviour };
    MemoryTarget::start(behaviour).await.context("starting the in-memory service")
}

fn key_of(ledger: &Path) -> PathBuf {
    ledger.with_extension("key")
}

/// Where the service is mounted, and so the gateway.
const PATH: &str = "/scim/v2";

/// Short, so that the demonstration is: the service alone answers within milliseconds or never.
const PATIENCE_DIRECT: Duration = Duration::from_secs(2);

/// 55 s: an impatient provisioning client gives up after 60 s.
const PATIENCE_THROUGH: Duration = Duration::from_secs(55);
