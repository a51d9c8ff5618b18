//! [`Dialogue`]: what is said and answered over a connection.

use super::{Cause, ClientError, ClientLimits, Step};
use crate::smtp::{Code, Command, Reply, reply::Reader};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};
use trenza_core::{Limits, Stream, WriteHalf, timeout};
use zeroize::Zeroizing;

/// A connection to a server.
///
/// Each command has one reply. When one is missing, as when the future that waited for it was dropped, nobody could tell
/// which reply answers what, and the connection is of no more use.
pub(super) struct Dialogue {
    stream: Stream,
    reader: Reader,
    host: Arc<str>,
    /// How many replies are still to come.
    owed: usize,
    /// Bytes of a message are being sent.
    within_message: bool,
    /// Why nothing more can be said: the server has gone, or no word of it is to be trusted.
    broken: Option<Cause>,
}

impl Dialogue {
    /// The server is to greet.
    pub(super) fn new(mut stream: Stream, host: Arc<str>, limits: &ClientLimits) -> Self {
        // A stop of the loop is no end of a reply.
        stream.end_at_stop(false);
        // Who sends a message wants to hear when the server has had enough of it.
        let transport = stream.transport();
        transport.set_limits(Limits { read_while_full: true, ..(*transport.limits()).clone() });
        let reader = Reader::new(limits.replies);
        Self { stream, reader, host, owed: 1, within_message: false, broken: None }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether a command can be said.
    pub(super) fn is_open(&self) -> bool {
        self.broken.is_none()
            && self.owed == 0
            && !self.within_message
            && !self.reader.is_within()
            && self.stream.transport().is_open()
    }

    pub(super) fn error(&self, step: Step, cause: Cause) -> ClientError {
        ClientError::new(&self.host, step, cause)
    }

    /// Nothing more is said or read.
    pub(super) fn give_up(&mut self, step: Step, cause: Cause) -> ClientError {
        self.broken = Some(cause.clone());
        self.error(step, cause)
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
    pub(super) async fn reply(&mut self, step: Step, limit: Duration) -> Result<Reply, ClientError> {
        if let Some(cause) = &self.broken {
            return Err(self.error(step, cause.clone()));
        }
        let reader = &mut self.reader;
        let read = timeout(limit, self.stream.next(|input| Ok(reader.next(input)?))).await;
        match read {
            Ok(Some(reply)) => {
                self.owed = self.owed.saturating_sub(1);
                self.heard(&reply);
                Ok(reply)
            }
            Ok(None) => Err(self.give_up(step, Cause::closed())),
            Err(error) => Err(self.give_up(step, Cause::connection(error))),
        }
    }

    /// The server closes behind 421, which may come at any time (RFC 5321 section 3.8).
    fn heard(&mut self, reply: &Reply) {
        if reply.code() == Code::UNAVAILABLE {
            self.broken = Some(Cause::Refused(reply.clone()));
        }
    }

    /// Says a command and waits for its reply.
    pub(super) async fn ask(
        &mut self,
        command: &Command,
        step: Step,
        limit: Duration,
    ) -> Result<Reply, ClientError> {
        self.check(step).await?;
        self.say(command);
        self.reply(step, limit).await
    }

    /// Says a command, which the server is to do.
    pub(super) async fn demand(
        &mut self,
        command: &Command,
        step: Step,
        limit: Duration,
    ) -> Result<Reply, ClientError> {
        let reply = self.ask(command, step, limit).await?;
        self.done(step, reply)
    }

    /// A reply that says yes; any other one is an error.
    pub(super) fn done(&mut self, step: Step, reply: Reply) -> Result<Reply, ClientError> {
        match reply.code() {
            code if code.is_success() => Ok(reply),
            code if code.is_transient() || code.is_permanent() => {
                Err(self.error(step, Cause::Refused(reply)))
            }
            _ => Err(self.give_up(step, Cause::Protocol("a reply that does not belong there"))),
        }
    }

    /// How many replies are still to come.
    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// So many more replies are to come than there were commands.
    pub(super) fn owe(&mut self, more: usize) {
        self.owed += more;
    }

    /// Looks whether a command can be said: the server has not gone meanwhile, and has said nothing that nobody asked
    /// for, which would answer the next command before it was heard.
    pub(super) async fn check(&mut self, step: Step) -> Result<(), ClientError> {
        if let Some(cause) = &self.broken {
            return Err(self.error(step, cause.clone()));
        }
        if self.owed > 0 || self.within_message {
            return Err(self.give_up(step, Cause::closed()));
        }
        let said = {
            let reader = &mut self.reader;
            let mut next = pin!(self.stream.next(|input| Ok(reader.next(input)?)));
            poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await
        };
        let cause = match said {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(Some(reply))) if reply.code() == Code::UNAVAILABLE => Cause::Refused(reply),
            Poll::Ready(Ok(Some(_))) => Cause::Protocol("a reply that nothing was asked for"),
            Poll::Ready(Ok(None)) => Cause::closed(),
            Poll::Ready(Err(error)) => Cause::connection(error),
        };
        Err(self.give_up(step, cause))
    }

    /// Sends a message while it listens: the server may say no, or go, before it has all of it.
    ///
    /// If that happens, or `send` fails, the message is cut, and so is the connection.
    pub(super) async fn sending(
        &mut self,
        send: impl AsyncFnOnce(&mut WriteHalf) -> Result<(), Cause>,
    ) -> Result<(), ClientError> {
        self.within_message = true;
        let reader = &mut self.reader;
        let (listening, writing) = self.stream.halves();
        let cause = {
            let mut said = pin!(listening.next(|input| Ok(reader.next(input)?)));
            let mut sent = pin!(send(writing));
            poll_fn(|cx| {
                // Who has sent all is told by the caller what was said.
                if let Poll::Ready(sent) = sent.as_mut().poll(cx) {
                    return Poll::Ready(sent.err());
                }
                said.as_mut().poll(cx).map(|said| {
                    Some(match said {
                        Ok(Some(reply)) if !reply.code().is_success() => Cause::Refused(reply),
                        Ok(Some(_)) => Cause::Protocol("a reply before the message was whole"),
                        Ok(None) => Cause::closed(),
                        Err(error) => Cause::connection(error),
                    })
                })
            })
            .await
        };
        match cause {
            None => {
                self.within_message = false;
                self.owed += 1;
                Ok(())
            }
            Some(cause) => Err(self.cut(cause)),
        }
    }

    /// Ends the connection within a message, so that nobody gets a part of it.
    pub(super) fn cut(&mut self, cause: Cause) -> ClientError {
        self.stream.transport().abort();
        // What was said of this message says nothing of the next one.
        self.broken = Some(Cause::closed());
        self.error(Step::Message, cause)
    }

    pub(super) async fn close(self, limit: Duration) {
        // Whoever says goodbye does not care how the other one ends.
        let _ = timeout(limit, self.stream.close()).await;
    }
}
