//! The canonical text: what are the one and only bytes of a value?
//!
//! RFC 8785, but for numbers with more digits than a double keeps: see [`Number`](crate::Number).

use alloc::string::String;
use alloc::vec::Vec;

use crate::object::Object;
use crate::sort::sort_by;
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
    sort_by(&mut members, |(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
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
    text.reserve(string.len() + 2);
    text.push('"');
    let mut rest = string;
    let is_escaped = |byte: u8| matches!(byte, 0..=0x1f | b'"' | b'\\');
    while let Some(at) = rest.bytes().position(is_escaped) {
        text.push_str(rest.get(..at).unwrap_or_default());
        let mut characters = rest.get(at..).unwrap_or_default().chars();
        if let Some(character) = characters.next() {
            escape_into(character, text);
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text.push('"');
}

/// A character that does not stand for itself
fn escape_into(character: char, text: &mut String) {
    let short = match character {
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\0'..='\u{1f}' => {
            text.push_str("\\u00");
            let code = u32::from(character);
            let halves = [code >> 4, code & 15].into_iter();
            text.extend(halves.filter_map(|half| char::from_digit(half, 16)));
            return;
        }
        _ => character,
    };
    text.push('\\');
    text.push(short);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse};

    /// RFC 8785 §3.2.2 and §3.2.4; but the first number keeps its last digit.
    #[test]
    fn the_sample_of_rfc_8785_section_3_2_2() {
        check(
            r#"{
                "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                "literals": [null, true, false]
            }"#,
            concat!(
                r#"{"literals":[null,true,false],"#,
                r#""numbers":[333333333.33333329,1e+30,4.5,0.002,1e-27],"#,
                r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
            ),
        );
    }

    /// The emoji, U+1F600, stands before U+FB33, because its first UTF-16 unit is D83D.
    #[test]
    fn the_sorting_sample_of_rfc_8785_section_3_2_3() {
        check(
            r#"{
                "\u20ac": "Euro Sign",
                "\r": "Carriage Return",
                "\ufb33": "Hebrew Letter Dalet With Dagesh",
                "1": "One",
                "\ud83d\ude00": "Emoji: Grinning Face",
                "\u0080": "Control",
                "\u00f6": "Latin Small Letter O With Diaeresis"
            }"#,
            concat!(
                "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",",
                "\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",",
                "\"\u{1f600}\":\"Emoji: Grinning Face\",",
                "\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
            ),
        );
    }

    #[test]
    fn capital_letters_stand_before_small_ones() {
        check(r#"{"b":1,"A":2,"a\u0001":3,"B2":4}"#, r#"{"A":2,"B2":4,"a\u0001":3,"b":1}"#);
    }

    #[test]
    fn a_control_is_escaped_in_its_shortest_form() {
        check(
            r#""\u0001\u0007\u0008\u0009\u000a\u000b\u000c\u000d\u001b\u001f\u007f""#,
            "\"\\u0001\\u0007\\b\\t\\n\\u000b\\f\\r\\u001b\\u001f\u{7f}\"",
        );
    }

    #[test]
    fn empty_containers_stay_empty() {
        check(" [ { } , [ ] , \"\" ] ", r#"[{},[],""]"#);
    }

    #[test]
    fn the_text_is_put_behind_what_is_there() {
        let mut text = String::from("v1:");
        canonical_into(&Value::from(1_u64), &mut text);
        canonical_into(&Value::Null, &mut text);
        assert_eq!(text, "v1:1null");
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(canonical(&parse(text.as_bytes(), &Limits::request()).unwrap()), expected);
    }
}
