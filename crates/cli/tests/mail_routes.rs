//! How `trenza mail serve` gets to other servers: with TLS, and logged in, or not at all.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "this is the outside world"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
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

/// Runs the program in a folder; what it has said.
fn trenza(place: &Path, arguments: &[&str], input: &str) -> (i32, String) {
    let mut command = Command::new(TRENZA);
    command.args(arguments).current_dir(place).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// A folder with an authority, a certificate for localhost that it has signed, and the account ann.
fn place() -> TempDir {
    let place = tempdir().unwrap();
    fs::create_dir(place.path().join("mail")).unwrap();
    for (arguments, input) in [
        (&["cert", "ca"][..], ""),
        (&["cert", "sign", "localhost"], ""),
        (&["cert", "ca", "--out", "other.pem", "--key-out", "other-key.pem"], ""),
        (&["user", "add", "ann", "--password-stdin"], "secret one\n"),
    ] {
        let (code, said) = trenza(place.path(), arguments, input);
        assert_eq!(code, 0, "{said}");
    }
    place
}

/// The server of a place, which calls the place's files `{}/NAME`.
fn serve(place: &Path, arguments: &[&str]) -> Program {
    let usual = ["mail", "serve", "--maildir={}/mail", "--users={}/users.toml", "--quiet"];
    let shown = place.display().to_string();
    let all = usual.iter().chain(arguments).map(|argument| argument.replace("{}", &shown));
    Program::start(Path::new(TRENZA), all.collect::<Vec<_>>())
}

fn port(program: &mut Program, scheme: &str) -> String {
    program.hear_url(scheme).rsplit(':').next().unwrap().to_owned()
}

/// A file with the login of ann at localhost, and more.
fn write_logins(place: &Path, more: &str) {
    let path = place.join("logins.toml");
    fs::write(place.join("secret"), "secret one\n").unwrap();
    fs::write(&path, format!("[[login]]\nserver = \"localhost\"\nuser = \"ann\"\n{more}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Ann sends a message to herself at example.net, which is not here.
fn submit(port: &str) {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let commands = [
        "AUTH PLAIN AGFubgBzZWNyZXQgb25l",
        "MAIL FROM:<ann@example.org>",
        "RCPT TO:<ann@example.net>",
        "DATA",
    ];
    for command in ["EHLO x"].iter().chain(&commands).chain(&["Subject: hello\r\n\r\nHello!\r\n."]) {
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    }
    assert!(lines.any(|line| line.unwrap().starts_with("250 2.0.0 Taken")));
}

/// Waits for what is to come.
fn wait<T>(mut look: impl FnMut() -> Option<T>, what: &str) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The next message of ann, which is removed.
fn next(place: &Path) -> Option<String> {
    let path = fs::read_dir(place.join("mail/ann/new")).ok()?.next()?.unwrap().path();
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    Some(text)
}

/// The server that brings on what is for others; it logs in itself where it must.
struct Other {
    place: TempDir,
    _program: Program,
    /// Where it receives, where accounts send, and where they do with TLS from the start.
    reception: String,
    submission: String,
    secured: String,
}

impl Other {
    fn new() -> Self {
        let place = place();
        let domains = ["--domain=example.net", "--domain=example.org"];
        let ports =
            [SMTP, SUBMISSION, "--submission=tls:0:interface=127.0.0.1", "--tls-cert={}/localhost.pem"];
        let mut program = serve(place.path(), &[&domains[..], &ports].concat());
        let (reception, submission) = (port(&mut program, "smtp://"), port(&mut program, "smtp://"));
        let secured = port(&mut program, "smtps://");
        Self { place, _program: program, reception, submission, secured }
    }
}

/// A server that sends by this way, and what came of a message: how the other one received it, or why it waits.
fn sent(other: &Other, way: &str, logins: Option<&str>) -> Result<String, String> {
    let here = place();
    let (way, mut options) =
        (format!("--relay={}", way.replace("{ca}", &other.place.path().display().to_string())), Vec::new());
    if let Some(logins) = logins {
        write_logins(here.path(), logins);
        options.push("--logins={}/logins.toml");
    }
    options.extend(["--domain=example.org", SUBMISSION, "--allow-plain-auth", "--queue={}/queue", &way]);
    let mut program = serve(here.path(), &options);
    submit(&port(&mut program, "smtp://"));
    let show = || trenza(here.path(), &["mail", "queue", "list", "--queue", "queue", "--json"], "").1;
    let outcome = wait(
        || match next(other.place.path()) {
            Some(text) => Some(Ok(text)),
            None => Some(show()).filter(|said| said.contains("4.4.") || said.contains("4.7.")).map(Err),
        },
        "it neither comes nor waits",
    );
    program.signal("TERM");
    assert!(program.end().0.success());
    outcome
}

#[test]
fn passwords_go_over_tls_that_is_verified() {
    let other = Other::new();
    let (submission, secured) = (&other.submission, &other.secured);
    let by_file = "password-file = \"secret\"";
    for (way, login) in [
        (format!("starttls:localhost:{submission}:ca={{ca}}/ca.pem"), "password = \"secret one\""),
        (
            format!("starttls:127.0.0.1:{submission}:server-name=localhost:ca={{ca}}/ca.pem:timeout=9"),
            by_file,
        ),
        (format!("tls:localhost:{secured}:ca={{ca}}/ca.pem"), by_file),
        // Nobody is asked for a certificate, and the password may be read.
        (format!("tcp:localhost:{submission}"), "password-file = \"secret\"\nallow-plain-auth = true"),
    ] {
        let login = if way.contains("127.0.0.1") {
            login.to_owned()
                + "\n[[login]]\nserver = \"127.0.0.1\"\nuser = \"ann\"\npassword = \"secret one\""
        } else {
            login.to_owned()
        };
        let text = sent(&other, &way, Some(&login)).unwrap_or_else(|why| panic!("{way}: {why}"));
        assert!(text.contains(" with ESMTPSA ") && text.ends_with("\r\n\r\nHello!\r\n"), "{way}: {text}");
    }
    for (way, why) in [
        (format!("starttls:localhost:{submission}:ca={{ca}}/other.pem"), "certificate"),
        (format!("tls:localhost:{secured}:ca={{ca}}/other.pem"), "certificate"),
        (format!("tcp:localhost:{submission}"), "certificate"),
    ] {
        let said = sent(&other, &way, Some(by_file)).expect_err(&way);
        assert!(said.contains(why), "{way}: {said}");
    }
}

#[test]
fn without_a_login_tls_is_used_where_it_is() {
    let other = Other::new();
    let text = sent(&other, &format!("tcp:localhost:{}", other.reception), None).unwrap();
    assert!(text.contains(" with ESMTPS "), "{text}");
    let required = format!("starttls:localhost:{}:ca={{ca}}/", other.reception);
    let text = sent(&other, &format!("{required}ca.pem"), None).unwrap();
    assert!(text.contains(" with ESMTPS "), "{text}");
    let said = sent(&other, &format!("{required}other.pem"), None).unwrap_err();
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn a_server_without_tls_gets_no_password_unless_it_may() {
    let place = place();
    let domains = ["--domain=example.net", "--domain=example.org"];
    let mut program =
        serve(place.path(), &[&domains[..], &[SMTP, SUBMISSION, "--allow-plain-auth"]].concat());
    let (reception, submission) = (port(&mut program, "smtp://"), port(&mut program, "smtp://"));
    let other = Other { place, _program: program, reception, submission, secured: String::new() };
    let way = format!("tcp:localhost:{}", other.submission);
    let said = sent(&other, &way, Some("password-file = \"secret\"")).unwrap_err();
    assert!(said.contains("TLS") || said.contains("STARTTLS"), "{said}");
    let text = sent(&other, &way, Some("password-file = \"secret\"\nallow-plain-auth = true")).unwrap();
    assert!(text.contains(" with ESMTPA "), "{text}");
    let text = sent(&other, &format!("tcp:localhost:{}", other.reception), None).unwrap();
    assert!(text.contains(" with ESMTP "), "{text}");
    sent(&other, &format!("starttls:localhost:{}", other.reception), None).unwrap_err();
}

#[test]
fn who_gets_it_wrong_is_told_and_no_password_is_shown() {
    let place = place();
    let (fine, all) =
        ("password = \"PASSWORD\"", ["mail", "serve", "-d", "a.org", "-m", "mail", "-u", "users.toml"]);
    for (more, way, code, parts) in [
        (fine, "tls", 2, &["--relay tls"][..]),
        (fine, "starttls:25", 2, &["--relay starttls:25: it is written starttls:HOST:PORT"]),
        (
            fine,
            "starttls:b:25:ca=none.pem",
            1,
            &["by --relay starttls:b:25:ca=none.pem: none.pem", "ca=FILE"],
        ),
        (fine, "starttls:b:25:ca=users.toml", 1, &["by --relay starttls:b:25:ca=users.toml: "]),
        ("password = PASSWORD", "tcp:b:25", 1, &["logins.toml:4: this is no TOML", "[[login]]"]),
        ("", "tcp:b:25", 1, &["logins.toml:1: the login has either password or password-file"]),
        ("password = \"PASSWORD\"\nport = 1", "tcp:b:25", 1, &["logins.toml:5: \"port\" is not known here"]),
        ("password = 1", "tcp:b:25", 1, &["logins.toml:4: password is a text in quotes"]),
        ("password-file = \"none\"", "tcp:b:25", 1, &["logins.toml:4: none cannot be read"]),
        (
            "password = \"PASSWORD\"\n[[login]]\nuser = \"b\"\npassword = \"b\"",
            "tcp:b:25",
            1,
            &["logins.toml:5: the login has no server"],
        ),
        ("password = \"PASSWORD\"\n[b.c]", "tcp:b:25", 1, &["\"b\" is not known here"]),
    ] {
        write_logins(place.path(), more);
        let options = ["--queue", "queue", "--relay", way, "--logins", "logins.toml"];
        let (ended, said) = trenza(place.path(), &[&all[..], &options].concat(), "");
        assert_eq!(ended, code, "{more:?} {way}: {said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
        assert!(!said.contains("PASSWORD"), "{said}");
    }
    write_logins(place.path(), fine);
    let options = ["--queue", "queue", "--route", "b.org=tcp:b:25", "--logins", "logins.toml"];
    fs::set_permissions(place.path().join("logins.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    let (ended, said) = trenza(place.path(), &[&all[..], &options].concat(), "");
    assert!(
        ended == 1 && said.contains("everybody on this machine can read") && said.contains("chmod 600"),
        "{said}"
    );
    fs::set_permissions(place.path().join("logins.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    // What is wrong otherwise is told behind it.
    let (_, said) = trenza(place.path(), &[&all[..], &options, &["--smtp", "25"]].concat(), "");
    assert!(
        said.contains("warning: there is a login for localhost, where neither --relay nor --route leads"),
        "{said}"
    );
}
