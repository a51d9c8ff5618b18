//! aiosmtpd: no pipelining, no chunks; logins by PLAIN and LOGIN.

use super::{BASE, MailServer, message, messages_arrive_as_they_are, port};
use crate::secure::Certificates;
use std::process::Command;

/// The system's Python, whose package this is.
const PYTHON: &str = "/usr/bin/python3";

const SCRIPT: &str = "
import asyncio, mailbox, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
root, port, certificate, users = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]

class Maildirs:
    async def handle_DATA(self, server, session, envelope):
        for to in envelope.rcpt_tos:
            folder = mailbox.Maildir(root + '/' + to.split('@')[0], create=True)
            folder.add(envelope.original_content.replace(b'\\r\\n', b'\\n'))
        return '250 stored'

def check(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b'bob', b'se cret'), handled=False)

context = None
if certificate:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
mechanisms = {'PLAIN', 'LOGIN'} - set(users.split(','))
options = dict(enable_SMTPUTF8=True, data_size_limit=8000000, tls_context=context, require_starttls=bool(context))
if users:
    options.update(authenticator=check, auth_required=True, auth_require_tls=bool(context), auth_exclude_mechanism=users.split(','))

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Maildirs(), **options), '127.0.0.1', port)
    await server.serve_forever()

asyncio.run(main())
";

/// `without`: the mechanisms that it does not offer; empty: nobody logs in.
fn aiosmtpd(certificates: Option<&Certificates>, without: &str, options: &[&str]) -> MailServer {
    let (root, port) = (tempfile::tempdir().unwrap(), port());
    let certificate = certificates.map(|made| made.shown("localhost.pem")).unwrap_or_default();
    let mail = root.path().join("mail");
    std::fs::create_dir(&mail).unwrap();
    let mut command = Command::new(PYTHON);
    command.args(["-c", SCRIPT]).arg(mail).args([&port.to_string(), &certificate, without]);
    MailServer::start(root, port, &mut command, options)
}

#[test]
fn messages_arrive() {
    messages_arrive_as_they_are(&aiosmtpd(None, "", &[]));
}

#[test]
fn messages_arrive_over_starttls() {
    let certificates = Certificates::new();
    let ca = certificates.shown("ca.pem");
    messages_arrive_as_they_are(&aiosmtpd(Some(&certificates), "", &["--starttls", "--ca", &ca]));
}

#[test]
fn logins() {
    let certificates = Certificates::new();
    let ca = certificates.shown("ca.pem");
    for without in ["LOGIN", "PLAIN"] {
        let options = |user| ["--starttls", "--ca", &*ca, "--user", user];
        let mut server = aiosmtpd(Some(&certificates), without, &options("bob"));
        assert_eq!(server.send(&BASE, &message("x\n")), (0, String::new()), "without {without}");
        assert_eq!(server.message("ann", "X-First"), message("x\n"));
        server.options = options("eve").map(ToOwned::to_owned).to_vec();
        let (code, said) = server.send(&BASE, &message("x\n"));
        assert!(code == 77 && said.contains("AUTH") && !said.contains("se cret"), "{code}: {said}");
    }
}
