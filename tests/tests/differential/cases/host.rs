//! Host, and whose word counts.

use super::why;
use crate::case::{Case, REFUSED, differ, same};

/// A GET whose fields are these.
macro_rules! get {
    ($fields:literal) => {
        concat!("GET / HTTP/1.1\r\n", $fields, "\r\n").as_bytes()
    };
}

pub(crate) const CASES: &[Case] = &[
    same("a name", get!("Host: h\r\n"), "200 GET / @h; next; open"),
    same("a name and a port", get!("HOST: h.example:8080\r\n"), "200 GET / @h.example:8080; next; open"),
    same("an empty port", get!("Host: h:\r\n"), "200 GET / @h:; next; open"),
    same("an address", get!("Host: 127.0.0.1\r\n"), "200 GET / @127.0.0.1; next; open"),
    same("a literal", get!("Host: [::1]:80\r\n"), "200 GET / @[::1]:80; next; open"),
    same("empty", get!("Host:\r\n"), "200 GET / @; next; open"),
    same(
        "the one of the target, in both places",
        b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 GET http://h/ @h; next; open",
    ),
    differ(
        "another one in the target",
        b"GET http://a/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 GET http://a/ @a; next; open",
        "200 GET http://a/ @h; next; open",
        why::HOST_OF_THE_TARGET,
    ),
    differ(
        "only in the target",
        b"GET http://h/ HTTP/1.1\r\n\r\n",
        REFUSED,
        "200 GET http://h/; next; open",
        why::HOST,
    ),
    differ("missing", get!(""), REFUSED, "200 GET /; next; open", why::HOST),
    differ("twice, equal", get!("Host: h\r\nHost: h\r\n"), REFUSED, "200 GET / @h @h; next; open", why::HOST),
    differ(
        "twice, different",
        get!("Host: h\r\nHost: evil\r\n"),
        REFUSED,
        "200 GET / @h @evil; next; open",
        why::HOST,
    ),
    differ("space within", get!("Host: h evil\r\n"), REFUSED, "200 GET / @h evil; next; open", why::HOST),
    differ("a list", get!("Host: h, evil\r\n"), REFUSED, "200 GET / @h, evil; next; open", why::HOST),
    differ("a user", get!("Host: u@h\r\n"), REFUSED, "200 GET / @u@h; next; open", why::HOST),
    differ("a path", get!("Host: h/evil\r\n"), REFUSED, "200 GET / @h/evil; next; open", why::HOST),
    differ("a query", get!("Host: h?evil\r\n"), REFUSED, "200 GET / @h?evil; next; open", why::HOST),
    differ("a URI", get!("Host: http://h\r\n"), REFUSED, "200 GET / @http://h; next; open", why::HOST),
    differ("a port that is none", get!("Host: h:x\r\n"), REFUSED, "200 GET / @h:x; next; open", why::HOST),
    differ("two ports", get!("Host: h:80:80\r\n"), REFUSED, "200 GET / @h:80:80; next; open", why::HOST),
    differ("half a literal", get!("Host: [::1\r\n"), REFUSED, "200 GET / @[::1; next; open", why::HOST),
    differ(
        "bytes above ASCII",
        b"GET / HTTP/1.1\r\nHost: h\xe9\r\n\r\n",
        REFUSED,
        "200 GET / @h\\xe9; next; open",
        why::HOST,
    ),
    same("space before the colon", get!("Host : h\r\n"), REFUSED),
];
