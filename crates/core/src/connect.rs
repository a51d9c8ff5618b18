//! Connecting: what a `connect` begins with, and the error that it ends with.

use crate::{
    Addr, ConnectTo, Connecting, Deferred, Error, Prepare, Protocol, Reactor, Reason, Transport,
    engine::command::Command,
    race::{Build, Race},
    shared::Stop,
    task::Task,
};
use std::{collections::VecDeque, fmt, io, mem, net::SocketAddr, panic::Location, rc::Rc};

/// Starts to connect.
pub(crate) fn connect<P: Protocol>(
    asked: &'static Location<'static>,
    reactor: &Reactor,
    mut place: Connecting,
    build: impl FnOnce(&Transport) -> P + 'static,
) -> Deferred<Transport> {
    if reactor.0.stop.get() == Stop::Begun {
        return reactor.fired(Err(Reason::Stopped.into()));
    }
    let datagrams = match place.to {
        ConnectTo::Datagrams { .. } => Some("udp"),
        ConnectTo::UnixDatagrams(_) => Some("unix-datagram"),
        _ => None,
    };
    if let Some(kind) = datagrams {
        let what = format!("{kind}:{} is for datagrams: Reactor::udp_connect takes it", place.shown);
        return reactor.fired(Err(what.into()));
    }
    let (deferred, resolver) = reactor.deferred();
    let build: Build = Box::new(move |transport| Box::new(build(transport)));
    let to = mem::replace(&mut place.to, ConnectTo::Addresses(Vec::new()));
    let first = mem::take(&mut place.first);
    let race = Race::new(asked, reactor, place, build, resolver);
    reactor.0.add_race(&race);
    prepare(reactor, race, first, to);
    deferred
}

/// Does what must be done first, one after the other; then the race begins.
fn prepare(reactor: &Reactor, race: Rc<Race>, first: VecDeque<Prepare>, to: ConnectTo) {
    if first.is_empty() {
        return begin(reactor, race, to);
    }
    let (shared, reactor, preparing) = (reactor.0.clone(), reactor.clone(), race.clone());
    let task = Task::new(&shared, async move {
        for next in first {
            if let Err(error) = next(&reactor).await {
                return preparing.end(Err(error));
            }
        }
        if !preparing.is_over() {
            begin(&reactor, preparing, to);
        }
    });
    race.hold(task.cancel_on_drop(&shared));
    shared.command(Command::Spawn(task));
}

fn begin(reactor: &Reactor, race: Rc<Race>, to: ConnectTo) {
    match to {
        ConnectTo::Name { host, port } => reactor.lookup(&host, port).then(move |found| match found {
            Ok(addresses) => race.begin(addresses),
            Err(error) => race.end(Err(error)),
        }),
        ConnectTo::Addresses(addresses) => {
            reactor.0.command(Command::Run(Box::new(move || race.begin_with(addresses))));
        }
        ConnectTo::Datagrams { .. } | ConnectTo::UnixDatagrams(_) => {}
        ConnectTo::Stream(make) => {
            let shared = &reactor.0;
            shared.asked.set(Some(race.asked));
            let made = make(reactor);
            shared.asked.set(None);
            let making = race.clone();
            let task = Task::new(shared, async move { making.adopt(made.await) });
            race.hold(task.cancel_on_drop(shared));
            shared.command(Command::Spawn(task));
        }
    }
}

/// Sorts addresses so that families alternate, beginning with that of the first (RFC 8305 section 4).
pub(crate) fn by_families(found: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first = found.first().is_some_and(SocketAddr::is_ipv6);
    let (these, those): (Vec<_>, Vec<_>) = found.into_iter().partition(|to| to.is_ipv6() == first);
    let (mut these, mut those) = (these.into_iter(), those.into_iter());
    let mut sorted = VecDeque::new();
    loop {
        let pair = [these.next(), those.next()];
        if pair == [None, None] {
            return sorted;
        }
        for to in pair.into_iter().flatten() {
            if !sorted.contains(&to) {
                sorted.push_back(to);
            }
        }
    }
}

/// Why an endpoint could not be connected to. It stands within the [`io::Error`] of a connect that has tried addresses
/// ([`io::Error::get_ref`]), whose text names the endpoint, each address and its cause.
#[derive(Debug)]
pub struct ConnectError {
    /// The name or address, and the port; of other kinds of endpoints what they are called.
    pub to: String,
    /// The addresses that were tried, in the order in which they failed, and why each did. After a time that ran out
    /// come those that had not answered by then.
    pub tried: Vec<(Addr, Error)>,
}

impl ConnectError {
    pub(crate) fn new(to: &str, tried: Vec<(Addr, Error)>) -> Self {
        Self { to: to.into(), tried }
    }

    pub(crate) fn of_kind(self, kind: io::ErrorKind) -> Error {
        io::Error::new(kind, self).into()
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: ", self.to)?;
        for (n, (to, error)) in self.tried.iter().enumerate() {
            f.write_str(if n > 0 { "; " } else { "" })?;
            if to.to_string() != self.to {
                write!(f, "{to}: ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {}

/// A layer's error that concerns every address of a connect alike, as a proxy's refusal does: no other address is tried,
/// and the connect ends with the error that is in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Conclusive(pub Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_the_first_stays_first() {
        let [a, b, c] = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"].map(|ip| ip.parse().unwrap());
        let [x, y] = ["[::1]:1", "[::2]:1"].map(|ip| ip.parse().unwrap());
        for (found, sorted) in [
            (vec![], vec![]),
            (vec![a, b], vec![a, b]),
            (vec![a, b, c, x, y], vec![a, x, b, y, c]),
            (vec![x, y, a, b, c], vec![x, a, y, b, c]),
            (vec![x, a, x, a, b, x], vec![x, a, b]),
        ] {
            assert_eq!(by_families(found), sorted);
        }
    }
}
