//! [`Exchange`]: the server's side of SASL, for SMTP (RFC 4954) and POP3 (RFC 5034): PLAIN (RFC 4616), LOGIN and
//! SCRAM-SHA-256 (RFC 7677). It knows neither portals nor connections: whoever asks it does what it says.

use base64::{Engine, prelude::BASE64_STANDARD};
use std::sync::Arc;
use trenza_auth::{
    Account, Credentials, Portal, Secret,
    scram::{NONCE_LEN, ScramKeys, ScramServer},
};
use trenza_core::Reactor;

/// The longest line of a login in bytes, with its CRLF (RFC 4954 section 4, RFC 5034 section 4).
pub(crate) const LINE_MAX: usize = 12_288;

/// A client's line during a login (RFC 4954 section 4, RFC 5034 section 4).
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// What it says, decoded.
    Given(Secret),
    /// `*`: it gives up.
    Cancelled,
}

impl Response {
    /// Reads a line without its end. None: it is no base64.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        match line {
            b"*" => Some(Self::Cancelled),
            _ => decode(line).map(Self::Given),
        }
    }
}

/// What base64 stands for.
pub(crate) fn decode(text: &[u8]) -> Option<Secret> {
    BASE64_STANDARD.decode(text).ok().map(Secret::new)
}

/// The arguments of AUTH: a mechanism in upper case, and the first response, if it was not left out.
pub(crate) struct Begin {
    pub(crate) mechanism: String,
    pub(crate) initial: Option<Secret>,
}

/// What is wrong with the arguments of AUTH.
pub(crate) enum BeginError {
    Mechanism,
    Base64,
}

impl Begin {
    /// Reads the arguments of AUTH, which are the same in RFC 4954 section 4 and RFC 5034 section 4.
    pub(crate) fn parse(arguments: &str) -> Result<Self, BeginError> {
        let (mechanism, initial) = match arguments.split_once(' ') {
            Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
            None => (arguments, None),
        };
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=20).contains(&mechanism.len()) || !mechanism.bytes().all(of_name) {
            return Err(BeginError::Mechanism);
        }
        let initial = match initial {
            None => None,
            Some("=") => Some(Secret::new("")),
            Some(text) => Some(decode(text.as_bytes()).ok_or(BeginError::Base64)?),
        };
        Ok(Self { mechanism: mechanism.to_ascii_uppercase(), initial })
    }
}

/// What a portal can be logged in to by, by SASL's names.
pub(crate) fn offered(portal: &Portal) -> Vec<&'static str> {
    let all = portal.mechanisms();
    all.sasl().filter(|name| matches!(*name, "PLAIN" | "LOGIN" | "SCRAM-SHA-256")).collect()
}

/// A login that is under way: what the client's next line is.
pub(crate) enum Exchange {
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
    /// Nothing, since it is over: the server's last message of SCRAM was a challenge.
    Proven(Arc<Account>),
}

/// What is to be done next.
pub(crate) enum Step {
    /// Say this, which is base64, and hand on what the client says then.
    Challenge(Exchange, String),
    /// Look up the keys of whom it names, for [`Exchange::prove`].
    Keys(Box<ScramServer>),
    /// See whether they are right, and go on with [`Exchange::end`] and this.
    Check(Credentials, Option<String>),
    /// Let them in.
    Done(Arc<Account>),
    /// Say that this is not of the mechanism.
    Malformed,
}

impl Exchange {
    /// A client begins, by one of the mechanisms that are [`offered`].
    pub(crate) fn begin(mechanism: &str, initial: Option<Secret>) -> Step {
        let (exchange, prompt) = match mechanism {
            "PLAIN" => (Self::Plain, ""),
            "LOGIN" => (Self::Name, "Username:"),
            _ => (Self::First, ""),
        };
        match initial {
            Some(initial) => exchange.respond(initial),
            None => exchange.challenge(prompt),
        }
    }

    /// The client has said this.
    pub(crate) fn respond(self, said: Secret) -> Step {
        match self {
            Self::Plain => match plain(said.bytes()) {
                Some(credentials) => Step::Check(credentials, None),
                None => Step::Malformed,
            },
            Self::Name => match str::from_utf8(said.bytes()) {
                Ok(name) => Self::Password(name.to_owned()).challenge("Password:"),
                Err(_) => Step::Malformed,
            },
            Self::Password(name) => Step::Check(Credentials::password(name, said), None),
            Self::First => match ScramServer::begin(said.bytes()) {
                Ok(scram) => Step::Keys(Box::new(scram)),
                Err(_) => Step::Malformed,
            },
            Self::Last(scram) => match scram.finish(said.bytes()) {
                Ok((credentials, last)) => Step::Check(credentials, Some(last)),
                Err(_) => Step::Malformed,
            },
            Self::Proven(account) if said.is_empty() => Step::Done(account),
            Self::Proven(_) => Step::Malformed,
        }
    }

    /// Whoever has these keys is to prove it.
    pub(crate) fn prove(mut scram: Box<ScramServer>, keys: ScramKeys, reactor: &Reactor) -> Step {
        let mut nonce = [0; NONCE_LEN];
        reactor.random(&mut nonce);
        let text = scram.challenge(keys, &nonce);
        Self::Last(scram).challenge(&text)
    }

    /// The credentials were right; `last` is what is to be said before the end.
    pub(crate) fn end(account: Arc<Account>, last: Option<String>) -> Step {
        match last {
            None => Step::Done(account),
            Some(last) => Self::Proven(account).challenge(&last),
        }
    }

    fn challenge(self, text: &str) -> Step {
        Step::Challenge(self, BASE64_STANDARD.encode(text))
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
