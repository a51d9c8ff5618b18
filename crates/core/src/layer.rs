//! [`Layer`]: bytes transformed under a protocol.

use crate::{Peer, Result};
use trenza_wire::{Buf, OutBuf, Wire};

/// Bytes transformed under a protocol: TLS, a PROXY header, compression.
///
/// ```text
///  protocol ◀── Input ◀── up   decode ◀── wire ◀── driver
///  protocol ──▶ write ──▶ plain encode ──▶ down ──▶ driver
/// ```
///
/// [`Transport::push_layer`](crate::Transport::push_layer) pushes nearest to the protocol. An error sends what
/// is in `down` (an alert), then ends the connection with [`Reason::Failed`](crate::Reason::Failed).
pub trait Layer: 'static {
    /// Takes from `wire` what it can. What is left there is offered again as this layer changed it, with new
    /// bytes behind it.
    ///
    /// # Errors
    /// Ends the connection after `down` was sent.
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow>;

    /// Takes all of `plain`. It is also called with nothing in `plain` after the layer was pushed and while it
    /// is not ready, so that a handshake can begin.
    ///
    /// # Errors
    /// Ends the connection after `down` was sent.
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result;

    /// The stream below has ended.
    ///
    /// # Errors
    /// More should have come: the protocol is lost with [`Reason::Truncated`](crate::Reason::Truncated) and
    /// gets no `eof_received`.
    fn eof(&mut self, up: &mut Buf, down: &mut OutBuf) -> Result;

    /// Our side ends here; everything before was encoded.
    fn close_write(&mut self, _down: &mut OutBuf) {}

    /// While false, plain bytes are held and nobody above is told of the connection.
    fn ready(&self) -> bool {
        true
    }

    /// Adds what this layer knows of the peer. Called when all layers are ready.
    fn describe(&self, _peer: &mut Peer) {}
}

/// How a layer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It wants more bytes.
    More,
    /// The far side ended its stream; what comes behind is discarded.
    End,
    /// Nothing is left to transform: the layer is removed, and bytes pass by.
    Done,
}
