//! [`World`]: everything that the hosts of one network share.

use crate::{
    activation::Handed,
    datagram::{Flight, Mailbox},
    dice::Dice,
    disk::Disk,
    hostility::Hostility,
    jobs::{Job, JobRule},
    line::Line,
    link::{End, Side},
    names::Names,
    outage::Partition,
    port::Listener,
    probe::Script,
    process::Processes,
    rule::{Judge, Rules},
    stdio::Stdio,
    trace::Trace,
    watch,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
    time::{Duration, Instant, SystemTime},
};
use trenza_core::ExitStatus;

/// The most hosts of a network.
pub const HOSTS_MAX: usize = 4096;
/// The most jobs that wait to be run, over all hosts.
pub const JOBS_MAX: usize = 1024;
/// The receive window of a connection unless it is set, in bytes.
pub const WINDOW: usize = 64 * 1024;
/// How long a segment travels between two hosts unless it is set. Within a host it takes no time.
pub const LATENCY: Duration = Duration::from_millis(1);
/// The first instant of every network's wall clock, in seconds since 1970: 2026-01-01T00:00:00Z.
const WALL_START: u64 = 1_767_225_600;
/// Where the streams of a seed begin that disks draw from.
pub(crate) const DISKS: u64 = 1 << 32;
/// The first port that the system chooses.
const EPHEMERAL: u16 = 49_152;

pub(crate) type Shared = Rc<RefCell<World>>;

/// What happens at a time: never a timer of a program's, which belongs to its engine.
pub(crate) enum Due {
    /// The next segment that an end has sent arrives.
    Segment(End),
    /// A probe writes.
    Script(End, Vec<u8>),
    /// A datagram arrives.
    Datagram(Box<Flight>),
    /// A socket hears that what it has sent was refused.
    Refusal(u64, SocketAddr, io::ErrorKind),
    /// A job may run.
    Job(Job),
    /// A host notices that a process has exited: whose child it is, its number, how.
    Exit((usize, u32), u32, ExitStatus),
}

/// What a driver's waker sets.
#[derive(Debug, Default)]
pub(crate) struct Woken(pub(crate) AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A host: its addresses and what its driver should look at.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: Rc<str>,
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
    /// Indices of the driver's slots that something may have happened to.
    pub(crate) hot: BTreeSet<u32>,
    /// Set by the driver's waker, from any thread.
    pub(crate) woken: Arc<Woken>,
    /// The receive window of connections to come.
    pub(crate) window: usize,
    /// How many accepts still fail.
    pub(crate) failing_accepts: usize,
    pub(crate) random: Dice,
    /// Standard input and output, once somebody has asked for them.
    pub(crate) stdio: Option<Stdio>,
    pub(crate) disk: Disk,
    /// It has crashed and is not up again.
    pub(crate) down: bool,
    /// How often it has crashed: drivers of former times do nothing any more.
    pub(crate) boot: u32,
    /// It is a process of that machine, not a host.
    pub(crate) parent: Option<usize>,
    /// Processes that have exited, of which the driver has not told.
    pub(crate) exits: VecDeque<(u32, ExitStatus)>,
    /// What a service manager has opened for programs here.
    pub(crate) handed: Vec<Handed>,
    next_port: u16,
}

/// The state of a network. Its parts are beside it: links in `link`, listeners in `port`, UDP in `datagram`, probes in
/// `probe`.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) hostility: Hostility,
    pub(crate) rules: Rules<Judge>,
    pub(crate) job_rules: Rules<JobRule>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) names: Names,
    pub(crate) hosts: Vec<Machine>,
    pub(crate) sides: BTreeMap<End, Side>,
    pub(crate) listeners: BTreeMap<u64, Listener>,
    pub(crate) mailboxes: BTreeMap<u64, Mailbox>,
    /// How many datagrams are on their way.
    pub(crate) flights: usize,
    /// The most bytes of a datagram between hosts.
    pub(crate) mtu: Option<usize>,
    pub(crate) scripts: BTreeMap<End, Script>,
    pub(crate) watchables: BTreeMap<u64, watch::Place>,
    /// Jobs that may be run.
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) processes: Processes,
    /// How many jobs are in the queue until their time has come.
    pub(crate) slow_jobs: usize,
    /// How long a job takes.
    pub(crate) job_time: Duration,
    pub(crate) latency: Duration,
    pub(crate) latencies: BTreeMap<(usize, usize), Duration>,
    pub(crate) line: Line,
    pub(crate) window: usize,
    /// Counts links and listeners up; numbers are never used twice.
    pub(crate) last_id: u64,
    pub(crate) trace: Trace,
    seed: u64,
    start: Instant,
    now: Duration,
    /// When the wall clock was set last, and to which time.
    clock_set: Option<(Duration, SystemTime)>,
    pub(crate) queue: BTreeMap<(Duration, u64, u64), Due>,
    queued: u64,
}

impl World {
    pub(crate) fn new(seed: u64, hostility: Hostility, dice: Dice) -> Self {
        // The one place where the simulator looks at a real clock: `Instant` has no other way to be made.
        // What is told and traced is only ever the time since then.
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        Self {
            dice,
            hostility,
            rules: Rules::default(),
            job_rules: Rules::default(),
            partitions: Vec::new(),
            names: Names::default(),
            hosts: Vec::new(),
            sides: BTreeMap::new(),
            listeners: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            flights: 0,
            mtu: None,
            scripts: BTreeMap::new(),
            watchables: BTreeMap::new(),
            jobs: VecDeque::new(),
            processes: Processes::default(),
            slow_jobs: 0,
            job_time: Duration::ZERO,
            latency: LATENCY,
            latencies: BTreeMap::new(),
            line: Line::default(),
            window: WINDOW,
            last_id: 0,
            trace: Trace::default(),
            seed,
            start,
            now: Duration::ZERO,
            clock_set: None,
            queue: BTreeMap::new(),
            queued: 0,
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    // Time.

    pub(crate) fn elapsed(&self) -> Duration {
        self.now
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + self.now
    }

    pub(crate) fn wall(&self) -> SystemTime {
        match self.clock_set {
            Some((at, time)) => time + self.now.saturating_sub(at),
            None => wall(self.now),
        }
    }

    pub(crate) fn set_wall(&mut self, time: SystemTime) {
        self.clock_set = Some((self.now, time));
    }

    /// The virtual time of an instant; what lies before the start of the network is its start.
    pub(crate) fn time_of(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    /// Moves the clock on, never back.
    pub(crate) fn set_time(&mut self, to: Duration) {
        self.now = self.now.max(to);
        self.trace.set_time(self.now);
    }

    // What is on its way.

    /// Lets something happen at a time. Among things of one time a hostile network chooses any order.
    pub(crate) fn schedule(&mut self, at: Duration, what: Due) {
        let tie = if self.hostility.shuffle > 0.0 { self.dice.any() } else { 0 };
        self.queued += 1;
        self.queue.insert((at, tie, self.queued), what);
    }

    /// When the next thing happens.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.queue.keys().next().map(|(at, ..)| *at)
    }

    /// Lets the next thing happen, if its time has come.
    pub(crate) fn step(&mut self) {
        let Some(first) = self.queue.first_entry().filter(|first| first.key().0 <= self.now) else { return };
        match first.remove() {
            Due::Segment(from) => self.arrive(from),
            Due::Script(end, data) => self.play(end, data),
            Due::Exit(parent, pid, status) => self.notice_exit(parent, pid, status),
            Due::Datagram(flight) => {
                self.flights -= 1;
                self.land(*flight);
            }
            Due::Refusal(sender, to, kind) => self.refused(sender, to, kind),
            Due::Job(job) => {
                self.slow_jobs -= 1;
                self.jobs.push_back(job);
            }
        }
    }

    // Hosts.

    /// Makes a host; its number is its place in `hosts`.
    ///
    /// # Panics
    /// There are more than [`HOSTS_MAX`], or its name is taken.
    pub(crate) fn add_host(&mut self, name: &str) -> usize {
        let hosts = self.hosts.iter().filter(|machine| machine.parent.is_none()).count();
        assert!(hosts < HOSTS_MAX, "a simulated network has at most {HOSTS_MAX} hosts");
        let index = self.add_machine(name, hosts as u32 + 1, None);
        if let Some(machine) = self.hosts.get(index) {
            self.names.add(name, &[IpAddr::V4(machine.v4), IpAddr::V6(machine.v6)]);
        }
        index
    }

    /// Makes a machine with the addresses of that number: a host, or a process of one.
    pub(crate) fn add_machine(&mut self, name: &str, number: u32, parent: Option<usize>) -> usize {
        let index = self.hosts.len();
        let v4 = Ipv4Addr::from(0x0a00_0000 + number);
        let v6 = Ipv6Addr::from((0xfd00_u128 << 112) + u128::from(number));
        self.hosts.push(Machine {
            name: name.into(),
            v4,
            v6,
            hot: BTreeSet::new(),
            woken: Arc::default(),
            window: self.window,
            failing_accepts: 0,
            random: Dice::new(self.seed, u64::from(number)),
            stdio: None,
            disk: Disk::new(name, Dice::new(self.seed, DISKS + u64::from(number)), self.trace.clone()),
            down: false,
            boot: 0,
            parent,
            exits: VecDeque::new(),
            handed: Vec::new(),
            next_port: EPHEMERAL,
        });
        index
    }

    /// The host that `ip` names when `asking` uses it: loopback and wildcard addresses name itself.
    pub(crate) fn host_of(&self, ip: IpAddr, asking: usize) -> Option<usize> {
        let ip = ip.to_canonical();
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(asking);
        }
        self.hosts.iter().position(|host| ip == host.v4 || ip == host.v6)
    }

    pub(crate) fn name(&self, host: usize) -> Rc<str> {
        self.hosts.get(host).map_or_else(|| "?".into(), |machine| machine.name.clone())
    }

    /// A port of `host` that nobody has bound, counting up.
    pub(crate) fn free_port(&mut self, host: usize) -> Option<u16> {
        for _ in EPHEMERAL..=u16::MAX {
            let machine = self.hosts.get_mut(host)?;
            let port = machine.next_port;
            machine.next_port = port.checked_add(1).unwrap_or(EPHEMERAL);
            let listened =
                self.listeners.values().any(|other| other.host == host && other.addr.port() == Some(port));
            let bound =
                self.mailboxes.values().any(|other| other.host == host && other.addr.port() == Some(port));
            if !listened && !bound {
                return Some(port);
            }
        }
        None
    }

    /// Tells the driver of `host` to look at a slot.
    pub(crate) fn touch(&mut self, host: usize, slot: u32) {
        if let Some(machine) = self.hosts.get_mut(host) {
            machine.hot.insert(slot);
        }
    }

    /// Nothing is left to look at in a slot.
    pub(crate) fn cool(&mut self, host: usize, slot: u32) {
        if let Some(machine) = self.hosts.get_mut(host) {
            machine.hot.remove(&slot);
        }
    }

    /// Is this still the machine that was started the `boot`th time?
    pub(crate) fn lives(&self, host: usize, boot: u32) -> bool {
        self.hosts.get(host).is_some_and(|machine| machine.boot == boot && !machine.down)
    }

    pub(crate) fn latency_between(&self, one: usize, other: usize) -> Duration {
        let (one, other) = (self.home(one), self.home(other));
        if one == other {
            return Duration::ZERO;
        }
        self.latencies.get(&(one.min(other), one.max(other))).copied().unwrap_or(self.latency)
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(what);
    }
}

/// The wall clock at a time of a network.
pub(crate) fn wall(elapsed: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(WALL_START) + elapsed
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("hosts", &self.hosts.len())
            .field("sides", &self.sides.len())
            .finish_non_exhaustive()
    }
}
