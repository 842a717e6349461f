//! The canonical text: what are the one and only bytes of a value?
//!
//! RFC 8785, but for integers beyond 2^53: see [`Number`](crate::Number).

use alloc::string::String;
use alloc::vec::Vec;

use crate::object::Object;
use crate::value::Value;

/// Writes `value` in its canonical text: no white space, members sorted by the UTF-16 units of
/// their names, strings with as few escapes as can be.
///
/// Values are equal exactly if their canonical texts are. The text of the value that
/// [`parse`](crate::parse) reads from it is the same again.
///
/// Source: RFC 8785 §3.2.
///
/// ```
/// use replaysafe_json::{Limits, canonical, parse};
///
/// let value = parse(b" { \"b\" : [1e0, \"\\u0041\"], \"a\" : null } ", &Limits::request())?;
/// assert_eq!(canonical(&value), r#"{"a":null,"b":[1,"A"]}"#);
/// # Ok::<(), replaysafe_json::JsonError>(())
/// ```
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    canonical_into(value, &mut text);
    text
}

/// Writes the [`canonical`] text of `value` at the end of `text`.
pub fn canonical_into(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(number.as_str()),
        Value::String(string) => string_into(string, text),
        Value::Array(items) => array_into(items, text),
        Value::Object(object) => object_into(object, text),
    }
}

fn array_into(items: &[Value], text: &mut String) {
    text.push('[');
    for (index, item) in items.iter().enumerate() {
        if 0 < index {
            text.push(',');
        }
        canonical_into(item, text);
    }
    text.push(']');
}

fn object_into(object: &Object, text: &mut String) {
    let mut members: Vec<_> = object.iter().collect();
    // RFC 8785 §3.2.3: by UTF-16 units, which is neither the order of bytes nor of characters.
    members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    text.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if 0 < index {
            text.push(',');
        }
        string_into(name, text);
        text.push(':');
        canonical_into(value, text);
    }
    text.push('}');
}

/// RFC 8785 §3.2.2.2: five controls have a letter, the others `\u00xx` in lower case, and
/// nothing else but the quotation mark and the backslash is escaped.
fn string_into(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            '\0'..='\u{1f}' => {
                text.push_str("\\u00");
                let code = u32::from(character);
                text.extend(
                    [code >> 4, code & 15]
                        .into_iter()
                        .filter_map(|half| char::from_digit(half, 16)),
                );
            }
            _ => text.push(character),
        }
    }
    text.push('"');
}
