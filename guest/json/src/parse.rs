//! Is this text JSON, within limits, with one meaning only?
//!
//! The grammar is `serde_json`'s. What it accepts and two readers could understand in two ways is refused here.

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{cell::RefCell, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use thiserror::Error;

use crate::{
    number::Number,
    value::{Object, Value},
};

/// Reads one JSON document.
///
/// # Errors
///
/// Where the text is no JSON, goes beyond a limit, or could be understood in two ways: see [`JsonError`].
pub fn parse(text: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    if limits.bytes < text.len() {
        return Err(JsonError::TooLarge { limit: limits.bytes });
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::ByteOrderMark);
    }
    let text = core::str::from_utf8(text)
        .map_err(|error| JsonError::NotUtf8 { offset: error.valid_up_to() })?;
    let refused = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Strict { limits, depth: 0, refused: &refused };
    let read = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| {
        refused.into_inner().unwrap_or_else(|| JsonError::Syntax {
            line: error.line(),
            column: error.column(),
            reason: reason(&error),
        })
    })
}

/// How large a document may be (S44).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Its length in bytes.
    pub bytes: usize,
    /// How deep arrays and objects may nest.
    pub depth: usize,
    /// How many members one object may have.
    pub members: usize,
    /// How many elements one array may have.
    pub items: usize,
}

impl Limits {
    /// 1 MiB: ten times the largest user that was seen, and small enough to hold a thousand at once.
    pub const REQUEST_BYTES: usize = 1 << 20;
    /// 16 MiB: a group of 100,000 members, each stated with its display name.
    pub const GROUP_BYTES: usize = 16 << 20;
    /// 64 MiB: what the sandbox can hold of a target's answer, and no more.
    pub const ANSWER_BYTES: usize = 64 << 20;
    /// 32: SCIM nests 4 deep, extensions seldom 8; a stack of 64 KiB holds 32.
    pub const DEPTH: usize = 32;
    /// 10,000: no schema comes near it.
    pub const MEMBERS: usize = 10_000;
    /// 200,000: the largest groups in the field, twice.
    pub const ITEMS: usize = 200_000;

    /// The limits for a document of at most `bytes` bytes.
    #[must_use]
    pub const fn of_bytes(bytes: usize) -> Self {
        Self { bytes, depth: Self::DEPTH, members: Self::MEMBERS, items: Self::ITEMS }
    }
}

/// The limits of a request.
impl Default for Limits {
    fn default() -> Self {
        Self::of_bytes(Self::REQUEST_BYTES)
    }
}

/// Why a text was refused. No value of the text is in it, and of its names only the one that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It is longer than allowed
    #[error("the document is longer than {limit} bytes; send less at once")]
    TooLarge {
        /// The most bytes that are taken
        limit: usize,
    },
    /// It is not UTF-8
    #[error("the document is not UTF-8 from byte {offset} on; RFC 8259 §8.1 wants UTF-8")]
    NotUtf8 {
        /// How many bytes are fine
        offset: usize,
    },
    /// It begins with a byte order mark
    #[error("the document begins with a byte order mark; leave it out (RFC 8259 §8.1)")]
    ByteOrderMark,
    /// It nests too deep
    #[error("the document nests deeper than {limit} levels; flatten it")]
    TooDeep {
        /// The deepest level that is taken
        limit: usize,
    },
    /// An object has too many members
    #[error("an object has more than {limit} members; send fewer")]
    TooManyMembers {
        /// The most members that are taken
        limit: usize,
    },
    /// An array has too many elements
    #[error("an array has more than {limit} elements; send fewer at once")]
    TooManyItems {
        /// The most elements that are taken
        limit: usize,
    },
    /// A name comes twice in one object, letter case ignored
    #[error("the member `{name}` comes twice, letter case ignored; send it once")]
    DuplicateMember {
        /// The name, control characters escaped, at most 64 characters
        name: String,
    },
    /// A string holds U+0000
    #[error("a string holds the character U+0000; leave it out")]
    NulCharacter,
    /// A number is outside the finite doubles
    #[error("a number is out of range; numbers must be finite doubles")]
    NumberRange,
    /// It is no JSON
    #[error("the document is not valid JSON at line {line}, column {column}: {reason}")]
    Syntax {
        /// The line, from 1
        line: usize,
        /// The column, from 1
        column: usize,
        /// What was met
        reason: String,
    },
}

impl JsonError {
    /// A stable name of the error, in kebab case.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::NotUtf8 { .. } => "not-utf-8",
            Self::ByteOrderMark => "byte-order-mark",
            Self::TooDeep { .. } => "too-deep",
            Self::TooManyMembers { .. } => "too-many-members",
            Self::TooManyItems { .. } => "too-many-items",
            Self::DuplicateMember { .. } => "duplicate-member",
            Self::NulCharacter => "nul-character",
            Self::NumberRange => "number-range",
            Self::Syntax { .. } => "syntax",
        }
    }
}

/// `serde_json`'s reason without its position, which is given apart.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if error.is_data() { "unexpected value".into() } else { text.into() }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    limits: &'a Limits,
    depth: usize,
    refused: &'a RefCell<Option<JsonError>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(self, error: JsonError) -> E {
        let text = E::custom(&error);
        *self.refused.borrow_mut() = Some(error);
        text
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.limits.depth <= self.depth {
            return Err(self.refuse(JsonError::TooDeep { limit: self.limits.depth }));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn text<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(self.refuse(JsonError::NulCharacter)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_double(value);
        number.map(Value::Number).ok_or_else(|| self.refuse(JsonError::NumberRange))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.text(text)?;
        Ok(Value::String(text.into()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        self.text(&text)?;
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = elements.next_element_seed(inner)? {
            if self.limits.items <= items.len() {
                return Err(self.refuse(JsonError::TooManyItems { limit: self.limits.items }));
            }
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Object::new();
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            self.text(&name)?;
            if self.limits.members <= names.len() {
                return Err(self.refuse(JsonError::TooManyMembers { limit: self.limits.members }));
            }
            if !names.insert(name.to_ascii_lowercase()) {
                let name = name.chars().take(64).flat_map(char::escape_debug).collect();
                return Err(self.refuse(JsonError::DuplicateMember { name }));
            }
            object.push(name, members.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

/// For values inside the project's own records: as strict as [`parse`], but for the document's length.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let refused = RefCell::new(None);
        let limits = Limits::of_bytes(Limits::ANSWER_BYTES);
        let seed = Strict { limits: &limits, depth: 0, refused: &refused };
        seed.deserialize(reader).map_err(|error| D::Error::custom(format!("{error}")))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => writer.serialize_unit(),
            Self::Bool(value) => writer.serialize_bool(*value),
            Self::Number(number) => {
                if let Some(value) = number.as_u64() {
                    return writer.serialize_u64(value);
                }
                if let Some(value) = number.as_i64() {
                    return writer.serialize_i64(value);
                }
                let value: f64 = number.as_str().parse().map_err(serde::ser::Error::custom)?;
                writer.serialize_f64(value)
            }
            Self::String(text) => writer.serialize_str(text),
            Self::Array(items) => {
                let mut array = writer.serialize_seq(Some(items.len()))?;
                for item in items {
                    array.serialize_element(item)?;
                }
                array.end()
            }
            Self::Object(object) => {
                let mut map = writer.serialize_map(Some(object.len()))?;
                for (name, member) in object {
                    map.serialize_entry(name, member)?;
                }
                map.end()
            }
        }
    }
}
