//! Commands, written and read at any split.

use super::*;
use crate::{Family, listing::FactSet, time};
use std::cell::Cell;
use trenza_wire::{Input, OutBuf};

type Seen = Vec<Result<Command, (Code, &'static str)>>;

/// What a reader makes of pieces.
fn read(pieces: &[&[u8]], line_max: usize) -> Seen {
    let (frozen, mut reader, mut unread, mut seen) =
        (Cell::new(false), Reader::new(line_max), Vec::new(), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        let mut input = Input::new(&unread, &frozen, 1 << 20);
        loop {
            match reader.next(&mut input) {
                Ok(Some(command)) => seen.push(Ok(command)),
                Ok(None) => break,
                Err(Error::Remote { what, reply }) => seen.push(Err((reply, what))),
                Err(Error::Local(what)) => panic!("not ours: {what}"),
            }
        }
        let taken = input.taken();
        unread.drain(..taken);
    }
    seen
}

fn parse(line: &str) -> Result<Command, u16> {
    Command::parse(line.as_bytes()).map_err(|error| match error {
        Error::Remote { reply, .. } => reply.number(),
        Error::Local(what) => panic!("not ours: {what}"),
    })
}

fn listed(path: Option<&str>, all: bool, recursive: bool, itself: bool) -> Listed {
    Listed { path: path.map(Into::into), all, recursive, itself }
}

/// Commands, with what is written for each.
fn commands() -> Vec<(Command, &'static [u8])> {
    let at = time::parse(b"20200102030405").expect("a time");
    vec![
        (Command::User(b"ann".to_vec()), b"USER ann"),
        (Command::Pass(Secret::new(" p w ")), b"PASS  p w "),
        (Command::Pass(Secret::new("")), b"PASS"),
        (Command::Host("[::1]".into()), b"HOST [::1]"),
        (Command::Lang(None), b"LANG"),
        (Command::Lang(Some("es-MX".into())), b"LANG es-MX"),
        (Command::Cwd(b" \xff ".to_vec()), b"CWD  \xff\xff "),
        (Command::Type(TransferType::Ascii), b"TYPE A"),
        (Command::Mode(Mode::Deflate), b"MODE Z"),
        (Command::Stru(Structure::Record), b"STRU R"),
        (Command::Port("192.0.2.1:1025".parse().expect("an address")), b"PORT 192,0,2,1,4,1"),
        (Command::Eprt("[2001:db8::1]:9".parse().expect("an address")), b"EPRT |2|2001:db8::1|9|"),
        (Command::Epsv(Epsv::Any), b"EPSV"),
        (Command::Epsv(Epsv::Of(Family::V6)), b"EPSV 2"),
        (Command::Epsv(Epsv::All), b"EPSV ALL"),
        (Command::Rest(u64::MAX), b"REST 18446744073709551615"),
        (Command::Allo(7), b"ALLO 7"),
        (Command::List(listed(None, false, false, false)), b"LIST"),
        (Command::List(listed(None, true, true, false)), b"LIST -a -R"),
        (Command::Nlst(listed(Some("-x"), false, false, true)), b"NLST -d -- -x"),
        (Command::Nlst(listed(Some(" a b "), true, false, false)), b"NLST -a  a b "),
        (Command::Mlst(None), b"MLST"),
        (Command::Mlsd(Some(b"a b".to_vec())), b"MLSD a b"),
        (Command::Mfmt(at, b" x".to_vec()), b"MFMT 20200102030405  x"),
        (Command::Auth(Mechanism::Tls), b"AUTH TLS"),
        (Command::Pbsz(0), b"PBSZ 0"),
        (Command::Prot(Protection::Private), b"PROT P"),
        (Command::Opts(Opts::Utf8(true)), b"OPTS UTF8 ON"),
        (Command::Opts(Opts::Mlst(FactSet::parse(b"size;type;"))), b"OPTS MLST type;size;"),
        (Command::Opts(Opts::Mlst(FactSet::NONE)), b"OPTS MLST"),
        (Command::Opts(Opts::Hash(Some("SHA-256".into()))), b"OPTS HASH SHA-256"),
        (Command::Site(Site::Chmod(0o644, b"a b".to_vec())), b"SITE CHMOD 644 a b"),
        (Command::Site(Site::Utime(at, b"a b".to_vec())), b"SITE UTIME 20200102030405 a b"),
        (Command::Site(Site::Other(b"SYMLINK a b".to_vec())), b"SITE SYMLINK a b"),
        (Command::Help(Some("STOR".into())), b"HELP STOR"),
        (Command::Stou, b"STOU"),
        (Command::Noop, b"NOOP"),
    ]
}

#[test]
fn commands_there_and_back_at_any_split() {
    let (mut out, mut text, mut expected) = (OutBuf::new(), Vec::new(), Vec::new());
    for (command, line) in commands() {
        command.write(&mut out).expect("it can be said");
        text.extend([line, b"\r\n"].concat());
        expected.push(Ok(command));
    }
    assert_eq!(out.to_vec().expect("there is no file"), text);
    for cut in 0..=text.len() {
        let (a, b) = text.split_at(cut);
        assert_eq!(read(&[a, b], LINE_MAX), expected, "cut at {cut}");
    }
}

#[test]
fn verbs_are_all_known() {
    for (verb, argument) in VERBS {
        let known = parse(&format!("{} {argument}", verb.to_ascii_lowercase()));
        assert!(!matches!(known, Err(500 | 502)), "{verb}: {known:?}");
        if let Ok(command) = known {
            assert_eq!(command.verb(), *verb);
        }
    }
    assert!(VERBS.is_sorted());
}

#[test]
fn arguments_of_others() {
    for (line, command) in [
        ("type a n", Command::Type(TransferType::Ascii)),
        ("TYPE L 8", Command::Type(TransferType::Image)),
        ("XPWD", Command::Pwd),
        ("CDUP ", Command::Cdup),
        ("ALLO 9 R 512", Command::Allo(9)),
        ("AUTH tls-c", Command::Auth(Mechanism::Tls)),
        ("AUTH SSL", Command::Auth(Mechanism::TlsProtected)),
        ("OPTS utf-8", Command::Opts(Opts::Utf8(true))),
        ("LIST -la", Command::List(listed(None, true, false, false))),
        ("LIST -l -- ", Command::List(listed(None, false, false, false))),
        ("LIST -", Command::List(listed(Some("-"), false, false, false))),
        ("NLST ", Command::Nlst(Listed::default())),
        ("HOST Example.ORG", Command::Host("example.org".into())),
        ("STOU name", Command::Stou),
        ("NOOP whatever", Command::Noop),
        ("SITE utime a b 20200101000000 20200102030405 20200101000000 utc", {
            let at = time::parse(b"20200102030405").expect("a time");
            Command::Site(Site::Utime(at, b"a b".to_vec()))
        }),
        ("SITE UTIME 202001020304 x", {
            let at = time::parse(b"20200102030400").expect("a time");
            Command::Site(Site::Utime(at, b"x".to_vec()))
        }),
    ] {
        assert_eq!(parse(line), Ok(command), "{line}");
    }
}

#[test]
fn what_is_wrong_and_how_it_is_answered() {
    for (line, code) in [
        ("", 500),
        (" USER ann", 500),
        ("FOO", 500),
        ("SMNT /", 502),
        ("USER", 501),
        ("CWD", 501),
        ("RETR ", 501),
        ("QUIT now", 501),
        ("TYPE", 501),
        ("TYPE E", 504),
        ("TYPE A T", 504),
        ("TYPE L 7", 504),
        ("TYPE X", 504),
        ("MODE X", 504),
        ("STRU", 501),
        ("PORT 1,2,3", 501),
        ("PORT 192,0,2,1,0,0", 501),
        ("EPRT |1|x|1|", 501),
        ("EPRT |7|x|1|", 522),
        ("EPSV 7", 522),
        ("EPSV x", 501),
        ("REST -1", 501),
        ("REST 18446744073709551616", 501),
        ("ALLO x", 501),
        ("ALLO 1 R", 501),
        ("AUTH KERBEROS_V4", 504),
        ("PBSZ 4294967296", 501),
        ("PROT S", 536),
        ("PROT X", 504),
        ("HOST a:21", 501),
        ("HOST []", 501),
        ("HOST", 501),
        ("OPTS", 501),
        ("OPTS LIST x", 501),
        ("SITE", 501),
        ("SITE CHMOD 8 x", 501),
        ("SITE CHMOD 10000 x", 501),
        ("SITE CHMOD 644", 501),
        ("SITE UTIME x", 501),
        ("MFMT 20200102030405", 501),
        ("MFMT yesterday x", 501),
        ("RETR a\0b", 501),
        ("RETR a\rb", 501),
        ("LANG caf\u{e9}", 501),
    ] {
        assert_eq!(parse(line), Err(code), "{line:?}");
    }
}

#[test]
fn telnet_before_an_abort() {
    for text in [
        &b"\xff\xf4\xff\xf2ABOR\r\n"[..],
        b"\xff\xf4\xf2ABOR\r\n",
        b"\xf2ABOR\r\n",
        b"\xff\xfb\x01\xff\xfe\xffABOR\n",
        b"AB\xff\xf4\xff\xf2OR\r\n",
        b"\xffABOR\r\n",
    ] {
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(read(&[a, b], LINE_MAX), [Ok(Command::Abor)], "{}", text.escape_ascii());
        }
    }
    assert_eq!(
        read(&[b"CWD \xff\xffa\xffb\xff\r\n"], LINE_MAX),
        [Ok(Command::Cwd(b"\xffa\xffb\xff".to_vec()))]
    );
}

#[test]
fn long_lines_are_passed_over() {
    let long = Err((Code::NOT_UNDERSTOOD, "the line is too long"));
    for (text, expected) in [
        (&b"CWD 12\r\nNOOP\r\n"[..], vec![Ok(Command::Cwd(b"12".to_vec())), Ok(Command::Noop)]),
        (b"CWD 123\nNOOP\r\n", vec![long.clone(), Ok(Command::Noop)]),
        (b"CWD 1234567890\r\nNOOP\r\nPWD\n", vec![long.clone(), Ok(Command::Noop), Ok(Command::Pwd)]),
        (b"CWD 1234567890", vec![long.clone()]),
    ] {
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(read(&[a, b], 6), expected, "cut at {cut}");
        }
        assert_eq!(read(&text.chunks(1).collect::<Vec<_>>(), 6), expected);
    }
}

#[test]
fn what_no_line_can_hold_is_not_written() {
    let mut out = OutBuf::new();
    for path in ["a\r\nDELE b", "a\0", "a\n"] {
        assert!(Command::Retr(path.into()).write(&mut out).is_err_and(|error| error.is_local()));
    }
    assert!(Command::Port("[::1]:1".parse().expect("an address")).write(&mut out).is_err());
    assert!(out.is_empty());
    assert_eq!(format!("{:?}", Command::Pass(Secret::new("hunter2"))), "Pass(…)");
}
