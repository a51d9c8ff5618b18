//! Expect: 100-continue.

use super::why;
use crate::case::{Case, REFUSED, differ, same};

/// A POST to this path with these fields, and what is behind its head.
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
    differ(
        "the client does not wait",
        post!("/", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"),
        "200 POST / @h \"abc\"; next; open",
        "100; 200 POST / @h \"abc\"; next; open",
        why::NO_NEED,
    )
    .whole(),
    differ(
        "the client does not wait with chunks",
        post!("/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        "200 POST / @h \"abc\"; next; open",
        "100; 200 POST / @h \"abc\"; next; open",
        why::NO_NEED,
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
    differ(
        "the handler does not want the body",
        post!("/ignore", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""),
        "200 close POST /ignore @h; closed",
        "200 POST /ignore @h; closed",
        why::ANNOUNCED,
    )
    .then(b""),
    differ(
        "the handler does not want the body, which comes all the same",
        post!("/ignore", "Expect: 100-continue\r\nContent-Length: 3\r\n", ""),
        "200 close POST /ignore @h; closed",
        "200 POST /ignore @h; closed",
        why::ANNOUNCED,
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
    differ(
        "both framing fields",
        post!("/", "Expect: 100-continue\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n", ""),
        REFUSED,
        "100; 400 close; closed",
        "stricter: both fields are refused at once; hyper goes by the chunks, and finds none",
    ),
    differ(
        "no Host",
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        REFUSED,
        "100; 200 POST / \"GET\"; 400 close; closed",
        "RFC 9112, 3.2: 400 without Host; hyper takes the next request for the body",
    ),
    differ(
        "a body over the limit",
        post!("/", "Expect: 100-continue\r\nContent-Length: 1000000\r\n", ""),
        "413 close; closed",
        "100; 400 close; closed",
        why::LIMIT,
    )
    .cut(),
    differ(
        "another expectation",
        post!("/", "Expect: 200-ok\r\nContent-Length: 3\r\n", "abc"),
        "417 close; closed",
        "200 POST / @h \"abc\"; next; open",
        why::UNKNOWN_EXPECTATION,
    ),
    differ(
        "another expectation beside",
        post!("/", "Expect: 100-continue, magic\r\nContent-Length: 3\r\n", ""),
        "417 close; closed",
        "200 POST / @h \"abc\"; next; open",
        why::UNKNOWN_EXPECTATION,
    )
    .then(b"abc"),
    differ(
        "another expectation on a line of its own",
        post!("/", "Expect: 100-continue\r\nExpect: magic\r\nContent-Length: 3\r\n", ""),
        "417 close; closed",
        "200 POST / @h \"abc\"; next; open",
        why::UNKNOWN_EXPECTATION,
    )
    .then(b"abc"),
];
