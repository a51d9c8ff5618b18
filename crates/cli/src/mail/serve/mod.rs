//! `trenza mail serve`: a mail server.

mod limits;
mod ports;
mod site;

use crate::{
    complaint::Complaint,
    lines::{self, Lines},
    room::Room,
    terminal::say,
    told::Told,
    workers::Workers,
};
use clap::ValueEnum;
use limits::Limits;
use ports::{Ports, Purpose};
use site::{Known, Site};
use std::{fs, sync::Arc, time::Duration};
use trenza::{
    Factory, Reactor, Result,
    auth::{Accounts, Portal, Throttle},
    mail::{
        local::{Exchange, Local},
        maildir::{Maildir, Mailstore},
        pop3::{Pop3Server, Reply},
        smtp::{
            SmtpServer,
            server::{Logged, Mode, Record},
        },
    },
    storage::{Folder, Path, Storage, Tree},
    tls::ServerTls,
};

const EXAMPLES: &str = "\
Examples:
  mkdir mail; trenza user add ann
  trenza mail serve --domain example.org --maildir mail --users users.toml
      For this machine only; then: swaks --server 127.0.0.1:2525 --to ann@example.org
  trenza mail serve --domain example.org --hostname mail.example.org --maildir mail --users users.toml \\
      --smtp tcp:25 --submission tcp:587 --submission tls:465 --tls-certs /etc/letsencrypt/live
      For the world: receives for example.org, and takes what accounts send
  trenza mail serve --domain example.org --maildir mail --users users.toml --smtp tcp:25 --pop3 tls:995 --tls-cert cert.pem
      Accounts fetch their mail by POP3
  trenza mail serve --domain example.org --maildir mail --users users.toml --lmtp unix:/run/trenza/lmtp
      Behind another server, which receives
  trenza mail serve --domain example.org --maildir mail --users users.toml --aliases aliases --catch-all ann

What is answered 250 is on the disk, synced. Messages for NAME@DOMAIN and NAME+ANYTHING@DOMAIN go to the Maildir of the
account NAME, those for the account NAME@DOMAIN to its own; `trenza user add --quota 2G` says how much it may hold.
Who sends must do so as an address that brings mail to the account's own Maildir.

Aliases, a line each, read again when they change:
  postmaster: ann
  sales: ann, bob+sales@example.org,
      carl
  ann@example.com: \\ann
  staff: :include:/etc/mail/staff
  archive: /srv/mail/archive/      (a Maildir in the folder of --maildir)
  noreply: /dev/null

Ctrl-C (or SIGTERM) stops: messages have 10 s to come to their end. A second one stops at once.
Exit codes: 0 after a graceful stop, 1 error, 2 wrong usage, 130 or 143 when a second signal cut it short.";

/// Receives mail for domains into Maildirs, and takes what accounts send.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    site: Site,

    #[command(flatten)]
    ports: Ports,

    #[command(flatten)]
    limits: Limits,

    /// The line that each message, and each recipient that is refused, leaves on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Log")]
    log_format: LogFormat,

    /// Leave no line for messages
    #[arg(short, long, conflicts_with = "log_format", help_heading = "Log")]
    quiet: bool,

    #[command(flatten)]
    workers: Workers,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// When, how long, how it came, by which name, account, address, sender, recipients, bytes, and what went wrong
    Text,
    /// A JSON object a line
    Json,
}

/// What it says when it stops.
const STOPPING: &str = "Stopping: messages have 10 s to come to their end. Ctrl-C again stops at once.";
/// What a session may hold open: its connection and a file.
const DESCRIPTORS: u64 = 2;
/// Temporary files that nobody has written to for so long are those of a server that was killed.
const ABANDONED: Duration = Duration::from_secs(36 * 3600);

/// Serves until it is told to stop.
pub(super) fn run(args: &Args, descriptors: u64) -> Result {
    // To be opened a folder need not be one that may be entered; `.` in it says whether it is.
    let entered = fs::metadata(args.site.maildir.join("."));
    entered.map_err(|error| Complaint::folder(&args.site.maildir, &error))?;
    args.ports.check()?;
    let known = args.site.known()?;
    let tls = args.ports.certificates.tls()?;
    let servers = Servers::new(args, &known, tls);
    let tree: Arc<dyn Tree> = Arc::new(Folder::new(&args.site.maildir)?);
    lines::run(&args.workers, |reactor, lines| {
        let storage = Storage::over(reactor, tree.clone());
        args.serve(reactor, &servers, &known, &storage, lines, descriptors)
    })
}

/// What all loops share.
struct Servers {
    reception: SmtpServer,
    submission: SmtpServer,
    lmtp: SmtpServer,
    pop3: Pop3Server,
    tls: Option<ServerTls>,
}

impl Servers {
    fn new(args: &Args, known: &Known, tls: Option<ServerTls>) -> Self {
        let (host, domains) = (args.site.hostname(), args.site.domains());
        let (checker, throttle) = (Arc::new(known.accounts.clone()), Throttle::new());
        let portal = |protocol| Portal::shared(protocol, checker.clone(), throttle.clone(), Accounts);
        let (local, plain_auth) = (known.local.clone(), args.ports.allow_plain_auth);
        let made = |server: SmtpServer| {
            let server = server.limits(args.limits.smtp());
            match &tls {
                Some(tls) => server.tls(tls.clone()),
                None => server,
            }
        };
        let submission = SmtpServer::submission(host, portal("submission"))
            .senders(move |account, sender| local.owns(account, sender))
            .allow_plain_auth(plain_auth);
        let pop3 =
            Pop3Server::new(host, portal("pop3")).allow_plain_auth(plain_auth).limits(args.limits.pop3());
        Self {
            reception: made(SmtpServer::reception(host, domains)),
            submission: made(submission),
            lmtp: made(SmtpServer::lmtp(host)),
            pop3: match &tls {
                Some(tls) => pop3.tls(tls.clone()),
                None => pop3,
            },
            tls,
        }
    }

    fn smtp(&self, mode: Mode) -> &SmtpServer {
        match mode {
            Mode::Reception => &self.reception,
            Mode::Submission => &self.submission,
            Mode::Lmtp => &self.lmtp,
        }
    }

    /// What listens where accounts fetch their mail.
    fn pop3(&self, storage: &Storage) -> impl Factory + use<> {
        let storage = storage.clone();
        self.pop3.on(move |account| match Local::maildir(account) {
            Some(place) => Ok(Maildir::new(&storage, place.folder)),
            None => Err(Reply::err("The account can have no mailbox")),
        })
    }
}

impl Args {
    fn serve(
        &self,
        reactor: &Reactor,
        servers: &Servers,
        known: &Known,
        storage: &Storage,
        lines: &Lines,
        descriptors: u64,
    ) -> Result {
        let room = Room { descriptors, reserved: 0, each: DESCRIPTORS };
        let sessions = room.clients(Some(self.limits.sessions()), reactor);
        // Whoever comes then is told so, for which there is room, too.
        reactor.set_connections_max(sessions.saturating_mul(4).saturating_add(sessions / 4 + 1));
        let store = Mailstore::new(storage, self.site.hostname());
        let delivery =
            Logged::new(reactor, Exchange::new(known.local.clone(), store), self.log(reactor, lines));
        let mut bound = Vec::new();
        for planned in self.ports.planned() {
            let first = bound.is_empty() && reactor.loop_index() == 0;
            let told = first.then(|| (reactor.clone(), lines.clone(), STOPPING));
            let (on, secured) = planned.endpoint(servers.tls.as_ref())?;
            let port = match planned.purpose {
                Purpose::Smtp(mode) => {
                    reactor.listen_with(on, Told::new(servers.smtp(mode).on(delivery.clone()), told))
                }
                Purpose::Pop3 => reactor.listen_with(on, Told::new(servers.pop3(storage), told)),
            };
            let port = port.map_err(|error| planned.complaint(&*error))?;
            bound.push(planned.bound(port.addr(), secured));
        }
        if reactor.loop_index() == 0 {
            let root = self.site.maildir.canonicalize().unwrap_or_else(|_| self.site.maildir.clone());
            say(&format!("Serving mail of {}, in {}", self.site, root.display()));
            self.ports.say(&bound);
            self.site.warn_of_postmaster(known);
            self.workers.started();
            sweep(reactor, known, storage);
        }
        Ok(())
    }

    /// What writes the log.
    fn log(&self, reactor: &Reactor, lines: &Lines) -> impl Fn(&Record) + 'static {
        let line = match self.log_format {
            LogFormat::Text => Record::text,
            LogFormat::Json => Record::json,
        };
        let (reactor, lines, quiet) = (reactor.clone(), lines.clone(), self.quiet);
        move |record| {
            if !quiet {
                lines.push(&reactor, &line(record));
            }
        }
    }
}

/// Removes what deliveries of a server that was killed have left.
fn sweep(reactor: &Reactor, known: &Known, storage: &Storage) {
    let accounts = known.accounts.accounts();
    let folders = accounts.into_iter().filter_map(|(account, _)| Path::new(&account.name).ok());
    let maildirs: Vec<Maildir> = folders.map(|folder| Maildir::new(storage, folder)).collect();
    let before = reactor.wall().checked_sub(ABANDONED);
    let whole = before.map(|before| storage.sweep(before));
    let swept = reactor.spawn(async move {
        if let Some(whole) = whole {
            whole.await?;
        }
        for maildir in maildirs {
            // Who has got nothing yet has no Maildir.
            let _ = maildir.sweep().await;
        }
        Ok(())
    });
    swept.detach();
}
