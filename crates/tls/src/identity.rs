//! [`Identity`]: a certificate with its chain and its key.

use crate::{TlsError, provider::provider, subject};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::{fmt, fs, path::Path, sync::Arc};

/// The largest file of certificates or keys that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

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
        Self::new("the given PEM", pem, pem)
    }

    /// Reads a file with the chain, the own certificate first, and a file with the key; they may be the same. It
    /// blocks while the files are read.
    ///
    /// # Errors
    /// A file cannot be read or is over 1 MiB; else those of [`Identity::from_pem`], with the file's name.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let what = match chain == key {
            true => chain.display().to_string(),
            false => format!("{} with {}", chain.display(), key.display()),
        };
        Self::new(&what, &read(chain)?, &read(key)?)
    }

    fn new(what: &str, chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(what, chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            TlsError::unusable(what, "there is no private key in it (one that is encrypted is not read)")
        })?;
        let names = chain.first().map(|own| subject::dns_names(own)).unwrap_or_default();
        let key = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|error| TlsError::unusable(what, format!("certificate and key: {error}")))?;
        Ok(Self { key: Arc::new(key), names: names.into() })
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

/// All certificates of a PEM text, at least one.
pub(crate) fn certificates(what: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(all) if all.is_empty() => Err(TlsError::unusable(what, "there is no certificate in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(TlsError::unusable(what, format!("it is no PEM: {error}"))),
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let file = |why: String| TlsError::File { path: path.into(), why };
    let size = fs::metadata(path).map_err(|error| file(error.to_string()))?.len();
    if size > FILE_MAX {
        return Err(file(format!("it is larger than {FILE_MAX} bytes")));
    }
    fs::read(path).map_err(|error| file(error.to_string()))
}
