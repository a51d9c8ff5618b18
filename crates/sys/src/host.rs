//! [`SystemHost`]: clocks, randomness, binding and names of the operating system.

use crate::{
    activation, inherited, listener,
    pool::ThreadPool,
    process::Children,
    shared::{SharedSockets, Sharing, Taken},
    unix::{self, SocketFile},
};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    io,
    net::ToSocketAddrs,
    ops::Range,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::Arc,
    time::{Instant, SystemTime},
};
use trenza_core::{
    Addr, Signal,
    driver::{self, Bind, BindUdp, Bound, Child, Ends, HandedOver, Host, Job, Resolve, Spawn},
};

/// The machine that the program runs on.
#[derive(Debug)]
pub struct SystemHost {
    pool: ThreadPool,
    lookups: ThreadPool,
    children: Children,
    /// Those of bound sockets that are not served yet, by their path.
    files: RefCell<BTreeMap<PathBuf, Arc<SocketFile>>>,
    /// What it has in common with other loops.
    sharing: Sharing,
}

impl Default for SystemHost {
    fn default() -> Self {
        Self {
            pool: ThreadPool::default(),
            lookups: ThreadPool::for_lookups(),
            files: RefCell::default(),
            children: Children::default(),
            sharing: Sharing::default(),
        }
    }
}

impl SystemHost {
    /// Makes a host with thread pools of its own, one for names and one for all else, which have no thread yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that listens on the same sockets as others.
    pub(crate) fn sharing(sockets: &SharedSockets) -> Self {
        Self { sharing: Sharing::of(sockets), ..Self::default() }
    }

    pub(crate) fn children(&self) -> &Children {
        &self.children
    }

    /// Keeps the file of a socket that was bound here until that is served.
    fn keep_file(&self, file: Option<Arc<SocketFile>>) {
        let replaced = file.and_then(|file| self.files.borrow_mut().insert(file.path().to_owned(), file));
        if let Some(replaced) = replaced.and_then(Arc::into_inner) {
            replaced.leave();
        }
    }

    /// The file that goes with a socket that was bound to a path here.
    pub(crate) fn take_file(&self, addr: &Addr) -> Option<Arc<SocketFile>> {
        self.files.borrow_mut().remove(addr.unix()?.as_path()?)
    }
}

impl Host for SystemHost {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    /// # Panics
    /// The system has no randomness, so that nothing secret can be made.
    fn random(&self, into: &mut [u8]) {
        if let Err(error) = fill(into) {
            panic!("the system gives no random bytes: {error}");
        }
    }

    fn bind(&self, how: &Bind) -> io::Result<Bound> {
        let taken = self.sharing.stream(format!("{how:?}"), || listen(how))?;
        self.keep_file(taken.file);
        let bound = self.adopt(taken.socket)?;
        Ok(Bound { addr: taken.addr, ..bound })
    }

    fn bind_udp(&self, how: &BindUdp) -> io::Result<Bound> {
        let taken = self.sharing.datagrams(how)?;
        self.keep_file(taken.file);
        Ok(Bound { addr: taken.addr, socket: driver::Socket::Descriptor(taken.socket) })
    }

    fn adopt(&self, socket: OwnedFd) -> io::Result<Bound> {
        let addr = {
            let socket = SockRef::from(&socket);
            if socket.r#type()? != Type::STREAM || !listener::is_listening(&socket)? {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a listening stream socket"));
            }
            socket.set_nonblocking(true)?;
            socket.set_cloexec(true)?;
            unix::addr(&socket.local_addr()?)
        };
        let addr = addr
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "neither an IP nor a UNIX socket"))?;
        Ok(Bound { addr, socket: driver::Socket::Descriptor(socket) })
    }

    fn addresses(&self, socket: &driver::Socket) -> Option<(Addr, Addr)> {
        let driver::Socket::Descriptor(fd) = socket else { return None };
        let socket = SockRef::from(fd);
        Some((unix::addr(&socket.peer_addr().ok()?)?, unix::addr(&socket.local_addr().ok()?)?))
    }

    fn inherited(&self, number: i32) -> io::Result<OwnedFd> {
        self.sharing.inherited(number)
    }

    fn stdio(&self) -> io::Result<Ends> {
        inherited::take_stdio()
    }

    fn handed_over(&self, which: HandedOver<'_>) -> io::Result<Bound> {
        let taken = self.sharing.stream(format!("{which:?}"), || {
            Ok(Taken { socket: activation::take(which)?, addr: Addr::named("handed over"), file: None })
        })?;
        self.adopt(taken.socket)
    }

    fn run(&self, job: Job) -> io::Result<()> {
        self.pool.run(job)
    }

    fn run_lookup(&self, job: Job) -> io::Result<()> {
        self.lookups.run(job)
    }

    fn spawn(&self, how: Spawn) -> io::Result<Child> {
        self.children.spawn(how)
    }

    fn signal(&self, pid: u32, signal: Signal, group: bool) -> io::Result<()> {
        self.children.signal(pid, signal, group)
    }

    fn read_cached(&self, file: &File, range: &Range<u64>) -> Option<Vec<u8>> {
        read_cached(file, range)
    }

    fn resolver(&self) -> Resolve {
        Arc::new(|name, port| (name, port).to_socket_addrs().map(Iterator::collect))
    }
}

/// Binds a stream socket, which listens.
fn listen(how: &Bind) -> io::Result<Taken> {
    if let Addr::Unix(at) = &how.addr {
        let (socket, addr, file) = unix::bind(how, at)?;
        return Ok(Taken { socket, addr: addr.into(), file: file.map(Arc::new) });
    }
    let addr = how.addr.socket().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no address to listen on", how.addr))
    })?;
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A server that was restarted gets its port although old connections are still dying on it.
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(!how.dual_stack)?;
    }
    socket.bind(&SockAddr::from(addr))?;
    socket.listen(how.backlog)?;
    let addr = unix::addr(&socket.local_addr()?).unwrap_or_else(|| how.addr.clone());
    Ok(Taken { socket: socket.into(), addr, file: None })
}

#[cfg(target_os = "linux")]
fn read_cached(file: &File, range: &Range<u64>) -> Option<Vec<u8>> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut data = trenza_wire::spare::filled(usize::try_from(range.end.checked_sub(range.start)?).ok()?);
    let into = &mut [io::IoSliceMut::new(&mut data)];
    let read = preadv2(file, into, range.start, ReadWriteFlags::NOWAIT).ok()?;
    (read == data.len()).then_some(data)
}

/// Elsewhere nobody can tell what is in memory.
#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _range: &Range<u64>) -> Option<Vec<u8>> {
    None
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn fill(mut into: &mut [u8]) -> io::Result<()> {
    use rustix::{
        io::Errno,
        rand::{GetRandomFlags, getrandom},
    };
    while !into.is_empty() {
        match getrandom(&mut *into, GetRandomFlags::empty()) {
            Ok(filled) => into = into.get_mut(filled..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn fill(into: &mut [u8]) -> io::Result<()> {
    use std::{fs::File, io::Read};
    File::open("/dev/urandom")?.read_exact(into)
}
