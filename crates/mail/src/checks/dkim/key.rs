//! Keys: what DNS says of a signer's ([`PublicKey`], RFC 6376 section 3.6.1), and [`SigningKey`], our own.

use super::{
    signature::{Algorithm, Signature},
    tags::{Tags, bare, list},
};
use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{
        ED25519, Ed25519KeyPair, KeyPair, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_SHA256,
        RsaKeyPair, UnparsedPublicKey,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;
use zeroize::Zeroizing;

/// How many bytes a key's record may have.
pub const KEY_RECORD_MAX: usize = 8 * 1024;

/// How long lines of PEM are (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// A key as DNS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    algorithm: Algorithm,
    /// Empty: it was revoked.
    key: Vec<u8>,
    /// The domain is only trying (`t=y`).
    pub(super) is_test: bool,
    /// It does not sign for its subdomains (`t=s`).
    strict: bool,
}

impl PublicKey {
    /// Takes a record apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(record: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(record).map_err(|_| "the key's record is not UTF-8")?;
        if text.len() > KEY_RECORD_MAX {
            return Err("the key's record is too long");
        }
        let tags = Tags::parse(text).ok_or("the key's record cannot be read")?;
        if tags.get("v").is_some_and(|version| version != "DKIM1" || tags.first() != Some("v")) {
            return Err("the key is of another version");
        }
        let algorithm = match tags.get("k").unwrap_or("rsa").to_ascii_lowercase().as_str() {
            "rsa" => Algorithm::Rsa,
            "ed25519" => Algorithm::Ed25519,
            _ => return Err("the key's kind is not known"),
        };
        if tags.get("h").is_some_and(|hashes| !list(hashes).any(|hash| hash.eq_ignore_ascii_case("sha256"))) {
            return Err("the key is not for SHA-256");
        }
        if tags
            .get("s")
            .is_some_and(|services| !list(services).any(|service| matches!(service, "*" | "email")))
        {
            return Err("the key is not for mail");
        }
        let key = bare(tags.get("p").ok_or("the record has no key")?);
        let key = STANDARD.decode(key).map_err(|_| "the key's base64 cannot be read")?;
        let flag = |flag| tags.get("t").is_some_and(|flags| list(flags).any(|other| other == flag));
        Ok(Self { algorithm, key, is_test: flag("y"), strict: flag("s") })
    }

    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        (self.algorithm, &self.key) == (other.algorithm, &other.key)
    }

    /// Whether a signature over these bytes is this key's.
    ///
    /// # Errors
    /// The key cannot have made it.
    pub(super) fn verify(&self, signature: &Signature, signed: &[u8]) -> Result<bool, &'static str> {
        if self.key.is_empty() {
            return Err("the key was revoked");
        }
        if self.algorithm != signature.algorithm {
            return Err("the key is of another kind");
        }
        let of = signature.identity.rsplit_once('@').map_or("", |(_, of)| of);
        if self.strict && !of.eq_ignore_ascii_case(&signature.domain) {
            return Err("the key is not for subdomains");
        }
        let verified = match self.algorithm {
            Algorithm::Rsa => {
                UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &self.key)
                    .verify(signed, &signature.signature)
            }
            // Ed25519 signs the hash (RFC 8463 section 3).
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.key)
                .verify(digest(&SHA256, signed).as_ref(), &signature.signature),
        };
        Ok(verified.is_ok())
    }
}

/// A key to sign with.
pub struct SigningKey(Kind);

enum Kind {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A file is not a key to sign with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a key for DKIM: {0}")]
pub struct SigningKeyError(&'static str);

impl SigningKey {
    /// Makes a key, which for RSA has 2048 bits and takes some tenths of a second; in PEM, as programs of others read it, too.
    ///
    /// ```
    /// use trenza_mail::checks::{SigningKey, dkim::Algorithm};
    ///
    /// let pem = SigningKey::generate(Algorithm::Ed25519)?;
    /// let record = SigningKey::from_pem(&pem)?.record();
    /// assert!(record.starts_with("v=DKIM1; k=ed25519; p="));
    /// # Ok::<(), trenza_mail::checks::SigningKeyError>(())
    /// ```
    ///
    /// # Errors
    /// The library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Zeroizing<String>, SigningKeyError> {
        let failed = |_| SigningKeyError("the library makes none");
        let der = match algorithm {
            Algorithm::Rsa => {
                let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(failed)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
            Algorithm::Ed25519 => {
                // Of the first version: many programs know no other.
                let der = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(failed)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
        };
        let text = Zeroizing::new(STANDARD.encode(&*der));
        let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / 32 + 80));
        pem.push_str("-----BEGIN PRIVATE KEY-----\n");
        for line in text.as_bytes().chunks(PEM_LINE) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// Reads a key from PEM: `openssl genpkey -algorithm ed25519` or `openssl genrsa 2048` makes one.
    ///
    /// # Errors
    /// It is none of RSA with 2048 bits or more, nor of Ed25519.
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        let inner = pem.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----"));
        let (kind, rest) = inner.ok_or(SigningKeyError("it is not PEM"))?;
        let (text, _) = rest.split_once("-----END ").ok_or(SigningKeyError("it is not PEM"))?;
        let text = Zeroizing::new(bare(text));
        let der = STANDARD.decode(&*text).map_err(|_| SigningKeyError("its base64 cannot be read"))?;
        let der = Zeroizing::new(der);
        let wrong = SigningKeyError("neither RSA with 2048 bits or more nor Ed25519");
        match kind {
            "RSA PRIVATE KEY" => {
                RsaKeyPair::from_der(&der).map(|key| Self(Kind::Rsa(key))).map_err(|_| wrong)
            }
            "PRIVATE KEY" => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
                .map(|key| Self(Kind::Ed25519(key)))
                .or_else(|_| RsaKeyPair::from_pkcs8(&der).map(|key| Self(Kind::Rsa(key))))
                .map_err(|_| wrong),
            _ => Err(SigningKeyError("it is no private key, or an encrypted one")),
        }
    }

    /// The record that DNS is to have for it, at `SELECTOR._domainkey.DOMAIN`.
    pub fn record(&self) -> String {
        let (kind, key) = match &self.0 {
            Kind::Rsa(pair) => ("rsa", rsa_info(pair.public_key().as_ref())),
            Kind::Ed25519(pair) => ("ed25519", pair.public_key().as_ref().to_vec()),
        };
        format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(key))
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self.0 {
            Kind::Rsa(_) => Algorithm::Rsa,
            Kind::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Signs bytes; None: the library failed.
    pub(super) fn sign(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match &self.0 {
            Kind::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature).ok()?;
                Some(signature)
            }
            Kind::Ed25519(pair) => {
                Some(pair.try_sign(digest(&SHA256, bytes).as_ref()).ok()?.as_ref().to_vec())
            }
        }
    }
}

/// A public key of RSA as the structure that records have (SubjectPublicKeyInfo, RFC 5280).
fn rsa_info(key: &[u8]) -> Vec<u8> {
    let key = rsa::PublicKey::from_der(key);
    let info = key.ok().and_then(|key| AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(&key).ok());
    info.map(|info| info.as_ref().to_vec()).unwrap_or_default()
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().as_str())
    }
}
