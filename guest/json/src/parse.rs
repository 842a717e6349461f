//! Reading: is this text one that we take, and what does it say?
//!
//! The grammar is that of RFC 8259, and what it leaves open is decided here: depth, lengths,
//! duplicates and NUL are refused, and a number keeps all its digits.
//! It is written here, and not taken from `serde_json`, because that reads numbers as doubles: their digits would
//! have to be looked for in the text a second time. The component is 12 KB smaller by it.

use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use crate::error::JsonError;
use crate::limits::Limits;
use crate::number::Number;
use crate::object::Object;
use crate::value::Value;

/// Reads one JSON document.
///
/// Time is linear in the text's length, but for the sorting of members; memory is at most some
/// 50 bytes for each byte of the text, which an array of one-digit numbers needs.
///
/// # Errors
///
/// The first of these that applies:
///
/// 1. [`JsonError::TooLarge`]: the text is longer than `limits` allow,
/// 2. [`JsonError::ByteOrderMark`]: it starts with U+FEFF,
/// 3. [`JsonError::NotUtf8`]: it is not UTF-8 throughout,
/// 4. the first fault that reading from the left meets; that of a duplicate member is met at the
///    end of its object,
/// 5. [`JsonError::NumberRange`]: a number is out of the range of [`Number`].
///
/// Source: RFC 8259; RFC 7493 (I-JSON) for what is refused beyond it.
pub fn parse(text: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    if limits.bytes < text.len() {
        return Err(JsonError::TooLarge { limit: limits.bytes });
    }
    if text.starts_with("\u{feff}".as_bytes()) {
        return Err(JsonError::ByteOrderMark);
    }
    let text =
        str::from_utf8(text).map_err(|error| JsonError::NotUtf8 { offset: error.valid_up_to() })?;
    Reader { text, at: 0, limits: *limits, takes_nul: false, is_out_of_range: false }.document()
}

/// Reads a document that the project itself has written: of any length, 127 levels deep at most, and
/// with NUL in strings, because what a stranger sent may be a string in it.
///
/// # Errors
///
/// As [`parse`], but for the limits.
pub fn parse_ours(text: &str) -> Result<Value, JsonError> {
    Reader { text, at: 0, limits: UNLIMITED, takes_nul: true, is_out_of_range: false }.document()
}

/// A text that is read from the left
struct Reader<'t> {
    text: &'t str,
    /// How many of its bytes are read. INVARIANT: a character ends there.
    at: usize,
    limits: Limits,
    /// Whether NUL may stand in strings
    takes_nul: bool,
    /// Whether a number was out of range: said of valid JSON only
    is_out_of_range: bool,
}

impl<'t> Reader<'t> {
    fn document(mut self) -> Result<Value, JsonError> {
        let value = self.value(0)?;
        if self.next().is_some() {
            return Err(self.syntax("expected the end"));
        }
        if self.is_out_of_range {
            return Err(JsonError::NumberRange);
        }
        Ok(value)
    }

    /// A value that lies in `depth` arrays and objects.
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        let next = self.next();
        if matches!(next, Some(b'[' | b'{')) {
            let limit = self.limits.depth.min(DEPTH_MAX);
            if limit <= depth {
                return Err(JsonError::TooDeep { limit });
            }
        }
        match next {
            Some(b'"') => self.string().map(Value::from),
            Some(b'[') => self.array(depth + 1),
            Some(b'{') => self.object(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.takes("null") => Ok(Value::Null),
            _ if self.takes("true") => Ok(true.into()),
            _ if self.takes("false") => Ok(false.into()),
            _ => Err(self.syntax("expected value")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        let limit = self.limits.items;
        let mut items = Vec::new();
        self.at += 1;
        self.next();
        while !self.takes("]") {
            if !items.is_empty() {
                self.wants(",", "expected `,` or `]`")?;
            }
            if limit <= items.len() {
                return Err(JsonError::TooManyItems { limit });
            }
            items.push(self.value(depth)?);
            self.next();
        }
        items.shrink_to_fit();
        Ok(Value::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        let limit = self.limits.members;
        let mut members = Vec::new();
        self.at += 1;
        self.next();
        while !self.takes("}") {
            if !members.is_empty() {
                self.wants(",", "expected `,` or `}`")?;
            }
            if limit <= members.len() {
                return Err(JsonError::TooManyMembers { limit });
            }
            if self.next() != Some(b'"') {
                return Err(self.syntax("key must be a string"));
            }
            let name = self.string()?;
            self.next();
            self.wants(":", "expected `:`")?;
            members.push((name, self.value(depth)?));
            self.next();
        }
        Object::from_members(members).map(Value::Object)
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        self.takes("-");
        // No digit follows a leading zero: it would be what comes behind the number, which it cannot be.
        if !self.takes("0") {
            self.digits()?;
        }
        if self.takes(".") {
            self.digits()?;
        }
        if self.takes("e") || self.takes("E") {
            let _ = self.takes("+") || self.takes("-");
            self.digits()?;
        }
        let number = self.text.get(start..self.at).and_then(Number::of);
        self.is_out_of_range |= number.is_none();
        Ok(number.map_or(Value::Null, Value::from))
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if start < self.at { Ok(()) } else { Err(self.syntax("invalid number")) }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut string = String::from(self.plain());
        loop {
            if self.takes("\"") {
                return Ok(string);
            }
            if !self.takes("\\") {
                return Err(self.syntax("expected the string to go on or to end"));
            }
            let character = self.escaped()?;
            if character == '\0' && !self.takes_nul {
                return Err(JsonError::NulCharacter);
            }
            string.push(character);
            string.push_str(self.plain());
        }
    }

    /// What stands for itself in a string, from here on: all in front of a quotation mark, a backslash or a control character.
    fn plain(&mut self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |byte: u8| matches!(byte, b'"' | b'\\' | ..b' ');
        let bytes = rest.bytes().position(ends).unwrap_or(rest.len());
        self.at += bytes;
        rest.get(..bytes).unwrap_or_default()
    }

    /// What is written behind a backslash.
    fn escaped(&mut self) -> Result<char, JsonError> {
        let character = match self.byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.by_code();
            }
            _ => return Err(self.syntax("invalid escape")),
        };
        self.at += 1;
        Ok(character)
    }

    /// A character by its code of UTF-16: one of four digits, or a pair of surrogates (RFC 8259 §7).
    fn by_code(&mut self) -> Result<char, JsonError> {
        let mut code = self.code()?;
        if (0xd800..0xdc00).contains(&code) && self.takes("\\u") {
            let low = self.code()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        char::from_u32(code).ok_or_else(|| {
            let (line, column) = self.place();
            JsonError::LoneSurrogate { line, column }
        })
    }

    /// Four hexadecimal digits.
    fn code(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.syntax("invalid escape")) };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// The next byte behind white space.
    fn next(&mut self) -> Option<u8> {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.byte()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Whether these characters come next; if so they are read.
    fn takes(&mut self, characters: &str) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let found = rest.starts_with(characters.as_bytes());
        if found {
            self.at += characters.len();
        }
        found
    }

    fn wants(&mut self, characters: &str, problem: &'static str) -> Result<(), JsonError> {
        if self.takes(characters) { Ok(()) } else { Err(self.syntax(problem)) }
    }

    fn syntax(&self, problem: &'static str) -> JsonError {
        let (line, column) = self.place();
        JsonError::Syntax { line, column, problem }
    }

    /// Line and column of the next byte, both from 1.
    fn place(&self) -> (usize, usize) {
        let read = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let (mut line, mut column) = (1, 1);
        for byte in read {
            (line, column) = if *byte == b'\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        (line, column)
    }
}

/// 127 levels: no input can exhaust the stack.
pub(crate) const DEPTH_MAX: usize = 127;

/// Lengths are up to whoever holds the text.
const UNLIMITED: Limits =
    Limits { depth: DEPTH_MAX, members: usize::MAX, items: usize::MAX, bytes: usize::MAX };

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;
    use std::thread;

    use super::*;

    /// RFC 8259 §7.
    #[test]
    fn each_short_escape_is_its_character() {
        let read = parse(br#"["\"\\\/\b\f\n\r\t"]"#, &Limits::default());
        assert_eq!(read, Ok(Value::Array(["\"\\/\u{8}\u{c}\n\r\t".into()].into())));
    }

    #[test]
    fn a_text_may_have_as_many_bytes_as_are_allowed() {
        let limits = Limits { bytes: 4, ..Limits::default() };
        check_within(&limits, "[1]", "[1]");
        check_within(&limits, "[12]", "[12]");
        check_within(&limits, "[123]", "too-large");
    }

    #[test]
    fn what_json_can_say_is_read() {
        check("null", "null");
        check(" \t\r\n[true,false]", "[true,false]");
        check(r#"{"a":{"b":["c",1]}}"#, r#"{"a":{"b":["c",1]}}"#);
        check(r#""\ud83d\ude00\"\/\b\u0041""#, "\"😀\\\"/\\bA\"");
    }

    /// §7 number 1.
    #[test]
    fn nesting_of_33_levels_and_deeper_is_refused_without_stack_growth() {
        check(&nested(32), &nested(32));
        let limits = Limits::answer();
        let bombs = move || {
            for depth in [33, 34, 127, 128, 129, 1000, 100_000] {
                let objects = r#"{"a":"#.repeat(depth);
                for text in [nested(depth), "[".repeat(depth), objects] {
                    assert_eq!(
                        parse(text.as_bytes(), &limits),
                        Err(JsonError::TooDeep { limit: 32 })
                    );
                }
            }
        };
        // 256 KiB of stack: 32 levels fit in even unoptimised, 100,000 would not.
        thread::Builder::new().stack_size(256 << 10).spawn(bombs).unwrap().join().unwrap();
    }

    /// What the stack holds is a limit of its own.
    #[test]
    fn no_limit_allows_more_than_127_levels() {
        let limits = Limits { depth: usize::MAX, ..Limits::request() };
        check_within(&limits, &nested(127), &nested(127));
        check_within(&limits, &nested(128), "too-deep");
        assert_eq!(parse(nested(128).as_bytes(), &limits), Err(JsonError::TooDeep { limit: 127 }));
    }

    /// §7 number 2.
    #[test]
    fn an_array_of_more_than_200_000_items_is_refused() {
        check_within(&Limits::answer(), &items(200_000), &items(200_000));
        check_within(&Limits::answer(), &items(200_001), "too-many-items");
        check_within(&Limits::answer(), &items(1_000_000), "too-many-items");
        check(&format!(r#"{{"emails":{}}}"#, items(1_000_000)), "too-large");
    }

    /// §7 number 3.
    #[test]
    fn an_object_of_more_than_10_000_members_is_refused() {
        let limits = Limits::answer();
        assert_eq!(
            parse(members(10_000).as_bytes(), &limits).unwrap().find("k9999"),
            Some(&0_u64.into())
        );
        check_within(&limits, &members(10_001), "too-many-members");
        check_within(&limits, &members(100_000), "too-many-members");
    }

    /// §7 number 4.
    #[test]
    fn a_duplicate_member_is_refused() {
        check(r#"{"active":true,"active":false}"#, "duplicate-member");
        check(r#"{"active":true,"active":true}"#, "duplicate-member");
        check(r#"[{"x":{"a":1,"b":2,"c":3,"a":4}}]"#, "duplicate-member");
        check(r#"{"":1,"":2}"#, "duplicate-member");
        check(r#"[{"a":1},{"a":1}]"#, r#"[{"a":1},{"a":1}]"#);
    }

    /// §7 number 5.
    #[test]
    fn a_duplicate_in_other_letter_case_is_refused() {
        check(r#"{"userName":"a","x":1,"USERNAME":"b"}"#, "duplicate-member");
        check(r#"{"urn:A:b":1,"urn:a:B":2}"#, "duplicate-member");
    }

    /// Case is ASCII case: other letters are themselves, as RFC 7643 has names of ASCII only.
    #[test]
    fn letters_beyond_ascii_have_no_case() {
        check(r#"{"ä":1,"Ä":2}"#, r#"{"Ä":2,"ä":1}"#);
        check(r#"{"k":1,"\u212a":2}"#, "{\"k\":1,\"\u{212a}\":2}");
    }

    /// §7 number 6.
    #[test]
    fn a_duplicate_in_other_escapes_is_refused() {
        check(r#"{"userName":"a","user\u004eame":"b"}"#, "duplicate-member");
        check(r#"{"userName":"a","user\u006eame":"b"}"#, "duplicate-member");
    }

    #[test]
    fn the_later_duplicate_is_named_escaped_and_shortened() {
        let refusal = |text: &str| parse(text.as_bytes(), &Limits::request()).unwrap_err();
        assert_eq!(
            refusal(r#"{"userName":"geheim","USER\u004eame":2}"#).to_string(),
            "JSON object has member `USERName` twice, ignoring case: send it once"
        );
        assert_eq!(
            refusal(r#"{"a\n":1,"A\n":2}"#).to_string(),
            "JSON object has member `A\\n` twice, ignoring case: send it once"
        );
        let long = "x".repeat(100);
        assert_eq!(
            refusal(&format!(r#"{{"{long}":1,"{long}":2}}"#)),
            JsonError::DuplicateMember { name: "x".repeat(64) + "…" }
        );
    }

    /// §7 number 7.
    #[test]
    fn what_is_not_utf8_text_is_refused() {
        check_bytes(b"\"\xff\"", &JsonError::NotUtf8 { offset: 1 });
        check_bytes(b"[\"a\",\"\xc3\"]", &JsonError::NotUtf8 { offset: 6 });
        // Overlong `/`, a surrogate in UTF-8, and a character beyond U+10FFFF.
        check_bytes(b"\"\xc0\xaf\"", &JsonError::NotUtf8 { offset: 1 });
        check_bytes(b"\"\xed\xa0\x80\"", &JsonError::NotUtf8 { offset: 1 });
        check_bytes(b"\"\xf4\x90\x80\x80\"", &JsonError::NotUtf8 { offset: 1 });
        check_bytes(b"\xef\xbb\xbf{}", &JsonError::ByteOrderMark);
        check_bytes(b"\xff\xfe{\0}\0", &JsonError::NotUtf8 { offset: 0 });
        check_bytes(
            b"{\0}\0",
            &JsonError::Syntax { line: 1, column: 2, problem: "key must be a string" },
        );
    }

    /// §7 number 7.
    #[test]
    fn half_a_surrogate_pair_is_refused() {
        check(r#""\ud800""#, "lone-surrogate");
        check(r#""\udc00""#, "lone-surrogate");
        check(r#""\ud800x""#, "lone-surrogate");
        check(r#""\ud800\n""#, "lone-surrogate");
        check(r#""\ud800\u0041""#, "lone-surrogate");
        check(r#""\ud800\ud800""#, "lone-surrogate");
        check(r#"{"\udfff":1}"#, "lone-surrogate");
    }

    /// §7 number 8.
    #[test]
    fn a_nul_is_refused_in_strings_and_names() {
        check(r#"{"userName":"root\u0000x"}"#, "nul-character");
        check(r#"{"user\u0000Name":"x"}"#, "nul-character");
        check(r#"["\u0000"]"#, "nul-character");
        check("[\"\0\"]", "syntax");
        check(r#"["\\u0000"]"#, r#"["\\u0000"]"#);
    }

    /// §7 number 9.
    #[test]
    fn a_number_outside_the_finite_doubles_is_refused() {
        check("1e999", "number-range");
        check("-1e999", "number-range");
        check("1e-999", "number-range");
        check("[1.7976931348623159e308]", "number-range");
        check(&"9".repeat(400), "number-range");
        check(r#"{"\"1":[-1,"\\",1e400000]}"#, "number-range");
        check("[1e400,0]", "number-range");
        check("[0,1e-400,0]", "number-range");
    }

    /// §7 number 9.
    #[test]
    fn a_number_has_one_text_with_all_its_digits() {
        check("[-0,-0.0,0e9,0.00]", "[0,0,0,0]");
        check("[1,1.0,1e0,10e-1,0.1E+1]", "[1,1,1,1,1]");
        check("9007199254740993", "9007199254740993");
        check(
            "[18446744073709551615,-9223372036854775808]",
            "[18446744073709551615,-9223372036854775808]",
        );
        check(
            "[18446744073709551616,-9223372036854775809,9007199254740993.0,9007199254740992.5]",
            "[18446744073709551616,-9223372036854775809,9007199254740993,9007199254740992.5]",
        );
        check("[1e21,1000000000000000000000]", "[1e+21,1e+21]");
        check("[123e18,123000000000000000000.00]", "[123000000000000000000,123000000000000000000]");
        check("0e400", "0");
    }

    /// All of them, beside other numbers, and not those in strings and names.
    #[test]
    fn the_digits_of_a_number_are_its_own() {
        check("[1,-2,0.5,3,0,0.25,4e0]", "[1,-2,0.5,3,0,0.25,4]");
        check(
            r#"{"1":{"2.5":-3},"x":["4.5",-5,"6\"7.5",[],8.5],"y\\":{"9":"\\","10":11.5},"é\"":"é12.5","z":13.50}"#,
            r#"{"1":{"2.5":-3},"x":["4.5",-5,"6\"7.5",[],8.5],"y\\":{"10":11.5,"9":"\\"},"z":13.5,"é\"":"é12.5"}"#,
        );
    }

    /// A fault of form is told as that, also where what stands there looks like a number out of range.
    #[test]
    fn what_is_no_number_is_a_fault_of_form() {
        for text in ["[1.5-2]", "1.5.2", "1e5e5", "1e5.2", "1.5e5-5", "-0-", "0.5+1e999"] {
            check(text, "syntax");
        }
    }

    /// §7 number 10.
    #[test]
    fn a_text_that_ends_early_or_goes_on_is_refused() {
        for text in ["", " ", "{", "[1,", r#"{"a":"#, r#"{"a""#, "\"abc", "tru", "-", "1."] {
            check(text, "syntax");
        }
        for text in ["{} x", "{}{}", "[] []", "1 2", "{},", "null\0", "\"a\"\"b\""] {
            check(text, "syntax");
        }
    }

    #[test]
    fn what_other_readers_forgive_is_refused() {
        for text in ["[1,]", "{,}", "{a:1}", "{'a':1}", "01", "+1", ".5", "1.", "0x1", "NaN"] {
            check(text, "syntax");
        }
        for text in ["Infinity", "-Infinity", "// x\n1", "\"\t\"", "\"\\x41\"", "\u{a0}1", "{1:2}"]
        {
            check(text, "syntax");
        }
    }

    #[test]
    fn a_syntax_fault_has_its_place() {
        let refusal = parse(b"{\n \"password\": geheim}", &Limits::request()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "text is not JSON at line 2 column 14, expected value: send one complete document"
        );
    }

    /// §7 number 13.
    #[test]
    fn a_text_one_byte_over_the_limit_is_refused() {
        let fits = format!("\"{}\"", "x".repeat((1 << 20) - 2));
        check(&fits, &fits);
        check(&format!("{fits} "), "too-large");
        check_within(&Limits::group(), &format!("{fits} "), &fits);
    }

    /// Each of these takes minutes if anything in it is quadratic.
    #[test]
    fn the_largest_text_of_each_shape_takes_linear_time() {
        let size = Limits::BYTES_REQUEST;
        let limits = Limits { members: usize::MAX, items: usize::MAX, ..Limits::request() };
        let fill = |open: &str, part: &str, close: &str| {
            let count = (size - open.len() - close.len()) / part.len();
            format!("{open}{}{close}", part.repeat(count))
        };
        for text in [
            fill("[", "1e21,", "1e21]"),
            fill("[", "[],", "0]"),
            fill("[", "{\"\":0},", "0]"),
            fill("[\"", "\\u0041", "\"]"),
            fill("[\"", "\\\\", "\",1e21]"),
            fill("", " ", "0"),
            fill("", "\n", "0"),
            fill("0.", "1", ""),
        ] {
            parse(text.as_bytes(), &limits).unwrap();
        }
        check_within(&limits, &fill("", "1", ""), "number-range");
        check_within(&limits, &fill("1e", "1", ""), "number-range");
        check_within(&limits, &fill("{\"", "x", "\":0}"), &fill("{\"", "x", "\":0}"));
        check_within(&limits, &fill("", "\n", "?"), "syntax");
        assert!(parse(members(80_000).as_bytes(), &limits).is_ok());
        check_within(&limits, &fill("{", "\"\":0,", "\"\":0}"), "duplicate-member");
    }

    #[test]
    fn serde_reads_as_strictly() {
        #[derive(serde::Deserialize, serde::Serialize)]
        struct Entry {
            key: String,
            document: Value,
        }
        let read = |document: &str| {
            let text = format!(r#"{{"key":"k","document":{document}}}"#);
            let entry: Entry = serde_json::from_str(&text)?;
            assert_eq!(entry.key, "k");
            assert_eq!(serde_json::to_string(&entry)?, text);
            Ok::<_, serde_json::Error>(entry.document.to_string())
        };
        let document = r#"{"a":[null,true,-1,1.5,"x",{}],"b":18446744073709551615}"#;
        assert_eq!(read(document).unwrap(), document);
        assert!(read(r#"{"a":1,"A":2}"#).unwrap_err().to_string().contains("member `A` twice"));
        assert!(read(r#""\u0000""#).unwrap_err().to_string().contains("NUL"));
        assert!(read(&nested(128)).is_err());
    }

    #[test]
    fn what_is_ours_may_be_long_and_hold_a_nul() {
        let text = format!("[{},\"\\u0000\"]", items(200_001));
        assert_eq!(parse_ours(&text).unwrap().as_array().unwrap().get(1), Some(&"\0".into()));
        assert_eq!(parse_ours(&nested(128)), Err(JsonError::TooDeep { limit: 127 }));
        assert!(parse_ours("{\"a\":1,\"A\":1}").is_err());
    }

    /// Checks that a text is read as the value with the canonical text `expected`, or refused
    /// with that code.
    fn check(text: &str, expected: &str) {
        check_within(&Limits::default(), text, expected);
    }

    fn check_within(limits: &Limits, text: &str, expected: &str) {
        let found = match parse(text.as_bytes(), limits) {
            Ok(value) => value.to_string(),
            Err(refusal) => refusal.code().into(),
        };
        assert!(found == expected, "{text:.80} gives {found:.80}, expected {expected:.80}");
    }

    fn check_bytes(text: &[u8], expected: &JsonError) {
        assert_eq!(parse(text, &Limits::default()).as_ref(), Err(expected));
    }

    fn nested(depth: usize) -> String {
        "[".repeat(depth) + &"]".repeat(depth)
    }

    fn items(count: usize) -> String {
        format!("[{}0]", "0,".repeat(count - 1))
    }

    fn members(count: usize) -> String {
        let members: Vec<_> = (0..count).map(|index| format!("\"k{index}\":0")).collect();
        format!("{{{}}}", members.join(","))
    }
}
