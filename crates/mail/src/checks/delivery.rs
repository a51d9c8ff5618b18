//! [`Checked`]: a delivery that gets messages with what was found out about them.

use super::{Checks, Examination, Report, cleaner::Cleaner};
use crate::maildir::refusal;
use crate::smtp::{
    Code, Mail, Rcpt, Reply, Status,
    server::{Answer, Client, Delivery, Envelope, Message, Mode, Outcome},
};
use std::{fmt, rc::Rc, sync::Arc};
use trenza_core::{Deferred, Result};
use trenza_storage::{BATCH, Error, ErrorKind, File, Path, Storage, Upload, Write};

/// Checks messages at reception before another delivery gets them: with the field Authentication-Results before them, and
/// without fields that claim to be it. What the author's domain wants to be refused (DMARC) is refused with 550.
///
/// A message is whole before its signatures can be checked, so it waits in a file, which has no name any more when it is
/// read, and never in memory. It is on the medium when the other delivery says so. What was submitted, or came over LMTP,
/// goes straight on: it was checked where it came in.
///
/// ```
/// use trenza_mail::{checks::{Checked, Checks}, maildir::Maildirs, smtp::SmtpServer};
/// use trenza_storage::{Path, Storage};
///
/// # fn serve(reactor: &trenza_core::Reactor, checks: Checks, storage: Storage, maildirs: Maildirs) -> trenza_core::Result {
/// let checked = Checked::new(checks, &storage, Path::new("checking")?, maildirs);
/// reactor.listen_with("tcp:25", SmtpServer::reception("mx.example.org", ["example.org"]).on(checked))?;
/// # Ok(())
/// # }
/// ```
pub struct Checked {
    shared: Rc<Shared>,
    storage: Storage,
    /// Where messages wait.
    folder: Path,
}

struct Shared {
    checks: Checks,
    inner: Box<dyn Delivery>,
    refuse: bool,
}

impl Checked {
    /// Checks what `inner` gets. Messages wait in `folder`, which must be there.
    pub fn new(checks: Checks, storage: &Storage, folder: Path, inner: impl Delivery) -> Self {
        let shared = Shared { checks, inner: Box::new(inner), refuse: true };
        Self { shared: Rc::new(shared), storage: storage.clone(), folder }
    }

    /// Makes the folder that messages wait in, and removes what a crash has left there: their senders still have them. What
    /// has a temporary name is left to [`Tree::sweep`](trenza_storage::Tree::sweep). To be called before anything is received, by one loop of a program.
    ///
    /// # Errors
    /// Those of the tree.
    pub fn clear(storage: &Storage, folder: &Path) -> Deferred<()> {
        let folder = folder.clone();
        storage.run(move |tree| {
            match tree.make_folder(&folder) {
                Err(error) if error.kind() != ErrorKind::Exists => return Err(error),
                _ => {}
            }
            let mut list = tree.list(&folder)?;
            loop {
                let entries = list.next(BATCH)?;
                for entry in &entries {
                    tree.remove_file(&folder.join(entry.name.as_encoded_bytes())?)?;
                }
                if entries.is_empty() {
                    return Ok(());
                }
            }
        })
    }

    /// Only writes down what it finds, and refuses nothing.
    pub fn only_told(mut self) -> Self {
        if let Some(shared) = Rc::get_mut(&mut self.shared) {
            shared.refuse = false;
        }
        self
    }
}

impl Delivery for Checked {
    fn session(&self, client: &Client) -> Answer {
        self.shared.inner.session(client)
    }

    fn sender(&self, client: &Client, mail: &Mail) -> Answer {
        self.shared.inner.sender(client, mail)
    }

    fn recipient(&self, client: &Client, mail: &Mail, to: &Rcpt) -> Answer {
        self.shared.inner.recipient(client, mail, to)
    }

    fn message(&self, envelope: Rc<Envelope>) -> Deferred<Box<dyn Message>> {
        if envelope.client.mode != Mode::Reception {
            return self.shared.inner.message(envelope);
        }
        let (shared, storage) = (self.shared.clone(), self.storage.clone());
        let path = self.folder.join(&envelope.id);
        self.storage.reactor().spawn(async move {
            let path = path?;
            let upload = storage.upload(&path, Write::Create).await.map_err(told)?;
            let examination = shared.checks.begin(&envelope);
            let waiting = Waiting { shared, storage, envelope, path, upload, examination };
            Ok(Box::new(waiting) as Box<dyn Message>)
        })
    }
}

/// A message that is received and looked at.
struct Waiting {
    shared: Rc<Shared>,
    storage: Storage,
    envelope: Rc<Envelope>,
    path: Path,
    upload: Upload,
    examination: Examination,
}

impl Message for Waiting {
    fn push(&mut self, bytes: &[u8]) {
        self.examination.push(bytes);
        self.upload.push(bytes);
    }

    fn is_full(&self) -> bool {
        self.upload.is_full()
    }

    fn room(&self) -> Option<Deferred<()>> {
        Some(self.upload.room())
    }

    fn finish(self: Box<Self>) -> Deferred<Outcome> {
        let reactor = self.storage.reactor().clone();
        reactor.spawn(self.check())
    }
}

impl Waiting {
    async fn check(self: Box<Self>) -> Result<Outcome> {
        let Self { shared, storage, envelope, path, upload, examination } = *self;
        let written = upload.finish_with(move |tree, writer| {
            let size = writer.commit()?.size;
            let file = tree.open(&path);
            tree.remove_file(&path)?;
            Ok((file?, size))
        });
        let (file, size) = written.await.map_err(told)?;
        let report = examination.finish().await;
        tracing::info!(
            message = %envelope.id, spf = %report.spf.result, dmarc = %report.dmarc.result,
            disposition = %report.dmarc.disposition, "checked"
        );
        if shared.refuse && report.is_refused() {
            let text = format!("The domain {} wants this message to be refused", report.dmarc.domain);
            return Err(Reply::new(Code::REFUSED, Status::DENIED, text).into());
        }
        hand_on(&shared, &storage, envelope, &report, file, size).await
    }
}

/// Gives the message to the other delivery.
async fn hand_on(
    shared: &Shared,
    storage: &Storage,
    envelope: Rc<Envelope>,
    report: &Report,
    file: Arc<dyn File>,
    size: u64,
) -> Result<Outcome> {
    let mut message = shared.inner.message(envelope).await?;
    let mut cleaner = Cleaner::new(shared.checks.clone());
    message.push(report.field.as_bytes());
    let mut pieces = storage.read(file, 0..size);
    let mut out = Vec::new();
    while let Some(piece) = pieces.next().await.map_err(refusal)? {
        cleaner.push(&piece, &mut out);
        give(&mut *message, &mut out).await?;
    }
    cleaner.finish(&mut out);
    give(&mut *message, &mut out).await?;
    message.finish().await
}

/// What the client is told of a lack of room, say.
fn told(error: trenza_core::Error) -> trenza_core::Error {
    refusal(Error::from(error)).into()
}

async fn give(message: &mut dyn Message, out: &mut Vec<u8>) -> Result {
    message.push(out);
    out.clear();
    while message.is_full() {
        let Some(room) = message.room() else { break };
        room.await?;
    }
    Ok(())
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checked({:?})", self.shared.checks)
    }
}
