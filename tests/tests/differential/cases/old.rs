//! HTTP/1.0.

use crate::case::{Case, REFUSED, differ, same};

pub(crate) const CASES: &[Case] = &[
    same("GET", b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", "200 close GET / @h; closed"),
    same("without Host", b"GET / HTTP/1.0\r\n\r\n", "200 close GET /; closed"),
    same("keep-alive", b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "200 keep-alive GET / @h; next; open"),
    same("keep-alive in capitals and twice", b"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /b HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200 keep-alive GET /a; 200 keep-alive GET /b; next; open"),
    same("keep-alive and close", b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive, close\r\n\r\n", "200 close GET / @h; closed"),
    same("HEAD", b"HEAD / HTTP/1.0\r\nHost: h\r\n\r\n", "200 close no body 9; closed"),
    same("a body", b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "200 close POST / @h \"abc\"; closed"),
    same("a body without a length", b"POST / HTTP/1.0\r\nHost: h\r\n\r\n", "200 close POST / @h; closed"),
    same("a response of unknown length", b"GET /stream HTTP/1.0\r\nHost: h\r\n\r\n", "200 close to the end GET /stream @h; closed"),
    same("a response of unknown length and keep-alive", b"GET /stream HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "200 close to the end GET /stream @h; closed"),
    same("no body and keep-alive", b"GET /204 HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "204 keep-alive no body; next; open"),
    same("the absolute form", b"GET http://h/ HTTP/1.0\r\n\r\n", "200 close GET http://h/ @h; closed"),
    same("chunks", b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", REFUSED),
    same("chunks and a length", b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 13\r\n\r\n3\r\nabc\r\n0\r\n\r\n", REFUSED),
    same("length twice", b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
    same("Host twice", b"GET / HTTP/1.0\r\nHost: h\r\nHost: evil\r\n\r\n", REFUSED),
    same("a malformed Host", b"GET / HTTP/1.0\r\nHost: h/evil\r\n\r\n", REFUSED),
    same("a folded field", b"GET / HTTP/1.0\r\nHost: h\r\nx: 1\r\n 2\r\n\r\n", REFUSED),
    same("LF everywhere", b"GET / HTTP/1.0\nHost: h\n\n", REFUSED),
    same("the end within the body", b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 3\r\n\r\nab", REFUSED).cut(),
];
