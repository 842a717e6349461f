//! A large list is decided on in a time that grows with it, not with its square (S44).
//!
//! `cargo test --release -p replaysafe-core --test large -- --nocapture` prints what each size takes.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may fail, and says what it measured"
)]

use std::{fs, time::Duration};

use replaysafe_core::{
    ordered::BTreeSet,
    schema::Schema,
    statement::{Allowance, Operation, PathKey, Statement},
};
use replaysafe_json::{Limits, Value, parse};

/// A test without optimisation is done in seconds. S44 lets a list have 200,000.
const SIZES: [usize; 2] = [500, 4_000];

/// Eight times as much takes at most 24 times as long; a square would take 64 times.
const GROWTH_MOST: u32 = 24;

#[test]
fn the_work_grows_with_the_list() {
    for (name, body) in FORMS {
        let time = |size: usize| {
            let (resource, body) = (group(0, size), body(size));
            let once = || work(&resource, &body, size);
            let best = (0..3).map(|_| once()).min().expect("a time");
            println!("{name}: {size} items in {} ms", best.as_millis());
            best
        };
        let [small, large] = SIZES.map(time);
        let most = small.max(Duration::from_millis(5)) * GROWTH_MOST;
        assert!(large < most, "{name}: {} ms, then {} ms", small.as_millis(), large.as_millis());
    }
}

type Form = (&'static str, fn(usize) -> String);

const FORMS: [Form; 6] = [
    ("one add, half present", |size| add(size / 2, size + size / 2)),
    ("one replace, half present", |size| {
        format!(
            r#"{{"op":"replace","path":"members","value":[{}]}}"#,
            members(size / 2, size + size / 2)
        )
    }),
    ("one removal with values", |size| {
        format!(
            r#"{{"op":"Remove","path":"members","value":[{}]}}"#,
            members(size / 2, size + size / 2)
        )
    }),
    ("an add each", |size| {
        (size / 2..size + size / 2).map(|id| add(id, id + 1)).collect::<Vec<_>>().join(",")
    }),
    ("a removal each", |size| {
        let each = size / 2..size + size / 2;
        each.map(|id| format!(r#"{{"op":"remove","path":"members[value eq \"{id}\"]"}}"#))
            .collect::<Vec<_>>()
            .join(",")
    }),
    ("a removal and an add each", |size| {
        let each = size / 2..size + size / 2;
        each.map(|id| {
            let removal = format!(r#"{{"op":"remove","path":"members[value eq \"{id}\"]"}}"#);
            format!("{removal},{}", add(id, id + 1))
        })
        .collect::<Vec<_>>()
        .join(",")
    }),
];

/// All that is worked out of one request: what it says, what it would change, also where every second thing is held, and whether it reads back.
fn work(resource: &Value, operations: &str, size: usize) -> Duration {
    let body = json(&format!(r#"{{"Operations":[{operations}]}}"#));
    let schema = Schema::default();
    let withheld =
        (0..size).step_by(2).map(|id| PathKey(format!("members/{}", id + size))).collect();
    let began = ran();
    let of = Statement::read(Operation::Patch, "Group", Some("1"), Some(&body), None, &schema)
        .expect("well-formed");
    let said = (of.fingerprint(), of.touched(), of.takes());
    let unshown = BTreeSet::from(["members".to_owned()]);
    let allowances = [
        Allowance::default(),
        Allowance { unshown, ..Allowance::default() },
        Allowance { only_taking: true, ..Allowance::default() },
        Allowance { withheld, ..Allowance::default() },
    ];
    for allow in allowances {
        let difference = of.against(resource, &schema, &allow);
        assert!(!difference.names.is_empty());
    }
    let holds = of.holds(Some(resource), resource, &schema);
    let took = ran().saturating_sub(began);
    assert!(!said.0.is_empty() && !holds.not_kept.is_empty());
    took
}

/// For how long this thread has had a processor, to some 4 ms: what else the machine does counts for nothing.
fn ran() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says it");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}

fn add(from: usize, to: usize) -> String {
    format!(r#"{{"op":"add","path":"members","value":[{}]}}"#, members(from, to))
}

fn group(from: usize, to: usize) -> Value {
    json(&format!(r#"{{"id":"1","members":[{}]}}"#, members(from, to)))
}

fn members(from: usize, to: usize) -> String {
    (from..to).map(|id| format!(r#"{{"value":"{id}"}}"#)).collect::<Vec<_>>().join(",")
}

fn json(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::answer()).expect("valid")
}
