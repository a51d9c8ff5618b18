//! Bugs on purpose, which the soak must find. Without the feature `soak` there are none.

#[cfg(feature = "soak")]
pub(crate) use trenza_core::canary::broken;

/// Nothing is broken on purpose.
#[cfg(not(feature = "soak"))]
pub(crate) const fn broken(_what: &str, _every: u64) -> bool {
    false
}
