//! Listening and connecting.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, bytes, to},
};
use std::{cell::Cell, io, rc::Rc, time::Duration};
use trenza_core::{EndpointError, Port, Result, TimedOut, Transport, timeout};

cases! {
    connects_over_ipv4
    connects_over_ipv6
    without_interface_both_families_are_served
    port_zero_is_a_port_of_its_own
    both_ends_agree_about_their_addresses
    a_taken_port_is_an_error_that_names_it
    a_port_is_free_again_when_it_was_stopped
    a_refused_connect_is_an_error_that_names_the_address
    a_name_that_nobody_has_is_an_error_that_names_it
    a_name_is_looked_up_and_its_addresses_are_tried_in_turn
    connects_from_the_address_of_bind
    a_wrong_endpoint_is_an_error_of_the_connect
    many_connects_at_once_each_get_their_own
    a_timeout_around_connect_leaves_nothing
    the_timeout_of_an_endpoint_ends_its_connect
    dropping_a_connect_on_its_way_leaves_nothing
    dropping_a_connect_that_has_succeeded_aborts_the_connection
    a_connect_that_is_taken_over_lives_on
}

/// Connects to `port` and says something each way.
async fn hello(ground: &Ground, port: &Port) -> Result {
    let mut client = ground.reactor().open(&to(port)).await?;
    client.write_all(b"hello\r\n").await?;
    assert_eq!(client.line(100).await?.unwrap(), b"hello");
    client.close().await
}

async fn echo(mut stream: trenza_core::Stream) -> Result {
    while let Some(data) = stream.read().await? {
        stream.write_all(&data).await?;
    }
    stream.close().await
}

async fn connects_over_ipv4(ground: Ground) -> Result {
    let port = ground.keep(ground.reactor().serve("tcp:0:interface=127.0.0.1", echo)?);
    hello(&ground, &port).await
}

async fn connects_over_ipv6(ground: Ground) -> Result {
    let port = ground.keep(ground.reactor().serve("tcp:0:interface=[::1]", echo)?);
    assert!(port.addr().ip().unwrap().is_ipv6());
    hello(&ground, &port).await
}

async fn without_interface_both_families_are_served(ground: Ground) -> Result {
    let port = ground.keep(ground.reactor().serve("tcp:0", echo)?);
    for host in ["127.0.0.1", "[::1]"] {
        let to = format!("tcp:{host}:{}", port.addr().port().unwrap());
        let mut client = ground.reactor().open(&to).await?;
        client.write_all(b"hello").await?;
        assert_eq!(client.read_exact(5).await?.unwrap(), b"hello");
        client.close().await?;
    }
    Ok(())
}

async fn port_zero_is_a_port_of_its_own(ground: Ground) -> Result {
    let one = ground.listen(|_| Plain);
    let other = ground.listen(|_| Plain);
    assert_ne!(one.addr().port(), Some(0));
    assert_ne!(one.addr(), other.addr());
    Ok(())
}

async fn both_ends_agree_about_their_addresses(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Plain, Plain).await?;
    assert_eq!(srv.peer().remote, cli.peer().local);
    assert_eq!(cli.peer().remote, srv.peer().local);
    assert_eq!((srv.peer().via.clone(), srv.peer().alpn.clone()), (None, None));
    cli.close();
    Ok(())
}

async fn a_taken_port_is_an_error_that_names_it(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let number = port.addr().port().unwrap();
    let endpoint = format!("tcp:{number}:interface=127.0.0.1");
    let error = ground.reactor().listen(&endpoint, |_| Plain).unwrap_err();
    assert!(error.to_string().contains(&number.to_string()), "{error}");
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::AddrInUse);
    Ok(())
}

async fn a_port_is_free_again_when_it_was_stopped(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let endpoint = format!("tcp:{}:interface=127.0.0.1", port.addr().port().unwrap());
    port.stop().await?;
    let again = ground.keep(ground.reactor().serve(&endpoint, echo)?);
    assert_eq!(again.addr(), port.addr());
    hello(&ground, &again).await
}

async fn a_refused_connect_is_an_error_that_names_the_address(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    port.stop().await?;
    let built = Rc::new(Cell::new(false));
    let seen = built.clone();
    let connect = ground.reactor().connect(&to(&port), move |_| {
        seen.set(true);
        Plain
    });
    let error = connect.await.unwrap_err();
    assert!(error.to_string().contains(&port.addr().to_string()), "{error}");
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionRefused);
    assert!(!built.get(), "a failure never builds a protocol");
    Ok(())
}

async fn a_name_that_nobody_has_is_an_error_that_names_it(ground: Ground) -> Result {
    // No resolver asks the network for a name with an empty label.
    let error = ground.reactor().connect("tcp:no..such:1", |_| Plain).await.unwrap_err();
    assert!(error.to_string().contains("no..such"), "{error}");
    Ok(())
}

async fn a_name_is_looked_up_and_its_addresses_are_tried_in_turn(ground: Ground) -> Result {
    // The name has an address of each family at most: one of the two is refused where it has both.
    for interface in ["127.0.0.1", "[::1]"] {
        let own = ground.own(interface);
        let port = ground.keep(ground.reactor().serve(&format!("tcp:0:interface={own}"), echo)?);
        let to = format!("tcp:{}:{}", ground.name(), port.addr().port().unwrap());
        match ground.reactor().open(&to).await {
            Ok(client) => client.close().await?,
            // Some systems know their own name by its IPv4 address only.
            Err(error) if interface == "[::1]" => assert!(error.to_string().contains("127.0.0.1"), "{error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn connects_from_the_address_of_bind(ground: Ground) -> Result {
    let log = ground.log().clone();
    let port = ground.listen(move |transport: &Transport| {
        log.note("srv", format!("from {}", transport.peer().remote.ip().unwrap()));
        Plain
    });
    let to = format!("{}:bind=127.0.0.1", to(&port));
    let cli = ground.reactor().connect(&to, |_| Plain).await?;
    ground.log().heard("srv", "from 127.0.0.1").await;
    cli.close();
    Ok(())
}

async fn a_wrong_endpoint_is_an_error_of_the_connect(ground: Ground) -> Result {
    let error = ground.reactor().connect("tcp:here", |_| Plain).await.unwrap_err();
    assert!(error.is::<EndpointError>(), "{error}");
    Ok(())
}

async fn many_connects_at_once_each_get_their_own(ground: Ground) -> Result {
    let port = ground.keep(ground.reactor().serve("tcp:0:interface=127.0.0.1", echo)?);
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let (reactor, to) = (ground.reactor().clone(), to(&port));
            ground.reactor().spawn(async move {
                let mut client = reactor.open(&to).await?;
                let text = bytes(1 + n * 100);
                client.write_all(&text).await?;
                assert_eq!(client.read_exact(text.len()).await?.unwrap(), text);
                client.close().await
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    Ok(())
}

/// A port whose system does not answer any more: what it holds for accepting is full. The connections that fill
/// it end with the result.
pub(crate) async fn silent(ground: &Ground) -> Result<(Port, Vec<Transport>)> {
    let port = ground.listen_on("tcp:0:interface=127.0.0.1:backlog=1", |_| Plain)?;
    port.pause();
    let mut held = Vec::new();
    loop {
        match timeout(ground.moment(), ground.reactor().connect(&to(&port), |_| Plain)).await {
            Ok(transport) => held.push(transport),
            Err(error) if error.is::<TimedOut>() => return Ok((port, held)),
            Err(error) => return Err(error),
        }
    }
}

async fn a_timeout_around_connect_leaves_nothing(ground: Ground) -> Result {
    let (port, held) = silent(&ground).await?;
    let before = ground.reactor().connections().len();
    let connect = ground.reactor().connect(&to(&port), |_| Plain);
    let error = timeout(ground.moment(), connect).await.unwrap_err();
    assert_eq!(error.downcast_ref::<TimedOut>(), Some(&TimedOut(ground.moment())));
    assert_eq!(ground.reactor().connections().len(), before);
    held.iter().for_each(Transport::abort);
    Ok(())
}

async fn the_timeout_of_an_endpoint_ends_its_connect(ground: Ground) -> Result {
    let (port, held) = silent(&ground).await?;
    let error =
        ground.reactor().connect(&format!("{}:timeout=0.02", to(&port)), |_| Plain).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains(&port.addr().to_string()), "{error}");
    held.iter().for_each(Transport::abort);
    Ok(())
}

async fn dropping_a_connect_on_its_way_leaves_nothing(ground: Ground) -> Result {
    let (port, held) = silent(&ground).await?;
    for turns in 0..4 {
        let connect = ground.reactor().connect(&to(&port), |_| Plain);
        for _ in 0..turns {
            ground.turn().await;
        }
        drop(connect);
        let open = ground.reactor().open(&to(&port));
        for _ in 0..turns {
            ground.turn().await;
        }
        drop(open);
        let named = ground.reactor().connect(&format!("tcp:{}:1", ground.name()), |_| Plain);
        for _ in 0..turns {
            ground.turn().await;
        }
        drop(named);
    }
    held.iter().for_each(Transport::abort);
    Ok(())
}

async fn dropping_a_connect_that_has_succeeded_aborts_the_connection(ground: Ground) -> Result {
    let (srv, cli) = (Actor::new(&ground, "srv"), Actor::new(&ground, "cli"));
    let mut srv = Some(srv);
    let port = ground.listen(move |_| srv.take().unwrap());
    let connect = ground.reactor().connect(&to(&port), |_| cli);
    ground.log().heard("cli", "made").await;
    ground.log().heard("srv", "made").await;
    drop(connect);
    assert_eq!(ground.log().lost("cli").await, "Aborted");
    assert_eq!(ground.log().lost("srv").await, "Io(ConnectionReset)");
    Ok(())
}

async fn a_connect_that_is_taken_over_lives_on(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.write(b"still here");
    ground.log().received("srv", 10).await;
    ground.reactor().sleep(Duration::ZERO).await;
    assert!(srv.is_open() && cli.is_open());
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    Ok(())
}
