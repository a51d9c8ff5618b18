//! Factories: what they are asked, and how they refuse.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, to},
};
use std::io;
use trenza_core::{Factory, Limits, Protocol, Reason, Result, Transport};

cases! {
    none_refuses_and_nothing_else_is_called
    aborting_in_build_refuses
    closing_in_build_lets_a_farewell_arrive
    a_connect_that_refuses_itself_is_an_error
    a_connect_that_closes_in_build_says_its_farewell
    what_build_writes_comes_first
    stopped_is_told_to_the_factory
    new_connections_have_the_limits_of_the_reactor
}

/// A factory that does this, and notes that it was stopped.
struct Make<F> {
    ground: Ground,
    build: F,
}

impl<F: FnMut(&Transport) -> Option<Box<dyn Protocol>> + 'static> Factory for Make<F> {
    fn build(&mut self, transport: &Transport) -> Option<Box<dyn Protocol>> {
        (self.build)(transport)
    }

    fn stopped(&mut self) {
        self.ground.log().note("factory", "stopped");
    }
}

/// Connects to a factory that builds like this; `cli` gets what it says.
async fn connect_to(
    ground: &Ground,
    build: impl FnMut(&Transport) -> Option<Box<dyn Protocol>> + 'static,
) -> Result<Transport> {
    let factory = Make { ground: ground.clone(), build };
    let port = ground.reactor().listen_with("tcp:0:interface=127.0.0.1", factory)?;
    let port = ground.keep(port);
    let cli = Actor::new(ground, "cli");
    ground.reactor().connect(&to(&port), |_| cli).await
}

/// The client was reset, either before or after it knew that it was connected.
async fn was_reset(ground: &Ground, connected: Result<Transport>) {
    match connected {
        Ok(_) => assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)"),
        Err(error) => {
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            assert_eq!(kind, Some(io::ErrorKind::ConnectionReset), "{error}");
        }
    }
    assert_eq!(ground.log().count("cli"), 0);
}

async fn none_refuses_and_nothing_else_is_called(ground: Ground) -> Result {
    let connected = connect_to(&ground, |_| None).await;
    was_reset(&ground, connected).await;
    Ok(())
}

async fn aborting_in_build_refuses(ground: Ground) -> Result {
    let inner = ground.clone();
    let connected = connect_to(&ground, move |transport| {
        transport.write(b"nobody gets this");
        transport.abort();
        Some(Box::new(Actor::new(&inner, "srv")))
    });
    was_reset(&ground, connected.await).await;
    ground.settle().await;
    assert_eq!(ground.log().of("srv"), [""; 0]);
    Ok(())
}

async fn closing_in_build_lets_a_farewell_arrive(ground: Ground) -> Result {
    let inner = ground.clone();
    let cli = connect_to(&ground, move |transport| {
        transport.write(b"too many");
        transport.close();
        Some(Box::new(Actor::new(&inner, "srv")))
    })
    .await?;
    cli.write(b"what the client says anyway");
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().bytes("cli"), b"too many");
    ground.settle().await;
    assert_eq!(ground.log().of("srv"), [""; 0], "it never heard of the connection");
    Ok(())
}

async fn a_connect_that_refuses_itself_is_an_error(ground: Ground) -> Result {
    let log = ground.log().clone();
    let port = ground.listen(move |_| Plain);
    let cli = Actor::new(&ground, "cli");
    let connect = ground.reactor().connect(&to(&port), move |transport: &Transport| {
        transport.abort();
        cli
    });
    let error = connect.await.unwrap_err();
    assert!(matches!(error.downcast_ref::<Reason>(), Some(Reason::Aborted)), "{error:?}");
    assert_eq!(log.of("cli"), [""; 0]);
    Ok(())
}

async fn a_connect_that_closes_in_build_says_its_farewell(ground: Ground) -> Result {
    let mut srv = Some(Actor::new(&ground, "srv"));
    let port = ground.listen(move |_| srv.take().unwrap());
    let connect = ground.reactor().connect(&to(&port), |transport: &Transport| {
        transport.write(b"wrong number");
        transport.close();
        Plain
    });
    connect.await.unwrap_err();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().bytes("srv"), b"wrong number");
    Ok(())
}

async fn what_build_writes_comes_first(ground: Ground) -> Result {
    let inner = ground.clone();
    let cli = connect_to(&ground, move |transport| {
        transport.write(b"build ");
        let srv = Actor::new(&inner, "srv").made(|transport| {
            transport.write(b"made");
            Ok(())
        });
        Some(Box::new(srv))
    })
    .await?;
    ground.log().received("cli", 10).await;
    assert_eq!(ground.log().bytes("cli"), b"build made");
    cli.close();
    Ok(())
}

async fn stopped_is_told_to_the_factory(ground: Ground) -> Result {
    let factory = Make { ground: ground.clone(), build: |_: &Transport| Some(Box::new(Plain) as Box<_>) };
    let port = ground.reactor().listen_with("tcp:0:interface=127.0.0.1", factory)?;
    ground.settle().await;
    assert_eq!(ground.log().of("factory"), [""; 0]);
    port.stop().await?;
    assert_eq!(ground.log().of("factory"), ["stopped"]);
    Ok(())
}

async fn new_connections_have_the_limits_of_the_reactor(ground: Ground) -> Result {
    let limits = Limits { unread: 12_345, ..Limits::default() };
    ground.reactor().set_limits(limits.clone());
    let (srv, cli) = ground.pair(Plain, Plain).await?;
    assert_eq!((&*srv.limits(), &*cli.limits()), (&limits, &limits));
    ground.reactor().set_limits(Limits::default());
    assert_eq!(*srv.limits(), limits, "those that are there keep theirs");
    cli.close();
    Ok(())
}
