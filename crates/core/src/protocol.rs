//! [`Protocol`]: one side of one connection, and [`Factory`], which makes them.

use crate::{Reason, Result, Timeout, Transport};
use std::{any::Any, os::fd::OwnedFd};
use trenza_wire::Input;

/// One side of one connection. Only [`data_received`](Protocol::data_received) is required.
///
/// The loop owns protocols and calls them with `&mut self`; no handle ever does, so a protocol is never
/// re-entered. An `Err` from any callback aborts the connection and drops what was not sent yet (to answer
/// first: write, [`close`](Transport::close), `Ok`). A panic does the same; `connection_lost` follows both.
///
/// ```text
///              ┌─────────────────────── switch_to ───────────────────────┐
/// build ─▶ connection_made ─▶ data_received* ─▶ eof_received ─▶ connection_lost
///                               writable* timed_out* stopping?
/// ```
///
/// A server of lines: what is not a whole line yet stays with the connection.
///
/// ```
/// use trenza_core::{Input, Protocol, Result, Transport};
///
/// struct Shout;
///
/// impl Protocol for Shout {
///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
///         while let Some(line) = input.line(512)? {
///             write!(transport, "{}!\r\n", String::from_utf8_lossy(line).to_uppercase())?;
///         }
///         Ok(())
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// net.host("srv").listen("tcp:7007", |_| Shout);
/// let cli = net.host("cli").probe("tcp:srv:7007");
/// cli.send("hel");
/// net.run();
/// cli.send("lo\r\nyou\r\n");
/// net.run();
/// assert_eq!(cli.received(), b"HELLO!\r\nYOU!\r\n");
/// ```
pub trait Protocol: Any {
    /// The connection is there, layers are ready.
    ///
    /// # Errors
    /// Aborts the connection.
    fn connection_made(&mut self, _transport: &Transport) -> Result {
        Ok(())
    }

    /// Bytes came, or are offered again. What is not taken from `input` is kept by the connection and offered
    /// when more comes, after [`Transport::resume`] and at the end of the peer's stream.
    ///
    /// # Errors
    /// Aborts the connection.
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result;

    /// The peer will send no more; `input` is what was left unread. Default: close.
    ///
    /// # Errors
    /// Aborts the connection.
    fn eof_received(&mut self, transport: &Transport, _input: &mut Input<'_>) -> Result {
        transport.close();
        Ok(())
    }

    /// The out-buffer went from full to low. Not called once the connection takes no more (`close`, `close_write`).
    ///
    /// # Errors
    /// Aborts the connection.
    fn writable(&mut self, _transport: &Transport) -> Result {
        Ok(())
    }

    /// [`Transport::set_timeout`] or [`Transport::set_deadline`] ran out. Default: abort.
    ///
    /// # Errors
    /// Aborts the connection.
    fn timed_out(&mut self, transport: &Transport, which: Timeout) -> Result {
        transport.condemn(Reason::TimedOut(which));
        Ok(())
    }

    /// The reactor or the port is stopping: finish what you are at, then close. Default: close.
    ///
    /// # Errors
    /// Aborts the connection.
    fn stopping(&mut self, transport: &Transport) -> Result {
        transport.close();
        Ok(())
    }

    /// A descriptor came over a UNIX socket. It comes in order with others, and before the byte that it was sent with;
    /// bytes that were sent before it may come later than it, since the system tells no more. Default: it is closed.
    ///
    /// # Errors
    /// Aborts the connection.
    fn descriptor_received(&mut self, _transport: &Transport, _descriptor: OwnedFd) -> Result {
        Ok(())
    }

    /// Exactly once, last, also after an error or a panic.
    fn connection_lost(&mut self, _transport: &Transport, _reason: &Reason) {}

    /// A protocol that wraps another shows it here, so that [`Handle`](crate::Handle)s reach it.
    fn inner(&mut self) -> Option<&mut dyn Protocol> {
        None
    }
}

impl Protocol for Box<dyn Protocol> {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        (**self).connection_made(transport)
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        (**self).data_received(transport, input)
    }
    fn eof_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        (**self).eof_received(transport, input)
    }
    fn writable(&mut self, transport: &Transport) -> Result {
        (**self).writable(transport)
    }
    fn timed_out(&mut self, transport: &Transport, which: Timeout) -> Result {
        (**self).timed_out(transport, which)
    }
    fn stopping(&mut self, transport: &Transport) -> Result {
        (**self).stopping(transport)
    }
    fn descriptor_received(&mut self, transport: &Transport, descriptor: OwnedFd) -> Result {
        (**self).descriptor_received(transport, descriptor)
    }
    fn connection_lost(&mut self, transport: &Transport, reason: &Reason) {
        (**self).connection_lost(transport, reason);
    }
    fn inner(&mut self) -> Option<&mut dyn Protocol> {
        Some(&mut **self)
    }
}

/// Makes a protocol for each connection of a port.
///
/// A closure is enough where nothing needs to be told at the end: see
/// [`Reactor::listen`](crate::Reactor::listen).
///
/// ```
/// use trenza_core::{Factory, Input, Protocol, Result, Transport};
///
/// struct Greeter;
///
/// impl Protocol for Greeter {
///     fn connection_made(&mut self, transport: &Transport) -> Result {
///         transport.write(b"welcome");
///         Ok(())
///     }
///     fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
///         Ok(())
///     }
/// }
///
/// /// Serves the first comers only.
/// struct Few(usize);
///
/// impl Factory for Few {
///     fn build(&mut self, _: &Transport) -> Option<Box<dyn Protocol>> {
///         self.0 = self.0.checked_sub(1)?;
///         Some(Box::new(Greeter))
///     }
/// }
///
/// let net = trenza_sim::Net::new(1);
/// net.host("srv").run(|reactor| reactor.listen_with("tcp:7007", Few(1)).map(drop))?;
/// let cli = net.host("cli");
/// let first = cli.probe("tcp:srv:7007");
/// net.run();
/// let second = cli.probe("tcp:srv:7007");
/// net.run();
/// assert_eq!(first.received(), b"welcome");
/// assert!(second.was_reset());
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub trait Factory: 'static {
    /// The protocol for a connection whose layers are ready. None refuses it; so does closing or aborting the
    /// transport. Nothing else is called then.
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>>;

    /// The port was stopped.
    fn stopped(&mut self) {}
}

/// A closure as a factory.
pub(crate) struct Build<F>(pub(crate) F);

impl<P: Protocol, F: FnMut(&Transport) -> P + 'static> Factory for Build<F> {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        Some(Box::new((self.0)(transport)))
    }
}

/// Finds the protocol of type `P` in `protocol` or in what it wraps.
pub(crate) fn find<P: Protocol>(protocol: &mut dyn Protocol) -> Option<&mut P> {
    if (&*protocol as &dyn Any).is::<P>() {
        return (protocol as &mut dyn Any).downcast_mut();
    }
    find(protocol.inner()?)
}
