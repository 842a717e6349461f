//! `replaysafe plan`: files of what should be and what is there, and every way to end.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{Served, fails, run, run_on};

const USER: &str = r#""schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]"#;
const GROUP: &str = r#""schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]"#;

/// S34: revocations first, creates before members, deletions last; a member is named by its external id.
#[test]
fn a_plan_is_told_in_its_order() {
    let folder = written();
    let ran = run(folder.path(), &[PLAN, &["--policy", "p.toml", "--complete"]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let expected = [
        "to do: 1 revoke, 1 create, 1 update, 2 grant, 1 delete",
        "1 unchanged, 1 ambiguous, 0 blocked, 1 not desired and kept",
        "     1  revoke   Group g1 (9)  members",
        "     2  create   User e2",
        "     3  update   User e1 (1)  title",
        "     4  grant    Group g1 (9)  members",
        "     5  grant    User e1 (1)  roles",
        "     6  delete   User e6 (6)",
        "ambiguous  User e3 (3, 4)  ambiguous: several resources may be it (S16)",
    ];
    for line in expected {
        assert!(ran.out.contains(line), "{line}\n{}", ran.out);
    }
    assert!(!ran.out.contains("e5 (5)"), "what is as it should be is told with --all: {}", ran.out);
    let all = run(folder.path(), &[PLAN, &["--all"]].concat()).out;
    assert!(all.contains("unchanged  User e5 (5)  confirmed"), "{all}");
    assert!(all.contains("kept       User root (7)  unassigned"), "{all}");
}

#[test]
fn a_plan_for_programs_has_operations_dependencies_and_no_secret() {
    let folder = written();
    let plan = run(folder.path(), &[PLAN, &["--format", "json"]].concat()).json();
    assert_eq!(plan["summary"]["delete"], json!(0), "the source is not said to be complete");
    assert_eq!(plan["summary"]["create"], json!(1));
    let effects = plan["effects"].as_array().unwrap();
    let of = |op: &str, kind: &str| {
        effects.iter().find(|one| one["op"] == *op && one["resourceType"] == *kind).unwrap()
    };
    let create = of("create", "User");
    assert_eq!(
        create["document"],
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "externalId": "e2", "userName": "bob"})
    );
    let grant = of("grant", "Group");
    let member = json!([{"op": "add", "path": "members", "value": [{"value": "1"}, {"value": "externalId:e2"}]}]);
    assert_eq!(grant["operations"], member);
    let before = grant["dependsOn"].as_array().unwrap();
    assert!(
        before.contains(&create["effect"]) && before.contains(&of("revoke", "Group")["effect"])
    );
    assert!(!plan.to_string().contains("S3cret"), "{plan}");
    let situations: Vec<&Value> =
        plan["findings"].as_array().unwrap().iter().map(|one| &one["situation"]).collect();
    for situation in ["absent", "ambiguous", "confirmed", "source-missing", "unassigned"] {
        assert!(situations.contains(&&json!(situation)), "{situation}: {situations:?}");
    }
}

/// The lines are the document: the plan with how many follow, then each effect, then each finding.
#[test]
fn a_plan_is_written_line_by_line() {
    let folder = written();
    for more in [&[][..], &["--all"]] {
        let planned =
            |format: &str| run(folder.path(), &[PLAN, &["--format", format], more].concat());
        let mut json = planned("json").json();
        let ran = planned("ndjson");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let mut lines = ran.lines().into_iter();
        let mut of = |what: &str, list: Value| {
            for one in list.as_array().unwrap() {
                assert_eq!(lines.next(), Some((what.to_owned(), one.clone())));
            }
        };
        let (effects, findings) = (json["effects"].take(), json["findings"].take());
        let (_, whole) = ran.lines().remove(0);
        json["at"] = whole["at"].clone();
        json["effects"] = json!(effects.as_array().unwrap().len());
        json["findings"] = json!(findings.as_array().unwrap().len());
        of("plan", json!([json]));
        of("effect", effects);
        of("finding", findings);
        assert_eq!(lines.next(), None);
    }
}

/// 0: nothing to do; 2: something, or something waits for a person; 1: an error.
#[test]
fn the_exit_code_tells_in_detail_what_it_is_asked_to() {
    let folder = written();
    let code = |arguments: &[&str]| run(folder.path(), &[PLAN, arguments].concat()).code;
    assert_eq!(code(&["--detailed-exitcode"]), 2);
    assert_eq!(code(&["--detailed-exitcode", "--policy", "missing.toml"]), 1);
    let one = format!("{{{USER},\"externalId\":\"e1\",\"userName\":\"ann\"}}");
    let there = format!("{{{USER},\"id\":\"1\",\"externalId\":\"e1\",\"userName\":\"ann\"}}");
    put(&folder, "same.json", &one);
    put(&folder, "there.json", &there);
    let same = ["plan", "--desired", "same.json", "--observed", "there.json"];
    let ran = run(folder.path(), &[&same, ["--detailed-exitcode"].as_slice()].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("nothing to do\n1 unchanged"), "{}", ran.out);
    let weak = run_on(
        folder.path(),
        &["plan", "--desired", "-", "--observed", "there.json", "--detailed-exitcode"],
        &format!("{{{GROUP},\"displayName\":\"G\"}}"),
    );
    assert_eq!(weak.code, 2, "what waits for a person is not nothing: {weak:?}");
    assert!(
        weak.out.contains("blocked    Group   absent: nothing identifies it (S2)"),
        "{}",
        weak.out
    );
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    let folder = written();
    put(&folder, "bad.ndjson", &format!("{{{USER}}}\n{{{USER},\n"));
    put(&folder, "untyped.json", r#"{"userName":"ann"}"#);
    put(&folder, "wrong.toml", "source-missing = \"burn\"");
    let plan =
        |desired: &'static str| ["plan", "--desired", desired, "--observed", "observed.json"];
    fails(folder.path(), &plan("bad.ndjson"), 2, &["bad.ndjson: line 2: no JSON"]);
    fails(folder.path(), &plan("untyped.json"), 2, &["of which type is it?", "`--resource-type`"]);
    fails(folder.path(), &plan("nowhere.json"), 3, &["nowhere.json"]);
    fails(
        folder.path(),
        &[PLAN, &["--policy", "wrong.toml"]].concat(),
        2,
        &["line 1: `source-missing` (S32", "write `keep`, `disable` or `delete`"],
    );
    put(
        &folder,
        "error.json",
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"500"}"#,
    );
    fails(folder.path(), &plan("error.json"), 2, &["no resource, but a message"]);
    let twice = ["plan", "--desired", "-", "--observed", "-"];
    fails(folder.path(), &twice, 2, &["one of the two sides only"]);
    let wrong = run(folder.path(), &["plan", "--frob", "--detailed-exitcode"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    let typed = [&plan("untyped.json"), ["--resource-type", "User"].as_slice()].concat();
    assert_eq!(run(folder.path(), &typed).code, 0);
}

/// A reference leads to whom a plan has found, in whatever order they refer to each other; whoever refers to nobody keeps nobody's access.
#[test]
fn who_is_referred_to_is_found_first() {
    let folder = TempDir::new().unwrap();
    let manager = |of: &str| {
        format!(
            "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":{{\"manager\":{{\"value\":\"externalId:{of}\"}}}}"
        )
    };
    let desired = [
        format!("{{{USER},\"externalId\":\"1\",\"userName\":\"ann\",{}}}", manager("2")),
        format!("{{{USER},\"externalId\":\"2\",\"userName\":\"bob\",{}}}", manager("3")),
        format!(
            "{{{USER},\"externalId\":\"3\",\"userName\":\"cat\",\"active\":false,{}}}",
            manager("gone")
        ),
    ];
    put(&folder, "d.ndjson", &desired.join("\n"));
    let there = [
        format!("{{{USER},\"id\":\"a\",\"externalId\":\"1\",\"userName\":\"ann\"}}"),
        format!("{{{USER},\"id\":\"b\",\"userName\":\"bob\"}}"),
        format!(
            "{{{USER},\"id\":\"c\",\"externalId\":\"3\",\"userName\":\"cat\",\"active\":true}}"
        ),
    ];
    put(&folder, "o.ndjson", &there.join("\n"));
    let arguments = ["plan", "--desired", "d.ndjson", "--observed", "o.ndjson", "--format", "json"];
    let plan = run(folder.path(), &arguments).json();
    assert_eq!(plan["summary"]["disable"], json!(1), "{plan}");
    assert!(!plan["effects"].to_string().contains("externalId:"), "bob is not adopted: {plan}");
    put(&folder, "p.toml", "adopt = \"matching\"");
    let adopting = [&arguments, ["--policy", "p.toml"].as_slice()].concat();
    let plan = run(folder.path(), &adopting).json();
    let effects = plan["effects"].to_string();
    assert!(effects.contains(r#""value":{"value":"b"}"#), "{effects}");
    assert!(effects.contains(r#""value":{"value":"c"}"#), "{effects}");
    assert!(!effects.contains("externalId:"), "{effects}");
}

/// S32: a source that has nothing of a type says nothing of it, however complete it is; a name steers no terminal.
#[test]
fn what_the_source_has_nothing_of_stays() {
    let folder = written();
    put(
        &folder,
        "users.ndjson",
        &format!("{{{USER},\"externalId\":\"e\\u001b[2J\",\"userName\":\"eve\"}}"),
    );
    let arguments = ["plan", "--desired", "users.ndjson", "--observed", "observed.json"];
    let whole = [&arguments, ["--complete", "--policy", "p.toml"].as_slice()].concat();
    let ran = run(folder.path(), &whole);
    assert!(ran.out.contains("delete   User e1 (1)"), "{}", ran.out);
    assert!(ran.out.contains("blocked    Group g1 (9)  source-missing"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
}

/// What is there may be read from the service itself, which tells its types and what is unique, too.
#[test]
fn a_service_is_read_as_it_is() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(folder.path(), &[]);
    served.create();
    let base = served.target.base();
    let user = |name: &str| format!("{{{USER},\"userName\":\"{name}\",\"title\":\"b\"}}");
    put(&folder, "d.ndjson", &[user("ada@example.org"), user("new@example.org")].join("\n"));
    put(&folder, "p.toml", "adopt = \"matching\"");
    let arguments = ["plan", "--desired", "d.ndjson", "--observed", &base, "--policy", "p.toml"];
    let ran = run(folder.path(), &arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("to do: 1 create, 1 update\n"), "{}", ran.out);
    put(&folder, "d.ndjson", &user("x").replace("core:2.0:User", "core:2.0:Robot"));
    fails(folder.path(), &arguments, 2, &["no resource type `Robot`", "it has User, Group"]);
    drop(served);
    put(&folder, "d.ndjson", &user("x"));
    fails(folder.path(), &arguments, 3, &["reading User from ", "no complete answer"]);
    fails(
        folder.path(),
        &["plan", "--desired", "d.ndjson", "--observed", "http://"],
        2,
        &["--observed: "],
    );
}

/// S16: what a profile says is unique is not asked for twice.
#[test]
fn a_profile_says_what_is_unique() {
    let folder = written();
    put(&folder, "new.json", &format!("{{{USER},\"externalId\":\"e9\",\"userName\":\"ann\"}}"));
    put(
        &folder,
        "profile.toml",
        "target = \"http://127.0.0.1:1\"\n[declared]\n\"unique/User/userName\" = \"server\"\n",
    );
    let plan = ["plan", "--desired", "new.json", "--observed", "observed.json"];
    let without = run(folder.path(), &plan);
    assert!(without.out.starts_with("to do: 1 create"), "{}", without.out);
    let with = run(folder.path(), &[&plan, ["--profile", "profile.toml"].as_slice()].concat());
    assert!(with.out.contains("found-already-linked: `userName` is unique"), "{with:?}");
}

const PLAN: &[&str] = &["plan", "--desired", "desired.ndjson", "--observed", "observed.json"];

fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    let desired = [
        format!(
            "{{{USER},\"externalId\":\"e1\",\"userName\":\"ann\",\"title\":\"boss\",\"roles\":[{{\"value\":\"admin\"}},{{\"value\":\"reader\"}}]}}"
        ),
        format!("{{{USER},\"externalId\":\"e2\",\"userName\":\"bob\",\"password\":\"S3cret\"}}"),
        format!("{{{USER},\"externalId\":\"e3\",\"userName\":\"cat\"}}"),
        format!("{{{USER},\"externalId\":\"e5\",\"userName\":\"eve\"}}"),
        format!(
            "{{{GROUP},\"externalId\":\"g1\",\"displayName\":\"G\",\"members\":[{{\"value\":\"externalId:e1\"}},{{\"value\":\"externalId:e2\"}}]}}"
        ),
    ];
    put(&folder, "desired.ndjson", &desired.join("\n"));
    let user = |rest: &str| format!("{{{USER},{rest}}}");
    let there = [
        user(
            r#""id":"1","externalId":"e1","userName":"ann","title":"clerk","roles":[{"value":"reader"}]"#,
        ),
        user(r#""id":"3","externalId":"e3","userName":"cat""#),
        user(r#""id":"4","externalId":"e3","userName":"cat2""#),
        user(r#""id":"5","externalId":"e5","userName":"eve""#),
        user(r#""id":"6","externalId":"e6","userName":"old""#),
        user(r#""id":"7","userName":"root""#),
        format!(
            "{{{GROUP},\"id\":\"9\",\"externalId\":\"g1\",\"displayName\":\"G\",\"members\":[{{\"value\":\"6\"}}]}}"
        ),
    ];
    let list = format!("{{\"totalResults\":7,\"Resources\":[{}]}}", there.join(","));
    put(&folder, "observed.json", &list);
    put(&folder, "p.toml", "source-missing = \"delete\"");
    folder
}

fn put(folder: &TempDir, name: &str, text: &str) {
    fs::write(Path::new(folder.path()).join(name), text).unwrap();
}
