//! How long does it take, as the processor counts it?
//!
//! The time of a thread's own work: what other programs do meanwhile is not in it, but for the caches that they share.

use std::{io, mem::MaybeUninit, time::Duration};

/// How long this thread has run.
pub(crate) fn of_thread() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// How long all threads of this process have run.
pub(crate) fn of_process() -> Duration {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// How many pages this thread had to be given while it ran.
pub(crate) fn page_faults() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    #[expect(unsafe_code, reason = "the system's call")]
    // SAFETY: the call writes to its own structure, of which all bytes 0 is a value.
    let usage = unsafe {
        assert_eq!(
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()),
            0,
            "{}",
            io::Error::last_os_error()
        );
        usage.assume_init()
    };
    u64::try_from(usage.ru_minflt + usage.ru_majflt).unwrap_or_default()
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "the system's call")]
    // SAFETY: the call writes to its own structure.
    let done = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    let number = |part: i64| u64::try_from(part).unwrap_or_default();
    Duration::from_secs(number(time.tv_sec)) + Duration::from_nanos(number(time.tv_nsec))
}
