//! Pipelining: what follows what.

use super::why;
use crate::case::{Case, differ, same};

pub(crate) const CASES: &[Case] = &[
    same(
        "three requests",
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 GET /a @h; 200 GET /b @h; next; open",
    ),
    same(
        "two requests, and the client ends its side",
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 GET /a @h; next; closed",
    )
    .half_closed(),
    same(
        "bodies between",
        b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nA\
          PUT /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nB\r\n0\r\n\r\n",
        "200 POST /a @h \"A\"; 200 PUT /b @h \"B\"; next; open",
    ),
    same(
        "a request in the body of another",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 31\r\n\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 POST / @h \"GET /evil HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n\"; next; open",
    ),
    same(
        "responses without a body",
        b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\n\
          GET /304 HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 no body 10; 204 no body; 304 no body; next; open",
    ),
    same(
        "a response of unknown length",
        b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 chunked GET /stream @h; next; open",
    ),
    same(
        "a body that the handler does not read",
        b"POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "200 POST /ignore @h; next; open",
    )
    .whole(),
    same(
        "chunks that the handler does not read",
        b"POST /ignore HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "200 POST /ignore @h; next; open",
    )
    .whole(),
    differ(
        "a body that comes after the response",
        b"POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n",
        "200 POST /ignore @h; next; open",
        "200 POST /ignore @h; closed",
        "ours reads a body that nobody wants up to 64 KiB, and keeps the connection; hyper ends it",
    )
    .then(b"abc"),
    differ(
        "a long body that comes after the response",
        b"POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n",
        "200 close POST /ignore @h; closed",
        "200 POST /ignore @h; closed",
        why::ANNOUNCED,
    )
    .then(b"abc"),
    differ(
        "chunks that come after the response",
        b"POST /ignore HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        "200 close POST /ignore @h; closed",
        "200 POST /ignore @h; closed",
        why::ANNOUNCED,
    )
    .then(b"3\r\nabc\r\n0\r\n\r\n"),
    same(
        "a body that is longer than its length by an empty line",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\r\n",
        "200 POST / @h \"abc\"; next; open",
    ),
    same(
        "a body that is longer than its length by a letter",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcd",
        "200 POST / @h \"abc\"; 200 dGET /next @h; open",
    ),
    same(
        "a body that is longer than its length by NUL",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\0",
        "200 POST / @h \"abc\"; 400 close; closed",
    ),
    same(
        "a body that is shorter than its length",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 34\r\n\r\nabc",
        "200 POST / @h \"abcGET /next HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n\"; open",
    ),
    differ(
        "a bad request between",
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        "200 GET /a @h; 400 close; closed",
        "200 GET /a @h; 200 GET /b; next; open",
        why::HOST,
    ),
    same("an empty line between", b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n\r\n", "200 GET /a @h; next; open"),
    differ(
        "two empty lines between",
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n\r\n\r\n",
        "200 GET /a @h; 400 close; closed",
        "200 GET /a @h; next; open",
        why::EMPTY_LINES,
    ),
    differ(
        "an empty line of LF between",
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n\n",
        "200 GET /a @h; 400 close; closed",
        "200 GET /a @h; next; open",
        why::LF,
    ),
    same(
        "a request behind the last one",
        b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "200 close GET /a @h; closed",
    ),
    differ(
        "a request after the last one",
        b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "200 close GET /a @h; reset",
        "200 close GET /a @h; closed",
        why::LAST,
    )
    .then(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"),
    same(
        "the end within the second request",
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTT",
        "200 GET /a @h; closed",
    )
    .cut(),
    same(
        "the end after one and a half bodies",
        b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nA\
          POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nB",
        "200 POST /a @h \"A\"; 400 close; closed",
    )
    .cut(),
];
