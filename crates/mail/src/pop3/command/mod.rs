//! Commands: what a client says, with its arguments checked.

mod line;
mod parse;
#[cfg(test)]
mod tests;
mod write;

pub use crate::{
    command_line::{Fault, Reader, Spoken, Violation},
    sasl::Response,
};
pub use line::{AUTH_LINE_MAX, LINE_MAX};

use trenza_auth::Secret;

/// A command (RFC 1939; CAPA: RFC 2449, STLS: RFC 2595, AUTH: RFC 5034). Messages have numbers from 1.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// CAPA: what can the server do?
    Capa,
    /// STLS: begins TLS.
    Stls,
    /// USER: by what name the client logs in.
    User(String),
    /// PASS: the password.
    Pass(Secret),
    /// AUTH: logs in by SASL.
    Auth {
        /// By which mechanism, in upper case.
        mechanism: String,
        /// The first response, if it was not left out; it may be empty.
        initial: Option<Secret>,
    },
    /// STAT: how many messages, and how many bytes in all?
    Stat,
    /// LIST: how many bytes has this message, or each?
    List(Option<u32>),
    /// UIDL: by what name is this message always known, or each?
    Uidl(Option<u32>),
    /// RETR: the whole message.
    Retr(u32),
    /// TOP: its header and so many lines of its body.
    Top {
        /// Which message.
        message: u32,
        /// How many lines.
        lines: u64,
    },
    /// DELE: it is to be deleted at the end.
    Dele(u32),
    /// RSET: none is to be.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT: the end.
    Quit,
}
