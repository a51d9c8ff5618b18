//! Writing: order, limits, marks, what is told when bytes have left.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
};
use bytes::Bytes;
use std::{cell::Cell, rc::Rc};
use trenza_core::{Limits, OutBuf, Result, Transport};

cases! {
    writes_of_every_kind_keep_their_order
    write_macro_formats
    beyond_the_unsent_limit_is_an_overflow_at_once
    up_to_the_unsent_limit_is_none
    full_from_the_high_mark_to_the_low_one
    writable_comes_once_for_each_time_it_was_full
    a_producer_that_waits_for_writable_sends_everything
    writable_does_not_come_where_nothing_more_is_written
    writable_is_not_told_of_room_that_was_filled_again
    a_full_connection_is_not_read
    with_read_while_full_it_is_read
    after_close_nothing_is_written
    after_close_write_nothing_is_written
    flushed_fires_when_everything_has_left
    flushed_fires_for_what_was_written_before_it
    flushed_is_an_error_when_the_connection_ends_first
    flushed_of_an_idle_connection_fires
    counts_tell_what_moved_and_what_waits
    handles_of_an_ended_connection_do_nothing
}

fn high(high: usize, low: usize) -> Limits {
    Limits { high, low, unsent: usize::MAX, ..Limits::default() }
}

/// A peer that does not read.
fn deaf(ground: &Ground, name: &'static str) -> Actor {
    Actor::new(ground, name).made(|transport| {
        transport.pause();
        Ok(())
    })
}

async fn writes_of_every_kind_keep_their_order(ground: Ground) -> Result {
    let (_, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let mut all = Vec::new();
    for n in [1, 511, 513, 0, 70_000, 3, 2000] {
        let data = bytes(n);
        cli.write(&data);
        cli.write_bytes(Bytes::from(data.clone()));
        let mut out = OutBuf::new();
        out.push_slice(&data);
        out.push_bytes(Bytes::from(data.clone()));
        cli.send(&mut out);
        assert!(out.is_empty());
        (0..4).for_each(|_| all.extend_from_slice(&data));
    }
    cli.close();
    ground.log().lost("srv").await;
    assert!(ground.log().bytes("srv") == all);
    Ok(())
}

async fn write_macro_formats(ground: Ground) -> Result {
    let (_, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    write!(cli, "{} {:?}\r\n", 1, "two")?;
    cli.close();
    ground.log().lost("srv").await;
    assert_eq!(ground.log().bytes("srv"), b"1 \"two\"\r\n");
    Ok(())
}

async fn beyond_the_unsent_limit_is_an_overflow_at_once(ground: Ground) -> Result {
    let (srv, _) = ground.pair(Actor::new(&ground, "srv"), deaf(&ground, "cli")).await?;
    srv.set_limits(Limits { unsent: 1000, ..Limits::default() });
    srv.write(&bytes(600));
    assert!(srv.is_open());
    srv.write_bytes(Bytes::from(bytes(600)));
    assert!(!srv.is_open(), "within the same callback");
    srv.write(b"more");
    assert_eq!(srv.counts().unsent, 600, "what was too much is not kept");
    assert_eq!(ground.log().lost("srv").await, "Overflow(Unsent)");
    ground.until(|| ground.reactor().connections().len() == 1).await;
    ground.reactor().connections().iter().for_each(Transport::abort);
    Ok(())
}

async fn up_to_the_unsent_limit_is_none(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.set_limits(Limits { unsent: 1000, ..Limits::default() });
    for _ in 0..3 {
        srv.write(&bytes(1000));
        srv.flushed().await?;
    }
    ground.log().received("cli", 3000).await;
    cli.close();
    Ok(())
}

async fn full_from_the_high_mark_to_the_low_one(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), deaf(&ground, "cli")).await?;
    srv.set_limits(high(1000, 10));
    srv.write(&bytes(1000));
    assert!(!srv.is_full());
    srv.write(b"x");
    assert!(srv.is_full(), "from the moment of the write");
    ground.log().heard("srv", "writable").await;
    assert!(!srv.is_full());
    srv.write(&bytes(ground.plenty()));
    ground.settle().await;
    assert!(srv.is_full() && srv.counts().unsent > 1000, "the peer does not read");
    cli.resume();
    ground.log().received("cli", 1001 + ground.plenty()).await;
    ground.until(|| !srv.is_full()).await;
    assert!(srv.counts().unsent <= 10);
    cli.close();
    Ok(())
}

async fn writable_comes_once_for_each_time_it_was_full(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.set_limits(high(1000, 0));
    for round in 1..=5 {
        srv.write(&bytes(600));
        srv.write(&bytes(600));
        srv.write(&bytes(600));
        srv.flushed().await?;
        ground.log().received("cli", round * 1800).await;
        ground.settle().await;
        let heard = ground.log().of("srv").iter().filter(|line| *line == "writable").count();
        assert_eq!(heard, round);
    }
    // Not full: nothing to tell.
    srv.write(&bytes(900));
    srv.flushed().await?;
    ground.settle().await;
    assert_eq!(ground.log().of("srv").iter().filter(|line| *line == "writable").count(), 5);
    cli.close();
    Ok(())
}

async fn writable_does_not_come_where_nothing_more_is_written(ground: Ground) -> Result {
    for end in [Transport::close, Transport::close_write] {
        let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), deaf(&ground, "cli")).await?;
        srv.set_limits(high(1000, 0));
        srv.write(&bytes(ground.plenty()));
        assert!(srv.is_full());
        end(&srv);
        cli.resume();
        ground.log().received("cli", ground.log().count("cli") + 1).await;
        ground.settle().await;
        assert!(!ground.log().of("srv").iter().any(|line| line == "writable"));
        srv.abort();
        cli.abort();
        ground.settle().await;
    }
    Ok(())
}

async fn a_producer_that_waits_for_writable_sends_everything(ground: Ground) -> Result {
    let text = bytes(ground.scaled(200_000, 8 << 20));
    let (all, sent) = (text.clone(), Cell::new(0));
    let most = Rc::new(Cell::new(0));
    let seen = most.clone();
    let pump = Rc::new(move |transport: &Transport| {
        while sent.get() < all.len() && !transport.is_full() {
            let next = all.len().min(sent.get() + 900);
            transport.write(&all[sent.get()..next]);
            sent.set(next);
            seen.set(seen.get().max(transport.counts().unsent));
        }
        if sent.get() == all.len() {
            transport.close();
        }
        Ok(())
    });
    let again = pump.clone();
    let srv = Actor::new(&ground, "srv")
        .made(move |transport| {
            transport.set_limits(high(4000, 1000));
            pump(transport)
        })
        .writable(move |transport| again(transport));
    ground.pair(srv, Actor::new(&ground, "cli")).await?;
    ground.log().lost("cli").await;
    assert!(ground.log().bytes("cli") == text);
    assert!(most.get() <= 4900, "{}: the mark and one write", most.get());
    Ok(())
}

/// A server whose peer does not read what it is written, full; the peer writes to it.
async fn full(ground: &Ground, read_while_full: bool) -> Result<(Transport, Transport)> {
    let (srv, cli) = ground.pair(Actor::new(ground, "srv"), deaf(ground, "cli")).await?;
    srv.set_limits(Limits { read_while_full, ..high(1000, 500) });
    srv.write_bytes(Bytes::from(bytes(ground.plenty())));
    ground.settle().await;
    cli.write(b"heard?");
    cli.flushed().await?;
    ground.settle().await;
    Ok((srv, cli))
}

async fn a_full_connection_is_not_read(ground: Ground) -> Result {
    let (srv, cli) = full(&ground, false).await?;
    assert_eq!(ground.log().count("srv"), 0);
    cli.resume();
    ground.log().received("srv", 6).await;
    ground.log().received("cli", ground.plenty()).await;
    srv.close();
    Ok(())
}

async fn with_read_while_full_it_is_read(ground: Ground) -> Result {
    let (srv, cli) = full(&ground, true).await?;
    assert_eq!(ground.log().bytes("srv"), b"heard?");
    assert!(srv.is_full());
    srv.abort();
    cli.resume();
    Ok(())
}

async fn after_close_nothing_is_written(ground: Ground) -> Result {
    let (_, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.write(b"before");
    cli.close();
    cli.write(b"after");
    cli.write_bytes(Bytes::from_static(b"after"));
    write!(cli, "after")?;
    ground.log().lost("srv").await;
    assert_eq!(ground.log().bytes("srv"), b"before");
    Ok(())
}

async fn after_close_write_nothing_is_written(ground: Ground) -> Result {
    let (_, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.write(b"before");
    cli.close_write();
    cli.write(b"after");
    ground.log().lost("srv").await;
    assert_eq!(ground.log().bytes("srv"), b"before");
    Ok(())
}

async fn flushed_fires_when_everything_has_left(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), deaf(&ground, "cli")).await?;
    srv.set_limits(high(1000, 10));
    srv.write_bytes(Bytes::from(bytes(ground.plenty())));
    let log = ground.log().clone();
    srv.flushed().then(move |result| log.note("flushed", format!("{:?}", result.is_ok())));
    ground.settle().await;
    assert_eq!(ground.log().of("flushed"), [""; 0]);
    cli.resume();
    ground.log().heard("flushed", "true").await;
    assert_eq!(srv.counts().unsent, 0);
    cli.close();
    Ok(())
}

async fn flushed_fires_for_what_was_written_before_it(ground: Ground) -> Result {
    let (srv, _) = ground.pair(Actor::new(&ground, "srv"), deaf(&ground, "cli")).await?;
    srv.set_limits(high(1000, 10));
    srv.write(b"little");
    let flushed = srv.flushed();
    srv.write_bytes(Bytes::from(bytes(ground.plenty())));
    flushed.await?;
    assert!(srv.counts().unsent > 0, "the rest still waits");
    srv.abort();
    ground.until(|| ground.reactor().connections().len() < 2).await;
    ground.reactor().connections().iter().for_each(Transport::abort);
    Ok(())
}

async fn flushed_is_an_error_when_the_connection_ends_first(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), deaf(&ground, "cli")).await?;
    srv.set_limits(high(1000, 10));
    srv.write_bytes(Bytes::from(bytes(ground.plenty())));
    let flushed = srv.flushed();
    cli.abort();
    flushed.await.unwrap_err();
    srv.flushed().await.unwrap_err();
    assert_eq!(ground.log().lost("srv").await, "Io(ConnectionReset)");
    Ok(())
}

async fn flushed_of_an_idle_connection_fires(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.flushed().await?;
    cli.close();
    Ok(())
}

async fn counts_tell_what_moved_and_what_waits(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    assert_eq!(srv.counts(), Default::default());
    srv.write(&bytes(1000));
    assert_eq!((srv.counts().sent, srv.counts().unsent), (0, 1000));
    ground.log().received("cli", 1000).await;
    srv.flushed().await?;
    assert_eq!((srv.counts().sent, srv.counts().unsent), (1000, 0));
    assert_eq!((cli.counts().received, cli.counts().sent), (1000, 0));
    cli.close();
    Ok(())
}

async fn handles_of_an_ended_connection_do_nothing(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.write(&bytes(100));
    cli.close();
    ground.log().lost("srv").await;
    let heard = ground.log().of("srv");
    crate::drops::every_handle_method(&srv);
    ground.settle().await;
    assert_eq!(ground.log().of("srv"), heard);
    assert!(!srv.is_open() && !srv.is_full());
    assert_eq!((srv.counts().unsent, srv.counts().unread), (0, 0));
    assert!(ground.reactor().connection(srv.id()).is_none());
    Ok(())
}

async fn writable_is_not_told_of_room_that_was_filled_again(ground: Ground) -> Result {
    let limits = Limits { high: 1000, low: 500, read_while_full: true, ..Limits::default() };
    let srv = Actor::new(&ground, "srv")
        .made(move |transport| {
            transport.set_limits(limits.clone());
            Ok(())
        })
        .data(|transport, input| {
            // Between the moment that there is room and that in which it is told.
            input.rest();
            if !transport.is_full() {
                transport.write(&bytes(1001));
            }
            Ok(())
        })
        .writable(|transport| {
            assert!(!transport.is_full(), "there is no room");
            Ok(())
        });
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    for _ in 0..100 {
        cli.write(b"?");
        ground.turn().await;
    }
    srv.close();
    ground.log().lost("cli").await;
    assert_eq!(ground.log().lost("srv").await, "Closed");
    Ok(())
}
