//! [`HostHandle`]: one host of a network.

use crate::{
    datagram::DatagramProbe,
    disk::Disk,
    driver::SimDriver,
    link::End,
    probe::{Probe, ProbeListener},
    process::{Fake, Program},
    watch::Watchable,
    world::Shared,
};
use std::{
    cell::RefCell,
    ffi::OsStr,
    fmt,
    future::Future,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    rc::Rc,
    sync::atomic::Ordering,
    time::Duration,
};
use trenza_core::{
    Addr, Engine, ExitStatus, Left, Leftover, Port, Protocol, Reactor, Result, Transport, UnixAddr,
    driver::{Ends, Socket},
};

/// A host of a [`crate::Net`]: probes need nothing more, a program gets an engine.
#[derive(Clone)]
pub struct HostHandle(Rc<Inner>);

struct Inner {
    world: Shared,
    index: usize,
    name: Rc<str>,
    engine: RefCell<Option<Engine>>,
}

impl HostHandle {
    pub(crate) fn new(world: Shared, index: usize) -> Self {
        let name = world.borrow().name(index);
        Self(Rc::new(Inner { world, index, name, engine: RefCell::default() }))
    }

    pub(crate) fn index(&self) -> usize {
        self.0.index
    }

    /// Its name, which the name table knows.
    pub fn name(&self) -> Rc<str> {
        self.0.name.clone()
    }

    /// Its IPv4 address and its IPv6 address.
    pub fn ips(&self) -> [IpAddr; 2] {
        let world = self.0.world.borrow();
        let machine = world.hosts.get(self.0.index).expect("a handle's host exists");
        [machine.v4.into(), machine.v6.into()]
    }

    /// The reactor of its engine, which is made when it is first asked for.
    ///
    /// # Panics
    /// This is called from a callback of the engine, which has `Reactor::current` instead; or the host has crashed.
    pub fn reactor(&self) -> Reactor {
        self.with_engine(|engine| engine.reactor())
    }

    /// Runs a program's code here, as a callback of its engine: `Reactor::current` works in it.
    ///
    /// # Panics
    /// Those of [`HostHandle::reactor`].
    pub fn run<T>(&self, program: impl FnOnce(&Reactor) -> T) -> T {
        self.with_engine(|engine| engine.enter(program))
    }

    /// Listens here, and builds a protocol for each connection.
    ///
    /// # Panics
    /// The endpoint cannot be read, or its port is taken; and those of [`HostHandle::reactor`].
    #[track_caller]
    pub fn listen<P: Protocol>(&self, on: &str, build: impl FnMut(&Transport) -> P + 'static) -> Port {
        let reactor = self.reactor();
        reactor
            .listen(on, build)
            .unwrap_or_else(|error| panic!("{} cannot listen on {on}: {error}", self.name()))
    }

    /// Says what a program does that is started here by this name ([`Reactor::spawn_process`]): a coroutine, which can
    /// do what a program can, in an engine of its own. Its pipes are links, so that what it writes and its exit come in
    /// whatever order the seed decides; signals reach it, and SIGKILL ends it at once, as a crash of its host does. A
    /// name that nobody has told about is a program that is not there.
    ///
    /// An error ends it with the exit code 1, as most programs do when they find that nobody reads.
    ///
    /// ```
    /// use trenza_core::{Command, ExitStatus};
    ///
    /// let net = trenza_sim::Net::new(1);
    /// let host = net.host("here");
    /// host.program("echo", async |mut fake| {
    ///     let words = fake.arguments().join(" ");
    ///     fake.write(1, words.as_bytes()).await?;
    ///     Ok(ExitStatus::Code(0))
    /// });
    /// let reactor = host.reactor();
    /// let said = net.block_on(&host, reactor.output(Command::new("echo").args(["a", "b"])).into_future())?;
    /// assert_eq!(said.stdout, b"a b");
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    pub fn program<F>(&self, name: impl AsRef<OsStr>, fake: impl Fn(Fake) -> F + 'static)
    where
        F: Future<Output = Result<ExitStatus>> + 'static,
    {
        let program: Program = Rc::new(move |own| Box::pin(fake(own)));
        let name = name.as_ref().to_owned();
        let former = self.0.world.borrow_mut().processes.add_program(self.0.index, name, program);
        drop(former);
    }

    fn with_engine<T>(&self, f: impl FnOnce(&mut Engine) -> T) -> T {
        assert!(!self.is_down(), "{} has crashed: restart it first", self.name());
        let mut engine = self.0.engine.try_borrow_mut().expect("not from a callback of the same host");
        f(engine.get_or_insert_with(|| Engine::new(Box::new(self.driver()))))
    }

    /// Its storage, which outlives crashes as far as [`Disk`] says. What was opened before a crash is of no use
    /// afterwards: ask again.
    pub fn disk(&self) -> Disk {
        let world = self.0.world.borrow();
        world.hosts.get(self.0.index).expect("a handle's host exists").disk.current()
    }

    /// Ends its engine, as when its process is killed. The next use starts a new one.
    ///
    /// # Panics
    /// This is called from a callback of it.
    pub fn kill(&self) {
        let former = self.0.engine.take();
        drop(former);
    }

    /// Crashes, as when the power fails: its sockets vanish without a word to their peers, its jobs never end, and
    /// nothing reaches it until [`HostHandle::restart`]. Peers that send then are answered with a reset; peers that wait
    /// go on waiting, as they do for a real machine.
    ///
    /// The engine is dropped, and with it timers and tasks. Its protocols hear `connection_lost` as at any end of an
    /// engine, but nothing that they do reaches the network any more.
    ///
    /// # Panics
    /// This is called from a callback of it.
    pub fn crash(&self) {
        let gone = self.0.world.borrow_mut().crash(self.0.index);
        self.kill();
        drop(gone);
    }

    /// Starts it again after a crash, and runs a program's code on a new engine. If it has not crashed, it does so now.
    ///
    /// # Panics
    /// This is called from a callback of it.
    pub fn restart<T>(&self, program: impl FnOnce(&Reactor) -> T) -> T {
        if !self.is_down() {
            self.crash();
        }
        self.0.world.borrow_mut().boot(self.0.index);
        self.run(program)
    }

    /// Has it crashed, and was not restarted?
    pub fn is_down(&self) -> bool {
        self.0.world.borrow().hosts.get(self.0.index).is_some_and(|machine| machine.down)
    }

    /// How much its engine holds; nothing, when it has none.
    ///
    /// # Panics
    /// This is called from a callback of it.
    pub fn left(&self) -> Left {
        self.0.engine.borrow().as_ref().map(Engine::left).unwrap_or_default()
    }

    /// Each thing that its engine holds, and the code that made it.
    ///
    /// # Panics
    /// This is called from a callback of it.
    pub fn leftovers(&self) -> Vec<Leftover> {
        self.0.engine.borrow().as_ref().map(Engine::leftovers).unwrap_or_default()
    }

    /// Has it an engine that was not stopped?
    pub fn is_running(&self) -> bool {
        self.0.engine.borrow().is_some()
    }

    /// Lets its engine see the time, which it otherwise reads once a turn: what a test asks of a handle counts
    /// from now.
    pub(crate) fn read_clock(&self) {
        if let Some(engine) = &mut *self.0.engine.borrow_mut() {
            engine.enter(|_| ());
        }
    }

    /// When its engine wants to be called, if nothing happens before.
    pub(crate) fn until(&self) -> Option<Duration> {
        let until = self.0.engine.borrow().as_ref().and_then(Engine::until)?;
        Some(self.0.world.borrow().time_of(until))
    }

    /// Has its engine something to do now?
    pub(crate) fn is_ready(&self) -> bool {
        let Some(until) = self.0.engine.borrow().as_ref().map(Engine::until) else { return false };
        let world = self.0.world.borrow();
        let machine = world.hosts.get(self.0.index);
        until.is_some_and(|until| until <= world.now())
            || machine.is_some_and(|machine| {
                !machine.hot.is_empty()
                    || !machine.exits.is_empty()
                    || machine.woken.0.load(Ordering::Acquire)
            })
    }

    /// A turn of its engine.
    pub(crate) fn turn(&self) {
        let mut running = self.0.engine.borrow_mut();
        let Some(engine) = running.as_mut() else { return };
        let until = engine.until();
        engine.driver().wait(until).expect("a simulated wait does not fail");
        if !engine.dispatch() {
            let ended = running.take();
            drop(running);
            drop(ended);
        }
    }

    /// A driver for a loop of your own, which [`crate::Net`] does not step. A host has one driver at a time, that
    /// of its engine or this.
    pub fn driver(&self) -> SimDriver {
        SimDriver::new(self.0.world.clone(), self.0.index)
    }

    /// Sets the receive window, in bytes, of connections to come.
    pub fn window(&self, bytes: usize) {
        if let Some(machine) = self.0.world.borrow_mut().hosts.get_mut(self.0.index) {
            machine.window = bytes;
        }
    }

    /// Opens a listening socket on `tcp:PORT` for the program that will run here, as a service manager does: clients can
    /// connect at once, and the endpoint `systemd:0` or `systemd:name=NAME` takes it. A crash closes it.
    ///
    /// # Panics
    /// The endpoint cannot be read, or the port is taken.
    pub fn hand_over(&self, name: &str, on: &str) {
        let port = on.strip_prefix("tcp:").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("a service manager opens tcp:PORT, not {on}"));
        let opened = self.0.world.borrow_mut().hand_over(self.0.index, name, port);
        opened.unwrap_or_else(|error| panic!("cannot listen on {on}: {error}"));
    }

    /// Lets the next accepts fail with "too many open files".
    pub fn fail_accepts(&self, times: usize) {
        if let Some(machine) = self.0.world.borrow_mut().hosts.get_mut(self.0.index) {
            machine.failing_accepts = times;
        }
    }

    /// A raw peer that connects from here, to `tcp:host:port` or to the first address of its host, or to `unix:/path`.
    ///
    /// # Panics
    /// The endpoint cannot be read, nobody has that name, or nobody listens on that path.
    pub fn probe(&self, to: &str) -> Probe {
        if let Some(path) = to.strip_prefix("unix:") {
            return self.probe_to(unix(path));
        }
        let (name, port) = target(to);
        let addrs = self.0.world.borrow().names.resolve(name, port);
        let addr = addrs.ok().and_then(|addrs| addrs.first().copied());
        self.probe_to(addr.unwrap_or_else(|| panic!("no host is called {name}")))
    }

    /// A raw peer that connects from here.
    ///
    /// # Panics
    /// The network has no room for more connections, or nobody listens on that path.
    pub fn probe_to(&self, to: impl Into<Addr>) -> Probe {
        let to = to.into();
        Probe::connect(self.0.world.clone(), self.0.index, &to)
            .unwrap_or_else(|error| panic!("cannot connect to {to}: {error}"))
    }

    /// A raw peer that listens here, on `tcp:port`, on all addresses, or on `unix:/path`.
    ///
    /// # Panics
    /// The endpoint cannot be read, or the port is taken.
    pub fn probe_listen(&self, on: &str) -> ProbeListener {
        let port = on.strip_prefix("tcp:").and_then(|port| port.parse().ok());
        let all = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into();
        let addr = port.map(all).or_else(|| on.strip_prefix("unix:").map(unix));
        let addr = addr.unwrap_or_else(|| panic!("a probe listens on tcp:PORT or unix:PATH, not on {on}"));
        ProbeListener::bind(self.0.world.clone(), self.0.index, addr)
            .unwrap_or_else(|error| panic!("cannot listen on {on}: {error}"))
    }

    /// Two ends that are connected, within this host: each can be adopted ([`Reactor::adopt`]) on it, or given to a
    /// script ([`HostHandle::probe_of`]). An end that is neither stays open.
    ///
    /// # Panics
    /// The network has no room for more connections.
    pub fn socket_pair(&self) -> (Ends, Ends) {
        let [one, other] = self.pair("a socket pair", false);
        (Ends::One(Socket::Simulated(one)), Ends::One(Socket::Simulated(other)))
    }

    /// The reading and the writing end of a pipe within this host; see [`HostHandle::socket_pair`]. For a connection
    /// that reads from one pipe and writes to another see [`Ends::Two`].
    ///
    /// # Panics
    /// Those of [`HostHandle::socket_pair`].
    pub fn pipe(&self) -> (Ends, Ends) {
        let [write, read] = self.pair("a pipe", true).map(|end| Some(Socket::Simulated(end)));
        (Ends::Two { read, write: None }, Ends::Two { read: None, write })
    }

    fn pair(&self, name: &str, pipe: bool) -> [End; 2] {
        let made = self.0.world.borrow_mut().pair(self.0.index, name, pipe);
        made.unwrap_or_else(|error| panic!("cannot make {name}: {error}"))
    }

    /// What is typed to the program here and what it shows: the other ends of its standard input and output, which the
    /// endpoint `stdio:` takes. Once for each start of the machine.
    ///
    /// # Panics
    /// They were asked for before.
    pub fn stdio(&self) -> [Probe; 2] {
        let ends = self.0.world.borrow_mut().take_console(self.0.index);
        let ends = ends.unwrap_or_else(|error| panic!("no standard input and output: {error}"));
        ends.map(|end| Probe::new(self.0.world.clone(), end))
    }

    /// A descriptor for a program here to watch, which is ready when a test says so: a simulated host cannot watch real
    /// ones.
    pub fn watchable(&self) -> Watchable {
        Watchable::new(self.0.world.clone(), self.0.index)
    }

    /// A raw peer that holds an end of a [`HostHandle::socket_pair`] or of a [`HostHandle::pipe`].
    ///
    /// # Panics
    /// It is no such end, or has two descriptors.
    pub fn probe_of(&self, ends: Ends) -> Probe {
        match ends {
            Ends::One(Socket::Simulated(end))
            | Ends::Two { read: Some(Socket::Simulated(end)), write: None }
            | Ends::Two { read: None, write: Some(Socket::Simulated(end)) } => {
                Probe::new(self.0.world.clone(), end)
            }
            other => panic!("a probe holds one simulated end, not {other:?}"),
        }
    }
}

/// A UNIX address as in an endpoint: a path, or `@` and an abstract name.
fn unix(path: &str) -> Addr {
    match path.strip_prefix('@') {
        Some(name) => UnixAddr::abstract_name(name).into(),
        None => UnixAddr::path(path).into(),
    }
}

impl HostHandle {
    /// A raw UDP socket here, `udp:PORT`, on all addresses.
    ///
    /// # Panics
    /// The endpoint cannot be read, or the port is taken.
    pub fn datagram_probe(&self, on: &str) -> DatagramProbe {
        let port = on.strip_prefix("udp:").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("a datagram probe is bound to udp:PORT, not to {on}"));
        DatagramProbe::bind(self.0.world.clone(), self.0.index, port)
            .unwrap_or_else(|error| panic!("cannot bind {on}: {error}"))
    }
}

impl fmt::Debug for HostHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostHandle").field(&self.0.name).finish()
    }
}

/// Splits `tcp:host:port`; the host may be an IPv6 address in brackets.
fn target(endpoint: &str) -> (&str, u16) {
    let parts = endpoint.strip_prefix("tcp:").and_then(|rest| rest.rsplit_once(':'));
    let parsed = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) =
        parsed.unwrap_or_else(|| panic!("a probe connects to tcp:HOST:PORT, not to {endpoint}"));
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}
