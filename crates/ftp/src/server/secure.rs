//! [`Link`]: how a data connection is protected, and whether it is the client's own.

use std::{rc::Rc, time::Duration};
use trenza_core::{Buf, Deferred, Flow, Layer, OutBuf, Peer, Reason, Resolver, Result, Transport, Wire};
use trenza_tls::{ServerTls, Side, TlsLayer};

use super::failure::Failure;

/// What a data connection has of its control connection.
pub(super) struct Link {
    /// How it is protected; None: not.
    pub(super) tls: Option<ServerTls>,
    /// Who is at the control connection.
    pub(super) control: Rc<Peer>,
    /// It must continue a session.
    pub(super) reuse: bool,
    /// Its end need not be confirmed by close_notify.
    pub(super) truncated: bool,
    /// How long it may move nothing.
    pub(super) idle: Duration,
}

impl Link {
    /// Begins TLS; fires when the handshake is done, at once without TLS.
    pub(super) fn begin(&self, data: &Transport) -> Result<Deferred<()>> {
        data.set_timeout(Some(self.idle));
        let (ready, resolver) = data.reactor().deferred();
        match &self.tls {
            None => resolver.fire(Ok(())),
            Some(tls) => {
                let layer = tls.layer()?;
                data.push_layer(Announced { layer, ready: Some(resolver), truncated: self.truncated });
            }
        }
        Ok(ready)
    }

    /// Whether somebody may have the data: TLS shows him to be who is at the control connection, as far as it tells.
    pub(super) fn accepts(&self, data: &Transport) -> bool {
        if self.tls.is_none() {
            return true;
        }
        let (data, control) = (data.peer(), &self.control);
        let (Some(data), Some(control)) = (&data.secured, &control.secured) else { return false };
        let [here, there] =
            [data, control].map(|peer| peer.certificate.as_ref().map(|certificate| certificate.fingerprint));
        here == there && (data.resumed || !self.reuse)
    }

    /// What the end of a data connection means to its transfer.
    pub(super) fn failure(&self, data: &Transport, reason: &Reason) -> Failure {
        match reason {
            Reason::Aborted => Failure::Aborted,
            Reason::TimedOut(_) if self.tls.is_some() && data.peer().secured.is_none() => Failure::Handshake,
            Reason::TimedOut(_) => Failure::Idle,
            Reason::Failed(_) if self.tls.is_some() && data.peer().secured.is_none() => Failure::Handshake,
            _ => Failure::Broken,
        }
    }
}

/// TLS that tells when its handshake is done: nobody is told by the loop, since a protocol has nothing to do before.
struct Announced {
    layer: TlsLayer,
    ready: Option<Resolver<()>>,
    /// Its end need not be confirmed by close_notify.
    truncated: bool,
}

impl Layer for Announced {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        let flow = self.layer.decode(wire, up, down)?;
        if let Some(ready) = self.ready.take_if(|_| self.layer.ready()) {
            ready.fire(Ok(()));
        }
        Ok(flow)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        self.layer.encode(plain, down)
    }

    fn eof(&mut self, up: &mut Buf, down: &mut OutBuf) -> Result {
        let ended = self.layer.eof(up, down);
        if self.truncated && self.layer.ready() { Ok(()) } else { ended }
    }

    fn close_write(&mut self, down: &mut OutBuf) {
        self.layer.close_write(down);
    }

    fn ready(&self) -> bool {
        self.layer.ready()
    }

    fn describe(&self, peer: &mut Peer) {
        self.layer.describe(peer);
    }
}
