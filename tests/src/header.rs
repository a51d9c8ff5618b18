//! [`Header`]: a layer that reads one line and is done, as PROXY protocol does.

use std::net::SocketAddr;
use trenza_core::{Addr, Buf, Flow, Layer, OutBuf, Peer, Result, Wire};

/// The longest header with its line end.
const LINE_MAX: usize = 107;

/// Waits for the line `FROM ADDRESS:PORT`, tells that address as the peer's, and leaves the rest as it is.
#[derive(Debug, Default)]
pub struct Header {
    from: Option<SocketAddr>,
}

impl Layer for Header {
    fn decode(&mut self, wire: &mut Wire<'_>, _up: &mut Buf, down: &mut OutBuf) -> Result<Flow> {
        let bytes = wire.bytes();
        let window = bytes.get(..LINE_MAX).unwrap_or(bytes);
        let Some(end) = window.windows(2).position(|two| two == b"\r\n") else {
            if window.len() == LINE_MAX {
                down.push_slice(b"no header\r\n");
                return Err("the header is too long".into());
            }
            return Ok(Flow::More);
        };
        let line = String::from_utf8_lossy(window.get(..end).unwrap_or_default()).into_owned();
        self.from = line.strip_prefix("FROM ").and_then(|addr| addr.parse().ok());
        if self.from.is_none() {
            down.push_slice(b"bad header\r\n");
            return Err(format!("not a header: {line:?}").into());
        }
        wire.consume(end + 2);
        Ok(Flow::Done)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        down.append(plain);
        Ok(())
    }

    fn eof(&mut self, _up: &mut Buf, _down: &mut OutBuf) -> Result {
        Err("the stream has ended within the header".into())
    }

    fn ready(&self) -> bool {
        self.from.is_some()
    }

    fn describe(&self, peer: &mut Peer) {
        if let Some(from) = self.from {
            peer.via = Some(std::mem::replace(&mut peer.remote, Addr::from(from)));
        }
    }
}
