//! When are two values the same? A digest of 128 bits, of the contract's types and of those that can be hashed.
//!
//! Two values of a million that differ have one digest once in 10^26 tries. Each type is taken apart whole, so
//! that a new field does not go unnoticed.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hash, Hasher},
    rc::Rc,
};

use replaysafe_core::types::{
    Answer, ById, Divergence, Effect, EffectBody, Entry, Evidence, Field, Found, Holder, Identity,
    IdentityWrite, Method, Name, NameKind, Observation, Outcome, Question, Report, Request, Retry,
    Scope, Search, Settings, Sight, Situation, Stage, Tags, TargetAnswer, Verdict, Write,
};

/// Takes values in, gives their digest.
#[derive(Clone, Debug)]
pub struct Digester {
    one: u64,
    two: u64,
}

impl Default for Digester {
    fn default() -> Self {
        Self { one: SEEDS[0], two: SEEDS[1] }
    }
}

impl Digester {
    /// Takes a value of the contract in.
    pub fn take(&mut self, value: &(impl Digest + ?Sized)) {
        value.digest(self);
    }

    /// The digest of all that was taken in.
    #[must_use]
    pub fn digest(mut self) -> u128 {
        self.word(0);
        u128::from(fold(self.one, SEEDS[2])) << 64 | u128::from(fold(self.two, SEEDS[3]))
    }

    /// Two words at once.
    fn pair(&mut self, first: u64, second: u64) {
        let one = fold(self.one ^ first, SEEDS[2] ^ second);
        let two = fold(self.two ^ second, SEEDS[3] ^ first.rotate_left(32));
        self.one = one.wrapping_add(second);
        self.two = two ^ first;
    }

    fn word(&mut self, word: u64) {
        self.one = fold(self.one ^ word, SEEDS[2]).wrapping_add(word);
        self.two = fold(self.two.rotate_left(23) ^ word, SEEDS[3]) ^ self.one.rotate_left(32);
    }
}

impl Hasher for Digester {
    fn finish(&self) -> u64 {
        self.one ^ self.two
    }

    fn write(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        for pair in pairs {
            let pair = u128::from_le_bytes(*pair);
            self.pair(low(pair), low(pair >> 64));
        }
        let mut words = rest.chunks_exact(8);
        for word in &mut words {
            self.word(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let mut rest = [0; 8];
        for (to, from) in rest.iter_mut().zip(words.remainder()) {
            *to = *from;
        }
        self.word(u64::from_le_bytes(rest));
        self.word(bytes.len() as u64);
    }

    fn write_u8(&mut self, number: u8) {
        self.word(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.word(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }
}

/// Digests, which need no other hash.
pub(in crate::sim) type Digests = HashSet<u128, BuildHasherDefault<Taken>>;

/// Takes the low half of a digest as it is.
#[derive(Debug, Default)]
pub(in crate::sim) struct Taken(u64);

impl Hasher for Taken {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let low = bytes.first_chunk().map_or(0, |low| u64::from_le_bytes(*low));
        self.0 = low;
    }
}

fn fold(one: u64, two: u64) -> u64 {
    let product = u128::from(one) * u128::from(two);
    low(product) ^ low(product >> 64)
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
fn low(whole: u128) -> u64 {
    whole as u64
}

/// The digest of one value that can be hashed.
#[must_use]
pub fn of(value: &(impl Hash + ?Sized)) -> u128 {
    let mut to = Digester::default();
    value.hash(&mut to);
    to.digest()
}

/// A value that has a digest.
pub trait Digest {
    /// Gives all of itself to a digester, or to whoever else takes values apart.
    fn digest(&self, to: &mut impl Hasher);
}

macro_rules! hashed {
    ($($kind:ty),*) => {$(
        impl Digest for $kind {
            fn digest(&self, to: &mut impl Hasher) {
                self.hash(to);
            }
        }
    )*};
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Digest for $kind {
            fn digest(&self, to: &mut impl Hasher) {
                to.write_u8(*self as u8);
            }
        }
    )*};
}

macro_rules! whole {
    ($($kind:ident { $($field:ident),* })*) => {$(
        impl Digest for $kind {
            fn digest(&self, to: &mut impl Hasher) {
                let $kind { $($field),* } = self;
                $($field.digest(to);)*
            }
        }
    )*};
}

impl<T: Digest> Digest for Option<T> {
    fn digest(&self, to: &mut impl Hasher) {
        match self {
            Some(value) => {
                to.write_u8(1);
                value.digest(to);
            }
            None => to.write_u8(0),
        }
    }
}

impl<T: Digest> Digest for Vec<T> {
    fn digest(&self, to: &mut impl Hasher) {
        to.write_usize(self.len());
        for value in self {
            value.digest(to);
        }
    }
}

impl<T: Digest + ?Sized> Digest for Rc<T> {
    fn digest(&self, to: &mut impl Hasher) {
        (**self).digest(to);
    }
}

impl Digest for Question {
    fn digest(&self, to: &mut impl Hasher) {
        match self {
            Self::ById(by) => (0_u8, by).digest(to),
            Self::Search(by) => (1_u8, by).digest(to),
            Self::All(kind) => (2_u8, kind).digest(to),
        }
    }
}

impl Digest for Sight {
    fn digest(&self, to: &mut impl Hasher) {
        match self {
            Self::Answered(answer) => (0_u8, answer).digest(to),
            Self::Listed(documents) => (1_u8, documents).digest(to),
            Self::Refused(answer) => (2_u8, answer).digest(to),
            Self::Nothing => to.write_u8(3),
        }
    }
}

impl Digest for Outcome {
    fn digest(&self, to: &mut impl Hasher) {
        match self {
            Self::Answered(answer) => (0_u8, answer).digest(to),
            Self::NotSent(why) => (1_u8, why).digest(to),
            Self::Unknown(why) => (2_u8, why).digest(to),
        }
    }
}

impl Digest for EffectBody {
    fn digest(&self, to: &mut impl Hasher) {
        match self {
            Self::Empty => to.write_u8(0),
            Self::AsSent => to.write_u8(1),
            Self::Document(document) => (2_u8, document).digest(to),
        }
    }
}

impl<T: Digest> Digest for (u8, &T) {
    fn digest(&self, to: &mut impl Hasher) {
        to.write_u8(self.0);
        self.1.digest(to);
    }
}

hashed!(str, String, bool, u16, u32, u64, usize);
number!(Method, NameKind, Stage, Verdict, Retry, Evidence, Divergence);
whole! {
    Field { name, value }
    Scope { tenant, target, source, principal }
    Request {
        scope, method, resource_type, id, body, key, version, if_match, received_at, extra
    }
    Name { kind, material }
    Tags { key, statement, names }
    Entry { id, identity, key, statement, stage, wake_at, state }
    Identity { id, fence, incarnation, state }
    Holder { identity, by }
    Found { by_key, by_statement, holders, open }
    ById { resource_type, id }
    Search { resource_type, attribute, value }
    TargetAnswer { status, location, etag, content_type, retry_after, body, extra }
    Observation { question, asked_at, seen_at, sight }
    Report { sent_at, ended_at, outcome }
    Settings { policy, schema, profile }
    Situation {
        request, tags, found, observed, settings, now, new_entry, new_identity, extra
    }
    Effect { method, resource_type, id, body, if_match }
    IdentityWrite { identity, names }
    Write { entry, identities, learned }
    Answer {
        verdict, decision, changed, replayed, diverged, target, status, retry, retry_after,
        evidence, detail, attributes, notes
    }
}

/// The first hexadecimal digits of the fractions of the square roots of 2, 3, 5 and 7, made odd.
const SEEDS: [u64; 4] =
    [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Each bit of what is taken in turns about half of the digest's.
    #[test]
    fn a_bit_turns_half_of_the_digest() {
        let text = [0x5a_u8; 100];
        let whole = of(&text[..]);
        for bit in 0..800 {
            let mut other = text;
            other[bit / 8] ^= 1 << (bit % 8);
            let turned = (whole ^ of(&other[..])).count_ones();
            assert!((32..=96).contains(&turned), "bit {bit} turns {turned} bits of 128");
        }
    }

    #[test]
    fn neither_half_meets_itself() {
        let of_each = |number: u32| of(&(number, "a text of some length", number / 3));
        let all: Vec<u128> = (0..100_000).map(of_each).collect();
        let half = |one: u128| u64::try_from(one & u128::from(u64::MAX)).expect("it fits");
        let low: BTreeSet<u64> = all.iter().map(|one| half(*one)).collect();
        let high: BTreeSet<u64> = all.iter().map(|one| half(*one >> 64)).collect();
        assert_eq!((low.len(), high.len()), (all.len(), all.len()));
    }

    #[test]
    fn what_stands_side_by_side_is_told_apart() {
        let two = |one: &str, two: &str| of(&(one, two));
        assert_ne!(two("ab", "c"), two("a", "bc"));
        assert_ne!(two("", "abc"), two("abc", ""));
        let field = |name: &str, value: &str| Field { name: name.into(), value: value.into() };
        let taken = |value: &dyn Fn(&mut Digester)| {
            let mut to = Digester::default();
            value(&mut to);
            to.digest()
        };
        let one = taken(&|to| to.take(&vec![field("a", "b"), field("c", "d")]));
        let two = taken(&|to| to.take(&vec![field("a", "b"), field("c", "e")]));
        assert_ne!(one, two);
    }
}
