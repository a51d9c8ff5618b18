//! Coroutines that read when the reactor or their port stops.

use crate::ground::{Ground, to};
use std::{cell::Cell, future::Future, rc::Rc, time::Duration};
use trenza_core::{Result, Stream};

cases! {
    a_read_that_waits_ends_at_a_stop
    a_line_that_has_begun_is_read_to_its_end
    what_has_come_is_read_before_the_end
    a_read_that_begins_after_the_stop_ends_too
    told_so_a_read_outlasts_a_stop
    a_client_that_reads_does_not_hold_the_stop
    all_waiting_halves_end
}

/// Serves one client until its port was stopped; gives what the client read in answer to `said`, and `said_later`.
async fn stopped<F: Future<Output = Result> + 'static>(
    ground: &Ground,
    said: &[u8],
    said_later: &[u8],
    coroutine: impl Fn(Stream) -> F + 'static,
) -> Result<Vec<u8>> {
    let port = ground.reactor().serve("tcp:0:interface=127.0.0.1", coroutine)?;
    let mut cli = ground.reactor().open(&to(&port)).await?;
    assert_eq!(cli.read_exact(1).await?.unwrap(), b"!");
    cli.write_all(said).await?;
    ground.settle().await;
    let stopped = port.stop();
    ground.settle().await;
    let later = cli.write_all(said_later).await;
    let mut all = Vec::new();
    while let Some(data) = cli.read().await? {
        all.extend_from_slice(&data);
    }
    later?;
    cli.close().await?;
    stopped.await?;
    Ok(all)
}

/// Greets, repeats lines, says whether it was stopped.
async fn repeat(mut stream: Stream) -> Result {
    stream.write_all(b"!").await?;
    while let Some(line) = stream.line(80).await? {
        stream.write_all(&line).await?;
    }
    let bye: &[u8] = if stream.is_stopping() { b" stopped" } else { b" ended" };
    stream.write_all(bye).await?;
    stream.close().await
}

async fn a_read_that_waits_ends_at_a_stop(ground: Ground) -> Result {
    assert_eq!(stopped(&ground, b"one\r\n", b"", repeat).await?, b"one stopped");
    Ok(())
}

async fn a_line_that_has_begun_is_read_to_its_end(ground: Ground) -> Result {
    assert_eq!(stopped(&ground, b"one\r\ntw", b"o\r\n", repeat).await?, b"onetwo stopped");
    Ok(())
}

async fn what_has_come_is_read_before_the_end(ground: Ground) -> Result {
    let busy = |mut stream: Stream| async move {
        stream.write_all(b"!").await?;
        stream.stopping().await;
        assert!(stream.is_stopping());
        for _ in 0..3 {
            assert_eq!(stream.read_exact(2).await?.unwrap(), b"ab");
        }
        assert_eq!(stream.read_exact(2).await?, None);
        assert_eq!(stream.read().await?, None);
        stream.close().await
    };
    assert_eq!(stopped(&ground, b"ababab", b"", busy).await?, b"");
    Ok(())
}

async fn a_read_that_begins_after_the_stop_ends_too(ground: Ground) -> Result {
    let late = |mut stream: Stream| async move {
        stream.write_all(b"!").await?;
        stream.stopping().await;
        stream.transport().reactor().sleep(Duration::from_millis(5)).await;
        assert!(stream.lines(10).next().await.is_none());
        stream.close().await
    };
    assert_eq!(stopped(&ground, b"", b"", late).await?, b"");
    Ok(())
}

async fn told_so_a_read_outlasts_a_stop(ground: Ground) -> Result {
    let patient = |mut stream: Stream| async move {
        stream.end_at_stop(false);
        stream.write_all(b"!").await?;
        let line = stream.line(10).await?.unwrap();
        assert!(stream.is_stopping());
        stream.end_at_stop(true);
        assert_eq!(stream.line(10).await?, None);
        stream.write_all(&line).await?;
        stream.close().await
    };
    assert_eq!(stopped(&ground, b"", b"late\r\n", patient).await?, b"late");
    Ok(())
}

async fn a_client_that_reads_does_not_hold_the_stop(ground: Ground) -> Result {
    let port = ground.reactor().serve("tcp:0:interface=127.0.0.1", |mut stream: Stream| async move {
        while stream.read().await?.is_some() {}
        stream.close().await
    })?;
    let mut cli = ground.reactor().open(&to(&port)).await?;
    let ended = Rc::new(Cell::new(false));
    let end = ended.clone();
    ground
        .reactor()
        .spawn(async move {
            cli.write_all(b"hello").await?;
            assert!(cli.read().await?.is_none() && cli.is_stopping());
            cli.close().await?;
            end.set(true);
            Ok(())
        })
        .detach();
    ground.settle().await;
    let reactor = ground.reactor().clone();
    let before = reactor.now();
    reactor.set_grace(Duration::from_secs(3600));
    reactor.stop();
    ground.after_loop(move || {
        assert!(ended.get());
        assert!(reactor.now() - before < Duration::from_secs(3600), "nobody was waited for");
    });
    Ok(())
}

async fn all_waiting_halves_end(ground: Ground) -> Result {
    let split = |stream: Stream| async move {
        let (mut reader, mut writer) = stream.split();
        writer.write_all(b"!").await?;
        let reads = writer.transport().reactor().spawn(async move {
            assert!(reader.read().await?.is_none());
            Ok(reader)
        });
        writer.stopping().await;
        writer.write_all(b"bye").await?;
        reads.await?.rejoin(writer).unwrap().close().await
    };
    assert_eq!(stopped(&ground, b"", b"", split).await?, b"bye");
    Ok(())
}
