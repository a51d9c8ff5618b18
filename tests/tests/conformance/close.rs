//! How connections end: half-closed, closed with what was written, lingering, aborted, reset.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
};
use std::time::Duration;
use trenza_core::{Limits, Result, Transport};

cases! {
    close_sends_everything_first
    close_is_told_once_to_each_side
    close_after_the_peers_end_is_the_peers
    close_twice_is_close
    close_of_a_paused_connection_ends
    no_byte_is_offered_after_close
    close_write_lets_the_answer_come
    both_directions_ended_is_closed
    both_directions_ended_from_the_other_side_is_closed
    close_write_behind_the_peers_end_is_closed_when_all_was_sent
    the_end_that_nobody_answers_stays_half_open
    a_reply_reaches_a_peer_that_is_still_sending
    linger_zero_closes_at_once
    linger_ends_after_its_time
    linger_reads_no_more_than_its_bytes
    a_reset_while_lingering_is_a_close_like_any
    the_peers_bytes_do_not_prolong_the_drain
    a_peer_that_never_reads_costs_the_drain_time
    a_peer_that_reads_slowly_gets_everything
    abort_resets_the_peer
    abort_drops_what_was_not_sent
    abort_after_close_aborts
    a_reset_is_told_once_while_reading
    a_reset_is_told_once_while_writing
    a_reset_while_paused_is_told_once_at_the_latest_after_resume
    a_reset_of_a_paused_connection_wakes_nobody
    a_reset_while_closing_ends_at_once
}

async fn plain(ground: &Ground) -> Result<(Transport, Transport)> {
    ground.pair(Actor::new(ground, "srv"), Actor::new(ground, "cli")).await
}

async fn close_sends_everything_first(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    let text = bytes(ground.plenty());
    srv.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    srv.write(&text);
    srv.close();
    assert!(!srv.is_open());
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert!(ground.log().bytes("cli") == text);
    Ok(())
}

async fn close_is_told_once_to_each_side(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    srv.close();
    cli.close();
    ground.log().lost("srv").await;
    ground.log().lost("cli").await;
    ground.settle().await;
    for who in ["srv", "cli"] {
        let lost = ground.log().of(who).iter().filter(|line| line.starts_with("lost")).count();
        assert_eq!(lost, 1, "{who}");
    }
    Ok(())
}

async fn close_after_the_peers_end_is_the_peers(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv").stays(), Actor::new(&ground, "cli")).await?;
    cli.close_write();
    ground.log().heard("srv", "eof").await;
    srv.write(b"bye");
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"bye");
    Ok(())
}

async fn close_twice_is_close(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    srv.write(b"once");
    srv.close();
    srv.close();
    srv.close_write();
    ground.turn().await;
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().bytes("cli"), b"once");
    Ok(())
}

async fn close_of_a_paused_connection_ends(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    srv.pause();
    cli.write(b"unheard");
    ground.settle().await;
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().count("srv"), 0);
    Ok(())
}

async fn no_byte_is_offered_after_close(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(move |transport, input| {
        while let Some(byte) = input.take(1)? {
            log.receive("srv", byte);
            if byte == b"!" {
                transport.close();
            }
        }
        Ok(())
    });
    let (_, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    cli.write(b"stop!here");
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().bytes("srv"), b"stop!");
    assert_eq!(ground.log().of("srv"), ["made", "lost Closed"], "nor the end");
    Ok(())
}

async fn close_write_lets_the_answer_come(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(|_, _| Ok(())).eof(move |transport, input| {
        log.receive("srv", input.peek());
        transport.write(input.rest());
        transport.close();
        Ok(())
    });
    let cli = Actor::new(&ground, "cli").made(|transport| {
        transport.write(b"question");
        transport.close_write();
        Ok(())
    });
    ground.pair(srv, cli).await?;
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"question");
    Ok(())
}

/// Both sides go on when the other's direction has ended.
async fn staying(ground: &Ground) -> Result<(Transport, Transport)> {
    ground.pair(Actor::new(ground, "srv").stays(), Actor::new(ground, "cli").stays()).await
}

async fn both_directions_ended_is_closed(ground: Ground) -> Result {
    let (srv, cli) = staying(&ground).await?;
    cli.close_write();
    ground.log().heard("srv", "eof").await;
    srv.close_write();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().lost("cli").await, "Closed");
    Ok(())
}

async fn both_directions_ended_from_the_other_side_is_closed(ground: Ground) -> Result {
    let (srv, cli) = staying(&ground).await?;
    srv.close_write();
    cli.close_write();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().lost("cli").await, "Closed");
    assert_eq!(ground.log().of("srv"), ["made", "eof", "lost Closed"]);
    Ok(())
}

async fn close_write_behind_the_peers_end_is_closed_when_all_was_sent(ground: Ground) -> Result {
    let (srv, cli) = staying(&ground).await?;
    cli.close_write();
    ground.log().heard("srv", "eof").await;
    let text = bytes(ground.plenty());
    srv.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    srv.write(&text);
    srv.close_write();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    ground.log().lost("cli").await;
    assert!(ground.log().bytes("cli") == text);
    Ok(())
}

async fn the_end_that_nobody_answers_stays_half_open(ground: Ground) -> Result {
    let (srv, cli) = staying(&ground).await?;
    cli.close_write();
    ground.log().heard("srv", "eof").await;
    ground.settle().await;
    srv.write(b"still here");
    ground.log().received("cli", 10).await;
    assert!(srv.is_open() && cli.is_open());
    assert_eq!(ground.log().of("srv"), ["made", "eof"]);
    srv.close();
    Ok(())
}

async fn a_reply_reaches_a_peer_that_is_still_sending(ground: Ground) -> Result {
    let reply = bytes(200_000);
    let said = reply.clone();
    let srv = Actor::new(&ground, "srv").data(move |transport, _| {
        transport.write(&said);
        transport.close();
        Ok(())
    });
    let (_, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    cli.set_limits(Limits { read_while_full: true, unsent: usize::MAX, ..Limits::default() });
    // More than the linger takes: the rest is the peer's loss, the reply is not.
    cli.write_bytes(bytes(ground.plenty().max(4 << 20)).into());
    ground.log().received("cli", reply.len()).await;
    assert!(ground.log().bytes("cli") == reply);
    cli.abort();
    ground.log().lost("srv").await;
    Ok(())
}

async fn linger_zero_closes_at_once(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli").stays()).await?;
    srv.set_limits(Limits { linger: Duration::ZERO, ..Limits::default() });
    srv.write(b"bye");
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    ground.log().heard("cli", "eof").await;
    assert_eq!(ground.log().bytes("cli"), b"bye");
    cli.abort();
    Ok(())
}

async fn linger_ends_after_its_time(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli").stays()).await?;
    srv.set_limits(Limits { linger: ground.moment(), ..Limits::default() });
    let begun = ground.reactor().now();
    srv.close();
    ground.log().heard("cli", "eof").await;
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert!(ground.reactor().now() - begun >= ground.moment());
    cli.abort();
    Ok(())
}

async fn linger_reads_no_more_than_its_bytes(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli").stays()).await?;
    srv.set_limits(Limits { linger: 10 * ground.moment(), linger_bytes: 10_000, ..Limits::default() });
    srv.close();
    cli.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    cli.write_bytes(bytes(ground.plenty()).into());
    assert_eq!(ground.log().lost("srv").await, "Closed");
    let received = srv.counts().received;
    assert!(received > 10_000 && received < ground.plenty() as u64, "{received}");
    cli.abort();
    ground.log().lost("cli").await;
    Ok(())
}

async fn a_reset_while_lingering_is_a_close_like_any(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli").stays()).await?;
    srv.write(b"all of it");
    srv.close();
    ground.log().heard("cli", "eof").await;
    cli.abort();
    assert_eq!(ground.log().lost("srv").await, "Closed", "everything has arrived");
    assert_eq!(ground.log().bytes("cli"), b"all of it");
    Ok(())
}

/// A server with much to send to a peer that does not read, and that is closing.
async fn stuck(ground: &Ground, drain: Duration) -> Result<(Transport, Transport)> {
    let (srv, cli) = plain(ground).await?;
    cli.pause();
    srv.set_limits(Limits { drain, unsent: usize::MAX, ..Limits::default() });
    srv.write_bytes(bytes(ground.plenty()).into());
    srv.close();
    Ok((srv, cli))
}

async fn a_peer_that_never_reads_costs_the_drain_time(ground: Ground) -> Result {
    let (_, cli) = stuck(&ground, 3 * ground.moment()).await?;
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Drain)");
    cli.resume();
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    Ok(())
}

async fn the_peers_bytes_do_not_prolong_the_drain(ground: Ground) -> Result {
    let (srv, cli) = stuck(&ground, 20 * ground.moment()).await?;
    let (step, moved) = (ground.moment() / 2, ground.reactor().now());
    let mut last = moved;
    while !ground.log().of("srv").iter().any(|line| line.starts_with("lost")) {
        cli.write(b"x");
        ground.reactor().sleep(step).await;
        if srv.counts().received > 0 {
            last = ground.reactor().now();
        }
        assert!(last - moved < 100 * ground.moment(), "a byte now and then keeps it for ever");
    }
    assert_eq!(ground.log().lost("srv").await, "TimedOut(Drain)");
    cli.abort();
    Ok(())
}

async fn a_peer_that_reads_slowly_gets_everything(ground: Ground) -> Result {
    let (srv, cli) = stuck(&ground, 50 * ground.moment()).await?;
    while srv.counts().unsent > 0 {
        cli.resume();
        ground.turn().await;
        cli.pause();
        ground.reactor().sleep(ground.moment() / 20).await;
    }
    cli.resume();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    ground.log().lost("cli").await;
    assert!(ground.log().bytes("cli") == bytes(ground.plenty()));
    Ok(())
}

async fn abort_resets_the_peer(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    srv.abort();
    assert!(!srv.is_open());
    assert_eq!(ground.log().lost("srv").await, "Aborted");
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    assert_eq!(ground.log().of("srv"), ["made", "lost Aborted"]);
    assert_eq!(ground.log().of("cli"), ["made", "lost Io(ConnectionReset)"]);
    Ok(())
}

async fn abort_drops_what_was_not_sent(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    srv.write(b"never");
    srv.abort();
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    assert_eq!(ground.log().count("cli"), 0);
    Ok(())
}

async fn abort_after_close_aborts(ground: Ground) -> Result {
    let (srv, cli) = stuck(&ground, Duration::from_secs(30)).await?;
    ground.settle().await;
    srv.abort();
    assert_eq!(ground.log().lost("srv").await, "Aborted");
    cli.resume();
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    Ok(())
}

/// How often `srv` was told that its connection is lost, and that the reason is the reset.
async fn reset_once(ground: &Ground) {
    assert_eq!(ground.log().lost("srv").await, "Io(ConnectionReset)");
    ground.settle().await;
    let lost = ground.log().of("srv").iter().filter(|line| line.starts_with("lost")).count();
    assert_eq!(lost, 1);
    assert_eq!(ground.log().of("srv").last().unwrap(), "lost Io(ConnectionReset)");
}

async fn a_reset_is_told_once_while_reading(ground: Ground) -> Result {
    let (_, cli) = plain(&ground).await?;
    cli.write(b"one");
    ground.log().received("srv", 3).await;
    cli.abort();
    reset_once(&ground).await;
    assert_eq!(ground.log().of("srv"), ["made", "lost Io(ConnectionReset)"]);
    Ok(())
}

async fn a_reset_is_told_once_while_writing(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    cli.pause();
    srv.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    srv.write_bytes(bytes(ground.plenty()).into());
    ground.settle().await;
    cli.abort();
    reset_once(&ground).await;
    Ok(())
}

async fn a_reset_while_paused_is_told_once_at_the_latest_after_resume(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    srv.pause();
    ground.settle().await;
    cli.abort();
    ground.settle().await;
    srv.resume();
    reset_once(&ground).await;
    Ok(())
}

async fn a_reset_of_a_paused_connection_wakes_nobody(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    srv.pause();
    ground.settle().await;
    cli.abort();
    ground.log().lost("cli").await;
    ground.settle().await;
    let turns = ground.turns();
    ground.reactor().sleep(ground.moment()).await;
    // The timer's turn, and a few for what the driver may say of others.
    assert!(ground.turns() - turns < 10, "the loop spins: {} turns", ground.turns() - turns);
    srv.resume();
    reset_once(&ground).await;
    Ok(())
}

async fn a_reset_while_closing_ends_at_once(ground: Ground) -> Result {
    let (_, cli) = stuck(&ground, Duration::from_secs(30)).await?;
    ground.settle().await;
    cli.abort();
    reset_once(&ground).await;
    Ok(())
}
