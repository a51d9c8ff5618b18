//! [`Trust`]: whose certificates a client believes.

use crate::{TlsError, provider::provider, server::roots, subject::fingerprint};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::sync::Arc;

/// Whose certificates a client believes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Whoever the operating system trusts.
    #[default]
    Platform,
    /// Whoever a CA of this PEM has signed, and nobody else.
    Ca(Vec<u8>),
    /// This one certificate, by its SHA-256, whatever name, time or signature it bears.
    Pinned([u8; 32]),
    /// Everybody. Whoever sits between the peers can then read and change everything: only for looking at servers
    /// that are broken.
    DangerouslyAnybody,
}

impl Trust {
    pub(crate) fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        Ok(match self {
            Self::Platform => Arc::new(rustls_platform_verifier::Verifier::new(provider())?),
            Self::Ca(pem) => WebPkiServerVerifier::builder_with_provider(roots(pem)?.into(), provider())
                .build()
                .map_err(|error| TlsError::unusable("the CA", error.to_string()))?,
            Self::Pinned(pin) => Arc::new(Unchained { pin: Some(*pin), provider: provider() }),
            Self::DangerouslyAnybody => Arc::new(Unchained { pin: None, provider: provider() }),
        })
    }
}

/// Looks at no chain: only at the certificate itself, and that its owner has the key.
#[derive(Debug)]
struct Unchained {
    /// The only one that is believed.
    pin: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchained {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = fingerprint(own);
        match self.pin {
            Some(pin) if pin != shown => {
                let what = format!("it is not the pinned one: its SHA-256 is {}", hex(&shown));
                Err(rustls::CertificateError::Other(rustls::OtherError(Arc::new(TlsError::Certificate(
                    what,
                ))))
                .into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Bytes as people compare them: `ab:cd:...`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}
