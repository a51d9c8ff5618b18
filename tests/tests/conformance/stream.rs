//! Streams: connections for coroutines.

use crate::{
    actor::Actor,
    ground::{Ground, bytes, to},
};
use bytes::Bytes;
use std::{rc::Rc, time::Duration};
use trenza::wire::framing::{Prefix, netstring};
use trenza_core::{Limits, Lost, Result, Stream, TimedOut, Transport, timeout};

cases! {
    reads_until_the_end
    reads_lines_however_they_are_split
    reads_exact_amounts
    an_end_within_a_line_is_an_error
    an_end_within_exact_bytes_is_an_error
    a_line_over_its_limit_is_an_error
    a_line_that_can_never_be_whole_is_an_error
    asking_for_more_than_the_unread_limit_is_an_error
    a_read_that_is_dropped_loses_nothing
    a_slow_reader_holds_the_writer_back
    write_all_waits_for_room
    who_waits_for_room_when_writing_ends_goes_on
    write_all_to_a_lost_connection_is_an_error
    close_waits_for_the_end
    close_of_a_lost_connection_is_an_error
    dropping_a_stream_aborts
    a_reset_is_an_error_of_every_read
    half_closed_it_still_reads
    both_directions_ended_it_ends_when_all_was_read
    a_stream_from_a_protocol_and_back
    a_stream_made_by_switch_gets_the_unread_bytes
    a_stream_hears_stopping
    a_served_coroutine_that_fails_aborts
    a_served_coroutine_that_returns_early_aborts
    open_gives_a_stream
    lines_come_until_the_end
    lines_end_with_the_first_error
    any_parser_reads_messages_however_they_are_split
    flush_waits_until_all_has_left
    flush_of_a_lost_connection_is_an_error
    writing_after_close_write_is_an_error
    dropped_after_close_write_it_still_sends_everything
    shared_bytes_and_files_keep_their_order
    a_stream_of_a_connection_that_has_ended_is_lost
    a_lost_stream_says_of_what_kind
}

/// A stream to a server that does what the actor does.
async fn open(ground: &Ground, srv: Actor) -> Result<(Transport, Stream)> {
    let (srv, cli) = ground.pair(srv, Actor::new(ground, "cli")).await?;
    let stream = cli.switch_to_stream();
    Ok((srv, stream))
}

/// A stream on both sides of a connection.
pub(crate) async fn streams(ground: &Ground) -> Result<(Stream, Stream)> {
    let (srv, cli) = open(ground, Actor::new(ground, "srv")).await?;
    Ok((srv.switch_to_stream(), cli))
}

async fn reads_until_the_end(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    let text = bytes(ground.scaled(20_000, 500_000));
    srv.write(&text);
    srv.close();
    let mut all = Vec::new();
    while let Some(data) = cli.read().await? {
        assert!(!data.is_empty());
        all.extend_from_slice(&data);
    }
    assert!(all == text);
    assert!(cli.read().await?.is_none(), "again and again");
    cli.close().await
}

async fn reads_lines_however_they_are_split(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    for piece in [&b"on"[..], b"e\r", b"\n\r\nth", b"ree\r\n"] {
        srv.write(piece);
        ground.turn().await;
    }
    srv.close();
    assert_eq!(cli.line(10).await?.unwrap(), b"one");
    assert_eq!(cli.line(10).await?.unwrap(), b"");
    assert_eq!(cli.line(10).await?.unwrap(), b"three");
    assert_eq!(cli.line(10).await?, None);
    cli.close().await
}

async fn reads_exact_amounts(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.write(b"abcdef");
    assert_eq!(cli.read_exact(0).await?.unwrap_or_default(), b"");
    assert_eq!(cli.read_exact(4).await?.unwrap(), b"abcd");
    let more = ground.reactor().spawn(async move {
        let got = cli.read_exact(4).await?;
        cli.close().await?;
        Ok(got)
    });
    ground.settle().await;
    srv.write(b"gh");
    assert_eq!(more.await?.unwrap(), b"efgh");
    Ok(())
}

async fn an_end_within_a_line_is_an_error(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.write(b"half a li");
    srv.close();
    assert!(cli.line(100).await.unwrap_err().is::<Lost>());
    assert_eq!(cli.read().await?.unwrap(), b"half a li"[..], "the bytes are still there");
    cli.close().await
}

async fn an_end_within_exact_bytes_is_an_error(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.write(b"abc");
    srv.close();
    cli.read_exact(4).await.unwrap_err();
    assert_eq!(cli.read_exact(3).await?.unwrap(), b"abc");
    assert_eq!(cli.read_exact(1).await?, None);
    cli.close().await
}

async fn a_line_over_its_limit_is_an_error(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.write(b"much too long\r\n");
    let error = cli.line(5).await.unwrap_err();
    assert!(error.to_string().contains('5'), "{error}");
    cli.close().await
}

async fn a_line_that_can_never_be_whole_is_an_error(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    cli.transport().set_limits(Limits { unread: 1000, ..Limits::default() });
    srv.write(&[b'x'; 5000]);
    let error = timeout(Duration::from_secs(20), cli.line(10_000)).await.unwrap_err();
    assert!(!error.is::<TimedOut>(), "it would wait for ever: reading stops at the unread limit");
    drop(cli);
    ground.log().lost("srv").await;
    Ok(())
}

async fn asking_for_more_than_the_unread_limit_is_an_error(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    cli.transport().set_limits(Limits { unread: 1000, ..Limits::default() });
    srv.write(b"x");
    cli.read_exact(1001).await.unwrap_err();
    cli.close().await
}

async fn a_read_that_is_dropped_loses_nothing(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    let pieces: Vec<Vec<u8>> = (0..20).map(|n| bytes(n * 7)).collect();
    let all: Vec<u8> = pieces.concat();
    let writer = ground.clone();
    let said = ground.reactor().spawn(async move {
        for piece in pieces {
            srv.write(&piece);
            writer.turn().await;
        }
        srv.close();
        Ok(())
    });
    let mut read = Vec::new();
    for n in 0.. {
        let most = all.len() - read.len();
        if most == 0 {
            break;
        }
        let want = (n % 13 + 1).min(most);
        if let Ok(data) = timeout(Duration::ZERO, cli.read_exact(want)).await {
            read.extend(data.unwrap());
        }
        ground.reactor().sleep(Duration::from_millis(1)).await;
    }
    assert!(read == all);
    said.await?;
    cli.close().await
}

async fn a_slow_reader_holds_the_writer_back(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    cli.transport().set_limits(Limits { unread: 10_000, ..Limits::default() });
    srv.set_limits(Limits { unsent: usize::MAX, ..Limits::default() });
    let text = bytes(ground.plenty());
    srv.write(&text);
    ground.settle().await;
    assert!(srv.counts().unsent > 0);
    assert!(cli.transport().counts().unread <= 2 << 20);
    srv.close();
    let mut all = Vec::new();
    while let Some(data) = cli.read().await? {
        all.extend_from_slice(&data);
    }
    assert!(all == text);
    cli.close().await
}

async fn write_all_waits_for_room(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.pause();
        Ok(())
    });
    let (srv, mut cli) = open(&ground, srv).await?;
    cli.transport().set_limits(Limits { high: 1000, low: 500, unsent: usize::MAX, ..Limits::default() });
    let text = bytes(ground.plenty());
    let (inner, long) = (ground.clone(), text.clone());
    let done = ground.reactor().spawn(async move {
        cli.write_all(b"little").await?;
        inner.log().note("cli", "wrote little");
        cli.write_all(&long).await?;
        inner.log().note("cli", "wrote all");
        cli.close().await
    });
    ground.log().heard("cli", "wrote little").await;
    ground.settle().await;
    assert!(!ground.log().of("cli").contains(&"wrote all".to_owned()));
    srv.resume();
    done.await?;
    assert_eq!(ground.log().count("srv"), 6 + text.len());
    Ok(())
}

async fn who_waits_for_room_when_writing_ends_goes_on(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").stays().made(|transport| {
        transport.pause();
        Ok(())
    });
    let (srv, cli) = open(&ground, srv).await?;
    let transport = cli.transport().clone();
    transport.set_limits(Limits { high: 1000, low: 500, unsent: usize::MAX, ..Limits::default() });
    let long = bytes(ground.plenty());
    let writes = ground.reactor().spawn(async move {
        let mut cli = cli;
        cli.write_all(&long).await?;
        Ok(cli)
    });
    ground.until(|| transport.is_full()).await;
    transport.close_write();
    srv.resume();
    // The peer says nothing that would wake it.
    let cli = writes.await?;
    srv.close();
    cli.close().await
}

async fn write_all_to_a_lost_connection_is_an_error(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.abort();
    cli.read().await.unwrap_err();
    assert!(cli.write_all(b"anybody?").await.unwrap_err().is::<Lost>());
    cli.room().await.unwrap_err();
    Ok(())
}

async fn close_waits_for_the_end(ground: Ground) -> Result {
    let (_, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    let text = bytes(ground.scaled(100_000, 4_000_000));
    cli.write_all(&text).await?;
    cli.close().await?;
    // Both ends have ended with it, and all has arrived.
    assert!(ground.log().bytes("srv") == text);
    Ok(())
}

async fn close_of_a_lost_connection_is_an_error(ground: Ground) -> Result {
    let (srv, cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    ground.settle().await;
    srv.abort();
    ground.until(|| !cli.transport().is_open()).await;
    cli.close().await.unwrap_err();
    Ok(())
}

async fn dropping_a_stream_aborts(ground: Ground) -> Result {
    let (_, cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    ground.settle().await;
    drop(cli);
    assert_eq!(ground.log().lost("srv").await, "Io(ConnectionReset)");
    Ok(())
}

async fn a_reset_is_an_error_of_every_read(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.abort();
    assert!(cli.read().await.unwrap_err().is::<Lost>());
    cli.read().await.unwrap_err();
    cli.line(10).await.unwrap_err();
    cli.read_exact(1).await.unwrap_err();
    Ok(())
}

async fn half_closed_it_still_reads(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").eof(|transport, _| {
        transport.write(b"the answer");
        transport.close();
        Ok(())
    });
    let (_, mut cli) = open(&ground, srv).await?;
    cli.write_all(b"the question").await?;
    cli.transport().close_write();
    assert_eq!(cli.read_exact(10).await?.unwrap(), b"the answer");
    assert_eq!(cli.read().await?, None);
    Ok(())
}

async fn both_directions_ended_it_ends_when_all_was_read(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv").stays()).await?;
    srv.write(b"left to read");
    srv.close_write();
    cli.transport().close_write();
    ground.settle().await;
    assert!(cli.transport().is_open(), "there is something to read");
    assert_eq!(cli.read_exact(12).await?.unwrap(), b"left to read");
    assert_eq!(cli.read().await?, None);
    assert_eq!(ground.log().lost("srv").await, "Closed");
    ground.until(|| !cli.transport().is_open()).await;
    Ok(())
}

async fn a_stream_from_a_protocol_and_back(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    assert_eq!(ground.log().lost("cli").await, "Switched");
    srv.write(b"for the stream, for the protocol");
    assert_eq!(cli.read_exact(15).await?.unwrap(), b"for the stream,");
    ground.settle().await;
    let transport = cli.switch_to(Actor::new(&ground, "next"));
    ground.log().received("next", 17).await;
    assert_eq!(ground.log().bytes("next"), b" for the protocol");
    assert!(transport.is_open());
    let mut again = transport.switch_to_stream();
    srv.write(b"again");
    srv.close();
    assert_eq!(again.read_exact(5).await?.unwrap(), b"again");
    assert_eq!(ground.log().of("next"), ["made", "lost Switched"]);
    again.close().await
}

async fn a_stream_made_by_switch_gets_the_unread_bytes(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").data(|_, _| Ok(())).stays();
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    cli.write(b"unread");
    cli.close_write();
    ground.until(|| srv.counts().unread == 6).await;
    let mut stream = srv.switch_to_stream();
    assert_eq!(stream.read().await?.unwrap(), b"unread"[..]);
    assert_eq!(stream.read().await?, None);
    stream.close().await
}

async fn a_stream_hears_stopping(ground: Ground) -> Result {
    let inner = ground.clone();
    let coroutine = move |stream: Stream| {
        let ground = inner.clone();
        async move {
            ground.log().note("srv", "serving");
            stream.stopping().await;
            stream.transport().write(b"bye");
            stream.close().await
        }
    };
    let port = ground.reactor().serve("tcp:0:interface=127.0.0.1", coroutine)?;
    let mut cli = ground.reactor().open(&to(&port)).await?;
    ground.log().heard("srv", "serving").await;
    let stopped = port.stop();
    assert_eq!(cli.read_exact(3).await?.unwrap(), b"bye");
    cli.close().await?;
    stopped.await
}

async fn a_served_coroutine_that_fails_aborts(ground: Ground) -> Result {
    let port = ground.reactor().serve("tcp:0:interface=127.0.0.1", |mut stream: Stream| async move {
        stream.line(3).await?;
        Ok(())
    })?;
    ground.keep(port.clone());
    let mut cli = ground.reactor().open(&to(&port)).await?;
    cli.write_all(b"too long\r\n").await?;
    cli.read().await.unwrap_err();
    Ok(())
}

async fn a_served_coroutine_that_returns_early_aborts(ground: Ground) -> Result {
    let held = Rc::new(());
    let inner = held.clone();
    let port = ground.reactor().serve("tcp:0:interface=127.0.0.1", move |mut stream: Stream| {
        let held = inner.clone();
        async move {
            stream.read_exact(1).await?;
            drop(held);
            Ok(())
        }
    })?;
    ground.keep(port.clone());
    let mut cli = ground.reactor().open(&to(&port)).await?;
    cli.write_all(b"xyz").await?;
    cli.read().await.unwrap_err();
    assert_eq!(Rc::strong_count(&held), 2, "only the port holds it now");
    Ok(())
}

async fn open_gives_a_stream(ground: Ground) -> Result {
    let mut srv = Some(Actor::new(&ground, "srv"));
    let port = ground.listen(move |_| srv.take().unwrap());
    let mut cli = ground.reactor().open(&to(&port)).await?;
    cli.write_all(b"hello").await?;
    cli.close().await?;
    assert_eq!(ground.log().bytes("srv"), b"hello");
    port.stop().await?;
    ground.reactor().open(&to(&port)).await.unwrap_err();
    Ok(())
}

async fn lines_come_until_the_end(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.write(b"one\r\ntwo\r\n\r\nfo");
    let more = srv.clone();
    ground.reactor().call_later(ground.moment(), move || more.finish(b"ur\r\n")).detach();
    let (mut lines, mut all) = (cli.lines(10), Vec::new());
    while let Some(line) = lines.next().await {
        all.push(String::from_utf8(line?)?);
    }
    assert_eq!(all, ["one", "two", "", "four"]);
    cli.close().await
}

async fn lines_end_with_the_first_error(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.write(b"fine\r\nmuch too long\r\nfine\r\n");
    let mut lines = cli.lines(5);
    assert_eq!(lines.next().await.unwrap()?, b"fine");
    lines.next().await.unwrap().unwrap_err();
    assert!(lines.next().await.is_none());
    cli.close().await
}

async fn any_parser_reads_messages_however_they_are_split(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    let text = b"5:hello,0:,\x00\x0212:hello, world,".to_vec();
    let said = srv.clone();
    let (inner, pieces) = (ground.clone(), text.clone());
    let writes = ground.reactor().spawn(async move {
        for byte in &pieces {
            said.write(std::slice::from_ref(byte));
            inner.turn().await;
        }
        said.close();
        Ok(())
    });
    let first = cli.next(|input| Ok(netstring(input, 20)?.map(<[u8]>::to_vec))).await?;
    assert_eq!(first.unwrap(), b"hello");
    assert_eq!(cli.next(|input| Ok(netstring(input, 20)?.map(<[u8]>::len))).await?, Some(0));
    let prefixed = cli.next(|input| Ok(Prefix::U16.read(input, 20)?.map(<[u8]>::to_vec))).await?;
    assert_eq!(prefixed.unwrap(), b"12");
    assert_eq!(cli.read_exact(1).await?.unwrap(), b":");
    // What a parser takes stays taken, also before it has something to give.
    let mut seen = Vec::new();
    let rest = cli.next(|input| {
        seen.extend_from_slice(input.rest());
        Ok(seen.ends_with(b",").then_some(seen.len()))
    });
    assert!(rest.await?.is_some());
    assert!(b"hello, world,".starts_with(&seen));
    writes.await?;
    cli.close().await
}

async fn flush_waits_until_all_has_left(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.pause();
        Ok(())
    });
    let (srv, mut cli) = open(&ground, srv).await?;
    cli.flush().await?; // of nothing
    let text = bytes(ground.plenty());
    let limits = Limits { high: text.len(), low: text.len(), unsent: usize::MAX, ..Limits::default() };
    cli.transport().set_limits(limits);
    cli.write_all(&text).await?;
    let inner = ground.clone();
    let done = ground.reactor().spawn(async move {
        cli.flush().await?;
        assert_eq!(cli.transport().counts().unsent, 0);
        inner.log().note("cli", "flushed");
        cli.close().await
    });
    ground.settle().await;
    assert!(!ground.log().of("cli").contains(&"flushed".to_owned()));
    srv.resume();
    done.await?;
    assert_eq!(ground.log().count("srv"), text.len());
    Ok(())
}

async fn flush_of_a_lost_connection_is_an_error(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.pause();
        Ok(())
    });
    let (srv, mut cli) = open(&ground, srv).await?;
    let limits = Limits { high: usize::MAX, unsent: usize::MAX, ..Limits::default() };
    cli.transport().set_limits(limits);
    cli.write_all(&bytes(ground.plenty())).await?;
    ground.reactor().call_later(ground.moment(), move || srv.abort()).detach();
    cli.flush().await.unwrap_err();
    ground.until(|| !cli.transport().is_open()).await;
    cli.flush().await.unwrap_err();
    Ok(())
}

async fn writing_after_close_write_is_an_error(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").eof(|transport, _| {
        transport.finish(b"the answer");
        Ok(())
    });
    let (_, mut cli) = open(&ground, srv).await?;
    cli.write_all(b"the question").await?;
    cli.close_write();
    cli.write_all(b"and another").await.unwrap_err();
    cli.write_bytes(Bytes::from_static(b"and another")).await.unwrap_err();
    assert_eq!(cli.read_exact(10).await?.unwrap(), b"the answer");
    assert_eq!(ground.log().bytes("srv"), b"the question");
    cli.close().await
}

async fn dropped_after_close_write_it_still_sends_everything(ground: Ground) -> Result {
    let (_, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    let text = bytes(ground.scaled(100_000, 4_000_000));
    cli.write_all(&text).await?;
    cli.close_write();
    drop(cli);
    assert_eq!(ground.log().lost("srv").await, "PeerClosed");
    assert!(ground.log().bytes("srv") == text);
    Ok(())
}

async fn shared_bytes_and_files_keep_their_order(ground: Ground) -> Result {
    let (_, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    let mut file = tempfile::tempfile()?;
    std::io::Write::write_all(&mut file, &bytes(100_000))?;
    cli.write_all(b"one").await?;
    cli.write_bytes(Bytes::from(bytes(10_000))).await?;
    cli.send_file(file, 5..90_000).await?;
    cli.write_all(b"four").await?;
    cli.close().await?;
    let all = [b"one", &bytes(10_000)[..], &bytes(90_000)[5..], b"four"].concat();
    assert!(ground.log().bytes("srv") == all);
    Ok(())
}

async fn a_stream_of_a_connection_that_has_ended_is_lost(ground: Ground) -> Result {
    let (srv, cli) = ground.pair(Actor::new(&ground, "srv"), Actor::new(&ground, "cli")).await?;
    srv.abort();
    let mut dying = srv.switch_to_stream();
    assert!(dying.read().await.unwrap_err().is::<Lost>());
    ground.log().lost("cli").await;
    let mut dead = cli.switch_to_stream();
    assert!(dead.read().await.unwrap_err().is::<Lost>());
    assert!(dead.write_all(b"?").await.unwrap_err().is::<Lost>());
    dead.close().await.unwrap_err();
    Ok(())
}

async fn a_lost_stream_says_of_what_kind(ground: Ground) -> Result {
    let (srv, mut cli) = open(&ground, Actor::new(&ground, "srv")).await?;
    srv.abort();
    let error = cli.read().await.unwrap_err();
    assert_eq!(error.downcast_ref::<Lost>().unwrap().kind(), std::io::ErrorKind::ConnectionReset);
    Ok(())
}
