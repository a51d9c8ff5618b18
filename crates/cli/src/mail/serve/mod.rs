//! `trenza mail serve`: a mail server.

mod checks;
mod limits;
mod logins;
mod names;
mod ports;
mod routes;
mod sending;
mod site;

use crate::{
    complaint::Complaint,
    lines::{self, Lines},
    room::Room,
    terminal::say,
    told::Told,
    workers::Workers,
};
use checks::Checking;
use clap::ValueEnum;
use limits::Limits;
use names::{Dns, Servers};
use ports::{Ports, Purpose};
use sending::{Opened, Sending};
use site::{Known, Site};
use std::{fs, sync::Arc, time::Duration};
use trenza::{
    Factory, Reactor, Result,
    auth::{Accounts, Portal, Throttle},
    mail::{
        checks::DkimSigner,
        local::{Courier, Exchange, Local},
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
  trenza mail serve --domain example.org --hostname mail.example.org \\
      --maildir mail --users users.toml --smtp tcp:25 --submission tcp:587 \\
      --submission tls:465 --tls-certs /etc/letsencrypt/live \\
      --queue /var/spool/trenza
      For the world: receives for example.org, and sends what accounts send, by the servers that the DNS names
  trenza mail serve --domain example.org --maildir mail --users users.toml \\
      --queue queue --relay tcp:smtp.example.net:25
      All that is for others goes to one server, which brings it on; `trenza mail queue list --queue queue` shows what waits
  trenza mail serve --domain example.org --maildir mail --users users.toml \\
      --queue queue --logins logins.toml \\
      --relay starttls:smtp.example.net:587 \\
      --route example.com=tls:10.0.0.7:465:ca=ca.pem:server-name=mx.example.com
      The same over TLS, logged in, and mail for example.com to a server of one's own
  trenza mail serve --domain example.org --maildir mail --users users.toml \\
      --smtp tcp:25 --pop3 tls:995 --tls-cert cert.pem
      Accounts fetch their mail by POP3
  trenza mail dkim example.org
  trenza mail serve --domain example.org --maildir mail --users users.toml \\
      --smtp tcp:25 --submission tls:465 --queue queue --tls-cert cert.pem \\
      --check refuse --dkim example.org=mail:mail._domainkey.example.org.pem
      Signs what accounts send, with a key whose record is in the DNS, and refuses what others' domains disown
  trenza mail serve --domain example.org --maildir mail --users users.toml \\
      --lmtp unix:/run/trenza/lmtp
      Behind another server, which receives
  trenza mail serve --domain example.org --maildir mail --users users.toml \\
      --aliases aliases --catch-all ann

What is answered 250 is on the disk, synced. Messages for NAME@DOMAIN and NAME+ANYTHING@DOMAIN go to the Maildir of the \
account NAME, those for the account NAME@DOMAIN to its own; `trenza user add --quota 2G` says how much it may hold. \
Who sends must do so as an address that brings mail to the account's own Maildir, in From too (but for --any-author).

What comes by --smtp is checked, unless it comes from this machine: a proxy before the server must say who its clients are, to \
--smtp haproxy:tcp:PORT. What is found is in the field Authentication-Results, which filters read, and which nobody else can \
claim to be ours. To refuse is sharper than most want: lists and forwarders break what domains wish for.

Aliases, a line each, read again when they change:
  postmaster: ann
  sales: ann, bob+sales@example.org,
      carl
  ann@example.com: \\ann
  staff: :include:/etc/mail/staff
  archive: /srv/mail/archive/      (a Maildir in the folder of --maildir)
  noreply: /dev/null

Logins at other servers, in a file that only the server may read; it may be /dev/fd/3, or `<(pass show logins)`:
  [[login]]
  server = 'smtp.example.net'        # or HOST:PORT, or the whole endpoint
  user = 'ann'
  password = '...'                   # or password-file = 'FILE', whose first line it is
  # allow-plain-auth = true          # also without TLS, and to whom nobody has verified

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
    sending: Sending,

    #[command(flatten)]
    checking: Checking,

    #[command(flatten)]
    servers: Servers,

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
/// What sending may hold open: connections to others, and messages.
const SENDING: usize = 500;
/// Temporary files that nobody has written to for so long are those of a server that was killed.
const ABANDONED: Duration = Duration::from_secs(36 * 3600);

/// Serves until it is told to stop.
pub(super) fn run(args: &Args, descriptors: u64) -> Result {
    // To be opened a folder need not be one that may be entered; `.` in it says whether it is.
    let entered = fs::metadata(args.site.maildir.join("."));
    entered.map_err(|error| Complaint::folder(&args.site.maildir, &error))?;
    args.ports.check()?;
    let shared = Shared::new(args)?;
    let tree: Arc<dyn Tree> = Arc::new(Folder::new(&args.site.maildir)?);
    args.checking.prepare(&*tree)?;
    lines::run(&args.workers, |reactor, lines| {
        let storage = Storage::over(reactor, tree.clone());
        args.serve(reactor, &shared, &storage, lines, descriptors)
    })
}

/// What all loops share.
struct Shared {
    known: Known,
    /// None: nothing is sent to others.
    queue: Option<Opened>,
    signers: Vec<DkimSigner>,
    reception: SmtpServer,
    submission: SmtpServer,
    lmtp: SmtpServer,
    pop3: Pop3Server,
    tls: Option<ServerTls>,
}

impl Shared {
    fn new(args: &Args) -> Result<Self> {
        let (known, tls) = (args.site.known()?, args.ports.certificates.tls()?);
        let (host, domains) = (args.site.hostname(), args.site.domains());
        let (signers, queue) = (args.checking.signers(domains)?, args.sending.open(host)?);
        let (checker, throttle) = (Arc::new(known.accounts.clone()), Throttle::new());
        let portal = |protocol| Portal::shared(protocol, checker.clone(), throttle.clone(), Accounts);
        let (local, plain_auth) = (known.local.clone(), args.ports.allow_plain_auth);
        let made = |server: SmtpServer| {
            // Reports are made by the queue.
            let server = server.limits(args.limits.smtp()).notifies(queue.is_some());
            match &tls {
                Some(tls) => server.tls(tls.clone()),
                None => server,
            }
        };
        let submission = SmtpServer::submission(host, portal("submission"))
            .senders(move |account, sender| local.owns(account, sender))
            .allow_plain_auth(plain_auth)
            .any_author(args.ports.any_author);
        let pop3 =
            Pop3Server::new(host, portal("pop3")).allow_plain_auth(plain_auth).limits(args.limits.pop3());
        Ok(Self {
            reception: made(SmtpServer::reception(host, domains)),
            submission: made(submission),
            lmtp: made(SmtpServer::lmtp(host)),
            pop3: match &tls {
                Some(tls) => pop3.tls(tls.clone()),
                None => pop3,
            },
            known,
            queue,
            signers,
            tls,
        })
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
    /// Where a loop brings what it receives; the first one carries on what the queue holds.
    fn exchange(&self, reactor: &Reactor, shared: &Shared, storage: &Storage, dns: Dns) -> Result<Exchange> {
        let hostname = self.site.hostname();
        let exchange = Exchange::new(shared.known.local.clone(), Mailstore::new(storage, hostname));
        let Some(opened) = &shared.queue else { return Ok(exchange) };
        let inlet = opened.queue.inlet(reactor);
        let exchange = exchange.with_queue(inlet.clone());
        if reactor.loop_index() == 0 {
            let courier =
                Courier::new(&exchange, inlet, self.sending.remote(reactor, opened, dns, hostname)?);
            reactor.start(opened.queue.carried_by(courier))?;
        }
        Ok(exchange)
    }

    fn serve(
        &self,
        reactor: &Reactor,
        shared: &Shared,
        storage: &Storage,
        lines: &Lines,
        descriptors: u64,
    ) -> Result {
        let sending = if shared.queue.is_some() { SENDING } else { 0 };
        let room = Room { descriptors, reserved: sending as u64, each: DESCRIPTORS };
        let sessions = room.clients(Some(self.limits.sessions()), reactor);
        // Whoever comes then is told so, for which there is room, too.
        reactor.set_connections_max(sessions.saturating_mul(4).saturating_add(sessions / 4 + sending + 1));
        let dns = self.servers.dns(reactor);
        let exchange = self.exchange(reactor, shared, storage, dns.clone())?;
        let (hostname, signers) = (self.site.hostname(), &shared.signers);
        let checked = self.checking.before(exchange, reactor, hostname, signers, (dns.clone(), storage))?;
        let delivery = Logged::new(reactor, checked, self.log(reactor, lines));
        let mut bound = Vec::new();
        for planned in self.ports.planned() {
            let first = bound.is_empty() && reactor.loop_index() == 0;
            let told = first.then(|| (reactor.clone(), lines.clone(), STOPPING));
            let (on, secured) = planned.endpoint(shared.tls.as_ref())?;
            let port = match planned.purpose {
                Purpose::Smtp(mode) => {
                    reactor.listen_with(on, Told::new(shared.smtp(mode).on(delivery.clone()), told))
                }
                Purpose::Pop3 => reactor.listen_with(on, Told::new(shared.pop3(storage), told)),
            };
            let port = port.map_err(|error| planned.complaint(&*error))?;
            bound.push(planned.bound(port.addr(), secured));
        }
        if reactor.loop_index() == 0 {
            let root = self.site.maildir.canonicalize().unwrap_or_else(|_| self.site.maildir.clone());
            say(&format!("Serving mail of {}, in {}", self.site, root.display()));
            self.ports.say(&bound);
            self.site.warn_of_postmaster(&shared.known);
            self.workers.started();
            checks::warn_of_records(reactor, dns, signers);
            sweep(reactor, &shared.known, storage);
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
