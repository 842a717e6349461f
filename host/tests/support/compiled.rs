//! The component, compiled once for all test processes of a build: it takes seconds.

use std::path::Path;
use std::sync::LazyLock;

use replaysafe::guest::{Guest, GuestOptions};

/// The component in its sandbox.
pub(crate) fn guest() -> Guest {
    static GUEST: LazyLock<Guest> = LazyLock::new(|| {
        let cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        Guest::embedded_with(&GuestOptions { cache, ..GuestOptions::default() }).unwrap()
    });
    GUEST.clone()
}
