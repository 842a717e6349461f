//! Would it be noticed? What breaks a promise of the ledger or of the disk breaks what is checked here.

use crate::{
    disk::{Fault, Kind},
    flow::{Flow, SECRET},
    life::{Course, End},
    points::undisturbed,
    stop::Stop,
    vfs,
    world::Faults,
};

/// As under `synchronous=OFF`, or on a disk that says too early that it has written.
#[tokio::test(start_paused = true)]
async fn a_flush_that_is_not_made_is_noticed() {
    let lies = Some(Fault { kind: Kind::Lying, from: 1 });
    let found = broken(&Flow::create(), lies, &|_| {}, End::Power).await;
    notices(&found, "1 effects, and 0 records of them");
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_answers_before_it_writes_is_noticed() {
    let found = broken(&Flow::create(), None, &Faults::tell_early, End::Killed).await;
    notices(&found, "1 effects, and 0 records of them");
    let found = broken(&Flow::delete(), None, &Faults::tell_early, End::Killed).await;
    notices(&found, "2 effects, and 1 records of them");
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_a_file_is_noticed() {
    let flow = Flow::create();
    let course = Course::new(&flow).await;
    let text = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    std::fs::write(course.world.path("log"), format!("sent {text}")).unwrap();
    notices(&course.last().await.err().into_iter().collect::<Vec<_>>(), "log has a secret");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_noticed_where_nothing_is_wrong() {
    assert_eq!(broken(&Flow::create(), None, &|_| {}, End::Power).await, [""; 0]);
}

/// What is found where the process stops at every few steps, and nothing else is as it should be.
async fn broken(
    flow: &Flow,
    fault: Option<Fault>,
    mistake: &dyn Fn(&Faults),
    end: End,
) -> Vec<String> {
    vfs::install();
    let start = Course::new(flow).await;
    let steps = undisturbed(&start).await.len();
    let mut found = Vec::new();
    for at in (1..=steps + 1).step_by(3) {
        let (course, faults) = (start.copy(), Faults::stopping(Stop::at(at)));
        mistake(&faults);
        let disk = course.live(&faults, fault).await;
        course.end(&disk, end);
        found.extend(course.last().await.err());
    }
    found
}

#[track_caller]
fn notices(found: &[String], what: &str) {
    assert!(found.iter().any(|wrong| wrong.contains(what)), "{what} is not among {found:#?}");
}
