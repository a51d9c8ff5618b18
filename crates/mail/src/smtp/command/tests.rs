//! Commands, read at any split, and written.

use super::*;
use crate::smtp::{Code, Mailbox, Recipient, Reply};
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

fn parse(line: &str) -> Result<Command, u16> {
    Command::parse(line.as_bytes()).map_err(|reply| reply.code().number())
}

fn written(command: &Command) -> String {
    let mut out = OutBuf::new();
    command.write(&mut out);
    String::from_utf8(out.to_vec().unwrap()).unwrap()
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap()
}

#[test]
fn commands_there_and_back() {
    let mail = Mail {
        sender: Some(mailbox("\u{e4}@x")),
        size: Some(12),
        body: Some(Body::EightBit),
        utf8: true,
        ret: Some(Return::Headers),
        envid: Some(b"a=b".to_vec()),
        auth: Some(Some(mailbox("a+b@x"))),
    };
    let rcpt = Rcpt {
        to: mailbox("b@[192.0.2.1]").into(),
        notify: Some(Notify { success: true, failure: false, delay: true }),
        original: Some(OriginalRecipient { kind: "rfc822".into(), address: b"b+c@d".to_vec() }),
    };
    for (line, command) in [
        ("HELO mx.example.org", Command::Helo(Host::Domain("mx.example.org".into()))),
        ("ehlo [127.0.0.1]", Command::Ehlo(Host::Address([127, 0, 0, 1].into()))),
        ("LHLO a_b.", Command::Lhlo(Host::Domain("a_b".into()))),
        ("MAIL FROM:<>", Command::Mail(Mail::new(None))),
        ("mail from: <> AUTH=<>", Command::Mail(Mail { auth: Some(None), ..Mail::default() })),
        (
            "MAIL FROM:<\u{e4}@x> SIZE=12 BODY=8bitmime SMTPUTF8 RET=HDRS ENVID=a+3Db AUTH=a+2Bb@x",
            Command::Mail(mail),
        ),
        ("RCPT TO:<Postmaster>", Command::Rcpt(Rcpt::new(Recipient::Postmaster))),
        ("RCPT TO:<b@[192.0.2.1]> NOTIFY=delay,SUCCESS ORCPT=rfc822;b+2Bc@d", Command::Rcpt(rcpt)),
        (
            "RCPT TO:<a@b> NOTIFY=NEVER",
            Command::Rcpt(Rcpt { notify: Some(Notify::default()), ..Rcpt::new(mailbox("a@b")) }),
        ),
        ("DATA ", Command::Data),
        ("BDAT 0 LAST", Command::Bdat { size: 0, last: true }),
        ("bdat 86000", Command::Bdat { size: 86_000, last: false }),
        ("RSET", Command::Rset),
        ("NOOP anything", Command::Noop),
        ("QUIT", Command::Quit),
        ("HELP", Command::Help(None)),
        ("HELP mail", Command::Help(Some("mail".into()))),
        ("VRFY ann", Command::Vrfy("ann".into())),
        ("EXPN list", Command::Expn("list".into())),
        ("StartTLS", Command::StartTls),
        ("AUTH plain", Command::Auth { mechanism: "PLAIN".into(), initial: None }),
        ("AUTH PLAIN =", Command::Auth { mechanism: "PLAIN".into(), initial: Some("".into()) }),
        ("AUTH PLAIN AGEAYg==", Command::Auth { mechanism: "PLAIN".into(), initial: Some("\0a\0b".into()) }),
    ] {
        assert_eq!(parse(line), Ok(command), "{line}");
        let again = parse(line).unwrap();
        assert_eq!(parse(written(&again).trim_end()), parse(line), "{line}");
    }
}

/// Commands whose arguments are wrong.
const BAD_ARGUMENTS: &[&str] = &[
    "HELO",
    "EHLO a b",
    "EHLO -",
    "EHLO [x",
    "MAIL",
    "MAIL <a@b>",
    "MAIL FROM",
    "MAIL FROM:",
    "MAIL FROM:a@b",
    "MAIL TO:<a@b>",
    "MAIL FROM:<a@b>SIZE=1",
    "MAIL FROM:<a@b> SIZE",
    "MAIL FROM:<a@b> SIZE=",
    "MAIL FROM:<a@b> SIZE=-1",
    "MAIL FROM:<a@b> SIZE=123456789012345678901",
    "MAIL FROM:<a@b> SIZE=1 SIZE=1",
    "MAIL FROM:<a@b> BODY=9BIT",
    "MAIL FROM:<a@b> SMTPUTF8=1",
    "MAIL FROM:<a@b> SMTPUTF8 SMTPUTF8",
    "MAIL FROM:<a@b> RET=ALL",
    "MAIL FROM:<a@b> ENVID=+",
    "MAIL FROM:<a@b> AUTH=b",
    "RCPT TO:<>",
    "RCPT FROM:<a@b>",
    "RCPT TO:<a@b> NOTIFY=NEVER,DELAY",
    "RCPT TO:<a@b> NOTIFY=DELAY,DELAY",
    "RCPT TO:<a@b> NOTIFY=",
    "RCPT TO:<a@b> ORCPT=a",
    "RCPT TO:<a@b> ORCPT=;a",
    "RCPT TO:<a@b> ORCPT=rfc822;\u{e4}",
    "DATA x",
    "RSET x",
    "QUIT x",
    "STARTTLS x",
    "VRFY",
    "EXPN ",
    "BDAT",
    "BDAT x",
    "BDAT -1",
    "BDAT 1 FIRST",
    "BDAT 1 LAST x",
    "BDAT 99999999999999999999",
    "AUTH",
    "AUTH x;y",
    "AUTH PLAIN a",
    "AUTH PLAIN AA== x",
    "AUTH 123456789012345678901",
];

#[test]
fn what_is_refused_and_how() {
    for (code, lines) in [
        (500, &["", " ", "FOO", "MAILFROM:<a@b>", "HELO\u{b}x", "NOOP \0", " NOOP", "NOOP \u{85}"][..]),
        (501, BAD_ARGUMENTS),
        (553, &["MAIL FROM:<\u{e4}@x>"]),
        (
            555,
            &[
                "MAIL FROM:<a@b> X",
                "MAIL FROM:<a@b> NOTIFY=NEVER",
                "RCPT TO:<a@b> SIZE=1",
                "MAIL FROM:<a@b> =1",
            ],
        ),
    ] {
        for line in lines {
            assert_eq!(parse(line), Err(code), "{line:?}");
        }
    }
    assert_eq!(Command::parse(b"NOOP \xff").map_err(|reply| reply.code()), Err(Code::UNKNOWN));
    let long = format!("MAIL FROM:<a@b> ENVID={}", "x".repeat(101));
    assert_eq!(parse(&long), Err(501));
}

#[test]
fn any_split_gives_the_same() {
    let long = [&[b'x'; 600][..], b"\r\n"].concat();
    // Longer than others may be, and behind one that is too long for any.
    let mail = format!("MAIL FROM:<{0}@b> AUTH={0}@b ENVID={1}\r\n", "x".repeat(250), "e".repeat(100));
    let text = [b"EHLO x\r\nFOO\r\n", &long[..], mail.as_bytes(), b"\r\nQUIT\r\nNOOP x\nQUIT\r\n"].concat();
    let whole = read(&[&text]);
    assert_eq!(whole.len(), 7);
    assert!(matches!(
        whole[..],
        [
            Ok(Command::Ehlo(_)),
            Err(Violation::Refused(_)),
            Err(Violation::Refused(_)),
            Ok(Command::Mail(_)),
            Err(Violation::Refused(_)),
            Ok(Command::Quit),
            Err(Violation::Fatal(_)),
        ]
    ));
    for cut in 0..=text.len() {
        let (a, b) = text.split_at(cut);
        assert_eq!(read(&[a, b]), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(read(&bytes), whole);
}

#[test]
fn lines_are_as_long_as_they_may_be() {
    for (verb, most) in
        [("VRFY", LINE_MAX), ("MAIL", MAIL_LINE_MAX), ("RCPT", RCPT_LINE_MAX), ("AUTH", AUTH_LINE_MAX)]
    {
        let line = |length: usize| format!("{verb} {}\r\n", "x".repeat(length - verb.len() - 3));
        let reply = |text: &str| match &read(&[text.as_bytes()])[..] {
            [Ok(_)] => String::new(),
            [Err(Violation::Refused(reply))] => reply.text().to_owned(),
            other => panic!("{other:?}"),
        };
        assert!(!reply(&line(most)).contains("long"), "{verb}");
        assert!(reply(&line(most + 1)).contains("long"), "{verb}");
    }
}

#[test]
fn a_cr_or_lf_alone_is_fatal_wherever_it_stands() {
    let long = "x".repeat(3000);
    for text in [
        "NOOP\n",
        "\n",
        "NOOP\rx\r\n",
        "\r\r\n",
        &format!("{long}\n"),
        &format!("{long}\rx\r\n"),
        &format!("{long}\r\r\n"),
    ] {
        let seen = read(&[text.as_bytes()]);
        assert!(matches!(seen.last(), Some(Err(Violation::Fatal(_)))), "{}", &text[..text.len().min(20)]);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(&bytes), seen);
    }
}

#[test]
fn responses_of_a_login() {
    let frozen = Cell::new(false);
    let mut input = Input::new(b"YQ==\r\n*\r\n\r\n?\r\n=\r\nQUIT\r\n", &frozen, 1 << 20);
    let mut reader = Reader::new();
    assert_eq!(reader.response::<Command>(&mut input), Ok(Some(Response::Given("a".into()))));
    assert_eq!(reader.response::<Command>(&mut input), Ok(Some(Response::Cancelled)));
    assert_eq!(reader.response::<Command>(&mut input), Ok(Some(Response::Given("".into()))));
    for _ in 0..2 {
        let refused = |reply: &Reply| reply.code() == Code::BAD_ARGUMENT;
        assert!(
            matches!(reader.response::<Command>(&mut input), Err(Violation::Refused(reply)) if refused(&reply))
        );
    }
    assert_eq!(reader.next(&mut input), Ok(Some(Command::Quit)));
}

#[test]
fn what_is_secret_is_not_shown() {
    let auth = parse("AUTH PLAIN AGEAYg==").unwrap();
    assert_eq!(format!("{auth:?}"), "Auth { mechanism: \"PLAIN\", initial: Some(Secret) }");
    assert_eq!(written(&Command::Vrfy("a\r\nQUIT".into())), "VRFY a??QUIT\r\n");
}
