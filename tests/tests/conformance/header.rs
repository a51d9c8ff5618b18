//! A layer that is done after its header, alone, and above and below another one.

use crate::{
    actor::Actor,
    ground::{Ground, bytes, to},
};
use std::{cell::Cell, io::Write, rc::Rc};
use trenza_core::{Buf, Flow, IntoEndpoint, Layer, OutBuf, Port, Result, Transport, Wire};
use trenza_tests::{Header, Xor};

cases! {
    the_header_tells_the_peer_before_build
    bytes_behind_the_header_reach_the_protocol
    the_header_may_come_in_any_pieces
    the_end_right_behind_the_header_is_an_end
    a_bad_header_is_answered_and_nothing_is_built
    a_header_without_end_is_refused
    the_end_within_the_header_builds_nothing
    behind_the_header_files_and_ends_are_as_without
    a_header_below_another_layer
    a_header_above_another_layer
    a_header_and_all_else_in_one_piece_above_another_layer
    a_header_pushed_in_mid_stream
}

const LINE: &[u8] = b"FROM 192.0.2.7:1234\r\n";

type Layers = fn() -> Vec<Box<dyn Layer>>;

/// A port with these layers; notes whom it builds for.
fn port(ground: &Ground, layers: Layers) -> Result<Port> {
    let inner = ground.clone();
    let on = "tcp:0:interface=127.0.0.1".into_endpoint()?.layered(layers);
    ground.listen_on(on, move |transport: &Transport| {
        let peer = transport.peer();
        let via = peer.via.as_ref().and_then(trenza_core::Addr::ip);
        inner.log().note("srv", format!("for {} via {via:?} alpn {:?}", peer.remote, peer.alpn));
        Actor::new(&inner, "srv")
    })
}

fn header() -> Vec<Box<dyn Layer>> {
    vec![Box::new(Header::default())]
}

async fn raw(ground: &Ground, port: &Port, says: &[u8]) -> Result<Transport> {
    let cli = Actor::new(ground, "cli");
    let cli = ground.reactor().connect(&to(port), |_| cli).await?;
    cli.write(says);
    Ok(cli)
}

const BUILT: &str = "for 192.0.2.7:1234 via Some(127.0.0.1) alpn None";
const BUILT_OVER_XOR: &str = "for 192.0.2.7:1234 via Some(127.0.0.1) alpn Some(\"xor\")";

async fn the_header_tells_the_peer_before_build(ground: Ground) -> Result {
    let port = port(&ground, header)?;
    let cli = raw(&ground, &port, LINE).await?;
    ground.log().heard("srv", "made").await;
    assert_eq!(ground.log().of("srv"), [BUILT, "made"]);
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    Ok(())
}

async fn bytes_behind_the_header_reach_the_protocol(ground: Ground) -> Result {
    let port = port(&ground, header)?;
    let cli = raw(&ground, &port, &[LINE, b"GET / HTTP/1.1\r\n"].concat()).await?;
    ground.log().received("srv", 16).await;
    cli.write(b"\r\n");
    ground.log().received("srv", 18).await;
    assert_eq!(ground.log().bytes("srv"), b"GET / HTTP/1.1\r\n\r\n");
    cli.close();
    Ok(())
}

async fn the_header_may_come_in_any_pieces(ground: Ground) -> Result {
    let port = port(&ground, header)?;
    let all = [LINE, b"body"].concat();
    for cut in 1..all.len() {
        let cli = raw(&ground, &port, &all[..cut]).await?;
        cli.flushed().await?;
        ground.turn().await;
        cli.write(&all[cut..]);
        ground.log().received("srv", 4).await;
        assert_eq!(ground.log().of("srv"), [BUILT, "made"], "cut at {cut}");
        assert_eq!(ground.log().bytes("srv"), b"body", "cut at {cut}");
        cli.close();
        ground.log().lost("srv").await;
        ground.log().forget();
    }
    Ok(())
}

async fn the_end_right_behind_the_header_is_an_end(ground: Ground) -> Result {
    let port = port(&ground, header)?;
    let cli = raw(&ground, &port, LINE).await?;
    cli.close_write();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().of("srv"), [BUILT, "made", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn a_bad_header_is_answered_and_nothing_is_built(ground: Ground) -> Result {
    let port = port(&ground, header)?;
    raw(&ground, &port, b"GET / HTTP/1.1\r\n\r\n").await?;
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().bytes("cli"), b"bad header\r\n");
    assert_eq!(ground.log().of("srv"), [""; 0]);
    Ok(())
}

async fn a_header_without_end_is_refused(ground: Ground) -> Result {
    let port = port(&ground, header)?;
    raw(&ground, &port, &[b'x'; 200]).await?;
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"no header\r\n");
    assert_eq!(ground.log().of("srv"), [""; 0]);
    Ok(())
}

async fn the_end_within_the_header_builds_nothing(ground: Ground) -> Result {
    let port = port(&ground, header)?;
    let cli = raw(&ground, &port, &LINE[..9]).await?;
    cli.close_write();
    ground.log().lost("cli").await;
    ground.until(|| port.connections() == 0).await;
    assert_eq!(ground.log().of("srv"), [""; 0]);
    Ok(())
}

async fn behind_the_header_files_and_ends_are_as_without(ground: Ground) -> Result {
    let on = "tcp:0:interface=127.0.0.1".into_endpoint()?.layered(header);
    let mut content = tempfile::tempfile()?;
    content.write_all(&bytes(200_000))?;
    let mut srv = Some(Actor::new(&ground, "srv").eof(move |transport, _| {
        transport.send_file(content.try_clone()?, 0..200_000);
        transport.close_write();
        Ok(())
    }));
    let port = ground.listen_on(on, move |_| srv.take().unwrap())?;
    let cli = raw(&ground, &port, LINE).await?;
    cli.close_write();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    ground.log().lost("cli").await;
    assert!(ground.log().bytes("cli") == bytes(200_000));
    Ok(())
}

/// Says the header first, and changes nothing.
#[derive(Default)]
struct Announce(bool);

impl Layer for Announce {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        up.push(wire.bytes());
        wire.consume(usize::MAX);
        Ok(Flow::More)
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        if !std::mem::replace(&mut self.0, true) {
            down.push_slice(LINE);
        }
        down.append(plain);
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
}

/// Talks to a server with these layers, by these layers; what it says comes at once with its end.
async fn talk(ground: &Ground, server: Layers, client: Layers) -> Result {
    let port = port(ground, server)?;
    let cli = Actor::new(ground, "cli").made(|transport| {
        transport.write(b"question");
        transport.close_write();
        Ok(())
    });
    let to = to(&port).as_str().into_endpoint()?.layered(client);
    ground.reactor().connect(to, |_| cli).await?;
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().bytes("srv"), b"question");
    assert_eq!(ground.log().of("srv"), [BUILT_OVER_XOR, "made", "eof", "lost PeerClosed"]);
    ground.log().lost("cli").await;
    Ok(())
}

async fn a_header_below_another_layer(ground: Ground) -> Result {
    let server: Layers = || vec![Box::new(Header::default()), Box::new(Xor::server(1))];
    let client: Layers = || vec![Box::new(Announce::default()), Box::new(Xor::client(2))];
    talk(&ground, server, client).await
}

async fn a_header_above_another_layer(ground: Ground) -> Result {
    let server: Layers = || vec![Box::new(Xor::server(1)), Box::new(Header::default())];
    let client: Layers = || vec![Box::new(Xor::client(2)), Box::new(Announce::default())];
    talk(&ground, server, client).await
}

async fn a_header_and_all_else_in_one_piece_above_another_layer(ground: Ground) -> Result {
    let port = port(&ground, || vec![Box::new(Xor::server(1)), Box::new(Header::default())])?;
    let sealed = trenza_tests::sealed((1, 2), &[LINE, b"question"].concat());
    let cli = raw(&ground, &port, &[b"h\0\x01\x02", &sealed[..], b"e\0\0"].concat()).await?;
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().bytes("srv"), b"question");
    assert_eq!(ground.log().of("srv"), [BUILT_OVER_XOR, "made", "eof", "lost PeerClosed"]);
    cli.close();
    Ok(())
}

async fn a_header_pushed_in_mid_stream(ground: Ground) -> Result {
    let built = Rc::new(Cell::new(None));
    let seen = built.clone();
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(move |transport, input| {
        while let Some(line) = input.line(100)? {
            log.note("srv", String::from_utf8_lossy(line));
            if line == b"HEADER" {
                transport.push_layer(Header::default());
                transport.write(b"held until it has come");
            }
        }
        seen.set(transport.peer().remote.port());
        Ok(())
    });
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    cli.write(b"HEADER\r\nFROM 192.0.2.7:1234\r\nnext\r\n");
    ground.log().heard("srv", "next").await;
    assert_eq!(built.get(), Some(1234));
    assert_eq!(srv.peer().remote.to_string(), "192.0.2.7:1234");
    ground.log().received("cli", 22).await;
    cli.close();
    ground.log().lost("srv").await;
    assert_eq!(ground.log().of("srv"), ["made", "HEADER", "next", "eof", "lost PeerClosed"]);
    Ok(())
}
