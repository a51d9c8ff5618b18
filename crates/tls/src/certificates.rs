//! [`Certificates`]: which certificate a client is shown.

use crate::Identity;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt,
    sync::{Arc, RwLock},
};
use trenza_core::Map;

/// The certificates of a server, by the names that they are for: exact names first, then a wildcard for one label
/// (`*.example.org` is for `a.example.org`, not for `a.b.example.org`; RFC 9525 section 6.3), then the first one. They
/// can be replaced at any time: handshakes from then on see the new ones.
#[derive(Clone)]
pub struct Certificates(Arc<RwLock<Arc<Table>>>);

#[derive(Debug, Default)]
struct Table {
    /// For clients that ask for no name, or for one that there is no certificate for.
    first: Option<Arc<CertifiedKey>>,
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
        self.table().first.is_none()
    }

    /// The names that there are certificates for, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.table().by_name.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let table = self.table();
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let exact = table.by_name.get(&name);
            exact.or_else(|| table.by_name.get(&format!("*.{}", name.split_once('.')?.1)))
        });
        named.or(table.first.as_ref()).cloned()
    }
}

impl Table {
    fn new(identities: impl IntoIterator<Item = Identity>) -> Self {
        let mut table = Self::default();
        for identity in identities {
            for name in identity.names() {
                table.by_name.entry(name.clone()).or_insert_with(|| identity.key.clone());
            }
            table.first.get_or_insert(identity.key);
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
