//! What the services do with `--workers`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this is the outside world"
)]

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    process::Command,
};
use tempfile::{TempDir, tempdir};
use trenza_tests::{Client, PATIENCE, Program};

const LISTEN: &str = "--listen=tcp:0:interface=127.0.0.1";

fn trenza() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_trenza"))
}

fn site() -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("hello.txt"), "Hello, braid!\n").unwrap();
    fs::write(folder.path().join("long.bin"), vec![b'x'; 64 << 20]).unwrap();
    folder
}

/// A service on three loops, and where it listens.
fn start(arguments: &[&str]) -> (Program, SocketAddr) {
    let mut program = Program::start(trenza(), [arguments, &["--workers", "3"]].concat());
    let address = program.hear("  ").trim().trim_start_matches("socks5h://").parse().unwrap();
    program.hear("3 workers share the clients.");
    program.hear("Ctrl-C stops.");
    (program, address)
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(mut stream: &TcpStream, say: &[u8], answer: usize) -> Vec<u8> {
    stream.write_all(say).unwrap();
    let mut heard = vec![0; answer];
    stream.read_exact(&mut heard).unwrap();
    heard
}

/// What it has said when it was stopped.
fn stop(program: Program) -> String {
    program.signal("TERM");
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

#[test]
fn a_folder_is_served_by_all_and_what_is_said_is_said_once() {
    let site = site();
    let (program, url) = Program::web(trenza(), site.path(), &["--workers=3"]);
    let mut clients: Vec<_> = (0..30).map(|_| Client::connect(&url)).collect();
    for client in &mut clients {
        assert_eq!(client.get("/hello.txt").body, b"Hello, braid!\n");
    }
    drop(clients);
    let said = stop(program);
    let count = |what: &str| said.lines().filter(|line| line.contains(what)).count();
    assert_eq!(count("\"GET /hello.txt HTTP/1.1\" 200 14"), 30, "{said}");
    for once in ["Serving ", "http://127.0.0.1:", "3 workers share the clients.", "Stopping: "] {
        assert_eq!(count(once), 1, "{once} in {said}");
    }
}

#[test]
fn a_second_server_on_the_port_is_refused() {
    let site = site();
    let (program, url) = Program::web(trenza(), site.path(), &["--workers=3"]);
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    for workers in ["--workers=1", "--workers=3", "--workers=auto"] {
        for command in ["web", "socks", "echo"] {
            let on = format!("--listen=tcp:{port}:interface=127.0.0.1");
            let second = Command::new(trenza()).args([command, workers, &on]).output().unwrap();
            let said = String::from_utf8_lossy(&second.stderr).into_owned();
            assert_eq!(second.status.code(), Some(1), "{said}");
            assert!(said.contains(&format!("port {port} is taken")), "{said}");
        }
    }
    assert_eq!(Client::connect(&url).get("/hello.txt").status(), 200);
    stop(program);
}

#[test]
fn a_second_signal_ends_all_workers_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let site = site();
        let (mut program, url) = Program::web(trenza(), site.path(), &["--workers=3"]);
        // Never read to their end, on all loops.
        let mut clients: Vec<_> = (0..12).map(|_| Client::connect(&url)).collect();
        for client in &mut clients {
            client.ask("/long.bin");
            client.head().unwrap();
        }
        program.signal(signal);
        Client::until_refused(&url);
        program.hear("again stops at once");
        program.signal(signal);
        let (status, said) = program.end();
        assert_eq!(status.code(), Some(code), "{said}");
    }
}

#[test]
fn limits_are_those_of_all_workers_together() {
    // Of a client's own connections as many are served as there are, whatever loop has them; more wait.
    let (program, address) = start(&["echo", LISTEN, "--max-connections", "4"]);
    let served: Vec<_> = (0..4).map(|_| connect(address)).collect();
    served.iter().for_each(|stream| assert_eq!(ask(stream, b"here", 4), b"here"));
    let waiting = connect(address);
    (&waiting).write_all(b"late").unwrap();
    waiting.set_nonblocking(true).unwrap();
    served.iter().for_each(|stream| assert_eq!(ask(stream, b"still", 5), b"still"));
    assert!((&waiting).read(&mut [0; 4]).is_err(), "there was no room");
    waiting.set_nonblocking(false).unwrap();
    drop(served);
    let mut heard = [0; 4];
    (&waiting).read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"late");
    drop(waiting);
    stop(program);
}

#[test]
fn too_many_from_one_address_are_refused_whatever_their_worker() {
    let site = site();
    let (program, url) =
        Program::web(trenza(), site.path(), &["--workers=3", "--max-connections-per-address=5"]);
    let mut served: Vec<_> = (0..5).map(|_| Client::connect(&url)).collect();
    for client in &mut served {
        assert_eq!(client.get("/").status(), 200);
    }
    for _ in 0..6 {
        let mut client = Client::connect(&url);
        let _ = client.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        assert!(client.head().is_err());
    }
    drop(served);
    stop(program);
}

#[test]
fn a_proxy_and_a_forwarder_pass_on_with_all_workers() {
    let (echo, target) = start(&["echo", LISTEN]);
    let to = format!("--to=tcp:{target}");
    let (forward, address) = start(&["forward", LISTEN, &to]);
    let all: Vec<_> = (0..12).map(|_| connect(address)).collect();
    all.iter().for_each(|stream| assert_eq!(ask(stream, b"forward", 7), b"forward"));
    let (socks, address) = start(&["socks", LISTEN]);
    let SocketAddr::V4(v4) = target else { panic!("{target}") };
    let request = [&[4, 1][..], &v4.port().to_be_bytes(), &v4.ip().octets(), &[0]].concat();
    let through: Vec<_> = (0..12).map(|_| connect(address)).collect();
    for stream in &through {
        assert_eq!(ask(stream, &request, 8)[1], 90);
        assert_eq!(ask(stream, b"socks", 5), b"socks");
    }
    for stream in all.iter().chain(&through) {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    drop((all, through));
    for program in [forward, socks] {
        let said = stop(program);
        assert_eq!(said.lines().filter(|line| line.contains(" sent ")).count(), 12, "{said}");
    }
    stop(echo);
}

#[test]
fn how_many_is_a_number_or_auto() {
    for wrong in ["0", "-1", "many", "1025", ""] {
        let output =
            Command::new(trenza()).args(["echo", LISTEN, &format!("--workers={wrong}")]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("a number from 1 to 1024 is wanted, or auto"), "{said}");
    }
    let help = Command::new(trenza()).args(["socks", "--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("--workers <N|auto>"));
}
