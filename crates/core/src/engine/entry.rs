//! [`Entry`]: what the loop keeps of a connection, and how bytes reach its protocol.

use crate::{
    Layers, Limit, Peer, Protocol, Reason, Result, SocketOption, Transport,
    connection::Origin,
    engine::command::Command,
    engine::edge::Edge,
    engine::lost::unflushed,
    engine::stack::{Decoded, Stack},
    flags::Flags,
    layer::Layer,
    shared::Shared,
};
use std::{any::Any, io, mem, os::fd::OwnedFd, rc::Rc};
use trenza_wire::{Chunk, Input, OutBuf, spare};

/// A connection in the loop's table: its protocol and what belongs to it. No handle reaches it.
pub(crate) struct Entry {
    pub(crate) transport: Transport,
    pub(crate) protocol: Option<Box<dyn Protocol>>,
    pub(crate) origin: Origin,
    pub(crate) stack: Option<Box<Stack>>,
    pub(crate) edge: Option<Box<Edge>>,
    pub(crate) belongings: Option<Box<Belongings>>,
}

/// What ends with a connection.
#[derive(Default)]
pub(crate) struct Belongings {
    pub(crate) guards: Vec<Box<dyn Any>>,
    pub(crate) tasks: Vec<u64>,
}

impl Entry {
    pub(crate) fn new(transport: Transport, origin: Origin) -> Self {
        Self { transport, protocol: None, origin, stack: None, edge: None, belongings: None }
    }

    pub(crate) fn belongings(&mut self) -> &mut Belongings {
        self.belongings.get_or_insert_default()
    }

    fn shared(&self) -> Rc<Shared> {
        self.transport.0.reactor.0.clone()
    }

    /// Runs user code on behalf of this connection: a panic in it is charged to the connection.
    pub(crate) fn charge<T>(&self, f: impl FnOnce() -> T) -> T {
        let shared = self.shared();
        shared.running.set(Some(self.transport.0.token));
        let result = f();
        shared.running.set(None);
        result
    }

    /// Calls the protocol; an error condemns the connection.
    pub(crate) fn call(&mut self, f: impl FnOnce(&mut dyn Protocol, &Transport) -> Result) {
        let Some(protocol) = self.protocol.as_deref_mut() else { return };
        let (transport, shared) = (&self.transport, &self.transport.0.reactor.0);
        shared.running.set(Some(transport.0.token));
        let result = f(protocol, transport);
        shared.running.set(None);
        if let Err(error) = result {
            transport.condemn(Reason::Failed(error));
        }
    }

    /// Tells a new protocol of its connection, then of what has already come.
    pub(crate) fn make(&mut self) {
        self.transport.0.flags.set(Flags::TOLD);
        self.call(|protocol, transport| protocol.connection_made(transport));
        self.offer_unread();
    }

    /// There is room again, unless it was filled meanwhile: then it hears of it another time. Where nothing more is
    /// written nobody is told: a producer that writes until the connection is full would never end, since what it
    /// writes is dropped. But a coroutine may wait for room with what it wrote before.
    pub(crate) fn tell_writable(&mut self) {
        let connection = &self.transport.0;
        let ends = connection.flags.any(Flags::HALF) && !connection.flags.any(Flags::STREAM);
        if !connection.is_over() && !ends && !self.transport.is_full() {
            self.call(Protocol::writable);
        }
    }

    /// Bytes came from the wire. What came of them is to be concluded when the protocol, if they complete a
    /// handshake, was built.
    pub(crate) fn received(&mut self, data: &mut [u8]) -> Result<Decoded, Reason> {
        let connection = self.transport.0.clone();
        connection.received.set(connection.received.get() + data.len() as u64);
        self.pass_in(data);
        if connection.flags.any(Flags::CLOSING | Flags::CONDEMNED | Flags::LOST) {
            self.discard(data.len());
            return Ok(Decoded::More);
        }
        connection.touch();
        if self.stack.is_some() {
            let outcome = self.decode(|stack, up| stack.decode(data, up));
            self.hurry();
            return outcome;
        }
        self.deliver(data);
        Ok(Decoded::More)
    }

    fn discard(&self, len: usize) {
        let connection = &self.transport.0;
        let limit = connection.limits.borrow().linger_bytes;
        let discarded = connection.with_extra(|extra| {
            extra.discarded = extra.discarded.saturating_add(len as u64);
            extra.discarded
        });
        if discarded > limit && !connection.flags.any(Flags::LINGER_FULL) {
            connection.flags.set(Flags::LINGER_FULL);
            self.transport.mark_dirty();
        }
    }

    /// Has the layers decode, then delivers what came out.
    fn decode(
        &mut self,
        f: impl FnOnce(&mut Stack, &mut Vec<u8>) -> Result<Decoded, Reason>,
    ) -> Result<Decoded, Reason> {
        let mut up = Vec::new();
        let outcome = self.with_stack(|stack| f(stack, &mut up)).unwrap_or(Ok(Decoded::More));
        // What layers answered counts like what the protocol writes: a peer that does not read it is not read.
        self.transport.look_whether_full();
        if self.holds_too_much() {
            self.transport.condemn(Reason::Overflow(Limit::Unsent));
        }
        self.learn();
        if !up.is_empty() {
            self.deliver(&up);
        }
        outcome
    }

    /// In a handshake that has no answer yet, has the system acknowledge what came: the peer may hold the rest back until
    /// then (Nagle's algorithm), and the system waits 40 ms for an answer to send along.
    fn hurry(&self) {
        if self.is_in_handshake()
            && self.stack.as_ref().is_some_and(|stack| stack.has_no_answer())
            && !self.is_ready()
        {
            // Sockets of other kinds have no such option.
            self.transport.set_option(SocketOption::QuickAck).then(|_| ());
        }
    }

    /// Does what came of bytes or of the end of the wire.
    pub(crate) fn conclude(&mut self, outcome: Result<Decoded, Reason>) {
        match (outcome, self.stack.as_ref()) {
            (Ok(Decoded::More), Some(stack)) if stack.left() > self.transport.0.limits.borrow().unread => {
                self.transport.condemn(Reason::Overflow(Limit::Unread));
            }
            (Ok(Decoded::More), _) => {}
            (Ok(Decoded::End), _) => self.stream_ended(),
            (Err(reason), _) => self.fail_after_flush(reason),
        }
    }

    fn holds_too_much(&self) -> bool {
        let connection = &self.transport.0;
        let limit = connection.limits.borrow().unsent;
        let below = || self.stack.as_ref().map_or(0, |stack| stack.in_memory());
        connection.unsent() > limit && connection.out.borrow().in_memory().saturating_add(below()) > limit
    }

    /// Has the layers do something; None without layers.
    pub(crate) fn with_stack<T>(&mut self, f: impl FnOnce(&mut Stack) -> T) -> Option<T> {
        let mut stack = self.stack.take()?;
        let before = stack.unsent();
        let result = self.charge(|| f(&mut stack));
        self.account(before, stack.unsent());
        self.stack = Some(stack);
        Some(result)
    }

    /// Has layers that are done tell what they know, and looks whether a handshake has ended: before its protocol
    /// gets the bytes that came with it.
    fn learn(&mut self) {
        let done = self.stack.as_mut().map(|stack| stack.take_done()).unwrap_or_default();
        if !done.is_empty() {
            self.describe(|peer| done.iter().for_each(|layer| layer.describe(peer)));
            self.charge(|| drop(done));
        }
        if self.is_in_handshake() {
            self.look_whether_ready();
        }
        self.drop_empty_stack();
    }

    fn account(&self, before: usize, after: usize) {
        let below = &self.transport.0.below;
        below.set((below.get() + after).saturating_sub(before));
    }

    /// Without layers the connection costs what it would have cost without them.
    fn drop_empty_stack(&mut self) {
        if self.stack.is_none() || self.reads_files() {
            return;
        }
        if let Some(mut stack) = self.stack.take_if(|stack| stack.is_empty()) {
            let connection = &self.transport.0;
            self.leave_wire(&stack);
            connection.less_files(stack.files());
            let mut plain = connection.out.take();
            let before = stack.unsent();
            stack.wire.append(&mut plain);
            connection.out.replace(mem::take(&mut stack.wire));
            self.account(before, 0);
        }
    }

    /// A layer broke: what it and those below it have to say leaves first; what waits above it cannot.
    fn fail_after_flush(&mut self, reason: Reason) {
        if self.transport.0.flags.any(Flags::CONDEMNED | Flags::LOST) {
            return drop(reason);
        }
        self.transport.blame(reason);
        let broken = self.with_stack(Stack::take_broken);
        let plain = self.transport.0.out.borrow_mut().take_queued();
        self.give_up((broken, plain));
        self.drop_empty_stack();
        self.transport.close();
        self.transport.mark_dirty();
    }

    /// It was closed before its layers were ready: what waits for them cannot leave.
    fn give_up_held(&mut self) {
        if self.is_ready() {
            return;
        }
        let mut held = self.with_stack(Stack::take_held).unwrap_or_default();
        held.push(self.transport.0.out.borrow_mut().take_queued());
        if held.iter().any(|out| !out.is_empty()) {
            self.transport.blame(Reason::Aborted);
            self.give_up(held);
        }
    }

    /// Drops bytes that will not be sent.
    fn give_up(&self, unsent: impl Sized) {
        self.charge(|| drop(unsent));
        unflushed(&self.transport.0);
    }

    /// Offers new bytes, behind those that were left.
    fn deliver(&mut self, data: &[u8]) {
        let connection = self.transport.0.clone();
        if connection.is_over() {
            return;
        }
        let mut unread = connection.unread.take();
        if connection.holds() {
            spare::extend(&mut unread, data);
            return self.keep(unread, None);
        }
        let taken;
        if unread.is_empty() {
            taken = self.offer(data, false);
            if taken < data.len() {
                spare::extend(&mut unread, data.get(taken..).unwrap_or_default());
            }
        } else {
            spare::extend(&mut unread, data);
            taken = self.offer(&unread, false);
            unread.drain(..taken);
        }
        self.keep(unread, Some(taken));
    }

    /// Calls the protocol with `data`; gives how much it took.
    fn offer(&mut self, data: &[u8], eof: bool) -> usize {
        let connection = self.transport.0.clone();
        connection.frozen.set(false);
        connection.unread_len.set(data.len());
        let unread_max = connection.limits.borrow().unread;
        let mut input = Input::new(data, &connection.frozen, unread_max);
        self.call(|protocol, transport| match eof {
            false => protocol.data_received(transport, &mut input),
            true => protocol.eof_received(transport, &mut input),
        });
        input.taken().min(data.len())
    }

    /// Puts what was left back and looks at the limit. `offered` is what the protocol took, if it was asked.
    fn keep(&mut self, mut unread: Vec<u8>, offered: Option<usize>) {
        let connection = &self.transport.0;
        let len = unread.len();
        if len == 0 && unread.capacity() > 0 {
            spare::give(mem::take(&mut unread));
        }
        connection.unread_len.set(len);
        drop(connection.unread.replace(unread));
        let over = len > connection.limits.borrow().unread && !crate::broken("exceed-unread", 1);
        if over != connection.flags.any(Flags::UNREAD_FULL) {
            if over {
                connection.flags.set(Flags::UNREAD_FULL)
            } else {
                connection.flags.clear(Flags::UNREAD_FULL)
            }
            self.transport.mark_dirty();
        }
        let asleep = connection.holds() || connection.is_over() || connection.flags.any(Flags::STREAM);
        match offered {
            Some(_) if !over || asleep => {}
            Some(0) => self.transport.condemn(Reason::Overflow(Limit::Unread)),
            Some(_) => connection.reactor.0.command(Command::Offer(self.transport.clone())),
            None => {}
        }
    }

    /// A descriptor came.
    pub(crate) fn descriptor(&mut self, descriptor: OwnedFd) {
        let connection = self.transport.0.clone();
        let most = connection.limits.borrow().descriptors;
        if connection.is_over() {
            return;
        }
        let fits = connection.with_extra(|extra| {
            extra.descriptors.push_back(descriptor);
            extra.descriptors.len() <= most
        });
        self.offer_descriptors();
        if !fits {
            self.transport.condemn(Reason::Overflow(Limit::Descriptors));
        }
    }

    /// Hands descriptors that wait to the protocol. A coroutine takes them itself.
    fn offer_descriptors(&mut self) {
        let connection = self.transport.0.clone();
        while !connection.holds() && !connection.is_over() && !connection.flags.any(Flags::STREAM) {
            let next = connection.extra.borrow_mut().as_mut().and_then(|extra| extra.descriptors.pop_front());
            let Some(descriptor) = next else { return };
            self.call(|protocol, transport| protocol.descriptor_received(transport, descriptor));
        }
    }

    /// Offers what was left, and the end of the stream if it has come.
    pub(crate) fn offer_unread(&mut self) {
        self.offer_descriptors();
        let connection = self.transport.0.clone();
        if connection.holds() || connection.is_over() {
            return;
        }
        let mut unread = connection.unread.take();
        if !unread.is_empty() {
            let taken = self.offer(&unread, false);
            unread.drain(..taken);
            self.keep(unread, Some(taken));
        }
        self.tell_eof();
    }

    /// The wire has ended; see [`Entry::received`].
    pub(crate) fn wire_ended(&mut self) -> Result<Decoded, Reason> {
        self.transport.0.flags.set(Flags::EOF_SEEN);
        self.transport.0.flags.clear(Flags::READING);
        self.transport.mark_dirty();
        self.pass_eof();
        match self.stack {
            _ if self.transport.0.is_over() => Ok(Decoded::More),
            None => Ok(Decoded::End),
            Some(_) => self.decode(Stack::end),
        }
    }

    fn stream_ended(&mut self) {
        if self.protocol.is_none() && !self.transport.0.is_over() {
            // The layers are not ready and never will be.
            return self.transport.condemn(Reason::Truncated);
        }
        self.transport.0.flags.set(Flags::EOF);
        self.tell_eof();
    }

    fn tell_eof(&mut self) {
        let connection = self.transport.0.clone();
        let flags = &connection.flags;
        if !flags.any(Flags::EOF) || flags.any(Flags::EOF_TOLD) || connection.holds() || connection.is_over()
        {
            return;
        }
        flags.set(Flags::EOF_TOLD);
        let mut unread = connection.unread.take();
        let taken = self.offer(&unread, true);
        unread.drain(..taken);
        self.keep(unread, None);
        self.transport.mark_dirty();
    }

    /// Pushes the layers that an endpoint puts under every connection.
    pub(crate) fn push_first(&mut self, layers: &Layers) {
        let mut stack = Stack::default();
        let peer = self.transport.peer();
        for layer in self.charge(|| layers.make(&peer)) {
            stack.push(layer, OutBuf::new(), Vec::new());
        }
        self.stack = Some(Box::new(stack));
        self.drop_empty_stack();
    }

    /// Pushes a layer.
    pub(crate) fn push(&mut self, layer: Box<dyn Layer>, before: OutBuf) {
        let connection = self.transport.0.clone();
        connection.changing.set(connection.changing.get().saturating_sub(1));
        if connection.flags.any(Flags::CONDEMNED | Flags::LOST) {
            return;
        }
        let mut stack = self.stack.take().unwrap_or_default();
        if let Err(reason) = self.may_push(&stack, &before) {
            self.stack = Some(stack);
            return self.transport.condemn(reason);
        }
        let held = stack.unsent() + before.len();
        if stack.is_empty() {
            stack.wire.adopt_lent(&mut connection.out.borrow_mut());
        }
        stack.push(layer, before, connection.unread.take());
        connection.unread_len.set(0);
        connection.flags.clear(Flags::UNREAD_FULL);
        self.account(held, stack.unsent());
        self.stack = Some(stack);
        self.transport.mark_dirty();
        if connection.is_over() {
            // Closed since: what was written before it leaves, and what comes is discarded.
            return;
        }
        let until = connection.reactor.0.after(connection.limits().handshake);
        connection.change_times(|times| times.phase = Some(until));
        self.transport.arm();
        self.look_whether_ready();
        let ended = connection.flags.any(Flags::EOF);
        connection.flags.clear(Flags::EOF | Flags::EOF_TOLD);
        let outcome = self.decode(if ended { Stack::end_uppermost } else { Stack::decode_left });
        self.conclude(outcome);
    }

    /// True while nobody may be told of the connection or of what comes, since a layer is not ready.
    pub(crate) fn is_in_handshake(&self) -> bool {
        let connection = &self.transport.0;
        !connection.is_over() && (self.protocol.is_none() || connection.is_in_phase())
    }

    /// True when all layers are ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.stack.as_ref().is_none_or(|stack| self.charge(|| stack.is_ready()))
    }

    /// True when nothing stands between the connection and a protocol any more.
    pub(crate) fn look_whether_ready(&mut self) -> bool {
        if !self.is_ready() {
            return false;
        }
        if let Some(stack) = &self.stack {
            self.describe(|peer| stack.describe(peer));
        }
        self.transport.0.change_times(|times| times.phase = None);
        true
    }

    fn describe(&self, tell: impl FnOnce(&mut Peer)) {
        let connection = &self.transport.0;
        let before = self.transport.peer();
        let mut peer = (*before).clone();
        self.charge(|| tell(&mut peer));
        if peer != *before {
            connection.peer.set(Rc::new(peer));
        }
    }

    /// Files leave the system's driver as they are. In memory, and where a tap wants to see them, they are read like those
    /// for layers.
    pub(crate) fn open_files(&mut self) {
        if self.stack.is_none() && self.reads_files() {
            let mut stack = Box::<Stack>::default();
            stack.wire.adopt_lent(&mut self.transport.0.out.borrow_mut());
            self.account(0, stack.unsent());
            self.stack = Some(stack);
        }
    }

    /// Files wait to be read although no layer needs them.
    fn reads_files(&self) -> bool {
        let connection = &self.transport.0;
        let held = || {
            let out = connection.out.borrow();
            out.in_memory() < out.len()
        };
        self.copies_files() && held()
    }

    fn copies_files(&self) -> bool {
        self.transport.0.is_in_memory() || self.edge.as_ref().is_some_and(|edge| edge.copies_files())
    }

    /// The driver may have taken all at once: then nothing else would have the next piece of a file read.
    pub(crate) fn go_on_with_file(&self) {
        let connection = &self.transport.0;
        let waits = |stack: &Stack| {
            let room = stack.unsent() <= connection.limits.borrow().high;
            room && !stack.is_reading() && connection.out.borrow().file().is_some()
        };
        if self.stack.as_deref().is_some_and(waits) {
            self.transport.mark_dirty();
        }
    }

    /// Gives the layers what is to be sent. Gives a piece of a file that must be read first.
    pub(crate) fn feed(&mut self) -> Option<Chunk> {
        let connection = self.transport.0.clone();
        if connection.flags.any(Flags::CLOSING) {
            self.give_up_held();
        }
        self.with_stack(|stack| stack.feed(&connection)).flatten()
    }

    /// Has the layers encode.
    pub(crate) fn encode(&mut self) {
        if let Some(Err(reason)) = self.with_stack(Stack::encode) {
            self.fail_after_flush(reason);
        }
    }

    /// Tells the layers that our side ends; false when they cannot end, since they have not begun.
    pub(crate) fn end_layers(&mut self) -> bool {
        if !self.transport.0.flags.any(Flags::CLOSING) && !self.is_ready() {
            return false;
        }
        self.transport.0.flags.set(Flags::ENDED);
        if let Some(Err(reason)) = self.with_stack(Stack::close_write) {
            self.fail_after_flush(reason);
        }
        true
    }

    /// A piece of a file was read for the layers.
    pub(crate) fn piece(&mut self, piece: io::Result<Vec<u8>>) {
        match piece {
            Ok(data) => drop(self.with_stack(|stack| stack.piece(data))),
            Err(error) => self.transport.condemn(Reason::Io(error)),
        }
        self.drop_empty_stack();
        self.transport.mark_dirty();
    }

    /// Whether one more layer may be pushed over these, behind what was written before it.
    fn may_push(&self, stack: &Stack, before: &OutBuf) -> Result<(), Reason> {
        if stack.layers() >= self.transport.limits().layers {
            return Err(Reason::Overflow(Limit::Layers));
        }
        let file = stack.is_reading() || before.in_memory() < before.len();
        if file && (stack.layers() > 0 || self.copies_files()) {
            // Pieces of files are read for the uppermost layer only.
            return Err(Reason::Failed("a layer was pushed over another while a file was being sent".into()));
        }
        Ok(())
    }
}
