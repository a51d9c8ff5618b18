//! [`settle`]: what came of messages, onto the disk.

use super::{
    Carried, QueueId, Record, RecordError, Request, Schedule, Spool, State,
    dsn::{Report, header},
    spool::read,
};
use std::time::SystemTime;
use trenza_storage::{ErrorKind, Result, Write};

/// So many messages are settled at once: they share the sync of the folder.
pub(super) const BATCH_MAX: usize = 128;

/// What is to be noted of a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Settlement {
    pub(super) changes: Vec<Change>,
    /// What somebody has asked for.
    pub(super) request: Option<Request>,
    /// Nothing of the message is under way, so the sender is told now what there is to tell.
    pub(super) reports: bool,
    /// Others whom it is for at the same destination are tried right away: the sender is told of all together.
    pub(super) more_follow: bool,
}

/// What came of a recipient.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// Which of the message's.
    pub(super) at: usize,
    pub(super) carried: Carried,
    /// When he is tried again, if he is.
    pub(super) next: SystemTime,
}

/// How it is to be done.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) host: String,
    pub(super) now: SystemTime,
    pub(super) schedule: Schedule,
    /// The most bytes that come back with a report.
    pub(super) returned: usize,
    /// Random bits, for what separates the parts of reports.
    pub(super) random: u128,
}

/// What has become of a message.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What is known of it now; None: it is gone, or nothing is.
    pub(super) record: Option<Record>,
    /// A message that tells the sender.
    pub(super) report: Option<(QueueId, Record)>,
    /// Its record cannot be read, so it stays as it is: somebody has to look at it.
    stays: bool,
}

/// What has become of several.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Of each, in their order.
    pub(super) each: Vec<Result<Settled>>,
    /// How many messages more there are than before. It is right though something has failed.
    pub(super) more: isize,
}

/// Notes what came of messages, makes the reports that they owe, and removes those that are over. When a message's result is
/// no error, it is on the medium. What failed can be tried again, as it is. It blocks.
pub(super) fn settle(spool: &Spool, batch: &[(QueueId, Settlement)], terms: &Terms) -> Outcome {
    let mut more = 0;
    let prepare = |(id, settlement): &(QueueId, Settlement)| prepare(spool, id, settlement, terms, &mut more);
    let mut each: Vec<Result<Settled>> = batch.iter().map(prepare).collect();
    // A report is on the medium before the record says that it was made.
    if each.iter().flatten().any(|settled| settled.report.is_some()) {
        fail_if(spool.sync(), &mut each);
    }
    for ((id, settlement), settled) in batch.iter().zip(&mut each) {
        if let Ok(done) = settled
            && let Err(error) = finish(spool, id, settlement, done, &mut more)
        {
            *settled = Err(error);
        }
    }
    fail_if(spool.sync(), &mut each);
    Outcome { each, more }
}

/// What failed for all has failed for each.
fn fail_if(outcome: Result, each: &mut [Result<Settled>]) {
    if let Err(error) = outcome {
        let kind = error.kind();
        tracing::error!(%error, "the queue cannot be written");
        each.iter_mut().for_each(|settled| *settled = Err(kind.into()));
    }
}

/// What the record is to be, and the report.
fn prepare(
    spool: &Spool,
    id: &QueueId,
    settlement: &Settlement,
    terms: &Terms,
    more: &mut isize,
) -> Result<Settled> {
    if settlement.request == Some(Request::Drop) {
        return Ok(Settled::default());
    }
    let mut record = match spool.read(id) {
        // Somebody has dropped it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Settled::default()),
        // Nothing can be noted of it, however often it is tried.
        Err(error) if RecordError::is_why(&error) => {
            tracing::error!(%error, %id, "a message in the queue cannot be read, and stays there");
            return Ok(Settled { stays: true, ..Settled::default() });
        }
        read => read?,
    };
    let Terms { now, schedule, .. } = terms;
    for Change { at, carried, next } in &settlement.changes {
        record.carried(*at, carried, *next, *now, schedule.give_up);
    }
    if settlement.request == Some(Request::Retry) {
        record.hurry(*now);
    }
    let mut report = None;
    if settlement.reports {
        let is_late = record.is_late(schedule, *now);
        report = self::report(spool, id, &record, is_late, terms, more)?;
        told(&mut record, report.is_some(), is_late);
    }
    Ok(Settled { record: Some(record).filter(|record| !record.is_over()), report, stays: false })
}

/// Makes the report that a message owes, if it does.
fn report(
    spool: &Spool,
    id: &QueueId,
    record: &Record,
    is_late: bool,
    terms: &Terms,
    more: &mut isize,
) -> Result<Option<(QueueId, Record)>> {
    if record.mail.sender.is_none() && record.recipients.iter().any(|one| one.state == State::Failed) {
        tracing::warn!(%id, "what is from nobody cannot be delivered, and is thrown away");
    }
    let owed = Report::owed(record, is_late);
    let Some(number) = record.reports.checked_add(1).filter(|_| !owed.is_empty()) else {
        return Ok(None);
    };
    let made = id.of_report(number);
    // It was made before the power failed, or before something else did, and is not to come twice.
    match spool.read(&made) {
        Ok(report) => return Ok(Some((made, report))),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let boundary = format!("=_{:032x}", terms.random ^ u128::from(number));
    let (host, now, give_up) = (&*terms.host, terms.now, terms.schedule.give_up);
    let report = Report { id, record, owed, host, now, give_up, boundary };
    let file = spool.open(id)?;
    let bytes = read(&*file, terms.returned)?;
    let whole = report.returns_all() && bytes.len() as u64 == file.opened().size;
    let text = report.text(if whole { &bytes } else { header(&bytes) }, whole);
    let mut writer = spool.write_mail(&made, Write::Replace)?;
    writer.write(&text)?;
    let known = report.record(&text, now);
    spool.bring(&made, writer, known.clone(), Write::Replace)?;
    *more += 1;
    Ok(Some((made, known)))
}

/// What was owed is not any more.
fn told(record: &mut Record, was_made: bool, is_late: bool) {
    record.reports = record.reports.saturating_add(was_made.into());
    for one in &mut record.recipients {
        match &mut one.state {
            State::Waiting { tries: 1.., warned, .. } if is_late => *warned = true,
            State::Waiting { .. } | State::Done => {}
            State::Delivered | State::Relayed | State::Failed => one.state = State::Done,
        }
    }
}

/// The record as it is to be, and what was asked for is not asked any more.
fn finish(
    spool: &Spool,
    id: &QueueId,
    settlement: &Settlement,
    settled: &Settled,
    more: &mut isize,
) -> Result {
    match &settled.record {
        Some(record) => spool.write(id, record, Write::Replace)?,
        None if settled.stays => {}
        None => {
            *more -= isize::from(spool.remove_record(id)?);
            spool.remove_mail(id)?;
        }
    }
    match settlement.request {
        Some(request) => spool.unask(id, request),
        None => Ok(()),
    }
}
