//! The `Range` header of RFC 9110 section 14: which bytes of a representation are asked for.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::ops::Range;

/// The most ranges that one request may ask for, before merging. With more the header is ignored and the
/// whole is sent, which RFC 9110 section 14.2 allows: a client that wants so many small pieces is broken or
/// hostile, and the whole in one piece is the cheapest right answer to both.
pub(super) const RANGES_MAX: usize = 16;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// No range, an unknown unit, a header that is not valid, or too many ranges: the whole.
    Whole,
    /// At least one range. None is empty, none touches another, all are below the size; the order is that of
    /// the request.
    Parts(Vec<Range<u64>>),
    /// No range starts within the representation: 416.
    Unsatisfiable,
}

/// What the request's `Range` header asks for of a representation of `size` bytes.
pub(super) fn asked(headers: &HeaderMap, size: u64) -> Asked {
    let mut values = headers.get_all(header::RANGE).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => parse(value, size),
        _ => Asked::Whole,
    }
}

fn parse(value: &str, size: u64) -> Asked {
    let Some((unit, specs)) = value.split_once('=') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    // No Content-Range can describe a part of nothing, so all ranges of an empty file get the empty whole,
    // except those that RFC 9110 section 14.1.2 calls unsatisfiable.
    let (mut parts, mut seen, mut valid) = (Vec::new(), 0, false);
    for spec in specs.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty()) {
        seen += 1;
        let Some(range) = parse_one(spec, size) else { return Asked::Whole };
        if seen > RANGES_MAX {
            return Asked::Whole;
        }
        match range {
            One::Bytes(range) => merge(&mut parts, range),
            One::Nothing => valid = true,
            One::Beyond => {}
        }
    }
    match (seen, parts.is_empty(), valid) {
        (0, ..) | (_, true, true) => Asked::Whole,
        (_, true, false) => Asked::Unsatisfiable,
        (_, false, _) => Asked::Parts(parts),
    }
}

/// One range of a header, cut to the representation.
enum One {
    Bytes(Range<u64>),
    /// A suffix of an empty representation: satisfiable, and empty.
    Nothing,
    /// Not satisfiable.
    Beyond,
}

/// `first-last`, `first-` or `-suffix`; None when it is none of these.
fn parse_one(spec: &str, size: u64) -> Option<One> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(match suffix.min(size) {
            0 if suffix > 0 => One::Nothing,
            0 => One::Beyond,
            suffix => One::Bytes(size - suffix..size),
        });
    }
    let first = number(first)?;
    let end = match last {
        "" => size,
        last => Some(number(last)?).filter(|last| *last >= first)?.saturating_add(1).min(size),
    };
    Some(if first < size { One::Bytes(first..end) } else { One::Beyond })
}

/// Digits; a number too large for 64 bits counts as the largest.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Adds a range, joined with all that it overlaps or touches, at the place of the first of them (RFC 9110
/// section 15.3.7.2 wants the order of the request kept, and allows the joining).
fn merge(parts: &mut Vec<Range<u64>>, mut range: Range<u64>) {
    let mut place = parts.len();
    let mut at = 0;
    while let Some(other) = parts.get(at) {
        if other.start <= range.end && range.start <= other.end {
            range = other.start.min(range.start)..other.end.max(range.end);
            parts.remove(at);
            place = place.min(at);
            at = 0; // the joined range may touch one that was passed by
        } else {
            at += 1;
        }
    }
    parts.insert(place.min(parts.len()), range);
}

/// The `Content-Range` of a part (RFC 9110 section 14.4).
pub(super) fn content_range(part: &Range<u64>, size: u64) -> (HeaderName, HeaderValue) {
    (header::CONTENT_RANGE, ascii(&describe(part, size)))
}

/// The `Content-Range` of a 416, which tells the size only.
pub(super) fn unsatisfied_range(size: u64) -> (HeaderName, HeaderValue) {
    (header::CONTENT_RANGE, ascii(&format!("bytes */{size}")))
}

/// The head of one part of a `multipart/byteranges` body, with the delimiter before it (section 14.6).
pub(super) fn part_head(boundary: &str, content_type: &[u8], part: &Range<u64>, size: u64) -> Vec<u8> {
    let mut head = format!("\r\n--{boundary}\r\nContent-Type: ").into_bytes();
    head.extend_from_slice(content_type);
    head.extend_from_slice(format!("\r\nContent-Range: {}\r\n\r\n", describe(part, size)).as_bytes());
    head
}

/// What ends a `multipart/byteranges` body.
pub(super) fn multipart_end(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}--\r\n").into_bytes()
}

/// The media type of a `multipart/byteranges` body.
pub(super) fn multipart_type(boundary: &str) -> (HeaderName, HeaderValue) {
    (header::CONTENT_TYPE, ascii(&format!("multipart/byteranges; boundary={boundary}")))
}

fn describe(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1))
}

/// A header value from text of ours; anything that no header can carry would become an empty one.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<const N: usize>(ranges: [(u64, u64); N]) -> Asked {
        Asked::Parts(ranges.into_iter().map(|(start, end)| start..end).collect())
    }

    #[test]
    fn single_ranges() {
        for (value, expected) in [
            ("bytes=0-0", parts([(0, 1)])),
            ("bytes=0-99", parts([(0, 100)])),
            ("bytes=0-", parts([(0, 100)])),
            ("bytes=99-", parts([(99, 100)])),
            ("bytes=10-500", parts([(10, 100)])),
            ("bytes=-1", parts([(99, 100)])),
            ("bytes=-100", parts([(0, 100)])),
            ("bytes=-1000", parts([(0, 100)])),
            ("BYTES=5-5", parts([(5, 6)])),
            ("bytes= 5-5 ", parts([(5, 6)])),
            ("bytes=,5-5,", parts([(5, 6)])),
            ("bytes=0-99999999999999999999999", parts([(0, 100)])),
            ("bytes=100-", Asked::Unsatisfiable),
            ("bytes=100-200", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=99999999999999999999999-", Asked::Unsatisfiable),
        ] {
            assert_eq!(parse(value, 100), expected, "{value}");
        }
    }

    #[test]
    fn broken_headers_are_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5",
            "bytes=5-4",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1--2",
            "bytes=0-1,x",
            "bytes=0-1;2-3",
            "lines=0-1",
            "bytes:0-1",
            "bytes=0x0-1",
            "bytes=1 -2",
        ] {
            assert_eq!(parse(value, 100), Asked::Whole, "{value}");
        }
    }

    #[test]
    fn several_ranges_keep_their_order_and_are_joined_where_they_touch() {
        for (value, expected) in [
            ("bytes=0-9,20-29", parts([(0, 10), (20, 30)])),
            ("bytes=20-29, 0-9", parts([(20, 30), (0, 10)])),
            ("bytes=0-9,10-19", parts([(0, 20)])),
            ("bytes=10-19,0-9", parts([(0, 20)])),
            ("bytes=0-9,5-14", parts([(0, 15)])),
            ("bytes=0-9,11-19", parts([(0, 10), (11, 20)])),
            ("bytes=0-1,50-51,-10,1-60", parts([(0, 61), (90, 100)])),
            ("bytes=40-49,0-9,20-29,5-25", parts([(40, 50), (0, 30)])),
            ("bytes=20-29,0-9,10-19", parts([(0, 30)])),
            ("bytes=0-9,200-300", parts([(0, 10)])),
            ("bytes=200-300,400-", Asked::Unsatisfiable),
        ] {
            assert_eq!(parse(value, 100), expected, "{value}");
        }
    }

    #[test]
    fn joining_neither_loses_nor_invents_bytes() {
        // All sets of three ranges with ends in 0..6, in every order.
        let all: Vec<_> = (0..6u64).flat_map(|start| (start..6).map(move |last| (start, last))).collect();
        for a in &all {
            for b in &all {
                for c in &all {
                    let header = format!("bytes={}-{},{}-{},{}-{}", a.0, a.1, b.0, b.1, c.0, c.1);
                    let Asked::Parts(parts) = parse(&header, 100) else { panic!("{header}") };
                    for byte in 0..7 {
                        let wanted = [a, b, c].iter().any(|range| (range.0..=range.1).contains(&byte));
                        let sent = parts.iter().filter(|part| part.contains(&byte)).count();
                        assert_eq!(sent, usize::from(wanted), "{header}: byte {byte}");
                    }
                    let touching = parts.iter().any(|one| parts.iter().any(|other| one.end == other.start));
                    assert!(!touching, "{header}");
                }
            }
        }
    }

    #[test]
    fn more_ranges_than_the_limit_are_ignored() {
        let many = |n: u64| {
            let specs: Vec<_> = (0..n).map(|i| format!("{}-{}", i * 2, i * 2)).collect();
            format!("bytes={}", specs.join(","))
        };
        assert!(matches!(parse(&many(16), 100), Asked::Parts(parts) if parts.len() == 16));
        assert_eq!(parse(&many(17), 100), Asked::Whole);
        assert_eq!(parse(&format!("bytes={}", ["0-"; 17].join(",")), 100), Asked::Whole);
    }

    #[test]
    fn empty_files_have_no_parts() {
        assert_eq!(parse("bytes=0-", 0), Asked::Unsatisfiable);
        assert_eq!(parse("bytes=0-0", 0), Asked::Unsatisfiable);
        assert_eq!(parse("bytes=-0", 0), Asked::Unsatisfiable);
        assert_eq!(parse("bytes=-5", 0), Asked::Whole);
    }

    #[test]
    fn sizes_near_the_end_of_the_numbers_do_not_overflow() {
        let all = u64::MAX;
        assert_eq!(parse(&format!("bytes=0-{all}"), all), parts([(0, all)]));
        assert_eq!(parse(&format!("bytes=-{all}"), all), parts([(0, all)]));
        assert_eq!(parse(&format!("bytes={}-{all}", all - 1), all), parts([(all - 1, all)]));
    }

    #[test]
    fn repeated_headers_are_ignored() {
        let mut headers = HeaderMap::new();
        assert_eq!(asked(&headers, 100), Asked::Whole);
        headers.append(header::RANGE, HeaderValue::from_static("bytes=0-0"));
        assert_eq!(asked(&headers, 100), parts([(0, 1)]));
        headers.append(header::RANGE, HeaderValue::from_static("bytes=1-1"));
        assert_eq!(asked(&headers, 100), Asked::Whole);
    }

    #[test]
    fn multipart_pieces() {
        assert_eq!(content_range(&(0..10), 100).1, "bytes 0-9/100");
        assert_eq!(unsatisfied_range(100).1, "bytes */100");
        assert_eq!(
            part_head("b", b"text/plain", &(0..1), 2),
            b"\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/2\r\n\r\n"
        );
        assert_eq!(multipart_end("b"), b"\r\n--b--\r\n");
    }
}
