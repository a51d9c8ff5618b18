//! How the driver sends: with the next wait, in one call with all others, or at once.

use super::{
    UringDriver,
    ring::{Completion, Purpose},
    stream::Doing,
};
use crate::{rest::is_short_of_memory, stream as bytes};
use rustix::io::Errno;
use std::{os::fd::AsFd, time::Instant};
use trenza_core::driver::{Event, Token};
use trenza_wire::OutBuf;

impl UringDriver {
    /// Hands what is queued to the kernel, with the next wait.
    pub(super) fn take_off(&mut self, token: Token, out: &mut OutBuf) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        let (flight, request) = self.flights.take_off(out, &stream.fd);
        stream.doing = Doing::Sending(flight);
        self.ring.push(request, Purpose::Send, token);
    }

    /// Sends at once what the socket has room for.
    pub(super) fn send_now(&mut self, token: Token, out: &mut OutBuf) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        match bytes::send(stream.fd.as_fd(), stream.kind, out, &mut self.scratch) {
            Ok(true) => {}
            Ok(false) => self.await_room(token),
            Err(error) if is_short_of_memory(&error) => {
                stream.doing = Doing::Resting(None);
                self.rests.add(token, Instant::now());
            }
            Err(error) => self.failures.push_back((token, error)),
        }
    }

    /// Bytes have left, or could not.
    pub(super) fn sent(&mut self, completion: &Completion) -> Option<Event<'static>> {
        let token = completion.token;
        let stream = self.streams.get_mut(token)?;
        let Doing::Sending(flight) = stream.doing else { return None };
        let alive = stream.is_alive();
        match completion.result {
            Ok(sent) if alive => {
                let bytes = sent as usize;
                match self.flights.sent(flight, bytes, &stream.fd) {
                    Some(request) => self.ring.push(request, Purpose::Send, token),
                    None => {
                        stream.doing = Doing::Nothing;
                        self.landed = Some(flight);
                    }
                }
                Some(Event::Sent { token: super::outer(token), bytes })
            }
            Err(Errno::CANCELED | Errno::INTR | Errno::AGAIN) if alive => {
                let request = self.flights.sent(flight, 0, &stream.fd)?;
                self.ring.push(request, Purpose::Send, token);
                None
            }
            Err(Errno::NOBUFS | Errno::NOMEM) if alive => {
                stream.doing = Doing::Resting(Some(flight));
                self.rests.add(token, Instant::now());
                None
            }
            result => {
                stream.doing = Doing::Nothing;
                self.flights.land(flight);
                if !alive {
                    self.bury(token);
                    return None;
                }
                self.fail(token, result.err().unwrap_or(Errno::IO).into())
            }
        }
    }
}
