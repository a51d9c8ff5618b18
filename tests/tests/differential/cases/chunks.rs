//! Chunk syntax.

use crate::case::{Case, REFUSED, differ, same};

/// A POST whose chunks are these bytes.
macro_rules! chunks {
    ($chunks:literal) => {
        concat!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", $chunks).as_bytes()
    };
}

const ABC: &str = "200 POST / @h \"abc\"; next; open";

pub(crate) const CASES: &[Case] = &[
    same("two chunks", chunks!("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), ABC),
    same("no chunks", chunks!("0\r\n\r\n"), "200 POST / @h; next; open"),
    same(
        "hexadecimal sizes in both cases",
        chunks!("A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n"),
        "200 POST / @h \"01234567890123456789a\"; next; open",
    ),
    same("zeros before a size", chunks!("0003\r\nabc\r\n000\r\n\r\n"), ABC),
    same("twenty zeros before a size", chunks!("000000000000000000003\r\nabc\r\n0\r\n\r\n"), ABC),
    same("extensions", chunks!("3;a=b;c\r\nabc\r\n0;d=\"e f\"\r\n\r\n"), ABC),
    same("a trailer", chunks!("3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"), "200 POST / @h \"abc\" +x-t=1; next; open"),
    differ(
        "trailers that frame, route or authenticate",
        chunks!("3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: i\r\nAuthorization: j\r\nx-t: 1\r\n\r\n"),
        "200 POST / @h \"abc\" +x-t=1; next; open",
        "200 POST / @h \"abc\" +content-length=9 +host=i +authorization=j +x-t=1; next; open",
        "RFC 9110, 6.5.1: such fields have no meaning in trailers; hyper leaves it to the handler",
    ),
    same(
        "a line end in the data",
        chunks!("5\r\na\r\n0\n\r\n0\r\n\r\n"),
        "200 POST / @h \"a\\r\\n0\\n\"; next; open",
    ),
    same("space around an extension", chunks!("3 ;\ta=b\r\nabc\r\n0\r\n\r\n"), ABC),
    differ(
        "space behind a size",
        chunks!("3 \r\nabc\r\n0\r\n\r\n"),
        REFUSED,
        "200 POST / @h \"abc\"; next; open",
        "RFC 9112, 7.1: a size ends with its digits, space may only stand around an extension",
    ),
    same("space before a size", chunks!(" 3\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("no size", chunks!("\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("an extension and no size", chunks!(";a=b\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("a size with a prefix", chunks!("0x3\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("a size with plus", chunks!("+3\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("a size with minus", chunks!("-3\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("a letter in a size", chunks!("3g\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("a size of 68 bits", chunks!("10000000000000003\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("LF behind a size", chunks!("3\nabc\r\n0\r\n\r\n"), REFUSED),
    same("CR behind a size", chunks!("3\rabc\r\n0\r\n\r\n"), REFUSED),
    same("LF in an extension", chunks!("3;a\nabc\r\n0\r\n\r\n"), REFUSED),
    same("CR in an extension", chunks!("3;a\rb\r\nabc\r\n0\r\n\r\n"), REFUSED),
    differ(
        "NUL in an extension",
        chunks!("3;a\0b\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
        "200 POST / @h \"abc\"; next; open",
        "RFC 9112, 7.1.1: extensions are tokens and quoted strings; hyper skips to the CR",
    ),
    same("LF behind the data", chunks!("3\r\nabc\n0\r\n\r\n"), REFUSED),
    same("CR behind the data", chunks!("3\r\nabc\r0\r\n\r\n"), REFUSED),
    same("nothing behind the data", chunks!("3\r\nabc0\r\n\r\n"), REFUSED),
    same("more data than announced", chunks!("3\r\nabcd\r\n0\r\n\r\n"), REFUSED),
    differ(
        "LF instead of the last line",
        chunks!("3\r\nabc\r\n0\r\n\n"),
        REFUSED,
        "200 POST / @h \"abc\"; open",
        "stricter: LF alone ends no line, and hyper takes the next request for trailers",
    ),
    same("space before the colon of a trailer", chunks!("3\r\nabc\r\n0\r\nx-t : 1\r\n\r\n"), REFUSED),
    same("a folded trailer", chunks!("3\r\nabc\r\n0\r\nx-t: 1\r\n 2\r\n\r\n"), REFUSED),
    differ(
        "LF behind a trailer",
        chunks!("3\r\nabc\r\n0\r\nx-t: 1\n\r\n"),
        REFUSED,
        "200 POST / @h \"abc\" +x-t=1; open",
        "stricter: LF alone ends no line, and hyper loses the next request",
    ),
    same("a trailer without a colon", chunks!("3\r\nabc\r\n0\r\nx\r\n\r\n"), REFUSED),
    same("the end within the data", chunks!("5\r\nabc"), REFUSED).cut(),
    same("the end before the last chunk", chunks!("3\r\nabc\r\n"), REFUSED).cut(),
    same("the end before the last line", chunks!("3\r\nabc\r\n0\r\n"), REFUSED).cut(),
];
