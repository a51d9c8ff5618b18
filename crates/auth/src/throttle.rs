//! [`Throttle`]: who has failed waits.

use crate::{Denied, scram::hash};
pub use ipnet::IpNet as Network;
use std::{
    collections::VecDeque,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use trenza_core::Map;

/// For so long a failure counts.
pub const MEMORY: Duration = Duration::from_secs(600);
/// The longest delay.
pub const DELAY_MAX: Duration = Duration::from_secs(8);
/// The delay of who is trusted.
pub const DELAY_TRUSTED: Duration = Duration::from_millis(100);
/// From so many failures of an address on, all its logins are delayed, whatever the account.
pub const FAILURES_OF_ADDRESS: usize = 10;
/// How many addresses are remembered. Beyond, the one that was heard of least lately is forgotten.
pub const ADDRESSES_MAX: usize = 8192;
/// How many names are remembered for each of them.
pub const NAMES_MAX: usize = 32;
/// How many logins of one address may be on their way.
pub const LOGINS_MAX: usize = 64;
/// The same once the address is delayed whatever the account, and for an account that has failed from there.
pub const LOGINS_SUSPECT_MAX: usize = 4;
/// So many failures of an address reach the longest delay.
const FAILURES_KEPT: usize = FAILURES_OF_ADDRESS + 3;
/// The network that one IPv6 client has at its disposal: it counts as one address.
const NETWORK_V6: u128 = !0 << 64;

/// Delays logins after failures: 1, 2, 4, 8 s for an account from one address, and the same for an address from its 10th
/// failure in 10 minutes on. An account is never locked: from other addresses it logs in as ever. Who comes from this
/// machine or a trusted network waits 0.1 s.
///
/// One serves all protocols of a program. Clones are one, on other loops too. How much it remembers is bounded: of IPv6
/// a /64 is one address, and who tries many names pushes out only what is remembered of himself.
#[derive(Clone)]
pub struct Throttle(Arc<Inner>);

struct Inner {
    trusted: Vec<Network>,
    addresses: Mutex<Map<IpAddr, Address>>,
}

/// What is known of an address.
struct Address {
    heard: Instant,
    /// The times of its latest failures, the oldest first.
    failures: VecDeque<Instant>,
    /// Logins on their way.
    logins: usize,
    names: Vec<Name>,
}

/// What is known of an account, as it is logged in as from an address.
struct Name {
    /// Of the name: long ones cost no more.
    hash: [u8; 16],
    heard: Instant,
    failures: u32,
    logins: usize,
}

impl Throttle {
    /// Trusts this machine only.
    pub fn new() -> Self {
        Self::trusting(Vec::new())
    }

    /// Trusts these networks too. Who is behind a proxy that does not tell the client's address must not trust it.
    pub fn trusting(trusted: Vec<Network>) -> Self {
        Self(Arc::new(Inner { trusted, addresses: Mutex::default() }))
    }

    /// A login begins. None as the address is somebody without one: a UNIX socket, a pipe.
    ///
    /// # Errors
    /// [`Denied::Busy`]: there are more on their way than may.
    pub fn begin(&self, now: Instant, from: Option<IpAddr>, name: &str) -> Result<Attempt, Denied> {
        let trusted = from.is_none_or(|ip| self.trusts(ip));
        let from = from.map_or(IpAddr::V6(Ipv6Addr::LOCALHOST), network);
        let mut addresses = self.lock();
        make_room(&mut addresses, from, now);
        let address = addresses.entry(from).or_insert_with(|| Address::new(now));
        address.heard = now;
        let wide = address.delay(now);
        let hash = shortened(name);
        let known = address.take_name(hash, now);
        let narrow = delay(known.failures as usize);
        let most = |delay: Duration| if delay.is_zero() { LOGINS_MAX } else { LOGINS_SUSPECT_MAX };
        let busy = !trusted && (address.logins >= most(wide) || known.logins >= most(narrow));
        let one = usize::from(!busy);
        address.logins += one;
        address.names.push(Name { logins: known.logins + one, ..known });
        if busy {
            return Err(Denied::Busy);
        }
        let delay = match wide.max(narrow) {
            delay if trusted => delay.min(DELAY_TRUSTED),
            delay => delay,
        };
        Ok(Attempt { throttle: self.clone(), from, hash, delay, now, end: End::Undone })
    }

    /// Is the address this machine's, or of a trusted network?
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || self.0.trusted.iter().any(|network| network.contains(&ip))
    }

    /// How many addresses are remembered.
    pub fn addresses(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Map<IpAddr, Address>> {
        self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, attempt: &Attempt) {
        let mut addresses = self.lock();
        // It may have been forgotten in the meantime.
        let Some(address) = addresses.get_mut(&attempt.from) else { return };
        address.logins = address.logins.saturating_sub(1);
        if matches!(attempt.end, End::Failed) {
            address.failures.push_back(attempt.now);
            if address.failures.len() > FAILURES_KEPT {
                address.failures.pop_front();
            }
        }
        if let Some(name) = address.names.iter_mut().find(|name| name.hash == attempt.hash) {
            name.logins = name.logins.saturating_sub(1);
            match attempt.end {
                End::Failed => name.failures = name.failures.saturating_add(1),
                End::Succeeded => name.failures = 0,
                End::Undone => {}
            }
        }
        address.names.retain(|name| name.failures > 0 || name.logins > 0);
        if address.logins == 0 && address.failures.is_empty() {
            addresses.remove(&attempt.from);
        }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

impl Address {
    fn new(now: Instant) -> Self {
        Self { heard: now, failures: VecDeque::new(), logins: 0, names: Vec::new() }
    }

    /// The delay of all that comes from there.
    fn delay(&mut self, now: Instant) -> Duration {
        while self.failures.front().is_some_and(|failed| is_over(*failed, now)) {
            self.failures.pop_front();
        }
        delay((self.failures.len() + 1).saturating_sub(FAILURES_OF_ADDRESS))
    }

    /// Takes out what is known of a name, for the caller to put back; there is room for it.
    fn take_name(&mut self, hash: [u8; 16], now: Instant) -> Name {
        self.names.retain(|name| name.logins > 0 || !is_over(name.heard, now));
        let heard = |name: &Name| (name.hash != hash, name.heard);
        let oldest = self.names.iter().enumerate().min_by_key(|(_, name)| heard(name)).map(|(at, _)| at);
        match oldest.map(|at| self.names.swap_remove(at)) {
            Some(name) if name.hash == hash => return Name { heard: now, ..name },
            Some(name) if self.names.len() + 1 < NAMES_MAX => self.names.push(name),
            _ => (),
        }
        Name { hash, heard: now, failures: 0, logins: 0 }
    }
}

/// A login on its way: an address and a name. Once it was tried it has failed when it is dropped: who hangs up in the
/// middle of a login has had his try.
#[must_use = "dropping an Attempt ends it"]
pub struct Attempt {
    throttle: Throttle,
    from: IpAddr,
    hash: [u8; 16],
    delay: Duration,
    now: Instant,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Failed,
    Succeeded,
    Undone,
}

impl Attempt {
    /// How long to wait before anything is looked at.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// The delay is over, and something is looked at.
    pub fn tried(&mut self) {
        self.end = End::Failed;
    }

    /// It was right: the account's failures from there are forgotten.
    pub fn succeeded(mut self) {
        self.end = End::Succeeded;
    }

    /// Nobody knows whether it was right: nothing is remembered.
    pub fn undone(mut self) {
        self.end = End::Undone;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.throttle.end(self);
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("from", &self.from)
            .field("delay", &self.delay)
            .finish_non_exhaustive()
    }
}

/// 1, 2, 4, 8, 8 ... seconds after so many failures.
fn delay(failures: usize) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doubled) => Duration::from_secs(1 << doubled.min(3)).min(DELAY_MAX),
    }
}

fn is_over(failed: Instant, now: Instant) -> bool {
    now.saturating_duration_since(failed) >= MEMORY
}

/// What counts as one address.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => Ipv6Addr::from_bits(ip.to_bits() & NETWORK_V6).into(),
        ip => ip,
    }
}

fn shortened(name: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.iter_mut().zip(hash(name.as_bytes())).for_each(|(to, from)| *to = from);
    short
}

/// Forgets who was heard of least lately, when one more does not fit. Who has a login on its way stays.
fn make_room(addresses: &mut Map<IpAddr, Address>, from: IpAddr, now: Instant) {
    if addresses.len() < ADDRESSES_MAX || addresses.contains_key(&from) {
        return;
    }
    addresses.retain(|_, address| address.logins > 0 || !is_over(address.heard, now));
    if addresses.len() >= ADDRESSES_MAX {
        let idle = addresses.iter().filter(|(_, address)| address.logins == 0);
        let oldest = idle.min_by_key(|(_, address)| address.heard).map(|(ip, _)| *ip);
        oldest.map(|ip| addresses.remove(&ip));
    }
}
