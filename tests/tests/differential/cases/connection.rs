//! Connection options.

use crate::case::{Case, REFUSED, same};

/// A GET with these fields.
macro_rules! get {
    ($path:literal, $fields:literal) => {
        concat!("GET ", $path, " HTTP/1.1\r\nHost: h\r\n", $fields, "\r\n").as_bytes()
    };
}

const LAST: &str = "200 close GET / @h; closed";
const STAYS: &str = "200 GET / @h; next; open";

pub(crate) const CASES: &[Case] = &[
    same("close", get!("/", "Connection: close\r\n"), LAST),
    same("close in capitals", get!("/", "CONNECTION: CLOSE\r\n"), LAST),
    same("close in a list", get!("/", "Connection: te ,\tclose\r\n"), LAST),
    same("close before keep-alive", get!("/", "Connection: close, keep-alive\r\n"), LAST),
    same("close behind keep-alive", get!("/", "Connection: keep-alive, close\r\n"), LAST),
    same(
        "close on a line before keep-alive",
        get!("/", "Connection: close\r\nConnection: keep-alive\r\n"),
        LAST,
    ),
    same(
        "close on a line behind keep-alive",
        get!("/", "Connection: keep-alive\r\nConnection: close\r\n"),
        LAST,
    ),
    same("the handler closes", get!("/close", ""), "200 close GET /close @h; closed"),
    same("keep-alive", get!("/", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"), STAYS),
    same("a word that begins with close", get!("/", "Connection: closed\r\n"), STAYS),
    same("close in quotes", get!("/", "Connection: \"close\"\r\n"), STAYS),
    same("empty", get!("/", "Connection:\r\n"), STAYS),
    same("empty elements", get!("/", "Connection: ,,close,\r\n"), LAST),
    same("a proxy's field", get!("/", "Proxy-Connection: close\r\n"), STAYS),
    same("a field is named", get!("/", "Connection: x\r\nx: 1\r\n"), "200 GET / @h x=1; next; open"),
    same(
        "Content-Length is named",
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\nabc",
        "200 POST / @h \"abc\"; next; open",
    ),
    same(
        "close with a body",
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        "200 close POST / @h \"abc\"; closed",
    ),
    same("space before the colon", get!("/", "Connection : close\r\n"), REFUSED),
    same("NUL in an option", get!("/", "Connection: close\0\r\n"), REFUSED),
    same("a folded list", get!("/", "Connection: keep-alive,\r\n close\r\n"), REFUSED),
];
