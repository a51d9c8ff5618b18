//! [`Verifier`]: a message whose signatures are checked as it streams by.

use super::{
    canonical::BodyHash,
    key::PublicKey,
    signature::{Algorithm, Signature},
};
use crate::checks::{
    Names, NoAnswer,
    header::{Field, Header},
};
use std::{fmt, time::SystemTime};

/// How many signatures of a message are checked, the first ones; others are left out.
pub const SIGNATURES_MAX: usize = 8;

/// What came of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dkim {
    /// Does it verify?
    pub result: DkimResult,
    /// The domain that has signed; empty, when the signature cannot be read.
    pub domain: String,
    /// Which of its keys.
    pub selector: String,
    /// For whom it has signed, `@domain` or `local@domain`.
    pub identity: String,
    /// The algorithm's name.
    pub algorithm: &'static str,
    /// The beginning of the signature in base64, by which several of one domain are told apart.
    pub tail: String,
    /// Why it does not verify.
    pub problem: Option<String>,
    /// The domain says that it is only trying: a failure means no more than no signature.
    pub is_test: bool,
}

/// What a signature is worth (RFC 8601 section 2.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DkimResult {
    /// It verifies: the domain has seen the message as it is.
    Pass,
    /// It does not.
    Fail,
    /// It verifies, but not as much as we want.
    Policy,
    /// It cannot be read.
    Neutral,
    /// Its key cannot be had now.
    TempError,
    /// There is no such key.
    PermError,
}

impl DkimResult {
    /// Its word in header fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Policy => "policy",
            Self::Neutral => "neutral",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for DkimResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Checks the signatures of a message that is pushed to it. It holds the header and one hash for each signature.
#[derive(Default)]
pub struct Verifier {
    header: Header,
    found: Option<Vec<Found>>,
}

/// A signature, or why it is none, and the body's hash as it wants it.
struct Found {
    /// At which place among the fields.
    at: usize,
    signature: Result<(Signature, BodyHash), &'static str>,
}

impl Verifier {
    /// A message begins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes of the message, in lines that end in CRLF.
    pub fn push(&mut self, bytes: &[u8]) {
        let body = self.header.push(bytes);
        if !self.header.is_whole() {
            return;
        }
        let found = self.found.get_or_insert_with(|| find(&self.header.fields()));
        for (_, hash) in found.iter_mut().filter_map(|found| found.signature.as_mut().ok()) {
            hash.push(body);
        }
    }

    /// The message was pushed: what came of its signatures, in their order. None has any where there is none, or where
    /// the header is longer than is looked at.
    pub async fn finish(mut self, names: &dyn Names, now: SystemTime) -> Vec<Dkim> {
        let fields = self.header.fields();
        let found = self.found.take().unwrap_or_else(|| find(&fields));
        let mut all = Vec::new();
        for Found { at, signature } in found {
            let dkim = match signature {
                Ok((signature, hash)) => check(names, now, signature, hash, at, &fields).await,
                Err(problem) => Dkim::unreadable(problem),
            };
            all.push(dkim);
        }
        all
    }

    pub(in crate::checks) fn header(&self) -> &Header {
        &self.header
    }
}

fn find(fields: &[Field<'_>]) -> Vec<Found> {
    let signatures = fields.iter().enumerate().filter(|(_, field)| field.is("DKIM-Signature"));
    let found = signatures.take(SIGNATURES_MAX).map(|(at, field)| {
        let signature = Signature::parse(field.value()).map(|signature| {
            let hash = BodyHash::new(signature.body_form, signature.length);
            (signature, hash)
        });
        Found { at, signature }
    });
    found.collect()
}

async fn check(
    names: &dyn Names,
    now: SystemTime,
    signature: Signature,
    hash: BodyHash,
    at: usize,
    fields: &[Field<'_>],
) -> Dkim {
    let mut dkim = Dkim::of(&signature);
    let (hash, length) = hash.finish();
    if signature.length.is_some_and(|signed| signed > length) {
        return dkim.not(DkimResult::Fail, "the body is shorter than what was signed");
    }
    if hash.as_ref() != signature.body_hash {
        return dkim.not(DkimResult::Fail, "the body was changed");
    }
    if signature.has_expired(now) {
        return dkim.not(DkimResult::Fail, "the signature has expired");
    }
    let name = format!("{}._domainkey.{}", signature.selector, signature.domain);
    let records = match names.txt(&name).await {
        Ok(records) => records,
        Err(NoAnswer::None) => return dkim.not(DkimResult::PermError, "there is no such key"),
        Err(NoAnswer::Failed(why)) => return dkim.not(DkimResult::TempError, why),
    };
    let [record] = &records[..] else { return dkim.not(DkimResult::PermError, "there are several keys") };
    let key = match PublicKey::parse(record) {
        Ok(key) => key,
        Err(problem) => return dkim.not(DkimResult::PermError, problem),
    };
    dkim.is_test = key.is_test;
    let own = fields.get(at).map(|field| field.raw).unwrap_or_default();
    match key.verify(&signature, &signature.signed(own, fields)) {
        Err(problem) => dkim.not(DkimResult::PermError, problem),
        Ok(false) => dkim.not(DkimResult::Fail, "the signature is not that of the key over these fields"),
        // Anything could stand behind what was signed.
        Ok(true) if signature.length.is_some_and(|signed| signed < length) => {
            dkim.not(DkimResult::Policy, "not all of the body was signed")
        }
        Ok(true) => dkim,
    }
}

impl Dkim {
    fn of(signature: &Signature) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let mut tail = STANDARD.encode(signature.signature.get(..6).unwrap_or(&signature.signature));
        tail.truncate(8);
        Self {
            result: DkimResult::Pass,
            domain: signature.domain.clone(),
            selector: signature.selector.clone(),
            identity: signature.identity.clone(),
            algorithm: signature.algorithm.as_str(),
            tail,
            problem: None,
            is_test: false,
        }
    }

    fn unreadable(problem: &str) -> Self {
        Self {
            result: DkimResult::Neutral,
            domain: String::new(),
            selector: String::new(),
            identity: String::new(),
            algorithm: Algorithm::Rsa.as_str(),
            tail: String::new(),
            problem: Some(problem.into()),
            is_test: false,
        }
    }

    fn not(mut self, result: DkimResult, problem: impl Into<String>) -> Self {
        (self.result, self.problem) = (result, Some(problem.into()));
        self
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signatures = self.found.as_ref().map(Vec::len);
        f.debug_struct("Verifier").field("signatures", &signatures).finish_non_exhaustive()
    }
}
