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

/// S14c, S21: what a create has made was seen and deleted by its id; of what is of a life that is over nothing is listed.
#[test]
fn a_create_whose_resource_was_seen_and_deleted_needs_no_list() {
    check_from(311_556, 1, Worlds::default());
}

fn check(worlds: Worlds) {
    check_from(0, SCHEDULES, worlds);
}

fn check_from(first: u64, count: u64, worlds: Worlds) {
    let mut core = Decider::default();
    for seed in first..first + count {
        let outcome = schedule::run(seed, worlds, &mut core, &mut |_, _, _| {});
        assert_eq!(outcome.violation, None, "seed {seed}");
    }
}

/// Some seconds, each in a thread of its own.
const SCHEDULES: u64 = 1_500;
