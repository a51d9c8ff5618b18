//! [`Names`]: by which hosts a domain receives mail.

use crate::smtp::{Code, Host, Reply, Status};
use std::{net::IpAddr, pin::Pin};

/// The most hosts of a domain that are tried.
const HOSTS_MAX: usize = 10;

/// Who knows by which hosts a domain receives mail, and where they are: a [`Resolver`](trenza_dns::Resolver), or a table of a test.
pub trait Names: 'static {
    /// The MX records of a domain, in any order. An empty list: it has none.
    fn mx(&self, domain: &str) -> Looking<Vec<Mx>>;

    /// The addresses of a host, the best first. An empty list: it has none.
    fn addresses(&self, host: &str) -> Looking<Vec<IpAddr>>;
}

/// A question that is being asked.
pub type Looking<T> = Pin<Box<dyn Future<Output = Result<T, NameError>>>>;

/// An MX record (RFC 1035 section 3.3.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mx {
    /// The smallest is tried first.
    pub preference: u16,
    /// Who receives mail; empty or `.`: nobody does (RFC 7505).
    pub host: String,
}

/// Why a name is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is no such name.
    #[error("there is no such domain")]
    Unknown,
    /// The DNS does not answer, or makes no sense: it may later.
    #[error("the DNS does not answer: {0}")]
    Failed(String),
}

/// The hosts to try for a domain, the first one first (RFC 5321 section 5.1): by preference, equal ones in an order that
/// `random` draws, without ourselves and whoever is not preferred to us.
///
/// # Errors
/// What the sender is told: nobody takes mail for it (RFC 7505), or that would be ourselves.
pub(super) fn hosts(
    domain: &str,
    records: Vec<Mx>,
    own: &str,
    mut random: impl FnMut() -> u32,
) -> Result<Vec<String>, Reply> {
    if records.is_empty() {
        return match domain.eq_ignore_ascii_case(own) {
            true => Err(circle(domain)),
            false => Ok(vec![domain.to_owned()]),
        };
    }
    let mut known: Vec<(u16, u32, String)> = records
        .into_iter()
        .map(|mx| (mx.preference, random(), mx.host.trim_end_matches('.').to_ascii_lowercase()))
        .filter(|(_, _, host)| !host.is_empty())
        .collect();
    if known.is_empty() {
        let text = format!("{domain} takes no mail");
        return Err(Reply::new(Code::TAKES_NO_MAIL, Status::NULL_MX, text));
    }
    known.sort();
    if let Some(ours) = known.iter().position(|(_, _, host)| host.eq_ignore_ascii_case(own)) {
        let ours = known.get(ours).map(|(preference, ..)| *preference);
        known.retain(|(preference, ..)| Some(*preference) < ours);
        if known.is_empty() {
            return Err(circle(domain));
        }
    }
    let names = known.into_iter().map(|(_, _, host)| host);
    let mut hosts: Vec<String> = names.filter(|host| Host::parse(host).is_some()).collect();
    hosts.truncate(HOSTS_MAX);
    if hosts.is_empty() {
        let text = format!("{domain} is said to receive mail at hosts that have no names");
        return Err(Reply::new(Code::REFUSED, Status::NO_ROUTE, text));
    }
    Ok(hosts)
}

/// The mail would come back to us.
fn circle(domain: &str) -> Reply {
    let text = format!("Mail for {domain} leads back to this host, which does not receive it");
    Reply::new(Code::FAILED, Status::LOOP, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(records: &[(u16, &str)], own: &str, draws: &[u32]) -> Result<Vec<String>, u16> {
        let records =
            records.iter().map(|(preference, host)| Mx { preference: *preference, host: (*host).into() });
        let mut draws = draws.iter().copied().chain(std::iter::repeat(0));
        hosts("example.org", records.collect(), own, || draws.next().unwrap())
            .map_err(|reply| reply.code().number())
    }

    #[test]
    fn by_preference_and_equals_by_lot() {
        let records = [(20, "c"), (10, "A."), (10, "b"), (30, "d")];
        assert_eq!(order(&records, "us", &[0, 1, 2]).unwrap(), ["a", "b", "c", "d"]);
        assert_eq!(order(&records, "us", &[0, 2, 1]).unwrap(), ["b", "a", "c", "d"]);
    }

    #[test]
    fn without_mx_the_domain_is_the_host() {
        assert_eq!(order(&[], "us", &[]).unwrap(), ["example.org"]);
        assert_eq!(order(&[], "Example.org", &[]), Err(554));
    }

    #[test]
    fn null_mx() {
        assert_eq!(order(&[(0, ".")], "us", &[]), Err(556));
        assert_eq!(order(&[(0, "")], "us", &[]), Err(556));
        // Beside others it means nothing.
        assert_eq!(order(&[(0, "."), (5, "a")], "us", &[]).unwrap(), ["a"]);
    }

    #[test]
    fn nothing_comes_back_to_us() {
        let records = [(10, "a"), (20, "us"), (20, "b"), (30, "c")];
        for draws in [[0, 1, 2, 3], [3, 2, 1, 0]] {
            assert_eq!(order(&records, "US", &draws).unwrap(), ["a"]);
        }
        assert_eq!(order(&[(10, "us"), (20, "b")], "us", &[]), Err(554));
    }

    #[test]
    fn hosts_that_are_none() {
        assert_eq!(order(&[(10, "a b"), (20, "x")], "us", &[]).unwrap(), ["x"]);
        assert_eq!(order(&[(10, "a\r\nb")], "us", &[]), Err(550));
        let many: Vec<(u16, String)> = (0..100).map(|n| (n, format!("h{n}"))).collect();
        let many: Vec<(u16, &str)> = many.iter().map(|(n, host)| (*n, &**host)).collect();
        assert_eq!(order(&many, "us", &[]).unwrap().len(), HOSTS_MAX);
    }
}
