//! Long work: how far has it come, how fast does it go, and how long does it take still?

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::output::Output;

/// Says from time to time how far some work has come.
pub(crate) struct Teller {
    output: Output,
    /// What is counted.
    what: String,
    began: Instant,
    told: Mutex<Instant>,
}

impl Teller {
    pub(crate) fn new(output: Output, what: impl Into<String>) -> Self {
        let began = Instant::now();
        Self { output, what: what.into(), began, told: Mutex::new(began) }
    }

    /// So many of so many have ended, as far as that is known; `more` stands behind it.
    pub(crate) fn tell(&self, ended: usize, total: Option<usize>, more: &str) {
        // Who panicked with it had nothing else in hand: nothing is lost by telling no more.
        let Ok(mut told) = self.told.lock() else { return };
        if told.elapsed() < TELL_EVERY {
            return;
        }
        *told = Instant::now();
        let line = line(&self.what, ended, total, self.began.elapsed());
        self.output.progress(&format!("{line}{more}"));
    }
}

fn line(what: &str, ended: usize, total: Option<usize>, elapsed: Duration) -> String {
    let number = |count: usize| u128::try_from(count).unwrap_or(u128::MAX);
    let millis = elapsed.as_millis().max(1);
    let rate = number(ended).saturating_mul(1_000) / millis;
    let Some(total) = total else { return format!("{ended} {what}, {rate} a second") };
    let rest = number(total.saturating_sub(ended)).saturating_mul(millis);
    let left = rest.checked_div(number(ended)).unwrap_or_default() / 1_000;
    format!("{ended} of {total} {what}, {rate} a second, {left} s left")
}

/// 5 seconds: who waits sees that it goes on, and a long run fills no log.
const TELL_EVERY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_rate_and_remaining_time() {
        let check = |ended: usize, total: Option<usize>, seconds: u64, expected: &str| {
            assert_eq!(line("effects", ended, total, Duration::from_secs(seconds)), expected);
        };
        check(300, Some(1_500), 10, "300 of 1500 effects, 30 a second, 40 s left");
        check(0, Some(1), 0, "0 of 1 effects, 0 a second, 0 s left");
        check(300, None, 10, "300 effects, 30 a second");
    }
}
