//! `replaysafe explain` and `replaysafe ledger audit`, on a ledger that a gateway has written.

use std::{fs, path::Path, sync::Arc};

use replaysafe::{
    guest::COMPONENT_SHA256,
    keys::LedgerKey,
    ledger::{Ledger as _, RecordedStep, SqliteLedger},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::support::{Served, fails, run, run_on};

#[test]
fn a_decision_is_explained_and_made_again_with_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    let decision = served.create();
    let beside = explained(folder.path(), &decision);
    served.stop();

    let told = explained(folder.path(), &decision);
    // The same units of fuel each time.
    assert_eq!(told, beside);
    assert_eq!(told["decision"], decision);
    assert_eq!(told["component"], COMPONENT_SHA256);
    let steps = told["steps"].as_array().unwrap();
    let input = r#"{"function":"check-policy","input":{"policy":"{}"}}"#;
    let canonical = run_on(folder.path(), &["decide", "-"], input).json();
    let policy_digest: String = Sha256::digest(canonical["ok"].as_str().unwrap())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let functions: Vec<_> = steps.iter().map(|step| step["function"].as_str().unwrap()).collect();
    assert_eq!(
        functions,
        ["decide", "settle"],
        "a create writes twice: before it is sent, and after"
    );
    for step in steps {
        assert_eq!(step["again"], "same", "{step}");
        assert_eq!(step["policy"], policy_digest, "{step}");
        assert!(1_000 < step["fuel"].as_u64().unwrap(), "{step}");
        assert!(!step.to_string().contains("ada@"), "a value is told: {step}");
    }
    assert_eq!(
        steps[0]["decided"],
        "send one create to the target; first write the entry at `dispatched`"
    );

    let text = run(folder.path(), &["explain", &decision, "--ledger", "sqlite:a.db"]);
    assert_eq!(text.code, 0, "{text:?}");
    assert!(text.out.starts_with(&format!("decision {decision}\n\n1. decide\n")), "{}", text.out);
    let fuel = &steps[1]["fuel"];
    let again = format!("again    the same, byte for byte, with {fuel} units of fuel");
    assert!(text.out.contains(&again), "{}", text.out);
    fails(
        folder.path(),
        &["explain", "7f3c", "--ledger", "sqlite:a.db"],
        3,
        &["`7f3c`", "another ledger's", "7 days"],
    );
}

pub(crate) fn explained(folder: &Path, decision: &str) -> Value {
    let explain = ["explain", decision, "--ledger", "sqlite:a.db", "--format", "json"];
    let explained = run(folder, &explain);
    assert_eq!((explained.code, explained.err.as_str()), (0, ""), "{}", explained.out);
    let told = explained.json();
    assert_eq!(told["same"], true);
    told
}

/// A record that this component does not repeat is told by what differs.
#[test]
fn other_bytes_than_those_recorded_are_1() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    let decision = served.create();
    served.stop();
    let steps = block_on(async { open(folder.path()).steps(&decision).await.unwrap() });
    let first = steps.into_iter().next().unwrap();
    let other = first.output.replace("\"fence\":0", "\"fence\":1");
    assert_ne!(other, first.output);
    for (id, step, again) in [
        ("same", first.clone(), "same"),
        ("d1", RecordedStep { output: other.clone(), ..first.clone() }, "different"),
        (
            "d2",
            RecordedStep { output: other, component: "0".repeat(64), ..first.clone() },
            "other-component",
        ),
        ("d3", RecordedStep { function: "guess".to_owned(), ..first }, "failed"),
    ] {
        block_on(async {
            open(folder.path()).note("default", &id.to_owned(), &step).await.unwrap();
        });
        let explain = ["explain", id, "--ledger", "sqlite:a.db", "--format", "json"];
        let told = run(folder.path(), &explain);
        let same = again == "same";
        assert_eq!(told.code, i32::from(!same), "{id}: {told:?}");
        assert_eq!(told.json()["same"], same, "{id}");
        assert_eq!(told.json()["steps"][0]["again"], again, "{id}");
    }
}

#[test]
fn an_audit_is_clean_until_a_row_is_changed() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.create();
    let audit = ["ledger", "audit", "--ledger", "sqlite:a.db"];
    let beside = run(folder.path(), &audit);
    assert_eq!((beside.code, beside.out.as_str()), (0, "the ledger is clean: every law holds\n"));
    served.stop();
    let clean = run(folder.path(), &[&audit, ["--format", "json"].as_slice()].concat());
    assert_eq!((clean.code, clean.json()), (0, json!({"clean": true, "notes": []})));

    let file = folder.path().join("a.db");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(7).position(|window| window == b"settled").unwrap();
    bytes[at..at + 7].copy_from_slice(b"refused");
    fs::write(&file, bytes).unwrap();
    let broken = run(folder.path(), &[&audit, ["--format", "json"].as_slice()].concat());
    assert_eq!(broken.code, 1, "{broken:?}");
    assert_eq!(broken.json()["clean"], false);
    let note = &broken.json()["notes"][0];
    for member in ["law", "id", "detail"] {
        assert!(!note[member].as_str().unwrap().is_empty(), "{note}");
    }
    let told = run(folder.path(), &audit);
    assert_eq!(told.code, 1);
    assert!(told.out.contains(note["law"].as_str().unwrap()), "{}", told.out);
    assert!(told.out.contains("do not serve from it"), "{}", told.out);
}

#[test]
fn a_ledger_that_is_not_there_or_not_ours_is_told_apart() {
    let folder = TempDir::new().unwrap();
    let audit = |ledger| ["ledger", "audit", "--ledger", ledger];
    let explain = |ledger| ["explain", "d", "--ledger", ledger];
    for arguments in [audit("sqlite:none.db"), explain("sqlite:none.db")] {
        fails(folder.path(), &arguments, 3, &["no ledger at `none.db`", "--ledger"]);
    }
    Served::start(folder.path(), &[]).stop();
    let path = |name| folder.path().join(name);
    fs::rename(path("a.db.key"), path("b.key")).unwrap();
    for arguments in [audit("sqlite:a.db"), explain("sqlite:a.db")] {
        fails(folder.path(), &arguments, 3, &["no ledger's key at `a.db.key`", "--ledger-key"]);
    }
    let named = [&audit("sqlite:a.db"), ["--ledger-key", "b.key"].as_slice()].concat();
    assert_eq!(run(folder.path(), &named).code, 0);

    LedgerKey::open_or_create(path("a.db.key")).unwrap();
    fs::write(path("g.db"), "no database, but long enough to be taken for one").unwrap();
    LedgerKey::open_or_create(path("g.db.key")).unwrap();
    for command in [audit, explain] {
        fails(folder.path(), &command("sqlite:a.db"), 4, &["a.db", "another key"]);
        fails(folder.path(), &command("sqlite:g.db"), 4, &["g.db", "no SQLite database"]);
    }
}

fn open(folder: &Path) -> SqliteLedger {
    let key = LedgerKey::open_or_create(folder.join("a.db.key")).unwrap();
    SqliteLedger::open(folder.join("a.db"), Arc::new(key)).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
