//! [`FtpServer`]: a server of FTP, with the processes that it has forked.

use crate::family::{Family, add_ann};
use std::{fs, io, net::TcpListener, path::Path, process::Command};

/// Its 1.5.7 closes a data connection on which the client begins TLS before it has said RETR or STOR, as curl does: so it
/// is told that it may read there.
const PYFTPDLIB: &str = "
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer
class Data(TLS_DTPHandler):
    def readable(self):
        return self._ssl_accepting or super().readable()
TLS_FTPHandler.dtp_handler = Data
root, port, TLS_FTPHandler.certfile = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TLS_FTPHandler.authorizer = DummyAuthorizer()
TLS_FTPHandler.authorizer.add_user('ann', 'secret', root, perm='elradfmwMT')
server = FTPServer(('127.0.0.1', port), TLS_FTPHandler, backlog=1000)
server.max_cons = server.max_cons_per_ip = 0
server.serve_forever()
";

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Uring,
    Poll,
    Vsftpd,
    Pyftpdlib,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Uring, Self::Poll, Self::Vsftpd, Self::Pyftpdlib];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uring => "trenza-uring",
            Self::Poll => "trenza-poll",
            Self::Vsftpd => "vsftpd",
            Self::Pyftpdlib => "pyftpdlib",
        }
    }

    /// One of ours, which has to be built.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Uring | Self::Poll)
    }

    /// vsftpd knows accounts of the system only.
    pub(super) fn account(self) -> (&'static str, &'static str) {
        if self == Self::Vsftpd { ("anonymous", "me@") } else { ("ann", "secret") }
    }

    /// `NAME:PASSWORD`.
    pub(super) fn user(self) -> &'static str {
        if self == Self::Vsftpd { "anonymous:me@" } else { "ann:secret" }
    }
}

/// A server that listens. It ends with this.
#[derive(Debug)]
pub(super) struct FtpServer {
    pub(super) kind: Kind,
    pub(super) port: u16,
    pub(super) family: Family,
}

impl FtpServer {
    /// Starts it in a place with `files` and `pem`.
    pub(super) fn start(kind: Kind, trenza: &Path, place: &Path) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let shown = |name: &str| place.join(name).display().to_string();
        let (files, pem) = (shown("files"), shown("pem"));
        let mut command = match kind {
            Kind::Uring | Kind::Poll => {
                let users = shown("users.toml");
                if !Path::new(&users).exists() {
                    add_ann(trenza, &users)?;
                }
                let mut command = Command::new(trenza);
                command.env("TRENZA_DRIVER", if kind == Kind::Uring { "uring" } else { "poll" });
                command.env("TRENZA_LOG", "warn").args(["ftp", "serve", "--quiet", "--root", &files]);
                command.args(["--users", &users, "--tls-cert", &pem]);
                command.arg(format!("--listen=tcp:{port}:interface=127.0.0.1"));
                let most = ["sessions", "sessions-per-address", "sessions-per-account"];
                command.args(most.map(|of| format!("--max-{of}=2000")));
                command
            }
            Kind::Vsftpd => {
                let file = shown("vsftpd.conf");
                fs::write(&file, vsftpd(port, &files, &pem))?;
                let mut command = Command::new("vsftpd");
                command.arg(file);
                command
            }
            Kind::Pyftpdlib => {
                let mut command = Command::new("/usr/bin/python3");
                command.args(["-c", PYFTPDLIB, &files, &port.to_string(), &pem]);
                command
            }
        };
        Ok(Self { kind, port, family: Family::start(&mut command, port)? })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("ftp://127.0.0.1:{}/{path}", self.port)
    }
}

/// As it is installed, but for whoever runs it, with anonymous as somebody who may write.
fn vsftpd(port: u16, files: &str, pem: &str) -> String {
    format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nrun_as_launching_user=YES\n\
         anonymous_enable=YES\nno_anon_password=NO\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n\
         anon_other_write_enable=YES\nanon_world_readable_only=NO\nanon_umask=022\nwrite_enable=YES\n\
         seccomp_sandbox=NO\nanon_root={files}\nmax_clients=0\nmax_per_ip=0\nxferlog_enable=NO\n\
         ssl_enable=YES\nallow_anon_ssl=YES\nforce_local_data_ssl=NO\nforce_local_logins_ssl=NO\n\
         require_ssl_reuse=NO\nssl_ciphers=HIGH\nrsa_cert_file={pem}\nrsa_private_key_file={pem}\n"
    )
}
