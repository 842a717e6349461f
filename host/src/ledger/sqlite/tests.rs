//! The ledger's laws, on real files.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use proptest::prelude::*;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::*;
use crate::{
    contract::{Identity, IdentityWrite, NameKind, Stage},
    ledger::PlanStage,
};

#[test]
fn a_stage_never_moves_back() {
    check("claimed dispatched parked dispatched settled settled", "");
    check("claimed refused refused", "");
    check("dispatched parked settled", "");
    check("parked refused", "");
    check("dispatched claimed", BACK);
    check("parked claimed", BACK);
    check("settled dispatched", BACK);
    check("settled parked", BACK);
    check("settled refused", BACK);
    // Refused without an effect: decided anew under the same entry (S9).
    check("refused dispatched settled", "");
    check("refused settled", "");
    check("refused parked", BACK);
    check("refused claimed", BACK);
}

/// Whoever stood still while another has written is refused (catalogue no 120).
#[test]
fn a_fence_is_the_one_that_was_read_or_the_write_is_refused() {
    check("i@0 i@1 i@2", "");
    check("i@1", FENCED);
    check("i@0 i@0", FENCED);
    check("i@0 i@1 i@1", FENCED);
    check("i@0 i@1 i@3", FENCED);
    check("i@0+j@0 i@1+j@1", "");
    check("i@0+j@0 i@1+j@0", FENCED);
    check("i@0+i@1", "the ledger refuses the write: one-write-per-identity");
}

#[test]
fn an_incarnation_never_shrinks() {
    check("i@0/1 i@1/2 i@2/2", "");
    check("i@0/2 i@1/1", "the ledger refuses the write: incarnation-never-shrinks");
    check("i@0/0", "the ledger refuses the write: incarnation-never-shrinks");
}

#[test]
fn a_key_has_one_effect() {
    check("key:e=k1,settled key:f=k2,settled", "");
    check("key:e=k1,dispatched key:e=k1,settled", "");
    check("key:e=k1,settled key:f=k1,dispatched", KEY);
    check("key:e=k1,dispatched key:f=k1,dispatched", KEY);
    check("key:e=k1,parked key:f=k1,refused", KEY);
    check("key:e=k1,claimed key:f=k1,claimed", KEY);
    check("key:e=k1,refused key:f=k1,dispatched key:f=k1,settled", "");
    check("key:e=k1,refused key:f=k1,settled key:g=k1,dispatched", KEY);
}

#[test]
fn an_identifying_name_belongs_to_one_identity() {
    check("i@0:t1,x1 j@0:t2,x2", "");
    check("i@0:t1 j@0:t1", NAME);
    check("i@0:x1 j@0:x1", NAME);
    check("i@0:c1,w1 j@0:c1,w1", "");
    check("i@0:t1,t1", "");
    check("i@0:t1 i@1:t2 j@0:t1", "");
    check("i@0:t1 i@1:none j@0:t1", "");
    check("i@0:t1 i@1 j@0:t1", NAME);
    check("i@0:t1+j@0:t2 i@1:t2+j@1:t1", "");
}

#[test]
fn nothing_crosses_a_scope() {
    run(async |ledger, _| {
        write(ledger, "e", Stage::Dispatched, |r| identity(r, "i", 0, 1, Some("t1")))
            .await
            .unwrap();
        for change in [
            |r: &mut Record| r.scope.tenant = "other".to_owned(),
            |r: &mut Record| r.scope.target = "other".to_owned(),
            |r: &mut Record| r.scope.source = "other".to_owned(),
        ] {
            let entry = write(ledger, "e", Stage::Settled, change).await;
            assert_eq!(said(entry), "the ledger refuses the write: nothing-crosses-a-scope");
            let written = write(ledger, "f", Stage::Settled, |r| {
                identity(r, "i", 1, 1, None);
                change(r);
            });
            assert_eq!(
                said(written.await),
                "the ledger refuses the write: nothing-crosses-a-scope"
            );
            let about = write(ledger, "f", Stage::Settled, |r| {
                r.entry.identity = Some("i".to_owned());
                change(r);
            });
            assert_eq!(said(about.await), "the ledger refuses the write: identity-is-known");
        }
        let other = Scope { tenant: "other".to_owned(), ..scope() };
        let found = ledger.find(&other, None, &tag("s-e"), &[]).await.unwrap();
        assert!(found.by_statement.is_none());
        let led = ledger.find(&other, None, &tag("s-e"), &[tag("t1")]).await;
        assert_eq!(
            said(led),
            "the ledger's name `i` is not as it was written: restore a backup, or audit it"
        );
    });
}

#[test]
fn a_refused_write_leaves_nothing() {
    run(async |ledger, _| {
        write(ledger, "e", Stage::Settled, |r| identity(r, "i", 0, 1, Some("t1"))).await.unwrap();
        let refused = write(ledger, "f", Stage::Dispatched, |r| {
            identity(r, "j", 0, 1, Some("t2"));
            identity(r, "k", 0, 1, Some("t1"));
            r.learned = vec![field("lag", "5")];
            r.step = Some(step("decide", 7));
        });
        assert_eq!(said(refused.await), NAME);
        let names = [tag("t1"), tag("t2")];
        let found = ledger.find(&scope(), None, &tag("s-f"), &names).await.unwrap();
        assert_eq!(holders(&found), ["i by [0] fence 1"]);
        assert!(found.by_statement.is_none());
        assert!(ledger.profile("hr").await.unwrap().is_empty());
        assert!(ledger.steps(&"f".to_owned()).await.unwrap().is_empty());
        assert!(ledger.audit().await.unwrap().is_empty());
    });
}

#[test]
fn what_is_held_is_found() {
    run(async |ledger, _| {
        write(ledger, "e1", Stage::Dispatched, |r| {
            r.entry.key = Some(tag("k1"));
            r.entry.statement = tag("s");
            identity(r, "j", 0, 1, Some("t1,c1"));
            identity(r, "i", 0, 1, Some("x1,c1"));
            r.entry.identity = Some("j".to_owned());
        })
        .await
        .unwrap();
        write(ledger, "e0", Stage::Parked, |r| {
            r.entry.statement = tag("s");
            r.entry.identity = Some("i".to_owned());
        })
        .await
        .unwrap();
        write(ledger, "e2", Stage::Settled, |r| r.entry.identity = Some("i".to_owned()))
            .await
            .unwrap();
        let names = [tag("x1"), tag("c1"), tag("t1"), tag("unknown")];
        let found = ledger.find(&scope(), Some(&tag("k1")), &tag("s"), &names).await.unwrap();
        assert_eq!(found.by_key.as_ref().unwrap().id, "e1");
        assert_eq!(found.by_statement.as_ref().unwrap().id, "e0", "the latest");
        assert_eq!(holders(&found), ["i by [0, 1] fence 1", "j by [1, 2] fence 1"]);
        let open: Vec<_> = found.open.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(open, ["e1", "e0"], "the oldest first");
        assert_eq!(found.holders[0].identity.state, "{\"secret\":\"identity i\"}");
        assert_eq!(found.open[0].state, "{\"secret\":\"entry e1\"}");
        let none = ledger.find(&scope(), Some(&tag("k2")), &tag("none"), &[]).await.unwrap();
        assert!(none.by_key.is_none() && none.by_statement.is_none());
        assert!(none.holders.is_empty() && none.open.is_empty());
    });
}

#[test]
fn the_key_of_a_refused_entry_leads_to_its_successor() {
    run(async |ledger, _| {
        for (id, stage) in [("e", Stage::Refused), ("f", Stage::Dispatched)] {
            write(ledger, id, stage, |r| {
                r.entry.key = Some(tag("k1"));
                identity(r, id, 0, 1, None);
                r.entry.identity = Some(id.to_owned());
            })
            .await
            .unwrap();
        }
        let found = ledger.find(&scope(), Some(&tag("k1")), &tag("none"), &[]).await.unwrap();
        assert_eq!(found.by_key.unwrap().id, "f");
        assert_eq!(ledger.entry(&"e".to_owned()).await.unwrap().unwrap().key, None);
        assert!(ledger.audit().await.unwrap().is_empty());
    });
}

#[test]
fn the_most_overdue_are_given_first() {
    run(async |ledger, _| {
        let all = [("a", Some(30)), ("b", Some(10)), ("c", None), ("d", Some(20)), ("e", Some(0))];
        for (id, wake_at) in all {
            write(ledger, id, Stage::Settled, |r| r.entry.wake_at = wake_at).await.unwrap();
        }
        for (now, most, expected) in [
            (0, 9, "e"),
            (9, 9, "e"),
            (10, 9, "eb"),
            (29, 9, "ebd"),
            (30, 9, "ebda"),
            (u64::MAX, 2, "eb"),
            (99, 0, ""),
        ] {
            let due = ledger.due(now, None, most).await.unwrap();
            let ids: String = due.into_iter().map(|entry| entry.id).collect();
            assert_eq!(ids, expected, "{now} {most}");
        }
    });
}

/// Nothing that is due is kept from its turn by what comes before it, whatever has become of that meanwhile.
#[test]
fn what_is_due_is_given_in_turns() {
    run(async |ledger, _| {
        for (id, wake_at) in [("a", Some(30)), ("b", Some(10)), ("d", Some(10)), ("c", Some(20))] {
            write(ledger, id, Stage::Dispatched, |r| r.entry.wake_at = wake_at).await.unwrap();
        }
        let mut after = None;
        for expected in ["b", "d", "c", "a", ""] {
            let due = ledger.due(30, after.as_ref(), 1).await.unwrap();
            assert_eq!(due.first().map_or("", |entry| &entry.id), expected);
            if let Some(last) = due.into_iter().next() {
                // It is looked at, and due again later.
                let later = last.wake_at.map(|at| at + 1_000);
                let stage = Stage::Dispatched;
                write(ledger, &last.id, stage, |r| r.entry.wake_at = later).await.unwrap();
                after = Some(last);
            }
        }
    });
}

#[test]
fn a_later_fact_replaces_an_earlier_one() {
    run(async |ledger, _| {
        for value in ["5", "7"] {
            write(ledger, "e", Stage::Settled, |r| {
                r.learned = vec![field("lag", value), field("a", "b")];
            })
            .await
            .unwrap();
        }
        assert_eq!(ledger.profile("hr").await.unwrap(), [field("a", "b"), field("lag", "7")]);
        assert!(ledger.profile("other").await.unwrap().is_empty());
    });
}

#[test]
fn steps_are_kept_in_order_until_they_are_forgotten() {
    run(async |ledger, _| {
        let steps = [step("admit", 1), step("decide", 5), step("settle", 9)];
        for step in &steps {
            write(ledger, "e", Stage::Settled, |r| r.step = Some(step.clone())).await.unwrap();
        }
        let id = "e".to_owned();
        assert_eq!(ledger.steps(&id).await.unwrap(), steps);
        assert_eq!(ledger.forget_steps(5).await.unwrap(), 1);
        assert_eq!(ledger.steps(&id).await.unwrap(), steps[1..]);
        assert_eq!(ledger.forget_steps(u64::MAX).await.unwrap(), 2);
        assert!(ledger.steps(&id).await.unwrap().is_empty());
    });
}

/// S38: a refusal has no entry, and is explained all the same.
#[test]
fn a_step_without_a_write_is_kept_under_its_decision() {
    run(async |ledger, _| {
        let (id, refused) = ("r".to_owned(), step("decide", 3));
        ledger.note("acme", &id, &refused).await.unwrap();
        assert_eq!(ledger.steps(&id).await.unwrap(), [refused]);
        assert_eq!(ledger.entry(&id).await.unwrap(), None);
        assert_eq!(ledger.audit().await.unwrap(), []);
        assert_eq!(ledger.forget_steps(4).await.unwrap(), 1);
    });
}

/// S21, S29, S41: what waits for a person is known for as long as it does, however long ago it was asked, and whatever
/// was told of it since.
#[test]
fn what_waits_is_given_the_oldest_first_and_its_step_is_kept() {
    run(async |ledger, _| {
        let waits = |at| RecordedStep { waits: Some(true), ..step("settle", at) };
        let writes = |at| RecordedStep { waits: Some(false), ..step("settle", at) };
        for (id, stage, told) in [
            ("b", Stage::Refused, vec![waits(1), waits(2)]),
            ("a", Stage::Parked, vec![writes(1), waits(2)]),
            ("c", Stage::Settled, vec![waits(1), writes(2)]),
            ("d", Stage::Refused, vec![writes(1)]),
        ] {
            for step in told {
                write(ledger, id, stage, |r| r.step = Some(step)).await.unwrap();
            }
        }
        for id in ["a", "e"] {
            ledger.note("acme", &id.to_owned(), &step("admit", 3)).await.unwrap();
        }
        assert_eq!(ledger.waiting().await.unwrap(), ["b", "a"]);
        assert_eq!(ledger.forget_steps(u64::MAX).await.unwrap(), 7);
        assert_eq!(ledger.waiting().await.unwrap(), ["b", "a"]);
        for id in ["b", "a"] {
            assert_eq!(ledger.steps(&id.to_owned()).await.unwrap(), [waits(2)]);
            assert_eq!(ledger.waiting_step(&id.to_owned()).await.unwrap(), Some(waits(2)));
        }
        assert_eq!(ledger.waiting_step(&"c".to_owned()).await.unwrap(), None);
        write(ledger, "b", Stage::Settled, |r| r.step = Some(writes(3))).await.unwrap();
        assert_eq!(ledger.waiting().await.unwrap(), ["a"]);
        assert_eq!(ledger.forget_steps(u64::MAX).await.unwrap(), 2);
    });
}

/// The files are copied while the ledger is open: what is found after the process was killed. A loss
/// of power is another matter: see `every_commit_is_flushed_before_it_is_told`.
#[test]
fn whatever_was_committed_survives_a_kill() {
    run(async |ledger, directory| {
        let killed = tempfile::tempdir().unwrap();
        for n in 0..20_u64 {
            write(ledger, &format!("e{n}"), Stage::Settled, |r| {
                identity(r, "i", n, 1, Some("t1"));
                r.learned = vec![field("n", &n.to_string())];
            })
            .await
            .unwrap();
            for suffix in ["", "-wal"] {
                let from = directory.path().join(format!("ledger{suffix}"));
                fs::copy(from, killed.path().join(format!("{n}{suffix}"))).unwrap();
            }
        }
        for n in 0..20_u64 {
            let copy =
                SqliteLedger::open(killed.path().join(n.to_string()), key(directory)).unwrap();
            let found = copy.find(&scope(), None, &tag(&format!("s-e{n}")), &[tag("t1")]).await;
            let found = found.unwrap();
            assert_eq!(found.by_statement.as_ref().unwrap().id, format!("e{n}"));
            assert_eq!(holders(&found), [format!("i by [0] fence {}", n + 1)]);
            assert_eq!(copy.profile("hr").await.unwrap(), [field("n", &n.to_string())]);
            assert!(copy.audit().await.unwrap().is_empty());
        }
    });
}

#[test]
fn a_write_goes_on_when_its_caller_is_dropped() {
    run(async |ledger, _| {
        let record = record("e", Stage::Settled);
        let mut write = Box::pin(ledger.write(&record));
        let pending = std::future::poll_fn(|context| {
            std::task::Poll::Ready(write.as_mut().poll(context).is_pending())
        });
        assert!(pending.await);
        drop(write);
        // The writer takes one job after the other: behind this one, the dropped one is done.
        ledger.ready().await.unwrap();
        assert!(ledger.entry(&"e".to_owned()).await.unwrap().is_some());
    });
}

/// Whoever opens the ledger next finds a file that nobody writes.
#[test]
fn to_drop_a_ledger_is_to_wait_for_the_write_under_way() {
    run(async |_, directory| {
        let path = directory.path().join("other");
        let other = SqliteLedger::open(&path, key(directory)).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&done);
        let mut write = Box::pin(other.change(move |rows| {
            for n in 0..10_000 {
                set(rows.connection, "probe", &n.to_string())?;
            }
            told.store(1, Ordering::SeqCst);
            Ok(())
        }));
        let pending = std::future::poll_fn(|context| {
            std::task::Poll::Ready(write.as_mut().poll(context).is_pending())
        });
        assert!(pending.await);
        drop(write);
        drop(other);
        assert_eq!(done.load(Ordering::SeqCst), 1);
        // SQLite takes its log away where the last one closes the file in order.
        assert!(!beside(&path, "-wal").exists());
    });
}

#[test]
fn every_commit_is_flushed_before_it_is_told() {
    run(async |ledger, _| {
        let settings = ledger.change(|rows| {
            let ask = |name| rows.connection.pragma_query_value(None, name, |row| row.get(0));
            let mode = rows.connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
            Ok((mode?, ask("synchronous")?, ask("foreign_keys")?))
        });
        let settings: (String, i64, i64) = settings.await.unwrap();
        assert_eq!(settings, ("wal".to_owned(), 2, 1));
    });
}

#[test]
fn a_ledger_is_ready_if_a_write_reaches_the_file() {
    run(async |ledger, directory| {
        let log = directory.path().join("ledger-wal");
        for _ in 0..3 {
            let before = fs::metadata(&log).map_or(0, |file| file.len());
            ledger.ready().await.unwrap();
            assert!(before < fs::metadata(&log).unwrap().len());
        }
    });
}

#[test]
fn a_ledger_that_is_closed_can_be_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    for n in 0..3_u64 {
        block(async {
            let ledger = open(&directory).unwrap();
            write(&ledger, "e", Stage::Settled, |r| identity(r, "i", n, 1, Some("t1")))
                .await
                .unwrap();
            assert_eq!(ledger.incarnation().await.unwrap(), n + 1);
            assert_eq!(ledger.begin_incarnation().await.unwrap(), n + 2);
        });
    }
}

#[test]
fn a_ledger_is_opened_by_one_process_only() {
    run(async |_, directory| {
        assert!(said(open(directory)).contains("is in use by another process"));
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path().join("ledger"), &link).unwrap();
        let linked = SqliteLedger::open(link, key(directory));
        assert!(matches!(linked, Err(LedgerError::InUse { .. })), "{linked:?}");
    });
}

/// How To Corrupt An SQLite Database File, sections 2.4 and 2.5: one file, two names, two logs.
#[test]
fn a_file_is_opened_once_whatever_its_names() {
    run(async |ledger, directory| {
        let [path, hard, moved, copy] =
            ["ledger", "hard", "moved", "copy"].map(|name| directory.path().join(name));
        fs::hard_link(&path, &hard).unwrap();
        let linked = SqliteLedger::open(&hard, key(directory));
        assert!(matches!(linked, Err(LedgerError::InUse { .. })), "{linked:?}");
        let beside = SqliteLedger::open_beside(&hard, key(directory));
        assert!(matches!(beside, Err(LedgerError::InUse { .. })), "{beside:?}");
        assert!(SqliteLedger::open_beside(&path, key(directory)).is_ok());
        fs::rename(&hard, &moved).unwrap();
        let linked = SqliteLedger::open(&moved, key(directory));
        assert!(matches!(linked, Err(LedgerError::InUse { .. })), "{linked:?}");
        // Nothing was done to it.
        assert!(!directory.path().join("hard-wal").exists());
        write(ledger, "e", Stage::Settled, |_| ()).await.unwrap();
        fs::copy(&path, &copy).unwrap();
        assert!(SqliteLedger::open(&copy, key(directory)).is_ok());
    });
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory).unwrap());
    let hard = directory.path().join("hard");
    fs::hard_link(directory.path().join("ledger"), &hard).unwrap();
    drop(SqliteLedger::open_beside(&hard, key(&directory)).unwrap());
    let linked = SqliteLedger::open(&hard, key(&directory)).unwrap();
    assert!(matches!(open(&directory), Err(LedgerError::InUse { .. })));
    drop(linked);
    assert!(open(&directory).is_ok());
}

/// S37, S40: receipts and what was learned are true of the service that they come from.
#[test]
fn a_ledger_belongs_to_one_service_until_that_moves() {
    run(async |ledger, _| {
        let learned = |record: &mut Record| record.learned = vec![field("lag", "5")];
        ledger.belong_to("http://one").await.unwrap();
        write(ledger, "e", Stage::Settled, learned).await.unwrap();
        ledger.belong_to("http://one").await.unwrap();
        assert!(matches!(ledger.belong_to("http://two").await, Err(LedgerError::OtherService)));
        ledger.move_to("http://one").await.unwrap();
        assert_eq!(ledger.profile("hr").await.unwrap(), [field("lag", "5")]);
        ledger.move_to("http://two").await.unwrap();
        ledger.belong_to("http://two").await.unwrap();
        assert!(matches!(ledger.belong_to("http://one").await, Err(LedgerError::OtherService)));
        assert!(ledger.profile("hr").await.unwrap().is_empty());
        assert!(ledger.entry(&"e".to_owned()).await.unwrap().is_some());
        assert!(ledger.audit().await.unwrap().is_empty());
    });
}

/// On a full disk there is room for a small write now and then, and for no request.
#[test]
fn a_ledger_is_not_ready_before_a_write_as_large_as_the_one_that_failed() {
    run(async |ledger, _| {
        ledger.ready().await.unwrap();
        // As small as it is: SQLite lets the file grow no more.
        let full = pages(ledger, 1).await;
        let state = |kilobytes: usize| {
            move |record: &mut Record| record.entry.state = "x".repeat(kilobytes << 10)
        };
        let failed = write(ledger, "e", Stage::Settled, state(100)).await;
        assert!(matches!(failed, Err(LedgerError::Storage(_))), "{failed:?}");
        for _ in 0..3 {
            assert!(matches!(ledger.ready().await, Err(LedgerError::Storage(_))));
        }
        // What is smaller proves nothing: its page is there.
        write(ledger, "f", Stage::Settled, |_| ()).await.unwrap();
        assert!(ledger.ready().await.is_err());
        assert!(full < pages(ledger, 1_000_000).await);
        ledger.ready().await.unwrap();
        // One that is as large as the one that failed says it too.
        pages(ledger, 1).await;
        let failed = write(ledger, "e", Stage::Settled, state(500)).await;
        assert!(failed.is_err() && ledger.ready().await.is_err());
        pages(ledger, 1_000_000).await;
        write(ledger, "e", Stage::Settled, state(500)).await.unwrap();
        pages(ledger, 1).await;
        ledger.ready().await.unwrap();
    });
}

/// 100 KiB could not be written, and a write takes 64 KiB beside what it holds: 41 pages of 4 KiB.
#[test]
fn a_ledger_is_ready_where_there_is_room_for_what_failed_and_what_a_write_takes_beside_it() {
    run(async |ledger, _| {
        ledger.ready().await.unwrap();
        let full = pages(ledger, 1).await;
        let state = |record: &mut Record| record.entry.state = "x".repeat(100 << 10);
        assert!(write(ledger, "e", Stage::Settled, state).await.is_err());
        for (room, ready) in [(36, false), (48, true)] {
            pages(ledger, full + room).await;
            assert_eq!(ledger.ready().await.is_ok(), ready, "{room}");
        }
    });
}

/// What a step holds is what goes in and what comes out, also where nothing else is written.
#[test]
fn a_step_that_could_not_be_written_is_remembered_by_its_size() {
    run(async |ledger, _| {
        let large = RecordedStep {
            input: "i".repeat(100 << 10),
            output: "o".repeat(100 << 10),
            ..step("decide", 1)
        };
        let id = "e".to_owned();
        ledger.ready().await.unwrap();
        let full = pages(ledger, 1).await;
        assert!(ledger.note("acme", &id, &large).await.is_err());
        assert!(ledger.ready().await.is_err());
        // What is larger shows that there is room again.
        pages(ledger, full + 1_000).await;
        let state = |record: &mut Record| record.entry.state = "x".repeat(300 << 10);
        write(ledger, "e", Stage::Settled, state).await.unwrap();
        pages(ledger, 1).await;
        ledger.ready().await.unwrap();
    });
}

#[test]
fn a_record_is_as_large_as_all_that_it_holds() {
    let mut record = record("e", Stage::Settled);
    identity(&mut record, "i", 0, 1, None);
    identity(&mut record, "j", 0, 1, None);
    record.entry.state = "12".to_owned();
    for ((write, _), state) in record.identities.iter_mut().zip(["345", "6789"]) {
        state.clone_into(&mut write.identity.state);
    }
    assert_eq!(bytes(&record), 9);
    record.step =
        Some(RecordedStep { input: "01234".into(), output: "567890".into(), ..step("decide", 1) });
    assert_eq!(bytes(&record), 20);
}

#[test]
fn a_ledger_says_what_may_be_done_with_it() {
    run(async |ledger, directory| {
        assert_eq!(format!("{ledger:?}"), "SqliteLedger { writable: true, locked: true, .. }");
        let path = directory.path().join("ledger");
        let reader = SqliteLedger::open_read_only(path, key(directory)).unwrap();
        assert_eq!(format!("{reader:?}"), "SqliteLedger { writable: false, locked: false, .. }");
    });
}

#[test]
fn a_ledger_can_be_read_while_it_is_open_elsewhere() {
    run(async |ledger, directory| {
        let path = directory.path().join("ledger");
        let reader = SqliteLedger::open_read_only(&path, key(directory)).unwrap();
        write(ledger, "e", Stage::Settled, |_| ()).await.unwrap();
        assert!(reader.entry(&"e".to_owned()).await.unwrap().is_some());
        assert!(reader.audit().await.unwrap().is_empty());
        assert!(matches!(reader.ready().await, Err(LedgerError::Storage(_))));
        let refused = write(&reader, "f", Stage::Settled, |_| ()).await;
        assert!(matches!(refused, Err(LedgerError::Storage(_))), "{refused:?}");
    });
}

#[test]
fn a_ledger_can_be_read_when_nobody_has_it_open() {
    let directory = tempfile::tempdir().unwrap();
    block(async {
        let ledger = open(&directory).unwrap();
        write(&ledger, "e", Stage::Settled, |_| ()).await.unwrap();
        drop(ledger);
        let path = directory.path().join("ledger");
        let reader = SqliteLedger::open_read_only(&path, key(&directory)).unwrap();
        assert!(reader.entry(&"e".to_owned()).await.unwrap().is_some());
        assert!(SqliteLedger::open_read_only(path.with_extension("no"), key(&directory)).is_err());
    });
}

#[test]
fn what_is_no_ledger_is_refused_and_left_alone() {
    check_open("", "");
    check_open("PRAGMA user_version = 1", "its schema has version 1");
    check_open("PRAGMA user_version = 0", "its schema has version 0");
    check_open("PRAGMA application_id = 1", "it is no ledger");
    check_open("UPDATE meta SET value = 'x' WHERE name = 'key'", "written with another key");
    check_open("DELETE FROM meta", "written with another key");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    fs::write(&path, "no database, but longer than a header ".repeat(9)).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(said(open(&directory)).contains("it is no SQLite database"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn another_key_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory).unwrap());
    fs::remove_file(directory.path().join("key")).unwrap();
    assert!(said(open(&directory)).contains("written with another key"));
    let path = directory.path().join("ledger");
    let read = SqliteLedger::open_read_only(path, key(&directory));
    assert!(said(read).contains("written with another key"));
}

#[test]
fn every_file_is_its_owners_only() {
    run(async |ledger, directory| {
        write(ledger, "e", Stage::Settled, |_| ()).await.unwrap();
        let mut names = Vec::new();
        for file in fs::read_dir(directory.path()).unwrap() {
            let file = file.unwrap();
            names.push(file.file_name().into_string().unwrap());
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600, "{file:?}");
        }
        names.sort();
        assert_eq!(names, ["key", "ledger", "ledger-shm", "ledger-wal", "ledger.lock"]);
    });
}

#[test]
fn no_document_can_be_read_from_the_files() {
    run(async |ledger, directory| {
        write(ledger, "e", Stage::Settled, |r| {
            identity(r, "i", 0, 1, Some("t1"));
            r.step = Some(step("decide", 1));
        })
        .await
        .unwrap();
        for suffix in ["", "-wal"] {
            let bytes = fs::read(directory.path().join(format!("ledger{suffix}"))).unwrap();
            for word in ["secret", "identity i", "entry e", "argument", "result"] {
                let plain = bytes.windows(word.len()).any(|window| window == word.as_bytes());
                assert!(!plain, "{word} is in ledger{suffix}");
            }
        }
    });
}

/// What was changed, or put in the place of another, is named, and whoever would use it is told so (catalogue no 113).
#[test]
fn what_was_tampered_with_is_named_and_not_used() {
    check_tampered("UPDATE entry SET stage = 'refused' WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET stage = 'odd' WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET wake_at = NULL WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET wake_at = -1 WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET key_tag = NULL WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET statement_tag = 'x' WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET identity = 'j' WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET tenant = 'other' WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET target = 'hrx', source = '' WHERE id = 'e'", "entry e");
    check_tampered("UPDATE entry SET id = 'g' WHERE id = 'e'", "entry g");
    check_tampered("UPDATE entry SET state = zeroblob(60) WHERE id = 'e'", "entry e");
    check_tampered(
        "UPDATE entry SET state = (SELECT state FROM entry WHERE id = 'f') WHERE id = 'e'",
        "entry e",
    );
    check_tampered("UPDATE identity SET fence = 0 WHERE id = 'i'", "identity i");
    check_tampered("UPDATE identity SET incarnation = 9 WHERE id = 'i'", "identity i");
    check_tampered("UPDATE identity SET names = '' WHERE id = 'i'", "identity i");
    check_tampered("UPDATE identity SET tenant = 'other' WHERE id = 'i'", "identity i");
    check_tampered(
        "UPDATE identity SET state = (SELECT state FROM identity WHERE id = 'j') WHERE id = 'i'",
        "identity i",
    );
    check_tampered("DELETE FROM name WHERE identity = 'i' AND kind = 'weak'", "names i");
    check_tampered("UPDATE name SET kind = 'correlation' WHERE kind = 'weak'", "names i");
    check_tampered("UPDATE fact SET value = '0'", "fact hr");
    check_tampered("UPDATE step SET step = zeroblob(60)", "step e");
    check_tampered("UPDATE step SET decision = 'f'", "step f");
    // Recorded steps in another order (catalogue no 114).
    check_tampered("UPDATE step SET n = n + 1", "step e");
}

fn plan(digest: &str, made_at: u64, at: u64, stage: PlanStage) -> PlanRecord {
    let (amounts, excess) = (Vec::new(), Vec::new());
    let (tenant, digest) = ("t".into(), digest.into());
    PlanRecord { tenant, digest, made_at, at, stage, amounts, excess }
}

/// S33: what is known of a plan is one row, in the order of its last word, forgotten after a time, and nobody changes it.
#[test]
fn what_is_known_of_plans_is_kept_and_sealed() {
    run(async |ledger, directory| {
        let staged = plan("b", 1, 5, PlanStage::Staged);
        let begun = plan("a", 1, 6, PlanStage::Begun);
        let later = plan("b", 2, 4, PlanStage::Approved { until: 9 });
        for plan in [&staged, &begun, &later] {
            ledger.write_plan(plan, 0).await.unwrap();
        }
        assert_eq!(ledger.plans().await.unwrap(), [later.clone(), staged.clone(), begun.clone()]);
        // In the place of what was known, and without what is old.
        let approved = plan("b", 1, 7, PlanStage::Approved { until: 9 });
        ledger.write_plan(&approved, 5).await.unwrap();
        assert_eq!(ledger.plans().await.unwrap(), [begun, approved]);
        assert!(ledger.audit().await.unwrap().is_empty());
        for (change, id) in [
            ("UPDATE plan SET at = 8 WHERE digest = 'b'", "b"),
            ("UPDATE plan SET digest = 'c', at = 7 WHERE digest = 'b'", "c"),
            ("UPDATE plan SET digest = 'b', tenant = 'u' WHERE digest = 'c'", "b"),
            ("UPDATE plan SET tenant = 't', made_at = 2 WHERE digest = 'b'", "b"),
            ("UPDATE plan SET made_at = 1, plan = zeroblob(60) WHERE digest = 'b'", "b"),
        ] {
            tamper(directory, change);
            let read = ledger.plans().await;
            assert!(matches!(read, Err(LedgerError::Tampered { table: "plan", .. })), "{change}");
            let notes: Vec<_> = ledger.audit().await.unwrap().iter().map(line).collect();
            assert_eq!(
                notes,
                [format!("every-tampering-is-noted {id}: what is known of a plan does not open")]
            );
        }
    });
}

/// The law `honest-ledgers-audit-clean`.
#[test]
fn an_honest_ledger_audits_clean() {
    check_audit("", &[]);
}

#[test]
fn what_breaks_a_law_is_noted_in_order() {
    check_audit(
        "DELETE FROM identity WHERE id = 'j'",
        &["identity-is-known f: the entry's identity is missing"],
    );
    check_audit(
        "INSERT INTO name VALUES ('gone', 'odd', 'x')",
        &[
            "identity-is-known gone: a name leads to no identity",
            "names-are-of-a-kind gone: a name is of an unknown kind",
            "tags-are-digests gone: a name is no tag",
        ],
    );
    check_audit(
        "DROP INDEX name_exclusive;
         INSERT INTO name SELECT 'j', kind, tag FROM name WHERE kind = 'target-id'",
        &[
            "every-tampering-is-noted j: its names are not as they were written",
            "one-identity-per-name j: a name belongs to two",
        ],
    );
}

#[test]
fn entries_that_break_a_law_are_noted() {
    run(async |ledger, _| {
        write(ledger, "a", Stage::Claimed, |_| ()).await.unwrap();
        write(ledger, "b", Stage::Dispatched, |r| r.entry.wake_at = None).await.unwrap();
        write(ledger, "c", Stage::Parked, |r| r.entry.wake_at = None).await.unwrap();
        write(ledger, "d", Stage::Settled, |r| r.entry.statement = "s".to_owned()).await.unwrap();
        let notes: Vec<_> = ledger.audit().await.unwrap().iter().map(line).collect();
        assert_eq!(
            notes,
            [
                "claims-are-not-kept a: the entry is at `claimed`",
                "identity-is-known b: an open entry is about no identity",
                "identity-is-known c: an open entry is about no identity",
                "nothing-is-forgotten b: an unknown outcome is never looked at",
                "tags-are-digests d: its key or statement is no tag",
            ]
        );
    });
}

#[test]
fn a_tampered_entry_does_not_keep_the_others_from_being_looked_at() {
    run(async |ledger, directory| {
        for id in ["a", "b"] {
            write(ledger, id, Stage::Settled, |r| r.entry.wake_at = Some(1)).await.unwrap();
        }
        tamper(directory, "UPDATE entry SET stage = 'refused' WHERE id = 'a'");
        let due = ledger.due(1, None, 1).await.unwrap();
        assert_eq!(due.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["b"]);
        tamper(directory, "UPDATE entry SET stage = 'refused' WHERE id = 'b'");
        let none = ledger.due(1, None, 1).await;
        assert!(matches!(none, Err(LedgerError::Tampered { table: "entry", .. })), "{none:?}");
    });
}

#[test]
fn a_ledger_in_memory_keeps_the_same_laws() {
    block(async {
        let key = Arc::new(LedgerKey::generate().unwrap());
        let ledger = SqliteLedger::in_memory(key).unwrap();
        write(&ledger, "e", Stage::Settled, |r| identity(r, "i", 0, 1, Some("t1"))).await.unwrap();
        let again = write(&ledger, "e", Stage::Settled, |r| identity(r, "i", 0, 1, None)).await;
        assert_eq!(said(again), FENCED);
        ledger.ready().await.unwrap();
        assert!(ledger.audit().await.unwrap().is_empty());
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is written in whatever order, the ledger is as a map with the laws spelled out.
    #[test]
    fn fence_never_shrinks(
        writes in prop::collection::vec((0..3_u8, 0..4_u64, 1..3_u64, 0..5_u8), 1..24)
    ) {
        block(async {
            let key = Arc::new(LedgerKey::generate().unwrap());
            let ledger = SqliteLedger::in_memory(key).unwrap();
            let mut model = BTreeMap::<String, (u64, u64)>::new();
            for (n, (id, fence, incarnation, name)) in writes.into_iter().enumerate() {
                let id = format!("i{id}");
                let names = format!("c{name}");
                let written = write(&ledger, &format!("e{n}"), Stage::Settled, |r| {
                    identity(r, &id, fence, incarnation, Some(&names));
                })
                .await;
                let (held, life) = model.get(&id).copied().unwrap_or((0, 1));
                let lawful = fence == held && life <= incarnation;
                assert_eq!(written.is_ok(), lawful, "{written:?}");
                if lawful {
                    model.insert(id.clone(), (held + 1, incarnation));
                }
                let found = ledger.find(&scope(), None, &tag("s"), &[tag(&names)]).await.unwrap();
                for holder in found.holders {
                    let identity = holder.identity;
                    assert_eq!(model[&identity.id], (identity.fence, identity.incarnation));
                }
            }
            assert!(ledger.audit().await.unwrap().is_empty());
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Any sealed column of any row, and any other value that the file takes there.
    #[test]
    fn every_tampering_is_noted(
        column in any::<prop::sample::Index>(),
        row in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        how in 0..5_u8,
        number in any::<i64>(),
        text in "[a-z0-9 ]{0,70}",
    ) {
        run(async |ledger, directory| {
            fill(ledger).await;
            let file = Connection::open(directory.path().join("ledger")).unwrap();
            file.pragma_update(None, "foreign_keys", false).unwrap();
            let columns = sealed_columns(&file);
            assert!(25 < columns.len(), "{columns:?}");
            let (table, name) = column.get(&columns);
            let (names, rows) = rows_of(&file, table);
            let place = names.iter().position(|one| one == name).unwrap();
            let (row, other) = (row.get(&rows), at.get(&rows));
            let changed = match (how, &row[place]) {
                (0, _) => Value::Null,
                (1, _) => other[place].clone(),
                (2, Value::Integer(one)) => Value::Integer(one.wrapping_add(1)),
                (3, Value::Integer(one)) => Value::Integer(one.wrapping_sub(1)),
                (_, Value::Integer(_)) => Value::Integer(number),
                (2, Value::Text(one)) => Value::Text(String::from_utf8(flipped(one.as_bytes(), at, 1)).unwrap()),
                (3, Value::Text(one)) => Value::Text(format!("{one}{text}")),
                (_, Value::Text(_)) => Value::Text(text.clone()),
                (2, Value::Blob(one)) => Value::Blob(flipped(one, at, 128)),
                (3, Value::Blob(one)) => Value::Blob(one[..at.index(one.len())].into()),
                (_, Value::Blob(_)) => Value::Blob(text.clone().into()),
                (_, Value::Null | Value::Real(_)) => Value::Text(text.clone()),
            };
            let same: Vec<_> = names.iter().map(|name| format!("{name} IS ?")).collect();
            let sql = format!("UPDATE {table} SET {name} = ? WHERE {}", same.join(" AND "));
            let values = std::iter::once(&changed).chain(row);
            // What the file itself refuses is no change.
            let updated = file.execute(&sql, rusqlite::params_from_iter(values)).unwrap_or(0);
            if updated == 0 || changed == row[place] {
                return;
            }
            let notes = ledger.audit().await.unwrap();
            let noted = notes.iter().any(|note| note.law == "every-tampering-is-noted");
            assert!(noted, "{table}.{name} from {:?} to {changed:?}: {notes:?}", row[place]);
        });
    }
}

/// Every column of every table, but for what `schema.sql` says is not sealed, and for `meta`, without which no ledger opens.
fn sealed_columns(file: &Connection) -> Vec<(String, String)> {
    let open = [("entry", "seq"), ("entry", "updated_at"), ("identity", "updated_at")];
    let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
               WHERE t.type = 'table' AND t.name NOT IN ('meta', 'sqlite_sequence')";
    let mut all = file.prepare(sql).unwrap();
    let all = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let all = all.map(Result::unwrap);
    all.filter(|(table, name): &(String, String)| !open.contains(&(table.as_str(), name.as_str())))
        .collect()
}

/// The names of a table's columns, and its rows.
fn rows_of(file: &Connection, table: &str) -> (Vec<String>, Vec<Vec<Value>>) {
    let mut all = file.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let names: Vec<String> = all.column_names().map(str::to_owned).collect();
    let row = |row: &rusqlite::Row<'_>| {
        (0..names.len()).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()
    };
    let rows = all.query_map([], row).unwrap().map(Result::unwrap).collect();
    (names, rows)
}

/// The same with one bit of it flipped; of a text one that leaves it a text.
fn flipped(bytes: &[u8], at: prop::sample::Index, bit: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if !bytes.is_empty() {
        let at = at.index(bytes.len());
        bytes[at] ^= bit;
    }
    bytes
}

/// An entry that was moved on, a key that was used, a name that was taken: by whoever wrote in between.
const BACK: &str = FENCED;
const KEY: &str = FENCED;
const NAME: &str = FENCED;
const FENCED: &str = "the entry or its identity was changed by another request";

/// Writes one after the other and expects the last to fail as said, or none to:
///
/// - `settled`: entry `e` at this stage,
/// - `key:e=k1,settled`: entry `e` with key `k1` at this stage,
/// - `i@0/1:t1,c2`: identity `i` as read with fence 0, incarnation 1 and names; `+` joins several.
fn check(script: &str, expected: &str) {
    run(async |ledger, _| {
        let last = script.split(' ').count() - 1;
        for (n, text) in script.split(' ').enumerate() {
            let written = ledger.write(&scripted(n, text)).await;
            let expected = if n == last { expected } else { "" };
            let said = written.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(said, expected, "{text} of {script}");
        }
    });
}

fn scripted(n: usize, text: &str) -> Record {
    if let Some(text) = text.strip_prefix("key:") {
        let (id, rest) = text.split_once('=').unwrap();
        let (key, word) = rest.split_once(',').unwrap();
        let mut record = record(id, stage(word));
        record.entry.key = Some(tag(key));
        return record;
    }
    if !text.contains('@') {
        return record("e", stage(text));
    }
    let mut record = record(&format!("e{n}"), Stage::Settled);
    for part in text.split('+') {
        let (head, names) = part.split_once(':').map_or((part, None), |(h, n)| (h, Some(n)));
        let (id, fence) = head.split_once('@').unwrap();
        let (fence, incarnation) = fence.split_once('/').unwrap_or((fence, "1"));
        let (fence, incarnation) = (fence.parse().unwrap(), incarnation.parse().unwrap());
        identity(&mut record, id, fence, incarnation, names);
    }
    record
}

/// Makes a ledger of two entries and two identities, changes it behind its back, audits it.
fn check_audit(sql: &str, expected: &[&str]) {
    run(async |ledger, directory| {
        fill(ledger).await;
        tamper(directory, sql);
        let notes: Vec<_> = ledger.audit().await.unwrap().iter().map(line).collect();
        assert_eq!(notes, expected, "{sql}");
    });
}

/// Likewise, and says in which way `what` must be noted, and that using it fails.
fn check_tampered(sql: &str, what: &str) {
    let (table, id) = what.split_once(' ').unwrap();
    let expected = match table {
        "entry" => format!("every-tampering-is-noted {id}: the entry does not open"),
        "identity" => format!("every-tampering-is-noted {id}: the identity does not open"),
        "names" => format!("every-tampering-is-noted {id}: its names are not as they were written"),
        "fact" => format!("every-tampering-is-noted {id}: the fact `lag` is not as it was written"),
        _ => format!("every-tampering-is-noted {id}: a recorded step does not open"),
    };
    run(async |ledger, directory| {
        fill(ledger).await;
        tamper(directory, sql);
        let notes: Vec<_> = ledger.audit().await.unwrap().iter().map(line).collect();
        assert!(notes.contains(&expected), "{sql}: {notes:?}");
        let used = match table {
            "entry" => ledger.entry(&id.to_owned()).await.map(drop),
            "identity" => ledger.find(&scope(), None, &tag("s"), &[tag("t1")]).await.map(drop),
            "fact" => ledger.profile("hr").await.map(drop),
            "step" => ledger.steps(&id.to_owned()).await.map(drop),
            _ => return,
        };
        assert!(matches!(used, Err(LedgerError::Tampered { .. })), "{sql}: {used:?}");
    });
}

async fn fill(ledger: &SqliteLedger) {
    write(ledger, "e", Stage::Dispatched, |r| {
        r.entry.key = Some(tag("k1"));
        identity(r, "i", 0, 1, Some("t1,w1"));
        r.entry.identity = Some("i".to_owned());
        r.learned = vec![field("lag", "5")];
        r.step = Some(step("decide", 1));
    })
    .await
    .unwrap();
    write(ledger, "f", Stage::Parked, |r| {
        identity(r, "j", 0, 1, None);
        r.entry.identity = Some("j".to_owned());
    })
    .await
    .unwrap();
    for (digest, at) in [("a", 5), ("b", 6)] {
        ledger.write_plan(&plan(digest, 1, at, PlanStage::Staged), 0).await.unwrap();
    }
}

/// Changes a file as somebody would who can write it, but has no key.
fn tamper(directory: &TempDir, sql: &str) {
    let connection = Connection::open(directory.path().join("ledger")).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn check_open(sql: &str, expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory).unwrap());
    tamper(&directory, sql);
    let opened = open(&directory);
    match expected {
        "" => assert!(opened.is_ok(), "{opened:?}"),
        expected => {
            assert!(matches!(opened, Err(LedgerError::Unreadable { .. })), "{opened:?}");
            assert!(said(opened).contains(expected));
        }
    }
}

/// Lets the file have so many pages, but no fewer than it has. Gives how many it may have.
async fn pages(ledger: &SqliteLedger, most: i64) -> i64 {
    let pragma = format!("PRAGMA max_page_count = {most}");
    let set = ledger.change(move |rows| {
        Ok(rows.connection.query_row(&pragma, [], |row| row.get::<_, i64>(0))?)
    });
    set.await.unwrap()
}

async fn write(
    ledger: &SqliteLedger,
    entry: &str,
    stage: Stage,
    change: impl FnOnce(&mut Record),
) -> Result<(), LedgerError> {
    let mut record = record(entry, stage);
    change(&mut record);
    ledger.write(&record).await
}

fn record(id: &str, stage: Stage) -> Record {
    let open = matches!(stage, Stage::Dispatched | Stage::Parked);
    Record {
        scope: scope(),
        now: 1_000,
        entry: Entry {
            id: id.to_owned(),
            identity: None,
            key: None,
            statement: tag(&format!("s-{id}")),
            stage,
            wake_at: open.then_some(5_000),
            state: format!("{{\"secret\":\"entry {id}\"}}"),
        },
        identities: Vec::new(),
        learned: Vec::new(),
        step: None,
    }
}

/// Adds an identity. Names are given as `t1,x1,c1,w1` by the first letter of their kind, or `none`.
fn identity(record: &mut Record, id: &str, fence: u64, incarnation: u64, names: Option<&str>) {
    let state = format!("{{\"secret\":\"identity {id}\"}}");
    let identity = Identity { id: id.to_owned(), fence, incarnation, state };
    let names = names.map(|names| {
        names
            .split(',')
            .filter(|name| *name != "none")
            .map(|name| (kind(name), tag(name)))
            .collect()
    });
    record.identities.push((IdentityWrite { identity, names: None }, names));
}

fn kind(name: &str) -> NameKind {
    match name.get(..1) {
        Some("t") => NameKind::TargetId,
        Some("x") => NameKind::ExternalId,
        Some("c") => NameKind::Correlation,
        _ => NameKind::Weak,
    }
}

fn stage(word: &str) -> Stage {
    match word {
        "claimed" => Stage::Claimed,
        "dispatched" => Stage::Dispatched,
        "parked" => Stage::Parked,
        "refused" => Stage::Refused,
        _ => Stage::Settled,
    }
}

/// A well-formed tag that is legible: the text in hexadecimal, filled up with zeros.
fn tag(text: &str) -> Tag {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:0<64}")
}

fn step(function: &str, at: u64) -> RecordedStep {
    RecordedStep {
        policy: "p".into(),
        function: function.to_owned(),
        component: tag("component"),
        at,
        waits: None,
        input: "{\"argument\":1}".to_owned(),
        output: "{\"result\":1}".to_owned(),
    }
}

fn field(name: &str, value: &str) -> Field {
    Field { name: name.to_owned(), value: value.to_owned() }
}

fn scope() -> Scope {
    Scope {
        tenant: "acme".to_owned(),
        target: "hr".to_owned(),
        source: "idp".to_owned(),
        principal: "p".to_owned(),
    }
}

fn holders(found: &Found) -> Vec<String> {
    let line = |holder: &crate::contract::Holder| {
        format!("{} by {:?} fence {}", holder.identity.id, holder.by, holder.identity.fence)
    };
    found.holders.iter().map(line).collect()
}

fn line(note: &Note) -> String {
    format!("{} {}: {}", note.law, note.id, note.detail)
}

fn said<T>(result: Result<T, LedgerError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

fn open(directory: &TempDir) -> Result<SqliteLedger, LedgerError> {
    SqliteLedger::open(directory.path().join("ledger"), key(directory))
}

fn key(directory: &TempDir) -> Arc<LedgerKey> {
    Arc::new(LedgerKey::open_or_create(directory.path().join("key")).unwrap())
}

fn run(test: impl AsyncFnOnce(&SqliteLedger, &TempDir)) {
    let directory = tempfile::tempdir().unwrap();
    // The umask must not matter: the directory is open to all.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let ledger = open(&directory).unwrap();
    block(test(&ledger, &directory));
}

fn block<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}
