//! How does the cost grow with what is given?
//!
//! Where the time for ten times as much is the n-th power of ten as long, n is told, between the two largest sizes: what a call costs
//! whatever it is given is least there, and what is not linear shows most.

use std::hint::black_box;

use replaysafe::guest::Guest;
use replaysafe_tests::decisions::{self, Call};

use crate::{
    hosted::Decision,
    rounds::median,
    table::{Measure, short},
};

pub(crate) fn measure(guest: &Guest) -> Vec<Measure> {
    vec![
        grown(guest, "request of 1 KB to 1 MB", &[10, 130, 1_300, 13_000], decisions::group),
        grown(guest, "1 to 10,000 observed", &[1, 10, 100, 1_000, 10_000], decisions::listed),
    ]
}

fn grown(guest: &Guest, name: &str, sizes: &[usize], call: fn(usize) -> Call) -> Measure {
    let mut seen: Vec<(f64, f64)> = Vec::new();
    for size in sizes {
        let call = call(*size);
        let bytes = u32::try_from(call.input.to_string().len()).unwrap_or(u32::MAX);
        let decision = Decision::of(&call).expect("a decision");
        let time =
            median(|| assert!(black_box(decision.make(guest)).is_ok(), "the component answers"));
        seen.push((f64::from(bytes), 1e9 * time.as_secs_f64()));
    }
    let exponent = match seen.as_slice() {
        [.., (less, sooner), (more, later)] => (later / sooner).ln() / (more / less).ln(),
        _ => f64::NAN,
    };
    let each: Vec<String> = seen
        .iter()
        .map(|(bytes, time)| format!("{} KB {}", short(bytes / 1e3), short(time / bytes)))
        .collect();
    Measure::new(format!("growth, {name}: the power"), exponent)
        .at_most(1.1, 1.0)
        .detail(format!("ns a byte: {}", each.join(", ")))
}
