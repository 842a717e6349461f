//! A world: a folder with a ledger, a service, virtual time, and processes that can be stopped.

use std::{
    future::{Future, pending},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, header::AUTHORIZATION};
use replaysafe::{
    call::{Call, Principal},
    clock::Clock,
    contract::{
        Answer, Effect, Endpoint, Entry, EntryId, Field, Found, Method, Outcome, Question, Scope,
        Sight, Stage, Tag, Verdict,
    },
    guest::Guest,
    keys::LedgerKey,
    ledger::{
        Journal, Leased, Ledger, LedgerError, Note, PlanRecord, Record, RecordedStep, SqliteLedger,
        Waiting,
    },
    provisioner::{
        Options, Provisioner,
        operator::{self, Approval},
    },
    target::{Body, Caller, Discovery, Target},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    compiled::guest,
    service::Service,
    stop::{Step, Stop},
};

pub(crate) type Process<T = Service> = Provisioner<Faulty<SqliteLedger>, Faulty<T>>;

pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) policy: String,
    /// Told what broken machinery a 503 comes of.
    pub(crate) on_failure: fn(&str),
    folder: PathBuf,
    /// The component; none: the one that all worlds of this program share.
    guest: Option<Guest>,
    /// Removes the folder in the end.
    kept: Option<tempfile::TempDir>,
    clock: Arc<Virtual>,
}

impl World {
    pub(crate) fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let folder = kept.path().to_owned();
        Self { kept: Some(kept), ..Self::within(folder) }
    }

    /// A world in a folder that is somebody else's.
    pub(crate) fn within(folder: PathBuf) -> Self {
        let clock = Arc::new(Virtual(Instant::now()));
        let (service, policy) = (Service::default(), "{}".into());
        Self { service, policy, on_failure: |_| {}, folder, guest: None, kept: None, clock }
    }

    /// The same world, of which processes have a component of their own.
    pub(crate) fn with_guest(self, guest: Guest) -> Self {
        Self { guest: Some(guest), ..self }
    }

    /// A process on the world's ledger. One must have ended before the next is started.
    pub(crate) fn start(&self, faults: &Faults) -> Process {
        self.start_with(faults, None)
    }

    /// The same, with a credential of its own for recovery.
    pub(crate) fn start_with(&self, faults: &Faults, credential: Option<Caller>) -> Process {
        let key = Arc::new(LedgerKey::open_or_create(self.path("key")).unwrap());
        let journal = Journal::open(self.path("unrecorded"), key).unwrap();
        let service = self.service.clone();
        self.open(service, faults, credential, Some(Arc::new(journal))).unwrap()
    }

    /// The same in front of another service, where the ledger may not open.
    pub(crate) fn open<T: Target>(
        &self,
        service: T,
        faults: &Faults,
        credential: Option<Caller>,
        journal: Option<Arc<Journal>>,
    ) -> Result<Process<T>, LedgerError> {
        let key = Arc::new(LedgerKey::open_or_create(self.path("key")).unwrap());
        let ledger = SqliteLedger::open(self.path("ledger"), Arc::clone(&key))?;
        let policy = self.policy.clone();
        let on_failure = self.on_failure;
        let options = Options { policy, credential, journal, on_failure, ..Options::default() };
        let ledger = Faulty { inner: ledger, faults: faults.clone() };
        let service = Faulty { inner: service, faults: faults.clone() };
        let clock = Arc::clone(&self.clock);
        let guest = self.guest.clone().unwrap_or_else(guest);
        Ok(Provisioner::with_clock(guest, ledger, service, key, options, clock).unwrap())
    }

    /// Another world that is as this one is. Nothing of it is open.
    pub(crate) fn copy(&self) -> Self {
        let (policy, clock) = (self.policy.clone(), Arc::clone(&self.clock));
        let world = Self { service: self.service.copy(), policy, clock, ..Self::new() };
        for file in std::fs::read_dir(&self.folder).unwrap() {
            let file = file.unwrap();
            let _length =
                std::fs::copy(file.path(), world.path("").join(file.file_name())).unwrap();
        }
        world
    }

    /// How long ago it began.
    pub(crate) fn age(&self) -> Duration {
        self.clock.0.elapsed()
    }

    /// An operator lets a decision go for an hour, beside whoever has the ledger open.
    pub(crate) async fn approve(&self, decision: &EntryId) -> Approval {
        let key = Arc::new(LedgerKey::open_or_create(self.path("key")).unwrap());
        let ledger = SqliteLedger::open_beside(self.path("ledger"), Arc::clone(&key)).unwrap();
        let (guest, now) = (guest(), self.clock.now());
        let until = now + 3_600_000;
        operator::approve(&guest, &ledger, &key, decision, until, now).await.unwrap()
    }

    /// The ledger, beside whoever has it open.
    pub(crate) fn ledger(&self) -> SqliteLedger {
        let key = Arc::new(LedgerKey::open_or_create(self.path("key")).unwrap());
        SqliteLedger::open_beside(self.path("ledger"), key).unwrap()
    }

    /// The time, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All that lies in the folder, as text.
    pub(crate) fn files(&self) -> String {
        let files = std::fs::read_dir(&self.folder).unwrap();
        let bytes: Vec<u8> =
            files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// What goes wrong in a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stop: Stop,
    /// The ledger cannot be used.
    away: AtomicBool,
    /// After how many more writes it cannot be used; 0: no such number.
    writes_left: AtomicUsize,
    /// How many more writes come too late.
    late: AtomicUsize,
    /// A write is told before it is made; and the last such one.
    early: AtomicBool,
    unwritten: Mutex<Option<Record>>,
    /// Every second look into the ledger finds nobody.
    wanders: AtomicBool,
    finds: AtomicUsize,
    /// Somebody else settles the entry before its next write.
    overtaken: AtomicBool,
    /// What was due when that was asked last; and whether it is told again.
    due: Mutex<Vec<Entry>>,
    due_is_old: AtomicBool,
    /// How many seconds the target takes for its next change, and for its next answer to a look.
    slow: AtomicU64,
    slow_look: AtomicU64,
    /// How many more looks are not answered.
    blind: AtomicUsize,
    /// For how long each lease of what may pass others is waited for.
    patience: Mutex<Vec<Duration>>,
}

impl Faults {
    /// The process stops at its `step`th step: before or after a call of ledger or target.
    pub(crate) fn stop_at(step: usize) -> Self {
        Self::stopping(Stop::at(step))
    }

    /// The process stops where `stop` says.
    pub(crate) fn stopping(stop: Stop) -> Self {
        Self(Arc::new(Inner { stop, ..Inner::default() }))
    }

    /// Where the process stops.
    pub(crate) fn stop(&self) -> &Stop {
        &self.0.stop
    }

    /// From now on the ledger says that it has written what it writes before it is used again.
    pub(crate) fn tell_early(&self) {
        self.0.early.store(true, Ordering::SeqCst);
    }

    pub(crate) fn ledger_away(&self, away: bool) {
        self.0.away.store(away, Ordering::SeqCst);
    }

    /// One more was written.
    fn written(&self) {
        let left = self.0.writes_left.load(Ordering::SeqCst);
        if 0 < left {
            self.ledger_goes_after_writes(left - 1);
            self.ledger_away(left == 1);
        }
    }

    pub(crate) fn ledger_goes_after_writes(&self, count: usize) {
        self.0.writes_left.store(count, Ordering::SeqCst);
    }

    /// The next `count` writes come too late.
    pub(crate) fn writes_come_late(&self, count: usize) {
        self.0.late.store(count, Ordering::SeqCst);
    }

    /// The names lead elsewhere whenever they are looked up again.
    pub(crate) fn names_wander(&self) {
        self.0.wanders.store(true, Ordering::SeqCst);
    }

    /// How often the ledger was looked into.
    pub(crate) fn finds(&self) -> usize {
        self.0.finds.load(Ordering::SeqCst)
    }

    /// Somebody else settles an entry before it is written again.
    pub(crate) fn overtake(&self) {
        self.0.overtaken.store(true, Ordering::SeqCst);
    }

    /// The ledger tells what was due before.
    pub(crate) fn due_is_old(&self) {
        self.0.due_is_old.store(true, Ordering::SeqCst);
    }

    /// The target takes so many seconds for its next change.
    pub(crate) fn next_change_takes(&self, seconds: u64) {
        self.0.slow.store(seconds, Ordering::SeqCst);
    }

    /// Is ready once the target has begun with that change.
    pub(crate) async fn change_began(&self) {
        while self.0.slow.load(Ordering::SeqCst) != 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// For how long what may pass others has waited, or would have, lease by lease.
    pub(crate) fn patience(&self) -> Vec<Duration> {
        self.0.patience.lock().unwrap().clone()
    }

    /// The next `count` looks are not answered.
    pub(crate) fn looks_fail(&self, count: usize) {
        self.0.blind.store(count, Ordering::SeqCst);
    }

    /// The target takes so many seconds for its next answer to a look.
    pub(crate) fn next_look_takes(&self, seconds: u64) {
        self.0.slow_look.store(seconds, Ordering::SeqCst);
    }

    /// Is ready once the process has stopped.
    pub(crate) async fn stopped(&self) {
        self.0.stop.stopped().await;
    }

    async fn step(&self) {
        if self.0.stop.take(Step::Host).is_none() {
            pending::<()>().await;
        }
    }

    /// Makes a call between two steps.
    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.step().await;
        let done = call.await;
        self.step().await;
        done
    }

    async fn in_ledger<T>(
        &self,
        call: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        if self.0.away.load(Ordering::SeqCst) {
            return Err(LedgerError::Storage("the disk is gone".into()));
        }
        self.around(call).await
    }
}

/// A ledger or a target with faults.
#[derive(Debug)]
pub(crate) struct Faulty<T> {
    inner: T,
    faults: Faults,
}

impl<L: Ledger> Faulty<L> {
    /// Writes what was said to be written.
    async fn write_late(&self) -> Result<(), LedgerError> {
        let unwritten = self.faults.0.unwritten.lock().unwrap().take();
        match unwritten {
            Some(record) => self.faults.around(self.inner.write(&record)).await,
            None => Ok(()),
        }
    }
}

impl<L: Ledger> Ledger for Faulty<L> {
    async fn lease(
        &self,
        names: &[Tag],
        statement: &Tag,
        waiting: Waiting,
    ) -> Result<Leased, LedgerError> {
        if let Waiting::Pass { after, .. } = waiting {
            self.faults.0.patience.lock().unwrap().push(after);
        }
        self.faults.around(self.inner.lease(names, statement, waiting)).await
    }

    async fn find(
        &self,
        scope: &Scope,
        key: Option<&Tag>,
        statement: &Tag,
        names: &[Tag],
    ) -> Result<Found, LedgerError> {
        self.write_late().await?;
        let found = self.faults.in_ledger(self.inner.find(scope, key, statement, names)).await?;
        let count = self.faults.0.finds.fetch_add(1, Ordering::SeqCst);
        if self.faults.0.wanders.load(Ordering::SeqCst) && count.is_multiple_of(2) {
            return Ok(Found { holders: Vec::new(), open: Vec::new(), ..found });
        }
        Ok(found)
    }

    async fn write(&self, record: &Record) -> Result<(), LedgerError> {
        let late = &self.faults.0.late;
        if late.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(LedgerError::Fenced);
        }
        let prior = self.inner.entry(&record.entry.id).await?;
        if prior.is_some() && self.faults.0.overtaken.swap(false, Ordering::SeqCst) {
            let entry = Entry { stage: Stage::Settled, wake_at: None, ..record.entry.clone() };
            let other = Record { entry, identities: Vec::new(), step: None, ..record.clone() };
            self.inner.write(&other).await?;
        }
        if self.faults.0.early.load(Ordering::SeqCst) {
            self.write_late().await?;
            *self.faults.0.unwritten.lock().unwrap() = Some(record.clone());
            return Ok(());
        }
        let done = self.faults.in_ledger(self.inner.write(record)).await;
        self.faults.written();
        done
    }

    async fn entry(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        self.faults.in_ledger(self.inner.entry(id)).await
    }

    async fn due(
        &self,
        now: u64,
        after: Option<&Entry>,
        most: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let due = self.faults.in_ledger(self.inner.due(now, after, most)).await?;
        let mut told = self.faults.0.due.lock().unwrap();
        if !self.faults.0.due_is_old.load(Ordering::SeqCst) {
            told.clone_from(&due);
        }
        Ok(told.clone())
    }

    async fn profile(&self, target: &str) -> Result<Vec<Field>, LedgerError> {
        self.faults.in_ledger(self.inner.profile(target)).await
    }

    async fn note(
        &self,
        tenant: &str,
        decision: &EntryId,
        step: &RecordedStep,
    ) -> Result<(), LedgerError> {
        self.faults.in_ledger(self.inner.note(tenant, decision, step)).await
    }

    async fn steps(&self, decision: &EntryId) -> Result<Vec<RecordedStep>, LedgerError> {
        self.faults.in_ledger(self.inner.steps(decision)).await
    }

    async fn waiting_step(&self, decision: &EntryId) -> Result<Option<RecordedStep>, LedgerError> {
        self.faults.in_ledger(self.inner.waiting_step(decision)).await
    }

    async fn waiting(&self) -> Result<Vec<EntryId>, LedgerError> {
        self.faults.in_ledger(self.inner.waiting()).await
    }

    async fn forget_steps(&self, before: u64) -> Result<u64, LedgerError> {
        self.faults.in_ledger(self.inner.forget_steps(before)).await
    }

    async fn plans(&self) -> Result<Vec<PlanRecord>, LedgerError> {
        self.faults.in_ledger(self.inner.plans()).await
    }

    async fn write_plan(&self, record: &PlanRecord, forget: u64) -> Result<(), LedgerError> {
        let done = self.faults.in_ledger(self.inner.write_plan(record, forget)).await;
        self.faults.written();
        done
    }

    async fn ready(&self) -> Result<(), LedgerError> {
        self.faults.in_ledger(self.inner.ready()).await
    }

    async fn audit(&self) -> Result<Vec<Note>, LedgerError> {
        self.faults.in_ledger(self.inner.audit()).await
    }
}

impl<T: Target> Target for Faulty<T> {
    async fn observe(
        &self,
        question: &Question,
        endpoints: &[Endpoint],
        caller: &Caller,
        keep: &(dyn Fn(Vec<String>) -> Vec<String> + Send + Sync),
    ) -> Sight {
        let blind = &self.faults.0.blind;
        let fewer = |left: usize| left.checked_sub(1);
        if blind.try_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() {
            return Sight::Nothing;
        }
        let slow = self.faults.0.slow_look.swap(0, Ordering::SeqCst);
        let seen = self.faults.around(self.inner.observe(question, endpoints, caller, keep)).await;
        sleep(Duration::from_secs(slow)).await;
        seen
    }

    async fn apply(
        &self,
        effect: &Effect,
        endpoints: &[Endpoint],
        body: Option<Body>,
        caller: &Caller,
    ) -> Outcome {
        sleep(Duration::from_secs(self.faults.0.slow.swap(0, Ordering::SeqCst))).await;
        self.faults.around(self.inner.apply(effect, endpoints, body, caller)).await
    }

    async fn discover(&self, caller: &Caller) -> Discovery {
        self.faults.around(self.inner.discover(caller)).await
    }
}

/// The runtime's own time, which passes only where everybody waits.
#[derive(Debug)]
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> u64 {
        // 2026-01-01T00:00Z.
        1_767_225_600_000 + u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

/// A call of `method` on the user `id`, with a bearer token.
pub(crate) fn call(method: Method, id: Option<&str>, body: Option<&Value>) -> Call {
    let content_type = HeaderValue::from_static("application/scim+json");
    let call = Call {
        method,
        resource_type: "User".into(),
        id: id.map(str::to_owned),
        body: body.map(|body| Body { bytes: body.to_string().into(), content_type }),
        key: None,
        version: None,
        if_match: None,
        principal: Principal::Anonymous,
        caller: Caller::default(),
        extra: Vec::new(),
        awaited: None,
    };
    with_credential(call, "Bearer token")
}

/// A create of a user.
pub(crate) fn create(name: &str) -> Call {
    let body = json!({"userName": name, "externalId": format!("x-{name}"), "active": true});
    call(Method::Create, None, Some(&body))
}

/// A create of a user as this body has it.
pub(crate) fn create_with(body: &Value) -> Call {
    call(Method::Create, None, Some(body))
}

/// A create of a user that nothing but its name identifies.
pub(crate) fn create_unlinked(name: &str) -> Call {
    call(Method::Create, None, Some(&json!({"userName": name, "active": true})))
}

/// A PUT of the user `id`.
pub(crate) fn replace(id: &str, body: &Value) -> Call {
    call(Method::Replace, Some(id), Some(body))
}

/// A PATCH of the user `id` that replaces one attribute.
pub(crate) fn patch(id: &str, path: &str, value: &Value) -> Call {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": path, "value": value}]
    });
    call(Method::Patch, Some(id), Some(&body))
}

/// A delete of the user `id`.
pub(crate) fn delete(id: &str) -> Call {
    call(Method::Delete, Some(id), None)
}

pub(crate) fn with_key(call: Call, key: &str) -> Call {
    Call { key: Some(key.into()), ..call }
}

pub(crate) fn with_credential(call: Call, authorization: &str) -> Call {
    let value = HeaderValue::from_str(authorization).unwrap();
    let caller = Caller { headers: vec![(AUTHORIZATION, value)], query: None };
    Call { principal: Principal::of(&caller), caller, ..call }
}

/// Sends a call until it is told how it ended, as a client does that is told to come again.
pub(crate) async fn insist<T: Target>(process: &Process<T>, call: &Call) -> Answer {
    for _ in 0..20 {
        let answer = Box::pin(process.provision(call.clone())).await;
        let passing = matches!(
            answer.verdict,
            Verdict::InFlight | Verdict::Unresolved | Verdict::Unavailable
        );
        if !passing {
            return answer;
        }
        sleep(Duration::from_secs(u64::from(answer.retry_after.unwrap_or(1)))).await;
    }
    panic!("it is never told how it ended");
}
