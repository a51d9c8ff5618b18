//! Descriptors that the program was started with, standard input and output among them.

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::{
    fs::File,
    io,
    os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
};
use trenza_core::driver::Ends;

/// The first descriptor that is neither standard input, output nor error.
const FIRST: RawFd = 3;

/// Takes over a descriptor by its number.
///
/// Only what was handed over at the start can be taken: such a descriptor lacks the flag that closes it in programs that
/// are started, which all that this program opens has. Taking it sets the flag, so it is taken once.
#[allow(unsafe_code, reason = "descriptors of the start come by number")]
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    if number < FIRST {
        let what = "it is standard input, output or error: see stdio:";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    // SAFETY: it is borrowed for this function only, to see whether it is open at all and whose it is.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(borrowed)?;
    if flags.contains(FdFlags::CLOEXEC) {
        let what = "the program was not started with it, or it was taken before";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and came with the start of the program, since Rust's own descriptors are all opened with the
    // flag. Whoever names its number in an endpoint hands it over; with the flag set nobody is given it again.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Takes over standard input and output, and leaves the null device in their place.
pub(crate) fn take_stdio() -> io::Result<Ends> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        let what = "standard input and output are in use already";
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
    }
    let taken = replace();
    if taken.is_err() {
        TAKEN.store(false, Ordering::Release);
    }
    taken
}

fn replace() -> io::Result<Ends> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let read = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), FIRST)?;
    let write = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), FIRST)?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(Ends::two(read, write))
}
