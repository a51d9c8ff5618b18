//! [`Lines`]: the lines of a stream, one after the other.

use crate::{ReadHalf, Result};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The lines of a stream without their CRLF, from [`Stream::lines`](crate::Stream::lines). Ends after the first error.
pub struct Lines<'a> {
    reader: &'a mut ReadHalf,
    max: usize,
    failed: bool,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(reader: &'a mut ReadHalf, max: usize) -> Self {
        Self { reader, max, failed: false }
    }

    /// The next line; None at the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>>> {
        poll_fn(|cx| self.poll_line(cx)).await
    }

    fn poll_line(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Vec<u8>>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let parse = self.reader.owner.poll_input(cx, |input| Ok(input.line(self.max)?.map(<[u8]>::to_vec)));
        let line = ready!(parse).transpose();
        self.failed = matches!(line, Some(Err(_)));
        Poll::Ready(line)
    }
}

impl futures_core::Stream for Lines<'_> {
    type Item = Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_line(cx)
    }
}

impl fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lines({:?})", self.reader)
    }
}
