//! [`Storage`]: a tree off the loop.

use crate::{Error, File, Listing, Metadata, Path, Reader, Result, Space, Tree, Upload, Write};
use std::{ops::Range, rc::Rc, sync::Arc, time::SystemTime};
use trenza_core::{Deferred, Permit, Reactor, Resolver, Semaphore, Transport};

/// How many calls of a [`Storage`] are on the thread pool at once, so that others find threads there too.
pub const JOBS_MAX: usize = 32;
/// How many calls wait for that; one more fails with [`Busy`](crate::ErrorKind::Busy).
pub const WAITING_MAX: usize = 4096;

/// A tree whose calls run on the thread pool of a loop, [`JOBS_MAX`] at a time, in the order in which they were made.
/// Clones are the same, so they share that.
///
/// The errors of its results are [`Error`]s that the engine carries: `Error::from` takes them out again.
///
/// # Cancelling
///
/// A call that has not begun when its result is dropped never does. One that has begun goes on, and what it gives (a
/// writer, say) is dropped on the pool, as if the protocol had dropped it: so nothing is left of an upload that nobody
/// waits for.
///
/// ```
/// use trenza_storage::{Error, ErrorKind, Path, Storage, Write};
///
/// let net = trenza_sim::Net::gentle(1);
/// let host = net.host("srv");
/// let tree = host.disk();
/// net.block_on(&host, async {
///     let storage = Storage::new(&trenza_core::Reactor::current(), tree);
///     let path = Path::new("greeting")?;
///     let upload = storage.upload(&path, Write::Replace).await?;
///     upload.push(b"hello");
///     assert_eq!(upload.finish(true).await?.size, 5);
///
///     let file = storage.open(&path).await?;
///     let mut reader = storage.read(file, 1..4);
///     assert_eq!(reader.next().await?.as_deref(), Some(&b"ell"[..]));
///     assert_eq!(reader.next().await?, None);
///
///     let error = storage.metadata(&Path::new("none")?).await.map_err(Error::from).unwrap_err();
///     assert_eq!(error.kind(), ErrorKind::NotFound);
///     Ok(())
/// })?;
/// # Ok::<(), trenza_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Storage(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    tree: Arc<dyn Tree>,
    reactor: Reactor,
    jobs: Semaphore,
}

impl Storage {
    /// Runs the calls of a tree on the pool of this loop.
    pub fn new(reactor: &Reactor, tree: impl Tree) -> Self {
        Self::over(reactor, Arc::new(tree))
    }

    /// The same for a tree that others have too, as the storages of several loops do.
    pub fn over(reactor: &Reactor, tree: Arc<dyn Tree>) -> Self {
        let jobs = Semaphore::new(reactor, JOBS_MAX);
        jobs.set_waiters_max(WAITING_MAX);
        Self(Rc::new(Shared { tree, reactor: reactor.clone(), jobs }))
    }

    /// The tree itself, whose calls block.
    pub fn tree(&self) -> &Arc<dyn Tree> {
        &self.0.tree
    }

    /// Whose pool it uses.
    pub fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    /// Runs `f` with the tree on the pool: several calls as one job.
    ///
    /// # Errors
    /// Those of `f`; and [`Busy`](crate::ErrorKind::Busy), if [`WAITING_MAX`] calls wait or the pool is full.
    #[track_caller]
    pub fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&dyn Tree) -> Result<T> + Send + 'static,
    ) -> Deferred<T> {
        let tree = self.0.tree.clone();
        self.job(move || f(&*tree), |given| given)
    }

    /// Runs `f` on the pool, when it is its turn, and `finish` with what it gives on the loop.
    #[track_caller]
    pub(crate) fn job<T: Send + 'static, U: 'static>(
        &self,
        f: impl FnOnce() -> Result<T> + Send + 'static,
        finish: impl FnOnce(T) -> U + 'static,
    ) -> Deferred<U> {
        let (deferred, resolver) = self.0.reactor.deferred();
        let storage = self.clone();
        let start = move |permit, resolver| storage.start(permit, f, finish, resolver);
        match self.0.jobs.try_acquire() {
            Some(permit) => start(permit, resolver),
            None => self.0.jobs.acquire().then(move |permit| match permit {
                Ok(_) if resolver.is_cancelled() => {}
                Ok(permit) => start(permit, resolver),
                Err(error) => resolver.fire(Err(Error::from(error).into())),
            }),
        }
        deferred
    }

    fn start<T: Send + 'static, U: 'static>(
        &self,
        permit: Permit,
        f: impl FnOnce() -> Result<T> + Send + 'static,
        finish: impl FnOnce(T) -> U + 'static,
        resolver: Resolver<U>,
    ) {
        let reactor = self.0.reactor.clone();
        self.0.reactor.in_thread(move || Ok(f()?)).then(move |done| {
            drop(permit);
            match done {
                // Dropping it may block: the end of a writer removes a file.
                Ok(given) if resolver.is_cancelled() => discard(&reactor, given),
                Ok(given) => resolver.fire(Ok(finish(given))),
                Err(error) => resolver.fire(Err(Error::from(error).into())),
            }
        });
    }

    /// [`Tree::open`].
    #[track_caller]
    pub fn open(&self, path: &Path) -> Deferred<Arc<dyn File>> {
        let path = path.clone();
        self.run(move |tree| tree.open(&path))
    }

    /// [`Tree::write`], for bytes that are pushed.
    #[track_caller]
    pub fn upload(&self, path: &Path, how: Write) -> Deferred<Upload> {
        let (tree, path, storage) = (self.0.tree.clone(), path.clone(), self.clone());
        let folder = path.parent().unwrap_or_default();
        self.job(move || tree.write(&path, how), |writer| Upload::new(storage, writer, folder))
    }

    /// The bytes of a file in pieces, for sources that are not of the system. `range` is in bytes from its start; one
    /// that ends behind the file's end ends there.
    pub fn read(&self, file: Arc<dyn File>, range: Range<u64>) -> Reader {
        Reader::new(self.clone(), file, range)
    }

    /// Sends a range of a file to a connection: by [`Transport::send_file`] where the system has the file, else in pieces,
    /// of which never more than two are in memory.
    ///
    /// It is over when all of it was handed to the connection, which still has to send it: see
    /// [`Transport::flushed`].
    ///
    /// # Errors
    /// Those of reading, and the end of the connection. Of a file of the system it is the connection that fails if the
    /// file is shorter.
    pub async fn send(&self, file: Arc<dyn File>, range: Range<u64>, to: &Transport) -> Result {
        if let Some(file) = file.system() {
            to.send_file(file.clone(), range);
            return Ok(());
        }
        let mut reader = self.read(file, range);
        while let Some(piece) = reader.next().await? {
            to.flushed().await?;
            to.write_bytes(piece);
        }
        Ok(())
    }

    /// [`Tree::metadata`].
    #[track_caller]
    pub fn metadata(&self, path: &Path) -> Deferred<Metadata> {
        let path = path.clone();
        self.run(move |tree| tree.metadata(&path))
    }

    /// [`Tree::symlink_metadata`].
    #[track_caller]
    pub fn symlink_metadata(&self, path: &Path) -> Deferred<Metadata> {
        let path = path.clone();
        self.run(move |tree| tree.symlink_metadata(&path))
    }

    /// [`Tree::list`], a batch at a time.
    #[track_caller]
    pub fn list(&self, path: &Path) -> Deferred<Listing> {
        let (tree, path, storage) = (self.0.tree.clone(), path.clone(), self.clone());
        self.job(move || tree.list(&path), |list| Listing::new(storage, list))
    }

    /// [`Tree::make_folder`].
    #[track_caller]
    pub fn make_folder(&self, path: &Path) -> Deferred<()> {
        let path = path.clone();
        self.run(move |tree| tree.make_folder(&path))
    }

    /// [`Tree::remove_file`].
    #[track_caller]
    pub fn remove_file(&self, path: &Path) -> Deferred<()> {
        let path = path.clone();
        self.run(move |tree| tree.remove_file(&path))
    }

    /// [`Tree::remove_folder`].
    #[track_caller]
    pub fn remove_folder(&self, path: &Path) -> Deferred<()> {
        let path = path.clone();
        self.run(move |tree| tree.remove_folder(&path))
    }

    /// [`Tree::rename`].
    #[track_caller]
    pub fn rename(&self, from: &Path, to: &Path, replace: bool) -> Deferred<()> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |tree| tree.rename(&from, &to, replace))
    }

    /// [`Tree::link`].
    #[track_caller]
    pub fn link(&self, from: &Path, to: &Path) -> Deferred<()> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |tree| tree.link(&from, &to))
    }

    /// [`Tree::set_modified`].
    #[track_caller]
    pub fn set_modified(&self, path: &Path, time: SystemTime) -> Deferred<()> {
        let path = path.clone();
        self.run(move |tree| tree.set_modified(&path, time))
    }

    /// [`Tree::set_mode`].
    #[track_caller]
    pub fn set_mode(&self, path: &Path, mode: u32) -> Deferred<()> {
        let path = path.clone();
        self.run(move |tree| tree.set_mode(&path, mode))
    }

    /// [`Tree::sync`].
    #[track_caller]
    pub fn sync(&self, path: &Path) -> Deferred<()> {
        let path = path.clone();
        self.run(move |tree| tree.sync(&path))
    }

    /// [`Tree::space`].
    #[track_caller]
    pub fn space(&self) -> Deferred<Space> {
        self.run(|tree| tree.space())
    }

    /// [`Tree::sweep`].
    #[track_caller]
    pub fn sweep(&self, before: SystemTime) -> Deferred<u64> {
        self.run(move |tree| tree.sweep(before))
    }
}

/// Drops something on the pool, since that may block.
pub(crate) fn discard<T: Send + 'static>(reactor: &Reactor, given: T) {
    reactor
        .in_thread(move || {
            drop(given);
            Ok(())
        })
        .detach();
}
