//! Simulated schedules in which the component decides in its sandbox and a SQLite file is the ledger.
//!
//! ```text
//! REPLAYSAFE_SCHEDULES=N   how many schedules
//! REPLAYSAFE_FIRST=N       the first of them
//! ```

#![expect(clippy::print_stdout, reason = "a test says how much it tried")]

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use replaysafe::guest::Guest;
use replaysafe_tests::{
    figures,
    real::Real,
    sim::{
        decider::Decider,
        schedule::{self, Worlds},
    },
};

/// S7, S38: core and component, and the two ledgers, give the same at every call of a schedule, and no law is broken.
#[test]
fn schedules_are_the_same_with_the_component_and_a_file() {
    let number =
        |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let first = number("REPLAYSAFE_FIRST").unwrap_or(0);
    let count = number("REPLAYSAFE_SCHEDULES").unwrap_or(SCHEDULES);
    let component = Guest::embedded().expect("the component loads");
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let calls = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if first + count <= seed {
                        return;
                    }
                    let real = Real::new(component.clone());
                    let mut core = Decider::watched(Box::new(real));
                    let outcome =
                        schedule::run(seed, Worlds::default(), &mut core, &mut |_, _, _| {});
                    assert_eq!(outcome.violation, None, "seed {seed}");
                    calls.fetch_add(core.calls, Ordering::Relaxed);
                }
            });
        }
    });
    let calls = calls.load(Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} schedules, {calls} calls of the component, {seconds:.1} s");
    let figures = [("schedules through component and SQLite", count)];
    figures::note("real", seconds, &figures).expect("the figures are noted");
}

/// Half a minute on two cores.
const SCHEDULES: u64 = 500;
