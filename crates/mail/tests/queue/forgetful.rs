//! [`Forgetful`]: a disk on which something is not synced.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};
use trenza_sim::Disk;
use trenza_storage::{File, List, Metadata, Path, Result, Space, Tree, Write, Writer};

/// What is left out of what makes the queue durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgets {
    Nothing,
    /// To sync the bytes of a message.
    Mail,
    /// To sync its record.
    Record,
    /// To sync the folder when a message has come.
    Arrival,
    /// To sync the folder when a report was made, before the record says so.
    Report,
    /// To sync the folder when a record was changed, or a message removed.
    Change,
    /// To sync the folder that the folders are in.
    Folders,
}

/// What was done to names since the folder was synced.
#[derive(Debug, Default)]
struct Done {
    arrival: bool,
    report: bool,
    change: bool,
}

/// A tree that forgets something.
#[derive(Debug)]
pub(crate) struct Forgetful {
    disk: Disk,
    forgets: Forgets,
    done: Arc<Mutex<Done>>,
}

impl Forgetful {
    pub(crate) fn new(disk: Disk, forgets: Forgets) -> Self {
        Self { disk, forgets, done: Arc::default() }
    }
}

/// The name of a report has a hyphen.
fn is_report(path: &Path) -> bool {
    path.name().is_some_and(|name| name.contains(&b'-'))
}

fn ends(path: &Path, ending: &str) -> bool {
    path.name().is_some_and(|name| name.ends_with(ending.as_bytes()))
}

impl Tree for Forgetful {
    fn open(&self, path: &Path) -> Result<Arc<dyn File>> {
        self.disk.open(path)
    }
    fn write(&self, path: &Path, how: Write) -> Result<Box<dyn Writer>> {
        let inner = self.disk.write(path, how)?;
        let skips = match self.forgets {
            Forgets::Mail => ends(path, ".mail"),
            Forgets::Record => ends(path, ".record"),
            _ => false,
        };
        let kind = match () {
            () if is_report(path) => |done: &mut Done| done.report = true,
            () if how == Write::Create => |done: &mut Done| done.arrival = true,
            () => |done: &mut Done| done.change = true,
        };
        Ok(Box::new(ForgetfulWriter { inner, skips, kind, done: self.done.clone() }))
    }
    fn metadata(&self, path: &Path) -> Result<Metadata> {
        self.disk.metadata(path)
    }
    fn symlink_metadata(&self, path: &Path) -> Result<Metadata> {
        self.disk.symlink_metadata(path)
    }
    fn list(&self, path: &Path) -> Result<Box<dyn List>> {
        Tree::list(&self.disk, path)
    }
    fn make_folder(&self, path: &Path) -> Result {
        self.disk.make_folder(path)
    }
    fn remove_file(&self, path: &Path) -> Result {
        self.done.lock().unwrap().change = true;
        self.disk.remove_file(path)
    }
    fn remove_folder(&self, path: &Path) -> Result {
        self.disk.remove_folder(path)
    }
    fn rename(&self, from: &Path, to: &Path, replace: bool) -> Result {
        self.disk.rename(from, to, replace)
    }
    fn link(&self, from: &Path, to: &Path) -> Result {
        self.disk.link(from, to)
    }
    fn set_modified(&self, path: &Path, time: SystemTime) -> Result {
        self.disk.set_modified(path, time)
    }
    fn set_mode(&self, path: &Path, mode: u32) -> Result {
        self.disk.set_mode(path, mode)
    }
    fn sync(&self, path: &Path) -> Result {
        let done = std::mem::take(&mut *self.done.lock().unwrap());
        let skips = match self.forgets {
            Forgets::Folders => path.is_root(),
            // One sync serves all that was done: it is left out if it was for nothing else.
            Forgets::Arrival => done.arrival && !done.report && !done.change,
            Forgets::Report => done.report && !done.arrival && !done.change,
            Forgets::Change => done.change && !done.arrival && !done.report,
            _ => false,
        };
        if skips { Ok(()) } else { self.disk.sync(path) }
    }
    fn space(&self) -> Result<Space> {
        self.disk.space()
    }
    fn sweep(&self, before: SystemTime) -> Result<u64> {
        self.disk.sweep(before)
    }
}

#[derive(Debug)]
struct ForgetfulWriter {
    inner: Box<dyn Writer>,
    skips: bool,
    kind: fn(&mut Done),
    done: Arc<Mutex<Done>>,
}

impl Writer for ForgetfulWriter {
    fn write(&mut self, bytes: &[u8]) -> Result {
        self.inner.write(bytes)
    }
    fn written(&self) -> u64 {
        self.inner.written()
    }
    fn sync(&mut self) -> Result {
        if self.skips { Ok(()) } else { self.inner.sync() }
    }
    fn commit(self: Box<Self>) -> Result<Metadata> {
        (self.kind)(&mut self.done.lock().unwrap());
        self.inner.commit()
    }
}
