//! Approval: which returns wait for a person, and how is one let go (S21)?
//!
//! What may be approved, and what an approval is of, is the component's. Here it is asked, and what it
//! says is written.

use super::{FENCED_MOST, ProvisionError, known, recorded};
use crate::{
    contract::{Action, EntryId, Field, Situation, Stage, Step, Verdict},
    guest::{Guest, GuestError},
    keys::LedgerKey,
    ledger::{Ledger, LedgerError, Record, RecordedStep},
    monitor::{self, Function},
};

/// A request that waits for an approval, or had one and was not repeated yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// The decision: what its client was told in `Replaysafe-Decision`.
    pub decision: EntryId,
    /// The name of the resource type.
    pub resource_type: String,
    /// When it was asked last, or approved, in milliseconds since 1970.
    pub at: u64,
    /// Until when it is approved, in milliseconds since 1970; none: it waits.
    pub approved_until: Option<u64>,
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
    /// The ledger has no recorded inputs of it: it is another ledger's, or was last asked more than 7 days ago.
    Unknown,
}

/// The returns that wait for an approval, and those that have one, the earliest first: each of them can be
/// approved at `now`.
///
/// # Errors
///
/// Where ledger or component fail.
pub async fn staged<L: Ledger>(
    guest: &Guest,
    ledger: &L,
    key: &LedgerKey,
    now: u64,
) -> Result<Vec<Staged>, ProvisionError> {
    let mut staged = Vec::new();
    for decision in ledger.refused().await? {
        let Some(step) = ledger.steps(&decision).await?.pop() else { continue };
        let Some((situation, note)) = told_to_wait(&step) else { continue };
        let until = note.and_then(|note| note.parse().ok()).filter(|until| now < *until);
        // Another return of the same resource may have gone through since.
        let asked = ask(guest, ledger, key, &decision, now.saturating_add(1), now).await?;
        if let Asked::Goes { .. } = asked {
            let (resource_type, at) = (situation.request.resource_type, step.at);
            staged.push(Staged { decision, resource_type, at, approved_until: until });
        }
    }
    Ok(staged)
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
/// It is safe to call twice: the first approval stands until it is over. It may run beside a gateway: the
/// identity's fence keeps whoever decides at this moment from writing over it, and this from writing over
/// what was sent.
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
        match approve_once(guest, ledger, key, decision, until, now).await {
            Err(ProvisionError::Ledger(LedgerError::Fenced)) if tries < FENCED_MOST => tries += 1,
            other => return other,
        }
    }
}

async fn approve_once<L: Ledger>(
    guest: &Guest,
    ledger: &L,
    key: &LedgerKey,
    decision: &EntryId,
    until: u64,
    now: u64,
) -> Result<Approval, ProvisionError> {
    let (situation, step, until) = match ask(guest, ledger, key, decision, until, now).await? {
        Asked::Ended(approval) => return Ok(approval),
        Asked::Goes { situation, step, until } => (situation, step, until),
    };
    if let Some(write) = &step.write {
        let identities = write.identities.iter().map(|identity| (identity.clone(), None));
        let record = Record {
            scope: situation.request.scope.clone(),
            now,
            entry: write.entry.clone(),
            identities: identities.collect(),
            learned: write.learned.clone(),
            step: recorded(guest, Function::Settle, &situation, None, &step),
        };
        ledger.write(&record).await?;
    }
    Ok(Approval::Until(until))
}

/// What the component says to an approval.
enum Asked {
    /// Nothing can be approved.
    Ended(Approval),
    /// It goes, until then.
    Goes { situation: Box<Situation>, step: Box<Step>, until: u64 },
}

/// Asks the component for an approval of `decision` until `until`. Nothing is written.
async fn ask<L: Ledger>(
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
    let Some(step) = ledger.steps(decision).await?.pop() else { return ended(Approval::Unknown) };
    // Policy and schema as they were when it was staged: its names are those.
    let Some((mut situation, _)) = told_to_wait(&step) else { return ended(Approval::NotStaged) };
    let scope = situation.request.scope.clone();
    let claimed = situation.extra.iter().filter(|field| field.name == "claimed");
    let claimed = claimed.map(|field| key.tag(&scope.tenant, "name", &field.value));
    let names: Vec<_> = situation.tags.names.iter().cloned().chain(claimed).collect();
    let (given, statement) = (situation.tags.key.clone(), situation.tags.statement.clone());
    situation.found = ledger.find(&scope, given.as_ref(), &statement, &names).await?;
    if !known(&situation.found, decision) {
        situation.found.open.push(entry);
    }
    situation.observed.clear();
    situation.now = now;
    situation.new_entry.clone_from(decision);
    situation.extra.retain(|field| field.name == "claimed");
    situation.extra.push(Field { name: "approve".into(), value: until.to_string() });
    let step = match guest.settle(&situation, None) {
        Err(GuestError::Contract(_)) => return ended(Approval::NotStaged),
        step => step?,
    };
    monitor::check(Function::Settle, &situation, &step)?;
    let Action::Answer(answer) = &step.action else {
        return Err(monitor::Violation::Action.into());
    };
    let note = answer.notes.iter().find(|note| note.name == APPROVED_UNTIL);
    let until = note.and_then(|note| note.value.parse().ok()).unwrap_or(until);
    Ok(Asked::Goes { situation: Box::new(situation), step: Box::new(step), until })
}

/// The situation of a step that ended with `staged`, and until when it is approved.
fn told_to_wait(step: &RecordedStep) -> Option<(Situation, Option<String>)> {
    #[derive(serde::Deserialize)]
    struct Input {
        situation: Situation,
    }
    let output: Step = serde_json::from_str(&step.output).ok()?;
    let Action::Answer(answer) = output.action else { return None };
    if answer.verdict != Verdict::Staged {
        return None;
    }
    let until = answer.notes.into_iter().find(|note| note.name == APPROVED_UNTIL);
    let input: Input = serde_json::from_str(&step.input).ok()?;
    Some((input.situation, until.map(|note| note.value)))
}

/// The note of an answer that says until when it is approved.
const APPROVED_UNTIL: &str = "approved-until";
