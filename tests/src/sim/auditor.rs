//! The auditor: do requests, replies and the target's own log keep the laws?
//!
//! It is written apart from the core and knows none of its records: what should be follows from what was
//! asked, what was answered and what was seen. The laws have the names of `docs/rules.md` and the theorems
//! their assumptions: where a target keeps no bound, what depends on it is not claimed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::Rc,
};

use replaysafe_core::types::{
    Answer, Divergence, Effect, EffectBody, Entry, Evidence, Method, Question, Stage, Verdict,
};

mod matters;

use super::{
    gateway::ANSWER_BUDGET_MS,
    ledger::{Refusal, Written},
    target::{self, APPLY_BOUND_MS, Change, Resource, SEARCH_LAG_MS},
    workload::{Ask, Intent, Kind, Subject},
    world::{Event, Setup, World, is_success},
};

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub law: &'static str,
    /// What happened.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.detail)
    }
}

/// The order of events.
type Tick = u32;

/// What is known of an entry from outside.
#[derive(Clone, Debug)]
struct Known {
    intent: usize,
    identity: Option<String>,
    statement: String,
    /// When it was first written, and when it was first written as `dispatched`.
    dispatched: Option<(Tick, u64)>,
    calls: Vec<u32>,
    /// It has ended: its effect was answered for, or refused.
    ended: bool,
    parked: bool,
    /// What was proved since its last effect, where passwords are stated: whoever is the first to hear of it sees nothing anew (S3a).
    proved: Option<Rc<Answer>>,
}

#[derive(Clone, Debug)]
struct Sent {
    at: u64,
    creates: bool,
    /// What the sender heard; none so far.
    heard: Option<Option<u16>>,
    landed: bool,
    /// The resource that it has made.
    made: Option<u32>,
}

#[derive(Clone, Debug, Default)]
struct Work {
    intent: Option<usize>,
    arrived: u64,
    sent: u32,
    /// The ledger has refused a write of it as unlawful.
    lawless: bool,
    /// By id, since its last effect: when it was seen, and how.
    looks: BTreeMap<u32, (Tick, Option<Resource>)>,
    /// When everything was listed, since its last effect.
    listed_at: Option<u64>,
    /// When this attribute was searched by, likewise.
    searched_at: BTreeMap<String, u64>,
}

/// A resource that an effect took out of the target.
#[derive(Clone, Debug)]
struct Removed {
    subject: Subject,
    /// Whether it had an external id.
    external: bool,
    at: Tick,
    /// The entry.
    by: String,
    /// Whether its id had ever been read.
    known: bool,
}

impl Removed {
    fn new(resource: &Resource, at: Tick, by: &str, known: bool) -> Self {
        let Resource { subject, external, .. } = *resource;
        Self { subject, external, at, by: by.to_owned(), known }
    }
}

/// Something that was done, or found to be so, and was answered for.
#[derive(Clone, Debug)]
struct Done {
    intent: usize,
    entry: String,
    /// The target's id.
    id: Option<u32>,
    begin: Tick,
    end: Tick,
    /// It was claimed; else it may have happened.
    claimed: bool,
    verdict: Verdict,
}

/// Watches one world.
#[derive(Clone, Debug)]
pub struct Auditor {
    setup: Rc<Setup>,
    tick: Tick,
    /// Work under way.
    work: BTreeMap<u32, Work>,
    /// The wishes that work which is over was about.
    past: BTreeSet<usize>,
    entries: BTreeMap<String, Known>,
    calls: BTreeMap<u32, Sent>,
    fences: BTreeMap<String, u64>,
    stages: BTreeMap<String, Stage>,
    statements: BTreeMap<String, String>,
    receipts: BTreeMap<String, Rc<Answer>>,
    by_key: BTreeMap<u8, Rc<Answer>>,
    changed: BTreeMap<u8, String>,
    done: Vec<Done>,
    /// The ids under which a resource was read.
    read: BTreeSet<u32>,
    /// Resources that a delete has taken out of the target: subject, when, by which entry.
    removed: Vec<Removed>,
    /// What was said not to be kept (S11): the same over the same is equal.
    not_kept: BTreeSet<(Subject, Ask)>,
    lied: bool,
    /// A listing has failed: its create may have been parked for it.
    unlisted: bool,
    /// Everything is at rest: what comes now are repeats.
    at_rest: bool,
}

impl Auditor {
    /// Of a world before anything has happened.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self {
            setup: Rc::clone(&world.setup),
            tick: 0,
            work: BTreeMap::new(),
            past: BTreeSet::new(),
            entries: BTreeMap::new(),
            calls: BTreeMap::new(),
            fences: BTreeMap::new(),
            stages: BTreeMap::new(),
            statements: BTreeMap::new(),
            receipts: BTreeMap::new(),
            by_key: BTreeMap::new(),
            changed: BTreeMap::new(),
            done: Vec::new(),
            removed: Vec::new(),
            read: BTreeSet::new(),
            not_kept: BTreeSet::new(),
            lied: false,
            unlisted: false,
            at_rest: false,
        }
    }

    /// From now on nothing but repeats of what was answered is asked.
    pub fn rest(&mut self) {
        self.at_rest = true;
    }

    /// Sees what an action has brought about.
    ///
    /// # Errors
    ///
    /// The first law that does not hold.
    pub fn see(&mut self, world: &World, events: &[Event]) -> Result<(), Violation> {
        for event in events {
            self.tick += 1;
            match event {
                Event::Arrived { run, intent } => {
                    let arrived = world.now;
                    let work = Work { intent: Some(*intent), arrived, ..Work::default() };
                    self.work.insert(*run, work);
                }
                Event::Looked { run, question, answered } => {
                    self.looked(world, *run, question, *answered);
                }
                Event::Oversaw { run } => {
                    self.work.entry(*run).or_default().listed_at = Some(world.now);
                }
                Event::Wrote { run, entry, written, answer } => {
                    self.wrote(world, *run, entry, written, answer.as_ref())?;
                }
                Event::Refused { run, refusal } => {
                    if let Refusal::Law(_) = refusal {
                        self.work.entry(*run).or_default().lawless = true;
                    }
                }
                Event::Sent { call, run, entry, effect } => {
                    self.sent(world, *call, *run, entry, effect)?;
                }
                Event::Landed { call, entry, change, body } => {
                    self.arrives_as_stated(entry, body)?;
                    self.landed(world, *call, entry, change)?;
                }
                Event::Heard { call, status } => {
                    if let Some(call) = self.calls.get_mut(call) {
                        call.heard = Some(*status);
                        self.lied |= !call.landed && matches!(status, Some(200..=299));
                    }
                }
                Event::Answered { run, intent, answer } => {
                    self.told(world, *run, *intent, answer)?;
                }
                Event::Broken { run, how } => {
                    return broken("the-contract-is-kept", || format!("run {run}: {how}"));
                }
            }
        }
        let past = &mut self.past;
        self.work.retain(|run, work| {
            let goes_on = world.runs.contains_key(run);
            past.extend(work.intent.filter(|_| !goes_on));
            goes_on
        });
        Ok(())
    }

    fn intent(&self, number: usize) -> Option<&Intent> {
        self.setup.intents.get(number)
    }

    fn looked(&mut self, world: &World, run: u32, question: &Question, answered: bool) {
        let tick = self.tick;
        let work = self.work.entry(run).or_default();
        if !answered {
            self.unlisted |= matches!(question, Question::All(_));
            return;
        }
        match question {
            Question::ById(by) => {
                if let Some(id) = target::number(&by.id) {
                    let shown = world.target.store.get(&id).cloned();
                    self.read.extend(shown.as_ref().map(|_| id));
                    work.looks.insert(id, (tick, shown));
                }
            }
            Question::All(_) if !world.setup.profile.refuses_lists => {
                work.listed_at = Some(world.now);
            }
            Question::Search(search) => {
                work.searched_at.insert(search.attribute.clone(), world.now);
            }
            Question::All(_) => {}
        }
    }

    fn wrote(
        &mut self,
        world: &World,
        run: u32,
        entry: &Rc<Entry>,
        written: &Written,
        answer: Option<&Rc<Answer>>,
    ) -> Result<(), Violation> {
        let tick = self.tick;
        for (identity, before, after) in &written.fences {
            let last = self.fences.insert(identity.clone(), *after).unwrap_or(0);
            if after <= &last || before != &last {
                return broken("fence-never-shrinks", || {
                    format!("identity {identity}: {last}, then {before} to {after}")
                });
            }
        }
        let last = self.stages.insert(entry.id.clone(), entry.stage);
        if last != written.stage_before || !last.is_none_or(|last| follows(last, entry.stage)) {
            return broken("stage-never-moves-back", || {
                format!("entry {}: {last:?}, then {:?}", entry.id, entry.stage)
            });
        }
        if let Some(key) = &entry.key {
            let first =
                self.statements.entry(key.clone()).or_insert_with(|| entry.statement.clone());
            if *first != entry.statement {
                return broken("mismatch-never-acts", || {
                    format!("entry {} has the key of another request", entry.id)
                });
            }
        }
        let asked = (entry.statement.clone(), entry.key.clone());
        let known = self.entries.entry(entry.id.clone()).or_insert_with(|| Known {
            intent: world.asked.get(&asked).copied().unwrap_or(usize::MAX),
            identity: None,
            statement: entry.statement.clone(),
            dispatched: None,
            calls: Vec::new(),
            ended: false,
            parked: false,
            proved: None,
        });
        known.identity.clone_from(&entry.identity);
        known.parked = entry.stage == Stage::Parked;
        if entry.stage == Stage::Dispatched && answer.is_none() {
            // Without a key nobody can tell a repeat of what was refused from a new wish (S2a, S9, S21).
            if last == Some(Stage::Refused) && entry.key.is_none() {
                known.dispatched = None;
            }
            known.dispatched.get_or_insert((tick, world.now));
            known.ended = false;
        }
        if matches!(entry.stage, Stage::Settled | Stage::Refused) {
            known.ended = true;
        }
        if entry.stage == Stage::Refused {
            if self.was_seen_and_deleted(run, &entry.id)
                && let Some(known) = self.entries.get_mut(&entry.id)
            {
                known.calls.clear();
            }
            self.absent(world, run, &entry.id, "is given up")?;
        }
        let Some(known) = self.entries.get_mut(&entry.id) else { return Ok(()) };
        let Some(answer) = answer.filter(|answer| !answer.replayed) else { return Ok(()) };
        known.ended |= entry.stage != Stage::Parked;
        let again = known.proved.as_ref().is_some_and(|proved| lasting(proved) == lasting(answer));
        if !again {
            self.proved(world, run, &entry.id, answer)?;
        }
        if let Some(known) =
            self.entries.get_mut(&entry.id).filter(|_| self.setup.states_passwords())
        {
            known.proved = Some(Rc::clone(answer));
        }
        self.record(run, &entry.id, answer);
        Ok(())
    }

    /// `no-success-without-evidence`: what is claimed was seen, by this work, after its last effect.
    fn proved(
        &self,
        world: &World,
        run: u32,
        entry: &str,
        answer: &Answer,
    ) -> Result<(), Violation> {
        if !is_success(answer.verdict) || answer.verdict == Verdict::AcceptedUnverified {
            return Ok(());
        }
        let Some(known) = self.entries.get(entry) else { return Ok(()) };
        let Some(intent) = self.intent(known.intent) else { return Ok(()) };
        let unproved = |why: &str| {
            broken("no-success-without-evidence", || {
                format!("{:?} for {intent} ({entry}): {why}", answer.verdict)
            })
        };
        match answer.evidence {
            Evidence::Response if intent.ask.passes() => {
                return Ok(());
            }
            Evidence::Response => return unproved("it rests on the target's answer alone"),
            Evidence::Ledger | Evidence::None => return unproved("it rests on nothing"),
            Evidence::Read => {}
        }
        // To a DELETE by id, 404 proves as much as a read (S12).
        let heard = known.calls.last().and_then(|call| self.calls.get(call)?.heard);
        if intent.ask == Ask::Delete && matches!(heard, Some(Some(404 | 410))) {
            return Ok(());
        }
        let Some(work) = self.work.get(&run) else { return unproved("nothing was looked at") };
        let pinned = world.pinned.get(&known.intent).copied();
        let seen: Vec<&Option<Resource>> = work
            .looks
            .iter()
            .filter(|(id, _)| intent.ask.creates() || Some(**id) == pinned)
            .map(|(_, (_, seen))| seen)
            .collect();
        let not_kept = keeps_not(answer)
            || self.setup.profile.drops_title
            || self.not_kept.contains(&(intent.subject, intent.ask));
        let shows = |seen: &&&Option<Resource>| shows(intent, seen.as_ref(), not_kept);
        if seen.iter().any(|one| shows(&one)) {
            return Ok(());
        }
        unproved(&format!("what was seen since the effect: {seen:?}"))
    }

    fn record(&mut self, run: u32, entry: &str, answer: &Answer) {
        let tick = self.tick;
        let Some(known) = self.entries.get(entry) else { return };
        let asked = self.intent(known.intent).map(|intent| (intent.subject, intent.ask));
        if keeps_not(answer) {
            self.not_kept.extend(asked);
        }
        let claimed = is_success(answer.verdict)
            && answer.evidence == Evidence::Read
            && answer.verdict != Verdict::AcceptedUnverified
            && !asked.is_some_and(|asked| self.not_kept.contains(&asked));
        if !claimed && !answer.changed && answer.verdict != Verdict::AcceptedUnverified {
            return;
        }
        // What was superseded is not to be; a PUT may have been in part.
        let whole = !matches!(asked, Some((_, Ask::Put { .. })));
        if whole && matches!(answer.verdict, Verdict::Superseded | Verdict::Parked) {
            return;
        }
        let id = if self.intent(known.intent).is_some_and(|intent| intent.ask.creates()) {
            id_in(answer)
        } else {
            self.pinned(entry)
        };
        let looked = self.work.get(&run).and_then(|work| work.looks.values().next_back());
        let begin = match known.dispatched {
            Some((dispatched, _)) => dispatched,
            None => looked.map_or(tick, |(at, _)| *at),
        };
        let (intent, verdict) = (known.intent, answer.verdict);
        let entry = entry.to_owned();
        self.done.push(Done { intent, entry, id, begin, end: tick, claimed, verdict });
    }

    /// `secrets-arrive`: what was lifted is put back, and is what a client of the subject has stated.
    fn arrives_as_stated(&self, entry: &str, body: &str) -> Result<(), Violation> {
        let Some(secrets) = self.setup.secrets.as_ref().filter(|_| body.contains("password"))
        else {
            return Ok(());
        };
        let known = self.entries.get(entry).and_then(|known| self.intent(known.intent));
        let subject = known.map(|intent| intent.subject);
        let of_subject =
            || self.setup.intents.iter().filter(|intent| Some(intent.subject) == subject);
        let is_stated = |password: &serde_json::Value| {
            let mut stated = of_subject().filter_map(|intent| intent.password);
            stated.any(|number| *password == secrets.password(number))
        };
        let read: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        if target::passwords(&read).all(is_stated) {
            return Ok(());
        }
        broken("secrets-arrive", || format!("what has arrived for {entry}: {body}"))
    }

    /// The id that an update's or delete's statement names.
    fn pinned(&self, entry: &str) -> Option<u32> {
        // The framed statement holds the id as one of its parts: `…:2:r7:…`.
        let known = self.entries.get(entry)?;
        known.statement.split(':').find_map(target::number)
    }

    fn sent(
        &mut self,
        world: &World,
        call: u32,
        run: u32,
        entry: &str,
        effect: &Effect,
    ) -> Result<(), Violation> {
        let now = world.now;
        let creates = effect.method == Method::Create;
        if self.at_rest {
            return broken("replay-is-identical", || {
                format!("a repeat of what was answered sent an effect ({entry})")
            });
        }
        if creates {
            self.absent(world, run, entry, "creates again")?;
        }
        let work = self.work.entry(run).or_default();
        // What nobody can see changes nothing that was seen (S3a).
        let unseen = states_only_passwords(effect);
        if !unseen {
            work.listed_at = None;
            work.searched_at.clear();
            work.looks.clear();
        }
        // What it sends for an earlier request that has to end first is not its own.
        let own = self.entries.get(entry).map(|known| known.intent);
        work.sent += u32::from(own == work.intent);
        let sent = Sent { at: now, creates, heard: None, landed: false, made: None };
        self.calls.insert(call, sent);
        let Some(known) = self.entries.get_mut(entry) else { return Ok(()) };
        known.calls.push(call);
        known.proved.take_if(|_| !unseen);
        let (own, identity) = (known.intent, known.identity.clone());
        self.predecessors(entry, own, identity.as_deref())
    }

    /// `absence-needs-proof`: nothing is taken for not done before everything was listed after D and L, or
    /// searched by every name, where the target is known to answer such searches (S14).
    fn absent(
        &mut self,
        world: &World,
        run: u32,
        entry: &str,
        what: &str,
    ) -> Result<(), Violation> {
        let Some(known) = self.entries.get_mut(entry) else { return Ok(()) };
        let (own, calls) = (known.intent, std::mem::take(&mut known.calls));
        let last = self.creations(&calls).map(|call| call.at).max();
        let Some(at) = last.filter(|_| !self.setup.policy.contains("retry-and-converge")) else {
            return Ok(());
        };
        let listed_at = self.work.get(&run).and_then(|work| {
            let searched_at = self.searched_at(world, own, work);
            work.listed_at.max(searched_at)
        });
        // The record, from which the wait is counted, may be older than the call: never by much.
        let enough = at + (APPLY_BOUND_MS + SEARCH_LAG_MS) / 2;
        if listed_at.is_none_or(|listed_at| listed_at < enough) {
            return broken("absence-needs-proof", || {
                format!(
                    "{entry} {what} at {}: it was sent at {at}, and all was listed at {listed_at:?}",
                    world.now
                )
            });
        }
        Ok(())
    }

    /// Those of these calls that may have made something.
    fn creations(&self, calls: &[u32]) -> impl Iterator<Item = &Sent> {
        let calls = calls.iter().filter_map(|call| self.calls.get(call));
        calls.filter(|call| call.creates && call.heard.is_none_or(may_have_been))
    }

    /// What an entry has made that was sent once: its id, whether anybody knows it by that, and whether it was deleted by it.
    fn made_once(&self, known: &Known) -> Option<(u32, bool, bool)> {
        let mut creations = self.creations(&known.calls);
        let call = creations.next().filter(|_| creations.next().is_none())?;
        let id = call.made?;
        let told = matches!(call.heard, Some(Some(200..=299)));
        let deletes =
            |done: &Done| self.intent(done.intent).is_some_and(|of| of.ask == Ask::Delete);
        let deleted = self.done.iter().any(|done| done.id == Some(id) && deletes(done));
        Some((id, told || self.read.contains(&id), deleted))
    }

    /// Whether a create is of a life that is over: what it made was seen, this work has looked at it by its id, and that
    /// very resource was deleted by a request that was answered for (S14c, S21). What can come no more needs no proof.
    fn was_seen_and_deleted(&self, run: u32, entry: &str) -> bool {
        let made = self.entries.get(entry).and_then(|known| self.made_once(known));
        let Some((id, known, deleted)) = made else { return false };
        known && deleted && self.work.get(&run).is_some_and(|work| work.looks.contains_key(&id))
    }

    /// When the last of the searches by every name of a wish was asked that prove an absence.
    fn searched_at(&self, world: &World, wish: usize, work: &Work) -> Option<u64> {
        let intent = self.intent(wish)?;
        let Ask::Create { external, .. } = intent.ask else { return None };
        let user = intent.subject.kind == Kind::User;
        let names = [("userName", user), ("externalId", external || !user)];
        let stated = names.iter().filter(|(_, stated)| *stated).map(|(name, _)| *name);
        let proving = stated.map(|name| {
            let fact = format!("filter/{}/{name}", intent.subject.kind.name());
            let answered =
                world.ledger.facts.iter().any(|known| known.name == fact && known.value == "eq");
            work.searched_at.get(name).copied().filter(|_| answered)
        });
        proving.collect::<Option<Vec<u64>>>()?.into_iter().min()
    }

    /// `one-writer-per-name`: nobody but who takes access away acts on an identity that an earlier effect may yet change.
    fn predecessors(
        &self,
        entry: &str,
        own: usize,
        identity: Option<&str>,
    ) -> Result<(), Violation> {
        let takes = self.intent(own).is_none_or(|intent| intent.ask.passes());
        if takes || identity.is_none() {
            return Ok(());
        }
        for (id, other) in &self.entries {
            let open = !other.ended && other.dispatched.is_some() && !other.calls.is_empty();
            // A revocation is looked after beside others (S14c), and passes them.
            let taking = self.intent(other.intent).is_some_and(|intent| intent.ask.passes());
            if id != entry && other.identity.as_deref() == identity && open && !taking {
                return broken("one-writer-per-name", || {
                    format!("{entry} acts while {id} on the same identity has not ended")
                });
            }
        }
        Ok(())
    }

    fn landed(
        &mut self,
        world: &World,
        call: u32,
        entry: &str,
        change: &Change,
    ) -> Result<(), Violation> {
        let tick = self.tick;
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        if let Some(call) = self.calls.get_mut(&call) {
            call.landed = true;
            call.made = change.id.filter(|_| before.is_none() && after.is_some());
        }
        let known = change.id.is_some_and(|id| self.read.contains(&id));
        if let (Some(before), None) = (before, after) {
            self.removed.push(Removed::new(before, tick, entry, known));
        }
        if let (Some(before), Some(after)) = (before, after) {
            if before.is_on() && !after.is_on() {
                self.removed.push(Removed::new(before, tick, entry, known));
            }
            let doubled = |resource: &Resource| {
                let set: BTreeSet<u8> = resource.edges.iter().copied().collect();
                resource.edges.len() - set.len()
            };
            if doubled(before) < doubled(after) {
                return broken("nothing-is-stacked", || format!("by {entry}: {after:?}"));
            }
        }
        let (None, Some(made)) = (before, after) else { return Ok(()) };
        if self.setup.policy.contains("retry-and-converge") {
            return Ok(());
        }
        let count = world.target.of(made.subject).count();
        if 1 < count {
            return broken("at-most-one", || {
                format!("{entry} made another resource of {:?}: there are {count}", made.subject)
            });
        }
        self.back_again(entry, made)
    }

    /// `deleted-stays-deleted`: what was sent before a deletion that was answered for brings nothing back.
    fn back_again(&self, entry: &str, made: &Resource) -> Result<(), Violation> {
        let sent = self.entries.get(entry).and_then(|known| known.dispatched);
        // Who has an external id is not known to be one who was deleted and had none (S16).
        let same =
            |gone: &&Removed| gone.subject == made.subject && (gone.external || !made.external);
        // An id that was never read leads to no name: what is deleted by it may be anybody (S14a).
        for Removed { subject: of, at, by, known, .. } in self.removed.iter().filter(same) {
            let version = |entry: &str| self.intent(self.entries.get(entry)?.intent)?.version;
            // What the source numbers was asked in the order of its numbers.
            let asked_later = version(by).is_some() && version(by) < version(entry);
            let before = sent.is_some_and(|(sent, _)| sent < *at) && !asked_later;
            let deletes = self.entries.get(by).is_some_and(|known| {
                known.ended
                    && self.intent(known.intent).is_some_and(|intent| intent.ask == Ask::Delete)
            });
            if before && deletes && *known && by != entry {
                return broken("deleted-stays-deleted", || {
                    format!("{entry} was sent before {by} deleted {of:?}, and brings it back")
                });
            }
        }
        Ok(())
    }

    fn told(
        &mut self,
        world: &World,
        run: u32,
        number: usize,
        answer: &Rc<Answer>,
    ) -> Result<(), Violation> {
        let Some(intent) = self.intent(number).cloned() else { return Ok(()) };
        let sent = self.work.get(&run).map_or(0, |work| work.sent);
        if answer.verdict == Verdict::KeyReused && (answer.changed || 0 < sent) {
            return broken("mismatch-never-acts", || format!("{intent} has acted"));
        }
        if intent.ask.takes() {
            self.passes(world, run, number, &intent, answer)?;
        }
        let told = answer.replayed || is_success(answer.verdict) || answer.changed;
        if !told {
            return Ok(());
        }
        let same = |first: &Answer| lasting(first) == lasting(answer);
        let first =
            self.receipts.entry(answer.decision.clone()).or_insert_with(|| Rc::clone(answer));
        if !same(first) {
            return broken("replay-is-identical", || {
                format!("{intent}: first {first:?}, then {answer:?}")
            });
        }
        let Some(key) = intent.key else { return Ok(()) };
        let first = self.by_key.entry(key).or_insert_with(|| Rc::clone(answer));
        if !same(first) {
            return broken("replay-is-identical", || {
                format!("{intent}: first {first:?}, then {answer:?}")
            });
        }
        if answer.changed {
            let first = self.changed.entry(key).or_insert_with(|| answer.decision.clone());
            if *first != answer.decision {
                return broken("one-effect-per-key", || {
                    format!("{intent} has changed something as {first} and as {}", answer.decision)
                });
            }
        }
        Ok(())
    }

    /// `nothing-blocks-a-revocation`: what takes access away by id is not kept waiting by others.
    fn passes(
        &self,
        world: &World,
        run: u32,
        number: usize,
        intent: &Intent,
        answer: &Answer,
    ) -> Result<(), Violation> {
        let equal = |other: usize| {
            self.intent(other)
                .is_some_and(|other| other.subject == intent.subject && other.ask == intent.ask)
        };
        // Who was so slow himself that there was no time left was kept waiting by nobody.
        let late = |work: &Work| work.arrived + ANSWER_BUDGET_MS < world.now;
        let blocked = match answer.verdict {
            Verdict::InFlight => {
                let others = self.work.iter().filter(|(one, _)| **one != run);
                let others = others.filter_map(|(_, work)| work.intent);
                let attaches = others.chain(self.past.iter().copied()).any(equal);
                !attaches && !self.work.get(&run).is_some_and(late)
            }
            Verdict::Parked | Verdict::Superseded | Verdict::Ambiguous => true,
            Verdict::Unavailable => self.work.get(&run).is_some_and(|work| work.lawless),
            _ => false,
        };
        if blocked {
            return broken("nothing-blocks-a-revocation", || {
                format!("wish {number}, {intent}: {:?}, {}", answer.verdict, answer.detail)
            });
        }
        Ok(())
    }

    /// Everything is at rest: faults have stopped, and clients have repeated themselves until they were answered.
    ///
    /// # Errors
    ///
    /// The first law that does not hold.
    pub fn at_the_end(&self, world: &World) -> Result<(), Violation> {
        let converges = self.setup.policy.contains("retry-and-converge");
        for entry in world.open().filter(|entry| !world.passed_over(entry)) {
            let explained = entry.stage == Stage::Parked
                && (self.setup.profile.refuses_lists || self.lied || self.unlisted || converges);
            if !explained {
                return broken("everything-ends", || {
                    format!("{} is {:?} for ever", entry.id, entry.stage)
                });
            }
        }
        for (subject, of_subject) in self.by_subject() {
            self.existence(world, subject, &of_subject)?;
        }
        let ids: BTreeSet<u32> = self.done.iter().filter_map(|done| done.id).collect();
        for id in ids {
            let Some(resource) = world.target.store.get(&id) else { continue };
            self.attributes(id, resource)?;
        }
        Ok(())
    }

    fn by_subject(&self) -> BTreeMap<Subject, Vec<&Done>> {
        let mut by_subject = BTreeMap::<Subject, Vec<&Done>>::new();
        for done in &self.done {
            if let Some(intent) = self.intent(done.intent) {
                by_subject.entry(intent.subject).or_default().push(done);
            }
        }
        by_subject
    }

    /// What was answered last about being there at all holds (T1, T5, T6).
    fn existence(&self, world: &World, subject: Subject, done: &[&Done]) -> Result<(), Violation> {
        let parked = self.entries.values().any(|known| {
            known.parked
                && self.intent(known.intent).is_some_and(|intent| intent.subject == subject)
        });
        let there: Vec<(u32, &Resource)> = world.target.of(subject).collect();
        let on = there.iter().any(|(_, resource)| resource.is_on());
        let said: Vec<(bool, &Done)> = done
            .iter()
            .filter_map(|done| self.says_there(done).map(|there| (there, *done)))
            .collect();
        let maybe = said.iter().any(|(_, done)| !done.claimed);
        if parked || maybe || said.is_empty() {
            return Ok(());
        }
        let last: Vec<&(bool, &Done)> = said
            .iter()
            .filter(|(_, one)| !said.iter().any(|(_, other)| one.end < other.begin))
            .collect();
        let all_there = last.iter().all(|(there, _)| *there);
        let all_gone = last.iter().all(|(there, _)| !*there);
        if all_there && there.is_empty() {
            return broken("no-success-without-evidence", || {
                format!("{subject:?} was created and is not there: {last:?}")
            });
        }
        let switched_on = done.iter().any(|done| self.switches_on(done));
        if all_gone && on && !switched_on {
            return broken("deleted-stays-deleted", || {
                format!("{subject:?} was deleted and is there: {there:?}, {last:?}")
            });
        }
        Ok(())
    }

    /// Whether what was done says what holds now, and no longer what another one says: by the order of the source where
    /// it numbers both (`later-version-wins`), else by that of time. What takes access away passes what is under way, a
    /// higher number too: either may be what holds (S14c).
    fn outdates(&self, later: &Done, one: &Done) -> bool {
        let version = |done: &Done| self.intent(done.intent)?.version;
        match (version(one), version(later)) {
            (Some(low), Some(high)) if low != high => {
                let takes = self.intent(one.intent).is_some_and(|intent| intent.ask.passes());
                let passed = takes && one.begin <= later.end && later.begin <= one.end;
                low < high && !passed
            }
            _ => one.end < later.begin,
        }
    }

    /// What was said about being there at all.
    fn says_there(&self, done: &Done) -> Option<bool> {
        match self.intent(done.intent)?.ask {
            Ask::Create { .. } => Some(true),
            // That an id is gone says nothing of another one: what took nothing away found it gone.
            Ask::Delete => {
                let took = self.removed.iter().any(|gone| gone.by == done.entry);
                (done.verdict == Verdict::Done && took).then_some(false)
            }
            Ask::Put { .. } | Ask::Title(_) | Ask::Switch(_) | Ask::Grant(_) | Ask::Revoke(_) => {
                None
            }
        }
    }

    fn switches_on(&self, done: &Done) -> bool {
        matches!(
            self.intent(done.intent).map(|intent| intent.ask),
            Some(Ask::Switch(true) | Ask::Put { active: true, .. })
        )
    }

    /// Each attribute is as it was last said to be (T4, T5).
    fn attributes(&self, id: u32, resource: &Resource) -> Result<(), Violation> {
        let done: Vec<(&Done, Ask)> = self
            .done
            .iter()
            .filter(|done| done.id == Some(id))
            .filter_map(|done| Some((done, self.intent(done.intent)?.ask)))
            .collect();
        for aspect in Aspect::all() {
            // What is deleted and kept by the target gives no access, whatever it shows; a return sweeps it (S22).
            let is_deleted = !resource.is_on() && done.iter().any(|(_, ask)| *ask == Ask::Delete);
            let gives_none = is_deleted && matches!(aspect, Aspect::Edge(_));
            if gives_none || !self.judges(aspect, resource) {
                continue;
            }
            self.agree(aspect, id, &done, aspect.shown(resource))?;
        }
        Ok(())
    }

    fn agree(
        &self,
        what: Aspect,
        id: u32,
        done: &[(&Done, Ask)],
        shown: u8,
    ) -> Result<(), Violation> {
        let mut certain: Vec<(u8, &Done)> = Vec::new();
        let mut possible = BTreeSet::new();
        for (done, ask) in done {
            match what.stated(*ask, done.verdict) {
                Stated::Nothing => {}
                Stated::Is(value) if done.claimed => certain.push((value, done)),
                Stated::Is(value) | Stated::Perhaps(value) => {
                    possible.insert(value);
                }
            }
        }
        if certain.is_empty() {
            return Ok(());
        }
        let outdated = |one: &Done| certain.iter().any(|(_, other)| self.outdates(other, one));
        let last = certain.iter().filter(|(_, one)| !outdated(one));
        let last: BTreeSet<u8> = last.map(|(value, _)| *value).collect();
        if last.contains(&shown) || possible.contains(&shown) {
            return Ok(());
        }
        let numbered =
            |done: &Done| self.intent(done.intent).is_some_and(|of| of.version.is_some());
        let numbered = certain.iter().all(|(_, done)| numbered(done));
        broken(if numbered { "later-version-wins" } else { "what-was-answered-holds" }, || {
            format!("{what} of r{id} is {shown}, and was last said to be {last:?}: {certain:?}")
        })
    }

    /// Whether it can be said what an aspect of a resource has to be.
    fn judges(&self, aspect: Aspect, resource: &Resource) -> bool {
        let user = resource.subject.kind == Kind::User;
        // What a resource was once seen not to keep says nothing of what it shows later (S11, S19).
        let keeps = || !self.not_kept.iter().any(|(subject, _)| *subject == resource.subject);
        match aspect {
            Aspect::Active => user,
            Aspect::Title => user && keeps() && !self.setup.profile.drops_title,
            Aspect::Edge(_) => keeps(),
        }
    }

    /// Whether every wish was answered.
    #[must_use]
    pub fn unanswered(&self, world: &World) -> Option<usize> {
        world.clients.iter().find_map(|client| client.wishes.front().copied())
    }
}

/// What a resource is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Aspect {
    Active,
    Title,
    Edge(u8),
}

impl Aspect {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Active, Self::Title].into_iter().chain((1..=EDGES_MOST).map(Self::Edge))
    }

    fn shown(self, resource: &Resource) -> u8 {
        match self {
            Self::Active => u8::from(resource.is_on()),
            Self::Title => resource.title,
            Self::Edge(edge) => u8::from(resource.edges.contains(&edge)),
        }
    }

    /// What is said of it by an operation that ended so.
    fn stated(self, ask: Ask, verdict: Verdict) -> Stated {
        match self {
            Self::Active => match ask {
                Ask::Switch(active) | Ask::Put { active, .. } => Stated::Is(u8::from(active)),
                Ask::Create { .. } => match verdict {
                    Verdict::Done | Verdict::Reactivated | Verdict::AlreadySatisfied => {
                        Stated::Is(1)
                    }
                    _ => Stated::Perhaps(1),
                },
                Ask::Delete => Stated::Is(0),
                Ask::Title(_) | Ask::Grant(_) | Ask::Revoke(_) => Stated::Nothing,
            },
            Self::Title => match ask {
                // What was adopted may differ, by policy.
                Ask::Create { title, .. } if verdict == Verdict::Adopted => Stated::Perhaps(title),
                Ask::Title(title) | Ask::Put { title, .. } => Stated::Is(title),
                Ask::Create { title, .. } if title != 0 => Stated::Is(title),
                Ask::Create { .. } => Stated::Perhaps(0),
                Ask::Switch(_) | Ask::Grant(_) | Ask::Revoke(_) | Ask::Delete => Stated::Nothing,
            },
            Self::Edge(edge) => match ask {
                Ask::Grant(of) if of == edge => Stated::Is(1),
                Ask::Revoke(of) if of == edge => Stated::Is(0),
                Ask::Create { .. } | Ask::Put { .. } => Stated::Perhaps(0),
                Ask::Grant(_) | Ask::Revoke(_) | Ask::Switch(_) | Ask::Title(_) | Ask::Delete => {
                    Stated::Nothing
                }
            },
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Title => "title",
            Self::Edge(_) => "an edge",
        })
    }
}

/// What an operation says of an attribute.
#[derive(Clone, Copy)]
enum Stated {
    Nothing,
    Is(u8),
    Perhaps(u8),
}

/// Whether a resource is as a wish states it.
fn shows(intent: &Intent, seen: Option<&Resource>, not_kept: bool) -> bool {
    let Some(resource) = seen else { return intent.ask == Ask::Delete };
    match intent.ask {
        Ask::Create { .. } => resource.subject == intent.subject,
        Ask::Put { title, active } => {
            resource.active == Some(active) && (not_kept || resource.title == title)
        }
        Ask::Title(title) => not_kept || resource.title == title,
        Ask::Switch(active) => resource.is_on() == active,
        Ask::Grant(edge) => not_kept || resource.edges.contains(&edge),
        Ask::Revoke(edge) => !resource.edges.contains(&edge),
        Ask::Delete => !resource.is_on(),
    }
}

/// After this answer, or none, a call may have taken effect or may yet.
fn may_have_been(heard: Option<u16>) -> bool {
    heard.is_none_or(|status| matches!(status, 200..=299 | 502 | 504))
}

/// What of an answer each who asks is told: whether their secret was written is told to each of them (S3a).
fn lasting(answer: &Answer) -> Answer {
    let notes = answer.notes.iter().filter(|note| note.name != "secret-differs");
    let notes = notes.cloned().collect();
    Answer { replayed: false, diverged: Divergence::No, notes, ..answer.clone() }
}

/// An update that states passwords, and nothing else.
fn states_only_passwords(effect: &Effect) -> bool {
    let EffectBody::Document(document) = &effect.body else { return false };
    if effect.method != Method::Patch || !document.contains("$secret") {
        return false;
    }
    let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    let operations = document["Operations"].as_array();
    operations.is_some_and(|all| all.iter().all(|operation| operation["path"] == "password"))
}

/// It says of something that it is not kept.
fn keeps_not(answer: &Answer) -> bool {
    answer.notes.iter().any(|note| note.name == "not-kept")
}

/// The stages that may follow a stage: written apart from core, host and simulated ledger.
fn follows(last: Stage, next: Stage) -> bool {
    match next {
        Stage::Claimed => last == Stage::Claimed,
        Stage::Dispatched => last != Stage::Settled,
        Stage::Parked => matches!(last, Stage::Dispatched | Stage::Parked),
        Stage::Refused => last != Stage::Settled,
        Stage::Settled => true,
    }
}

fn id_in(answer: &Answer) -> Option<u32> {
    let body = answer.target.as_ref()?.body.as_deref()?;
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    target::number(body["id"].as_str()?)
}

fn broken(law: &'static str, detail: impl FnOnce() -> String) -> Result<(), Violation> {
    Err(Violation { law, detail: detail() })
}

/// Edges have the numbers 1 to 3.
pub const EDGES_MOST: u8 = 3;
