//! Lines of commands.

use super::{
    super::{Code, Reply, Status},
    Command,
    parameters::{AUTH_MAX, ENVID_MAX, ORCPT_MAX},
};
use crate::{
    command_line::{Fault, Spoken},
    sasl,
};
use memchr::memchr;

/// The longest command in bytes, with its CRLF (RFC 5321 section 4.5.3.1.4).
pub const LINE_MAX: usize = 512;
/// The same for MAIL, which extensions lengthen: SIZE by 26 (RFC 1870), BODY by 17 (RFC 6152), SMTPUTF8 by 10 (RFC 6531),
/// RET, ENVID (RFC 3461) and AUTH (RFC 4954) by what they may have.
pub const MAIL_LINE_MAX: usize = LINE_MAX + 26 + 17 + 10 + 9 + (7 + ENVID_MAX) + (6 + AUTH_MAX);
/// The same for RCPT, which NOTIFY and ORCPT lengthen (RFC 3461).
pub const RCPT_LINE_MAX: usize = LINE_MAX + 29 + (7 + ORCPT_MAX);
/// The longest line of a login in bytes, with its CRLF (RFC 4954 section 4).
pub const AUTH_LINE_MAX: usize = sasl::LINE_MAX;

impl Spoken for Command {
    type Reply = Reply;

    fn line_max(line: &[u8]) -> usize {
        let verb = line.get(..memchr(b' ', line).unwrap_or(line.len()).min(5)).unwrap_or_default();
        match () {
            () if verb.eq_ignore_ascii_case(b"MAIL") => MAIL_LINE_MAX,
            () if verb.eq_ignore_ascii_case(b"RCPT") => RCPT_LINE_MAX,
            () if verb.eq_ignore_ascii_case(b"AUTH") => AUTH_LINE_MAX,
            () => LINE_MAX,
        }
    }

    fn read(line: &[u8]) -> Result<Self, Reply> {
        Self::parse(line)
    }

    fn refusal(fault: Fault) -> Reply {
        let code = if fault == Fault::Base64 { Code::BAD_ARGUMENT } else { Code::UNKNOWN };
        Reply::new(code, Status::SYNTAX, fault.text())
    }
}
