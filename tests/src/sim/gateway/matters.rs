//! What of the work on a request can still make a difference.

use std::hash::Hash as _;

use super::{At, Found, Request, Run, Settings, Settling, Situation, Tags, Whose, field};
use crate::sim::{
    decider::{Decider, Function},
    digest::Digester,
    world::World,
};

impl Run {
    /// Takes in what can still make a difference: what is read anew before it is used does not.
    pub(in crate::sim) fn matters(&self, world: &World, to: &mut Digester) {
        self.gateway.hash(to);
        self.message.hash(to);
        self.resent.hash(to);
        to.take(&self.unwritten);
        for ticket in &self.tickets {
            world.leases.place(*ticket).hash(to);
        }
        if let At::Reply(answer) = &self.at {
            to.take(&(0_u8, answer));
            return;
        }
        if self.message.is_some() {
            (self.deadline, self.request.received_at, self.steps == 0).hash(to);
        }
        to.take(&self.settings.profile);
        to.take(&self.mine);
        to.take(&self.claimed);
        to.take(&self.tried);
        (self.passed, self.fenced).hash(to);
        self.at.matters(world, to);
        if matches!(
            self.at,
            At::Enter(Whose::People)
                | At::Queued { whose: Whose::People, .. }
                | At::Find { again: true }
        ) {
            self.people.hash(to);
        }
        if let Some(settling) = &self.settling {
            to.take(&settling.entry);
            settling.matters(world, to);
        } else if matches!(self.at, At::Decide | At::Look(_)) {
            (self.function as u8).hash(to);
            matters(self.found.as_deref(), world, to);
            to.take(&self.observed);
        }
    }

    /// Whether the next step does nothing that anybody else could see, or that others could bring to a different end.
    pub(in crate::sim) fn steps_alone(&self, world: &World, core: &mut Decider) -> bool {
        match &self.at {
            At::Prove | At::Enter(_) => true,
            // The scan does not wait.
            At::Queued { ticket, .. } => world.leases.held(*ticket) || self.message.is_none(),
            // Whoever reads first meets the same: the call can land at any time from now on.
            At::Send(_) => true,
            At::Decide => {
                let Some(found) = &self.found else { return false };
                let situation = self.situation(found, &self.observed, world.now);
                core.asks(self.function, &situation, None)
            }
            At::Judge => self.settling.as_ref().is_some_and(|settling| {
                let Some(found) = &settling.found else { return false };
                let situation = self.situation_of(settling, found, world.now);
                core.asks(Function::Settle, &situation, settling.report.as_ref())
            }),
            At::Begin
            | At::Find { .. }
            | At::Look(_)
            | At::Await(_)
            | At::Settle
            | At::Near(_)
            | At::Far(_)
            | At::Reply(_)
            | At::WriteLate => false,
        }
    }

    /// The situation of the request that is settled.
    pub(super) fn situation_of(&self, settling: &Settling, found: &Found, now: u64) -> Situation {
        let mut situation = self.situation(found, &settling.observed, now);
        if let Some(other) = &settling.other {
            situation.request = Request::clone(&other.request);
            situation.tags = Tags::clone(&other.tags);
            situation.settings = Settings::clone(&other.settings);
            situation.new_identity.clone_from(&other.new_identity);
            let claimed = settling.claimed.iter().map(|name| field("claimed", &name.material));
            situation.extra = claimed.collect();
        }
        situation.new_entry.clone_from(&settling.entry);
        situation
    }
}

impl Settling {
    fn matters(&self, world: &World, to: &mut Digester) {
        self.resolves.hash(to);
        if let Some(other) = &self.other {
            other.number.hash(to);
            to.take(&other.settings.profile);
        }
        to.take(&self.report);
        to.take(&self.observed);
        to.take(&self.claimed);
        matters(self.found.as_deref(), world, to);
    }
}

impl At {
    fn matters(&self, world: &World, to: &mut Digester) {
        std::mem::discriminant(self).hash(to);
        match self {
            Self::Begin
            | Self::Prove
            | Self::Decide
            | Self::Settle
            | Self::Judge
            | Self::Reply(_)
            | Self::WriteLate => {}
            Self::Enter(whose) => whose.hash(to),
            Self::Queued { whose, ticket, since, wait } => {
                (whose, world.leases.place(*ticket), since, wait).hash(to);
            }
            Self::Find { again } => again.hash(to),
            Self::Look(questions) => to.take(questions),
            Self::Send(effect) => to.take(effect),
            Self::Await(call) => world.calls.iter().any(|one| one.number == *call).hash(to),
            Self::Near(until) | Self::Far(until) => until.hash(to),
        }
    }
}

/// A fence matters only as far as it is outdated.
fn matters(found: Option<&Found>, world: &World, to: &mut Digester) {
    let Some(Found { by_key, by_statement, holders, open }) = found else {
        to.take(&None::<u64>);
        return;
    };
    to.take(by_key);
    to.take(by_statement);
    to.take(open);
    for holder in holders {
        let identity = &holder.identity;
        let now = world.ledger.identities.get(&identity.id).map(|now| now.fence);
        (now.map(|now| now.wrapping_sub(identity.fence)), identity.incarnation).hash(to);
        (&identity.id, &identity.state, &holder.by).hash(to);
    }
}
