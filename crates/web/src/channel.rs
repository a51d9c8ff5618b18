//! A bounded queue of bytes between a handler and its connection, one way: [`BodySender`] and [`Receiver`].

use bytes::Bytes;
use http::HeaderMap;
use std::{
    cell::RefCell,
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    rc::Rc,
    task::{Context, Poll, Waker},
};
use trenza_core::Result;

/// A sender waits while so many bytes or more are in the queue. One piece may go over it.
const CAPACITY: usize = 64 * 1024;

/// What a piece counts for beside its bytes: many tiny ones cost memory too.
const PIECE_COST: usize = 64;

/// Who is told that something has changed at the other end, once.
#[derive(Default)]
pub(crate) enum Notice {
    #[default]
    Nobody,
    /// A coroutine.
    Wake(Waker),
    /// A protocol, through its handle.
    Call(Rc<dyn Fn()>),
}

impl Notice {
    fn give(self) {
        match self {
            Self::Nobody => {}
            Self::Wake(waker) => waker.wake(),
            Self::Call(call) => call(),
        }
    }
}

enum End {
    Open,
    /// All was sent.
    Finished(HeaderMap),
    /// The sender was dropped, or gave up.
    Broken(&'static str),
}

struct Channel {
    queue: VecDeque<Bytes>,
    /// What the pieces in the queue count for.
    queued: usize,
    end: End,
    /// The receiver has asked for bytes at least once.
    wanted: bool,
    /// The receiver is there.
    received: bool,
    sender: Notice,
    receiver: Notice,
}

type Shared = Rc<RefCell<Channel>>;

/// The two ends of a new queue.
pub(crate) fn channel() -> (BodySender, Receiver) {
    let channel = Rc::new(RefCell::new(Channel {
        queue: VecDeque::new(),
        queued: 0,
        end: End::Open,
        wanted: false,
        received: true,
        sender: Notice::Nobody,
        receiver: Notice::Nobody,
    }));
    (BodySender(channel.clone()), Receiver(channel))
}

/// The writing end of a body whose bytes come bit by bit: see [`Body::channel`](crate::Body::channel).
///
/// Dropped without [`finish`](BodySender::finish) or [`trailers`](BodySender::trailers), it breaks the body off:
/// the connection is aborted, so that the reader does not take a part for the whole.
pub struct BodySender(Shared);

impl BodySender {
    /// Sends a piece, and waits first while 64 KiB or more have not been taken.
    ///
    /// # Errors
    /// Nobody will read it: the connection has ended, or the body was dropped.
    pub async fn send(&mut self, data: Bytes) -> Result {
        self.room().await?;
        self.push(data);
        Ok(())
    }

    /// Waits until a piece can be sent at once.
    ///
    /// # Errors
    /// Nobody will read it.
    pub async fn room(&mut self) -> Result {
        poll_fn(|cx| {
            let mut channel = self.0.borrow_mut();
            if !channel.received {
                return Poll::Ready(Err("nobody reads the body".into()));
            }
            if channel.queued < CAPACITY {
                return Poll::Ready(Ok(()));
            }
            let former = mem::replace(&mut channel.sender, Notice::Wake(cx.waker().clone()));
            drop(channel);
            drop(former);
            Poll::Pending
        })
        .await
    }

    /// Ends the body.
    pub fn finish(self) {
        self.end(End::Finished(HeaderMap::new()));
    }

    /// Ends the body with trailer fields. They reach the peer where the protocol has a place for them.
    pub fn trailers(self, trailers: HeaderMap) {
        self.end(End::Finished(trailers));
    }

    /// Breaks the body off, and tells its reader why.
    pub(crate) fn break_off(self, why: &'static str) {
        self.end(End::Broken(why));
    }

    /// Sends a piece without waiting. The caller looks at `is_full` itself.
    pub(crate) fn push(&self, data: Bytes) {
        let mut channel = self.0.borrow_mut();
        if data.is_empty() || !channel.received {
            return;
        }
        channel.queued = channel.queued.saturating_add(data.len()).saturating_add(PIECE_COST);
        channel.queue.push_back(data);
        let notice = mem::take(&mut channel.receiver);
        drop(channel);
        notice.give();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.borrow().queued >= CAPACITY
    }

    /// The receiver has asked for bytes at least once.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.borrow().wanted
    }

    /// The receiver was dropped.
    pub(crate) fn is_abandoned(&self) -> bool {
        !self.0.borrow().received
    }

    /// Has `notice` given once, when there is room, when bytes are wanted, or when nobody reads any more.
    pub(crate) fn on_change(&self, notice: Notice) {
        let former = mem::replace(&mut self.0.borrow_mut().sender, notice);
        drop(former);
    }

    fn end(&self, end: End) {
        let mut channel = self.0.borrow_mut();
        if !matches!(channel.end, End::Open) {
            return;
        }
        channel.end = end;
        let (sender, receiver) = (mem::take(&mut channel.sender), mem::take(&mut channel.receiver));
        drop(channel);
        drop(sender);
        receiver.give();
    }
}

impl Drop for BodySender {
    fn drop(&mut self) {
        self.end(End::Broken("the sender gave the body up"));
    }
}

impl fmt::Debug for BodySender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodySender").field("queued", &self.0.borrow().queued).finish_non_exhaustive()
    }
}

/// What a receiver finds.
pub(crate) enum Next {
    Data(Bytes),
    /// Nothing yet.
    Wait,
    /// All was received.
    End,
    /// The rest will not come.
    Broken(&'static str),
}

/// The reading end.
pub(crate) struct Receiver(Shared);

impl Receiver {
    /// The next piece, in a coroutine.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx: &mut Context<'_>| match self.take() {
            Next::Data(data) => Poll::Ready(Ok(Some(data))),
            Next::End => Poll::Ready(Ok(None)),
            Next::Broken(why) => Poll::Ready(Err(why.into())),
            Next::Wait => {
                self.on_change(Notice::Wake(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }

    /// The next piece, if there is one.
    pub(crate) fn take(&mut self) -> Next {
        let mut channel = self.0.borrow_mut();
        let first = !mem::replace(&mut channel.wanted, true);
        let full = channel.queued >= CAPACITY;
        let next = match (channel.queue.pop_front(), &channel.end) {
            (Some(data), _) => {
                channel.queued = channel.queued.saturating_sub(data.len()).saturating_sub(PIECE_COST);
                Next::Data(data)
            }
            (None, End::Open) => Next::Wait,
            (None, End::Finished(_)) => Next::End,
            (None, End::Broken(why)) => Next::Broken(why),
        };
        let notice = match first || full && channel.queued < CAPACITY {
            true => mem::take(&mut channel.sender),
            false => Notice::Nobody,
        };
        drop(channel);
        notice.give();
        next
    }

    /// The trailer fields, once all was received.
    pub(crate) fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.0.borrow_mut().end {
            End::Finished(trailers) if !trailers.is_empty() => Some(mem::take(trailers)),
            _ => None,
        }
    }

    /// Has `notice` given once, when there is something to take.
    pub(crate) fn on_change(&self, notice: Notice) {
        let former = mem::replace(&mut self.0.borrow_mut().receiver, notice);
        drop(former);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut channel = self.0.borrow_mut();
        channel.received = false;
        channel.queued = 0;
        let queue = mem::take(&mut channel.queue);
        let (sender, receiver) = (mem::take(&mut channel.sender), mem::take(&mut channel.receiver));
        drop(channel);
        drop((queue, receiver));
        sender.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        cell::Cell,
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn piece(len: usize) -> Bytes {
        Bytes::from(vec![b'x'; len])
    }

    #[test]
    fn sender_waits_while_full_and_is_woken_by_room() {
        let (mut sender, mut receiver) = channel();
        assert!(matches!(poll(sender.send(piece(CAPACITY + 5))), Poll::Ready(Ok(()))));
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        {
            let mut waiting = pin!(sender.send(piece(1)));
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(matches!(receiver.take(), Next::Data(data) if data.len() == CAPACITY + 5));
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        }
        assert!(matches!(receiver.take(), Next::Data(data) if data.len() == 1));
        assert!(matches!(receiver.take(), Next::Wait));
    }

    #[test]
    fn tiny_pieces_fill_it_too() {
        let (sender, _receiver) = channel();
        let count =
            std::iter::repeat_with(|| sender.push(piece(1))).take_while(|()| !sender.is_full()).count();
        assert!((500..2000).contains(&count), "{count}");
    }

    #[test]
    fn receiver_is_told_of_data_and_of_the_end() {
        let (sender, mut receiver) = channel();
        let told = Rc::new(Cell::new(0));
        let notice = || {
            let told = told.clone();
            Notice::Call(Rc::new(move || told.set(told.get() + 1)))
        };
        receiver.on_change(notice());
        sender.push(piece(1));
        sender.push(piece(1));
        assert_eq!(told.get(), 1, "once");
        receiver.on_change(notice());
        sender.trailers(HeaderMap::from_iter([(http::header::ETAG, "a".parse().unwrap())]));
        assert_eq!(told.get(), 2);
        assert!(matches!(receiver.take(), Next::Data(_)));
        assert!(matches!(receiver.take(), Next::Data(_)));
        assert!(matches!(receiver.take(), Next::End));
        assert_eq!(receiver.trailers().map(|trailers| trailers.len()), Some(1));
    }

    #[test]
    fn a_dropped_sender_breaks_the_body_after_its_bytes() {
        let (sender, mut receiver) = channel();
        sender.push(piece(1));
        drop(sender);
        assert!(matches!(poll(receiver.next()), Poll::Ready(Ok(Some(_)))));
        assert!(matches!(poll(receiver.next()), Poll::Ready(Err(_))));
    }

    #[test]
    fn a_dropped_receiver_is_told_to_the_sender() {
        let (mut sender, receiver) = channel();
        sender.push(piece(CAPACITY));
        let told = Rc::new(Cell::new(false));
        let tell = told.clone();
        sender.on_change(Notice::Call(Rc::new(move || tell.set(true))));
        drop(receiver);
        assert!(told.get() && sender.is_abandoned() && !sender.is_full());
        assert!(matches!(poll(sender.send(piece(1))), Poll::Ready(Err(_))));
    }

    #[test]
    fn the_first_wish_is_told() {
        let (sender, mut receiver) = channel();
        let told = Rc::new(Cell::new(0));
        let tell = told.clone();
        sender.on_change(Notice::Call(Rc::new(move || tell.set(tell.get() + 1))));
        assert!(!sender.is_wanted());
        assert!(matches!(receiver.take(), Next::Wait));
        assert!(sender.is_wanted() && told.get() == 1);
    }
}
