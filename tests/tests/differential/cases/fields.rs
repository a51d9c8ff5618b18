//! Header syntax.

use super::why;
use crate::case::{Case, REFUSED, differ, same};

/// A GET with these bytes between the line of Host and the empty line.
macro_rules! fields {
    ($fields:literal) => {
        concat!("GET / HTTP/1.1\r\nHost: h\r\n", $fields, "\r\n").as_bytes()
    };
}

const X: &str = "200 GET / @h x=1; next; open";

pub(crate) const CASES: &[Case] = &[
    same("a field", fields!("x: 1\r\n"), X),
    same("no space", fields!("x:1\r\n"), X),
    same("spaces and tabs around the value", fields!("x: \t1\t \r\n"), X),
    same("capitals", fields!("X: 1\r\n"), X),
    same("an empty value", fields!("x:\r\n"), "200 GET / @h x=; next; open"),
    same("a value of spaces", fields!("x:  \r\n"), "200 GET / @h x=; next; open"),
    same("a repeated field", fields!("x: 1\r\nx: 2\r\n"), "200 GET / @h x=1 x=2; next; open"),
    same(
        "every character of a token",
        fields!("x!#$%&'*+-.^_`|~09: 1\r\n"),
        "200 GET / @h x!#$%&'*+-.^_`|~09=1; next; open",
    ),
    same("a tab within the value", fields!("x: 1\t2\r\n"), "200 GET / @h x=1\\t2; next; open"),
    same(
        "bytes above ASCII in the value",
        b"GET / HTTP/1.1\r\nHost: h\r\nx: \xe9\xff\r\n\r\n",
        "200 GET / @h x=\\xe9\\xff; next; open",
    ),
    same("space before the colon", fields!("x : 1\r\n"), REFUSED),
    same("tab before the colon", fields!("x\t: 1\r\n"), REFUSED),
    same("a folded value", fields!("x: 1\r\n 2\r\n"), REFUSED),
    same("a value folded with a tab", fields!("x: 1\r\n\t2\r\n"), REFUSED),
    same("a value folded with nothing", fields!("x: 1\r\n \r\n"), REFUSED),
    same("space before the first field", b"GET / HTTP/1.1\r\n x: 1\r\nHost: h\r\n\r\n", REFUSED),
    differ("LF at the end of a field", fields!("x: 1\n"), REFUSED, "200 GET / @h x=1; next; open", why::LF),
    differ(
        "LF at the end of the head",
        b"GET / HTTP/1.1\r\nHost: h\r\nx: 1\r\n\n",
        REFUSED,
        "200 GET / @h x=1; next; open",
        why::LF,
    ),
    differ(
        "LF everywhere",
        b"GET / HTTP/1.1\nHost: h\nx: 1\n\n",
        REFUSED,
        "200 GET / @h x=1; next; open",
        why::LF,
    ),
    same("CR within the value", fields!("x: 1\ry: 2\r\n"), REFUSED),
    same("CR before the line end", fields!("x: 1\r\r\n"), REFUSED),
    same("NUL in the value", fields!("x: 1\0\r\n"), REFUSED),
    same("a control byte in the value", fields!("x: \x01\r\n"), REFUSED),
    same("DEL in the value", fields!("x: \x7f\r\n"), REFUSED),
    same("no colon", fields!("x\r\n"), REFUSED),
    same("no name", fields!(": 1\r\n"), REFUSED),
    same("a space in the name", fields!("x y: 1\r\n"), REFUSED),
    same("a bracket in the name", fields!("x(: 1\r\n"), REFUSED),
    same("NUL in the name", fields!("x\0: 1\r\n"), REFUSED),
    same("a byte above ASCII in the name", b"GET / HTTP/1.1\r\nHost: h\r\nx\xe9: 1\r\n\r\n", REFUSED),
    same("another request line", fields!("GET /evil HTTP/1.1\r\n"), REFUSED),
];
