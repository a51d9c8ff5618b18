//! Layers that are pushed in mid-stream, as STARTTLS does.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, bytes},
};
use std::{cell::Cell, io::Write, rc::Rc};
use trenza_core::{Limits, Result, Transport};
use trenza_tests::{Xor, sealed};

cases! {
    both_sides_change_over_in_mid_stream
    plain_bytes_behind_the_command_never_reach_the_protocol
    injected_bytes_are_not_read_even_when_the_handshake_follows
    what_was_written_before_leaves_as_it_is
    what_is_written_during_the_handshake_is_held
    much_that_is_written_during_the_handshake_does_not_hold_it_up
    bytes_that_waited_unread_go_to_the_layer
    the_peer_is_described_before_the_first_byte
    a_handshake_that_takes_too_long_ends_the_connection
    after_the_handshake_its_time_is_over
    garbage_is_answered_with_an_alert
    the_end_within_the_handshake_is_truncated
    a_layer_over_a_layer
    two_layers_pushed_at_once
    too_many_layers_are_an_overflow
    an_alert_of_the_upper_layer_leaves_through_the_lower_one
    a_push_and_a_switch_at_once
    a_push_in_connection_made
    a_push_in_build
    a_push_on_a_paused_connection_keeps_it_paused
    a_push_over_the_unread_limit_goes_on_reading
    closing_behind_a_push_sends_what_was_written_before
    close_write_behind_a_push_waits_for_the_handshake
    close_write_with_nothing_to_say_ends_the_layer
    a_push_behind_close_write_sends_nothing
    a_push_onto_an_ended_connection_is_none
    a_push_behind_a_file_lets_it_leave_as_it_is
    a_push_over_a_layer_that_sends_a_file_is_an_error
    a_coroutine_reads_nothing_that_came_before_its_push
    an_end_before_a_coroutines_push_is_cut_short_behind_it
    a_coroutine_hears_of_the_end_of_a_connection_that_it_pushed_on
    flushed_spans_the_change
    the_old_lent_bytes_are_counted
}

const KEY: (u8, u8) = (0x11, 0x22);

/// A server that changes over at the line `STARTTLS`, in a loop that does not return, and notes all lines.
fn server(ground: &Ground) -> Actor {
    let log = ground.log().clone();
    Actor::new(ground, "srv").data(move |transport, input| {
        while let Some(line) = input.line(1000)? {
            log.note("srv", String::from_utf8_lossy(line));
            if line == b"STARTTLS" {
                transport.write(b"go\r\n");
                transport.push_layer(Xor::server(KEY.0));
                transport.write(b"welcome\r\n");
            }
        }
        Ok(())
    })
}

/// A client that asks for it, changes over at the answer, and then says something.
fn client(ground: &Ground) -> Actor {
    let log = ground.log().clone();
    Actor::new(ground, "cli")
        .made(|transport| {
            transport.write(b"hello\r\nSTARTTLS\r\n");
            Ok(())
        })
        .data(move |transport, input| {
            while let Some(line) = input.line(1000)? {
                log.note("cli", String::from_utf8_lossy(line));
                if line == b"go" {
                    transport.push_layer(Xor::client(KEY.1));
                    transport.write(b"secret\r\n");
                }
            }
            Ok(())
        })
}

/// A client without a layer that says this to [`server`].
async fn raw(ground: &Ground, says: &[u8]) -> Result<(Transport, Transport)> {
    let (srv, cli) = ground.pair(server(ground), Actor::new(ground, "cli")).await?;
    cli.write(says);
    Ok((srv, cli))
}

async fn both_sides_change_over_in_mid_stream(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(server(&ground), client(&ground)).await?;
    ground.log().heard("srv", "secret").await;
    ground.log().heard("cli", "welcome").await;
    assert_eq!((srv.peer().alpn.as_deref(), cli.peer().alpn.as_deref()), (Some("xor"), Some("xor")));
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().of("srv"), ["made", "hello", "STARTTLS", "secret", "eof", "lost PeerClosed"]);
    assert_eq!(ground.log().lost("cli").await, "Closed");
    assert_eq!(ground.log().of("cli"), ["made", "go", "welcome", "lost Closed"]);
    assert_eq!((srv.counts().unsent, cli.counts().unsent), (0, 0));
    Ok(())
}

async fn plain_bytes_behind_the_command_never_reach_the_protocol(ground: Ground) -> Result {
    raw(&ground, b"STARTTLS\r\nEVIL\r\n").await?;
    assert_eq!(ground.log().lost("srv").await, "Failed(not a record)");
    assert_eq!(ground.log().of("srv"), ["made", "STARTTLS", "lost Failed(not a record)"]);
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"go\r\na\0\x0cnot a record");
    Ok(())
}

async fn injected_bytes_are_not_read_even_when_the_handshake_follows(ground: Ground) -> Result {
    let says = [b"STARTTLS\r\nEVIL\r\nh\0\x01\x22".to_vec(), sealed(KEY, b"good\r\n")].concat();
    raw(&ground, &says).await?;
    ground.log().lost("srv").await;
    let heard = ground.log().of("srv");
    assert!(!heard.iter().any(|line| line.contains("EVIL") || line.contains("good")), "{heard:?}");
    Ok(())
}

async fn what_was_written_before_leaves_as_it_is(ground: Ground) -> Result {
    let (_, cli) = raw(&ground, b"STARTTLS\r\nh\0\x01\x22").await?;
    let expected = [b"go\r\nh\0\x01\x11".to_vec(), sealed(KEY, b"welcome\r\n")].concat();
    ground.log().received("cli", expected.len()).await;
    assert_eq!(ground.log().bytes("cli"), expected);
    cli.abort();
    Ok(())
}

async fn what_is_written_during_the_handshake_is_held(ground: Ground) -> Result {
    let (srv, cli) = raw(&ground, b"STARTTLS\r\n").await?;
    ground.log().received("cli", 4).await;
    srv.write(b"held");
    ground.settle().await;
    assert_eq!(ground.log().bytes("cli"), b"go\r\n");
    assert_eq!(srv.counts().unsent, 9 + 4);
    cli.write(b"h\0\x01\x22");
    let expected =
        [b"go\r\nh\0\x01\x11".to_vec(), sealed(KEY, b"welcome\r\n"), sealed(KEY, b"held")].concat();
    ground.log().received("cli", expected.len()).await;
    assert_eq!(ground.log().bytes("cli"), expected);
    srv.flushed().await?;
    assert_eq!(srv.counts().unsent, 0);
    cli.abort();
    Ok(())
}

async fn bytes_that_waited_unread_go_to_the_layer(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.pause();
        Ok(())
    });
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    cli.write(b"h\0\x01\x22");
    cli.write(&sealed(KEY, b"early"));
    ground.settle().await;
    srv.push_layer(Xor::server(KEY.0));
    srv.resume();
    ground.log().received("srv", 5).await;
    assert_eq!(ground.log().bytes("srv"), b"early");
    cli.abort();
    Ok(())
}

async fn the_peer_is_described_before_the_first_byte(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv")
        .made(|transport| {
            transport.push_layer(Xor::server(KEY.0).named("agreed"));
            Ok(())
        })
        .data(move |transport, input| {
            log.note("srv", format!("{:?}", transport.peer().alpn));
            log.receive("srv", input.rest());
            Ok(())
        });
    let (_, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    cli.write(&[b"h\0\x01\x22".to_vec(), sealed(KEY, b"first")].concat());
    ground.log().received("srv", 5).await;
    assert_eq!(ground.log().of("srv"), ["made", "Some(\"agreed\")"]);
    cli.abort();
    Ok(())
}

fn quick(ground: &Ground) -> Limits {
    Limits { handshake: 25 * ground.moment(), ..Limits::default() }
}

async fn a_handshake_that_takes_too_long_ends_the_connection(ground: Ground) -> Result {
    ground.reactor().set_limits(quick(&ground));
    raw(&ground, b"STARTTLS\r\nh").await?;
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Handshake)");
    ground.log().lost("cli").await;
    Ok(())
}

async fn after_the_handshake_its_time_is_over(ground: Ground) -> Result {
    ground.reactor().set_limits(quick(&ground));
    let (srv, cli) = ground.pair(server(&ground), client(&ground)).await?;
    ground.log().heard("srv", "secret").await;
    ground.log().heard("cli", "welcome").await;
    ground.reactor().sleep(26 * ground.moment()).await;
    assert!(srv.is_open() && cli.is_open());
    cli.close();
    Ok(())
}

async fn garbage_is_answered_with_an_alert(ground: Ground) -> Result {
    let (_, cli) = raw(&ground, b"STARTTLS\r\n").await?;
    ground.log().received("cli", 4).await;
    cli.write(b"???");
    assert_eq!(ground.log().lost("srv").await, "Failed(not a record)");
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"go\r\na\0\x0cnot a record", "and nothing that was held");
    Ok(())
}

async fn the_end_within_the_handshake_is_truncated(ground: Ground) -> Result {
    let (_, cli) = raw(&ground, b"STARTTLS\r\nh\0").await?;
    cli.close_write();
    assert_eq!(ground.log().lost("srv").await, "Truncated");
    assert_eq!(ground.log().of("srv"), ["made", "STARTTLS", "lost Truncated"]);
    Ok(())
}

/// Pushes a pair of layers onto both ends.
async fn push(ground: &Ground, srv: &Transport, cli: &Transport, part: u8) {
    let name = ["one", "two", "three"][usize::from(part) % 3];
    srv.push_layer(Xor::server(part).named(name));
    cli.push_layer(Xor::client(part + 1).named(name));
    ground.until(|| [srv, cli].iter().all(|one| one.peer().alpn.as_deref() == Some(name))).await;
}

async fn a_layer_over_a_layer(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let mut all = Vec::new();
    for part in [3, 4, 5] {
        push(&ground, &srv, &cli, part).await;
        let data = bytes(usize::from(part) * 3000);
        cli.write(&data);
        srv.write(&data);
        all.extend_from_slice(&data);
        ground.log().received("srv", all.len()).await;
        ground.log().received("cli", all.len()).await;
    }
    assert!(ground.log().bytes("srv") == all && ground.log().bytes("cli") == all);
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed", "every layer has told its end");
    assert_eq!(ground.log().lost("cli").await, "Closed");
    assert_eq!((srv.counts().unsent, cli.counts().unsent), (0, 0));
    Ok(())
}

async fn two_layers_pushed_at_once(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.pause();
    for part in [1, 2] {
        cli.push_layer(Xor::client(part));
    }
    cli.write(b"behind both");
    ground.settle().await;
    for part in [1, 2] {
        srv.push_layer(Xor::server(part));
    }
    srv.resume();
    ground.log().received("srv", 11).await;
    srv.close();
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    Ok(())
}

async fn too_many_layers_are_an_overflow(ground: Ground) -> Result {
    let (srv, _) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.set_limits(Limits { layers: 2, ..Limits::default() });
    (0..2).for_each(|_| srv.push_layer(Xor::server(1)));
    ground.settle().await;
    assert!(srv.is_open());
    srv.push_layer(Xor::server(1));
    assert_eq!(ground.log().lost("srv").await, "Overflow(Layers)");
    Ok(())
}

async fn an_alert_of_the_upper_layer_leaves_through_the_lower_one(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    push(&ground, &srv, &cli, 3).await;
    srv.push_layer(Xor::server(9));
    cli.write(b"plain, to the upper layer");
    assert_eq!(ground.log().lost("srv").await, "Failed(not a record)");
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"a\0\x0cnot a record");
    assert_eq!(ground.log().of("cli").last().unwrap(), "lost PeerClosed", "the lower one has told its end");
    Ok(())
}

async fn a_push_and_a_switch_at_once(ground: Ground) -> Result {
    let next = Rc::new(Cell::new(Some(Actor::new(&ground, "next"))));
    let srv = Actor::new(&ground, "srv").data(move |transport, input| {
        while let Some(line) = input.line(100)? {
            assert_eq!(line, b"STARTTLS");
            transport.push_layer(Xor::server(KEY.0));
            transport.switch_to(next.take().unwrap());
        }
        Ok(())
    });
    let (_, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    cli.write(&[b"STARTTLS\r\nh\0\x01\x22".to_vec(), sealed(KEY, b"for the next")].concat());
    ground.log().received("next", 12).await;
    assert_eq!(ground.log().bytes("next"), b"for the next");
    assert_eq!(ground.log().of("srv"), ["made", "lost Switched"]);
    cli.abort();
    Ok(())
}

async fn a_push_in_connection_made(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.push_layer(Xor::server(1));
        transport.write(b"held until ready");
        Ok(())
    });
    let cli = Actor::new(&ground, "cli").made(|transport| {
        transport.push_layer(Xor::client(1));
        Ok(())
    });
    let (_, cli) = ground.pair(srv, cli).await?;
    ground.log().received("cli", 16).await;
    assert_eq!(ground.log().bytes("cli"), b"held until ready");
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    Ok(())
}

async fn a_push_in_build(ground: Ground) -> Result {
    let inner = ground.clone();
    let port = ground.listen(move |transport: &Transport| {
        transport.push_layer(Xor::server(1));
        Actor::new(&inner, "srv")
    });
    let cli = Actor::new(&ground, "cli");
    let build = move |transport: &Transport| {
        transport.push_layer(Xor::client(1));
        transport.write(b"hello");
        cli
    };
    let cli = ground.reactor().connect(&crate::ground::to(&port), build).await?;
    ground.log().received("srv", 5).await;
    assert_eq!(ground.log().bytes("srv"), b"hello");
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    Ok(())
}

async fn a_push_on_a_paused_connection_keeps_it_paused(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.pause();
    srv.push_layer(Xor::server(1));
    cli.push_layer(Xor::client(1));
    cli.write(b"later");
    ground.settle().await;
    assert_eq!(ground.log().count("srv"), 0);
    srv.resume();
    ground.log().received("srv", 5).await;
    cli.close();
    Ok(())
}

async fn a_push_over_the_unread_limit_goes_on_reading(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(move |transport, input| {
        match transport.peer().alpn {
            None if input.len() == 4 => transport.pause(),
            None => {}
            Some(_) => log.receive("srv", input.rest()),
        }
        Ok(())
    });
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.set_limits(Limits { unread: 3, ..Limits::default() });
    cli.write(b"h\0\x01\x22");
    ground.until(|| srv.counts().unread == 4).await;
    ground.settle().await;
    // The layer takes all of it and has nothing to tell: nothing is unread any more.
    srv.push_layer(Xor::server(KEY.0));
    srv.set_limits(Limits::default());
    srv.resume();
    ground.log().received("cli", 4).await;
    cli.write(&sealed(KEY, b"and on"));
    ground.log().received("srv", 6).await;
    cli.abort();
    Ok(())
}

async fn closing_behind_a_push_sends_what_was_written_before(ground: Ground) -> Result {
    let (srv, _) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.write(b"before");
    srv.push_layer(Xor::server(1));
    srv.write(b"behind");
    srv.close();
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"before", "and nothing in plain that belongs into the layer");
    let lost = ground.log().lost("srv").await;
    assert_eq!(lost, "Aborted", "not everything was sent");
    Ok(())
}

async fn close_write_behind_a_push_waits_for_the_handshake(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli").stays()).await?;
    srv.pause();
    cli.push_layer(Xor::client(1));
    cli.write(b"all of it");
    cli.close_write();
    ground.settle().await;
    srv.push_layer(Xor::server(1));
    srv.resume();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().bytes("srv"), b"all of it");
    Ok(())
}

async fn close_write_with_nothing_to_say_ends_the_layer(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli").stays()).await?;
    srv.push_layer(Xor::server(1));
    ground.settle().await;
    cli.push_layer(Xor::client(1));
    cli.close_write();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    Ok(())
}

async fn a_push_behind_close_write_sends_nothing(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv").stays(), Actor::new(&ground, "cli")).await?;
    cli.close_write();
    ground.log().heard("srv", "eof").await;
    cli.push_layer(Xor::client(1));
    ground.settle().await;
    assert_eq!(ground.log().count("srv"), 0);
    srv.close();
    assert_eq!(ground.log().lost("cli").await, "Truncated", "it cannot shake hands any more");
    Ok(())
}

async fn a_push_onto_an_ended_connection_is_none(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.close();
    srv.push_layer(Xor::server(1));
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    ground.log().lost("srv").await;
    srv.push_layer(Xor::server(1));
    cli.push_layer(Xor::client(1));
    ground.settle().await;
    Ok(())
}

fn file(n: usize) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes(n)).unwrap();
    file
}

async fn a_push_behind_a_file_lets_it_leave_as_it_is(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let n = ground.scaled(200_000, 3_000_000);
    srv.send_file(file(n), 0..n as u64);
    srv.push_layer(Xor::server(KEY.0));
    srv.write(b"sealed");
    cli.write(b"h\0\x01\x22");
    let expected = [bytes(n), b"h\0\x01\x11".to_vec(), sealed(KEY, b"sealed")].concat();
    ground.log().received("cli", expected.len()).await;
    assert!(ground.log().bytes("cli") == expected);
    cli.abort();
    Ok(())
}

async fn a_push_over_a_layer_that_sends_a_file_is_an_error(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    push(&ground, &srv, &cli, 3).await;
    srv.send_file(file(1_000_000), 0..1_000_000);
    srv.push_layer(Xor::server(4));
    let lost = ground.log().lost("srv").await;
    assert!(lost.contains("file"), "{lost}");
    ground.log().lost("cli").await;
    Ok(())
}

async fn flushed_spans_the_change(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.pause();
    srv.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    srv.write_bytes(bytes(ground.plenty()).into());
    let before = srv.flushed();
    srv.push_layer(Xor::server(1));
    srv.write(b"behind");
    let log = ground.log().clone();
    srv.flushed().then(move |result| log.note("behind", format!("{}", result.is_ok())));
    cli.resume();
    before.await?;
    ground.settle().await;
    assert_eq!(ground.log().of("behind"), [""; 0], "it waits for the handshake");
    srv.abort();
    ground.log().heard("behind", "false").await;
    Ok(())
}

async fn the_old_lent_bytes_are_counted(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let n = ground.plenty();
    cli.pause();
    srv.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    srv.write_bytes(bytes(n).into());
    ground.settle().await;
    let unsent = srv.counts().unsent;
    assert!(unsent > 0);
    srv.push_layer(Xor::server(KEY.0));
    ground.settle().await;
    assert_eq!(srv.counts().unsent, unsent);
    cli.resume();
    ground.log().received("cli", n).await;
    cli.write(b"h\0\x01\x22");
    ground.log().received("cli", n + 4).await;
    ground.until(|| srv.counts().unsent == 0).await;
    srv.switch_to(Plain);
    cli.abort();
    Ok(())
}

async fn much_that_is_written_during_the_handshake_does_not_hold_it_up(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.push_layer(Xor::client(KEY.1));
    let text = bytes(300_000);
    cli.write(&text);
    assert!(cli.is_full(), "who is full does not read, unless it waits for the handshake");
    srv.push_layer(Xor::server(KEY.0));
    ground.log().received("srv", text.len()).await;
    assert!(ground.log().bytes("srv") == text);
    cli.close();
    ground.log().lost("srv").await;
    Ok(())
}

async fn a_coroutine_reads_nothing_that_came_before_its_push(ground: Ground) -> Result {
    let (near, mut far) = ground.reactor().pair();
    near.transport()
        .write(&[&b"STARTTLS\r\nh\0\x01"[..], &[KEY.1], &sealed(KEY, b"for the next\r\n")].concat());
    assert_eq!(far.line(100).await?.as_deref(), Some(&b"STARTTLS"[..]));
    far.transport().push_layer(Xor::server(KEY.0));
    // It reads on in the same turn, in which the bytes were still with the connection.
    assert_eq!(far.line(100).await?.as_deref(), Some(&b"for the next"[..]));
    drop((near, far));
    Ok(())
}

async fn an_end_before_a_coroutines_push_is_cut_short_behind_it(ground: Ground) -> Result {
    let (mut near, mut far) = ground.reactor().pair();
    near.transport().write(b"STARTTLS\r\n");
    near.close_write();
    assert_eq!(far.line(100).await?.as_deref(), Some(&b"STARTTLS"[..]));
    ground.settle().await;
    far.transport().push_layer(Xor::server(KEY.0));
    let error = far.read().await.unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
    drop((near, far));
    Ok(())
}

async fn a_coroutine_hears_of_the_end_of_a_connection_that_it_pushed_on(ground: Ground) -> Result {
    let (near, mut far) = ground.reactor().pair();
    near.transport().write(b"STARTTLS\r\nsmuggled\r\n");
    assert_eq!(far.line(100).await?.as_deref(), Some(&b"STARTTLS"[..]));
    far.transport().push_layer(Xor::server(KEY.0));
    far.transport().abort();
    let error = far.read().await.unwrap_err();
    assert!(error.to_string().contains("aborted"), "{error}");
    drop((near, far));
    Ok(())
}
