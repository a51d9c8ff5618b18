//! pyftpdlib, for our client. It has MLSD and MFMT.

use crate::{
    ftp::{self, FtpServer},
    secure::Certificates,
};
use std::process::Command;

/// The system's Python, whose packages these are.
const PYTHON: &str = "/usr/bin/python3";

const SCRIPT: &str = "
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer
root, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]
handler = TLS_FTPHandler if certificate else FTPHandler
if certificate:
    handler.certfile = certificate
    handler.tls_control_required = handler.tls_data_required = True
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_user('ann', 'p w', root, perm='elradfmwMT')
server = FTPServer(('127.0.0.1', port), handler)
server.max_cons_per_ip = 3
server.serve_forever()
";

fn pyftpdlib(certificates: Option<&Certificates>) -> FtpServer {
    let (root, port) = (ftp::root(), ftp::port());
    let shown = |name: &str| certificates.map(|made| made.shown(name)).unwrap_or_default();
    let mut command = Command::new(PYTHON);
    command.args(["-c", SCRIPT]).arg(ftp::served(&root)).args([&port.to_string(), &shown("localhost.pem")]);
    let scheme = if certificates.is_some() { "ftpes" } else { "ftp" };
    let (url, ca) = (format!("{scheme}://ann:p%20w@127.0.0.1:{port}"), shown("ca.pem"));
    let options = if certificates.is_some() { vec!["--ca", &ca] } else { vec![] };
    FtpServer::start(root, port, &mut command, url, &options)
}

#[test]
fn mirrors_both_ways() {
    ftp::mirrors_both_ways(&pyftpdlib(None));
}

#[test]
fn mirrors_both_ways_over_tls() {
    ftp::mirrors_both_ways(&pyftpdlib(Some(&Certificates::new())));
}

#[test]
fn gets_puts_and_lists() {
    ftp::gets_puts_and_lists(&pyftpdlib(None));
}

#[test]
fn gets_puts_and_lists_over_tls() {
    ftp::gets_puts_and_lists(&pyftpdlib(Some(&Certificates::new())));
}

#[test]
fn says_what_went_wrong() {
    ftp::says_what_went_wrong(&pyftpdlib(None));
}
