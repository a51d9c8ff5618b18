//! `trenza mail serve` with checks: dnsmasq is its DNS, and of example.com it knows who sends and signs.

mod dkimpy;

use crate::dnsmasq::Dnsmasq;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use trenza_tests::{PATIENCE, Program};

/// `trenza mail serve` for a domain, whose accounts ann and bob can log in with `secret`. Who its clients are it is told.
struct Served {
    place: TempDir,
    /// Where it receives, and where accounts send.
    reception: SocketAddr,
    submission: SocketAddr,
    program: Program,
}

impl Served {
    /// In a folder, whose files options name by `{}/NAME`.
    fn new(place: TempDir, domain: &str, dns: &Dnsmasq, options: &[&str]) -> Self {
        let shown = |name: &str| place.path().join(name).display().to_string();
        fs::create_dir(place.path().join("mail")).unwrap();
        for name in ["ann", "bob"] {
            let mut add = Command::new(crate::program());
            add.args(["user", "add", name, "--password-stdin", "--file", &shown("users.toml")]);
            let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            add.stdin.take().unwrap().write_all(b"secret\n").unwrap();
            assert!(add.wait().unwrap().success());
        }
        let mut all = vec![
            "mail".to_owned(),
            "serve".into(),
            format!("--domain={domain}"),
            format!("--hostname=mx.{domain}"),
            format!("--maildir={}", shown("mail")),
            format!("--users={}", shown("users.toml")),
            "--smtp=haproxy:tcp:0:interface=127.0.0.1".into(),
            "--submission=tcp:0:interface=127.0.0.1".into(),
            "--allow-plain-auth".into(),
            format!("--resolver={}", dns.at),
        ];
        let here = place.path().display().to_string();
        all.extend(options.iter().map(|option| option.replace("{}", &here)));
        let mut program = Program::start(&crate::program(), all);
        let mut at = || program.hear_url("smtp://").trim_start_matches("smtp://").parse().unwrap();
        Self { reception: at(), submission: at(), place, program }
    }

    /// Somebody sends a message from an address: the last reply.
    fn receive(&self, ip: &str, to: &str, message: &[u8]) -> String {
        let proxied = format!("PROXY TCP4 {ip} 127.0.0.1 1000 25");
        say(self.reception, &[&proxied, "EHLO mail.example.com"], "bob@example.com", to, message)
    }

    /// Ann sends a message: the last reply.
    fn submit(&self, to: &str, message: &[u8]) -> String {
        // `\0ann\0secret`
        let login = ["EHLO here", "AUTH PLAIN AGFubgBzZWNyZXQ="];
        say(self.submission, &login, "ann@example.org", to, message)
    }

    /// The next message of somebody, as it is stored.
    fn message(&self, name: &str) -> String {
        let (began, new) = (Instant::now(), self.path("mail").join(name).join("new"));
        loop {
            let path =
                fs::read_dir(&new).ok().and_then(|mut all| all.next()).map(|entry| entry.unwrap().path());
            if let Some(path) = path {
                let text = fs::read_to_string(&path).unwrap();
                fs::remove_file(path).unwrap();
                return text;
            }
            assert!(began.elapsed() < PATIENCE, "{name} gets no message");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }
}

/// A dialogue that ends with the reply to a message; what goes before it must be answered well, but for the first line of
/// a proxy, which is not answered.
fn say(at: SocketAddr, first: &[&str], from: &str, to: &str, message: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut reply = || {
        let mut line = String::new();
        while line.get(3..4) != Some(" ") {
            line.clear();
            assert!(replies.read_line(&mut line).unwrap() > 0, "it has hung up");
        }
        line
    };
    let envelope = [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>"), "DATA".into()];
    let commands = first.iter().copied().chain(envelope.iter().map(String::as_str));
    if !first.iter().any(|line| line.starts_with("PROXY")) {
        assert!(reply().starts_with("220 "));
    }
    for command in commands {
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let reply = reply();
        assert!(matches!(reply.get(..1), Some("2" | "3")), "{command}: {reply}");
    }
    stream.write_all(&[message, b".\r\n"].concat()).unwrap();
    reply()
}

/// A TXT record of a name, as options of dnsmasq have it: strings of what a string can hold.
fn txt(name: &str, text: &str) -> String {
    let strings: Vec<_> =
        text.as_bytes().chunks(200).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    format!("--txt-record={name},{}", strings.join(","))
}

/// A message of bob@example.com, with this in its body.
fn message(word: &str) -> String {
    format!(
        "From: Bob <bob@example.com>\r\nTo: ann@example.org\r\nSubject: hello\r\nDate: Mon, 5 Oct 2026 12:00:00 +0000\r\n\r\n{word}\r\n"
    )
}
