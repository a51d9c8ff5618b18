//! [`Tap`]: somebody who looks on.

use crate::{Reason, Transport};
use std::ops::Range;

/// What a [`Tap`] sees of a connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Seen<'a> {
    /// The tap begins to look.
    Began,
    /// Bytes came, as they were on the wire.
    Received(&'a [u8]),
    /// Bytes have left, as they are on the wire: the system or, with a completion driver, the driver has taken them.
    Sent(&'a [u8]),
    /// A range of a file has left.
    SentFile(Range<u64>),
    /// The peer's FIN came.
    Eof,
    /// The connection has ended, for this reason. Nothing more is seen.
    Ended(&'a Reason),
}

/// Somebody who sees the bytes of a connection at the driver's edge: below all layers, in both directions. Given to
/// [`Policy::tap`](crate::Policy::tap) for all connections of a port or to [`Transport::tap`] for one.
/// [`Printer`](crate::Printer) and [`Recorder`](crate::Recorder) are taps, and so is a closure.
///
/// It is called by the loop, like a protocol: it may use every handle, and a panic in it costs the connection.
///
/// ```
/// use trenza_core::{IntoEndpoint, Policy, Seen, Transport};
///
/// let policy = Policy::new().tap(|_: &Transport| {
///     let mut total = 0;
///     move |transport: &Transport, seen: Seen<'_>| match seen {
///         Seen::Received(data) => total += data.len(),
///         Seen::Ended(reason) => println!("{:?}: {total} bytes, {reason}", transport.peer().remote),
///         _ => {}
///     }
/// });
/// let on = "tcp:0".into_endpoint()?.policy(policy);
/// # drop(on);
/// # Ok::<(), trenza_core::Error>(())
/// ```
pub trait Tap: 'static {
    /// Something happened.
    fn see(&mut self, transport: &Transport, seen: Seen<'_>);

    /// Files are to be seen as bytes. Then they leave by copies, as they do where layers transform them; otherwise only
    /// their ranges are seen. Asked once, when the tap begins.
    fn copies_files(&self) -> bool {
        false
    }
}

impl<F: FnMut(&Transport, Seen<'_>) + 'static> Tap for F {
    fn see(&mut self, transport: &Transport, seen: Seen<'_>) {
        self(transport, seen);
    }
}
