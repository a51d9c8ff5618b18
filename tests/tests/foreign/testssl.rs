//! testssl.sh: what is wrong with a server's TLS.

use crate::{run, secure::Site};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// What it may find, and why that is no fault.
const ALLOWED: [(&str, &str); 3] = [
    ("cert_revocation", "a CA of one's own has neither a list of what it took back nor somebody to ask"),
    ("HSTS", "whether browsers may ever come without TLS again is for the site to say, not for its server"),
    (
        "BREACH",
        "files are compressed alike for everybody: there is no secret in them, nor what a client sent",
    ),
];

/// Its `openssl`. A client that is to keep a session has nothing to say, so it may be gone before the server's ticket has
/// come, which the tool takes for a failure: one time in five with any server. This one listens for a moment first.
fn patient_openssl(folder: &Path) -> PathBuf {
    let path = folder.join("patient-openssl");
    let script = r#"#!/bin/sh
case " $* " in
  *" -sess_out "*) sleep 0.5 | openssl "$@" ;;
  *) exec openssl "$@" ;;
esac
"#;
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What it finds, of medium severity and above, as `id: severity: what`.
fn findings(site: &Site, checks: &[&str]) -> Vec<String> {
    let report = site.certificates.path("report.json");
    let mut command = Command::new("testssl");
    command.args(["--quiet", "--color", "0", "--warnings", "off", "--severity", "MEDIUM"]);
    command.arg("--openssl").arg(patient_openssl(&site.certificates.path("")));
    command.arg("--jsonfile").arg(&report).args(checks).arg(site.address());
    let said = String::from_utf8_lossy(&run(&mut command).stdout).into_owned();
    assert!(said.contains("\n Done "), "it did not come to its end:\n{said}");
    let text = fs::read_to_string(&report).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let shown = |finding| ["id", "severity", "finding"].map(|name| text(finding, name)).join(": ");
    report.as_array().unwrap().iter().map(shown).collect()
}

/// The same, for who trusts the CA, without what is allowed.
fn faults(site: &Site, checks: &[&str]) -> Vec<String> {
    let ca = site.certificates.shown("ca.pem");
    let mut found = findings(site, &[&["--add-ca", &ca], checks].concat());
    found.retain(|finding| !ALLOWED.iter().any(|(id, _)| finding.starts_with(&format!("{id}: "))));
    found
}

#[test]
fn protocols_ciphers_and_certificate() {
    let site = Site::new("");
    let checks = ["--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--headers"];
    assert_eq!(faults(&site, &checks), [""; 0]);
}

#[test]
fn known_attacks() {
    assert_eq!(faults(&Site::new(""), &["--vulnerable"]), [""; 0]);
}

#[test]
fn what_it_finds_is_seen() {
    // Nobody has told it of the CA.
    let found = findings(&Site::new(""), &["--server-defaults"]);
    let trust = found.iter().filter(|finding| finding.starts_with("cert_chain_of_trust: CRITICAL")).count();
    assert!(trust > 0 && found.iter().any(|finding| finding.starts_with("cert_revocation: ")), "{found:?}");
}
