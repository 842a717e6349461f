//! A process stops at each of its steps, in each way: the next one ends what it began (A7; catalogue no 81, 85 and 86).

use crate::{
    depth::{Depth, Seen},
    flow::Flow,
    life::{Course, End},
    stop::Step,
    vfs,
    world::Faults,
};

#[tokio::test(start_paused = true)]
async fn a_create_survives_a_stop_at_every_step() {
    check(Flow::create()).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_survives_a_stop_at_every_step() {
    check(Flow::replace()).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_member_survives_a_stop_at_every_step() {
    check(Flow::patch()).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_survives_a_stop_at_every_step() {
    check(Flow::delete()).await;
}

#[tokio::test(start_paused = true)]
async fn a_return_survives_a_stop_at_every_step() {
    check(Flow::rehire()).await;
}

#[tokio::test(start_paused = true)]
async fn a_revocation_survives_a_stop_at_every_step() {
    check(Flow::revoke()).await;
}

async fn check(flow: Flow) {
    vfs::install();
    let (depth, mut seen) = (Depth::asked(), Seen { flows: 1, ..Seen::default() });
    let start = Course::new(&flow).await;
    for (at, step) in (1_usize..).zip(&undisturbed(&start).await).step_by(depth.steps) {
        // To die before one reads is to die before the step behind it.
        if *step == Step::Read {
            continue;
        }
        for end in ends(at, *step, depth) {
            let course = stopped(&start, at, end).await;
            seen.points += 1;
            seen.note(|| format!("{at} ({step:?}), {end:?}"), course.last().await);
        }
    }
    seen.tell(flow.name);
}

/// A copy of the course after a process that has stopped at this step, in this way.
pub(crate) async fn stopped<'a>(start: &Course<'a>, at: usize, end: End) -> Course<'a> {
    let (mut course, faults) = (start.copy(), Faults::stop_at(at));
    let disk = course.live(&faults, None).await;
    course.ended = !faults.stop().is_dead();
    course.end(&disk, end);
    course
}

/// The steps of a process that nothing happens to.
pub(crate) async fn undisturbed(start: &Course<'_>) -> Vec<Step> {
    let (course, faults) = (start.copy(), Faults::default());
    drop(course.live(&faults, None).await);
    assert_eq!(course.told().len(), start.flow.calls.len());
    course.last().await.unwrap();
    faults.stop().taken()
}

/// In how many ways it makes a difference to end before this step.
fn ends(at: usize, step: Step, depth: Depth) -> Vec<End> {
    let (all, some) = (End::Power, End::Torn(at as u64));
    match step {
        // What is on the disk is as it was before the step in front of it.
        Step::Read | Step::Lock | Step::ShmMap | Step::ShmLock => vec![End::Killed],
        Step::Host | Step::Open | Step::Write | Step::Truncate | Step::Sync | Step::Delete => {
            match (depth.both, at.is_multiple_of(2)) {
                (true, _) => vec![End::Killed, all, some],
                (false, true) => vec![End::Killed, all],
                (false, false) => vec![End::Killed, some],
            }
        }
    }
}
