//! [`Reactor::pair`]: connections within the loop.

use crate::{
    Addr, Connection, Peer, Protocol, Reactor, Reason, Stream, Transport,
    connection::Origin,
    engine::{
        command::Command,
        entry::Entry,
        lost::tell_waiting,
        ports::tell_stopping,
        turn::{Slot, Turn},
    },
    flags::Flags,
    shared::Stop,
};
use std::{mem, panic::Location, rc::Rc};

/// A new pair on its way to the loop.
pub(crate) struct Pair {
    ends: Vec<(Transport, Box<dyn Protocol>)>,
    made: &'static Location<'static>,
}

impl Drop for Pair {
    /// The loop has ended before it took them in.
    fn drop(&mut self) {
        for (transport, protocol) in mem::take(&mut self.ends) {
            let connection = &transport.0;
            if !connection.flags.any(Flags::LOST) {
                connection.flags.set(Flags::LOST);
                connection.reactor.0.strike(connection);
                tell_waiting(connection, Reason::Stopped);
            }
            drop(protocol);
        }
    }
}

impl Reactor {
    /// Two connected ends in memory: what is written to one is read from the other. They are connections like all
    /// others, with limits, layers, half-close and reset, on every driver the same; at most 64 KiB are on their way in
    /// one direction. A multiplexer keeps one end of each of its channels, and code that wants a connection gets the
    /// other. [`Stream::switch_to`] gives an end to a protocol.
    ///
    /// They count as two of [`Reactor::set_connections_max`], which refuses none of them. A file that is sent over one is
    /// read in pieces on the thread pool, as for layers.
    ///
    /// ```
    /// let net = trenza_sim::Net::new(1);
    /// let greeting = net.host("here").run(|reactor| {
    ///     let (mut near, mut far) = reactor.pair();
    ///     reactor.spawn(async move {
    ///         near.write_all(b"hello\r\n").await?;
    ///         let line = far.line(80).await?.ok_or("nothing came")?;
    ///         assert_eq!(line, b"hello");
    ///         near.close_write();
    ///         assert_eq!(far.read().await?, None);
    ///         far.close().await
    ///     })
    /// });
    /// net.run();
    /// # greeting.detach();
    /// ```
    #[track_caller]
    pub fn pair(&self) -> (Stream, Stream) {
        let made = Location::caller();
        let tokens = self.0.tokens.pair();
        let number = self.0.next_serial();
        let [near, far] = ["near", "far"].map(|end| Addr::named(format!("the {end} end of pair {number}")));
        let peers = [Peer::new(far.clone(), near.clone()), Peer::new(near, far)];
        let [(near, one), (far, other)] = [0, 1].map(|at| {
            let limits = self.0.limits.borrow().clone();
            let [first, second] = &peers;
            let peer = if at == 0 { first } else { second };
            let [token, its_far] = tokens;
            let token = if at == 0 { token } else { its_far };
            let connection = Connection::new(self.clone(), token, peer.clone(), limits);
            let transport = Transport(Rc::new(connection));
            self.0.enroll(&transport);
            let (stream, end) = Stream::pair(&transport);
            (stream, (transport, Box::new(end) as Box<dyn Protocol>))
        });
        self.0.command(Command::Pair(Box::new(Pair { ends: vec![one, other], made })));
        (near, far)
    }
}

impl Turn {
    /// Takes a new pair in.
    pub(crate) fn take_in(&mut self, mut pair: Pair) {
        self.one_more();
        for (transport, protocol) in mem::take(&mut pair.ends) {
            if transport.0.flags.any(Flags::LOST) {
                // It was aborted at once.
                continue;
            }
            let mut entry = Entry::new(transport.clone(), Origin::Told(pair.made));
            entry.protocol = Some(protocol);
            entry.make();
            if self.reactor.0.late.get() {
                transport.condemn(Reason::Stopped);
            } else if self.reactor.0.stop.get() == Stop::Begun {
                tell_stopping(&mut entry);
            }
            transport.mark_dirty();
            drop(self.place(transport.0.token, Slot::Connection(entry)));
        }
    }
}
