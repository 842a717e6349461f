//! Rules of the protocol that can be switched off in a simulated world, to see that it finds out.
//!
//! What ships has no such switch: a rule is taken out of the simulated host, ledger or target.

/// A rule, named by what goes wrong without it (`cx_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The ledger refuses a write with an outdated fence.
    Fence,
    /// Names are leased.
    Lease,
    /// Names are leased, fences are compared, names belong to one identity, keys to one entry.
    Arbitration,
    /// An effect is recorded before it is sent.
    IntentFirst,
    /// Absence is believed once D has passed.
    WaitForCalls,
    /// Absence is believed once L has passed.
    WaitForSearch,
    /// An unknown outcome is looked at before anything is sent again.
    LookFirst,
    /// What was sent is read back.
    ReadBack,
    /// An answer is recorded before it is told.
    CommitFirst,
    /// What has not ended is finished before anything else.
    PredecessorFirst,
    /// The ledger knows the target's id of what it made.
    RememberId,
    /// What was settled is never forgotten.
    NeverForget,
    /// A revocation that passed others is looked after.
    Watch,
    /// Nobody wakes after D and sends what was recorded before.
    NoZombie,
    /// A call takes effect within D.
    BoundedCalls,
    /// What takes access away does not wait for others.
    SafeWay,
    /// What is due is taken up without a client.
    Scan,
    /// The ledger refuses a new identity whose names are leased no more.
    LeasedNew,
    /// What a source numbers is in its order, whenever it comes.
    Versions,
    /// What a document has of secrets is lifted before anybody sees it.
    Lift,
    /// A client is known by something that is made of its credential.
    Credential,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 21] = [
        Self::Fence,
        Self::Lease,
        Self::Arbitration,
        Self::IntentFirst,
        Self::WaitForCalls,
        Self::WaitForSearch,
        Self::LookFirst,
        Self::ReadBack,
        Self::CommitFirst,
        Self::PredecessorFirst,
        Self::RememberId,
        Self::NeverForget,
        Self::Watch,
        Self::NoZombie,
        Self::BoundedCalls,
        Self::SafeWay,
        Self::Scan,
        Self::LeasedNew,
        Self::Versions,
        Self::Lift,
        Self::Credential,
    ];

    /// The word for a command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fence => "fence",
            Self::Lease => "lease",
            Self::Arbitration => "arbitration",
            Self::IntentFirst => "intent-first",
            Self::WaitForCalls => "wait-for-calls",
            Self::WaitForSearch => "wait-for-search",
            Self::LookFirst => "look-first",
            Self::ReadBack => "read-back",
            Self::CommitFirst => "commit-first",
            Self::PredecessorFirst => "predecessor-first",
            Self::RememberId => "remember-id",
            Self::NeverForget => "never-forget",
            Self::Watch => "watch",
            Self::NoZombie => "no-zombie",
            Self::BoundedCalls => "bounded-calls",
            Self::SafeWay => "safe-way",
            Self::Scan => "scan",
            Self::LeasedNew => "leased-new",
            Self::Versions => "versions",
            Self::Lift => "lift",
            Self::Credential => "credential",
        }
    }

    /// The laws that must be seen to break without it.
    #[must_use]
    pub fn kept_by(self) -> &'static [&'static str] {
        match self {
            Self::Fence => &["replay-is-identical", "what-was-answered-holds"],
            Self::Lease | Self::Arbitration | Self::RememberId => &["at-most-one"],
            Self::IntentFirst => &["at-most-one", "nothing-is-stacked", "deleted-stays-deleted"],
            Self::WaitForCalls | Self::WaitForSearch | Self::LookFirst | Self::NoZombie => {
                &["absence-needs-proof", "at-most-one", "nothing-is-stacked"]
            }
            Self::ReadBack => &["no-success-without-evidence"],
            Self::CommitFirst => &["replay-is-identical", "what-was-answered-holds"],
            Self::PredecessorFirst => &["one-writer-per-name", "at-most-one"],
            Self::NeverForget => &["replay-is-identical", "mismatch-never-acts", "at-most-one"],
            Self::Watch => &["what-was-answered-holds"],
            Self::BoundedCalls => &["absence-needs-proof", "at-most-one"],
            Self::SafeWay => &["nothing-blocks-a-revocation"],
            Self::Scan => &["everything-is-answered", "everything-ends"],
            Self::LeasedNew => &["at-most-one", "absence-needs-proof"],
            Self::Versions => &["later-version-wins"],
            Self::Lift | Self::Credential => &["no-secret-is-seen"],
        }
    }

    /// The counterexamples of that name that are found again without it.
    #[must_use]
    pub fn counterexamples(self) -> &'static str {
        match self {
            Self::Fence => "cx_blind_commit",
            Self::Lease => "two requests at once",
            Self::Arbitration => "cx_two_keys, cx_check_then_act",
            Self::IntentFirst => "cx_no_intent",
            Self::WaitForCalls => "cx_late_apply, cx_half_quarantine",
            Self::WaitForSearch => "cx_lag, cx_half_quarantine",
            Self::LookFirst => "cx_stack, a client that repeats on its own",
            Self::ReadBack => "cx_lie",
            Self::CommitFirst => "cx_ack_then_crash",
            Self::PredecessorFirst => "cx_delete_over_pending, cx_noop_ack",
            Self::RememberId => "cx_lag_delete",
            Self::NeverForget => "cx_forgotten_key",
            Self::Watch => "a passed grant that lands late",
            Self::NoZombie => "cx_zombie_send",
            Self::BoundedCalls => "cx_resurrect_unique, impossibility X1",
            Self::SafeWay => "a stuck update in front of a revocation",
            Self::Scan => "a client that does not come back",
            Self::LeasedNew => "two names of one resource, a lapsed lease",
            Self::Versions => "a queue that delivers late",
            Self::Lift => "a password in a record",
            Self::Credential => "a token that names its client",
        }
    }

    /// It is missed only where several gateways share a ledger: in one process leases do its work.
    #[must_use]
    pub fn needs_sharing(self) -> bool {
        matches!(self, Self::Fence | Self::LeasedNew)
    }
}
