//! Child processes: starting programs, and seeing to their end.
//!
//! ```text
//!   SystemHost::spawn ──▶ plan      everything that can fail or allocates, before the fork
//!                     ──▶ start     fork, and what the child does until it is the program
//!                     ──▶ children  who lives; signals; reaping
//!   PollDriver ───────────▶ children  pidfds to watch, or a thread that waits
//! ```

mod children;
mod pipes;
mod plan;
mod start;

pub(crate) use children::Children;

use trenza_core::{ExitStatus, Signal};

/// The numbers of signals on this system.
const SIGNALS: [(Signal, i32); 14] = [
    (Signal::Hangup, libc::SIGHUP),
    (Signal::Interrupt, libc::SIGINT),
    (Signal::Quit, libc::SIGQUIT),
    (Signal::Abort, libc::SIGABRT),
    (Signal::Kill, libc::SIGKILL),
    (Signal::User1, libc::SIGUSR1),
    (Signal::User2, libc::SIGUSR2),
    (Signal::Segment, libc::SIGSEGV),
    (Signal::Pipe, libc::SIGPIPE),
    (Signal::Alarm, libc::SIGALRM),
    (Signal::Terminate, libc::SIGTERM),
    (Signal::Stop, libc::SIGSTOP),
    (Signal::Continue, libc::SIGCONT),
    (Signal::Window, libc::SIGWINCH),
];

fn number(signal: Signal) -> Option<i32> {
    match signal {
        Signal::Other(number) => Some(number),
        signal => SIGNALS.iter().find(|(known, _)| *known == signal).map(|(_, number)| *number),
    }
}

fn signal(number: i32) -> Signal {
    let known = SIGNALS.iter().find(|(_, known)| *known == number);
    known.map_or(Signal::Other(number), |(signal, _)| *signal)
}

fn status(status: std::process::ExitStatus) -> ExitStatus {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitStatus::Code(code),
        (None, Some(number)) => {
            ExitStatus::Signal { signal: signal(number), core_dumped: status.core_dumped() }
        }
        (None, None) => ExitStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_keep_their_meaning() {
        for (meaning, own) in SIGNALS {
            assert_eq!((number(meaning), signal(own)), (Some(own), meaning));
        }
        assert_eq!((number(Signal::Other(40)), signal(40)), (Some(40), Signal::Other(40)));
    }
}
