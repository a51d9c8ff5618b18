//! [`Site`]: what servers can do beside the protocol.

use super::{Error, parse::fault};
use crate::{Code, time};
use std::time::SystemTime;

/// A SITE command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Site {
    /// `CHMOD 644 name`: the permissions of a file, at most 0o7777.
    Chmod(u32, Vec<u8>),
    /// `UTIME`: when a file was changed. It has two forms: `UTIME YYYYMMDDHHMM[SS] name`, and
    /// `UTIME name access modify create UTC`.
    Utime(SystemTime, Vec<u8>),
    /// `HELP`.
    Help,
    /// Any other, as it came: to be refused with 500, or to be understood by who knows it.
    Other(Vec<u8>),
}

impl Site {
    pub(super) fn parse(text: &[u8]) -> Result<Self, Error> {
        let (verb, rest) = word(text);
        let bad = |what| fault(Code::BAD_ARGUMENT, what);
        match &*verb.to_ascii_uppercase() {
            b"CHMOD" => {
                let (mode, path) = word(rest);
                let digits = (1..=5).contains(&mode.len()) && mode.iter().all(|c| matches!(c, b'0'..=b'7'));
                let mode = std::str::from_utf8(mode).ok().filter(|_| digits);
                let mode = mode.and_then(|mode| u32::from_str_radix(mode, 8).ok());
                match mode.filter(|mode| *mode <= 0o7777) {
                    Some(mode) if !path.is_empty() => Ok(Self::Chmod(mode, path.into())),
                    _ => bad("SITE CHMOD wants an octal mode and a path"),
                }
            }
            b"UTIME" => match utime(rest) {
                Some((time, path)) => Ok(Self::Utime(time, path)),
                None => bad("SITE UTIME wants YYYYMMDDHHMMSS and a path"),
            },
            b"HELP" => Ok(Self::Help),
            b"" => bad("SITE wants a command"),
            _ => Ok(Self::Other(text.into())),
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        match self {
            Self::Chmod(mode, path) => [format!("CHMOD {mode:03o} ").as_bytes(), path].concat(),
            Self::Utime(at, path) => {
                let at = time::write(*at);
                let seconds = at.get(..14).unwrap_or(&at);
                [format!("UTIME {seconds} ").as_bytes(), path].concat()
            }
            Self::Help => b"HELP".to_vec(),
            Self::Other(text) => text.clone(),
        }
    }
}

/// What stands before the first space, and what behind it.
pub(super) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|c| *c == b' ') {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, b""),
    }
}

fn utime(text: &[u8]) -> Option<(SystemTime, Vec<u8>)> {
    let (first, path) = word(text);
    if let Some(time) = minutes_or_seconds(first).filter(|_| !path.is_empty()) {
        return Some((time, path.into()));
    }
    // The other form: from the end, since names may have spaces.
    let mut parts = text.rsplitn(5, |c| *c == b' ');
    let (zone, _created, modified, _accessed) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let path = parts.next().filter(|path| !path.is_empty() && zone.eq_ignore_ascii_case(b"UTC"))?;
    Some((minutes_or_seconds(modified)?, path.into()))
}

fn minutes_or_seconds(text: &[u8]) -> Option<SystemTime> {
    match text.len() {
        12 => time::parse(&[text, b"00"].concat()),
        14 => time::parse(text),
        _ => None,
    }
}
