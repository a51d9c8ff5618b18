//! [`Cache`]: what servers have said, for as long as they said that it holds.

use crate::{Answer, Name, Negative, Record, RecordType};
use std::{
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};
use trenza_core::Map;

/// How much a cache keeps, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheLimits {
    /// Answers are kept so long at least, unless they do not hold at all (a time to live of 0). Default 0.
    pub ttl_min: Duration,
    /// Answers are kept so long at most. Default a day.
    pub ttl_max: Duration,
    /// That something does not exist is kept so long at most. Default an hour (RFC 2308 section 5).
    pub negative_ttl_max: Duration,
    /// How many answers are kept; 0 keeps none. Default 10,000.
    pub entries: usize,
    /// How many bytes of memory they may take, about. Default 8 MiB.
    pub bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            ttl_min: Duration::ZERO,
            ttl_max: Duration::from_secs(24 * 60 * 60),
            negative_ttl_max: Duration::from_secs(60 * 60),
            entries: 10_000,
            bytes: 8 * 1024 * 1024,
        }
    }
}

/// What is known of a question.
pub(crate) type Known = Result<Rc<Answer>, Negative>;

/// A name, and the type that was asked for; None for what holds for all types: that there is no such name.
type Key = (Name, Option<RecordType>);

struct Entry {
    known: Known,
    until: Instant,
    bytes: usize,
    /// Its place among all, the least lately used first.
    used: u64,
}

/// Answers by question. When it is full, what was not used for longest goes.
pub(crate) struct Cache {
    limits: CacheLimits,
    entries: Map<Key, Entry>,
    order: BTreeMap<u64, Key>,
    bytes: usize,
    uses: u64,
}

impl Cache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        Self { limits, entries: Map::default(), order: BTreeMap::new(), bytes: 0, uses: 0 }
    }

    /// What is known now.
    pub(crate) fn get(&mut self, name: &Name, record_type: RecordType, now: Instant) -> Option<Known> {
        self.look_at((name.clone(), Some(record_type)), now)
            .or_else(|| is_of_all(record_type).then(|| self.look_at((name.clone(), None), now)).flatten())
    }

    fn look_at(&mut self, key: Key, now: Instant) -> Option<Known> {
        let entry = self.entries.get_mut(&key)?;
        if entry.until <= now {
            self.remove(&key);
            return None;
        }
        self.uses += 1;
        self.order.remove(&std::mem::replace(&mut entry.used, self.uses));
        self.order.insert(self.uses, key);
        Some(entry.known.clone())
    }

    /// Keeps an answer, for as long as `ttl` says and the limits permit.
    pub(crate) fn put(
        &mut self,
        name: Name,
        record_type: RecordType,
        known: Known,
        ttl: Duration,
        now: Instant,
    ) {
        let CacheLimits { ttl_min, ttl_max, negative_ttl_max, .. } = self.limits;
        let most = if known.is_ok() { ttl_max } else { negative_ttl_max.min(ttl_max) };
        let bytes = cost(&name, &known);
        if ttl.is_zero() || self.limits.entries == 0 || bytes > self.limits.bytes {
            return;
        }
        let Some(until) = now.checked_add(ttl.max(ttl_min).min(most)) else { return };
        let of =
            if known == Err(Negative::Name) && is_of_all(record_type) { None } else { Some(record_type) };
        let key = (name, of);
        self.remove(&key);
        while self.entries.len() >= self.limits.entries || self.bytes + bytes > self.limits.bytes {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.remove(&oldest);
        }
        self.uses += 1;
        self.bytes += bytes;
        self.order.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { known, until, bytes, used: self.uses });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limits.clone());
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Whether that there is no such name, as who asked for this type heard, holds for others. It may be said of what the name
/// is an alias of, and then there still is the alias.
fn is_of_all(record_type: RecordType) -> bool {
    record_type != RecordType::CNAME
}

/// What an entry takes in memory, about: its keys, the records, and what they point to.
fn cost(name: &Name, known: &Known) -> usize {
    let key = 2 * (size_of::<Key>() + name.len()) + size_of::<Entry>();
    let Ok(answer) = known else { return key };
    let names = answer.aliases.iter().map(|alias| size_of::<Name>() + alias.len());
    let records =
        answer.records.iter().map(|record| size_of::<Record>() + record.name.len() + data_bytes(record));
    key + size_of::<Answer>() + names.sum::<usize>() + records.sum::<usize>()
}

/// How many bytes the data of a record points to, about: no more than it is when written out.
fn data_bytes(record: &Record) -> usize {
    use crate::RData;
    match &record.data {
        RData::A(_) | RData::AAAA(_) => 0,
        RData::TXT(txt) => txt.txt_data.iter().map(|text| text.len() + size_of::<Box<[u8]>>()).sum(),
        RData::MX(mx) => mx.exchange.len(),
        RData::CNAME(name) => name.len(),
        RData::PTR(name) => name.len(),
        RData::NS(name) => name.len(),
        data => {
            use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
            let mut bytes = Vec::new();
            let written = data.emit(&mut BinEncoder::new(&mut bytes));
            // What cannot be written out is taken for as long as it could be at most.
            if written.is_ok() { 2 * bytes.len() } else { u16::MAX.into() }
        }
    }
}
