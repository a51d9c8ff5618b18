//! What is found on the disk: messages, and what is asked of the queue.

use super::Runner;
use crate::queue::{QueueId, Record, spool::id_of_record};
use std::rc::Rc;
use trenza_storage::{ErrorKind, List};

/// How many records are read at once.
const SCAN: usize = 32;
/// How long to wait at least until all of the disk is looked at again, in seconds.
const SCAN_AGAIN: u64 = 10;

impl Runner {
    /// Looks at all messages: at the start, and when there is room in memory for more.
    pub(super) fn scan(self: &Rc<Self>) {
        let now = self.now();
        {
            let inner = &mut *self.inner.borrow_mut();
            let wanted = !inner.scan.was_done || (inner.is_ready && inner.index.wants_more(now));
            if !wanted || !inner.scan.begin(self.tick(), SCAN_AGAIN) {
                return;
            }
            inner.index.begin_scan();
        }
        let runner = self.clone();
        self.spawn(async move {
            let outcome = runner.look_through().await;
            let is_done = outcome.is_ok();
            if let Err(error) = outcome {
                tracing::error!(%error, "the queue cannot be listed");
                runner.inner.borrow_mut().index.leave_out(runner.now());
            }
            runner.inner.borrow_mut().scan.end(is_done);
            runner.pump();
            Ok(())
        });
    }

    async fn look_through(&self) -> trenza_core::Result {
        let spool = self.queue.0.spool.clone();
        let mut list: Box<dyn List> = self.storage.run(move |_| spool.records()).await?;
        loop {
            let spool = self.queue.0.spool.clone();
            let read = move |id: QueueId| match spool.read(&id) {
                Ok(record) => Some((id, record)),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => {
                    tracing::error!(%error, %id, "a message in the queue cannot be read, and stays there");
                    None
                }
            };
            let job = self.storage.run(move |_| {
                let entries = list.next(SCAN)?;
                let found: Vec<(QueueId, Record)> =
                    entries.iter().filter_map(id_of_record).filter_map(read).collect();
                Ok((list, entries.is_empty(), found))
            });
            let (rest, is_over, found) = job.await?;
            for (id, record) in &found {
                self.know(id, record);
            }
            if is_over {
                return Ok(());
            }
            list = rest;
        }
    }

    /// Looks for what is asked of the queue.
    pub(super) fn look(self: &Rc<Self>) {
        let every = self.queue.0.options.schedule.look.as_secs().max(1);
        {
            let inner = &mut *self.inner.borrow_mut();
            if self.is_stopping.get() || !inner.is_ready || !inner.look.begin(self.tick(), every) {
                return;
            }
        }
        let (runner, spool) = (self.clone(), self.queue.0.spool.clone());
        self.spawn(async move {
            let asked = runner.storage.run(move |_| spool.asked()).await;
            if let Err(error) = &asked {
                tracing::error!(%error, "what is asked of the queue cannot be read");
            }
            for (id, request) in asked.unwrap_or_default() {
                runner.inner.borrow_mut().pend_nowhere(&id).request = Some(request);
            }
            runner.inner.borrow_mut().look.end(true);
            runner.pump();
            Ok(())
        });
    }
}
