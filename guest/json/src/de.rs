//! Reading through serde: which value does another format hold?

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::error::JsonError;
use crate::number::Number;
use crate::object::Object;
use crate::parse::DEPTH_MAX;
use crate::value::Value;

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed { depth: 0 }.deserialize(deserializer)
    }
}

/// Reads a value that lies in `depth` arrays and objects.
#[derive(Clone, Copy)]
struct Seed {
    depth: usize,
}

impl Seed {
    /// Steps into an array or an object.
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth < DEPTH_MAX {
            return Ok(Self { depth: self.depth + 1 });
        }
        Err(E::custom(JsonError::TooDeep { limit: DEPTH_MAX }))
    }
}

/// A string without NUL.
fn clean<E: Error>(string: String) -> Result<String, E> {
    if string.contains('\0') { Err(E::custom(JsonError::NulCharacter)) } else { Ok(string) }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
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

    /// There may be no text, so a double has no digits but its own.
    fn visit_f64<E: Error>(self, double: f64) -> Result<Value, E> {
        let number = Number::of_double(double);
        number.map(Value::from).ok_or_else(|| E::custom(JsonError::NumberRange))
    }

    fn visit_str<E: Error>(self, string: &str) -> Result<Value, E> {
        clean(string.into()).map(Value::from)
    }

    fn visit_string<E: Error>(self, string: String) -> Result<Value, E> {
        clean(string).map(Value::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            members.push((clean(name)?, access.next_value_seed(inner)?));
        }
        Object::from_members(members).map(Value::Object).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString as _};

    use serde::de::{IntoDeserializer as _, value::Error as Plain};

    use super::*;

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        let nested = |depth| {
            let mut value = serde_json::Value::Null;
            (0..depth).for_each(|_| value = alloc::vec![value.take()].into());
            serde_json::from_value::<Value>(value)
        };
        assert!(nested(DEPTH_MAX).is_ok());
        let refused = nested(DEPTH_MAX + 1).map_err(|error| error.to_string());
        assert_eq!(refused, Err(JsonError::TooDeep { limit: DEPTH_MAX }.to_string()));
    }

    /// Formats that JSON is none of: with options, and with bytes.
    #[test]
    fn an_option_is_its_value_and_bytes_are_none() {
        let some = true.into_deserializer();
        assert_eq!(
            Seed { depth: 0 }.visit_some::<serde::de::value::BoolDeserializer<Plain>>(some),
            Ok(Value::Bool(true))
        );
        let bytes = serde::de::value::BytesDeserializer::<Plain>::new(b"x");
        let refused = Value::deserialize(bytes).map_err(|error| format!("{error}"));
        assert!(refused.is_err_and(|error| error.ends_with("expected a JSON value")));
    }
}
