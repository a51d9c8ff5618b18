//! Times as MDTM, MFMT and MLSx have them (RFC 3659 section 2.3): `YYYYMMDDHHMMSS[.sss]`, in UTC.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::{
    fmt::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Reads a time, to the millisecond.
pub fn parse(text: &[u8]) -> Option<SystemTime> {
    let (whole, fraction) = match text.iter().position(|c| *c == b'.') {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, &b"0"[..]),
    };
    if whole.len() != 14 || fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    // Years have four digits, the rest two each.
    let part = |from: usize, to: usize| number(whole.get(from..to)?);
    let two = |from: usize| i8::try_from(part(from, from + 2)?).ok();
    let year = i16::try_from(part(0, 4)?).ok()?;
    let (month, day, hour, minute) = (two(4)?, two(6)?, two(8)?, two(10)?);
    // A leap second is the last one of its minute here.
    let second = two(12).filter(|second| *second <= 60)?.min(59);
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = (0..3).fold(0, |sum, at| {
        let digit = fraction.get(at).map_or(0, |digit| u64::from(digit - b'0'));
        sum * 10 + digit
    });
    let moment = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(of_civil(moment)? + Duration::from_millis(millis))
}

/// The moment that is `civil` in UTC.
pub(crate) fn of_civil(civil: DateTime) -> Option<SystemTime> {
    let seconds = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    match u64::try_from(seconds) {
        Ok(after) => UNIX_EPOCH.checked_add(Duration::from_secs(after)),
        Err(_) => UNIX_EPOCH.checked_sub(Duration::from_secs(seconds.unsigned_abs())),
    }
}

/// Date and time of day in UTC. What no calendar of ours can say is the epoch.
pub(crate) fn civil(time: SystemTime) -> DateTime {
    let stamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.to_zoned(TimeZone::UTC).datetime()
}

/// Writes a time, with milliseconds if it has any.
pub fn write(time: SystemTime) -> String {
    let (at, millis) = (civil(time), civil(time).millisecond());
    let mut text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        at.year().max(0),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    if millis != 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, ".{millis:03}");
    }
    text
}

/// Digits and nothing else, at most `u64::MAX`.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_there_and_back() {
        for text in
            ["19700101000000", "19991231235959", "20240229120000", "20380119031408", "20200101000000.250"]
        {
            assert_eq!(write(parse(text.as_bytes()).expect(text)), text);
        }
        assert_eq!(parse(b"19691231235959"), Some(UNIX_EPOCH - Duration::from_secs(1)));
        assert_eq!(parse(b"19700101000000.5"), Some(UNIX_EPOCH + Duration::from_millis(500)));
        assert_eq!(parse(b"19700101000000.0019"), Some(UNIX_EPOCH + Duration::from_millis(1)));
        assert_eq!(parse(b"19981231235960"), parse(b"19981231235959"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            &b""[..],
            b"2020010100000",
            b"202001010000000",
            b"20201301000000",
            b"20200230000000",
            b"20200101240000",
            b"20200101000061",
            b"20200101000000.",
            b"20200101000000.x",
            b"2020010100000x",
            b"+2020101000000",
        ] {
            assert_eq!(parse(text), None, "{}", text.escape_ascii());
        }
    }
}
