//! Commands that need neither a ledger nor a service.

use std::{fs, process::Stdio};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::support::{Ran, fails, program, run, run_on};

const COMMANDS: &[&[&str]] = &[
    &["gateway"],
    &["demo"],
    &["decide"],
    &["component", "inspect"],
    &["component", "export"],
    &["explain"],
    &["plan"],
    &["policy", "check"],
    &["policy", "explain"],
    &["list"],
    &["approve"],
    &["resolve"],
    &["ledger", "audit"],
    &["completion"],
];

#[test]
fn every_command_explains_itself_with_an_example() {
    let folder = TempDir::new().unwrap();
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let help = run(folder.path(), &[command, [flag].as_slice()].concat());
            assert_eq!((help.code, help.err.as_str()), (0, ""), "{command:?}");
            assert!(help.out.contains("Usage: replaysafe"), "{command:?}: {}", help.out);
        }
        let help = run(folder.path(), &[command, ["--help"].as_slice()].concat()).out;
        let examples = help.split("Example").nth(1).unwrap_or_default();
        assert!(examples.contains("replaysafe "), "{command:?} has no example: {help}");
        let wide = help.lines().find(|line| 100 < line.chars().count());
        assert_eq!(wide, None, "{command:?}");
    }
}

/// An option's help says what it is, and where it may be left out what holds then.
#[test]
fn every_option_that_may_be_left_out_says_its_default() {
    let folder = TempDir::new().unwrap();
    let help = |command| run(folder.path(), &[command, "--help"]).out;
    let one_line = [help("gateway"), help("approve")].concat();
    let one_line = one_line.split_whitespace().collect::<Vec<_>>().join(" ");
    for (option, holds) in [
        ("--upstream-moved", "the ledger of another service is refused"),
        ("--public-url", "[default: the scheme that is served and the client's Host"),
        ("--pass-unprotected", "[default: none"),
        ("--hours", "[default: 24]"),
        ("--ledger-key", "[default: PATH of the ledger with `.key` added]"),
        ("--policy", "[default: every member's default]"),
        ("--tls-cert", "[default: serve http]"),
        ("--tls-client-ca", "[default: no certificate is asked for]"),
        ("--upstream-ca", "[default: those of the system]"),
        ("--host", "[default: keep for http, upstream for https]"),
        ("--upstream-credential", "Without either"),
        ("--tenant", "[default: default]"),
        ("--format", "[default: text]"),
    ] {
        let with_value = one_line.split(&format!("{option} <")).nth(1);
        let told = with_value.or(one_line.split(&format!("{option} ")).nth(1)).unwrap_or_default();
        let told = told.split(" --").next().unwrap_or_default();
        assert!(told.contains(holds), "{option}: {told}");
    }
}

#[test]
fn the_exit_codes_and_the_commands_are_in_the_help() {
    let folder = TempDir::new().unwrap();
    let help = run(folder.path(), &["--help"]);
    for code in 0..=5 {
        assert!(help.out.contains(&format!("\n  {code}  ")), "{code}");
    }
    for command in COMMANDS {
        assert!(help.out.contains(&format!("\n  {}", command[0])), "{command:?}");
    }
    let bare = run(folder.path(), &[]);
    assert_eq!((bare.code, bare.out.as_str()), (2, ""));
    assert!(bare.err.contains("Exit codes:"));
    assert_eq!(run(folder.path(), &["--version"]).out, "replaysafe 0.1.0\n");
}

#[test]
fn what_is_no_command_line_is_2() {
    let folder = TempDir::new().unwrap();
    fails(folder.path(), &["frob"], 2, &["frob"]);
    fails(folder.path(), &["demo", "more"], 2, &["more"]);
    fails(folder.path(), &["explain"], 2, &["DECISION", "--ledger"]);
    fails(folder.path(), &["completion", "csh"], 2, &["csh", "bash"]);
    fails(folder.path(), &["explain", "d", "--ledger", "a.db"], 2, &["sqlite:PATH"]);
    let wrong = run(folder.path(), &["demo", "--format", "xml"]);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));
    assert!(wrong.err.contains("text, json"), "{}", wrong.err);
}

#[test]
fn the_component_is_inspected_and_exported() {
    let folder = TempDir::new().unwrap();
    let inspected = run(folder.path(), &["component", "inspect", "--format", "json"]);
    assert_eq!(inspected.code, 0, "{inspected:?}");
    let told = inspected.json();
    assert_eq!(told["imports"], serde_json::json!([]));
    for (part, option) in [("component", None), ("core", Some("--core"))] {
        let arguments: Vec<_> = ["component", "export"].into_iter().chain(option).collect();
        let piped = program(folder.path(), &[&arguments, ["-"].as_slice()].concat());
        let bytes = { piped }.output().unwrap().stdout;
        assert_eq!(told[part]["sha256"], hex(&Sha256::digest(&bytes)), "{part}");
        assert_eq!(told[part]["bytes"], bytes.len(), "{part}");

        let named = [&arguments, ["out.wasm", "--format", "json"].as_slice()].concat();
        let written = run(folder.path(), &named);
        assert_eq!(written.code, 0, "{written:?}");
        assert_eq!(fs::read(folder.path().join("out.wasm")).unwrap(), bytes);
        assert_eq!(written.json()["sha256"], told[part]["sha256"]);
    }
    let text = run(folder.path(), &["component", "inspect"]).out;
    assert!(text.starts_with("imports    none\nexports    replaysafe:provisioning/"), "{text}");
    assert!(text.contains(told["component"]["sha256"].as_str().unwrap()), "{text}");
    assert!(text.contains("admit: func(situation: situation)"), "{text}");
    fails(folder.path(), &["component", "export", "none/x.wasm"], 3, &["none/x.wasm"]);
}

#[test]
fn a_decision_is_json_in_either_format() {
    let folder = TempDir::new().unwrap();
    let delete = r#"{"method": "delete", "resource-type": "User", "id": "42"}"#;
    let asked = run_on(folder.path(), &["decide", "-"], delete);
    assert_eq!(asked.code, 0, "{asked:?}");
    // A delete looks at the resource before it is sent.
    assert_eq!(asked.json()["decide"]["ok"]["action"]["ask"][0]["by-id"]["id"], "42");
    assert_eq!(asked.json()["identify"]["ok"]["readable"]["safe-way"], true);
    assert_eq!(run_on(folder.path(), &["decide", "-", "--format", "json"], delete).out, asked.out);

    fs::write(folder.path().join("f.json"), delete).unwrap();
    assert_eq!(run(folder.path(), &["decide", "f.json"]).out, asked.out);
}

#[test]
fn a_refusal_and_a_broken_contract_are_1() {
    let folder = TempDir::new().unwrap();
    let broken = r#"{"method": "create", "resource-type": "User", "body": "{"}"#;
    let refused = run_on(folder.path(), &["decide", "-"], broken);
    assert_eq!(refused.code, 1, "{refused:?}");
    let answer = &refused.json()["identify"]["ok"]["unreadable"];
    assert_eq!(answer["verdict"], "malformed");

    let unnamed = r#"{"method": "delete", "resource-type": "User"}"#;
    let broken = run_on(folder.path(), &["decide", "-"], unnamed);
    assert_eq!((broken.code, &broken.json()["identify"]["err"]["code"]), (1, &"id".into()));
}

#[test]
fn an_input_that_cannot_be_read_says_why() {
    let folder = TempDir::new().unwrap();
    fails(folder.path(), &["decide", "none.json"], 3, &["none.json"]);
    fs::write(folder.path().join("f.json"), "{\n \"method\" create}").unwrap();
    fails(folder.path(), &["decide", "f.json"], 2, &["f.json", "line 2"]);
    fs::write(folder.path().join("f.json"), "[1]").unwrap();
    fails(folder.path(), &["decide", "f.json"], 2, &["f.json", "object", "decide --help"]);
    fs::write(folder.path().join("f.json"), b"\"\xff\"").unwrap();
    fails(folder.path(), &["decide", "f.json"], 2, &["f.json", "UTF-8"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = TempDir::new().unwrap();
    let inspect: &[&str] = &["component", "inspect"];
    let refused: &[&str] = &["decide", "f.json"];
    let create = r#"{"method": "create", "resource-type": "User", "body": "{"}"#;
    fs::write(folder.path().join("f.json"), create).unwrap();
    for (arguments, code) in [
        (inspect, 0),
        (&["component", "export", "-"], 0),
        (&["completion", "zsh"], 0),
        (refused, 1),
    ] {
        let mut command = program(folder.path(), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let folder = TempDir::new().unwrap();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = program(folder.path(), &["component", "export", "-"]);
    let ran = Ran::of(&command.stdout(full).output().unwrap());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("writing to standard output"), "{}", ran.err);
}

#[test]
fn a_shell_can_read_its_completion_script() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(folder.path(), &["completion", shell]);
        assert_eq!((script.code, script.err.as_str()), (0, ""), "{shell}");
        for command in COMMANDS {
            assert!(script.out.contains(command[0]), "{shell} does not know {command:?}");
        }
        assert!(script.out.contains("pass-unprotected"), "{shell} knows no options");
    }
    let script = run(folder.path(), &["completion", "bash"]).out;
    let asked = format!(
        "{script}\nCOMP_WORDS=(replaysafe component ''); COMP_CWORD=2; _replaysafe replaysafe '' component; echo \"${{COMPREPLY[@]}}\""
    );
    let mut bash = std::process::Command::new("bash");
    let offered = Ran::of(&bash.arg("-c").arg(asked).output().unwrap());
    assert!(offered.out.contains("inspect export"), "{offered:?}");
}

#[test]
fn the_demonstration_is_right_through_the_gateway_and_wrong_without() {
    let folder = TempDir::new().unwrap();
    let demo = run(folder.path(), &["demo", "--format", "json"]);
    assert_eq!((demo.code, demo.err.as_str()), (0, ""));
    let told = demo.json();
    assert_eq!(told["right"], true);
    let cases = told["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        assert_eq!(case["through"]["right"], true, "{case}");
        assert_eq!(case["direct"]["right"], false, "{case}");
        for side in ["direct", "through"] {
            assert!(!case[side]["steps"].as_array().unwrap().is_empty(), "{case}");
        }
    }
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for case in cases {
        let end = |side: &str| case[side]["end"].as_str().unwrap();
        let letter = case["case"].as_str().unwrap();
        let line = readme.lines().find(|line| line.starts_with(&format!("({letter}) ")));
        let line = line.unwrap_or_else(|| panic!("README.md does not show case {letter}"));
        assert!(line.contains(end("direct")) && line.ends_with(end("through")), "{line}");
    }
    let role = cases.iter().find(|case| case["case"] == "e").unwrap();
    // S37, S28: equal grants get the receipt of the first.
    assert_eq!(
        role["through"]["steps"][1],
        "add the role: 200 (done, replayed: the first answer again) → 1 role"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
