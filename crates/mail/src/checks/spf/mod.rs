//! SPF: may this host send mail for that domain? (RFC 7208)
//!
//! ```text
//!  check ──▶ record of the domain ──▶ its mechanisms in turn ──▶ the first that matches says the result
//!    ▲                                  a mx ptr exists ip4 ip6 all
//!    └────────── include, redirect ──────────┘
//! ```

mod check;
mod macros;
mod record;
#[cfg(test)]
mod tests;

pub use check::{LOOKUPS_MAX, NAMES_MAX, VOID_LOOKUPS_MAX, check};

use std::{fmt, net::IpAddr, time::SystemTime};

/// Who sends what.
#[derive(Debug, Clone, Copy)]
pub struct SpfQuery<'a> {
    /// The client's address.
    pub ip: IpAddr,
    /// What it calls itself in EHLO.
    pub helo: &'a str,
    /// The sender in MAIL, `local@domain`; empty for a bounce, of which the name in EHLO is checked.
    pub sender: &'a str,
    /// The name of this host, for explanations.
    pub receiver: &'a str,
    /// The time, for explanations.
    pub now: SystemTime,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spf {
    /// May it?
    pub result: SpfResult,
    /// The domain that was checked: the sender's, or that of EHLO.
    pub domain: String,
    /// The sender of it was empty: the name in EHLO was checked.
    pub is_helo: bool,
    /// The domain's own words for a [`Fail`](SpfResult::Fail). They are a stranger's: say so where they are shown.
    pub explanation: Option<String>,
    /// Why it could not be checked, for logs.
    pub problem: Option<String>,
}

/// May a host send for a domain? (RFC 7208 section 2.6)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpfResult {
    /// The domain does not say.
    None,
    /// The domain says that it does not say.
    Neutral,
    /// It may.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// It cannot be found out now.
    TempError,
    /// What the domain says cannot be understood, or costs too much to look up.
    PermError,
}

impl SpfResult {
    /// Its word in header fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for SpfResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
