//! How is a value of the contract written as JSON, and read again?
//!
//! Everything goes through [`Value`]: one parser and one writer for all types, and a line of names for
//! each. A derived reader is a parser of its own for each type, and all of them together were half of
//! the component.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use crate::ordered::{BTreeMap, BTreeSet};

use replaysafe_json::{Number, Object, Value};

/// A type that has a JSON form: what is read from what was written is the same again.
pub(crate) trait Form: Sized {
    /// Reads the value. What is wrong is noted in `faults`, and then what is given means nothing: a
    /// reader that went back at each fault would be twice the code.
    fn read(value: Value, faults: &mut Faults) -> Self;

    /// Writes the value.
    fn write(&self) -> Value;

    /// A field that holds this may be left out.
    fn is_nothing(&self) -> bool {
        false
    }
}

/// Reads a value.
///
/// # Errors
///
/// The first fault: where the value has another form than it must have, and which. It holds names only.
pub(crate) fn read<T: Form>(value: Value) -> Result<T, String> {
    let mut faults = Faults { first: None, place: Vec::new() };
    let read = T::read(value, &mut faults);
    faults.first.map_or(Ok(read), Err)
}

/// What is wrong with a value while it is read.
pub(crate) struct Faults {
    /// The first fault, and where it is.
    first: Option<String>,
    /// Where the reader is.
    place: Vec<Step>,
}

/// One step down to where the reader is.
enum Step {
    Field(&'static str),
    Member(String),
    Position(usize),
}

impl Faults {
    #[cold]
    fn note(&mut self, fault: &str) {
        if self.first.is_some() {
            return;
        }
        let mut text = String::new();
        for step in &self.place {
            text.push('`');
            match step {
                Step::Field(name) => text.push_str(name),
                Step::Member(name) => text.push_str(name),
                Step::Position(position) => text.push_str(&position.to_string()),
            }
            text.push_str("`: ");
        }
        text.push_str(fault);
        self.first = Some(text);
    }

    #[cold]
    fn wanted(&mut self, what: &str) {
        self.note(&[what, " is wanted"].concat());
    }

    fn below<T: Form>(&mut self, step: Step, value: Value) -> T {
        self.place.push(step);
        let read = T::read(value, self);
        self.place.pop();
        read
    }

    /// The number of the case that `value` is, of those with a payload and then those without; and the payload: `"name"`, or `{"name": payload}`.
    pub(crate) fn case(&mut self, value: Value, full: &[&str], bare: &[&str]) -> (usize, Value) {
        let (name, payload) = match value {
            Value::String(name) => (name, None),
            Value::Object(object) if object.len() == 1 => {
                let one = object.into_iter().next();
                one.map_or_else(Default::default, |(name, payload)| (name, Some(payload)))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => {
                self.wanted("a case's name, or an object with one member,");
                Default::default()
            }
        };
        let of = |names: &[&str]| names.iter().position(|known| *known == name);
        match (of(full), of(bare), payload) {
            (Some(case), _, Some(payload)) => return (case, payload),
            (_, Some(case), None) => return (full.len() + case, Value::Null),
            (Some(_), _, None) => self.note(&["`", &name, "` has no payload"].concat()),
            (None, Some(_), Some(_)) => {
                self.note(&["`", &name, "` has a payload that it cannot have"].concat());
            }
            (None, None, _) => self.note(&["the case `", &shown(&name), "` is unknown"].concat()),
        }
        (0, Value::Null)
    }

    /// The payload of a case.
    pub(crate) fn payload<T: Form>(&mut self, name: &'static str, payload: Value) -> T {
        self.below(Step::Field(name), payload)
    }
}

/// A name that a stranger has sent, as it may stand in a sentence.
fn shown(name: &str) -> String {
    name.escape_default().to_string()
}

/// The members of an object while it is read.
pub(crate) struct Members<'f> {
    object: Object,
    faults: &'f mut Faults,
}

impl<'f> Members<'f> {
    /// The members of `value`, which may have the names `known` and no others.
    pub(crate) fn of(value: Value, known: &[&str], faults: &'f mut Faults) -> Self {
        let object = if let Value::Object(object) = value {
            object
        } else {
            faults.wanted("an object");
            Object::new()
        };
        for name in object.names() {
            if !known.contains(&name) {
                faults.note(&["the member `", &shown(name), "` is unknown"].concat());
            }
        }
        Self { object, faults }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.object.find_mut(name).map(Value::take)
    }

    fn taken(&mut self, name: &str) -> Value {
        let value = self.take(name);
        if value.is_none() {
            self.faults.note(&["`", name, "` is missing"].concat());
        }
        value.unwrap_or_default()
    }

    /// The member `name`, which must be there.
    pub(crate) fn required<T: Form>(&mut self, name: &'static str) -> T {
        let value = self.taken(name);
        self.faults.below(Step::Field(name), value)
    }

    /// The member `name`; where it is not there, `otherwise`.
    pub(crate) fn or<T: Form>(&mut self, name: &'static str, otherwise: T) -> T {
        let Some(value) = self.take(name) else { return otherwise };
        self.faults.below(Step::Field(name), value)
    }

    /// The member `name`; what is not there is what its type has by default.
    pub(crate) fn optional<T: Form + Default>(&mut self, name: &'static str) -> T {
        self.or(name, T::default())
    }
}

/// The members of an object while it is written.
#[derive(Default)]
pub(crate) struct Written(Vec<(&'static str, Value)>);

impl Written {
    /// The member `name`.
    #[inline(never)]
    pub(crate) fn put(&mut self, name: &'static str, value: Value) {
        self.0.push((name, value));
    }

    /// The member `name`, if there is anything to say.
    pub(crate) fn put_any<T: Form>(&mut self, name: &'static str, field: &T) {
        if !field.is_nothing() {
            self.put(name, field.write());
        }
    }

    /// The object.
    #[inline(never)]
    pub(crate) fn object(self) -> Value {
        Value::Object(self.0.into_iter().collect())
    }
}

/// Writes a case that has a payload.
pub(crate) fn write_case(name: &'static str, payload: Value) -> Value {
    Written([(name, payload)].into()).object()
}

impl Form for Value {
    fn read(value: Value, _: &mut Faults) -> Self {
        value
    }

    fn write(&self) -> Value {
        self.clone()
    }
}

impl Form for String {
    fn read(value: Value, faults: &mut Faults) -> Self {
        if let Value::String(text) = value {
            return text;
        }
        faults.wanted("a text");
        Self::new()
    }

    fn write(&self) -> Value {
        Value::String(self.clone())
    }
}

impl Form for bool {
    fn read(value: Value, faults: &mut Faults) -> Self {
        value.as_bool().unwrap_or_else(|| {
            faults.wanted("a truth value");
            false
        })
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Form for u64 {
    fn read(value: Value, faults: &mut Faults) -> Self {
        value.as_number().and_then(Number::as_u64).unwrap_or_else(|| {
            faults.wanted("a whole number that is not negative");
            0
        })
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }
}

macro_rules! small {
    ($($type:ty),*) => {$(
        impl Form for $type {
            fn read(value: Value, faults: &mut Faults) -> Self {
                Self::try_from(u64::read(value, faults)).unwrap_or_else(|_| {
                    faults.wanted("a smaller number");
                    0
                })
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
    fn read(value: Value, faults: &mut Faults) -> Self {
        if value.is_null() { None } else { Some(T::read(value, faults)) }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }

    fn is_nothing(&self) -> bool {
        self.is_none()
    }
}

/// The items of an array.
fn items(value: Value, faults: &mut Faults) -> Vec<Value> {
    if let Value::Array(items) = value {
        return items;
    }
    faults.wanted("an array");
    Vec::new()
}

impl<T: Form> Form for Vec<T> {
    fn read(value: Value, faults: &mut Faults) -> Self {
        let items = items(value, faults);
        let mut list = Self::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            list.push(faults.below(Step::Position(position), item));
        }
        list
    }

    fn write(&self) -> Value {
        Value::Array(self.iter().map(T::write).collect())
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Form for BTreeSet<String> {
    fn read(value: Value, faults: &mut Faults) -> Self {
        Vec::read(value, faults).into_iter().collect()
    }

    fn write(&self) -> Value {
        Value::Array(self.iter().map(String::write).collect())
    }
}

/// An array of `[name, one, other]`: names that differ in letter case only are different names here.
impl Form for BTreeMap<String, (String, String)> {
    fn read(value: Value, faults: &mut Faults) -> Self {
        let mut map = Self::new();
        for entry in Vec::<Vec<String>>::read(value, faults) {
            match <[String; 3]>::try_from(entry) {
                Ok([name, one, other]) => drop(map.insert(name, (one, other))),
                Err(_) => faults.wanted("an array of three texts"),
            }
        }
        map
    }

    fn write(&self) -> Value {
        let entry = |(name, (one, other)): (&String, &(String, String))| {
            Value::Array([name, one, other].into_iter().map(String::write).collect())
        };
        Value::Array(self.iter().map(entry).collect())
    }
}

impl Form for BTreeMap<String, Vec<String>> {
    fn read(value: Value, faults: &mut Faults) -> Self {
        let mut map = Self::new();
        let Value::Object(object) = value else {
            faults.wanted("an object");
            return map;
        };
        for (name, list) in object {
            let list = faults.below(Step::Member(shown(&name)), list);
            map.insert(name, list);
        }
        map
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
                $crate::form::read(value).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A record: the fields that must be there, then those that may be left out where they are empty.
macro_rules! record {
    ($type:ty { $($field:ident),* $(,)? } $({ $($free:ident),* $(,)? })?) => {
        impl $crate::form::Form for $type {
            fn read(value: replaysafe_json::Value, faults: &mut $crate::form::Faults) -> Self {
                const KNOWN: &[&str] = &[
                    $($crate::form::name!($field),)* $($($crate::form::name!($free),)*)?
                ];
                let mut members = $crate::form::Members::of(value, KNOWN, faults);
                Self {
                    $($field: members.required($crate::form::name!($field)),)*
                    $($($free: members.optional($crate::form::name!($free)),)*)?
                }
            }

            fn write(&self) -> replaysafe_json::Value {
                let Self { $($field,)* $($($free,)*)? } = self;
                let mut members = $crate::form::Written::default();
                $(members.put($crate::form::name!($field), $field.write());)*
                $($(members.put_any($crate::form::name!($free), $free);)*)?
                members.object()
            }
        }

        $crate::form::through_value!($type);
    };
}

/// A variant: the cases with a payload, then those without.
macro_rules! variant {
    ($type:ty { $first:ident $(, $full:ident)* $(,)? } { $($bare:ident),* $(,)? }) => {
        impl $crate::form::Form for $type {
            fn read(value: replaysafe_json::Value, faults: &mut $crate::form::Faults) -> Self {
                const FIRST: &str = $crate::form::name!($first);
                let full = &[FIRST $(, $crate::form::name!($full))*];
                let (case, payload) = faults.case(value, full, &[$($crate::form::name!($bare)),*]);
                let mut number = 0;
                $(number += 1; if case == number {
                    return Self::$full(faults.payload($crate::form::name!($full), payload));
                })*
                $(number += 1; if case == number {
                    return Self::$bare;
                })*
                let _: usize = number;
                Self::$first(faults.payload(FIRST, payload))
            }

            fn write(&self) -> replaysafe_json::Value {
                match self {
                    Self::$first(payload) => {
                        $crate::form::write_case($crate::form::name!($first), payload.write())
                    }
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

/// An enum: its cases, in the order in which they are declared.
macro_rules! names {
    ($type:ty { $first:ident $(, $case:ident)* $(,)? }) => {
        impl $crate::form::Form for $type {
            fn read(value: replaysafe_json::Value, faults: &mut $crate::form::Faults) -> Self {
                const CASES: &[$type] = &[<$type>::$first $(, <$type>::$case)*];
                let (case, _) = faults.case(value, &[], Self::NAMES);
                CASES.get(case).copied().unwrap_or(Self::$first)
            }

            fn write(&self) -> replaysafe_json::Value {
                replaysafe_json::Value::from(self.name())
            }
        }

        impl $type {
            const NAMES: &[&str] =
                &[$crate::form::name!($first) $(, $crate::form::name!($case))*];

            /// The name that the contract has for it.
            fn name(self) -> &'static str {
                match self {
                    Self::$first => $crate::form::name!($first),
                    $(Self::$case => $crate::form::name!($case),)*
                }
            }
        }

        $crate::form::through_value!($type);
    };
}

pub(crate) use {name, names, record, through_value, variant};

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
        check::<Method>(r#""CREATE""#, Err("the case `CREATE` is unknown"));
        check::<Method>(r#"{"create":1}"#, Err("`create` has a payload that it cannot have"));
        check::<Action>(r#""wait""#, Err("`wait` has no payload"));
        check::<Action>(
            r#"{"wait":"x"}"#,
            Err("`wait`: a whole number that is not negative is wanted"),
        );
        check::<Method>("1", Err("a case's name, or an object with one member, is wanted"));
        check::<Method>(r#""\u202e\n""#, Err("the case `\\u{202e}\\n` is unknown"));
    }

    fn check<T: Form>(text: &str, expected: Result<&str, &str>) {
        let value = parse(text.as_bytes(), &Limits::request()).unwrap();
        let found = read::<T>(value).map(|read| read.write().to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }
}
