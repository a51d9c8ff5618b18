//! [`Recent`]: passwords that were right a moment ago.

use crate::{Secret, Verifier};
use std::time::{Duration, Instant};
use trenza_core::Map;

/// How many are remembered.
const RECENT_MAX: usize = 4096;

/// Passwords that were right a moment ago, so that who logs in often (a browser with each request, a client with many
/// connections) costs one hashing. What is kept is a keyed hash of password and stored hash together, so another
/// password makes it worthless at once. It says nothing without the key, which never leaves the process.
#[derive(Default)]
pub(crate) struct Recent {
    /// When each was hashed.
    tags: Map<Tag, Instant>,
}

/// A password together with what it was compared with.
pub(crate) type Tag = [u8; 32];

impl Recent {
    /// Was it right within this time?
    pub(crate) fn has(&self, tag: &Tag, now: Instant, lasts: Duration) -> bool {
        self.tags.get(tag).is_some_and(|hashed| now.saturating_duration_since(*hashed) < lasts)
    }

    /// It was right. Where there is no room the oldest makes some.
    pub(crate) fn add(&mut self, tag: Tag, now: Instant, lasts: Duration) {
        if self.tags.len() >= RECENT_MAX {
            self.tags.retain(|_, hashed| now.saturating_duration_since(*hashed) < lasts);
        }
        if self.tags.len() >= RECENT_MAX {
            let oldest = self.tags.iter().min_by_key(|(_, hashed)| **hashed).map(|(tag, _)| *tag);
            oldest.map(|tag| self.tags.remove(&tag));
        }
        self.tags.insert(tag, now);
    }
}

/// The tag of this password, compared with that.
pub(crate) fn tag(key: &[u8; 32], verifier: &Verifier, password: &Secret) -> Tag {
    crate::scram::hmac(key, &[&verifier.identity(), &[0], password.bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use trenza_sim::Net;

    #[test]
    fn it_is_bounded_and_ends() {
        let (mut recent, now) = (Recent::default(), Net::gentle(1).now());
        let of = |number: usize| crate::scram::hash(&number.to_le_bytes());
        let (lasts, second) = (Duration::from_secs(300), Duration::from_secs(1));
        recent.add(of(0), now, lasts);
        assert!(recent.has(&of(0), now + second * 299, lasts) && !recent.has(&of(0), now + lasts, lasts));
        for number in 1..RECENT_MAX + 1 {
            recent.add(of(number), now + second, lasts);
        }
        assert_eq!(recent.tags.len(), RECENT_MAX);
        assert!(!recent.has(&of(0), now, lasts) && recent.has(&of(1), now, lasts));
        recent.add(of(0), now + lasts + second, lasts);
        assert_eq!(recent.tags.len(), 1);
    }

    #[test]
    fn a_tag_is_of_all_its_parts() {
        let (one, other) = ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "$apr1$s$e2aCb9PLCjZ2t55SoAxXn.");
        let of =
            |key, hash, password: &str| tag(&[key; 32], &Verifier::parse(hash).unwrap(), &password.into());
        let first = of(1, one, "password");
        assert_eq!(first, of(1, one, "password"));
        for different in [of(2, one, "password"), of(1, other, "password"), of(1, one, "passwor")] {
            assert_ne!(first, different);
        }
    }
}
