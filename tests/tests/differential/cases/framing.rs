//! Framing conflict: messages whose length can be understood in two ways.

use super::why;
use crate::case::{Case, REFUSED, differ, same};

/// A POST with these fields and what is behind its head.
macro_rules! post {
    ($fields:literal, $body:literal) => {
        concat!("POST / HTTP/1.1\r\nHost: h\r\n", $fields, "\r\n", $body).as_bytes()
    };
}

const ABC: &str = "200 POST / @h \"abc\"; next; open";

pub(crate) const CASES: &[Case] = &[
    same("a length", post!("Content-Length: 3\r\n", "abc"), ABC),
    same("chunks", post!("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), ABC),
    same("neither", post!("", ""), "200 POST / @h; next; open"),
    same("length 0", post!("Content-Length: 0\r\n", ""), "200 POST / @h; next; open"),
    same("a length with zeros and spaces around", post!("Content-Length: \t 0003 \r\n", "abc"), ABC),
    same("chunked in capitals", post!("Transfer-Encoding:\tCHUNKED \r\n", "3\r\nabc\r\n0\r\n\r\n"), ABC),
    same(
        "GET with a length",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "200 GET / @h \"abc\"; next; open",
    ),
    same(
        "a field that only looks like Transfer-Encoding",
        post!("Content-Length: 3\r\nTransfer_Encoding: chunked\r\n", "abc"),
        ABC,
    ),
    differ(
        "length before chunked",
        post!("Content-Length: 13\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
        "200 close POST / @h \"abc\"; closed",
        why::BOTH_FRAMINGS,
    ),
    differ(
        "length after chunked",
        post!("Transfer-Encoding: chunked\r\nContent-Length: 13\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
        "200 close POST / @h \"abc\"; closed",
        why::BOTH_FRAMINGS,
    ),
    differ(
        "a request hidden behind the last chunk",
        post!(
            "Content-Length: 36\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n"
        ),
        REFUSED,
        "200 close POST / @h; closed",
        why::BOTH_FRAMINGS,
    ),
    differ(
        "length twice, equal",
        post!("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"),
        REFUSED,
        "200 POST / @h \"abc\"; next; open",
        why::LENGTH_TWICE,
    ),
    same("length twice, different", post!("Content-Length: 3\r\nCONTENT-LENGTH: 0\r\n", "abc"), REFUSED),
    same("a list of equal lengths", post!("Content-Length: 3, 3\r\n", "abc"), REFUSED),
    same("a length with plus", post!("Content-Length: +3\r\n", "abc"), REFUSED),
    same("a length with minus", post!("Content-Length: -3\r\n", "abc"), REFUSED),
    same("a hexadecimal length", post!("Content-Length: 0x3\r\n", "abc"), REFUSED),
    same("a length with a space within", post!("Content-Length: 3 0\r\n", "abc"), REFUSED),
    same("an empty length", post!("Content-Length: \r\n", "abc"), REFUSED),
    same("a length of 65 bits", post!("Content-Length: 18446744073709551616\r\n", "abc"), REFUSED),
    differ(
        "chunked twice",
        post!("Transfer-Encoding: chunked, chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
        "200 POST / @h \"abc\"; next; open",
        why::CHUNKED_TWICE,
    ),
    differ(
        "chunked on two lines",
        post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
        "200 POST / @h \"abc\"; next; open",
        why::CHUNKED_TWICE,
    ),
    same("chunked not last", post!("Transfer-Encoding: chunked, gzip\r\n", "3\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same(
        "chunked and then identity",
        post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
    ),
    same("not chunked", post!("Transfer-Encoding: gzip\r\n", "abc"), REFUSED),
    same(
        "identity and a length",
        post!("Transfer-Encoding: identity\r\nContent-Length: 3\r\n", "abc"),
        REFUSED,
    ),
    differ(
        "another coding below the chunks",
        post!("Transfer-Encoding: gzip, chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        "501 close; closed",
        "200 POST / @h \"abc\"; next; open",
        "RFC 9112, 6.1: 501 to a coding that is not understood; hyper leaves it to the handler",
    ),
    same(
        "a word that ends in chunked",
        post!("Transfer-Encoding: xchunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
    ),
    same("chunked in quotes", post!("Transfer-Encoding: \"chunked\"\r\n", "3\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same(
        "chunked with a parameter",
        post!("Transfer-Encoding: chunked;q=1\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
    ),
    same("an empty coding", post!("Transfer-Encoding: chunked,\r\n", "3\r\nabc\r\n0\r\n\r\n"), REFUSED),
    same("no coding at all", post!("Transfer-Encoding:\r\n", "abc"), REFUSED),
    same(
        "chunked behind a vertical tab",
        post!("Transfer-Encoding: \x0bchunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        REFUSED,
    ),
];
