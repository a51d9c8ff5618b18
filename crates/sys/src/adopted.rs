//! Taking over descriptors that others have opened: sockets, pipes, terminals, files.

use crate::{
    listener,
    poller::Watched,
    signals::ignore_broken_pipes,
    socket::{self, Kind, Ways},
};
use rustix::fs::{FileType, OFlags, Stat, fcntl_getfl, fcntl_setfl, fstat};
use socket2::{SockRef, Type};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};
use trenza_core::driver::{self, Ends};

/// What becomes of [`Ends`]: the descriptor in the driver's table, and a second one to write to.
pub(crate) struct Adopted {
    pub(crate) fd: OwnedFd,
    pub(crate) kind: Kind,
    pub(crate) ways: Ways,
    pub(crate) writer: Option<Writer>,
}

/// The writing end of a connection that has one of its own.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) fd: OwnedFd,
    pub(crate) kind: Kind,
    pub(crate) watched: Watched,
}

impl Adopted {
    /// Makes descriptors ready to be used by the loop.
    pub(crate) fn new(ends: Ends) -> io::Result<Self> {
        match ends {
            Ends::One(both) => Self::one(descriptor(both)?, Ways::Both),
            Ends::Two { read: Some(read), write: Some(write) } => {
                let (read, write) = (descriptor(read)?, descriptor(write)?);
                if is_same_socket(&read, &write)? {
                    // As a service has them that is started for one connection: closing a copy would send no FIN.
                    return Self::one(read, Ways::Both);
                }
                let writer = Self::one(write, Ways::Write)?;
                let writer = Writer { fd: writer.fd, kind: writer.kind, watched: Watched::default() };
                Ok(Self { ways: Ways::Apart, writer: Some(writer), ..Self::one(read, Ways::Read)? })
            }
            Ends::Two { read: Some(read), write: None } => Self::one(descriptor(read)?, Ways::Read),
            Ends::Two { read: None, write: Some(write) } => Self::one(descriptor(write)?, Ways::Write),
            Ends::Two { read: None, write: None } => Err(invalid("neither end was given")),
        }
    }

    fn one(fd: OwnedFd, ways: Ways) -> io::Result<Self> {
        let stat = fstat(&fd)?;
        let kind = kind(&stat)?;
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
        if kind == Kind::Socket {
            let kind = check_socket(&fd)?;
            return Ok(Self { fd, kind, ways, writer: None });
        } else {
            check_access(fcntl_getfl(&fd)?, ways)?;
            if ways != Ways::Read {
                ignore_broken_pipes()?;
            }
        }
        let fd = if matches!(kind, Kind::Pipe | Kind::Device) { unblocked(fd, &stat)? } else { fd };
        Ok(Self { fd, kind, ways, writer: None })
    }
}

fn descriptor(end: driver::Socket) -> io::Result<OwnedFd> {
    match end {
        driver::Socket::Descriptor(fd) => Ok(fd),
        _ => Err(invalid("a simulated descriptor on a real system")),
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn kind(stat: &Stat) -> io::Result<Kind> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => Ok(Kind::Socket),
        FileType::Fifo => Ok(Kind::Pipe),
        FileType::RegularFile | FileType::BlockDevice => Ok(Kind::File),
        FileType::Directory => Err(invalid("a directory is no stream")),
        _ => Ok(Kind::Device),
    }
}

fn is_same_socket(one: &OwnedFd, other: &OwnedFd) -> io::Result<bool> {
    let (one, other) = (fstat(one)?, fstat(other)?);
    let is_socket = FileType::from_raw_mode(one.st_mode) == FileType::Socket;
    Ok(is_socket && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

fn check_socket(fd: &OwnedFd) -> io::Result<Kind> {
    let socket = SockRef::from(fd);
    if socket.r#type()? != Type::STREAM || listener::is_listening(&socket)? || socket.peer_addr().is_err() {
        return Err(invalid("not a connected stream socket"));
    }
    socket.set_nonblocking(true)?;
    match socket.local_addr()?.is_unix() {
        true => socket::tune_unix(fd).map(|()| Kind::Unix),
        false => socket::tune(fd).map(|()| Kind::Socket),
    }
}

fn check_access(flags: OFlags, ways: Ways) -> io::Result<()> {
    let access = flags & OFlags::ACCMODE;
    match ways {
        Ways::Both if access != OFlags::RDWR => Err(invalid("it is not open for both reading and writing")),
        Ways::Read if access == OFlags::WRONLY => Err(invalid("it is not open for reading")),
        Ways::Write if access == OFlags::RDONLY => Err(invalid("it is not open for writing")),
        _ => Ok(()),
    }
}

/// A descriptor of the same thing that does not block: an opening of our own where the system gives one, since the
/// property belongs to the opening, which others may share.
fn unblocked(fd: OwnedFd, stat: &Stat) -> io::Result<OwnedFd> {
    let flags = fcntl_getfl(&fd)?;
    if flags.contains(OFlags::NONBLOCK) {
        return Ok(fd);
    }
    if let Some(own) = reopened(&fd, stat, flags) {
        return Ok(own);
    }
    fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
    Ok(fd)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn reopened(fd: &OwnedFd, stat: &Stat, flags: OFlags) -> Option<OwnedFd> {
    use rustix::fs::{Mode, major, minor};
    use std::os::fd::AsRawFd;
    /// Opening the control end of a pseudo terminal makes another one.
    const PTMX: (u32, u32) = (5, 2);
    let is_pipe = FileType::from_raw_mode(stat.st_mode) == FileType::Fifo;
    let is_terminal = || rustix::termios::isatty(fd) && (major(stat.st_rdev), minor(stat.st_rdev)) != PTMX;
    if !is_pipe && !is_terminal() {
        return None;
    }
    let ours = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let own = rustix::fs::open(path, (flags & OFlags::ACCMODE) | ours, Mode::empty()).ok()?;
    let other = fstat(&own).ok()?;
    ((other.st_dev, other.st_ino, other.st_rdev) == (stat.st_dev, stat.st_ino, stat.st_rdev)).then_some(own)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reopened(_: &OwnedFd, _: &Stat, _: OFlags) -> Option<OwnedFd> {
    None
}

/// Has the reader of this pipe gone?
pub(crate) fn is_broken(pipe: impl AsFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut asked = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::empty())];
    let found = poll(&mut asked, Some(&Timespec::default()));
    found.is_ok() && asked.iter().any(|pipe| pipe.revents().intersects(PollFlags::ERR | PollFlags::HUP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::pipe;
    use std::fs::File;

    fn blocks(fd: &OwnedFd) -> bool {
        !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn whoever_shares_a_pipe_or_a_terminal_notices_nothing() {
        let (read, write) = pipe().unwrap();
        let shared = [read.try_clone().unwrap(), write.try_clone().unwrap()];
        let adopted = Adopted::new(Ends::two(read, write)).unwrap();
        assert!(!blocks(&adopted.fd) && !blocks(&adopted.writer.unwrap().fd));
        assert!(shared.iter().all(blocks));
        let control = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
        rustix::pty::grantpt(&control).unwrap();
        rustix::pty::unlockpt(&control).unwrap();
        let name = rustix::pty::ptsname(&control, Vec::new()).unwrap();
        let terminal =
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, rustix::fs::Mode::empty()).unwrap();
        let shared = terminal.try_clone().unwrap();
        let adopted = Adopted::new(Ends::one(terminal)).unwrap();
        assert!(blocks(&shared) && !blocks(&adopted.fd));
        // The control end is not opened anew: that would be another terminal.
        let number = fstat(&control).unwrap().st_ino;
        let adopted = Adopted::new(Ends::one(control)).unwrap();
        assert_eq!(fstat(&adopted.fd).unwrap().st_ino, number);
        rustix::io::write(&adopted.fd, b"typed\n").unwrap();
        assert_eq!(rustix::io::read(&shared, &mut [0; 16][..]).unwrap(), 6);
    }

    #[test]
    fn what_cannot_be_a_stream_is_refused() {
        let why = |ends: Ends| Adopted::new(ends).err().unwrap().to_string();
        let (read, write) = pipe().unwrap();
        assert!(why(Ends::two(write, read)).contains("not open for"));
        assert!(why(Ends::one(pipe().unwrap().0)).contains("both"));
        assert!(why(Ends::reading(File::open("/").unwrap())).contains("directory"));
        assert!(
            why(Ends::one(std::net::TcpListener::bind("127.0.0.1:0").unwrap())).contains("not a connected")
        );
        assert!(
            why(Ends::one(std::net::UdpSocket::bind("127.0.0.1:0").unwrap())).contains("not a connected")
        );
        assert!(why(Ends::Two { read: None, write: None }).contains("neither"));
    }

    #[test]
    fn two_copies_of_a_socket_are_one_connection() {
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        let copy = near.try_clone().unwrap();
        assert!(matches!(Adopted::new(Ends::two(near, copy)), Ok(Adopted { ways: Ways::Both, .. })));
    }
}
