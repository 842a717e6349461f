//! Makes the tables of `src/unicode.rs`: what Unicode says of each character, in few bytes.
//!
//! The tables of `unicode-normalization` and of the standard library are made for speed and take
//! 140 KB; these hold the same in a sixth of that.

use std::{collections::BTreeMap, env, error::Error, fmt::Write as _, fs, path::Path};

use unicode_normalization::{
    UnicodeNormalization as _,
    char::{canonical_combining_class, compose, decompose_canonical, decompose_compatible},
};

/// What is said of each character, by its number.
type Said = BTreeMap<u32, Vec<u32>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or("no `OUT_DIR`")?;
    let mut text = String::new();
    for (name, said, block, own) in [
        ("CANONICAL", of_each(canonical), BLOCK, OWN_MOST),
        ("COMPATIBLE", of_each(compatible), BLOCK, OWN_MOST),
        ("CLASS", of_each(class), BLOCK, OWN_MOST),
        // Each has so much said of it that a search is to read one of them only.
        ("PAIR", pairs(), 1, 1),
        ("LOWER", of_each(lower), BLOCK, OWN_MOST),
        ("FOLD", of_each(fold), BLOCK, OWN_MOST),
        ("SIGMA", of_each(sigma), BLOCK, OWN_MOST),
    ] {
        table(name, &runs(&said, own), block, &mut text)?;
    }
    fs::write(Path::new(&out).join("unicode.rs"), text)?;
    Ok(())
}

fn of_each(say: fn(char) -> Vec<u32>) -> Said {
    let characters = ('\u{80}'..=char::MAX).filter(|one| !HANGUL.contains(one));
    characters.map(|one| (u32::from(one), say(one))).filter(|(_, said)| !said.is_empty()).collect()
}

/// What a character is taken apart into, if it is; the parts may have to be taken apart again.
fn canonical(one: char) -> Vec<u32> {
    let mut parts = Vec::new();
    decompose_canonical(one, |part| parts.push(part));
    if let Some((before, last)) = last_pair(one, &parts) {
        return vec![before.into(), last.into()];
    }
    unless_itself(one, put_together(&parts, |part, push| decompose_canonical(part, push)))
}

/// What a character is taken apart into for being like that, where its canonical parts are not.
fn compatible(one: char) -> Vec<u32> {
    let (mut parts, mut of_canonical) = (Vec::new(), Vec::new());
    decompose_compatible(one, |part| parts.push(part));
    decompose_canonical(one, |part| decompose_compatible(part, |part| of_canonical.push(part)));
    if !canonical(one).is_empty() && parts == of_canonical {
        return Vec::new();
    }
    unless_itself(one, put_together(&parts, |part, push| decompose_compatible(part, push)))
}

/// `parts` in fewer characters, if they are the same when they are taken apart.
fn put_together(parts: &[char], take_apart: impl Fn(char, &mut dyn FnMut(char))) -> Vec<u32> {
    let fewer: Vec<char> = parts.iter().copied().nfc().collect();
    let mut again = Vec::new();
    for part in &fewer {
        take_apart(*part, &mut |part| again.push(part));
    }
    let best = if again == parts { &fewer } else { parts };
    best.iter().copied().map(u32::from).collect()
}

fn class(one: char) -> Vec<u32> {
    let class = canonical_combining_class(one);
    if class == 0 { Vec::new() } else { vec![class.into()] }
}

/// Under the second of two characters: all that may be the first, in their order, and then what each
/// of them is together with the second.
fn pairs() -> Said {
    let mut pairs: BTreeMap<u32, BTreeMap<u32, u32>> = BTreeMap::new();
    for one in '\u{80}'..=char::MAX {
        let mut parts = Vec::new();
        decompose_canonical(one, |part| parts.push(part));
        if let Some((before, last)) = last_pair(one, &parts)
            && !HANGUL.contains(&one)
        {
            pairs.entry(last.into()).or_default().insert(before.into(), one.into());
        }
    }
    let lists = |pairs: BTreeMap<u32, u32>| pairs.keys().chain(pairs.values()).copied().collect();
    pairs.into_iter().map(|(last, pairs)| (last, lists(pairs))).collect()
}

/// The two characters that `one`, which is taken apart into `parts`, is put together from.
fn last_pair(one: char, parts: &[char]) -> Option<(char, char)> {
    let (last, [first, rest @ ..]) = parts.split_last()? else { return None };
    let before = rest.iter().try_fold(*first, |before, part| compose(before, *part))?;
    (compose(before, *last) == Some(one)).then_some((before, *last))
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

/// Characters that follow each other and of which the like is said, or as much
struct Run<'s> {
    first: u32,
    count: u32,
    /// From one character to the next
    stride: u32,
    /// Which of [`STRIDES`], or [`OWN`]
    kind: u32,
    /// Of the first character, or of each
    said: Vec<&'s [u32]>,
}

impl Run<'_> {
    fn last(&self) -> u32 {
        self.first + (self.count - 1) * self.stride
    }
}

/// Runs; at most `own_most` characters in one of which each has its own said of it.
fn runs(said: &Said, own_most: u32) -> Vec<Run<'_>> {
    let all: Vec<(u32, &[u32])> = said.iter().map(|(one, said)| (*one, said.as_slice())).collect();
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut rest = all.as_slice();
    while let Some(((first, said), _)) = rest.split_first() {
        let of = |(kind, (stride, step)): (u32, (u32, u32))| {
            let alike = (0..).zip(rest).take_while(|(nth, (one, other))| {
                let (Some((start, tail)), Some((number, rest))) =
                    (said.split_first(), other.split_first())
                else {
                    return false;
                };
                *one == first + nth * stride && *number == start + nth * step && tail == rest
            });
            let count = (0..).zip(alike).map(|(nth, _)| nth + 1).last().unwrap_or(1);
            Run { first: *first, count, stride, kind, said: vec![said] }
        };
        let best = (0..).zip(STRIDES).map(of).max_by_key(|run| run.count);
        let Some(run) = best else { break };
        rest = rest.get(run.count as usize..).unwrap_or_default();
        let before = runs.last_mut().filter(|before| {
            let is_next = before.kind == OWN && before.last() + 1 == run.first;
            let as_much = before.said.iter().all(|other| other.len() == said.len());
            is_next && as_much && before.count < own_most
        });
        match before {
            Some(before) if run.count == 1 => {
                before.count += 1;
                before.said.push(said);
            }
            _ if run.count == 1 => runs.push(Run { stride: 1, kind: OWN, ..run }),
            _ => runs.push(run),
        }
    }
    runs
}

/// Writes a table as `src/unicode.rs` reads it: of runs in blocks, which end at `block` bytes or behind.
fn table(
    name: &str,
    runs: &[Run<'_>],
    block: usize,
    text: &mut String,
) -> Result<(), Box<dyn Error>> {
    let (mut bytes, mut firsts, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut start, mut before, mut said_before) = (None, 0, 0);
    for run in runs {
        if start.is_none_or(|start| start + block <= bytes.len()) {
            (before, said_before) = (run.first, 0);
            firsts.push(before);
            starts.push(u16::try_from(bytes.len())?);
            start = Some(bytes.len());
        }
        let is_many = 1 < run.count;
        let count = u32::try_from(run.said.first().map_or(0, |said| said.len()))?;
        let shape = (count.min(COUNT_MOST) - 1) << 1 | u32::from(is_many);
        number((run.first - before) << 3 | shape, &mut bytes);
        before = run.last();
        if COUNT_MOST <= count {
            number(count - COUNT_MOST, &mut bytes);
        }
        if is_many {
            number((run.count - 2) << 3 | run.kind, &mut bytes);
        }
        for said in run.said.iter().copied().flatten() {
            let (up, down) = (said.wrapping_sub(said_before), said_before.wrapping_sub(*said));
            number(if said_before <= *said { up << 1 } else { (down << 1) - 1 }, &mut bytes);
            said_before = *said;
        }
    }
    writeln!(
        text,
        "static {name}: Table = Table {{ firsts: &{firsts:?}, starts: &{starts:?}, bytes: &{bytes:?} }};"
    )?;
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

/// A run of characters next to each other, each with numbers of its own.
const OWN: u32 = 4;

/// 32 characters: what is said of those before is read as well.
const OWN_MOST: u32 = 32;

/// 100 bytes: a search reads half of a block.
const BLOCK: usize = 100;

/// So many numbers, or more, are said of a character: how many more follows.
const COUNT_MOST: u32 = 4;
