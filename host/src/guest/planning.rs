//! The component for what concerns more than one request: the world `planning`.

use std::{fmt, sync::Arc};

use wasmtime::component::ComponentExportIndex;

use super::{
    Fallible, GuestError, GuestOptions, JSON, PLANNING_COMPONENT, find, flat, prepare,
    sandbox::Sandbox,
};
use crate::contract::{
    Document, Settings,
    audit::{self, Seen},
    batch::{Item, Known, Operation},
    reconciliation::{Excess, Finding, Part, Tally, Trait},
};

/// The planning component, in a sandbox of its own. Cheap to clone; calls may run side by side.
///
/// As [`Guest`](super::Guest): each method is a pure function of its arguments and runs in a fresh instance.
///
/// ```
/// use replaysafe::{contract::Settings, guest::PlanningGuest};
///
/// let guest = PlanningGuest::embedded()?;
/// let settings = Settings { policy: "{}".into(), schema: "{}".into(), profile: vec![] };
/// let user = r#"{"externalId": "4711", "userName": "ada"}"#.to_owned();
/// let found = guest.survey("User", &[user], &settings)?;
/// assert_eq!(found[0].as_ref().map(|found| found.name.as_str()), Some("4711"));
/// # Ok::<(), replaysafe::guest::GuestError>(())
/// ```
#[derive(Clone)]
pub struct PlanningGuest(Arc<Inner>);

struct Inner {
    sandbox: Sandbox,
    survey: ComponentExportIndex,
    plan: ComponentExportIndex,
    guard: ComponentExportIndex,
    look: ComponentExportIndex,
    audit: ComponentExportIndex,
    arrange: ComponentExportIndex,
    fill: ComponentExportIndex,
    call: ComponentExportIndex,
    sha256: String,
}

impl fmt::Debug for PlanningGuest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanningGuest").field("sha256", &self.0.sha256).finish_non_exhaustive()
    }
}

impl PlanningGuest {
    /// The component that this library was built with.
    ///
    /// # Errors
    ///
    /// Where the sandbox cannot be set up.
    pub fn embedded() -> Result<Self, GuestError> {
        Self::load(PLANNING_COMPONENT, &GuestOptions::default())
    }

    /// Loads a component of the world `planning`.
    ///
    /// # Errors
    ///
    /// As [`Guest::load`](super::Guest::load).
    pub fn load(component: &[u8], options: &GuestOptions) -> Result<Self, GuestError> {
        let (sandbox, sha256) = prepare(component, options)?;
        let survey = find(&sandbox, RECONCILIATION, "survey")?;
        let plan = find(&sandbox, RECONCILIATION, "plan")?;
        let guard = find(&sandbox, RECONCILIATION, "guard")?;
        let look = find(&sandbox, AUDIT, "look")?;
        let audit = find(&sandbox, AUDIT, "audit")?;
        let arrange = find(&sandbox, BATCH, "arrange")?;
        let fill = find(&sandbox, BATCH, "fill")?;
        let call = find(&sandbox, JSON, "call")?;
        sandbox.check::<(&str, &[Document], &Settings), Fallible<Vec<Option<Trait>>>>(&survey)?;
        sandbox.check::<(&Part,), Fallible<Vec<Finding>>>(&plan)?;
        sandbox.check::<(&[Tally], u64, &Settings), Fallible<Vec<Excess>>>(&guard)?;
        sandbox.check::<(&str, &[Document], &Settings), Fallible<Vec<Option<Seen>>>>(&look)?;
        sandbox.check::<(&audit::Part,), Fallible<Vec<audit::Finding>>>(&audit)?;
        sandbox.check::<(&[Operation], &Settings), Fallible<Vec<Item>>>(&arrange)?;
        sandbox.check::<(&str, &[Known]), (Document,)>(&fill)?;
        sandbox.check::<(&str, &str), (String,)>(&call)?;
        Ok(Self(Arc::new(Inner {
            sandbox,
            survey,
            plan,
            guard,
            look,
            audit,
            arrange,
            fill,
            call,
            sha256,
        })))
    }

    /// Its SHA-256, in lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// See `reconciliation.survey`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn survey(
        &self,
        resource_type: &str,
        resources: &[Document],
        settings: &Settings,
    ) -> Result<Vec<Option<Trait>>, GuestError> {
        let parameters = (resource_type, resources, settings);
        self.0.sandbox.call::<_, Fallible<_>>(&self.0.survey, parameters).and_then(flat)
    }

    /// See `reconciliation.plan`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn plan(&self, part: &Part) -> Result<Vec<Finding>, GuestError> {
        self.0.sandbox.call::<_, Fallible<_>>(&self.0.plan, (part,)).and_then(flat)
    }

    /// See `reconciliation.guard`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the policy breaks the contract.
    pub fn guard(
        &self,
        tallies: &[Tally],
        now: u64,
        settings: &Settings,
    ) -> Result<Vec<Excess>, GuestError> {
        let parameters = (tallies, now, settings);
        self.0.sandbox.call::<_, Fallible<_>>(&self.0.guard, parameters).and_then(flat)
    }

    /// See `audit.look`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn look(
        &self,
        resource_type: &str,
        resources: &[Document],
        settings: &Settings,
    ) -> Result<Vec<Option<Seen>>, GuestError> {
        let parameters = (resource_type, resources, settings);
        self.0.sandbox.call::<_, Fallible<_>>(&self.0.look, parameters).and_then(flat)
    }

    /// See `audit.audit`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn audit(&self, part: &audit::Part) -> Result<Vec<audit::Finding>, GuestError> {
        self.0.sandbox.call::<_, Fallible<_>>(&self.0.audit, (part,)).and_then(flat)
    }

    /// See `batch.arrange`.
    ///
    /// # Errors
    ///
    /// Where the component fails, or the settings break the contract.
    pub fn arrange(
        &self,
        operations: &[Operation],
        settings: &Settings,
    ) -> Result<Vec<Item>, GuestError> {
        let parameters = (operations, settings);
        self.0.sandbox.call::<_, Fallible<_>>(&self.0.arrange, parameters).and_then(flat)
    }

    /// See `batch.fill`.
    ///
    /// # Errors
    ///
    /// Where the component fails.
    pub fn fill(&self, text: &str, resources: &[Known]) -> Result<Document, GuestError> {
        self.0.sandbox.call(&self.0.fill, (text, resources)).map(|(filled,)| filled)
    }

    /// See `json.call`.
    ///
    /// # Errors
    ///
    /// Where the component fails. A broken contract is in the text.
    pub fn call_json(&self, function: &str, input: &str) -> Result<String, GuestError> {
        self.0.sandbox.call(&self.0.call, (function, input)).map(|(output,)| output)
    }
}

const AUDIT: &str = "replaysafe:provisioning/audit@0.1.0";
const BATCH: &str = "replaysafe:provisioning/batch@0.1.0";
const RECONCILIATION: &str = "replaysafe:provisioning/reconciliation@0.1.0";
