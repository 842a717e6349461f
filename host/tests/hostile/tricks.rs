//! A component that does what its caller tells it to: hostile wherever a test wants it to be.
//!
//! Compiling it takes seconds, so one component knows all tricks. Which one it does is said by the length of what it
//! is called with: of the request's `Idempotency-Key`, or of a text where that is the first argument. With any other
//! length it does what the shipped component does.

use std::{path::PathBuf, sync::OnceLock};

use replaysafe::guest::{Guest, GuestOptions};
use wasm_encoder::{BlockType, InstructionSink, MemArg};

use crate::{
    effects::AFTER_THE_EFFECT,
    layout::{Layout, Place},
    limits::{OUTPUTS, TRAPS},
    module::{Bodies, Body, Frame, component, module},
    steps::FORGED,
};

/// Something that a function of `lifecycle` does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trick {
    pub(crate) name: &'static str,
    pub(crate) function: &'static str,
    pub(crate) act: Act,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// It does this instead of what it is there for.
    Instead(Code),
    /// It gives the step that it should give, changed so, where the action is of this case.
    Forges(&'static str, &'static [Change]),
}

/// Code that leaves the function or traps.
pub(crate) type Code = fn(&Frame, &mut InstructionSink<'_>);

/// A change of a step. A path leads to a part of it, with the names of the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Another case of an enum or a variant; of an option, `none` or `some`.
    Case(&'static str, &'static str),
    Number(&'static str, i64),
    Text(&'static str, &'static str),
    /// A text of so many letters `x`.
    Long(&'static str, usize),
    /// A list of so many elements of which all bytes are 0: first cases, empty texts, nothing.
    Many(&'static str, usize),
}

/// The component, in its sandbox; compiled once for all programs that are built with it.
pub(crate) fn guest() -> Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    let load = || Guest::load(&built(), &GuestOptions { cache: cache(), ..Default::default() });
    GUEST.get_or_init(|| load().unwrap()).clone()
}

/// The component, as a file has it.
fn built() -> Vec<u8> {
    let mut functions: Vec<&str> = all().map(|trick| trick.function).collect();
    functions.sort_unstable();
    functions.dedup();
    let bodies: Bodies<'_> = functions
        .into_iter()
        .map(|function| {
            let body = move |frame: &Frame, code: &mut InstructionSink<'_>| {
                write(function, frame, code);
            };
            (
                format!("replaysafe:provisioning/lifecycle@0.1.0#{function}"),
                Box::new(body) as Box<Body<'_>>,
            )
        })
        .collect();
    component(&module(&bodies))
}

/// The length that asks for a trick.
pub(crate) fn length(name: &str) -> usize {
    FIRST_LENGTH + all().position(|trick| trick.name == name).unwrap()
}

/// Where compiled code is kept from one run to the next.
fn cache() -> Option<PathBuf> {
    Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hostile"))
}

fn all() -> impl Iterator<Item = Trick> {
    let forged = FORGED.iter().map(|forged| forged.trick);
    let limited = OUTPUTS.iter().chain(TRAPS).map(|(trick, _)| *trick);
    forged.chain(limited).chain(AFTER_THE_EFFECT.iter().copied())
}

/// Writes a function that knows all of its tricks.
fn write(function: &str, frame: &Frame, code: &mut InstructionSink<'_>) {
    let layout = Layout::of(function);
    asked(&layout, frame, code);
    code.local_set(frame.local(ASKED));
    let own = || all().filter(|trick| trick.function == function);
    for trick in own() {
        if let Act::Instead(act) = trick.act {
            is_asked(trick.name, frame, code);
            code.if_(BlockType::Empty);
            act(frame, code);
            code.end();
        }
    }
    frame.call(frame.shipped, code);
    code.local_set(frame.local(STEP));
    for trick in own() {
        if let Act::Forges(action, changes) = trick.act {
            let place = layout.given_back("action");
            is_asked(trick.name, frame, code);
            Forger { layout: &layout, frame, code }.load(&place);
            code.i32_const(place.case(action)).i32_eq().i32_and();
            code.if_(BlockType::Empty);
            Forger { layout: &layout, frame, code }.forge(changes);
            code.end();
        }
    }
    code.local_get(frame.local(STEP)).end();
}

/// The length that says what is asked for.
fn asked(layout: &Layout, frame: &Frame, code: &mut InstructionSink<'_>) {
    // A text lies in two parameters; arguments of many parts lie in memory, together.
    if frame.takes != 1 {
        code.local_get(1);
        return;
    }
    let key = layout.given("request.key");
    let length = at(&key.held(), 4);
    code.local_get(0).i32_load8_u(at(&key, 0)).local_get(0).i32_load(length).i32_mul();
}

fn is_asked(name: &str, frame: &Frame, code: &mut InstructionSink<'_>) {
    let length = i32::try_from(length(name)).unwrap();
    code.local_get(frame.local(ASKED)).i32_const(length).i32_eq();
}

/// Writes code that changes a step.
struct Forger<'a, 'b> {
    layout: &'a Layout,
    frame: &'a Frame,
    code: &'a mut InstructionSink<'b>,
}

impl Forger<'_, '_> {
    fn forge(&mut self, changes: &[Change]) {
        let room = self.frame.local(ROOM);
        let pages: usize = changes.iter().map(|change| self.pages(change)).sum();
        let pages = i32::try_from(pages).unwrap();
        self.code.i32_const(pages).memory_grow(0).i32_const(PAGE_BYTES).i32_mul().local_set(room);
        for change in changes {
            self.change(change);
            let pages = i32::try_from(self.pages(change)).unwrap();
            self.code.local_get(room).i32_const(pages * PAGE_BYTES).i32_add().local_set(room);
        }
    }

    /// How much new memory a change needs.
    fn pages(&self, change: &Change) -> usize {
        let bytes = match change {
            Change::Case(..) | Change::Number(..) => 0,
            Change::Text(_, text) => text.len(),
            Change::Long(_, bytes) => *bytes,
            Change::Many(path, count) => self.layout.given_back(path).held().bytes() * count,
        };
        bytes.div_ceil(PAGE_BYTES as usize)
    }

    fn change(&mut self, change: &Change) {
        match *change {
            Change::Case(path, case) => {
                let place = self.layout.given_back(path);
                self.base(&place);
                self.code.i32_const(place.case(case)).i32_store8(at(&place, 0));
            }
            Change::Number(path, number) => {
                let place = self.some(path);
                self.base(&place);
                self.code.i64_const(number);
                match place.bytes() {
                    1 => self.code.i64_store8(at(&place, 0)),
                    2 => self.code.i64_store16(at(&place, 0)),
                    4 => self.code.i64_store32(at(&place, 0)),
                    8 => self.code.i64_store(at(&place, 0)),
                    other => panic!("no number has {other} bytes"),
                };
            }
            Change::Text(path, text) => {
                let room = self.frame.local(ROOM);
                for (offset, byte) in (0..).zip(text.bytes()) {
                    let place = MemArg { offset, align: 0, memory_index: 0 };
                    self.code.local_get(room).i32_const(byte.into()).i32_store8(place);
                }
                self.point(path, text.len());
            }
            Change::Long(path, bytes) => {
                let (room, letter) = (self.frame.local(ROOM), i32::from(b'x'));
                let bytes_more = i32::try_from(bytes).unwrap();
                self.code.local_get(room).i32_const(letter).i32_const(bytes_more).memory_fill(0);
                self.point(path, bytes);
            }
            Change::Many(path, count) => self.point(path, count),
        }
    }

    /// Lets a text or a list be what lies in the new memory.
    fn point(&mut self, path: &str, length: usize) {
        let place = self.some(path);
        self.base(&place);
        self.code.local_get(self.frame.local(ROOM)).i32_store(at(&place, 0));
        self.base(&place);
        self.code.i32_const(i32::try_from(length).unwrap()).i32_store(at(&place, 4));
    }

    /// What lies at this path; an option is `some` from now on.
    fn some(&mut self, path: &str) -> Place {
        let place = self.layout.given_back(path);
        if place.is_option() {
            self.base(&place);
            self.code.i32_const(place.case("some")).i32_store8(at(&place, 0));
        }
        place.held()
    }

    /// The byte at a place.
    fn load(&mut self, place: &Place) {
        self.base(place);
        self.code.i32_load8_u(at(place, 0));
    }

    /// What the last pointer on the way to a place says.
    fn base(&mut self, place: &Place) {
        self.code.local_get(self.frame.local(STEP));
        let (_, pointers) = place.hops.split_last().unwrap();
        for offset in pointers {
            self.code.i32_load(MemArg { offset: *offset, align: 0, memory_index: 0 });
        }
    }
}

/// So many bytes behind a place, seen from its last pointer.
fn at(place: &Place, behind: u64) -> MemArg {
    MemArg { offset: place.hops.last().unwrap() + behind, align: 0, memory_index: 0 }
}

/// What is asked for.
const ASKED: u32 = 0;

/// Where the step lies that is given.
const STEP: u32 = 1;

/// Where memory is free.
const ROOM: u32 = 2;

/// The export of `check-policy`.
pub(crate) const CHECK_POLICY: &str = "replaysafe:provisioning/lifecycle@0.1.0#check-policy";

const PAGE_BYTES: i32 = 65_536;

/// Longer than any key or policy of an honest caller of these tests.
const FIRST_LENGTH: usize = 100;
