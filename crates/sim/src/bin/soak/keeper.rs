//! [`Keeper`]: a number on the disk of each host, which only grows, whatever crashes.

use crate::{
    judge::{Invariant, Judge},
    roles::draw_from,
};
use std::{
    cell::Cell,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use trenza_core::Reactor;
use trenza_sim::{DISK_SECTOR, Disk, DiskOpen, HostHandle};

/// How long a record is: more sectors than one, so that it may be torn.
const RECORD: usize = 2 * DISK_SECTOR + 100;
/// What is done to save a number, each by a job of its own, and up to so many milliseconds between: a crash may come
/// between any two.
const STEPS: usize = 4;
const PAUSE_MS: usize = 20;

/// Saves numbers on the disk of a host: write, sync, rename, sync.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keeper {
    /// The last number that was begun with.
    begun: Rc<Cell<u64>>,
    /// The last number that is saved for good.
    saved: Arc<AtomicU64>,
    /// Held by the save that goes on as well.
    busy: Rc<()>,
}

impl Keeper {
    /// Saves the next number, if it is not at that.
    pub(crate) fn save(&self, host: &HostHandle) {
        if Rc::strong_count(&self.busy) > 1 {
            return;
        }
        self.begun.set(self.begun.get() + 1);
        let save = Save { keeper: self.clone(), number: self.begun.get(), disk: host.disk() };
        host.run(|reactor| save.step(reactor, 0));
    }
    /// Looks at what is there after a crash.
    pub(crate) fn check(&self, host: &HostHandle, judge: &Judge) {
        let (least, most) = (self.saved.load(Ordering::Relaxed), self.begun.get());
        let found = host.disk().root().open("state", DiskOpen::Read).and_then(|file| file.read_all());
        let number = match found {
            Ok(bytes) => parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(0),
            Err(error) => return judge.breach(Invariant::Durable, error.to_string()),
        };
        if number.is_none_or(|number| number < least || number > most) {
            let what = format!("{} has {number:?}, between {least} and {most} was promised", host.name());
            judge.breach(Invariant::Durable, what);
        }
    }
}

/// A save that goes on. While there is one the keeper counts as busy.
struct Save {
    keeper: Keeper,
    number: u64,
    disk: Disk,
}

impl Save {
    fn step(self, reactor: &Reactor, step: usize) {
        let (disk, number, saved) = (self.disk.clone(), self.number, self.keeper.saved.clone());
        let done = reactor.in_thread(move || {
            make(&disk, number, step)?;
            if step + 1 == STEPS {
                saved.store(number, Ordering::Relaxed);
            }
            Ok(())
        });
        let (clock, pause) = (reactor.clone(), draw_from(reactor, PAUSE_MS) as u64);
        done.then(move |done| {
            if done.is_ok() && step + 1 < STEPS {
                let reactor = clock.clone();
                let go_on = move || self.step(&reactor, step + 1);
                clock.call_later(Duration::from_millis(pause), go_on).detach();
            }
        });
    }
}

fn make(disk: &Disk, number: u64, step: usize) -> io::Result<()> {
    let root = disk.root();
    match step {
        0 => root.open("new", DiskOpen::Truncate)?.write_all_at(&record(number), 0),
        1 => root.open("new", DiskOpen::Write)?.sync(),
        2 => root.rename("new", &root, "state"),
        _ => root.sync(),
    }
}

/// The number again and again, so that none is part of another one's.
fn record(number: u64) -> Vec<u8> {
    format!("{number:019} ").into_bytes().into_iter().cycle().take(RECORD).collect()
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(bytes.get(..19)?).ok()?.parse().ok()?;
    (bytes == record(number)).then_some(number)
}
