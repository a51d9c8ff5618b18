//! [`Stream`]: a connection for a coroutine.

mod futures;
mod half;
mod lines;
mod state;
#[cfg(feature = "tokio-io")]
mod tokio;

pub use half::{ReadHalf, WriteHalf};
pub use lines::Lines;
pub use state::Lost;
pub(crate) use state::StreamEnd;

use crate::{Peer, Protocol, Result, Transport};
use bytes::Bytes;
use state::Owner;
use std::{fmt, fs::File, ops::Range, os::fd::OwnedFd, rc::Rc, sync::Arc};
use trenza_wire::Input;

/// A connection for a coroutine. Dropping it aborts the connection, unless one of these was called:
/// [`close`](Stream::close), [`switch_to`](Stream::switch_to), [`join`](Stream::join), or
/// [`close_write`](Stream::close_write), after which it is closed.
///
/// All reading methods are cancel-safe: what they did not return stays with the connection. Those that write queue
/// all at once and then wait for room; who drops them has written all the same.
///
/// **At a stop** of the reactor or the port, a read that would wait for a *new* message gives None, as at the end of the
/// peer's stream: `while let Some(line) = stream.line(80).await?` ends, and what follows says goodbye. What has come is
/// still read, and of a message that has begun the rest is waited for; [`Stream::end_at_stop`] changes it where messages
/// of several reads must not be cut.
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
///
/// It also has the I/O traits of `futures_io`, and with the feature `tokio-io` those of Tokio (not its runtime), so that
/// what is written for them runs on it. There a read at the end gives 0 bytes, a write takes at most
/// [`Limits::high`](crate::Limits) bytes at a time, and closing is [`Stream::close_write`] and [`Stream::flush`].
pub struct Stream {
    reader: ReadHalf,
    writer: WriteHalf,
}

impl Stream {
    /// A stream, and the protocol that stands for it.
    pub(crate) fn pair(transport: &Transport) -> (Self, StreamEnd) {
        let (owner, end) = Owner::pair(transport);
        let owner = Rc::new(owner);
        (Self { reader: ReadHalf { owner: owner.clone() }, writer: WriteHalf::new(owner) }, end)
    }

    /// The next bytes, at least one and at most what the connection holds ([`Limits::unread`](crate::Limits)
    /// and one read); None at the end of the peer's stream.
    ///
    /// # Errors
    /// The connection has ended otherwise.
    pub async fn read(&mut self) -> Result<Option<Bytes>> {
        self.reader.read().await
    }

    /// A line without its CRLF; None when the peer's stream has ended before the next line began.
    ///
    /// # Errors
    /// A line of over `max` bytes or over the unread limit, a bare CR or LF, an end within a line.
    pub async fn line(&mut self, max: usize) -> Result<Option<Vec<u8>>> {
        self.reader.line(max).await
    }

    /// All lines to come, each as from [`Stream::line`]; also a stream of `futures_core`.
    pub fn lines(&mut self, max: usize) -> Lines<'_> {
        self.reader.lines(max)
    }

    /// Exactly `n` bytes; None when the peer's stream has ended before the first one.
    ///
    /// # Errors
    /// `n` is over the unread limit; an end within the bytes.
    pub async fn read_exact(&mut self, n: usize) -> Result<Option<Vec<u8>>> {
        self.reader.read_exact(n).await
    }

    /// What `parse` makes of the bytes to come; None when the peer's stream has ended before the first one.
    ///
    /// It is called when bytes have come, and again with more behind them until it gives something. What it took stays
    /// taken. So a framing that codecs have is one of coroutines, too:
    ///
    /// ```
    /// use trenza_core::{Result, Stream};
    /// use trenza_wire::framing::netstring;
    ///
    /// async fn shout(mut stream: Stream) -> Result {
    ///     while let Some(said) = stream.next(|input| Ok(netstring(input, 80)?.map(<[u8]>::to_vec))).await? {
    ///         stream.write_all(&said.to_ascii_uppercase()).await?;
    ///     }
    ///     stream.close().await
    /// }
    ///
    /// let net = trenza_sim::Net::new(1);
    /// net.host("srv").run(|reactor| reactor.serve("tcp:7007", shout).map(drop))?;
    /// let cli = net.host("cli").probe("tcp:srv:7007");
    /// cli.send("5:hello,4: you,");
    /// net.run();
    /// assert_eq!(cli.received(), b"HELLO YOU");
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `parse`; a message over the unread limit; an end within one.
    pub async fn next<T>(
        &mut self,
        parse: impl FnMut(&mut Input<'_>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        self.reader.next(parse).await
    }

    /// Queues `data` as a whole, then waits until the connection is not full.
    ///
    /// # Errors
    /// The connection has ended; it was written after [`Stream::close_write`].
    pub async fn write_all(&mut self, data: &[u8]) -> Result {
        self.writer.write_all(data).await
    }

    /// Queues large or shared bytes without a copy; otherwise like [`Stream::write_all`].
    ///
    /// # Errors
    /// Those of [`Stream::write_all`].
    pub async fn write_bytes(&mut self, data: Bytes) -> Result {
        self.writer.write_bytes(data).await
    }

    /// Queues a range of a file, in bytes from its start (see [`Transport::send_file`]); otherwise like
    /// [`Stream::write_all`].
    ///
    /// # Errors
    /// Those of [`Stream::write_all`].
    pub async fn send_file(&mut self, file: impl Into<Arc<File>>, range: Range<u64>) -> Result {
        self.writer.send_file(file, range).await
    }

    /// Waits until the connection is not full.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn room(&self) -> Result {
        self.writer.room().await
    }

    /// Waits until all bytes written so far were taken by the system.
    ///
    /// # Errors
    /// The connection has ended before that.
    pub async fn flush(&mut self) -> Result {
        self.writer.flush().await
    }

    /// Sends what was written, then the end of our direction; reading goes on. The stream may be dropped then: what was
    /// written is sent all the same, and what still comes is discarded.
    pub fn close_write(&mut self) {
        self.writer.close_write();
    }

    /// Sends what was written, closes, and waits for the end.
    ///
    /// # Errors
    /// The connection has ended before everything was sent.
    pub async fn close(self) -> Result {
        let owner = &self.reader.owner;
        owner.release();
        owner.transport.close();
        let reason = owner.transport.ended().await?;
        if reason.is_clean() { Ok(()) } else { Err(Lost::from(&*reason).into()) }
    }

    /// The two directions, each for a task of its own. [`ReadHalf::rejoin`] makes the stream whole again.
    ///
    /// ```
    /// use trenza_core::{Result, Stream};
    ///
    /// /// Echoes lines while it writes something else.
    /// async fn serve(stream: Stream) -> Result {
    ///     let (mut reader, mut writer) = stream.split();
    ///     let reactor = reader.transport().reactor().clone();
    ///     let echoes = reactor.spawn(async move {
    ///         while let Some(line) = reader.line(80).await? {
    ///             reader.transport().write(&line);
    ///         }
    ///         Ok(reader)
    ///     });
    ///     writer.write_all(b"hello ").await?;
    ///     let stream = echoes.await?.rejoin(writer).map_err(|_| "halves of two streams")?;
    ///     stream.close().await
    /// }
    ///
    /// let net = trenza_sim::Net::new(1);
    /// net.host("srv").run(|reactor| reactor.serve("tcp:7007", serve).map(drop))?;
    /// let cli = net.host("cli").probe("tcp:srv:7007");
    /// net.run();
    /// cli.send("you\r\n");
    /// cli.close_write();
    /// net.run();
    /// assert_eq!(cli.received(), b"hello you");
    /// assert!(cli.eof());
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        (self.reader, self.writer)
    }

    /// The two directions, for one coroutine that waits on both.
    pub fn halves(&mut self) -> (&mut ReadHalf, &mut WriteHalf) {
        (&mut self.reader, &mut self.writer)
    }

    /// Gives the connection to a protocol; bytes that were not read go along.
    pub fn switch_to(self, next: impl Protocol) -> Transport {
        let owner = &self.reader.owner;
        owner.release();
        owner.transport.switch_to(next);
        owner.transport.clone()
    }

    /// Passes on to `far` what comes here and the other way round, until both directions have ended; see
    /// [`Transport::join`]. Bytes that were not read go along.
    pub fn join(self, far: Self) {
        let ends = [&self.reader.owner, &far.reader.owner];
        ends.iter().for_each(|owner| owner.release());
        let [near, far] = ends.map(|owner| owner.transport.clone());
        near.join(&far);
    }

    /// Whether a read that would wait for a new message gives None at a stop. Default true. A coroutine that turns it
    /// off has the time of [`Reactor::set_grace`](crate::Reactor::set_grace): for the rest of a message that is read in
    /// several steps, or for an answer that is on its way.
    pub fn end_at_stop(&mut self, on: bool) {
        self.reader.end_at_stop(on);
    }

    /// Waits until the reactor or the port is stopping.
    pub async fn stopping(&self) {
        self.reader.stopping().await;
    }

    /// True when the reactor or the port is stopping: why a read gave None although the peer's stream has not ended.
    pub fn is_stopping(&self) -> bool {
        self.reader.is_stopping()
    }

    /// The next descriptor that came over a UNIX socket, if one has. It is there before the byte that it was sent with.
    pub fn take_descriptor(&self) -> Option<OwnedFd> {
        self.transport().0.extra.borrow_mut().as_mut()?.descriptors.pop_front()
    }

    /// The connection.
    pub fn transport(&self) -> &Transport {
        self.reader.transport()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Rc<Peer> {
        self.reader.peer()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({:?})", self.transport())
    }
}
