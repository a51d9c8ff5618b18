//! [`Xor`]: a layer with the shape of TLS and none of its secrecy.
//!
//! ```text
//! client                        server        record: kind, length (2 bytes, big end first), body
//!   Hello(offer) ──────────────▶              kinds:  h hello, d data, e end, a alert
//!                ◀────────────── Hello(own)   body of data: each byte XORed with both sides' bytes
//!   Data ◀─────────────────────▶ Data
//!   End ───────────────────────▶              like close_notify: what ends without it was cut short
//! ```

use trenza_core::{Buf, Flow, Layer, OutBuf, Peer, Result, Wire};

/// Kind and length.
const HEAD: usize = 3;
/// The most bytes of a record's body.
const BODY_MAX: usize = 4096;

/// Which side speaks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// What was wrong with what the peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XorError(String);

impl std::fmt::Display for XorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for XorError {}

/// A layer with a handshake of two messages, records, alerts and an end of its own.
#[derive(Debug)]
pub struct Xor {
    side: Side,
    own: u8,
    /// The peer's part of the key, once it is known.
    peers: Option<u8>,
    greeted: bool,
    ended: bool,
    /// What it tells of the peer, as ALPN would.
    name: &'static str,
}

impl Xor {
    /// The side that speaks first; `part` is its part of the key.
    pub fn client(part: u8) -> Self {
        Self::new(Side::Client, part)
    }

    /// The side that answers. It refuses clients whose part of the key is 0.
    pub fn server(part: u8) -> Self {
        Self::new(Side::Server, part)
    }

    fn new(side: Side, own: u8) -> Self {
        Self { side, own, peers: None, greeted: false, ended: false, name: "xor" }
    }

    /// Tells `name` as the agreed protocol.
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    fn greet(&mut self, down: &mut OutBuf) {
        if !std::mem::replace(&mut self.greeted, true) {
            record(down, b'h', &[self.own]);
        }
    }

    fn mask(&self, data: &mut [u8]) {
        let key = self.own ^ self.peers.unwrap_or_default() ^ 0x5a;
        data.iter_mut().for_each(|byte| *byte ^= key);
    }

    /// Tells the peer what is wrong, then fails.
    fn fail<T>(down: &mut OutBuf, what: &str) -> Result<T> {
        record(down, b'a', what.as_bytes());
        Err(XorError(what.to_owned()).into())
    }

    fn hello(&mut self, part: u8, down: &mut OutBuf) -> Result {
        if self.peers.is_some() {
            return Self::fail(down, "a second hello");
        }
        if self.side == Side::Server && part == 0 {
            return Self::fail(down, "a weak key");
        }
        self.peers = Some(part);
        self.greet(down);
        Ok(())
    }
}

/// A record as it stands on the wire: XORed, if `key` is what both sides have agreed on.
pub fn sealed(parts: (u8, u8), data: &[u8]) -> Vec<u8> {
    let mut out = OutBuf::new();
    let masked: Vec<u8> = data.iter().map(|byte| byte ^ parts.0 ^ parts.1 ^ 0x5a).collect();
    record(&mut out, b'd', &masked);
    out.to_vec().unwrap_or_default()
}

fn record(down: &mut OutBuf, kind: u8, body: &[u8]) {
    let len = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    down.push_slice(&[kind, len[0], len[1]]);
    down.push_slice(body);
}

impl Layer for Xor {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        loop {
            let bytes = wire.bytes();
            let Some((&mut [kind, high, low], rest)) = bytes.split_first_chunk_mut::<HEAD>() else {
                return Ok(Flow::More);
            };
            let len = usize::from(u16::from_be_bytes([high, low]));
            if !b"hdea".contains(&kind) || len > BODY_MAX {
                return Self::fail(down, "not a record");
            }
            let Some(body) = rest.get_mut(..len) else { return Ok(Flow::More) };
            match (kind, self.ready()) {
                (b'a', _) => {
                    let text = String::from_utf8_lossy(body).into_owned();
                    return Err(XorError(format!("the peer says: {text}")).into());
                }
                (b'h', _) => {
                    let part = body.first().copied().unwrap_or_default();
                    self.hello(part, down)?;
                }
                (b'd', true) => {
                    self.mask(body);
                    up.push(body);
                }
                (b'e', true) => {
                    self.ended = true;
                    return Ok(Flow::End);
                }
                _ => return Self::fail(down, "too early"),
            }
            wire.consume(HEAD + len);
        }
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        if self.side == Side::Client {
            self.greet(down);
        }
        while let Some(chunk) = plain.split_chunk(BODY_MAX) {
            let mut data = chunk.bytes().ok_or("a layer was given a file")?.to_vec();
            self.mask(&mut data);
            record(down, b'd', &data);
        }
        Ok(())
    }

    fn eof(&mut self, _up: &mut Buf, _down: &mut OutBuf) -> Result {
        if self.ended { Ok(()) } else { Err(XorError("no end before the end".to_owned()).into()) }
    }

    fn close_write(&mut self, down: &mut OutBuf) {
        record(down, b'e', b"");
    }

    fn ready(&self) -> bool {
        self.greeted && self.peers.is_some()
    }

    fn describe(&self, peer: &mut Peer) {
        peer.alpn = Some(self.name.into());
    }
}
