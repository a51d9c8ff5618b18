//! [`ResponseCode`]: why something was refused, for programs.

use std::fmt;

/// Why something was refused, as stands in brackets before the text (RFC 2449 section 8, RFC 3206).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseCode {
    /// `IN-USE`: another session has the mailbox.
    InUse,
    /// `LOGIN-DELAY`: the last login was too short a time ago.
    LoginDelay,
    /// `SYS/TEMP`: the server cannot just now.
    SysTemp,
    /// `SYS/PERM`: the server cannot until somebody mends it.
    SysPerm,
    /// `AUTH`: name or password are wrong.
    Auth,
    /// Any other, in upper case.
    Other(String),
}

impl ResponseCode {
    /// The code of this name, in upper or lower case. None: there is none, or something else than letters, digits, `-`
    /// and `/` in it.
    pub fn parse(name: &str) -> Option<Self> {
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/');
        if name.is_empty() || !name.bytes().all(of_name) {
            return None;
        }
        let name = name.to_ascii_uppercase();
        Some(match name.as_str() {
            "IN-USE" => Self::InUse,
            "LOGIN-DELAY" => Self::LoginDelay,
            "SYS/TEMP" => Self::SysTemp,
            "SYS/PERM" => Self::SysPerm,
            "AUTH" => Self::Auth,
            _ => Self::Other(name),
        })
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Auth => "AUTH",
            Self::Other(name) => name,
        })
    }
}
