//! GnuTLS's client.

use crate::secure::Site;
use std::{
    io::Write,
    process::{Command, Stdio},
};

#[test]
fn both_versions() {
    let site = Site::new("");
    let (host, port) = site.address().split_once(':').unwrap();
    for (priority, name) in
        [("NORMAL:-VERS-ALL:+VERS-TLS1.3", "TLS1.3"), ("NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLS1.2")]
    {
        let mut command = Command::new("gnutls-cli");
        command.args(["--x509cafile", &site.certificates.shown("ca.pem"), "--priority", priority]);
        command.args(["--sni-hostname=localhost", "--verify-hostname=localhost", "-p", port, host]);
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = client.stdin.take().unwrap();
        stdin.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let output = client.wait_with_output().unwrap();
        drop(stdin);
        let text = String::from_utf8_lossy(&output.stdout);
        for part in ["Hello, braid!", name, "The certificate is trusted"] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
    }
}
