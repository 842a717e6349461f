//! Makes one of the measured decisions natively, again and again: what callgrind counts and perf watches.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]

use std::{hint::black_box, process::ExitCode};

use replaysafe_tests::decisions::{self, Decision};

const USAGE: &str = "\
usage: replaysafe-decide list            the names of the decisions
       replaysafe-decide NAME [TIMES]    makes it";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let times = |text: &str| text.parse::<u64>().ok();
    let chosen = match words.as_slice() {
        ["list"] => {
            decisions::NAMED.iter().for_each(|(name, _)| println!("{name}"));
            return ExitCode::SUCCESS;
        }
        [name] => find(name).zip(Some(1)),
        [name, count] => find(name).zip(times(count)),
        _ => None,
    };
    let Some((made, times)) = chosen else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let decision = made();
    // What is made once, when it is first needed, is made by then.
    black_box(decision.make().is_ok());
    for _ in 0..times {
        counted(&decision);
    }
    ExitCode::SUCCESS
}

fn find(name: &str) -> Option<fn() -> Decision> {
    decisions::NAMED.iter().find(|(known, _)| *known == name).map(|(_, made)| *made)
}

/// Callgrind counts what happens in here: `scripts/bench.sh`.
#[inline(never)]
fn counted(decision: &Decision) {
    let step = decision.make();
    assert!(black_box(step).is_ok(), "a measured decision holds");
}
