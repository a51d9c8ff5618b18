//! [`ScramKeys`]: what a server stores of a password.

use crate::{Secret, secret::same};
use aws_lc_rs::{digest, hmac as mac, pbkdf2};
use std::{fmt, num::NonZeroU32};
use zeroize::Zeroizing;

/// How often new keys are hashed. RFC 7677 section 4 asks for 4096 at least; several clients refuse more than 65,536.
pub const ITERATIONS: u32 = 65_536;
/// The most iterations that a file may ask for: some seconds for each login.
pub const ITERATIONS_MAX: u32 = 5_000_000;
/// The longest salt, in bytes.
pub const SALT_MAX: usize = 64;

/// What a server stores of a password (RFC 5802 section 3): enough to check a client's proof and to prove itself, not
/// enough to log in elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    stored_key: [u8; 32],
    server_key: [u8; 32],
    decoy: bool,
}

impl ScramKeys {
    /// Keys that were stored. None: the salt is empty or longer than [`SALT_MAX`], or the iterations are none or more than
    /// [`ITERATIONS_MAX`].
    pub fn new(
        salt: impl Into<Vec<u8>>,
        iterations: u32,
        stored_key: [u8; 32],
        server_key: [u8; 32],
    ) -> Option<Self> {
        let salt = salt.into();
        let fits = (1..=SALT_MAX).contains(&salt.len()) && iterations <= ITERATIONS_MAX;
        let iterations = NonZeroU32::new(iterations).filter(|_| fits)?;
        Some(Self { salt, iterations, stored_key, server_key, decoy: false })
    }

    /// The keys of a password. This takes its time: not for the loop. None as in [`ScramKeys::new`].
    pub fn of_password(password: &Secret, salt: impl Into<Vec<u8>>, iterations: u32) -> Option<Self> {
        let empty = Self::new(salt, iterations, [0; 32], [0; 32])?;
        let (stored_key, server_key) = empty.derive(password);
        Some(Self { stored_key, server_key, ..empty })
    }

    /// Keys that look like `like`'s, for a name that nobody has: the same each time for the same `seed`, which nobody
    /// else knows. No password and no proof fits them.
    pub(crate) fn decoy(seed: &[u8; 32], name: &str, like: Option<&Self>) -> Self {
        let part = |which: &str| hmac(seed, &[which.as_bytes(), name.as_bytes()]);
        let (length, iterations) = like.map_or((16, ITERATIONS), |keys| (keys.salt.len(), keys.iterations()));
        let mut salt = [part("salt"), part("more salt")].concat();
        salt.truncate(length);
        Self {
            salt,
            iterations: NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN),
            stored_key: part("stored"),
            server_key: part("server"),
            decoy: true,
        }
    }

    /// Is it this password? This takes its time: not for the loop.
    pub fn fits(&self, password: &Secret) -> bool {
        let (stored_key, _) = self.derive(password);
        same(&stored_key, &self.stored_key) & !self.decoy
    }

    /// Is this `ClientProof` right for what was said (RFC 5802 section 3)?
    pub fn proven(&self, auth_message: &str, proof: &Secret) -> bool {
        let mut key = Zeroizing::new(hmac(&self.stored_key, &[auth_message.as_bytes()]));
        if proof.bytes().len() != key.len() {
            return false;
        }
        key.iter_mut().zip(proof.bytes()).for_each(|(key, proof)| *key ^= proof);
        same(&hash(&*key), &self.stored_key) & !self.decoy
    }

    /// `ServerSignature`: by which the client knows that the server has its keys.
    pub fn server_signature(&self, auth_message: &str) -> [u8; 32] {
        hmac(&self.server_key, &[auth_message.as_bytes()])
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// How often the password is hashed.
    pub fn iterations(&self) -> u32 {
        self.iterations.get()
    }

    /// `StoredKey`: by which proofs are checked.
    pub fn stored_key(&self) -> &[u8; 32] {
        &self.stored_key
    }

    /// `ServerKey`: by which the server proves itself. Whoever has it can pretend to be the server.
    pub fn server_key(&self) -> &[u8; 32] {
        &self.server_key
    }

    /// True for the keys of a name that nobody has: they only look like others, so that the exchange does not tell.
    pub fn is_decoy(&self) -> bool {
        self.decoy
    }

    fn derive(&self, password: &Secret) -> ([u8; 32], [u8; 32]) {
        let salted = salted(password, &self.salt, self.iterations);
        let client_key = Zeroizing::new(hmac(&*salted, &[b"Client Key"]));
        (hash(&*client_key), hmac(&*salted, &[b"Server Key"]))
    }
}

impl fmt::Debug for ScramKeys {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// `SaltedPassword`.
pub(super) fn salted(password: &Secret, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; 32]> {
    let mut salted = Zeroizing::new([0; 32]);
    let password = prepared(password.bytes());
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, &password, &mut *salted);
    salted
}

/// The password as SASLprep (RFC 4013) has it, so that it is the same bytes whoever types it; as it is where that cannot
/// be, as other servers do too.
pub(crate) fn prepared(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = std::str::from_utf8(password).ok().filter(|text| !text.is_ascii());
    let prepared = text.and_then(|text| stringprep::saslprep(text).ok());
    Zeroizing::new(prepared.map_or_else(|| password.to_vec(), |text| text.into_owned().into_bytes()))
}

/// HMAC-SHA-256 of the parts, joined.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = mac::Context::with_key(&mac::Key::new(mac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    bytes(context.sign().as_ref())
}

/// SHA-256.
pub(crate) fn hash(of: &[u8]) -> [u8; 32] {
    bytes(digest::digest(&digest::SHA256, of).as_ref())
}

/// The 32 bytes that every SHA-256 is.
fn bytes(of: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(of).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, prelude::BASE64_STANDARD};

    /// RFC 7677 section 3.
    #[test]
    fn the_vector_of_rfc_7677() {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = ScramKeys::of_password(&"pencil".into(), salt, 4096).unwrap();
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = BASE64_STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        assert!(keys.proven(message, &proof.clone().into()));
        let signature = BASE64_STANDARD.encode(keys.server_signature(message));
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let mut wrong = proof;
        wrong[31] ^= 1;
        assert!(!keys.proven(message, &wrong.into()) && !keys.proven(message, &"short".into()));
        assert!(keys.fits(&"pencil".into()) && !keys.fits(&"pencils".into()));
    }

    #[test]
    fn a_password_is_the_same_however_it_was_typed() {
        let keys = ScramKeys::of_password(&"caf\u{e9}".into(), *b"salt", 1).unwrap();
        assert!(keys.fits(&"cafe\u{301}".into()) && !keys.fits(&"cafe".into()));
        // What SASLprep does not let through is still a password.
        let odd = ScramKeys::of_password(&"\u{ff}\u{7}".into(), *b"salt", 1).unwrap();
        assert!(odd.fits(&"\u{ff}\u{7}".into()));
        assert!(ScramKeys::of_password(&[0xff, 0xfe][..].into(), *b"salt", 1).is_some());
    }

    #[test]
    fn a_decoy_is_the_same_each_time_and_fits_nothing() {
        let like = ScramKeys::of_password(&"pw".into(), *b"12345678", 7).unwrap();
        let decoy = ScramKeys::decoy(&[1; 32], "bob", Some(&like));
        assert_eq!(decoy, ScramKeys::decoy(&[1; 32], "bob", Some(&like)));
        assert_eq!((decoy.salt().len(), decoy.iterations(), decoy.is_decoy()), (8, 7, true));
        for (seed, name) in [([2; 32], "bob"), ([1; 32], "bo")] {
            assert_ne!(decoy.salt(), ScramKeys::decoy(&seed, name, Some(&like)).salt());
        }
        assert!(!ScramKeys { decoy: true, ..like }.fits(&"pw".into()));
    }

    #[test]
    fn keys_out_of_all_measure_are_none() {
        for (salt, iterations) in [(0, 1), (SALT_MAX + 1, 1), (1, 0), (1, ITERATIONS_MAX + 1)] {
            assert_eq!(ScramKeys::new(vec![0; salt], iterations, [0; 32], [0; 32]), None);
        }
    }
}
