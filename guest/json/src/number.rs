//! A JSON number as the text of its value.

use alloc::{format, string::String};

/// A number, held as the text that RFC 8785 §3.2.2.3 gives it: `1.0`, `1` and `1e0` are all `1`.
///
/// Whole numbers from -2^63 to 2^64 - 1 are exact, which is more than RFC 8785's doubles are: 2^53 + 1
/// keeps its last digit, so two numbers that differ never get one fingerprint. Any other number is
/// the double nearest to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(String);

impl Number {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole number, if it is one from 0 to 2^64 - 1.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The whole number, if it is one from -2^63 to 2^63 - 1.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The number with this value; none if it is infinite or no number.
    pub(crate) fn from_double(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        if value == 0.0 {
            return Some(Self("0".into()));
        }
        // The shortest digits that read back as the same double, ties to even, as ECMAScript wants.
        let shortest = serde_json::to_string(&value).ok()?;
        let (sign, shortest) = match shortest.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", shortest.as_str()),
        };
        let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = i32::try_from(all.len() - digits.len()).ok()?;
        let exponent = exponent + i32::try_from(whole.len()).ok()? - 1 - leading;
        Some(Self(format!("{sign}{}", lay_out(digits.trim_end_matches('0'), exponent)?)))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(format!("{value}"))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(format!("{value}"))
    }
}

/// ECMA-262 §6.1.6.1.20, `Number::toString`: `digits` with the point after the first one, times ten to
/// the power of `exponent`.
fn lay_out(digits: &str, exponent: i32) -> Option<String> {
    let count = i32::try_from(digits.len()).ok()?;
    let point = exponent.checked_add(1)?;
    if count <= point && point <= 21 {
        let zeros = usize::try_from(point - count).ok()?;
        return Some(format!("{digits}{}", "0".repeat(zeros)));
    }
    if 0 < point && point <= 21 {
        let (whole, rest) = digits.split_at_checked(usize::try_from(point).ok()?)?;
        return Some(format!("{whole}.{rest}"));
    }
    if -6 < point && point <= 0 {
        let zeros = usize::try_from(-point).ok()?;
        return Some(format!("0.{}{digits}", "0".repeat(zeros)));
    }
    let (first, rest) = digits.split_at_checked(1)?;
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    Some(format!("{first}{point}{rest}e{sign}{}", exponent.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8785 appendix B.
    #[test]
    fn a_double_is_written_as_ecmascript_writes_it() {
        check(0x0000_0000_0000_0000, "0");
        check(0x8000_0000_0000_0000, "0");
        check(0x0000_0000_0000_0001, "5e-324");
        check(0x8000_0000_0000_0001, "-5e-324");
        check(0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308");
        check(0x4340_0000_0000_0000, "9007199254740992");
        check(0xc340_0000_0000_0000, "-9007199254740992");
        check(0x4430_0000_0000_0000, "295147905179352830000");
        check(0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22");
        check(0x44b5_2d02_c7e1_4af6, "1e+23");
        check(0x444b_1ae4_d6e2_ef4e, "999999999999999700000");
        check(0x444b_1ae4_d6e2_ef50, "1e+21");
        check(0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7");
        check(0x3eb0_c6f7_a0b5_ed8d, "0.000001");
        check(0x41b3_de43_5555_5553, "333333333.3333332");
        check(0x41b3_de43_5555_5555, "333333333.3333333");
        check(0x41b3_de43_5555_5557, "333333333.33333343");
        check(0xbecb_f647_612f_3696, "-0.0000033333333333333333");
        check(0x4314_3ff3_c1cb_0959, "1424953923781206.2");
    }

    #[test]
    fn what_is_no_number_has_no_text() {
        assert_eq!(Number::from_double(f64::NAN), None);
        assert_eq!(Number::from_double(f64::INFINITY), None);
    }

    fn check(bits: u64, expected: &str) {
        let number = Number::from_double(f64::from_bits(bits)).expect("finite");
        assert_eq!(number.as_str(), expected);
    }
}
