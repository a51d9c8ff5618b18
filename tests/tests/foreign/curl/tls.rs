//! curl over TLS.

use super::{curl, text};
use crate::{
    pattern, program, run,
    secure::{Certificates, Site},
};
use std::{fs, process::Command};
use trenza_tests::Program;

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

/// What README.md promises to a newcomer.
#[test]
fn three_commands_to_https() {
    let place = crate::folder(&[("docs/hello.txt", b"Hello, braid!\n")]);
    let path = |name: &str| place.path().join(name).display().to_string();
    run(Command::new(program()).args(["cert", "self"]).current_dir(place.path()));
    let listen = format!("--listen=tls:0:cert={}", path("localhost.pem"));
    let mut server = Program::start(&program(), ["web", &path("docs"), &listen]);
    let url = server.hear_url("https://");
    assert!(url.starts_with("https://localhost:"), "{url}");
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let url = format!("{}hello.txt", url.replace("localhost", host));
        assert_eq!(text(&curl(["--cacert", &path("localhost.pem"), &url])), "Hello, braid!\n");
    }
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

/// At first by somebody who reads slowly and then goes, then as fast as can be.
#[cfg(target_os = "linux")]
#[test]
fn a_large_file_arrives_whole_and_stays_on_the_disk() {
    const LENGTH: usize = 64 << 20;
    const GROWTH_MAX_KIB: usize = 4 << 10;
    /// What curl ends with when its time is over.
    const TIME_OVER: i32 = 28;
    let site = Site::new("");
    let large = pattern(LENGTH);
    fs::write(site.folder.path().join("large.bin"), &large).unwrap();
    let (url, ca) = (format!("{}large.bin", site.url), site.certificates.shown("ca.pem"));
    // What the first handshakes and files cost, it has by now.
    assert_eq!(hello(&site, &[]), "Hello, braid!\n");
    let before = site.program.memory_kib("VmRSS");

    let (part, whole) = (site.certificates.shown("part.bin"), site.certificates.shown("whole.bin"));
    let mut slow = Command::new("curl");
    slow.args(["--silent", "--cacert", &ca, "--limit-rate", "2M", "--max-time", "3", "-o", &part, &url]);
    assert_eq!(slow.status().unwrap().code(), Some(TIME_OVER));
    let got = fs::metadata(&part).unwrap().len() as usize;
    assert!((1..LENGTH).contains(&got), "{got} bytes");
    curl(["--cacert", &ca, "-C", "-", "-o", &part, &url]);
    curl(["--cacert", &ca, "-o", &whole, &url]);
    for file in [&part, &whole] {
        assert!(fs::read(file).unwrap() == large, "{file} is not what was served");
    }
    // The most that it ever had, the time when it was read slowly included.
    let grown = site.program.memory_kib("VmHWM").saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "{grown} KiB for {LENGTH} bytes");
}

#[test]
fn many_requests_on_one_connection() {
    let site = Site::new("");
    let (url, ca) = (format!("{}hello.txt?[1-100]", site.url), site.certificates.shown("ca.pem"));
    let answer = text(&curl(["--cacert", &ca, "-w", "+%{num_connects}", &url]));
    assert_eq!(answer.matches("Hello, braid!\n+1").count(), 1, "{answer}");
    assert_eq!(answer.matches("Hello, braid!\n+0").count(), 99, "{answer}");
}

#[test]
fn each_name_is_shown_its_certificate() {
    let certificates = Certificates::new();
    certificates.make(&["sign", "a.example", "*.b.example"]);
    let site = Site::with(certificates, "certs={}");
    let port = site.address().rsplit(':').next().unwrap().to_owned();
    let ca = site.certificates.shown("ca.pem");
    for (name, served) in
        [("a.example", true), ("x.b.example", true), ("x.y.b.example", false), ("localhost", true)]
    {
        let resolve = format!("{name}:{port}:127.0.0.1");
        let url = format!("https://{name}:{port}/hello.txt");
        let mut asked = Command::new("curl");
        asked.args(["--silent", "--max-time", "60", "--cacert", &ca, "--resolve", &resolve, &url]);
        assert_eq!(asked.output().unwrap().stdout == b"Hello, braid!\n", served, "{name}");
    }
}

#[test]
fn clients_may_show_their_certificate() {
    let site = Site::new(":client-ca={}/ca.pem:clients=optional");
    let ann = site.certificates.shown("ann.pem");
    for more in [&[][..], &["--cert", &ann]] {
        assert_eq!(hello(&site, more), "Hello, braid!\n");
    }
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
