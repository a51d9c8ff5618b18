//! [`Certificates`]: which certificate a client is shown.

use crate::{Facts, Identity};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt,
    sync::{Arc, RwLock},
    time::SystemTime,
};
use trenza_core::Map;

/// A day in seconds.
const DAY: u64 = 24 * 60 * 60;

/// The certificates of a server, by the names that they are for: exact names first, then a wildcard for one label
/// (`*.example.org` is for `a.example.org`, not for `a.b.example.org`; RFC 9525 section 6.3), then the first one. They
/// can be replaced at any time: handshakes from then on see the new ones.
#[derive(Clone)]
pub struct Certificates(Arc<RwLock<Arc<Table>>>);

#[derive(Debug, Default)]
struct Table {
    /// The first one is for clients that ask for no name, or for one that there is no certificate for.
    all: Vec<Arc<CertifiedKey>>,
    by_name: Map<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// One certificate for all names.
    pub fn one(identity: Identity) -> Self {
        Self::many([identity])
    }

    /// Many certificates. Of two for the same name the earlier one counts.
    pub fn many(identities: impl IntoIterator<Item = Identity>) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Table::new(identities)))))
    }

    /// Replaces all of them. Connections go on with what they have.
    pub fn replace(&self, identities: impl IntoIterator<Item = Identity>) {
        let table = Arc::new(Table::new(identities));
        // A writer that panicked has left the former table, which is whole.
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = table;
    }

    fn table(&self) -> Arc<Table> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.table().all.is_empty()
    }

    /// The names that there are certificates for, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.table().by_name.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Logs those that clients refuse at this time. That is no reason not to serve: some may have no clock, and what
    /// expires tomorrow is served then, too.
    pub(crate) fn judge(&self, now: SystemTime) {
        for facts in self.table().all.iter().filter_map(|own| Facts::of_der(own.cert.first()?).ok()) {
            let whose = if facts.names.is_empty() { facts.subject } else { facts.names.join(", ") };
            if let Ok(since) = now.duration_since(facts.until) {
                let days = since.as_secs() / DAY;
                tracing::warn!("the certificate for {whose} has expired, {days} days ago: clients refuse it");
            } else if now < facts.from {
                tracing::warn!(
                    "the certificate for {whose} is not valid yet: clients refuse it (is the clock right?)"
                );
            }
        }
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let table = self.table();
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let exact = table.by_name.get(&name);
            exact.or_else(|| table.by_name.get(&format!("*.{}", name.split_once('.')?.1)))
        });
        named.or_else(|| table.all.first()).cloned()
    }
}

impl Table {
    fn new(identities: impl IntoIterator<Item = Identity>) -> Self {
        let mut table = Self::default();
        for identity in identities {
            for name in identity.names() {
                table.by_name.entry(name.clone()).or_insert_with(|| identity.key.clone());
            }
            table.all.push(identity.key);
        }
        table
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.names()).finish()
    }
}
