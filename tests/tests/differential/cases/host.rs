//! Host, and whose word counts.

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
    same(
        "another one in the target",
        b"GET http://a/ HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 GET http://a/ @a; next; open",
    ),
    same("only in the target", b"GET http://h/ HTTP/1.1\r\n\r\n", REFUSED),
    same("missing", get!(""), REFUSED),
    same("twice, equal", get!("Host: h\r\nHost: h\r\n"), REFUSED),
    same("twice, different", get!("Host: h\r\nHost: evil\r\n"), REFUSED),
    same("space within", get!("Host: h evil\r\n"), REFUSED),
    same("a list", get!("Host: h, evil\r\n"), REFUSED),
    same("a user", get!("Host: u@h\r\n"), REFUSED),
    same("a path", get!("Host: h/evil\r\n"), REFUSED),
    same("a query", get!("Host: h?evil\r\n"), REFUSED),
    same("a URI", get!("Host: http://h\r\n"), REFUSED),
    same("a port that is none", get!("Host: h:x\r\n"), REFUSED),
    same("two ports", get!("Host: h:80:80\r\n"), REFUSED),
    same("half a literal", get!("Host: [::1\r\n"), REFUSED),
    same("bytes above ASCII", b"GET / HTTP/1.1\r\nHost: h\xe9\r\n\r\n", REFUSED),
    same("space before the colon", get!("Host : h\r\n"), REFUSED),
];
