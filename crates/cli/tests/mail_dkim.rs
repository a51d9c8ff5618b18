//! What `trenza mail dkim` makes and prints.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "this is the outside world")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};
use tempfile::tempdir;
use trenza::mail::checks::SigningKey;

fn dkim(place: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
    command.args(["mail", "dkim"]).args(arguments).current_dir(place).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_key_is_made_once_and_its_record_is_printed() {
    let place = tempdir().unwrap();
    for (arguments, name, kind) in [
        (&["Example.org"][..], "mail._domainkey.example.org", "rsa"),
        (&["example.org", "-s", "2027a", "--key", "ed25519"], "2027a._domainkey.example.org", "ed25519"),
    ] {
        let made = dkim(place.path(), arguments);
        assert!(made.status.success(), "{}", text(&made.stderr));
        let file = place.path().join(format!("{name}.pem"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let key = SigningKey::from_pem(&fs::read_to_string(&file).unwrap()).unwrap();
        let printed = text(&made.stdout);
        let record: String = printed.split('"').skip(1).step_by(2).collect();
        assert_eq!(record, key.record());
        assert!(record.starts_with(&format!("v=DKIM1; k={kind}; p=")));
        assert!(printed.starts_with(&format!("{name}. IN TXT ( \"")), "{printed}");
        let selector = name.split('.').next().unwrap();
        assert!(text(&made.stderr).contains(&format!("--dkim example.org={selector}:{name}.pem")));
        // Whatever kind is asked for, it is the one that is there.
        let again = dkim(place.path(), &["example.org", "-s", selector]);
        assert_eq!((again.status.code(), text(&again.stdout)), (Some(0), printed));
        assert!(text(&again.stderr).contains("this key was there"));
    }
}

#[test]
fn who_gets_it_wrong_is_told() {
    let place = tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    for (arguments, code, part) in [
        (&[][..], 2, "<DOMAIN>"),
        (&["a b"], 2, "a domain is wanted"),
        (&["example.org", "--selector", "a/b"], 2, "a domain is wanted"),
        (&["example.org", "--out", "file"], 1, "file cannot be used: not a key for DKIM: it is not PEM"),
        (&["example.org", "--out", "none/key.pem"], 1, "cannot write none/key.pem"),
    ] {
        let said = dkim(place.path(), arguments);
        assert_eq!(said.status.code(), Some(code), "{arguments:?}");
        assert!(text(&said.stderr).contains(part), "{part:?} is not in {}", text(&said.stderr));
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn a_key_that_everybody_can_read_is_warned_of() {
    let place = tempdir().unwrap();
    fs::create_dir(place.path().join("mail")).unwrap();
    fs::write(place.path().join("users.toml"), "").unwrap();
    assert!(dkim(place.path(), &["example.org", "--out", "key.pem"]).status.success());
    for (mode, is_warned) in [(0o600, false), (0o640, false), (0o644, true)] {
        fs::set_permissions(place.path().join("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_trenza"));
        command.args(["mail", "serve", "-d", "example.org", "-m", "mail", "-u", "users.toml"]);
        // It has looked at the key when it comes to a port that is none.
        command.args(["--dkim", "example.org=mail:key.pem", "--smtp", "25"]).current_dir(place.path());
        let said = command.output().unwrap();
        assert_eq!(said.status.code(), Some(2));
        let warned = text(&said.stderr)
            .contains("everybody on this machine can sign with key.pem: `chmod o= key.pem`");
        assert_eq!(warned, is_warned, "{mode:o}");
    }
}
