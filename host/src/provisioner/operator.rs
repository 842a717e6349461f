//! The operator: what waits for a person, and what do they say of it (S21, S29, S41)?
//!
//! What may be approved or resolved, and what follows, is the component's. Here it is asked, and what it
//! says is written. All of this may run beside a gateway: an identity's fence keeps whoever decides at this
//! moment from writing over a person's word, and a person's word from writing over what was sent.

use super::{FENCED_MOST, ProvisionError, known, recorded};
use crate::{
    contract::{Action, Answer, EntryId, Field, Request, Situation, Stage, Step, Verdict},
    guest::{Guest, GuestError},
    keys::LedgerKey,
    ledger::{Ledger, LedgerError, Record, RecordedStep},
    monitor::{self, Function},
};

/// A request that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matter {
    /// The decision: what its client was told in `Replaysafe-Decision`.
    pub decision: EntryId,
    /// Whose it is.
    pub tenant: String,
    /// The name of the resource type.
    pub resource_type: String,
    /// The target's id of the resource, if the request named one.
    pub id: Option<String>,
    /// Since when it waits, was looked at last, or is approved, in milliseconds since 1970.
    pub at: u64,
    /// What it waits for.
    pub concern: Concern,
}

/// What a request waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// A return waits for [`approve`], or has it and was not repeated yet (S21).
    Staged {
        /// Until when it is approved, in milliseconds since 1970; none: it waits.
        approved_until: Option<u64>,
    },
    /// Nobody can tell what became of it: it waits for [`resolve`], or a late proof (S41).
    Parked {
        /// The resources that it may have made, if there are several.
        candidates: Vec<String>,
    },
    /// The target does not take this access away, and said that it would (S29). It is no longer one when the same
    /// request, repeated under the same key, ends otherwise.
    Irrevocable,
}

/// What became of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The same request, repeated by its client until then, goes through once. In milliseconds since 1970.
    Until(u64),
    /// It was sent already: there is nothing left to approve.
    Sent,
    /// It does not wait for an approval: it was refused for another reason, or its resource was deleted again since.
    NotStaged,
    /// The ledger has no entry of it: it is another ledger's, or of a request that was answered without one.
    Unknown,
}

/// What a person says of a parked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It has made the resource with this id of the target.
    Made(String),
    /// It has made nothing.
    Nothing,
}

/// What became of a person's word on a parked request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The resource is looked at next: if it can be what the request has made, that is its end; else it stays parked.
    Looks,
    /// It has ended, refused: the same request, sent again, is decided anew.
    Ended,
    /// It is not parked, what was sent may still take effect, or the id cannot be one.
    NotParked,
    /// The ledger has no entry of it: it is another ledger's, or of a request that was answered without one.
    Unknown,
}

/// What waits for a person at `now`, in the order in which it was asked first.
///
/// # Errors
///
/// Where ledger or component fail.
pub async fn matters<L: Ledger>(
    guest: &Guest,
    ledger: &L,
    key: &LedgerKey,
    now: u64,
) -> Result<Vec<Matter>, ProvisionError> {
    let mut matters = Vec::new();
    for decision in ledger.waiting().await? {
        let Some(step) = ledger.waiting_step(&decision).await? else { continue };
        let Some((situation, told)) = recorded_in(&step) else { continue };
        let noted = |name| told.as_ref()?.notes.iter().find(|note| note.name == name);
        let verdict = told.as_ref().map(|told| told.verdict);
        let concern = if verdict == Some(Verdict::Staged) {
            // Another return of the same resource may have gone through since.
            let until = now.saturating_add(1);
            let asked = ask_approval(guest, ledger, key, &decision, until, now).await?;
            let Asked::Goes { .. } = asked else { continue };
            let until = noted(APPROVED_UNTIL).and_then(|note| note.value.parse().ok());
            Concern::Staged { approved_until: until.filter(|until| now < *until) }
        } else if verdict == Some(Verdict::Irrevocable) {
            Concern::Irrevocable
        } else {
            let ids = noted("candidates").map(|note| note.value.split(',').map(Into::into));
            Concern::Parked { candidates: ids.map(Iterator::collect).unwrap_or_default() }
        };
        let Request { resource_type, id, scope, .. } = situation.request;
        let (tenant, at) = (scope.tenant, step.at);
        matters.push(Matter { decision, tenant, resource_type, id, at, concern });
    }
    Ok(matters)
}

/// Lets the return that waits under `decision` go: the same request, repeated before `until`, is sent once.
///
/// Gives the first of these that applies:
///
/// 1. [`Approval::Unknown`],
/// 2. [`Approval::Sent`],
/// 3. [`Approval::NotStaged`], also where `until` is not after `now`,
/// 4. [`Approval::Until`].
///
/// It is safe to call twice: the first approval stands until it is over.
///
/// # Errors
///
/// Where ledger or component fail. Nothing is half done.
pub async fn approve<L: Ledger>(
    guest: &Guest,
    ledger: &L,
    key: &LedgerKey,
    decision: &EntryId,
    until: u64,
    now: u64,
) -> Result<Approval, ProvisionError> {
    let mut tries = 0;
    loop {
        let (situation, step) = match ask_approval(guest, ledger, key, decision, until, now).await?
        {
            Asked::Ended(approval) => return Ok(approval),
            Asked::Goes { situation, step } => (situation, step),
        };
        match write(guest, ledger, &situation, &step, now).await {
            Err(LedgerError::Fenced) if tries < FENCED_MOST => tries += 1,
            written => {
                written?;
                let note = answer_of(&step)?.notes.iter().find(|note| note.name == APPROVED_UNTIL);
                let until = note.and_then(|note| note.value.parse().ok()).unwrap_or(until);
                return Ok(Approval::Until(until));
            }
        }
    }
}

/// Says what the request that is parked under `decision` has made.
///
/// Gives the first of these that applies:
///
/// 1. [`Resolved::Unknown`],
/// 2. [`Resolved::NotParked`],
/// 3. [`Resolved::Looks`], of [`Resolution::Made`],
/// 4. [`Resolved::Ended`], of [`Resolution::Nothing`].
///
/// It is safe to call twice: the second time it is looked at, or over.
///
/// # Errors
///
/// Where ledger or component fail. Nothing is half done.
pub async fn resolve<L: Ledger>(
    guest: &Guest,
    ledger: &L,
    key: &LedgerKey,
    decision: &EntryId,
    resolution: &Resolution,
    now: u64,
) -> Result<Resolved, ProvisionError> {
    let (made, resolved) = match resolution {
        Resolution::Made(id) => (id.as_str(), Resolved::Looks),
        Resolution::Nothing => ("", Resolved::Ended),
    };
    // An empty id, which is the component's word for none, is no id.
    let is_one = *resolution == Resolution::Nothing || !made.is_empty();
    let mut tries = 0;
    loop {
        if ledger.entry(decision).await?.is_none() {
            return Ok(Resolved::Unknown);
        }
        let waits = ledger.waiting_step(decision).await?.as_ref().and_then(recorded_in);
        let Some((situation, _)) = waits.filter(|_| is_one) else {
            return Ok(Resolved::NotParked);
        };
        let says = Field { name: "resolve".into(), value: made.into() };
        let asked = ask(guest, ledger, key, decision, situation, says, now).await?;
        let Some((situation, step)) = asked else { return Ok(Resolved::NotParked) };
        match write(guest, ledger, &situation, &step, now).await {
            Err(LedgerError::Fenced) if tries < FENCED_MOST => tries += 1,
            written => return Ok(written.map(|()| resolved)?),
        }
    }
}

/// What the component says to an approval.
enum Asked {
    /// Nothing can be approved.
    Ended(Approval),
    /// It goes.
    Goes { situation: Box<Situation>, step: Box<Step> },
}

/// Asks the component for an approval of `decision` until `until`. Nothing is written.
async fn ask_approval<L: Ledger>(
    guest: &Guest,
    ledger: &L,
    key: &LedgerKey,
    decision: &EntryId,
    until: u64,
    now: u64,
) -> Result<Asked, ProvisionError> {
    let ended = |approval| Ok(Asked::Ended(approval));
    let Some(entry) = ledger.entry(decision).await? else { return ended(Approval::Unknown) };
    if entry.stage != Stage::Refused {
        return ended(Approval::Sent);
    }
    let waits = ledger.waiting_step(decision).await?.as_ref().and_then(recorded_in);
    let Some((situation, Some(Answer { verdict: Verdict::Staged, .. }))) = waits else {
        return ended(Approval::NotStaged);
    };
    let says = Field { name: "approve".into(), value: until.to_string() };
    match ask(guest, ledger, key, decision, situation, says, now).await? {
        Some((situation, step)) => Ok(Asked::Goes { situation, step }),
        None => ended(Approval::NotStaged),
    }
}

/// Asks the component what follows from a person's word on `decision`, of which `situation` was recorded; none: it
/// does not wait for that. Nothing is written.
async fn ask<L: Ledger>(
    guest: &Guest,
    ledger: &L,
    key: &LedgerKey,
    decision: &EntryId,
    mut situation: Situation,
    says: Field,
    now: u64,
) -> Result<Option<(Box<Situation>, Box<Step>)>, ProvisionError> {
    // Policy and schema stay as they were recorded: its names are those.
    let scope = situation.request.scope.clone();
    let claimed = situation.extra.iter().filter(|field| field.name == "claimed");
    let claimed = claimed.map(|field| key.tag(&scope.tenant, "name", &field.value));
    let names: Vec<_> = situation.tags.names.iter().cloned().chain(claimed).collect();
    let (given, statement) = (situation.tags.key.clone(), situation.tags.statement.clone());
    situation.found = ledger.find(&scope, given.as_ref(), &statement, &names).await?;
    if !known(&situation.found, decision) {
        let Some(entry) = ledger.entry(decision).await? else { return Ok(None) };
        situation.found.open.push(entry);
    }
    situation.observed.clear();
    situation.now = now;
    situation.new_entry.clone_from(decision);
    situation.extra.retain(|field| field.name == "claimed");
    situation.extra.push(says);
    let step = match guest.settle(&situation, None) {
        Err(GuestError::Contract(_)) => return Ok(None),
        step => step?,
    };
    monitor::check(Function::Settle, &situation, &step)?;
    answer_of(&step)?;
    Ok(Some((Box::new(situation), Box::new(step))))
}

/// Writes what followed from a person's word.
async fn write<L: Ledger>(
    guest: &Guest,
    ledger: &L,
    situation: &Situation,
    step: &Step,
    now: u64,
) -> Result<(), LedgerError> {
    let Some(write) = &step.write else { return Ok(()) };
    let identities = write.identities.iter().map(|identity| (identity.clone(), None));
    let record = Record {
        scope: situation.request.scope.clone(),
        now,
        entry: write.entry.clone(),
        identities: identities.collect(),
        learned: write.learned.clone(),
        step: recorded(guest, Function::Settle, situation, None, step),
    };
    ledger.write(&record).await
}

/// A person's word is answered, and nothing else.
fn answer_of(step: &Step) -> Result<&Answer, ProvisionError> {
    let Action::Answer(answer) = &step.action else {
        return Err(monitor::Violation::Action.into());
    };
    Ok(answer)
}

/// The situation of a step, and what it answered; what is parked may wait for a look instead.
fn recorded_in(step: &RecordedStep) -> Option<(Situation, Option<Answer>)> {
    #[derive(serde::Deserialize)]
    struct Input {
        situation: Situation,
    }
    let output: Step = serde_json::from_str(&step.output).ok()?;
    let input: Input = serde_json::from_str(&step.input).ok()?;
    let answer = if let Action::Answer(answer) = output.action { Some(answer) } else { None };
    Some((input.situation, answer))
}

/// The note of an answer that says until when it is approved.
const APPROVED_UNTIL: &str = "approved-until";
