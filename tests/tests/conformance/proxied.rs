//! The PROXY protocol, before servers and by clients.

use crate::{
    actor::{Actor, Plain},
    ground::Ground,
};
use std::{cell::RefCell, rc::Rc, time::Duration};
use trenza_core::{IntoEndpoint, Limits, Port, Protocol, Result, Transport};
use trenza_proxy::{
    header::{Header, Told, Version, Writer},
    register,
};
use trenza_tests::Xor;

cases! {
    a_header_tells_who_the_client_is
    a_header_that_names_nobody_leaves_the_peer_as_it_is
    a_header_in_pieces_is_put_together
    a_client_tells_its_own_address
    what_is_no_header_is_reset_at_once
    a_header_that_ends_early_is_cut_short
    a_header_that_never_comes_has_a_limit
    a_header_lies_under_other_layers
}

/// Listens behind a header, and notes who has come.
fn listen(ground: &Ground, come: &Rc<RefCell<Vec<Transport>>>) -> Result<Port> {
    register(ground.reactor());
    let (inner, come) = (ground.clone(), come.clone());
    ground.listen_on("haproxy:tcp:0:interface=127.0.0.1", move |transport| {
        come.borrow_mut().push(transport.clone());
        Actor::new(&inner, "srv")
    })
}

fn to(port: &Port) -> String {
    format!("tcp:{}", port.addr())
}

/// Connects as a proxy, and says something.
async fn send(ground: &Ground, port: &Port, client: impl Protocol, pieces: &[&[u8]]) -> Result<Transport> {
    let proxy = ground.reactor().connect(&to(port), |_| client).await?;
    for piece in pieces {
        proxy.write(piece);
        proxy.flushed().await?;
        ground.turn().await;
    }
    Ok(proxy)
}

fn told() -> Told {
    Told::Ip { source: "192.0.2.1:5000".parse().unwrap(), destination: "192.0.2.2:80".parse().unwrap() }
}

async fn a_header_tells_who_the_client_is(ground: Ground) -> Result {
    let come = Rc::default();
    let port = listen(&ground, &come)?;
    for version in [Version::V1, Version::V2] {
        let header = Header { version, told: told() }.encode();
        let proxy = send(&ground, &port, Plain, &[&[&header[..], b"hello"].concat()]).await?;
        ground.log().received("srv", 5).await;
        let server = come.borrow_mut().pop().unwrap();
        assert_eq!(server.peer().remote.to_string(), "192.0.2.1:5000");
        assert_eq!(server.peer().via.as_ref(), Some(&proxy.peer().local));
        assert_eq!(server.peer().local, port.addr());
        assert_eq!(ground.log().bytes("srv"), b"hello");
        proxy.close();
        ground.log().lost("srv").await;
        ground.log().forget();
    }
    Ok(())
}

async fn a_header_that_names_nobody_leaves_the_peer_as_it_is(ground: Ground) -> Result {
    let come = Rc::default();
    let port = listen(&ground, &come)?;
    for (version, told) in
        [(Version::V1, Told::Unknown), (Version::V2, Told::Unknown), (Version::V2, Told::Local)]
    {
        let header = Header { version, told }.encode();
        let proxy = send(&ground, &port, Plain, &[&header]).await?;
        ground.until(|| !come.borrow().is_empty()).await;
        let server = come.borrow_mut().pop().unwrap();
        assert_eq!((&server.peer().remote, &server.peer().via), (&proxy.peer().local, &None));
        proxy.close();
    }
    Ok(())
}

async fn a_header_in_pieces_is_put_together(ground: Ground) -> Result {
    let come = Rc::default();
    let port = listen(&ground, &come)?;
    for version in [Version::V1, Version::V2] {
        let bytes = [&Header { version, told: told() }.encode()[..], b"hello"].concat();
        let pieces: Vec<_> = bytes.chunks(7).collect();
        let proxy = send(&ground, &port, Plain, &pieces).await?;
        ground.log().received("srv", 5).await;
        assert_eq!(ground.log().bytes("srv"), b"hello");
        assert_eq!(come.borrow_mut().pop().unwrap().peer().remote.port(), Some(5000));
        proxy.close();
        ground.log().lost("srv").await;
        ground.log().forget();
    }
    Ok(())
}

async fn a_client_tells_its_own_address(ground: Ground) -> Result {
    let come = Rc::default();
    let port = listen(&ground, &come)?;
    for prefix in ["haproxy", "haproxy:version=1"] {
        let client = ground.reactor().connect(&format!("{prefix}:{}", to(&port)), |_| Plain).await?;
        ground.until(|| !come.borrow().is_empty()).await;
        let server = come.borrow_mut().pop().unwrap();
        assert_eq!(server.peer().remote, client.peer().local);
        assert_eq!(server.peer().via.as_ref(), Some(&client.peer().local));
        client.close();
    }
    Ok(())
}

async fn what_is_no_header_is_reset_at_once(ground: Ground) -> Result {
    let come = Rc::default();
    let port = listen(&ground, &come)?;
    for text in [&b"GET / HTTP/1.1\r\n"[..], b"PROXY TCP4 192.0.2.1 x 1 1\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31"] {
        send(&ground, &port, Actor::new(&ground, "cli"), &[text]).await?;
        ground.log().lost("cli").await;
        ground.log().forget();
    }
    assert!(come.borrow().is_empty(), "no protocol is built");
    Ok(())
}

async fn a_header_that_ends_early_is_cut_short(ground: Ground) -> Result {
    let come = Rc::default();
    let port = listen(&ground, &come)?;
    let proxy = send(&ground, &port, Actor::new(&ground, "cli"), &[b"PROXY TCP4 192.0.2.1"]).await?;
    proxy.close_write();
    ground.log().lost("cli").await;
    assert!(come.borrow().is_empty());
    Ok(())
}

async fn a_header_that_never_comes_has_a_limit(ground: Ground) -> Result {
    ground.reactor().set_limits(Limits { handshake: ground.moment(), ..Limits::default() });
    let come = Rc::default();
    let port = listen(&ground, &come)?;
    send(&ground, &port, Actor::new(&ground, "cli"), &[b"PROXY "]).await?;
    ground.log().lost("cli").await;
    assert!(come.borrow().is_empty());
    ground.reactor().set_limits(Limits { handshake: Duration::from_secs(10), ..Limits::default() });
    Ok(())
}

async fn a_header_lies_under_other_layers(ground: Ground) -> Result {
    register(ground.reactor());
    let header = Header { version: Version::V2, told: told() };
    let on = "haproxy:tcp:0:interface=127.0.0.1".into_endpoint()?.layered(|| vec![Box::new(Xor::server(7))]);
    let inner = ground.clone();
    let port = ground.listen_on(on, move |transport| {
        assert_eq!(transport.peer().remote.port(), Some(5000));
        Actor::new(&inner, "srv")
    })?;
    let to = to(&port).as_str().into_endpoint()?;
    let to = to.layered(move || vec![Box::new(Writer::new(&header)), Box::new(Xor::client(9))]);
    let client = ground.reactor().connect(to, |_| Plain).await?;
    client.write(b"hello");
    ground.log().received("srv", 5).await;
    assert_eq!(ground.log().bytes("srv"), b"hello");
    client.close();
    Ok(())
}
