//! Panics: those that were asked for are let pass, others are kept to be told.

use crate::roles::Deliberate;
use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

thread_local! {
    /// The first panic that nobody asked for.
    static UNEXPECTED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `f`, and gives the first panic within, contained or not, that was not [`Deliberate`].
pub(crate) fn catch(f: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            if !info.payload().is::<Deliberate>() {
                UNEXPECTED.with_borrow_mut(|first| {
                    first.get_or_insert_with(|| info.to_string());
                });
            }
        }));
    });
    UNEXPECTED.set(None);
    let ended = catch_unwind(AssertUnwindSafe(f));
    let first = UNEXPECTED.take();
    if ended.is_err() && first.is_none() {
        Some("a panic that was asked for came out".to_owned())
    } else {
        first
    }
}
