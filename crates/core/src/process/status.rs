//! [`ExitStatus`]: how a process has ended.

use crate::Signal;
use std::fmt;

/// How a process has ended.
///
/// ```
/// use trenza_core::{ExitStatus, Signal};
///
/// assert!(ExitStatus::Code(0).success());
/// assert_eq!(ExitStatus::Code(3).to_string(), "exit code 3");
/// let killed = ExitStatus::Signal { signal: Signal::Segment, core_dumped: true };
/// assert_eq!(killed.to_string(), "ended by SIGSEGV, core dumped");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitStatus {
    /// It ended by itself, with this code; 0 says that all went well.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Which one.
        signal: Signal,
        /// The system has written its memory to a file.
        core_dumped: bool,
    },
    /// It has ended, and something else in this program has asked the system how, which tells it once: a library
    /// that waits for all children, or one that ignores SIGCHLD.
    Unknown,
}

impl ExitStatus {
    /// True for the exit code 0.
    pub fn success(&self) -> bool {
        *self == Self::Code(0)
    }

    /// The exit code, if it ended by itself.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(*code),
            _ => None,
        }
    }

    /// The signal that ended it, if one did.
    pub fn signal(&self) -> Option<Signal> {
        match self {
            Self::Signal { signal, .. } => Some(*signal),
            _ => None,
        }
    }
}

impl From<Signal> for ExitStatus {
    /// Ended by this signal, without a core dump.
    fn from(signal: Signal) -> Self {
        Self::Signal { signal, core_dumped: false }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal { signal, core_dumped } => {
                write!(f, "ended by {signal}{}", if *core_dumped { ", core dumped" } else { "" })
            }
            Self::Unknown => f.write_str("ended in a way that was told to somebody else"),
        }
    }
}
