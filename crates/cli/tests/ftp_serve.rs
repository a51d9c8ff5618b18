//! What `trenza ftp serve` serves and says, to whom it gets it wrong and while it runs.
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
    path::Path,
    process::{Command, Stdio},
};
use tempfile::{TempDir, tempdir};
use trenza_tests::{PATIENCE, Program};

const TRENZA: &str = env!("CARGO_BIN_EXE_trenza");
const LISTEN: &str = "--listen=tcp:0:interface=127.0.0.1";

/// A folder `files` to serve, and beside it `users.toml` with ann, whose password is `secret one`, and a certificate.
fn place() -> TempDir {
    let place = tempdir().unwrap();
    fs::create_dir(place.path().join("files")).unwrap();
    fs::write(place.path().join("files/hello.txt"), "Hello, braid!\n").unwrap();
    let mut add = Command::new(TRENZA);
    add.args(["user", "add", "ann", "--password-stdin"]).current_dir(place.path());
    let mut add = add.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(b"secret one\n").unwrap();
    assert!(add.wait().unwrap().success());
    assert!(
        Command::new(TRENZA)
            .args(["cert", "self"])
            .current_dir(place.path())
            .output()
            .unwrap()
            .status
            .success()
    );
    place
}

/// The options that name what is in a place; `{}` stands for it.
fn options(place: &Path, arguments: &[&str]) -> Vec<String> {
    let shown = place.display().to_string();
    ["ftp", "serve"].iter().chain(arguments).map(|argument| argument.replace("{}", &shown)).collect()
}

fn serve(place: &Path, arguments: &[&str]) -> (Program, String) {
    let all = [&["--root={}/files", "--users={}/users.toml", LISTEN], arguments].concat();
    let mut program = Program::start(Path::new(TRENZA), options(place, &all));
    let url = program.hear_url("ftp://");
    (program, url)
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

/// A control connection, typed by hand.
struct Control(BufReader<TcpStream>);

impl Control {
    fn connect(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("ftp://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Connects and logs in as ann.
    fn login(url: &str) -> Self {
        let mut control = Self::connect(url);
        control.reply("220");
        control.ask("USER ann", "331");
        control.ask("PASS secret one", "230");
        control
    }

    /// The next reply, which must begin like this.
    fn reply(&mut self, code: &str) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert!(line.starts_with(code), "{line:?} instead of {code}");
        line
    }

    fn ask(&mut self, command: &str, code: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply(code)
    }

    /// A data connection to a passive port.
    fn data(&mut self) -> TcpStream {
        let said = self.ask("EPSV", "229");
        let port: u16 = said.split('|').nth(3).unwrap().parse().unwrap();
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    let output = Command::new(TRENZA).args(["ftp", "serve", "--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in
        ["--root <DIR>", "--require-tls", "--passive-ports", "Examples:", "Exit codes:", "trenza user add"]
    {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_what_would_be_right() {
    let place = place();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let on_taken = format!("--listen=tcp:{}:interface=127.0.0.1", taken.local_addr().unwrap().port());
    fs::write(place.path().join("broken.toml"), "[user.ann]\npassword = 1\n").unwrap();
    for (arguments, code, parts) in [
        (&["--root={}/files"][..], 2, &["neither --users nor --anonymous", "trenza user add"][..]),
        (&["--anonymous"], 2, &["--root <DIR>"]),
        (&["--root={}/none", "--anonymous"], 1, &["there is no folder"]),
        (&["--root={}/users.toml", "--anonymous"], 1, &["is not a folder"]),
        (&["--root={}", "--users={}/users.toml"], 1, &["users.toml lies in", "--root DIR"]),
        (&["--root={}", "--anonymous", "--tls-cert={}/localhost.pem"], 1, &["localhost.pem lies in"]),
        (&["--root={}/files", "--users={}/none.toml"], 1, &["there is no file", "trenza user add"]),
        (&["--root={}/files", "--users={}/broken.toml"], 1, &["broken.toml:2:"]),
        (&["--root={}/files", "--anonymous", &on_taken], 1, &["is taken", "--listen tcp:"]),
        (
            &["--root={}/files", "--anonymous", "--listen=tls:0"],
            2,
            &["no certificate for tls:0", "--tls-cert"],
        ),
        (&["--root={}/files", "--anonymous", "--listen=2121"], 2, &["did you mean tcp:2121?"]),
        (&["--root={}/files", "--anonymous", "--require-tls"], 2, &["TLS is required", "trenza cert self"]),
        (&["--root={}/files", "--anonymous", "--tls-cert={}/none.pem"], 1, &["none.pem", "trenza cert self"]),
        (&["--root={}/files", "--anonymous", "--passive-ports=9-3"], 2, &["50000-50099"]),
        (&["--root={}/files", "--anonymous", "--rate-out=7"], 2, &["less than 1K"]),
        (&["--root={}/files", "--anonymous", "--trust=here"], 2, &["10.0.0.0/8"]),
    ] {
        let (exit, said) = fails(place.path(), arguments);
        assert_eq!(exit, code, "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: no {part} in:\n{said}");
        }
    }
}

#[test]
fn transfers_leave_lines() {
    let place = place();
    for (format, down, up) in [
        ("text", " ann 127.0.0.1 down 14 /hello.txt ok", " ann 127.0.0.1 up 3 /new\\x20one ok"),
        ("json", "\"direction\":\"download\"", "\"path\":\"/new one\""),
    ] {
        let (program, url) = serve(place.path(), &["--log-format", format]);
        let mut control = Control::login(&url);
        let mut data = control.data();
        control.ask("RETR hello.txt", "150");
        let mut got = String::new();
        data.read_to_string(&mut got).unwrap();
        assert_eq!(got, "Hello, braid!\r\n", "TYPE A is what a session begins with");
        control.reply("226");
        control.ask("TYPE I", "200");
        let mut data = control.data();
        control.ask("STOR new one", "150");
        data.write_all(b"new").unwrap();
        drop(data);
        control.reply("226");
        drop(control);
        let said = stop(program);
        for part in [down.replace(" 14 ", " 15 ascii "), up.to_owned()] {
            assert_eq!(said.lines().filter(|line| line.contains(&part)).count(), 1, "no {part} in:\n{said}");
        }
        assert_eq!(fs::read(place.path().join("files/new one")).unwrap(), b"new");
        assert!(!said.contains("secret one"), "{said}");
    }
    let (program, url) = serve(place.path(), &["--quiet"]);
    let mut control = Control::login(&url);
    let data = control.data();
    control.ask("RETR hello.txt", "150");
    control.reply("226");
    drop((control, data));
    assert!(!stop(program).contains("/hello.txt"));
}

#[test]
fn a_stop_lets_a_transfer_end() {
    let place = place();
    let (mut program, url) = serve(place.path(), &[]);
    let mut control = Control::login(&url);
    control.ask("TYPE I", "200");
    let mut idle = Control::login(&url);
    let mut data = control.data();
    control.ask("STOR long", "150");
    data.write_all(b"first, ").unwrap();
    program.signal("TERM");
    program.hear("Stopping: ");
    idle.reply("421");
    data.write_all(b"last").unwrap();
    drop(data);
    control.reply("226");
    control.reply("421");
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(fs::read(place.path().join("files/long")).unwrap(), b"first, last");
}

#[test]
fn workers_share_sessions_and_limits() {
    let place = place();
    let (mut program, url) = serve(place.path(), &["--workers=3", "--max-sessions-per-address=6"]);
    program.hear("3 workers share the clients.");
    let mut all: Vec<_> = (0..6).map(|_| Control::login(&url)).collect();
    Control::connect(&url).reply("421");
    for control in &mut all {
        let mut data = control.data();
        control.ask("RETR hello.txt", "150");
        data.read_to_end(&mut Vec::new()).unwrap();
        control.reply("226");
    }
    drop(all);
    let said = stop(program);
    assert_eq!(said.lines().filter(|line| line.contains("/hello.txt ok")).count(), 6, "{said}");
    assert_eq!(said.matches("Serving ").count(), 1, "{said}");
}

#[test]
fn options_reach_the_server() {
    let place = place();
    fs::create_dir(place.path().join("files/pub")).unwrap();
    fs::write(place.path().join("files/pub/free.txt"), "free").unwrap();
    let cert = format!("--tls-cert={}/localhost.pem", place.path().display());
    let on_tls = "--listen=tls:0:interface=127.0.0.1";
    let (mut program, url) = serve(
        place.path(),
        &[
            "--banner=Hi there",
            "--anonymous",
            "--anonymous-root=pub",
            "--passive-ports=5000-5050",
            &cert,
            on_tls,
        ],
    );
    let secured = program.hear_url("ftps://");
    let mut control = Control::connect(&url);
    assert!(control.reply("220").contains("Hi there"));
    control.ask("USER ftp", "331");
    control.ask("PASS me@", "230");
    control.ask("SIZE hello.txt", "550");
    control.ask("TYPE I", "200");
    control.ask("SIZE free.txt", "213 4");
    let port: u16 = control.ask("EPSV", "229").split('|').nth(3).unwrap().parse().unwrap();
    assert!((5000..=5050).contains(&port));
    control.ask("STOR new", "553");
    for scheme in [secured.replace("ftps://", "ftps://ann@"), url.replace("ftp://", "ftpes://ann@")] {
        let mut get = Command::new(TRENZA);
        get.args(["ftp", "get", "--insecure", "--to=-", &format!("{scheme}/hello.txt")]);
        let got = get.env("FTP_PASSWORD", "secret one").stdin(Stdio::null()).output().unwrap();
        assert_eq!(got.stdout, b"Hello, braid!\n", "{}", String::from_utf8_lossy(&got.stderr));
    }
    drop(control);
    stop(program);

    let (program, url) = serve(place.path(), &["--require-tls", &cert]);
    let mut control = Control::connect(&url);
    control.reply("220");
    control.ask("USER ann", "530");
    drop(control);
    stop(program);
}

#[test]
fn passwords_in_clear_are_warned_of_where_somebody_could_listen() {
    let place = place();
    let cert = format!("--tls-cert={}/localhost.pem", place.path().display());
    for (more, warned) in [
        (&["--listen=tcp:0"][..], true),
        (&["--listen=tcp:0", &cert], true),
        (&["--listen=tcp:0", &cert, "--require-tls"], false),
        (&[], false),
    ] {
        let (mut program, _) = serve(place.path(), more);
        program.hear("Ctrl-C stops.");
        assert_eq!(stop(program).contains("warning: whoever is between"), warned, "{more:?}");
    }
}
