//! Adopting: connections that were made elsewhere ([`Reactor::adopt`]).

use crate::{
    Addr, ConnectTo, Connecting, Deferred, Endpoint, Protocol, Reactor, Stream, Transport,
    driver::{Ends, Established, Socket},
};
use std::{cell::Cell, os::fd::AsRawFd};

impl Reactor {
    /// Takes over what is connected already, and builds a protocol for it: a socket that another program handed over, a
    /// pipe, a terminal, a file. See [`Ends`] for what becomes of the descriptors. Twisted's `adoptStreamConnection`.
    ///
    /// Addresses are those of the socket; other ends have only a name ([`Addr::Named`]). Since pipes, terminals and files
    /// lose nothing when they are closed, [`Transport::close`] does not linger on [`Ends::Two`]: what was written is out
    /// when it has ended.
    ///
    /// Fails when the system has no place for one more, or with `BrokenPipe`, `InvalidInput` and their kind where a
    /// descriptor is none that bytes can come from or go to. Dropping the result aborts the connection.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use trenza_core::{Input, Protocol, Result, Transport, driver::Ends};
    ///
    /// struct Echo;
    /// impl Protocol for Echo {
    ///     fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
    ///         transport.write(input.rest());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let net = trenza_sim::Net::new(1);
    /// let host = net.host("here");
    /// let (ours, theirs) = host.socket_pair();
    /// let probe = host.probe_of(theirs);
    /// host.run(|reactor| reactor.adopt(ours, |_| Echo).detach());
    /// probe.send("hello");
    /// net.run();
    /// assert_eq!(probe.received(), b"hello");
    /// ```
    #[track_caller]
    pub fn adopt<P: Protocol>(
        &self,
        ends: impl Into<Ends>,
        build: impl FnOnce(&Transport) -> P + 'static,
    ) -> Deferred<Transport> {
        self.connect(self.adopted(ends.into()), build)
    }

    /// Takes over what is connected already, for a coroutine; see [`Reactor::adopt`].
    #[track_caller]
    pub fn adopt_stream(&self, ends: impl Into<Ends>) -> Deferred<Stream> {
        self.open(self.adopted(ends.into()))
    }

    fn adopted(&self, ends: Ends) -> Endpoint {
        let stream = self.established(ends);
        let shown = stream.remote.to_string();
        let stream = Cell::new(Some(stream));
        Endpoint::client(shown.clone(), move |_| {
            let taken = stream.take().ok_or("this connection is already being used")?;
            let make = move |reactor: &Self| reactor.fired(Ok(taken));
            Ok(Connecting::to(ConnectTo::Stream(Box::new(make)), &*shown))
        })
    }

    /// What is connected already, with the addresses of its socket or with a name.
    pub(crate) fn established(&self, ends: Ends) -> Established {
        let socket = match &ends {
            Ends::One(socket) => Some(socket),
            Ends::Two { read, write } => read.as_ref().or(write.as_ref()),
        };
        let known = socket.and_then(|socket| self.0.host.addresses(socket));
        let (remote, local) = known.unwrap_or_else(|| {
            let name = Addr::named(match socket {
                Some(Socket::Descriptor(fd)) => format!("descriptor {}", fd.as_raw_fd()),
                Some(Socket::Simulated(number)) => format!("simulated descriptor {number}"),
                None => "no descriptor".into(),
            });
            (name.clone(), name)
        });
        Established { remote, local, ends }
    }
}
