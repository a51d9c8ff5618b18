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
///
/// What a layer holds is bounded: what it leaves in `wire` by [`Limits::unread`](crate::Limits::unread); what it puts
/// into `down` counts as unsent, so a peer that does not read it is not read either.
///
/// ```
/// use trenza_core::{Buf, Flow, Input, IntoEndpoint, Layer, OutBuf, Protocol, Result, Transport, Wire};
///
/// /// Turns every bit around, both ways.
/// struct Not;
///
/// impl Layer for Not {
///     fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
///         wire.bytes().iter_mut().for_each(|byte| *byte = !*byte);
///         up.push(wire.bytes());
///         wire.consume(usize::MAX);
///         Ok(Flow::More)
///     }
///     fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
///         while let Some(chunk) = plain.pop_chunk() {
///             // Files come here in pieces that were read already.
///             down.push_vec(chunk.bytes().unwrap_or_default().iter().map(|byte| !byte).collect());
///         }
///         Ok(())
///     }
///     fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
///         Ok(()) // it may end anywhere
///     }
/// }
///
/// struct Echo;
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
///         transport.write(input.rest());
///         transport.write(b"!");
///         transport.close();
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::gentle(1);
/// let on = "tcp:7007".into_endpoint()?.layered(|| vec![Box::new(Not)]);
/// net.host("srv").run(|reactor| reactor.listen(on, |_| Echo).map(drop))?;
/// let cli = net.host("cli").probe("tcp:srv:7007");
/// cli.send([!b'h', !b'i']);
/// net.run();
/// assert_eq!(cli.received(), [!b'h', !b'i', !b'!']);
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub trait Layer: 'static {
    /// Takes from `wire` what it can. What is left there is offered again as this layer changed it, with new
    /// bytes behind it.
    ///
    /// # Errors
    /// Ends the connection after `down` was sent. What it handed up before still reaches the protocol. It is not
    /// asked again, nor are those above it; those below still encode.
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

    /// Adds what this layer knows of the peer. Called when all layers are ready, once more when another one was
    /// pushed, and when this one is done.
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
