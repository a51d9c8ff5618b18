//! [`Body`]: what a request or response carries.

use crate::{
    StatusError,
    channel::{self, BodySender, Next, Notice, Receiver},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use std::{
    collections::VecDeque, fmt, fs::File, io, mem, ops::Range, os::unix::fs::FileExt, rc::Rc, sync::Arc,
    time::Duration,
};
use trenza_core::{Peer, Reactor, Result, Stream, driver::PoolFull};
use trenza_wire::Chunk;

/// Most bytes of a file that are read at once, where it cannot be sent as it is.
const FILE_PIECE: u64 = 64 * 1024;

/// How long a piece of a file waits before it is tried again, when the thread pool was full.
const POOL_PAUSE: Duration = Duration::from_millis(10);

/// Most bytes in memory that are queued at once: more wait here, not in the connection.
const MEMORY_PIECE: usize = 256 * 1024;

/// What a request or response carries: nothing, bytes, ranges of files, or bytes that come bit by bit.
///
/// The same for every version of HTTP. A handler reads a request's body with [`Body::next`] or
/// [`Body::collect`]; a range of a file in a response is sent by `sendfile` where nothing transforms it.
#[derive(Default)]
pub struct Body {
    kind: Kind,
    /// Of a request: who sends it.
    peer: Option<Rc<Peer>>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    One(Chunk),
    Many(VecDeque<Chunk>),
    Channel(Receiver),
    Upgrade(Box<dyn FnOnce(Stream)>),
}

/// The next part of a body on its way out.
pub(crate) enum Piece {
    Chunk(Chunk),
    /// There is none yet.
    Wait,
    End(Option<HeaderMap>),
    /// The rest will not come.
    Broken(&'static str),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A range of a file, in bytes from its start. It is read when it is sent; if the file is shorter by then, the
    /// connection is aborted, so that the client sees it. What the system has taken by then is out of our hands: it
    /// sends from its cache of the file, where what was cut off may be zeros.
    pub fn file(file: Arc<File>, range: Range<u64>) -> Self {
        Kind::One(Chunk::File(file, range)).into()
    }

    /// Bytes and file ranges in order.
    pub fn pieces(pieces: impl IntoIterator<Item = Chunk>) -> Self {
        Kind::Many(pieces.into_iter().collect()).into()
    }

    /// A body whose bytes come bit by bit. At most about 64 KiB wait between its ends: who sends too fast waits, and
    /// a client that reads slowly slows the sender down.
    pub fn channel() -> (BodySender, Self) {
        let (sender, receiver) = channel::channel();
        (sender, Kind::Channel(receiver).into())
    }

    /// Not a body: `serve` gets the connection after the response's head, with whatever the client has sent by then.
    ///
    /// For status 101 to a request that asked for an upgrade (WebSocket), and for 2xx to CONNECT (a tunnel). With
    /// any other response the client gets 500.
    ///
    /// ```
    /// # use http::Response;
    /// # use trenza_web::Body;
    /// let echo = Body::upgrade(|mut stream| {
    ///     let reactor = trenza_core::Reactor::current();
    ///     let task = async move {
    ///         while let Some(data) = stream.read().await? {
    ///             stream.write_all(&data).await?;
    ///         }
    ///         stream.close().await
    ///     };
    ///     reactor.spawn(task).detach();
    /// });
    /// let response = Response::builder().status(101).header("upgrade", "echo").body(echo)?;
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn upgrade(serve: impl FnOnce(Stream) + 'static) -> Self {
        Kind::Upgrade(Box::new(serve)).into()
    }

    /// The same, of a request by this peer.
    pub(crate) fn sent_by(self, peer: Rc<Peer>) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// Of a request: who sends it.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_deref()
    }

    /// Its length in bytes, where it is known before the end.
    pub fn len(&self) -> Option<u64> {
        let size = |chunk: &Chunk| chunk.len() as u64;
        match &self.kind {
            Kind::Empty => Some(0),
            Kind::One(chunk) => Some(size(chunk)),
            Kind::Many(chunks) => Some(chunks.iter().map(size).fold(0, u64::saturating_add)),
            Kind::Channel(_) | Kind::Upgrade(_) => None,
        }
    }

    /// True when it is known to be empty.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The next bytes, at least one; None at the end. Reading a request's body is what makes a client that sent
    /// `Expect: 100-continue` send it.
    ///
    /// # Errors
    /// The rest will not come: the client went away, or broke the protocol. A file is shorter than its range or
    /// cannot be read.
    ///
    /// # Panics
    /// A range of a file outside of a reactor's coroutine: it is read on the thread pool.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Kind::Channel(receiver) = &mut self.kind {
            return receiver.next().await;
        }
        loop {
            let chunk = match self.take_chunk() {
                None => return Ok(None),
                Some(chunk) if chunk.is_empty() => continue,
                Some(chunk) => chunk,
            };
            return match chunk {
                Chunk::Own(data) => Ok(Some(data.into())),
                Chunk::Shared(data) => Ok(Some(data)),
                Chunk::File(file, range) => {
                    let middle = range.start.saturating_add(FILE_PIECE).min(range.end);
                    self.put_back(Chunk::File(file.clone(), middle..range.end));
                    read_on_thread(file, range.start..middle).await.map(Some)
                }
            };
        }
    }

    /// All of it, at most `max` bytes.
    ///
    /// # Errors
    /// It is longer: a [`StatusError`] with 413, which a handler may hand on with `?`. Otherwise those of
    /// [`Body::next`].
    pub async fn collect(&mut self, max: usize) -> Result<Bytes> {
        let too_large = || StatusError::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
        if self.len().is_some_and(|len| len > max as u64) {
            return Err(too_large().into());
        }
        let Some(first) = self.next().await? else {
            return Ok(Bytes::new());
        };
        let mut all = BytesMut::new();
        let mut next = Some(first);
        while let Some(data) = next {
            if all.len().saturating_add(data.len()) > max {
                return Err(too_large().into());
            }
            next = self.next().await?;
            if all.is_empty() && next.is_none() {
                return Ok(data);
            }
            all.extend_from_slice(&data);
        }
        Ok(all.freeze())
    }

    /// The trailer fields of a body that was read to its end, once.
    pub fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.kind {
            Kind::Channel(receiver) => receiver.trailers(),
            _ => None,
        }
    }

    /// What to send next.
    pub(crate) fn piece(&mut self) -> Piece {
        if let Kind::Channel(receiver) = &mut self.kind {
            return match receiver.take() {
                Next::Data(data) => Piece::Chunk(Chunk::Shared(data)),
                Next::Wait => Piece::Wait,
                Next::End => Piece::End(receiver.trailers()),
                Next::Broken(why) => Piece::Broken(why),
            };
        }
        let mut data = match self.take_chunk() {
            None => return Piece::End(None),
            Some(Chunk::Shared(data)) => data,
            Some(Chunk::Own(data)) if data.len() > MEMORY_PIECE => data.into(),
            Some(chunk) => return Piece::Chunk(chunk),
        };
        if data.len() > MEMORY_PIECE {
            let rest = data.split_off(MEMORY_PIECE);
            self.put_back(Chunk::Shared(rest));
        }
        Piece::Chunk(Chunk::Shared(data))
    }

    /// Has `notice` called once, when [`Body::piece`] has something else to say than to wait.
    pub(crate) fn on_change(&self, notice: Rc<dyn Fn()>) {
        if let Kind::Channel(receiver) = &self.kind {
            receiver.on_change(Notice::Call(notice));
        }
    }

    /// What to do with the connection, if this is not a body.
    pub(crate) fn into_upgrade(self) -> Result<Box<dyn FnOnce(Stream)>, Self> {
        match self.kind {
            Kind::Upgrade(serve) => Ok(serve),
            kind => Err(kind.into()),
        }
    }

    fn take_chunk(&mut self) -> Option<Chunk> {
        match &mut self.kind {
            Kind::Many(chunks) => chunks.pop_front(),
            one @ Kind::One(_) => match mem::take(one) {
                Kind::One(chunk) => Some(chunk),
                _ => None,
            },
            _ => None,
        }
    }

    fn put_back(&mut self, chunk: Chunk) {
        match &mut self.kind {
            Kind::Many(chunks) => chunks.push_front(chunk),
            kind => *kind = Kind::One(chunk),
        }
    }
}

/// Has a range read on the pool. While that is full it waits: that others keep the threads busy is no fault of the
/// body's.
async fn read_on_thread(file: Arc<File>, range: Range<u64>) -> Result<Bytes> {
    let reactor = Reactor::current();
    loop {
        let (file, range) = (file.clone(), range.clone());
        match reactor.in_thread(move || Ok(read_range(&file, range)?)).await {
            Err(error) if error.is::<PoolFull>() => reactor.sleep(POOL_PAUSE).await,
            read => return read,
        }
    }
}

/// Reads a whole range, in bytes from the start of the file.
fn read_range(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
    let mut data = vec![0; len];
    file.read_exact_at(&mut data, range.start)?;
    Ok(data.into())
}

impl From<Kind> for Body {
    fn from(kind: Kind) -> Self {
        Self { kind, peer: None }
    }
}

impl From<Chunk> for Body {
    fn from(chunk: Chunk) -> Self {
        if chunk.is_empty() { Self::empty() } else { Kind::One(chunk).into() }
    }
}

impl From<Bytes> for Body {
    fn from(data: Bytes) -> Self {
        Chunk::Shared(data).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(data: Vec<u8>) -> Self {
        Chunk::Own(data).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(data: &'static [u8]) -> Self {
        Bytes::from_static(data).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kind, self.len()) {
            (Kind::Upgrade(_), _) => f.write_str("Body(upgrade)"),
            (_, Some(len)) => write!(f, "Body({len} bytes)"),
            (_, None) => f.write_str("Body(channel)"),
        }
    }
}
