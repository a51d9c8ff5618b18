//! [`Progress`], and what came of it: [`Outcome`].

use crate::ClientError;
use std::{cell::RefCell, rc::Rc};

/// A step of a mirror. Paths are those at the server, as people read them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// More is to be copied: so many files, so many bytes.
    Found {
        /// Files.
        files: u64,
        /// Their bytes, as far as they are known.
        bytes: u64,
    },
    /// A file begins.
    Began {
        /// Which one.
        path: &'a str,
        /// How many bytes it has.
        size: Option<u64>,
        /// How many of them are there already.
        at: u64,
    },
    /// A piece of it has moved.
    Moved {
        /// Of which file.
        path: &'a str,
        /// How many bytes.
        bytes: u64,
    },
    /// A file is whole.
    Finished {
        /// Which one.
        path: &'a str,
    },
    /// A file or folder was removed from the copy.
    Removed {
        /// Which one.
        path: &'a str,
    },
    /// Something was passed over: a link, a device.
    Skipped {
        /// What.
        path: &'a str,
    },
    /// Something went wrong, and the rest goes on.
    Failed {
        /// With what.
        path: &'a str,
        /// What went wrong.
        error: &'a ClientError,
    },
}

/// What came of a mirror.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many files were copied.
    pub files: u64,
    /// How many bytes were moved for them.
    pub bytes: u64,
    /// How many folders there are.
    pub folders: u64,
    /// How many files were up to date.
    pub current: u64,
    /// How many files and folders were removed from the copy.
    pub removed: u64,
    /// How many links, devices and the like were passed over.
    pub skipped: u64,
    /// How many files and folders something went wrong with.
    pub failed: u64,
    /// The first of them, with their errors.
    pub failures: Vec<Failure>,
}

/// What went wrong with one file or folder.
#[derive(Debug)]
pub struct Failure {
    /// Its path at the server, as people read it.
    pub path: String,
    /// What went wrong.
    pub error: ClientError,
}

/// Counts, and tells.
#[derive(Clone)]
pub(super) struct Report(Rc<Counted>);

struct Counted {
    tell: Rc<dyn Fn(Progress<'_>)>,
    failures_max: usize,
    outcome: RefCell<Outcome>,
}

impl Report {
    pub(super) fn new(tell: Rc<dyn Fn(Progress<'_>)>, failures_max: usize) -> Self {
        Self(Rc::new(Counted { tell, failures_max, outcome: RefCell::default() }))
    }

    pub(super) fn tell(&self, progress: Progress<'_>) {
        (self.0.tell)(progress);
    }

    pub(super) fn count(&self, how: impl FnOnce(&mut Outcome)) {
        how(&mut self.0.outcome.borrow_mut());
    }

    pub(super) fn skipped(&self, path: &str) {
        self.count(|outcome| outcome.skipped += 1);
        self.tell(Progress::Skipped { path });
    }

    pub(super) fn removed(&self, path: &str) {
        self.count(|outcome| outcome.removed += 1);
        self.tell(Progress::Removed { path });
    }

    pub(super) fn failed(&self, path: &str, error: ClientError) {
        self.tell(Progress::Failed { path, error: &error });
        self.count(|outcome| {
            outcome.failed += 1;
            if outcome.failures.len() < self.0.failures_max {
                outcome.failures.push(Failure { path: path.into(), error });
            }
        });
    }

    pub(super) fn take(&self) -> Outcome {
        self.0.outcome.take()
    }
}
