//! How do two kinds of work compare?
//!
//! They take turns, for some milliseconds each, so that what slows the machine down slows both. What is told is the median of the rounds,
//! and the quarter of them below it and above it.

use std::time::Duration;

use crate::clock;

/// How one kind of work compares with another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    /// The first divided by the second.
    pub(crate) value: f64,
    /// Half of the rounds lie between these.
    pub(crate) spread: (f64, f64),
    /// How long the first takes.
    pub(crate) first: Duration,
    /// How long the second takes.
    pub(crate) second: Duration,
}

/// Compares, by the processor's time of this thread.
pub(crate) fn ratio(mut first: impl FnMut(), mut second: impl FnMut()) -> Ratio {
    let (many, more) = (enough(&mut first), enough(&mut second));
    let rounds = (0..ROUNDS).map(|round| {
        // Who comes first finds other caches than who comes second.
        if round % 2 == 0 {
            let one = time(many, &mut first);
            (one, time(more, &mut second))
        } else {
            let other = time(more, &mut second);
            (time(many, &mut first), other)
        }
    });
    let rounds: Vec<(f64, f64)> = rounds.collect();
    let [low, value, high] = quartiles(rounds.iter().map(|(one, other)| one / other));
    let [_, first, _] = quartiles(rounds.iter().map(|(one, _)| *one));
    let [_, second, _] = quartiles(rounds.iter().map(|(_, other)| *other));
    let seconds = Duration::from_secs_f64;
    Ratio { value, spread: (low, high), first: seconds(first), second: seconds(second) }
}

/// How long some work takes.
pub(crate) fn median(mut work: impl FnMut()) -> Duration {
    let many = enough(&mut work);
    let [_, median, _] = quartiles((0..ROUNDS).map(|_| time(many, &mut work)));
    Duration::from_secs_f64(median)
}

/// How often it must be done to take long enough. What is done for the first time is done then.
fn enough(work: &mut impl FnMut()) -> u32 {
    work();
    let mut many = 1;
    while many < MANY_MOST && f64::from(many) * time(many, work) < ROUND.as_secs_f64() {
        many *= 2;
    }
    many
}

/// Seconds for one.
fn time(many: u32, work: &mut impl FnMut()) -> f64 {
    let began = clock::of_thread();
    for _ in 0..many {
        work();
    }
    (clock::of_thread() - began).as_secs_f64() / f64::from(many)
}

/// The values a quarter, a half and three quarters up.
pub(crate) fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| {
        values
            .get((values.len() * quarter / 4).min(values.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    })
}

/// 5 ms: a thousand times what reading the clock takes.
const ROUND: Duration = Duration::from_millis(5);

/// Odd, so that one of them is the median.
const ROUNDS: u32 = 31;

const MANY_MOST: u32 = 1 << 20;
