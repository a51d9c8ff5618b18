//! mpop.

use super::{PASSWORD, Served, messages, with_lf};
use crate::run;
use std::{fs, process::Command};

/// What it delivers into a Maildir of its own, in the order of their numbers.
fn fetched(mechanism: &str) {
    let served = Served::new();
    let maildir = served.here("fetched");
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir.join(folder)).unwrap();
    }
    let (port, ca) = (served.ports[0].to_string(), served.ca());
    let delivery = format!("--delivery=maildir,{}", maildir.display());
    let uids = format!("--uidls-file={}", served.here("uids").display());
    let server = ["--host=localhost", &format!("--port={port}"), "--user=ann"].map(str::to_owned);
    let login = [format!("--passwordeval=echo '{PASSWORD}'"), format!("--auth={mechanism}")];
    let tls = ["--tls=on".into(), "--tls-starttls=on".into(), format!("--tls-trust-file={ca}")];
    let how = ["--keep=off".into(), "--received-header=off".into(), "--pipelining=on".into(), delivery, uids];
    run(Command::new("mpop").args(server).args(login).args(tls).args(how));
    let mut got: Vec<Vec<u8>> = fs::read_dir(maildir.join("new"))
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let mut wanted: Vec<Vec<u8>> = messages().iter().map(|message| with_lf(message)).collect();
    got.sort();
    wanted.sort();
    assert!(got == wanted, "by {mechanism}: {} messages", got.len());
    assert_eq!(served.left(), 0);
}

#[test]
fn fetches_and_deletes_by_user_and_pass() {
    fetched("user");
}

#[test]
fn fetches_and_deletes_by_plain() {
    fetched("plain");
}

#[test]
fn fetches_and_deletes_by_scram() {
    fetched("scram-sha-256");
}
