//! Ugly messages, of which each follows from its number.

/// The field that each begins with.
pub(super) const NUMBER: &str = "X-Number: ";

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    /// Less than `most`.
    fn roll(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn one_of<'a>(&mut self, some: &[&'a [u8]]) -> &'a [u8] {
        some.get(self.roll(some.len())).expect("there are some")
    }
}

/// Fields that a server may be tempted to repair, or to believe. None of them is one that Postfix takes out, as it does
/// with Bcc, Return-Path and Content-Length.
const FIELDS: [&[u8]; 12] = [
    b"Subject: =?utf-8?q?=C3=A4?=\r\n folded\r\n\t\r\n again",
    "Subject: \u{e4}\u{1f600}".as_bytes(),
    b"X-Bytes: \xff\xfe\x80",
    b"From: nobody <>",
    b"To: undisclosed recipients:;",
    b"Date: yesterday",
    b"Message-ID: none",
    b"Received: from a circle",
    b"DKIM-Signature: v=1; a=rsa-sha256; b=\r\n  none",
    b"MIME-Version: 1.0",
    b"Content-Type: multipart/mixed; boundary=x",
    b"Content-Transfer-Encoding: 8bit",
];

/// What lines of a body begin with, and what is in them.
const WORDS: [&[u8]; 22] = [
    b".",
    b"..",
    b". ",
    b".\0",
    b"--x",
    b"--x--",
    b"From me",
    b">From me",
    b"Subject: in the body",
    b"Content-Type: message/rfc822",
    b"Content-Transfer-Encoding: base64",
    b"=?utf-8?Q?=00=FF?=",
    b"=",
    b"\xff\xfe",
    b"\xe2\x80\xa8",
    b"\t folded",
    b"\0",
    b"\x1b[2J",
    b"QUIT",
    b"RSET",
    b" ",
    b"",
];

/// The message of a number: CRLF ends each of its lines, the last one too, and stands nowhere alone, as SMTP wants it.
pub(super) fn message(number: usize) -> Vec<u8> {
    let dice = &mut Dice(number as u64);
    let mut text = format!("{NUMBER}{number}\r\n").into_bytes();
    for _ in 0..dice.roll(6) {
        text.extend_from_slice(dice.one_of(&FIELDS));
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    let lines = match number % 500 {
        // Some have no body, some are of several hundred KiB.
        0 => 0,
        1 => 40_000,
        _ => dice.roll(60),
    };
    for _ in 0..lines {
        line(dice, &mut text);
    }
    if dice.roll(8) == 0 {
        text.extend(b"\r\n".repeat(dice.roll(5)));
    }
    text
}

fn line(dice: &mut Dice, text: &mut Vec<u8>) {
    for _ in 0..dice.roll(4) {
        text.extend_from_slice(dice.one_of(&WORDS));
        match dice.roll(100) {
            // As long as a line may be, and longer.
            0 => text.extend(std::iter::repeat_n(b'x', 990 + dice.roll(20))),
            1 => text.extend(std::iter::repeat_n(b'y', dice.roll(9_000))),
            2 => (0..dice.roll(300)).for_each(|_| {
                let byte = dice.roll(256) as u8;
                text.push(if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
            }),
            _ => {}
        }
    }
    text.extend_from_slice(b"\r\n");
}
