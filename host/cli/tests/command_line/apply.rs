//! `replaysafe apply`: a plan is made, carried out, killed, carried out again, and made again.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
};

use replaysafe_cli::memory::{Behaviour, MemoryTarget};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::support::{Ran, Served, fails, program, run};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// S34: what was planned is there, once, and nothing is left to do.
#[test]
fn a_plan_that_was_carried_out_leaves_nothing_to_do() {
    for behaviour in [Behaviour::lenient(), Behaviour::strict()] {
        let scene = Scene::before(behaviour);
        // 3 users and a group are made, a title changes, a group loses one and gains two, the new one gains two, one goes.
        scene.plan();
        let ran = scene.apply(&[]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let none = "0 changed, 0 refused, 0 parked, 0 blocked, 0 unresolved";
        assert_eq!(ran.out, format!("9 effects: 9 done, 0 already satisfied, {none}\n"));
        scene.is_as_desired();
        let writes = scene.target.writes();
        let again = scene.apply(&["--concurrency", "1", "--format", "json"]);
        let plan: Value = serde_json::from_str(&scene.read("plan.json")).unwrap();
        let report = json!({
            "digest": plan["digest"],
            "effects": 9,
            "counts": {"done": 0, "satisfied": 9, "changed": 0, "refused": 0, "parked": 0, "blocked": 0, "unresolved": 0},
            "troubles": [],
            "staged": [],
        });
        assert_eq!((again.code, again.json()), (0, report));
        assert_eq!(scene.target.writes(), writes, "nothing is sent twice");
    }
}

/// In either form it is the same plan: what was done of one is done of the other.
#[test]
fn a_plan_is_carried_out_in_either_form() {
    let scene = Scene::before(Behaviour::lenient());
    scene.plan();
    let whole: Value = serde_json::from_str(&scene.read("plan.json")).unwrap();
    let lines = scene.planned(&["--format", "ndjson"]).out;
    // Made at another time it is another wish.
    let (first, rest) = lines.split_once('\n').unwrap();
    let mut first: Value = serde_json::from_str(first).unwrap();
    first["at"] = whole["at"].clone();
    scene.write("plan.json", &format!("{first}\n{rest}"));
    let ran = scene.apply(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    scene.is_as_desired();
    scene.write("plan.json", &whole.to_string());
    let again = scene.apply(&["--format", "json"]).json();
    assert_eq!(again["counts"]["satisfied"], json!(9));
    let (cut, _) = lines.rsplit_once("{\"type\":").unwrap();
    scene.write("plan.json", cut);
    let refused = scene.apply(&[]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("not as many effects and findings as it says"), "{refused:?}");
}

/// Killed (SIGKILL) after some of it was done: the next run does the rest, and nothing twice.
#[test]
fn a_plan_that_was_killed_goes_on() {
    for writes in [1, 4, 7] {
        let scene = Scene::before(Behaviour::lenient());
        scene.plan();
        let mut child = scene.start(&["--concurrency", "2"]);
        let before = scene.target.writes();
        while scene.target.writes() < before + writes {
            assert!(child.try_wait().unwrap().is_none(), "it has ended before it was killed");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = scene.apply(&["--format", "json"]);
        assert_eq!(ran.code, 0, "killed after {writes}: {ran:?}");
        let counts = &ran.json()["counts"];
        let all = counts["done"].as_u64().unwrap() + counts["satisfied"].as_u64().unwrap();
        assert_eq!(all, 9, "{counts}");
        scene.is_as_desired();
        let audit = run(scene.folder.path(), &["ledger", "audit", "--ledger", "sqlite:a.db"]);
        assert_eq!(audit.code, 0, "{audit:?}");
    }
}

/// What somebody else has changed since is told, and what depends on it is not sent.
#[test]
fn what_is_not_as_planned_is_told() {
    let scene = Scene::before(Behaviour::strict());
    scene.plan();
    // e1 is gone since, whose title is to change.
    let gone = scene.id("Users", "e1");
    scene.send("DELETE", &format!("/Users/{gone}"));
    let ran = scene.apply(&[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.starts_with("9 effects: 8 done, 0 already satisfied, 1 changed, "),
        "{}",
        ran.out
    );
    assert!(ran.out.contains(&format!("changed     update   User e1 ({gone})  ")), "{}", ran.out);
    assert!(ran.out.contains("make another plan"), "{}", ran.out);
    let report = scene.apply(&["--format", "json"]).json();
    let trouble = &report["troubles"][0];
    assert_eq!(
        (&trouble["op"], &trouble["outcome"], &trouble["id"]),
        (&json!("update"), &json!("changed"), &json!(gone))
    );
    assert_eq!(report["counts"]["satisfied"], json!(8));
}

#[test]
fn once_it_is_stopped_it_ends_and_says_how_far_it_came() {
    let scene = Scene::before(Behaviour::lenient());
    scene.plan();
    let child = scene.start(&["--rate", "1", "--format", "json"]);
    let before = scene.target.writes();
    while scene.target.writes() == before {
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    let kill = std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(kill.success());
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{ran:?}");
    let report = ran.json();
    let blocked = report["counts"]["blocked"].as_u64().unwrap();
    let done = report["counts"]["done"].as_u64().unwrap();
    assert!(0 < blocked && 0 < done && done + blocked == 9, "{report}");
    assert!(
        report["troubles"][0]["detail"].as_str().unwrap().contains("the work was stopped before")
    );
    assert_eq!(scene.apply(&[]).code, 0);
    scene.is_as_desired();
}

#[test]
fn what_cannot_be_carried_out_is_told() {
    let scene = Scene::before(Behaviour::lenient());
    scene.plan();
    let folder = scene.folder.path();
    let base = scene.target.base();
    let apply = |plan: &'static str, more: &[&'static str]| {
        let start = ["apply", plan, "--ledger", "sqlite:a.db", "--target"];
        let mut arguments: Vec<String> = start.map(str::to_owned).into();
        arguments.push(base.clone());
        arguments.extend(more.iter().map(|&one| one.to_owned()));
        arguments
    };
    let fails = |arguments: &[String], code: i32, saying: &[&str]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        fails(folder, &arguments, code, saying);
    };
    fails(&apply("nowhere.json", &[]), 3, &["reading the plan `nowhere.json`"]);
    scene.write("text", "no plan at all");
    fails(&apply("text", &[]), 2, &["`text`: no plan: "]);
    fails(&apply("desired.ndjson", &[]), 2, &["`desired.ndjson`: no plan: "]);
    let plan = scene.read("plan.json");
    scene.write("edited.json", &plan.replacen("Director", "Chief", 1));
    fails(&apply("edited.json", &[]), 2, &["it was changed since it was made", "make it again"]);
    fails(&apply("plan.json", &["--concurrency", "0"]), 2, &["a number from 1 to 64"]);
    fails(&apply("plan.json", &["--policy", "nowhere.toml"]), 3, &["nowhere.toml"]);
    let writes = scene.target.writes();
    assert!(!folder.join("a.db").exists(), "no ledger is made of what is refused");
    // A ledger is of one service, and of one process at a time.
    let served = Served::start(folder, &[]);
    fails(&apply("plan.json", &[]), 4, &["a.db", "in use"]);
    served.stop();
    fails(
        &apply("plan.json", &[]),
        4,
        &["a.db", "is not that of", "name the ledger of this service"],
    );
    assert_eq!(scene.target.writes(), writes);
}

/// S33: a plan that does more than policy lets go is told as such, staged, listed, approved by its digest, and carried out.
#[test]
fn a_plan_over_the_guard_is_staged_until_it_is_approved() {
    let scene = Scene::before(Behaviour::lenient());
    // The plan makes 3 users and a group, and deletes one of 3 users.
    scene.write("p.toml", "source-missing = \"delete\"\n[guard]\ncreate = { most = 2 }\n");
    let planned = scene.planned(&[]);
    let over = "over the guard: create User: 3 of 3: policy `guard.create` lets 2 go without approval (S33)";
    assert!(planned.out.contains(over) && planned.out.contains("stages it until"), "{planned:?}");
    scene.plan();
    let plan: Value = serde_json::from_str(&scene.read("plan.json")).unwrap();
    let guard = json!([{"resourceType": "User", "op": "create", "count": 3, "there": 3, "limit": 2,
        "detail": "3 of 3: policy `guard.create` lets 2 go without approval (S33)"}]);
    assert_eq!(plan["guard"], guard);
    assert_eq!(
        plan["there"],
        json!({"User": {"resources": 3, "edges": 0}, "Group": {"resources": 1, "edges": 2}})
    );
    let digest = plan["digest"].as_str().unwrap();

    let writes = scene.target.writes();
    let ran = scene.apply(&[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        ran.out,
        format!(
            "staged: nothing was sent; a person has to approve it first\n{over}\n\
             to let this very plan begin: replaysafe approve {digest} with the same ledger; then the same again\n"
        )
    );
    let report = scene.apply(&["--format", "json"]).json();
    assert_eq!((&report["staged"], &report["counts"]["blocked"]), (&guard, &json!(9)));
    assert_eq!(scene.target.writes(), writes, "nothing is sent");

    let ledger = |command: &[&str]| {
        run(scene.folder.path(), &[command, &["--ledger", "sqlite:a.db"]].concat())
    };
    let listed = ledger(&["list", "staged"]);
    assert_eq!(listed.out, format!("{digest}  staged  plan  waits for 0 min\n  {over}\n"));
    assert_eq!(ledger(&["list", "parked"]).out, "nothing waits for a person\n");
    let listed = ledger(&["list", "--format", "json"]).json();
    assert_eq!(
        (&listed["plans"][0]["plan"], &listed["plans"][0]["guard"]),
        (&json!(digest), &guard)
    );
    assert_eq!(listed["plans"][0]["approved-until"], Value::Null);

    let unknown = ledger(&["approve", &"0".repeat(64)]);
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(unknown.err.contains("knows no plan with the digest"), "{unknown:?}");
    let approved = ledger(&["approve", digest, "--hours", "2"]);
    assert_eq!(approved.code, 0, "{approved:?}");
    assert!(approved.out.starts_with(&format!("{over}\napproved: ")), "{approved:?}");
    let listed = ledger(&["list", "staged"]);
    assert!(listed.out.contains("  staged  plan  approved for another 1 h 59 min"), "{listed:?}");
    let ran = scene.apply(&["--format", "json"]);
    assert_eq!((ran.code, &ran.json()["counts"]["done"]), (0, &json!(9)), "{ran:?}");
    scene.is_as_desired();
    let approved = ledger(&["approve", digest, "--format", "json"]);
    assert_eq!(
        (approved.code, approved.json()),
        (1, json!({"plan": digest, "approval": "begun", "approved-until": null, "guard": []}))
    );
    assert_eq!(ledger(&["list"]).out, "nothing waits for a person\n");
}

/// A plan of one service is not for another one, but for the same under another name.
#[test]
fn a_plan_is_for_the_service_that_it_was_made_of() {
    let scene = Scene::before(Behaviour::lenient());
    scene.plan();
    let writes = scene.target.writes();
    let other = scene.target.base().replace("127.0.0.1", "localhost");
    let apply = |more: &[&str]| {
        let fixed = [
            "apply",
            "plan.json",
            "--target",
            &other,
            "--ledger",
            "sqlite:b.db",
            "--policy",
            "p.toml",
        ];
        run(scene.folder.path(), &[&fixed, more].concat())
    };
    let refused = apply(&[]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("the plan was made of http://127.0.0.1:"), "{refused:?}");
    assert!(refused.err.contains("say `--same-service`"), "{refused:?}");
    assert_eq!(scene.target.writes(), writes, "nothing is sent");
    let ran = apply(&["--same-service"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    scene.is_as_desired();
}

/// What one service has is made at another one: known by its id there, groups with their members; and nothing is left to do.
#[test]
fn what_should_be_is_read_from_a_service() {
    let folder = TempDir::new().unwrap();
    let runtime = Runtime::new().unwrap();
    let service = || runtime.block_on(MemoryTarget::start(Behaviour::lenient())).unwrap();
    let (source, target) = (service(), service());
    let ids: Vec<String> =
        (0..3).map(|number| source.put_in("Users", user(number, "Clerk")).unwrap()).collect();
    let members: Vec<Value> =
        ids[..2].iter().map(|id| json!({"value": id, "type": "User"})).collect();
    let group = json!({"schemas": [GROUP], "displayName": "G", "members": members});
    let group = source.put_in("Groups", group).unwrap();
    fs::write(folder.path().join("source.txt"), "Bearer s").unwrap();
    let (from, to) = (source.base(), target.base());
    let plan = || {
        let fixed = ["plan", "--desired", &from, "--source-credential", "source.txt"];
        let ran =
            run(folder.path(), &[&fixed[..], &["--observed", &to, "--format", "json"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        fs::write(folder.path().join("plan.json"), &ran.out).unwrap();
        ran.json()
    };
    let planned = plan();
    assert_eq!(
        (&planned["summary"]["create"], &planned["summary"]["grant"]),
        (&json!(4), &json!(1))
    );
    let apply = ["apply", "plan.json", "--target", &to, "--ledger", "sqlite:a.db"];
    let ran = run(folder.path(), &apply);
    assert_eq!(ran.code, 0, "{ran:?}");
    let made = target.resources("Users");
    let mut names: Vec<&str> = made.iter().map(|one| one["externalId"].as_str().unwrap()).collect();
    names.sort_unstable();
    let mut expected: Vec<&str> = ids.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    let there = &target.resources("Groups")[0];
    assert_eq!((&there["externalId"], &there["displayName"]), (&json!(group), &json!("G")));
    let of = |id: &Value| made.iter().find(|one| one["id"] == *id).unwrap()["externalId"].clone();
    let members = there["members"].as_array().unwrap().iter().map(|one| of(&one["value"]));
    let members: std::collections::BTreeSet<String> =
        members.map(|one| one.as_str().unwrap().to_owned()).collect();
    assert_eq!(members, ids[..2].iter().cloned().collect());
    let again = plan();
    assert_eq!((&again["effects"], &again["summary"]["unchanged"]), (&json!([]), &json!(4)));
}

/// A service with what is there, and files of what should be.
struct Scene {
    folder: TempDir,
    target: MemoryTarget,
    _runtime: Runtime,
}

impl Scene {
    fn before(behaviour: Behaviour) -> Self {
        let folder = TempDir::new().unwrap();
        let runtime = Runtime::new().unwrap();
        let target = runtime.block_on(MemoryTarget::start(behaviour)).unwrap();
        let scene = Self { folder, target, _runtime: runtime };
        let made =
            |number: usize, title: &str| scene.target.put_in("Users", user(number, title)).unwrap();
        let ids = [made(0, "Clerk"), made(1, "Clerk"), made(9, "Clerk")];
        let members: Vec<Value> =
            [&ids[0], &ids[2]].map(|id| json!({"value": id, "type": "User"})).into();
        let group = json!({"schemas": [GROUP], "externalId": "g0", "displayName": "G0", "members": members});
        scene.target.put_in("Groups", group).unwrap();
        let mut desired: Vec<Value> =
            [(0, "Clerk"), (1, "Director"), (2, "Clerk"), (3, "Clerk"), (4, "Clerk")]
                .map(|(number, title)| user(number, title))
                .into();
        let group = |number: usize, of: &[usize]| {
            let members: Vec<Value> =
                of.iter().map(|one| json!({"value": format!("externalId:e{one}")})).collect();
            let (external_id, name) = (format!("g{number}"), format!("G{number}"));
            json!({"schemas": [GROUP], "externalId": external_id, "displayName": name, "members": members})
        };
        desired.extend([group(0, &[0, 2, 3]), group(1, &[1, 4])]);
        let desired: Vec<String> = desired.iter().map(Value::to_string).collect();
        scene.write("desired.ndjson", &desired.join("\n"));
        scene.write("p.toml", "source-missing = \"delete\"\n");
        scene
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(Path::new(self.folder.path()).join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(Path::new(self.folder.path()).join(name)).unwrap()
    }

    fn planned(&self, more: &[&str]) -> Ran {
        let base = self.target.base();
        let mut arguments = vec!["plan", "--desired", "desired.ndjson", "--observed", &base];
        arguments.extend(["--policy", "p.toml", "--complete"]);
        arguments.extend(more);
        run(self.folder.path(), &arguments)
    }

    /// Makes the plan, in `plan.json`.
    fn plan(&self) {
        let ran = self.planned(&["--format", "json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let ops: Vec<Value> = ran.json()["effects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|effect| effect["op"].clone())
            .collect();
        let expected = [
            "revoke", "create", "create", "create", "create", "update", "grant", "grant", "delete",
        ];
        assert_eq!(ops, expected.map(Value::from));
        self.write("plan.json", &ran.out);
    }

    fn start(&self, more: &[&str]) -> Child {
        let base = self.target.base();
        let mut arguments = vec!["apply", "plan.json", "--target", &base];
        arguments.extend(["--ledger", "sqlite:a.db", "--policy", "p.toml"]);
        arguments.extend(more);
        let mut command = program(self.folder.path(), &arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn apply(&self, more: &[&str]) -> Ran {
        Ran::of(&self.start(more).wait_with_output().unwrap())
    }

    /// Somebody else asks the service.
    fn send(&self, method: &str, path: &str) {
        use std::io::{Read as _, Write as _};
        let address = self.target.address();
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        write!(
            connection,
            "{method} /scim/v2{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer t\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }

    /// The id of the one resource with this external id.
    fn id(&self, endpoint: &str, external_id: &str) -> String {
        let all = self.target.resources(endpoint);
        let mut with = all.iter().filter(|one| one["externalId"] == external_id);
        let id = with.next().unwrap()["id"].as_str().unwrap().to_owned();
        assert!(with.next().is_none(), "{external_id} is there twice");
        id
    }

    /// What should be is there, once, and a plan finds nothing to do.
    fn is_as_desired(&self) {
        for number in 0..5 {
            let id = self.id("Users", &format!("e{number}"));
            let title = if number == 1 { "Director" } else { "Clerk" };
            assert_eq!(self.target.resource("Users", &id).unwrap()["title"], title);
        }
        assert_eq!(self.target.resources("Users").len(), 5);
        assert_eq!(self.target.resources("Groups").len(), 2);
        for (group, of) in [("g0", ["e0", "e2", "e3"].as_slice()), ("g1", &["e1", "e4"])] {
            let group = self.target.resource("Groups", &self.id("Groups", group)).unwrap();
            let members = group["members"].as_array().unwrap();
            let mut there: Vec<&str> =
                members.iter().map(|one| one["value"].as_str().unwrap()).collect();
            let mut should: Vec<String> = of.iter().map(|one| self.id("Users", one)).collect();
            there.sort_unstable();
            should.sort_unstable();
            assert_eq!(there, should);
        }
        let again = self.planned(&["--detailed-exitcode"]);
        assert_eq!(again.code, 0, "{again:?}");
    }
}

fn user(number: usize, title: &str) -> Value {
    json!({
        "schemas": [USER], "externalId": format!("e{number}"), "userName": format!("u{number}@example.org"),
        "title": title, "active": true,
    })
}
