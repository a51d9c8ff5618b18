//! [`Mx`]: who takes the mail of a domain.

use crate::{Answer, RData};

/// A server that takes the mail of a domain (RFC 5321 section 5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    /// Lower is preferred.
    pub preference: u16,
    /// Its name, without a dot at the end; `.` in a [null MX](Mx::is_null).
    pub exchange: String,
}

impl Mx {
    /// A null MX: the domain takes no mail (RFC 7505).
    pub fn is_null(&self) -> bool {
        self.exchange == "."
    }

    /// Those of an answer, by preference; who are equal come in the order of the numbers that `draw` gives, so that
    /// senders spread their load (RFC 5321 section 5.1).
    pub(crate) fn sorted(answer: &Answer, mut draw: impl FnMut() -> u64) -> Vec<Self> {
        let found = answer.records.iter().filter_map(|record| match &record.data {
            RData::MX(mx) => {
                Some(Self { preference: mx.preference, exchange: crate::lookup::text(&mx.exchange) })
            }
            _ => None,
        });
        let mut found: Vec<_> = found.map(|mx| (mx.preference, draw(), mx)).collect();
        found.sort();
        found.into_iter().map(|(_, _, mx)| mx).collect()
    }
}
