//! [`Pop3Server`]: a server with a mailbox that has messages.

use super::{MESSAGES, Mail};
use crate::family::{Family, add_ann, done};
use std::{fs, io, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

/// `{}` is its folder, `{port}` its port. It is as installed, but for who has an account, and that neither server notes
/// that messages were seen.
const DOVECOT: &str = "\
base_dir = {}/run
log_path = {}/log
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
first_valid_uid = 0
mail_location = maildir:{}/mail/ann
pop3_no_flag_updates = yes
passdb {
  driver = passwd-file
  args = scheme=PLAIN {}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home={}/mail
}
service pop3-login {
  inet_listener pop3 {
    port = {port}
  }
}
";

/// A server that listens, with ann's mailbox, whose password is `secret`. It ends with this, with all that it has started.
#[derive(Debug)]
pub(super) struct Pop3Server {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) family: Family,
}

impl Pop3Server {
    /// Starts one of this name in a folder of its own, with a mailbox of its own, where every message is this one.
    pub(super) fn start(name: &'static str, message: &[u8], mail: &Mail) -> io::Result<Self> {
        let place = tempfile::tempdir_in(mail.place.path())?.keep();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        deliver(&place.join("mail/ann"), message)?;
        let mut command = match name {
            "dovecot" => dovecot(&place, port, mail)?,
            _ => trenza(name, &place, port, mail)?,
        };
        Ok(Self { name, port, family: Family::start(&mut command, port)? })
    }
}

impl Drop for Pop3Server {
    fn drop(&mut self) {
        // Killed at once, dovecot would leave its processes behind; if that fails it is killed all the same.
        let _ = self.family.stop();
    }
}

/// Makes a Maildir as dovecot has it: with the sizes of messages in their names, which nobody has to look up.
fn deliver(maildir: &Path, message: &[u8]) -> io::Result<()> {
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir.join(folder))?;
    }
    let size = message.len();
    for number in 0..MESSAGES {
        let name = format!("{}.M{number}P1.here,S={size},W={size}:2,", 1_700_000_000 + number);
        fs::write(maildir.join("cur").join(name), message)?;
    }
    Ok(())
}

fn trenza(name: &str, place: &Path, port: u16, mail: &Mail) -> io::Result<Command> {
    let users = place.join("users.toml").display().to_string();
    add_ann(&mail.trenza, &users)?;
    let mut command = Command::new(&mail.trenza);
    command.env("TRENZA_DRIVER", name.trim_start_matches("trenza-")).env("TRENZA_LOG", "warn");
    command.args(["mail", "serve", "--quiet", "--domain=example.org", "--allow-plain-auth"]);
    command.arg(format!("--maildir={}", place.join("mail").display())).arg(format!("--users={users}"));
    command.arg(format!("--pop3=tcp:{port}:interface=127.0.0.1"));
    Ok(command)
}

fn dovecot(place: &Path, port: u16, mail: &Mail) -> io::Result<Command> {
    // Its processes are of several users.
    for open in [mail.place.path(), place] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o755))?;
    }
    done(Command::new("chown").args(["-R", "nobody"]).arg(place.join("mail")))?;
    let file = place.join("dovecot.conf");
    let text = DOVECOT.replace("{}", &place.display().to_string()).replace("{port}", &port.to_string());
    fs::write(&file, text)?;
    fs::write(place.join("users"), "ann:{PLAIN}secret\n")?;
    let mut command = Command::new("dovecot");
    command.arg("-F").arg("-c").arg(file);
    Ok(command)
}
