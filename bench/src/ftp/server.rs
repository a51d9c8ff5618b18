//! [`FtpServer`]: a server of FTP as a process, with those that it has forked.

use super::done;
use std::{
    fs, io,
    io::Write,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What the kernel counts CPU time of ended children in.
const TICK: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(20);

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
    process: Child,
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
                    add_user(trenza, &users)?;
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
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Self { kind, port, process };
        let late = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > late {
                return Err(io::Error::other(format!("{command:?} does not listen")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("ftp://127.0.0.1:{}/{path}", self.port)
    }

    /// CPU time of all its processes so far, those that have ended included.
    pub(super) fn spent(&self) -> io::Result<Duration> {
        let ticks = self.processes().into_iter().map(|process| ticks(process).unwrap_or(0)).sum::<u32>();
        Ok(TICK * ticks)
    }

    /// Memory of all its processes, of what they share each its part.
    pub(super) fn memory(&self) -> io::Result<u64> {
        let of = |process: u32| {
            let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Ok(self.processes().into_iter().filter_map(of).sum::<u64>() * 1024)
    }

    /// It and its children, and theirs.
    fn processes(&self) -> Vec<u32> {
        let (mut all, mut at) = (vec![self.process.id()], 0);
        while let Some(process) = all.get(at).copied() {
            let file = format!("/proc/{process}/task/{process}/children");
            let children = fs::read_to_string(file).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            at += 1;
        }
        all
    }
}

impl Drop for FtpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// User and system time of a process, and of its children that have ended: the 14th to 17th field.
fn ticks(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields = text.rsplit(')').next()?.split_whitespace();
    Some(fields.skip(11).take(4).filter_map(|field| field.parse::<u32>().ok()).sum())
}

fn add_user(trenza: &Path, users: &str) -> io::Result<()> {
    let mut command = Command::new(trenza);
    command.args(["user", "add", "ann", "--password-stdin", "--file", users]);
    let (mut reader, mut writer) = io::pipe()?;
    writer.write_all(b"secret\n")?;
    drop(writer);
    done(command.stdin(reader.try_clone()?).stderr(Stdio::null()))?;
    io::copy(&mut reader, &mut io::sink()).map(drop)
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
