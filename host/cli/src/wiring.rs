//! How the parts of the library are put together: the only place of the command line that names them all.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use http::{HeaderValue, Uri, header};
use replaysafe::{
    applier::{
        self, Agenda, Applier, Pace, Progress,
        guard::{self, PlanApproval},
    },
    auditor::{Auditor, Census, Recalled, Unknown},
    clock::{Clock as _, SystemClock},
    contract::{ById, EntryId, Field, Question, Report, Schema, Scope, Sight, Situation},
    keys::LedgerKey,
    ledger::{Journal, Ledger as _, Note, PlanRecord, RecordedStep, SqliteLedger},
    target::{
        Caller, Target as _,
        population::{Paging, Unread},
        scim::ScimTarget,
        upstream::{Roots, Upstream},
    },
};
use replaysafe_gateway::{
    GatewayOptions, HostMode, PathBelow, ServeError, serve, serve::tls as gateway_tls,
};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};

pub(crate) use replaysafe::guest::{
    COMPONENT, COMPONENT_SHA256, CORE_MODULE, Description, Guest, PLANNING_COMPONENT,
    PLANNING_CORE_MODULE,
};
use replaysafe::{
    guest::{GuestError, GuestOptions, PlanningGuest},
    provisioner::{
        Options, Provisioner,
        operator::{self, Approval, Matter, Resolution, Resolved},
    },
};

use crate::{
    command::gateway::Host,
    exit, output,
    output::{Output, shown},
    population::Resources,
    probe::{self, Measured},
    profile::Profile,
    teller::Teller,
};

/// The component in its sandbox.
///
/// Its compiled code is kept in the user's cache folder, so that the next start takes milliseconds.
/// Where that cannot be a folder of ours alone it is not used, and the component is compiled anew.
pub(crate) fn guest() -> anyhow::Result<Guest> {
    started(&GuestOptions::default())
}

/// `replaysafe` in `$XDG_CACHE_HOME`, else in `~/.cache` (XDG Base Directory Specification 0.8).
fn cache_folder() -> Option<PathBuf> {
    // A relative path is invalid by that specification, and would depend on where we are started.
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("replaysafe"))
}

/// The component with a limit of fuel, so that running out of it is the same on every machine.
pub(crate) fn guest_with_fuel() -> anyhow::Result<Guest> {
    started(&GuestOptions { fuel: Some(EXPLAIN_FUEL), ..GuestOptions::default() })
}

fn started(options: &GuestOptions) -> anyhow::Result<Guest> {
    let cached = GuestOptions { cache: cache_folder(), ..options.clone() };
    let guest = match Guest::embedded_with(&cached) {
        Err(GuestError::Cache { .. }) => Guest::embedded_with(options),
        other => other,
    };
    guest.context("starting the component")
}

/// The component that plans, in its sandbox.
pub(crate) fn planning_guest() -> anyhow::Result<PlanningGuest> {
    let cached = GuestOptions { cache: cache_folder(), ..GuestOptions::default() };
    let guest = match PlanningGuest::load(PLANNING_COMPONENT, &cached) {
        Err(GuestError::Cache { .. }) => PlanningGuest::embedded(),
        other => other,
    };
    guest.context("starting the component that plans")
}

/// What a service shows: its schema, what it says of itself, and its resources.
pub(crate) struct Shown {
    /// For `settings.schema`.
    pub(crate) schema: String,
    /// For `settings.profile`.
    pub(crate) declared: Vec<Field>,
    /// All resources of the types that were asked for.
    pub(crate) resources: Resources,
    /// The service that showed them, in one spelling.
    pub(crate) target: Option<String>,
}

/// A live service, of which resources are read.
pub(crate) struct Live<'a> {
    url: &'a str,
    target: ScimTarget,
    caller: Caller,
    schema: Schema,
    paging: Paging,
    /// It has told which types it has.
    complete: bool,
}

impl<'a> Live<'a> {
    /// Asks a service what it says of itself. `option` is where it was named.
    pub(crate) async fn open(
        guest: &Guest,
        service: &Service<'a>,
        option: &str,
    ) -> anyhow::Result<Self> {
        let upstream = Upstream::new(service.url, &roots(service.ca)?)
            .map_err(|refusal| exit::usage(format!("{option}: {refusal}")))?;
        let target = ScimTarget { upstream, clock: Arc::new(SystemClock) };
        let caller = caller(service.credential)?;
        let discovery = target.discover(&caller).await;
        let schema = guest.read_schema(
            discovery.resource_types.as_deref(),
            discovery.schemas.as_deref(),
            discovery.service_provider_config.as_deref(),
        )?;
        let paging = paging(discovery.service_provider_config.as_deref());
        let complete = discovery.complete && discovery.resource_types.is_some();
        Ok(Self { url: service.url, target, caller, schema, paging, complete })
    }

    /// Whether all its types are known.
    pub(crate) fn is_whole(&self) -> bool {
        self.complete
    }

    /// The types that it has.
    pub(crate) fn kinds(&self) -> BTreeSet<String> {
        self.schema.endpoints.iter().map(|endpoint| endpoint.resource_type.clone()).collect()
    }

    /// Reads all resources of these types.
    pub(crate) async fn read(
        &self,
        kinds: &BTreeSet<String>,
        output: Output,
    ) -> anyhow::Result<Shown> {
        let mut resources = Resources::new();
        for kind in kinds {
            if !self.kinds().contains(kind) {
                let known = self.schema.endpoints.iter();
                let known = known.map(|endpoint| endpoint.resource_type.as_str());
                let known = shown(&known.collect::<Vec<_>>().join(", "));
                let kind = shown(kind);
                let what = format!("the service has no resource type `{kind}`; it has {known}");
                return Err(exit::usage(what).into());
            }
            output.progress(&format!("reading all of type {kind}"));
            let teller = Teller::new(output, format!("of type {kind}"));
            let told = |come: usize, total: Option<usize>| teller.tell(come, total, "");
            let endpoints = &self.schema.endpoints;
            let read =
                self.target.read_all(kind, endpoints, &self.caller, self.paging, &told).await;
            let documents = read.map_err(|why| {
                let may_not = matches!(why, Unread::Refused(401 | 403));
                let advice = match may_not {
                    true => "; name a credential that may read with `--target-credential FILE`",
                    false => "",
                };
                exit::environment(format!("reading {kind} from {}: {why}{advice}", self.url))
            })?;
            output.progress(&format!("{} of type {kind}", documents.len()));
            resources.insert(kind.clone(), documents);
        }
        let Schema { document, declared, .. } = &self.schema;
        let target = Some(self.target.upstream.base().place());
        Ok(Shown { schema: document.clone(), declared: declared.clone(), resources, target })
    }

    /// Those of these references that lead nowhere: each is asked for by its id, three times, and always answered with 404 or 410.
    ///
    /// Of a type of which nothing is shown by its id such an answer means nothing; nor does one of a service that does not say which types it has.
    pub(crate) async fn nowhere(&self, census: &Census, output: Output) -> BTreeSet<Unknown> {
        let unknown = census.unknown();
        if unknown.is_empty() || !self.complete {
            return BTreeSet::new();
        }
        let mut blind = self.kinds();
        for (kind, id) in census.witnesses() {
            if self.status(kind, id).await == Some(200) {
                blind.remove(kind);
            }
        }
        let teller = Teller::new(output, "ids looked for that are referred to");
        let (kinds, total) = (self.kinds(), unknown.len());
        let mut nowhere = BTreeSet::new();
        for (at, one) in unknown.into_iter().enumerate() {
            teller.tell(at, Some(total), "");
            let asked: BTreeSet<&String> = kinds
                .iter()
                .filter(|kind| one.resource_type.as_ref().is_none_or(|of| of == *kind))
                .collect();
            let mut gone = !asked.is_empty();
            for kind in asked.iter().copied().cycle().take(asked.len() * TRIES) {
                let absent = matches!(self.status(kind, &one.id).await, Some(404 | 410));
                gone &= absent && !blind.contains(kind);
                if !gone {
                    break;
                }
            }
            if gone {
                nowhere.insert(one);
            }
        }
        nowhere
    }

    /// What the service answers to an id.
    async fn status(&self, kind: &str, id: &str) -> Option<u16> {
        let question = Question::ById(ById { resource_type: kind.to_owned(), id: id.to_owned() });
        let endpoints = &self.schema.endpoints;
        match self.target.observe(&question, endpoints, &self.caller, &|page| page).await {
            Sight::Answered(answer) => Some(answer.status),
            Sight::Listed(_) | Sight::Refused(_) | Sight::Nothing => None,
        }
    }
}

/// A target whose replicas differ says so at the second or third time (S14b).
const TRIES: usize = 3;

/// By cursors, where the service says that it has them (RFC 9865 section 4).
fn paging(service_provider_config: Option<&str>) -> Paging {
    let says = |text: &str| {
        let config: serde_json::Value = serde_json::from_str(text).ok()?;
        config.pointer("/pagination/cursor")?.as_bool()
    };
    match service_provider_config.and_then(says) {
        Some(true) => Paging::Cursor,
        Some(false) | None => Paging::Index,
    }
}

/// How a service is reached.
pub(crate) struct Service<'a> {
    /// Its base URL.
    pub(crate) url: &'a str,
    /// The certificates to trust, if not those of the system.
    pub(crate) ca: Option<&'a Path>,
    /// The value of `Authorization`.
    pub(crate) credential: Option<&'a str>,
}

/// Who calls a service by a command.
fn caller(authorization: Option<&str>) -> anyhow::Result<Caller> {
    let accept = HeaderValue::from_static("application/scim+json, application/json");
    let mut caller = Caller { headers: vec![(header::ACCEPT, accept)], query: None };
    if let Some(authorization) = authorization {
        caller.headers.push((header::AUTHORIZATION, secret(authorization)?));
    }
    Ok(caller)
}

fn roots(ca: Option<&Path>) -> anyhow::Result<Roots> {
    Ok(match ca {
        None => Roots::System,
        Some(file) => Roots::Pem(read(file, "the service's certificates")?),
    })
}

/// Calls a function of the contract through the JSON door.
pub(crate) fn call_json(guest: &Guest, function: &str, input: &str) -> anyhow::Result<String> {
    guest.call_json(function, input).context("asking the component")
}

/// Asks the component for a policy's canonical form; the error is a sentence.
pub(crate) fn check_policy(guest: &Guest, policy: &serde_json::Value) -> Result<String, String> {
    guest.check_policy(&policy.to_string()).map_err(|refusal| {
        if let GuestError::Contract(refusal) = refusal {
            return refusal.detail;
        }
        refusal.to_string()
    })
}

/// Runs a recorded step again and gives what the component gives for it, in the spelling of the record.
pub(crate) fn run_again(guest: &Guest, step: &RecordedStep) -> anyhow::Result<String> {
    let Inputs { situation, report } =
        serde_json::from_str(&step.input).context("reading the recorded inputs")?;
    let given = match step.function.as_str() {
        "admit" => guest.admit(&situation),
        "decide" => guest.decide(&situation),
        "settle" => guest.settle(&situation, report.as_ref()),
        other => anyhow::bail!("the recorded function `{other}` is unknown here"),
    };
    Ok(serde_json::to_string(&given.context("asking the component")?)?)
}

/// What the library records of a call.
#[derive(serde::Deserialize)]
struct Inputs {
    situation: Situation,
    report: Option<Report>,
}

/// Opens the ledger in the file `path` for reading, with the key in the file `key`. A gateway may have it open.
pub(crate) fn open_ledger(path: &Path, key: &Path) -> anyhow::Result<SqliteLedger> {
    Ok(SqliteLedger::open_read_only(path, open_key(key, path)?)?)
}

/// What waits for a person in the ledger in the file `path`, and the time.
pub(crate) async fn matters(
    guest: &Guest,
    path: &Path,
    key: &Path,
) -> anyhow::Result<(Vec<Matter>, Vec<PlanRecord>, u64)> {
    let (now, opened) = (SystemClock.now(), open_key(key, path)?);
    let ledger = SqliteLedger::open_read_only(path, Arc::clone(&opened))?;
    let matters = operator::matters(guest, &ledger, &opened, now).await?;
    Ok((matters, guard::waiting(&ledger, now).await?, now))
}

/// What a ledger knows of what is there.
pub(crate) async fn recall(
    auditor: &Auditor,
    census: &Census,
    path: &Path,
    key: &Path,
    tenant: &str,
) -> anyhow::Result<Recalled> {
    let key = open_key(key, path)?;
    let ledger = SqliteLedger::open_read_only(path, Arc::clone(&key))?;
    let Options { target, .. } = Options::default();
    let (source, principal) = ("default".to_owned(), String::new());
    let scope = Scope { tenant: tenant.to_owned(), target, source, principal };
    Ok(auditor.recall(census, &ledger, &key, &scope, SystemClock.now()).await?)
}

/// Lets a plan begin that waits for a person.
pub(crate) async fn approve_plan(
    path: &Path,
    key: &Path,
    digest: &str,
    stands: Duration,
) -> anyhow::Result<PlanApproval> {
    let ledger = SqliteLedger::open_beside(path, open_key(key, path)?)?;
    let now = SystemClock.now();
    let until = now.saturating_add(u64::try_from(stands.as_millis()).unwrap_or(u64::MAX));
    Ok(guard::approve(&ledger, digest, until, now).await?)
}

/// Says what a parked request has made, in the ledger in the file `path`. A gateway may have it open.
pub(crate) async fn resolve(
    guest: &Guest,
    path: &Path,
    key: &Path,
    decision: &EntryId,
    resolution: &Resolution,
) -> anyhow::Result<Resolved> {
    let key = open_key(key, path)?;
    let ledger = SqliteLedger::open_beside(path, Arc::clone(&key))?;
    let now = SystemClock.now();
    Ok(operator::resolve(guest, &ledger, &key, decision, resolution, now).await?)
}

/// Lets a return go that waits in the ledger in the file `path`, for so long. A gateway may have it open.
pub(crate) async fn approve(
    guest: &Guest,
    path: &Path,
    key: &Path,
    decision: &EntryId,
    stands: Duration,
) -> anyhow::Result<Approval> {
    let key = open_key(key, path)?;
    let ledger = SqliteLedger::open_beside(path, Arc::clone(&key))?;
    let now = SystemClock.now();
    let until = now.saturating_add(u64::try_from(stands.as_millis()).unwrap_or(u64::MAX));
    Ok(operator::approve(guest, &ledger, &key, decision, until, now).await?)
}

fn open_key(path: &Path, ledger: &Path) -> anyhow::Result<Arc<LedgerKey>> {
    Ok(Arc::new(LedgerKey::of_ledger(path, ledger)?))
}

/// What whoever provisions at a service is put together from, beside the component and the service.
#[derive(Clone, Debug)]
pub(crate) struct WorkSettings {
    pub(crate) ledger: PathBuf,
    pub(crate) ledger_key: PathBuf,
    pub(crate) upstream_moved: bool,
    pub(crate) policy: String,
    pub(crate) profile: Option<Profile>,
    /// For what is looked after without a client.
    pub(crate) credential: Option<String>,
    pub(crate) tenant: String,
}

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub(crate) struct GatewaySettings {
    pub(crate) upstream: String,
    pub(crate) listen: SocketAddr,
    pub(crate) work: WorkSettings,
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    pub(crate) tls_client_ca: Option<PathBuf>,
    pub(crate) upstream_ca: Option<PathBuf>,
    pub(crate) host: Option<Host>,
    pub(crate) public_url: Option<String>,
    pub(crate) pass_unprotected: Vec<String>,
    /// How long requests under way may take at its end; none: as long as the library lets them.
    pub(crate) drain: Option<Duration>,
}

impl GatewaySettings {
    /// In front of a service at `upstream`, on a free port of this machine, with nothing else said.
    pub(crate) fn local(upstream: &str, ledger: PathBuf) -> Self {
        Self {
            upstream: upstream.to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            work: WorkSettings {
                ledger_key: ledger.with_extension("key"),
                ledger,
                upstream_moved: false,
                policy: "{}".to_owned(),
                profile: None,
                credential: None,
                tenant: "default".to_owned(),
            },
            tls: None,
            tls_client_ca: None,
            upstream_ca: None,
            host: None,
            public_url: None,
            pass_unprotected: Vec::new(),
            drain: None,
        }
    }
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
            .map_err(|refusal| exit::usage(format!("--upstream: {refusal}")))?
            .telling(output::note_failure);
        if let Some(profile) = &settings.work.profile {
            is_of(profile, "--upstream", &upstream, &roots)?;
        }
        let tls = match &settings.tls {
            None => None,
            Some((chain, key)) => {
                let (chain, key) = (read(chain, "the certificate")?, read(key, "its key")?);
                let clients = settings.tls_client_ca.as_ref();
                let clients = clients.map(|file| read(file, "the roots of client certificates"));
                let tls = gateway_tls(&chain, &key, clients.transpose()?.as_deref())
                    .map_err(|refusal| exit::usage(refusal.to_string()))?;
                Some(tls)
            }
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let usual = GatewayOptions::default();
        let options = GatewayOptions {
            host: settings.host.map(|host| match host {
                Host::Keep => HostMode::Keep,
                Host::Upstream => HostMode::Upstream,
            }),
            pass_unprotected: settings
                .pass_unprotected
                .iter()
                .map(|path| unprotected(path, &upstream))
                .collect::<Result<_, _>>()?,
            public_origin: settings.public_url.as_deref().map(origin).transpose()?,
            tls,
            drain: settings.drain.unwrap_or(usual.drain),
            ..usual
        };
        // Before the ledger is made: a mistake in the address should leave nothing behind.
        let listener = TcpListener::bind(settings.listen).await.map_err(|refusal| {
            exit::environment(format!(
                "cannot listen on {}: {refusal}; name another address with `--listen`",
                settings.listen
            ))
        })?;
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let provisioner = provisioner(guest, upstream.clone(), &settings.work).await?;
        let recovering = tokio::spawn({
            let provisioner = provisioner.clone();
            async move { provisioner.recover_always().await }
        });
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(async move {
            // A sender that is gone ends it too.
            let shutdown = async { ended.await.unwrap_or_default() };
            let served = serve(Arc::new(provisioner), upstream, listener, options, shutdown).await;
            recovering.abort();
            // The ledger is closed when the last one who uses it has ended.
            drop(recovering.await);
            served
        });
        let WorkSettings { ledger, ledger_key, .. } = settings.work;
        Ok(Self { url, ledger: (ledger, ledger_key), end, serving })
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

/// A profile counts for the service that it was measured at.
fn is_of(
    profile: &Profile,
    option: &str,
    upstream: &Upstream,
    roots: &Roots,
) -> anyhow::Result<()> {
    let wrong =
        |why: String| exit::usage(format!("--profile: `target = \"{}\"`: {why}", profile.target));
    let measured = Upstream::new(&profile.target, roots);
    let measured = measured.map_err(|refusal| wrong(refusal.to_string()))?.base().place();
    let place = upstream.base().place();
    if measured == place {
        return Ok(());
    }
    Err(wrong(format!(
        "{option} is {place}: name the profile of this service; if it is the same service under another name, write that name here"
    ))
    .into())
}

/// Measures a service (S40).
pub(crate) async fn measure(
    target: &str,
    ca: Option<&Path>,
    credential: Option<&str>,
    stop: watch::Receiver<bool>,
    told: &dyn Fn(&str),
) -> anyhow::Result<(String, Measured)> {
    let upstream = Upstream::new(target, &roots(ca)?)
        .map_err(|refusal| exit::usage(format!("--target: {refusal}")))?;
    let credential = credential.map(secret).transpose()?;
    let place = upstream.base().place();
    Ok((place, probe::measure(upstream, credential, stop, told).await))
}

/// Where a service is, in one spelling.
pub(crate) fn place(service: &Service<'_>) -> anyhow::Result<String> {
    let upstream = Upstream::new(service.url, &roots(service.ca)?)
        .map_err(|refusal| exit::usage(format!("--target: {refusal}")))?;
    Ok(upstream.base().place())
}

/// Carries out a plan at a service. `told` hears of each effect that has come to its end.
pub(crate) async fn apply(
    guest: Guest,
    service: &Service<'_>,
    settings: &WorkSettings,
    pace: Pace,
    agenda: &Agenda,
    told: &(dyn Fn(Progress) + Send + Sync),
    stop: watch::Receiver<bool>,
) -> anyhow::Result<applier::Report> {
    let roots = roots(service.ca)?;
    let upstream = Upstream::new(service.url, &roots)
        .map_err(|refusal| exit::usage(format!("--target: {refusal}")))?
        .telling(output::note_failure);
    if let Some(profile) = &settings.profile {
        is_of(profile, "--target", &upstream, &roots)?;
    }
    let caller = caller(service.credential)?;
    let planning = planning_guest()?;
    let provisioner = provisioner(guest, upstream, settings).await?;
    let recovering = tokio::spawn({
        let provisioner = provisioner.clone();
        async move { provisioner.recover_always().await }
    });
    let applier = Applier { provisioner, planning, caller, pace };
    let report = applier.apply(agenda, told, stop).await;
    recovering.abort();
    // The ledger is closed when the last one who uses it has ended.
    drop(recovering.await);
    Ok(report?)
}

/// Scheme and authority of a URL that has nothing else: below them is the service's own path.
fn origin(url: &str) -> anyhow::Result<String> {
    let wrong = || {
        exit::usage(format!(
            "--public-url: `{url}` must be like `https://scim.example.com`, without a path"
        ))
    };
    let parsed: Uri = url.parse().map_err(|_no_url| wrong())?;
    let (Some(scheme), Some(authority)) = (parsed.scheme_str(), parsed.authority()) else {
        return Err(wrong().into());
    };
    let bare = parsed.path() == "/" && parsed.query().is_none();
    if !bare || !["http", "https"].contains(&scheme) || authority.as_str().contains('@') {
        return Err(wrong().into());
    }
    Ok(format!("{scheme}://{authority}"))
}

fn unprotected(path: &str, upstream: &Upstream) -> anyhow::Result<PathBelow> {
    let mistake = |why| exit::usage(format!("--pass-unprotected: `{path}`: {why}"));
    Ok(PathBelow::new(path, upstream.base()).map_err(mistake)?)
}

fn read(file: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("reading {what} from `{}`", file.display()))
}

/// What answers provisioning requests: guest, ledger and target, joined.
async fn provisioner(
    guest: Guest,
    upstream: Upstream,
    settings: &WorkSettings,
) -> anyhow::Result<Provisioner<SqliteLedger, ScimTarget>> {
    let policy = guest.check_policy(&settings.policy).context("checking the policy")?;
    let key = open_key(&settings.ledger_key, &settings.ledger)?;
    let ledger = SqliteLedger::open(&settings.ledger, Arc::clone(&key))
        .with_context(|| format!("opening the ledger `{}`", settings.ledger.display()))?;
    let place = upstream.base().place();
    if settings.upstream_moved {
        ledger.move_to(&place).await?;
    }
    ledger.belong_to(&place).await.with_context(|| {
        format!(
            "the ledger `{}` is not that of {place}; name the ledger of this service or, if the service of this ledger has moved \
             here with all its data, start `replaysafe gateway` once with `--upstream-moved`",
            settings.ledger.display()
        )
    })?;
    let mut beside = settings.ledger.clone().into_os_string();
    beside.push(".unrecorded");
    let journal = Journal::open(&beside, Arc::clone(&key))
        .with_context(|| format!("opening the journal `{}`", beside.display()))?;
    let target = ScimTarget { upstream, clock: Arc::new(SystemClock) };
    let credential = settings.credential.as_deref().map(credential).transpose()?;
    let options = Options {
        tenant: settings.tenant.clone(),
        policy,
        credential,
        on_failure: output::note_failure,
        journal: Some(Arc::new(journal)),
        profile: settings.profile.as_ref().map(Profile::fields).unwrap_or_default(),
        planning: Some(planning_guest()?),
        ..Options::default()
    };
    Provisioner::new(guest, ledger, target, key, options).context("joining the parts")
}

/// On whose behalf recovery calls the target.
fn credential(authorization: &str) -> anyhow::Result<Caller> {
    Ok(Caller { headers: vec![(header::AUTHORIZATION, secret(authorization)?)], query: None })
}

fn secret(authorization: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(authorization).context("reading the credential")?;
    value.set_sensitive(true);
    Ok(value)
}

/// A thousand times what the largest decision of the tests takes.
const EXPLAIN_FUEL: u64 = 10_000_000_000;

/// Bytes as lower-case hexadecimal text.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens a ledger and audits it.
pub(crate) async fn audit(path: &Path, key: &Path) -> anyhow::Result<Vec<Note>> {
    Ok(open_ledger(path, key)?.audit().await?)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
    };

    use tempfile::TempDir;
    use tokio::runtime::Runtime;

    use super::*;
    use crate::{
        exit::Exit,
        memory::{Behaviour, Fault, Lost, MemoryTarget, Verb},
    };

    /// A request that outlasts the end is cut off, which is told as such; the next start goes on with it.
    #[test]
    fn an_end_that_cuts_off_is_negative_and_loses_nothing() {
        let folder = TempDir::new().unwrap();
        let services = Runtime::new().unwrap();
        let target = services.block_on(MemoryTarget::start(Behaviour::lenient())).unwrap();
        target.strike(Fault::next(Verb::Post, "/Users", Lost::Slow(Duration::from_secs(3600))));
        let guest = Guest::embedded().unwrap();
        let mut settings = GatewaySettings::local(&target.base(), folder.path().join("a.db"));
        settings.drain = Some(Duration::from_millis(50));
        let process = Runtime::new().unwrap();
        let gateway = process.block_on(Gateway::start(guest.clone(), settings.clone())).unwrap();
        let client = asked(&gateway);
        while target.resources("Users").is_empty() {
            std::thread::yield_now();
        }
        let error = process.block_on(gateway.stop()).unwrap_err();
        drop((process, client));
        let told = error.to_string();
        assert_eq!(Exit::of(&error), Exit::Negative, "{told}");
        assert!(told.contains("50ms") && told.contains("1 protected request"), "{told}");
        assert!(told.contains("cut off") && told.contains("in the ledger"), "{told}");

        settings.drain = None;
        let process = Runtime::new().unwrap();
        let gateway = process.block_on(Gateway::start(guest, settings)).unwrap();
        let mut answer = String::new();
        asked(&gateway).read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        assert_eq!((target.writes(), target.resources("Users").len()), (1, 1));
        assert!(process.block_on(gateway.stop()).unwrap().is_empty());
    }

    /// A client that has sent a create.
    fn asked(gateway: &Gateway) -> TcpStream {
        let address = gateway.url().strip_prefix("http://").unwrap().to_owned();
        let body = r#"{"userName":"ada@example.org","externalId":"1"}"#;
        let length = body.len();
        let mut client = TcpStream::connect(&address).unwrap();
        write!(
            client,
            "POST /scim/v2/Users HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer t\r\nConnection: close\r\n\
             Content-Type: application/scim+json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        client
    }
}
