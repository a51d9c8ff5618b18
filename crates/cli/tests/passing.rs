//! What `trenza forward`, `trenza socks` and `trenza echo` do and say.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this is the outside world"
)]

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    process::{Command, Output},
    thread,
};
use tempfile::tempdir;
use trenza_tests::{PATIENCE, Program};

const LISTEN: &str = "--listen=tcp:0:interface=127.0.0.1";

/// A command of the program on a free port, and where it listens.
fn start(arguments: &[&str]) -> (Program, SocketAddr) {
    // The line with the address is set in.
    start_where(arguments, "  ")
}

/// The same, where the line with the address has `part` in it.
fn start_where(arguments: &[&str], part: &str) -> (Program, SocketAddr) {
    let mut program = Program::start(Path::new(env!("CARGO_BIN_EXE_trenza")), arguments);
    let line = program.hear(part);
    let address = line.trim().trim_start_matches("socks5h://").trim_end_matches(" (UDP)").parse().unwrap();
    program.hear("Ctrl-C stops.");
    (program, address)
}

fn echo() -> (Program, SocketAddr) {
    start(&["echo", LISTEN])
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Says something and the end, and hears all that comes.
fn ask(to: SocketAddr, say: &[u8]) -> Vec<u8> {
    let mut stream = connect(to);
    stream.write_all(say).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    heard
}

/// What it has said when it was stopped.
fn stop(program: Program) -> String {
    program.signal("TERM");
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

fn failed<A: AsRef<OsStr>>(arguments: &[A]) -> (i32, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_trenza")).args(arguments).output();
    let Output { status, stdout, stderr } = command.unwrap();
    assert!(stdout.is_empty(), "errors belong on standard error");
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// SOCKS 5 without authentication: greeting and CONNECT.
fn connect5(to: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(to) = to else { panic!("{to}") };
    [b"\x05\x01\0\x05\x01\0\x01", &to.ip().octets()[..], &to.port().to_be_bytes()].concat()
}

#[test]
fn echo_sends_back_what_comes() {
    let (program, address) = echo();
    assert_eq!(ask(address, b"hello"), b"hello");
    let long = vec![b'x'; 4 << 20];
    let (mut reader, sent) = (connect(address), long.clone());
    let mut writer = reader.try_clone().unwrap();
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    reader.read_to_end(&mut heard).unwrap();
    writing.join().unwrap();
    assert!(heard == long);
    stop(program);
}

#[test]
fn unix_sockets_both_ways() {
    let folder = tempdir().unwrap();
    let [one, two] = ["echo.sock", "forward.sock"].map(|name| folder.path().join(name));
    let [on, near] = [&one, &two].map(|path| format!("unix:{}", path.display()));
    let mut target = Program::start(Path::new(env!("CARGO_BIN_EXE_trenza")), ["echo", "--listen", &on]);
    target.hear("echo.sock");
    let mut program = Program::start(
        Path::new(env!("CARGO_BIN_EXE_trenza")),
        ["forward", "--listen", &near, "--listen", "tcp:0:interface=127.0.0.1", "--to", &on],
    );
    program.hear("forward.sock");
    let address: SocketAddr = program.hear("  127.0.0.1:").trim().parse().unwrap();
    assert_eq!(ask(address, b"hello"), b"hello");
    let mut stream = UnixStream::connect(&two).unwrap();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"hello");
    let (code, said) = failed(&["echo", "--listen", &on]);
    assert!(code == 1 && said.contains(&format!("another program listens on {on}")), "{said}");
    let said = stop(program);
    assert!(said.contains(&format!(" unix - -> {on} ({}) sent 5 received 5 ", one.display())), "{said}");
    stop(target);
}

#[test]
fn echo_answers_datagrams_as_well() {
    for arguments in [&["echo", LISTEN, "--udp"][..], &["echo", "--listen=udp:0:interface=127.0.0.1"]] {
        let (program, address) = start_where(arguments, "(UDP)");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(address).unwrap();
        for data in [&b"hello"[..], b"", &[b'x'; 60_000]] {
            socket.send(data).unwrap();
            let mut heard = vec![0; 65_536];
            let length = socket.recv(&mut heard).unwrap();
            assert!(heard[..length] == *data);
        }
        stop(program);
    }
}

#[test]
fn forward_passes_on_and_leaves_a_line() {
    let (target, to) = echo();
    let (program, address) = start(&["forward", LISTEN, "--to", &format!("tcp:{to}")]);
    assert_eq!(ask(address, b"hello"), b"hello");
    let said = stop(program);
    assert!(said.starts_with(&format!("Forwarding to tcp:{to}\n")), "{said}");
    let line = said.lines().find(|line| line.contains(" -> ")).unwrap_or_else(|| panic!("{said}"));
    // 2026-11-25 13:20:05 +0100 127.0.0.1:5000 - -> tcp:127.0.0.1:7007 (127.0.0.1:7007) sent 5 received 5 in 0.350 s
    assert!(line.contains(&format!(" - -> tcp:{to} ({to}) sent 5 received 5 in ")), "{line}");
    assert!(line.ends_with(" s"), "{line}");
    stop(target);
}

#[test]
fn a_target_that_refuses_resets_the_client_and_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (program, address) =
        start(&["forward", LISTEN, "--to", &format!("tcp:{closed}"), "--log-format", "json"]);
    let mut client = connect(address);
    assert!(client.read(&mut [0]).is_err(), "reset, so that it is no empty answer");
    let said = stop(program);
    let line = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&value["sent"], &value["far"]), (&0.into(), &serde_json::Value::Null));
    let error = value["error"].as_str().unwrap();
    assert!(error.contains(&closed.to_string()) && error.contains("refused"), "{error}");
}

#[test]
fn forward_goes_through_proxies() {
    let (target, to) = echo();
    let (proxy, via) = start(&["socks", LISTEN]);
    let through = format!("socks5:{via}:tcp:{to}");
    let (program, address) = start(&["forward", LISTEN, "--quiet", "--to", &through]);
    assert_eq!(ask(address, b"hello"), b"hello");
    let said = stop(program);
    assert!(!said.contains("->"), "it is quiet: {said}");
    assert!(stop(proxy).contains(&format!(" - -> {to} ({to}) sent 5 received 5 ")));
    stop(target);
}

#[test]
fn socks_connects_and_says_why_not() {
    let (target, to) = echo();
    let (program, address) = start(&["socks", LISTEN]);
    let heard = ask(address, &[connect5(to), b"hello".to_vec()].concat());
    assert!(heard.starts_with(b"\x05\0\x05\0\0\x01\x7f\0\0\x01") && heard.ends_with(b"hello"), "{heard:?}");
    stop(target);
    assert_eq!(ask(address, &connect5(to))[..4], *b"\x05\0\x05\x05");
    assert_eq!(ask(address, b"GET / HTTP/1.1\r\n\r\n"), b"");
    let said = stop(program);
    assert!(said.starts_with("SOCKS 4, 4a and 5 for everybody\n  socks5h://127.0.0.1:"), "{said}");
    assert!(said.contains("refused") && said.contains("does not speak SOCKS"), "{said}");
}

#[test]
fn socks_knows_its_users() {
    let folder = tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let (target, to) = echo();
    let one = file("one.txt", "se:cret\nmore");
    let all = file("all.txt", "# all\nbob:x\nann:se:cret\n");
    for options in [vec!["--user", "ann", "--password-file", &one], vec!["-p", &all]] {
        let (program, address) = start(&[&["socks", LISTEN][..], &options].concat());
        let shown = |user: &str, password: &str| {
            let lengths = [user, password].map(|part| u8::try_from(part.len()).unwrap());
            let start =
                [b"\x05\x01\x02\x01", &[lengths[0]][..], user.as_bytes(), &[lengths[1]], password.as_bytes()];
            ask(address, &[start.concat(), connect5(to)[3..].to_vec(), b"hello".to_vec()].concat())
        };
        assert!(shown("ann", "se:cret").ends_with(b"hello"));
        assert_eq!(shown("ann", "secret"), b"\x05\x02\x01\x01");
        assert_eq!(ask(address, &connect5(to)), b"\x05\xff");
        let said = stop(program);
        assert!(said.contains(" ann -> ") && !said.contains("se:cret"), "{said}");
        assert!(said.contains("SOCKS 5 for "), "{said}");
    }
    stop(target);
    fs::set_permissions(&all, Permissions::from_mode(0o644)).unwrap();
    let mut program =
        Program::start(Path::new(env!("CARGO_BIN_EXE_trenza")), ["socks", LISTEN, "--password-file", &all]);
    program.hear("everybody on this machine can read");
    program.hear("Ctrl-C stops.");
    stop(program);
}

#[test]
fn socks_has_rules() {
    let (target, to) = echo();
    let deny = format!("127.0.0.0/8:{}", to.port());
    let (program, address) = start(&["socks", LISTEN, "--deny", &deny]);
    assert_eq!(ask(address, &connect5(to))[..4], *b"\x05\0\x05\x02");
    assert!(stop(program).contains("the rules do not allow it"));
    let (program, address) = start(&["socks", LISTEN, "--allow", "10.0.0.0/8"]);
    assert_eq!(ask(address, &connect5(to))[..4], *b"\x05\0\x05\x02");
    stop(program);
    stop(target);
}

#[test]
fn an_open_proxy_is_warned_of() {
    let mut program = Program::start(Path::new(env!("CARGO_BIN_EXE_trenza")), ["socks", "--listen", "tcp:0"]);
    program.hear("socks5h://localhost:");
    program.hear("warning: whoever reaches this machine can use it");
    stop(program);
}

#[test]
fn a_stop_gives_connections_their_time() {
    let (target, to) = echo();
    let (mut program, address) = start(&["forward", LISTEN, "--to", &format!("tcp:{to}")]);
    let mut client = connect(address);
    client.write_all(b"a").unwrap();
    client.read_exact(&mut [0]).unwrap();
    program.signal("TERM");
    program.hear("connections have 10 s");
    client.write_all(b"b").unwrap();
    let mut heard = [0];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(heard, *b"b", "it goes on");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut heard).unwrap(), 0);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    stop(target);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (target, to) = echo();
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let (mut program, address) = start(&["forward", LISTEN, "--to", &format!("tcp:{to}")]);
        let mut client = connect(address);
        client.write_all(b"a").unwrap();
        client.read_exact(&mut [0]).unwrap();
        program.signal(signal);
        program.hear("again stops at once");
        program.signal(signal);
        assert_eq!(program.end().0.code(), Some(code));
    }
    stop(target);
}

#[test]
fn what_is_wrong_is_named_with_a_way_out() {
    let folder = tempdir().unwrap();
    let users = folder.path().join("users.txt");
    fs::write(&users, "ann:pw\nbob\n").unwrap();
    let users = users.to_str().unwrap();
    for (arguments, code, part) in [
        (&["forward", "--listen", "tcp:0"][..], 2, "--to"),
        (&["forward", LISTEN, "--to", "tcp:x"], 2, "PORT is missing"),
        (&["forward", LISTEN, "--to", "quic:x:1"], 2, "unknown kind"),
        (&["forward", LISTEN, "--to", "example.org:80"], 2, "did you mean tcp:example.org:80?"),
        (&["forward", LISTEN, "--to", "udp:x:1"], 2, "udp:x:1 is for datagrams"),
        (&["forward", LISTEN, "--to", "socks5:h:1:pasword=secret:tcp:x:1"], 2, "did you mean password?"),
        (&["forward", "--listen", "udp:7", "--to", "tcp:x:1"], 2, "for connections there are fd,"),
        (&["forward", LISTEN, "--to", "socks5:h:1:password=secret:tcp:x"], 2, "password=***"),
        (&["forward", LISTEN, "--to", "tcp:x:1", "--idle-timeout", "0"], 2, "above 0"),
        (&["forward", "--listen", "tcp:x", "--to", "tcp:x:1"], 2, "not a port"),
        (&["socks", LISTEN, "--user", "ann"], 2, "--password-file"),
        (&["socks", LISTEN, "--password-file", "no/such/file"], 1, "there is no file no/such/file"),
        (&["socks", LISTEN, "--password-file", users], 1, "line 2: there is no colon"),
        (&["socks", LISTEN, "--password-file", "/dev/null"], 1, "there is no user in /dev/null"),
        (
            &["socks", LISTEN, "--password-file", "/dev/null", "--user", "ann"],
            1,
            "\"ann\" and the first line",
        ),
        (&["socks", LISTEN, "--password-file", folder.path().to_str().unwrap()], 1, "is a folder"),
        (&["socks", LISTEN, "--allow", "10.0.0.0/33"], 2, "names no destinations"),
        (&["echo"], 2, "--listen"),
        (&["echo", "--listen", "tcp:0:interface=192.0.2.1"], 1, "does not have the address"),
    ] {
        let (got, said) = failed(arguments);
        assert_eq!(got, code, "{arguments:?}: {said}");
        assert!(said.contains(part) && !said.contains("secret"), "{said}");
        // An endpoint's error says itself what would be right.
        let remedies = ["hint:", "--help", "^"];
        assert!(remedies.iter().any(|remedy| said.contains(remedy)), "{said}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp:{}:interface=127.0.0.1", taken.local_addr().unwrap().port());
    let (code, said) = failed(&["socks", "--listen", &endpoint]);
    assert!(code == 1 && said.contains("is taken") && said.contains("--listen tcp:"), "{said}");
}

#[test]
fn what_an_endpoint_says_of_its_connections_goes_before_what_holds_for_all() {
    let (program, address) = start(&["echo", "--listen=tcp:0:interface=127.0.0.1:connections=1:log=yes"]);
    let mut first = connect(address);
    first.write_all(b"1").unwrap();
    first.read_exact(&mut [0]).unwrap();
    let mut second = connect(address);
    second.write_all(b"2").unwrap();
    // Nothing tells that somebody waits. So much is done for the first one that the second one would be heard, too.
    for _ in 0..100 {
        first.write_all(b"1").unwrap();
        first.read_exact(&mut [0]).unwrap();
    }
    second.set_nonblocking(true).unwrap();
    let waits = second.read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    second.set_nonblocking(false).unwrap();
    second.read_exact(&mut [0]).unwrap();
    drop(second);
    let said = stop(program);
    assert!(said.contains("trenza::traffic") && said.contains("127.0.0.1:"), "log=yes was given: {said}");
}

#[test]
fn help_has_examples() {
    for command in ["forward", "socks", "echo"] {
        let output = Command::new(env!("CARGO_BIN_EXE_trenza")).args([command, "--help"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for part in ["Examples:", "--listen <ENDPOINT>", "Ctrl-C", "Exit codes:"] {
            assert!(output.status.success() && text.contains(part), "no {part} in:\n{text}");
        }
        assert!(text.lines().all(|line| line.len() <= 108), "{text}");
    }
}
