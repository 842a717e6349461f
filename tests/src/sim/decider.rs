//! Who decides: the functions that ship, called with their own types.
//!
//! They are pure, so an answer that was given once may be given again from memory.

use std::{
    fmt::Debug,
    hash::{BuildHasherDefault, Hasher as _},
    rc::Rc,
};

use replaysafe_core::{
    lifecycle::{self, Reading, Segment},
    types::{
        Action, ContractError, Entry, Field, Found, Report, Request, Settings, Situation, Step,
        Tag, UnixMillis, Write,
    },
};
use replaysafe_json::Path;

use super::{
    canary::Canary,
    digest::{self, Digester, Taken},
    ledger::{Refusal, Written},
};

/// A function of the contract that gives a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// `lifecycle.admit`.
    Admit,
    /// `lifecycle.decide`.
    Decide,
    /// `lifecycle.settle`.
    Settle,
}

/// Is told all that core and ledger were asked in a schedule, and what they gave.
///
/// A schedule goes on from these alone: with others that give the same, it is the same schedule.
pub trait Witness: Debug {
    /// `admit`, `decide` or `settle`.
    fn stepped(
        &mut self,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
        step: &Result<Step, ContractError>,
    );

    /// `identify`.
    fn identified(
        &mut self,
        request: &Request,
        settings: &Settings,
        reading: &Result<Reading, ContractError>,
    );

    /// `entry-request`.
    fn recalled(&mut self, state: &str, request: &Result<Request, ContractError>);

    /// `secret-paths`.
    fn named(
        &mut self,
        resource_type: &str,
        settings: &Settings,
        paths: &Result<Vec<Vec<Segment>>, ContractError>,
    );

    /// What the ledger holds under a key, a statement and names.
    fn found(&mut self, _key: Option<&Tag>, _statement: &Tag, _names: &[Tag], _found: &Found) {}

    /// The entry with an id.
    fn entry(&mut self, _id: &str, _entry: Option<&Entry>) {}

    /// A write, and which facts the ledger knows from then on.
    fn wrote(
        &mut self,
        _write: &Write,
        _now: UnixMillis,
        _written: &Result<Written, Refusal>,
        _facts: &[Field],
    ) {
    }

    /// A gateway has stopped.
    fn crashed(&mut self) {}
}

/// Calls the core and counts.
#[derive(Debug, Default)]
pub struct Decider {
    /// How many calls were made.
    pub calls: u64,
    /// Who is told of them; one that remembers has none.
    pub witness: Option<Box<dyn Witness>>,
    /// Who looks for secrets in all that the core is given.
    pub canary: Option<Canary>,
    memory: Option<Memory>,
    paths: Remembered<Rc<[Path]>>,
}

/// What was answered, by a digest of what was asked.
#[derive(Debug, Default)]
struct Memory {
    steps: Remembered<Result<Step, ContractError>>,
    readings: Remembered<Result<Reading, ContractError>>,
    requests: Remembered<Result<Request, ContractError>>,
}

#[expect(
    clippy::disallowed_types,
    reason = "what is looked up by a digest, and never gone through"
)]
type Remembered<T> = std::collections::HashMap<u128, T, BuildHasherDefault<Taken>>;

impl Decider {
    /// One whose calls a witness is told.
    #[must_use]
    pub fn watched(witness: Box<dyn Witness>) -> Self {
        Self { witness: Some(witness), ..Self::default() }
    }

    /// One that remembers its answers.
    #[must_use]
    pub fn remembering() -> Self {
        Self { memory: Some(Memory::default()), ..Self::default() }
    }

    /// A step of a request.
    ///
    /// # Errors
    ///
    /// Where the situation breaks the contract.
    pub fn step(
        &mut self,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
    ) -> Result<Step, ContractError> {
        if let Some(step) = self.remembered(function, situation, report) {
            return step.clone();
        }
        self.calls += 1;
        if let Some(canary) = &mut self.canary {
            canary.look("a situation", situation);
            canary.look("a report", &report.cloned());
        }
        let step = call(function, situation, report);
        if let Some(witness) = &mut self.witness {
            witness.stepped(function, situation, report, &step);
        }
        step
    }

    /// Whether a step of a request, of which no witness is told, asks the target and writes nothing.
    pub fn asks(
        &mut self,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
    ) -> bool {
        let asks = |step: &Step| step.write.is_none() && matches!(step.action, Action::Ask(_));
        match self.remembered(function, situation, report) {
            Some(step) => step.as_ref().is_ok_and(asks),
            None => call(function, situation, report).as_ref().is_ok_and(asks),
        }
    }

    /// A step from memory; none without one.
    fn remembered(
        &mut self,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
    ) -> Option<&Result<Step, ContractError>> {
        let memory = self.memory.as_mut()?;
        let mut asked = Digester::default();
        asked.write_u8(function as u8);
        asked.take(situation);
        asked.write_u8(u8::from(report.is_some()));
        if let Some(report) = report {
            asked.take(report);
        }
        if REMEMBERED_MOST < memory.steps.len() {
            memory.steps.clear();
        }
        let step = memory.steps.entry(asked.digest()).or_insert_with(|| {
            self.calls += 1;
            call(function, situation, report)
        });
        Some(step)
    }

    /// What must be known of a request before the ledger is looked into.
    ///
    /// # Errors
    ///
    /// Where the settings or the request break the contract.
    pub fn identify(
        &mut self,
        request: &Request,
        settings: &Settings,
    ) -> Result<Reading, ContractError> {
        let Some(memory) = &mut self.memory else {
            self.calls += 1;
            if let Some(canary) = &mut self.canary {
                canary.look("a request", request);
                canary.look("settings", settings);
            }
            let reading = lifecycle::identify(request, settings);
            if let Some(witness) = &mut self.witness {
                witness.identified(request, settings, &reading);
            }
            return reading;
        };
        let mut asked = Digester::default();
        asked.take(request);
        asked.take(settings);
        if REMEMBERED_MOST < memory.readings.len() {
            memory.readings.clear();
        }
        let reading = memory.readings.entry(asked.digest()).or_insert_with(|| {
            self.calls += 1;
            lifecycle::identify(request, settings)
        });
        reading.clone()
    }

    /// The paths to secrets, asked for once for each type and settings; none where the settings cannot be read.
    pub(super) fn secret_paths(&mut self, resource_type: &str, settings: &Settings) -> Rc<[Path]> {
        let mut asked = Digester::default();
        asked.take(resource_type);
        asked.take(settings);
        if REMEMBERED_MOST < self.paths.len() {
            self.paths.clear();
        }
        let paths = self.paths.entry(asked.digest());
        let paths = paths.or_insert_with(|| {
            let named = lifecycle::secret_paths(resource_type, settings);
            if let Some(witness) = &mut self.witness {
                witness.named(resource_type, settings, &named);
            }
            named.unwrap_or_default().into_iter().map(path).collect()
        });
        Rc::clone(paths)
    }

    /// The request that an entry was made of.
    ///
    /// # Errors
    ///
    /// Where the record cannot be read.
    pub fn entry_request(&mut self, state: &str) -> Result<Request, ContractError> {
        let Some(memory) = &mut self.memory else {
            self.calls += 1;
            if let Some(canary) = &mut self.canary {
                canary.look("a record", state);
            }
            let request = lifecycle::entry_request(state);
            if let Some(witness) = &mut self.witness {
                witness.recalled(state, &request);
            }
            return request;
        };
        if REMEMBERED_MOST < memory.requests.len() {
            memory.requests.clear();
        }
        let request = memory.requests.entry(digest::of(state)).or_insert_with(|| {
            self.calls += 1;
            lifecycle::entry_request(state)
        });
        request.clone()
    }
}

fn path(segments: Vec<Segment>) -> Path {
    let segment = |segment| match segment {
        Segment::Member(name) => replaysafe_json::Segment::Member(name),
        Segment::Each => replaysafe_json::Segment::Each,
        Segment::Path(name) => replaysafe_json::Segment::Path(name),
        Segment::Filter(name) => replaysafe_json::Segment::Filter(name),
    };
    Path(segments.into_iter().map(segment).collect())
}

fn call(
    function: Function,
    situation: &Situation,
    report: Option<&Report>,
) -> Result<Step, ContractError> {
    match function {
        Function::Admit => lifecycle::admit(situation),
        Function::Decide => lifecycle::decide(situation),
        Function::Settle => lifecycle::settle(situation, report),
    }
}

/// A step has some 4 KiB: what is remembered stays below half a gigabyte.
const REMEMBERED_MOST: usize = 100_000;
