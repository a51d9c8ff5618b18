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
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        #[cfg(target_vendor = "apple")]
        {
            // More than OPEN_MAX is refused there, whatever the hard limit says.
            limit.current = Some(limit.maximum.map_or(10_240, |most| most.min(10_240)));
        }
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(limit.current.unwrap_or(u64::MAX))
}
