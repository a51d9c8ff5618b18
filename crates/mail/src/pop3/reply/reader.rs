//! Replies from a connection, at the client's end.

use super::{Reply, ResponseCode, Status};
use trenza_wire::Input;

/// The longest line of a reply that is read, in bytes without its end. More than the 512 of RFC 2449, since challenges may be longer.
pub const LINE_READ_MAX: usize = 16 * 1024;

/// What can be wrong with what a server says: its fault, and nothing can be answered.
pub type Error = trenza_wire::ProtocolError<()>;

impl Reply {
    /// The next reply's first line; None until it is whole. Text that is no UTF-8 is mended.
    ///
    /// # Errors
    /// The server's: it does not speak POP3, or a line is too long. Nothing of use follows.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use trenza_mail::pop3::{Reply, ResponseCode, Status};
    /// use trenza_wire::Input;
    ///
    /// let frozen = Cell::new(false);
    /// let reply = Reply::read(&mut Input::new(b"-ERR [AUTH] No\r\n", &frozen, 4096))?.unwrap();
    /// assert_eq!((reply.status(), reply.response_code(), reply.text()), (Status::Err, Some(&ResponseCode::Auth), "No"));
    /// # Ok::<(), trenza_mail::pop3::reply::Error>(())
    /// ```
    pub fn read(input: &mut Input<'_>) -> Result<Option<Self>, Error> {
        match input.line(LINE_READ_MAX) {
            Ok(Some(line)) => match Self::parse(&String::from_utf8_lossy(line)) {
                Some(reply) => Ok(Some(reply)),
                None => fault("a reply begins with neither +OK nor -ERR"),
            },
            Ok(None) => Ok(None),
            Err(_) => fault("a line of a reply is too long, or does not end in CRLF"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (start, rest) = line.split_once(' ').unwrap_or((line, ""));
        let status = match start.to_ascii_uppercase().as_str() {
            "+OK" => Status::Ok,
            "-ERR" => Status::Err,
            "+" => Status::Challenge,
            _ => return None,
        };
        let coded = rest.strip_prefix('[').filter(|_| status != Status::Challenge);
        let split = coded.and_then(|rest| rest.split_once(']'));
        let code = split.and_then(|(name, text)| Some((ResponseCode::parse(name)?, text.trim_start())));
        let (code, text) = code.map_or((None, rest), |(code, text)| (Some(code), text));
        Some(Self { status, code, text: text.to_owned().into() })
    }
}

pub(in crate::pop3) fn fault<T>(what: &'static str) -> Result<T, Error> {
    Err(Error::Remote { what, reply: () })
}
