//! Addresses, and the paths of MAIL and RCPT that they stand in.

mod host;
mod list;
mod mailbox;
#[cfg(test)]
mod tests;

pub use host::{DOMAIN_MAX, Host};
pub use mailbox::{LOCAL_MAX, Mailbox};

use std::fmt;

/// Where a message goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Recipient {
    /// An address.
    Mailbox(Mailbox),
    /// `<Postmaster>`, without a domain: whoever looks after this server (RFC 5321 section 4.5.1).
    Postmaster,
}

impl Recipient {
    /// The address, if it is one.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Mailbox(mailbox) => Some(mailbox),
            Self::Postmaster => None,
        }
    }

    /// Whether it can be said to a server that knows no SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.mailbox().is_none_or(Mailbox::is_ascii)
    }
}

impl From<Mailbox> for Recipient {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

impl fmt::Display for Recipient {
    /// Without angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(mailbox) => fmt::Display::fmt(mailbox, f),
            Self::Postmaster => f.write_str("Postmaster"),
        }
    }
}

/// The path of MAIL that a text begins with, and what stands behind it. `Some(None)` as the path: `<>`, nobody, which
/// bounces come from.
pub(super) fn reverse_path(text: &str) -> Option<(Option<Mailbox>, &str)> {
    if let Some(rest) = text.strip_prefix("<>") {
        return Some((None, rest));
    }
    let (mailbox, rest) = path(text)?;
    Some((Some(mailbox), rest))
}

/// The path of RCPT that a text begins with, and what stands behind it.
pub(super) fn forward_path(text: &str) -> Option<(Recipient, &str)> {
    const POSTMASTER: &str = "<postmaster>";
    if let Some((head, rest)) = text.split_at_checked(POSTMASTER.len())
        && head.eq_ignore_ascii_case(POSTMASTER)
    {
        return Some((Recipient::Postmaster, rest));
    }
    let (mailbox, rest) = path(text)?;
    Some((mailbox.into(), rest))
}

/// An address in angle brackets. The hosts of a source route are looked at and left out (RFC 5321 appendix C).
fn path(text: &str) -> Option<(Mailbox, &str)> {
    let mut rest = text.strip_prefix('<')?;
    if rest.starts_with('@') {
        let (route, after) = rest.split_once(':')?;
        if !route.split(',').all(|hop| hop.strip_prefix('@').and_then(Host::parse).is_some()) {
            return None;
        }
        rest = after;
    }
    let (local, rest) = mailbox::local(rest)?;
    let rest = rest.strip_prefix('@')?;
    let end = match rest.starts_with('[') {
        true => rest.find(']')? + 1,
        false => rest.find('>')?,
    };
    let (host, rest) = rest.split_at_checked(end)?;
    let mailbox = Mailbox::new(local, Host::parse(host)?)?;
    Some((mailbox, rest.strip_prefix('>')?))
}
