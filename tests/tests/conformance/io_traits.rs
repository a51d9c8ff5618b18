//! Streams and halves through the I/O traits of `futures_io` and of Tokio, used by libraries that know nothing of us.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
    stream::streams,
};
use bytes::Bytes;
use futures_util::io as of_futures;
use http::{Request, Response};
use std::{future::poll_fn, io::ErrorKind, time::Duration};
use tokio::io as of_tokio;
use trenza_core::{Error, Limits, Result, Stream, timeout};

cases! {
    futures_copy_a_stream_to_itself
    futures_read_and_write_halves
    futures_wait_for_room
    futures_close_is_a_half_close
    futures_errors_have_their_kind
    a_dropped_trait_read_loses_nothing
    tokio_copies_both_ways
    tokio_reads_lines_and_the_rest
    tokio_shutdown_is_a_half_close
    the_traits_hear_of_a_stop_as_of_an_end
    h2_talks_over_streams
}

async fn futures_copy_a_stream_to_itself(ground: Ground) -> Result {
    let (srv, mut cli) = streams(&ground).await?;
    cli.transport().set_limits(Limits { read_while_full: true, ..Limits::default() });
    let echo = ground.reactor().spawn(async move {
        let (reader, mut writer) = of_futures::AsyncReadExt::split(srv);
        let copied = of_futures::copy(reader, &mut writer).await?;
        of_futures::AsyncWriteExt::close(&mut writer).await?;
        Ok(copied)
    });
    let text = bytes(ground.scaled(60_000, 2_000_000));
    let (reader, writer) = cli.halves();
    let writes = async {
        for piece in text.chunks(9000) {
            writer.write_all(piece).await?;
        }
        writer.close_write();
        Ok::<_, Error>(())
    };
    let reads = async {
        let mut all = Vec::new();
        of_futures::AsyncReadExt::read_to_end(reader, &mut all).await?;
        Ok::<_, Error>(all)
    };
    let (written, all) = futures_util::future::join(writes, reads).await;
    written?;
    assert!(all? == text);
    assert_eq!(echo.await?, text.len() as u64);
    cli.close().await
}

async fn futures_read_and_write_halves(ground: Ground) -> Result {
    use of_futures::{AsyncReadExt, AsyncWriteExt};
    let (srv, cli) = streams(&ground).await?;
    let (mut near, mut far) = (srv.split(), cli.split());
    AsyncWriteExt::write_all(&mut near.1, b"hello, ").await?;
    let slices =
        [std::io::IoSlice::new(b"you"), std::io::IoSlice::new(b""), std::io::IoSlice::new(b" there")];
    assert_eq!(near.1.write_vectored(&slices).await?, 9);
    AsyncWriteExt::flush(&mut near.1).await?;
    assert_eq!(near.1.transport().counts().unsent, 0);
    let mut piece = [0; 16];
    AsyncReadExt::read_exact(&mut far.0, &mut piece).await?;
    assert_eq!(&piece, b"hello, you there");
    assert_eq!(AsyncReadExt::read(&mut far.0, &mut []).await?, 0, "no room, no wait");
    AsyncWriteExt::close(&mut near.1).await?;
    assert_eq!(AsyncReadExt::read(&mut far.0, &mut piece).await?, 0);
    AsyncWriteExt::close(&mut far.1).await?;
    assert_eq!(AsyncReadExt::read(&mut near.0, &mut piece).await?, 0);
    Ok(())
}

async fn futures_wait_for_room(ground: Ground) -> Result {
    let srv = Actor::new(&ground, "srv").made(|transport| {
        transport.pause();
        Ok(())
    });
    let (srv, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    let mut cli = cli.switch_to_stream();
    cli.transport().set_limits(Limits { high: 5000, low: 1000, ..Limits::default() });
    let text = bytes(ground.plenty());
    let (inner, all) = (ground.clone(), text.clone());
    let writes = ground.reactor().spawn(async move {
        of_futures::AsyncWriteExt::write_all(&mut cli, &all).await?;
        inner.log().note("cli", "wrote all");
        cli.close().await
    });
    ground.settle().await;
    assert!(!ground.log().of("cli").contains(&"wrote all".to_owned()));
    srv.resume();
    writes.await?;
    assert!(ground.log().bytes("srv") == text);
    Ok(())
}

async fn futures_close_is_a_half_close(ground: Ground) -> Result {
    use of_futures::{AsyncReadExt, AsyncWriteExt};
    let srv = Actor::new(&ground, "srv").eof(|transport, _| {
        transport.finish(b"the answer");
        Ok(())
    });
    let (_, cli) = ground.pair(srv, Actor::new(&ground, "cli")).await?;
    let mut cli = cli.switch_to_stream();
    AsyncWriteExt::write_all(&mut cli, b"the question").await?;
    AsyncWriteExt::close(&mut cli).await?;
    let error = AsyncWriteExt::write_all(&mut cli, b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    let mut all = String::new();
    AsyncReadExt::read_to_string(&mut cli, &mut all).await?;
    assert_eq!(all, "the answer");
    assert_eq!(ground.log().bytes("srv"), b"the question");
    Ok(())
}

async fn futures_errors_have_their_kind(ground: Ground) -> Result {
    use of_futures::{AsyncReadExt, AsyncWriteExt};
    let (srv, mut cli) = streams(&ground).await?;
    ground.settle().await;
    drop(srv);
    let error = AsyncReadExt::read(&mut cli, &mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = AsyncWriteExt::write_all(&mut cli, b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    AsyncWriteExt::flush(&mut cli).await.unwrap_err();
    AsyncWriteExt::close(&mut cli).await.unwrap_err();
    Ok(())
}

async fn a_dropped_trait_read_loses_nothing(ground: Ground) -> Result {
    use of_futures::AsyncReadExt;
    let (srv, mut cli) = streams(&ground).await?;
    let text = bytes(3000);
    let (mut far, said) = (srv, text.clone());
    let writes = ground.reactor().spawn(async move {
        for piece in said.chunks(100) {
            far.write_all(piece).await?;
        }
        far.close().await
    });
    let mut all = Vec::new();
    while all.len() < text.len() {
        let mut piece = [0; 77];
        let read = async { Ok(AsyncReadExt::read(&mut cli, &mut piece).await?) };
        if let Ok(read) = timeout(Duration::ZERO, read).await {
            all.extend_from_slice(&piece[..read]);
        }
        ground.reactor().sleep(Duration::from_millis(1)).await;
    }
    assert!(all == text);
    cli.close().await?;
    writes.await
}

async fn tokio_copies_both_ways(ground: Ground) -> Result {
    let (far, mut outer) = streams(&ground).await?;
    let (mut inner, cli) = streams(&ground).await?;
    let proxy = ground.reactor().spawn(async move {
        let copied = of_tokio::copy_bidirectional(&mut inner, &mut outer).await?;
        Ok(copied)
    });
    let text = bytes(ground.scaled(50_000, 1_000_000));
    let mut ends = Vec::new();
    for stream in [far, cli] {
        stream.transport().set_limits(Limits { read_while_full: true, ..Limits::default() });
        let text = text.clone();
        ends.push(ground.reactor().spawn(async move {
            let (mut reader, mut writer) = of_tokio::split(stream);
            let mut all = Vec::new();
            let write = async {
                of_tokio::AsyncWriteExt::write_all(&mut writer, &text).await?;
                of_tokio::AsyncWriteExt::shutdown(&mut writer).await
            };
            let read = of_tokio::AsyncReadExt::read_to_end(&mut reader, &mut all);
            let (written, read) = futures_util::future::join(write, read).await;
            written?;
            read?;
            assert!(all == text);
            Ok(())
        }));
    }
    for end in ends {
        end.await?;
    }
    assert_eq!(proxy.await?, (text.len() as u64, text.len() as u64));
    Ok(())
}

async fn tokio_reads_lines_and_the_rest(ground: Ground) -> Result {
    use of_tokio::{AsyncBufReadExt, AsyncReadExt};
    let (mut srv, cli) = streams(&ground).await?;
    srv.write_all(b"one\ntwo\nand the rest").await?;
    let closed = ground.reactor().spawn(srv.close());
    let (reader, mut writer) = cli.split();
    let mut reader = of_tokio::BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    reader.read_line(&mut line).await?;
    assert_eq!(line, "one\ntwo\n");
    let mut rest = String::new();
    reader.read_to_string(&mut rest).await?;
    assert_eq!(rest, "and the rest");
    of_tokio::AsyncWriteExt::write_all_buf(&mut writer, &mut Bytes::from_static(b"discarded")).await?;
    writer.close_write();
    closed.await
}

async fn tokio_shutdown_is_a_half_close(ground: Ground) -> Result {
    use of_tokio::AsyncWriteExt;
    let (mut srv, mut cli) = streams(&ground).await?;
    let text = bytes(ground.scaled(100_000, 3_000_000));
    let (expected, reads) = (
        text.clone(),
        ground.reactor().spawn(async move {
            let mut all = Vec::new();
            while let Some(data) = srv.read().await? {
                all.extend_from_slice(&data);
            }
            srv.write_all(b"thanks").await?;
            srv.close().await?;
            Ok(all)
        }),
    );
    AsyncWriteExt::write_all(&mut cli, &text).await?;
    AsyncWriteExt::shutdown(&mut cli).await?;
    assert_eq!(cli.read_exact(6).await?.unwrap(), b"thanks");
    assert!(reads.await? == expected);
    Ok(())
}

async fn the_traits_hear_of_a_stop_as_of_an_end(ground: Ground) -> Result {
    let port = ground.reactor().serve("tcp:0:interface=127.0.0.1", |mut stream: Stream| async move {
        let mut all = Vec::new();
        of_futures::AsyncReadExt::read_to_end(&mut stream, &mut all).await?;
        stream.write_all(&all).await?;
        stream.close().await
    })?;
    let mut cli = ground.reactor().open(&crate::ground::to(&port)).await?;
    cli.write_all(b"so far").await?;
    ground.settle().await;
    let stopped = port.stop();
    assert_eq!(cli.read_exact(6).await?.unwrap(), b"so far");
    cli.close().await?;
    stopped.await
}

/// Answers every request with its own body.
async fn serve_h2(stream: Stream) -> Result {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let path = request.uri().path().to_owned();
        let mut body = request.into_body();
        trenza_core::Reactor::current()
            .spawn(async move {
                let answer = Response::builder().header("path", path).body(())?;
                let mut answer = respond.send_response(answer, false)?;
                while let Some(data) = body.data().await {
                    let data = data?;
                    body.flow_control().release_capacity(data.len())?;
                    send(&mut answer, data).await?;
                }
                answer.send_data(Bytes::new(), true)?;
                Ok(())
            })
            .detach();
    }
    Ok(())
}

/// Sends as the flow control of HTTP/2 permits.
async fn send(to: &mut h2::SendStream<Bytes>, mut data: Bytes) -> Result {
    while !data.is_empty() {
        to.reserve_capacity(data.len());
        let room = poll_fn(|cx| to.poll_capacity(cx)).await.ok_or("the stream was closed")??;
        to.send_data(data.split_to(room.min(data.len())), false)?;
    }
    Ok(())
}

async fn h2_talks_over_streams(ground: Ground) -> Result {
    let (srv, cli) = streams(&ground).await?;
    for stream in [&srv, &cli] {
        stream.transport().set_limits(Limits { read_while_full: true, ..Limits::default() });
    }
    let (near, far) = (srv.transport().clone(), cli.transport().clone());
    let served = ground.reactor().spawn(serve_h2(srv));
    let (client, connection) = h2::client::handshake(cli).await?;
    let driven = ground.reactor().spawn(async move { Ok(connection.await?) });
    let text = bytes(ground.scaled(30_000, 300_000));
    let requests = (0..8).map(|n| {
        let (client, text) = (client.clone(), text.clone());
        ground.reactor().spawn(async move {
            let mut client = client.ready().await?;
            let request = Request::post(format!("https://srv/{n}")).body(())?;
            let (answer, mut body) = client.send_request(request, false)?;
            let sends = async {
                send(&mut body, Bytes::from(text.clone())).await?;
                Ok::<_, Error>(body.send_data(Bytes::new(), true)?)
            };
            let reads = async {
                let answer = answer.await?;
                assert_eq!(answer.headers()["path"], format!("/{n}"));
                let (mut body, mut all) = (answer.into_body(), Vec::new());
                while let Some(data) = body.data().await {
                    let data = data?;
                    body.flow_control().release_capacity(data.len())?;
                    all.extend_from_slice(&data);
                }
                Ok::<_, Error>(all)
            };
            let (sent, all) = futures_util::future::join(sends, reads).await;
            sent?;
            assert!(all? == text);
            Ok(())
        })
    });
    trenza_core::join(requests.collect::<Vec<_>>()).await?;
    drop(client);
    driven.await?;
    served.await?;
    assert!(far.ended().await?.is_clean() && near.ended().await?.is_clean());
    Ok(())
}
