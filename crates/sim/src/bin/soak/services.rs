//! What the hosts of a scenario serve, and how a client of each begins.

use crate::{
    judge::{Invariant, Judge},
    ledger::End,
    roles::{Echo, Flood, LineClient, LineServer, Monkey, Proxy, Rude, Sink, Source, draw_from, open, serve},
    veil::Veil,
    watched::Watched,
};
use std::{rc::Rc, time::Duration};
use trenza_core::{Deferred, Endpoint, Error, IntoEndpoint, Port, Protocol, Reactor, Result, Transport};

/// A service of a host; every one has a port of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Monkey,
    Echo,
    Sink,
    Lines,
    Veiled,
    Coroutine,
    Rude,
    /// On the host `mid`, in front of `Echo`.
    ProxyEcho,
    /// On the host `mid`, in front of `Sink`.
    ProxySink,
}

impl Service {
    pub(crate) const ALL: [Self; 9] = [
        Self::Monkey,
        Self::Echo,
        Self::Sink,
        Self::Lines,
        Self::Veiled,
        Self::Coroutine,
        Self::Rude,
        Self::ProxyEcho,
        Self::ProxySink,
    ];

    pub(crate) fn is_proxy(self) -> bool {
        matches!(self, Self::ProxyEcho | Self::ProxySink)
    }

    pub(crate) fn host(self) -> &'static str {
        if self.is_proxy() { "mid" } else { "srv" }
    }

    fn port(self) -> u16 {
        7000 + self as u16
    }

    /// Listens.
    ///
    /// # Errors
    /// The port is taken, since its former listener is not gone yet.
    pub(crate) fn listen(self, reactor: &Reactor, judge: &Rc<Judge>) -> Result<Port> {
        let (on, known) = (format!("tcp:{}", self.port()), judge.clone());
        let end =
            move |transport: &Transport, role| End::new(&known, known.pair_of(transport, false), 1, role);
        if self == Self::Coroutine {
            return reactor.serve(&on, move |stream| {
                let end = end(stream.transport(), "coroutine server");
                serve(end, stream)
            });
        }
        let on: Endpoint = on.as_str().into_endpoint()?;
        let on = if self == Self::Veiled { on.layered(|| vec![Box::new(Veil::server())]) } else { on };
        let large = judge.large();
        reactor.listen(on, move |transport| {
            let end = |role| end(transport, role);
            match self {
                Self::Monkey => watch(end("monkey"), "monkey", |end| Monkey::new(end, large)),
                Self::Echo | Self::Veiled | Self::Coroutine => watch(end("echo"), "echo", Echo::new),
                Self::Sink => watch(end("sink"), "sink", Sink::new),
                Self::Lines => watch(end("lines"), "lines", LineServer::new),
                Self::Rude => watch(end("rude"), "rude", Rude::new),
                Self::ProxyEcho => watch(end("proxy"), "proxy", |end| Proxy::new(end, "tcp:srv:7001")),
                Self::ProxySink => watch(end("proxy"), "proxy", |end| Proxy::new(end, "tcp:srv:7002")),
            }
        })
    }

    fn endpoint(self, reactor: &Reactor) -> Result<Endpoint> {
        let timeout = ["", ":timeout=3"][draw_from(reactor, 2)];
        let to = format!("tcp:{}:{}{timeout}", self.host(), self.port()).as_str().into_endpoint()?;
        Ok(if self == Self::Veiled { to.layered(|| vec![Box::new(Veil::client())]) } else { to })
    }

    /// Starts a client. At times it is cancelled before it is connected.
    pub(crate) fn visit(self, reactor: &Reactor, judge: &Rc<Judge>) {
        let Ok(to) = self.endpoint(reactor) else {
            return judge.breach(Invariant::Answers, "an endpoint cannot be read");
        };
        let large = judge.large();
        let known = judge.clone();
        let end =
            move |transport: &Transport, role| End::new(&known, known.pair_of(transport, true), 0, role);
        if self == Self::Coroutine {
            let (opened, reactor) = (reactor.open(to), reactor.clone());
            let (question, known) = (judge.ask("an open"), judge.clone());
            return opened.then(move |stream| {
                question.answered();
                match stream {
                    Ok(stream) => {
                        let end = end(stream.transport(), "coroutine client");
                        let rounds = 1 + draw_from(&reactor, 12);
                        reactor.spawn(open(end, stream, rounds)).detach();
                    }
                    Err(error) => self.unreachable(&known, &error),
                }
            });
        }
        let (switch, veil) = (draw_from(reactor, 2) == 0, draw_from(reactor, 2) == 0);
        let flood = draw_from(reactor, 2) == 0;
        // More for a proxy, so that what it passes on has to wait.
        let bytes = draw_from(reactor, large * if self == Self::ProxySink { 40 } else { 8 });
        let connected = reactor.connect(to, move |transport| {
            let end = |role| end(transport, role);
            match self {
                Self::Monkey => watch(end("monkey"), "monkey", |end| Monkey::new(end, large)),
                Self::Lines => watch(end("lines"), "lines", |end| LineClient::new(end, veil, switch, large)),
                Self::Rude if flood => watch(end("flood"), "flood", Flood::new),
                Self::Rude | Self::Sink | Self::ProxySink => {
                    watch(end("source"), "source", |end| Source::new(end, bytes, false))
                }
                _ => watch(end("source"), "source", |end| Source::new(end, bytes, true)),
            }
        });
        self.settle(reactor, judge, connected);
    }

    /// Waits for a connect, or cancels it after a moment.
    fn settle(self, reactor: &Reactor, judge: &Rc<Judge>, connected: Deferred<Transport>) {
        if draw_from(reactor, 12) == 0 {
            let delay = Duration::from_micros(draw_from(reactor, 6000) as u64);
            let known = judge.clone();
            // What was made by then is aborted, so that its peer may see anything.
            let cancel = move || {
                known.get_rough();
                connected.cancel();
            };
            return reactor.call_later(delay, cancel).detach();
        }
        let (question, known) = (judge.ask("a connect"), judge.clone());
        connected.then(move |result| {
            question.answered();
            if let Err(error) = result {
                self.unreachable(&known, &error);
            }
        });
    }

    /// A connect has failed, which it may not when all is well. Some servers hang up before a client has heard that it
    /// is connected.
    fn unreachable(self, judge: &Rc<Judge>, error: &Error) {
        if !judge.is_rough() && !matches!(self, Self::Rude | Self::Monkey) {
            judge.breach(
                Invariant::Reasons,
                format!("nobody had disturbed it, and it cannot connect: {error}"),
            );
        }
    }
}

fn watch<P: Protocol>(end: End, name: &'static str, role: impl FnOnce(&End) -> P) -> Watched {
    let role = role(&end);
    Watched::new(&end, name, role)
}
