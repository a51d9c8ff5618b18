//! [`TlsLayer`]: TLS under a protocol.

use crate::{
    TlsError,
    clock::Clock,
    error::plain,
    session::{Progress, Session},
    subject::certificate,
};
use std::{fmt, sync::Arc};
use trenza_core::{Buf, Flow, Layer, OutBuf, Peer, Reactor, Result, Secured, Wire};

/// TLS under a protocol: what [`StartTls`](crate::StartTls) and the endpoints push.
///
/// ```text
///              ┌─────────── handshake ───────────┐
///  encode() ──▶│ ClientHello ─▶                  │  nobody above is told anything
///              │             ◀─ ServerHello ...  │
///              │ Finished ─▶                     │
///              └───────────── ready ─────────────┘
///  records both ways ── close_notify: Flow::End; an end without it: Reason::Truncated
/// ```
///
/// A failure sends its alert, then ends the connection with a [`TlsError`].
pub struct TlsLayer {
    session: Session,
    clock: Arc<Clock>,
    /// Nothing came so far.
    fresh: bool,
    /// The peer's close_notify came.
    ended: bool,
}

impl TlsLayer {
    pub(crate) fn new(session: Session, clock: Arc<Clock>) -> Self {
        Self { session, clock, fresh: true, ended: false }
    }
}

impl Layer for TlsLayer {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        let fresh = std::mem::replace(&mut self.fresh, false);
        if let Some(what) = plain(wire.bytes()).filter(|_| fresh) {
            return Err(TlsError::NotTls(what).into());
        }
        if self.session.is_handshaking()
            && let Some(reactor) = Reactor::try_current()
        {
            // Certificates are judged by the loop's wall clock.
            self.clock.set(reactor.wall());
        }
        let progress = self.session.decrypt(wire.bytes(), up, down)?;
        wire.consume(usize::MAX);
        self.ended = progress == Progress::End;
        Ok(if self.ended { Flow::End } else { Flow::More })
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        if plain.queued() == 0 {
            self.session.flush(down);
            return Ok(());
        }
        Ok(self.session.encrypt(plain, down)?)
    }

    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        if self.ended { Ok(()) } else { Err("the TLS stream ended without a close_notify".into()) }
    }

    fn close_write(&mut self, down: &mut OutBuf) {
        self.session.close(down);
    }

    fn ready(&self) -> bool {
        !self.session.is_handshaking()
    }

    fn describe(&self, peer: &mut Peer) {
        if let Some(alpn) = self.session.alpn() {
            peer.alpn = Some(String::from_utf8_lossy(alpn).into());
        }
        let mut secured = Secured::new(self.session.version(), self.session.cipher());
        secured.server_name = self.session.server_name().map(Into::into);
        secured.certificate = self.session.certificate().map(|der| certificate(der).into());
        secured.resumed = self.session.is_resumed();
        peer.secured = Some(secured.into());
    }
}

impl fmt::Debug for TlsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsLayer").field("ready", &self.ready()).finish_non_exhaustive()
    }
}
