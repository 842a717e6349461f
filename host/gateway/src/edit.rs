//! Edits of JSON text: how are single values replaced while every other byte stays?
//!
//! Nothing here knows what a member means.

use replaysafe_json::{Limits, parse};

/// Replaces values of `text` that are no object and no array.
///
/// `change` is given the names of the members that lead to a value (arrays add none), and the value as it is written;
/// it gives what is to be written there. Gives none if nothing was replaced, or if `text` is no JSON.
pub(crate) fn edit(
    text: &[u8],
    change: &mut dyn FnMut(&[String], &str) -> Option<String>,
) -> Option<Vec<u8>> {
    parse(text, &Limits::answer()).ok()?;
    let text = std::str::from_utf8(text).ok()?;
    let mut edited = String::with_capacity(text.len() + 64);
    let mut names: Vec<String> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut rest = text;
    let mut changed = false;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest)?,
            '-' | '0'..='9' | 'a'..='z' => {
                rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len())
            }
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at_checked(length)?;
        rest = after;
        let mut written = None;
        match (first, open.last_mut()) {
            ('{', _) => open.push(Open::Object { named: false }),
            ('[', _) => open.push(Open::Array),
            ('}' | ']', last) => {
                if let Some(Open::Object { named: true }) = last {
                    names.pop();
                }
                open.pop();
            }
            (',', Some(Open::Object { named })) => {
                names.pop();
                *named = false;
            }
            ('"', Some(Open::Object { named })) if !*named => {
                *named = true;
                names.push(serde_json::from_str(token).ok()?);
            }
            ('"' | '-' | '0'..='9' | 'a'..='z', _) => written = change(&names, token),
            _ => {}
        }
        changed |= written.is_some();
        edited.push_str(written.as_deref().unwrap_or(token));
    }
    changed.then(|| edited.into_bytes())
}

enum Open {
    Array,
    /// The flag says that a member's name has been read since the last comma.
    Object {
        named: bool,
    },
}

/// The length of the string that `text` begins with, quotes included.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_that_is_named_changes() {
        let text = r#"{ "a":[{"b" : "x\"}",  "c":1e2},{"b":true}], "d":{},"b":null }"#;
        let mut seen = Vec::new();
        let edited = edit(text.as_bytes(), &mut |names, value| {
            seen.push(format!("{}={value}", names.join(".")));
            (value == "true").then(|| "false".to_owned())
        });
        assert_eq!(edited.unwrap(), text.replace("true", "false").into_bytes());
        assert_eq!(seen, [r#"a.b="x\"}""#, "a.c=1e2", "a.b=true", "b=null"]);
    }

    #[test]
    fn what_is_no_json_stays() {
        assert_eq!(edit(b"<html>", &mut |_, _| Some(String::new())), None);
        assert_eq!(edit(b"{}", &mut |_, _| Some(String::new())), None);
    }
}
