//! POP3 of `trenza mail serve` with other people's clients, and our client with dovecot.

mod curl;
mod dovecot;
mod fetchmail;
mod mpop;
mod python3;
mod twisted;

use crate::secure::Certificates;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;
use trenza_tests::Program;

/// Ann's.
const PASSWORD: &str = "p w";

/// Messages that are not easy: dots, no header, bytes that are no text, many lines, long ones.
fn messages() -> Vec<Vec<u8>> {
    let many: String = (0..20_000).map(|n| format!("{}{n}\r\n", ".".repeat(n % 4))).collect();
    vec![
        b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n\r\n.\r\n".to_vec(),
        b"From: a@b\r\nSubject: caf\xc3\xa9\r\n\r\n\xe4\xf6\xfc\r\n".to_vec(),
        b"Subject: empty\r\n\r\n".to_vec(),
        [&b"Subject: many\r\n\r\n"[..], many.as_bytes()].concat(),
        [&b"Subject: long\r\n\r\n"[..], &[b'x'; 900], b"\r\nlast\r\n"].concat(),
    ]
}

/// `trenza mail serve` with the account ann, whose mailbox has [`messages`]; STLS, and TLS from the start.
struct Served {
    certificates: Certificates,
    /// A folder for the client.
    here: TempDir,
    place: TempDir,
    /// The port of POP3, and that of TLS from the start.
    ports: [u16; 2],
    _program: Program,
}

impl Served {
    fn new() -> Self {
        let (certificates, place) = (Certificates::new(), tempfile::tempdir().unwrap());
        let shown = |name: &str| place.path().join(name).display().to_string();
        deliver(&place.path().join("mail/ann"));
        let mut add = Command::new(crate::program());
        add.args(["user", "add", "ann", "--password-stdin", "--file", &shown("users.toml")]);
        let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        add.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
        assert!(add.wait().unwrap().success());
        let (maildir, users, cert) =
            (shown("mail"), shown("users.toml"), certificates.shown("localhost.pem"));
        let place_of = ["mail", "serve", "--domain=example.org", "--maildir", &maildir, "--users", &users];
        let listen =
            ["--tls-cert", &cert, "--pop3=tcp:0:interface=127.0.0.1", "--pop3=tls:0:interface=127.0.0.1"];
        let mut program = Program::start(&crate::program(), [&place_of[..], &listen].concat());
        let ports = ["pop3://", "pop3s://"].map(|scheme| {
            let url = program.hear_url(scheme);
            url.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok()).unwrap()
        });
        Self { certificates, here: tempfile::tempdir().unwrap(), place, ports, _program: program }
    }

    fn here(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    fn ca(&self) -> String {
        self.certificates.shown("ca.pem")
    }

    /// How many messages are left.
    fn left(&self) -> usize {
        fs::read_dir(self.place.path().join("mail/ann/new")).unwrap().count()
    }
}

/// Makes a Maildir with [`messages`] in their order.
fn deliver(maildir: &Path) {
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir.join(folder)).unwrap();
    }
    for (number, message) in messages().iter().enumerate() {
        fs::write(maildir.join(format!("new/{}.M1P{number}.here", 1_700_000_000 + number)), message).unwrap();
    }
}

/// With the line ends of files.
fn with_lf(message: &[u8]) -> Vec<u8> {
    let text = message.iter().filter(|byte| **byte != b'\r');
    text.copied().collect()
}
