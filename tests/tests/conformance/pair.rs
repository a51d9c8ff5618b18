//! Pairs: two connected ends in memory. What every connection shows is shown of them, on every driver.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
};
use std::{cell::Cell, io::Write, rc::Rc, time::Duration};
use trenza_core::{Error, LeftKind, Limits, Reason, Result, Stream, Transport, timeout};
use trenza_tests::Xor;

cases! {
    what_one_end_writes_the_other_reads
    both_ends_talk_at_once
    protocols_live_on_both_ends
    a_pair_is_a_connection_like_others
    half_closed_the_other_direction_goes_on
    close_waits_for_the_last_byte
    dropping_one_end_resets_the_other
    a_reset_comes_behind_what_was_sent
    writing_to_an_end_that_is_gone_is_an_error
    an_end_that_is_aborted_at_once_resets_the_other
    a_window_holds_the_writer_back
    no_more_than_the_window_is_taken_for_a_paused_end
    a_writer_that_waits_for_room_hears_of_the_end
    the_unread_limit_holds_for_pairs
    the_unsent_limit_holds_for_pairs
    a_file_is_sent_over_a_pair
    a_long_file_waits_for_its_reader
    a_file_that_is_too_short_ends_a_pair
    layers_work_on_pairs
    a_file_goes_through_a_layer_on_a_pair
    a_pair_times_out_when_nothing_moves
    what_a_slow_end_takes_moves_the_drain_time
    a_pair_joins_connections
    pairs_hear_of_a_stop
    a_pair_made_while_stopping_hears_of_it
    a_pair_made_when_the_time_to_stop_is_over_ends
    a_thousand_pairs_use_places_again
    names_of_former_pairs_find_nothing
    a_pair_that_nobody_ends_is_left_behind
}

/// Reads to the end.
async fn all(stream: &mut Stream) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(data) = stream.read().await? {
        all.extend_from_slice(&data);
    }
    Ok(all)
}

/// Closes both ends: each waits for the other.
async fn close(ground: &Ground, near: Stream, far: Stream) -> Result {
    let closed = ground.reactor().spawn(near.close());
    far.close().await?;
    closed.await
}

async fn what_one_end_writes_the_other_reads(ground: Ground) -> Result {
    let (mut near, mut far) = ground.reactor().pair();
    near.write_all(b"hello\r\nand ").await?;
    assert_eq!(far.line(10).await?.unwrap(), b"hello");
    near.write_all(b"more").await?;
    assert_eq!(far.read_exact(8).await?.unwrap(), b"and more");
    far.write_all(b"an answer").await?;
    assert_eq!(near.read_exact(9).await?.unwrap(), b"an answer");
    close(&ground, near, far).await
}

async fn both_ends_talk_at_once(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    let text = bytes(ground.scaled(300_000, 3_000_000));
    let mut tasks = Vec::new();
    for stream in [near, far] {
        stream.transport().set_limits(Limits { read_while_full: true, ..Limits::default() });
        let (mut reader, mut writer) = stream.split();
        let (said, expected) = (text.clone(), text.clone());
        tasks.push(ground.reactor().spawn(async move {
            for piece in said.chunks(10_000) {
                writer.write_all(piece).await?;
            }
            writer.close_write();
            writer.flush().await
        }));
        tasks.push(ground.reactor().spawn(async move {
            let mut all = Vec::new();
            while let Some(data) = reader.read().await? {
                all.extend_from_slice(&data);
            }
            assert!(all == expected);
            Ok(())
        }));
    }
    trenza_core::join(tasks).await.map(drop)
}

async fn protocols_live_on_both_ends(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    let near = near.switch_to(Actor::new(&ground, "near").data(|transport, input| {
        transport.finish(input.rest());
        Ok(())
    }));
    let far = far.switch_to(Actor::new(&ground, "far"));
    far.write(b"echo");
    assert_eq!(ground.log().lost("far").await, "PeerClosed");
    assert_eq!(ground.log().bytes("far"), b"echo");
    assert!(matches!(*near.ended().await?, Reason::Closed));
    assert_eq!(ground.log().of("near"), ["made", "lost Closed"]);
    Ok(())
}

async fn a_pair_is_a_connection_like_others(ground: Ground) -> Result {
    let reactor = ground.reactor();
    let (near, far) = reactor.pair();
    let (one, other) = (near.peer(), far.peer());
    assert_eq!((&one.remote, &one.local), (&other.local, &other.remote));
    assert!(one.remote.to_string().starts_with("the far end of pair "), "{}", one.remote);
    assert_eq!(reactor.connection(near.transport().id()), Some(near.transport().clone()));
    assert_ne!(near.transport().id(), far.transport().id());
    assert_eq!(reactor.connections().len(), 2);
    near.transport().write(b"12345");
    ground.until(|| far.transport().counts().unread == 5).await;
    assert_eq!(far.transport().counts().received, 5);
    assert_eq!((near.transport().counts().sent, near.transport().counts().unsent), (5, 0));
    near.transport().flushed().await?;
    drop((near, far));
    Ok(())
}

async fn half_closed_the_other_direction_goes_on(ground: Ground) -> Result {
    let (mut near, mut far) = ground.reactor().pair();
    near.write_all(b"question").await?;
    near.close_write();
    assert_eq!(all(&mut far).await?, b"question");
    far.write_all(&bytes(100_000)).await?;
    let written = ground.reactor().spawn(far.close());
    assert_eq!(all(&mut near).await?, bytes(100_000));
    written.await
}

async fn close_waits_for_the_last_byte(ground: Ground) -> Result {
    let (near, mut far) = ground.reactor().pair();
    let text = bytes(1_000_000);
    near.transport().write(&text);
    let closed = ground.reactor().spawn(near.close());
    ground.settle().await;
    assert!(all(&mut far).await? == text);
    far.write_all(b"discarded").await?;
    far.close().await?;
    closed.await
}

async fn dropping_one_end_resets_the_other(ground: Ground) -> Result {
    let (near, mut far) = ground.reactor().pair();
    ground.settle().await;
    drop(near);
    far.read().await.unwrap_err();
    assert!(matches!(&*far.transport().ended().await?, Reason::Io(error)
        if error.kind() == std::io::ErrorKind::ConnectionReset));
    Ok(())
}

async fn a_reset_comes_behind_what_was_sent(ground: Ground) -> Result {
    let (mut near, mut far) = ground.reactor().pair();
    near.write_all(b"the last words").await?;
    near.flush().await?;
    drop(near);
    assert_eq!(far.read_exact(14).await?.unwrap(), b"the last words");
    far.read().await.unwrap_err();
    Ok(())
}

async fn writing_to_an_end_that_is_gone_is_an_error(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    // Nobody waits for its end.
    near.transport().set_limits(Limits { linger: Duration::ZERO, ..Limits::default() });
    near.close().await?;
    let mut far = far;
    assert_eq!(far.read().await?, None);
    far.write_all(b"anybody?").await?;
    far.flush().await.ok();
    assert!(!far.transport().ended().await?.is_clean());
    Ok(())
}

async fn an_end_that_is_aborted_at_once_resets_the_other(ground: Ground) -> Result {
    let (mut near, mut far) = ground.reactor().pair();
    near.transport().abort();
    far.read().await.unwrap_err();
    near.read().await.unwrap_err();
    assert!(matches!(*near.transport().ended().await?, Reason::Aborted));
    Ok(())
}

async fn a_window_holds_the_writer_back(ground: Ground) -> Result {
    let (mut near, mut far) = ground.reactor().pair();
    let (text, inner) = (bytes(2_000_000), ground.clone());
    let expected = text.clone();
    let written = ground.reactor().spawn(async move {
        for piece in text.chunks(50_000) {
            near.write_all(piece).await?;
        }
        inner.log().note("near", "wrote all");
        near.close().await
    });
    ground.settle().await;
    assert!(ground.log().of("near").is_empty());
    let held = far.transport().counts().unread;
    assert!(held > 0 && held <= 3 * (64 << 10), "{held}");
    assert!(all(&mut far).await? == expected);
    far.close().await?;
    written.await
}

async fn no_more_than_the_window_is_taken_for_a_paused_end(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    let far = far.switch_to(Actor::new(&ground, "far").made(|transport| {
        transport.pause();
        Ok(())
    }));
    ground.log().heard("far", "made").await;
    near.transport().write(&bytes(1_000_000));
    ground.settle().await;
    assert_eq!(near.transport().counts().unsent, 1_000_000 - (64 << 10));
    assert_eq!(far.counts().unread, 0);
    far.resume();
    near.close().await?;
    assert_eq!(ground.log().count("far"), 1_000_000);
    Ok(())
}

async fn a_writer_that_waits_for_room_hears_of_the_end(ground: Ground) -> Result {
    for graceful in [false, true] {
        let (mut near, far) = ground.reactor().pair();
        far.transport().pause();
        let written = ground.reactor().spawn(async move { near.write_all(&bytes(1_000_000)).await });
        ground.settle().await;
        far.transport().set_limits(Limits { linger: Duration::ZERO, ..Limits::default() });
        if graceful {
            far.transport().close()
        } else {
            far.transport().abort()
        }
        timeout(Duration::from_secs(20), written).await.unwrap_err();
        far.transport().ended().await?;
    }
    Ok(())
}

async fn the_unread_limit_holds_for_pairs(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    let far = far.switch_to(Actor::new(&ground, "far").data(|_, _| Ok(())));
    far.set_limits(Limits { unread: 1000, ..Limits::default() });
    near.transport().write(&bytes(5000));
    assert_eq!(ground.log().lost("far").await, "Overflow(Unread)");
    near.transport().ended().await?;
    Ok(())
}

async fn the_unsent_limit_holds_for_pairs(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    near.transport().set_limits(Limits { unsent: 1000, ..Limits::default() });
    near.transport().write(&bytes(1001));
    assert!(matches!(*near.transport().ended().await?, Reason::Overflow(_)));
    assert!(!far.transport().ended().await?.is_clean());
    Ok(())
}

/// A file of so many bytes.
fn file(n: usize) -> Result<std::fs::File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(&bytes(n))?;
    Ok(file)
}

async fn a_file_is_sent_over_a_pair(ground: Ground) -> Result {
    let (mut near, mut far) = ground.reactor().pair();
    // What stands before a file is more than the marks and less than the window.
    near.transport().set_limits(Limits { high: 1000, low: 500, ..Limits::default() });
    let text = bytes(300_000);
    near.write_all(&text[..20_000]).await?;
    near.transport().send_file(file(300_000)?, 10..200_000);
    near.transport().write(b"between");
    near.transport().send_file(file(20)?, 0..20);
    let flushed = near.transport().flushed();
    near.transport().write(b"behind");
    let closed = ground.reactor().spawn(async move {
        flushed.await?;
        assert!(near.transport().counts().unsent <= 6);
        near.close().await
    });
    let expected = [&text[..20_000], &text[10..200_000], b"between", &text[..20], b"behind"].concat();
    assert!(all(&mut far).await? == expected);
    far.close().await?;
    closed.await
}

async fn a_long_file_waits_for_its_reader(ground: Ground) -> Result {
    let (near, mut far) = ground.reactor().pair();
    // More than may be unsent in memory.
    near.transport().set_limits(Limits { unsent: 300_000, ..Limits::default() });
    far.transport().pause();
    near.transport().send_file(file(2_000_000)?, 0..2_000_000);
    ground.settle().await;
    assert!(near.transport().is_open());
    far.transport().resume();
    let closed = ground.reactor().spawn(near.close());
    assert!(all(&mut far).await? == bytes(2_000_000));
    far.close().await?;
    closed.await
}

async fn a_file_that_is_too_short_ends_a_pair(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    near.transport().send_file(file(10)?, 0..20);
    let ended = near.transport().ended().await?;
    assert!(matches!(&*ended, Reason::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof));
    assert!(!far.transport().ended().await?.is_clean());
    Ok(())
}

async fn layers_work_on_pairs(ground: Ground) -> Result {
    let (mut near, mut far) = ground.reactor().pair();
    near.write_all(b"plain ").await?;
    assert_eq!(far.read_exact(6).await?.unwrap(), b"plain ");
    near.transport().push_layer(Xor::client(7));
    near.write_all(b"changed").await?;
    far.transport().push_layer(Xor::server(8));
    assert_eq!(far.read_exact(7).await?.unwrap(), b"changed");
    assert_eq!(near.peer().alpn.as_deref(), Some("xor"));
    let text = bytes(500_000);
    let (said, expected) = (text.clone(), text);
    let written = ground.reactor().spawn(async move {
        far.write_all(&said).await?;
        far.close().await
    });
    assert!(all(&mut near).await? == expected);
    near.close().await?;
    written.await
}

async fn a_file_goes_through_a_layer_on_a_pair(ground: Ground) -> Result {
    let (near, mut far) = ground.reactor().pair();
    near.transport().push_layer(Xor::client(7));
    far.transport().push_layer(Xor::server(8));
    near.transport().send_file(file(200_000)?, 0..200_000);
    ground.until(|| near.peer().alpn.is_some()).await;
    let closed = ground.reactor().spawn(near.close());
    assert!(all(&mut far).await? == bytes(200_000));
    far.close().await?;
    closed.await
}

async fn a_pair_times_out_when_nothing_moves(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    let near = near.switch_to(Actor::new(&ground, "near").made({
        let moment = ground.moment();
        move |transport| {
            transport.set_timeout(Some(moment));
            Ok(())
        }
    }));
    assert_eq!(ground.log().lost("near").await, "TimedOut(Idle)");
    assert!(!far.transport().ended().await?.is_clean());
    drop(near);
    Ok(())
}

async fn what_a_slow_end_takes_moves_the_drain_time(ground: Ground) -> Result {
    let (near, mut far) = ground.reactor().pair();
    let drain = ground.moment() * 4;
    near.transport().set_limits(Limits { drain, ..Limits::default() });
    far.transport().set_limits(Limits { unread: 2000, ..Limits::default() });
    near.transport().write(&bytes(400_000));
    let closed = ground.reactor().spawn(near.close());
    let mut read = 0;
    // It takes several times as long as nothing may be taken.
    while let Some(data) = far.read().await? {
        read += data.len();
        ground.reactor().sleep(ground.moment()).await;
    }
    assert_eq!(read, 400_000);
    far.close().await?;
    closed.await
}

async fn a_pair_joins_connections(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli").stays()).await?;
    let (near, mut far) = ground.reactor().pair();
    srv.switch_to_stream().join(near);
    let text = bytes(ground.scaled(50_000, 1_000_000));
    cli.write(&text);
    cli.close_write();
    assert!(all(&mut far).await? == text);
    far.write_all(b"through the pair").await?;
    far.close().await?;
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"through the pair");
    Ok(())
}

async fn pairs_hear_of_a_stop(ground: Ground) -> Result {
    let reactor = ground.reactor().clone();
    let (mut near, far) = reactor.pair();
    let far = far.switch_to(Actor::new(&ground, "far"));
    let heard = Rc::new(Cell::new(false));
    let told = heard.clone();
    ground
        .reactor()
        .spawn(async move {
            assert_eq!(near.read().await?, None);
            told.set(true);
            near.close().await
        })
        .detach();
    ground.log().heard("far", "made").await;
    reactor.stop();
    let log = ground.log().clone();
    ground.after_loop(move || {
        assert!(heard.get());
        assert_eq!(log.of("far")[..2], ["made", "stopping"]);
        assert!(!far.is_open());
    });
    Ok(())
}

async fn a_pair_made_while_stopping_hears_of_it(ground: Ground) -> Result {
    let reactor = ground.reactor().clone();
    let (mut held, other) = reactor.pair();
    let ended = Rc::new(Cell::new(false));
    let end = ended.clone();
    let inner = reactor.clone();
    ground
        .reactor()
        .spawn(async move {
            held.stopping().await;
            inner.sleep(Duration::from_millis(1)).await;
            let (mut near, mut far) = inner.pair();
            near.write_all(b"x").await?;
            far.end_at_stop(false);
            assert_eq!(far.read_exact(1).await?.unwrap(), b"x");
            far.end_at_stop(true);
            assert_eq!((far.read().await?, near.is_stopping()), (None, true));
            end.set(true);
            drop((near, far, other));
            held.write_all(b"").await?;
            Ok(())
        })
        .detach();
    ground.settle().await;
    reactor.stop();
    ground.after_loop(move || assert!(ended.get()));
    Ok(())
}

async fn a_pair_made_when_the_time_to_stop_is_over_ends(ground: Ground) -> Result {
    let reactor = ground.reactor().clone();
    reactor.set_grace(ground.moment());
    let (mut held, other) = reactor.pair();
    let (ended, inner) = (Rc::new(Cell::new(false)), reactor.clone());
    let end = ended.clone();
    let task = async move {
        held.end_at_stop(false);
        assert_eq!(held.read().await?, None);
        assert!(!held.transport().is_open());
        let (mut near, far) = inner.pair();
        near.end_at_stop(false);
        assert_eq!(near.read().await?, None);
        assert!(matches!(*near.transport().ended().await?, Reason::Stopped));
        end.set(true);
        drop((far, other));
        Ok(())
    };
    reactor.spawn(task).detach();
    ground.settle().await;
    reactor.stop();
    ground.after_loop(move || assert!(ended.get()));
    Ok(())
}

async fn a_thousand_pairs_use_places_again(ground: Ground) -> Result {
    let mut seen = std::collections::HashSet::new();
    for n in 0..ground.scaled(200, 1000) {
        let (mut near, mut far) = ground.reactor().pair();
        assert!(seen.insert(near.transport().id()) && seen.insert(far.transport().id()));
        let text = n.to_string();
        near.write_all(text.as_bytes()).await?;
        assert_eq!(far.read_exact(text.len()).await?.unwrap(), text.as_bytes());
        if n % 3 == 0 {
            drop((near, far));
        } else {
            close(&ground, near, far).await?;
        }
        assert!(ground.reactor().connections().len() <= 4);
    }
    Ok(())
}

async fn names_of_former_pairs_find_nothing(ground: Ground) -> Result {
    let (near, far) = ground.reactor().pair();
    let (id, former): (_, Transport) = (near.transport().id(), near.transport().clone());
    drop((near, far));
    former.ended().await?;
    ground.settle().await;
    let (near, far) = ground.reactor().pair();
    assert_eq!(ground.reactor().connection(id), None);
    former.write(b"never arrives");
    former.abort();
    ground.settle().await;
    assert_eq!(far.transport().counts().unread + near.transport().counts().unread, 0);
    assert!(near.transport().is_open());
    close(&ground, near, far).await
}

async fn a_pair_that_nobody_ends_is_left_behind(_: Ground) -> Result {
    // A loop of its own, which can be asked.
    let net = trenza_sim::Net::new(1);
    let mut engine = trenza_core::Engine::new(Box::new(net.host("alone").driver()));
    let ends = engine.enter(|reactor| reactor.pair());
    engine.dispatch();
    assert_eq!(engine.left().connections, 2);
    let left = engine.leftovers();
    assert!(left.iter().all(|left| left.kind == LeftKind::Connection && left.made.file() == file!()));
    assert!(left[0].to_string().starts_with("a connection to the far end of pair "), "{}", left[0]);
    drop(engine);
    let (mut near, mut far) = ends;
    let lost = |stream: Result<_, Error>| stream.unwrap_err();
    let waker = std::task::Waker::noop();
    for stream in [&mut near, &mut far] {
        let mut write = std::pin::pin!(stream.write_all(b"x"));
        match write.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
            std::task::Poll::Ready(result) => drop(lost(result)),
            std::task::Poll::Pending => panic!("it would wait for ever"),
        }
    }
    Ok(())
}
