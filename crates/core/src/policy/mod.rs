//! [`Policy`]: what holds for the connections of a port or of a connect, whatever their protocol.

pub(crate) mod addresses;
pub(crate) mod bucket;
pub(crate) mod options;
pub(crate) mod printer;
pub(crate) mod recorder;
pub(crate) mod tap;

use crate::{
    Addr, Addresses, Bucket, Limit, Rate, Remote, Seat, Tap, Transport, policy::bucket::Pace, room::Room,
    times::Times,
};
use std::{
    fmt,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

/// Makes the taps of a new connection.
type MakeTap = Rc<dyn Fn(&Transport) -> Option<Box<dyn Tap>>>;

/// What holds for the connections of a port or of a connect, whatever their protocol: how many there may be, how fast
/// they are, how long they may be silent, and who looks on. Given to [`Endpoint::policy`](crate::Endpoint::policy).
///
/// Policies are no layers: they work at the driver's edge, below all layers, and files still leave by `sendfile`. A
/// connection without one pays nothing for them.
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Bucket, Input, IntoEndpoint, Policy, Protocol, Rate, Result, Transport};
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
///         transport.write(input.rest());
///         Ok(())
///     }
/// }
///
/// // All clients together get 1 MB/s, each at most 1 kB/s, after 2000 bytes at once.
/// let all = Bucket::new(Rate::new(1_000_000));
/// let policy = Policy::new()
///     .connections(1000)
///     .per_address(1)
///     .rate_out(Rate::new(1000).burst(2000))
///     .share_out(&all)
///     .idle(Duration::from_secs(60))
///     .log();
///
/// let net = trenza_sim::Net::gentle(1);
/// let on = "tcp:7".into_endpoint()?.policy(policy);
/// net.host("srv").run(|reactor| reactor.listen(on, |_| Echo).map(drop))?;
/// let cli = net.host("cli").probe("tcp:srv:7");
/// cli.send(vec![b'x'; 7000]);
/// net.advance(Duration::from_millis(2500));
/// assert!((4000..=4500).contains(&cli.received().len())); // 2000, and what 2.5 s bring
/// let more = net.host("cli").probe("tcp:srv:7");
/// net.advance(Duration::from_secs(1));
/// assert!(more.lost(), "the second one from that address");
/// net.advance(Duration::from_secs(100));
/// assert!(cli.lost() && cli.received().len() == 7000);
/// # Ok::<(), trenza_core::Error>(())
/// ```
///
/// Most of it can be said in an endpoint string too: `tcp:80:connections=1000:per-address=20:idle=60:rate-out=100000`.
///
/// Clones share what they count: ports that were given the same policy have its limits of connections in common. Where
/// several loops serve a port, they count together: what the first one counts for that port, the others do, too.
#[derive(Clone, Default)]
pub struct Policy {
    connections: Option<Total>,
    addresses: Option<Addresses>,
    pub(crate) input: Flow,
    pub(crate) output: Flow,
    pub(crate) idle: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) logged: bool,
    tap: Option<MakeTap>,
}

/// How fast bytes flow in one direction.
#[derive(Clone, Default, Debug)]
pub(crate) struct Flow {
    each: Option<Rate>,
    all: Option<Bucket>,
}

impl Flow {
    /// The bucket of a new connection.
    pub(crate) fn bucket(&self) -> Option<Bucket> {
        match (self.each, &self.all) {
            (Some(each), Some(all)) => Some(all.within(each)),
            (Some(each), None) => Some(Bucket::new(each)),
            (None, all) => all.clone(),
        }
    }

    fn over(self, lower: Self) -> Self {
        Self { each: self.each.or(lower.each), all: self.all.or(lower.all) }
    }

    pub(crate) fn pace(&self) -> Option<Pace> {
        self.bucket().map(Pace::new)
    }
}

/// How many connections there are, and may be.
#[derive(Clone)]
struct Total {
    max: usize,
    room: Arc<Room>,
}

/// What a policy counts, which the loops that serve a port have in common.
#[derive(Clone)]
pub(crate) struct Counted {
    connections: Option<Total>,
    addresses: Option<Addresses>,
}

/// What a connection occupies until it is dropped.
#[derive(Default)]
pub(crate) struct Admission {
    total: Option<Arc<Room>>,
    _seat: Option<Seat>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(total) = &self.total {
            total.leave();
        }
    }
}

impl Policy {
    /// A policy that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A port has at most so many connections. Then it stops accepting, and new ones wait in the system's backlog. The
    /// limit of the whole loop is [`Reactor::set_connections_max`](crate::Reactor::set_connections_max).
    #[must_use]
    pub fn connections(self, max: usize) -> Self {
        Self { connections: Some(Total { max, room: Arc::default() }), ..self }
    }

    /// A port has at most so many connections from one address, of IPv6 from one /64. Beyond, a new one is reset at
    /// once, no factory hears of it, and [`Port::refused`](crate::Port::refused) counts it. Behind a proxy all
    /// connections have the proxy's address: there, count in the factory (see [`Addresses`]).
    #[must_use]
    pub fn per_address(self, max: usize) -> Self {
        self.addresses(&Addresses::new(max))
    }

    /// Like [`Policy::per_address`], with a table that may be others' as well.
    #[must_use]
    pub fn addresses(self, table: &Addresses) -> Self {
        Self { addresses: Some(table.clone()), ..self }
    }

    /// Each connection receives at most so fast, as its bytes are on the wire: where it has received too much it is not
    /// read for a while. One read, of 256 KiB at most, may exceed the burst; over a longer time the rate is kept exactly.
    #[must_use]
    pub fn rate_in(mut self, each: Rate) -> Self {
        self.input.each = Some(each);
        self
    }

    /// Each connection sends at most so fast, as its bytes are on the wire; ranges of files leave by and by.
    #[must_use]
    pub fn rate_out(mut self, each: Rate) -> Self {
        self.output.each = Some(each);
        self
    }

    /// All connections together receive no more than this bucket has.
    #[must_use]
    pub fn share_in(mut self, all: &Bucket) -> Self {
        self.input.all = Some(all.clone());
        self
    }

    /// All connections together send no more than this bucket has.
    #[must_use]
    pub fn share_out(mut self, all: &Bucket) -> Self {
        self.output.all = Some(all.clone());
        self
    }

    /// The idle timeout that connections begin with, from their handshake on; their protocols may change it
    /// ([`Transport::set_timeout`]). Time in which a rate holds a connection up is not idle.
    #[must_use]
    pub fn idle(self, idle: Duration) -> Self {
        Self { idle: Some(idle), ..self }
    }

    /// The deadline that connections begin with, counted from their beginning; their protocols may change it
    /// ([`Transport::set_deadline`]).
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// Tells of each connection when it ends, in one event of `tracing` with target `trenza::traffic` at level INFO:
    /// who it was with, for how long, the bytes received and sent as they were on the wire, and the reason.
    #[must_use]
    pub fn log(self) -> Self {
        Self { logged: true, ..self }
    }

    /// Each connection gets the tap that `make` makes for it.
    #[must_use]
    pub fn tap<T: Tap>(self, make: impl Fn(&Transport) -> T + 'static) -> Self {
        self.tap_some(move |transport| Some(make(transport)))
    }

    /// Like [`Policy::tap`], for some connections.
    #[must_use]
    pub fn tap_some<T: Tap>(self, make: impl Fn(&Transport) -> Option<T> + 'static) -> Self {
        let make = move |transport: &Transport| make(transport).map(|tap| Box::new(tap) as Box<dyn Tap>);
        Self { tap: Some(Rc::new(make)), ..self }
    }

    /// One policy over another: what it does not say the other does.
    pub(crate) fn over(upper: Option<&Rc<Self>>, lower: Option<Rc<Self>>) -> Option<Rc<Self>> {
        let (Some(upper), Some(lower)) = (upper, &lower) else { return upper.cloned().or(lower) };
        let (upper, lower) = ((**upper).clone(), (**lower).clone());
        Some(Rc::new(Self {
            connections: upper.connections.or(lower.connections),
            addresses: upper.addresses.or(lower.addresses),
            input: upper.input.over(lower.input),
            output: upper.output.over(lower.output),
            idle: upper.idle.or(lower.idle),
            deadline: upper.deadline.or(lower.deadline),
            logged: upper.logged || lower.logged,
            tap: upper.tap.or(lower.tap),
        }))
    }

    /// Limits of what a port accepts.
    pub(crate) fn is_for_ports(&self) -> bool {
        self.connections.is_some() || self.addresses.is_some()
    }

    /// What it counts.
    pub(crate) fn counted(&self) -> Counted {
        Counted { connections: self.connections.clone(), addresses: self.addresses.clone() }
    }

    /// The same, with what another one counts in place of its own, where both do.
    pub(crate) fn counting(&self, counted: Counted) -> Self {
        let connections = self.connections.clone().map(|own| counted.connections.unwrap_or(own));
        let addresses = self.addresses.clone().map(|own| counted.addresses.unwrap_or(own));
        Self { connections, addresses, ..self.clone() }
    }

    /// There are as many connections as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.connections.as_ref().is_some_and(|total| total.room.live() >= total.max)
    }

    /// There are as many connections as may be; this loop is told when there are fewer.
    pub(crate) fn is_full_for(&self, remote: &Remote) -> bool {
        self.connections.as_ref().is_some_and(|total| total.room.is_full_for(total.max, remote))
    }

    /// Counts a connection of a port.
    pub(crate) fn admit(&self, remote: &Addr) -> Result<Admission, Limit> {
        let room = self.connections.as_ref().map(|total| (total.max, total.room.clone()));
        if let Some((max, room)) = &room
            && !room.try_enter(*max)
        {
            return Err(Limit::Connections);
        }
        let mut admission = Admission { total: room.map(|(_, room)| room), _seat: None };
        let table = self.addresses.as_ref().zip(remote.ip());
        admission._seat = table.map(|(table, ip)| table.enter(ip)).transpose()?;
        Ok(admission)
    }

    /// The timeouts of a connection that began at `began`.
    pub(crate) fn set_times(&self, times: &mut Times, began: Instant) {
        times.idle = self.idle;
        times.deadline = self.deadline.and_then(|deadline| began.checked_add(deadline));
    }

    pub(crate) fn make_tap(&self, transport: &Transport) -> Option<Box<dyn Tap>> {
        self.tap.as_ref().and_then(|make| make(transport))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("connections", &self.connections.as_ref().map(|total| total.max))
            .field("addresses", &self.addresses)
            .field("input", &self.input)
            .field("output", &self.output)
            .field("idle", &self.idle)
            .field("deadline", &self.deadline)
            .field("log", &self.logged)
            .field("tap", &self.tap.is_some())
            .finish()
    }
}
