//! Messages from the server, one, or many at once.

use super::{Cause, Client, ClientError, dialogue::shown};
use crate::pop3::{Command, Reply, Status, text::Decoder};
use bytes::Bytes;
use std::collections::VecDeque;
use trenza_core::Result as CoreResult;

/// What comes of a message that is fetched with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The next bytes of it: lines that end in CRLF, or what the server has else.
    Bytes(Bytes),
    /// It is whole.
    End,
    /// The server does not have it, or cannot read it. Nothing of it came.
    Refused(Reply),
}

impl Client {
    /// Fetches a message, in pieces. `sink` is given them one after the other, and the server waits for it; when it
    /// returns the message is whole.
    ///
    /// # Errors
    /// The server says no, and `sink` was given nothing; the connection has ended, the message is too large, or `sink` has
    /// failed, and the client is of no more use: what `sink` was given is to be thrown away.
    pub async fn retrieve(
        &mut self,
        number: u32,
        sink: impl AsyncFnMut(Bytes) -> CoreResult<()>,
    ) -> Result<(), ClientError> {
        self.fetch(&Command::Retr(number), sink).await
    }

    /// The same for a message's header and so many lines of its body.
    ///
    /// # Errors
    /// As [`Client::retrieve`]; not every server knows TOP.
    pub async fn top(
        &mut self,
        number: u32,
        lines: u64,
        sink: impl AsyncFnMut(Bytes) -> CoreResult<()>,
    ) -> Result<(), ClientError> {
        self.fetch(&Command::Top { message: number, lines }, sink).await
    }

    async fn fetch(
        &mut self,
        command: &Command,
        mut sink: impl AsyncFnMut(Bytes) -> CoreResult<()>,
    ) -> Result<(), ClientError> {
        self.dialogue.demand(command).await?;
        let sink = async |part| match part {
            Part::Bytes(bytes) => sink(bytes).await,
            Part::End | Part::Refused(_) => Ok(()),
        };
        self.read(&shown(command), sink).await
    }

    /// Fetches messages, several of which are under way at once if the server has PIPELINING. `sink` is given the parts of
    /// each, the messages in the order of `numbers`.
    ///
    /// # Errors
    /// The connection has ended, a message is too large, or `sink` has failed: the client is of no more use, and the message
    /// whose [`End`](Part::End) did not come is to be thrown away.
    pub async fn retrieve_all(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
        mut sink: impl AsyncFnMut(u32, Part) -> CoreResult<()>,
    ) -> Result<(), ClientError> {
        self.pipelined(numbers, Command::Retr, async |client, number, reply| {
            if reply.status() == Status::Ok {
                return client
                    .read(&shown(&Command::Retr(number)), async |part| sink(number, part).await)
                    .await;
            }
            let taken = sink(number, Part::Refused(reply)).await;
            taken
                .map_err(|error| client.dialogue.give_up(&shown(&Command::Retr(number)), Cause::local(error)))
        })
        .await
    }

    /// Marks messages, which are deleted at [`quit`](Client::quit). Those that the server says no to, with what it says.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn delete_all(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Result<Vec<(u32, Reply)>, ClientError> {
        let mut refused = Vec::new();
        self.pipelined(numbers, Command::Dele, async |_, number, reply| {
            if reply.status() != Status::Ok {
                refused.push((number, reply));
            }
            Ok(())
        })
        .await?;
        Ok(refused)
    }

    /// Says a command for each message, several ahead of their replies.
    async fn pipelined(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
        command: impl Fn(u32) -> Command,
        mut answered: impl AsyncFnMut(&mut Self, u32, Reply) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let ahead = if self.capabilities.has("PIPELINING") { self.options.limits.pipeline.max(1) } else { 1 };
        let (mut numbers, mut said) = (numbers.into_iter(), VecDeque::new());
        loop {
            // Half of them at once, so that commands leave in few segments.
            if said.len() <= ahead / 2 {
                for number in numbers.by_ref().take(ahead - said.len()) {
                    if said.is_empty() {
                        self.dialogue.check(&shown(&command(number)))?;
                    }
                    self.dialogue.say(&command(number));
                    said.push_back(number);
                }
            }
            let Some(number) = said.pop_front() else { return Ok(()) };
            let asked = shown(&command(number));
            let reply = self.dialogue.reply(&asked).await?;
            if reply.status() == Status::Challenge {
                return Err(self
                    .dialogue
                    .give_up(&asked, Cause::Protocol("a reply that does not belong there")));
            }
            answered(self, number, reply).await?;
        }
    }

    /// The message behind a reply.
    async fn read(
        &mut self,
        asked: &str,
        mut sink: impl AsyncFnMut(Part) -> CoreResult<()>,
    ) -> Result<(), ClientError> {
        let (mut decoder, mut size) = (Decoder::new(), 0);
        self.dialogue.enter();
        while self.dialogue.is_within() {
            let piece = self.dialogue.piece(asked, &mut decoder).await?;
            size += piece.len() as u64;
            if size > self.options.limits.size {
                return Err(self.dialogue.give_up(asked, Cause::Protocol("a message is too large")));
            }
            if !piece.is_empty() {
                self.take(asked, sink(Part::Bytes(piece)).await)?;
            }
        }
        let taken = sink(Part::End).await;
        self.take(asked, taken)
    }

    fn take(&mut self, asked: &str, taken: CoreResult<()>) -> Result<(), ClientError> {
        taken.map_err(|error| self.dialogue.give_up(asked, Cause::local(error)))
    }
}
