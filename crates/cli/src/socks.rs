//! `trenza socks`: a SOCKS proxy.

use crate::{
    complaint::Complaint,
    lines::{self, Lines},
    passing::Passing,
    room::Room,
    terminal::{say, warn},
};
use std::{fs, io::ErrorKind, os::unix::fs::MetadataExt, path::PathBuf};
use trenza::{
    Reactor, Result,
    proxy::{Pattern, Rules, SocksServer, Users},
};

const EXAMPLES: &str = "\
Examples:
  trenza socks
      For this machine only; then: curl --proxy socks5h://127.0.0.1:1080 http://example.org/
  trenza socks --listen tcp:1080 --user ann --password-file ann.txt
      For every machine that reaches this one, with one user, whose password is the first line of ann.txt
  trenza socks --listen tcp:1080 --password-file users.txt \\
      --allow '*.example.org:443' --allow 10.0.0.0/8
      Many users, a line of NAME:PASSWORD each, who may go to these destinations only
  trenza socks --listen tls:1081:cert=proxy.pem --password-file users.txt
      Over TLS, so that nobody on the way reads passwords; where clients are:
      trenza forward --listen tcp:1080:interface=127.0.0.1 --to tls:proxy.example:1081:ca=ca.pem

Where clients may go: those of this machine anywhere; those of others not to its loopback and \
link-local addresses (as 127.0.0.1 and 169.254.169.254), unless an --allow names the address.
Private networks are open: --deny closes them.

Ctrl-C (or SIGTERM) stops: connections have 10 s to come to their end. A second one stops at once.
Exit codes: 0 after a graceful stop, 1 error, 2 wrong usage, 130 or 143 when a second signal cut it short.";

/// Runs a SOCKS proxy, versions 4, 4a and 5.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen: tcp:PORT for all addresses of this machine, tcp:PORT:interface=ADDRESS for one; port 0 is
    /// any that is free; tls:PORT:cert=FILE for clients that come over TLS. May be repeated
    #[arg(short, long, value_name = "ENDPOINT", default_value = "tcp:1080:interface=127.0.0.1")]
    listen: Vec<String>,

    /// The only user; the password is the first line of the password file
    #[arg(short, long, value_name = "NAME", requires = "password_file", help_heading = "Users")]
    user: Option<String>,

    /// Who may use the proxy: a line of NAME:PASSWORD each; lines that begin with # are left out. Versions 4 and 4a,
    /// which have no passwords, are refused then
    #[arg(short, long, value_name = "FILE", help_heading = "Users")]
    password_file: Option<PathBuf>,

    /// Where clients may go, and nowhere else: a name, *.NAME, an address, NETWORK/BITS or *, each with or without
    /// :PORT or :PORT-PORT. May be repeated
    #[arg(long, value_name = "WHERE", help_heading = "Destinations")]
    allow: Vec<Pattern>,

    /// Where clients may not go, whatever else is allowed. May be repeated
    #[arg(long, value_name = "WHERE", help_heading = "Destinations")]
    deny: Vec<Pattern>,

    #[command(flatten)]
    passing: Passing,
}

/// Serves until it is told to stop.
pub(crate) fn run(args: &Args, descriptors: u64) -> Result {
    let users = args.users()?;
    lines::run(&args.passing.workers, |reactor, lines| args.serve(reactor, users.clone(), lines, descriptors))
}

impl Args {
    fn serve(&self, reactor: &Reactor, users: Option<Users>, lines: &Lines, descriptors: u64) -> Result {
        let rules = self.deny.iter().cloned().fold(Rules::new(), Rules::deny);
        let rules = self.allow.iter().cloned().fold(rules, Rules::allow);
        let log = self.passing.log(reactor, lines);
        let mut server = SocksServer::new().rules(rules).limits(self.passing.limits()).on_end(log);
        let whom = match &users {
            None => "SOCKS 4, 4a and 5 for everybody".to_owned(),
            Some(users) if users.len() == 1 => "SOCKS 5 for one user".to_owned(),
            Some(users) => format!("SOCKS 5 for {} users", users.len()),
        };
        let open = users.is_none();
        if let Some(users) = users {
            server = server.users(users);
        }
        // A client has a connection to its target, too, or two ports for datagrams.
        let room = Room { descriptors, reserved: 0, each: 3 };
        let all_bound = self.passing.listen(reactor, &self.listen, &server, lines, room)?;
        if reactor.loop_index() > 0 {
            return Ok(());
        }
        say(&whom);
        for bound in &all_bound {
            say(&bound.shown("socks5h://"));
        }
        if open && all_bound.iter().any(|bound| bound.addr.ip().is_some_and(|ip| !ip.is_loopback())) {
            warn("whoever reaches this machine can use it: --password-file asks for a password");
        }
        self.passing.workers.started();
        Ok(())
    }

    /// Those of the password file, if there is one.
    fn users(&self) -> Result<Option<Users>> {
        let Some(path) = &self.password_file else { return Ok(None) };
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| Complaint::password_file(path, &error))?;
        if fs::metadata(path).is_ok_and(|file| file.is_file() && file.mode() & 0o004 != 0) {
            let shown = path.display();
            warn(&format!("everybody on this machine can read {shown}: chmod o-r {shown}"));
        }
        let users = match &self.user {
            None => Users::parse(&text).map_err(|error| Complaint::users(path, &error))?,
            Some(name) => {
                let mut users = Users::new();
                let password = text.lines().next().unwrap_or_default();
                users.add(name, password).map_err(|_| Complaint::only_user(path, name))?;
                users
            }
        };
        if users.is_empty() {
            return Err(Complaint::password_file(path, &ErrorKind::UnexpectedEof.into()).into());
        }
        Ok(Some(users))
    }
}
