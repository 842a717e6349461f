//! `replaysafe gateway`: serves SCIM in front of a SCIM service.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;

use crate::{
    command::{LedgerArguments, runtime},
    exit::{self, Exit},
    output::{self, Output},
    policy, wiring,
};

/// Serve SCIM in front of a SCIM service, so that repeats are safe.
///
/// The gateway serves the path of the service: with `--upstream http://up/scim/v2 --listen 127.0.0.1:8080`, a client is given `http://127.0.0.1:8080/scim/v2`.
/// Creates, updates and deletes of Users, Groups and whatever else the service lists in `/ResourceTypes` are made safe to repeat; everything else streams through untouched.
/// Prints `listening on http://ADDR` when it is ready. SIGTERM or SIGINT ends it after the requests that are under way.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  replaysafe gateway --upstream http://127.0.0.1:9000/scim/v2 \\
      --listen 127.0.0.1:8080 --ledger sqlite:replaysafe.db

  replaysafe gateway --upstream https://scim.example.com/v2 --listen 0.0.0.0:8443 \\
      --ledger sqlite:/var/lib/replaysafe/ledger.db --policy policy.toml \\
      --tls-cert cert.pem --tls-key key.pem

A policy file, all of it optional, with its default values; docs/rules.md explains each:
  replay-window-seconds = 120   # how long an equal request without key is taken for a retry
  receipt-hours = 24            # how long a given key gets its receipt again
  adopt = \"never\"             # resources that others made: never, equal, matching
  existing = \"refuse\"         # a create on a resource that differs: refuse, update
  disabled = \"refuse\"         # a create on a disabled account: refuse, reactivate
  returns = \"allow\"           # a create after a deletion: allow, refuse
  on-unknown = \"park\"         # presence and absence cannot be proved: park, retry-and-converge
  weak-identity = \"allow\"     # a create that identifies nothing: allow, refuse
  [correlation]                 # attributes by which resources are found again
  # Group = [\"displayName\"]")]
pub(super) struct Arguments {
    /// The service's base URL, http or https
    #[arg(long, value_name = "URL")]
    upstream: String,
    /// The address to serve on; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    #[command(flatten)]
    ledger: LedgerArguments,
    /// A policy in TOML
    #[arg(long, value_name = "FILE.toml")]
    policy: Option<PathBuf>,
    /// Serve https with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Trust these certificates (PEM) for an https upstream, and no others
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// The Host that the service sees: the client's, or its own, with URLs in its answers rewritten. Default: keep for http, upstream for https
    #[arg(long, value_enum)]
    host: Option<Host>,
    /// Let unknown changing requests to this path through, unprotected; may be given more than once
    #[arg(long, value_name = "PATH")]
    pass_unprotected: Vec<String>,
    /// A file with an `Authorization` value of the gateway's own, for recovery after a crash. The variable `REPLAYSAFE_UPSTREAM_CREDENTIAL` may hold the value itself
    #[arg(long, value_name = "FILE")]
    upstream_credential: Option<PathBuf>,
    /// Whose data this is: nothing crosses a tenant
    #[arg(long, default_value = "default", value_name = "NAME")]
    tenant: String,
}

/// Which Host the service sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Host {
    /// The client's.
    Keep,
    /// The upstream's own; absolute URLs in its answers are rewritten.
    Upstream,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    let settings = wiring::GatewaySettings {
        upstream: arguments.upstream.clone(),
        listen: arguments.listen,
        ledger: arguments.ledger.ledger.0.clone(),
        ledger_key: arguments.ledger.key_file(),
        policy: read_policy(arguments.policy.as_ref())?,
        tls: arguments.tls_cert.clone().zip(arguments.tls_key.clone()),
        upstream_ca: arguments.upstream_ca.clone(),
        host: arguments.host,
        pass_unprotected: arguments.pass_unprotected.clone(),
        credential: read_credential(arguments.upstream_credential.as_ref())?,
        tenant: arguments.tenant.clone(),
    };
    runtime()?.block_on(async {
        let mut stop = Stop::listen()?;
        let guest = wiring::guest()?;
        let gateway = wiring::Gateway::start(guest, settings).await?;
        let url = gateway.url();
        output.result(&format!("listening on {url}"), &json!({ "listening": url }))?;
        stop.wait().await;
        output::remark("stopping: finishing the requests that are under way");
        gateway.stop().await?;
        Ok(Exit::Good)
    })
}

/// The policy as JSON; `{}` where none is named.
fn read_policy(path: Option<&PathBuf>) -> anyhow::Result<String> {
    let Some(path) = path else { return Ok("{}".to_owned()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading the policy `{}`", path.display()))?;
    let policy = policy::from_toml(&text)
        .map_err(|refusal| exit::usage(format!("`{}`: {refusal}", path.display())))?;
    Ok(policy.to_string())
}

/// The value of `Authorization`, without the newline that editors add.
fn read_credential(path: Option<&PathBuf>) -> anyhow::Result<Option<String>> {
    let (text, place) = match (path, std::env::var(CREDENTIAL)) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the credential file `{}`", path.display()))?;
            (text, path.display().to_string())
        }
        (None, Ok(text)) => (text, CREDENTIAL.to_owned()),
        (None, Err(_unset)) => return Ok(None),
    };
    let credential = text.trim();
    if credential.is_empty() || !credential.chars().all(|letter| matches!(letter, ' '..='~')) {
        return Err(exit::usage(format!(
            "`{place}` must hold one line, the value of `Authorization`, for example `Bearer …`"
        ))
        .into());
    }
    Ok(Some(credential.to_owned()))
}

/// The environment variable with the gateway's own credential.
const CREDENTIAL: &str = "REPLAYSAFE_UPSTREAM_CREDENTIAL";

/// The signals that end the gateway.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
