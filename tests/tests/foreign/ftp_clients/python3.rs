//! Python's ftplib.

use super::Served;
use crate::run;
use std::process::Command;

/// Runs `with_ftplib.py`, which checks what it gets.
fn session(kind: &str) {
    let served = Served::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/ftp_clients/with_ftplib.py");
    run(Command::new("python3").arg(script).args(["localhost", &served.port(), &served.ca(), kind]));
    let left: Vec<_> = std::fs::read_dir(served.path("")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let said = served.stop();
    assert!(said.contains(" ann 127.0.0.1 up 1000000 "), "{said}");
}

#[test]
fn every_method() {
    session("plain");
}

#[test]
fn every_method_over_tls() {
    session("tls");
}
