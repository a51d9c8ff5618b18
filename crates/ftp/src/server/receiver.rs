//! [`Receiver`]: a data connection that receives a file.

use super::{done::Done, failure::Failure, secure::Link};
use crate::ascii::Decoder;
use trenza_core::{Input, Protocol, Reason, Result, Transport};
use trenza_storage::{Error, Upload};

/// A file that a client sends.
pub(super) struct Incoming {
    pub(super) upload: Upload,
    /// TYPE A.
    pub(super) decoder: Option<Decoder>,
    /// What came is kept if the rest does not.
    pub(super) keep: bool,
    /// It is brought to the medium.
    pub(super) sync: bool,
}

/// A data connection that receives a file. The client's end of stream is the end of the file (MODE S); what breaks off
/// in any other way is not whole.
pub(super) struct Receiver {
    /// None: it is complete, or has failed.
    incoming: Option<Incoming>,
    link: Link,
    received: u64,
    /// None: it was told, or `incoming` will.
    done: Option<Done>,
}

impl Receiver {
    pub(super) fn new(incoming: Incoming, link: Link, done: Done) -> Self {
        Self { incoming: Some(incoming), link, received: 0, done: Some(done) }
    }

    fn fail(&mut self, data: &Transport, failure: Failure) {
        self.give_up(failure);
        data.abort();
    }

    /// Tells of the failure when what came is stored, or forgotten.
    fn give_up(&mut self, failure: Failure) {
        let (Some(done), incoming) = (self.done.take(), self.incoming.take()) else { return };
        let received = self.received;
        match incoming {
            Some(incoming) if incoming.keep && received > 0 => {
                incoming.finish().then(move |_| done.tell(received, Err(failure)));
            }
            _ => done.tell(received, Err(failure)),
        }
    }

    /// The client is not read before there is room for more.
    fn hold(&self, data: &Transport, upload: &Upload) {
        data.pause();
        upload.room().then_in(data.handle::<Self>(), |receiver, data, room| {
            match room {
                Ok(()) => data.resume(),
                Err(error) => {
                    // Nothing more can be written, so nothing is kept.
                    receiver.incoming = None;
                    receiver.fail(data, Failure::Storage(Error::from(error).kind()));
                }
            }
            Ok(())
        });
    }
}

impl Incoming {
    fn push(&mut self, bytes: &[u8]) {
        match &mut self.decoder {
            None => self.upload.push(bytes),
            Some(decoder) => {
                let mut text = Vec::new();
                decoder.decode(bytes, &mut text);
                self.upload.push(&text);
            }
        }
    }

    fn finish(mut self) -> trenza_core::Deferred<trenza_storage::Metadata> {
        if let Some(mut decoder) = self.decoder.take() {
            let mut text = Vec::new();
            decoder.finish(&mut text);
            self.upload.push(&text);
        }
        self.upload.finish(self.sync)
    }
}

impl Protocol for Receiver {
    fn connection_made(&mut self, data: &Transport) -> Result {
        self.link.begin(data)?.detach();
        Ok(())
    }

    fn data_received(&mut self, data: &Transport, input: &mut Input<'_>) -> Result {
        if self.received == 0 && !self.link.accepts(data) {
            self.fail(data, Failure::Stranger);
            return Ok(());
        }
        let Some(incoming) = &mut self.incoming else {
            input.rest();
            return Ok(());
        };
        let bytes = input.rest();
        self.received += bytes.len() as u64;
        incoming.push(bytes);
        if let Some(incoming) = self.incoming.as_ref().filter(|incoming| incoming.upload.is_full()) {
            self.hold(data, &incoming.upload);
        }
        Ok(())
    }

    fn eof_received(&mut self, data: &Transport, _: &mut Input<'_>) -> Result {
        if self.received == 0 && !self.link.accepts(data) {
            self.fail(data, Failure::Stranger);
            return Ok(());
        }
        let (Some(incoming), Some(done)) = (self.incoming.take(), self.done.take()) else { return Ok(()) };
        let received = self.received;
        incoming.finish().then(move |stored| {
            let stored = stored.map(drop).map_err(|error| Failure::Storage(Error::from(error).kind()));
            done.tell(received, stored);
        });
        data.close();
        Ok(())
    }

    /// The session says when.
    fn stopping(&mut self, _: &Transport) -> Result {
        Ok(())
    }

    fn connection_lost(&mut self, data: &Transport, reason: &Reason) {
        self.give_up(self.link.failure(data, reason));
    }
}
