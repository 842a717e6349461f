//! Laws: what holds for every value, and for every text?

use std::collections::BTreeSet;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::{Limits, Number, Object, Path, Segment, Value, canonical, lift, parse, put_back};

proptest! {
    #[test]
    fn a_value_is_read_back_from_its_canonical_text(value in values(any_name())) {
        prop_assert_eq!(read(&canonical(&value)), value);
    }

    #[test]
    fn the_canonical_text_is_a_fixpoint(value in values(any_name())) {
        let text = canonical(&value);
        prop_assert_eq!(canonical(&read(&text)), text);
    }

    #[test]
    fn values_are_equal_if_and_only_if_their_texts_are(
        one in values(few_names()),
        other in values(few_names()),
    ) {
        prop_assert_eq!(one == other, canonical(&one) == canonical(&other));
    }

    /// §7 number 14.
    #[test]
    fn order_and_space_and_escapes_change_nothing(
        value in values(any_name()),
        dice in vec(any::<u8>(), 64),
    ) {
        let text = rewritten(&value, &mut dice.iter().copied().cycle());
        prop_assert_eq!(canonical(&read(&text)), canonical(&value), "{}", text);
    }

    /// The shortest digits of a double are its number, however they are laid out.
    #[test]
    fn a_double_is_one_with_its_number(bits in any::<u64>()) {
        let double = f64::from_bits(bits);
        prop_assume!(double.is_finite());
        let number = read(&format!("{double:e}"));
        prop_assert_eq!(number.to_string().parse::<f64>().unwrap(), double);
        prop_assert_eq!(read(&double.to_string()), number);
    }

    /// Digits with a point anywhere, and an exponent that makes up for it, are one number; another
    /// last digit is another number.
    #[test]
    fn a_number_has_one_text_for_all_its_literals(
        first in 1_u8..=9,
        rest in "[0-9]{0,40}",
        last in 1_u8..=8,
        point in -300_i64..260,
        places in vec((0_usize..50, 0_usize..50, 0_usize..50), 1..6),
    ) {
        let digits = format!("{first}{rest}{last}");
        let spelled = |digits: &str, (place, before, behind): (usize, usize, usize)| {
            let all = ["0".repeat(before), digits.into(), "0".repeat(behind)].concat();
            let place = place % all.len() + 1;
            let (int, frac) = all.split_at(place.min(all.len()));
            let int = int.trim_start_matches('0');
            let int = if int.is_empty() { "0" } else { int };
            let frac = if frac.is_empty() { "0" } else { frac };
            let exponent = point + i64::try_from(before).unwrap() - i64::try_from(place).unwrap();
            read(&format!("{int}.{frac}e{exponent}"))
        };
        let number = spelled(&digits, (0, 0, 0));
        for place in places {
            prop_assert_eq!(&spelled(&digits, place), &number);
        }
        let next = spelled(&format!("{first}{rest}{}", last + 1), (0, 0, 0));
        prop_assert_ne!(&next, &number);
        let double: f64 = format!("0.{digits}e{point}").parse().unwrap();
        prop_assert_eq!(number.to_string().parse::<f64>().unwrap(), double);
    }

    #[test]
    fn an_integer_keeps_its_digits(unsigned in any::<u64>(), signed in any::<i64>()) {
        prop_assert_eq!(canonical(&read(&unsigned.to_string())), unsigned.to_string());
        prop_assert_eq!(canonical(&read(&signed.to_string())), signed.to_string());
    }

    #[test]
    fn serde_writes_what_it_reads(value in values(any_name())) {
        prop_assert_eq!(&read(&serde_json::to_string(&value).unwrap()), &value);
        // Not through a text: reading one, `serde_json` may be one unit in the last place off.
        let theirs = serde_json::to_value(&value).unwrap();
        prop_assert_eq!(serde_json::from_value::<Value>(theirs).unwrap(), value);
    }

    #[test]
    fn a_member_is_found_as_a_search_would_find_it(
        members in vec((few_names(), any::<u64>()), 0..12),
        name in few_names(),
    ) {
        let object: Object = members.clone().into_iter().collect();
        let found = members.iter().rev().find(|(other, _)| other.eq_ignore_ascii_case(&name));
        let found = found.map(|(_, value)| Value::from(*value));
        prop_assert_eq!(object.find(&name), found.as_ref());
        let distinct: BTreeSet<_> =
            members.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        prop_assert_eq!(object.len(), distinct.len());
    }

    #[test]
    fn what_is_lifted_can_be_put_back(
        value in values(few_names()),
        paths in vec(vec(segment(), 0..4).prop_map(Path), 0..6),
    ) {
        let mut document = value.clone();
        let mut lifted = Vec::new();
        let count = lift(&mut document, &paths, &mut |value| {
            lifted.push(value.clone());
            format!("lifted {}", lifted.len() - 1).into()
        });
        prop_assert_eq!(count, lifted.len());
        let returned = put_back(&mut document, &mut |value| {
            let index = value.as_str()?.strip_prefix("lifted ")?.parse::<usize>().ok()?;
            lifted.get(index).cloned()
        });
        prop_assert_eq!(returned, count);
        prop_assert_eq!(document, value);
    }

    #[test]
    fn the_order_of_paths_changes_nothing(
        value in values(few_names()),
        paths in vec(vec(segment(), 0..4).prop_map(Path), 0..6),
    ) {
        let lifted = |paths: &[Path]| {
            let mut document = value.clone();
            lift(&mut document, paths, &mut |value| format!("<{value}>").into());
            document
        };
        let reversed: Vec<_> = paths.iter().rev().cloned().collect();
        prop_assert_eq!(lifted(&paths), lifted(&reversed));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        holds_for_text(&bytes);
    }

    #[test]
    fn no_scraps_of_json_make_it_panic(scraps in vec(select(SCRAPS), 0..40)) {
        holds_for_text(scraps.concat().as_bytes());
    }

    #[test]
    fn no_damage_makes_it_panic(
        value in values(any_name()),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = canonical(&value).into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        holds_for_text(&text);
        holds_for_text(&text[..at]);
    }
}

/// Whatever is taken has a canonical text that is a fixpoint, and is taken by `serde_json` too.
fn holds_for_text(text: &[u8]) {
    let Ok(value) = parse(text, &Limits::request()) else { return };
    assert_eq!(read(&canonical(&value)), value);
    assert!(serde_json::from_slice::<serde_json::Value>(text).is_ok());
}

fn read(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::request()).unwrap()
}

fn values(names: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-9_i64..9).prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |double| Number::of_double(double).map(Value::from)),
        any_name().prop_map(Value::from),
        few_names().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((names.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_name() -> impl Strategy<Value = String> + Clone {
    any::<String>().prop_map(|name| name.replace('\0', ""))
}

fn few_names() -> impl Strategy<Value = String> + Clone {
    select(&["a", "A", "b", "B", "ab", "", "_", "path", "ä", "a[b eq 1].ab"][..])
        .prop_map(String::from)
}

fn segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        few_names().prop_map(Segment::Member),
        Just(Segment::Each),
        few_names().prop_map(Segment::Path),
        few_names().prop_map(Segment::Filter),
    ]
}

/// Writes a value in another way than the canonical one, by throws of `dice`.
fn rewritten(value: &Value, dice: &mut dyn Iterator<Item = u8>) -> String {
    let text = match value {
        Value::Null | Value::Bool(_) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => escaped(text, dice),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| rewritten(item, dice)).collect();
            format!("[{}{}]", items.join(","), space(dice))
        }
        Value::Object(object) => {
            let mut members: Vec<_> = object
                .iter()
                .map(|(name, value)| {
                    let name = escaped(name, dice);
                    (
                        dice.next(),
                        format!("{}{name}{}:{}", space(dice), space(dice), rewritten(value, dice)),
                    )
                })
                .collect();
            members.sort();
            let members: Vec<_> = members.into_iter().map(|(_, member)| member).collect();
            format!("{{{}{}}}", members.join(","), space(dice))
        }
    };
    [space(dice), &text, space(dice)].concat()
}

fn space(dice: &mut dyn Iterator<Item = u8>) -> &'static str {
    match dice.next().unwrap() % 8 {
        0 => " ",
        1 => "\n\t",
        2 => "\r\n",
        _ => "",
    }
}

fn escaped(text: &str, dice: &mut dyn Iterator<Item = u8>) -> String {
    let mut units = [0; 2];
    let characters: String = text
        .chars()
        .map(|character| match (character, dice.next().unwrap() % 4) {
            ('/', 0) => "\\/".into(),
            ('"' | '\\' | '\0'..='\u{1f}', _) | (_, 0) => character
                .encode_utf16(&mut units)
                .iter()
                .map(|unit| format!("\\u{unit:04X}"))
                .collect(),
            _ => character.to_string(),
        })
        .collect();
    format!("\"{characters}\"")
}

const SCRAPS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"a\"",
    "\"A\"",
    "\"\\u0061\"",
    "\\",
    "\\u",
    "d800",
    "null",
    "true",
    "fals",
    "-",
    "0",
    "1",
    "9007199254740993",
    "18446744073709551616",
    ".",
    ".5",
    "e",
    "E+",
    "e-9",
    "e99",
    " ",
    "\n",
    "\0",
    "é",
    "\u{feff}",
];
