//! Kinds of endpoints, and connections that are there already.
#![allow(clippy::disallowed_types, reason = "sockets that somebody else made")]

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, to},
};
use std::{
    cell::{Cell, RefCell},
    io,
    net::TcpListener,
    net::TcpStream,
    rc::Rc,
};
use trenza_core::{
    Addr, ConnectError, ConnectTo, Connecting, Endpoint, EndpointError, EndpointKind, Error, Form, Given,
    IntoEndpoint, ListenOn, Listening, Peer, Reactor, Result, Usage,
    driver::{Ends, Established},
};

cases! { of real systems only:
    a_stream_that_is_there_already_is_the_only_connection_of_its_port
    a_port_of_one_stream_is_stopped_like_any_other
    a_connect_takes_over_a_stream_that_code_has_made
}
cases! {
    a_kind_stands_for_addresses_which_race_in_their_order
    a_stream_that_cannot_be_made_is_an_error_that_names_its_endpoint
    a_stream_that_is_not_made_in_time_is_given_up
    dropping_a_connect_gives_up_the_making_of_its_stream
    a_kind_stands_before_another_endpoint
    a_kind_is_known_from_its_registration_on
    a_wrong_endpoint_is_an_error_that_points_at_the_place
    an_endpoint_can_be_used_again
    layers_know_the_addresses_of_their_connection
    a_socket_that_nobody_has_handed_over_is_an_error_that_says_so
}

/// Two connected sockets; the first as a connection that nobody serves yet.
fn established() -> (Established, TcpStream) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(port.local_addr().unwrap()).unwrap();
    let (near, remote) = port.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    let local = Addr::from(near.local_addr().unwrap());
    (Established { remote: remote.into(), local, ends: Ends::one(near) }, far)
}

/// An endpoint of one connection that is there.
fn single(stream: Established) -> Endpoint {
    let stream = Cell::new(Some(stream));
    Endpoint::server("a stream", move |_| {
        Ok(Listening::on(ListenOn::Stream(stream.take().ok_or("it is taken")?)))
    })
}

async fn a_stream_that_is_there_already_is_the_only_connection_of_its_port(ground: Ground) -> Result {
    let (stream, far) = established();
    let (local, remote) = (stream.local.clone(), stream.remote.clone());
    let (log, on) = (ground.log().clone(), single(stream));
    let inner = ground.clone();
    let port = ground.listen_on(&on, move |transport| {
        assert_eq!((&transport.peer().remote, &transport.peer().local), (&remote, &local));
        Actor::new(&inner, "srv")
    })?;
    assert!(ground.listen_on(&on, |_| Plain).is_err());
    io::Write::write_all(&mut &far, b"hello")?;
    log.received("srv", 5).await;
    assert_eq!(port.connections(), 1);
    drop(far);
    log.lost("srv").await;
    ground.until(|| port.connections() == 0).await;
    port.stop().await
}

async fn a_port_of_one_stream_is_stopped_like_any_other(ground: Ground) -> Result {
    let (stream, far) = established();
    let inner = ground.clone();
    let port = ground.listen_on(single(stream), move |_| Actor::new(&inner, "srv"))?;
    ground.log().heard("srv", "made").await;
    let stopped = port.stop();
    ground.log().heard("srv", "stopping").await;
    drop(far);
    stopped.await
}

async fn a_connect_takes_over_a_stream_that_code_has_made(ground: Ground) -> Result {
    let (stream, far) = established();
    let stream = Rc::new(Cell::new(Some(stream)));
    let to = Endpoint::client("a stream", move |_| {
        let stream = stream.clone();
        Ok(Connecting::to(
            ConnectTo::Stream(Box::new(move |reactor| {
                reactor.spawn(async move { stream.take().ok_or_else(|| "it is taken".into()) })
            })),
            "a stream",
        ))
    });
    let mut client = ground.reactor().open(&to).await?;
    client.write_all(b"hello").await?;
    // It leaves at the end of the turn; reading here blocks the loop.
    ground.settle().await;
    let mut said = [0; 5];
    io::Read::read_exact(&mut &far, &mut said)?;
    assert_eq!(&said, b"hello");
    drop(far);
    client.close().await?;
    let error = ground.reactor().open(&to).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to a stream: it is taken");
    Ok(())
}

async fn a_kind_stands_for_addresses_which_race_in_their_order(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let refused = ground.listen(|_| Plain);
    refused.stop().await?;
    let good = port.addr();
    for (order, works) in [(vec![refused.addr(), good], true), (vec![refused.addr(), refused.addr()], false)]
    {
        let list = order.clone();
        let to = Endpoint::client("two of them", move |_| {
            Ok(Connecting::to(ConnectTo::Addresses(list.clone()), "two of them"))
        });
        match ground.reactor().connect(&to, |_| Plain).await {
            Ok(transport) => {
                assert!(works && transport.peer().remote == port.addr());
                transport.close();
            }
            Err(error) => {
                let error = error.downcast::<io::Error>()?;
                let tried = error.get_ref().unwrap().downcast_ref::<ConnectError>().unwrap();
                assert!(!works && tried.tried.iter().map(|(to, _)| to).eq(&order), "{error}");
                assert!(error.to_string().starts_with("cannot connect to two of them: "), "{error}");
            }
        }
    }
    Ok(())
}

/// A client's endpoint whose stream is never made; counts the attempts that are on their way.
fn never(timeout: &'static str, count: &Rc<Cell<i32>>) -> Endpoint {
    struct Attempt(Rc<Cell<i32>>);
    impl Drop for Attempt {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let count = count.clone();
    Endpoint::client("nowhere", move |_| {
        let count = count.clone();
        let make = move |reactor: &Reactor| {
            count.set(count.get() + 1);
            let attempt = Attempt(count);
            reactor.spawn(async move {
                std::future::pending::<()>().await;
                drop(attempt);
                Err("never".into())
            })
        };
        let mut connecting = Connecting::to(ConnectTo::Stream(Box::new(make)), "nowhere");
        connecting.timeout = std::time::Duration::from_secs_f64(timeout.parse()?);
        Ok(connecting)
    })
}

async fn a_stream_that_cannot_be_made_is_an_error_that_names_its_endpoint(ground: Ground) -> Result {
    let to = Endpoint::client("the attic", |_| {
        let make = |reactor: &Reactor| {
            reactor.spawn(async { Err(io::Error::from(io::ErrorKind::PermissionDenied).into()) })
        };
        Ok(Connecting::to(ConnectTo::Stream(Box::new(make)), "the attic"))
    });
    let error = ground.reactor().connect(&to, |_| Plain).await.unwrap_err().downcast::<io::Error>()?;
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert!(error.to_string().starts_with("cannot connect to the attic: "), "{error}");
    Ok(())
}

async fn a_stream_that_is_not_made_in_time_is_given_up(ground: Ground) -> Result {
    let count = Rc::new(Cell::new(0));
    let error = ground.reactor().connect(never("0.02", &count), |_| Plain).await.unwrap_err();
    assert_eq!(error.downcast::<io::Error>()?.kind(), io::ErrorKind::TimedOut);
    ground.until(|| count.get() == 0).await;
    Ok(())
}

async fn dropping_a_connect_gives_up_the_making_of_its_stream(ground: Ground) -> Result {
    let count = Rc::new(Cell::new(0));
    let connect = ground.reactor().connect(never("60", &count), |_| Plain);
    ground.turn().await;
    assert_eq!(count.get(), 1);
    drop(connect);
    ground.until(|| count.get() == 0).await;
    Ok(())
}

/// A prefix that changes nothing.
struct Through;

impl EndpointKind for Through {
    fn usage(&self) -> Usage {
        let form = Form { inner: true, ..Form::default() };
        Usage { name: "through", server: Some(form), client: Some(form) }
    }
    fn listen(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Listening> {
        given.inner()?.listening(reactor)
    }
    fn connect(&self, given: &Given<'_>, reactor: &Reactor) -> Result<Connecting> {
        given.inner()?.connecting(reactor)
    }
}

async fn a_kind_stands_before_another_endpoint(ground: Ground) -> Result {
    ground.reactor().register(Through);
    let port = ground.listen_on("through:tcp:0:interface=127.0.0.1", |_| Plain)?;
    let client = ground.reactor().connect(&format!("through:{}", to(&port)), |_| Plain).await?;
    assert_eq!(client.peer().remote, port.addr());
    client.close();
    Ok(())
}

async fn a_kind_is_known_from_its_registration_on(ground: Ground) -> Result {
    let on = "through:tcp:0:interface=127.0.0.1";
    let error = ground.listen_on(on, |_| Plain).unwrap_err();
    assert!(error.to_string().contains("unknown kind \"through\""), "{error}");
    // The string was read before; what it means is asked when it is used.
    let endpoint = on.into_endpoint()?;
    ground.reactor().register(Through);
    ground.listen_on(endpoint, |_| Plain)?;
    assert!(ground.reactor().kinds().iter().any(|kind| kind.usage().name == "through"));
    Ok(())
}

async fn a_wrong_endpoint_is_an_error_that_points_at_the_place(ground: Ground) -> Result {
    ground.reactor().register(Through);
    let at = |error: Error| {
        let error = error.downcast::<EndpointError>().unwrap();
        error.endpoint[error.at.clone()].to_owned()
    };
    for (text, place) in [("through:tcp:80:interfac=x", "interfac"), ("tcp:80x", "80x"), ("tcp:[:80", "[")] {
        assert_eq!(at(ground.listen_on(text, |_| Plain).unwrap_err()), place);
    }
    for (text, place) in [("through:tcp:h:80x", "80x"), ("systemd:0", "systemd"), ("tcp:h:80:timeout=x", "x")]
    {
        assert_eq!(at(ground.reactor().connect(text, |_| Plain).await.unwrap_err()), place);
    }
    Ok(())
}

async fn an_endpoint_can_be_used_again(ground: Ground) -> Result {
    let on = "tcp:0:interface=127.0.0.1".into_endpoint()?;
    let (one, other) = (ground.listen_on(&on, |_| Plain)?, ground.listen_on(&on, |_| Plain)?);
    assert_ne!(one.addr(), other.addr());
    let to = to(&one).as_str().into_endpoint()?;
    let first = ground.reactor().connect(&to, |_| Plain).await?;
    let second = ground.reactor().connect(&to, |_| Plain).await?;
    assert_ne!(first.peer().local, second.peer().local);
    first.close();
    second.close();
    Ok(())
}

async fn layers_know_the_addresses_of_their_connection(ground: Ground) -> Result {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = |who: &'static str| {
        let seen = seen.clone();
        move |peer: &Peer| {
            seen.borrow_mut().push((who, peer.local.clone(), peer.remote.clone()));
            Vec::new()
        }
    };
    let (server, client) = (note("srv"), note("cli"));
    let (near, far) = ground
        .pair_over(
            |on| on.layered_with(server),
            Actor::new(&ground, "srv"),
            |to| to.layered_with(client),
            Actor::new(&ground, "cli"),
        )
        .await?;
    let (a, b) = (near.peer().local.clone(), far.peer().local.clone());
    let mut seen = seen.take();
    seen.sort_by_key(|(who, ..)| *who);
    assert_eq!(seen, [("cli", b.clone(), a.clone()), ("srv", a, b)]);
    far.close();
    Ok(())
}

async fn a_socket_that_nobody_has_handed_over_is_an_error_that_says_so(ground: Ground) -> Result {
    for on in ["systemd:0", "systemd:name=http"] {
        let error = ground.listen_on(on, |_| Plain).unwrap_err().downcast::<io::Error>()?;
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("handed over"), "{error}");
    }
    Ok(())
}
