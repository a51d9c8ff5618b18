//! [`Ground`]: where a case runs.

use crate::{log::Log, programs};
use std::{
    cell::{Cell, RefCell},
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    rc::Rc,
    sync::{Arc, LazyLock, Mutex, mpsc},
    time::Duration,
};
use tempfile::TempDir;
use trenza_core::{
    Command, DatagramProtocol, Endpoint, IntoEndpoint, Port, Protocol, Reactor, Result, Transport, UdpPort,
    driver::{Ends, Socket},
};
use trenza_sim::{HostHandle, Watchable};

/// More bytes than a real system holds for a peer that does not read.
const PLENTY: usize = 16 << 20;
/// The turns after which nothing is on its way any more on a real system: what is sent to oneself is there at once.
const TURNS: usize = 30;

/// More blocking calls than a pool takes.
const POOL_MAX: usize = 2000;

/// How a case ends, other than by its coroutine.
pub(crate) enum End {
    /// With the coroutine: then nothing may be left.
    OfCase,
    /// With the loop, which the case has stopped; then this is to be checked.
    OfLoop(Box<dyn FnOnce()>),
}

/// Where a case runs: a reactor that connects to itself, and what the case wants to know of the driver.
#[derive(Clone)]
pub(crate) struct Ground(Rc<Inner>);

struct Inner {
    reactor: Reactor,
    log: Log,
    ports: RefCell<Vec<Port>>,
    folder: RefCell<Option<TempDir>>,
    udp_ports: RefCell<Vec<UdpPort>>,
    end: Cell<Option<Box<dyn FnOnce()>>>,
    /// Where time is virtual.
    host: Option<HostHandle>,
    late: u64,
    /// Turns of the loop so far, as far as somebody counts them.
    turns: Cell<u64>,
}

impl Ground {
    /// `late`: see [`Ground::late`].
    pub(crate) fn on_system(reactor: Reactor, late: u64) -> Self {
        Self::new(reactor, None, late)
    }

    pub(crate) fn on_sim(host: &HostHandle, late: u64) -> Self {
        Self::new(host.reactor(), Some(host.clone()), late)
    }

    fn new(reactor: Reactor, host: Option<HostHandle>, late: u64) -> Self {
        Self(Rc::new(Inner {
            reactor,
            log: Log::default(),
            ports: RefCell::default(),
            udp_ports: RefCell::default(),
            folder: RefCell::default(),
            end: Cell::new(None),
            host,
            late,
            turns: Cell::new(0),
        }))
    }

    pub(crate) fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    /// Time is virtual, and blocking calls run on the loop's thread.
    pub(crate) fn is_simulated(&self) -> bool {
        self.0.host.is_some()
    }

    /// How many bytes may still come from the driver after it was told to stop reading.
    pub(crate) fn late(&self) -> u64 {
        self.0.late
    }

    /// What actors have heard.
    pub(crate) fn log(&self) -> &Log {
        &self.0.log
    }

    /// More bytes than the system holds for a peer that does not read.
    pub(crate) fn plenty(&self) -> usize {
        if self.is_simulated() { 1 << 19 } else { PLENTY }
    }

    /// The smaller number in the simulator, where everything is split and repeated, the larger one elsewhere.
    pub(crate) fn scaled(&self, simulated: usize, real: usize) -> usize {
        if self.is_simulated() { simulated } else { real }
    }

    /// A program that does what its name says; see `programs`.
    pub(crate) fn program(&self, name: &str) -> Command {
        if self.is_simulated() { Command::new(name) } else { programs::script(name) }
    }

    /// A name that is known, of two addresses.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_simulated() { "here" } else { "localhost" }
    }

    /// The address of that name which stands for the loopback address of its family.
    pub(crate) fn own(&self, loopback: &'static str) -> &'static str {
        match (self.is_simulated(), loopback) {
            (false, _) => loopback,
            (true, "127.0.0.1") => "10.0.0.1",
            (true, _) => "[fd00::1]",
        }
    }

    /// A time that passes: short on a real system.
    pub(crate) fn moment(&self) -> Duration {
        Duration::from_millis(if self.is_simulated() { 400 } else { 20 })
    }

    /// Listens on a free port of an IPv4 address of this host only.
    pub(crate) fn listen<P: Protocol>(&self, build: impl FnMut(&Transport) -> P + 'static) -> Port {
        self.listen_on("tcp:0:interface=127.0.0.1", build).unwrap()
    }

    pub(crate) fn listen_on<P: Protocol>(
        &self,
        on: impl IntoEndpoint,
        build: impl FnMut(&Transport) -> P + 'static,
    ) -> Result<Port> {
        self.0.reactor.listen(on, build).map(|port| self.keep(port))
    }

    /// Makes a UDP port on a free port of an IPv4 address of this host only.
    pub(crate) fn udp(&self, protocol: impl DatagramProtocol) -> Result<UdpPort> {
        self.0.reactor.udp("udp:0:interface=127.0.0.1", protocol).map(|port| self.keep_udp(port))
    }

    /// Has the UDP port closed when the case has ended.
    pub(crate) fn keep_udp(&self, port: UdpPort) -> UdpPort {
        self.0.udp_ports.borrow_mut().push(port.clone());
        port
    }

    /// Has the port stopped when the case has ended.
    pub(crate) fn keep(&self, port: Port) -> Port {
        self.0.ports.borrow_mut().push(port.clone());
        port
    }

    /// Connects two protocols: the one that accepts, and the one that connects.
    pub(crate) async fn pair(
        &self,
        server: impl Protocol,
        client: impl Protocol,
    ) -> Result<(Transport, Transport)> {
        self.pair_over(|endpoint| endpoint, server, |endpoint| endpoint, client).await
    }

    /// Connects two protocols over endpoints that are changed first: layers are put on them.
    pub(crate) async fn pair_over(
        &self,
        below: impl FnOnce(Endpoint) -> Endpoint,
        server: impl Protocol,
        beneath: impl FnOnce(Endpoint) -> Endpoint,
        client: impl Protocol,
    ) -> Result<(Transport, Transport)> {
        let (accepted, tell) = self.0.reactor.deferred();
        let mut once = Some((server, tell));
        let on = below("tcp:0:interface=127.0.0.1".into_endpoint()?);
        let port = self.listen_on(on, move |transport| {
            let (server, tell) = once.take().expect("one connection");
            tell.fire(Ok(transport.clone()));
            server
        })?;
        let to = beneath(to(&port).as_str().into_endpoint()?);
        let client = self.0.reactor.connect(to, |_| client).await?;
        let server = accepted.await?;
        port.pause();
        Ok((server, client))
    }

    /// A path in a folder of the case's own. Short, since paths of sockets must be.
    pub(crate) fn path(&self, name: &str) -> String {
        let mut folder = self.0.folder.borrow_mut();
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().unwrap());
        // The same in every run of a seed.
        if self.is_simulated() {
            format!("/run/{name}")
        } else {
            folder.path().join(name).display().to_string()
        }
    }

    /// Connects two protocols over a UNIX socket.
    pub(crate) async fn unix_pair(
        &self,
        server: impl Protocol,
        client: impl Protocol,
    ) -> Result<(Transport, Transport)> {
        let (accepted, tell) = self.0.reactor.deferred();
        let mut once = Some((server, tell));
        let on = format!("unix:{}", self.path("pair"));
        let port = self.listen_on(&on, move |transport| {
            let (server, tell) = once.take().expect("one connection");
            tell.fire(Ok(transport.clone()));
            server
        })?;
        let client = self.0.reactor.connect(&on, |_| client).await?;
        let server = accepted.await?;
        port.pause();
        Ok((server, client))
    }

    /// A descriptor to watch, which can be written and, once it is filled, read.
    pub(crate) fn watched(&self) -> Watched {
        if let Some(host) = &self.0.host {
            let watchable = host.watchable();
            watchable.set_ready(false, true);
            return Watched::Simulated(watchable);
        }
        let (watched, far) = UnixStream::pair().unwrap();
        watched.set_nonblocking(true).unwrap();
        Watched::Real(watched, far)
    }

    /// The two ends of a socket pair.
    pub(crate) fn socket_pair(&self) -> (Ends, Ends) {
        if let Some(host) = &self.0.host {
            return host.socket_pair();
        }
        let (one, other) = UnixStream::pair().unwrap();
        (Ends::one(one), Ends::one(other))
    }

    /// The reading and the writing end of a pipe.
    pub(crate) fn pipe(&self) -> (Ends, Ends) {
        if let Some(host) = &self.0.host {
            return host.pipe();
        }
        let (read, write) = io::pipe().unwrap();
        (Ends::reading(read), Ends::writing(write))
    }

    /// Two ends that are connected by a pipe each way.
    pub(crate) fn two_pipes(&self) -> (Ends, Ends) {
        let [(near_read, far_write), (far_read, near_write)] = [self.pipe(), self.pipe()];
        (both(near_read, near_write), both(far_read, far_write))
    }

    /// Adopts the two ends of something.
    pub(crate) async fn adopt(
        &self,
        (one, other): (Ends, Ends),
        first: impl Protocol,
        second: impl Protocol,
    ) -> Result<(Transport, Transport)> {
        let reactor = &self.0.reactor;
        let other = reactor.adopt(other, |_| second);
        Ok((reactor.adopt(one, |_| first).await?, other.await?))
    }

    /// Lets everything happen that can: for cases that say what does *not* happen.
    pub(crate) async fn settle(&self) {
        if self.is_simulated() {
            return self.0.reactor.sleep(Duration::from_secs(1)).await;
        }
        for _ in 0..TURNS {
            self.turn().await;
        }
    }

    /// How many turns the loop has had. The simulator does not count them: it finds loops that do not rest itself.
    pub(crate) fn turns(&self) -> u64 {
        self.0.turns.get()
    }

    pub(crate) fn count_turn(&self) {
        self.0.turns.set(self.0.turns.get() + 1);
    }

    /// Waits for the next turn of the loop.
    pub(crate) async fn turn(&self) {
        let (next, tell) = self.0.reactor.deferred();
        let timer = self.0.reactor.call_later(Duration::ZERO, move || tell.fire(Ok(())));
        next.await.unwrap();
        drop(timer);
    }

    /// Waits until `done`, looking once a turn, and now and then when nothing happens.
    pub(crate) async fn until(&self, mut done: impl FnMut() -> bool) {
        while !done() {
            self.0.reactor.sleep(Duration::from_millis(1)).await;
        }
    }

    /// The case ends with the loop, which it stops; `check` is called when the loop is gone.
    pub(crate) fn after_loop(&self, check: impl FnOnce() + 'static) {
        self.0.end.set(Some(Box::new(check)));
    }

    pub(crate) fn end(&self) -> End {
        self.0.end.take().map_or(End::OfCase, End::OfLoop)
    }

    /// A gate for blocking calls. In the simulator it is open, since they run on the loop's thread.
    pub(crate) fn gate(&self) -> Gate {
        let (hold, opened) = mpsc::channel();
        Gate { hold: (!self.is_simulated()).then_some(hold), opened: Arc::new(Mutex::new(opened)) }
    }

    /// Has so many blocking calls made that the pool takes no more, until the gate is dropped; in the simulator, until
    /// the turn ends.
    pub(crate) fn fill_pool(&self) -> Gate {
        let gate = self.gate();
        for _ in 0..POOL_MAX {
            let pass = gate.pass();
            let job = move || {
                pass();
                Ok(())
            };
            self.0.reactor.in_thread(job).then(|_| ());
        }
        gate
    }

    pub(crate) fn stop_ports(&self) {
        let ports = std::mem::take(&mut *self.0.ports.borrow_mut());
        ports.iter().for_each(|port| port.stop().detach());
        let udp_ports = std::mem::take(&mut *self.0.udp_ports.borrow_mut());
        udp_ports.iter().for_each(UdpPort::close);
    }
}

/// A descriptor to watch.
pub(crate) enum Watched {
    Simulated(Watchable),
    Real(UnixStream, UnixStream),
}

impl Watched {
    pub(crate) fn socket(&self) -> Socket {
        match self {
            Self::Simulated(watchable) => watchable.socket(),
            Self::Real(watched, _) => Socket::Descriptor(watched.try_clone().unwrap().into()),
        }
    }

    /// It can be read from now on.
    pub(crate) fn fill(&self) {
        match self {
            Self::Simulated(watchable) => watchable.set_ready(true, true),
            Self::Real(_, far) => drop((&*far).write(b"x").unwrap()),
        }
    }

    /// It was read.
    pub(crate) fn drain(&self) {
        match self {
            Self::Simulated(watchable) => watchable.set_ready(false, true),
            Self::Real(watched, _) => drop((&*watched).read(&mut [0; 16]).unwrap()),
        }
    }
}

/// Holds blocking calls up until it is dropped.
pub(crate) struct Gate {
    hold: Option<mpsc::Sender<()>>,
    opened: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Gate {
    /// What a blocking call does at the gate.
    pub(crate) fn pass(&self) -> impl FnOnce() + Send + 'static {
        let opened = self.opened.clone();
        // It opens when its other side is dropped.
        move || {
            let _ = opened.lock().unwrap().recv();
        }
    }

    /// Lets everybody pass.
    pub(crate) fn open(mut self) {
        drop(self.hold.take());
    }
}

impl Drop for Inner {
    /// What was heard helps to find out why a case has failed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("heard so far: {:#?}", self.log.lines());
        }
    }
}

/// A reading and a writing end as one connection.
fn both(read: Ends, write: Ends) -> Ends {
    match (read, write) {
        (Ends::Two { read, .. }, Ends::Two { write, .. }) => Ends::Two { read, write },
        other => panic!("no pipes: {other:?}"),
    }
}

/// The endpoint of a port, for who connects to it.
pub(crate) fn to(port: &Port) -> String {
    format!("tcp:{}", port.addr())
}

/// `n` bytes, of which hardly any two are exchanged without being noticed.
pub(crate) fn bytes(n: usize) -> Vec<u8> {
    static BYTES: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..PLENTY + 1).map(|i| (i * 7 % 251) as u8 ^ (i >> 8) as u8).collect());
    BYTES[..n].to_vec()
}
