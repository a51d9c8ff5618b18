//! Connecting, receiving and sending on one stream.

use crate::{
    carried,
    socket::{self, Kind},
    unix,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, shutdown},
};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::{
    fs::File,
    io::{self, IoSlice},
    net::SocketAddr,
    ops::Range,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
};
use trenza_core::Addr;
use trenza_wire::OutBuf;

/// The most bytes that one system call is given, and after which [`send`] lets others have a turn. Without it a
/// peer that reads as fast as we write would keep the loop for as long as a file lasts. Smaller costs more: with
/// 512 KiB a 10 MiB download took a sixth more CPU than with this.
const SEND_MAX: usize = 2 * 1024 * 1024;
/// The most pieces that one system call gathers.
const PIECES_MAX: usize = 64;
/// A file up to this size is read and leaves with the bytes before it, in one segment if it fits.
pub(crate) const SMALL_FILE: usize = 16 * 1024;
/// The bytes before a file up to this size are held back, so that they share its first segment. Before a longer
/// one they leave at once: a peer whose first segment is a full one grows its window less, and with it the segments
/// of the whole download (on loopback 47 KiB against 64, and 1.4 times the CPU for 10 MiB).
const HELD_FILE: usize = 64 * 1024;

/// Starts a connection.
pub(crate) fn connect(to: &Addr, from: Option<&Addr>) -> io::Result<OwnedFd> {
    match (to, from) {
        (Addr::Ip(to), None) => connect_ip(*to, None),
        (Addr::Ip(to), Some(Addr::Ip(from))) => connect_ip(*to, Some(*from)),
        (Addr::Unix(to), None) => unix::connect(to),
        (_, Some(from)) => {
            let what = format!("{from} is no address to connect from to {to}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, what))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{to} is no address to connect to"))),
    }
}

fn connect_ip(to: SocketAddr, from: Option<SocketAddr>) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(from) = from {
        socket.bind(&SockAddr::from(from))?;
    }
    begin(|| socket.connect(&SockAddr::from(to)))?;
    let fd = OwnedFd::from(socket);
    socket::tune(&fd)?;
    Ok(fd)
}

/// Calls `connect` until it is under way. After an interruption only another call tells whether it is; EAGAIN means
/// that it is not, and that nothing of it was begun.
fn begin(mut connect: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        let Err(error) = connect() else { return Ok(()) };
        match Errno::from_io_error(&error) {
            Some(Errno::INTR) => {}
            Some(Errno::INPROGRESS | Errno::ALREADY | Errno::ISCONN) => return Ok(()),
            _ => return Err(error),
        }
    }
}

/// How a connect has ended: with this end's address.
pub(crate) fn connected(fd: &OwnedFd) -> io::Result<Addr> {
    let socket = SockRef::from(fd);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    unix::addr(&socket.local_addr()?).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Receives what there is, up to the size of `buffer`. None: nothing yet; 0: the peer's FIN.
pub(crate) fn receive(fd: BorrowedFd<'_>, kind: Kind, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        let received = match kind {
            Kind::Socket | Kind::Unix => {
                rustix::net::recv(fd, &mut *buffer, RecvFlags::empty()).map(|(_, len)| len)
            }
            Kind::Pipe | Kind::Device | Kind::File => rustix::io::read(fd, &mut *buffer),
        };
        match received {
            Ok(received) => return Ok(Some(received)),
            Err(Errno::AGAIN) => {
                drop_urgent(fd, kind);
                return Ok(None);
            }
            Err(Errno::INTR) => {}
            // A terminal whose far end has been closed.
            Err(Errno::IO) if kind == Kind::Device => return Ok(Some(0)),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Urgent data that is not wanted inline would keep the socket readable for ever.
fn drop_urgent(fd: BorrowedFd<'_>, kind: Kind) {
    if kind == Kind::Socket {
        let _ = rustix::net::recv(fd, &mut [0; 1][..], RecvFlags::OOB);
    }
}

/// How many bytes of what was sent the peer has not acknowledged. The system tells of room only when a third of its
/// buffer is free, which with some MB takes a slow reader minutes.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "s390x",
        target_arch = "loongarch64"
    )
))]
#[allow(unsafe_code, reason = "what a number of an ioctl writes is not in its type")]
pub(crate) fn held(fd: BorrowedFd<'_>) -> usize {
    use rustix::ioctl::{Getter, ioctl};
    /// On these architectures; others number it differently.
    const SIOCOUTQ: u32 = 0x5411;
    // SAFETY: SIOCOUTQ, which is TIOCOUTQ, writes one C int and nothing else, whatever the descriptor is.
    let held = unsafe { ioctl(fd, Getter::<SIOCOUTQ, std::ffi::c_int>::new()) };
    held.map_or(0, |held| usize::try_from(held).unwrap_or(0))
}

/// Nobody knows: then only bytes that leave count.
#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "arm",
        target_arch = "aarch64",
        target_arch = "riscv64",
        target_arch = "s390x",
        target_arch = "loongarch64"
    )
)))]
pub(crate) fn held(_: BorrowedFd<'_>) -> usize {
    0
}

/// Ends the writing direction. Where the peer has reset the connection there is none any more (`HUP`, `ERR`), of which the
/// next read tells; that there is something to read says nothing. An error is told by nothing else: the peer would wait for
/// an end that it is never sent.
pub(crate) fn end_writing(fd: BorrowedFd<'_>) -> io::Result<()> {
    let Err(error) = shutdown(fd, Shutdown::Write) else { return Ok(()) };
    let mut asked = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    match poll(&mut asked, Some(&Timespec::default())) {
        Ok(1..) if asked.iter().any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR)) => Ok(()),
        _ => Err(error.into()),
    }
}

/// One system call's worth: how much it was given, how much it took.
#[derive(Debug)]
struct Attempt {
    given: usize,
    taken: usize,
}

/// Sends from the front of `out` until about [`SEND_MAX`] bytes have left. True when all has; false when there
/// may be room again later. `scratch` is for bytes of files.
pub(crate) fn send(fd: BorrowedFd<'_>, kind: Kind, out: &mut OutBuf, scratch: &mut [u8]) -> io::Result<bool> {
    let mut sent = 0;
    while out.queued() > 0 {
        if sent >= SEND_MAX {
            return Ok(false);
        }
        let attempted = match out.descriptors() {
            0 => attempt(fd, kind, out, scratch),
            _ if kind != Kind::Unix => Err(io::ErrorKind::Unsupported.into()),
            _ => carried::send(fd, out, scratch).map(|(given, taken)| Attempt { given, taken }),
        };
        let attempt = match attempted {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            attempt => attempt?,
        };
        out.advance(attempt.taken);
        sent += attempt.taken;
        if attempt.taken < attempt.given {
            return Ok(false);
        }
    }
    Ok(true)
}

fn attempt(fd: BorrowedFd<'_>, kind: Kind, out: &OutBuf, scratch: &mut [u8]) -> io::Result<Attempt> {
    if let Some((file, range)) = out.file() {
        return match kind {
            Kind::Socket | Kind::Unix => send_file(fd, file, range, scratch),
            Kind::Pipe | Kind::Device | Kind::File => copy_file(fd, kind, file, range, scratch),
        };
    }
    if let Some(only) = out.only().filter(|only| only.len() <= SEND_MAX) {
        return send_bytes(fd, kind, &[IoSlice::new(only)], only.len(), SendFlags::empty());
    }
    let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
    // The last place is for a small file.
    let filled = out.slices(pieces.get_mut(..PIECES_MAX - 1).unwrap_or_default());
    let (mut filled, mut given) = within(pieces.get(..filled).unwrap_or_default());
    if filled == 0 {
        let first = pieces.first().and_then(|piece| piece.get(..SEND_MAX)).unwrap_or_default();
        return send_bytes(fd, kind, &[IoSlice::new(first)], SEND_MAX, SendFlags::empty());
    }
    let mut more = SendFlags::empty();
    if let Some((file, range, before)) = out.file_after_bytes()
        && before == given
    {
        let len = len(&range);
        match scratch.get_mut(..len) {
            Some(small) if len <= SMALL_FILE && given + len <= SEND_MAX => {
                file.read_exact_at(small, range.start)?;
                if let Some(place) = pieces.get_mut(filled) {
                    *place = IoSlice::new(small);
                    (filled, given) = (filled + 1, given + len);
                }
            }
            _ if len <= HELD_FILE => more = MORE,
            _ => {}
        }
    }
    send_bytes(fd, kind, pieces.get(..filled).unwrap_or_default(), given, more)
}

/// How many of the first pieces are within [`SEND_MAX`], and their bytes.
fn within(pieces: &[IoSlice<'_>]) -> (usize, usize) {
    let mut given = 0;
    for (at, piece) in pieces.iter().enumerate() {
        if given + piece.len() > SEND_MAX {
            return (at, given);
        }
        given += piece.len();
    }
    (pieces.len(), given)
}

/// The bytes before a file are held back for it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MORE: SendFlags = SendFlags::MORE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MORE: SendFlags = SendFlags::empty();

/// A peer that is gone is an error, not a signal. Apple's sockets have an option for it instead.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const QUIET: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(crate) const QUIET: SendFlags = SendFlags::empty();

fn send_bytes(
    fd: BorrowedFd<'_>,
    kind: Kind,
    pieces: &[IoSlice<'_>],
    given: usize,
    flags: SendFlags,
) -> io::Result<Attempt> {
    let taken = match pieces {
        many if !kind.is_socket() => rustix::io::writev(fd, many)?,
        [one] => rustix::net::send(fd, one, flags | QUIET)?,
        many => rustix::net::sendmsg(fd, many, &mut SendAncillaryBuffer::default(), flags | QUIET)?,
    };
    Ok(Attempt { given, taken })
}

/// Sends from a file without a copy. What the system cannot send so (not every file is a page cache) is copied.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn send_file(fd: BorrowedFd<'_>, file: &File, range: Range<u64>, scratch: &mut [u8]) -> io::Result<Attempt> {
    let given = len(&range).min(SEND_MAX);
    let mut at = range.start;
    match rustix::fs::sendfile(fd, file.as_fd(), Some(&mut at), given) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        // Fewer than asked for does not mean that the socket is full: the system may stop at any time, and the
        // peer has read meanwhile. Trying again until it says so saves most of the waits of a long download.
        Ok(taken) => Ok(Attempt { given: taken, taken }),
        Err(Errno::INVAL | Errno::NOSYS) => copy_file(fd, Kind::Socket, file, range, scratch),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn send_file(fd: BorrowedFd<'_>, file: &File, range: Range<u64>, scratch: &mut [u8]) -> io::Result<Attempt> {
    copy_file(fd, Kind::Socket, file, range, scratch)
}

fn copy_file(
    fd: BorrowedFd<'_>,
    kind: Kind,
    file: &File,
    range: Range<u64>,
    scratch: &mut [u8],
) -> io::Result<Attempt> {
    let most = len(&range).min(scratch.len());
    let piece = scratch.get_mut(..most).unwrap_or_default();
    let given = file.read_at(piece, range.start)?;
    if given == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let piece = IoSlice::new(piece.get(..given).unwrap_or_default());
    send_bytes(fd, kind, &[piece], given, SendFlags::empty())
}

fn len(range: &Range<u64>) -> usize {
    usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, net::TcpListener, sync::Arc};

    fn pair() -> (OwnedFd, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = connect(&listener.local_addr().unwrap().into(), None).unwrap();
        (fd, listener.accept().unwrap().0)
    }

    fn with_file(head: usize, file: usize) -> OutBuf {
        let mut temporary = tempfile::tempfile().unwrap();
        temporary.write_all(&vec![b'f'; file]).unwrap();
        let mut out = OutBuf::new();
        out.push_slice(&vec![b'h'; head]);
        out.push_file(Arc::new(temporary), 0..file as u64);
        out
    }

    #[test]
    fn connections_have_the_options_of_every_stream() {
        let (fd, _peer) = pair();
        let socket = SockRef::from(&fd);
        assert!(socket.tcp_nodelay().unwrap() && socket.out_of_band_inline().unwrap());
        assert!(socket.nonblocking().unwrap());
    }

    #[test]
    fn an_interrupted_connect_is_called_again() {
        for (answers, calls, ends) in [
            (&[Errno::INPROGRESS][..], 1, Ok(())),
            (&[Errno::INTR, Errno::ALREADY], 2, Ok(())),
            (&[Errno::INTR, Errno::INTR, Errno::ISCONN], 3, Ok(())),
            (&[Errno::INTR, Errno::CONNREFUSED], 2, Err(Errno::CONNREFUSED)),
            (&[Errno::AGAIN], 1, Err(Errno::AGAIN)),
        ] {
            let mut called = 0;
            let begun = begin(|| {
                called += 1;
                Err(answers[called - 1].into())
            });
            let begun = begun.map_err(|error| Errno::from_io_error(&error).unwrap());
            assert_eq!((begun, called), (ends, calls), "{answers:?}");
        }
    }

    #[test]
    fn small_file_leaves_with_its_head_in_one_call() {
        let (fd, _peer) = pair();
        let mut scratch = vec![0; 64 * 1024];
        for (file, given) in [(1, 201), (SMALL_FILE, 200 + SMALL_FILE), (SMALL_FILE + 1, 200)] {
            let out = with_file(200, file);
            assert_eq!(attempt(fd.as_fd(), Kind::Socket, &out, &mut scratch).unwrap().given, given);
        }
    }

    #[test]
    fn one_send_is_bounded_although_there_is_room() {
        let (fd, peer) = pair();
        SockRef::from(&fd).set_send_buffer_size(8 << 20).unwrap();
        SockRef::from(&peer).set_recv_buffer_size(8 << 20).unwrap();
        let mut scratch = vec![0; 64 * 1024];
        for mut out in [with_file(0, 4 << 20), with_file(4 << 20, 1)] {
            let before = out.len();
            assert!(!send(fd.as_fd(), Kind::Socket, &mut out, &mut scratch).unwrap());
            assert!(before - out.len() <= 2 * SEND_MAX);
        }
    }

    #[test]
    fn bytes_are_gathered_up_to_the_bound() {
        let bytes = vec![0; SEND_MAX + 1];
        let pieces = |lens: &[usize]| lens.iter().map(|len| IoSlice::new(&bytes[..*len])).collect::<Vec<_>>();
        assert_eq!(within(&pieces(&[1, 2, 3]),), (3, 6));
        assert_eq!(within(&pieces(&[1, SEND_MAX]),), (1, 1));
        assert_eq!(within(&pieces(&[SEND_MAX, 1]),), (1, SEND_MAX));
        assert_eq!(within(&pieces(&[SEND_MAX + 1, 1]),), (0, 0));
    }
}
