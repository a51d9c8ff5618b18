//! [`Net`]: a network of hosts, its time, and whose turn it is.

use crate::{
    dice::Dice,
    hostility::Hostility,
    jobs::Fate,
    link::Owner,
    machine::HostHandle,
    panics, process,
    rule::{Packet, RuleGuard, Verdict},
    world::{Shared, World},
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    net::IpAddr,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};
use trenza_core::Result;

/// The most steps of one call to [`Net::run`] and its kind: what takes more goes round in circles.
pub const STEPS_MAX: usize = 2_000_000;
/// For how long [`Net::advance`] lets come what is on its way at its end.
pub const SETTLING: Duration = Duration::from_millis(100);
/// How many of the last trace lines a panic shows.
const PANIC_LINES: usize = 30;
/// The stream of a seed that the network draws from; hosts have the numbers from 1 on.
const NET_STREAM: u64 = 0;

/// A simulated network. Everything that happens in it follows from its seed.
///
/// A callback that panics fails the run, with the seed, unless [`Net::allow_panics`] was called.
///
/// Time is virtual: it stands still while there is something to do, and passes only in [`Net::run`],
/// [`Net::advance`] and [`Net::run_until`].
pub struct Net {
    world: Shared,
    hosts: RefCell<Vec<HostHandle>>,
    panics_allowed: Cell<bool>,
}

impl Net {
    /// A hostile network: how hostile, and in which ways, the seed decides.
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, NET_STREAM);
        let hostility = Hostility::drawn(&mut dice);
        Self::build(seed, hostility, dice)
    }

    /// A network without hostility. The seed still decides whose turn it is.
    pub fn gentle(seed: u64) -> Self {
        Self::with(seed, Hostility::none())
    }

    /// A network that is as hostile as you say.
    pub fn with(seed: u64, hostility: Hostility) -> Self {
        Self::build(seed, hostility, Dice::new(seed, NET_STREAM))
    }

    pub(crate) fn change_hostility(&self, change: impl FnOnce(&mut Hostility)) {
        change(&mut self.world.borrow_mut().hostility);
    }

    fn build(seed: u64, hostility: Hostility, dice: Dice) -> Self {
        let world = World::new(seed, hostility, dice);
        Self {
            world: Rc::new(RefCell::new(world)),
            hosts: RefCell::default(),
            panics_allowed: Cell::new(false),
        }
    }

    /// The host of this name, which is made when it is first asked for. Hosts have the addresses 10.0.0.1 and
    /// fd00::1, 10.0.0.2 and fd00::2, and so on.
    ///
    /// # Panics
    /// There are [`crate::HOSTS_MAX`] hosts already.
    pub fn host(&self, name: &str) -> HostHandle {
        let mut hosts = self.hosts.borrow_mut();
        if let Some(host) = hosts.iter().find(|host| &*host.name() == name) {
            return host.clone();
        }
        let index = self.world.borrow_mut().add_host(name);
        let host = HostHandle::new(self.world.clone(), index);
        hosts.push(host.clone());
        host
    }

    /// Gives a name to addresses in the name table; none at all removes it. Hosts are in it by themselves.
    pub fn name(&self, name: &str, addrs: &[IpAddr]) {
        self.world.borrow().names.add(name, addrs);
    }

    /// Sets how long a segment or datagram travels between two hosts.
    pub fn latency(&self, latency: Duration) {
        self.world.borrow_mut().latency = latency;
    }

    /// Sets how long a segment travels between these two hosts, either way.
    pub fn latency_between(&self, one: &HostHandle, other: &HostHandle, latency: Duration) {
        let pair = (one.index().min(other.index()), one.index().max(other.index()));
        self.world.borrow_mut().latencies.insert(pair, latency);
    }

    /// Sets how long jobs of thread pools take from now on, lookups of names among them. Zero, which is the default, is
    /// no time, but as many steps as the seed decides.
    pub fn job_time(&self, time: Duration) {
        self.world.borrow_mut().job_time = time;
    }

    /// Sets the receive window, in bytes, of connections to come, on every host.
    pub fn window(&self, bytes: usize) {
        let world = &mut *self.world.borrow_mut();
        world.window = bytes;
        world.hosts.iter_mut().for_each(|host| host.window = bytes);
    }

    /// Installs a rule, which is asked about every segment that leaves a host, resets and window updates as
    /// well, and about every datagram. Of several rules the first that does not say `Pass` decides. The closure must not use the network.
    pub fn rule(&self, judge: impl FnMut(&Packet<'_>) -> Verdict + 'static) -> RuleGuard {
        self.world.borrow().rules.add(Box::new(judge))
    }

    /// Installs a rule for jobs, which is asked about every job that a host of the given name has for its thread
    /// pool ([`trenza_core::Reactor::in_thread`], name lookups). Of several rules the first that does not say
    /// [`Fate::Run`] decides. The closure must not use the network.
    pub fn job_rule(&self, judge: impl FnMut(&str) -> Fate + 'static) -> RuleGuard {
        self.world.borrow().job_rules.add(Box::new(judge))
    }

    /// Splits the network between these hosts and those. Datagrams are lost; of streams nothing is: what could not arrive does so after the
    /// guard was dropped, as TCP sends again; whoever has a time limit may have given up by then.
    pub fn partition(&self, these: &[&HostHandle], those: &[&HostHandle]) -> RuleGuard {
        let indices = |hosts: &[&HostHandle]| hosts.iter().map(|host| host.index()).collect();
        let id = self.world.borrow_mut().partition([indices(these), indices(those)]);
        let world = Rc::downgrade(&self.world);
        RuleGuard::new(move || {
            // Within a panic of the world itself it is borrowed, and nobody looks at it any more.
            if let Some(world) = world.upgrade()
                && let Ok(mut world) = world.try_borrow_mut()
            {
                world.heal(id);
            }
        })
    }

    /// Sets how many bytes a second fit between any two hosts, each way; all their connections share it. Headers are
    /// not counted. Until it is set, any number fits.
    ///
    /// # Panics
    /// The bandwidth is 0: that would be a partition.
    pub fn bandwidth(&self, bytes_per_second: u64) {
        assert!(bytes_per_second > 0, "a line without bandwidth: use Net::partition");
        self.world.borrow_mut().line.rate = Some(bytes_per_second);
    }

    /// Sets how many bytes a second fit between these two hosts, each way.
    ///
    /// # Panics
    /// Those of [`Net::bandwidth`].
    pub fn bandwidth_between(&self, one: &HostHandle, other: &HostHandle, bytes_per_second: u64) {
        assert!(bytes_per_second > 0, "a line without bandwidth: use Net::partition");
        let pair = (one.index().min(other.index()), one.index().max(other.index()));
        self.world.borrow_mut().line.rates.insert(pair, bytes_per_second);
    }

    /// Sets how many bytes a datagram between two hosts may have. A longer one is refused by its sender's system. Until
    /// it is set, 65,507.
    pub fn mtu(&self, bytes: usize) {
        self.world.borrow_mut().mtu = Some(bytes);
    }

    /// Lets panics of callbacks be contained, as on a real system. Otherwise they fail the test, since they may
    /// be its own assertions.
    pub fn allow_panics(&self) {
        self.panics_allowed.set(true);
    }

    /// Sets the wall clock of all hosts, as somebody does whose clock was wrong. Virtual time, and the times of files, go on
    /// as they were.
    pub fn set_wall(&self, time: SystemTime) {
        self.world.borrow_mut().set_wall(time);
    }

    /// The virtual time since the network was made.
    pub fn elapsed(&self) -> Duration {
        self.world.borrow().elapsed()
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.world.borrow().now()
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.world.borrow().seed()
    }

    /// How hostile it is.
    pub fn hostility(&self) -> Hostility {
        self.world.borrow().hostility.clone()
    }

    /// What happened, oldest first: the last [`crate::TRACE_LINES_MAX`] segments and events. The same seed and
    /// program give the same lines.
    pub fn trace(&self) -> Vec<String> {
        self.world.borrow().trace.lines()
    }

    /// Adds a line of your own to the trace.
    pub fn note(&self, what: fmt::Arguments<'_>) {
        self.world.borrow_mut().note(what);
    }

    /// How many lines the trace has had so far, those that are not kept any more included.
    pub fn events(&self) -> u64 {
        self.world.borrow().trace.count()
    }

    /// A hash of the whole trace, also of the lines that are not kept any more: two runs of one seed and one program
    /// have the same.
    pub fn fingerprint(&self) -> u64 {
        self.world.borrow().trace.hash()
    }

    /// How many ends of connections and UDP sockets of engines the network still knows. An end is forgotten when both sides have closed and
    /// nothing is on its way between them any more.
    pub fn ends(&self) -> usize {
        let world = self.world.borrow();
        let udp = world.mailboxes.values().filter(|mailbox| mailbox.owner != Owner::Probe).count();
        world.sides.len() + udp
    }

    /// Runs until nothing is on its way and nobody has anything to do: only timers are left. Time passes for
    /// what is on its way, and timers that run out meanwhile fire in order.
    ///
    /// # Panics
    /// It takes more than [`STEPS_MAX`] steps.
    pub fn run(&self) {
        let mut steps = 0;
        loop {
            self.settle(&mut steps);
            let Some(due) = self.world.borrow().next_due() else { return };
            self.pass(due);
        }
    }

    /// Lets time pass: what is on its way arrives and timers fire, in order. What the last timers have caused
    /// is seen as well: while something is on its way, time passes on, for at most [`SETTLING`].
    ///
    /// # Panics
    /// It takes more than [`STEPS_MAX`] steps.
    pub fn advance(&self, duration: Duration) {
        let target = self.elapsed() + duration;
        let mut steps = 0;
        loop {
            self.settle(&mut steps);
            let due = self.world.borrow().next_due();
            match due.filter(|due| *due <= target.saturating_add(SETTLING)) {
                Some(due) if self.elapsed() >= target => self.pass(due),
                None if self.elapsed() >= target => return,
                due => self.pass(due.map_or(target, |due| due.min(target))),
            }
        }
    }

    /// Runs until `done`; time passes as far as it must, to timers as well.
    ///
    /// # Panics
    /// Nothing is left that could happen, or it takes more than [`STEPS_MAX`] steps.
    pub fn run_until(&self, mut done: impl FnMut() -> bool) {
        let mut steps = 0;
        while !done() {
            if self.step() {
                self.count(&mut steps);
                continue;
            }
            let due = self.world.borrow().next_due();
            match due.into_iter().chain(self.next_timer()).min() {
                Some(next) => self.pass(next),
                None => self.fail("nothing is left that could happen"),
            }
        }
    }

    /// Runs a coroutine on the engine of `host` until it has ended, and gives its result.
    ///
    /// # Errors
    /// The coroutine's.
    ///
    /// # Panics
    /// It waits for something that cannot happen, or it takes more than [`STEPS_MAX`] steps.
    pub fn block_on<T: 'static>(
        &self,
        host: &HostHandle,
        task: impl Future<Output = Result<T>> + 'static,
    ) -> Result<T> {
        let outcome = Rc::new(RefCell::new(None));
        let place = outcome.clone();
        host.run(|reactor| reactor.spawn(task).then(move |result| *place.borrow_mut() = Some(result)));
        self.run_until(|| outcome.borrow().is_some());
        outcome.take().expect("run_until saw it")
    }

    /// Steps while there is something to do at the present time.
    fn settle(&self, steps: &mut usize) {
        while self.step() {
            self.count(steps);
        }
    }

    fn count(&self, steps: &mut usize) {
        *steps += 1;
        if *steps > STEPS_MAX {
            self.fail("there is no end to it");
        }
    }

    fn fail(&self, what: &str) -> ! {
        let trace = self.trace();
        let last = trace.get(trace.len().saturating_sub(PANIC_LINES)..).unwrap_or_default();
        panic!("{what} (seed {}, at {:?}); last events:\n{}", self.seed(), self.elapsed(), last.join("\n"));
    }

    /// Moves the clock to a time, or to the first timer before it.
    fn pass(&self, to: Duration) {
        let to = self.next_timer().map_or(to, |timer| timer.min(to));
        self.world.borrow_mut().set_time(to);
        self.hosts.borrow().iter().for_each(HostHandle::read_clock);
    }

    fn next_timer(&self) -> Option<Duration> {
        self.hosts.borrow().iter().filter_map(HostHandle::until).min()
    }

    /// One step of somebody, chosen by the seed among those who have something to do now; false if nobody has.
    fn step(&self) -> bool {
        let tended = process::tend(&self.world, &mut self.hosts.borrow_mut());
        if tended.finish(&self.world) {
            return true;
        }
        let hosts = self.hosts.borrow().clone();
        let mut choices: Vec<_> = hosts.iter().filter(|host| host.is_ready()).map(Step::Turn).collect();
        let chosen = {
            let world = &mut *self.world.borrow_mut();
            choices
                .extend(world.next_due().is_some_and(|due| due <= world.elapsed()).then_some(Step::Arrival));
            choices.extend(world.has_job().then_some(Step::Job));
            if !choices.is_empty() && world.dice.chance(world.hostility.spurious) {
                choices = hosts.iter().map(Step::Turn).collect();
            }
            world.dice.below(choices.len())
        };
        let panics = panics::count();
        match choices.get(chosen) {
            Some(Step::Turn(host)) => host.turn(),
            Some(Step::Arrival) => self.world.borrow_mut().step(),
            Some(Step::Job) => self.run_job(),
            None => return false,
        }
        if panics::count() > panics && !self.panics_allowed.get() {
            self.fail("a callback has panicked");
        }
        true
    }

    fn run_job(&self) {
        let drawn = self.world.borrow_mut().draw_job();
        if let Some(job) = drawn {
            job();
        }
    }
}

/// Who may take the next step.
enum Step<'a> {
    /// The engine of a host.
    Turn(&'a HostHandle),
    /// What is on its way.
    Arrival,
    /// A job of some host's thread pool.
    Job,
}

impl Drop for Net {
    /// Ends all engines, also of hosts whose handles are still held.
    fn drop(&mut self) {
        let hosts = std::mem::take(&mut *self.hosts.borrow_mut());
        hosts.iter().for_each(HostHandle::kill);
        let (jobs, programs) = {
            let mut world = self.world.borrow_mut();
            (world.take_jobs(None), world.processes.take_programs())
        };
        drop((jobs, programs));
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("world", &self.world.borrow()).finish_non_exhaustive()
    }
}
