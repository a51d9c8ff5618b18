//! Code of the user's that runs when something is dropped may call every handle.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, bytes, to},
};
use bytes::Bytes;
use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use trenza_core::{Buf, ConnectionId, Flow, Layer, Limits, OutBuf, Reactor, Result, Transport, Wire};
use trenza_tests::{Header, Xor};

cases! {
    the_drop_of_a_guard_may_call_every_handle
    the_drop_of_a_protocol_may_call_every_handle
    the_drop_of_a_former_protocol_may_call_every_handle
    the_drop_of_a_timers_closure_may_call_every_handle
    the_drop_of_a_queued_call_may_call_every_handle
    the_drop_of_unsent_bytes_may_call_every_handle
    the_drop_of_sent_bytes_may_call_every_handle
    the_drop_of_small_bytes_may_call_every_handle
    the_drop_of_bytes_over_the_limit_may_call_every_handle
    the_drop_of_a_layer_may_call_every_handle
    the_drop_of_a_failed_layer_may_call_every_handle
    the_drop_of_unsent_bytes_of_a_failed_layer_may_call_every_handle
    the_drop_of_a_factory_may_call_every_handle
    the_drop_of_a_connects_closure_may_call_every_handle
    the_drop_of_a_coroutine_may_call_every_handle
    the_drop_of_a_callback_may_call_every_handle
    what_is_left_when_the_loop_ends_may_call_every_handle
}

/// Calls everything that a connection's handle has.
pub(crate) fn every_handle_method(transport: &Transport) {
    transport.write(b"drop");
    transport.write_bytes(Bytes::from_static(b"drop"));
    write!(transport, "drop").unwrap();
    transport.send(&mut OutBuf::new());
    transport.send_file(tempfile::tempfile().unwrap(), 0..0);
    transport.pause();
    transport.resume();
    transport.flushed().then(|_| ());
    transport.throttle(transport);
    transport.unthrottle(transport);
    transport.set_limits(Limits::default());
    transport.set_timeout(Some(Duration::from_secs(60)));
    transport.set_deadline(Some(Duration::from_secs(60)));
    transport.attach(Rc::new(()));
    transport.spawn(async { Ok(()) });
    transport.handle::<Plain>().call(|_, _| Ok(()));
    drop(transport.handle::<Plain>().call_later(Duration::ZERO, |_, _| Ok(())));
    transport.push_layer(Header::default());
    transport.switch_to(Plain);
    drop(transport.switch_to_stream());
    transport.close_write();
    transport.close();
    transport.abort();
    let _ = (transport.counts(), transport.is_full(), transport.is_open(), transport.limits());
    let _ = (transport.peer(), transport.id(), format!("{transport:?}"));
}

/// Calls everything that a reactor has, and leaves nothing.
fn every_reactor_method(reactor: &Reactor) {
    if let Ok(port) = reactor.listen("tcp:0:interface=127.0.0.1", |_| Plain) {
        port.pause();
        port.resume();
        port.stop().detach();
    }
    reactor.connect("tcp:127.0.0.1:1", |_| Plain).cancel();
    drop(reactor.open("tcp:127.0.0.1:1"));
    drop(reactor.call_later(Duration::ZERO, || ()));
    drop(reactor.spawn(async { Ok(()) }));
    drop(reactor.in_thread(|| Ok(())));
    let (deferred, resolver) = reactor.deferred::<()>();
    resolver.fire(Ok(()));
    drop(deferred);
    let (deferred, resolver) = reactor.remote_resolver::<()>();
    drop(resolver);
    drop(deferred);
    reactor.random(&mut [0; 4]);
    reactor.remote().call(|_| ());
    let _ = (reactor.now(), reactor.wall(), reactor.connections(), reactor.is_stopping());
    let _ = (Reactor::try_current(), format!("{reactor:?}"), reactor.sleep(Duration::ZERO));
    reactor.set_limits(Limits::default());
    reactor.set_connections_max(1000);
}

/// Does all of it when it is dropped, and counts that.
struct Busy {
    transports: Vec<Transport>,
    count: Count,
}

type Count = Arc<AtomicUsize>;

impl Drop for Busy {
    fn drop(&mut self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(reactor) = Reactor::try_current() {
            every_reactor_method(&reactor);
        }
        self.transports.iter().for_each(every_handle_method);
    }
}

/// The owner of some bytes. It may be sent to other threads, so it knows connections by name.
struct Owner {
    ids: Vec<ConnectionId>,
    count: Count,
    data: Vec<u8>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let Some(reactor) = Reactor::try_current() else { return };
        let found = self.ids.iter().filter_map(|id| reactor.connection(*id));
        drop(Busy { transports: found.collect(), count: self.count.clone() });
    }
}

/// A connection that things are dropped with, and another one; all handles are called of both.
struct Two {
    ground: Ground,
    srv: Transport,
    other: Transport,
    count: Count,
}

impl Two {
    async fn new(ground: &Ground) -> Result<Self> {
        let (srv, _) = ground.pair(Actor::new(ground, "srv"), Actor::new(ground, "cli")).await?;
        let (other, _) = ground.pair(Actor::new(ground, "other"), Actor::new(ground, "peer")).await?;
        Ok(Self { ground: ground.clone(), srv, other, count: Count::default() })
    }

    fn busy(&self) -> Busy {
        Busy { transports: vec![self.srv.clone(), self.other.clone()], count: self.count.clone() }
    }

    fn owned(&self, data: Vec<u8>) -> Bytes {
        let ids = vec![self.srv.id(), self.other.id()];
        Bytes::from_owner(Owner { ids, count: self.count.clone(), data })
    }

    /// The far end of `srv`.
    fn cli(&self) -> Transport {
        let all = self.ground.reactor().connections();
        all.into_iter().find(|one| one.peer().local == self.srv.peer().remote).unwrap()
    }

    /// The drop has happened, once, and everything has ended by it.
    async fn is_done(&self) -> Result {
        let count = || self.count.load(Ordering::Relaxed);
        self.ground.until(|| count() > 0).await;
        for who in ["srv", "cli", "other", "peer"] {
            self.ground.log().lost(who).await;
        }
        self.ground.settle().await;
        assert_eq!(count(), 1);
        Ok(())
    }
}

async fn the_drop_of_a_guard_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    two.srv.attach(two.busy());
    two.srv.close();
    two.is_done().await
}

async fn the_drop_of_a_protocol_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let busy = two.busy();
    two.srv.switch_to(Actor::new(&ground, "next").made(move |_| {
        let _ = &busy;
        Ok(())
    }));
    ground.log().heard("next", "made").await;
    two.srv.close();
    two.is_done().await
}

async fn the_drop_of_a_former_protocol_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let busy = two.busy();
    two.srv.switch_to(Actor::new(&ground, "next").made(move |_| {
        let _ = &busy;
        Ok(())
    }));
    two.srv.switch_to(Plain);
    two.is_done().await
}

async fn the_drop_of_a_timers_closure_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let busy = two.busy();
    let timer = ground.reactor().call_later(Duration::from_secs(60), move || drop(busy));
    drop(timer);
    two.is_done().await
}

async fn the_drop_of_a_queued_call_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let busy = two.busy();
    two.srv.abort();
    two.srv.handle::<Actor>().call(move |_, _| {
        drop(busy);
        panic!("the connection is gone")
    });
    two.is_done().await
}

async fn the_drop_of_unsent_bytes_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    two.srv.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    let cli = two.cli();
    cli.pause();
    two.srv.write_bytes(two.owned(bytes(ground.plenty())));
    ground.settle().await;
    assert_eq!(two.count.load(Ordering::Relaxed), 0);
    two.srv.abort();
    cli.resume();
    two.is_done().await
}

async fn the_drop_of_sent_bytes_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    two.srv.write_bytes(two.owned(bytes(10_000)));
    two.is_done().await
}

async fn the_drop_of_small_bytes_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    two.srv.write_bytes(two.owned(bytes(10)));
    two.is_done().await
}

async fn the_drop_of_bytes_over_the_limit_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    two.srv.set_limits(Limits { unsent: 10, ..Limits::default() });
    two.srv.write_bytes(two.owned(bytes(1000)));
    two.is_done().await
}

/// A layer that does nothing but hold something, and fails when it is told to.
struct Holding(#[allow(dead_code, reason = "held for its drop")] Busy);

impl Layer for Holding {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        if wire.bytes().contains(&b'!') {
            return Err("told to".into());
        }
        up.push(wire.bytes());
        wire.consume(usize::MAX);
        Ok(Flow::More)
    }

    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        down.append(plain);
        Ok(())
    }

    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
}

async fn the_drop_of_a_layer_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    two.srv.push_layer(Holding(two.busy()));
    ground.settle().await;
    two.srv.close();
    two.is_done().await
}

async fn the_drop_of_a_failed_layer_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    two.srv.push_layer(Holding(two.busy()));
    two.srv.write(b"hello");
    ground.log().received("cli", 5).await;
    two.cli().write(b"!");
    two.is_done().await
}

async fn the_drop_of_unsent_bytes_of_a_failed_layer_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    // The layer above never becomes ready, so what is written waits; then it fails.
    two.srv.push_layer(Xor::server(1));
    two.srv.write_bytes(two.owned(bytes(1000)));
    ground.settle().await;
    two.cli().write(b"no record");
    two.is_done().await
}

async fn the_drop_of_a_factory_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let busy = two.busy();
    let port = ground.listen(move |_| {
        let _ = &busy;
        Plain
    });
    ground.settle().await;
    port.stop().detach();
    two.is_done().await
}

async fn the_drop_of_a_connects_closure_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let port = ground.listen(|_| Plain);
    let to = to(&port);
    port.stop().await?;
    let busy = two.busy();
    let refused = ground.reactor().connect(&to, move |_| {
        drop(busy);
        Plain
    });
    refused.await.unwrap_err();
    two.is_done().await
}

async fn the_drop_of_a_coroutine_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let busy = two.busy();
    two.srv.spawn(async move {
        std::future::pending::<()>().await;
        drop(busy);
        Ok(())
    });
    ground.settle().await;
    two.srv.close();
    two.is_done().await
}

async fn the_drop_of_a_callback_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let busy = two.busy();
    let (deferred, resolver) = ground.reactor().deferred::<()>();
    deferred.then_in(two.srv.handle::<Actor>(), move |_, _, _| {
        drop(busy);
        panic!("its connection is gone")
    });
    two.srv.close();
    two.is_done().await?;
    assert!(resolver.is_cancelled());
    Ok(())
}

/// Everything that may still be there when the loop ends is dropped with it.
async fn what_is_left_when_the_loop_ends_may_call_every_handle(ground: Ground) -> Result {
    let two = Two::new(&ground).await?;
    let count = two.count.clone();
    let reactor = ground.reactor().clone();
    let busy = two.busy();
    reactor.call_later(Duration::from_secs(3600), move || drop(busy)).detach();
    let busy = two.busy();
    let forever = async move {
        std::future::pending::<()>().await;
        drop(busy);
        Ok(())
    };
    reactor.spawn(forever).detach();
    let seen = count.clone();
    ground.after_loop(move || assert_eq!(seen.load(Ordering::Relaxed), 2));
    reactor.stop();
    Ok(())
}
