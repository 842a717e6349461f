//! Which texts are equal to Unicode, and what is their lower case?
//!
//! Normal forms by Unicode Standard Annex 15; letter case as the standard library has it. The tables
//! are made by `build.rs` from those of `unicode-normalization` and of the standard library, and
//! hold the same in less room. A text of ASCII is never looked up.

use alloc::{string::String, vec::Vec};

use replaysafe_json::sort_by;

/// Normalization form C: equal characters in one spelling, put together.
pub(crate) fn nfc(text: &str) -> String {
    if text.is_ascii() { text.into() } else { compose(taken_apart(text, Apart::Canonical)) }
}

/// Normalization form KC: alike characters in one spelling, put together.
pub(crate) fn nfkc(text: &str) -> String {
    if text.is_ascii() { text.into() } else { compose(taken_apart(text, Apart::Compatible)) }
}

/// Normalization form KD: alike characters in one spelling, taken apart.
pub(crate) fn nfkd(text: &str) -> String {
    if text.is_ascii() {
        return text.into();
    }
    taken_apart(text, Apart::Compatible).into_iter().map(|part| part.character).collect()
}

/// The lower case; a capital sigma at a word's end becomes a final one.
pub(crate) fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut lower = String::with_capacity(text.len());
    for (place, character) in text.char_indices() {
        let (before, from) = text.split_at_checked(place).unwrap_or_default();
        let ends_word = || {
            let mut behind = from.chars();
            behind.next();
            goes_on(before.chars().rev()) && !goes_on(behind)
        };
        if character == 'Σ' {
            lower.push(if ends_word() { 'ς' } else { 'σ' });
        } else {
            push(character, &LOWER, &mut lower);
        }
    }
    lower
}

/// Full case folding: capitals of two letters and final forms become what their other forms become.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        let table = if FOLD.find(character).is_some() { &FOLD } else { &LOWER };
        push(character, table, &mut folded);
    }
    folded
}

/// Puts what `table` says of a character behind `text`; the character itself where it says nothing.
fn push(character: char, table: &Table, text: &mut String) {
    match table.find(character) {
        Some(said) => text.extend(said.filter_map(char::from_u32)),
        None => text.push(character.to_ascii_lowercase()),
    }
}

/// Whether a word goes on with these characters.
fn goes_on(characters: impl Iterator<Item = char>) -> bool {
    let mut says = characters.map(|one| match one {
        '\'' | '.' | ':' | '^' | '`' => IGNORABLE,
        _ if one.is_ascii_alphabetic() => CASED,
        _ => SIGMA.find(one).and_then(|mut said| said.next()).unwrap_or(0),
    });
    says.find(|says| *says != IGNORABLE) == Some(CASED)
}

/// How far a character is taken apart
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    Canonical,
    Compatible,
}

/// A character, and where it may move
struct Part {
    character: char,
    /// The canonical combining class: 0 stays where it is
    class: u32,
    /// How many characters before it stay where they are
    starters: u32,
}

/// The characters of a text taken apart, and marks in their order.
fn taken_apart(text: &str, apart: Apart) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::with_capacity(text.len());
    let mut is_in_order = true;
    let mut push = |character| {
        let class = CLASS.find(character).and_then(|mut said| said.next()).unwrap_or(0);
        let (starters, class_before) =
            parts.last().map_or((0, 0), |part| (part.starters, part.class));
        is_in_order &= class == 0 || class_before <= class;
        parts.push(Part { character, class, starters: starters + u32::from(class == 0) });
    };
    text.chars().for_each(|character| take_apart(character, apart, &mut push));
    if !is_in_order {
        let place = |part: &Part| (part.starters, part.class);
        sort_by(&mut parts, |one, other| place(one).cmp(&place(other)));
    }
    parts
}

/// Takes a character apart, and its parts as well.
fn take_apart(character: char, apart: Apart, push: &mut dyn FnMut(char)) {
    let compatible = if apart == Apart::Compatible { COMPATIBLE.find(character) } else { None };
    match compatible.or_else(|| CANONICAL.find(character)) {
        Some(said) => {
            said.filter_map(char::from_u32).for_each(|part| take_apart(part, apart, push));
        }
        None => syllable(character).for_each(push),
    }
}

/// A Hangul syllable taken apart, any other character as it is (Unicode 16 section 3.12).
fn syllable(character: char) -> impl Iterator<Item = char> {
    let code = u32::from(character);
    let parts = match code.checked_sub(SYLLABLES).filter(|nth| *nth < SYLLABLE_COUNT) {
        Some(nth) => [
            Some(LEADS + nth / (VOWEL_COUNT * TAIL_COUNT)),
            Some(VOWELS + nth / TAIL_COUNT % VOWEL_COUNT),
            Some(TAILS + nth % TAIL_COUNT).filter(|tail| *tail != TAILS),
        ],
        None => [Some(code), None, None],
    };
    parts.into_iter().flatten().filter_map(char::from_u32)
}

/// Puts together what belongs together.
fn compose(parts: Vec<Part>) -> String {
    let mut whole: Vec<char> = Vec::with_capacity(parts.len());
    let (mut starter, mut class_before) = (None, 0);
    for Part { character, class, .. } in parts {
        let place = starter.and_then(|place: usize| whole.get_mut(place));
        if let Some(place) = place.filter(|_| class_before == 0 || class_before < class)
            && let Some(both) = pair(*place, character)
        {
            *place = both;
            continue;
        }
        if class == 0 {
            starter = Some(whole.len());
        }
        class_before = class;
        whole.push(character);
    }
    whole.into_iter().collect()
}

/// What two characters together are.
fn pair(first: char, second: char) -> Option<char> {
    let (one, other) = (u32::from(first), u32::from(second));
    let within = |code: u32, start, count| code.checked_sub(start).filter(|nth| *nth < count);
    if let (Some(lead), Some(vowel)) =
        (within(one, LEADS, LEAD_COUNT), within(other, VOWELS, VOWEL_COUNT))
    {
        return char::from_u32(SYLLABLES + (lead * VOWEL_COUNT + vowel) * TAIL_COUNT);
    }
    if let (Some(nth), Some(tail)) =
        (within(one, SYLLABLES, SYLLABLE_COUNT), within(other, TAILS + 1, TAIL_COUNT - 1))
        && nth % TAIL_COUNT == 0
    {
        return char::from_u32(one + tail + 1);
    }
    // Most characters are never a second one.
    PAIR.firsts.binary_search(&other).ok()?;
    let mut said = PAIR.find_at(other)?;
    // All that may be the first, and then what each of them is with the second.
    let count = usize::try_from(said.count).ok()? / 2;
    said.by_ref().take(count).position(|first| first == one)?;
    // As far behind it as all that may be the first are many.
    said.nth(count - 1).and_then(char::from_u32)
}

/// Numbers that are said of characters, in few bytes; `build.rs` writes them
///
/// Of runs of characters of which the like is said; see `find_at` for the form.
struct Table {
    /// The first character of each block of runs
    firsts: &'static [u32],
    /// Where each block begins
    starts: &'static [u16],
    bytes: &'static [u8],
}

/// What a table says of a character
struct Said {
    rest: &'static [u8],
    /// How many numbers follow
    count: u32,
    /// The number before
    before: u32,
    /// What is added to the first number
    added: u32,
}

impl Table {
    /// What is said of a character, if anything is; nothing is said of ASCII.
    fn find(&self, character: char) -> Option<Said> {
        if character.is_ascii() { None } else { self.find_at(character.into()) }
    }

    #[inline(never)]
    fn find_at(&self, character: u32) -> Option<Said> {
        let block = self.firsts.partition_point(|first| *first <= character).checked_sub(1)?;
        let mut last = *self.firsts.get(block)?;
        let start = *self.starts.get(block)?;
        let end = self.starts.get(block + 1).map_or(self.bytes.len(), |end| usize::from(*end));
        let mut rest = self.bytes.get(usize::from(start)..end)?;
        let mut before = 0;
        while !rest.is_empty() {
            // From the last character of the run before to the first of this one, and a shape.
            let head = number(&mut rest);
            let first = last + (head >> 3);
            let mut count = (head >> 1 & 3) + 1;
            if count == COUNT_MOST {
                count += number(&mut rest);
            }
            // How many characters more there are, from one to the next, and what is added to what is said.
            let (mut more, mut stride, mut step) = (0, 1, Some(0));
            if head & 1 == 1 {
                let run = number(&mut rest);
                more = (run >> 3) + 1;
                (stride, step) = match run & 7 {
                    0 => (1, Some(0)),
                    1 => (1, Some(1)),
                    2 => (2, Some(2)),
                    3 => (2, Some(0)),
                    // Each has its own said of it.
                    _ => (1, None),
                };
            }
            let away = character.checked_sub(first)?;
            let is_within = away <= more * stride;
            let mut said = Said { rest, count, before, added: 0 };
            if step.is_none() {
                said.count = count * if is_within { away } else { more };
                said.by_ref().for_each(drop);
                said.count = count;
            }
            if is_within {
                said.added = away / stride * step.unwrap_or(0);
                return Some(said).filter(|_| away % stride == 0);
            }
            said.by_ref().for_each(drop);
            (rest, before) = (said.rest, said.before);
            last = first + more * stride;
        }
        None
    }
}

impl Iterator for Said {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        // How much more than the number before, doubled; or how much less, doubled and less one.
        let differs = number(&mut self.rest);
        let sign = (differs & 1).wrapping_neg();
        self.before = self.before.wrapping_add((differs >> 1) ^ sign);
        Some(self.before + core::mem::take(&mut self.added))
    }
}

/// Reads a number: seven bits to a byte, the low ones first; the high bit says that more follows.
fn number(rest: &mut &[u8]) -> u32 {
    let (mut number, mut shift) = (0, 0);
    while let Some((byte, behind)) = rest.split_first() {
        *rest = behind;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    number
}

const LEADS: u32 = 0x1100;
const VOWELS: u32 = 0x1161;
/// One before the first: a syllable need not have one.
const TAILS: u32 = 0x11a7;
const SYLLABLES: u32 = 0xac00;
const LEAD_COUNT: u32 = 19;
const VOWEL_COUNT: u32 = 21;
const TAIL_COUNT: u32 = 28;
const SYLLABLE_COUNT: u32 = LEAD_COUNT * VOWEL_COUNT * TAIL_COUNT;

/// So many numbers, or more, are said of a character: how many more follows.
const COUNT_MOST: u32 = 4;

/// As `build.rs` says of what stands beside a sigma.
const CASED: u32 = 1;
const IGNORABLE: u32 = 2;

include!(concat!(env!("OUT_DIR"), "/unicode.rs"));

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization as _;

    use super::*;

    /// Every character, alone and beside a sigma, is as in the tables that these were made from.
    #[test]
    fn each_character_is_as_in_the_tables_made_for_speed() {
        // Between the planes that are in use there is nothing.
        for one in ('\0'..='\u{3ffff}').chain('\u{e0000}'..='\u{e0fff}') {
            let text = String::from(one);
            let folded = one.to_lowercase().flat_map(char::to_uppercase);
            let folded: String = folded.flat_map(char::to_lowercase).collect();
            assert_eq!(fold(&text), folded, "{one:?}");
            check(&text);
        }
    }

    #[test]
    fn a_sigma_is_final_at_the_end_of_a_word() {
        for one in
            ('\0'..='\u{3000}').chain('\u{fe00}'..='\u{ffff}').chain('\u{1d000}'..='\u{1f200}')
        {
            for text in
                [format!("{one}Σ"), format!("a{one}Σ"), format!("aΣ{one}"), format!("aΣ{one}a")]
            {
                assert_eq!(lower(&text), text.to_lowercase(), "{text:?}");
            }
        }
    }

    #[test]
    fn examples_of_annex_15() {
        assert_eq!(nfc("\u{212b}\u{1e9b}\u{323}"), "\u{c5}\u{1e9b}\u{323}");
        assert_eq!(nfkc("\u{fb01}\u{1e9b}\u{323}"), "fi\u{1e69}");
        assert_eq!(nfkd("\u{1e9b}\u{323}"), "s\u{323}\u{307}");
        assert_eq!(nfc("\u{1111}\u{1171}\u{11b6}"), "\u{d4db}");
        assert_eq!(nfkd("\u{d4db}"), "\u{1111}\u{1171}\u{11b6}");
        // The last syllable, and what is behind it.
        assert_eq!(nfkd("\u{d7a3}\u{d7a4}"), "\u{1112}\u{1175}\u{11c2}\u{d7a4}");
        assert_eq!(lower("ΟΔΟΣ ΣΑΣ"), "οδος σας");
        assert_eq!(fold("Straße"), "strasse");
    }

    /// Unicode 16 §3.11: a mark is kept from what it would compose with by another of its class, and the letters behind the
    /// Hangul that compose do not.
    #[test]
    fn what_does_not_compose_stays() {
        for text in
            ["a\u{305}\u{301}", "\u{1113}\u{1161}", "가\u{11c3}", "가\u{11a7}", "\u{1100}\u{1176}"]
        {
            assert_eq!(nfc(text), text);
            check(text);
        }
    }

    /// A mark before every other is sorted in less than quadratic time.
    #[test]
    fn a_text_of_marks_takes_linear_time() {
        let text = "\u{301}\u{323}".repeat(200_000);
        assert_eq!(nfc(&text), ["\u{323}".repeat(200_000), "\u{301}".repeat(200_000)].concat());
    }

    proptest! {
        #[test]
        fn a_text_is_as_by_the_tables_made_for_speed(
            text in "[ -~àéßẞſςσΣİıﬁＡｱ\u{300}-\u{345}\u{200b}ΐᾳ가각ᄀ-나-ᅤᆨ-ᆪ]{0,12}|\\PC{0,12}"
        ) {
            check(&text);
        }
    }

    fn check(text: &str) {
        assert!(nfc(text).chars().eq(text.nfc()), "{text:?}");
        assert!(nfkc(text).chars().eq(text.nfkc()), "{text:?}");
        assert!(nfkd(text).chars().eq(text.nfkd()), "{text:?}");
        assert_eq!(lower(text), text.to_lowercase());
    }
}
