//! Python's poplib.

use super::{Served, messages};
use crate::run;
use std::{fs, process::Command};

const SCRIPT: &str = include_str!("with_poplib.py");

#[test]
fn fetches_everything_and_deletes() {
    let served = Served::new();
    for (number, message) in messages().iter().enumerate() {
        fs::write(served.here(&(number + 1).to_string()), message).unwrap();
    }
    let ports = served.ports.map(|port| port.to_string());
    let folder = served.here("");
    run(Command::new("python3").args(["-c", SCRIPT, &ports[0], &ports[1], &served.ca()]).arg(folder));
    assert_eq!(served.left(), 0);
}
