//! UNIX sockets.

use crate::socket;
use rustix::{
    fs::{FileType, FlockOperation, flock, lstat},
    io::Errno,
    net::SocketAddrUnix,
};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    ffi::OsStr,
    fs::{File, Metadata, Permissions},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, PermissionsExt},
        },
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use trenza_core::{Addr, UnixAddr, driver::Bind};

/// How often, and after which pauses, the lock of a folder is asked for. Who has it looks at one file only.
const LOCK_TRIES: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(2);
/// How long the path of a UNIX socket may be.
const PATH_MAX: usize = 107;

/// The address of a socket as the engine has it.
pub(crate) fn addr(addr: &SockAddr) -> Option<Addr> {
    if let Some(ip) = addr.as_socket() {
        return Some(ip.into());
    }
    let unix = addr.is_unix().then(|| match (addr.as_pathname(), addr.as_abstract_namespace()) {
        (Some(path), _) => UnixAddr::path(path),
        (None, Some(name)) => UnixAddr::abstract_name(name),
        (None, None) => UnixAddr::Unnamed,
    });
    unix.map(Addr::from)
}

/// The address of a peer as the engine has it.
pub(crate) fn addr_of(addr: &SocketAddrUnix) -> UnixAddr {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = addr.abstract_name().filter(|name| !name.is_empty()) {
        return UnixAddr::abstract_name(name);
    }
    let path = addr.path_bytes().filter(|path| !path.is_empty());
    path.map_or(UnixAddr::Unnamed, |path| UnixAddr::path(OsStr::from_bytes(path)))
}

/// The address for system calls.
pub(crate) fn sock_addr(addr: &UnixAddr) -> io::Result<SockAddr> {
    match addr {
        UnixAddr::Path(path) if path.as_os_str().as_bytes().contains(&0) || path.as_os_str().is_empty() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "no file has such a name"))
        }
        UnixAddr::Path(path) => SockAddr::unix(path),
        UnixAddr::Abstract(name) => abstract_addr(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{addr} cannot be found"))),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_addr(name: &[u8]) -> io::Result<SockAddr> {
    SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_addr(_: &[u8]) -> io::Result<SockAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has abstract names for UNIX sockets"))
}

/// A socket that listens, and the file that goes with it.
///
/// A file that is there already is replaced if it is a socket on which nobody listens, which a connect tells. Who looks
/// and binds holds a lock on the folder meanwhile, so that of two who find the same abandoned file one wins, and the
/// other finds somebody listening. The permissions are set before anybody can connect: before `listen`.
pub(crate) fn bind(how: &Bind, at: &UnixAddr) -> io::Result<(OwnedFd, UnixAddr, Option<SocketFile>)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let Placed { addr, file, _locked } = place(&socket, Type::STREAM, at, how.mode)?;
    socket.listen(how.backlog)?;
    Ok((socket.into(), addr, file))
}

/// A socket for datagrams, connected to its peer if it has one, and the file that goes with it.
///
/// Datagrams of others never get in: it has its peer before it has an address, and of its permissions none that were
/// not asked for, where the system lets them be set before (Linux).
pub(crate) fn bind_datagrams(
    at: &UnixAddr,
    mode: Option<u32>,
    to: Option<&UnixAddr>,
) -> io::Result<(OwnedFd, UnixAddr, Option<SocketFile>)> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    if let Some(to) = to {
        socket.connect(&sock_addr(to)?)?;
    }
    if *at == UnixAddr::Unnamed {
        return Ok((socket.into(), at.clone(), None));
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(mode) = mode {
        rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(mode & 0o777))?;
    }
    let Placed { addr, file, _locked } = place(&socket, Type::DGRAM, at, mode)?;
    Ok((socket.into(), addr, file))
}

/// Where a socket was bound.
struct Placed {
    addr: UnixAddr,
    file: Option<SocketFile>,
    /// Until the socket is seen to be used.
    _locked: Option<File>,
}

/// Binds a socket of this type.
fn place(socket: &Socket, kind: Type, at: &UnixAddr, mode: Option<u32>) -> io::Result<Placed> {
    let UnixAddr::Path(path) = at else {
        socket.bind(&sock_addr(at)?).map_err(|error| explain(error, "somebody listens on it"))?;
        return Ok(Placed { addr: at.clone(), file: None, _locked: None });
    };
    let path = std::path::absolute(path)?;
    let addr =
        sock_addr(&UnixAddr::path(&path)).or_else(|_| sock_addr(at)).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                io::Error::new(error.kind(), format!("{error} ({PATH_MAX} bytes)"))
            }
            _ => error,
        })?;
    let _locked = lock(path.parent().unwrap_or(&path))?;
    clear(&path, &addr, kind)?;
    socket.bind(&addr)?;
    let file = SocketFile::new(path.clone());
    if let Some(mode) = mode {
        set_mode(&path, mode)?;
    }
    Ok(Placed { addr: UnixAddr::path(path), file: Some(file?), _locked })
}

/// Removes a socket file on which nobody listens.
fn clear(path: &Path, addr: &SockAddr, kind: Type) -> io::Result<()> {
    let stat = match lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        stat => stat?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        let what = "there is a file of that name which is no socket; it was left as it is";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    let asks = Socket::new(Domain::UNIX, kind, None)?;
    asks.set_nonblocking(true)?;
    match asks.connect(addr) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(explain(error, "nobody listens on the socket that is there, but it cannot be removed"))
            }
            _ => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Not EPERM: that is a socket for datagrams which has a peer.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::ACCESS) => {
            Err(explain(error, "there is a socket of somebody else's, who may be listening on it"))
        }
        // It is taken, or it is one of another type, or as many connections wait as may.
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens on it")),
    }
}

fn explain(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Keeps others from looking and binding in this folder at the same time. Where it may not be read there is no lock;
/// what else is wrong with it is told by who uses it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let Ok(folder) = File::open(folder) else { return Ok(None) };
    for _ in 0..LOCK_TRIES {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(folder)),
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(LOCK_PAUSE),
            // Not every file system has locks.
            Err(_) => return Ok(None),
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody holds a lock on its folder"))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, fstat, open};
    use std::os::fd::AsRawFd;
    // Not by its name: in a folder of others' it may stand for something else by now.
    let file = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::Socket {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "somebody has put a file in its place"));
    }
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::set_permissions(name, Permissions::from_mode(mode))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The file of a listening socket. It is removed with this, unless it is another one by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// None: it is another one by now, whatever its number is.
    number: Option<(u64, u64)>,
}

impl SocketFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        let about = std::fs::symlink_metadata(&path)?;
        Ok(Self { path, number: Some((about.dev(), about.ino())) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its socket was closed, and the path was bound anew: that file may have got its number, which was free again.
    pub(crate) fn leave(mut self) {
        self.number = None;
    }
}

impl Drop for SocketFile {
    /// While the socket still listens: nobody takes the file for abandoned and puts his own in its place meanwhile.
    fn drop(&mut self) {
        let is_ours = |about: Metadata| Some((about.dev(), about.ino())) == self.number;
        if std::fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Starts a connection.
pub(crate) fn connect(to: &UnixAddr) -> io::Result<OwnedFd> {
    let to = sock_addr(to)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&to) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => {
            let what = "as many connections wait to be accepted as may";
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, what));
        }
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    let fd = OwnedFd::from(socket);
    socket::tune_unix(&fd)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn bound(path: &Path, mode: Option<u32>) -> io::Result<(OwnedFd, UnixAddr, Option<SocketFile>)> {
        let at = UnixAddr::path(path);
        bind(&Bind { addr: at.clone().into(), dual_stack: false, mode, backlog: 8 }, &at)
    }

    #[test]
    fn the_mode_is_exact_and_the_file_goes_with_its_guard() {
        let folder = folder();
        let path = folder.path().join("s");
        for mode in [0o600, 0o660, 0o777] {
            let (_socket, addr, file) = bound(&path, Some(mode)).unwrap();
            assert_eq!(addr, UnixAddr::path(&path));
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            drop(file);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_file_of_somebody_elses_is_not_removed() {
        let folder = folder();
        let path = folder.path().join("s");
        let (_socket, _, file) = bound(&path, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn an_abandoned_socket_is_replaced_a_live_one_and_a_file_are_not() {
        let folder = folder();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_live, _, _file) = bound(&path, None).unwrap();
        let error = bound(&path, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let other = folder.path().join("file");
        std::fs::write(&other, "precious").unwrap();
        assert_eq!(bound(&other, None).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&other).unwrap(), b"precious");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(bound(&link, None).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn of_many_who_find_an_abandoned_socket_one_gets_it() {
        let folder = folder();
        let path = folder.path().join("s");
        for _ in 0..20 {
            drop(UnixListener::bind(&path));
            let tries: Vec<_> = (0..4)
                .map(|_| {
                    let path = path.clone();
                    thread::spawn(move || bound(&path, None).ok())
                })
                .collect();
            let got: Vec<_> = tries.into_iter().filter_map(|one| one.join().unwrap()).collect();
            assert_eq!(got.len(), 1);
            // The winner can be reached.
            std::os::unix::net::UnixStream::connect(&path).unwrap();
            got.into_iter().for_each(|(_, _, file)| drop(file));
        }
    }

    #[test]
    fn what_cannot_be_bound_says_why() {
        let folder = folder();
        let long = folder.path().join("x".repeat(200));
        assert!(bound(&long, None).unwrap_err().to_string().contains("107 bytes"));
        assert_eq!(bound(&folder.path().join("no/s"), None).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(bound(Path::new("a\0b"), None).is_err() && bound(Path::new(""), None).is_err());
    }
}
