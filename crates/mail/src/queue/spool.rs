//! [`Spool`]: the queue on the disk. All of it blocks.
//!
//! ```text
//!   messages/ID.mail     a message as it came
//!   messages/ID.record   what is known of it: a Record
//!   asked/ID.retry       somebody wants it to be tried at once,
//!   asked/ID.drop        or to be thrown away
//! ```
//!
//! # The order of things
//!
//! A message comes: its bytes are synced and named, then its record is, then the folder. Whoever is told so after that is
//! told the truth. One without the other was not taken, or is on its way out.
//!
//! A record changes: the new one is synced and takes the place of the old one, then the folder is synced. After a loss of
//! power it is one or the other, both whole.
//!
//! A report is made: as any message that comes, the folder included. Only then the record changes that it was owed by.
//!
//! A message goes: first its record, then its bytes, and the folder is synced. Until that is done it may come back as it
//! was, and is carried again: nobody can tell then that it was carried already.

use super::{QueueId, RECORD_MAX, Record};
use std::{sync::Arc, time::SystemTime};
use trenza_storage::{Entry, Error, ErrorKind, File, List, Path, Result, Tree, Write, Writer};

/// Where messages and records are.
pub(super) const MESSAGES: &str = "messages";
/// Where it is said what is asked of the queue.
const ASKED: &str = "asked";
/// Nobody else looks into a queue.
const MODE: u32 = 0o700;
/// How many names are looked at at once.
const NAMES: usize = 64;
/// How many requests are looked at at once.
pub(super) const REQUESTS_MAX: usize = 1000;

/// The queue on the disk, for those that look at it from outside, as `trenza mail queue` does, too: records take each
/// other's place whole, so they can be read at any time. All of it blocks.
///
/// ```
/// use std::{sync::Arc, time::SystemTime};
/// use trenza_mail::queue::{Queue, QueueOptions, Spool};
///
/// let disk = trenza_sim::Disk::alone(1);
/// drop(Queue::open(Arc::new(disk.clone()), QueueOptions::new("mx.example.org"), SystemTime::UNIX_EPOCH)?);
/// let spool = Spool::new(disk);
/// let mut seen = 0;
/// spool.each(&mut |_id, _message| seen += 1)?;
/// assert_eq!(seen, 0);
/// # Ok::<(), trenza_storage::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Spool(Arc<dyn Tree>);

/// A message of a spool.
#[derive(Debug)]
pub struct Spooled {
    /// What is known of it; an error if it cannot be read.
    pub record: Result<Record>,
    /// Its size in bytes.
    pub size: u64,
}

/// What can be asked of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// To try all recipients of a message at once that wait.
    Retry,
    /// To throw a message away. Nobody is told.
    Drop,
}

impl Request {
    /// How the name of the file ends that asks for it.
    fn ending(self) -> &'static str {
        match self {
            Self::Retry => ".retry",
            Self::Drop => ".drop",
        }
    }
}

impl Spool {
    /// That of a tree.
    pub fn new(tree: impl Tree) -> Self {
        Self::over(Arc::new(tree))
    }

    /// That of a tree which others have too.
    pub fn over(tree: Arc<dyn Tree>) -> Self {
        Self(tree)
    }

    /// Whether there is a queue in the tree.
    ///
    /// # Errors
    /// Those of the tree.
    pub fn exists(&self) -> Result<bool> {
        match self.0.metadata(&folder(MESSAGES)?) {
            Ok(found) => Ok(found.is_folder()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Calls `f` with every message, in no order. What goes meanwhile is left out.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn each(&self, f: &mut dyn FnMut(QueueId, Spooled)) -> Result {
        let mut list = self.records()?;
        loop {
            let names = list.next(NAMES)?;
            if names.is_empty() {
                return Ok(());
            }
            for id in names.iter().filter_map(id_of_record) {
                if let Some(found) = self.look(&id) {
                    f(id, found);
                }
            }
        }
    }

    /// A message; None: there is none.
    pub fn look(&self, id: &QueueId) -> Option<Spooled> {
        let size = self.0.metadata(&mail(id).ok()?).ok()?.size;
        match self.read(id) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            record => Some(Spooled { record, size }),
        }
    }

    /// The bytes of a message.
    ///
    /// # Errors
    /// Those of [`Tree::open`].
    pub fn open(&self, id: &QueueId) -> Result<Arc<dyn File>> {
        self.0.open(&mail(id)?)
    }

    /// Asks something of the server that runs the queue: it looks for that every second, and does it. See
    /// [`Spool::is_asked`].
    ///
    /// # Errors
    /// Those of the tree.
    pub fn ask(&self, id: &QueueId, request: Request) -> Result {
        let (asked, file) = (folder(ASKED)?, asked(id, request)?);
        match self.0.write(&file, Write::New) {
            Err(error) if error.kind() == ErrorKind::Exists => {}
            made => _ = made?.commit()?,
        }
        self.0.sync(&asked)
    }

    /// Whether the server has still to do it.
    ///
    /// # Errors
    /// Those of the tree.
    pub fn is_asked(&self, id: &QueueId, request: Request) -> Result<bool> {
        match self.0.metadata(&asked(id, request)?) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes back what was asked.
    ///
    /// # Errors
    /// Those of the tree.
    pub fn unask(&self, id: &QueueId, request: Request) -> Result {
        gone(self.0.remove_file(&asked(id, request)?))
    }

    /// Does it at once, while no server runs the queue. False: there is no such message.
    ///
    /// # Errors
    /// Those of the tree.
    pub fn act(&self, id: &QueueId, request: Request, now: SystemTime) -> Result<bool> {
        let there = match self.read(id) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            read => read,
        };
        match request {
            Request::Drop => self.remove(id)?,
            Request::Retry => {
                let mut record = there?;
                record.hurry(now);
                self.write(id, &record, Write::Replace)?;
            }
        }
        self.sync()?;
        Ok(true)
    }

    /// What is asked, at most [`REQUESTS_MAX`].
    pub(super) fn asked(&self) -> Result<Vec<(QueueId, Request)>> {
        let mut found = Vec::new();
        for entry in self.0.list(&folder(ASKED)?)?.next(REQUESTS_MAX)? {
            let name = entry.name.to_string_lossy();
            let request = [Request::Retry, Request::Drop].into_iter().find_map(|request| {
                let id = name.strip_suffix(request.ending())?.parse().ok()?;
                Some((id, request))
            });
            found.extend(request);
        }
        Ok(found)
    }
}

impl Spool {
    /// Makes what is not there, and takes away what was not finished: temporary files, messages without a record, records
    /// without a message. Nobody else may be at it. How many messages there are.
    pub(super) fn recover(&self, now: SystemTime) -> Result<usize> {
        for name in [MESSAGES, ASKED] {
            let path = folder(name)?;
            match self.0.make_folder(&path) {
                Err(error) if error.kind() == ErrorKind::Exists => {}
                made => made.and_then(|()| self.0.set_mode(&path, MODE))?,
            }
        }
        self.0.sync(&Path::root())?;
        self.0.sweep(now)?;
        let (mut list, mut count) = (self.records()?, 0);
        loop {
            let names = list.next(NAMES)?;
            if names.is_empty() {
                break;
            }
            for entry in names {
                count += usize::from(self.check(&entry)?);
            }
        }
        self.sync()?;
        Ok(count)
    }

    /// Looks at a file: true if it is the record of a message. What is left of one is removed.
    fn check(&self, entry: &Entry) -> Result<bool> {
        let (other, is_record) = match (id_of_record(entry), id_of_mail(entry)) {
            (Some(id), _) => (mail(&id)?, true),
            (None, Some(id)) => (record(&id)?, false),
            (None, None) => return Ok(false),
        };
        match self.0.metadata(&other) {
            Ok(_) => Ok(is_record),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let this = folder(MESSAGES)?.join(entry.name.as_encoded_bytes())?;
                tracing::info!(file = %this, "the rest of a message is removed");
                gone(self.0.remove_file(&this))?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The files of all messages.
    pub(super) fn records(&self) -> Result<Box<dyn List>> {
        self.0.list(&folder(MESSAGES)?)
    }

    /// Takes a message whose bytes were written: they are synced and named, and so is its record. Only when this
    /// succeeds it is there.
    pub(super) fn enter(&self, id: &QueueId, writer: Box<dyn Writer>, known: Record) -> Result {
        let entered = self.bring(id, writer, known, Write::Create).and_then(|()| self.sync());
        if entered.as_ref().is_err_and(|error| error.kind() != ErrorKind::Exists) {
            let _ = self.remove(id);
        }
        entered
    }

    /// The same, but the folder is not synced, nor is what was written taken away after an error.
    pub(super) fn bring(
        &self,
        id: &QueueId,
        mut writer: Box<dyn Writer>,
        mut known: Record,
        how: Write,
    ) -> Result {
        known.mail.size = Some(writer.written());
        writer.sync()?;
        writer.commit()?;
        self.write(id, &known, how)
    }

    /// Where the bytes of a message are written to.
    pub(super) fn write_mail(&self, id: &QueueId, how: Write) -> Result<Box<dyn Writer>> {
        self.0.write(&mail(id)?, how)
    }

    /// A record, which is synced and has its name.
    pub(super) fn write(&self, id: &QueueId, known: &Record, how: Write) -> Result {
        let text = known.to_text();
        // What cannot be read again would be lost.
        if Record::parse(text.as_bytes()).as_ref() != Ok(known) {
            return Err(Error::new(ErrorKind::Name, "the record of a message cannot be written as it is"));
        }
        let mut writer = self.0.write(&record(id)?, how)?;
        writer.write(text.as_bytes())?;
        writer.sync()?;
        writer.commit().map(drop)
    }

    pub(super) fn read(&self, id: &QueueId) -> Result<Record> {
        let file = self.0.open(&record(id)?)?;
        let text = read(&*file, RECORD_MAX + 1)?;
        Record::parse(&text).map_err(|error| Error::new(ErrorKind::Io, error))
    }

    /// Takes a message away.
    fn remove(&self, id: &QueueId) -> Result {
        self.remove_record(id)?;
        self.remove_mail(id)
    }

    /// Takes a record away: there is no such message any more. False: there was none.
    pub(super) fn remove_record(&self, id: &QueueId) -> Result<bool> {
        match self.0.remove_file(&record(id)?) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// Takes the bytes of a message away.
    pub(super) fn remove_mail(&self, id: &QueueId) -> Result {
        gone(self.0.remove_file(&mail(id)?))
    }

    /// Brings what was done to names to the medium.
    pub(super) fn sync(&self) -> Result {
        self.0.sync(&folder(MESSAGES)?)
    }
}

/// The first bytes of a file.
pub(super) fn read(file: &dyn File, most: usize) -> Result<Vec<u8>> {
    let size = usize::try_from(file.opened().size).unwrap_or(usize::MAX).min(most);
    let (mut bytes, mut done) = (vec![0; size], 0);
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, done as u64)? {
            0 => break,
            count => done += count,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// It is gone, whoever has removed it.
fn gone(removed: Result) -> Result {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn folder(name: &str) -> Result<Path> {
    Path::new(name)
}

/// Where the bytes of a message are.
pub(super) fn mail(id: &QueueId) -> Result<Path> {
    folder(MESSAGES)?.join(format!("{id}.mail"))
}

fn record(id: &QueueId) -> Result<Path> {
    folder(MESSAGES)?.join(format!("{id}.record"))
}

fn asked(id: &QueueId, request: Request) -> Result<Path> {
    folder(ASKED)?.join(format!("{id}{}", request.ending()))
}

/// Which message's record a file is.
pub(super) fn id_of_record(entry: &Entry) -> Option<QueueId> {
    entry.name.to_str()?.strip_suffix(".record")?.parse().ok()
}

fn id_of_mail(entry: &Entry) -> Option<QueueId> {
    entry.name.to_str()?.strip_suffix(".mail")?.parse().ok()
}
