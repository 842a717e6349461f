//! `replaysafe audit`: what is wrong with what is there, what would mend it, and every way to end.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use replaysafe_cli::memory::{Fault, Lost, Moment, Verb};

use super::support::{Served, fails, header, run, run_on};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

const AUDIT: [&str; 3] = ["audit", "--observed", "there.ndjson"];

/// Each flaw once, by weight, each line with its rule and controls.
#[test]
fn what_is_wrong_is_told_by_weight() {
    let folder = written();
    let ran = run(folder.path(), &[AUDIT.as_slice(), &["--complete"]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let expected = [
        "audited: 1 of type Group, 4 of type User",
        "found: 1 duplicate-identity, 1 orphaned-privilege, 1 live-credential, 1 stacked-grant, 1 repeated-member, 1 dangling-reference",
        "",
        "duplicate-identity  User e1 (1, 2)  userName: the first survives: it carries an external id, and the others none (S35); once it is seen to be where the others are, the next audit takes them away [S35; PR.AA-01, AC-2, IA-4]",
        "orphaned-privilege  User e3 (3)  members [9]: it is switched off, and would have this as soon as it is switched on [S22; NHI1:2025, PR.AA-05, AC-2(3), AC-6, PS-4]",
        "live-credential     User e3 (3)  x509Certificates: it is switched off; what accepts the credential by itself may not know [S30; NHI1:2025, PR.AA-01, AC-2(3), IA-5, PS-4]",
        "stacked-grant       User e4 (4)  roles [admin]: it is one to whoever reads the list as a set, and no request makes it one without taking it away first [S28; NHI5:2025, PR.AA-05, AC-6, AC-6(7)]",
        "repeated-member     Group 9 (9)  members [4]: it is one to whoever reads the list as a set, and no request makes it one without taking it away first [S27; PR.AA-05, AC-2]",
        "dangling-reference  Group 9 (9)  members [gone]: nothing that is there has this id [S14; NHI1:2025, PR.AA-05, AC-2, PS-4]",
        "",
        "4 effects would mend it: `--fix FILE` writes them as a plan",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
}

/// S21, S29: a ledger tells who was deleted through it and is there, and what the target did not carry out; the gateway may have it open.
#[test]
fn a_ledger_tells_what_has_come_back_and_what_was_not_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let made = |name: &str, title: &str| {
        let body = json!({"schemas": [USER], "externalId": name, "userName": name, "title": title});
        let body = body.to_string();
        let told = served.send("POST", "/Users", &body);
        assert!(told.starts_with("HTTP/1.1 201"), "{told}");
        let all = served.target.resources("Users");
        all.iter().find(|one| one["userName"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let audit = |more: &[&str]| {
        let base = served.target.base();
        let ran = run(
            folder.path(),
            &[&["audit", "--observed", &base, "--format", "json"], more].concat(),
        );
        assert_eq!(ran.code, 0, "{ran:?}");
        let found = ran.json()["findings"].as_array().unwrap().clone();
        let line = |one: &Value| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            (
                text("flaw"),
                text("name"),
                text("rule"),
                one["values"].clone(),
                one["effects"].clone(),
            )
        };
        found.iter().map(line).collect::<Vec<_>>()
    };
    let with_ledger = ["--ledger", "sqlite:a.db"];
    let (ann, bea, cyd) = (made("ann", "a"), made("bea", "a"), made("cyd", "a"));
    assert_eq!(audit(&with_ledger), []);
    // One is deleted, and somebody makes her again behind the gateway's back; another one returns through it.
    for id in [&ann, &bea] {
        let told = served.send("DELETE", &format!("/Users/{id}"), "");
        assert!(told.starts_with("HTTP/1.1 204"), "{told}");
    }
    assert_eq!(audit(&with_ledger), []);
    let back = json!({"schemas": [USER], "externalId": "ann", "userName": "ann", "active": true});
    let made_again = served.send_past("POST", "/Users", &back.to_string());
    assert!(made_again.starts_with("HTTP/1.1 201"), "{made_again}");
    made("bea", "b");
    // A third cannot be deleted.
    for _ in 0..2 {
        let lie = Fault::next(Verb::Delete, "/Users", Lost::Status(204));
        served.target.strike(lie.at(Moment::InsteadOfCommit));
    }
    let told = served.send("DELETE", &format!("/Users/{cyd}"), "");
    let decision = header(&told, "replaysafe-decision").unwrap();
    let none = json!([]);
    assert_eq!(
        audit(&with_ledger),
        [
            ("resurrected".into(), "ann".into(), "S21".into(), none, json!(0)),
            ("irrevocable".into(), "cyd".into(), "S29".into(), json!([decision]), json!(0)),
        ]
    );
    // Without it, or for another tenant, nothing of it is known.
    assert_eq!(audit(&[]), []);
    assert_eq!(audit(&[&with_ledger[..], &["--tenant", "other"]].concat()).len(), 0);
    assert_eq!(served.stop().code, 0);
    fs::write(
        folder.path().join("there.ndjson"),
        format!("{{\"schemas\":[\"{USER}\"],\"id\":\"1\",\"userName\":\"a\"}}"),
    )
    .unwrap();
    let nowhere = [&AUDIT[..], &["--ledger", "sqlite:nowhere.db"]].concat();
    fails(folder.path(), &nowhere, 3, &["nowhere.db"]);
}

/// Whoever has not said that the file has everything is not told that something is nowhere.
#[test]
fn references_are_followed_where_all_is_there() {
    let folder = written();
    let ran = run(folder.path(), &AUDIT);
    assert!(!ran.out.contains("dangling"), "{}", ran.out);
    assert!(ran.out.contains("references were not followed: `--complete`"), "{}", ran.out);
}

/// `--fix` writes a plan that `apply` takes, in its order: what takes access away first.
#[test]
fn what_mends_it_is_a_plan() {
    let folder = written();
    let fix = ["--complete", "--fix", "fix.json", "--format", "json"];
    let audit = run(folder.path(), &[AUDIT.as_slice(), &fix].concat()).json();
    assert_eq!((&audit["effects"], &audit["fix"]), (&json!(4), &json!("fix.json")));
    let plan: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("fix.json")).unwrap()).unwrap();
    let effects: Vec<String> = plan["effects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            let operation = &one["operations"][0];
            let path = operation["path"].as_str().unwrap();
            let (op, kind, id, reason) =
                (text("op"), text("resourceType"), text("id"), text("reason"));
            format!("{op} {kind} {id} {} {path}: {reason}", operation["op"].as_str().unwrap())
        })
        .collect();
    let of_group = "it mends duplicate-identity, orphaned-privilege, dangling-reference";
    let expected = [
        format!("revoke Group 9 remove members[value eq \"3\"]: {of_group}"),
        format!("revoke Group 9 remove members[value eq \"gone\"]: {of_group}"),
        "update User 3 remove x509Certificates: it mends live-credential".to_owned(),
        format!("grant Group 9 add members: {of_group}"),
    ];
    assert_eq!(effects, expected);
    let again = run(folder.path(), &[AUDIT.as_slice(), &fix].concat());
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.err.contains("fix.json: it is there already: name a new file"), "{}", again.err);
}

/// Of a live service all types are read, and who was not shown is asked for; once it is mended nothing is wrong any more.
#[test]
fn a_live_service_is_audited_and_mended() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    let made = |path: &str, body: &str| {
        let answer = served.send("POST", path, body);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let leaver = made("/Users", r#"{"userName":"bob","externalId":"e1","active":false}"#);
    let stays = made("/Users", r#"{"userName":"cyd","externalId":"e2"}"#);
    let members = json!({"displayName": "G", "externalId": "g1", "members": [{"value": leaver}, {"value": stays}, {"value": "gone"}]});
    made("/Groups", &members.to_string());
    let base = served.target.base();
    let audit = ["audit", "--observed", &base, "--detailed-exitcode", "--format", "json"];
    let first = run(folder.path(), &[audit.as_slice(), &["--fix", "fix.json"]].concat());
    assert_eq!(first.code, 2, "{first:?}");
    let first = first.json();
    assert_eq!(first["referencesFollowed"], json!(true));
    let found: Vec<(&str, &Value)> = first["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["flaw"].as_str().unwrap(), &one["values"]))
        .collect();
    let group = &first["findings"][1]["ids"];
    assert_eq!(found, [("orphaned-privilege", group), ("dangling-reference", &json!(["gone"]))]);
    let apply = ["apply", "fix.json", "--target", &base, "--ledger", "sqlite:fix.db"];
    let applied = run(folder.path(), &apply);
    assert_eq!(applied.code, 0, "{applied:?}");
    let again = run(folder.path(), &audit);
    assert_eq!(again.code, 0, "{again:?}");
}

/// The lines are the document: the audit with how many findings follow, then each of these.
#[test]
fn an_audit_is_written_line_by_line() {
    let folder = written();
    let audited =
        |format: &str| run(folder.path(), &[AUDIT.as_slice(), &["--format", format]].concat());
    let mut json = audited("json").json();
    let ran = audited("ndjson");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let mut lines = ran.lines();
    let findings = json["findings"].take();
    let findings = findings.as_array().unwrap();
    let (what, whole) = lines.remove(0);
    json["at"] = whole["at"].clone();
    json["findings"] = json!(findings.len());
    assert_eq!((what.as_str(), whole), ("audit", json));
    assert!(!findings.is_empty());
    let expected = findings.iter().map(|one| ("finding".to_owned(), one.clone()));
    assert_eq!(lines, expected.collect::<Vec<_>>());
}

/// 0: nothing is wrong; 2: something is; 1: an error.
#[test]
fn the_exit_code_tells_in_detail_what_it_is_asked_to() {
    let folder = written();
    let code =
        |arguments: &[&str]| run(folder.path(), &[AUDIT.as_slice(), arguments].concat()).code;
    assert_eq!(code(&["--detailed-exitcode"]), 2);
    assert_eq!(code(&["--detailed-exitcode", "--policy", "missing.toml"]), 1);
    assert_eq!(code(&["--detailed-exitcode", "--fix", "no/such/folder.json"]), 1);
    assert_eq!(code(&["--fix", "no/such/folder.json"]), 3);
    let one = r#"{"meta":{"resourceType":"User"},"id":"1","userName":"ann"}"#;
    let ran = run_on(folder.path(), &["audit", "--observed", "-", "--detailed-exitcode"], one);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("nothing is wrong"), "{}", ran.out);
    fails(folder.path(), &["audit", "--observed", "nowhere.json"], 3, &["nowhere.json"]);
    fails(folder.path(), &["audit"], 2, &["--observed"]);
}

/// What is shown in two ways is shown in neither; who has no id may be whoever is referred to.
#[test]
fn what_cannot_be_told_apart_is_not_guessed() {
    let folder = TempDir::new().unwrap();
    let user =
        |of: &str| format!("{{\"meta\":{{\"resourceType\":\"User\"}},\"userName\":\"a\",{of}}}\n");
    let audit =
        |there: String| run_on(folder.path(), &["audit", "--observed", "-", "--complete"], &there);
    let same = audit(user("\"id\":\"1\"") + &user("\"id\":\"1\""));
    assert!(same.out.contains("1 of type User\nnothing is wrong"), "{same:?}");
    let other = audit(user("\"id\":\"1\"") + &user("\"id\":\"1\",\"active\":false"));
    assert!(
        other.code != 0 && other.err.contains("User number 2 has the id of one before it"),
        "{other:?}"
    );
    let group = "{\"meta\":{\"resourceType\":\"Group\"},\"id\":\"g\",\"members\":[7]}";
    let odd = audit(user("\"id\":7") + group);
    assert!(odd.out.contains("1 without an id") && odd.out.contains("not everything"), "{odd:?}");
    assert!(!odd.out.contains("dangling"), "{odd:?}");
}

fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    put(folder.path());
    folder
}

fn put(folder: &Path) {
    let user = |of: &str| format!("{{\"meta\":{{\"resourceType\":\"User\"}},{of}}}");
    let there = [
        user(r#""id":"1","externalId":"e1","userName":"ann""#),
        user(r#""id":"2","userName":"Ann""#),
        user(r#""id":"3","externalId":"e3","userName":"bob","active":false,"x509Certificates":[{"value":"MII"}]"#),
        user(r#""id":"4","externalId":"e4","userName":"cyd","roles":[{"value":"admin"},{"value":"admin"}]"#),
        r#"{"meta":{"resourceType":"Group"},"id":"9","members":[{"value":"2"},{"value":"3"},{"value":"4"},{"value":"4"},{"value":"gone"}]}"#.to_owned(),
    ];
    fs::write(folder.join("there.ndjson"), there.join("\n")).unwrap();
}
