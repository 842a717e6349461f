//! `replaysafe list`, `approve` and `resolve`: what waits for a person, beside a gateway.

use std::{fs, path::Path, thread, time::Duration};

use replaysafe_cli::memory::{Behaviour, Fault, Lost, Moment, Verb};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    ledger::explained,
    support::{Served, fails, header, run},
};

/// S21: nothing is sent until a person says so, and then one request goes through once, also after a crash.
#[test]
fn a_return_waits_for_an_approval_and_goes_through_once() {
    let folder = TempDir::new().unwrap();
    // Without a window the same create again is a return at once (S2a).
    let policy = "returns = \"approve\"\nreplay-window-seconds = 0\n";
    fs::write(folder.path().join("p.toml"), policy).unwrap();
    let options = ["--policy", "p.toml"];
    let mut served = Served::start(folder.path(), &options);
    let ada = r#"{"userName":"ada@example.org","externalId":"1"}"#;
    served.create();
    let id = served.target.resources("Users")[0]["id"].as_str().unwrap().to_owned();
    assert!(served.send("DELETE", &format!("/Users/{id}"), "").starts_with("HTTP/1.1 204"));

    let staged = served.send("POST", "/Users", ada);
    assert!(staged.starts_with("HTTP/1.1 503"), "{staged}");
    assert_eq!(header(&staged, "replaysafe-verdict").unwrap(), "staged");
    assert!(header(&staged, "retry-after").is_some() && staged.contains("approval"), "{staged}");
    let decision = header(&staged, "replaysafe-decision").unwrap();
    let json = |arguments: &[&str]| {
        let rest = ["--ledger", "sqlite:a.db", "--format", "json"];
        let ran = run(folder.path(), &[arguments, &rest].concat());
        (ran.code, ran.json())
    };
    let (_, list) = json(&["list", "staged"]);
    assert_eq!(list["waiting"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["waiting"][0]["decision"], decision);
    assert_eq!(list["waiting"][0]["approved-until"], Value::Null);
    let writes = served.target.writes();
    assert_eq!(writes, 2, "a create and a delete");

    let approved = json(&["approve", &decision, "--hours", "1"]);
    assert_eq!((approved.0, &approved.1["approval"]), (0, &json!("approved")));
    assert_eq!(json(&["approve", &decision, "--hours", "9"]), approved, "twice is once");
    let until = &approved.1["approved-until"];
    assert_eq!(json(&["list", "staged"]).1["waiting"][0]["approved-until"], *until);
    // Another request for the same account waits for its own.
    let other = r#"{"userName":"ada@example.org","externalId":"1","title":"root"}"#;
    let other = served.send("POST", "/Users", other);
    assert_eq!(header(&other, "replaysafe-verdict").unwrap(), "staged");
    assert_eq!(served.target.writes(), writes, "an approval sends nothing");

    served.kill_and_start(folder.path(), &options);
    let made = served.send("POST", "/Users", ada);
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    assert_eq!(header(&made, "replaysafe-decision").unwrap(), decision);
    let again = served.send("POST", "/Users", ada);
    assert!(again.starts_with("HTTP/1.1 201"), "{again}");
    assert_eq!(served.target.writes(), writes + 1);
    assert_eq!(served.target.resources("Users").len(), 1);
    let (code, sent) = json(&["approve", &decision]);
    assert_eq!((code, &sent["approval"]), (1, &json!("sent")));
    // The account is back: there is no return left that the other one could be.
    let other = header(&other, "replaysafe-decision").unwrap();
    let (code, not) = json(&["approve", &other]);
    assert_eq!((code, &not["approval"]), (1, &json!("not-staged")));
    assert_eq!(json(&["list", "staged"]), (0, json!({"waiting": [], "plans": []})));
    assert_eq!(served.stop().code, 0);

    explained(folder.path(), &decision);
    let text = run(folder.path(), &["approve", &decision, "--ledger", "sqlite:a.db"]);
    assert_eq!((text.code, text.out.trim()), (1, "nothing to approve: it was sent already"));
    fails(
        folder.path(),
        &["approve", "7f3c", "--ledger", "sqlite:a.db"],
        3,
        &["`7f3c`", "another ledger's"],
    );
    fails(folder.path(), &["approve", "7f3c", "--ledger", "sqlite:none.db"], 3, &["`none.db`"]);
    fails(
        folder.path(),
        &["approve", &decision, "--ledger", "sqlite:a.db", "--hours", "721"],
        2,
        &["721"],
    );
    assert_eq!(json(&["ledger", "audit"]).0, 0);
}

/// S41: nobody can tell which of two accounts a create has made: it is parked until a person says which.
#[test]
fn a_parked_create_ends_by_a_persons_word() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    // Both are shown three seconds after the look that follows the lost answer.
    let index_lag = Duration::from_secs(3);
    served.target.behave(Behaviour { index_lag, ..Behaviour::lenient() });
    let ada = r#"{"userName":"ada@example.org","externalId":"1"}"#;
    served.target.strike(Fault::next(Verb::Post, "/Users", Lost::Cut));
    let asked = served.begin("POST", "/Users", ada);
    served.until_asked("POST", 1);
    let other = served.send_past("POST", "/Users", ada);
    assert!(other.starts_with("HTTP/1.1 201"), "{other}");
    let parked = asked.join().unwrap();
    assert_eq!(header(&parked, "replaysafe-verdict").unwrap(), "parked", "{parked}");
    assert!(parked.starts_with("HTTP/1.1 423"), "{parked}");
    let decision = header(&parked, "replaysafe-decision").unwrap();

    let list = listed(folder.path(), "parked");
    assert_eq!(list[0]["decision"], decision);
    assert_eq!(list[0]["what"], "parked");
    let mut candidates: Vec<&str> =
        list[0]["candidates"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    candidates.sort_unstable();
    let users = served.target.resources("Users");
    let mut ids: Vec<&str> = users.iter().map(|user| user["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!((candidates.len(), candidates), (2, ids.clone()));
    assert_eq!(listed(folder.path(), "staged"), json!([]));
    let writes = served.target.writes();

    let resolve = |what: &[&str]| {
        let rest = ["--ledger", "sqlite:a.db", "--format", "json"];
        let ran = run(folder.path(), &[&["resolve", &decision], what, &rest].concat());
        (ran.code, ran.json()["resolution"].as_str().unwrap().to_owned())
    };
    // What was sent may still take effect: nobody can know yet.
    assert_eq!(resolve(&["--nothing"]), (1, "not-parked".to_owned()));
    // It cannot have made what does not bear its name.
    while resolve(&["--made", "nobody"]).0 == 1 {
        thread::sleep(Duration::from_millis(500));
    }
    thread::sleep(Duration::from_secs(3));
    assert_eq!(listed(folder.path(), "parked")[0]["decision"], decision);
    assert_eq!(resolve(&["--made", ids[0]]), (0, "looks".to_owned()));
    while listed(folder.path(), "parked") != json!([]) {
        thread::sleep(Duration::from_millis(200));
    }
    let told = served.send("POST", "/Users", ada);
    assert!(told.starts_with("HTTP/1.1 201"), "{told}");
    assert_eq!(header(&told, "replaysafe-decision").unwrap(), decision);
    assert!(told.contains(&format!("/Users/{}", ids[0])), "{told}");
    assert_eq!(served.target.writes(), writes, "a person's word sends nothing");
    assert_eq!(resolve(&["--nothing"]), (1, "not-parked".to_owned()));
    assert_eq!(served.stop().code, 0);

    explained(folder.path(), &decision);
    fails(
        folder.path(),
        &["resolve", "7f3c", "--nothing", "--ledger", "sqlite:a.db"],
        3,
        &["`7f3c`", "another ledger's"],
    );
    let neither = ["resolve", &decision, "--ledger", "sqlite:a.db"];
    fails(folder.path(), &neither, 2, &["--made", "--nothing"]);
    fails(folder.path(), &[&neither[..], &["--made", ""]].concat(), 2, &["--made"]);
    assert_eq!(run(folder.path(), &["ledger", "audit", "--ledger", "sqlite:a.db"]).code, 0);
}

/// S29: a revocation that the target accepts and does not carry out is listed until it is carried out.
#[test]
fn an_irrevocable_revocation_is_listed_until_it_holds() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.create();
    let id = served.target.resources("Users")[0]["id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let lie = Fault::next(Verb::Delete, "/Users", Lost::Status(204));
        served.target.strike(lie.at(Moment::InsteadOfCommit));
    }
    let path = format!("/Users/{id}");
    let told = served.send("DELETE", &path, "");
    assert_eq!(header(&told, "replaysafe-verdict").unwrap(), "irrevocable", "{told}");
    let decision = header(&told, "replaysafe-decision").unwrap();
    let list = listed(folder.path(), "irrevocable");
    assert_eq!((list.as_array().unwrap().len(), &list[0]["decision"]), (1, &json!(decision)));
    assert_eq!(list[0]["resource-type"], "User");

    let done = served.send("DELETE", &path, "");
    assert!(done.starts_with("HTTP/1.1 204"), "{done}");
    assert_eq!(header(&done, "replaysafe-decision").unwrap(), decision);
    assert_eq!(listed(folder.path(), "irrevocable"), json!([]));
    let text = run(folder.path(), &["list", "--ledger", "sqlite:a.db"]);
    assert_eq!((text.code, text.out.trim()), (0, "nothing waits for a person"));
    assert_eq!(served.stop().code, 0);
}

/// What waits, of this kind.
fn listed(folder: &Path, what: &str) -> Value {
    let list = run(folder, &["list", what, "--ledger", "sqlite:a.db", "--format", "json"]);
    assert_eq!(list.code, 0, "{list:?}");
    list.json()["waiting"].clone()
}

/// S45: what is explained is a policy file, which says the same again; a mistake has its line and its rule.
#[test]
fn a_policy_is_checked_and_explained() {
    let folder = TempDir::new().unwrap();
    let write = |text: &str| fs::write(folder.path().join("p.toml"), text).unwrap();
    let digest = |arguments: &[&str]| {
        let ran = run(folder.path(), &[arguments, &["--format", "json"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()["sha256"].as_str().unwrap().to_owned()
    };
    write("");
    let default = digest(&["policy", "check", "p.toml"]);
    let explained = run(folder.path(), &["policy", "explain"]);
    assert_eq!(explained.code, 0, "{explained:?}");
    write(&explained.out);
    assert_eq!(digest(&["policy", "check", "p.toml"]), default, "{}", explained.out);

    write(
        "returns = \"refuse\"\n[correlation]\nGroup = [\"displayName\"]\n[credentials]\n\"h r\" = [\"0b84d71f00000000000000000000000000000000000000000000000000000000\"]\n",
    );
    let own = digest(&["policy", "check", "p.toml"]);
    assert_ne!(own, default);
    let explained = run(folder.path(), &["policy", "explain", "p.toml"]);
    assert!(explained.out.contains("\nreturns = \"refuse\"\n"), "{}", explained.out);
    assert!(explained.out.contains("S21 in docs/rules.md"), "{}", explained.out);
    write(&explained.out);
    assert_eq!(digest(&["policy", "explain", "p.toml"]), own, "{}", explained.out);

    write("adopt = \"never\"\nreturns = \"maybe\"\n");
    for verb in ["check", "explain"] {
        fails(folder.path(), &["policy", verb, "p.toml"], 2, &["line 2", "`returns`", "S21"]);
    }
    fails(folder.path(), &["policy", "check", "none.toml"], 3, &["none.toml"]);
}
