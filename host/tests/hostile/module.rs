//! The shipped core module with functions of the test's own behind some of its exports, as a component.

use std::{collections::BTreeMap, path::Path};

use replaysafe::guest::CORE_MODULE;
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, InstructionSink, Module,
    RawSection, RefType, TableSection, TableType, ValType,
};
use wasmparser::{ExternalKind, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What stands behind an export instead of the shipped function.
pub(crate) type Body<'a> = dyn Fn(&Frame, &mut InstructionSink<'_>) + 'a;

/// What a function of the test's own is written with.
pub(crate) struct Frame {
    /// The shipped function.
    pub(crate) shipped: u32,
    /// This one.
    pub(crate) own: u32,
    /// How many parameters both have, all of them `i32`.
    pub(crate) takes: u32,
}

impl Frame {
    /// A local variable, an `i32` that is 0.
    pub(crate) fn local(&self, number: u32) -> u32 {
        assert!(number < LOCALS);
        self.takes + number
    }

    /// Calls one of the two with what this one was given.
    pub(crate) fn call(&self, function: u32, code: &mut InstructionSink<'_>) {
        for parameter in 0..self.takes {
            code.local_get(parameter);
        }
        code.call(function);
    }
}

/// Bodies by the names of their exports.
pub(crate) type Bodies<'a> = Vec<(String, Box<Body<'a>>)>;

/// The shipped module, with these bodies behind these exports.
pub(crate) fn module(bodies: &Bodies<'_>) -> Vec<u8> {
    write(&Shipped::read(), bodies)
}

/// The same, where all other functions of the contract trap: it is compiled in no time.
pub(crate) fn hollow(mut bodies: Bodies<'_>) -> Vec<u8> {
    let mut shipped = Shipped::read();
    for body in &mut shipped.bodies {
        // No locals, `unreachable`, `end`.
        *body = &[0, 0, 0x0b];
    }
    // Arguments need room, which is given at the far end of the stack, and nothing is done after a call.
    for name in shipped.exports.keys().filter(|name| name.starts_with("cabi_")) {
        let body: Box<Body<'_>> = if name.starts_with("cabi_post_") {
            Box::new(|_, code| {
                code.end();
            })
        } else {
            Box::new(|_, code| {
                code.i32_const(ROOM).end();
            })
        };
        bodies.push(((*name).into(), body));
    }
    write(&shipped, &bodies)
}

fn write(shipped: &Shipped, bodies: &Bodies<'_>) -> Vec<u8> {
    let frame = |position: usize| {
        let index = shipped.exports[bodies[position].0.as_str()];
        let ty = shipped.functions[index as usize];
        let own = u32::try_from(shipped.functions.len() + position).unwrap();
        (ty, Frame { shipped: index, own, takes: shipped.parameters[ty as usize] })
    };
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(CORE_MODULE) {
        let payload = payload.unwrap();
        match &payload {
            Payload::FunctionSection(_) => {
                let mut functions = FunctionSection::new();
                let added = (0..bodies.len()).map(|position| frame(position).0);
                for ty in shipped.functions.iter().copied().chain(added) {
                    functions.function(ty);
                }
                module.section(&functions);
            }
            // Without the most that the shipped one may have: the host's own limit counts.
            Payload::TableSection(section) => {
                let mut tables = TableSection::new();
                for table in section.clone() {
                    tables.table(TableType {
                        element_type: RefType::FUNCREF,
                        table64: false,
                        minimum: table.unwrap().ty.initial,
                        maximum: None,
                        shared: false,
                    });
                }
                module.section(&tables);
            }
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                for export in section.clone() {
                    let export = export.unwrap();
                    let body = bodies.iter().position(|(name, _)| name == export.name);
                    let index = body.map_or(export.index, |position| frame(position).1.own);
                    exports.export(export.name, kind(export.kind), index);
                }
                module.section(&exports);
            }
            Payload::CodeSectionStart { .. } => {
                let mut code = CodeSection::new();
                for body in &shipped.bodies {
                    code.raw(body);
                }
                for (position, (_, body)) in bodies.iter().enumerate() {
                    let mut function = Function::new([(LOCALS, ValType::I32)]);
                    body(&frame(position).1, &mut function.instructions());
                    code.function(&function);
                }
                module.section(&code);
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: &CORE_MODULE[range] });
                }
            }
        }
    }
    module.finish()
}

/// The component that a module is the core of.
pub(crate) fn component(module: &[u8]) -> Vec<u8> {
    ComponentEncoder::default().validate(true).module(module).unwrap().encode().unwrap()
}

/// The component that a module would be by the contract in another folder.
pub(crate) fn component_of(module: &[u8], contract: &Path) -> Vec<u8> {
    let mut other = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.unwrap();
        // The only one says what the contract is.
        if !matches!(payload, Payload::CustomSection(_))
            && let Some((id, range)) = payload.as_section()
        {
            other.section(&RawSection { id, data: &module[range] });
        }
    }
    let mut other = other.finish();
    let mut types = Resolve::default();
    let (package, _) = types.push_dir(contract).unwrap();
    let world = types.select_world(&[package], Some("provisioning")).unwrap();
    embed_component_metadata(&mut other, &types, world, StringEncoding::UTF8).unwrap();
    component(&other)
}

/// What the shipped module is made of.
struct Shipped {
    /// How many parameters each type of a function has.
    parameters: Vec<u32>,
    /// The type of each function.
    functions: Vec<u32>,
    exports: BTreeMap<&'static str, u32>,
    bodies: Vec<&'static [u8]>,
}

impl Shipped {
    fn read() -> Self {
        let (mut parameters, mut functions) = (Vec::new(), Vec::new());
        let (mut exports, mut bodies) = (BTreeMap::new(), Vec::new());
        for payload in Parser::new(0).parse_all(CORE_MODULE) {
            match payload.unwrap() {
                Payload::TypeSection(section) => {
                    let types = section.into_iter_err_on_gc_types();
                    let count = |ty: wasmparser::FuncType| ty.params().len();
                    let counts = types.map(|ty| u32::try_from(count(ty.unwrap())).unwrap());
                    parameters.extend(counts);
                }
                Payload::FunctionSection(section) => {
                    functions.extend(section.into_iter().map(Result::unwrap));
                }
                Payload::ExportSection(section) => {
                    let all = section.into_iter().map(Result::unwrap);
                    exports.extend(all.map(|one| (one.name, one.index)));
                }
                Payload::CodeSectionEntry(body) => bodies.push(body.as_bytes()),
                // A function's number would be another one.
                Payload::ImportSection(_) => panic!("it imports nothing"),
                _ => {}
            }
        }
        Self { parameters, functions, exports, bodies }
    }
}

fn kind(kind: ExternalKind) -> ExportKind {
    match kind {
        ExternalKind::Func => ExportKind::Func,
        ExternalKind::Memory => ExportKind::Memory,
        ExternalKind::Global => ExportKind::Global,
        ExternalKind::Table => ExportKind::Table,
        other => panic!("it exports no {other:?}"),
    }
}

/// More than any body needs.
const LOCALS: u32 = 4;

/// Not where what is given lies (`limits.rs`).
const ROOM: i32 = 4_096;
