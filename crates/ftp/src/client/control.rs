//! [`Control`]: the control connection, commands one after another.

use super::{ClientError, ClientLimits};
use crate::{Code, Command, Reply, command::Site, reply::Reader};
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};
use trenza_core::{Error, OutBuf, Result as CoreResult, Stream, timeout};

/// The most preliminary replies to one command.
const PRELIMINARY_MAX: usize = 16;

/// A control connection.
///
/// Each command has one final reply. Who gives up waiting for it leaves it owed; it is read before the next command. So
/// the connection goes on when a transfer was given up, as when its future was dropped.
pub(super) struct Control {
    stream: Stream,
    reader: Reader,
    reply_max: Duration,
    owed: usize,
    /// What was said makes no sense, or nothing was said: no further word is to be trusted.
    broken: bool,
}

/// What came of data that were moved while the control connection was listened to.
pub(super) struct Moved<T> {
    /// The data's outcome; None: the server said no before they were through.
    pub(super) data: Option<T>,
    /// The final reply, if it came meanwhile.
    pub(super) reply: Option<Reply>,
}

impl Control {
    pub(super) fn new(mut stream: Stream, limits: &ClientLimits) -> Self {
        // A stop of the loop is no end of a reply.
        stream.end_at_stop(false);
        Self { stream, reader: Reader::new(limits.replies), reply_max: limits.reply, owed: 0, broken: false }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether it can still be used.
    pub(super) fn is_open(&self) -> bool {
        !self.broken && self.stream.transport().is_open()
    }

    /// The greeting, which answers no command.
    pub(super) async fn greeting(&mut self) -> Result<Reply, ClientError> {
        self.owed = 1;
        self.finish("connecting").await
    }

    /// Sends a command, after what former ones are owed has come.
    pub(super) async fn send(&mut self, command: &Command) -> Result<(), ClientError> {
        let asked = shown(command);
        while self.owed > 0 {
            self.finish(&asked).await?;
        }
        self.send_now(command).await
    }

    /// Sends a command at once.
    pub(super) async fn send_now(&mut self, command: &Command) -> Result<(), ClientError> {
        let asked = shown(command);
        if !self.is_open() {
            return Err(ClientError::closed(asked));
        }
        let mut out = OutBuf::new();
        command.write(&mut out).map_err(|error| ClientError::local(&*asked, error))?;
        let line = out.to_vec().map_err(|error| ClientError::local(&*asked, error))?;
        self.owed += 1;
        let written = self.stream.write_all(&line).await;
        written.map_err(|error| self.give_up(ClientError::connection(asked, error)))
    }

    /// The next reply, whatever its grade.
    pub(super) async fn reply(&mut self, asked: &str) -> Result<Reply, ClientError> {
        let limit = self.reply_max;
        match timeout(limit, async { Ok(self.next(asked).await) }).await {
            Ok(reply) => reply,
            Err(error) => Err(self.give_up(ClientError::connection(asked, error))),
        }
    }

    /// The final reply.
    pub(super) async fn finish(&mut self, asked: &str) -> Result<Reply, ClientError> {
        for _ in 0..PRELIMINARY_MAX {
            let reply = self.reply(asked).await?;
            if !reply.code().is_preliminary() {
                return Ok(reply);
            }
        }
        Err(self.give_up(ClientError::Protocol { asked: asked.into(), what: "it never comes to an end" }))
    }

    /// Sends a command and waits for its final reply.
    pub(super) async fn ask(&mut self, command: &Command) -> Result<Reply, ClientError> {
        self.send(command).await?;
        self.finish(&shown(command)).await
    }

    /// Moves data while it listens: a reply may come before the data end, and one that says no ends them.
    pub(super) async fn during<T>(
        &mut self,
        asked: &str,
        data: impl Future<Output = T>,
    ) -> Result<Moved<T>, ClientError> {
        let mut data = pin!(data);
        let mut said = None;
        let moved = {
            let mut listening = pin!(self.next_final(asked));
            poll_fn(|cx| {
                if let Poll::Ready(moved) = data.as_mut().poll(cx) {
                    return Poll::Ready(Ok(Some(moved)));
                }
                if said.is_none()
                    && let Poll::Ready(reply) = listening.as_mut().poll(cx)
                {
                    let reply = reply?;
                    let refused = !reply.code().is_completion();
                    said = Some(reply);
                    if refused {
                        return Poll::Ready(Ok(None));
                    }
                }
                Poll::Pending
            })
            .await
        };
        match moved {
            Ok(data) => Ok(Moved { data, reply: said }),
            Err(error) => Err(error),
        }
    }

    async fn next_final(&mut self, asked: &str) -> Result<Reply, ClientError> {
        loop {
            let reply = self.next(asked).await?;
            if !reply.code().is_preliminary() {
                return Ok(reply);
            }
        }
    }

    /// The next reply, however long it takes.
    async fn next(&mut self, asked: &str) -> Result<Reply, ClientError> {
        if self.broken {
            return Err(ClientError::closed(asked));
        }
        let reader = &mut self.reader;
        let read: CoreResult<Option<Reply>> = self.stream.next(|input| Ok(reader.next(input)?)).await;
        match read {
            Ok(Some(reply)) => {
                if !reply.code().is_preliminary() {
                    self.owed = self.owed.saturating_sub(1);
                }
                // It may come at any time, and the server closes behind it (RFC 959 section 4.2.2).
                self.broken = reply.code() == Code::UNAVAILABLE;
                Ok(reply)
            }
            Ok(None) => Err(self.give_up(ClientError::closed(asked))),
            Err(error) => Err(self.give_up(explained(asked, error))),
        }
    }

    /// Nothing more is read: the server does not follow, or is gone.
    fn give_up(&mut self, error: ClientError) -> ClientError {
        self.broken = true;
        error
    }

    /// How many final replies are still to come.
    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// Some commands have been answered by one reply.
    pub(super) fn forgive(&mut self) {
        self.owed = 0;
    }

    pub(super) async fn close(self) {
        // Whoever says goodbye does not care how the other one ends.
        let _ = self.stream.close().await;
    }
}

fn explained(asked: &str, error: Error) -> ClientError {
    match error.downcast::<crate::reply::Error>() {
        Ok(broken) => ClientError::Protocol { asked: asked.into(), what: broken.what() },
        Err(error) => ClientError::connection(asked, error),
    }
}

/// A command as errors show it: without secrets, and without what a terminal would take for its own.
pub(super) fn shown(command: &Command) -> String {
    let path = match command {
        Command::Cwd(path)
        | Command::Mkd(path)
        | Command::Rmd(path)
        | Command::Dele(path)
        | Command::Rnfr(path)
        | Command::Rnto(path)
        | Command::Retr(path)
        | Command::Stor(path)
        | Command::Appe(path)
        | Command::Size(path)
        | Command::Mdtm(path)
        | Command::Mfmt(_, path)
        | Command::Hash(path)
        | Command::Site(Site::Chmod(_, path) | Site::Utime(_, path) | Site::Other(path))
        | Command::User(path) => path.as_slice(),
        Command::List(listed) | Command::Nlst(listed) => listed.path.as_deref().unwrap_or_default(),
        Command::Mlsd(path) | Command::Mlst(path) | Command::Stat(path) => {
            path.as_deref().unwrap_or_default()
        }
        _ => b"",
    };
    let path = String::from_utf8_lossy(path);
    let path: String = path.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if path.is_empty() { command.verb().to_owned() } else { format!("{} {path}", command.verb()) }
}
