//! How much is looked at, and how much was.

use std::{fmt, ops::AddAssign, sync::Mutex};

use crate::{disk::Kind, stop::Step};

/// How much is looked at; `REPLAYSAFE_CRASH` says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth {
    /// Every so manieth step.
    pub(crate) steps: usize,
    /// Every so manieth stop, and every so manieth step of the recovery after it; none: no pairs.
    pub(crate) pairs: Option<(usize, usize)>,
    /// Every so manieth step, by a process of the system.
    pub(crate) kills: usize,
    /// Whether a loss of power loses all and some, and a fault is followed by its end and by a stop, or one of the two.
    pub(crate) both: bool,
}

impl Depth {
    /// What is asked for; little, where nothing is.
    pub(crate) fn asked() -> Self {
        match std::env::var("REPLAYSAFE_CRASH").as_deref() {
            Ok("every") => Self { steps: 1, pairs: Some((23, 37)), kills: 29, both: false },
            Ok("deep") => Self { steps: 1, pairs: Some((3, 5)), kills: 5, both: true },
            Ok("all") => Self { steps: 1, pairs: Some((1, 1)), kills: 1, both: true },
            Ok(other) => panic!("REPLAYSAFE_CRASH is `every`, `deep` or `all`, and not `{other}`"),
            Err(_) => Self { steps: 29, pairs: None, kills: 97, both: false },
        }
    }

    /// Whether a fault is tried at this step: what breaks at every one that writes and at some of the others, and what
    /// lasts at every other one.
    pub(crate) fn fails_at(self, kind: Kind, at: usize, step: Step) -> bool {
        let only_reads = matches!(step, Step::Read | Step::Lock | Step::ShmMap | Step::ShmLock);
        let at_all = match kind {
            Kind::Full => at.is_multiple_of(2),
            Kind::ReadOnly => !at.is_multiple_of(2),
            Kind::Broken => !only_reads || at.is_multiple_of(3),
            Kind::Short | Kind::Unflushed | Kind::Lying => true,
        };
        at_all || self.both
    }
}

/// What was looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) flows: usize,
    pub(crate) points: usize,
    pub(crate) pairs: usize,
    pub(crate) faults: usize,
    /// Processes of the system.
    pub(crate) killed: usize,
    pub(crate) broken: Vec<String>,
}

impl Seen {
    /// Counts one more, of which `found` says what is wrong.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String, found: Result<(), String>) {
        if let Err(wrong) = found {
            self.broken.push(format!("{}: {wrong}", what()));
        }
    }

    /// Says what was seen, here and by all so far; fails if anything is broken.
    pub(crate) fn tell(self, flow: &str) {
        static TOTAL: Mutex<Option<Seen>> = Mutex::new(None);
        let line = {
            let mut total = TOTAL.lock().unwrap();
            let total = total.get_or_insert_default();
            *total += self.clone();
            format!("crash: {flow}: {self}; so far: {total}")
        };
        println!("{line}");
        let first: Vec<_> = self.broken.iter().take(SHOWN).map(String::as_str).collect();
        assert!(first.is_empty(), "{flow} is broken:\n{}", first.join("\n"));
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.flows += other.flows;
        self.points += other.points;
        self.pairs += other.pairs;
        self.faults += other.faults;
        self.killed += other.killed;
        self.broken.extend(other.broken);
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flows, points, pairs, faults, killed, broken } = self;
        write!(f, "{flows} flows, {points} points, {pairs} pairs, {faults} faults, ")?;
        write!(f, "{killed} kills, broken = {}", broken.len())
    }
}

/// 5 of them show what is wrong.
const SHOWN: usize = 5;
