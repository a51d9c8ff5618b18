//! Replies, written and read at any split.

use super::*;
use crate::listing::{Fact, FactSet};
use std::cell::Cell;
use trenza_wire::Input;

/// What a reader makes of pieces.
fn read(pieces: &[&[u8]], limits: ReplyLimits) -> Result<Vec<Reply>, Error> {
    let (frozen, mut reader, mut unread, mut seen) =
        (Cell::new(false), Reader::new(limits), Vec::new(), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, 1 << 20);
        while let Some(reply) = reader.next(&mut input)? {
            seen.push(reply);
        }
        let taken = input.taken();
        unread.drain(..taken);
    }
    Ok(seen)
}

fn written(reply: &Reply) -> Vec<u8> {
    let mut out = OutBuf::new();
    reply.write(&mut out);
    out.to_vec().expect("there is no file")
}

#[test]
fn replies_there_and_back_at_any_split() {
    let replies = [
        Reply::new(Code::READY, "hello"),
        Reply::new(Code::OK, ""),
        Reply::of_lines(Code::STATUS, "Features:", [" UTF8", " REST STREAM"], "End"),
        Reply::of_lines(Code::HELP, "", ["", " 214 is not the end", "x"], ""),
        Reply::new(Code::PATH, b"\"/\xff\xff\" is it"),
    ];
    let text: Vec<u8> = replies.iter().flat_map(written).collect();
    for cut in 0..=text.len() {
        let (a, b) = text.split_at(cut);
        assert_eq!(read(&[a, b], LIMITS), Ok(replies.to_vec()), "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(read(&bytes, LIMITS), Ok(replies.to_vec()));
}

#[test]
fn lines_that_would_end_a_reply_do_not() {
    let reply = Reply::of_lines(Code::STATUS, "first", ["211 not yet", "x\r\n211 nor now\0"], "last\n");
    assert_eq!(written(&reply), b"211-first\r\n 211 not yet\r\nx??211 nor now?\r\n211 last?\r\n");
    let mut out = OutBuf::new();
    write(Code::OK, "fine\r\n", &mut out);
    assert_eq!(out.to_vec().expect("there is no file"), b"200 fine??\r\n");
}

#[test]
fn replies_of_others() {
    for (text, code, lines) in [
        ("220\n", 220, vec![""]),
        ("220-\r\n220\r\n", 220, vec!["", ""]),
        ("211-a\r\n211-b\r\n211 c\r\n", 211, vec!["a", "b", "c"]),
        ("211-a\r\n212 b\r\n2111 c\r\n12\r\n211 d\r\n", 211, vec!["a", "212 b", "2111 c", "12", "d"]),
        ("220-a\nb\n220 c\n", 220, vec!["a", "b", "c"]),
    ] {
        let seen = read(&[text.as_bytes()], LIMITS).expect(text);
        let [reply] = &*seen else { panic!("{text}: {seen:?}") };
        let own: Vec<_> = reply.lines().map(String::from_utf8_lossy).collect();
        assert_eq!(
            (reply.code().number(), own),
            (code, lines.into_iter().map(Into::into).collect()),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_reply_and_what_is_too_long() {
    let limits = ReplyLimits { line: 20, lines: 3, bytes: 40 };
    for text in [
        "SSH-2.0-x\r\n",
        "\r\n",
        "99 x\r\n",
        "099 x\r\n",
        "600 x\r\n",
        "2200 x\r\n",
        "220_x\r\n",
        "220 01234567890123456789",
        "220-a\r\nb\r\nc\r\nd\r\n",
        "220-0123456789012\r\n01234567890123456\r\n0123456789012345\r\n",
    ] {
        assert!(read(&[text.as_bytes()], limits).is_err(), "{text}");
    }
    // The limits are of each reply.
    let seen = read(&["220-a\r\n01234567\r\n220 c\r\n".repeat(9).as_bytes()], limits);
    assert_eq!(seen.map(|seen| seen.len()), Ok(9));
}

#[test]
fn quoted_paths() {
    for path in [&b"/"[..], b"", b"/a \"b\"", b"\"", b"\"\"", b"/\xff"] {
        let text = [&quote(path), &b" is the current folder"[..]].concat();
        assert_eq!(unquote(&text).as_deref(), Some(path), "{}", text.escape_ascii());
    }
    assert_eq!(quote(b"/a\"b"), b"\"/a\"\"b\"");
    assert_eq!(unquote(b"now in /a b").as_deref(), Some(&b"/a"[..]));
    for wrong in [&b""[..], b"\"", b"\"/a", b"\"/a\"\"", b"nothing"] {
        assert_eq!(unquote(wrong), None, "{}", wrong.escape_ascii());
    }
}

#[test]
fn features() {
    let lines = [" MLST type*;size;Modify*;x;", " rest STREAM", " AUTH TLS", " AUTH SSL", " UTF8", ""];
    let features = Features::of(&Reply::of_lines(Code::STATUS, "Features:", lines, "End"));
    assert!(features.has("UTF8") && features.has_mlst() && features.has_restart() && features.has_tls());
    assert!(!features.has("EPSV") && !features.has_parameter("AUTH", "GSSAPI"));
    let facts =
        (FactSet::new([Fact::Type, Fact::Modify]), FactSet::new([Fact::Type, Fact::Size, Fact::Modify]));
    assert_eq!(features.facts(), facts);
    assert_eq!(features.iter().count(), 5);
    assert_eq!(Features::of(&Reply::new(Code::NOT_UNDERSTOOD, "what?")), Features::default());
}
