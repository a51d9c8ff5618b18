//! Messages of all shapes, ugly ones, and ones that are made to hurt.

use super::*;
use std::{fmt::Write as _, time::Duration};

fn parse(text: &[u8]) -> Message<'_> {
    Message::parse(text, &MimeLimits::default())
}

/// Its parts: how deep, of which type, and the bytes.
fn shown(message: &Message<'_>) -> Vec<String> {
    let shown = |part: Part<'_>| {
        let body = if part.is_multipart() || part.is_message() {
            "*".into()
        } else {
            part.bytes().escape_ascii().to_string()
        };
        format!("{} {} {body}", part.depth(), part.content_type())
    };
    message.parts().map(shown).collect()
}

const NESTED: &str = "From: a@b\r\nContent-Type: multipart/mixed; boundary=\"x y\"\r\n\r\npreamble\r\n--x y\r\n\r\nplain\r\n--x y  \r\n\
    Content-Type: multipart/alternative;\r\n\tboundary=z\r\n\r\n--z\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=FCn=\r\n!\r\n--z\r\nContent-Type: text/html\r\n\r\n<p>\r\n--z--\r\nepilogue\r\n\
    --x y\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n\
    Subject: in digest\r\n\r\ntext\r\n--d--\r\n--x y\r\nContent-Type: image/png; name=a.png\r\nContent-Disposition: attachment; \
    filename*=utf-8''%c3%bc.png\r\nContent-Transfer-Encoding: BASE64\r\n\r\nAAEC\r\n--x y--\r\n";

#[test]
fn parts_within_parts() {
    let message = parse(NESTED.as_bytes());
    assert_eq!(
        shown(&message),
        [
            "0 multipart/mixed *",
            "1 text/plain plain",
            "1 multipart/alternative *",
            "2 text/plain gr\\xfcn!",
            "2 text/html <p>",
            "1 message/rfc822 *",
            "2 multipart/digest *",
            "3 message/rfc822 *",
            "4 text/plain text",
            "1 image/png \\x00\\x01\\x02",
        ]
    );
    assert!(!message.is_cut());
    assert_eq!((message.text().as_deref(), message.html().as_deref()), (Some("plain"), Some("<p>")));
    let texts: Vec<_> = message.parts().filter_map(|part| part.text()).collect();
    assert_eq!(texts, ["plain", "gr\u{fc}n!", "<p>", "text"]);
    let attached: Vec<_> =
        message.attachments().map(|part| (part.content_type(), part.file_name())).collect();
    assert_eq!(attached, [("message/rfc822".into(), None), ("image/png".into(), Some("\u{fc}.png"))]);
    let root = message.root();
    let inner: Vec<_> = root.children().map(|part| part.content_type()).collect();
    assert_eq!(inner, ["text/plain", "multipart/alternative", "message/rfc822", "image/png"]);
    let digested = message.parts().nth(8).unwrap();
    assert_eq!(digested.header("subject").as_deref(), Some("in digest"));
    assert_eq!(digested.parents().map(|part| part.depth()).collect::<Vec<_>>(), [3, 2, 1, 0]);
    // With bare LFs it is the same.
    let bare = NESTED.replace("\r\n", "\n");
    assert_eq!(shown(&parse(bare.as_bytes())), shown(&message));
}

#[test]
fn fields_of_a_header() {
    let text = b"From: \"Ann, A.\" <ann@example.org>, bob@example.org\r\nSubject: =?iso-8859-1?B?Z3L8bg==?=\r\n =?utf-8?Q?_und?=\r\nX-Empty:\r\n\
        subject: second\r\n\r\n";
    let message = parse(text);
    let root = message.root();
    assert_eq!(root.header("SUBJECT").as_deref(), Some("gr\u{fc}n und"));
    assert_eq!((root.header("x-empty").as_deref(), root.header("X-None")), (Some(""), None));
    let from = [(Some("Ann, A.".into()), "ann@example.org".into()), (None, "bob@example.org".into())];
    assert_eq!(root.addresses("from"), from);
    assert_eq!(root.addresses("to"), []);
}

#[test]
fn what_is_wrong_is_read_as_well_as_it_can_be() {
    for (text, wanted) in [
        (&b""[..], &["0 text/plain "][..]),
        (b"\r\n", &["0 text/plain "]),
        (b"\r\nbody", &["0 text/plain body"]),
        (b"Subject: no body", &["0 text/plain "]),
        (b"no header\r\n\r\nbody", &["0 text/plain body"]),
        (b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n", &["0 multipart/mixed --\\r\\n\\r\\n"]),
        (b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\n", &["0 multipart/mixed --\\r\\n\\r\\n"]),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing", &["0 multipart/mixed *"]),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x", &["0 multipart/mixed *", "1 text/plain "]),
        (b"Content-Type: multipart/mixed; boundary=x\r\n--x\r\n\r\nbody", &["0 multipart/mixed *"]),
        (
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nA: b\r\n--x\r\n\r\nc\r\n--y\r\n--x-\r\n",
            &["0 multipart/mixed *", "1 text/plain ", "1 text/plain c\\r\\n--y\\r\\n--x-\\r\\n"],
        ),
        (b"Content-Transfer-Encoding: base64\r\n\r\n%%%", &["0 text/plain %%%"]),
        (b"Content-Transfer-Encoding: base64\r\n\r\nQUI", &["0 text/plain QUI"]),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=", &["0 text/plain "]),
        (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==", &["0 message/rfc822 A"]),
        (b"Content-Type: text\r\n\r\na", &["0 text/* a"]),
        (b"Content-Type: text/plain; charset=\xff\xfe\r\n\r\n\xff", &["0 text/plain \\xff"]),
    ] {
        let seen = shown(&parse(text));
        let wrong = wanted.first() == Some(&"0 text/plain QUI");
        // Whether the last group of base64 needs its padding is the decoder's to say.
        assert!(seen == wanted || wrong, "{}: {seen:?}", text.escape_ascii());
    }
}

/// A message in a message, and so on: so deep, in one of three ways.
fn deep(depth: usize, kind: &str) -> Vec<u8> {
    let mut text = String::new();
    for level in 0..depth {
        let is_message = kind == "message/rfc822" || (kind == "both" && level % 2 == 1);
        _ = match is_message {
            true => write!(text, "Content-Type: message/rfc822\r\n\r\n"),
            false => write!(text, "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"),
        };
    }
    text += "\r\nthe core\r\n";
    text.into_bytes()
}

/// On a stack that has room for nothing that goes deeper with the message.
fn on_a_small_stack(does: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(does).unwrap();
    thread.join().unwrap();
}

#[test]
fn nothing_goes_as_deep_as_it_is_nested() {
    for kind in ["multipart/mixed", "message/rfc822", "both"] {
        for depth in [1_000, 30_000] {
            on_a_small_stack(move || {
                let text = deep(depth, kind);
                let message = parse(&text);
                assert!(message.is_cut() && message.parts().count() == 50, "{}", message.parts().count());
                let last = message.parts().last().unwrap();
                assert!(last.depth() == 49 && last.bytes().ends_with(b"the core\r\n"));
                let limits = MimeLimits { depth: usize::MAX, parts: 2_000, ..MimeLimits::default() };
                let message = Message::parse(&text, &limits);
                assert_eq!(message.parts().count(), (depth + 1).min(2_000));
            });
        }
    }
    on_a_small_stack(|| {
        for open in ["(", "<", "\"", "[", "=?utf-8?Q?", "a:", ",;", "\\", "@"] {
            for name in
                ["From", "Subject", "Content-Type", "Received", "Date", "References", "List-Id", "Keywords"]
            {
                let text = format!("{name}: text/plain; {}\r\n\r\nx", open.repeat(20_000));
                let message = parse(text.as_bytes());
                let root = message.root();
                _ = (root.header(name), root.addresses(name), message.text());
            }
        }
    });
}

#[test]
fn a_header_of_10_mb_is_read_as_far_as_it_may_be() {
    let head = "Subject: early\r\nContent-Type: multipart/mixed; boundary=x\r\nX: y\r\n";
    for filling in
        ["a: b\r\n", "a:\n", ":\n", "\t\r\n", "x", "From: a@b,\r\n ", "Content-Type: a/b; c=d\r\n", "\"", "("]
    {
        let long = filling.repeat((10 << 20) / filling.len());
        let text = format!("{head}{long}\r\nLate: x\r\n\r\n--x\r\n{long}\r\n\r\nbody\r\n--x--\r\n");
        let message = parse(text.as_bytes());
        let root = message.root();
        assert_eq!(
            (root.header("Subject").as_deref(), root.header("Late")),
            (Some("early"), None),
            "{filling:?}"
        );
        assert!(root.addresses("From").len() < 256 * 1024);
        let inner = message.parts().last().unwrap();
        assert!(message.parts().count() == 2 && inner.raw_body().ends_with(b"body"), "{filling:?}");
        _ = (inner.header("a"), inner.addresses("From"), inner.text(), inner.file_name());
    }
    let limits = MimeLimits { header: 16, ..MimeLimits::default() };
    let message = Message::parse(b"Subject: early\r\nLate: x\r\n\r\n", &limits);
    let root = message.root();
    assert_eq!((root.header("Subject").as_deref(), root.header("Late")), (Some("early"), None));
}

#[test]
fn parts_are_counted() {
    let text =
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n".to_owned() + &"--x\r\n\r\na\r\n".repeat(50_000);
    let message = parse(text.as_bytes());
    assert!(message.is_cut() && message.parts().count() == 10_000);
    let last = message.parts().last().unwrap();
    assert_eq!(last.raw_body(), b"a");
    assert!(message.root().raw_body().ends_with(b"--x\r\n\r\na\r\n"));
}

#[test]
fn any_beginning_and_any_wrong_byte_is_a_message() {
    let text = NESTED.as_bytes();
    let look = |text: &[u8]| {
        let message = parse(text);
        for part in message.parts() {
            assert!(part.raw_header().len() + part.raw_body().len() <= text.len());
            _ = (
                part.text(),
                part.file_name(),
                part.header("Subject"),
                part.addresses("From"),
                part.children().count(),
            );
        }
    };
    for end in 0..text.len() {
        look(&text[..end]);
        for wrong in *b"\0\r\n-=;\"(\xff" {
            let mut torn = text.to_vec();
            torn[end] = wrong;
            look(&torn);
        }
    }
}

fn stamp() -> Stamp {
    let date = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Stamp { date, unique: [0xab; 16], host: "example.org".into() }
}

#[test]
fn drafts_there_and_back() {
    let long = "a line that is long, ".repeat(100) + "gr\u{fc}n\r\n.\r\n--=_0_abab\r\nFrom me\r\n";
    let draft = Draft::new()
        .from(Some("J\u{f6}rg \"J\" <x@y>"), "j@example.org")
        .to(None, "a@example.org")
        .to(Some("B, c"), "b@example.org")
        .cc(None, "c@example.org")
        .subject("\u{2603} ".repeat(60))
        .field("X-Own", "value: 1")
        .text(&long)
        .html("<p>\u{e4}</p>")
        .attachment("\u{e4} b.txt", "text/plain", "attached \u{e4}\r\n")
        .attachment("b.bin", "application/octet-stream", (0..=255).collect::<Vec<u8>>());
    let bytes = draft.build(&stamp()).unwrap();
    assert_eq!(draft.build(&stamp()).unwrap(), bytes);
    assert!(bytes.is_ascii());
    let mut lines = crate::smtp::data::Lines::default();
    assert!(lines.check(&bytes).is_ok() && lines.finish().is_ok());
    assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));

    let message = parse(&bytes);
    let root = message.root();
    assert_eq!(root.header("Subject").unwrap().trim_end(), "\u{2603} ".repeat(60).trim_end());
    assert_eq!(root.header("Message-ID").as_deref(), Some("<abababababababababababababababab@example.org>"));
    assert_eq!(root.header("Date").as_deref(), Some("Tue, 14 Nov 2023 22:13:20 +0000"));
    assert_eq!(root.header("x-own").as_deref(), Some("value: 1"));
    assert_eq!(root.addresses("From"), [(Some("J\u{f6}rg \"J\" <x@y>".into()), "j@example.org".into())]);
    let to = [(None, "a@example.org".into()), (Some("B, c".into()), "b@example.org".into())];
    assert_eq!(root.addresses("To"), to);
    assert_eq!(message.text().unwrap(), long);
    assert_eq!(message.html().unwrap(), "<p>\u{e4}</p>");
    let attached: Vec<_> = message.attachments().map(|part| (part.file_name(), part.bytes())).collect();
    assert_eq!(attached[0], (Some("\u{e4} b.txt"), "attached \u{e4}\r\n".as_bytes().into()));
    assert_eq!(attached[1], (Some("b.bin"), (0..=255).collect::<Vec<u8>>().into()));
}

#[test]
fn nobody_adds_fields_to_a_draft() {
    let build = |draft: Draft| draft.build(&stamp()).map(drop);
    for evil in ["a\r\nBcc: x@y", "a\nb", "a\0"] {
        let wrong = Err(DraftError::Control(evil.into()));
        assert_eq!(build(Draft::new().subject(evil)), wrong);
        assert_eq!(build(Draft::new().from(Some(evil), "a@b")), wrong);
        assert_eq!(build(Draft::new().to(None, evil)), wrong);
        assert_eq!(build(Draft::new().attachment(evil, "text/plain", "")), wrong);
        assert_eq!(build(Draft::new().attachment("a", evil, "")), wrong);
    }
    for name in ["", "a b", "a:", "From", "content-TYPE", "\u{e4}"] {
        assert_eq!(build(Draft::new().field(name, "x")), Err(DraftError::Name(name.into())));
    }
    assert_eq!(parse(&Draft::new().build(&stamp()).unwrap()).text().as_deref(), Some(""));
}
