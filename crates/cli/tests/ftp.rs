//! What `trenza ftp` says to somebody who gets it wrong, and to scripts. What it does with servers is tested with those of
//! others.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "this is the outside world"
)]

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
};
use tempfile::tempdir;

/// The exit code, and what was said on standard error.
fn trenza(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
    let output =
        command.arg("ftp").args(arguments).stdin(Stdio::null()).env_remove("FTP_PASSWORD").output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn help_has_examples_and_exit_codes() {
    for (arguments, parts) in [
        (&["--help"][..], &["ftpes://HOST", "--password-stdin", "Exit codes:", "130, 143"][..]),
        (&["get", "--help"], &["Examples:", "--continue", ".NAME.part"]),
        (&["put", "--help"], &["Examples:", "--continue"]),
        (&["ls", "--help"], &["Examples:", "--names"]),
        (&["mirror", "--help"], &["Examples:", "--parallel", "--delete", "--exclude", "--insecure", "--ca"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_trenza")).arg("ftp").args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        for part in parts {
            assert!(text.contains(part), "{arguments:?}: no {part} in:\n{text}");
        }
    }
}

#[test]
fn wrong_usage_is_2() {
    let here = tempdir().unwrap();
    let here = here.path().to_str().unwrap();
    for arguments in [
        &["get"][..],
        &["get", "http://example.org/x"],
        &["get", "example.org/x"],
        &["get", "ftp://example.org/x;type=d"],
        &["get", "--timeout=0", "ftp://example.org/x"],
        &["get", "--ca=x", "--insecure", "ftp://example.org/x"],
        &["mirror", "a", "b"],
        &["mirror", "ftp://a/", "ftp://b/"],
        &["mirror", "ftp://example.org/;type=a", here],
        &["mirror", "--parallel=0", "ftp://example.org/", here],
        &["mirror", "--exclude=[", "ftp://example.org/", here],
    ] {
        let (code, said) = trenza(arguments);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.starts_with("error: "), "{said}");
    }
}

#[test]
fn what_is_wrong_here_is_1_and_says_what_to_do() {
    for (arguments, parts) in [
        (&["put", "/nowhere/x", "ftp://example.org/"][..], &["/nowhere/x"][..]),
        (&["put", "/", "ftp://example.org/"], &["it is no file", "trenza ftp mirror"]),
        (&["mirror", "/nowhere/x", "ftp://example.org/"], &["/nowhere/x"]),
        (&["ls", "ftp://ann@example.org/"], &["no password for ann", "--password-stdin", "FTP_PASSWORD"]),
        (&["ls", "--ca=/nowhere/ca.pem", "ftpes://example.org/"], &["/nowhere/ca.pem"]),
    ] {
        let (code, said) = trenza(arguments);
        assert_eq!(code, 1, "{arguments:?}: {said}");
        for part in parts {
            assert!(said.contains(part), "no {part} in:\n{said}");
        }
    }
}

/// A server that says these lines, one after each command.
fn server(lines: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let _ = says(&stream, lines);
    });
    format!("127.0.0.1:{port}")
}

fn says(mut stream: &TcpStream, lines: &[&str]) -> std::io::Result<()> {
    let mut commands = BufReader::new(stream).lines();
    for line in lines {
        stream.write_all(line.as_bytes())?;
        if commands.next().is_none() {
            break;
        }
    }
    Ok(())
}

#[test]
fn scripts_see_why_a_server_has_not_done_it() {
    for (lines, code, part) in [
        (&["220 hi\r\n", "331 who?\r\n", "530 wrong\r\n"][..], 5, "user or password are wrong"),
        (&["220 hi\r\n", "530 TLS first\r\n"], 5, "--tls"),
        (&["421 too many\r\n"], 4, "421 too many"),
        (&["SSH-2.0-x\r\n"], 4, "is it a server of FTP"),
        (&["220 hi\r\n"], 4, "closed the connection"),
        (
            &["220 hi\r\n", "230 in\r\n", "500 what\r\n", "550 no\r\n", "550 nothing\x1b[2J there\r\n"],
            6,
            "550 nothing?[2J there",
        ),
    ] {
        let (exit, said) = trenza(&["ls", &format!("ftp://ann:secret@{}/x", server(lines))]);
        assert_eq!(exit, code, "{lines:?}: {said}");
        assert!(said.contains(part), "no {part} in:\n{said}");
        assert!(!said.contains("secret"), "a password is shown:\n{said}");
    }
    let (exit, said) = trenza(&["ls", &format!("ftpes://{}/", server(&["220 hi\r\n", "502 no TLS\r\n"]))]);
    assert_eq!(exit, 6, "{said}");
}
