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
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 15] = [
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
        }
    }
}
