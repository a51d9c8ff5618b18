//! Errands: messages on their way to their destinations.

use super::Runner;
use crate::{
    queue::{Carried, Content, Fate, Parcel, QueueId, Record, State, index::Errand, ledger::Change},
    smtp::{Code, Rcpt, Recipient, Reply, Status},
};
use std::{rc::Rc, time::Duration};
use trenza_core::{TimedOut, timeout};
use trenza_storage::{Error, ErrorKind};

/// How many senders are told at once that a destination cannot be reached.
const TOLD_MAX: usize = 256;

impl Runner {
    /// Carries a message to a destination.
    pub(super) async fn errand(self: Rc<Self>, (id, name): Errand) -> trenza_core::Result {
        let outcome = match self.load(&id, &name).await {
            Ok(Some(loaded)) => {
                let more = loaded.more;
                Some((self.carry(&id, &name, loaded).await, more))
            }
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, %id, "a message in the queue cannot be read");
                let due = self.now() + self.queue.0.options.schedule.first.as_secs();
                let inner = &mut *self.inner.borrow_mut();
                inner.index.came_back(&name, None, 0, &self.queue.0.options.schedule, 0.0);
                inner.index.release(&id, &name);
                inner.index.add(&id, &name, due, u64::MAX);
                None
            }
        };
        if let Some(((chosen, carried), more)) = outcome {
            self.came_back(&id, &name, &chosen, carried, more);
        }
        self.pump();
        Ok(())
    }

    /// What a message needs to be carried; None: there is nothing to carry, and the errand is over.
    async fn load(&self, id: &QueueId, name: &Rc<str>) -> Result<Option<Loaded>, Error> {
        let (spool, wanted) = (self.queue.0.spool.clone(), id.clone());
        let loaded = self.storage.run(move |_| Ok((spool.read(&wanted)?, spool.open(&wanted)?))).await;
        let schedule = &self.queue.0.options.schedule;
        let (record, file) = match loaded.map_err(Error::from) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let index = &mut self.inner.borrow_mut().index;
                index.came_back(name, None, 0, schedule, 0.0);
                index.release(id, name);
                return Ok(None);
            }
            loaded => loaded?,
        };
        let mut chosen = self.waiting(&record, name, self.now());
        let most = self.queue.0.options.limits.parcel.max(1);
        let more = chosen.len() > most;
        chosen.truncate(most);
        if chosen.is_empty() {
            self.inner.borrow_mut().index.came_back(name, None, 0, schedule, 0.0);
            self.plan_again(id, name, &record);
            return Ok(None);
        }
        let size = file.opened().size;
        Ok(Some(Loaded { record, chosen, more, message: Content::new(self.storage.clone(), file, size) }))
    }

    /// Those that wait for a destination and are due, by their places.
    fn waiting(&self, record: &Record, name: &str, now: u64) -> Vec<usize> {
        let each = record.recipients.iter().enumerate();
        let due = each.filter(|(_, one)| {
            matches!(one.state, State::Waiting { next, .. } if self.due(next) <= now)
                && self.destination(&one.rcpt.to) == name
        });
        due.map(|(at, _)| at).collect()
    }

    /// What came of the recipients that were chosen.
    async fn carry(self: &Rc<Self>, id: &QueueId, name: &Rc<str>, loaded: Loaded) -> (Chosen, Vec<Carried>) {
        let Loaded { record, chosen, message, .. } = loaded;
        let tries = |at: &usize| match record.recipients.get(*at).map(|one| one.state) {
            Some(State::Waiting { tries, .. }) => tries,
            _ => 0,
        };
        let places: Chosen = chosen.iter().map(|at| (*at, tries(at))).collect();
        let those = chosen.iter().filter_map(|at| record.recipients.get(*at));
        let (recipients, notes): (Vec<Rcpt>, Vec<Option<String>>) =
            those.map(|one| (one.rcpt.clone(), one.note.clone())).unzip();
        let named: Vec<Recipient> = recipients.iter().map(|rcpt| rcpt.to.clone()).collect();
        let mut mail = record.mail;
        mail.size = Some(message.size());
        let (id_shown, destination) = (id.to_string(), name.to_string());
        let parcel = Parcel { id: id_shown, destination, mail, recipients, notes, message };
        let runner = self.clone();
        let limit = self.queue.0.options.limits.carry;
        // A coroutine of its own, so that a panic of the carrier ends no more than that.
        let carrying = async move { timeout(limit, async { Ok(runner.carrier.carry(parcel).await) }).await };
        let (mut carried, nothing) = match self.reactor.spawn(carrying).await {
            Ok(carried) => {
                let silence = Reply::new(Code::LOCAL_ERROR, Status::LOCAL_ERROR, "Nothing is known of it");
                (carried, Fate::Later(silence))
            }
            Err(error) if error.is::<TimedOut>() => {
                let text = format!("Not done after {} seconds", limit.as_secs());
                (Vec::new(), Fate::Unreachable(Reply::new(Code::LOCAL_ERROR, Status::TOO_SLOW, text)))
            }
            Err(error) => {
                tracing::error!(%error, %id, to = %name, "a message could not be carried");
                let wrong = Reply::new(Code::LOCAL_ERROR, Status::LOCAL_ERROR, "Something is wrong here");
                (Vec::new(), Fate::Later(wrong))
            }
        };
        carried.resize(places.len(), Carried::new(nothing));
        tell(id, &named, &carried);
        (places, carried)
    }

    /// Takes in what came of an errand. `more`: there are others for whom it can be done again at once.
    pub(super) fn came_back(
        self: &Rc<Self>,
        id: &QueueId,
        name: &Rc<str>,
        chosen: &Chosen,
        carried: Vec<Carried>,
        more: bool,
    ) {
        let unreachable = |one: &&Carried| matches!(one.fate, Fate::Unreachable(_));
        let failed = carried.iter().find(unreachable).filter(|_| carried.iter().all(|one| unreachable(&one)));
        let failed = failed.cloned();
        let (now, schedule) = (self.now(), &self.queue.0.options.schedule);
        let dice = self.dice();
        let changes = self.changes(chosen, carried);
        let overdue = {
            let inner = &mut *self.inner.borrow_mut();
            inner.index.came_back(name, Some(failed.is_none()), now, schedule, dice);
            let settlement = inner.pend(id, name.clone());
            settlement.changes.extend(changes);
            settlement.more_follow |= more && failed.is_none();
            if failed.is_some() { inner.index.overdue(name, now, TOLD_MAX) } else { Vec::new() }
        };
        for id in overdue {
            if let Some(failed) = failed.clone() {
                self.spawn(self.clone().give_up(id, name.clone(), failed));
            }
        }
    }

    /// The same for a message that was not tried, since its destination cannot be reached, and whose sender is to be told
    /// of that.
    async fn give_up(self: Rc<Self>, id: QueueId, name: Rc<str>, failed: Carried) -> trenza_core::Result {
        let (spool, wanted) = (self.queue.0.spool.clone(), id.clone());
        let record = self.storage.run(move |_| spool.read(&wanted)).await.map_err(Error::from);
        let chosen: Chosen = match &record {
            Ok(record) => self.waiting(record, &name, self.now()).into_iter().map(|at| (at, 0)).collect(),
            Err(error) => {
                tracing::debug!(%error, %id, "a message in the queue cannot be read");
                Vec::new()
            }
        };
        let changes = self.changes(&chosen, vec![failed; chosen.len()]);
        self.inner.borrow_mut().pend(&id, name).changes.extend(changes);
        self.pump();
        Ok(())
    }

    fn changes(&self, chosen: &Chosen, carried: Vec<Carried>) -> Vec<Change> {
        let (now, schedule) = (self.reactor.wall(), &self.queue.0.options.schedule);
        let change = |((at, tries), carried): (&(usize, u32), Carried)| {
            let pause = match carried.fate {
                Fate::Unreachable(_) => schedule.pause_of_destination(*tries, self.dice()),
                _ => schedule.pause(*tries, self.dice()),
            };
            Change { at: *at, carried, next: now + pause.max(Duration::from_secs(1)) }
        };
        chosen.iter().zip(carried).map(change).collect()
    }

    /// Between -1 and 1.
    pub(super) fn dice(&self) -> f64 {
        let mut random = [0; 4];
        self.reactor.random(&mut random);
        f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

/// Tells the log what came of each recipient.
fn tell(id: &QueueId, recipients: &[Recipient], carried: &[Carried]) {
    for (to, one) in recipients.iter().zip(carried) {
        let host = one.host.as_deref().unwrap_or("-");
        tracing::info!(target: "trenza::mail", %id, %to, host, "{}", one.fate);
    }
}

/// What an errand needs.
struct Loaded {
    record: Record,
    chosen: Vec<usize>,
    /// There are more than a parcel has.
    more: bool,
    message: Content,
}

/// The recipients of an errand: their places, and how often they were tried before.
type Chosen = Vec<(usize, u32)>;
