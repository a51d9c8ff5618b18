//! Secrets of connections are written down where that was asked for, and nowhere else.

use crate::{
    ground::{Authority, Log, say, serve},
    strings,
};
use std::{
    env, fs,
    process::{Command, Stdio},
};
use trenza_sim::Net;
use trenza_tls::ServerTls;

/// The file that many programs write such secrets to.
const FILE: &str = "SSLKEYLOGFILE";
/// Says to a process of this test who is to write them.
const WHO: &str = "TRENZA_KEY_LOG_OF";

#[test]
fn secrets_are_written_where_that_was_asked_for_and_nowhere_else() {
    match env::var(WHO) {
        Ok(who) => talk(&who),
        // The environment is read by whole processes.
        Err(_) => {
            assert_eq!(written("nobody, whatever the environment says"), None);
            let one = written("the server").unwrap();
            assert!(one.lines().any(|line| line.starts_with("SERVER_TRAFFIC_SECRET_0 ")), "{one}");
            assert_eq!(written("the client").unwrap().lines().count(), one.lines().count());
            assert_eq!(written("the server, the client").unwrap().lines().count(), 2 * one.lines().count());
        }
    }
}

/// What a process with such an environment has written, if it has made the file.
fn written(who: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let name = "key_log::secrets_are_written_where_that_was_asked_for_and_nowhere_else";
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name]).env(FILE, &file).env(WHO, who).stdout(Stdio::piped());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    fs::read_to_string(file).ok()
}

fn talk(who: &str) {
    let ca = Authority::new("ca");
    let mut server = ServerTls::new(ca.sign("srv", &["srv"]));
    if who.contains("server") {
        server = server.allow_key_log();
    }
    let mut client = ca.client();
    if who.contains("client") {
        client = client.allow_key_log();
    }
    let (net, said) = (Net::gentle(1), Log::default());
    serve(&net.host("srv"), &server.build().unwrap(), &Log::default());
    say(&net, &client.build().unwrap(), "srv", b"secret", &said);
    net.run();
    assert_eq!(said.lines(), ["whole, lost: closed"]);
    // Strings have no way to ask for it.
    let folder = strings::folder();
    let (_, said) = strings::talk(folder.path(), "tls:443:cert={}/site.pem", "tls:srv:443:ca={}/ca.pem");
    assert_eq!(said.lines(), ["whole, lost: closed"]);
}
