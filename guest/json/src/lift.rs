//! Secrets out of a document by path, and back into it.

use alloc::{string::String, vec::Vec};

use crate::value::Value;

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// The member of this name, ASCII letter case ignored.
    Member(String),
    /// Each element of an array; anything else counts as its own only element.
    Each,
    /// Each element whose member is a string equal to the given one, ASCII letter case ignored.
    Where {
        /// The member's name.
        member: String,
        /// The text that it must equal.
        equals: String,
    },
}

/// The way to a value, from the document's root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Path(pub Vec<Segment>);

/// Replaces the value at every match of every path by what `replace` makes of it.
///
/// Gives how many were replaced. Nulls and missing values are left alone. Where one path leads through what another has replaced, it finds nothing.
pub fn lift(
    document: &mut Value,
    paths: &[Path],
    replace: &mut dyn FnMut(&Value) -> Value,
) -> usize {
    // The longer path first: a value is replaced before what holds it, and by one of two equal paths.
    let mut ordered: Vec<&Path> = paths.iter().collect();
    ordered.sort();
    ordered.dedup();
    ordered.sort_by_key(|path| core::cmp::Reverse(path.0.len()));
    ordered.into_iter().map(|path| walk(document, &path.0, replace)).sum()
}

/// Replaces every value in the document for which `restore` gives another one.
pub fn put_back(document: &mut Value, restore: &mut dyn FnMut(&Value) -> Option<Value>) {
    if let Some(value) = restore(document) {
        *document = value;
        return;
    }
    match document {
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, restore)),
        Value::Object(object) => object.values_mut().for_each(|member| put_back(member, restore)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn walk(value: &mut Value, path: &[Segment], replace: &mut dyn FnMut(&Value) -> Value) -> usize {
    let Some((first, rest)) = path.split_first() else {
        if value.is_null() {
            return 0;
        }
        *value = replace(value);
        return 1;
    };
    match (first, value) {
        (Segment::Member(name), Value::Object(object)) => {
            object.find_mut(name).map_or(0, |member| walk(member, rest, replace))
        }
        (Segment::Member(_), _) => 0,
        (Segment::Each, Value::Array(items)) => {
            items.iter_mut().map(|item| walk(item, rest, replace)).sum()
        }
        (Segment::Each, other) => walk(other, rest, replace),
        (Segment::Where { member, equals }, Value::Array(items)) => items
            .iter_mut()
            .filter(|item| says(item, member, equals))
            .map(|item| walk(item, rest, replace))
            .sum(),
        (Segment::Where { member, equals }, other) => {
            if says(other, member, equals) {
                walk(other, rest, replace)
            } else {
                0
            }
        }
    }
}

fn says(value: &Value, member: &str, text: &str) -> bool {
    let said = value.find(member).and_then(Value::as_str);
    said.is_some_and(|said| said.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;
    use crate::{Limits, Object, parse};

    #[test]
    fn a_secret_is_found_in_a_resource_whatever_its_letter_case() {
        check(
            "password",
            "{\"PassWord\":\"x\",\"a\":\"x\"}",
            "{\"PassWord\":\"#\",\"a\":\"x\"}",
            1,
        );
    }

    #[test]
    fn a_secret_is_found_in_an_operation_that_names_it() {
        check(
            "Operations ?path=password value",
            "{\"Operations\":[{\"path\":\"Password\",\"value\":\"x\"},{\"path\":\"title\",\"value\":\"x\"}]}",
            "{\"Operations\":[{\"path\":\"Password\",\"value\":\"#\"},{\"path\":\"title\",\"value\":\"x\"}]}",
            1,
        );
        check(
            "Operations * value password",
            "{\"Operations\":{\"value\":{\"password\":1}}}",
            "{\"Operations\":{\"value\":{\"password\":\"#\"}}}",
            1,
        );
    }

    #[test]
    fn what_is_absent_or_null_is_left_alone() {
        check("password", "{\"password\":null}", "{\"password\":null}", 0);
        check("password", "[]", "[]", 0);
    }

    #[test]
    fn what_was_lifted_can_be_put_back() {
        let mut document = read("{\"a\":[{\"password\":\"x\"}]}");
        let path = Path(vec![
            Segment::Member("a".into()),
            Segment::Each,
            Segment::Member("password".into()),
        ]);
        lift(&mut document, &[path.clone(), path], &mut |value| {
            Value::Object(Object::from_iter([("$secret", value.clone())]))
        });
        assert_eq!(document.to_string(), "{\"a\":[{\"password\":{\"$secret\":\"x\"}}]}");
        put_back(&mut document, &mut |value| value.find("$secret").cloned());
        assert_eq!(document.to_string(), "{\"a\":[{\"password\":\"x\"}]}");
    }

    /// `*` is each element, `?member=text` each element that says so.
    fn check(path: &str, given: &str, expected: &str, count: usize) {
        let path = path.split(' ').map(|word| match word.strip_prefix('?') {
            Some(condition) => {
                let (member, equals) = condition.split_once('=').expect("condition");
                Segment::Where { member: member.into(), equals: equals.into() }
            }
            None if word == "*" => Segment::Each,
            None => Segment::Member(word.into()),
        });
        let mut document = read(given);
        assert_eq!(lift(&mut document, &[Path(path.collect())], &mut |_| "#".into()), count);
        assert_eq!(document.to_string(), expected);
    }

    fn read(text: &str) -> Value {
        parse(text.as_bytes(), &Limits::default()).expect("valid")
    }
}
