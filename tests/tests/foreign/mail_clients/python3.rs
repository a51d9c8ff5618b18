//! Python's smtplib.

use super::{Served, ugly};
use crate::run;
use std::process::Command;

#[test]
fn sends_on_all_ways() {
    let served = Served::new();
    let file = served.file("message", &ugly());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/mail_clients/with_smtplib.py");
    let lmtp = served.path("lmtp").display().to_string();
    for (kind, place) in [
        ("plain", &served.reception),
        ("starttls", &served.submission),
        ("starttls-login", &served.submission),
        ("tls", &served.secured),
        ("lmtp", &lmtp),
    ] {
        run(Command::new("python3").arg(script).args([kind, place, &served.ca(), &file]));
        served.has(&ugly());
    }
}
