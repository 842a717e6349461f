//! How is a value of the contract written as JSON, and read again?
//!
//! Everything goes through [`Value`]: one parser and one writer for all types, and a line of names for
//! each. A derived reader is a parser of its own for each type, and all of them together were half of
//! the component.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Number, Object, Value};

/// A type that has a JSON form: what is read from what was written is the same again.
pub(crate) trait Form: Sized {
    /// Reads the value; the fault says where it is wrong.
    fn read(value: Value) -> Result<Self, Fault>;

    /// Writes the value.
    fn write(&self) -> Value;

    /// A field that holds this may be left out.
    fn is_nothing(&self) -> bool {
        false
    }
}

/// Where a value has another form than it must have, and which. It holds names only.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) String);

impl Fault {
    fn wanted(what: &str) -> Self {
        Self(format!("{what} is wanted"))
    }

    /// The fault, seen from the object that has the value under `name`.
    #[cold]
    fn under(self, name: &str) -> Self {
        Self(format!("`{name}`: {}", self.0))
    }
}

/// The members of an object while it is read.
pub(crate) struct Members(Object);

impl Members {
    /// The members of `value`, which may have the names `known` and no others.
    pub(crate) fn of(value: Value, known: &[&str]) -> Result<Self, Fault> {
        let Value::Object(object) = value else { return Err(Fault::wanted("an object")) };
        for name in object.names() {
            if !known.contains(&name) {
                return Err(Fault(format!("the member `{}` is unknown", name.escape_debug())));
            }
        }
        Ok(Self(object))
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.find_mut(name).map(Value::take)
    }

    /// The member `name`, which must be there.
    pub(crate) fn required<T: Form>(&mut self, name: &str) -> Result<T, Fault> {
        let value = self.take(name).ok_or_else(|| Fault(format!("`{name}` is missing")))?;
        T::read(value).map_err(|fault| fault.under(name))
    }

    /// The member `name`; where it is not there, `otherwise`.
    pub(crate) fn or<T: Form>(&mut self, name: &str, otherwise: T) -> Result<T, Fault> {
        let Some(value) = self.take(name) else { return Ok(otherwise) };
        T::read(value).map_err(|fault| fault.under(name))
    }

    /// The member `name`; what is not there is what its type has by default.
    pub(crate) fn optional<T: Form + Default>(&mut self, name: &str) -> Result<T, Fault> {
        self.or(name, T::default())
    }
}

/// The case of a variant, and its payload: `"name"`, or `{"name": payload}`.
pub(crate) fn case(value: Value) -> Result<(String, Option<Value>), Fault> {
    match value {
        Value::String(name) => Ok((name, None)),
        Value::Object(object) if object.len() == 1 => {
            let one = object.into_iter().next();
            one.map(|(name, payload)| (name, Some(payload))).ok_or_else(|| Fault::wanted("a case"))
        }
        _ => Err(Fault::wanted("a case's name, or an object with one member")),
    }
}

/// The payload of a case.
pub(crate) fn payload<T: Form>(name: &str, payload: Option<Value>) -> Result<T, Fault> {
    let payload = payload.ok_or_else(|| Fault(format!("`{name}` has no payload")))?;
    T::read(payload).map_err(|fault| fault.under(name))
}

#[cold]
pub(crate) fn unknown_case(name: &str) -> Fault {
    Fault(format!(
        "the case `{}` is unknown, or has a payload that it cannot have",
        name.escape_debug()
    ))
}

/// Writes a case that has a payload.
pub(crate) fn write_case(name: &str, payload: Value) -> Value {
    let mut object = Object::new();
    object.insert(name, payload);
    Value::Object(object)
}

impl Form for Value {
    fn read(value: Value) -> Result<Self, Fault> {
        Ok(value)
    }

    fn write(&self) -> Value {
        self.clone()
    }
}

impl Form for String {
    fn read(value: Value) -> Result<Self, Fault> {
        if let Value::String(text) = value { Ok(text) } else { Err(Fault::wanted("a text")) }
    }

    fn write(&self) -> Value {
        Value::String(self.clone())
    }
}

impl Form for bool {
    fn read(value: Value) -> Result<Self, Fault> {
        value.as_bool().ok_or_else(|| Fault::wanted("a truth value"))
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Form for u64 {
    fn read(value: Value) -> Result<Self, Fault> {
        let number = value.as_number().and_then(Number::as_u64);
        number.ok_or_else(|| Fault::wanted("a whole number that is not negative"))
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }
}

macro_rules! small {
    ($($type:ty),*) => {$(
        impl Form for $type {
            fn read(value: Value) -> Result<Self, Fault> {
                Self::try_from(u64::read(value)?).map_err(|_| Fault::wanted("a smaller number"))
            }

            fn write(&self) -> Value {
                Value::from(u64::from(*self))
            }
        }
    )*};
}

small!(u8, u16, u32);

/// None is `null`, or no member at all.
impl<T: Form> Form for Option<T> {
    fn read(value: Value) -> Result<Self, Fault> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }

    fn is_nothing(&self) -> bool {
        self.is_none()
    }
}

impl<T: Form> Form for Vec<T> {
    fn read(value: Value) -> Result<Self, Fault> {
        let Value::Array(items) = value else { return Err(Fault::wanted("an array")) };
        let mut list = Self::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            list.push(T::read(item).map_err(|fault| fault.under(&position.to_string()))?);
        }
        Ok(list)
    }

    fn write(&self) -> Value {
        Value::Array(self.iter().map(T::write).collect())
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Form for BTreeSet<String> {
    fn read(value: Value) -> Result<Self, Fault> {
        Ok(Vec::read(value)?.into_iter().collect())
    }

    fn write(&self) -> Value {
        Value::Array(self.iter().map(String::write).collect())
    }
}

/// An array of `[name, one, other]`: names that differ in letter case only are different names here.
impl Form for BTreeMap<String, (String, String)> {
    fn read(value: Value) -> Result<Self, Fault> {
        let mut map = Self::new();
        for entry in Vec::<Vec<String>>::read(value)? {
            let entry = <[String; 3]>::try_from(entry);
            let [name, one, other] = entry.map_err(|_| Fault::wanted("an array of three texts"))?;
            map.insert(name, (one, other));
        }
        Ok(map)
    }

    fn write(&self) -> Value {
        let entry = |(name, (one, other)): (&String, &(String, String))| {
            Value::Array([name, one, other].into_iter().map(String::write).collect())
        };
        Value::Array(self.iter().map(entry).collect())
    }
}

impl Form for BTreeMap<String, Vec<String>> {
    fn read(value: Value) -> Result<Self, Fault> {
        let Value::Object(object) = value else { return Err(Fault::wanted("an object")) };
        let mut map = Self::new();
        for (name, list) in object {
            let list = Vec::read(list).map_err(|fault| fault.under(&name))?;
            map.insert(name, list);
        }
        Ok(map)
    }

    fn write(&self) -> Value {
        Value::Object(self.iter().map(|(name, list)| (name.clone(), list.write())).collect())
    }
}

/// How many bytes `name` has in kebab case.
pub(crate) const fn kebab_len(name: &str) -> usize {
    let name = name.as_bytes();
    let (mut at, mut length) = (0, 0);
    while at < name.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "within the length; a constant has no iterators"
        )]
        let byte = name[at];
        length += if 0 < at && byte.is_ascii_uppercase() { 2 } else { 1 };
        at += 1;
    }
    length
}

/// A name of Rust's, `snake_case` or `CamelCase`, as the contract spells it: `kebab-case`.
#[expect(clippy::indexing_slicing, reason = "run by the compiler only: a fault would not compile")]
pub(crate) const fn kebab<const N: usize>(name: &str) -> [u8; N] {
    let name = name.as_bytes();
    let mut out = [b'-'; N];
    let (mut at, mut place) = (0, 0);
    while at < name.len() {
        let byte = name[at];
        if 0 < at && byte.is_ascii_uppercase() {
            place += 1;
        }
        if byte != b'_' {
            out[place] = byte.to_ascii_lowercase();
        }
        place += 1;
        at += 1;
    }
    out
}

/// The name that the contract has for a field or a case.
macro_rules! name {
    ($name:ident) => {{
        const NAME: &str = {
            const BYTES: &[u8] = &$crate::form::kebab::<
                { $crate::form::kebab_len(stringify!($name)) },
            >(stringify!($name));
            match ::core::str::from_utf8(BYTES) {
                Ok(name) => name,
                Err(_) => "",
            }
        };
        NAME
    }};
}

/// serde's view of a form, for those who link the core: through [`Value`] as well.
macro_rules! through_value {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $crate::form::Form::write(self).serialize(to)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = <replaysafe_json::Value as serde::Deserialize>::deserialize(from)?;
                $crate::form::Form::read(value).map_err(|fault| serde::de::Error::custom(fault.0))
            }
        }
    };
}

/// A record: the fields that must be there, then those that may be left out where they are empty.
macro_rules! record {
    ($type:ty { $($field:ident),* $(,)? } $({ $($free:ident),* $(,)? })?) => {
        impl $crate::form::Form for $type {
            fn read(value: replaysafe_json::Value) -> Result<Self, $crate::form::Fault> {
                const KNOWN: &[&str] = &[
                    $($crate::form::name!($field),)* $($($crate::form::name!($free),)*)?
                ];
                let mut members = $crate::form::Members::of(value, KNOWN)?;
                Ok(Self {
                    $($field: members.required($crate::form::name!($field))?,)*
                    $($($free: members.optional($crate::form::name!($free))?,)*)?
                })
            }

            fn write(&self) -> replaysafe_json::Value {
                let Self { $($field,)* $($($free,)*)? } = self;
                let mut members = alloc::vec::Vec::new();
                $(members.push(($crate::form::name!($field), $field.write()));)*
                $($(if !$free.is_nothing() {
                    members.push(($crate::form::name!($free), $free.write()));
                })*)?
                $crate::form::object(members)
            }
        }

        $crate::form::through_value!($type);
    };
}

/// An object of these members.
pub(crate) fn object(members: Vec<(&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().collect())
}

/// An enum or a variant: the cases with a payload, then those without.
macro_rules! variant {
    ($type:ty { $($full:ident),* $(,)? } { $($bare:ident),* $(,)? }) => {
        impl $crate::form::Form for $type {
            fn read(value: replaysafe_json::Value) -> Result<Self, $crate::form::Fault> {
                let (name, payload) = $crate::form::case(value)?;
                $(if name == $crate::form::name!($full) {
                    return $crate::form::payload(&name, payload).map(Self::$full);
                })*
                $(if name == $crate::form::name!($bare) && payload.is_none() {
                    return Ok(Self::$bare);
                })*
                Err($crate::form::unknown_case(&name))
            }

            fn write(&self) -> replaysafe_json::Value {
                match self {
                    $(Self::$full(payload) => {
                        $crate::form::write_case($crate::form::name!($full), payload.write())
                    })*
                    $(Self::$bare => replaysafe_json::Value::from($crate::form::name!($bare)),)*
                }
            }
        }

        $crate::form::through_value!($type);
    };
}

pub(crate) use {name, record, through_value, variant};

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use replaysafe_json::{Limits, parse};

    use super::*;
    use crate::types::{Action, Field, Method, Scope};

    #[test]
    fn a_name_is_spelled_as_the_contract_does() {
        assert_eq!(name!(resource_type), "resource-type");
        assert_eq!(name!(SupersededByDeletion), "superseded-by-deletion");
        assert_eq!(name!(id), "id");
    }

    #[test]
    fn what_is_written_is_read_again() {
        check::<Field>(r#"{"name":"a","value":"b"}"#, Ok(r#"{"name":"a","value":"b"}"#));
        check::<Method>(r#""create""#, Ok(r#""create""#));
        check::<Action>(r#"{"wait":18446744073709551615}"#, Ok(r#"{"wait":18446744073709551615}"#));
        check::<Option<u16>>("null", Ok("null"));
        check::<BTreeMap<String, (String, String)>>(
            r#"[["members/A","x","y"],["members/a","x","z"]]"#,
            Ok(r#"[["members/A","x","y"],["members/a","x","z"]]"#),
        );
    }

    #[test]
    fn a_fault_says_where_it_is() {
        check::<Field>(r#"{"name":"a"}"#, Err("`value` is missing"));
        check::<Field>(r#"{"name":"a","value":1}"#, Err("`value`: a text is wanted"));
        check::<Field>(r#"{"name":"a","value":"","x":1}"#, Err("the member `x` is unknown"));
        check::<Field>(r#"{"Name":"a","value":""}"#, Err("the member `Name` is unknown"));
        check::<Vec<u16>>("[1,65536]", Err("`1`: a smaller number is wanted"));
        check::<Scope>("[]", Err("an object is wanted"));
        check::<Method>(
            r#""CREATE""#,
            Err("the case `CREATE` is unknown, or has a payload that it cannot have"),
        );
        check::<Action>(r#""wait""#, Err("`wait` has no payload"));
    }

    fn check<T: Form>(text: &str, expected: Result<&str, &str>) {
        let value = parse(text.as_bytes(), &Limits::request()).unwrap();
        let found = T::read(value).map(|read| read.write().to_string()).map_err(|fault| fault.0);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }
}
