//! [`Reactor`]: what a program asks the loop for.

use crate::{
    ConnectionId, Deferred, Endpoint, Factory, IntoEndpoint, Limits, ListenOn, Port, Protocol, Remote,
    RemoteResolver, Resolver, Result, Sleep, Stream, Timer, Transport, connect,
    engine::command::Command,
    port::PortState,
    protocol::Build,
    remote::Awaited,
    shared::{Shared, Stop, current},
    task::Task,
    timer::Due,
};
use std::{
    cell::Cell,
    fmt,
    future::Future,
    panic::Location,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// What a program asks the loop for: ports, connections, timers, tasks. A cheap clone, not `Send`.
///
/// Every method only queues or reads; see [`Remote`] for other threads.
#[derive(Clone)]
pub struct Reactor(pub(crate) Rc<Shared>);

impl Reactor {
    /// The reactor that calls this code.
    ///
    /// # Panics
    /// Outside of every callback and coroutine.
    pub fn current() -> Self {
        Self::try_current().expect("Reactor::current() outside of a reactor's callback or coroutine")
    }

    /// The reactor that calls this code, if one does.
    pub fn try_current() -> Option<Self> {
        current()
    }

    /// Listens, and builds a protocol for each connection.
    ///
    /// # Errors
    /// The endpoint does not follow the grammar; the address is taken, not ours or not permitted.
    #[track_caller]
    pub fn listen<P: Protocol>(
        &self,
        on: impl IntoEndpoint,
        build: impl FnMut(&Transport) -> P + 'static,
    ) -> Result<Port> {
        self.listen_with(on, Build(build))
    }

    /// Listens with a factory.
    ///
    /// # Errors
    /// Those of [`Reactor::listen`].
    #[track_caller]
    pub fn listen_with(&self, on: impl IntoEndpoint, factory: impl Factory) -> Result<Port> {
        self.listen_from(Location::caller(), &on.into_endpoint()?, Box::new(factory))
    }

    /// Like `listen_with`, for a port that was asked for elsewhere.
    pub(crate) fn listen_from(
        &self,
        made: &'static Location<'static>,
        endpoint: &Endpoint,
        factory: Box<dyn Factory>,
    ) -> Result<Port> {
        let listening = endpoint.listening(self)?;
        let explain = |error| unbound(endpoint, error);
        let bound = match listening.on {
            ListenOn::Bind(bind) => self.0.host.bind(&bind).map_err(explain)?,
            ListenOn::Socket(socket) => self.0.host.adopt(socket).map_err(explain)?,
            ListenOn::Bound(bound) => bound,
            ListenOn::Datagrams(_) => return Err(self.listens_for_datagrams(endpoint)),
            ListenOn::Stream(stream) => {
                let (addr, layers) = (stream.local.clone(), listening.layers);
                let state = PortState::new(made, addr, layers, listening.policy, None);
                self.0.command(Command::Serve(stream, state.clone(), factory));
                return Ok(Port { reactor: self.clone(), state });
            }
        };
        let addr = bound.addr.clone();
        let (spread, policy) = self.spread(&addr, listening.policy);
        let state = PortState::new(made, addr, listening.layers, policy, spread);
        self.0.command(Command::Listen(bound, state.clone(), factory));
        Ok(Port { reactor: self.clone(), state })
    }

    /// Listens, and runs a coroutine for each connection. Its error aborts the connection. For an example see
    /// [`Stream`].
    ///
    /// # Errors
    /// Those of [`Reactor::listen`].
    #[track_caller]
    pub fn serve<F: Future<Output = Result> + 'static>(
        &self,
        on: impl IntoEndpoint,
        mut coroutine: impl FnMut(Stream) -> F + 'static,
    ) -> Result<Port> {
        let made = Location::caller();
        self.listen(on, move |transport| {
            let (stream, end) = Stream::pair(transport);
            transport.spawn_from(made, coroutine(stream));
            end
        })
    }

    /// Connects, and builds a protocol when the connection is there and its layers are ready. A failure never
    /// builds one. All within the endpoint's `timeout=`, the lookup of a name included; dropping the result ends it at
    /// any stage.
    ///
    /// The addresses of a name race (RFC 8305): IPv6 and IPv4 by turns, beginning with what the resolver prefers, each
    /// 250 ms after the one before or as soon as that has failed; at most 64, and with `bind=` those of its family. The
    /// first connection wins and the others end; should its layers then fail, the rest is tried. When all fail, the
    /// error is an [`io::Error`](std::io::Error) with a [`ConnectError`](crate::ConnectError) in it, which names each
    /// address and its cause; what the layers of an only address say comes as it is.
    ///
    /// How many connects are on their way is limited by the system's descriptors only: each is the program's own
    /// doing, and [`Reactor::set_connections_max`] does not refuse any.
    ///
    /// ```
    /// use trenza_core::{Input, Protocol, Result, Transport};
    ///
    /// struct Ask;
    ///
    /// impl Protocol for Ask {
    ///     fn connection_made(&mut self, transport: &Transport) -> Result {
    ///         transport.write(b"what?");
    ///         Ok(())
    ///     }
    ///     fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
    ///         input.rest();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let net = trenza_sim::Net::new(1);
    /// let peers = net.host("srv").probe_listen("tcp:7007");
    /// net.host("cli").run(|reactor| {
    ///     reactor.connect("tcp:srv:7007", |_| Ask).then(|connected| assert!(connected.is_ok()));
    ///     reactor.connect("tcp:srv:1", |_| Ask).then(|connected| assert!(connected.is_err()));
    /// });
    /// net.run();
    /// assert_eq!(peers.accept().ok_or("nobody came")?.received(), b"what?");
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    #[track_caller]
    pub fn connect<P: Protocol>(
        &self,
        to: impl IntoEndpoint,
        build: impl FnOnce(&Transport) -> P + 'static,
    ) -> Deferred<Transport> {
        match to.into_endpoint() {
            Ok(endpoint) => self.connect_from(Location::caller(), &endpoint, build),
            Err(error) => self.fired(Err(error)),
        }
    }

    /// Like `connect`, for a connection that was asked for elsewhere.
    pub(crate) fn connect_from<P: Protocol>(
        &self,
        asked: &'static Location<'static>,
        endpoint: &Endpoint,
        build: impl FnOnce(&Transport) -> P + 'static,
    ) -> Deferred<Transport> {
        match endpoint.connecting(self) {
            Ok(place) => connect::connect(asked, self, place, build),
            Err(error) => self.fired(Err(error)),
        }
    }

    /// Connects, for a coroutine.
    #[track_caller]
    pub fn open(&self, to: impl IntoEndpoint) -> Deferred<Stream> {
        let (deferred, resolver) = self.deferred();
        let made = Rc::new(Cell::new(None));
        let stream = made.clone();
        let connected = self.connect(to, move |transport| {
            let (stream, end) = Stream::pair(transport);
            made.set(Some(stream));
            end
        });
        // The inner operation lives in the outer one's cancellation, so that dropping one drops the other.
        let shared = self.0.clone();
        let task = Task::new(&shared, async move {
            let result = connected.await;
            let stream = stream.take().ok_or_else(|| "no stream was made".into());
            resolver.fire(result.and(stream));
        });
        deferred.on_cancel_guard(task.cancel_on_drop(&shared));
        shared.command(Command::Spawn(task));
        deferred
    }

    /// Calls `f` later, unless the timer is dropped.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> Timer {
        self.call_later_from(Location::caller(), delay, f)
    }

    /// Like `call_later`, for a timer that was asked for elsewhere.
    pub(crate) fn call_later_from(
        &self,
        made: &'static Location<'static>,
        delay: Duration,
        f: impl FnOnce() + 'static,
    ) -> Timer {
        Timer::new_from(made, self.0.clone(), self.0.after(delay), Due::Call(Box::new(f)))
    }

    /// Runs a coroutine. Dropping the result drops the coroutine; a panic in it is an error of the result.
    #[track_caller]
    pub fn spawn<T: 'static>(&self, task: impl Future<Output = Result<T>> + 'static) -> Deferred<T> {
        let (deferred, resolver) = self.deferred();
        let task = Task::new(&self.0, async move { resolver.fire(task.await) });
        deferred.on_cancel_guard(task.cancel_on_drop(&self.0));
        self.0.command(Command::Spawn(task));
        deferred
    }

    /// A result that somebody will give later, and the means to give it.
    pub fn deferred<T: 'static>(&self) -> (Deferred<T>, Resolver<T>) {
        Deferred::new(self.0.clone())
    }

    /// Like [`Reactor::deferred`], for a result from another thread.
    #[track_caller]
    pub fn remote_resolver<T: Send + 'static>(&self) -> (Deferred<T>, RemoteResolver<T>) {
        RemoteResolver::pair(self, false)
    }

    /// A pause for a coroutine.
    #[track_caller]
    pub fn sleep(&self, delay: Duration) -> Sleep {
        Sleep::new_from(Location::caller(), self.0.clone(), delay)
    }

    /// The loop's monotonic time: read once a turn; virtual in the simulator. A host that uses the reactor between
    /// turns does so within [`Engine::enter`](crate::Engine::enter), which reads the clock; else this is the time of
    /// the last turn, and timers count from there.
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// The wall clock; virtual in the simulator.
    pub fn wall(&self) -> SystemTime {
        self.0.host.wall()
    }

    /// Fills `into` with random bytes, fit for secrets; from the seed in the simulator.
    pub fn random(&self, into: &mut [u8]) {
        self.0.host.random(into);
    }

    /// The connection of that name, if it is of this loop and has not ended.
    pub fn connection(&self, id: ConnectionId) -> Option<Transport> {
        self.0.connection(id)
    }

    /// All connections, those whose layers are not ready included.
    pub fn connections(&self) -> Vec<Transport> {
        self.0.connections()
    }

    /// The way in for other threads.
    pub fn remote(&self) -> Remote {
        Remote(self.0.outside.clone())
    }

    /// Stops the loop, and those that it belongs to ([`Reactor::loops`]): first what was started with
    /// [`Reactor::start`], then all else. Ports stop accepting, protocols hear [`Protocol::stopping`], and what is not
    /// done after [`Reactor::set_grace`] is aborted with [`Reason::Stopped`](crate::Reason::Stopped).
    pub fn stop(&self) {
        if self.stop_alone() {
            self.stop_others();
        }
    }

    /// Stops this loop; false when it was told so before.
    pub(crate) fn stop_alone(&self) -> bool {
        let first = self.0.stop.get() == Stop::Running;
        if first {
            self.0.stop.set(Stop::Asked);
        }
        first
    }

    /// True from `stop()` on.
    pub fn is_stopping(&self) -> bool {
        self.0.stop.get() != Stop::Running
    }

    /// How long services and protocols have to finish after `stop()`. Default 10 s.
    pub fn set_grace(&self, grace: Duration) {
        self.0.grace.set(grace);
    }

    /// How many connections the loop holds at most. Default 10,000. Beyond, ports stop accepting, so that new ones
    /// wait in the system's backlog. Connections that the program itself makes count, but none is refused.
    ///
    /// Of a program with several loops, the connections of all count against the limit of each; of loops that accept at
    /// the very same moment each may take one more.
    pub fn set_connections_max(&self, max: usize) {
        self.0.connections_max.set(max);
        self.0.command(Command::Accept);
    }

    /// The limits of new connections.
    pub fn set_limits(&self, limits: Limits) {
        *self.0.limits.borrow_mut() = Rc::new(limits);
    }

    /// A result that is there already.
    pub(crate) fn fired<T: 'static>(&self, result: Result<T>) -> Deferred<T> {
        let (deferred, resolver) = self.deferred();
        resolver.fire(result);
        deferred
    }

    /// Answers a remote resolver; None: it was dropped.
    pub(crate) fn resolve<T: 'static>(&self, number: u64, result: Option<Result<T>>) {
        let waiting = self.0.waiting.borrow_mut().remove(&number);
        if let (Some(resolver), Some(result)) = (waiting.and_then(Awaited::resolver::<T>), result) {
            resolver.fire(result);
        }
    }
}

pub(crate) fn unbound(endpoint: &Endpoint, error: std::io::Error) -> crate::Error {
    std::io::Error::new(error.kind(), format!("cannot listen on {endpoint}: {error}")).into()
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("connections", &self.0.connection_count()).finish_non_exhaustive()
    }
}
