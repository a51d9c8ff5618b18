//! `trenza cert`: what it writes, and what it says.
#![allow(clippy::unwrap_used, reason = "this is the outside world")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};
use tempfile::tempdir;

fn cert(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trenza"))
        .arg("cert")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_certificate_of_its_own() {
    let folder = tempdir().unwrap();
    let made = cert(folder.path(), &["self", "localhost", "127.0.0.1", "*.example.test"]);
    assert!(made.status.success(), "{}", said(&made));
    assert!(said(&made).contains("tls:8443:cert=localhost.pem"), "{}", said(&made));
    let path = folder.path().join("localhost.pem");
    assert_eq!(mode(&path), 0o600, "nobody else may read the key");
    let pem = fs::read_to_string(&path).unwrap();
    assert!(pem.contains("BEGIN CERTIFICATE") && pem.contains("PRIVATE KEY"));

    let shown = cert(folder.path(), &["show", "localhost.pem"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    for part in ["CN=localhost", "localhost, 127.0.0.1, *.example.test", "valid", "SHA-256"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
}

#[test]
fn what_exists_is_replaced_only_when_asked_for() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.pem");
    fs::write(&path, "precious").unwrap();
    let refused = cert(folder.path(), &["self", "a"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("exists already") && said(&refused).contains("--force"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert!(cert(folder.path(), &["self", "a", "--force"]).status.success());
    assert_eq!(mode(&path), 0o600);
    assert_ne!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn an_authority_signs_servers_and_people() {
    let folder = tempdir().unwrap();
    let early = cert(folder.path(), &["sign", "www.example.test"]);
    assert_eq!(early.status.code(), Some(1));
    assert!(said(&early).contains("trenza cert ca"), "{}", said(&early));
    assert!(cert(folder.path(), &["ca", "Ours"]).status.success());
    assert_eq!(mode(&folder.path().join("ca-key.pem")), 0o600);
    assert!(!fs::read_to_string(folder.path().join("ca.pem")).unwrap().contains("PRIVATE"));
    for arguments in [&["sign", "www.example.test"][..], &["sign", "--client", "ann", "--key", "ed25519"]] {
        let signed = cert(folder.path(), arguments);
        assert!(signed.status.success(), "{}", said(&signed));
        assert!(said(&signed).contains("issuer       CN=Ours"), "{}", said(&signed));
    }
    let chain = fs::read_to_string(folder.path().join("www.example.test.pem")).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn wrong_names_and_files_are_named() {
    let folder = tempdir().unwrap();
    let wrong = cert(folder.path(), &["self", "not a name\u{e9}"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said(&wrong).contains("neither a DNS name nor"), "{}", said(&wrong));
    fs::write(folder.path().join("x.pem"), "nothing").unwrap();
    let shown = cert(folder.path(), &["show", "x.pem"]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(said(&shown).contains("x.pem") && said(&shown).contains("no certificate"), "{}", said(&shown));
}
