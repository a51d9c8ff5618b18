//! How `trenza web` ends.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "this is the outside world")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};
use trenza_tests::{Client, PATIENCE, Program};

/// More than the sockets on the way hold.
const LONG: usize = 64 << 20;

fn site() -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("hello.txt"), "Hello, braid!\n").unwrap();
    fs::write(folder.path().join("long.bin"), vec![b'x'; LONG]).unwrap();
    folder
}

fn web(folder: &Path) -> (Program, String) {
    Program::web(Path::new(env!("CARGO_BIN_EXE_trenza")), folder, &[])
}

#[test]
fn an_idle_connection_is_closed() {
    for signal in ["TERM", "INT"] {
        let site = site();
        let (program, url) = web(site.path());
        let mut idle = Client::connect(&url);
        assert_eq!(idle.get("/hello.txt").status(), 200);
        let mut new = Client::connect(&url);
        program.signal(signal);
        assert!(idle.read(1).unwrap().is_empty(), "closed, without another byte");
        assert!(new.read(1).is_ok_and(|bytes| bytes.is_empty()), "one that has asked nothing, too");
        // The server lingers until its peers have closed as well.
        drop((idle, new));
        let (status, said) = program.end();
        assert_eq!(status.code(), Some(0), "{said}");
    }
}

#[test]
fn a_response_that_has_begun_is_finished() {
    let site = site();
    let (program, url) = web(site.path());
    let mut client = Client::connect(&url);
    client.ask("/long.bin");
    let head = client.head().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    program.signal("TERM");
    let mut got = 0;
    loop {
        let piece = client.read(1 << 20).unwrap();
        got += piece.len();
        if piece.is_empty() {
            break;
        }
    }
    assert_eq!(got, LONG, "and closed behind it");
    drop(client);
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let site = site();
        let (mut program, url) = web(site.path());
        // Never read to its end: a graceful stop would wait for it.
        let mut client = Client::connect(&url);
        client.ask("/long.bin");
        client.head().unwrap();
        program.signal(signal);
        // Two signals at once may arrive as one.
        Client::until_refused(&url);
        program.hear("again stops at once");
        program.signal(signal);
        let (status, said) = program.end();
        assert_eq!(status.code(), Some(code), "{said}");
    }
}

#[test]
fn a_reader_of_the_log_that_takes_nothing_does_not_keep_it_from_stopping() {
    let site = site();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
    let listen = "--listen=tcp:0:interface=127.0.0.1";
    let mut child = command.arg("web").arg(site.path()).arg(listen).stderr(writer).spawn().unwrap();
    drop(command);
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    let mut client = Client::connect(line.trim());
    // Far more than a pipe holds.
    let long = format!("/hello.txt?{}", "x".repeat(5000));
    for _ in 0..200 {
        assert_eq!(client.get(&long).status(), 200);
    }
    drop(client);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    let late = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.code(),
            None if Instant::now() > late => break None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let _ = child.kill();
    assert_eq!(status, Some(0));
    drop(reader);
}

#[test]
fn a_port_is_free_again_at_once() {
    let site = site();
    let (program, url) = web(site.path());
    let mut client = Client::connect(&url);
    client.get("/hello.txt");
    drop(client);
    program.signal("TERM");
    program.end();
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    let listen = format!("--listen=tcp:{port}:interface=127.0.0.1");
    let arguments = [std::ffi::OsStr::new("web"), site.path().as_os_str(), listen.as_ref()];
    let mut again = Program::start(Path::new(env!("CARGO_BIN_EXE_trenza")), arguments);
    again.hear(&url);
}
