//! Numbers of what is made: counted, or the same whatever came first.

use super::{Run, Setup, World};

/// How messages, work and calls get their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbering {
    /// In the order in which they are made.
    #[default]
    Counted,
    /// The lowest free one of the wish's own: two orders of events that lead to the same lead to the same numbers.
    Canonical,
}

impl World {
    /// The number of a message, or of work, on a wish; none: on what the scan takes up. `work`: who asks for it.
    pub(in crate::sim) fn number(&mut self, wish: Option<usize>, work: Option<&Run>) -> u32 {
        if self.setup.numbering == Numbering::Counted {
            self.next += 1;
            return self.next - 1;
        }
        let step = self.setup.intents.len() + 1;
        let first = wish.map_or(step, |wish| wish + 1);
        let number = (first..).step_by(step).find(|number| {
            let number = small(*number);
            !self.uses(number) && !work.is_some_and(|work| work.uses(number))
        });
        small(number.unwrap_or(0))
    }

    /// The number of a call of this work. Calls are remembered longer than work: none is given twice.
    pub(super) fn call_number(&mut self, run: u32) -> u32 {
        if self.setup.numbering == Numbering::Counted {
            return self.number(None, None);
        }
        let sent = self.sent.entry(run).or_default();
        *sent += 1;
        run * CALLS_MOST + *sent
    }

    fn uses(&self, number: u32) -> bool {
        let of_id = |id: &String| id.ends_with(&Setup::suffix(number));
        self.messages.iter().any(|message| message.number == number)
            || self.clients.iter().any(|client| client.waiting == Some(number))
            || self.runs.values().any(|work| work.uses(number))
            || self.ledger.entries.iter().any(|entry| of_id(&entry.id))
            || self.ledger.identities.keys().any(of_id)
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// More than one piece of work ever sends: the core sends an effect thrice at most.
const CALLS_MOST: u32 = 1_000;
