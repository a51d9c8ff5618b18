//! [`Facts`]: what stands in a certificate, for people to read.

use crate::{TlsError, pem::Pem, subject, trust::hex};
use std::time::{Duration, SystemTime};
use x509_parser::{
    prelude::{FromDer, X509Certificate},
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

/// What stands in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Whom it was made for, as in `CN=ann, O=Example`.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// The DNS names and IP addresses that it is for.
    pub names: Vec<String>,
    /// From when on it is valid.
    pub from: SystemTime,
    /// Until when it is valid.
    pub until: SystemTime,
    /// The kind of its key, as in `ECDSA P-256` and `RSA, 3072 bits`.
    pub key: String,
    /// It may sign others.
    pub is_authority: bool,
    /// Its SHA-256, as in `ab:cd:...`: what [`Trust::Pinned`](crate::Trust::Pinned) compares.
    pub fingerprint: String,
}

impl Facts {
    /// Reads the certificates in a PEM text, in their order.
    ///
    /// # Errors
    /// There is none in it, or one is no certificate.
    pub fn of_pem(pem: &[u8]) -> Result<Vec<Self>, TlsError> {
        Pem::new("the given PEM", pem).certificates()?.iter().map(|der| Self::of_der(der)).collect()
    }

    pub(crate) fn of_der(der: &[u8]) -> Result<Self, TlsError> {
        let (_, read) = X509Certificate::from_der(der)
            .map_err(|error| TlsError::unusable("the certificate", error.to_string()))?;
        let validity = read.validity();
        Ok(Self {
            subject: read.subject().to_string(),
            issuer: read.issuer().to_string(),
            names: subject::all_names(&read),
            from: at(validity.not_before.timestamp()),
            until: at(validity.not_after.timestamp()),
            key: key(read.public_key()),
            is_authority: read.is_ca(),
            fingerprint: hex(&subject::fingerprint(der)),
        })
    }
}

/// The kind of a key.
fn key(key: &SubjectPublicKeyInfo<'_>) -> String {
    let curve = || key.algorithm.parameters.as_ref()?.as_oid().ok();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA, {} bits", rsa.key_size()),
        Ok(PublicKey::EC(point)) => match curve().map(|curve| curve.to_id_string()).as_deref() {
            Some("1.2.840.10045.3.1.7") => "ECDSA P-256".into(),
            Some("1.3.132.0.34") => "ECDSA P-384".into(),
            Some("1.3.132.0.35") => "ECDSA P-521".into(),
            _ => format!("on an elliptic curve, {} bits", point.key_size()),
        },
        _ => match &*key.algorithm.algorithm.to_id_string() {
            "1.3.101.112" => "Ed25519".into(),
            other => format!("of the kind {other}"),
        },
    }
}

fn at(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let at = if seconds < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    at.unwrap_or(epoch)
}
