//! The guard: may a plan begin, or does a person have to approve it first (S33)?
//!
//! How much is too much is the component's; here is what the ledger knows of this plan and of others, and what a person
//! says.

use super::{Agenda, Applier};
use crate::{
    contract::{
        Settings,
        reconciliation::{Excess, Past},
    },
    guest::{GuestError, aside},
    ledger::{Amount, Ledger, LedgerError, PlanRecord, PlanStage},
    target::Target,
};

/// Why a plan could not begin. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The component failed, or the policy breaks the contract
    #[error("whether the plan may begin cannot be told")]
    Guest(#[from] GuestError),
    /// What was let go cannot be read or written
    #[error("what is known of plans cannot be read or written")]
    Ledger(#[from] LedgerError),
}

/// What became of the approval of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanApproval {
    /// It may begin until then. In milliseconds since 1970.
    Until {
        /// Until when.
        until: u64,
        /// What was approved.
        excess: Vec<Excess>,
    },
    /// It was let through already, and may be carried out again as it is.
    Begun,
    /// Nobody has tried to carry out a plan with this digest here, or not for long.
    Unknown,
}

impl<L: Ledger, T: Target> Applier<L, T> {
    /// What a person has to approve before this plan begins; nothing: it has begun, which is recorded.
    pub(super) async fn admit(&self, agenda: &Agenda) -> Result<Vec<Excess>, ApplyError> {
        let (ledger, options) = (self.provisioner.ledger(), self.provisioner.options());
        let now = self.provisioner.now();
        let (mut own, mut others) = (None, Vec::new());
        for plan in ledger.plans().await? {
            if plan.tenant != options.tenant {
                continue;
            }
            let is_this =
                plan.digest == agenda.digest() && plan.made_at == agenda.at().unwrap_or_default();
            match plan.stage {
                PlanStage::Begun if is_this => return Ok(Vec::new()),
                PlanStage::Begun => others.push(plan),
                PlanStage::Staged | PlanStage::Approved { .. } if is_this => own = Some(plan),
                PlanStage::Staged | PlanStage::Approved { .. } => {}
            }
        }
        let mut tallies = agenda.tallies();
        let amounts = tallies.iter().map(|tally| Amount {
            resource_type: tally.resource_type.clone(),
            class: tally.class,
            planned: tally.planned,
        });
        let amounts = amounts.collect();
        for tally in &mut tallies {
            let of = |amount: &&Amount| {
                amount.resource_type == tally.resource_type && amount.class == tally.class
            };
            let past = others.iter().filter_map(|other| {
                let count = other.amounts.iter().find(of)?.planned;
                Some(Past { at: other.at, count })
            });
            tally.recent = past.collect();
            let approved = own
                .iter()
                .filter(|own| matches!(own.stage, PlanStage::Approved { until } if now < until));
            let approved = approved.flat_map(|own| &own.excess).filter(|excess| {
                excess.resource_type == tally.resource_type && excess.class == tally.class
            });
            tally.approved = approved.map(|excess| excess.count).max().unwrap_or_default();
        }
        let policy = options.policy.clone();
        let settings = Settings { policy, schema: "{}".into(), profile: Vec::new() };
        let planning = self.planning.clone();
        let excess = aside(|| planning.guard(&tallies, now, &settings))?;
        let stage = if excess.is_empty() { PlanStage::Begun } else { PlanStage::Staged };
        let record = PlanRecord {
            tenant: options.tenant.clone(),
            digest: agenda.digest().to_owned(),
            made_at: agenda.at().unwrap_or_default(),
            at: now,
            stage,
            amounts,
            excess: excess.clone(),
        };
        ledger.write_plan(&record, now.saturating_sub(KEPT_MS)).await?;
        Ok(excess)
    }
}

/// The plans that wait for a person, or were approved and have not begun since, in the order of their last word.
///
/// # Errors
///
/// Where the ledger fails.
pub async fn waiting<L: Ledger>(ledger: &L, now: u64) -> Result<Vec<PlanRecord>, LedgerError> {
    let waits = |plan: &PlanRecord| match plan.stage {
        PlanStage::Staged | PlanStage::Approved { .. } => now < plan.at.saturating_add(KEPT_MS),
        PlanStage::Begun => false,
    };
    Ok(ledger.plans().await?.into_iter().filter(waits).collect())
}

/// Lets the plan with this digest begin, that waits for a person: of several the one that was tried last, of whichever tenant.
///
/// What is approved is what it was staged for. If other plans have done more since, it is staged again.
/// It is safe to call twice: an approval that stands stays as it is.
///
/// Gives the first of these that applies:
///
/// 1. [`PlanApproval::Unknown`],
/// 2. [`PlanApproval::Begun`],
/// 3. [`PlanApproval::Until`].
///
/// # Errors
///
/// Where the ledger fails.
pub async fn approve<L: Ledger>(
    ledger: &L,
    digest: &str,
    until: u64,
    now: u64,
) -> Result<PlanApproval, LedgerError> {
    let plans = ledger.plans().await?;
    let mut equal: Vec<PlanRecord> =
        plans.into_iter().filter(|plan| plan.digest == digest).collect();
    let waits = equal.iter().rposition(|plan| plan.stage != PlanStage::Begun);
    let Some(at) = waits.or(equal.len().checked_sub(1)) else { return Ok(PlanApproval::Unknown) };
    let mut plan = equal.swap_remove(at);
    let until = match plan.stage {
        PlanStage::Begun => return Ok(PlanApproval::Begun),
        PlanStage::Approved { until } if now < until => until,
        PlanStage::Staged | PlanStage::Approved { .. } => {
            plan.stage = PlanStage::Approved { until };
            plan.at = now;
            ledger.write_plan(&plan, now.saturating_sub(KEPT_MS)).await?;
            until
        }
    };
    Ok(PlanApproval::Until { until, excess: plan.excess })
}

/// 31 days: a day longer than the longest window of the guard, and than an approval stands.
const KEPT_MS: u64 = 31 * 24 * 3_600_000;
