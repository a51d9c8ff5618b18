//! [`MailServer`]: a server of mail for example.org.

use super::Mail;
use crate::family::{Family, add_ann, done};
use std::{fs, io, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

/// So many sessions may be open at once.
const SESSIONS_MAX: usize = 2000;

/// `{}` is its folder. It is as installed, but for who may send where, how many sessions there may be, and that accounts
/// are its own.
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
virtual_mailbox_domains = example.org
virtual_mailbox_base = {}/mail
virtual_mailbox_maps = inline:{ {ann@example.org = ann/} }
virtual_alias_maps = inline:{ {away@example.org = ann@example.net} }
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_security_level = may
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

/// A server that listens, with a Maildir for ann@example.org; what is for away@example.org goes to another server. It ends
/// with this, with all that it has started.
#[derive(Debug)]
pub(super) struct MailServer {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) family: Family,
}

impl MailServer {
    /// Starts one of this name in a folder of its own; others' mail goes to this port.
    pub(super) fn start(name: &'static str, to: u16, mail: &Mail) -> io::Result<Self> {
        let place = tempfile::tempdir_in(mail.place.path())?.keep();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = match name {
            "postfix" => postfix(&place, port, to, mail)?,
            _ => trenza(name, &place, port, to, mail)?,
        };
        Ok(Self { name, port, family: Family::start(&mut command, port)? })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // Killed at once, Postfix would leave its processes behind; if that fails it is killed all the same.
        let _ = self.family.stop();
    }
}

fn trenza(name: &str, place: &Path, port: u16, to: u16, mail: &Mail) -> io::Result<Command> {
    let shown = |name: &str| place.join(name).display().to_string();
    fs::create_dir(place.join("mail"))?;
    fs::write(place.join("aliases"), "away: ann@example.net\n")?;
    add_ann(&mail.trenza, &shown("users.toml"))?;
    let mut command = Command::new(&mail.trenza);
    command.env("TRENZA_DRIVER", name.trim_start_matches("trenza-")).env("TRENZA_LOG", "warn");
    command.args(["mail", "serve", "--quiet", "--domain=example.org"]);
    command.arg(format!("--maildir={}", shown("mail"))).arg(format!("--users={}", shown("users.toml")));
    command.arg(format!("--aliases={}", shown("aliases"))).arg(format!("--queue={}", shown("queue")));
    command.arg(format!("--route=*=tcp:127.0.0.1:{to}")).arg("--max-messages-per-minute=1000000000");
    command.arg(format!("--smtp=tcp:{port}:interface=127.0.0.1"));
    command.arg(format!("--tls-cert={}", mail.pem.display()));
    command.args(["", "-per-address"].map(|of| format!("--max-sessions{of}={SESSIONS_MAX}")));
    Ok(command)
}

fn postfix(place: &Path, port: u16, to: u16, mail: &Mail) -> io::Result<Command> {
    // Its processes are of several users.
    for open in [mail.place.path(), place] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755))?;
    }
    for (folder, owner) in [("conf", "root"), ("queue", "root"), ("data", "postfix"), ("mail", "nobody")] {
        fs::create_dir(place.join(folder))?;
        done(Command::new("chown").arg(owner).arg(place.join(folder)))?;
    }
    let more = format!(
        "relayhost = [127.0.0.1]:{to}\nsmtpd_tls_cert_file = {}\nsmtpd_client_connection_count_limit = {SESSIONS_MAX}\n",
        mail.pem.display()
    );
    let conf = place.join("conf");
    fs::write(conf.join("main.cf"), MAIN.replace("{}", &place.display().to_string()) + &more)?;
    let listens = format!("127.0.0.1:{port} inet n - n - {SESSIONS_MAX} smtpd\n");
    fs::write(conf.join("master.cf"), listens + MASTER)?;
    done(Command::new("postfix").arg("-c").arg(&conf).arg("check"))?;
    let daemons = Command::new("postconf").args(["-d", "-h", "daemon_directory"]).output()?.stdout;
    let mut master = Command::new(Path::new(String::from_utf8_lossy(&daemons).trim()).join("master"));
    master.arg("-c").arg(conf).arg("-d");
    Ok(master)
}
