//! Blocking code on threads: [`Reactor::in_thread`].

use crate::{
    Deferred, Error, Reactor, RemoteResolver, Result,
    driver::{Host, Job, PoolFull},
    engine::lost::discard,
};
use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Code that ran on a thread panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a blocking call panicked: {message}")]
pub struct JobPanicked {
    /// What the panic said, if it was text.
    pub message: String,
}

impl JobPanicked {
    fn new(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self { message: text.unwrap_or("something that is not text").to_owned() }
    }
}

impl Reactor {
    /// Runs blocking code on the thread pool, which starts threads as calls come and ends those that have none.
    /// Dropping the result drops the answer, not the work.
    ///
    /// The result is the code's own, or one of these errors: [`JobPanicked`]; [`PoolFull`], when so many calls wait for
    /// a thread that this one was refused; the system's, when it starts no thread.
    #[track_caller]
    pub fn in_thread<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Deferred<T> {
        self.on_thread(f, |host, job| host.run(job), |error| error)
    }

    /// Has `run` run `f`; `explain` is applied to every error.
    #[track_caller]
    pub(crate) fn on_thread<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T> + Send + 'static,
        run: impl FnOnce(&dyn Host, Job) -> io::Result<()>,
        explain: impl FnOnce(Error) -> Error + Clone + Send + 'static,
    ) -> Deferred<T> {
        let (deferred, resolver) = RemoteResolver::pair(self, true);
        let refused = explain.clone();
        let job = move || match catch_unwind(AssertUnwindSafe(f)) {
            Ok(result) => resolver.fire(result.map_err(explain)),
            Err(panic) => {
                resolver.fire(Err(explain(JobPanicked::new(&*panic).into())));
                discard(panic);
            }
        };
        match run(&*self.0.host, Box::new(job)) {
            Ok(()) => deferred,
            Err(error) => self.fired(Err(refused(match error.downcast::<PoolFull>() {
                Ok(full) => full.into(),
                Err(error) => error.into(),
            }))),
        }
    }
}
