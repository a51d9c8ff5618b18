//! Lines of commands.

use super::{super::Reply, Command};
use crate::{
    command_line::{Fault, Spoken},
    sasl,
};

/// The longest command in bytes, with its CRLF (RFC 2449 section 4).
pub const LINE_MAX: usize = 255;
/// The same for AUTH, and the longest line of a login (RFC 5034 section 4).
pub const AUTH_LINE_MAX: usize = sasl::LINE_MAX;

impl Spoken for Command {
    type Reply = Reply;

    fn line_max(line: &[u8]) -> usize {
        let is_auth = line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        if is_auth { AUTH_LINE_MAX } else { LINE_MAX }
    }

    fn read(line: &[u8]) -> Result<Self, Reply> {
        Self::parse(line)
    }

    fn refusal(fault: Fault) -> Reply {
        Reply::err(fault.text())
    }
}
