//! Lifting: which values of a document are secret, and what stands in for them?
//!
//! Which paths are secret is said by whoever calls; what a stand-in looks like, too.

use alloc::string::String;
use alloc::vec::Vec;

use crate::value::Value;

/// One step from a value to values inside it
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// The member of this name, ignoring ASCII case, of an object
    ///
    /// In an array it matches nothing: [`Each`](Segment::Each) goes into arrays.
    Member(String),
    /// Each item of an array; any other value is its own one item
    Each,
    /// Each item of an array, or the one value, that is an object whose `member` is a string
    /// equal to `equals`
    Where {
        /// The member's name, found ignoring ASCII case
        member: String,
        /// The member's string, compared ignoring ASCII case
        equals: String,
    },
}

/// The way from a document to values inside it: the empty path is the document itself
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Segment>);

/// Puts `stand_in(value)` in the place of every value to which a path leads.
///
/// Gives how many values were replaced. `null` is left alone, and so is what is missing.
///
/// The document is walked once, in the order of its members and items, and conditions are judged
/// on it as it was. So a value to which several paths lead is replaced once, and where one path
/// leads into the value of another, the outer value is replaced, whole.
///
/// Lifting again asks `stand_in` about the stand-ins.
///
/// ```
/// use replaysafe_json::{Limits, Path, Segment, Value, lift, parse, put_back};
///
/// let text = br#"{"Operations":[
///     {"op":"replace","path":"title","value":"Dr"},
///     {"op":"replace","path":"Password","value":"s3cret"}]}"#;
/// let mut patch = parse(text, &Limits::request())?;
/// let original = patch.clone();
///
/// // Operations[*] where path equals password → value
/// let secret = Path(vec![
///     Segment::Member("Operations".into()),
///     Segment::Where { member: "path".into(), equals: "password".into() },
///     Segment::Member("value".into()),
/// ]);
/// let mut secrets = Vec::new();
/// let lifted = lift(&mut patch, &[secret], &mut |value| {
///     secrets.push(value.clone());
///     Value::from("digest-of-it")
/// });
/// assert_eq!(lifted, 1);
/// assert!(patch.to_string().contains(r#"{"op":"replace","path":"Password","value":"digest-of-it"}"#));
///
/// put_back(&mut patch, &mut |value| {
///     (value.as_str() == Some("digest-of-it")).then(|| secrets.remove(0))
/// });
/// assert_eq!(patch, original);
/// # Ok::<(), replaysafe_json::JsonError>(())
/// ```
pub fn lift(
    document: &mut Value,
    paths: &[Path],
    stand_in: &mut dyn FnMut(&Value) -> Value,
) -> usize {
    let ways: Vec<_> = paths.iter().map(|path| path.0.as_slice()).collect();
    lift_along(&ways, document, stand_in)
}

/// Puts `original(value)` in the place of every value of the document for which there is one.
///
/// Gives how many values were replaced. The whole document is walked in the order of its members
/// and items, the outer value before those in it; what was put back is not looked into.
pub fn put_back(document: &mut Value, original: &mut dyn FnMut(&Value) -> Option<Value>) -> usize {
    if let Some(value) = original(document) {
        *document = value;
        return 1;
    }
    match document {
        Value::Array(items) => items.iter_mut().map(|item| put_back(item, original)).sum(),
        Value::Object(object) => {
            object.iter_mut().map(|(_, value)| put_back(value, original)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Lifts from `value` along `ways`: what is left of each path that has led to it.
fn lift_along(
    ways: &[&[Segment]],
    value: &mut Value,
    stand_in: &mut dyn FnMut(&Value) -> Value,
) -> usize {
    let ways: Vec<_> = ways.iter().filter_map(|way| at(value, way)).collect();
    if ways.is_empty() || value.is_null() {
        return 0;
    }
    if ways.iter().any(|way| way.is_empty()) {
        *value = stand_in(value);
        return 1;
    }
    match value {
        Value::Array(items) => items
            .iter_mut()
            .map(|item| {
                let inner: Vec<_> = ways.iter().filter_map(|way| into_item(item, way)).collect();
                lift_along(&inner, item, stand_in)
            })
            .sum(),
        Value::Object(object) => object
            .iter_mut()
            .map(|(name, value)| {
                let inner: Vec<_> = ways.iter().filter_map(|way| into_member(name, way)).collect();
                lift_along(&inner, value, stand_in)
            })
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Gives what is left of `way` at `value` once the segments are gone for which a value that is no
/// array is its own one item; or `None` if one of them refuses it.
fn at<'p>(value: &Value, way: &'p [Segment]) -> Option<&'p [Segment]> {
    let mut rest = way;
    while !matches!(value, Value::Array(_))
        && let [Segment::Each | Segment::Where { .. }, ..] = rest
    {
        rest = into_item(value, rest)?;
    }
    Some(rest)
}

/// Gives what is left of `way` at `item` of an array, if it leads there.
fn into_item<'p>(item: &Value, way: &'p [Segment]) -> Option<&'p [Segment]> {
    let (first, rest) = way.split_first()?;
    let leads = match first {
        Segment::Member(_) => false,
        Segment::Each => true,
        Segment::Where { member, equals } => item
            .find(member)
            .and_then(Value::as_str)
            .is_some_and(|string| string.eq_ignore_ascii_case(equals)),
    };
    leads.then_some(rest)
}

/// Gives what is left of `way` at the member `name` of an object, if it leads there.
fn into_member<'p>(name: &str, way: &'p [Segment]) -> Option<&'p [Segment]> {
    match way.split_first()? {
        (Segment::Member(wanted), rest) => wanted.eq_ignore_ascii_case(name).then_some(rest),
        (Segment::Each | Segment::Where { .. }, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use super::*;
    use crate::{Limits, parse};

    #[test]
    fn a_member_is_lifted_in_any_case() {
        check("password", r#"{"Password":"x","a":1}"#, r#"{"Password":"<\"x\">","a":1}"#);
        check("a.b", r#"{"A":{"B":1,"c":2}}"#, r#"{"A":{"B":"<1>","c":2}}"#);
    }

    #[test]
    fn a_value_is_lifted_whatever_it_is() {
        check("a", r#"{"a":{"b":[1]}}"#, r#"{"a":"<{\"b\":[1]}>"}"#);
        check("a", r#"{"a":[1,2]}"#, r#"{"a":"<[1,2]>"}"#);
        check("a", r#"{"a":""}"#, r#"{"a":"<\"\">"}"#);
        check("", r#"{"a":1}"#, r#""<{\"a\":1}>""#);
    }

    #[test]
    fn what_is_null_or_missing_is_left_alone() {
        check("a", r#"{"a":null}"#, r#"{"a":null}"#);
        check("a", r#"{"b":1}"#, r#"{"b":1}"#);
        check("a.b", r#"{"a":"b"}"#, r#"{"a":"b"}"#);
        check("a", r#"[{"a":1}]"#, r#"[{"a":1}]"#);
        check("a.*", r#"{"a":[null,1]}"#, r#"{"a":[null,"<1>"]}"#);
        check("", "null", "null");
    }

    #[test]
    fn each_goes_into_every_item() {
        check("a.*.b", r#"{"a":[{"b":1},2,{"b":3}]}"#, r#"{"a":[{"b":"<1>"},2,{"b":"<3>"}]}"#);
        check("*", "[1,[2]]", r#"["<1>","<[2]>"]"#);
        check("*.*", "[1,[2]]", r#"["<1>",["<2>"]]"#);
    }

    #[test]
    fn a_value_that_is_no_array_is_its_own_one_item() {
        check("a.*.b", r#"{"a":{"b":1}}"#, r#"{"a":{"b":"<1>"}}"#);
        check("a.*", r#"{"a":1}"#, r#"{"a":"<1>"}"#);
        check("a[k=v].b", r#"{"a":{"k":"v","b":1}}"#, r#"{"a":{"b":"<1>","k":"v"}}"#);
        check("a[k=v].b", r#"{"a":{"k":"w","b":1}}"#, r#"{"a":{"b":1,"k":"w"}}"#);
    }

    #[test]
    fn a_condition_is_equal_ignoring_case() {
        check(
            "ops[path=password].value",
            r#"{"ops":[{"PATH":"PassWord","value":1},{"path":"title","value":2},{"value":3},4]}"#,
            r#"{"ops":[{"PATH":"PassWord","value":"<1>"},{"path":"title","value":2},{"value":3},4]}"#,
        );
        check(
            "[k=1].b",
            r#"[{"k":1,"b":1},{"k":"1","b":2}]"#,
            r#"[{"b":1,"k":1},{"b":"<2>","k":"1"}]"#,
        );
        check("[k=v]", r#"[[{"k":"v"}],{"k":"v"}]"#, r#"[[{"k":"v"}],"<{\"k\":\"v\"}>"]"#);
    }

    #[test]
    fn of_overlapping_paths_the_outer_one_lifts() {
        check("a a", r#"{"a":1}"#, r#"{"a":"<1>"}"#);
        check("a.b a", r#"{"a":{"b":1}}"#, r#"{"a":"<{\"b\":1}>"}"#);
        check("a a.b", r#"{"a":{"b":1}}"#, r#"{"a":"<{\"b\":1}>"}"#);
        check("a.* a", r#"{"a":[1]}"#, r#"{"a":"<[1]>"}"#);
        check("a.* a", r#"{"a":1}"#, r#"{"a":"<1>"}"#);
        check("a.b a.c", r#"{"a":{"b":1,"c":2,"d":3}}"#, r#"{"a":{"b":"<1>","c":"<2>","d":3}}"#);
    }

    /// The member of a condition may be secret itself.
    #[test]
    fn conditions_are_judged_on_the_document_as_it_was() {
        check("a.* [a=x].b", r#"{"a":"x","b":1}"#, r#"{"a":"<\"x\">","b":"<1>"}"#);
        check("*.k [k=x].v", r#"[{"k":"x","v":1}]"#, r#"[{"k":"<\"x\">","v":"<1>"}]"#);
    }

    #[test]
    fn what_was_put_back_is_not_looked_into() {
        let mut document = Value::from(std::vec!["x", "y", "x"]);
        let replaced = put_back(&mut document, &mut |value| {
            (value.as_str() == Some("x")).then(|| std::vec!["x", "x"].into())
        });
        assert_eq!((replaced, document.to_string().as_str()), (2, r#"[["x","x"],"y",["x","x"]]"#));
    }

    /// Checks what a document is with `<value>` in the place of each value under `paths`:
    /// members with a dot before each but the first, `*` for each, `[member=equals]`.
    fn check(paths: &str, document: &str, expected: &str) {
        let mut document = parse(document.as_bytes(), &Limits::request()).unwrap();
        let paths: Vec<_> = paths.split(' ').map(path).collect();
        let lifted = lift(&mut document, &paths, &mut |value| format!("<{value}>").into());
        assert_eq!(document.to_string(), expected);
        assert_eq!(lifted, expected.matches('<').count());
    }

    fn path(text: &str) -> Path {
        let text = text.replace('[', ".[");
        Path(text.split('.').filter(|segment| !segment.is_empty()).map(segment).collect())
    }

    fn segment(text: &str) -> Segment {
        let Some(condition) = text.strip_prefix('[') else {
            return if text == "*" { Segment::Each } else { Segment::Member(text.into()) };
        };
        let (member, equals) = condition.trim_end_matches(']').split_once('=').unwrap();
        Segment::Where { member: member.into(), equals: equals.into() }
    }
}
