//! [`Mechanism`] and [`Mechanisms`]: ways to say who one is.

use std::{fmt, ops::BitOr};

/// A way to say who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mechanism {
    /// A password as it is: `PASS` of FTP and POP3, PLAIN and LOGIN of SASL, basic authentication of HTTP.
    Password,
    /// SCRAM-SHA-256 (RFC 5802, RFC 7677): the password never crosses the network.
    ScramSha256,
    /// A key of SSH.
    PublicKey,
    /// A bearer's token (OAUTHBEARER, `Authorization: Bearer`).
    Token,
    /// The certificate of a TLS client (EXTERNAL of SASL).
    Certificate,
    /// Nobody in particular.
    Anonymous,
}

impl Mechanism {
    /// All, the one that is to be preferred first.
    pub const ALL: [Self; 6] =
        [Self::ScramSha256, Self::Certificate, Self::PublicKey, Self::Token, Self::Password, Self::Anonymous];

    /// Its names in SASL's registry; none for keys of SSH.
    pub fn sasl(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["PLAIN", "LOGIN"],
            Self::ScramSha256 => &["SCRAM-SHA-256"],
            Self::PublicKey => &[],
            Self::Token => &["OAUTHBEARER"],
            Self::Certificate => &["EXTERNAL"],
            Self::Anonymous => &["ANONYMOUS"],
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::ScramSha256 => "scram-sha-256",
            Self::PublicKey => "public-key",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Anonymous => "anonymous",
        })
    }
}

/// A set of mechanisms.
///
/// ```
/// use trenza_auth::{Mechanism, Mechanisms};
///
/// let offered = Mechanisms::from(Mechanism::Password) | Mechanism::ScramSha256.into();
/// assert_eq!(offered.sasl().collect::<Vec<_>>(), ["SCRAM-SHA-256", "PLAIN", "LOGIN"]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mechanisms(u8);

impl Mechanisms {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// Is it one of them?
    pub fn contains(self, mechanism: Mechanism) -> bool {
        self.0 & Self::from(mechanism).0 != 0
    }

    /// Those of them, the one that is to be preferred first.
    pub fn iter(self) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.into_iter().filter(move |mechanism| self.contains(*mechanism))
    }

    /// Their names in SASL, the one that is to be preferred first.
    pub fn sasl(self) -> impl Iterator<Item = &'static str> {
        self.iter().flat_map(Mechanism::sasl).copied()
    }

    /// Without this one.
    #[must_use]
    pub fn without(self, mechanism: Mechanism) -> Self {
        Self(self.0 & !Self::from(mechanism).0)
    }

    /// With this one if `yes`.
    pub(crate) fn and(self, mechanism: Mechanism, yes: bool) -> Self {
        if yes { self | mechanism.into() } else { self }
    }
}

impl From<Mechanism> for Mechanisms {
    fn from(mechanism: Mechanism) -> Self {
        Self(1 << mechanism as u8)
    }
}

impl BitOr for Mechanisms {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Mechanisms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
