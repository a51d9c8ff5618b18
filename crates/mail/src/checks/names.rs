//! [`Names`]: what checks ask DNS for.

use std::{fmt, future::Future, net::IpAddr, pin::Pin};
use trenza_dns::{RecordType, Resolver};

/// An answer that comes.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Vec<T>, NoAnswer>> + 'a>>;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// There is no such name, or it has no such record.
    None,
    /// Nobody says so; it may be otherwise another time.
    Failed(String),
}

/// DNS, as checks see it: a [`Resolver`], or a table in a test. An answer has one record at least.
pub trait Names {
    /// The texts of a name, each in one piece.
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u8>>;

    /// The addresses of a name, of the family of `like`.
    fn ips<'a>(&'a self, name: &'a str, like: IpAddr) -> Answer<'a, IpAddr>;

    /// The names of its mail servers, the preferred one first.
    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, String>;

    /// The names of an address.
    fn ptr(&self, ip: IpAddr) -> Answer<'_, String>;
}

impl Names for Resolver {
    fn txt<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u8>> {
        Box::pin(async move { found(Self::txt(self, name).await) })
    }

    fn ips<'a>(&'a self, name: &'a str, like: IpAddr) -> Answer<'a, IpAddr> {
        Box::pin(async move {
            let record_type = if like.is_ipv4() { RecordType::A } else { RecordType::AAAA };
            let answer = self.lookup(name, record_type).await;
            found(
                answer
                    .map(|answer| answer.records.iter().filter_map(|record| record.data.ip_addr()).collect()),
            )
        })
    }

    fn mx<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        Box::pin(async move {
            found(Self::mx(self, name).await.map(|all| all.into_iter().map(|mx| mx.exchange).collect()))
        })
    }

    fn ptr(&self, ip: IpAddr) -> Answer<'_, String> {
        Box::pin(async move { found(Self::ptr(self, ip).await) })
    }
}

fn found<T>(answer: trenza_dns::Result<Vec<T>>) -> Result<Vec<T>, NoAnswer> {
    match answer {
        Ok(records) if records.is_empty() => Err(NoAnswer::None),
        Ok(records) => Ok(records),
        // What is no name has no records.
        Err(error) if error.is_negative() || error.fault() == trenza_dns::Fault::Caller => {
            Err(NoAnswer::None)
        }
        Err(error) => Err(NoAnswer::Failed(error.to_string())),
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no such record"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}
