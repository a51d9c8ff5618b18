//! [`Answer`] and [`Verdict`]: what a server's message says about a question.

use crate::{DNSClass, Message, Name, RData, Record, RecordType, ResponseCode};
use std::time::Duration;

/// How many aliases (CNAME) are followed from one name.
pub const ALIASES_MAX: usize = 8;

/// The records that a name has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Whose they are: the name that was asked for, or what it is an alias of.
    pub name: Name,
    /// The names that led there, the one that was asked for first; none, when that has them itself.
    pub aliases: Vec<Name>,
    /// Those of the type that was asked for, at least one.
    pub records: Vec<Record>,
    /// How long the server says that they hold.
    pub ttl: Duration,
    /// The server says that it has validated them (AD, RFC 4035 section 3.2.3). Worth as much as the way to it.
    pub authentic: bool,
}

/// What does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Negative {
    /// The name.
    Name,
    /// Records of the type.
    Data,
}

/// What a message says about a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The records.
    Found(Answer),
    /// There are none, for so long; None: that is not said, so it must not be kept (RFC 2308 section 5).
    Not(Negative, Option<Duration>),
    /// The name is an alias of `to`, of which nothing is said: it has to be asked for.
    Alias {
        /// What to ask for.
        to: Name,
        /// The names that led there.
        aliases: Vec<Name>,
        /// How long they hold.
        ttl: Duration,
    },
    /// The server failed or refused.
    Failed(ResponseCode),
    /// The server names others to ask, which stub resolvers leave to it.
    Referral,
    /// The aliases lead on and on.
    Aliases,
}

impl Verdict {
    /// What a message, which was found to be the answer to it, says about a question. What it says of other names is not
    /// looked at: no server is asked to tell us of those.
    pub fn of(message: &Message, name: &Name, record_type: RecordType) -> Self {
        let code = message.metadata.response_code;
        if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
            return Self::Failed(code);
        }
        let (mut name, mut aliases, mut ttl) = (name.clone(), Vec::new(), Duration::MAX);
        loop {
            let records = of_name(&message.answers, &name);
            let wanted = |record: &&Record| record_type.is_any() || record.record_type() == record_type;
            let found: Vec<_> = records.filter(wanted).cloned().collect();
            if let Some(least) = found.iter().map(ttl_of).min() {
                let authentic = message.metadata.authentic_data;
                return Self::Found(Answer { name, aliases, records: found, ttl: ttl.min(least), authentic });
            }
            let next = of_name(&message.answers, &name).find_map(|record| match &record.data {
                RData::CNAME(to) => Some((to.0.clone(), ttl_of(record))),
                _ => None,
            });
            let Some((to, least)) = next else { break };
            if aliases.len() >= ALIASES_MAX {
                return Self::Aliases;
            }
            ttl = ttl.min(least);
            aliases.push(std::mem::replace(&mut name, to));
        }
        Self::negative(message, name, aliases, ttl)
    }

    /// There is no record at the end of the aliases.
    fn negative(message: &Message, name: Name, aliases: Vec<Name>, ttl: Duration) -> Self {
        let soa = message.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) if record.name.zone_of(&name) => Some(ttl_of(record).min(seconds(soa.minimum))),
            _ => None,
        });
        let hold = soa.map(|soa| soa.min(ttl));
        let delegates = message.authorities.iter().any(|record| matches!(record.data, RData::NS(_)));
        match message.metadata.response_code {
            ResponseCode::NXDomain => Self::Not(Negative::Name, hold),
            _ if soa.is_none() && !aliases.is_empty() => Self::Alias { to: name, aliases, ttl },
            _ if soa.is_none() && delegates && !message.metadata.recursion_available => Self::Referral,
            _ => Self::Not(Negative::Data, hold),
        }
    }
}

fn of_name<'a>(records: &'a [Record], name: &Name) -> impl Iterator<Item = &'a Record> {
    records.iter().filter(move |record| record.dns_class == DNSClass::IN && record.name == *name)
}

fn ttl_of(record: &Record) -> Duration {
    seconds(record.ttl)
}

/// A time to live; one with the highest bit is none (RFC 2181 section 8).
fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(if ttl > i32::MAX as u32 { 0 } else { ttl.into() })
}
