//! [`Datagram`]: sockets of UDP, on each of which some datagrams are under way.

use crate::{CLOCK, Messages, RECEIVE, Run, SEND, TICK, Tally, Work, ring};
use peer_raw::Ring;
use rustix::net::{AddressFamily, SocketAddrV4, SocketType, connect, ipproto, socket};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

/// What did not come back in so long is lost.
const LOST: Duration = Duration::from_millis(200);

pub(crate) struct Datagram {
    ring: Ring,
    sockets: Vec<Socket>,
    messages: Messages,
    depth: usize,
}

struct Socket {
    socket: OwnedFd,
    under_way: usize,
    /// When something came.
    last: Instant,
}

impl Datagram {
    pub(crate) fn new(to: SocketAddrV4, count: usize, messages: Messages, depth: usize) -> io::Result<Self> {
        let (mut ring, mut sockets) = (ring(false)?, Vec::with_capacity(count));
        for at in 0..count {
            let socket = socket(AddressFamily::INET, SocketType::DGRAM, Some(ipproto::UDP))?;
            connect(&socket, &to)?;
            ring.receive(socket.as_fd(), RECEIVE | at as u64);
            sockets.push(Socket { socket, under_way: 0, last: Instant::now() });
        }
        Ok(Self { ring, sockets, messages, depth })
    }

    fn send(&mut self, at: usize, count: usize) {
        let socket = &mut self.sockets[at];
        socket.under_way += count;
        for _ in 0..count {
            self.ring.send(socket.socket.as_fd(), self.messages.first(1), SEND | at as u64);
        }
    }

    /// Gives up what is lost, and how much that was; sends as much again unless it is `over`.
    fn give_up(&mut self, now: Instant, over: bool) -> u64 {
        let mut lost = 0;
        for at in 0..self.sockets.len() {
            let socket = &mut self.sockets[at];
            if socket.under_way > 0 && now > socket.last + LOST {
                lost += std::mem::take(&mut socket.under_way) as u64;
                socket.last = now;
                if !over {
                    self.send(at, self.depth);
                }
            }
        }
        lost
    }
}

impl Work for Datagram {
    fn run(&mut self, run: Run) -> io::Result<Tally> {
        let (mut tally, mut over, mut results) = (Tally::default(), false, Vec::new());
        for at in 0..self.sockets.len() {
            self.sockets[at].last = run.began;
            self.send(at, self.depth);
        }
        while self.sockets.iter().any(|socket| socket.under_way > 0) {
            self.ring.wait(&mut results)?;
            let now = Instant::now();
            over = over || run.is_over(tally.operations, now);
            run.check(now)?;
            for result in results.drain(..) {
                let at = (result.tag & u64::from(u32::MAX)) as usize;
                match result.tag >> 32 << 32 {
                    CLOCK => {
                        self.ring.tick(TICK, CLOCK);
                        tally.lost += self.give_up(now, over);
                    }
                    SEND if result.result < 0 => return Err(io::Error::from_raw_os_error(-result.result)),
                    SEND => {}
                    _ => {
                        let socket = &mut self.sockets[at];
                        if !result.more {
                            self.ring.receive(socket.socket.as_fd(), RECEIVE | at as u64);
                        }
                        let Some(piece) = result.piece else { continue };
                        let whole = piece.length as usize == self.messages.size;
                        let checked = if !whole {
                            Err(io::Error::other("a datagram of the wrong size came back"))
                        } else if run.verify {
                            self.messages.compare(0, self.ring.bytes(&piece))
                        } else {
                            Ok(())
                        };
                        self.ring.release(piece);
                        checked?;
                        socket.last = now;
                        // One that was given up may come yet.
                        if socket.under_way > 0 {
                            socket.under_way -= 1;
                            tally.operations += 1;
                            if !over {
                                self.send(at, 1);
                            }
                        }
                    }
                }
            }
        }
        Ok(tally)
    }
}
