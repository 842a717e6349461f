//! The guard: may a plan begin, or does a person have to see how much it does (S33)?

use alloc::{format, string::String, vec::Vec};

use super::Class;
use crate::{
    form::{self, record},
    policy::{Limit, Policy},
    types::{ContractError, Settings, UnixMillis},
};

/// How much a plan does in one class to resources of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The name of the resource type.
    pub resource_type: String,
    /// What it does.
    pub class: Class,
    /// How much: the sum of `Change::count`.
    pub planned: u64,
    /// What other plans did of it.
    pub recent: Vec<Past>,
    /// How many resources of the type were there.
    pub resources: u64,
    /// How many members, roles and entitlements they had.
    pub edges: u64,
    /// How much a person has approved for this plan.
    pub approved: u64,
}

/// What a plan did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When it began.
    pub at: UnixMillis,
    /// How much.
    pub count: u64,
}

/// More than the guard lets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The name of the resource type.
    pub resource_type: String,
    /// What it does.
    pub class: Class,
    /// How much, with what other plans did within the window.
    pub count: u64,
    /// Of how many.
    pub there: u64,
    /// How much would have been let go.
    pub limit: u64,
    /// The same for a person.
    pub detail: String,
}

/// See `reconciliation.guard`.
///
/// # Errors
///
/// Where the policy cannot be read.
pub fn guard(
    tallies: &[Tally],
    now: UnixMillis,
    settings: &Settings,
) -> Result<Vec<Excess>, ContractError> {
    let policy = Policy::read(&settings.policy)?;
    let hours = policy.guard_window_hours;
    let since = now.saturating_sub(UnixMillis::from(hours) * 3_600_000);
    let excess = |tally: &Tally| {
        let (planned, class) = (tally.planned, tally.class);
        let (there, limit) = match class {
            Class::Revoke => (tally.edges, policy.guard.revoke),
            Class::Disable => (tally.resources, policy.guard.disable),
            Class::Create => (tally.resources, policy.guard.create),
            Class::Adopt => (tally.resources, policy.guard.adopt),
            Class::Update => (tally.resources, policy.guard.update),
            Class::Grant => (tally.edges, policy.guard.grant),
            Class::Delete => (tally.resources, policy.guard.delete),
        };
        let limit = limit.of(there)?;
        let within = tally.recent.iter().filter(|past| since <= past.at);
        let recent = within.fold(0, |sum: u64, past| sum.saturating_add(past.count));
        let count = planned.saturating_add(recent);
        if planned == 0 || count <= limit || count <= tally.approved {
            return None;
        }
        let name = form::write(&class);
        let name = name.as_str().unwrap_or_default();
        let before = match recent {
            0 => String::new(),
            recent => format!(", and {recent} that other plans did within {hours} hours"),
        };
        let detail = format!(
            "{planned} of {there}{before}: policy `guard.{name}` lets {limit} go without approval (S33)"
        );
        let resource_type = tally.resource_type.clone();
        Some(Excess { resource_type, class, count, there, limit, detail })
    };
    Ok(tallies.iter().filter_map(excess).collect())
}

impl Limit {
    /// How much may be done where so much is there; none: as much as is wanted.
    fn of(self, there: u64) -> Option<u64> {
        let share = self.percent.map(|percent| {
            there / 100 * u64::from(percent) + there % 100 * u64::from(percent) / 100
        });
        let share = share.map(|share| share.max(FEW));
        match (self.most.map(u64::from), share) {
            (Some(most), Some(share)) => Some(most.min(share)),
            (most, share) => most.or(share),
        }
    }
}

/// 10: a share of few would stop any plan of a small service.
const FEW: u64 = 10;

record!(Tally { resource_type, class, planned, recent: Empty, resources, edges, approved });
record!(Past { at, count });
record!(Excess { resource_type, class, count, there, limit, detail });
