//! The corpus: every case natively, and natively against the component, byte for byte.

#![expect(clippy::expect_used, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use replaysafe_tests::{script, subject::Subject};

#[test]
fn every_case_holds_natively() {
    let failed = failures(|_| Subject::native());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The law `native-equals-component`.
#[cfg(feature = "component")]
#[test]
fn every_case_holds_in_the_component_with_the_same_bytes() {
    let failed = failures(|_| Subject::both());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A case that fails when its expectation is wrong: the runner can fail.
#[test]
fn a_wrong_expectation_is_found() {
    let text = "# S11: wrong on purpose\npost User {\"userName\":\"ann\"}\n-> already-satisfied\n";
    assert!(script::run(text, Subject::native()).is_err());
    let text =
        "# S11: an end that nobody asked about\npost User {\"userName\":\"ann\"}\ncount User 1\n";
    assert!(script::run(text, Subject::native()).is_err());
}

fn failures(subject: impl Fn(&Path) -> Subject) -> Vec<String> {
    let cases = cases();
    assert!(40 < cases.len(), "the corpus is not where it should be");
    let run = |(path, text): (&PathBuf, &String)| {
        let ended = script::run(text, subject(path));
        ended.err().map(|error| format!("{}: {error}", path.display()))
    };
    cases.iter().filter_map(run).collect()
}

fn cases() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let folders = fs::read_dir(root).expect("the corpus");
    let files = folders
        .flat_map(|folder| fs::read_dir(folder.expect("readable").path()).expect("a folder"));
    files
        .map(|file| {
            let path = file.expect("readable").path();
            let text = fs::read_to_string(&path).expect("text");
            (path, text)
        })
        .collect()
}
