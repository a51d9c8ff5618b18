//! [`Layers`]: what an endpoint puts under each of its connections.

use crate::{Layer, Peer};
use std::{fmt, rc::Rc};

/// Makes the layers of a new connection, the one nearest to the wire first.
type Make = Rc<dyn Fn(&Peer) -> Vec<Box<dyn Layer>>>;

/// Makes the layers that an endpoint puts under each of its connections.
#[derive(Clone, Default)]
pub struct Layers(Vec<Make>);

impl Layers {
    /// Puts layers over those that are there: nearer to the protocol. `make` gives those of one connection, the one
    /// nearest to the wire first; of the peer it is told the addresses.
    pub fn over(&mut self, make: impl Fn(&Peer) -> Vec<Box<dyn Layer>> + 'static) {
        self.0.push(Rc::new(make));
    }

    /// Puts layers under those that are there: nearer to the wire.
    pub fn under(&mut self, make: impl Fn(&Peer) -> Vec<Box<dyn Layer>> + 'static) {
        self.0.insert(0, Rc::new(make));
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the layers of another endpoint over these.
    pub fn append(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Those of one connection, the one nearest to the wire first.
    pub(crate) fn make(&self, peer: &Peer) -> Vec<Box<dyn Layer>> {
        self.0.iter().flat_map(|make| make(peer)).collect()
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layers").field(&self.0.len()).finish()
    }
}
