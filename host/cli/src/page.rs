//! Pages for a browser: how does a person read what programs read as JSON?
//!
//! A page is one file. It loads nothing and runs nothing: its policy allows its own style sheet, by its digest, and that is all.
//! It is well-formed XML, too, so that a test can read it strictly.
//! What it says comes from a document in JSON, and much of that from strangers: see [`Page::text`].

pub(crate) mod audit;
pub(crate) mod plan;
mod rules;
mod value;

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use self::rules::Cited;

/// A page that is being written.
///
/// INVARIANT: markup is `'static`, so that nothing but what stands in this program is taken for markup; all else is escaped.
pub(crate) struct Page {
    written: String,
    /// Which rules are cited, to be told at the end.
    cited: Cited,
    /// A character is shown by its number.
    numbered: bool,
}

impl Page {
    /// Begins a page: `title` writes what the browser shows as its name.
    fn begin(title: impl FnOnce(&mut Self)) -> Self {
        let mut page = Self { written: String::new(), cited: Cited::default(), numbered: false };
        page.markup("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n");
        page.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"");
        page.markup("default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-");
        page.written.push_str(&base64(&Sha256::digest(STYLE)));
        page.markup("'\" />\n<meta name=\"referrer\" content=\"no-referrer\" />\n");
        page.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n");
        page.markup("<meta name=\"color-scheme\" content=\"light dark\" />\n<title>");
        title(&mut page);
        page.markup("</title>\n<style>");
        page.markup(STYLE);
        page.markup("</style>\n</head>\n<body>\n<main>\n");
        page
    }

    /// Ends a page, with the rules that it cites.
    fn end(mut self) -> String {
        self.rules();
        self.markup("</main>\n<footer>");
        if self.numbered {
            self.markup("<p>A character that cannot be seen, or that turns the direction of text, is shown by its number, such as ");
            self.character('\u{202e}');
            self.markup(".</p>");
        }
        self.markup(concat!(
            "<p>Written by replaysafe ",
            env!("CARGO_PKG_VERSION"),
            ". This page loads nothing and runs no script.</p></footer>\n</body>\n</html>\n"
        ));
        self.written
    }

    /// Writes markup of the program's own.
    fn markup(&mut self, markup: &'static str) {
        self.written.push_str(markup);
    }

    /// Writes an element and what is in it. `start` is its name, and may have attributes behind it.
    fn element(&mut self, start: &'static str, within: impl FnOnce(&mut Self)) {
        self.markup("<");
        self.markup(start);
        self.markup(">");
        within(self);
        self.markup("</");
        self.markup(start.split(' ').next().unwrap_or(start));
        self.markup(">");
    }

    /// Writes text of whatever origin, so that a reader sees what it is and a browser takes none of it for markup.
    ///
    /// It stands by itself: no direction of text reaches beyond it. A character that cannot be seen is shown by its number. Of a long text the first [`TEXT_CHARS_MOST`] characters are written, and how many are not.
    fn text(&mut self, text: &str) {
        self.markup("<bdi>");
        for one in text.chars().take(TEXT_CHARS_MOST) {
            self.character(one);
        }
        self.markup("</bdi>");
        let more = text.chars().skip(TEXT_CHARS_MOST).count();
        if 0 < more {
            self.markup("<span class=\"more\">… and ");
            self.figure(more);
            self.markup(" more characters</span>");
        }
    }

    /// Writes what the component says: text in which a rule is cited as `(S16)`, and what is in backticks is code.
    fn prose(&mut self, text: &str) {
        for (at, part) in text.split('`').enumerate() {
            if at % 2 == 1 {
                self.element("code", |page| page.text(part));
                continue;
            }
            let mut rest = part;
            while let Some((before, rule, after)) = rules::first_cited(rest) {
                self.text(before);
                self.rule(rule);
                rest = after;
            }
            self.text(rest);
        }
    }

    /// Writes the name of a rule, with a link to what it says.
    fn rule(&mut self, name: &str) {
        let Some((at, rule)) = rules::named(name) else {
            self.text(name);
            return;
        };
        self.cited.insert(at);
        self.markup("<a class=\"rule\" href=\"#");
        self.markup(rule.name);
        self.markup("\">");
        self.markup(rule.name);
        self.markup("</a>");
    }

    fn character(&mut self, one: char) {
        match one {
            '&' => self.markup("&amp;"),
            '<' => self.markup("&lt;"),
            '>' => self.markup("&gt;"),
            '"' => self.markup("&quot;"),
            '\'' => self.markup("&#39;"),
            unseen if is_unseen(unseen) => {
                self.numbered = true;
                self.markup("<span class=\"unseen\">U+");
                // Writing to a string does not fail.
                let _written = write!(self.written, "{:04X}", u32::from(unseen));
                self.markup("</span>");
            }
            seen => self.written.push(seen),
        }
    }

    /// Writes a number, its thousands apart.
    fn figure(&mut self, number: impl TryInto<u64>) {
        let digits = number.try_into().unwrap_or(u64::MAX).to_string();
        for (at, digit) in digits.chars().enumerate() {
            if 0 < at && (digits.len() - at) % 3 == 0 {
                self.written.push(',');
            }
            self.written.push(digit);
        }
    }

    /// Writes a number as a name has it.
    fn number(&mut self, number: u64) {
        self.written.push_str(&number.to_string());
    }

    /// Writes `count` of something: one has another word than several.
    fn count(&mut self, count: usize, one: &'static str, several: &'static str) {
        self.figure(count);
        self.markup(" ");
        self.markup(if count == 1 { one } else { several });
    }

    /// Writes rows until there are [`ROWS_MOST`] or the page is full, and gives how many were left out.
    fn rows<T>(&mut self, rows: &[T], mut row: impl FnMut(&mut Self, &T)) -> usize {
        for (at, one) in rows.iter().enumerate() {
            if at == ROWS_MOST || BYTES_MOST < self.written.len() {
                return rows.len() - at;
            }
            row(self, one);
        }
        0
    }

    /// Says how many rows of `all` were left out, and where they are.
    fn left_out(&mut self, left_out: usize, all: usize) {
        if left_out == 0 {
            return;
        }
        self.element("p class=\"left-out\"", |page| {
            page.markup("Shown are the first ");
            page.figure(all - left_out);
            page.markup(" of ");
            page.figure(all);
            page.markup("; <code>--format json</code> has all of them.");
        });
    }
}

/// Whether a reader would not see a character, or would see the text around it in another order.
///
/// Controls, what turns the direction of text, what has no width, spaces that look like others, and what XML does not take.
fn is_unseen(one: char) -> bool {
    one.is_control()
        || matches!(one,
            '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{1680}'
            | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        // Noncharacters: the last two of each plane, and 32 in the first.
        || 0xfffe <= u32::from(one) & 0xffff
        || matches!(one, '\u{fdd0}'..='\u{fdef}')
}

/// The text of a member; empty where it has none.
fn text_of<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The list of a member; empty where it has none.
fn list_of<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The number of a member; 0 where it has none.
fn number_of(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// A time in milliseconds since 1970-01-01T00:00Z, as RFC 3339 writes it, to the second.
fn instant(millis: u64) -> String {
    let seconds = millis / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Of a calendar that begins with March a year ends with its leap day: 400 years have 146,097 days, 5 months 153.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Bytes in base64 (RFC 4648 section 4), as a policy names a digest.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            (0..3).fold(0, |bits, at| bits << 8 | three.get(at).copied().map_or(0, u32::from));
        for at in 0..4_usize {
            let digit = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or_default();
            let digit = BASE64.get(digit).copied().map_or('=', char::from);
            text.push(if at <= three.len() { digit } else { '=' });
        }
    }
    text
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The style sheet of all pages.
const STYLE: &str = include_str!("page/page.css");

/// 500 rows of a table: more are read by a program, and a page of ten such tables is still one that a browser opens at once.
const ROWS_MOST: usize = 500;
/// 4 MiB: rows may be long, and a browser takes seconds to lay out more. One row at most goes beyond it.
const BYTES_MOST: usize = 4 << 20;
/// 300 characters: a name or a value that is longer is read by a program.
const TEXT_CHARS_MOST: usize = 300;

#[cfg(test)]
mod tests;
