//! Adopting: connections that were made elsewhere ([`Reactor::adopt`]).

use crate::{
    Addr, Deferred, Peer, Protocol, Reactor, Reason, Resolver, Stream, Transport,
    connection::Origin,
    driver::{Driver, Ends, Open, Socket},
    endpoint::MakeLayers,
    engine::command::Command,
    engine::turn::Turn,
    flags::Flags,
    race::Build,
    shared::Stop,
    stream::StreamEnd,
    task::Task,
};
use std::{cell::Cell, io, os::fd::AsRawFd, panic::Location, rc::Rc};

/// A connection that is being taken over: how its protocol is made, and who is told.
pub(crate) struct Adoption {
    /// The code that adopts.
    pub(crate) asked: &'static Location<'static>,
    pub(crate) build: Option<Build>,
    pub(crate) layers: Option<MakeLayers>,
    pub(crate) peer: Peer,
    /// Closing waits for the far end.
    pub(crate) lingers: bool,
    resolver: Resolver<Transport>,
}

impl Adoption {
    /// It is in the loop's table.
    pub(crate) fn enrolled(&self, transport: &Transport) {
        if !self.lingers {
            transport.0.flags.set(Flags::UNLINGERING);
        }
        let transport = transport.clone();
        self.resolver.on_cancel(move || transport.abort());
    }

    /// The protocol was built.
    pub(crate) fn made(self, transport: Transport) {
        self.resolver.fire(Ok(transport));
    }

    /// It ended before there was a protocol.
    pub(crate) fn lost(self, reason: Reason) {
        self.resolver.fire(Err(reason.into()));
        drop(self.build);
    }
}

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
        let build: Build = Box::new(move |transport| Box::new(build(transport)));
        let ends = ends.into();
        let peer = self.peer_of(&ends);
        self.adopt_with(Location::caller(), ends, peer, None, build)
    }

    /// Takes over what is connected already, for a coroutine; see [`Reactor::adopt`].
    #[track_caller]
    pub fn adopt_stream(&self, ends: impl Into<Ends>) -> Deferred<Stream> {
        let ends = ends.into();
        let (made, peer) = (Location::caller(), self.peer_of(&ends));
        self.stream_of(move |reactor, build| reactor.adopt_with(made, ends, peer, None, build))
    }

    pub(crate) fn adopt_with(
        &self,
        asked: &'static Location<'static>,
        ends: Ends,
        peer: Peer,
        layers: Option<MakeLayers>,
        build: Build,
    ) -> Deferred<Transport> {
        if self.0.stop.get() == Stop::Begun {
            return self.fired(Err(Reason::Stopped.into()));
        }
        let (deferred, resolver) = self.deferred();
        let lingers = matches!(ends, Ends::One(_));
        let adoption = Adoption { asked, build: Some(build), layers, peer, lingers, resolver };
        self.0.command(Command::Adopt(ends, Box::new(adoption)));
        deferred
    }

    /// What is known of the far end.
    fn peer_of(&self, ends: &Ends) -> Peer {
        let socket = match ends {
            Ends::One(socket) => Some(socket),
            Ends::Two { read, write } => read.as_ref().or(write.as_ref()),
        };
        let known = socket.and_then(|socket| self.0.host.addresses(socket));
        let (remote, local) = known.unwrap_or_else(|| {
            let name = Addr::named(match socket {
                Some(Socket::Descriptor(fd)) => format!("descriptor {}", fd.as_raw_fd()),
                Some(Socket::Simulated(number)) => format!("simulated descriptor {number}"),
                None => "nothing".into(),
            });
            (name.clone(), name)
        });
        Peer::new(remote, local)
    }

    /// Makes a connection by `make` and gives it to a coroutine.
    #[track_caller]
    pub(crate) fn stream_of(
        &self,
        make: impl FnOnce(&Self, Build) -> Deferred<Transport>,
    ) -> Deferred<Stream> {
        let (deferred, resolver) = self.deferred();
        let made = Rc::new(Cell::new(None));
        let stream = made.clone();
        let build: Build = Box::new(move |transport| {
            let (stream, end) = StreamEnd::pair(transport);
            made.set(Some(stream));
            Box::new(end)
        });
        let connected = make(self, build);
        // The inner operation lives in the outer one's cancellation, so that dropping one drops the other.
        let task = Task::new(&self.0, None, async move {
            let result = connected.await;
            let stream = stream.take().ok_or_else(|| "no stream was made".into());
            resolver.fire(result.and(stream));
        });
        deferred.on_cancel_guard(task.cancel_on_drop(&self.0));
        self.0.command(Command::Spawn(task));
        deferred
    }
}

impl Turn {
    /// Takes over what is connected already.
    pub(crate) fn adopt(&mut self, driver: &mut dyn Driver, ends: Ends, adoption: Box<Adoption>) {
        if adoption.resolver.is_cancelled() {
            return;
        }
        if self.reactor.0.stop.get() == Stop::Begun {
            return adoption.lost(Reason::Stopped);
        }
        match driver.open(Open::Adopt(ends)) {
            Ok(token) => {
                let (peer, layers) = (adoption.peer.clone(), adoption.layers.clone());
                self.enroll(token, peer, Origin::Adopted(adoption), layers);
            }
            Err(error) => {
                let what = format!("cannot use {}: {error}", adoption.peer.remote);
                adoption.lost(Reason::Io(io::Error::new(error.kind(), what)));
            }
        }
    }
}
