//! What the poll driver tells, one step after the other.

use super::{PollDriver, TURN_BYTES};
use crate::{
    adopted,
    carried::{self, Parcel, Part},
    datagram::{self, Family},
    listener::{self, Refusal},
    rest::is_short_of_memory,
    socket::{Kind, Socket, State, Ways},
    stream,
};
use std::{io, os::fd::AsFd};
use trenza_core::driver::{self, Event, Token};

/// A harvested event.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) token: Token,
    pub(super) write: bool,
    /// How many receives or accepts it is good for.
    pub(super) reads: u32,
}

/// What a step came to: an event whose bytes, if any, are still in the buffer.
pub(crate) enum Step {
    Received(Token, usize),
    /// The datagram that is at hand.
    Datagram(Token),
    Event(Event<'static>),
}

impl PollDriver {
    /// The event of a step.
    pub(crate) fn told(&mut self, step: Step) -> Option<Event<'_>> {
        match step {
            Step::Received(token, received) => {
                let data = self.buffer.get_mut(..received)?;
                Some(Event::Received { token, data })
            }
            Step::Datagram(token) => {
                let datagram = self.mail.batch().current()?;
                Some(Event::Datagram { token, datagram })
            }
            Step::Event(event) => Some(event),
        }
    }

    /// Goes on until there is an event. Each readiness is good for one event, and then what is left of it goes
    /// behind the others.
    pub(crate) fn step(&mut self) -> Option<Step> {
        if let Some((pid, status)) = self.exited.pop_front() {
            return Some(Step::Event(Event::Exited { pid, status }));
        }
        loop {
            if let Some((token, error)) = self.failures.pop_front() {
                match self.fail(token, error) {
                    Some(event) => return Some(Step::Event(event)),
                    None => continue,
                }
            }
            if let Some(token) = self.ended.pop_front() {
                if self.sockets.get_mut(token).is_some_and(|socket| socket.state == State::Open) {
                    self.change(token, |socket| socket.state = State::Ended);
                    return Some(Step::Event(Event::Eof { token }));
                }
                continue;
            }
            if let Some((token, refused)) = self.mail.refused.pop_front() {
                let datagram::Refused { to, error } = refused;
                return Some(Step::Event(Event::Undelivered { token, to, error }));
            }
            if let Some(token) = self.mail.next() {
                return Some(Step::Datagram(token));
            }
            if let Some((token, part)) = self.parcel.next() {
                if self.sockets.get_mut(token).is_none() {
                    continue;
                }
                return Some(match part {
                    Part::Descriptor(descriptor) => Step::Event(Event::Descriptor { token, descriptor }),
                    Part::Bytes(bytes) => {
                        self.buffer.get_mut(..bytes.len())?.copy_from_slice(&bytes);
                        Step::Received(token, bytes.len())
                    }
                });
            }
            if self.received >= TURN_BYTES {
                return None;
            }
            let Ready { token, write, reads } = self.ready.pop_front()?;
            if self.sockets.get_mut(token).is_some_and(|socket| socket.state == State::Watched) {
                match self.watched(token, write, reads > 0) {
                    Some(event) => return Some(Step::Event(event)),
                    None => continue,
                }
            }
            if write && let Some(event) = self.writable(token) {
                if reads > 0 {
                    self.ready.push_back(Ready { token, write: false, reads });
                }
                return Some(Step::Event(event));
            }
            if reads > 0
                && let Some(step) = self.readable(token, reads)
            {
                return Some(step);
            }
        }
    }

    /// Tells of a watched descriptor, once.
    pub(super) fn watched(&mut self, token: Token, write: bool, read: bool) -> Option<Event<'static>> {
        let socket = self.sockets.get_mut(token).filter(|socket| socket.reading)?;
        let ready = driver::Ready {
            read: read && socket.ways != Ways::Write,
            write: write && socket.ways != Ways::Read,
        };
        if !ready.read && !ready.write {
            return None;
        }
        self.change(token, |socket| socket.reading = false);
        Some(Event::Ready { token, ready })
    }

    fn writable(&mut self, token: Token) -> Option<Event<'static>> {
        let socket = self.sockets.get_mut(token)?;
        if let State::Datagrams(family) = socket.state {
            // Refused datagrams show as readiness to write, whether that was asked for or not.
            self.mail.ask(token, socket.fd.as_fd(), family);
        }
        if socket.state == State::Connecting {
            return match stream::connected(&socket.fd) {
                Ok(local) => {
                    self.change(token, |socket| socket.state = State::Open);
                    Some(Event::Connected { token, result: Ok(local) })
                }
                Err(error) => self.fail(token, error),
            };
        }
        if !socket.writing || socket.state == State::Broken {
            return None;
        }
        self.change(token, |socket| socket.writing = false);
        Some(Event::Sent { token, bytes: 0 })
    }

    fn readable(&mut self, token: Token, reads: u32) -> Option<Step> {
        let socket = self.sockets.get_mut(token)?;
        if !socket.reading && socket.state != State::Process {
            return None;
        }
        match socket.state {
            State::Listening => return self.accept(token, reads).map(Step::Event),
            State::Process => return self.process_exited(token).map(Step::Event),
            State::Open => {}
            State::Datagrams(family) => return self.receive_datagrams(token, family),
            State::Connecting | State::Ended | State::Watched | State::Broken => return None,
        }
        if socket.ways == Ways::Closed {
            return None;
        }
        if socket.ways == Ways::Write {
            let gone = adopted::is_broken(&socket.fd);
            return gone.then(|| self.fail(token, io::ErrorKind::BrokenPipe.into()))?.map(Step::Event);
        }
        let mut came = Vec::new();
        let received = match socket.kind {
            Kind::Unix => carried::receive(socket.fd.as_fd(), &mut self.buffer, &mut came),
            kind => stream::receive(socket.fd.as_fd(), kind, &mut self.buffer),
        };
        match received {
            Ok(Some(received)) if !came.is_empty() => {
                self.parcel = Parcel::new(token, came, self.buffer.get(..received)?);
                None
            }
            Ok(None) => None,
            Ok(Some(0)) => {
                self.change(token, |socket| socket.state = State::Ended);
                Some(Step::Event(Event::Eof { token }))
            }
            Ok(Some(received)) => {
                self.received += received;
                Some(Step::Received(token, received))
            }
            Err(error) if is_short_of_memory(&error) => {
                self.rest(token);
                None
            }
            Err(error) => self.fail(token, error).map(Step::Event),
        }
    }

    fn receive_datagrams(&mut self, token: Token, family: Family) -> Option<Step> {
        let socket = self.sockets.get_mut(token)?;
        match self.mail.receive(token, socket.fd.as_fd(), family) {
            Ok(_) => self.mail.next().map(Step::Datagram),
            Err(error) if is_short_of_memory(&error) => {
                self.rest(token);
                None
            }
            Err(error) => self.fail(token, error).map(Step::Event),
        }
    }

    fn accept(&mut self, on: Token, reads: u32) -> Option<Event<'static>> {
        for left in (0..reads).rev() {
            let socket = self.sockets.get_mut(on)?;
            let error = match listener::accept(socket.fd.as_fd()) {
                Ok((fd, remote)) => {
                    let local = self.listeners.get(&on.index)?.local(&fd);
                    match self.sockets.insert(Socket::to(&remote, fd, State::Open)) {
                        Ok(new) => {
                            self.ready.push_back(Ready { token: on, write: false, reads: left });
                            return Some(Event::Accepted { on, new, remote, local });
                        }
                        Err(error) => error,
                    }
                }
                Err(Refusal::Gone) => continue,
                Err(Refusal::Empty) => return None,
                Err(Refusal::Descriptors(error)) => {
                    self.reserve.shed(&socket.fd);
                    error
                }
                Err(Refusal::Other(error)) => error,
            };
            return self.fail(on, error);
        }
        None
    }

    /// The event that tells of an error, once. A listener is only turned off; a connection is over.
    pub(super) fn fail(&mut self, token: Token, error: io::Error) -> Option<Event<'static>> {
        match self.sockets.get_mut(token)?.state {
            State::Listening | State::Datagrams(_) => self.change(token, |socket| socket.reading = false),
            State::Connecting => {
                self.remove(token);
                return Some(Event::Connected { token, result: Err(error) });
            }
            State::Open | State::Ended => self.change(token, |socket| socket.state = State::Broken),
            // Who uses it is told by its own calls.
            State::Watched => return self.watched(token, true, true),
            State::Process => {
                let pid = self.processes.remove(&token.index).filter(|_| self.remove(token).is_some());
                pid.into_iter().for_each(|pid| self.host.children().wait_otherwise(pid));
                return None;
            }
            State::Broken => return None,
        }
        Some(Event::Failed { token, error })
    }
}
