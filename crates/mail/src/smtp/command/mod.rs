//! Commands: what a client says, with its arguments checked.

mod line;
mod parameters;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub use crate::{
    command_line::{Fault, Reader, Spoken, Violation},
    sasl::Response,
};
pub use line::{AUTH_LINE_MAX, LINE_MAX, MAIL_LINE_MAX, RCPT_LINE_MAX};
pub use parameters::{Body, Mail, Notify, OriginalRecipient, Rcpt, Return};

use super::Host;
use trenza_auth::Secret;

/// A command (RFC 5321 section 4.1; BDAT: RFC 3030, STARTTLS: RFC 3207, AUTH: RFC 4954, LHLO: RFC 2033).
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO: who the client is.
    Helo(Host),
    /// EHLO: the same, and which extensions are there?
    Ehlo(Host),
    /// LHLO: the same, of LMTP.
    Lhlo(Host),
    /// MAIL: a message begins, and who it is from.
    Mail(Mail),
    /// RCPT: one more who it goes to.
    Rcpt(Rcpt),
    /// DATA: the message follows, up to a line with a dot.
    Data,
    /// BDAT: a part of the message follows.
    Bdat {
        /// Its size in bytes.
        size: u64,
        /// It is the last one.
        last: bool,
    },
    /// RSET: forgets a message that has begun.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// HELP: about something, or everything.
    Help(Option<String>),
    /// VRFY: is there such a mailbox?
    Vrfy(String),
    /// EXPN: who is on this list?
    Expn(String),
    /// STARTTLS.
    StartTls,
    /// AUTH: logs in.
    Auth {
        /// By which mechanism of SASL, in upper case.
        mechanism: String,
        /// The first response, if it was not left out; it may be empty.
        initial: Option<Secret>,
    },
}
