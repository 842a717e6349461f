//! A process stops, and the one that recovers stops as well: the third ends what they began (A7; catalogue no 82).

use crate::{
    depth::{Depth, Seen},
    flow::Flow,
    life::{Course, End},
    points::{stopped, undisturbed},
    stop::Step,
    vfs,
};

#[tokio::test(start_paused = true)]
async fn a_create_survives_two_stops() {
    check(Flow::create()).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_survives_two_stops() {
    check(Flow::replace()).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_member_survives_two_stops() {
    check(Flow::patch()).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_survives_two_stops() {
    check(Flow::delete()).await;
}

#[tokio::test(start_paused = true)]
async fn a_return_survives_two_stops() {
    check(Flow::rehire()).await;
}

#[tokio::test(start_paused = true)]
async fn a_revocation_survives_two_stops() {
    check(Flow::revoke()).await;
}

async fn check(flow: Flow) {
    vfs::install();
    let Some((stride, then_stride)) = Depth::asked().pairs else { return };
    let mut seen = Seen::default();
    let start = Course::new(&flow).await;
    for (at, step) in (1_usize..).zip(&undisturbed(&start).await).step_by(stride) {
        if *step == Step::Read {
            continue;
        }
        let first = stopped(&start, at, END[at % END.len()]).await;
        // Other steps after each stop.
        for then in (1 + at % then_stride..).step_by(then_stride) {
            let end = END[(at / 2 + then) % END.len()];
            let course = stopped(&first, then, end).await;
            if course.ended {
                break;
            }
            seen.pairs += 1;
            seen.note(|| format!("{at}, then {then}, {end:?}"), course.last().await);
        }
    }
    seen.tell(flow.name);
}

const END: [End; 3] = [End::Killed, End::Power, End::Torn(7)];
