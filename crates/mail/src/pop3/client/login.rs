//! Logging in: AUTH (RFC 5034), USER and PASS.

use super::{Cause, Client, ClientError, Lack, options::Login};
use crate::pop3::{Command, Reply, Status, command::LINE_MAX};
use base64::{Engine, prelude::BASE64_STANDARD};
use trenza_auth::{
    Secret,
    scram::{NONCE_LEN, ScramClient},
};
use trenza_core::Reactor;
use zeroize::Zeroizing;

impl Client {
    pub(super) async fn log_in(&mut self) -> Result<(), ClientError> {
        const ASKED: &str = "logging in";
        let Some(login) = self.options.login.clone() else { return Ok(()) };
        let peer = self.peer();
        let is_private = peer.secured.is_some() || peer.remote.unix().is_some();
        if !is_private && !self.options.plain_auth {
            return Err(self.dialogue.error(ASKED, Cause::Lacks(Lack::Tls)));
        }
        if [login.name.as_bytes(), login.password.bytes()].iter().any(|part| part.contains(&0)) {
            let what = "a name or password with a NUL in it cannot be said";
            return Err(self.dialogue.error(ASKED, Cause::local(what)));
        }
        let known = &self.capabilities;
        // A server without CAPA has USER and PASS.
        let takes_passwords = known.has("USER") || known.lines().next().is_none();
        let has_plain = known.has_mechanism("PLAIN");
        if known.has_mechanism("SCRAM-SHA-256") {
            match self.scram(&login).await {
                // Of this account nothing is stored that SCRAM could prove.
                Err(error) if self.dialogue.is_open() && is_other(&error) && has_plain => {
                    self.plain(&login).await
                }
                done => done,
            }
        } else if has_plain {
            self.plain(&login).await
        } else if takes_passwords {
            self.password(&login).await
        } else {
            Err(self.dialogue.error(ASKED, Cause::Lacks(Lack::Login)))
        }
    }

    async fn plain(&mut self, login: &Login) -> Result<(), ClientError> {
        const ASKED: &str = "AUTH PLAIN";
        let parts = [login.name.as_bytes(), login.password.bytes()];
        let mut message =
            Zeroizing::new(Vec::with_capacity(2 + parts.iter().map(|part| part.len()).sum::<usize>()));
        for part in parts {
            message.push(0);
            message.extend_from_slice(part);
        }
        let reply = self.begin("PLAIN", &message).await?;
        self.dialogue.done(ASKED, reply).map(drop)
    }

    /// Says AUTH with a first response: behind it where the line may be so long (RFC 5034 section 4), else when it is asked for.
    async fn begin(&mut self, mechanism: &str, first: &[u8]) -> Result<Reply, ClientError> {
        let asked = format!("AUTH {mechanism}");
        let fits = asked.len() + 1 + first.len().div_ceil(3) * 4 + 2 <= LINE_MAX;
        let initial = fits.then(|| Secret::from(first));
        let reply = self.dialogue.ask(&Command::Auth { mechanism: mechanism.into(), initial }).await?;
        if fits || reply.status() != Status::Challenge {
            return Ok(reply);
        }
        self.dialogue.respond(first);
        self.dialogue.reply(&asked).await
    }

    async fn scram(&mut self, login: &Login) -> Result<(), ClientError> {
        const ASKED: &str = "AUTH SCRAM-SHA-256";
        let reactor = Reactor::current();
        let mut nonce = [0; NONCE_LEN];
        reactor.random(&mut nonce);
        let client = ScramClient::new(&login.name, &nonce);
        let reply = self.begin("SCRAM-SHA-256", client.first().as_bytes()).await?;
        if reply.status() != Status::Challenge {
            return self.unproven(ASKED, reply);
        }
        let challenge = decoded(&reply).and_then(|challenge| client.challenged(&challenge).ok());
        let Some(challenge) = challenge else {
            return Err(self.dialogue.give_up(ASKED, Cause::Protocol("a challenge that is none of SCRAM's")));
        };
        let password = login.password.clone();
        let proof = reactor.in_thread(move || Ok(challenge.prove(&password))).await;
        let proof = proof.map_err(|error| self.dialogue.give_up(ASKED, Cause::local(error)))?;
        self.dialogue.respond(proof.message().as_bytes());
        let reply = self.dialogue.reply(ASKED).await?;
        if reply.status() != Status::Challenge
            || !decoded(&reply).is_some_and(|last| proof.is_confirmed_by(&last))
        {
            return self.unproven(ASKED, reply);
        }
        self.dialogue.respond(b"");
        let reply = self.dialogue.reply(ASKED).await?;
        self.dialogue.done(ASKED, reply).map(drop)
    }

    /// Who says yes without having proven that he knows the password is somebody else.
    fn unproven(&mut self, asked: &str, reply: Reply) -> Result<(), ClientError> {
        match reply.status() {
            Status::Err => self.dialogue.done(asked, reply).map(drop),
            Status::Ok | Status::Challenge => {
                let cause = Cause::Protocol("the server does not prove that it knows the account");
                Err(self.dialogue.give_up(asked, cause))
            }
        }
    }

    async fn password(&mut self, login: &Login) -> Result<(), ClientError> {
        let is_said =
            |bytes: &[u8]| !bytes.is_empty() && !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        let fits = login.name.len().max(login.password.bytes().len()) + b"USER \r\n".len() <= LINE_MAX;
        if !fits || !is_said(login.name.as_bytes()) || !is_said(login.password.bytes()) {
            let what = "this name or password cannot be said by USER and PASS";
            return Err(self.dialogue.error("USER", Cause::local(what)));
        }
        self.dialogue.demand(&Command::User(login.name.clone())).await?;
        let password = Secret::from(login.password.bytes());
        self.dialogue.demand(&Command::Pass(password)).await.map(drop)
    }
}

/// What a challenge says.
fn decoded(reply: &Reply) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(reply.text().trim()).ok()
}

/// Whether a refusal says nothing of name and password, nor that it is for now only: another mechanism may do.
fn is_other(error: &ClientError) -> bool {
    error.reply().is_some_and(|reply| reply.response_code().is_none())
}
