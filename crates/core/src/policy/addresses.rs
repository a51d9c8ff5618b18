//! [`Addresses`]: how many there are from each address.

use crate::{Limit, Map};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The network that one IPv6 client has at its disposal: it counts as one address.
const NETWORK_V6: u128 = !0 << 64;
/// Tables of up to so many addresses keep their memory.
const KEPT: usize = 64;

/// Counts what comes from each address (of IPv6: from each /64, since a client has all of one), and refuses more than
/// so many. An address is in the table while something of it is there, so the table is no larger than what it counts.
///
/// [`Policy::per_address`](crate::Policy::per_address) counts connections by the address of their socket. A factory may
/// count by itself, for instance behind a proxy that tells the client's address:
///
/// ```
/// use trenza_core::{Addresses, Factory, Limit, Protocol, Transport};
///
/// struct Few<F>(Addresses, F);
///
/// impl<F: Factory> Factory for Few<F> {
///     fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
///         let ip = transport.peer().remote.ip()?;
///         transport.attach(self.0.enter(ip).ok()?); // counted until the connection ends
///         self.1.build(transport)
///     }
/// }
/// # let few = Addresses::new(1);
/// # let ip = |ip: &str| ip.parse().unwrap();
/// # let seat = few.enter(ip("fd00::1"));
/// # assert_eq!(few.enter(ip("fd00::2")).err(), Some(Limit::PerAddress));
/// # assert!(few.enter(ip("fd00:0:0:1::1")).is_ok() && seat.is_ok());
/// ```
///
/// Clones are the same table, on other loops too.
#[derive(Clone)]
pub struct Addresses(Arc<Inner>);

struct Inner {
    max: usize,
    counts: Mutex<Map<IpAddr, usize>>,
    refused: AtomicU64,
}

/// A place among those of an address; dropping it leaves.
#[derive(Debug)]
#[must_use = "dropping a Seat leaves it"]
pub struct Seat {
    of: Addresses,
    from: IpAddr,
}

impl Addresses {
    /// A table that lets `max` in from each address.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Inner { max, counts: Mutex::default(), refused: AtomicU64::new(0) }))
    }

    /// Counts one more from this address until the seat is dropped.
    ///
    /// # Errors
    /// [`Limit::PerAddress`]: there are as many as may be.
    pub fn enter(&self, from: IpAddr) -> Result<Seat, Limit> {
        let from = network(from);
        let mut counts = self.counts();
        let here = counts.get(&from).copied().unwrap_or(0);
        if here >= self.0.max {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Limit::PerAddress);
        }
        counts.insert(from, here + 1);
        Ok(Seat { of: self.clone(), from })
    }

    /// How many there are from this address, or from its /64.
    pub fn count(&self, from: IpAddr) -> usize {
        self.counts().get(&network(from)).copied().unwrap_or(0)
    }

    /// From how many addresses there is something.
    pub fn len(&self) -> usize {
        self.counts().len()
    }

    /// True when there is nothing from anywhere.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were refused so far.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn counts(&self) -> MutexGuard<'_, Map<IpAddr, usize>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, from: IpAddr) {
        let counts = &mut *self.counts();
        match counts.get_mut(&from) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&from)),
        }
        if counts.capacity() > KEPT && counts.len() < counts.capacity() / 8 {
            counts.shrink_to(KEPT.max(counts.len() * 2));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of.leave(self.from);
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses")
            .field("max", &self.0.max)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// What counts as one address.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & NETWORK_V6).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_own_count() {
        let table = Addresses::new(2);
        let [one, _other] = [table.enter(ip("192.0.2.1")).unwrap(), table.enter(ip("192.0.2.1")).unwrap()];
        assert_eq!(table.enter(ip("192.0.2.1")).err(), Some(Limit::PerAddress));
        assert_eq!(table.enter(ip("::ffff:192.0.2.1")).err(), Some(Limit::PerAddress));
        let far = table.enter(ip("192.0.2.2")).unwrap();
        assert_eq!((table.count(ip("192.0.2.1")), table.len(), table.refused()), (2, 2, 2));
        drop((one, far));
        assert_eq!((table.count(ip("192.0.2.1")), table.len()), (1, 1));
        assert!(table.enter(ip("192.0.2.1")).is_ok());
        assert_eq!(Addresses::new(0).enter(ip("192.0.2.1")).err(), Some(Limit::PerAddress));
    }

    #[test]
    fn the_table_shrinks() {
        let table = Addresses::new(1);
        let seats: Vec<_> = (0..10_000)
            .map(|n| table.enter(IpAddr::from([10, 0, (n >> 8) as u8, n as u8])).unwrap())
            .collect();
        assert_eq!(table.len(), 10_000);
        drop(seats);
        assert!(table.is_empty());
        assert!(table.counts().capacity() <= 2 * KEPT, "{}", table.counts().capacity());
    }
}
