//! [`Signal`]: what a process can be sent.

use std::fmt;

/// A signal, by its meaning: numbers differ between systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Signal {
    /// SIGHUP: its terminal is gone; to many servers: read your configuration again.
    Hangup,
    /// SIGINT: as by Ctrl-C.
    Interrupt,
    /// SIGQUIT: as by Ctrl-\, with a core dump.
    Quit,
    /// SIGABRT: it gave up itself.
    Abort,
    /// SIGKILL: ends it at once. Nothing can be done about it.
    Kill,
    /// SIGUSR1: whatever the program says.
    User1,
    /// SIGUSR2: whatever the program says.
    User2,
    /// SIGSEGV: it used memory that is not its own.
    Segment,
    /// SIGPIPE: it wrote where nobody reads.
    Pipe,
    /// SIGALRM: its clock has rung.
    Alarm,
    /// SIGTERM: asks it to end.
    Terminate,
    /// SIGSTOP: halts it until [`Signal::Continue`].
    Stop,
    /// SIGCONT: goes on after [`Signal::Stop`].
    Continue,
    /// SIGWINCH: its terminal has another size.
    Window,
    /// Any other, by the system's number.
    Other(i32),
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Abort => "SIGABRT",
            Self::Kill => "SIGKILL",
            Self::User1 => "SIGUSR1",
            Self::User2 => "SIGUSR2",
            Self::Segment => "SIGSEGV",
            Self::Pipe => "SIGPIPE",
            Self::Alarm => "SIGALRM",
            Self::Terminate => "SIGTERM",
            Self::Stop => "SIGSTOP",
            Self::Continue => "SIGCONT",
            Self::Window => "SIGWINCH",
            Self::Other(number) => return write!(f, "signal {number}"),
        })
    }
}
