//! The other side: hyper on a stream in memory, without a runtime and without a clock.

use crate::{
    handler::{self, Content, Upload},
    outcome::{End, Outcome},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    rt::{Read, ReadBuf, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// As much as our server takes for a head.
const HEAD_MAX: usize = 16 * 1024;

/// Sends the segments to hyper, and tells what came.
pub(crate) fn run(segments: &[Vec<u8>], half_closes: bool) -> Outcome {
    let wire = Wire::default();
    let tasks = Tasks::default();
    let handlers = tasks.clone();
    let service = service_fn(move |request| serve(request, handlers.clone()));
    let mut server = http1::Builder::new();
    // Else it drops what is in work when the client ends its side, which ours answers.
    server.half_close(true).max_header_size(HEAD_MAX);
    let connection = server.serve_connection(Stream(wire.clone()), service).with_upgrades();
    tasks.spawn(async move {
        // How it has ended is seen by what it sent, and by the end of the connection.
        let _ = connection.await;
    });
    tasks.run();
    for segment in segments {
        wire.change(|flow| flow.inbox.push_back(segment.clone()));
        tasks.run();
    }
    if half_closes {
        wire.change(|flow| flow.ended = true);
        tasks.run();
    }
    let flow = wire.lock();
    Outcome { bytes: flow.outbox.clone(), end: if flow.closed { End::Closed } else { End::Open } }
}

async fn serve(request: Request<Incoming>, tasks: Tasks) -> Result<Response<Outgoing>, Infallible> {
    let (head, body) = request.into_parts();
    let upload = if handler::ignores_body(&head) { Ok(Default::default()) } else { collect(body).await };
    let (mut parts, content) = handler::answer(&head, upload).into_parts();
    let body = match content {
        Content::Whole(text) => Outgoing { data: Some(text.into()), counted: true },
        Content::Streamed(text) => Outgoing { data: Some(text.into()), counted: false },
        Content::Echo => {
            if let Some(upgrade) = head.extensions.get::<OnUpgrade>().cloned() {
                tasks.spawn(echo(upgrade));
            } else {
                // As ours does with an upgrade that nobody asked for.
                parts.status = StatusCode::INTERNAL_SERVER_ERROR;
                parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Outgoing { data: None, counted: true }
        }
    };
    Ok(Response::from_parts(parts, body))
}

async fn collect(mut body: Incoming) -> Upload {
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame.map_err(drop)?.into_data().map_err(Frame::into_trailers) {
            Ok(more) => data.extend_from_slice(&more),
            Err(fields) => trailers.extend(fields.unwrap_or_default()),
        }
    }
    Ok((data, trailers))
}

/// Sends back what comes, until it ends.
async fn echo(upgrade: OnUpgrade) {
    let Ok(mut stream) = upgrade.await else { return };
    loop {
        let mut storage = [0; 4096];
        let mut buffer = ReadBuf::new(&mut storage);
        let read = poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, buffer.unfilled())).await;
        let mut rest = buffer.filled();
        if read.is_err() || rest.is_empty() {
            return;
        }
        while !rest.is_empty() {
            let Ok(written) = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, rest)).await else { return };
            rest = rest.get(written..).unwrap_or_default();
        }
    }
}

/// The body of a response. It is empty where its length is counted and there is no data.
struct Outgoing {
    data: Option<Bytes>,
    /// hyper is told the length.
    counted: bool,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.data.as_ref().map_or(0, |data| data.len() as u64);
        if self.counted { SizeHint::with_exact(left) } else { SizeHint::default() }
    }
}

/// The executor. Polls its tasks until none of them was woken.
#[derive(Clone, Default)]
struct Tasks(Rc<RefCell<Vec<Task>>>);

type Task = Pin<Box<dyn Future<Output = ()>>>;

impl Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.borrow_mut().push(Box::pin(task));
    }

    fn run(&self) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(woken.clone());
        while woken.0.swap(false, Ordering::Relaxed) {
            let mut running = self.0.take();
            running.retain_mut(|task| task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            let started = !self.0.borrow().is_empty();
            woken.0.fetch_or(started, Ordering::Relaxed);
            self.0.borrow_mut().append(&mut running);
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What goes through a connection.
#[derive(Default)]
struct Flow {
    inbox: VecDeque<Vec<u8>>,
    /// The client has ended its side.
    ended: bool,
    outbox: Vec<u8>,
    /// The server has ended the connection.
    closed: bool,
}

/// The client's end of a connection. All tasks are polled after each change here, so nobody need be woken.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Flow>>);

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Flow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Flow)) {
        change(&mut self.lock());
    }
}

/// The server's end.
struct Stream(Wire);

impl Read for Stream {
    /// Gives one segment at most, as a socket may.
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut flow = self.0.lock();
        let Some(mut segment) = flow.inbox.pop_front() else {
            return if flow.ended { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let rest = segment.split_off(segment.len().min(buffer.remaining()));
        if !rest.is_empty() {
            flow.inbox.push_front(rest);
        }
        buffer.put_slice(&segment);
        Poll::Ready(Ok(()))
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.0.change(|flow| flow.outbox.extend_from_slice(data));
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.change(|flow| flow.closed = true);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.change(|flow| flow.closed = true);
    }
}
