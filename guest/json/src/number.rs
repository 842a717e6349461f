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

/// The fewest digits that read back as a double: ± 0.`digits` × 10^`point`
pub(crate) struct Decimal {
    is_negative: bool,
    // INVARIANT: ASCII digits, without zeros at either end, and not empty.
    pub(crate) digits: String,
    point: i32,
}

impl Decimal {
    /// Gives the shortest digits of `double`, which is finite and not zero; of several that are
    /// as short the nearest, and of two that are as near the even one.
    ///
    /// Core's own `{:e}` leaves the last choice open, `serde_json` does not.
    pub(crate) fn shortest(double: f64) -> Self {
        // As `-0.00125`, `1250.0` or `-1.25e-7`: the right digits, laid out otherwise.
        let text = serde_json::Number::from_f64(double).map(|number| number.to_string());
        let text = text.unwrap_or_default();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mantissa = mantissa.trim_start_matches('-');
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [integer, fraction].concat();
        let digits = all.trim_start_matches('0');
        let shift = i32::try_from(integer.len() + digits.len()).unwrap_or_default()
            - i32::try_from(all.len()).unwrap_or_default();
        Self {
            is_negative: double < 0.0,
            digits: digits.trim_end_matches('0').into(),
            point: shift + exponent.parse::<i32>().unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, parse};

    /// RFC 8785 appendix B, all its rows, in its order.
    #[test]
    fn a_double_is_written_as_in_rfc_8785_appendix_b() {
        check_bits(0x0000_0000_0000_0000, Some("0"));
        check_bits(0x8000_0000_0000_0000, Some("0"));
        check_bits(0x0000_0000_0000_0001, Some("5e-324"));
        check_bits(0x8000_0000_0000_0001, Some("-5e-324"));
        check_bits(0x7fef_ffff_ffff_ffff, Some("1.7976931348623157e+308"));
        check_bits(0xffef_ffff_ffff_ffff, Some("-1.7976931348623157e+308"));
        check_bits(0x4340_0000_0000_0000, Some("9007199254740992"));
        check_bits(0xc340_0000_0000_0000, Some("-9007199254740992"));
        check_bits(0x4430_0000_0000_0000, Some("295147905179352830000"));
        check_bits(0x7fff_ffff_ffff_ffff, None);
        check_bits(0x7ff0_0000_0000_0000, None);
        check_bits(0x44b5_2d02_c7e1_4af5, Some("9.999999999999997e+22"));
        check_bits(0x44b5_2d02_c7e1_4af6, Some("1e+23"));
        check_bits(0x44b5_2d02_c7e1_4af7, Some("1.0000000000000001e+23"));
        check_bits(0x444b_1ae4_d6e2_ef4e, Some("999999999999999700000"));
        check_bits(0x444b_1ae4_d6e2_ef4f, Some("999999999999999900000"));
        check_bits(0x444b_1ae4_d6e2_ef50, Some("1e+21"));
        check_bits(0x3eb0_c6f7_a0b5_ed8c, Some("9.999999999999997e-7"));
        check_bits(0x3eb0_c6f7_a0b5_ed8d, Some("0.000001"));
        check_bits(0x41b3_de43_5555_5553, Some("333333333.3333332"));
        check_bits(0x41b3_de43_5555_5554, Some("333333333.33333325"));
        check_bits(0x41b3_de43_5555_5555, Some("333333333.3333333"));
        check_bits(0x41b3_de43_5555_5556, Some("333333333.3333334"));
        check_bits(0x41b3_de43_5555_5557, Some("333333333.33333343"));
        check_bits(0xbecb_f647_612f_3696, Some("-0.0000033333333333333333"));
        check_bits(0x4314_3ff3_c1cb_0959, Some("1424953923781206.2"));
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
        check("123456789012345680000", "123456789012345680000");
        check("1e20", "100000000000000000000");
        check("1.2e21", "1.2e+21");
        check("-1e21", "-1e+21");
    }

    /// Java, .NET and Python write 17 digits at times; that many always name one double.
    #[test]
    fn a_fraction_is_rounded_to_the_nearest_double() {
        check("333333333.33333329", "333333333.3333333");
        check("0.10000000000000001", "0.1");
        check("4503599627370497.75", "4503599627370498");
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

    fn check(literal: &str, expected: &str) {
        assert_eq!(number(literal).as_str(), expected, "{literal}");
    }

    fn check_bits(bits: u64, expected: Option<&str>) {
        let number = Number::from_double(f64::from_bits(bits));
        assert_eq!(number.as_ref().map(Number::as_str), expected, "{bits:x}");
    }

    fn check_integers(literal: &str, unsigned: Option<u64>, signed: Option<i64>) {
        let number = number(literal);
        assert_eq!((number.as_u64(), number.as_i64()), (unsigned, signed), "{literal}");
    }

    fn number(literal: &str) -> Number {
        let value = parse(literal.as_bytes(), &Limits::request()).unwrap();
        value.as_number().unwrap().clone()
    }
}
