//! [`Turn`]: what the loop does with events, timers and commands.

use crate::{
    Addr, Connection, Layers, Peer, Protocol, Reactor, Reason, Result, SocketOption, Transport,
    connection::Origin,
    driver::{Close, Driver, Ends, Established, Event, Open, Token},
    engine::admit::{Handed, Parked},
    engine::command::Command,
    engine::edge::Edge,
    engine::entry::Entry,
    engine::kept::Kept,
    engine::ports::{Listener, tell_stopping},
    engine::stack::Decoded,
    engine::table::Table,
    engine::udp::UdpEntry,
    flags::Flags,
    process::children::Children,
    race::Race,
    shared::Stop,
    task::{Task, Tasks},
    timer::Due,
    watch::WatchEntry,
};
use std::{collections::VecDeque, io, panic::Location, rc::Rc, time::Duration};

/// How long a port rests after it could not accept (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// So many pieces at the end of a turn's work are taken from all queues in turn: one that never gets empty must not
/// keep the others waiting for ever, above all not the call that stops the loop.
const SHARED_WORK: usize = 1024;

/// A place in the loop's table.
#[derive(Default)]
pub(crate) enum Slot {
    #[default]
    Free,
    Listener(Box<Listener>),
    Connecting(u32, Rc<Race>),
    Connection(Entry),
    Udp(Box<UdpEntry>),
    Watch(Box<WatchEntry>),
}

/// The loop without its driver: tables, and what a turn is at.
pub(crate) struct Turn {
    pub(crate) reactor: Reactor,
    pub(crate) slots: Table<Slot>,
    pub(crate) tasks: Tasks,
    pub(crate) children: Children,
    /// Ports, whose accepting follows the number of connections.
    pub(crate) ports: Vec<Token>,
    /// Something about ports changed since they were last looked at.
    pub(crate) ports_changed: bool,
    /// New connections that nobody wants.
    pub(crate) refused: Vec<Token>,
    /// New connections that another loop is to have.
    pub(crate) handed: Vec<Handed>,
    /// Watches that were told and go on.
    pub(crate) rearm: Vec<Token>,
    /// New connections that there is no room for yet.
    pub(crate) parked: VecDeque<Parked>,
    pub(crate) flushing: VecDeque<Transport>,
    /// How many UDP ports this flush is for.
    flushing_udp: usize,
    /// Emptied by the last flush; its memory is used for the next.
    spare: Vec<Transport>,
    work_left: usize,
    /// Timers made in this turn wait for the next one.
    timer_serial: u64,
    /// What was started with [`Reactor::start`].
    pub(crate) services: Kept,
    /// The task that is being polled.
    polling: Option<Transport>,
}

impl Turn {
    pub(crate) fn new(reactor: Reactor) -> Self {
        Self {
            reactor,
            slots: Table::default(),
            tasks: Tasks::default(),
            children: Children::default(),
            ports: Vec::new(),
            ports_changed: false,
            refused: Vec::new(),
            handed: Vec::new(),
            rearm: Vec::new(),
            parked: VecDeque::new(),
            flushing: VecDeque::new(),
            flushing_udp: 0,
            spare: Vec::new(),
            work_left: 0,
            timer_serial: 0,
            polling: None,
            services: Kept::default(),
        }
    }

    pub(crate) fn begin(&mut self, work: usize) {
        self.work_left = work;
        self.timer_serial = self.reactor.0.timers.borrow().serial();
    }

    pub(crate) fn entry(&mut self, token: Token) -> Option<&mut Entry> {
        match self.slots.get_mut(token.index)? {
            Slot::Connection(entry) if entry.transport.0.token == token => Some(entry),
            _ => None,
        }
    }

    pub(crate) fn listener(&mut self, token: Token) -> Option<&mut Listener> {
        match self.slots.get_mut(token.index)? {
            Slot::Listener(listener) if listener.state.token.get() == Some(token) => Some(listener),
            _ => None,
        }
    }

    pub(crate) fn place(&mut self, token: Token, slot: Slot) -> Slot {
        self.slots.place(token, slot)
    }

    /// A panic came out of user code: it costs the connection that it was running for.
    pub(crate) fn panicked(&mut self) {
        let running = self.reactor.0.running.take();
        if let Some(port) = running.and_then(|token| Some(self.udp(token)?.port.clone())) {
            tracing::error!(?port, "a callback panicked");
            return port.condemn(Reason::Panicked);
        }
        let transport = self.polling.take().or_else(|| Some(self.entry(running?)?.transport.clone()));
        match transport {
            Some(transport) => {
                tracing::error!(connection = %transport.id(), "a callback panicked");
                transport.condemn(Reason::Panicked);
            }
            None => tracing::error!("a callback that belongs to no connection panicked"),
        }
    }

    // ── events ──

    /// What needs the driver after an event.
    pub(crate) fn settle(&mut self, driver: &mut dyn Driver) {
        if self.ports_changed {
            self.look_at_ports(driver);
        }
        while let Some(handed) = self.handed.pop() {
            self.hand_on(driver, handed);
        }
        while let Some(token) = self.refused.pop() {
            driver.close(token, Close::Abort);
        }
        while let Some(token) = self.rearm.pop() {
            driver.read(token, true);
        }
    }

    pub(crate) fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Received { token, data } => {
                if let Some(entry) = self.entry(token) {
                    let outcome = entry.received(data);
                    self.conclude(token, outcome);
                }
            }
            Event::Sent { token, bytes } => self.sent(token, bytes),
            Event::Exited { pid, status } => self.exited(pid, status),
            Event::Accepted { on, new, remote, local } => self.accepted(on, new, remote, local),
            Event::Eof { token } => {
                if let Some(entry) = self.entry(token) {
                    let outcome = entry.wire_ended();
                    self.conclude(token, outcome);
                }
            }
            Event::Failed { token, error } => self.failed(token, error),
            Event::Connected { token, result } => self.connected(token, result),
            Event::Descriptor { token, descriptor } => {
                if let Some(entry) = self.entry(token) {
                    entry.descriptor(descriptor);
                }
            }
            Event::Ready { token, ready } => self.ready(token, ready),
            Event::Datagram { token, datagram } => self.datagram(token, datagram),
            Event::Undelivered { token, to, error } => self.undelivered(token, to.as_ref(), &error),
        }
    }

    /// Bytes may have completed a handshake: then the protocol gets what came with it, and hears of the end or of a
    /// failure behind it, as if all had come in pieces of their own.
    fn conclude(&mut self, token: Token, outcome: Result<Decoded, Reason>) {
        self.build_if_ready(token);
        if let Some(entry) = self.entry(token) {
            entry.conclude(outcome);
        }
    }

    fn sent(&mut self, token: Token, bytes: usize) {
        if let Some(entry) = self.udp(token) {
            return entry.port.mark_dirty();
        }
        let Some(entry) = self.entry(token) else { return };
        let connection = &entry.transport.0;
        match entry.stack.as_deref_mut() {
            Some(stack) => {
                stack.wire.landed(bytes);
                stack.sent += bytes as u64;
                connection.below.set(connection.below.get().saturating_sub(bytes));
            }
            None => connection.out.borrow_mut().landed(bytes),
        }
        if bytes > 0 {
            connection.touch();
        }
        entry.transport.mark_dirty();
    }

    fn failed(&mut self, token: Token, error: io::Error) {
        if let Some(entry) = self.entry(token) {
            entry.transport.0.flags.clear(Flags::READING);
            let lingering = entry.transport.0.flags.any(Flags::LINGERING);
            if lingering {
                // Everything was sent; how the peer went away does not matter any more.
                entry.transport.0.flags.set(Flags::EOF_SEEN);
                return entry.transport.mark_dirty();
            }
            return entry.transport.condemn(Reason::Io(error));
        }
        if self.forget_parked(token) {
            return;
        }
        let Some(listener) = self.listener(token) else { return self.udp_failed(token, &error) };
        tracing::warn!(port = %listener.state.addr, %error, "cannot accept; trying again in {ACCEPT_PAUSE:?}");
        (listener.accepting, listener.resting) = (false, true);
        let state = listener.state.clone();
        let reactor = self.reactor.clone();
        self.reactor.call_later(ACCEPT_PAUSE, move || reactor.0.command(Command::Rested(state))).detach();
    }

    fn connected(&mut self, token: Token, result: io::Result<Addr>) {
        let Some(slot @ Slot::Connecting(..)) = self.slots.get_mut(token.index) else { return };
        let Slot::Connecting(generation, race) = std::mem::replace(slot, Slot::Free) else { return };
        if generation != token.generation {
            return drop(self.place(token, Slot::Connecting(generation, race)));
        }
        match (race.arrived(token), result) {
            (None, Err(_)) => {}
            (None, Ok(_)) => self.refused.push(token),
            (Some(to), Err(error)) => race.failed(to, error.into()),
            (Some(to), Ok(local)) => {
                let beneath = race.won(to.clone());
                let peer = Peer::new(to, local);
                let edge = beneath.edge();
                self.enroll(token, peer, Origin::Connect(race), beneath.layers, edge, 0);
            }
        }
    }

    /// A new connection: pushes its layers, and builds the protocol if there are none.
    pub(crate) fn enroll(
        &mut self,
        token: Token,
        peer: Peer,
        origin: Origin,
        layers: Layers,
        edge: Option<Edge>,
        flags: u32,
    ) {
        let transport = self.give_place(token, peer, origin, edge, flags);
        let limits = transport.0.limits();
        let until = self.reactor.0.after(layers.time().unwrap_or(limits.handshake));
        if !layers.is_empty()
            && let Some(entry) = self.entry(token)
        {
            entry.push_first(&layers);
            transport.0.change_times(|times| times.phase = Some(until));
            transport.arm();
        }
        self.build_if_ready(token);
    }

    /// A connection of the loop's own: it has no layers, and its protocol is there at once.
    pub(crate) fn enroll_own(
        &mut self,
        token: Token,
        peer: Peer,
        made: &'static Location<'static>,
        flags: u32,
        build: impl FnOnce(&Transport) -> Box<dyn Protocol>,
    ) {
        let transport = self.give_place(token, peer, Origin::Told(made), None, flags);
        let protocol = build(&transport);
        if let Some(entry) = self.entry(token) {
            entry.protocol = Some(protocol);
            entry.make();
        }
    }

    /// Gives a new connection its place.
    fn give_place(
        &mut self,
        token: Token,
        peer: Peer,
        origin: Origin,
        edge: Option<Edge>,
        flags: u32,
    ) -> Transport {
        let limits = self.reactor.0.limits.borrow().clone();
        let connection = Connection::new(self.reactor.clone(), token, peer, limits);
        connection.flags.set(flags);
        let transport = Transport(Rc::new(connection));
        self.reactor.0.enroll(&transport);
        self.one_more();
        if let Origin::Connect(race) = &origin {
            race.enrolled(&transport);
        }
        transport.mark_dirty();
        let entry = Entry { edge: edge.map(Box::new), ..Entry::new(transport.clone(), origin) };
        drop(self.place(token, Slot::Connection(entry)));
        if let Some(entry) = self.entry(token) {
            entry.begin_policy();
        }
        transport.arm();
        transport
    }

    /// Builds the protocol of a connection whose layers are ready.
    pub(crate) fn build_if_ready(&mut self, token: Token) {
        let Some(entry) = self.entry(token) else { return };
        if !entry.is_in_handshake() || !entry.look_whether_ready() || entry.protocol.is_some() {
            return;
        }
        let transport = entry.transport.clone();
        let built = self.build(&transport);
        let Some(entry) = self.entry(token) else { return };
        match built {
            _ if !transport.is_open() => drop(built),
            None => transport.condemn(Reason::Aborted),
            Some(protocol) => {
                entry.protocol = Some(protocol);
                entry.make();
                self.tell_connected(token);
            }
        }
    }

    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        let running = Some(transport.0.token);
        let entry = self.entry(transport.0.token)?;
        if let Origin::Connect(race) = &entry.origin {
            let race = race.clone();
            transport.reactor().0.running.set(running);
            let built = race.build(transport);
            transport.reactor().0.running.set(None);
            return built;
        }
        if let Origin::Only(only) = &mut entry.origin {
            transport.reactor().0.running.set(running);
            let built = only.factory.build(transport);
            transport.reactor().0.running.set(None);
            return built;
        }
        let Origin::Port(state) = &entry.origin else { return None };
        let port = state.token.get()?;
        let listener = self.listener(port)?;
        transport.reactor().0.running.set(running);
        let built = listener.factory.build(transport);
        transport.reactor().0.running.set(None);
        built
    }

    /// Tells who asked for the connection that it is there.
    fn tell_connected(&mut self, token: Token) {
        let Some(entry) = self.entry(token) else { return };
        if !matches!(entry.origin, Origin::Connect(_)) {
            return;
        }
        let transport = entry.transport.clone();
        let told = Origin::Told(entry.origin.made());
        if let Origin::Connect(race) = std::mem::replace(&mut entry.origin, told) {
            race.made(transport);
        }
    }

    // ── timers ──

    /// Runs one due timer; false when there is none.
    pub(crate) fn next_timer(&mut self, driver: &mut dyn Driver) -> bool {
        let now = self.reactor.0.now();
        let early = Duration::from_millis(u64::from(crate::broken("fire-early", 8)) * 5);
        let due = self.reactor.0.timers.borrow_mut().pop(now + early, self.timer_serial);
        match due {
            None => return false,
            Some(Due::Wake(waker)) => waker.wake(),
            Some(Due::Call(call)) => call(),
            Some(Due::Connection(transport)) => self.expired(driver, &transport),
            Some(Due::Flush(transport)) => transport.mark_dirty(),
        }
        true
    }

    // ── commands and tasks ──

    /// Does one piece of work; false when there is none, or when the turn has done enough.
    pub(crate) fn next_work(&mut self, driver: &mut dyn Driver) -> bool {
        if self.next_end(driver) {
            return true;
        }
        if self.work_left == 0 {
            return false;
        }
        self.work_left -= 1;
        let first = if self.work_left < SHARED_WORK { self.work_left } else { 0 };
        let done = (first..first + 3).any(|queue| self.work_of(driver, queue % 3));
        if !done {
            self.settle(driver);
        }
        done
    }

    /// Ends one condemned connection; false when there is none, or when the turn has done enough.
    pub(crate) fn next_end(&mut self, driver: &mut dyn Driver) -> bool {
        let doomed = if self.work_left > 0 { self.reactor.0.next_doomed() } else { None };
        self.work_left -= usize::from(doomed.is_some());
        doomed.map(|transport| self.finish(driver, &transport)).is_some()
    }

    /// Does one piece of work of a queue; false when it is empty.
    fn work_of(&mut self, driver: &mut dyn Driver, queue: usize) -> bool {
        let shared = &self.reactor.0;
        match queue {
            0 => shared.next_command().map(|command| self.command(driver, command)),
            1 => shared.outside.next_call().map(|call| call(&self.reactor)),
            _ => shared.outside.next_woken().map(|number| self.poll(number)),
        }
        .is_some()
    }

    fn poll(&mut self, number: u64) {
        let Some(mut task) = self.tasks.take(number) else { return };
        self.polling = task.transport().cloned();
        let done = task.poll();
        self.polling = None;
        if !done {
            return self.tasks.put_back(task);
        }
        if let Some(entry) = task.transport().and_then(|transport| self.entry(transport.0.token)) {
            entry.belongings().tasks.retain(|other| *other != number);
        }
    }

    fn command(&mut self, driver: &mut dyn Driver, command: Command) {
        match command {
            Command::Call(transport, call) => self.with(&transport, |entry| entry.call(call)),
            Command::Offer(transport) => self.with(&transport, Entry::offer_unread),
            Command::Writable(transport) => self.with(&transport, Entry::tell_writable),
            Command::Switch(transport, next) => self.with(&transport, |entry| entry.switch(next)),
            Command::Push(transport, layer, before) => {
                self.with(&transport, |entry| entry.push(layer, before))
            }
            Command::Attach(transport, guard) => {
                self.with(&transport, |entry| entry.belongings().guards.push(guard))
            }
            Command::Edge(transport, change) => self.with(&transport, |entry| entry.change_edge(change)),
            Command::Piece(transport, piece) => self.with(&transport, |entry| entry.piece(piece)),
            Command::Run(run) => run(),
            Command::Spawn(task) => self.spawn(task),
            Command::Drop(number) => drop(self.tasks.take(number)),
            Command::Listen(bound, state, factory) => self.listen(driver, bound, state, factory),
            Command::Serve(stream, state, factory) => self.serve(driver, stream, state, factory),
            Command::Adopt(race, stream) => self.adopt(driver, &race, stream),
            Command::Welcome(on, new) => self.welcome(driver, &on, new),
            Command::Accept => self.ports_changed = true,
            Command::Rested(state) => self.rested(&state),
            Command::AbortPort(state) => self.abort_port(&state),
            Command::Stop(transport) => self.with(&transport, tell_stopping),
            Command::Keep(service) => self.services.keep(service),
            Command::StopPort(state) => self.stop_port(driver, &state),
            Command::ClosePort(state) => self.close_port(driver, &state),
            Command::LookAgain => self.look_again(driver),
            Command::Udp(port, wish) => self.wish(driver, &port, wish),
            Command::Connect(race) => self.connect(driver, &race),
            Command::Pair(pair) => self.take_in(*pair),
            Command::Forget(token) => self.forget(driver, token),
            Command::SetOption(transport, option, resolver) => {
                resolver.fire(self.set_option(driver, &transport, option));
            }
            Command::Watch(socket, interest, state, on_ready) => {
                self.watch(driver, (socket, interest), state, on_ready);
            }
            Command::Unwatch(state) => self.unwatch(driver, &state),
            Command::EndProcesses => self.children.fail_all(),
            Command::Process(state, order) => self.process(driver, &state, order),
        }
    }

    /// Calls `f` with the connection's entry, unless it has ended.
    fn with(&mut self, transport: &Transport, f: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entry(transport.0.token) {
            f(entry);
        }
    }

    fn spawn(&mut self, task: Task) {
        if let Some(transport) = task.transport() {
            let Some(entry) = self.entry(transport.0.token) else { return };
            entry.belongings().tasks.push(task.number());
        }
        self.tasks.insert(task);
    }

    /// A connection has come: there may be no room for others.
    pub(crate) fn one_more(&mut self) {
        self.ports_changed |= self.is_full();
    }

    /// A connection has ended: there may be room for others.
    pub(crate) fn one_less(&mut self) {
        self.ports_changed = true;
    }

    /// Tries the next address of a race.
    fn connect(&mut self, driver: &mut dyn Driver, race: &Rc<Race>) {
        let Some((to, from)) = race.next() else { return };
        let address = to.clone();
        match driver.open(Open::Connect { to, from }) {
            Ok(token) => {
                race.runs(address, token);
                drop(self.place(token, Slot::Connecting(token.generation, race.clone())));
            }
            Err(error) => race.failed(address, error.into()),
        }
    }

    /// Takes over the stream that code made for a connect.
    fn adopt(&mut self, driver: &mut dyn Driver, race: &Rc<Race>, stream: Established) {
        if race.is_decided() {
            return;
        }
        let (peer, flags) = (Peer::new(stream.remote, stream.local), flags_of(&stream.ends));
        match driver.open(Open::Adopt(stream.ends)) {
            Ok(token) => {
                let beneath = race.won(peer.remote.clone());
                let edge = beneath.edge();
                self.enroll(token, peer, Origin::Connect(race.clone()), beneath.layers, edge, flags);
            }
            Err(error) => race.failed(peer.remote, error.into()),
        }
    }

    fn set_option(&mut self, driver: &mut dyn Driver, transport: &Transport, option: SocketOption) -> Result {
        let name = transport.peer().remote.to_string();
        let explain = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot set {option} on the connection to {name}: {error}"))
        };
        let token = transport.0.token;
        let there = self.entry(token).is_some();
        let set =
            if there { driver.set_option(token, option) } else { Err(io::ErrorKind::NotConnected.into()) };
        Ok(set.map_err(explain)?)
    }

    /// Gives up a connection that is being made.
    fn forget(&mut self, driver: &mut dyn Driver, token: Token) {
        match self.slots.get(token.index) {
            Some(Slot::Connecting(generation, _)) if *generation == token.generation => {
                driver.close(token, Close::Abort);
                drop(self.place(token, Slot::Free));
            }
            _ => {}
        }
    }

    /// True when the loop was stopped and everything has ended.
    pub(crate) fn is_over(&self) -> bool {
        let shared = &self.reactor.0;
        shared.stop.get() == Stop::Begun
            && shared.connection_count() == 0
            && shared.udp_ports.borrow().is_empty()
            && self.children.is_empty()
    }

    // ── flush ──

    pub(crate) fn begin_flush(&mut self) {
        self.reactor.0.swap_dirty(&mut self.spare);
        self.flushing.extend(self.spare.drain(..));
        self.flushing_udp = self.reactor.0.dirty_udp();
    }

    /// Flushes one dirty connection or UDP port; false when none is left.
    pub(crate) fn next_flush(&mut self, driver: &mut dyn Driver) -> bool {
        if let Some(transport) = self.flushing.pop_front() {
            self.flush(driver, &transport);
            return true;
        }
        let Some(left) = self.flushing_udp.checked_sub(1) else { return false };
        self.flushing_udp = left;
        let Some(port) = self.reactor.0.next_dirty_udp() else { return false };
        self.flush_udp(driver, &port);
        true
    }
}

/// Pipes and the like lose nothing when they are closed, so nobody has to wait for their far end.
pub(crate) fn flags_of(ends: &Ends) -> u32 {
    match ends {
        Ends::One(_) => 0,
        Ends::Two { .. } => Flags::UNLINGERING,
    }
}
