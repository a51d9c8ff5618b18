//! [`Sender`]: a data connection that sends.

use super::{done::Done, failure::Failure, secure::Link, source::Source};
use trenza_core::{Input, Protocol, Reason, Result, Transport};
use trenza_storage::Storage;

/// A data connection that sends a file or a listing, and then ends.
pub(super) struct Sender {
    /// None: it is being sent.
    source: Option<Source>,
    storage: Storage,
    link: Link,
    /// None: it was told.
    done: Option<Done>,
}

impl Sender {
    pub(super) fn new(source: Source, storage: Storage, link: Link, done: Done) -> Self {
        Self { source: Some(source), storage, link, done: Some(done) }
    }

    fn begin(&mut self, data: &Transport) -> Result {
        if !self.link.accepts(data) {
            self.fail(data, Failure::Stranger);
            return Ok(());
        }
        let Some(source) = self.source.take() else { return Ok(()) };
        let (storage, to) = (self.storage.clone(), data.clone());
        let sent = data.reactor().spawn(async move {
            source.send(&storage, &to).await?;
            to.flushed().await
        });
        sent.then_in(data.handle::<Self>(), Self::sent);
        Ok(())
    }

    fn sent(&mut self, data: &Transport, result: Result<()>) -> Result {
        match result {
            Ok(()) => {
                // A client of TLS answers with a close_notify, which must not find the socket closed.
                match self.link.tls {
                    Some(_) => data.close(),
                    None => data.hang_up(),
                }
                if let Some(done) = self.done.take() {
                    done.tell(data.counts().sent, Ok(()));
                }
            }
            // How it ended is told by `connection_lost`.
            Err(_) if !data.is_open() => {}
            Err(error) => self.fail(data, Failure::of(error)),
        }
        Ok(())
    }

    fn fail(&mut self, data: &Transport, failure: Failure) {
        if let Some(done) = self.done.take() {
            done.tell(data.counts().sent, Err(failure));
        }
        data.abort();
    }
}

impl Protocol for Sender {
    fn connection_made(&mut self, data: &Transport) -> Result {
        if self.link.tls.is_none() {
            data.set_timeout(Some(self.link.idle));
            return self.begin(data);
        }
        let ready = self.link.begin(data)?;
        ready.then_in(data.handle::<Self>(), |sender, data, ready| {
            ready?;
            sender.begin(data)
        });
        Ok(())
    }

    /// Nobody asked for it.
    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }

    /// That the client sends nothing is what it should do.
    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        Ok(())
    }

    /// The session says when.
    fn stopping(&mut self, _: &Transport) -> Result {
        Ok(())
    }

    fn connection_lost(&mut self, data: &Transport, reason: &Reason) {
        if let Some(done) = self.done.take() {
            done.tell(data.counts().sent, Err(self.link.failure(data, reason)));
        }
    }
}
