//! Panics that the engine contains, which are failures in a test.

use super::Failure;
use std::{cell::Cell, panic, sync::Once};
use trenza_core::Reactor;

thread_local! {
    /// What panicked on this thread in code that a loop called.
    static PANICS: Cell<Vec<String>> = const { Cell::new(Vec::new()) };
}

/// Forgets what was, and notes what comes. A panic of a call on the thread pool is none of these, as it is an error
/// of the call's result.
pub(super) fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if Reactor::try_current().is_some() {
                let what = info.payload_as_str().unwrap_or("no text");
                let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
                let mut panics = PANICS.take();
                panics.push(format!("panicked{place}: {what}"));
                PANICS.set(panics);
            }
            former(info);
        }));
    });
    PANICS.take();
}

/// Nothing has panicked since the last look.
pub(super) fn none() -> Result<(), Failure> {
    let panics = PANICS.take();
    if panics.is_empty() { Ok(()) } else { Err(Failure(panics.join("\n"))) }
}

/// True when something has panicked since the last look.
pub(super) fn any() -> bool {
    let panics = PANICS.take();
    let any = !panics.is_empty();
    PANICS.set(panics);
    any
}
