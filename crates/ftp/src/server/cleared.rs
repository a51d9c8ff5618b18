//! [`Clearable`]: TLS of a control connection, which CCC ends (RFC 2228 section 3).

use std::{cell::Cell, rc::Rc};
use trenza_core::{Buf, Flow, Layer, OutBuf, Peer, Result, Wire};
use trenza_tls::TlsLayer;

/// Type and length of a TLS record.
const HEAD: usize = 5;
/// The types of records: from change_cipher_spec to application_data. No command begins so.
const TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// TLS that ends in mid-connection: behind the reply that is on its way goes our close_notify, and behind that everything
/// is plain. The client may answer with a close_notify of its own, or begin at once.
pub(super) struct Clearable {
    layer: TlsLayer,
    /// CCC was allowed.
    clearing: Rc<Cell<bool>>,
    /// Our close_notify was sent.
    cleared: bool,
}

impl Clearable {
    /// It ends when `clearing` is set and something is sent.
    pub(super) fn new(layer: TlsLayer, clearing: Rc<Cell<bool>>) -> Self {
        Self { layer, clearing, cleared: false }
    }
}

impl Layer for Clearable {
    /// Record by record, so that nothing behind the last one is taken for TLS.
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        while let Some(first) = wire.bytes().first() {
            match TYPES.contains(first) {
                false if self.cleared => return Ok(Flow::Done),
                // TLS says what is wrong with it.
                false => return self.layer.decode(wire, up, down),
                true => {}
            }
            let Some(size) = record(wire.bytes()) else { break };
            let Some(record) = wire.bytes().get_mut(..size) else { break };
            let flow = self.layer.decode(&mut Wire::new(record), up, down)?;
            wire.consume(size);
            match flow {
                Flow::End if self.cleared => return Ok(Flow::Done),
                Flow::More => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::More)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        if self.cleared {
            down.append(plain);
            return Ok(());
        }
        self.layer.encode(plain, down)?;
        if self.clearing.get() {
            self.layer.close_write(down);
            self.cleared = true;
        }
        Ok(())
    }

    fn eof(&mut self, up: &mut Buf, down: &mut OutBuf) -> Result {
        if self.cleared { Ok(()) } else { self.layer.eof(up, down) }
    }

    fn close_write(&mut self, down: &mut OutBuf) {
        if !self.cleared {
            self.layer.close_write(down);
        }
    }

    fn ready(&self) -> bool {
        self.layer.ready()
    }

    fn describe(&self, peer: &mut Peer) {
        self.layer.describe(peer);
    }
}

/// How long the record is that these bytes begin with; None: that is not known yet.
fn record(bytes: &[u8]) -> Option<usize> {
    let [.., high, low] = *bytes.get(..HEAD)? else { return None };
    Some(HEAD + usize::from(u16::from_be_bytes([high, low])))
}
