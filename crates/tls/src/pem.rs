//! [`Pem`]: certificates and keys as files hold them.

use crate::{TlsError, provider::provider};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::SigningKey,
};
use std::{fs, path::Path, sync::Arc};

/// The largest file of certificates or keys that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// A PEM text, and what errors call it.
pub(crate) struct Pem {
    what: String,
    text: Vec<u8>,
}

impl Pem {
    pub(crate) fn new(what: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self { what: what.into(), text: text.into() }
    }

    /// Reads a file, which blocks meanwhile.
    pub(crate) fn read(path: &Path) -> Result<Self, TlsError> {
        let file = |why: String| TlsError::File { path: path.into(), why };
        let size = fs::metadata(path).map_err(|error| file(error.to_string()))?.len();
        if size > FILE_MAX {
            return Err(file(format!("it is larger than {FILE_MAX} bytes")));
        }
        let text = fs::read(path).map_err(|error| file(error.to_string()))?;
        Ok(Self::new(path.display().to_string(), text))
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn unusable(&self, why: impl Into<String>) -> TlsError {
        TlsError::unusable(&*self.what, why)
    }

    /// All certificates, at least one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        let read = read.map_err(|error| self.unusable(format!("it is no PEM: {error}")))?;
        if !read.is_empty() {
            return Ok(read);
        }
        Err(self.unusable(if self.is_der() {
            "it is DER, not PEM; `openssl x509 -inform DER -in FILE -out NEW` writes it as PEM"
        } else if self.has("PRIVATE KEY-----") {
            "there is no certificate in it, only a key"
        } else {
            "there is no certificate in it"
        }))
    }

    /// The first private key, ready to sign.
    pub(crate) fn key(&self) -> Result<Arc<dyn SigningKey>, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(&self.text).map_err(|_| {
            self.unusable(if self.has("ENCRYPTED") {
                "the key in it has a password; `openssl pkey -in FILE -out NEW` writes it without one"
            } else if self.is_der() {
                "it is DER, not PEM; `openssl pkey -inform DER -in FILE -out NEW` writes it as PEM"
            } else {
                "there is no private key in it"
            })
        })?;
        provider().key_provider.load_private_key(key).map_err(|_| {
            self.unusable(
                "the key in it is none that is spoken: RSA (2048 to 8192 bits), ECDSA (P-256, P-384, P-521), Ed25519",
            )
        })
    }

    /// What begins like a sequence, as certificates and keys in DER do.
    fn is_der(&self) -> bool {
        self.text.starts_with(&[0x30, 0x82]) || self.text.starts_with(&[0x30, 0x81])
    }

    fn has(&self, part: &str) -> bool {
        self.text.windows(part.len()).any(|window| window == part.as_bytes())
    }
}
