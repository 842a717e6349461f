//! `replaysafe gateway`: serves SCIM in front of a SCIM service.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::json;

use crate::{
    command::{LedgerArguments, policy, runtime},
    exit::{self, Exit},
    output::{self, Output},
    profile::Profile,
    wiring,
};

/// Serve SCIM in front of a SCIM service, so that repeats are safe.
///
/// The gateway serves the path of the service: with `--upstream http://up/scim/v2 --listen 127.0.0.1:8080`, a client is given `http://127.0.0.1:8080/scim/v2`.
/// Creates, updates and deletes of Users, Groups and whatever else the service lists in `/ResourceTypes` are made safe to repeat; so are bulk requests, operation by operation, whether or not the service takes any; everything else streams through untouched, but for `/Me` and unknown changing paths, which are answered with 501.
/// Prints `listening on http://ADDR` when it is ready. `GET /healthz` and `GET /readyz` tell how it is.
/// SIGTERM or SIGINT ends it after the requests that are under way; those that take longer than 55 seconds are cut off, and it ends with 1.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  replaysafe gateway --upstream http://127.0.0.1:9000/scim/v2 \\
      --listen 127.0.0.1:8080 --ledger sqlite:replaysafe.db

  replaysafe gateway --upstream https://scim.example.com/v2 \\
      --listen 0.0.0.0:8443 --ledger sqlite:/var/lib/replaysafe/ledger.db \\
      --tls-cert cert.pem --tls-key key.pem --policy policy.toml

  replaysafe probe --target https://scim.example.com/v2 --output profile.toml
  replaysafe gateway --upstream https://scim.example.com/v2 \\
      --listen 127.0.0.1:8080 --ledger sqlite:replaysafe.db \\
      --profile profile.toml

A policy file, all of it optional, here with its default values; docs/rules.md
explains each by the rule in brackets:
  replay-window-seconds = 120   # an equal request without key is a retry (S2a)
  receipt-hours = 24            # a given key gets its receipt again (S10)
  adopt = \"never\"               # what others made: never, equal, matching (S18)
  existing = \"refuse\"           # create on what differs: refuse, update (S19)
  disabled = \"refuse\"           # create on a disabled one: refuse, reactivate (S22)
  returns = \"allow\"             # create after deletion: allow, approve, refuse (S21)
  delete-absent = \"as-known\"    # what is absent: as-known, success, not-found (S23)
  on-unknown = \"park\"           # nothing can be proved: park, retry-and-converge (S13)
  weak-identity = \"allow\"       # create that identifies nothing: allow, refuse (S2)
  create-secret = \"latest\"      # of attempts that nobody was told of: latest, first (S3a)
  version-header = \"\"           # where a source gives its own order: a header (S20)
  version-attribute = \"\"        # or an attribute, such as urn:example:hr:2.0:User:sequence
  source-missing = \"keep\"       # a plan's: not desired any more: keep, disable, delete (S32)
  privileged = []               # types never linked on names or e-mail (S17)
  safe-direction-passes = false # disable, delete, revoke without the ledger (S36)
  guard-window-hours = 24       # what other plans did lately counts with a plan (S33)
  [guard]                       # how much a plan may do before a person approves it (S33)
  revoke = { most = 5000, percent = 20 }
  disable = { most = 500, percent = 20 }
  delete = { most = 500, percent = 20 }
  [correlation]                 # attributes by which a type is found again (S16)
  # Group = [\"displayName\"]
  [credentials]                 # who shows tokens that name nobody, also after a change (S1)
  # hr = [\"SHA-256 of the old header's value\", \"and of the new one's\"]")]
pub(super) struct Arguments {
    /// The service's base URL, http or https, for example `https://scim.example.com/v2`
    #[arg(long, value_name = "URL")]
    upstream: String,
    /// The address to serve on, for example `127.0.0.1:8080`; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    #[command(flatten)]
    ledger: LedgerArguments,
    /// Say that the service of this ledger is now at `--upstream`, with all its data: for one start, as the ledger of another service is refused
    ///
    /// Receipts and entries stay as they are; what was learned about the service is forgotten, and learned anew.
    /// In front of another service, or of one whose data was lost, start with a new ledger.
    #[arg(long)]
    upstream_moved: bool,
    /// A policy in TOML, as `--help` shows it at its end [default: every member's default]
    #[arg(long, value_name = "FILE.toml")]
    policy: Option<PathBuf>,
    /// How the service behaves, as `replaysafe probe` has written it, maybe with a table `[declared]` of your own [default: what the service says of itself, and what is learned]
    ///
    /// What was measured counts before what the service says of itself; what is learned while serving counts before both.
    /// A file of another service is refused, and one whose facts do not follow from its figures; one by which nothing shows that repeats are safe is refused unless the policy names `on-unknown`.
    #[arg(long, value_name = "FILE.toml")]
    profile: Option<PathBuf>,
    /// Serve https with this certificate chain (PEM) [default: serve http]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve those alone who show a certificate that one of these authorities (PEM) has issued; its subject then is who earns receipts of keys, whatever credential goes to the service [default: no certificate is asked for]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Trust these certificates (PEM) for an https upstream, and no others [default: those of the system]
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// The Host that the service sees [default: keep for http, upstream for https]
    #[arg(long, value_enum)]
    host: Option<Host>,
    /// The scheme, host and port by which clients reach the gateway, for example `https://scim.example.com`, where TLS ends in front of it: the service's URLs begin so in every answer [default: the scheme that is served and the client's Host, or what a proxy says in X-Forwarded-Proto and X-Forwarded-Host]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Let unknown changing requests to this path below the base, and to those below it, through, unprotected, for example `/Me`; may be given more than once. What is protected stays so [default: none, they are answered with 501]
    #[arg(long, value_name = "PATH")]
    pass_unprotected: Vec<String>,
    /// A file with the value of `Authorization` for the gateway's own calls, with which it looks after what a crash interrupted, for example `Bearer …`
    ///
    /// The variable `REPLAYSAFE_UPSTREAM_CREDENTIAL` may hold the value itself.
    /// Without either each client's own credential is used, for 10 minutes after it was here, or its next request is waited for.
    #[arg(long, value_name = "FILE")]
    upstream_credential: Option<PathBuf>,
    /// Whose data this is: keys, names and receipts of one tenant mean nothing under another
    #[arg(long, default_value = "default", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    tenant: String,
}

/// Which Host the service sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Host {
    /// The client's: the service makes its URLs with it, and each client is told those with its own
    Keep,
    /// The service's own: absolute URLs in its answers are rewritten
    Upstream,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> anyhow::Result<Exit> {
    let guest = wiring::guest()?;
    let (policy, profile) =
        read_rules(arguments.policy.as_deref(), arguments.profile.as_deref(), &guest)?;
    let settings = wiring::GatewaySettings {
        upstream: arguments.upstream.clone(),
        listen: arguments.listen,
        work: wiring::WorkSettings {
            ledger: arguments.ledger.ledger.0.clone(),
            ledger_key: arguments.ledger.key_file(),
            upstream_moved: arguments.upstream_moved,
            policy,
            profile,
            credential: read_credential(arguments.upstream_credential.as_deref())?,
            tenant: arguments.tenant.clone(),
        },
        tls: arguments.tls_cert.clone().zip(arguments.tls_key.clone()),
        tls_client_ca: arguments.tls_client_ca.clone(),
        upstream_ca: arguments.upstream_ca.clone(),
        host: arguments.host,
        public_url: arguments.public_url.clone(),
        pass_unprotected: arguments.pass_unprotected.clone(),
        drain: None,
    };
    runtime()?.block_on(async {
        let mut stop = Stop::listen()?;
        let gateway = wiring::Gateway::start(guest, settings).await?;
        let url = gateway.url();
        output.line(&format!("listening on {url}"), &json!({ "listening": url }))?;
        stop.wait().await;
        output::remark_aside("stopping: finishing the requests that are under way".into());
        let stopped = gateway.stop().await;
        output::say_out();
        stopped.map(|_notes| Exit::Good)
    })
}

/// Policy and profile, as far as they are named: by what whoever sends requests goes.
pub(super) fn read_rules(
    policy: Option<&Path>,
    profile: Option<&Path>,
    guest: &wiring::Guest,
) -> anyhow::Result<(String, Option<Profile>)> {
    let (policy, names_unknown) = policy::read_naming(policy, guest, ON_UNKNOWN)?;
    let Some(file) = profile else { return Ok((policy, None)) };
    let profile = read_profile(file)?;
    if profile.rows().is_empty() && !names_unknown {
        return Err(no_row(file).into());
    }
    Ok((policy, Some(profile)))
}

/// The profile in a file.
pub(super) fn read_profile(path: &Path) -> anyhow::Result<Profile> {
    let name = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading the profile `{name}`"))?;
    let profile = Profile::read(&text);
    profile.map_err(|mistake| exit::usage(format!("the profile `{name}`, {mistake}")).into())
}

/// The profile shows nothing by which a repeat is safe: whoever goes on says what is to be lost (S13).
fn no_row(file: &Path) -> exit::Because {
    exit::usage(format!(
        "the profile `{}`: nothing shows that a repeated create is safe at this service, as what was made is not read at once, or \
         not found by search or list; measure again, or name the loss in the policy: `{ON_UNKNOWN} = \"park\"` makes at most one, \
         and a person decides what nobody can tell; `{ON_UNKNOWN} = \"retry-and-converge\"` may make two",
        file.display()
    ))
}

/// The value of `Authorization`, without the newline that editors add.
pub(super) fn read_credential(path: Option<&Path>) -> anyhow::Result<Option<String>> {
    credential(path, CREDENTIAL)
}

/// The same, of another service: `variable` may hold it.
pub(super) fn credential(path: Option<&Path>, variable: &str) -> anyhow::Result<Option<String>> {
    let (text, place) = match (path, std::env::var(variable)) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the credential file `{}`", path.display()))?;
            (text, path.display().to_string())
        }
        (None, Ok(text)) => (text, variable.to_owned()),
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

/// The member of a policy that says what is lost where nothing can be proved.
const ON_UNKNOWN: &str = "on-unknown";

/// The environment variable with the gateway's own credential.
const CREDENTIAL: &str = "REPLAYSAFE_UPSTREAM_CREDENTIAL";

/// The signals that end the gateway, or the prober.
pub(super) struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    pub(super) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
