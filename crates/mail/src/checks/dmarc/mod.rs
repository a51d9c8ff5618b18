//! DMARC: what the domain in From says of messages that neither SPF nor DKIM vouches for (RFC 7489).

mod author;
mod record;
#[cfg(test)]
mod tests;

pub(super) use author::authors;
pub use record::Policy;

use crate::checks::{Dkim, DkimResult, Names, NoAnswer, Spf, SpfResult};
use record::{Record, Strictness};
use std::fmt;

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dmarc {
    /// Does somebody vouch for the author's domain?
    pub result: DmarcResult,
    /// The domain in From; empty, where there is not exactly one.
    pub domain: String,
    /// What the domain says of messages that fail; None, when it says nothing.
    pub policy: Option<Policy>,
    /// What is to become of the message: the policy, if it has failed and its number was drawn (`pct`).
    pub disposition: Policy,
    /// Why it could not be checked, for logs.
    pub problem: Option<String>,
}

/// Does somebody vouch for the domain in From? (RFC 7489 section 11.2)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DmarcResult {
    /// The domain does not want it to be checked.
    None,
    /// SPF or DKIM does, of the same domain.
    Pass,
    /// Nobody does.
    Fail,
    /// It cannot be found out now.
    TempError,
    /// There is not exactly one domain in From, or its record cannot be read.
    PermError,
}

impl DmarcResult {
    /// Its word in header fields.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for DmarcResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Of how many domains the authors of a message may be; more are as good as a policy to refuse it.
pub const AUTHORS_MAX: usize = 8;

/// Checks the domains in From, of which there should be one. Of several the strictest policy counts (RFC 7489 section
/// 6.6.1), or one could be named for the check and another for the reader. `draw` is a number from 0 to 99 by chance, which
/// decides whether this message is one of those that a policy is for.
pub async fn check(names: &dyn Names, from: &[String], spf: &Spf, dkim: &[Dkim], draw: u8) -> Dmarc {
    let several = "there are authors of several domains";
    match from {
        [] => Dmarc::new("").not(DmarcResult::PermError, "there is no author"),
        [domain] => of_author(names, domain, spf, dkim, draw).await,
        all if all.len() > AUTHORS_MAX => {
            Dmarc { disposition: Policy::Reject, ..Dmarc::new("").not(DmarcResult::PermError, several) }
        }
        all => {
            let mut disposition = Policy::None;
            for domain in all {
                disposition = disposition.max(of_author(names, domain, spf, dkim, draw).await.disposition);
            }
            Dmarc { disposition, ..Dmarc::new("").not(DmarcResult::PermError, several) }
        }
    }
}

async fn of_author(names: &dyn Names, domain: &str, spf: &Spf, dkim: &[Dkim], draw: u8) -> Dmarc {
    let mut dmarc = Dmarc::new(domain);
    let (record, is_own) = match find(names, domain).await {
        Ok(Some(found)) => found,
        Ok(None) => return dmarc,
        Err((result, problem)) => return dmarc.not(result, problem),
    };
    let policy = if is_own { record.policy } else { record.subdomains };
    dmarc.policy = Some(policy);
    let by_spf = spf.result == SpfResult::Pass && aligned(&spf.domain, domain, record.spf);
    let signed = |signature: &&Dkim| aligned(&signature.domain, domain, record.dkim);
    if by_spf || dkim.iter().filter(signed).any(|signature| signature.result == DkimResult::Pass) {
        dmarc.result = DmarcResult::Pass;
        return dmarc;
    }
    // What could not be found out may have vouched for it.
    let unknown = (spf.result == SpfResult::TempError && aligned(&spf.domain, domain, record.spf))
        || dkim.iter().filter(signed).any(|signature| signature.result == DkimResult::TempError);
    if unknown {
        return dmarc.not(DmarcResult::TempError, "SPF or DKIM could not be checked");
    }
    dmarc.result = DmarcResult::Fail;
    dmarc.disposition = if draw < record.percent { policy } else { policy.milder() };
    dmarc
}

impl Dmarc {
    fn new(domain: &str) -> Self {
        Self {
            result: DmarcResult::None,
            domain: domain.into(),
            policy: None,
            disposition: Policy::None,
            problem: None,
        }
    }

    fn not(mut self, result: DmarcResult, problem: impl Into<String>) -> Self {
        (self.result, self.problem) = (result, Some(problem.into()));
        self
    }
}

/// The record of a domain, or of the organisation that it belongs to; and whether it is its own (RFC 7489 section 6.6.3).
async fn find(names: &dyn Names, domain: &str) -> Result<Option<(Record, bool)>, (DmarcResult, String)> {
    let own = at(names, domain).await?;
    if let Some(record) = own {
        return Ok(Some((record, true)));
    }
    let organisation = organisation(domain);
    if organisation == domain {
        return Ok(None);
    }
    Ok(at(names, organisation).await?.map(|record| (record, false)))
}

async fn at(names: &dyn Names, domain: &str) -> Result<Option<Record>, (DmarcResult, String)> {
    let texts = match names.txt(&format!("_dmarc.{domain}")).await {
        Ok(texts) => texts,
        Err(NoAnswer::None) => return Ok(None),
        Err(NoAnswer::Failed(why)) => return Err((DmarcResult::TempError, why)),
    };
    let mut records = texts.iter().filter(|text| Record::is_one(text));
    match (records.next(), records.next()) {
        (Some(text), None) => match Record::parse(text) {
            Ok(record) => Ok(record),
            Err(problem) => Err((DmarcResult::PermError, problem.into())),
        },
        // Several say nothing.
        _ => Ok(None),
    }
}

/// The domain that somebody has registered, by the public suffix list; a public suffix is its own.
pub(super) fn organisation(domain: &str) -> &str {
    psl::domain_str(domain).unwrap_or(domain)
}

/// Whether a domain that vouches is the author's (RFC 7489 section 3.1).
fn aligned(vouching: &str, author: &str, strictness: Strictness) -> bool {
    let vouching = vouching.to_ascii_lowercase();
    match strictness {
        Strictness::Strict => vouching == author,
        Strictness::Relaxed => organisation(&vouching) == organisation(author),
    }
}
