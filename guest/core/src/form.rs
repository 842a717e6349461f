//! How is a value of the contract written as JSON, and read again?
//!
//! Everything goes through [`Tree`] and [`Value`]: one parser, one reader and one writer for all types,
//! and a line of names for each. A derived reader is a parser of its own for each type, and all of them
//! together were half of the component.

use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use crate::{
    ordered::{BTreeMap, BTreeSet},
    shape::{Absent, Case, Fields, Kind, Member, Shape, Tree},
};

use replaysafe_json::{Number, Object, Value};

/// A type of which values can be taken apart: what is put together of what was taken apart is the same again.
pub(crate) trait Form: Sized {
    /// What the type looks like.
    const SHAPE: Shape;

    /// Puts a value together; `tree` has this type's shape.
    fn of(tree: Tree) -> Self;

    /// Takes the value apart.
    fn tree(&self) -> Tree;
}

/// Reads a value from JSON.
///
/// # Errors
///
/// The first fault: where the value has another form than it must have, and which. It holds names only.
pub(crate) fn read<T: Form>(value: Value) -> Result<T, String> {
    read_tree(&T::SHAPE, value).map(T::of)
}

/// Writes a value as JSON.
pub(crate) fn write<T: Form>(given: &T) -> Value {
    write_tree(&T::SHAPE, given.tree())
}

/// Reads a value of this shape from JSON.
///
/// # Errors
///
/// As [`read`] has.
pub(crate) fn read_tree(shape: &Shape, value: Value) -> Result<Tree, String> {
    let mut faults = Faults { first: None, place: Vec::new() };
    let tree = faults.read(shape, value);
    faults.first.map_or(Ok(tree), Err)
}

/// Writes a value of this shape as JSON.
pub(crate) fn write_tree(shape: &Shape, tree: Tree) -> Value {
    match &shape.kind {
        Kind::Text => Value::String(tree.text()),
        Kind::Truth => Value::Bool(tree.number() != 0),
        Kind::Number => Value::from(tree.number()),
        Kind::Option(some) => {
            if tree.is_nothing() {
                Value::Null
            } else {
                write_tree(some, tree)
            }
        }
        Kind::List(item) => {
            Value::Array(tree.items().into_iter().map(|one| write_tree(item, one)).collect())
        }
        Kind::Three => write_tree(&<Vec<String>>::SHAPE, tree),
        Kind::Record(members) => {
            let mut written = Vec::with_capacity(members.len());
            for (member, field) in members.iter().zip(tree.items()) {
                let left_out = match &field {
                    Tree::Nothing => true,
                    Tree::Items(items) => member.absent == Absent::Empty && items.is_empty(),
                    Tree::Number(_) | Tree::Text(_) | Tree::Case(..) | Tree::Json(_) => false,
                };
                if !left_out {
                    written.push((member.name, write_tree(member.shape, field)));
                }
            }
            object(written)
        }
        Kind::Variant(cases) => {
            let (case, payload) = tree.case();
            let Some(case) = cases.get(case) else { return Value::Null };
            match case.payload {
                Some(shape) => write_case(case.name, write_tree(shape, payload)),
                None => Value::from(case.name),
            }
        }
        Kind::Json => {
            if let Tree::Json(value) = tree {
                value
            } else {
                Value::Null
            }
        }
        Kind::Map(item) => {
            let member = |entry: Tree| {
                let mut fields = entry.fields();
                (fields.next().text(), write_tree(item, fields.next()))
            };
            Value::Object(tree.items().into_iter().map(member).collect())
        }
    }
}

impl Fields {
    /// The next member; `otherwise`, if it is not there.
    pub(crate) fn or<T: Form>(&mut self, otherwise: T) -> T {
        let tree = self.next();
        if tree.is_nothing() { otherwise } else { T::of(tree) }
    }
}

/// Writes a case that has a payload.
pub(crate) fn write_case(name: &'static str, payload: Value) -> Value {
    object(vec![(name, payload)])
}

#[inline(never)]
fn object(members: Vec<(&'static str, Value)>) -> Value {
    Value::Object(members.into_iter().collect())
}

/// What is wrong with a value while it is read. What is read after a fault means nothing: a reader that
/// went back at each would be twice the code.
struct Faults {
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

    fn below(&mut self, step: Step, shape: &Shape, value: Value) -> Tree {
        self.place.push(step);
        let tree = self.read(shape, value);
        self.place.pop();
        tree
    }

    fn read(&mut self, shape: &Shape, value: Value) -> Tree {
        match (&shape.kind, value) {
            (Kind::Json, value) => Tree::Json(value),
            (Kind::Option(_), Value::Null) => Tree::Nothing,
            (Kind::Option(some), value) => self.read(some, value),
            (Kind::Variant(cases), value) => self.case(cases, value),
            (Kind::Text, Value::String(text)) => Tree::Text(text),
            (Kind::Truth, Value::Bool(truth)) => Tree::Number(u64::from(truth)),
            (Kind::Number, Value::Number(number)) => self.number(shape.bytes, &number),
            (Kind::List(item), Value::Array(items)) => self.items(item, items),
            (Kind::Three, Value::Array(items)) if items.len() == 3 => {
                self.items(&Shape::TEXT, items)
            }
            (Kind::Record(members), Value::Object(object)) => self.record(members, object),
            (Kind::Map(item), Value::Object(object)) => {
                let mut entries = Vec::with_capacity(object.len());
                for (name, value) in object {
                    let tree = self.below(Step::Member(shown(&name)), item, value);
                    entries.push(Tree::Items(vec![Tree::Text(name), tree]));
                }
                Tree::Items(entries)
            }
            (kind, _) => {
                self.wanted(match kind {
                    Kind::Text => "a text",
                    Kind::Truth => "a truth value",
                    Kind::Number => NUMBER,
                    Kind::List(_) => "an array",
                    Kind::Three => "an array of three texts",
                    Kind::Record(_)
                    | Kind::Map(_)
                    | Kind::Json
                    | Kind::Option(_)
                    | Kind::Variant(_) => "an object",
                });
                Tree::Nothing
            }
        }
    }

    /// A number that `bytes` can hold.
    fn number(&mut self, bytes: usize, number: &Number) -> Tree {
        let Some(number) = number.as_u64() else {
            self.wanted(NUMBER);
            return Tree::Nothing;
        };
        if bytes < 8 && number >> (8 * bytes) != 0 {
            self.wanted("a smaller number");
        }
        Tree::Number(number)
    }

    fn items(&mut self, shape: &Shape, items: Vec<Value>) -> Tree {
        let mut list = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            list.push(self.below(Step::Position(position), shape, item));
        }
        Tree::Items(list)
    }

    /// A record: it may have these members and no others.
    fn record(&mut self, members: &[Member], object: Object) -> Tree {
        let mut given: Vec<Option<Value>> = Vec::new();
        given.resize(members.len(), None);
        for (name, value) in object {
            let at = members.iter().position(|member| member.name == name);
            match at.and_then(|at| given.get_mut(at)) {
                Some(place) => *place = Some(value),
                None => self.note(&["the member `", &shown(&name), "` is unknown"].concat()),
            }
        }
        let mut fields = Vec::with_capacity(members.len());
        for (member, value) in members.iter().zip(given) {
            fields.push(if let Some(value) = value {
                self.below(Step::Field(member.name), member.shape, value)
            } else {
                let option = matches!(member.shape.kind, Kind::Option(_));
                if !option && member.absent == Absent::Fault {
                    self.note(&["`", member.name, "` is missing"].concat());
                }
                Tree::Nothing
            });
        }
        Tree::Items(fields)
    }

    /// A case: `"name"`, or `{"name": payload}`.
    fn case(&mut self, cases: &[Case], value: Value) -> Tree {
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
                return Tree::Nothing;
            }
        };
        let Some(number) = cases.iter().position(|case| case.name == name) else {
            self.note(&["the case `", &shown(&name), "` is unknown"].concat());
            return Tree::Nothing;
        };
        let case = cases.get(number).and_then(|case| Some((case.name, case.payload?)));
        match (case, payload) {
            (Some((name, shape)), Some(payload)) => {
                let payload = self.below(Step::Field(name), shape, payload);
                return Tree::Case(number, payload.into());
            }
            (None, None) => return Tree::Number(u64::try_from(number).unwrap_or_default()),
            (Some(_), None) => self.note(&["`", &name, "` has no payload"].concat()),
            (None, Some(_)) => {
                self.note(&["`", &name, "` has a payload that it cannot have"].concat());
            }
        }
        Tree::Nothing
    }
}

const NUMBER: &str = "a whole number that is not negative";

/// A name that a stranger has sent, as it may stand in a sentence.
fn shown(name: &str) -> String {
    name.escape_default().to_string()
}

impl Form for Value {
    const SHAPE: Shape = Shape::inside(Kind::Json);

    fn of(tree: Tree) -> Self {
        if let Tree::Json(value) = tree { value } else { Self::Null }
    }

    fn tree(&self) -> Tree {
        Tree::Json(self.clone())
    }
}

impl Form for String {
    const SHAPE: Shape = Shape::TEXT;

    fn of(tree: Tree) -> Self {
        tree.text()
    }

    fn tree(&self) -> Tree {
        Tree::Text(self.clone())
    }
}

impl Form for bool {
    const SHAPE: Shape = Shape { kind: Kind::Truth, bytes: 1, align: 1 };

    fn of(tree: Tree) -> Self {
        tree.number() != 0
    }

    fn tree(&self) -> Tree {
        Tree::Number(u64::from(*self))
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Form for $type {
            const SHAPE: Shape = Shape::number(size_of::<Self>());

            fn of(tree: Tree) -> Self {
                Self::try_from(tree.number()).unwrap_or_default()
            }

            fn tree(&self) -> Tree {
                Tree::Number((*self).into())
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

/// None is `null`, or no member at all.
impl<T: Form> Form for Option<T> {
    const SHAPE: Shape = Shape::option(&T::SHAPE);

    fn of(tree: Tree) -> Self {
        if tree.is_nothing() { None } else { Some(T::of(tree)) }
    }

    fn tree(&self) -> Tree {
        self.as_ref().map_or(Tree::Nothing, T::tree)
    }
}

impl<T: Form> Form for Vec<T> {
    const SHAPE: Shape = Shape::list(&T::SHAPE);

    fn of(tree: Tree) -> Self {
        let items = tree.items();
        let mut list = Self::with_capacity(items.len());
        for item in items {
            list.push(T::of(item));
        }
        list
    }

    fn tree(&self) -> Tree {
        let mut items = Vec::with_capacity(self.len());
        for item in self {
            items.push(item.tree());
        }
        Tree::Items(items)
    }
}

impl<T: Form, E: Form> Form for Result<T, E> {
    const SHAPE: Shape = Shape::variant(&[
        Case { name: "ok", payload: Some(&T::SHAPE) },
        Case { name: "err", payload: Some(&E::SHAPE) },
    ]);

    fn of(tree: Tree) -> Self {
        let (case, payload) = tree.case();
        if case == 0 { Ok(T::of(payload)) } else { Err(E::of(payload)) }
    }

    fn tree(&self) -> Tree {
        match self {
            Ok(output) => Tree::Case(0, output.tree().into()),
            Err(error) => Tree::Case(1, error.tree().into()),
        }
    }
}

impl Form for BTreeSet<String> {
    const SHAPE: Shape = <Vec<String>>::SHAPE;

    fn of(tree: Tree) -> Self {
        Vec::of(tree).into_iter().collect()
    }

    fn tree(&self) -> Tree {
        Tree::Items(self.iter().map(String::tree).collect())
    }
}

/// An array of `[name, one, other]`: names that differ in letter case only are different names here.
impl Form for BTreeMap<String, (String, String)> {
    const SHAPE: Shape = Shape::list(&Shape::inside(Kind::Three));

    fn of(tree: Tree) -> Self {
        let mut map = Self::new();
        for entry in tree.items() {
            let mut fields = entry.fields();
            let name = fields.next().text();
            map.insert(name, (fields.next().text(), fields.next().text()));
        }
        map
    }

    fn tree(&self) -> Tree {
        let entry = |(name, (one, other)): (&String, &(String, String))| {
            Tree::Items([name, one, other].map(String::tree).into())
        };
        Tree::Items(self.iter().map(entry).collect())
    }
}

impl Form for BTreeMap<String, Vec<String>> {
    const SHAPE: Shape = Shape::inside(Kind::Map(&<Vec<String>>::SHAPE));

    fn of(tree: Tree) -> Self {
        let mut map = Self::new();
        for entry in tree.items() {
            let mut fields = entry.fields();
            map.insert(fields.next().text(), Vec::of(fields.next()));
        }
        map
    }

    fn tree(&self) -> Tree {
        let entry =
            |(name, list): (&String, &Vec<String>)| Tree::Items([name.tree(), list.tree()].into());
        Tree::Items(self.iter().map(entry).collect())
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

/// The type of a record's field.
pub(crate) const fn field<R, T: Form>(_: fn(&R) -> &T) -> &'static Shape {
    &T::SHAPE
}

/// The type of a case's payload.
pub(crate) const fn payload<V, T: Form>(_: fn(T) -> V) -> Option<&'static Shape> {
    Some(&T::SHAPE)
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
                $crate::form::write(self).serialize(to)
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

/// A record: its fields in the contract's order. `: Empty` is behind a list that may be left out.
macro_rules! record {
    ($type:ty { $($field:ident $(: $absent:ident)?),* $(,)? }) => {
        impl $crate::form::Form for $type {
            const SHAPE: $crate::shape::Shape = {
                const MEMBERS: &[$crate::shape::Member] = &[$(
                    $crate::form::member!($type, $field $(, $absent)?),
                )*];
                $crate::shape::Shape::record(MEMBERS)
            };

            fn of(tree: $crate::shape::Tree) -> Self {
                let mut fields = tree.fields();
                Self { $($field: $crate::form::Form::of(fields.next()),)* }
            }

            fn tree(&self) -> $crate::shape::Tree {
                let Self { $($field,)* } = self;
                $crate::shape::Tree::Items([$($crate::form::Form::tree($field)),*].into())
            }
        }

        $crate::form::through_value!($type);
    };
}

/// A member of a record's shape.
macro_rules! member {
    ($type:ty, $field:ident) => {
        $crate::form::member!($type, $field, Fault)
    };
    ($type:ty, $field:ident, $absent:ident) => {
        $crate::shape::Member {
            name: $crate::form::name!($field),
            shape: $crate::form::field(|of: &$type| &of.$field),
            absent: $crate::shape::Absent::$absent,
        }
    };
}

/// A variant: its cases in the contract's order, `Case(name)` where it has a payload.
macro_rules! variant {
    ($type:ty {
        $first:ident $(($first_payload:ident))? $(, $case:ident $(($payload:ident))?)* $(,)?
    }) => {
        impl $crate::form::Form for $type {
            const SHAPE: $crate::shape::Shape = {
                const CASES: &[$crate::shape::Case] = &[
                    $crate::form::case!($type, $first $(, $first_payload)?),
                    $($crate::form::case!($type, $case $(, $payload)?),)*
                ];
                $crate::shape::Shape::variant(CASES)
            };

            fn of(tree: $crate::shape::Tree) -> Self {
                let (case, payload) = tree.case();
                let mut number = 0;
                $(number += 1; if case == number {
                    return Self::$case $(({
                        let $payload = payload;
                        $crate::form::Form::of($payload)
                    }))?;
                })*
                let _: usize = number;
                Self::$first $(({
                    let $first_payload = payload;
                    $crate::form::Form::of($first_payload)
                }))?
            }

            fn tree(&self) -> $crate::shape::Tree {
                enum Number { $first $(, $case)* }
                match self {
                    Self::$first $(($first_payload))? => {
                        $crate::form::taken!(Number::$first $(, $first_payload)?)
                    }
                    $(Self::$case $(($payload))? => {
                        $crate::form::taken!(Number::$case $(, $payload)?)
                    })*
                }
            }
        }

        $crate::form::through_value!($type);
    };
}

/// A case of a variant's shape.
macro_rules! case {
    ($type:ty, $case:ident) => {
        $crate::shape::Case { name: $crate::form::name!($case), payload: None }
    };
    ($type:ty, $case:ident, $payload:ident) => {
        $crate::shape::Case {
            name: $crate::form::name!($case),
            payload: $crate::form::payload(<$type>::$case),
        }
    };
}

/// A case, taken apart.
macro_rules! taken {
    ($number:expr) => {
        $crate::shape::Tree::Number($number as u64)
    };
    ($number:expr, $payload:ident) => {
        $crate::shape::Tree::Case($number as usize, $crate::form::Form::tree($payload).into())
    };
}

/// An enum: its cases in the contract's order, in which they are declared too.
macro_rules! names {
    ($type:ident { $first:ident $(, $case:ident)* $(,)? }) => {
        impl $type {
            /// Its cases, in the contract's order.
            pub const CASES: &[Self] = &[Self::$first $(, Self::$case)*];
        }

        impl $crate::form::Form for $type {
            const SHAPE: $crate::shape::Shape = {
                const CASES: &[$crate::shape::Case] = &[
                    $crate::form::case!($type, $first),
                    $($crate::form::case!($type, $case),)*
                ];
                $crate::shape::Shape::variant(CASES)
            };

            fn of(tree: $crate::shape::Tree) -> Self {
                Self::CASES.get(tree.case().0).copied().unwrap_or(Self::$first)
            }

            fn tree(&self) -> $crate::shape::Tree {
                // The compiler compares: a case at another position is another number.
                enum Number { $first $(, $case)* }
                const _: () = {
                    assert!($type::$first as usize == Number::$first as usize);
                    $(assert!($type::$case as usize == Number::$case as usize);)*
                };
                $crate::shape::Tree::Number(*self as u64)
            }
        }

        $crate::form::through_value!($type);
    };
}

pub(crate) use {case, member, name, names, record, taken, through_value, variant};

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
        check::<BTreeMap<String, Vec<String>>>(r#"{"a":["b"]}"#, Ok(r#"{"a":["b"]}"#));
        check::<BTreeSet<String>>(r#"["b","a","b"]"#, Ok(r#"["a","b"]"#));
        check::<Result<bool, String>>(r#"{"ok":true}"#, Ok(r#"{"ok":true}"#));
        check::<Result<bool, String>>(r#"{"err":"x"}"#, Ok(r#"{"err":"x"}"#));
        check::<Value>(r#"{"a":[1]}"#, Ok(r#"{"a":[1]}"#));
    }

    #[test]
    fn a_fault_says_where_it_is() {
        check::<Field>(r#"{"name":"a"}"#, Err("`value` is missing"));
        check::<Field>(r#"{"name":"a","value":1}"#, Err("`value`: a text is wanted"));
        check::<Field>(r#"{"name":"a","value":"","x":1}"#, Err("the member `x` is unknown"));
        check::<Field>(r#"{"Name":"a","value":""}"#, Err("the member `Name` is unknown"));
        check::<Vec<u16>>("[1,65536]", Err("`1`: a smaller number is wanted"));
        check::<Scope>("[]", Err("an object is wanted"));
        check::<BTreeMap<String, (String, String)>>(
            r#"[["a","b"]]"#,
            Err("`0`: an array of three texts is wanted"),
        );
        check::<Method>(r#""CREATE""#, Err("the case `CREATE` is unknown"));
        check::<Method>(r#"{"create":1}"#, Err("`create` has a payload that it cannot have"));
        check::<Action>(r#""wait""#, Err("`wait` has no payload"));
        check::<Action>(
            r#"{"wait":"x"}"#,
            Err("`wait`: a whole number that is not negative is wanted"),
        );
        for neither in ["1", r#"{"create":null,"patch":null}"#] {
            check::<Method>(neither, Err("a case's name, or an object with one member, is wanted"));
        }
        check::<Method>(r#""\u202e\n""#, Err("the case `\\u{202e}\\n` is unknown"));
    }

    fn check<T: Form>(text: &str, expected: Result<&str, &str>) {
        let value = parse(text.as_bytes(), &Limits::request()).unwrap();
        let found = read::<T>(value).map(|read| write(&read).to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }
}
