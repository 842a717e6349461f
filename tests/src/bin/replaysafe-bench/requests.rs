//! What does a fresh sandbox cost a single request?

use std::{hint::black_box, slice};

use replaysafe::guest::Guest;
use replaysafe_core::door::{self, LIFECYCLE};
use replaysafe_tests::decisions::{self, Call};

use crate::{
    hosted,
    rounds::{Ratio, ratio},
    table::Measure,
};

/// All that concerns single requests.
///
/// # Errors
///
/// Where the sandbox cannot be set up.
pub(crate) fn measure(
    guest: &Guest,
    component: &[u8],
    planning: &[u8],
) -> Result<Vec<Measure>, wasmtime::Error> {
    let request = decisions::replacement();
    let decide = decisions::first("decide", request.clone());
    let default = hosted::Default::new(component)?;
    let floor = ratio(
        || drop(black_box(guest.entry_request(""))),
        || default.call().expect("the component answers"),
    );
    Ok(vec![
        Measure::of("floor: an instance and an empty call / by defaults", floor)
            .at_most(0.15, 0.08),
        Measure::of("decide, 1 observed: fresh / native", beside(guest, slice::from_ref(&decide)))
            .at_most(3.0, 2.0),
        Measure::of(
            "decide, 100 observed: fresh / native",
            beside(guest, &[decisions::listed(100)]),
        )
        .at_most(1.6, 1.3),
        Measure::of("admit, decide, settle: fresh / native", beside(guest, &request))
            .at_most(3.0, 2.0),
        Measure::of("decide, 1 observed: fresh / warm", warm(guest, component, &decide)?)
            .at_most(1.5, 1.3),
        Measure::of("decide, 1 observed: JSON door / typed door", doors(guest, &decide)),
        Measure::of("decide, 1 observed: JSON door, fresh / native", json(guest, &decide)),
        size("component, KiB", component),
        size("planning component, KiB", planning),
    ])
}

/// The component beside the core in this process.
pub(crate) fn beside(guest: &Guest, calls: &[Call]) -> Ratio {
    let sandboxed: Vec<_> = calls.iter().filter_map(hosted::Decision::of).collect();
    let native: Vec<_> = calls.iter().filter_map(decisions::Decision::of).collect();
    ratio(
        || {
            for call in &sandboxed {
                assert!(black_box(call.make(guest)).is_ok(), "the component answers");
            }
        },
        || {
            for call in &native {
                assert!(black_box(call.make()).is_ok(), "the core answers");
            }
        },
    )
}

fn warm(guest: &Guest, component: &[u8], call: &Call) -> Result<Ratio, wasmtime::Error> {
    let Some(hosted::Decision::Decide(situation)) = hosted::Decision::of(call) else {
        return Err(wasmtime::Error::msg("not a `decide`"));
    };
    let situation = Box::leak(Box::new(situation));
    let mut warm = hosted::Warm::new(component)?;
    Ok(ratio(
        || assert!(black_box(guest.decide(situation)).is_ok(), "the component answers"),
        || assert!(matches!(black_box(warm.decide(situation)), Ok(Ok(_))), "the component answers"),
    ))
}

fn doors(guest: &Guest, call: &Call) -> Ratio {
    let (input, typed) = (call.input.to_string(), hosted::Decision::of(call).expect("a decision"));
    ratio(
        || {
            assert!(
                black_box(guest.call_json(&call.function, &input)).is_ok(),
                "the component answers"
            );
        },
        || assert!(black_box(typed.make(guest)).is_ok(), "the component answers"),
    )
}

fn json(guest: &Guest, call: &Call) -> Ratio {
    let input = call.input.to_string();
    ratio(
        || {
            assert!(
                black_box(guest.call_json(&call.function, &input)).is_ok(),
                "the component answers"
            );
        },
        || drop(black_box(door::call(&[&LIFECYCLE], &call.function, &input))),
    )
}

fn size(name: &str, component: &[u8]) -> Measure {
    let bytes = u32::try_from(component.len()).unwrap_or(u32::MAX);
    Measure::new(name, f64::from(bytes) / 1024.0)
        .at_most(400.0, 200.0)
        .detail(format!("{bytes} bytes"))
}
