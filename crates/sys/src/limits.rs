//! [`raise_descriptor_limit`]: as many connections as the system permits.

use rustix::process::{Resource, getrlimit, setrlimit};
use std::io;

/// Raises the number of descriptors that this process may have from the soft limit, which is often 1024, to
/// the hard one, and returns it; `u64::MAX` stands for no limit. For programs to call once at their start.
///
/// # Errors
/// The system refuses; the limit is what it was.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum;
    // Apple's systems refuse more than OPEN_MAX, whatever the hard limit says.
    #[cfg(target_vendor = "apple")]
    let most = Some(most.map_or(10_240, |most| most.min(10_240)));
    if limit.current.is_some_and(|now| most.is_none_or(|most| now < most)) {
        limit.current = most;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current.unwrap_or(u64::MAX))
}
