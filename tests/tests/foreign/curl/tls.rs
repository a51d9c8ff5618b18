//! curl over TLS.

use super::{curl, text};
use crate::secure::Site;
use std::process::Command;

/// What curl gets from `hello.txt`.
fn hello(site: &Site, more: &[&str]) -> String {
    let ca = site.certificates.shown("ca.pem");
    let url = format!("{}hello.txt", site.url);
    text(&curl([&["--cacert", &ca, &url], more].concat()))
}

#[test]
fn versions_and_protocols() {
    let site = Site::new(":alpn=http/1.1");
    for more in [&[][..], &["--tlsv1.3"], &["--tlsv1.2", "--tls-max", "1.2"], &["--http1.1"]] {
        assert_eq!(hello(&site, more), "Hello, braid!\n", "{more:?}");
    }
    let seen = hello(&site, &["--write-out", " %{ssl_verify_result} %{http_version} %{scheme}"]);
    assert!(seen.contains(" 0 1.1 https") || seen.contains(" 0 1.1 HTTPS"), "{seen}");
}

#[test]
fn old_versions_and_strangers_are_refused() {
    let site = Site::new("");
    let url = format!("{}hello.txt", site.url);
    let ca = site.certificates.shown("ca.pem");
    for arguments in [&["--tls-max", "1.1", "--cacert", &ca][..], &[]] {
        let refused =
            Command::new("curl").args(["--silent", "--max-time", "30"]).args(arguments).arg(&url).output();
        assert!(!refused.unwrap().status.success(), "{arguments:?}");
    }
    assert_eq!(hello(&site, &[]), "Hello, braid!\n", "it goes on");
}

#[test]
fn clients_show_their_certificate() {
    let site = Site::new(":client-ca={}/ca.pem");
    let ann = site.certificates.shown("ann.pem");
    for more in [&["--tlsv1.3"][..], &["--tls-max", "1.2"]] {
        assert_eq!(hello(&site, &[&["--cert", &ann], more].concat()), "Hello, braid!\n");
        let ca = site.certificates.shown("ca.pem");
        let nobody = Command::new("curl")
            .args(["--silent", "--max-time", "30", "--cacert", &ca])
            .args(more)
            .arg(&site.url)
            .output()
            .unwrap();
        assert!(!nobody.status.success());
    }
}
