//! [`TlsError`]: what went wrong, and whose fault it was.

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};
use std::path::PathBuf;

/// What went wrong in TLS. [`TlsError::is_local`] says whose fault it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// What came is no TLS.
    #[error("the peer does not speak TLS here: it sent {0}")]
    NotTls(&'static str),
    /// The peer's certificate was refused.
    #[error("the peer's certificate is refused: {0}")]
    Certificate(String),
    /// The peer refused to go on, and said why.
    #[error("the peer ended TLS with the alert {0}")]
    Refused(String),
    /// The peer broke the rules of TLS, or wants what is not offered.
    #[error("TLS failed: {0}")]
    Peer(String),
    /// A certificate or key of ours cannot be used.
    #[error("{what} cannot be used: {why}")]
    Unusable {
        /// The file, or what it was given as.
        what: String,
        /// Why not, and what would be right.
        why: String,
    },
    /// A file could not be read.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A configuration that contradicts itself.
    #[error("this TLS configuration cannot work: {0}")]
    Configuration(String),
}

impl TlsError {
    /// True when it is ours to mend: a file, a configuration. False when the peer is to blame.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Unusable { .. } | Self::File { .. } | Self::Configuration(_))
    }

    /// What it is about, where that is ours, and what is wrong with it.
    pub(crate) fn parts(&self) -> (Option<String>, String) {
        match self {
            Self::Unusable { what, why } => (Some(what.clone()), why.clone()),
            Self::File { path, why } => (Some(path.display().to_string()), why.clone()),
            _ => (None, self.to_string()),
        }
    }

    pub(crate) fn unusable(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unusable { what: what.into(), why: why.into() }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        use rustls::Error::{
            AlertReceived, General, InvalidCertificate, InvalidMessage as Message, NoCertificatesPresented,
            PeerIncompatible,
        };
        match error {
            AlertReceived(alert) => Self::Refused(alert_name(alert)),
            InvalidCertificate(why) => Self::Certificate(certificate(&why)),
            NoCertificatesPresented => Self::Certificate("it sent none, and one is required".into()),
            Message(InvalidMessage::InvalidContentType) => Self::NotTls("something else than a TLS record"),
            PeerIncompatible(why) => Self::Peer(incompatible(&why)),
            General(why) => Self::Configuration(why),
            other => Self::Peer(other.to_string()),
        }
    }
}

/// The name of an alert as RFC 8446 section 6 spells it.
fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    for (at, c) in format!("{alert:?}").chars().enumerate() {
        if c.is_uppercase() && at > 0 {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

/// What the peers have not in common.
fn incompatible(why: &PeerIncompatible) -> String {
    use PeerIncompatible::{
        NoCipherSuitesInCommon, NoKxGroupsInCommon, NoSignatureSchemesInCommon,
        ServerDoesNotSupportTls12Or13, ServerTlsVersionIsDisabledByOurConfig,
        SupportedVersionsExtensionRequired, Tls12NotOffered, Tls12NotOfferedOrEnabled,
    };
    let what = match why {
        ServerTlsVersionIsDisabledByOurConfig
        | ServerDoesNotSupportTls12Or13
        | SupportedVersionsExtensionRequired
        | Tls12NotOffered
        | Tls12NotOfferedOrEnabled => {
            "version of TLS (1.2 and 1.3 are spoken here, unless min= says otherwise)"
        }
        NoCipherSuitesInCommon => "cipher suite",
        NoKxGroupsInCommon => "way to agree on a key",
        NoSignatureSchemesInCommon => "kind of signature that the certificate's key can make",
        other => return format!("the peer is incompatible: {other:?}"),
    };
    format!("the peers have no {what} in common")
}

/// What is wrong with a certificate, with the remedy where there is one.
fn certificate(why: &CertificateError) -> String {
    match why {
        // Somebody who is trusted is called as its issuer is, and has a key of another kind.
        CertificateError::UnknownIssuer
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "nobody who is trusted has signed it (a CA of your own is trusted with ca=FILE)".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet (is the clock right?)".into()
        }
        CertificateError::Revoked => "it was revoked".into(),
        CertificateError::BadEncoding => "it is damaged, or no certificate".into(),
        CertificateError::BadSignature => "its signature is wrong".into(),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "its signature is of a kind that is not verified here".into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is for another purpose than this".into()
        }
        other => other.to_string(),
    }
}

/// What plain bytes at the start of a connection look like; None when they may be TLS.
pub(crate) fn plain(start: &[u8]) -> Option<&'static str> {
    // The first record of a connection is a handshake (22) or an alert (21); RFC 8446 section 5.1.
    match start {
        [] | [20..=23, ..] => None,
        [b'H', b'T', b'T', b'P', b'/', ..] => Some("a plain HTTP answer"),
        [b'G' | b'P' | b'H' | b'D' | b'O' | b'T' | b'C', b'A'..=b'Z', ..] => Some("a plain HTTP request"),
        [b'S', b'S', b'H', ..] => Some("the greeting of an SSH client"),
        [0x80..=0xff, ..] => Some("a hello of SSL 2, which is not spoken any more"),
        _ => Some("something else than a TLS record"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bytes_are_named() {
        assert_eq!(plain(b"GET / HTTP/1.1"), Some("a plain HTTP request"));
        assert_eq!(plain(b"HTTP/1.1 400"), Some("a plain HTTP answer"));
        assert_eq!(plain(b"SSH-2.0-x"), Some("the greeting of an SSH client"));
        assert_eq!(plain(&[0x16, 3, 1]), None);
        assert_eq!(plain(b"QUIT\r\n"), Some("something else than a TLS record"));
        assert_eq!(plain(b""), None);
    }

    #[test]
    fn alerts_are_spelled_as_in_the_standard() {
        assert_eq!(alert_name(AlertDescription::HandshakeFailure), "handshake_failure");
        let refused = TlsError::from(rustls::Error::AlertReceived(AlertDescription::UnknownCA));
        assert!(!refused.is_local() && refused.to_string().contains("unknown"), "{refused}");
    }

    #[test]
    fn what_is_not_in_common_is_named() {
        let error = TlsError::from(rustls::Error::from(PeerIncompatible::Tls12NotOffered)).to_string();
        assert!(error.starts_with("TLS failed: the peers have no version of TLS"), "{error}");
    }

    #[test]
    fn a_certificate_without_a_trusted_issuer_names_the_remedy() {
        let of_another = CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![6],
            public_key_algorithm_id: vec![6],
        };
        for why in [CertificateError::UnknownIssuer, of_another] {
            let error = TlsError::from(rustls::Error::InvalidCertificate(why));
            assert!(error.to_string().contains("ca=FILE"), "{error}");
        }
    }
}
