//! Request heads, good and bad.

use super::{checks::Seen, refused, seen, text};
use http::StatusCode;
use trenza_web::h1::Framing;

/// A head with this request line and a good Host.
fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nhost: a\r\n\r\n").into_bytes()
}

/// A GET with these field lines behind a good Host.
fn fields(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").into_bytes()
}

fn status(bytes: &[u8]) -> u16 {
    refused(bytes).map_or(200, |status| status.as_u16())
}

#[test]
fn request_lines() {
    let table: &[(&str, u16)] = &[
        ("GET / HTTP/1.1", 200),
        ("GET / HTTP/1.0", 200),
        ("GET / HTTP/1.9", 200),
        ("get / HTTP/1.1", 200),
        ("M-SEARCH / HTTP/1.1", 200),
        ("GET /a?b=c&d HTTP/1.1", 200),
        ("GET /%00 HTTP/1.1", 200),
        ("GET //a HTTP/1.1", 200),
        ("GET http://b/c HTTP/1.1", 200),
        ("GET https://b:443 HTTP/1.1", 200),
        ("GET http://[::1]:80/ HTTP/1.1", 200),
        ("OPTIONS * HTTP/1.1", 200),
        ("OPTIONS / HTTP/1.1", 200),
        ("CONNECT a:443 HTTP/1.1", 200),
        ("CONNECT [::1]:443 HTTP/1.1", 200),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("GET / HTTP/3.0", 505),
        ("PRI * HTTP/2.0", 505),
        ("GET /", 400),
        ("GET", 400),
        ("", 400),
        (" GET / HTTP/1.1", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET\t/\tHTTP/1.1", 400),
        ("GET / HTTP/1.1\t", 400),
        ("GET / HTTP/1.1\rXa: b", 400),
        ("GET /\rXa: b HTTP/1.1", 400),
        ("GET / HTTP/1.1\r", 400),
        ("GET / HTTP/11", 400),
        ("GET / HTTP/1.", 400),
        ("GET / HTTP/1.10", 400),
        ("GET / HTTP/-1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTPS/1.1", 400),
        ("GET / a HTTP/1.1", 400),
        ("GET HTTP/1.1", 400),
        ("GET  HTTP/1.1", 400),
        ("G@T / HTTP/1.1", 400),
        ("G\x01T / HTTP/1.1", 400),
        ("G\u{e9}T / HTTP/1.1", 400),
        (" / HTTP/1.1", 400),
        ("GET /\x00 HTTP/1.1", 400),
        ("GET /\x7f HTTP/1.1", 400),
        ("GET /a\tb HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET a:80 HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("OPTIONS *a HTTP/1.1", 400),
        ("GET ftp://b/ HTTP/1.1", 400),
        ("GET http:// HTTP/1.1", 400),
        ("GET http:///a HTTP/1.1", 400),
        ("GET http://u@b/ HTTP/1.1", 400),
        ("GET http://u:p@b/ HTTP/1.1", 400),
        ("CONNECT / HTTP/1.1", 400),
        ("CONNECT a HTTP/1.1", 400),
        ("CONNECT a: HTTP/1.1", 400),
        ("CONNECT http://a:80/ HTTP/1.1", 400),
        ("CONNECT u@a:80 HTTP/1.1", 400),
        ("CONNECT ::1:80 HTTP/1.1", 400),
        ("CONNECT * HTTP/1.1", 400),
    ];
    for (text, expected) in table {
        assert_eq!(status(&line(text)), *expected, "{text:?}");
    }
}

#[test]
fn field_lines() {
    let table: &[(&str, u16)] = &[
        ("a: b\r\n", 200),
        ("a:b\r\n", 200),
        ("a:\t b \t\r\n", 200),
        ("a:\r\n", 200),
        ("a: \r\n", 200),
        ("a: b\tc\r\n", 200),
        ("a: \u{e9}\r\n", 200),
        ("!#$%&'*+-.^_`|~09: b\r\n", 200),
        ("a: b\r\na: c\r\n", 200),
        // Folded lines, and whitespace where it moves a field.
        ("a: b\r\n c\r\n", 400),
        ("a: b\r\n\tc\r\n", 400),
        ("a: b\r\n \r\n", 400),
        ("a : b\r\n", 400),
        ("a\t: b\r\n", 400),
        (" a: b\r\n", 400),
        ("\ta: b\r\n", 400),
        ("a b: c\r\n", 400),
        // Line ends.
        ("a: b\n", 400),
        ("a: b\nc: d\r\n", 400),
        ("a: b\rc: d\r\n", 400),
        ("a: b\r\r\n", 400),
        ("a: b\r\n\n", 400),
        ("a: b\n\r\n", 400),
        ("a: \n", 400),
        ("a\r: b\r\n", 400),
        ("a\n: b\r\n", 400),
        // Names.
        (": b\r\n", 400),
        ("a\r\n", 400),
        ("a;: b\r\n", 400),
        ("\"a\": b\r\n", 400),
        ("a\x00: b\r\n", 400),
        ("\u{e9}: b\r\n", 400),
        // Values.
        ("a: \x00\r\n", 400),
        ("a: b\x00c\r\n", 400),
        ("a: \x01\r\n", 400),
        ("a: \x1b[2J\r\n", 400),
        ("a: \x7f\r\n", 400),
        ("a: b\x0bc\r\n", 400),
    ];
    for (text, expected) in table {
        assert_eq!(status(&fields(text)), *expected, "{text:?}");
    }
}

#[test]
fn whitespace_before_the_first_field() {
    for head in ["GET / HTTP/1.1\r\n host: a\r\n\r\n", "GET / HTTP/1.1\r\n\thost: a\r\n\r\n"] {
        assert_eq!(status(head.as_bytes()), 400, "{head:?}");
    }
}

#[test]
fn hosts() {
    let table: &[(&str, u16)] = &[
        ("host: a\r\n", 200),
        ("host: a:80\r\n", 200),
        ("host: a:\r\n", 200),
        ("host:\r\n", 200),
        ("HOST: example.com\r\n", 200),
        ("host: [::1]\r\n", 200),
        ("host: [::1]:8080\r\n", 200),
        ("host: 127.0.0.1\r\n", 200),
        ("", 400),
        ("host: a\r\nhost: a\r\n", 400),
        ("host: a\r\nHost: b\r\n", 400),
        ("host: a b\r\n", 400),
        ("host: a, b\r\n", 400),
        ("host: a/b\r\n", 400),
        ("host: u@a\r\n", 400),
        ("host: a:b\r\n", 400),
        ("host: a:80:80\r\n", 400),
        ("host: a:+80\r\n", 400),
        ("host: a:123456\r\n", 400),
        ("host: [::1\r\n", 400),
        ("host: ::1\r\n", 400),
        ("host: []\r\n", 400),
        ("host: [::1]80\r\n", 400),
        ("host: a?b\r\n", 400),
        ("host: a#b\r\n", 400),
        ("host: a\\b\r\n", 400),
        ("host: \u{e9}\r\n", 400),
        ("host : a\r\n", 400),
    ];
    for (text, expected) in table {
        assert_eq!(status(format!("GET / HTTP/1.1\r\n{text}\r\n").as_bytes()), *expected, "{text:?}");
    }
    assert_eq!(status(b"GET / HTTP/1.0\r\n\r\n"), 200);
    assert_eq!(status(b"GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n\r\n"), 400);
}

#[test]
fn absolute_target_replaces_host() {
    let seen = seen(b"GET http://b:81/c HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(
        matches!(&seen[0], Seen::Request(text, _) if text.contains("\"host\": \"b:81\"") && !text.contains("\"a\"")),
        "{seen:?}"
    );
}

#[test]
fn framings() {
    let table: &[(&str, Result<Framing, u16>)] = &[
        ("", Ok(Framing::Empty)),
        ("content-length: 0\r\n", Ok(Framing::Empty)),
        ("content-length: 5\r\n", Ok(Framing::Length(5))),
        ("content-length:\t5 \r\n", Ok(Framing::Length(5))),
        ("content-length: 005\r\n", Ok(Framing::Length(5))),
        ("transfer-encoding: chunked\r\n", Ok(Framing::Chunked)),
        ("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
        // Content-Length.
        ("content-length: 5\r\ncontent-length: 5\r\n", Err(400)),
        ("content-length: 5\r\ncontent-length: 6\r\n", Err(400)),
        ("content-length: 5, 5\r\n", Err(400)),
        ("content-length: +5\r\n", Err(400)),
        ("content-length: -5\r\n", Err(400)),
        ("content-length: -0\r\n", Err(400)),
        ("content-length: 5 5\r\n", Err(400)),
        ("content-length: 5;\r\n", Err(400)),
        ("content-length: 0x5\r\n", Err(400)),
        ("content-length: 5.0\r\n", Err(400)),
        ("content-length: five\r\n", Err(400)),
        ("content-length: \u{665}\r\n", Err(400)),
        ("content-length: \"5\"\r\n", Err(400)),
        ("content-length:\r\n", Err(400)),
        ("content-length: \r\n", Err(400)),
        ("content-length: ,5\r\n", Err(400)),
        ("content-length: 5,\r\n", Err(400)),
        ("content-length : 5\r\n", Err(400)),
        ("content-length: 18446744073709551616\r\n", Err(400)),
        ("content-length: 99999999999999999999999\r\n", Err(400)),
        ("content-length: 18446744073709551615\r\n", Err(413)),
        ("content-length: 16777217\r\n", Err(413)),
        ("content-length: 16777216\r\n", Ok(Framing::Length(16_777_216))),
        // Both.
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", Err(400)),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", Err(400)),
        ("transfer-encoding: chunked\r\ncontent-length: 0\r\n", Err(400)),
        ("transfer-encoding: x\r\ncontent-length: 5\r\n", Err(400)),
        // Transfer-Encoding.
        ("transfer-encoding: gzip, chunked\r\n", Err(501)),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", Err(501)),
        ("transfer-encoding: x, chunked\r\n", Err(501)),
        ("transfer-encoding: chunked, gzip\r\n", Err(400)),
        ("transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n", Err(400)),
        ("transfer-encoding: chunked, chunked\r\n", Err(400)),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Err(400)),
        ("transfer-encoding: gzip\r\n", Err(400)),
        ("transfer-encoding: identity\r\n", Err(400)),
        ("transfer-encoding: xchunked\r\n", Err(400)),
        ("transfer-encoding: chunkedx\r\n", Err(400)),
        ("transfer-encoding: chunked;q=1\r\n", Err(400)),
        ("transfer-encoding: \"chunked\"\r\n", Err(400)),
        ("transfer-encoding: chunked,\r\n", Err(400)),
        ("transfer-encoding: ,chunked\r\n", Err(400)),
        ("transfer-encoding: \x0bchunked\r\n", Err(400)),
        ("transfer-encoding: chunked chunked\r\n", Err(400)),
        ("transfer-encoding:\r\n", Err(400)),
        ("transfer-encoding : chunked\r\n", Err(400)),
        ("transfer-encoding:\r\n chunked\r\n", Err(400)),
    ];
    for (text, expected) in table {
        let seen = seen(&fields(text));
        match (expected, &seen[0]) {
            (Ok(framing), Seen::Request(_, found)) => assert_eq!(found, framing, "{text:?}"),
            (Err(status), Seen::Failed(found, _)) => assert_eq!(found.as_u16(), *status, "{text:?}"),
            _ => panic!("{text:?}: expected {expected:?}, saw {seen:?}"),
        }
    }
}

#[test]
fn bodies_that_the_request_cannot_have() {
    assert_eq!(status(b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
    assert_eq!(status(b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\ncontent-length: 1\r\n\r\na"), 400);
}

#[test]
fn expectations() {
    let table: &[(&str, u16)] = &[
        ("expect: 100-continue\r\n", 200),
        ("expect: 100-CONTINUE\r\n", 200),
        ("expect: 200-ok\r\n", 417),
        ("expect: 100-continue, 200-ok\r\n", 417),
        ("expect: 100-continue\r\nexpect: 200-ok\r\n", 417),
    ];
    for (text, expected) in table {
        assert_eq!(status(&fields(text)), *expected, "{text:?}");
    }
}

#[test]
fn limits() {
    let uri = |n: usize| line(&format!("GET /{} HTTP/1.1", "a".repeat(n - 1)));
    assert_eq!(status(&uri(8192)), 200);
    assert_eq!(status(&uri(8193)), 414);
    assert_eq!(status(&uri(9000)), 414);
    assert_eq!(status(&uri(17_000)), 414);
    assert_eq!(status(&[b'a'; 9000]), 414);

    let head = |n: usize| fields(&format!("a: {}\r\n", "b".repeat(n)));
    let room = 16 * 1024 - head(0).len();
    assert_eq!(status(&head(room)), 200);
    assert_eq!(status(&head(room + 1)), 431);
    assert_eq!(status(&head(20_000)), 431);

    let many = |n: usize| fields(&"a: b\r\n".repeat(n - 1));
    assert_eq!(status(&many(100)), 200);
    assert_eq!(status(&many(101)), 431);
}

#[test]
fn endless_heads_fail_at_their_limit() {
    for (start, piece, expected) in [
        ("GET /", "a", 414),
        ("GET / HTTP/1.1\r\na: ", "b", 431),
        ("GET / HTTP/1.1\r\n", "a: b\r\n", 431),
        ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", "0", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0;", "a", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: ", "b", 431),
    ] {
        let mut bytes = start.as_bytes().to_vec();
        bytes.extend(piece.as_bytes().repeat(17_000 / piece.len()));
        assert_eq!(status(&bytes), expected, "{start:?} {piece:?}");
    }
}

#[test]
fn one_empty_line_may_come_before_a_request() {
    let good = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let after = |before: &[u8]| [before, good].concat();
    assert_eq!(status(&after(b"\r\n")), 200);
    assert_eq!(status(&after(b"\r\n\r\n")), 400);
    assert_eq!(status(&after(b"\n")), 400);
    assert_eq!(status(&after(b"\r")), 400);
    assert_eq!(status(&after(b" ")), 400);
}

#[test]
fn pipelined_requests_come_one_after_another() {
    let bytes = b"POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET /4 HTTP/1.1\r\nhost: a\r\n\r\n";
    let seen = seen(bytes);
    let targets: Vec<&str> = seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Request(text, _) => text.split(' ').nth(1),
            _ => None,
        })
        .collect();
    assert_eq!(targets, ["/1", "/2", "/3"], "{}", text(bytes));
    assert_eq!(seen.last(), Some(&Seen::End));
}

#[test]
fn nothing_is_read_after_an_error() {
    let seen = seen(b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\naGET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(matches!(seen[0], Seen::Failed(StatusCode::BAD_REQUEST, _)));
}
