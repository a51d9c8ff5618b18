//! CONNECT, the client's end: a connection through an HTTP proxy (RFC 9110 section 9.3.6).
//!
//! ```
//! use std::cell::Cell;
//! use trenza_proxy::{Target, http::{Answer, Client}};
//! use trenza_wire::{Input, OutBuf};
//!
//! let mut client = Client::new(Target::new("example.org", 443)?, None)?;
//! let mut out = OutBuf::new();
//! client.start(&mut out);
//! assert!(out.to_vec()?.starts_with(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n"));
//!
//! let frozen = Cell::new(false);
//! let mut input = Input::new(b"HTTP/1.1 200 OK\r\n\r\nthe program's bytes", &frozen, 64 * 1024);
//! assert_eq!(client.next(&mut input)?, Some(Answer::Granted));
//! assert_eq!(input.rest(), b"the program's bytes");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{Host, Target};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use memchr::memmem;
use std::{fmt, io};
use trenza_wire::{Input, OutBuf, ProtocolError};

/// What can be wrong: ours, when the caller asks for what HTTP cannot say; else the proxy's.
pub type Error = ProtocolError<()>;

/// The longest head of a response, in bytes.
pub const HEAD_MAX: usize = 16 * 1024;
/// The most fields of a response.
pub const FIELDS_MAX: usize = 100;
/// The most responses that only say to wait (1xx).
pub const INTERIM_MAX: u32 = 8;

/// What the proxy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// From here on the bytes are the target's.
    Granted,
    /// It will not be done.
    Refused(Refusal),
}

/// Why the proxy will not do it: its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal(pub u16);

impl Refusal {
    /// The kind of [`io::Error`] that says the same, as far as there is one.
    pub fn kind(self) -> io::ErrorKind {
        match self.0 {
            401 | 403 | 407 => io::ErrorKind::PermissionDenied,
            405 | 501 => io::ErrorKind::Unsupported,
            502 | 503 => io::ErrorKind::HostUnreachable,
            504 => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            407 => f.write_str("the proxy does not accept the user and password, or wants some (status 407)"),
            403 => f.write_str("the proxy does not allow it (status 403)"),
            405 | 501 => write!(f, "the proxy does not have CONNECT (status {})", self.0),
            502 | 503 => write!(f, "the proxy could not reach it (status {})", self.0),
            504 => f.write_str("no answer in time (status 504)"),
            status => write!(f, "status {status}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The end that asks.
#[derive(Clone)]
pub struct Client {
    head: Option<String>,
    interim: u32,
    over: bool,
}

impl Client {
    /// Asks a proxy for `target`, and shows user and password if they are given ("Basic", RFC 7617).
    ///
    /// # Errors
    /// Ours: a colon in the user's name, which the password would begin at, or control characters.
    pub fn new(target: Target, credentials: Option<(&str, &str)>) -> Result<Self, Error> {
        use fmt::Write as _;
        let graphic = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if matches!(&target.host, Host::Name(name) if !graphic(name)) {
            return Err(Error::Local("a name has printable ASCII only"));
        }
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some((user, password)) = credentials {
            if user.contains(':') || user.chars().chain(password.chars()).any(char::is_control) {
                return Err(Error::Local(
                    "a user has no colon, and neither it nor a password control characters",
                ));
            }
            let shown = BASE64_STANDARD.encode(format!("{user}:{password}"));
            // Writing to a string cannot fail.
            let _ = write!(head, "Proxy-Authorization: Basic {shown}\r\n");
        }
        head.push_str("\r\n");
        Ok(Self { head: Some(head), interim: 0, over: false })
    }

    /// Writes the request, once.
    pub fn start(&mut self, out: &mut OutBuf) {
        if let Some(head) = self.head.take() {
            out.push_vec(head.into_bytes());
        }
    }

    /// Reads the response. None: it waits for more bytes.
    ///
    /// # Errors
    /// The proxy's: what it says is no response of HTTP/1, or its head is too long.
    pub fn next(&mut self, input: &mut Input<'_>) -> Result<Option<Answer>, Error> {
        while !self.over {
            let unread = input.peek();
            let window = unread.get(..HEAD_MAX).unwrap_or(unread);
            let Some((status, length)) = self.head(window)? else { return Ok(None) };
            input.skip(length);
            match status {
                101 | 200.. => {
                    self.over = true;
                    let granted = (200..300).contains(&status);
                    return Ok(Some(if granted {
                        Answer::Granted
                    } else {
                        Answer::Refused(Refusal(status))
                    }));
                }
                _ => self.interim += 1,
            }
            if self.interim > INTERIM_MAX {
                return self.fault("too many responses that only say to wait");
            }
        }
        Ok(None)
    }

    /// Status and length of a head that is whole.
    fn head(&mut self, window: &[u8]) -> Result<Option<(u16, usize)>, Error> {
        // Whoever speaks something else may never send an empty line.
        let begins = window.get(..7).unwrap_or(window);
        if !b"HTTP/1.".starts_with(begins) {
            return self.fault("it does not speak HTTP/1");
        }
        // Looked for first: parsing from the start for each byte that comes would cost the square.
        let blank = memmem::find(window, b"\n\r\n").or_else(|| memmem::find(window, b"\n\n"));
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = blank.map_or(Ok(httparse::Status::Partial), |_| response.parse(window));
        match parsed {
            Ok(httparse::Status::Complete(length)) => match response.code {
                Some(status @ 100..) => Ok(Some((status, length))),
                _ => self.fault("its response has no status"),
            },
            Ok(httparse::Status::Partial) if window.len() < HEAD_MAX => Ok(None),
            Ok(httparse::Status::Partial) => self.fault("the head of its response is too long"),
            Err(httparse::Error::TooManyHeaders) => self.fault("its response has too many fields"),
            Err(_) => self.fault("its response is not HTTP"),
        }
    }

    fn fault<T>(&mut self, what: &'static str) -> Result<T, Error> {
        self.over = true;
        Err(Error::Remote { what, reply: () })
    }
}

impl fmt::Debug for Client {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("over", &self.over).finish_non_exhaustive()
    }
}
