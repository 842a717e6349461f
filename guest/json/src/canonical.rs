//! The canonical text of a value: RFC 8785, the JSON Canonicalization Scheme.

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use crate::value::Value;

/// Gives the canonical text of `value`: members sorted by UTF-16 code units, no white space.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    canonical_into(value, &mut text);
    text
}

/// Appends the canonical text of `value` to `text`.
pub fn canonical_into(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(number.as_str()),
        Value::String(string) => quote(string, text),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if 0 < position {
                    text.push(',');
                }
                canonical_into(item, text);
            }
            text.push(']');
        }
        Value::Object(object) => {
            let mut members: Vec<(&String, &Value)> = object.iter().collect();
            members.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            text.push('{');
            for (position, (name, member)) in members.into_iter().enumerate() {
                if 0 < position {
                    text.push(',');
                }
                quote(name, text);
                text.push(':');
                canonical_into(member, text);
            }
            text.push('}');
        }
    }
}

/// RFC 8785 §3.2.2.2.
fn quote(string: &str, text: &mut String) {
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
            '\0'..'\u{20}' => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse};

    /// RFC 8785 §3.2.3.
    #[test]
    fn members_are_sorted_by_utf_16_code_units() {
        check(
            "{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\",\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\
             \"1\":\"One\",\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\",\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\
             \"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
        );
    }

    /// RFC 8785 §3.2.2, without the NUL-free string changed.
    #[test]
    fn the_sample_of_the_standard_is_written_as_it_says() {
        check(
            "{ \"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],\
             \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\", \"literals\": [null, true, false] }",
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
        );
    }

    #[test]
    fn one_number_has_one_text() {
        check("[1.0,1,1e0,-0,9007199254740993]", "[1,1,1,0,9007199254740993]");
    }

    fn check(given: &str, expected: &str) {
        let value = parse(given.as_bytes(), &Limits::default()).expect("valid");
        assert_eq!(canonical(&value), expected);
    }
}
