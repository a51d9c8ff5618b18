//! What `trenza mail serve` takes and says, to whom it gets it wrong and while it runs.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "this is the outside world"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};
use trenza_tests::{PATIENCE, Program};

const TRENZA: &str = env!("CARGO_BIN_EXE_trenza");
const SMTP: &str = "--smtp=tcp:0:interface=127.0.0.1";
const SUBMISSION: &str = "--submission=tcp:0:interface=127.0.0.1";
const USUAL: [&str; 3] = ["--domain=example.org", "--maildir={}/mail", "--users={}/users.toml"];

/// A folder `mail`, and beside it `users.toml` with ann, whose password is `secret one`, and a certificate.
fn place() -> TempDir {
    let place = tempdir().unwrap();
    fs::create_dir(place.path().join("mail")).unwrap();
    let mut add = Command::new(TRENZA);
    add.args(["user", "add", "ann", "--password-stdin"]).current_dir(place.path());
    let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(b"secret one\n").unwrap();
    assert!(add.wait().unwrap().success());
    let made = Command::new(TRENZA).args(["cert", "self"]).current_dir(place.path()).output().unwrap();
    assert!(made.status.success());
    place
}

/// The options that name what is in a place; `{}` stands for it.
fn options(place: &Path, arguments: &[&str]) -> Vec<String> {
    let shown = place.display().to_string();
    ["mail", "serve"].iter().chain(arguments).map(|argument| argument.replace("{}", &shown)).collect()
}

fn serve(place: &Path, arguments: &[&str]) -> Program {
    Program::start(Path::new(TRENZA), options(place, &[&USUAL, arguments].concat()))
}

/// The exit code, and what was said on standard error.
fn fails(place: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(TRENZA).args(options(place, arguments)).output().unwrap();
    assert!(output.stdout.is_empty(), "errors belong on standard error");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What it has said when it was stopped.
fn stop(program: Program) -> String {
    program.signal("TERM");
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

/// A session, typed by hand.
struct Session<S>(BufReader<S>);

impl Session<TcpStream> {
    fn connect(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("smtp://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut session = Self(BufReader::new(stream));
        session.reply("220");
        session.ask("EHLO test", "250");
        session
    }
}

impl<S: Read + Write> Session<S> {
    /// The last line of the next reply, which must begin like this, and those before it.
    fn reply(&mut self, code: &str) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "it has hung up after {reply:?}");
            reply += &line;
            if line.get(3..4) != Some("-") {
                assert!(line.starts_with(code), "{reply:?} instead of {code}");
                return reply;
            }
        }
    }

    fn ask(&mut self, command: &str, code: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply(code)
    }

    fn send(&mut self, from: &str, to: &str) {
        self.ask(&format!("MAIL FROM:<{from}>"), "250");
        self.ask(&format!("RCPT TO:<{to}>"), "250");
        self.ask("DATA", "354");
        self.ask("Subject: hello\r\n\r\nHello!\r\n.", "250");
    }
}

/// The messages in somebody's `new`.
fn messages(place: &Path, name: &str) -> Vec<String> {
    let Ok(new) = fs::read_dir(place.join("mail").join(name).join("new")) else { return Vec::new() };
    new.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn messages_come_and_each_leaves_a_line() {
    let place = place();
    let mut program = serve(place.path(), &[SMTP, "--lmtp=unix:{}/lmtp", "--hostname=mx.example.org"]);
    let url = program.hear_url("smtp://");
    assert!(program.hear("lmtp").contains("/lmtp (takes what other servers have received"));
    let mut session = Session::connect(&url);
    session.send("bob@example.com", "Ann+x@example.org");
    session.ask("MAIL FROM:<bob@example.com>", "250");
    session.ask("RCPT TO:<bob@example.org>", "550 5.1.1");
    session.ask("RCPT TO:<bob@example.com>", "550 5.7.1");
    session.ask("RCPT TO:<Postmaster>", "250");
    session.ask("QUIT", "221");
    let mut lmtp = Session(BufReader::new(UnixStream::connect(place.path().join("lmtp")).unwrap()));
    lmtp.reply("220 mx.example.org LMTP");
    lmtp.ask("LHLO test", "250");
    lmtp.send("bob@example.com", "ann@example.org");
    let stored = messages(place.path(), "ann");
    assert_eq!(stored.len(), 2);
    for message in stored {
        assert!(message.starts_with("Return-Path: <bob@example.com>\r\nReceived: from test"), "{message}");
        assert!(message.contains("\r\n\tby mx.example.org with "));
        assert!(message.ends_with("\r\nSubject: hello\r\n\r\nHello!\r\n"));
    }
    let said = stop(program);
    for part in [
        "Serving mail of example.org as mx.example.org, for the accounts in ",
        "warning: nobody is the postmaster",
        " smtp ",
        " - 127.0.0.1 <bob@example.com> <ann+x@example.org> ",
        "<bob@example.com> <bob@example.org> 0 failed: 550 5.1.1 No such user here",
        " lmtp ",
        "Stopping: ",
    ] {
        assert!(said.to_lowercase().contains(&part.to_lowercase()), "{part:?} is not in:\n{said}");
    }
    assert!(!place.path().join("lmtp").exists());
}

#[test]
fn accounts_send_over_tls_as_themselves() {
    let place = place();
    let tls = "--submission=tls:0:interface=127.0.0.1";
    let cert = "--tls-cert={}/localhost.pem";
    let mut program = serve(place.path(), &[SUBMISSION, tls, SMTP, cert, "--log-format=json"]);
    let reception = program.hear("smtp://");
    assert!(reception.contains("receives, with TLS by STARTTLS"), "{reception}");
    let url = program.hear_url("smtp://");
    assert!(program.hear("smtps://").contains("takes what accounts send, with TLS from the start"));
    let mut session = Session::connect(&url);
    let offered = session.ask("EHLO x", "250");
    assert!(
        offered.contains("250-STARTTLS\r\n") && !offered.contains("DSN"),
        "nobody would make reports: {offered}"
    );
    session.ask("MAIL FROM:<ann@example.org>", "530");
    session.ask("AUTH PLAIN AGFubgBzZWNyZXQgb25l", "538");
    session.ask("STARTTLS", "220");
    drop(session);
    stop(program);

    let mut program = serve(place.path(), &[SUBMISSION, "--allow-plain-auth", "--log-format=json"]);
    let mut session = Session::connect(&program.hear_url("smtp://"));
    session.ask("AUTH PLAIN AGFubgBzZWNyZXQgb25l", "235");
    session.ask("MAIL FROM:<bob@example.org>", "553");
    session.send("ann@example.org", "ann@example.org");
    drop(session);
    let said = stop(program);
    assert!(said.contains("\"account\":\"ann\"") && said.contains("\"protocol\":\"submission\""), "{said}");
    assert!(!said.contains("whoever is between"), "nobody is between: {said}");
}

#[test]
fn aliases_are_read_again_and_accounts_too() {
    let place = place();
    fs::write(
        place.path().join("aliases"),
        "postmaster: ann\nsales: ann\nbox: {}/mail/box/\n".replace("{}", &place.path().display().to_string()),
    )
    .unwrap();
    let options = [SMTP, "--aliases={}/aliases", "--catch-all=sales", "--quiet"];
    let mut program = serve(place.path(), &options);
    let mut session = Session::connect(&program.hear_url("smtp://"));
    session.send("b@c", "sales@example.org");
    session.send("b@c", "whoever@example.org");
    session.send("b@c", "box@example.org");
    assert_eq!(["ann", "box"].map(|name| messages(place.path(), name).len()), [2, 1]);
    fs::write(place.path().join("aliases"), "sales: ann\nbox: ann\n").unwrap();
    let mut add = Command::new(TRENZA);
    add.args(["user", "add", "bob", "--password-stdin", "--quota", "1K"]).current_dir(place.path());
    let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(b"secret two\n").unwrap();
    assert!(add.wait().unwrap().success());
    // They are looked at once a second.
    thread::sleep(Duration::from_millis(1100));
    session.send("b@c", "box@example.org");
    session.send("b@c", "bob@example.org");
    session.ask("MAIL FROM:<b@c> SIZE=2000", "250");
    session.ask("RCPT TO:<bob@example.org>", "552 5.2.2");
    assert_eq!(["ann", "box", "bob"].map(|name| messages(place.path(), name).len()), [3, 1, 1]);
    drop(session);
    let said = stop(program);
    assert!(!said.contains("postmaster") && !said.contains("<b@c>"), "{said}");
}

#[test]
fn accounts_fetch_their_mail() {
    let place = place();
    let pop3 = "--pop3=tcp:0:interface=127.0.0.1";
    let options = [SMTP, pop3, "--pop3=tls:0:interface=127.0.0.1", "--tls-cert={}/localhost.pem"];
    let mut program = serve(place.path(), &[&options[..], &["--allow-plain-auth"]].concat());
    Session::connect(&program.hear_url("smtp://")).send("b@c", "ann@example.org");
    let url = program.hear_url("pop3://");
    assert!(program.hear("pop3s://").contains("gives accounts their mail, with TLS from the start"));
    let mut client = TcpStream::connect(url.trim_start_matches("pop3://")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"USER ann\r\nPASS secret one\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n").unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    assert!(
        said.contains("\r\nReturn-Path: <b@c>\r\n") && said.contains("\r\n\r\nHello!\r\n.\r\n"),
        "{said}"
    );
    assert!(messages(place.path(), "ann").is_empty());
    assert!(stop(program).contains("protocol=\"pop3\""));
}

#[test]
fn who_fetches_mail_through_a_proxy_is_who_the_proxy_says() {
    let place = place();
    let options = [SMTP, "--pop3=haproxy:tcp:0:interface=127.0.0.1", "--allow-plain-auth"];
    let mut program = serve(place.path(), &[&options[..], &["--max-sessions-per-address=1"]].concat());
    Session::connect(&program.hear_url("smtp://")).send("b@c", "ann@example.org");
    let address = program.hear_url("pop3://").trim_start_matches("pop3://").to_owned();
    let greeted = |header: &[u8]| {
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut session = BufReader::new(stream);
        session.get_mut().write_all(header).unwrap();
        let mut line = String::new();
        session.read_line(&mut line).unwrap();
        (session, line)
    };
    let v1 = |client: &str| format!("PROXY TCP4 {client} 192.0.2.99 1000 110\r\n").into_bytes();
    // The same by version 2: a signature, its kind, the length, addresses and ports.
    let v2 =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 3, 192, 0, 2, 99, 3, 232, 0, 110]].concat();
    let (mut first, said) = greeted(&[&v1("192.0.2.1"), &b"USER ann\r\n"[..]].concat());
    assert!(said.starts_with("+OK"), "{said}");
    let (_, said) = greeted(&v1("192.0.2.1"));
    assert_eq!(said, "-ERR [SYS/TEMP] Too many sessions from your address, try again later\r\n");
    for header in [&v1("192.0.2.2"), &v2] {
        assert!(greeted(header).1.starts_with("+OK"));
    }
    // Whoever comes past the proxy is not even greeted.
    assert_eq!(greeted(b"USER ann\r\nPASS secret one\r\n").1, "");
    first.get_mut().write_all(b"PASS secret one\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n").unwrap();
    let mut said = String::new();
    first.read_to_string(&mut said).unwrap();
    assert!(said.contains("\r\n\r\nHello!\r\n.\r\n") && said.ends_with("+OK Goodbye\r\n"), "{said}");
    assert!(messages(place.path(), "ann").is_empty());
    stop(program);
}

/// Waits until somebody has so many messages.
fn wait_for(place: &Path, name: &str, count: usize) -> Vec<String> {
    let began = Instant::now();
    loop {
        let messages = messages(place, name);
        if messages.len() >= count {
            return messages;
        }
        assert!(began.elapsed() < PATIENCE, "{name} has {} messages", messages.len());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_for_others_goes_through_the_queue() {
    let (here, there) = (place(), place());
    let mut other = serve(there.path(), &[SMTP, "--domain=example.net", "--log-format=json"]);
    let url = other.hear_url("smtp://");
    fs::write(here.path().join("aliases"), "team: ann, ann@example.net\n").unwrap();
    let route = format!("--route=example.net=tcp:{}", url.trim_start_matches("smtp://"));
    let options =
        [SMTP, SUBMISSION, "--allow-plain-auth", "--queue={}/queue", "--aliases={}/aliases", &route];
    let mut program = serve(here.path(), &options);
    let mut reception = Session::connect(&program.hear_url("smtp://"));
    let mut submission = Session::connect(&program.hear_url("smtp://"));
    submission.ask("AUTH PLAIN AGFubgBzZWNyZXQgb25l", "235");
    submission.ask("MAIL FROM:<ann@example.org>", "250");
    submission.ask("RCPT TO:<ann@example.net>", "250");
    submission.ask("RCPT TO:<ann@example.org>", "250");
    submission.ask("DATA", "354");
    submission.ask("Subject: hello\r\n\r\n..Hello!\r\n.", "250");
    for place in [&here, &there] {
        let stored = wait_for(place.path(), "ann", 1);
        assert!(stored[0].starts_with("Return-Path: <ann@example.org>\r\nReceived: "), "{}", stored[0]);
        assert!(stored[0].ends_with("\r\nSubject: hello\r\n\r\n.Hello!\r\n"), "{}", stored[0]);
    }
    reception.send("b@example.com", "team@example.org");
    let stored = wait_for(there.path(), "ann", 2);
    assert!(stored.iter().any(|text| text.contains("\r\nDelivered-To: team@example.org\r\n")), "{stored:?}");
    wait_for(here.path(), "ann", 2);
    assert!(reception.ask("EHLO x", "250").contains("250-DSN\r\n"));
    reception.ask("MAIL FROM:<b@example.com>", "250");
    reception.ask("RCPT TO:<ann@example.net>", "550 5.7.1");
    let (code, said) = fails(here.path(), &[&USUAL[..], &["--queue={}/queue"]].concat());
    assert!(code == 1 && said.contains("another server has the queue"), "{said}");
    drop((reception, submission));
    let said = stop(program);
    assert!(said.contains("relayed: 250 2.0.0 Taken as ") && said.contains(" to=ann@example.net "), "{said}");
    stop(other);
}

#[test]
fn many_workers_are_one_server() {
    let place = place();
    let mut program = serve(place.path(), &[SMTP, "--workers=3", "--quiet"]);
    let url = program.hear_url("smtp://");
    program.hear("3 workers share the clients.");
    let clients: Vec<_> = (0..12)
        .map(|_| {
            let url = url.clone();
            thread::spawn(move || Session::connect(&url).send("b@c", "ann@example.org"))
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(messages(place.path(), "ann").len(), 12);
    stop(program);
}

#[test]
fn accounts_fetch_and_delete_their_mail_on_any_worker() {
    let place = place();
    let new = place.path().join("mail/ann/new");
    fs::create_dir_all(&new).unwrap();
    fs::create_dir(place.path().join("mail/ann/cur")).unwrap();
    let port = "--pop3=tcp:0:interface=127.0.0.1";
    let mut program = serve(place.path(), &[port, "--allow-plain-auth", "--workers=3", "--quiet"]);
    let url = program.hear_url("pop3://");
    let say = |text: &str| {
        let mut stream = TcpStream::connect(url.trim_start_matches("pop3://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let hear = |mut stream: TcpStream| {
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    };
    for round in 0..6 {
        fs::write(new.join(format!("{round}.a.here")), "Subject: a\r\n\r\n.hello\r\n").unwrap();
        // The mailbox is one session's, whichever worker has it.
        let holder = say("USER ann\r\nPASS secret one\r\n");
        let mut lines = BufReader::new(holder.try_clone().unwrap()).lines();
        assert!(lines.nth(2).unwrap().unwrap().starts_with("+OK 1 message "));
        let others: Vec<_> = (0..4).map(|_| say("USER ann\r\nPASS secret one\r\nQUIT\r\n")).collect();
        assert!(others.into_iter().map(hear).all(|said| said.contains("-ERR [IN-USE] ")));
        (&holder).write_all(b"RETR 1\r\nDELE 1\r\nQUIT\r\n").unwrap();
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        assert_eq!(rest[1..5], ["Subject: a", "", "..hello", "."], "{rest:?}");
        assert_eq!(fs::read_dir(&new).unwrap().count(), 0);
    }
    assert!(stop(program).contains("pop3://127.0.0.1:"));
}

#[test]
fn whoever_sends_to_a_server_that_is_not_trusted_is_told_what_would_trust_it() {
    let place = place();
    let options = ["--smtp=tls:0:interface=127.0.0.1", "--tls-cert={}/localhost.pem"];
    let mut program = serve(place.path(), &options);
    let url = program.hear_url("smtps://");
    let server = format!("tls:localhost:{}", url.rsplit(':').next().unwrap());
    let send = |server: &str, options: &[&str]| {
        let mut send = Command::new(TRENZA);
        send.args(["mail", "send", "--from=b@example.com", "--server", server, "ann@example.org"]);
        send.args(options);
        send.current_dir(place.path()).stdin(Stdio::null());
        let output = send.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = send(&server, &[]);
    assert!(code == Some(77) && said.contains("--ca FILE"), "{code:?} {said}");
    let (code, said) = send(&server, &["--ca=localhost.pem", "--tls-name=example.net"]);
    assert!(code == Some(77) && said.contains("example.net"), "{code:?} {said}");
    assert_eq!(send(&server, &["--ca=localhost.pem"]), (Some(0), String::new()));
    assert_eq!(send(&format!("{server}:ca=localhost.pem"), &[]), (Some(0), String::new()));
    assert_eq!(messages(place.path(), "ann").len(), 2);
    stop(program);
}

#[test]
fn who_gets_it_wrong_is_told_how_it_would_be_right() {
    let place = place();
    fs::write(place.path().join("pipes"), "\nann: |/bin/program\n").unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("--smtp=tcp:{}:interface=127.0.0.1", taken.local_addr().unwrap().port());
    for (arguments, code, parts) in [
        (&[][..], 2, &["--domain", "--maildir", "--users"][..]),
        (&["--domain=a b"], 2, &["a domain is wanted, like example.org"]),
        (&["--maildir={}/none"], 1, &["there is no folder", "make it"]),
        (&["--maildir={}/file"], 1, &["is not a folder"]),
        (&["--users={}/none.toml"], 1, &["there is no file", "trenza user add", "--users names another one"]),
        (&[SUBMISSION], 2, &["nobody could log in on tcp:0", "--tls-cert", "--allow-plain-auth"]),
        (&["--pop3=tcp:0"], 2, &["nobody could log in on tcp:0"]),
        (&["--submission=tls:0"], 2, &["nobody could log in on tls:0"]),
        (&["--smtp=tls:0"], 2, &["there is no certificate for tls:0", "--tls-cert"]),
        (&["--tls-cert={}/none.pem"], 1, &["none.pem", "trenza cert self"]),
        (&["--smtp=25"], 2, &["did you mean tcp:25?"]),
        (&["--aliases={}/none"], 1, &["there is no file", "NAME: ADDRESS"]),
        (&["--aliases={}/pipes"], 1, &["pipes:2: |/bin/program would give messages to a program"]),
        (&["--catch-all=bob"], 1, &["no account or alias \"bob\"", "trenza user add bob"]),
        (&["--max-message=1K"], 2, &["less than 64K is too little"]),
        (&["--max-recipients=99"], 2, &["a number from 100 on is wanted"]),
        (&["--relay=tcp:a:25"], 2, &["--queue"]),
        (&["--aliases={}/file", "--queue={}/queue", "--route=x"], 2, &["--route x", "DOMAIN=ENDPOINT"]),
        (&["--relay=there", "--queue={}/queue", SMTP], 2, &["unknown kind \"there\""]),
        (
            &["--route=a=udp:there:25", "--queue={}/queue", SMTP],
            2,
            &["udp:there:25", "datagrams carry no mail"],
        ),
        (&["--aliases={}/file", "--queue={}/file"], 1, &["cannot be the queue's folder"]),
        (&["--dkim=example.org=key.pem"], 2, &["DOMAIN=SELECTOR:FILE", "example.org=mail:key.pem"]),
        (
            &["--dkim=example.com=mail:{}/file"],
            2,
            &["no account sends for example.com", "--domain example.com"],
        ),
        (&["--dkim=example.org=mail:{}/none"], 1, &["none cannot be used", "trenza mail dkim example.org"]),
        (
            &["--dkim=org=mail:{}/file"],
            1,
            &["file cannot be used: not a key for DKIM", "trenza mail dkim org"],
        ),
        (&["--check=all"], 2, &["tell, refuse, off"]),
        (&["--resolver=there"], 2, &["--resolver"]),
        (&[&*taken], 1, &["is taken", "--smtp tcp:"]),
    ] {
        let all: Vec<&str> = match arguments {
            [] => Vec::new(),
            [one, ..] => {
                let name = one.split('=').next().unwrap();
                let others = USUAL.iter().filter(|usual| !usual.starts_with(&format!("{name}=")));
                others.copied().chain(arguments.iter().copied()).collect()
            }
        };
        let (ended, said) = fails(place.path(), &all);
        assert_eq!(ended, code, "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    }
}

#[test]
fn where_it_listens_if_nobody_says_so() {
    let place = place();
    let help = Command::new(TRENZA).args(["mail", "serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for part in ["Examples:", "--submission <ENDPOINT>", "--catch-all <NAME>", "Ctrl-C"] {
        assert!(help.contains(part), "no {part} in:\n{help}");
    }
    // Whoever has that port, it is not for this one.
    let _taken = TcpListener::bind("127.0.0.1:2525");
    let (code, said) = fails(place.path(), &USUAL);
    assert_eq!(code, 1, "{said}");
    let port = "another program listens on tcp:2525:interface=127.0.0.1";
    assert!(said.contains(port) && said.contains("--smtp tcp:2526:interface=127.0.0.1"), "{said}");
}
