//! [`Dialogue`]: what is said and answered over a connection.

use super::{Cause, ClientError, ClientLimits};
use crate::pop3::{
    Command, Reply, Status,
    text::{Decoder, Line, Piece, line},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use trenza_core::{Stream, timeout};
use zeroize::Zeroizing;

/// A connection to a server.
///
/// Each command has one reply, and some have lines behind it. When one is missing, as when the future that waited for it was
/// dropped, nobody could tell what the next one answers, and the connection is of no more use.
pub(super) struct Dialogue {
    stream: Stream,
    host: Arc<str>,
    limit: Duration,
    /// How many replies are still to come.
    owed: usize,
    /// Lines behind a reply are being read.
    within: bool,
    /// Nothing more can be said: the server has gone, or no word of it is to be trusted.
    broken: bool,
}

impl Dialogue {
    /// The server is to greet.
    pub(super) fn new(mut stream: Stream, host: Arc<str>, limits: &ClientLimits) -> Self {
        // A stop of the loop is no end of a reply.
        stream.end_at_stop(false);
        Self { stream, host, limit: limits.reply, owed: 1, within: false, broken: false }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether a command can be said.
    pub(super) fn is_open(&self) -> bool {
        !self.broken && self.owed == 0 && !self.within && self.stream.transport().is_open()
    }

    pub(super) fn error(&self, asked: &str, cause: Cause) -> ClientError {
        ClientError::new(&self.host, asked, cause)
    }

    /// Nothing more is said or read.
    pub(super) fn give_up(&mut self, asked: &str, cause: Cause) -> ClientError {
        self.broken = true;
        self.error(asked, cause)
    }

    /// Queues a command. Where several are queued before a reply is waited for, they go together.
    pub(super) fn say(&mut self, command: &Command) {
        self.owed += 1;
        self.stream.transport().compose(|out| command.write(out));
    }

    /// Queues a line of a login.
    pub(super) fn respond(&mut self, response: &[u8]) {
        self.owed += 1;
        let text = Zeroizing::new(BASE64_STANDARD.encode(response) + "\r\n");
        self.stream.transport().write(text.as_bytes());
    }

    /// The next reply.
    pub(super) async fn reply(&mut self, asked: &str) -> Result<Reply, ClientError> {
        if self.broken || self.within {
            return Err(self.give_up(asked, Cause::closed()));
        }
        let read = timeout(self.limit, self.stream.next(|input| Ok(Reply::read(input)?))).await;
        match read {
            Ok(Some(reply)) => {
                self.owed = self.owed.saturating_sub(1);
                Ok(reply)
            }
            Ok(None) => Err(self.give_up(asked, Cause::closed())),
            Err(error) => Err(self.give_up(asked, Cause::connection(error))),
        }
    }

    /// Looks whether a command can be said.
    pub(super) fn check(&mut self, asked: &str) -> Result<(), ClientError> {
        if self.is_open() { Ok(()) } else { Err(self.give_up(asked, Cause::closed())) }
    }

    /// Says a command and waits for its reply.
    pub(super) async fn ask(&mut self, command: &Command) -> Result<Reply, ClientError> {
        let asked = shown(command);
        self.check(&asked)?;
        self.say(command);
        self.reply(&asked).await
    }

    /// Says a command, which the server is to do.
    pub(super) async fn demand(&mut self, command: &Command) -> Result<Reply, ClientError> {
        let reply = self.ask(command).await?;
        self.done(&shown(command), reply)
    }

    /// A reply that says yes; any other one is an error.
    pub(super) fn done(&mut self, asked: &str, reply: Reply) -> Result<Reply, ClientError> {
        match reply.status() {
            Status::Ok => Ok(reply),
            Status::Err => Err(self.error(asked, Cause::Refused(reply))),
            Status::Challenge => {
                Err(self.give_up(asked, Cause::Protocol("a reply that does not belong there")))
            }
        }
    }

    /// The lines of a listing, at most so many.
    pub(super) async fn lines(
        &mut self,
        asked: &str,
        most: usize,
        mut each: impl FnMut(&str),
    ) -> Result<(), ClientError> {
        self.within = true;
        let (mut count, mut ended) = (0_usize, false);
        while !ended {
            // As many as are there at once; between them the server may take its time.
            let read = timeout(
                self.limit,
                self.stream.next(|input| {
                    let before = count;
                    while let Some(line) = line(input)? {
                        let Line::Text(text) = line else {
                            ended = true;
                            return Ok(Some(()));
                        };
                        count += 1;
                        if count <= most {
                            each(&String::from_utf8_lossy(text));
                        }
                    }
                    Ok((count > before).then_some(()))
                }),
            );
            let cause = match read.await {
                Ok(Some(())) if count <= most => continue,
                Ok(Some(())) => Cause::Protocol("a listing is too long"),
                Ok(None) => Cause::closed(),
                Err(error) => Cause::connection(error),
            };
            return Err(self.give_up(asked, cause));
        }
        self.within = false;
        Ok(())
    }

    /// The next piece of a message; empty: it is whole.
    pub(super) async fn piece(&mut self, asked: &str, decoder: &mut Decoder) -> Result<Bytes, ClientError> {
        self.within = true;
        let parse = |input: &mut trenza_core::Input<'_>| {
            let mut piece = Vec::new();
            loop {
                match decoder.next(input) {
                    Ok(Some(Piece::Bytes(bytes))) => piece.extend_from_slice(bytes),
                    Ok(Some(Piece::End)) => return Ok(Some((piece, true))),
                    Ok(None) => return Ok((!piece.is_empty()).then_some((piece, false))),
                    // The message is as others have stored it.
                    Err(_) => {}
                }
            }
        };
        match timeout(self.limit, self.stream.next(parse)).await {
            Ok(Some((piece, ended))) => {
                self.within = !ended;
                Ok(piece.into())
            }
            Ok(None) => Err(self.give_up(asked, Cause::closed())),
            Err(error) => Err(self.give_up(asked, Cause::connection(error))),
        }
    }

    /// Whether lines behind a reply are still to come.
    pub(super) fn is_within(&self) -> bool {
        self.within
    }

    /// Lines behind a reply come next.
    pub(super) fn enter(&mut self) {
        self.within = true;
    }

    pub(super) async fn close(self, limit: Duration) {
        // Whoever says goodbye does not care how the other one ends.
        let _ = timeout(limit, self.stream.close()).await;
    }
}

/// A command as errors show it: without secrets.
pub(super) fn shown(command: &Command) -> String {
    match command {
        Command::Pass(_) => "PASS".into(),
        Command::Auth { mechanism, .. } => format!("AUTH {mechanism}"),
        Command::User(name) => format!("USER {}", name.escape_debug()),
        Command::Capa => "CAPA".into(),
        Command::Stls => "STLS".into(),
        Command::Stat => "STAT".into(),
        Command::List(_) => "LIST".into(),
        Command::Uidl(_) => "UIDL".into(),
        Command::Retr(message) => format!("RETR {message}"),
        Command::Top { message, lines } => format!("TOP {message} {lines}"),
        Command::Dele(message) => format!("DELE {message}"),
        Command::Rset => "RSET".into(),
        Command::Noop => "NOOP".into(),
        Command::Quit => "QUIT".into(),
    }
}
