//! Carrying out a plan: each of its effects is one request, in order, side by side where nothing stands against it (S34).
//!
//! Nothing is decided here. What a request does, and whether it was done before, is the provisioner's: each has a key
//! that is made of the plan, so a plan that is carried out again does what is not done, and one that was killed goes on.
//! Here is when a request may go: what it waits for, how many go at once, when one is tried again.

mod agenda;
pub mod guard;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    ops::Range,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use tokio::{
    sync::watch,
    task::{self, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{
    call::{Call, Principal},
    contract::{
        Answer, Field, Verdict,
        batch::Known,
        reconciliation::{Class, Excess},
    },
    guest::{GuestError, PlanningGuest, aside},
    ledger::Ledger,
    provisioner::{Provisioner, batch::id_of},
    target::{Body, Caller, Target},
};
pub use agenda::{Agenda, EFFECTS_MOST, Item, NoPlan, PLAN_BYTES_MOST};
pub use guard::ApplyError;

/// Carries out plans.
#[derive(Debug)]
pub struct Applier<L, T> {
    /// Whom each effect is handed to. Its scan ([`Provisioner::recover_always`]) should run beside.
    pub provisioner: Provisioner<L, T>,
    /// The component that puts ids in the place of names.
    pub planning: PlanningGuest,
    /// On whose behalf.
    pub caller: Caller,
    /// How fast.
    pub pace: Pace,
}

/// How many effects at once, and in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// So many are under way at once, [`CONCURRENCY_MOST`] at most.
    pub concurrency: usize,
    /// So many are begun in a second, at most. Each asks the target two or three times: before it, for it, and after it.
    pub rate: Option<NonZeroU32>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { concurrency: CONCURRENCY, rate: None }
    }
}

/// What became of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// It holds already, or was carried out before.
    Satisfied,
    /// Somebody has changed the resource since the plan was made, or the plan is too old: plan again.
    Changed,
    /// It is refused, by the target or by a rule.
    Refused,
    /// It waits for a person.
    Parked,
    /// It was not sent: what it depends on has failed, or the work has ended before.
    Blocked,
    /// Nobody knows yet: carry the plan out again.
    Unresolved,
}

impl Outcome {
    /// What was to be is.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::Satisfied)
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Satisfied => "satisfied",
            Self::Changed => "changed",
            Self::Refused => "refused",
            Self::Parked => "parked",
            Self::Blocked => "blocked",
            Self::Unresolved => "unresolved",
        }
    }

    /// What an answer says of the effect.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let status = answer.target.as_ref().map_or(0, |target| target.status);
        match answer.verdict {
            Verdict::Done
            | Verdict::Adopted
            | Verdict::Reactivated
            | Verdict::AcceptedUnverified
            | Verdict::Opaque => match answer.replayed {
                true => Self::Satisfied,
                false => Self::Done,
            },
            Verdict::AlreadySatisfied => Self::Satisfied,
            // What it is about has gone, or another one has its name or another version.
            Verdict::Refused if matches!(status, 404 | 409 | 410 | 412) => Self::Changed,
            Verdict::OutsideWindow
            | Verdict::PreconditionFailed
            | Verdict::Stale
            | Verdict::VersionConflict
            | Verdict::Superseded
            | Verdict::SupersededByDeletion
            | Verdict::Ambiguous
            | Verdict::FoundAlreadyLinked
            | Verdict::Conflict => Self::Changed,
            Verdict::Parked | Verdict::Staged => Self::Parked,
            Verdict::BlockedBy => Self::Blocked,
            // The target may let it through later.
            Verdict::Refused if matches!(status, 429 | 503) => Self::Unresolved,
            Verdict::InFlight | Verdict::Unresolved | Verdict::Unavailable => Self::Unresolved,
            Verdict::Refused
            | Verdict::Malformed
            | Verdict::TooLarge
            | Verdict::WrongType
            | Verdict::KeyReused
            | Verdict::WeakIdentity
            | Verdict::Contradiction
            | Verdict::WouldWiden
            | Verdict::HeldBy
            | Verdict::Irrevocable => Self::Refused,
        }
    }
}

/// How many effects came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Carried out.
    pub done: usize,
    /// As they should be already, or carried out before.
    pub satisfied: usize,
    /// Overtaken by somebody else's change: plan again.
    pub changed: usize,
    /// Refused.
    pub refused: usize,
    /// Waiting for a person.
    pub parked: usize,
    /// Not sent.
    pub blocked: usize,
    /// Not known yet.
    pub unresolved: usize,
}

impl Counts {
    /// Of all ends together.
    #[must_use]
    pub fn ended(&self) -> usize {
        let Self { done, satisfied, changed, refused, parked, blocked, unresolved } = self;
        done + satisfied + changed + refused + parked + blocked + unresolved
    }

    /// What was to be is.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.ended() == self.done + self.satisfied
    }

    fn of(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::Done => &mut self.done,
            Outcome::Satisfied => &mut self.satisfied,
            Outcome::Changed => &mut self.changed,
            Outcome::Refused => &mut self.refused,
            Outcome::Parked => &mut self.parked,
            Outcome::Blocked => &mut self.blocked,
            Outcome::Unresolved => &mut self.unresolved,
        }
    }
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What has ended.
    pub counts: Counts,
    /// How many effects there are.
    pub total: usize,
}

/// What became of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many effects came to which end.
    pub counts: Counts,
    /// What is not as it was to be, in the plan's order.
    pub troubles: Vec<Trouble>,
    /// What a person has to approve first (S33): then nothing was sent, and all effects count as blocked.
    pub staged: Vec<Excess>,
}

/// An effect that is not as it was to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its position in [`Agenda::items`].
    pub item: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// What its request was answered; none where it was not sent.
    pub verdict: Option<Verdict>,
    /// The decision, for whoever asks why; empty if there is none.
    pub decision: String,
    /// One sentence for a person: no values.
    pub detail: String,
}

impl<L: Ledger, T: Target> Applier<L, T> {
    /// Carries out a plan, if the guard lets it (S33), and says what became of each of its effects. `told` hears of each that has come to its end.
    ///
    /// Effects go class by class, in the plan's order. Within a class they go side by side; but each after those that it
    /// depends on, and after the earlier ones of its resource. What depends on one that has failed is not sent; what
    /// takes access away always is.
    ///
    /// Once `stop` is true nothing more is sent, and what is under way is waited for. To drop the call is as a crash: what
    /// was sent is in the ledger, and the next one goes on with it.
    ///
    /// # Errors
    ///
    /// Where it cannot be told or recorded that the plan may begin: nothing was sent.
    pub async fn apply(
        &self,
        agenda: &Agenda,
        told: &(dyn Fn(Progress) + Send + Sync),
        mut stop: watch::Receiver<bool>,
    ) -> Result<Report, ApplyError> {
        let staged = self.admit(agenda).await?;
        if !staged.is_empty() {
            let counts = Counts { blocked: agenda.items().len(), ..Counts::default() };
            return Ok(Report { counts, troubles: Vec::new(), staged });
        }
        let mut run = Run::new(agenda, told);
        let mut from = 0;
        for of_stage in agenda.items().chunk_by(|one, next| stage(one) == stage(next)) {
            self.stage(&mut run, from..from + of_stage.len(), &mut stop).await;
            from += of_stage.len();
        }
        run.report.troubles.sort_by_key(|trouble| trouble.item);
        Ok(run.report)
    }

    /// Carries out what may go side by side, to its end.
    async fn stage(
        &self,
        run: &mut Run<'_>,
        positions: Range<usize>,
        stop: &mut watch::Receiver<bool>,
    ) {
        let mut under_way = JoinSet::new();
        let mut about: Vec<(task::Id, usize)> = Vec::new();
        run.enter(positions);
        loop {
            if *stop.borrow_and_update() {
                run.halted = Some(STOPPED);
            }
            run.leave_what_is_not_sent();
            let now = Instant::now();
            let free = under_way.len() < self.pace.concurrency.clamp(1, CONCURRENCY_MOST);
            let next = if free { run.next(now) } else { Next::Nothing };
            let wake = match next {
                Next::Go(position) => {
                    let gap = self.pace.rate.map(|rate| Duration::from_secs(1) / rate.get());
                    run.begins = gap.map_or(run.begins, |gap| now + gap);
                    about.push((under_way.spawn(self.send(run, position)).id(), position));
                    continue;
                }
                Next::At(when) => Some(when),
                Next::Nothing if under_way.is_empty() => break,
                Next::Nothing => None,
            };
            tokio::select! {
                Some(ended) = under_way.join_next_with_id(), if !under_way.is_empty() => {
                    let (id, answered) = match ended {
                        Ok((id, answered)) => (id, answered),
                        Err(error) => (error.id(), Err(Unanswered::Broken)),
                    };
                    if let Some(at) = about.iter().position(|(one, _)| *one == id) {
                        let (_, position) = about.swap_remove(at);
                        run.note(position, answered);
                    }
                }
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                // Who can stop it has gone: nobody will.
                Ok(()) = stop.changed() => {}
            }
        }
    }

    /// The request of an item, on its way.
    fn send(
        &self,
        run: &Run<'_>,
        position: usize,
    ) -> impl Future<Output = Result<Answer, Unanswered>> + Send + use<L, T> {
        let (provisioner, planning) = (self.provisioner.clone(), self.planning.clone());
        let call = run.call(position, &self.caller);
        let known = run.known(position);
        async move {
            let mut call = call.ok_or(Unanswered::Broken)?;
            if let Some(body) = call.body.as_mut().filter(|_| !known.is_empty()) {
                let text = String::from_utf8_lossy(&body.bytes);
                let filled = aside(|| planning.fill(&text, &known))?;
                body.bytes = Bytes::from(filled);
            }
            Ok(provisioner.provision(call).await)
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("names could not be replaced by ids: {0}")]
    Guest(#[from] GuestError),
    #[error("the work on it has broken off; what was sent of it is in the ledger")]
    Broken,
}

/// What can go now.
enum Next {
    Go(usize),
    /// Nothing before that.
    At(Instant),
    Nothing,
}

/// A plan that is being carried out.
struct Run<'a> {
    agenda: &'a Agenda,
    told: &'a (dyn Fn(Progress) + Send + Sync),
    report: Report,
    /// What became of each, by position.
    ends: Vec<Option<Outcome>>,
    /// How many each waits for that have not ended.
    waits: Vec<usize>,
    /// Who waits for each.
    followers: Vec<Vec<usize>>,
    /// The ids of what was made.
    made: BTreeMap<usize, String>,
    /// Of what is carried out at present.
    stage: Range<usize>,
    ready: BTreeSet<usize>,
    /// What is to be tried again, and when.
    later: BTreeSet<(Instant, usize)>,
    /// Of these: how often each was tried, and what it was answered last.
    tried: BTreeMap<usize, (u32, Answer)>,
    /// What takes access away and is sent whatever version its resource has by now: somebody else has changed that since.
    unconditional: BTreeSet<usize>,
    /// Nothing begins before, so that no more than the rate do.
    begins: Instant,
    /// The target wants nothing before.
    paused: Instant,
    /// How many were not answered, since one was.
    outages: usize,
    /// Why nothing more is sent.
    halted: Option<&'static str>,
}

impl<'a> Run<'a> {
    fn new(agenda: &'a Agenda, told: &'a (dyn Fn(Progress) + Send + Sync)) -> Self {
        let items = agenda.items();
        let mut waits = vec![0; items.len()];
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
        let earlier = agenda::predecessors(items);
        for (position, (item, earlier)) in items.iter().zip(earlier).enumerate() {
            let before: BTreeSet<usize> = item.depends_on.iter().copied().chain(earlier).collect();
            if let Some(waits) = waits.get_mut(position) {
                *waits = before.len();
            }
            for at in before {
                if let Some(followers) = followers.get_mut(at) {
                    followers.push(position);
                }
            }
        }
        let now = Instant::now();
        Self {
            agenda,
            told,
            report: Report::default(),
            ends: vec![None; items.len()],
            waits,
            followers,
            made: BTreeMap::new(),
            stage: 0..0,
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            tried: BTreeMap::new(),
            unconditional: BTreeSet::new(),
            begins: now,
            paused: now,
            outages: 0,
            halted: None,
        }
    }

    fn item(&self, position: usize) -> Option<&'a Item> {
        self.agenda.items().get(position)
    }

    /// Begins with what may go side by side.
    fn enter(&mut self, stage: Range<usize>) {
        let waits = |position: &usize| self.waits.get(*position).is_some_and(|waits| *waits == 0);
        self.ready = stage.clone().filter(waits).collect();
        self.stage = stage;
    }

    /// What is carried out at present takes access away.
    fn takes_away(&self) -> bool {
        self.item(self.stage.start).is_some_and(Item::takes_away)
    }

    /// What can be sent now, or when something can.
    fn next(&mut self, now: Instant) -> Next {
        // What takes access away waits for nothing but its own time.
        let begins = match self.takes_away() {
            true => self.begins,
            false => self.begins.max(self.paused),
        };
        while let Some(position) = self.ready.first().copied() {
            let Some((outcome, why)) = self.obstacle(position) else { break };
            self.ready.remove(&position);
            self.end(position, outcome, None, why);
        }
        let again = self.later.first().copied();
        if let Some((due, position)) = again.filter(|(due, _)| begins.max(*due) <= now) {
            self.later.remove(&(due, position));
            return Next::Go(position);
        }
        match (self.ready.first().copied(), again) {
            (Some(position), _) if begins <= now => {
                self.ready.remove(&position);
                Next::Go(position)
            }
            (Some(_), _) => Next::At(begins),
            (None, Some((due, _))) => Next::At(due.max(begins)),
            (None, None) => Next::Nothing,
        }
    }

    /// Why an item that waits for nothing cannot be sent.
    fn obstacle(&self, position: usize) -> Option<(Outcome, String)> {
        let item = self.item(position)?;
        if item.takes_away() {
            return None;
        }
        // What an earlier effect of its resource has found changed, this one was not planned for.
        let drifted = |at: &usize| {
            let of = |item: &'a Item| (&item.resource_type, &item.id);
            item.id.is_some() && self.item(*at).is_some_and(|one| of(one) == of(item))
        };
        if self.unconditional.iter().any(drifted) {
            return Some((Outcome::Changed, DRIFTED.into()));
        }
        let failed =
            |at: &&usize| !self.ends.get(**at).copied().flatten().is_some_and(Outcome::is_good);
        if let Some(failed) = item.depends_on.iter().find(failed) {
            let why = format!("it was not sent: it depends on effect {}", failed + 1);
            return Some((Outcome::Blocked, why));
        }
        let unknown = |at: &&usize| {
            let makes = self.item(**at).is_some_and(|item| item.class == Class::Create);
            makes && !self.made.contains_key(*at)
        };
        let unknown = item.depends_on.iter().find(unknown)?;
        let why = format!(
            "it was not sent: the answer to effect {} does not say which id its resource has; plan again",
            unknown + 1
        );
        Some((Outcome::Blocked, why))
    }

    /// The request of an item, without the ids of what others have made.
    fn call(&self, position: usize, caller: &Caller) -> Option<Call> {
        let item = self.item(position)?;
        let made = item.follows.and_then(|create| self.made.get(&create));
        let content_type = HeaderValue::from_static("application/scim+json");
        let body = item.body.clone().map(|body| Body { bytes: body.into(), content_type });
        let sent = self.agenda.at().map(|at| at.to_string());
        Some(Call {
            method: item.method(),
            resource_type: item.resource_type.clone(),
            id: item.id.as_ref().or(made).cloned(),
            body,
            key: Some(match self.unconditional.contains(&position) {
                true => format!("{}-any", self.agenda.key(position)),
                false => self.agenda.key(position),
            }),
            version: None,
            // Somebody else's change is no reason to leave access where it is not to be.
            if_match: item.if_match.clone().filter(|_| !self.unconditional.contains(&position)),
            // A plan that is carried out again is the same one, though its token was renewed since.
            principal: Principal::Name(PRINCIPAL.into()),
            caller: caller.clone(),
            extra: sent
                .map(|value| Field { name: "first-sent".into(), value })
                .into_iter()
                .collect(),
            awaited: None,
        })
    }

    /// The resources that a body may name, with their ids.
    fn known(&self, position: usize) -> Vec<Known> {
        let before = self.item(position).into_iter().flat_map(|item| &item.depends_on);
        let known = before.filter_map(|at| {
            let name = self.item(*at)?.external_id.as_ref()?;
            Some(Known { name: format!("{REFERENCE}{name}"), id: self.made.get(at)?.clone() })
        });
        known.collect()
    }

    /// What an item was answered: it is at its end, or is tried again.
    fn note(&mut self, position: usize, answered: Result<Answer, Unanswered>) {
        let answer = match answered {
            Ok(answer) => answer,
            Err(why) => {
                self.tried.remove(&position);
                return self.end(position, Outcome::Unresolved, None, why.to_string());
            }
        };
        let item = self.item(position).filter(|item| item.takes_away() && item.if_match.is_some());
        if item.is_some() && is_drift(&answer) && self.unconditional.insert(position) {
            self.later.insert((Instant::now(), position));
            return;
        }
        let tries = self.tried.get(&position).map_or(0, |(tries, _)| *tries) + 1;
        if let Some(wait) = again(&answer, tries) {
            let due = Instant::now() + wait;
            if is_outage(&answer) {
                self.paused = self.paused.max(due);
            }
            self.later.insert((due, position));
            self.tried.insert(position, (tries, answer));
            return;
        }
        self.tried.remove(&position);
        self.outages = if is_outage(&answer) { self.outages + 1 } else { 0 };
        if OUTAGES_MOST <= self.outages {
            self.halted.get_or_insert(OUTAGE);
        }
        self.answer(position, answer);
    }

    /// An item is at its end with this answer.
    fn answer(&mut self, position: usize, answer: Answer) {
        let outcome = Outcome::of(&answer);
        let creates = self.item(position).is_some_and(|item| item.class == Class::Create);
        if creates && outcome.is_good() {
            self.made.extend(id_of(&answer).map(|id| (position, id)));
        }
        let Answer { verdict, decision, detail, .. } = answer;
        self.end(position, outcome, Some((verdict, decision)), detail);
    }

    fn end(
        &mut self,
        position: usize,
        outcome: Outcome,
        answered: Option<(Verdict, String)>,
        detail: String,
    ) {
        *self.report.counts.of(outcome) += 1;
        if let Some(end) = self.ends.get_mut(position) {
            *end = Some(outcome);
        }
        if !outcome.is_good() {
            let (verdict, decision) = answered.unzip();
            let decision = decision.unwrap_or_default();
            let trouble = Trouble { item: position, outcome, verdict, decision, detail };
            self.report.troubles.push(trouble);
        }
        let followers = self.followers.get_mut(position).map(std::mem::take);
        for follower in followers.unwrap_or_default() {
            let Some(waits) = self.waits.get_mut(follower) else { continue };
            *waits -= 1;
            if *waits == 0 && self.stage.contains(&follower) {
                self.ready.insert(follower);
            }
        }
        let total = self.agenda.items().len();
        (self.told)(Progress { counts: self.report.counts, total });
    }

    /// Ends what is not under way, where nothing more is sent.
    fn leave_what_is_not_sent(&mut self) {
        // What takes access away is tried whatever became of others, but not after a person's word.
        let Some(why) = self.halted.filter(|why| !self.takes_away() || *why == STOPPED) else {
            return;
        };
        while let Some((_, position)) = self.later.pop_first() {
            if let Some((_, answer)) = self.tried.remove(&position) {
                self.answer(position, answer);
            }
        }
        while let Some(position) = self.ready.pop_first() {
            self.end(position, Outcome::Blocked, None, why.into());
        }
    }
}

/// What goes side by side: a class, but that nothing that takes access away waits for other such things.
fn stage(item: &Item) -> u8 {
    if item.takes_away() { Class::Disable as u8 } else { item.class as u8 }
}

/// How long to wait before an item is tried again; none if it is not.
fn again(answer: &Answer, tries: u32) -> Option<Duration> {
    if Outcome::of(answer) != Outcome::Unresolved || TRIES_MOST <= tries {
        return None;
    }
    let told = Duration::from_secs(answer.retry_after.unwrap_or_default().into());
    let back_off = BACK_OFF * (1 << (tries - 1));
    // Who is to wait for longer is told so.
    (told <= WAIT_MOST).then(|| told.max(back_off))
}

/// Whether an answer says that the resource has another version than the one that was planned for.
fn is_drift(answer: &Answer) -> bool {
    let status = answer.target.as_ref().map_or(0, |target| target.status);
    let refused = answer.verdict == Verdict::Refused && status == 412;
    refused || answer.verdict == Verdict::PreconditionFailed
}

/// Whether an answer says that the target does not serve at all.
fn is_outage(answer: &Answer) -> bool {
    let status = answer.target.as_ref().map_or(0, |target| target.status);
    let refuses = answer.verdict == Verdict::Refused && matches!(status, 401 | 429 | 503);
    refuses || matches!(answer.verdict, Verdict::Unavailable | Verdict::Unresolved)
}

/// What stands before the name of a resource that the plan makes (`reconciliation.change`).
const REFERENCE: &str = "externalId:";

/// Who earns the receipts of plans. The ledger is its operator's alone, and a key is the plan's.
const PRINCIPAL: &str = "replaysafe apply";

const DRIFTED: &str =
    "it was not sent: somebody has changed its resource since the plan was made; plan again";

const STOPPED: &str = "it was not sent: the work was stopped before; carry the plan out again";

const OUTAGE: &str = "it was not sent: the target has answered none of many before it; carry the plan out again once it does";

/// 4 at once: a target that serves people too is not to notice.
pub const CONCURRENCY: usize = 4;

/// 64 at once: as many as the component's sandbox has room for.
pub const CONCURRENCY_MOST: usize = 64;

/// 6 tries: with the back-off between them half a minute, in which a service that is started anew is there again.
const TRIES_MOST: u32 = 6;

/// 1 second before the second try, doubled before each other one.
const BACK_OFF: Duration = Duration::from_secs(1);

/// 5 minutes: who is told to wait for longer can as well carry the plan out again.
const WAIT_MOST: Duration = Duration::from_secs(300);

/// 20 in a row that were not answered in all their tries: the target is away, and nothing more is sent but what takes
/// access away.
const OUTAGES_MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Divergence, Evidence, Retry, TargetAnswer};

    #[test]
    fn what_was_made_is_named_in_its_document_or_by_its_url() {
        let check = |body: Option<&str>, location: Option<&str>, expected: Option<&str>| {
            let told = answer(Verdict::Done, 201, body, location);
            assert_eq!(id_of(&told).as_deref(), expected, "{body:?} {location:?}");
        };
        let url = Some("https://a.example/v2/Users/a%20b");
        check(Some(r#"{"id":"1"}"#), url, Some("1"));
        check(None, url, Some("a b"));
        check(None, Some("https://a.example/v2/Users/4?x=1"), Some("4"));
        check(Some("{}"), url, Some("a b"));
        check(Some("no JSON"), None, None);
        check(None, Some("https://a.example/v2/Users/"), None);
        check(None, Some("https://a.example/v2/Users/%ff"), None);
    }

    #[test]
    fn what_may_pass_is_tried_again_and_nothing_else() {
        let seconds = |verdict, status, retry_after, tries| {
            let answer = Answer { retry_after, ..answer(verdict, status, None, None) };
            again(&answer, tries).map(|wait| wait.as_secs())
        };
        let pauses: Vec<_> =
            (1..=6).map(|tries| seconds(Verdict::Unavailable, 0, Some(1), tries)).collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(4), Some(8), Some(16), None]);
        assert_eq!(seconds(Verdict::InFlight, 0, None, 1), Some(1));
        assert_eq!(seconds(Verdict::Unresolved, 0, Some(20), 5), Some(20));
        assert_eq!(seconds(Verdict::Refused, 429, Some(300), 1), Some(300));
        assert_eq!(seconds(Verdict::Refused, 503, None, 2), Some(2));
        // Told to wait for longer, it is told on.
        assert_eq!(seconds(Verdict::Refused, 429, Some(301), 1), None);
        for (verdict, status) in [
            (Verdict::Refused, 500),
            (Verdict::Refused, 403),
            (Verdict::Irrevocable, 200),
            (Verdict::Parked, 0),
            (Verdict::Done, 200),
        ] {
            assert_eq!(seconds(verdict, status, Some(1), 1), None, "{verdict:?} {status}");
        }
    }

    fn answer(verdict: Verdict, status: u16, body: Option<&str>, location: Option<&str>) -> Answer {
        let target = TargetAnswer {
            status,
            location: location.map(str::to_owned),
            etag: None,
            content_type: None,
            retry_after: None,
            body: body.map(str::to_owned),
            extra: Vec::new(),
        };
        Answer {
            verdict,
            decision: String::new(),
            changed: false,
            replayed: false,
            diverged: Divergence::No,
            target: Some(target),
            status: None,
            retry: Retry::None,
            retry_after: None,
            evidence: Evidence::None,
            detail: String::new(),
            attributes: Vec::new(),
            notes: Vec::new(),
        }
    }
}
