//! Numbers: which one is it, and what is its one text?

use alloc::boxed::Box;
use alloc::string::ToString;
use core::fmt;

use serde::{Serialize, Serializer, ser};

/// A number in the one text that stands for it
///
/// The text is laid out by RFC 8785 §3.2.2.3, which is ECMAScript's `Number::toString`: `1.0`, `1`
/// and `1e0` are all `1`, `-0` is `0`, and `1e21` is `1e+21`. Two numbers are equal if their
/// texts are.
///
/// In one thing it is deliberately more exact than RFC 8785, which has doubles only: all digits are
/// kept, so that 9007199254740993 (2^53+1) and 9007199254740992, or 0.1 and 0.10000000000000001,
/// never get one fingerprint. Where a double has a number's digits, which are 15 at least, the text
/// is that of RFC 8785.
///
/// What a double would make an infinity or zero of is no such number: it is refused when parsed. So
/// 2.5e-324 is the smallest one, and all are below 1.7976931348623158e308.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    // INVARIANT: by `laid_out`, of digits without zeros at either end.
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

    /// Gives the number of a literal of RFC 8259; `None` where it is out of range.
    ///
    /// The text has at most 21 characters more than the literal, whatever the exponent is.
    pub(crate) fn of(literal: &str) -> Option<Self> {
        let is_digits = literal.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if is_digits && literal.len() <= ZEROS.len() {
            // Such a one is laid out as it stands.
            return Some(Self { text: if literal == "-0" { "0" } else { literal }.into() });
        }
        let magnitude = literal.trim_start_matches('-');
        let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
        let (int, frac) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [int, frac].concat();
        let digits = all.trim_start_matches('0');
        let whole = i64::try_from(int.len()).ok()?;
        let zeros = i64::try_from(all.len() - digits.len()).ok()?;
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Some(0_u64.into());
        }
        let point = exponent.parse::<i64>().ok()?.checked_add(whole - zeros)?;
        let is_in_range = (SMALLEST..BEYOND).contains(&(point, digits));
        is_in_range.then(|| Self { text: laid_out(literal.starts_with('-'), digits, point) })
    }

    /// Gives the number of the fewest digits that name a double, as RFC 8785 §3.2.2.3 says: the nearest of them, and
    /// of two that are equally near the even one; `None` for an infinity or no number.
    ///
    /// `serde_json` chooses so; the standard library may give the odd one.
    pub(crate) fn of_double(double: f64) -> Option<Self> {
        Self::of(&serde_json::Number::from_f64(double)?.to_string())
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

/// Writes the number as a serde number: an integer where it is one, else a double; one that is neither is an error.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(integer) = self.as_u64() {
            return serializer.serialize_u64(integer);
        }
        if let Some(integer) = self.as_i64() {
            return serializer.serialize_i64(integer);
        }
        match self.text.parse() {
            Ok(double) if Self::of_double(double).as_ref() == Some(self) => {
                serializer.serialize_f64(double)
            }
            _ => Err(ser::Error::custom("number has more digits than a double keeps")),
        }
    }
}

/// Lays out ± 0.`digits` × 10^`point` as ECMAScript's `Number::toString` does.
fn laid_out(is_negative: bool, digits: &str, point: i64) -> Box<str> {
    let sign = if is_negative { "-" } else { "" };
    let zeros = |count| ZEROS.get(..count).unwrap_or_default();
    let parted = |place| digits.split_at_checked(place).unwrap_or((digits, ""));
    // ECMA-262 `Number::toString`, steps 6 to 10: k is `digits.len()` and n is `point`.
    match (usize::try_from(point), usize::try_from(-point)) {
        (_, Ok(behind)) if behind <= 5 => [sign, "0.", zeros(behind), digits].concat(),
        (Ok(whole), _) if whole <= ZEROS.len() => {
            let (integer, fraction) = parted(whole);
            let dot = if fraction.is_empty() { "" } else { "." };
            [sign, integer, zeros(whole - integer.len()), dot, fraction].concat()
        }
        _ => {
            let (first, rest) = parted(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let e = if point < 1 { "e" } else { "e+" };
            [sign, first, dot, rest, e, &(point - 1).to_string()].concat()
        }
    }
    .into()
}

/// The most digits of an integer that is written without an exponent.
const ZEROS: &str = "000000000000000000000";

/// Half of the smallest double, 2^-1074, which is nearer to that than to zero: point and digits.
const SMALLEST: (i64, &str) = (-323, "25");

/// In as many digits as are written of the largest double, 2^1024 - 2^971, the next number: point and digits.
const BEYOND: (i64, &str) = (309, "17976931348623158");

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;
    use crate::{JsonError, Limits, parse};

    /// RFC 8785 appendix B, all its rows, in its order, but for those that are no number.
    #[test]
    fn the_texts_of_rfc_8785_appendix_b_stay() {
        for text in [
            "0",
            "5e-324",
            "-5e-324",
            "1.7976931348623157e+308",
            "-1.7976931348623157e+308",
            "9007199254740992",
            "-9007199254740992",
            "295147905179352830000",
            "9.999999999999997e+22",
            "1e+23",
            "1.0000000000000001e+23",
            "999999999999999700000",
            "999999999999999900000",
            "1e+21",
            "9.999999999999997e-7",
            "0.000001",
            "333333333.3333332",
            "333333333.33333325",
            "333333333.3333333",
            "333333333.3333334",
            "333333333.33333343",
            "-0.0000033333333333333333",
            "1424953923781206.2",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn a_literal_is_laid_out_as_ecmascript_does() {
        check("1E30", "1e+30");
        check("4.50", "4.5");
        check("2e-3", "0.002");
        check("0.000000000000000000000000001", "1e-27");
        check("1e-6", "0.000001");
        check("1e-7", "1e-7");
        check("-1.5e-7", "-1.5e-7");
        check("1.25e2", "125");
        check("12.5e-1", "1.25");
        check("-12.5e-1", "-1.25");
        check("100e-2", "1");
        check("0.00e+7", "0");
        check("-0.0", "0");
        check("123456789012345680000", "123456789012345680000");
        check("1e20", "100000000000000000000");
        check("1.2e21", "1.2e+21");
        check("-1e21", "-1e+21");
        check("0.001200e+00004", "12");
    }

    /// A double would make 333333333.3333333, 0.1, 4503599627370498 and 9007199254740992 of these.
    #[test]
    fn every_digit_is_kept() {
        check("333333333.33333329", "333333333.33333329");
        check("0.10000000000000001", "0.10000000000000001");
        check("4503599627370497.75", "4503599627370497.75");
        check("9007199254740993.0", "9007199254740993");
        check("18446744073709551616", "18446744073709551616");
        check("1000000000000000000001", "1.000000000000000000001e+21");
        check("-100000000000000000000.10", "-100000000000000000000.1");
        check(&format!("0.1{}1", "0".repeat(900)), &format!("0.1{}1", "0".repeat(900)));
    }

    /// 2^-1074 is 4.94…e-324 and 2^1024 is 1.797693134862315807…e308.
    #[test]
    fn what_a_double_takes_for_zero_or_infinite_is_out_of_range() {
        check("2.5e-324", "2.5e-324");
        check_range("2.4e-324");
        check_range("-1e-400");
        check_range(&format!("0.{}1", "0".repeat(400)));
        check("1.79769313486231579e308", "1.79769313486231579e+308");
        check_range("1.7976931348623158e308");
        check_range("-1e309");
        check(&format!("1{}", "0".repeat(308)), "1e+308");
        check_range(&"9".repeat(309));
        // Only the number counts, not the exponent that it is written with.
        check(&format!("0.{}1e401", "0".repeat(400)), "1");
        check(&format!("1{}e-400", "0".repeat(400)), "1");
        check("0e99999999999999999999", "0");
        for sign in ["", "-"] {
            check_range(&format!("1e{sign}99999999999999999999"));
            check_range(&format!("1e{sign}{}", i64::MAX));
        }
    }

    #[test]
    fn an_integer_is_given_where_it_fits() {
        check_integers("0", Some(0), Some(0));
        check_integers("-0.0", Some(0), Some(0));
        check_integers("1e3", Some(1000), Some(1000));
        check_integers("-1", None, Some(-1));
        check_integers("9223372036854775808", Some(1 << 63), None);
        check_integers("-9223372036854775808", None, Some(i64::MIN));
        check_integers("1.5", None, None);
        check_integers("1e21", None, None);
    }

    #[test]
    fn serde_is_given_no_number_that_is_rounded() {
        let written = |literal: &str| serde_json::to_string(&number(literal).unwrap()).ok();
        assert_eq!(written("0.10").as_deref(), Some("0.1"));
        assert_eq!(written("18446744073709551615").as_deref(), Some("18446744073709551615"));
        assert_eq!(written("18446744073709551617"), None);
        assert_eq!(written("0.10000000000000001"), None);
        assert_eq!(Number::of_double(f64::INFINITY), None);
        assert_eq!(Number::of_double(f64::NAN), None);
        assert_eq!(Number::of_double(-0.0).unwrap().as_str(), "0");
    }

    /// Of the doubles from 2^50 to 2^51 each fourth ends in .25 and each fourth in .75; the first of these is in
    /// RFC 8785 appendix B, note 1.
    #[test]
    fn of_two_texts_of_a_double_it_has_the_even_one() {
        for (double, even, odd) in [
            ("1424953923781206.25", "1424953923781206.2", "1424953923781206.3"),
            ("-1345697136712648.25", "-1345697136712648.2", "-1345697136712648.3"),
            ("1345697136712648.75", "1345697136712648.8", "1345697136712648.7"),
        ] {
            let double: f64 = double.parse().unwrap();
            assert_eq!(Number::of_double(double).unwrap().as_str(), even);
            assert_eq!(serde_json::to_string(&number(even).unwrap()).unwrap(), even);
            // The same double, but not the text that stands for it.
            assert!(serde_json::to_string(&number(odd).unwrap()).is_err(), "{odd}");
        }
    }

    fn check(literal: &str, expected: &str) {
        assert_eq!(number(literal).unwrap().as_str(), expected, "{literal}");
        assert_eq!(number(expected).unwrap().as_str(), expected, "{literal}");
    }

    fn check_range(literal: &str) {
        assert_eq!(number(literal), Err(JsonError::NumberRange), "{literal}");
    }

    fn check_integers(literal: &str, unsigned: Option<u64>, signed: Option<i64>) {
        let number = number(literal).unwrap();
        assert_eq!((number.as_u64(), number.as_i64()), (unsigned, signed), "{literal}");
    }

    fn number(literal: &str) -> Result<Number, JsonError> {
        let value = parse(literal.as_bytes(), &Limits::request())?;
        Ok(value.as_number().unwrap().clone())
    }
}
