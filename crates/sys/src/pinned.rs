//! [`Pinned`]: a thread that stays on one core.

use std::io;

/// This thread runs on one of the cores that it had, until this is dropped.
#[derive(Debug)]
pub struct Pinned {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    former: rustix::thread::CpuSet,
}

impl Pinned {
    /// Pins this thread to the `n`-th of the cores that it may use now, counted from 0 and over again.
    ///
    /// # Errors
    /// The system refuses, or has no such thing: it has on Linux.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn to(n: usize) -> io::Result<Self> {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let former = sched_getaffinity(None)?;
        let mine = (0..CpuSet::MAX_CPU).filter(|core| former.is_set(*core)).cycle().nth(n);
        let mut only = CpuSet::new();
        only.set(mine.ok_or(io::ErrorKind::NotFound)?);
        sched_setaffinity(None, &only)?;
        Ok(Self { former })
    }

    /// Elsewhere the system decides.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub fn to(_: usize) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this system pins no threads"))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Drop for Pinned {
    fn drop(&mut self) {
        // What it was may be forbidden by now; then the system has chosen something else.
        let _ = rustix::thread::sched_setaffinity(None, &self.former);
    }
}
