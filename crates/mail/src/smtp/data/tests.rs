//! Messages behind DATA, cut anywhere.

use super::*;
use std::cell::Cell;
use trenza_wire::{Input, OutBuf};

/// The message, whether it has ended, whether a bare CR or LF was in it, and what stands behind it.
type Seen = (Vec<u8>, bool, bool, Vec<u8>);

fn decode(pieces: &[&[u8]]) -> Seen {
    let (frozen, mut decoder) = (Cell::new(false), Decoder::new());
    let (mut unread, mut text, mut ended, mut bare) = (Vec::new(), Vec::new(), false, false);
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, 1 << 20);
        while !ended {
            match decoder.next(&mut input) {
                Ok(Some(Piece::Bytes(bytes))) => text.extend_from_slice(bytes),
                Ok(Some(Piece::End)) => ended = true,
                Ok(None) => break,
                Err(Bare) => {
                    assert!(!bare, "it is said once");
                    bare = true;
                }
            }
        }
        let taken = input.taken();
        unread.drain(..taken);
        assert!(ended || unread.len() <= 2);
    }
    (text, ended, bare, unread)
}

/// The same in two and three pieces, and byte for byte.
fn decode_anyhow(wire: &[u8]) -> Seen {
    let whole = decode(&[wire]);
    for cut in 0..=wire.len() {
        let (a, b) = wire.split_at(cut);
        assert_eq!(decode(&[a, b]), whole, "{} cut at {cut}", wire.escape_ascii());
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(decode(&bytes), whole, "{}", wire.escape_ascii());
    whole
}

#[test]
fn messages_and_what_stands_behind_them() {
    for (wire, text, rest) in [
        (&b".\r\nQUIT\r\n"[..], &b""[..], &b"QUIT\r\n"[..]),
        (b"a\r\n.\r\n", b"a\r\n", b""),
        (b"..a\r\n.\r\n", b".a\r\n", b""),
        (b".a\r\n.\r\n", b"a\r\n", b""),
        (b"...\r\n.\r\n", b"..\r\n", b""),
        (b"..\r\n.\r\n.\r\n", b".\r\n", b".\r\n"),
        (b"\r\n\r\n.\r\n\r\n", b"\r\n\r\n", b"\r\n"),
        (b"a.\r\nb.c\r\n.\r\n", b"a.\r\nb.c\r\n", b""),
        (b"\0\xff\r\n.\r\n", b"\0\xff\r\n", b""),
    ] {
        let seen = (text.to_vec(), true, false, rest.to_vec());
        assert_eq!(decode_anyhow(wire), seen, "{}", wire.escape_ascii());
    }
}

/// Each of these was taken for an end of the message by some server: the message would be two.
#[test]
fn nothing_is_smuggled() {
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\r",
        "\r\r\n.\r\n\r",
        "\n.\r",
        "\r.\n",
        "\r\n.\r\r\n",
        "\n\n.\n\n",
        "\r\0\n.\r\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
    ] {
        let wire = format!("a{end}MAIL FROM:<x@y>\r\n.\r\nQUIT\r\n");
        let (_, ended, bare, rest) = decode_anyhow(wire.as_bytes());
        let own = end.contains("\0.") || end.contains(".\0");
        let strict = end.starts_with("\r\r\n.\r\n");
        assert!(ended && bare != own, "{end:?}");
        assert_eq!(rest.starts_with(b"QUIT"), !strict, "{end:?}");
    }
}

#[test]
fn a_message_that_has_not_ended() {
    for (wire, text, rest) in [
        (&b"a\r\n"[..], &b"a\r\n"[..], &b""[..]),
        (b"a\r", b"a", b"\r"),
        (b"a\r\n.", b"a\r\n", b"."),
        (b"a\r\n.\r", b"a\r\n", b".\r"),
    ] {
        assert_eq!(decode_anyhow(wire), (text.to_vec(), false, false, rest.to_vec()));
    }
}

fn encode(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(), OutBuf::new());
    pieces.iter().for_each(|piece| encoder.encode(piece, &mut out));
    encoder.finish(&mut out);
    out.to_vec().unwrap()
}

#[test]
fn there_and_back() {
    for text in [&b""[..], b"\r\n", b".\r\n", b"a\r\n.\r\n..\r\n.b\r\n", b"\xff.\r\n\r\n", b"...\r\n"] {
        let wire = encode(&[text]);
        assert_eq!(decode_anyhow(&wire), (text.to_vec(), true, false, Vec::new()));
        assert_eq!(encode(&text.chunks(1).collect::<Vec<_>>()), wire);
    }
}

#[test]
fn what_is_written_has_one_end_only() {
    for (text, wire) in [
        ("a", "a\r\n.\r\n"),
        ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r\r\n.", "a\r\n\r\n..\r\n.\r\n"),
        ("\r", "\r\n.\r\n"),
        ("\n\r", "\r\n\r\n.\r\n"),
    ] {
        for cut in 0..=text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            assert_eq!(
                encode(&[a, b]).escape_ascii().to_string(),
                wire.as_bytes().escape_ascii().to_string()
            );
        }
        let (_, ended, bare, rest) = decode(&[wire.as_bytes()]);
        assert!(ended && !bare && rest.is_empty());
    }
}

#[test]
fn lines_in_chunks() {
    for (text, right) in [
        (&b""[..], true),
        (b"a\r\nb\r\n", true),
        (b"a\r\nb", true),
        (b"\r\n\r\n", true),
        (b"\r", false),
        (b"\n", false),
        (b"a\r\r\n", false),
        (b"a\n.\r\n", false),
        (b"a\rb", false),
    ] {
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            let mut lines = Lines::default();
            let seen = lines.check(a).and_then(|()| lines.check(b)).and_then(|()| lines.finish());
            assert_eq!(seen.is_ok(), right, "{} cut at {cut}", text.escape_ascii());
        }
    }
}

#[test]
fn for_bdat_only_line_ends_are_mended() {
    for (text, wire) in [
        ("", ""),
        ("a", "a\r\n"),
        ("a\n.\r\n..b", "a\r\n.\r\n..b\r\n"),
        (".\r.\r", ".\r\n.\r\n"),
        ("\r\r\n\n", "\r\n\r\n\r\n"),
    ] {
        for cut in 0..=text.len() {
            let (mut encoder, mut out) = (Encoder::undotted(), OutBuf::new());
            encoder.encode(&text.as_bytes()[..cut], &mut out);
            encoder.encode(&text.as_bytes()[cut..], &mut out);
            encoder.finish(&mut out);
            assert_eq!(out.to_vec().unwrap(), wire.as_bytes(), "{text:?} at {cut}");
        }
    }
}
