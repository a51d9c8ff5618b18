//! A connection that changes hands: `switch_to`, streams, and the input that freezes.

use crate::{
    actor::{Actor, Plain},
    ground::Ground,
};
use std::{cell::Cell, rc::Rc};
use trenza_core::{Input, Result, Stream, Timeout, Transport};
use trenza_tests::Xor;

cases! {
    the_old_protocol_is_lost_and_the_new_one_is_made
    unread_bytes_go_along
    the_end_of_the_stream_is_told_to_the_new_one
    the_end_that_was_told_is_told_again_to_the_new_one
    a_switch_within_data_received_takes_the_rest_along
    a_switch_in_connection_made_leaves_all_bytes_to_the_next
    two_switches_at_once_make_both_in_order
    a_switch_wakes_a_paused_connection
    a_switch_forgets_timeouts
    a_switch_keeps_what_was_written
    a_switch_of_a_closed_connection_is_none
    closing_behind_a_switch_ends_with_the_old_one
    aborting_while_the_old_one_is_lost_makes_no_new_one
    a_switch_in_build_makes_both
    a_loop_that_does_not_return_gets_nothing_after_switch
    a_loop_that_does_not_return_gets_nothing_after_pause
    a_loop_that_does_not_return_gets_nothing_after_close
    a_loop_that_does_not_return_gets_nothing_after_abort
    a_loop_that_does_not_return_gets_nothing_after_push_layer
    a_loop_that_does_not_return_gets_nothing_after_switch_to_stream
    protocols_and_streams_take_turns_at_every_byte
}

/// A server that notes each byte, and does something at `!`, in a loop that does not return.
fn greedy(ground: &Ground, mut at_mark: impl FnMut(&Transport) + 'static) -> Actor {
    let log = ground.log().clone();
    Actor::new(ground, "srv").data(move |transport, input: &mut Input<'_>| {
        for _ in 0..100 {
            let byte = input.take(1)?.unwrap_or_default();
            log.receive("srv", byte);
            if byte == b"!" {
                at_mark(transport);
                assert_eq!((input.len(), input.rest(), input.peek()), (0, &b""[..], &b""[..]));
                assert_eq!((input.line(9)?, input.take(1)?), (None, None));
            }
        }
        Ok(())
    })
}

/// Connects a client that says this.
async fn says(ground: &Ground, srv: Actor, text: &'static [u8]) -> Result<(Transport, Transport)> {
    let (srv, cli) = ground.pair(srv, Actor::new(ground, "cli")).await?;
    cli.write(text);
    Ok((srv, cli))
}

async fn the_old_protocol_is_lost_and_the_new_one_is_made(ground: Ground) -> Result {
    let (srv, cli) = says(&ground, Actor::new(&ground, "srv"), b"old").await?;
    ground.log().received("srv", 3).await;
    srv.switch_to(Actor::new(&ground, "next"));
    assert_eq!(ground.log().of("srv"), ["made"], "not within switch_to()");
    cli.write(b"new");
    ground.log().received("next", 3).await;
    assert_eq!(ground.log().bytes("next"), b"new");
    cli.close();
    assert_eq!(ground.log().lost("next").await, "PeerClosed");
    assert_eq!(ground.log().of("srv"), ["made", "lost Switched"]);
    assert_eq!(ground.log().of("next"), ["made", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn unread_bytes_go_along(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|_, _| Ok(()));
    let (srv, cli) = says(&ground, srv, b"unread").await?;
    ground.until(|| srv.counts().unread == 6).await;
    srv.switch_to(Actor::new(&ground, "next"));
    ground.log().received("next", 6).await;
    assert_eq!(ground.log().bytes("next"), b"unread");
    cli.close();
    Ok(())
}

async fn the_end_of_the_stream_is_told_to_the_new_one(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.pause();
        Ok(())
    });
    let (srv, cli) = says(&ground, srv, b"last words").await?;
    cli.close();
    ground.settle().await;
    srv.switch_to(Actor::new(&ground, "next"));
    ground.log().lost("next").await;
    assert_eq!(ground.log().of("srv"), ["made", "lost Switched"]);
    assert_eq!(ground.log().bytes("next"), b"last words");
    assert_eq!(ground.log().of("next"), ["made", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn the_end_that_was_told_is_told_again_to_the_new_one(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|_, _| Ok(())).stays();
    let (srv, cli) = says(&ground, srv, b"left").await?;
    cli.close_write();
    ground.log().heard("srv", "eof").await;
    srv.switch_to(Actor::new(&ground, "next"));
    ground.log().lost("next").await;
    assert_eq!(ground.log().bytes("next"), b"left");
    assert_eq!(ground.log().of("next"), ["made", "eof", "lost PeerClosed"]);
    Ok(())
}

async fn a_switch_within_data_received_takes_the_rest_along(ground: Ground) -> Result {
    let next = Rc::new(Cell::new(Some(Actor::new(&ground, "next"))));
    let srv = greedy(&ground, move |transport| transport.switch_to(next.take().unwrap()));
    let (_, cli) = says(&ground, srv, b"old!new").await?;
    ground.log().received("next", 3).await;
    assert_eq!(ground.log().bytes("srv"), b"old!");
    assert_eq!(ground.log().bytes("next"), b"new");
    cli.close();
    Ok(())
}

async fn a_switch_in_connection_made_leaves_all_bytes_to_the_next(ground: Ground) -> Result {
    let next = Rc::new(Cell::new(Some(Actor::new(&ground, "next"))));
    let srv = Actor::new(&ground, "srv").made(move |transport| {
        transport.switch_to(next.take().unwrap());
        Ok(())
    });
    let (_, cli) = says(&ground, srv, b"for the next").await?;
    ground.log().received("next", 12).await;
    assert_eq!(ground.log().of("srv"), ["made", "lost Switched"]);
    assert_eq!(ground.log().count("srv"), 0);
    cli.close();
    Ok(())
}

async fn two_switches_at_once_make_both_in_order(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|_, _| Ok(()));
    let (srv, cli) = says(&ground, srv, b"to the last").await?;
    ground.until(|| srv.counts().unread == 11).await;
    srv.switch_to(Actor::new(&ground, "second"));
    srv.switch_to(Actor::new(&ground, "third"));
    ground.log().received("third", 11).await;
    assert_eq!(ground.log().of("second"), ["made", "lost Switched"]);
    assert_eq!(ground.log().count("second"), 0);
    cli.close();
    ground.log().lost("third").await;
    Ok(())
}

async fn a_switch_wakes_a_paused_connection(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.pause();
        Ok(())
    });
    let (srv, cli) = says(&ground, srv, b"wake up").await?;
    ground.settle().await;
    srv.switch_to(Actor::new(&ground, "next"));
    ground.log().received("next", 7).await;
    cli.write(b", and on");
    ground.log().received("next", 15).await;
    cli.close();
    Ok(())
}

async fn a_switch_forgets_timeouts(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").timed_out(|_, which: Timeout| panic!("{which:?}"));
    let (srv, cli) = says(&ground, srv, b"").await?;
    srv.set_timeout(Some(ground.moment()));
    srv.set_deadline(Some(ground.moment()));
    srv.switch_to(Actor::new(&ground, "next"));
    ground.reactor().sleep(3 * ground.moment()).await;
    assert_eq!(ground.log().of("next"), ["made"]);
    cli.close();
    Ok(())
}

async fn a_switch_keeps_what_was_written(ground: Ground) -> Result {
    let (srv, _) = says(&ground, Actor::new(&ground, "srv"), b"").await?;
    srv.write(b"old ");
    srv.switch_to(Actor::new(&ground, "next").made(|transport| {
        transport.write(b"new");
        transport.close();
        Ok(())
    }));
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("cli"), b"old new");
    assert_eq!(ground.log().lost("next").await, "Closed");
    Ok(())
}

async fn a_switch_of_a_closed_connection_is_none(ground: Ground) -> Result {
    let (srv, _) = says(&ground, Actor::new(&ground, "srv"), b"").await?;
    srv.close();
    srv.switch_to(Actor::new(&ground, "next"));
    assert_eq!(ground.log().lost("srv").await, "Closed");
    srv.switch_to(Actor::new(&ground, "next"));
    ground.settle().await;
    assert_eq!(ground.log().of("next"), [""; 0]);
    Ok(())
}

async fn closing_behind_a_switch_ends_with_the_old_one(ground: Ground) -> Result {
    let (srv, _) = says(&ground, Actor::new(&ground, "srv"), b"").await?;
    srv.switch_to(Actor::new(&ground, "next"));
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().of("next"), [""; 0]);
    Ok(())
}

async fn aborting_while_the_old_one_is_lost_makes_no_new_one(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").lost(|transport, _| transport.abort());
    let (srv, _) = says(&ground, srv, b"").await?;
    srv.switch_to(Actor::new(&ground, "next"));
    ground.log().lost("cli").await;
    ground.settle().await;
    assert_eq!(ground.log().of("srv"), ["made", "lost Switched"]);
    assert_eq!(ground.log().of("next"), [""; 0]);
    Ok(())
}

async fn a_switch_in_build_makes_both(ground: Ground) -> Result {
    let inner = ground.clone();
    let port = ground.listen(move |transport: &Transport| {
        transport.switch_to(Actor::new(&inner, "next"));
        Actor::new(&inner, "srv")
    });
    let cli = ground.reactor().connect(&crate::ground::to(&port), |_| Plain).await?;
    cli.write(b"hello");
    ground.log().received("next", 5).await;
    assert_eq!(ground.log().of("srv"), ["made", "lost Switched"]);
    assert_eq!(ground.log().count("srv"), 0);
    cli.close();
    Ok(())
}

async fn a_loop_that_does_not_return_gets_nothing_after_switch(ground: Ground) -> Result {
    let srv = greedy(&ground, |transport| transport.switch_to(Plain));
    let (srv, cli) = says(&ground, srv, b"a!bcd!e").await?;
    ground.until(|| srv.counts().received == 7).await;
    ground.settle().await;
    assert_eq!(ground.log().bytes("srv"), b"a!");
    cli.close();
    Ok(())
}

async fn a_loop_that_does_not_return_gets_nothing_after_pause(ground: Ground) -> Result {
    let srv = greedy(&ground, Transport::pause);
    let (srv, cli) = says(&ground, srv, b"a!bc!d").await?;
    for all in [&b"a!"[..], b"a!bc!", b"a!bc!d"] {
        ground.log().received("srv", all.len()).await;
        ground.settle().await;
        assert_eq!(ground.log().bytes("srv"), all);
        srv.resume();
    }
    cli.close();
    Ok(())
}

async fn a_loop_that_does_not_return_gets_nothing_after_close(ground: Ground) -> Result {
    says(&ground, greedy(&ground, Transport::close), b"a!bcd").await?;
    assert_eq!(ground.log().lost("srv").await, "Closed");
    assert_eq!(ground.log().bytes("srv"), b"a!");
    Ok(())
}

async fn a_loop_that_does_not_return_gets_nothing_after_abort(ground: Ground) -> Result {
    says(&ground, greedy(&ground, Transport::abort), b"a!bcd").await?;
    assert_eq!(ground.log().lost("srv").await, "Aborted");
    assert_eq!(ground.log().bytes("srv"), b"a!");
    Ok(())
}

async fn a_loop_that_does_not_return_gets_nothing_after_push_layer(ground: Ground) -> Result {
    let srv = greedy(&ground, |transport| transport.push_layer(Xor::server(1)));
    says(&ground, srv, b"a!plain bytes behind").await?;
    assert_eq!(ground.log().lost("srv").await, "Failed(not a record)");
    assert_eq!(ground.log().bytes("srv"), b"a!");
    Ok(())
}

async fn a_loop_that_does_not_return_gets_nothing_after_switch_to_stream(ground: Ground) -> Result {
    let place = Rc::new(Cell::new(None));
    let taken = place.clone();
    let srv = greedy(&ground, move |transport| taken.set(Some(transport.switch_to_stream())));
    let (srv, cli) = says(&ground, srv, b"a!bcd").await?;
    ground.until(|| srv.counts().received == 5).await;
    let mut stream = place.take().unwrap();
    assert_eq!(stream.read_exact(3).await?.unwrap(), b"bcd");
    assert_eq!(ground.log().bytes("srv"), b"a!");
    cli.close();
    stream.close().await
}

/// Takes `n` bytes, then gives the connection to a coroutine.
fn hands_over(ground: &Ground, name: &'static str, n: usize, to: impl FnOnce(Stream) + 'static) -> Actor {
    let (log, mut to) = (ground.log().clone(), Some(to));
    Actor::new(ground, name).data(move |transport, input| {
        if let Some(taken) = input.take(n)? {
            log.receive(name, taken);
            to.take().expect("called once")(transport.switch_to_stream());
            assert!(input.is_empty(), "the rest is not for this one");
        }
        Ok(())
    })
}

async fn protocols_and_streams_take_turns_at_every_byte(ground: Ground) -> Result {
    let text = b"protocolstreamagainand the rest";
    for split in 0..=text.len() {
        ground.log().forget();
        let (done, tell) = ground.reactor().deferred();
        let (inner, reactor) = (ground.clone(), ground.reactor().clone());
        let last = move |mut stream: Stream| {
            let reads = async move {
                let mut rest = Vec::new();
                while let Some(data) = stream.read().await? {
                    rest.extend_from_slice(&data);
                }
                stream.close().await?;
                Ok(rest)
            };
            reactor.spawn(reads).then(|rest| tell.fire(rest));
        };
        let first = move |mut stream: Stream| {
            stream.transport().clone().spawn(async move {
                let taken = stream.read_exact(6).await?.unwrap();
                inner.log().receive("stream", &taken);
                stream.switch_to(hands_over(&inner, "second", 5, last));
                Ok(())
            });
        };
        let srv = hands_over(&ground, "first", 8, first);
        let (_, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
        cli.write(&text[..split]);
        ground.turn().await;
        cli.write(&text[split..]);
        cli.close_write();
        assert_eq!(done.await?, b"and the rest");
        for (name, part) in [("first", "protocol"), ("stream", "stream"), ("second", "again")] {
            assert_eq!(String::from_utf8(ground.log().bytes(name))?, part);
        }
        for name in ["first", "second"] {
            assert_eq!(ground.log().of(name), ["made", "lost Switched"]);
        }
        cli.ended().await?;
    }
    Ok(())
}
