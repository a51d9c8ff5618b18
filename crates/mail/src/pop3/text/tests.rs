//! Messages, there and back, cut anywhere.

use super::*;
use std::cell::Cell;
use trenza_wire::Input;

fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut encoder, mut text) = (Encoder::new(), Vec::new());
    pieces.iter().for_each(|piece| encoder.encode(piece, &mut text));
    encoder.finish(&mut text);
    text
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let frozen = Cell::new(false);
    let (mut input, mut decoder, mut message) =
        (Input::new(text, &frozen, 1 << 20), Decoder::new(), Vec::new());
    loop {
        match decoder.next(&mut input) {
            Ok(Some(Piece::Bytes(bytes))) => message.extend_from_slice(bytes),
            Ok(Some(Piece::End)) => break,
            Ok(None) => panic!("it has no end: {}", text.escape_ascii()),
            Err(Bare) => {}
        }
    }
    assert!(input.is_empty());
    message
}

#[test]
fn messages_as_lines() {
    for (message, text) in [
        (&b""[..], &b".\r\n"[..]),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
        (b"a\n.\n", b"a\r\n..\r\n.\r\n"),
        (b"\n\n..b\n", b"\r\n\r\n...b\r\n.\r\n"),
        (b"a\r.b\r\nc.\r\n", b"a\r.b\r\nc.\r\n.\r\n"),
        (b"\r\r\n.\0\xff", b"\r\r\n..\0\xff\r\n.\r\n"),
    ] {
        assert_eq!(encoded(&[message]), text, "{}", message.escape_ascii());
        for cut in 0..=message.len() {
            let (a, b) = message.split_at(cut);
            assert_eq!(encoded(&[a, b]), text, "{} cut at {cut}", message.escape_ascii());
        }
        let bytes: Vec<&[u8]> = message.chunks(1).collect();
        assert_eq!(encoded(&bytes), text);
    }
}

#[test]
fn nothing_is_altered() {
    // All messages of up to 7 of these bytes whose lines end in CRLF.
    let letters = [&b"a"[..], b".", b"\r\n", b"\r"];
    let mut messages = vec![Vec::new()];
    for _ in 0..6 {
        let longer =
            messages.iter().flat_map(|message: &Vec<u8>| letters.map(|next| [message, next].concat()));
        messages = longer.collect();
        for message in messages.iter().filter(|message| message.ends_with(b"\r\n")) {
            assert_eq!(decoded(&encoded(&[message])), *message, "{}", message.escape_ascii());
        }
    }
}

#[test]
fn a_listing_ends_with_a_dot() {
    let frozen = Cell::new(false);
    let mut input = Input::new(b"1 2\r\n..x\r\n.\r\n+OK", &frozen, 1 << 20);
    assert_eq!(line(&mut input), Ok(Some(Line::Text(b"1 2"))));
    assert_eq!(line(&mut input), Ok(Some(Line::Text(b".x"))));
    assert_eq!(line(&mut input), Ok(Some(Line::End)));
    assert_eq!(line(&mut input), Ok(None));
    assert!(line(&mut Input::new(b"a\n", &frozen, 1 << 20)).is_err());
}
