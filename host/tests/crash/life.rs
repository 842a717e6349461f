//! The life of a process, from the opening of its ledger to the closing; and what has to be so after the last one.

use std::{cell::Cell, fs, sync::Mutex, thread, time::Duration};

use replaysafe::{
    contract::{Answer, Stage, Verdict},
    ledger::{Ledger as _, LedgerError},
    target::{Caller, Target},
};
use tokio::time::{sleep, timeout};

use crate::{
    canary::found_in,
    disk::{Disk, Fault},
    flow::{Flow, SECRET},
    stop::Stop,
    world::{Faults, Process, World, insist},
};

/// A flow and its world, at one moment.
pub(crate) struct Course<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) world: World,
    /// What the client was told, call by call.
    told: Mutex<Vec<Answer>>,
    /// Hears what the client is told.
    pub(crate) hears: fn(&Answer),
    /// The last process came to its end by itself.
    pub(crate) ended: bool,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `kill -9`: the system holds what was written.
    Killed,
    /// The power goes: what was not flushed is lost.
    Power,
    /// The same, and some sectors of what was not flushed come through.
    Torn(u64),
}

/// What a client does that is told to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Insists,
    /// It gives up for now.
    AsksOnce,
}

impl<'a> Course<'a> {
    /// The flow's world, before its calls.
    pub(crate) async fn new(flow: &'a Flow) -> Self {
        let world = World::new();
        let process =
            world.open(world.service.clone(), &Faults::default(), own(flow), None).unwrap();
        for call in &flow.before {
            assert!(is_good(&insist(&process, call).await), "{}", flow.name);
        }
        if flow.lost.is_some() {
            world.service.drop_next(1);
        }
        Self::within(flow, world)
    }

    /// The same in a world that is there.
    pub(crate) fn within(flow: &'a Flow, world: World) -> Self {
        Self { flow, world, told: Mutex::default(), hears: |_| {}, ended: false }
    }

    /// The same course, in a world of its own.
    pub(crate) fn copy(&self) -> Self {
        let told = Mutex::new(self.told());
        Self { told, ..Self::within(self.flow, self.world.copy()) }
    }

    /// What the client was told.
    pub(crate) fn told(&self) -> Vec<Answer> {
        self.told.lock().unwrap().clone()
    }

    /// The client is told the end of its next call.
    pub(crate) fn tell(&self, answer: Answer) {
        (self.hears)(&answer);
        self.told.lock().unwrap().push(answer);
    }

    /// A disk of its own for the next process.
    pub(crate) fn mount(&self, stop: &Stop, fault: Option<Fault>) -> Disk {
        Disk::mount(&self.world.path(""), stop.clone(), fault)
    }

    /// The life of a process up to its end, or to where it stops. Gives its disk, which nobody uses any more.
    pub(crate) async fn live(&self, faults: &Faults, fault: Option<Fault>) -> Disk {
        let stop = faults.stop();
        let disk = self.mount(stop, fault);
        tokio::select! {
            biased;
            () = faults.stopped() => {}
            () = async {
                match self.open(faults) {
                    Ok(process) => self.work(&process, stop, Patience::Insists).await,
                    Err(_) if stop.is_dead() => {}
                    Err(error) => panic!("{}: {error:?}", self.flow.name),
                }
            } => {}
        }
        disk.unmount();
        disk
    }

    pub(crate) fn open(&self, faults: &Faults) -> Result<Process, LedgerError> {
        loop {
            let open = self.world.open(self.world.service.clone(), faults, own(self.flow), None);
            if !matches!(open, Err(LedgerError::InUse { .. })) {
                return open;
            }
            // Another test is starting a child, which has all files of this program for a moment.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// A process recovers, and is asked what the client was not told the end of.
    pub(crate) async fn work<T: Target>(
        &self,
        process: &Process<T>,
        stop: &Stop,
        patience: Patience,
    ) {
        drop(Box::pin(process.recover()).await);
        sleep(Duration::from_secs(1)).await;
        let (told, over) = (self.told().len(), Cell::new(false));
        let lost = async {
            if let Some(call) = &self.flow.lost
                && told == 0
                && self.world.service.dropped() == 0
            {
                drop(timeout(LOST_MOST, Box::pin(process.provision(call.clone()))).await);
            }
            over.set(true);
        };
        let rest = async {
            // Behind the one that is lost. The virtual time passes, but not faster than the ledger writes.
            while self.world.service.dropped() == 0 && !over.get() {
                thread::sleep(Duration::from_micros(50));
                sleep(Duration::from_millis(1)).await;
            }
            for call in &self.flow.calls[told..] {
                let answer = match patience {
                    Patience::Insists => insist(process, call).await,
                    Patience::AsksOnce => Box::pin(process.provision(call.clone())).await,
                };
                // What a dead process says reaches nobody.
                if stop.is_dead() || !is_end(&answer) {
                    return;
                }
                self.tell(answer);
            }
        };
        tokio::join!(lost, rest);
    }

    /// The process has ended so.
    pub(crate) fn end(&self, disk: &Disk, end: End) {
        match end {
            End::Killed => {}
            End::Power => disk.lose_power(None),
            End::Torn(seed) => disk.lose_power(Some(seed)),
        }
    }

    /// The last process, which nothing happens to. Gives what is wrong.
    pub(crate) async fn last(&self) -> Result<(), String> {
        self.tells_no_secret()?;
        self.ends_well().await?;
        self.tells_no_secret()
    }

    /// The secret stands in no file of the world, and in no answer, in any spelling (S3a, A14).
    fn tells_no_secret(&self) -> Result<(), String> {
        let mut places = vec![("an answer".into(), format!("{:?}", self.told()).into_bytes())];
        for file in fs::read_dir(self.world.path("")).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            places.push((path.display().to_string(), bytes));
        }
        for (place, bytes) in places {
            let found = found_in(&bytes, SECRET);
            if !found.is_empty() {
                return Err(format!("{place} has a secret, as {found:?}"));
            }
        }
        Ok(())
    }

    async fn ends_well(&self) -> Result<(), String> {
        let process = self
            .open(&Faults::default())
            .map_err(|error| format!("the ledger does not open: {error:?}"))?;
        let (sent, recorded) = (self.world.service.sent().len(), self.stages().len());
        if recorded < sent {
            return Err(format!("{sent} effects, and {recorded} records of them"));
        }
        for _ in 0..SCANS_MOST {
            Box::pin(process.recover())
                .await
                .map_err(|error| format!("recovery fails: {error:?}"))?;
            if self.open_entries(&process).await? == 0 {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        let told = self.told();
        for call in &self.flow.calls[told.len()..] {
            let answer = insist(&process, call).await;
            if !is_good(&answer) {
                return Err(format!("in the end it is told {answer:?}"));
            }
        }
        let sent = self.world.service.sent();
        for (n, call) in self.flow.calls.iter().enumerate() {
            let again = insist(&process, call).await;
            self.compare(&process, told.get(n), &again).await?;
        }
        if self.world.service.sent() != sent {
            return Err(format!("a replay has effects: {:?}", self.world.service.sent()));
        }
        if !(self.flow.holds)(&self.world.service) {
            return Err(format!("it ends as {:?}", self.world.service));
        }
        if self.open_entries(&process).await? != 0 {
            return Err("something is open".to_owned());
        }
        match process.ledger().audit().await {
            Ok(notes) if notes.is_empty() => Ok(()),
            other => Err(format!("the ledger is not clean: {other:?}")),
        }
    }

    async fn open_entries(&self, process: &Process) -> Result<usize, String> {
        let due = process.ledger().due(u64::MAX, None, 100).await;
        due.map(|open| open.len()).map_err(|error| format!("the ledger does not tell: {error:?}"))
    }

    /// What was told once is told again (S9).
    async fn compare(
        &self,
        process: &Process,
        told: Option<&Answer>,
        again: &Answer,
    ) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {told:?}, then {again:?}"));
        if !is_good(again) || !again.replayed {
            return wrong("no replay");
        }
        if let Some(told) = told {
            let same = told.verdict == again.verdict
                && told.status == again.status
                && told.target == again.target;
            if told.decision != again.decision || !same {
                return wrong("another answer");
            }
        }
        match process.ledger().entry(&again.decision).await {
            Ok(Some(entry)) if entry.stage == Stage::Settled => Ok(()),
            other => wrong(&format!("its entry is {other:?}")),
        }
    }

    /// The stages of all requests that the ledger knows of.
    pub(crate) fn stages(&self) -> Vec<String> {
        let ledger = rusqlite::Connection::open(self.world.path("ledger")).unwrap();
        let mut stages = ledger.prepare("SELECT stage FROM entry ORDER BY seq").unwrap();
        let stages = stages.query_map([], |row| row.get(0)).unwrap();
        stages.collect::<Result<_, _>>().unwrap()
    }
}

pub(crate) fn own(flow: &Flow) -> Option<Caller> {
    Some(Caller { headers: flow.calls[0].caller.headers.clone(), query: None })
}

fn is_good(answer: &Answer) -> bool {
    matches!(answer.verdict, Verdict::Done | Verdict::AlreadySatisfied | Verdict::Adopted)
}

/// Whether a client is told how a call ended: it need not come again.
pub(crate) fn is_end(answer: &Answer) -> bool {
    !matches!(answer.verdict, Verdict::InFlight | Verdict::Unresolved | Verdict::Unavailable)
}

/// For two minutes: until a lost grant is known to be lost, and nobody watches for it any more.
const SCANS_MOST: usize = 120;

/// 60 seconds: longer than a gateway works on an answer.
const LOST_MOST: Duration = Duration::from_secs(60);
