//! Whether this process's descriptors may have copies in another one that it has forked.
//!
//! epoll watches what a descriptor stands for, and forgets it only when its last copy is closed. What a forked process
//! keeps open would be told for ever of a connection that is long closed here, and could not be taken out any more.

use std::sync::{
    Once,
    atomic::{AtomicBool, Ordering},
};

static FORKED: AtomicBool = AtomicBool::new(false);
static WATCH: Once = Once::new();

/// Notes every fork from now on.
#[allow(unsafe_code, reason = "the C library's list of what it calls at a fork")]
pub(super) fn watch() {
    WATCH.call_once(|| {
        // SAFETY: the function lives as long as the program, and may be called at any time: it stores one value.
        if unsafe { libc::pthread_atfork(Some(note), None, None) } != 0 {
            note_fork();
        }
    });
}

extern "C" fn note() {
    note_fork();
}

fn note_fork() {
    FORKED.store(true, Ordering::Relaxed);
}

/// True since this process was first forked. Who starts programs by `vfork` or `posix_spawn` makes no copies that last.
pub(super) fn may_exist() -> bool {
    FORKED.load(Ordering::Relaxed)
}
