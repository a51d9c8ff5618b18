//! Ports: pausing, stopping, and how many connections there may be.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, to},
};
use std::{cell::Cell, io, rc::Rc};
use trenza_core::{Port, Result, Transport};

cases! {
    a_paused_port_lets_connections_wait_and_serves_them_later
    stopping_a_port_is_told_to_its_connections_and_ends_with_the_last
    a_protocol_may_go_on_when_its_port_stops
    a_stopped_port_refuses_and_can_be_stopped_again
    a_port_that_is_stopped_at_once_leaves_nothing
    dropping_the_result_of_stop_stops_all_the_same
    dropping_a_port_changes_nothing
    a_port_counts_its_connections
    at_the_limit_of_connections_new_ones_wait
    raising_the_limit_serves_those_who_wait
}

/// A port whose connections count themselves.
fn counted(ground: &Ground) -> (Port, Rc<Cell<usize>>) {
    let count = Rc::new(Cell::new(0));
    let (seen, inner) = (count.clone(), ground.clone());
    let port = ground.listen(move |_| {
        seen.set(seen.get() + 1);
        inner.log().note("srv", format!("built {}", seen.get()));
        Actor::new(&inner, "srv")
    });
    (port, count)
}

async fn client(ground: &Ground, port: &Port) -> Result<Transport> {
    ground.reactor().connect(&to(port), |_| Plain).await
}

async fn a_paused_port_lets_connections_wait_and_serves_them_later(ground: Ground) -> Result {
    let (port, count) = counted(&ground);
    port.pause();
    ground.settle().await;
    let cli = client(&ground, &port).await?;
    cli.write(b"early");
    ground.settle().await;
    assert_eq!(count.get(), 0);
    port.resume();
    ground.log().received("srv", 5).await;
    assert_eq!((count.get(), ground.log().bytes("srv").as_slice()), (1, &b"early"[..]));
    cli.close();
    Ok(())
}

async fn stopping_a_port_is_told_to_its_connections_and_ends_with_the_last(ground: Ground) -> Result {
    let (port, _) = counted(&ground);
    let clients = [client(&ground, &port).await?, client(&ground, &port).await?];
    ground.log().heard("srv", "built 2").await;
    let other = ground.pair(Actor::new(&ground, "other"), Plain).await?;
    port.stop().await?;
    let srv = ground.log().of("srv");
    assert_eq!(srv.iter().filter(|line| *line == "stopping").count(), 2);
    assert_eq!(srv.iter().filter(|line| *line == "lost Closed").count(), 2);
    assert_eq!(port.connections(), 0);
    assert_eq!(ground.log().of("other"), ["made"], "it is of another port");
    ground.until(|| clients.iter().all(|client| !client.is_open())).await;
    other.0.close();
    Ok(())
}

async fn a_protocol_may_go_on_when_its_port_stops(ground: Ground) -> Result {
    let mut srv = Some(Actor::new(&ground, "srv").stopping(|transport| {
        transport.write(b"one more thing");
        Ok(())
    }));
    let port = ground.listen(move |_| srv.take().unwrap());
    let cli = Actor::new(&ground, "cli");
    let cli = ground.reactor().connect(&to(&port), |_| cli).await?;
    ground.log().heard("srv", "made").await;
    let stopped = port.stop();
    ground.log().received("cli", 14).await;
    ground.settle().await;
    assert!(cli.is_open());
    assert_eq!(port.connections(), 1);
    cli.close();
    stopped.await?;
    assert_eq!(ground.log().of("srv"), ["made", "stopping", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn a_stopped_port_refuses_and_can_be_stopped_again(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    port.stop().await?;
    let error = client(&ground, &port).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionRefused);
    port.stop().await?;
    port.resume();
    ground.settle().await;
    client(&ground, &port).await.unwrap_err();
    Ok(())
}

async fn a_port_that_is_stopped_at_once_leaves_nothing(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let addr = to(&port);
    port.stop().await?;
    ground.reactor().connect(&addr, |_| Plain).await.unwrap_err();
    let again = format!("tcp:{}:interface=127.0.0.1", port.addr().port().unwrap());
    ground.listen_on(&again, |_| Plain)?.stop().await
}

async fn dropping_the_result_of_stop_stops_all_the_same(ground: Ground) -> Result {
    let (port, _) = counted(&ground);
    let cli = client(&ground, &port).await?;
    ground.log().heard("srv", "made").await;
    drop(port.stop());
    assert_eq!(ground.log().lost("srv").await, "Closed");
    ground.until(|| !cli.is_open()).await;
    client(&ground, &port).await.unwrap_err();
    Ok(())
}

async fn dropping_a_port_changes_nothing(ground: Ground) -> Result {
    let (port, count) = counted(&ground);
    let addr = to(&port);
    drop(port);
    let cli = ground.reactor().connect(&addr, |_| Plain).await?;
    ground.log().heard("srv", "made").await;
    assert_eq!(count.get(), 1);
    cli.close();
    Ok(())
}

async fn a_port_counts_its_connections(ground: Ground) -> Result {
    let (port, _) = counted(&ground);
    let one = client(&ground, &port).await?;
    let other = client(&ground, &port).await?;
    ground.until(|| port.connections() == 2).await;
    one.close();
    ground.until(|| port.connections() == 1).await;
    other.abort();
    ground.until(|| port.connections() == 0).await;
    Ok(())
}

async fn at_the_limit_of_connections_new_ones_wait(ground: Ground) -> Result {
    let (port, count) = counted(&ground);
    // Each connection has two ends here.
    ground.reactor().set_connections_max(4);
    let held = [client(&ground, &port).await?, client(&ground, &port).await?];
    ground.until(|| count.get() == 2).await;
    for _ in 0..3 {
        let transport = client(&ground, &port).await?;
        transport.write(b"late");
        transport.close();
    }
    ground.settle().await;
    assert_eq!(count.get(), 2, "the others wait, also one whose accept was on its way");
    held.iter().for_each(Transport::close);
    ground.log().received("srv", 12).await;
    assert_eq!(count.get(), 5);
    Ok(())
}

async fn raising_the_limit_serves_those_who_wait(ground: Ground) -> Result {
    let (port, count) = counted(&ground);
    ground.reactor().set_connections_max(0);
    let cli = client(&ground, &port).await?;
    ground.settle().await;
    assert_eq!(count.get(), 0);
    ground.reactor().set_connections_max(10);
    ground.log().heard("srv", "made").await;
    cli.close();
    Ok(())
}
