//! May a component answer differently the second time (catalogue no 55)? It has nothing to tell the times apart by.
//!
//! Whoever samples decisions twice would never see a difference: an instance is not used again, there is no clock
//! and no randomness, and numbers that are none have one form.

use replaysafe::guest::{Guest, GuestOptions};
use wasm_encoder::{BlockType, InstructionSink, MemArg};
use wasmtime::{Engine, Instance, Module, Store};

use crate::{
    limits::answers,
    module::{Body, Frame, component, hollow},
    tricks::CHECK_POLICY,
};

/// A component that leaves a mark wherever it can, and traps where it finds one.
#[test]
fn a_call_finds_nothing_that_an_earlier_one_left() {
    let marks: Vec<Mark> = MARKS.iter().map(|(_, mark)| *mark).collect();
    let guest = Guest::load(&component(&marking(&marks)), &GuestOptions::default()).unwrap();
    let first = guest.check_policy("{}").unwrap();
    for _ in 0..CALLS {
        assert_eq!(guest.check_policy("{}").unwrap(), first);
    }
    // More slots than one, each used often.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..CALLS {
                    assert_eq!(guest.check_policy("{}").unwrap(), first);
                }
            });
        }
    });
}

/// In one instance it does find them: each place is one where something could be left.
#[test]
fn in_one_instance_each_mark_is_found() {
    let engine = Engine::default();
    for (place, mark) in MARKS {
        let module = marking(&[*mark]);
        let module = Module::new(&engine, &module).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let check = instance.get_typed_func::<(u32, u32), u32>(&mut store, CHECK_POLICY).unwrap();
        assert!(check.call(&mut store, (0, 0)).is_ok(), "{place}");
        assert!(check.call(&mut store, (0, 0)).is_err(), "{place}");
    }
}

fn marking(marks: &[Mark]) -> Vec<u8> {
    let body = |frame: &Frame, code: &mut InstructionSink<'_>| {
        for mark in marks {
            mark(frame, code);
        }
        answers(frame, code);
    };
    hollow(vec![(CHECK_POLICY.into(), Box::new(body) as Box<Body<'_>>)])
}

/// Code that traps where it finds its mark, and leaves it.
type Mark = fn(&Frame, &mut InstructionSink<'_>);

const MARKS: &[(&str, Mark)] = &[
    ("memory", |_, code| {
        code.i32_const(FREE).i32_load(AT);
        traps_where_true(code);
        code.i32_const(FREE).i32_const(1).i32_store(AT);
    }),
    ("memory that it asked for", |_, code| {
        code.i32_const(MORE_PAGES).memory_grow(0).drop().i32_const(FAR).i32_load(AT);
        traps_where_true(code);
        code.i32_const(FAR).i32_const(1).i32_store(AT);
    }),
    ("the size of the memory", |_, code| {
        code.memory_size(0).i32_const(PAGES_MOST).i32_gt_u();
        traps_where_true(code);
        code.i32_const(PAGES_MOST).memory_grow(0).drop();
    }),
    ("a global", |_, code| {
        // The stack is aligned by 16, and goes down.
        code.global_get(STACK).i32_const(16).i32_and();
        traps_where_true(code);
        code.global_get(STACK).i32_const(16).i32_sub().global_set(STACK);
    }),
    ("the table", |frame, code| {
        // No function has the number 0.
        code.i32_const(0).table_get(0).ref_is_null().i32_eqz();
        traps_where_true(code);
        code.i32_const(0).ref_func(frame.own).table_set(0);
    }),
];

fn traps_where_true(code: &mut InstructionSink<'_>) {
    code.if_(BlockType::Empty).unreachable().end();
}

/// At the far end of the stack, where nothing else lies.
const FREE: i32 = 128;

const AT: MemArg = MemArg { offset: 0, align: 0, memory_index: 0 };

/// The stack's pointer is the first global of what the compiler makes.
const STACK: u32 = 0;

/// 4 MiB beside the 4 that the module has at first.
const MORE_PAGES: i32 = 64;

/// 6 MiB: within the second half of these.
const FAR: i32 = 6 << 20;

/// More than these, and few enough that calls run side by side.
const PAGES_MOST: i32 = 200;

const CALLS: usize = 200;
