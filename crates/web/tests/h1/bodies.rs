//! Request bodies, good and bad.

use super::{
    checks::{Seen, body, cut, encode},
    seen,
};
use trenza_web::h1::Limits;

/// What a server sees of this chunked body, without the request's head.
fn chunks(bytes: &str) -> Vec<Seen> {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut seen = seen(format!("{head}{bytes}").as_bytes());
    seen.remove(0);
    seen
}

fn data(text: &str) -> Seen {
    Seen::Data(text.as_bytes().to_vec())
}

#[test]
fn length() {
    let seen = seen(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloGET");
    assert_eq!(seen[1..], [data("hello"), Seen::End]);
}

#[test]
fn good_chunks() {
    assert_eq!(chunks("0\r\n\r\n"), [Seen::End]);
    assert_eq!(chunks("000\r\n\r\n"), [Seen::End]);
    assert_eq!(chunks("5\r\nhello\r\n0\r\n\r\n"), [data("hello"), Seen::End]);
    assert_eq!(
        chunks("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
        [data("01234567890123456789"), Seen::End]
    );
    assert_eq!(chunks("2\r\n\r\n\r\n0\r\n\r\n"), [data("\r\n"), Seen::End]);
    assert_eq!(chunks("1 \t;a\r\nx\r\n0 ; b\r\n\r\n"), [data("x"), Seen::End]);
    assert_eq!(chunks("1;a=b;c=\"d e\"\r\nx\r\n0;last\r\n\r\n"), [data("x"), Seen::End]);
    assert_eq!(
        chunks("1\r\nx\r\n0\r\nx-sum: 1\r\n\r\n"),
        [data("x"), Seen::Trailers("{\"x-sum\": \"1\"}".into()), Seen::End]
    );
}

#[test]
fn forbidden_trailers_are_dropped() {
    let trailers =
        "content-length: 9\r\nTransfer-Encoding: chunked\r\nhost: b\r\nx: y\r\nauthorization: z\r\n";
    assert_eq!(chunks(&format!("0\r\n{trailers}\r\n")), [Seen::Trailers("{\"x\": \"y\"}".into()), Seen::End]);
    assert_eq!(chunks("0\r\nhost: b\r\n\r\n"), [Seen::End]);
}

#[test]
fn bad_chunks() {
    let extension = format!("1;{}\r\nx\r\n", "e".repeat(200)).repeat(21);
    let table: &[&str] = &[
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "1h\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "1 \r\nx\r\n0\r\n\r\n",
        "1\t\r\nx\r\n0\r\n\r\n",
        "1 a\r\nx\r\n0\r\n\r\n",
        "1,1\r\nx\r\n0\r\n\r\n",
        "1_0\r\nx\r\n0\r\n\r\n",
        ";a\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1\rx\r\n0\r\n\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n",
        "1;a\rb\r\nx\r\n0\r\n\r\n",
        "1;a\0\r\nx\r\n0\r\n\r\n",
        "1\r\nx0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1\r\nx\r0\r\n\r\n",
        "10000000000000000\r\n",
        "fffffffffffffffff\r\n",
        "0\r\n\n",
        "0\r\na b\r\n\r\n",
        "0\r\na : b\r\n\r\n",
        "0\r\na: b\n\r\n",
        "0\r\na: b\r\n c\r\n\r\n",
        "0\r\na: \0\r\n\r\n",
        &extension,
    ];
    for bytes in table {
        let seen = chunks(bytes);
        assert!(
            matches!(seen.last(), Some(Seen::Failed(status, _)) if *status == 400),
            "{bytes:?}: {seen:?}"
        );
    }
}

#[test]
fn chunks_are_limited_before_their_bytes_come() {
    for bytes in ["1000001\r\n", "ffffffffffffffff\r\n", "1\r\nx\r\n1000000\r\n"] {
        let seen = chunks(bytes);
        assert!(
            matches!(seen.last(), Some(Seen::Failed(status, _)) if *status == 413),
            "{bytes:?}: {seen:?}"
        );
    }
    let many = format!("0\r\n{}\r\n", "a: b\r\n".repeat(101));
    assert!(matches!(chunks(&many).last(), Some(Seen::Failed(status, _)) if *status == 431));
}

#[test]
fn round_trip() {
    let message: Vec<u8> = (0..2000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let limits = Limits::default();
    for size in [1, 2, 9, 15, 16, 17, 255] {
        let encoded = encode(&cut(&message, &[size]));
        for step in [1, 3, 200] {
            let decoded = body(&cut(&encoded, &[step]), &limits);
            assert_eq!(
                decoded,
                [Seen::Data(message.clone()), Seen::End],
                "chunks of {size}, steps of {step}"
            );
        }
    }
    assert_eq!(encode(&[]), b"0\r\n\r\n");
    assert_eq!(encode(&[b"", b"hello, world", b""]), b"C\r\nhello, world\r\n0\r\n\r\n");
}
