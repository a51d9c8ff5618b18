//! How the driver accepts connections: a few at a time, each by a request of its own, and the more the more come: each
//! that waits costs the kernel a socket that is made in vain, and a cancellation, and many listeners are there for one
//! connection.

use super::{
    UringDriver,
    ring::{Completion, Purpose},
    stream::{State, Stream},
};
use crate::{
    listener::{Listener, Refusal},
    poll, socket, unix,
};
use io_uring::{opcode, types::Fd};
use rustix::io::Errno;
use socket2::SockRef;
use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};
use trenza_core::driver::{Bound, Driver, Event, Token};

/// How many accepts of a listener are under way at most, and so how many connections may still come when there is no room
/// for more. A request that goes on by itself would take in all that wait, whatever the limits say.
const ACCEPTS: usize = 16;

/// A listener, and what the kernel does for it.
#[derive(Debug)]
pub(super) struct Accepting {
    listener: Listener,
    /// How many accepts are under way.
    under_way: usize,
    /// How many there are to be: twice as many after each connection.
    wanted: usize,
}

impl UringDriver {
    pub(super) fn listen(&mut self, bound: Bound) -> io::Result<Token> {
        let fd = poll::descriptor(bound.socket)?;
        socket::tune_listener(&fd, &bound.addr)?;
        let token = self.streams.insert(Stream::to(&bound.addr, fd, State::Listening))?;
        self.own_file(token, &bound.addr);
        let listener = Listener::new(bound.addr);
        self.listeners.insert(token.index, Accepting { listener, under_way: 0, wanted: 1 });
        Ok(token)
    }

    /// Has the kernel accept, if that is wanted, as often at once as it is to.
    pub(super) fn accept_all(&mut self, on: Token) {
        let wanted = |stream: &mut Stream| stream.is_alive() && stream.reading && !stream.cancelled;
        if self.streams.get_mut(on).is_some_and(wanted) {
            let missing = self.listeners.get(&on.index).map(|of| of.wanted.saturating_sub(of.under_way));
            (0..missing.unwrap_or(0)).for_each(|_| self.accept(on));
        }
    }

    /// Whoever waits is looked for by one accept more: those under way may not have been told. There is a limit, since
    /// nothing may come for long.
    pub(super) fn look_again(&mut self, on: Token) {
        let few = self.listeners.get(&on.index).is_some_and(|of| of.under_way < 2 * ACCEPTS);
        let cancelled = self.streams.get_mut(on).is_none_or(|stream| stream.cancelled);
        if few && !cancelled {
            self.accept(on);
        }
    }

    /// Has the kernel accept one connection more.
    fn accept(&mut self, on: Token) {
        let Some(stream) = self.streams.get_mut(on) else { return };
        let Some(of) = self.listeners.get_mut(&on.index) else { return };
        of.under_way += 1;
        stream.armed = true;
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let accept = opcode::Accept::new(Fd(stream.fd.as_raw_fd()), ptr::null_mut(), ptr::null_mut());
        self.ring.push(accept.flags(flags).build(), Purpose::Accept, on);
    }

    /// An accept has come to something; gives whether the kernel does others.
    fn accept_ended(&mut self, on: Token) -> bool {
        let Some(of) = self.listeners.get_mut(&on.index) else { return false };
        of.under_way -= 1;
        of.under_way > 0
    }

    pub(super) fn accepted(&mut self, completion: &Completion) -> Option<Event<'static>> {
        let on = completion.token;
        let fd = connection(completion);
        let armed = self.accept_ended(on);
        let stream = self.streams.get_mut(on)?;
        stream.armed = armed;
        stream.cancelled &= armed;
        if !stream.is_alive() {
            self.bury(on);
            return None;
        }
        // Others take its place with the next wait: of a listener that is closed after one there is nothing to cancel.
        self.done.push(on);
        let refusal = match fd {
            Ok(fd) => {
                // A connection that is gone has no far end any more.
                let remote = SockRef::from(&fd).peer_addr().ok().and_then(|addr| unix::addr(&addr));
                let of = self.listeners.get_mut(&on.index)?;
                of.wanted = (2 * of.wanted).min(ACCEPTS);
                let (remote, local) = (remote?, of.listener.local(&fd));
                match self.streams.insert(Stream::to(&remote, fd, State::Open)) {
                    Ok(new) => {
                        let (on, new) = (super::outer(on), super::outer(new));
                        return Some(Event::Accepted { on, new, remote, local });
                    }
                    Err(error) => Refusal::Other(error),
                }
            }
            // It was told already, or nobody wants to know.
            Err(_) if !stream.reading => return None,
            // Whoever has cancelled it wants connections again.
            Err(Errno::CANCELED) => Refusal::Empty,
            Err(errno) => errno.into(),
        };
        match refusal {
            Refusal::Gone | Refusal::Empty => None,
            Refusal::Descriptors(error) => {
                self.reserve.shed(&self.streams.get_mut(on)?.fd);
                self.fail(on, error)
            }
            Refusal::Other(error) => self.fail(on, error),
        }
    }

    /// Closes a bound socket at once, so that its port is free, although the kernel still accepts or receives there and its
    /// place is needed: another descriptor takes its number. Others may have copies of it, of a service manager for
    /// example, and go on to listen.
    pub(super) fn unbind(&mut self, token: Token) {
        // The kernel keeps the socket, too. What is not cancelled now is by the next wait.
        let _ = self.ring.submit();
        if let (Some(stream), Some(other)) = (self.streams.get_mut(token), self.rest.descriptor()) {
            let _ = socket::put_in_place(other, &mut stream.fd);
        }
    }
}

/// The connection that an accept has made.
#[allow(unsafe_code, reason = "the kernel gives descriptors as numbers")]
pub(super) fn connection(accept: &Completion) -> Result<OwnedFd, Errno> {
    // SAFETY: the kernel has just opened it for us, and nobody else knows of it.
    accept.result.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
