//! [`Spool`]: where messages wait until it is known what stands before them.

use super::cleaner::Cleaner;
use crate::{
    maildir::refusal,
    smtp::server::{Delivery, Envelope, Message, Outcome},
};
use std::{fmt, future::Future, pin::Pin, rc::Rc, sync::Arc};
use trenza_core::{Deferred, Result};
use trenza_storage::{BATCH, Error, ErrorKind, File, Path, Storage, Tree, Upload, Write};

/// Nobody else looks into messages that wait.
const MODE: u32 = 0o700;

/// A folder in which messages wait, each in a file, until they are whole: signatures are checked and made over all of a
/// message, and stand before it. When it goes on its file has no name any more. It need not survive a crash: nobody was
/// told that it was taken.
#[derive(Clone)]
pub struct Spool {
    storage: Storage,
    folder: Path,
}

/// Somebody who looks at a message as it comes, and says what belongs before it.
pub(super) trait Look {
    /// Takes bytes of it.
    fn push(&mut self, bytes: &[u8]);

    /// It was whole: the fields that belong before it. An error that is a [`Reply`](crate::smtp::Reply) refuses it.
    fn finish(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<String>>>>;

    /// What leaves out fields that came with it.
    fn cleaner(&self) -> Option<Cleaner>;
}

impl Spool {
    /// Messages wait in this folder, which must be there ([`Spool::clear`]). Several deliveries, on all loops, may have the
    /// same.
    pub fn new(storage: &Storage, folder: Path) -> Self {
        Self { storage: storage.clone(), folder }
    }

    /// Makes the folder, and removes what a crash has left there: its senders still have it. What has a temporary name is
    /// left to [`Tree::sweep`](trenza_storage::Tree::sweep). It blocks: a program calls it once, before its loops.
    ///
    /// # Errors
    /// Those of the tree.
    pub fn clear(tree: &dyn Tree, folder: &Path) -> Result<(), Error> {
        match tree.make_folder(folder) {
            Err(error) if error.kind() != ErrorKind::Exists => return Err(error),
            _ => tree.set_mode(folder, MODE)?,
        }
        let mut list = tree.list(folder)?;
        loop {
            let entries = list.next(BATCH)?;
            for entry in &entries {
                tree.remove_file(&folder.join(entry.name.as_encoded_bytes())?)?;
            }
            if entries.is_empty() {
                return Ok(());
            }
        }
    }

    /// A message that `look` is to see before `inner` gets it.
    pub(super) fn message(
        &self,
        envelope: Rc<Envelope>,
        inner: Rc<dyn Delivery>,
        look: Box<dyn Look>,
    ) -> Deferred<Box<dyn Message>> {
        let (storage, path) = (self.storage.clone(), self.folder.join(&envelope.id));
        self.storage.reactor().spawn(async move {
            let path = path?;
            let upload = storage.upload(&path, Write::Create).await.map_err(told)?;
            let waiting = Waiting { storage, path, upload, envelope, inner, look };
            Ok(Box::new(waiting) as Box<dyn Message>)
        })
    }
}

/// A message that waits to be whole.
struct Waiting {
    storage: Storage,
    path: Path,
    upload: Upload,
    envelope: Rc<Envelope>,
    inner: Rc<dyn Delivery>,
    look: Box<dyn Look>,
}

impl Message for Waiting {
    fn push(&mut self, bytes: &[u8]) {
        self.look.push(bytes);
        self.upload.push(bytes);
    }

    fn is_full(&self) -> bool {
        self.upload.is_full()
    }

    fn room(&self) -> Option<Deferred<()>> {
        let (storage, room) = (&self.storage, self.upload.room());
        Some(storage.reactor().spawn(async { room.await.map_err(told) }))
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        let reactor = self.storage.reactor().clone();
        reactor.spawn(self.go_on())
    }
}

impl Waiting {
    async fn go_on(self: Box<Self>) -> Result<Outcome> {
        let Self { storage, path, upload, envelope, inner, look } = *self;
        let written = upload.finish_with(move |tree, writer| {
            let size = writer.commit()?.size;
            let file = tree.open(&path);
            tree.remove_file(&path)?;
            Ok((file?, size))
        });
        let (file, size) = written.await.map_err(told)?;
        let cleaner = look.cleaner();
        let fields = look.finish().await?;
        let mut message = inner.message(envelope).await?;
        message.push(fields.as_bytes());
        hand_on(&storage, file, size, cleaner, &mut *message).await?;
        message.finish().await
    }
}

/// Gives a message that has waited to who gets it.
async fn hand_on(
    storage: &Storage,
    file: Arc<dyn File>,
    size: u64,
    mut cleaner: Option<Cleaner>,
    message: &mut dyn Message,
) -> Result {
    let mut pieces = storage.read(file, 0..size);
    let mut out = Vec::new();
    while let Some(piece) = pieces.next().await.map_err(refusal)? {
        match &mut cleaner {
            None => message.push(&piece),
            Some(cleaner) => {
                out.clear();
                cleaner.push(&piece, &mut out);
                message.push(&out);
            }
        }
        while message.is_full() {
            let Some(room) = message.room() else { break };
            room.await?;
        }
    }
    if let Some(cleaner) = cleaner {
        out.clear();
        cleaner.finish(&mut out);
        message.push(&out);
    }
    Ok(())
}

/// What the client is told of a lack of room, say.
fn told(error: trenza_core::Error) -> trenza_core::Error {
    refusal(Error::from(error)).into()
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spool({:?})", self.folder)
    }
}
