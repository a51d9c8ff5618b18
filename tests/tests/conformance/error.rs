//! Errors and panics: whatever goes wrong costs the one connection that it belongs to.

use crate::{
    actor::{Actor, Plain},
    drivers::ON_PURPOSE,
    ground::{Ground, bytes, to},
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use trenza_core::{
    Buf, Factory, Flow, Input, IntoEndpoint, Layer, Limits, OutBuf, Protocol, Reason, Result, Timeout,
    Transport, Wire,
};

cases! {
    an_error_of_any_callback_aborts_its_connection
    a_panic_in_any_callback_loses_its_connection
    a_panic_while_lost_is_contained
    a_panic_while_lost_by_a_switch_leaves_the_connection_to_the_next
    a_panic_in_build_loses_the_connection_and_the_port_goes_on
    a_panic_in_the_build_of_a_connect_is_its_error
    a_panic_in_a_queued_call_loses_its_connection
    a_panic_in_a_deferred_callback_loses_no_connection
    a_panic_in_then_in_loses_its_connection
    a_panic_in_any_method_of_a_layer_loses_its_connection
    a_panic_while_layers_are_made_loses_the_connection
    a_panic_in_the_drop_of_a_protocol_is_contained
    a_panic_in_the_drop_of_a_guard_spares_the_other_guards
    a_panic_in_the_drop_of_a_layer_is_contained
    a_panic_in_the_drop_of_a_factory_is_contained
    a_panic_in_a_factory_that_is_stopped_is_contained
    a_panic_in_the_drop_of_a_task_is_contained
    a_panic_in_on_cancel_is_contained
    an_error_drops_what_was_not_sent
    the_first_reason_counts
    what_was_queued_behind_a_panic_still_happens
}

/// Where a protocol goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Made,
    Data,
    Eof,
    Writable,
    TimedOut,
    Stopping,
}

const EVERYWHERE: [At; 6] = [At::Made, At::Data, At::Eof, At::Writable, At::TimedOut, At::Stopping];

/// Goes wrong at one place.
struct Wrong {
    ground: Ground,
    at: At,
    panics: bool,
}

impl Wrong {
    fn here(&self, at: At) -> Result {
        match self.at == at {
            true if self.panics => panic!("{ON_PURPOSE}"),
            true => Err(format!("{at:?}").into()),
            false => Ok(()),
        }
    }
}

impl Protocol for Wrong {
    fn connection_made(&mut self, _: &Transport) -> Result {
        self.here(At::Made)
    }
    fn data_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.here(At::Data)
    }
    fn eof_received(&mut self, _: &Transport, _: &mut Input<'_>) -> Result {
        self.here(At::Eof)
    }
    fn writable(&mut self, _: &Transport) -> Result {
        self.here(At::Writable)
    }
    fn timed_out(&mut self, _: &Transport, _: Timeout) -> Result {
        self.here(At::TimedOut)
    }
    fn stopping(&mut self, _: &Transport) -> Result {
        self.here(At::Stopping)
    }
    fn connection_lost(&mut self, _: &Transport, reason: &Reason) {
        self.ground.log().note("srv", format!("{:?} lost {}", self.at, crate::actor::told(reason)));
    }
}

/// Has each callback go wrong in turn, beside a connection that lives on; gives what the protocols heard.
async fn everywhere(ground: &Ground, panics: bool) -> Result<Vec<String>> {
    let bystander = ground.pair(Actor::new(ground, "bystander"), Plain).await?;
    for at in EVERYWHERE {
        let inner = ground.clone();
        let port = ground.listen(move |_| Wrong { ground: inner.clone(), at, panics });
        let cli = Actor::new(ground, "cli").stays();
        let count = ground.log().of("srv").len();
        let cli = match ground.reactor().connect(&to(&port), |_| cli).await {
            Ok(cli) => cli,
            // It went wrong before the client knew that it was connected.
            Err(error) if at == At::Made && error.to_string().contains("reset") => continue,
            Err(error) => return Err(error),
        };
        match at {
            At::Made => {}
            At::Data => cli.write(b"x"),
            At::Eof => cli.close_write(),
            At::Writable => {
                let srv = accepted(ground, &cli).await;
                srv.set_limits(Limits { high: 10, low: 0, ..Limits::default() });
                srv.write(&bytes(1000));
            }
            At::TimedOut => accepted(ground, &cli).await.set_timeout(Some(Duration::from_millis(1))),
            At::Stopping => {
                accepted(ground, &cli).await;
                port.stop().detach();
            }
        }
        ground.log().until(|log| log.of("srv").len() > count).await;
        cli.abort();
    }
    bystander.1.write(b"still here");
    ground.log().received("bystander", 10).await;
    bystander.1.close();
    Ok(ground.log().of("srv"))
}

/// The far end of a connection.
async fn accepted(ground: &Ground, cli: &Transport) -> Transport {
    let local = cli.peer().local.clone();
    let find = || ground.reactor().connections().into_iter().find(|one| one.peer().remote == local);
    ground.until(|| find().is_some()).await;
    find().unwrap()
}

async fn an_error_of_any_callback_aborts_its_connection(ground: Ground) -> Result {
    let heard = everywhere(&ground, false).await?;
    assert_eq!(heard, EVERYWHERE.map(|at| format!("{at:?} lost Failed({at:?})")));
    Ok(())
}

async fn a_panic_in_any_callback_loses_its_connection(ground: Ground) -> Result {
    let heard = everywhere(&ground, true).await?;
    assert_eq!(heard, EVERYWHERE.map(|at| format!("{at:?} lost Panicked")));
    Ok(())
}

async fn a_panic_while_lost_is_contained(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").lost(|_, _| panic!("{ON_PURPOSE}"));
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    let guarded = ground.log().clone();
    srv.attach(OnDrop(Some(move || guarded.note("guard", "dropped"))));
    cli.close();
    ground.log().heard("guard", "dropped").await;
    assert_eq!(ground.log().lost("cli").await, "Closed");
    Ok(())
}

async fn a_panic_while_lost_by_a_switch_leaves_the_connection_to_the_next(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").lost(|_, _| panic!("{ON_PURPOSE}"));
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.switch_to(Actor::new(&ground, "next"));
    cli.write(b"hello");
    ground.log().received("next", 5).await;
    cli.close();
    assert_eq!(ground.log().lost("next").await, "PeerClosed");
    Ok(())
}

async fn a_panic_in_build_loses_the_connection_and_the_port_goes_on(ground: Ground) -> Result {
    let mut first = true;
    let port = ground.listen(move |_| {
        assert!(!std::mem::take(&mut first), "{ON_PURPOSE}");
        Plain
    });
    let cli = Actor::new(&ground, "cli");
    match ground.reactor().connect(&to(&port), |_| cli).await {
        Ok(_) => assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)"),
        Err(error) => assert!(error.to_string().contains("reset"), "{error}"),
    }
    ground.until(|| port.connections() == 0).await;
    let next = ground.reactor().connect(&to(&port), |_| Plain).await?;
    ground.until(|| port.connections() == 1).await;
    next.close();
    Ok(())
}

async fn a_panic_in_the_build_of_a_connect_is_its_error(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let connect = ground.reactor().connect(&to(&port), |_| -> Plain { panic!("{ON_PURPOSE}") });
    let error = connect.await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Reason::Panicked)), "{error:?}");
    Ok(())
}

/// Two connections of which the first is going to be lost.
async fn two(ground: &Ground) -> Result<(Transport, Transport)> {
    let (srv, _) = ground.pair(Actor::new(ground, "srv"), Plain).await?;
    let (other, _) = ground.pair(Actor::new(ground, "other"), Plain).await?;
    Ok((srv, other))
}

async fn a_panic_in_a_queued_call_loses_its_connection(ground: Ground) -> Result {
    let (srv, other) = two(&ground).await?;
    srv.handle::<Actor>().call(|_, _| panic!("{ON_PURPOSE}"));
    assert_eq!(ground.log().lost("srv").await, "Panicked");
    assert!(other.is_open());
    other.close();
    Ok(())
}

async fn a_panic_in_a_deferred_callback_loses_no_connection(ground: Ground) -> Result {
    let (srv, other) = two(&ground).await?;
    let (deferred, resolver) = ground.reactor().deferred();
    deferred.then(|_: Result| panic!("{ON_PURPOSE}"));
    resolver.fire(Ok(()));
    ground.settle().await;
    assert!(srv.is_open() && other.is_open());
    srv.close();
    other.close();
    Ok(())
}

async fn a_panic_in_then_in_loses_its_connection(ground: Ground) -> Result {
    let (srv, other) = two(&ground).await?;
    let (deferred, resolver) = ground.reactor().deferred::<()>();
    deferred.then_in(srv.handle::<Actor>(), |_, _, _| panic!("{ON_PURPOSE}"));
    resolver.fire(Ok(()));
    assert_eq!(ground.log().lost("srv").await, "Panicked");
    assert!(other.is_open());
    other.close();
    Ok(())
}

/// A layer that changes nothing, and panics at one place.
struct Panicking(&'static str);

impl Panicking {
    fn at(&self, place: &str) {
        assert!(self.0 != place, "{ON_PURPOSE}");
    }
}

impl Layer for Panicking {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        self.at("decode");
        up.push(wire.bytes());
        wire.consume(usize::MAX);
        Ok(Flow::More)
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        self.at("encode");
        down.append(plain);
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        self.at("eof");
        Ok(())
    }
    fn close_write(&mut self, _: &mut OutBuf) {
        self.at("close_write");
    }
    fn ready(&self) -> bool {
        self.at("ready");
        true
    }
    fn describe(&self, _: &mut trenza_core::Peer) {
        self.at("describe");
    }
}

async fn a_panic_in_any_method_of_a_layer_loses_its_connection(ground: Ground) -> Result {
    let bystander = ground.pair(Actor::new(&ground, "bystander"), Plain).await?;
    for place in ["decode", "encode", "eof", "close_write", "ready", "describe"] {
        let count = ground.log().of("srv").len();
        let (srv, cli) = ground.pair(Actor::new(&ground, "srv").stays(), Plain).await?;
        srv.push_layer(Panicking(place));
        cli.write(b"x");
        srv.write(b"x");
        cli.close_write();
        if place == "close_write" {
            srv.close_write();
        }
        ground.log().until(|log| log.of("srv").iter().skip(count).any(|line| line == "lost Panicked")).await;
    }
    bystander.1.write(b"still here");
    ground.log().received("bystander", 10).await;
    bystander.1.close();
    Ok(())
}

async fn a_panic_while_layers_are_made_loses_the_connection(ground: Ground) -> Result {
    let mut panics = true;
    let panics = Cell::new(std::mem::take(&mut panics));
    let on = "tcp:0:interface=127.0.0.1".into_endpoint()?.layered(move || {
        assert!(!panics.take(), "{ON_PURPOSE}");
        Vec::new()
    });
    let port = ground.listen_on(on, |_| Plain)?;
    let cli = Actor::new(&ground, "cli");
    match ground.reactor().connect(&to(&port), |_| cli).await {
        Ok(_) => assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)"),
        Err(error) => assert!(error.to_string().contains("reset"), "{error}"),
    }
    let next = ground.reactor().connect(&to(&port), |_| Plain).await?;
    ground.until(|| port.connections() == 1).await;
    next.close();
    Ok(())
}

/// Does this when it is dropped.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|f| f());
    }
}

fn bomb() -> OnDrop<impl FnOnce()> {
    OnDrop(Some(|| panic!("{ON_PURPOSE}")))
}

async fn a_panic_in_the_drop_of_a_protocol_is_contained(ground: Ground) -> Result {
    let (srv, other) = two(&ground).await?;
    let held = bomb();
    srv.switch_to(Actor::new(&ground, "next").made(move |_| {
        let _ = &held;
        Ok(())
    }));
    ground.log().heard("next", "made").await;
    // By a switch, which leaves the connection to the one behind it.
    srv.switch_to(Actor::new(&ground, "last"));
    ground.log().heard("last", "made").await;
    let held = bomb();
    srv.switch_to(Actor::new(&ground, "again").made(move |_| {
        let _ = &held;
        Ok(())
    }));
    ground.log().heard("again", "made").await;
    srv.close();
    assert_eq!(ground.log().lost("again").await, "Closed");
    ground.settle().await;
    assert!(other.is_open());
    other.close();
    Ok(())
}

async fn a_panic_in_the_drop_of_a_guard_spares_the_other_guards(ground: Ground) -> Result {
    let (srv, other) = two(&ground).await?;
    srv.attach(bomb());
    let log = ground.log().clone();
    srv.attach(OnDrop(Some(move || log.note("guard", "dropped"))));
    let flushed = srv.flushed();
    srv.write(b"x");
    srv.close();
    ground.log().heard("guard", "dropped").await;
    flushed.await?;
    assert!(other.is_open());
    other.close();
    Ok(())
}

async fn a_panic_in_the_drop_of_a_layer_is_contained(ground: Ground) -> Result {
    struct Held(#[allow(dead_code, reason = "held for its drop")] Box<dyn std::any::Any>);
    impl Layer for Held {
        fn decode(&mut self, _: &mut Wire<'_>, _: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
            Err("no".into())
        }
        fn encode(&mut self, _: &mut OutBuf, _: &mut OutBuf) -> Result {
            Ok(())
        }
        fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
            Ok(())
        }
    }
    for fails in [false, true] {
        let (srv, other) = two(&ground).await?;
        srv.push_layer(Held(Box::new(bomb())));
        ground.settle().await;
        let count = ground.log().of("srv").len();
        if fails {
            let cli = ground.reactor().connections();
            cli.iter().find(|one| one.peer().local == srv.peer().remote).unwrap().write(b"x");
        } else {
            srv.abort();
        }
        ground.log().until(|log| log.of("srv").len() > count).await;
        assert!(other.is_open());
        other.close();
    }
    Ok(())
}

async fn a_panic_in_the_drop_of_a_factory_is_contained(ground: Ground) -> Result {
    let held = bomb();
    let port = ground.listen(move |_| {
        let _ = &held;
        Plain
    });
    let cli = ground.reactor().connect(&to(&port), |_| Plain).await?;
    ground.until(|| port.connections() == 1).await;
    let stopped = port.stop();
    cli.close();
    stopped.await
}

async fn a_panic_in_a_factory_that_is_stopped_is_contained(ground: Ground) -> Result {
    struct Stubborn;
    impl Factory for Stubborn {
        fn build(&mut self, _: &Transport) -> Option<Box<dyn Protocol>> {
            None
        }
        fn stopped(&mut self) {
            panic!("{ON_PURPOSE}")
        }
    }
    let port = ground.reactor().listen_with("tcp:0:interface=127.0.0.1", Stubborn)?;
    ground.settle().await;
    port.stop().await
}

async fn a_panic_in_the_drop_of_a_task_is_contained(ground: Ground) -> Result {
    let (srv, other) = two(&ground).await?;
    let held = bomb();
    srv.spawn(async move {
        std::future::pending::<()>().await;
        drop(held);
        Ok(())
    });
    let held = bomb();
    let task = ground.reactor().spawn(async move {
        std::future::pending::<()>().await;
        drop(held);
        Ok(())
    });
    ground.turn().await;
    drop(task);
    srv.close();
    ground.log().lost("srv").await;
    ground.settle().await;
    assert!(other.is_open());
    other.close();
    Ok(())
}

async fn a_panic_in_on_cancel_is_contained(ground: Ground) -> Result {
    let (srv, other) = two(&ground).await?;
    let (first, first_resolver) = ground.reactor().deferred::<()>();
    let (second, second_resolver) = ground.reactor().deferred::<()>();
    first_resolver.on_cancel(|| panic!("{ON_PURPOSE}"));
    let held = bomb();
    first.then_in(srv.handle::<Actor>(), move |_, _, _| {
        drop(held);
        Ok(())
    });
    let log = ground.log().clone();
    second_resolver.on_cancel(move || log.note("second", "cancelled"));
    second.then_in(srv.handle::<Actor>(), |_, _, _| Ok(()));
    srv.close();
    ground.log().heard("second", "cancelled").await;
    assert!(other.is_open());
    other.close();
    Ok(())
}

async fn an_error_drops_what_was_not_sent(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|transport, _| {
        transport.write(b"never");
        Err("no".into())
    });
    let (_, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    cli.write(b"x");
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    assert_eq!(ground.log().count("cli"), 0);
    Ok(())
}

async fn the_first_reason_counts(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|transport, _| {
        transport.close();
        transport.abort();
        transport.set_limits(Limits { unsent: 0, ..Limits::default() });
        transport.write(b"too much");
        Err("no".into())
    });
    let (_, cli) = ground.pair(srv, Plain).await?;
    cli.write(b"x");
    assert_eq!(ground.log().lost("srv").await, "Aborted");
    Ok(())
}

async fn what_was_queued_behind_a_panic_still_happens(ground: Ground) -> Result {
    let (srv, other) = two(&ground).await?;
    let order = Rc::new(RefCell::new(Vec::new()));
    for n in 0..10 {
        let order = order.clone();
        let to = if n == 4 { &srv } else { &other };
        to.handle::<Actor>().call(move |_, _| {
            assert!(n != 4, "{ON_PURPOSE}");
            order.borrow_mut().push(n);
            Ok(())
        });
    }
    ground.log().lost("srv").await;
    ground.settle().await;
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    other.close();
    Ok(())
}
