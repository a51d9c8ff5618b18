//! [`Left`] and [`Leftover`]: what a loop holds, how much of it and where it was made.

use crate::{
    driver::Token,
    engine::turn::{Slot, Turn},
    flags::Flags,
    timer::Due,
};
use std::{fmt, panic::Location};

/// How much a loop holds: what would keep running if nobody ended it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Connections, those that are being made included.
    pub connections: usize,
    /// Ports that were not stopped, UDP ports that have not ended among them.
    pub ports: usize,
    /// Child processes that have not ended.
    pub processes: usize,
    /// Timers that are not due yet; connections have one each at most.
    pub timers: usize,
    /// Coroutines that have not ended.
    pub tasks: usize,
    /// Calls on the thread pool and remote resolvers whose answer has not come.
    pub answers: usize,
    /// Descriptors that are watched.
    pub watches: usize,
}

/// What kind of thing a loop holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeftKind {
    /// A port that was not stopped.
    Port,
    /// A UDP port that has not ended.
    UdpPort,
    /// A connection, one whose layers are not ready included.
    Connection,
    /// A connection that is being made.
    Connecting,
    /// A descriptor that is watched.
    Watch,
    /// A child process. Its pipes are connections.
    Process,
    /// A timer of [`Reactor::call_later`](crate::Reactor::call_later) or
    /// [`Handle::call_later`](crate::Handle::call_later), or the time limit of a connection that is being made.
    Timer,
    /// A [`Sleep`](crate::Sleep): that of a coroutine, or of a [`timeout`](crate::timeout).
    Sleep,
    /// A coroutine that has not ended.
    Task,
    /// A call on the thread pool whose answer has not come.
    Job,
    /// A [`RemoteResolver`](crate::RemoteResolver) whose answer has not come.
    Answer,
}

impl fmt::Display for LeftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "a port",
            Self::UdpPort => "a UDP port",
            Self::Connection => "a connection",
            Self::Connecting => "a connection that is being made",
            Self::Watch => "a watch",
            Self::Process => "a child process",
            Self::Timer => "a timer",
            Self::Sleep => "a sleep",
            Self::Task => "a task",
            Self::Job => "a call on the thread pool",
            Self::Answer => "a remote resolver without an answer",
        })
    }
}

/// One thing that a loop holds, from [`Engine::leftovers`](crate::Engine::leftovers).
///
/// ```
/// # use trenza_core::{Engine, LeftKind};
/// # use std::time::Duration;
/// # let net = trenza_sim::Net::new(1);
/// # let mut engine = Engine::new(Box::new(net.host("here").driver()));
/// let timer = engine.enter(|reactor| reactor.call_later(Duration::from_secs(60), || ()));
/// let leftovers = engine.leftovers();
/// assert_eq!(leftovers[0].kind, LeftKind::Timer);
/// assert_eq!(leftovers[0].made.file(), file!()); // "a timer, made at src/main.rs:7:20"
/// # drop(timer);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is.
    pub kind: LeftKind,
    /// What tells it from others of its kind: the address of a port, the remote address of a connection. May be
    /// empty.
    pub name: String,
    /// The code that made it; of an accepted connection, the code that listened.
    pub made: &'static Location<'static>,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        match (self.kind, &*self.name) {
            (_, "") => {}
            (LeftKind::Port | LeftKind::UdpPort, name) => write!(f, " on {name}")?,
            (LeftKind::Process, name) => write!(f, ", {name}")?,
            (_, name) => write!(f, " to {name}")?,
        }
        write!(f, ", made at {}", self.made)
    }
}

impl Turn {
    /// How much the loop holds.
    pub(crate) fn left(&self) -> Left {
        let connections = |slot: &&Slot| matches!(slot, Slot::Connecting(..) | Slot::Connection(_));
        let shared = &self.reactor.0;
        Left {
            connections: self.slots.iter().filter(connections).count() + self.parked.len(),
            ports: self.ports.len() + shared.udp_ports.borrow().len(),
            processes: self.children.len(),
            timers: shared.timers.borrow().len(),
            tasks: self.tasks.len(),
            answers: shared.waiting.borrow().len(),
            watches: self.slots.iter().filter(|slot| matches!(slot, Slot::Watch(_))).count(),
        }
    }

    /// Everything that the loop holds.
    pub(crate) fn leftovers(&self) -> Vec<Leftover> {
        let mut all: Vec<_> = self
            .slots
            .iter()
            .zip(self.slots.indices())
            .filter_map(|(slot, index)| of_slot(slot, index))
            .collect();
        all.extend(self.children.states().map(|state| Leftover {
            kind: LeftKind::Process,
            name: format!("{} ({})", state.program, state.pid),
            made: state.made,
        }));
        let nameless = |kind, made| Leftover { kind, name: String::new(), made };
        all.extend(self.tasks.made().into_iter().map(|made| nameless(LeftKind::Task, made)));
        let shared = &self.reactor.0;
        for (due, made) in shared.timers.borrow().entries() {
            match due {
                Due::Call(_) => all.push(nameless(LeftKind::Timer, made)),
                Due::Wake(_) => all.push(nameless(LeftKind::Sleep, made)),
                // It belongs to a connection that is in the list, or should have ended with it.
                Due::Connection(transport) | Due::Flush(transport) if transport.0.flags.any(Flags::LOST) => {
                    all.push(nameless(LeftKind::Timer, made));
                }
                Due::Connection(_) | Due::Flush(_) => {}
            }
        }
        let waiting = shared.waiting.borrow();
        let mut awaited: Vec<_> = waiting.iter().collect();
        awaited.sort_unstable_by_key(|(number, _)| **number);
        let kind = |pooled| if pooled { LeftKind::Job } else { LeftKind::Answer };
        all.extend(awaited.into_iter().map(|(_, awaited)| nameless(kind(awaited.pooled), awaited.made)));
        all
    }
}

fn of_slot(slot: &Slot, index: u32) -> Option<Leftover> {
    Some(match slot {
        Slot::Free => return None,
        Slot::Listener(listener) => {
            let (name, made) = (listener.state.addr.to_string(), listener.state.made);
            Leftover { kind: LeftKind::Port, name, made }
        }
        Slot::Watch(entry) => {
            let (name, made) = (entry.state.name.clone(), entry.state.made);
            Leftover { kind: LeftKind::Watch, name, made }
        }
        Slot::Udp(entry) => {
            let (name, made) = (entry.port.0.addr.to_string(), entry.port.0.made);
            Leftover { kind: LeftKind::UdpPort, name, made }
        }
        Slot::Connecting(generation, race) => {
            let address = race.address(Token { index, generation: *generation });
            let name = address.map(|to| to.to_string()).unwrap_or_default();
            Leftover { kind: LeftKind::Connecting, name, made: race.asked }
        }
        Slot::Connection(entry) => {
            let name = entry.transport.peer().remote.to_string();
            Leftover { kind: LeftKind::Connection, name, made: entry.origin.made() }
        }
    })
}
