//! [`Identity`]: a certificate with its chain and its key.

use crate::{TlsError, pem::Pem, subject};
use rustls::{Error::InconsistentKeys, InconsistentKeys::Unknown, sign::CertifiedKey};
use std::{fmt, path::Path, sync::Arc};

/// A certificate with its chain and its private key: who a server is, or a client.
///
/// Keys are RSA, ECDSA (P-256, P-384, P-521) or Ed25519, in PKCS #8, PKCS #1 or SEC 1.
#[derive(Clone)]
pub struct Identity {
    pub(crate) key: Arc<CertifiedKey>,
    names: Arc<[String]>,
}

impl Identity {
    /// Reads PEM with the key and the chain, the own certificate first, in any order of the two.
    ///
    /// # Errors
    /// There is no key or certificate in it, or they do not belong together.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let given = Pem::new("the given PEM", pem);
        Self::new(&given, &given)
    }

    /// Reads a file with the chain, the own certificate first, and a file with the key; they may be the same. It
    /// blocks while the files are read.
    ///
    /// # Errors
    /// A file cannot be read or is over 1 MiB; else those of [`Identity::from_pem`], with the name of the file that is
    /// to blame.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::new(&Pem::read(chain.as_ref())?, &Pem::read(key.as_ref())?)
    }

    fn new(chain: &Pem, key: &Pem) -> Result<Self, TlsError> {
        let certificates = chain.certificates()?;
        let names = certificates.first().map(|own| subject::dns_names(own)).unwrap_or_default();
        let own = CertifiedKey::new(certificates, key.key()?);
        match own.keys_match() {
            Ok(()) | Err(InconsistentKeys(Unknown)) => {}
            Err(InconsistentKeys(_)) => {
                let place = if chain.what() == key.what() { "it" } else { chain.what() };
                let why = format!("the key in it does not belong to the first certificate in {place}");
                return Err(key.unusable(why));
            }
            Err(error) => return Err(chain.unusable(error.to_string())),
        }
        Ok(Self { key: Arc::new(own), names: names.into() })
    }

    /// The DNS names that the certificate is for, in lower case, wildcards as they stand there.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The SHA-256 of the certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.key.cert.first().map(|own| subject::fingerprint(own)).unwrap_or_default()
    }
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("names", &self.names).finish_non_exhaustive()
    }
}
