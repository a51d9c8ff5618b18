//! [`Upload`]: bytes that are pushed, into a file.

use crate::{Error, ErrorKind, Metadata, Path, Result, Storage, Tree, Writer, storage::discard};
use std::{cell::RefCell, fmt, mem, rc::Rc};
use trenza_core::{Deferred, Resolver};

/// From so many bytes on that wait to be written an upload is full. As many again may be on their way to the file.
pub const UPLOAD_FULL: usize = 256 * 1024;
/// The most bytes that wait: who pushes on although the upload is full gets an error.
pub const UPLOAD_MAX: usize = 4 * 1024 * 1024;

/// A file that is written with what a connection receives.
///
/// ```text
///   data_received ── push ──▶ bytes that wait ── a job at a time ──▶ file
///        ▲                        │
///        └── resume ◀── room ◀────┴── is_full: pause
/// ```
///
/// When it [is full](Upload::is_full) the connection is to be paused until there is [room](Upload::room). Dropping it
/// ends it as [`Writer`] says: what was to be whole leaves nothing.
///
/// ```
/// use trenza_core::{Input, Protocol, Result, Transport};
/// use trenza_storage::Upload;
///
/// struct Store(Upload);
///
/// impl Protocol for Store {
///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
///         self.0.push(input.rest());
///         if self.0.is_full() {
///             transport.pause();
///             self.0.room().then_in(transport.handle::<Self>(), |_, transport, room| {
///                 room?; // the disk is full, say
///                 transport.resume();
///                 Ok(())
///             });
///         }
///         Ok(())
///     }
/// }
/// # let _ = Store;
/// ```
pub struct Upload(Rc<State>);

struct State {
    storage: Storage,
    /// The folder that the file is in.
    folder: Path,
    inner: RefCell<Inner>,
}

struct Inner {
    /// What waits to be written.
    waiting: Vec<u8>,
    /// A buffer that was written and is used again.
    spare: Vec<u8>,
    /// None: a job has it, or it failed.
    writer: Option<Box<dyn Writer>>,
    failed: Option<ErrorKind>,
    pushed: u64,
    /// Who waits for room.
    room: Vec<Resolver<()>>,
    end: End,
}

/// What is done with a writer that has written all, or with an error.
type Finish = Box<dyn FnOnce(Result<Box<dyn Writer>>)>;

enum End {
    /// It goes on.
    No,
    /// All that was pushed is to be written, and then this is done; or it is told why not.
    Finish(Finish),
    /// It was dropped, or has ended.
    Gone,
}

impl Upload {
    pub(crate) fn new(storage: Storage, writer: Box<dyn Writer>, folder: Path) -> Self {
        let inner = Inner {
            waiting: Vec::new(),
            spare: Vec::new(),
            writer: Some(writer),
            failed: None,
            pushed: 0,
            room: Vec::new(),
            end: End::No,
        };
        Self(Rc::new(State { storage, folder, inner: RefCell::new(inner) }))
    }

    /// Takes all of `bytes`. After a failure they are dropped: [`Upload::room`] and [`Upload::finish`] tell of it.
    pub fn push(&self, bytes: &[u8]) {
        let inner = &mut *self.0.inner.borrow_mut();
        inner.pushed += bytes.len() as u64;
        if inner.failed.is_some() {
            return;
        }
        if inner.waiting.len() + bytes.len() > UPLOAD_MAX {
            inner.fail(ErrorKind::Busy.into());
        } else {
            inner.waiting.extend_from_slice(bytes);
        }
        self.0.go_on(inner);
    }

    /// True when [`UPLOAD_FULL`] bytes wait, or writing has failed: push no more.
    pub fn is_full(&self) -> bool {
        let inner = self.0.inner.borrow();
        inner.failed.is_some() || inner.waiting.len() >= UPLOAD_FULL
    }

    /// Fires when it is not full.
    ///
    /// # Errors
    /// Those of [`Writer::write`]; all that wait get the kind of the first.
    pub fn room(&self) -> Deferred<()> {
        let (deferred, resolver) = self.0.storage.reactor().deferred();
        let inner = &mut *self.0.inner.borrow_mut();
        match inner.failed {
            Some(kind) => resolver.fire(Err(Error::from(kind).into())),
            None if inner.waiting.len() < UPLOAD_FULL => resolver.fire(Ok(())),
            None => {
                inner.room.retain(|resolver| !resolver.is_cancelled());
                inner.room.push(resolver);
            }
        }
        deferred
    }

    /// How many bytes were pushed.
    pub fn pushed(&self) -> u64 {
        self.0.inner.borrow().pushed
    }

    /// Writes what is left and gives the file its name. With `sync` it is on the medium then, its name too: it survives a
    /// loss of power.
    ///
    /// Dropping the result lets it go on.
    ///
    /// # Errors
    /// Those of [`Writer`], the first of them; and of [`Tree::sync`](crate::Tree::sync), when the file may be there all
    /// the same.
    pub fn finish(self, sync: bool) -> Deferred<Metadata> {
        let folder = self.0.folder.clone();
        self.finish_with(move |tree, mut writer| {
            if !sync {
                return writer.commit();
            }
            writer.sync()?;
            let committed = writer.commit()?;
            tree.sync(&folder)?;
            Ok(committed)
        })
    }

    /// Writes what is left, and does with the writer what `f` says, in one job on the pool: for files whose name is not
    /// known before their end.
    ///
    /// Dropping the result lets it go on.
    ///
    /// ```
    /// use trenza_storage::{Path, Storage, Write};
    ///
    /// let net = trenza_sim::Net::gentle(1);
    /// let host = net.host("srv");
    /// let tree = host.disk();
    /// net.block_on(&host, async {
    ///     let storage = Storage::new(&trenza_core::Reactor::current(), tree);
    ///     let path = Path::new("incoming")?;
    ///     let upload = storage.upload(&path, Write::Create).await?;
    ///     upload.push(b"hello");
    ///     let named = upload.finish_with(move |tree, writer| {
    ///         let name = Path::new(format!("size-{}", writer.commit()?.size))?;
    ///         tree.rename(&path, &name, false)?;
    ///         Ok(name)
    ///     });
    ///     assert_eq!(named.await?, Path::new("size-5")?);
    ///     Ok(())
    /// })?;
    /// # Ok::<(), trenza_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of writing, the first of them, without calling `f`; and those of `f`.
    pub fn finish_with<T: Send + 'static>(
        self,
        f: impl FnOnce(&dyn Tree, Box<dyn Writer>) -> Result<T> + Send + 'static,
    ) -> Deferred<T> {
        let storage = self.0.storage.clone();
        let (deferred, resolver) = storage.reactor().deferred();
        let finish = move |written: Result<Box<dyn Writer>>| match written {
            Err(error) => resolver.fire(Err(error.into())),
            Ok(writer) => {
                let tree = storage.tree().clone();
                let job = storage.job(move || f(&*tree, writer), |given| given);
                job.then(move |given| resolver.fire(given));
            }
        };
        let inner = &mut *self.0.inner.borrow_mut();
        match inner.failed {
            Some(kind) => finish(Err(kind.into())),
            None => inner.end = End::Finish(Box::new(finish)),
        }
        self.0.go_on(inner);
        deferred
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let inner = &mut *self.0.inner.borrow_mut();
        if matches!(inner.end, End::No) {
            inner.end = End::Gone;
            inner.waiting = Vec::new();
            self.0.go_on(inner);
        }
    }
}

impl State {
    /// Starts the next job, if none is under way.
    fn go_on(self: &Rc<Self>, inner: &mut Inner) {
        let Some(mut writer) = inner.writer.take() else { return };
        if matches!(inner.end, End::Gone) || inner.failed.is_some() {
            return discard(self.storage.reactor(), writer);
        }
        if !inner.waiting.is_empty() {
            let bytes = mem::replace(&mut inner.waiting, mem::take(&mut inner.spare));
            inner.room.drain(..).for_each(|resolver| resolver.fire(Ok(())));
            let write = move || {
                let wrote = writer.write(&bytes);
                wrote.map(|()| (writer, bytes))
            };
            let state = self.clone();
            return self.storage.job(write, |wrote| wrote).then(move |wrote| state.wrote(wrote));
        }
        match mem::replace(&mut inner.end, End::No) {
            End::Finish(finish) => {
                inner.end = End::Gone;
                finish(Ok(writer));
            }
            other => {
                inner.end = other;
                inner.writer = Some(writer);
            }
        }
    }

    fn wrote(self: Rc<Self>, wrote: trenza_core::Result<(Box<dyn Writer>, Vec<u8>)>) {
        let inner = &mut *self.inner.borrow_mut();
        match wrote {
            Ok((writer, mut bytes)) => {
                inner.writer = Some(writer);
                bytes.clear();
                inner.spare = bytes;
            }
            // The job has dropped the writer.
            Err(error) => inner.fail(error.into()),
        }
        self.go_on(inner);
    }
}

impl Inner {
    fn fail(&mut self, error: Error) {
        self.failed = Some(error.kind());
        self.waiting = Vec::new();
        self.spare = Vec::new();
        // The first who asks gets all of the error.
        let kind = error.kind();
        let mut error = Some(error);
        let mut next = || error.take().unwrap_or_else(|| kind.into());
        for resolver in self.room.drain(..) {
            resolver.fire(Err(next().into()));
        }
        match mem::replace(&mut self.end, End::No) {
            End::Finish(finish) => {
                self.end = End::Gone;
                finish(Err(next()));
            }
            other => self.end = other,
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.0.inner.borrow();
        f.debug_struct("Upload")
            .field("pushed", &inner.pushed)
            .field("waiting", &inner.waiting.len())
            .field("failed", &inner.failed)
            .finish()
    }
}
