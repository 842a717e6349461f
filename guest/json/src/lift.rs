//! Lifting: which values of a document are secret, and what stands in for them?
//!
//! Which paths are secret is said by whoever calls; what a stand-in looks like, too.

use alloc::string::String;
use alloc::vec::Vec;

use crate::value::Value;

/// One step from a value to values inside it
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
