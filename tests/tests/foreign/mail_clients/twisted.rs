//! Twisted's SMTP client.

use super::{Served, ugly};
use crate::run;
use std::process::Command;

/// The system's Python, whose package Twisted is.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn sends_on_all_ways() {
    let served = Served::new();
    let file = served.file("message", &ugly());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/mail_clients/with_twisted.py");
    for (kind, port) in
        [("plain", &served.reception), ("starttls", &served.submission), ("tls", &served.secured)]
    {
        let output = run(Command::new(PYTHON).arg(script).args([kind, port, &served.ca(), &file]));
        assert_eq!(output.stdout, b"all is well\n", "{kind}");
        served.has(&ugly());
    }
}
