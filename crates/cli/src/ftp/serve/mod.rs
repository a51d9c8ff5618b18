//! `trenza ftp serve`: a folder over FTP.

mod limits;
mod protection;
mod who;

use crate::{
    complaint::Complaint,
    lines::{self, Lines},
    passing::shown,
    room::Room,
    terminal::{say, warn},
    told::Told,
    workers::Workers,
};
use clap::ValueEnum;
use limits::Limits;
use protection::{Protected, Protection};
use std::{
    fs,
    net::Ipv4Addr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};
use trenza::{
    Addr, Reactor, Result,
    ftp::{FtpServer, Transfer},
    storage::{Folder, Storage},
};
use who::Who;

const EXAMPLES: &str = "\
Examples:
  trenza user add ann
  trenza ftp serve --root files --users users.toml
      For this machine only; then: curl ftp://ann@127.0.0.1:2121/
  trenza ftp serve --root pub --anonymous --listen tcp:2121
      For every machine that reaches this one: whoever comes may read, and nobody writes
  trenza cert self
  trenza ftp serve --root files --users users.toml --listen tcp:2121 \\
      --tls-cert localhost.pem --require-tls
      Passwords and files over TLS only, by AUTH TLS; --listen tls:9990 besides: TLS from the start
  trenza ftp serve --root files --users users.toml --listen tcp:2121 \\
      --passive-ports 50000-50099 --public-address 203.0.113.7
      Behind a NAT or firewall that lets 2121 and 50000-50099 through
  trenza ftp serve --root files --users users.toml --listen fd:3
      On the socket that systemd has opened

Accounts have the folder, or one in it that `trenza user add --root` names, with the rights and quota that \
are said there. An upload has a name that nobody sees until it is whole; one that breaks off can be gone on with.

Ctrl-C (or SIGTERM) stops: transfers have 10 s to come to their end. A second one stops at once.
Exit codes: 0 after a graceful stop, 1 error, 2 wrong usage, 130 or 143 when a second signal cut it short.";

/// Serves a folder over FTP, with accounts, and TLS if wished.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The folder to serve
    #[arg(long, value_name = "DIR")]
    root: PathBuf,

    /// Where to listen: tcp:PORT for all addresses of this machine, tcp:PORT:interface=ADDRESS for one; port 0 is
    /// any that is free; tls:PORT for TLS from the start, with the certificate of --tls-cert. May be repeated
    #[arg(short, long, value_name = "ENDPOINT", default_value = "tcp:2121:interface=127.0.0.1")]
    listen: Vec<String>,

    /// What clients are greeted with
    #[arg(long, value_name = "TEXT")]
    banner: Option<String>,

    #[command(flatten)]
    who: Who,

    #[command(flatten)]
    protection: Protection,

    /// The ports that data connections come to, which a firewall must let in [default: any]
    #[arg(long, value_name = "FROM-TO", value_parser = ports, help_heading = "Data connections")]
    passive_ports: Option<RangeInclusive<u16>>,

    /// The address by which clients reach this machine, if that is not its own: that of the NAT in front of it
    #[arg(long, value_name = "IP", help_heading = "Data connections")]
    public_address: Option<Ipv4Addr>,

    /// Have uploads on the disk before they are said to be complete: slower, and they survive a loss of power
    #[arg(long, help_heading = "Uploads")]
    sync: bool,

    /// Keep nothing of an upload that breaks off
    #[arg(long, help_heading = "Uploads")]
    discard_partial: bool,

    #[command(flatten)]
    limits: Limits,

    /// The line that each transfer of a file leaves on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text", alias = "log", help_heading = "Log")]
    log_format: LogFormat,

    /// Leave no line for transfers
    #[arg(short, long, conflicts_with = "log_format", help_heading = "Log")]
    quiet: bool,

    #[command(flatten)]
    workers: Workers,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// When, how long, who, where from, which way, bytes, the file, and what went wrong
    Text,
    /// A JSON object a line
    Json,
}

/// What it says when it stops.
const STOPPING: &str = "Stopping: transfers have 10 s to come to their end. Ctrl-C again stops at once.";
/// What a session may hold open: its connection, a data connection or the port for one, a file.
const DESCRIPTORS: u64 = 3;
/// Temporary files that nobody has written to for so long are those of a server that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Serves until it is told to stop.
pub(super) fn run(args: &Args, descriptors: u64) -> Result {
    // To be opened a folder need not be one that may be entered; `.` in it says whether it is.
    let entered = fs::metadata(args.root.join("."));
    entered.map_err(|error| Complaint::folder(&args.root, &error))?;
    args.keep_secrets()?;
    let server = args.server()?;
    lines::run(&args.workers, |reactor, lines| args.serve(reactor, &server, lines, descriptors))
}

impl Args {
    fn server(&self) -> Result<Protected> {
        let mut server = FtpServer::new(self.who.portal(&self.root)?)
            .keep_partial(!self.discard_partial)
            .sync(self.sync)
            .rates(self.limits.rates());
        if let Some(banner) = &self.banner {
            server = server.banner(banner);
        }
        if let Some(ports) = &self.passive_ports {
            server = server.passive_ports(ports.clone());
        }
        if let Some(ip) = self.public_address {
            server = server.public_address(ip);
        }
        self.protection.protect(server.limits(self.limits.limits()))
    }

    fn serve(&self, reactor: &Reactor, server: &Protected, lines: &Lines, descriptors: u64) -> Result {
        let folder = Folder::new(&self.root)?;
        let room = Room { descriptors, reserved: 0, each: DESCRIPTORS };
        let sessions = room.clients(Some(self.limits.sessions()), reactor);
        // Whoever comes then is told so, for which there is room, too.
        reactor.set_connections_max(sessions.saturating_mul(2).saturating_add(sessions / 4 + 1));
        let factory = self.logged(&server.server, lines).factory();
        let mut bound = Vec::new();
        for endpoint in &self.listen {
            let first = bound.is_empty() && reactor.loop_index() == 0;
            let told = first.then(|| (reactor.clone(), lines.clone(), STOPPING));
            let (on, secured) = server.endpoint(endpoint)?;
            let port = reactor.listen_with(on, Told::new(factory.clone(), told));
            let port = port.map_err(|error| Complaint::listen(endpoint, &*error))?;
            bound.push((port.addr(), secured));
        }
        if reactor.loop_index() == 0 {
            self.say(&bound);
            if let Some(before) = reactor.wall().checked_sub(ABANDONED) {
                Storage::new(reactor, folder).sweep(before).detach();
            }
        }
        Ok(())
    }

    /// The server of one loop, whose transfers leave lines.
    fn logged(&self, server: &FtpServer, lines: &Lines) -> FtpServer {
        if self.quiet {
            return server.clone();
        }
        let line = match self.log_format {
            LogFormat::Text => Transfer::text,
            LogFormat::Json => Transfer::json,
        };
        let lines = lines.clone();
        server.clone().log(move |transfer: &Transfer| {
            if let Some(reactor) = Reactor::try_current() {
                lines.push(&reactor, &line(transfer));
            }
        })
    }

    fn say(&self, bound: &[(Addr, bool)]) {
        let root = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        say(&format!("Serving {} to {}", root.display(), self.who));
        for (address, secured) in bound {
            let (scheme, over) = self.protection.shown(*secured);
            say(&shown(scheme, address, over));
        }
        let outside = |address: &Addr| address.ip().is_some_and(|ip| !ip.is_loopback());
        let open = bound.iter().any(|(address, secured)| !secured && outside(address));
        if open && self.who.has_passwords() {
            self.protection.warn();
        }
        if self.public_address.is_some() && self.passive_ports.is_none() {
            warn("--public-address without --passive-ports: the NAT must pass on every port");
        }
        self.workers.started();
    }

    /// Serves no file with passwords or keys in it, which is easily done where `trenza user` has just made one.
    fn keep_secrets(&self) -> Result {
        let root = self.root.canonicalize()?;
        for secret in self.who.files().chain(self.protection.secrets()) {
            // What is not there is told when it is read.
            let Ok(file) = secret.canonicalize() else { continue };
            if file.starts_with(&root) {
                return Err(exposed(secret, &self.root).into());
            }
        }
        Ok(())
    }
}

fn exposed(secret: &Path, root: &Path) -> Complaint {
    let (secret, root) = (secret.display(), root.display());
    Complaint::new(format!("{secret} lies in {root}, which is served: everybody could fetch it"))
        .remedy("serve another folder, --root DIR, or keep the file elsewhere")
}

/// `FROM-TO`.
fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..=to.parse().ok()?));
    let fits = range.filter(|range: &RangeInclusive<u16>| !range.is_empty() && *range.start() > 0);
    fits.ok_or_else(|| "a range of ports is wanted, like 50000-50099".into())
}
