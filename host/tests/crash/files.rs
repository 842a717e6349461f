//! Files that are not as SQLite left them, and two that want one ledger: refused, or whole (catalogue no 88 and 89).

use std::{fs, path::Path, sync::Arc};

use replaysafe::{
    contract::{Entry, Verdict},
    keys::LedgerKey,
    ledger::{Ledger as _, LedgerError, SqliteLedger},
};

use crate::{
    flow::Flow,
    life::Course,
    world::{Faults, create, insist, patch, with_key},
};

/// A new name in the same folder, too: it is the file that is locked.
#[tokio::test(start_paused = true)]
async fn one_file_is_opened_by_one_process() {
    let flow = Flow::create();
    let course = Course::new(&flow).await;
    let process = course.open(&Faults::default()).unwrap();
    fs::hard_link(course.world.path("ledger"), course.world.path("other")).unwrap();
    for name in ["ledger", "other"] {
        let said = open(&course.world.path(name), &course.world.path("key")).unwrap_err();
        assert!(matches!(said, LedgerError::InUse { .. }), "{said:?}");
        assert!(said.to_string().contains("in use by another process"), "{said}");
    }
    drop(process);
    drop(open(&course.world.path("other"), &course.world.path("key")).unwrap());
}

/// The copy of files in use has all that was told, and does not open with another key. That it is a copy nobody can tell:
/// a restored ledger is not to be served from (S42).
#[tokio::test(start_paused = true)]
async fn a_copy_of_files_in_use_is_whole() {
    let flow = Flow::create();
    let course = Course::new(&flow).await;
    let process = course.open(&Faults::default()).unwrap();
    let told = insist(&process, &flow.calls[0]).await;
    let copy = tempfile::tempdir().unwrap();
    for name in ["ledger", "ledger-wal", "key"] {
        let _length = fs::copy(course.world.path(name), copy.path().join(name)).unwrap();
    }
    let said = open(&copy.path().join("ledger"), &copy.path().join("new")).unwrap_err();
    assert!(said.to_string().contains("another key"), "{said}");
    let ledger = open(&copy.path().join("ledger"), &copy.path().join("key")).unwrap();
    assert_eq!(ledger.entry(&told.decision).await.unwrap().unwrap().id, told.decision);
    assert_eq!(ledger.audit().await.unwrap(), []);
}

/// A log that is removed while nobody has it open takes with it what was not in the ledger's own file: nobody can tell, as
/// nothing else says that there was one. No crash does that; whoever copies or restores one file without the other does.
#[tokio::test(start_paused = true)]
async fn a_file_without_its_log_is_an_older_ledger() {
    let flow = Flow::create();
    let course = Course::new(&flow).await;
    let process = course.open(&Faults::default()).unwrap();
    let told = insist(&process, &flow.calls[0]).await;
    let copy = tempfile::tempdir().unwrap();
    for name in ["ledger", "key"] {
        let _length = fs::copy(course.world.path(name), copy.path().join(name)).unwrap();
    }
    let ledger = open(&copy.path().join("ledger"), &copy.path().join("key")).unwrap();
    assert_eq!(ledger.entry(&told.decision).await.unwrap(), None);
    assert_eq!(ledger.audit().await.unwrap(), []);
}

/// What is written to a file that has lost its name is gone with the process: nothing is told of it, and nothing is sent.
#[tokio::test(start_paused = true)]
async fn nothing_is_told_once_a_file_was_removed_or_replaced() {
    for name in ["ledger-wal", "ledger"] {
        for replaced in [false, true] {
            let flow = Flow::create();
            let course = Course::new(&flow).await;
            let process = course.open(&Faults::default()).unwrap();
            let told = insist(&process, &flow.calls[0]).await;
            let file = course.world.path(name);
            if replaced {
                let _length = fs::copy(&file, course.world.path("aside")).unwrap();
                fs::rename(course.world.path("aside"), &file).unwrap();
            } else {
                fs::remove_file(&file).unwrap();
            }
            for call in [create("ben"), with_key(patch("u1", "displayName", &"A".into()), "name")] {
                let answer = process.provision(call).await;
                assert_eq!(answer.verdict, Verdict::Unavailable, "{name}");
            }
            assert_eq!(course.world.service.sent(), ["POST"], "{name}");
            assert!(!process.readiness().await.ready, "{name}");
            // What is known is known.
            assert_eq!(insist(&process, &flow.calls[0]).await.decision, told.decision);
        }
    }
}

/// A page that is torn or missing is told of, or the row that it held is not believed.
#[tokio::test(start_paused = true)]
async fn a_torn_file_is_refused_or_told_of() {
    let flow = Flow::create();
    let course = Course::new(&flow).await;
    let process = course.open(&Faults::default()).unwrap();
    let told = insist(&process, &flow.calls[0]).await;
    let entry = process.ledger().entry(&told.decision).await.unwrap().unwrap();
    drop(process);
    let (file, key) = (course.world.path("ledger"), course.world.path("key"));
    let whole = fs::read(&file).unwrap();
    for length in (0..whole.len()).step_by(PAGE / 2).skip(1) {
        fs::write(&file, &whole[..length]).unwrap();
        noticed(&file, &key, &entry, &format!("cut at {length}")).await;
        let mut torn = whole.clone();
        torn[length..(length / PAGE + 1) * PAGE].fill(0xa5);
        fs::write(&file, &torn).unwrap();
        noticed(&file, &key, &entry, &format!("torn at {length}")).await;
    }
    fs::write(&file, &whole).unwrap();
    assert_eq!(open(&file, &key).unwrap().audit().await.unwrap(), []);
}

/// Opening it, or the audit, says so; or nothing was there that was torn.
async fn noticed(file: &Path, key: &Path, entry: &Entry, what: &str) {
    let Ok(ledger) = open(file, key) else { return };
    let audit = ledger.audit().await;
    if matches!(audit, Ok(notes) if notes.is_empty()) {
        let found = ledger.entry(&entry.id).await;
        assert!(matches!(&found, Ok(Some(found)) if found == entry), "{what}: {found:?}");
    }
}

fn open(file: &Path, key: &Path) -> Result<SqliteLedger, LedgerError> {
    SqliteLedger::open(file, Arc::new(LedgerKey::open_or_create(key).unwrap()))
}

/// What SQLite writes at once.
const PAGE: usize = 4096;
