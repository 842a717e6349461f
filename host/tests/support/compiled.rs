//! The component, compiled once for all test processes of a build: it takes seconds.

use std::path::Path;
use std::sync::LazyLock;

use replaysafe::guest::{Guest, GuestOptions, PLANNING_COMPONENT, PlanningGuest};

/// The component in its sandbox.
pub(crate) fn guest() -> Guest {
    static GUEST: LazyLock<Guest> = LazyLock::new(|| {
        let cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        Guest::embedded_with(&GuestOptions { cache, ..GuestOptions::default() }).unwrap()
    });
    GUEST.clone()
}

/// The component that plans, in its sandbox.
#[allow(dead_code, reason = "not every program of tests plans")]
pub(crate) fn planning_guest() -> PlanningGuest {
    static GUEST: LazyLock<PlanningGuest> = LazyLock::new(|| {
        let cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let options = GuestOptions { cache, ..GuestOptions::default() };
        PlanningGuest::load(PLANNING_COMPONENT, &options).unwrap()
    });
    GUEST.clone()
}
