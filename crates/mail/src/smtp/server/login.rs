//! AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN and SCRAM-SHA-256 (RFC 7677).

use super::{
    Mode,
    session::{Session, leave, say},
};
use crate::smtp::{Code, Reply, Status, command::Response};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::sync::Arc;
use trenza_auth::{
    Account, Credentials, Denied, Mechanism, Secret,
    scram::{NONCE_LEN, ScramKeys, ScramServer},
};
use trenza_core::{Result, Transport};

/// A login that is under way: what the client's next line is.
pub(super) enum Exchange {
    /// All of PLAIN.
    Plain,
    /// The name of LOGIN.
    Name,
    /// The password of LOGIN.
    Password(String),
    /// The first message of SCRAM.
    First,
    /// The last message of SCRAM.
    Last(Box<ScramServer>),
    /// Nothing, since it is over: the server's last message of SCRAM was a challenge, as RFC 4954 section 4 wants it.
    Proven(Arc<Account>),
}

impl Session {
    /// What is offered to this client, by SASL's names.
    pub(super) fn mechanisms(&self, at: &Transport) -> Vec<&'static str> {
        let config = self.config();
        let fits = config.mode == Mode::Submission && (config.plain_auth || at.peer().secured.is_some());
        let portal = config.portal.as_ref().filter(|_| fits);
        let all = portal.map(trenza_auth::Portal::mechanisms).unwrap_or_default();
        all.sasl().filter(|name| matches!(*name, "PLAIN" | "LOGIN" | "SCRAM-SHA-256")).collect()
    }

    pub(super) fn auth(&mut self, at: &Transport, mechanism: &str, initial: Option<Secret>) {
        if let Err(reply) = self.may_log_in(at, mechanism) {
            return self.refuse(at, &reply);
        }
        let exchange = match mechanism {
            "PLAIN" => Exchange::Plain,
            "LOGIN" => Exchange::Name,
            _ => Exchange::First,
        };
        let prompt = if mechanism == "LOGIN" { "Username:" } else { "" };
        match initial {
            Some(initial) => self.exchanged(at, exchange, initial),
            None => self.challenge(at, exchange, prompt),
        }
    }

    fn may_log_in(&self, at: &Transport, mechanism: &str) -> Result<(), Reply> {
        let refusal = |code, status, text: &'static str| Err(Reply::new(code, status, text));
        let config = self.config();
        if config.mode != Mode::Submission {
            return refusal(Code::NOT_IMPLEMENTED, Status::BAD_COMMAND, "Nobody logs in here");
        }
        if !self.client.extended {
            return refusal(Code::BAD_SEQUENCE, Status::BAD_COMMAND, "Say EHLO first");
        }
        if self.client.account.is_some() || self.transaction.is_some() {
            return refusal(Code::BAD_SEQUENCE, Status::BAD_COMMAND, "It is too late for a login");
        }
        if !config.plain_auth && at.peer().secured.is_none() {
            return refusal(Code::TLS_NEEDED, Status::TLS_NEEDED, "Say STARTTLS first");
        }
        if !self.mechanisms(at).contains(&mechanism) {
            return refusal(Code::BAD_PARAMETER, Status::BAD_ARGUMENT, "This mechanism is not offered");
        }
        Ok(())
    }

    fn challenge(&mut self, at: &Transport, exchange: Exchange, text: &str) {
        self.exchange = Some(Box::new(exchange));
        say(at, &Reply::plain(Code::CHALLENGE, BASE64_STANDARD.encode(text)));
    }

    pub(super) fn response(&mut self, at: &Transport, response: Response) {
        let Some(exchange) = self.exchange.take() else { return };
        match response {
            Response::Given(secret) => self.exchanged(at, *exchange, secret),
            Response::Cancelled => {
                self.refuse(at, &Reply::new(Code::BAD_ARGUMENT, Status::SECURITY, "The login is cancelled"));
            }
        }
    }

    fn exchanged(&mut self, at: &Transport, exchange: Exchange, said: Secret) {
        match exchange {
            Exchange::Plain => match plain(said.bytes()) {
                Some(credentials) => self.log_in(at, credentials, None),
                None => self.malformed(at),
            },
            Exchange::Name => match str::from_utf8(said.bytes()) {
                Ok(name) => self.challenge(at, Exchange::Password(name.to_owned()), "Password:"),
                Err(_) => self.malformed(at),
            },
            Exchange::Password(name) => self.log_in(at, Credentials::password(name, said), None),
            Exchange::First => match ScramServer::begin(said.bytes()) {
                Ok(scram) => self.begin_scram(at, scram),
                Err(_) => self.malformed(at),
            },
            Exchange::Last(scram) => match scram.finish(said.bytes()) {
                Ok((credentials, last)) => self.log_in(at, credentials, Some(last)),
                Err(_) => self.malformed(at),
            },
            Exchange::Proven(account) if said.is_empty() => self.let_in(at, account),
            Exchange::Proven(_) => self.malformed(at),
        }
    }

    fn malformed(&mut self, at: &Transport) {
        self.refuse(
            at,
            &Reply::new(Code::BAD_ARGUMENT, Status::BAD_ARGUMENT, "This is not of the mechanism"),
        );
    }

    fn begin_scram(&mut self, at: &Transport, mut scram: ScramServer) {
        let Some(portal) = &self.config().portal else { return self.malformed(at) };
        let keys = portal.scram_keys(at.reactor(), scram.name());
        self.wait(at, keys, |session, at, keys: Result<ScramKeys>| match keys {
            Ok(keys) => {
                let mut nonce = [0; NONCE_LEN];
                at.reactor().random(&mut nonce);
                let text = scram.challenge(keys, &nonce);
                session.challenge(at, Exchange::Last(Box::new(scram)), &text);
            }
            Err(error) => session.turn_away(at, Denied::of(&error)),
        });
    }

    /// `last` is what is to be said before the end.
    fn log_in(&mut self, at: &Transport, credentials: Credentials, last: Option<String>) {
        let Some(portal) = &self.config().portal else { return self.malformed(at) };
        let login = portal.login(at.reactor(), credentials, &at.peer());
        self.wait(at, login, |session, at, login| match (login, last) {
            (Ok(account), None) => session.let_in(at, account),
            (Ok(account), Some(last)) => session.challenge(at, Exchange::Proven(account), &last),
            (Err(error), _) => session.turn_away(at, Denied::of(&error)),
        });
    }

    fn let_in(&mut self, at: &Transport, account: Arc<Account>) {
        self.client.account = Some(account);
        say(at, &Reply::new(Code::LOGGED_IN, Status::LOGGED_IN, "Logged in"));
    }

    fn turn_away(&mut self, at: &Transport, denied: Denied) {
        match denied {
            Denied::Refused => {
                self.refused_logins += 1;
                if self.refused_logins >= self.config().limits.login_tries {
                    let text = "Wrong name or password, too many times";
                    return leave(at, &Reply::new(Code::UNAVAILABLE, Status::NOT_NOW, text));
                }
                self.refuse(
                    at,
                    &Reply::new(Code::WRONG_PASSWORD, Status::WRONG_PASSWORD, "Wrong name or password"),
                );
            }
            Denied::Mechanism(Mechanism::ScramSha256) => {
                self.refuse(
                    at,
                    &Reply::new(Code::BAD_PARAMETER, Status::BAD_ARGUMENT, "Use another mechanism"),
                );
            }
            _ => self.refuse(at, &Reply::new(Code::NOT_NOW, Status::NOT_NOW, "Logins do not work just now")),
        }
    }
}

/// The parts of PLAIN: who to act as, who it is, the password. Nobody acts as somebody else.
fn plain(said: &[u8]) -> Option<Credentials> {
    let mut parts = said.split(|byte| *byte == 0);
    let [other, name, password] = [parts.next()?, parts.next()?, parts.next()?];
    let right = parts.next().is_none() && (other.is_empty() || other == name) && !name.is_empty();
    let name = str::from_utf8(name).ok().filter(|_| right)?;
    Some(Credentials::password(name, password))
}
