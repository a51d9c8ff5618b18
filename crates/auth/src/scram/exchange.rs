//! [`ScramServer`]: the messages of an exchange.

use super::ScramKeys;
use crate::{Credentials, Secret};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::fmt;

/// The longest message of a client, in bytes.
pub const SCRAM_MESSAGE_MAX: usize = 4096;
/// How many random bytes the server's half of the nonce is made of.
pub const NONCE_LEN: usize = 18;

/// The server's side of one exchange, bytes in and bytes out.
///
/// ```text
///   client                                   server
///   n,,n=ann,r=CLIENT            ─────▶      begin; name(): ask for the keys
///                                ◀─────      r=CLIENTserver,s=SALT,i=65536     challenge
///   c=biws,r=CLIENTserver,p=...  ─────▶      finish: credentials; log in with them
///                                ◀─────      v=...                             said after a login only
/// ```
///
/// ```
/// use trenza_auth::{Credentials, Secret, scram::{ScramKeys, ScramServer}};
///
/// let keys = ScramKeys::of_password(&"pencil".into(), *b"0123456789abcdef", 4096).ok_or("keys")?;
/// let mut server = ScramServer::begin(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")?;
/// assert_eq!(server.name(), "user");
/// let challenge = server.challenge(keys, &[7; 18]);
/// assert!(challenge.starts_with("r=fyko+d2lbbFgONRv9qkxdawLBwcH") && challenge.ends_with(",i=4096"));
/// assert!(server.finish(b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL,p=AAAA").is_err()); // not our nonce
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ScramServer {
    name: String,
    /// The flag for channel binding and the other name, which the client says again in its last message.
    header: String,
    client_first: String,
    client_nonce: String,
    challenged: Option<Challenged>,
}

struct Challenged {
    message: String,
    nonce: String,
    keys: ScramKeys,
}

/// A client's message that cannot be; the exchange is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no SCRAM: {0}")]
pub struct ScramError(
    /// What is wrong with it.
    pub &'static str,
);

impl ScramServer {
    /// Reads the client's first message (RFC 5802 section 7).
    ///
    /// # Errors
    /// It is none, or asks for what is not offered: channel binding, to act for somebody else.
    pub fn begin(message: &[u8]) -> Result<Self, ScramError> {
        let text = text(message)?;
        let mut parts = text.splitn(3, ',');
        let (flag, authzid) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let bare = parts.next().ok_or(ScramError("it has too few parts"))?;
        match flag {
            // `y`: it could bind, and believes that we cannot, which is true.
            "n" | "y" => (),
            _ if flag.starts_with("p=") => return Err(ScramError("channel binding is not offered")),
            _ => return Err(ScramError("it begins with neither n nor y")),
        }
        let mut fields = bare.split(',');
        // `m=` in place of the name is an extension that nobody may ignore.
        let name = fields.next().and_then(|field| field.strip_prefix("n=")).and_then(unescaped);
        let name = name.filter(|name| !name.is_empty()).ok_or(ScramError("it has no name"))?;
        let nonce = fields.next().and_then(|field| field.strip_prefix("r="));
        let nonce = nonce.filter(|nonce| is_nonce(nonce)).ok_or(ScramError("it has no nonce"))?;
        match authzid.strip_prefix("a=").and_then(unescaped) {
            Some(other) if other != name => return Err(ScramError("nobody may act for somebody else")),
            None if !authzid.is_empty() => return Err(ScramError("it has a wrong part before the name")),
            _ => (),
        }
        Ok(Self {
            name,
            header: format!("{flag},{authzid},"),
            client_first: bare.to_owned(),
            client_nonce: nonce.to_owned(),
            challenged: None,
        })
    }

    /// Who the client says it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's first message. `random` is from [`Reactor::random`](trenza_core::Reactor::random), new each time.
    pub fn challenge(&mut self, keys: ScramKeys, random: &[u8; NONCE_LEN]) -> String {
        let nonce = format!("{}{}", self.client_nonce, BASE64_STANDARD.encode(random));
        let salt = BASE64_STANDARD.encode(keys.salt());
        let message = format!("r={nonce},s={salt},i={}", keys.iterations());
        self.challenged = Some(Challenged { message: message.clone(), nonce, keys });
        message
    }

    /// Reads the client's last message. What it gives is to be logged in with; only after that the second part, the
    /// server's last message, may be sent.
    ///
    /// # Errors
    /// It is none, or belongs to another exchange.
    pub fn finish(self, message: &[u8]) -> Result<(Credentials, String), ScramError> {
        let challenged = self.challenged.ok_or(ScramError("it comes before its turn"))?;
        let text = text(message)?;
        let (bare, proof) = text.rsplit_once(",p=").ok_or(ScramError("it has no proof"))?;
        let mut fields = bare.split(',');
        let header = fields.next().and_then(|field| field.strip_prefix("c="));
        let header = header.and_then(|header| BASE64_STANDARD.decode(header).ok());
        if header.as_deref() != Some(self.header.as_bytes()) {
            return Err(ScramError("it does not begin like the first one"));
        }
        if fields.next().and_then(|field| field.strip_prefix("r=")) != Some(&*challenged.nonce) {
            return Err(ScramError("it has another nonce"));
        }
        let proof = BASE64_STANDARD.decode(proof).ok().filter(|proof| proof.len() == 32);
        let proof = Secret::new(proof.ok_or(ScramError("its proof is no 32 bytes of base64"))?);
        let auth_message = format!("{},{},{bare}", self.client_first, challenged.message);
        let signature = BASE64_STANDARD.encode(challenged.keys.server_signature(&auth_message));
        let credentials = Credentials::Challenge { name: self.name, auth_message, proof };
        Ok((credentials, format!("v={signature}")))
    }
}

impl fmt::Debug for ScramServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramServer").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(super) fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > SCRAM_MESSAGE_MAX {
        return Err(ScramError("it is too long"));
    }
    std::str::from_utf8(message).map_err(|_| ScramError("it is no UTF-8"))
}

/// Printable ASCII without commas (RFC 5802 section 7).
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b',')
}

/// `=2C` is a comma, `=3D` an equals sign; None: another `=` stands there.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (letter, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        text.push(letter);
        text.push_str(rest);
    }
    Some(text)
}
