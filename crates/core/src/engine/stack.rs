//! [`Stack`]: the layers of one connection.
//!
//! ```text
//!  driver ─▶ stage 0: left ─ decode ─▶ stage 1: left ─ decode ─▶ unread ─▶ protocol
//!  driver ◀─ wire ◀─ encode ─ plain :0 ◀─ encode ─ plain :1 ◀─ out ◀─ write
//! ```

use crate::{Error, Flow, Layer, Peer, Reason, Result, connection::Connection};
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
    /// How many bytes of it have left so far.
    pub(crate) sent: u64,
    /// The size of the piece of a file that is being read: nothing overtakes it.
    reading: usize,
    /// A layer said that its stream has ended, or the wire did.
    ended: bool,
    /// Layers that are done, until they have told what they know of the peer.
    done: Vec<Box<dyn Layer>>,
    /// The lowest layer that has failed. It is not asked again; what is below it still sends.
    broken: Option<usize>,
}

/// What came of decoding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    More,
    /// The stream of the uppermost layer has ended.
    End,
}

impl Stack {
    /// True when nothing is left for it to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.stages.is_empty() && self.reading == 0
    }

    pub(crate) fn layers(&self) -> usize {
        self.stages.len()
    }

    /// True when layers have nothing for the peer.
    pub(crate) fn has_no_answer(&self) -> bool {
        self.wire.is_empty()
    }

    /// Bytes that were taken from the connection's out-buffer and have not left.
    pub(crate) fn unsent(&self) -> usize {
        let plain = self.stages.iter().map(|stage| stage.plain.len()).sum::<usize>();
        plain + self.wire.len() + self.reading
    }

    /// Where the wire will be when all that was encoded has left; None while layers have handed something to others
    /// that those did not encode yet.
    pub(crate) fn encoded(&self) -> Option<u64> {
        let lower = self.stages.split_last().map(|(_, lower)| lower).unwrap_or_default();
        let done = lower.iter().all(|stage| stage.plain.is_empty());
        done.then_some(self.sent + self.wire.len() as u64)
    }

    /// True when nothing waits to be encoded.
    pub(crate) fn is_encoded(&self) -> bool {
        self.reading == 0 && self.stages.iter().all(|stage| stage.plain.is_empty())
    }

    /// Bytes of files that are on the wire.
    pub(crate) fn files(&self) -> usize {
        self.wire.len() - self.wire.in_memory()
    }

    /// Those of them that take memory.
    pub(crate) fn in_memory(&self) -> usize {
        let plain = self.stages.iter().map(|stage| stage.plain.in_memory()).sum::<usize>();
        plain + self.wire.in_memory() + self.reading
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

    /// The layers that were removed since they were last asked for.
    pub(crate) fn take_done(&mut self) -> Vec<Box<dyn Layer>> {
        mem::take(&mut self.done)
    }

    /// Removes the layers that have failed with what they had to encode. The caller drops it.
    pub(crate) fn take_broken(&mut self) -> impl Sized + use<> {
        let at = self.broken.take().unwrap_or(self.stages.len());
        if at < self.stages.len() {
            self.reading = 0;
        }
        self.stages.split_off(at.min(self.stages.len()))
    }

    /// Removes what layers that are not ready hold back. The caller drops it.
    pub(crate) fn take_held(&mut self) -> Vec<OutBuf> {
        let held = self.stages.iter_mut().skip_while(|stage| stage.layer.ready());
        held.map(|stage| stage.plain.take_queued()).collect()
    }

    /// Pushes nearest to the protocol. `before` was written before it, `left` was received but not read.
    pub(crate) fn push(&mut self, layer: Box<dyn Layer>, mut before: OutBuf, left: Vec<u8>) {
        self.hand_down(&mut before);
        let below = self.stages.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
        below.append(&mut before);
        self.stages.push(Stage { layer, left, plain: OutBuf::new() });
    }

    /// Decodes bytes from the wire and appends what comes out on top to `up`, also before an error.
    pub(crate) fn decode(&mut self, data: &mut [u8], up: &mut Vec<u8>) -> Result<Decoded, Reason> {
        self.climb(0, data, up)
    }

    /// Has the uppermost layer look at what was left to it.
    pub(crate) fn decode_left(&mut self, up: &mut Vec<u8>) -> Result<Decoded, Reason> {
        self.climb(self.stages.len().saturating_sub(1), &mut [], up)
    }

    fn climb(&mut self, mut at: usize, data: &mut [u8], up: &mut Vec<u8>) -> Result<Decoded, Reason> {
        if self.ended {
            return Ok(Decoded::End);
        }
        let mut first = Some(data);
        let mut carry = Vec::new();
        let mut failed = Ok(Decoded::More);
        loop {
            let Some(stage) = self.stages.get(at) else {
                match first.take() {
                    Some(data) => up.extend_from_slice(data),
                    None if up.is_empty() => *up = carry,
                    None => up.append(&mut carry),
                }
                return failed;
            };
            let input = match first.take() {
                Some(data) => data,
                None => &mut carry[..],
            };
            if input.is_empty() && stage.left.is_empty() {
                return failed;
            }
            let (flow, above) = self.decode_at(at, input);
            carry = above;
            match flow {
                Ok(Flow::More) => at += 1,
                Ok(Flow::Done) => self.remove(at),
                Ok(Flow::End) => {
                    self.end_above(at + 1, carry, up)?;
                    return failed.and(Ok(Decoded::End));
                }
                Err(error) => {
                    // What it decoded before goes up, as it would have in a piece of its own.
                    failed = failed.and_then(|_| Err(self.fail(at, Reason::Failed(error))));
                    at += 1;
                }
            }
        }
    }

    /// Has one layer decode; gives what it handed up, and with `Done` what it left behind it.
    fn decode_at(&mut self, at: usize, data: &mut [u8]) -> (Result<Flow, Error>, Vec<u8>) {
        let (lower, upper) = self.stages.split_at_mut(at);
        let down = lower.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
        let Some(stage) = upper.first_mut() else { return (Ok(Flow::More), data.to_vec()) };
        let mut left = mem::take(&mut stage.left);
        let direct = left.is_empty();
        if !direct {
            left.extend_from_slice(data);
        }
        let mut wire = Wire::new(if direct { data } else { &mut left });
        let mut up = Buf::new();
        let flow = stage.layer.decode(&mut wire, &mut up, down);
        let mut up = up.into_vec();
        match flow {
            Ok(Flow::More) if direct => stage.left = wire.bytes().to_vec(),
            Ok(Flow::More) => {
                let used = wire.used();
                left.drain(..used);
                stage.left = left;
            }
            Ok(Flow::Done) => up.extend_from_slice(wire.bytes()),
            Ok(Flow::End) | Err(_) => {}
        }
        (flow, up)
    }

    fn remove(&mut self, at: usize) {
        let mut stage = self.stages.remove(at);
        let below = match at.checked_sub(1).and_then(|below| self.stages.get_mut(below)) {
            Some(below) => &mut below.plain,
            None => &mut self.wire,
        };
        below.append(&mut stage.plain);
        self.done.push(stage.layer);
    }

    fn fail(&mut self, at: usize, reason: Reason) -> Reason {
        self.broken = Some(self.broken.map_or(at, |lower| lower.min(at)));
        reason
    }

    /// The wire has ended. An error: more should have come.
    pub(crate) fn end(&mut self, up: &mut Vec<u8>) -> Result<Decoded, Reason> {
        if !self.ended {
            self.end_above(0, Vec::new(), up)?;
        }
        Ok(Decoded::End)
    }

    /// What is below the uppermost layer ended before that was pushed.
    pub(crate) fn end_uppermost(&mut self, up: &mut Vec<u8>) -> Result<Decoded, Reason> {
        self.end_above(self.stages.len().saturating_sub(1), Vec::new(), up)?;
        Ok(Decoded::End)
    }

    /// Hands `carry` to the layer at `at` and tells it and all above that the stream below them has ended.
    fn end_above(&mut self, mut at: usize, mut carry: Vec<u8>, up: &mut Vec<u8>) -> Result<(), Reason> {
        self.ended = true;
        let mut failed = Ok(());
        while at < self.stages.len() {
            let (flow, mut above) = self.decode_at(at, &mut carry);
            let ended = match flow {
                // It was done before the end, so the end is none of its business.
                Ok(Flow::Done) => {
                    self.remove(at);
                    carry = above;
                    continue;
                }
                Ok(Flow::End) => Ok(()),
                Ok(Flow::More) if failed.is_err() => Ok(()),
                Ok(Flow::More) => self.end_at(at, &mut above),
                Err(error) => Err(Reason::Failed(error)),
            };
            failed = failed.and_then(|()| ended.map_err(|reason| self.fail(at, reason)));
            carry = above;
            at += 1;
        }
        up.append(&mut carry);
        failed
    }

    fn end_at(&mut self, at: usize, above: &mut Vec<u8>) -> Result<(), Reason> {
        let (lower, upper) = self.stages.split_at_mut(at);
        let down = lower.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
        let Some(stage) = upper.first_mut() else { return Ok(()) };
        let mut last = Buf::from(mem::take(above));
        let ended = stage.layer.eof(&mut last, down);
        *above = last.into_vec();
        ended.map_err(|error| {
            tracing::debug!(%error, "the stream ended where its layer says that more must come");
            Reason::Truncated
        })
    }

    /// Encodes what was fed.
    pub(crate) fn encode(&mut self) -> Result<(), Reason> {
        self.each_down(|layer, plain, down| {
            if !layer.ready() {
                layer.encode(&mut OutBuf::new(), down)?;
            }
            // It may be ready by what it had to say: then what those above it have said goes behind that.
            if layer.ready() && plain.queued() > 0 { layer.encode(plain, down) } else { Ok(()) }
        })
    }

    /// Calls `f` for each layer, the uppermost first, with what it has to encode and where it goes. When one fails
    /// those below it still have their turn.
    fn each_down(
        &mut self,
        mut f: impl FnMut(&mut dyn Layer, &mut OutBuf, &mut OutBuf) -> Result,
    ) -> Result<(), Reason> {
        let mut failed = Ok(());
        for at in (0..self.stages.len()).rev() {
            let (lower, upper) = self.stages.split_at_mut(at);
            let down = lower.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
            let Some(stage) = upper.first_mut() else { continue };
            if let Err(error) = f(&mut *stage.layer, &mut stage.plain, down) {
                failed = Err(self.fail(at, Reason::Failed(error)));
            }
        }
        failed
    }

    /// Moves what the connection has to send to the uppermost layer, up to a file, of which a piece is taken when there is
    /// room: it must be read first.
    pub(crate) fn feed(&mut self, connection: &Connection) -> Option<Chunk> {
        if self.reading > 0 {
            return None;
        }
        let room = self.unsent() <= connection.limits().high;
        let mut out = connection.out.borrow_mut();
        self.hand_down(&mut out);
        if !room || out.queued() == 0 {
            return None;
        }
        let piece = out.split_chunk(PIECE)?;
        self.reading = piece.len();
        Some(piece)
    }

    /// Moves bytes to the uppermost layer, up to a file. Descriptors pass the layers by: they go with the next byte of the
    /// lowest, before which nothing is moved that is behind them.
    fn hand_down(&mut self, out: &mut OutBuf) {
        while out.queued() > 0 {
            std::iter::from_fn(|| out.pop_descriptor()).for_each(|fd| self.wire.push_descriptor(fd));
            if out.file().is_some() {
                return;
            }
            let top = self.stages.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
            let Some(chunk) = out.split_chunk(out.undivided()) else { return };
            top.push_chunk(chunk);
        }
    }

    /// The piece of the file was read.
    pub(crate) fn piece(&mut self, data: Vec<u8>) {
        if mem::take(&mut self.reading) > 0 {
            let top = self.stages.last_mut().map_or(&mut self.wire, |stage| &mut stage.plain);
            top.push_chunk(Chunk::Own(data));
        }
    }

    /// A piece of a file is on its way.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading > 0
    }

    /// Our side ends here: tells the layers, the uppermost first, and encodes what they say.
    pub(crate) fn close_write(&mut self) -> Result<(), Reason> {
        self.each_down(|layer, plain, down| {
            if !layer.ready() {
                return Ok(());
            }
            if plain.queued() > 0 {
                layer.encode(plain, down)?;
            }
            layer.close_write(down);
            Ok(())
        })
    }
}
