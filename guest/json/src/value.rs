//! Values: what can a JSON document say?

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::mem;

use serde::{Serialize, Serializer};

use crate::canonical::canonical;
use crate::number::Number;
use crate::object::Object;

/// A JSON value
///
/// Two values are equal if they have the same members in the same spelling, the same items in
/// the same order, and numbers of the same text: in other words, if their
/// [`canonical`] texts are equal, which is also what `Display` writes.
///
/// With serde it is written and read as the JSON it stands for. Reading is as strict as
/// [`parse`](crate::parse) about duplicates and NUL, and stops at 127 levels; but lengths are up
/// to whoever holds the text, because a document inside another has been admitted before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Values in an order
    Array(Vec<Value>),
    /// Values under names
    Object(Object),
}

impl Value {
    /// Says whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Gives the truth value, if it is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// Gives the number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// Gives the string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Gives the items, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// Gives the items for change, if it is an array.
    #[must_use]
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// Gives the object, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// Gives the object for change, if it is one.
    #[must_use]
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// Gives the value under `name` ignoring ASCII case, if it is an object that has one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Value> {
        self.as_object()?.find(name)
    }

    /// Gives the value under `name` for change, as [`find`](Value::find) does.
    #[must_use]
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.as_object_mut()?.find_mut(name)
    }

    /// Gives the value and leaves `null` in its place.
    #[must_use]
    pub fn take(&mut self) -> Value {
        mem::take(self)
    }
}

/// Writes the value's [`canonical`] text.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&canonical(self))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<u64> for Value {
    fn from(integer: u64) -> Self {
        Self::Number(integer.into())
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Number(integer.into())
    }
}

impl From<u32> for Value {
    fn from(integer: u32) -> Self {
        Self::Number(integer.into())
    }
}

impl From<i32> for Value {
    fn from(integer: i32) -> Self {
        Self::Number(integer.into())
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

/// Gives `null` for `None`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Gives an array.
impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn what_rust_has_becomes_a_value() {
        check(true, "true");
        check(u64::MAX, "18446744073709551615");
        check(i64::MIN, "-9223372036854775808");
        check(7_u32, "7");
        check(-7_i32, "-7");
        check("a\"", r#""a\"""#);
        check(String::from("a"), r#""a""#);
        check(vec![1_u32, 2], "[1,2]");
        check(Some("a"), r#""a""#);
        check(None::<&str>, "null");
        check(["b", "a"].into_iter().collect::<Value>(), r#"["b","a"]"#);
        check([("b", 1_u32), ("a", 2)].into_iter().collect::<Object>(), r#"{"a":2,"b":1}"#);
        check(Value::default(), "null");
    }

    #[test]
    fn a_value_is_given_as_what_it_is_only() {
        let values: [Value; 6] = [
            Value::Null,
            true.into(),
            1_u32.into(),
            "a".into(),
            vec![1_u32].into(),
            Object::from_iter([("a", 1_u32)]).into(),
        ];
        let shapes = values.map(|mut value| {
            let is_list_for_change = value.as_array_mut().is_some();
            let is_object_for_change = value.as_object_mut().is_some();
            assert_eq!(value.as_array().is_some(), is_list_for_change);
            assert_eq!(value.as_object().is_some(), is_object_for_change);
            assert_eq!(value.find("A").is_some(), is_object_for_change);
            assert_eq!(value.find_mut("A").is_some(), is_object_for_change);
            [
                value.is_null(),
                value.as_bool() == Some(true),
                value.as_number().and_then(Number::as_u64) == Some(1),
                value.as_str() == Some("a"),
                value.as_array() == Some(&[1_u32.into()]),
                value.as_object().is_some(),
            ]
        });
        for (row, shape) in shapes.into_iter().enumerate() {
            assert!(shape.into_iter().enumerate().all(|(column, fits)| fits == (row == column)));
        }
    }

    #[test]
    fn a_value_that_is_taken_leaves_null() {
        let mut value = Value::from("a");
        assert_eq!((value.take(), value), ("a".into(), Value::Null));
    }

    fn check(given: impl Into<Value>, expected: &str) {
        let value = given.into();
        assert_eq!(canonical(&value), expected);
    }
}
