//! [`Verifier`]: what is stored of a password, and whether another one is the same.

use crate::{
    Secret, apr1,
    scram::{ScramKeys, prepared},
    secret::same,
};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::digest;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use std::fmt;
use zeroize::Zeroizing;

/// The longest password, in bytes: a longer one fits nothing.
pub const PASSWORD_MAX: usize = 1024;
/// The most memory that a stored hash may ask for, in KiB.
pub const ARGON2_KIB_MAX: u32 = 256 << 10;
/// The most passes over it.
pub const ARGON2_PASSES_MAX: u32 = 64;
/// The highest cost of bcrypt: some seconds for each login.
pub const BCRYPT_COST_MAX: u32 = 16;
/// How long a salt and a hash of argon2 are, in bytes.
const ARGON2_LEN: std::ops::RangeInclusive<usize> = 8..=64;

/// What is stored of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Argon2(Phc),
    Bcrypt(String),
    Sha1([u8; 20]),
    Apr1(String),
    Scram(ScramKeys),
}

/// A hash that cannot be used, and what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VerifierError(
    /// What is wrong with it.
    pub &'static str,
);

impl Verifier {
    /// Hashes a new password by argon2id with the default cost (19 MiB, 2 passes). This takes its time: not for the
    /// loop. `salt` is from [`Reactor::random`](trenza_core::Reactor::random).
    pub fn argon2id(password: &Secret, salt: [u8; 16]) -> Self {
        let mut phc = Phc {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: Params::default(),
            salt: salt.to_vec(),
            hash: vec![0; Params::DEFAULT_OUTPUT_LEN],
        };
        phc.hash = phc.hash_of(&prepared(password.bytes())).to_vec();
        Self(Kind::Argon2(phc))
    }

    /// Reads what `trenza user` and `htpasswd` write: argon2 as a PHC string, bcrypt (`$2y$`), `{SHA}` and `$apr1$`.
    ///
    /// # Errors
    /// It is a password as it is, a hash of the system's `crypt`, or asks for more than [`ARGON2_KIB_MAX`],
    /// [`ARGON2_PASSES_MAX`] or [`BCRYPT_COST_MAX`].
    pub fn parse(text: &str) -> Result<Self, VerifierError> {
        let kind = if text.starts_with("$argon2") {
            Kind::Argon2(Phc::parse(text)?)
        } else if text.starts_with("$2") {
            Kind::Bcrypt(bcrypt_string(text)?)
        } else if let Some(hash) = text.strip_prefix("{SHA}") {
            let hash = BASE64_STANDARD.decode(hash).ok().and_then(|hash| hash.try_into().ok());
            Kind::Sha1(hash.ok_or(VerifierError("{SHA} is not followed by 20 bytes of base64"))?)
        } else if text.starts_with("$apr1$") {
            if !apr1::is_hash(text) {
                return Err(VerifierError("this is no hash as htpasswd -m writes it"));
            }
            Kind::Apr1(text.to_owned())
        } else if text.starts_with('$') {
            return Err(VerifierError(
                "this kind of hash is not known: make one with `trenza user` or `htpasswd -B`",
            ));
        } else {
            return Err(VerifierError(
                "this is a password as it is, or a hash of crypt: make one with `trenza user` or `htpasswd -B`",
            ));
        };
        Ok(Self(kind))
    }

    /// Is it this password? This takes its time: not for the loop.
    pub fn fits(&self, password: &Secret) -> bool {
        let bytes = password.bytes();
        if bytes.len() > PASSWORD_MAX {
            return false;
        }
        match &self.0 {
            Kind::Argon2(phc) => same(&phc.hash_of(&prepared(bytes)), &phc.hash),
            // Longer ones are cut at 72 bytes, as Apache does.
            Kind::Bcrypt(hash) => bcrypt::verify(bytes, hash).unwrap_or(false),
            Kind::Sha1(hash) => same(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref(), hash),
            Kind::Apr1(hash) => apr1::fits(bytes, hash),
            Kind::Scram(keys) => keys.fits(password),
        }
    }

    /// What tells it from all others.
    pub(crate) fn identity(&self) -> Vec<u8> {
        match &self.0 {
            Kind::Scram(keys) => [&keys.stored_key()[..], keys.salt()].concat(),
            _ => self.text().unwrap_or_default().into_bytes(),
        }
    }

    /// The same as text, as [`Verifier::parse`] reads it. Keys of SCRAM have no such text.
    pub fn text(&self) -> Option<String> {
        match &self.0 {
            Kind::Argon2(phc) => Some(phc.text()),
            Kind::Bcrypt(hash) | Kind::Apr1(hash) => Some(hash.clone()),
            Kind::Sha1(hash) => Some(format!("{{SHA}}{}", BASE64_STANDARD.encode(hash))),
            Kind::Scram(_) => None,
        }
    }
}

impl From<ScramKeys> for Verifier {
    fn from(keys: ScramKeys) -> Self {
        Self(Kind::Scram(keys))
    }
}

impl fmt::Debug for Verifier {
    /// Its kind only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Argon2(_) => "Verifier(argon2)",
            Kind::Bcrypt(_) => "Verifier(bcrypt)",
            Kind::Sha1(_) => "Verifier(sha1)",
            Kind::Apr1(_) => "Verifier(apr1)",
            Kind::Scram(_) => "Verifier(scram)",
        })
    }
}

fn bcrypt_string(text: &str) -> Result<String, VerifierError> {
    let mut parts = text.split('$').skip(1);
    let (version, cost, rest) = (parts.next(), parts.next(), parts.next());
    let of_bcrypt = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    let whole = matches!(version, Some("2a" | "2b" | "2x" | "2y"))
        && rest.is_some_and(|rest| rest.len() == 53 && rest.bytes().all(of_bcrypt))
        && parts.next().is_none();
    let cost = cost.filter(|cost| cost.len() == 2 && whole).and_then(|cost| cost.parse::<u32>().ok());
    match cost.ok_or(VerifierError("this is no hash as htpasswd -B writes it"))? {
        4..=BCRYPT_COST_MAX => Ok(text.to_owned()),
        _ => Err(VerifierError("the cost of bcrypt is not between 4 and 16")),
    }
}

/// A string as of the PHC competition: `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
#[derive(Clone)]
struct Phc {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Phc {
    fn parse(text: &str) -> Result<Self, VerifierError> {
        const NONE: VerifierError =
            VerifierError("this is no hash of argon2 as in $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH");
        let mut parts = text.split('$').skip(1);
        let algorithm = match parts.next() {
            Some("argon2id") => Algorithm::Argon2id,
            Some("argon2i") => Algorithm::Argon2i,
            Some("argon2d") => Algorithm::Argon2d,
            _ => return Err(NONE),
        };
        let mut next = parts.next().ok_or(NONE)?;
        let version = match next.strip_prefix("v=") {
            Some("19") => Version::V0x13,
            Some("16") => Version::V0x10,
            Some(_) => return Err(NONE),
            None => Version::V0x10,
        };
        if next.starts_with("v=") {
            next = parts.next().ok_or(NONE)?;
        }
        let mut numbers = next.split(',');
        let mut number = |key| numbers.next()?.strip_prefix(key)?.parse::<u32>().ok();
        let (Some(kib), Some(passes), Some(lanes)) = (number("m="), number("t="), number("p=")) else {
            return Err(NONE);
        };
        let bytes = |part: Option<&str>| BASE64_STANDARD_NO_PAD.decode(part?).ok();
        let (salt, hash) = (bytes(parts.next()).ok_or(NONE)?, bytes(parts.next()).ok_or(NONE)?);
        if numbers.next().is_some() || parts.next().is_some() {
            return Err(NONE);
        }
        if kib > ARGON2_KIB_MAX || passes > ARGON2_PASSES_MAX {
            return Err(VerifierError(
                "this hash would take too much memory or time: 256 MiB and 64 passes at most",
            ));
        }
        if !ARGON2_LEN.contains(&salt.len()) || !ARGON2_LEN.contains(&hash.len()) {
            return Err(VerifierError("salt and hash of argon2 have 8 to 64 bytes each"));
        }
        let params = Params::new(kib, passes, lanes, Some(hash.len())).map_err(|_| NONE)?;
        Ok(Self { algorithm, version, params, salt, hash })
    }

    /// The hash of this password; of no bytes, which no hash has, when it cannot be made.
    fn hash_of(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut hash = Zeroizing::new(vec![0; self.hash.len()]);
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut memory = memory(self.params.block_count());
        if argon2.hash_password_into_with_memory(password, &self.salt, &mut hash, &mut memory).is_err() {
            hash.clear();
        }
        hash
    }

    fn text(&self) -> String {
        let encode = |bytes| BASE64_STANDARD_NO_PAD.encode(bytes);
        format!(
            "${}$v={}$m={},t={},p={}${}${}",
            self.algorithm.as_str(),
            u32::from(self.version),
            self.params.m_cost(),
            self.params.t_cost(),
            self.params.p_cost(),
            encode(&self.salt),
            encode(&self.hash)
        )
    }
}

/// Memory for a hashing, which the system has back when this is dropped. An allocator that keeps an arena for each thread
/// keeps the 19 MiB in each of them: a server of 64 threads had 1.3 GB after 96 logins. From 32 MiB on every allocator asks
/// the system, and what is not touched costs nothing.
fn memory(blocks: usize) -> Vec<Block> {
    const MAPPED: usize = (33 << 20) / Block::SIZE;
    let mut memory = Vec::with_capacity(blocks.max(MAPPED));
    memory.resize(blocks, Block::new());
    memory
}

impl PartialEq for Phc {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Phc {}
