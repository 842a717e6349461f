//! Numbers: which one is it, and what is its one text?

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use serde::{Serialize, Serializer, ser};

/// A finite number in the one text that stands for it
///
/// The text is that of RFC 8785 §3.2.2.3, which is ECMAScript's `Number::toString`: `1.0`, `1`
/// and `1e0` are all `1`, `-0` is `0`, and `1e21` is `1e+21`. Two numbers are equal if their
/// texts are.
///
/// In one thing it is deliberately more exact than RFC 8785, which has doubles only: an integer
/// that fits `i64` or `u64` keeps all its digits, so that 9007199254740993 (2^53+1) and
/// 9007199254740992 never get one fingerprint. A larger number whose digits a double does not
/// keep is refused when parsed. A fraction below 2^53 is rounded to the nearest double, as RFC
/// 8785 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    // INVARIANT: the text of an `i64`, a `u64`, or a finite double by `write_es6`.
    text: Box<str>,
}

impl Number {
    /// Gives the text, which is also the canonical JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Gives the number, if it is an integer within `u64`.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.text.parse().ok()
    }

    /// Gives the number, if it is an integer within `i64`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.text.parse().ok()
    }

    /// Gives the number of a double, or `None` for an infinity or no number.
    pub(crate) fn from_double(double: f64) -> Option<Self> {
        if !double.is_finite() {
            return None;
        }
        // Positive and negative zero are equal, and have one text.
        if double == 0.0 {
            return Some(0_u64.into());
        }
        Some(Self { text: es6(&Decimal::shortest(double)).into_boxed_str() })
    }
}

impl From<u64> for Number {
    fn from(integer: u64) -> Self {
        Self { text: integer.to_string().into_boxed_str() }
    }
}

impl From<i64> for Number {
    fn from(integer: i64) -> Self {
        Self { text: integer.to_string().into_boxed_str() }
    }
}

impl From<u32> for Number {
    fn from(integer: u32) -> Self {
        u64::from(integer).into()
    }
}

impl From<i32> for Number {
    fn from(integer: i32) -> Self {
        i64::from(integer).into()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Writes the number as a serde number: an integer where it is one, or the double it came from.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(integer) = self.as_u64() {
            return serializer.serialize_u64(integer);
        }
        if let Some(integer) = self.as_i64() {
            return serializer.serialize_i64(integer);
        }
        serializer.serialize_f64(self.text.parse().map_err(ser::Error::custom)?)
    }
}

/// Says whether `literal`, a JSON number, is one whose digits are kept: an `i64`, a `u64`, a
/// double below 2^53, or one whose shortest digits are the literal's.
pub(crate) fn is_kept(literal: &str) -> bool {
    if literal.parse::<u64>().is_ok() || literal.parse::<i64>().is_ok() {
        return true;
    }
    let Ok(double) = literal.parse::<f64>() else { return false };
    if !is_large(double) {
        return true;
    }
    let mantissa = literal.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // The exponents need no comparison: the same digits with another one are another double.
    digits.trim_matches('0') == Decimal::shortest(double).digits
}

/// Says whether a double is so large that it need not keep every integer near it.
pub(crate) fn is_large(double: f64) -> bool {
    /// 2^53: from here on neighbouring doubles are 2 apart or more.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    EXACT_MAX <= double.abs()
}

/// The fewest digits that read back as a double: ± 0.`digits` × 10^`point`
struct Decimal {
    is_negative: bool,
    // INVARIANT: ASCII digits, without zeros at either end, and not empty.
    digits: String,
    point: i32,
}

impl Decimal {
    /// Gives the shortest digits of `double`, which is finite and not zero; of several that are
    /// as short, the nearest.
    fn shortest(double: f64) -> Self {
        // As `-1.25e-7`: core prints the digits that ECMAScript wants, laid out otherwise.
        let text = format!("{double:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        Self {
            is_negative: double < 0.0,
            digits: mantissa.chars().filter(char::is_ascii_digit).collect(),
            point: exponent.parse::<i32>().unwrap_or_default() + 1,
        }
    }
}

/// Lays digits out as ECMAScript's `Number::toString` does.
fn es6(decimal: &Decimal) -> String {
    let Decimal { is_negative, digits, point } = decimal;
    let sign = if *is_negative { "-" } else { "" };
    // ECMA-262 `Number::toString`, steps 6 to 10: k is `digits.len()` and n is `point`.
    if let -5..=0 = *point {
        let zeros = "0".repeat(usize::try_from(-*point).unwrap_or_default());
        return format!("{sign}0.{zeros}{digits}");
    }
    if let (1..=21, Ok(whole)) = (*point, usize::try_from(*point)) {
        return match digits.split_at_checked(whole) {
            None | Some((_, "")) => format!("{sign}{digits:0<whole$}"),
            Some((integer, fraction)) => format!("{sign}{integer}.{fraction}"),
        };
    }
    let exponent = point - 1;
    match digits.split_at_checked(1) {
        None | Some((_, "")) => format!("{sign}{digits}e{exponent:+}"),
        Some((first, rest)) => format!("{sign}{first}.{rest}e{exponent:+}"),
    }
}
