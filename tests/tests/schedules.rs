//! The first simulated schedules, natively: no law is broken, and everything comes to rest.
//!
//! `scripts/test.sh prove` runs many more of them; these few are what a change of the core meets first.

use replaysafe_tests::sim::{
    decider::Decider,
    schedule::{self, Worlds},
};

#[test]
fn no_law_is_broken() {
    check(Worlds::default());
}

#[test]
fn no_law_is_broken_where_gateways_share_a_ledger() {
    check(Worlds { shared: true, ..Worlds::default() });
}

fn check(worlds: Worlds) {
    let mut core = Decider::default();
    for seed in 0..SCHEDULES {
        let outcome = schedule::run(seed, worlds, &mut core, &mut |_, _, _| {});
        assert_eq!(outcome.violation, None, "seed {seed}");
    }
}

/// Some seconds, each in a thread of its own.
const SCHEDULES: u64 = 1_500;
