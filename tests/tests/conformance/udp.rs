//! UDP ports: how they begin and end, who is told what, and what handles do.

use crate::{
    drivers::ON_PURPOSE,
    ground::Ground,
    post::{Post, socket_addr},
};
use std::{cell::Cell, io, rc::Rc, time::Duration};
use trenza_core::{IntoEndpoint, Limits, Outgoing, Reactor, Result, UdpPort};

cases! {
    a_udp_port_starts_once_and_stops_once
    what_is_sent_before_the_port_has_started_leaves
    closing_sends_what_was_sent_before_and_hears_nothing_more
    a_closed_udp_port_takes_nothing_more
    an_error_of_a_callback_ends_the_udp_port
    an_error_at_the_start_ends_the_udp_port
    a_panic_of_a_callback_ends_the_udp_port
    a_panic_when_it_stops_is_contained
    stopping_the_loop_is_told_to_udp_ports
    a_udp_port_that_goes_on_is_stopped_at_the_end_of_the_grace
    a_call_reaches_the_datagram_protocol_in_order
    a_call_to_another_type_is_dropped
    a_timer_of_a_udp_handle_fires_and_is_cancelled_when_dropped
    a_result_comes_to_the_datagram_protocol
    a_result_for_a_udp_port_that_has_ended_is_cancelled
    over_the_unsent_limit_datagrams_are_dropped_and_counted
    a_full_udp_port_hears_that_there_is_room_again
    a_producer_of_datagrams_is_driven_by_writable
    a_taken_udp_port_is_an_error_that_names_the_endpoint
    a_udp_port_may_be_bound_again_after_the_end
    two_may_share_a_udp_port_if_both_say_so
    endpoints_of_streams_and_of_datagrams_are_not_mixed_up
    a_udp_port_made_while_the_loop_stops_is_stopped
    a_protocol_is_dropped_after_it_was_stopped
    options_that_cannot_be_set_are_errors_that_name_them
}

async fn a_udp_port_starts_once_and_stops_once(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    ground.log().heard("srv", "started").await;
    port.close();
    port.close();
    ground.log().heard("srv", "stopped closed").await;
    ground.settle().await;
    assert_eq!(ground.log().of("srv"), ["started", "stopped closed"]);
    Ok(())
}

async fn what_is_sent_before_the_port_has_started_leaves(ground: Ground) -> Result {
    let srv = ground.udp(Post::new(&ground, "srv"))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    assert!(cli.send_to(&srv.addr(), b"early"));
    ground.log().heard("srv", "got early").await;
    Ok(())
}

async fn closing_sends_what_was_sent_before_and_hears_nothing_more(ground: Ground) -> Result {
    let (inner, log) = (ground.clone(), ground.log().clone());
    let srv = ground.udp(Post::new(&ground, "srv").got(move |port, datagram| {
        inner.log().note("srv", format!("got {}", String::from_utf8_lossy(datagram.data)));
        port.send(datagram.answer(b"bye"));
        port.close();
        Ok(())
    }))?;
    let to = srv.addr();
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    for text in ["one", "two", "three"] {
        cli.send_to(&to, text.as_bytes());
    }
    log.heard("cli", "got bye").await;
    log.heard("srv", "stopped closed").await;
    assert_eq!(log.of("srv"), ["started", "got one", "stopped closed"]);
    Ok(())
}

async fn a_closed_udp_port_takes_nothing_more(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    let own = port.addr();
    assert!(port.is_open());
    port.close();
    assert!(!port.is_open() && !port.send_to(&own, b"late"));
    ground.log().heard("srv", "stopped closed").await;
    assert!(!port.send_to(&own, b"later"));
    assert_eq!((port.counts().dropped, port.counts().sent, port.counts().unsent), (2, 0, 0));
    Ok(())
}

async fn an_error_of_a_callback_ends_the_udp_port(ground: Ground) -> Result {
    let srv = ground.udp(Post::new(&ground, "srv").got(|port, datagram| {
        port.send(datagram.answer(b"is dropped"));
        Err("not with me".into())
    }))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    cli.send_to(&srv.addr(), b"hello");
    ground.log().heard("srv", "stopped not with me").await;
    ground.settle().await;
    assert_eq!(ground.log().of("cli"), ["started"]);
    assert_eq!((srv.counts().sent, srv.counts().dropped), (0, 1));
    Ok(())
}

async fn an_error_at_the_start_ends_the_udp_port(ground: Ground) -> Result {
    ground.udp(Post::new(&ground, "srv").started(|_| Err("not today".into())))?;
    ground.log().heard("srv", "stopped not today").await;
    assert_eq!(ground.log().of("srv"), ["started", "stopped not today"]);
    Ok(())
}

async fn a_panic_of_a_callback_ends_the_udp_port(ground: Ground) -> Result {
    let srv = ground.udp(Post::new(&ground, "srv").got(|_, _| panic!("{ON_PURPOSE}")))?;
    let other = ground.udp(Post::new(&ground, "other"))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    cli.send_to(&srv.addr(), b"hello");
    cli.send_to(&other.addr(), b"hello");
    ground.log().heard("srv", "stopped a callback panicked").await;
    ground.log().heard("other", "got hello").await;
    Ok(())
}

async fn a_panic_when_it_stops_is_contained(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv").stopped(|_| panic!("{ON_PURPOSE}")))?;
    port.close();
    ground.log().heard("srv", "stopped closed").await;
    ground.turn().await;
    Ok(())
}

async fn stopping_the_loop_is_told_to_udp_ports(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    ground.log().heard("srv", "started").await;
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(log.of("srv"), ["started", "stopping", "stopped closed"]));
    port.reactor().stop();
    Ok(())
}

async fn a_udp_port_that_goes_on_is_stopped_at_the_end_of_the_grace(ground: Ground) -> Result {
    let srv = Post::new(&ground, "srv").stopping(|_| Ok(()));
    let port = ground.udp(srv)?;
    ground.log().heard("srv", "started").await;
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert_eq!(log.of("srv"), ["started", "stopping", "stopped the reactor stopped"]);
    });
    port.reactor().set_grace(ground.moment());
    port.reactor().stop();
    Ok(())
}

async fn a_call_reaches_the_datagram_protocol_in_order(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    let handle = port.handle::<Post>();
    for n in 0..10 {
        let inner = ground.clone();
        handle.call(move |_, port| {
            assert_eq!(Reactor::current().now(), port.reactor().now());
            inner.log().note("srv", format!("call {n}"));
            Ok(())
        });
    }
    assert!(ground.log().of("srv").is_empty(), "handles only queue");
    ground.log().heard("srv", "call 9").await;
    let calls = (0..10).map(|n| format!("call {n}"));
    assert!(ground.log().of("srv").into_iter().skip(1).eq(calls));
    handle.call(|_, _| Err("enough".into()));
    ground.log().heard("srv", "stopped enough").await;
    handle.call(|_, _| panic!("the port has ended"));
    assert_eq!(handle.at(), &port);
    Ok(())
}

async fn a_call_to_another_type_is_dropped(ground: Ground) -> Result {
    struct Other;
    impl trenza_core::DatagramProtocol for Other {
        fn datagram_received(&mut self, _: &UdpPort, _: trenza_core::Datagram<'_>) -> Result {
            Ok(())
        }
    }
    let port = ground.udp(Post::new(&ground, "srv"))?;
    let dropped = Rc::new(());
    let held = dropped.clone();
    port.handle::<Other>().call(move |_, _| {
        drop(held);
        panic!("it has no such protocol")
    });
    ground.settle().await;
    assert_eq!(Rc::strong_count(&dropped), 1);
    assert!(port.is_open());
    Ok(())
}

async fn a_timer_of_a_udp_handle_fires_and_is_cancelled_when_dropped(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    let handle = port.handle::<Post>();
    let fired = Rc::new(Cell::new(0));
    let count = |by: i32| {
        let fired = fired.clone();
        move |_: &mut Post, _: &UdpPort| {
            fired.set(fired.get() + by);
            Ok(())
        }
    };
    let timer = handle.call_later(Duration::from_millis(1), count(1));
    drop(handle.call_later(Duration::ZERO, count(100)));
    ground.until(|| fired.get() > 0).await;
    assert!(!timer.is_pending());
    assert_eq!(fired.get(), 1);
    Ok(())
}

async fn a_result_comes_to_the_datagram_protocol(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    let (result, resolver) = ground.reactor().deferred();
    let inner = ground.clone();
    result.then_in(port.handle::<Post>(), move |_, port, result: Result<u32>| {
        inner.log().note("srv", format!("result {}", result?));
        port.close();
        Ok(())
    });
    resolver.fire(Ok(7));
    ground.log().heard("srv", "stopped closed").await;
    assert_eq!(ground.log().of("srv"), ["started", "result 7", "stopped closed"]);
    Ok(())
}

async fn a_result_for_a_udp_port_that_has_ended_is_cancelled(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    let (early, resolver) = ground.reactor().deferred::<()>();
    early.then_in(port.handle::<Post>(), |_, _, _| panic!("nobody is there"));
    assert!(!resolver.is_cancelled());
    port.close();
    ground.log().heard("srv", "stopped closed").await;
    ground.turn().await;
    assert!(resolver.is_cancelled());
    let (late, resolver) = ground.reactor().deferred::<()>();
    late.then_in(port.handle::<Post>(), |_, _, _| panic!("nobody is there"));
    assert!(resolver.is_cancelled());
    Ok(())
}

async fn over_the_unsent_limit_datagrams_are_dropped_and_counted(ground: Ground) -> Result {
    let srv = ground.udp(Post::new(&ground, "srv"))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    let to = srv.addr();
    cli.set_limits(Limits { unsent: 1000, ..Limits::default() });
    // Each costs its bytes and 64 more.
    let taken = (0..100).filter(|_| cli.send_to(&to, &[b'x'; 36])).count();
    assert_eq!((taken, cli.counts().unsent, cli.counts().dropped), (10, 1000, 90));
    let strides = Outgoing { stride: Some(100), ..Outgoing::new(&to, &[0; 950]) };
    assert!(!cli.send(strides));
    assert_eq!(cli.counts().dropped, 100);
    ground.until(|| cli.counts().sent == 10).await;
    ground.until(|| srv.counts().received == 10).await;
    assert_eq!((cli.counts().unsent, cli.counts().sent_bytes, srv.counts().received_bytes), (0, 360, 360));
    assert!(cli.send_to(&to, &[b'x'; 936]) && !cli.send_to(&to, b""));
    Ok(())
}

async fn a_full_udp_port_hears_that_there_is_room_again(ground: Ground) -> Result {
    let srv = ground.udp(Post::echo(&ground, "srv"))?;
    let cli = ground.udp(Post::new(&ground, "cli").got(|_, _| Ok(())))?;
    cli.set_limits(Limits { high: 500, low: 200, ..Limits::default() });
    ground.log().heard("cli", "started").await;
    let to = srv.addr();
    for n in 0..8 {
        assert_eq!(cli.is_full(), n >= 6, "{n}");
        assert!(cli.send_to(&to, &[0; 36]));
    }
    ground.log().heard("cli", "writable").await;
    assert!(!cli.is_full());
    ground.settle().await;
    assert_eq!(ground.log().of("cli"), ["started", "writable"]);
    Ok(())
}

async fn a_producer_of_datagrams_is_driven_by_writable(ground: Ground) -> Result {
    let srv = ground.udp(Post::new(&ground, "srv").got(|_, _| Ok(())))?;
    let (to, left) = (srv.addr(), Rc::new(Cell::new(100)));
    let rest = left.clone();
    let produce = move |port: &UdpPort| {
        while !port.is_full() && left.get() > 0 {
            left.set(left.get() - 1);
            assert!(port.send_to(&to, &[0; 136]));
        }
        Ok(())
    };
    let cli = ground.udp(Post::new(&ground, "cli").started(produce.clone()).writable(produce))?;
    cli.set_limits(Limits { high: 1000, low: 500, ..Limits::default() });
    ground.until(|| rest.get() == 0).await;
    ground.until(|| srv.counts().received == 100).await;
    assert_eq!((cli.counts().dropped, cli.counts().sent), (0, 100));
    assert!(ground.log().of("cli").len() > 10);
    Ok(())
}

/// So many ports are not all somebody's by chance.
const PORTS: usize = 16;

async fn a_taken_udp_port_is_an_error_that_names_the_endpoint(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    let on = format!("udp:{}:interface=127.0.0.1", socket_addr(&port).port());
    let error = ground.reactor().udp(&on, Post::new(&ground, "other")).unwrap_err();
    assert!(error.to_string().contains(&on), "{error}");
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::AddrInUse);
    assert!(ground.reactor().udp("udp:0:interface=192.0.2.1", Post::new(&ground, "other")).is_err());
    // TCP has ports of its own, some of which others have at any time.
    for _ in 0..PORTS {
        let port = ground.udp(Post::new(&ground, "srv"))?;
        let same = format!("tcp:{}:interface=127.0.0.1", socket_addr(&port).port());
        if ground.listen_on(same.as_str(), |_| crate::actor::Plain).is_ok() {
            return Ok(());
        }
    }
    panic!("{PORTS} ports that UDP has taken are taken for TCP as well")
}

async fn a_udp_port_may_be_bound_again_after_the_end(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "first"))?;
    let on = format!("udp:{}:interface=127.0.0.1", socket_addr(&port).port());
    ground.log().heard("first", "started").await;
    port.close();
    ground.log().heard("first", "stopped closed").await;
    let second = ground.keep_udp(ground.reactor().udp(&on, Post::new(&ground, "second"))?);
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    cli.send_to(&second.addr(), b"hello");
    ground.log().heard("second", "got hello").await;
    assert_eq!(ground.log().of("first"), ["started", "stopped closed"]);
    Ok(())
}

async fn two_may_share_a_udp_port_if_both_say_so(ground: Ground) -> Result {
    let on = "udp:0:interface=127.0.0.1:reuse=yes";
    let first = ground.keep_udp(ground.reactor().udp(on, Post::new(&ground, "first"))?);
    let same = format!("udp:{}:interface=127.0.0.1", socket_addr(&first).port());
    assert!(ground.reactor().udp(&same, Post::new(&ground, "second")).is_err());
    let shared = format!("{same}:reuse=yes");
    ground.keep_udp(ground.reactor().udp(&shared, Post::new(&ground, "third"))?);
    ground.log().heard("third", "started").await;
    Ok(())
}

async fn endpoints_of_streams_and_of_datagrams_are_not_mixed_up(ground: Ground) -> Result {
    let reactor = ground.reactor();
    for (result, part) in [
        (reactor.udp("tcp:0", Post::new(&ground, "a")).map(drop), "not for datagrams"),
        (reactor.listen("udp:0", |_| crate::actor::Plain).map(drop), "Reactor::udp"),
        (
            reactor.udp_connect("tcp:127.0.0.1:1", Post::new(&ground, "a")).await.map(drop),
            "not for datagrams",
        ),
        (reactor.connect("udp:127.0.0.1:1", |_| crate::actor::Plain).await.map(drop), "Reactor::udp_connect"),
        (
            reactor.udp("udp:0".into_endpoint()?.layered(Vec::new), Post::new(&ground, "a")).map(drop),
            "datagrams pass none",
        ),
        (
            reactor
                .udp_connect("udp:127.0.0.1:1".into_endpoint()?.layered(Vec::new), Post::new(&ground, "a"))
                .await
                .map(drop),
            "datagrams pass none",
        ),
        (reactor.udp("udp:0:backlog=1", Post::new(&ground, "a")).map(drop), "known: interface, reuse"),
        (reactor.udp("udp:http", Post::new(&ground, "a")).map(drop), "not a port"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    Ok(())
}

async fn a_udp_port_made_while_the_loop_stops_is_stopped(ground: Ground) -> Result {
    let inner = ground.clone();
    ground.udp(Post::new(&ground, "first").stopping(move |port| {
        let late = port.reactor().udp("udp:0:interface=127.0.0.1", Post::new(&inner, "late"))?;
        drop(late);
        port.close();
        Ok(())
    }))?;
    ground.log().heard("first", "started").await;
    let log = ground.log().clone();
    ground.after_loop(move || assert_eq!(log.of("late"), ["stopped the reactor stopped"]));
    ground.reactor().stop();
    Ok(())
}

async fn a_protocol_is_dropped_after_it_was_stopped(ground: Ground) -> Result {
    struct Last(Ground, UdpPort);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.log().note("srv", "dropped");
            // Handles may be used wherever something is dropped.
            assert!(!self.1.write(b"too late"));
            self.1.close();
        }
    }
    let held = Rc::new(Cell::new(None));
    let place = held.clone();
    let port = ground.udp(Post::new(&ground, "srv").stopped(move |_| {
        // The protocol alone has it now, and is dropped with it.
        assert_eq!(Rc::strong_count(&place), 1);
    }))?;
    held.set(Some(Last(ground.clone(), port.clone())));
    drop(held);
    ground.log().heard("srv", "started").await;
    port.close();
    ground.log().heard("srv", "dropped").await;
    assert_eq!(ground.log().of("srv"), ["started", "stopped closed", "dropped"]);
    Ok(())
}

async fn options_that_cannot_be_set_are_errors_that_name_them(ground: Ground) -> Result {
    let port = ground.udp(Post::new(&ground, "srv"))?;
    let error = port.join("127.0.0.1".parse()?).await.unwrap_err();
    assert!(error.to_string().contains("join 127.0.0.1"), "{error}");
    port.set_option(trenza_core::UdpOption::Ttl(5)).await?;
    port.set_option(trenza_core::UdpOption::ReceiveBuffer(1 << 16)).await?;
    port.close();
    ground.log().heard("srv", "stopped closed").await;
    assert!(port.leave("239.1.2.3".parse()?).await.is_err());
    Ok(())
}
