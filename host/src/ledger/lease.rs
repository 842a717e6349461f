//! Name leases: who works on which names at this moment, and who is next?
//!
//! They live in the process: the ledger is open in one process only, so whoever held names before it
//! started is dead (S7). Fences, not leases, keep the ledger right.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time};

use super::{Lease, Leased, Waiting};
use crate::contract::Tag;

/// The leases of one process.
///
/// Requests that want a common name are served in the order in which they asked, also where one of
/// them waits for several names: it keeps its place in the queue of each.
#[derive(Clone, Debug, Default)]
pub struct NameLeases {
    queues: Arc<Mutex<Queues>>,
}

impl NameLeases {
    /// Leases all of `names`, or none: see [`Ledger::lease`](super::Ledger::lease).
    ///
    /// Gives the first of these that applies:
    ///
    /// 1. [`Leased::Held`]: nobody is before this request, or its turn came within the wait,
    /// 2. [`Leased::Busy`]: a holder has the same statement and worked longer than `attach`,
    /// 3. [`Leased::Passed`]: the wait of [`Waiting::Pass`] is over, or too many wait,
    /// 4. [`Leased::Busy`]: the wait of [`Waiting::Queue`] is over, or too many wait.
    ///
    /// All durations are counted from the call. To drop the future is to leave the queue.
    pub async fn lease(&self, names: &[Tag], statement: &Tag, waiting: Waiting) -> Leased {
        let Some((place, turn)) = self.enter(names, statement) else {
            return self.turned_away(names, statement, waiting);
        };
        let (first, attach) = match waiting {
            Waiting::Queue(wait) => (wait, None),
            Waiting::Pass { after, attach } => (after, Some(attach)),
        };
        let over = time::sleep(first);
        let attach_over = time::sleep(attach.unwrap_or(first));
        tokio::pin!(over, attach_over);
        while !place.held() {
            tokio::select! {
                biased;
                () = turn.notified() => {}
                () = &mut over => break,
            }
        }
        if attach.is_none() {
            return place.held_or(Leased::Busy);
        }
        while !place.held() {
            if !place.attach() {
                return place.held_or(Leased::Passed);
            }
            tokio::select! {
                biased;
                () = turn.notified() => {}
                () = &mut attach_over => break,
            }
        }
        place.held_or(Leased::Busy)
    }

    /// Takes the last place in the queue of every name; none if too many wait.
    fn enter(&self, names: &[Tag], statement: &Tag) -> Option<(Place, Arc<Notify>)> {
        let names: BTreeSet<Tag> = names.iter().cloned().collect();
        let turn = Arc::new(Notify::new());
        let mut queues = lock(&self.queues);
        let free = names.iter().all(|name| !queues.by_name.contains_key(name));
        if !free && WAITERS_MAX <= queues.waiting {
            return None;
        }
        let ticket = queues.next;
        queues.next = ticket.wrapping_add(1);
        queues.waiting += 1;
        for name in &names {
            // INVARIANT: tickets ascend in every queue, because all places of a request are taken at
            // once. So the lowest ticket is the first in all its queues: somebody can always go on.
            queues.by_name.entry(name.clone()).or_default().push_back(ticket);
        }
        let request = Request {
            names: names.into_iter().collect(),
            statement: statement.clone(),
            held: false,
            attached: false,
            turn: Arc::clone(&turn),
        };
        queues.by_ticket.insert(ticket, request);
        queues.grant(ticket);
        Some((Place { queues: Arc::clone(&self.queues), ticket }, turn))
    }

    /// What a request gets where too many wait. One that takes access away is not kept out (S14c).
    fn turned_away(&self, names: &[Tag], statement: &Tag, waiting: Waiting) -> Leased {
        match waiting {
            Waiting::Queue(_) => Leased::Busy,
            Waiting::Pass { .. } if lock(&self.queues).same_holds(names, statement) => Leased::Busy,
            Waiting::Pass { .. } => Leased::Passed,
        }
    }
}

/// How many requests may wait for names at once. Each waits for at most 30 seconds (S5): more of them
/// than can be served in that time would wait for nothing.
pub const WAITERS_MAX: usize = 10_000;

#[derive(Debug, Default)]
struct Queues {
    /// The ticket of the next request.
    next: u64,
    /// How many requests are queued and hold nothing.
    waiting: usize,
    /// Who holds a name or waits for it, first come first.
    by_name: BTreeMap<Tag, VecDeque<u64>>,
    /// Every request that holds or waits.
    by_ticket: BTreeMap<u64, Request>,
}

#[derive(Debug)]
struct Request {
    names: Vec<Tag>,
    statement: Tag,
    held: bool,
    /// It waits for a holder with its statement, and must hear when there is none any more.
    attached: bool,
    turn: Arc<Notify>,
}

impl Queues {
    /// Hands the names to this request if it is the first for each of them.
    fn grant(&mut self, ticket: u64) {
        let Some(request) = self.by_ticket.get_mut(&ticket) else { return };
        let first = request
            .names
            .iter()
            .all(|name| self.by_name.get(name).and_then(VecDeque::front) == Some(&ticket));
        if !first || request.held {
            return;
        }
        request.held = true;
        self.waiting = self.waiting.saturating_sub(1);
        request.turn.notify_one();
    }

    /// Takes a request out, whether it holds or waits, and lets the next ones go on.
    fn leave(&mut self, ticket: u64) {
        let Some(request) = self.by_ticket.remove(&ticket) else { return };
        if !request.held {
            self.waiting = self.waiting.saturating_sub(1);
        }
        let mut next = BTreeSet::new();
        for name in &request.names {
            let Some(queue) = self.by_name.get_mut(name) else { continue };
            // Tickets ascend: see the invariant in `enter`.
            if let Ok(at) = queue.binary_search(&ticket) {
                queue.remove(at);
            }
            match queue.front() {
                Some(first) => next.insert(*first),
                None => self.by_name.remove(name).is_some(),
            };
        }
        for ticket in next {
            self.grant(ticket);
        }
        if request.held {
            self.tell_attached(&request.names);
        }
    }

    /// Wakes those that waited for a holder with their statement: the holder is another one.
    fn tell_attached(&self, names: &[Tag]) {
        let queued = names.iter().filter_map(|name| self.by_name.get(name)).flatten();
        for request in queued.filter_map(|ticket| self.by_ticket.get(ticket)) {
            if request.attached {
                request.turn.notify_one();
            }
        }
    }

    /// Whether one who holds any of these names has this statement.
    fn same_holds(&self, names: &[Tag], statement: &Tag) -> bool {
        names
            .iter()
            .filter_map(|name| self.by_name.get(name)?.front())
            .filter_map(|ticket| self.by_ticket.get(ticket))
            .any(|holder| holder.held && holder.statement == *statement)
    }
}

/// A place in the queues. To drop it is to leave them.
struct Place {
    queues: Arc<Mutex<Queues>>,
    ticket: u64,
}

impl Place {
    fn held(&self) -> bool {
        lock(&self.queues).by_ticket.get(&self.ticket).is_some_and(|request| request.held)
    }

    /// Waits for a holder with the same statement, if there is one.
    fn attach(&self) -> bool {
        let mut queues = lock(&self.queues);
        let same = queues
            .by_ticket
            .get(&self.ticket)
            .is_some_and(|request| queues.same_holds(&request.names, &request.statement));
        if let Some(request) = queues.by_ticket.get_mut(&self.ticket) {
            request.attached = same;
        }
        same
    }

    /// Asks once more: the turn may have come in the very moment in which the wait ended.
    fn held_or(self, other: Leased) -> Leased {
        if !self.held() {
            return other;
        }
        let held: Box<dyn Any + Send + Sync> = Box::new(self);
        Leased::Held(Lease(held))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.queues).leave(self.ticket);
    }
}

/// Nothing in this file panics while it holds the lock, so what a poisoned one guards is whole.
fn lock(queues: &Mutex<Queues>) -> MutexGuard<'_, Queues> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::Future, pin::Pin, task::Poll, time::Duration};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_served_in_the_order_in_which_they_asked() {
        check("1:a 2:a 3:a", "1 held");
        check("1:a 2:a 3:a drop1", "1 held, 2 held");
        check("1:a 2:a 3:a drop1 drop2", "1 held, 2 held, 3 held");
        check("1:a 2:b", "1 held, 2 held");
        check("1: 2:", "1 held, 2 held");
        check("1:aa 2:a drop1", "1 held, 2 held");
    }

    #[test]
    fn a_request_for_several_names_keeps_its_place_in_each_queue() {
        check("1:a 2:ab 3:b", "1 held");
        check("1:a 2:ab 3:b drop1", "1 held, 2 held");
        check("1:a 2:ab 3:b drop1 drop2", "1 held, 2 held, 3 held");
        check("1:a 2:b 3:ba 4:ab drop2 drop1 drop3", "1 held, 2 held, 3 held, 4 held");
    }

    #[test]
    fn a_waiter_that_is_dropped_leaves_every_queue() {
        check("1:a 2:ab 3:b drop2", "1 held, 3 held");
        check("1:a 2:a 3:a drop2 drop1", "1 held, 3 held");
        check("1:a drop1 2:a", "1 held, 2 held");
    }

    #[test]
    fn a_wait_ends_as_busy_and_leaves_the_queue() {
        check("1:a 2:a 3:a @9", "1 held");
        check("1:a 2:a @10", "1 held, 2 busy");
        check("1:a 2:a @10 drop1 3:a", "1 held, 2 busy, 3 held");
    }

    /// A passer waits 2, and 6 in all for a holder with its statement.
    #[test]
    fn one_that_takes_access_away_passes_whoever_holds_the_names() {
        check("1:a 2:a!x @1", "1 held");
        check("1:a 2:a!x @2", "1 held, 2 passed");
        check("1:a 2:a 3:a!x @2 drop1", "1 held, 3 passed, 2 held");
        check("1:a 2:a!x @1 drop1", "1 held, 2 held");
    }

    #[test]
    fn a_holder_that_does_the_same_is_waited_for() {
        check("1:a!x 2:a!x @5", "1 held");
        check("1:a!x 2:a!x @5 drop1", "1 held, 2 held");
        check("1:a!x 2:a!x @6", "1 held, 2 busy");
        check("1:b!x 2:a 3:ab!x @5", "1 held, 2 held");
    }

    #[test]
    fn a_holder_that_does_the_same_is_passed_by_its_successor() {
        check("1:a!x 2:a 3:a!x @5 drop1", "1 held, 2 held, 3 passed");
        check("1:b!x 2:a 3:ab!x @5 drop1", "1 held, 2 held, 3 passed");
        check("1:a!x 2:a!y 3:a!x @1 drop1", "1 held, 2 held");
        check("1:a!x 2:a!y 3:a!x @1 drop1 @2", "1 held, 2 held, 3 passed");
    }

    #[test]
    fn too_many_waiters_are_turned_away_but_revocations_pass() {
        run(|| async {
            let (leases, names) = (NameLeases::default(), ["a".to_owned()]);
            let wait = Waiting::Queue(Duration::from_secs(1));
            let pass = Waiting::Pass { after: Duration::ZERO, attach: Duration::ZERO };
            let _held = leases.lease(&names, &"s".to_owned(), wait).await;
            let waiters: Vec<_> =
                (0..WAITERS_MAX).map(|_| leases.enter(&names, &"s".to_owned()).unwrap()).collect();
            // At once, and not when the wait is over.
            assert!(leases.enter(&names, &"t".to_owned()).is_none());
            let busy = leases.lease(&names, &"t".to_owned(), wait).await;
            assert!(matches!(busy, Leased::Busy), "{busy:?}");
            let passed = leases.lease(&names, &"t".to_owned(), pass).await;
            assert!(matches!(passed, Leased::Passed), "{passed:?}");
            let same = leases.lease(&names, &"s".to_owned(), pass).await;
            assert!(matches!(same, Leased::Busy), "{same:?}");
            let free = leases.lease(&["b".to_owned()], &"t".to_owned(), wait).await;
            assert!(matches!(free, Leased::Held(_)), "{free:?}");
            drop(waiters);
            assert_eq!(lock(&leases.queues).waiting, 0);
        });
    }

    proptest! {
        /// One writer per name, nobody starves, and nothing is left over.
        #[test]
        fn one_writer_per_name(
            requests in prop::collection::vec(prop::collection::btree_set("[a-d]", 0..4), 1..12),
            drops in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let leases = NameLeases::default();
            let mut places: Vec<_> = requests
                .into_iter()
                .map(|names| {
                    let names: Vec<_> = names.into_iter().collect();
                    let (place, _turn) = leases.enter(&names, &"s".to_owned()).unwrap();
                    (names, place)
                })
                .collect();
            for drop in drops {
                for (at, (names, place)) in places.iter().enumerate() {
                    // Held exactly if nobody who asked before wants one of its names.
                    let earlier = places.iter().take(at).flat_map(|(names, _)| names);
                    let free = !earlier.into_iter().any(|name| names.contains(name));
                    prop_assert_eq!(place.held(), free);
                }
                if !places.is_empty() {
                    places.remove(drop.index(places.len()));
                }
            }
            places.clear();
            let queues = lock(&leases.queues);
            prop_assert!(queues.by_name.is_empty() && queues.by_ticket.is_empty());
            prop_assert_eq!(queues.waiting, 0);
        }
    }

    /// Runs a script: `1:ab` asks for a and b and waits 10, `1:a!x` passes with statement x,
    /// `drop1` lets go, `@5` is the time in seconds. Gives what came of each in order of events.
    fn check(script: &str, expected: &str) {
        run(|| async {
            type Waiter<'a> = Pin<Box<dyn Future<Output = Leased> + 'a>>;
            let leases = &NameLeases::default();
            let events = RefCell::new(Vec::new());
            let mut waiters: BTreeMap<String, Waiter<'_>> = BTreeMap::new();
            let mut held = BTreeMap::new();
            let mut now = 0;
            for step in script.split(' ') {
                if let Some(at) = step.strip_prefix('@') {
                    let at: u64 = at.parse().unwrap();
                    time::advance(Duration::from_secs(at - now)).await;
                    now = at;
                } else if let Some(id) = step.strip_prefix("drop") {
                    drop(waiters.remove(id));
                    drop(held.remove(id));
                } else {
                    let (id, asked) = step.split_once(':').unwrap();
                    let (names, statement) = asked.split_once('!').unwrap_or((asked, ""));
                    let waiting = match statement {
                        "" => Waiting::Queue(Duration::from_secs(10)),
                        _ => Waiting::Pass {
                            after: Duration::from_secs(2),
                            attach: Duration::from_secs(6),
                        },
                    };
                    let names: Vec<_> = names.chars().map(String::from).collect();
                    let statement = if statement.is_empty() { id } else { statement }.to_owned();
                    waiters.insert(
                        id.to_owned(),
                        Box::pin(async move { leases.lease(&names, &statement, waiting).await }),
                    );
                }
                poll(&mut waiters, &mut held, &events).await;
            }
            assert_eq!(events.into_inner().join(", "), expected, "{script}");
        });
    }

    async fn poll(
        waiters: &mut BTreeMap<String, Pin<Box<dyn Future<Output = Leased> + '_>>>,
        held: &mut BTreeMap<String, Lease>,
        events: &RefCell<Vec<String>>,
    ) {
        std::future::poll_fn(|context| {
            waiters.retain(|id, waiter| {
                let Poll::Ready(leased) = waiter.as_mut().poll(context) else { return true };
                let word = match leased {
                    Leased::Held(lease) => {
                        held.insert(id.clone(), lease);
                        "held"
                    }
                    Leased::Passed => "passed",
                    Leased::Busy => "busy",
                };
                events.borrow_mut().push(format!("{id} {word}"));
                false
            });
            Poll::Ready(())
        })
        .await;
    }

    fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(test());
    }
}
