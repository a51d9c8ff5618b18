//! Postfix, an instance of its own: PIPELINING, CHUNKING, DSN, SMTPUTF8, STARTTLS.

mod trip;
mod ugly;

use super::{BASE, MailServer, message, messages_arrive_as_they_are, port, recipients_are_told_apart};
use crate::{run, secure::Certificates};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// `{}` is its folder.
const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = {}/queue
data_directory = {}/data
maillog_file = {}/log
maillog_file_prefixes = {}
myhostname = localhost
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
local_header_rewrite_clients =
message_size_limit = 8000000
virtual_mailbox_domains = example.org
virtual_mailbox_base = {}/mail
virtual_mailbox_maps = inline:{ {ann@example.org = ann/}, {bob@example.org = bob/} }
virtual_mailbox_limit = 0
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
";

const MASTER: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// With more of its configuration, and options of the program.
fn postfix(more: &str, options: &[&str]) -> MailServer {
    let (root, port) = (tempfile::tempdir().unwrap(), port());
    let path = root.path();
    // Its processes are of several users.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    for (folder, owner) in [("conf", "root"), ("queue", "root"), ("data", "postfix"), ("mail", "nobody")] {
        fs::create_dir(path.join(folder)).unwrap();
        run(Command::new("chown").arg(owner).arg(path.join(folder)));
    }
    let shown = path.display().to_string();
    let main = MAIN.replace("{}", &shown) + more;
    fs::write(path.join("conf/main.cf"), main).unwrap();
    let master = format!("127.0.0.1:{port} inet n - n - - smtpd\n{MASTER}");
    fs::write(path.join("conf/master.cf"), master).unwrap();
    let conf = path.join("conf");
    run(Command::new("postfix").arg("-c").arg(&conf).arg("check"));
    let daemons = run(Command::new("postconf").args(["-d", "-h", "daemon_directory"])).stdout;
    let daemons = String::from_utf8(daemons).unwrap();
    let mut master = Command::new(Path::new(daemons.trim()).join("master"));
    MailServer::start(root, port, master.arg("-c").arg(&conf).arg("-d"), options)
}

/// A line of the log with this in it: the log is written a little later.
fn logged(server: &MailServer, what: &str) -> String {
    let (began, path) = (Instant::now(), server.root.path().join("log"));
    loop {
        let log = fs::read_to_string(&path).unwrap_or_default();
        if let Some(line) = log.lines().find(|line| line.contains(what)) {
            return line.to_owned();
        }
        assert!(began.elapsed() < super::PATIENCE, "no {what} in:\n{log}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn messages_arrive() {
    let server = postfix("", &[]);
    messages_arrive_as_they_are(&server);
    // The large one went in chunks.
    logged(&server, " bdat=");
}

#[test]
fn recipients() {
    recipients_are_told_apart(&postfix("", &[]));
}

#[test]
fn messages_arrive_over_starttls() {
    let certificates = Certificates::new();
    // With its key in it.
    let (cert, ca) = (certificates.shown("localhost.pem"), certificates.shown("ca.pem"));
    let tls = format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {cert}\nsmtpd_tls_received_header = yes\n"
    );
    let mut server = postfix(&tls, &["--starttls", "--ca", &ca]);
    messages_arrive_as_they_are(&server);
    logged(&server, " starttls=1 ");
    // Who does not protect himself is not listened to.
    server.options.clear();
    assert_eq!(server.send(&BASE, &message("x\n")).0, 77);
}

#[test]
fn servers_that_are_not_trusted_get_nothing() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let (cert, ca) = (certificates.shown("localhost.pem"), others.shown("ca.pem"));
    let server = postfix(
        &format!("smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {cert}\n"),
        &["--starttls", "--ca", &ca],
    );
    let (code, said) = server.send(&BASE, &message("x\n"));
    assert!(code == 77 && said.contains("STARTTLS") && said.contains("certificate"), "{code}: {said}");
    assert!(server.new_messages("ann").is_empty());
}

#[test]
fn what_is_refused_and_put_off() {
    let restrictions = "smtpd_recipient_restrictions = check_recipient_access \
        inline:{ {bob@example.org = 450 4.2.0 later} }, reject_unauth_destination\n";
    let server = postfix(restrictions, &[]);
    let send = |to: &str, text: &[u8]| server.send(&["-f", "me@example.com", to], text);
    assert_eq!(send("nobody@example.org", &message("x\n")).0, 67);
    assert_eq!(send("bob@example.org", &message("x\n")).0, 75);
    let (code, said) = send("ann@elsewhere.example", &message("x\n"));
    assert!(code == 69 && said.contains("RCPT"), "{code}: {said}");
    let (code, said) = send("ann@example.org", &message(&"x\n".repeat(5_000_000)));
    assert!(code == 69 && said.contains("over 8000000 bytes"), "{code}: {said}");
}

#[test]
fn headers_and_addresses_that_are_not_ascii() {
    let server = postfix("", &[]);
    let mut text = message("x\n");
    text.splice(..0, "X-First: \u{e4}\n".bytes());
    assert_eq!(server.send(&["-f", "j\u{f6}rg@example.com", "ann@example.org"], &text), (0, String::new()));
    assert_eq!(server.message("ann", "X-First"), text);
}
