//! Expect: 100-continue.

use crate::case::{Case, REFUSED, differ, same};

/// A POST with this field and those, and what is behind its head.
macro_rules! post {
    ($path:literal, $fields:literal, $body:literal) => {
        concat!("POST ", $path, " HTTP/1.1\r\nHost: h\r\n", $fields, "\r\n", $body).as_bytes()
    };
}

pub(crate) const CASES: &[Case] = &[
    same(
        "the client waits",
        post!("/", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""),
        "100; 200 POST / @h \"abc\"; next; open",
    )
    .then(b"abc"),
    same(
        "the client waits with chunks",
        post!("/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", ""),
        "100; 200 POST / @h \"abc\"; next; open",
    )
    .then(b"3\r\nabc\r\n0\r\n\r\n"),
    same(
        "in capitals",
        post!("/", "EXPECT: 100-CONTINUE\r\nContent-Length: 3\r\n", ""),
        "100; 200 POST / @h \"abc\"; next; open",
    )
    .then(b"abc"),
    same(
        "the client does not wait",
        post!("/", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"),
        "200 POST / @h \"abc\"; next; open",
    )
    .whole(),
    same(
        "the client does not wait with chunks",
        post!("/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        "200 POST / @h \"abc\"; next; open",
    )
    .whole(),
    same(
        "no body to wait for",
        post!("/", "Expect: 100-continue\r\nContent-Length: 0\r\n", ""),
        "200 POST / @h; next; open",
    ),
    same("no length", post!("/", "Expect: 100-continue\r\n", ""), "200 POST / @h; next; open"),
    same(
        "with GET",
        b"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "100; 200 GET / @h \"abc\"; next; open",
    )
    .then(b"abc"),
    same(
        "HTTP/1.0 does not know it",
        b"POST / HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "200 close POST / @h \"abc\"; closed",
    )
    .then(b"abc"),
    same(
        "the handler does not want the body",
        post!("/ignore", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""),
        "200 close POST /ignore @h; closed",
    )
    .then(b""),
    same(
        "the handler does not want the body, which comes all the same",
        post!("/ignore", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""),
        "200 close POST /ignore @h; closed",
    )
    .then(b"abc"),
    same(
        "the end instead of the body",
        post!("/", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""),
        "100; 400 close; closed",
    )
    .cut(),
    same(
        "a bad chunk",
        post!("/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", ""),
        "100; 400 close; closed",
    )
    .then(b"x\r\n"),
    same(
        "both framing fields",
        post!("/", "Expect: 100-continue\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n", ""),
        REFUSED,
    ),
    same("no Host", b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", REFUSED),
    same(
        "a body over the limit",
        post!("/", "Expect: 100-continue\r\nContent-Length: 1000000\r\n", ""),
        "413 close; closed",
    )
    .cut(),
    same(
        "another expectation",
        post!("/", "Expect: 200-ok\r\nContent-Length: 3\r\n", "abc"),
        "417 close; closed",
    ),
    same(
        "another expectation beside",
        post!("/", "Expect: 100-continue, magic\r\nContent-Length: 3\r\n", ""),
        "417 close; closed",
    )
    .then(b"abc"),
    same(
        "another expectation on a line of its own",
        post!("/", "Expect: 100-continue\r\nExpect: magic\r\nContent-Length: 3\r\n", ""),
        "417 close; closed",
    )
    .then(b"abc"),
];
