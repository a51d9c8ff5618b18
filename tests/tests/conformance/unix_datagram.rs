//! UNIX sockets for datagrams: what arrives, who is told what, and who waits for whom.

use crate::{
    actor::Plain,
    ground::Ground,
    post::{Post, socket_addr},
};
use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
};
use trenza_core::{Addr, Error, Limits, Outgoing, Result, UdpOption, UdpPort, UnixAddr};

cases! {
    a_datagram_over_a_path_arrives_and_is_answered
    an_abstract_name_carries_datagrams
    who_is_bound_to_nothing_is_heard_and_cannot_be_answered
    unix_datagrams_keep_their_bounds_and_their_order
    a_connected_unix_port_waits_for_a_full_receiver
    a_producer_over_a_unix_socket_is_driven_by_writable
    a_full_receiver_refuses_who_is_not_connected
    nobody_bound_to_a_path_is_an_error_of_the_connect
    a_refused_unix_datagram_is_told_and_ends_nothing
    a_peer_that_is_bound_anew_is_found_again
    a_connected_unix_port_hears_its_peer_only
    a_path_that_is_taken_is_refused_to_datagrams
    the_paths_of_both_ends_are_free_again_after_the_end
    a_unix_datagram_that_is_too_long_is_refused_and_the_longest_arrives
    strides_arrive_as_datagrams_over_unix_sockets
    ip_and_unix_addresses_are_not_mixed_up
    endpoints_of_unix_datagrams_are_not_mixed_up
    unix_ports_have_buffers_and_no_other_option
}

cases! { of real systems only:
    an_abandoned_file_is_replaced_by_a_datagram_port
    a_file_that_is_no_socket_is_left_by_a_datagram_port
    the_mode_of_a_datagram_socket_is_the_one_that_was_asked_for
}

fn on(ground: &Ground, name: &str) -> String {
    format!("unix-datagram:{}", ground.path(name))
}

/// A port at a path of the case's own.
fn bound(ground: &Ground, name: &str, post: Post) -> Result<UdpPort> {
    Ok(ground.keep_udp(ground.reactor().udp(&on(ground, name), post)?))
}

/// A port whose peer is at one path, and which may have one of its own.
async fn connected(ground: &Ground, to: &str, bind: Option<&str>, post: Post) -> Result<UdpPort> {
    let bind = bind.map(|bind| format!(":bind={}", ground.path(bind))).unwrap_or_default();
    let port = ground.reactor().udp_connect(&format!("{}{bind}", on(ground, to)), post).await?;
    Ok(ground.keep_udp(port))
}

fn path(ground: &Ground, name: &str) -> Addr {
    UnixAddr::path(ground.path(name)).into()
}

fn kind(error: &Error) -> io::ErrorKind {
    error.downcast_ref::<io::Error>().unwrap().kind()
}

async fn a_datagram_over_a_path_arrives_and_is_answered(ground: Ground) -> Result {
    let from = Rc::new(RefCell::new(Vec::new()));
    let seen = from.clone();
    let srv = bound(
        &ground,
        "s",
        Post::new(&ground, "srv").got(move |port, datagram| {
            assert_eq!((datagram.to, datagram.ecn, datagram.stride), (None, None, None));
            seen.borrow_mut().push(datagram.from.clone());
            port.send(datagram.answer(b"hello you"));
            Ok(())
        }),
    )?;
    let cli = connected(&ground, "s", Some("c"), Post::new(&ground, "cli")).await?;
    assert_eq!((srv.addr(), srv.peer()), (path(&ground, "s"), None));
    assert_eq!((cli.addr(), cli.peer()), (path(&ground, "c"), Some(path(&ground, "s"))));
    assert!(cli.write(b"hello"));
    ground.log().heard("cli", "got hello you").await;
    assert_eq!(*from.borrow(), [path(&ground, "c")]);
    assert_eq!((srv.counts().received, srv.counts().sent, srv.counts().sent_bytes), (1, 1, 9));
    Ok(())
}

async fn an_abstract_name_carries_datagrams(ground: Ground) -> Result {
    let name = |end: &str| format!("@trenza{}", ground.path(end));
    let on = format!("unix-datagram:{}", name("s"));
    let srv = ground.keep_udp(ground.reactor().udp(&on, Post::echo(&ground, "srv"))?);
    assert!(matches!(srv.addr(), Addr::Unix(UnixAddr::Abstract(_))));
    assert_eq!(srv.addr().to_string(), name("s"));
    let error = ground.reactor().udp(&on, Post::new(&ground, "other")).unwrap_err();
    assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
    // Streams have names of their own.
    ground.listen_on(&format!("unix:{}", name("s")), |_| Plain)?;
    let to = format!("{on}:bind={}", name("c"));
    let cli = ground.keep_udp(ground.reactor().udp_connect(&to, Post::new(&ground, "cli")).await?);
    cli.write(b"hello");
    ground.log().heard("cli", "got hello").await;
    Ok(())
}

async fn who_is_bound_to_nothing_is_heard_and_cannot_be_answered(ground: Ground) -> Result {
    let log = ground.log().clone();
    let _srv = bound(
        &ground,
        "s",
        Post::new(&ground, "srv").got(move |port, datagram| {
            assert_eq!(*datagram.from, UnixAddr::Unnamed.into());
            log.note("srv", format!("got {}", String::from_utf8_lossy(datagram.data)));
            assert!(port.send(datagram.answer(b"hello you")));
            Ok(())
        }),
    )?;
    let cli = connected(&ground, "s", None, Post::new(&ground, "cli")).await?;
    assert_eq!(cli.addr(), UnixAddr::Unnamed.into());
    cli.write(b"one");
    ground.log().heard("srv", "failed InvalidInput").await;
    cli.write(b"two");
    ground.log().heard("srv", "got two").await;
    ground.settle().await;
    assert_eq!(ground.log().of("cli"), ["started"]);
    Ok(())
}

async fn unix_datagrams_keep_their_bounds_and_their_order(ground: Ground) -> Result {
    let lens = Rc::new(RefCell::new(Vec::new()));
    let seen = lens.clone();
    bound(
        &ground,
        "s",
        Post::new(&ground, "srv").got(move |_, datagram| {
            seen.borrow_mut().push(datagram.data.len());
            Ok(())
        }),
    )?;
    let cli = connected(&ground, "s", None, Post::new(&ground, "cli")).await?;
    let sent: Vec<_> = (0..200).map(|n| n * 37 % 100).collect();
    assert!(sent.contains(&0), "an empty datagram is a datagram");
    sent.iter().for_each(|len| assert!(cli.write(&vec![7; *len])));
    ground.until(|| lens.borrow().len() == sent.len()).await;
    assert_eq!(*lens.borrow(), sent);
    assert_eq!(cli.counts().sent, 200);
    Ok(())
}

async fn a_connected_unix_port_waits_for_a_full_receiver(ground: Ground) -> Result {
    let next = Rc::new(Cell::new(0_u32));
    let count = next.clone();
    bound(
        &ground,
        "s",
        Post::new(&ground, "srv").got(move |_, datagram| {
            assert_eq!(datagram.data, count.get().to_be_bytes());
            count.set(count.get() + 1);
            Ok(())
        }),
    )?;
    let cli = connected(&ground, "s", None, Post::new(&ground, "cli")).await?;
    // More than any system holds that nobody has read.
    let all = 3000_u32;
    (0..all).for_each(|n| assert!(cli.write(&n.to_be_bytes())));
    ground.until(|| next.get() == all).await;
    assert_eq!((cli.counts().sent, cli.counts().dropped, cli.counts().unsent), (all.into(), 0, 0));
    assert!(ground.log().of("cli").iter().all(|line| !line.starts_with("failed")));
    Ok(())
}

async fn a_producer_over_a_unix_socket_is_driven_by_writable(ground: Ground) -> Result {
    let srv = bound(&ground, "s", Post::new(&ground, "srv").got(|_, _| Ok(())))?;
    let left = Rc::new(Cell::new(200));
    let rest = left.clone();
    let produce = move |port: &UdpPort| {
        while !port.is_full() && left.get() > 0 {
            left.set(left.get() - 1);
            assert!(port.write(&[0; 136]));
        }
        Ok(())
    };
    let post = Post::new(&ground, "cli").started(produce.clone()).writable(produce);
    let cli = connected(&ground, "s", None, post).await?;
    cli.set_limits(Limits { high: 5000, low: 500, ..Limits::default() });
    ground.until(|| rest.get() == 0 && srv.counts().received == 200).await;
    assert_eq!((cli.counts().dropped, cli.counts().sent), (0, 200));
    assert!(ground.log().of("cli").contains(&"writable".to_owned()));
    Ok(())
}

async fn a_full_receiver_refuses_who_is_not_connected(ground: Ground) -> Result {
    let srv = bound(&ground, "s", Post::new(&ground, "srv").got(|_, _| Ok(())))?;
    let to = srv.addr();
    let cli = bound(
        &ground,
        "c",
        Post::new(&ground, "cli").failed(move |_, at, error| {
            assert_eq!((at, error.kind()), (Some(&to), io::ErrorKind::WouldBlock));
            Ok(())
        }),
    )?;
    (0..3000).for_each(|_| assert!(cli.send_to(&srv.addr(), b"hello")));
    ground.until(|| cli.counts().unsent == 0 && srv.counts().received == cli.counts().sent).await;
    // A simulated sender may be so slow that there is always room.
    let all = if ground.is_simulated() { 3001 } else { 3000 };
    assert!((1..all).contains(&srv.counts().received));
    assert_eq!(srv.counts().received < 3000, ground.log().of("cli").contains(&"failed WouldBlock".into()));
    // Others are not held up, and neither is who was full.
    let other = bound(&ground, "o", Post::new(&ground, "other"))?;
    cli.send_to(&other.addr(), b"you");
    ground.log().heard("other", "got you").await;
    let before = srv.counts().received;
    cli.send_to(&srv.addr(), b"again");
    ground.until(|| srv.counts().received > before).await;
    Ok(())
}

async fn nobody_bound_to_a_path_is_an_error_of_the_connect(ground: Ground) -> Result {
    let error = connected(&ground, "nobody", Some("c"), Post::new(&ground, "cli")).await.unwrap_err();
    assert!(error.to_string().contains(&ground.path("nobody")), "{error}");
    assert!(matches!(kind(&error), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused), "{error:?}");
    assert!(ground.log().of("cli").is_empty());
    // Its own path is not taken.
    bound(&ground, "c", Post::new(&ground, "other"))?;
    Ok(())
}

async fn a_refused_unix_datagram_is_told_and_ends_nothing(ground: Ground) -> Result {
    let srv = bound(&ground, "s", Post::new(&ground, "srv"))?;
    let (nobody, errors) = (path(&ground, "nobody"), Rc::new(Cell::new(0)));
    let (to, count) = (nobody.clone(), errors.clone());
    let cli = bound(
        &ground,
        "c",
        Post::new(&ground, "cli").failed(move |_, at, error| {
            assert_eq!(at, Some(&to));
            let kind = error.kind();
            assert!(matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused), "{error}");
            count.set(count.get() + 1);
            Ok(())
        }),
    )?;
    for _ in 0..3 {
        cli.send_to(&nobody, b"anybody?");
        cli.send_to(&srv.addr(), b"hello");
    }
    ground.until(|| errors.get() == 3 && srv.counts().received == 3).await;
    assert_eq!(cli.counts().sent, 3);
    assert!(cli.is_open());
    Ok(())
}

async fn a_peer_that_is_bound_anew_is_found_again(ground: Ground) -> Result {
    let srv = bound(&ground, "s", Post::echo(&ground, "srv"))?;
    let cli = connected(&ground, "s", Some("c"), Post::new(&ground, "cli")).await?;
    cli.write(b"one");
    ground.log().heard("cli", "got one").await;
    srv.close();
    ground.log().heard("srv", "stopped closed").await;
    cli.write(b"two");
    ground.log().until(|log| log.of("cli").iter().any(|line| line.starts_with("failed"))).await;
    bound(&ground, "s", Post::echo(&ground, "heir"))?;
    cli.write(b"three");
    ground.log().heard("cli", "got three").await;
    // It is the peer like the first one, to be waited for too.
    (0..100).for_each(|n| assert!(cli.write(format!("{n}").as_bytes())));
    ground.until(|| cli.counts().sent == 102).await;
    Ok(())
}

async fn a_connected_unix_port_hears_its_peer_only(ground: Ground) -> Result {
    let srv = bound(&ground, "s", Post::new(&ground, "srv"))?;
    let cli = connected(&ground, "s", Some("c"), Post::new(&ground, "cli")).await?;
    let other = bound(&ground, "o", Post::new(&ground, "other"))?;
    other.send_to(&cli.addr(), b"psst");
    ground.log().heard("other", "failed PermissionDenied").await;
    srv.send_to(&cli.addr(), b"hello");
    ground.log().heard("cli", "got hello").await;
    assert!(!cli.send_to(&other.addr(), b"psst"));
    ground.log().heard("cli", "failed InvalidInput").await;
    assert_eq!(ground.log().of("cli").len(), 3);
    Ok(())
}

async fn a_path_that_is_taken_is_refused_to_datagrams(ground: Ground) -> Result {
    let _srv = bound(&ground, "s", Post::new(&ground, "srv"))?;
    let cli = connected(&ground, "s", Some("c"), Post::new(&ground, "cli")).await?;
    for name in ["s", "c"] {
        let error = bound(&ground, name, Post::new(&ground, "other")).unwrap_err();
        assert!(error.to_string().contains(&on(&ground, name)), "{error}");
        assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
        let error = ground.listen_on(&format!("unix:{}", ground.path(name)), |_| Plain).unwrap_err();
        assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
    }
    ground.listen_on(&format!("unix:{}", ground.path("stream")), |_| Plain)?;
    let error = bound(&ground, "stream", Post::new(&ground, "other")).unwrap_err();
    assert_eq!(kind(&error), io::ErrorKind::AddrInUse);
    assert!(connected(&ground, "stream", None, Post::new(&ground, "other")).await.is_err());
    // The first ones were not disturbed.
    cli.write(b"hello");
    ground.log().heard("srv", "got hello").await;
    Ok(())
}

async fn the_paths_of_both_ends_are_free_again_after_the_end(ground: Ground) -> Result {
    for round in ["one", "two", "three"] {
        let srv = bound(&ground, "s", Post::new(&ground, "srv"))?;
        let cli = connected(&ground, "s", Some("c"), Post::new(&ground, "cli")).await?;
        cli.write(round.as_bytes());
        cli.close();
        ground.log().heard("srv", &format!("got {round}")).await;
        srv.close();
        for who in ["srv", "cli"] {
            ground.log().until(|log| log.of(who).last().is_some_and(|line| line == "stopped closed")).await;
        }
        let error = connected(&ground, "s", None, Post::new(&ground, "late")).await.unwrap_err();
        assert!(ground.is_simulated() || kind(&error) == io::ErrorKind::NotFound, "the file has gone");
    }
    Ok(())
}

async fn a_unix_datagram_that_is_too_long_is_refused_and_the_longest_arrives(ground: Ground) -> Result {
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let seen = sizes.clone();
    bound(
        &ground,
        "s",
        Post::new(&ground, "srv").got(move |_, datagram| {
            seen.borrow_mut().push(datagram.data.len());
            Ok(())
        }),
    )?;
    let refused = Rc::new(Cell::new(None));
    let place = refused.clone();
    let post = Post::new(&ground, "cli").failed(move |_, to, error| {
        place.set(Some((to.cloned(), error.raw_os_error())));
        Ok(())
    });
    let cli = connected(&ground, "s", None, post).await?;
    cli.write(&vec![7; 4 << 20]);
    cli.write(&[7; 65_536]);
    ground.until(|| *sizes.borrow() == [65_536]).await;
    // EMSGSIZE, on this system.
    assert_eq!(refused.take(), Some((Some(path(&ground, "s")), Some(90))));
    Ok(())
}

async fn strides_arrive_as_datagrams_over_unix_sockets(ground: Ground) -> Result {
    let srv = bound(&ground, "s", Post::new(&ground, "srv"))?;
    srv.set_together(true);
    let cli = bound(&ground, "c", Post::new(&ground, "cli"))?;
    assert!(cli.send(Outgoing { stride: Some(3), ecn: Some(1), ..Outgoing::new(&srv.addr(), b"aaabbbc") }));
    ground.log().heard("srv", "got c").await;
    assert_eq!(ground.log().of("srv"), ["started", "got aaa", "got bbb", "got c"]);
    assert_eq!((cli.counts().sent, cli.counts().sent_bytes), (3, 7));
    Ok(())
}

async fn ip_and_unix_addresses_are_not_mixed_up(ground: Ground) -> Result {
    let unix = bound(&ground, "s", Post::new(&ground, "unix"))?;
    let ip = ground.udp(Post::new(&ground, "ip"))?;
    unix.send_to(&socket_addr(&ip).into(), b"hello");
    ip.send_to(&unix.addr(), b"hello");
    for who in ["unix", "ip"] {
        ground.log().heard(who, "failed InvalidInput").await;
    }
    assert_eq!((unix.counts().sent, ip.counts().sent), (0, 0));
    Ok(())
}

async fn endpoints_of_unix_datagrams_are_not_mixed_up(ground: Ground) -> Result {
    let reactor = ground.reactor();
    let post = || Post::new(&ground, "a");
    for (result, part) in [
        (reactor.udp("unix:/a", post()).map(drop), "not for datagrams"),
        (reactor.udp_connect("unix:/a", post()).await.map(drop), "not for datagrams"),
        (reactor.listen("unix-datagram:/a", |_| Plain).map(drop), "Reactor::udp"),
        (reactor.connect("unix-datagram:/a", |_| Plain).await.map(drop), "unix-datagram:/a is for datagrams"),
        (reactor.udp("unix-datagram:/a:mode=rw", post()).map(drop), "no mode"),
        (reactor.udp("unix-datagram:", post()).map(drop), "neither a path nor"),
        (reactor.udp("unix-datagram:/a:backlog=1", post()).map(drop), "known: mode"),
        (reactor.udp_connect("unix-datagram:/a:bind=@", post()).await.map(drop), "neither a path nor"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    Ok(())
}

async fn unix_ports_have_buffers_and_no_other_option(ground: Ground) -> Result {
    let port = bound(&ground, "s", Post::new(&ground, "srv"))?;
    port.set_option(UdpOption::ReceiveBuffer(100_000)).await?;
    port.set_option(UdpOption::SendBuffer(100_000)).await?;
    for option in [UdpOption::Broadcast(true), UdpOption::Ttl(3), UdpOption::MulticastLoop(false)] {
        let error = port.set_option(option).await.unwrap_err();
        assert!(error.to_string().contains(&option.to_string()), "{error}");
        assert_eq!(kind(&error), io::ErrorKind::Unsupported);
    }
    Ok(())
}

async fn an_abandoned_file_is_replaced_by_a_datagram_port(ground: Ground) -> Result {
    drop(std::os::unix::net::UnixDatagram::bind(ground.path("s"))?);
    drop(std::os::unix::net::UnixListener::bind(ground.path("c"))?);
    bound(&ground, "s", Post::echo(&ground, "srv"))?;
    let cli = connected(&ground, "s", Some("c"), Post::new(&ground, "cli")).await?;
    cli.write(b"hello");
    ground.log().heard("cli", "got hello").await;
    Ok(())
}

async fn a_file_that_is_no_socket_is_left_by_a_datagram_port(ground: Ground) -> Result {
    let path = ground.path("precious");
    std::fs::write(&path, "content")?;
    let error = bound(&ground, "precious", Post::new(&ground, "srv")).unwrap_err();
    assert!(error.to_string().contains("no socket") && error.to_string().contains(&path), "{error}");
    assert_eq!(std::fs::read(&path)?, b"content");
    Ok(())
}

async fn the_mode_of_a_datagram_socket_is_the_one_that_was_asked_for(ground: Ground) -> Result {
    use std::os::unix::fs::PermissionsExt;
    for mode in [0o600, 0o662, 0o777] {
        let path = ground.path(&format!("{mode:o}"));
        let port = ground
            .reactor()
            .udp(&format!("unix-datagram:{path}:mode={mode:o}"), Post::new(&ground, "srv"))?;
        assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, mode);
        port.close();
        ground.until(|| !std::fs::exists(&path).unwrap()).await;
    }
    Ok(())
}
