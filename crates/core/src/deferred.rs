//! [`Deferred`]: the result of something that has already started.

use crate::{Error, Handle, Home, Result, engine::command::Command, shared::Shared};
use std::{
    cell::Cell,
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

type Then<T> = Box<dyn FnOnce(Result<T>)>;

/// Where a result is.
enum Stage<T> {
    /// Nothing has come, nobody has asked.
    Waiting,
    /// A task waits.
    Awaited(Waker),
    /// A callback waits.
    Then(Then<T>),
    /// Nobody cares, but errors are logged.
    Detached,
    /// It has come.
    Ready(Result<T>),
    /// It was taken, or the operation was cancelled.
    Done,
}

pub(crate) struct State<T> {
    shared: Rc<Shared>,
    stage: Cell<Stage<T>>,
    on_cancel: Cell<Option<Box<dyn FnOnce()>>>,
}

impl<T: 'static> State<T> {
    fn fire(&self, result: Result<T>) {
        match self.stage.replace(Stage::Done) {
            Stage::Waiting => self.stage.set(Stage::Ready(result)),
            Stage::Awaited(waker) => {
                self.stage.set(Stage::Ready(result));
                waker.wake();
            }
            Stage::Then(then) => {
                drop(self.on_cancel.take());
                self.shared.command(Command::Run(Box::new(move || then(result))));
            }
            Stage::Detached => {
                drop(self.on_cancel.take());
                if let Err(error) = result {
                    tracing::warn!(%error, "nobody looked at the error of a deferred");
                }
            }
            former @ (Stage::Ready(_) | Stage::Done) => {
                self.stage.set(former);
                drop(result);
            }
        }
    }

    /// Takes the result if it has come.
    fn take(&self) -> Option<Result<T>> {
        match self.stage.replace(Stage::Done) {
            Stage::Ready(result) => {
                drop(self.on_cancel.take());
                Some(result)
            }
            other => {
                self.stage.set(other);
                None
            }
        }
    }
}

/// What can be cancelled with a connection.
pub(crate) trait Cancel {
    fn cancel(&self);
}

impl<T: 'static> Cancel for State<T> {
    fn cancel(&self) {
        let former = self.stage.replace(Stage::Done);
        if matches!(former, Stage::Done) {
            return;
        }
        // The loop runs it: whoever cancels may be in the middle of something.
        if let Some(on_cancel) = self.on_cancel.take() {
            self.shared.command(Command::Run(on_cancel));
        }
        drop(former);
    }
}

/// The result of something that has already started.
///
/// Await it (dropping the future, or the `Deferred` itself, cancels the operation), or let it run with
/// [`then`](Deferred::then), [`then_in`](Deferred::then_in) or [`detach`](Deferred::detach). Callbacks run from the
/// loop, never inside [`Resolver::fire`].
#[must_use = "dropping a Deferred cancels the operation: await it, or call then() or detach()"]
pub struct Deferred<T: 'static>(Option<Rc<State<T>>>);

impl<T: 'static> Deferred<T> {
    pub(crate) fn new(shared: Rc<Shared>) -> (Self, Resolver<T>) {
        let state = Rc::new(State { shared, stage: Cell::new(Stage::Waiting), on_cancel: Cell::new(None) });
        (Self(Some(state.clone())), Resolver(Some(state)))
    }

    /// Calls `f` with the result.
    pub fn then(mut self, f: impl FnOnce(Result<T>) + 'static) {
        let Some(state) = self.0.take() else { return };
        match state.take() {
            Some(result) => state.shared.command(Command::Run(Box::new(move || f(result)))),
            None => drop(state.stage.replace(Stage::Then(Box::new(f)))),
        }
    }

    /// Calls `f` in a protocol with the result. When what the protocol lives in (a connection, a port) ends first, the
    /// operation is cancelled.
    ///
    /// ```
    /// use trenza_core::{Input, Protocol, Result, Transport};
    ///
    /// struct Slow;
    ///
    /// impl Protocol for Slow {
    ///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
    ///         let question = input.rest().len();
    ///         let answer = transport.reactor().in_thread(move || Ok(question * 2)); // may block
    ///         answer.then_in(transport.handle::<Self>(), |_this, transport, answer| {
    ///             write!(transport, "{} ", answer?)
    ///         });
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let net = trenza_sim::Net::gentle(1);
    /// net.host("srv").listen("tcp:7007", |_| Slow);
    /// let cli = net.host("cli").probe("tcp:srv:7007");
    /// cli.send("abc");
    /// net.run();
    /// assert_eq!(cli.received(), b"6 ");
    /// ```
    pub fn then_in<P: 'static, At: Home<P>>(
        self,
        handle: Handle<P, At>,
        f: impl FnOnce(&mut P, &At, Result<T>) -> Result + 'static,
    ) {
        if let Some(state) = &self.0 {
            let cancel: Weak<State<T>> = Rc::downgrade(state);
            if handle.at().with_cancels(|cancels| cancels.push(cancel)).is_none() {
                return;
            }
        }
        self.then(move |result| handle.call(move |protocol, at| f(protocol, at, result)));
    }

    /// Drops `guard` when the operation is cancelled or has ended.
    pub(crate) fn on_cancel_guard(&self, guard: impl Sized + 'static) {
        if let Some(state) = &self.0 {
            drop(state.on_cancel.replace(Some(Box::new(move || drop(guard)))));
        }
    }

    /// Cancels the operation; dropping does the same.
    pub fn cancel(self) {}

    /// Lets it run; an error is logged.
    pub fn detach(mut self) {
        let Some(state) = self.0.take() else { return };
        match state.take() {
            Some(Err(error)) => tracing::warn!(%error, "nobody looked at the error of a deferred"),
            Some(Ok(_)) => {}
            None => drop(state.stage.replace(Stage::Detached)),
        }
    }
}

impl<T: 'static> Drop for Deferred<T> {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            state.cancel();
        }
    }
}

impl<T: 'static> IntoFuture for Deferred<T> {
    type Output = Result<T>;
    type IntoFuture = Wait<T>;

    fn into_future(self) -> Wait<T> {
        Wait(self)
    }
}

impl<T: 'static> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred").finish_non_exhaustive()
    }
}

/// The future of a [`Deferred`]. Dropping it cancels the operation.
#[derive(Debug)]
pub struct Wait<T: 'static>(pub(crate) Deferred<T>);

impl<T: 'static> Future for Wait<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let Some(state) = &self.0.0 else { return Poll::Pending };
        if let Some(result) = state.take() {
            return Poll::Ready(result);
        }
        drop(state.stage.replace(Stage::Awaited(cx.waker().clone())));
        Poll::Pending
    }
}

/// The other end of a [`Deferred`]. Dropping it fires an error: nobody waits for ever.
pub struct Resolver<T: 'static>(Option<Rc<State<T>>>);

impl<T: 'static> Resolver<T> {
    /// Gives the result. It is dropped when the operation was cancelled.
    pub fn fire(mut self, result: Result<T>) {
        if crate::broken("forget-answer", 8) {
            return std::mem::forget(self);
        }
        if let Some(state) = self.0.take() {
            state.fire(result);
        }
    }

    /// Has `f` called from the loop when the operation is cancelled before somebody took its result.
    pub fn on_cancel(&self, f: impl FnOnce() + 'static) {
        if let Some(state) = &self.0 {
            drop(state.on_cancel.replace(Some(Box::new(f))));
        }
    }

    /// True when nobody waits any more.
    pub fn is_cancelled(&self) -> bool {
        let Some(state) = &self.0 else { return true };
        let stage = state.stage.replace(Stage::Done);
        let done = matches!(stage, Stage::Done);
        state.stage.set(stage);
        done
    }
}

impl<T: 'static> Drop for Resolver<T> {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            state.fire(Err(Error::from(Abandoned)));
        }
    }
}

impl<T: 'static> fmt::Debug for Resolver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("cancelled", &self.is_cancelled()).finish()
    }
}

/// The operation's other side went away without a result: its task ended or panicked, or the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operation was abandoned before it had a result")]
pub struct Abandoned;
