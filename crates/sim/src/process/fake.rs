//! [`Fake`]: a program that is a coroutine, as it sees itself.

use super::Birth;
use crate::world::Shared;
use bytes::Bytes;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};
use trenza_core::{
    ExitStatus, Limits, Reactor, Result, Signal, Stream,
    driver::{Spawn, TERMINAL},
};

/// What the system keeps of a fake's signals.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    caught: RefCell<BTreeSet<Signal>>,
    pending: RefCell<VecDeque<Signal>>,
    waiting: RefCell<Option<Waker>>,
}

impl Inbox {
    /// Delivers a signal; false when it does what it does by default.
    pub(crate) fn deliver(&self, signal: Signal) -> bool {
        let caught = self.caught.borrow().contains(&signal);
        if caught {
            self.pending.borrow_mut().push_back(signal);
            let waiting = self.waiting.take();
            waiting.into_iter().for_each(Waker::wake);
        }
        caught
    }
}

/// The signals that a fake has caught.
#[derive(Debug, Clone)]
pub struct Signals(Rc<Inbox>);

impl Signals {
    /// The next one. One task waits at a time.
    pub async fn next(&self) -> Signal {
        poll_fn(|context| match self.0.pending.borrow_mut().pop_front() {
            Some(signal) => Poll::Ready(signal),
            None => {
                *self.0.waiting.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

/// A program that was started on a simulated host, as it sees itself; see
/// [`HostHandle::program`](crate::HostHandle::program). It has an engine of its own, so that it can do whatever a program
/// can; when its coroutine ends, or a signal ends it, the engine ends with all that it holds.
pub struct Fake {
    reactor: Reactor,
    pid: u32,
    how: Rc<Spawn>,
    inbox: Rc<Inbox>,
    streams: BTreeMap<u32, Stream>,
    /// Read, but not taken as a line.
    unread: BTreeMap<u32, Vec<u8>>,
    /// Descriptors that lead nowhere.
    nowhere: BTreeSet<u32>,
    /// What is left open when it ends.
    left: Rc<RefCell<Vec<Stream>>>,
}

impl Fake {
    /// What it was started with: arguments, environment, directory, user.
    pub fn how(&self) -> &Spawn {
        &self.how
    }

    /// Its arguments, as text.
    pub fn arguments(&self) -> Vec<String> {
        self.how.arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The reactor of its engine.
    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// The next bytes of a descriptor; None at the end.
    ///
    /// # Errors
    /// It is not open, or broken.
    pub async fn read(&mut self, which: u32) -> Result<Option<Bytes>> {
        let key = self.key(which);
        if let Some(unread) = self.unread.remove(&key) {
            return Ok(Some(unread.into()));
        }
        match self.stream(which)? {
            Some(stream) => stream.read().await,
            None => Ok(None),
        }
    }

    /// A line of a descriptor, without its LF; None at the end. What follows the last LF is a line too.
    ///
    /// # Errors
    /// It is not open, or broken.
    pub async fn line(&mut self, which: u32) -> Result<Option<Vec<u8>>> {
        let key = self.key(which);
        let mut line = Vec::new();
        while let Some(bytes) = self.read(which).await? {
            if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let (head, rest) = bytes.split_at(end);
                line.extend_from_slice(head);
                if rest.len() > 1 {
                    self.unread.insert(key, rest.iter().skip(1).copied().collect());
                }
                return Ok(Some(line));
            }
            line.extend_from_slice(&bytes);
        }
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    /// Everything to the end.
    ///
    /// # Errors
    /// It is not open, or broken.
    pub async fn read_all(&mut self, which: u32) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(bytes) = self.read(which).await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// Writes to a descriptor, and waits until the pipe has taken all of it, as a program does.
    ///
    /// # Errors
    /// It is not open, or nobody reads.
    pub async fn write(&mut self, which: u32, data: &[u8]) -> Result {
        let Some(stream) = self.stream(which)? else { return Ok(()) };
        stream.write_all(data).await?;
        stream.transport().flushed().await
    }

    /// Closes a descriptor.
    pub fn close(&mut self, which: u32) {
        self.nowhere.remove(&which);
        drop(self.take(which));
    }

    /// Is there anything at this descriptor?
    pub fn is_open(&self, which: u32) -> bool {
        self.streams.contains_key(&self.key(which)) || self.nowhere.contains(&which)
    }

    /// Takes a descriptor, to be used as any connection. Dropping it closes it; who writes to it waits until all has
    /// left ([`Transport::flushed`](trenza_core::Transport::flushed)), since the end of a program drops the rest.
    pub fn take(&mut self, which: u32) -> Option<Stream> {
        let key = self.key(which);
        self.streams.remove(&key)
    }

    /// Catches a signal from now on, so that it no longer ends the program. SIGKILL cannot be caught.
    pub fn catch(&self, signal: Signal) -> Signals {
        if signal != Signal::Kill {
            self.inbox.caught.borrow_mut().insert(signal);
        }
        Signals(self.inbox.clone())
    }

    fn key(&self, which: u32) -> u32 {
        if self.how.terminal.is_some() && which <= 2 { TERMINAL } else { which }
    }

    fn stream(&mut self, which: u32) -> Result<Option<&mut Stream>> {
        let key = self.key(which);
        match self.streams.get_mut(&key) {
            Some(stream) => Ok(Some(stream)),
            None if self.nowhere.contains(&which) => Ok(None),
            None => Err(format!("descriptor {which} is not open").into()),
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.left.borrow_mut().extend(std::mem::take(&mut self.streams).into_values());
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: Vec<_> = self.streams.keys().collect();
        f.debug_struct("Fake").field("pid", &self.pid).field("how", &self.how).field("open", &open).finish()
    }
}

/// Runs a program on the engine that it has got.
pub(super) fn begin(world: &Shared, birth: Birth, reactor: &Reactor) {
    let pid = birth.pid;
    // A program's end waits for nobody.
    reactor.set_limits(Limits { linger: std::time::Duration::ZERO, ..Limits::default() });
    let (world, own) = (world.clone(), reactor.clone());
    let task = reactor.spawn(async move { live(birth, own).await });
    task.then(move |ended| {
        let mut world = world.borrow_mut();
        let status = ended.unwrap_or_else(|error| {
            world.note(format_args!("process {pid} has failed: {error}"));
            ExitStatus::Code(1)
        });
        world.exits(pid, status);
    });
}

async fn live(birth: Birth, reactor: Reactor) -> Result<ExitStatus> {
    let left = Rc::<RefCell<Vec<Stream>>>::default();
    let mut streams = BTreeMap::new();
    for (which, ends) in birth.ends {
        streams.insert(which, reactor.adopt_stream(ends).await?);
    }
    let fake = Fake {
        reactor,
        pid: birth.pid,
        how: birth.how,
        inbox: birth.inbox,
        streams,
        unread: BTreeMap::new(),
        nowhere: birth.nowhere,
        left: left.clone(),
    };
    let status = (birth.program)(fake).await;
    let open = left.take();
    for stream in open {
        // Nobody may be there any more.
        let _ = stream.close().await;
    }
    status
}
