//! What Linux tells of a process: its memory, its descriptors and the CPU time of it and its children.

use std::{fs, io, path::Path, time::Duration};

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

/// User and system time of the living threads of a process and of its children (nginx works in one), to the nanosecond.
///
/// # Errors
/// The process is not there, or the kernel keeps no such account (`CONFIG_SCHED_INFO`).
pub fn cpu(process: u32) -> io::Result<Duration> {
    let mut spent = threads(process)?;
    for entry in fs::read_dir(Path::new("/proc"))? {
        let name = entry?.file_name();
        let Some(other) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if parent(other) == Some(process) {
            // One that has ended since is nobody's child.
            spent += threads(other).unwrap_or_default();
        }
    }
    Ok(spent)
}

fn threads(process: u32) -> io::Result<Duration> {
    let mut spent = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // One that has just ended is left out.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let first = text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<u64>().ok());
        spent += first.ok_or_else(|| io::Error::other("an unknown format of /proc/PID/schedstat"))?;
    }
    Ok(Duration::from_nanos(spent))
}

/// What it runs on, and how busy that is with other things.
///
/// # Errors
/// There is no `/proc`.
pub fn machine() -> io::Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("?", |(_, m)| m);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(format!(
        "{model}, Linux {}, load average before {}",
        kernel.trim(),
        load.split(' ').next().unwrap_or("?")
    ))
}

fn parent(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in parentheses, which may hold spaces and parentheses; the fourth is the parent.
    text.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}
