//! Engines on threads of their own, which reach each other's connections by name.
#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_types, clippy::disallowed_methods)]

#[macro_use]
mod common;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};
use trenza_core::{ConnectionId, Engine, Input, Left, Protocol, Reactor, Remote, Result, Transport};
use trenza_sys::DriverKind;

cases! {
    connections_of_two_loops_reach_each_other_by_their_ids
}

const DEADLINE: Duration = Duration::from_secs(30);

/// Whom to pass bytes on to: a connection of another loop.
type Peer = (Remote, ConnectionId);

/// Says who it is, then passes what it receives on to a connection of another loop.
struct Bridge {
    names: mpsc::Sender<ConnectionId>,
    peer: Option<Peer>,
}

impl Protocol for Bridge {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        Ok(self.names.send(transport.id())?)
    }
    fn data_received(&mut self, transport: &Transport, input: &mut Input<'_>) -> Result {
        let (remote, id) = self.peer.clone().ok_or("no peer yet")?;
        let (said, own) = (input.rest().to_vec(), transport.id());
        // The other loop's connections are not this one's, though their places in the tables are the same.
        assert!(transport.reactor().connection(id).is_none());
        assert!(transport.reactor().connection(own).is_some());
        let answer = ask(transport.reactor(), &remote, move |other| {
            assert!(other.connection(own).is_none());
            other.connection(id).map(|peer| peer.write(&said)).is_some()
        });
        answer.then_in(transport.handle::<Self>(), |_, transport, known| {
            if !known? {
                transport.write(b"nobody");
                transport.close();
            }
            Ok(())
        });
        Ok(())
    }
}

/// Has another loop answer.
fn ask<T: Send + 'static>(
    reactor: &Reactor,
    of: &Remote,
    question: impl FnOnce(&Reactor) -> T + Send + 'static,
) -> trenza_core::Deferred<T> {
    let (answer, resolver) = reactor.remote_resolver();
    of.call(move |other| resolver.fire(Ok(question(other))));
    answer
}

/// An engine on its thread: where it listens, the way in, and the connections that it accepts.
struct Loop {
    addr: SocketAddr,
    remote: Remote,
    names: mpsc::Receiver<ConnectionId>,
    thread: JoinHandle<Left>,
}

fn start(kind: DriverKind) -> Loop {
    let (tell, told) = mpsc::channel();
    let (names, accepted) = mpsc::channel();
    let run = move || {
        let mut engine = Engine::new(kind.driver().unwrap());
        let bridge = move |_: &Transport| Bridge { names: names.clone(), peer: None };
        let port = engine.enter(|reactor| reactor.listen("tcp:0:interface=127.0.0.1", bridge)).unwrap();
        let addr = SocketAddr::new(port.addr().ip().unwrap(), port.addr().port().unwrap());
        tell.send((addr, engine.reactor().remote())).unwrap();
        drop(port);
        while engine.dispatch() {
            let until = engine.until();
            engine.driver().wait(until).unwrap();
        }
        engine.left()
    };
    let thread = thread::spawn(run);
    let (addr, remote) = told.recv_timeout(DEADLINE).unwrap();
    Loop { addr, remote, names: accepted, thread }
}

fn client(of: &Loop) -> (TcpStream, ConnectionId) {
    let client = TcpStream::connect(of.addr).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    (client, of.names.recv_timeout(DEADLINE).unwrap())
}

/// Has a connection pass its bytes on to another loop's.
fn bridge(from: &Loop, id: ConnectionId, to: &Loop, peer: ConnectionId) {
    let peer = (to.remote.clone(), peer);
    let (tell, told) = mpsc::channel();
    assert!(from.remote.call(move |reactor| {
        let handle = reactor.connection(id).unwrap().handle::<Bridge>();
        handle.call(move |bridge, _| {
            bridge.peer = Some(peer);
            Ok(tell.send(())?)
        });
    }));
    told.recv_timeout(DEADLINE).unwrap();
}

fn says(client: &mut TcpStream, what: &[u8]) {
    let mut heard = vec![0; what.len()];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(heard, what);
}

fn connections_of_two_loops_reach_each_other_by_their_ids(kind: DriverKind) {
    let (one, two) = (start(kind), start(kind));
    let ((mut ann, a), (mut bob, b)) = (client(&one), client(&two));
    assert_ne!(a, b);
    bridge(&one, a, &two, b);
    bridge(&two, b, &one, a);
    for _ in 0..100 {
        ann.write_all(b"ping").unwrap();
        says(&mut bob, b"ping");
        bob.write_all(b"pong!").unwrap();
        says(&mut ann, b"pong!");
    }
    // The place of a connection that has ended is given to another one; its name is not.
    bob.shutdown(std::net::Shutdown::Both).unwrap();
    drop(bob);
    let (next, c) = client(&two);
    assert_ne!(b, c);
    loop {
        let (tell, told) = mpsc::channel();
        two.remote.call(move |reactor| tell.send(reactor.connection(b).is_none()).unwrap());
        if told.recv_timeout(DEADLINE).unwrap() {
            break;
        }
        thread::yield_now();
    }
    ann.write_all(b"still there?").unwrap();
    says(&mut ann, b"nobody");
    drop((ann, next));
    for each in [one, two] {
        assert!(each.remote.call(Reactor::stop));
        let left = each.thread.join().unwrap();
        assert_eq!((left.connections, left.ports), (0, 0));
        assert!(!each.remote.call(|_| ()), "the loop is gone");
    }
}
