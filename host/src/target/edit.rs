//! Edits of JSON text: how are single values replaced while every other byte stays, as the text streams by?
//!
//! Nothing here knows what a member means, and nothing judges the text: what is no JSON goes through as it came.

/// Gives what is to be written for a value, or none: the names of the members that lead to it (arrays add none), and the
/// value as it is written.
pub type Change = Box<dyn FnMut(&[String], &str) -> Option<String> + Send>;

/// Replaces values that are no object and no array, in a text that comes piece by piece.
pub struct Editor {
    change: Change,
    names: Vec<String>,
    open: Vec<Open>,
    token: Token,
    /// The token so far; what is longer than [`TOKEN_MAX`] has been written already, and is not changed.
    held: Vec<u8>,
    long: bool,
    /// The text is deeper than [`DEPTH_MAX`]: the rest goes through.
    lost: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    None,
    /// A string; the flag says that the next character is escaped.
    String {
        escaped: bool,
    },
    /// A number, `true`, `false` or `null`.
    Word,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Array,
    /// The flag says that a member's name has been read since the last comma.
    Object {
        named: bool,
    },
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Editor").field("depth", &self.open.len()).finish_non_exhaustive()
    }
}

impl Editor {
    /// Begins a text.
    #[must_use]
    pub fn new(change: Change) -> Self {
        let (names, open, held) = (Vec::new(), Vec::new(), Vec::new());
        Self { change, names, open, token: Token::None, held, long: false, lost: false }
    }

    /// Takes a piece, and adds to `written` what can be written by now.
    pub fn feed(&mut self, piece: &[u8], written: &mut Vec<u8>) {
        for (at, &byte) in piece.iter().enumerate() {
            if self.lost {
                return written.extend_from_slice(piece.get(at..).unwrap_or_default());
            }
            self.byte(byte, written);
        }
    }

    /// Gives what is still held at the end of the text.
    pub fn finish(&mut self, written: &mut Vec<u8>) {
        self.end_token(written);
    }

    fn byte(&mut self, byte: u8, written: &mut Vec<u8>) {
        match self.token {
            Token::String { escaped } => {
                self.hold(byte, written);
                if byte == b'"' && !escaped {
                    return self.end_token(written);
                }
                self.token = Token::String { escaped: byte == b'\\' && !escaped };
            }
            Token::Word if !b",]} \t\r\n".contains(&byte) => self.hold(byte, written),
            Token::Word | Token::None => {
                self.end_token(written);
                match byte {
                    b'"' => {
                        self.token = Token::String { escaped: false };
                        self.hold(byte, written);
                    }
                    b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                        self.token = Token::Word;
                        self.hold(byte, written);
                    }
                    _ => {
                        self.structure(byte);
                        written.push(byte);
                    }
                }
            }
        }
    }

    fn structure(&mut self, byte: u8) {
        let deep = DEPTH_MAX <= self.open.len();
        match (byte, self.open.last_mut()) {
            (b'{' | b'[', _) if deep => self.lost = true,
            (b'{', _) => self.open.push(Open::Object { named: false }),
            (b'[', _) => self.open.push(Open::Array),
            (b'}' | b']', last) => {
                if last.copied() == Some(Open::Object { named: true }) {
                    self.names.pop();
                }
                self.open.pop();
            }
            (b',', Some(Open::Object { named })) if *named => {
                self.names.pop();
                *named = false;
            }
            _ => {}
        }
    }

    fn hold(&mut self, byte: u8, written: &mut Vec<u8>) {
        self.held.push(byte);
        if self.long || TOKEN_MAX < self.held.len() {
            self.long = true;
            written.append(&mut self.held);
        }
    }

    fn end_token(&mut self, written: &mut Vec<u8>) {
        if self.token == Token::None {
            return;
        }
        let string = self.token != Token::Word;
        let text = std::str::from_utf8(&self.held).ok().filter(|_| !self.long);
        let mut changed = None;
        match self.open.last_mut() {
            Some(Open::Object { named }) if string && !*named => {
                *named = true;
                let name = text.and_then(|text| serde_json::from_str(text).ok());
                self.names.push(name.unwrap_or_default());
            }
            _ => changed = text.and_then(|text| (self.change)(&self.names, text)),
        }
        match changed {
            Some(changed) => written.extend_from_slice(changed.as_bytes()),
            None => written.append(&mut self.held),
        }
        self.held.clear();
        (self.token, self.long) = (Token::None, false);
    }
}

/// Edits a whole text.
#[must_use]
pub fn edit(text: &str, change: Change) -> String {
    let (mut editor, mut written) = (Editor::new(change), Vec::with_capacity(text.len() + 64));
    editor.feed(text.as_bytes(), &mut written);
    editor.finish(&mut written);
    // What the editor writes is pieces of `text`, cut at ASCII characters, and strings.
    String::from_utf8(written).unwrap_or_else(|_| text.to_owned())
}

/// The longest name or value that is looked at: four times the longest URL that servers commonly read.
const TOKEN_MAX: usize = 32 << 10;
/// How deep a text may be: twice as deep as what the component reads.
const DEPTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn only_the_value_that_is_named_changes() {
        let text = r#"{ "a":[{"b" : "x\"}",  "c":1e2},{"b":true}], "d":{},"b":null }"#;
        for stride in [1, 3, text.len()] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let noted = Arc::clone(&seen);
            let mut editor = Editor::new(Box::new(move |names, value| {
                noted.lock().unwrap().push(format!("{}={value}", names.join(".")));
                (value == "true").then(|| "false".to_owned())
            }));
            let mut written = Vec::new();
            text.as_bytes().chunks(stride).for_each(|piece| editor.feed(piece, &mut written));
            editor.finish(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), text.replace("true", "false"));
            assert_eq!(*seen.lock().unwrap(), [r#"a.b="x\"}""#, "a.c=1e2", "a.b=true", "b=null"]);
        }
    }

    #[test]
    fn what_is_no_json_goes_through() {
        let long = format!(r#"{{"a":"{}","b":"x"#, "é".repeat(TOKEN_MAX));
        let deep = format!("{}1{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
        for text in ["<html>", "{}", "", "]}],,\"", "tru", "\\\"", &long, &deep] {
            assert_eq!(edit(text, Box::new(|_, _| None)), text);
        }
        assert_eq!(edit(&deep, Box::new(|_, _| Some("2".to_owned()))), deep);
        assert_eq!(edit("1", Box::new(|_, _| Some("2".to_owned()))), "2");
    }
}
