//! Reading: is this text one that we take, and what does it say?
//!
//! The grammar is `serde_json`'s. What stands here is what the grammar allows and we do not:
//! depth, lengths, duplicates, NUL, and numbers that would change.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::str;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::JsonError;
use crate::number::{self, Number};
use crate::object::Object;
use crate::value::Value;

/// Reads one JSON document.
///
/// Time is linear in the text's length, but for the sorting of members; memory is at most some
/// hundred bytes for each byte of the text.
///
/// # Errors
///
/// The first of these that applies:
///
/// 1. [`JsonError::TooLarge`]: the text is longer than `limits` allow,
/// 2. [`JsonError::ByteOrderMark`]: it starts with U+FEFF,
/// 3. [`JsonError::NotUtf8`]: it is not UTF-8 throughout,
/// 4. the first fault that reading from the left meets; that of a duplicate member is met at the
///    end of its object,
/// 5. [`JsonError::NumberRange`]: a number of 2^53 or more has digits that are not kept.
///
/// Source: RFC 8259; RFC 7493 (I-JSON) for what is refused beyond it.
pub fn parse(text: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    if limits.bytes < text.len() {
        return Err(JsonError::TooLarge { limit: limits.bytes });
    }
    if text.starts_with("\u{feff}".as_bytes()) {
        return Err(JsonError::ByteOrderMark);
    }
    let text =
        str::from_utf8(text).map_err(|error| JsonError::NotUtf8 { offset: error.valid_up_to() })?;
    let watch = Watch::new(*limits);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Seed { watch: &watch, depth: 0 }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| watch.refusal.take().unwrap_or_else(|| syntax(&error)))?;
    if watch.has_large.get() && !numbers(text).all(number::is_kept) {
        return Err(JsonError::NumberRange);
    }
    Ok(value)
}

/// The most that a text may have of each thing
///
/// `Default` is [`Limits::request`]. The numbers are those of S44.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of arrays and objects within each other, at most 127, where `serde_json` ends
    pub depth: usize,
    /// Members of one object
    pub members: usize,
    /// Items of one array
    pub items: usize,
    /// Bytes of the whole text
    pub bytes: usize,
}

impl Limits {
    /// 32 levels: a SCIM document needs 6, a Bulk request with patches 10; the rest is for
    /// extensions.
    pub const DEPTH: usize = 32;
    /// 10,000 members of an object: no schema comes near, and sorting them stays under a
    /// millisecond or two.
    pub const MEMBERS: usize = 10_000;
    /// 200,000 items of an array: the members of the largest groups that directories sync.
    pub const ITEMS: usize = 200_000;
    /// 1 MiB for a request: a user with a photo as a data URI has some 100 KiB.
    pub const BYTES_REQUEST: usize = 1 << 20;
    /// 16 MiB for a group or a Bulk request: 200,000 members with `value` and `type`, 80 bytes
    /// each.
    pub const BYTES_GROUP: usize = 16 << 20;
    /// 64 MiB for a target's answer: the same group with `$ref` and `display` at each member.
    pub const BYTES_ANSWER: usize = 64 << 20;

    /// Gives the limits of a client's request.
    #[must_use]
    pub const fn request() -> Self {
        Self {
            depth: Self::DEPTH,
            members: Self::MEMBERS,
            items: Self::ITEMS,
            bytes: Self::BYTES_REQUEST,
        }
    }

    /// Gives the limits of a client's request about a group, or of a Bulk request.
    #[must_use]
    pub const fn group() -> Self {
        Self { bytes: Self::BYTES_GROUP, ..Self::request() }
    }

    /// Gives the limits of what a target answers.
    #[must_use]
    pub const fn answer() -> Self {
        Self { bytes: Self::BYTES_ANSWER, ..Self::request() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::request()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let unlimited =
            Limits { depth: DEPTH_MAX, members: usize::MAX, items: usize::MAX, bytes: usize::MAX };
        Seed { watch: &Watch::new(unlimited), depth: 0 }.deserialize(deserializer)
    }
}

/// What is known of a document while it is read
struct Watch {
    limits: Limits,
    /// Why the document is refused: serde's errors hold nothing but a text
    refusal: RefCell<Option<JsonError>>,
    /// Whether a number came by that may have lost digits
    has_large: Cell<bool>,
}

impl Watch {
    fn new(limits: Limits) -> Self {
        let limits = Limits { depth: limits.depth.min(DEPTH_MAX), ..limits };
        Self { limits, refusal: RefCell::new(None), has_large: Cell::new(false) }
    }

    /// Notes why the document is refused, and gives the error that makes serde stop.
    fn refuse<E: de::Error>(&self, refusal: JsonError) -> E {
        let error = E::custom(&refusal);
        self.refusal.replace(Some(refusal));
        error
    }

    fn string<E: de::Error>(&self, string: &str) -> Result<(), E> {
        if string.contains('\0') {
            return Err(self.refuse(JsonError::NulCharacter));
        }
        Ok(())
    }
}

/// Reads a value that lies in `depth` arrays and objects.
#[derive(Clone, Copy)]
struct Seed<'w> {
    watch: &'w Watch,
    depth: usize,
}

impl Seed<'_> {
    /// Steps into an array or an object.
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let limit = self.watch.limits.depth;
        if self.depth < limit {
            return Ok(Self { depth: self.depth + 1, ..self });
        }
        Err(self.watch.refuse(JsonError::TooDeep { limit }))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Value, E> {
        Ok(integer.into())
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Value, E> {
        Ok(integer.into())
    }

    fn visit_f64<E: de::Error>(self, double: f64) -> Result<Value, E> {
        if number::is_large(double) {
            self.watch.has_large.set(true);
        }
        let number = Number::from_double(double);
        Ok(number.ok_or_else(|| self.watch.refuse::<E>(JsonError::NumberRange))?.into())
    }

    fn visit_str<E: de::Error>(self, string: &str) -> Result<Value, E> {
        self.watch.string(string)?;
        Ok(string.into())
    }

    fn visit_string<E: de::Error>(self, string: String) -> Result<Value, E> {
        self.watch.string(&string)?;
        Ok(string.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let limit = self.watch.limits.items;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            if limit <= items.len() {
                return Err(self.watch.refuse(JsonError::TooManyItems { limit }));
            }
            items.push(item);
        }
        items.shrink_to_fit();
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let limit = self.watch.limits.members;
        let mut members = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            if limit <= members.len() {
                return Err(self.watch.refuse(JsonError::TooManyMembers { limit }));
            }
            self.watch.string(&name)?;
            members.push((name, access.next_value_seed(inner)?));
        }
        Object::from_members(members)
            .map(Value::Object)
            .map_err(|refusal| self.watch.refuse(refusal))
    }
}

/// Says what `serde_json` found wrong with a text.
///
/// `serde_json` tells its faults apart by their words only; those that are looked for here are
/// kept in place by tests.
fn syntax(error: &serde_json::Error) -> JsonError {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let problem = message.split(" at line ").next().unwrap_or_default();
    match problem {
        "number out of range" => JsonError::NumberRange,
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            JsonError::LoneSurrogate { line, column }
        }
        _ => JsonError::Syntax { line, column, problem: problem.into() },
    }
}

/// Gives the number literals of `text`, which is valid JSON.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        loop {
            let start = rest.find(|character: char| {
                character == '"' || character == '-' || character.is_ascii_digit()
            })?;
            let (_, found) = rest.split_at_checked(start)?;
            if let Some(string) = found.strip_prefix('"') {
                rest = after_string(string);
                continue;
            }
            let end = found
                .find(|character: char| {
                    !matches!(character, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')
                })
                .unwrap_or(found.len());
            let (literal, behind) = found.split_at_checked(end)?;
            rest = behind;
            return Some(literal);
        }
    })
}

/// Gives what follows the string whose content `text` starts with.
fn after_string(text: &str) -> &str {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return characters.as_str(),
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
    ""
}

/// 127 levels: at 128 `serde_json` itself refuses, so that no input can exhaust the stack.
const DEPTH_MAX: usize = 127;
