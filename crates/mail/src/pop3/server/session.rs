//! [`Session`]: a connection.

use super::{
    ahead::KEPT_MAX,
    config::Config,
    factory::Here,
    maildrop::Maildrop,
    message::PIECE,
    sending::{Listing, Sending},
};
use crate::{
    pop3::{
        Command, Reply, ResponseCode,
        command::{Reader, Violation},
    },
    sasl::Exchange,
    seats::Place,
};
use std::rc::Rc;
use trenza_core::{Deferred, Input, Limits, Protocol, Result, Seat, Timeout, Transport};
use trenza_tls::StartTls;

/// So many bytes of commands may wait while one is carried out; then the client is not read.
const AHEAD_MAX: usize = 8 * 1024;
/// So many bytes wait at most for a client that does not read them: a piece of a message, as lines, and what the connection holds before it is
/// full.
const UNSENT_MAX: usize = 3 * PIECE;

/// A connection (RFC 1939 section 3).
///
/// ```text
///            USER PASS, AUTH           QUIT
///  Greeted ──────────────────▶ Open ─────────▶ (remove) ──▶ Over
///     ▲  │ STLS
///     └──┘
/// ```
///
/// Commands are carried out one after the other: while one waits, or is being answered, the next ones are not read.
pub(super) struct Session {
    pub(super) here: Rc<Here>,
    reader: Reader,
    pub(super) state: State,
    /// A login is under way.
    pub(super) exchange: Option<Box<Exchange>>,
    /// What is being sent behind a reply.
    pub(super) sending: Option<Sending>,
    /// An answer is awaited.
    waiting: bool,
    /// The reactor is stopping.
    stopping: bool,
    /// The client sends no more.
    ended: bool,
    errors: u32,
    pub(super) refused_logins: u32,
    _places: (Place, Option<Seat>),
}

/// Where a session is.
pub(super) enum State {
    /// Nobody has logged in: AUTHORIZATION.
    Greeted {
        /// Who was named by USER.
        user: Option<String>,
    },
    /// Somebody has: TRANSACTION.
    Open(Box<Maildrop>),
    /// The end: UPDATE.
    Over,
}

impl Default for State {
    fn default() -> Self {
        Self::Greeted { user: None }
    }
}

impl Session {
    pub(super) fn new(here: Rc<Here>, places: (Place, Option<Seat>)) -> Self {
        Self {
            here,
            reader: Reader::new(),
            state: State::default(),
            exchange: None,
            sending: None,
            waiting: false,
            stopping: false,
            ended: false,
            errors: 0,
            refused_logins: 0,
            _places: places,
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.here.config
    }

    /// The messages, if somebody has logged in.
    pub(super) fn maildrop(&self) -> Option<&Maildrop> {
        if let State::Open(maildrop) = &self.state { Some(maildrop) } else { None }
    }

    pub(super) fn maildrop_mut(&mut self) -> Option<&mut Maildrop> {
        if let State::Open(maildrop) = &mut self.state { Some(maildrop) } else { None }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Reads nothing until `what` is there and `then` has answered. An error of `then` aborts the connection.
    pub(super) fn wait<T: 'static>(
        &mut self,
        at: &Transport,
        what: Deferred<T>,
        then: impl FnOnce(&mut Self, &Transport, Result<T>) -> Result + 'static,
    ) {
        self.waiting = true;
        self.set_times(at);
        what.then_in(at.handle::<Self>(), |session, at, result| {
            session.waiting = false;
            then(session, at, result)?;
            session.go_on(at);
            Ok(())
        });
    }

    /// Whether no command can be carried out now.
    fn is_busy(&self) -> bool {
        self.waiting || self.sending.is_some()
    }

    /// Something is over: what comes next?
    fn go_on(&mut self, at: &Transport) {
        if !self.is_busy() && (self.stopping || (self.ended && at.counts().unread == 0)) {
            return at.close();
        }
        self.set_times(at);
        at.resume();
    }

    /// How long the client, or we, may take for what comes next.
    fn set_times(&self, at: &Transport) {
        let limits = &self.config().limits;
        let (idle, deadline) = match (self.waiting, self.sending.is_some()) {
            (true, _) => (None, Some(limits.work)),
            (false, true) => (Some(limits.idle), None),
            (false, false) => {
                let has_ahead = self.maildrop().is_some_and(|maildrop| maildrop.ahead.is_some());
                (Some(if has_ahead { limits.idle.min(KEPT_MAX) } else { limits.idle }), Some(limits.idle))
            }
        };
        at.set_timeout(idle);
        at.set_deadline(deadline);
    }

    /// Says no, and goodbye if it was too often.
    pub(super) fn refuse(&mut self, at: &Transport, reply: &Reply) {
        self.errors += 1;
        say(at, reply);
        if self.errors >= self.config().limits.errors {
            at.close();
        }
    }

    pub(super) fn not_yet(&mut self, at: &Transport) {
        self.refuse(at, &Reply::err("Log in first"));
    }

    fn violation(&mut self, at: &Transport, violation: Violation<Reply>) {
        match violation {
            Violation::Refused(reply) => self.refuse(at, &reply),
            Violation::Fatal(reply) => leave(at, &reply),
        }
    }

    fn command(&mut self, at: &Transport, command: Command) -> Result {
        match command {
            Command::Capa => self.capa(at),
            Command::Stls => return self.start_tls(at),
            Command::User(name) => self.user(at, name),
            Command::Pass(password) => self.pass(at, password),
            Command::Auth { mechanism, initial } => self.auth(at, &mechanism, initial),
            Command::Stat => match self.maildrop().map(Maildrop::count) {
                Some((count, size)) => say(at, &Reply::ok(format!("{count} {size}"))),
                None => self.not_yet(at),
            },
            Command::List(number) => self.list(at, Listing::Sizes, number),
            Command::Uidl(number) => self.list(at, Listing::Uids, number),
            Command::Retr(number) => self.retrieve(at, number),
            Command::Top { message, lines } => self.top(at, message, lines),
            Command::Dele(_) if self.maildrop().is_some_and(|maildrop| !maildrop.is_deletable()) => {
                self.refuse(at, &Reply::err("Your account may not delete mail").code(ResponseCode::SysPerm));
            }
            Command::Dele(number) => match self.maildrop_mut().map(|maildrop| maildrop.delete(number)) {
                Some(true) => say(at, &Reply::ok("Deleted at the end")),
                Some(false) => self.no_such_message(at),
                None => self.not_yet(at),
            },
            Command::Rset => match self.maildrop_mut().map(Maildrop::reset) {
                Some(()) => say(at, &Reply::ok("Nothing will be deleted")),
                None => self.not_yet(at),
            },
            Command::Noop if self.maildrop().is_some() => say(at, &Reply::ok("")),
            Command::Noop => self.not_yet(at),
            Command::Quit => self.quit(at),
        }
        Ok(())
    }

    /// What CAPA is answered with (RFC 2449 section 5).
    fn capa(&self, at: &Transport) {
        let config = self.config();
        let mut text =
            String::from("TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\n");
        if self.takes_passwords(at) {
            text += "USER\r\n";
        }
        let offered = self.mechanisms(at);
        if !offered.is_empty() {
            text += &format!("SASL {}\r\n", offered.join(" "));
        }
        if config.tls.is_some() && at.peer().secured.is_none() {
            text += "STLS\r\n";
        }
        if !config.limits.login_delay.is_zero() {
            text += &format!("LOGIN-DELAY {}\r\n", config.limits.login_delay.as_secs());
        }
        at.compose(|out| {
            Reply::ok("What is offered").write(out);
            out.push_slice(text.as_bytes());
            out.push_slice(b"IMPLEMENTATION Trenza\r\n.\r\n");
        });
    }

    fn start_tls(&mut self, at: &Transport) -> Result {
        let refusal = match &self.state {
            _ if at.peer().secured.is_some() => Some("The connection is protected already"),
            // RFC 2595 section 4.
            State::Open(_) | State::Over => Some("It is too late for TLS"),
            State::Greeted { .. } => None,
        };
        let tls = match (refusal, self.config().tls.clone()) {
            (None, Some(tls)) => tls,
            (refusal, _) => {
                self.refuse(at, &Reply::err(refusal.unwrap_or("TLS is not offered")));
                return Ok(());
            }
        };
        // Nothing that was said before counts.
        self.state = State::default();
        say(at, &Reply::ok("TLS from here on"));
        at.start_tls(&tls)
    }

    fn quit(&mut self, at: &Transport) {
        let goodbye = Reply::ok("Goodbye");
        let State::Open(maildrop) = std::mem::replace(&mut self.state, State::Over) else {
            return leave(at, &goodbye);
        };
        let (maildir, marked, held) = maildrop.into_marked();
        if marked.is_empty() {
            return leave(at, &goodbye);
        }
        let (removed, resolver) = at.reactor().deferred();
        // The mailbox is kept until it is over, also if the client is gone meanwhile: it has said QUIT.
        maildir.remove_all(marked).then(move |result| {
            drop(held);
            resolver.fire(result);
        });
        self.wait(at, removed, move |_, at, removed| {
            match removed {
                Ok(()) => leave(at, &goodbye),
                Err(error) => {
                    tracing::error!(%error, "messages cannot be deleted");
                    let reply = Reply::err("Some messages could not be deleted");
                    leave(at, &reply.code(ResponseCode::SysTemp));
                }
            }
            Ok(())
        });
    }

    /// One command, or a line of a login; false: it is not whole yet.
    fn step(&mut self, at: &Transport, input: &mut Input<'_>) -> Result<bool> {
        if self.exchange.is_some() {
            match self.reader.response::<Command>(input) {
                Ok(None) => return Ok(false),
                Ok(Some(response)) => self.response(at, response),
                Err(violation) => {
                    self.exchange = None;
                    self.violation(at, violation);
                }
            }
            return Ok(true);
        }
        match self.reader.next(input) {
            Ok(None) => return Ok(false),
            Ok(Some(command)) => self.command(at, command)?,
            Err(violation) => self.violation(at, violation),
        }
        Ok(true)
    }
}

/// Sends a reply.
pub(super) fn say(at: &Transport, reply: &Reply) {
    at.compose(|out| reply.write(out));
}

/// Says goodbye.
pub(super) fn leave(at: &Transport, reply: &Reply) {
    say(at, reply);
    at.close();
}

impl Protocol for Session {
    fn connection_made(&mut self, at: &Transport) -> Result {
        at.set_limits(Limits { unsent: UNSENT_MAX, ..(*at.limits()).clone() });
        self.set_times(at);
        say(at, &Reply::ok(format!("{} POP3", self.config().host)));
        Ok(())
    }

    fn data_received(&mut self, at: &Transport, input: &mut Input<'_>) -> Result {
        let mut moved = false;
        while at.is_open() && !at.is_full() {
            if self.is_busy() {
                if input.len() > AHEAD_MAX {
                    at.pause();
                }
                return Ok(());
            }
            if !self.step(at, input)? {
                break;
            }
            moved = true;
        }
        if at.is_full() {
            // Until it is writable: nobody has to keep what it sends meanwhile.
            at.pause();
        } else if self.ended && !self.is_busy() {
            at.close();
        } else if moved && !self.is_busy() && at.is_open() {
            self.set_times(at);
        }
        Ok(())
    }

    fn eof_received(&mut self, at: &Transport, input: &mut Input<'_>) -> Result {
        self.ended = true;
        self.data_received(at, input)
    }

    fn writable(&mut self, at: &Transport) -> Result {
        self.send_on(at);
        if !self.waiting {
            self.go_on(at);
        }
        Ok(())
    }

    fn timed_out(&mut self, at: &Transport, which: Timeout) -> Result {
        let idle = self.config().limits.idle;
        if which == Timeout::Idle
            && let Some(maildrop) = self.maildrop_mut()
            && maildrop.ahead.take().is_some()
        {
            // There is the deadline yet.
            at.set_timeout(Some(idle));
            return Ok(());
        }
        let counts = at.counts();
        let is_taking = counts.unsent > 0 || counts.held.unwrap_or(0) > 0;
        if which == Timeout::Deadline && !self.waiting && is_taking {
            // The client is not silent: it takes what it was sent. Its silence would be the other timeout.
            at.set_deadline(Some(idle));
            return Ok(());
        }
        // RFC 1939 section 3: without a word, and nothing is deleted.
        self.state = State::Over;
        self.sending = None;
        at.close();
        Ok(())
    }

    fn stopping(&mut self, at: &Transport) -> Result {
        self.stopping = true;
        if !self.is_busy() {
            at.close();
        }
        Ok(())
    }
}

/// An idle session is this, its mailbox, and what the engine has of a connection (some 400 bytes).
const _: () = assert!(size_of::<Session>() <= 256);
