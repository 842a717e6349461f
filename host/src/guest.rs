//! The sandbox: runs the component, each call in a fresh instance, within limits.
//!
//! The component is not trusted, although it is ours: it gets no import, little memory, little time, and
//! what it gives is checked by [`crate::monitor`]. A trap costs one call and nothing else.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    StoreLimits, StoreLimitsBuilder, Trap,
    component::{Component, InstancePre, Linker},
};

use crate::contract::{
    ContractError, Provisioning, ProvisioningPre, Reading, Report, Request, Schema, Segment,
    Settings, Situation, Step,
};

/// The component, in its sandbox. Cheap to clone; calls may run side by side.
#[derive(Clone)]
pub struct Guest(Arc<Inner>);

struct Inner {
    pre: ProvisioningPre<State>,
    engine: Engine,
    ticker: Arc<AtomicBool>,
    sha256: String,
    bytes: usize,
    fuel: Option<u64>,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("sha256", &self.0.sha256).finish_non_exhaustive()
    }
}

/// How the sandbox is set up. The default is what a gateway wants.
#[derive(Clone, Debug, Default)]
pub struct GuestOptions {
    /// The SHA-256 that the component must have, in lower-case hexadecimal; none: any.
    pub sha256: Option<String>,
    /// How many units of fuel one call may burn; none: only time limits it. With fuel, a call that is
    /// given the same arguments stops at the same instruction on every machine.
    pub fuel: Option<u64>,
    /// A folder of ours for compiled code; none: compiled anew at every start, in about a second.
    pub cache: Option<PathBuf>,
}

/// What a component is, as `component inspect` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// Names of what it imports: always none.
    pub imports: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
}

/// Why the component gave no result. None of these says anything about the request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// It imports something
    #[error("the component imports `{name}`; it must import nothing at all")]
    Import {
        /// What it imports
        name: String,
    },
    /// It is not the one that was pinned
    #[error("the component's SHA-256 is {found}, but {pinned} is pinned")]
    Digest {
        /// What was wanted
        pinned: String,
        /// What it is
        found: String,
    },
    /// It is no component of this contract
    #[error("the bytes are no component of `replaysafe:provisioning@0.1.0`")]
    Invalid(#[source] wasmtime::Error),
    /// The sandbox cannot be set up on this machine
    #[error("the sandbox cannot be set up")]
    Sandbox(#[source] wasmtime::Error),
    /// It ran for too long
    #[error("the component did not answer within {limit:?}")]
    Deadline {
        /// How long it may take
        limit: Duration,
    },
    /// It burned all its fuel
    #[error("the component burned its {fuel} units of fuel")]
    Fuel {
        /// How much it may burn
        fuel: u64,
    },
    /// It trapped, grew too large, or gave too much
    #[error("the component failed")]
    Trap(#[source] wasmtime::Error),
    /// The host broke the contract
    #[error("the contract was broken ({}): {}", .0.code, .0.detail)]
    Contract(ContractError),
}

impl Guest {
    /// The component that this library was built with.
    ///
    /// # Errors
    ///
    /// Where the sandbox cannot be set up.
    pub fn embedded() -> Result<Self, GuestError> {
        Self::load(COMPONENT, &GuestOptions::default())
    }

    /// Loads a component: [`COMPONENT`], or another of the same contract.
    ///
    /// # Errors
    ///
    /// Where its digest is not the pinned one, it imports anything, or is no component of this contract.
    pub fn load(component: &[u8], options: &GuestOptions) -> Result<Self, GuestError> {
        let sha256 = hex(&Sha256::digest(component));
        if let Some(pinned) = &options.sha256
            && *pinned != sha256
        {
            return Err(GuestError::Digest { pinned: pinned.clone(), found: sha256 });
        }
        let engine = engine(options)?;
        let code = compile(&engine, component, &sha256, options)?;
        let shape = code.component_type();
        if let Some((name, _)) = shape.imports(&engine).next() {
            return Err(GuestError::Import { name: name.into() });
        }
        // An empty linker: whatever the component imports, it does not get.
        let linker: Linker<State> = Linker::new(&engine);
        let pre: InstancePre<State> =
            linker.instantiate_pre(&code).map_err(GuestError::Invalid)?;
        let pre = ProvisioningPre::new(pre).map_err(GuestError::Invalid)?;
        let ticker = tick(&engine);
        let bytes = component.len();
        Ok(Self(Arc::new(Inner { pre, engine, ticker, sha256, bytes, fuel: options.fuel })))
    }

    /// Its SHA-256, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// What it is.
    #[must_use]
    pub fn describe(&self) -> Description {
        let shape = self.0.pre.instance_pre().component().component_type();
        let names = |name: &str| name.to_string();
        Description {
            sha256: self.0.sha256.clone(),
            bytes: self.0.bytes,
            imports: shape.imports(&self.0.engine).map(|(name, _)| names(name)).collect(),
            exports: shape.exports(&self.0.engine).map(|(name, _)| names(name)).collect(),
        }
    }

    /// See `lifecycle.secret-paths`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn secret_paths(
        &self,
        resource_type: &str,
        settings: &Settings,
    ) -> Result<Vec<Vec<Segment>>, GuestError> {
        self.call(|guest, store| {
            let lifecycle = guest.replaysafe_provisioning_lifecycle();
            lifecycle.call_secret_paths(store, resource_type, settings)
        })?
        .map_err(GuestError::Contract)
    }

    /// See `lifecycle.read-schema`.
    ///
    /// # Errors
    ///
    /// Where the component fails.
    pub fn read_schema(
        &self,
        resource_types: Option<&str>,
        schemas: Option<&str>,
        service_provider_config: Option<&str>,
    ) -> Result<Schema, GuestError> {
        self.call(|guest, store| {
            let lifecycle = guest.replaysafe_provisioning_lifecycle();
            lifecycle.call_read_schema(store, resource_types, schemas, service_provider_config)
        })
    }

    /// See `lifecycle.check-policy`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the policy has a wrong member.
    pub fn check_policy(&self, policy: &str) -> Result<String, GuestError> {
        self.call(|guest, store| {
            guest.replaysafe_provisioning_lifecycle().call_check_policy(store, policy)
        })?
        .map_err(GuestError::Contract)
    }

    /// See `lifecycle.identify`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the request breaks the contract.
    pub fn identify(&self, request: &Request, settings: &Settings) -> Result<Reading, GuestError> {
        self.call(|guest, store| {
            guest.replaysafe_provisioning_lifecycle().call_identify(store, request, settings)
        })?
        .map_err(GuestError::Contract)
    }

    /// See `lifecycle.matches`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn matches(
        &self,
        request: &Request,
        page: &[String],
        settings: &Settings,
    ) -> Result<Vec<u32>, GuestError> {
        self.call(|guest, store| {
            guest.replaysafe_provisioning_lifecycle().call_matches(store, request, page, settings)
        })?
        .map_err(GuestError::Contract)
    }

    /// See `lifecycle.admit`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the situation breaks the contract.
    pub fn admit(&self, situation: &Situation) -> Result<Step, GuestError> {
        self.call(|guest, store| {
            guest.replaysafe_provisioning_lifecycle().call_admit(store, situation)
        })?
        .map_err(GuestError::Contract)
    }

    /// See `lifecycle.decide`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the situation breaks the contract.
    pub fn decide(&self, situation: &Situation) -> Result<Step, GuestError> {
        self.call(|guest, store| {
            guest.replaysafe_provisioning_lifecycle().call_decide(store, situation)
        })?
        .map_err(GuestError::Contract)
    }

    /// See `lifecycle.settle`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the situation breaks the contract.
    pub fn settle(
        &self,
        situation: &Situation,
        report: Option<&Report>,
    ) -> Result<Step, GuestError> {
        self.call(|guest, store| {
            guest.replaysafe_provisioning_lifecycle().call_settle(store, situation, report)
        })?
        .map_err(GuestError::Contract)
    }

    /// See `lifecycle.entry-request`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the record cannot be read.
    pub fn entry_request(&self, state: &str) -> Result<Request, GuestError> {
        self.call(|guest, store| {
            guest.replaysafe_provisioning_lifecycle().call_entry_request(store, state)
        })?
        .map_err(GuestError::Contract)
    }

    /// See `json.call`.
    ///
    /// # Errors
    ///
    /// Where the component fails. A broken contract is in the text.
    pub fn call_json(&self, function: &str, input: &str) -> Result<String, GuestError> {
        self.call(|guest, store| {
            guest.replaysafe_provisioning_json().call_call(store, function, input)
        })
    }

    /// One call in a fresh instance, which is thrown away whatever comes of it.
    fn call<R>(
        &self,
        function: impl FnOnce(&Provisioning, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> Result<R, GuestError> {
        let mut store = Store::new(&self.0.engine, State { limits: limits() });
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(OUTPUT_BYTES_MOST);
        store.set_epoch_deadline(TICKS);
        if let Some(fuel) = self.0.fuel {
            store.set_fuel(fuel).map_err(GuestError::Sandbox)?;
        }
        let instance = self.0.pre.instantiate(&mut store).map_err(|error| self.failed(error))?;
        function(&instance, &mut store).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: wasmtime::Error) -> GuestError {
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => GuestError::Deadline { limit: TICK * DEADLINE_TICKS },
            Some(Trap::OutOfFuel) => GuestError::Fuel { fuel: self.0.fuel.unwrap_or_default() },
            _ => GuestError::Trap(error),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ticker.store(true, Ordering::Relaxed);
    }
}

struct State {
    limits: StoreLimits,
}

fn limits() -> StoreLimits {
    StoreLimitsBuilder::new()
        .memory_size(MEMORY_BYTES_MOST)
        .table_elements(TABLE_ELEMENTS_MOST)
        .instances(INSTANCES_MOST)
        .memories(1)
        .tables(INSTANCES_MOST)
        .trap_on_grow_failure(true)
        .build()
}

fn engine(options: &GuestOptions) -> Result<Engine, GuestError> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(SLOTS)
        .total_core_instances(SLOTS * 4)
        .total_memories(SLOTS)
        .total_tables(SLOTS * 4)
        .max_memory_size(MEMORY_BYTES_MOST)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(16 << 10)
        .max_unused_warm_slots(SLOTS)
        .table_elements(TABLE_ELEMENTS_MOST)
        .pagemap_scan(Enabled::Auto);
    let pooled = config(options, InstanceAllocationStrategy::Pooling(pool));
    // A machine that does not grant the pool its address space gets an instance at a time: slower, as safe.
    Engine::new(&pooled)
        .or_else(|_| Engine::new(&config(options, InstanceAllocationStrategy::OnDemand)))
        .map_err(GuestError::Sandbox)
}

fn config(options: &GuestOptions, allocation: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .consume_fuel(options.fuel.is_some())
        .max_wasm_stack(STACK_BYTES_MOST)
        .allocation_strategy(allocation);
    config
}

/// Compiles, or takes what was compiled before from a folder of ours.
fn compile(
    engine: &Engine,
    component: &[u8],
    _sha256: &str,
    _options: &GuestOptions,
) -> Result<Component, GuestError> {
    Component::new(engine, component).map_err(GuestError::Invalid)
}

/// The clock by which a call's time is told: it ticks until the engine is no longer used.
fn tick(engine: &Engine) -> Arc<AtomicBool> {
    let ended = Arc::new(AtomicBool::new(false));
    let (stop, engine) = (Arc::clone(&ended), engine.weak());
    // If no thread can be had, calls are not interrupted by time; fuel and memory still limit them.
    let thread = std::thread::Builder::new().name("replaysafe-epoch".into());
    let started = thread.spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    });
    drop(started);
    ended
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The component that this library was built with.
pub const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/replaysafe.wasm"));

/// Its core module, for hosts that have no components.
pub const CORE_MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/replaysafe.core.wasm"));

/// Its SHA-256, in lower-case hexadecimal.
pub const COMPONENT_SHA256: &str = include_str!(concat!(env!("OUT_DIR"), "/replaysafe.sha256"));

/// Its world, as WIT text.
pub const WORLD: &str = include_str!(concat!(env!("OUT_DIR"), "/replaysafe.wit"));

/// 100 ms: fine enough for a deadline of seconds, and too seldom to be felt.
const TICK: Duration = Duration::from_millis(100);

/// 2 seconds: a request of 16 MiB takes a tenth of it.
const TICKS: u64 = 20;
const DEADLINE_TICKS: u32 = 20;

/// 256 MiB: a group of 16 MiB, parsed, with its counterpart of the target.
const MEMORY_BYTES_MOST: usize = 256 << 20;

/// The component has some hundred functions in its table.
const TABLE_ELEMENTS_MOST: usize = 10_000;

/// One module, and what the component model puts around it.
const INSTANCES_MOST: usize = 8;

/// 512 KiB of stack for the code; a document of 32 levels takes a tenth of it.
const STACK_BYTES_MOST: usize = 512 << 10;

/// 64 MiB: what one call may give back.
const OUTPUT_BYTES_MOST: usize = 64 << 20;

/// 64 calls at once: more than cores, as a call never waits.
const SLOTS: u32 = 64;
