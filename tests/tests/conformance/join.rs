//! Two connections that pass on to each other what comes; and who waits for an end.

use crate::{
    actor::{Actor, told},
    ground::{Ground, bytes, to},
};
use std::rc::Rc;
use trenza_core::{Limits, Reason, Result, Stream, Transport};

cases! {
    joined_connections_pass_on_both_ways
    unread_bytes_go_along
    the_end_of_one_direction_is_passed_on
    a_reset_is_passed_on
    who_is_slow_holds_the_writer_back
    joined_to_one_that_has_ended_it_ends
    joined_to_one_that_is_ending_it_ends
    joined_streams_may_be_dropped
    the_end_is_told_with_its_reason
    the_end_is_told_afterwards_as_well
    the_end_is_told_once_after_any_change_of_hands
    finish_sends_its_bytes_and_closes
}

/// A connection to a port whose other side is joined to a connection to `far`.
async fn through(ground: &Ground, cli: Actor, far: Actor) -> Result<(Transport, [Transport; 2], Transport)> {
    let (far, outer) = ground.pair(far, Actor::new(ground, "outer").data(|_, _| Ok(()))).await?;
    let (inner, cli) = ground.pair(Actor::new(ground, "inner").data(|_, _| Ok(())), cli).await?;
    Ok((cli, [inner, outer], far))
}

async fn joined_connections_pass_on_both_ways(ground: Ground) -> Result {
    let text = bytes(ground.scaled(50_000, 3_000_000));
    let (cli, far) = (Actor::new(&ground, "cli").stays(), Actor::new(&ground, "far").stays());
    let (cli, [near, other], far) = through(&ground, cli, far).await?;
    near.join(&other);
    for end in [&cli, &far] {
        end.set_limits(Limits { read_while_full: true, ..Limits::default() });
        end.write(&text);
        end.close_write();
    }
    assert_eq!(
        (ground.log().lost("cli").await, ground.log().lost("far").await),
        ("Closed".into(), "Closed".into())
    );
    assert!(ground.log().bytes("cli") == text && ground.log().bytes("far") == text);
    Ok(())
}

async fn unread_bytes_go_along(ground: Ground) -> Result {
    let (cli, [near, other], far) =
        through(&ground, Actor::new(&ground, "cli"), Actor::new(&ground, "far")).await?;
    cli.write(b"early");
    far.write(b"early, too");
    ground.until(|| near.counts().unread == 5 && other.counts().unread == 10).await;
    near.join(&other);
    ground.log().received("cli", 10).await;
    ground.log().received("far", 5).await;
    cli.close();
    assert_eq!(ground.log().lost("far").await, "PeerClosed");
    Ok(())
}

async fn the_end_of_one_direction_is_passed_on(ground: Ground) -> Result {
    let far = Actor::new(&ground, "far").eof(|transport, _| {
        transport.finish(b"the answer");
        Ok(())
    });
    let (cli, [near, other], _) = through(&ground, Actor::new(&ground, "cli"), far).await?;
    near.join(&other);
    cli.write(b"the question");
    cli.close_write();
    ground.log().lost("cli").await;
    assert_eq!(ground.log().bytes("far"), b"the question");
    assert_eq!(ground.log().bytes("cli"), b"the answer");
    Ok(())
}

async fn a_reset_is_passed_on(ground: Ground) -> Result {
    let (cli, [near, other], _) =
        through(&ground, Actor::new(&ground, "cli"), Actor::new(&ground, "far")).await?;
    near.join(&other);
    cli.write(b"x");
    ground.log().received("far", 1).await;
    cli.abort();
    assert_eq!(ground.log().lost("far").await, "Io(ConnectionReset)");
    Ok(())
}

async fn who_is_slow_holds_the_writer_back(ground: Ground) -> Result {
    let far = Actor::new(&ground, "far").made(|transport| {
        transport.pause();
        Ok(())
    });
    let (cli, [near, other], far) = through(&ground, Actor::new(&ground, "cli"), far).await?;
    near.join(&other);
    let text = bytes(ground.plenty());
    cli.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    cli.write(&text);
    ground.settle().await;
    assert!(other.counts().unsent <= 4 << 20 && other.is_open(), "no more is held than what one turn brings");
    assert!(cli.counts().unsent > 0);
    far.resume();
    cli.close();
    ground.log().lost("far").await;
    assert!(ground.log().bytes("far") == text);
    Ok(())
}

async fn joined_to_one_that_has_ended_it_ends(ground: Ground) -> Result {
    let (_cli, [near, other], far) =
        through(&ground, Actor::new(&ground, "cli"), Actor::new(&ground, "far")).await?;
    far.abort();
    ground.log().lost("outer").await;
    near.join(&other);
    ground.log().lost("cli").await;
    Ok(())
}

async fn joined_to_one_that_is_ending_it_ends(ground: Ground) -> Result {
    let (_cli, [near, other], _far) =
        through(&ground, Actor::new(&ground, "cli"), Actor::new(&ground, "far")).await?;
    near.join(&other);
    other.abort();
    assert_eq!(ground.log().lost("cli").await, "Io(ConnectionReset)");
    ground.log().lost("far").await;
    Ok(())
}

async fn joined_streams_may_be_dropped(ground: Ground) -> Result {
    let mut far = Some(Actor::new(&ground, "far").eof(|transport, _| {
        transport.finish(b"the answer");
        Ok(())
    }));
    let far = ground.listen(move |_| far.take().unwrap());
    let upstream = to(&far);
    let proxy = ground.reactor().serve("tcp:0:interface=127.0.0.1", move |near: Stream| {
        let upstream = upstream.clone();
        async move {
            let far = near.transport().reactor().open(&upstream).await?;
            near.join(far);
            Ok(())
        }
    })?;
    ground.keep(proxy.clone());
    let mut cli = ground.reactor().open(&to(&proxy)).await?;
    cli.write_all(b"the question").await?;
    cli.close_write();
    assert_eq!(cli.read_exact(10).await?.unwrap(), b"the answer");
    assert_eq!(cli.read().await?, None);
    assert_eq!(ground.log().bytes("far"), b"the question");
    Ok(())
}

async fn the_end_is_told_with_its_reason(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let (near, far, dropped) = (srv.ended(), cli.ended(), cli.ended());
    drop(dropped);
    cli.close();
    assert!(matches!(*near.await?, Reason::PeerClosed));
    assert!(matches!(*far.await?, Reason::Closed));
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let (near, far) = (srv.ended(), cli.ended());
    ground.settle().await;
    srv.abort();
    assert_eq!(told(&*near.await?), "Aborted");
    assert_eq!(told(&*far.await?), "Io(ConnectionReset)");
    Ok(())
}

async fn the_end_is_told_afterwards_as_well(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    cli.close();
    let first = srv.ended().await?;
    let again = srv.ended().await?;
    assert!(Rc::ptr_eq(&first, &again));
    drop(cli.ended().await?);
    Ok(())
}

async fn the_end_is_told_once_after_any_change_of_hands(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    let (log, ended) = (ground.log().clone(), cli.ended());
    ended.then(move |reason| log.note("end", told(&reason.unwrap())));
    let stream = cli.switch_to_stream();
    ground.settle().await;
    let cli = stream.switch_to(Actor::new(&ground, "next"));
    ground.settle().await;
    assert!(ground.log().of("end").is_empty(), "it lives on");
    cli.close();
    drop(srv);
    assert!(cli.ended().await?.is_clean());
    ground.log().heard("end", "Closed").await;
    assert_eq!(ground.log().of("end").len(), 1);
    Ok(())
}

async fn finish_sends_its_bytes_and_closes(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.write(b"one, ");
    srv.finish(b"two");
    srv.finish(b"three");
    assert!(!srv.is_open());
    assert_eq!(ground.log().lost("cli").await, "PeerClosed");
    assert_eq!(ground.log().bytes("cli"), b"one, two");
    drop(cli);
    Ok(())
}
