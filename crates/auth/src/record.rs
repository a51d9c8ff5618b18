//! [`Record`] and [`Records`]: accounts with what is stored to know them by.

use crate::{
    Account, Credentials, Hashing, Mechanism, Mechanisms, Secret, Verifier, at_once,
    scram::{self, ScramKeys},
    secret::same,
};
use std::{fmt, sync::Arc};
use trenza_core::{Deferred, Map, Reactor};

/// An account, and what is stored to know it by. Each part may be there or not.
#[derive(Clone)]
pub struct Record {
    account: Arc<Account>,
    password: Option<Verifier>,
    scram: Option<ScramKeys>,
    public_keys: Vec<Vec<u8>>,
    certificates: Vec<[u8; 32]>,
    tokens: Vec<[u8; 32]>,
}

impl Record {
    /// An account that nobody can log in as yet.
    pub fn new(account: Account) -> Self {
        Self {
            account: Arc::new(account),
            password: None,
            scram: None,
            public_keys: Vec::new(),
            certificates: Vec::new(),
            tokens: Vec::new(),
        }
    }

    /// The account.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// With a password as it is stored.
    #[must_use]
    pub fn password(self, verifier: Verifier) -> Self {
        Self { password: Some(verifier), ..self }
    }

    /// With keys for SCRAM. Without a hash of the password they serve for that, too.
    #[must_use]
    pub fn scram(self, keys: ScramKeys) -> Self {
        Self { scram: Some(keys), ..self }
    }

    /// With a public key more, as SSH sends it (RFC 4253 section 6.6).
    #[must_use]
    pub fn public_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.public_keys.push(key.into());
        self
    }

    /// With a client's certificate more, by its SHA-256.
    #[must_use]
    pub fn certificate(mut self, fingerprint: [u8; 32]) -> Self {
        self.certificates.push(fingerprint);
        self
    }

    /// With a token more, by its SHA-256: it is long and random, so nothing slower is needed.
    #[must_use]
    pub fn token(mut self, hash: [u8; 32]) -> Self {
        self.tokens.push(hash);
        self
    }

    /// What the account can do.
    pub fn mechanisms(&self) -> Mechanisms {
        Mechanisms::NONE
            .and(Mechanism::Password, self.password.is_some() || self.scram.is_some())
            .and(Mechanism::ScramSha256, self.scram.is_some())
            .and(Mechanism::PublicKey, !self.public_keys.is_empty())
            .and(Mechanism::Certificate, !self.certificates.is_empty())
            .and(Mechanism::Token, !self.tokens.is_empty())
    }

    fn verifier(&self) -> Option<Verifier> {
        self.password.clone().or_else(|| self.scram.clone().map(Verifier::from))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("account", &self.account)
            .field("mechanisms", &self.mechanisms())
            .finish_non_exhaustive()
    }
}

/// Records by name, and by what is enough without a name.
#[derive(Default)]
pub(crate) struct Records {
    all: Vec<Record>,
    by_name: Map<String, usize>,
    by_certificate: Map<[u8; 32], usize>,
    by_token: Map<[u8; 32], usize>,
    /// Those that can do passwords, and those that can do SCRAM: decoys look like one of them. Found at once, since a
    /// search would take longer for a name that is not there, by as much as there are accounts.
    with_password: Vec<usize>,
    with_scram: Vec<usize>,
    /// What nobody else knows: decoys are made of it.
    seed: [u8; 32],
}

impl Records {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Adds one; false when its name, a certificate or a token of it is another one's.
    pub(crate) fn add(&mut self, record: Record) -> bool {
        let taken = self.by_name.contains_key(&record.account.name)
            || record.certificates.iter().any(|key| self.by_certificate.contains_key(key))
            || record.tokens.iter().any(|key| self.by_token.contains_key(key));
        if taken {
            return false;
        }
        let number = self.all.len();
        self.by_name.insert(record.account.name.clone(), number);
        self.by_certificate.extend(record.certificates.iter().map(|key| (*key, number)));
        self.by_token.extend(record.tokens.iter().map(|key| (*key, number)));
        self.with_password.extend(record.verifier().map(|_| number));
        self.with_scram.extend(record.scram.as_ref().map(|_| number));
        self.all.push(record);
        true
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Record> {
        self.all.get(*self.by_name.get(name)?)
    }

    pub(crate) fn into_vec(self) -> Vec<Record> {
        self.all
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.all.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// What may be offered: what any can do, but SCRAM only when all that have a password have its keys. A client
    /// that has begun with it tries nothing else.
    pub(crate) fn mechanisms(&self) -> Mechanisms {
        let any = self.all.iter().fold(Mechanisms::NONE, |any, record| any | record.mechanisms());
        let lacks = self.all.iter().any(|record| record.password.is_some() && record.scram.is_none());
        if lacks { any.without(Mechanism::ScramSha256) } else { any }
    }

    pub(crate) fn mechanisms_of(&self, name: &str) -> Mechanisms {
        self.get(name).map_or_else(|| self.mechanisms(), Record::mechanisms)
    }

    /// Keys of this name, or a decoy, which is made in any case, so that the time does not tell; None: nobody has any.
    pub(crate) fn scram_keys(&self, name: &str) -> Option<ScramKeys> {
        let like = self.like(name, &self.with_scram)?.scram.as_ref();
        let decoy = ScramKeys::decoy(&self.seed, name, like);
        Some(self.get(name).and_then(|record| record.scram.clone()).unwrap_or(decoy))
    }

    /// Whose these credentials are. Passwords wait for their turn, all else is quick.
    pub(crate) fn check(
        self: &Arc<Self>,
        reactor: &Reactor,
        hashing: &Hashing,
        credentials: &Arc<Credentials>,
    ) -> Deferred<Option<Arc<Account>>> {
        match &**credentials {
            Credentials::Password { name, .. } => {
                let (verifier, account) = self.verifier(name);
                let fits = match &account {
                    Some(_) => hashing.fits(reactor, verifier, credentials),
                    None => {
                        let shown = credentials.clone();
                        hashing.run(reactor, move || Ok(decoy(&verifier, &shown)))
                    }
                };
                reactor.spawn(async move {
                    let fits = fits.await?;
                    Ok(account.filter(|_| fits))
                })
            }
            other => at_once(reactor, Ok(self.known(other))),
        }
    }

    /// What the password of this name is checked with. An unknown name costs what somebody's password costs, and always
    /// the same one's, so that neither the time nor how it varies tells that there is no such account.
    fn verifier(&self, name: &str) -> (Verifier, Option<Arc<Account>>) {
        if let Some(record) = self.get(name)
            && let Some(verifier) = record.verifier()
        {
            return (verifier, Some(record.account.clone()));
        }
        let like = self.like(name, &self.with_password).and_then(Record::verifier);
        (like.unwrap_or_else(|| ScramKeys::decoy(&self.seed, name, None).into()), None)
    }

    /// One of these records, chosen by the name in a way that nobody else can tell.
    fn like(&self, name: &str, these: &[usize]) -> Option<&Record> {
        let drawn = scram::hmac(&self.seed, &[b"like", name.as_bytes()]);
        let drawn = drawn.iter().take(4).fold(0, |number, byte| number << 8 | usize::from(*byte));
        self.all.get(*these.get(drawn % these.len().max(1))?)
    }

    fn known(&self, credentials: &Credentials) -> Option<Arc<Account>> {
        let record = match credentials {
            Credentials::Challenge { name, auth_message, proof } => {
                let keys = self.scram_keys(name)?;
                let proven = keys.proven(auth_message, proof);
                self.get(name).filter(|_| proven)?
            }
            Credentials::PublicKey { name, key } => {
                self.get(name).filter(|record| record.public_keys.contains(key))?
            }
            Credentials::Certificate { name, fingerprint } => {
                self.named(name.as_deref(), self.by_certificate.get(fingerprint))?
            }
            Credentials::Token { name, token } => {
                self.named(name.as_deref(), self.by_token.get(&scram::hash(token.bytes())))?
            }
            Credentials::Password { .. } | Credentials::Anonymous { .. } => return None,
        };
        Some(record.account.clone())
    }

    /// The record of that number, if it has this name or none was said.
    fn named(&self, name: Option<&str>, number: Option<&usize>) -> Option<&Record> {
        let record = self.all.get(*number?)?;
        name.is_none_or(|name| same(name.as_bytes(), record.account.name.as_bytes())).then_some(record)
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Records").field(&self.len()).finish()
    }
}

/// Costs what a comparison with a password costs, and is never right.
fn decoy(verifier: &Verifier, shown: &Credentials) -> bool {
    if let Credentials::Password { password, .. } = shown {
        std::hint::black_box(verifier.fits(password));
    }
    false
}

/// The keys of a password for accounts in memory.
pub(crate) fn in_memory(account: Account, password: &Secret, seed: &[u8; 32]) -> Record {
    // What SCRAM allows at least: nobody can steal what is in no file.
    const ITERATIONS: u32 = 4096;
    let like = ScramKeys::decoy(seed, &account.name, None);
    let keys = ScramKeys::of_password(password, like.salt(), ITERATIONS);
    let record = Record::new(account);
    match keys {
        Some(keys) => record.scram(keys),
        None => record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_look_like_every_kind_of_account() {
        let keys = |salt: usize| ScramKeys::of_password(&"pw".into(), vec![7; salt], 1);
        let mut records = Records::new([1; 32]);
        let hashed = Verifier::parse("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=").unwrap();
        assert!(records.add(Record::new(Account::new("ann")).password(hashed)));
        // Its password costs what SCRAM costs: if nothing else did, it would tell that there is such an account.
        assert!(records.add(Record::new(Account::new("bob")).scram(keys(scram::SALT_MAX).unwrap())));
        assert!(records.add(Record::new(Account::new("eve"))));
        let kinds = (0..64).map(|number| {
            let (verifier, account) = records.verifier(&format!("name{number}"));
            assert!(account.is_none());
            format!("{verifier:?}")
        });
        let kinds: std::collections::BTreeSet<_> = kinds.collect();
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["Verifier(scram)", "Verifier(sha1)"]);
        assert!(
            records.verifier("eve").1.is_none(),
            "there is nothing that a password could be compared with"
        );
        assert!(!records.scram_keys("bob").unwrap().is_decoy());
        let decoy = records.scram_keys("ann").unwrap();
        assert_eq!((decoy.is_decoy(), decoy.salt().len()), (true, scram::SALT_MAX));
    }
}
