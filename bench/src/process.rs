//! What Linux tells of a process: its memory, its descriptors and its CPU time.

use std::{fs, io, time::Duration};

/// Resident memory in bytes, exact rather than from the kernel's lazily updated counters.
///
/// # Errors
/// The process is not there, or is not ours to look at.
pub fn resident(process: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.map(|n| n * 1024).ok_or_else(|| io::Error::other("no Rss in smaps_rollup"))
}

/// How many descriptors are open.
///
/// # Errors
/// The process is not there, or is not ours to look at.
pub fn descriptors(process: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}

/// User and system time of the living threads of a process, those of the kernel's that work for it included, to the
/// nanosecond.
///
/// # Errors
/// The process is not there, or the kernel keeps no such account (`CONFIG_SCHED_INFO`).
pub fn cpu(process: u32) -> io::Result<Duration> {
    let mut spent = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // One that has just ended is left out.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let first = text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<u64>().ok());
        spent += first.ok_or_else(|| io::Error::other("an unknown format of /proc/PID/schedstat"))?;
    }
    Ok(Duration::from_nanos(spent))
}
