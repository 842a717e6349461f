//! Refusals of a text: why is it not taken, and what should its sender do?
//!
//! No message shows a value, which may be personal or secret; member names appear shortened and
//! escaped.

use alloc::string::String;

use thiserror::Error;

/// A text that [`parse`](crate::parse) refuses
///
/// Each variant has a machine-readable [`code`](JsonError::code).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is longer than [`Limits::bytes`](crate::Limits::bytes).
    #[error("JSON text is too large: send at most {limit} bytes")]
    TooLarge {
        /// The most bytes a text may have
        limit: usize,
    },
    /// The text is not UTF-8, or spells a character in more bytes than it needs.
    #[error("JSON text is not UTF-8 from byte {offset} on: encode it as UTF-8")]
    NotUtf8 {
        /// How many bytes before the fault are valid
        offset: usize,
    },
    /// The text starts with U+FEFF, which RFC 8259 §8.1 forbids to send.
    #[error("JSON text starts with a byte order mark: leave it out")]
    ByteOrderMark,
    /// Arrays and objects are nested deeper than [`Limits::depth`](crate::Limits::depth).
    #[error("JSON text is nested too deep: nest at most {limit} arrays and objects")]
    TooDeep {
        /// The most levels of arrays and objects
        limit: usize,
    },
    /// An object has more members than [`Limits::members`](crate::Limits::members).
    #[error("JSON object is too large: give it at most {limit} members")]
    TooManyMembers {
        /// The most members of one object
        limit: usize,
    },
    /// An array has more items than [`Limits::items`](crate::Limits::items).
    #[error("JSON array is too long: give it at most {limit} items")]
    TooManyItems {
        /// The most items of one array
        limit: usize,
    },
    /// An object has a member twice, in the same letters or in other case or escapes.
    #[error("JSON object has member `{name}` twice, ignoring case: send it once")]
    DuplicateMember {
        /// The name as the later member spells it, shortened to 64 characters and escaped
        name: String,
    },
    /// A string or a member name holds U+0000, at which some servers cut a string off.
    #[error("JSON string holds a NUL character: leave U+0000 out")]
    NulCharacter,
    /// A number is one that a double takes for infinite, or for zero though it is not: see
    /// [`Number`](crate::Number).
    #[error("JSON number is outside the range of a double: send one within it, or a string")]
    NumberRange,
    /// A string spells half of a surrogate pair, as `\ud800`, which is no character.
    #[error(
        "JSON string has an unpaired surrogate at line {line} column {column}: escape both halves"
    )]
    LoneSurrogate {
        /// The line of the fault, from 1
        line: usize,
        /// The byte in that line, from 1
        column: usize,
    },
    /// The text breaks RFC 8259's grammar, ends early, or goes on after its end.
    #[error(
        "text is not JSON at line {line} column {column}, {problem}: send one complete document"
    )]
    Syntax {
        /// The line of the fault, from 1
        line: usize,
        /// The byte in that line, from 1; the one behind the last where the text ends early
        column: usize,
        /// What the grammar wanted there: fixed words that hold nothing of the text
        problem: &'static str,
    },
}

impl JsonError {
    /// Gives the refusal's name for machines, which never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::ByteOrderMark => "byte-order-mark",
            Self::TooDeep { .. } => "too-deep",
            Self::TooManyMembers { .. } => "too-many-members",
            Self::TooManyItems { .. } => "too-many-items",
            Self::DuplicateMember { .. } => "duplicate-member",
            Self::NulCharacter => "nul-character",
            Self::NumberRange => "number-range",
            Self::LoneSurrogate { .. } => "lone-surrogate",
            Self::Syntax { .. } => "syntax",
        }
    }

    /// Makes the refusal of a second member `name`.
    pub(crate) fn duplicate(name: &str) -> Self {
        Self::DuplicateMember { name: shown(name) }
    }
}

/// Makes a member name fit for a message: what does not print is escaped, and the rest after
/// [`NAME_CHARS_MAX`] characters is an ellipsis.
fn shown(name: &str) -> String {
    let mut text = String::new();
    let mut room = NAME_CHARS_MAX;
    for character in name.chars() {
        let escaped = character.escape_default();
        let length = if prints(character) { 1 } else { escaped.len() };
        if room < length {
            text.push('…');
            return text;
        }
        room -= length;
        if prints(character) {
            text.push(character);
        } else {
            text.extend(escaped);
        }
    }
    text
}

/// Whether a character takes a place of its own and leaves its neighbours theirs; those of private use do not.
fn prints(character: char) -> bool {
    let is_quote = matches!(character, '"' | '\'' | '\\');
    let is_hidden = matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{a0}'
            | '\u{ad}'
            | '\u{300}'..='\u{36f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{1680}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}'
            | '\u{3000}'
            | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{ffff}'
            | '\u{e0000}'..='\u{10ffff}'
    );
    !(is_quote || is_hidden)
}

/// 64 characters: the longest name of RFC 7643 has 25, and a log line should stay one line.
const NAME_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_shown_as_it_is() {
        check("userName", "userName");
        check("größe", "größe");
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        check("a\nb\u{1b}[31m", "a\\nb\\u{1b}[31m");
        check("a\u{202e}b", "a\\u{202e}b");
    }

    #[test]
    fn a_long_name_is_cut_off_at_64_characters() {
        check(&"x".repeat(64), &"x".repeat(64));
        check(&"x".repeat(65), &("x".repeat(64) + "…"));
        check(&"\n".repeat(33), &("\\n".repeat(32) + "…"));
    }

    fn check(name: &str, expected: &str) {
        assert_eq!(shown(name), expected);
    }
}
