//! What came of messages, onto the disk.

use super::{Pending, Runner};
use crate::queue::{
    QueueId, Request,
    ledger::{self, Outcome, Settled, Settlement, Terms},
};
use std::rc::Rc;
use trenza_storage::{Error, ErrorKind};

/// So many batches are written at once: while one waits for the medium others are prepared.
const WRITERS_MAX: usize = 4;
/// How long to wait with what could not be written, in seconds.
const WRITE_AGAIN: u64 = 30;

impl Runner {
    pub(super) fn write(self: &Rc<Self>) {
        let tick = self.tick();
        let (batch, names) = {
            let inner = &mut *self.inner.borrow_mut();
            if inner.writers == WRITERS_MAX {
                return;
            }
            let batch = inner.take_batch(tick);
            if batch.is_empty() {
                return;
            }
            inner.writers += 1;
            let split = |(id, pending): (QueueId, Pending)| ((id, pending.settlement), pending.names);
            batch.into_iter().map(split).unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let (spool, terms, work) = (self.queue.0.spool.clone(), self.terms(), batch.clone());
        let runner = self.clone();
        self.storage.run(move |_| Ok(ledger::settle(&spool, &work, &terms))).then(move |settled| {
            {
                let inner = &mut *runner.inner.borrow_mut();
                inner.writers -= 1;
                batch.iter().for_each(|(id, _)| _ = inner.writing.remove(id));
            }
            let Outcome { each, more } = settled.unwrap_or_default();
            runner.queue.count(more);
            let mut settled = each.into_iter();
            for ((id, settlement), names) in batch.into_iter().zip(names) {
                // Of what nothing is said the job did not even begin.
                match settled.next().unwrap_or_else(|| Err(ErrorKind::Busy.into())) {
                    Ok(settled) => runner.settled(&id, settlement.request, &names, settled),
                    Err(error) => runner.unsettled(id, settlement, names, &error),
                }
            }
            runner.pump();
        });
    }

    fn terms(&self) -> Terms {
        let options = &self.queue.0.options;
        let mut random = [0; 16];
        self.reactor.random(&mut random);
        Terms {
            host: options.host.clone(),
            now: self.reactor.wall(),
            schedule: options.schedule.clone(),
            returned: options.limits.returned,
            random: u128::from_be_bytes(random),
        }
    }

    fn settled(&self, id: &QueueId, request: Option<Request>, names: &[Rc<str>], settled: Settled) {
        let Settled { record, report, .. } = settled;
        if request.is_some() || record.is_none() {
            self.inner.borrow_mut().index.forget(id);
        }
        match &record {
            Some(record) => names.iter().for_each(|name| self.plan_again(id, name, record)),
            None => names.iter().for_each(|name| self.inner.borrow_mut().index.release(id, name)),
        }
        if let (Some(record), Some(_)) = (&record, request) {
            self.know(id, record);
        }
        if let Some((id, record)) = report {
            self.know(&id, &record);
        }
    }

    /// It is tried again, before what came since.
    fn unsettled(&self, id: QueueId, settlement: Settlement, names: Vec<Rc<str>>, error: &Error) {
        tracing::error!(%error, %id, "what came of a message cannot be noted");
        let not_before = self.tick() + WRITE_AGAIN;
        let inner = &mut *self.inner.borrow_mut();
        // Its report may be there, and nobody has told of it.
        inner.index.leave_out(self.now());
        let since = inner.pending.remove(&id).unwrap_or_default();
        let mut all = Pending { settlement, names, not_before };
        all.settlement.changes.extend(since.settlement.changes);
        all.settlement.more_follow |= since.settlement.more_follow;
        all.settlement.request = since.settlement.request.or(all.settlement.request);
        all.names.extend(since.names);
        inner.pending.insert(id, all);
    }
}
