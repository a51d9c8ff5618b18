//! `trenza mail serve` and other people's clients.

mod curl;
mod msmtp;
mod postfix;
mod python3;
mod swaks;
mod twisted;

use crate::secure::Certificates;
use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};
use tempfile::TempDir;
use trenza_tests::Program;

/// Ann's.
const PASSWORD: &str = "p w";

/// `trenza mail serve` for example.org with the accounts ann and bob, TLS by STARTTLS and from the start, and LMTP.
struct Served {
    certificates: Certificates,
    place: TempDir,
    /// Where it receives, where accounts send, and where they do so with TLS from the start.
    reception: String,
    submission: String,
    secured: String,
    program: Program,
}

impl Served {
    fn new() -> Self {
        let (certificates, place) = (Certificates::new(), tempfile::tempdir().unwrap());
        let shown = |name: &str| place.path().join(name).display().to_string();
        fs::create_dir(place.path().join("mail")).unwrap();
        for name in ["ann", "bob"] {
            let mut add = Command::new(crate::program());
            add.args(["user", "add", name, "--password-stdin", "--file", &shown("users.toml")]);
            let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            add.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
            assert!(add.wait().unwrap().success());
        }
        let here = "0:interface=127.0.0.1";
        let mut program = Program::start(
            &crate::program(),
            [
                "mail",
                "serve",
                "--domain=example.org",
                "--hostname=localhost",
                &format!("--maildir={}", shown("mail")),
                &format!("--users={}", shown("users.toml")),
                &format!("--tls-cert={}", certificates.shown("localhost.pem")),
                &format!("--smtp=tcp:{here}"),
                &format!("--submission=tcp:{here}"),
                &format!("--submission=tls:{here}"),
                &format!("--lmtp=unix:{}", shown("lmtp")),
                "--max-messages-per-minute=1000000",
            ],
        );
        let mut port = |scheme: &str| {
            let url = program.hear_url(scheme);
            url.rsplit(':').next().unwrap().to_owned()
        };
        let (reception, submission, secured) = (port("smtp://"), port("smtp://"), port("smtps://"));
        Self { certificates, place, reception, submission, secured, program }
    }

    fn ca(&self) -> String {
        self.certificates.shown("ca.pem")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A file with this content, for a client.
    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// What somebody has got, without the two fields that the server puts before a message.
    fn messages(&self, name: &str) -> Vec<Vec<u8>> {
        let Ok(new) = fs::read_dir(self.path("mail").join(name).join("new")) else { return Vec::new() };
        new.map(|file| as_sent(&fs::read(file.unwrap().path()).unwrap())).collect()
    }

    /// Ann has got this message, and nothing else.
    #[track_caller]
    fn has(&self, message: &[u8]) {
        let messages = self.messages("ann");
        let [only] = &*messages else { panic!("{} messages", messages.len()) };
        let differs = only.iter().zip(message).position(|(got, sent)| got != sent);
        assert_eq!((only.len(), differs), (message.len(), None), "{}", String::from_utf8_lossy(only));
        for message in fs::read_dir(self.path("mail/ann/new")).unwrap() {
            fs::remove_file(message.unwrap().path()).unwrap();
        }
    }

    /// What it has said when it was stopped.
    fn stop(self) -> String {
        self.program.signal("TERM");
        let (status, said) = self.program.end();
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }
}

/// A message behind Return-Path and Received.
fn as_sent(stored: &[u8]) -> Vec<u8> {
    let text = stored.strip_prefix(b"Return-Path: <").expect("it begins with Return-Path");
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').skip(1);
    let received = lines.next().expect("there is a second line");
    assert!(received.starts_with(b"Received: from "), "{}", String::from_utf8_lossy(received));
    let rest = lines.skip_while(|line| line.starts_with(b"\t"));
    rest.flatten().copied().collect()
}

/// A message that somebody may get wrong: dots, empty lines at the end, the longest line, bytes of all kinds.
fn ugly() -> Vec<u8> {
    let mut message =
        b"From: ann@example.org\r\nTo: ann@example.org\r\nSubject: =?utf-8?q?=C3=A4?=\r\n folded\r\n"
            .to_vec();
    message.extend_from_slice(
        b"X-Dots: .\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n",
    );
    message.extend_from_slice(b".\r\n..\r\n.a\r\n. \r\n\r\nFrom me\r\n\t\r\n");
    message.extend_from_slice(&[b'x'; 998]);
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice("\u{e4}\u{1f600} 8 bits\r\n".as_bytes());
    for _ in 0..3000 {
        message.extend_from_slice(b".0123456789 the quick brown fox\r\n");
    }
    message.extend_from_slice(b"the end\r\n\r\n\r\n");
    message
}

/// With the line ends of this machine, for clients that make CRLF of them.
fn with_lf(message: &[u8]) -> Vec<u8> {
    message.iter().copied().filter(|byte| *byte != b'\r').collect()
}
