//! Hashes as `htpasswd` writes them unless told otherwise: MD5, 1000 times over, in an order that Poul-Henning Kamp chose
//! in 1994. They are read, never written.

use crate::secret::same;
use md5::{Digest, Md5};

/// Alphabet of their base 64, the low bits first.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const MAGIC: &str = "$apr1$";
const ROUNDS: usize = 1000;
/// Which bytes of the digest make up the letters, three for four.
const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// Is it `$apr1$SALT$HASH`?
pub(crate) fn is_hash(text: &str) -> bool {
    let letters = |text: &str| text.bytes().all(|byte| ALPHABET.contains(&byte));
    parts(text).is_some_and(|(salt, hash)| {
        (1..=8).contains(&salt.len()) && hash.len() == 22 && letters(salt) && letters(hash)
    })
}

/// Is the hash that of this password?
pub(crate) fn fits(password: &[u8], text: &str) -> bool {
    parts(text)
        .is_some_and(|(salt, hash)| same(hash_of(password, salt.as_bytes()).as_bytes(), hash.as_bytes()))
}

fn parts(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(MAGIC)?.split_once('$')
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().into()
}

fn hash_of(password: &[u8], salt: &[u8]) -> String {
    let mut digest = md5(&[password, salt, password]);
    let mut first = Md5::new();
    first.update(password);
    first.update(MAGIC);
    first.update(salt);
    for piece in password.chunks(16) {
        first.update(digest.get(..piece.len()).unwrap_or_default());
    }
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { &[0][..] } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    digest = first.finalize().into();
    for round in 0..ROUNDS {
        let (one, other) = if round % 2 == 1 { (password, &digest[..]) } else { (&digest[..], password) };
        let salt = if round % 3 != 0 { salt } else { b"" };
        let again = if round % 7 != 0 { password } else { b"" };
        digest = md5(&[one, salt, again, other]);
    }
    letters(&digest)
}

fn letters(digest: &[u8; 16]) -> String {
    let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or_default());
    let mut text = String::with_capacity(22);
    let mut push = |mut bits: u32, count| {
        for _ in 0..count {
            text.extend(ALPHABET.get(bits as usize & 63).map(|letter| char::from(*letter)));
            bits >>= 6;
        }
    };
    for [high, middle, low] in ORDER {
        push(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    push(byte(11), 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl passwd -apr1 -salt SALT PASSWORD`.
    #[test]
    fn hashes_of_openssl() {
        for (password, hash) in [
            ("password", "$apr1$xxxxxxxx$dxHfLAsjHkDRmG83UXe8K0"),
            ("", "$apr1$s$e2aCb9PLCjZ2t55SoAxXn."),
            ("a", "$apr1$12345678$68ZQVfPkWX/wcXr/41VxQ."),
            ("a password of more than sixteen bytes, even than 32", "$apr1$ab.c/d$1fTRr1Mrw1X2LSDMbIcWZ."),
        ] {
            assert!(is_hash(hash) && fits(password.as_bytes(), hash), "{password}");
            assert!(!fits(b"other", hash));
        }
    }
}
