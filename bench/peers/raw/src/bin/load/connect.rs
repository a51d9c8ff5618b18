//! [`Connect`]: connections that are opened, echo one message and are closed.

use crate::{CLOCK, CONNECT, Messages, RECEIVE, Run, SEND, TICK, Tally, Work, client, ring};
use peer_raw::Ring;
use std::{
    io,
    net::SocketAddrV4,
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

pub(crate) struct Connect {
    ring: Ring,
    to: SocketAddrV4,
    /// So many at a time; those of the last run are closed.
    places: Vec<Option<Connection>>,
    messages: Messages,
    /// Made so far.
    made: usize,
}

struct Connection {
    socket: OwnedFd,
    received: usize,
}

impl Connect {
    pub(crate) fn new(to: SocketAddrV4, count: usize, messages: Messages) -> io::Result<Self> {
        let places = std::iter::repeat_with(|| None).take(count).collect();
        Ok(Self { ring: ring(true)?, to, places, messages, made: 0 })
    }

    fn open(&mut self, at: usize) -> io::Result<()> {
        let socket = client(self.made)?;
        self.made += 1;
        self.ring.connect(socket.as_fd(), self.to, CONNECT | at as u64);
        self.places[at] = Some(Connection { socket, received: 0 });
        Ok(())
    }
}

impl Work for Connect {
    fn run(&mut self, run: Run) -> io::Result<Tally> {
        let (mut tally, mut over, mut results) = (Tally::default(), false, Vec::new());
        for at in 0..self.places.len() {
            self.open(at)?;
        }
        while self.places.iter().any(Option::is_some) {
            self.ring.wait(&mut results)?;
            let now = Instant::now();
            over = over || run.is_over(tally.operations, now);
            run.check(now)?;
            for result in results.drain(..) {
                let kind = result.tag >> 32 << 32;
                if kind == CLOCK {
                    self.ring.tick(TICK, CLOCK);
                    continue;
                }
                if result.result < 0 {
                    return Err(io::Error::from_raw_os_error(-result.result));
                }
                let at = (result.tag & u64::from(u32::MAX)) as usize;
                // A send may be told of after the answer, when the connection is closed.
                let Some(connection) = &mut self.places[at] else { continue };
                match kind {
                    SEND => continue,
                    CONNECT => {
                        self.ring.send(connection.socket.as_fd(), self.messages.first(1), SEND | at as u64);
                    }
                    _ => {
                        let Some(piece) = result.piece else {
                            return Err(io::Error::other("the server has closed a connection"));
                        };
                        if run.verify {
                            self.messages.compare(connection.received, self.ring.bytes(&piece))?;
                        }
                        connection.received += piece.length as usize;
                        self.ring.release(piece);
                    }
                }
                if connection.received < self.messages.size {
                    self.ring.receive_once(connection.socket.as_fd(), RECEIVE | at as u64);
                    continue;
                }
                tally.operations += 1;
                self.places[at] = None;
                if !over {
                    self.open(at)?;
                }
            }
        }
        Ok(tally)
    }
}
