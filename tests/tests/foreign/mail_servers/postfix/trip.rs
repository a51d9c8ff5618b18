//! A round trip: Postfix, `trenza mail serve`, its queue, and Postfix again. Nothing is lost, doubled or altered.

use super::{
    super::{MailServer, PATIENCE},
    postfix,
    ugly::{NUMBER, message},
};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use trenza_tests::Program;

/// So many messages are sent, over so many connections at a time.
const MESSAGES: usize = 10_000;
const SESSIONS: usize = 10;
/// One in so many is for bob, too.
const FOR_BOB: usize = 10;

/// Postfix by itself cuts lines with a NUL in what it takes for the header of a part.
const UNALTERED: &str = "disable_mime_input_processing = yes\n";

/// `trenza mail serve` for trip.example with the account ann, which sends what is for example.org on to a port.
struct Between {
    place: TempDir,
    program: Program,
    /// Where ann sends, and where everybody may.
    submission: String,
    reception: String,
}

impl Between {
    /// On so many loops.
    fn new(to: u16, workers: usize) -> Self {
        let place = tempfile::tempdir().unwrap();
        let shown = |name: &str| place.path().join(name).display().to_string();
        fs::create_dir(place.path().join("mail")).unwrap();
        fs::write(
            place.path().join("aliases"),
            "away: ann@example.org\nboth: ann@example.org, bob@example.org\n",
        )
        .unwrap();
        let mut add = Command::new(crate::program());
        add.args(["user", "add", "ann", "--password-stdin", "--file", &shown("users.toml")]);
        let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        add.stdin.take().unwrap().write_all(b"secret\n").unwrap();
        assert!(add.wait().unwrap().success());
        let mut program = Program::start(
            &crate::program(),
            [
                "mail",
                "serve",
                "--domain=trip.example",
                &format!("--maildir={}", shown("mail")),
                &format!("--users={}", shown("users.toml")),
                &format!("--aliases={}", shown("aliases")),
                &format!("--queue={}", shown("queue")),
                &format!("--route=example.org=tcp:127.0.0.1:{to}"),
                "--smtp=tcp:0:interface=127.0.0.1",
                "--submission=tcp:0:interface=127.0.0.1",
                "--allow-plain-auth",
                "--any-author",
                "--max-messages-per-minute=1000000",
                &format!("--workers={workers}"),
            ],
        );
        let mut port = || program.hear_url("smtp://").rsplit(':').next().unwrap().to_owned();
        let (reception, submission) = (port(), port());
        Self { place, program, submission, reception }
    }

    /// Stops it: nothing is left in its queue, and nothing went wrong.
    fn stop(self) {
        let began = Instant::now();
        let queue = self.place.path().join("queue/messages");
        while fs::read_dir(&queue).unwrap().count() > 0 {
            assert!(began.elapsed() < PATIENCE, "something is left in the queue");
            thread::sleep(Duration::from_millis(20));
        }
        self.program.signal("TERM");
        let (status, said) = self.program.end();
        assert!(status.success(), "{status}: {said}");
        assert!(!said.contains("ERROR") && !said.contains("WARN"), "{said}");
    }
}

/// Postfix that sends all by a server on this port.
fn first(port: &str, more: &str) -> MailServer {
    let relay = format!(
        "virtual_mailbox_domains =\nvirtual_mailbox_maps =\nrelayhost = [127.0.0.1]:{port}\n\
         smtp_line_length_limit = 0\n{UNALTERED}{more}"
    );
    postfix(&relay, &[])
}

/// Postfix that keeps what it gets.
fn last() -> MailServer {
    postfix(UNALTERED, &[])
}

/// To whom a message goes.
fn recipients(number: usize) -> &'static [&'static str] {
    if number.is_multiple_of(FOR_BOB) { &["ann", "bob"] } else { &["ann"] }
}

/// Hands the messages of some numbers to a server, one after the other.
fn send(port: u16, numbers: impl Iterator<Item = usize>, to: impl Fn(usize) -> Vec<String>) {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut client = BufReader::new(stream);
    let mut say = |what: &[u8], codes: &[&str]| {
        client.get_mut().write_all(what).unwrap();
        for code in codes {
            let mut line = String::new();
            while line.get(3..4) != Some(" ") {
                line.clear();
                assert!(client.read_line(&mut line).unwrap() > 0, "it has hung up");
            }
            assert!(line.starts_with(code), "{line:?} instead of {code}");
        }
    };
    say(b"EHLO trip.example\r\n", &["220", "250"]);
    for number in numbers {
        let to = to(number);
        let mut commands = "MAIL FROM:<ann@trip.example> BODY=8BITMIME\r\n".to_owned();
        to.iter().for_each(|to| commands += &format!("RCPT TO:<{to}>\r\n"));
        let codes: Vec<&str> = std::iter::repeat_n("250", 1 + to.len()).chain(["354"]).collect();
        say(format!("{commands}DATA\r\n").as_bytes(), &codes);
        let mut text = Vec::new();
        for line in message(number).split_inclusive(|byte| *byte == b'\n') {
            text.extend(line.first().filter(|first| **first == b'.'));
            text.extend_from_slice(line);
        }
        text.extend_from_slice(b".\r\n");
        say(&text, &["250"]);
    }
    say(b"QUIT\r\n", &["221"]);
}

/// Hands the messages of all numbers below this one to a server.
fn send_all(to: &MailServer, messages: usize, recipients: impl Fn(usize) -> Vec<String> + Sync) {
    thread::scope(|scope| {
        for first in 0..SESSIONS {
            let (recipients, port) = (&recipients, to.port);
            scope.spawn(move || send(port, (first..messages).step_by(SESSIONS), recipients));
        }
    });
}

/// Waits until somebody has so many messages, as long as more come.
fn wait_for(server: &MailServer, name: &str, count: usize) {
    let (mut seen, mut since) = (0, Instant::now());
    while seen < count {
        assert!(since.elapsed() < PATIENCE, "{name} has {seen} of {count} messages, and no more come");
        thread::sleep(Duration::from_millis(100));
        let now = server.new_messages(name).len();
        if now > seen {
            (seen, since) = (now, Instant::now());
        }
    }
}

/// The names of the fields that were put before a message, from the top, and the message with CRLF.
fn taken_apart(stored: &[u8]) -> (Vec<String>, Vec<u8>) {
    let (mut names, mut lines) = (Vec::new(), stored.split_inclusive(|byte| *byte == b'\n'));
    let mut rest = Vec::new();
    for line in lines.by_ref() {
        if line.starts_with(NUMBER.as_bytes()) {
            rest.push(line);
            break;
        }
        if !line.starts_with(b"\t") && !line.starts_with(b" ") {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    rest.extend(lines);
    let with_crlf = |line: &[u8]| [line.strip_suffix(b"\n").unwrap_or(line), b"\r\n"].concat();
    (names, rest.into_iter().flat_map(with_crlf).collect())
}

/// Somebody has each message of these numbers once, as it was sent, with these fields before it and no others.
fn has_all(server: &MailServer, name: &str, numbers: impl Iterator<Item = usize>, fields: &[&str]) {
    let mut missing: BTreeSet<usize> = numbers.collect();
    wait_for(server, name, missing.len());
    for path in server.new_messages(name) {
        let (names, text) = taken_apart(&fs::read(&path).unwrap());
        assert_eq!(names, fields, "{}", path.display());
        let first = text.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let number = String::from_utf8_lossy(first.strip_prefix(NUMBER.as_bytes()).unwrap_or_default());
        let number: usize = number.parse().unwrap();
        assert!(missing.remove(&number), "message {number} has come twice");
        let sent = message(number);
        let differs = text.iter().zip(&sent).position(|(got, sent)| got != sent);
        let there = |text: &[u8]| {
            text.iter()
                .skip(differs.unwrap_or(text.len()).saturating_sub(20))
                .take(60)
                .copied()
                .collect::<Vec<_>>()
        };
        assert!(
            text == sent,
            "message {number} has {} bytes of {}, and differs at {differs:?}: {} instead of {}",
            text.len(),
            sent.len(),
            there(&text).escape_ascii(),
            there(&sent).escape_ascii()
        );
    }
    assert!(missing.is_empty(), "{missing:?} have not come");
}

/// Nothing that a server has sent was refused or put off.
fn all_went_at_once(server: &MailServer) {
    let log = fs::read_to_string(server.root.path().join("log")).unwrap();
    let odd: Vec<&str> =
        log.lines().filter(|line| line.contains("status=") && !line.contains("status=sent")).collect();
    assert!(odd.is_empty(), "{:#?}", odd.first());
}

#[test]
fn ten_thousand_messages_go_through_submission_and_queue_unaltered() {
    let last = last();
    let between = Between::new(last.port, 1);
    let login = "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:ann:secret\n\
                 smtp_sasl_security_options =\n";
    let first = first(&between.submission, login);
    let to = |number: usize| recipients(number).iter().map(|name| format!("{name}@example.org")).collect();
    send_all(&first, MESSAGES, to);
    // From below: that of the first Postfix, ours and that of the last one, which has delivered it.
    let fields = ["Return-Path", "X-Original-To", "Delivered-To", "Received", "Received", "Received"];
    for name in ["ann", "bob"] {
        let numbers = (0..MESSAGES).filter(|number| recipients(*number).contains(&name));
        has_all(&last, name, numbers, &fields);
    }
    between.stop();
    all_went_at_once(&first);
}

#[test]
fn messages_for_aliases_go_through_two_loops_and_the_queue_unaltered() {
    let last = last();
    let between = Between::new(last.port, 2);
    let first = first(&between.reception, "");
    let to = |number: usize| {
        let alias = if recipients(number).contains(&"bob") { "both" } else { "away" };
        vec![format!("{alias}@trip.example")]
    };
    send_all(&first, MESSAGES / 10, to);
    // It has come to an address of ours before it went to theirs.
    let fields =
        ["Return-Path", "X-Original-To", "Delivered-To", "Received", "Delivered-To", "Received", "Received"];
    for name in ["ann", "bob"] {
        let numbers = (0..MESSAGES / 10).filter(|number| recipients(*number).contains(&name));
        has_all(&last, name, numbers, &fields);
    }
    between.stop();
    all_went_at_once(&first);
}
