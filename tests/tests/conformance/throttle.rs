//! `throttle`: a full connection holds others back.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
};
use trenza_core::{Limits, Result, Transport};

cases! {
    while_full_the_source_is_not_read
    a_pipe_holds_little_and_loses_nothing
    throttle_of_a_connection_that_is_full_already_holds_at_once
    unthrottle_releases_a_source_that_is_held
    each_throttle_needs_an_unthrottle
    a_full_connection_that_ends_releases_its_sources
    a_source_that_ends_is_forgotten
    an_ended_connection_throttles_nobody
    two_full_connections_both_must_have_room
}

fn deaf(ground: &Ground, name: &'static str) -> Actor {
    Actor::new(ground, name).made(|transport| {
        transport.pause();
        Ok(())
    })
}

/// A source that somebody writes to, and a far connection whose peer does not read.
struct Pipe {
    source: Transport,
    writer: Transport,
    far: Transport,
    reader: Transport,
}

async fn pipe(ground: &Ground) -> Result<Pipe> {
    let (source, writer) = ground.pair(Actor::new(ground, "source"), Actor::new(ground, "writer")).await?;
    let (far, reader) = ground.pair(Actor::new(ground, "far"), deaf(ground, "reader")).await?;
    far.set_limits(Limits { high: 1000, low: 500, unsent: usize::MAX, ..Limits::default() });
    Ok(Pipe { source, writer, far, reader })
}

impl Pipe {
    fn fill(&self, ground: &Ground) {
        self.far.write_bytes(bytes(ground.plenty()).into());
        assert!(self.far.is_full());
    }

    /// Whether the source hears what its peer writes.
    async fn flows(&self, ground: &Ground) -> bool {
        let before = ground.log().count("source");
        self.writer.write(b"?");
        ground.settle().await;
        ground.log().count("source") > before
    }

    fn end(&self) {
        [&self.source, &self.writer, &self.far, &self.reader].into_iter().for_each(Transport::abort);
    }
}

async fn while_full_the_source_is_not_read(ground: Ground) -> Result {
    let pipe = pipe(&ground).await?;
    pipe.far.throttle(&pipe.source);
    assert!(pipe.flows(&ground).await);
    pipe.fill(&ground);
    assert!(!pipe.flows(&ground).await);
    pipe.reader.resume();
    ground.log().heard("far", "writable").await;
    assert!(pipe.flows(&ground).await);
    assert_eq!(ground.log().bytes("source"), b"???", "nothing was lost");
    pipe.end();
    Ok(())
}

async fn a_pipe_holds_little_and_loses_nothing(ground: Ground) -> Result {
    let (far, _) = ground.pair(Actor::new(&ground, "far"), Actor::new(&ground, "reader")).await?;
    far.set_limits(Limits { high: 4000, low: 1000, ..Limits::default() });
    let (to, end) = (far.clone(), far.clone());
    let source = Actor::new(&ground, "source")
        .made(move |transport| {
            far.throttle(transport);
            Ok(())
        })
        .data(move |_, input| {
            to.write(input.rest());
            Ok(())
        })
        .eof(move |transport, _| {
            end.close();
            transport.close();
            Ok(())
        });
    let (_, writer) = ground.pair(source, Actor::new(&ground, "writer")).await?;
    let text = bytes(ground.scaled(100_000, 4 << 20));
    writer.write(&text);
    writer.close();
    ground.log().lost("reader").await;
    assert!(ground.log().bytes("reader") == text);
    Ok(())
}

async fn throttle_of_a_connection_that_is_full_already_holds_at_once(ground: Ground) -> Result {
    let pipe = pipe(&ground).await?;
    pipe.fill(&ground);
    assert!(pipe.flows(&ground).await);
    pipe.far.throttle(&pipe.source);
    assert!(!pipe.flows(&ground).await);
    pipe.end();
    Ok(())
}

async fn unthrottle_releases_a_source_that_is_held(ground: Ground) -> Result {
    let pipe = pipe(&ground).await?;
    pipe.far.throttle(&pipe.source);
    pipe.fill(&ground);
    assert!(!pipe.flows(&ground).await);
    pipe.far.unthrottle(&pipe.source);
    assert!(pipe.flows(&ground).await);
    pipe.far.unthrottle(&pipe.source);
    assert!(pipe.flows(&ground).await);
    pipe.end();
    Ok(())
}

async fn each_throttle_needs_an_unthrottle(ground: Ground) -> Result {
    let pipe = pipe(&ground).await?;
    pipe.far.throttle(&pipe.source);
    pipe.far.throttle(&pipe.source);
    pipe.fill(&ground);
    pipe.far.unthrottle(&pipe.source);
    assert!(!pipe.flows(&ground).await);
    pipe.far.unthrottle(&pipe.source);
    assert!(pipe.flows(&ground).await);
    pipe.end();
    Ok(())
}

async fn a_full_connection_that_ends_releases_its_sources(ground: Ground) -> Result {
    let pipe = pipe(&ground).await?;
    pipe.far.throttle(&pipe.source);
    pipe.fill(&ground);
    assert!(!pipe.flows(&ground).await);
    pipe.far.abort();
    ground.log().lost("far").await;
    assert!(pipe.flows(&ground).await);
    pipe.end();
    Ok(())
}

async fn a_source_that_ends_is_forgotten(ground: Ground) -> Result {
    let pipe = pipe(&ground).await?;
    pipe.far.throttle(&pipe.source);
    pipe.fill(&ground);
    pipe.source.abort();
    ground.log().lost("source").await;
    // Another connection may have its place now.
    let (next, writer) = ground.pair(Actor::new(&ground, "next"), Actor::new(&ground, "cli")).await?;
    pipe.far.unthrottle(&pipe.source);
    pipe.reader.resume();
    ground.log().heard("far", "writable").await;
    writer.write(b"free");
    ground.log().received("next", 4).await;
    pipe.end();
    next.close();
    Ok(())
}

async fn an_ended_connection_throttles_nobody(ground: Ground) -> Result {
    let pipe = pipe(&ground).await?;
    pipe.fill(&ground);
    pipe.far.abort();
    ground.log().lost("far").await;
    assert!(!pipe.far.is_full());
    pipe.far.throttle(&pipe.source);
    assert!(pipe.flows(&ground).await);
    pipe.end();
    Ok(())
}

async fn two_full_connections_both_must_have_room(ground: Ground) -> Result {
    let pipe = pipe(&ground).await?;
    let (other, reader) = ground.pair(Actor::new(&ground, "other"), deaf(&ground, "reader2")).await?;
    other.set_limits((*pipe.far.limits()).clone());
    pipe.far.throttle(&pipe.source);
    other.throttle(&pipe.source);
    pipe.fill(&ground);
    other.write_bytes(bytes(ground.plenty()).into());
    pipe.reader.resume();
    ground.log().heard("far", "writable").await;
    assert!(!pipe.flows(&ground).await, "the other one is full still");
    reader.resume();
    ground.log().heard("other", "writable").await;
    assert!(pipe.flows(&ground).await);
    pipe.end();
    other.abort();
    reader.abort();
    Ok(())
}
