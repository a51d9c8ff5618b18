//! [`Session`]: a session of SMTP that may end at any time.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
};
use trenza_tests::PATIENCE;

/// A session that has greeted.
pub(crate) struct Session(BufReader<TcpStream>);

impl Session {
    /// Greets the server of `smtp://127.0.0.1:PORT`.
    pub(crate) fn connect(url: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(url.trim_start_matches("smtp://"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut session = Self(BufReader::with_capacity(1024, stream));
        session.reply("220")?;
        session.ask("EHLO test", "250")?;
        Ok(session)
    }

    /// Logs in as ann, whose password is `secret`.
    pub(crate) fn login(&mut self) -> io::Result<()> {
        self.ask("AUTH PLAIN AGFubgBzZWNyZXQ=", "235")
    }

    pub(crate) fn ask(&mut self, command: &str, code: &str) -> io::Result<()> {
        self.say(command.as_bytes())?;
        self.say(b"\r\n")?;
        self.reply(code)
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads a reply, which must begin like this.
    pub(crate) fn reply(&mut self, code: &str) -> io::Result<()> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !line.starts_with(code) {
                return Err(io::Error::other(format!("{line:?} instead of {code}")));
            }
            if line.get(3..4) != Some("-") {
                return Ok(());
            }
        }
    }

    /// Sends a message from ann, in one chunk or by DATA.
    pub(crate) fn send(&mut self, to: &str, text: &str, chunk: bool) -> io::Result<()> {
        self.ask("MAIL FROM:<ann@example.org>", "250")?;
        self.ask(&format!("RCPT TO:<{to}>"), "250")?;
        if chunk {
            self.say(format!("BDAT {} LAST\r\n{text}", text.len()).as_bytes())?;
            return self.reply("250");
        }
        self.ask("DATA", "354")?;
        self.say(text.as_bytes())?;
        self.ask(".", "250")
    }
}
