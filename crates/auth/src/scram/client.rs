//! [`ScramClient`]: the client's side of an exchange.

use super::{
    ITERATIONS_MAX, NONCE_LEN, SALT_MAX, ScramError,
    exchange::{is_nonce, text},
    hash, hmac,
    keys::salted,
};
use crate::{Secret, secret::same};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{fmt, num::NonZeroU32};
use zeroize::Zeroizing;

/// The fewest iterations that a client takes part in (RFC 7677 section 4): a server that asks for fewer may be after the
/// password.
pub const ITERATIONS_MIN: u32 = 4096;

/// The client's side of one exchange, without channel binding.
///
/// ```
/// use trenza_auth::scram::{ScramClient, ScramKeys, ScramServer};
///
/// let client = ScramClient::new("ann", &[1; 18]);
/// let mut server = ScramServer::begin(client.first().as_bytes())?;
/// let keys = ScramKeys::of_password(&"pencil".into(), *b"0123456789abcdef", 4096).ok_or("keys")?;
/// let challenge = client.challenged(server.challenge(keys, &[2; 18]).as_bytes())?;
/// let proof = challenge.prove(&"pencil".into()); // off the loop: it takes its time
/// let (_credentials, last) = server.finish(proof.message().as_bytes())?;
/// assert!(proof.is_confirmed_by(last.as_bytes()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ScramClient {
    bare: String,
    nonce: String,
}

/// What the server wants proven.
pub struct ScramChallenge {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    /// The client's first message, the server's, and the last one without its proof.
    message: String,
    last: String,
}

/// A proof of the password, and what the server's is to be.
pub struct ScramProof {
    message: String,
    signature: [u8; 32],
}

impl ScramClient {
    /// For an account. `random` is from [`Reactor::random`](trenza_core::Reactor::random), new each time.
    pub fn new(name: &str, random: &[u8; NONCE_LEN]) -> Self {
        let nonce = BASE64_STANDARD.encode(random);
        let name = name.replace('=', "=3D").replace(',', "=2C");
        Self { bare: format!("n={name},r={nonce}"), nonce }
    }

    /// The first message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Reads the server's first message.
    ///
    /// # Errors
    /// It is none, belongs to another exchange, or asks for too little or too much work.
    pub fn challenged(self, message: &[u8]) -> Result<ScramChallenge, ScramError> {
        let text = text(message)?;
        let mut fields = text.split(',');
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name));
        let nonce = field("r=").filter(|nonce| is_nonce(nonce)).ok_or(ScramError("it has no nonce"))?;
        if nonce.strip_prefix(&*self.nonce).is_none_or(str::is_empty) {
            return Err(ScramError("its nonce does not begin with ours"));
        }
        let salt = field("s=").and_then(|salt| BASE64_STANDARD.decode(salt).ok());
        let salt = salt.filter(|salt| (1..=SALT_MAX).contains(&salt.len()));
        let salt = salt.ok_or(ScramError("it has no salt"))?;
        let iterations = field("i=").and_then(|text| text.parse().ok());
        let iterations = iterations.filter(|n| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(n));
        let iterations = iterations.and_then(NonZeroU32::new);
        let iterations = iterations.ok_or(ScramError("it asks for too few or too many iterations"))?;
        // `n,,` in base64.
        let last = format!("c=biws,r={nonce}");
        Ok(ScramChallenge { salt, iterations, message: format!("{},{text},{last}", self.bare), last })
    }
}

impl ScramChallenge {
    /// Proves the password. This takes its time: not for the loop.
    pub fn prove(self, password: &Secret) -> ScramProof {
        let salted = salted(password, &self.salt, self.iterations);
        let mut key = Zeroizing::new(hmac(&*salted, &[b"Client Key"]));
        let signature = hmac(&hash(&*key), &[self.message.as_bytes()]);
        key.iter_mut().zip(signature).for_each(|(key, byte)| *key ^= byte);
        let server_key = Zeroizing::new(hmac(&*salted, &[b"Server Key"]));
        ScramProof {
            message: format!("{},p={}", self.last, BASE64_STANDARD.encode(*key)),
            signature: hmac(&*server_key, &[self.message.as_bytes()]),
        }
    }
}

impl ScramProof {
    /// The client's last message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the server's last message proves that it knows the account. If not, somebody else plays the server.
    pub fn is_confirmed_by(&self, last: &[u8]) -> bool {
        let signature = text(last).ok().and_then(|text| text.split(',').next()?.strip_prefix("v="));
        let signature = signature.and_then(|signature| BASE64_STANDARD.decode(signature).ok());
        signature.is_some_and(|signature| same(&signature, &self.signature))
    }
}

impl fmt::Debug for ScramChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramChallenge").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScramProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramProof")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 section 3, with a nonce of its own.
    fn client() -> ScramClient {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        ScramClient { bare: format!("n=user,r={nonce}"), nonce }
    }

    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_vector_of_rfc_7677() {
        assert_eq!(client().first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = client().challenged(CHALLENGE.as_bytes()).unwrap().prove(&"pencil".into());
        assert_eq!(
            proof.message(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(proof.is_confirmed_by(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        for wrong in ["v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8=", "e=other-error", "v=", ""] {
            assert!(!proof.is_confirmed_by(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn challenges_that_are_none() {
        for wrong in [
            "",
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "m=x,r=rOprNGfwEbeRWgbNEkqOa,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOa,s=,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOa,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
            "r=rOprNGfwEbeRWgbNEkqOa,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967295",
            "r=rOprNGfwEbeRWgbNEkqOa,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        ] {
            assert!(client().challenged(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(client().challenged(&[0xff; 9]).is_err());
    }

    #[test]
    fn names_are_escaped() {
        assert!(ScramClient::new("a,b=c", &[0; NONCE_LEN]).first().starts_with("n,,n=a=2Cb=3Dc,r="));
    }
}
