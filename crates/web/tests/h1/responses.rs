//! Responses: heads, framing, persistence, 100, misuse.

use http::{HeaderMap, HeaderValue, StatusCode};
use std::cell::Cell;
use trenza_web::h1::{Connection, Error, Event, Limits};
use trenza_wire::{Chunk, Input, OutBuf};

/// A connection that has read these bytes, and how many of them it left.
fn after(bytes: &[u8]) -> (Connection, usize) {
    let frozen = Cell::new(false);
    let mut connection = Connection::new();
    let mut input = Input::new(bytes, &frozen, 1 << 20);
    while let Ok(Some(_)) = connection.next(&mut input, &Limits::default()) {}
    (connection, input.len())
}

fn get(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n").into_bytes()
}

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| ((*name).try_into().unwrap(), HeaderValue::from_static(value)))
        .collect()
}

/// The whole response to `request`, with a body of `length` told or not told before.
fn answer(
    request: &[u8],
    status: u16,
    headers: &HeaderMap,
    told: Option<u64>,
    body: &str,
) -> (String, Connection) {
    let (mut connection, _) = after(request);
    let mut out = OutBuf::new();
    let status = StatusCode::from_u16(status).unwrap();
    connection.send_head(status, headers, told, "DATE", &mut out).unwrap();
    connection.send(Chunk::Own(body.into()), &mut out).unwrap();
    connection.finish(None, &mut out).unwrap();
    (String::from_utf8(out.to_vec().unwrap()).unwrap(), connection)
}

#[test]
fn known_length() {
    let headers = map(&[("x", "y"), ("content-length", "99"), ("transfer-encoding", "gzip")]);
    let (text, connection) = answer(&get(""), 200, &headers, Some(2), "hi");
    assert_eq!(text, "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 2\r\ndate: DATE\r\n\r\nhi");
    assert!(connection.is_idle());
}

#[test]
fn unknown_length_is_sent_in_chunks() {
    let (text, connection) = answer(&get(""), 200, &HeaderMap::new(), None, "hi");
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ndate: DATE\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    );
    assert!(connection.is_idle());
    let declared = map(&[("content-length", "2")]);
    let (text, _) = answer(&get(""), 200, &declared, None, "hi");
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: DATE\r\n\r\nhi");
}

#[test]
fn responses_without_a_body() {
    let head = b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";
    let (text, connection) = answer(head, 200, &HeaderMap::new(), Some(2), "hi");
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: DATE\r\n\r\n");
    assert!(connection.is_idle());
    let (text, _) = answer(head, 200, &map(&[("content-length", "7")]), Some(0), "");
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ndate: DATE\r\n\r\n");
    let (text, _) = answer(head, 200, &HeaderMap::new(), None, "hi");
    assert_eq!(text, "HTTP/1.1 200 OK\r\ndate: DATE\r\n\r\n");
    let (text, _) = answer(&get(""), 204, &map(&[("content-length", "2")]), Some(2), "hi");
    assert_eq!(text, "HTTP/1.1 204 No Content\r\ndate: DATE\r\n\r\n");
    let (text, _) = answer(&get(""), 304, &HeaderMap::new(), Some(0), "");
    assert_eq!(text, "HTTP/1.1 304 Not Modified\r\ndate: DATE\r\n\r\n");
    let (text, _) = answer(&get(""), 304, &map(&[("content-length", "7")]), Some(0), "hi");
    assert_eq!(text, "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\ndate: DATE\r\n\r\n");
}

#[test]
fn persistence() {
    let old = |fields: &str| format!("GET / HTTP/1.0\r\n{fields}\r\n").into_bytes();
    let close = map(&[("connection", "close")]);
    let none = HeaderMap::new();
    type Row<'a> = (Vec<u8>, &'a HeaderMap, Option<u64>, Option<&'a str>, bool);
    let table: [Row<'_>; 10] = [
        (get(""), &none, Some(2), None, true),
        (get("connection: keep-alive\r\n"), &none, Some(2), None, true),
        (get("connection: close\r\n"), &none, Some(2), Some("close"), false),
        (get("connection: a, CLOSE\r\n"), &none, Some(2), Some("close"), false),
        (get("connection: a\r\nconnection: close\r\n"), &none, Some(2), Some("close"), false),
        (get(""), &close, Some(2), Some("close"), false),
        (old(""), &none, Some(2), Some("close"), false),
        (old("connection: Keep-Alive\r\n"), &none, Some(2), Some("keep-alive"), true),
        (old("connection: keep-alive\r\n"), &none, None, Some("close"), false),
        (old("connection: keep-alive, close\r\n"), &none, Some(2), Some("close"), false),
    ];
    for (request, headers, told, said, persists) in table {
        let (text, connection) = answer(&request, 200, headers, told, "hi");
        let found = text.lines().find_map(|line| line.strip_prefix("connection: "));
        assert_eq!(found, said, "{text}");
        assert_eq!((connection.is_idle(), connection.is_over()), (persists, !persists), "{text}");
        assert!(text.ends_with("\r\n\r\nhi") || text.contains("chunked"), "{text}");
    }
    let (text, _) = answer(&get(""), 426, &map(&[("connection", "upgrade"), ("upgrade", "x")]), Some(0), "");
    assert!(text.contains("connection: upgrade\r\n"), "{text}");
}

#[test]
fn date_of_the_handler_stays() {
    let (text, _) = answer(&get(""), 200, &map(&[("date", "MINE")]), Some(0), "");
    assert_eq!(text, "HTTP/1.1 200 OK\r\ndate: MINE\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn continue_is_sent_once_and_only_if_asked_for() {
    let expecting = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    let mut out = OutBuf::new();
    let (mut connection, _) = after(expecting.as_bytes());
    assert!(connection.expects_continue());
    connection.send_continue(&mut out);
    connection.send_continue(&mut out);
    assert_eq!(out.to_vec().unwrap(), b"HTTP/1.1 100 Continue\r\n\r\n");

    let (mut early, _) = after(format!("{expecting}h").as_bytes());
    let (mut old, _) = after(expecting.replace("1.1", "1.0").as_bytes());
    let (mut empty, _) = after(&get("expect: 100-continue\r\n"));
    let mut out = OutBuf::new();
    for connection in [&mut early, &mut old, &mut empty] {
        connection.send_continue(&mut out);
    }
    assert!(out.is_empty());
}

#[test]
fn a_final_answer_instead_of_continue_closes() {
    let expecting = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    let (text, connection) = answer(expecting, 403, &HeaderMap::new(), Some(0), "");
    assert!(text.contains("connection: close\r\n"), "{text}");
    assert!(connection.is_over());
}

#[test]
fn an_early_answer_lets_the_rest_of_the_body_pass() {
    let request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhe";
    let (text, mut connection) = answer(request, 200, &HeaderMap::new(), Some(2), "hi");
    assert!(!text.contains("connection:"));
    assert_eq!((connection.is_idle(), connection.is_over(), connection.body_left()), (false, false, Some(3)));
    let frozen = Cell::new(false);
    let mut input = Input::new(b"lloGET /2 HTTP/1.1\r\nhost: a\r\n\r\n", &frozen, 1 << 20);
    let mut next = || connection.next(&mut input, &Limits::default()).unwrap().unwrap();
    assert!(matches!(next(), Event::Data(b"llo")));
    assert!(matches!(next(), Event::End));
    assert!(matches!(next(), Event::Request { request, .. } if request.uri() == "/2"));
}

#[test]
fn trailers_are_sent_without_forbidden_ones() {
    let (mut connection, _) = after(&get(""));
    let mut out = OutBuf::new();
    connection.send_head(StatusCode::OK, &HeaderMap::new(), None, "DATE", &mut out).unwrap();
    connection
        .finish(Some(&map(&[("x-sum", "1"), ("content-length", "5"), ("set-cookie", "a")])), &mut out)
        .unwrap();
    assert!(out.to_vec().unwrap().ends_with(b"\r\n\r\n0\r\nx-sum: 1\r\n\r\n"));
}

#[test]
fn misuse_is_local() {
    fn local<T>(result: Result<T, Error>) -> bool {
        result.is_err_and(|error| error.is_local())
    }
    let (none, mut out) = (HeaderMap::new(), OutBuf::new());
    let chunk = |text: &str| Chunk::Own(text.into());
    let mut idle = Connection::new();
    assert!(local(idle.send_head(StatusCode::OK, &none, None, "", &mut out)));
    assert!(local(idle.send(chunk("x"), &mut out)));
    assert!(local(idle.finish(None, &mut out)));

    let (mut connection, _) = after(&get(""));
    for status in [StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS] {
        assert!(local(connection.send_head(status, &none, None, "", &mut out)));
    }
    let bad = map(&[("content-length", "x")]);
    assert!(local(connection.send_head(StatusCode::OK, &bad, None, "", &mut out)));
    assert!(out.is_empty(), "a refused head leaves nothing behind");
    connection.send_head(StatusCode::OK, &none, Some(2), "", &mut out).unwrap();
    assert!(local(connection.send_head(StatusCode::OK, &none, Some(2), "", &mut out)));
    assert!(local(connection.finish(None, &mut out)), "too short");
    assert!(local(connection.send(chunk("xyz"), &mut out)), "too long");
    connection.send(chunk("xy"), &mut out).unwrap();
    connection.finish(None, &mut out).unwrap();
}

#[test]
fn upgrades() {
    let none = HeaderMap::new();
    let asking = get("connection: keep-alive, Upgrade\r\nupgrade: x\r\n");
    let bytes = [&asking[..], b"\x01\x02"].concat();
    let (mut connection, left) = after(&bytes);
    assert_eq!(left, 2, "bytes of the next protocol stay unread");
    let mut out = OutBuf::new();
    let headers = map(&[("upgrade", "x")]);
    connection.send_head(StatusCode::SWITCHING_PROTOCOLS, &headers, None, "DATE", &mut out).unwrap();
    let text = String::from_utf8(out.to_vec().unwrap()).unwrap();
    assert_eq!(
        text,
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\ndate: DATE\r\n\r\n"
    );

    let (mut tunnel, _) = after(b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n");
    let mut out = OutBuf::new();
    tunnel.send_head(StatusCode::OK, &none, Some(0), "DATE", &mut out).unwrap();
    assert_eq!(out.to_vec().unwrap(), b"HTTP/1.1 200 OK\r\ndate: DATE\r\n\r\n");

    // A body that is still to come would be taken for the next protocol's bytes.
    let (mut busy, _) = after(
        b"POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 2\r\n\r\na",
    );
    let result = busy.send_head(StatusCode::SWITCHING_PROTOCOLS, &none, None, "", &mut OutBuf::new());
    assert!(result.is_err_and(|error| error.is_local()));
}

#[test]
fn an_error_can_be_answered_and_ends_the_connection() {
    for (request, body) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], true),
        (b"HEAD / HTTP/1.1\r\n\r\n", false),
        (b"HEAD / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\r\n", false),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", true),
    ] {
        let (text, connection) = answer(request, 400, &HeaderMap::new(), Some(2), "hi");
        assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
        assert_eq!(text.ends_with("\r\n\r\nhi"), body, "{text}");
        assert!(connection.is_over());
    }
}

#[test]
fn end_of_the_connection() {
    let eof = |bytes: &[u8]| {
        let (mut connection, _) = after(bytes);
        (connection.eof().is_ok(), connection)
    };
    assert!(eof(b"").0);
    assert!(!eof(b"GET").0);
    assert!(!eof(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\na").0);
    let (good, mut connection) = eof(&get(""));
    assert!(good && connection.can_answer());
    let mut out = OutBuf::new();
    connection.send_head(StatusCode::OK, &HeaderMap::new(), Some(0), "", &mut out).unwrap();
    connection.finish(None, &mut out).unwrap();
    assert!(connection.is_over());
    assert!(out.to_vec().unwrap().windows(17).any(|w| w == b"connection: close"));
}

#[test]
fn stopping_lets_the_present_exchange_end() {
    let (mut connection, _) = after(&get(""));
    connection.close_after();
    assert!(connection.can_answer() && !connection.is_over());
    let mut idle = Connection::new();
    idle.close_after();
    assert!(idle.is_over());
}
