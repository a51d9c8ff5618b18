//! The two directions of a stream, each for itself.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
    stream::streams,
};
use trenza_core::{Limits, Result, join};

cases! {
    both_halves_work_at_once
    halves_of_one_stream_rejoin
    halves_of_two_streams_do_not
    dropping_the_writer_alone_changes_nothing
    dropping_the_reader_alone_changes_nothing
    dropping_both_aborts
    dropping_both_after_close_write_closes
    the_writer_half_closes
    a_lost_connection_is_an_error_of_both
    one_coroutine_may_wait_on_both
}

async fn both_halves_work_at_once(ground: Ground) -> Result {
    let (srv, cli) = streams(&ground).await?;
    let text = bytes(ground.scaled(60_000, 2_000_000));
    let mut sides = Vec::new();
    for stream in [srv, cli] {
        // Neither reads while it is full: with one task for both directions they would wait for each other.
        stream.transport().set_limits(Limits { read_while_full: true, ..Limits::default() });
        let (mut reader, mut writer) = stream.split();
        let (said, expected) = (text.clone(), text.clone());
        let writes = ground.reactor().spawn(async move {
            for piece in said.chunks(7000) {
                writer.write_all(piece).await?;
            }
            writer.close_write();
            Ok(writer)
        });
        let reads = ground.reactor().spawn(async move {
            let mut all = Vec::new();
            while let Some(data) = reader.read().await? {
                all.extend_from_slice(&data);
            }
            assert!(all == expected);
            Ok(reader)
        });
        sides.push((reads, writes));
    }
    for (reads, writes) in sides {
        let (reader, writer) = (reads.await?, writes.await?);
        reader.rejoin(writer).unwrap().close().await?;
    }
    Ok(())
}

async fn halves_of_one_stream_rejoin(ground: Ground) -> Result {
    let (mut srv, cli) = streams(&ground).await?;
    let (mut reader, mut writer) = cli.split();
    assert_eq!(reader.transport(), writer.transport());
    assert_eq!(reader.peer().remote, writer.peer().remote);
    writer.write_all(b"one").await?;
    srv.write_all(b"two, three").await?;
    assert_eq!(reader.read_exact(3).await?.unwrap(), b"two");
    let mut cli = reader.rejoin(writer).unwrap();
    assert_eq!(cli.read_exact(7).await?.unwrap(), b", three");
    cli.close().await?;
    assert_eq!(srv.read_exact(3).await?.unwrap(), b"one");
    assert_eq!(srv.read().await?, None);
    srv.close().await
}

async fn halves_of_two_streams_do_not(ground: Ground) -> Result {
    let (srv, cli) = streams(&ground).await?;
    let ((near, far), (other, another)) = (srv.split(), cli.split());
    let (near, another) = near.rejoin(another).unwrap_err();
    let (srv, cli) = (near.rejoin(far).unwrap(), other.rejoin(another).unwrap());
    let closed = ground.reactor().spawn(srv.close());
    cli.close().await?;
    closed.await
}

async fn dropping_the_writer_alone_changes_nothing(ground: Ground) -> Result {
    let (mut srv, cli) = streams(&ground).await?;
    let (mut reader, writer) = cli.split();
    drop(writer);
    ground.settle().await;
    srv.write_all(b"hello").await?;
    assert_eq!(reader.read_exact(5).await?.unwrap(), b"hello");
    drop(reader);
    srv.read().await.unwrap_err();
    Ok(())
}

async fn dropping_the_reader_alone_changes_nothing(ground: Ground) -> Result {
    let (mut srv, cli) = streams(&ground).await?;
    let (reader, mut writer) = cli.split();
    drop(reader);
    srv.write_all(b"nobody reads it").await?;
    ground.settle().await;
    writer.write_all(b"hello").await?;
    assert_eq!(srv.read_exact(5).await?.unwrap(), b"hello");
    drop(writer);
    srv.read().await.unwrap_err();
    Ok(())
}

async fn dropping_both_aborts(ground: Ground) -> Result {
    let (mut srv, cli) = streams(&ground).await?;
    ground.settle().await;
    let (reader, writer) = cli.split();
    drop((writer, reader));
    srv.read().await.unwrap_err();
    Ok(())
}

async fn dropping_both_after_close_write_closes(ground: Ground) -> Result {
    let (mut srv, cli) = streams(&ground).await?;
    let (reader, mut writer) = cli.split();
    let text = bytes(ground.scaled(30_000, 300_000));
    let (all, ended) = (text.len(), writer.transport().ended());
    writer.transport().write(&text);
    writer.close_write();
    drop((reader, writer));
    let mut read = 0;
    while let Some(data) = srv.read().await? {
        read += data.len();
    }
    assert_eq!(read, all);
    srv.write_all(b"discarded").await?;
    srv.close().await?;
    assert!(ended.await?.is_clean());
    Ok(())
}

async fn the_writer_half_closes(ground: Ground) -> Result {
    let (mut srv, cli) = streams(&ground).await?;
    let (mut reader, mut writer) = cli.split();
    writer.write_all(b"question").await?;
    writer.close_write();
    writer.flush().await?;
    writer.write_all(b"more").await.unwrap_err();
    assert_eq!(srv.read_exact(8).await?.unwrap(), b"question");
    assert_eq!(srv.read().await?, None);
    srv.write_all(b"answer").await?;
    srv.close().await?;
    assert_eq!(reader.read_exact(6).await?.unwrap(), b"answer");
    assert_eq!(reader.read().await?, None);
    Ok(())
}

async fn a_lost_connection_is_an_error_of_both(ground: Ground) -> Result {
    let (srv, cli) = streams(&ground).await?;
    let (mut reader, mut writer) = cli.split();
    let reads = ground.reactor().spawn(async move { reader.read().await });
    ground.settle().await;
    drop(srv);
    reads.await.unwrap_err();
    writer.write_all(b"?").await.unwrap_err();
    writer.flush().await.unwrap_err();
    Ok(())
}

async fn one_coroutine_may_wait_on_both(ground: Ground) -> Result {
    let (srv, mut cli) = ground
        .pair(
            Actor::new(&ground, "srv").data(|transport, input| {
                transport.write(input.rest());
                Ok(())
            }),
            Actor::new(&ground, "cli"),
        )
        .await
        .map(|(srv, cli)| (srv, cli.switch_to_stream()))?;
    srv.set_limits(Limits { read_while_full: true, ..Limits::default() });
    cli.transport().set_limits(Limits { read_while_full: true, ..Limits::default() });
    let text = bytes(ground.scaled(50_000, 1_000_000));
    let (reader, writer) = cli.halves();
    let write = async {
        for piece in text.chunks(5000) {
            writer.write_all(piece).await?;
        }
        Ok(())
    };
    let read = async {
        let mut all = Vec::new();
        while all.len() < text.len() {
            all.extend_from_slice(&reader.read().await?.unwrap());
        }
        assert!(all == text);
        Ok(())
    };
    join2(write, read).await?;
    cli.close().await
}

/// Both, in this coroutine.
async fn join2(one: impl Future<Output = Result>, other: impl Future<Output = Result>) -> Result {
    let both: [std::pin::Pin<Box<dyn Future<Output = Result> + '_>>; 2] = [Box::pin(one), Box::pin(other)];
    join(both).await.map(drop)
}
