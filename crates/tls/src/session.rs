//! [`Session`]: rustls, driven by bytes. The only file that knows its buffered API.

use crate::TlsError;
use rustls::{ClientConnection, Connection, HandshakeKind, ServerConnection};
use std::io::{self, BufRead, IoSlice, Write};
use trenza_core::{Buf, OutBuf};

/// How many pieces are encrypted at once.
const PIECES_MAX: usize = 64;

/// What a session is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    /// The peer has sent close_notify.
    End,
}

/// One side of one TLS connection.
pub(crate) struct Session(Connection);

impl Session {
    pub(crate) fn server(connection: ServerConnection) -> Self {
        Self::new(connection.into())
    }

    pub(crate) fn client(connection: ClientConnection) -> Self {
        Self::new(connection.into())
    }

    fn new(mut connection: Connection) -> Self {
        // The connection's own limits hold: what is encrypted counts as unsent.
        connection.set_buffer_limit(None);
        Self(connection)
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Decrypts what came; plain bytes go to `up`, answers to `down`, the alert of an error too.
    pub(crate) fn decrypt(
        &mut self,
        mut wire: &[u8],
        up: &mut Buf,
        down: &mut OutBuf,
    ) -> Result<Progress, TlsError> {
        let decrypted = self.decrypt_all(&mut wire, up);
        self.flush(down);
        decrypted
    }

    fn decrypt_all(&mut self, wire: &mut &[u8], up: &mut Buf) -> Result<Progress, TlsError> {
        while !wire.is_empty() {
            // It takes some 4 KiB at once, and nothing after close_notify.
            let taken = self.0.read_tls(wire).map_err(|error| TlsError::Peer(error.to_string()))?;
            let state = self.0.process_new_packets();
            // What was decrypted before an error counts, as it does when it comes in a piece of its own.
            self.hand_up(up);
            if state?.peer_has_closed() {
                return Ok(Progress::End);
            }
            if taken == 0 {
                break;
            }
        }
        Ok(Progress::More)
    }

    fn hand_up(&mut self, up: &mut Buf) {
        let mut reader = self.0.reader();
        while let Ok(plain) = reader.fill_buf() {
            if plain.is_empty() {
                return;
            }
            up.push(plain);
            let taken = plain.len();
            reader.consume(taken);
        }
    }

    /// Encrypts all of `plain`: what was written in one turn shares its records.
    pub(crate) fn encrypt(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result<(), TlsError> {
        while plain.queued() > 0 {
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let filled = plain.slices(&mut pieces);
            let pieces = pieces.get(..filled).unwrap_or_default();
            let taken = self.0.writer().write_vectored(pieces).map_err(failed)?;
            if taken == 0 {
                return Err(TlsError::Configuration("nothing could be encrypted".into()));
            }
            plain.advance(taken);
            self.flush(down);
        }
        Ok(())
    }

    /// Hands over what is to be sent.
    pub(crate) fn flush(&mut self, down: &mut OutBuf) {
        while self.0.wants_write() {
            if self.0.write_tls(down).is_err() {
                return; // a buffer in memory takes everything
            }
        }
    }

    /// Tells the peer that nothing more will come. What the peer breaks afterwards is answered with an alert all the same;
    /// rustls asserts in debug builds that none follows, which the workspace's manifest turns off.
    pub(crate) fn close(&mut self, down: &mut OutBuf) {
        self.0.send_close_notify();
        self.flush(down);
    }

    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.0.alpn_protocol()
    }

    /// The peer's own certificate, in DER.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.0.peer_certificates()?.first().map(|der| &der[..])
    }

    /// The name that the client asked for (SNI); on clients None.
    pub(crate) fn server_name(&self) -> Option<&str> {
        match &self.0 {
            Connection::Server(server) => server.server_name(),
            Connection::Client(_) => None,
        }
    }

    pub(crate) fn version(&self) -> &'static str {
        match self.0.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS 1.3",
        }
    }

    pub(crate) fn cipher(&self) -> &'static str {
        self.0.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown")
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.0.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

fn failed(error: io::Error) -> TlsError {
    match error.downcast::<rustls::Error>() {
        Ok(error) => error.into(),
        Err(error) => TlsError::Peer(error.to_string()),
    }
}
