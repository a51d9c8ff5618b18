//! HTTP/1.0.

use super::why;
use crate::case::{Case, REFUSED, differ, same};

pub(crate) const CASES: &[Case] = &[
    same("GET", b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", "200 close GET / @h; closed"),
    same("without Host", b"GET / HTTP/1.0\r\n\r\n", "200 close GET /; closed"),
    same(
        "keep-alive",
        b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
        "200 keep-alive GET / @h; next; open",
    ),
    same(
        "keep-alive in capitals and twice",
        b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n\
          GET /b HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
        "200 keep-alive GET /a; 200 keep-alive GET /b; next; open",
    ),
    same(
        "keep-alive and close",
        b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n",
        "200 close GET / @h; closed",
    ),
    same("HEAD", b"HEAD / HTTP/1.0\r\nHost: h\r\n\r\n", "200 close no body 9; closed"),
    same(
        "a body",
        b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "200 close POST / @h \"abc\"; closed",
    ),
    same("a body without a length", b"POST / HTTP/1.0\r\nHost: h\r\n\r\n", "200 close POST / @h; closed"),
    same(
        "a response of unknown length",
        b"GET /stream HTTP/1.0\r\nHost: h\r\n\r\n",
        "200 close to the end GET /stream @h; closed",
    ),
    differ(
        "a response of unknown length and keep-alive",
        b"GET /stream HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
        "200 close to the end GET /stream @h; closed",
        "200 keep-alive to the end GET /stream @h; closed",
        "RFC 9112, 9.3: the connection cannot stay behind such a body; hyper says that it does",
    ),
    same(
        "no body and keep-alive",
        b"GET /204 HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
        "204 keep-alive no body; next; open",
    ),
    differ(
        "the absolute form",
        b"GET http://h/ HTTP/1.0\r\n\r\n",
        "200 close GET http://h/ @h; closed",
        "200 close GET http://h/; closed",
        why::HOST_OF_THE_TARGET,
    ),
    same(
        "chunks",
        b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        REFUSED,
    ),
    same(
        "chunks and a length",
        b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 13\r\n\r\n\
          3\r\nabc\r\n0\r\n\r\n",
        REFUSED,
    ),
    differ(
        "length twice",
        b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        REFUSED,
        "200 close POST / @h \"abc\"; closed",
        why::LENGTH_TWICE,
    ),
    differ(
        "Host twice",
        b"GET / HTTP/1.0\r\nHost: h\r\nHost: evil\r\n\r\n",
        REFUSED,
        "200 close GET / @h @evil; closed",
        why::HOST,
    ),
    differ(
        "a malformed Host",
        b"GET / HTTP/1.0\r\nHost: h/evil\r\n\r\n",
        REFUSED,
        "200 close GET / @h/evil; closed",
        why::HOST,
    ),
    same("a folded field", b"GET / HTTP/1.0\r\nHost: h\r\nx: 1\r\n 2\r\n\r\n", REFUSED),
    differ("LF everywhere", b"GET / HTTP/1.0\nHost: h\n\n", REFUSED, "200 close GET / @h; closed", why::LF),
    same("the end within the body", b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", REFUSED)
        .cut(),
];
