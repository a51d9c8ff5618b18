//! `raw-uring PORT`: echoes over TCP by io_uring alone, which is the limit for completions.
//!
//! Receives are armed once; what came is sent from where the kernel put it, several pieces in one message.

use peer_raw::{Completion, Piece, Ring, listener, port};
use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, FromRawFd, OwnedFd},
};

/// Receive buffers for all connections together.
const BUFFERS: usize = 2 << 20;
/// What an operation is, in its tag above the descriptor.
const ACCEPT: u64 = 1 << 32;
const RECEIVE: u64 = 2 << 32;
const SEND: u64 = 3 << 32;

struct Connection {
    socket: OwnedFd,
    /// Received and not yet sent back.
    queue: VecDeque<Piece>,
    /// How many of the queue are being sent.
    sending: usize,
    receiving: bool,
    ended: bool,
}

struct Server {
    ring: Ring,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    /// Those that found no buffer.
    starved: Vec<usize>,
}

fn main() -> io::Result<()> {
    let listener = listener(port()?)?;
    let ring = Ring::new(BUFFERS, true)?;
    let mut server = Server { ring, connections: Vec::new(), starved: Vec::new() };
    server.ring.accept(listener.as_fd(), ACCEPT);
    let mut results = Vec::new();
    loop {
        server.ring.wait(&mut results)?;
        for result in results.drain(..) {
            let at = (result.tag & u64::from(u32::MAX)) as usize;
            match result.tag >> 32 << 32 {
                ACCEPT => {
                    if !result.more {
                        server.ring.accept(listener.as_fd(), ACCEPT);
                    }
                    server.accepted(result.result);
                }
                RECEIVE => server.received(at, result),
                _ => server.sent(at, result.result),
            }
        }
        for at in std::mem::take(&mut server.starved) {
            server.receive(at);
        }
    }
}

impl Server {
    fn accepted(&mut self, descriptor: i32) {
        let Ok(at) = usize::try_from(descriptor) else { return };
        // SAFETY: the kernel has just made it for us.
        let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
        if at >= self.connections.len() {
            self.connections.resize_with(at + 1, || None);
        }
        let connection =
            Connection { socket, queue: VecDeque::new(), sending: 0, receiving: false, ended: false };
        self.connections[at] = Some(connection);
        self.receive(at);
    }

    fn receive(&mut self, at: usize) {
        if let Some(connection) = &mut self.connections[at] {
            connection.receiving = true;
            self.ring.receive(connection.socket.as_fd(), RECEIVE | at as u64);
        }
    }

    fn received(&mut self, at: usize, result: Completion) {
        let Some(connection) = &mut self.connections[at] else { return };
        connection.receiving &= result.more;
        connection.queue.extend(result.piece);
        match result.result {
            1.. if connection.receiving => {}
            1.. => self.receive(at),
            error if error == -libc::ENOBUFS => self.starved.push(at),
            _ => connection.ended = true,
        }
        self.send(at);
    }

    fn send(&mut self, at: usize) {
        let Some(connection) = &mut self.connections[at] else { return };
        if connection.sending == 0 && !connection.queue.is_empty() {
            let pieces = connection.queue.iter();
            connection.sending = self.ring.send_pieces(connection.socket.as_fd(), pieces, SEND | at as u64);
        }
        if connection.ended && connection.sending == 0 && !connection.receiving {
            self.connections[at] = None;
        }
    }

    fn sent(&mut self, at: usize, result: i32) {
        let Some(connection) = &mut self.connections[at] else { return };
        let count = std::mem::take(&mut connection.sending);
        let length: u32 = connection.queue.iter().take(count).map(|piece| piece.length).sum();
        // Less than all is an error.
        let failed = i64::from(result) < i64::from(length);
        let gone = if failed { connection.queue.len() } else { count };
        for piece in connection.queue.drain(..gone) {
            self.ring.release(piece);
        }
        if failed {
            // The receive that is armed ends by this.
            let _ = rustix::net::shutdown(&connection.socket, rustix::net::Shutdown::Both);
        }
        self.send(at);
    }
}
