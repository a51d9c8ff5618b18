//! [`Server`]: the proxy's end.

use super::{
    Command, Error, Reply, USER_MAX, Version, fault,
    field::{AddressFault, Fields, ip4, put_addr, stands_for_name},
};
use crate::{NAME_MAX, Target};
use memchr::memchr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use trenza_wire::{Input, OutBuf};

/// The methods of authentication (RFC 1928 section 3).
pub(super) const NO_AUTH: u8 = 0;
pub(super) const PASSWORD: u8 = 2;
pub(super) const NO_METHOD: u8 = 0xff;

/// What a client has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    None,
    /// A name and a password. Clients of version 4, which has neither, are refused.
    Password,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The version; 4a is told as it where the target is a name.
    pub version: Version,
    /// What to do.
    pub command: Command,
    /// Where.
    pub target: Target,
}

/// What comes from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// Who it says it is: [`Server::admit`] it or not.
    Credentials {
        /// The user.
        user: &'a [u8],
        /// The password.
        password: &'a [u8],
    },
    /// What it wants: [`Server::reply`].
    Request(Request),
}

/// The proxy's end of one connection.
///
/// ```text
///            5: methods           admit(true)             reply(Granted)
///  start ─────────────▶ credentials ────────▶ request ──▶ asked ────────▶ over: the bytes are the program's
///    │         │                   without     ▲            │  ▲ └─┐
///    │         └───────────────────────────────┘            │  └───┘ of BIND: twice
///    └─ 4: request ────────────────────────────────────────▶│ any other reply ──▶ over: close
/// ```
///
/// After an error it takes nothing more.
#[derive(Debug)]
pub struct Server {
    auth: Auth,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Credentials,
    /// The caller decides about them.
    Deciding,
    Request,
    /// The caller owes so many replies.
    Asked(Version, u8),
    Over,
}

/// What one step made of the bytes.
enum Step<'a> {
    /// They are not enough yet.
    Wait,
    Next(State),
    Tell(State, Event<'a>),
    /// The peer's fault. If there is something to answer, it was written.
    Fault(&'static str),
}

impl Server {
    /// The end of a connection that begins.
    pub fn new(auth: Auth) -> Self {
        Self { auth, state: State::Start }
    }

    /// Reads on; answers that need no decision go to `out`. None: it waits for more bytes, or for what the caller owes.
    ///
    /// # Errors
    /// The client's: it does not speak SOCKS, has no method of authentication that would do, asks for a command or
    /// kind of address that there is not, or for a name that is none. The answer, if there is one, is in `out`.
    pub fn next<'a>(&mut self, input: &mut Input<'a>, out: &mut OutBuf) -> Result<Option<Event<'a>>, Error> {
        loop {
            let mut fields = Fields::new(input.peek());
            let step = match self.state {
                State::Start => match fields.byte() {
                    None => Step::Wait,
                    Some(4) => self.version4(&mut fields, out),
                    Some(5) => self.methods(&mut fields, out),
                    Some(_) => Step::Fault("it does not speak SOCKS 4 or 5"),
                },
                State::Credentials => credentials(&mut fields, out),
                State::Request => request(&mut fields, out),
                State::Deciding | State::Asked(..) | State::Over => Step::Wait,
            };
            let (state, event) = match step {
                Step::Wait => return Ok(None),
                Step::Next(state) => (state, None),
                Step::Tell(state, event) => (state, Some(event)),
                Step::Fault(what) => {
                    self.state = State::Over;
                    return fault(what);
                }
            };
            self.state = state;
            input.skip(fields.taken());
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Answers credentials. When they are wrong, close behind it (RFC 1929 section 2).
    ///
    /// # Errors
    /// Ours: nobody has shown any.
    pub fn admit(&mut self, right: bool, out: &mut OutBuf) -> Result<(), Error> {
        if self.state != State::Deciding {
            return Err(Error::Local("there are no credentials to decide about"));
        }
        self.state = if right { State::Request } else { State::Over };
        out.push_slice(&[1, u8::from(!right)]);
        Ok(())
    }

    /// Answers the request. `bound` is the address at this end: of the connection to the target, of the listener, and
    /// in BIND's second reply that of the peer who came. After any reply but `Granted`, close.
    ///
    /// # Errors
    /// Ours: no request waits for a reply.
    pub fn reply(&mut self, reply: Reply, bound: Option<SocketAddr>, out: &mut OutBuf) -> Result<(), Error> {
        let State::Asked(version, owed) = self.state else {
            return Err(Error::Local("no request waits for a reply"));
        };
        self.state = match owed {
            2.. if reply == Reply::Granted => State::Asked(version, owed - 1),
            _ => State::Over,
        };
        match version {
            Version::V5 => reply5(reply, bound, out),
            Version::V4 | Version::V4a => reply4(reply, bound, out),
        }
        Ok(())
    }

    /// Chooses a method of authentication (RFC 1928 section 3).
    fn methods<'a>(&self, fields: &mut Fields<'a>, out: &mut OutBuf) -> Step<'a> {
        let Some(offered) = fields.string() else { return Step::Wait };
        let (method, state) = match self.auth {
            Auth::None => (NO_AUTH, State::Request),
            Auth::Password => (PASSWORD, State::Credentials),
        };
        if !offered.contains(&method) {
            out.push_slice(&[5, NO_METHOD]);
            return Step::Fault(match self.auth {
                Auth::None => "it insists on authentication, which is not asked for here",
                Auth::Password => "it has no user and password to show",
            });
        }
        out.push_slice(&[5, method]);
        Step::Next(state)
    }

    /// A request of version 4 or 4a.
    fn version4<'a>(&self, fields: &mut Fields<'a>, out: &mut OutBuf) -> Step<'a> {
        if self.auth == Auth::Password {
            return refuse4("version 4 has no passwords", out);
        }
        let Some(code) = fields.byte() else { return Step::Wait };
        let Some(command @ (Command::Connect | Command::Bind)) = Command::of(code) else {
            return refuse4("a command that version 4 does not have", out);
        };
        let (Some(port), Some(ip)) = (fields.port(), fields.array::<4>()) else { return Step::Wait };
        match terminated(fields, USER_MAX) {
            None => return Step::Wait,
            Some(None) => return refuse4("the user's name is too long", out),
            Some(Some(_)) => {}
        }
        if !stands_for_name(ip.into()) {
            let target = Target::from((IpAddr::from(ip), port));
            return asked(Request { version: Version::V4, command, target });
        }
        match terminated(fields, NAME_MAX) {
            None => Step::Wait,
            Some(None) => refuse4("the target's name is too long", out),
            Some(Some(name)) => match Target::from_bytes(name, port) {
                Ok(target) => asked(Request { version: Version::V4a, command, target }),
                Err(error) => refuse4(AddressFault::Name(error).what(), out),
            },
        }
    }
}

/// User and password (RFC 1929).
fn credentials<'a>(fields: &mut Fields<'a>, out: &mut OutBuf) -> Step<'a> {
    match fields.byte() {
        None => return Step::Wait,
        Some(1) => {}
        Some(_) => {
            out.push_slice(&[1, 1]);
            return Step::Fault("credentials of an unknown version");
        }
    }
    let (Some(user), Some(password)) = (fields.string(), fields.string()) else { return Step::Wait };
    Step::Tell(State::Deciding, Event::Credentials { user, password })
}

/// A request of version 5 (RFC 1928 section 4).
fn request<'a>(fields: &mut Fields<'a>, out: &mut OutBuf) -> Step<'a> {
    let mut refuse = |reply, what| {
        reply5(reply, None, out);
        Step::Fault(what)
    };
    match fields.byte() {
        None => return Step::Wait,
        Some(5) => {}
        Some(_) => return refuse(Reply::Failed, "a request of another version than the greeting"),
    }
    let Some(code) = fields.byte() else { return Step::Wait };
    let Some(command) = Command::of(code) else {
        return refuse(Reply::CommandNotSupported, "a command that version 5 does not have");
    };
    // The reserved byte says nothing.
    if fields.byte().is_none() {
        return Step::Wait;
    }
    match fields.target() {
        Ok(None) => Step::Wait,
        Ok(Some(target)) => asked(Request { version: Version::V5, command, target }),
        Err(fault @ AddressFault::Kind) => refuse(Reply::AddressNotSupported, fault.what()),
        Err(fault @ AddressFault::Name(_)) => refuse(Reply::Failed, fault.what()),
    }
}

fn asked<'a>(request: Request) -> Step<'a> {
    let owed = if request.command == Command::Bind { 2 } else { 1 };
    Step::Tell(State::Asked(request.version, owed), Event::Request(request))
}

fn refuse4<'a>(what: &'static str, out: &mut OutBuf) -> Step<'a> {
    reply4(Reply::Failed, None, out);
    Step::Fault(what)
}

/// A string up to a zero. None: there is no zero yet; within: it is longer than `max` bytes.
fn terminated<'a>(fields: &mut Fields<'a>, max: usize) -> Option<Option<&'a [u8]>> {
    let window = fields.rest();
    let window = window.get(..=max).unwrap_or(window);
    match memchr(0, window) {
        Some(end) => {
            let string = fields.take(end)?;
            fields.byte()?;
            Some(Some(string))
        }
        None if window.len() > max => Some(None),
        None => None,
    }
}

fn reply5(reply: Reply, bound: Option<SocketAddr>, out: &mut OutBuf) {
    let mut message = vec![5, reply.code5(), 0];
    put_addr(bound, &mut message);
    out.push_slice(&message);
}

fn reply4(reply: Reply, bound: Option<SocketAddr>, out: &mut OutBuf) {
    let bound = bound.and_then(|bound| Some((ip4(bound.ip())?, bound.port())));
    let (ip, port) = bound.unwrap_or((Ipv4Addr::UNSPECIFIED, 0));
    out.push_slice(&[0, reply.code4()]);
    out.push_slice(&port.to_be_bytes());
    out.push_slice(&ip.octets());
}
