//! The descriptors of a child: our ends, its ends, its terminal.

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::fcntl_dupfd_cloexec,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};
use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
};
use trenza_core::driver::{Descriptor, Ends, Spawn, TERMINAL, Window};

/// What both sides of a child have.
pub(crate) struct Pipes {
    /// Ours, by the child's descriptor.
    pub(crate) ours: Vec<(u32, Ends)>,
    /// The child's, by the descriptor that they become.
    pub(crate) theirs: Vec<(u32, OwnedFd)>,
}

impl Pipes {
    pub(crate) fn new(spawn: &mut Spawn) -> io::Result<Self> {
        let mut pipes = Self { ours: Vec::new(), theirs: Vec::new() };
        let mut wanted = std::mem::take(&mut spawn.descriptors);
        if let Some(window) = spawn.terminal {
            let (control, terminal) = terminal(window)?;
            pipes.ours.push((TERMINAL, Ends::one(control)));
            for number in 0..=2 {
                wanted.remove(&number);
                pipes.theirs.push((number, terminal.try_clone()?));
            }
        } else {
            for number in 0..=2 {
                wanted.entry(number).or_insert(Descriptor::Null);
            }
        }
        wanted.into_iter().try_for_each(|(number, what)| pipes.add(number, what))?;
        Ok(pipes)
    }

    fn add(&mut self, number: u32, what: Descriptor) -> io::Result<()> {
        let theirs = match what {
            Descriptor::ToChild => {
                let (read, write) = pipe()?;
                self.ours.push((number, Ends::writing(unblocked(write)?)));
                read
            }
            Descriptor::FromChild => {
                let (read, write) = pipe()?;
                self.ours.push((number, Ends::reading(unblocked(read)?)));
                write
            }
            Descriptor::Both => {
                let (near, far) = pair()?;
                self.ours.push((number, Ends::one(near)));
                far
            }
            Descriptor::Given(fd) => fd,
            Descriptor::Inherited => inherited(number)?,
            _ => File::options().read(true).write(true).open("/dev/null")?.into(),
        };
        self.theirs.push((number, theirs));
        Ok(())
    }

    /// Moves the child's descriptors above all that they are to become, so that none is overwritten before it was
    /// copied.
    pub(crate) fn out_of_the_way(&mut self) -> io::Result<u32> {
        let most = self.theirs.iter().map(|(number, _)| *number).max().unwrap_or(2);
        for (_, theirs) in &mut self.theirs {
            *theirs = above(theirs.as_fd(), most)?;
        }
        Ok(most)
    }
}

/// A copy of a descriptor whose number is above `most`.
pub(crate) fn above(fd: impl AsFd, most: u32) -> io::Result<OwnedFd> {
    let least = i32::try_from(most).ok().and_then(|most| most.checked_add(1));
    let least = least.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such descriptor"))?;
    Ok(fcntl_dupfd_cloexec(fd, least)?)
}

/// A pipe that is closed in programs that are started.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(not(target_vendor = "apple"))]
    let ends = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    #[cfg(target_vendor = "apple")]
    let ends = {
        let (read, write) = rustix::pipe::pipe()?;
        rustix::io::ioctl_fioclex(&read)?;
        rustix::io::ioctl_fioclex(&write)?;
        (read, write)
    };
    Ok(ends)
}

#[cfg(not(target_vendor = "apple"))]
fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

#[cfg(target_vendor = "apple")]
fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None)?;
    rustix::io::ioctl_fioclex(&near)?;
    rustix::io::ioctl_fioclex(&far)?;
    Ok((near, far))
}

/// Our end does not block. The child's end is another opening, and blocks.
fn unblocked(fd: OwnedFd) -> io::Result<OwnedFd> {
    fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
    Ok(fd)
}

fn inherited(number: u32) -> io::Result<OwnedFd> {
    match number {
        0 => Ok(io::stdin().as_fd().try_clone_to_owned()?),
        1 => Ok(io::stdout().as_fd().try_clone_to_owned()?),
        2 => Ok(io::stderr().as_fd().try_clone_to_owned()?),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "descriptor {number} cannot be inherited: only 0, 1 and 2 can; give it one (Descriptor::Given)"
            ),
        )),
    }
}

/// A terminal: its control end, and the end that is the child's.
#[cfg(any(target_vendor = "apple", target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn terminal(window: Window) -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::{
        fs::Mode,
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
        termios::{Winsize, tcsetwinsize},
    };
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::io::ioctl_fioclex(&control)?;
    grantpt(&control)?;
    unlockpt(&control)?;
    let name = ptsname(&control, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(&name, flags, Mode::empty())?;
    let size = Winsize { ws_row: window.rows, ws_col: window.columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size)?;
    Ok((unblocked(control)?, terminal))
}

#[cfg(not(any(target_vendor = "apple", target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn terminal(_: Window) -> io::Result<(OwnedFd, OwnedFd)> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no terminals for programs"))
}
