//! [`DriverKind`]: which driver a program runs on.

use crate::{PollDriver, SharedSockets, SystemHost};
use std::{env, io};
use trenza_core::driver::Driver;

/// The variable by which a user decides.
pub const DRIVER: &str = "TRENZA_DRIVER";

/// Which driver moves the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DriverKind {
    /// io_uring where the kernel has what is needed and allows it, else readiness.
    #[default]
    Best,
    /// Readiness: epoll, kqueue and their kind.
    Poll,
    /// io_uring, on Linux.
    Uring,
}

impl DriverKind {
    /// What the variable `TRENZA_DRIVER` says: `poll` or `uring`; the best one when it is not set.
    ///
    /// # Errors
    /// It says something else.
    pub fn from_env() -> io::Result<Self> {
        match env::var_os(DRIVER) {
            None => Ok(Self::Best),
            Some(name) if name.is_empty() => Ok(Self::Best),
            Some(name) if name == "poll" => Ok(Self::Poll),
            Some(name) if name == "uring" => Ok(Self::Uring),
            Some(name) => {
                let what =
                    format!("{DRIVER}={}: there is no such driver; there are poll and uring", name.display());
                Err(io::Error::new(io::ErrorKind::InvalidInput, what))
            }
        }
    }

    /// Makes such a driver.
    ///
    /// # Errors
    /// The system has no descriptor left for it; it has no io_uring, or does not allow it, and nothing else was asked for.
    pub fn driver(self) -> io::Result<Box<dyn Driver>> {
        self.make(|| Ok(Box::new(PollDriver::new()?)), || uring(None))
    }

    /// Makes such a driver for one of several loops, which listen on the same sockets.
    ///
    /// # Errors
    /// As [`DriverKind::driver`].
    pub fn sharing(self, sockets: &SharedSockets) -> io::Result<Box<dyn Driver>> {
        self.make(
            || Ok(Box::new(PollDriver::with_host(SystemHost::sharing(sockets))?)),
            || uring(Some(sockets)),
        )
    }

    fn make(
        self,
        poll: impl FnOnce() -> io::Result<Box<dyn Driver>>,
        uring: impl FnOnce() -> io::Result<Box<dyn Driver>>,
    ) -> io::Result<Box<dyn Driver>> {
        match self {
            Self::Poll => poll(),
            Self::Uring => uring(),
            Self::Best => uring().or_else(|_| poll()),
        }
    }
}

#[cfg(all(feature = "uring", target_os = "linux"))]
fn uring(sockets: Option<&SharedSockets>) -> io::Result<Box<dyn Driver>> {
    let refused = |error: io::Error| {
        let what = format!(
            "the kernel gives no io_uring: {error} (it needs Linux 6.1, and leave from kernel.io_uring_disabled and the \
             sandbox; {DRIVER}=poll does without)"
        );
        io::Error::new(error.kind(), what)
    };
    let made = sockets.map_or_else(crate::UringDriver::new, crate::UringDriver::sharing);
    Ok(Box::new(made.map_err(refused)?))
}

#[cfg(not(all(feature = "uring", target_os = "linux")))]
fn uring(_: Option<&SharedSockets>) -> io::Result<Box<dyn Driver>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this program was built without io_uring"))
}
