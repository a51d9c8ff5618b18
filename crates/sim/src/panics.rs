//! Counts panics, so that a failed assertion in a callback fails the test.
//!
//! The engine contains panics of user code, as it must on a real system. In a test that would hide a failed
//! `assert!` in a protocol: so the network looks whether one has happened.

use std::{cell::Cell, panic, sync::Once};

thread_local! {
    static PANICS: Cell<u64> = const { Cell::new(0) };
}

/// How many panics have begun on this thread since the first call on any.
pub(crate) fn count() -> u64 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            former(info);
        }));
    });
    PANICS.get()
}
