//! Twisted's FTPClient.

use super::Served;
use crate::run;
use std::process::Command;

/// The system's Python, whose package Twisted is.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn a_session() {
    let served = Served::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/ftp_clients/with_twisted.py");
    let output = run(Command::new(PYTHON).arg(script).args(["127.0.0.1", &served.port()]));
    assert_eq!(output.stdout, b"all is well\n");
    assert!(!served.path("work").exists());
}
