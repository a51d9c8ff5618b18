//! [`Stream`]: connections that stay, on each of which some messages are under way.

use crate::{CLOCK, CONNECT, Messages, RECEIVE, Run, SEND, TICK, Tally, Work, client, ring};
use peer_raw::{Completion, Ring};
use std::{
    io,
    net::SocketAddrV4,
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

/// Connections that are being made at once; more would overflow the backlog of some servers.
const CONNECTING: usize = 100;

pub(crate) struct Stream {
    ring: Ring,
    connections: Vec<Connection>,
    messages: Messages,
    depth: usize,
}

struct Connection {
    socket: OwnedFd,
    /// Bytes that came back in this run.
    received: usize,
    /// Messages to send when the send under way is done.
    waiting: usize,
    sending: bool,
}

impl Stream {
    /// Connects.
    pub(crate) fn new(to: SocketAddrV4, count: usize, messages: Messages, depth: usize) -> io::Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            connections.push(Connection { socket: client(number)?, received: 0, waiting: 0, sending: false });
        }
        let mut stream = Self { ring: ring(true)?, connections, messages, depth };
        stream.connect(to)?;
        for (at, connection) in stream.connections.iter().enumerate() {
            stream.ring.receive(connection.socket.as_fd(), RECEIVE | at as u64);
        }
        Ok(stream)
    }

    fn connect(&mut self, to: SocketAddrV4) -> io::Result<()> {
        let (mut begun, mut made, mut results) = (0, 0, Vec::new());
        while made < self.connections.len() {
            let more = self.connections.iter().enumerate().skip(begun).take(CONNECTING + made - begun);
            for (at, connection) in more {
                self.ring.connect(connection.socket.as_fd(), to, CONNECT | at as u64);
                begun = at + 1;
            }
            self.ring.wait(&mut results)?;
            for result in results.drain(..) {
                match result.tag >> 32 << 32 {
                    CLOCK => self.ring.tick(TICK, CLOCK),
                    _ if result.result < 0 => return Err(io::Error::from_raw_os_error(-result.result)),
                    _ => made += 1,
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, at: usize, count: usize) {
        let connection = &mut self.connections[at];
        connection.waiting += count;
        if !connection.sending && connection.waiting > 0 {
            connection.sending = true;
            let data = self.messages.first(std::mem::take(&mut connection.waiting));
            self.ring.send(connection.socket.as_fd(), data, SEND | at as u64);
        }
    }

    /// Gives the number of messages that came back whole.
    fn received(&mut self, at: usize, result: Completion, verify: bool) -> io::Result<usize> {
        let connection = &mut self.connections[at];
        if !result.more {
            self.ring.receive(connection.socket.as_fd(), RECEIVE | at as u64);
        }
        let Some(piece) = result.piece else {
            return match result.result {
                0 => Err(io::Error::other("the server has closed a connection")),
                error if error == -libc::ENOBUFS => Ok(0),
                error => Err(io::Error::from_raw_os_error(-error)),
            };
        };
        if verify {
            self.messages.compare(connection.received, self.ring.bytes(&piece))?;
        }
        let before = connection.received / self.messages.size;
        connection.received += piece.length as usize;
        self.ring.release(piece);
        Ok(connection.received / self.messages.size - before)
    }
}

impl Work for Stream {
    fn run(&mut self, run: Run) -> io::Result<Tally> {
        let (mut tally, mut over) = (Tally::default(), false);
        let mut under_way = self.connections.len() * self.depth;
        for at in 0..self.connections.len() {
            self.connections[at].received = 0;
            self.send(at, self.depth);
        }
        let mut results = Vec::new();
        // Sends end before the answers to them are there, but need not be told before.
        while under_way > 0 || self.connections.iter().any(|connection| connection.sending) {
            self.ring.wait(&mut results)?;
            let now = Instant::now();
            over = over || run.is_over(tally.operations, now);
            run.check(now)?;
            for result in results.drain(..) {
                let at = (result.tag & u64::from(u32::MAX)) as usize;
                match result.tag >> 32 << 32 {
                    CLOCK => self.ring.tick(TICK, CLOCK),
                    SEND if result.result < 0 => return Err(io::Error::from_raw_os_error(-result.result)),
                    SEND => {
                        self.connections[at].sending = false;
                        self.send(at, 0);
                    }
                    _ => {
                        let back = self.received(at, result, run.verify)?;
                        tally.operations += back as u64;
                        if over {
                            under_way -= back;
                        } else {
                            self.send(at, back);
                        }
                    }
                }
            }
        }
        Ok(tally)
    }
}
