//! [`Handle`]: the typed way back into a protocol, and [`Home`]: where protocols of a kind live.

use crate::{
    Protocol, Reactor, Result, Timer, Transport, engine::command::Command, flags::Flags, protocol::find,
    timer::Due,
};
use std::{fmt, marker::PhantomData, time::Duration};

/// The typed way back into a protocol: what `self.callback` is in Python.
///
/// A call is queued and made by the loop. On a connection it looks for a protocol of type `P` in the connection's
/// protocol and in what that wraps ([`Protocol::inner`]); a call whose protocol is gone is dropped and logged at debug
/// level. `At` is where the protocol lives ([`Home`]): a connection, unless said otherwise.
///
/// ```
/// use std::time::Duration;
/// use trenza_core::{Input, Protocol, Result, Timer, Transport};
///
/// /// Says how long it has heard nothing.
/// #[derive(Default)]
/// struct Patient {
///     seconds: u32,
///     timer: Option<Timer>,
/// }
///
/// impl Patient {
///     fn tick(&mut self, transport: &Transport) -> Result {
///         write!(transport, "{} ", self.seconds)?;
///         self.seconds += 1;
///         let handle = transport.handle::<Self>();
///         self.timer = Some(handle.call_later(Duration::from_secs(1), Self::tick));
///         Ok(())
///     }
/// }
///
/// impl Protocol for Patient {
///     fn connection_made(&mut self, transport: &Transport) -> Result {
///         self.tick(transport)
///     }
///     fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
///         input.rest();
///         self.seconds = 0;
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::gentle(1);
/// net.host("srv").listen("tcp:7007", |_| Patient::default());
/// let cli = net.host("cli").probe("tcp:srv:7007");
/// net.advance(Duration::from_millis(2500));
/// cli.send("here");
/// net.advance(Duration::from_secs(1));
/// assert_eq!(cli.received(), b"0 1 2 0 ");
/// ```
pub struct Handle<P, At = Transport> {
    at: At,
    protocol: PhantomData<fn(P)>,
}

/// Where protocols of type `P` live: a [`Transport`] for a [`Protocol`]. What a [`Handle`] leads to is named by it in
/// code that takes handles of any kind. It cannot be implemented elsewhere.
pub trait Home<P>: sealed::Home<P> {}

impl<P, At: sealed::Home<P>> Home<P> for At {}

#[expect(unnameable_types, reason = "only the engine has places that protocols live in")]
pub(crate) mod sealed {
    use crate::{Reactor, Result, connection::push_pruning, deferred::Cancel, engine::lost::contained};
    use std::{fmt, rc::Weak};

    /// What a handle needs of the place that its protocol lives in.
    pub trait Home<P>: Clone + 'static {
        fn reactor(&self) -> &Reactor;
        /// Queues a call; an error ends the place. One whose protocol is gone is dropped.
        fn queue(&self, f: impl FnOnce(&mut P, &Self) -> Result + 'static);
        /// What is to be cancelled when the place ends goes into its list; None: it has ended.
        fn with_cancels<T>(&self, f: impl FnOnce(&mut Cancels) -> T) -> Option<T>;
    }

    /// What is cancelled with a place.
    #[derive(Default)]
    pub struct Cancels(Vec<Weak<dyn Cancel>>);

    impl Cancels {
        pub(crate) fn push(&mut self, what: Weak<dyn Cancel>) {
            push_pruning(&mut self.0, what, |cancel| cancel.strong_count() > 0);
        }

        /// The place has ended. Nothing of the engine is borrowed.
        pub(crate) fn cancel(self) {
            for cancel in self.0.iter().filter_map(Weak::upgrade) {
                contained("a drop", || cancel.cancel());
            }
        }
    }

    impl fmt::Debug for Cancels {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_tuple("Cancels").field(&self.0.len()).finish()
        }
    }
}

impl<P: Protocol> sealed::Home<P> for Transport {
    fn reactor(&self) -> &Reactor {
        self.reactor()
    }

    fn queue(&self, f: impl FnOnce(&mut P, &Self) -> Result + 'static) {
        let call = move |protocol: &mut dyn Protocol, transport: &Self| match find::<P>(protocol) {
            Some(protocol) => f(protocol, transport),
            None => {
                tracing::debug!(connection = %transport.id(), "a call for a protocol that is gone");
                Ok(())
            }
        };
        self.reactor().0.command(Command::Call(self.clone(), Box::new(call)));
    }

    fn with_cancels<T>(&self, f: impl FnOnce(&mut sealed::Cancels) -> T) -> Option<T> {
        (!self.0.flags.any(Flags::LOST)).then(|| self.0.with_extra(|extra| f(&mut extra.cancels)))
    }
}

impl<P: 'static, At: Home<P>> Handle<P, At> {
    pub(crate) fn new(at: At) -> Self {
        Self { at, protocol: PhantomData }
    }

    /// Calls the protocol from the loop. An error ends what it lives in: it aborts a connection, it closes a UDP port.
    pub fn call(&self, f: impl FnOnce(&mut P, &At) -> Result + 'static) {
        self.at.queue(f);
    }

    /// Calls the protocol later, unless the timer is dropped.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce(&mut P, &At) -> Result + 'static) -> Timer {
        let shared = &self.at.reactor().0;
        let handle = self.clone();
        Timer::new(shared.clone(), shared.after(delay), Due::Call(Box::new(move || handle.call(f))))
    }
}

impl<P, At> Handle<P, At> {
    /// Where the protocol lives.
    pub fn at(&self) -> &At {
        &self.at
    }
}

impl<P> Handle<P> {
    /// The connection.
    pub fn transport(&self) -> &Transport {
        &self.at
    }
}

impl<P, At: Clone> Clone for Handle<P, At> {
    fn clone(&self) -> Self {
        Self { at: self.at.clone(), protocol: PhantomData }
    }
}

impl<P, At: fmt::Debug> fmt::Debug for Handle<P, At> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle<{}>({:?})", std::any::type_name::<P>(), self.at)
    }
}
