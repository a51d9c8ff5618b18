//! [`Switchboard`]: one driver for the loop, of the system's and that of connections in memory.

use crate::{
    Outbox, SocketOption, UdpOption,
    driver::{Close, Driver, Event, Host, Open, Socket, Token},
    memory::{self, Memory},
};
use std::{io, os::fd::BorrowedFd, rc::Rc, task::Waker, time::Instant};
use trenza_wire::OutBuf;

/// Passes what the loop asks on to the driver that the token is of.
pub(crate) struct Switchboard {
    pub(crate) system: Box<dyn Driver>,
    pub(crate) memory: Memory,
    /// Whose turn it is to tell of an event, so that neither keeps the other waiting.
    memory_first: bool,
}

impl Switchboard {
    pub(crate) fn new(system: Box<dyn Driver>, memory: Memory) -> Self {
        Self { system, memory, memory_first: false }
    }
}

/// Is it a connection in memory?
fn in_memory(token: Token) -> bool {
    memory::place(token.index).is_some()
}

impl Driver for Switchboard {
    fn host(&self) -> Rc<dyn Host> {
        self.system.host()
    }

    fn open(&mut self, what: Open) -> io::Result<Token> {
        self.system.open(what)
    }

    fn read(&mut self, token: Token, on: bool) {
        match in_memory(token) {
            true => self.memory.read(token, on),
            false => self.system.read(token, on),
        }
    }

    fn send(&mut self, token: Token, out: &mut OutBuf) {
        match in_memory(token) {
            true => self.memory.send(token, out),
            false => self.system.send(token, out),
        }
    }

    fn send_to(&mut self, token: Token, out: &mut Outbox) {
        self.system.send_to(token, out);
    }

    fn set_option(&mut self, token: Token, option: SocketOption) -> io::Result<()> {
        match in_memory(token) {
            true => Err(io::Error::new(io::ErrorKind::Unsupported, "it has no such option")),
            false => self.system.set_option(token, option),
        }
    }

    fn set_udp_option(&mut self, token: Token, option: &UdpOption) -> io::Result<()> {
        self.system.set_udp_option(token, option)
    }

    fn close(&mut self, token: Token, how: Close) {
        match in_memory(token) {
            true => self.memory.close(token, how),
            false => self.system.close(token, how),
        }
    }

    fn release(&mut self, token: Token) -> Option<Socket> {
        if in_memory(token) { None } else { self.system.release(token) }
    }

    fn held(&mut self, token: Token) -> usize {
        match in_memory(token) {
            true => self.memory.held(token),
            false => self.system.held(token),
        }
    }

    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        self.system.wait(until)
    }

    fn next(&mut self) -> Option<Event<'_>> {
        self.memory_first = !self.memory_first;
        match self.memory_first {
            true => self.memory.next().or_else(|| self.system.next()),
            false => self.system.next().or_else(|| self.memory.next()),
        }
    }

    fn until(&self) -> Option<Instant> {
        self.system.until()
    }

    fn waker(&self) -> Waker {
        self.system.waker()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.system.descriptor()
    }
}
