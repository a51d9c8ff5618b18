//! Layers of an endpoint: handshake, data, ends, failures. [`Xor`] stands for TLS.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, bytes, to},
};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{
    Bucket, Buf, Endpoint, Flow, IntoEndpoint, Layer, Limits, OutBuf, Policy, Port, Rate, Reason, Result,
    Timeout, Transport, Wire,
};
use trenza_tests::{Xor, sealed};

cases! {
    bytes_go_both_ways_however_they_are_split
    nothing_leaves_in_plain
    the_protocol_is_built_when_the_handshake_has_ended
    bytes_that_came_with_the_handshake_reach_the_protocol
    close_is_an_end_to_the_peer
    an_end_without_the_layers_end_is_truncated
    an_end_of_the_layer_is_an_end_although_the_wire_goes_on
    an_end_within_the_handshake_builds_nothing
    half_closed_the_answer_comes
    both_directions_ended_is_closed
    both_directions_of_the_layer_ended_is_closed_although_the_wire_goes_on
    what_a_layer_says_behind_our_end_is_not_sent
    abort_resets_the_peer
    garbage_instead_of_a_handshake_is_answered_with_an_alert
    a_refused_handshake_is_an_error_on_both_sides
    garbage_behind_good_bytes_comes_behind_them
    a_handshake_that_takes_too_long_is_given_up
    a_connect_whose_handshake_takes_too_long_is_an_error
    the_time_of_the_handshake_is_none_of_the_protocols
    a_timeout_around_a_handshake_leaves_nothing
    dropping_a_connect_in_its_handshake_leaves_nothing
    unsent_bytes_are_counted_and_go_to_zero
    flushed_fires_when_everything_has_left
    flushed_waits_although_layers_make_less_of_what_is_behind
    flushed_waits_when_a_layer_has_ended
    marks_count_what_is_in_layers
    the_unsent_limit_counts_what_is_in_layers
    the_unread_limit_counts_what_layers_leave
    paused_nothing_is_offered_and_nothing_is_lost
    what_a_failed_layer_held_is_not_flushed
    streams_work_over_layers
    over_no_layers_at_all_nothing_changes
}

/// Makes one byte of ten, and one of a hundred behind the first thousand; ends when it is told something.
struct Shrink(usize);

impl Layer for Shrink {
    fn decode(&mut self, _: &mut Wire<'_>, _: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        Ok(Flow::Done)
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        while let Some(chunk) = plain.split_chunk(1000) {
            let ratio = if self.0 < 1000 { 10 } else { 100 };
            self.0 += chunk.len();
            down.push_slice(&vec![b's'; chunk.len() / ratio]);
        }
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
}

fn server(on: Endpoint) -> Endpoint {
    on.layered(|| vec![Box::new(Xor::server(0x11))])
}

fn client(to: Endpoint) -> Endpoint {
    to.layered(|| vec![Box::new(Xor::client(0x22))])
}

/// The key of the two.
const KEY: (u8, u8) = (0x11, 0x22);

async fn layered(ground: &Ground, srv: Actor, cli: Actor) -> Result<(Transport, Transport)> {
    ground.pair_over(server, srv, client, cli).await
}

async fn plain(ground: &Ground) -> Result<(Transport, Transport)> {
    layered(ground, Actor::new(ground, "srv"), Actor::new(ground, "cli")).await
}

/// A port with the layer, and the number of protocols that it has built.
fn port(ground: &Ground) -> Result<(Port, Rc<Cell<u32>>)> {
    let built = Rc::new(Cell::new(0));
    let (seen, inner) = (built.clone(), ground.clone());
    let port = ground.listen_on(server("tcp:0:interface=127.0.0.1".into_endpoint()?), move |_| {
        seen.set(seen.get() + 1);
        Actor::new(&inner, "srv")
    })?;
    Ok((port, built))
}

/// A client that speaks the layer's language itself.
async fn raw(ground: &Ground, port: &Port, says: &[u8]) -> Result<Transport> {
    let cli = Actor::new(ground, "cli");
    let cli = ground.reactor().connect(&to(port), |_| cli).await?;
    cli.write(says);
    Ok(cli)
}

async fn bytes_go_both_ways_however_they_are_split(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let n = ground.scaled(30_000, 2_000_000);
    for piece in bytes(n).chunks(1009) {
        cli.write(piece);
        srv.write(piece);
    }
    ground.log().received("cli", n).await;
    ground.log().received("srv", n).await;
    assert!(ground.log().bytes("srv") == bytes(n) && ground.log().bytes("cli") == bytes(n));
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().lost("cli").await, "Closed");
    Ok(())
}

async fn nothing_leaves_in_plain(ground: Ground) -> Result {
    let on = server("tcp:0:interface=127.0.0.1".into_endpoint()?);
    let port = ground.listen_on(on, |transport: &Transport| {
        transport.write(b"secret in build");
        Plain
    })?;
    let cli = raw(&ground, &port, b"h\0\x01\x22").await?;
    let expected = [b"h\0\x01\x11".to_vec(), sealed(KEY, b"secret in build")].concat();
    ground.log().received("cli", expected.len()).await;
    assert_eq!(ground.log().bytes("cli"), expected);
    cli.abort();
    Ok(())
}

async fn the_protocol_is_built_when_the_handshake_has_ended(ground: Ground) -> Result {
    let log = ground.log().clone();
    let on = "tcp:0:interface=127.0.0.1".into_endpoint()?;
    let on = on.layered(|| vec![Box::new(Xor::server(0x11).named("agreed"))]);
    let port = ground.listen_on(on, move |transport: &Transport| {
        log.note("srv", format!("built for {:?}", transport.peer().alpn));
        Plain
    })?;
    let cli = raw(&ground, &port, b"h").await?;
    ground.until(|| port.connections() == 1).await;
    for byte in [b"\0", b"\x01"] {
        ground.settle().await;
        assert_eq!(ground.log().of("srv"), [""; 0]);
        cli.write(byte);
    }
    cli.write(b"\x22");
    ground.log().heard("srv", "built for Some(\"agreed\")").await;
    cli.abort();
    Ok(())
}

async fn bytes_that_came_with_the_handshake_reach_the_protocol(ground: Ground) -> Result {
    let (port, built) = port(&ground)?;
    let says = [b"h\0\x01\x22".to_vec(), sealed(KEY, b"at once"), b"e\0\0".to_vec()].concat();
    let cli = raw(&ground, &port, &says).await?;
    cli.close_write();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().bytes("srv"), b"at once");
    assert_eq!((built.get(), ground.log().of("srv").len()), (1, 3));
    Ok(())
}

async fn close_is_an_end_to_the_peer(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    srv.write(b"bye");
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().bytes("cli"), b"bye");
    Ok(())
}

async fn an_end_without_the_layers_end_is_truncated(ground: Ground) -> Result {
    let (port, _) = port(&ground)?;
    let says = [b"h\0\x01\x22".to_vec(), sealed(KEY, b"whole"), sealed(KEY, b"half")[..5].to_vec()].concat();
    let cli = raw(&ground, &port, &says).await?;
    cli.close_write();
    assert_eq!(ground.log().lost("srv").await, "Truncated");
    assert_eq!(ground.log().of("srv"), ["made", "lost Truncated"], "no end is told");
    assert_eq!(ground.log().bytes("srv"), b"whole");
    Ok(())
}

async fn an_end_of_the_layer_is_an_end_although_the_wire_goes_on(ground: Ground) -> Result {
    let (port, _) = port(&ground)?;
    let says =
        [b"h\0\x01\x22".to_vec(), sealed(KEY, b"all"), b"e\0\0".to_vec(), sealed(KEY, b"more")].concat();
    raw(&ground, &port, &says).await?;
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().bytes("srv"), b"all");
    Ok(())
}

async fn an_end_within_the_handshake_builds_nothing(ground: Ground) -> Result {
    let (port, built) = port(&ground)?;
    let cli = raw(&ground, &port, b"h\0").await?;
    cli.close_write();
    ground.log().lost("cli").await;
    ground.until(|| port.connections() == 0).await;
    assert_eq!(built.get(), 0);
    Ok(())
}

async fn half_closed_the_answer_comes(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").eof(|transport, _| {
        transport.write(b"the answer");
        transport.close();
        Ok(())
    });
    let (_, cli) = layered(&ground, srv, Actor::new(&ground, "cli")).await?;
    cli.write(b"the question");
    cli.close_write();
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().bytes("srv"), b"the question");
    assert_eq!(ground.log().bytes("cli"), b"the answer");
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    Ok(())
}

async fn both_directions_ended_is_closed(ground: Ground) -> Result {
    let (srv, cli) =
        layered(&ground, Actor::new(&ground, "srv").stays(), Actor::new(&ground, "cli").stays()).await?;
    cli.close_write();
    ground.log().heard("srv", "eof").await;
    srv.write(b"one more");
    srv.close_write();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().lost("cli").await, "Closed");
    assert_eq!(ground.log().bytes("cli"), b"one more");
    Ok(())
}

async fn both_directions_of_the_layer_ended_is_closed_although_the_wire_goes_on(ground: Ground) -> Result {
    let on = server("tcp:0:interface=127.0.0.1".into_endpoint()?);
    let mut srv = Some(Actor::new(&ground, "srv").stays());
    let port = ground.listen_on(on, move |transport: &Transport| {
        transport.set_limits(Limits { linger: Duration::from_millis(20), ..Limits::default() });
        srv.take().unwrap()
    })?;
    let cli = Actor::new(&ground, "cli").stays();
    let cli = ground.reactor().connect(&to(&port), |_| cli).await?;
    cli.write(b"h\0\x01\x22e\0\0");
    ground.log().heard("srv", "eof").await;
    let srv = ground.reactor().connections().into_iter().find(|one| *one != cli).unwrap();
    srv.close_write();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    cli.abort();
    Ok(())
}

async fn what_a_layer_says_behind_our_end_is_not_sent(ground: Ground) -> Result {
    let (port, _) = port(&ground)?;
    let cli = Actor::new(&ground, "cli").stays();
    let cli = ground.reactor().connect(&to(&port), |_| cli).await?;
    cli.write(b"h\0\x01\x22");
    ground.log().heard("srv", "made").await;
    let srv = ground.reactor().connections().into_iter().find(|one| *one != cli).unwrap();
    srv.set_limits(Limits { linger: Duration::from_millis(20), ..Limits::default() });
    srv.close_write();
    ground.log().heard("cli", "eof").await;
    cli.write(b"garbage");
    assert_eq!(ground.log().lost("srv").await, "Failed(not a record)");
    assert_eq!(ground.log().bytes("cli"), b"h\0\x01\x11e\0\0", "no alert behind the end");
    cli.abort();
    Ok(())
}

async fn abort_resets_the_peer(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    srv.write(b"never");
    srv.abort();
    assert_eq!(ground.log().lost("srv").await, "Aborted");
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    assert_eq!(ground.log().count("cli"), 0);
    Ok(())
}

async fn garbage_instead_of_a_handshake_is_answered_with_an_alert(ground: Ground) -> Result {
    let (port, built) = port(&ground)?;
    raw(&ground, &port, b"GET / HTTP/1.1\r\n\r\n").await?;
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().bytes("cli"), b"a\0\x0cnot a record");
    assert_eq!(built.get(), 0);
    Ok(())
}

async fn a_refused_handshake_is_an_error_on_both_sides(ground: Ground) -> Result {
    let (port, built) = port(&ground)?;
    let weak = to(&port).as_str().into_endpoint()?.layered(|| vec![Box::new(Xor::client(0))]);
    let error =
        ground.reactor().connect(weak, |_| -> Plain { panic!("nothing is built") }).await.unwrap_err();
    assert_eq!(error.to_string(), "the peer says: a weak key");
    assert!(matches!(error.downcast_ref(), Some(Reason::Failed(_))));
    assert_eq!(built.get(), 0);
    Ok(())
}

async fn garbage_behind_good_bytes_comes_behind_them(ground: Ground) -> Result {
    let (port, _) = port(&ground)?;
    let says = [b"h\0\x01\x22".to_vec(), sealed(KEY, b"good"), b"??? bad".to_vec()].concat();
    raw(&ground, &port, &says).await?;
    assert_eq!(ground.log().lost("srv").await, "Failed(not a record)");
    assert_eq!(ground.log().of("srv"), ["made", "lost Failed(not a record)"]);
    assert_eq!(ground.log().bytes("srv"), b"good", "as if it had come in a piece of its own");
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"h\0\x01\x11a\0\x0cnot a record", "the alert leaves first");
    Ok(())
}

fn handshake(ground: &Ground) -> Limits {
    Limits { handshake: 25 * ground.moment(), ..Limits::default() }
}

async fn a_handshake_that_takes_too_long_is_given_up(ground: Ground) -> Result {
    let (port, built) = port(&ground)?;
    ground.reactor().set_limits(handshake(&ground));
    raw(&ground, &port, b"h\0").await?;
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    assert_eq!((built.get(), port.connections()), (0, 0));
    Ok(())
}

async fn a_connect_whose_handshake_takes_too_long_is_an_error(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    ground.reactor().set_limits(handshake(&ground));
    let to = client(to(&port).as_str().into_endpoint()?);
    let error = ground.reactor().connect(to, |_| Plain).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Reason::TimedOut(Timeout::Handshake))), "{error}");
    Ok(())
}

async fn the_time_of_the_handshake_is_none_of_the_protocols(ground: Ground) -> Result {
    ground.reactor().set_limits(handshake(&ground));
    let (srv, cli) = plain(&ground).await?;
    ground.reactor().sleep(26 * ground.moment()).await;
    assert!(srv.is_open() && cli.is_open());
    cli.close();
    Ok(())
}

async fn a_timeout_around_a_handshake_leaves_nothing(ground: Ground) -> Result {
    let port = ground.listen(|_| Plain);
    let connect = ground.reactor().connect(client(to(&port).as_str().into_endpoint()?), |_| Plain);
    trenza_core::timeout(ground.moment(), connect).await.unwrap_err();
    let open = ground.reactor().open(client(to(&port).as_str().into_endpoint()?));
    trenza_core::timeout(ground.moment(), open).await.unwrap_err();
    Ok(())
}

async fn dropping_a_connect_in_its_handshake_leaves_nothing(ground: Ground) -> Result {
    let (port, _) = port(&ground)?;
    for turns in 0..6 {
        let connect = ground.reactor().connect(client(to(&port).as_str().into_endpoint()?), |_| Plain);
        for _ in 0..turns {
            ground.turn().await;
        }
        drop(connect);
    }
    Ok(())
}

async fn unsent_bytes_are_counted_and_go_to_zero(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    let before = cli.counts().received;
    srv.write(&bytes(10_000));
    assert_eq!(srv.counts().unsent, 10_000);
    ground.log().received("cli", 10_000).await;
    srv.flushed().await?;
    assert_eq!((srv.counts().unsent, srv.counts().sent), (0, 10_000));
    assert!(cli.counts().received - before > 10_000, "as it was on the wire");
    cli.close();
    ground.log().lost("srv").await;
    assert_eq!(srv.counts().unsent, 0);
    Ok(())
}

/// A client that does not read, and a server that has written more than the system holds.
async fn unread(ground: &Ground, limits: Limits) -> Result<(Transport, Transport)> {
    let (srv, cli) = plain(ground).await?;
    cli.pause();
    srv.set_limits(limits);
    srv.write_bytes(bytes(ground.plenty()).into());
    Ok((srv, cli))
}

fn unlimited() -> Limits {
    Limits { unsent: usize::MAX, ..Limits::default() }
}

/// A connection whose layer makes less of what is sent, and whose first ten bytes on the wire leave; somebody waits for
/// the first hundred, behind which there are more.
async fn shrinking(ground: &Ground) -> Result<(Transport, Transport)> {
    let slow = Policy::new().rate_out(Rate::new(1).burst(10));
    let (srv, cli) = ground
        .pair_over(
            |on| on.layered(|| vec![Box::new(Shrink(0))]).policy(slow),
            Actor::new(ground, "srv"),
            |to| to,
            Actor::new(ground, "cli"),
        )
        .await?;
    srv.write(&bytes(1000));
    let log = ground.log().clone();
    srv.flushed().then(move |flushed| log.note("srv", format!("flushed {}", flushed.is_ok())));
    ground.log().received("cli", 10).await;
    srv.write(&bytes(50_000));
    ground.settle().await;
    Ok((srv, cli))
}

/// When it has fired, what it stands for has arrived or is on its way.
async fn flushed_after(ground: &Ground, srv: &Transport, least: usize) {
    assert!(!ground.log().of("srv").iter().any(|line| line.starts_with("flushed")), "too early");
    srv.set_rate_out(Some(&Bucket::new(Rate::new(1 << 30))));
    ground.log().heard("srv", "flushed true").await;
    ground.log().received("cli", least).await;
    srv.close();
    ground.log().lost("cli").await;
}

async fn flushed_waits_although_layers_make_less_of_what_is_behind(ground: Ground) -> Result {
    let (srv, _) = shrinking(&ground).await?;
    flushed_after(&ground, &srv, 100).await;
    assert_eq!(ground.log().count("cli"), 100 + 500);
    Ok(())
}

async fn flushed_waits_when_a_layer_has_ended(ground: Ground) -> Result {
    let (srv, cli) = shrinking(&ground).await?;
    cli.write(b"done");
    ground.log().received("srv", 4).await;
    srv.write(&bytes(300));
    ground.settle().await;
    flushed_after(&ground, &srv, 100).await;
    assert_eq!(ground.log().count("cli"), 100 + 500 + 300);
    Ok(())
}

async fn flushed_fires_when_everything_has_left(ground: Ground) -> Result {
    let (srv, cli) = unread(&ground, unlimited()).await?;
    let log = ground.log().clone();
    srv.flushed().then(move |result| log.note("flushed", format!("{}", result.is_ok())));
    ground.settle().await;
    assert_eq!(ground.log().of("flushed"), [""; 0]);
    cli.resume();
    ground.log().heard("flushed", "true").await;
    assert_eq!(srv.counts().unsent, 0);
    cli.close();
    Ok(())
}

async fn marks_count_what_is_in_layers(ground: Ground) -> Result {
    let (srv, cli) = unread(&ground, Limits { high: 1000, low: 10, ..unlimited() }).await?;
    ground.settle().await;
    assert!(srv.is_full());
    assert!(srv.counts().unsent > 1000);
    cli.resume();
    ground.log().heard("srv", "writable").await;
    assert!(!srv.is_full() && srv.counts().unsent <= 10);
    assert_eq!(ground.log().of("srv"), ["made", "writable"]);
    cli.close();
    Ok(())
}

async fn the_unsent_limit_counts_what_is_in_layers(ground: Ground) -> Result {
    let (srv, cli) = unread(&ground, unlimited()).await?;
    ground.settle().await;
    let unsent = srv.counts().unsent;
    srv.set_limits(Limits { unsent: unsent + 1000, ..Limits::default() });
    srv.write(&bytes(900));
    assert!(srv.is_open());
    srv.write(&bytes(900));
    assert!(!srv.is_open());
    assert_eq!(ground.log().lost("srv").await, "Overflow(Unsent)");
    cli.resume();
    Ok(())
}

/// A layer that waits for more for ever.
struct Hungry;

impl Layer for Hungry {
    fn decode(&mut self, _: &mut Wire<'_>, _: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        Ok(Flow::More)
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        down.append(plain);
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
}

async fn the_unread_limit_counts_what_layers_leave(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.set_limits(Limits { unread: 1000, ..Limits::default() });
    srv.push_layer(Hungry);
    cli.write(&bytes(1000));
    ground.settle().await;
    assert!(srv.is_open());
    cli.write(b"x");
    assert_eq!(ground.log().lost("srv").await, "Overflow(Unread)");
    Ok(())
}

async fn paused_nothing_is_offered_and_nothing_is_lost(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    srv.pause();
    cli.write(&bytes(50_000));
    cli.close();
    ground.settle().await;
    assert_eq!(ground.log().count("srv"), 0);
    assert_eq!(ground.log().of("srv"), ["made"]);
    srv.resume();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert!(ground.log().bytes("srv") == bytes(50_000));
    Ok(())
}

async fn what_a_failed_layer_held_is_not_flushed(ground: Ground) -> Result {
    let (port, _) = port(&ground)?;
    let cli = raw(&ground, &port, b"h\0\x01\x22").await?;
    cli.pause();
    ground.log().heard("srv", "made").await;
    let srv = ground.reactor().connections().into_iter().find(|one| *one != cli).unwrap();
    srv.set_limits(Limits { read_while_full: true, ..unlimited() });
    srv.write_bytes(bytes(ground.plenty()).into());
    ground.settle().await;
    let flushed = srv.flushed();
    srv.write(b"behind");
    cli.write(b"???");
    cli.close_write();
    flushed.await.unwrap_err();
    cli.resume();
    assert_eq!(ground.log().lost("srv").await, "Failed(not a record)");
    ground.log().lost("cli").await;
    Ok(())
}

async fn streams_work_over_layers(ground: Ground) -> Result {
    let port = ground.reactor().serve(
        server("tcp:0:interface=127.0.0.1".into_endpoint()?),
        |mut stream| async move {
            while let Some(line) = stream.line(100).await? {
                stream.write_all(&[&line[..], b"\r\n"].concat()).await?;
            }
            stream.close().await
        },
    )?;
    ground.keep(port.clone());
    let mut cli = ground.reactor().open(client(to(&port).as_str().into_endpoint()?)).await?;
    cli.write_all(b"one\r\ntwo\r\n").await?;
    assert_eq!(cli.line(100).await?.unwrap(), b"one");
    assert_eq!(cli.line(100).await?.unwrap(), b"two");
    cli.transport().close_write();
    assert_eq!(cli.line(100).await?, None);
    cli.close().await
}

async fn over_no_layers_at_all_nothing_changes(ground: Ground) -> Result {
    let none = |endpoint: Endpoint| endpoint.layered(Vec::new);
    let (srv, cli) =
        ground.pair_over(none, Actor::new(&ground, "srv"), none, Actor::new(&ground, "cli")).await?;
    ground.reactor().sleep(Duration::from_millis(1)).await;
    cli.write(b"plain");
    ground.log().received("srv", 5).await;
    assert_eq!(srv.counts().received, 5);
    cli.close();
    Ok(())
}
