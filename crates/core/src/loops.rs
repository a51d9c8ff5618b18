//! [`Loops`]: what the loops of one program have in common.

use crate::{
    Addr, Map, Policy, Reactor, Remote, engine::command::Command, policy::Counted, room::Room, shared::Shared,
};
use std::{
    fmt,
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// How many more connections of a port a loop may have than the one that has fewest. Who gets a connection is left to the
/// kernel that far, so that short ones are served where they came.
const AHEAD: usize = 4;

/// The loops of one program, each on a thread of its own. Programs get them from `trenza::cores`; who drives an
/// [`Engine`](crate::Engine) by hand joins it to others with [`Engine::join`](crate::Engine::join).
///
/// A cheap clone, `Send + Sync`.
#[derive(Clone)]
pub struct Loops(Arc<Inner>);

struct Inner {
    remotes: Arc<[Remote]>,
    /// The connections of all loops.
    connections: Room,
    /// By the address they are bound to. The ends of ports leave places empty, which are cleared by the next one.
    ports: Mutex<Map<Addr, Weak<Port>>>,
}

impl Loops {
    /// These loops belong together.
    pub fn new(remotes: impl IntoIterator<Item = Remote>) -> Self {
        let remotes = remotes.into_iter().collect();
        Self(Arc::new(Inner { remotes, connections: Room::default(), ports: Mutex::default() }))
    }

    fn port(&self, addr: &Addr) -> Arc<Port> {
        let mut ports = self.0.ports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(port) = ports.get(addr).and_then(Weak::upgrade) {
            return port;
        }
        ports.retain(|_, port| port.strong_count() > 0);
        let each = self.0.remotes.iter().map(|_| Load::default()).collect();
        let port = Arc::new(Port { each, counted: OnceLock::new() });
        ports.insert(addr.clone(), Arc::downgrade(&port));
        port
    }
}

impl fmt::Debug for Loops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loops").field(&self.0.remotes.len()).finish()
    }
}

/// A port, as all loops see it.
struct Port {
    each: Vec<Load>,
    /// What the policy of the first loop counts.
    counted: OnceLock<Counted>,
}

/// What a loop has of a port.
#[derive(Default)]
struct Load {
    /// It takes connections.
    serves: AtomicBool,
    live: AtomicUsize,
}

impl Load {
    fn live(&self) -> usize {
        self.live.load(SeqCst)
    }

    fn enter(&self) {
        self.live.fetch_add(1, SeqCst);
    }

    fn leave(&self) {
        self.live.fetch_sub(1, SeqCst);
    }
}

/// A port that others may serve, too: who takes the next connection.
///
/// Loops accept from one queue, and the kernel wakes whom it likes; what is even for short connections is not for long
/// ones. So a loop that has more than others hands on what it accepts to the one that has fewest.
#[derive(Clone)]
pub(crate) struct Spread {
    port: Arc<Port>,
    index: usize,
}

impl Spread {
    fn load(&self, index: usize) -> Option<&Load> {
        self.port.each.get(index)
    }

    /// This loop takes connections, from its beginning: what it is given before it runs waits for it.
    fn begin(self) -> Self {
        self.serve(true);
        self
    }

    /// It takes some, or none any more.
    pub(crate) fn serve(&self, serves: bool) {
        self.load(self.index).into_iter().for_each(|load| load.serves.store(serves, SeqCst));
    }

    /// Gives one more connection to a loop, and says which.
    pub(crate) fn assign(&self) -> usize {
        let serving = self.port.each.iter().enumerate().filter(|(_, load)| load.serves.load(SeqCst));
        let least = serving.map(|(index, load)| (load.live(), index)).min();
        let own = self.load(self.index);
        // A loop that has stopped the port keeps nothing that another one can have.
        let serves = own.is_some_and(|load| load.serves.load(SeqCst));
        let own = own.map_or(0, Load::live);
        let least = least.filter(|(least, _)| !serves || own > least + AHEAD);
        let whose = least.map_or(self.index, |(_, index)| index);
        self.load(whose).into_iter().for_each(Load::enter);
        whose
    }

    /// A connection that was given to loop `from` is this one's.
    pub(crate) fn take_back(&self, from: usize) {
        self.load(from).into_iter().for_each(Load::leave);
        self.load(self.index).into_iter().for_each(Load::enter);
    }

    /// One of this loop's connections has ended.
    pub(crate) fn left(&self) {
        self.load(self.index).into_iter().for_each(Load::leave);
    }

    /// The same port as another loop sees it.
    pub(crate) fn of(&self, index: usize) -> Self {
        Self { port: self.port.clone(), index }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }
}

/// Which of them a loop is.
pub(crate) struct Joined {
    pub(crate) loops: Loops,
    pub(crate) index: usize,
}

impl Joined {
    /// The other loops.
    fn others(&self) -> impl Iterator<Item = &Remote> {
        self.loops
            .0
            .remotes
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != self.index)
            .map(|(_, remote)| remote)
    }

    /// The connections of all loops.
    pub(crate) fn connections(&self) -> &Room {
        &self.loops.0.connections
    }

    pub(crate) fn remote(&self, index: usize) -> Option<&Remote> {
        self.loops.0.remotes.get(index)
    }
}

impl Shared {
    /// Makes this loop one of several; see [`Engine::join`](crate::Engine::join).
    pub(crate) fn join(&self, loops: &Loops, index: usize) {
        let many = loops.0.remotes.len();
        assert!(index < many, "there is no loop {index} among {many}");
        let joined = self.joined.set(Joined { loops: loops.clone(), index });
        assert!(joined.is_ok(), "this loop belongs to others already");
    }
}

impl Reactor {
    /// Every loop of the program, this one too, in the order of [`Reactor::loop_index`]. Of a program with one loop, that
    /// one.
    pub fn loops(&self) -> Arc<[Remote]> {
        match self.0.joined.get() {
            Some(joined) => joined.loops.0.remotes.clone(),
            None => Arc::new([self.remote()]),
        }
    }

    /// Which of the program's loops this one is, from 0 on.
    pub fn loop_index(&self) -> usize {
        self.0.joined.get().map_or(0, |joined| joined.index)
    }

    /// What all loops count for the port at this address, and the policy that counts so.
    pub(crate) fn spread(
        &self,
        addr: &Addr,
        policy: Option<Rc<Policy>>,
    ) -> (Option<Spread>, Option<Rc<Policy>>) {
        let Some(joined) = self.0.joined.get() else { return (None, policy) };
        let port = joined.loops.port(addr);
        let policy = policy.map(|policy| {
            let counted = port.counted.get_or_init(|| policy.counted());
            Rc::new(policy.counting(counted.clone()))
        });
        (Some(Spread { port, index: joined.index }.begin()), policy)
    }

    /// This loop takes no more connections from a port that others serve. It may have been told of one that it did not
    /// take, and then nobody else knows: the others look again.
    pub(crate) fn leave_port(&self, then: impl FnOnce(&Self) + 'static) {
        let reactor = self.clone();
        let left = move || {
            then(&reactor);
            let joined = reactor.0.joined.get();
            for remote in joined.into_iter().flat_map(Joined::others) {
                remote.call(|reactor| reactor.0.command(Command::LookAgain));
            }
        };
        // After the next wait: by then the driver has told what it had accepted, and is told of nothing more.
        self.call_later(Duration::ZERO, left).detach();
    }

    /// Stops the other loops of the program.
    pub(crate) fn stop_others(&self) {
        let joined = self.0.joined.get();
        for remote in joined.into_iter().flat_map(Joined::others) {
            remote.call(|reactor| {
                reactor.stop_alone();
            });
        }
    }
}
