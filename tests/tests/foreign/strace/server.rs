//! [`Faulted`]: the server of `src/bin/faulted.rs` under `strace`.

use super::Fault;
use crate::{folder, pattern};
use std::{fs, path::Path, process::ExitStatus, thread, time::Duration};
use tempfile::TempDir;
use trenza_tests::Program;

/// What the log says of a call that strace has answered.
pub(super) const INJECTED: &str = "(INJECTED)";
/// How long a server that nobody asks for anything may be busy in a second.
pub(super) const BUSY_MAX: Duration = Duration::from_millis(100);
/// The files that it serves: one that leaves with its head, one that takes many calls.
pub(super) const SMALL: (&str, usize) = ("small", 3000);
pub(super) const LARGE: (&str, usize) = ("large", 3 << 20);
/// The log of the calls; hidden, so that it is not served.
const LOG: &str = ".log";
/// In which unit the system counts the time of a process (`getconf CLK_TCK`), on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// Where it listens, as `127.0.0.1:PORT`.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) echo: String,
    pub(super) forward: String,
    pub(super) lines: String,
    pub(super) bulk: String,
    pub(super) programs: String,
    pub(super) udp: String,
    pub(super) web: String,
}

/// A server whose calls are looked at, and now and then answered in the kernel's place.
pub(super) struct Faulted {
    program: Program,
    strace: Program,
    addresses: Addresses,
    folder: TempDir,
}

/// How it has ended.
pub(super) struct End {
    pub(super) status: ExitStatus,
    /// On standard error.
    pub(super) said: String,
    /// The calls.
    pub(super) log: String,
}

impl Faulted {
    /// Starts it on a driver, `poll` or `uring`. Its calls are looked at, and counted, from when it serves: so a fault is
    /// that of the service, however many calls the start takes.
    pub(super) fn start(driver: &str, traced: &str, fault: Option<&Fault>) -> Self {
        let folder = folder(&[(SMALL.0, &pattern(SMALL.1)), (LARGE.0, &pattern(LARGE.1))]);
        let driver = format!("TRENZA_DRIVER={driver}");
        let faulted = env!("CARGO_BIN_EXE_faulted").as_ref();
        let arguments = [driver.as_ref(), faulted, folder.path().as_os_str(), LARGE.0.as_ref()];
        // It becomes the server: its process id is the server's.
        let mut program = Program::start(Path::new("env"), arguments);
        let mut hear = |name: &str| program.hear(name).trim_start_matches(name).to_owned();
        let addresses = Addresses {
            echo: hear("echo "),
            forward: hear("forward "),
            lines: hear("lines "),
            bulk: hear("bulk "),
            programs: hear("programs "),
            udp: hear("udp "),
            web: hear("web "),
        };
        let log = format!("--output={}", folder.path().join(LOG).display());
        let mut arguments = vec![format!("--attach={}", program.id()), "-f".to_owned(), log];
        arguments.push(format!("-etrace={traced}"));
        arguments.extend(
            fault.map(|fault| format!("-einject={}:error={}:when={}", fault.call, fault.error, fault.when)),
        );
        let mut strace = Program::start(Path::new("strace"), arguments);
        strace.hear("attached");
        Self { program, strace, addresses, folder }
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// How much processor time it takes while nothing happens.
    pub(super) fn busy_in_a_quiet_second(&self) -> Duration {
        let before = self.busy();
        thread::sleep(Duration::from_secs(1));
        self.busy() - before
    }

    /// How much processor time it has had.
    fn busy(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.program.id())).unwrap();
        // The name before may have spaces and brackets in it; utime and stime are fields 14 and 15 of all.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
        TICK * fields.map(|ticks| ticks.parse::<u32>().unwrap()).sum::<u32>()
    }

    /// Asks it to stop, and waits for the end.
    pub(super) fn stop(self) -> End {
        self.program.signal("TERM");
        let (status, said) = self.program.end();
        self.strace.end();
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap();
        End { status, said, log }
    }
}
