//! [`Session`]: a client that blocks.

use super::{SMALL_SIZE, server::FtpServer};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A control connection that has logged in.
#[derive(Debug)]
pub(super) struct Session(BufReader<TcpStream>);

impl Session {
    pub(super) fn login(server: &FtpServer) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", server.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Self(BufReader::with_capacity(1 << 10, stream));
        session.reply("220")?;
        let (name, password) = server.kind.account();
        session.ask(&format!("USER {name}"), "331")?;
        session.ask(&format!("PASS {password}"), "230")?;
        session.ask("TYPE I", "200")?;
        Ok(session)
    }

    /// Its connection, on which nothing is under way.
    pub(super) fn into_stream(self) -> TcpStream {
        self.0.into_inner()
    }

    /// Gets a small file.
    pub(super) fn get(&mut self, name: &str) -> io::Result<()> {
        let said = self.ask("EPSV", "229")?;
        let port = said.split('|').nth(3).and_then(|port| port.parse::<u16>().ok());
        let port = port.ok_or_else(|| io::Error::other(said.clone()))?;
        let mut data = TcpStream::connect(("127.0.0.1", port))?;
        // Some say 125, since it is there already.
        self.ask(&format!("RETR {name}"), "1")?;
        let mut got = Vec::with_capacity(SMALL_SIZE);
        data.read_to_end(&mut got)?;
        self.reply("226")?;
        if got.len() == SMALL_SIZE { Ok(()) } else { Err(io::Error::other("the file is not whole")) }
    }

    fn ask(&mut self, command: &str, code: &str) -> io::Result<String> {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.reply(code)
    }

    /// A reply of one line, or the last line of several.
    fn reply(&mut self, code: &str) -> io::Result<String> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            match line.strip_prefix(code) {
                Some(rest) if rest.starts_with('-') => {}
                Some(_) => return Ok(line),
                None => return Err(io::Error::other(format!("{line:?} instead of {code}"))),
            }
        }
    }
}
