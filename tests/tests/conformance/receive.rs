//! Received bytes: offered, left, offered again, paused, limited.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
};
use std::{cell::RefCell, rc::Rc};
use trenza_core::{Limits, Result, Transport};

cases! {
    every_byte_arrives_in_order_however_it_is_split
    lines_are_found_however_they_are_split
    what_is_left_is_offered_again_with_more_behind_it
    what_is_left_is_offered_again_after_resume
    what_is_left_is_there_at_the_end
    resume_without_pause_offers_again
    resume_within_the_callback_offers_the_rest
    taking_nothing_over_the_limit_is_an_overflow
    taking_something_over_the_limit_is_not
    asking_for_more_than_the_limit_is_an_error
    paused_nothing_is_offered_and_nothing_is_lost
    paused_over_the_limit_reading_stops
    pause_holds_the_end_back
    bytes_and_end_in_one_come_in_order
    what_was_left_at_the_end_is_offered_again_after_resume
    unread_bytes_are_counted
}

/// A server and a client that says these pieces, each in a turn of its own at least.
async fn said(ground: &Ground, srv: Actor, pieces: &[&[u8]]) -> Result<(Transport, Transport)> {
    let (srv, cli) = ground.pair(srv, Actor::new(ground, "cli")).await?;
    for piece in pieces {
        cli.write(piece);
        cli.flushed().await?;
        ground.turn().await;
    }
    Ok((srv, cli))
}

async fn every_byte_arrives_in_order_however_it_is_split(ground: Ground) -> Result {
    let text = bytes(ground.scaled(20_000, 3_000_000));
    let (_, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let mut rest = &text[..];
    let mut n = 1;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(n.min(rest.len()));
        cli.write(piece);
        if n % 3 == 0 {
            cli.flushed().await?;
        }
        (rest, n) = (behind, n * 5 % 9_973 + 1);
    }
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert!(ground.log().bytes("srv") == text);
    assert_eq!(ground.log().of("srv"), ["made", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn lines_are_found_however_they_are_split(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(move |_, input| {
        while let Some(line) = input.line(20)? {
            log.note("srv", String::from_utf8_lossy(line));
        }
        Ok(())
    });
    let (_, cli) = said(&ground, srv, &[b"on", b"e\r", b"\ntwo\r\n\r\nfo", b"ur\r\nhal", b"f"]).await?;
    cli.close();
    ground.log().lost("srv").await;
    assert_eq!(ground.log().of("srv"), ["made", "one", "two", "", "four", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn what_is_left_is_offered_again_with_more_behind_it(ground: Ground) -> Result {
    let offers = Rc::new(RefCell::new(Vec::new()));
    let seen = offers.clone();
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(move |_, input| {
        seen.borrow_mut().push(input.peek().to_vec());
        if input.len() >= 9 {
            log.receive("srv", input.rest());
        }
        Ok(())
    });
    let (_, cli) = said(&ground, srv, &[b"abc", b"def", b"ghi"]).await?;
    ground.log().received("srv", 9).await;
    assert_eq!(ground.log().bytes("srv"), b"abcdefghi");
    let offers = offers.borrow();
    assert!(offers.iter().all(|offer| b"abcdefghi".starts_with(offer)), "{offers:?}");
    assert!(offers.is_sorted_by(|one, next| one.len() < next.len()), "an offer has more each time");
    cli.close();
    Ok(())
}

async fn what_is_left_is_offered_again_after_resume(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(move |transport, input| {
        while let Some(data) = input.take(2)? {
            log.receive("srv", data);
            transport.pause();
        }
        Ok(())
    });
    let (srv, cli) = said(&ground, srv, &[b"aabbcc"]).await?;
    for (n, all) in [(2, b"aa".as_slice()), (4, b"aabb"), (6, b"aabbcc")] {
        ground.log().received("srv", n).await;
        ground.settle().await;
        assert_eq!(ground.log().bytes("srv"), all, "the input is empty after pause");
        srv.resume();
    }
    cli.close();
    Ok(())
}

async fn what_is_left_is_there_at_the_end(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(|_, _| Ok(())).eof(move |transport, input| {
        log.receive("srv", input.rest());
        transport.close();
        Ok(())
    });
    let (_, cli) = said(&ground, srv, &[b"abc", b"def"]).await?;
    cli.close();
    ground.log().lost("srv").await;
    assert_eq!(ground.log().bytes("srv"), b"abcdef");
    assert_eq!(ground.log().of("srv"), ["made", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn resume_without_pause_offers_again(ground: Ground) -> Result {
    let log = ground.log().clone();
    let mut ready = false;
    let srv = Actor::new(&ground, "srv").data(move |_, input| {
        if std::mem::replace(&mut ready, input.len() == 3) {
            log.receive("srv", input.rest());
        }
        Ok(())
    });
    let (srv, cli) = said(&ground, srv, &[b"abc"]).await?;
    ground.until(|| srv.counts().unread == 3).await;
    srv.resume();
    ground.log().received("srv", 3).await;
    cli.close();
    Ok(())
}

async fn resume_within_the_callback_offers_the_rest(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(move |transport, input| {
        if let Some(data) = input.take(1)? {
            log.receive("srv", data);
            transport.pause();
            assert_eq!(input.rest(), b"");
            transport.resume();
            assert_eq!(input.rest(), b"", "not by this call");
        }
        Ok(())
    });
    let (_, cli) = said(&ground, srv, &[b"abcdef"]).await?;
    ground.log().received("srv", 6).await;
    assert_eq!(ground.log().bytes("srv"), b"abcdef");
    cli.close();
    Ok(())
}

fn unread(most: usize) -> Limits {
    Limits { unread: most, ..Limits::default() }
}

async fn taking_nothing_over_the_limit_is_an_overflow(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|_, _| Ok(()));
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.set_limits(unread(1000));
    cli.write(&bytes(1000));
    ground.until(|| srv.counts().unread == 1000).await;
    assert!(srv.is_open(), "the limit may be reached");
    cli.write(b"x");
    assert_eq!(ground.log().lost("srv").await, "Overflow(Unread)");
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    Ok(())
}

async fn taking_something_over_the_limit_is_not(ground: Ground) -> Result {
    let log = ground.log().clone();
    let srv = Actor::new(&ground, "srv").data(move |_, input| {
        log.receive("srv", input.up_to(10));
        Ok(())
    });
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.set_limits(unread(100));
    cli.write(&bytes(5000));
    ground.log().received("srv", 4900).await;
    assert!(srv.counts().unread <= 100);
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    Ok(())
}

async fn asking_for_more_than_the_limit_is_an_error(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|_, input| {
        input.take(1001)?;
        Ok(())
    });
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.set_limits(unread(1000));
    cli.write(b"x");
    let reason = ground.log().lost("srv").await;
    assert!(reason.starts_with("Failed(") && reason.contains("1001") && reason.contains("1000"), "{reason}");
    ground.log().lost("cli").await;
    Ok(())
}

async fn paused_nothing_is_offered_and_nothing_is_lost(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.pause();
        Ok(())
    });
    let text = bytes(30_000);
    let (srv, cli) = said(&ground, srv, &[&text[..10]]).await?;
    cli.write(&text[10..]);
    ground.settle().await;
    assert_eq!(ground.log().count("srv"), 0);
    srv.resume();
    ground.log().received("srv", 30_000).await;
    assert!(ground.log().bytes("srv") == text);
    cli.close();
    Ok(())
}

async fn paused_over_the_limit_reading_stops(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv");
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    srv.set_limits(unread(100));
    srv.pause();
    let text = bytes(ground.plenty());
    cli.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    cli.write(&text);
    ground.settle().await;
    assert!(srv.is_open() && cli.is_open());
    assert!(cli.counts().unsent > 0, "nobody reads");
    // Bytes that were on their way are kept: at most what one wait of a driver brings.
    assert!(srv.counts().unread <= 2 << 20, "{}", srv.counts().unread);
    srv.resume();
    cli.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert!(ground.log().bytes("srv") == text);
    Ok(())
}

async fn pause_holds_the_end_back(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|transport, input| {
        input.skip(1);
        transport.pause();
        Ok(())
    });
    let log = ground.log().clone();
    let srv = srv.eof(move |transport, input| {
        log.receive("srv", input.rest());
        transport.close();
        Ok(())
    });
    let (srv, cli) = said(&ground, srv, &[b"abc"]).await?;
    cli.close();
    for _ in 0..2 {
        ground.settle().await;
        assert_eq!(ground.log().of("srv"), ["made"]);
        srv.resume();
    }
    ground.settle().await;
    srv.resume();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().of("srv"), ["made", "eof", "lost PeerClosed"]);
    assert_eq!(ground.log().count("srv"), 0);
    Ok(())
}

async fn bytes_and_end_in_one_come_in_order(ground: Ground) -> Result {
    let cli = Actor::new(&ground, "cli").made(|transport| {
        transport.write(b"all at once");
        transport.close();
        Ok(())
    });
    ground.pair(Actor::new(&ground, "srv"), cli).await?;
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert_eq!(ground.log().bytes("srv"), b"all at once");
    assert_eq!(ground.log().of("srv"), ["made", "eof", "lost PeerClosed"]);
    assert_eq!(ground.log().lost("cli").await, "Closed");
    Ok(())
}

async fn what_was_left_at_the_end_is_offered_again_after_resume(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").stays();
    let log = ground.log().clone();
    let mut left = true;
    let srv = srv.data(move |_, input| {
        if input.len() == 3 && !std::mem::take(&mut left) {
            log.receive("srv", input.rest());
        }
        Ok(())
    });
    let (srv, cli) = said(&ground, srv, &[b"abc"]).await?;
    ground.until(|| srv.counts().unread == 3).await;
    cli.close();
    ground.log().heard("srv", "eof").await;
    srv.resume();
    ground.log().received("srv", 3).await;
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    Ok(())
}

async fn unread_bytes_are_counted(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|_, input| {
        if input.len() == 10 {
            input.skip(4);
        }
        Ok(())
    });
    let (srv, cli) = said(&ground, srv, &[b"0123456789"]).await?;
    ground.until(|| srv.counts().received == 10).await;
    assert_eq!(srv.counts().unread, 6);
    cli.close();
    Ok(())
}
