//! Is memory flat? A process of its own makes hostile calls, 200 of each kind, and tells what it has.

use std::{fs, process::Command};

use crate::{
    limits::{GROWS, OUTPUTS, TRAPS, call, calls},
    tricks::{Trick, guest},
};

#[test]
fn memory_is_flat() {
    // What compiling leaves behind would hide what calls do: the child finds the code in the cache.
    drop(guest());
    // Other tests of this program would be measured, too.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::calls_in_a_process_of_their_own", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    let measured = said.lines().filter(|line| line.contains(" calls: ")).count();
    assert_eq!(measured, TRAPS.len() + OUTPUTS.len(), "{said}");
}

/// The child; nothing where it is not one.
#[test]
fn calls_in_a_process_of_their_own() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let guest = guest();
    for (trick, why) in TRAPS.iter().chain(OUTPUTS) {
        let calls = calls(trick);
        // What is kept for the next call is there from then on.
        call(&guest, trick);
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = kilobytes("VmRSS:");
        for _ in 0..calls {
            assert_eq!(call(&guest, trick), Some(*why), "{trick:?}");
        }
        let (after, most) = (kilobytes("VmRSS:"), kilobytes("VmHWM:"));
        println!("{}: {calls} calls: {before} KiB, {after} KiB, at most {most} KiB", trick.name);
        assert!(after < before + KEPT_KIB_MOST, "{trick:?}: {before} KiB, then {after} KiB");
        let most_allowed = before + held_most(trick);
        assert!(most < most_allowed, "{trick:?}: {before} KiB, meanwhile {most} KiB");
    }
}

/// How much a call may have while it lasts.
fn held_most(trick: &Trick) -> u64 {
    // docs/limits.md: its memory, and what it gives; here as little as the others where it gives nothing.
    if trick.name == GROWS.name { (1536 << 10) + KEPT_KIB_MOST } else { (64 << 10) + KEPT_KIB_MOST }
}

/// A line of what the system says of this process.
fn kilobytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const CHILD: &str = "REPLAYSAFE_TEST_HOSTILE_MEMORY";

/// 16 MiB: a few slots with what stays with them (1 MiB each), and what an allocator keeps.
const KEPT_KIB_MOST: u64 = 16 << 10;
