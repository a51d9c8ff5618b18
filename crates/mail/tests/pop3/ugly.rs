//! Ugly messages go through reception, a Maildir and POP3 unaltered, and can be taken apart.

use crate::{find, server};
use std::time::Duration;
use trenza_core::{OutBuf, Result};
use trenza_mail::{
    maildir::Maildirs,
    mime::{Message, MimeLimits},
    pop3::client::{Client, ClientOptions, Part},
    smtp::{SmtpServer, data::Encoder},
};
use trenza_sim::Net;
use trenza_storage::{Path, Storage};

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    /// Less than `most`.
    fn roll(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    fn one_of<'a>(&mut self, some: &[&'a [u8]]) -> &'a [u8] {
        some[self.roll(some.len())]
    }
}

/// What lines begin with, and what is in them.
const WORDS: [&[u8]; 24] = [
    b".",
    b"..",
    b".\0",
    b"--x",
    b"--x--",
    b"From me",
    b"Subject:",
    b"Content-Type: multipart/mixed; boundary=x",
    b"Content-Type: message/rfc822",
    b"Content-Type: text/html; charset=\"utf-7",
    b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable",
    b"=?utf-8?Q?=00=FF?=",
    b"=?utf-8?B?AAAA",
    b"=",
    b"=0",
    b"\xff\xfe",
    b"\xe2\x80\xa8",
    b"\t folded",
    b"\0",
    b"\x1b[2J",
    b"+OK",
    b"QUIT",
    b"((((((((",
];

/// A message in lines that end in CRLF, and nothing else that holds: this is what every message in SMTP is.
fn ugly(dice: &mut Dice) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..dice.roll(40) {
        for _ in 0..dice.roll(4) {
            text.extend_from_slice(dice.one_of(&WORDS));
            match dice.roll(60) {
                0 => text.extend(std::iter::repeat_n(b'x', dice.roll(5_000))),
                1 => (0..dice.roll(300)).for_each(|_| {
                    let byte = dice.roll(256) as u8;
                    text.push(if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
                }),
                2 => text.extend(std::iter::repeat_n(&b".\r\n"[..], dice.roll(300)).flatten()),
                3 => text.extend(
                    std::iter::repeat_n(&b"Content-Type: message/rfc822\r\n\r\n"[..], dice.roll(1_000))
                        .flatten(),
                ),
                4 => (0..dice.roll(1_000)).for_each(|n| {
                    text.extend(
                        format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n").bytes(),
                    );
                }),
                _ => {}
            }
        }
        text.extend_from_slice(b"\r\n");
    }
    text
}

/// What a client says to send them, with all of it at once.
fn script(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = OutBuf::new();
    out.push_slice(b"EHLO cli\r\n");
    for message in messages {
        out.push_slice(b"MAIL FROM:<a@b> BODY=8BITMIME\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n");
        let mut encoder = Encoder::new();
        encoder.encode(message, &mut out);
        encoder.finish(&mut out);
    }
    out.push_slice(b"QUIT\r\n");
    out.to_vec().unwrap()
}

async fn fetch() -> Result<Vec<Vec<u8>>> {
    let options = ClientOptions::new().login("ann", "secret").allow_plain_auth(true);
    let mut client = Client::connect("tcp:srv:110", options).await?;
    let mut fetched = Vec::new();
    let (numbers, mut text) = (client.list().await?.into_iter().map(|(number, _)| number), Vec::new());
    let sink = async |_, part| {
        match part {
            Part::Bytes(bytes) => text.extend_from_slice(&bytes),
            Part::End => fetched.push(std::mem::take(&mut text)),
            Part::Refused(reply) => return Err(reply.into()),
        }
        Ok(())
    };
    client.retrieve_all(numbers, sink).await?;
    client.quit().await?;
    Ok(fetched)
}

#[test]
fn nothing_is_altered_on_the_way_through() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let messages: Vec<Vec<u8>> = (0..40).map(|_| ugly(&mut dice)).collect();
        let net = Net::new(seed);
        let (srv, cli) = (net.host("srv"), net.host("cli"));
        let disk = srv.disk();
        srv.run(|reactor| {
            let storage = Storage::new(reactor, disk);
            let ann = Path::new("mail/ann")?;
            let maildirs = Maildirs::new(&storage, "srv", move |_, _| Ok(ann.clone()));
            reactor.listen_with("tcp:25", SmtpServer::reception("srv", ["example.org"]).on(maildirs))?;
            reactor.listen_with("tcp:110", server().on(find(&storage)))
        })
        .unwrap();
        let sender = cli.probe("tcp:srv:25");
        sender.send(script(&messages));
        net.advance(Duration::from_secs(120));
        let said = String::from_utf8(sender.received()).unwrap();
        assert_eq!(said.matches("250 2.0.0 Taken").count(), messages.len(), "seed {seed}: {said}");
        // Their order is that of the seconds in which they came.
        let mut fetched = net.block_on(&cli, fetch()).unwrap();
        assert_eq!(fetched.len(), messages.len());
        for message in &messages {
            // Behind Return-Path and Received, which were added.
            let found = fetched.iter().position(|text| {
                let head = text.len().checked_sub(message.len());
                text.ends_with(message) && head.is_some_and(|head| text[..head].ends_with(b" +0000\r\n"))
            });
            let text = fetched
                .swap_remove(found.unwrap_or_else(|| panic!("seed {seed}: {}", message.escape_ascii())));
            let parsed = Message::parse(&text, &MimeLimits::default());
            for part in parsed.parts() {
                _ = (part.text(), part.bytes(), part.header("Subject"), part.file_name());
            }
        }
    }
}
