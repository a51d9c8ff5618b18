//! What a coroutine's end of a connection and the loop's end share.

use crate::{Error, Limit, Protocol, Reason, Result, Transport, engine::command::Command, flags::Flags};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    io, mem,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};
use trenza_wire::{Input, spare};

/// What the loop's end tells the coroutine's.
pub(crate) struct State {
    made: Cell<bool>,
    /// A read that would wait for a new message ends at a stop.
    ends_at_stop: Cell<bool>,
    /// Why it has ended, and whether that was as intended.
    lost: RefCell<Option<Lost>>,
    clean: Cell<bool>,
    /// Those who wait: hardly ever more than one.
    waker: RefCell<Option<Waker>>,
    more: RefCell<Vec<Waker>>,
}

impl State {
    /// Wakes everybody who waits on the connection: each looks for what it needs.
    fn wake(&self) {
        let first = self.waker.borrow_mut().take();
        let more = mem::take(&mut *self.more.borrow_mut());
        first.into_iter().chain(more).for_each(Waker::wake);
    }

    fn wait<T>(&self, cx: &Context<'_>) -> Poll<T> {
        let (mut first, mut more) = (self.waker.borrow_mut(), self.more.borrow_mut());
        match &mut *first {
            None => *first = Some(cx.waker().clone()),
            Some(first) if first.will_wake(cx.waker()) => {}
            Some(_) if more.iter().any(|waker| waker.will_wake(cx.waker())) => {}
            Some(_) => more.push(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn check(&self) -> Result {
        match &*self.lost.borrow() {
            Some(lost) => Err(lost.clone().into()),
            None => Ok(()),
        }
    }

    fn lose(&self, clean: bool, lost: Lost) {
        *self.lost.borrow_mut() = Some(lost);
        self.clean.set(clean);
        self.wake();
    }
}

/// The connection has ended before the operation could be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended: {reason}")]
pub struct Lost {
    reason: String,
    kind: io::ErrorKind,
}

impl Lost {
    pub(crate) fn new(reason: impl ToString, kind: io::ErrorKind) -> Self {
        Self { reason: reason.to_string(), kind }
    }

    /// What kind of I/O error this is.
    pub fn kind(&self) -> io::ErrorKind {
        self.kind
    }
}

impl From<&Reason> for Lost {
    fn from(reason: &Reason) -> Self {
        Self::new(
            reason,
            match reason {
                Reason::Io(error) => error.kind(),
                Reason::Truncated => io::ErrorKind::UnexpectedEof,
                Reason::TimedOut(_) => io::ErrorKind::TimedOut,
                Reason::Failed(_) | Reason::Overflow(_) | Reason::Panicked => io::ErrorKind::Other,
                _ => io::ErrorKind::ConnectionAborted,
            },
        )
    }
}

impl From<Lost> for io::Error {
    fn from(lost: Lost) -> Self {
        Self::new(lost.kind, lost)
    }
}

/// The protocol that stands for a coroutine: it leaves the bytes with the connection and wakes the coroutine.
pub(crate) struct StreamEnd(Rc<State>);

impl Protocol for StreamEnd {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        transport.0.flags.set(Flags::STREAM);
        self.0.made.set(true);
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.0.wake();
        Ok(())
    }

    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.0.wake();
        Ok(())
    }

    fn writable(&mut self, _: &Transport) -> Result {
        self.0.wake();
        Ok(())
    }

    fn stopping(&mut self, _: &Transport) -> Result {
        self.0.wake();
        Ok(())
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        transport.0.flags.clear(Flags::STREAM);
        self.0.lose(reason.is_clean(), reason.into());
    }
}

impl Drop for StreamEnd {
    /// The connection had ended before it was given to the coroutine.
    fn drop(&mut self) {
        if self.0.lost.borrow().is_none() {
            self.0.lose(false, Lost::new("before a coroutine had it", io::ErrorKind::NotConnected));
        }
    }
}

/// The coroutine's end, which the halves of a stream share. Who drops it without having ended it aborts.
pub(crate) struct Owner {
    pub(crate) transport: Transport,
    state: Rc<State>,
    closed: Cell<bool>,
}

impl Owner {
    /// Both ends, for a connection whose protocol the second one will be.
    pub(crate) fn pair(transport: &Transport) -> (Self, StreamEnd) {
        let state = Rc::new(State {
            made: Cell::new(false),
            ends_at_stop: Cell::new(true),
            lost: RefCell::default(),
            clean: Cell::new(false),
            waker: RefCell::default(),
            more: RefCell::default(),
        });
        (
            Self { transport: transport.clone(), state: state.clone(), closed: Cell::new(false) },
            StreamEnd(state),
        )
    }

    /// Dropping it is harmless from now on.
    pub(crate) fn release(&self) {
        self.closed.set(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.transport.0.flags.any(Flags::STOPPING)
    }

    pub(crate) fn end_at_stop(&self, on: bool) {
        self.state.ends_at_stop.set(on);
    }

    pub(crate) fn poll_stopping(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_stopping() { Poll::Ready(()) } else { self.state.wait(cx) }
    }

    /// Takes from what has come; None at the end.
    pub(crate) fn poll_input<T>(
        &self,
        cx: &Context<'_>,
        parse: impl FnOnce(&mut Input<'_>) -> Result<Option<T>>,
    ) -> Poll<Result<Option<T>>> {
        self.poll_unread(cx, |transport| transport.read_unread(parse))
    }

    /// Takes all that has come; None at the end.
    pub(crate) fn poll_all(&self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>>> {
        self.poll_unread(cx, |transport| Ok(transport.take_unread()))
    }

    fn poll_unread<T>(
        &self,
        cx: &Context<'_>,
        take: impl FnOnce(&Transport) -> Result<Option<T>>,
    ) -> Poll<Result<Option<T>>> {
        let (state, connection) = (&self.state, &self.transport.0);
        if connection.changing.get() > 0 && state.lost.borrow().is_none() {
            // A layer was pushed: what has come, and its end, are for that one.
            return state.wait(cx);
        }
        // Before the switch they are still the former protocol's.
        let made = state.made.get();
        if made && let Some(taken) = take(&self.transport).transpose() {
            return Poll::Ready(taken.map(Some));
        }
        if connection.flags.any(Flags::UNREAD_FULL) {
            // Nothing more is read, so it will never be whole.
            return Poll::Ready(Err(Reason::Overflow(Limit::Unread).into()));
        }
        let within = connection.unread_len.get() > 0;
        if state.clean.get() || made && connection.flags.any(Flags::EOF_TOLD) {
            let cut = Lost::new("within a message", io::ErrorKind::UnexpectedEof);
            return Poll::Ready(if within { Err(cut.into()) } else { Ok(None) });
        }
        state.check()?;
        if self.is_stopping() && state.ends_at_stop.get() && !within {
            return Poll::Ready(Ok(None));
        }
        state.wait(cx)
    }

    /// Waits until more may be written.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result> {
        self.state.check()?;
        if self.transport.is_full() { self.state.wait(cx) } else { Poll::Ready(Ok(())) }
    }

    /// An error when nothing can be written any more.
    pub(crate) fn check_writing(&self) -> Result {
        self.state.check()?;
        if self.transport.0.flags.any(Flags::HALF) {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "written after close_write()").into());
        }
        Ok(())
    }

    /// Writes as much of `data` as the high mark permits at once, when there is room.
    pub(crate) fn poll_write(&self, cx: &Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        self.check_writing()?;
        ready!(self.poll_room(cx))?;
        let most = self.transport.0.limits.borrow().high.max(1);
        let piece = data.get(..most).unwrap_or(data);
        self.transport.write(piece);
        Poll::Ready(Ok(piece.len()))
    }

    /// What is told of an end that `flushed` has waited for.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.state.check().err().unwrap_or(error)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if !self.closed.get() {
            // From the loop, so that the error that a coroutine ends with is the reason that counts.
            let transport = self.transport.clone();
            let end = move || match transport.0.flags.any(Flags::HALF) {
                // The peer has been told of a proper end.
                true => transport.close(),
                false => transport.abort(),
            };
            self.transport.reactor().0.command(Command::Run(Box::new(end)));
        }
    }
}

impl Transport {
    /// Lets a coroutine take from the unread bytes.
    fn read_unread<T>(&self, parse: impl FnOnce(&mut Input<'_>) -> Result<Option<T>>) -> Result<Option<T>> {
        let connection = &*self.0;
        let mut unread = connection.unread.take();
        if unread.is_empty() {
            return Ok(None);
        }
        let frozen = Cell::new(false);
        let mut input = Input::new(&unread, &frozen, connection.limits.borrow().unread);
        let result = parse(&mut input);
        let taken = input.taken();
        if taken == unread.len() {
            spare::give(mem::take(&mut unread));
        } else {
            unread.drain(..taken);
        }
        self.leave_unread(unread);
        result
    }

    /// Lets a coroutine take all unread bytes, without a copy of them.
    fn take_unread(&self) -> Option<Bytes> {
        let unread = self.0.unread.take();
        if unread.is_empty() {
            return None;
        }
        self.leave_unread(Vec::new());
        Some(spare::freeze(unread))
    }

    /// Puts back what a coroutine has left.
    fn leave_unread(&self, unread: Vec<u8>) {
        let connection = &*self.0;
        connection.unread_len.set(unread.len());
        if connection.flags.any(Flags::UNREAD_FULL) && unread.len() <= connection.limits.borrow().unread {
            connection.flags.clear(Flags::UNREAD_FULL);
            self.mark_dirty();
        }
        if unread.is_empty() && connection.flags.any(Flags::EOF_TOLD) {
            // Both directions may have ended now.
            self.mark_dirty();
        }
        connection.unread.set(unread);
    }
}
