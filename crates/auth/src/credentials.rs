//! [`Credentials`]: what somebody shows to be let in.

use crate::{Mechanism, Secret};
use std::fmt;
use trenza_core::Certificate;

/// What somebody shows to be let in. Nothing prints what is secret in it.
#[non_exhaustive]
pub enum Credentials {
    /// Name and password.
    Password {
        /// Who.
        name: String,
        /// The password as it came.
        password: Secret,
    },
    /// The end of a SCRAM exchange, as [`ScramServer`](crate::scram::ScramServer) gives it.
    Challenge {
        /// Who.
        name: String,
        /// What was said: the three messages as RFC 5802 section 3 joins them.
        auth_message: String,
        /// `ClientProof`, 32 bytes.
        proof: Secret,
    },
    /// A public key. The protocol has verified that the client can sign with it.
    PublicKey {
        /// Who.
        name: String,
        /// The key as SSH sends it (RFC 4253 section 6.6).
        key: Vec<u8>,
    },
    /// A bearer's token.
    Token {
        /// Who, where the protocol says so; the token alone is enough.
        name: Option<String>,
        /// The token.
        token: Secret,
    },
    /// The certificate of a TLS client. TLS has verified it.
    Certificate {
        /// Who, where the protocol says so; the certificate alone is enough.
        name: Option<String>,
        /// SHA-256 of the certificate.
        fingerprint: [u8; 32],
    },
    /// Nobody in particular.
    Anonymous {
        /// What was given instead of a password: an address, by custom.
        trace: String,
    },
}

impl Credentials {
    /// Name and password.
    pub fn password(name: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Password { name: name.into(), password: password.into() }
    }

    /// A client's certificate, and the name that it gave, if any.
    pub fn certificate(name: Option<String>, certificate: &Certificate) -> Self {
        Self::Certificate { name, fingerprint: certificate.fingerprint }
    }

    /// Who it says it is.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Password { name, .. } | Self::Challenge { name, .. } | Self::PublicKey { name, .. } => {
                Some(name)
            }
            Self::Token { name, .. } | Self::Certificate { name, .. } => name.as_deref(),
            Self::Anonymous { .. } => None,
        }
    }

    /// How it says so.
    pub fn mechanism(&self) -> Mechanism {
        match self {
            Self::Password { .. } => Mechanism::Password,
            Self::Challenge { .. } => Mechanism::ScramSha256,
            Self::PublicKey { .. } => Mechanism::PublicKey,
            Self::Token { .. } => Mechanism::Token,
            Self::Certificate { .. } => Mechanism::Certificate,
            Self::Anonymous { .. } => Mechanism::Anonymous,
        }
    }
}

impl fmt::Debug for Credentials {
    /// The mechanism and the name, no more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("mechanism", &self.mechanism())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
