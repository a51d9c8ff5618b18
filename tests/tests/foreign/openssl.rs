//! OpenSSL's s_client and s_server.

use crate::secure::{Certificates, Foreign, Site, ask_twice};
use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

/// s_client for a site, with these options besides.
fn s_client(site: &Site, more: &[&str]) -> Command {
    let ca = site.certificates.shown("ca.pem");
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", site.address(), "-servername", "localhost", "-CAfile", &ca]);
    command.arg("-verify_return_error").args(more);
    command
}

/// What it says of a connection on which these lines are typed; it ends when the connection does.
fn typed(mut command: Command, lines: &str) -> Output {
    let mut client =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = client.stdin.take().unwrap();
    // It may hang up before all is said.
    let _ = stdin.write_all(lines.as_bytes());
    let output = client.wait_with_output().unwrap();
    drop(stdin);
    output
}

/// What it says of a connection on which all lines are the server's.
fn asked(site: &Site, more: &[&str], lines: &str) -> Output {
    typed(s_client(site, &[more, &["-ign_eof"]].concat()), lines)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const REQUEST: &str = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn both_versions_and_alpn() {
    let site = Site::new(":alpn=http/1.1");
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let text = said(&asked(&site, &[version, "-alpn", "h2,http/1.1"], REQUEST));
        for part in ["Hello, braid!", "ALPN protocol: http/1.1", name, "Verify return code: 0 (ok)"] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
    }
    let refused = said(&asked(&site, &["-alpn", "h2"], ""));
    assert!(refused.contains("no application protocol"), "{refused}");
}

#[test]
fn sessions_are_continued() {
    let site = Site::new("");
    for version in ["-tls1_2", "-tls1_3"] {
        let session = site.certificates.shown("session");
        let first = said(&asked(&site, &[version, "-sess_out", &session], REQUEST));
        assert!(first.contains("\nNew, TLS"), "{first}");
        let again = said(&asked(&site, &[version, "-sess_in", &session], REQUEST));
        assert!(again.contains("\nReused, TLS") && again.contains("Hello, braid!"), "{again}");
    }
}

#[test]
fn nobody_renegotiates() {
    let site = Site::new("");
    // A line with an R is its command to begin anew.
    let text = said(&typed(s_client(&site, &["-tls1_2"]), "R\n"));
    assert!(text.contains("RENEGOTIATING") && text.contains("no renegotiation"), "{text}");
    let text = said(&asked(&site, &["-tls1_2"], REQUEST));
    assert!(text.contains("Hello, braid!"), "it goes on: {text}");
}

#[test]
fn every_kind_of_key() {
    for (kind, names) in [("ecdsa", "ECDSA"), ("rsa", "RSA"), ("ed25519", "ed25519")] {
        let certificates = Certificates::new();
        certificates.make(&["sign", "localhost", "127.0.0.1", "--key", kind, "--force"]);
        let site = Site::of(certificates, "");
        for version in ["-tls1_2", "-tls1_3"] {
            let text = said(&asked(&site, &[version], REQUEST));
            let signed = text.lines().find(|line| line.starts_with("Peer signature type: "));
            assert!(signed.is_some_and(|line| line.to_lowercase().contains(&names.to_lowercase())), "{text}");
            assert!(text.contains("Hello, braid!"), "{text}");
        }
    }
}

#[test]
fn five_come_again() {
    let site = Site::new("");
    // TLS 1.2 alone: a session of 1.3 arrives behind the handshake, where s_client does not wait for it.
    let text = said(&asked(&site, &["-tls1_2", "-reconnect"], REQUEST));
    assert_eq!((text.matches("\nNew, TLS").count(), text.matches("\nReused, TLS").count()), (1, 5), "{text}");
}

#[test]
fn clients_that_are_asked_for_a_certificate() {
    let certificates = Certificates::new();
    // A stranger, of an authority that nobody knows.
    certificates.make(&["ca", "Other", "--out", "other.pem", "--key-out", "other-key.pem"]);
    certificates.make(&["sign", "--client", "eve", "--ca", "other.pem", "--ca-key", "other-key.pem"]);
    let [ann, eve] = ["ann.pem", "eve.pem"].map(|name| certificates.shown(name));
    let shows = |pem| vec!["-cert", pem, "-key", pem];
    let site = Site::of(certificates, ":client-ca={}/ca.pem:clients=optional");
    for (more, served) in [(vec![], true), (shows(&ann), true), (shows(&eve), false)] {
        for version in ["-tls1_2", "-tls1_3"] {
            let text = said(&asked(&site, &[&[version], &more[..]].concat(), REQUEST));
            assert!(text.contains("CN = Test CA"), "it is told whom the server asks for: {text}");
            assert_eq!(text.contains("Hello, braid!"), served, "{more:?} {text}");
        }
    }
}

/// `openssl s_server` that answers any request with a page about the connection.
fn s_server(certificates: &Certificates, more: &[&str]) -> Foreign {
    Foreign::start("ACCEPT", |port| {
        let pem = certificates.shown("localhost.pem");
        let mut command = Command::new("openssl");
        command.args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}"), "-cert", &pem]);
        command.args(["-key", &pem]).args(more);
        command
    })
}

#[test]
fn our_client_talks_to_its_server() {
    let certificates = Certificates::new();
    let (ca, ann) = (certificates.shown("ca.pem"), certificates.shown("ann.pem"));
    for (more, options, version, part) in [
        (&["-tls1_3"][..], "", "TLS 1.3", "TLSv1.3"),
        (&["-tls1_2"], "", "TLS 1.2", "TLSv1.2"),
        (&["-tls1_2", "-no_ticket"], "", "TLS 1.2", "TLSv1.2"),
        (&["-Verify", "1", "-CAfile", &ca], &format!(":cert={ann}"), "TLS 1.3", "CN=ann"),
        (&["-alpn", "b,c"], ":alpn=a,b", "TLS 1.3", "TLSv1.3"),
    ] {
        let server = s_server(&certificates, more);
        let to = format!("tls:127.0.0.1:{}:ca={ca}:server-name=localhost{options}", server.port);
        let [first, second] = ask_twice(&to).unwrap();
        for ((page, secured), resumed) in [(first, false), (second, true)] {
            assert!(page.contains(part), "no {part} in:\n{page}");
            assert_eq!((secured.version, secured.resumed), (version, resumed), "{more:?}");
            assert!(secured.certificate.as_ref().is_some_and(|own| own.subject.contains("CN=localhost")));
        }
    }
}

#[test]
fn our_client_refuses_what_it_must() {
    let certificates = Certificates::new();
    let ca = certificates.shown("ca.pem");
    for (more, options, part) in [
        (&[][..], "server-name=localhost", "nobody who is trusted has signed it"),
        (&[], "server-name=example.org:ca={}", "not valid for name"),
        (&["-tls1_2"], "server-name=localhost:ca={}:min=1.3", "protocol_version"),
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "server-name=localhost:ca={}", "protocol_version"),
        (&["-tls1_2", "-cipher", "AES128-SHA"], "server-name=localhost:ca={}", "handshake_failure"),
        (&["-alpn", "x"], "server-name=localhost:ca={}:alpn=y", "no_application_protocol"),
    ] {
        let server = s_server(&certificates, more);
        let to = format!("tls:127.0.0.1:{}:{}", server.port, options.replace("{}", &ca));
        let error = ask_twice(&to).unwrap_err().to_string();
        assert!(error.contains(part), "{more:?} {options}: {error}");
    }
}
