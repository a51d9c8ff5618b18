//! GnuTLS's server, for our client.

use crate::secure::{Certificates, Foreign, ask_twice};
use std::process::Command;

/// `gnutls-serv` that answers any request with a page about the connection.
fn gnutls_serv(certificates: &Certificates, more: &[&str]) -> Foreign {
    Foreign::start("Server listening on", |port| {
        let pem = certificates.shown("localhost.pem");
        let mut command = Command::new("gnutls-serv");
        command.args(["--http", "--port", &port.to_string(), "--x509certfile", &pem, "--x509keyfile", &pem]);
        command.args(["--x509cafile", &certificates.shown("ca.pem")]).args(more);
        command
    })
}

#[test]
fn our_client_talks_to_it() {
    let certificates = Certificates::new();
    let (ca, ann) = (certificates.shown("ca.pem"), certificates.shown("ann.pem"));
    let shows_ann = format!(":cert={ann}");
    let required = ["--require-client-cert", "--verify-client-cert"];
    for (more, options, version, part) in [
        (&["--priority=NORMAL:-VERS-ALL:+VERS-TLS1.3"][..], "", "TLS 1.3", "TLS1.3"),
        (&["--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2"], "", "TLS 1.2", "TLS1.2"),
        (&required, &shows_ann, "TLS 1.3", "Subject: CN=ann"),
        (&["--alpn=b", "--alpn-fatal"], ":alpn=a,b", "TLS 1.3", "TLS1.3"),
    ] {
        let server = gnutls_serv(&certificates, more);
        let to = format!("tls:127.0.0.1:{}:ca={ca}:server-name=localhost{options}", server.port);
        let [(page, first), (_, second)] = ask_twice(&to).unwrap();
        assert!(page.contains(part) && page.contains("localhost"), "no {part} in:\n{page}");
        assert_eq!((first.version, first.resumed, second.resumed), (version, false, true), "{more:?}");
    }
}

#[test]
fn it_refuses_our_client_where_it_must() {
    let certificates = Certificates::new();
    let ca = certificates.shown("ca.pem");
    for (more, options, part) in [
        (&["--require-client-cert"], "", "certificate_required"),
        (&["--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2"], ":min=1.3", "no version of TLS"),
    ] {
        let server = gnutls_serv(&certificates, more);
        let to = format!("tls:127.0.0.1:{}:ca={ca}:server-name=localhost{options}", server.port);
        let error = ask_twice(&to).unwrap_err().to_string();
        assert!(error.contains(part), "{more:?}: {error}");
    }
}
