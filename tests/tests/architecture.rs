//! Who may import whom? The table of ARCHITECTURE.md, against what Cargo knows.
//!
//! Compile-time reach is what counts: normal and build dependencies. Development dependencies are
//! checked for packages of the workspace only, as a test helper may use any crate.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

#[test]
fn a_package_of_the_workspace_names_only_those_that_it_may() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("replaysafe-json", [].as_slice()),
        ("replaysafe-core", &["replaysafe-json"]),
        ("replaysafe-guest", &["replaysafe-core"]),
        ("replaysafe-pack", &[]),
        ("replaysafe", &["replaysafe-json", "replaysafe-pack"]),
        ("replaysafe-gateway", &["replaysafe", "replaysafe-json"]),
        ("replaysafe-cli", &["replaysafe", "replaysafe-gateway", "replaysafe-json"]),
    ]);
    for (package, named) in workspace(Kinds::All) {
        let ours: BTreeSet<&str> = named
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("replaysafe"))
            .collect();
        if package == "replaysafe-tests" {
            continue;
        }
        let Some(may) = may.get(package.as_str()) else {
            panic!("`{package}` is new: say here and in ARCHITECTURE.md what it may name");
        };
        let strangers: Vec<_> = ours.difference(&may.iter().copied().collect()).copied().collect();
        assert!(strangers.is_empty(), "`{package}` must not name {strangers:?}");
    }
}

#[test]
fn a_crate_with_power_is_named_by_its_keeper_only() {
    // The tests measure the sandbox beside Wasmtime's defaults.
    check("wasmtime", &["replaysafe", "replaysafe-tests"]);
    check("rusqlite", &["replaysafe"]);
    check("wit-bindgen", &["replaysafe-guest"]);
    check("wit-component", &["replaysafe-pack"]);
    check("axum", &["replaysafe-gateway"]);
    check("clap", &["replaysafe-cli"]);
    check("anyhow", &["replaysafe", "replaysafe-cli", "replaysafe-guest", "replaysafe-pack"]);
}

#[test]
fn the_semantics_rest_on_crates_without_a_machine() {
    let made_for_it = ["serde", "serde_json", "sha2", "thiserror", "unicode-normalization"];
    for package in ["replaysafe-core", "replaysafe-json"] {
        for named in &workspace(Kinds::Compiled)[package] {
            assert!(
                named == "replaysafe-json" || made_for_it.contains(&named.as_str()),
                "`{package}` names `{named}`: is it `no_std`, without clock, randomness and I/O?"
            );
        }
    }
}

#[test]
fn only_tests_link_the_semantics_beside_the_component() {
    let linking: Vec<_> = workspace(Kinds::All)
        .into_iter()
        .filter(|(_, named)| named.contains("replaysafe-core"))
        .map(|(package, _)| package)
        .collect();
    assert_eq!(linking, ["replaysafe-guest", "replaysafe-tests"]);
}

#[track_caller]
fn check(named: &str, keepers: &[&str]) {
    let found: BTreeSet<String> = workspace(Kinds::Compiled)
        .into_iter()
        .filter(|(_, names)| names.contains(named))
        .map(|(package, _)| package)
        .collect();
    let strangers: Vec<_> =
        found.iter().filter(|package| !keepers.contains(&package.as_str())).collect();
    assert!(strangers.is_empty(), "`{named}` is named by {strangers:?}, and may be by {keepers:?}");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    /// Normal and build dependencies.
    Compiled,
    /// Development dependencies too.
    All,
}

/// Each package of the workspace with the names of its dependencies.
fn workspace(kinds: Kinds) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let named = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| kinds == Kinds::All || dependency["kind"] != "dev")
                .map(|dependency| text(&dependency["name"]))
                .collect();
            (text(&package["name"]), named)
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
