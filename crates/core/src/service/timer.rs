//! [`TimerService`]: something that is done again and again, as a service.

use crate::{Deferred, LoopingCall, Reactor, Resolver, Result, Service};
use std::{cell::Cell, fmt, ops::AsyncFnMut, panic::Location, rc::Rc, time::Duration};

type Start = Box<dyn FnOnce(&Reactor) -> LoopingCall>;

/// A [`LoopingCall`] as a service: the first call is at its start. When it stops, a call that is under way comes to its
/// end; an abort drops it. A call that fails is the last one, and is logged.
pub struct TimerService {
    begin: Option<Start>,
    reactor: Option<Reactor>,
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    call: Cell<Option<LoopingCall>>,
    /// A call is under way.
    calling: Cell<bool>,
    /// Who waits for its end.
    stopping: Cell<Option<Resolver<()>>>,
}

impl TimerService {
    /// Calls `f` at every interval; it gets the number of times that were skipped since the call before.
    #[track_caller]
    pub fn new(every: Duration, mut f: impl AsyncFnMut(u64) -> Result + 'static) -> Self {
        let (made, state) = (Location::caller(), Rc::new(State::default()));
        let inner = state.clone();
        let begin = move |reactor: &Reactor| {
            LoopingCall::begin(made, reactor, every, 0, async move |skipped| {
                // Told when the call ends, be it with a panic.
                let _calling = Calling::new(&inner);
                let outcome = f(skipped).await;
                if let Err(error) = &outcome {
                    tracing::error!(%error, "a timer service has failed, and calls no more");
                }
                outcome
            })
        };
        Self { begin: Some(Box::new(begin)), reactor: None, state }
    }
}

/// A call under way.
struct Calling(Rc<State>);

impl Calling {
    fn new(state: &Rc<State>) -> Self {
        state.calling.set(true);
        Self(state.clone())
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.calling.set(false);
        if let Some(stopping) = self.0.stopping.take() {
            stopping.fire(Ok(()));
        }
    }
}

impl Service for TimerService {
    fn start(&mut self, reactor: &Reactor) -> Result {
        let begin = self.begin.take().ok_or("a timer service is started once")?;
        self.reactor = Some(reactor.clone());
        self.state.call.set(Some(begin(reactor)));
        Ok(())
    }

    fn stop(&mut self) -> Deferred<()> {
        let reactor = self.reactor.clone().unwrap_or_else(Reactor::current);
        let (over, tell) = reactor.deferred();
        if !self.state.calling.get() {
            drop(self.state.call.take());
            tell.fire(Ok(()));
            return over;
        }
        let (ended, end) = reactor.deferred();
        self.state.stopping.set(Some(end));
        let state = self.state.clone();
        ended.then(move |_: Result| {
            drop(state.call.take());
            tell.fire(Ok(()));
        });
        over
    }

    fn abort(&mut self) {
        drop(self.state.call.take());
    }
}

impl fmt::Debug for TimerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerService").field("calling", &self.state.calling.get()).finish_non_exhaustive()
    }
}
