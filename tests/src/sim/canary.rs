//! Secrets of a schedule, and whether one of them is where it must not be: in plain, or as something encodes it.
//!
//! All secrets of a schedule hold one random word, by which each is known wherever it stands.

use std::{collections::BTreeSet, hash::Hasher};

use super::{digest::Digest, random::Random};

/// What the clients of a schedule keep secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    word: String,
    /// The target shows passwords, which it should not (RFC 7643 section 7).
    pub shown: bool,
}

impl Secrets {
    /// With a word drawn at random.
    pub fn draw(random: &mut Random) -> Self {
        let word = (0..WORD).map(|_| char::from(random.one_of(ALPHABET))).collect();
        Self { word, shown: random.once_in(4) }
    }

    /// The password of this number.
    #[must_use]
    pub fn password(&self, number: u8) -> String {
        format!("pä{number} {}&", self.word)
    }

    /// By what the clients show who they are.
    #[must_use]
    pub fn credential(&self) -> String {
        format!("Bearer {}.c", self.word)
    }
}

/// Looks for the secrets of a schedule in all texts of what it is shown.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The word as it is written in some way.
    forms: Vec<(&'static str, Vec<u8>)>,
    /// All that stands in a form, `GRAM` bytes each.
    grams: BTreeSet<[u8; GRAM]>,
    /// A bit for each of them, by its hash: most texts are passed over by these alone.
    bits: Vec<u64>,
    found: Option<String>,
}

impl Canary {
    /// For these secrets.
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        let forms = forms(secrets.word.as_bytes());
        let all = forms.iter().flat_map(|(_, form)| form.windows(GRAM));
        let grams: BTreeSet<[u8; GRAM]> = all.filter_map(|gram| gram.try_into().ok()).collect();
        let mut bits = vec![0; 1 << (BITS - 6)];
        for gram in &grams {
            let (at, bit) = place(*gram);
            if let Some(word) = bits.get_mut(at) {
                *word |= bit;
            }
        }
        Self { forms, grams, bits, found: None }
    }

    /// Looks at a value, which is of this kind.
    pub fn look(&mut self, kind: &str, value: &(impl Digest + ?Sized)) {
        let before = self.found.is_some();
        value.digest(self);
        if let Some(form) = self.found.as_mut().filter(|_| !before) {
            *form = format!("a secret stands in {kind}, {form}");
        }
    }

    /// What was found first.
    pub fn found(&mut self) -> Option<String> {
        self.found.take()
    }

    /// The form of the word that stands in a text.
    fn form_in(&self, text: &[u8]) -> Option<&'static str> {
        // A gram of each form begins at a multiple of `STRIDE`, wherever the form stands.
        for (at, gram) in text.windows(GRAM).enumerate().step_by(STRIDE) {
            let Ok(gram) = <[u8; GRAM]>::try_from(gram) else { continue };
            let (word, bit) = place(gram);
            if self.bits.get(word).is_none_or(|word| word & bit == 0) || !self.grams.contains(&gram)
            {
                continue;
            }
            let around = at.saturating_sub(LONGEST)..text.len().min(at + LONGEST);
            let around = text.get(around).unwrap_or_default();
            let is_in = |form: &[u8]| around.windows(form.len()).any(|one| one == form);
            if let Some((name, _)) = self.forms.iter().find(|(_, form)| is_in(form)) {
                return Some(name);
            }
        }
        None
    }
}

/// Takes in the texts of a value, and nothing else of it.
impl Hasher for Canary {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.found.is_none() {
            self.found = self.form_in(bytes).map(str::to_owned);
        }
    }

    fn write_u8(&mut self, _: u8) {}
}

/// A word in all ways in which it may be written. Of base64 there are three, by where the word begins.
fn forms(word: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let each = |write: fn(&u8) -> String| word.iter().map(write).collect::<String>().into_bytes();
    let mut forms = vec![
        ("in plain", word.to_vec()),
        ("as hexadecimal", each(|byte| format!("{byte:x}"))),
        ("percent-encoded", each(|byte| format!("%{byte:x}"))),
        ("as escapes of JSON", each(|byte| format!("\\u00{byte:x}"))),
        // Of either order of bytes.
        ("as UTF-16", word.iter().flat_map(|byte| [0, *byte]).skip(1).collect()),
    ];
    for alphabet in [BASE64, BASE64_OF_URLS] {
        forms.extend((0..3).map(|skip| ("as base64", base64(word.get(skip..), alphabet))));
    }
    forms
}

/// The whole groups of what is encoded.
fn base64(bytes: Option<&[u8]>, alphabet: &[u8; 64]) -> Vec<u8> {
    let (groups, _) = bytes.unwrap_or_default().as_chunks::<3>();
    let sextets = groups.iter().flat_map(|[one, two, three]| {
        [one >> 2, (one & 3) << 4 | two >> 4, (two & 15) << 2 | three >> 6, three & 63]
    });
    sextets.filter_map(|sextet| alphabet.get(usize::from(sextet))).copied().collect()
}

/// Where the bit of a gram is.
fn place(gram: [u8; GRAM]) -> (usize, u64) {
    let hash = u32::from_le_bytes(gram).wrapping_mul(0x9e37_79b1) >> (32 - BITS);
    (usize::try_from(hash >> 6).unwrap_or(0), 1 << (hash & 63))
}

/// What no text has by chance: 48 to the power of 12.
const WORD: usize = 12;

/// Letters and digits that hexadecimal writes without letters: it has one form, whatever the case.
const ALPHABET: &[u8] = b"0123456789ABCDEFGHIPQRSTUVWXYabcdefghipqrstuvwxy";

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_OF_URLS: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// As many bytes as fit into a number.
const GRAM: usize = 4;

/// The shortest form has 12 bytes, and so a gram at each place of 9 that follow one another.
const STRIDE: usize = 9;

/// The longest form: six bytes for each of the word's.
const LONGEST: usize = 6 * WORD;

/// 65,536 bits, of which some 200 are set.
const BITS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each form, behind and before texts of each length.
    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let (secrets, canary) = canary();
        let word = secrets.word.as_bytes();
        for (name, form) in forms(word) {
            for before in 0..40 {
                let text = [&b"x".repeat(before)[..], &form, &b"y".repeat(40 - before)].concat();
                assert_eq!(canary.form_in(&text), Some(name), "{before} before it");
            }
        }
        for number in 0..3 {
            assert_eq!(canary.form_in(secrets.password(number).as_bytes()), Some("in plain"));
        }
        assert_eq!(canary.form_in(secrets.credential().as_bytes()), Some("in plain"));
    }

    /// RFC 4648 section 10.
    #[test]
    fn base64_is_that_of_the_rfc() {
        assert_eq!(base64(Some(b"foobar"), BASE64), b"Zm9vYmFy");
        assert_eq!(base64(Some(b"\xfb\xff\xbf"), BASE64), b"+/+/");
        assert_eq!(base64(Some(b"\xfb\xff\xbf"), BASE64_OF_URLS), b"-_-_");
    }

    #[test]
    fn nothing_is_found_where_a_part_of_the_word_is_missing() {
        let (secrets, canary) = canary();
        let all = forms(secrets.word.as_bytes());
        for (_, form) in &all {
            let text = [b"xyz", &form[..form.len() - 1], b"~ and more"].concat();
            assert_eq!(canary.form_in(&text), None);
        }
        assert_eq!(canary.form_in(b"{\"userName\":\"u0\",\"id\":\"r1000000\"}"), None);
    }

    fn canary() -> (Secrets, Canary) {
        let secrets = Secrets::draw(&mut Random::new(7));
        let canary = Canary::new(&secrets);
        (secrets, canary)
    }
}
