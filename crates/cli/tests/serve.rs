//! What `trenza web` serves and says while it runs.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs::{self, File},
    path::Path,
};
use tempfile::{TempDir, tempdir};
use trenza_tests::{Client, Program};

fn site() -> TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("hello.txt"), "Hello, braid!\n").unwrap();
    folder
}

fn web(folder: &Path, options: &[&str]) -> (Program, String) {
    Program::web(Path::new(env!("CARGO_BIN_EXE_trenza")), folder, options)
}

/// What it has said when it was stopped.
fn stop(program: Program) -> String {
    program.signal("TERM");
    let (status, said) = program.end();
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

#[test]
fn a_line_for_each_request() {
    let site = site();
    let (program, url) = web(site.path(), &[]);
    let mut client = Client::connect(&url);
    assert_eq!(client.get("/hello.txt").body, b"Hello, braid!\n");
    assert_eq!(client.get("/none \"quoted\\").status(), 400, "a space in a path is no HTTP");
    assert_eq!(Client::connect(&url).get("/none%20\"quoted").status(), 404);
    drop(client);
    let said = stop(program);
    let line = said.lines().find(|line| line.contains("/hello.txt")).unwrap_or_else(|| panic!("{said}"));
    // 127.0.0.1 - - [22/Nov/2026:10:00:00 +0100] "GET /hello.txt HTTP/1.1" 200 14
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(line.contains("] \"GET /hello.txt HTTP/1.1\" 200 14"), "{line}");
    let other = said.lines().find(|line| line.contains(" 404 ")).unwrap_or_else(|| panic!("{said}"));
    assert!(
        other.contains("\\\"quoted HTTP/1.1\" 404 "),
        "a quote in a path must not end the field: {other}"
    );
}

#[test]
fn lines_as_json() {
    let site = site();
    let (program, url) = web(site.path(), &["--log-format", "json"]);
    Client::connect(&url).get("/hello.txt");
    let said = stop(program);
    let line = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(value["status"], 200);
    assert_eq!(value["method"], "GET");
    assert_eq!(value["target"], "/hello.txt");
}

#[test]
fn no_line_when_quiet() {
    let site = site();
    let (program, url) = web(site.path(), &["--quiet"]);
    Client::connect(&url).get("/hello.txt");
    assert!(!stop(program).contains("GET"));
}

#[test]
fn every_address_is_told() {
    let site = site();
    let (mut program, url) = web(site.path(), &["--listen=tcp:0:interface=[::1]", "--listen=tcp:0"]);
    let six = program.hear("http://[::1]:");
    let all = program.hear("http://localhost:");
    for line in [url.as_str(), &six, &all] {
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        assert_eq!(Client::connect(url).get("/hello.txt").status(), 200, "{url}");
    }
}

#[test]
fn options_reach_the_files() {
    let site = site();
    fs::write(site.path().join(".secret"), "dots").unwrap();
    let outside = tempdir().unwrap();
    fs::write(outside.path().join("far.txt"), "far").unwrap();
    std::os::unix::fs::symlink(outside.path(), site.path().join("link")).unwrap();
    let statuses = |options: &[&str]| {
        let (_program, url) = web(site.path(), options);
        let mut client = Client::connect(&url);
        ["/.secret", "/link/far.txt", "/"].map(|path| client.get(path).status())
    };
    assert_eq!(statuses(&["--hidden", "--follow-symlinks"]), [200, 200, 200]);
    assert_eq!(statuses(&["--no-listing"]), [404, 403, 403]);
}

#[test]
fn a_file_truncated_while_it_is_sent_ends_early_and_never_in_zeros() {
    const LENGTH: usize = 64 << 20;
    let site = site();
    let file = site.path().join("long.bin");
    fs::write(&file, vec![b'x'; LENGTH]).unwrap();
    let (_program, url) = web(site.path(), &[]);
    let mut client = Client::connect(&url);
    client.ask("/long.bin");
    assert!(client.head().unwrap().contains(&format!("{LENGTH}")));
    let mut got = client.read(1000).unwrap().len();
    File::options().write(true).open(&file).unwrap().set_len(LENGTH as u64 / 2).unwrap();
    // A reset is as good an end as any.
    while let Ok(piece) = client.read(1 << 20) {
        if piece.is_empty() {
            break;
        }
        assert!(piece.iter().all(|byte| *byte == b'x'), "something else than the file was sent");
        got += piece.len();
    }
    assert!(got < LENGTH, "{got} bytes of a file that has {} now", LENGTH / 2);
}

#[test]
fn connections_leave_descriptors_for_files() {
    let site = site();
    let command = format!(
        "ulimit -n 100; exec {} web {} --listen=tcp:0:interface=127.0.0.1 --max-connections 200",
        env!("CARGO_BIN_EXE_trenza"),
        site.path().display()
    );
    let mut program = Program::start(Path::new("/bin/sh"), ["-c", &command]);
    program.hear("43 connections at once instead of 200: 100 files may be open");
    let url = program.hear("http://").trim().to_owned();
    let mut clients: Vec<Client> = (0..150).map(|_| Client::connect(&url)).collect();
    for client in &mut clients {
        client.ask("/hello.txt");
    }
    // The others wait until there is room for them.
    while !clients.is_empty() {
        assert_eq!(clients.remove(0).answer().unwrap().status(), 200, "{} are left", clients.len());
    }
    assert!(!stop(program).contains("cannot accept"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_never_reads_costs_no_memory() {
    let site = site();
    File::create(site.path().join("sparse.bin")).unwrap().set_len(10 << 30).unwrap();
    let (program, url) = web(site.path(), &[]);
    let resident = || program.memory_kib("VmRSS");
    Client::connect(&url).get("/hello.txt");
    let before = resident();
    let clients: Vec<Client> = (0..50)
        .map(|_| {
            let mut client = Client::connect(&url);
            client.ask("/sparse.bin");
            assert!(client.head().unwrap().contains(&format!("content-length: {}", 10_u64 << 30)));
            client
        })
        .collect();
    // A server with buffers of 64 KiB for each would need more than 3 MiB.
    let grown = resident().saturating_sub(before);
    assert!(grown < 2 << 10, "{grown} KiB for {} clients", clients.len());
}

#[test]
fn nobody_has_to_listen_to_it() {
    let site = site();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trenza"));
    let listen = "--listen=tcp:0:interface=127.0.0.1";
    let mut child = command.arg("web").arg(site.path()).arg(listen).stderr(writer).spawn().unwrap();
    drop(command);
    let mut said = String::new();
    while !said.contains("/\n") {
        let mut piece = [0; 1];
        std::io::Read::read_exact(&mut reader, &mut piece).unwrap();
        said.push(char::from(piece[0]));
    }
    let url = said.lines().last().unwrap().trim().to_owned();
    // Whatever it says from now on fails.
    drop(reader);
    for _ in 0..3 {
        assert_eq!(Client::connect(&url).get("/hello.txt").status(), 200);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
