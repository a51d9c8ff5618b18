//! Response bodies of every kind.

use super::{Seen, Site, get, got, request, text};
use bytes::Bytes;
use http::{Request, Response};
use std::{cell::Cell, io::Write, rc::Rc, sync::Arc};
use trenza_core::Reactor;
use trenza_sim::{Fate, Net, for_seeds};
use trenza_web::{Body, Server};

fn numbers(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

/// A body of `count` pieces of `size` bytes that a task sends; counts what it has sent.
fn sent_by_task(count: usize, size: usize, sent: Rc<Cell<usize>>) -> Body {
    let (mut sender, body) = Body::channel();
    let task = async move {
        for _ in 0..count {
            sender.send(Bytes::from(vec![b'x'; size])).await?;
            sent.set(sent.get() + size);
        }
        sender.finish();
        Ok(())
    };
    Reactor::current().spawn(task).detach();
    body
}

#[test]
fn every_kind_arrives_whole() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&numbers(300_000)).unwrap();
    let file = Arc::new(file);
    let whole = numbers(300_000);
    for_seeds(0..30, |seed| {
        let (file, bytes) = (file.clone(), Bytes::from(whole.clone()));
        let server = Server::new(move |request: Request<Body>| {
            let file = file.clone();
            let body = match request.uri().path() {
                "/bytes" => Body::from(bytes.clone()),
                "/file" => Body::file(file, 0..300_000),
                "/pieces" => Body::pieces([
                    trenza_wire::Chunk::Shared(bytes.slice(..10)),
                    trenza_wire::Chunk::File(file.clone(), 10..200_000),
                    trenza_wire::Chunk::Own(bytes[200_000..200_001].to_vec()),
                    trenza_wire::Chunk::File(file, 200_001..300_000),
                ]),
                _ => unreachable!(),
            };
            Response::new(body)
        });
        let site = Site::new(Net::new(seed), server);
        let client = site.client();
        for path in ["/bytes", "/file", "/pieces"] {
            client.send(request(&format!("GET {path}"), ""));
        }
        site.net.run();
        let received = client.received();
        let mut rest = &received[..];
        for _ in 0..3 {
            let end = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            assert!(rest[end..].starts_with(&whole), "seed {seed}");
            rest = &rest[end + whole.len()..];
        }
        assert!(rest.is_empty());
    });
}

#[test]
fn a_task_sends_a_body_in_chunks() {
    let server = || Server::new(|_| Response::new(sent_by_task(3, 4, Rc::default())));
    let text = got(server, request("GET /", ""));
    let body = text.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(body, "4\r\nxxxx\r\n4\r\nxxxx\r\n4\r\nxxxx\r\n0\r\n\r\n");
}

#[test]
fn an_http_1_0_client_gets_an_unknown_length_until_the_end() {
    let server = || Server::new(|_| Response::new(sent_by_task(3, 4, Rc::default())));
    let expected = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nxxxxxxxxxxxx[closed]";
    assert_eq!(got(server, "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"), expected);
}

#[test]
fn a_body_that_breaks_off_is_seen_by_the_client() {
    let server = || {
        Server::new(|_| {
            let (mut sender, body) = Body::channel();
            let task = async move {
                sender.send(Bytes::from_static(b"part")).await?;
                Reactor::current().sleep(std::time::Duration::from_millis(10)).await;
                Ok(())
            };
            Reactor::current().spawn(task).detach();
            Response::new(body)
        })
    };
    for fields in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let site = Site::gentle(server());
        let client = site.client();
        client.send(fields);
        site.advance(1.0);
        assert!(client.was_reset(), "{fields:?}");
    }
}

#[test]
fn a_body_shorter_or_longer_than_its_length_is_seen_by_the_client() {
    for length in ["3", "5"] {
        let server = Server::new(move |_| {
            let body = sent_by_task(1, 4, Rc::default());
            Response::builder().header("content-length", length).body(body).unwrap()
        });
        let text = get(Net::gentle(1), server, |client| client.send(request("GET /", "")));
        assert!(text.ends_with("[reset]"), "{text}");
    }
}

#[test]
fn a_client_that_reads_slowly_slows_the_sender_down() {
    for_seeds(0..10, |seed| {
        let sent = Rc::new(Cell::new(0));
        let count = sent.clone();
        let server = Server::new(move |_| Response::new(sent_by_task(400, 10_000, count.clone())));
        let site = Site::new(Net::new(seed), server);
        let client = site.client();
        client.read(false);
        client.send(request("GET /", ""));
        site.net.run();
        let (_, unsent) = site.held();
        assert!(unsent <= 200_000, "{unsent} bytes unsent");
        assert!(sent.get() < 600_000, "{} bytes were sent to nobody", sent.get());
        client.read(true);
        site.net.run();
        assert_eq!(sent.get(), 4_000_000);
        let received = client.received();
        assert!(received.ends_with(b"\r\n0\r\n\r\n"), "seed {seed}");
        assert_eq!(received.iter().filter(|b| **b == b'x').count(), 4_000_000);
    });
}

#[test]
fn a_huge_body_in_memory_is_queued_bit_by_bit() {
    let huge = Bytes::from(vec![b'x'; 40 << 20]);
    let server = Server::new(move |_| Response::new(Body::from(huge.clone())));
    let site = Site::gentle(server);
    let client = site.client();
    client.read(false);
    client.send(request("GET /", ""));
    site.net.run();
    assert!(site.held().1 <= 1 << 20, "{:?}", site.held());
    client.read(true);
    site.net.run();
    assert_eq!(client.received().iter().filter(|b| **b == b'x').count(), 40 << 20);
}

#[test]
fn a_sender_whose_client_is_gone_gets_an_error() {
    let ended: Seen<bool> = Seen::default();
    let place = ended.clone();
    let server = Server::new(move |_| {
        let (mut sender, body) = Body::channel();
        let place = place.clone();
        let task = async move {
            while sender.send(Bytes::from(vec![0; 10_000])).await.is_ok() {}
            place.borrow_mut().push(true);
            Ok(())
        };
        Reactor::current().spawn(task).detach();
        Response::new(body)
    });
    let site = Site::gentle(server);
    let client = site.client();
    client.read(false);
    client.send(request("GET /", ""));
    site.net.run();
    assert!(ended.borrow().is_empty());
    client.reset();
    site.net.run();
    assert_eq!(*ended.borrow(), [true]);
}

#[test]
fn head_ends_the_sender_at_once() {
    let ended: Seen<bool> = Seen::default();
    let place = ended.clone();
    let server = Server::new(move |_| {
        let (mut sender, body) = Body::channel();
        let place = place.clone();
        let task = async move {
            while sender.send(Bytes::from(vec![0; 10_000])).await.is_ok() {}
            place.borrow_mut().push(true);
            Ok(())
        };
        Reactor::current().spawn(task).detach();
        Response::new(body)
    });
    let text = get(Net::gentle(1), server, |client| client.send(request("HEAD /", "")));
    assert_eq!((text.as_str(), ended.borrow().len()), ("HTTP/1.1 200 OK\r\n\r\n", 1));
}

#[test]
fn a_response_body_can_be_read_as_well() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&numbers(200_000)).unwrap();
    let file = Arc::new(file);
    let net = Net::gentle(1);
    let host = net.host("srv");
    let short = file.clone();
    let read = net.block_on(&host, async move {
        let mut body = Body::pieces([
            trenza_wire::Chunk::Own(b"a".to_vec()),
            trenza_wire::Chunk::File(file, 0..150_000),
        ]);
        assert_eq!(body.len(), Some(150_001));
        body.collect(1 << 20).await
    });
    assert_eq!(read.unwrap()[1..], numbers(150_000));
    let cut = net.block_on(&host, async move { Body::file(short, 190_000..200_001).collect(1 << 20).await });
    assert!(cut.is_err(), "a file that is too short is an error");
}

#[test]
fn a_file_is_read_although_the_pool_is_full_for_a_while() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![b'f'; 200_000]).unwrap();
    let file = Arc::new(file);
    let site = Site::gentle(Server::new(move |_| {
        let mut body = Body::file(file.clone(), 0..200_000);
        async move { Ok(Response::new(Body::from(body.collect(1 << 20).await?))) }
    }));
    let mut jobs = 0;
    let _rule = site.net.job_rule(move |_| {
        jobs += 1;
        if jobs % 3 == 0 { Fate::Run } else { Fate::Refuse }
    });
    let client = site.client();
    client.send(request("GET /", ""));
    site.advance(1.0);
    assert!(text(&client.received()).starts_with("HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n"));
}
