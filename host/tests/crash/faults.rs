//! The disk fails at each step, in each way: nothing is told that is not on it, and it heals without a hand
//! (A7; catalogue no 86 and 88).

use crate::{
    depth::{Depth, Seen},
    disk::{Fault, Kind},
    flow::Flow,
    life::{Course, End, Patience},
    points::undisturbed,
    stop::Stop,
    vfs,
    world::Faults,
};

#[tokio::test(start_paused = true)]
async fn a_create_survives_a_failing_disk() {
    check(Flow::create()).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_survives_a_failing_disk() {
    check(Flow::replace()).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_member_survives_a_failing_disk() {
    check(Flow::patch()).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_survives_a_failing_disk() {
    check(Flow::delete()).await;
}

#[tokio::test(start_paused = true)]
async fn a_return_survives_a_failing_disk() {
    check(Flow::rehire()).await;
}

#[tokio::test(start_paused = true)]
async fn a_revocation_survives_a_failing_disk() {
    check(Flow::revoke()).await;
}

async fn check(flow: Flow) {
    vfs::install();
    let (depth, mut seen) = (Depth::asked(), Seen::default());
    let start = Course::new(&flow).await;
    let steps = undisturbed(&start).await;
    for kind in Kind::TOLD {
        for (at, step) in (1_usize..).zip(&steps).step_by(depth.steps) {
            if !kind.concerns(*step) || !depth.fails_at(kind, at, *step) {
                continue;
            }
            for then in [Then::Healed, Then::Dead] {
                if depth.both || (then == Then::Dead) == (at / 3).is_multiple_of(2) {
                    let fault = Fault { kind, from: at };
                    let course = start.copy();
                    // Beside one another, two connections do not take their steps in the same order each time.
                    seen.faults += usize::from(0 < fails(&course, fault, then).await);
                    let found = course.last().await;
                    seen.note(|| format!("{kind:?} at {at} ({step:?}), then {then:?}"), found);
                }
            }
        }
    }
    seen.tell(flow.name);
}

/// What follows a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It is over, and the same process is asked again until it tells how the call ended.
    Healed,
    /// The power goes while it lasts.
    Dead,
}

/// A process whose disk fails, and then the power goes; gives how often it failed.
async fn fails(course: &Course<'_>, fault: Fault, then: Then) -> usize {
    let stop = Stop::at(0);
    let disk = course.mount(&stop, Some(fault));
    let faults = Faults::stopping(stop.clone());
    let process = course.open(&faults);
    if let Ok(process) = &process {
        course.work(process, &stop, Patience::AsksOnce).await;
    }
    if then == Then::Healed {
        disk.heal();
        // A process that did not start is started again by whoever watches it.
        let process = process.or_else(|_| course.open(&faults)).unwrap();
        course.work(&process, &stop, Patience::Insists).await;
        assert_eq!(course.told().len(), course.flow.calls.len(), "{fault:?}");
    } else {
        drop(process);
    }
    disk.unmount();
    course.end(&disk, End::Power);
    disk.hits()
}
