//! A folder behind the server: what the unit tests of `Files` see of it, the client must see too, however its
//! requests come and its answers are read.

use super::{Site, got, request, text};
use std::{
    fs::{self, File},
    time::Duration,
};
use tempfile::TempDir;
use trenza_sim::{Net, for_seeds};
use trenza_web::{FileOptions, Files, Server};

const LONG: usize = 3_000_000;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "0123456789").unwrap();
    fs::write(folder.path().join("long.bin"), vec![b'x'; LONG]).unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/b.txt"), "below").unwrap();
    folder
}

fn server(folder: &TempDir) -> Server {
    Server::with(Files::new(folder.path(), FileOptions::default()).unwrap())
}

/// The value of a field of a response.
fn field<'a>(response: &'a str, name: &str) -> &'a str {
    response.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim_start_matches(": ")
}

#[test]
fn every_kind_of_answer_however_the_request_is_cut() {
    let folder = folder();
    let get = |line: &str, fields: &str| got(|| server(&folder), request(line, fields));
    let whole = get("GET /a.txt", "");
    assert!(whole.starts_with("HTTP/1.1 200 OK\r\n") && whole.ends_with("\r\n\r\n0123456789"), "{whole}");
    let head = get("HEAD /a.txt", "");
    assert_eq!(head, whole.trim_end_matches("0123456789"), "the same head, and nothing behind it");
    let part = get("GET /a.txt", "range: bytes=2-4\r\n");
    assert!(part.starts_with("HTTP/1.1 206 ") && part.ends_with("\r\n\r\n234"), "{part}");
    assert_eq!(field(&part, "content-range"), "bytes 2-4/10");
    let same = get("GET /a.txt", &format!("if-none-match: {}\r\n", field(&whole, "etag")));
    assert!(same.starts_with("HTTP/1.1 304 ") && same.ends_with("\r\n\r\n"), "{same}");
    for (line, fields, status) in [
        ("GET /a.txt", "range: bytes=10-\r\n", 416),
        ("GET /none", "", 404),
        ("GET /../a", "", 400),
        ("POST /a.txt", "content-length: 0\r\n", 405),
        ("GET /sub", "", 301),
    ] {
        let page = get(line, fields);
        assert!(page.starts_with(&format!("HTTP/1.1 {status} ")) && page.ends_with("</html>\n"), "{page}");
    }
    assert!(get("GET /sub/", "").contains("href=\"b.txt\""));
    // The second answer is from the cache, the third one not again.
    let two = got(
        || server(&folder),
        request("GET /a.txt", "") + &request("GET /a.txt", "") + "GET /none HTTP/1.0\r\n\r\n",
    );
    assert!(two.starts_with(&[&whole[..], &whole].concat()) && two.ends_with("</html>\n[closed]"), "{two}");
}

#[test]
fn a_long_file_arrives_whole_at_slow_readers_too() {
    let folder = folder();
    for_seeds(0..10, |seed| {
        let site = Site::new(Net::new(seed), server(&folder));
        let client = site.client();
        client.read(false);
        client.send(request("GET /long.bin", ""));
        for _ in 0..8 {
            site.advance(1.0);
            client.read(true);
            site.net.advance(Duration::from_micros(300));
            client.read(false);
        }
        client.read(true);
        site.net.run();
        let received = client.received();
        assert!(received.ends_with(b"xxx") && received.iter().filter(|b| **b == b'x').count() >= LONG);
        assert!(!client.lost(), "seed {seed}");
    });
}

#[test]
fn a_reset_in_the_middle_of_a_file_leaves_nothing_behind() {
    let folder = folder();
    for_seeds(0..40, |seed| {
        let site = Site::new(Net::new(seed), server(&folder));
        let client = site.client();
        client.send(request("GET /long.bin", "").repeat(3));
        site.net.advance(Duration::from_micros(seed * 500));
        client.reset();
        site.advance(3.0);
        assert_eq!(site.port.connections(), 0, "seed {seed}");
        let other = site.client();
        other.send(request("GET /a.txt", ""));
        site.net.run();
        assert!(text(&other.received()).ends_with("\r\n\r\n0123456789"), "seed {seed}");
    });
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection_early() {
    let folder = folder();
    for_seeds(0..20, |seed| {
        fs::write(folder.path().join("long.bin"), vec![b'x'; LONG]).unwrap();
        let site = Site::new(Net::new(seed), server(&folder));
        site.net.window(10_000);
        let client = site.client();
        client.read(false);
        client.send(request("GET /long.bin", ""));
        site.net.run();
        File::options().write(true).open(folder.path().join("long.bin")).unwrap().set_len(100_000).unwrap();
        client.read(true);
        site.net.run();
        let received = client.received();
        let body = received.windows(4).position(|four| four == b"\r\n\r\n").map(|end| &received[end + 4..]);
        let body = body.unwrap_or_default();
        assert!(body.len() < LONG && body.iter().all(|byte| *byte == b'x'), "seed {seed}");
        assert!(client.lost(), "seed {seed}: {} bytes", body.len());
    });
}
