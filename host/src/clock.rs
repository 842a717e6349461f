//! The time. Nothing else in the project reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Gives the time in milliseconds since 1970-01-01T00:00Z.
pub trait Clock: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> u64;
}

/// The machine's clock, which never goes back while the process lives.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        static LATEST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        #[expect(clippy::disallowed_methods, reason = "the only place that reads the clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let read = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        // A clock that is set back must not make a lease or a window longer than it was.
        LATEST.fetch_max(read, std::sync::atomic::Ordering::SeqCst).max(read)
    }
}
