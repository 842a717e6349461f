//! Components that are not even loaded (catalogue nos 52 and 53), and code from a cache that is not run.

use std::{fs, path::Path};

use replaysafe::guest::{
    COMPONENT, Guest, GuestError, GuestOptions, PLANNING_COMPONENT, PlanningGuest,
};
use wasm_encoder::{ComponentBuilder, ComponentExportKind, ComponentTypeRef};

use crate::{
    layout::FOLDER,
    limits::answers,
    module::{Body, component, component_of, hollow},
    tricks::CHECK_POLICY,
};

/// A component that is loaded by itself, in one that asks for a clock.
#[test]
fn a_component_that_imports_a_function_is_refused() {
    let own = component(&hollow(Vec::new()));
    assert!(Guest::load(&own, &GuestOptions::default()).is_ok());
    let mut outer = ComponentBuilder::default();
    let (ty, mut clock) = outer.type_function(None);
    clock.params([] as [(&str, wasm_encoder::ComponentValType); 0]).result(None);
    outer.import("clock", ComponentTypeRef::Func(ty));
    let inner = outer.component_raw(None, &own);
    let none: [(&str, ComponentExportKind, u32); 0] = [];
    let instance = outer.instantiate(None, inner, none);
    for name in ["types", "lifecycle", "json"] {
        let name = format!("replaysafe:provisioning/{name}@0.1.0");
        let kind = ComponentExportKind::Instance;
        let exported = outer.alias_export(instance, &name, kind);
        outer.export(&name, kind, exported, None);
    }
    let error = refused(&outer.finish(), &GuestOptions::default());
    assert!(matches!(&error, GuestError::Import { name } if name == "clock"), "{error}");
}

/// A contract with a function less, another type, or another case.
#[test]
fn a_component_of_another_contract_is_refused() {
    let (module, options) = (hollow(Vec::new()), GuestOptions::default());
    for (now, then) in [
        (SETTLE, "type settle = u8;"),
        ("wake-at: option<unix-millis>", "wake-at: option<u32>"),
        ("    /// Absence cannot be proved", "    unknown,\n    /// Absence cannot be proved"),
    ] {
        let contract = tempfile::tempdir().unwrap();
        let mut changed = 0;
        for file in fs::read_dir(FOLDER).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "wit") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            changed += text.matches(now).count();
            let path = contract.path().join(path.file_name().unwrap());
            fs::write(path, text.replace(now, then)).unwrap();
        }
        assert_eq!(changed, 1, "`{now}` is in the contract");
        let error = refused(&component_of(&module, contract.path()), &options);
        assert!(matches!(error, GuestError::Invalid(_)), "{now}: {error}");
    }
    // The contract itself is what differs.
    assert!(Guest::load(&component_of(&module, Path::new(FOLDER)), &options).is_ok());
    // Each world has a component of its own.
    let error = refused(PLANNING_COMPONENT, &options);
    assert!(matches!(error, GuestError::Invalid(_)), "{error}");
    let error = PlanningGuest::load(COMPONENT, &options).unwrap_err();
    assert!(matches!(error, GuestError::Invalid(_)), "{error}");
}

#[test]
fn a_component_that_is_not_whole_is_refused() {
    for parts in 0..8 {
        let cut = &COMPONENT[..COMPONENT.len() * parts / 8];
        let error = refused(cut, &GuestOptions::default());
        assert!(matches!(error, GuestError::Invalid(_)), "{parts} eighths: {error}");
    }
}

/// A byte more, a byte less, another byte: none is the pinned one.
#[test]
fn a_component_that_is_not_the_pinned_one_is_refused() {
    let sha256 = Some(replaysafe::guest::COMPONENT_SHA256.to_owned());
    let options = GuestOptions { sha256, ..GuestOptions::default() };
    let mut changed = COMPONENT.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    for other in [&changed, &COMPONENT[..COMPONENT.len() - 1], &[COMPONENT, &[0]].concat()] {
        let error = refused(other, &options);
        assert!(matches!(error, GuestError::Digest { .. }), "{error}");
    }
}

/// What lies in the cache is run only where it is what was put there; else the component is compiled anew.
#[test]
fn compiled_code_that_was_changed_is_not_run() {
    let component =
        component(&hollow(vec![(CHECK_POLICY.into(), Box::new(answers) as Box<Body<'_>>)]));
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("compiled");
    let options = GuestOptions { cache: Some(cache.clone()), ..GuestOptions::default() };
    let answer = || Guest::load(&component, &options).unwrap().check_policy("{}").unwrap();
    let expected = answer();
    let file = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let honest = fs::read(&file).unwrap();
    let changes: [fn(&mut Vec<u8>); 5] = [
        // The code, what it says of its component, of its engine, of its code; and its end.
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes[8] ^= 1,
        |bytes| bytes[8 + 32] ^= 1,
        |bytes| bytes[8 + 32 + 8] ^= 1,
        |bytes| bytes.truncate(bytes.len() / 2),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut bytes = honest.clone();
        change(&mut bytes);
        fs::write(&file, &bytes).unwrap();
        assert_eq!(answer(), expected, "{number}");
        assert_ne!(fs::read(&file).unwrap(), bytes, "{number}: it is written anew");
    }
}

const SETTLE: &str =
    "settle: func(situation: situation, report: option<report>) -> result<step, contract-error>;";

#[track_caller]
fn refused(component: &[u8], options: &GuestOptions) -> GuestError {
    Guest::load(component, options).expect_err("it is not loaded")
}
