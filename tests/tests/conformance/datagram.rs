//! Datagrams: what arrives, where it says that it comes from, and what the network refuses.

use crate::{
    ground::Ground,
    post::{Post, socket_addr},
};
use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
};
use trenza_core::{Addr, Interface, Outgoing, Result, UdpOption};

cases! {
    a_datagram_reaches_its_port_and_the_answer_comes_back
    datagrams_go_over_ipv6
    one_port_serves_both_families
    datagrams_keep_their_bounds_also_when_empty
    the_largest_datagram_arrives_and_a_larger_one_is_refused
    a_receiver_may_change_bytes_in_place
    many_datagrams_of_one_turn_all_arrive_in_order
    the_address_that_a_datagram_was_sent_to_is_told
    a_datagram_leaves_from_the_address_that_was_asked_for
    a_foreign_address_to_send_from_is_refused
    congestion_bits_travel_both_ways
    strides_arrive_as_datagrams
    strides_may_be_taken_together
    a_port_that_closes_within_strides_hears_no_more_of_them
    where_nobody_listens_the_sender_hears_of_it_and_goes_on
    what_is_refused_does_not_keep_others_from_arriving
    a_refused_datagram_lets_the_loop_rest
    a_connected_port_sends_to_and_hears_its_peer_only
    a_connected_port_hears_that_nobody_listens
    a_name_is_looked_up_for_a_connected_port
    a_connect_by_datagrams_that_is_dropped_makes_no_port
    broadcast_needs_permission
    a_group_is_heard_from_join_to_leave
    a_group_is_not_heard_by_its_own_host_without_loop
    groups_need_a_multicast_address_and_one_join
}

async fn a_datagram_reaches_its_port_and_the_answer_comes_back(ground: Ground) -> Result {
    let srv = ground.udp(Post::echo(&ground, "srv"))?;
    let from = Rc::new(Cell::new(None));
    let (seen, log) = (from.clone(), ground.log().clone());
    let cli = ground.udp(Post::new(&ground, "cli").got(move |_, datagram| {
        seen.set(Some(datagram.from.clone()));
        log.note("cli", "got");
        Ok(())
    }))?;
    cli.send_to(&srv.addr(), b"hello");
    ground.log().heard("cli", "got").await;
    assert_eq!(from.take(), Some(srv.addr()));
    assert_eq!((srv.counts().received, srv.counts().sent, srv.counts().sent_bytes), (1, 1, 5));
    Ok(())
}

async fn datagrams_go_over_ipv6(ground: Ground) -> Result {
    let bind = |post| ground.reactor().udp("udp:0:interface=[::1]", post).map(|port| ground.keep_udp(port));
    let srv = bind(Post::echo(&ground, "srv"))?;
    let cli = bind(Post::new(&ground, "cli"))?;
    cli.send_to(&srv.addr(), b"six");
    ground.log().heard("cli", "got six").await;
    Ok(())
}

async fn one_port_serves_both_families(ground: Ground) -> Result {
    let from = Rc::new(RefCell::new(Vec::new()));
    let seen = from.clone();
    let post = Post::new(&ground, "srv").got(move |port, datagram| {
        seen.borrow_mut().push(datagram.from.clone());
        port.send(datagram.answer(datagram.data));
        Ok(())
    });
    let srv = ground.keep_udp(ground.reactor().udp("udp:0", post)?);
    let number = socket_addr(&srv).port();
    for (name, ip) in [("four", "127.0.0.1"), ("six", "::1")] {
        let ip: IpAddr = ip.parse()?;
        let on = format!("udp:0:interface=[{ip}]");
        let cli = ground.keep_udp(ground.reactor().udp(&on, Post::new(&ground, name))?);
        cli.send_to(&SocketAddr::new(ip, number).into(), name.as_bytes());
        ground.log().heard(name, &format!("got {name}")).await;
        // As it is written, not as an IPv4 address within IPv6.
        assert_eq!(from.borrow_mut().pop(), Some(cli.addr()));
    }
    Ok(())
}

async fn datagrams_keep_their_bounds_also_when_empty(ground: Ground) -> Result {
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let seen = sizes.clone();
    let srv = ground.udp(Post::new(&ground, "srv").got(move |_, datagram| {
        seen.borrow_mut().push(datagram.data.len());
        Ok(())
    }))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    let sent = [3, 0, 1, 1400, 0, 9000, 2];
    for size in sent {
        cli.send_to(&srv.addr(), &vec![1; size]);
    }
    ground.until(|| sizes.borrow().len() == sent.len()).await;
    assert_eq!(*sizes.borrow(), sent);
    Ok(())
}

async fn the_largest_datagram_arrives_and_a_larger_one_is_refused(ground: Ground) -> Result {
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let seen = sizes.clone();
    let srv = ground.udp(Post::new(&ground, "srv").got(move |_, datagram| {
        assert!(datagram.data.iter().all(|byte| *byte == 7));
        seen.borrow_mut().push(datagram.data.len());
        Ok(())
    }))?;
    let to = srv.addr();
    let refused = Rc::new(Cell::new(None));
    let place = refused.clone();
    let cli = ground.udp(Post::new(&ground, "cli").failed(move |_, to, error| {
        place.set(Some((to.cloned(), error.raw_os_error())));
        Ok(())
    }))?;
    assert!(cli.send_to(&to, &[7; 65_508]), "it is the system that refuses it");
    cli.send_to(&to, &[7; 65_507]);
    ground.until(|| *sizes.borrow() == [65_507]).await;
    ground.until(|| cli.counts().dropped == 0 && cli.counts().sent == 1).await;
    // EMSGSIZE, on this system.
    assert_eq!(refused.take(), Some((Some(to), Some(90))));
    Ok(())
}

async fn a_receiver_may_change_bytes_in_place(ground: Ground) -> Result {
    let srv = ground.udp(Post::new(&ground, "srv").got(|port, datagram| {
        datagram.data.make_ascii_uppercase();
        port.send(datagram.answer(datagram.data));
        Ok(())
    }))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    cli.send_to(&srv.addr(), b"quiet");
    ground.log().heard("cli", "got QUIET").await;
    Ok(())
}

async fn many_datagrams_of_one_turn_all_arrive_in_order(ground: Ground) -> Result {
    let numbers = Rc::new(RefCell::new(Vec::new()));
    let seen = numbers.clone();
    let srv = ground.udp(Post::new(&ground, "srv").got(move |_, datagram| {
        seen.borrow_mut().push(datagram.data[0]);
        Ok(())
    }))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    for n in 0..100_u8 {
        assert!(cli.send_to(&srv.addr(), &vec![n; 1 + usize::from(n)]));
    }
    ground.until(|| numbers.borrow().len() == 100).await;
    assert!(numbers.borrow().iter().copied().eq(0..100));
    Ok(())
}

/// What a port has heard of a datagram beside its bytes.
type Heard = Rc<RefCell<Vec<(Addr, Option<IpAddr>, Option<u8>)>>>;

fn listener(ground: &Ground, name: &'static str) -> (Post, Heard) {
    let heard = Heard::default();
    let (place, log) = (heard.clone(), ground.log().clone());
    let post = Post::new(ground, name).got(move |_, datagram| {
        log.note(name, format!("got {}", String::from_utf8_lossy(datagram.data)));
        place.borrow_mut().push((datagram.from.clone(), datagram.to, datagram.ecn));
        Ok(())
    });
    (post, heard)
}

async fn the_address_that_a_datagram_was_sent_to_is_told(ground: Ground) -> Result {
    let (post, heard) = listener(&ground, "srv");
    let srv = ground.keep_udp(ground.reactor().udp("udp:0", post)?);
    let number = socket_addr(&srv).port();
    let cli = ground.keep_udp(ground.reactor().udp("udp:0", Post::new(&ground, "cli"))?);
    for ip in ["127.0.0.1", "::1"] {
        let ip: IpAddr = ip.parse()?;
        cli.send_to(&SocketAddr::new(ip, number).into(), b"hello");
        ground.until(|| !heard.borrow().is_empty()).await;
        let told = heard.borrow_mut().pop().and_then(|(_, to, _)| to);
        assert_eq!(told, cfg!(target_os = "linux").then_some(ip));
    }
    Ok(())
}

async fn a_datagram_leaves_from_the_address_that_was_asked_for(ground: Ground) -> Result {
    let (post, heard) = listener(&ground, "srv");
    let srv = ground.udp(post)?;
    let cli = ground.keep_udp(ground.reactor().udp("udp:0", Post::new(&ground, "cli"))?);
    let from = IpAddr::from([127, 0, 0, 9]);
    cli.send(Outgoing { from: Some(from), ..Outgoing::new(&srv.addr(), b"hello") });
    ground.log().heard("srv", "got hello").await;
    let (told, ..) = heard.borrow()[0].clone();
    assert_eq!(told, SocketAddr::new(from, socket_addr(&cli).port()).into());
    Ok(())
}

async fn a_foreign_address_to_send_from_is_refused(ground: Ground) -> Result {
    let srv = ground.udp(Post::new(&ground, "srv"))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    let to = srv.addr();
    for from in ["192.0.2.1", "2001:db8::1"] {
        cli.send(Outgoing { from: Some(from.parse()?), ..Outgoing::new(&to, b"refused") });
    }
    cli.send_to(&to, b"goes");
    ground.log().heard("srv", "got goes").await;
    ground.log().until(|log| log.of("cli").len() == 3).await;
    assert_eq!(ground.log().of("srv"), ["started", "got goes"]);
    Ok(())
}

async fn congestion_bits_travel_both_ways(ground: Ground) -> Result {
    let (post, heard) = listener(&ground, "srv");
    let srv = ground.keep_udp(ground.reactor().udp("udp:0", post)?);
    let cli = ground.keep_udp(ground.reactor().udp("udp:0", Post::new(&ground, "cli"))?);
    for ip in ["127.0.0.1", "::1"] {
        let to = SocketAddr::new(ip.parse()?, socket_addr(&srv).port()).into();
        for ecn in [None, Some(1), Some(2), Some(3), Some(0)] {
            cli.send(Outgoing { ecn, ..Outgoing::new(&to, b"x") });
            ground.until(|| !heard.borrow().is_empty()).await;
            let told = heard.borrow_mut().pop().and_then(|(.., ecn)| ecn);
            assert_eq!(told, cfg!(target_os = "linux").then_some(ecn.unwrap_or(0)), "{ip}");
        }
    }
    Ok(())
}

async fn strides_arrive_as_datagrams(ground: Ground) -> Result {
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let seen = sizes.clone();
    let srv = ground.udp(Post::new(&ground, "srv").got(move |_, datagram| {
        assert_eq!(datagram.stride, None);
        seen.borrow_mut().push((datagram.data.len(), datagram.data[0]));
        Ok(())
    }))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    let data: Vec<u8> = (0..25_u8).flat_map(|n| vec![n; 1000]).chain([99; 10]).collect();
    let to = srv.addr();
    cli.send(Outgoing { stride: Some(1000), ..Outgoing::new(&to, &data) });
    // No more than one: nothing to cut.
    cli.send(Outgoing { stride: Some(1000), ..Outgoing::new(&to, &[100]) });
    cli.send(Outgoing { stride: Some(0), ..Outgoing::new(&to, &[101; 5]) });
    ground.until(|| sizes.borrow().len() == 28).await;
    let expected = (0..25).map(|n| (1000, n)).chain([(10, 99), (1, 100), (5, 101)]);
    assert!(sizes.borrow().iter().copied().eq(expected), "{sizes:?}");
    assert_eq!((cli.counts().sent, cli.counts().sent_bytes), (28, 25_016));
    assert_eq!((srv.counts().received, srv.counts().received_bytes), (28, 25_016));
    Ok(())
}

async fn strides_may_be_taken_together(ground: Ground) -> Result {
    let pieces = Rc::new(RefCell::new(Vec::new()));
    let seen = pieces.clone();
    let srv = ground.udp(Post::new(&ground, "srv").got(move |_, datagram| {
        let stride = datagram.stride.unwrap_or(datagram.data.len());
        assert!(datagram.stride.is_none_or(|stride| stride < datagram.data.len()));
        seen.borrow_mut().extend(datagram.data.chunks(stride).map(<[u8]>::len));
        Ok(())
    }))?;
    srv.set_together(true);
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    cli.send(Outgoing { stride: Some(500), ..Outgoing::new(&srv.addr(), &[1; 4700]) });
    ground.until(|| pieces.borrow().iter().sum::<usize>() == 4700).await;
    assert!(pieces.borrow().iter().rev().skip(1).all(|len| *len == 500), "{pieces:?}");
    assert_eq!(srv.counts().received, 10);
    Ok(())
}

async fn a_port_that_closes_within_strides_hears_no_more_of_them(ground: Ground) -> Result {
    let count = Rc::new(Cell::new(0));
    let seen = count.clone();
    let srv = ground.udp(Post::new(&ground, "srv").got(move |port, _| {
        seen.set(seen.get() + 1);
        if seen.get() == 3 {
            port.close();
        }
        Ok(())
    }))?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    cli.send(Outgoing { stride: Some(100), ..Outgoing::new(&srv.addr(), &[1; 1000]) });
    ground.log().heard("srv", "stopped closed").await;
    assert_eq!((count.get(), srv.counts().received), (3, 3));
    Ok(())
}

async fn where_nobody_listens_the_sender_hears_of_it_and_goes_on(ground: Ground) -> Result {
    let gone = ground.udp(Post::new(&ground, "gone"))?;
    let nobody = gone.addr();
    gone.close();
    ground.log().heard("gone", "stopped closed").await;
    let refused = Rc::new(RefCell::new(Vec::new()));
    let place = refused.clone();
    let cli = ground.udp(Post::new(&ground, "cli").failed(move |_, to, error| {
        place.borrow_mut().push((to.cloned(), error.kind()));
        Ok(())
    }))?;
    let srv = ground.udp(Post::echo(&ground, "srv"))?;
    for _ in 0..3 {
        cli.send_to(&nobody, b"anybody?");
        ground.until(|| !refused.borrow().is_empty()).await;
        let told = refused.borrow_mut().pop();
        assert_eq!(told, Some((Some(nobody.clone()), io::ErrorKind::ConnectionRefused)));
        assert!(refused.borrow().is_empty(), "once each");
    }
    cli.send_to(&srv.addr(), b"you then");
    ground.log().heard("cli", "got you then").await;
    Ok(())
}

async fn what_is_refused_does_not_keep_others_from_arriving(ground: Ground) -> Result {
    let gone = ground.udp(Post::new(&ground, "gone"))?;
    let nobody = gone.addr();
    gone.close();
    ground.log().heard("gone", "stopped closed").await;
    let srv = ground.udp(Post::new(&ground, "srv").got(|_, _| Ok(())))?;
    let failures = Rc::new(Cell::new(0));
    let count = failures.clone();
    let cli = ground.udp(Post::new(&ground, "cli").failed(move |_, _, _| {
        count.set(count.get() + 1);
        Ok(())
    }))?;
    for _ in 0..40 {
        cli.send_to(&srv.addr(), b"one");
        cli.send_to(&nobody, b"none");
        cli.send_to(&srv.addr(), &[0; 66_000]);
    }
    ground.until(|| srv.counts().received == 40).await;
    // At least what the system itself has refused.
    ground.until(|| failures.get() >= 41).await;
    assert_eq!((cli.counts().unsent, cli.is_open()), (0, true));
    Ok(())
}

async fn a_refused_datagram_lets_the_loop_rest(ground: Ground) -> Result {
    let gone = ground.udp(Post::new(&ground, "gone"))?;
    let nobody = gone.addr();
    gone.close();
    ground.log().heard("gone", "stopped closed").await;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    (0..20).for_each(|_| assert!(cli.send_to(&nobody, b"anybody?")));
    ground.log().heard("cli", "failed ConnectionRefused").await;
    ground.settle().await;
    let before = ground.turns();
    ground.reactor().sleep(ground.moment()).await;
    // One to sleep, one to wake up, and some to spare.
    assert!(ground.turns() - before < 10, "{} turns", ground.turns() - before);
    Ok(())
}

async fn a_connected_port_sends_to_and_hears_its_peer_only(ground: Ground) -> Result {
    let srv = ground.udp(Post::echo(&ground, "srv"))?;
    let to = format!("udp:{}", srv.addr());
    let cli = ground.reactor().udp_connect(&to, Post::new(&ground, "cli")).await?;
    let cli = ground.keep_udp(cli);
    assert_eq!((cli.peer(), srv.peer()), (Some(srv.addr()), None));
    assert!(socket_addr(&cli).port() > 0 && socket_addr(&cli).ip() == Ipv4Addr::LOCALHOST);
    let other = ground.udp(Post::new(&ground, "other"))?;
    other.send_to(&cli.addr(), b"not for you");
    ground.settle().await;
    assert!(cli.write(b"hello"));
    ground.log().heard("cli", "got hello").await;
    assert!(!cli.send_to(&other.addr(), b"no"), "only to its peer");
    ground.log().heard("cli", "failed InvalidInput").await;
    assert!(!other.write(b"to whom?"));
    assert_eq!(ground.log().of("cli"), ["started", "got hello", "failed InvalidInput"]);
    Ok(())
}

async fn a_connected_port_hears_that_nobody_listens(ground: Ground) -> Result {
    let gone = ground.udp(Post::new(&ground, "gone"))?;
    let to = format!("udp:{}", gone.addr());
    gone.close();
    ground.log().heard("gone", "stopped closed").await;
    let cli = ground.keep_udp(ground.reactor().udp_connect(&to, Post::new(&ground, "cli")).await?);
    for _ in 0..3 {
        cli.write(b"anybody?");
    }
    ground.log().heard("cli", "failed ConnectionRefused").await;
    assert!(cli.is_open());
    Ok(())
}

async fn a_name_is_looked_up_for_a_connected_port(ground: Ground) -> Result {
    let srv = ground.keep_udp(ground.reactor().udp("udp:0", Post::echo(&ground, "srv"))?);
    let to = format!("udp:{}:{}", ground.name(), socket_addr(&srv).port());
    let cli = ground.keep_udp(ground.reactor().udp_connect(&to, Post::new(&ground, "cli")).await?);
    cli.write(b"by name");
    ground.log().heard("cli", "got by name").await;
    let lost = ground.reactor().udp_connect("udp:nobody.invalid:1", Post::new(&ground, "x")).await;
    assert!(lost.unwrap_err().to_string().contains("nobody.invalid"));
    // Addresses of one family only go with it.
    let other = "udp:127.0.0.1:1:bind=[::1]";
    assert!(ground.reactor().udp_connect(other, Post::new(&ground, "x")).await.is_err());
    assert!(ground.log().of("x").is_empty(), "no port, no protocol");
    Ok(())
}

async fn a_connect_by_datagrams_that_is_dropped_makes_no_port(ground: Ground) -> Result {
    let held = Rc::new(());
    let guard = held.clone();
    let post = Post::new(&ground, "cli").stopped(move |_| drop(guard.clone()));
    drop(ground.reactor().udp_connect(&format!("udp:{}:1", ground.name()), post));
    ground.until(|| Rc::strong_count(&held) == 1).await;
    ground.settle().await;
    assert!(ground.log().of("cli").is_empty());
    Ok(())
}

async fn broadcast_needs_permission(ground: Ground) -> Result {
    let srv = ground.keep_udp(ground.reactor().udp("udp:0", Post::new(&ground, "srv"))?);
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    let all: Addr = SocketAddr::from(([127, 255, 255, 255], socket_addr(&srv).port())).into();
    cli.send_to(&all, b"everybody");
    ground.log().heard("cli", "failed PermissionDenied").await;
    cli.set_option(UdpOption::Broadcast(true)).await?;
    cli.send_to(&all, b"everybody");
    ground.log().heard("srv", "got everybody").await;
    Ok(())
}

/// A group on the loopback interface, where every machine has one.
const LOOPBACK: Interface = Interface::Address(Ipv4Addr::LOCALHOST);
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 7, 7, 7));

async fn a_group_is_heard_from_join_to_leave(ground: Ground) -> Result {
    let (post, heard) = listener(&ground, "srv");
    let srv = ground.keep_udp(ground.reactor().udp("udp:0:interface=0.0.0.0", post)?);
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    cli.set_option(UdpOption::MulticastInterface(LOOPBACK)).await?;
    let to = SocketAddr::new(GROUP, socket_addr(&srv).port()).into();
    cli.send_to(&to, b"early");
    ground.settle().await;
    srv.set_option(UdpOption::Join { group: GROUP, interface: LOOPBACK }).await?;
    cli.send_to(&to, b"hello");
    ground.log().heard("srv", "got hello").await;
    assert_eq!(heard.borrow()[0].1, cfg!(target_os = "linux").then_some(GROUP));
    srv.set_option(UdpOption::Leave { group: GROUP, interface: LOOPBACK }).await?;
    cli.send_to(&to, b"late");
    ground.settle().await;
    assert_eq!(ground.log().of("srv"), ["started", "got hello"]);
    Ok(())
}

async fn a_group_is_not_heard_by_its_own_host_without_loop(ground: Ground) -> Result {
    let srv = ground.keep_udp(ground.reactor().udp("udp:0:interface=0.0.0.0", Post::new(&ground, "srv"))?);
    srv.set_option(UdpOption::Join { group: GROUP, interface: LOOPBACK }).await?;
    let cli = ground.udp(Post::new(&ground, "cli"))?;
    cli.set_option(UdpOption::MulticastInterface(LOOPBACK)).await?;
    cli.set_option(UdpOption::MulticastTtl(0)).await?;
    let to = SocketAddr::new(GROUP, socket_addr(&srv).port()).into();
    cli.send_to(&to, b"once");
    ground.log().heard("srv", "got once").await;
    cli.set_option(UdpOption::MulticastLoop(false)).await?;
    cli.set_option(UdpOption::MulticastTtl(1)).await?;
    // The loopback interface is a loop by itself, so what is sent there comes back all the same on a real system.
    if ground.is_simulated() {
        cli.send_to(&to, b"not again");
        ground.settle().await;
        assert_eq!(ground.log().of("srv"), ["started", "got once"]);
    }
    Ok(())
}

async fn groups_need_a_multicast_address_and_one_join(ground: Ground) -> Result {
    let srv = ground.keep_udp(ground.reactor().udp("udp:0", Post::new(&ground, "srv"))?);
    let join = |group| srv.set_option(UdpOption::Join { group, interface: LOOPBACK });
    let leave = |group| srv.set_option(UdpOption::Leave { group, interface: LOOPBACK });
    assert!(join("10.1.2.3".parse()?).await.is_err());
    assert!(leave(GROUP).await.is_err());
    join(GROUP).await?;
    assert!(join(GROUP).await.is_err());
    leave(GROUP).await?;
    join(GROUP).await?;
    Ok(())
}
