//! Adopted connections: socket pairs, pipes, and what only one of two directions means.

use crate::{
    actor::{Actor, Plain},
    ground::{Ground, bytes},
};
use std::{cell::Cell, rc::Rc, time::Duration};
use trenza_core::{Addr, Limits, Result};

cases! {
    a_socket_pair_carries_bytes_both_ways
    a_socket_pair_half_closes
    a_pipe_carries_everything_in_order_and_then_its_end
    two_pipes_are_one_connection
    two_pipes_half_close
    a_writer_hears_that_its_reader_has_gone_while_it_is_idle
    a_writer_hears_that_its_reader_has_gone_while_it_writes
    the_writing_end_of_a_pipe_ends_by_close_write
    what_can_only_be_read_cannot_be_written
    a_pipe_closes_without_waiting_for_its_reader
    a_pipe_that_was_aborted_ends
    a_full_pipe_holds_its_writer_back
    an_adoption_that_nobody_waits_for_is_undone
    an_adopted_connection_is_one_for_a_coroutine
    an_adopted_connection_is_left_until_it_ends
    pipes_have_a_name_instead_of_an_address
}

async fn a_socket_pair_carries_bytes_both_ways(ground: Ground) -> Result {
    let (one, other) =
        ground.adopt(ground.socket_pair(), Actor::new(&ground, "one"), Actor::new(&ground, "other")).await?;
    let text = bytes(ground.scaled(100_000, 3 << 20));
    for end in [&one, &other] {
        end.set_limits(Limits { read_while_full: true, ..Limits::default() });
        end.write(&text);
    }
    for who in ["one", "other"] {
        ground.log().received(who, text.len()).await;
        assert!(ground.log().bytes(who) == text);
    }
    one.close();
    assert_eq!(ground.log().lost("other").await, "PeerClosed");
    assert_eq!(ground.log().lost("one").await, "Closed");
    Ok(())
}

async fn a_socket_pair_half_closes(ground: Ground) -> Result {
    let (one, other) = ground
        .adopt(ground.socket_pair(), Actor::new(&ground, "one"), Actor::new(&ground, "other").stays())
        .await?;
    one.write(b"question");
    one.close_write();
    ground.log().heard("other", "eof").await;
    other.write(b"answer");
    other.close();
    assert_eq!(ground.log().lost("one").await, "PeerClosed");
    assert_eq!(
        (ground.log().bytes("one"), ground.log().bytes("other")),
        (b"answer".into(), b"question".into())
    );
    Ok(())
}

async fn a_pipe_carries_everything_in_order_and_then_its_end(ground: Ground) -> Result {
    let (_, writer) =
        ground.adopt(ground.pipe(), Actor::new(&ground, "reader"), Actor::new(&ground, "writer")).await?;
    let text = bytes(ground.scaled(100_000, 3 << 20));
    text.chunks(30_011).for_each(|piece| writer.write(piece));
    writer.close();
    assert_eq!(ground.log().lost("reader").await, "PeerClosed");
    assert_eq!(ground.log().lost("writer").await, "Closed");
    assert!(ground.log().bytes("reader") == text);
    assert_eq!(ground.log().of("reader"), ["made", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn two_pipes_are_one_connection(ground: Ground) -> Result {
    let echo = Actor::new(&ground, "echo").data(|transport, input| {
        transport.write(input.rest());
        Ok(())
    });
    let (_, asks) = ground.adopt(ground.two_pipes(), echo, Actor::new(&ground, "asks")).await?;
    let text = bytes(ground.scaled(50_000, 1 << 20));
    asks.set_limits(Limits { read_while_full: true, ..Limits::default() });
    asks.write(&text);
    ground.log().received("asks", text.len()).await;
    assert!(ground.log().bytes("asks") == text);
    asks.close();
    assert_eq!(ground.log().lost("echo").await, "PeerClosed");
    Ok(())
}

async fn two_pipes_half_close(ground: Ground) -> Result {
    let (one, other) = ground
        .adopt(ground.two_pipes(), Actor::new(&ground, "one"), Actor::new(&ground, "other").stays())
        .await?;
    one.write(b"question");
    one.close_write();
    ground.log().heard("other", "eof").await;
    ground.settle().await;
    assert_eq!(ground.log().of("one"), ["made"]);
    other.write(b"answer");
    other.close();
    assert_eq!(ground.log().lost("one").await, "PeerClosed");
    assert_eq!(ground.log().bytes("one"), b"answer");
    Ok(())
}

async fn a_writer_hears_that_its_reader_has_gone_while_it_is_idle(ground: Ground) -> Result {
    let (reader, _) =
        ground.adopt(ground.pipe(), Actor::new(&ground, "reader"), Actor::new(&ground, "writer")).await?;
    ground.settle().await;
    assert_eq!(ground.log().of("writer"), ["made"]);
    reader.close();
    assert_eq!(ground.log().lost("writer").await, "Io(BrokenPipe)");
    Ok(())
}

async fn a_writer_hears_that_its_reader_has_gone_while_it_writes(ground: Ground) -> Result {
    let (reader, writer) =
        ground.adopt(ground.pipe(), Actor::new(&ground, "reader"), Actor::new(&ground, "writer")).await?;
    reader.pause();
    writer.write(&bytes(ground.plenty()));
    ground.settle().await;
    reader.abort();
    assert_eq!(ground.log().lost("writer").await, "Io(BrokenPipe)");
    Ok(())
}

async fn the_writing_end_of_a_pipe_ends_by_close_write(ground: Ground) -> Result {
    let (_, writer) =
        ground.adopt(ground.pipe(), Actor::new(&ground, "reader"), Actor::new(&ground, "writer")).await?;
    writer.write(b"all");
    writer.close_write();
    assert_eq!(ground.log().lost("reader").await, "PeerClosed");
    ground.log().lost("writer").await;
    assert_eq!(ground.log().of("writer")[..2], ["made", "eof"]);
    assert_eq!(ground.log().bytes("reader"), b"all");
    Ok(())
}

async fn what_can_only_be_read_cannot_be_written(ground: Ground) -> Result {
    let (reader, writer) =
        ground.adopt(ground.pipe(), Actor::new(&ground, "reader"), Actor::new(&ground, "writer")).await?;
    reader.write(b"where to?");
    assert_eq!(ground.log().lost("reader").await, "Io(BrokenPipe)");
    ground.log().lost("writer").await;
    drop(writer);
    Ok(())
}

async fn a_pipe_closes_without_waiting_for_its_reader(ground: Ground) -> Result {
    let (reader, writer) = ground
        .adopt(ground.two_pipes(), Actor::new(&ground, "reader"), Actor::new(&ground, "writer"))
        .await?;
    reader.pause();
    writer.set_limits(Limits { linger: Duration::from_secs(3600), ..Limits::default() });
    writer.write(b"bye");
    writer.close();
    assert_eq!(ground.log().lost("writer").await, "Closed");
    reader.resume();
    ground.log().lost("reader").await;
    assert_eq!(ground.log().bytes("reader"), b"bye");
    Ok(())
}

async fn a_pipe_that_was_aborted_ends(ground: Ground) -> Result {
    let (_, writer) =
        ground.adopt(ground.pipe(), Actor::new(&ground, "reader"), Actor::new(&ground, "writer")).await?;
    writer.abort();
    assert_eq!(ground.log().lost("writer").await, "Aborted");
    assert_eq!(ground.log().lost("reader").await, "PeerClosed");
    Ok(())
}

async fn a_full_pipe_holds_its_writer_back(ground: Ground) -> Result {
    let (reader, writer) =
        ground.adopt(ground.pipe(), Actor::new(&ground, "reader"), Actor::new(&ground, "writer")).await?;
    reader.pause();
    let text = bytes(ground.scaled(200_000, 1 << 20));
    writer.write(&text);
    ground.settle().await;
    assert!(writer.is_full());
    reader.resume();
    ground.log().heard("writer", "writable").await;
    writer.close();
    ground.log().lost("reader").await;
    assert!(ground.log().bytes("reader") == text);
    Ok(())
}

async fn an_adoption_that_nobody_waits_for_is_undone(ground: Ground) -> Result {
    let (one, other) = ground.socket_pair();
    let kept = ground.reactor().adopt(one, |_| Plain);
    let built = Rc::new(Cell::new(false));
    let seen = built.clone();
    drop(ground.reactor().adopt(other, move |_| {
        seen.set(true);
        Plain
    }));
    let kept = kept.await?;
    ground.settle().await;
    // The end that was dropped is closed on a real system; a simulated one that nobody has opened stays open.
    kept.abort();
    assert!(!built.get());
    Ok(())
}

async fn an_adopted_connection_is_one_for_a_coroutine(ground: Ground) -> Result {
    let (one, other) = ground.socket_pair();
    let (one, other) = (ground.reactor().adopt_stream(one), ground.reactor().adopt_stream(other));
    let (mut one, mut other) = (one.await?, other.await?);
    one.write_all(b"ping").await?;
    assert_eq!(other.read_exact(4).await?, Some(b"ping".to_vec()));
    other.write_all(b"pong").await?;
    other.close().await?;
    assert_eq!(one.read_exact(4).await?, Some(b"pong".to_vec()));
    assert!(one.read().await?.is_none());
    one.close().await
}

async fn an_adopted_connection_is_left_until_it_ends(ground: Ground) -> Result {
    let (one, other) =
        ground.adopt(ground.socket_pair(), Actor::new(&ground, "one"), Actor::new(&ground, "other")).await?;
    let all = ground.reactor().connections();
    assert!(all.len() == 2 && all.contains(&one) && all.contains(&other));
    one.abort();
    ground.log().lost("other").await;
    assert!(ground.reactor().connections().is_empty());
    Ok(())
}

async fn pipes_have_a_name_instead_of_an_address(ground: Ground) -> Result {
    let (reader, writer) = ground.adopt(ground.pipe(), Plain, Plain).await?;
    for end in [&reader, &writer] {
        let peer = end.peer();
        assert!(matches!(peer.remote, Addr::Named(_)) && peer.remote.ip().is_none());
        assert!(!peer.remote.to_string().is_empty());
    }
    writer.close();
    Ok(())
}
