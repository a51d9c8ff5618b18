//! [`Session`]: a client that fetches messages and counts what comes.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);
/// What is read at once.
const PIECE: usize = 64 * 1024;
/// What stands behind a message.
const END: &[u8] = b"\r\n.\r\n";

/// A connection that has logged in.
#[derive(Debug)]
pub(super) struct Session {
    stream: TcpStream,
    /// What has come; the first `taken` bytes were looked at.
    came: Vec<u8>,
    taken: usize,
}

impl Session {
    /// Logs in as ann.
    pub(super) fn login(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Self { stream, came: Vec::new(), taken: 0 };
        session.line()?;
        session.ask("USER ann")?;
        session.ask("PASS secret")?;
        Ok(session)
    }

    /// How many messages there are.
    pub(super) fn count(&mut self) -> io::Result<usize> {
        let said = self.ask("STAT")?;
        let count = said.split(' ').nth(1).and_then(|count| count.parse().ok());
        count.ok_or_else(|| io::Error::other(said))
    }

    /// Fetches so many messages from the first on, with at most so many under way at once; each must be this one.
    pub(super) fn fetch(&mut self, count: usize, at_once: usize, message: &[u8]) -> io::Result<()> {
        let (mut asked, mut commands) = (0, Vec::new());
        for done in 0..count {
            // Half of them at a time, so that several go into one segment.
            if asked - done <= at_once / 2 {
                commands.clear();
                for number in asked..count.min(done + at_once) {
                    write!(commands, "RETR {}\r\n", number + 1)?;
                }
                asked = count.min(done + at_once);
                self.stream.write_all(&commands)?;
            }
            self.take(message)?;
        }
        Ok(())
    }

    pub(super) fn quit(mut self) -> io::Result<()> {
        self.ask("QUIT").map(drop)
    }

    /// A reply with this message behind it.
    fn take(&mut self, message: &[u8]) -> io::Result<()> {
        let said = self.line()?;
        let length = message.len() + END.len() - 2;
        while self.came.len() < self.taken + length {
            self.read()?;
        }
        let (text, end) = (message.len(), length);
        let came = self.came.get(self.taken..).unwrap_or_default();
        let is_right = came.get(..text) == Some(message) && came.get(text - 2..end) == Some(END);
        if !said.starts_with("+OK") || !is_right {
            return Err(io::Error::other(format!("{said:?}, and another message")));
        }
        self.taken += length;
        Ok(())
    }

    fn ask(&mut self, command: &str) -> io::Result<String> {
        self.stream.write_all(format!("{command}\r\n").as_bytes())?;
        match self.line()? {
            said if said.starts_with("+OK") => Ok(said),
            said => Err(io::Error::other(format!("{command}: {said}"))),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            let came = self.came.get(self.taken..).unwrap_or_default();
            if let Some(end) = came.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(came.get(..end).unwrap_or_default()).trim_end().to_owned();
                self.taken += end + 1;
                return Ok(line);
            }
            self.read()?;
        }
    }

    fn read(&mut self) -> io::Result<()> {
        self.came.drain(..std::mem::take(&mut self.taken));
        let before = self.came.len();
        self.came.resize(before + PIECE, 0);
        let count = self.stream.read(self.came.get_mut(before..).unwrap_or_default())?;
        self.came.truncate(before + count);
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}
