//! The prober against the in-memory service: what it finds is what that service was told to do, and nothing stays behind.

use std::{fs, path::Path, process::Stdio, thread, time::Duration};

use replaysafe_cli::memory::{
    Behaviour, Fault, Filtering, Lost, MemoryTarget, Moment, OnDelete, Stacking, ValuedRemove, Verb,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::support::{Ran, Served, fails, program, run};

/// A service, and a folder to run the program in.
struct Scene {
    folder: TempDir,
    target: MemoryTarget,
    _runtime: Runtime,
}

impl Scene {
    fn of(behaviour: Behaviour) -> Self {
        let runtime = Runtime::new().unwrap();
        let target = runtime.block_on(MemoryTarget::start(behaviour)).unwrap();
        Self { folder: TempDir::new().unwrap(), target, _runtime: runtime }
    }

    fn probe(&self, more: &[&str]) -> Ran {
        let base = self.target.base();
        let arguments =
            [["probe", "--target", &base, "--format", "json"].as_slice(), more].concat();
        run(self.folder.path(), &arguments)
    }

    /// What it finds; nothing stays behind.
    #[track_caller]
    fn measured(&self) -> Value {
        let ran = self.probe(&[]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        self.is_empty();
        ran.json()
    }

    #[track_caller]
    fn is_empty(&self) {
        let left = [self.target.resources("Users"), self.target.resources("Groups")].concat();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// The facts are those that are named here, and have these values.
#[track_caller]
fn check(measured: &Value, facts: &[(&str, &str)]) {
    for (name, expected) in facts {
        assert_eq!(measured["facts"][name], json!(expected), "{name} of {measured:#}");
    }
}

fn holds(measured: &Value) -> Vec<&str> {
    let theorems = measured["theorems"].as_array().unwrap();
    let holding = theorems.iter().filter(|one| one["holds"] != "no");
    holding.map(|one| one["theorem"].as_str().unwrap()).collect()
}

#[test]
fn a_strict_service_is_measured_as_such() {
    let measured = Scene::of(Behaviour::strict()).measured();
    let expected = [
        ("add-replaces/Group/members", "false"),
        ("bulk.answers", "false"),
        ("bulk.supported", "false"),
        ("case-equal/User/userName", "true"),
        ("deactivates/Group", "false"),
        ("deactivates/User", "false"),
        ("delete/Group", "gone"),
        ("delete/User", "gone"),
        ("etag-is-version/Group", "true"),
        ("etag-is-version/User", "true"),
        ("etag.supported", "true"),
        ("etag/Group", "monotonic"),
        ("etag/User", "monotonic"),
        ("filter-case/User/userName", "true"),
        ("filter/Group/displayName", "eq"),
        ("filter/Group/externalId", "eq"),
        ("filter/User/externalId", "eq"),
        ("filter/User/userName", "eq"),
        // It folds letter case and does not normalise.
        ("form-equal/User/userName", "false"),
        ("if-match/Group", "honoured"),
        ("if-match/User", "honoured"),
        ("list/Group", "whole"),
        ("list/User", "whole"),
        ("name-after-delete/Group/displayName", "free"),
        ("name-after-delete/User/userName", "free"),
        ("patch-status/Group", "200"),
        ("patch-status/User", "200"),
        ("read-your-writes/Group", "true"),
        ("read-your-writes/User", "true"),
        // Both spellings work, so none is prescribed: there is no `removal/Group`.
        ("removal-filter/Group", "removes"),
        ("removal-values/Group", "removes"),
        ("replace-appends/Group/members", "false"),
        ("search-lag-ms", "2000"),
        ("shows-edges/Group/members", "true"),
        ("stacks/Group/members", "never"),
        ("unique/Group/displayName", "none"),
        ("unique/Group/externalId", "none"),
        ("unique/User/externalId", "none"),
        ("unique/User/userName", "server"),
        ("unknown-filter/User", "nothing"),
    ];
    check(&measured, &expected);
    assert_eq!(measured["facts"].as_object().unwrap().len(), expected.len(), "{measured:#}");
    assert_eq!(measured["figures"]["made/User/userName"], 1);
    assert_eq!(measured["figures"]["made/User/externalId"], 2);
    assert_eq!(measured["figures"]["stale-tag-answer/User"], 412);
    assert_eq!(measured["figures"]["delete-again-answer/User"], 404);
    // Unique, with a hard delete: T6 by the bounds; all others too.
    assert_eq!(measured["rows"], json!(["unique", "etag-monotonic", "slow"]));
    let all = ["T0", "T1", "T2", "T3", "T4", "T4b", "T5", "T6", "T6b", "T7", "T8"];
    assert_eq!(holds(&measured), all);
}

#[test]
fn a_lenient_service_is_measured_as_such() {
    let measured = Scene::of(Behaviour::lenient()).measured();
    check(
        &measured,
        &[
            ("unique/User/userName", "none"),
            ("etag.supported", "false"),
            ("etag/User", "none"),
            ("if-match/User", "ignored"),
            // A removal that lists values clears the group: it has to be spelled with a filter.
            ("removal-filter/Group", "removes"),
            ("removal-values/Group", "clears"),
            ("removal/Group", "filter"),
            ("stacks/Group/members", "always"),
        ],
    );
    assert_eq!(measured["figures"]["made/User/userName"], 2);
    assert_eq!(measured["facts"].get("case-equal/User/userName"), None);
    assert_eq!(measured["rows"], json!(["slow-stacks", "slow"]));
    assert_eq!(holds(&measured), ["T0", "T1", "T3", "T4b", "T5", "T6", "T6b", "T7"]);
}

#[test]
fn each_habit_is_found() {
    let habit = |behaviour: Behaviour, facts: &[(&str, &str)]| {
        check(&Scene::of(behaviour).measured(), facts);
    };
    habit(
        Behaviour { patch_answers_no_content: true, ..Behaviour::strict() },
        &[("patch-status/User", "204"), ("patch-status/Group", "204")],
    );
    habit(
        Behaviour { stacking: Stacking::ByWholeElement, ..Behaviour::strict() },
        &[("stacks/Group/members", "display")],
    );
    habit(
        Behaviour { valued_remove: ValuedRemove::Refuse, ..Behaviour::strict() },
        &[("removal-values/Group", "refused"), ("removal/Group", "filter")],
    );
    habit(
        Behaviour { filtering: Filtering::Ignored, ..Behaviour::strict() },
        &[("filter/User/userName", "ignored"), ("unknown-filter/User", "everything")],
    );
    habit(
        Behaviour { filtering: Filtering::Refused, ..Behaviour::strict() },
        &[("filter/User/userName", "refused"), ("unknown-filter/User", "refused")],
    );
    habit(
        Behaviour { filtering: Filtering::Blind, ..Behaviour::strict() },
        &[("filter/User/userName", "blind"), ("list/User", "whole"), ("search-lag-ms", "2000")],
    );
}

#[test]
fn a_list_is_read_page_by_page() {
    let scene =
        Scene::of(Behaviour { page_most: 3, filtering: Filtering::Refused, ..Behaviour::strict() });
    let before = |number: usize| json!({"userName": format!("somebody-{number}")});
    for number in 0..7 {
        scene.target.put_in("Users", before(number)).unwrap();
    }
    let ran = scene.probe(&[]);
    check(&ran.json(), &[("list/User", "whole")]);
    // Those who were there before are there still.
    assert_eq!(scene.target.resources("Users").len(), 7);
    assert_eq!(scene.target.resources("Groups").len(), 0);
}

#[test]
fn a_search_that_lags_is_waited_for_and_raises_l() {
    let index_lag = Duration::from_millis(2_600);
    let measured = Scene::of(Behaviour { index_lag, ..Behaviour::strict() }).measured();
    check(&measured, &[("filter/User/userName", "eq"), ("list/User", "whole")]);
    let figures = &measured["figures"];
    let found = figures["found-after-ms/User"].as_u64().unwrap();
    let most = found.max(figures["found-after-ms/Group"].as_u64().unwrap());
    // The create was answered a moment after its time.
    assert!((2_500..10_000).contains(&found), "{found}");
    check(&measured, &[("search-lag-ms", &most.to_string())]);
}

#[test]
fn a_read_that_lags_is_told_and_leaves_no_kind() {
    let read_lag = Duration::from_millis(300);
    let scene = Scene::of(Behaviour { read_lag, ..Behaviour::strict() });
    let measured = scene.probe(&[]).json();
    check(&measured, &[("read-your-writes/User", "false")]);
    assert!(200 < measured["figures"]["read-after-ms/User"].as_u64().unwrap());
    assert_eq!(measured["rows"], json!([]));
    assert!(!holds(&measured).contains(&"T1"));
}

#[test]
fn what_is_switched_off_and_kept_is_told() {
    let scene = Scene::of(Behaviour { on_delete: OnDelete::Deactivate, ..Behaviour::strict() });
    let ran = scene.probe(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let measured = ran.json();
    check(
        &measured,
        &[
            ("delete/User", "deactivates"),
            ("deactivates/User", "true"),
            ("name-after-delete/User/userName", "taken"),
        ],
    );
    assert_eq!(
        measured["rows"],
        json!(["unique-deactivates", "unique", "deactivates", "etag-monotonic", "slow"])
    );
    let there = [scene.target.resources("Users"), scene.target.resources("Groups")].concat();
    assert!(there.iter().all(|one| one["active"] == false), "{there:?}");
    let told = measured["deactivated"].as_array().unwrap();
    assert_eq!((told.len(), &measured["left"]), (there.len(), &json!([])));
    for one in &there {
        assert!(told.iter().any(|said| said["id"] == one["id"]), "{one}");
    }
}

/// What the answers to a few creates are lost of is found by its name and deleted.
#[test]
fn what_a_lost_answer_has_made_is_deleted_too() {
    for (verb, path, lost) in [
        (Verb::Post, "/Users", Lost::Status(500)),
        (Verb::Post, "/Users", Lost::Cut),
        (Verb::Post, "/Users", Lost::Half),
        (Verb::Post, "/Groups", Lost::Cut),
    ] {
        for after in [1, 3] {
            let scene = Scene::of(Behaviour::lenient());
            scene.target.strike(Fault::next(verb, path, lost).later(after));
            let ran = scene.probe(&[]);
            assert_eq!((ran.code, scene.target.faults_left()), (0, 0), "{lost:?} {after}: {ran:?}");
            scene.is_empty();
        }
    }
}

/// What was turned away has changed nothing, and is asked again.
#[test]
fn a_service_that_is_busy_is_waited_for() {
    let scene = Scene::of(Behaviour::strict());
    for (verb, path) in [(Verb::Post, "/Users"), (Verb::Get, "/Users?"), (Verb::Delete, "/Groups")]
    {
        let fault = Fault::next(verb, path, Lost::Status(429));
        scene.target.strike(fault.at(Moment::InsteadOfCommit));
    }
    let measured = scene.measured();
    assert_eq!(scene.target.faults_left(), 0);
    let facts = [
        ("unique/User/userName", "server"),
        ("filter/User/userName", "eq"),
        ("delete/Group", "gone"),
    ];
    check(&measured, &facts);
}

#[test]
fn what_cannot_be_deleted_is_told_by_its_id() {
    let scene = Scene::of(Behaviour::strict());
    // Each of three tries to delete the first user fails.
    for _ in 0..3 {
        let fault = Fault::next(Verb::Delete, "/Users/00000001", Lost::Status(500));
        scene.target.strike(fault.at(Moment::InsteadOfCommit));
    }
    let ran = scene.probe(&["--output", "p.toml"]);
    assert_eq!((ran.code, scene.target.faults_left()), (1, 0), "{ran:?}");
    let there = scene.target.resources("Users");
    assert_eq!(there.len(), 1);
    let left = ran.json()["left"].clone();
    assert_eq!(left[0]["id"], there[0]["id"]);
    assert!(left[0]["why"].as_str().unwrap().contains("500"), "{left}");
    // What was measured counts all the same.
    assert!(scene.folder.path().join("p.toml").is_file());
}

#[test]
fn a_signal_stops_it_and_everything_is_deleted() {
    for signal in ["-INT", "-TERM"] {
        // A search that finds nothing is waited for, for a minute.
        let index_lag = Duration::from_secs(3_600);
        let scene = Scene::of(Behaviour { index_lag, ..Behaviour::lenient() });
        let base = scene.target.base();
        let mut command = program(scene.folder.path(), &["probe", "--target", &base]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while scene.target.resources("Users").is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
        let pid = child.id().to_string();
        assert!(
            std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success()
        );
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.contains("stopped by a signal"), "{ran:?}");
        assert!(ran.err.contains("what was made for this is deleted"), "{ran:?}");
        scene.is_empty();
    }
}

#[test]
fn a_service_that_cannot_be_measured_is_told_and_what_to_do() {
    let scene = Scene::of(Behaviour { bearer: Some("other".to_owned()), ..Behaviour::strict() });
    let base = scene.target.base();
    let folder = scene.folder.path();
    fails(folder, &["probe", "--target", &base], 3, &["401", "--target-credential"]);
    fails(folder, &["probe", "--target", "ftp://x"], 2, &["--target", "neither http nor https"]);
    let nobody = "http://127.0.0.1:9/scim/v2";
    fails(folder, &["probe", "--target", nobody], 3, &["does not answer"]);
    fails(folder, &["probe", "--target", &base, "--target-credential", "none"], 3, &["`none`"]);
    let before = scene.target.requests().len();
    let nowhere = ["probe", "--target", &base, "--output", "no/p.toml"];
    fails(folder, &nowhere, 3, &["--output", "`no/p.toml`"]);
    assert_eq!(scene.target.requests().len(), before);
}

/// The credential is shown to the service, and stands nowhere else.
#[test]
fn the_credential_is_in_neither_result_nor_profile() {
    let secret = "s3cr3t-of-the-prober";
    let scene = Scene::of(Behaviour { bearer: Some(secret.to_owned()), ..Behaviour::strict() });
    fs::write(scene.folder.path().join("token"), format!("Bearer {secret}\n")).unwrap();
    let more = ["--target-credential", "token", "--output", "p.toml"];
    let as_json = scene.probe(&more);
    let base = scene.target.base();
    let mut as_text = vec!["probe", "--target", &base];
    as_text.extend(more);
    let as_text = run(scene.folder.path(), &as_text);
    assert_eq!((as_json.code, as_text.code), (0, 0), "{as_json:?} {as_text:?}");
    let file = fs::read_to_string(scene.folder.path().join("p.toml")).unwrap();
    for text in [&as_json.out, &as_json.err, &as_text.out, &as_text.err, &file] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(file.contains(&format!("target = \"{base}\"")), "{file}");
    assert!(as_text.out.contains("unique/User/userName"), "{as_text:?}");
    assert!(as_text.err.contains("users: filters"), "{as_text:?}");
}

#[test]
fn the_gateway_takes_what_the_prober_has_written() {
    let folder = TempDir::new().unwrap();
    // The first gateway only lends its service.
    let mut served = Served::start(folder.path(), &[]);
    let base = served.target.base();
    served.target.behave(Behaviour { patch_answers_no_content: true, ..Behaviour::strict() });
    let arguments = ["probe", "--target", &base, "--output", "p.toml"];
    assert_eq!(run(folder.path(), &arguments).code, 0);
    let switched_on = |served: &Served| {
        served.create();
        let id = served.target.resources("Users")[0]["id"].as_str().unwrap().to_owned();
        let body = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"userName","value":"ada@example.org"}]}"#;
        served.send("PATCH", &format!("/Users/{id}"), body)
    };
    // It holds already, so the service is not asked: the profile says how a first PATCH is answered (S37).
    let without = switched_on(&served);
    assert!(without.starts_with("HTTP/1.1 200"), "{without}");
    for user in served.target.resources("Users") {
        let id = user["id"].as_str().unwrap();
        served.send_past("DELETE", &format!("/Users/{id}"), "");
    }
    let other = TempDir::new().unwrap();
    fs::copy(folder.path().join("p.toml"), other.path().join("p.toml")).unwrap();
    served.kill_and_start(other.path(), &["--profile", "p.toml"]);
    let with = switched_on(&served);
    assert!(with.starts_with("HTTP/1.1 204"), "{with}");
    assert!(with.contains("already-satisfied"), "{with}");
}

/// What was measured counts before what the service declares, and what is learned counts before it.
#[test]
fn a_profile_counts_between_what_is_declared_and_what_is_learned() {
    let scene = Scene::of(Behaviour::strict());
    let (folder, base) = (scene.folder.path(), scene.target.base());
    let profile = format!(
        "target = \"{base}\"\n[measured]\n\"unique/User/userName\" = \"none\"\n\"patch-status/User\" = 204\n\
         \"read-your-writes/User\" = true\n\"list/User\" = \"whole\"\n[figures]\n\"found-after-ms/User\" = 1\n"
    );
    fs::write(folder.join("p.toml"), profile).unwrap();
    let create = |served: &Served| {
        let before = scene.target.writes();
        let ada = r#"{"userName":"ada@example.org","externalId":"2"}"#;
        let answer = served.send("POST", "/Users", ada);
        assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
        scene.target.writes() - before
    };
    scene
        .target
        .put_in("Users", json!({"userName": "ada@example.org", "externalId": "1"}))
        .unwrap();
    // The service declares that it keeps the name unique: it need not be asked for the conflict (S16).
    let declared = TempDir::new().unwrap();
    assert_eq!(create(&Served::start_at(declared.path(), |_| base.clone(), &[])), 0);
    let served = Served::start_at(folder, |_| base.clone(), &["--profile", "p.toml"]);
    assert_eq!(create(&served), 1);

    let bob = served.send("POST", "/Users", r#"{"userName":"bob","externalId":"3"}"#);
    assert!(bob.starts_with("HTTP/1.1 201"), "{bob}");
    let users = scene.target.resources("Users");
    let id = users.iter().find(|one| one["userName"] == "bob").unwrap()["id"].as_str().unwrap();
    let patch = |path: &str, value: &str| {
        let operation = json!({"op": "replace", "path": path, "value": value});
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let body = json!({"schemas": schemas, "Operations": [operation]}).to_string();
        let answer = served.send("PATCH", &format!("/Users/{id}"), &body);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    // What holds already is answered as the profile says, and as the service does once it was seen to (S37).
    assert_eq!(patch("userName", "bob"), "204");
    assert_eq!(patch("displayName", "Bob"), "200");
    assert_eq!(patch("externalId", "3"), "200");
}

#[test]
fn the_gateway_refuses_a_profile_that_it_must_not_go_by() {
    let scene = Scene::of(Behaviour::strict());
    let (folder, base) = (scene.folder.path(), scene.target.base());
    assert_eq!(scene.probe(&["--output", "p.toml"]).code, 0);
    let good = fs::read_to_string(folder.join("p.toml")).unwrap();
    let refused = |text: &str, saying: &[&str]| {
        fs::write(folder.join("q.toml"), text).unwrap();
        let gateway = gateway(&base, "q.toml");
        fails(folder, &gateway.iter().map(String::as_str).collect::<Vec<_>>(), 2, saying);
    };
    let line = |name: &str| {
        let at =
            good.lines().position(|line| line.trim_start_matches('"').starts_with(name)).unwrap();
        format!("line {}: `{name}`", at + 1)
    };
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is in {good}");
        good.replace(from, to)
    };

    refused("target = = 1", &["q.toml", "line 1", "no TOML"]);
    refused(
        &changed("\"filter/User/userName\" = \"eq\"", "\"filter/User/userName\" = \"maybe\""),
        &[&line("filter/User/userName"), "`eq`"],
    );
    refused(&format!("{good}\"mad/User\" = 1\n"), &["`mad/User`", "there is no such member"]);
    refused(
        &changed("\"made/User/userName\" = 1", "\"made/User/userName\" = 2"),
        &[&line("unique/User/userName"), "`made/User/userName = 2` contradicts it"],
    );
    refused(
        &changed("rows = [\"unique\", ", "rows = [\"unique-deactivates\", \"unique\", "),
        &[&line("rows"), "replaysafe probe"],
    );
    refused(&changed(&base, "http://127.0.0.1:1/scim/v2"), &["--profile", "--upstream"]);

    // A service that reads late is of no kind: who goes on says what is to be lost.
    scene.target.behave(Behaviour { read_lag: Duration::from_millis(300), ..Behaviour::strict() });
    scene.probe(&["--output", "late.toml"]);
    let late = fs::read_to_string(folder.join("late.toml")).unwrap();
    refused(&late, &["q.toml", "on-unknown"]);
    fs::write(folder.join("policy.toml"), "on-unknown = \"park\"\n").unwrap();
    let served = Served::start_at(
        folder,
        |_| base.clone(),
        &["--profile", "q.toml", "--policy", "policy.toml"],
    );
    assert!(served.url.starts_with("listening on"), "{}", served.url);
    fs::write(folder.join("policy.toml"), "returns = \"allow\"\n").unwrap();
    let mut arguments = gateway(&base, "q.toml");
    arguments.extend(["--policy".to_owned(), "policy.toml".to_owned()]);
    fails(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), 2, &["on-unknown"]);
}

/// The command line of a gateway that is not to start: where it would, its address is nobody's (RFC 5737), and it ends.
fn gateway(base: &str, profile: &str) -> Vec<String> {
    let arguments = ["gateway", "--upstream", base, "--listen", "192.0.2.1:80"];
    let more = ["--ledger", "sqlite:never.db", "--profile", profile];
    arguments.iter().chain(&more).map(|one| (*one).to_owned()).collect()
}

#[test]
fn a_profile_that_is_not_there_is_an_exit_of_3() {
    let folder = TempDir::new().unwrap();
    let arguments = gateway("http://127.0.0.1:1/v2", "none.toml");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    fails(folder.path(), &arguments, 3, &["reading the profile `none.toml`"]);
    assert!(!Path::new(&folder.path().join("never.db")).exists());
}
