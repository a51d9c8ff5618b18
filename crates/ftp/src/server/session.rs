//! [`Session`]: a control connection.

use super::{
    channel::Channel,
    config::Config,
    failure::{self, Failure},
    pipes::Pipes,
    seats::{AccountPlace, Place},
    settings::Settings,
    transfer::Running,
};
use crate::{
    Code, Reply,
    command::{Command, Error, Reader},
    reply,
};
use std::{cell::Cell, rc::Rc, sync::Arc};
use trenza_auth::Account;
use trenza_core::{Deferred, Input, Limits, OutBuf, Protocol, Reason, Result, Seat, Timeout, Transport};
use trenza_storage::{ErrorKind, Path, Storage};

/// So many bytes of commands may wait while one is carried out; then the client is not read.
const AHEAD_MAX: usize = 8 * 1024;
/// So many bytes of replies wait at most for a client that does not read them.
const UNSENT_MAX: usize = 4 * 1024 * 1024;

/// A control connection.
///
/// ```text
///           USER            PASS
///  Nobody ────────▶ Named ────────▶ (login) ────▶ In: commands one by one
///    ▲ ▲               │ refused       │            │ │
///    │ └───────────────┴───────────────┘            │ └─ waiting: an operation is on the pool
///    └────────── REIN, USER, AUTH TLS ──────────────┘    transfer: only ABOR, STAT, NOOP and QUIT are read
/// ```
pub(super) struct Session {
    config: Arc<Config>,
    reader: Reader,
    pub(super) access: Access,
    pub(super) settings: Settings,
    pub(super) channel: Channel,
    pub(super) transfer: Option<Running>,
    /// An operation is under way, and no command is read until it is over.
    waiting: bool,
    /// QUIT came during a transfer.
    quitting: bool,
    /// The reactor is stopping.
    stopping: bool,
    /// The client sends no more.
    ended: bool,
    /// What ends TLS, where CCC may.
    pub(super) clearing: Option<Rc<Cell<bool>>>,
    /// Commands before the login.
    pub(super) before_login: u32,
    /// Commands in a row that were not understood.
    errors: u32,
    /// What is under way has moved nothing for the time that a client may be silent.
    late: bool,
    /// Logins that were refused.
    pub(super) refused: u32,
    /// The last number that a channel was given.
    pub(super) numbers: u64,
    _places: (Place, Option<Seat>),
}

/// Who is there.
pub(super) enum Access {
    Nobody,
    /// USER was said.
    Named(Vec<u8>),
    In(Box<User>),
}

/// Who has logged in.
pub(super) struct User {
    pub(super) account: Arc<Account>,
    pub(super) storage: Storage,
    /// The current folder.
    pub(super) folder: Path,
    pub(super) pipes: Pipes,
    pub(super) _place: AccountPlace,
}

/// A client that is turned away.
pub(super) struct Turned(pub(super) &'static str);

impl Protocol for Turned {
    fn connection_made(&mut self, at: &Transport) -> Result {
        say(at, Code::UNAVAILABLE, self.0);
        at.close();
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }
}

/// Sends a reply of one line.
pub(super) fn say(at: &Transport, code: Code, text: impl AsRef<[u8]>) {
    let mut out = OutBuf::new();
    reply::write(code, text, &mut out);
    at.send(&mut out);
}

/// Sends a reply of several lines.
pub(super) fn say_all(at: &Transport, reply: &Reply) {
    let mut out = OutBuf::new();
    reply.write(&mut out);
    at.send(&mut out);
}

/// Says why something was not done.
pub(super) fn refuse(at: &Transport, kind: ErrorKind) {
    say(at, failure::code(kind), failure::text(kind));
}

impl Session {
    pub(super) fn new(config: Arc<Config>, at: &Transport, places: (Place, Option<Seat>)) -> Self {
        let protected = at.peer().secured.is_some() && config.tls.is_some();
        Self {
            config,
            reader: Reader::default(),
            access: Access::Nobody,
            settings: Settings::new(protected),
            channel: Channel::None,
            transfer: None,
            waiting: false,
            quitting: false,
            stopping: false,
            ended: false,
            clearing: None,
            before_login: 0,
            errors: 0,
            late: false,
            refused: 0,
            numbers: 0,
            _places: places,
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn user(&self) -> Option<&User> {
        match &self.access {
            Access::In(user) => Some(user),
            _ => None,
        }
    }

    /// A number that no channel had before.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Reads no command until `what` has ended and `then` has answered.
    pub(super) fn wait<T: 'static>(
        &mut self,
        at: &Transport,
        what: Deferred<T>,
        then: impl FnOnce(&mut Self, &Transport, Result<T>) -> Result + 'static,
    ) {
        self.waiting = true;
        what.then_in(at.handle::<Self>(), |session, at, result| {
            session.waiting = false;
            then(session, at, result)?;
            session.go_on(at);
            Ok(())
        });
    }

    /// Something is over: what comes next?
    pub(super) fn go_on(&mut self, at: &Transport) {
        if self.waiting || self.transfer.is_some() {
            // What may be said meanwhile may have come already.
            return at.resume();
        }
        if self.quitting {
            return leave(at, Code::GOODBYE, "Goodbye");
        }
        if self.stopping {
            return leave(at, Code::UNAVAILABLE, "The server is stopping");
        }
        if self.ended && at.counts().unread == 0 {
            return at.close();
        }
        at.resume();
    }

    /// Whether the next command is one that is carried out during a transfer (RFC 959 section 4.1.3: ABOR, STAT, QUIT).
    fn is_urgent(&self, input: &Input<'_>) -> bool {
        if self.waiting {
            return false;
        }
        let frozen = Cell::new(false);
        let mut ahead = Input::new(input.peek(), &frozen, input.unread_max());
        matches!(
            self.reader.clone().next(&mut ahead),
            Ok(None | Some(Command::Abor | Command::Stat(None) | Command::Quit | Command::Noop))
        )
    }

    /// Whether ABOR has come behind commands that wait for the end of the transfer. It ends the transfer now, and is
    /// answered when it is its turn.
    fn is_abort_ahead(&self, input: &Input<'_>) -> bool {
        let frozen = Cell::new(false);
        let mut ahead = Input::new(input.peek(), &frozen, input.unread_max());
        let mut reader = self.reader.clone();
        loop {
            match reader.next(&mut ahead) {
                Ok(Some(Command::Abor)) => return true,
                Ok(None) => return false,
                // What is wrong with them is told when it is their turn.
                Ok(Some(_)) | Err(_) => {}
            }
        }
    }

    /// Whether something is under way, and not for too long: data connections have their own limits, and what is done to
    /// files has twice the time that a client may be silent.
    fn is_at_work(&mut self) -> bool {
        let moves = self.transfer.as_ref().is_some_and(Running::is_moving);
        let late = std::mem::replace(&mut self.late, !moves);
        moves || ((self.waiting || self.transfer.is_some()) && !late)
    }

    fn malformed(&mut self, at: &Transport, error: &Error) {
        self.errors += 1;
        match error {
            Error::Remote { reply, what } => say(at, *reply, what),
            Error::Local(_) => say(at, Code::NOT_UNDERSTOOD, "Not understood"),
        }
        if self.errors >= self.config().limits.errors {
            leave(at, Code::UNAVAILABLE, "Too many errors");
        }
    }

    fn command(&mut self, at: &Transport, command: Command) -> Result {
        self.errors = 0;
        self.late = false;
        if self.user().is_none() {
            self.before_login += 1;
            if self.before_login > self.config().limits.commands_before_login {
                leave(at, Code::UNAVAILABLE, "Too many commands before the login");
                return Ok(());
            }
        }
        match command {
            Command::Quit if self.transfer.is_some() => self.quitting = true,
            Command::Quit => leave(at, Code::GOODBYE, "Goodbye"),
            Command::Abor => self.abort_transfer(at),
            Command::Noop => say(at, Code::OK, "Here I am"),
            Command::Stat(None) => self.status(at),
            other => return self.anybody(at, other),
        }
        Ok(())
    }

    /// What needs no login.
    fn anybody(&mut self, at: &Transport, command: Command) -> Result {
        match command {
            Command::User(name) => self.name(at, name),
            Command::Pass(password) => self.password(at, password),
            Command::Acct(_) => say(at, Code::SUPERFLUOUS, "No account is needed beside name and password"),
            Command::Rein => self.reinitialize(at),
            Command::Host(name) => self.host(at, &name),
            Command::Auth(mechanism) => return self.protect(at, mechanism),
            Command::Pbsz(_) => self.buffer_size(at),
            Command::Prot(protection) => self.protection(at, protection),
            Command::Ccc => self.clear(at),
            Command::Lang(language) => self.language(at, language.as_deref()),
            Command::Feat => self.features(at),
            Command::Opts(option) => self.option(at, option),
            Command::Syst => say(at, Code::SYSTEM, "UNIX Type: L8"),
            Command::Help(about) => self.help(at, about.as_deref()),
            _ if self.user().is_none() => say(at, Code::NOT_LOGGED_IN, "Log in with USER and PASS"),
            other => return self.logged_in(at, other),
        }
        Ok(())
    }

    fn logged_in(&mut self, at: &Transport, command: Command) -> Result {
        // RFC 959 section 4.1.3 and RFC 3659 section 5.3: these two hold for the very next command only; what only
        // prepares it may stand between.
        let renamed = self.settings.renamed.take();
        let restart = self.settings.restart;
        match &command {
            Command::Retr(_)
            | Command::Stor(_)
            | Command::Appe(_)
            | Command::Pasv
            | Command::Epsv(_)
            | Command::Port(_)
            | Command::Eprt(_)
            | Command::Type(_)
            | Command::Mode(_)
            | Command::Stru(_)
            | Command::Allo(_) => {}
            _ => self.settings.restart = 0,
        }
        match command {
            Command::Type(kind) => self.representation(at, kind),
            Command::Mode(mode) => self.mode(at, mode),
            Command::Stru(structure) => self.structure(at, structure),
            Command::Rest(offset) => self.restart(at, offset),
            Command::Allo(_) => say(at, Code::SUPERFLUOUS, "Nothing needs to be allocated"),
            Command::Pasv => self.passive(at),
            Command::Epsv(which) => self.extended_passive(at, which),
            Command::Port(to) => self.active(at, to, false),
            Command::Eprt(to) => self.active(at, to, true),
            Command::Retr(path) => self.retrieve(at, &path, restart),
            Command::Stor(path) => self.store(at, &path, restart),
            Command::Appe(path) => self.append(at, &path),
            Command::Stou => self.store_unique(at),
            Command::List(listed) => self.list(at, listed, false),
            Command::Nlst(listed) => self.list(at, listed, true),
            Command::Mlsd(path) => self.list_facts(at, path.as_deref()),
            Command::Mlst(path) => self.facts(at, path.as_deref()),
            Command::Stat(Some(path)) => self.status_of(at, path),
            Command::Rnfr(path) => self.rename_from(at, &path),
            Command::Rnto(path) => self.rename_to(at, &path, renamed),
            other => self.file(at, other),
        }
        Ok(())
    }
}

/// Says goodbye.
pub(super) fn leave(at: &Transport, code: Code, text: &str) {
    say(at, code, text);
    at.close();
}

impl Protocol for Session {
    fn connection_made(&mut self, at: &Transport) -> Result {
        let limits = &self.config().limits;
        at.set_limits(Limits { unsent: UNSENT_MAX, ..(*at.limits()).clone() });
        at.set_timeout(Some(limits.idle));
        at.set_deadline(Some(limits.login));
        say(at, Code::READY, &self.config().banner);
        Ok(())
    }

    fn data_received(&mut self, at: &Transport, input: &mut Input<'_>) -> Result {
        while at.is_open() && !at.is_full() && !self.quitting {
            if (self.waiting || self.transfer.is_some()) && !self.is_urgent(input) {
                if self.transfer.is_some() && self.is_abort_ahead(input) {
                    self.break_off(Failure::Aborted);
                }
                if input.len() > AHEAD_MAX {
                    at.pause();
                }
                return Ok(());
            }
            match self.reader.next(input) {
                Ok(Some(command)) => self.command(at, command)?,
                Ok(None) => break,
                Err(error) => self.malformed(at, &error),
            }
        }
        if self.ended && !self.waiting && self.transfer.is_none() && !at.is_full() {
            at.close();
        }
        Ok(())
    }

    fn eof_received(&mut self, at: &Transport, input: &mut Input<'_>) -> Result {
        self.ended = true;
        self.data_received(at, input)?;
        if self.transfer.is_some() && !self.quitting {
            // Whoever is gone without a word has not finished what he was at, whatever his data connection says.
            self.break_off(Failure::Aborted);
        }
        Ok(())
    }

    fn writable(&mut self, at: &Transport) -> Result {
        at.resume();
        Ok(())
    }

    fn timed_out(&mut self, at: &Transport, which: Timeout) -> Result {
        match which {
            Timeout::Idle if self.is_at_work() => at.set_timeout(Some(self.config().limits.idle)),
            Timeout::Idle if self.waiting || self.transfer.is_some() => {
                leave(at, Code::UNAVAILABLE, "It took too long");
            }
            Timeout::Idle => leave(at, Code::UNAVAILABLE, "You were silent too long"),
            Timeout::Deadline => leave(at, Code::UNAVAILABLE, "You took too long to log in"),
            _ => at.abort(),
        }
        Ok(())
    }

    fn stopping(&mut self, at: &Transport) -> Result {
        self.stopping = true;
        if !self.waiting && self.transfer.is_none() {
            leave(at, Code::UNAVAILABLE, "The server is stopping");
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, _: &Reason) {
        self.break_off(Failure::Aborted);
        std::mem::take(&mut self.channel).close();
    }
}
