//! [`ThreadPool`]: threads for work that blocks.

use std::{
    collections::VecDeque,
    fmt, io,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use trenza_core::driver::{Job, PoolFull};

/// The most jobs that wait for a thread.
const QUEUE_MAX: usize = 1024;
/// The most threads for each core. The jobs wait for disks, databases and name servers more than they compute.
const THREADS_PER_CORE: usize = 4;
/// The most threads are at least and at most so many, whatever the cores.
const THREADS_MAX: std::ops::RangeInclusive<usize> = 8..=64;
/// The most threads that look names up. Each may wait many seconds for a server that does not answer.
const LOOKUP_THREADS_MAX: usize = 16;
/// A thread that had no job for so long ends.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A bounded pool that starts threads as jobs come and ends them when none do.
///
/// Dropping it drops the jobs that no thread has begun; threads end with the job they are at, which
/// is not waited for.
pub(crate) struct ThreadPool {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when there is a job, or none will ever come.
    news: Condvar,
    threads_max: usize,
    idle_max: Duration,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Those of them that wait for a job.
    idle: usize,
    closed: bool,
}

impl Default for ThreadPool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("ThreadPool")
            .field("jobs", &state.jobs.len())
            .field("threads", &state.threads)
            .field("idle", &state.idle)
            .finish()
    }
}

impl ThreadPool {
    /// Makes a pool without a thread. It will have at most four for each core, and between 8 and 64 in all.
    pub(crate) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads_max = (cores * THREADS_PER_CORE).clamp(*THREADS_MAX.start(), *THREADS_MAX.end());
        Self::with_limits(threads_max, IDLE_MAX)
    }

    /// Makes a pool without a thread for jobs that wait for name servers, and hardly compute.
    pub(crate) fn for_lookups() -> Self {
        Self::with_limits(LOOKUP_THREADS_MAX, IDLE_MAX)
    }

    fn with_limits(threads_max: usize, idle_max: Duration) -> Self {
        let state = Mutex::new(State::default());
        Self { shared: Arc::new(Shared { state, news: Condvar::new(), threads_max, idle_max }) }
    }

    /// Runs a job on a thread, in the order of the calls as far as threads are free. A job that panics ends
    /// nothing but itself.
    ///
    /// # Errors
    /// [`PoolFull`]: 1024 jobs are waiting. Or there is no thread and none can be started; the job is dropped.
    pub(crate) fn run(&self, job: Job) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.jobs.len() >= QUEUE_MAX {
            drop(state);
            return Err(PoolFull { waiting: QUEUE_MAX }.into());
        }
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            // Not while it is held: who is woken would only wait for it.
            drop(state);
            self.shared.news.notify_one();
            return Ok(());
        }
        if state.threads >= self.shared.threads_max {
            return Ok(());
        }
        let shared = self.shared.clone();
        match thread::Builder::new().name("trenza-job".to_owned()).spawn(move || shared.work()) {
            Ok(_) => state.threads += 1,
            Err(error) if state.threads == 0 => {
                let job = state.jobs.pop_back();
                drop(state);
                drop(job);
                let what = format!("no thread can be started for a job: {error}");
                return Err(io::Error::new(error.kind(), what));
            }
            Err(_) => {}
        }
        Ok(())
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.shared.news.notify_all();
        drop(jobs);
    }
}

impl Shared {
    /// No job runs while it is held, so it is never poisoned halfway through a change.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does all its life.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // The panic hook has told of it; whoever waits for the job learns by what it dropped.
                if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(job)) {
                    // Its drop may panic in its turn, and this thread goes on.
                    let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
                    dropped.unwrap_or_else(std::mem::forget);
                }
                state = self.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, timeout) =
                self.news.wait_timeout(state, self.idle_max).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::mpsc::{Receiver, Sender, TryRecvError, channel},
        time::Instant,
    };

    const LONG: Duration = Duration::from_secs(30);

    fn pool(threads_max: usize) -> ThreadPool {
        ThreadPool::with_limits(threads_max, LONG)
    }

    fn threads(pool: &ThreadPool) -> (usize, usize) {
        let state = pool.shared.lock();
        (state.threads, state.idle)
    }

    /// Waits until the pool has so many threads, and so many of them idle.
    fn settle(shared: &Shared, threads: usize, idle: usize) {
        let until = Instant::now() + LONG;
        loop {
            let state = shared.lock();
            if (state.threads, state.idle) == (threads, idle) {
                return;
            }
            assert!(Instant::now() < until, "{} threads, {} idle", state.threads, state.idle);
            drop(state);
            thread::yield_now();
        }
    }

    /// A job that tells when it runs and ends when its gate is dropped.
    fn gated(pool: &ThreadPool) -> (Receiver<String>, Sender<()>) {
        let (gate, opened) = channel::<()>();
        let (running, runs) = channel();
        let job = move || {
            running.send(thread::current().name().unwrap_or_default().to_owned()).unwrap();
            let _ = opened.recv();
        };
        pool.run(Box::new(job)).unwrap();
        (runs, gate)
    }

    #[test]
    fn threads_are_started_as_needed_and_used_again() {
        let pool = pool(3);
        assert_eq!(threads(&pool), (0, 0));
        for _ in 0..5 {
            let (runs, gate) = gated(&pool);
            assert_eq!(runs.recv_timeout(LONG).unwrap(), "trenza-job");
            drop(gate);
            settle(&pool.shared, 1, 1);
        }
        let jobs: Vec<_> = (0..3).map(|_| gated(&pool)).collect();
        jobs.iter().for_each(|(runs, _)| drop(runs.recv_timeout(LONG).unwrap()));
        assert_eq!(threads(&pool), (3, 0));
    }

    #[test]
    fn jobs_beyond_the_threads_wait_and_beyond_the_queue_are_refused() {
        let pool = pool(2);
        let busy = [gated(&pool), gated(&pool)];
        busy.iter().for_each(|(runs, _)| drop(runs.recv_timeout(LONG).unwrap()));
        let (done, results) = channel();
        for n in 0..QUEUE_MAX {
            let done = done.clone();
            pool.run(Box::new(move || done.send(n).unwrap())).unwrap();
        }
        let refused = pool.run(Box::new(|| unreachable!("the queue is full"))).unwrap_err();
        assert_eq!(refused.downcast::<PoolFull>().unwrap(), PoolFull { waiting: QUEUE_MAX });
        assert_eq!(threads(&pool).0, 2);
        drop(busy);
        let mut all: Vec<usize> = (0..QUEUE_MAX).map(|_| results.recv_timeout(LONG).unwrap()).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..QUEUE_MAX));
    }

    #[test]
    fn panicking_job_ends_only_itself() {
        let pool = pool(1);
        let (done, results) = channel();
        for n in 0..10 {
            pool.run(Box::new(|| panic::resume_unwind(Box::new("expected")))).unwrap();
            let done = done.clone();
            pool.run(Box::new(move || done.send(n).unwrap())).unwrap();
        }
        assert!((0..10).all(|n| results.recv_timeout(LONG) == Ok(n)));
        settle(&pool.shared, 1, 1);
    }

    #[test]
    fn idle_threads_end_and_others_start_when_there_is_work() {
        let pool = ThreadPool::with_limits(4, Duration::from_millis(1));
        for _ in 0..20 {
            let jobs: Vec<_> = (0..4).map(|_| gated(&pool)).collect();
            jobs.iter().for_each(|(runs, _)| drop(runs.recv_timeout(LONG).unwrap()));
            drop(jobs);
            settle(&pool.shared, 0, 0);
        }
    }

    #[test]
    fn no_job_is_left_behind_by_a_thread_that_ends() {
        let pool = ThreadPool::with_limits(2, Duration::ZERO);
        let (done, results) = channel();
        for n in 0..2000 {
            let done = done.clone();
            pool.run(Box::new(move || done.send(n).unwrap())).unwrap();
            results.recv_timeout(LONG).unwrap();
        }
    }

    #[test]
    fn dropped_pool_ends_its_threads_and_drops_what_waits() {
        let pool = pool(1);
        let shared = pool.shared.clone();
        let (runs, gate) = gated(&pool);
        runs.recv_timeout(LONG).unwrap();
        let (waiting, dropped) = channel::<()>();
        pool.run(Box::new(move || drop(waiting))).unwrap();
        drop(pool);
        dropped.recv_timeout(LONG).unwrap_err();
        assert_eq!(dropped.try_recv(), Err(TryRecvError::Disconnected));
        drop(gate);
        settle(&shared, 0, 0);
    }
}
