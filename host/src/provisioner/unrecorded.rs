//! Without the ledger: what may go out all the same, and how does the ledger come to know of it (S36)?
//!
//! The component decides what goes out, as ever; here is what stands for the ledger meanwhile, and the journal
//! is written before anything is sent.

use std::time::Duration;

use tokio::{sync::Mutex, task::spawn_blocking, time::Instant};

use super::{Next, ProvisionError, Provisioner, Run, in_flight, is_open, plain};
use crate::{
    call::Call,
    contract::{
        Action, Answer, Entry, EntryId, Found, Holder, Identity, Observation, Question, Request,
        Retry, Settings, Sight, Stage, Tag, Tags, Verdict,
    },
    ledger::{Journal, Ledger, LedgerError, Line, Record},
    monitor::{self, Function},
    target::{Body, Caller, Target},
};

/// What stands for the ledger while one request goes out without it: it knows of nothing else.
#[derive(Default)]
pub(super) struct Scratch {
    entry: Option<Entry>,
    identities: Vec<(Identity, Vec<Tag>)>,
}

impl Scratch {
    /// As the ledger's own.
    pub(super) fn find(&self, of: &Tags, names: &[Tag]) -> Found {
        let entry = self.entry.as_ref();
        let by_key = entry.filter(|entry| of.key.is_some() && entry.key == of.key);
        let by_statement = entry.filter(|entry| entry.statement == of.statement);
        let meant = by_key.or(by_statement).and_then(|entry| entry.identity.as_ref());
        let holder = |(identity, tags): &(Identity, Vec<Tag>)| {
            let by = (0..).zip(names).filter(|(_, name)| tags.contains(name));
            let by: Vec<u32> = by.map(|(position, _)| position).collect();
            let is_meant = !by.is_empty() || meant == Some(&identity.id);
            is_meant.then(|| Holder { identity: identity.clone(), by })
        };
        Found {
            by_key: by_key.cloned(),
            by_statement: by_statement.cloned(),
            holders: self.identities.iter().filter_map(holder).collect(),
            open: entry.filter(|entry| is_open(entry)).cloned().into_iter().collect(),
        }
    }

    fn keep(&mut self, record: &Record) {
        self.entry = Some(record.entry.clone());
        for (write, names) in &record.identities {
            let mut identity = write.identity.clone();
            identity.fence = identity.fence.saturating_add(1);
            let known = self.identities.iter().position(|(one, _)| one.id == identity.id);
            let before = known.map(|at| self.identities.swap_remove(at).1).unwrap_or_default();
            let tags = |names: &Vec<(_, Tag)>| names.iter().map(|(_, tag)| tag.clone()).collect();
            self.identities.push((identity, names.as_ref().map_or(before, tags)));
        }
    }
}

/// Whether the journal may be entered in the ledger: by one at a time, and not at once after it failed.
#[derive(Default)]
pub(super) struct Drain(Mutex<Option<Instant>>);

impl<L: Ledger, T: Target> Provisioner<L, T> {
    /// Lets out what takes access away although the ledger cannot be used: once, after its line is on the disk.
    ///
    /// None where policy, or what the request asks, does not let it.
    pub(super) async fn pass(&self, call: &Call) -> Result<Option<Answer>, ProvisionError> {
        let inner = &*self.0;
        let Some(journal) = &inner.options.journal else { return Ok(None) };
        let received_at = inner.clock.now();
        let schema = self.schema(&call.caller).await?;
        // What was learned is where nobody can look.
        let settings = Settings {
            policy: inner.options.policy.clone(),
            schema: schema.document,
            profile: [schema.declared, inner.options.profile.clone()].concat(),
        };
        let mut run = match self.begin(call, received_at, schema.endpoints, settings).await? {
            Ok(run) => run,
            Err(answer) => return Ok(Some(*answer)),
        };
        if !run.may_pass {
            return Ok(None);
        }
        if let Some(id) = journal.holds(&run.tags.statement) {
            return Ok(Some(gone_out(id)));
        }
        run.scratch = Some(Scratch::default());
        run.passed = true;
        let mut mine = None;
        loop {
            let found = self.find(&run).await?;
            match self.decide(&mut run, found, &mut mine).await? {
                Next::Answer(mut answer) => {
                    run.secrets.put_back_answer(&mut answer);
                    monitor::tidy(&mut answer);
                    return Ok(Some(answer));
                }
                Next::Again => {}
                Next::Wait(_) => return Ok(Some(in_flight(&run, mine.as_deref()))),
            }
        }
    }

    /// Writes the line before the effect is sent, and takes it out where nothing has come of it.
    pub(super) async fn write_unrecorded(
        &self,
        run: &mut Run,
        function: Function,
        record: &Record,
    ) -> Result<(), ProvisionError> {
        let entry = &record.entry;
        match (function, entry.stage) {
            // INVARIANT: no effect without its line.
            (Function::Admit | Function::Decide, Stage::Dispatched) => {
                let line = Line {
                    id: entry.id.clone(),
                    statement: entry.statement.clone(),
                    request: run.request.clone(),
                };
                if !self.in_journal(move |journal| journal.add(line)).await? {
                    return Err(ProvisionError::Unrecorded);
                }
            }
            // Nothing is to be sent, so nothing is lost by waiting for the ledger.
            (Function::Admit | Function::Decide, Stage::Settled | Stage::Parked) => {
                return Err(ProvisionError::Unrecorded);
            }
            // It had no effect: there is nothing to look after.
            (Function::Settle, Stage::Refused) => {
                let id = entry.id.clone();
                self.in_journal(move |journal| journal.remove(&id)).await?;
            }
            (Function::Admit | Function::Decide | Function::Settle, _) => {}
        }
        if let Some(scratch) = &mut run.scratch {
            scratch.keep(record);
        }
        Ok(())
    }

    /// Enters what went out without a record, before the ledger is used again: each line as an open entry, which
    /// the scan looks after.
    ///
    /// A process that dies here leaves lines that the ledger has: they are known by their ids.
    pub(super) async fn drain(&self, caller: Option<&Caller>) -> Result<(), ProvisionError> {
        let inner = &*self.0;
        let Some(journal) = &inner.options.journal else { return Ok(()) };
        if journal.count() == 0 {
            return Ok(());
        }
        let mut failed_at = inner.drain.0.lock().await;
        if failed_at.is_some_and(|at| at.elapsed() < DRAIN_PAUSE) {
            let reason = "it could not be used a moment ago, and the journal is not entered yet";
            return Err(LedgerError::Storage(reason.into()).into());
        }
        for line in journal.lines() {
            let id = line.id.clone();
            let entered = self.enter(line, caller).await;
            *failed_at = entered.is_err().then(Instant::now);
            entered?;
            self.in_journal(move |journal| journal.remove(&id)).await?;
        }
        Ok(())
    }

    async fn enter(&self, line: Line, caller: Option<&Caller>) -> Result<(), ProvisionError> {
        let inner = &*self.0;
        if inner.ledger.entry(&line.id).await?.is_some() {
            return Ok(());
        }
        let keyless = Request { key: None, ..line.request.clone() };
        // A key that was used before leads to what was told then, and not to what went out since.
        for (request, last) in [(line.request, false), (keyless, true)] {
            let schema = match caller {
                Some(caller) => self.schema(caller).await?,
                None => inner.known.schema(),
            };
            let content_type = http::HeaderValue::from_static("application/scim+json");
            let body = request.body.clone();
            let body = body.map(|text| Body { bytes: text.into(), content_type });
            let caller = caller.cloned().unwrap_or_default();
            let Some(mut run) = self.run_for(request, caller, schema).await? else { break };
            run.new_entry.clone_from(&line.id);
            // As it was when it went out: past everybody, with its bytes at hand.
            run.passed = true;
            run.body = body;
            if self.enter_run(&mut run, last).await? {
                return Ok(());
            }
        }
        Err(ProvisionError::Unentered { id: line.id })
    }

    /// Has the component record that the request was sent, as if the process had died right after; false if it
    /// does not. Nothing is looked at: what was seen then is not known, and what is there by now says nothing of it.
    ///
    /// `equals`: an equal request that has settled since then stands for it.
    async fn enter_run(&self, run: &mut Run, equals: bool) -> Result<bool, ProvisionError> {
        let inner = &*self.0;
        'again: loop {
            let found = self.find(run).await?;
            let mut situation = self.situation(run, found);
            let mut function = Function::Admit;
            loop {
                run.count_step()?;
                situation.now = inner.clock.now();
                let step = match function {
                    Function::Admit => inner.guest.admit(&situation)?,
                    Function::Decide | Function::Settle => inner.guest.decide(&situation)?,
                };
                monitor::check(function, &situation, &step)?;
                match &step.action {
                    Action::Ask(questions) => {
                        let unseen = |question: &Question| Observation {
                            question: question.clone(),
                            asked_at: situation.now,
                            seen_at: situation.now,
                            sight: Sight::Nothing,
                        };
                        let unseen: Vec<_> = questions.iter().map(unseen).collect();
                        situation.observed.extend(unseen);
                        function = Function::Decide;
                    }
                    Action::Claim(names) => {
                        run.claimed.extend(names.iter().cloned());
                        continue 'again;
                    }
                    Action::Apply(_) => {
                        return match self.write(run, function, &situation, None, &step).await {
                            Err(ProvisionError::Ledger(LedgerError::Fenced)) => continue 'again,
                            written => written.map(|()| true),
                        };
                    }
                    // It was sent before, and is looked after by that entry.
                    Action::Resolve(id) => {
                        let open = inner.ledger.entry(id).await?;
                        return Ok(open.is_some_and(|open| open.statement == run.tags.statement));
                    }
                    Action::Answer(told) => return Ok(equals && told.replayed),
                    Action::Wait(_) => return Ok(false),
                }
            }
        }
    }

    /// Does something in the journal, which may wait for the disk.
    async fn in_journal<R: Send + 'static>(
        &self,
        job: impl FnOnce(&Journal) -> Result<R, LedgerError> + Send + 'static,
    ) -> Result<R, ProvisionError> {
        let Some(journal) = self.0.options.journal.clone() else {
            return Err(ProvisionError::Unrecorded);
        };
        let done = spawn_blocking(move || job(&journal)).await;
        Ok(done.map_err(|lost| LedgerError::Storage(lost.into()))??)
    }
}

/// It went out before, and not a second time.
fn gone_out(id: EntryId) -> Answer {
    Answer {
        decision: id,
        retry: Retry::After,
        ..plain(
            Verdict::Unresolved,
            "it went out once while the ledger could not be used, and is looked after when the ledger can; send it again later",
        )
    }
}

/// 1 second: whoever waited for the journal to be entered does not try again at once what just failed.
const DRAIN_PAUSE: Duration = Duration::from_secs(1);
