//! [`SystemHost`]: clocks, randomness, binding and names of the operating system.

use crate::{activation, listener, pool::ThreadPool, unix};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    io,
    net::ToSocketAddrs,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Instant, SystemTime},
};
use trenza_core::{
    Addr,
    driver::{self, Bind, Bound, HandedOver, Host, Job, Resolve},
};

/// The machine that the program runs on.
#[derive(Debug)]
pub struct SystemHost {
    pool: ThreadPool,
    lookups: ThreadPool,
}

impl Default for SystemHost {
    fn default() -> Self {
        Self { pool: ThreadPool::default(), lookups: ThreadPool::for_lookups() }
    }
}

impl SystemHost {
    /// Makes a host with thread pools of its own, one for names and one for all else, which have no thread yet.
    pub fn new() -> Self {
        Self::default()
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
        self.adopt(socket.into())
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

    fn handed_over(&self, which: HandedOver<'_>) -> io::Result<Bound> {
        self.adopt(activation::take(which)?)
    }

    fn run(&self, job: Job) -> io::Result<()> {
        self.pool.run(job)
    }

    fn run_lookup(&self, job: Job) -> io::Result<()> {
        self.lookups.run(job)
    }

    fn resolver(&self) -> Resolve {
        Arc::new(|name, port| (name, port).to_socket_addrs().map(Iterator::collect))
    }
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
