//! [`SimDriver`]: the driver of one host in a simulated network.

use crate::{
    canary::broken,
    datagram,
    host::SimHost,
    link::{End, Owner, far},
    port::Acceptor,
    stream::{Stream, Told},
    watch::Watch,
    world::{Shared, World},
};
use std::{
    collections::VecDeque,
    fmt, io, mem,
    net::{Ipv4Addr, SocketAddr},
    os::fd::BorrowedFd,
    rc::Rc,
    sync::atomic::Ordering,
    task::Waker,
    time::Instant,
};
use trenza_core::{
    Addr, Datagram, ExitStatus, Outbox, SocketOption, UdpOption,
    driver::{Bound, Close, Driver, Ends, Event, Host, Open, Socket, Token},
};
use trenza_wire::OutBuf;

/// The most connections and listeners of one host.
pub const SLOTS_MAX: usize = 1 << 16;
const GENERATION_MASK: u32 = (1 << 24) - 1;
/// The system's number for "too many open files".
const EMFILE: i32 = 24;

#[derive(Debug)]
enum What {
    Free,
    /// `late`: one more accept is told although accepting was turned off, as io_uring does.
    Port {
        listener: u64,
        accepting: bool,
        late: bool,
    },
    Stream(Box<Stream>),
    Datagrams(datagram::Slot),
    Watch(Watch),
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    what: What,
}

/// The driver of one host. It never moves the clock, so `wait` always returns at once: [`crate::Net`], which
/// knows all hosts, decides whose turn it is and when time passes.
///
/// It checks the loop's side of the contracts of [`trenza_core::driver`] too, and panics when they are broken.
pub struct SimDriver {
    world: Shared,
    host: usize,
    /// At which start of the machine it was made: after a crash it does nothing any more.
    boot: u32,
    completion: bool,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// What the last wait has found.
    ready: VecDeque<Token>,
    /// Bytes that are lent to the loop, and who has sent them.
    buffer: Vec<u8>,
    sender: Addr,
    /// What has left while waiting.
    spent: OutBuf,
}

impl SimDriver {
    pub(crate) fn new(world: Shared, host: usize) -> Self {
        let (completion, boot) = {
            let world = &mut *world.borrow_mut();
            let boot = world.hosts.get(host).map_or(0, |machine| machine.boot);
            (world.dice.chance(world.hostility.completion), boot)
        };
        Self {
            world,
            host,
            boot,
            completion,
            slots: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            buffer: Vec::new(),
            sender: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into(),
            spent: OutBuf::new(),
        }
    }

    fn add(&mut self, what: What) -> io::Result<Token> {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.what = what;
            return Ok(Token { index, generation: slot.generation });
        }
        if self.slots.len() >= SLOTS_MAX {
            return Err(too_many_open());
        }
        self.slots.push(Slot { generation: 0, what });
        Ok(Token { index: self.slots.len() as u32 - 1, generation: 0 })
    }

    fn slot(&mut self, token: Token) -> Option<&mut Slot> {
        self.slots.get_mut(token.index as usize).filter(|slot| slot.generation == token.generation)
    }

    /// Gives an index back, for the next that is opened: the sooner, the harder for a loop that mixes them up.
    fn remove(&mut self, token: Token) -> Option<What> {
        let slot = self.slot(token).filter(|slot| !matches!(slot.what, What::Free))?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        let what = mem::replace(&mut slot.what, What::Free);
        self.free.push(token.index);
        Some(what)
    }

    fn pending(&self, world: &World, token: Token) -> bool {
        let slot = self.slots.get(token.index as usize).filter(|slot| slot.generation == token.generation);
        match slot.map(|slot| &slot.what) {
            Some(What::Stream(stream)) => stream.pending(world),
            Some(What::Port { listener, accepting, late }) => {
                (*accepting || *late) && world.has_backlog(*listener)
            }
            Some(What::Datagrams(socket)) => socket.pending(world),
            Some(What::Watch(watch)) => watch.ready(world).is_some(),
            Some(What::Free) | None => false,
        }
    }

    /// One thing to tell of a token, if there is one.
    fn tell(&mut self, world: &mut World, token: Token) -> Option<Told> {
        let slot =
            self.slots.get_mut(token.index as usize).filter(|slot| slot.generation == token.generation)?;
        match &mut slot.what {
            What::Free => None,
            What::Stream(stream) => stream.tell(world, &mut self.buffer),
            What::Datagrams(socket) => socket.tell(world, &mut self.buffer),
            What::Watch(watch) => watch.tell(world),
            What::Port { listener, accepting, late } => {
                let listener = *listener;
                if !(*accepting || *late) || !world.has_backlog(listener) {
                    return None;
                }
                *late = false;
                if world.accept_fails(self.host) {
                    *accepting = false;
                    return Some(Told::Failed(too_many_open()));
                }
                self.accept(world, listener)
            }
        }
    }

    /// A process that has exited, if that is what comes next.
    fn next_exit(&self, world: &mut World) -> Option<(u32, ExitStatus)> {
        let machine = world.hosts.get(self.host).filter(|machine| machine.boot == self.boot)?;
        if machine.exits.is_empty() {
            return None;
        }
        let first = self.ready.is_empty() || world.hostility.shuffle > 0.0 && world.dice.chance(0.5);
        if !first {
            return None;
        }
        let (pid, status) = world.hosts.get_mut(self.host)?.exits.pop_front()?;
        let name = world.name(self.host);
        world.note(format_args!("{name} Exited({pid}, {status})"));
        world.processes.give_back(pid);
        Some((pid, status))
    }

    fn accept(&mut self, world: &mut World, listener: u64) -> Option<Told> {
        let end = world.accept(listener)?;
        let eager = world.dice.chance(world.hostility.reset_overtakes);
        let new = match self.add(What::Stream(Box::new(Stream::new(end, false, eager)))) {
            Ok(new) => new,
            Err(error) => {
                world.reset(end);
                return Some(Told::Failed(error));
            }
        };
        let remote = world.sides.get(&far(end))?.addr.clone();
        let side = world.sides.get_mut(&end)?;
        side.owner = Owner::Slot(new.index);
        Some(Told::Accepted(new, remote, side.addr.clone()))
    }

    fn adopt(&mut self, world: &mut World, input: Option<End>, output: Option<End>) -> io::Result<Token> {
        let host = self.host;
        let is_loose = |end: &End| {
            world.sides.get(end).is_some_and(|side| side.host == host && side.owner == Owner::Loose)
        };
        if !input.iter().chain(&output).all(is_loose) || input.is_none() && output.is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let eager = world.dice.chance(world.hostility.reset_overtakes);
        let stream = Stream::of(input, output, false, eager);
        let ends: Vec<End> = stream.ends().collect();
        let added = self.add(What::Stream(Box::new(stream)));
        for end in ends {
            match (&added, world.sides.get_mut(&end)) {
                (Ok(token), Some(side)) => side.owner = Owner::Slot(token.index),
                _ => world.reset(end),
            }
        }
        if let Ok(token) = &added {
            world.touch(self.host, token.index);
        }
        added
    }

    /// After something was told: is there more of it at this wait, at a later one, or not at all?
    fn settle(&mut self, world: &mut World, token: Token, told: Option<&Told>) {
        if let Some(Told::Connected(Err(_))) = told
            && let Some(What::Stream(stream)) = self.remove(token)
        {
            stream.ends().for_each(|end| world.release(end));
        }
        if !self.pending(world, token) {
            world.cool(self.host, token.index);
        } else if told.is_some() {
            match world.hostility.shuffle > 0.0 {
                false => self.ready.push_front(token),
                true if world.dice.chance(0.5) => {
                    self.ready.insert(world.dice.below(self.ready.len() + 1), token);
                }
                true => {}
            }
        }
    }
}

impl Driver for SimDriver {
    fn held(&mut self, _: Token) -> usize {
        0
    }

    fn until(&self) -> Option<Instant> {
        None
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn host(&self) -> Rc<dyn Host> {
        Rc::new(SimHost::new(self.world.clone(), self.host, self.boot))
    }

    fn open(&mut self, what: Open) -> io::Result<Token> {
        let shared = self.world.clone();
        let world = &mut *shared.borrow_mut();
        if !world.lives(self.host, self.boot) {
            return Err(io::ErrorKind::NetworkDown.into());
        }
        match what {
            Open::Listen(Bound { socket: Socket::Simulated(listener), .. }) => {
                let bound = world.listeners.get_mut(&listener).filter(|bound| bound.host == self.host);
                let bound = bound.ok_or(io::ErrorKind::NotFound)?;
                let token = self.add(What::Port { listener, accepting: false, late: false })?;
                bound.acceptor = Acceptor::Slot(token.index);
                Ok(token)
            }
            Open::Datagrams(Bound { socket: Socket::Simulated(id), .. }) => {
                let mailbox = world.mailboxes.get_mut(&id).filter(|mailbox| mailbox.host == self.host);
                let mailbox = mailbox.ok_or(io::ErrorKind::NotFound)?;
                let token = self.add(What::Datagrams(datagram::Slot::new(id)))?;
                mailbox.owner = Owner::Slot(token.index);
                Ok(token)
            }
            Open::Connect { to, from } => {
                let end = world.connect(self.host, &to, from.as_ref())?;
                let eager = world.dice.chance(world.hostility.reset_overtakes);
                let added = self.add(What::Stream(Box::new(Stream::new(end, true, eager))));
                match (&added, world.sides.get_mut(&end)) {
                    (Ok(token), Some(side)) => side.owner = Owner::Slot(token.index),
                    _ => world.reset(end),
                }
                added
            }
            Open::Adopt(Ends::One(Socket::Simulated(end))) => self.adopt(world, Some(end), Some(end)),
            Open::Adopt(Ends::Two { read, write }) => {
                let [input, output] = [read, write].map(|end| end.map(number).transpose());
                self.adopt(world, input?, output?)
            }
            Open::Watch(Socket::Simulated(id), interest) => {
                let token = self.add(What::Watch(Watch { id, interest, armed: false }))?;
                if let Err(error) = world.watch(id, self.host, token.index) {
                    self.remove(token);
                    return Err(error);
                }
                Ok(token)
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "a simulated network has no descriptors")),
        }
    }

    fn read(&mut self, token: Token, on: bool) {
        let shared = self.world.clone();
        let world = &mut *shared.borrow_mut();
        if !world.lives(self.host, self.boot) {
            return;
        }
        match self.slot(token).map(|slot| &mut slot.what) {
            Some(What::Stream(stream)) => stream.read(on, world),
            Some(What::Port { .. }) if !on && broken("exceed-connections", 1) => {}
            Some(What::Port { accepting, late, .. }) => {
                *late = *accepting && !on && world.dice.chance(world.hostility.late);
                *accepting = on;
            }
            Some(What::Datagrams(socket)) => socket.reading = on,
            Some(What::Watch(watch)) => watch.armed = on,
            Some(What::Free) | None => return,
        }
        world.touch(self.host, token.index);
    }

    fn send(&mut self, token: Token, out: &mut OutBuf) {
        // Dropped last, since its owners may be a program's, whose handles ask the world.
        let mut spent = OutBuf::new();
        let shared = self.world.clone();
        let world = &mut *shared.borrow_mut();
        let completion = self.completion;
        if !world.lives(self.host, self.boot) {
            return;
        }
        if let Some(What::Stream(stream)) = self.slot(token).map(|slot| &mut slot.what) {
            stream.send(world, out, completion, &mut spent);
            world.touch(self.host, token.index);
        }
    }

    fn send_to(&mut self, token: Token, out: &mut Outbox) {
        let shared = self.world.clone();
        let world = &mut *shared.borrow_mut();
        if !world.lives(self.host, self.boot) {
            return;
        }
        if let Some(What::Datagrams(socket)) = self.slot(token).map(|slot| &mut slot.what) {
            socket.send(world, out);
            world.touch(self.host, token.index);
        }
    }

    fn set_option(&mut self, token: Token, option: SocketOption) -> io::Result<()> {
        let shared = self.world.clone();
        let world = &*shared.borrow();
        let Some(What::Stream(stream)) = self.slot(token).map(|slot| &slot.what) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let addr = stream.ends().find_map(|end| Some(&world.sides.get(&end)?.addr));
        match (addr, option) {
            // Nothing here depends on them.
            (Some(Addr::Ip(_)), _) => Ok(()),
            (Some(Addr::Unix(_)), SocketOption::SendBuffer(_) | SocketOption::ReceiveBuffer(_)) => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it has no such option")),
        }
    }

    fn set_udp_option(&mut self, token: Token, option: &UdpOption) -> io::Result<()> {
        let shared = self.world.clone();
        let world = &mut *shared.borrow_mut();
        match self.slot(token).map(|slot| &slot.what) {
            Some(What::Datagrams(socket)) => world.set_udp(socket.id, option),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn close(&mut self, token: Token, how: Close) {
        let gone; // dropped last, as in `send`
        let shared = self.world.clone();
        let world = &mut *shared.borrow_mut();
        if !world.lives(self.host, self.boot) {
            return;
        }
        if let Some(What::Stream(stream)) = self.slot(token).map(|slot| &mut slot.what) {
            let early = how != Close::Abort && stream.has_lent();
            assert!(!early, "contract 1: close({how:?}) of {token:?} while bytes are lent");
            if how == Close::Write {
                stream.close_write(world);
                return world.touch(self.host, token.index);
            }
        }
        world.cool(self.host, token.index);
        gone = self.remove(token);
        match &gone {
            Some(What::Stream(stream)) if how != Close::Abort => {
                stream.ends().for_each(|end| world.release(end))
            }
            Some(What::Stream(stream)) => stream.ends().for_each(|end| world.reset(end)),
            Some(What::Port { listener, .. }) => world.unbind(*listener),
            Some(What::Datagrams(socket)) => world.close_mailbox(socket.id),
            Some(What::Watch(watch)) => watch.end(world),
            Some(What::Free) | None => {}
        }
    }

    fn wait(&mut self, _until: Option<Instant>) -> io::Result<()> {
        let shared = self.world.clone();
        let world = &mut *shared.borrow_mut();
        let Some(machine) = world.hosts.get(self.host) else { return Ok(()) };
        machine.woken.0.store(false, Ordering::Release);
        let hot: Vec<u32> = machine.hot.iter().copied().collect();
        if !self.ready.is_empty() || world.dice.chance(world.hostility.spurious) {
            return Ok(());
        }
        for index in hot {
            let Some(slot) = self.slots.get_mut(index as usize) else { continue };
            let token = Token { index, generation: slot.generation };
            if let What::Stream(stream) = &mut slot.what {
                stream.work(world, &mut self.spent);
            }
            match self.pending(world, token) {
                true => self.ready.push_back(token),
                false => world.cool(self.host, index),
            }
        }
        if world.dice.chance(world.hostility.shuffle) {
            world.dice.shuffle(self.ready.make_contiguous());
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Event<'_>> {
        drop(mem::take(&mut self.spent));
        let shared = self.world.clone();
        let world = &mut *shared.borrow_mut();
        if let Some((pid, status)) = self.next_exit(world) {
            return Some(Event::Exited { pid, status });
        }
        let (token, told) = loop {
            let token = self.ready.pop_front()?;
            let told = self.tell(world, token);
            self.settle(world, token, told.as_ref());
            if let Some(told) = told {
                break (token, told);
            }
        };
        assert!(!broken("panic", 256), "a panic that nobody asked for");
        let name = world.name(self.host);
        let Token { index, generation } = token;
        match &told {
            Told::Received => {
                world.note(format_args!("{name} {index}/{generation} Received({})", self.buffer.len()));
            }
            // Its number is not the seed's.
            Told::Descriptor(_) => world.note(format_args!("{name} {index}/{generation} Descriptor")),
            told => world.note(format_args!("{name} {index}/{generation} {told:?}")),
        }
        Some(match told {
            Told::Accepted(new, remote, local) => Event::Accepted { on: token, new, remote, local },
            Told::Connected(result) => Event::Connected { token, result },
            Told::Received => Event::Received { token, data: &mut self.buffer },
            Told::Descriptor(descriptor) => Event::Descriptor { token, descriptor },
            Told::Ready(ready) => Event::Ready { token, ready },
            Told::Eof => Event::Eof { token },
            Told::Sent(bytes) => Event::Sent { token, bytes },
            Told::Failed(error) => Event::Failed { token, error },
            Told::Datagram { from, to, ecn, stride } => {
                self.sender = from;
                let (data, from) = (&mut self.buffer[..], &self.sender);
                Event::Datagram { token, datagram: Datagram { data, from, to, ecn, stride } }
            }
            Told::Undelivered(to, error) => Event::Undelivered { token, to: Some(to), error },
        })
    }

    fn waker(&self) -> Waker {
        let world = self.world.borrow();
        world
            .hosts
            .get(self.host)
            .map_or_else(|| Waker::noop().clone(), |machine| machine.woken.clone().into())
    }
}

impl Drop for SimDriver {
    /// As when a process ends: listeners go, connections are closed by the system.
    fn drop(&mut self) {
        // Within a panic of the world itself it is borrowed, and nobody looks at it any more.
        let slots = mem::take(&mut self.slots); // dropped last, as in `send`
        let Ok(mut world) = self.world.try_borrow_mut() else { return };
        if !world.lives(self.host, self.boot) {
            return;
        }
        for slot in &slots {
            match &slot.what {
                What::Port { listener, .. } => world.unbind(*listener),
                What::Stream(stream) => stream.ends().for_each(|end| world.release(end)),
                What::Datagrams(socket) => world.close_mailbox(socket.id),
                What::Watch(watch) => watch.end(&mut world),
                What::Free => {}
            }
        }
        world.end_children(self.host);
        if let Some(machine) = world.hosts.get_mut(self.host) {
            machine.exits.clear();
            machine.hot.clear();
        }
    }
}

impl fmt::Debug for SimDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDriver")
            .field("host", &self.host)
            .field("completion", &self.completion)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

/// The number of a simulated end.
fn number(end: Socket) -> io::Result<End> {
    match end {
        Socket::Simulated(end) => Ok(end),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn too_many_open() -> io::Error {
    io::Error::from_raw_os_error(EMFILE)
}
