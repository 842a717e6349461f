//! READ FIRST: the loop that asks the component, writes the ledger, acts on the target, and reports back.
//!
//! Nothing is decided here. The component says what to look at, what to write and what to send; this
//! file does so in that order, and never sends before the record of it is durable.

mod aside;
pub mod batch;
mod memory;
pub mod operator;
mod secrets;
mod unrecorded;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use http::HeaderName;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use crate::{
    call::{Call, Named, Principal, Readiness, Recovery},
    clock::{Clock, SystemClock},
    contract::{
        Action, Answer, Divergence, Effect, EffectBody, Endpoint, Entry, EntryId, Evidence, Field,
        Found, Identification, Name, NameKind, Observation, Outcome, Question, Reading, Report,
        Request, Retry, Schema, Scope, Settings, Sight, Situation, Stage, Step, Tag, Tags, Verdict,
        Write,
    },
    guest::{Guest, GuestError, PlanningGuest},
    keys::{LedgerKey, frame, hex},
    ledger::{Journal, Leased, Ledger, LedgerError, Record, RecordedStep, Waiting},
    monitor::{self, Function},
    target::{Body, Caller, Target},
};
use memory::{Callers, Known, Saying, Scan, Use, Who};
use secrets::Secrets;
pub(crate) use secrets::secret_paths;
use unrecorded::{Drain, Scratch};

/// Makes provisioning requests safe to repeat.
///
/// Cheap to clone; every clone is the same provisioner.
pub struct Provisioner<L, T>(Arc<Inner<L, T>>);

impl<L, T> Clone for Provisioner<L, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L, T> std::fmt::Debug for Provisioner<L, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provisioner").field("options", &self.0.options).finish_non_exhaustive()
    }
}

/// How a provisioner works. The default is safe.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose data this is. Nothing crosses a tenant.
    pub tenant: String,
    /// The name of the target: it scopes keys, names and what is learned.
    pub target: String,
    /// The policy document (S45); `{}` is the default policy.
    pub policy: String,
    /// How long a request waits for others on the same names (S5).
    pub queue_wait: Duration,
    /// For how long an answer is worked on before it is `in-flight` or `unresolved` (S43a). A call of the target
    /// that is under way then is waited for: whoever answers a client in time waits on the task of
    /// [`Provisioner::provision`] for this long and lets it run on, as the gateway does.
    pub answer_budget: Duration,
    /// A credential of our own, to look at the target with after what was interrupted (S41). Nothing is sent
    /// again with it that the target has not accepted from its sender.
    pub credential: Option<Caller>,
    /// Told in one line what broken machinery a 503 or a failing scan comes of: for the operator's log.
    /// The line holds no personal data and no secret.
    pub on_failure: fn(&str),
    /// Where it is written what goes out while the ledger cannot be used, where policy lets it (S36); none:
    /// nothing goes out. What an earlier process has left in it is entered before the ledger is used.
    pub journal: Option<Arc<Journal>>,
    /// What is known of the target beforehand, as a prober measures it or an operator knows it: facts in the contract's
    /// spelling (S40). They count before what the target says of itself; what is learned of it counts before them.
    pub profile: Vec<Field>,
    /// The component that puts batches in order (S31); none: no batch is taken.
    pub planning: Option<PlanningGuest>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tenant: "default".into(),
            target: "default".into(),
            policy: "{}".into(),
            queue_wait: Duration::from_secs(30),
            // Below the 60 seconds of the impatient.
            answer_budget: Duration::from_secs(50),
            credential: None,
            on_failure: |_| {},
            journal: None,
            profile: Vec::new(),
            planning: None,
        }
    }
}

struct Inner<L, T> {
    guest: Guest,
    ledger: L,
    target: T,
    key: Arc<LedgerKey>,
    clock: Arc<dyn Clock>,
    options: Options,
    named: Named,
    /// The header in which a source gives a version (S20).
    version_header: Option<HeaderName>,
    known: Known,
    callers: Callers,
    drain: Drain,
}

/// Why a request could not be brought to its end: broken machinery, never a refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// The component broke its contract, a limit, or itself.
    #[error("the decision could not be made")]
    Guest(#[from] GuestError),
    /// What the component asked for is not allowed (S43).
    #[error("the component's step was refused")]
    Monitor(#[from] monitor::Violation),
    /// The ledger cannot be used.
    #[error("the ledger cannot be used")]
    Ledger(#[from] LedgerError),
    /// What has not to be sent can wait for the ledger (S36).
    #[error("nothing has to be sent, and the ledger cannot be used")]
    Unrecorded,
    /// A line of the journal that does not become an entry: the ledger must not be used before it does (S36).
    #[error("line `{id}` of the journal cannot be entered in the ledger")]
    Unentered {
        /// The line.
        id: EntryId,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// One request on its way.
struct Run {
    request: Request,
    tags: Tags,
    safe_way: bool,
    caller: Caller,
    /// The digest of its credential; empty for the host's own.
    credential: String,
    /// What the credential may be used for.
    used: Use,
    /// Another credential may name its principal, one with other rights or one that is made up.
    made_up: bool,
    body: Option<Body>,
    /// Until when somebody waits for the answer, at most, and whether somebody still does; nobody: taken up again.
    awaited: Option<(Instant, Option<Weak<()>>)>,
    secrets: Secrets,
    settings: Settings,
    endpoints: Vec<Endpoint>,
    /// Ids for what may be made.
    new_entry: EntryId,
    new_identity: String,
    /// Names that the component asked for beside the request's own.
    claimed: Vec<Name>,
    /// Entries that were looked at and have not ended.
    tried: Vec<Entry>,
    /// The entry of an earlier try of this very request that it has brought to its end.
    resumed: Option<EntryId>,
    /// Whether others were passed (S14c).
    passed: bool,
    /// Whether policy lets it go out without the ledger (S36).
    may_pass: bool,
    /// It states single values of a list: a large resource is not read for them (S44).
    edges: bool,
    /// What stands for the ledger where that cannot be used (S36).
    scratch: Option<Scratch>,
    /// How often the component was asked for a step.
    steps: u32,
    /// How often what was read was outdated before it could be acted on.
    fenced: u32,
}

impl Run {
    /// Counts a step: a component that never comes to an end costs one answer, not the host (S43).
    fn count_step(&mut self) -> Result<(), monitor::Violation> {
        self.steps += 1;
        if STEPS_MOST < self.steps { Err(monitor::Violation::Endless) } else { Ok(()) }
    }

    /// Whether whoever asks still waits for the answer (S3a, S43a).
    fn is_awaited(&self) -> bool {
        self.awaited.as_ref().is_some_and(|(until, client)| {
            let waits = client.as_ref().is_none_or(|client| 0 < client.strong_count());
            waits && Instant::now() < *until
        })
    }

    /// What was read is outdated: it is read again, at once, or after a while where that goes on.
    ///
    /// A name that another identity keeps is refused each time; the target is not to be asked without pause.
    fn outdated(&mut self, now: u64) -> Next {
        self.fenced += 1;
        if self.fenced <= FENCED_MOST {
            return Next::Again;
        }
        Next::Wait(now.saturating_add(FENCED_PAUSE_MS))
    }
}

/// Where a settlement has come to.
#[expect(clippy::large_enum_variant, reason = "one at a time, for one step")]
enum Settled {
    Answer(Answer),
    Wait(u64),
}

impl<L: Ledger, T: Target> Provisioner<L, T> {
    /// Puts the parts together. Nothing is read or sent yet.
    ///
    /// # Errors
    ///
    /// Where the component refuses the policy: the error names the member that is wrong.
    pub fn new(
        guest: Guest,
        ledger: L,
        target: T,
        key: Arc<LedgerKey>,
        options: Options,
    ) -> Result<Self, GuestError> {
        Self::with_clock(guest, ledger, target, key, options, Arc::new(SystemClock))
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// Like [`new`](Self::new), with another clock.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_clock(
        guest: Guest,
        ledger: L,
        target: T,
        key: Arc<LedgerKey>,
        mut options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, GuestError> {
        options.policy = guest.check_policy(&options.policy)?;
        let schema = guest.read_schema(None, None, None)?;
        let known = Known::new(schema);
        let callers = Callers::default();
        let drain = Drain::default();
        let named = Named::read(&options.policy);
        let version_header = version_header(&options.policy);
        let inner = Inner {
            guest,
            ledger,
            target,
            key,
            clock,
            options,
            named,
            version_header,
            known,
            callers,
            drain,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The header in which policy has a source give the version of a request (S20), for whoever makes a [`Call`] of
    /// an HTTP request: it is read into [`Call::version`], and left out of [`Call::caller`].
    #[must_use]
    pub fn version_header(&self) -> Option<&HeaderName> {
        self.0.version_header.as_ref()
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &L {
        &self.0.ledger
    }

    /// Provisions: the target is changed once, however often the call is repeated.
    ///
    /// Run it as a task of its own: dropping it abandons work that may have been sent, which the scan
    /// takes up again only after a while.
    pub async fn provision(&self, call: Call) -> Answer {
        let mut mine = None;
        // 16 KB of state, which would be moved with every future that holds this one.
        let error = match Box::pin(self.try_provision(&call, &mut mine)).await {
            Ok(answer) => return answer,
            Err(error) => error,
        };
        (self.0.options.on_failure)(&causes(&error));
        // What was recorded may have been sent, and is taken up from its record.
        let unusable = matches!(
            error,
            ProvisionError::Ledger(LedgerError::Storage(_)) | ProvisionError::Unentered { .. }
        );
        if unusable && mine.is_none() {
            return match self.pass(&call).await {
                Ok(passed) => passed.unwrap_or_else(|| failed(&error)),
                Err(error) => failed(&error),
            };
        }
        failed(&error)
    }

    /// `mine` is the entry of what was sent, from when its record is durable.
    async fn try_provision(
        &self,
        call: &Call,
        mine: &mut Option<EntryId>,
    ) -> Result<Answer, ProvisionError> {
        let inner = &*self.0;
        let deadline = Instant::now() + inner.options.answer_budget;
        let received_at = inner.clock.now();
        self.drain(Some(&call.caller)).await?;
        let schema = self.schema(&call.caller).await?;
        let settings = self.settings(&schema.document, &schema.declared).await?;
        let mut run = match self.begin(call, received_at, schema.endpoints, settings).await? {
            Ok(run) => run,
            Err(answer) => return Ok(*answer),
        };
        run.awaited = Some((deadline, call.awaited.clone()));
        let mut answer = self.carry(&mut run, deadline, mine).await?;
        run.secrets.put_back_answer(&mut answer);
        monitor::tidy(&mut answer);
        Ok(answer)
    }

    /// Reads a call and proves its credential; the answer is what can be told without the ledger.
    async fn begin(
        &self,
        call: &Call,
        received_at: u64,
        endpoints: Vec<Endpoint>,
        settings: Settings,
    ) -> Result<Result<Run, Box<Answer>>, ProvisionError> {
        let inner = &*self.0;
        let who = self.who(call);
        let mut secrets = Secrets::new(&inner.key, &inner.options.tenant);
        let paths = inner.guest.secret_paths(&call.resource_type, &settings)?;
        secrets.look_at(paths);
        let body = match call.body.as_ref().map(|body| secrets.lift_request(&body.bytes)) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(error)) => return Ok(Err(Box::new(malformed(&error)))),
        };
        let accepted = inner.callers.accepted(&who.credential, inner.clock.now());
        let principal = if accepted { &who.proved } else { &who.unproved };
        let mut extra = call.extra.clone();
        extra.retain(|field| field.name != RIGHTS);
        extra.push(Field { name: RIGHTS.into(), value: who.rights.clone() });
        let mut request = Request {
            scope: Scope {
                tenant: inner.options.tenant.clone(),
                target: inner.options.target.clone(),
                source: "default".into(),
                principal: principal.clone(),
            },
            method: call.method,
            resource_type: call.resource_type.clone(),
            id: call.id.clone(),
            body,
            key: call.key.clone(),
            version: call.version,
            if_match: call.if_match.clone(),
            received_at,
            extra,
        };
        let length = request.body.as_ref().map_or(0, String::len);
        let identify =
            |request: &Request| aside::reading(length, || inner.guest.identify(request, &settings));
        let mut identified = match identify(&request)? {
            Reading::Unreadable(answer) => return Ok(Err(Box::new(answer))),
            Reading::Readable(identified) => identified,
        };
        if !accepted {
            match self.prove(&identified, &endpoints, &call.caller).await {
                Proof::Accepted { shown } => {
                    inner.callers.accept(&who, &call.caller, inner.clock.now());
                    if shown {
                        inner.callers.note(&who.credential, false);
                    }
                    request.scope.principal.clone_from(&who.proved);
                }
                // Nothing blocks a revocation: it goes to the target, which judges it itself (S14c).
                // Its sender is nobody that is known: it earns and gets no receipt of anybody's.
                Proof::Unproved => {}
                Proof::Refused(refusal) => return Ok(Err(refusal)),
            }
            // The principal scopes given keys, and nothing else (S1).
            if request.key.is_some()
                && let Reading::Readable(again) = identify(&request)?
            {
                identified = again;
            }
        }
        if inner.callers.is_shown(&who.credential) {
            inner.known.learn(&self.credential(&call.caller));
        }
        Ok(Ok(Run {
            tags: self.tags(&identified),
            safe_way: identified.safe_way,
            may_pass: says(&identified, UNRECORDED),
            edges: says(&identified, EDGES),
            scratch: None,
            caller: call.caller.clone(),
            credential: who.credential,
            used: Use::Own,
            made_up: who.made_up,
            body: call.body.clone(),
            awaited: None,
            secrets,
            settings,
            endpoints,
            new_entry: random_id()?,
            new_identity: random_id()?,
            claimed: Vec::new(),
            tried: Vec::new(),
            resumed: None,
            passed: false,
            steps: 0,
            fenced: 0,
            request,
        }))
    }

    /// Leases, reads the ledger, asks the component, does what it says, until there is an answer.
    async fn carry(
        &self,
        run: &mut Run,
        deadline: Instant,
        mine: &mut Option<EntryId>,
    ) -> Result<Answer, ProvisionError> {
        let inner = &*self.0;
        let passes_at = Instant::now() + PASS_AFTER;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let waiting = inner.options.queue_wait.min(left);
            let tags = self.leased_tags(run);
            let names = self.lease(&tags, run, waiting, passes_at).await?;
            if let Leased::Busy = names {
                return Ok(in_flight(run, mine.as_deref()));
            }
            run.passed = matches!(names, Leased::Passed);
            // Two names may lead to one identity: its own lease comes second, so nobody waits in a circle.
            let found = self.find(run).await?;
            let identities = self.identity_tags(&found);
            let people = self.lease(&identities, run, waiting, passes_at).await?;
            if let Leased::Busy = people {
                return Ok(in_flight(run, mine.as_deref()));
            }
            run.passed |= matches!(people, Leased::Passed);
            let held = (names, people);
            let mut found = self.find(run).await?;
            let next = if self.identity_tags(&found) == identities {
                // What this run has written or ended is its own request, whoever has asked the same since.
                if let Some(id) = mine.as_ref().or(run.resumed.as_ref())
                    && let Some(own) = inner.ledger.entry(id).await?
                {
                    found.by_statement = Some(own);
                }
                self.decide(run, found, mine).await?
            } else {
                // The names lead elsewhere since: others are giving them away.
                run.outdated(inner.clock.now())
            };
            match next {
                Next::Answer(answer) => return Ok(answer),
                Next::Again => {}
                Next::Wait(until) => {
                    drop(held);
                    run.tried.clear();
                    let wait = Duration::from_millis(until.saturating_sub(inner.clock.now()));
                    if deadline < Instant::now() + wait {
                        return Ok(in_flight(run, mine.as_deref()));
                    }
                    sleep(wait).await;
                }
            }
        }
    }

    /// From admission to the answer, under the leases.
    async fn decide(
        &self,
        run: &mut Run,
        found: Found,
        mine: &mut Option<EntryId>,
    ) -> Result<Next, ProvisionError> {
        let inner = &*self.0;
        let mut situation = self.situation(run, found);
        if run.made_up && !inner.callers.is_shown(&run.credential) {
            situation.extra.push(Field { name: "credential".into(), value: "new".into() });
        }
        let mut function = Function::Admit;
        loop {
            run.count_step()?;
            situation.now = inner.clock.now();
            let step = aside::deciding(&situation, || match function {
                Function::Admit => inner.guest.admit(&situation),
                Function::Decide | Function::Settle => inner.guest.decide(&situation),
            })?;
            monitor::check(function, &situation, &step)?;
            match self.write(run, function, &situation, None, &step).await {
                Err(ProvisionError::Ledger(LedgerError::Fenced)) => {
                    return Ok(run.outdated(inner.clock.now()));
                }
                written => written?,
            }
            match step.action {
                Action::Answer(answer) => return Ok(Next::Answer(answer)),
                Action::Wait(until) => return Ok(Next::Wait(until)),
                Action::Claim(names) => {
                    run.claimed.extend(names);
                    return Ok(Next::Again);
                }
                Action::Ask(questions) => {
                    situation.observed.extend(self.look(run, &questions).await);
                    function = Function::Decide;
                }
                Action::Resolve(id) => {
                    let own = mine.as_ref() == Some(&id);
                    return Ok(match self.resolve(run, &id).await? {
                        Some(Settled::Wait(until)) => Next::Wait(until),
                        Some(Settled::Answer(answer)) if own => Next::Answer(answer),
                        Some(Settled::Answer(_)) | None => {
                            // What has ended by that is not tried: if it is open again, others have begun it anew.
                            run.tried.extend(inner.ledger.entry(&id).await?.filter(is_open));
                            Next::Again
                        }
                    });
                }
                Action::Apply(effect) => {
                    let entry = step.write.as_ref().map(|write| write.entry.id.clone());
                    let id = entry.unwrap_or_else(|| run.new_entry.clone());
                    *mine = Some(id.clone());
                    let report = self.apply(run, &effect).await;
                    return Ok(match self.settle(run, &id, Some(report)).await? {
                        Settled::Answer(answer) => Next::Answer(answer),
                        Settled::Wait(until) => Next::Wait(until),
                    });
                }
            }
        }
    }

    /// From a sent effect to its end, or to a time before which nothing can be known.
    async fn settle(
        &self,
        run: &mut Run,
        id: &EntryId,
        mut report: Option<Report>,
    ) -> Result<Settled, ProvisionError> {
        let inner = &*self.0;
        let mut observed = Vec::new();
        loop {
            run.count_step()?;
            // What is learned after a look does not count for it.
            if observed.is_empty() {
                self.learn(run).await?;
            }
            let mut found = self.find(run).await?;
            if !known(&found, id) {
                // A newer one asks the same, or its names lead elsewhere by now.
                match inner.ledger.entry(id).await?.filter(is_open) {
                    Some(entry) => found.open.push(entry),
                    // Others have brought it to its end: how it ended is looked up anew.
                    None => return Ok(Settled::Wait(inner.clock.now())),
                }
            }
            let mut situation = self.situation(run, found);
            situation.new_entry.clone_from(id);
            situation.observed = observed;
            situation.now = inner.clock.now();
            let step =
                aside::deciding(&situation, || inner.guest.settle(&situation, report.as_ref()))?;
            monitor::check(Function::Settle, &situation, &step)?;
            match self.write(run, Function::Settle, &situation, report.as_ref(), &step).await {
                // Somebody passed: what was seen before counts no more (S15).
                Err(ProvisionError::Ledger(LedgerError::Fenced)) => {
                    if let Next::Wait(until) = run.outdated(inner.clock.now()) {
                        return Ok(Settled::Wait(until));
                    }
                    self.claim_ids(run, step.write.as_ref());
                    observed = Vec::new();
                    continue;
                }
                written => written?,
            }
            observed = situation.observed;
            match step.action {
                Action::Answer(answer) => return Ok(Settled::Answer(answer)),
                Action::Ask(questions) => observed.extend(self.look(run, &questions).await),
                // Without a record it goes out once (S36).
                Action::Apply(_) if run.scratch.is_some() => {
                    return Ok(Settled::Wait(inner.clock.now()));
                }
                Action::Apply(effect) => {
                    report = Some(self.apply(run, &effect).await);
                    observed = Vec::new();
                }
                Action::Wait(until) => {
                    let wait = Duration::from_millis(until.saturating_sub(inner.clock.now()));
                    if NEAR < wait {
                        return Ok(Settled::Wait(until));
                    }
                    sleep(wait).await;
                    report = None;
                    observed = Vec::new();
                }
                // The monitor has refused it.
                Action::Claim(_) | Action::Resolve(_) => {
                    return Err(monitor::Violation::Action.into());
                }
            }
        }
    }

    /// Whoever has an id that could not be given is found by it from now on: its identity may be the same.
    fn claim_ids(&self, run: &mut Run, write: Option<&Write>) {
        let identities = write.into_iter().flat_map(|write| &write.identities);
        let names = identities.flat_map(|one| one.names.iter().flatten());
        for name in names.filter(|name| name.kind == NameKind::TargetId) {
            if !self.leased_tags(run).contains(&self.name_tag(name)) {
                run.claimed.push(name.clone());
            }
        }
    }

    /// Brings an earlier entry on to its end; none where it has none yet, or cannot be read.
    async fn resolve(
        &self,
        run: &mut Run,
        id: &EntryId,
    ) -> Result<Option<Settled>, ProvisionError> {
        let inner = &*self.0;
        let Some(entry) = inner.ledger.entry(id).await? else { return Ok(None) };
        let request =
            aside::reading(entry.state.len(), || inner.guest.entry_request(&entry.state))?;
        let asks_the_same = entry.statement == run.tags.statement
            && entry.key == run.tags.key
            && request.scope.principal == run.request.scope.principal;
        if asks_the_same && self.is_of(run, &request) {
            let settled = self.settle(run, id, None).await?;
            if matches!(settled, Settled::Answer(_)) {
                run.resumed = Some(id.clone());
            }
            return Ok(Some(settled));
        }
        let Some(mut other) = self.run_of(request, Some(run)).await? else {
            return Ok(None);
        };
        self.settle(&mut other, id, None).await.map(Some)
    }

    /// Whether a run is of the client of an earlier request with the same principal: its credential is no other
    /// one, has the same rights, or was shown something, which is not so of one that is made up in its name.
    fn is_of(&self, run: &Run, earlier: &Request) -> bool {
        let same = !run.made_up || rights(&run.request) == rights(earlier);
        same || self.0.callers.is_shown(&run.credential)
    }

    /// A run of an earlier request, as far as it is remembered: without its secrets.
    ///
    /// It goes on with the first of these that is at hand: a live credential that is the sender's, or stands for
    /// it; the host's own; another live one of the sender's; that of `asker`. None if there is nobody.
    async fn run_of(
        &self,
        request: Request,
        asker: Option<&Run>,
    ) -> Result<Option<Run>, ProvisionError> {
        let inner = &*self.0;
        let now = inner.clock.now();
        let lent = inner.callers.of(&request.scope.principal, rights(&request), now);
        let (sends, looks): (Option<_>, Option<_>) = match lent {
            Some(lent) if lent.2 == Use::Own => (Some(lent), None),
            looks => (None, looks),
        };
        let host = || {
            let own = inner.options.credential.clone();
            own.map(|caller| (String::new(), caller, Use::Look))
        };
        let asks = || asker.map(|run| (run.credential.clone(), run.caller.clone(), Use::Other));
        let Some((credential, caller, used)) = sends.or_else(host).or(looks).or_else(asks) else {
            return Ok(None);
        };
        let schema = self.schema(&caller).await?;
        let run = self.run_for(request, caller, schema).await?;
        Ok(run.map(|run| Run { credential, used, ..run }))
    }

    /// A run of a request that was begun before.
    async fn run_for(
        &self,
        request: Request,
        caller: Caller,
        schema: Schema,
    ) -> Result<Option<Run>, ProvisionError> {
        let inner = &*self.0;
        let settings = self.settings(&schema.document, &schema.declared).await?;
        let Reading::Readable(identified) = inner.guest.identify(&request, &settings)? else {
            return Ok(None);
        };
        let mut secrets = Secrets::new(&inner.key, &inner.options.tenant);
        secrets.look_at(inner.guest.secret_paths(&request.resource_type, &settings)?);
        Ok(Some(Run {
            tags: self.tags(&identified),
            safe_way: identified.safe_way,
            may_pass: false,
            edges: says(&identified, EDGES),
            scratch: None,
            caller,
            credential: String::new(),
            used: Use::Own,
            made_up: true,
            body: None,
            awaited: None,
            secrets,
            settings,
            endpoints: schema.endpoints,
            new_entry: random_id()?,
            new_identity: random_id()?,
            claimed: Vec::new(),
            tried: Vec::new(),
            resumed: None,
            passed: false,
            steps: 0,
            fenced: 0,
            request,
        }))
    }

    // ---- recovery -----------------------------------------------------------------------------

    /// Takes up what was interrupted or is due, once; gives how many entries were brought on (S41).
    ///
    /// Where more are due than it takes at once, the next call goes on behind the last of them.
    ///
    /// # Errors
    ///
    /// Where the ledger or the component fails. What was brought on until then stays so.
    pub async fn recover(&self) -> Result<usize, ProvisionError> {
        let inner = &*self.0;
        self.drain(inner.options.credential.as_ref()).await?;
        let mut count = 0;
        let mut failed = None;
        let mut scan = inner.known.scan();
        let due = inner.ledger.due(inner.clock.now(), scan.after.as_ref(), DUE_MOST).await?;
        for entry in &due {
            // One entry that cannot be brought on does not hold up the others.
            match Box::pin(self.recover_one(entry)).await {
                Ok(Some(true)) => count += 1,
                Ok(Some(false)) => {}
                Ok(None) => scan.waiting += 1,
                Err(error) => failed = Some(error),
            }
        }
        let more = due.len() == usize::try_from(DUE_MOST).unwrap_or(usize::MAX);
        inner.known.note_scan(match due.last().filter(|_| more) {
            Some(last) => Scan { after: Some(last.clone()), ..scan },
            None => Scan { after: None, waiting: 0, waited: scan.waiting },
        });
        failed.map_or(Ok(count), Err)
    }

    /// Brings one entry on; gives whether its names were free, and none where no credential is at hand.
    async fn recover_one(&self, entry: &Entry) -> Result<Option<bool>, ProvisionError> {
        let inner = &*self.0;
        let request =
            aside::reading(entry.state.len(), || inner.guest.entry_request(&entry.state))?;
        let Some(mut run) = self.run_of(request, None).await? else { return Ok(None) };
        self.recover_run(&mut run, entry).await.map(Some)
    }

    async fn recover_run(&self, run: &mut Run, entry: &Entry) -> Result<bool, ProvisionError> {
        let inner = &*self.0;
        let tags = self.leased_tags(run);
        let names = inner.ledger.lease(&tags, &run.tags.statement, NO_WAIT).await?;
        let Leased::Held(_names) = names else { return Ok(false) };
        let found = self.find(run).await?;
        let people = self.identity_tags(&found);
        let people = inner.ledger.lease(&people, &run.tags.statement, NO_WAIT).await?;
        let Leased::Held(_people) = people else { return Ok(false) };
        // It may have come to its end since it was found to be due.
        if !inner.ledger.entry(&entry.id).await?.as_ref().is_some_and(is_open) {
            return Ok(false);
        }
        self.settle(run, &entry.id, None).await?;
        Ok(true)
    }

    /// Recovers at once and then all the time, until it is dropped.
    ///
    /// A failure is not the end: it is tried again a second later, as `/readyz` shows.
    pub async fn recover_always(&self) {
        let mut sweeps: u64 = 0;
        loop {
            let recovered = self.recover().await;
            if let Err(error) = &recovered {
                (self.0.options.on_failure)(&causes(error));
            }
            self.0.known.note_recovery(recovered.is_ok());
            if sweeps.is_multiple_of(STEPS_SWEEP_EVERY) {
                let before = self.0.clock.now().saturating_sub(STEPS_KEPT_MS);
                let swept = self.0.ledger.forget_steps(before).await;
                self.0.known.note_recovery(recovered.is_ok() && swept.is_ok());
            }
            sweeps += 1;
            sleep(SCAN_EVERY).await;
        }
    }

    /// Whether requests can be served, and with whose credential interrupted work is taken up.
    ///
    /// `details` has `ledger`, `scan`, `waiting` (how many entries that were due had no credential at hand when the
    /// scan went over them last), and `journal` where there is one.
    pub async fn readiness(&self) -> Readiness {
        let inner = &*self.0;
        let waiting = inner.known.scan().waited;
        let recovery = if inner.options.credential.is_some() {
            Recovery::Own
        } else if waiting == 0 && inner.callers.any(inner.clock.now()) {
            Recovery::Borrowed
        } else {
            Recovery::Waiting
        };
        let ledger = inner.ledger.ready().await;
        let word = if ledger.is_ok() { "ready" } else { "unavailable" };
        let scan = if inner.known.recovers() { "running" } else { "failing" };
        let detail = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
        let waiting = detail("waiting", &waiting.to_string());
        let mut details = vec![detail("ledger", word), detail("scan", scan), waiting];
        if let Some(journal) = &inner.options.journal {
            details.push(detail("journal", &journal.count().to_string()));
        }
        Readiness { ready: ledger.is_ok(), recovery, details }
    }

    /// The target's resource types; asks the target on behalf of `caller` what it has not said so far.
    pub async fn endpoints(&self, caller: &Caller) -> Vec<Endpoint> {
        match self.schema(caller).await {
            Ok(schema) => schema.endpoints,
            Err(_) => self.0.known.schema().endpoints,
        }
    }

    // ---- the target ---------------------------------------------------------------------------

    /// Looks at the target before anything is claimed or told: is the credential accepted (S1)?
    async fn prove(
        &self,
        identified: &Identification,
        endpoints: &[Endpoint],
        caller: &Caller,
    ) -> Proof {
        let none = |_: Vec<String>| Vec::new();
        let sight = self.0.target.observe(&identified.proof, endpoints, caller, &none).await;
        let refusal = match sight {
            Sight::Listed(listed) => return Proof::Accepted { shown: !listed.is_empty() },
            Sight::Answered(answer) | Sight::Refused(answer) => match answer.status {
                401 => return Proof::Refused(Box::new(refused(answer))),
                // A collection that is not there may be one that strangers are not shown.
                404 if !matches!(identified.proof, Question::ById(_)) => refused(answer),
                // What is said of the question, not of who asks.
                status @ (200..=299 | 400 | 404 | 405 | 410 | 414 | 422 | 501) => {
                    return Proof::Accepted { shown: status < 300 };
                }
                // Of a failure of its own the target is not asked now; it has refused nothing (S37).
                status @ (429 | 500 | 502..=599) => Answer {
                    retry_after: answer.retry_after.or(Some(1)),
                    ..plain(
                        Verdict::Unavailable,
                        &format!(
                            "the target answered a look with status {status}; nothing has happened"
                        ),
                    )
                },
                // A redirect leads to a login page, as a rule; the others say nothing of the credential.
                _ => refused(answer),
            },
            Sight::Nothing => {
                plain(Verdict::Unavailable, "the target could not be reached; nothing has happened")
            }
        };
        if identified.safe_way { Proof::Unproved } else { Proof::Refused(Box::new(refusal)) }
    }

    /// A keyed digest of all that a caller shows.
    fn credential(&self, caller: &Caller) -> String {
        let inner = &*self.0;
        inner.key.digest(&inner.options.tenant, "shown", &caller.credential())
    }

    /// Who asks, as it is known before and after the target has accepted the credential (S1).
    fn who(&self, call: &Call) -> Who {
        let inner = &*self.0;
        let tenant = &inner.options.tenant;
        let principal = inner.named.principal(call);
        let said = principal.material();
        let whole = frame(&[&said, &call.caller.credential()]);
        let credential = inner.key.digest(tenant, "credential", &whole);
        let unproved = [b"unproved\0", credential.as_bytes()].concat();
        Who {
            made_up: !matches!(principal, Principal::Anonymous | Principal::Credential(_)),
            proved: inner.key.principal(tenant, &said),
            unproved: inner.key.principal(tenant, &unproved),
            rights: match Principal::rights(&call.caller) {
                Some(rights) => inner.key.digest(tenant, "rights", &frame(&[&said, &rights])),
                None => credential.clone(),
            },
            credential,
        }
    }

    async fn look(&self, run: &mut Run, questions: &[Question]) -> Vec<Observation> {
        let inner = &*self.0;
        let mut seen = Vec::new();
        for question in questions {
            let asked_at = inner.clock.now();
            let keep = |page: Vec<String>| self.keep(&run.request, &run.settings, page);
            let sight = inner.target.observe(question, &run.endpoints, &run.caller, &keep).await;
            let shows = match &sight {
                Sight::Answered(answer) => is_success_status(answer.status),
                Sight::Listed(listed) => !listed.is_empty(),
                Sight::Refused(_) | Sight::Nothing => false,
            };
            if shows {
                inner.callers.note(&run.credential, false);
            }
            let mut sight = run.secrets.lift_sight(sight);
            if let Sight::Answered(answer) = &mut sight {
                answer.body.take_if(|body| run.edges && EDGES_BYTES_MOST < body.len());
            }
            let seen_at = inner.clock.now();
            seen.push(Observation { question: question.clone(), asked_at, seen_at, sight });
        }
        seen
    }

    /// Reduces a page of a listing to what matters; a component that fails keeps all of it.
    fn keep(&self, request: &Request, settings: &Settings, page: Vec<String>) -> Vec<String> {
        let Ok(positions) = self.0.guest.matches(request, &page, settings) else { return page };
        let mut page: Vec<Option<String>> = page.into_iter().map(Some).collect();
        let at = |position: u32| usize::try_from(position).ok();
        positions
            .into_iter()
            .filter_map(|position| page.get_mut(at(position)?).and_then(Option::take))
            .collect()
    }

    async fn apply(&self, run: &mut Run, effect: &Effect) -> Report {
        let inner = &*self.0;
        let body = match &effect.body {
            EffectBody::Empty => None,
            EffectBody::AsSent => run.body.clone(),
            EffectBody::Document(document) => Some(Body {
                bytes: run.secrets.put_back(document),
                content_type: run.body.as_ref().map_or_else(
                    || http::HeaderValue::from_static("application/scim+json"),
                    |body| body.content_type.clone(),
                ),
            }),
        };
        let sent_at = inner.clock.now();
        let outcome = inner.target.apply(effect, &run.endpoints, body, &run.caller).await;
        let outcome = match outcome {
            Outcome::Answered(answer) => {
                if is_success_status(answer.status) {
                    inner.callers.note(&run.credential, true);
                }
                Outcome::Answered(run.secrets.lift_answer(answer))
            }
            other @ (Outcome::NotSent(_) | Outcome::Unknown(_)) => other,
        };
        Report { sent_at, ended_at: inner.clock.now(), outcome }
    }

    // ---- the ledger ---------------------------------------------------------------------------

    async fn lease(
        &self,
        tags: &[Tag],
        run: &Run,
        wait: Duration,
        passes_at: Instant,
    ) -> Result<Leased, ProvisionError> {
        let waiting = if run.safe_way {
            let after = passes_at.saturating_duration_since(Instant::now());
            Waiting::Pass { after, attach: wait }
        } else {
            Waiting::Queue(wait)
        };
        Ok(self.0.ledger.lease(tags, &run.tags.statement, waiting).await?)
    }

    async fn find(&self, run: &Run) -> Result<Found, ProvisionError> {
        let tags = self.leased_tags(run);
        if let Some(scratch) = &run.scratch {
            return Ok(scratch.find(&run.tags, &tags));
        }
        let key = run.tags.key.as_ref();
        let ledger = &self.0.ledger;
        Ok(ledger.find(&run.request.scope, key, &run.tags.statement, &tags).await?)
    }

    async fn write(
        &self,
        run: &mut Run,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
        step: &Step,
    ) -> Result<(), ProvisionError> {
        let inner = &*self.0;
        let recorded = recorded(&inner.guest, function, situation, report, step);
        let Some(write) = &step.write else {
            if let (Action::Answer(answer), Some(recorded)) = (&step.action, recorded)
                && is_refusal(answer)
                && run.scratch.is_none()
            {
                let tenant = &run.request.scope.tenant;
                inner.ledger.note(tenant, &answer.decision, &recorded).await?;
            }
            return Ok(());
        };
        let tagged = |names: &Vec<Name>| {
            names.iter().map(|name| (name.kind, self.name_tag(name))).collect::<Vec<_>>()
        };
        let identities = write.identities.iter().map(|identity| {
            let names = identity.names.as_ref().map(tagged);
            (identity.clone(), names)
        });
        let record = Record {
            scope: run.request.scope.clone(),
            now: situation.now,
            entry: write.entry.clone(),
            identities: identities.collect(),
            learned: write.learned.clone(),
            step: recorded,
        };
        if run.scratch.is_some() {
            return self.write_unrecorded(run, function, &record).await;
        }
        Ok(inner.ledger.write(&record).await?)
    }

    fn situation(&self, run: &Run, found: Found) -> Situation {
        let field = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
        let tried = run.tried.iter().filter(|entry| is_as_it_was(&found, entry));
        let mut extra: Vec<Field> = tried.map(|entry| field("tried", &entry.id)).collect();
        extra.extend(run.claimed.iter().map(|name| field("claimed", &name.material)));
        if run.passed {
            extra.push(field("passed", "true"));
        }
        if run.body.is_some() {
            extra.push(field("body-held", "true"));
        }
        if run.is_awaited() {
            extra.push(field("awaited", "true"));
        }
        let used = match run.used {
            Use::Own => None,
            Use::Look => Some("look"),
            Use::Other => Some("other"),
        };
        extra.extend(used.map(|used| field("credential", used)));
        if run.scratch.is_some() {
            extra.push(field(UNRECORDED, "true"));
        }
        Situation {
            request: run.request.clone(),
            tags: run.tags.clone(),
            found,
            observed: Vec::new(),
            settings: run.settings.clone(),
            now: self.0.clock.now(),
            new_entry: run.new_entry.clone(),
            new_identity: run.new_identity.clone(),
            extra,
        }
    }

    fn tags(&self, identified: &Identification) -> Tags {
        let inner = &*self.0;
        let tag = |purpose: &str, text: &str| inner.key.tag(&inner.options.tenant, purpose, text);
        Tags {
            key: identified.key_material.as_deref().map(|text| tag("key", text)),
            statement: tag("statement", &identified.statement_material),
            names: identified.names.iter().map(|name| self.name_tag(name)).collect(),
        }
    }

    fn name_tag(&self, name: &Name) -> Tag {
        self.0.key.tag(&self.0.options.tenant, "name", &name.material)
    }

    fn leased_tags(&self, run: &Run) -> Vec<Tag> {
        let claimed = run.claimed.iter().map(|name| self.name_tag(name));
        run.tags.names.iter().cloned().chain(claimed).collect()
    }

    fn identity_tags(&self, found: &Found) -> Vec<Tag> {
        let inner = &*self.0;
        let tag = |id: &str| inner.key.tag(&inner.options.tenant, "identity", id);
        found.holders.iter().map(|holder| tag(&holder.identity.id)).collect()
    }

    // ---- what is known of the target ----------------------------------------------------------

    async fn schema(&self, caller: &Caller) -> Result<Schema, ProvisionError> {
        let inner = &*self.0;
        let now = inner.clock.now();
        let known = inner.known.complete(now);
        if let Some((schema, false)) = known {
            return Ok(schema);
        }
        let said = inner.known.said(&self.credential(caller));
        let mut said = said.lock().await;
        if said.as_ref().is_none_or(|saying| saying.is_due(now)) {
            let found = inner.target.discover(caller).await;
            let schema = inner.guest.read_schema(
                found.resource_types.as_deref(),
                found.schemas.as_deref(),
                found.service_provider_config.as_deref(),
            )?;
            let parts = [&found.resource_types, &found.schemas, &found.service_provider_config];
            let told = parts.into_iter().any(Option::is_some);
            *said = Some(Saying { schema, complete: found.complete, told, at: now });
        }
        let own = said.as_ref().map(|saying| saying.schema.clone());
        Ok(known.map(|(schema, _)| schema).or(own).unwrap_or_else(|| inner.known.schema()))
    }

    /// What others have learned of the target while this run has waited.
    async fn learn(&self, run: &mut Run) -> Result<(), ProvisionError> {
        let inner = &*self.0;
        if run.scratch.is_some() {
            return Ok(());
        }
        let learned = inner.ledger.profile(&inner.options.target).await?;
        let profile = &mut run.settings.profile;
        profile.retain(|known| !learned.contains(known));
        profile.extend(learned);
        Ok(())
    }

    async fn settings(&self, schema: &str, declared: &[Field]) -> Result<Settings, ProvisionError> {
        let inner = &*self.0;
        let learned = inner.ledger.profile(&inner.options.target).await?;
        Ok(Settings {
            policy: inner.options.policy.clone(),
            schema: schema.into(),
            // Of several of one name the last counts.
            profile: declared
                .iter()
                .chain(&inner.options.profile)
                .cloned()
                .chain(learned)
                .collect(),
        })
    }
}

/// What a look says about a credential (S1).
enum Proof {
    /// It is accepted; and whether anything was shown to it, which strangers may be told too.
    Accepted {
        shown: bool,
    },
    /// It could not be told.
    Unproved,
    Refused(Box<Answer>),
}

/// What follows a decision.
#[expect(clippy::large_enum_variant, reason = "one at a time, for one step")]
enum Next {
    Answer(Answer),
    Wait(u64),
    Again,
}

fn known(found: &Found, id: &EntryId) -> bool {
    let given = found.by_key.iter().chain(&found.by_statement).chain(&found.open);
    given.into_iter().any(|entry| entry.id == *id)
}

/// Nobody has moved an entry on since.
fn is_as_it_was(found: &Found, entry: &Entry) -> bool {
    let given = found.by_key.iter().chain(&found.by_statement).chain(&found.open);
    given.into_iter().all(|given| given.id != entry.id || given == entry)
}

/// Its end is still to come, or to be looked after.
fn is_open(entry: &Entry) -> bool {
    matches!(entry.stage, Stage::Dispatched | Stage::Parked)
}

/// Whether somebody may ask why: not for a receipt that is told again, nor where nothing was known.
fn is_refusal(answer: &Answer) -> bool {
    !answer.replayed && answer.verdict != Verdict::Unavailable && !answer.decision.is_empty()
}

/// The header that a policy, which the component has checked, names for versions (S20).
fn version_header(policy: &str) -> Option<HeaderName> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let name = policy.get("version-header")?.as_str()?;
    // Empty, it names none.
    name.parse().ok()
}

/// The SHA-256 of a policy document, in hexadecimal: of its canonical form, which is what decisions are made by (S45).
#[must_use]
pub fn policy_digest(canonical: &str) -> String {
    hex(&Sha256::digest(canonical))
}

/// The call of the component, so that it can be run again (S38).
fn recorded(
    guest: &Guest,
    function: Function,
    situation: &Situation,
    report: Option<&Report>,
    step: &Step,
) -> Option<RecordedStep> {
    let input = serde_json::json!({ "situation": situation, "report": report });
    Some(RecordedStep {
        function: function.name().into(),
        component: guest.sha256().into(),
        policy: policy_digest(&situation.settings.policy),
        at: situation.now,
        waits: waits(step),
        input: input.to_string(),
        output: serde_json::to_string(step).ok()?,
    })
}

/// Whether a person has to do something before what was asked can come to its end (S21, S29, S41); none: nothing is
/// written of it.
fn waits(step: &Step) -> Option<bool> {
    let stage = step.write.as_ref()?.entry.stage;
    let Action::Answer(answer) = &step.action else { return Some(stage == Stage::Parked) };
    let refused = matches!(answer.verdict, Verdict::Staged | Verdict::Irrevocable);
    Some(match stage {
        Stage::Parked => answer.verdict == Verdict::Parked,
        Stage::Refused => refused,
        Stage::Claimed | Stage::Dispatched | Stage::Settled => false,
    })
}

/// 16 random bytes as 32 hexadecimal digits.
fn random_id() -> Result<String, ProvisionError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_error| ProvisionError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn plain(verdict: Verdict, detail: &str) -> Answer {
    Answer {
        verdict,
        decision: String::new(),
        changed: false,
        replayed: false,
        diverged: Divergence::No,
        target: None,
        status: None,
        retry: Retry::After,
        retry_after: Some(1),
        evidence: Evidence::None,
        detail: detail.into(),
        attributes: Vec::new(),
        notes: Vec::new(),
    }
}

fn malformed(error: &replaysafe_json::JsonError) -> Answer {
    let too_large = matches!(error, replaysafe_json::JsonError::TooLarge { .. });
    let verdict = if too_large { Verdict::TooLarge } else { Verdict::Malformed };
    let detail = format!("{error} ({})", error.code());
    let scim_type = Field { name: "scim-type".into(), value: "invalidSyntax".into() };
    Answer {
        retry: Retry::FixInput,
        retry_after: None,
        notes: vec![scim_type],
        ..plain(verdict, &detail)
    }
}

fn refused(answer: crate::contract::TargetAnswer) -> Answer {
    let detail = format!("the target refused with status {}", answer.status);
    Answer {
        retry_after: answer.retry_after,
        evidence: Evidence::Response,
        target: Some(answer),
        ..plain(Verdict::Refused, &detail)
    }
}

/// The wait is over (S5, S43a): the same request again attaches.
fn in_flight(run: &Run, mine: Option<&str>) -> Answer {
    let retry = if run.request.key.is_some() { Retry::SameKey } else { Retry::After };
    match mine {
        Some(id) => Answer {
            retry,
            decision: id.into(),
            ..plain(
                Verdict::Unresolved,
                "it cannot be told yet whether the request took effect; the same request again attaches to it",
            )
        },
        None => Answer {
            retry,
            ..plain(
                Verdict::InFlight,
                "another request on this resource is under way; send the same request again",
            )
        },
    }
}

/// Broken machinery: everything fails closed (S36). The cause goes to [`Options::on_failure`] and to nobody else.
fn failed(error: &ProvisionError) -> Answer {
    let detail = match error {
        ProvisionError::Ledger(_)
        | ProvisionError::Unrecorded
        | ProvisionError::Unentered { .. } => {
            "the ledger cannot be used; nothing was sent without a record"
        }
        ProvisionError::Guest(_) | ProvisionError::Monitor(_) | ProvisionError::Random => {
            "the decision could not be made; nothing was sent without a record"
        }
    };
    plain(Verdict::Unavailable, detail)
}

/// An error with its sources, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}

/// The digest of what the credential of a request lets its holder do, among what the request says beside (S41).
fn rights(request: &Request) -> &str {
    let field = request.extra.iter().find(|field| field.name == RIGHTS);
    field.map_or("", |field| &field.value)
}

fn is_success_status(status: u16) -> bool {
    (200..300).contains(&status)
}

/// The name of the field that [`rights`] reads.
const RIGHTS: &str = "rights";

/// Whether the component says this of a request.
fn says(identified: &Identification, name: &str) -> bool {
    identified.extra.iter().any(|field| field.name == name)
}

/// How the component says that a request states single values of a list (S44).
const EDGES: &str = "edges";

/// 4 MiB, a group of 40,000 members: a larger one is not read to add or remove some of them (S44).
const EDGES_BYTES_MOST: usize = 4 << 20;

/// How the component says that a request may go out without the ledger, and how it is told that it does (S36).
const UNRECORDED: &str = "unrecorded";

/// Entries that the settlement holds its names for: nothing else on them could be answered sooner.
const NEAR: Duration = Duration::from_secs(1);

/// 250 ms for all that it waits for: ten times what a target takes for one call, so that requests queue where all
/// goes well and a revocation passes where it does not (S14c).
const PASS_AFTER: Duration = Duration::from_millis(250);

/// The scan never waits: who holds the names works on them.
const NO_WAIT: Waiting = Waiting::Queue(Duration::ZERO);

/// 1 second between two scans: the first look at an unknown outcome is due after half of one.
const SCAN_EVERY: Duration = Duration::from_secs(1);

/// 100 entries a scan: one scan of slow looks stays below a minute.
const DUE_MOST: u32 = 100;

/// 1,000 steps of one request: waits are half a second long, so that 50 s hold 100 rounds of a few steps.
const STEPS_MOST: u32 = 1_000;

/// 3 times outdated: those who pass do so once or twice.
const FENCED_MOST: u32 = 3;

/// 1 second between two tries of what was outdated so often.
const FENCED_PAUSE_MS: u64 = 1_000;

/// S38: recorded steps are kept for 7 days.
const STEPS_KEPT_MS: u64 = 7 * 24 * 3_600_000;

/// Once an hour.
const STEPS_SWEEP_EVERY: u64 = 3_600;
