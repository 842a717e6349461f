//! The sandbox: runs the component, each call in a fresh instance, within limits.
//!
//! The component is not trusted, although it is ours: it gets no import, little memory, little time, and
//! what it gives is checked by [`crate::monitor`]. A trap costs one call and nothing else.

mod aside;
mod cache;
mod error;
mod planning;
mod sandbox;

use std::{
    borrow::Cow,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, ComponentExportIndex, types::ComponentItem};

use self::sandbox::Sandbox;
use crate::contract::{
    ContractError, Document, Reading, Report, Request, Schema, Segment, Settings, Situation, Step,
};

pub(crate) use self::aside::aside;
pub use self::{error::GuestError, planning::PlanningGuest};

/// The component, in its sandbox. Cheap to clone; calls may run side by side.
///
/// Every method is a pure function of its arguments, takes microseconds, and may be called twice.
/// One that takes longer than a tenth of a second (a large group, a component that is wrong) lets another
/// thread of its runtime go on with other tasks, by `block_in_place` of tokio and with what that asks for:
/// no `LocalSet` within a runtime of several threads, and no such runtime that is entered (`Handle::enter`)
/// from within one of a single thread.
///
/// ```
/// use replaysafe::guest::Guest;
///
/// let guest = Guest::embedded()?;
/// assert!(guest.describe().imports.is_empty());
/// assert!(guest.check_policy("{}").is_ok());
/// # Ok::<(), replaysafe::guest::GuestError>(())
/// ```
#[derive(Clone)]
pub struct Guest(Arc<Inner>);

struct Inner {
    sandbox: Sandbox,
    functions: Functions,
    component: Cow<'static, [u8]>,
    sha256: String,
    cache: Option<PathBuf>,
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
    /// given the same arguments stops at the same instruction on every machine; it costs a third.
    pub fuel: Option<u64>,
    /// A folder of ours for compiled code, made if it is not there; none: compiled anew at every
    /// start, in about a second. It must be ours alone (mode 0700), as its files are run.
    pub cache: Option<PathBuf>,
}

/// What a component is, as `component inspect` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// What it offers, as WIT text: for [`COMPONENT`] all of it, else the names.
    pub world: String,
    /// Names of what it imports: always none.
    pub imports: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
    /// A call's memory comes from a pool. False where this machine does not grant the pool its
    /// address space (what `SLOTS` calls may have in all, reserved and not used): calls then take some
    /// 50 microseconds more.
    pub pooled: bool,
}

impl Guest {
    /// The component that this library was built with; compiled once in a process.
    ///
    /// # Errors
    ///
    /// Where the sandbox cannot be set up.
    pub fn embedded() -> Result<Self, GuestError> {
        static EMBEDDED: Mutex<Option<Guest>> = Mutex::new(None);
        let mut embedded = EMBEDDED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guest) = embedded.as_ref() {
            return Ok(guest.clone());
        }
        let guest = Self::embedded_with(&GuestOptions::default())?;
        Ok(embedded.insert(guest).clone())
    }

    /// The component that this library was built with, in a sandbox of its own.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn embedded_with(options: &GuestOptions) -> Result<Self, GuestError> {
        Self::start(Cow::Borrowed(COMPONENT), options)
    }

    /// Loads a component: [`COMPONENT`], or another of the same contract.
    ///
    /// # Errors
    ///
    /// The first of these that applies: it is too large, its digest is not the pinned one, the sandbox
    /// cannot be set up, it is no component of this contract, it imports anything.
    pub fn load(component: &[u8], options: &GuestOptions) -> Result<Self, GuestError> {
        Self::start(Cow::Owned(component.to_vec()), options)
    }

    /// The same component, where a call may burn `fuel` units: for `explain`, where a call must stop
    /// at the same instruction each time. It is compiled anew.
    ///
    /// # Errors
    ///
    /// Where the sandbox cannot be set up.
    pub fn with_fuel(&self, fuel: u64) -> Result<Self, GuestError> {
        let cache = self.0.cache.clone();
        let options = GuestOptions { sha256: None, fuel: Some(fuel), cache };
        Self::start(self.0.component.clone(), &options)
    }

    fn start(component: Cow<'static, [u8]>, options: &GuestOptions) -> Result<Self, GuestError> {
        let (sandbox, sha256) = prepare(&component, options)?;
        let functions = Functions::find(&sandbox)?;
        let cache = options.cache.clone();
        Ok(Self(Arc::new(Inner { sandbox, functions, component, sha256, cache })))
    }

    /// Its SHA-256, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// How many units of fuel its calls have burned so far, whatever became of them; 0 without
    /// [`GuestOptions::fuel`]. Equal calls burn the same, on every machine.
    #[must_use]
    pub fn fuel_burned(&self) -> u64 {
        self.0.sandbox.burned()
    }

    /// What it is.
    #[must_use]
    pub fn describe(&self) -> Description {
        let code = self.0.sandbox.component();
        let shape = code.component_type();
        let imports = shape.imports(code.engine()).map(|(name, _)| name.into()).collect();
        let exports = shape.exports(code.engine()).map(|(name, _)| name.into()).collect();
        let world = if self.0.sha256 == COMPONENT_SHA256 { WORLD.into() } else { outline(code) };
        Description {
            sha256: self.0.sha256.clone(),
            bytes: self.0.component.len(),
            world,
            imports,
            exports,
            pooled: self.0.sandbox.is_pooled(),
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
        let function = &self.0.functions.secret_paths;
        self.0.sandbox.call::<_, Fallible<_>>(function, (resource_type, settings)).and_then(flat)
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
        let parameters = (resource_types, schemas, service_provider_config);
        self.0.sandbox.call(&self.0.functions.read_schema, parameters).map(|(schema,)| schema)
    }

    /// See `lifecycle.check-policy`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the policy has a wrong member.
    pub fn check_policy(&self, policy: &str) -> Result<Document, GuestError> {
        let function = &self.0.functions.check_policy;
        self.0.sandbox.call::<_, Fallible<_>>(function, (policy,)).and_then(flat)
    }

    /// See `lifecycle.identify`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn identify(&self, request: &Request, settings: &Settings) -> Result<Reading, GuestError> {
        let function = &self.0.functions.identify;
        self.0.sandbox.call::<_, Fallible<_>>(function, (request, settings)).and_then(flat)
    }

    /// See `lifecycle.matches`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn matches(
        &self,
        request: &Request,
        page: &[Document],
        settings: &Settings,
    ) -> Result<Vec<u32>, GuestError> {
        let function = &self.0.functions.matches;
        self.0.sandbox.call::<_, Fallible<_>>(function, (request, page, settings)).and_then(flat)
    }

    /// See `lifecycle.admit`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the situation breaks the contract.
    pub fn admit(&self, situation: &Situation) -> Result<Step, GuestError> {
        let function = &self.0.functions.admit;
        self.0.sandbox.call::<_, Fallible<_>>(function, (situation,)).and_then(flat)
    }

    /// See `lifecycle.decide`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the situation breaks the contract.
    pub fn decide(&self, situation: &Situation) -> Result<Step, GuestError> {
        let function = &self.0.functions.decide;
        self.0.sandbox.call::<_, Fallible<_>>(function, (situation,)).and_then(flat)
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
        let function = &self.0.functions.settle;
        self.0.sandbox.call::<_, Fallible<_>>(function, (situation, report)).and_then(flat)
    }

    /// See `lifecycle.entry-request`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the record cannot be read.
    pub fn entry_request(&self, state: &str) -> Result<Request, GuestError> {
        let function = &self.0.functions.entry_request;
        self.0.sandbox.call::<_, Fallible<_>>(function, (state,)).and_then(flat)
    }

    /// See `json.call`.
    ///
    /// # Errors
    ///
    /// Where the component fails. A broken contract is in the text.
    pub fn call_json(&self, function: &str, input: &str) -> Result<String, GuestError> {
        self.0.sandbox.call(&self.0.functions.call, (function, input)).map(|(output,)| output)
    }
}

/// A sandbox for a component, and its SHA-256.
fn prepare(component: &[u8], options: &GuestOptions) -> Result<(Sandbox, String), GuestError> {
    let bytes = component.len();
    if COMPONENT_BYTES_MOST < bytes {
        return Err(GuestError::Size { bytes, most: COMPONENT_BYTES_MOST });
    }
    let sha256 = hex(&Sha256::digest(component));
    if let Some(pinned) = &options.sha256
        && !pinned.eq_ignore_ascii_case(&sha256)
    {
        return Err(GuestError::Digest { pinned: pinned.clone(), found: sha256 });
    }
    let engine = sandbox::engine(options.fuel)?;
    let code = cache::compile(&engine.engine, component, options.cache.as_deref())?;
    Ok((Sandbox::new(&engine, &code, options.fuel)?, sha256))
}

/// What a function gives that can find the contract broken.
type Fallible<T> = (Result<T, ContractError>,);

fn flat<T>((result,): Fallible<T>) -> Result<T, GuestError> {
    result.map_err(GuestError::Contract)
}

/// Where the component's functions are.
struct Functions {
    secret_paths: ComponentExportIndex,
    read_schema: ComponentExportIndex,
    check_policy: ComponentExportIndex,
    identify: ComponentExportIndex,
    matches: ComponentExportIndex,
    admit: ComponentExportIndex,
    decide: ComponentExportIndex,
    settle: ComponentExportIndex,
    entry_request: ComponentExportIndex,
    call: ComponentExportIndex,
}

impl Functions {
    /// Finds them, and checks that each has the contract's type.
    fn find(sandbox: &Sandbox) -> Result<Self, GuestError> {
        let functions = Self {
            secret_paths: find(sandbox, LIFECYCLE, "secret-paths")?,
            read_schema: find(sandbox, LIFECYCLE, "read-schema")?,
            check_policy: find(sandbox, LIFECYCLE, "check-policy")?,
            identify: find(sandbox, LIFECYCLE, "identify")?,
            matches: find(sandbox, LIFECYCLE, "matches")?,
            admit: find(sandbox, LIFECYCLE, "admit")?,
            decide: find(sandbox, LIFECYCLE, "decide")?,
            settle: find(sandbox, LIFECYCLE, "settle")?,
            entry_request: find(sandbox, LIFECYCLE, "entry-request")?,
            call: find(sandbox, JSON, "call")?,
        };
        type Text<'a> = Option<&'a str>;
        sandbox.check::<(&str, &Settings), Fallible<Vec<Vec<Segment>>>>(&functions.secret_paths)?;
        sandbox.check::<(Text<'_>, Text<'_>, Text<'_>), (Schema,)>(&functions.read_schema)?;
        sandbox.check::<(&str,), Fallible<Document>>(&functions.check_policy)?;
        sandbox.check::<(&Request, &Settings), Fallible<Reading>>(&functions.identify)?;
        sandbox
            .check::<(&Request, &[Document], &Settings), Fallible<Vec<u32>>>(&functions.matches)?;
        sandbox.check::<(&Situation,), Fallible<Step>>(&functions.admit)?;
        sandbox.check::<(&Situation,), Fallible<Step>>(&functions.decide)?;
        sandbox.check::<(&Situation, Option<&Report>), Fallible<Step>>(&functions.settle)?;
        sandbox.check::<(&str,), Fallible<Request>>(&functions.entry_request)?;
        sandbox.check::<(&str, &str), (String,)>(&functions.call)?;
        Ok(functions)
    }
}

fn find(
    sandbox: &Sandbox,
    interface: &str,
    function: &str,
) -> Result<ComponentExportIndex, GuestError> {
    let code = sandbox.component();
    code.get_export_index(None, interface)
        .and_then(|interface| code.get_export_index(Some(&interface), function))
        .ok_or_else(|| {
            let what = format!("there is no function `{interface}#{function}`");
            GuestError::Invalid(wasmtime::Error::msg(what))
        })
}

/// The names that a component offers, as a world.
fn outline(code: &Component) -> String {
    let shape = code.component_type();
    let mut text = String::from("world component {\n");
    for (name, export) in shape.exports(code.engine()) {
        text.push_str(&format!("  export {name};\n"));
        if let ComponentItem::ComponentInstance(interface) = export.ty {
            for (name, _) in interface.exports(code.engine()) {
                text.push_str(&format!("  //   {name}\n"));
            }
        }
    }
    text.push_str("}\n");
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The component that this library was built with.
pub const COMPONENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/replaysafe.wasm"));

/// The component that plans for populations, of the world `planning`.
pub const PLANNING_COMPONENT: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/replaysafe-planning.wasm"));

/// The core module of [`PLANNING_COMPONENT`].
pub const PLANNING_CORE_MODULE: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/replaysafe-planning.core.wasm"));

/// The core module of [`COMPONENT`], for hosts that have no components.
pub const CORE_MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/replaysafe.core.wasm"));

/// The SHA-256 of [`COMPONENT`], in lower-case hexadecimal.
pub const COMPONENT_SHA256: &str = include_str!(concat!(env!("OUT_DIR"), "/replaysafe.sha256"));

/// What [`COMPONENT`] exports, as WIT text.
pub const WORLD: &str = include_str!(concat!(env!("OUT_DIR"), "/replaysafe.wit"));

const LIFECYCLE: &str = "replaysafe:provisioning/lifecycle@0.1.0";
const JSON: &str = "replaysafe:provisioning/json@0.1.0";

/// 4 MiB: compiling takes time with size, and ours has a quarter of it.
const COMPONENT_BYTES_MOST: usize = 4 << 20;
