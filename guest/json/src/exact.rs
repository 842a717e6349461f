//! Digits: does a text hold a number that a double would change?
//!
//! Asked only about texts that are valid JSON, and only where a large double has been met.

use alloc::string::String;

use crate::number::Decimal;

/// Says whether every number of `text`, which is valid JSON, keeps its digits.
pub(crate) fn keeps_digits(text: &str) -> bool {
    literals(text).all(is_kept)
}

/// Says whether a double is so large that it need not keep every integer near it.
pub(crate) fn is_large(double: f64) -> bool {
    /// 2^53: from here on neighbouring doubles are 2 apart or more.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    EXACT_MAX <= double.abs()
}

/// Says whether `literal`, a JSON number, is one whose digits are kept: an `i64`, a `u64`, a
/// double below 2^53, or one whose shortest digits are the literal's.
fn is_kept(literal: &str) -> bool {
    if literal.parse::<u64>().is_ok() || literal.parse::<i64>().is_ok() {
        return true;
    }
    // By serde_json's reader, which is there already: the standard library's is 16 KB of code more.
    let number = literal.parse::<serde_json::Number>().ok();
    let Some(double) = number.and_then(|number| number.as_f64()) else { return false };
    if !is_large(double) {
        return true;
    }
    let mantissa = literal.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // The exponents need no comparison: the same digits with another one are another double.
    digits.trim_matches('0') == Decimal::shortest(double).digits
}

/// Gives the number literals of `text`, which is valid JSON.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        loop {
            let start = rest.find(|character: char| {
                character == '"' || character == '-' || character.is_ascii_digit()
            })?;
            let (_, found) = rest.split_at_checked(start)?;
            if let Some(string) = found.strip_prefix('"') {
                rest = after_string(string);
                continue;
            }
            let end = found
                .find(|character: char| {
                    !matches!(character, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')
                })
                .unwrap_or(found.len());
            let (literal, behind) = found.split_at_checked(end)?;
            rest = behind;
            return Some(literal);
        }
    })
}

/// Gives what follows the string whose content `text` starts with.
fn after_string(text: &str) -> &str {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return characters.as_str(),
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_or_not() {
        check("9007199254740991.0", true);
        check("9007199254740991.5", false);
        check("9007199254740992.5", false);
        check("9007199254740994.0", true);
        check("9007199254740995.0", false);
        check("-9007199254740993.0", false);
        check("18446744073709551615", true);
        check("18446744073709551616", false);
        check("18446744073709552000", true);
        check("0.0184467440737095520e21", true);
        check("1.8446744073709552E+19", true);
        check("1e308", true);
    }

    fn check(literal: &str, expected: bool) {
        assert_eq!(is_kept(literal), expected, "{literal}");
    }
}
