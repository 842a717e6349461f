//! Calls that pass a limit (catalogue nos 47 to 51): each costs its own answer, and leaves nothing behind.

use std::time::{Duration, Instant};

use replaysafe::{
    contract::Settings,
    guest::{Guest, GuestError},
};
use wasm_encoder::{BlockType, InstructionSink, MemArg};

use crate::{
    compiled::guest as honest,
    module::Frame,
    tricks::{Act, Trick, guest, length},
};

/// Why a call gave no result, as far as it is told apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Deadline,
    Memory,
    Trap,
    Output,
}

#[test]
fn a_call_that_passes_a_limit_costs_one_answer() {
    let guest = guest();
    let honest = honest().check_policy("{}").unwrap();
    for (trick, why) in TRAPS.iter().chain(OUTPUTS) {
        let began = Instant::now();
        assert_eq!(call(&guest, trick), Some(*why), "{trick:?}");
        assert!(began.elapsed() < CALL_ENDS_WITHIN, "{trick:?}");
        assert_eq!(guest.check_policy("{}").unwrap(), honest, "{trick:?}");
    }
}

/// More calls than there are slots, from more threads than one: none is lost, or a call would wait for ever.
#[test]
fn slots_are_free_again() {
    let guest = guest();
    let kinds = TRAPS.iter().chain(OUTPUTS);
    let quick: Vec<_> = kinds.filter(|(trick, _)| calls(trick) == CALLS).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..CALLS / 4 {
                    for (trick, why) in &quick {
                        assert_eq!(call(&guest, trick), Some(*why), "{trick:?}");
                    }
                }
            });
        }
    });
    assert!(guest.check_policy("{}").is_ok());
}

/// No 56: what has no float type has no float that is no number.
#[test]
fn the_contract_has_no_float() {
    let text = replaysafe::guest::WORLD;
    assert!(text.contains("u64") && !text.contains("f32") && !text.contains("f64"), "{text}");
}

/// Calls the function of a trick so that it does it; gives why there is no result.
pub(crate) fn call(guest: &Guest, trick: &Trick) -> Option<Why> {
    let length = length(trick.name);
    let called = match trick.function {
        "check-policy" => guest.check_policy(&format!("{:<length$}", "{}")).map(drop),
        "secret-paths" => guest.secret_paths(&"x".repeat(length), &settings()).map(drop),
        other => panic!("`{other}` is not called here"),
    };
    called.err().map(|error| match error {
        GuestError::Deadline { .. } => Why::Deadline,
        GuestError::Memory { .. } => Why::Memory,
        GuestError::Trap(_) => Why::Trap,
        GuestError::Output(_) => Why::Output,
        other => panic!("{trick:?}: {other}"),
    })
}

/// How many calls of a kind show that nothing of them stays.
pub(crate) fn calls(trick: &Trick) -> usize {
    match trick.name {
        // Each takes its two seconds.
        name if name == LOOPS.name => 2,
        // Each writes 1.5 GiB.
        name if name == GROWS.name => 5,
        // Each makes a million texts before it is refused.
        name if name == REPEATS.name => 10,
        _ => CALLS,
    }
}

fn settings() -> Settings {
    Settings { policy: "{}".into(), schema: "{}".into(), profile: Vec::new() }
}

/// Calls that do not come to their end.
pub(crate) const TRAPS: &[(Trick, Why)] = &[
    (LOOPS, Why::Deadline),
    (policy("recurses", recurses), Why::Trap),
    (GROWS, Why::Memory),
    (policy("grows its table", grows_its_table), Why::Memory),
    (policy("traps", is_trapped), Why::Trap),
];

/// Calls that give what must not be read.
pub(crate) const OUTPUTS: &[(Trick, Why)] = &[
    (policy("2^31 - 1 bytes of text", |_, code| gives(code, 0, i32::MAX)), Why::Output),
    (policy("512 MiB of text", gives_much_text), Why::Output),
    (policy("no UTF-8", gives_no_text), Why::Output),
    (policy("neither ok nor err", gives_neither), Why::Output),
    (policy("nowhere", gives_nothing), Why::Output),
    (paths("2^31 - 1 lists", |_, code| gives(code, 0, i32::MAX)), Why::Output),
    (REPEATS, Why::Output),
];

const LOOPS: Trick = policy("loops", loops);

pub(crate) const GROWS: Trick = policy("grows", grows);

const REPEATS: Trick = paths("one list, 4,096 times", gives_one_list_often);

const fn policy(name: &'static str, code: crate::tricks::Code) -> Trick {
    Trick { name, function: "check-policy", act: Act::Instead(code) }
}

const fn paths(name: &'static str, code: crate::tricks::Code) -> Trick {
    Trick { name, function: "secret-paths", act: Act::Instead(code) }
}

pub(crate) fn is_trapped(_: &Frame, code: &mut InstructionSink<'_>) {
    code.unreachable();
}

pub(crate) fn loops(_: &Frame, code: &mut InstructionSink<'_>) {
    code.loop_(BlockType::Empty).br(0).end();
}

pub(crate) fn recurses(frame: &Frame, code: &mut InstructionSink<'_>) {
    frame.call(frame.own, code);
    code.return_();
}

/// Asks for memory until it gets no more, writes to all of it, and gives up.
pub(crate) fn grows(frame: &Frame, code: &mut InstructionSink<'_>) {
    let old = frame.local(3);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.i32_const(STEP_PAGES).memory_grow(0).local_tee(old).i32_const(-1).i32_eq().br_if(1);
    code.local_get(old).i32_const(PAGE_BYTES).i32_mul();
    code.i32_const(0x55).i32_const(STEP_PAGES * PAGE_BYTES).memory_fill(0);
    code.br(0).end().end().unreachable();
}

fn grows_its_table(_: &Frame, code: &mut InstructionSink<'_>) {
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    code.ref_null(wasm_encoder::HeapType::FUNC).i32_const(1_000).table_grow(0);
    code.i32_const(-1).i32_eq().br_if(1).br(0).end().end().unreachable();
}

/// 512 MiB that it has, all of them 0: a text.
fn gives_much_text(frame: &Frame, code: &mut InstructionSink<'_>) {
    let room = frame.local(3);
    code.i32_const(MUCH / PAGE_BYTES).memory_grow(0).i32_const(PAGE_BYTES).i32_mul();
    code.local_set(room);
    ok(code, |code| code.local_get(room), MUCH);
}

/// What an honest function might give: `ok` with no text.
pub(crate) fn answers(_: &Frame, code: &mut InstructionSink<'_>) {
    gives(code, FREE, 0);
    code.end();
}

/// `0xff` begins no character.
fn gives_no_text(_: &Frame, code: &mut InstructionSink<'_>) {
    code.i32_const(FREE).i32_const(0xff).i32_store8(AT);
    gives(code, FREE, 1);
}

/// The address of what it gives is none.
fn gives_nothing(_: &Frame, code: &mut InstructionSink<'_>) {
    code.i32_const(-16).return_();
}

fn gives_neither(_: &Frame, code: &mut InstructionSink<'_>) {
    code.i32_const(GIVEN).i32_const(2).i32_store8(AT).i32_const(GIVEN).return_();
}

/// 4,096 lists, each of the same 2,048 segments that are 0: 32 KiB in all there, hundreds of MiB here.
fn gives_one_list_often(frame: &Frame, code: &mut InstructionSink<'_>) {
    let (room, next) = (frame.local(2), frame.local(3));
    code.i32_const(1).memory_grow(0).i32_const(PAGE_BYTES).i32_mul().local_tee(room);
    code.local_set(next).loop_(BlockType::Empty);
    // An element: the address of the second half of the page, and a length.
    code.local_get(next).local_get(room).i32_const(PAGE_BYTES / 2).i32_add().i32_store(AT);
    code.local_get(next).i32_const(2_048).i32_store(MemArg { offset: 4, ..AT });
    code.local_get(next).i32_const(8).i32_add().local_tee(next);
    code.local_get(room).i32_const(PAGE_BYTES / 2).i32_add().i32_ne().br_if(0).end();
    ok(code, |code| code.local_get(room), 4_096);
}

/// Gives `ok` with a text or a list at this address, of this length.
fn gives(code: &mut InstructionSink<'_>, address: i32, length: i32) {
    ok(code, |code| code.i32_const(address), length);
}

fn ok<'a>(
    code: &mut InstructionSink<'a>,
    address: impl for<'b> Fn(&'b mut InstructionSink<'a>) -> &'b mut InstructionSink<'a>,
    length: i32,
) {
    code.i32_const(GIVEN).i32_const(0).i32_store8(AT).i32_const(GIVEN);
    address(code).i32_store(MemArg { offset: 4, ..AT });
    code.i32_const(GIVEN).i32_const(length).i32_store(MemArg { offset: 8, ..AT });
    code.i32_const(GIVEN).return_();
}

/// At the far end of the stack, where nothing else lies: what is given, and what it leads to.
const GIVEN: i32 = 16;
const FREE: i32 = 64;

const AT: MemArg = MemArg { offset: 0, align: 0, memory_index: 0 };

const PAGE_BYTES: i32 = 65_536;

/// 16 MiB.
const STEP_PAGES: i32 = 256;

const MUCH: i32 = 512 << 20;

/// Five times the 2 s that docs/limits.md has, and ten more for a machine that is busy.
const CALL_ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Three times the 64 slots that docs/limits.md has.
const CALLS: usize = 200;
