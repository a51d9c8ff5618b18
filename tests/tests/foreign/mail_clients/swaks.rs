//! swaks.

use super::{PASSWORD, Served, ugly};
use crate::run;
use std::process::Command;

/// The message as it goes behind DATA: with dots before dots, and its end.
fn stuffed() -> Vec<u8> {
    let mut data = Vec::new();
    for line in ugly().split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            data.push(b'.');
        }
        data.extend_from_slice(line);
    }
    data.extend_from_slice(b".");
    data
}

#[test]
fn sends_on_all_ways() {
    let served = Served::new();
    // By itself swaks would change a message that is given to it whole.
    let file = format!("@{}", served.file("message", &stuffed()));
    let auth = ["--auth-user", "ann", "--auth-password", PASSWORD, "--from", "ann@example.org"];
    let with = |more: &[&'static str]| [more, &auth].concat();
    let lmtp = served.path("lmtp").display().to_string();
    let local = ["--server", "localhost"];
    for (place, options) in [
        ([&local[..], &["--port", &served.reception]].concat(), vec!["--from", "x@example.com"]),
        ([&local[..], &["--port", &served.reception]].concat(), vec!["--from", "<>", "--pipeline", "--tls"]),
        ([&local[..], &["--port", &served.submission]].concat(), with(&["--tls", "--auth", "PLAIN"])),
        ([&local[..], &["--port", &served.submission]].concat(), with(&["--tls", "--auth", "LOGIN"])),
        ([&local[..], &["--port", &served.secured]].concat(), with(&["--tls-on-connect", "--auth", "PLAIN"])),
        (vec!["--socket", &lmtp], vec!["--protocol", "LMTP", "--from", "x@example.com"]),
    ] {
        let mut command = Command::new("swaks");
        command.args([
            "--to",
            "ann@example.org",
            "--no-data-fixup",
            "--data",
            &file,
            "--hide-all",
            "--timeout",
            "60",
        ]);
        command.args(["--tls-ca-path", &served.ca()]).args(place).args(options);
        run(&mut command);
        served.has(&ugly());
    }
}

#[test]
fn is_told_of_each_recipient() {
    let served = Served::new();
    let mut command = Command::new("swaks");
    command.args(["--server", "localhost", "--port", &served.reception, "--from", "x@example.com"]);
    command.args(["--to", "ann@example.org,nobody@example.org,y@example.com,bob+x@example.org"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("550 5.1.1 No such user here") && said.contains("550 5.7.1 "), "{said}");
    assert_eq!(["ann", "bob"].map(|name| served.messages(name).len()), [1, 1], "{said}");
}
