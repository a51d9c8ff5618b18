//! OpenSSL's s_client and s_server.

use crate::secure::{Certificates, Site};
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
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

/// `openssl s_server` that answers any request with a page about the connection.
struct Foreign {
    process: Child,
    port: u16,
}

impl Foreign {
    fn new(certificates: &Certificates, more: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let pem = certificates.shown("localhost.pem");
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-www",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-cert",
            &pem,
            "-key",
            &pem,
        ]);
        let mut process = command.args(more).stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("ACCEPT"))).unwrap().unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn our_client_talks_to_its_server() {
    let certificates = Certificates::new();
    let (ca, ann) = (certificates.shown("ca.pem"), certificates.shown("ann.pem"));
    for (more, options, parts) in [
        (&["-tls1_3"][..], "", &["TLSv1.3"][..]),
        (&["-tls1_2"], "", &["TLSv1.2"]),
        (&["-Verify", "1", "-CAfile", &ca], &format!(":cert={ann}"), &["CN=ann"]),
    ] {
        let server = Foreign::new(&certificates, more);
        let to = format!("tls:127.0.0.1:{}:ca={ca}:server-name=localhost{options}", server.port);
        let page = trenza::block_on(async move |reactor| {
            let mut stream = reactor.open(&to).await?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
            let mut page = Vec::new();
            while let Some(piece) = stream.read().await? {
                page.extend_from_slice(&piece);
            }
            Ok(String::from_utf8_lossy(&page).into_owned())
        })
        .unwrap();
        for part in parts {
            assert!(page.contains(part), "no {part} in:\n{page}");
        }
    }
}
