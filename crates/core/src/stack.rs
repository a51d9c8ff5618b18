//! [`Stack`]: the layers of one connection.
//!
//! ```text
//!  driver ─▶ stage 0: left ─ decode ─▶ stage 1: left ─ decode ─▶ unread ─▶ protocol
//!  driver ◀─ wire ◀─ encode ─ plain :0 ◀─ encode ─ plain :1 ◀─ out ◀─ write
//! ```

use crate::{Flow, Layer, Peer, Result, connection::Connection};
use std::mem;
use trenza_wire::{Buf, Chunk, OutBuf, Wire};

/// Most bytes of a file that are read at once for layers to transform.
const PIECE: usize = 64 * 1024;

struct Stage {
    layer: Box<dyn Layer>,
    /// What the layer did not take yet.
    left: Vec<u8>,
    /// What it has to encode.
    plain: OutBuf,
}

/// The layers of one connection, the one nearest to the wire first.
#[derive(Default)]
pub(crate) struct Stack {
    stages: Vec<Stage>,
    /// What the lowest layer gave to send.
    pub(crate) wire: OutBuf,
    /// The size of the piece of a file that is being read: nothing overtakes it.
    reading: usize,
    /// A layer said that its stream has ended, or the wire did.
    ended: bool,
}

/// What came of decoding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    More,
    /// The stream of the uppermost layer has ended.
    End,
}

impl Stack {
    pub(crate) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.stages.len()
    }

    /// Bytes that were taken from the connection's out-buffer and have not left.
    pub(crate) fn unsent(&self) -> usize {
        let plain = self.stages.iter().map(|stage| stage.plain.len()).sum::<usize>();
        plain + self.wire.len() + self.reading
    }

    /// Received bytes that layers did not take yet.
    pub(crate) fn left(&self) -> usize {
        self.stages.iter().map(|stage| stage.left.len()).sum()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.stages.iter().all(|stage| stage.layer.ready())
    }

    pub(crate) fn describe(&self, peer: &mut Peer) {
        self.stages.iter().for_each(|stage| stage.layer.describe(peer));
    }

    /// Pushes nearest to the protocol. `before` was written before it, `left` was received but not read.
    pub(crate) fn push(&mut self, layer: Box<dyn Layer>, mut before: OutBuf, left: Vec<u8>) {
        let below = self.stages.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
        below.append(&mut before);
        self.stages.push(Stage { layer, left, plain: OutBuf::new() });
    }

    /// Decodes bytes from the wire and appends what comes out on top to `up`.
    pub(crate) fn decode(&mut self, data: &mut [u8], up: &mut Vec<u8>) -> Result<Decoded> {
        self.climb(0, data, up)
    }

    /// Has the uppermost layer look at what was left to it.
    pub(crate) fn decode_left(&mut self, up: &mut Vec<u8>) -> Result<Decoded> {
        self.climb(self.stages.len().saturating_sub(1), &mut [], up)
    }

    fn climb(&mut self, mut at: usize, data: &mut [u8], up: &mut Vec<u8>) -> Result<Decoded> {
        if self.ended {
            return Ok(Decoded::End);
        }
        let mut first = Some(data);
        let mut carry = Vec::new();
        loop {
            let input = match first.take() {
                Some(data) => data,
                None => &mut carry[..],
            };
            let Some(stage) = self.stages.get(at) else {
                up.extend_from_slice(input);
                return Ok(Decoded::More);
            };
            if input.is_empty() && stage.left.is_empty() {
                return Ok(Decoded::More);
            }
            let (flow, above) = self.decode_at(at, input)?;
            carry = above;
            match flow {
                Flow::More => at += 1,
                Flow::Done => self.remove(at),
                Flow::End => {
                    self.end_above(at + 1, carry, up)?;
                    return Ok(Decoded::End);
                }
            }
        }
    }

    /// Has one layer decode; gives what it handed up, and with `Done` what it left behind it.
    fn decode_at(&mut self, at: usize, data: &mut [u8]) -> Result<(Flow, Vec<u8>)> {
        let (lower, upper) = self.stages.split_at_mut(at);
        let down = lower.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
        let Some(stage) = upper.first_mut() else { return Ok((Flow::More, data.to_vec())) };
        let mut left = mem::take(&mut stage.left);
        let direct = left.is_empty();
        if !direct {
            left.extend_from_slice(data);
        }
        let mut wire = Wire::new(if direct { data } else { &mut left });
        let mut up = Buf::new();
        let flow = stage.layer.decode(&mut wire, &mut up, down)?;
        let mut up = up.into_vec();
        match flow {
            Flow::More if direct => stage.left = wire.bytes().to_vec(),
            Flow::More => {
                let used = wire.used();
                left.drain(..used);
                stage.left = left;
            }
            Flow::Done => up.extend_from_slice(wire.bytes()),
            Flow::End => {}
        }
        Ok((flow, up))
    }

    fn remove(&mut self, at: usize) {
        let mut stage = self.stages.remove(at);
        let below = match at.checked_sub(1).and_then(|below| self.stages.get_mut(below)) {
            Some(below) => &mut below.plain,
            None => &mut self.wire,
        };
        below.append(&mut stage.plain);
    }

    /// The stream below has ended. An error: more should have come.
    pub(crate) fn eof(&mut self, up: &mut Vec<u8>) -> Result {
        if mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        self.end_above(0, Vec::new(), up)
    }

    /// Hands `carry` to the layer at `at` and tells it and all above that the stream below them has ended.
    fn end_above(&mut self, at: usize, mut carry: Vec<u8>, up: &mut Vec<u8>) -> Result {
        self.ended = true;
        for at in at..self.stages.len() {
            let (_, mut above) = self.decode_at(at, &mut carry)?;
            let (lower, upper) = self.stages.split_at_mut(at);
            let down = lower.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
            if let Some(stage) = upper.first_mut() {
                let mut last = Buf::from(mem::take(&mut above));
                stage.layer.eof(&mut last, down)?;
                above = last.into_vec();
            }
            carry = above;
        }
        up.append(&mut carry);
        Ok(())
    }

    /// Encodes what the connection has to send. Gives a piece of a file that must be read first.
    pub(crate) fn encode(&mut self, connection: &Connection) -> Result<Option<Chunk>> {
        let room = self.unsent() <= connection.limits().high;
        let file = self.feed(connection, room);
        for at in (0..self.stages.len()).rev() {
            let (lower, upper) = self.stages.split_at_mut(at);
            let down = lower.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
            let Some(stage) = upper.first_mut() else { continue };
            if !stage.layer.ready() {
                stage.layer.encode(&mut OutBuf::new(), down)?;
            } else if stage.plain.queued() > 0 {
                stage.layer.encode(&mut stage.plain, down)?;
            }
        }
        Ok(file)
    }

    /// Moves plain bytes to the uppermost layer, up to a file, of which a piece is taken when there is room.
    fn feed(&mut self, connection: &Connection, room: bool) -> Option<Chunk> {
        if self.reading > 0 || self.stages.is_empty() {
            return None;
        }
        let top = &mut self.stages.last_mut()?.plain;
        let mut out = connection.out.borrow_mut();
        while out.queued() > 0 && out.file().is_none() {
            top.push_chunk(out.pop_chunk()?);
        }
        if !room || out.queued() == 0 {
            return None;
        }
        let piece = out.split_chunk(PIECE)?;
        self.reading = piece.len();
        Some(piece)
    }

    /// The piece of the file was read.
    pub(crate) fn piece(&mut self, data: Vec<u8>) {
        self.reading = 0;
        let top = self.stages.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
        top.push_chunk(Chunk::Own(data));
    }

    /// Our side ends here: tells the layers, the uppermost first, and encodes what they say.
    pub(crate) fn close_write(&mut self) -> Result {
        for at in (0..self.stages.len()).rev() {
            let (lower, upper) = self.stages.split_at_mut(at);
            let down = lower.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
            let Some(stage) = upper.first_mut().filter(|stage| stage.layer.ready()) else { continue };
            if stage.plain.queued() > 0 {
                stage.layer.encode(&mut stage.plain, down)?;
            }
            stage.layer.close_write(down);
        }
        Ok(())
    }
}
