//! Files: `send_file`, alone and between bytes, and files that are shorter than their range.

use crate::{
    actor::Actor,
    ground::{Ground, bytes},
};
use std::{cell::RefCell, fs::File, io::Write, rc::Rc, sync::Arc};
use trenza_core::{Buf, Endpoint, Flow, Layer, Limits, OutBuf, Result, Transport, Wire};
use trenza_tests::Xor;

cases! {
    a_small_file_arrives
    a_large_file_arrives
    a_file_keeps_its_place_between_bytes
    ranges_of_one_file_arrive_in_order
    an_empty_range_sends_nothing
    a_file_does_not_count_against_the_unsent_limit
    a_file_before_a_layer_does_not_count_against_it_either
    a_file_counts_for_the_marks
    a_slow_reader_gets_a_whole_file
    close_sends_a_file_first
    flushed_fires_behind_a_file
    a_file_shorter_than_its_range_ends_the_connection_early
    a_file_that_is_cut_while_it_is_sent_ends_the_connection_early
    abort_in_the_middle_of_a_file_lets_it_go
    layers_get_a_file_in_pieces
    layers_keep_a_file_in_its_place
    layers_hold_no_more_of_a_file_than_the_marks_allow
    a_file_under_layers_arrives_whatever_the_marks_are
    a_short_file_under_layers_ends_the_connection_early
    a_file_under_layers_waits_while_the_pool_is_full
    a_connection_that_ends_while_the_pool_is_full_leaves_nothing
    a_connection_that_ends_while_a_piece_is_read_is_not_disturbed
}

cases! { of real systems only: // no file is cached in the simulator
    layers_get_a_small_file_together_with_what_is_before_it
}

/// A file of so many bytes.
fn file(n: usize) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes(n)).unwrap();
    Arc::new(file)
}

async fn plain(ground: &Ground) -> Result<(Transport, Transport)> {
    ground.pair(Actor::new(ground, "srv"), Actor::new(ground, "cli")).await
}

/// A connection with a layer at both ends.
async fn layered(ground: &Ground) -> Result<(Transport, Transport)> {
    ground
        .pair_over(
            |on| on.layered(|| vec![Box::new(Xor::server(1))]),
            Actor::new(ground, "srv"),
            |to| to.layered(|| vec![Box::new(Xor::client(2))]),
            Actor::new(ground, "cli"),
        )
        .await
}

/// Has the server end, and says what the client has received.
async fn received(ground: &Ground, srv: &Transport) -> Vec<u8> {
    srv.close();
    assert_eq!(ground.log().lost("srv").await, "Closed");
    ground.log().lost("cli").await;
    ground.log().bytes("cli")
}

async fn a_small_file_arrives(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    srv.send_file(file(1000), 0..1000);
    assert!(received(&ground, &srv).await == bytes(1000));
    Ok(())
}

async fn a_large_file_arrives(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    let n = ground.scaled(300_000, 15_000_000);
    srv.send_file(file(n), 0..n as u64);
    assert!(received(&ground, &srv).await == bytes(n));
    Ok(())
}

/// Writes bytes and ranges by turns; gives what must arrive.
fn mixed(srv: &Transport) -> Vec<u8> {
    let content = file(200_000);
    let mut all = Vec::new();
    for (n, range) in [(100, 0..50), (0, 50..70_000), (3000, 1..2), (1, 199_999..200_000), (70_000, 5..10)] {
        srv.write(&bytes(n));
        srv.send_file(content.clone(), range.start as u64..range.end as u64);
        srv.write(b"tail");
        all.extend_from_slice(&bytes(n));
        all.extend_from_slice(&bytes(200_000)[range]);
        all.extend_from_slice(b"tail");
    }
    all
}

async fn a_file_keeps_its_place_between_bytes(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    let all = mixed(&srv);
    assert!(received(&ground, &srv).await == all);
    Ok(())
}

async fn ranges_of_one_file_arrive_in_order(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    let content = file(10_000);
    for range in [9000..10_000, 0..9000] {
        srv.send_file(content.clone(), range);
    }
    assert!(received(&ground, &srv).await == [&bytes(10_000)[9000..], &bytes(9000)].concat());
    Ok(())
}

async fn an_empty_range_sends_nothing(ground: Ground) -> Result {
    let (srv, _) = plain(&ground).await?;
    srv.send_file(file(10), 5..5);
    srv.send_file(file(10), 100..100);
    srv.flushed().await?;
    assert_eq!(srv.counts().unsent, 0);
    srv.write(b"x");
    assert_eq!(received(&ground, &srv).await, b"x");
    Ok(())
}

/// A client that does not read, and a server that sends it a file.
async fn unread(ground: &Ground, limits: Limits) -> Result<(Transport, Transport)> {
    let (srv, cli) = plain(ground).await?;
    cli.pause();
    srv.set_limits(limits);
    srv.send_file(file(ground.plenty()), 0..ground.plenty() as u64);
    Ok((srv, cli))
}

async fn a_file_does_not_count_against_the_unsent_limit(ground: Ground) -> Result {
    // Of the file, only what a driver has in its hands counts as memory.
    let (srv, cli) = unread(&ground, Limits { unsent: 500_000, ..Limits::default() }).await?;
    srv.send_file(file(ground.plenty()), 0..ground.plenty() as u64);
    srv.write(&bytes(100_000));
    ground.settle().await;
    srv.write(&bytes(100_000));
    assert!(srv.is_open());
    assert!(srv.counts().unsent > 500_000);
    srv.write(&bytes(400_000));
    assert!(!srv.is_open(), "bytes do");
    assert_eq!(ground.log().lost("srv").await, "Overflow(Unsent)");
    cli.resume();
    Ok(())
}

async fn a_file_before_a_layer_does_not_count_against_it_either(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    cli.pause();
    // More than a driver is lent: that counts, whatever it is.
    srv.set_limits(Limits { unsent: 300_000, ..Limits::default() });
    let n = ground.plenty();
    srv.send_file(file(n), 0..n as u64);
    srv.push_layer(Xor::client(0));
    srv.write(b"within the limit");
    ground.settle().await;
    srv.write(b"and so is this");
    assert!(srv.is_open());
    // The memory of what is in the layer counts.
    srv.write(&bytes(300_001));
    assert_eq!(ground.log().lost("srv").await, "Overflow(Unsent)");
    cli.abort();
    Ok(())
}

async fn a_file_counts_for_the_marks(ground: Ground) -> Result {
    let (srv, cli) = unread(&ground, Limits::default()).await?;
    assert!(srv.is_full());
    ground.settle().await;
    assert!(srv.is_full());
    cli.resume();
    ground.log().heard("srv", "writable").await;
    ground.log().received("cli", ground.plenty()).await;
    cli.close();
    Ok(())
}

async fn a_slow_reader_gets_a_whole_file(ground: Ground) -> Result {
    let (srv, cli) = unread(&ground, Limits::default()).await?;
    while srv.counts().unsent > 0 {
        cli.resume();
        ground.turn().await;
        cli.pause();
        ground.reactor().sleep(std::time::Duration::from_millis(1)).await;
    }
    cli.resume();
    assert!(received(&ground, &srv).await == bytes(ground.plenty()));
    Ok(())
}

async fn close_sends_a_file_first(ground: Ground) -> Result {
    let (srv, cli) = unread(&ground, Limits::default()).await?;
    srv.close();
    ground.settle().await;
    cli.resume();
    assert!(received(&ground, &srv).await == bytes(ground.plenty()));
    Ok(())
}

async fn flushed_fires_behind_a_file(ground: Ground) -> Result {
    let (srv, cli) = unread(&ground, Limits::default()).await?;
    let log = ground.log().clone();
    srv.flushed().then(move |result| log.note("flushed", format!("{}", result.is_ok())));
    ground.settle().await;
    assert_eq!(ground.log().of("flushed"), [""; 0]);
    cli.resume();
    ground.log().heard("flushed", "true").await;
    assert_eq!(srv.counts().sent, ground.plenty() as u64);
    cli.close();
    Ok(())
}

/// What came of a file that ends too early; gives what the client has received.
async fn ended_early(ground: &Ground) -> Vec<u8> {
    assert_eq!(ground.log().lost("srv").await, "Io(UnexpectedEof)");
    let lost = ground.log().lost("cli").await;
    assert_eq!(lost, "Io(ConnectionReset)", "the client can tell that it was cut short");
    ground.log().bytes("cli")
}

async fn a_file_shorter_than_its_range_ends_the_connection_early(ground: Ground) -> Result {
    for (has, said) in [(1000, 1001), (0, 1), (100_000, 200_000)] {
        let (srv, _) = plain(&ground).await?;
        srv.send_file(file(has), 0..said);
        srv.write(b"never");
        let received = ended_early(&ground).await;
        assert!(bytes(has).starts_with(&received), "what the file has, and never zeros");
        ground.log().forget();
    }
    Ok(())
}

async fn a_file_that_is_cut_while_it_is_sent_ends_the_connection_early(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    cli.pause();
    let content = file(ground.plenty());
    srv.send_file(content.clone(), 0..ground.plenty() as u64);
    ground.settle().await;
    content.set_len(10).unwrap();
    cli.resume();
    // Of the bytes themselves nothing can be said: what was handed to the system before may still refer to the file's
    // pages, and the system clears them where the file is cut (Linux, sendfile).
    assert!(ended_early(&ground).await.len() < ground.plenty());
    Ok(())
}

async fn abort_in_the_middle_of_a_file_lets_it_go(ground: Ground) -> Result {
    let (srv, cli) = plain(&ground).await?;
    cli.pause();
    let content = file(ground.plenty());
    srv.send_file(content.clone(), 0..ground.plenty() as u64);
    ground.settle().await;
    assert!(Arc::strong_count(&content) > 1);
    srv.abort();
    assert_eq!(ground.log().lost("srv").await, "Aborted");
    ground.settle().await;
    assert_eq!(Arc::strong_count(&content), 1);
    cli.resume();
    Ok(())
}

async fn layers_get_a_file_in_pieces(ground: Ground) -> Result {
    let (srv, _) = layered(&ground).await?;
    let n = ground.scaled(300_000, 3_000_000);
    srv.send_file(file(n), 0..n as u64);
    assert!(received(&ground, &srv).await == bytes(n));
    Ok(())
}

async fn layers_keep_a_file_in_its_place(ground: Ground) -> Result {
    let (srv, _) = layered(&ground).await?;
    let all = mixed(&srv);
    assert!(received(&ground, &srv).await == all);
    assert_eq!(srv.counts().unsent, 0);
    Ok(())
}

/// Changes nothing, and notes how much it has encoded at once.
struct Note(Rc<RefCell<Vec<usize>>>);

impl Layer for Note {
    fn decode(&mut self, wire: &mut Wire<'_>, up: &mut Buf, _: &mut OutBuf) -> Result<Flow> {
        up.push(wire.bytes());
        wire.consume(usize::MAX);
        Ok(Flow::More)
    }
    fn encode(&mut self, plain: &mut OutBuf, down: &mut OutBuf) -> Result {
        self.0.borrow_mut().push(plain.queued());
        down.append(plain);
        Ok(())
    }
    fn eof(&mut self, _: &mut Buf, _: &mut OutBuf) -> Result {
        Ok(())
    }
}

async fn layers_get_a_small_file_together_with_what_is_before_it(ground: Ground) -> Result {
    let noted = Rc::new(RefCell::new(Vec::new()));
    let note = noted.clone();
    let on = move |on: Endpoint| on.layered(move || vec![Box::new(Note(note.clone()))]);
    let (srv, _) =
        ground.pair_over(on, Actor::new(&ground, "srv"), |to| to, Actor::new(&ground, "cli")).await?;
    noted.take();
    srv.write(b"head:");
    srv.send_file(file(1000), 0..1000);
    srv.write(b":tail");
    assert!(received(&ground, &srv).await == [b"head:", &bytes(1000)[..], b":tail"].concat());
    assert_eq!(*noted.borrow(), [1010]);
    Ok(())
}

async fn layers_hold_no_more_of_a_file_than_the_marks_allow(ground: Ground) -> Result {
    let (srv, cli) = layered(&ground).await?;
    cli.pause();
    srv.set_limits(Limits { unsent: 512 * 1024, ..Limits::default() });
    srv.send_file(file(ground.plenty()), 0..ground.plenty() as u64);
    ground.settle().await;
    // What was read of the file counts as bytes: there is room for more writes because little was.
    srv.write(&bytes(256 * 1024));
    assert!(srv.is_open());
    cli.resume();
    assert!(received(&ground, &srv).await == [bytes(ground.plenty()), bytes(256 * 1024)].concat());
    Ok(())
}

async fn a_file_under_layers_arrives_whatever_the_marks_are(ground: Ground) -> Result {
    let (srv, _) = layered(&ground).await?;
    // Each piece is more than the high mark, and the driver may take it at once.
    srv.set_limits(Limits { high: 1000, low: 500, ..Limits::default() });
    srv.write(&bytes(5000));
    srv.send_file(file(300_000), 0..300_000);
    srv.write(b"behind");
    assert!(received(&ground, &srv).await == [bytes(5000), bytes(300_000), b"behind".to_vec()].concat());
    Ok(())
}

async fn a_short_file_under_layers_ends_the_connection_early(ground: Ground) -> Result {
    let (srv, _) = layered(&ground).await?;
    srv.send_file(file(100_000), 0..200_000);
    assert!(bytes(100_000).starts_with(&ended_early(&ground).await));
    Ok(())
}

async fn a_file_under_layers_waits_while_the_pool_is_full(ground: Ground) -> Result {
    let (srv, _) = layered(&ground).await?;
    let gate = ground.fill_pool();
    srv.send_file(file(100_000), 0..100_000);
    if !ground.is_simulated() {
        // What the system has in memory is read without the pool.
        ground.settle().await;
        assert!(srv.is_open());
    }
    gate.open();
    assert!(received(&ground, &srv).await == bytes(100_000));
    Ok(())
}

async fn a_connection_that_ends_while_the_pool_is_full_leaves_nothing(ground: Ground) -> Result {
    let (srv, _) = layered(&ground).await?;
    let content = file(100_000);
    let gate = ground.fill_pool();
    srv.send_file(content.clone(), 0..100_000);
    ground.turn().await;
    srv.abort();
    ground.log().lost("srv").await;
    gate.open();
    ground.log().lost("cli").await;
    ground.until(|| Arc::strong_count(&content) == 1).await;
    Ok(())
}

async fn a_connection_that_ends_while_a_piece_is_read_is_not_disturbed(ground: Ground) -> Result {
    for turns in 0..4 {
        let (srv, cli) = layered(&ground).await?;
        srv.send_file(file(200_000), 0..200_000);
        for _ in 0..turns {
            ground.turn().await;
        }
        cli.abort();
        ground.log().lost("srv").await;
        ground.settle().await;
        ground.log().forget();
    }
    Ok(())
}
