//! Replies, written and read at any split.

use super::*;
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
    out.to_vec().unwrap()
}

#[test]
fn replies_there_and_back_at_any_split() {
    let replies = [
        Reply::plain(Code::READY, "mx.example.org ESMTP"),
        Reply::plain(Code::OK, "mx.example.org\nPIPELINING\nSIZE 100"),
        Reply::new(Code::OK, Status::OK, ""),
        Reply::new(Code::REFUSED, Status::NO_MAILBOX, "no such user\nreally"),
        Reply::plain(Code::UNAVAILABLE, ""),
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
fn what_cannot_stand_in_a_line_is_not_written() {
    let reply = Reply::new(Code::FAILED, Status::DENIED, "a\r\u{1b}\u{e9}\n250 b\0");
    assert_eq!(written(&reply), b"554-5.7.1 a???\r\n554 5.7.1 250 b?\r\n");
    let long = Reply::new(Code::FAILED, Status::DENIED, "x".repeat(2000));
    let text = written(&long);
    assert!(text.split_inclusive(|byte| *byte == b'\n').all(|line| line.len() <= LINE_MAX));
    let read = read(&[&text], LIMITS).unwrap();
    assert_eq!(read[0].text().replace('\n', ""), "x".repeat(2000));
}

#[test]
fn replies_of_others() {
    for (text, code, status, lines) in [
        ("220\r\n", 220, None, vec![""]),
        ("250-a\r\n250 b\r\n", 250, None, vec!["a", "b"]),
        ("250-2.0.0 a\r\n250 2.0.0 b\r\n", 250, Some(Status::OK), vec!["a", "b"]),
        ("250-2.0.0 a\r\n250 2.1.0 b\r\n", 250, Some(Status::OK), vec!["a", "2.1.0 b"]),
        ("250 5.1.1 a\r\n", 250, None, vec!["5.1.1 a"]),
        ("550 5.1.1\r\n", 550, Some(Status::NO_MAILBOX), vec![""]),
        ("550 5.01.1 a\r\n", 550, None, vec!["5.01.1 a"]),
        ("550 5.1.1.1 a\r\n", 550, None, vec!["5.1.1.1 a"]),
        ("250 2.0.0.example\r\n", 250, None, vec!["2.0.0.example"]),
    ] {
        let seen = read(&[text.as_bytes()], LIMITS).unwrap();
        let [reply] = &*seen else { panic!("{text}: {seen:?}") };
        assert_eq!((reply.code().number(), reply.status()), (code, status), "{text}");
        assert_eq!(reply.lines().collect::<Vec<_>>(), lines, "{text}");
    }
}

#[test]
fn what_is_no_reply_and_what_is_too_long() {
    let limits = ReplyLimits { line: 20, lines: 3, bytes: 40 };
    for text in [
        "SSH-2.0-x\r\n",
        "\r\n",
        "99 x\r\n",
        "199 x\r\n",
        "600 x\r\n",
        "2200 x\r\n",
        "220_x\r\n",
        "220 x\n",
        "220 x\rx\r\n",
        "220-x\r\n221 y\r\n",
        "220 01234567890123456789",
        "220-a\r\n220-b\r\n220-c\r\n220 d\r\n",
        "220-0123456789012345\r\n220-0123456789012345\r\n220 0123456789012345\r\n",
    ] {
        assert!(read(&[text.as_bytes()], limits).is_err(), "{text}");
    }
    // The limits are of each reply.
    let seen = read(&["220-a\r\n220-01234567\r\n220 c\r\n".repeat(9).as_bytes()], limits);
    assert_eq!(seen.map(|seen| seen.len()), Ok(9));
}

#[test]
fn errors_that_are_no_replies_tell_nothing() {
    let own = Reply::new(Code::REFUSED, Status::NO_MAILBOX, "x");
    assert_eq!(Reply::of(&own.clone().into()), own);
    let other = Reply::of(&"the password of the database is wrong".into());
    assert_eq!((other.code(), other.status()), (Code::LOCAL_ERROR, Some(Status::LOCAL_ERROR)));
    assert!(!other.text().contains("password"));
}
