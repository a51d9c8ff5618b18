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
fn for_this_machine_nothing_has_to_be_said() {
    let folder = tempdir().unwrap();
    let made = cert(folder.path(), &["self"]);
    assert!(made.status.success(), "{}", said(&made));
    for part in [
        "for          localhost, 127.0.0.1, ::1\n",
        "trenza web DIR --listen tls:8443:cert=localhost.pem\n",
        "curl --cacert localhost.pem https://localhost:8443/\n",
    ] {
        assert!(said(&made).contains(part), "no {part} in {}", said(&made));
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
    assert_eq!(mode(&path), 0o600, "the old one was open to all");
    assert_ne!(fs::read_to_string(&path).unwrap(), "precious");
    // Of two files both are there, or none is written.
    fs::write(folder.path().join("ca.pem"), "precious").unwrap();
    assert_eq!(cert(folder.path(), &["ca"]).status.code(), Some(1));
    assert!(!folder.path().join("ca-key.pem").exists());
}

#[test]
fn an_authority_signs_servers_and_people() {
    let folder = tempdir().unwrap();
    let early = cert(folder.path(), &["sign", "www.example.test"]);
    assert_eq!(early.status.code(), Some(1));
    assert!(said(&early).contains("trenza cert ca"), "{}", said(&early));
    let made = cert(folder.path(), &["ca", "Ours"]);
    assert!(said(&made).contains("trenza cert sign"), "{}", said(&made));
    assert_eq!(mode(&folder.path().join("ca-key.pem")), 0o600);
    assert!(!fs::read_to_string(folder.path().join("ca.pem")).unwrap().contains("PRIVATE"));
    for (arguments, part) in [
        (&["sign", "www.example.test"][..], "curl --cacert ca.pem https://www.example.test:8443/"),
        (&["sign", "--client", "Ann Smith", "--key", "ed25519"], "client-ca=ca.pem"),
    ] {
        let signed = cert(folder.path(), arguments);
        assert!(signed.status.success(), "{}", said(&signed));
        for part in ["issuer       CN=Ours", part] {
            assert!(said(&signed).contains(part), "no {part} in {}", said(&signed));
        }
    }
    for name in ["www.example.test.pem", "Ann Smith.pem"] {
        let path = folder.path().join(name);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_to_string(path).unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    }
}

#[test]
fn every_kind_of_key_is_made_and_shown() {
    let folder = tempdir().unwrap();
    for (kind, shown) in [("ecdsa", "ECDSA P-256"), ("ed25519", "Ed25519"), ("rsa", "RSA, 3072 bits")] {
        let made = cert(folder.path(), &["self", "a", "--force", "--key", kind]);
        assert!(said(&made).contains(&format!("key          {shown}\n")), "{}", said(&made));
    }
}

#[test]
fn days_are_counted_and_end_with_the_authority() {
    let folder = tempdir().unwrap();
    let year = |text: &str| -> i32 {
        let line = text.lines().find(|line| line.starts_with("  valid ")).unwrap();
        line.rsplit(' ').next().unwrap().split('-').next().unwrap().parse().unwrap()
    };
    let ca = year(&said(&cert(folder.path(), &["ca", "--days", "800"])));
    let signed = year(&said(&cert(folder.path(), &["sign", "a", "--days", "3000"])));
    let own = year(&said(&cert(folder.path(), &["self", "b", "--days", "3000"])));
    assert_eq!(signed, ca, "nobody trusts it any longer");
    assert!(own - signed >= 5);
    assert_eq!(cert(folder.path(), &["self", "c", "--days", "0"]).status.code(), Some(2));
}

#[test]
fn an_authority_that_is_none_signs_nothing() {
    let folder = tempdir().unwrap();
    for arguments in [&["ca"][..], &["ca", "--out", "b.pem", "--key-out", "b-key.pem"], &["self"]] {
        assert!(cert(folder.path(), arguments).status.success());
    }
    let mut old = rcgen::CertificateParams::default();
    old.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    old.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(folder.path().join("old.pem"), old.self_signed(&key).unwrap().pem() + &key.serialize_pem())
        .unwrap();
    for (ca, ca_key, part) in [
        ("ca.pem", "b-key.pem", "b-key.pem cannot be used: the key in it does not belong to"),
        ("localhost.pem", "localhost.pem", "localhost.pem is no authority's certificate"),
        ("old.pem", "old.pem", "old.pem has expired"),
        ("none.pem", "ca-key.pem", "there is no none.pem"),
        ("ca-key.pem", "ca-key.pem", "there is no certificate in it, only a key"),
    ] {
        let refused = cert(folder.path(), &["sign", "a", "--ca", ca, "--ca-key", ca_key]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains(part), "no {part} in {}", said(&refused));
        assert!(!folder.path().join("a.pem").exists());
    }
}

#[test]
fn wrong_names_and_files_are_named() {
    let folder = tempdir().unwrap();
    for name in ["not a name", "http://localhost/", "localhost:8443", "m\u{fc}nchen.example", "[::1]", ""] {
        for command in ["self", "sign"] {
            let wrong = cert(folder.path(), &[command, name]);
            assert_eq!(wrong.status.code(), Some(2), "{name}");
            let part = if name.is_ascii() { "a name or an address alone" } else { "begins with xn--" };
            assert!(said(&wrong).contains(part), "{}", said(&wrong));
        }
    }
    // One certificate, one person.
    assert_eq!(cert(folder.path(), &["sign", "--client", "ann", "bob"]).status.code(), Some(2));
    assert_eq!(cert(folder.path(), &["sign"]).status.code(), Some(2));
    let nowhere = cert(folder.path(), &["self", "--out", "none/a.pem"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(said(&nowhere).contains("cannot write none/a.pem: No such file"), "{}", said(&nowhere));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
    fs::write(folder.path().join("x.pem"), "nothing").unwrap();
    let shown = cert(folder.path(), &["show", "x.pem"]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(said(&shown).contains("x.pem") && said(&shown).contains("no certificate"), "{}", said(&shown));
}

#[test]
fn help_has_examples() {
    let folder = tempdir().unwrap();
    for command in [&["--help"][..], &["self", "--help"], &["ca", "--help"], &["sign", "--help"]] {
        let text = String::from_utf8(cert(folder.path(), command).stdout).unwrap();
        assert!(text.contains("Examples:\n  trenza cert "), "{text}");
        assert!(text.lines().all(|line| line.len() <= 108), "{text}");
    }
}
