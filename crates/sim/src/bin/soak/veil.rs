//! [`Veil`]: a layer with a handshake, records and an end of its own.
//!
//! ```text
//! client ── hello ──▶ server       hello: one byte
//!        ◀── hello ──
//!        ◀─ records ─▶             length (1 byte), body XORed with its place in the stream; length 0 ends
//! ```

use trenza_core::{Buf, Flow, Layer, OutBuf, Result, Wire};

/// The byte of a hello.
const HELLO: u8 = b'!';

#[derive(Debug)]
pub(crate) struct Veil {
    client: bool,
    said_hello: bool,
    heard_hello: bool,
    sent: usize,
    came: usize,
    ended: bool,
}

impl Veil {
    /// The side that speaks first.
    pub(crate) fn client() -> Self {
        Self { client: true, said_hello: false, heard_hello: false, sent: 0, came: 0, ended: false }
    }

    pub(crate) fn server() -> Self {
        Self { client: false, ..Self::client() }
    }

    fn greet(&mut self, down: &mut OutBuf) {
        if !std::mem::replace(&mut self.said_hello, true) {
            down.push_slice(&[HELLO]);
        }
    }
}

fn mask(data: &mut [u8], at: &mut usize) {
    for byte in data {
        *byte ^= (*at as u8) | 0x80;
        *at += 1;
    }
}

impl Layer for Veil {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        if !self.heard_hello {
            match wire.bytes().first() {
                None => return Ok(Flow::More),
                Some(&HELLO) => self.heard_hello = true,
                Some(other) => return Err(format!("{other} is no hello").into()),
            }
            wire.consume(1);
            self.greet(down);
        }
        while let Some((length, rest)) = wire.bytes().split_first_mut() {
            let length = usize::from(*length);
            if length == 0 {
                self.ended = true;
                return Ok(Flow::End);
            }
            let Some(body) = rest.get_mut(..length) else { break };
            mask(body, &mut self.came);
            up.push(body);
            wire.consume(1 + length);
        }
        Ok(Flow::More)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        if self.client {
            self.greet(down);
        }
        while let Some(chunk) = plain.split_chunk(usize::from(u8::MAX)) {
            let mut data = chunk.bytes().ok_or("a layer was given a file")?.to_vec();
            mask(&mut data, &mut self.sent);
            down.push_slice(&[data.len() as u8]);
            down.push_slice(&data);
        }
        Ok(())
    }

    fn eof(&mut self, _up: &mut Buf, _down: &mut OutBuf) -> Result {
        if self.ended { Ok(()) } else { Err("the stream ended before its end".into()) }
    }

    fn close_write(&mut self, down: &mut OutBuf) {
        down.push_slice(&[0]);
    }

    fn ready(&self) -> bool {
        self.said_hello && self.heard_hello
    }
}
