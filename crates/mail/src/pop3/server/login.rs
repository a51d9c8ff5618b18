//! USER and PASS, AUTH (RFC 5034), and the mailbox of whoever has logged in.

use super::{
    locks::Refusal,
    maildrop::Maildrop,
    session::{Session, State, leave, say},
};
use crate::{
    pop3::{Reply, ResponseCode},
    sasl::{self, Exchange, Response, Step},
};
use std::sync::Arc;
use trenza_auth::{Account, Credentials, Denied, Mechanism, Rights, Secret, scram::ScramServer};
use trenza_core::{Result, Transport};
use trenza_storage::{Error, ErrorKind};

impl Session {
    /// Whether passwords may be said here.
    pub(super) fn is_private(&self, at: &Transport) -> bool {
        self.config().plain_auth || at.peer().secured.is_some()
    }

    /// What is offered to this client, by SASL's names.
    pub(super) fn mechanisms(&self, at: &Transport) -> Vec<&'static str> {
        if self.is_private(at) { sasl::offered(&self.config().portal) } else { Vec::new() }
    }

    /// Whether USER and PASS are offered to this client.
    pub(super) fn takes_passwords(&self, at: &Transport) -> bool {
        self.is_private(at) && self.config().portal.mechanisms().contains(Mechanism::Password)
    }

    fn may_log_in(&self, at: &Transport) -> Result<(), Reply> {
        match () {
            () if self.maildrop().is_some() => Err(Reply::err("You have logged in already")),
            () if !self.is_private(at) => Err(Reply::err("Say STLS first")),
            () => Ok(()),
        }
    }

    pub(super) fn user(&mut self, at: &Transport, name: String) {
        if let Err(reply) = self.may_log_in(at) {
            return self.refuse(at, &reply);
        }
        // Who has a mailbox is nobody's business.
        self.state = State::Greeted { user: Some(name) };
        say(at, &Reply::ok("And the password?"));
    }

    pub(super) fn pass(&mut self, at: &Transport, password: Secret) {
        if let Err(reply) = self.may_log_in(at) {
            return self.refuse(at, &reply);
        }
        let State::Greeted { user: Some(name) } = std::mem::take(&mut self.state) else {
            return self.refuse(at, &Reply::err("Say USER first"));
        };
        self.log_in(at, Credentials::password(name, password), None);
    }

    pub(super) fn auth(&mut self, at: &Transport, mechanism: &str, initial: Option<Secret>) {
        if let Err(reply) = self.may_log_in(at) {
            return self.refuse(at, &reply);
        }
        if !self.mechanisms(at).contains(&mechanism) {
            return self.refuse(at, &Reply::err("This mechanism is not offered"));
        }
        self.exchanged(at, Exchange::begin(mechanism, initial));
    }

    pub(super) fn response(&mut self, at: &Transport, response: Response) {
        let Some(exchange) = self.exchange.take() else { return };
        match response {
            Response::Given(secret) => self.exchanged(at, exchange.respond(secret)),
            Response::Cancelled => self.refuse(at, &Reply::err("The login is cancelled")),
        }
    }

    fn exchanged(&mut self, at: &Transport, step: Step) {
        match step {
            Step::Challenge(exchange, text) => {
                self.exchange = Some(Box::new(exchange));
                say(at, &Reply::challenge(text));
            }
            Step::Keys(scram) => self.begin_scram(at, scram),
            Step::Check(credentials, last) => self.log_in(at, credentials, last),
            Step::Done(account) => self.open(at, &account),
            Step::Malformed => self.refuse(at, &Reply::err("This is not of the mechanism")),
        }
    }

    fn begin_scram(&mut self, at: &Transport, scram: Box<ScramServer>) {
        let keys = self.config().portal.scram_keys(at.reactor(), scram.name());
        self.wait(at, keys, |session, at, keys| {
            match keys {
                Ok(keys) => session.exchanged(at, Exchange::prove(scram, keys, at.reactor())),
                Err(error) => session.turn_away(at, Denied::of(&error)),
            }
            Ok(())
        });
    }

    /// `last` is what is to be said before the end.
    fn log_in(&mut self, at: &Transport, credentials: Credentials, last: Option<String>) {
        let login = self.config().portal.login(at.reactor(), credentials, &at.peer());
        self.wait(at, login, |session, at, login| {
            match login {
                Ok(account) => session.exchanged(at, Exchange::end(account, last)),
                Err(error) => session.turn_away(at, Denied::of(&error)),
            }
            Ok(())
        });
    }

    fn turn_away(&mut self, at: &Transport, denied: Denied) {
        match denied {
            Denied::Refused => {
                self.refused_logins += 1;
                let reply = Reply::err("Wrong name or password").code(ResponseCode::Auth);
                if self.refused_logins >= self.config().limits.login_tries {
                    return leave(at, &reply);
                }
                self.refuse(at, &reply);
            }
            Denied::Mechanism(Mechanism::ScramSha256) => {
                self.refuse(at, &Reply::err("Use another mechanism"))
            }
            _ => {
                let reply = Reply::err("Logins do not work just now, try again later");
                self.refuse(at, &reply.code(ResponseCode::SysTemp));
            }
        }
    }

    /// Takes the mailbox of an account, and looks what is in it.
    fn open(&mut self, at: &Transport, account: &Arc<Account>) {
        if !account.rights.contains(Rights::READ) {
            let reply = Reply::err("Your account may not read mail");
            return self.refuse(at, &reply.code(ResponseCode::SysPerm));
        }
        let may_delete = account.rights.contains(Rights::DELETE);
        let maildir = match (self.here.find)(account) {
            Ok(maildir) => maildir,
            Err(reply) => return self.refuse(at, &reply),
        };
        let config = self.config();
        let (now, delay, most) = (at.reactor().now(), config.limits.login_delay, config.limits.messages);
        let held = match config.locks.hold(maildir.path(), now, delay) {
            Ok(held) => held,
            Err(refusal) => {
                let reply = match refusal {
                    Refusal::InUse => Reply::err("The mailbox is in use").code(ResponseCode::InUse),
                    Refusal::TooSoon => Reply::err("You were here a moment ago, try again later")
                        .code(ResponseCode::LoginDelay),
                };
                return self.refuse(at, &reply);
            }
        };
        self.wait(at, maildir.list(), move |session, at, entries| {
            let entries = match entries.map_err(Error::from) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                Err(error) => {
                    session.refuse(at, &Reply::of(&error.into()));
                    return Ok(());
                }
            };
            let maildrop = Maildrop::new(maildir, entries, most, held).deletable(may_delete);
            let (count, size) = maildrop.count();
            let messages = if count == 1 { "message" } else { "messages" };
            session.state = State::Open(Box::new(maildrop));
            say(at, &Reply::ok(format!("{count} {messages} ({size} octets)")));
            Ok(())
        });
    }
}
