//! Logging in: AUTH (RFC 5034), USER and PASS.

use super::{Cause, Client, ClientError, Lack, options::Login};
use crate::pop3::{Command, Reply, command::LINE_MAX};
use trenza_auth::Secret;
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
        let known = &self.capabilities;
        // A server without CAPA has USER and PASS.
        let takes_passwords = known.has("USER") || known.lines().next().is_none();
        if known.has_mechanism("PLAIN") {
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
        if parts.iter().any(|part| part.contains(&0)) {
            let what = "a name or password with a NUL in it cannot be said by PLAIN";
            return Err(self.dialogue.error(ASKED, Cause::local(what)));
        }
        let mut message =
            Zeroizing::new(Vec::with_capacity(2 + parts.iter().map(|part| part.len()).sum::<usize>()));
        for part in parts {
            message.push(0);
            message.extend_from_slice(part);
        }
        self.sasl("PLAIN", &message, async |_, reply| Ok(reply)).await
    }

    /// Says AUTH with a first response, behind it where the line may be so long (RFC 5034 section 4), and then what `goes_on` says.
    async fn sasl(
        &mut self,
        mechanism: &str,
        first: &[u8],
        goes_on: impl AsyncFnOnce(&mut Self, Reply) -> Result<Reply, ClientError>,
    ) -> Result<(), ClientError> {
        let asked = format!("AUTH {mechanism}");
        let fits = asked.len() + 1 + first.len().div_ceil(3) * 4 + 2 <= LINE_MAX;
        let initial = fits.then(|| Secret::from(first));
        let mut reply = self.dialogue.ask(&Command::Auth { mechanism: mechanism.into(), initial }).await?;
        if !fits && reply.status() == crate::pop3::Status::Challenge {
            self.dialogue.respond(first);
            reply = self.dialogue.reply(&asked).await?;
        }
        let reply = goes_on(self, reply).await?;
        self.dialogue.done(&asked, reply).map(drop)
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
