//! Jobs: what hosts have given to their thread pools.

use crate::{
    JOBS_MAX,
    world::{Due, World},
};
use std::{collections::VecDeque, io, rc::Rc, time::Duration};
use trenza_core::driver::{self, PoolFull};

/// What becomes of a job on a thread pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It runs, at a step that the seed chooses.
    Run,
    /// It runs after so much time, whatever [`Net::job_time`](crate::Net::job_time) says: a slow disk, a name server
    /// that is far away.
    Slow(Duration),
    /// The pool does not take it: its queue is full.
    Refuse,
    /// It ends without having run, as when its thread dies. Who waits for the answer gets an error.
    Fail,
    /// It never ends. It takes up room in the pool until its host crashes or the network ends.
    Hang,
}

/// A rule: what becomes of the jobs of the host of this name.
pub(crate) type JobRule = Box<dyn FnMut(&str) -> Fate>;

/// A job that waits for its turn.
pub(crate) struct Job {
    pub(crate) host: usize,
    fate: Fate,
    work: driver::Job,
}

impl World {
    /// Takes a job in.
    ///
    /// # Errors
    /// The queue is full; the caller drops the job.
    pub(crate) fn add_job(
        &mut self,
        host: usize,
        fate: Fate,
        work: driver::Job,
    ) -> Result<(), (io::Error, driver::Job)> {
        if fate == Fate::Refuse || self.jobs.len() + self.slow_jobs >= JOBS_MAX {
            return Err((PoolFull { waiting: JOBS_MAX }.into(), work));
        }
        let (fate, time) = match fate {
            Fate::Slow(time) => (Fate::Run, time),
            fate => (fate, self.job_time),
        };
        let job = Job { host, fate, work };
        if time.is_zero() {
            self.jobs.push_back(job);
        } else {
            self.slow_jobs += 1;
            self.schedule(self.elapsed() + time, Due::Job(job));
        }
        Ok(())
    }

    /// Takes the jobs of a host, or of all hosts, for the caller to drop.
    pub(crate) fn take_jobs(&mut self, host: Option<usize>) -> impl Sized + use<> {
        let gone = |job: &Job| host.is_none_or(|host| job.host == host);
        let slow: Vec<_> =
            self.queue.extract_if(.., |_, due| matches!(due, Due::Job(job) if gone(job))).collect();
        self.slow_jobs -= slow.len();
        let (ready, stay): (VecDeque<Job>, _) = self.jobs.drain(..).partition(gone);
        self.jobs = stay;
        (ready, slow)
    }

    pub(crate) fn has_job(&self) -> bool {
        self.jobs.iter().any(|job| job.fate != Fate::Hang)
    }

    /// Takes one out that will end, to be run or dropped when nothing is borrowed.
    pub(crate) fn draw_job(&mut self) -> Option<impl FnOnce() + use<>> {
        let ready: Vec<usize> = (0..self.jobs.len())
            .filter(|place| self.jobs.get(*place).is_some_and(|job| job.fate != Fate::Hang))
            .collect();
        let place = *ready.get(self.dice.below(ready.len()))?;
        let job = self.jobs.remove(place)?;
        let name: Rc<str> = self.name(job.host);
        match job.fate {
            Fate::Run => self.note(format_args!("{name} runs a job")),
            _ => self.note(format_args!("{name} drops a job")),
        }
        Some(move || {
            if job.fate == Fate::Run {
                (job.work)()
            }
        })
    }
}
