//! The request line.

use super::why;
use crate::case::{Case, REFUSED, differ, same};

/// This line and a good Host.
macro_rules! line {
    ($line:literal) => {
        concat!($line, "\r\nHost: h\r\n\r\n").as_bytes()
    };
}

pub(crate) const CASES: &[Case] = &[
    same("GET", line!("GET /a?b=c&d HTTP/1.1"), "200 GET /a?b=c&d @h; next; open"),
    same("a method in small letters is another one", line!("get / HTTP/1.1"), "200 get / @h; next; open"),
    same("a method that nobody knows", line!("M-SEARCH / HTTP/1.1"), "200 M-SEARCH / @h; next; open"),
    same("escapes stay as they are", line!("GET /%2e%2E/%00 HTTP/1.1"), "200 GET /%2e%2E/%00 @h; next; open"),
    same("two slashes are a path", line!("GET //a HTTP/1.1"), "200 GET //a @h; next; open"),
    same("the asterisk", line!("OPTIONS * HTTP/1.1"), "200 OPTIONS * @h; next; open"),
    differ(
        "the absolute form",
        line!("GET http://h:80/a HTTP/1.1"),
        "200 GET http://h:80/a @h:80; next; open",
        "200 GET http://h:80/a @h; next; open",
        why::HOST_OF_THE_TARGET,
    ),
    same("an empty line before", line!("\r\nGET / HTTP/1.1"), "200 GET / @h; next; open"),
    differ(
        "HTTP/1.2",
        line!("GET / HTTP/1.2"),
        "200 GET / @h; next; open",
        "400 close; closed",
        "RFC 9110, 6.2: a higher minor version is read as the highest one that is known",
    ),
    differ(
        "two empty lines before",
        line!("\r\n\r\nGET / HTTP/1.1"),
        REFUSED,
        "200 GET / @h; next; open",
        why::EMPTY_LINES,
    ),
    differ(
        "an empty line of LF before",
        line!("\nGET / HTTP/1.1"),
        REFUSED,
        "200 GET / @h; next; open",
        why::LF,
    ),
    differ("HTTP/2.0", line!("GET / HTTP/2.0"), "505 close; closed", "400 close; closed", why::VERSION),
    differ(
        "the preface of HTTP/2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "505 close; closed",
        "closed",
        why::VERSION,
    )
    .whole_to_hyper(),
    differ("HTTP/0.9", line!("GET / HTTP/0.9"), "505 close; closed", "400 close; closed", why::VERSION),
    same("no version", line!("GET /"), REFUSED),
    same("a version in small letters", line!("GET / http/1.1"), REFUSED),
    same("a version of three digits", line!("GET / HTTP/1.10"), REFUSED),
    same("a version without a dot", line!("GET / HTTP/11"), REFUSED),
    same("two spaces before the target", line!("GET  / HTTP/1.1"), REFUSED),
    same("two spaces behind the target", line!("GET /  HTTP/1.1"), REFUSED),
    same("space at the end", line!("GET / HTTP/1.1 "), REFUSED),
    same("space at the start", line!(" GET / HTTP/1.1"), REFUSED),
    same("tabs", line!("GET\t/\tHTTP/1.1"), REFUSED),
    differ("LF at the end", b"GET / HTTP/1.1\nHost: h\r\n\r\n", REFUSED, "200 GET / @h; next; open", why::LF),
    same("CR before", line!("\rGET / HTTP/1.1"), REFUSED),
    same("CR within", line!("GET /\rHTTP/1.1"), REFUSED),
    same("a space in the target", line!("GET /a b HTTP/1.1"), REFUSED),
    same("a control byte in the target", line!("GET /\x01 HTTP/1.1"), REFUSED),
    same("NUL in the target", line!("GET /\0 HTTP/1.1"), REFUSED),
    same(
        "bytes above ASCII in the target",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n",
        "200 GET /é @h; next; open",
    ),
    differ(
        "a fragment",
        line!("GET /a#b HTTP/1.1"),
        REFUSED,
        "200 GET /a @h; next; open",
        "RFC 9112, 3.2: no form of a target has a fragment; hyper cuts it off",
    ),
    differ("a relative target", line!("GET a HTTP/1.1"), REFUSED, "200 GET a @h; next; open", why::FORM),
    differ("the asterisk with GET", line!("GET * HTTP/1.1"), REFUSED, "200 GET * @h; next; open", why::FORM),
    differ(
        "an authority with GET",
        line!("GET h:80 HTTP/1.1"),
        REFUSED,
        "200 GET h:80 @h; next; open",
        why::FORM,
    ),
    differ(
        "a scheme that is not ours",
        line!("GET ftp://h/ HTTP/1.1"),
        REFUSED,
        "200 GET ftp://h/ @h; next; open",
        "RFC 9110, 7.4: not for us, who are no proxy; hyper leaves it to the handler",
    ),
    differ(
        "a user in the target",
        line!("GET http://u@h/ HTTP/1.1"),
        REFUSED,
        "200 GET http://u@h/ @h; next; open",
        "RFC 9110, 4.2.4: a user is to be taken for an error; hyper leaves it to the handler",
    ),
    same("a bracket in the method", line!("G(T / HTTP/1.1"), REFUSED),
    same("no method", line!(" / HTTP/1.1"), REFUSED),
    same("not HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", REFUSED).cut(),
];
