//! [`Session`]: a client that greets, and waits.

use crate::handshake::Handshakes;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that has said EHLO, and says nothing more.
#[derive(Debug)]
pub(super) struct Session {
    _stream: TcpStream,
}

impl Session {
    /// Greets a server on this port of 127.0.0.1; with `tls` once more behind STARTTLS.
    pub(super) fn greet(port: u16, tls: Option<&Handshakes>) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        reply(&mut stream, "220")?;
        ask(&mut stream, "EHLO localhost", "250")?;
        let Some(tls) = tls else { return Ok(Self { _stream: stream }) };
        ask(&mut stream, "STARTTLS", "220")?;
        let mut secured = tls.secure(stream)?;
        ask(&mut secured, "EHLO localhost", "250")?;
        Ok(Self { _stream: secured.sock })
    }
}

fn ask(stream: &mut (impl Read + Write), command: &str, code: &str) -> io::Result<()> {
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    reply(stream, code)
}

/// Reads a reply to its last line.
fn reply(stream: &mut impl Read, code: &str) -> io::Result<()> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    loop {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
        if byte != *b"\n" {
            continue;
        }
        if !line.starts_with(code.as_bytes()) {
            return Err(io::Error::other(format!("{:?} instead of {code}", String::from_utf8_lossy(&line))));
        }
        if line.get(3) == Some(&b' ') {
            return Ok(());
        }
        line.clear();
    }
}
