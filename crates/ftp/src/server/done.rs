//! [`Done`]: how a transfer ended, told once to session and log.

use super::{
    failure::Failure,
    log::{Transfer, TransferLog},
    session::Session,
};
use std::{sync::Arc, time::Instant};
use trenza_core::{Handle, Reactor};

/// Who is to be told how a transfer ended. Dropped, it tells that the connection broke.
pub(super) struct Done {
    session: Handle<Session>,
    number: u64,
    began: Instant,
    /// What the log is told; None: it was no file.
    record: Option<(Transfer, Arc<dyn TransferLog>)>,
    told: bool,
}

impl Done {
    pub(super) fn new(
        session: Handle<Session>,
        number: u64,
        record: Option<(Transfer, Arc<dyn TransferLog>)>,
    ) -> Self {
        let began = session.transport().reactor().now();
        Self { session, number, began, record, told: false }
    }

    /// Tells that so many bytes were transferred, and whether that was all.
    pub(super) fn tell(mut self, bytes: u64, result: Result<(), Failure>) {
        self.tell_once(bytes, result);
    }

    fn tell_once(&mut self, bytes: u64, result: Result<(), Failure>) {
        self.told = true;
        if let Some((mut transfer, log)) = self.record.take() {
            transfer.bytes = bytes;
            transfer.took = self.reactor().now().saturating_duration_since(self.began);
            transfer.failure = result.err().map(|failure| failure.reply().1);
            log.ended(&transfer);
        }
        let number = self.number;
        self.session.call(move |session, at| {
            session.finished(at, number, result);
            Ok(())
        });
    }

    fn reactor(&self) -> &Reactor {
        self.session.transport().reactor()
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if !self.told {
            self.tell_once(0, Err(Failure::Broken));
        }
    }
}
