//! [`Script`]: a driver whose peers all say the same, and say it again when they are answered.

use std::{
    cell::Cell,
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::BorrowedFd,
    rc::Rc,
    task::Waker,
    time::Instant,
};
use trenza::{
    SocketOption, UdpOption,
    driver::{Close, Driver, Event, Host, Open, Token},
    sim::Net,
    wire::OutBuf,
};
use trenza_core::Outbox;

/// Who speaks when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Each when its own answer is there.
    Each,
    /// One after the other, each when all others have heard what was said.
    InTurn,
}

/// A system without a network: what peers say is lent from one buffer, what they are answered is counted.
pub(crate) struct Script {
    host: Rc<dyn Host>,
    talk: Talk,
    message: Vec<u8>,
    /// What is lent.
    buffer: Vec<u8>,
    listener: Option<Token>,
    /// Bytes that each has received, and in turn all together; by index, from 1 on.
    received: Vec<usize>,
    /// How many are not there yet.
    missing: usize,
    /// Length of an answer, once there was one.
    answer: usize,
    /// Who speaks next.
    ready: VecDeque<u32>,
    done: Rc<Cell<u64>>,
}

impl Script {
    /// So many peers, with this message.
    pub(crate) fn new(peers: usize, message: impl Into<Vec<u8>>, talk: Talk) -> Self {
        let message = message.into();
        Self {
            host: Net::gentle(1).host("here").driver().host(),
            talk,
            buffer: Vec::new(),
            answer: if talk == Talk::InTurn { (peers - 1) * message.len() } else { 0 },
            message,
            listener: None,
            received: vec![0; peers + 1],
            missing: peers,
            ready: VecDeque::new(),
            done: Rc::default(),
        }
    }

    /// How many answers there were.
    pub(crate) fn done(&self) -> Rc<Cell<u64>> {
        self.done.clone()
    }

    fn heard(&mut self, index: u32, length: usize) {
        let place = if self.talk == Talk::Each { index as usize } else { 0 };
        let Some(received) = self.received.get_mut(place) else { return };
        *received += length;
        if self.answer == 0 {
            self.answer = length;
        }
        if *received >= self.answer {
            *received -= self.answer;
            self.done.set(self.done.get() + 1);
            let peers = self.received.len() as u32 - 1;
            let next = if self.talk == Talk::Each { index } else { self.done.get() as u32 % peers + 1 };
            self.ready.push_back(next);
        }
    }
}

impl Driver for Script {
    fn host(&self) -> Rc<dyn Host> {
        self.host.clone()
    }

    fn open(&mut self, what: Open) -> io::Result<Token> {
        let Open::Listen(_) = what else { return Err(io::ErrorKind::Unsupported.into()) };
        self.listener = Some(Token { index: 0, generation: 0 });
        self.listener.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    fn read(&mut self, token: Token, on: bool) {
        let begins = self.talk == Talk::Each || token.index as usize == self.received.len() - 1;
        if on && Some(token) != self.listener && begins {
            self.ready.push_back(token.index);
        }
    }

    fn send(&mut self, token: Token, out: &mut OutBuf) {
        let length = out.queued();
        out.advance(length);
        self.heard(token.index, length);
    }

    fn send_to(&mut self, _: Token, _: &mut Outbox) {}

    fn set_udp_option(&mut self, _: Token, _: &UdpOption) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_option(&mut self, _: Token, _: SocketOption) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn close(&mut self, _: Token, _: Close) {}

    fn held(&mut self, _: Token) -> usize {
        0
    }

    fn wait(&mut self, _: Option<Instant>) -> io::Result<()> {
        Ok(())
    }

    fn next(&mut self) -> Option<Event<'_>> {
        if let Some(on) = self.listener
            && self.missing > 0
        {
            let index = (self.received.len() - self.missing) as u32;
            self.missing -= 1;
            let address = |port: u32| SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16)).into();
            let new = Token { index, generation: 0 };
            return Some(Event::Accepted { on, new, remote: address(1000 + index), local: address(7) });
        }
        let index = self.ready.pop_front()?;
        // The last reader may have changed it.
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.message);
        Some(Event::Received { token: Token { index, generation: 0 }, data: &mut self.buffer })
    }

    fn until(&self) -> Option<Instant> {
        None
    }

    fn waker(&self) -> Waker {
        Waker::noop().clone()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
