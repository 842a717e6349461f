//! Runs schedules, says how fast, and names the laws that did not hold with a seed for each.
//!
//! usage: `replaysafe-prove run FIRST COUNT [shared] [RULE]` or `replaysafe-prove trace SEED [shared] [RULE]`.
//! `shared` is one ledger for several gateways, which the SQLite ledger does not allow; RULE switches a rule off.
//! Exits with 1 if a law did not hold.

#![expect(clippy::print_stdout, reason = "a program's output")]

use std::{process::ExitCode, time::Instant};

use replaysafe_tests::sim::{
    decider::Decider,
    rule::Rule,
    schedule::{self, Worlds},
};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let first: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let count: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut off = Worlds::default();
    for word in arguments {
        off.shared |= word == "shared";
        off.off = off.off.or(Rule::ALL.into_iter().find(|rule| rule.word() == word));
    }
    let mut core = Decider::default();
    let began = Instant::now();
    if command == "trace" {
        let world = schedule::world(first, off);
        println!("{:?}\n{:?} {:?}", world.setup.profile, world.setup.policy, world.budget);
        println!("{} gateways; the target has {:?}", world.setup.gateways, world.target.store);
        for (number, intent) in world.setup.intents.iter().enumerate() {
            println!("wish {number} of client {}: {intent}", intent.client);
        }
        let outcome = schedule::run(first, off, &mut core, &mut |world, action, events| {
            println!("{:>8} {action}", world.now);
            for event in events {
                println!("           {event}");
            }
        });
        println!("{:?}", outcome.violation);
        return ExitCode::SUCCESS;
    }
    let mut steps = 0_u64;
    let mut found = std::collections::BTreeMap::<&str, (u64, u64)>::new();
    for seed in first..first + count {
        let outcome = schedule::run(seed, off, &mut core, &mut |_, _, _| {});
        steps += u64::from(outcome.steps);
        if let Some(violation) = outcome.violation {
            let entry = found.entry(violation.law).or_insert((0, seed));
            entry.0 += 1;
            if entry.0 <= 2 {
                println!("seed {seed}: {violation}");
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{count} schedules, {steps} steps, {} calls of the core, {seconds:.1} s, {:.0} schedules/s",
        core.calls,
        count as f64 / seconds
    );
    println!("{found:?}");
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
