//! Bodies, and limits.

use super::why;
use crate::case::{Case, REFUSED, differ, same};

pub(crate) const CASES: &[Case] = &[
    same(
        "a long body",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 262144\r\n\r\n~",
        "200 POST / @h 262144 bytes; next; open",
    )
    .repeat("a", 262_144),
    same(
        "a long body in chunks",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n~0\r\n\r\n",
        "200 POST / @h 4096 bytes; next; open",
    )
    .repeat("10\r\n0123456789abcdef\r\n", 256),
    same(
        "every byte is one of a body",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n\0\r\n\x7f\x80\xff",
        "200 POST / @h \"\\x00\\r\\n\\x7f\\x80\\xff\"; next; open",
    ),
    same("HEAD", b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "200 no body 9; next; open"),
    differ(
        "HEAD that is refused",
        b"HEAD / HTTP/1.1\r\nHost : h\r\n\r\n",
        "400 close no body; closed",
        "400 close; closed",
        "RFC 9110, 9.3.2: HEAD is told the length of what GET would get; hyper has no page for errors",
    ),
    same("HEAD of an unknown length", b"HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n", "200 no body; next; open"),
    same(
        "HEAD with a body",
        b"HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "200 no body 15; next; open",
    ),
    same(
        "DELETE with a body",
        b"DELETE / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "200 DELETE / @h \"abc\"; next; open",
    ),
    same("a hundred fields", b"GET / HTTP/1.1\r\nHost: h\r\n~\r\n", "200 GET / @h; next; open")
        .repeat("y: 1\r\n", 99),
    same("a hundred and one fields", b"GET / HTTP/1.1\r\nHost: h\r\n~\r\n", "431 close; closed")
        .repeat("y: 1\r\n", 100),
    same("a head of 16 KiB", b"GET / HTTP/1.1\r\nHost: h\r\ny: ~\r\n\r\n", "200 GET / @h; next; open")
        .repeat("a", 16 * 1024 - 32),
    same("a head of 16 KiB and a byte", b"GET / HTTP/1.1\r\nHost: h\r\ny: ~\r\n\r\n", "431 close; closed")
        .repeat("a", 16 * 1024 - 31),
    same("a head without an end", b"GET / HTTP/1.1\r\nHost: h\r\ny: ~", "431 close; closed")
        .repeat("a", 32 * 1024),
    same("a target of 8 KiB", b"HEAD /~ HTTP/1.1\r\nHost: h\r\n\r\n", "200 no body 8200; next; open")
        .repeat("a", 8191),
    differ(
        "a target of 8 KiB and a byte",
        b"HEAD /~ HTTP/1.1\r\nHost: h\r\n\r\n",
        "414 close no body; closed",
        "200 no body 8201; next; open",
        "our limit; the one of hyper is 64 KiB",
    )
    .repeat("a", 8192),
    differ(
        "a target without an end",
        b"GET /~",
        "414 close; closed",
        "431 close; closed",
        "RFC 9110, 15.5.15: 414 says what is too long; hyper only knows that the head is",
    )
    .repeat("a", 32 * 1024)
    .whole_to_hyper(),
    differ(
        "a length over the limit",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 262145\r\n\r\n~",
        "413 close; closed",
        "200 POST / @h 262145 bytes; next; open",
        why::LIMIT,
    )
    .repeat("a", 262_145),
    differ(
        "a length of 64 bits",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\n\r\n",
        "413 close; closed",
        "431 close; closed",
        "RFC 9110, 15.5.14: 413 is the status for it",
    )
    .cut(),
    differ(
        "a chunk over the limit",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n40001\r\n~\r\n0\r\n\r\n",
        "413 close; closed",
        "200 POST / @h 262145 bytes; next; open",
        why::LIMIT,
    )
    .repeat("a", 262_145),
    differ(
        "chunks over the limit",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n~0\r\n\r\n",
        "413 close; closed",
        "200 POST / @h 262160 bytes; next; open",
        why::LIMIT,
    )
    .repeat("10\r\n0123456789abcdef\r\n", 16_385),
    differ(
        "a chunk of 64 bits",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\na",
        "413 close; closed",
        "400 close; closed",
        "RFC 9110, 15.5.14: 413 is the status for it; hyper waits, and then misses the rest",
    )
    .cut(),
    differ(
        "a chunk's line over the limit",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;~\r\nabc\r\n0\r\n\r\n",
        REFUSED,
        "200 POST / @h \"abc\"; next; open",
        "our limit is 256 bytes, the one of hyper 16 KiB for all extensions together",
    )
    .repeat("a", 300),
    differ(
        "extensions over the limit",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n~0\r\n\r\n",
        REFUSED,
        "200 POST / @h 257 bytes; next; open",
        "our limit is 4 KiB, the one of hyper 16 KiB",
    )
    .repeat("1;0123456789abcde\r\na\r\n", 257),
    differ(
        "trailers over the limit",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n~\r\n",
        "431 close; closed",
        "400 close; closed",
        why::TRAILERS,
    )
    .repeat("y: 0123456789\r\n", 600),
    differ(
        "a hundred and one trailers",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n~\r\n",
        "431 close; closed",
        "400 close; closed",
        why::TRAILERS,
    )
    .repeat("y: 1\r\n", 101),
    same("the end within a body", b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", REFUSED)
        .cut(),
    same(
        "the end within a body that nobody reads",
        b"POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab",
        "200 POST /ignore @h; closed",
    )
    .cut(),
    same("the end within a head", b"GET / HTTP/1.1\r\nHost: h\r\n", "closed").cut(),
    same("the end after an empty line", b"\r\n", "closed").cut(),
    same("the end at once", b"", "closed").cut(),
];
