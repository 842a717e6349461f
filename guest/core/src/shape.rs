//! What does a type of the contract look like, so that one reader and one writer serve all types?
//!
//! A [`Shape`] is what `wit/` says of a type, as data; a [`Tree`] is a value, taken apart as its shape
//! says. JSON (`form.rs`) is read into trees and written from trees, by their shapes; of a type's own code
//! only taking apart and putting together is left. `guest/component` asks how large a parameter is.

use alloc::{boxed::Box, string::String, vec, vec::Vec};

use replaysafe_json::Value;

/// A type, as the contract describes it.
#[derive(Debug)]
pub struct Shape {
    /// What it is made of.
    pub kind: Kind,
    /// How many bytes a value takes in the component's memory, without what it points to (`elem_size` of
    /// the component model's canonical ABI); 0 for what never crosses.
    pub bytes: usize,
    /// The alignment of a value there, a power of two (`alignment` of the canonical ABI).
    pub align: usize,
}

/// What a type is made of.
#[derive(Debug)]
pub enum Kind {
    /// Text, in UTF-8.
    Text,
    /// A truth value.
    Truth,
    /// A whole number that is not negative, of `Shape::bytes` bytes.
    Number,
    /// One or none.
    Option(&'static Shape),
    /// Any number of one type, in an order.
    List(&'static Shape),
    /// Members, in the contract's order.
    Record(&'static [Member]),
    /// One of several cases, at most 256, in the contract's order.
    Variant(&'static [Case]),
    /// Any JSON value. In the ledger's records only: it never crosses.
    Json,
    /// In JSON an array of three texts. Never crosses.
    Three,
    /// In JSON an object with any names. Never crosses.
    Map(&'static Shape),
}

/// A member of a record.
#[derive(Debug)]
pub struct Member {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// Its type.
    pub shape: &'static Shape,
    /// What it means in JSON that it is not there.
    pub absent: Absent,
}

/// What it means in JSON that a member is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// A fault; but an option has no value then.
    Fault,
    /// The list is empty. It is left out, then.
    Empty,
    /// It is as the type has it by default. It is never left out.
    Default,
}

/// A case of a variant.
#[derive(Debug)]
pub struct Case {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// Its payload, if it has one.
    pub payload: Option<&'static Shape>,
}

impl Shape {
    /// Of a text.
    pub const TEXT: Self = Self { kind: Kind::Text, bytes: 8, align: 4 };

    /// Of what never crosses.
    pub(crate) const fn inside(kind: Kind) -> Self {
        Self { kind, bytes: 0, align: 1 }
    }

    /// Of a number that takes `bytes`.
    pub(crate) const fn number(bytes: usize) -> Self {
        Self { kind: Kind::Number, bytes, align: bytes }
    }

    /// Of one or none.
    pub(crate) const fn option(some: &'static Self) -> Self {
        Self {
            kind: Kind::Option(some),
            bytes: up(some.align + some.bytes, some.align),
            align: some.align,
        }
    }

    /// Of a list.
    pub(crate) const fn list(item: &'static Self) -> Self {
        Self { kind: Kind::List(item), bytes: 8, align: 4 }
    }

    /// Of a record.
    #[expect(clippy::indexing_slicing, reason = "within the length; a constant has no iterators")]
    pub(crate) const fn record(members: &'static [Member]) -> Self {
        let (mut at, mut bytes, mut align) = (0, 0, 1);
        while at < members.len() {
            let shape = members[at].shape;
            bytes = up(bytes, shape.align) + shape.bytes;
            align = larger(align, shape.align);
            at += 1;
        }
        Self { kind: Kind::Record(members), bytes: up(bytes, align), align }
    }

    /// Of a variant. The number of its case takes one byte.
    #[expect(clippy::indexing_slicing, reason = "within the length; a constant has no iterators")]
    pub(crate) const fn variant(cases: &'static [Case]) -> Self {
        let (mut at, mut bytes, mut align) = (0, 0, 1);
        while at < cases.len() {
            if let Some(payload) = cases[at].payload {
                bytes = larger(bytes, payload.bytes);
                align = larger(align, payload.align);
            }
            at += 1;
        }
        Self { kind: Kind::Variant(cases), bytes: up(align + bytes, align), align }
    }
}

/// The first address from `at` that has this alignment, a power of two.
#[must_use]
pub const fn up(at: usize, align: usize) -> usize {
    (at + align - 1) & !(align - 1)
}

const fn larger(one: usize, other: usize) -> usize {
    if one < other { other } else { one }
}

/// A value, taken apart.
///
/// What is asked for as something else than it is, is empty: a tree is made by the same shape as it is read by.
#[derive(Debug, Default)]
pub enum Tree {
    /// No value.
    #[default]
    Nothing,
    /// A number, a truth value (0 or 1), or a case without payload (its position).
    Number(u64),
    /// A text.
    Text(String),
    /// The items of a list, or the members of a record in its order.
    Items(Vec<Tree>),
    /// A case, by its position, with its payload.
    Case(usize, Box<Tree>),
    /// Any JSON value.
    Json(Value),
}

impl Tree {
    /// The number.
    #[must_use]
    pub fn number(&self) -> u64 {
        if let Self::Number(number) = self { *number } else { 0 }
    }

    /// The text.
    #[must_use]
    pub fn text(self) -> String {
        if let Self::Text(text) = self { text } else { String::new() }
    }

    /// The items of a list, or the members of a record.
    #[must_use]
    pub fn items(self) -> Vec<Self> {
        if let Self::Items(items) = self { items } else { Vec::new() }
    }

    /// The position of the case, and its payload.
    #[must_use]
    pub fn case(self) -> (usize, Self) {
        match self {
            Self::Case(case, payload) => (case, *payload),
            Self::Number(case) => (usize::try_from(case).unwrap_or_default(), Self::Nothing),
            Self::Nothing | Self::Text(_) | Self::Items(_) | Self::Json(_) => (0, Self::Nothing),
        }
    }

    /// There is no value.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// The members of a record, one after the other.
    pub(crate) fn fields(self) -> Fields {
        Fields(self.items().into_iter())
    }
}

/// The members of a record while it is put together.
#[derive(Debug)]
pub(crate) struct Fields(vec::IntoIter<Tree>);

impl Fields {
    /// The next member.
    #[inline(never)]
    pub(crate) fn next(&mut self) -> Tree {
        self.0.next().unwrap_or_default()
    }
}
