//! What the program says to somebody who gets it wrong, and what it ends with.
#![allow(clippy::disallowed_types, clippy::unwrap_used, reason = "this is the outside world")]

use std::{
    ffi::OsStr,
    net::TcpListener,
    process::{Command, Output},
};
use tempfile::tempdir;

fn trenza<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trenza")).args(arguments).output().unwrap()
}

/// The exit code and what was said on standard error.
fn failed(output: &Output) -> (i32, String) {
    assert!(output.stdout.is_empty(), "errors belong on standard error");
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn help_and_version() {
    let help = trenza(["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout).unwrap().contains("\n  web "));
    let help = trenza(["web", "--help"]);
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    for part in ["[DIR]", "--listen <ENDPOINT>", "tcp:8080:interface=127.0.0.1", "Examples:", "Ctrl-C"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
    let version = trenza(["--version"]);
    assert_eq!(version.stdout, format!("trenza {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
}

#[test]
fn wrong_usage_is_2() {
    for arguments in [
        &["web", "--lisen", "tcp:0"][..],
        &["web", "--log-format", "xml"],
        &["web", "a", "b"],
        &["web", "--quiet", "--log-format", "json"],
        &["web", "--max-connections", "0"],
        &["web", "--max-connections-per-address", "0"],
        &["wed"],
        &[],
    ] {
        let (code, said) = failed(&trenza(arguments));
        assert_eq!(code, 2, "{arguments:?}");
        assert!(said.contains("Usage:") || said.contains("--help"), "{said}");
    }
}

#[test]
fn an_endpoint_that_is_none_is_2_and_what_is_right_is_said_once() {
    for (endpoint, remedy) in [
        ("8080", "did you mean tcp:8080?"),
        ("localhost:8080", "did you mean tcp:8080:interface=127.0.0.1?"),
        ("tcp:http", "ports are 0 to 65535"),
        ("tcp:70000", "ports are 0 to 65535"),
        ("tcp:80:interface=lo", "takes an IP address"),
        ("tcp:127.0.0.1:80", "as in tcp:8080 or tcp:8080:interface=127.0.0.1"),
        ("quic:443", "known: exec, fd, haproxy,"),
        ("udp:53", "for connections there are fd, haproxy,"),
    ] {
        let (code, said) = failed(&trenza(["web", "--listen", endpoint]));
        assert_eq!(code, 2, "{endpoint}");
        assert!(said.contains(&format!("\n  {endpoint}\n  ")) && said.matches(remedy).count() == 1, "{said}");
        assert!(!said.contains("hint:"), "two remedies: {said}");
    }
}

#[test]
fn numbers_that_are_none_are_asked_for_in_plain_words() {
    for number in ["0", "x", "-1", "99999999999999999999999"] {
        let (code, said) = failed(&trenza(["web", &format!("--max-connections={number}")]));
        assert!(code == 2 && said.contains("a number above 0 is wanted"), "{said}");
    }
}

#[test]
fn a_log_filter_that_is_none_is_said_to_be_none() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
    let output = command.args(["web", "no/such/folder"]).env("TRENZA_LOG", "a=b=c").output().unwrap();
    let (code, said) = failed(&output);
    assert_eq!(code, 1);
    assert!(
        said.contains("warning: TRENZA_LOG is not understood") && said.contains("TRENZA_LOG=debug"),
        "{said}"
    );
}

#[test]
fn a_socket_that_cannot_be_made_says_what_to_do() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file.txt");
    std::fs::write(&file, "text").unwrap();
    let file = file.display();
    for (path, what, remedy) in [
        (format!("{file}"), "which is no socket", "choose another path, or remove the file"),
        (format!("{file}/s"), "cannot listen on", "the folder of a socket must be there"),
        (format!("{file}{}", "x".repeat(120)), "must be shorter", "choose a shorter path"),
    ] {
        let (code, said) = failed(&trenza(["web", "--listen", &format!("unix:{path}")]));
        assert_eq!(code, 1);
        assert!(said.contains(what) && said.contains(&format!("hint: {remedy}")), "{said}");
    }
}

#[test]
fn no_such_folder() {
    let (code, said) = failed(&trenza(["web", "no/such/folder"]));
    assert_eq!(code, 1);
    assert!(said.contains("there is no folder no/such/folder") && said.contains("hint:"), "{said}");
}

#[test]
fn not_a_folder() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file.txt");
    std::fs::write(&file, "text").unwrap();
    let (code, said) = failed(&trenza(["web".as_ref(), file.as_os_str()]));
    assert_eq!(code, 1);
    assert!(said.contains("file.txt is not a folder") && said.contains("hint:"), "{said}");
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let endpoint = format!("tcp:{port}:interface=127.0.0.1");
    let (code, said) = failed(&trenza(["web", "--listen=tcp:0:interface=127.0.0.1", "--listen", &endpoint]));
    assert_eq!(code, 1);
    assert!(said.contains(&format!("port {port} is taken")) && said.contains("--listen tcp:"), "{said}");
    assert!(!said.contains('\x1b'), "colours are for terminals: {said}");
}

#[test]
fn an_address_of_another_machine() {
    // 192.0.2.0/24 is kept for documentation: nobody has it.
    let (code, said) = failed(&trenza(["web", "--listen", "tcp:0:interface=192.0.2.1"]));
    assert_eq!(code, 1);
    assert!(said.contains("does not have the address") && said.contains("192.0.2.1"), "{said}");
}
