//! Files and lists that come piece by piece.

use super::*;
use std::{collections::BTreeSet, ops::Range, time::Duration};
use trenza_core::{Input, Protocol, Result, Transport, timeout};
use trenza_sim::{DiskFate, DiskVerb};
use trenza_storage::{BATCH, PIECE};

#[test]
fn any_range_is_read() {
    let (net, host) = net(1);
    let disk = host.disk();
    let text = noise(2 * PIECE + 100);
    put(&disk, "a", &text);
    let end = text.len() as u64;
    let ranges = [
        0..end,
        0..1,
        5..5,
        end - 1..end,
        3..(PIECE as u64 + 3),
        100..end + 999,
        end..end + 9,
        Range { start: 7, end: 3 },
        0..u64::MAX,
    ];
    run(&net, &host, async move |storage| {
        let file = storage.open(&path("a")).await?;
        for range in ranges {
            let mut reader = storage.read(file.clone(), range.clone());
            let mut found = Vec::new();
            while let Some(piece) = reader.next().await? {
                assert!(!piece.is_empty() && piece.len() <= PIECE);
                found.extend_from_slice(&piece);
            }
            assert!(reader.next().await?.is_none());
            let expected = range.start.min(end)..range.end.min(end).max(range.start.min(end));
            assert_eq!(found, text[expected.start as usize..expected.end as usize], "{range:?}");
        }
        Ok(())
    });
}

#[test]
fn a_future_that_is_dropped_loses_no_piece() {
    let (net, host) = net(1);
    net.job_time(Duration::from_secs(3));
    let disk = host.disk();
    let text = noise(3 * PIECE);
    put(&disk, "a", &text);
    for n in 0..2 * BATCH {
        put(&disk, &format!("{n}"), b"");
    }
    run(&net, &host, async move |storage| {
        let reactor = Reactor::current();
        let file = storage.open(&path("a")).await?;
        let mut reader = storage.read(file, 0..u64::MAX);
        let mut found = Vec::new();
        loop {
            match timeout(Duration::from_secs(1), async { Ok(reader.next().await?) }).await {
                Ok(Some(piece)) => found.extend_from_slice(&piece),
                Ok(None) => break,
                Err(_) => reactor.sleep(Duration::from_millis(100)).await,
            }
        }
        assert_eq!(found, text);
        let mut listing = storage.list(&Path::root()).await?;
        let mut names = BTreeSet::new();
        loop {
            match timeout(Duration::from_secs(1), async { Ok(listing.next().await?) }).await {
                Ok(Some(batch)) => {
                    assert!(!batch.is_empty() && batch.len() <= BATCH);
                    names.extend(batch.into_iter().map(|entry| entry.name));
                }
                Ok(None) => break,
                Err(_) => reactor.sleep(Duration::from_millis(100)).await,
            }
        }
        assert_eq!(names.len(), 2 * BATCH + 1);
        Ok(())
    });
}

#[test]
fn an_error_comes_once_and_ends_it() {
    let (net, host) = net(1);
    let disk = host.disk();
    put(&disk, "a", &noise(3 * PIECE));
    let mut reads = 0;
    let _rule = disk.rule(move |access| {
        reads += usize::from(access.verb() == DiskVerb::Read);
        if access.verb() == DiskVerb::Read && reads == 2 { DiskFate::Fail } else { DiskFate::Go }
    });
    run(&net, &host, async move |storage| {
        let file = storage.open(&path("a")).await?;
        let mut reader = storage.read(file, 0..u64::MAX);
        assert_eq!(reader.next().await?.unwrap().len(), PIECE);
        assert_eq!(reader.next().await.unwrap_err().kind(), ErrorKind::Io);
        assert!(reader.next().await?.is_none());
        Ok(())
    });
}

/// Sends a file to everybody.
struct Sender(Storage);

impl Protocol for Sender {
    fn connection_made(&mut self, transport: &Transport) -> Result {
        let (storage, to) = (self.0.clone(), transport.clone());
        transport.spawn(async move {
            let file = storage.open(&path("a")).await?;
            storage.send(file, 10..u64::MAX, &to).await?;
            to.close();
            Ok(())
        });
        Ok(())
    }

    fn data_received(&mut self, _: &Transport, input: &mut Input<'_>) -> Result {
        input.rest();
        Ok(())
    }
}

#[test]
fn a_file_is_sent_to_who_reads_slowly() {
    trenza_sim::for_seeds(0..10, |seed| {
        let (net, host) = net(seed);
        let text = noise(2 * PIECE + 777);
        put(&host.disk(), "a", &text);
        let storage = host.run(|reactor| Storage::new(reactor, host.disk()));
        let _port = host.listen("tcp:7", move |_| Sender(storage.clone()));
        let probe = net.host("cli").probe("tcp:srv:7");
        probe.window(5000);
        net.run();
        assert!(probe.received() == text[10..], "seed {seed}");
        assert!(probe.eof() || probe.lost());
    });
}
