//! [`SharedSockets`]: what several loops listen on.

use crate::{datagram, inherited, listener, unix::SocketFile};
use socket2::{SockRef, Type};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};
use trenza_core::{Addr, driver::BindUdp};

/// The sockets that several loops of one program listen on, each loop through a descriptor of its own.
///
/// Which is which is told by what was asked for, and the how manieth time: loops that are set up alike ask alike. The
/// first one binds, alone: an address that somebody has is refused, and so is whoever wants it afterwards. The others
/// get a copy of the descriptor, so that there is one queue of connections, from which any loop takes: none is lost or
/// left waiting because one loop is busy, full or gone.
///
/// A UDP port is one socket for each loop on Linux, all bound to the same address: the kernel has each sender's datagrams
/// go to one and the same loop. Elsewhere, and over UNIX sockets, any loop may get any datagram.
#[derive(Debug, Clone, Default)]
pub struct SharedSockets(Arc<Mutex<Sockets>>);

#[derive(Debug, Default)]
struct Sockets {
    bound: BTreeMap<(String, usize), Taken>,
    closed: bool,
}

/// A socket that is bound.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) socket: OwnedFd,
    pub(crate) addr: Addr,
    pub(crate) file: Option<Arc<SocketFile>>,
}

impl SharedSockets {
    /// From now on each loop listens for itself. The sockets stay with the loops that have them.
    pub fn close(&self) {
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.closed = true;
        sockets.bound.clear();
    }
}

/// One loop's part in shared sockets; by default it shares none.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    sockets: Option<SharedSockets>,
    /// What it has asked for, and how often.
    asked: RefCell<BTreeMap<String, usize>>,
}

impl Sharing {
    pub(crate) fn of(sockets: &SharedSockets) -> Self {
        Self { sockets: Some(sockets.clone()), asked: RefCell::default() }
    }

    /// Binds a stream socket, or takes a copy of the one that another loop has bound.
    pub(crate) fn stream(&self, what: String, bind: impl FnOnce() -> io::Result<Taken>) -> io::Result<Taken> {
        self.get(what, bind, |taken| taken.socket.try_clone())
    }

    /// Takes over a descriptor of the start, or takes a copy of it if another loop listens on it.
    pub(crate) fn inherited(&self, number: i32) -> io::Result<OwnedFd> {
        let take = || {
            let (socket, addr) = (inherited::take(number)?, Addr::named(format!("descriptor {number}")));
            Ok(Taken { socket, addr, file: None })
        };
        Ok(self.stream(format!("descriptor {number}"), take)?.socket)
    }

    /// Binds a socket for datagrams, or joins it to that of another loop.
    pub(crate) fn datagrams(&self, how: &BindUdp) -> io::Result<Taken> {
        let bind = || {
            let (socket, addr, file) = datagram::bind(how)?;
            Ok(Taken { socket, addr, file: file.map(Arc::new) })
        };
        // What has a peer serves nobody else.
        if how.to.is_some() {
            return bind();
        }
        let again = |taken: &Taken| match taken.addr.ip() {
            Some(_) => {
                datagram::bind_beside(&taken.socket, &BindUdp { addr: taken.addr.clone(), ..how.clone() })
            }
            None => taken.socket.try_clone(),
        };
        self.get(format!("{how:?}"), bind, again)
    }

    fn get(
        &self,
        what: String,
        bind: impl FnOnce() -> io::Result<Taken>,
        again: impl FnOnce(&Taken) -> io::Result<OwnedFd>,
    ) -> io::Result<Taken> {
        let Some(sockets) = &self.sockets else { return bind() };
        let mut sockets = sockets.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sockets.closed {
            drop(sockets);
            return bind();
        }
        let times = *self.asked.borrow_mut().entry(what.clone()).and_modify(|times| *times += 1).or_insert(0);
        if let Some(taken) = sockets.bound.get(&(what.clone(), times)) {
            return Ok(Taken { socket: again(taken)?, addr: taken.addr.clone(), file: taken.file.clone() });
        }
        let taken = bind()?;
        // A connection that the program was started with serves one loop.
        let socket = SockRef::from(&taken.socket);
        if socket.r#type()? == Type::STREAM && !listener::is_listening(&socket)? {
            return Ok(taken);
        }
        let copy =
            Taken { socket: taken.socket.try_clone()?, addr: taken.addr.clone(), file: taken.file.clone() };
        sockets.bound.insert((what, times), copy);
        Ok(taken)
    }
}
