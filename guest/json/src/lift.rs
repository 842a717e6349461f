//! Lifting: which values of a document are secret, and what stands in for them?
//!
//! Which paths are secret is said by whoever calls; what a stand-in looks like, too.

use alloc::string::String;
use alloc::vec::Vec;

use crate::value::Value;

/// One step from a value to values inside it
///
/// Names are read as PATCH paths (RFC 7644 §3.5.2): ASCII letter case, white space and value
/// filters do not count, so `Keys[type eq "x"] .secret` is `keys.secret`, and a part of `keys`,
/// which has its name too. A filter that is not closed, or has something else behind it than a
/// sub-attribute, ends a name as `[`. What some clients send in the place of a path is read as what
/// it means: a JSON pointer (RFC 6901: `/keys/0/secret`) and a `JSONPath` from the root (RFC 9535:
/// `$.keys[0].secret`, `$['keys']`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// The members of an object that have this name
    ///
    /// In an array it matches nothing: [`Each`](Segment::Each) goes into arrays.
    Member(String),
    /// Each item of an array, and of arrays in it; any other value is its own one item
    Each,
    /// Each item of an array, or the one value, that is an object whose member `path` is a string
    /// with this name
    Path(String),
    /// This string, or this object with a member whose name, has a value filter on this name or
    /// on what it is a part of: the filter holds what the value may be
    Filter(String),
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
/// // Operations[*] with the path password → value
/// let secret = Path(vec![
///     Segment::Member("Operations".into()),
///     Segment::Path("password".into()),
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
                let inner = ways.iter().flat_map(|way| {
                    let again =
                        matches!(item, Value::Array(_)) && way.starts_with(&[Segment::Each]);
                    [into_item(item, way), again.then_some(*way)]
                });
                lift_along(&inner.flatten().collect::<Vec<_>>(), item, stand_in)
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

/// Gives what is left of `way` at `value` once the segments are gone that ask something of a
/// value that is no array, or are its own one item; or `None` if one of them refuses it.
fn at<'p>(value: &Value, way: &'p [Segment]) -> Option<&'p [Segment]> {
    let mut rest = way;
    if matches!(value, Value::Array(_)) {
        return Some(rest);
    }
    loop {
        rest = match rest {
            [Segment::Each | Segment::Path(_), ..] => into_item(value, rest)?,
            [Segment::Filter(name), behind @ ..] => is_filtered(value, name).then_some(behind)?,
            [Segment::Member(_), ..] | [] => return Some(rest),
        };
    }
}

/// Gives what is left of `way` at `item` of an array, if it leads there.
fn into_item<'p>(item: &Value, way: &'p [Segment]) -> Option<&'p [Segment]> {
    let (first, rest) = way.split_first()?;
    let leads = match first {
        Segment::Member(_) | Segment::Filter(_) => false,
        Segment::Each => true,
        Segment::Path(name) => {
            item.find("path").and_then(Value::as_str).is_some_and(|path| is_named(path, name))
        }
    };
    leads.then_some(rest)
}

/// Gives what is left of `way` at the member `name` of an object, if it leads there.
fn into_member<'p>(name: &str, way: &'p [Segment]) -> Option<&'p [Segment]> {
    match way.split_first()? {
        (Segment::Member(wanted), rest) => is_named(name, wanted).then_some(rest),
        (Segment::Each | Segment::Path(_) | Segment::Filter(_), _) => None,
    }
}

/// Splits what stands behind the `[` of a PATCH path at the `]` that closes its filter: one
/// inside quotes does not.
#[must_use]
pub fn split_filter(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (position, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return Some((text.get(..position)?, text.get(position + 1..)?)),
            _ => {}
        }
    }
    None
}

/// Says whether a PATCH path, or a name that may be one, has the name `wanted`, or that of a part
/// of it.
fn is_named(path: &str, wanted: &str) -> bool {
    if let Some(dotted) = dotted(path.trim()) {
        // What is behind the URN of a schema stands behind a colon here, and behind a dot there.
        let named = name(&dotted, &mut |_, _| {}).replace(':', ".");
        return is_within(&named, &wanted.replace(':', "."));
    }
    if !path.contains(|character: char| character == '[' || character.is_whitespace()) {
        return is_within(path, wanted);
    }
    is_within(&name(path, &mut |_, _| {}), wanted)
}

/// Gives the names with dots between them that a JSON pointer, or a `JSONPath` from the root, holds;
/// none of a path that is neither.
fn dotted(path: &str) -> Option<String> {
    if let Some(pointer) = path.strip_prefix('#').unwrap_or(path).strip_prefix('/') {
        // A position says which item, and names nothing (RFC 6901 §4).
        let names = pointer.split('/');
        let names = names.filter(|name| *name != "-" && !name.bytes().all(|b| b.is_ascii_digit()));
        return Some(names.collect::<Vec<_>>().join(".").replace("~1", "/").replace("~0", "~"));
    }
    let rest = path.strip_prefix('$').filter(|rest| rest.starts_with(['.', '[']))?;
    // RFC 9535 §2.3.1: a name in quotes and brackets is one behind a dot; other brackets select.
    let dots = rest.replace("['", ".").replace("[\"", ".").replace("']", "").replace("\"]", "");
    let names = dots.split('.').filter(|name| !name.is_empty());
    Some(names.collect::<Vec<_>>().join("."))
}

/// Says whether `name` is `wanted`, or a part of it: `keys.secret` is one of `keys`.
fn is_within(name: &str, wanted: &str) -> bool {
    let (Some(head), Some(rest)) = (name.get(..wanted.len()), name.get(wanted.len()..)) else {
        return false;
    };
    head.eq_ignore_ascii_case(wanted) && (rest.is_empty() || rest.starts_with('.'))
}

/// Gives the name of a PATCH path; `filter` sees each of its filters that ends, with the name
/// before it.
fn name(path: &str, filter: &mut dyn FnMut(&str, Option<&str>)) -> String {
    let mut name = String::new();
    let mut rest = path;
    loop {
        let (head, tail) =
            rest.split_once('[').map_or((rest, None), |(head, tail)| (head, Some(tail)));
        name.extend(head.chars().filter(|character| !character.is_whitespace()));
        let Some(tail) = tail else { return name };
        let ends = |(_, behind): &(&str, &str)| {
            let behind = behind.trim_start();
            behind.is_empty() || behind.starts_with('.')
        };
        match split_filter(tail).filter(ends) {
            Some((inside, behind)) => {
                filter(&name, Some(inside));
                rest = behind;
            }
            None => {
                filter(&name, None);
                name.push('[');
                return name;
            }
        }
    }
}

/// Says whether `value` is a path, or an object with a path as a name, that has a filter on
/// `wanted`.
fn is_filtered(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(path) => filters(path, wanted),
        Value::Object(object) => object.iter().any(|(name, _)| filters(name, wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    }
}

/// Says whether a path has a filter on `wanted`, or on what `wanted` is a part of.
fn filters(path: &str, wanted: &str) -> bool {
    let mut found = false;
    if path.contains('[') {
        name(path, &mut |on, inside| {
            let Some(inside) = inside else {
                found |= is_within(wanted, on);
                return;
            };
            // What is in quotes is text: every second part.
            let escapes = inside.replace("\\\\", "").replace("\\\"", "");
            let mut words = escapes.split('"').step_by(2).flat_map(|part| {
                part.split(|one: char| !(one.is_alphanumeric() || "_-$.:".contains(one)))
            });
            let names =
                |word| is_within(word, wanted) || is_within(&[on, ".", word].concat(), wanted);
            found |= is_within(on, wanted) || words.any(names);
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use super::*;
    use crate::{Limits, parse};

    /// RFC 7644 §3.5.2: a bracket in quotes closes nothing, a backslash escapes within quotes only.
    #[test]
    fn a_filter_ends_at_its_bracket() {
        assert_eq!(split_filter(r#"a eq "]"].b"#), Some((r#"a eq "]""#, ".b")));
        assert_eq!(split_filter(r#"a eq "\"]"]"#), Some((r#"a eq "\"]""#, "")));
        assert_eq!(split_filter(r"a\].b"), Some((r"a\", ".b")));
        assert_eq!(split_filter(r#"a eq "]"#), None);
    }

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
        check("*.a", r#"[{"a":1},[[{"a":2}]]]"#, r#"[{"a":"<1>"},[[{"a":"<2>"}]]]"#);
        check("*.*", "[1,[2]]", r#"["<1>",["<2>"]]"#);
    }

    #[test]
    fn a_value_that_is_no_array_is_its_own_one_item() {
        check("a.*.b", r#"{"a":{"b":1}}"#, r#"{"a":{"b":"<1>"}}"#);
        check("a.*", r#"{"a":1}"#, r#"{"a":"<1>"}"#);
        check("a[v].b", r#"{"a":{"path":"v","b":1}}"#, r#"{"a":{"b":"<1>","path":"v"}}"#);
        check("a[v].b", r#"{"a":{"path":"w","b":1}}"#, r#"{"a":{"b":1,"path":"w"}}"#);
    }

    #[test]
    fn an_operation_is_known_by_its_path() {
        check(
            "ops[password].value",
            r#"{"ops":[{"PATH":"PassWord","value":1},{"path":"title","value":2},{"value":3},4]}"#,
            r#"{"ops":[{"PATH":"PassWord","value":"<1>"},{"path":"title","value":2},{"value":3},4]}"#,
        );
        check(
            "[1].b",
            r#"[{"path":1,"b":1},{"path":"1","b":2}]"#,
            r#"[{"b":1,"path":1},{"b":"<2>","path":"1"}]"#,
        );
        check(
            "[v]",
            r#"[[{"path":"v"}],{"path":"v"}]"#,
            r#"[[{"path":"v"}],"<{\"path\":\"v\"}>"]"#,
        );
    }

    /// S3a: what a filter holds, letter case and white space do not hide a value.
    #[test]
    fn a_name_is_a_path_whatever_its_filter() {
        let named = |path: &str, wanted: &str| assert!(is_named(path, wanted), "{path}");
        for path in [
            r#"keys[type eq "x"].secret"#,
            r#" Keys [ type eq "]" ] . SECRET "#,
            r#"keys[type eq "a\"].secret"].secret"#,
            "keys\t.\nsecret",
            "keys[].secret",
        ] {
            named(path, "keys.secret");
        }
        named(r#"keys[type eq "x"]"#, "keys");
        named("urn:a:2.0:B:keys[a eq 1].secret", "URN:a:2.0:b:keys.secret");
        named("a[b eq 1].c[d eq 2].e", "a.c.e");
        // A filter that cannot be read.
        named(r#"keys[type eq "x].secret"#, "keys[");
        named("keys[type eq 1", "keys[");
        named("keys[a eq 1]secret", "keys[");
        named("keys[a[b eq 1]].secret", "keys[");
        // A part of it is a secret too.
        named("keys[a eq 1].secret", "keys");
        assert!(!is_named("keys.secrets", "keys.secret"));
        assert!(!is_named(r#"keys[a eq ".secret"]"#, "keys.secret"));
    }

    /// S3a: a pointer or a `JSONPath` in the place of a path hides nothing.
    #[test]
    fn a_pointer_has_the_names_of_the_path_that_it_means() {
        for (path, wanted) in [
            ("/password", "password"),
            ("/Password", "password"),
            (" /password ", "password"),
            ("#/password", "password"),
            ("$.password", "password"),
            ("$['password']", "password"),
            ("$[\"Password\"]", "password"),
            ("/keys/0/secret", "keys.secret"),
            ("/keys/-/secret", "keys.secret"),
            ("$.keys[0].secret", "keys.secret"),
            ("$.keys[*]['secret']", "keys.secret"),
            ("$.keys[?(@.type=='x')].secret", "keys.secret"),
            ("/keys/0", "keys"),
            // A part of it is a secret too.
            ("/password/value", "password"),
            ("/urn:a:2.0:B/pin", "urn:a:2.0:b:pin"),
            ("/urn:a:2.0:B/doors/1/code", "urn:a:2.0:b:doors.code"),
            ("$['urn:a:2.0:B'].pin", "urn:a:2.0:b:pin"),
            ("/a~1b~0c", "a/b~c"),
        ] {
            assert!(is_named(path, wanted), "{path}");
        }
        for (path, wanted) in [
            ("/passwords", "password"),
            ("/title", "password"),
            ("/keys", "keys.secret"),
            ("$ref", "ref"),
            ("$password", "password"),
            ("password/x", "password"),
            ("", "password"),
        ] {
            assert!(!is_named(path, wanted), "{path}");
        }
        check(
            "ops[password].value",
            r#"{"ops":[{"path":"/password","value":1},{"path":"$.title","value":2}]}"#,
            r#"{"ops":[{"path":"/password","value":"<1>"},{"path":"$.title","value":2}]}"#,
        );
    }

    /// S3a: a filter compares with a secret.
    #[test]
    fn a_filter_on_a_name_is_lifted_with_its_path() {
        let filtered = |path: &str, expected: bool| {
            assert_eq!(filters(path, "keys.secret"), expected, "{path}");
        };
        filtered(r#"keys[secret eq "x"]"#, true);
        filtered(r#"Keys[type eq "a" and (SECRET sw "x")].label"#, true);
        filtered(r#"keys[secret.part eq "x"]"#, true);
        filtered(r#"keys.secret[value eq "x"]"#, true);
        filtered(r#"keys[keys.secret eq "x"]"#, true);
        filtered(r#"keys[type eq "x"#, true);
        filtered(r#"keys[type eq "a\" secret" and secret pr]"#, true);
        filtered(r#"keys[type eq "a\" secret"]"#, false);
        filtered(r#"locks[type eq "x"#, false);
        filtered(r#"keys[type eq "x"].secret"#, false);
        filtered(r#"locks[secret eq "x"]"#, false);
        filtered("keys.secret", false);
        check(
            "ops.*.path.?k.s",
            r#"{"ops":[{"path":"k[s eq 1]"}]}"#,
            r#"{"ops":[{"path":"<\"k[s eq 1]\">"}]}"#,
        );
        check("v.?k.s", r#"{"v":{"k[s eq 1].t":2}}"#, r#"{"v":"<{\"k[s eq 1].t\":2}>"}"#);
        check("v.?k.s", r#"{"v":{"k[t eq 1].t":2}}"#, r#"{"v":{"k[t eq 1].t":2}}"#);
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
        check("path.* [x].b", r#"{"path":"x","b":1}"#, r#"{"b":"<1>","path":"<\"x\">"}"#);
        check("*.path [x].v", r#"[{"path":"x","v":1}]"#, r#"[{"path":"<\"x\">","v":"<1>"}]"#);
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
    /// members with a dot before each but the first, `*` for each, `[name]` for a path, and at
    /// the end `?name` for a filter.
    fn check(paths: &str, document: &str, expected: &str) {
        let mut document = parse(document.as_bytes(), &Limits::request()).unwrap();
        let paths: Vec<_> = paths.split(' ').map(path).collect();
        let lifted = lift(&mut document, &paths, &mut |value| format!("<{value}>").into());
        assert_eq!(document.to_string(), expected);
        assert_eq!(lifted, expected.matches('<').count());
    }

    fn path(text: &str) -> Path {
        let (text, filter) =
            text.split_once(".?").map_or((text, None), |(head, name)| (head, Some(name)));
        let text = text.replace('[', ".[");
        let segments = text.split('.').filter(|segment| !segment.is_empty()).map(segment);
        Path(segments.chain(filter.map(|name| Segment::Filter(name.into()))).collect())
    }

    fn segment(text: &str) -> Segment {
        let Some(name) = text.strip_prefix('[') else {
            return if text == "*" { Segment::Each } else { Segment::Member(text.into()) };
        };
        Segment::Path(name.trim_end_matches(']').into())
    }
}
