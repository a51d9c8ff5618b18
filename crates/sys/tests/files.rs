//! Ranges of files sent by the driver.
#![allow(
    clippy::indexing_slicing,
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods
)]

#[macro_use]
mod common;

use common::{Net, Told, pattern};
use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    sync::Arc,
    thread,
};
use trenza_core::driver::{Close, Host};
use trenza_sys::{DriverKind, SystemHost};
use trenza_wire::OutBuf;

cases! {
    files_of_all_sizes_arrive_between_bytes
    ranges_of_one_file_arrive_in_order
    file_behind_more_bytes_than_one_call_takes_arrives
    file_that_the_system_cannot_send_is_copied
    file_shorter_than_its_range_fails
    what_is_no_file_fails
}

fn file(data: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    Arc::new(file)
}

/// Sends it all, and returns what the peer got.
fn deliver(kind: DriverKind, mut out: OutBuf) -> Vec<u8> {
    let mut net = Net::new(kind);
    let (token, mut peer) = net.pair();
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    net.send_all(token, &mut out);
    net.driver.close(token, Close::Graceful);
    reader.join().unwrap()
}

fn files_of_all_sizes_arrive_between_bytes(kind: DriverKind) {
    for size in [1, 1000, 16 * 1024, 16 * 1024 + 1, 64 * 1024, 5_000_000] {
        let data = pattern(size);
        let mut out = OutBuf::new();
        out.push_slice(b"head");
        out.push_file(file(&data), 0..size as u64);
        out.push_slice(b"tail");
        assert!(deliver(kind, out) == [b"head", &data[..], b"tail"].concat(), "{size}");
    }
}

fn ranges_of_one_file_arrive_in_order(kind: DriverKind) {
    let data = pattern(100_000);
    let file = file(&data);
    let mut out = OutBuf::new();
    let mut expected = Vec::new();
    for start in (0..90_000).step_by(7_000) {
        out.push_slice(b"head");
        out.push_file(file.clone(), start..start + 3_000);
        expected.extend_from_slice(b"head");
        expected.extend_from_slice(&data[start as usize..][..3_000]);
    }
    out.push_file(file.clone(), 0..100_000);
    out.push_file(file, 50_000..100_000);
    expected.extend_from_slice(&data);
    expected.extend_from_slice(&data[50_000..]);
    assert!(deliver(kind, out) == expected);
}

fn file_behind_more_bytes_than_one_call_takes_arrives(kind: DriverKind) {
    let (bytes, data) = (pattern(2_000_000), pattern(10_000));
    let mut out = OutBuf::new();
    for piece in bytes.chunks(1_000) {
        out.push_bytes(bytes::Bytes::copy_from_slice(piece));
    }
    out.push_file(file(&data), 0..10_000);
    assert!(deliver(kind, out) == [bytes, data].concat());
}

fn file_that_the_system_cannot_send_is_copied(kind: DriverKind) {
    let data = std::fs::read("/proc/version").unwrap();
    let mut out = OutBuf::new();
    out.push_file(Arc::new(File::open("/proc/version").unwrap()), 0..data.len() as u64);
    assert_eq!(deliver(kind, out), data);
}

fn file_shorter_than_its_range_fails(kind: DriverKind) {
    for (head, size, range) in
        [("head", 10, 0..11), ("head", 10, 20..30), ("", 10, 20..30), ("head", 100_000, 0..200_000)]
    {
        let mut net = Net::new(kind);
        let (token, mut peer) = net.pair();
        let reader = thread::spawn(move || peer.read_to_end(&mut Vec::new()));
        let mut out = OutBuf::new();
        out.push_slice(head.as_bytes());
        out.push_file(file(&pattern(size)), range);
        net.driver.send(token, &mut out);
        let error = loop {
            match net.next() {
                Told::Sent(_, bytes) => {
                    out.landed(bytes);
                    net.driver.send(token, &mut out);
                }
                Told::Failed(of, error) => {
                    assert_eq!(of, token);
                    break error;
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        net.driver.send(token, &mut out);
        assert!(net.poll().is_none(), "told once");
        net.driver.close(token, Close::Abort);
        reader.join().unwrap().unwrap_err();
    }
}

fn what_is_no_file_fails(kind: DriverKind) {
    let mut net = Net::new(kind);
    let (token, _peer) = net.pair();
    let mut out = OutBuf::new();
    out.push_file(Arc::new(File::open("/").unwrap()), 0..10);
    net.driver.send(token, &mut out);
    assert!(matches!(net.next(), Told::Failed(of, _) if of == token));
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_in_memory_is_read_whole_or_not_at_all() {
    let data = pattern(100_000);
    let (file, host) = (file(&data), SystemHost::new());
    // What was just written is in memory, unless the file system cannot tell.
    if let Some(read) = host.read_cached(&file, &(7..90_007)) {
        assert!(read == data[7..90_007]);
    }
    assert_eq!(host.read_cached(&file, &(99_999..100_001)), None, "the file is shorter");
}
