//! Makes the tables of `src/unicode.rs`: what Unicode says of each character, in few bytes.
//!
//! The tables of `unicode-normalization` and of the standard library are made for speed and take
//! 140 KB; these hold the same in a fifth of that.

use std::{collections::BTreeMap, env, error::Error, fmt::Write as _, fs, path::Path};

use unicode_normalization::char::{
    canonical_combining_class, compose, decompose_canonical, decompose_compatible,
};

/// What is said of each character, by its number.
type Said = BTreeMap<u32, Vec<u32>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or("no `OUT_DIR`")?;
    let mut text = String::new();
    for (name, said) in [
        ("CANONICAL", of_each(canonical)),
        ("COMPATIBLE", of_each(compatible)),
        ("CLASS", of_each(class)),
        ("PAIR", pairs()),
        ("LOWER", of_each(lower)),
        ("FOLD", of_each(fold)),
        ("SIGMA", of_each(sigma)),
    ] {
        table(name, &said, &mut text)?;
    }
    fs::write(Path::new(&out).join("unicode.rs"), text)?;
    Ok(())
}

fn of_each(say: fn(char) -> Vec<u32>) -> Said {
    let characters = ('\u{80}'..=char::MAX).filter(|one| !HANGUL.contains(one));
    characters.map(|one| (u32::from(one), say(one))).filter(|(_, said)| !said.is_empty()).collect()
}

/// The full canonical decomposition, if there is one.
fn canonical(one: char) -> Vec<u32> {
    let mut parts = Vec::new();
    decompose_canonical(one, |part| parts.push(u32::from(part)));
    unless_itself(one, parts)
}

/// The full compatible decomposition, where it is another than the canonical one.
fn compatible(one: char) -> Vec<u32> {
    let mut parts = Vec::new();
    decompose_compatible(one, |part| parts.push(u32::from(part)));
    let parts = unless_itself(one, parts);
    if parts == canonical(one) { Vec::new() } else { parts }
}

fn class(one: char) -> Vec<u32> {
    let class = canonical_combining_class(one);
    if class == 0 { Vec::new() } else { vec![class.into()] }
}

/// Under the first of two characters: the second, and what both together are.
fn pairs() -> Said {
    let mut pairs = Said::new();
    for one in '\u{80}'..=char::MAX {
        let mut parts = Vec::new();
        decompose_canonical(one, |part| parts.push(part));
        let Some((last, [first, rest @ ..])) = parts.split_last() else { continue };
        let before = rest.iter().try_fold(*first, |before, part| compose(before, *part));
        let Some(before) = before else { continue };
        if !HANGUL.contains(&one) && compose(before, *last) == Some(one) {
            pairs.entry(before.into()).or_default().extend([u32::from(*last), one.into()]);
        }
    }
    pairs
}

fn lower(one: char) -> Vec<u32> {
    unless_itself(one, one.to_lowercase().map(u32::from).collect())
}

/// The full case folding, where it is another than the lower case.
fn fold(one: char) -> Vec<u32> {
    let lower = one.to_lowercase();
    let folded: Vec<u32> = lower
        .clone()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .map(u32::from)
        .collect();
    if folded.iter().copied().eq(lower.map(u32::from)) { Vec::new() } else { folded }
}

/// What a character beside a capital sigma says of it: 1, that it belongs to the same word; 2, nothing, look at the next one.
fn sigma(one: char) -> Vec<u32> {
    let is_final = |text: String| text.to_lowercase().ends_with('ς');
    if is_final(format!("{one}Σ")) {
        vec![1]
    } else if is_final(format!("a{one}Σ")) {
        vec![2]
    } else {
        Vec::new()
    }
}

fn unless_itself(one: char, parts: Vec<u32>) -> Vec<u32> {
    if parts == [u32::from(one)] { Vec::new() } else { parts }
}

/// Characters that follow each other and of which the like is said
struct Run<'s> {
    first: u32,
    count: u32,
    /// From one character to the next
    stride: u32,
    /// From the first number that is said of one character to that of the next
    step: u32,
    said: &'s [u32],
}

impl Run<'_> {
    fn last(&self) -> u32 {
        self.first + (self.count - 1) * self.stride
    }
}

fn runs(said: &Said) -> Vec<Run<'_>> {
    let all: Vec<(u32, &[u32])> = said.iter().map(|(one, said)| (*one, said.as_slice())).collect();
    let mut runs = Vec::new();
    let mut rest = all.as_slice();
    while let Some(((first, said), _)) = rest.split_first() {
        let of = |(stride, step): (u32, u32)| {
            let alike = (0..).zip(rest).take_while(|(nth, (one, other))| {
                let (Some((start, tail)), Some((number, rest))) =
                    (said.split_first(), other.split_first())
                else {
                    return false;
                };
                *one == first + nth * stride && *number == start + nth * step && tail == rest
            });
            let count = (0..).zip(alike).map(|(nth, _)| nth + 1).last().unwrap_or(1);
            Run { first: *first, count, stride, step, said }
        };
        let best = STRIDES.into_iter().map(of).max_by_key(|run| run.count);
        let Some(run) = best else { break };
        rest = rest.get(run.count as usize..).unwrap_or_default();
        runs.push(run);
    }
    runs
}

/// Writes a table as `src/unicode.rs` reads it.
fn table(name: &str, said: &Said, text: &mut String) -> Result<(), Box<dyn Error>> {
    let (mut bytes, mut index) = (Vec::new(), Vec::new());
    for block in runs(said).chunks(BLOCK) {
        let mut before = block.first().map_or(0, |run| run.first);
        index.push((before, u16::try_from(bytes.len())?));
        for run in block {
            number(run.first - before, &mut bytes);
            before = run.last();
            let is_many = 1 < run.count;
            number(u32::try_from(run.said.len())? << 1 | u32::from(is_many), &mut bytes);
            if is_many {
                let stride = STRIDES.iter().position(|of| *of == (run.stride, run.step));
                number((run.count - 2) << 2 | u32::try_from(stride.unwrap_or(0))?, &mut bytes);
            }
            for (place, said) in run.said.iter().enumerate() {
                let from_first = (said ^ run.first, *said);
                number(if place == 0 { from_first.0 } else { from_first.1 }, &mut bytes);
            }
        }
    }
    writeln!(text, "static {name}: Table = Table {{ index: &{index:?}, bytes: &{bytes:?} }};")?;
    Ok(())
}

/// Seven bits to a byte, the low ones first; the high bit says that more follows.
fn number(mut number: u32, bytes: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// Syllables: `src/unicode.rs` computes them.
const HANGUL: std::ops::RangeInclusive<char> = '\u{ac00}'..='\u{d7a3}';

/// How characters of a run follow each other, and what is said of them.
const STRIDES: [(u32, u32); 4] = [(1, 0), (1, 1), (2, 2), (2, 0)];

/// 32 runs: a search reads half of a block.
const BLOCK: usize = 32;
