//! [`ClientService`]: a client that connects again and again.
//!
//! ```text
//!          ┌─────────────── a pause, longer after each failure ──────────────┐
//!          ▼                                                                 │
//!  start ─▶ connecting ──▶ preparing ──▶ connected ──────── lost ────────────┤
//!               │  failed      │ refused, lost                               │
//!               └──────────────┴─────────────────────────────────────────────┘
//!
//!  from anywhere: stop ──▶ over;   the policy gives up, the reactor stops ──▶ over
//! ```

use crate::{
    Backoff, Deferred, Endpoint, Error, IntoEndpoint, Protocol, Reactor, Resolver, Result, Retry, Service,
    Transport, Wait,
    connection::push_pruning,
    engine::command::Command,
    shared::Stop,
    task::{Task, timeout},
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    future::{Future, IntoFuture, poll_fn},
    panic::Location,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

/// How long a connection must have lived for what failed before it to be forgotten, unless told otherwise.
const STABLE: Duration = Duration::from_secs(30);

type Build = Box<dyn FnMut(&Transport) -> Box<dyn Protocol>>;
type Prepare = Box<dyn FnMut(&Transport) -> Pin<Box<dyn Future<Output = Result>>>>;

/// A client that stays connected: it connects when it is started, and again whenever the connection could not be made
/// or was lost, after pauses that grow ([`Backoff`]). A connection that was there for 30 s makes the next failure count
/// as the first.
///
/// It is a handle: its clones are the same service. Dropping all of them changes nothing; it goes on until it is
/// stopped. When it stops, the protocol hears [`Protocol::stopping`], and it is over when the connection is gone.
///
/// Why an attempt has failed is logged, at the level `debug` of `tracing`; nobody else hears of it, since there is no
/// connection yet.
///
/// ```
/// use trenza_core::{ClientService, Input, Protocol, Result, Service, Transport};
///
/// struct Line;
///
/// impl Protocol for Line {
///     fn connection_made(&mut self, transport: &Transport) -> Result {
///         transport.write(b"I am back\r\n");
///         Ok(())
///     }
///     fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
///         input.rest();
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::gentle(1);
/// let line = ClientService::new("tcp:srv:7007", |_| Line);
/// net.host("cli").run(|reactor| {
///     line.when_connected(reactor).then(|connected| assert!(connected.is_ok()));
///     reactor.start(line.clone())
/// })?;
/// net.run(); // nobody listens so far
/// let peers = net.host("srv").probe_listen("tcp:7007");
/// for _ in 0..3 {
///     net.advance(std::time::Duration::from_secs(60));
///     let peer = peers.accept().ok_or("it did not come back")?;
///     assert_eq!(peer.received(), b"I am back\r\n");
///     peer.close();
/// }
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientService(Rc<Inner>);

/// What the handles and the coroutine share.
struct Inner {
    /// Until the start; then the coroutine has it, so that no handle reaches what may hold one.
    setup: Cell<Option<Box<Setup>>>,
    made: &'static Location<'static>,
    reactor: RefCell<Option<Reactor>>,
    phase: Cell<Phase>,
    failures: Cell<u32>,
    /// The connection, and whether it is prepared.
    connection: RefCell<Option<Transport>>,
    ready: Cell<bool>,
    waiting: RefCell<Vec<Waiting>>,
    /// Ends what is waited for when it is to stop.
    stop: Cell<Option<Resolver<()>>>,
    /// Those who wait for its end.
    stopping: RefCell<Vec<Resolver<()>>>,
}

/// What the user gave.
struct Setup {
    to: Result<Endpoint>,
    build: Rc<RefCell<Build>>,
    prepare: Option<Prepare>,
    prepare_time: Duration,
    retry: Box<dyn Retry>,
    stable: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    Over,
}

/// Somebody who waits for a connection.
struct Waiting {
    /// How many more failures it waits through.
    failures: Option<u32>,
    resolver: Resolver<Transport>,
}

/// Why there is no connection, from [`ClientService::when_connected`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotConnected {
    /// As often as was to be waited for, or as the policy permits.
    #[error("not connected after {failures} failures, the last one: {last}")]
    Failed {
        /// How many failures there were in a row.
        failures: u32,
        /// The last one.
        last: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The service was stopped, or its reactor.
    #[error("the client service has stopped")]
    Stopped,
}

impl ClientService {
    /// Connects to `to`, and builds a protocol for each connection. A wrong endpoint is an error of the start.
    #[track_caller]
    pub fn new<P: Protocol>(to: impl IntoEndpoint, mut build: impl FnMut(&Transport) -> P + 'static) -> Self {
        let build: Build = Box::new(move |transport| Box::new(build(transport)));
        let setup = Setup {
            to: to.into_endpoint(),
            build: Rc::new(RefCell::new(build)),
            prepare: None,
            prepare_time: Duration::MAX,
            retry: Box::new(Backoff::default()),
            stable: STABLE,
        };
        Self(Rc::new(Inner {
            setup: Cell::new(Some(Box::new(setup))),
            made: Location::caller(),
            reactor: RefCell::default(),
            phase: Cell::new(Phase::New),
            failures: Cell::new(0),
            connection: RefCell::default(),
            ready: Cell::new(false),
            waiting: RefCell::default(),
            stop: Cell::default(),
            stopping: RefCell::default(),
        }))
    }

    /// When to try again; [`Backoff`] by default. After the start it changes nothing, as all that is set up.
    #[must_use]
    pub fn retry(self, retry: impl Retry) -> Self {
        self.set_up(|setup| setup.retry = Box::new(retry))
    }

    /// How long a connection must live for the failures before it to be forgotten. Default 30 s.
    #[must_use]
    pub fn stable(self, time: Duration) -> Self {
        self.set_up(|setup| setup.stable = time)
    }

    /// Has `prepare` look at each new connection, whose protocol is there, before anybody is given it: to log in, or to
    /// see whether it is the right one. An error refuses it: it is reset, and that counts as a failure, as does more
    /// than `time`.
    #[must_use]
    pub fn prepare<F: Future<Output = Result> + 'static>(
        self,
        time: Duration,
        mut prepare: impl FnMut(&Transport) -> F + 'static,
    ) -> Self {
        self.set_up(|setup| {
            setup.prepare = Some(Box::new(move |transport| Box::pin(prepare(transport))));
            setup.prepare_time = time;
        })
    }

    fn set_up(self, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = self.0.setup.take();
        if let Some(setup) = &mut setup {
            change(setup);
        }
        self.0.setup.set(setup);
        self
    }

    /// The connection, as soon as there is one; at once, if there is. Dropping the result gives up waiting only.
    ///
    /// The error is a [`NotConnected`].
    pub fn when_connected(&self, reactor: &Reactor) -> Deferred<Transport> {
        self.wait(reactor, None)
    }

    /// Like [`ClientService::when_connected`], but waits through no more than so many failures, of which there must be
    /// one at least.
    pub fn when_connected_within(&self, reactor: &Reactor, failures: u32) -> Deferred<Transport> {
        self.wait(reactor, Some(failures))
    }

    fn wait(&self, reactor: &Reactor, failures: Option<u32>) -> Deferred<Transport> {
        let (deferred, resolver) = reactor.deferred();
        match self.connection() {
            Some(transport) => resolver.fire(Ok(transport)),
            None if self.0.phase.get() == Phase::Over => resolver.fire(Err(NotConnected::Stopped.into())),
            None => {
                let is_wanted = |waiting: &Waiting| !waiting.resolver.is_cancelled();
                push_pruning(&mut self.0.waiting.borrow_mut(), Waiting { failures, resolver }, is_wanted);
            }
        }
        deferred
    }

    /// The connection, if there is one now.
    pub fn connection(&self) -> Option<Transport> {
        self.0.connection.borrow().clone().filter(|transport| self.0.ready.get() && transport.is_open())
    }

    /// How many failures there were in a row: attempts that failed and connections that did not live long.
    pub fn failures(&self) -> u32 {
        self.0.failures.get()
    }
}

impl Service for ClientService {
    fn start(&mut self, reactor: &Reactor) -> Result {
        let setup = self.0.setup.take().ok_or("a client service is started once")?;
        let Setup { to, build, prepare, prepare_time, retry, stable } = *setup;
        let to = to?;
        // A wrong string is told here; what it stands for may change until it is used.
        drop(to.connecting(reactor)?);
        let (stop, tell) = reactor.deferred();
        self.0.stop.set(Some(tell));
        self.0.phase.set(Phase::Running);
        self.0.reactor.replace(Some(reactor.clone()));
        let life = Life {
            inner: self.0.clone(),
            reactor: reactor.clone(),
            stop: stop.into_future(),
            to,
            build,
            prepare,
            prepare_time,
            retry,
            stable,
        };
        let over = Over(self.0.clone());
        let task = async move {
            life.run().await;
            drop(over);
        };
        reactor.0.command(Command::Spawn(Task::new_from(self.0.made, &reactor.0, task)));
        Ok(())
    }

    fn stop(&mut self) -> Deferred<()> {
        let reactor = self.0.reactor.borrow().clone().unwrap_or_else(Reactor::current);
        let (over, tell) = reactor.deferred();
        match self.0.phase.get() {
            Phase::Running => self.0.stopping.borrow_mut().push(tell),
            Phase::New | Phase::Over => tell.fire(Ok(())),
        }
        if let Some(stop) = self.0.stop.take() {
            stop.fire(Ok(()));
        }
        over
    }

    fn abort(&mut self) {
        let connection = self.0.connection.borrow().clone();
        if let Some(transport) = connection {
            transport.abort();
        }
    }
}

/// Tells everybody that the service is over, whatever has ended it.
struct Over(Rc<Inner>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.phase.set(Phase::Over);
        drop(self.0.connection.take());
        for waiting in self.0.waiting.take() {
            waiting.resolver.fire(Err(NotConnected::Stopped.into()));
        }
        for stopping in self.0.stopping.take() {
            stopping.fire(Ok(()));
        }
    }
}

/// A service while it runs.
struct Life {
    inner: Rc<Inner>,
    reactor: Reactor,
    stop: Wait<()>,
    to: Endpoint,
    build: Rc<RefCell<Build>>,
    prepare: Option<Prepare>,
    prepare_time: Duration,
    retry: Box<dyn Retry>,
    stable: Duration,
}

/// It was asked to stop.
struct Asked;

impl Life {
    async fn run(mut self) {
        while let Ok(error) = self.connect_once().await {
            let Some(pause) = self.fail(error) else { return };
            let sleep = self.reactor.sleep(pause);
            if self.unless_stopped(sleep).await.is_err() {
                return;
            }
        }
    }

    /// Connects, and waits for the end of the connection. Gives what has failed.
    async fn connect_once(&mut self) -> Result<Error, Asked> {
        let build = self.build.clone();
        let build = move |transport: &Transport| (build.borrow_mut())(transport);
        let connect = self.reactor.connect_from(self.inner.made, &self.to, build);
        let transport = match self.unless_stopped(connect.into_future()).await? {
            Ok(transport) => transport,
            Err(error) => return Ok(error),
        };
        // Dropped with the connection.
        let (lost, guard) = self.reactor.deferred();
        transport.attach(guard);
        let mut lost = lost.into_future();
        self.inner.connection.replace(Some(transport.clone()));
        let outcome = match self.prepared(&transport, &mut lost).await {
            Ok(Ok(())) => self.hold(&transport, &mut lost).await,
            Ok(Err(error)) => {
                transport.abort();
                Ok(error)
            }
            Err(Asked) => Err(Asked),
        };
        if outcome.is_err() {
            transport.stop();
            // It is dropped, not fired.
            let _ = lost.await;
        }
        self.inner.ready.set(false);
        drop(self.inner.connection.take());
        outcome
    }

    async fn prepared(&mut self, transport: &Transport, lost: &mut Wait<()>) -> Result<Result, Asked> {
        let Some(prepare) = self.prepare.as_mut().map(|prepare| prepare(transport)) else {
            return Ok(Ok(()));
        };
        let mut prepare = pin!(timeout(self.prepare_time, prepare));
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(outcome) = prepare.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            Pin::new(&mut *lost).poll(cx).map(|_| Err("the connection was lost while it was prepared".into()))
        });
        self.unless_stopped(outcome).await
    }

    /// Gives the connection to those who wait, and waits for its end.
    async fn hold(&mut self, transport: &Transport, lost: &mut Wait<()>) -> Result<Error, Asked> {
        let since = self.reactor.now();
        self.inner.ready.set(true);
        for waiting in self.inner.waiting.take() {
            waiting.resolver.fire(Ok(transport.clone()));
        }
        // It is dropped, not fired: the outcome says nothing.
        let _ = self.unless_stopped(lost).await?;
        if self.reactor.now().saturating_duration_since(since) >= self.stable {
            self.inner.failures.set(0);
        }
        Ok("the connection was lost".into())
    }

    /// Counts a failure, and tells those who wait through no more. Gives how long to wait; None: it is over.
    fn fail(&mut self, error: Error) -> Option<Duration> {
        let inner = &self.inner;
        if self.reactor.0.stop.get() == Stop::Begun {
            return None;
        }
        let failures = inner.failures.get().saturating_add(1);
        inner.failures.set(failures);
        let delay = self.retry.delay(failures, &self.reactor);
        tracing::debug!(%error, failures, ?delay, "a client service has failed");
        let last: Arc<dyn std::error::Error + Send + Sync> = error.into();
        let mut tell = Vec::new();
        for mut waiting in inner.waiting.take() {
            waiting.failures = waiting.failures.map(|left| left.saturating_sub(1));
            match waiting.failures {
                Some(0) => tell.push(waiting.resolver),
                _ if delay.is_none() => tell.push(waiting.resolver),
                _ => inner.waiting.borrow_mut().push(waiting),
            }
        }
        for resolver in tell {
            resolver.fire(Err(NotConnected::Failed { failures, last: last.clone() }.into()));
        }
        delay
    }

    /// Waits for `f`, unless it is asked to stop.
    async fn unless_stopped<T>(&mut self, f: impl Future<Output = T>) -> Result<T, Asked> {
        let mut f = pin!(f);
        let stop = &mut self.stop;
        poll_fn(|cx| {
            if Pin::new(&mut *stop).poll(cx).is_ready() {
                return Poll::Ready(Err(Asked));
            }
            f.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

impl fmt::Debug for ClientService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connected = self.connection();
        f.debug_struct("ClientService")
            .field("phase", &self.0.phase.get())
            .field("failures", &self.failures())
            .field("connection", &connected.map(|transport| transport.id()))
            .finish()
    }
}
