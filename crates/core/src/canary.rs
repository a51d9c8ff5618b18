//! Bugs on purpose, which the simulator's soak must find; see `soak --break list`.
//!
//! Only with the feature `canaries`, which is off by default: without it [`broken`] is `false` and costs nothing.

#[cfg(feature = "canaries")]
use std::cell::Cell;

#[cfg(feature = "canaries")]
thread_local! {
    /// What is broken on this thread, and how often somebody has asked since.
    static BROKEN: Cell<(Option<&'static str>, u64)> = const { Cell::new((None, 0)) };
}

/// Breaks something on this thread, and mends what was broken before.
#[cfg(feature = "canaries")]
pub fn break_on_purpose(what: Option<&'static str>) {
    BROKEN.set((what, 0));
}

/// Should this go wrong now? While it is broken it does so every so many times; 1 is each time.
#[cfg(feature = "canaries")]
pub fn broken(what: &str, every: u64) -> bool {
    let (broken, asked) = BROKEN.get();
    if broken != Some(what) {
        return false;
    }
    BROKEN.set((broken, asked + 1));
    (asked + 1).is_multiple_of(every)
}

/// Nothing is broken on purpose.
#[cfg(not(feature = "canaries"))]
pub(crate) const fn broken(_what: &str, _every: u64) -> bool {
    false
}
