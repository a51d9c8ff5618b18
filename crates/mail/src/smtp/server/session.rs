//! [`Session`]: a connection.

use super::{
    Answer, Client, Mode,
    config::Config,
    factory::Here,
    message::{Incoming, Part},
    transaction::Transaction,
};
use crate::{
    sasl::Exchange,
    seats::Place,
    smtp::{
        Code, Command, Host, Reply, Status,
        command::{Reader, Violation},
    },
};
use std::rc::Rc;
use trenza_core::{Deferred, Input, Limits, Protocol, Reason, Result, Seat, Timeout, Transport};
use trenza_tls::StartTls;

/// So many bytes of commands may wait while one is carried out; then the client is not read.
const AHEAD_MAX: usize = 8 * 1024;
/// So many bytes of replies wait at most for a client that does not read them.
const UNSENT_MAX: usize = 256 * 1024;
/// What HELP says.
const HELP: &str =
    "Commands: HELO EHLO LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS AUTH QUIT\nSee RFC 5321";

/// A connection.
///
/// ```text
///            EHLO         MAIL, RCPT               DATA, BDAT
///  greeting ──────▶ hello ──────────▶ transaction ────────────▶ incoming ──▶ (finish) ──┐
///                     ▲ ▲    RSET          │                        │ drop: abort       │
///                     │ └──────────────────┘                        ▼                   │
///                     └─────────────────────────────────────────────┴───────────────────┘
/// ```
///
/// Commands are carried out one after the other: while one waits for its answer the next ones are not read.
pub(super) struct Session {
    pub(super) here: Rc<Here>,
    reader: Reader,
    pub(super) client: Client,
    pub(super) transaction: Option<Box<Transaction>>,
    /// A login is under way.
    pub(super) exchange: Option<Box<Exchange>>,
    /// A message that comes, or did, in part.
    pub(super) incoming: Option<Box<Incoming>>,
    /// What of it is being received; None: commands are.
    pub(super) part: Option<Part>,
    /// An answer is awaited, and no command is read until it is there.
    waiting: bool,
    /// The reactor is stopping.
    stopping: bool,
    /// The client sends no more.
    ended: bool,
    errors: u32,
    unknown: u32,
    idle: u32,
    pub(super) messages: u32,
    pub(super) refused_logins: u32,
    _places: (Place, Option<Seat>),
}

impl Session {
    pub(super) fn new(here: Rc<Here>, at: &Transport, places: (Place, Option<Seat>)) -> Self {
        let client = Client::new(here.config.mode, at.peer());
        Self {
            here,
            reader: Reader::new(),
            client,
            transaction: None,
            exchange: None,
            incoming: None,
            part: None,
            waiting: false,
            stopping: false,
            ended: false,
            errors: 0,
            unknown: 0,
            idle: 0,
            messages: 0,
            refused_logins: 0,
            _places: places,
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.here.config
    }

    /// Reads nothing until `what` is there and `then` has answered.
    pub(super) fn wait<T: 'static>(
        &mut self,
        at: &Transport,
        what: Deferred<T>,
        then: impl FnOnce(&mut Self, &Transport, Result<T>) + 'static,
    ) {
        self.waiting = true;
        self.set_times(at);
        what.then_in(at.handle::<Self>(), |session, at, result| {
            session.waiting = false;
            then(session, at, result);
            session.go_on(at);
            Ok(())
        });
    }

    /// Goes on with `then` if the answer is yes, and tells the client if it is no.
    pub(super) fn ask(
        &mut self,
        at: &Transport,
        answer: Answer,
        then: impl FnOnce(&mut Self, &Transport) + 'static,
    ) {
        match answer {
            Answer::Accept => then(self, at),
            Answer::Refuse(reply) => self.refuse(at, &reply),
            Answer::Later(later) => self.wait(at, later, |session, at, answer| match answer {
                Ok(()) => then(session, at),
                Err(error) => session.refuse(at, &Reply::of(&error)),
            }),
        }
    }

    /// Something is over: what comes next?
    pub(super) fn go_on(&mut self, at: &Transport) {
        if !self.waiting && self.part.is_none() && self.stopping {
            return leave(at, &stopping());
        }
        if !self.waiting && self.ended && at.counts().unread == 0 {
            return self.end(at);
        }
        self.set_times(at);
        at.resume();
    }

    /// The client says no more, and all is answered. Of a message that is not whole nothing is kept.
    fn end(&mut self, at: &Transport) {
        self.reset();
        at.close();
    }

    /// How long the client, or we, may take for what comes next.
    pub(super) fn set_times(&self, at: &Transport) {
        let limits = &self.config().limits;
        let (idle, deadline) = match (&self.part, self.waiting) {
            (_, true) => (None, Some(limits.work)),
            // The deadline was set when the message began.
            (Some(_), false) => return at.set_timeout(Some(limits.data)),
            (None, false) => (None, Some(limits.command)),
        };
        at.set_timeout(idle);
        at.set_deadline(deadline);
    }

    /// Says no, and goodbye if it was too often.
    pub(super) fn refuse(&mut self, at: &Transport, reply: &Reply) {
        say(at, reply);
        self.errors += 1;
        self.unknown += u32::from(reply.code() == Code::UNKNOWN);
        let limits = &self.config().limits;
        if self.errors >= limits.errors || self.unknown >= limits.unknown_commands {
            leave(at, &Reply::new(Code::UNAVAILABLE, Status::NOT_NOW, "Too many errors"));
        }
    }

    /// Forgets the message that has begun; what came of it is dropped.
    pub(super) fn reset(&mut self) {
        self.transaction = None;
        self.incoming = None;
    }

    /// A message was taken.
    pub(super) fn count_message(&mut self) {
        self.messages += 1;
        self.idle = 0;
    }

    fn violation(&mut self, at: &Transport, violation: Violation<Reply>) {
        match violation {
            Violation::Refused(reply) => self.refuse(at, &reply),
            Violation::Fatal(reply) => leave(at, &reply),
        }
    }

    fn command(&mut self, at: &Transport, command: Command) -> Result {
        let leads_nowhere = match command {
            Command::Noop | Command::Rset | Command::Help(_) | Command::Vrfy(_) | Command::Expn(_) => true,
            Command::Bdat { size: 0, last: false } => true,
            Command::Helo(_) | Command::Ehlo(_) | Command::Lhlo(_) => self.client.hello.is_some(),
            _ => false,
        };
        self.idle += u32::from(leads_nowhere);
        if self.idle > self.config().limits.idle_commands {
            leave(at, &Reply::new(Code::UNAVAILABLE, Status::NOT_NOW, "Too many commands that lead nowhere"));
            return Ok(());
        }
        let is_lmtp = self.client.mode == Mode::Lmtp;
        match command {
            Command::Helo(host) if !is_lmtp => self.hello(at, host, false),
            Command::Ehlo(host) if !is_lmtp => self.hello(at, host, true),
            Command::Lhlo(host) if is_lmtp => self.hello(at, host, true),
            Command::Helo(_) | Command::Ehlo(_) | Command::Lhlo(_) => {
                let text = if is_lmtp { "This is LMTP: say LHLO" } else { "This is SMTP: say EHLO" };
                self.refuse(at, &Reply::new(Code::UNKNOWN, Status::BAD_COMMAND, text));
            }
            Command::Mail(mail) => self.mail(at, mail),
            Command::Rcpt(rcpt) => self.rcpt(at, rcpt),
            Command::Data => self.data(at),
            Command::Bdat { size, last } => self.chunk(at, size, last),
            Command::Rset => {
                self.reset();
                say(at, &Reply::new(Code::OK, Status::OK, "Forgotten"));
            }
            Command::Noop => say(at, &Reply::new(Code::OK, Status::OK, "Here I am")),
            Command::Quit => leave(at, &Reply::new(Code::GOODBYE, Status::OK, "Goodbye")),
            Command::Help(_) => say(at, &Reply::new(Code::HELP, Status::OK, HELP)),
            // RFC 5321 section 7.3: who has a mailbox is nobody's business.
            Command::Vrfy(_) => {
                say(
                    at,
                    &Reply::new(
                        Code::NOT_VERIFIED,
                        Status::COMMAND_OK,
                        "Send a message, and it will turn out",
                    ),
                );
            }
            Command::Expn(_) => {
                self.refuse(
                    at,
                    &Reply::new(Code::NOT_IMPLEMENTED, Status::BAD_COMMAND, "Lists are not shown"),
                );
            }
            Command::StartTls => return self.start_tls(at),
            Command::Auth { mechanism, initial } => self.auth(at, &mechanism, initial),
        }
        Ok(())
    }

    fn hello(&mut self, at: &Transport, host: Host, extended: bool) {
        self.reset();
        let config = self.config();
        let text = if extended { self.extensions(at) } else { config.host.clone() };
        // Of TLS that was begun by STARTTLS more is known now.
        self.client.peer = at.peer();
        self.client.hello = Some(host);
        self.client.extended = extended;
        say(at, &Reply::plain(Code::OK, text));
    }

    /// What EHLO is answered with.
    fn extensions(&self, at: &Transport) -> String {
        let config = self.config();
        let mut text = format!(
            "{}\nPIPELINING\nSIZE {}\n8BITMIME\nSMTPUTF8\nCHUNKING\nENHANCEDSTATUSCODES",
            config.host, config.limits.size
        );
        if config.notifies {
            text += "\nDSN";
        }
        if config.tls.is_some() && at.peer().secured.is_none() {
            text += "\nSTARTTLS";
        }
        let offered = self.mechanisms(at);
        if !offered.is_empty() {
            text += "\nAUTH ";
            text += &offered.join(" ");
        }
        text + "\nHELP"
    }

    fn start_tls(&mut self, at: &Transport) -> Result {
        let Some(tls) = self.config().tls.clone() else {
            self.refuse(at, &Reply::new(Code::NOT_IMPLEMENTED, Status::BAD_COMMAND, "TLS is not offered"));
            return Ok(());
        };
        if at.peer().secured.is_some() {
            let text = "The connection is protected already";
            self.refuse(at, &Reply::new(Code::BAD_SEQUENCE, Status::BAD_COMMAND, text));
            return Ok(());
        }
        // RFC 3207 section 4.2: nothing that was said before counts.
        self.reset();
        self.client = Client::new(self.client.mode, at.peer());
        say(at, &Reply::new(Code::READY, Status::OK, "TLS from here on"));
        at.start_tls(&tls)
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

fn stopping() -> Reply {
    Reply::new(Code::UNAVAILABLE, Status::STOPPING, "The server is stopping")
}

impl Protocol for Session {
    fn connection_made(&mut self, at: &Transport) -> Result {
        at.set_limits(Limits { unsent: UNSENT_MAX, ..(*at.limits()).clone() });
        self.set_times(at);
        let greet = |session: &mut Self, at: &Transport| {
            let protocol = if session.client.mode == Mode::Lmtp { "LMTP" } else { "ESMTP" };
            say(at, &Reply::plain(Code::READY, format!("{} {protocol}", session.config().host)));
        };
        match self.here.delivery.session(&self.client) {
            Answer::Accept => greet(self, at),
            Answer::Refuse(reply) => leave(at, &reply),
            Answer::Later(later) => self.wait(at, later, move |session, at, answer| match answer {
                Ok(()) => greet(session, at),
                Err(error) => leave(at, &Reply::of(&error)),
            }),
        }
        Ok(())
    }

    fn data_received(&mut self, at: &Transport, input: &mut Input<'_>) -> Result {
        let mut moved = false;
        while at.is_open() && !at.is_full() {
            if self.waiting {
                if input.len() > AHEAD_MAX {
                    at.pause();
                }
                return Ok(());
            }
            let more = match self.part {
                Some(_) => self.receive(at, input),
                None => self.step(at, input)?,
            };
            if !more {
                break;
            }
            moved = true;
        }
        if at.is_full() {
            // Until it is writable: nobody has to keep what it sends meanwhile.
            at.pause();
        } else if self.ended && !self.waiting && !self.is_held() {
            self.end(at);
        } else if moved && !self.waiting && at.is_open() {
            // A message that was refused is over without having waited for anything.
            if self.stopping && self.part.is_none() && self.incoming.is_none() {
                leave(at, &stopping());
            } else {
                self.set_times(at);
            }
        }
        Ok(())
    }

    fn eof_received(&mut self, at: &Transport, input: &mut Input<'_>) -> Result {
        self.ended = true;
        self.data_received(at, input)
    }

    fn writable(&mut self, at: &Transport) -> Result {
        self.go_on(at);
        Ok(())
    }

    fn timed_out(&mut self, at: &Transport, _: Timeout) -> Result {
        let text = if self.waiting { "It takes too long, try again later" } else { "You took too long" };
        self.reset();
        leave(at, &Reply::new(Code::UNAVAILABLE, Status::TOO_SLOW, text));
        Ok(())
    }

    fn stopping(&mut self, at: &Transport) -> Result {
        self.stopping = true;
        if !self.waiting && self.part.is_none() {
            leave(at, &stopping());
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &Transport, _: &Reason) {
        self.reset();
    }
}

/// An idle session is this, its name, and what the engine has of a connection (some 400 bytes): far below 4 KiB.
const _: () = assert!(size_of::<Session>() <= 320);
