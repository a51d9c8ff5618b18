//! `raw-epoll PORT`: echoes over TCP by epoll alone, which is the limit for readiness.
//!
//! Level-triggered, one buffer for all; what does not fit into a socket is kept, and nothing is read until it is sent.

use peer_raw::{listener, port};
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    fd::{AsFd, AsRawFd, OwnedFd},
    io::Errno,
    net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send},
};
use std::io;

/// Read at once.
const BUFFER: usize = 65536;
/// Taken from the kernel at once.
const EVENTS: usize = 1024;

struct Connection {
    socket: OwnedFd,
    unsent: Vec<u8>,
}

fn main() -> io::Result<()> {
    let listener = listener(port()?)?;
    rustix::io::ioctl_fionbio(&listener, true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let own = listener.as_raw_fd() as usize;
    epoll::add(&epoll, &listener, EventData::new_u64(own as u64), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let (mut buffer, mut events) = (vec![0; BUFFER], Vec::with_capacity(EVENTS));
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(Errno::INTR) => continue,
            done => done?,
        };
        for event in &events {
            let at = event.data.u64() as usize;
            if at == own {
                accept(&epoll, &listener, &mut connections)?;
            } else if let Some(place) = connections.get_mut(at)
                && let Some(connection) = place
                && !connection.ready(&epoll, &mut buffer)
            {
                *place = None;
            }
        }
    }
}

fn accept(
    epoll: &OwnedFd,
    listener: &OwnedFd,
    connections: &mut Vec<Option<Connection>>,
) -> rustix::io::Result<()> {
    while let Ok(socket) = accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        let at = socket.as_raw_fd() as usize;
        if at >= connections.len() {
            connections.resize_with(at + 1, || None);
        }
        epoll::add(epoll, &socket, EventData::new_u64(at as u64), EventFlags::IN)?;
        connections[at] = Some(Connection { socket, unsent: Vec::new() });
    }
    Ok(())
}

impl Connection {
    /// False when it is over.
    fn ready(&mut self, epoll: &OwnedFd, buffer: &mut [u8]) -> bool {
        if self.unsent.is_empty() { self.echo(epoll, buffer) } else { self.send_rest(epoll) }.is_some()
    }

    fn echo(&mut self, epoll: &OwnedFd, buffer: &mut [u8]) -> Option<()> {
        loop {
            let length = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return None,
                Ok((_, length)) => length,
                Err(Errno::AGAIN) => return Some(()),
                Err(_) => return None,
            };
            let sent = self.send(&buffer[..length])?;
            if sent < length {
                self.unsent.extend_from_slice(&buffer[sent..length]);
                return self.wait_for(epoll, EventFlags::OUT);
            }
            if length < buffer.len() {
                return Some(());
            }
        }
    }

    fn send_rest(&mut self, epoll: &OwnedFd) -> Option<()> {
        let sent = self.send(&self.unsent)?;
        self.unsent.drain(..sent);
        if self.unsent.is_empty() { self.wait_for(epoll, EventFlags::IN) } else { Some(()) }
    }

    fn send(&self, data: &[u8]) -> Option<usize> {
        match send(self.socket.as_fd(), data, SendFlags::NOSIGNAL) {
            Err(Errno::AGAIN) => Some(0),
            sent => sent.ok(),
        }
    }

    fn wait_for(&self, epoll: &OwnedFd, flags: EventFlags) -> Option<()> {
        let data = EventData::new_u64(self.socket.as_raw_fd() as u64);
        epoll::modify(epoll, &self.socket, data, flags).ok()
    }
}
