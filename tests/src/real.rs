//! The component in its sandbox and the ledger in its file, beside a simulated schedule.
//!
//! A schedule goes on from what core and ledger give. Where the real ones give the same at each call, they
//! would have led to the same schedule: what is judged of it is true of them.

use std::sync::Arc;

use replaysafe::{
    contract,
    guest::Guest,
    keys::LedgerKey,
    ledger::{Ledger as _, LedgerError, Record, SqliteLedger},
};
use replaysafe_core::{
    lifecycle::{Reading, Segment},
    types::{
        ContractError, Entry, Field, Found, Report, Request, Settings, Situation, Step, Tag,
        UnixMillis, Write,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    monitored,
    sim::{
        decider::{Function, Witness},
        ledger::{Refusal, Written},
        workload,
    },
    subject::{Other, Subject},
    typed,
};

impl Subject {
    /// The core and the component that ships: every call goes to both.
    ///
    /// # Panics
    ///
    /// If the component cannot be loaded.
    #[must_use]
    pub fn both() -> Self {
        Self::beside(Box::new(Guest::embedded().expect("the component loads")))
    }
}

impl Other for Guest {
    fn compare(&self, function: &str, input: &Value, output: &str) {
        let text = input.to_string();
        let other = self.call_json(function, &text).expect("the component answers");
        assert_eq!(output, other, "native-equals-component: {function} of {text}");
        typed::check(self, function, input, output);
        monitored::check(function, input, output);
    }
}

/// Asks the component all that the core is asked, and stops where it gives something else.
#[derive(Debug)]
pub struct Beside(Subject);

impl Beside {
    /// With this component.
    #[must_use]
    pub fn new(component: Guest) -> Self {
        Self(Subject::beside(Box::new(component)))
    }

    /// Both doors of the component give what the core gives, and what was given to the caller.
    fn same<O: Serialize>(
        &mut self,
        function: &str,
        input: &Value,
        given: &Result<O, ContractError>,
    ) {
        let output = self.0.text(function, input);
        let output: Value = serde_json::from_str(&output).expect("the door gives JSON");
        let given = match given {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "err": error }),
        };
        assert_eq!(output, given, "{function} of {input}");
    }
}

impl Witness for Beside {
    fn stepped(
        &mut self,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
        step: &Result<Step, ContractError>,
    ) {
        let (function, input) = match function {
            Function::Admit => ("admit", json!({ "situation": situation })),
            Function::Decide => ("decide", json!({ "situation": situation })),
            Function::Settle => ("settle", json!({ "situation": situation, "report": report })),
        };
        self.same(function, &input, step);
    }

    fn identified(
        &mut self,
        request: &Request,
        settings: &Settings,
        reading: &Result<Reading, ContractError>,
    ) {
        self.same("identify", &json!({ "request": request, "settings": settings }), reading);
    }

    fn recalled(&mut self, state: &str, request: &Result<Request, ContractError>) {
        self.same("entry-request", &json!({ "state": state }), request);
    }

    fn named(
        &mut self,
        resource_type: &str,
        settings: &Settings,
        paths: &Result<Vec<Vec<Segment>>, ContractError>,
    ) {
        let input = json!({ "resource-type": resource_type, "settings": settings });
        self.same("secret-paths", &input, paths);
    }
}

/// Does what a schedule does with the real parts, and stops where one of them gives something else.
#[derive(Debug)]
pub struct Real {
    component: Beside,
    runtime: Runtime,
    key: Arc<LedgerKey>,
    folder: TempDir,
    /// None only while it is opened again.
    ledger: Option<SqliteLedger>,
}

impl Real {
    /// With a new, empty ledger.
    ///
    /// # Panics
    ///
    /// If there is no place for it.
    #[must_use]
    pub fn new(component: Guest) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let key = Arc::new(LedgerKey::generate().expect("a key"));
        // In memory where there is such a place: what a disk keeps is not the question here.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        let component = Beside::new(component);
        let mut real = Self { component, runtime, key, folder, ledger: None };
        real.open();
        real
    }

    fn open(&mut self) {
        // The file has to be let go first.
        self.ledger = None;
        let path = self.folder.path().join("ledger");
        let ledger = SqliteLedger::open(path, Arc::clone(&self.key));
        self.ledger = Some(ledger.expect("the ledger opens"));
    }

    fn ledger(&self) -> &SqliteLedger {
        self.ledger.as_ref().expect("it is open")
    }
}

impl Witness for Real {
    fn stepped(
        &mut self,
        function: Function,
        situation: &Situation,
        report: Option<&Report>,
        step: &Result<Step, ContractError>,
    ) {
        self.component.stepped(function, situation, report, step);
    }

    fn identified(
        &mut self,
        request: &Request,
        settings: &Settings,
        reading: &Result<Reading, ContractError>,
    ) {
        self.component.identified(request, settings, reading);
    }

    fn recalled(&mut self, state: &str, request: &Result<Request, ContractError>) {
        self.component.recalled(state, request);
    }

    fn named(
        &mut self,
        resource_type: &str,
        settings: &Settings,
        paths: &Result<Vec<Vec<Segment>>, ContractError>,
    ) {
        self.component.named(resource_type, settings, paths);
    }

    fn found(&mut self, key: Option<&Tag>, statement: &Tag, names: &[Tag], found: &Found) {
        let scope = scope();
        let given = self.runtime.block_on(self.ledger().find(&scope, key, statement, names));
        let expected: contract::Found = host("found", found);
        assert_eq!(given.expect("the ledger is read"), expected);
    }

    fn entry(&mut self, id: &str, entry: Option<&Entry>) {
        let given = self.runtime.block_on(self.ledger().entry(&id.to_owned()));
        let expected: Option<contract::Entry> = entry.map(|entry| host("entry", entry));
        assert_eq!(given.expect("the ledger is read"), expected);
    }

    fn wrote(
        &mut self,
        write: &Write,
        now: UnixMillis,
        written: &Result<Written, Refusal>,
        facts: &[Field],
    ) {
        let identities = write.identities.iter().map(|one| {
            let names = one.names.as_ref().map(|names| {
                let tags =
                    names.iter().map(|name| (host("kind", &name.kind), name.material.clone()));
                tags.collect()
            });
            (host("identity-write", one), names)
        });
        let record = Record {
            scope: scope(),
            now,
            entry: host("entry", &write.entry),
            identities: identities.collect(),
            learned: write.learned.iter().map(|fact| host("field", fact)).collect(),
            step: None,
        };
        let given = self.runtime.block_on(self.ledger().write(&record));
        match (written, given) {
            (Ok(_), Ok(()))
            | (Err(Refusal::Fenced), Err(LedgerError::Fenced))
            | (Err(Refusal::Law(_)), Err(LedgerError::Law { .. })) => {}
            (simulated, given) => panic!("{simulated:?}, but {given:?}: {write:?}"),
        }
        let known = self.runtime.block_on(self.ledger().profile(&scope().target));
        let mut known = known.expect("the ledger is read");
        known.sort_by(|one, other| one.name.cmp(&other.name));
        let expected: Vec<contract::Field> = facts.iter().map(|fact| host("field", fact)).collect();
        assert_eq!(known, expected);
    }

    fn crashed(&mut self) {
        self.open();
    }
}

impl Drop for Real {
    /// The ledger says of itself that it is as it must be.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut notes = self.runtime.block_on(self.ledger().audit()).expect("the ledger is read");
        // A simulated tag is what it is made of.
        notes.retain(|note| note.law != "tags-are-digests");
        assert_eq!(notes, []);
    }
}

fn scope() -> contract::Scope {
    host("scope", &workload::scope())
}

/// A value of the core's as the host has it; `place` is the name that it stands under.
fn host<T: DeserializeOwned>(place: &str, value: &impl Serialize) -> T {
    typed::read(place, &serde_json::to_value(value).expect("the contract's form"))
}
