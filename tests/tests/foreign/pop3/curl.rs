//! curl.

use super::{PASSWORD, Served, messages};
use crate::run;
use std::process::Command;

fn fetch(served: &Served, path: &str, options: &[&str]) -> Vec<u8> {
    let url = format!("pop3://localhost:{}/{path}", served.ports[0]);
    curl(served, &url, &[&["--ssl-reqd"], options].concat())
}

fn curl(served: &Served, url: &str, options: &[&str]) -> Vec<u8> {
    let user = format!("ann:{PASSWORD}");
    let fixed = ["--silent", "--show-error", "--cacert", &served.ca(), "--user", &user, url];
    run(Command::new("curl").args(fixed).args(options)).stdout
}

#[test]
fn fetches_over_stls_and_tls() {
    let served = Served::new();
    for (number, message) in (1..).zip(messages()) {
        assert!(fetch(&served, &number.to_string(), &[]) == message, "message {number}");
        let url = format!("pop3s://localhost:{}/{number}", served.ports[1]);
        assert!(curl(&served, &url, &[]) == message, "message {number}");
    }
}

#[test]
fn logs_in_by_sasl() {
    let served = Served::new();
    for mechanism in ["PLAIN", "LOGIN"] {
        let options = format!("AUTH={mechanism}");
        let listed = fetch(&served, "", &["--login-options", &options]);
        assert_eq!(listed.iter().filter(|byte| **byte == b'\n').count(), messages().len(), "{mechanism}");
    }
}

#[test]
fn lists_tops_and_deletes() {
    let served = Served::new();
    let uids = String::from_utf8(fetch(&served, "", &["--request", "UIDL"])).unwrap();
    assert!(uids.starts_with("1 1700000000.M1P0.here\r\n"), "{uids}");
    assert_eq!(fetch(&served, "", &["--request", "TOP 1 1"]), b"Subject: dots\r\n\r\n.\r\n");
    fetch(&served, "2", &["--request", "DELE", "--list-only"]);
    assert_eq!(served.left(), messages().len() - 1);
}
