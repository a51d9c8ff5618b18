//! What it is measured on, and how busy that is with other things.

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};
use std::{fs, io, time::Duration};

/// One line on processor, kernel and load.
///
/// # Errors
/// There is no `/proc`.
pub(crate) fn describe() -> io::Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let models = || cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = models().next().map_or("an unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or("?");
    Ok(format!("{} cores of {model}, Linux {}, load average before {load}", models().count(), kernel.trim()))
}

/// Time that all cores together have spent so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    /// For processes of this system and for interrupts.
    busy: Duration,
    /// For other systems on the same hardware.
    stolen: Duration,
    idle: Duration,
}

/// What `/proc/stat` counts in, as seen by user space.
const TICK: Duration = Duration::from_millis(10);

impl Cores {
    /// Until now.
    ///
    /// # Errors
    /// There is no `/proc/stat`.
    pub(crate) fn now() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().unwrap_or_default();
        let fields: Vec<u32> =
            line.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
        let [user, nice, system, idle, waiting, interrupt, soft, stolen, ..] = fields[..] else {
            return Err(io::Error::other("an unknown format of /proc/stat"));
        };
        Ok(Self {
            busy: TICK * (user + nice + system + interrupt + soft),
            stolen: TICK * stolen,
            idle: TICK * (idle + waiting),
        })
    }

    /// What was seen of others since then, beside what we have spent ourselves.
    ///
    /// # Errors
    /// There is no `/proc/stat`.
    pub(crate) fn others(self, ours: Duration) -> io::Result<String> {
        let now = Self::now()?;
        let (busy, stolen) = (now.busy - self.busy, now.stolen - self.stolen);
        let whole = (busy + stolen + (now.idle - self.idle)).as_secs_f64().max(f64::MIN_POSITIVE);
        let share = |time: Duration| 100.0 * time.as_secs_f64() / whole;
        Ok(format!(
            "other work {:.0} % of all cores, stolen {:.1} %",
            share(busy.saturating_sub(ours)),
            share(stolen)
        ))
    }
}

/// CPU time of children that have ended and been waited for.
///
/// # Errors
/// There is no `/proc`.
pub(crate) fn ended_children() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // The second field is the name in parentheses, which may hold spaces; these are the 16th and 17th.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u32 = fields.skip(13).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(TICK * ticks)
}

/// Keeps this thread, and what it starts, on one core; None: on any.
///
/// # Errors
/// There is no such core.
pub(crate) fn pin(core: Option<usize>) -> io::Result<()> {
    let mut set = CpuSet::new();
    let all = 0..CpuSet::MAX_CPU;
    core.map_or(all, |core| core..core + 1).for_each(|core| set.set(core));
    Ok(sched_setaffinity(None, &set)?)
}

/// Allows as many descriptors as the system lets us have, to what is started from here too.
///
/// # Errors
/// Fewer are allowed than needed.
pub(crate) fn allow_descriptors(needed: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < needed) {
        return Err(io::Error::other(format!("{needed} descriptors are not allowed here: see ulimit -Hn")));
    }
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}
