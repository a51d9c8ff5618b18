//! Twisted's POP3 client.

use super::{Served, messages};
use crate::run;
use std::{fs, process::Command};

/// The system's Python, whose packages these are.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = include_str!("with_twisted.py");

#[test]
fn fetches_everything_and_deletes() {
    let served = Served::new();
    for (number, message) in messages().iter().enumerate() {
        fs::write(served.here(&(number + 1).to_string()), message).unwrap();
    }
    let port = served.ports[0].to_string();
    run(Command::new(PYTHON).args(["-c", SCRIPT, &port, &served.ca()]).arg(served.here("")));
    assert_eq!(served.left(), 0);
}
