//! [`Handle`]: the typed way back into a protocol.

use crate::{Protocol, Result, Timer, Transport, engine::command::Command, protocol::find, timer::Due};
use std::{fmt, marker::PhantomData, time::Duration};

/// The typed way back into a protocol: what `self.callback` is in Python.
///
/// A call is queued and made by the loop. It looks for a protocol of type `P` in the connection's protocol and in
/// what that wraps ([`Protocol::inner`]); a call whose protocol is gone is dropped and logged at debug level.
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
pub struct Handle<P> {
    transport: Transport,
    protocol: PhantomData<fn(P)>,
}

impl<P: Protocol> Handle<P> {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, protocol: PhantomData }
    }

    /// Calls the protocol from the loop. An error aborts the connection.
    pub fn call(&self, f: impl FnOnce(&mut P, &Transport) -> Result + 'static) {
        let call = move |protocol: &mut dyn Protocol, transport: &Transport| match find::<P>(protocol) {
            Some(protocol) => f(protocol, transport),
            None => {
                tracing::debug!(connection = %transport.id(), "a call for a protocol that is gone");
                Ok(())
            }
        };
        self.transport.reactor().0.command(Command::Call(self.transport.clone(), Box::new(call)));
    }

    /// Calls the protocol later, unless the timer is dropped.
    #[track_caller]
    pub fn call_later(
        &self,
        delay: Duration,
        f: impl FnOnce(&mut P, &Transport) -> Result + 'static,
    ) -> Timer {
        let shared = &self.transport.reactor().0;
        let handle = self.clone();
        Timer::new(shared.clone(), shared.after(delay), Due::Call(Box::new(move || handle.call(f))))
    }

    /// The connection.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

impl<P> Clone for Handle<P> {
    fn clone(&self) -> Self {
        Self { transport: self.transport.clone(), protocol: PhantomData }
    }
}

impl<P> fmt::Debug for Handle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle<{}>({:?})", std::any::type_name::<P>(), self.transport)
    }
}
