//! What do two threads get done, beside one?

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use replaysafe::guest::Guest;
use replaysafe_tests::decisions;

use crate::{
    clock,
    hosted::Decision,
    rounds::quartiles,
    table::{Measure, short},
};

/// By the processor's time: what two threads take of it for a decision, beside what one takes, so that other programs may run meanwhile. Who waits for a
/// lock takes none: what the clock on the wall says is told beside it, of the best rounds.
pub(crate) fn measure(guest: &Guest) -> Measure {
    let decide = decisions::first("decide", decisions::replacement());
    let decide = Decision::of(&decide).expect("a decision");
    let rounds: Vec<(Done, Done)> =
        (0..ROUNDS).map(|_| (done(guest, &decide, 1), done(guest, &decide, 2))).collect();
    let scaled = |(one, two): &(Done, Done)| 2.0 * one.busy / two.busy;
    let [low, value, high] = quartiles(rounds.iter().map(scaled));
    let best = |of: fn(&(Done, Done)) -> f64| rounds.iter().map(of).fold(0.0, f64::max);
    let (one, two) = (best(|(one, _)| one.a_second), best(|(_, two)| two.a_second));
    let detail = format!(
        "{} to {}; by the clock on the wall {one:.0} and {two:.0} a second, {}",
        short(low),
        short(high),
        short(two / one)
    );
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let value = (2 <= cores).then_some(value);
    Measure::new("two threads / one, decisions", value).at_least(1.6, 1.9).detail(detail)
}

/// What some threads did together.
struct Done {
    /// Seconds that a decision took of a processor.
    busy: f64,
    /// Decisions a second, by the clock on the wall.
    a_second: f64,
}

fn done(guest: &Guest, decide: &Decision, threads: usize) -> Done {
    let together = Barrier::new(threads);
    let work = || {
        together.wait();
        let (began, before) = (Instant::now(), clock::of_thread());
        let mut count = 0;
        while began.elapsed() < ROUND {
            assert!(black_box(decide.make(guest)).is_ok(), "the component answers");
            count += 1;
        }
        let busy = (clock::of_thread() - before).as_secs_f64();
        (f64::from(count), busy, f64::from(count) / began.elapsed().as_secs_f64())
    };
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let all = all.into_iter().map(|one| one.join().expect("no thread panics"));
        let sum =
            all.fold((0.0, 0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
        Done { busy: sum.1 / sum.0, a_second: sum.2 }
    })
}

const ROUND: Duration = Duration::from_millis(100);

const ROUNDS: usize = 15;
