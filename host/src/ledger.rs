//! The ledger: what was asked, how far it has come, and who a resource is.
//!
//! A ledger keeps what it is given and refuses what would break a law: a stage that moves back, a
//! fence that shrinks, a name of two identities. It decides nothing and reads no clock.

mod journal;
mod lease;
mod sqlite;

use std::{future::Future, time::Duration};

use crate::contract::{
    Entry, EntryId, Field, Found, IdentityWrite, NameKind, Scope, Tag,
    reconciliation::{Class, Excess},
};

pub use journal::Journal;
pub(crate) use journal::Line;
pub use lease::{NameLeases, WAITERS_MAX};
pub use sqlite::SqliteLedger;

/// Where entries, identities and what was learned about targets are kept.
///
/// Every method may be called again after an error: nothing is half done.
pub trait Ledger: Send + Sync + 'static {
    /// Leases all of `names`, or none of them.
    ///
    /// Requests that want one of these names are served in the order in which they asked.
    /// Gives [`Leased::Busy`] once `wait` is over.
    fn lease(
        &self,
        names: &[Tag],
        statement: &Tag,
        waiting: Waiting,
    ) -> impl Future<Output = Result<Leased, LedgerError>> + Send;

    /// What the ledger holds under a key, a statement and names, read in one transaction.
    fn find(
        &self,
        scope: &Scope,
        key: Option<&Tag>,
        statement: &Tag,
        names: &[Tag],
    ) -> impl Future<Output = Result<Found, LedgerError>> + Send;

    /// Writes entry, identities and what was learned in one durable transaction, or nothing.
    ///
    /// Each identity's fence must be the one that the ledger holds (0 and absent for a new one); the
    /// ledger adds one to it. An entry's stage must not move back: it was moved on by somebody else
    /// ([`LedgerError::Fenced`]).
    fn write(&self, record: &Record) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// The entry with this id.
    fn entry(
        &self,
        id: &EntryId,
    ) -> impl Future<Output = Result<Option<Entry>, LedgerError>> + Send;

    /// Entries whose `wake_at` is not after `now`, the most overdue first, at most `most`; those that come behind
    /// `after` in that order, if it is given.
    fn due(
        &self,
        now: u64,
        after: Option<&Entry>,
        most: u32,
    ) -> impl Future<Output = Result<Vec<Entry>, LedgerError>> + Send;

    /// What was learned about `target`, by name.
    fn profile(&self, target: &str)
    -> impl Future<Output = Result<Vec<Field>, LedgerError>> + Send;

    /// Records a step that answers without a write: a refusal has to be explained too (S38).
    fn note(
        &self,
        tenant: &str,
        decision: &EntryId,
        step: &RecordedStep,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// The recorded steps of a decision, oldest first; empty if it is unknown or has expired (S38).
    fn steps(
        &self,
        decision: &EntryId,
    ) -> impl Future<Output = Result<Vec<RecordedStep>, LedgerError>> + Send;

    /// Decisions that wait for a person, the oldest first (S21, S29, S41).
    fn waiting(&self) -> impl Future<Output = Result<Vec<EntryId>, LedgerError>> + Send;

    /// The step since which a decision waits for a person: the last that wrote its entry, if it waits since then.
    fn waiting_step(
        &self,
        decision: &EntryId,
    ) -> impl Future<Output = Result<Option<RecordedStep>, LedgerError>> + Send;

    /// Removes recorded steps that were written before `before`, but for each [`waiting_step`](Self::waiting_step).
    fn forget_steps(&self, before: u64) -> impl Future<Output = Result<u64, LedgerError>> + Send;

    /// What is known of plans that were to be carried out, in the order of their last word (S33).
    fn plans(&self) -> impl Future<Output = Result<Vec<PlanRecord>, LedgerError>> + Send;

    /// Writes what is known of a plan, in the place of what was known of it. What was last said of any plan before
    /// `forget` is removed.
    fn write_plan(
        &self,
        record: &PlanRecord,
        forget: u64,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Whether the ledger can be read and written at this moment.
    fn ready(&self) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Every law that the ledger breaks, as one note each; empty: it is clean.
    fn audit(&self) -> impl Future<Output = Result<Vec<Note>, LedgerError>> + Send;
}

/// How long to wait for names that others hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Wait this long, then give up.
    Queue(Duration),
    /// Wait this long, then go on without the names (S14c): whoever holds them will find its fence outdated. A holder with the same statement is not passed but waited for, at most `attach`.
    Pass {
        /// How long to wait for a holder that is working.
        after: Duration,
        /// How long to wait for a holder that does the same.
        attach: Duration,
    },
}

/// What came of asking for a lease.
#[derive(Debug)]
pub enum Leased {
    /// The names are held until the lease is dropped.
    Held(Lease),
    /// The names were passed: others hold them (S14c).
    Passed,
    /// They are held by others, and the wait is over.
    Busy,
}

/// Names that are held; they are free again when this is dropped.
pub struct Lease(pub Box<dyn std::any::Any + Send + Sync>);

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lease")
    }
}

/// One durable write: what the component asked for, its names made into tags.
#[derive(Clone, Debug)]
pub struct Record {
    /// The scope that names and profile belong to.
    pub scope: Scope,
    /// The time, for retention and for the order of entries.
    pub now: u64,
    /// The entry.
    pub entry: Entry,
    /// The identities, and for each its names from now on (none: as they are).
    pub identities: Vec<(IdentityWrite, Option<NameTags>)>,
    /// What was learned about the target.
    pub learned: Vec<Field>,
    /// The step that led to this write, recorded for `explain` (S38).
    pub step: Option<RecordedStep>,
}

/// All names that lead to an identity, made into tags.
pub type NameTags = Vec<(NameKind, Tag)>;

/// One call of the component with what it gave, so that it can be run again (S38).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordedStep {
    /// `admit`, `decide` or `settle`.
    pub function: String,
    /// The SHA-256 of the component, in hexadecimal.
    pub component: String,
    /// The SHA-256 of the policy document that it was called with, in hexadecimal (S45).
    #[serde(default)]
    pub policy: String,
    /// When it was called.
    pub at: u64,
    /// Whether the decision waits for a person since then; none: the step wrote nothing.
    #[serde(default)]
    pub waits: Option<bool>,
    /// The arguments, as JSON text of the contract's types.
    pub input: String,
    /// The result, likewise.
    pub output: String,
}

/// What is known of a plan that was to be carried out (S33).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PlanRecord {
    /// Whose it is.
    pub tenant: String,
    /// Its digest.
    pub digest: String,
    /// When it was made: plans of one digest that were made at several times are several.
    pub made_at: u64,
    /// Since when it is known: when it was let through, staged or approved.
    pub at: u64,
    /// What follows for it.
    pub stage: PlanStage,
    /// How much it does.
    pub amounts: Vec<Amount>,
    /// What a person has to approve, or has.
    pub excess: Vec<Excess>,
}

/// Whether a plan may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PlanStage {
    /// A person has to approve it first.
    Staged,
    /// A person has.
    Approved {
        /// For as long as this, in milliseconds since 1970.
        until: u64,
    },
    /// It was let through, and may be carried out again.
    Begun,
}

/// How much a plan does in one class to resources of one type.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Amount {
    /// The name of the resource type.
    pub resource_type: String,
    /// What it does.
    pub class: Class,
    /// How much.
    pub planned: u64,
}

/// A law of the ledger that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Note {
    /// The law, for example `fence-never-shrinks`.
    pub law: String,
    /// The entry or identity that breaks it.
    pub id: String,
    /// One sentence, without personal data.
    pub detail: String,
}

/// Why a ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Since it was read, somebody else has written this identity, given one of its names to another,
    /// moved this entry on, or used its key: read again, and decide again.
    #[error("the entry or its identity was changed by another request")]
    Fenced,
    /// The write would break a law. The component or the host is wrong: nothing was written.
    #[error("the ledger refuses the write: {law}")]
    Law {
        /// The law's name.
        law: &'static str,
    },
    /// Another process has the ledger open.
    #[error("the ledger `{path}` is in use by another process; stop it, or name another file")]
    InUse {
        /// The file.
        path: String,
    },
    /// The ledger was written in front of another service.
    #[error("it belongs to another service, of which its receipts are true and not of this one")]
    OtherService,
    /// The ledger was written by a version that this one does not know, or with another key.
    #[error("the ledger `{path}` cannot be opened: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A row is not as this ledger wrote it: changed, or copied from elsewhere. Nothing rests on it.
    #[error("the ledger's {table} `{id}` is not as it was written: restore a backup, or audit it")]
    Tampered {
        /// The table.
        table: &'static str,
        /// The row.
        id: String,
    },
    /// The storage failed: nothing can be relied on until it works again.
    #[error("the ledger's storage failed")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
}
