//! Is the contract in `wit/` still the one that was printed, and does each item of it say since when it is there?

#![expect(clippy::expect_used, reason = "a test may fail")]

use std::{fs, path::PathBuf};

use wit_parser::{Resolve, Stability, WorldItem, WorldKey};

/// What to do when the contract is another one than the print.
const ADVICE: &str = "\
an item of a released version never changes. Add a new item beside it, marked `@since` with the next version; \
raise the version of the package in wit/*.wit; say in wit/CHANGELOG.md what a host must do; and print the new \
version beside the old ones:
  cargo run -p replaysafe-pack -- print wit > wit/released/provisioning-VERSION.wit
While wit/CHANGELOG.md says that a version is not released, its print may be made anew.";

#[test]
fn the_contract_is_as_it_was_printed() {
    let (resolve, package) = contract();
    let name = &resolve.packages.get(package).expect("the package").name;
    let version = name.version.as_ref().expect("a version");
    let path = folder().join(format!("released/provisioning-{version}.wit"));
    let printed = fs::read_to_string(&path).unwrap_or_default();
    let present = replaysafe_pack::print_package(&folder()).expect("the contract is printed");
    let mut differing = present.lines().zip(printed.lines()).enumerate();
    let first = differing.find(|(_, (present, printed))| present != printed);
    assert!(present == printed, "{} differs, first at {first:?}: {ADVICE}", path.display());
}

#[test]
fn each_item_says_since_when_it_is_there() {
    let (resolve, package) = contract();
    let silent = silent(&resolve, package);
    assert!(silent.is_empty(), "no `@since`: {silent:?}");
}

/// The search finds an item that says nothing.
#[test]
fn an_item_that_says_nothing_is_found() {
    let text = "package a:b@0.1.0;
        interface i { type t = u8; @since(version = 0.1.0) f: func(); g: func(); }
        @since(version = 0.1.0) world w { export i; }";
    let mut resolve = Resolve::default();
    let package = resolve.push_str("b.wit", text).expect("it is WIT");
    assert_eq!(silent(&resolve, package), ["i", "i.t", "i.g", "w: i"]);
}

fn silent(resolve: &Resolve, package: wit_parser::PackageId) -> Vec<String> {
    let package = resolve.packages.get(package).expect("the package");
    let mut silent = Vec::new();
    let mut check = |stability: &Stability, name: String| {
        if !matches!(stability, Stability::Stable { .. }) {
            silent.push(name);
        }
    };
    for (name, interface) in &package.interfaces {
        let interface = resolve.interfaces.get(*interface).expect("the interface");
        check(&interface.stability, name.clone());
        for (item, id) in &interface.types {
            let id = resolve.types.get(*id).expect("the type");
            check(&id.stability, format!("{name}.{item}"));
        }
        for (item, function) in &interface.functions {
            check(&function.stability, format!("{name}.{item}"));
        }
    }
    for (name, world) in &package.worlds {
        let world = resolve.worlds.get(*world).expect("the world");
        check(&world.stability, name.clone());
        for (key, item) in world.imports.iter().chain(&world.exports) {
            let shown = match key {
                WorldKey::Name(name) => name.clone(),
                WorldKey::Interface(id) => {
                    let interface = resolve.interfaces.get(*id).expect("the interface");
                    interface.name.clone().unwrap_or_default()
                }
            };
            check(item.stability(resolve), format!("{name}: {shown}"));
        }
        assert!(
            world.exports.values().all(|item| matches!(item, WorldItem::Interface { .. })),
            "this test knows interfaces only"
        );
    }
    silent
}

fn contract() -> (Resolve, wit_parser::PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder()).expect("the contract is read");
    (resolve, package)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../wit")
}
