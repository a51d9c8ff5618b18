//! AUTH (RFC 4954).

use super::{
    Mode,
    session::{Session, leave, say},
};
use crate::{
    sasl::{self, Exchange, Response, Step},
    smtp::{Code, Reply, Status},
};
use std::sync::Arc;
use trenza_auth::{Account, Credentials, Denied, Mechanism, Secret, scram::ScramServer};
use trenza_core::{Result, Transport};

impl Session {
    /// What is offered to this client, by SASL's names.
    pub(super) fn mechanisms(&self, at: &Transport) -> Vec<&'static str> {
        let config = self.config();
        let fits = config.mode == Mode::Submission && (config.plain_auth || at.peer().secured.is_some());
        config.portal.as_ref().filter(|_| fits).map(sasl::offered).unwrap_or_default()
    }

    pub(super) fn auth(&mut self, at: &Transport, mechanism: &str, initial: Option<Secret>) {
        if let Err(reply) = self.may_log_in(at, mechanism) {
            return self.refuse(at, &reply);
        }
        self.exchanged(at, Exchange::begin(mechanism, initial));
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

    pub(super) fn response(&mut self, at: &Transport, response: Response) {
        let Some(exchange) = self.exchange.take() else { return };
        match response {
            Response::Given(secret) => self.exchanged(at, exchange.respond(secret)),
            Response::Cancelled => {
                self.refuse(at, &Reply::new(Code::BAD_ARGUMENT, Status::SECURITY, "The login is cancelled"));
            }
        }
    }

    fn exchanged(&mut self, at: &Transport, step: Step) {
        match step {
            Step::Challenge(exchange, text) => {
                self.exchange = Some(Box::new(exchange));
                say(at, &Reply::plain(Code::CHALLENGE, text));
            }
            Step::Keys(scram) => self.begin_scram(at, scram),
            Step::Check(credentials, last) => self.log_in(at, credentials, last),
            Step::Done(account) => self.let_in(at, account),
            Step::Malformed => self.malformed(at),
        }
    }

    fn malformed(&mut self, at: &Transport) {
        self.refuse(
            at,
            &Reply::new(Code::BAD_ARGUMENT, Status::BAD_ARGUMENT, "This is not of the mechanism"),
        );
    }

    fn begin_scram(&mut self, at: &Transport, scram: Box<ScramServer>) {
        let Some(portal) = &self.config().portal else { return self.malformed(at) };
        let keys = portal.scram_keys(at.reactor(), scram.name());
        self.wait(at, keys, |session, at, keys| match keys {
            Ok(keys) => session.exchanged(at, Exchange::prove(scram, keys, at.reactor())),
            Err(error) => session.turn_away(at, Denied::of(&error)),
        });
    }

    /// `last` is what is to be said before the end.
    fn log_in(&mut self, at: &Transport, credentials: Credentials, last: Option<String>) {
        let Some(portal) = &self.config().portal else { return self.malformed(at) };
        let login = portal.login(at.reactor(), credentials, &at.peer());
        self.wait(at, login, |session, at, login| match login {
            Ok(account) => session.exchanged(at, Exchange::end(account, last)),
            Err(error) => session.turn_away(at, Denied::of(&error)),
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
