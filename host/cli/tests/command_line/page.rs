//! `--format html` and `--format ndjson`: which commands write a page or lines, and what strangers can do to a page.

use std::{fs, path::Path};

use roxmltree::{Document, ParsingOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::run;

const PLAN: [&str; 5] = ["plan", "--desired", "desired.json", "--observed", "there.json"];
const AUDIT: [&str; 4] = ["audit", "--observed", "there.json", "--complete"];
/// Markup, what turns the direction of text, and what steers a terminal.
const HOSTILE: &str = "</td><script>alert(\"1\")</script>\u{202e}&amp;\u{1b}[2J";
const SHOWN: &str = "</td><script>alert(\"1\")</script>U+202E&amp;U+001B[2J";

#[test]
fn a_plan_is_a_page_of_the_same_plan() {
    let folder = written();
    let json = run(folder.path(), &[&PLAN[..], &["--format", "json"]].concat()).json();
    let html = run(folder.path(), &[&PLAN[..], &["--format", "html"]].concat());
    assert_eq!((html.code, html.err.as_str()), (0, ""));
    let said = said(&html.out);
    assert!(said.contains(json["digest"].as_str().unwrap()), "{said}");
    assert_eq!(json["summary"]["create"], json!(1));
    for part in [
        SHOWN,
        "1 effect, 1 resource waits for a person",
        "it is desired and not there",
        "several resources may be it (S16)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("S3cret"), "{said}");
    let coded =
        run(folder.path(), &[&PLAN[..], &["--format=html", "--detailed-exitcode"]].concat());
    assert_eq!((coded.code, coded.out.contains("1 effect")), (2, true));
}

#[test]
fn an_audit_is_a_page() {
    let folder = written();
    let html = run(folder.path(), &[&["--format", "html"], &AUDIT[..]].concat());
    assert_eq!((html.code, html.err.as_str()), (0, ""), "before the command, too");
    let said = said(&html.out);
    for part in [SHOWN, "1 finding", "Proposed survivor1", "Others2", "S35"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// What a page says, read as the XML that it is. No element of a stranger is in it.
fn said(page: &str) -> String {
    assert!(page.starts_with("<!DOCTYPE html>\n"), "{page:.200}");
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let read = Document::parse_with_options(page, options).unwrap();
    assert!(!read.descendants().any(|one| one.has_tag_name("script")));
    assert!(page.contains("content=\"default-src 'none'; "));
    let shown = read.descendants().filter(|one| one.is_text());
    shown.filter_map(|one| one.text()).collect()
}

/// What writes no page and no lines says so, before it does anything.
#[test]
fn a_format_is_refused_where_it_is_none() {
    let folder = written();
    let commands: [&[&str]; 6] = [
        &["list", "--ledger", "sqlite:a.db"],
        &["apply", "plan.json", "--target", "http://127.0.0.1:1", "--ledger", "sqlite:a.db"],
        &["demo"],
        &["policy", "explain"],
        &["component", "inspect"],
        &["completion", "bash"],
    ];
    for command in commands {
        for (line, format) in [
            ([&["--format", "html"], command].concat(), "html"),
            ([command, &["--format=html"]].concat(), "html"),
            ([&["--format", "ndjson"], command].concat(), "ndjson"),
        ] {
            let ran = run(folder.path(), &line);
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{line:?}: {ran:?}");
            let why = format!("`--format {format}` is for `plan` and `audit`");
            assert!(ran.err.contains(&why), "{}", ran.err);
        }
    }
    assert!(!folder.path().join("a.db").exists());
}

#[test]
fn help_offers_a_format_where_there_is_one() {
    let folder = TempDir::new().unwrap();
    let offers = |line: &[&str]| {
        let ran = run(folder.path(), &[line, &["--help"]].concat());
        assert!(ran.out.contains("--format <FORMAT>"), "{}", ran.out);
        assert_eq!(ran.out.contains("- html:"), ran.out.contains("- ndjson:"));
        ran.out.contains("- html:")
    };
    assert!(offers(&["plan"]) && offers(&["audit"]));
    assert!(!offers(&["list"]) && !offers(&["apply"]) && !offers(&[]));
    let wrong = run(folder.path(), &["list", "--format", "xml"]);
    assert!(wrong.err.contains("[possible values: text, json]"), "{}", wrong.err);
    let wrong = run(folder.path(), &["plan", "--format", "xml"]);
    assert!(wrong.err.contains("[possible values: text, json, ndjson, html]"), "{}", wrong.err);
}

/// `table` is another name of `text`; what is wrong with a command line is told as JSON where lines are wanted.
#[test]
fn a_format_has_its_names() {
    let folder = written();
    let told = |format: &str| run(folder.path(), &[&AUDIT[..], &["--format", format]].concat()).out;
    assert_eq!(told("table"), told("text"));
    for line in [["audit", "--frob", "--format=ndjson"].as_slice(), &["--format", "ndjson", "frob"]]
    {
        let ran = run(folder.path(), line);
        let error: Value = serde_json::from_str(&ran.err).unwrap();
        assert_eq!((ran.code, &error["error"]["exit"]), (2, &json!(2)));
    }
}

/// An error is no page: it is told on standard error, as text.
#[test]
fn an_error_is_told_as_text() {
    let folder = written();
    let ran = run(folder.path(), &["audit", "--observed", "nowhere.json", "--format", "html"]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert!(ran.err.starts_with("replaysafe: ") && ran.err.contains("nowhere.json"), "{}", ran.err);
}

fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, resources: Value| {
        fs::write(Path::new(folder.path()).join(name), resources.to_string()).unwrap();
    };
    let user = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
    put(
        "desired.json",
        json!([
            {"schemas": user, "externalId": "e1", "userName": HOSTILE, "password": "S3cret"},
            {"schemas": user, "externalId": HOSTILE, "userName": "bob"},
        ]),
    );
    put(
        "there.json",
        json!([
            {"schemas": user, "id": "1", "externalId": HOSTILE, "userName": format!("x{HOSTILE}")},
            {"schemas": user, "id": "2", "externalId": HOSTILE, "userName": format!("y{HOSTILE}"), "title": "t"},
        ]),
    );
    folder
}
