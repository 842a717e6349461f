//! What does a request ask of the system, once all is warm?

use std::{collections::BTreeMap, env, fs, hint::black_box, process::Command};

use replaysafe::guest::Guest;
use replaysafe_tests::decisions;

use crate::{clock, hosted::Decision, table::Measure};

/// Page faults and system calls of a whole request: `admit`, `decide` and `settle`.
pub(crate) fn measure(guest: &Guest) -> Vec<Measure> {
    let request = Request::new();
    (0..WARM).for_each(|_| request.make(guest));
    let before = clock::page_faults();
    (0..COUNT).for_each(|_| request.make(guest));
    let faults = each(clock::page_faults() - before);
    let calls = traced(WARM).zip(traced(WARM + COUNT)).map(|(few, many)| {
        let more = many.into_iter().map(|(name, times)| {
            let less = few.get(&name).copied().unwrap_or_default();
            (name, each(times.saturating_sub(less)))
        });
        more.filter(|(_, times)| SELDOM < *times).collect::<BTreeMap<_, _>>()
    });
    let told = calls.as_ref().map_or("strace is missing, or may not trace".into(), |calls| {
        let each = calls.iter().map(|(name, times)| format!("{times:.2} {name}"));
        each.collect::<Vec<_>>().join(", ")
    });
    let of_memory =
        calls.as_ref().map(|calls| MEMORY.iter().filter_map(|name| calls.get(*name)).sum());
    let all = calls.as_ref().map(|calls| calls.values().sum());
    vec![
        Measure::new("page faults per request", faults).at_most(SELDOM, SELDOM),
        Measure::new("mmap, madvise, mprotect per request", of_memory)
            .at_most(0.0, 0.0)
            .detail(told),
        Measure::new("system calls per request", all),
    ]
}

/// Makes so many requests, and nothing else: for who counts the system calls.
pub(crate) fn make(count: u32) -> Result<(), replaysafe::guest::GuestError> {
    let guest = Guest::embedded()?;
    let request = Request::new();
    (0..count).for_each(|_| request.make(&guest));
    Ok(())
}

struct Request(Vec<Decision>);

impl Request {
    fn new() -> Self {
        Self(decisions::replacement().iter().filter_map(Decision::of).collect())
    }

    fn make(&self, guest: &Guest) {
        for call in &self.0 {
            assert!(black_box(call.make(guest)).is_ok(), "the component answers");
        }
    }
}

/// The system calls of the one thread that makes so many requests, in a process of its own; none where they cannot be counted.
fn traced(count: u32) -> Option<BTreeMap<String, u64>> {
    let summary = tempfile::NamedTempFile::new().ok()?;
    let mut strace = Command::new("strace");
    strace.args(["-c", "-U", "calls,name", "-o"]).arg(summary.path());
    let status =
        strace.arg(env::current_exe().ok()?).arg("steady").arg(count.to_string()).status().ok()?;
    let text = fs::read_to_string(summary.path()).ok().filter(|_| status.success())?;
    let line = |line: &str| {
        let (calls, name) = line.trim().split_once(char::is_whitespace)?;
        Some((name.trim().to_owned(), calls.parse().ok()?))
    };
    Some(text.lines().filter_map(line).filter(|(name, _)| name != "total").collect())
}

fn each(times: u64) -> f64 {
    f64::from(u32::try_from(times).unwrap_or(u32::MAX)) / f64::from(COUNT)
}

/// What asks the system for memory, or gives some back.
const MEMORY: [&str; 6] = ["brk", "madvise", "mmap", "mprotect", "mremap", "munmap"];

const WARM: u32 = 200;

const COUNT: u32 = 1_000;

/// Less often than once in a hundred requests: the kernel's own housekeeping.
const SELDOM: f64 = 0.01;
