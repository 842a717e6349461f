//! Is what the core says of the contract's types what the contract says (the law `convert-round-trips`)?
//!
//! The JSON door reads and writes by the core's shapes, and the component takes the sizes of parameters and the
//! order of cases from there, so each of them is compared with `wit/`: names, order, kinds, and sizes and
//! alignments as `wit-parser` computes them by the canonical ABI.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::path::Path;

use replaysafe_core::{
    door::{AUDIT, BATCH, CALL, Function, LIFECYCLE, RECONCILIATION},
    shape::{Kind, Shape},
};
use wit_parser::{Resolve, SizeAlign, Type, TypeDefKind, abi::AbiVariant, abi::WasmType};

#[test]
fn each_function_takes_and_gives_what_the_contract_says() {
    let contract = Contract::read();
    contract.check("lifecycle", &LIFECYCLE.iter().collect::<Vec<_>>());
    contract.check("reconciliation", &RECONCILIATION.iter().collect::<Vec<_>>());
    contract.check("audit", &AUDIT.iter().collect::<Vec<_>>());
    contract.check("batch", &BATCH.iter().collect::<Vec<_>>());
    contract.check("json", &[&CALL]);
}

/// The comparison finds a member that is missing, one of another type, and one of another name.
#[test]
fn a_shape_that_differs_is_found() {
    let contract = Contract::read();
    let request = contract.found("types", "request");
    let of = |name: &str| {
        let takes = &LIFECYCLE.iter().find(|known| known.name == name).expect("a function").takes;
        let Kind::Record(members) = &takes.kind else { panic!("parameters are a record") };
        members.first().expect("a parameter").shape
    };
    let differs = |shape: &'static Shape| {
        std::panic::catch_unwind(|| contract.same(&request, shape, "request")).is_err()
    };
    assert!(!differs(of("identify")));
    assert!(differs(of("admit")));
    assert!(differs(of("check-policy")));
}

struct Contract {
    resolve: Resolve,
    sizes: SizeAlign,
    package: wit_parser::PackageId,
}

impl Contract {
    fn read() -> Self {
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit).expect("the contract is read");
        let mut sizes = SizeAlign::default();
        sizes.fill(&resolve);
        Self { resolve, sizes, package }
    }

    fn interface(&self, name: &str) -> &wit_parser::Interface {
        let package = self.resolve.packages.get(self.package).expect("the package");
        let id = package.interfaces.get(name).expect("the interface");
        self.resolve.interfaces.get(*id).expect("the interface")
    }

    fn found(&self, interface: &str, name: &str) -> Type {
        Type::Id(*self.interface(interface).types.get(name).expect("the type"))
    }

    /// An interface has these functions, in this order.
    fn check(&self, interface: &str, ours: &[&Function]) {
        let functions = &self.interface(interface).functions;
        assert!(functions.keys().eq(ours.iter().map(|function| function.name)));
        for (theirs, ours) in functions.values().zip(ours) {
            let place = ours.name;
            let Kind::Record(members) = &ours.takes.kind else { panic!("{place}") };
            let theirs_named = theirs.params.iter().map(|one| one.name.as_str());
            assert!(theirs_named.eq(members.iter().map(|member| member.name)), "{place}");
            for (theirs, ours) in theirs.params.iter().zip(*members) {
                self.same(&theirs.ty, ours.shape, &format!("{place}: {}", ours.name));
            }
            let together = self.sizes.record(theirs.params.iter().map(|one| &one.ty));
            assert_eq!(together.size.size_wasm32(), ours.takes.bytes, "{place}");
            assert_eq!(together.align.align_wasm32(), ours.takes.align, "{place}");
            self.same(theirs.result.as_ref().expect("a result"), &ours.gives, place);
            let signature = self.resolve.wasm_signature(AbiVariant::GuestExport, theirs);
            assert!(signature.retptr, "{place} gives an address");
            if !signature.indirect_params && ["lifecycle", "json"].contains(&interface) {
                // In the world `provisioning` `guest/component` takes words for the parameters' memory.
                let words = [WasmType::I32, WasmType::Pointer, WasmType::Length];
                assert!(signature.params.iter().all(|one| words.contains(one)), "{place}");
                assert_eq!(4 * signature.params.len(), ours.takes.bytes, "{place}");
            }
        }
    }

    fn same(&self, theirs: &Type, ours: &Shape, place: &str) {
        let (bytes, align) = (self.sizes.size(theirs), self.sizes.align(theirs));
        assert_eq!(bytes.size_wasm32(), ours.bytes, "{place}");
        assert_eq!(align.align_wasm32(), ours.align, "{place}");
        let id = match (theirs, &ours.kind) {
            (Type::String, Kind::Text)
            | (Type::Bool, Kind::Truth)
            | (Type::U8 | Type::U16 | Type::U32 | Type::U64, Kind::Number) => return,
            (Type::Id(id), _) => *id,
            (theirs, ours) => panic!("{place}: {theirs:?} {ours:?}"),
        };
        let theirs = &self.resolve.types.get(id).expect("the type").kind;
        let cases: Vec<(&str, Option<Type>)> = match (theirs, &ours.kind) {
            (TypeDefKind::Type(named), _) => return self.same(named, ours, place),
            (TypeDefKind::Option(theirs), Kind::Option(ours))
            | (TypeDefKind::List(theirs), Kind::List(ours)) => {
                return self.same(theirs, ours, place);
            }
            (TypeDefKind::Record(theirs), Kind::Record(ours)) => {
                let names = theirs.fields.iter().map(|one| one.name.as_str());
                assert!(names.eq(ours.iter().map(|member| member.name)), "{place}");
                for (theirs, ours) in theirs.fields.iter().zip(*ours) {
                    self.same(&theirs.ty, ours.shape, &format!("{place}.{}", ours.name));
                }
                return;
            }
            (TypeDefKind::Variant(theirs), _) => {
                theirs.cases.iter().map(|case| (case.name.as_str(), case.ty)).collect()
            }
            (TypeDefKind::Enum(theirs), _) => {
                theirs.cases.iter().map(|case| (case.name.as_str(), None)).collect()
            }
            (TypeDefKind::Result(theirs), _) => vec![("ok", theirs.ok), ("err", theirs.err)],
            (theirs, ours) => panic!("{place}: {} {ours:?}", theirs.as_str()),
        };
        let Kind::Variant(ours) = &ours.kind else { panic!("{place}: no variant") };
        let names = cases.iter().map(|(name, _)| *name);
        assert!(names.eq(ours.iter().map(|case| case.name)), "{place}");
        for ((name, theirs), ours) in cases.iter().zip(*ours) {
            match (theirs, ours.payload) {
                (Some(theirs), Some(ours)) => self.same(theirs, ours, &format!("{place}.{name}")),
                (None, None) => {}
                (theirs, ours) => panic!("{place}.{name}: {theirs:?} {ours:?}"),
            }
        }
    }
}
