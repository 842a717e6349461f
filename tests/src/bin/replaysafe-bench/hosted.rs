//! The component, as a host calls it: in its sandbox as it ships, in one that is kept, and as Wasmtime has it by default.

use replaysafe::{
    contract::{ContractError, Report, Request, Situation, Step},
    guest::{Guest, GuestError},
};
use replaysafe_tests::{decisions::Call, typed};
use wasmtime::{
    Config, Engine, Error, Inlining, Store,
    component::{Component, ComponentExportIndex, InstancePre, Linker, TypedFunc},
};

/// A call with its parameters as the host has them.
pub(crate) enum Decision {
    Admit(Situation),
    Decide(Situation),
    Settle(Situation, Option<Report>),
}

impl Decision {
    /// Reads a call; none if it is of another function.
    pub(crate) fn of(call: &Call) -> Option<Self> {
        let situation =
            || typed::read("situation", call.input.get("situation").expect("a situation"));
        let report = || call.input.get("report").and_then(|report| typed::read("report", report));
        match call.function.as_str() {
            "admit" => Some(Self::Admit(situation())),
            "decide" => Some(Self::Decide(situation())),
            "settle" => Some(Self::Settle(situation(), report())),
            _ => None,
        }
    }

    /// Makes it in the sandbox, in an instance of its own.
    pub(crate) fn make(&self, guest: &Guest) -> Result<Step, GuestError> {
        match self {
            Self::Admit(situation) => guest.admit(situation),
            Self::Decide(situation) => guest.decide(situation),
            Self::Settle(situation, report) => guest.settle(situation, report.as_ref()),
        }
    }
}

/// The component in an engine of the default settings: memory from the system for each instance, nothing that limits it.
pub(crate) struct Default {
    code: InstancePre<()>,
    cheapest: ComponentExportIndex,
}

impl Default {
    pub(crate) fn new(component: &[u8]) -> Result<Self, Error> {
        let (code, cheapest) = prepared(component, &Config::new(), "entry-request")?;
        Ok(Self { code, cheapest })
    }

    /// The cheapest call, in an instance of its own.
    pub(crate) fn call(&self) -> Result<(), Error> {
        let mut store = Store::new(self.code.engine(), ());
        let instance = self.code.instantiate(&mut store)?;
        let function = instance.get_typed_func::<(&str,), (Result<Request, ContractError>,)>(
            &mut store,
            &self.cheapest,
        )?;
        function.call(&mut store, ("",)).map(drop)
    }
}

/// The component in one instance that is kept, compiled as the host has it compiled.
pub(crate) struct Warm {
    store: Store<()>,
    decide: TypedFunc<(&'static Situation,), (Result<Step, ContractError>,)>,
}

impl Warm {
    pub(crate) fn new(component: &[u8]) -> Result<Self, Error> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .compiler_inlining(Inlining::Yes)
            .cranelift_nan_canonicalization(true);
        let (code, decide) = prepared(component, &config, "decide")?;
        let mut store = Store::new(code.engine(), ());
        // The clock of this engine stands still.
        store.set_epoch_deadline(1);
        let instance = code.instantiate(&mut store)?;
        let decide = instance.get_typed_func(&mut store, decide)?;
        Ok(Self { store, decide })
    }

    pub(crate) fn decide(
        &mut self,
        situation: &'static Situation,
    ) -> Result<Result<Step, ContractError>, Error> {
        self.decide.call(&mut self.store, (situation,)).map(|(step,)| step)
    }
}

fn prepared(
    component: &[u8],
    config: &Config,
    function: &str,
) -> Result<(InstancePre<()>, ComponentExportIndex), Error> {
    let engine = Engine::new(config)?;
    let code = Component::new(&engine, component)?;
    let found = code
        .get_export_index(None, "replaysafe:provisioning/lifecycle@0.1.0")
        .and_then(|interface| code.get_export_index(Some(&interface), function));
    let found = found.ok_or_else(|| Error::msg("the component has no such function"))?;
    Ok((Linker::new(&engine).instantiate_pre(&code)?, found))
}
