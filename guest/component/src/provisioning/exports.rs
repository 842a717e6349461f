//! The exported functions.

use alloc::{string::String, vec::Vec};
use core::sync::atomic::{AtomicU8, Ordering};

use replaysafe_core::{
    door,
    lifecycle::{self, Reading, Schema, Segment},
    types::{ContractError, Document, Report, Request, Settings, Situation, Step},
};

use super::bindings::exports::replaysafe::provisioning::{json, lifecycle::Guest};

struct Component;

impl Guest for Component {
    fn secret_paths(
        resource_type: String,
        settings: Settings,
    ) -> Result<Vec<Vec<Segment>>, ContractError> {
        lifecycle::secret_paths(&resource_type, &settings)
    }

    fn read_schema(
        resource_types: Option<Document>,
        schemas: Option<Document>,
        service_provider_config: Option<Document>,
    ) -> Schema {
        lifecycle::read_schema(
            resource_types.as_deref(),
            schemas.as_deref(),
            service_provider_config.as_deref(),
        )
    }

    fn check_policy(policy: Document) -> Result<Document, ContractError> {
        lifecycle::check_policy(&policy)
    }

    fn identify(request: Request, settings: Settings) -> Result<Reading, ContractError> {
        lifecycle::identify(&request, &settings)
    }

    fn matches(
        request: Request,
        page: Vec<Document>,
        settings: Settings,
    ) -> Result<Vec<u32>, ContractError> {
        lifecycle::matches(&request, &page, &settings)
    }

    /// The function that was called: `admit` and `decide` come here too, with no report.
    fn settle(situation: Situation, report: Option<Report>) -> Result<Step, ContractError> {
        match CALLED.swap(SETTLE, Ordering::Relaxed) {
            ADMIT => lifecycle::admit(&situation),
            DECIDE => lifecycle::decide(&situation),
            _ => lifecycle::settle(&situation, report.as_ref()),
        }
    }

    fn entry_request(state: Document) -> Result<Request, ContractError> {
        lifecycle::entry_request(&state)
    }
}

impl json::Guest for Component {
    fn call(function: String, input: String) -> String {
        door::call(&[&door::LIFECYCLE], &function, &input)
    }
}

#[expect(unsafe_code, reason = "the canonical ABI exports functions by name")]
mod export {
    use super::Component;

    super::super::bindings::export!(Component with_types_in super::super::bindings);
}

/// `admit` and `decide`, exported by what is generated for `settle`.
///
/// The three take a situation and give a step; `settle` takes a report as well. What is generated for one of them
/// is 9 KB, so it is there once.
#[expect(unsafe_code, reason = "the canonical ABI exports functions by name")]
mod beside_settle {
    use alloc::alloc::{Layout, handle_alloc_error, realloc};

    use replaysafe_core::door;

    use super::super::bindings::exports::replaysafe::provisioning::lifecycle::{
        __post_return_settle, _export_settle_cabi,
    };
    use super::{ADMIT, CALLED, Component, DECIDE, Ordering};

    #[unsafe(export_name = "replaysafe:provisioning/lifecycle@0.1.0#admit")]
    unsafe extern "C" fn admit(given: *mut u8) -> *mut u8 {
        // SAFETY: the caller's, by the canonical ABI.
        unsafe { call(ADMIT, given) }
    }

    #[unsafe(export_name = "replaysafe:provisioning/lifecycle@0.1.0#decide")]
    unsafe extern "C" fn decide(given: *mut u8) -> *mut u8 {
        // SAFETY: the caller's, by the canonical ABI.
        unsafe { call(DECIDE, given) }
    }

    #[unsafe(export_name = "cabi_post_replaysafe:provisioning/lifecycle@0.1.0#admit")]
    unsafe extern "C" fn after_admit(step: *mut u8) {
        // SAFETY: `_export_settle_cabi` gave it, and it is given back once, by the canonical ABI.
        unsafe { __post_return_settle::<Component>(step) }
    }

    #[unsafe(export_name = "cabi_post_replaysafe:provisioning/lifecycle@0.1.0#decide")]
    unsafe extern "C" fn after_decide(step: *mut u8) {
        // SAFETY: as above.
        unsafe { __post_return_settle::<Component>(step) }
    }

    /// Calls `settle` with a situation and no report.
    ///
    /// # Safety
    ///
    /// `given` is a block of `cabi_realloc` that holds a situation and nothing else, and is given away.
    unsafe fn call(function: u8, given: *mut u8) -> *mut u8 {
        // SAFETY: the block was made with this layout, which is that of the only parameter; `WHOLE` is larger.
        let whole = unsafe { realloc(given, SITUATION, WHOLE.size()) };
        if whole.is_null() {
            handle_alloc_error(WHOLE);
        }
        // SAFETY: the parameters of `settle` are a situation, which lies there now, and, at the next place of their
        // alignment, which the situation's size is a multiple of, an option; 0 is its case `none`, of which nothing
        // but this byte is read.
        unsafe { whole.add(SITUATION.size()).write(0) };
        CALLED.store(function, Ordering::Relaxed);
        // SAFETY: the block holds the parameters of `settle` and has their layout, by which it is freed there.
        unsafe { _export_settle_cabi::<Component>(whole) }
    }

    /// How the parameters of `admit` and `decide` lie in memory.
    const SITUATION: Layout = layout("admit");

    /// How the parameters of `settle` do. `tests/tests/shapes.rs` compares both with the contract.
    const WHOLE: Layout = layout("settle");

    const _: () = {
        assert!(SITUATION.size() == layout("decide").size());
        assert!(SITUATION.size() < WHOLE.size() && SITUATION.align() == WHOLE.align());
        assert!(SITUATION.size().is_multiple_of(SITUATION.align()));
    };

    const fn layout(function: &str) -> Layout {
        let takes = &door::lifecycle(function).takes;
        match Layout::from_size_align(takes.bytes, takes.align) {
            Ok(layout) => layout,
            Err(_) => panic!("no alignment"),
        }
    }
}

/// Which function was called, where it was not `settle`. A module has one thread, and a call is at its end before
/// the next one begins.
static CALLED: AtomicU8 = AtomicU8::new(SETTLE);

const SETTLE: u8 = 0;
const ADMIT: u8 = 1;
const DECIDE: u8 = 2;
