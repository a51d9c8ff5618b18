//! [`Record`]: what a domain says (RFC 7489 section 6.3).

use crate::checks::dkim::Tags;
use std::fmt;

/// What a domain wants to become of messages that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Nothing in particular.
    None,
    /// They are suspicious: to be put aside.
    Quarantine,
    /// They are to be refused.
    Reject,
}

impl Policy {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::None, Self::Quarantine, Self::Reject];
        all.into_iter().find(|policy| text.eq_ignore_ascii_case(policy.as_str()))
    }

    /// What those get whose number was not drawn.
    pub(super) fn milder(self) -> Self {
        if self == Self::Reject { Self::Quarantine } else { Self::None }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a domain of the same organisation will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    Relaxed,
    Strict,
}

/// A record, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) policy: Policy,
    pub(super) subdomains: Policy,
    pub(super) dkim: Strictness,
    pub(super) spf: Strictness,
    /// Of how many in a hundred the policy is.
    pub(super) percent: u8,
}

impl Record {
    /// Whether a text claims to be a record.
    pub(super) fn is_one(text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text);
        let first = text.split(';').next().unwrap_or_default();
        let version = first.split_once('=').map(|(name, value)| (name.trim_ascii(), value.trim_ascii()));
        version == Some(("v", "DMARC1"))
    }

    /// Takes one apart; None: it has no policy, and so is none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Option<Self>, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "the record is not UTF-8")?;
        let tags = Tags::parse(text).ok_or("the record cannot be read")?;
        let policy = match tags.get("p").and_then(Policy::parse) {
            Some(policy) => policy,
            // Who wants reports wants to be told of what he meant (RFC 7489 section 6.6.3).
            None if tags.get("rua").is_some_and(|to| !to.is_empty()) => Policy::None,
            None => return Ok(None),
        };
        let strictness = |name| match tags.get(name) {
            Some("s" | "S") => Strictness::Strict,
            _ => Strictness::Relaxed,
        };
        let percent = tags.get("pct").and_then(|text| text.parse().ok()).filter(|percent| *percent <= 100);
        Ok(Some(Self {
            policy,
            subdomains: tags.get("sp").and_then(Policy::parse).unwrap_or(policy),
            dkim: strictness("adkim"),
            spf: strictness("aspf"),
            percent: percent.unwrap_or(100),
        }))
    }
}
