//! What Linux tells of a process: its memory, its descriptors and the CPU time of it and its children.

use std::{fs, io, path::Path, time::Duration};

/// The unit of times in `/proc/PID/stat` (`USER_HZ`): 10 ms on every architecture that we measure on.
const TICK: Duration = Duration::from_millis(10);

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

/// User and system time of a process with all its threads, and of its living children (nginx works in one).
///
/// # Errors
/// The process is not there.
pub fn cpu(process: u32) -> io::Result<Duration> {
    let mut ticks = stat(process)?.ticks;
    for entry in fs::read_dir(Path::new("/proc"))? {
        let name = entry?.file_name();
        let Some(other) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended since is nobody's child.
        ticks += stat(other).map_or(0, |stat| if stat.parent == process { stat.ticks } else { 0 });
    }
    Ok(TICK * ticks)
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

struct Stat {
    parent: u32,
    ticks: u32,
}

fn stat(process: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the name in parentheses, which may hold spaces and parentheses.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<u32>().ok());
    match (field(4), field(14), field(15)) {
        (Some(parent), Some(user), Some(system)) => Ok(Stat { parent, ticks: user + system }),
        _ => Err(io::Error::other("an unknown format of /proc/PID/stat")),
    }
}
