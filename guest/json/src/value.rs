//! A JSON value, as exact as its text.

use alloc::{
    collections::{BTreeMap, btree_map},
    string::String,
    vec::Vec,
};
use core::fmt;

use crate::{canonical, number::Number};

/// Any JSON value. Two values are equal where their canonical texts are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number
    Number(Number),
    /// A string
    String(String),
    /// An array
    Array(Vec<Value>),
    /// An object
    Object(Object),
}

impl Value {
    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Null | Self::Number(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// The whole number, if it is one from 0 to 2^64 - 1.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// The member of this name, letter case ignored; none if this is no object.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.as_object()?.find(name)
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }
}

/// The canonical text (RFC 8785).
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&canonical(self))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Number(Number::from(value))
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::Array(items)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

/// The members of an object. No two names differ in letter case only where the object was parsed.
///
/// Names keep their spelling; looking one up ignores ASCII letter case, as RFC 7643 §2.1 wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Object(BTreeMap<String, Value>);

impl Object {
    /// An object without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The member of this name, letter case ignored.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.find_entry(name).map(|(_, value)| value)
    }

    /// The member of this name, letter case ignored, with its spelling.
    #[must_use]
    pub fn find_entry(&self, name: &str) -> Option<(&str, &Value)> {
        if let Some((spelling, value)) = self.0.get_key_value(name) {
            return Some((spelling, value));
        }
        let mut members = self.0.iter();
        let (spelling, value) =
            members.find(|(spelling, _)| spelling.eq_ignore_ascii_case(name))?;
        Some((spelling, value))
    }

    /// The member of this name, letter case ignored, to be changed.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Value> {
        let spelling = self.spelling(name)?;
        self.0.get_mut(&spelling)
    }

    /// Sets a member; one whose name differs in letter case only is replaced and keeps its spelling.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let name = name.into();
        let spelling = self.spelling(&name).unwrap_or(name);
        self.0.insert(spelling, value.into())
    }

    /// Removes the member of this name, letter case ignored.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let spelling = self.spelling(name)?;
        self.0.remove(&spelling)
    }

    /// The members, by name in byte order.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Value> {
        self.0.iter()
    }

    /// The members' values, to be changed.
    pub fn values_mut(&mut self) -> btree_map::ValuesMut<'_, String, Value> {
        self.0.values_mut()
    }

    /// Keeps the members for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain(|name, value| keep(name, value));
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, name: String, value: Value) {
        self.0.insert(name, value);
    }

    fn spelling(&self, name: &str) -> Option<String> {
        self.find_entry(name).map(|(spelling, _)| spelling.into())
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut object = Self::new();
        for (name, value) in members {
            object.insert(name, value);
        }
        object
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a String, &'a Value);
    type IntoIter = btree_map::Iter<'a, String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
