//! [`Cores`]: a program of several loops, one on each core.

use crate::{
    register,
    run::{Seen, serve, stop_on_signals},
};
use std::{
    panic::resume_unwind,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, Scope, ScopedJoinHandle, available_parallelism},
};
use trenza_core::{Engine, Error, Loops, Reactor, Reason, Remote, Result};
use trenza_sys::{DriverKind, Pinned, SharedSockets};

/// Runs a program on `n` loops, each on a thread of its own; 0: as many as there are cores. See [`Cores`].
///
/// # Errors
/// Those of [`Cores::run`].
pub fn cores(n: usize, setup: impl Fn(&Reactor) -> Result + Send + Sync) -> Result {
    Cores::new(n).run(setup)
}

/// A program of several loops, each on a thread of its own, so that it uses several cores.
///
/// Each loop is set up by a call of `setup` on its own thread: it has its own protocols, connections and timers, which
/// nobody else reaches. What loops have in common is what `setup` captures, and so `Send + Sync`; they talk to each other
/// by [`Reactor::loops`].
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use trenza::{cores, prelude::*};
///
/// struct Count<'a>(&'a AtomicUsize);
/// # impl Protocol for Count<'static> {
/// #     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result { Ok(()) }
/// # }
///
/// static SERVED: AtomicUsize = AtomicUsize::new(0);
///
/// cores(2, |reactor| {
///     let port = reactor.listen("tcp:0:interface=127.0.0.1", |_| {
///         SERVED.fetch_add(1, Ordering::Relaxed);
///         Count(&SERVED)
///     })?;
///     if reactor.loop_index() == 0 {
///         println!("listening on {}", port.addr()); // it is the same on all
///     }
/// #   reactor.stop();
///     Ok(())
/// })?;
/// # Ok::<(), trenza::Error>(())
/// ```
///
/// # Where they listen
/// What `setup` listens on is shared. The first loop binds it, and nobody else may: an address that somebody has is an
/// error, and a second program that wants it gets one. The other loops serve the same socket. So port 0 is the same port on
/// all, UNIX sockets, `fd:` and `systemd:` are shared alike, and a connection waits in one queue from which any loop takes
/// it. UDP ports are one socket a loop on Linux (`SO_REUSEPORT`), so that the datagrams of one sender always come to the
/// same loop; other programs of the same user could join only by asking for that themselves. A multicast group that all
/// loops join is heard by each. UNIX datagrams, and UDP elsewhere, come to any loop. `stdio:` can be taken by one loop only:
/// ask [`Reactor::loop_index`].
///
/// Loops know what is shared by what `setup` asks for: the same address for the same time. A listen that one loop makes
/// alone or later belongs to it alone. A loop that [stops a port](crate::Port::stop) does so for itself.
///
/// # Who serves whom, and what is counted together
/// Of the loops that wait, the system wakes one for a new connection (`EPOLLEXCLUSIVE`, and accepts of io_uring do the same),
/// so that it costs no more with many loops than with one. A connection is served where it was accepted, unless that loop
/// has 4 more of its port than another one: then it goes to the one that has fewest. So connections that stay are spread
/// evenly, and short ones stay where they came.
///
/// A loop that is busy may be told of a connection, too, up to 16 of them on io_uring: they wait as long as whatever else it
/// has to do. One that pauses or stops a port leaves all of them to the others, what it had accepted already too.
///
/// Limits are those of all loops: [`Reactor::set_connections_max`], and of a port `connections=` and `per-address=` or their
/// [`Policy`](crate::Policy). A table of [`Addresses`](crate::Addresses) may be made outside of `setup`, and so may a
/// [`Bucket`](crate::Bucket) for a rate that holds for the connections of all loops together.
///
/// # How it ends
/// [`Reactor::stop`] on any loop, SIGINT or SIGTERM stop all of them gracefully; a second signal cuts all short. An error of
/// `setup` on any loop, or of a driver, ends all at once, and is what comes of it. Panics of callbacks cost their
/// connection, as ever; one in `setup` ends all, and goes on in the caller.
///
/// # In the simulator
/// There a host has one loop: what `setup` does on each is tested on one, and calls between loops between hosts, since
/// [`Remote`] works there, too. Threads cannot be replayed from a seed.
#[derive(Debug, Clone)]
#[must_use = "nothing happens until it is run"]
pub struct Cores {
    loops: usize,
    driver: Option<DriverKind>,
    pinned: bool,
}

impl Cores {
    /// `n` loops; 0: as many as there are cores that this program may use.
    pub fn new(n: usize) -> Self {
        let loops = if n == 0 { available_parallelism().map_or(1, usize::from) } else { n };
        Self { loops, driver: None, pinned: false }
    }

    /// How many loops it has.
    pub fn loops(&self) -> usize {
        self.loops
    }

    /// Runs on drivers of that kind, whatever `TRENZA_DRIVER` says.
    pub fn on(self, kind: DriverKind) -> Self {
        Self { driver: Some(kind), ..self }
    }

    /// Keeps each loop on one core, where the system does that (Linux): worth it where nothing else runs on them. Where
    /// there are more loops than cores they share.
    pub fn pinned(self, pinned: bool) -> Self {
        Self { pinned, ..self }
    }

    /// Sets up all loops, one after another, and runs them until they are stopped. The first one runs on this thread.
    ///
    /// # Errors
    /// Those of `setup` and of the system; [`Interrupted`](crate::Interrupted) after a second signal.
    ///
    /// # Panics
    /// As `setup` does.
    pub fn run(self, setup: impl Fn(&Reactor) -> Result + Send + Sync) -> Result {
        let kind = self.driver.map_or_else(DriverKind::from_env, Ok)?;
        let (sockets, crew) = (SharedSockets::default(), Crew::default());
        let own = Own { kind, pinned: self.pinned, sockets: &sockets, setup: &setup, crew: &crew };
        let led = thread::scope(|scope| {
            let _watch = Watch(&crew);
            let others = (1..self.loops).map(|index| Other::start(scope, own, index));
            let others = others.collect::<Result<Vec<_>>>()?;
            // After them: a thread begins with the cores of the one that starts it.
            let (_pinned, mut engine) = own.make(0)?;
            let made = others.iter().map(Other::made).collect::<Result<Vec<_>>>()?;
            let remotes: Vec<_> = [engine.reactor().remote()].into_iter().chain(made).collect();
            let loops = Loops::new(remotes.clone());
            let _signals = stop_on_signals(crew.remotes.get_or_init(|| remotes).clone(), crew.seen.clone())?;
            if let Err(error) = own.lead(&mut engine, &loops, &others) {
                crew.fail(error);
            }
            drop(engine);
            others.into_iter().for_each(Other::join);
            Ok(())
        });
        // What another loop failed of came before what this one made of it.
        let failed = crew.failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(led, Err)
    }
}

/// What each loop is made with.
struct Own<'a, F> {
    kind: DriverKind,
    pinned: bool,
    sockets: &'a SharedSockets,
    setup: &'a F,
    crew: &'a Crew,
}

impl<F> Clone for Own<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Own<'_, F> {}

impl<F: Fn(&Reactor) -> Result + Send + Sync> Own<'_, F> {
    fn make(self, index: usize) -> Result<(Option<Pinned>, Engine)> {
        let pinned = self.pinned.then(|| Pinned::to(index)).transpose()?;
        Ok((pinned, Engine::new(self.kind.sharing(self.sockets)?)))
    }

    fn set_up(self, engine: &mut Engine, loops: &Loops, index: usize) -> Result {
        engine.join(loops, index);
        engine.enter(|reactor| {
            register(reactor);
            (self.setup)(reactor)
        })
    }

    /// The first loop, which has the others set up.
    fn lead(self, engine: &mut Engine, loops: &Loops, others: &[Other<'_>]) -> Result {
        self.set_up(engine, loops, 0)?;
        others.iter().try_for_each(|other| other.set_up(loops))?;
        self.sockets.close();
        others.iter().for_each(Other::go);
        serve(engine, &self.crew.seen)
    }

    /// Any other loop.
    fn follow(self, index: usize, told: &Sender<Step>, orders: &Receiver<Order>) -> Result {
        let (_pinned, mut engine) = self.make(index)?;
        let _ = told.send(Step::Made(engine.reactor().remote()));
        let Ok(Order::SetUp(loops)) = orders.recv() else { return Ok(()) };
        self.set_up(&mut engine, &loops, index)?;
        let _ = told.send(Step::SetUp);
        match orders.recv() {
            Ok(Order::Go) => serve(&mut engine, &self.crew.seen),
            // Another one could not be set up.
            _ => Ok(()),
        }
    }
}

/// What a loop has done.
enum Step {
    Made(Remote),
    SetUp,
}

/// What it is to do next.
enum Order {
    SetUp(Loops),
    Go,
}

/// Any loop but the first one, as that sees it.
struct Other<'scope> {
    thread: ScopedJoinHandle<'scope, ()>,
    told: Receiver<Step>,
    orders: Sender<Order>,
}

impl<'scope> Other<'scope> {
    fn start<'a: 'scope, F: Fn(&Reactor) -> Result + Send + Sync>(
        scope: &'scope Scope<'scope, '_>,
        own: Own<'a, F>,
        index: usize,
    ) -> Result<Self> {
        let ((telling, told), (orders, ordered)) = (channel(), channel());
        let run = move || {
            let _watch = Watch(own.crew);
            if let Err(error) = own.follow(index, &telling, &ordered) {
                own.crew.fail(error);
            }
        };
        let thread = thread::Builder::new().name(format!("trenza-loop-{index}"));
        Ok(Self { thread: thread.spawn_scoped(scope, run)?, told, orders })
    }

    /// Waits until it is there.
    fn made(&self) -> Result<Remote> {
        match self.told.recv() {
            Ok(Step::Made(remote)) => Ok(remote),
            _ => Err(Reason::Stopped.into()),
        }
    }

    /// Has it set up, and waits until it is.
    fn set_up(&self, loops: &Loops) -> Result {
        let _ = self.orders.send(Order::SetUp(loops.clone()));
        match self.told.recv() {
            Ok(Step::SetUp) => Ok(()),
            _ => Err(Reason::Stopped.into()),
        }
    }

    fn go(&self) {
        let _ = self.orders.send(Order::Go);
    }

    /// Waits for its end, without which it may still wait for orders; passes its panic on.
    fn join(self) {
        drop(self.orders);
        if let Err(panic) = self.thread.join() {
            resume_unwind(panic);
        }
    }
}

/// What all loops know of each other's fate.
#[derive(Default)]
struct Crew {
    remotes: OnceLock<Vec<Remote>>,
    seen: Arc<Seen>,
    /// The first error.
    failed: Mutex<Option<Error>>,
}

impl Crew {
    fn fail(&self, error: Error) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.cut();
    }

    /// Ends all loops at once.
    fn cut(&self) {
        self.seen.failed.store(true, Ordering::Relaxed);
        for remote in self.remotes.get().into_iter().flatten() {
            // The call also ends the wait.
            remote.call(Reactor::stop);
        }
    }
}

/// Ends all loops when the thread of one of them panics.
struct Watch<'a>(&'a Crew);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.cut();
        }
    }
}
