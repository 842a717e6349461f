//! When was something made? To be compared, and nothing else.

/// An instant: seconds since 1970 in UTC, and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(i64, u32);

impl Instant {
    /// Reads a `dateTime` (RFC 7643 §2.3.5), as RFC 3339 has it: `2010-01-23T04:56:22.5+02:00`. None where it is another text.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (date, time) = text.split_at_checked(10)?;
        let (clock, rest) = time.get(1..)?.split_at_checked(8)?;
        if !matches!(time.as_bytes().first(), Some(b'T' | b't' | b' ')) {
            return None;
        }
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
        // A leap second is told as 60.
        let fits = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24;
        if !fits || 59 < minute || 60 < second {
            return None;
        }
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => {
                let end = rest.find(|one: char| !one.is_ascii_digit()).unwrap_or(rest.len());
                rest.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?
            }
            None => ("", rest),
        };
        // Who names no zone means UTC, as a rule.
        let offset = match zone.split_at_checked(1).unwrap_or_default() {
            ("" | "Z" | "z", "") => 0,
            ("+", ahead) => minutes(ahead)?,
            ("-", behind) => -minutes(behind)?,
            _ => return None,
        };
        let seconds =
            days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60;
        let digits = fraction.bytes().chain([b'0'; 9]).take(9);
        let nanos = digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
        Some(Self(seconds, nanos))
    }
}

/// How far a clock is from UTC.
fn minutes(zone: &str) -> Option<i64> {
    let [hours, minutes] = numbers(zone, ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

/// Numbers of so many digits each.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(between);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        let plain = part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| plain)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970-01-01 in the Gregorian calendar, with years that begin in March: a leap day is the last of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - DAYS_BEFORE_1970
}

/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_their_zone() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("1970-01-01T02:00:00+02:00", 0, 0),
            ("1969-12-31T23:30:00-00:30", 0, 0),
            // `date -u -d … +%s`
            ("2000-02-29T12:34:56Z", 951_827_696, 0),
            ("2010-01-23T04:56:22.5Z", 1_264_222_582, 500_000_000),
            ("2010-01-23T04:56:22.5", 1_264_222_582, 500_000_000),
            ("2010-01-23T04:56:22", 1_264_222_582, 0),
            ("2100-03-01t00:00:00.0000000019z", 4_107_542_400, 1),
            ("1900-03-01 00:00:00Z", -2_203_891_200, 0),
            ("2010-01-23T04:59:22Z", 1_264_222_762, 0),
            // The last moment of June 1972: a leap second.
            ("1972-06-30T23:59:60Z", 78_796_800, 0),
            ("2010-12-31T23:59:00+23:59", 1_293_753_600, 0),
        ] {
            assert_eq!(Instant::read(text), Some(Instant(seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "2010-01-23",
            "2010-01-23T04:56:22.Z",
            "2010-01-23T04:56:22.",
            "2010-13-23T04:56:22Z",
            "2010-01-23T24:56:22Z",
            "2010-00-23T04:56:22Z",
            "2010-01-00T04:56:22Z",
            "2010-01-32T04:56:22Z",
            "2010-01-23T04:60:22Z",
            "2010-01-23T04:56:61Z",
            "2010-01-23T04:56:22+24:00",
            "2010-01-23T04:56:22+00:60",
            "2010-01-23x04:56:22Z",
            "2010-01-23T04:56:22+2:00",
            "2010-01-23T04:56:22Zz",
            "2010-1-233T04:56:22Z",
            "201é-01-23T04:56:22Z",
            "+010-01-23T04:56:22Z",
            "2010/01/23T04:56:22Z",
        ] {
            assert_eq!(Instant::read(text), None, "{text}");
        }
    }
}
