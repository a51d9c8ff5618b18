//! The I/O traits of `futures_io`.

use crate::{Error, ReadHalf, Result, Stream, WriteHalf, stream::Lost, stream::state::Owner};
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

/// An error as the traits have it.
pub(crate) fn io_error(error: Error) -> io::Error {
    match error.downcast::<Lost>() {
        Ok(lost) => (*lost).into(),
        Err(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
    }
}

impl Owner {
    /// Copies what has come to `into`, which gives how much it took.
    pub(crate) fn poll_read_into(
        &self,
        cx: &Context<'_>,
        room: usize,
        into: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let read = self.poll_input(cx, |input| {
            let piece = input.up_to(room);
            into(piece);
            Ok(Some(piece.len()).filter(|len| *len > 0))
        });
        read.map(|read| read.map(Option::unwrap_or_default).map_err(io_error))
    }

    /// Writes from the slices as much as there is room for.
    pub(crate) fn poll_write_slices(
        &self,
        cx: &Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match self.poll_write(cx, slice) {
                Poll::Ready(Ok(len)) => written += len,
                Poll::Ready(Err(error)) if written == 0 => return Poll::Ready(Err(io_error(error))),
                Poll::Pending if written == 0 => return Poll::Pending,
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
            if self.transport.is_full() {
                break;
            }
        }
        Poll::Ready(Ok(written))
    }
}

impl WriteHalf {
    /// Half-closes, and waits until everything has left.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result> {
        self.close_write();
        self.poll_flush(cx)
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        self.owner.poll_read_into(cx, into.len(), |piece| {
            if let Some(into) = into.get_mut(..piece.len()) {
                into.copy_from_slice(piece);
            }
        })
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.owner.poll_write(cx, data).map_err(io_error)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.owner.poll_write_slices(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (*self).poll_flush(cx).map_err(io_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx).map_err(io_error)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_flush(cx).map_err(io_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_end(cx).map_err(io_error)
    }
}
