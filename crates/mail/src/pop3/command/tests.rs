//! Commands, read at any split, and written.

use super::*;
use crate::pop3::Reply;
use std::cell::Cell;
use trenza_wire::{Input, OutBuf};

fn read(pieces: &[&[u8]]) -> Vec<Result<Command, Violation<Reply>>> {
    let (frozen, mut reader, mut unread, mut seen) =
        (Cell::new(false), Reader::new(), Vec::new(), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, 1 << 20);
        loop {
            match reader.next(&mut input) {
                Ok(Some(command)) => seen.push(Ok(command)),
                Ok(None) => break,
                Err(violation) => {
                    let fatal = matches!(violation, Violation::Fatal(_));
                    seen.push(Err(violation));
                    if fatal {
                        return seen;
                    }
                }
            }
        }
        let taken = input.taken();
        unread.drain(..taken);
    }
    seen
}

fn parse(line: &[u8]) -> Result<Command, Reply> {
    Command::parse(line)
}

fn written(command: &Command) -> Vec<u8> {
    let mut out = OutBuf::new();
    command.write(&mut out);
    out.to_vec().unwrap()
}

#[test]
fn commands_there_and_back() {
    for (line, command) in [
        (&b"capa"[..], Command::Capa),
        (b"STLS ", Command::Stls),
        (b"USER ann", Command::User("ann".into())),
        (b"user  a n\xc3\xa4 ", Command::User("a n\u{e4}".into())),
        (b"PASS  two  spaces ", Command::Pass(" two  spaces ".into())),
        (b"pass \xff\t", Command::Pass(b"\xff\t"[..].into())),
        (b"PASS ", Command::Pass("".into())),
        (b"AUTH plain", Command::Auth { mechanism: "PLAIN".into(), initial: None }),
        (b"AUTH PLAIN =", Command::Auth { mechanism: "PLAIN".into(), initial: Some("".into()) }),
        (b"AUTH PLAIN AGEAYg==", Command::Auth { mechanism: "PLAIN".into(), initial: Some("\0a\0b".into()) }),
        (b"STAT", Command::Stat),
        (b"LIST", Command::List(None)),
        (b"LIST  7", Command::List(Some(7))),
        (b"UIDL", Command::Uidl(None)),
        (b"UIDL 0", Command::Uidl(Some(0))),
        (b"RETR 9999999999", Command::Retr(u32::MAX)),
        (b"TOP 1  0", Command::Top { message: 1, lines: 0 }),
        (b"DELE 007", Command::Dele(7)),
        (b"RSET", Command::Rset),
        (b"Noop", Command::Noop),
        (b"QUIT", Command::Quit),
    ] {
        let read = parse(line);
        assert_eq!(read.as_ref(), Ok(&command), "{}", line.escape_ascii());
        let again = written(&command);
        assert_eq!(parse(again.strip_suffix(b"\r\n").unwrap()), read, "{}", line.escape_ascii());
    }
}

#[test]
fn what_is_refused() {
    for line in [
        &b""[..],
        b" STAT",
        b"FOO",
        b"APOP ann 0123456789abcdef",
        b"USER",
        b"USER ",
        b"PASS",
        b"PASS a\0b",
        b"USER \xff",
        b"USER a\tb",
        b"AUTH",
        b"AUTH x;y",
        b"AUTH PLAIN a",
        b"STAT 1",
        b"LIST x",
        b"LIST -1",
        b"LIST +1",
        b"LIST 1 2",
        b"UIDL 12345678901",
        b"RETR",
        b"RETR 1 2",
        b"TOP",
        b"TOP 1",
        b"TOP 1 -1",
        b"TOP 1 2 3",
        b"DELE",
        b"DELE 1.0",
        b"NOOP x",
        b"QUIT x",
    ] {
        assert!(parse(line).is_err(), "{}", line.escape_ascii());
    }
}

#[test]
fn any_split_gives_the_same() {
    let long = [&[b'x'; 300][..], b"\r\n"].concat();
    let auth = format!("AUTH PLAIN {}\r\n", "AAAA".repeat(2000));
    let text =
        [b"USER ann\r\nPASS a b\r\n", &long[..], auth.as_bytes(), b"\r\nLIST 1\r\nQUIT\nQUIT\r\n"].concat();
    let whole = read(&[&text]);
    assert!(matches!(
        whole[..],
        [
            Ok(Command::User(_)),
            Ok(Command::Pass(_)),
            Err(Violation::Refused(_)),
            Ok(Command::Auth { .. }),
            Err(Violation::Refused(_)),
            Ok(Command::List(Some(1))),
            Err(Violation::Fatal(_)),
        ]
    ));
    for cut in (0..=400).chain(text.len() - 40..=text.len()) {
        let (a, b) = text.split_at(cut);
        assert_eq!(read(&[a, b]), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(read(&bytes), whole);
}

#[test]
fn lines_are_as_long_as_they_may_be() {
    for (verb, most) in [("USER", LINE_MAX), ("PASS", LINE_MAX), ("AUTH", AUTH_LINE_MAX)] {
        let line = |length: usize| format!("{verb} {}\r\n", "x".repeat(length - verb.len() - 3));
        let is_long = |text: &str| match &read(&[text.as_bytes()])[..] {
            [Ok(_)] => false,
            [Err(Violation::Refused(reply))] => reply.text().contains("long"),
            other => panic!("{other:?}"),
        };
        assert!(!is_long(&line(most)) && is_long(&line(most + 1)), "{verb}");
    }
}

#[test]
fn what_is_secret_is_not_shown() {
    let pass = parse(b"PASS secret").unwrap();
    assert_eq!(format!("{pass:?}"), "Pass(Secret)");
    assert_eq!(written(&Command::User("a\r\nDELE 1".into())), b"USER a??DELE 1\r\n");
    assert_eq!(written(&Command::Pass("a\r\nb\t".into())), b"PASS a??b\t\r\n");
}
