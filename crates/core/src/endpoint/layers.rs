//! [`Layers`]: what an endpoint puts under each of its connections.

use crate::{Layer, Peer};
use std::{fmt, rc::Rc, time::Duration};

/// Makes the layers of a new connection, the one nearest to the wire first.
type Make = Rc<dyn Fn(&Peer) -> Vec<Box<dyn Layer>>>;

/// Makes the layers that an endpoint puts under each of its connections.
#[derive(Clone, Default)]
pub struct Layers {
    makes: Vec<Make>,
    time: Option<Duration>,
}

impl Layers {
    /// Puts layers over those that are there: nearer to the protocol. `make` gives those of one connection, the one
    /// nearest to the wire first; of the peer it is told the addresses.
    pub fn over(&mut self, make: impl Fn(&Peer) -> Vec<Box<dyn Layer>> + 'static) {
        self.makes.push(Rc::new(make));
    }

    /// Puts layers under those that are there: nearer to the wire.
    pub fn under(&mut self, make: impl Fn(&Peer) -> Vec<Box<dyn Layer>> + 'static) {
        self.makes.insert(0, Rc::new(make));
    }

    /// Lets them take so long until all are ready, where [`Limits::handshake`](crate::Limits::handshake) is not to
    /// decide: a proxy may be slow because its target is. Of several times the longest counts.
    pub fn wait(&mut self, time: Duration) {
        self.time = self.time.max(Some(time));
    }

    /// How long they may take, if [`Layers::wait`] said so.
    pub(crate) fn time(&self) -> Option<Duration> {
        self.time
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.makes.is_empty()
    }

    /// Puts the layers of another endpoint over these.
    pub fn append(&mut self, other: &Self) {
        self.makes.extend(other.makes.iter().cloned());
        self.time = self.time.max(other.time);
    }

    /// Those of one connection, the one nearest to the wire first.
    pub(crate) fn make(&self, peer: &Peer) -> Vec<Box<dyn Layer>> {
        self.makes.iter().flat_map(|make| make(peer)).collect()
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layers").field(&self.makes.len()).finish()
    }
}
