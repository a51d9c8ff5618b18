//! [`ReadHalf`] and [`WriteHalf`]: the two directions of a stream.

use crate::{Peer, Result, Stream, Transport, Wait, stream::Lines, stream::state::Owner};
use bytes::Bytes;
use std::{
    fmt,
    fs::File,
    future::{IntoFuture, poll_fn},
    ops::Range,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};
use trenza_wire::Input;

/// The reading half of a [`Stream`], from [`Stream::split`]. Its methods are those of the stream, cancel-safe as there.
///
/// Dropping it alone changes nothing: what comes is kept up to [`Limits::unread`](crate::Limits). When both halves are
/// gone, the connection is aborted, or after [`WriteHalf::close_write`] closed.
pub struct ReadHalf {
    pub(crate) owner: Rc<Owner>,
}

impl ReadHalf {
    /// See [`Stream::read`].
    ///
    /// # Errors
    /// Those of [`Stream::read`].
    pub async fn read(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.owner.poll_all(cx)).await
    }

    /// See [`Stream::line`].
    ///
    /// # Errors
    /// Those of [`Stream::line`].
    pub async fn line(&mut self, max: usize) -> Result<Option<Vec<u8>>> {
        self.next(|input| Ok(input.line(max)?.map(<[u8]>::to_vec))).await
    }

    /// See [`Stream::lines`].
    pub fn lines(&mut self, max: usize) -> Lines<'_> {
        Lines::new(self, max)
    }

    /// See [`Stream::read_exact`].
    ///
    /// # Errors
    /// Those of [`Stream::read_exact`].
    pub async fn read_exact(&mut self, n: usize) -> Result<Option<Vec<u8>>> {
        self.next(|input| Ok(input.take(n)?.map(<[u8]>::to_vec))).await
    }

    /// See [`Stream::next`].
    ///
    /// # Errors
    /// Those of [`Stream::next`].
    pub async fn next<T>(
        &mut self,
        mut parse: impl FnMut(&mut Input<'_>) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        poll_fn(|cx| self.owner.poll_input(cx, &mut parse)).await
    }

    /// See [`Stream::end_at_stop`].
    pub fn end_at_stop(&mut self, on: bool) {
        self.owner.end_at_stop(on);
    }

    /// See [`Stream::stopping`].
    pub async fn stopping(&self) {
        poll_fn(|cx| self.owner.poll_stopping(cx)).await;
    }

    /// See [`Stream::is_stopping`].
    pub fn is_stopping(&self) -> bool {
        self.owner.is_stopping()
    }

    /// Makes the stream whole again.
    ///
    /// # Errors
    /// Gives the halves back that are not of the same stream.
    pub fn rejoin(self, writer: WriteHalf) -> Result<Stream, (Self, WriteHalf)> {
        if Rc::ptr_eq(&self.owner, &writer.owner) {
            Ok(Stream { reader: self, writer })
        } else {
            Err((self, writer))
        }
    }

    /// The connection.
    pub fn transport(&self) -> &Transport {
        &self.owner.transport
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Rc<Peer> {
        self.owner.transport.peer()
    }
}

impl fmt::Debug for ReadHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadHalf({:?})", self.owner.transport)
    }
}

/// The writing half of a [`Stream`], from [`Stream::split`]. Its methods are those of the stream.
///
/// Dropping it alone changes nothing: the peer's stream ends with [`WriteHalf::close_write`].
pub struct WriteHalf {
    pub(crate) owner: Rc<Owner>,
    /// What a flush through an I/O trait waits for.
    pub(crate) flushing: Option<Wait<()>>,
}

impl WriteHalf {
    pub(crate) fn new(owner: Rc<Owner>) -> Self {
        Self { owner, flushing: None }
    }

    /// See [`Stream::write_all`].
    ///
    /// # Errors
    /// Those of [`Stream::write_all`].
    pub async fn write_all(&mut self, data: &[u8]) -> Result {
        self.owner.check_writing()?;
        self.owner.transport.write(data);
        self.room().await
    }

    /// See [`Stream::write_bytes`].
    ///
    /// # Errors
    /// Those of [`Stream::write_all`].
    pub async fn write_bytes(&mut self, data: Bytes) -> Result {
        self.owner.check_writing()?;
        self.owner.transport.write_bytes(data);
        self.room().await
    }

    /// See [`Stream::send_file`].
    ///
    /// # Errors
    /// Those of [`Stream::write_all`].
    pub async fn send_file(&mut self, file: impl Into<Arc<File>>, range: Range<u64>) -> Result {
        self.owner.check_writing()?;
        self.owner.transport.send_file(file, range);
        self.room().await
    }

    /// See [`Stream::room`].
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn room(&self) -> Result {
        poll_fn(|cx| self.owner.poll_room(cx)).await
    }

    /// See [`Stream::flush`].
    ///
    /// # Errors
    /// The connection has ended before everything was sent.
    pub async fn flush(&mut self) -> Result {
        self.owner.transport.flushed().await.map_err(|error| self.owner.explain(error))
    }

    /// See [`Stream::close_write`].
    pub fn close_write(&mut self) {
        self.owner.transport.close_write();
    }

    /// See [`Stream::stopping`].
    pub async fn stopping(&self) {
        poll_fn(|cx| self.owner.poll_stopping(cx)).await;
    }

    /// See [`Stream::is_stopping`].
    pub fn is_stopping(&self) -> bool {
        self.owner.is_stopping()
    }

    /// The connection.
    pub fn transport(&self) -> &Transport {
        &self.owner.transport
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Rc<Peer> {
        self.owner.transport.peer()
    }

    /// Waits until everything written before was taken by the system.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result> {
        let transport = &self.owner.transport;
        if self.flushing.is_none() && transport.is_open() && transport.0.unsent() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let wait = self.flushing.get_or_insert_with(|| transport.flushed().into_future());
            let flushed = ready!(Pin::new(wait).poll(cx));
            self.flushing = None;
            flushed.map_err(|error| self.owner.explain(error))?;
            // It may have been begun before the last write.
            if transport.0.unsent() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl fmt::Debug for WriteHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteHalf({:?})", self.owner.transport)
    }
}
