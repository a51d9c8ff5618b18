//! [`Client`]: the end that asks.

use super::{
    Command, Error, Reply, USER_MAX, Version, fault,
    field::{Fields, ip4, put_target, stands_for_name},
    server::{NO_AUTH, NO_METHOD, PASSWORD},
};
use crate::{Host, NAME_MAX, Target};
use std::{fmt, io};
use trenza_wire::{Input, OutBuf};

/// What the proxy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done; the target is the address at the proxy's end, or in BIND's second answer the peer who came.
    Granted(Target),
    /// It will not be done. The proxy closes.
    Refused(Refusal),
}

/// Why the proxy will not do it. No protocol was broken: the proxy has said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It wants a user and a password, and none was given.
    #[error("the proxy wants a user and a password")]
    CredentialsWanted,
    /// It wants another kind of authentication than these.
    #[error("the proxy accepts neither a password nor none")]
    NoMethod,
    /// The password or the user is wrong.
    #[error("the proxy does not accept the user and password")]
    CredentialsWrong,
    /// It cannot or will not do what it was asked for.
    #[error("{0}")]
    Reply(Reply),
}

impl Refusal {
    /// The kind of [`io::Error`] that says the same.
    pub fn kind(self) -> io::ErrorKind {
        match self {
            Self::Reply(reply) => reply.kind(),
            _ => io::ErrorKind::PermissionDenied,
        }
    }
}

/// The end that asks.
///
/// ```text
///  start ─▶ 5: greeted ─▶ [shown ─▶] asked ─▶ over
///    └────▶ 4: asked ────────────────┘  └─▶ of BIND: asked again
/// ```
#[derive(Clone)]
pub struct Client {
    version: Version,
    command: Command,
    target: Target,
    credentials: Option<[Box<[u8]>; 2]>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Greeted,
    Shown,
    /// The proxy owes so many replies.
    Asked(u8),
    Over,
}

impl Client {
    /// Asks a proxy for `target`, and shows user and password if they are given (version 4: the user only).
    ///
    /// # Errors
    /// Ours: the version cannot say it. Version 4 has IPv4 addresses only, and 4a names; neither has UDP. User and
    /// password have 1 to [`USER_MAX`] bytes, in version 4 none of them zero.
    pub fn new(
        version: Version,
        command: Command,
        target: Target,
        credentials: Option<(&[u8], &[u8])>,
    ) -> Result<Self, Error> {
        let v5 = version == Version::V5;
        let fits = |part: &[u8]| (1..=USER_MAX).contains(&part.len()) && (v5 || !part.contains(&0));
        if let Some((user, password)) = credentials
            && !(fits(user) && (fits(password) || !v5))
        {
            return Err(Error::Local("user and password have 1 to 255 bytes"));
        }
        let named = matches!(&target.host, Host::Name(name) if (1..=NAME_MAX).contains(&name.len()));
        match &target.host {
            Host::Ip(ip) if !v5 && ip4(*ip).is_none() => {
                return Err(Error::Local("SOCKS 4 has no IPv6 addresses"));
            }
            // An address such as 0.0.0.1 stands for "a name follows".
            Host::Ip(ip) if !v5 && ip4(*ip).is_some_and(stands_for_name) => {
                return Err(Error::Local("SOCKS 4 cannot say this address"));
            }
            Host::Name(_) if !named => return Err(Error::Local("a name has 1 to 255 bytes")),
            Host::Name(_) if version == Version::V4 => {
                return Err(Error::Local("SOCKS 4 has no names: 4a and 5 do"));
            }
            _ => {}
        }
        if command == Command::Associate && !v5 {
            return Err(Error::Local("SOCKS 4 has no UDP"));
        }
        let credentials = credentials.map(|(user, password)| [user.into(), password.into()]);
        Ok(Self { version, command, target, credentials, state: State::Start })
    }

    /// Writes what the client begins with, once.
    pub fn start(&mut self, out: &mut OutBuf) {
        if self.state != State::Start {
            return;
        }
        match (self.version, &self.credentials) {
            (Version::V5, None) => out.push_slice(&[5, 1, NO_AUTH]),
            (Version::V5, Some(_)) => out.push_slice(&[5, 2, NO_AUTH, PASSWORD]),
            (Version::V4 | Version::V4a, _) => return self.ask4(out),
        }
        self.state = State::Greeted;
    }

    /// Reads on; what is to be said next goes to `out`. None: it waits for more bytes.
    ///
    /// # Errors
    /// The proxy's: it does not speak this version of SOCKS. Nothing more is read then.
    pub fn next(&mut self, input: &mut Input<'_>, out: &mut OutBuf) -> Result<Option<Answer>, Error> {
        loop {
            let mut fields = Fields::new(input.peek());
            let before = self.state;
            let step = match self.state {
                State::Greeted => self.chosen(&mut fields, out),
                State::Shown => self.admitted(&mut fields, out),
                State::Asked(_) if self.version == Version::V5 => self.replied5(&mut fields),
                State::Asked(_) => self.replied4(&mut fields),
                State::Start | State::Over => return Ok(None),
            };
            let answer = step.inspect_err(|_| self.state = State::Over)?;
            if answer.is_none() && self.state == before {
                return Ok(None);
            }
            input.skip(fields.taken());
            if answer.is_some() {
                return Ok(answer);
            }
        }
    }

    /// The proxy has chosen a method of authentication.
    fn chosen(&mut self, fields: &mut Fields<'_>, out: &mut OutBuf) -> Result<Option<Answer>, Error> {
        self.version_is(fields, 5, "it does not speak SOCKS 5")?;
        let (Some(_), Some(method)) = (fields.byte(), fields.byte()) else { return Ok(None) };
        match (method, &self.credentials) {
            (NO_AUTH, _) => self.ask5(out),
            (PASSWORD, Some([user, password])) => {
                let length = |part: &[u8]| u8::try_from(part.len()).unwrap_or(u8::MAX);
                out.push_slice(&[1, length(user)]);
                out.push_slice(user);
                out.push_slice(&[length(password)]);
                out.push_slice(password);
                self.state = State::Shown;
            }
            (NO_METHOD, None) => return Ok(self.refused(Refusal::CredentialsWanted)),
            (NO_METHOD, Some(_)) => return Ok(self.refused(Refusal::NoMethod)),
            _ => return fault("it has chosen a method of authentication that was not offered"),
        }
        Ok(None)
    }

    /// The proxy has looked at the credentials. Some send the version of SOCKS where that of the credentials belongs.
    fn admitted(&mut self, fields: &mut Fields<'_>, out: &mut OutBuf) -> Result<Option<Answer>, Error> {
        let (Some(_), Some(status)) = (fields.byte(), fields.byte()) else { return Ok(None) };
        if status != 0 {
            return Ok(self.refused(Refusal::CredentialsWrong));
        }
        self.ask5(out);
        Ok(None)
    }

    fn replied5(&mut self, fields: &mut Fields<'_>) -> Result<Option<Answer>, Error> {
        self.version_is(fields, 5, "a reply of another version")?;
        let (Some(_), Some(code)) = (fields.byte(), fields.byte()) else { return Ok(None) };
        match Reply::of_code5(code) {
            Reply::Granted if fields.byte().is_none() => Ok(None),
            Reply::Granted => match fields.target() {
                Ok(bound) => Ok(bound.map(|bound| self.granted(bound))),
                Err(address) => fault(address.what()),
            },
            // Some close without the address behind it, and it would say nothing.
            reply => Ok(self.refused(Refusal::Reply(reply))),
        }
    }

    fn replied4(&mut self, fields: &mut Fields<'_>) -> Result<Option<Answer>, Error> {
        self.version_is(fields, 0, "it does not speak SOCKS 4")?;
        let (Some(_), Some(code)) = (fields.byte(), fields.byte()) else { return Ok(None) };
        match Reply::of_code4(code) {
            Reply::Granted => {
                let (Some(port), Some(ip)) = (fields.port(), fields.array::<4>()) else { return Ok(None) };
                Ok(Some(self.granted(Target::from((ip.into(), port)))))
            }
            reply => Ok(self.refused(Refusal::Reply(reply))),
        }
    }

    /// Looks at the first byte of an answer, as soon as it is there.
    fn version_is(&self, fields: &Fields<'_>, version: u8, what: &'static str) -> Result<(), Error> {
        match fields.rest().first() {
            Some(other) if *other != version => fault(what),
            _ => Ok(()),
        }
    }

    fn granted(&mut self, bound: Target) -> Answer {
        self.state = match self.state {
            State::Asked(owed @ 2..) => State::Asked(owed - 1),
            _ => State::Over,
        };
        Answer::Granted(bound)
    }

    fn refused(&mut self, why: Refusal) -> Option<Answer> {
        self.state = State::Over;
        Some(Answer::Refused(why))
    }

    fn asked(&mut self) {
        self.state = State::Asked(if self.command == Command::Bind { 2 } else { 1 });
    }

    fn ask5(&mut self, out: &mut OutBuf) {
        let mut message = vec![5, self.command.code(), 0];
        put_target(&self.target, &mut message);
        out.push_slice(&message);
        self.asked();
    }

    fn ask4(&mut self, out: &mut OutBuf) {
        let (ip, name) = match &self.target.host {
            Host::Ip(ip) => (ip4(*ip).map_or([0; 4], |ip| ip.octets()), None),
            Host::Name(name) => ([0, 0, 0, 1], Some(name)),
        };
        out.push_slice(&[4, self.command.code()]);
        out.push_slice(&self.target.port.to_be_bytes());
        out.push_slice(&ip);
        if let Some([user, _]) = &self.credentials {
            out.push_slice(user);
        }
        out.push_slice(&[0]);
        if let Some(name) = name {
            out.push_slice(name.as_bytes());
            out.push_slice(&[0]);
        }
        self.asked();
    }
}

impl fmt::Debug for Client {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?} {:?} {}, {:?})", self.version, self.command, self.target, self.state)
    }
}
