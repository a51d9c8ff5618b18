//! AUTH (RFC 4954): SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616) and LOGIN, from the client's side.

use super::{Cause, Client, ClientError, Lack, Step, options::Login};
use crate::smtp::{Code, Command, Reply};
use base64::{Engine, prelude::BASE64_STANDARD};
use trenza_auth::{
    Secret,
    scram::{NONCE_LEN, ScramClient},
};
use trenza_core::Reactor;
use zeroize::Zeroizing;

/// What there is, the best first.
const MECHANISMS: [&str; 3] = ["SCRAM-SHA-256", "PLAIN", "LOGIN"];
/// 534: the mechanism is too weak for this account (RFC 4954 section 6).
const TOO_WEAK: u16 = 534;

impl Client {
    pub(super) async fn log_in(&mut self) -> Result<(), ClientError> {
        let Some(login) = self.options.login.clone() else { return Ok(()) };
        if !self.is_protected() && !self.options.plain_auth {
            return Err(self.failed(Cause::Lacks(Lack::Tls)));
        }
        let offered = |known: &&str| self.extensions.mechanisms().any(|one| one.eq_ignore_ascii_case(known));
        let possible: Vec<&str> = MECHANISMS.into_iter().filter(offered).collect();
        let mut failure = self.failed(Cause::Lacks(Lack::Auth));
        for mechanism in possible {
            let reply = match mechanism {
                "SCRAM-SHA-256" => self.scram(&login).await?,
                "PLAIN" => self.plain(&login).await?,
                _ => self.name_and_password(&login).await?,
            };
            if reply.code().is_success() {
                self.logged_in = true;
                return Ok(());
            }
            let another = reply.code() == Code::BAD_PARAMETER || reply.code().number() == TOO_WEAK;
            failure = match self.dialogue.done(Step::Auth, reply) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if !another || !self.dialogue.is_open() {
                break;
            }
        }
        Err(failure)
    }

    fn failed(&self, cause: Cause) -> ClientError {
        self.dialogue.error(Step::Auth, cause)
    }

    async fn begin(&mut self, mechanism: &str, initial: Option<Secret>) -> Result<Reply, ClientError> {
        let command = Command::Auth { mechanism: mechanism.into(), initial };
        self.dialogue.ask(&command, Step::Auth, self.options.limits.command).await
    }

    async fn respond(&mut self, response: &[u8]) -> Result<Reply, ClientError> {
        self.dialogue.respond(response);
        self.dialogue.reply(Step::Auth, self.options.limits.command).await
    }

    async fn plain(&mut self, login: &Login) -> Result<Reply, ClientError> {
        let parts = [login.name.as_bytes(), login.password.bytes()];
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(
                self.failed(Cause::local("a name or password with a NUL in it cannot be said by PLAIN"))
            );
        }
        let mut message =
            Zeroizing::new(Vec::with_capacity(2 + parts.iter().map(|part| part.len()).sum::<usize>()));
        for part in parts {
            message.push(0);
            message.extend_from_slice(part);
        }
        self.begin("PLAIN", Some(Secret::from(&**message))).await
    }

    async fn name_and_password(&mut self, login: &Login) -> Result<Reply, ClientError> {
        let mut reply = self.begin("LOGIN", None).await?;
        for said in [login.name.as_bytes(), login.password.bytes()] {
            if reply.code() != Code::CHALLENGE {
                break;
            }
            reply = self.respond(said).await?;
        }
        Ok(reply)
    }

    async fn scram(&mut self, login: &Login) -> Result<Reply, ClientError> {
        let reactor = Reactor::current();
        let mut nonce = [0; NONCE_LEN];
        reactor.random(&mut nonce);
        let client = ScramClient::new(&login.name, &nonce);
        let reply = self.begin("SCRAM-SHA-256", Some(client.first().into())).await?;
        if reply.code().is_success() {
            return Err(self.unproven());
        }
        if reply.code() != Code::CHALLENGE {
            return Ok(reply);
        }
        let challenge = decoded(&reply).and_then(|challenge| client.challenged(&challenge).ok());
        let Some(challenge) = challenge else {
            return Err(self
                .dialogue
                .give_up(Step::Auth, Cause::Protocol("a challenge that is none of SCRAM's")));
        };
        let password = login.password.clone();
        let proof = reactor.in_thread(move || Ok(challenge.prove(&password))).await;
        let proof = proof.map_err(|error| self.dialogue.give_up(Step::Auth, Cause::local(error)))?;
        let reply = self.respond(proof.message().as_bytes()).await?;
        let confirmed = decoded(&reply).is_some_and(|last| proof.is_confirmed_by(&last));
        match reply.code() {
            Code::CHALLENGE if confirmed => self.respond(b"").await,
            code if code == Code::CHALLENGE || code.is_success() => Err(self.unproven()),
            _ => Ok(reply),
        }
    }

    /// Who says yes without having proven that he knows the account is somebody else.
    fn unproven(&mut self) -> ClientError {
        let cause = Cause::Protocol("the server does not prove that it knows the account");
        self.dialogue.give_up(Step::Auth, cause)
    }
}

/// What a challenge says.
fn decoded(reply: &Reply) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(reply.text().trim()).ok()
}
