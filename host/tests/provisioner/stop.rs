//! Where a process stops: what it does is counted step by step, and at one of them it is dead.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// The steps of one process. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// At which step the process stops; 0: never.
    at: usize,
    way: Way,
    count: AtomicUsize,
    taken: Mutex<Vec<Step>>,
    stopped: Notify,
}

/// How a process stops.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Way {
    /// It lives on in memory, but nothing that it does leaves it.
    #[default]
    Cut,
    /// This is told, and every thread that takes a step waits: whoever is told kills the process.
    Killed(fn()),
}

/// What leaves a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A call of ledger or target begins or ends.
    Host,
    Open,
    Read,
    Write,
    Truncate,
    Sync,
    Delete,
    Lock,
    ShmMap,
    ShmLock,
}

impl Stop {
    /// A process stops at its `step`th step; 0: it does not.
    pub(crate) fn at(step: usize) -> Self {
        Self::by(step, Way::Cut)
    }

    /// The same, in another way.
    pub(crate) fn by(step: usize, way: Way) -> Self {
        Self(Arc::new(State { at: step, way, ..State::default() }))
    }

    /// Takes a step; gives its number, or none if the process is dead.
    pub(crate) fn take(&self, step: Step) -> Option<usize> {
        let count = self.0.count.fetch_add(1, Ordering::SeqCst) + 1;
        if self.0.at == 0 || count < self.0.at {
            self.0.taken.lock().unwrap().push(step);
            return Some(count);
        }
        if let Way::Killed(tell) = self.0.way {
            if count == self.0.at {
                tell();
            }
            loop {
                std::thread::park();
            }
        }
        self.0.stopped.notify_one();
        None
    }

    /// Whether it has stopped.
    pub(crate) fn is_dead(&self) -> bool {
        0 < self.0.at && self.0.at <= self.0.count.load(Ordering::SeqCst)
    }

    /// Is ready once the process has stopped.
    pub(crate) async fn stopped(&self) {
        self.0.stopped.notified().await;
    }

    /// The steps taken so far.
    pub(crate) fn taken(&self) -> Vec<Step> {
        self.0.taken.lock().unwrap().clone()
    }
}
