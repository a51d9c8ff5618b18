//! [`Stream`]: a connection for a coroutine.

use crate::{Error, Limit, Protocol, Reason, Result, Transport, engine::command::Command, flags::Flags};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
};
use trenza_wire::Input;

/// What the coroutine's end and the loop's end share.
#[derive(Default)]
struct State {
    eof: Cell<bool>,
    stopping: Cell<bool>,
    made: Cell<bool>,
    /// Whether it ended as intended, and why.
    lost: RefCell<Option<(bool, String)>>,
    wakers: RefCell<Vec<Waker>>,
}

impl State {
    /// Wakes everybody who waits on the connection: each looks for what it needs.
    fn wake(&self) {
        let wakers = std::mem::take(&mut *self.wakers.borrow_mut());
        wakers.into_iter().for_each(Waker::wake);
    }

    fn wait<T>(&self, cx: &Context<'_>) -> Poll<T> {
        let mut wakers = self.wakers.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn check(&self) -> Result {
        match &*self.lost.borrow() {
            Some((_, reason)) => Err(Error::from(Lost(reason.clone()))),
            None => Ok(()),
        }
    }
}

/// The connection has ended before the operation could be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection has ended: {0}")]
pub struct Lost(String);

/// The protocol that stands for a coroutine: it leaves the bytes with the connection and wakes the coroutine.
pub(crate) struct StreamEnd(Rc<State>);

impl StreamEnd {
    pub(crate) fn pair(transport: &Transport) -> (Stream, Self) {
        let state = Rc::new(State::default());
        (Stream { transport: transport.clone(), state: state.clone(), closed: false }, Self(state))
    }
}

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
        self.0.eof.set(true);
        self.0.wake();
        Ok(())
    }

    fn writable(&mut self, _: &Transport) -> Result {
        self.0.wake();
        Ok(())
    }

    fn stopping(&mut self, _: &Transport) -> Result {
        self.0.stopping.set(true);
        self.0.wake();
        Ok(())
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        transport.0.flags.clear(Flags::STREAM);
        *self.0.lost.borrow_mut() = Some((reason.is_clean(), reason.to_string()));
        self.0.eof.set(self.0.eof.get() || reason.is_clean());
        self.0.wake();
    }
}

/// A connection for a coroutine. Dropping it aborts the connection unless [`Stream::close`] or
/// [`Stream::switch_to`] was called.
///
/// All reading methods are cancel-safe: what they did not return stays with the connection.
///
/// ```
/// use trenza_core::{Result, Stream};
///
/// async fn greet(mut stream: Stream) -> Result {
///     stream.write_all(b"name?\r\n").await?;
///     while let Some(name) = stream.line(80).await? {
///         stream.write_all(&[b"hello, ", &name[..], b"\r\n"].concat()).await?;
///     }
///     stream.close().await
/// }
///
/// let net = trenza_sim::Net::new(1);
/// net.host("srv").run(|reactor| reactor.serve("tcp:7007", greet).map(drop))?;
/// let cli = net.host("cli").probe("tcp:srv:7007");
/// cli.send("Ann\r\nBo");
/// net.run();
/// cli.send("b\r\n");
/// cli.close_write();
/// net.run();
/// assert_eq!(cli.received(), b"name?\r\nhello, Ann\r\nhello, Bob\r\n");
/// assert!(cli.eof());
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub struct Stream {
    transport: Transport,
    state: Rc<State>,
    closed: bool,
}

impl Stream {
    /// The next bytes, at least one and at most what the connection holds ([`Limits::unread`](crate::Limits)
    /// and one read); None at the end of the peer's stream.
    ///
    /// # Errors
    /// The connection has ended otherwise.
    pub async fn read(&mut self) -> Result<Option<Bytes>> {
        let taken = self
            .input(|input| Ok(Some(input.rest()).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec)))
            .await?;
        Ok(taken.map(Bytes::from))
    }

    /// A line without its CRLF; None when the peer's stream has ended before the next line began.
    ///
    /// # Errors
    /// A line of over `max` bytes or over the unread limit, a bare CR or LF, an end within a line.
    pub async fn line(&mut self, max: usize) -> Result<Option<Vec<u8>>> {
        self.input(|input| Ok(input.line(max)?.map(<[u8]>::to_vec))).await
    }

    /// Exactly `n` bytes; None when the peer's stream has ended before the first one.
    ///
    /// # Errors
    /// `n` is over the unread limit; an end within the bytes.
    pub async fn read_exact(&mut self, n: usize) -> Result<Option<Vec<u8>>> {
        self.input(|input| Ok(input.take(n)?.map(<[u8]>::to_vec))).await
    }

    /// Queues `data` as a whole, then waits until the connection is not full.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn write_all(&mut self, data: &[u8]) -> Result {
        self.state.check()?;
        self.transport.write(data);
        self.room().await
    }

    /// Waits until the connection is not full.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn room(&self) -> Result {
        poll_fn(|cx| {
            if let Err(error) = self.state.check() {
                return Poll::Ready(Err(error));
            }
            if self.transport.is_full() { self.state.wait(cx) } else { Poll::Ready(Ok(())) }
        })
        .await
    }

    /// Sends what was written, closes, and waits for the end.
    ///
    /// # Errors
    /// The connection has ended before everything was sent.
    pub async fn close(mut self) -> Result {
        self.closed = true;
        self.transport.close();
        poll_fn(|cx| match &*self.state.lost.borrow() {
            Some((true, _)) => Poll::Ready(Ok(())),
            Some((false, reason)) => Poll::Ready(Err(Lost(reason.clone()).into())),
            None => self.state.wait(cx),
        })
        .await
    }

    /// Gives the connection to a protocol; bytes that were not read go along.
    pub fn switch_to(mut self, next: impl Protocol) -> Transport {
        self.closed = true;
        self.transport.switch_to(next);
        self.transport.clone()
    }

    /// Waits until the reactor or the port is stopping.
    pub async fn stopping(&self) {
        poll_fn(|cx| if self.state.stopping.get() { Poll::Ready(()) } else { self.state.wait(cx) }).await;
    }

    /// The connection.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    async fn input<T>(
        &mut self,
        mut parse: impl FnMut(&mut Input<'_>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        poll_fn(|cx| {
            // Before the switch the bytes are still the former protocol's.
            if self.state.made.get()
                && let Some(taken) = self.transport.read_unread(&mut parse).transpose()
            {
                return Poll::Ready(taken.map(Some));
            }
            if self.transport.0.flags.any(Flags::UNREAD_FULL) {
                // Nothing more is read, so it will never be whole.
                return Poll::Ready(Err(Reason::Overflow(Limit::Unread).into()));
            }
            if self.state.eof.get() {
                let within = self.transport.0.unread_len.get() > 0;
                return Poll::Ready(if within {
                    Err(Lost("within a message".into()).into())
                } else {
                    Ok(None)
                });
            }
            match self.state.check() {
                Err(error) => Poll::Ready(Err(error)),
                Ok(()) => self.state.wait(cx),
            }
        })
        .await
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
            unread = Vec::new();
        } else {
            unread.drain(..taken);
        }
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
        result
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if !self.closed {
            // From the loop, so that the error that a coroutine ends with is the reason that counts.
            let transport = self.transport.clone();
            self.transport.reactor().0.command(Command::Run(Box::new(move || transport.abort())));
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?})", self.transport)
    }
}
