//! Preconditions of RFC 9110 section 13: is what the client has still right?

use http::{HeaderMap, HeaderValue, header};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first second of the year 10000, which HTTP's date format cannot write.
const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);

/// What a representation is recognised by.
#[derive(Debug, Clone)]
pub(super) struct Validators {
    /// A strong entity tag.
    pub(super) etag: HeaderValue,
    /// When it was last changed, where HTTP can say so.
    pub(super) modified: Option<Modified>,
}

/// A time of last change, in whole seconds, as HTTP writes it.
#[derive(Debug, Clone)]
pub(super) struct Modified {
    /// The value of `Last-Modified`.
    pub(super) header: HeaderValue,
    time: SystemTime,
    /// The second was over when the file was looked at, so a later change has another date.
    strong: bool,
}

impl Modified {
    /// The time of change `time` of a file that was looked at when the wall clock showed `wall`.
    ///
    /// A time in the future is given as `wall` (RFC 9110 section 8.8.2.1); one that HTTP cannot write is
    /// None.
    pub(super) fn new(time: SystemTime, wall: SystemTime) -> Option<Self> {
        let since_epoch = time.min(wall).duration_since(UNIX_EPOCH).ok()?;
        if since_epoch >= YEAR_10000 {
            return None;
        }
        let whole = UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs());
        let header = HeaderValue::from_str(&httpdate::fmt_http_date(whole)).ok()?;
        Some(Self { header, time: whole, strong: whole + Duration::from_secs(1) <= wall })
    }
}

/// What the preconditions of a GET or HEAD request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// The client has it already: 304.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since` of a GET or HEAD
/// request, in the order of RFC 9110 section 13.2.2. Dates that cannot be read are ignored.
pub(super) fn evaluate(headers: &HeaderMap, current: &Validators) -> Verdict {
    if headers.contains_key(header::IF_MATCH) {
        if !lists(headers, header::IF_MATCH, current, strong_match) {
            return Verdict::Failed;
        }
    } else if unmodified_since(headers, header::IF_UNMODIFIED_SINCE, current) == Some(false) {
        return Verdict::Failed;
    }
    let not_modified = if headers.contains_key(header::IF_NONE_MATCH) {
        lists(headers, header::IF_NONE_MATCH, current, weak_match)
    } else {
        unmodified_since(headers, header::IF_MODIFIED_SINCE, current) == Some(true)
    };
    if not_modified { Verdict::NotModified } else { Verdict::Proceed }
}

/// True when the `Range` header is to be looked at: there is no `If-Range`, or it names the current
/// representation by its strong tag or by its exact date (RFC 9110 section 13.1.5).
pub(super) fn if_range(headers: &HeaderMap, current: &Validators) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return !headers.contains_key(header::IF_RANGE);
    };
    let value = value.as_bytes().trim_ascii();
    if value.starts_with(b"\"") || value.starts_with(b"W/") {
        return strong_match(value, current.etag.as_bytes());
    }
    let date = std::str::from_utf8(value).ok().and_then(|text| httpdate::parse_http_date(text).ok());
    current.modified.as_ref().is_some_and(|modified| modified.strong && date == Some(modified.time))
}

/// True when the representation did not change after the date in the header `name`; None when there is no
/// such header, no date in it, or no date to compare it with.
fn unmodified_since(headers: &HeaderMap, name: header::HeaderName, current: &Validators) -> Option<bool> {
    let value = headers.get(name)?;
    let modified = current.modified.as_ref()?;
    if value == modified.header {
        return Some(true);
    }
    let date = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    Some(modified.time <= date)
}

/// True when a list of entity tags is `*` or has one that `matches` the current tag. Several header lines are
/// one list. A list that is not valid matches up to where it breaks.
fn lists(
    headers: &HeaderMap,
    name: header::HeaderName,
    current: &Validators,
    matches: fn(&[u8], &[u8]) -> bool,
) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut rest = value.as_bytes().trim_ascii();
        if rest == b"*" {
            return true;
        }
        while let Some((tag, after)) = next_tag(rest) {
            if matches(tag, current.etag.as_bytes()) {
                return true;
            }
            rest = after;
        }
        false
    })
}

/// The next entity tag of a list, quotes and weakness mark included, and what is behind it. A tag may hold
/// commas.
fn next_tag(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = list.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
    let list = list.get(start..)?;
    let mark = if list.starts_with(b"W/") { 2 } else { 0 };
    let quoted = list.get(mark..)?.strip_prefix(b"\"")?;
    let end = mark + 1 + memchr::memchr(b'"', quoted)? + 1;
    list.split_at_checked(end)
}

fn strong_match(tag: &[u8], current: &[u8]) -> bool {
    tag == current && !current.starts_with(b"W/")
}

fn weak_match(tag: &[u8], current: &[u8]) -> bool {
    tag.strip_prefix(b"W/").unwrap_or(tag) == current.strip_prefix(b"W/").unwrap_or(current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::*;

    /// 1994-11-06 08:49:37 UTC, the date of the examples in RFC 9110.
    const CHANGED: u64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn at(secs: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn current() -> Validators {
        let changed = at(CHANGED) + Duration::from_millis(700);
        Validators {
            etag: HeaderValue::from_static("\"a,b\""),
            modified: Modified::new(changed, at(CHANGED + 10)),
        }
    }

    fn verdict(lines: &[(&str, &str)]) -> Verdict {
        evaluate(&map(lines), &current())
    }

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn dates_are_whole_seconds_and_never_in_the_future() {
        let modified = current().modified.unwrap();
        assert_eq!(modified.header, DATE);
        assert!(modified.strong);
        let future = Modified::new(at(CHANGED + 99), at(CHANGED)).unwrap();
        assert_eq!(future.header, DATE);
        assert!(!future.strong);
        assert!(Modified::new(UNIX_EPOCH - Duration::from_secs(1), at(CHANGED)).is_none());
        assert!(Modified::new(UNIX_EPOCH + YEAR_10000, UNIX_EPOCH + YEAR_10000 * 2).is_none());
        assert!(
            Modified::new(UNIX_EPOCH + YEAR_10000 - Duration::from_nanos(1), UNIX_EPOCH + YEAR_10000 * 2)
                .is_some()
        );
    }

    #[test]
    fn if_none_match_compares_weakly() {
        assert_eq!(verdict(&[]), Proceed);
        for value in
            ["\"a,b\"", "W/\"a,b\"", "*", " * ", "\"x\", \"a,b\"", "\"x\",W/\"y\" , W/\"a,b\"", ",,\"a,b\""]
        {
            assert_eq!(verdict(&[("if-none-match", value)]), NotModified, "{value}");
        }
        for value in ["\"a\"", "a,b", "\"a,b", "", "\"x\", *", "w/\"a,b\"", "\"A,B\"", "x \"a,b\""] {
            assert_eq!(verdict(&[("if-none-match", value)]), Proceed, "{value}");
        }
        assert_eq!(verdict(&[("if-none-match", "\"x\""), ("if-none-match", "\"a,b\"")]), NotModified);
    }

    #[test]
    fn if_match_compares_strongly() {
        for value in ["\"a,b\"", "*", "\"x\", \"a,b\""] {
            assert_eq!(verdict(&[("if-match", value)]), Proceed, "{value}");
        }
        for value in ["W/\"a,b\"", "\"x\"", ""] {
            assert_eq!(verdict(&[("if-match", value)]), Failed, "{value}");
        }
    }

    #[test]
    fn dates_compare_in_seconds() {
        assert_eq!(verdict(&[("if-modified-since", DATE)]), NotModified);
        assert_eq!(verdict(&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")]), NotModified);
        assert_eq!(verdict(&[("if-modified-since", AFTER)]), NotModified);
        assert_eq!(verdict(&[("if-modified-since", BEFORE)]), Proceed);
        assert_eq!(verdict(&[("if-modified-since", "yesterday")]), Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", DATE)]), Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", AFTER)]), Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", BEFORE)]), Failed);
        assert_eq!(verdict(&[("if-unmodified-since", "yesterday")]), Proceed);
    }

    #[test]
    fn tags_come_before_dates_and_failures_before_304() {
        assert_eq!(verdict(&[("if-none-match", "\"x\""), ("if-modified-since", DATE)]), Proceed);
        assert_eq!(verdict(&[("if-none-match", "\"a,b\""), ("if-modified-since", BEFORE)]), NotModified);
        assert_eq!(verdict(&[("if-match", "\"a,b\""), ("if-unmodified-since", BEFORE)]), Proceed);
        assert_eq!(verdict(&[("if-match", "\"x\""), ("if-none-match", "\"a,b\"")]), Failed);
        assert_eq!(verdict(&[("if-match", "*"), ("if-none-match", "*")]), NotModified);
        assert_eq!(verdict(&[("if-unmodified-since", BEFORE), ("if-none-match", "*")]), Failed);
    }

    #[test]
    fn if_range_wants_the_very_same() {
        let holds = |lines: &[(&str, &str)], current: &Validators| if_range(&map(lines), current);
        assert!(holds(&[], &current()));
        for (value, expected) in [
            ("\"a,b\"", true),
            ("W/\"a,b\"", false),
            ("\"x\"", false),
            (DATE, true),
            (AFTER, false),
            (BEFORE, false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(holds(&[("if-range", value)], &current()), expected, "{value}");
        }
        assert!(!holds(&[("if-range", "\"a,b\""), ("if-range", "\"a,b\"")], &current()));
        let just_now = Validators { modified: Modified::new(at(CHANGED), at(CHANGED)), ..current() };
        assert!(!holds(&[("if-range", DATE)], &just_now), "it may change again within the second");
    }
}
