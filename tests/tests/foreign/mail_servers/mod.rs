//! `trenza mail send` to servers of others, whichever it is.

mod aiosmtpd;
mod postfix;

use crate::program;
use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a server may take to listen, and to deliver a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server of others that listens, and stores in Maildirs what is for ann@example.org and bob@example.org; it ends
/// with this.
struct MailServer {
    process: Child,
    /// Its own files, and the Maildirs below `mail`.
    root: TempDir,
    port: u16,
    /// Options of the program.
    options: Vec<String>,
}

/// A port that was free just now.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl MailServer {
    /// Starts the command, which is to listen on this port of 127.0.0.1.
    fn start(root: TempDir, port: u16, command: &mut Command, options: &[&str]) -> Self {
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let server = Self { process, root, port, options: options.iter().map(ToString::to_string).collect() };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "{command:?} does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// `trenza mail send` with these arguments: the exit code, and what it said.
    fn send(&self, arguments: &[&str], message: &[u8]) -> (i32, String) {
        let mut command = Command::new(program());
        let server = format!("--server=tcp:localhost:{}", self.port);
        command.args(["mail", "send", &server]).args(&self.options).args(arguments);
        command.env("MAIL_PASSWORD", "se cret").stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(message).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The next message of somebody, as it was sent: what the server has put before it is taken off.
    fn message(&self, name: &str, first_field: &str) -> Vec<u8> {
        let began = Instant::now();
        loop {
            if let Some(path) = self.new_messages(name).pop() {
                let text = fs::read(&path).unwrap();
                fs::remove_file(path).unwrap();
                let at = text.windows(first_field.len()).position(|part| part == first_field.as_bytes());
                return at.and_then(|at| text.get(at..)).expect("the first field is there").to_vec();
            }
            assert!(began.elapsed() < PATIENCE, "{name} gets no message");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn new_messages(&self, name: &str) -> Vec<PathBuf> {
        let folder = self.root.path().join("mail").join(name).join("new");
        fs::read_dir(folder).map(|all| all.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Killed at once, Postfix would leave its processes behind.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &id]).status();
        let _ = self.process.wait();
    }
}

/// A message that begins with `X-First`.
fn message(body: &str) -> Vec<u8> {
    format!(
        "X-First: 1\nFrom: me@example.com\nTo: ann@example.org\nDate: Mon, 5 Oct 2026 12:00:00 +0000\n\
         Message-ID: <1@example.com>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\nSubject: hello\n\n{body}"
    )
    .into_bytes()
}

const BASE: [&str; 3] = ["-f", "me@example.com", "ann@example.org"];

/// Messages arrive as they were sent.
fn messages_arrive_as_they_are(server: &MailServer) {
    let large: String = (0..60_000).map(|n| format!("{n} .\n.{n} \u{e4}\u{f6}\u{fc}\n")).collect();
    for body in [
        "",
        "hello\n",
        ".\n..\n...\n.x\n",
        "\u{e4} \u{2026}\n",
        "From x\nTo: y\n\n\n",
        &"x".repeat(990),
        &large,
    ] {
        let sent = message(body);
        assert_eq!(server.send(&BASE, &sent), (0, String::new()), "{body:.20}");
        let got = server.message("ann", "X-First");
        // A line that had no end has got one.
        let end = if sent.ends_with(b"\n") { &b""[..] } else { b"\n" };
        assert_eq!(got.len(), sent.len() + end.len(), "{body:.20}");
        assert!(got == [&sent, end].concat(), "{body:.20}");
    }
}

/// One message for several, of whom one is not there.
fn recipients_are_told_apart(server: &MailServer) {
    let (code, said) =
        server.send(&["-f", "", "ann@example.org", "nobody@example.org", "bob@example.org"], &message("x\n"));
    assert!(matches!(code, 67 | 69), "{code}: {said}");
    assert!(said.contains("nobody@example.org: ") && said.contains("1 of 3 recipients"), "{said}");
    assert_eq!(server.message("ann", "X-First"), message("x\n"));
    assert_eq!(server.message("bob", "X-First"), message("x\n"));
}
