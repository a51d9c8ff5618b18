//! How the driver receives over UNIX streams: the ring tells that there is something, and one call fetches it.
//!
//! A request that receives by itself would bring all that has been sent, and with it more descriptors than a protocol has
//! room for that pauses after the first: the limit of those that wait would end its connection. So each look brings what one
//! receive does, and nothing comes once the loop has paused or closed a connection.

use super::{
    Step, UringDriver,
    ring::{Completion, Purpose},
    stream::{State, Stream},
};
use crate::{
    adopted::Adopted,
    carried::{self, Parcel, Part},
    rest::is_short_of_memory,
    socket::{Kind, Ways},
};
use io_uring::{opcode, types::Fd};
use rustix::io::Errno;
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    time::Instant,
};
use trenza_core::{
    Addr,
    driver::{Ends, Event, Token},
};

impl UringDriver {
    /// Takes over what somebody else has opened, if it is a UNIX stream; the driver beside has what else there is.
    pub(super) fn adopt(&mut self, ends: Ends) -> io::Result<Token> {
        let adopted = Adopted::new(ends)?;
        match (adopted.kind, adopted.ways) {
            (Kind::Unix, Ways::Both) => {
                let stream = Stream::of_kind(adopted.fd, State::Open, Kind::Unix);
                self.streams.insert(stream).map(super::outer)
            }
            _ => self.rest.adopt(adopted),
        }
    }

    /// The file of a socket goes with it.
    pub(super) fn own_file(&mut self, token: Token, addr: &Addr) {
        if let Some(file) = self.rest.take_file(addr) {
            self.files.insert(token.index, file);
        }
    }

    /// Asks to be told when there is something to receive.
    pub(super) fn await_bytes(&mut self, token: Token) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        stream.armed = true;
        let request = opcode::PollAdd::new(Fd(stream.fd.as_raw_fd()), libc::POLLIN as u32).build();
        self.ring.push(request, Purpose::Bytes, token);
    }

    /// There is something to receive.
    pub(super) fn has_bytes(&mut self, completion: &Completion) -> Option<Step> {
        let token = completion.token;
        let stream = self.streams.get_mut(token)?;
        (stream.armed, stream.cancelled) = (false, false);
        if !stream.is_alive() {
            self.bury(token);
            return None;
        }
        match completion.result {
            Ok(_) if stream.reading => self.fetch(token),
            Ok(_) | Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN) => {
                self.arm(token);
                None
            }
            Err(_) => {
                self.rests.add(token, Instant::now());
                None
            }
        }
    }

    /// Receives what there is, once.
    fn fetch(&mut self, token: Token) -> Option<Step> {
        let stream = self.streams.get_mut(token)?;
        let mut came = Vec::new();
        let step = match carried::receive(stream.fd.as_fd(), &mut self.scratch, &mut came) {
            Ok(Some(0)) => {
                stream.state = State::Ended;
                return Some(Step::Event(Event::Eof { token: super::outer(token) }));
            }
            Ok(Some(received)) if came.is_empty() => Some(Step::Fetched(super::outer(token), received)),
            Ok(Some(received)) => {
                self.parcel = Parcel::new(token, came, self.scratch.get(..received)?);
                None
            }
            Ok(None) => None,
            Err(error) if is_short_of_memory(&error) => {
                self.rests.add(token, Instant::now());
                return None;
            }
            Err(error) => return self.fail(token, error).map(Step::Event),
        };
        // With the next wait, if it is still wanted then: what was paused or closed meanwhile has nothing to cancel.
        self.done.push(token);
        step
    }

    /// What came with descriptors, one after the other.
    pub(super) fn step_of_parcel(&mut self) -> Option<Step> {
        let (token, part) = self.parcel.next()?;
        self.streams.get_mut(token).filter(|stream| stream.is_alive())?;
        let token = super::outer(token);
        Some(match part {
            Part::Descriptor(descriptor) => Step::Event(Event::Descriptor { token, descriptor }),
            Part::Bytes(bytes) => {
                self.scratch.get_mut(..bytes.len())?.copy_from_slice(&bytes);
                Step::Fetched(token, bytes.len())
            }
        })
    }
}
